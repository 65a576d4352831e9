//! From encoded frames to RTP packets in the hands of the crate.
//!
//! In: frames from codec threads by [`Outbox::send`], which never waits. Out: packets with our numbers, written by one
//! task a connection. A stalled network shows as a full queue: sound loses its newest frame, a picture loses frames
//! until the next key frame, because a decoder that misses one must not see the following.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_media::frame::{EncodedFrame, StreamKind, VideoKind};
use call_media::rtp::red::RedPacker;
use call_media::send::redundancy::Redundancy;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use super::streams::{A_NUMBER, LocalStream, PerStream, SentCounters, Shared};

/// 320 ms of sound; when full the newest frame is dropped.
const AUDIO_QUEUE_FRAMES: usize = 16;
/// A quarter of a second of both pictures; when full, frames are dropped up to the next key frame.
const VIDEO_QUEUE_FRAMES: usize = 8;
/// Pictures that would wait longer than this in the pacer are not worth sending.
const MAX_PACER_BACKLOG: Duration = Duration::from_millis(300);
/// A key frame asked for and not seen is asked for again.
const KEY_FRAME_RETRY: Duration = Duration::from_millis(300);

/// What negotiation decided about one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiated {
    pub(super) payload_type: u8,
    /// For sound that carries copies (RFC 2198), if both ends have it.
    pub(super) red_payload_type: Option<u8>,
    /// Header extension of RFC 6464, if both ends have it.
    pub(super) audio_level_id: Option<u8>,
}

/// Where codec threads put frames.
pub(super) struct Outbox {
    shared: Arc<Shared>,
    audio: mpsc::Sender<EncodedFrame>,
    video: mpsc::Sender<EncodedFrame>,
    gates: PerStream<KeyFrameGate>,
    on_key_frame_request: Arc<dyn Fn(VideoKind) + Send + Sync>,
}

/// The other end of the queues.
pub(super) struct Queues {
    audio: mpsc::Receiver<EncodedFrame>,
    video: mpsc::Receiver<EncodedFrame>,
}

impl Outbox {
    pub(super) fn new(
        shared: Arc<Shared>,
        on_key_frame_request: Arc<dyn Fn(VideoKind) + Send + Sync>,
    ) -> (Self, Queues) {
        let (audio, audio_queue) = mpsc::channel(AUDIO_QUEUE_FRAMES);
        let (video, video_queue) = mpsc::channel(VIDEO_QUEUE_FRAMES);
        let outbox = Self {
            shared,
            audio,
            video,
            gates: PerStream::default(),
            on_key_frame_request,
        };
        let queues = Queues {
            audio: audio_queue,
            video: video_queue,
        };
        (outbox, queues)
    }

    /// Takes a frame or drops it; never waits.
    pub(super) fn send(&self, frame: &EncodedFrame) {
        let sent = self.shared.sendable.load(Ordering::Relaxed)
            && match frame.kind {
                StreamKind::Audio => self.audio.try_send(frame.clone()).is_ok(),
                StreamKind::Video(kind) => self.send_video(kind, frame),
            };
        if !sent {
            self.shared
                .sent
                .of(frame.kind)
                .frames_dropped
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send_video(&self, kind: VideoKind, frame: &EncodedFrame) -> bool {
        let gate = self.gates.of(frame.kind);
        let backlog = Duration::from_micros(u64::from(self.shared.pacer_backlog_us.load(Ordering::Relaxed)));
        let fits = backlog <= MAX_PACER_BACKLOG && self.video.capacity() > 0;
        let sent = fits && gate.passes(frame.key_frame) && self.video.try_send(frame.clone()).is_ok();
        if !sent && gate.lost_one(self.shared.epoch, Instant::now()) {
            (self.on_key_frame_request)(kind);
        }
        sent
    }

    /// From now on frames reach the peer: the first of each picture has to be a key frame.
    pub(super) fn open(&self) {
        for kind in [VideoKind::Camera, VideoKind::Screen] {
            self.gates
                .of(StreamKind::Video(kind))
                .close(self.shared.epoch, Instant::now());
        }
        self.shared.sendable.store(true, Ordering::Relaxed);
        for kind in [VideoKind::Camera, VideoKind::Screen] {
            (self.on_key_frame_request)(kind);
        }
    }

    /// From now on frames are dropped.
    pub(super) fn shut(&self) {
        self.shared.sendable.store(false, Ordering::Relaxed);
    }
}

/// Lets nothing but a key frame pass after a loss.
#[derive(Default)]
struct KeyFrameGate {
    closed: AtomicBool,
    /// When a key frame was asked for, microseconds after the connection's epoch.
    asked_at_us: AtomicU64,
}

impl KeyFrameGate {
    /// A key frame is asked for at this moment and everything before it is dropped.
    fn close(&self, epoch: Instant, now: Instant) {
        self.asked_at_us.store(micros(epoch, now), Ordering::Relaxed);
        self.closed.store(true, Ordering::Relaxed);
    }

    fn passes(&self, key_frame: bool) -> bool {
        if key_frame {
            self.closed.store(false, Ordering::Relaxed);
        }
        !self.closed.load(Ordering::Relaxed)
    }

    /// A frame did not get through. True when it is time to ask for a key frame.
    fn lost_one(&self, epoch: Instant, now: Instant) -> bool {
        let now_us = micros(epoch, now);
        let was_closed = self.closed.swap(true, Ordering::Relaxed);
        let retry_at = self
            .asked_at_us
            .load(Ordering::Relaxed)
            .saturating_add(KEY_FRAME_RETRY.as_micros() as u64);
        let ask = !was_closed || now_us >= retry_at;
        if ask {
            self.asked_at_us.store(now_us, Ordering::Relaxed);
        }
        ask
    }
}

fn micros(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_micros()).unwrap_or(u64::MAX)
}

/// One stream on its way out.
pub(super) struct Packetizer {
    track: Arc<TrackLocalStaticRTP>,
    shared: Arc<Shared>,
    redundancy: Redundancy,
    packer: RedPacker,
    ssrc: u32,
    next_sequence_number: u16,
    timestamp_offset: u32,
}

impl Packetizer {
    pub(super) fn new(track: Arc<TrackLocalStaticRTP>, stream: &LocalStream, shared: Arc<Shared>) -> Self {
        Self {
            track,
            shared,
            redundancy: Redundancy::default(),
            packer: RedPacker::default(),
            ssrc: stream.ssrc,
            next_sequence_number: stream.first_sequence_number,
            timestamp_offset: stream.timestamp_offset,
        }
    }

    fn packet(&mut self, frame: &EncodedFrame, payload: Bytes, marker: bool, agreed: Negotiated) -> rtc::rtp::Packet {
        let mut header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type: agreed.payload_type,
            sequence_number: self.next_sequence_number,
            timestamp: self.timestamp_offset.wrapping_add(frame.rtp_timestamp),
            ssrc: self.ssrc,
            ..rtc::rtp::Header::default()
        };
        self.next_sequence_number = self.next_sequence_number.wrapping_add(1);
        if let (Some(id), Some(level)) = (agreed.audio_level_id, frame.audio_level) {
            let level = Bytes::copy_from_slice(&[level & 0x7f]);
            if let Err(error) = header.set_extension(id, level) {
                tracing::debug!(%error, "the audio level did not fit into the header");
            }
        }
        rtc::rtp::Packet { header, payload }
    }

    /// A sound packet with as many of those before it as the path's loss asks for: payload and format.
    fn with_copies(&mut self, now: Instant, timestamp: u32, payload: &Bytes, agreed: Negotiated) -> (Bytes, u8) {
        let alone = (payload.clone(), agreed.payload_type);
        let Some(red) = agreed.red_payload_type else {
            return alone;
        };
        let sound = &self.shared.sound;
        let copies = self.redundancy.next(now, payload.len(), sound.loss(), sound.room_bps());
        sound.set_copies(copies, self.redundancy.bitrate_bps());
        let packed = self.packer.pack(timestamp, payload, copies, agreed.payload_type);
        packed.map_or(alone, |packed| (packed, red))
    }

    async fn write(&mut self, frame: &EncodedFrame, agreed: Negotiated, sent: &SentCounters) {
        if frame.key_frame {
            let start = A_NUMBER + u32::from(self.next_sequence_number);
            sent.key_frame_start.store(start, Ordering::Relaxed);
        }
        let last = frame.payloads.len().saturating_sub(1);
        for (index, payload) in frame.payloads.iter().enumerate() {
            let (marker, (payload, payload_type)) = match frame.kind {
                StreamKind::Audio => {
                    let sound = self.with_copies(Instant::now(), frame.rtp_timestamp, payload, agreed);
                    (false, sound)
                }
                StreamKind::Video(_) => (index == last, (payload.clone(), agreed.payload_type)),
            };
            let mut packet = self.packet(frame, payload, marker, agreed);
            packet.header.payload_type = payload_type;
            if let Err(error) = self.track.write_rtp(packet).await {
                tracing::debug!(%error, kind = ?frame.kind, "a packet was not taken by the connection");
                return;
            }
        }
    }
}

/// Writes queued frames until the outbox is gone; sound overtakes pictures. `agreed` is `None` until the first
/// negotiation is through; the outbox takes no frames before that.
pub(super) async fn run(
    mut queues: Queues,
    mut packetizers: PerStream<Packetizer>,
    agreed: watch::Receiver<Option<PerStream<Negotiated>>>,
    shared: Arc<Shared>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = queues.audio.recv() => frame,
            Some(frame) = queues.video.recv() => frame,
            else => return,
        };
        let agreed = agreed.borrow().as_ref().map(|agreed| *agreed.of(frame.kind));
        if let Some(agreed) = agreed {
            let sent = shared.sent.of(frame.kind);
            packetizers.of_mut(frame.kind).write(&frame, agreed, sent).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use call_media::frame::SendTimings;

    use super::super::streams::draw_local_streams;
    use super::*;

    const CAMERA: StreamKind = StreamKind::Video(VideoKind::Camera);

    fn frame(kind: StreamKind, key_frame: bool) -> EncodedFrame {
        EncodedFrame {
            kind,
            payloads: Arc::from([Bytes::from_static(&[1]), Bytes::from_static(&[2])]),
            rtp_timestamp: 0,
            captured_at: Instant::now(),
            key_frame,
            audio_level: None,
            timings: SendTimings {
                capture: Duration::ZERO,
                encode: Duration::ZERO,
            },
        }
    }

    fn outbox() -> (Outbox, Queues, Arc<Mutex<Vec<VideoKind>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let shared = Arc::new(Shared::new(draw_local_streams().unwrap().0, Instant::now()));
        let (outbox, queues) = Outbox::new(shared, Arc::new(move |kind| log.lock().unwrap().push(kind)));
        (outbox, queues, requests)
    }

    fn dropped(outbox: &Outbox, kind: StreamKind) -> u64 {
        outbox.shared.sent.of(kind).frames_dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn nothing_is_queued_before_the_connection_and_the_first_picture_is_a_key_frame() {
        let (outbox, mut queues, requests) = outbox();
        outbox.send(&frame(CAMERA, true));
        outbox.send(&frame(StreamKind::Audio, true));
        assert!(queues.video.try_recv().is_err());
        assert!(queues.audio.try_recv().is_err());

        outbox.open();
        assert_eq!(*requests.lock().unwrap(), [VideoKind::Camera, VideoKind::Screen]);
        outbox.send(&frame(CAMERA, false));
        assert!(queues.video.try_recv().is_err());
        outbox.send(&frame(CAMERA, true));
        outbox.send(&frame(CAMERA, false));
        assert!(queues.video.try_recv().unwrap().key_frame);
        assert!(!queues.video.try_recv().unwrap().key_frame);
        assert_eq!(dropped(&outbox, CAMERA), 2);
    }

    #[test]
    fn a_full_queue_closes_the_gate_until_a_key_frame_and_asks_once() {
        let (outbox, mut queues, requests) = outbox();
        outbox.open();
        requests.lock().unwrap().clear();
        outbox.send(&frame(CAMERA, true));
        for _ in 0..VIDEO_QUEUE_FRAMES + 5 {
            outbox.send(&frame(CAMERA, false));
        }
        assert_eq!(*requests.lock().unwrap(), [VideoKind::Camera]);
        assert_eq!(dropped(&outbox, CAMERA), 6);
        while queues.video.try_recv().is_ok() {}
        // There is room again, but the decoder misses a frame.
        outbox.send(&frame(CAMERA, false));
        assert!(queues.video.try_recv().is_err());
        outbox.send(&frame(CAMERA, true));
        assert!(queues.video.try_recv().is_ok());
    }

    #[test]
    fn a_long_pacer_backlog_drops_pictures_and_never_sound() {
        let (outbox, mut queues, _) = outbox();
        outbox.open();
        outbox.shared.pacer_backlog_us.store(400_000, Ordering::Relaxed);
        outbox.send(&frame(CAMERA, true));
        outbox.send(&frame(StreamKind::Audio, true));
        assert!(queues.video.try_recv().is_err());
        assert!(queues.audio.try_recv().is_ok());
    }

    #[test]
    fn a_key_frame_that_never_comes_is_asked_for_again() {
        let gate = KeyFrameGate::default();
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        assert!(gate.lost_one(epoch, at(1_000)));
        assert!(!gate.lost_one(epoch, at(1_299)));
        assert!(gate.lost_one(epoch, at(1_300)));
    }
}
