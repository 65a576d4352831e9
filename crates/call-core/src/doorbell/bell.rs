//! [`Doorbell`]: what the user, the servers and the clock say goes in; connections, messages and calls come out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signaling_protocol::{ErrorCode, RoomId, ServerMessage, Slot};
use trust::{DoorbellKeys, Entropy, IdentityKey, PublicKey};

use super::doors::{self, Behind, Door, Doors, MAX_CONTACTS, WallClock};
use super::id::{DeviceId, RingId};
use super::io::{
    DoorbellAction, DoorbellConfig, DoorbellContact, DoorbellDropped, DoorbellInput, DoorbellIntent, DoorbellSnapshot,
    ServerEvent, Unreachable,
};
use super::ring::{CallToStart, Device, Party, RingInput, RingIntent, RingMachine, RingOutput};
use super::ring_message::is_link;
use super::server::{Phase, Server};
use super::snapshot::{ContactPresence, DoorbellState, RingDirection, RingOutcome, RingSnapshot};
use crate::input::Switch;
use crate::time::Time;

/// After a ring at somebody's open door the connection stays for so long, for the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where a device can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) server: String,
    pub(super) topic: RoomId,
    pub(super) slot: Slot,
}

/// An open door: ours, or one at which we ring.
#[derive(Clone, Debug)]
struct OpenDoor {
    server: String,
    door: Door,
}

/// Ringing contacts and being rung. See the module.
#[derive(Debug)]
pub struct Doorbell {
    pub(super) identity: IdentityKey,
    pub(super) entropy: Entropy,
    pub(super) device: DeviceId,
    clock: WallClock,
    days: Vec<u64>,
    days_change_at: Time,
    home: Option<String>,
    contacts: Vec<DoorbellContact>,
    doors: Doors,
    own_door: Option<OpenDoor>,
    nearby: Option<OpenDoor>,
    /// When the connection to somebody nearby is not needed any more.
    nearby_until: Option<Time>,
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) routes: BTreeMap<Device, Vec<Route>>,
    pub(super) ring: RingMachine,
    actions: VecDeque<DoorbellAction>,
    pub(super) dropped: DoorbellDropped,
}

impl Doorbell {
    /// Without contacts, and without a connection.
    pub fn new(config: DoorbellConfig, now: Time) -> Self {
        let mut entropy = config.entropy;
        let clock = WallClock::new(config.unix_now_s, now);
        Self {
            identity: config.identity,
            device: DeviceId(entropy.bytes()),
            entropy,
            clock,
            days: clock.days(now),
            days_change_at: clock.change_at(now),
            home: config.home,
            contacts: Vec::new(),
            doors: Doors::default(),
            own_door: None,
            nearby: None,
            nearby_until: None,
            servers: BTreeMap::new(),
            routes: BTreeMap::new(),
            ring: RingMachine::new(config.name),
            actions: VecDeque::new(),
            dropped: DoorbellDropped::default(),
        }
    }

    /// Takes in one thing that happened. Nothing is too late, too early or too strange to be handed in.
    pub fn handle(&mut self, input: DoorbellInput, now: Time) {
        match input {
            DoorbellInput::Contacts(mut contacts) => {
                contacts.truncate(MAX_CONTACTS);
                self.contacts = contacts;
                self.review(now);
            }
            DoorbellInput::Home(home) => {
                self.home = home;
                self.review(now);
            }
            DoorbellInput::WallClock { unix_s } => {
                self.clock = WallClock::new(unix_s, now);
                self.on_day(now);
            }
            DoorbellInput::NetworkChanged => self.reconnect(now),
            DoorbellInput::Server { server, event } => self.on_server(&server, event, now),
            DoorbellInput::Local(intent) => self.on_intent(intent, now),
        }
        self.settle(now);
    }

    /// The next thing to do. Drain it after every `handle` and `handle_deadlines`.
    pub fn poll_action(&mut self) -> Option<DoorbellAction> {
        self.actions.pop_front()
    }

    /// When to call [`Self::handle_deadlines`] next.
    pub fn poll_deadline(&self) -> Option<Time> {
        let servers = self.servers.values().filter_map(Server::next_deadline);
        let day = (!self.contacts.is_empty()).then_some(self.days_change_at);
        let own = [self.ring.poll_deadline(), self.nearby_until, day];
        servers.chain(own.into_iter().flatten()).min()
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_deadlines(&mut self, now: Time) {
        if now >= self.days_change_at {
            self.on_day(now);
        }
        if self.nearby_until.is_some_and(|at| at <= now) {
            self.nearby = None;
            self.nearby_until = None;
            self.review(now);
        }
        self.ring.handle_deadlines(now);
        for name in self.servers.keys().cloned().collect::<Vec<_>>() {
            self.server_due(&name, now);
            self.handshakes_due(&name, now);
        }
        self.settle(now);
    }

    /// What the window draws.
    pub fn snapshot(&self) -> DoorbellSnapshot {
        let presence = |contact: &DoorbellContact| {
            let presence = match self.is_online(&contact.key) {
                true => ContactPresence::Online,
                false => ContactPresence::Offline,
            };
            (contact.key, presence)
        };
        let ring = self.ring.view().map(|view| RingSnapshot {
            direction: view.direction,
            name: self.name_for(view.key, view.name),
            key: view.key,
            is_contact: view.key.is_some_and(|key| self.contact(&key).is_some()),
            video: view.video,
            stage: view.stage,
        });
        DoorbellSnapshot {
            state: self.state(),
            ring,
            presence: self.contacts.iter().map(presence).collect(),
        }
    }

    /// What came in and was not used.
    pub fn dropped(&self) -> DoorbellDropped {
        self.dropped
    }

    fn state(&self) -> DoorbellState {
        let is_listening = |name: &str| self.servers.get(name).is_some_and(Server::is_listening);
        let servers = doors::servers(self.home.as_deref(), &self.contacts);
        let is_reachable = match self.home.as_deref() {
            // There is nobody who could ring.
            Some(_) if self.contacts.is_empty() => true,
            Some(home) => is_listening(home),
            None if servers.is_empty() => return DoorbellState::NoServer,
            None => servers.into_iter().any(is_listening),
        };
        match is_reachable {
            true => DoorbellState::Listening,
            false => DoorbellState::Connecting,
        }
    }

    fn contact(&self, key: &PublicKey) -> Option<&DoorbellContact> {
        self.contacts.iter().find(|contact| contact.key == *key)
    }

    fn is_online(&self, key: &PublicKey) -> bool {
        self.routes.keys().any(|device| device.party == Party::Person(*key))
    }

    /// Our name for a contact; for others the name they go by.
    fn name_for(&self, key: Option<PublicKey>, label: String) -> String {
        key.and_then(|key| self.contact(&key))
            .map_or(label, |contact| contact.name.clone())
    }

    fn on_intent(&mut self, intent: DoorbellIntent, now: Time) {
        let intent = match intent {
            DoorbellIntent::Ring { contact, video, link } => return self.ring_contact(contact, video, link, now),
            DoorbellIntent::RingNearby {
                server,
                secret,
                name,
                video,
                link,
            } => {
                let keys = DoorbellKeys::from_open_secret(&secret);
                let to = Party::Nearby(keys.topic);
                let door = Door {
                    behind: Behind::Owner,
                    keys,
                };
                return self.ring_nearby(OpenDoor { server, door }, to, name, video, link, now);
            }
            DoorbellIntent::ListenOpen { server, secret } => {
                let door = Door {
                    behind: Behind::Anybody,
                    keys: DoorbellKeys::from_open_secret(&secret),
                };
                self.own_door = Some(OpenDoor { server, door });
                return self.review(now);
            }
            DoorbellIntent::StopOpen => {
                self.own_door = None;
                return self.review(now);
            }
            DoorbellIntent::Cancel => RingIntent::Cancel,
            DoorbellIntent::Accept { video } => RingIntent::Accept { video },
            DoorbellIntent::Decline => RingIntent::Decline,
            DoorbellIntent::DoNotDisturb(switch) => RingIntent::DoNotDisturb(switch),
            DoorbellIntent::InCall(switch) => RingIntent::InCall(switch),
            DoorbellIntent::Rename(name) => RingIntent::Rename(name),
        };
        self.ring.handle(RingInput::Local(intent), now);
    }

    fn is_free_to_ring(&self) -> bool {
        self.ring.view().is_none() && self.ring.in_call() == Switch::Off
    }

    fn ring_contact(&mut self, contact: PublicKey, video: Switch, link: String, now: Time) {
        let name = self.name_for(Some(contact), String::new());
        let to = Party::Person(contact);
        if self.servers_for(to).is_empty() && !self.is_online(&contact) && self.is_free_to_ring() {
            self.actions.push_back(DoorbellAction::Ended {
                direction: RingDirection::Outgoing,
                name,
                outcome: RingOutcome::Unreachable,
                unreachable: Some(Unreachable::NoServer),
            });
            return;
        }
        self.begin_ring(to, name, video, link, now);
    }

    fn ring_nearby(&mut self, open: OpenDoor, to: Party, name: String, video: Switch, link: String, now: Time) {
        if !self.is_free_to_ring() {
            self.dropped.stale += 1;
            return;
        }
        self.nearby = Some(open);
        self.review(now);
        self.begin_ring(to, name, video, link, now);
    }

    fn begin_ring(&mut self, to: Party, name: String, video: Switch, link: String, now: Time) {
        if !is_link(&link) {
            tracing::warn!("a link that cannot be sent");
            self.dropped.malformed += 1;
            return;
        }
        // Whoever rings does not want to wait for the next try.
        for server in self.servers_for(to) {
            let is_waiting = |server: &Server| matches!(server.phase, Phase::Waiting { .. });
            if self.servers.get(&server).is_some_and(is_waiting) {
                self.connect(&server, now);
            }
        }
        let id = RingId(self.entropy.bytes());
        let intent = RingIntent::Ring {
            to,
            id,
            name,
            video,
            link,
        };
        self.ring.handle(RingInput::Local(intent), now);
    }

    /// The servers where somebody may be.
    fn servers_for(&self, party: Party) -> Vec<String> {
        let has_door = |server: &Server| {
            server.wanted.values().any(|door| match (party, door.behind) {
                (Party::Person(key), Behind::Contact(contact)) => key == contact,
                (Party::Nearby(topic), Behind::Owner) => topic == door.keys.topic,
                (Party::Person(_), Behind::Anybody | Behind::Owner)
                | (Party::Nearby(_), Behind::Contact(_) | Behind::Anybody) => false,
            })
        };
        let found = self.servers.iter().filter(|(_, server)| has_door(server));
        found.map(|(name, _)| name.clone()).collect()
    }

    fn on_day(&mut self, now: Time) {
        self.days_change_at = self.clock.change_at(now);
        let days = self.clock.days(now);
        if days != self.days {
            self.days = days;
            self.review(now);
        }
    }

    /// Which doors there should be, at which servers.
    fn wanted(&self) -> BTreeMap<String, BTreeMap<RoomId, Door>> {
        let home = self.home.as_deref();
        let mut wanted = BTreeMap::new();
        for server in doors::servers(home, &self.contacts) {
            let is_there = |contact: &&DoorbellContact| {
                home == Some(server) || doors::servers_of(contact).any(|theirs| theirs == server)
            };
            let contacts = self.contacts.iter().filter(is_there);
            wanted.insert(server.to_owned(), self.doors.of(contacts, &self.days));
        }
        for open in self.own_door.iter().chain(&self.nearby) {
            let doors: &mut BTreeMap<_, _> = wanted.entry(open.server.clone()).or_default();
            doors.insert(open.door.keys.topic, open.door.clone());
        }
        wanted
    }

    /// Goes to where one should be, and away from elsewhere.
    fn review(&mut self, now: Time) {
        self.doors.update(&self.identity, &self.contacts, &self.days);
        let mut wanted = self.wanted();
        for name in self.servers.keys().cloned().collect::<Vec<_>>() {
            match wanted.remove(&name) {
                Some(doors) => self.change_doors(&name, doors, now),
                None => {
                    self.disconnect(&name);
                    self.servers.remove(&name);
                }
            }
        }
        for (name, doors) in wanted {
            self.servers.insert(name.clone(), Server::new(doors, now));
            self.actions.push_back(DoorbellAction::Connect { server: name });
        }
        self.update_routes(None, now);
    }

    fn change_doors(&mut self, name: &str, doors: BTreeMap<RoomId, Door>, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        let is_same = doors.keys().eq(server.wanted.keys());
        server.wanted = doors;
        match server.phase {
            Phase::Asking { .. } | Phase::Listening if !is_same => server.ask(now),
            Phase::Asking { .. } | Phase::Listening | Phase::Opening { .. } | Phase::Waiting { .. } => {}
        }
    }

    fn connect(&mut self, name: &str, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        server.open(now);
        let server = name.to_owned();
        self.actions.push_back(DoorbellAction::Connect { server });
    }

    fn disconnect(&mut self, name: &str) {
        let Some(server) = self.servers.get(name) else { return };
        match server.phase {
            Phase::Opening { .. } | Phase::Asking { .. } | Phase::Listening => {
                let server = name.to_owned();
                self.actions.push_back(DoorbellAction::Disconnect { server });
            }
            Phase::Waiting { .. } => {}
        }
    }

    fn reconnect(&mut self, now: Time) {
        for name in self.servers.keys().cloned().collect::<Vec<_>>() {
            self.disconnect(&name);
            self.lose(&name, now);
            self.connect(&name, now);
        }
    }

    /// The connection is gone.
    fn lose(&mut self, name: &str, now: Time) {
        let spread = f64::from(u32::from_le_bytes(self.entropy.bytes())) / f64::from(u32::MAX);
        if let Some(server) = self.servers.get_mut(name) {
            server.lose(spread, now);
        }
        self.update_routes(None, now);
    }

    fn server_due(&mut self, name: &str, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        server.ask_again_if_due(now);
        match server.phase {
            Phase::Waiting { until } if until <= now => self.connect(name, now),
            Phase::Opening { until } | Phase::Asking { until } if until <= now => {
                self.disconnect(name);
                self.lose(name, now);
            }
            Phase::Waiting { .. } | Phase::Opening { .. } | Phase::Asking { .. } | Phase::Listening => {}
        }
    }

    fn on_server(&mut self, name: &str, event: ServerEvent, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            self.dropped.stale += 1;
            return;
        };
        match (event, server.phase) {
            (ServerEvent::Connected, Phase::Opening { .. }) => server.ask_first(now),
            (ServerEvent::Disconnected, Phase::Opening { .. } | Phase::Asking { .. } | Phase::Listening) => {
                self.lose(name, now);
            }
            (ServerEvent::Message(message), Phase::Asking { .. } | Phase::Listening) => {
                self.on_server_message(name, message, now);
            }
            (ServerEvent::Message(_), Phase::Opening { .. })
            | (ServerEvent::Connected, Phase::Asking { .. } | Phase::Listening)
            | (ServerEvent::Connected | ServerEvent::Message(_) | ServerEvent::Disconnected, Phase::Waiting { .. }) => {
                self.dropped.stale += 1;
            }
        }
    }

    fn on_server_message(&mut self, name: &str, message: ServerMessage, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        match message {
            ServerMessage::Listening { v: _, topics } => {
                self.dropped.overflow += server.on_listening(topics, now) as u64;
            }
            ServerMessage::ListenerCame { topic, slot } => {
                let is_admitted = server
                    .topics
                    .get_mut(&topic)
                    .is_some_and(|topic| topic.admit(slot, now));
                self.dropped.overflow += u64::from(!is_admitted);
            }
            ServerMessage::ListenerWent { topic, slot } => {
                let known = server
                    .topics
                    .get_mut(&topic)
                    .and_then(|topic| topic.visitors.remove(&slot));
                match known {
                    Some(_) => self.update_routes(None, now),
                    None => self.dropped.stale += 1,
                }
            }
            ServerMessage::Posted { topic, from, blob } => self.on_posted(name, topic, from, &blob.0, now),
            ServerMessage::Error { code, message } => self.on_refusal(name, code, &message, now),
            ServerMessage::Joined { .. }
            | ServerMessage::PeerJoined { .. }
            | ServerMessage::PeerAway { .. }
            | ServerMessage::PeerBack { .. }
            | ServerMessage::PeerLeft { .. }
            | ServerMessage::Relay { .. } => self.dropped.stale += 1,
        }
    }

    fn on_refusal(&mut self, name: &str, code: ErrorCode, message: &str, now: Time) {
        tracing::info!(?code, message, "a server refused something of the doorbell");
        match code {
            // The server closes the connection after these.
            ErrorCode::ClientTooOld
            | ErrorCode::ClientTooNew
            | ErrorCode::RoomFull
            | ErrorCode::NotJoined
            | ErrorCode::TooFast
            | ErrorCode::TooSlow
            | ErrorCode::TooLarge
            | ErrorCode::Busy => {
                self.disconnect(name);
                self.lose(name, now);
            }
            ErrorCode::Malformed | ErrorCode::UnknownType | ErrorCode::NoSuchMember | ErrorCode::Other => {}
        }
    }

    /// Lets out what has come together.
    fn settle(&mut self, now: Time) {
        while let Some(output) = self.ring.poll_output() {
            self.on_ring_output(output, now);
        }
        self.close_nearby(now);
        for name in self.servers.keys().cloned().collect::<Vec<_>>() {
            self.send_waiting(&name, now);
            while self.begin_handshake(&name, now) {
                self.send_waiting(&name, now);
            }
        }
    }

    fn send_waiting(&mut self, name: &str, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        while let Some(message) = server.next_message(now) {
            self.actions.push_back(DoorbellAction::Send {
                server: name.to_owned(),
                message,
            });
        }
    }

    /// The connection to somebody nearby lasts as long as the ring, and a moment longer.
    fn close_nearby(&mut self, now: Time) {
        let Some(open) = &self.nearby else { return };
        let party = Party::Nearby(open.door.keys.topic);
        let is_needed = self.ring.view().is_some_and(|view| view.party == party);
        match is_needed {
            true => self.nearby_until = None,
            false => self.nearby_until = self.nearby_until.or(Some(now + LAST_WORD)),
        }
    }

    fn on_ring_output(&mut self, output: RingOutput, now: Time) {
        let action = match output {
            RingOutput::Send(device, message) => return self.send(device, &message, now),
            RingOutput::Rings => return,
            RingOutput::StartCall(call) => DoorbellAction::StartCall(CallToStart {
                name: self.name_for(Some(call.with), call.name),
                ..call
            }),
            RingOutput::CallOff(id) => DoorbellAction::CallOff(id),
            RingOutput::Ended {
                ring: _,
                direction,
                party,
                name,
                outcome,
            } => DoorbellAction::Ended {
                direction,
                name: match party {
                    Party::Person(key) => self.name_for(Some(key), name),
                    Party::Nearby(_) => name,
                },
                outcome,
                unreachable: (outcome == RingOutcome::Unreachable && direction == RingDirection::Outgoing)
                    .then(|| self.why_unreachable(party)),
            },
            RingOutput::Missed { ring: _, key, name } => DoorbellAction::Missed {
                key,
                name: self.name_for(Some(key), name),
                at_unix_s: self.clock.unix_s(now),
            },
        };
        self.actions.push_back(action);
    }

    fn why_unreachable(&self, party: Party) -> Unreachable {
        let servers = self.servers_for(party);
        let is_listening = |name: &String| self.servers.get(name).is_some_and(Server::is_listening);
        if servers.is_empty() {
            Unreachable::NoServer
        } else if servers.iter().any(is_listening) {
            Unreachable::NotThere
        } else {
            Unreachable::ServerSilent
        }
    }
}
