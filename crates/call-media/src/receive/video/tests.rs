use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::h264::H264Encoder;
use crate::codec::test_pictures::scene;
use crate::codec::{Encoded, PictureRequest, VideoEncoder, VideoRate};
use crate::quality::psnr_y;
use crate::rtp::h264::packetize;
use crate::stamp;

/// Longer than any machine takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Screen(SyncSender<Arc<VideoFrame>>);

impl VideoSink for Screen {
    fn put(&self, frame: Arc<VideoFrame>) {
        // A test that has seen enough has gone.
        if self.0.try_send(frame).is_err() {
            tracing::trace!("nobody looks");
        }
    }
}

struct Requests(SyncSender<()>);

impl VideoFeedback for Requests {
    fn request_key_frame(&self) {
        if self.0.try_send(()).is_err() {
            tracing::trace!("nobody listens");
        }
    }
}

struct Setup {
    receiver: Arc<VideoReceiver>,
    shown: Receiver<Arc<VideoFrame>>,
    requests: Receiver<()>,
}

fn start() -> Setup {
    let (shown_sender, shown) = sync_channel(1_000);
    let (request_sender, requests) = sync_channel(1_000);
    let receiver = VideoReceiver::start(
        VideoKind::Camera,
        Arc::new(Screen(shown_sender)),
        Arc::new(Requests(request_sender)),
        Instant::now(),
    );
    Setup {
        receiver: receiver.expect("a thread"),
        shown,
        requests,
    }
}

/// Encodes stamped pictures and numbers their packets.
struct Sender {
    encoder: H264Encoder,
    pool: FramePool,
    number: u16,
    next: u16,
}

impl Sender {
    fn new(first: u16) -> Self {
        let rate = VideoRate {
            bitrate_bps: 800_000,
            fps: 30.0,
        };
        Self {
            encoder: H264Encoder::new(VideoKind::Camera, rate),
            pool: FramePool::new(),
            number: 0,
            next: first,
        }
    }

    /// The next picture and its packets.
    fn picture(&mut self, request: PictureRequest) -> (VideoFrame, Vec<RtpPacket>) {
        let mut frame = scene(&self.pool, 640, 360, usize::from(self.number));
        stamp::draw(&mut frame, self.number, stamp::unix_ms_now());
        let mut unit = Vec::new();
        let encoded = self
            .encoder
            .encode(&frame, request, &mut unit)
            .expect("our own picture");
        assert_ne!(encoded, Encoded::Skipped, "there are bits enough");
        let payloads = packetize(&unit);
        let packets = payloads.iter().enumerate().map(|(index, payload)| RtpPacket {
            sequence_number: self.next.wrapping_add(index as u16),
            timestamp: u32::from(self.number) * 3_000,
            marker: index + 1 == payloads.len(),
            payload: payload.clone(),
            // In the future: however slow the machine that tests, no picture is late.
            arrived_at: Instant::now() + Duration::from_secs(3_600),
            copy_distance: 0,
        });
        let packets = packets.collect();
        self.next = self.next.wrapping_add(payloads.len() as u16);
        self.number += 1;
        (frame, packets)
    }
}

#[test]
fn pictures_come_out_as_they_went_in_with_their_latency() {
    let setup = start();
    let mut sender = Sender::new(65_530);
    for _ in 0..10 {
        let (sent, packets) = sender.picture(PictureRequest::Any);
        for packet in packets {
            setup.receiver.push(packet);
        }
        let shown = setup
            .shown
            .recv_timeout(PATIENCE)
            .expect("each comes out by itself, without the next one");
        assert!(psnr_y(&sent, &shown) > 28.0);
    }
    let statistics = setup.receiver.statistics();
    assert_eq!(
        (statistics.frames, statistics.key_frames, statistics.key_frame_requests),
        (10, 1, 0)
    );
    assert_eq!((statistics.latency.count(), statistics.stamps_unreadable), (10, 0));
    assert_eq!(
        (
            statistics.decode_errors,
            statistics.packets_malformed,
            statistics.packets_dropped
        ),
        (0, 0, 0)
    );
    assert_eq!(statistics.resolutions.len(), 1);
    assert!(statistics.first_frame_at < statistics.last_frame_at);
    setup.receiver.stop();
    assert!(
        setup.requests.recv_timeout(PATIENCE).is_err(),
        "nothing was asked for, and the thread is gone"
    );
}

#[test]
fn shuffled_packets_make_the_same_pictures() {
    let setup = start();
    let mut sender = Sender::new(7);
    let pictures: Vec<_> = (0..6).map(|_| sender.picture(PictureRequest::Any)).collect();
    let mut packets: Vec<RtpPacket> = pictures.iter().flat_map(|(_, packets)| packets.clone()).collect();
    for pair in packets.chunks_exact_mut(3) {
        pair.reverse();
    }
    for packet in packets {
        setup.receiver.push(packet);
    }
    for (sent, _) in &pictures {
        let shown = setup.shown.recv_timeout(PATIENCE).expect("all come out");
        assert!(psnr_y(sent, &shown) > 28.0);
    }
}

#[test]
fn after_a_loss_a_key_frame_is_asked_for_and_shows_again() {
    let setup = start();
    let mut sender = Sender::new(0);
    for number in 0..5 {
        let (_, mut packets) = sender.picture(PictureRequest::Any);
        if number == 3 {
            packets.remove(0);
            for packet in &mut packets {
                packet.arrived_at = Instant::now();
            }
        }
        for packet in packets {
            setup.receiver.push(packet);
        }
    }
    for _ in 0..3 {
        setup
            .shown
            .recv_timeout(PATIENCE)
            .expect("the pictures before the loss");
    }
    setup
        .requests
        .recv_timeout(PATIENCE)
        .expect("it gives the hole up and asks");
    let (sent, packets) = sender.picture(PictureRequest::KeyFrame);
    for packet in packets {
        setup.receiver.push(packet);
    }
    let shown = setup.shown.recv_timeout(PATIENCE).expect("the key frame");
    assert!(
        psnr_y(&sent, &shown) > 28.0,
        "none of the pictures that lack their reference was shown"
    );
    assert_eq!(setup.receiver.statistics().frames, 4);
}

#[test]
fn a_broken_picture_is_counted_and_the_next_key_frame_shows() {
    let setup = start();
    let mut sender = Sender::new(0);
    let (_, mut packets) = sender.picture(PictureRequest::Any);
    packets[0].payload = Bytes::from_static(&[0x18, 0, 0, 2]);
    packets[1].payload = Bytes::from_static(&[0x67, 0x42]);
    for mut packet in packets {
        packet.arrived_at = Instant::now();
        setup.receiver.push(packet);
    }
    setup.requests.recv_timeout(PATIENCE).expect("it asks");
    let (_, packets) = sender.picture(PictureRequest::KeyFrame);
    for packet in packets {
        setup.receiver.push(packet);
    }
    setup.shown.recv_timeout(PATIENCE).expect("the key frame");
    assert_eq!(setup.receiver.statistics().frames, 1);
}

#[test]
fn the_queue_is_bounded_and_counts_what_it_drops() {
    let mut queue = Queue::default();
    let packet = |bytes: usize| RtpPacket {
        sequence_number: 0,
        timestamp: 0,
        marker: false,
        payload: Bytes::from(vec![0x41; bytes]),
        arrived_at: Instant::now(),
        copy_distance: 0,
    };
    for _ in 0..QUEUE_PACKETS + 10 {
        queue.push(packet(10));
    }
    assert_eq!((queue.packets.len(), queue.dropped), (QUEUE_PACKETS, 10));
    let mut queue = Queue::default();
    for _ in 0..100 {
        queue.push(packet(QUEUE_BYTES / 50));
    }
    assert_eq!((queue.packets.len(), queue.dropped), (50, 50));
}

#[test]
fn the_thread_is_woken_once_a_picture_unless_it_waits_for_a_packet() {
    let packet = |marker| RtpPacket {
        sequence_number: 0,
        timestamp: 0,
        marker,
        payload: Bytes::from_static(&[0x41]),
        arrived_at: Instant::now(),
        copy_distance: 0,
    };
    let mut queue = Queue::default();
    assert_eq!(queue.push(packet(false)), Wake::No);
    assert_eq!(queue.push(packet(true)), Wake::Yes);
    let mut queue = Queue {
        eager: true,
        ..Queue::default()
    };
    assert_eq!(queue.push(packet(false)), Wake::Yes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Anything from the network, then a good key frame: the thread lives, and shows it.
    #[test]
    fn arbitrary_packets_never_end_the_thread(packets in proptest::collection::vec((0_u16..400, 0_u32..20, any::<bool>(), hostile_payload()), 0..200)) {
        let setup = start();
        let count = packets.len() as u64;
        for (sequence_number, timestamp, marker, payload) in packets {
            setup.receiver.push(RtpPacket { sequence_number, timestamp, marker, payload: Bytes::from(payload), arrived_at: Instant::now(), copy_distance: 0 });
        }
        let mut sender = Sender::new(500);
        // Two: where the thread waits for the packets in between, the newest complete key frame ends that.
        let mut shown = None;
        for _ in 0..2 {
            let (sent, packets) = sender.picture(PictureRequest::KeyFrame);
            for packet in packets {
                setup.receiver.push(packet);
            }
            shown = Some(sent);
        }
        let wanted = shown.expect("two were sent");
        let found = std::iter::from_fn(|| setup.shown.recv_timeout(PATIENCE).ok()).any(|frame| psnr_y(&wanted, &frame) > 28.0);
        prop_assert!(found);
        prop_assert!(setup.receiver.statistics().packets >= count);
    }
}

fn hostile_payload() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        any::<u8>(),
        Just(0x7c),
        Just(0x78),
        Just(0x67),
        Just(0x68),
        Just(0x65),
        Just(0x41)
    ];
    (header, proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(header, mut rest)| {
        rest.insert(0, header);
        rest
    })
}
