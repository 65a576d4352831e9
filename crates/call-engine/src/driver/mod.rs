//! The engine's single decision maker: takes commands, owns the call, publishes what the window draws.
//!
//! In: commands, the call's snapshots, news of devices, doorbell and disk. Out: [`EngineSnapshot`]s and
//! [`Event`]s. Runs as one task.
//!
//! * `calls.rs` – the call itself: start, join, end
//! * `people.rs` – everybody one may call: contacts, rings, who is nearby, spoken codes

mod calls;
mod people;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use call_core::{CallPhase, CallSnapshot, LocalIntent, Switch, Time};
use call_media::spec::ScreenSpec;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::call::RunningCall;
use crate::call_media::CallMedia as _;
use crate::config::EngineConfig;
use crate::device_list;
use crate::embedded_server::EmbeddedServer;
use crate::engine::News;
use crate::figures::Figures;
use crate::handle::{Command, Event};
use crate::keeper::Keeper;
use crate::media_session::MediaSession;
use crate::peer::PeerConnector;
use crate::snapshot::{EngineSnapshot, LocalStatus, ParticipantStatus, ServerKind};
use calls::CallInProgress;
use people::People;

/// How often levels and clocks are looked at while there is something to see.
const REFRESH: Duration = Duration::from_millis(100);

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

/// Owns the call, the embedded server, the echo friend and the people.
pub(crate) struct Driver {
    parts: DriverParts,
    people: People,
    server: Option<EmbeddedServer>,
    call: Option<CallInProgress>,
    echo: Option<RunningCall>,
    devices: device_list::Watcher,
}

impl Driver {
    /// Opens what is kept on this computer, then runs until every handle is gone.
    pub(crate) async fn run(parts: DriverParts, commands: mpsc::Receiver<Command>) {
        let config = &parts.config;
        let keeper = Keeper::open(config.profile.clone(), config.key_store, Arc::clone(&parts.news)).await;
        let Some(keeper) = keeper else {
            tracing::error!("without a key there are no calls");
            return;
        };
        let people = People::start(&parts, keeper).await;
        let driver = Self {
            parts,
            people,
            server: None,
            call: None,
            echo: None,
            devices: device_list::Watcher::default(),
        };
        driver.serve(commands).await;
    }

    async fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let news = Arc::clone(&self.parts.news);
        self.publish();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => break,
                },
                () = calls::changed(self.call.as_mut()) => self.on_call_changed(),
                () = news.media_changed.notified() => {}
                list = self.devices.next() => self.devices.keep(list),
                change = self.people.next() => self.on_people(change).await,
                _ = refresh.tick(), if self.has_something_to_see() => {}
            }
            self.publish();
        }
        self.end_call().await;
        self.people.end().await;
    }

    /// Whether something is on the screen that changes by itself.
    fn has_something_to_see(&self) -> bool {
        self.call.is_some() || self.parts.media.is_open() || self.people.is_code_offered()
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
            Command::Leave => self.intend(LocalIntent::Leave),
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
            Command::Rename(name) => self.rename(name),
            Command::RestartIce => {
                self.figures().note("ICE restart asked for");
                self.intend(LocalIntent::RestartIce);
            }
            Command::RefreshDevices => self.devices.look(),
            Command::Admit(peer) => self.intend(LocalIntent::Admit { peer }),
            Command::Refuse(peer) => self.intend(LocalIntent::Refuse { peer }),
            Command::SymbolsMatch(peer) => self.note_symbols_match(peer),
            Command::SetDoor(door) => self.set_door(door),
            Command::SetInviteExpiry(lifetime) => self.set_invite_lifetime(lifetime),
            Command::NewLink => self.make_new_link(),
            Command::SetIceServers(servers) => {
                if let Some(call) = &self.call {
                    call.running.set_ice_servers(servers.clone());
                }
                self.parts.config.ice_servers = servers;
            }
            Command::OfferSpokenCode
            | Command::WithdrawSpokenCode
            | Command::Ring { .. }
            | Command::RingNearby { .. }
            | Command::CancelRing
            | Command::AcceptRing { .. }
            | Command::DeclineRing
            | Command::SetDoNotDisturb(_)
            | Command::SetVisibleNearby(_)
            | Command::SetHideAddress(_)
            | Command::RenameContact { .. }
            | Command::RemoveContact(_)
            | Command::ClearMissedCalls
            | Command::ExportIdentity { .. }
            | Command::ImportIdentity { .. } => self.on_people_command(command).await,
        }
    }

    fn intend(&self, intent: LocalIntent) {
        if let Some(call) = &self.call {
            call.running.intend(intent);
        }
    }

    /// In a call its machine decides; before one, the wish is kept for the next.
    fn change_media(&mut self, intent: LocalIntent) {
        if self.is_in_call() {
            self.figures().note(format!("{intent:?}"));
            return self.intend(intent);
        }
        let mut wanted = self.parts.media.wanted();
        match intent {
            LocalIntent::Microphone(switch) => wanted.microphone = switch,
            LocalIntent::Camera(switch) => wanted.camera = switch,
            LocalIntent::Screen(switch) => wanted.screen = switch,
            LocalIntent::Join
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

    fn publish(&mut self) {
        let previous = Arc::clone(&self.parts.published.borrow());
        let snapshot = self.snapshot(previous.revision + 1);
        if snapshot.same_content(&previous) {
            return;
        }
        self.parts.published.send_replace(Arc::new(snapshot));
        self.parts.news.wake();
    }

    fn snapshot(&self, revision: u64) -> EngineSnapshot {
        let media = &self.parts.media;
        let (camera, microphone, speaker) = media.device_statuses();
        let call = self.call.as_ref();
        let state: Option<Arc<CallSnapshot>> = call.map(CallInProgress::state);
        let until = call.and_then(|call| call.ended_at);
        let until = until.unwrap_or_else(|| self.now());
        EngineSnapshot {
            revision,
            invite_link: call
                .filter(|call| call.announced && !call.is_test())
                .map(CallInProgress::link),
            is_test_call: call.is_some_and(CallInProgress::is_test),
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
            people: self.people.snapshot(&self.parts.config),
            elapsed: state.as_ref().and_then(|state| {
                let since = state.connected_since?;
                // Whole seconds: the window shows no more, and draws no more often.
                Some(Duration::from_secs((until - since).as_secs()))
            }),
            call: state.map(|state| (*state).clone()),
        }
    }

    fn now(&self) -> Time {
        Time(self.parts.epoch.elapsed())
    }

    fn is_in_call(&self) -> bool {
        let ended = |call: &CallInProgress| matches!(call.state().phase, CallPhase::Ended(_));
        self.call.as_ref().is_some_and(|call| !ended(call))
    }

    fn tell(&self, event: Event) {
        self.parts.news.push(event);
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
