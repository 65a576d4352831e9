//! One call: the task that owns its [`CallMachine`], feeds it and does what it asks for.
//!
//! In: intents of the user, the signaling socket, peer connections, time. Out: a [`CallSnapshot`] at every
//! change, and the figures of the call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use call_core::{
    Action, Attempt, CallConfig, CallMachine, CallSnapshot, Input, LocalIntent, PeerInput, PeerKey, SignalingInput,
    SignalingLoss, Time, VideoSource,
};
use call_media::frame::VideoKind;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::addresses::{AddressChange, AddressWatch};
use crate::call_media::CallMedia;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::peer::{ExtraRoots, IceServer, PEER_EVENT_CAPACITY, PeerConfig, PeerConnector, PeerEvent, PeerEventFrom};
use crate::peer_worker::{PeerOrder, PeerResult, PeerWorker, fault};
use crate::signaling::{self, SignalingClient, SignalingEvent};
use crate::sleep_watch::SleepWatch;

/// Intents waiting for the call. A person does not click faster than this is emptied.
const INTENT_CAPACITY: usize = 32;
/// How long a finished call waits for its last messages to leave.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// What a call is started with.
pub(crate) struct CallSetup {
    pub machine: CallConfig,
    /// The invite's secret, as it is at first.
    pub secret: [u8; 16],
    pub websocket_url: String,
    pub connector: Arc<dyn PeerConnector>,
    pub media: Arc<dyn CallMedia>,
    pub figures: Arc<Figures>,
    pub epoch: Instant,
    pub paths: PathSettings,
}

/// How peers may be reached.
#[derive(Clone)]
pub(crate) struct PathSettings {
    pub ice_servers: Vec<IceServer>,
    pub extra_roots: ExtraRoots,
    pub relay_only: bool,
    pub loopback: bool,
    pub max_bitrate_bps: u32,
}

/// A call that runs in its own task.
pub(crate) struct RunningCall {
    intents: mpsc::Sender<LocalIntent>,
    ice_servers: watch::Sender<Vec<IceServer>>,
    /// The newest state. Closed when the call is over and everything it held is released.
    pub snapshots: watch::Receiver<Arc<CallSnapshot>>,
    /// The invite's secret as it is now: the host may make a new one.
    pub secret: watch::Receiver<[u8; 16]>,
    task: JoinHandle<()>,
}

impl RunningCall {
    /// Starts the task and enters the room.
    pub(crate) fn start(setup: CallSetup) -> Self {
        let (intents, incoming) = mpsc::channel(INTENT_CAPACITY);
        let mut machine = CallMachine::new(setup.machine.clone());
        let now = Time(setup.epoch.elapsed());
        machine.handle(Input::Local(LocalIntent::Join), now);
        let (published, snapshots) = watch::channel(Arc::new(machine.snapshot()));
        let (secret_changed, secret) = watch::channel(setup.secret);
        let (ice_servers, servers_changed) = watch::channel(setup.paths.ice_servers.clone());
        let call = Call::new(setup, machine, published, secret_changed);
        let task = tokio::spawn(call.run(incoming, servers_changed));
        Self {
            intents,
            ice_servers,
            snapshots,
            secret,
            task,
        }
    }

    /// Passes an intent on.
    pub(crate) fn intend(&self, intent: LocalIntent) {
        if self.intents.try_send(intent).is_err() {
            tracing::debug!("the call is over or busy: an intent was dropped");
        }
    }

    /// Uses these from the next connection or search for a path on.
    pub(crate) fn set_ice_servers(&self, servers: Vec<IceServer>) {
        self.ice_servers.send_replace(servers);
    }

    /// Hangs up and waits until the peers have been told.
    pub(crate) async fn end(self) {
        self.intend(LocalIntent::Leave);
        if timeout(FAREWELL + Duration::from_millis(300), self.task).await.is_err() {
            tracing::warn!("a call did not end in time");
        }
    }
}

struct Call {
    machine: CallMachine,
    published: watch::Sender<Arc<CallSnapshot>>,
    secret: watch::Sender<[u8; 16]>,
    websocket_url: String,
    connector: Arc<dyn PeerConnector>,
    media: Arc<dyn CallMedia>,
    figures: Arc<Figures>,
    epoch: Instant,
    paths: PathSettings,
    signaling: Option<SignalingClient>,
    dialer: Dialer,
    signaling_generation: u64,
    signaling_events: mpsc::Sender<SignalingEvent>,
    signaling_inbox: mpsc::Receiver<SignalingEvent>,
    peers: HashMap<PeerKey, PeerWorker>,
    farewells: Vec<JoinHandle<()>>,
    peer_events: mpsc::Sender<PeerEventFrom>,
    peer_inbox: mpsc::Receiver<PeerEventFrom>,
    results: mpsc::Sender<PeerResult>,
    result_inbox: mpsc::Receiver<PeerResult>,
    finished: bool,
}

impl Call {
    fn new(
        setup: CallSetup,
        machine: CallMachine,
        published: watch::Sender<Arc<CallSnapshot>>,
        secret: watch::Sender<[u8; 16]>,
    ) -> Self {
        let (signaling_events, signaling_inbox) = mpsc::channel(signaling::EVENT_CAPACITY);
        let (peer_events, peer_inbox) = mpsc::channel(PEER_EVENT_CAPACITY);
        let (results, result_inbox) = mpsc::channel(PEER_EVENT_CAPACITY);
        Self {
            machine,
            published,
            secret,
            websocket_url: setup.websocket_url,
            connector: setup.connector,
            media: setup.media,
            figures: setup.figures,
            epoch: setup.epoch,
            paths: setup.paths,
            signaling: None,
            dialer: Dialer::default(),
            signaling_generation: 0,
            signaling_events,
            signaling_inbox,
            peers: HashMap::new(),
            farewells: Vec::new(),
            peer_events,
            peer_inbox,
            results,
            result_inbox,
            finished: false,
        }
    }

    async fn run(mut self, mut intents: mpsc::Receiver<LocalIntent>, mut ice_servers: watch::Receiver<Vec<IceServer>>) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut addresses = AddressWatch::new();
        let mut sleep = SleepWatch::default();
        loop {
            self.perform_all();
            self.publish();
            if self.finished {
                break;
            }
            let deadline = self.machine.poll_deadline();
            tokio::select! {
                intent = intents.recv() => self.feed(Input::Local(intent.unwrap_or(LocalIntent::Leave))),
                Ok(()) = ice_servers.changed() => {
                    let servers = ice_servers.borrow_and_update().clone();
                    self.on_ice_servers(servers);
                }
                Some(event) = self.signaling_inbox.recv() => self.on_signaling(event),
                Some(event) = self.peer_inbox.recv() => self.on_peer_event(event),
                Some((peer, attempt, event)) = self.result_inbox.recv() => self.on_peer(peer, attempt, event),
                () = wait_until(self.epoch, deadline) => {
                    let now = self.now();
                    self.machine.handle_deadlines(now);
                }
                change = addresses.changed() => self.on_addresses(&change),
                _ = second.tick() => {
                    if sleep.has_slept() {
                        self.on_network_doubtful();
                    }
                    self.on_second();
                }
            }
        }
        self.say_farewell().await;
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed())
    }

    fn feed(&mut self, input: Input) {
        let now = self.now();
        self.machine.handle(input, now);
    }

    fn on_addresses(&mut self, change: &AddressChange) {
        tracing::info!(
            gained = change.gained.len(),
            lost = change.lost.len(),
            "addresses changed"
        );
        match change.lost.is_empty() {
            // What works goes on working.
            true => self.tell_transports(),
            false => self.on_network_doubtful(),
        }
    }

    /// Everything may be dead: it is looked at now, instead of when its silence would show.
    fn on_network_doubtful(&mut self) {
        self.tell_transports();
        self.feed(Input::NetworkChanged);
    }

    fn tell_transports(&self) {
        for transport in self.peers.values().filter_map(PeerWorker::transport) {
            transport.addresses_changed();
        }
    }

    fn on_signaling(&mut self, event: SignalingEvent) {
        if event.generation != self.signaling_generation || self.signaling.is_none() {
            return;
        }
        if let SignalingInput::Disconnected(loss) = &event.input {
            let (SignalingLoss::Unreachable(words) | SignalingLoss::WrongServer(words)) = loss;
            tracing::info!(words, "the connection to the signaling server ended");
            self.signaling = None;
        }
        self.feed(Input::Signaling(event.input));
    }

    fn on_peer_event(&mut self, from: PeerEventFrom) {
        let event = match from.event {
            PeerEvent::LocalCandidate(candidate) => PeerInput::LocalCandidate(candidate),
            PeerEvent::Transport(state) => PeerInput::Transport(state),
            PeerEvent::Blocked(blockage) => PeerInput::Blocked(blockage),
            PeerEvent::ControlOpened => PeerInput::ControlOpened,
            PeerEvent::Control(payload) => PeerInput::Control(payload.to_vec()),
            PeerEvent::Fault(error) => PeerInput::Fault(fault(error)),
        };
        self.on_peer(from.peer, from.attempt, event);
    }

    fn on_ice_servers(&mut self, servers: Vec<IceServer>) {
        for worker in self.peers.values() {
            worker.order(PeerOrder::SetIceServers(servers.clone()));
        }
        self.paths.ice_servers = servers;
    }

    fn on_peer(&mut self, peer: PeerKey, attempt: Attempt, event: PeerInput) {
        self.feed(Input::Peer { peer, attempt, event });
    }

    /// Samples the paths, and tells the peers what they cannot measure.
    fn on_second(&mut self) {
        for (peer, worker) in &self.peers {
            if let Some(transport) = worker.transport() {
                let statistics = transport.statistics();
                self.media.on_path(*peer, &statistics);
                self.figures.on_path(*peer, statistics);
                self.figures.on_sent(*peer, self.media.sent_picture());
            }
        }
        for timings in self.media.capture_timings() {
            self.feed(Input::Local(LocalIntent::SendTimings {
                source: match timings.kind {
                    VideoKind::Camera => VideoSource::Camera,
                    VideoKind::Screen => VideoSource::Screen,
                },
                capture_ms: timings.capture_ms,
                encode_ms: timings.encode_ms,
            }));
        }
    }

    fn perform_all(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.perform(action);
        }
        for milestone in self.machine.timeline() {
            self.figures.on_milestone(&milestone);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::ConnectSignaling => self.connect_signaling(),
            Action::Signal(message) => {
                if let Some(signaling) = &self.signaling {
                    signaling.send(message);
                }
            }
            Action::ProbeSignaling => {
                if let Some(signaling) = &self.signaling {
                    signaling.probe();
                }
            }
            Action::CloseSignaling => {
                if let Some(signaling) = self.signaling.take() {
                    self.farewells.push(tokio::spawn(signaling.close()));
                }
            }
            Action::CreatePeer { peer, attempt } => self.create_peer(peer, attempt),
            Action::ClosePeer { peer, attempt } => self.close_peer(peer, attempt),
            Action::ForgetPeer { peer } => {
                self.media.forget(peer);
                self.figures.on_forgotten(peer);
            }
            Action::CreateOffer { peer, attempt, ice } => self.order(peer, attempt, PeerOrder::CreateOffer(ice)),
            Action::AcceptOffer {
                peer,
                attempt,
                sdp,
                acceptance,
            } => self.order(peer, attempt, PeerOrder::AcceptOffer { sdp, acceptance }),
            Action::AcceptAnswer { peer, attempt, sdp } => self.order(peer, attempt, PeerOrder::AcceptAnswer(sdp)),
            Action::AddCandidate {
                peer,
                attempt,
                candidate,
            } => self.order(peer, attempt, PeerOrder::AddCandidate(candidate)),
            Action::SendControl { peer, attempt, payload } => {
                self.order(peer, attempt, PeerOrder::SendControl(payload));
            }
            Action::ApplyLocalMedia(media) => self.media.apply(media),
            Action::InviteChanged { secret } => {
                self.secret.send_replace(secret);
            }
            Action::Finished(_) => self.finished = true,
        }
    }

    fn connect_signaling(&mut self) {
        self.signaling_generation += 1;
        let client = SignalingClient::connect(
            self.websocket_url.clone(),
            self.dialer.clone(),
            self.signaling_generation,
            self.signaling_events.clone(),
        );
        if let Some(old) = self.signaling.replace(client) {
            self.farewells.push(tokio::spawn(old.close()));
        }
        self.farewells.retain(|farewell| !farewell.is_finished());
    }

    fn create_peer(&mut self, peer: PeerKey, attempt: Attempt) {
        let (for_key_frames, for_targets) = (Arc::clone(&self.media), Arc::clone(&self.media));
        let config = PeerConfig {
            peer,
            attempt,
            receivers: self.media.receivers(peer),
            on_key_frame_request: Arc::new(move |kind| for_key_frames.request_key_frame(peer, kind)),
            on_target_bitrate: Arc::new(move |bitrate_bps| for_targets.set_target_bitrate(peer, bitrate_bps)),
            events: self.peer_events.clone(),
            ice_servers: self.paths.ice_servers.clone(),
            extra_roots: self.paths.extra_roots.clone(),
            relay_only: self.paths.relay_only,
            loopback: self.paths.loopback,
            max_bitrate_bps: self.paths.max_bitrate_bps,
        };
        self.figures.on_connection(peer, self.media.remote(peer));
        let worker = PeerWorker::start(
            config,
            Arc::clone(&self.connector),
            Arc::clone(&self.media),
            self.results.clone(),
        );
        if let Some(old) = self.peers.insert(peer, worker) {
            tracing::error!("a peer connection was replaced without being closed");
            self.farewells.push(old.finish());
        }
    }

    fn close_peer(&mut self, peer: PeerKey, attempt: Attempt) {
        if self.peers.get(&peer).is_none_or(|worker| worker.attempt != attempt) {
            return;
        }
        if let Some(worker) = self.peers.remove(&peer) {
            if let Some(statistics) = worker.transport().map(|transport| transport.statistics()) {
                self.figures.on_path(peer, statistics);
            }
            self.figures.on_disconnection(peer);
            self.media.detach(peer);
            self.farewells.push(worker.finish());
        }
    }

    fn order(&self, peer: PeerKey, attempt: Attempt, order: PeerOrder) {
        if let Some(worker) = self.peers.get(&peer).filter(|worker| worker.attempt == attempt) {
            worker.order(order);
        }
    }

    fn publish(&mut self) {
        let snapshot = self.machine.snapshot();
        if **self.published.borrow() == snapshot {
            return;
        }
        for participant in &snapshot.participants {
            self.media.on_participant(participant);
        }
        self.figures.on_snapshot(&snapshot);
        self.published.send_replace(Arc::new(snapshot));
    }

    async fn say_farewell(mut self) {
        for (peer, worker) in self.peers.drain() {
            self.media.detach(peer);
            self.farewells.push(worker.finish());
        }
        if let Some(signaling) = self.signaling.take() {
            self.farewells.push(tokio::spawn(signaling.close()));
        }
        let all = async {
            for farewell in self.farewells {
                if let Err(error) = farewell.await {
                    tracing::error!(%error, "a task of the call failed");
                }
            }
        };
        if timeout(FAREWELL, all).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}

async fn wait_until(epoch: Instant, deadline: Option<Time>) {
    match deadline {
        Some(Time(after)) => sleep_until((epoch + after).into()).await,
        None => std::future::pending().await,
    }
}
