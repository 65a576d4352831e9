//! Rooms and who is in them: a message in, messages out.
//!
//! Pure: no clock, socket or randomness. The caller passes the time since its own start, a token it drew, and
//! a [`ConnectionId`] for each connection; it sends the messages of the [`Outcome`] in order, then ends the connections
//! the outcome names. A connection that ends is reported with [`RoomRegistry::dropped`], whatever ended it.
//!
//! Memory is bounded: at most `RoomLimits::rooms` rooms of `RoomLimits::members` members, and one seat a connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use signaling_protocol::{
    Blob, ErrorCode, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, RoomId, ServerMessage, Slot, limits,
};

use crate::outcome::{ConnectionId, Goodbye, Outcome, check_blob, check_version};

/// What one registry holds at most, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// People in one room, those that are away included.
    pub members: usize,
    /// Rooms. One more takes the place of the room that has been without connections for longest.
    pub rooms: usize,
    /// How long a room stays when nobody is connected to it.
    pub empty_room_lifetime: Duration,
    /// How long a dropped member's slot is kept for it.
    pub resume_lifetime: Duration,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            members: limits::MAX_ROOM_MEMBERS,
            rooms: 8192,
            empty_room_lifetime: limits::EMPTY_ROOM_LIFETIME,
            resume_lifetime: limits::RESUME_LIFETIME,
        }
    }
}

/// The fields of a `join` message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The client's protocol version.
    pub v: u16,
    /// Which room.
    pub room: RoomId,
    /// A slot to take back after a drop.
    pub resume: Option<Resume>,
}

/// All rooms of a server.
#[derive(Debug)]
pub struct RoomRegistry {
    limits: RoomLimits,
    rooms: HashMap<RoomId, Room>,
    seats: HashMap<ConnectionId, Seat>,
    /// Members without a connection, by the time they lost it.
    away: BTreeSet<(Duration, RoomId, Slot)>,
    /// Rooms to which nobody is connected, by the time the last connection went.
    empty: BTreeSet<(Duration, RoomId)>,
    blobs_dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    room: RoomId,
    slot: Slot,
}

#[derive(Debug, Default)]
struct Room {
    members: BTreeMap<Slot, Member>,
    next_slot: u32,
    empty_since: Option<Duration>,
}

#[derive(Debug)]
struct Member {
    token: ResumeToken,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here(ConnectionId),
    Away { since: Duration },
}

impl RoomRegistry {
    /// A registry without rooms.
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            seats: HashMap::new(),
            away: BTreeSet::new(),
            empty: BTreeSet::new(),
            blobs_dropped: 0,
        }
    }

    /// A connection asks to enter a room, or to take its slot in it back.
    ///
    /// `fresh_token` is drawn at random by the caller, and used when the slot is new.
    pub fn join(&mut self, connection: ConnectionId, request: JoinRequest, fresh_token: ResumeToken) -> Outcome {
        if self.seats.contains_key(&connection) {
            let message = "This connection is in a room already.";
            return Outcome::refused(connection, ErrorCode::NotJoined, message);
        }
        if let Err(goodbye) = check_version(request.v) {
            return Outcome::goodbye(connection, goodbye);
        }
        if let Some(resume) = &request.resume
            && let Some(outcome) = self.take_back(connection, request.room, resume)
        {
            return outcome;
        }
        self.enter(connection, request.room, fresh_token)
    }

    /// A connection passes a blob to a member of its room.
    pub fn relay(&mut self, connection: ConnectionId, to: Slot, blob: Blob) -> Outcome {
        let Some(seat) = self.seats.get(&connection) else {
            return Outcome::not_joined(connection);
        };
        if let Err(goodbye) = check_blob(&blob) {
            return Outcome::goodbye(connection, goodbye);
        }
        let addressee = match self.rooms.get(&seat.room) {
            Some(room) if to != seat.slot => room.members.get(&to),
            Some(_) | None => None,
        };
        match addressee.map(|member| member.presence) {
            Some(Presence::Here(receiver)) => {
                Outcome::message(receiver, ServerMessage::Relay { from: seat.slot, blob })
            }
            // Not an error: the sender cannot know yet. Whoever comes back starts new sessions anyway.
            Some(Presence::Away { .. }) => {
                self.blobs_dropped += 1;
                Outcome::default()
            }
            None => {
                self.blobs_dropped += 1;
                Outcome::no_such_member(connection, format!("Nobody else in the room has slot {}.", to.0))
            }
        }
    }

    /// A connection gives its slot up.
    pub fn leave(&mut self, connection: ConnectionId, now: Duration) -> Outcome {
        let Some(seat) = self.seats.remove(&connection) else {
            return Outcome::not_joined(connection);
        };
        let mut outcome = Outcome::default();
        if let Some(room) = self.rooms.get_mut(&seat.room) {
            room.members.remove(&seat.slot);
            let message = ServerMessage::PeerLeft {
                slot: seat.slot,
                reason: LeaveReason::Left,
            };
            room.tell_others(seat.slot, &message, &mut outcome);
        }
        self.note_if_empty(seat.room, now);
        outcome.disconnects.push((connection, Goodbye::Left));
        outcome
    }

    /// A connection is gone. Its slot is kept for a while.
    pub fn dropped(&mut self, connection: ConnectionId, now: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(Seat { room: id, slot }) = self.seats.remove(&connection) else {
            return outcome;
        };
        if let Some(room) = self.rooms.get_mut(&id) {
            if let Some(member) = room.members.get_mut(&slot) {
                member.presence = Presence::Away { since: now };
                self.away.insert((now, id, slot));
            }
            room.tell_others(slot, &ServerMessage::PeerAway { slot }, &mut outcome);
        }
        self.note_if_empty(id, now);
        outcome
    }

    /// Gives up slots and rooms whose time is over. To be called at [`Self::next_expiry`].
    pub fn expire(&mut self, now: Duration) -> Outcome {
        while let Some(&(since, room)) = self.empty.first()
            && since + self.limits.empty_room_lifetime <= now
        {
            self.remove_room(room);
        }
        let mut outcome = Outcome::default();
        while let Some(&(since, id, slot)) = self.away.first()
            && since + self.limits.resume_lifetime <= now
        {
            self.away.pop_first();
            if let Some(room) = self.rooms.get_mut(&id) {
                room.members.remove(&slot);
                room.tell_others(
                    slot,
                    &ServerMessage::PeerLeft {
                        slot,
                        reason: LeaveReason::Lost,
                    },
                    &mut outcome,
                );
            }
        }
        outcome
    }

    /// When [`Self::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Duration> {
        let slot = self
            .away
            .first()
            .map(|(since, ..)| *since + self.limits.resume_lifetime);
        let room = self
            .empty
            .first()
            .map(|(since, _)| *since + self.limits.empty_room_lifetime);
        slot.into_iter().chain(room).min()
    }

    /// Whether a connection has a slot in a room.
    pub fn has_seat(&self, connection: ConnectionId) -> bool {
        self.seats.contains_key(&connection)
    }

    /// Rooms at present, those without connections included.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Blobs that had no receiver, since the start.
    pub fn blobs_dropped(&self) -> u64 {
        self.blobs_dropped
    }

    /// `None` when there is no such slot in such a room, or the token is another one.
    fn take_back(&mut self, connection: ConnectionId, id: RoomId, resume: &Resume) -> Option<Outcome> {
        let room = self.rooms.get_mut(&id)?;
        let slot = resume.slot;
        let member = room
            .members
            .get_mut(&slot)
            .filter(|member| member.token.matches(&resume.token))?;
        let mut outcome = Outcome::default();
        match std::mem::replace(&mut member.presence, Presence::Here(connection)) {
            // The server may learn of a drop later than the client does.
            Presence::Here(old) => {
                self.seats.remove(&old);
                outcome.disconnects.push((old, Goodbye::TakenOver));
            }
            Presence::Away { since } => {
                self.away.remove(&(since, id, slot));
            }
        }
        self.seats.insert(connection, Seat { room: id, slot });
        if let Some(since) = room.empty_since.take() {
            self.empty.remove(&(since, id));
        }
        // The token stays: had it changed, a client that drops before the answer arrives would lose its slot.
        outcome
            .messages
            .push((connection, room.welcome(slot, resume.token, Arrival::Back)));
        room.tell_others(slot, &ServerMessage::PeerBack { slot }, &mut outcome);
        Some(outcome)
    }

    fn enter(&mut self, connection: ConnectionId, id: RoomId, token: ResumeToken) -> Outcome {
        if !self.rooms.contains_key(&id) && !self.make_space() {
            let message = "This server has no place for another room: try again later.";
            return Outcome::refused(connection, ErrorCode::Busy, message);
        }
        let room = self.rooms.entry(id).or_default();
        if room.members.len() >= self.limits.members {
            let message = format!("The call is full: {} people are in it.", self.limits.members);
            return Outcome::refused(connection, ErrorCode::RoomFull, message);
        }
        let slot = Slot(room.next_slot);
        let Some(next_slot) = room.next_slot.checked_add(1) else {
            let message = "This room has been in use for too long: make a new link.";
            return Outcome::refused(connection, ErrorCode::Busy, message);
        };
        room.next_slot = next_slot;
        room.members.insert(
            slot,
            Member {
                token,
                presence: Presence::Here(connection),
            },
        );
        self.seats.insert(connection, Seat { room: id, slot });
        if let Some(since) = room.empty_since.take() {
            self.empty.remove(&(since, id));
        }
        let mut outcome = Outcome::default();
        outcome
            .messages
            .push((connection, room.welcome(slot, token, Arrival::New)));
        room.tell_others(slot, &ServerMessage::PeerJoined { slot }, &mut outcome);
        outcome
    }

    /// Whether there is a place for one more room. Rooms that nobody is connected to give theirs up.
    fn make_space(&mut self) -> bool {
        if self.rooms.len() < self.limits.rooms {
            return true;
        }
        match self.empty.first() {
            Some(&(_, room)) => {
                self.remove_room(room);
                true
            }
            None => false,
        }
    }

    fn note_if_empty(&mut self, id: RoomId, now: Duration) {
        if let Some(room) = self.rooms.get_mut(&id)
            && room.empty_since.is_none()
            && room.connections().next().is_none()
        {
            room.empty_since = Some(now);
            self.empty.insert((now, id));
        }
    }

    /// Removes a room to which nobody is connected.
    fn remove_room(&mut self, id: RoomId) {
        let Some(room) = self.rooms.remove(&id) else { return };
        if let Some(since) = room.empty_since {
            self.empty.remove(&(since, id));
        }
        for (slot, member) in room.members {
            if let Presence::Away { since } = member.presence {
                self.away.remove(&(since, id, slot));
            }
        }
    }
}

/// How a member came to its slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    New,
    Back,
}

impl Room {
    fn connections(&self) -> impl Iterator<Item = (Slot, ConnectionId)> + '_ {
        self.members.iter().filter_map(|(slot, member)| match member.presence {
            Presence::Here(connection) => Some((*slot, connection)),
            Presence::Away { .. } => None,
        })
    }

    fn welcome(&self, slot: Slot, token: ResumeToken, arrival: Arrival) -> ServerMessage {
        let members = self.members.keys().copied().filter(|other| *other != slot).collect();
        ServerMessage::Joined {
            v: PROTOCOL_VERSION,
            slot,
            token,
            members,
            resumed: arrival == Arrival::Back,
        }
    }

    fn tell_others(&self, slot: Slot, message: &ServerMessage, outcome: &mut Outcome) {
        let others = self.connections().filter(|(other, _)| *other != slot);
        outcome
            .messages
            .extend(others.map(|(_, connection)| (connection, message.clone())));
    }
}
