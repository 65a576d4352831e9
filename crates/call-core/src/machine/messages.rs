//! What participants say to each other: which way it goes out, and what becomes of it when it comes in.

use signaling_protocol::{Blob, ClientMessage, Slot};

use crate::action::Action;
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::peer::{ControlChannel, MediaPath, ServerPath};
use crate::peer_message::PeerMessage;
use crate::sealing;
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

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Server(Slot),
    Control(PeerKey),
}

impl CallMachine {
    /// Sends to a participant. Without a way to them the message is not sent: what matters is sent again when
    /// there is one.
    pub(super) fn send(&mut self, key: PeerKey, message: &PeerMessage, ways: Ways) {
        let Some(peer) = self.peers.get(&key) else { return };
        let connection = peer.link.connection();
        let control = connection.filter(|connection| connection.control == ControlChannel::Open);
        let is_control_alive = control.is_some_and(|connection| connection.path == MediaPath::Up);
        let attempt = control.map(|connection| connection.attempt);
        let slot = peer.slot.filter(|_| peer.server_path == ServerPath::Open);
        let Some(payload) = self.seal(message) else { return };
        if let Some(attempt) = attempt {
            let payload = payload.clone();
            self.act(Action::SendControl {
                peer: key,
                attempt,
                payload,
            });
        }
        if let Some(slot) = slot
            && (ways == Ways::Both || !is_control_alive)
        {
            self.relay(slot, payload);
        }
    }

    /// Sends on the control channel, or not at all.
    pub(super) fn send_on_control(&mut self, key: PeerKey, message: &PeerMessage) {
        let connection = self.peers.get(&key).and_then(|peer| peer.link.connection());
        let Some(attempt) = connection
            .filter(|connection| connection.control == ControlChannel::Open)
            .map(|open| open.attempt)
        else {
            return;
        };
        if let Some(payload) = self.seal(message) {
            self.act(Action::SendControl {
                peer: key,
                attempt,
                payload,
            });
        }
    }

    /// Sends to whoever lives in a slot.
    pub(super) fn send_to_slot(&mut self, slot: Slot, message: &PeerMessage) {
        if let Some(payload) = self.seal(message) {
            self.relay(slot, payload);
        }
    }

    /// Tells a participant what we send now.
    pub(super) fn send_media(&mut self, key: PeerKey) {
        if self.peers.get(&key).is_some_and(|peer| peer.participant.is_some()) {
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

    fn seal(&mut self, message: &PeerMessage) -> Option<Vec<u8>> {
        match sealing::seal(message) {
            Ok(payload) => Some(payload),
            Err(error) => {
                tracing::warn!(%error, "a message to a participant could not be sent");
                self.dropped.overflow += 1;
                None
            }
        }
    }

    fn relay(&mut self, to: Slot, payload: Vec<u8>) {
        if self.signaling.own_slot().is_some() {
            let blob = Blob(payload);
            self.act(Action::Signal(ClientMessage::Relay { to, blob }));
        }
    }

    /// Takes in what came from a participant.
    pub(super) fn on_envelope(&mut self, origin: Origin, envelope: &[u8], now: Time) {
        let message = match sealing::open(envelope) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, ?origin, "a message from a participant was dropped");
                self.dropped.malformed += 1;
                return;
            }
        };
        let sender = match (origin, &message) {
            (Origin::Server(slot), PeerMessage::Greeting { .. }) => return self.on_greeting(slot, message, now),
            (Origin::Control(_), PeerMessage::Greeting { .. }) => {
                self.dropped.malformed += 1;
                return;
            }
            (Origin::Server(slot), _) => self.room.occupant(slot),
            (Origin::Control(key), _) => Some(key),
        };
        match sender.filter(|key| self.peers.get(key).is_some_and(|peer| peer.participant.is_some())) {
            Some(key) => self.on_message(key, message, now),
            None => self.dropped.unknown_sender += 1,
        }
    }

    fn on_message(&mut self, key: PeerKey, message: PeerMessage, now: Time) {
        match message {
            // Greetings were taken by `on_envelope`.
            PeerMessage::Greeting { .. } => {}
            PeerMessage::Description {
                tag,
                kind: _,
                answers,
                sdp,
            } => self.on_remote_description(key, tag, answers, sdp, now),
            PeerMessage::Candidate {
                tag,
                description,
                candidate,
            } => self.on_remote_candidate(key, tag, description, candidate),
            PeerMessage::Media { media, revision } => self.note_media(key, media, revision),
            PeerMessage::Bye => self.remove_peer(key, Departure::HungUp, now),
            PeerMessage::Timings(timings) => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.note_timings(timings);
                }
            }
        }
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
