//! Two connected peers in one process, over real sockets on the loopback interface, and what they collect.

// Every test file uses a part of this.
#![allow(dead_code, clippy::unwrap_used)]

pub mod path;
pub mod turn;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_core::{Attempt, IceCandidate, IceMode, OfferAcceptance, PeerKey, TransportState};
use call_engine::peer::webrtc::WebRtcConnector;
use call_engine::peer::{
    ExtraRoots, PeerConfig, PeerConnector, PeerError, PeerEvent, PeerEventFrom, PeerReceivers, PeerTransport,
};
use call_media::frame::{EncodedFrame, SendTimings, StreamKind, VideoKind};
use call_media::rtp::{PacketSink, RtpPacket};
use tokio::sync::{Notify, mpsc};

/// Ends a test that hangs; never part of what is asserted.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what arrives.
#[derive(Default)]
pub struct Collector {
    packets: Mutex<Vec<RtpPacket>>,
    arrived: Notify,
}

impl PacketSink for Collector {
    fn push(&self, packet: RtpPacket) {
        self.packets.lock().unwrap().push(packet);
        self.arrived.notify_waiters();
    }
}

impl Collector {
    pub fn packets(&self) -> Vec<RtpPacket> {
        self.packets.lock().unwrap().clone()
    }

    /// Waits until this many packets have come.
    pub async fn wait_for(&self, count: usize) -> Vec<RtpPacket> {
        let wait = async {
            loop {
                let arrived = self.arrived.notified();
                let packets = self.packets();
                if packets.len() >= count {
                    return packets;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{} packets came instead of {count}", self.packets().len()))
    }
}

/// Remembers calls of a callback.
pub struct Calls<T> {
    seen: Mutex<Vec<T>>,
    called: Notify,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            called: Notify::new(),
        }
    }
}

impl<T: Clone> Calls<T> {
    pub fn note(&self, value: T) {
        self.seen.lock().unwrap().push(value);
        self.called.notify_waiters();
    }

    pub fn all(&self) -> Vec<T> {
        self.seen.lock().unwrap().clone()
    }

    pub fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// Waits until all calls together are as wanted.
    pub async fn wait_until(&self, wanted: impl Fn(&[T]) -> bool) {
        let wait = async {
            loop {
                let called = self.called.notified();
                if wanted(&self.all()) {
                    return;
                }
                called.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the callback was called often enough");
    }

    pub async fn wait_for(&self, wanted: impl Fn(&T) -> bool) -> T {
        let wait = async {
            loop {
                let called = self.called.notified();
                if let Some(found) = self.all().into_iter().find(&wanted) {
                    return found;
                }
                called.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the callback was called")
    }
}

/// One end.
pub struct Peer {
    pub transport: Arc<dyn PeerTransport>,
    pub audio: Arc<Collector>,
    pub camera: Arc<Collector>,
    pub screen: Arc<Collector>,
    pub key_frame_requests: Arc<Calls<VideoKind>>,
    pub target_bitrates: Arc<Calls<u32>>,
    /// Everything but candidates, which go to the other end.
    pub events: Arc<Calls<PeerEvent>>,
    /// What this end was told of the other's addresses.
    remote_candidates: Arc<Mutex<Vec<IceCandidate>>>,
    incoming: Mutex<Option<mpsc::Receiver<PeerEventFrom>>>,
}

/// Sees local candidates on their way to the other end; may change or swallow them.
pub type CandidateFilter = fn(IceCandidate) -> Option<IceCandidate>;

impl Peer {
    pub async fn new(key: u32) -> Self {
        Self::with(key, |_| {}).await.expect("a connection")
    }

    /// With another configuration than that of two ends on one machine.
    pub async fn with(key: u32, change: impl FnOnce(&mut PeerConfig)) -> Result<Self, PeerError> {
        let (events, incoming) = mpsc::channel(256);
        let (audio, camera, screen) = (
            Arc::<Collector>::default(),
            Arc::<Collector>::default(),
            Arc::<Collector>::default(),
        );
        let key_frame_requests = Arc::<Calls<_>>::default();
        let target_bitrates = Arc::<Calls<_>>::default();
        let (requests, targets) = (Arc::clone(&key_frame_requests), Arc::clone(&target_bitrates));
        let mut config = PeerConfig {
            peer: PeerKey(key),
            attempt: Attempt(1),
            receivers: PeerReceivers {
                audio: audio.clone(),
                camera: camera.clone(),
                screen: screen.clone(),
            },
            on_key_frame_request: Arc::new(move |kind| requests.note(kind)),
            on_target_bitrate: Arc::new(move |bps| targets.note(bps)),
            events,
            ice_servers: Vec::new(),
            extra_roots: ExtraRoots::default(),
            relay_only: false,
            loopback: true,
            max_bitrate_bps: 6_000_000,
        };
        change(&mut config);
        Ok(Self {
            transport: WebRtcConnector::new().connect(config).await?,
            audio,
            camera,
            screen,
            key_frame_requests,
            target_bitrates,
            events: Arc::<Calls<_>>::default(),
            remote_candidates: Arc::default(),
            incoming: Mutex::new(Some(incoming)),
        })
    }

    /// Carries this end's candidates to the other and its events into `events`, until the connection is gone.
    pub fn carry_to(&self, other: &Self, filter: CandidateFilter) {
        self.carry_to_with(other, filter);
    }

    pub fn carry_to_with(
        &self,
        other: &Self,
        filter: impl Fn(IceCandidate) -> Option<IceCandidate> + Send + Sync + 'static,
    ) {
        let mut incoming = self.incoming.lock().unwrap().take().expect("carried once");
        let (there, events) = (Arc::clone(&other.transport), Arc::clone(&self.events));
        let told = Arc::clone(&other.remote_candidates);
        tokio::spawn(async move {
            while let Some(from) = incoming.recv().await {
                match from.event {
                    PeerEvent::LocalCandidate(candidate) => {
                        if let Some(candidate) = filter(candidate) {
                            // Kept first: a description that is set meanwhile finds it there.
                            told.lock().unwrap().push(candidate.clone());
                            // One from before a restart may be refused.
                            there.add_candidate(candidate).await.ok();
                        }
                    }
                    event => events.note(event),
                }
            }
        });
    }

    /// Takes an offer, and gives the answer.
    pub async fn accept_offer(&self, offer: String, acceptance: OfferAcceptance) -> String {
        let answer = self.transport.accept_offer(offer, acceptance).await.expect("an answer");
        self.add_candidates_again().await;
        answer
    }

    /// Takes the answer to an offer.
    pub async fn accept_answer(&self, answer: String) {
        self.transport.accept_answer(answer).await.expect("the answer is taken");
        self.add_candidates_again().await;
    }

    /// A candidate that outruns its description is forgotten with the path before a restart. In a call the negotiation
    /// holds it back; here all that came so far is added once more.
    async fn add_candidates_again(&self) {
        let candidates = self.remote_candidates.lock().unwrap().clone();
        for candidate in candidates {
            // One from before a restart may be refused.
            self.transport.add_candidate(candidate).await.ok();
        }
    }

    pub async fn wait_for_state(&self, state: TransportState) {
        self.events
            .wait_for(|event| matches!(event, PeerEvent::Transport(seen) if *seen == state))
            .await;
    }

    pub async fn wait_for_control_opened(&self) {
        self.events
            .wait_for(|event| matches!(event, PeerEvent::ControlOpened))
            .await;
    }

    pub async fn wait_for_control(&self, wanted: &[u8]) {
        self.events
            .wait_for(|event| matches!(event, PeerEvent::Control(message) if message[..] == *wanted))
            .await;
    }

    pub fn collector(&self, kind: StreamKind) -> &Collector {
        match kind {
            StreamKind::Audio => &self.audio,
            StreamKind::Video(VideoKind::Camera) => &self.camera,
            StreamKind::Video(VideoKind::Screen) => &self.screen,
        }
    }
}

pub fn pass_all(candidate: IceCandidate) -> Option<IceCandidate> {
    Some(candidate)
}

/// Offer, answer; the first offers.
pub async fn negotiate(offerer: &Peer, answerer: &Peer, ice: IceMode) {
    let offer = offerer.transport.create_offer(ice).await.expect("an offer");
    let answer = answerer.accept_offer(offer, OfferAcceptance::Plain).await;
    offerer.accept_answer(answer).await;
}

/// Two ends that reached each other, media and control.
pub async fn connected_pair() -> (Peer, Peer) {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    negotiate(&a, &b, IceMode::Keep).await;
    a.carry_to(&b, pass_all);
    b.carry_to(&a, pass_all);
    for peer in [&a, &b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
    }
    (a, b)
}

pub const CAMERA: StreamKind = StreamKind::Video(VideoKind::Camera);
pub const SCREEN: StreamKind = StreamKind::Video(VideoKind::Screen);

/// A frame of `packets` payloads of `bytes`, each filled with its index.
pub fn frame(kind: StreamKind, rtp_timestamp: u32, packets: u8, bytes: usize) -> EncodedFrame {
    EncodedFrame {
        kind,
        payloads: (0..packets).map(|index| Bytes::from(vec![index; bytes])).collect(),
        rtp_timestamp,
        captured_at: Instant::now(),
        key_frame: true,
        audio_level: matches!(kind, StreamKind::Audio).then_some(30),
        timings: SendTimings {
            capture: Duration::ZERO,
            encode: Duration::ZERO,
        },
    }
}
