//! Handshakes with those in the room: begun, answered, completed.
//!
//! In: blobs of the server. Out: blobs for it; greetings go to `greeting.rs`, what is sealed to `sessions.rs`.
//!
//! Whoever greets begins: a newcomer, or the one who is back. When both have begun, the higher slot goes on.

use signaling_protocol::Slot;
use signaling_protocol::limits::MAX_BLOB_BYTES;
use trust::session::{MessageKind, inspect};
use trust::{Answered, Responder, Session, SessionError, SessionId};

use crate::budget::{Allowance, Budget};
use crate::deadlines::{Deadline, GREETING_REPEAT, GREETING_SELDOM, GREETINGS};
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::machine::greeting::{Recognized, Stranger};
use crate::machine::signaling::{Presence, Watch};
use crate::peer::Decision;
use crate::peer_message::PeerMessage;
use crate::sealing::{FirstMessage, Said};
use crate::time::Time;
use crate::timeline::Departure;

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
}

impl Recognized {
    fn decision(&self) -> Decision {
        match *self {
            Self::Participant(_, decision) | Self::KeptOut(decision) => decision,
        }
    }
}
