use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;
use crate::codec::VideoDecoder;
use crate::codec::h264::H264Decoder;
use crate::codec::test_pictures::scene;
use crate::frame::FramePool;
use crate::rtp::MAX_PAYLOAD_BYTES;
use crate::rtp::h264::Depacketizer;

/// Longer than any machine takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Outlet(SyncSender<EncodedFrame>);

impl EncodedSink for Outlet {
    fn send(&self, frame: &EncodedFrame) {
        self.0.try_send(frame.clone()).expect("the test takes what it gives");
    }
}

/// A worker without its thread, and where its frames go.
fn worker(kind: VideoKind, max_bitrate_bps: u32) -> (Worker, Arc<VideoSendControl>, Receiver<EncodedFrame>) {
    let (sender, receiver) = sync_channel(1_000);
    let control = Arc::new(VideoSendControl::new(max_bitrate_bps));
    let mut worker = Worker::new(kind, Arc::new(Outlet(sender)), Arc::clone(&control));
    worker.load = EncodeLoad::blind();
    (worker, control, receiver)
}

/// Gives the worker pictures 33 ms apart, from `range`, and returns what it sent.
fn run(
    worker: &mut Worker,
    start: Instant,
    range: std::ops::Range<u64>,
    sent: &Receiver<EncodedFrame>,
) -> Vec<EncodedFrame> {
    let pool = FramePool::new();
    for number in range {
        let mut frame = scene(&pool, 1280, 720, number as usize);
        frame.captured_at = start + Duration::from_millis(33 * number);
        let now = frame.captured_at + Duration::from_millis(2);
        worker.on_frame(Some(Arc::new(frame)), now);
    }
    sent.try_iter().collect()
}

fn decode(decoder: &mut H264Decoder, frame: &EncodedFrame) -> VideoFrame {
    let mut depacketizer = Depacketizer::default();
    for payload in frame.payloads.iter() {
        depacketizer.push(payload).expect("our own payloads");
    }
    let unit = depacketizer.finish().expect("a whole unit");
    assert_eq!(unit.is_key, frame.key_frame);
    decoder
        .decode(unit.annex_b, &FramePool::new(), Instant::now())
        .expect("our own stream")
        .expect("a picture")
}

#[test]
fn the_first_picture_is_a_key_frame_of_full_size_and_the_rest_follow_it() {
    let (mut worker, control, sent) = worker(VideoKind::Camera, DEFAULT_MAX_BITRATE_BPS);
    control.set_target_bitrate_bps(2_000_000);
    let start = Instant::now() + Duration::from_secs(1);
    let frames = run(&mut worker, start, 0..20, &sent);
    assert_eq!(frames.len(), 20);
    let mut decoder = H264Decoder::new().expect("a decoder");
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame.key_frame, index == 0);
        assert_eq!(frame.kind, StreamKind::Video(VideoKind::Camera));
        assert_eq!(frame.timings.capture, Duration::from_millis(2));
        assert!(frame.payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD_BYTES));
        let picture = decode(&mut decoder, frame);
        assert_eq!((picture.width(), picture.height()), (1280, 720));
    }
    for pair in frames.windows(2) {
        assert_eq!(
            pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp),
            2_970,
            "33 ms at 90 kHz"
        );
    }
    let statistics = control.statistics();
    assert_eq!((statistics.frames, statistics.key_frames), (20, 1));
    assert_eq!(
        (statistics.width, statistics.height, statistics.limited_by),
        (1280, 720, LimitedBy::None)
    );
    let bytes: usize = frames
        .iter()
        .flat_map(|frame| frame.payloads.iter())
        .map(bytes::Bytes::len)
        .sum();
    assert_eq!(statistics.bytes, bytes as u64);
}

#[test]
fn few_bits_make_a_smaller_picture_of_the_right_rate() {
    let (mut worker, control, sent) = worker(VideoKind::Camera, DEFAULT_MAX_BITRATE_BPS);
    control.set_target_bitrate_bps(300_000);
    let start = Instant::now() + Duration::from_secs(1);
    run(&mut worker, start, 0..30, &sent);
    let frames = run(&mut worker, start, 30..120, &sent);
    let bytes: usize = frames
        .iter()
        .flat_map(|frame| frame.payloads.iter())
        .map(bytes::Bytes::len)
        .sum();
    let bps = bytes as f64 * 8.0 / (90.0 * 0.033);
    assert!((bps / 300_000.0 - 1.0).abs() < 0.15, "{bps}");
    let statistics = control.statistics();
    assert_eq!(
        (statistics.width, statistics.height, statistics.limited_by),
        (640, 360, LimitedBy::Bandwidth)
    );
}

#[test]
fn a_requested_key_frame_comes_with_the_next_picture() {
    let (mut worker, control, sent) = worker(VideoKind::Camera, 1_000_000);
    let start = Instant::now() + Duration::from_secs(1);
    run(&mut worker, start, 0..10, &sent);
    control.request_key_frame();
    let frames = run(&mut worker, start, 10..15, &sent);
    let keys: Vec<bool> = frames.iter().map(|frame| frame.key_frame).collect();
    assert_eq!(keys, [true, false, false, false, false]);
}

#[test]
fn a_closed_gate_sends_nothing_and_opens_with_a_key_frame() {
    let (mut worker, control, sent) = worker(VideoKind::Camera, 1_000_000);
    let start = Instant::now() + Duration::from_secs(1);
    run(&mut worker, start, 0..5, &sent);
    for round in 1..6 {
        control.set_sending(Gate::Closed);
        assert!(run(&mut worker, start, round * 10..round * 10 + 2, &sent).is_empty());
        control.set_sending(Gate::Open);
        let frames = run(&mut worker, start, round * 10 + 2..round * 10 + 5, &sent);
        assert!(frames[0].key_frame, "round {round}");
    }
}

#[test]
fn a_screen_that_stands_still_answers_a_request_with_its_last_picture() {
    let (mut worker, control, sent) = worker(VideoKind::Screen, 2_000_000);
    let start = Instant::now() + Duration::from_secs(1);
    let first = run(&mut worker, start, 0..1, &sent);
    let later = start + Duration::from_secs(5);
    worker.on_frame(None, later);
    assert_eq!(sent.try_iter().count(), 0, "nobody asked");
    control.request_key_frame();
    worker.on_frame(None, later);
    let again: Vec<EncodedFrame> = sent.try_iter().collect();
    assert_eq!(again.len(), 1);
    assert!(again[0].key_frame);
    assert_ne!(
        again[0].rtp_timestamp, first[0].rtp_timestamp,
        "it is a picture of its own"
    );
}

#[test]
fn the_thread_encodes_what_comes_and_ends_when_dropped() {
    let (sender, receiver) = sync_channel(100);
    let frames = LatestFrame::new();
    let control = Arc::new(VideoSendControl::new(1_000_000));
    let running =
        VideoSender::start(VideoKind::Camera, frames.clone(), Arc::new(Outlet(sender)), control).expect("a thread");
    let pool = FramePool::new();
    for number in 0..3 {
        frames.put_value(Arc::new(scene(&pool, 320, 180, number)));
        let sent = receiver.recv_timeout(PATIENCE).expect("it is encoded");
        assert_eq!(sent.key_frame, number == 0);
    }
    assert_eq!(running.statistics().frames, 3);
    drop(running);
    assert!(
        receiver.recv_timeout(PATIENCE).is_err(),
        "the outlet went with the thread"
    );
}
