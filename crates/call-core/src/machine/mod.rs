//! [`CallMachine`]: owns all state of a call and decides what happens next.
//!
//! * `signaling.rs` – the connection to the server, and who is in the room
//! * `handshake.rs`, `sessions.rs` – proving who one is, and sealing what goes through the server
//! * `greeting.rs` – who lives in which slot
//! * `recognition.rs` – how far somebody is known
//! * `rules.rs`, `admission.rs` – who may come in
//! * `new_link.rs` – the room moves to another secret
//! * `connections.rs` – peer connections: set up, watch, replace
//! * `messages.rs` – what participants say, out and in

mod admission;
mod connections;
mod greeting;
mod handshake;
mod messages;
mod new_link;
mod recognition;
mod rules;
mod sessions;
mod signaling;

use std::collections::{BTreeMap, VecDeque};

use crate::action::{Action, EndReason};
use crate::deadlines::{Deadline, Deadlines};
use crate::input::{Input, LocalIntent, PeerKey, Switch};
use crate::peer::{Binding, Decision, Peer, Word};
use crate::peer_message::{MAX_DOORBELL_BYTES, ParticipantId, PeerMessage, clean_name};
use crate::random::Random;
use crate::snapshot::{CallPhase, CallSnapshot, LocalMedia, SendTimings};
use crate::standing::{Alarm, Door, IdentityLifetime, KnownContact, PublicKey};
use crate::time::Time;
use crate::timeline::{Departure, Dropped, MILESTONES_KEPT, Milestone, MilestoneKind};
use handshake::Handshakes;
use messages::Ways;
use new_link::Moves;
use rules::Rules;
use signaling::{Member, Room, Signaling, Trouble};
use trust::{Entropy, IdentityKey, RoomKeys};

/// Ids of participants that hung up, kept so that what they sent before and comes after is not taken for a newcomer's.
const DEPARTED_KEPT: usize = 64;

/// Messages of handshakes that prove nothing, until whoever sends them is taken for a stranger.
const PROOFS_MISSED: u32 = 3;

/// What a call is started with.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// What others see us called. Cleaned like everybody's.
    pub name: String,
    /// Who we are in this call: random bytes, new for every call.
    pub participant: ParticipantId,
    /// What to do when everybody else has left.
    pub on_empty: WhenEmpty,
    /// What we send at first.
    pub local: LocalMedia,
    /// Who we are, and whom we trust.
    pub trust: TrustConfig,
}

/// Who we are, what the invite says, and whom we know.
#[derive(Clone, Debug)]
pub struct TrustConfig {
    /// Our key.
    pub identity: IdentityKey,
    /// Seeded by the system; in tests by the test.
    pub entropy: Entropy,
    /// The invite's secret.
    pub secret: [u8; 16],
    /// What the invite says of its host's key.
    pub host_tag: [u8; 16],
    /// Whom we met before.
    pub contacts: Vec<KnownContact>,
    /// Whom we rang, or who rang us: nobody else takes their place unnoticed.
    pub expected: Option<PublicKey>,
    /// As host: who may enter.
    pub door: Door,
    /// As host: from when on nobody new may.
    pub expires_at: Option<Time>,
    /// Address of the server where our contacts can ring us: told to those who are let in. At most
    /// [`crate::peer_message::MAX_DOORBELL_BYTES`].
    pub doorbell: Option<String>,
    /// Whether our key is kept: others remember us only then.
    pub lifetime: IdentityLifetime,
}

/// What to do when everybody else has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    /// Stay in the room: others may come.
    Wait,
    /// End the call.
    End,
}

/// Whether the call has begun or is over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Running,
    Ended(EndReason),
}

/// Who we are, whom we know, and what the room's secret gives.
#[derive(Debug)]
struct Own {
    identity: IdentityKey,
    entropy: Entropy,
    keys: RoomKeys,
    contacts: Vec<KnownContact>,
    expected: Option<PublicKey>,
    doorbell: Option<String>,
    lifetime: IdentityLifetime,
}

/// All state of one call.
#[derive(Debug)]
pub struct CallMachine {
    participant: ParticipantId,
    name: String,
    own: Own,
    rules: Rules,
    /// Whether anybody in this call has let us in.
    was_let_in: bool,
    moves: Moves,
    handshakes: Handshakes,
    /// The present moment, while an input or a deadline is being handled.
    now: Time,
    /// What was wrong when the call ended.
    last_alarm: Option<Alarm>,
    on_empty: WhenEmpty,
    stage: Stage,
    local: LocalMedia,
    /// Counts changes of `local`.
    media_revision: u32,
    signaling: Signaling,
    room: Room,
    peers: BTreeMap<PeerKey, Peer>,
    /// Those who hung up, oldest first.
    departed: VecDeque<ParticipantId>,
    last_peer: u32,
    last_attempt: u32,
    /// Added to an attempt to give its number on the wire, so that another call's numbers are not ours.
    number_base: u32,
    connected_since: Option<Time>,
    random: Random,
    actions: VecDeque<Action>,
    deadlines: Deadlines,
    milestones: Vec<Milestone>,
    dropped: Dropped,
}

impl CallMachine {
    /// A call that has not begun.
    pub fn new(config: CallConfig) -> Self {
        let mut random = Random::from_bytes(config.participant.0);
        // Leaves two thousand million numbers to count up.
        let number_base = (random.next() as u32) >> 1;
        let trust = config.trust;
        let rules = Rules::new(&trust.identity.public(), trust.host_tag, trust.door, trust.expires_at);
        let own = Own {
            identity: trust.identity,
            entropy: trust.entropy,
            keys: RoomKeys::from_secret(&trust.secret),
            contacts: trust.contacts,
            expected: trust.expected,
            lifetime: trust.lifetime,
            doorbell: trust.doorbell.filter(|address| address.len() <= MAX_DOORBELL_BYTES),
        };
        Self {
            participant: config.participant,
            name: clean_name(&config.name),
            own,
            rules,
            was_let_in: false,
            moves: Moves::default(),
            handshakes: Handshakes::default(),
            now: Time::default(),
            last_alarm: None,
            on_empty: config.on_empty,
            stage: Stage::Idle,
            local: config.local,
            media_revision: 1,
            signaling: Signaling::default(),
            room: Room::default(),
            peers: BTreeMap::new(),
            departed: VecDeque::new(),
            last_peer: 0,
            last_attempt: 0,
            number_base,
            connected_since: None,
            random,
            actions: VecDeque::new(),
            deadlines: Deadlines::default(),
            milestones: Vec::new(),
            dropped: Dropped::default(),
        }
    }

    /// Takes in one thing that happened. Nothing is too late, too early or too strange to be handed in.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = now;
        match &self.stage {
            Stage::Ended(_) => return,
            Stage::Idle => self.handle_idle(input, now),
            Stage::Running => self.handle_running(input, now),
        }
        self.review_peers(now);
    }

    /// The next thing to do. Drain it after every `handle` and `handle_deadlines`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Self::handle_deadlines`] next.
    pub fn poll_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_deadlines(&mut self, now: Time) {
        self.now = now;
        while let Some(deadline) = self.deadlines.take_due(now) {
            self.on_deadline(deadline, now);
            self.review_peers(now);
        }
    }

    /// The call as it stands.
    pub fn snapshot(&self) -> CallSnapshot {
        CallSnapshot {
            phase: self.phase(),
            signaling: self.signaling.state(),
            local: self.local,
            participants: self
                .peers
                .iter()
                .map(|(&key, peer)| peer.snapshot(key, self.rules.role()))
                .collect(),
            connected_since: self.connected_since,
            room: self.rules.state(),
            alarm: self.alarm(),
        }
    }

    fn alarm(&self) -> Option<Alarm> {
        let is_stranger = |member: &Member| member.unproven >= PROOFS_MISSED && !member.channel.is_sealed();
        if self.is_over() {
            self.last_alarm
        } else if self.peers.values().any(|peer| peer.binding == Binding::Mismatch) {
            Some(Alarm::FingerprintMismatch)
        } else if self.room.members().any(|member| member.trouble == Trouble::Disturbed) {
            Some(Alarm::SignalingDisturbed)
        } else if self.room.members().any(is_stranger) && !self.is_anybody_greeted() {
            Some(Alarm::StrangerInRoom)
        } else {
            None
        }
    }

    /// What has happened since the last time this was asked, oldest first.
    pub fn timeline(&mut self) -> std::vec::IntoIter<Milestone> {
        std::mem::take(&mut self.milestones).into_iter()
    }

    /// What came in and was not used, since the call began.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn phase(&self) -> CallPhase {
        match &self.stage {
            Stage::Idle => return CallPhase::Idle,
            Stage::Ended(reason) => return CallPhase::Ended(reason.clone()),
            Stage::Running if !self.signaling.ever_joined() => return CallPhase::Joining,
            Stage::Running => {}
        }
        let is_back_wanted = |peer: &Peer| peer.lost_at.is_some();
        let is_to_let_us_in = |peer: &Peer| {
            peer.decision == Decision::Open && matches!(peer.word, Word::Wait | Word::Locked | Word::Expired)
        };
        let is_on_the_way = |peer: &Peer| peer.participant.is_none() || peer.is_let_in();
        if self.peers.values().any(|peer| peer.link.is_connected()) {
            CallPhase::Active
        } else if self.peers.values().any(is_back_wanted) {
            CallPhase::Reconnecting
        } else if self.peers.values().any(is_on_the_way) {
            CallPhase::Connecting
        } else if self.peers.values().any(is_to_let_us_in) {
            CallPhase::Knocking
        } else {
            CallPhase::Waiting
        }
    }

    fn handle_idle(&mut self, input: Input, now: Time) {
        match input {
            Input::Local(LocalIntent::Join) => {
                self.stage = Stage::Running;
                self.act(Action::ApplyLocalMedia(self.local));
                self.watch_expiry();
                self.open_signaling(now);
            }
            Input::Local(LocalIntent::Leave) => self.finish(EndReason::HungUp, now),
            Input::Local(LocalIntent::Microphone(switch)) => self.local.microphone = switch,
            Input::Local(LocalIntent::Camera(switch)) => self.local.camera = switch,
            Input::Local(LocalIntent::Screen(switch)) => self.local.screen = switch,
            Input::Local(LocalIntent::RestartIce | LocalIntent::SendTimings { .. }) | Input::NetworkChanged => {}
            Input::Local(LocalIntent::SetDoor(door)) => self.set_door(door, now),
            Input::Local(LocalIntent::SetExpiry(at)) => self.set_expiry(at, now),
            // There is nobody yet, and the link is the caller's.
            Input::Local(
                LocalIntent::Admit { .. }
                | LocalIntent::Refuse { .. }
                | LocalIntent::NewLink { .. }
                | LocalIntent::SymbolsMatch { .. },
            ) => {}
            Input::Signaling(_) | Input::Peer { .. } => self.dropped.stale += 1,
        }
    }

    fn handle_running(&mut self, input: Input, now: Time) {
        match input {
            Input::Local(intent) => self.handle_intent(intent, now),
            Input::Signaling(event) => self.on_signaling(event, now),
            Input::Peer { peer, attempt, event } => self.on_peer_input(peer, attempt, event, now),
            Input::NetworkChanged => self.reopen_signaling(now),
        }
    }

    fn handle_intent(&mut self, intent: LocalIntent, now: Time) {
        match intent {
            LocalIntent::Join => {}
            LocalIntent::Admit { peer } => self.admit(peer, now),
            LocalIntent::Refuse { peer } => self.refuse(peer, now),
            LocalIntent::SetDoor(door) => self.set_door(door, now),
            LocalIntent::SetExpiry(at) => self.set_expiry(at, now),
            LocalIntent::NewLink { secret } => self.new_link(secret, now),
            LocalIntent::SymbolsMatch { peer } => self.on_symbols_match(peer),
            LocalIntent::Leave => self.finish(EndReason::HungUp, now),
            LocalIntent::Microphone(switch) => self.change_media(|media| &mut media.microphone, switch),
            LocalIntent::Camera(switch) => self.change_media(|media| &mut media.camera, switch),
            LocalIntent::Screen(switch) => self.change_media(|media| &mut media.screen, switch),
            LocalIntent::RestartIce => self.restart_ice(now),
            LocalIntent::SendTimings {
                source,
                capture_ms,
                encode_ms,
            } => {
                let timings = SendTimings {
                    source,
                    capture_ms,
                    encode_ms,
                };
                self.send_timings(timings);
            }
        }
    }

    fn change_media(&mut self, of: impl Fn(&mut LocalMedia) -> &mut Switch, switch: Switch) {
        if std::mem::replace(of(&mut self.local), switch) == switch {
            return;
        }
        self.media_revision += 1;
        self.act(Action::ApplyLocalMedia(self.local));
        for key in self.peer_keys() {
            self.send_media(key);
        }
    }

    fn on_deadline(&mut self, deadline: Deadline, now: Time) {
        match deadline {
            Deadline::SignalingRetry => self.connect_signaling(now),
            Deadline::SignalingStep => self.on_signaling_too_slow(now),
            Deadline::JoinLimit => self.on_join_limit(now),
            Deadline::Probe => self.on_probe_due(now),
            Deadline::Greeting(slot) => self.on_greeting_unanswered(slot, now),
            Deadline::Check(slot) => self.on_check_due(slot),
            Deadline::Quiet(slot) => self.renew_session(slot, now),
            Deadline::Expiry => self.on_expiry(now),
            Deadline::SetUp(key) => self.on_set_up_too_slow(key, now),
            Deadline::OfferTurn(key) => self.on_offer_turn(key),
            Deadline::NewPath(key) => self.on_new_path_due(key, now),
            Deadline::Absence(key) => self.remove_peer(key, Departure::Lost, now),
            Deadline::TryAgain(key) => self.try_again(key, now),
        }
    }

    fn peer_keys(&self) -> Vec<PeerKey> {
        self.peers.keys().copied().collect()
    }

    fn is_anybody_connected(&self) -> bool {
        self.peers.values().any(|peer| peer.link.is_connected())
    }

    fn is_anybody_greeted(&self) -> bool {
        self.peers.values().any(Peer::is_somebody)
    }

    /// Takes a participant out of the call, and ends it when that was the last one and nobody else is wanted.
    fn remove_peer(&mut self, key: PeerKey, why: Departure, now: Time) {
        self.close_connection(key);
        let Some(peer) = self.peers.remove(&key) else { return };
        self.act(Action::ForgetPeer { peer: key });
        if let Some(slot) = peer.slot {
            self.room.vacate(slot);
        }
        self.deadlines.clear(Deadline::Absence(key));
        self.deadlines.clear(Deadline::TryAgain(key));
        self.note(now, Some(key), MilestoneKind::Left(why));
        let was_somebody = peer.is_somebody() && why != Departure::KnownAlready;
        if was_somebody && !self.is_anybody_greeted() && self.on_empty == WhenEmpty::End {
            self.finish(EndReason::EveryoneLeft, now);
        }
    }

    /// Ends the call, whatever state it is in. Nothing follows.
    fn finish(&mut self, reason: EndReason, now: Time) {
        self.last_alarm = self.alarm();
        for key in self.peer_keys() {
            self.send(key, &PeerMessage::Bye, Ways::Best);
        }
        self.close_signaling();
        for key in self.peer_keys() {
            self.close_connection(key);
        }
        self.deadlines = Deadlines::default();
        self.peers.clear();
        self.room = Room::default();
        self.note(now, None, MilestoneKind::Ended(reason.clone()));
        self.act(Action::Finished(reason.clone()));
        self.stage = Stage::Ended(reason);
    }

    /// Asks for something. After the end nothing is asked for.
    fn act(&mut self, action: Action) {
        if !self.is_over() {
            self.actions.push_back(action);
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    fn note(&mut self, at: Time, peer: Option<PeerKey>, kind: MilestoneKind) {
        tracing::debug!(?peer, %kind, "call");
        if self.milestones.len() < MILESTONES_KEPT {
            self.milestones.push(Milestone { at, peer, kind });
        } else {
            self.dropped.overflow += 1;
        }
    }
}
