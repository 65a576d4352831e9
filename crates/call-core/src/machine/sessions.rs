//! Sessions with those in the room: what they seal and open, watched for silence, and made anew when one breaks.
//!
//! In: sealed blobs of the server. Out: blobs for it; opened messages go to `messages.rs`.

use signaling_protocol::limits::MAX_BLOB_BYTES;
use signaling_protocol::{Blob, ClientMessage, Slot};

use crate::action::Action;
use crate::budget::Allowance;
use crate::deadlines::{CHECK, Deadline, QUIET, RENEWAL};
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::signaling::{Presence, Trouble, Watch};
use crate::peer::{PeerLink, ServerPath};
use crate::peer_message::{MessageError, PeerMessage};
use crate::sealing::Opened;
use crate::time::Time;
use crate::timeline::MilestoneKind;

impl CallMachine {
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

    pub(super) fn on_sealed(&mut self, slot: Slot, blob: &[u8], now: Time) {
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

    pub(super) fn relay(&mut self, to: Slot, blob: Vec<u8>) {
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
