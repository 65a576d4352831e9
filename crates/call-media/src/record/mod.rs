//! Writing down what was received: sound as WAV, pictures as YUV4MPEG2.

pub mod wav;
pub mod y4m;
