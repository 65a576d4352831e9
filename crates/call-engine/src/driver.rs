//! The engine's single decision maker: takes commands, owns the call, publishes what the window draws.
//!
//! In: commands, the call's snapshots, device news. Out: [`EngineSnapshot`]s and [`Event`]s. Runs as one task.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use call_core::{CallConfig, CallPhase, CallSnapshot, LocalIntent, LocalMedia, ParticipantId, Switch, Time, WhenEmpty};
use call_media::spec::ScreenSpec;
use ring::rand::{SecureRandom, SystemRandom};
use signaling_protocol::invite::{Invite, ServerAddress};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::call::{CallSetup, PathSettings, RunningCall};
use crate::call_media::CallMedia;
use crate::config::EngineConfig;
use crate::device_list;
use crate::echo_friend::{self, EchoMedia};
use crate::embedded_server::EmbeddedServer;
use crate::engine::News;
use crate::figures::{Figures, JoinClock};
use crate::handle::{Command, Event};
use crate::media_session::{MAX_CAMERA_BITRATE_BPS, MediaSession};
use crate::peer::PeerConnector;
use crate::snapshot::{EngineSnapshot, LocalStatus, ParticipantStatus, ServerKind};

/// How often levels and clocks are looked at while there is something to see.
const REFRESH: Duration = Duration::from_millis(100);
/// Above the camera's own bound, so that the estimate can tell a free path from a full one.
const ESTIMATE_HEADROOM: f64 = 1.25;

/// What a driver is made of.
pub(crate) struct DriverParts {
    pub config: EngineConfig,
    pub connector: Arc<dyn PeerConnector>,
    pub media: Arc<MediaSession>,
    pub news: Arc<News>,
    pub figures: Arc<RwLock<Arc<Figures>>>,
    pub published: watch::Sender<Arc<EngineSnapshot>>,
    pub epoch: Instant,
}

/// Owns the call, the embedded server and the echo friend.
pub(crate) struct Driver {
    parts: DriverParts,
    server: Option<EmbeddedServer>,
    call: Option<CallInProgress>,
    echo: Option<RunningCall>,
    devices: device_list::Watcher,
    identity: trust::IdentityKey,
}

struct CallInProgress {
    running: RunningCall,
    invite: Invite,
    server: ServerKind,
    is_test: bool,
    announced: bool,
    ended_at: Option<Time>,
}

/// Which call is being started.
enum Purpose {
    Host,
    Join(Instant),
    Test,
}

impl Driver {
    pub(crate) fn new(parts: DriverParts) -> Self {
        let identity = trust::IdentityKey::generate(&mut trust::Entropy::from_system().expect("random numbers"));
        Self {
            parts,
            server: None,
            call: None,
            echo: None,
            devices: device_list::Watcher::default(),
            identity,
        }
    }

    /// Runs until every handle is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let news = Arc::clone(&self.parts.news);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => break,
                },
                () = call_changed(self.call.as_mut()) => self.on_call_changed(),
                () = news.media_changed.notified() => {}
                list = self.devices.next() => self.devices.keep(list),
                _ = refresh.tick(), if self.call.is_some() || self.parts.media.is_open() => {}
            }
            self.publish();
        }
        self.end_call().await;
    }

    async fn on_command(&mut self, command: Command) {
        tracing::debug!(?command, "command");
        let media = Arc::clone(&self.parts.media);
        match command {
            Command::OpenDevices => {
                media.open_devices();
                self.devices.look();
            }
            Command::CloseDevices => {
                if !self.is_in_call() {
                    media.close_devices();
                }
            }
            Command::HostCall => self.host().await,
            Command::JoinCall { link } => self.join(&link).await,
            Command::StartTestCall => self.start_test_call().await,
            Command::Leave => {
                if let Some(call) = &self.call {
                    call.running.intend(LocalIntent::Leave);
                }
            }
            Command::CloseCall => self.end_call().await,
            Command::Microphone(switch) => self.change_media(LocalIntent::Microphone(switch)),
            Command::Camera(switch) => self.change_media(LocalIntent::Camera(switch)),
            Command::SelectCamera(spec) => media.select_camera(spec),
            Command::SelectMicrophone(spec) => media.select_microphone(spec),
            Command::SelectSpeaker(spec) => media.select_speaker(spec),
            Command::ShareScreen(ScreenSpec::None) => self.change_media(LocalIntent::Screen(Switch::Off)),
            Command::ShareScreen(spec) => {
                media.select_screen(spec);
                self.change_media(LocalIntent::Screen(Switch::On));
            }
            Command::Rename(name) => self.parts.config.name = name,
            Command::RestartIce => {
                if let Some(call) = &self.call {
                    self.figures().note("ICE restart asked for");
                    call.running.intend(LocalIntent::RestartIce);
                }
            }
            Command::RefreshDevices => self.devices.look(),
            other => tracing::warn!(?other, "not there yet"),
        }
    }

    /// In a call its machine decides; before one, the wish is kept for the next.
    fn change_media(&mut self, intent: LocalIntent) {
        if let Some(call) = self.call.as_ref().filter(|_| self.is_in_call()) {
            self.figures().note(format!("{intent:?}"));
            call.running.intend(intent);
            return;
        }
        let mut wanted = self.parts.media.wanted();
        match intent {
            LocalIntent::Microphone(switch) => wanted.microphone = switch,
            LocalIntent::Camera(switch) => wanted.camera = switch,
            LocalIntent::Screen(switch) => wanted.screen = switch,
            LocalIntent::Join { .. }
            | LocalIntent::Leave
            | LocalIntent::RestartIce
            | LocalIntent::Admit { .. }
            | LocalIntent::Refuse { .. }
            | LocalIntent::SetDoor(_)
            | LocalIntent::SetExpiry(_)
            | LocalIntent::NewLink { .. }
            | LocalIntent::SymbolsMatch { .. }
            | LocalIntent::SendTimings { .. } => {}
        }
        self.parts.media.apply(wanted);
    }

    fn is_in_call(&self) -> bool {
        let ended = |call: &CallInProgress| matches!(call.running.snapshots.borrow().phase, CallPhase::Ended(_));
        self.call.as_ref().is_some_and(|call| !ended(call))
    }

    async fn host(&mut self) {
        self.end_call().await;
        let (address, server) = match &self.parts.config.server {
            Some(url) => match url.parse::<ServerAddress>() {
                Ok(address) => (address, ServerKind::Remote),
                Err(error) => return self.parts.news.push(Event::ServerFailed(error.to_string())),
            },
            None => match self.embedded_server(self.parts.config.listen).await {
                Some(address) => (address, ServerKind::Embedded),
                None => return,
            },
        };
        if let Some(invite) = self.new_invite(address) {
            self.start_call(invite, server, &Purpose::Host);
        }
    }

    async fn join(&mut self, link: &str) {
        let begun = Instant::now();
        match link.parse::<Invite>() {
            Ok(invite) => {
                self.end_call().await;
                self.start_call(invite, ServerKind::Remote, &Purpose::Join(begun));
            }
            Err(error) => self.parts.news.push(Event::BadLink(error.to_string())),
        }
    }

    async fn start_test_call(&mut self) {
        self.end_call().await;
        let local = ([127, 0, 0, 1], 0).into();
        let Some(address) = self.embedded_server(local).await else {
            return;
        };
        let Some(invite) = self.new_invite(address) else { return };
        self.start_call(invite.clone(), ServerKind::Embedded, &Purpose::Test);
        let friend = self.setup(
            &invite,
            EchoMedia::new(),
            WhenEmpty::End,
            LocalMedia::default(),
            JoinClock::FirstParticipant,
        );
        self.echo = friend.map(|mut friend| {
            friend.machine.name = echo_friend::NAME.into();
            RunningCall::start(friend)
        });
    }

    async fn embedded_server(&mut self, listen: std::net::SocketAddr) -> Option<ServerAddress> {
        // One at a time: the old one's port must be free before the new one binds.
        if let Some(old) = self.server.take() {
            old.stop().await;
        }
        match EmbeddedServer::start(listen).await {
            Ok(server) => {
                let address = server.address().clone();
                self.server = Some(server);
                Some(address)
            }
            Err(error) => {
                self.parts.news.push(Event::ServerFailed(error.to_string()));
                None
            }
        }
    }

    /// The host's key is new for every call until identities are kept.
    fn new_invite(&self, address: ServerAddress) -> Option<Invite> {
        let invite = Invite::new(address, &self.identity.public().0).ok();
        if invite.is_none() {
            self.parts
                .news
                .push(Event::ServerFailed("the system gives no random numbers".into()));
        }
        invite
    }

    fn setup(
        &self,
        invite: &Invite,
        media: Arc<dyn CallMedia>,
        on_empty: WhenEmpty,
        local: LocalMedia,
        clock: JoinClock,
    ) -> Option<CallSetup> {
        let (mut participant, mut seed) = ([0; 16], [0; 32]);
        if SystemRandom::new().fill(&mut participant).is_err() || SystemRandom::new().fill(&mut seed).is_err() {
            let words = "the system gives no random numbers";
            self.parts.news.push(Event::ServerFailed(words.into()));
            return None;
        }
        let config = &self.parts.config;
        let max_bitrate_bps = config.max_bitrate_bps.unwrap_or(MAX_CAMERA_BITRATE_BPS);
        Some(CallSetup {
            machine: CallConfig {
                name: config.name.clone(),
                participant: ParticipantId(participant),
                on_empty,
                local,
                trust: call_core::TrustConfig {
                    identity: self.identity.clone(),
                    entropy: trust::Entropy::from_seed(seed),
                    secret: invite.secret,
                    host_tag: invite.host_tag,
                    contacts: Vec::new(),
                    expected: None,
                    door: config.door,
                    expires_at: None,
                    doorbell: None,
                },
            },
            websocket_url: invite.server.websocket_url(),
            connector: Arc::clone(&self.parts.connector),
            media,
            figures: Arc::new(Figures::new(self.parts.epoch, config.name.clone(), clock)),
            epoch: self.parts.epoch,
            paths: PathSettings {
                ice_servers: config.ice_servers.clone(),
                relay_only: config.relay_only,
                loopback: is_loopback(&invite.server),
                max_bitrate_bps: (f64::from(max_bitrate_bps) * ESTIMATE_HEADROOM) as u32,
            },
        })
    }

    fn start_call(&mut self, invite: Invite, server: ServerKind, purpose: &Purpose) {
        let media = Arc::clone(&self.parts.media);
        media.open_devices();
        self.devices.look();
        let (on_empty, clock) = match purpose {
            Purpose::Host => (WhenEmpty::Wait, JoinClock::FirstParticipant),
            Purpose::Join(begun) => (WhenEmpty::Wait, JoinClock::Now(*begun)),
            Purpose::Test => (WhenEmpty::End, JoinClock::Now(Instant::now())),
        };
        let local = media.wanted();
        let Some(setup) = self.setup(&invite, media, on_empty, local, clock) else {
            return;
        };
        *self.parts.figures.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&setup.figures);
        self.call = Some(CallInProgress {
            running: RunningCall::start(setup),
            invite,
            server,
            is_test: matches!(purpose, Purpose::Test),
            announced: false,
            ended_at: None,
        });
    }

    async fn end_call(&mut self) {
        if let Some(echo) = self.echo.take() {
            echo.end().await;
        }
        if let Some(call) = self.call.take() {
            call.running.end().await;
        }
    }

    fn on_call_changed(&mut self) {
        let Some(call) = &mut self.call else { return };
        let snapshot = Arc::clone(&call.running.snapshots.borrow());
        if !call.announced && matches!(snapshot.signaling, call_core::SignalingState::Joined) {
            call.announced = true;
            self.parts.news.push(Event::LinkReady(call.invite.link()));
        }
        if matches!(snapshot.phase, CallPhase::Ended(_)) && call.ended_at.is_none() {
            call.ended_at = Some(Time(self.parts.epoch.elapsed()));
            self.parts.media.close_devices();
        }
    }

    fn publish(&mut self) {
        let previous = Arc::clone(&self.parts.published.borrow());
        let mut snapshot = self.snapshot(previous.revision + 1);
        if snapshot.same_content(&previous) {
            return;
        }
        snapshot.revision = previous.revision + 1;
        self.parts.published.send_replace(Arc::new(snapshot));
        self.parts.news.wake();
    }

    fn snapshot(&self, revision: u64) -> EngineSnapshot {
        let media = &self.parts.media;
        let (camera, microphone, speaker) = media.device_statuses();
        let call = self.call.as_ref();
        let state: Option<Arc<CallSnapshot>> = call.map(|call| Arc::clone(&call.running.snapshots.borrow()));
        let until = call.and_then(|call| call.ended_at);
        let until = until.unwrap_or_else(|| Time(self.parts.epoch.elapsed()));
        EngineSnapshot {
            revision,
            invite_link: call
                .filter(|call| call.announced && !call.is_test)
                .map(|call| call.invite.link()),
            is_test_call: call.is_some_and(|call| call.is_test),
            server: call.map_or(ServerKind::None, |call| call.server),
            local: LocalStatus {
                camera,
                microphone,
                speaker,
                microphone_level: media.microphone_level(),
            },
            participants: state
                .iter()
                .flat_map(|state| &state.participants)
                .map(|participant| self.participant(participant.peer))
                .collect(),
            devices: self.devices.list().clone(),
            people: self.parts.published.borrow().people.clone(),
            elapsed: state.as_ref().and_then(|state| {
                let since = state.connected_since?;
                // Whole seconds: the window shows no more, and draws no more often.
                Some(Duration::from_secs((until - since).as_secs()))
            }),
            call: state.map(|state| (*state).clone()),
        }
    }

    fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.parts.figures.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn participant(&self, peer: call_core::PeerKey) -> ParticipantStatus {
        let (route, rtt) = self.figures().path(peer);
        let remote = self.parts.media.remote(peer);
        let flows = |kind| {
            let remote = remote.as_ref();
            remote.is_some_and(|remote| remote.picture(kind).flows())
        };
        ParticipantStatus {
            peer,
            route,
            rtt,
            audio_level: remote.as_ref().map_or(0.0, |remote| remote.audio.level()),
            camera_flows: flows(call_media::frame::VideoKind::Camera),
            screen_flows: flows(call_media::frame::VideoKind::Screen),
        }
    }
}

/// Whether everybody who can reach the server is on this machine.
fn is_loopback(server: &ServerAddress) -> bool {
    let host = server.host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn call_changed(call: Option<&mut CallInProgress>) {
    match call {
        // An error means that the call's task has ended: nothing will change any more.
        Some(call) => {
            if call.running.snapshots.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
