//! Several call machines, a server and peer connections in one thread and in virtual time, with seeded faults.
//!
//! Strict: it panics when a machine asks for something a real connection would refuse.

// Each test file uses its own part of it.
#![allow(dead_code)]

pub mod connection;
mod describe;
pub mod hostile;
pub mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use call_core::{
    Action, Attempt, CallConfig, CallMachine, Door, EndReason, IceCandidate, Input, LocalIntent, LocalMedia, Milestone,
    NegotiationFault, ParticipantId, PeerInput, PeerKey, SignalingInput, SignalingLoss, Time, TransportState,
    TrustConfig, WhenEmpty,
};
use connection::{Connection, ConnectionId, PathState, SignalingState, StepResult, candidate_line};
use server::{Server, Socket, Verdict};
use signaling_protocol::{Blob, ClientMessage, ServerMessage, Slot};
use trust::{Entropy, IdentityKey};

/// How often the paths of peer connections are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Nothing for this long is silence.
const SILENCE: Duration = Duration::from_millis(2_000);
/// Silence for this long is failure.
const FAILURE: Duration = Duration::from_secs(3_600);
/// A server that is asked and does not answer for this long is given up.
const PROBE_LIMIT: Duration = Duration::from_millis(1_500);
/// An attempt to connect that nobody answers takes this long.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The server gives up who says nothing for this long.
const SERVER_PATIENCE: Duration = Duration::from_secs(40);
/// TCP and the control channel send again after this.
const SENT_AGAIN: Duration = Duration::from_millis(300);

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True that often in a thousand.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }
}

/// What goes wrong, in a thousand of the occasions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Messages between machine and server.
    pub lost: u64,
    pub duplicated: u64,
    pub reordered: u64,
    /// Steps of negotiation.
    pub step_failed: u64,
}

enum Event {
    ToServer(Socket, ClientMessage),
    SocketClosed(Socket),
    /// An attempt to connect that nobody has answered; it is given up at this time.
    Dialing(usize, Socket, Time),
    /// The server looks whether this end still lives.
    SocketWatched(usize, Socket),
    ToEnd(usize, Socket, SignalingInput),
    Step(ConnectionId, Result<PeerInput, NegotiationFault>),
    Candidate(ConnectionId, IceCandidate),
    Control(ConnectionId, Vec<u8>),
}

/// A blob on its way through the server.
#[derive(Clone, Debug)]
pub struct Passing {
    pub from: Slot,
    pub to: Slot,
    pub blob: Vec<u8>,
}

/// What a hostile server does with the blobs it should only pass on.
pub trait Hostility {
    /// What is delivered, in this order, when `passing` should be.
    fn pass(&mut self, dice: &mut Dice, passing: Passing) -> Vec<Passing>;
}

/// One process.
pub struct End {
    pub machine: CallMachine,
    pub finished: Option<EndReason>,
    pub is_killed: bool,
    /// Counts changes of address: what was gathered before is dead.
    pub network: u32,
    socket: Option<Socket>,
    pub actions: Vec<Action>,
    pub milestones: Vec<Milestone>,
    pub applied: Option<LocalMedia>,
    /// Of new links, oldest first.
    pub secrets: Vec<[u8; 16]>,
}

pub struct World {
    pub now: Time,
    pub dice: Dice,
    pub faults: Faults,
    pub server: Server,
    pub server_is_up: bool,
    pub ends: Vec<End>,
    pub connections: Vec<Connection>,
    /// What the server does with blobs, when it is not honest.
    pub hostility: Option<Box<dyn Hostility>>,
    /// All that a server can learn of blobs.
    pub recorded: Option<Vec<Passing>>,
    /// Connections whose control channels end at somebody else, who says something instead.
    pub is_hijacked: bool,
    /// Ends that cannot reach each other.
    pub blocked: BTreeSet<(usize, usize)>,
    /// Ends that can reach nobody, and are not told so.
    pub offline: BTreeSet<usize>,
    /// What waits for them to come back.
    held: BTreeMap<usize, Vec<(Socket, bool, Event)>>,
    events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    next_socket: u64,
    /// Sockets from which nothing reaches the server any more.
    dead_sockets: BTreeSet<Socket>,
    next_tick: Time,
    /// When the last message on this way arrives: a socket keeps the order.
    ways: BTreeMap<(u64, bool), Time>,
}

/// The invite's.
pub const SECRET: [u8; 16] = [7; 16];

/// Everybody has a key of their own.
pub fn identity_of(end: usize) -> IdentityKey {
    let mut private = [0x55; 32];
    private[..8].copy_from_slice(&(end as u64 + 1).to_be_bytes());
    IdentityKey::from_bytes(private)
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Time::default(),
            dice: Dice(seed),
            faults: Faults::default(),
            server: Server::default(),
            server_is_up: true,
            ends: Vec::new(),
            connections: Vec::new(),
            hostility: None,
            recorded: None,
            is_hijacked: false,
            blocked: BTreeSet::new(),
            offline: BTreeSet::new(),
            held: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            next_socket: 0,
            dead_sockets: BTreeSet::new(),
            next_tick: Time::default(),
            ways: BTreeMap::new(),
        }
    }

    /// Starts a process that joins the room. The first is its host.
    pub fn join(&mut self, on_empty: WhenEmpty) -> usize {
        self.join_with(on_empty, |_| {})
    }

    /// Starts a process that joins the room with other ideas than the usual ones.
    pub fn join_with(&mut self, on_empty: WhenEmpty, change: impl FnOnce(&mut CallConfig)) -> usize {
        let end = self.ends.len();
        let mut participant = [0; 16];
        participant[..8].copy_from_slice(&self.dice.next().to_be_bytes());
        participant[15] = end as u8;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.dice.next().to_be_bytes());
        let mut config = CallConfig {
            name: format!("end {end}"),
            participant: ParticipantId(participant),
            on_empty,
            local: LocalMedia::default(),
            trust: TrustConfig {
                identity: identity_of(end),
                entropy: Entropy::from_seed(seed),
                secret: SECRET,
                host_tag: identity_of(0).public().host_tag(),
                contacts: Vec::new(),
                expected: None,
                door: Door::Open,
                expires_at: None,
                doorbell: None,
                lifetime: call_core::IdentityLifetime::Kept,
            },
        };
        change(&mut config);
        self.ends.push(End {
            machine: CallMachine::new(config),
            finished: None,
            is_killed: false,
            network: 0,
            socket: None,
            actions: Vec::new(),
            milestones: Vec::new(),
            applied: None,
            secrets: Vec::new(),
        });
        self.feed(end, Input::Local(LocalIntent::Join));
        end
    }

    pub fn feed(&mut self, end: usize, input: Input) {
        if !self.ends[end].is_killed {
            self.ends[end].machine.handle(input, self.now);
            self.perform(end);
        }
    }

    /// The process dies without a word; the server's end of its socket closes.
    pub fn kill(&mut self, end: usize) {
        self.ends[end].is_killed = true;
        if let Some(socket) = self.ends[end].socket.take() {
            self.lose_socket(socket);
        }
        for connection in self.connections.iter_mut().filter(|connection| connection.end == end) {
            connection.is_open = false;
        }
    }

    pub fn stop_server(&mut self) {
        self.server_is_up = false;
        self.server.restart();
        for end in 0..self.ends.len() {
            self.cut_socket(end);
        }
    }

    pub fn start_server(&mut self) {
        self.server_is_up = true;
    }

    /// The WebSocket breaks; both sides notice.
    pub fn cut_socket(&mut self, end: usize) {
        if let Some(socket) = self.ends[end].socket.take() {
            self.lose_socket(socket);
            let loss = SignalingInput::Disconnected(SignalingLoss::Unreachable("reset".to_owned()));
            self.feed(end, Input::Signaling(loss));
        }
    }

    /// The network of an end swallows everything until [`Self::come_back`].
    pub fn go_offline(&mut self, end: usize) {
        self.offline.insert(end);
        if let Some(socket) = self.ends[end].socket {
            self.after(SERVER_PATIENCE, Event::SocketWatched(end, socket));
        }
    }

    /// What TCP kept is sent again, in order.
    pub fn come_back(&mut self, end: usize) {
        self.offline.remove(&end);
        for (socket, is_upward, event) in self.held.remove(&end).unwrap_or_default() {
            let last = self.ways.entry((socket.0, is_upward)).or_default();
            *last = (*last).max(self.now + SENT_AGAIN);
            let at = *last;
            self.at(at, event);
        }
    }

    /// The machine gets other addresses.
    pub fn change_network(&mut self, end: usize) {
        self.ends[end].network += 1;
        self.feed(end, Input::NetworkChanged);
    }

    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            assert!(at >= self.now, "time runs backwards");
            self.now = at;
            self.run_moment();
        }
        self.now = until;
    }

    /// Runs until something holds, and panics when it does not in time.
    pub fn run_until(&mut self, limit: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = self.now + limit;
        while !holds(self) {
            let at = self.next_moment().filter(|at| *at <= until);
            let Some(at) = at else {
                panic!("not within {limit:?}: {what}\n{}", self.describe())
            };
            self.now = at;
            self.run_moment();
        }
    }

    fn next_moment(&self) -> Option<Time> {
        let event = self.events.keys().next().map(|(at, _)| *at);
        let living = self.ends.iter().filter(|end| !end.is_killed);
        let deadlines = living.filter_map(|end| end.machine.poll_deadline());
        event
            .into_iter()
            .chain(deadlines)
            .chain([self.next_tick])
            .map(|at| at.max(self.now))
            .min()
    }

    fn run_moment(&mut self) {
        while let Some((key, _)) = self.events.first_key_value().filter(|((at, _), _)| *at <= self.now) {
            let key = *key;
            if let Some(event) = self.events.remove(&key) {
                self.happen(event);
            }
        }
        for end in 0..self.ends.len() {
            let is_due = |end: &End| end.machine.poll_deadline().is_some_and(|at| at <= self.now);
            if !self.ends[end].is_killed && is_due(&self.ends[end]) {
                self.ends[end].machine.handle_deadlines(self.now);
                self.perform(end);
            }
        }
        if self.next_tick <= self.now {
            self.next_tick = self.now + TICK;
            self.server.tick(self.now);
            self.flush_server();
            for id in 0..self.connections.len() {
                self.look_at_path(id);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToServer(socket, message) => {
                if let Some(end) = self.cut_off(socket) {
                    let event = Event::ToServer(socket, message);
                    return self.held.entry(end).or_default().push((socket, true, event));
                }
                if self.dead_sockets.contains(&socket) {
                    return;
                }
                let verdict = self.server.receive(socket, message);
                self.flush_server();
                let owner = self.ends.iter().position(|end| end.socket == Some(socket));
                if let (Verdict::Close, Some(end)) = (verdict, owner) {
                    self.cut_socket(end);
                }
            }
            Event::SocketClosed(socket) => self.lose_socket(socket),
            Event::Dialing(end, socket, until) => self.dial(end, socket, until),
            Event::SocketWatched(end, socket) => {
                if self.offline.contains(&end) || self.ends[end].socket != Some(socket) {
                    self.lose_socket(socket);
                }
            }
            Event::ToEnd(end, socket, input) => {
                if self.ends[end].socket != Some(socket) {
                    return;
                }
                if self.offline.contains(&end) && matches!(input, SignalingInput::Message(_)) {
                    let event = Event::ToEnd(end, socket, input);
                    return self.held.entry(end).or_default().push((socket, false, event));
                }
                if matches!(input, SignalingInput::Disconnected(_)) {
                    self.ends[end].socket = None;
                }
                self.feed(end, Input::Signaling(input));
            }
            Event::Step(id, result) => {
                self.connections[id].is_busy = false;
                let event = match result {
                    Ok(event) => event,
                    Err(fault) => PeerInput::Fault(fault),
                };
                self.tell(id, event);
            }
            Event::Candidate(id, candidate) => self.tell(id, PeerInput::LocalCandidate(candidate)),
            Event::Control(id, payload) => self.deliver_control(id, payload),
        }
    }

    fn perform(&mut self, end: usize) {
        while let Some(action) = self.ends[end].machine.poll_action() {
            assert!(self.ends[end].finished.is_none(), "an action after the end: {action:?}");
            self.ends[end].actions.push(action.clone());
            self.perform_one(end, action);
        }
        let milestones: Vec<Milestone> = self.ends[end].machine.timeline().collect();
        self.ends[end].milestones.extend(milestones);
    }

    fn perform_one(&mut self, end: usize, action: Action) {
        match action {
            Action::ConnectSignaling => self.connect(end),
            Action::ProbeSignaling => {
                if let Some(socket) = self.ends[end].socket.filter(|_| self.offline.contains(&end)) {
                    let loss = SignalingLoss::Unreachable("silent".to_owned());
                    self.after(
                        PROBE_LIMIT,
                        Event::ToEnd(end, socket, SignalingInput::Disconnected(loss)),
                    );
                }
            }
            Action::Signal(message) => {
                if let Some(socket) = self.ends[end].socket {
                    self.post(socket, true, Event::ToServer(socket, message));
                }
            }
            Action::CloseSignaling => {
                if let Some(socket) = self.ends[end].socket.take() {
                    self.post(socket, true, Event::SocketClosed(socket));
                }
            }
            Action::CreatePeer { peer, attempt } => {
                let is_open = |known: &Connection| known.is_open && known.end == end && known.peer == peer;
                assert!(!self.connections.iter().any(is_open), "two connections at once");
                let network = self.ends[end].network;
                self.connections.push(Connection::new(end, peer, attempt, network));
            }
            Action::ClosePeer { peer, attempt } => {
                let id = self.find(end, peer, attempt).expect("closes what is open");
                self.connections[id].is_open = false;
            }
            Action::ForgetPeer { peer } => {
                let is_open = |known: &Connection| known.is_open && known.end == end && known.peer == peer;
                assert!(!self.connections.iter().any(is_open), "forgotten but not closed");
            }
            Action::CreateOffer { peer, attempt, ice } => {
                self.step(end, peer, attempt, |id, connection, network| {
                    connection.create_offer(id, ice, network)
                });
            }
            Action::AcceptOffer {
                peer,
                attempt,
                sdp,
                acceptance,
            } => self.step(end, peer, attempt, |id, connection, network| {
                connection.accept_offer(id, &sdp, acceptance, network)
            }),
            Action::AcceptAnswer { peer, attempt, sdp } => {
                self.step(end, peer, attempt, |id, connection, _| {
                    connection.accept_answer(id, &sdp)
                });
            }
            Action::AddCandidate {
                peer,
                attempt,
                candidate,
            } => {
                let id = self.find(end, peer, attempt).expect("a candidate for what is open");
                let connection = &mut self.connections[id];
                let remote = connection.remote.expect("a candidate before the description");
                if candidate.candidate == candidate_line(remote.connection, remote.ice_generation) {
                    connection.remote_candidates += 1;
                }
            }
            Action::SendControl { peer, attempt, payload } => {
                let id = self.find(end, peer, attempt).expect("sends on what is open");
                assert!(self.connections[id].control_open, "sends before the channel is open");
                self.after(Duration::from_millis(10), Event::Control(id, payload));
            }
            Action::InviteChanged { secret } => self.ends[end].secrets.push(secret),
            Action::ApplyLocalMedia(media) => self.ends[end].applied = Some(media),
            Action::Finished(reason) => {
                let is_open = |known: &Connection| known.is_open && known.end == end;
                assert!(
                    !self.connections.iter().any(is_open),
                    "finished with an open connection"
                );
                self.ends[end].finished = Some(reason);
            }
        }
    }

    fn connect(&mut self, end: usize) {
        let is_offline = self.offline.contains(&end);
        if let Some(old) = self.ends[end].socket.take()
            && !is_offline
        {
            self.post(old, true, Event::SocketClosed(old));
        }
        self.next_socket += 1;
        let socket = Socket(self.next_socket);
        self.ends[end].socket = Some(socket);
        self.dial(end, socket, self.now + CONNECT_LIMIT);
    }

    fn dial(&mut self, end: usize, socket: Socket, until: Time) {
        if self.offline.contains(&end) {
            if self.now < until {
                return self.after(SENT_AGAIN, Event::Dialing(end, socket, until));
            }
            let loss = SignalingInput::Disconnected(SignalingLoss::Unreachable("no answer".to_owned()));
            return self.after(Duration::ZERO, Event::ToEnd(end, socket, loss));
        }
        let is_refused = !self.server_is_up;
        let answer = match is_refused {
            true => SignalingInput::Disconnected(SignalingLoss::Unreachable("refused".to_owned())),
            false => SignalingInput::Connected,
        };
        self.after(Duration::from_millis(20), Event::ToEnd(end, socket, answer));
    }

    fn cut_off(&self, socket: Socket) -> Option<usize> {
        let is_its = |end: &usize| self.ends[*end].socket == Some(socket);
        self.offline.iter().copied().find(is_its)
    }

    fn step(
        &mut self,
        end: usize,
        peer: PeerKey,
        attempt: Attempt,
        work: impl FnOnce(ConnectionId, &mut Connection, u32) -> StepResult,
    ) {
        let id = self.find(end, peer, attempt).expect("a step for what is open");
        let network = self.ends[end].network;
        let is_failing = self.dice.per_mille(self.faults.step_failed);
        let connection = &mut self.connections[id];
        assert!(!connection.is_busy, "two steps at once");
        connection.is_busy = true;
        let gathers_before = (
            connection.ice_generation,
            connection.gathered_in,
            connection.remote.is_none(),
        );
        let result = match is_failing {
            true => Err("bad luck".to_owned()),
            false => work(id, connection, network),
        };
        let candidate = IceCandidate {
            candidate: candidate_line(id, connection.ice_generation),
            sdp_mid: None,
            sdp_mline_index: Some(0),
            username_fragment: None,
        };
        let gathers = gathers_before != (connection.ice_generation, connection.gathered_in, false);
        let event = match result {
            Ok(Some((kind, sdp))) => Ok(PeerInput::LocalDescription { kind, sdp }),
            Ok(None) => Ok(PeerInput::AnswerAccepted),
            Err(why) => Err(NegotiationFault::LocalDescription(why)),
        };
        let delay = Duration::from_millis(1 + self.dice.below(20));
        if gathers && event.is_ok() {
            for _ in 0..2 {
                let gathered = Duration::from_millis(self.dice.below(60));
                self.after(gathered, Event::Candidate(id, candidate.clone()));
            }
        }
        self.after(delay, Event::Step(id, event));
    }

    /// Hands an input to the machine of a connection; late ones too, which the machine has to drop.
    fn tell(&mut self, id: ConnectionId, event: PeerInput) {
        let Connection { end, peer, attempt, .. } = self.connections[id];
        let is_open = self.connections[id].is_open;
        let before = self.ends[end].actions.len();
        self.feed(end, Input::Peer { peer, attempt, event });
        if !is_open {
            assert_eq!(
                self.ends[end].actions.len(),
                before,
                "acted on a connection that is over"
            );
        }
    }

    fn deliver_control(&mut self, id: ConnectionId, payload: Vec<u8>) {
        let payload = match self.is_hijacked {
            // Who is in between never saw what was sealed.
            true => format!(r#"{{"v":1,"type":"hello","hello":"{}"}}"#, "00".repeat(16)).into_bytes(),
            false => payload,
        };
        let Some((other, ..)) = self.connections[id].pair else {
            return;
        };
        if !self.connections[other].is_open {
            return;
        }
        if self.is_healthy(id) {
            self.tell(other, PeerInput::Control(payload));
        } else if self.connections[id].is_open {
            // The channel is reliable: it sends again until the path is back.
            self.after(SENT_AGAIN, Event::Control(id, payload));
        }
    }

    fn is_healthy(&self, id: ConnectionId) -> bool {
        let connection = &self.connections[id];
        let Some((other, ours, theirs)) = connection.pair else {
            return false;
        };
        let other = &self.connections[other];
        let ends = (connection.end.min(other.end), connection.end.max(other.end));
        other.is_open
            && !self.ends[other.end].is_killed
            && !self.blocked.contains(&ends)
            && !self.offline.contains(&connection.end)
            && !self.offline.contains(&other.end)
            && self.ends[connection.end].network == ours
            && self.ends[other.end].network == theirs
    }

    fn look_at_path(&mut self, id: ConnectionId) {
        let connection = &self.connections[id];
        if !connection.is_open || self.ends[connection.end].is_killed {
            return;
        }
        if let Some(remote) = connection.remote {
            let other = &self.connections[remote.connection];
            let fits = other.is_open && connection.fits(id, other, remote.connection);
            let fits = fits && connection.state == SignalingState::Stable && other.state == SignalingState::Stable;
            if fits {
                self.connections[id].pair = Some((remote.connection, connection.gathered_in, other.gathered_in));
            }
        }
        let is_healthy = self.is_healthy(id);
        let now = self.now;
        let connection = &mut self.connections[id];
        connection.unhealthy_since = match is_healthy {
            true => None,
            false => connection.unhealthy_since.or(Some(now)),
        };
        let unhealthy_for = connection.unhealthy_since.map(|since| now - since);
        let (next, report) = match (connection.path, is_healthy) {
            (PathState::New, true) => (PathState::Connected, Some(TransportState::Connected)),
            (PathState::Silent, true) => (PathState::Connected, Some(TransportState::Alive)),
            (PathState::Connected, false) if unhealthy_for >= Some(SILENCE) => {
                (PathState::Silent, Some(TransportState::Silent))
            }
            (PathState::Silent, false) if unhealthy_for >= Some(FAILURE) => {
                (PathState::Failed, Some(TransportState::Failed))
            }
            (path, _) => (path, None),
        };
        connection.path = next;
        let opens = is_healthy && next == PathState::Connected && report.is_none() && !connection.control_open;
        connection.control_open |= opens;
        if let Some(report) = report {
            self.tell(id, PeerInput::Transport(report));
        }
        if opens {
            self.tell(id, PeerInput::ControlOpened);
        }
    }

    fn find(&self, end: usize, peer: PeerKey, attempt: Attempt) -> Option<ConnectionId> {
        let is_it =
            |known: &Connection| known.is_open && known.end == end && known.peer == peer && known.attempt == attempt;
        self.connections.iter().rposition(is_it)
    }

    fn lose_socket(&mut self, socket: Socket) {
        if self.dead_sockets.insert(socket) {
            self.server.lost(socket, self.now);
            self.flush_server();
        }
    }

    fn flush_server(&mut self) {
        for (socket, message) in std::mem::take(&mut self.server.out) {
            match (message, self.server.slot_of(socket)) {
                (ServerMessage::Relay { from, blob }, Some(to)) => self.pass_on(Passing { from, to, blob: blob.0 }),
                (message, _) => self.deliver(socket, message),
            }
        }
    }

    fn pass_on(&mut self, passing: Passing) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(passing.clone());
        }
        let delivered = match &mut self.hostility {
            Some(hostility) => hostility.pass(&mut self.dice, passing),
            None => vec![passing],
        };
        for Passing { from, to, blob } in delivered {
            if let Some(socket) = self.server.socket_of(to) {
                let blob = Blob(blob);
                self.deliver(socket, ServerMessage::Relay { from, blob });
            }
        }
    }

    fn deliver(&mut self, socket: Socket, message: ServerMessage) {
        if let Some(end) = self.ends.iter().position(|end| end.socket == Some(socket)) {
            let message = SignalingInput::Message(message);
            self.post(socket, false, Event::ToEnd(end, socket, message));
        }
    }

    /// Between a socket's ends: in order, unless something goes wrong.
    fn post(&mut self, socket: Socket, is_upward: bool, event: Event) {
        // Notices about members come in order or not at all, as on a WebSocket; blobs may meet anything.
        let is_blob = matches!(
            &event,
            Event::ToServer(_, ClientMessage::Relay { .. })
                | Event::ToEnd(_, _, SignalingInput::Message(ServerMessage::Relay { .. }))
        );
        if is_blob && self.dice.per_mille(self.faults.lost) {
            return;
        }
        let delay = Duration::from_millis(5 + self.dice.below(20));
        let last = self.ways.entry((socket.0, is_upward)).or_default();
        let mut at = (self.now + delay).max(*last);
        *last = at;
        if is_blob && self.dice.per_mille(self.faults.reordered) {
            at = at + Duration::from_millis(self.dice.below(2_000));
        }
        if is_blob && self.dice.per_mille(self.faults.duplicated) {
            let copy = match &event {
                Event::ToServer(socket, message) => Event::ToServer(*socket, message.clone()),
                Event::ToEnd(end, socket, input) => Event::ToEnd(*end, *socket, input.clone()),
                Event::SocketClosed(_)
                | Event::Dialing(..)
                | Event::SocketWatched(..)
                | Event::Step(..)
                | Event::Candidate(..)
                | Event::Control(..) => return,
            };
            let later = at + Duration::from_millis(self.dice.below(3_000));
            self.at(later, copy);
        }
        self.at(at, event);
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    fn at(&mut self, at: Time, event: Event) {
        self.next_event += 1;
        self.events.insert((at, self.next_event), event);
    }
}
