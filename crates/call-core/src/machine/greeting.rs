//! Who lives in which slot.
//!
//! Slots are the server's and new after it restarts; participants are who they say, and keep their connections.

use signaling_protocol::Slot;
use signaling_protocol::limits::MAX_ROOM_MEMBERS;

use crate::deadlines::{Deadline, GREETING_REPEAT, GREETING_SELDOM, GREETINGS, SET_UP, TRIES};
use crate::input::{IceMode, PeerKey};
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::machine::signaling::Presence;
use crate::negotiation::{Gate, Negotiation};
use crate::peer::{MediaPath, Peer, PeerLink};
use crate::peer_message::{MAX_CLAIMED_CONNECTIONS, ParticipantId, PeerMessage};
use crate::time::Time;
use crate::timeline::{Departure, MilestoneKind};

/// Participants at once: a full room, and those of the room before whose slots the server has forgotten.
const MAX_PEERS: usize = 2 * MAX_ROOM_MEMBERS;

/// Whether a greeting asks for one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GreetingKind {
    First,
    Reply,
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

    /// Greets a member, and again until an answer comes.
    pub(super) fn greet_first(&mut self, slot: Slot, now: Time) {
        if let Some(member) = self.room.member_mut(slot) {
            member.greetings += 1;
            self.greet(slot, GreetingKind::First);
            self.expect_greeting(slot, now);
        }
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

    /// Without the server there is nobody to greet.
    pub(super) fn stop_greeting(&mut self) {
        self.deadlines
            .retain(|deadline| !matches!(deadline, Deadline::Greeting(_)));
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

    fn is_greeted(&self, slot: Slot) -> bool {
        let occupant = self.room.occupant(slot).and_then(|key| self.peers.get(&key));
        occupant.is_some_and(|peer| peer.participant.is_some())
    }

    fn greet(&mut self, slot: Slot, kind: GreetingKind) {
        let numbers = self.peers.values().filter_map(|peer| peer.link.connection());
        let connections = numbers.map(|connection| connection.negotiation.number());
        let message = PeerMessage::Greeting {
            participant: self.participant,
            name: self.name.clone(),
            media: self.local,
            media_revision: self.media_revision,
            is_reply: kind == GreetingKind::Reply,
            connections: connections.take(MAX_CLAIMED_CONNECTIONS).collect(),
        };
        self.send_to_slot(slot, &message);
    }

    pub(super) fn on_greeting(&mut self, slot: Slot, greeting: PeerMessage, now: Time) {
        let PeerMessage::Greeting {
            participant,
            name,
            media,
            media_revision,
            is_reply,
            connections,
        } = greeting
        else {
            return;
        };
        if self.departed.contains(&participant) {
            self.dropped.stale += 1;
            return;
        }
        let Some(key) = self.identify(slot, participant, &connections, now) else {
            self.dropped.impostor += 1;
            return;
        };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.name = name;
        }
        if let Some(member) = self.room.member_mut(slot) {
            member.greetings = 0;
            member.presence = match member.presence {
                Presence::Unanswered | Presence::Present | Presence::Mute => Presence::Present,
                // The greeting was on its way; the server knows better.
                Presence::Away => Presence::Away,
            };
        }
        self.deadlines.clear(Deadline::Greeting(slot));
        self.note_media(key, media, media_revision);
        self.look_at_server_path(key);
        let turn = match is_reply {
            true => Turn::Ours,
            false => {
                self.greet(slot, GreetingKind::Reply);
                Turn::Theirs
            }
        };
        self.go_on_after_greeting(key, turn, &connections, now);
    }

    /// Which participant this is. None when they cannot be who they say.
    fn identify(&mut self, slot: Slot, id: ParticipantId, claimed: &[u32], now: Time) -> Option<PeerKey> {
        let occupant = self.room.occupant(slot);
        let known = self
            .peers
            .iter()
            .find(|(_, peer)| peer.participant == Some(id))
            .map(|(&key, _)| key);
        if occupant.is_some() && occupant == known {
            return known;
        }
        if self.is_greeted(slot) || known.is_some_and(|key| !self.may_move(key, claimed)) {
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
        self.peers.get_mut(&key)?.participant = Some(id);
        self.note(now, Some(key), MilestoneKind::Greeted);
        Some(key)
    }

    /// Who is connected proves that a new slot is theirs by naming the connection, which others cannot know.
    fn may_move(&self, key: PeerKey, claimed: &[u32]) -> bool {
        let Some(peer) = self.peers.get(&key) else { return false };
        match &peer.link {
            PeerLink::Connected { connection, .. } => connection
                .negotiation
                .remote()
                .is_some_and(|number| claimed.contains(&number)),
            PeerLink::Greeting { .. }
            | PeerLink::Negotiating { .. }
            | PeerLink::Reconnecting { .. }
            | PeerLink::Unreachable { .. } => true,
        }
    }

    fn move_to(&mut self, key: PeerKey, slot: Slot) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
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

    /// Sets up what is missing between us and somebody who just greeted. What lives is not touched.
    fn go_on_after_greeting(&mut self, key: PeerKey, turn: Turn, claimed: &[u32], now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
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
