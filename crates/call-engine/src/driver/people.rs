//! Everybody one may call: contacts, rings, who is nearby, spoken codes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use call_core::doorbell::{CallToStart, DoorbellConfig, DoorbellContact, DoorbellInput, DoorbellIntent};
use call_core::{LocalIntent, PublicKey, Switch};
use signaling_protocol::invite::{Security, ServerAddress};
use trust::Entropy;
use trust::spoken::SpokenCode;

use super::{Driver, DriverParts};
use crate::call_media::CallMedia as _;
use crate::config::EngineConfig;
use crate::doorbell_task::{DoorbellNews, DoorbellTask, unix_s};
use crate::embedded_server::EmbeddedServer;
use crate::engine::News;
use crate::handle::{Command, Event, SpokenCodeProblem};
use crate::keeper::{Keeper, Kept, Request, verification};
use crate::nearby::{Announcement, Nearby, NearbyChange, NearbyPeer};
use crate::people::{
    ContactPresence, ContactSnapshot, DoorbellState, KeyStorage, MissedCall, NearbyPerson, PeopleSnapshot,
    RingDirection, RingOutcome,
};
use crate::snapshot::ServerKind;
use crate::spoken::{ComingGuest, OfferedCode};

/// Everybody one may call, and the ways to them.
pub(super) struct People {
    keeper: Keeper,
    /// None for a passing visitor, whom nobody can ring.
    doorbell: Option<DoorbellTask>,
    nearby: Option<Nearby>,
    /// Whom the network shows.
    around: BTreeMap<String, NearbyPeer>,
    /// Where people nearby ring us, while we are to be seen.
    own_door: Option<OwnDoor>,
    /// As whom the doorbell listens.
    listens_as: Option<PublicKey>,
    code: Option<OfferedCode>,
    guest: Option<ComingGuest>,
    news: Arc<News>,
}

/// A server of our own for people nearby.
struct OwnDoor(EmbeddedServer);

/// Something about people changed.
pub(super) enum Change {
    /// What is kept, or who is online.
    Kept,
    Doorbell(Option<DoorbellNews>),
    Nearby(NearbyChange),
    Guest(Result<String, SpokenCodeProblem>),
}

impl People {
    pub(super) async fn start(parts: &DriverParts, keeper: Keeper) -> Self {
        let mut people = Self {
            keeper,
            doorbell: None,
            nearby: None,
            around: BTreeMap::new(),
            own_door: None,
            listens_as: None,
            code: None,
            guest: None,
            news: Arc::clone(&parts.news),
        };
        if parts.config.profile.is_some() {
            people.start_doorbell(parts);
            match Nearby::start(None) {
                Ok(nearby) => people.nearby = Some(nearby),
                Err(error) => tracing::warn!(%error, "people nearby will not be seen"),
            }
            people.show_ourselves(&parts.config).await;
        }
        people
    }

    fn start_doorbell(&mut self, parts: &DriverParts) {
        let entropy = match Entropy::from_system() {
            Ok(entropy) => entropy,
            Err(error) => return self.news.push(Event::ServerFailed(error.to_string())),
        };
        let config = DoorbellConfig {
            identity: self.kept().identity.clone(),
            entropy,
            name: parts.config.name.clone(),
            home: home(&parts.config),
            unix_now_s: unix_s(),
        };
        let doorbell = DoorbellTask::start(config, parts.epoch);
        doorbell.order(DoorbellInput::Local(DoorbellIntent::DoNotDisturb(
            parts.config.do_not_disturb,
        )));
        self.doorbell = Some(doorbell);
        self.listens_as = Some(self.kept().identity.public());
        self.tell_contacts();
    }

    /// The next change of any kind.
    pub(super) async fn next(&mut self) -> Change {
        tokio::select! {
            () = self.keeper.changed() => Change::Kept,
            news = next_doorbell(self.doorbell.as_mut()) => Change::Doorbell(news),
            change = next_nearby(self.nearby.as_mut()) => Change::Nearby(change),
            link = next_guest(self.guest.as_mut()) => Change::Guest(link),
        }
    }

    pub(super) async fn end(mut self) {
        self.nearby = None;
        if let Some(doorbell) = self.doorbell.take() {
            doorbell.end().await;
        }
        if let Some(door) = self.own_door.take() {
            door.0.stop().await;
        }
    }

    pub(super) fn kept(&self) -> Arc<Kept> {
        self.keeper.kept()
    }

    pub(super) fn request(&self, request: Request) {
        self.keeper.request(request);
    }

    /// Where contacts can ring us, for them to write down.
    pub(super) fn doorbell_address(&self, config: &EngineConfig) -> Option<String> {
        self.doorbell.as_ref().and_then(|_| home(config))
    }

    /// Who is in a call is busy.
    pub(super) fn note_in_call(&self, in_call: Switch) {
        self.ring(DoorbellIntent::InCall(in_call));
    }

    pub(super) fn is_code_offered(&self) -> bool {
        self.code.is_some()
    }

    pub(super) fn withdraw_code(&mut self) {
        self.code = None;
    }

    pub(super) fn come_with_code(&mut self, server: String, code: SpokenCode, entropy: Entropy) {
        self.guest = Some(ComingGuest::start(server, code, entropy));
    }

    fn ring(&self, intent: DoorbellIntent) {
        if let Some(doorbell) = &self.doorbell {
            doorbell.intend(intent);
        }
    }

    fn tell_contacts(&self) {
        let Some(doorbell) = &self.doorbell else { return };
        let kept = self.kept();
        let contacts = kept.contacts.iter().map(|contact| DoorbellContact {
            key: contact.key,
            name: contact.name.clone(),
            servers: contact.servers.clone(),
        });
        doorbell.order(DoorbellInput::Contacts(contacts.collect()));
    }

    /// Opens or closes our door for people nearby, as the user wants it.
    async fn show_ourselves(&mut self, config: &EngineConfig) {
        if let Some(old) = self.own_door.take() {
            if let Some(doorbell) = &self.doorbell {
                doorbell.intend(DoorbellIntent::StopOpen);
            }
            old.0.stop().await;
        }
        let announcement = match config.visible_nearby {
            Switch::On => self.open_door(config).await,
            Switch::Off => None,
        };
        if let Some(nearby) = &self.nearby
            && let Err(error) = nearby.announce(announcement)
        {
            self.news.push(Event::Storage(error.to_string()));
        }
    }

    async fn open_door(&mut self, config: &EngineConfig) -> Option<Announcement> {
        let secret = match Entropy::from_system() {
            Ok(mut entropy) => entropy.bytes(),
            Err(error) => {
                self.news.push(Event::ServerFailed(error.to_string()));
                return None;
            }
        };
        let server = match EmbeddedServer::start(SocketAddr::new(config.listen.ip(), 0)).await {
            Ok(server) => server,
            Err(error) => {
                self.news.push(Event::ServerFailed(error.to_string()));
                return None;
            }
        };
        let port = server.port();
        let here = match config.listen.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let websocket_url = address_of(SocketAddr::new(here, port)).websocket_url();
        if let Some(doorbell) = &self.doorbell {
            doorbell.intend(DoorbellIntent::ListenOpen {
                server: websocket_url,
                secret,
            });
        }
        self.own_door = Some(OwnDoor(server));
        Some(Announcement {
            name: config.name.clone(),
            port,
            secret,
        })
    }

    pub(super) fn snapshot(&self, config: &EngineConfig) -> PeopleSnapshot {
        let kept = self.kept();
        let doorbell = self.doorbell.as_ref().map(DoorbellTask::snapshot);
        let presences = doorbell.iter().flat_map(|doorbell| doorbell.presence.iter().copied());
        let presences: BTreeMap<PublicKey, ContactPresence> = presences.collect();
        let mut contacts: Vec<ContactSnapshot> = kept
            .contacts
            .iter()
            .map(|contact| ContactSnapshot {
                key: contact.key,
                name: contact.name.clone(),
                presence: presences.get(&contact.key).copied().unwrap_or(ContactPresence::Offline),
                calls: contact.calls,
                verified: verification(contact.verified),
                last_seen_unix_s: contact.last_seen_unix_s,
            })
            .collect();
        contacts.sort_by_key(|contact| (contact.presence, contact.name.to_lowercase()));
        PeopleSnapshot {
            own_key: kept.identity.public(),
            key_storage: match &kept.storage {
                contact_book::KeyStorage::Keyring => KeyStorage::Keyring,
                contact_book::KeyStorage::File(path) => KeyStorage::File(path.clone()),
                contact_book::KeyStorage::Memory => KeyStorage::Memory,
            },
            contacts,
            nearby: self.around.values().map(nearby_person).collect(),
            missed: kept.missed.iter().map(missed_call).collect(),
            do_not_disturb: config.do_not_disturb,
            visible_nearby: match self.own_door {
                Some(_) => Switch::On,
                None => Switch::Off,
            },
            hide_address: match config.relay_only {
                true => Switch::On,
                false => Switch::Off,
            },
            doorbell: doorbell
                .as_ref()
                .map_or(DoorbellState::NoServer, |doorbell| doorbell.state),
            ring: doorbell.and_then(|doorbell| doorbell.ring),
            spoken_code: self.code.as_ref().and_then(OfferedCode::snapshot),
        }
    }
}

impl Driver {
    pub(super) async fn on_people(&mut self, change: Change) {
        match change {
            Change::Kept => self.on_kept().await,
            Change::Doorbell(None) => {}
            Change::Doorbell(Some(DoorbellNews::Start(call))) => self.on_call_agreed(call).await,
            Change::Doorbell(Some(DoorbellNews::CallOff(ring))) => self.call_off(ring),
            Change::Doorbell(Some(DoorbellNews::Missed { key, name, at_unix_s })) => {
                self.people.request(Request::Missed { key, name, at_unix_s });
            }
            Change::Doorbell(Some(DoorbellNews::Ended {
                direction,
                name,
                outcome,
            })) => {
                self.close_preview(direction);
                self.tell(Event::RingEnded {
                    direction,
                    name,
                    outcome,
                });
            }
            Change::Nearby(NearbyChange::Found(peer)) => {
                self.people.around.insert(peer.id.clone(), peer);
            }
            Change::Nearby(NearbyChange::Gone { id }) => {
                self.people.around.remove(&id);
            }
            Change::Guest(Ok(link)) => {
                self.people.guest = None;
                self.join(&link).await;
            }
            Change::Guest(Err(problem)) => {
                self.people.guest = None;
                self.tell(Event::SpokenCodeFailed(problem));
            }
        }
    }

    /// Contacts changed, or we became somebody else.
    async fn on_kept(&mut self) {
        let own = self.people.kept().identity.public();
        if self.people.listens_as.is_some_and(|key| key != own) {
            if let Some(old) = self.people.doorbell.take() {
                old.end().await;
            }
            self.people.start_doorbell(&self.parts);
            self.people.show_ourselves(&self.parts.config).await;
        }
        self.people.tell_contacts();
    }

    async fn on_call_agreed(&mut self, call: CallToStart) {
        let mut wanted = self.parts.media.wanted();
        wanted.camera = call.video;
        self.parts.media.apply(wanted);
        self.start_rung_call(&call.link, call.with, call.ring).await;
    }

    /// The preview of somebody who rang in vain is not needed any more.
    fn close_preview(&self, direction: RingDirection) {
        if direction == RingDirection::Outgoing && !self.is_in_call() {
            self.parts.media.close_devices();
        }
    }

    pub(super) async fn on_people_command(&mut self, command: Command) {
        match command {
            Command::OfferSpokenCode => self.offer_code(),
            Command::WithdrawSpokenCode => self.people.withdraw_code(),
            Command::Ring { contact, video } => self.ring_contact(contact, video),
            Command::RingNearby { id, video } => self.ring_nearby(&id, video),
            Command::CancelRing => self.people.ring(DoorbellIntent::Cancel),
            Command::AcceptRing { video } => self.people.ring(DoorbellIntent::Accept { video }),
            Command::DeclineRing => self.people.ring(DoorbellIntent::Decline),
            Command::SetDoNotDisturb(switch) => {
                self.parts.config.do_not_disturb = switch;
                self.people.ring(DoorbellIntent::DoNotDisturb(switch));
            }
            Command::SetVisibleNearby(switch) => {
                self.parts.config.visible_nearby = switch;
                self.people.show_ourselves(&self.parts.config).await;
            }
            Command::SetHideAddress(switch) => self.parts.config.relay_only = switch == Switch::On,
            Command::RenameContact { contact, name } => self.people.request(Request::Rename(contact, name)),
            Command::RemoveContact(contact) => self.people.request(Request::Remove(contact)),
            Command::ClearMissedCalls => self.people.request(Request::ClearMissed),
            Command::ExportIdentity { path, passphrase } => self.people.request(Request::Export {
                path,
                passphrase,
                name: self.parts.config.name.clone(),
            }),
            Command::ImportIdentity { path, passphrase } => {
                self.people.request(Request::Import { path, passphrase });
            }
            call => tracing::error!(?call, "a command about calls came to the people"),
        }
    }

    pub(super) fn rename(&mut self, name: String) {
        self.parts.config.name.clone_from(&name);
        if let Some(doorbell) = &self.people.doorbell {
            doorbell.intend(DoorbellIntent::Rename(name));
        }
    }

    fn offer_code(&mut self) {
        let Some((link, server, kind)) = self.hosted_link() else {
            return;
        };
        // Whoever has only three words cannot know where a server inside this program is.
        if kind == ServerKind::Embedded {
            return self.tell(Event::SpokenCodeFailed(SpokenCodeProblem::NoServer));
        }
        match Entropy::from_system() {
            Ok(entropy) => self.people.code = Some(OfferedCode::offer(server.websocket_url(), link, entropy)),
            Err(error) => self.tell(Event::ServerFailed(error.to_string())),
        }
    }

    fn ring_contact(&mut self, contact: PublicKey, video: Switch) {
        if self.is_in_call() {
            return tracing::info!("in a call nobody is rung");
        }
        let kept = self.people.kept();
        let Some(known) = kept.contact(&contact) else { return };
        // At a server that both can reach: ours, or the one they listen at.
        let meeting = self.parts.config.server.iter().chain(&known.servers).next();
        let Some(Ok(server)) = meeting.map(|server| server.parse::<ServerAddress>()) else {
            return self.tell(Event::RingEnded {
                direction: RingDirection::Outgoing,
                name: known.name.clone(),
                outcome: RingOutcome::Unreachable,
            });
        };
        let Some(invite) = self.new_invite(server) else { return };
        self.open_preview(video);
        self.people.ring(DoorbellIntent::Ring {
            contact,
            video,
            link: invite.link(),
        });
    }

    fn ring_nearby(&mut self, id: &str, video: Switch) {
        if self.is_in_call() {
            return tracing::info!("in a call nobody is rung");
        }
        let Some(peer) = self.people.around.get(id).cloned() else {
            return;
        };
        let server = address_of(peer.address);
        let Some(invite) = self.new_invite(server.clone()) else {
            return;
        };
        self.open_preview(video);
        if let Some(doorbell) = &self.people.doorbell {
            doorbell.intend(DoorbellIntent::RingNearby {
                server: server.websocket_url(),
                secret: peer.secret,
                name: peer.name,
                video,
                link: invite.link(),
            });
        }
    }

    /// Who rings with a picture sees their own.
    fn open_preview(&mut self, video: Switch) {
        self.change_media(LocalIntent::Camera(video));
        self.parts.media.open_devices();
        self.devices.look();
    }
}

/// Our own signaling server's WebSocket, where contacts look for us.
fn home(config: &EngineConfig) -> Option<String> {
    let address = config.server.as_deref()?.parse::<ServerAddress>().ok()?;
    Some(address.websocket_url())
}

fn address_of(socket: SocketAddr) -> ServerAddress {
    ServerAddress::from_socket_addr(Security::Plain, socket)
}

fn nearby_person(peer: &NearbyPeer) -> NearbyPerson {
    NearbyPerson {
        id: peer.id.clone(),
        name: peer.name.clone(),
    }
}

fn missed_call(missed: &contact_book::MissedCall) -> MissedCall {
    MissedCall {
        key: missed.key,
        name: missed.name.clone(),
        at_unix_s: missed.at_unix_s,
    }
}

async fn next_doorbell(doorbell: Option<&mut DoorbellTask>) -> Option<DoorbellNews> {
    match doorbell {
        Some(doorbell) => doorbell.next().await,
        None => std::future::pending().await,
    }
}

async fn next_nearby(nearby: Option<&mut Nearby>) -> NearbyChange {
    match nearby {
        Some(nearby) => match nearby.next().await {
            Some(change) => change,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn next_guest(guest: Option<&mut ComingGuest>) -> Result<String, SpokenCodeProblem> {
    match guest {
        Some(guest) => guest.outcome().await,
        None => std::future::pending().await,
    }
}
