//! Doorbells and the servers they meet at, in one thread and in virtual time. The servers follow the protocol to the
//! letter, limits on speed included, and remember all that they saw.

// Each test file uses its own part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use call_core::doorbell::{
    CallToStart, ContactPresence, Doorbell, DoorbellAction, DoorbellConfig, DoorbellContact, DoorbellInput,
    DoorbellIntent, RingDirection, RingOutcome, RingSnapshot, RingStage, ServerEvent, Unreachable,
};
use call_core::{PublicKey, Switch, Time};
use signaling_protocol::limits::{MAX_LISTENERS, MAX_TOPICS, MESSAGE_BURST, MESSAGES_PER_SECOND};
use signaling_protocol::{Blob, ClientMessage, RoomId, ServerMessage, Slot, TopicState};
use trust::{Entropy, IdentityKey};

/// From a bell to a server or back.
pub const WAY: Duration = Duration::from_millis(20);
/// Noon of some day.
pub const NOON: u64 = 20_000 * 86_400 + 43_200;
pub const HOME: &str = "wss://home.example/ws";

/// A doorbell and what came out of it.
pub struct Bell {
    pub doorbell: Doorbell,
    pub key: PublicKey,
    pub identity: IdentityKey,
    pub calls: Vec<CallToStart>,
    pub called_off: usize,
    pub ended: Vec<(RingDirection, String, RingOutcome, Option<Unreachable>)>,
    pub missed: Vec<(String, u64)>,
    /// Counts connections to each server; odd while there is one or one is being opened.
    connections: BTreeMap<String, u32>,
}

#[derive(Default)]
struct Topic {
    next_slot: u32,
    listeners: Vec<(Slot, usize)>,
}

#[derive(Default)]
struct Server {
    topics: BTreeMap<RoomId, Topic>,
    /// Messages each client may still send at once, and since when.
    allowance: BTreeMap<usize, (f64, Time)>,
}

enum Event {
    Connected(usize, String, u32),
    ToServer(usize, String, u32, ClientMessage),
    ToBell(usize, String, u32, ServerMessage),
    Dropped(usize, String, u32),
}

/// What a server does to the blobs it passes on.
pub type Tamper = Box<dyn FnMut(Vec<u8>) -> Vec<Vec<u8>>>;

pub struct World {
    pub now: Time,
    pub bells: Vec<Bell>,
    /// All that servers have seen, as it stands on the wire.
    pub seen: Vec<String>,
    pub blobs: Vec<Vec<u8>>,
    pub tamper: Tamper,
    servers: BTreeMap<String, Server>,
    stopped: Vec<String>,
    events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
}

impl World {
    pub fn new() -> Self {
        Self {
            now: Time(Duration::from_secs(1)),
            bells: Vec::new(),
            seen: Vec::new(),
            blobs: Vec::new(),
            tamper: Box::new(|blob| vec![blob]),
            servers: BTreeMap::new(),
            stopped: Vec::new(),
            events: BTreeMap::new(),
            next_event: 0,
        }
    }

    /// So many people, each a contact of all others, all at one server, and all there.
    pub fn friends(count: usize) -> Self {
        let mut world = Self::new();
        for number in 0..count {
            world.add(number as u8 + 1, Some(HOME), NOON);
        }
        for bell in 0..count {
            world.befriend_all(bell);
        }
        world.run_for(Duration::from_secs(1));
        world
    }

    /// One more device. The same `person` is the same identity.
    pub fn add(&mut self, person: u8, home: Option<&str>, unix_now_s: u64) -> usize {
        let identity = IdentityKey::generate(&mut Entropy::from_seed([person; 32]));
        let mut seed = [person; 32];
        seed[0] = 0x80 + self.bells.len() as u8;
        let config = DoorbellConfig {
            identity: identity.clone(),
            entropy: Entropy::from_seed(seed),
            name: format!("Self-chosen name {person}"),
            home: home.map(str::to_owned),
            unix_now_s,
        };
        self.bells.push(Bell {
            doorbell: Doorbell::new(config, self.now),
            key: identity.public(),
            identity,
            calls: Vec::new(),
            called_off: 0,
            ended: Vec::new(),
            missed: Vec::new(),
            connections: BTreeMap::new(),
        });
        self.bells.len() - 1
    }

    pub fn contact(&self, bell: usize, servers: &[&str]) -> DoorbellContact {
        DoorbellContact {
            key: self.bells[bell].key,
            name: format!("Friend number {bell}"),
            servers: servers.iter().map(|server| (*server).to_owned()).collect(),
        }
    }

    pub fn befriend_all(&mut self, bell: usize) {
        let others = (0..self.bells.len()).filter(|&other| self.bells[other].key != self.bells[bell].key);
        let contacts = others.map(|other| self.contact(other, &[])).collect();
        self.feed(bell, DoorbellInput::Contacts(contacts));
    }

    pub fn feed(&mut self, bell: usize, input: DoorbellInput) {
        self.bells[bell].doorbell.handle(input, self.now);
        self.drain(bell);
    }

    pub fn intend(&mut self, bell: usize, intent: DoorbellIntent) {
        self.feed(bell, DoorbellInput::Local(intent));
    }

    pub fn ring(&mut self, bell: usize, other: usize) {
        let contact = self.bells[other].key;
        let video = Switch::On;
        let link = format!("https://example.org/j#1.link-of-{bell}");
        self.intend(bell, DoorbellIntent::Ring { contact, video, link });
    }

    pub fn accept(&mut self, bell: usize) {
        self.intend(bell, DoorbellIntent::Accept { video: Switch::Off });
    }

    pub fn view(&self, bell: usize) -> Option<RingSnapshot> {
        self.bells[bell].doorbell.snapshot().ring
    }

    pub fn stage(&self, bell: usize) -> Option<RingStage> {
        self.view(bell).map(|ring| ring.stage)
    }

    pub fn sees(&self, bell: usize, other: usize) -> bool {
        let snapshot = self.bells[bell].doorbell.snapshot();
        snapshot
            .presence
            .contains(&(self.bells[other].key, ContactPresence::Online))
    }

    pub fn outcomes(&self, bell: usize) -> Vec<RingOutcome> {
        self.bells[bell].ended.iter().map(|ended| ended.2).collect()
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = self.bells.iter().filter_map(|bell| bell.doorbell.poll_deadline()).min();
            let event = self.events.keys().next().map(|&(time, _)| time);
            let next = due.into_iter().chain(event).min().filter(|&time| time <= end);
            let Some(time) = next else { break };
            self.now = time.max(self.now);
            match event {
                Some(event) if event <= time => self.next_event(),
                Some(_) | None => self.deadlines(),
            }
        }
        self.now = end;
    }

    fn deadlines(&mut self) {
        for bell in 0..self.bells.len() {
            self.bells[bell].doorbell.handle_deadlines(self.now);
            let left = self.bells[bell].doorbell.poll_deadline();
            assert!(
                left.is_none_or(|at| at > self.now),
                "bell {bell} leaves undone what is due"
            );
            self.drain(bell);
        }
    }

    fn at(&mut self, time: Time, event: Event) {
        self.events.insert((time, self.next_event), event);
        self.next_event += 1;
    }

    fn soon(&mut self, event: Event) {
        self.at(self.now + WAY, event);
    }

    fn connection(&mut self, bell: usize, server: &str) -> &mut u32 {
        self.bells[bell].connections.entry(server.to_owned()).or_default()
    }

    fn drain(&mut self, bell: usize) {
        while let Some(action) = self.bells[bell].doorbell.poll_action() {
            match action {
                DoorbellAction::Connect { server } => {
                    let connection = self.connection(bell, &server);
                    assert_eq!(*connection % 2, 0, "bell {bell} connects twice to {server}");
                    *connection += 1;
                    let number = *connection;
                    match self.stopped.contains(&server) {
                        true => self.soon(Event::Dropped(bell, server, number)),
                        false => self.soon(Event::Connected(bell, server, number)),
                    }
                }
                DoorbellAction::Send { server, message } => {
                    let number = *self.connection(bell, &server);
                    assert_eq!(number % 2, 1, "bell {bell} speaks to {server} without a connection");
                    self.soon(Event::ToServer(bell, server, number, message));
                }
                DoorbellAction::Disconnect { server } => {
                    let number = *self.connection(bell, &server);
                    assert_eq!(number % 2, 1, "bell {bell} leaves {server} twice");
                    *self.connection(bell, &server) += 1;
                    self.soon(Event::Dropped(bell, server, number));
                }
                DoorbellAction::StartCall(call) => self.bells[bell].calls.push(call),
                DoorbellAction::CallOff(_) => self.bells[bell].called_off += 1,
                DoorbellAction::Ended {
                    direction,
                    name,
                    outcome,
                    unreachable,
                } => self.bells[bell].ended.push((direction, name, outcome, unreachable)),
                DoorbellAction::Missed {
                    key: _,
                    name,
                    at_unix_s,
                } => self.bells[bell].missed.push((name, at_unix_s)),
            }
        }
    }

    fn next_event(&mut self) {
        let Some((_, event)) = self.events.pop_first() else {
            return;
        };
        match event {
            Event::Connected(bell, server, number) => {
                if *self.connection(bell, &server) == number {
                    let event = ServerEvent::Connected;
                    self.feed(bell, DoorbellInput::Server { server, event });
                }
            }
            // What was sent before a close still arrives.
            Event::ToServer(bell, server, number, message) => {
                if (number..=number + 1).contains(self.connection(bell, &server)) && !self.stopped.contains(&server) {
                    self.on_message(bell, &server, message);
                }
            }
            Event::ToBell(bell, server, number, message) => {
                if *self.connection(bell, &server) == number {
                    let event = ServerEvent::Message(message);
                    self.feed(bell, DoorbellInput::Server { server, event });
                }
            }
            Event::Dropped(bell, server, number) => {
                self.leave_all(bell, &server);
                if *self.connection(bell, &server) == number {
                    *self.connection(bell, &server) += 1;
                    let event = ServerEvent::Disconnected;
                    self.feed(bell, DoorbellInput::Server { server, event });
                }
            }
        }
    }

    pub fn stop_server(&mut self, name: &str) {
        self.stopped.push(name.to_owned());
        self.servers.remove(name);
        for bell in 0..self.bells.len() {
            let number = *self.connection(bell, name);
            if number % 2 == 1 {
                self.soon(Event::Dropped(bell, name.to_owned(), number));
            }
        }
    }

    pub fn start_server(&mut self, name: &str) {
        self.stopped.retain(|stopped| stopped != name);
    }

    /// A device is off from now on, without a word.
    pub fn switch_off(&mut self, bell: usize) {
        self.bells[bell]
            .doorbell
            .handle(DoorbellInput::Contacts(Vec::new()), self.now);
        self.drain(bell);
    }

    fn tell(&mut self, bell: usize, server: &str, message: ServerMessage) {
        let number = *self.connection(bell, server);
        self.soon(Event::ToBell(bell, server.to_owned(), number, message));
    }

    fn on_message(&mut self, bell: usize, name: &str, message: ClientMessage) {
        self.seen.push(message.to_json());
        self.check_speed(bell, name);
        match message {
            ClientMessage::Listen { topics, .. } => self.listen(bell, name, topics),
            ClientMessage::Post { topic, to, blob } => self.post(bell, name, topic, to, blob),
            other => panic!("bell {bell} says {other:?}"),
        }
    }

    /// The server would end the connection.
    fn check_speed(&mut self, bell: usize, name: &str) {
        let now = self.now;
        let server = self.servers.entry(name.to_owned()).or_default();
        let (left, since) = server.allowance.entry(bell).or_insert((f64::from(MESSAGE_BURST), now));
        let more = (now - *since).as_secs_f64() * f64::from(MESSAGES_PER_SECOND);
        *left = (*left + more).min(f64::from(MESSAGE_BURST)) - 1.0;
        *since = now;
        assert!(*left >= 0.0, "bell {bell} speaks too fast");
    }

    fn listen(&mut self, bell: usize, name: &str, wanted: Vec<RoomId>) {
        assert!(wanted.len() <= MAX_TOPICS);
        let server = self.servers.entry(name.to_owned()).or_default();
        let mut notices = Vec::new();
        for (&id, topic) in &mut server.topics {
            if !wanted.contains(&id) {
                notices.extend(topic.leave(bell, id));
            }
        }
        let mut entered = Vec::new();
        for id in wanted {
            let topic = server.topics.entry(id).or_default();
            let is_there = topic.listeners.iter().any(|listener| listener.1 == bell);
            if is_there || topic.listeners.len() >= MAX_LISTENERS {
                continue;
            }
            let slot = Slot(topic.next_slot);
            topic.next_slot += 1;
            let others = topic.listeners.iter().map(|listener| listener.0).collect();
            let came = ServerMessage::ListenerCame { topic: id, slot };
            notices.extend(topic.listeners.iter().map(|listener| (listener.1, came.clone())));
            topic.listeners.push((slot, bell));
            let topic = id;
            entered.push(TopicState { topic, slot, others });
        }
        server.topics.retain(|_, topic| !topic.listeners.is_empty());
        self.tell(bell, name, ServerMessage::Listening { v: 1, topics: entered });
        for (to, notice) in notices {
            self.tell(to, name, notice);
        }
    }

    fn post(&mut self, bell: usize, name: &str, topic: RoomId, to: Slot, blob: Blob) {
        self.blobs.push(blob.0.clone());
        let Some(listeners) = self.servers.get(name).and_then(|server| server.topics.get(&topic)) else {
            return;
        };
        let find = |wanted: &dyn Fn(&(Slot, usize)) -> bool| listeners.listeners.iter().copied().find(|l| wanted(l));
        let (Some((from, _)), Some((_, receiver))) = (find(&|l| l.1 == bell), find(&|l| l.0 == to)) else {
            return;
        };
        for blob in (self.tamper)(blob.0) {
            let blob = Blob(blob);
            self.tell(receiver, name, ServerMessage::Posted { topic, from, blob });
        }
    }

    fn leave_all(&mut self, bell: usize, name: &str) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        let notices: Vec<_> = server
            .topics
            .iter_mut()
            .flat_map(|(&id, topic)| topic.leave(bell, id))
            .collect();
        server.topics.retain(|_, topic| !topic.listeners.is_empty());
        server.allowance.remove(&bell);
        for (to, notice) in notices {
            self.tell(to, name, notice);
        }
    }
}

impl Topic {
    fn leave(&mut self, bell: usize, topic: RoomId) -> Vec<(usize, ServerMessage)> {
        let Some(index) = self.listeners.iter().position(|listener| listener.1 == bell) else {
            return Vec::new();
        };
        let (slot, _) = self.listeners.remove(index);
        let went = ServerMessage::ListenerWent { topic, slot };
        self.listeners
            .iter()
            .map(|listener| (listener.1, went.clone()))
            .collect()
    }
}
