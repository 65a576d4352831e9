//! From packets to what is shown and heard.

pub mod audio;
pub mod video;
mod key_frame_requests;
mod video_statistics;
