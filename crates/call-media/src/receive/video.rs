//! A friend's pictures: packets to what is shown.
//!
//! In: RTP packets from the network's task, into a bounded queue. Out: I420 pictures into a [`VideoSink`]. Between
//! them the thread "video-decode" ("screen-decode"): reorder buffer, depacketizer, decoder. A picture is decoded the moment
//! it is complete; nothing is held back to even out its pace.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::key_frame_requests::KeyFrameRequests;
use super::video_statistics::Sending;
pub use super::video_statistics::{Freezes, VideoReceiveStatistics};
use crate::codec::h264::H264Decoder;
use crate::codec::{VideoCodecError, VideoDecoder};
use crate::frame::{FramePool, VideoFrame, VideoKind, VideoSink};
use crate::rtp::h264::{Depacketizer, starts_key_frame};
use crate::rtp::reorder::{Popped, ReorderBuffer};
use crate::rtp::{PacketSink, RtpPacket};
use crate::stage::Stage;

/// Most packets between the network and the decoder's thread; more are dropped, counted.
const QUEUE_PACKETS: usize = 2_048;
/// Most payload bytes there, see [`QUEUE_PACKETS`].
const QUEUE_BYTES: usize = 4 << 20;
/// The thread is woken for so many packets even if none of them ends a picture.
const WAKE_PACKETS: usize = 64;
/// A picture that was complete this long ago and has a newer one behind it is decoded but not presented.
const STALE: Duration = Duration::from_millis(100);
/// A picture that was complete this long ago shows that decoding is too slow: on with the next key frame.
const HOPELESS: Duration = Duration::from_secs(1);

/// What a receiver asks of the sender. Called on the decoder's thread: must not block.
pub trait VideoFeedback: Send + Sync {
    /// Asks for a picture that can be decoded without the ones before it (RFC 4585, PLI).
    fn request_key_frame(&self);
}

/// The running decoder of one picture stream. Ends with [`stop`](Self::stop) or when dropped.
pub struct VideoReceiver {
    shared: Arc<Shared>,
    stage: Mutex<Option<Stage>>,
}

impl VideoReceiver {
    /// Starts the thread. `epoch` is the moment that the report counts from.
    ///
    /// # Errors
    /// When the system has no more threads to give, or the decoder cannot be set up.
    pub fn start(
        kind: VideoKind,
        sink: Arc<dyn VideoSink>,
        feedback: Arc<dyn VideoFeedback>,
        epoch: Instant,
    ) -> std::io::Result<Arc<Self>> {
        let name = match kind {
            VideoKind::Camera => "video-decode",
            VideoKind::Screen => "screen-decode",
        };
        let decoder = H264Decoder::new().map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared::default());
        let worker = Worker::new(Arc::clone(&shared), decoder, sink, feedback, epoch);
        let stage = Stage::spawn(name, move |_| worker.run())?;
        Ok(Arc::new(Self {
            shared,
            stage: Mutex::new(Some(stage)),
        }))
    }

    /// Tells the round-trip time: how long a retransmission is worth waiting for depends on it.
    pub fn set_rtt(&self, rtt: Duration) {
        let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        self.shared.rtt_us.store(us, Ordering::Relaxed);
    }

    /// The sender stops on purpose: the gap that begins now is no freeze.
    pub fn pause(&self) {
        self.shared.statistics().set_sending(Sending::Paused);
    }

    /// The sender goes on: the gap that ends with the next picture is no freeze.
    pub fn resume(&self) {
        self.shared.statistics().set_sending(Sending::Going);
    }

    /// What comes from now on is on a new connection: it counts its packets from elsewhere and begins with a key
    /// frame. The figures go on.
    pub fn restart(&self) {
        let mut queue = self.shared.queue();
        queue.packets.clear();
        queue.bytes = 0;
        queue.restarted = true;
    }

    /// Ends the thread and waits for it. Packets that still come are dropped.
    pub fn stop(&self) {
        self.shared.queue().stopped = true;
        self.shared.wake.notify_all();
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(stage);
    }

    /// What came and was shown so far.
    #[must_use]
    pub fn statistics(&self) -> VideoReceiveStatistics {
        let (packets, bytes, overflow) = {
            let queue = self.shared.queue();
            (queue.packets_in, queue.bytes_in, queue.dropped)
        };
        let mut statistics = self.shared.statistics().clone();
        statistics.packets = packets;
        statistics.bytes = bytes;
        statistics.packets_dropped += overflow;
        statistics
    }
}

impl Drop for VideoReceiver {
    fn drop(&mut self) {
        self.stop();
    }
}

impl PacketSink for VideoReceiver {
    fn push(&self, packet: RtpPacket) {
        if self.shared.queue().push(packet) == Wake::Yes {
            self.shared.wake.notify_one();
        }
    }
}

/// Whether the thread is to look at the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wake {
    /// It has something to do.
    Yes,
    /// A picture is not complete without a later packet.
    #[default]
    No,
}

/// What both threads touch.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    rtt_us: AtomicU64,
    statistics: Mutex<VideoReceiveStatistics>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statistics(&self) -> MutexGuard<'_, VideoReceiveStatistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<RtpPacket>,
    bytes: usize,
    /// The thread waits for a packet in particular: wake it for each.
    eager: bool,
    wake: Wake,
    restarted: bool,
    stopped: bool,
    packets_in: u64,
    bytes_in: u64,
    dropped: u64,
}

impl Queue {
    fn push(&mut self, packet: RtpPacket) -> Wake {
        let bytes = packet.payload.len();
        self.packets_in += 1;
        self.bytes_in += bytes as u64;
        if self.stopped || self.packets.len() >= QUEUE_PACKETS || self.bytes + bytes > QUEUE_BYTES {
            self.dropped += 1;
            return Wake::No;
        }
        // One wake a picture, not one a packet.
        if packet.marker || self.eager || self.packets.len() + 1 >= WAKE_PACKETS {
            self.wake = Wake::Yes;
        }
        self.bytes += bytes;
        self.packets.push_back(packet);
        self.wake
    }
}

/// What the thread owns.
struct Worker {
    shared: Arc<Shared>,
    decoder: H264Decoder,
    sink: Arc<dyn VideoSink>,
    feedback: Arc<dyn VideoFeedback>,
    epoch: Instant,
    pool: FramePool,
    reorder: ReorderBuffer,
    depacketizer: Depacketizer,
    requests: KeyFrameRequests,
    inbox: VecDeque<RtpPacket>,
    frame: Vec<RtpPacket>,
}

impl Worker {
    fn new(
        shared: Arc<Shared>,
        decoder: H264Decoder,
        sink: Arc<dyn VideoSink>,
        feedback: Arc<dyn VideoFeedback>,
        epoch: Instant,
    ) -> Self {
        Self {
            shared,
            decoder,
            sink,
            feedback,
            epoch,
            pool: FramePool::new(),
            reorder: ReorderBuffer::new(starts_key_frame),
            depacketizer: Depacketizer::default(),
            requests: KeyFrameRequests::default(),
            inbox: VecDeque::new(),
            frame: Vec::new(),
        }
    }

    fn run(mut self) {
        while self.wait_for_packets() {
            let rtt_us = self.shared.rtt_us.load(Ordering::Relaxed);
            let rtt = Duration::from_micros(rtt_us);
            self.reorder.set_rtt(rtt);
            self.requests.set_rtt(rtt);
            if !self.inbox.is_empty() {
                self.requests.on_packets();
            }
            while let Some(packet) = self.inbox.pop_front() {
                self.reorder.push(packet);
            }
            self.decode_complete_frames();
            self.ask_for_key_frame();
            self.publish_counts();
        }
    }

    /// Sleeps until there is something to do; false when it is over. Packets are then in the inbox.
    fn wait_for_packets(&mut self) -> bool {
        let now = Instant::now();
        let needs_key_frame = self.reorder.needs_key_frame(now);
        let deadlines = [self.reorder.deadline(now), self.requests.deadline(needs_key_frame)];
        let deadline = deadlines.into_iter().flatten().min();
        let mut queue = self.shared.queue();
        queue.eager = self.reorder.is_waiting();
        if queue.eager && !queue.packets.is_empty() {
            queue.wake = Wake::Yes;
        }
        let sleeps = |queue: &mut Queue| queue.wake == Wake::No && !queue.stopped;
        let mut queue = match deadline {
            Some(deadline) => {
                let timeout = deadline.saturating_duration_since(now);
                let woken = self.shared.wake.wait_timeout_while(queue, timeout, sleeps);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let woken = self.shared.wake.wait_while(queue, sleeps);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
        };
        queue.wake = Wake::No;
        queue.bytes = 0;
        if std::mem::take(&mut queue.restarted) {
            self.reorder.restart();
        }
        std::mem::swap(&mut queue.packets, &mut self.inbox);
        !queue.stopped
    }

    fn decode_complete_frames(&mut self) {
        loop {
            let now = Instant::now();
            match self.reorder.pop(now, &mut self.frame) {
                Popped::Frame => self.decode_frame(now),
                Popped::Lost => {}
                Popped::Nothing => return,
            }
        }
    }

    /// Decodes the packets in `self.frame`.
    fn decode_frame(&mut self, now: Instant) {
        let arrivals = self.frame.iter().map(|packet| packet.arrived_at);
        let (Some(first), Some(last)) = (arrivals.clone().min(), arrivals.max()) else {
            return;
        };
        let age = now.saturating_duration_since(last);
        if age > HOPELESS {
            self.reorder.seek_key_frame();
            self.shared.statistics().frames_dropped += 1;
            return;
        }
        for packet in self.frame.drain(..) {
            // Counted inside; the unit as a whole is refused below.
            if let Err(error) = self.depacketizer.push(&packet.payload) {
                tracing::debug!(%error, "a video packet was refused");
            }
        }
        let Some(unit) = self.depacketizer.finish() else {
            self.reorder.seek_key_frame();
            return;
        };
        let is_key = unit.is_key;
        let decoded = self.decoder.decode(unit.annex_b, &self.pool, first);
        let stale = age > STALE && self.reorder.has_frame();
        self.on_decoded(decoded, is_key, stale, now, first);
    }

    fn on_decoded(
        &mut self,
        decoded: Result<Option<VideoFrame>, VideoCodecError>,
        is_key: bool,
        stale: bool,
        started: Instant,
        first_arrival: Instant,
    ) {
        let done = Instant::now();
        let mut statistics = self.shared.statistics();
        match decoded {
            Ok(Some(frame)) => {
                statistics
                    .buffer
                    .record(started.saturating_duration_since(first_arrival));
                statistics.decode.record(done.saturating_duration_since(started));
                statistics.key_frames += u64::from(is_key);
                if stale {
                    statistics.frames_dropped += 1;
                    return;
                }
                statistics.on_presented(&frame, done, self.epoch);
                drop(statistics);
                self.sink.put(Arc::new(frame));
                self.shared.statistics().present.record(done.elapsed());
            }
            Ok(None) => {}
            Err(error) => {
                statistics.decode_errors += 1;
                drop(statistics);
                tracing::debug!(%error, "a picture could not be decoded");
                self.reorder.seek_key_frame();
            }
        }
    }

    fn ask_for_key_frame(&mut self) {
        let now = Instant::now();
        if self.reorder.needs_key_frame(now) && self.requests.ask(now) {
            self.shared.statistics().key_frame_requests += 1;
            self.feedback.request_key_frame();
        }
    }

    fn publish_counts(&self) {
        let counts = self.reorder.counts();
        let mut statistics = self.shared.statistics();
        statistics.packets_malformed = self.depacketizer.malformed();
        statistics.packets_dropped = counts.dropped;
        statistics.packets_duplicate = counts.duplicate;
        statistics.packets_late = counts.late;
    }
}

#[cfg(test)]
mod tests;
