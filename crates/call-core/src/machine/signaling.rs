//! The connection to the server: opening, entering the room, retrying, and who the server says is there.
//!
//! It may die at any time. Then nothing happens to those who are connected; they are greeted again when it is back.

use std::collections::BTreeMap;

use signaling_protocol::limits::MAX_ROOM_MEMBERS;
use signaling_protocol::{
    ClientMessage, ErrorCode, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, ServerMessage, Slot,
};

use crate::action::{Action, EndReason};
use crate::deadlines::{Deadline, JOIN_LIMIT, PROBE, RETRY_FIRST, RETRY_LONGEST, RETRY_URGENT, SIGNALING_STEP};
use crate::input::{PeerKey, SignalingInput, SignalingLoss};
use crate::machine::CallMachine;
use crate::peer::{PeerLink, ServerWord};
use crate::sealing::Channel;
use crate::snapshot::SignalingState;
use crate::time::Time;
use crate::timeline::{Departure, MilestoneKind};
use trust::PublicKey;

/// The connection to the server.
#[derive(Debug, Default)]
pub(super) struct Signaling {
    phase: Phase,
    /// Takes our slot back after a drop.
    resume: Option<Resume>,
    history: History,
    /// Tries that failed in a row.
    failures: u32,
    /// What went wrong last, for the user.
    last_problem: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Closed,
    /// The WebSocket is being opened, or `Joined` has not come, since this time.
    Opening { since: Time },
    /// In the room.
    Joined { slot: Slot },
    /// The next try is at this time.
    Waiting { until: Time },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum History {
    #[default]
    NeverJoined,
    HasJoined,
}

impl Signaling {
    pub(super) fn ever_joined(&self) -> bool {
        self.history == History::HasJoined
    }

    /// Our slot, while we are in the room.
    pub(super) fn own_slot(&self) -> Option<Slot> {
        match self.phase {
            Phase::Joined { slot } => Some(slot),
            Phase::Closed | Phase::Opening { .. } | Phase::Waiting { .. } => None,
        }
    }

    pub(super) fn state(&self) -> SignalingState {
        match self.phase {
            Phase::Closed => SignalingState::Closed,
            Phase::Joined { .. } => SignalingState::Joined,
            Phase::Opening { .. } if self.failures == 0 && !self.ever_joined() => SignalingState::Connecting,
            Phase::Opening { since: at } | Phase::Waiting { until: at } => SignalingState::Retrying {
                at,
                failures: self.failures,
            },
        }
    }
}

/// Who the server says is in the room, without us.
#[derive(Debug, Default)]
pub(super) struct Room(BTreeMap<Slot, Member>);

/// Somebody's place at the server.
#[derive(Debug)]
pub(super) struct Member {
    pub presence: Presence,
    pub occupant: Option<PeerKey>,
    /// How often we have greeted without an answer.
    pub greetings: u32,
    /// Messages of handshakes that proved nothing, since one succeeded.
    pub unproven: u32,
    pub trouble: Trouble,
    pub watch: Watch,
    pub channel: Channel,
}

impl Member {
    /// From the beginning: they have to greet, or to answer.
    pub(super) fn expect_anew(&mut self) {
        self.greetings = 0;
        self.presence = match self.presence {
            Presence::Unanswered | Presence::Present | Presence::Mute => Presence::Unanswered,
            Presence::Away => Presence::Away,
        };
    }
}

/// Whether sessions with a member keep breaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    Disturbed,
}

/// Whether a session is watched for silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Off,
    On,
}

/// Whether messages to a member arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// They may: it has not greeted since we or it came. The server lists those too who are away for the moment.
    Unanswered,
    /// They do.
    Present,
    /// It does not answer. Asked again from time to time.
    Mute,
    /// The server has no connection to it.
    Away,
}

impl Room {
    fn enter(&mut self, slot: Slot) {
        self.0.entry(slot).or_insert(Member {
            presence: Presence::Unanswered,
            occupant: None,
            greetings: 0,
            unproven: 0,
            trouble: Trouble::None,
            watch: Watch::Off,
            channel: Channel::default(),
        });
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        self.0.keys().copied().collect()
    }

    pub(super) fn member_mut(&mut self, slot: Slot) -> Option<&mut Member> {
        self.0.get_mut(&slot)
    }

    pub(super) fn occupant(&self, slot: Slot) -> Option<PeerKey> {
        self.0.get(&slot).and_then(|member| member.occupant)
    }

    pub(super) fn member(&self, slot: Slot) -> Option<&Member> {
        self.0.get(&slot)
    }

    /// Who the member proved to be.
    pub(super) fn remote(&self, slot: Slot) -> Option<PublicKey> {
        self.0.get(&slot).and_then(|member| member.channel.remote())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }

    /// Whether it is worth sending something to this slot.
    pub(super) fn is_reachable(&self, slot: Slot) -> bool {
        self.0.get(&slot).is_some_and(|member| match member.presence {
            Presence::Unanswered | Presence::Present => true,
            Presence::Mute | Presence::Away => false,
        })
    }

    /// The participant of this slot is gone; the slot may stay.
    pub(super) fn vacate(&mut self, slot: Slot) {
        if let Some(member) = self.0.get_mut(&slot) {
            member.occupant = None;
        }
    }
}

impl CallMachine {
    pub(super) fn open_signaling(&mut self, now: Time) {
        self.deadlines.set(Deadline::JoinLimit, now + JOIN_LIMIT);
        self.connect_signaling(now);
    }

    pub(super) fn connect_signaling(&mut self, now: Time) {
        self.signaling.phase = Phase::Opening { since: now };
        self.deadlines.clear(Deadline::SignalingRetry);
        self.deadlines.set(Deadline::SignalingStep, now + SIGNALING_STEP);
        self.act(Action::ConnectSignaling);
    }

    /// Our addresses changed: a connection from an old one is dead, but would take half a minute to say so.
    pub(super) fn reopen_signaling(&mut self, now: Time) {
        self.close_sessions();
        self.connect_signaling(now);
    }

    /// Goes to the room of the keys that we have now. The server is not told that we leave the old one: it would
    /// tell those who have not heard of the new one yet that we hung up.
    pub(super) fn leave_room(&mut self, now: Time) {
        self.close_sessions();
        for slot in self.room.slots() {
            self.on_member_left(slot, LeaveReason::Lost, now);
        }
        self.signaling.resume = None;
        self.signaling.failures = 0;
        match self.signaling.phase {
            Phase::Joined { .. } | Phase::Opening { .. } => self.act(Action::CloseSignaling),
            Phase::Closed | Phase::Waiting { .. } => {}
        }
        self.connect_signaling(now);
    }

    /// Somebody fell silent: either they are away, or we are. A server that is there tells which, at once.
    pub(super) fn press_signaling(&mut self, now: Time) {
        match self.signaling.phase {
            Phase::Joined { .. } => {
                self.act(Action::ProbeSignaling);
                self.deadlines.set(Deadline::Probe, now + PROBE);
            }
            Phase::Waiting { .. } => self
                .deadlines
                .set_no_later(Deadline::SignalingRetry, now + RETRY_URGENT),
            Phase::Closed | Phase::Opening { .. } => {}
        }
    }

    /// Somebody is back, so the server may be too.
    pub(super) fn on_network_back(&mut self, now: Time) {
        if let Phase::Waiting { until } = &mut self.signaling.phase {
            *until = (*until).min(now + RETRY_URGENT);
            self.deadlines.set_no_later(Deadline::SignalingRetry, *until);
        }
    }

    pub(super) fn on_probe_due(&mut self, now: Time) {
        if self.is_anybody_lost() {
            self.press_signaling(now);
        }
    }

    pub(super) fn close_signaling(&mut self) {
        match self.signaling.phase {
            Phase::Joined { .. } => {
                self.act(Action::Signal(ClientMessage::Leave));
                self.act(Action::CloseSignaling);
            }
            Phase::Opening { .. } => self.act(Action::CloseSignaling),
            Phase::Closed | Phase::Waiting { .. } => {}
        }
        self.signaling.phase = Phase::Closed;
    }

    pub(super) fn on_signaling_too_slow(&mut self, now: Time) {
        self.drop_connection("the server did not answer in time".to_owned(), now);
    }

    fn drop_connection(&mut self, why: String, now: Time) {
        self.act(Action::CloseSignaling);
        self.retry_signaling(why, now);
    }

    pub(super) fn on_join_limit(&mut self, now: Time) {
        let why = self
            .signaling
            .last_problem
            .take()
            .unwrap_or_else(|| "the server did not answer in time".to_owned());
        self.finish(EndReason::ServerUnreachable(why), now);
    }

    pub(super) fn on_signaling(&mut self, event: SignalingInput, now: Time) {
        match (event, self.signaling.phase) {
            (SignalingInput::Connected, Phase::Opening { .. }) => self.enter_room(now),
            (SignalingInput::Message(message), Phase::Opening { .. } | Phase::Joined { .. }) => {
                self.on_server_message(message, now);
            }
            (SignalingInput::Disconnected(loss), Phase::Opening { .. } | Phase::Joined { .. }) => match loss {
                SignalingLoss::Unreachable(why) => self.retry_signaling(why, now),
                SignalingLoss::WrongServer(why) if self.is_anybody_connected() => self.retry_signaling(why, now),
                SignalingLoss::WrongServer(why) => {
                    self.signaling.phase = Phase::Closed;
                    self.finish(EndReason::WrongServer(why), now);
                }
            },
            (
                SignalingInput::Connected | SignalingInput::Message(_) | SignalingInput::Disconnected(_),
                Phase::Closed | Phase::Waiting { .. } | Phase::Joined { .. },
            ) => self.dropped.stale += 1,
        }
    }

    fn enter_room(&mut self, now: Time) {
        self.deadlines.set(Deadline::SignalingStep, now + SIGNALING_STEP);
        self.act(Action::Signal(ClientMessage::Join {
            v: PROTOCOL_VERSION,
            room: self.own.keys.room,
            resume: self.signaling.resume.clone(),
        }));
    }

    fn retry_signaling(&mut self, why: String, now: Time) {
        if self.signaling.own_slot().is_some() {
            self.note(now, None, MilestoneKind::ServerLost);
        }
        self.close_sessions();
        self.signaling.last_problem = Some(why);
        let doubled = RETRY_FIRST.saturating_mul(1 << self.signaling.failures.min(10));
        let longest = match self.is_anybody_lost() {
            true => RETRY_URGENT,
            false => RETRY_LONGEST,
        };
        // Up to a quarter off, so that all of a room do not come back at once.
        let spread = 1.0 - self.random.fraction() / 4.0;
        let until = now + doubled.min(longest).mul_f64(spread);
        self.signaling.failures = self.signaling.failures.saturating_add(1);
        self.signaling.phase = Phase::Waiting { until };
        self.deadlines.clear(Deadline::SignalingStep);
        self.deadlines.set(Deadline::SignalingRetry, until);
    }

    fn on_server_message(&mut self, message: ServerMessage, now: Time) {
        let is_joined = self.signaling.own_slot().is_some();
        match message {
            ServerMessage::Joined {
                v: _,
                slot,
                token,
                members,
                resumed,
            } if !is_joined => self.on_joined(slot, token, members, resumed, now),
            ServerMessage::Error { code, message } => self.on_refusal(code, message, now),
            ServerMessage::PeerJoined { slot } if is_joined => self.on_member_joined(slot, now),
            ServerMessage::PeerAway { slot } if is_joined => self.on_member_away(slot, now),
            ServerMessage::PeerBack { slot } if is_joined => self.on_member_back(slot, now),
            ServerMessage::PeerLeft { slot, reason } if is_joined => self.on_member_left(slot, reason, now),
            ServerMessage::Relay { from, blob } if is_joined => match self.room.0.contains_key(&from) {
                true => self.on_relayed(from, &blob.0, now),
                false => self.dropped.unknown_sender += 1,
            },
            ServerMessage::Joined { .. }
            | ServerMessage::PeerJoined { .. }
            | ServerMessage::PeerAway { .. }
            | ServerMessage::PeerBack { .. }
            | ServerMessage::PeerLeft { .. }
            | ServerMessage::Relay { .. }
            | ServerMessage::Listening { .. }
            | ServerMessage::ListenerCame { .. }
            | ServerMessage::ListenerWent { .. }
            | ServerMessage::Posted { .. } => self.dropped.stale += 1,
        }
    }

    fn on_joined(&mut self, slot: Slot, token: ResumeToken, members: Vec<Slot>, resumed: bool, now: Time) {
        self.signaling.phase = Phase::Joined { slot };
        self.signaling.resume = Some(Resume { slot, token });
        self.signaling.history = History::HasJoined;
        self.signaling.failures = 0;
        self.deadlines.clear(Deadline::SignalingStep);
        self.deadlines.clear(Deadline::JoinLimit);
        self.note(now, None, MilestoneKind::JoinedRoom);
        if self.is_anybody_lost() {
            self.deadlines.set(Deadline::Probe, now + PROBE);
        }
        for known in self.room.slots() {
            if !resumed || !members.contains(&known) {
                self.on_member_left(known, LeaveReason::Lost, now);
            }
        }
        for member in members.into_iter().filter(|member| *member != slot) {
            self.seat(member);
        }
        for member in self.room.slots() {
            if let Some(known) = self.room.member_mut(member) {
                known.presence = Presence::Unanswered;
                known.greetings = 0;
            }
            self.close_session(member);
            self.prepare_for(member, now);
            self.greet_first(member, now);
        }
    }

    fn on_member_joined(&mut self, slot: Slot, now: Time) {
        if self.signaling.own_slot() == Some(slot) {
            self.dropped.stale += 1;
            return;
        }
        self.seat(slot);
        self.close_session(slot);
        // It is for the newcomer to greet.
        self.expect_greeting(slot, now);
    }

    fn on_member_away(&mut self, slot: Slot, now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            self.dropped.unknown_sender += 1;
            return;
        };
        member.presence = Presence::Away;
        let occupant = member.occupant;
        self.deadlines.clear(Deadline::Greeting(slot));
        if let Some(key) = occupant
            && self.peers.get(&key).is_some_and(|peer| peer.participant.is_none())
        {
            self.remove_peer(key, Departure::NeverAnswered, now);
        }
    }

    fn on_member_back(&mut self, slot: Slot, now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            self.dropped.unknown_sender += 1;
            return;
        };
        member.presence = Presence::Unanswered;
        member.greetings = 0;
        // A new connection of theirs: nothing of what was agreed on over the old one is known there.
        self.close_session(slot);
        // It is for the one who is back to greet.
        self.expect_greeting(slot, now);
    }

    fn on_member_left(&mut self, slot: Slot, reason: LeaveReason, now: Time) {
        self.close_session(slot);
        let Some(member) = self.room.0.remove(&slot) else {
            return;
        };
        let Some(key) = member.occupant else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.slot = None;
        match (reason, &peer.link) {
            // Who hangs up says so on the control channel. The server's word ends nothing that flows.
            (LeaveReason::Left, PeerLink::Connected { .. }) => peer.server_word = ServerWord::Left,
            (LeaveReason::Left, _) => self.remove_peer(key, Departure::HungUp, now),
            (LeaveReason::Lost, PeerLink::Greeting { .. }) => self.remove_peer(key, Departure::NeverAnswered, now),
            // The media decides whether they are gone.
            (
                LeaveReason::Lost,
                PeerLink::Negotiating { .. }
                | PeerLink::Connected { .. }
                | PeerLink::Reconnecting { .. }
                | PeerLink::Unreachable { .. },
            ) => {}
        }
    }

    fn seat(&mut self, slot: Slot) {
        if self.room.0.len() < MAX_ROOM_MEMBERS || self.room.0.contains_key(&slot) {
            self.room.enter(slot);
        } else {
            self.dropped.overflow += 1;
        }
    }

    fn on_refusal(&mut self, code: ErrorCode, message: String, now: Time) {
        tracing::info!(?code, message, "the server refused something");
        match code {
            ErrorCode::ClientTooOld | ErrorCode::ClientTooNew | ErrorCode::RoomFull => {
                if self.is_anybody_connected() || self.signaling.ever_joined() {
                    self.drop_connection(message, now);
                } else {
                    self.finish(EndReason::Refused(message), now);
                }
            }
            // The server closes the connection after these.
            ErrorCode::NotJoined | ErrorCode::TooFast | ErrorCode::TooSlow | ErrorCode::TooLarge | ErrorCode::Busy => {
                self.drop_connection(message, now)
            }
            ErrorCode::Malformed | ErrorCode::UnknownType | ErrorCode::NoSuchMember | ErrorCode::Other => {}
        }
    }
}
