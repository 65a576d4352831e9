//! A machine on a bench: inputs by hand, actions in plain sight, and the messages of an invented peer.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file is a crate of its own and uses its part"
)]
#![allow(missing_docs, clippy::unwrap_used)]

pub use std::time::Duration;

pub use call_core::{
    Action, Attempt, CallConfig, CallMachine, CallPhase, DescriptionKind, Dropped, EndReason, IceCandidate, IceMode,
    Input, LinkState, LocalIntent, LocalMedia, MilestoneKind, NegotiationFault, OfferAcceptance, ParticipantId,
    PeerInput, PeerKey, SignalingInput, SignalingLoss, SignalingState, Time, TransportState, WhenEmpty,
};
pub use proptest::prelude::*;
pub use proptest::test_runner::RngSeed;
pub use serde_json::{Value, json};
pub use signaling_protocol::{
    Blob, ClientMessage, ErrorCode, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, RoomId, ServerMessage, Slot,
};

pub const ROOM: RoomId = RoomId([9; 16]);
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
}

impl Bench {
    pub fn idle() -> Self {
        let config = CallConfig {
            name: "Ada\u{7}".to_owned(),
            participant: ParticipantId(OWN),
            on_empty: WhenEmpty::Wait,
            local: LocalMedia::default(),
        };
        let machine = CallMachine::new(config);
        let now = Time(Duration::from_secs(100));
        Self { machine, now }
    }

    /// In the room with these members.
    pub fn joined(members: &[Slot]) -> Self {
        let mut bench = Self::idle();
        bench.give(Input::Local(LocalIntent::Join { room: ROOM }));
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
    }

    pub fn give(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now);
        self.drain()
    }

    pub fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.machine.poll_action()).collect()
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

    pub fn hear_from(&mut self, from: Slot, message: Value) -> Vec<Action> {
        let blob = Blob(message.to_string().into_bytes());
        self.server(ServerMessage::Relay { from, blob })
    }

    pub fn hear(&mut self, message: Value) -> Vec<Action> {
        self.hear_from(THEIRS, message)
    }

    pub fn peer_at(&mut self, attempt: Attempt, event: PeerInput) -> Vec<Action> {
        let peer = PEER;
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
        while let Some(at) = self.machine.poll_deadline().filter(|at| *at <= until) {
            self.now = at;
            self.machine.handle_deadlines(at);
        }
        self.now = until;
        self.drain()
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

pub fn greeting(who: &str, is_reply: bool, connections: &[u32]) -> Value {
    json!({"v": 1, "type": "greeting", "participant": who, "name": "Bob", "media_revision": 1, "is_reply": is_reply,
        "media": {"microphone": "on", "camera": "off", "screen": "off"}, "connections": connections})
}

pub fn offer(connection: u32, sequence: u32) -> Value {
    json!({"v": 1, "type": "description", "connection": connection, "sequence": sequence, "kind": "offer",
        "sdp": "their offer"})
}

pub fn answer(connection: u32, toward: &Value, sequence: u32, answers: &Value) -> Value {
    json!({"v": 1, "type": "description", "connection": connection, "toward": toward, "sequence": sequence,
        "kind": "answer", "answers": answers, "sdp": "their answer"})
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
    let room = ROOM;
    Action::Signal(ClientMessage::Join { v, room, resume })
}
