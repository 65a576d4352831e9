//! From what is captured to what goes out.

pub mod video;
pub mod ladder;
mod encode_load;
mod frame_rate;
mod key_frames;
mod scale;
