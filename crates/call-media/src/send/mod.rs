//! From what is captured to what goes out.

mod encode_load;
mod frame_rate;
mod key_frames;
pub mod ladder;
pub mod redundancy;
mod scale;
pub mod video;
