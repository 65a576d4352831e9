//! From packets to what is shown and heard.

pub mod audio;
mod key_frame_requests;
pub mod video;
mod video_statistics;
