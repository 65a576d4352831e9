//! The echo friend: a participant in this very process that sends back, a second later, what it is sent.
//!
//! It takes part in the call like anybody else, over the server, ICE, DTLS and SRTP; only its media is special:
//! packets become frames again without being decoded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_core::{LocalMedia, ParticipantSnapshot, PeerKey};
use call_media::frame::{EncodedFrame, SendTimings, StreamKind, VideoKind};
use call_media::rtp::{PacketSink, RtpPacket};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::call_media::{CallMedia, CaptureTimings, SentPicture};
use crate::peer::{PeerReceivers, PeerStatistics, PeerTransport};
use crate::remote_media::RemoteMedia;

/// What the echo friend calls itself.
pub(crate) const NAME: &str = "Echo";
/// How much later everything comes back: long enough to tell one's words from their echo.
const DELAY: Duration = Duration::from_secs(1);
/// Frames under way: two seconds of everything. More are dropped.
const FRAME_CAPACITY: usize = 256;
/// Packets of one picture; a picture with more is not one of ours.
const MAX_PACKETS: usize = 2_048;
/// A key frame takes [`DELAY`] to come back: asking more often only makes more of them.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(1_500);

/// The media of the echo friend.
#[derive(Default)]
pub(crate) struct EchoMedia {
    transports: Mutex<BTreeMap<PeerKey, Arc<dyn PeerTransport>>>,
    last_request: Mutex<BTreeMap<(PeerKey, VideoKind), Instant>>,
    weak: std::sync::Weak<Self>,
}

impl EchoMedia {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            weak: weak.clone(),
            ..Self::default()
        })
    }

    fn transport(&self, peer: PeerKey) -> Option<Arc<dyn PeerTransport>> {
        let transports = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        transports.get(&peer).cloned()
    }

    fn stream(&self, peer: PeerKey, kind: StreamKind) -> Arc<EchoStream> {
        let (frames, queue) = mpsc::channel(FRAME_CAPACITY);
        tokio::spawn(send_back(self.weak.clone(), peer, queue));
        Arc::new(EchoStream {
            kind,
            frames,
            picture: Mutex::new(Picture::default()),
        })
    }
}

/// Sends each frame when its time has come; ends with its stream.
async fn send_back(media: std::sync::Weak<EchoMedia>, peer: PeerKey, mut queue: mpsc::Receiver<EncodedFrame>) {
    while let Some(frame) = queue.recv().await {
        sleep_until((frame.captured_at + DELAY).into()).await;
        let Some(media) = media.upgrade() else { return };
        if let Some(transport) = media.transport(peer) {
            transport.send(&frame);
        }
    }
}

/// One stream on its way back.
struct EchoStream {
    kind: StreamKind,
    frames: mpsc::Sender<EncodedFrame>,
    picture: Mutex<Picture>,
}

/// The packets of one picture so far.
#[derive(Default)]
struct Picture {
    timestamp: u32,
    next: Option<u16>,
    broken: bool,
    payloads: Vec<Bytes>,
}

impl Picture {
    /// Takes a packet; gives the payloads of a picture that is whole.
    fn push(&mut self, packet: RtpPacket) -> Option<Vec<Bytes>> {
        if packet.timestamp != self.timestamp {
            self.payloads.clear();
            self.timestamp = packet.timestamp;
            self.broken = false;
        }
        // Lost and late packets break a picture: the receiver behind asks for a key frame, as in any call.
        self.broken |=
            self.next.is_some_and(|next| next != packet.sequence_number) || self.payloads.len() >= MAX_PACKETS;
        self.next = Some(packet.sequence_number.wrapping_add(1));
        if !self.broken {
            self.payloads.push(packet.payload);
        }
        let whole = packet.marker && !self.broken;
        whole.then(|| std::mem::take(&mut self.payloads))
    }
}

impl PacketSink for EchoStream {
    fn push(&self, packet: RtpPacket) {
        if packet.payload.is_empty() {
            return;
        }
        let (timestamp, captured_at) = (packet.timestamp, packet.arrived_at);
        let payloads = match self.kind {
            StreamKind::Audio => Some(vec![packet.payload]),
            StreamKind::Video(_) => self.picture.lock().unwrap_or_else(PoisonError::into_inner).push(packet),
        };
        let Some(payloads) = payloads else { return };
        let frame = EncodedFrame {
            kind: self.kind,
            key_frame: self.kind == StreamKind::Audio || payloads.iter().any(|payload| starts_key_frame(payload)),
            payloads: payloads.into(),
            rtp_timestamp: timestamp,
            captured_at,
            audio_level: None,
            timings: SendTimings {
                capture: Duration::ZERO,
                encode: Duration::ZERO,
            },
        };
        if self.frames.try_send(frame).is_err() {
            tracing::debug!("the echo friend drops a frame");
        }
    }
}

/// Whether an H.264 payload holds a parameter set or a slice of an IDR picture (RFC 6184, section 5.4).
fn starts_key_frame(payload: &[u8]) -> bool {
    const FU_A: u8 = 28;
    let nal_type = |byte: &u8| byte & 0x1f;
    match payload.first().map(nal_type) {
        Some(5 | 7 | 24) => true,
        Some(FU_A) => payload.get(1).map(nal_type) == Some(5),
        _ => false,
    }
}

impl CallMedia for EchoMedia {
    fn receivers(&self, peer: PeerKey) -> PeerReceivers {
        PeerReceivers {
            audio: self.stream(peer, StreamKind::Audio),
            camera: self.stream(peer, StreamKind::Video(VideoKind::Camera)),
            screen: self.stream(peer, StreamKind::Video(VideoKind::Screen)),
        }
    }

    fn remote(&self, _peer: PeerKey) -> Option<Arc<RemoteMedia>> {
        None
    }

    fn attach(&self, peer: PeerKey, transport: Arc<dyn PeerTransport>) {
        self.transports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(peer, transport);
    }

    fn detach(&self, peer: PeerKey) {
        self.transports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&peer);
    }

    fn forget(&self, peer: PeerKey) {
        self.detach(peer);
    }

    fn apply(&self, _media: LocalMedia) {}

    fn request_key_frame(&self, peer: PeerKey, kind: VideoKind) {
        let now = Instant::now();
        let mut requests = self.last_request.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |last: &Instant| now.saturating_duration_since(*last) < KEY_FRAME_INTERVAL;
        if requests.get(&(peer, kind)).is_some_and(recent) {
            return;
        }
        requests.insert((peer, kind), now);
        drop(requests);
        if let Some(transport) = self.transport(peer) {
            transport.request_key_frame(kind);
        }
    }

    fn set_target_bitrate(&self, _peer: PeerKey, _bitrate_bps: u32) {}

    fn on_path(&self, _peer: PeerKey, _statistics: &PeerStatistics) {}

    fn on_participant(&self, _participant: &ParticipantSnapshot) {}

    fn sent_picture(&self) -> Option<SentPicture> {
        None
    }

    fn capture_timings(&self) -> Vec<CaptureTimings> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence_number: u16, timestamp: u32, marker: bool) -> RtpPacket {
        RtpPacket {
            sequence_number,
            timestamp,
            marker,
            payload: Bytes::from_static(&[0x61, 1]),
            arrived_at: Instant::now(),
            copy_distance: 0,
        }
    }

    #[test]
    fn a_whole_picture_comes_back_and_a_broken_one_does_not() {
        let mut picture = Picture::default();
        assert_eq!(picture.push(packet(1, 10, false)), None);
        assert_eq!(
            picture.push(packet(2, 10, true)).map(|payloads| payloads.len()),
            Some(2)
        );
        assert_eq!(picture.push(packet(3, 20, false)), None);
        assert_eq!(picture.push(packet(5, 20, true)), None, "packet 4 is missing");
        assert_eq!(
            picture.push(packet(6, 30, true)).map(|payloads| payloads.len()),
            Some(1)
        );
    }

    #[test]
    fn key_frames_are_recognised() {
        assert!(starts_key_frame(&[0x67]));
        assert!(starts_key_frame(&[0x7c, 0x85, 0]));
        assert!(!starts_key_frame(&[0x7c, 0x81, 0]));
        assert!(!starts_key_frame(&[0x7c]));
        assert!(!starts_key_frame(&[]));
    }
}
