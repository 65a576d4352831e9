//! Topics and who listens on them, which is how doorbells ring: a message in, messages out.
//!
//! Pure in the way of the [registry of rooms](crate::registry), and apart from it: a topic and a room with the same id
//! have nothing in common. Nothing is kept for who is not connected: a topic ends with its last listener.
//!
//! Memory is bounded by [`TopicLimits::places`], of which one connection takes [`TopicLimits::per_connection`] at most.
//! Work is bounded too: a connection enters topics only so fast, and never leaves more than it entered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use signaling_protocol::{Blob, ErrorCode, PROTOCOL_VERSION, RoomId, ServerMessage, Slot, TopicState, limits};

use crate::outcome::{ConnectionId, Goodbye, Outcome, check_blob, check_version};
use crate::token_bucket::TokenBucket;

/// What topics may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Topics that one connection listens on. A `listen` that names more is refused.
    pub per_connection: usize,
    /// Connections on one topic. One more does not get in.
    pub listeners: usize,
    /// Listeners of all topics together, a connection counted once for each of its topics. One more does not get in.
    pub places: usize,
    /// Topics a second that one connection enters on average.
    pub entries_per_second: u32,
    /// Topics that one connection enters at once after a pause.
    pub entry_burst: u32,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self {
            per_connection: limits::MAX_TOPICS,
            listeners: limits::MAX_LISTENERS,
            // Half of what all connections could ask for: 55 MiB when each is alone on its topics.
            places: 262_144,
            entries_per_second: limits::TOPICS_PER_SECOND,
            entry_burst: limits::TOPIC_BURST,
        }
    }
}

/// All topics of a server.
#[derive(Debug)]
pub struct TopicRegistry {
    limits: TopicLimits,
    /// Each has a listener.
    topics: HashMap<RoomId, Topic>,
    doorbells: HashMap<ConnectionId, Doorbell>,
    places_taken: usize,
    blobs_dropped: u64,
}

#[derive(Debug, Default)]
struct Topic {
    /// In the order of their slots.
    listeners: Vec<Listener>,
    next_slot: u32,
}

#[derive(Clone, Copy, Debug)]
struct Listener {
    slot: Slot,
    connection: ConnectionId,
}

/// What a connection listens on.
#[derive(Debug)]
struct Doorbell {
    slots: BTreeMap<RoomId, Slot>,
    entries: TokenBucket,
}

impl TopicRegistry {
    /// A registry without topics.
    pub fn new(limits: TopicLimits) -> Self {
        Self {
            limits,
            topics: HashMap::new(),
            doorbells: HashMap::new(),
            places_taken: 0,
            blobs_dropped: 0,
        }
    }

    /// A connection that speaks version `v` listens on these topics from `now` on, and on no others.
    ///
    /// Topics that are left make place for those that are entered. One that has no place for the connection is missing
    /// in the answer; a later call tries it again.
    pub fn listen(&mut self, connection: ConnectionId, v: u16, topics: Vec<RoomId>, now: Duration) -> Outcome {
        if let Err(goodbye) = check_version(v) {
            return Outcome::goodbye(connection, goodbye);
        }
        if topics.len() > self.limits.per_connection {
            let (count, most) = (topics.len(), self.limits.per_connection);
            let message = format!("{count} topics are more than the {most} allowed.");
            return Outcome::refused(connection, ErrorCode::TooLarge, message);
        }
        let wanted: BTreeSet<RoomId> = topics.into_iter().collect();
        let doorbell = self
            .doorbells
            .entry(connection)
            .or_insert_with(|| Doorbell::new(&self.limits, now));
        let held: BTreeSet<RoomId> = doorbell.slots.keys().copied().collect();
        let entered: Vec<RoomId> = wanted.difference(&held).copied().collect();
        if !doorbell
            .entries
            .take(u32::try_from(entered.len()).unwrap_or(u32::MAX), now)
        {
            let message = "Too many topics in a short time.";
            return Outcome::refused(connection, ErrorCode::TooFast, message);
        }
        let mut outcome = Outcome::default();
        for topic in held.difference(&wanted) {
            self.leave_topic(connection, *topic, &mut outcome);
        }
        let topics: Vec<TopicState> = entered
            .into_iter()
            .filter_map(|topic| self.enter_topic(connection, topic))
            .collect();
        let notices: Vec<_> = topics.iter().flat_map(|state| self.came(state)).collect();
        let v = PROTOCOL_VERSION;
        outcome
            .messages
            .push((connection, ServerMessage::Listening { v, topics }));
        outcome.messages.extend(notices);
        outcome
    }

    /// A connection passes a blob to another listener of a topic that it listens on.
    pub fn post(&mut self, connection: ConnectionId, topic: RoomId, to: Slot, blob: Blob) -> Outcome {
        let Some(doorbell) = self.doorbells.get(&connection) else {
            return Outcome::not_joined(connection);
        };
        if let Err(goodbye) = check_blob(&blob) {
            return Outcome::goodbye(connection, goodbye);
        }
        let from = doorbell.slots.get(&topic).copied().filter(|from| *from != to);
        let listeners = self.topics.get(&topic).map_or(&[][..], |topic| &topic.listeners);
        let receiver = listeners.iter().find(|listener| listener.slot == to);
        match (from, receiver) {
            (Some(from), Some(receiver)) => {
                Outcome::message(receiver.connection, ServerMessage::Posted { topic, from, blob })
            }
            // Not fatal: the sender may not have been told yet that the listener went.
            (None, _) | (_, None) => {
                self.blobs_dropped += 1;
                Outcome::no_such_member(connection, format!("Nobody else has slot {} of this topic.", to.0))
            }
        }
    }

    /// A connection asks to end.
    pub fn leave(&mut self, connection: ConnectionId) -> Outcome {
        if !self.is_listening(connection) {
            return Outcome::not_joined(connection);
        }
        let mut outcome = self.dropped(connection);
        outcome.disconnects.push((connection, Goodbye::Left));
        outcome
    }

    /// A connection is gone.
    pub fn dropped(&mut self, connection: ConnectionId) -> Outcome {
        let mut outcome = Outcome::default();
        let topics: Vec<RoomId> = match self.doorbells.get(&connection) {
            Some(doorbell) => doorbell.slots.keys().copied().collect(),
            None => return outcome,
        };
        for topic in topics {
            self.leave_topic(connection, topic, &mut outcome);
        }
        self.doorbells.remove(&connection);
        outcome
    }

    /// Whether a connection is here to listen, be it on no topic at all.
    pub fn is_listening(&self, connection: ConnectionId) -> bool {
        self.doorbells.contains_key(&connection)
    }

    /// Topics at present.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Listeners at present, a connection counted once for each of its topics.
    pub fn places_taken(&self) -> usize {
        self.places_taken
    }

    /// Blobs that had no receiver, since the start.
    pub fn blobs_dropped(&self) -> u64 {
        self.blobs_dropped
    }

    /// `None` when there is no place.
    fn enter_topic(&mut self, connection: ConnectionId, id: RoomId) -> Option<TopicState> {
        let doorbell = self.doorbells.get_mut(&connection)?;
        let listeners = self.topics.get(&id).map_or(0, |topic| topic.listeners.len());
        if listeners >= self.limits.listeners || self.places_taken >= self.limits.places {
            return None;
        }
        let topic = self.topics.entry(id).or_default();
        let slot = Slot(topic.next_slot);
        // A topic whose slots are used up takes nobody until all have left; a new one has all of them.
        topic.next_slot = topic.next_slot.checked_add(1)?;
        let others = topic.listeners.iter().map(|listener| listener.slot).collect();
        topic.listeners.push(Listener { slot, connection });
        doorbell.slots.insert(id, slot);
        self.places_taken += 1;
        Some(TopicState {
            topic: id,
            slot,
            others,
        })
    }

    fn leave_topic(&mut self, connection: ConnectionId, id: RoomId, outcome: &mut Outcome) {
        let left = self
            .doorbells
            .get_mut(&connection)
            .and_then(|doorbell| doorbell.slots.remove(&id));
        let (Some(slot), Some(topic)) = (left, self.topics.get_mut(&id)) else {
            return;
        };
        topic.listeners.retain(|listener| listener.slot != slot);
        self.places_taken -= 1;
        let notice = ServerMessage::ListenerWent { topic: id, slot };
        let others = topic.listeners.iter();
        outcome
            .messages
            .extend(others.map(|other| (other.connection, notice.clone())));
        if topic.listeners.is_empty() {
            self.topics.remove(&id);
        }
    }

    /// What the others on a topic are told of who just entered it.
    fn came(&self, state: &TopicState) -> impl Iterator<Item = (ConnectionId, ServerMessage)> {
        let (topic, slot) = (state.topic, state.slot);
        let listeners = self.topics.get(&topic).into_iter().flat_map(|topic| &topic.listeners);
        listeners
            .filter(move |listener| listener.slot != slot)
            .map(move |listener| (listener.connection, ServerMessage::ListenerCame { topic, slot }))
    }
}

impl Doorbell {
    fn new(limits: &TopicLimits, now: Duration) -> Self {
        Self {
            slots: BTreeMap::new(),
            entries: TokenBucket::new(limits.entries_per_second, limits.entry_burst, now),
        }
    }
}
