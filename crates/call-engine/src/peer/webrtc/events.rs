//! What happens by itself on a connection, on its way to the driver; and the watch over its path.
//!
//! The crate awaits its callbacks on the task that also moves packets, so they only put notices into a bounded queue;
//! [`Watch`], a task of ours, carries them on and waits where the driver is slow.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use call_core::{Attempt, Blockage, IceCandidate, PeerKey, TransportState, diagnose};
use call_media::frame::{StreamKind, VideoKind};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState,
};

use super::assembly::{Inner, PeerIdentity};
use super::exposure::Exposure;
use super::findings::Findings;
use super::handshake::HandshakeClock;
use super::send::Outbox;
use super::sound::SoundFormats;
use super::streams::Shared;
use super::watchdog::{Consent, Watchdog};
use crate::peer::{PeerConfig, PeerError, PeerEvent, PeerEventFrom};

/// How often the path is looked at: silence is told at most so much later.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Nothing for so long, and other interfaces of this machine are tried.
const WAYS_TRIED_AFTER: Duration = Duration::from_millis(600);
/// While an address has just been lost, ways are tried this often …
const HURRY_INTERVAL: Duration = Duration::from_millis(60);
/// … for so long.
const HURRY: Duration = Duration::from_millis(1_500);
/// How long a relay server may take to give us an address. The stack itself asks for most of a minute.
const RELAY_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A connection that is not up after this is worth a diagnosis, which may still change.
const DIAGNOSED_AFTER: Duration = Duration::from_secs(4);

/// What the crate tells us, in short.
pub(super) enum Notice {
    Candidate(IceCandidate),
    Ice(RTCIceConnectionState),
    State(RTCPeerConnectionState),
    /// Only a relay's address may be told, and there is none.
    NoRelay,
}

/// The crate's callbacks: they run on the task that moves packets and must not wait.
pub(super) struct Callbacks {
    exposure: Exposure,
    shared: Arc<Shared>,
    findings: Arc<Findings>,
    notices: mpsc::Sender<Notice>,
    /// Whether any address of ours could be told.
    reachable: AtomicBool,
}

impl Callbacks {
    pub(super) fn new(
        exposure: Exposure,
        shared: Arc<Shared>,
        findings: Arc<Findings>,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        Self {
            exposure,
            shared,
            findings,
            notices,
            reachable: AtomicBool::new(false),
        }
    }

    fn pass_on(&self, notice: Notice) {
        match self.notices.try_send(notice) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => {
                tracing::debug!("a peer connection reported something after its end");
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("a peer connection's event was dropped: its queue is full");
            }
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let Some(candidate) = self.exposure.candidate(event.candidate) else {
            return;
        };
        // A wildcard that found no interface; nobody can send there.
        if is_unspecified(&candidate.address) {
            return;
        }
        self.reachable.store(true, Ordering::Relaxed);
        self.findings.local(candidate.typ);
        match candidate.to_json() {
            Ok(init) if !init.candidate.is_empty() => self.pass_on(Notice::Candidate(IceCandidate {
                candidate: init.candidate,
                // All sections are bundled into the first.
                sdp_mid: Some("0".to_owned()),
                sdp_mline_index: Some(0),
                username_fragment: init.username_fragment,
            })),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a local candidate has no textual form"),
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        let done = state == RTCIceGatheringState::Complete;
        if done && self.exposure == Exposure::RelayOnly && !self.reachable.load(Ordering::Relaxed) {
            self.pass_on(Notice::NoRelay);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.shared.note_first(&self.shared.ice_connected_us, Instant::now());
        }
        self.pass_on(Notice::Ice(state));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.pass_on(Notice::State(state));
    }
}

fn is_unspecified(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// Puts peer and attempt on every event.
#[derive(Clone)]
pub(super) struct Reporter {
    peer: PeerKey,
    attempt: Attempt,
    events: mpsc::Sender<PeerEventFrom>,
}

impl Reporter {
    pub(super) fn new(config: &PeerConfig) -> Self {
        Self {
            peer: config.peer,
            attempt: config.attempt,
            events: config.events.clone(),
        }
    }

    /// Waits while the driver's queue is full. False when the driver is gone.
    async fn report(&self, event: PeerEvent) -> bool {
        let (peer, attempt) = (self.peer, self.attempt);
        self.events.send(PeerEventFrom { peer, attempt, event }).await.is_ok()
    }
}

/// What the connection's main task works with.
pub(super) struct Watch {
    pub(super) inner: Arc<Inner>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) reporter: Reporter,
    pub(super) watchdog: Watchdog,
    pub(super) handshake: HandshakeClock,
    /// What was said last of what is in the way.
    pub(super) blockage: Option<Blockage>,
    /// Whether an address of ours was told.
    pub(super) reachable: bool,
    pub(super) on_target_bitrate: Arc<dyn Fn(u32) + Send + Sync>,
    /// Answers to consent checks when they were last counted.
    pub(super) answers: u64,
    /// Until when ways are tried often.
    pub(super) hurried_until: Option<Instant>,
}

impl Watch {
    /// Carries what the crate notices to the driver and watches over the path, until the driver is gone.
    pub(super) async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut tick = tokio::time::interval(WATCH_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = tokio::select! {
                notice = notices.recv() => match notice {
                    Some(Notice::Candidate(candidate)) => {
                        self.reachable = true;
                        self.reporter.report(PeerEvent::LocalCandidate(candidate)).await
                    }
                    Some(Notice::Ice(state)) => {
                        self.path_changed(state);
                        true
                    }
                    Some(Notice::NoRelay) => self.give_up(PeerError::Blocked(self.diagnosis())).await,
                    Some(Notice::State(state)) => self.state_changed(state).await,
                    None => false,
                },
                _ = tick.tick() => self.look().await,
                () = self.inner.addresses_changed.notified() => {
                    self.hurried_until = Some(Instant::now() + HURRY);
                    self.search(Instant::now());
                    true
                }
                () = tokio::time::sleep(HURRY_INTERVAL), if self.hurried_until.is_some() => {
                    let now = Instant::now();
                    self.hurried_until = self.hurried_until.filter(|until| now < *until);
                    self.search(now);
                    true
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    fn path_changed(&mut self, state: RTCIceConnectionState) {
        match state {
            RTCIceConnectionState::Connected | RTCIceConnectionState::Completed => {
                if *self.inner.identity.borrow() == PeerIdentity::Unknown {
                    self.handshake.path_found(Instant::now());
                }
            }
            // Searching or gone: the handshake cannot go on.
            _ => self.handshake.stop(),
        }
    }

    /// Ends the connection and says why. Always false: there is nothing more to watch.
    async fn give_up(&mut self, error: PeerError) -> bool {
        tracing::warn!(%error, "a peer connection is closed");
        self.outbox.shut();
        // Closing must not wait for a slow driver, nor the driver for the close.
        let (closed, reported) = tokio::join!(
            self.inner.connection.close(),
            self.reporter.report(PeerEvent::Fault(error))
        );
        if let Err(error) = closed {
            tracing::debug!(%error, "a refused peer connection did not close cleanly");
        }
        if !reported {
            tracing::debug!("the driver ended before a peer connection failed");
        }
        false
    }

    async fn state_changed(&mut self, state: RTCPeerConnectionState) -> bool {
        let Some(state) = transport_state(state) else {
            return true;
        };
        match state {
            TransportState::Connected => {
                if let Err(error) = self.inner.confirm_certificate().await {
                    return self.give_up(error).await;
                }
                self.handshake.stop();
                self.connected().await;
            }
            TransportState::Failed | TransportState::Closed => {
                self.watchdog.disconnected();
                self.outbox.shut();
                if state == TransportState::Failed && !self.tell_blockage().await {
                    return false;
                }
            }
            TransportState::Connecting | TransportState::Silent | TransportState::Alive => {}
        }
        self.reporter.report(PeerEvent::Transport(state)).await
    }

    async fn connected(&mut self) {
        let (now, shared) = (Instant::now(), &self.inner.shared);
        shared.note_first(&shared.dtls_connected_us, now);
        shared.consented(now);
        self.watchdog.connected();
        match self.inner.agreed().await {
            Ok(agreed) => {
                let sound = agreed.of(StreamKind::Audio);
                shared.sound.set_formats(SoundFormats {
                    opus: sound.payload_type,
                    red: sound.red_payload_type,
                });
                self.inner.agreed.send_replace(Some(agreed));
                (self.on_target_bitrate)(shared.target_bitrate_bps.load(Ordering::Relaxed));
                self.outbox.open();
            }
            Err(error) => tracing::error!(%error, "connected, but no codec was agreed on"),
        }
    }

    /// Looks for another way to the peer, where the one in use is gone or nothing comes by it.
    fn search(&self, now: Instant) {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let addresses: Vec<_> = interfaces.iter().map(if_addrs::Interface::ip).collect();
        let last_heard = self.inner.shared.last_heard();
        let is_silent = now.saturating_duration_since(last_heard) >= WAYS_TRIED_AFTER;
        self.inner
            .gate
            .search(&addresses, (is_silent, self.hurried_until.is_some()), now);
    }

    /// Why the handshake will not end well, if so.
    fn handshake_fault(&self, now: Instant) -> Option<PeerError> {
        if *self.inner.identity.borrow() == PeerIdentity::Confirmed {
            return None;
        }
        let shared = &self.inner.shared;
        if let Some(refusal) = shared.refusal.get() {
            return Some(PeerError::Fingerprint(refusal.to_string()));
        }
        let limit = self.handshake.overdue(now, shared.rtt())?.as_secs_f32();
        Some(PeerError::Fingerprint(format!(
            "what answers is not who was announced, or the network lets nothing encrypted through; {limit:.1} s passed"
        )))
    }

    /// What is in the way, as far as it is known by now.
    fn diagnosis(&self) -> Blockage {
        let checked = self.inner.shared.ice_connected_us.load(Ordering::Relaxed) != 0;
        let relay_only = self.inner.exposure == Exposure::RelayOnly;
        diagnose(&self.inner.findings.facts(&self.inner.servers, relay_only, checked))
    }

    /// Says what is in the way of a connection that was never up, when that is news. False when the driver is gone.
    async fn tell_blockage(&mut self) -> bool {
        if self.inner.shared.dtls_connected_us.load(Ordering::Relaxed) != 0 {
            return true;
        }
        let blockage = self.diagnosis();
        if self.blockage.replace(blockage) == Some(blockage) {
            return true;
        }
        self.reporter.report(PeerEvent::Blocked(blockage)).await
    }

    /// Reads the path's state and tells what has changed.
    async fn look(&mut self) -> bool {
        let now = Instant::now();
        if let Some(error) = self.handshake_fault(now) {
            return self.give_up(error).await;
        }
        let searched = self
            .inner
            .gathering_since
            .get()
            .map(|since| now.saturating_duration_since(*since));
        if searched.is_some_and(|time| time >= DIAGNOSED_AFTER) && !self.tell_blockage().await {
            return false;
        }
        let waited = |since: &Instant| now.saturating_duration_since(*since) >= RELAY_ANSWERS_WITHIN;
        let needs_relay = self.inner.exposure == Exposure::RelayOnly && !self.reachable;
        if needs_relay && self.inner.gathering_since.get().is_some_and(waited) {
            return self.give_up(PeerError::Blocked(self.diagnosis())).await;
        }
        let path = self.inner.path(now).await;
        *self.inner.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        self.inner.gate.settle(path.and_then(|path| path.peer), now);
        let shared = &self.inner.shared;
        if path.is_some() && now.saturating_duration_since(shared.last_heard()) >= WAYS_TRIED_AFTER {
            self.search(now);
        }
        if let Some(path) = path {
            if let Some(rtt) = path.rtt {
                shared.set_rtt(rtt);
            }
            // Checks through a relay do not show at the socket.
            if path.answers > self.answers {
                shared.consented(now);
            }
            self.answers = path.answers;
        }
        match self.watchdog.check_consent(now, shared.last_consent()) {
            Some(Consent::Expired) => self.outbox.shut(),
            Some(Consent::Given) => self.outbox.open(),
            None => {}
        }
        match self.watchdog.check(now, shared.last_heard()) {
            Some(state) => self.reporter.report(PeerEvent::Transport(state)).await,
            None => true,
        }
    }
}

fn transport_state(state: RTCPeerConnectionState) -> Option<TransportState> {
    match state {
        RTCPeerConnectionState::Connecting => Some(TransportState::Connecting),
        RTCPeerConnectionState::Connected => Some(TransportState::Connected),
        RTCPeerConnectionState::Failed => Some(TransportState::Failed),
        RTCPeerConnectionState::Closed => Some(TransportState::Closed),
        // Our own watchdog knows of silence long before ICE does.
        _ => None,
    }
}

/// Carries control messages to the driver once it is known who sends them; while it is slow, the peer is slowed down
/// (SCTP's receive window).
pub(super) async fn watch_control(
    control: Arc<dyn DataChannel>,
    reporter: Reporter,
    mut identity: watch::Receiver<PeerIdentity>,
) {
    if identity
        .wait_for(|known| *known == PeerIdentity::Confirmed)
        .await
        .is_err()
    {
        return;
    }
    while let Some(event) = control.poll().await {
        let event = match event {
            DataChannelEvent::OnOpen => PeerEvent::ControlOpened,
            DataChannelEvent::OnMessage(message) => PeerEvent::Control(message.data.freeze()),
            _ => continue,
        };
        if !reporter.report(event).await {
            return;
        }
    }
}

/// Sends PLIs; the requests come rate-limited.
pub(super) async fn ask_for_key_frames(inner: Arc<Inner>, mut requests: mpsc::Receiver<VideoKind>) {
    while let Some(kind) = requests.recv().await {
        let stream = StreamKind::Video(kind);
        let Some(media_ssrc) = inner.shared.remote_primary(stream) else {
            continue;
        };
        let pli = PictureLossIndication {
            sender_ssrc: inner.shared.local.of(stream).ssrc,
            media_ssrc,
        };
        if let Err(error) = inner.tracks.of(stream).write_rtcp(vec![Box::new(pli)]).await {
            tracing::debug!(%error, "a key-frame request was not taken by the connection");
        }
    }
}
