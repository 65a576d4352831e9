//! Who may come in: the host's rules as far as we know them, whom the user knows, and what we and others decided.
//!
//! Every participant keeps the door: media flows between two only when each has let the other in. What the host says
//! counts for all, and only what the host says.

use std::collections::{BTreeSet, VecDeque};

use trust::PublicKey;

use crate::action::{EndReason, NotAdmitted};
use crate::budget::Allowance;
use crate::deadlines::Deadline;
use crate::hex::Hex;
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::machine::greeting::Stranger;
use crate::machine::messages::Ways;
use crate::peer::{Decision, PeerLink, Word};
use crate::peer_message::{Entry, MAX_KEYS_TOLD, PeerMessage};
use crate::standing::{Badge, Door, KnownContact, RoomRole, RoomState, Verification};
use crate::time::Time;
use crate::timeline::Departure;

/// Keys kept of each kind; the oldest is forgotten first. A room has eight places.
const KEYS_KEPT: usize = MAX_KEYS_TOLD;

/// The rules of the room, as its host has set them or as the host told us.
#[derive(Debug)]
pub(super) struct Rules {
    role: RoomRole,
    host_tag: [u8; 16],
    /// As host: counts changes of what we tell.
    revision: u32,
    /// From whom we heard last, and which of theirs.
    heard: Option<(PeerKey, u32)>,
    door: Door,
    /// The host alone knows when.
    expires_at: Option<Time>,
    has_expired: bool,
    /// May come in, and come back, whatever the door: let in by the host, or there before the door was closed.
    admitted: Keys,
    /// Sent away by the host.
    refused: Keys,
    /// Sent away by us alone.
    shunned: Keys,
    /// Whose changed key the user has accepted.
    accepted: Keys,
}

/// A few keys.
#[derive(Debug, Default)]
struct Keys(VecDeque<PublicKey>);

impl Keys {
    fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    fn insert(&mut self, key: PublicKey) {
        if self.contains(&key) {
            return;
        }
        if self.0.len() >= KEYS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(key);
    }

    fn remove(&mut self, key: &PublicKey) {
        self.0.retain(|known| known != key);
    }

    fn told(&self) -> Vec<Hex<32>> {
        self.0.iter().map(|key| Hex(key.0)).collect()
    }
}

impl Rules {
    pub(super) fn new(own: &PublicKey, host_tag: [u8; 16], door: Door, expires_at: Option<Time>) -> Self {
        let role = role_of(own, &host_tag);
        // The host's wishes count for nothing in the room of another.
        let (door, expires_at) = match role {
            RoomRole::Host => (door, expires_at),
            RoomRole::Guest => (Door::Open, None),
        };
        Self {
            role,
            host_tag,
            revision: 0,
            heard: None,
            door,
            expires_at,
            has_expired: false,
            admitted: Keys::default(),
            refused: Keys::default(),
            shunned: Keys::default(),
            accepted: Keys::default(),
        }
    }

    pub(super) fn role(&self) -> RoomRole {
        self.role
    }

    pub(super) fn expires_at(&self) -> Option<Time> {
        self.expires_at.filter(|_| !self.has_expired)
    }

    pub(super) fn state(&self) -> RoomState {
        RoomState {
            role: self.role,
            door: self.door,
            expires_at: self.expires_at,
        }
    }

    /// Whether anybody with the link comes in, whoever it is.
    pub(super) fn is_open_to_all(&self) -> bool {
        let has_refused = !self.refused.0.is_empty() || !self.shunned.0.is_empty();
        self.door == Door::Open && !self.has_expired && !has_refused
    }

    pub(super) fn decide(&self, key: &PublicKey) -> Decision {
        if self.refused.contains(key) || self.shunned.contains(key) {
            return Decision::Refused;
        }
        if role_of(key, &self.host_tag) == RoomRole::Host || self.admitted.contains(key) {
            return Decision::Open;
        }
        match self.door {
            Door::Locked => Decision::Locked,
            Door::Open | Door::Knock if self.has_expired => Decision::Expired,
            Door::Open => Decision::Open,
            Door::Knock => Decision::Knock,
        }
    }

    /// What the host tells, and whether there is anything to tell.
    fn told(&self) -> Option<PeerMessage> {
        let is_worth_it = self.role == RoomRole::Host && !self.is_open_to_all();
        is_worth_it.then(|| self.message())
    }

    fn message(&self) -> PeerMessage {
        PeerMessage::Room {
            revision: self.revision,
            door: self.door,
            has_expired: self.has_expired,
            admitted: self.admitted.told(),
            refused: self.refused.told(),
        }
    }
}

fn role_of(key: &PublicKey, host_tag: &[u8; 16]) -> RoomRole {
    match key.host_tag() == *host_tag {
        true => RoomRole::Host,
        false => RoomRole::Guest,
    }
}

impl CallMachine {
    /// Notes what there is to know of a participant who greeted, and decides about them.
    pub(super) fn look_at(&mut self, key: PeerKey, stranger: &Stranger, decision: Decision) -> Decision {
        let is_alone = self
            .peers
            .iter()
            .all(|(&other, peer)| other == key || peer.key.is_none());
        let role = role_of(&stranger.key, &self.rules.host_tag);
        let is_first_time = self.peers.get(&key).is_some_and(|peer| peer.word == Word::Unheard);
        // A name is what they said first: who could change it later could become somebody else.
        if is_first_time {
            let badge = self.badge(&stranger.key, &stranger.name, is_alone);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.name.clone_from(&stranger.name);
                peer.badge = badge;
                peer.role = role;
            }
        }
        let Some(peer) = self.peers.get_mut(&key) else {
            return decision;
        };
        let is_in_doubt =
            matches!(peer.badge, Badge::KeyChanged { .. }) && !self.rules.accepted.contains(&stranger.key);
        peer.decision = match decision {
            Decision::Open if is_in_doubt => Decision::KeyChanged,
            Decision::Open | Decision::KeyChanged | Decision::Knock => decision,
            Decision::Refused | Decision::Locked | Decision::Expired => decision,
        };
        if peer.decision == Decision::Open {
            self.rules.admitted.insert(stranger.key);
        }
        peer.decision
    }

    /// How far somebody is known, from the contact book.
    fn badge(&self, key: &PublicKey, name: &str, is_alone: bool) -> Badge {
        if *key == self.own.identity.public() {
            return Badge::Verified { at_unix_s: None };
        }
        if let Some(expected) = self.own.expected.filter(|expected| expected != key && is_alone) {
            let contact = self.own.contacts.iter().find(|contact| contact.key == expected);
            let contact = contact.map_or_else(|| name.to_owned(), |contact| contact.name.clone());
            return Badge::KeyChanged { contact };
        }
        if let Some(contact) = self.own.contacts.iter().find(|contact| contact.key == *key) {
            return match contact.verified {
                Verification::Symbols { at_unix_s } => Badge::Verified {
                    at_unix_s: Some(at_unix_s),
                },
                Verification::No | Verification::Link { .. } if contact.calls > 0 => {
                    Badge::SameDevice { calls: contact.calls }
                }
                Verification::No | Verification::Link { .. } => Badge::Unverified,
            };
        }
        let is_known = |contact: &&KnownContact| contact.calls > 0 || contact.verified != Verification::No;
        let is_called_so = |contact: &&KnownContact| is_same_name(&contact.name, name);
        match self.own.contacts.iter().filter(is_known).find(is_called_so) {
            Some(contact) => Badge::KeyChanged {
                contact: contact.name.clone(),
            },
            None => Badge::Unverified,
        }
    }

    /// What a participant has decided about us, in a greeting or since.
    pub(super) fn on_entry(&mut self, key: PeerKey, entry: Entry, turn: Turn, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match entry {
            Entry::Open {
                media,
                media_revision,
                connections,
                doorbell,
            } => {
                if peer.entries.take(now) == Allowance::UsedUp {
                    self.dropped.overflow += 1;
                    return;
                }
                peer.word = Word::Open;
                peer.claimed = connections;
                peer.doorbell = doorbell;
                self.was_let_in = true;
                self.note_media(key, media, media_revision);
                self.go_on_if_let_in(key, turn, now);
            }
            // Said before they knew who we are, by somebody who has let us in before.
            Entry::Wait if peer.word == Word::Open => {}
            Entry::Wait => peer.word = Word::Wait,
            Entry::Locked => self.on_closed_door(key, Word::Locked),
            Entry::Expired => self.on_closed_door(key, Word::Expired),
            Entry::Refused if peer.role == RoomRole::Host => {
                self.finish(EndReason::NotAdmitted(NotAdmitted::Refused), now);
            }
            Entry::Refused => self.remove_peer(key, Departure::KeptOut, now),
        }
    }

    /// What a participant has decided about us since they greeted, or because of who we are.
    pub(super) fn on_admission(&mut self, key: PeerKey, entry: Entry, now: Time) {
        if entry == Entry::Wait {
            self.take_back(key);
        }
        self.on_entry(key, entry, Turn::Ours, now);
    }

    /// They said that we may come in before they knew who we are, and now they are not sure.
    fn take_back(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match peer.link {
            PeerLink::Greeting { .. } | PeerLink::Negotiating { .. } => {
                peer.word = Word::Wait;
                self.close_connection(key);
                self.peers
                    .entry(key)
                    .and_modify(|peer| peer.link = PeerLink::Greeting { connection: None });
            }
            PeerLink::Connected { .. } | PeerLink::Reconnecting { .. } | PeerLink::Unreachable { .. } => {}
        }
    }

    fn go_on_if_let_in(&mut self, key: PeerKey, turn: Turn, now: Time) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.is_let_in()) else {
            return;
        };
        let slot = peer.slot;
        self.go_on(key, turn, now);
        if let Some(slot) = slot {
            self.start_symbols(slot, key, now);
        }
    }

    /// Nobody new comes in there.
    fn on_closed_door(&mut self, key: PeerKey, word: Word) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.word != Word::Open {
            peer.word = word;
            self.close_connection(key);
        }
    }

    /// Over, when the host says that nobody new comes in, or everybody does, and nobody has let us in before.
    pub(super) fn watch_doors(&mut self, now: Time) {
        if self.was_let_in || self.is_over() {
            return;
        }
        let why = |word: Word| match word {
            Word::Locked => Some(NotAdmitted::Locked),
            Word::Expired => Some(NotAdmitted::Expired),
            Word::Unheard | Word::Open | Word::Wait => None,
        };
        let host = self.peers.values().find(|peer| peer.role == RoomRole::Host);
        let said = match host {
            Some(host) => why(host.word),
            None if self.peers.values().all(|peer| why(peer.word).is_some()) => {
                self.peers.values().next().and_then(|peer| why(peer.word))
            }
            None => None,
        };
        if let Some(why) = said {
            self.finish(EndReason::NotAdmitted(why), now);
        }
    }

    /// The user lets somebody in: as host, or although the key has changed.
    pub(super) fn admit(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        let Some(public) = peer.key else { return };
        match (peer.decision, self.rules.role) {
            (Decision::Knock, RoomRole::Host) | (Decision::KeyChanged, _) => {}
            (Decision::Knock, RoomRole::Guest)
            | (Decision::Open | Decision::Refused | Decision::Locked | Decision::Expired, _) => return,
        }
        self.rules.accepted.insert(public);
        self.rules.admitted.insert(public);
        self.let_in(key, now);
        self.tell_all();
    }

    /// The user does not want somebody in the call.
    pub(super) fn refuse(&mut self, key: PeerKey, now: Time) {
        let Some(public) = self.peers.get(&key).and_then(|peer| peer.key) else {
            return;
        };
        match self.rules.role {
            RoomRole::Host => {
                self.rules.admitted.remove(&public);
                self.rules.refused.insert(public);
            }
            RoomRole::Guest => self.rules.shunned.insert(public),
        }
        self.send_out(now);
        self.tell_all();
    }

    /// Says goodbye to all who are not wanted.
    fn send_out(&mut self, now: Time) {
        for key in self.peer_keys() {
            let public = self.peers.get(&key).and_then(|peer| peer.key);
            if public.is_some_and(|public| self.rules.decide(&public) == Decision::Refused) {
                let entry = Entry::Refused;
                self.send(key, &PeerMessage::Admission { entry }, Ways::Both);
                self.remove_peer(key, Departure::KeptOut, now);
            }
        }
    }

    fn let_in(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.decision = Decision::Open;
        if let Some(public) = peer.key {
            self.rules.admitted.insert(public);
        }
        let entry = self.entry(Decision::Open);
        self.send(key, &PeerMessage::Admission { entry }, Ways::Best);
        self.tell_rules(key);
        self.go_on_if_let_in(key, Turn::Theirs, now);
    }

    /// As host, tells somebody who was let in who else may come.
    pub(super) fn tell_rules(&mut self, key: PeerKey) {
        if let Some(message) = self.rules.told() {
            self.send(key, &message, Ways::Best);
        }
    }

    /// As host, tells all who are let in what has changed.
    fn tell_all(&mut self) {
        if self.rules.role == RoomRole::Guest {
            return;
        }
        self.rules.revision = self.rules.revision.saturating_add(1);
        let message = self.rules.message();
        for key in self.peer_keys() {
            let is_in = |peer: &crate::peer::Peer| peer.participant.is_some() && peer.decision == Decision::Open;
            if self.peers.get(&key).is_some_and(is_in) {
                self.send(key, &message, Ways::Best);
            }
        }
    }

    pub(super) fn set_door(&mut self, door: Door, now: Time) {
        if self.rules.role == RoomRole::Host && self.rules.door != door {
            self.rules.door = door;
            self.on_rules_changed(now);
        }
    }

    pub(super) fn set_expiry(&mut self, at: Option<Time>, now: Time) {
        if self.rules.role == RoomRole::Guest {
            return;
        }
        self.rules.expires_at = at;
        self.rules.has_expired = false;
        self.deadlines.clear(Deadline::Expiry);
        self.watch_expiry();
        if at.is_none_or(|at| at > now) {
            self.on_rules_changed(now);
        }
    }

    pub(super) fn watch_expiry(&mut self) {
        if let Some(at) = self.rules.expires_at() {
            self.deadlines.set(Deadline::Expiry, at);
        }
    }

    pub(super) fn on_expiry(&mut self, now: Time) {
        self.rules.has_expired = true;
        self.on_rules_changed(now);
    }

    /// What the host says of the room.
    pub(super) fn on_rules(&mut self, from: PeerKey, rules: ToldRules, now: Time) {
        let is_host = self.peers.get(&from).is_some_and(|peer| peer.role == RoomRole::Host);
        if !is_host {
            self.dropped.unentitled += 1;
            return;
        }
        let is_old = |(whose, revision): (PeerKey, u32)| whose == from && revision > rules.revision;
        if self.rules.heard.is_some_and(is_old) {
            self.dropped.stale += 1;
            return;
        }
        self.rules.heard = Some((from, rules.revision));
        self.rules.door = rules.door;
        self.rules.has_expired = rules.has_expired;
        let own = self.own.identity.public();
        let refused: BTreeSet<PublicKey> = rules.refused.iter().map(|key| PublicKey(key.0)).collect();
        for key in rules.admitted.iter().map(|key| PublicKey(key.0)) {
            self.rules.refused.remove(&key);
            self.rules.admitted.insert(key);
        }
        for key in refused.into_iter().filter(|key| *key != own) {
            self.rules.admitted.remove(&key);
            self.rules.refused.insert(key);
        }
        self.reconsider(now);
    }

    fn on_rules_changed(&mut self, now: Time) {
        self.tell_all();
        self.reconsider(now);
    }

    /// Lets in who may come in now, and sends out who may not stay. Those who are in stay in.
    fn reconsider(&mut self, now: Time) {
        self.send_out(now);
        for key in self.peer_keys() {
            let Some(peer) = self.peers.get(&key) else { continue };
            let (Decision::Knock, Some(public)) = (peer.decision, peer.key) else {
                continue;
            };
            if self.rules.decide(&public) != Decision::Open {
                continue;
            }
            if matches!(peer.badge, Badge::KeyChanged { .. }) && !self.rules.accepted.contains(&public) {
                self.peers
                    .entry(key)
                    .and_modify(|peer| peer.decision = Decision::KeyChanged);
            } else {
                self.let_in(key, now);
            }
        }
        self.ask_those_outside(now);
    }

    /// Somebody who was kept out may come in now, and is still there.
    fn ask_those_outside(&mut self, now: Time) {
        for slot in self.room.slots() {
            let remote = self.room.remote(slot).filter(|_| self.room.occupant(slot).is_none());
            if remote.is_some_and(|key| matches!(self.rules.decide(&key), Decision::Open | Decision::Knock)) {
                self.greet_anew(slot, now);
            }
        }
    }

    /// The user compared the symbols.
    pub(super) fn on_symbols_match(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.symbols.is_some()) {
            peer.badge = Badge::Verified { at_unix_s: None };
        }
    }
}

/// [`PeerMessage::Room`].
#[derive(Debug)]
pub(super) struct ToldRules {
    pub revision: u32,
    pub door: Door,
    pub has_expired: bool,
    pub admitted: Vec<Hex<32>>,
    pub refused: Vec<Hex<32>>,
}

fn is_same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| crate::peer_message::clean_name(name).to_lowercase();
    !plain(a).is_empty() && plain(a) == plain(b)
}
