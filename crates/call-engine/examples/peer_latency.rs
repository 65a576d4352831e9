//! Times the peer connections of this machine: set-up, and frames from `send()` to the packet sink.
//!
//! `cargo run --release -p call-engine --example peer_latency [SECONDS]`. Two connections in one process, over the
//! loopback interface: pictures of 12 kB at 30 a second and sound of 20 ms both ways.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_core::{Attempt, IceMode, OfferAcceptance, PeerKey, TransportState};
use call_engine::peer::webrtc::WebRtcConnector;
use call_engine::peer::{
    ExtraRoots, PeerConfig, PeerConnector, PeerError, PeerEvent, PeerEventFrom, PeerReceivers, PeerTransport,
};
use call_media::frame::{EncodedFrame, SendTimings, StreamKind, VideoKind};
use call_media::rtp::{PacketSink, RtpPacket};
use tokio::sync::mpsc;

const PICTURE_BYTES: usize = 12_000;
const PAYLOAD_BYTES: usize = 1_160;
/// The key frame at the beginning and every fourth second.
const KEY_FRAME_BYTES: usize = 30_000;

/// Latencies of one stream, from the moment written into each payload.
struct Meter {
    epoch: Instant,
    /// Only last packets of pictures and all packets of sound.
    samples_us: Mutex<Vec<u64>>,
}

impl PacketSink for Meter {
    fn push(&self, packet: RtpPacket) {
        let Some(stamp) = packet.payload.get(..8).and_then(|bytes| bytes.try_into().ok()) else {
            return;
        };
        if packet.marker || packet.payload.len() < 200 {
            let sent = Duration::from_micros(u64::from_be_bytes(stamp));
            let took = self.epoch.elapsed().saturating_sub(sent);
            let mut samples = self.samples_us.lock().unwrap_or_else(PoisonError::into_inner);
            samples.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

impl Meter {
    fn new(epoch: Instant) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            samples_us: Mutex::default(),
        })
    }

    fn line(&self) -> String {
        let mut samples = self.samples_us.lock().unwrap_or_else(PoisonError::into_inner).clone();
        samples.sort_unstable();
        let at = |share: f64| {
            let index = (samples.len().saturating_sub(1) as f64 * share) as usize;
            samples.get(index).copied().unwrap_or_default() as f64 / 1_000.0
        };
        format!(
            "{} frames, p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms",
            samples.len(),
            at(0.5),
            at(0.95),
            at(1.0)
        )
    }
}

struct End {
    transport: Arc<dyn PeerTransport>,
    audio: Arc<Meter>,
    camera: Arc<Meter>,
    events: mpsc::Receiver<PeerEventFrom>,
}

async fn end(key: u32, epoch: Instant) -> Result<End, PeerError> {
    let (audio, camera) = (Meter::new(epoch), Meter::new(epoch));
    let (sender, events) = mpsc::channel(256);
    let config = PeerConfig {
        peer: PeerKey(key),
        attempt: Attempt(1),
        receivers: PeerReceivers {
            audio: audio.clone(),
            camera: camera.clone(),
            screen: Meter::new(epoch),
        },
        on_key_frame_request: Arc::new(|_| {}),
        on_target_bitrate: Arc::new(|_| {}),
        events: sender,
        ice_servers: Vec::new(),
        extra_roots: ExtraRoots::default(),
        relay_only: false,
        loopback: true,
        max_bitrate_bps: 6_000_000,
    };
    Ok(End {
        transport: WebRtcConnector::new().connect(config).await?,
        audio,
        camera,
        events,
    })
}

/// Carries candidates until the connection stands.
async fn reach(events: &mut mpsc::Receiver<PeerEventFrom>, other: &Arc<dyn PeerTransport>) -> Result<(), PeerError> {
    while let Some(from) = events.recv().await {
        match from.event {
            PeerEvent::LocalCandidate(candidate) => other.add_candidate(candidate).await?,
            PeerEvent::Transport(TransportState::Connected) => return Ok(()),
            PeerEvent::Fault(error) => return Err(error),
            PeerEvent::Transport(_) | PeerEvent::Blocked(_) | PeerEvent::ControlOpened | PeerEvent::Control(_) => {}
        }
    }
    Ok(())
}

fn frame(kind: StreamKind, epoch: Instant, bytes: usize, rtp_timestamp: u32, key_frame: bool) -> EncodedFrame {
    let stamp = u64::try_from(epoch.elapsed().as_micros())
        .unwrap_or(u64::MAX)
        .to_be_bytes();
    let payload = |bytes: usize| {
        let mut payload = vec![0; bytes.max(8)];
        payload[..8].copy_from_slice(&stamp);
        Bytes::from(payload)
    };
    let full = bytes / PAYLOAD_BYTES;
    let payloads = std::iter::repeat_n(PAYLOAD_BYTES, full)
        .chain((!bytes.is_multiple_of(PAYLOAD_BYTES)).then_some(bytes % PAYLOAD_BYTES));
    EncodedFrame {
        kind,
        payloads: payloads.map(payload).collect(),
        rtp_timestamp,
        captured_at: Instant::now(),
        key_frame,
        audio_level: matches!(kind, StreamKind::Audio).then_some(30),
        timings: SendTimings {
            capture: Duration::ZERO,
            encode: Duration::ZERO,
        },
    }
}

async fn send_media(ends: &[End; 2], epoch: Instant, seconds: u32) {
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / 150));
    for count in 0..seconds * 150 {
        tick.tick().await;
        for end in ends {
            if count % 5 == 0 {
                let picture = count / 5;
                let key_frame = picture.is_multiple_of(120);
                let bytes = if key_frame { KEY_FRAME_BYTES } else { PICTURE_BYTES };
                let kind = StreamKind::Video(VideoKind::Camera);
                end.transport
                    .send(&frame(kind, epoch, bytes, picture * 3_000, key_frame));
            }
            if count % 3 == 0 {
                end.transport
                    .send(&frame(StreamKind::Audio, epoch, 80, count / 3 * 960, true));
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    // SAFETY: an all-zero rusage is a valid value, and getrusage writes nothing but it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default())
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let mut out = std::io::stdout();
    let epoch = Instant::now();
    for _ in 0..3 {
        let started = Instant::now();
        let [mut a, mut b] = [end(1, epoch).await?, end(2, epoch).await?];
        let made = started.elapsed();
        let offer = a.transport.create_offer(IceMode::Keep).await?;
        let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await?;
        a.transport.accept_answer(answer).await?;
        let negotiated = started.elapsed();
        let (there, back) = (Arc::clone(&b.transport), Arc::clone(&a.transport));
        let (first, second) = tokio::join!(reach(&mut a.events, &there), reach(&mut b.events, &back));
        first?;
        second?;
        writeln!(
            out,
            "set-up: both made after {made:.1?}, negotiated after {negotiated:.1?}, connected after {:.1?}",
            started.elapsed()
        )?;
        a.transport.close().await;
        b.transport.close().await;
    }

    let [mut a, mut b] = [end(1, epoch).await?, end(2, epoch).await?];
    let offer = a.transport.create_offer(IceMode::Keep).await?;
    let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await?;
    a.transport.accept_answer(answer).await?;
    let (there, back) = (Arc::clone(&b.transport), Arc::clone(&a.transport));
    let (first, second) = tokio::join!(reach(&mut a.events, &there), reach(&mut b.events, &back));
    first?;
    second?;
    let (began, cpu) = (Instant::now(), cpu_time());
    let ends = [a, b];
    send_media(&ends, epoch, seconds).await;
    let cores = (cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    for end in &ends {
        writeln!(out, "pictures: {}", end.camera.line())?;
        writeln!(out, "sound:    {}", end.audio.line())?;
        writeln!(out, "{:?}", end.transport.statistics())?;
    }
    writeln!(out, "CPU: {:.3} cores an end, the load's own included", cores / 2.0)?;
    for end in &ends {
        end.transport.close().await;
    }
    Ok(())
}
