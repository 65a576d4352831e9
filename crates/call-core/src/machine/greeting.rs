//! Who lives in which slot.
//!
//! Slots are the server's and new after it restarts; participants are who they say, proved by their key, and keep
//! their connections.

use signaling_protocol::Slot;
use signaling_protocol::limits::MAX_ROOM_MEMBERS;
use trust::PublicKey;

use crate::deadlines::{Deadline, SET_UP, TRIES};
use crate::input::{IceMode, PeerKey};
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::negotiation::{Gate, Negotiation};
use crate::peer::{Decision, MediaPath, Peer, PeerLink, ServerWord};
use crate::peer_message::{Entry, MAX_CLAIMED_CONNECTIONS, ParticipantId, PeerMessage};
use crate::sealing::Said;
use crate::time::Time;
use crate::timeline::{Departure, MilestoneKind};

/// Participants at once: a full room, and those of the room before whose slots the server has forgotten.
const MAX_PEERS: usize = 2 * MAX_ROOM_MEMBERS;

/// Somebody who has just proved to hold a key, and what they said.
#[derive(Debug)]
pub(super) struct Stranger {
    pub slot: Slot,
    pub key: PublicKey,
    pub participant: ParticipantId,
    pub name: String,
    pub entry: Entry,
}

/// What became of somebody who greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognized {
    /// A participant, let in or waiting.
    Participant(PeerKey, Decision),
    /// Nobody for us: they are told so.
    KeptOut(Decision),
}

impl CallMachine {
    /// A newcomer makes its offer while it greets. Not when a participant we know may be the one in the slot.
    pub(super) fn prepare_for(&mut self, slot: Slot, now: Time) {
        let is_free = self.room.occupant(slot).is_none();
        if is_free
            && self.peers.values().all(|peer| peer.slot.is_some())
            && let Some(key) = self.new_peer(slot)
        {
            self.start_connection(key, Turn::Ours, Gate::Closed, now);
        }
    }

    pub(super) fn is_greeted(&self, slot: Slot) -> bool {
        let occupant = self.room.occupant(slot).and_then(|key| self.peers.get(&key));
        occupant.is_some_and(|peer| peer.participant.is_some())
    }

    /// What we say in the second message of a handshake, when nobody has proved anything yet.
    pub(super) fn greeting_for_anybody(&self) -> (Said, PeerMessage) {
        match self.rules.is_open_to_all() {
            true => (Said::Open, self.greeting_for(Decision::Open)),
            false => (Said::Wait, self.greeting_for(Decision::Knock)),
        }
    }

    pub(super) fn greeting_for(&self, decision: Decision) -> PeerMessage {
        PeerMessage::Greeting {
            participant: self.participant,
            name: self.name.clone(),
            capabilities: Vec::new(),
            entry: self.entry(decision),
        }
    }

    /// What we tell somebody of what we have decided. Only those let in learn more.
    pub(super) fn entry(&self, decision: Decision) -> Entry {
        match decision {
            Decision::Open => {
                let held = self.peers.values().filter_map(|peer| peer.link.connection());
                let numbers = held.map(|connection| connection.negotiation.number());
                Entry::Open {
                    media: self.local,
                    media_revision: self.media_revision,
                    connections: numbers.take(MAX_CLAIMED_CONNECTIONS).collect(),
                    doorbell: self.own.doorbell.clone(),
                    identity: self.own.lifetime,
                }
            }
            Decision::Knock | Decision::KeyChanged => Entry::Wait,
            Decision::Refused => Entry::Refused,
            Decision::Locked => Entry::Locked,
            Decision::Expired => Entry::Expired,
        }
    }

    /// Which participant this is. None when they cannot be who they say.
    pub(super) fn recognize(&mut self, stranger: &Stranger, now: Time) -> Option<Recognized> {
        if self.departed.contains(&stranger.participant) {
            self.dropped.stale += 1;
            return None;
        }
        let occupant = self.room.occupant(stranger.slot);
        let holder = occupant.and_then(|key| self.peers.get(&key)).and_then(|peer| peer.key);
        if holder.is_some_and(|holder| holder != stranger.key) {
            // A slot is never given to somebody else. What they seal must not count as said by whoever lives there.
            self.dropped.impostor += 1;
            return None;
        }
        let decision = self.decide(stranger);
        match decision {
            Decision::Refused | Decision::Locked | Decision::Expired => {
                if let Some(key) = occupant.filter(|_| holder.is_none()) {
                    self.remove_peer(key, Departure::KeptOut, now);
                }
                return Some(Recognized::KeptOut(decision));
            }
            Decision::Open | Decision::Knock | Decision::KeyChanged => {}
        }
        let Some(key) = self.identify(stranger, now) else {
            self.dropped.impostor += 1;
            return None;
        };
        let decision = self.look_at(key, stranger, decision);
        Some(Recognized::Participant(key, decision))
    }

    /// The rules decide about newcomers; who is in stays in, unless sent out.
    fn decide(&self, stranger: &Stranger) -> Decision {
        let is_it = |peer: &&Peer| peer.participant == Some(stranger.participant) && peer.key == Some(stranger.key);
        let known = self.peers.values().find(is_it).map(|peer| peer.decision);
        match (self.rules.decide(&stranger.key), known) {
            (Decision::Refused, _) => Decision::Refused,
            (_, Some(Decision::Open)) => Decision::Open,
            (decision, _) => decision,
        }
    }

    /// They are in the room, and there is a session with them.
    pub(super) fn on_met(&mut self, recognized: Recognized, stranger: Stranger, turn: Turn, now: Time) {
        match recognized {
            Recognized::Participant(key, decision) => {
                self.look_at_server_path(key);
                if decision != Decision::Open {
                    self.close_connection(key);
                }
                self.on_entry(key, stranger.entry, turn, now);
                if decision == Decision::Open {
                    self.tell_rules(key);
                }
            }
            // Whatever they think of us: they are nobody for us.
            Recognized::KeptOut(_) => {}
        }
    }

    /// Which participant this is. None when they cannot be who they say.
    fn identify(&mut self, stranger: &Stranger, now: Time) -> Option<PeerKey> {
        let Stranger {
            slot, participant: id, ..
        } = *stranger;
        let occupant = self.room.occupant(slot);
        let known = self
            .peers
            .iter()
            .find(|(_, peer)| peer.participant == Some(id))
            .map(|(&key, _)| key);
        // The id of somebody with another key was overheard, not drawn.
        if known.is_some_and(|key| self.peers[&key].key != Some(stranger.key)) {
            return None;
        }
        if occupant.is_some() && occupant == known {
            return known;
        }
        if self.is_greeted(slot) {
            return None;
        }
        if id == self.participant {
            // A slot of our own from before a drop, or somebody who repeats what we say.
            if let Some(key) = occupant {
                self.remove_peer(key, Departure::KnownAlready, now);
            }
            return None;
        }
        if let Some(key) = known {
            if let Some(stranger) = occupant {
                self.remove_peer(stranger, Departure::KnownAlready, now);
            }
            self.move_to(key, slot);
            return Some(key);
        }
        let key = match occupant {
            Some(key) => key,
            None => self.new_peer(slot)?,
        };
        let peer = self.peers.get_mut(&key)?;
        peer.participant = Some(id);
        peer.key = Some(stranger.key);
        self.note(now, Some(key), MilestoneKind::Greeted);
        Some(key)
    }

    fn move_to(&mut self, key: PeerKey, slot: Slot) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.server_word = ServerWord::Silent;
        if let Some(old) = peer.slot.replace(slot) {
            self.room.vacate(old);
        }
        if let Some(member) = self.room.member_mut(slot) {
            member.occupant = Some(key);
        }
    }

    fn new_peer(&mut self, slot: Slot) -> Option<PeerKey> {
        if self.peers.len() >= MAX_PEERS {
            self.dropped.overflow += 1;
            return None;
        }
        self.last_peer += 1;
        let key = PeerKey(self.last_peer);
        self.peers.insert(key, Peer::new(slot));
        self.move_to(key, slot);
        Some(key)
    }

    /// Sets up what is missing between us and somebody who may come in, and lets us in. What lives is not touched.
    pub(super) fn go_on(&mut self, key: PeerKey, turn: Turn, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let claimed = &peer.claimed;
        match &mut peer.link {
            PeerLink::Greeting { connection } => {
                let prepared = connection.take();
                let is_prepared = prepared.is_some();
                peer.link = PeerLink::Negotiating {
                    connection: prepared,
                    failures: 0,
                };
                if is_prepared {
                    self.deadlines.set(Deadline::SetUp(key), now + SET_UP);
                    self.with_negotiation(key, |negotiation| negotiation.open_gate());
                } else {
                    self.start_connection(key, turn, Gate::Open, now);
                }
            }
            PeerLink::Negotiating { connection, .. } | PeerLink::Reconnecting { connection, .. } => match connection {
                None => self.start_connection(key, turn, Gate::Open, now),
                Some(connection) => {
                    let negotiation = &connection.negotiation;
                    let is_shared = negotiation.remote().is_none_or(|number| claimed.contains(&number));
                    if !is_shared && connection.path != MediaPath::Up {
                        self.replace(key, turn, now);
                    } else if negotiation.is_untouched() && turn == Turn::Ours {
                        self.with_negotiation(key, |negotiation| negotiation.want_offer(IceMode::Keep));
                    } else {
                        // What was sent while there was no way to them may be lost.
                        self.with_negotiation(key, Negotiation::send_again);
                        self.on_answer_through_server(key, now);
                    }
                }
            },
            PeerLink::Connected { connection, .. } => {
                if connection.negotiation.is_offered() {
                    self.with_negotiation(key, Negotiation::send_again);
                }
            }
            PeerLink::Unreachable { .. } => {
                self.take_up_again(key, TRIES - 1);
                self.start_connection(key, turn, Gate::Open, now);
            }
        }
    }
}
