//! The call itself: hosted, joined, tested, ended.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use call_core::doorbell::RingId;
use call_core::{
    CallConfig, CallPhase, CallSnapshot, Door, IdentityLifetime, LinkState, LocalIntent, LocalMedia, ParticipantId,
    ParticipantSnapshot, PeerKey, PublicKey, RoomRole, SignalingState, Time, TrustConfig, WhenEmpty,
};
use contact_book::{KeyStorage, Verification};
use signaling_protocol::invite::{Invite, ServerAddress};
use trust::Entropy;
use trust::spoken::{SpokenCode, SpokenCodeError};

use super::Driver;
use crate::call::{CallSetup, PathSettings, RunningCall};
use crate::call_media::CallMedia;
use crate::doorbell_task::unix_s;
use crate::echo_friend::{self, EchoMedia};
use crate::embedded_server::EmbeddedServer;
use crate::figures::{Figures, JoinClock};
use crate::handle::{Event, SpokenCodeProblem};
use crate::keeper::Request;
use crate::media_session::MAX_CAMERA_BITRATE_BPS;
use crate::snapshot::ServerKind;

/// Above the camera's own bound, so that the estimate can tell a free path from a full one.
const ESTIMATE_HEADROOM: f64 = 1.25;

/// The call there is, or was until it is put away.
pub(super) struct CallInProgress {
    pub(super) running: RunningCall,
    invite: Invite,
    pub(super) server: ServerKind,
    purpose: Purpose,
    pub(super) announced: bool,
    pub(super) ended_at: Option<Time>,
    /// Those of this call who were written down.
    met: BTreeSet<PublicKey>,
}

impl CallInProgress {
    pub(super) fn state(&self) -> Arc<CallSnapshot> {
        Arc::clone(&self.running.snapshots.borrow())
    }

    pub(super) fn is_test(&self) -> bool {
        matches!(self.purpose, Purpose::Test)
    }

    /// The link as it is now: the host may have made a new one.
    pub(super) fn link(&self) -> String {
        let secret = *self.running.secret.borrow();
        Invite {
            secret,
            ..self.invite.clone()
        }
        .link()
    }
}

/// Which call is being started.
pub(super) enum Purpose {
    Host,
    Join(Instant),
    /// Agreed on by ringing.
    Ring {
        with: PublicKey,
        ring: RingId,
    },
    Test,
}

impl Driver {
    pub(super) async fn host(&mut self) {
        self.end_call().await;
        let (address, server) = match &self.parts.config.server {
            Some(url) => match url.parse::<ServerAddress>() {
                Ok(address) => (address, ServerKind::Remote),
                Err(error) => return self.tell(Event::ServerFailed(error.to_string())),
            },
            None => match self.embedded_server(self.parts.config.listen).await {
                Some(address) => (address, ServerKind::Embedded),
                None => return,
            },
        };
        if let Some(invite) = self.new_invite(address) {
            self.start_call(invite, server, Purpose::Host);
        }
    }

    /// Joins by a link, or by three words that lead to one.
    pub(super) async fn join(&mut self, link: &str) {
        let begun = Instant::now();
        match link.parse::<Invite>() {
            Ok(invite) => {
                self.end_call().await;
                self.start_call(invite, ServerKind::Remote, Purpose::Join(begun));
            }
            Err(error) => match SpokenCode::parse(link) {
                Ok(code) => self.come_with_code(code),
                Err(SpokenCodeError::NotACode) => self.tell(Event::BadLink(error.to_string())),
                Err(wrong_word) => self.tell(Event::BadLink(wrong_word.to_string())),
            },
        }
    }

    fn come_with_code(&mut self, code: SpokenCode) {
        match self.parts.config.server.as_deref().map(str::parse::<ServerAddress>) {
            Some(Ok(server)) => match Entropy::from_system() {
                Ok(entropy) => self.people.come_with_code(server.websocket_url(), code, entropy),
                Err(error) => self.tell(Event::ServerFailed(error.to_string())),
            },
            Some(Err(error)) => self.tell(Event::ServerFailed(error.to_string())),
            None => self.tell(Event::SpokenCodeFailed(SpokenCodeProblem::NoServer)),
        }
    }

    /// Starts the call that a ring led to.
    pub(super) async fn start_rung_call(&mut self, link: &str, with: PublicKey, ring: RingId) {
        match link.parse::<Invite>() {
            Ok(invite) => {
                self.end_call().await;
                self.start_call(invite, ServerKind::Remote, Purpose::Ring { with, ring });
            }
            Err(error) => self.tell(Event::BadLink(error.to_string())),
        }
    }

    pub(super) async fn start_test_call(&mut self) {
        self.end_call().await;
        let local = ([127, 0, 0, 1], 0).into();
        let Some(address) = self.embedded_server(local).await else {
            return;
        };
        let Some(invite) = self.new_invite(address) else { return };
        self.start_call(invite.clone(), ServerKind::Embedded, Purpose::Test);
        let friend = self.setup(
            &invite,
            EchoMedia::new(),
            &Purpose::Test,
            LocalMedia::default(),
            JoinClock::FirstParticipant,
        );
        self.echo = friend.map(|mut friend| {
            friend.machine.name = echo_friend::NAME.into();
            // Somebody else, and new each time: nobody to be remembered.
            friend.machine.trust.identity = trust::IdentityKey::generate(&mut friend.machine.trust.entropy);
            friend.machine.trust.contacts.clear();
            RunningCall::start(friend)
        });
    }

    async fn embedded_server(&mut self, listen: SocketAddr) -> Option<ServerAddress> {
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
                self.tell(Event::ServerFailed(error.to_string()));
                None
            }
        }
    }

    /// An invite to a new room of ours.
    pub(super) fn new_invite(&self, address: ServerAddress) -> Option<Invite> {
        let own = self.people.kept().identity.public();
        match Invite::new(address, &own.0) {
            Ok(invite) => Some(invite),
            Err(error) => {
                self.tell(Event::ServerFailed(error.to_string()));
                None
            }
        }
    }

    fn setup(
        &self,
        invite: &Invite,
        media: Arc<dyn CallMedia>,
        purpose: &Purpose,
        local: LocalMedia,
        clock: JoinClock,
    ) -> Option<CallSetup> {
        let mut entropy = match Entropy::from_system() {
            Ok(entropy) => entropy,
            Err(error) => {
                self.tell(Event::ServerFailed(error.to_string()));
                return None;
            }
        };
        let config = &self.parts.config;
        let kept = self.people.kept();
        let max_bitrate_bps = config.max_bitrate_bps.unwrap_or(MAX_CAMERA_BITRATE_BPS);
        Some(CallSetup {
            machine: CallConfig {
                name: config.name.clone(),
                participant: ParticipantId(entropy.bytes()),
                on_empty: match purpose {
                    Purpose::Host | Purpose::Join(_) => WhenEmpty::Wait,
                    Purpose::Ring { .. } | Purpose::Test => WhenEmpty::End,
                },
                local,
                trust: TrustConfig {
                    identity: kept.identity.clone(),
                    entropy,
                    secret: invite.secret,
                    host_tag: invite.host_tag,
                    contacts: kept.known_contacts(),
                    expected: match purpose {
                        Purpose::Ring { with, .. } => Some(*with),
                        Purpose::Host | Purpose::Join(_) | Purpose::Test => None,
                    },
                    door: match purpose {
                        Purpose::Host => config.door,
                        // Both agreed on it, or it is a test.
                        Purpose::Join(_) | Purpose::Ring { .. } | Purpose::Test => Door::Open,
                    },
                    expires_at: match purpose {
                        Purpose::Host => config.invite_lifetime.map(|lifetime| self.now() + lifetime),
                        Purpose::Join(_) | Purpose::Ring { .. } | Purpose::Test => None,
                    },
                    doorbell: self.people.doorbell_address(config),
                    lifetime: match kept.storage {
                        KeyStorage::Keyring | KeyStorage::File(_) => IdentityLifetime::Kept,
                        KeyStorage::Memory => IdentityLifetime::Passing,
                    },
                },
            },
            secret: invite.secret,
            websocket_url: invite.server.websocket_url(),
            connector: Arc::clone(&self.parts.connector),
            media,
            figures: Arc::new(Figures::new(self.parts.epoch, config.name.clone(), clock)),
            epoch: self.parts.epoch,
            paths: PathSettings {
                ice_servers: config.ice_servers.clone(),
                extra_roots: config.extra_roots.clone(),
                relay_only: config.relay_only,
                loopback: is_loopback(&invite.server),
                max_bitrate_bps: (f64::from(max_bitrate_bps) * ESTIMATE_HEADROOM) as u32,
            },
        })
    }

    fn start_call(&mut self, invite: Invite, server: ServerKind, purpose: Purpose) {
        let media = Arc::clone(&self.parts.media);
        media.open_devices();
        self.devices.look();
        let clock = match purpose {
            Purpose::Host => JoinClock::FirstParticipant,
            Purpose::Join(begun) => JoinClock::Now(begun),
            Purpose::Ring { .. } | Purpose::Test => JoinClock::Now(Instant::now()),
        };
        let local = media.wanted();
        let Some(setup) = self.setup(&invite, media, &purpose, local, clock) else {
            return;
        };
        *self.parts.figures.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&setup.figures);
        self.call = Some(CallInProgress {
            running: RunningCall::start(setup),
            invite,
            server,
            purpose,
            announced: false,
            ended_at: None,
            met: BTreeSet::new(),
        });
        self.people.note_in_call(call_core::Switch::On);
    }

    pub(super) async fn end_call(&mut self) {
        self.people.withdraw_code();
        if let Some(echo) = self.echo.take() {
            echo.end().await;
        }
        if let Some(call) = self.call.take() {
            call.running.end().await;
            self.people.note_in_call(call_core::Switch::Off);
        }
    }

    pub(super) fn on_call_changed(&mut self) {
        let now = self.now();
        let Some(call) = &mut self.call else { return };
        let snapshot = call.state();
        if !call.announced && matches!(snapshot.signaling, SignalingState::Joined) {
            call.announced = true;
            self.parts.news.push(Event::LinkReady(call.link()));
        }
        if !call.is_test() {
            for participant in &snapshot.participants {
                remember(call, participant, &self.people);
            }
        }
        if matches!(snapshot.phase, CallPhase::Ended(_)) && call.ended_at.is_none() {
            call.ended_at = Some(now);
            self.parts.media.close_devices();
            self.people.withdraw_code();
            self.people.note_in_call(call_core::Switch::Off);
        }
    }

    pub(super) fn note_symbols_match(&mut self, peer: PeerKey) {
        self.intend(LocalIntent::SymbolsMatch { peer });
        let state = self.call.as_ref().map(CallInProgress::state);
        let participants = state.iter().flat_map(|state| &state.participants);
        let key = participants.filter(|one| one.peer == peer).find_map(|one| one.key);
        if let Some(key) = key {
            let verified = Verification::Symbols { at_unix_s: unix_s() };
            self.people.request(Request::Verified(key, verified));
        }
    }

    pub(super) fn set_door(&mut self, door: Door) {
        self.intend(LocalIntent::SetDoor(door));
        // A lock is for this call; the next one must be open to somebody.
        if door != Door::Locked {
            self.parts.config.door = door;
        }
    }

    pub(super) fn set_invite_lifetime(&mut self, lifetime: Option<Duration>) {
        self.parts.config.invite_lifetime = lifetime;
        let expires_at = lifetime.map(|lifetime| self.now() + lifetime);
        self.intend(LocalIntent::SetExpiry(expires_at));
    }

    pub(super) fn make_new_link(&mut self) {
        match Entropy::from_system() {
            Ok(mut entropy) => {
                self.people.withdraw_code();
                self.intend(LocalIntent::NewLink {
                    secret: entropy.bytes(),
                });
            }
            Err(error) => self.tell(Event::ServerFailed(error.to_string())),
        }
    }

    /// Whoever accepted was lost: nobody is to wait for them in an empty room.
    pub(super) fn call_off(&self, ring: RingId) {
        let Some(call) = &self.call else { return };
        let is_that_call = matches!(call.purpose, Purpose::Ring { ring: of, .. } if of == ring);
        if is_that_call && call.state().connected_since.is_none() {
            call.running.intend(LocalIntent::Leave);
        }
    }

    /// The link of the call we host, and the server behind it; none in other calls.
    pub(super) fn hosted_link(&self) -> Option<(String, ServerAddress, ServerKind)> {
        let call = self.call.as_ref().filter(|call| !call.is_test())?;
        let is_ours = call.state().room.role == RoomRole::Host;
        is_ours.then(|| (call.link(), call.invite.server.clone(), call.server))
    }
}

/// Writes down whom we are connected to and can know again: once a call.
fn remember(call: &mut CallInProgress, participant: &ParticipantSnapshot, people: &super::people::People) {
    // Who is somebody else next time would only be in the way of who is really called so.
    let IdentityLifetime::Kept = participant.identity else {
        return;
    };
    let Some(key) = participant.key else { return };
    if !matches!(participant.link, LinkState::Connected { .. }) || !call.met.insert(key) {
        return;
    }
    let at_unix_s = unix_s();
    people.request(Request::Met {
        key,
        name: participant.name.clone(),
        servers: participant.doorbell.iter().cloned().collect(),
        at_unix_s,
    });
    // Whom we rang or who rang us gave us no link.
    if participant.role == RoomRole::Host && matches!(call.purpose, Purpose::Join(_)) {
        people.request(Request::Verified(key, Verification::Link { at_unix_s }));
    }
}

/// Whether everybody who can reach the server is on this machine.
fn is_loopback(server: &ServerAddress) -> bool {
    let host = server.host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns when the call's snapshot changed.
pub(super) async fn changed(call: Option<&mut CallInProgress>) {
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
