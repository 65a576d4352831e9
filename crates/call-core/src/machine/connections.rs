//! Peer connections: set up, watched, given a new path, replaced, given up.

use crate::action::{Action, EndReason};
use crate::blockage::Blockage;
use crate::budget::Allowance;
use crate::deadlines::{ABSENCE, ABSENCE_UNSEEN, Deadline, NEW_PATH, POLITE_PAUSE, SET_UP, TRIES, TRY_AGAIN};
use crate::input::{Attempt, IceCandidate, IceMode, NegotiationFault, PeerInput, PeerKey, TransportState};
use crate::machine::CallMachine;
use crate::machine::messages::Ways;
use crate::negotiation::{Gate, Negotiation, Politeness, RemoteDescription, Step, Verdict};
use crate::peer::{
    Binding, Connection, ControlChannel, HelloState, MediaPath, Peer, PeerLink, Search, ServerPath, ServerWord,
};
use crate::peer_message::{ConnectionTag, Hello, PeerMessage};
use crate::time::Time;
use crate::timeline::{Departure, MilestoneKind};

/// Who makes the first offer on a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Ours,
    /// Theirs; ours after a while.
    Theirs,
}

impl CallMachine {
    /// Makes a peer connection for a participant that has none.
    pub(super) fn start_connection(&mut self, key: PeerKey, turn: Turn, gate: Gate, now: Time) {
        let attempt = Attempt(self.last_attempt + 1);
        let negotiation = Negotiation::new(self.number_base + attempt.0, self.own.entropy.bytes(), gate);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match &mut peer.link {
            PeerLink::Greeting { connection } => *connection = Some(Connection::new(attempt, negotiation)),
            PeerLink::Negotiating { connection, .. } | PeerLink::Reconnecting { connection, .. } => {
                *connection = Some(Connection::new(attempt, negotiation));
                self.deadlines.set(Deadline::SetUp(key), now + SET_UP);
            }
            PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => return,
        }
        self.last_attempt = attempt.0;
        self.act(Action::CreatePeer { peer: key, attempt });
        match turn {
            Turn::Ours => self.with_negotiation(key, |negotiation| negotiation.want_offer(IceMode::Keep)),
            Turn::Theirs => self.deadlines.set(Deadline::OfferTurn(key), now + POLITE_PAUSE),
        }
    }

    /// Throws a participant's connection away.
    pub(super) fn close_connection(&mut self, key: PeerKey) {
        self.deadlines.clear(Deadline::SetUp(key));
        self.deadlines.clear(Deadline::OfferTurn(key));
        self.deadlines.clear(Deadline::NewPath(key));
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let Some(attempt) = peer.link.connection().map(|connection| connection.attempt) else {
            return;
        };
        match &mut peer.link {
            PeerLink::Greeting { connection }
            | PeerLink::Negotiating { connection, .. }
            | PeerLink::Reconnecting { connection, .. } => *connection = None,
            // Only those who are removed are closed while connected: the others are lost first.
            PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => {}
        }
        self.act(Action::ClosePeer { peer: key, attempt });
    }

    /// Throws a participant's connection away and makes another.
    pub(super) fn replace(&mut self, key: PeerKey, turn: Turn, now: Time) {
        self.lose(key, now);
        self.close_connection(key);
        self.note(now, Some(key), MilestoneKind::Rebuilt);
        self.start_connection(key, turn, Gate::Open, now);
    }

    /// Does something with a negotiation, then what it asks for.
    pub(super) fn with_negotiation(&mut self, key: PeerKey, work: impl FnOnce(&mut Negotiation)) {
        let Some(connection) = self.peers.get_mut(&key).and_then(|peer| peer.link.connection_mut()) else {
            return;
        };
        let attempt = connection.attempt;
        work(&mut connection.negotiation);
        let steps: Vec<Step> = std::iter::from_fn(|| connection.negotiation.poll_step()).collect();
        let peer = key;
        for step in steps {
            match step {
                Step::CreateOffer(ice) => self.act(Action::CreateOffer { peer, attempt, ice }),
                Step::AcceptOffer { sdp, acceptance } => self.act(Action::AcceptOffer {
                    peer,
                    attempt,
                    sdp,
                    acceptance,
                }),
                Step::AcceptAnswer { sdp } => self.act(Action::AcceptAnswer { peer, attempt, sdp }),
                Step::AddCandidate(candidate) => self.act(Action::AddCandidate {
                    peer,
                    attempt,
                    candidate,
                }),
                Step::Send(message) => self.send(key, &message, Ways::Both),
            }
        }
    }

    pub(super) fn on_peer_input(&mut self, key: PeerKey, attempt: Attempt, event: PeerInput, now: Time) {
        let connection = self.peers.get_mut(&key).and_then(|peer| peer.link.connection_mut());
        let Some(connection) = connection.filter(|connection| connection.attempt == attempt) else {
            self.dropped.stale += 1;
            return;
        };
        match event {
            PeerInput::LocalDescription { kind, sdp } => self.negotiate(key, |negotiation, politeness, dropped| {
                negotiation.on_local_description(kind, sdp, politeness, dropped);
            }),
            PeerInput::AnswerAccepted => self.negotiate(key, |negotiation, politeness, dropped| {
                negotiation.on_answer_accepted(politeness, dropped);
            }),
            PeerInput::LocalCandidate(candidate) => self.negotiate(key, |negotiation, _, dropped| {
                negotiation.on_local_candidate(candidate, dropped);
            }),
            PeerInput::Fault(fault) => {
                tracing::info!(?key, ?attempt, ?fault, "a step of negotiation failed");
                match fault {
                    NegotiationFault::Blocked(blockage) => {
                        self.note_blockage(key, blockage);
                        self.on_fault(key, now);
                    }
                    NegotiationFault::Fingerprint(_) => self.on_mismatch(key, MilestoneKind::WrongFingerprint, now),
                    NegotiationFault::Create(_)
                    | NegotiationFault::RemoteDescription(_)
                    | NegotiationFault::LocalDescription(_) => self.on_fault(key, now),
                }
            }
            PeerInput::Transport(state) => self.on_transport(key, state, now),
            PeerInput::Blocked(blockage) => self.note_blockage(key, blockage),
            PeerInput::ControlOpened => {
                connection.control = ControlChannel::Open;
                self.say_hello(key);
                self.establish(key, now);
            }
            PeerInput::Control(payload) => self.on_control(key, &payload, now),
        }
    }

    fn note_blockage(&mut self, key: PeerKey, blockage: Blockage) {
        if let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.link.is_connected()) {
            peer.blockage = Some(blockage);
        }
    }

    fn negotiate(
        &mut self,
        key: PeerKey,
        work: impl FnOnce(&mut Negotiation, Politeness, &mut crate::timeline::Dropped),
    ) {
        let mut dropped = self.dropped;
        let politeness = self.politeness(key);
        self.with_negotiation(key, |negotiation| work(negotiation, politeness, &mut dropped));
        self.dropped = dropped;
    }

    /// Before the greeting there is nobody to give way to.
    fn politeness(&self, key: PeerKey) -> Politeness {
        let peer = self.peers.get(&key);
        peer.and_then(|peer| peer.politeness(self.participant))
            .unwrap_or(Politeness::Impolite)
    }

    /// Who offers after a break.
    fn turn_after_break(&self, key: PeerKey) -> Turn {
        match self.politeness(key) {
            Politeness::Impolite => Turn::Ours,
            Politeness::Polite => Turn::Theirs,
        }
    }

    pub(super) fn on_remote_description(&mut self, key: PeerKey, description: RemoteDescription, now: Time) {
        let (tag, answers) = (description.tag, description.answers);
        let Some(peer) = self.peers.get(&key) else { return };
        let verdict = match peer.link.connection() {
            _ if tag.connection < peer.highest_remote => Verdict::Stale,
            Some(connection) => connection.negotiation.judge(tag),
            None if tag.toward.is_some() => Verdict::Stale,
            None => Verdict::NewerConnection,
        };
        match (verdict, answers) {
            (Verdict::Ours, _) => {}
            (Verdict::NewerConnection, None) => match self.follow(key, now) {
                Allowance::Granted => {}
                Allowance::UsedUp => return,
            },
            (Verdict::NewerConnection, Some(_)) | (Verdict::Stale, _) => {
                self.dropped.stale += 1;
                return;
            }
        }
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.highest_remote = tag.connection;
        }
        if answers.is_none() {
            self.deadlines.clear(Deadline::OfferTurn(key));
            self.begin_search(key, now);
        }
        self.negotiate(key, |negotiation, politeness, dropped| {
            negotiation.on_description(description, politeness, dropped);
        });
    }

    /// The participant has made a new connection: we make one too, for their offer.
    fn follow(&mut self, key: PeerKey, now: Time) -> Allowance {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Allowance::UsedUp;
        };
        if peer.replacements.take(now) == Allowance::UsedUp {
            self.dropped.overflow += 1;
            return Allowance::UsedUp;
        }
        match &mut peer.link {
            PeerLink::Negotiating { failures, .. } | PeerLink::Reconnecting { failures, .. } => {
                *failures = (*failures + 1).min(TRIES - 1);
            }
            PeerLink::Unreachable { .. } => self.take_up_again(key, TRIES - 1),
            PeerLink::Greeting { .. } | PeerLink::Connected { .. } => {}
        }
        self.replace(key, Turn::Theirs, now);
        Allowance::Granted
    }

    pub(super) fn on_remote_candidate(
        &mut self,
        key: PeerKey,
        tag: ConnectionTag,
        description: u32,
        candidate: IceCandidate,
    ) {
        let Some(peer) = self.peers.get(&key) else { return };
        let connection = peer.link.connection().filter(|_| tag.connection >= peer.highest_remote);
        match connection.map_or(Verdict::Stale, |connection| connection.negotiation.judge(tag)) {
            Verdict::Ours => self.negotiate(key, |negotiation, _, dropped| {
                negotiation.on_candidate(tag, description, candidate, dropped);
            }),
            Verdict::NewerConnection | Verdict::Stale => self.dropped.stale += 1,
        }
    }

    fn on_transport(&mut self, key: PeerKey, state: TransportState, now: Time) {
        let Some(connection) = self.peers.get_mut(&key).and_then(|peer| peer.link.connection_mut()) else {
            return;
        };
        match (state, connection.path) {
            (TransportState::Connected, _) | (TransportState::Alive, MediaPath::Silent) => {
                connection.path = MediaPath::Up;
                connection.search = Search::NotBegun;
                self.deadlines.clear(Deadline::NewPath(key));
                self.establish(key, now);
            }
            (TransportState::Silent, MediaPath::Up) => {
                connection.path = MediaPath::Silent;
                self.on_silence(key, now);
            }
            (TransportState::Failed | TransportState::Closed, _) => self.fail(key, self.turn_after_break(key), now),
            (TransportState::Connecting, _)
            | (TransportState::Alive, MediaPath::Opening | MediaPath::Up)
            | (TransportState::Silent, MediaPath::Opening | MediaPath::Silent) => {}
        }
    }

    /// Without a description of theirs there is no hello to say, and the connection does not come up.
    fn say_hello(&mut self, key: PeerKey) {
        let connection = self.peers.get(&key).and_then(|peer| peer.link.connection());
        if let Some(hello) = connection.and_then(|connection| connection.negotiation.remote_hello()) {
            self.send_on_control(key, &PeerMessage::Hello { hello });
        }
    }

    /// Somebody says hello on the control channel.
    pub(super) fn on_hello(&mut self, key: PeerKey, hello: Hello, now: Time) {
        let Some(connection) = self.peers.get_mut(&key).and_then(|peer| peer.link.connection_mut()) else {
            return;
        };
        match connection.hello {
            HelloState::Confirmed => self.dropped.duplicate += 1,
            HelloState::Awaited if hello == connection.negotiation.hello() => {
                connection.hello = HelloState::Confirmed;
                // Ours may have come before their channel was open, and be lost: now it is open.
                self.say_hello(key);
                self.establish(key, now);
            }
            HelloState::Awaited => self.on_mismatch(key, MilestoneKind::WrongHello, now),
        }
    }

    /// The connection does not end at the participant it was agreed on with: it is thrown away at once.
    fn on_mismatch(&mut self, key: PeerKey, what: MilestoneKind, now: Time) {
        self.dropped.forged += 1;
        self.note(now, Some(key), what);
        self.lose(key, now);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.binding = Binding::Mismatch;
        match &mut peer.link {
            PeerLink::Negotiating { failures, .. } | PeerLink::Reconnecting { failures, .. } => {
                *failures += 1;
                match *failures < TRIES {
                    true => self.replace(key, self.turn_after_break(key), now),
                    false => self.give_up(key, now),
                }
            }
            PeerLink::Greeting { .. } => self.close_connection(key),
            PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => {}
        }
    }

    /// The connection may be up now, for the first time or again.
    fn establish(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let (connection, kind) = match &mut peer.link {
            PeerLink::Negotiating { connection, .. } => (connection, MilestoneKind::Connected),
            PeerLink::Reconnecting { connection, .. } => (connection, MilestoneKind::Reconnected),
            PeerLink::Greeting { .. } | PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => return,
        };
        let Some(mut connection) = connection.take_if(|connection| connection.is_up()) else {
            return;
        };
        connection.negotiation.settle();
        peer.binding = Binding::Sound;
        peer.blockage = None;
        peer.link = PeerLink::Connected { connection, since: now };
        if peer.lost_at.take().is_some() {
            peer.reconnects += 1;
        }
        self.connected_since.get_or_insert(now);
        self.deadlines.clear(Deadline::SetUp(key));
        self.deadlines.clear(Deadline::OfferTurn(key));
        self.note(now, Some(key), kind.clone());
        if kind == MilestoneKind::Reconnected {
            self.on_network_back(now);
        }
        // It may have changed while there was no way to say so.
        self.send_media(key);
    }

    /// From connected to reconnecting, the connection kept.
    fn lose(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.link.is_connected()) else {
            return;
        };
        let since = now;
        let link = std::mem::replace(&mut peer.link, PeerLink::Unreachable { since });
        if let PeerLink::Connected { connection, .. } = link {
            peer.link = PeerLink::Reconnecting {
                connection: Some(connection),
                since,
                failures: 0,
            };
        }
        peer.lost_at = Some(now);
        self.note(now, Some(key), MilestoneKind::Reconnecting);
    }

    fn on_silence(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.link.is_connected()) else {
            return;
        };
        let slot = peer.slot.filter(|_| peer.server_path == ServerPath::Open);
        self.lose(key, now);
        if let Some(slot) = slot {
            self.send_sealed(slot, &PeerMessage::Check);
        }
        self.press_signaling(now);
    }

    /// A participant answers through the server. When their path is silent, it is not the network that is away.
    pub(super) fn on_answer_through_server(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        if matches!(peer.link, PeerLink::Reconnecting { .. })
            && peer.link.connection().is_some_and(Connection::may_come_back)
        {
            self.deadlines.set_no_later(Deadline::NewPath(key), now + NEW_PATH);
        }
    }

    /// Both are there, and the old path is not: looks for a new one.
    pub(super) fn on_new_path_due(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.server_path == ServerPath::Open) else {
            return;
        };
        let Some(connection) = peer.link.connection().filter(|connection| connection.may_come_back()) else {
            return;
        };
        if connection.negotiation.is_broken() {
            return self.fail(key, Turn::Ours, now);
        }
        self.begin_search(key, now);
        match self.turn_after_break(key) {
            Turn::Ours => self.with_negotiation(key, |negotiation| negotiation.want_offer(IceMode::Restart)),
            Turn::Theirs => self.deadlines.set(Deadline::OfferTurn(key), now + POLITE_PAUSE),
        }
    }

    /// A silent path is given up, by us or by them: another has to be found in time.
    fn begin_search(&mut self, key: PeerKey, now: Time) {
        let Some(connection) = self.peers.get_mut(&key).and_then(|peer| peer.link.connection_mut()) else {
            return;
        };
        if connection.may_come_back() {
            connection.search = Search::Begun;
            self.deadlines.clear(Deadline::NewPath(key));
            self.deadlines.set(Deadline::SetUp(key), now + SET_UP);
        }
    }

    /// Whether anybody was connected and is not.
    pub(super) fn is_anybody_lost(&self) -> bool {
        self.peers
            .values()
            .any(|peer| matches!(peer.link, PeerLink::Reconnecting { .. }))
    }

    pub(super) fn on_offer_turn(&mut self, key: PeerKey) {
        let Some(connection) = self.peers.get(&key).and_then(|peer| peer.link.connection()) else {
            return;
        };
        let ice = match connection.path {
            _ if connection.negotiation.is_untouched() => IceMode::Keep,
            MediaPath::Silent => IceMode::Restart,
            MediaPath::Opening | MediaPath::Up => return,
        };
        self.with_negotiation(key, |negotiation| negotiation.want_offer(ice));
    }

    pub(super) fn restart_ice(&mut self, now: Time) {
        for key in self.peer_keys() {
            self.begin_search(key, now);
            let peer = &self.peers[&key];
            let is_negotiated = |connection: &Connection| connection.negotiation.remote().is_some();
            if peer.link.connection().is_some_and(is_negotiated) {
                self.with_negotiation(key, |negotiation| negotiation.want_offer(IceMode::Restart));
            } else if matches!(peer.link, PeerLink::Unreachable { .. }) {
                self.try_again(key, now);
            }
        }
    }

    fn on_fault(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        match &peer.link {
            // Media flows: it is not worth cutting for a path that could not be changed.
            PeerLink::Connected { .. } => self.with_negotiation(key, Negotiation::break_off),
            PeerLink::Greeting { .. } => self.close_connection(key),
            PeerLink::Negotiating { .. } | PeerLink::Reconnecting { .. } => self.fail(key, Turn::Ours, now),
            PeerLink::Unreachable { .. } => {}
        }
    }

    pub(super) fn on_set_up_too_slow(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        let may_come_back = peer.link.connection().is_some_and(Connection::was_up);
        if may_come_back && peer.server_path == ServerPath::Closed {
            // No way to agree on another.
            self.deadlines.set(Deadline::SetUp(key), now + SET_UP);
        } else {
            self.fail(key, self.turn_after_break(key), now);
        }
    }

    /// The connection is of no use: makes another, waits for a way to agree on one, or gives up.
    fn fail(&mut self, key: PeerKey, turn: Turn, now: Time) {
        self.lose(key, now);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.server_path == ServerPath::Closed {
            return self.close_connection(key);
        }
        match &mut peer.link {
            PeerLink::Negotiating { connection, failures }
            | PeerLink::Reconnecting {
                connection, failures, ..
            } => {
                if connection.as_ref().is_none_or(|connection| !connection.was_up()) {
                    *failures += 1;
                }
                match *failures < TRIES {
                    true => self.replace(key, turn, now),
                    false => self.give_up(key, now),
                }
            }
            PeerLink::Greeting { .. } => self.close_connection(key),
            PeerLink::Connected { .. } | PeerLink::Unreachable { .. } => {}
        }
    }

    fn give_up(&mut self, key: PeerKey, now: Time) {
        self.close_connection(key);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.link = PeerLink::Unreachable { since: now };
        let blockage = peer.blockage;
        self.deadlines.set(Deadline::TryAgain(key), now + TRY_AGAIN);
        self.note(now, Some(key), MilestoneKind::Unreachable(blockage));
        let is_given_up = |link: &PeerLink| matches!(link, PeerLink::Unreachable { .. });
        if self.connected_since.is_none() && self.peers.values().all(|peer| is_given_up(&peer.link)) {
            self.finish(EndReason::PeersUnreachable(blockage), now);
        }
    }

    pub(super) fn try_again(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        if !matches!(peer.link, PeerLink::Unreachable { .. }) {
            return;
        }
        match peer.server_path {
            ServerPath::Open => {
                self.take_up_again(key, TRIES - 1);
                self.start_connection(key, self.turn_after_break(key), Gate::Open, now);
            }
            ServerPath::Closed => self.deadlines.set(Deadline::TryAgain(key), now + TRY_AGAIN),
        }
    }

    /// From given up to being set up, with some of the tries used up already.
    pub(super) fn take_up_again(&mut self, key: PeerKey, failures: u32) {
        self.deadlines.clear(Deadline::TryAgain(key));
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let connection = None;
        peer.link = match peer.lost_at {
            Some(since) => PeerLink::Reconnecting {
                connection,
                since,
                failures,
            },
            None => PeerLink::Negotiating { connection, failures },
        };
    }

    /// Follows what the last input changed: ways through the server, and participants that are out of sight.
    pub(super) fn review_peers(&mut self, now: Time) {
        for key in self.peer_keys() {
            self.look_at_server_path(key);
            self.watch_absence(key, now);
        }
        self.watch_sessions(now);
        self.watch_doors(now);
        if self.is_over() {
            self.deadlines.retain(|_| false);
        }
    }

    pub(super) fn look_at_server_path(&mut self, key: PeerKey) {
        let is_joined = self.signaling.own_slot().is_some();
        if let Some(peer) = self.peers.get_mut(&key) {
            let is_there = is_joined && peer.slot.is_some_and(|slot| self.room.is_reachable(slot));
            peer.server_path = if is_there { ServerPath::Open } else { ServerPath::Closed };
        }
    }

    fn watch_absence(&mut self, key: PeerKey, now: Time) {
        let Some(peer) = self.peers.get(&key) else { return };
        if peer.server_word == ServerWord::Left && !peer.link.is_connected() {
            return self.remove_peer(key, Departure::HungUp, now);
        }
        let is_seen = peer.server_path == ServerPath::Open || peer.link.is_connected();
        // Whoever is away and has come in anew has started their program again: nobody waits for the old one.
        let is_them = |(other, newcomer): (&PeerKey, &Peer)| {
            *other != key && newcomer.key.is_some() && newcomer.key == peer.key && newcomer.link.is_connected()
        };
        if !is_seen && self.peers.iter().any(is_them) {
            return self.remove_peer(key, Departure::Lost, now);
        }
        if is_seen || peer.participant.is_none() {
            self.deadlines.clear(Deadline::Absence(key));
        } else {
            let patience = if self.signaling.own_slot().is_some() {
                ABSENCE
            } else {
                ABSENCE_UNSEEN
            };
            self.deadlines.set_no_later(Deadline::Absence(key), now + patience);
        }
    }
}
