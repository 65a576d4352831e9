//! Who may come in: what we decide about others and they about us, what the user decides, what the host says.
//!
//! Every participant keeps the door: media flows between two only when each has let the other in. What the host says
//! counts for all, and only what the host says.

use crate::action::{EndReason, NotAdmitted};
use crate::budget::Allowance;
use crate::deadlines::Deadline;
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::connections::Turn;
use crate::machine::messages::Ways;
use crate::machine::rules::{Change, ToldRules};
use crate::peer::{Decision, Peer, PeerLink, Word};
use crate::peer_message::{Entry, PeerMessage};
use crate::standing::{Badge, Door, RoomRole};
use crate::time::Time;
use crate::timeline::Departure;

impl CallMachine {
    /// What a participant has decided about us, in a greeting or since.
    pub(super) fn on_entry(&mut self, key: PeerKey, entry: Entry, turn: Turn, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match entry {
            Entry::Open {
                media,
                media_revision,
                connections,
                doorbell,
                identity,
            } => {
                if peer.entries.take(now) == Allowance::UsedUp {
                    self.dropped.overflow += 1;
                    return;
                }
                peer.word = Word::Open;
                peer.claimed = connections;
                peer.doorbell = doorbell;
                peer.identity = identity;
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
        match (peer.decision, self.rules.role()) {
            (Decision::Knock, RoomRole::Host) | (Decision::KeyChanged, _) => {}
            (Decision::Knock, RoomRole::Guest)
            | (Decision::Open | Decision::Refused | Decision::Locked | Decision::Expired, _) => return,
        }
        self.rules.accept(public);
        self.rules.admit(public);
        self.let_in(key, now);
        self.tell_all();
    }

    /// The user does not want somebody in the call.
    pub(super) fn refuse(&mut self, key: PeerKey, now: Time) {
        let Some(public) = self.peers.get(&key).and_then(|peer| peer.key) else {
            return;
        };
        self.rules.refuse(public);
        self.send_out(now);
        self.tell_all();
    }

    /// Says goodbye to all who are not wanted.
    fn send_out(&mut self, now: Time) {
        for key in self.peer_keys() {
            let public = self.peers.get(&key).and_then(|peer| peer.key);
            if public.is_some_and(|public| self.rules.decide(&public) == Decision::Refused) {
                self.send_away(key, Decision::Refused, now);
            }
        }
    }

    fn let_in(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.decision = Decision::Open;
        if let Some(public) = peer.key {
            self.rules.admit(public);
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
        let Some(message) = self.rules.changed() else { return };
        for key in self.peer_keys() {
            if self.peers.get(&key).is_some_and(Peer::is_in) {
                self.send(key, &message, Ways::Best);
            }
        }
    }

    pub(super) fn set_door(&mut self, door: Door, now: Time) {
        if self.rules.set_door(door) == Change::Changed {
            self.on_rules_changed(now);
        }
    }

    pub(super) fn set_expiry(&mut self, at: Option<Time>, now: Time) {
        if self.rules.set_expiry(at, now) == Change::Changed {
            self.deadlines.clear(Deadline::Expiry);
            self.watch_expiry();
            self.on_rules_changed(now);
        }
    }

    pub(super) fn watch_expiry(&mut self) {
        if let Some(at) = self.rules.expires_at() {
            self.deadlines.set(Deadline::Expiry, at);
        }
    }

    pub(super) fn on_expiry(&mut self, now: Time) {
        self.rules.expire();
        self.on_rules_changed(now);
    }

    /// What the host says of the room.
    pub(super) fn on_rules(&mut self, from: PeerKey, told: ToldRules, now: Time) {
        if self.peers.get(&from).is_none_or(|peer| peer.role == RoomRole::Guest) {
            self.dropped.unentitled += 1;
            return;
        }
        match self.rules.take_over(from, told, &self.own.identity.public()) {
            Change::Changed => self.reconsider(now),
            Change::Same => self.dropped.stale += 1,
        }
    }

    fn on_rules_changed(&mut self, now: Time) {
        self.tell_all();
        self.reconsider(now);
    }

    /// Lets in who may come in now, and sends away who may not stay. Those who are in stay in.
    fn reconsider(&mut self, now: Time) {
        self.send_out(now);
        for key in self.peer_keys() {
            let Some(peer) = self.peers.get(&key) else { continue };
            let (Decision::Knock, Some(public)) = (peer.decision, peer.key) else {
                continue;
            };
            let is_in_doubt = matches!(peer.badge, Badge::KeyChanged { .. }) && !self.rules.is_accepted(&public);
            match self.rules.decide(&public) {
                Decision::Open if is_in_doubt => {
                    self.peers
                        .entry(key)
                        .and_modify(|peer| peer.decision = Decision::KeyChanged);
                }
                Decision::Open => self.let_in(key, now),
                decision @ (Decision::Refused | Decision::Locked | Decision::Expired) => {
                    self.send_away(key, decision, now);
                }
                Decision::Knock | Decision::KeyChanged => {}
            }
        }
        self.ask_those_outside(now);
    }

    fn send_away(&mut self, key: PeerKey, decision: Decision, now: Time) {
        let entry = self.entry(decision);
        self.send(key, &PeerMessage::Admission { entry }, Ways::Both);
        self.remove_peer(key, Departure::KeptOut, now);
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
