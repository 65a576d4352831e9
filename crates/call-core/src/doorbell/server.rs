//! One server: the connection to it, the topics one listens on there, and how fast one may speak.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signaling_protocol::limits::{MAX_LISTENERS, MAX_TOPICS, MESSAGE_BURST, MESSAGES_PER_SECOND};
use signaling_protocol::{Blob, ClientMessage, PROTOCOL_VERSION, RoomId, Slot, TopicState};

use super::doors::Door;
use super::pace::Pace;
use super::visitor::{Handshake, Visitor};
use crate::time::Time;

/// First pause before a server is tried again; doubles with each failure …
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// … up to this.
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// The WebSocket has to open, and the first `Listening` has to come, each within this.
const STEP: Duration = Duration::from_secs(5);
/// Topics that had no place are asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Messages that wait for their turn; who needs one more starts anew.
const MAX_WAITING: usize = 256;
/// Three quarters of what the server allows, so that its clock and ours need not agree.
const SEND_BURST: u32 = MESSAGE_BURST / 4 * 3;
const SEND_INTERVAL: Duration = Duration::from_millis(1_000 * 4 / (3 * MESSAGES_PER_SECOND as u64));
/// First messages of handshakes that are looked at: all contacts at once, then so many a second.
const ANSWER_BURST: u32 = 2 * MAX_TOPICS as u32;
const ANSWER_INTERVAL: Duration = Duration::from_millis(50);

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The WebSocket is being opened, until then.
    Opening { until: Time },
    /// It is open; the answer to the first `Listen` has not come, until then.
    Asking { until: Time },
    /// Its topics are ours.
    Listening,
    /// The next try is then.
    Waiting { until: Time },
}

/// A topic one listens on.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) door: Door,
    /// Our place in it.
    pub(super) slot: Slot,
    pub(super) visitors: BTreeMap<Slot, Visitor>,
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) phase: Phase,
    /// Tries that failed in a row.
    failures: u32,
    /// The doors that should be there.
    pub(super) wanted: BTreeMap<RoomId, Door>,
    /// The doors the server has confirmed.
    pub(super) topics: BTreeMap<RoomId, Topic>,
    waiting: VecDeque<ClientMessage>,
    pace: Pace,
    pub(super) answers: Pace,
    /// When to ask again for the topics that had no place.
    ask_again_at: Option<Time>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Yes,
    Full,
}

impl Server {
    pub(super) fn new(wanted: BTreeMap<RoomId, Door>, now: Time) -> Self {
        Self {
            phase: Phase::Opening { until: now + STEP },
            failures: 0,
            wanted,
            topics: BTreeMap::new(),
            waiting: VecDeque::new(),
            pace: Pace::new(SEND_INTERVAL, SEND_BURST),
            answers: Pace::new(ANSWER_INTERVAL, ANSWER_BURST),
            ask_again_at: None,
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.phase == Phase::Listening
    }

    /// A new try begins.
    pub(super) fn open(&mut self, now: Time) {
        self.phase = Phase::Opening { until: now + STEP };
    }

    /// The connection is gone. `spread` in `0.0..1.0`: not all who lost it come back at once.
    pub(super) fn lose(&mut self, spread: f64, now: Time) {
        let doubled = RETRY_FIRST.saturating_mul(1 << self.failures.min(10));
        let until = now + doubled.min(RETRY_LONGEST).mul_f64(1.0 - spread / 4.0);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Waiting { until };
        self.topics.clear();
        self.waiting.clear();
        self.ask_again_at = None;
        self.pace = Pace::new(SEND_INTERVAL, SEND_BURST);
    }

    /// The WebSocket is open.
    pub(super) fn ask_first(&mut self, now: Time) {
        self.phase = Phase::Asking { until: now + STEP };
        self.ask(now);
    }

    /// Says which topics are wanted.
    pub(super) fn ask(&mut self, now: Time) {
        self.topics.retain(|id, _| self.wanted.contains_key(id));
        self.ask_again_at = Some(now + ASK_AGAIN);
        // Only the newest list counts.
        self.waiting
            .retain(|message| !matches!(message, ClientMessage::Listen { .. }));
        self.waiting.push_front(ClientMessage::Listen {
            v: PROTOCOL_VERSION,
            topics: self.wanted.keys().copied().collect(),
        });
    }

    /// The server's answer. Gives how much of it was not used.
    pub(super) fn on_listening(&mut self, topics: Vec<TopicState>, now: Time) -> usize {
        self.phase = Phase::Listening;
        self.failures = 0;
        let mut unused = 0;
        for TopicState { topic, slot, others } in topics {
            let Some(door) = self.wanted.get(&topic).filter(|_| !self.topics.contains_key(&topic)) else {
                unused += 1;
                continue;
            };
            let mut entered = Topic {
                door: door.clone(),
                slot,
                visitors: BTreeMap::new(),
            };
            for other in others {
                unused += usize::from(!entered.admit(other, now));
            }
            self.topics.insert(topic, entered);
        }
        unused
    }

    /// Puts a blob where it waits for its turn, behind all others: those of a session must keep their order.
    pub(super) fn post(&mut self, topic: RoomId, to: Slot, blob: Vec<u8>) -> Queued {
        if self.waiting.len() >= MAX_WAITING {
            return Queued::Full;
        }
        let blob = Blob(blob);
        self.waiting.push_back(ClientMessage::Post { topic, to, blob });
        Queued::Yes
    }

    fn is_open(&self) -> bool {
        match self.phase {
            Phase::Opening { .. } | Phase::Waiting { .. } => false,
            Phase::Asking { .. } | Phase::Listening => true,
        }
    }

    /// The next message whose turn it is.
    pub(super) fn next_message(&mut self, now: Time) -> Option<ClientMessage> {
        if !self.is_open() || self.waiting.is_empty() || !self.pace.take(now) {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Somebody with whom a handshake is due, if it may begin now.
    pub(super) fn next_handshake(&mut self, now: Time) -> Option<(RoomId, Slot)> {
        if !self.is_open() || !self.waiting.is_empty() || now < self.pace.ready_at() {
            return None;
        }
        self.visitors()
            .find(|(_, _, visitor)| visitor.handshake.due().is_some_and(|at| at <= now))
            .map(|(topic, slot, _)| (topic, slot))
    }

    pub(super) fn visitors(&self) -> impl Iterator<Item = (RoomId, Slot, &Visitor)> {
        self.topics
            .iter()
            .flat_map(|(&id, topic)| topic.visitors.iter().map(move |(&slot, visitor)| (id, slot, visitor)))
    }

    pub(super) fn visitor_mut(&mut self, topic: RoomId, slot: Slot) -> Option<&mut Visitor> {
        self.topics.get_mut(&topic)?.visitors.get_mut(&slot)
    }

    /// Asks for what had no place, if it is time.
    pub(super) fn ask_again_if_due(&mut self, now: Time) {
        if self.ask_again_at.is_some_and(|at| at <= now) && self.is_open() {
            self.ask_again_at = None;
            if self.topics.len() < self.wanted.len() {
                self.ask(now);
            }
        }
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let phase = match self.phase {
            Phase::Opening { until } | Phase::Asking { until } | Phase::Waiting { until } => Some(until),
            Phase::Listening => None,
        };
        if !self.is_open() {
            return phase;
        }
        let turn = self.pace.ready_at();
        let message = (!self.waiting.is_empty()).then_some(turn);
        let handshakes = self.visitors().filter_map(|(_, _, visitor)| match &visitor.handshake {
            Handshake::Due { at } => Some(turn.max(*at)),
            Handshake::Asked { until, .. } | Handshake::Answered { until, .. } => Some(*until),
            Handshake::None | Handshake::Refused => None,
        });
        handshakes.chain(phase).chain(message).chain(self.ask_again_at).min()
    }
}

impl Topic {
    /// Somebody is there. False when there is no place for them or they are known.
    pub(super) fn admit(&mut self, slot: Slot, now: Time) -> bool {
        let has_place = self.visitors.len() < MAX_LISTENERS && slot != self.slot && !self.visitors.contains_key(&slot);
        if has_place {
            // The one who came later begins, so that they do not both.
            let handshake = match self.slot > slot {
                true => Handshake::Due { at: now },
                false => Handshake::None,
            };
            self.visitors.insert(slot, Visitor::new(handshake));
        }
        has_place
    }
}
