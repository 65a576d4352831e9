//! What participants say to each other: which way it goes out, and what becomes of it when it comes in.

use signaling_protocol::Slot;
use signaling_protocol::limits::MAX_BLOB_BYTES;
use trust::symbols::SymbolMessage;

use crate::action::Action;
use crate::input::PeerKey;
use crate::machine::rules::ToldRules;
use crate::machine::{CallMachine, DEPARTED_KEPT};
use crate::negotiation::RemoteDescription;
use crate::peer::{ControlChannel, Decision, HelloState, MediaPath, Peer, ServerPath};
use crate::peer_message::{MessageError, PeerMessage};
use crate::snapshot::{LocalMedia, SendTimings};
use crate::time::Time;
use crate::timeline::Departure;

/// The ways a kind of message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    /// The control channel first and the server second: the receiver drops what comes twice.
    Both,
    /// The control channel when it works, else the server.
    Best,
}

impl CallMachine {
    /// Sends to a participant. Without a way to them the message is not sent: what matters is sent again when
    /// there is one.
    pub(super) fn send(&mut self, key: PeerKey, message: &PeerMessage, ways: Ways) {
        let Some(peer) = self.peers.get(&key) else { return };
        let connection = peer.link.connection();
        let control = connection.filter(|connection| connection.control == ControlChannel::Open);
        let is_control_alive = control.is_some_and(|connection| connection.path == MediaPath::Up);
        let slot = peer.slot.filter(|_| peer.server_path == ServerPath::Open);
        self.send_on_control(key, message);
        if let Some(slot) = slot
            && (ways == Ways::Both || !is_control_alive)
        {
            self.send_sealed(slot, message);
        }
    }

    /// Sends on the control channel, or not at all.
    pub(super) fn send_on_control(&mut self, peer: PeerKey, message: &PeerMessage) {
        let connection = self.peers.get(&peer).and_then(|peer| peer.link.connection());
        let Some(attempt) = connection
            .filter(|connection| connection.control == ControlChannel::Open)
            .map(|open| open.attempt)
        else {
            return;
        };
        if let Some(payload) = self.encode(message) {
            self.act(Action::SendControl { peer, attempt, payload });
        }
    }

    /// Tells a participant what we send now.
    pub(super) fn send_media(&mut self, key: PeerKey) {
        if self.peers.get(&key).is_some_and(Peer::is_let_in) {
            let message = PeerMessage::Media {
                media: self.local,
                revision: self.media_revision,
            };
            self.send(key, &message, Ways::Best);
        }
    }

    /// Tells everybody connected what our pictures cost.
    pub(super) fn send_timings(&mut self, timings: SendTimings) {
        for key in self.peer_keys() {
            if self.peers[&key].link.is_connected() {
                self.send_on_control(key, &PeerMessage::Timings(timings));
            }
        }
    }

    /// Takes in what came over the control channel: nothing before the right hello.
    pub(super) fn on_control(&mut self, key: PeerKey, payload: &[u8], now: Time) {
        let message = match payload.len() {
            0..=MAX_BLOB_BYTES => PeerMessage::from_json(payload),
            bytes => Err(MessageError::TooLarge(bytes)),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, ?key, "a message from a participant was dropped");
                self.dropped.malformed += 1;
                return;
            }
        };
        let connection = self.peers.get(&key).and_then(|peer| peer.link.connection());
        let hello = connection.map(|connection| connection.hello);
        match (message, hello) {
            (PeerMessage::Hello { hello }, _) => self.on_hello(key, hello, now),
            (PeerMessage::Check | PeerMessage::Checked | PeerMessage::Symbols { .. }, _) => self.dropped.malformed += 1,
            (message, Some(HelloState::Confirmed)) => self.on_message(key, message, now),
            (_, Some(HelloState::Awaited) | None) => self.dropped.unknown_sender += 1,
        }
    }

    /// Takes in what the session with a slot brought.
    pub(super) fn on_opened(&mut self, slot: Slot, message: PeerMessage, now: Time) {
        match (message, self.room.occupant(slot)) {
            (PeerMessage::Check, _) => self.send_sealed(slot, &PeerMessage::Checked),
            (PeerMessage::Checked, Some(key)) => self.on_answer_through_server(key, now),
            (PeerMessage::Checked, None) => {}
            (PeerMessage::Symbols { message }, Some(key)) => self.on_symbols(slot, key, message, now),
            (message, Some(key)) => self.on_message(key, message, now),
            (_, None) => self.dropped.unknown_sender += 1,
        }
    }

    pub(super) fn on_symbols(&mut self, slot: Slot, key: PeerKey, message: SymbolMessage, now: Time) {
        let is_welcome = self.peers.get(&key).is_some_and(|peer| peer.decision == Decision::Open);
        let Some(member) = self.room.member_mut(slot) else {
            return;
        };
        if !is_welcome {
            // They heard that they may come in before we knew who they are.
            return member.channel.keep_symbols(message);
        }
        match member.channel.on_symbols(message) {
            Ok((answer, symbols)) => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.symbols = symbols.or(peer.symbols);
                }
                if let Some(message) = answer {
                    self.send_sealed(slot, &PeerMessage::Symbols { message });
                }
            }
            Err(error) => {
                tracing::info!(%error, ?key, "the symbols could not be found");
                self.dropped.forged += 1;
                self.renew_session(slot, now);
            }
        }
    }

    fn on_message(&mut self, key: PeerKey, message: PeerMessage, now: Time) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.participant.is_some()) else {
            self.dropped.unknown_sender += 1;
            return;
        };
        let is_let_in = peer.is_let_in();
        match message {
            // A greeting is part of a handshake; the others belong to one way each, and were taken there.
            PeerMessage::Greeting { .. }
            | PeerMessage::Check
            | PeerMessage::Checked
            | PeerMessage::Hello { .. }
            | PeerMessage::Symbols { .. } => self.dropped.malformed += 1,
            PeerMessage::Bye => self.on_bye(key, now),
            PeerMessage::Admission { entry } => self.on_admission(key, entry, now),
            PeerMessage::Room {
                revision,
                door,
                has_expired,
                admitted,
                refused,
            } => {
                let rules = ToldRules {
                    revision,
                    door,
                    has_expired,
                    admitted,
                    refused,
                };
                self.on_rules(key, rules, now);
            }
            PeerMessage::Moved { secret } => self.on_moved(key, secret.0, now),
            PeerMessage::Description { .. }
            | PeerMessage::Candidate { .. }
            | PeerMessage::Media { .. }
            | PeerMessage::Timings(_)
                if !is_let_in =>
            {
                self.dropped.unentitled += 1;
            }
            PeerMessage::Description {
                tag,
                kind: _,
                answers,
                hello,
                sdp,
            } => {
                let description = RemoteDescription {
                    tag,
                    answers,
                    hello,
                    sdp,
                };
                self.on_remote_description(key, description, now);
            }
            PeerMessage::Candidate {
                tag,
                description,
                candidate,
            } => self.on_remote_candidate(key, tag, description, candidate),
            PeerMessage::Media { media, revision } => self.note_media(key, media, revision),
            PeerMessage::Timings(timings) => self.note_timings(key, timings),
        }
    }

    fn note_timings(&mut self, key: PeerKey, timings: SendTimings) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.note_timings(timings);
        }
    }

    /// They hung up, and say so themselves. What they sent before and comes after is not taken for a newcomer's.
    fn on_bye(&mut self, key: PeerKey, now: Time) {
        if let Some(participant) = self.peers.get(&key).and_then(|peer| peer.participant) {
            self.departed.push_back(participant);
            if self.departed.len() > DEPARTED_KEPT {
                self.departed.pop_front();
            }
        }
        self.remove_peer(key, Departure::HungUp, now);
    }

    /// Keeps the newest of what a participant says they send.
    pub(super) fn note_media(&mut self, key: PeerKey, media: LocalMedia, revision: u32) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if revision < peer.media_revision {
            self.dropped.stale += 1;
            return;
        }
        peer.media = media;
        peer.media_revision = revision;
    }
}
