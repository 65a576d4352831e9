//! Sessions with those in the room: begun, answered, watched, and made anew when one breaks.
//!
//! In: blobs of the server. Out: blobs for it; greetings go to `greeting.rs`, opened messages to `messages.rs`.
//!
//! Whoever greets begins: a newcomer, or the one who is back. When both have begun, the higher slot goes on.

use signaling_protocol::limits::MAX_BLOB_BYTES;
use signaling_protocol::{Blob, ClientMessage, Slot};
use trust::session::{MessageKind, inspect};
use trust::{Answered, Responder, Session, SessionError, SessionId};

use crate::action::Action;
use crate::budget::{Allowance, Budget};
use crate::deadlines::{CHECK, Deadline, GREETING_REPEAT, GREETING_SELDOM, GREETINGS, QUIET, RENEWAL};
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::machine::greeting::{Recognized, Stranger};
use crate::machine::signaling::{Presence, Trouble, Watch};
use crate::peer::{Decision, PeerLink, ServerPath};
use crate::peer_message::{MessageError, PeerMessage};
use crate::sealing::{FirstMessage, Opened, Said};
use crate::time::Time;
use crate::timeline::{Departure, MilestoneKind};

/// First messages of all slots that are looked at a minute: a server can give out as many slots as it likes.
pub(super) type Handshakes = Budget<240>;

impl CallMachine {
    /// Begins a handshake with a member, and again until an answer comes.
    pub(super) fn greet_first(&mut self, slot: Slot, now: Time) {
        let Some(own) = self.signaling.own_slot() else { return };
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        member.greetings += 1;
        let terms = self.own.keys.terms(own, slot);
        let blob = member.channel.ask(&terms, &self.own.identity, &mut self.own.entropy);
        self.relay(slot, blob);
        self.expect_greeting(slot, now);
    }

    /// Sees to it that somebody greets if nobody has soon.
    pub(super) fn expect_greeting(&mut self, slot: Slot, now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let patience = match member.presence {
            Presence::Unanswered => GREETING_REPEAT,
            Presence::Mute => GREETING_SELDOM,
            Presence::Present | Presence::Away => return,
        };
        self.deadlines.set(Deadline::Greeting(slot), now + patience);
    }

    /// Without the server there is nobody to greet, and a session ends with the connection it was made on.
    pub(super) fn close_sessions(&mut self) {
        for slot in self.room.slots() {
            self.close_session(slot);
        }
    }

    /// Forgets the session with a slot, and the handshake under way.
    pub(super) fn close_session(&mut self, slot: Slot) {
        self.deadlines.clear(Deadline::Greeting(slot));
        self.deadlines.clear(Deadline::Check(slot));
        self.deadlines.clear(Deadline::Quiet(slot));
        if let Some(member) = self.room.member_mut(slot) {
            member.channel.close();
            member.watch = Watch::Off;
        }
    }

    pub(super) fn on_greeting_unanswered(&mut self, slot: Slot, now: Time) {
        let is_stranger = !self.is_greeted(slot);
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        if member.greetings >= GREETINGS {
            member.presence = Presence::Mute;
        }
        // Most likely a slot the server keeps for somebody who is gone: not shown as a participant any longer.
        if let Some(key) = member.occupant.filter(|_| is_stranger) {
            self.remove_peer(key, Departure::NeverAnswered, now);
        }
        self.greet_first(slot, now);
    }

    /// Takes in what the server passed on from a member.
    pub(super) fn on_relayed(&mut self, slot: Slot, blob: &[u8], now: Time) {
        if blob.len() > MAX_BLOB_BYTES {
            self.dropped.malformed += 1;
            return;
        }
        match inspect(blob) {
            Ok((MessageKind::First, id)) => self.on_first(slot, id, blob, now),
            Ok((MessageKind::Second, _)) => self.on_second(slot, blob, now),
            Ok((MessageKind::Third, _)) => self.on_third(slot, blob, now),
            Ok((MessageKind::Sealed, _)) => self.on_sealed(slot, blob, now),
            Err(_) => self.dropped.malformed += 1,
        }
    }

    /// Somebody greets. A session there is goes on until they have proved who they are.
    fn on_first(&mut self, slot: Slot, id: SessionId, blob: &[u8], now: Time) {
        let Some(own_slot) = self.signaling.own_slot() else {
            return;
        };
        let (said, greeting) = self.greeting_for_anybody();
        let Some(payload) = self.encode(&greeting) else { return };
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        if member.channel.is_asked() && own_slot > slot {
            self.dropped.stale += 1;
            return;
        }
        if self.handshakes.take(now) == Allowance::UsedUp {
            self.dropped.overflow += 1;
            return;
        }
        let terms = self.own.keys.terms(slot, own_slot);
        let (identity, entropy) = (&self.own.identity, &mut self.own.entropy);
        let make = || Responder::answer(&terms, identity, entropy, blob, &payload);
        match member.channel.answer(id, said, make, now) {
            Ok(FirstMessage::Answer(answer)) => {
                // Who has the secret is not mute.
                if member.presence == Presence::Mute {
                    member.presence = Presence::Unanswered;
                    member.greetings = 0;
                }
                self.relay(slot, answer);
                self.expect_greeting(slot, now);
            }
            Ok(FirstMessage::Duplicate) => self.dropped.duplicate += 1,
            Ok(FirstMessage::UsedUp) => self.dropped.overflow += 1,
            Err(error) => self.on_unproven(slot, error),
        }
    }

    /// The answer to our greeting: they are who they are, and we say who we are.
    fn on_second(&mut self, slot: Slot, blob: &[u8], now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let answered = match member.channel.receive_second(blob) {
            Ok(answered) => answered,
            Err(error) => return self.on_unproven(slot, error),
        };
        let Some(stranger) = self.read_greeting(slot, answered.remote, &answered.payload) else {
            return;
        };
        let Some(recognized) = self.recognize(&stranger, now) else {
            return;
        };
        let greeting = self.greeting_for(recognized.decision());
        let Some((third, session)) = self.complete(answered, &greeting) else {
            return;
        };
        self.relay(slot, third);
        self.install(slot, session);
        self.on_met(recognized, stranger, Turn::Ours, now);
    }

    fn complete(&mut self, answered: Answered, greeting: &PeerMessage) -> Option<(Vec<u8>, Session)> {
        let payload = self.encode(greeting)?;
        match answered.complete(&payload) {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::debug!(%error, "a handshake could not be completed");
                self.dropped.forged += 1;
                None
            }
        }
    }

    /// The end of the handshake that we answered.
    fn on_third(&mut self, slot: Slot, blob: &[u8], now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let (payload, session, said) = match member.channel.receive_third(blob) {
            Ok(completed) => completed,
            Err(error) => return self.on_unproven(slot, error),
        };
        let Some(stranger) = self.read_greeting(slot, session.remote(), &payload) else {
            return;
        };
        let Some(recognized) = self.recognize(&stranger, now) else {
            return;
        };
        self.install(slot, session);
        let decision = recognized.decision();
        if (said, decision) != (Said::Open, Decision::Open) {
            let entry = self.entry(decision);
            self.send_sealed(slot, &PeerMessage::Admission { entry });
        }
        self.on_met(recognized, stranger, Turn::Theirs, now);
    }

    fn read_greeting(&mut self, slot: Slot, key: trust::PublicKey, payload: &[u8]) -> Option<Stranger> {
        match PeerMessage::from_json(payload) {
            Ok(PeerMessage::Greeting {
                participant,
                name,
                capabilities: _,
                entry,
            }) => Some(Stranger {
                slot,
                key,
                participant,
                name,
                entry,
            }),
            Ok(_) | Err(_) => {
                self.dropped.malformed += 1;
                None
            }
        }
    }

    fn install(&mut self, slot: Slot, session: Session) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        member.channel.install(session, &mut self.own.entropy);
        member.unproven = 0;
        member.greetings = 0;
        member.presence = match member.presence {
            Presence::Unanswered | Presence::Present | Presence::Mute => Presence::Present,
            // What came was on its way; the server knows better.
            Presence::Away => Presence::Away,
        };
        // Watched anew, from the beginning.
        member.watch = Watch::Off;
        self.deadlines.clear(Deadline::Greeting(slot));
    }

    /// A message of a handshake that proves nothing.
    fn on_unproven(&mut self, slot: Slot, error: SessionError) {
        match error {
            SessionError::NotOurs => self.dropped.foreign += 1,
            SessionError::Malformed | SessionError::TooLarge(_) => self.dropped.malformed += 1,
            SessionError::Forged => {
                self.dropped.forged += 1;
                if let Some(member) = self.room.member_mut(slot) {
                    member.unproven = member.unproven.saturating_add(1);
                }
            }
        }
    }

    fn on_sealed(&mut self, slot: Slot, blob: &[u8], now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let opened = member.channel.open(blob);
        match opened {
            Opened::Message(message) => {
                member.trouble = Trouble::None;
                if member.watch == Watch::On {
                    self.deadlines.set(Deadline::Quiet(slot), now + QUIET);
                }
                self.on_opened(slot, message, now);
            }
            Opened::Malformed(error) => {
                tracing::debug!(%error, ?slot, "a message from a participant was dropped");
                self.dropped.malformed += 1;
            }
            Opened::NotOurs => self.dropped.foreign += 1,
            Opened::Broken => {
                self.dropped.forged += 1;
                self.renew_session(slot, now);
            }
        }
    }

    /// The session is worth nothing any more: shakes hands anew, at once while that is not happening all the time.
    pub(super) fn renew_session(&mut self, slot: Slot, now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let occupant = member.occupant;
        match member.channel.may_renew(now) {
            Allowance::Granted => self.greet_anew(slot, now),
            Allowance::UsedUp => {
                member.trouble = Trouble::Disturbed;
                member.expect_anew();
                self.close_session(slot);
                self.deadlines.set(Deadline::Greeting(slot), now + RENEWAL);
            }
        }
        self.note(now, occupant, MilestoneKind::SessionBroken);
    }

    /// Forgets the session with a member and begins another.
    pub(super) fn greet_anew(&mut self, slot: Slot, now: Time) {
        self.close_session(slot);
        if let Some(member) = self.room.member_mut(slot) {
            member.expect_anew();
            if member.presence != Presence::Away {
                self.greet_first(slot, now);
            }
        }
    }

    /// Watches the sessions that something depends on, and leaves the others alone.
    pub(super) fn watch_sessions(&mut self, now: Time) {
        for slot in self.room.slots() {
            let wanted = self.is_session_needed(slot);
            let Some(member) = self.room.member_mut(slot) else {
                continue;
            };
            match (member.watch, wanted) {
                (Watch::Off, Watch::On) => {
                    self.deadlines.set(Deadline::Check(slot), now + CHECK);
                    self.deadlines.set(Deadline::Quiet(slot), now + QUIET);
                }
                (Watch::On, Watch::Off) => {
                    self.deadlines.clear(Deadline::Check(slot));
                    self.deadlines.clear(Deadline::Quiet(slot));
                }
                (Watch::Off, Watch::Off) | (Watch::On, Watch::On) => {}
            }
            member.watch = wanted;
        }
    }

    /// While somebody is not connected, everything depends on the session; and until both have found the symbols,
    /// because people who compare the symbols of two sessions would take them for an attack.
    fn is_session_needed(&self, slot: Slot) -> Watch {
        let Some(member) = self.room.member(slot).filter(|member| member.channel.is_sealed()) else {
            return Watch::Off;
        };
        let peer = member.occupant.and_then(|key| self.peers.get(&key));
        match peer.filter(|peer| peer.server_path == ServerPath::Open) {
            Some(peer) => match peer.link {
                PeerLink::Greeting { .. } | PeerLink::Negotiating { .. } | PeerLink::Reconnecting { .. } => Watch::On,
                PeerLink::Connected { .. } if !member.channel.has_symbols() => Watch::On,
                PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => Watch::Off,
            },
            None => Watch::Off,
        }
    }

    pub(super) fn on_check_due(&mut self, slot: Slot) {
        self.send_sealed(slot, &PeerMessage::Check);
    }

    /// Sends through the server. Without a session nothing is sent: what matters is sent again when there is one.
    pub(super) fn send_sealed(&mut self, slot: Slot, message: &PeerMessage) {
        if self.signaling.own_slot().is_none() {
            return;
        }
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let sealed = member.channel.seal(message);
        if member.watch == Watch::On {
            self.deadlines.set(Deadline::Check(slot), self.now + CHECK);
        }
        match sealed {
            Ok(Some(blob)) => self.relay(slot, blob),
            Ok(None) => {}
            Err(error) => self.on_unsendable(&error),
        }
    }

    /// A message as it goes into a handshake or over the control channel.
    pub(super) fn encode(&mut self, message: &PeerMessage) -> Option<Vec<u8>> {
        match message.to_json() {
            Ok(payload) if payload.len() <= MAX_BLOB_BYTES => Some(payload),
            Ok(payload) => {
                self.on_unsendable(&MessageError::TooLarge(payload.len()));
                None
            }
            Err(error) => {
                self.on_unsendable(&error);
                None
            }
        }
    }

    fn on_unsendable(&mut self, error: &MessageError) {
        tracing::warn!(%error, "a message to a participant could not be sent");
        self.dropped.overflow += 1;
    }

    fn relay(&mut self, to: Slot, blob: Vec<u8>) {
        let blob = Blob(blob);
        self.act(Action::Signal(ClientMessage::Relay { to, blob }));
    }

    /// Begins to look for symbols, where both have let each other in and it is for us to begin.
    pub(super) fn start_symbols(&mut self, slot: Slot, key: PeerKey, now: Time) {
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        let early = member.channel.take_symbols();
        if let Some(message) = member.channel.start_symbols() {
            self.send_sealed(slot, &PeerMessage::Symbols { message });
        }
        if let Some(message) = early {
            self.on_symbols(slot, key, message, now);
        }
    }
}

impl Recognized {
    fn decision(&self) -> Decision {
        match *self {
            Self::Participant(_, decision) | Self::KeptOut(decision) => decision,
        }
    }
}
