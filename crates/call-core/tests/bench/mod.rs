//! A machine on a bench: inputs by hand, actions in plain sight, and the messages of an invented peer.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file is a crate of its own and uses its part"
)]
#![allow(missing_docs, clippy::unwrap_used)]

pub mod friend;

use std::collections::BTreeMap;
pub use std::time::Duration;

pub use call_core::{
    Action, Attempt, Blockage, CallConfig, CallMachine, CallPhase, DescriptionKind, Door, Dropped, EndReason,
    IceCandidate, IceMode, Input, LinkState, LocalIntent, LocalMedia, MilestoneKind, NegotiationFault, OfferAcceptance,
    ParticipantId, PeerInput, PeerKey, SignalingInput, SignalingLoss, SignalingState, Time, TransportState,
    TrustConfig, WhenEmpty,
};
pub use proptest::prelude::*;
pub use proptest::test_runner::RngSeed;
pub use serde_json::{Value, json};
pub use signaling_protocol::{
    Blob, ClientMessage, ErrorCode, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, ServerMessage, Slot,
};
pub use trust::{Entropy, IdentityKey, RoomKeys};

use friend::{Friend, OWN_SLOT, Understood};

pub const SECRET: [u8; 16] = [9; 16];
pub const TOKEN: ResumeToken = ResumeToken([3; 16]);
/// We are in the middle: polite towards `HIGH`, impolite towards `LOW`.
pub const OWN: [u8; 16] = [0x80; 16];
pub const LOW: &str = "00000000000000000000000000000001";
pub const HIGH: &str = "ffffffffffffffffffffffffffffffff";
pub const OURS: &str = "80808080808080808080808080808080";
/// Slots: we are 1, they are 2.
pub const THEIRS: Slot = Slot(2);
pub const PEER: PeerKey = PeerKey(1);
pub const FIRST: Attempt = Attempt(1);

pub struct Bench {
    pub machine: CallMachine,
    pub now: Time,
    /// Of the room the machine is in.
    pub secret: [u8; 16],
    pub friends: BTreeMap<Slot, Friend>,
    /// What the machine told to say on the control channel of each connection.
    hellos: BTreeMap<Attempt, Value>,
    /// The connection that was last described.
    described: Attempt,
    /// How often the machine asked whether the server is there.
    pub probes: u32,
    /// Hellos of the machine's.
    pub said_hellos: Vec<Value>,
}

/// Key of whoever lives in a slot; the machine's is that of its own.
pub fn identity_of(slot: Slot) -> IdentityKey {
    let mut private = [0x33; 32];
    private[..4].copy_from_slice(&slot.0.to_be_bytes());
    IdentityKey::from_bytes(private)
}

/// A machine's usual ideas; the host is whoever lives in `host`.
pub fn config(host: Slot) -> CallConfig {
    CallConfig {
        name: "Ada\u{7}".to_owned(),
        participant: ParticipantId(OWN),
        on_empty: WhenEmpty::Wait,
        local: LocalMedia::default(),
        trust: TrustConfig {
            identity: identity_of(OWN_SLOT),
            entropy: Entropy::from_seed([1; 32]),
            secret: SECRET,
            host_tag: identity_of(host).public().host_tag(),
            contacts: Vec::new(),
            expected: None,
            door: Door::Open,
            expires_at: None,
            doorbell: None,
            lifetime: call_core::IdentityLifetime::Kept,
        },
    }
}

impl Bench {
    pub fn idle() -> Self {
        Self::with(config(OWN_SLOT))
    }

    pub fn with(config: CallConfig) -> Self {
        Self {
            machine: CallMachine::new(config),
            now: Time(Duration::from_secs(100)),
            secret: SECRET,
            friends: BTreeMap::new(),
            hellos: BTreeMap::new(),
            described: FIRST,
            probes: 0,
            said_hellos: Vec::new(),
        }
    }

    /// In the room with these members.
    pub fn joined(members: &[Slot]) -> Self {
        Self::idle().join(members)
    }

    pub fn join(self, members: &[Slot]) -> Self {
        let mut bench = self;
        bench.give(Input::Local(LocalIntent::Join));
        bench.signaling(SignalingInput::Connected);
        bench.enter(members, false);
        bench
    }

    /// Alone in the room, and `who` has come in and greeted.
    pub fn greeted_by(who: &str) -> Self {
        let mut bench = Self::joined(&[]);
        bench.server(ServerMessage::PeerJoined { slot: THEIRS });
        bench.hear(greeting(who, false, &[]));
        bench
    }

    /// Connected to `who`, whose connection is number 7; they offered.
    pub fn connected_to(who: &str) -> Self {
        let mut bench = Self::greeted_by(who);
        bench.hear(offer(7, 1));
        bench.described(DescriptionKind::Answer);
        bench.come_up(FIRST);
        assert_eq!(bench.machine.snapshot().phase, CallPhase::Active);
        bench
    }

    pub fn come_up(&mut self, attempt: Attempt) {
        self.peer_at(attempt, PeerInput::Transport(TransportState::Connected));
        self.peer_at(attempt, PeerInput::ControlOpened);
        let hello = self.hello_of(attempt);
        self.say_on_control(attempt, &hello);
    }

    /// What the machine expects to hear on the control channel of this connection.
    pub fn hello_of(&self, attempt: Attempt) -> Value {
        let told = self.hellos.get(&attempt).expect("a description with a hello was sent");
        json!({"v": 1, "type": "hello", "hello": told})
    }

    pub fn say_on_control(&mut self, attempt: Attempt, message: &Value) -> Vec<Action> {
        self.peer_at(attempt, PeerInput::Control(message.to_string().into_bytes()))
    }

    pub fn give(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now);
        self.drain()
    }

    /// What the machine wants. What it sealed stands there opened; checks are answered and left out, and so are
    /// symbols, which no test but their own asks for, and probes, which are counted.
    pub fn drain(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Signal(ClientMessage::Relay { to, blob }) => {
                    let (said, answers) = self.understand(to, &blob.0);
                    if let Some(message) = said {
                        let blob = Blob(message);
                        actions.push(Action::Signal(ClientMessage::Relay { to, blob }));
                    }
                    for blob in answers {
                        self.relay_raw(to, blob);
                    }
                }
                Action::SendControl { peer, attempt, payload } => {
                    let message: Value = serde_json::from_slice(&payload).expect("JSON");
                    self.note_hello(&message);
                    match message["type"].as_str() {
                        Some("hello") => self.said_hellos.push(message),
                        _ => actions.push(Action::SendControl { peer, attempt, payload }),
                    }
                }
                Action::ProbeSignaling => self.probes += 1,
                Action::InviteChanged { secret } => {
                    // The friends hear of it and follow.
                    self.secret = secret;
                    self.friends.clear();
                    actions.push(action);
                }
                other => actions.push(other),
            }
        }
        actions
    }

    /// The message in a blob, unless it is left out; and what goes back at once.
    fn understand(&mut self, to: Slot, blob: &[u8]) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
        let friend = self
            .friends
            .entry(to)
            .or_insert_with(|| Friend::new(to, identity_of(to), &self.secret));
        let (said, third) = match friend.understand(blob) {
            Understood::First => return (Some(br#"{"first":true}"#.to_vec()), Vec::new()),
            Understood::Late => return (None, Vec::new()),
            Understood::Said(said, third) => (said, third),
        };
        let message: Value = serde_json::from_slice(&said).expect("JSON");
        let answers = third.into_iter().chain(friend.react(&message)).collect();
        self.note_hello(&message);
        match message["type"].as_str() {
            Some("check" | "checked" | "symbols") => (None, answers),
            _ => (Some(said), answers),
        }
    }

    fn note_hello(&mut self, message: &Value) {
        if message["type"] == "description" {
            self.hellos.insert(self.described, message["hello"].clone());
        }
    }

    /// Hands the machine a blob as it is.
    pub fn relay_raw(&mut self, from: Slot, blob: Vec<u8>) {
        let blob = Blob(blob);
        let message = SignalingInput::Message(ServerMessage::Relay { from, blob });
        self.machine.handle(Input::Signaling(message), self.now);
    }

    pub fn signaling(&mut self, event: SignalingInput) -> Vec<Action> {
        self.give(Input::Signaling(event))
    }

    pub fn server(&mut self, message: ServerMessage) -> Vec<Action> {
        self.signaling(SignalingInput::Message(message))
    }

    pub fn enter(&mut self, members: &[Slot], resumed: bool) -> Vec<Action> {
        self.server(ServerMessage::Joined {
            v: PROTOCOL_VERSION,
            slot: Slot(1),
            token: TOKEN,
            members: members.to_vec(),
            resumed,
        })
    }

    pub fn unreachable(&mut self) -> Vec<Action> {
        self.signaling(SignalingInput::Disconnected(SignalingLoss::Unreachable(
            "reset".to_owned(),
        )))
    }

    /// A member says something: greets by a handshake, or seals it; who has no session says it in plain text.
    pub fn hear_from(&mut self, from: Slot, mut message: Value) -> Vec<Action> {
        let friend = self
            .friends
            .entry(from)
            .or_insert_with(|| Friend::new(from, identity_of(from), &self.secret));
        let blob = if message["type"] == "greeting" {
            let is_reply = message["is_reply"] == true;
            message.as_object_mut().expect("an object").remove("is_reply");
            let greeting = message.to_string().into_bytes();
            let reply = is_reply.then(|| friend.answer(&greeting)).flatten();
            reply.unwrap_or_else(|| friend.ask(greeting))
        } else {
            let plain = message.to_string().into_bytes();
            friend.seal(&plain).unwrap_or(plain)
        };
        self.relay_raw(from, blob);
        self.drain()
    }

    pub fn hear(&mut self, message: Value) -> Vec<Action> {
        self.hear_from(THEIRS, message)
    }

    pub fn peer_at(&mut self, attempt: Attempt, event: PeerInput) -> Vec<Action> {
        let peer = PEER;
        if matches!(event, PeerInput::LocalDescription { .. }) {
            self.described = attempt;
        }
        self.give(Input::Peer { peer, attempt, event })
    }

    pub fn peer(&mut self, event: PeerInput) -> Vec<Action> {
        self.peer_at(FIRST, event)
    }

    pub fn described(&mut self, kind: DescriptionKind) -> Vec<Action> {
        let sdp = format!("our {kind:?}");
        self.peer(PeerInput::LocalDescription { kind, sdp })
    }

    pub fn gathered(&mut self, line: &str) -> Vec<Action> {
        self.peer(PeerInput::LocalCandidate(candidate(line)))
    }

    /// Lets time pass, and says how long until the deadline that brought something.
    pub fn wait_for_action(&mut self) -> (Duration, Vec<Action>) {
        let began = self.now;
        loop {
            self.now = self.machine.poll_deadline().expect("something to wait for");
            self.machine.handle_deadlines(self.now);
            let actions = self.drain();
            if !actions.is_empty() {
                return (self.now - began, actions);
            }
        }
    }

    pub fn wait(&mut self, span: Duration) -> Vec<Action> {
        let until = self.now + span;
        let mut actions = self.drain();
        while let Some(at) = self.machine.poll_deadline().filter(|at| *at <= until) {
            self.now = at;
            self.machine.handle_deadlines(at);
            actions.extend(self.drain());
        }
        self.now = until;
        actions
    }

    pub fn dropped(&self) -> Dropped {
        self.machine.dropped()
    }

    pub fn link(&self) -> LinkState {
        self.machine.snapshot().participants[0].link
    }
}

pub fn candidate(line: &str) -> IceCandidate {
    IceCandidate {
        candidate: line.to_owned(),
        sdp_mid: None,
        sdp_mline_index: None,
        username_fragment: None,
    }
}

/// `is_reply`: the machine began the handshake.
pub fn greeting(who: &str, is_reply: bool, connections: &[u32]) -> Value {
    json!({"v": 1, "type": "greeting", "participant": who, "name": "Bob", "capabilities": [], "is_reply": is_reply,
        "entry": {"open": {"media": {"microphone": "on", "camera": "off", "screen": "off"}, "media_revision": 1,
            "connections": connections}}})
}

/// What the invented peer wants to hear on its connections.
pub const THEIR_HELLO: &str = "77777777777777777777777777777777";

pub fn offer(connection: u32, sequence: u32) -> Value {
    json!({"v": 1, "type": "description", "connection": connection, "sequence": sequence, "kind": "offer",
        "hello": THEIR_HELLO, "sdp": "their offer"})
}

pub fn answer(connection: u32, toward: &Value, sequence: u32, answers: &Value) -> Value {
    json!({"v": 1, "type": "description", "connection": connection, "toward": toward, "sequence": sequence,
        "kind": "answer", "answers": answers, "hello": THEIR_HELLO, "sdp": "their answer"})
}

pub fn trickled(connection: u32, sequence: u32, description: u32, line: &str) -> Value {
    json!({"v": 1, "type": "candidate", "connection": connection, "sequence": sequence, "description": description,
        "candidate": {"candidate": line}})
}

/// What was sent to the other through the server, as JSON.
pub fn relayed(actions: &[Action]) -> Vec<Value> {
    let blob = |action: &Action| match action {
        Action::Signal(ClientMessage::Relay { to, blob }) => {
            assert_eq!(*to, THEIRS);
            Some(serde_json::from_slice(&blob.0).unwrap())
        }
        _ => None,
    };
    actions.iter().filter_map(blob).collect()
}

/// What was sent on the control channel, as JSON.
pub fn on_control(actions: &[Action]) -> Vec<Value> {
    let payload = |action: &Action| match action {
        Action::SendControl { payload, .. } => Some(serde_json::from_slice(payload).unwrap()),
        _ => None,
    };
    actions.iter().filter_map(payload).collect()
}

/// The actions that are not messages.
pub fn done(actions: Vec<Action>) -> Vec<Action> {
    let is_message = |action: &Action| {
        matches!(
            action,
            Action::SendControl { .. } | Action::Signal(ClientMessage::Relay { .. })
        )
    };
    actions.into_iter().filter(|action| !is_message(action)).collect()
}

pub fn create(attempt: Attempt) -> Action {
    Action::CreatePeer { peer: PEER, attempt }
}

pub fn close(attempt: Attempt) -> Action {
    Action::ClosePeer { peer: PEER, attempt }
}

pub fn create_offer(attempt: Attempt, ice: IceMode) -> Action {
    let peer = PEER;
    Action::CreateOffer { peer, attempt, ice }
}

pub fn accept_offer(acceptance: OfferAcceptance) -> Action {
    Action::AcceptOffer {
        peer: PEER,
        attempt: FIRST,
        sdp: "their offer".to_owned(),
        acceptance,
    }
}

pub fn add_candidate(line: &str) -> Action {
    Action::AddCandidate {
        peer: PEER,
        attempt: FIRST,
        candidate: candidate(line),
    }
}

pub fn join_message(resume: Option<Resume>) -> Action {
    let v = PROTOCOL_VERSION;
    let room = RoomKeys::from_secret(&SECRET).room;
    Action::Signal(ClientMessage::Join { v, room, resume })
}
