//! The seam between a call and the media it carries: the real pipelines, or the echo friend's.

use std::sync::Arc;

use call_core::{LocalMedia, ParticipantSnapshot, PeerKey};
use call_media::frame::VideoKind;
use call_media::send::ladder::LimitedBy;

use crate::peer::{PeerReceivers, PeerStatistics, PeerTransport};
use crate::remote_media::RemoteMedia;

/// Figures a sender tells its peers once a second, medians in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CaptureTimings {
    /// Which picture.
    pub kind: VideoKind,
    /// Capture to encoder.
    pub capture_ms: f32,
    /// Encoder.
    pub encode_ms: f32,
}

/// Our camera's pictures as they go out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SentPicture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// In the last second.
    pub fps: f64,
    /// What keeps it from being better.
    pub limited_by: LimitedBy,
}

/// What a call needs of media. No method blocks.
pub(crate) trait CallMedia: Send + Sync {
    /// Where packets of a new connection to `peer` go; whatever came before on an older connection is over.
    fn receivers(&self, peer: PeerKey) -> PeerReceivers;
    /// The receivers themselves, for their figures, where there are any.
    fn remote(&self, peer: PeerKey) -> Option<Arc<RemoteMedia>>;
    /// The connection exists: send to it from now on (it drops what it cannot send yet).
    fn attach(&self, peer: PeerKey, transport: Arc<dyn PeerTransport>);
    /// The connection is being closed.
    fn detach(&self, peer: PeerKey);
    /// The participant is gone.
    fn forget(&self, peer: PeerKey);
    /// Opens and closes the gates of microphone, camera and screen.
    fn apply(&self, media: LocalMedia);
    /// A peer cannot go on without a key frame.
    fn request_key_frame(&self, peer: PeerKey, kind: VideoKind);
    /// What the path to a peer carries, bit/s.
    fn set_target_bitrate(&self, peer: PeerKey, bitrate_bps: u32);
    /// Once a second: how the path to a peer is.
    fn on_path(&self, peer: PeerKey, statistics: &PeerStatistics);
    /// What is known of a participant changed: name, what they send.
    fn on_participant(&self, participant: &ParticipantSnapshot);
    /// What our camera's encoder does at present.
    fn sent_picture(&self) -> Option<SentPicture>;
    /// What the peers may know of our own side's delays.
    fn capture_timings(&self) -> Vec<CaptureTimings>;
}
