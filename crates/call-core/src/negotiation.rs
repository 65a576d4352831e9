//! Offer and answer over one peer connection: the perfect negotiation pattern (W3C WebRTC 1.0, section 10.7).
//!
//! In: wishes to offer, the peer's descriptions and candidates, results of our own steps. Out: [`Step`]s, one
//! outstanding at a time. What comes meanwhile waits: of the peer's offers the newest, of candidates 64.
//!
//! Beyond the pattern, because messages here may be lost with a server, come twice on two paths, or late: an answer
//! names the offer it answers, a candidate the description it belongs to, and what was not confirmed can be sent again.

use std::collections::VecDeque;

use crate::action::OfferAcceptance;
use crate::hex::Hex;
use crate::input::{DescriptionKind, IceCandidate, IceMode};
use crate::peer_message::{ConnectionTag, Hello, PeerMessage, is_sendable};
use crate::replay_window::{Freshness, ReplayWindow};
use crate::timeline::Dropped;

/// Candidates a description may have, each way, waiting or not; a peer gathers about ten. Further ones are dropped and
/// counted.
pub(crate) const CANDIDATES_QUEUED: usize = 64;

/// Who gives way when both offer at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Politeness {
    /// Takes its own offer back.
    Polite,
    /// Ignores the other's offer.
    Impolite,
}

/// Whether what we make may be sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Not before the peer has greeted.
    Closed,
    /// At once.
    Open,
}

/// Something to do for this negotiation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    CreateOffer(IceMode),
    AcceptOffer { sdp: String, acceptance: OfferAcceptance },
    AcceptAnswer { sdp: String },
    AddCandidate(IceCandidate),
    Send(PeerMessage),
}

/// Whether a message is about this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Ours,
    /// The peer has replaced its connection: ours can only be replaced too.
    NewerConnection,
    /// It is about one that is over.
    Stale,
}

/// Where offer and answer stand; the step that is outstanding. Sequences are those of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    Stable,
    MakingOffer,
    /// Ours is out.
    Offered {
        sequence: u32,
    },
    /// Theirs is being set.
    AcceptingOffer {
        sequence: u32,
    },
    /// Theirs is being set.
    AcceptingAnswer {
        sequence: u32,
    },
    /// A step failed while media flowed: left alone until the connection is replaced.
    Broken,
}

#[derive(Clone, Debug)]
struct RemoteOffer {
    connection: u32,
    sequence: u32,
    hello: Hello,
    sdp: String,
}

/// A description of theirs.
#[derive(Clone, Debug)]
pub(crate) struct RemoteDescription {
    pub tag: ConnectionTag,
    /// In an answer: the sequence of the offer it answers.
    pub answers: Option<u32>,
    pub hello: Hello,
    pub sdp: String,
}

#[derive(Clone, Debug)]
struct QueuedCandidate {
    connection: u32,
    description: u32,
    candidate: IceCandidate,
}

/// Offer and answer over one peer connection.
#[derive(Clone, Debug)]
pub(crate) struct Negotiation {
    /// Our number of this connection.
    number: u32,
    /// Theirs, once a description of theirs was taken.
    remote: Option<u32>,
    /// What they have to say on the control channel.
    hello: Hello,
    /// What we have to say there; from the newest of their descriptions that was taken.
    remote_hello: Option<Hello>,
    exchange: Exchange,
    gate: Gate,
    /// An offer to make when the exchange is stable.
    wanted: Option<IceMode>,
    /// The newest offer that came during a step.
    pending_offer: Option<RemoteOffer>,
    /// Which of their connections `window` counts.
    counted: u32,
    window: ReplayWindow,
    /// Sequence of the remote description in force.
    remote_description: Option<u32>,
    /// Sequence of the offer that our last answer answered.
    answered: Option<u32>,
    queued_candidates: Vec<QueuedCandidate>,
    /// Candidates added under the remote description in force.
    candidates_added: usize,
    /// Sequence of our last message.
    last_sequence: u32,
    /// Sequence of our last description.
    local_description: Option<u32>,
    /// Our candidates that came before the description they belong to.
    early_candidates: Vec<IceCandidate>,
    /// Our last description and its candidates, to be sent again when they may have been lost.
    outbox: Vec<PeerMessage>,
    steps: VecDeque<Step>,
}

impl Negotiation {
    /// For a new peer connection with our number `number`.
    pub(crate) fn new(number: u32, hello: [u8; 16], gate: Gate) -> Self {
        Self {
            number,
            remote: None,
            hello: Hex(hello),
            remote_hello: None,
            exchange: Exchange::Stable,
            gate,
            wanted: None,
            pending_offer: None,
            counted: 0,
            window: ReplayWindow::default(),
            remote_description: None,
            answered: None,
            queued_candidates: Vec::new(),
            candidates_added: 0,
            last_sequence: 0,
            local_description: None,
            early_candidates: Vec::new(),
            outbox: Vec::new(),
            steps: VecDeque::new(),
        }
    }

    /// Our number of this connection.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Their number, once known.
    pub(crate) fn remote(&self) -> Option<u32> {
        self.remote
    }

    /// What they have to say on the control channel.
    pub(crate) fn hello(&self) -> Hello {
        self.hello
    }

    /// What we have to say there, once they told.
    pub(crate) fn remote_hello(&self) -> Option<Hello> {
        self.remote_hello
    }

    /// Whether neither side has offered anything yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.exchange == Exchange::Stable && self.remote.is_none()
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn is_offered(&self) -> bool {
        matches!(self.exchange, Exchange::Offered { .. })
    }

    /// Whether a step failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.exchange == Exchange::Broken
    }

    /// The next thing to do.
    pub(crate) fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// What a message with this tag is about.
    pub(crate) fn judge(&self, tag: ConnectionTag) -> Verdict {
        if tag.toward.is_some_and(|toward| toward != self.number) {
            return Verdict::Stale;
        }
        match self.remote {
            None => Verdict::Ours,
            Some(remote) if tag.connection == remote => Verdict::Ours,
            Some(remote) if tag.connection > remote => Verdict::NewerConnection,
            Some(_) => Verdict::Stale,
        }
    }

    /// Makes an offer, now or as soon as the present exchange is over.
    pub(crate) fn want_offer(&mut self, ice: IceMode) {
        match self.exchange {
            Exchange::Stable => {
                self.exchange = Exchange::MakingOffer;
                if ice == IceMode::Restart {
                    self.early_candidates.clear();
                }
                self.steps.push_back(Step::CreateOffer(ice));
            }
            Exchange::Offered { .. } => {
                self.wanted = Some(ice);
                self.send_again();
            }
            Exchange::MakingOffer | Exchange::AcceptingOffer { .. } | Exchange::AcceptingAnswer { .. } => {
                self.wanted = Some(ice);
            }
            Exchange::Broken => {}
        }
    }

    /// Lets out what was held back.
    pub(crate) fn open_gate(&mut self) {
        if self.gate == Gate::Closed {
            self.gate = Gate::Open;
            self.send_again();
        }
    }

    /// Sends our last description and candidates again.
    pub(crate) fn send_again(&mut self) {
        if self.gate == Gate::Open {
            self.steps.extend(self.outbox.iter().cloned().map(Step::Send));
        }
    }

    /// The connection is up: what was sent has arrived.
    pub(crate) fn settle(&mut self) {
        if self.exchange == Exchange::Stable {
            self.outbox.clear();
        }
    }

    /// A step failed, and the connection stays.
    pub(crate) fn break_off(&mut self) {
        self.exchange = Exchange::Broken;
        self.outbox.clear();
        self.pending_offer = None;
        self.wanted = None;
    }

    /// An offer or answer came; [`Self::judge`] said it is ours.
    pub(crate) fn on_description(
        &mut self,
        description: RemoteDescription,
        politeness: Politeness,
        dropped: &mut Dropped,
    ) {
        let RemoteDescription {
            tag,
            answers,
            hello,
            sdp,
        } = description;
        if self.note(tag) == Freshness::Seen {
            dropped.duplicate += 1;
            if answers.is_none() && self.answered == Some(tag.sequence) && self.remote == Some(tag.connection) {
                self.send_again();
            }
            return;
        }
        match answers {
            None => {
                let (connection, sequence) = (tag.connection, tag.sequence);
                let offer = RemoteOffer {
                    connection,
                    sequence,
                    hello,
                    sdp,
                };
                self.on_offer(offer, politeness, dropped);
            }
            Some(offer) if self.exchange == (Exchange::Offered { sequence: offer }) => {
                self.remote = Some(tag.connection);
                self.remote_hello = Some(hello);
                self.exchange = Exchange::AcceptingAnswer { sequence: tag.sequence };
                self.steps.push_back(Step::AcceptAnswer { sdp });
            }
            Some(_) => dropped.stale += 1,
        }
    }

    fn on_offer(&mut self, offer: RemoteOffer, politeness: Politeness, dropped: &mut Dropped) {
        if self.remote_description.is_some_and(|newest| offer.sequence <= newest) {
            dropped.stale += 1;
            return;
        }
        match (self.exchange, politeness) {
            (Exchange::Stable, _) => self.accept(offer, OfferAcceptance::Plain),
            (Exchange::Offered { .. }, Politeness::Polite) => self.accept(offer, OfferAcceptance::RollbackFirst),
            (Exchange::Offered { .. }, Politeness::Impolite) => {
                dropped.stale += 1;
                // They offer, so they may not have ours.
                self.send_again();
            }
            (Exchange::MakingOffer | Exchange::AcceptingOffer { .. } | Exchange::AcceptingAnswer { .. }, _) => {
                let is_older =
                    |pending: &RemoteOffer| (pending.connection, pending.sequence) < (offer.connection, offer.sequence);
                if self.pending_offer.as_ref().is_none_or(is_older) {
                    self.pending_offer = Some(offer);
                } else {
                    dropped.stale += 1;
                }
            }
            (Exchange::Broken, _) => dropped.stale += 1,
        }
    }

    fn accept(&mut self, offer: RemoteOffer, acceptance: OfferAcceptance) {
        match acceptance {
            OfferAcceptance::Plain => self.early_candidates.clear(),
            // The addresses stay good, but went out under an offer that the peer ignored: they go with the answer again.
            OfferAcceptance::RollbackFirst => {
                let candidates = self.outbox.drain(..).filter_map(|message| match message {
                    PeerMessage::Candidate { candidate, .. } => Some(candidate),
                    PeerMessage::Greeting { .. }
                    | PeerMessage::Admission { .. }
                    | PeerMessage::Check
                    | PeerMessage::Checked
                    | PeerMessage::Hello { .. }
                    | PeerMessage::Description { .. }
                    | PeerMessage::Media { .. }
                    | PeerMessage::Bye
                    | PeerMessage::Timings(_)
                    | PeerMessage::Symbols { .. }
                    | PeerMessage::Room { .. }
                    | PeerMessage::Moved { .. } => None,
                });
                self.early_candidates.extend(candidates.take(CANDIDATES_QUEUED));
            }
        }
        self.outbox.clear();
        self.wanted = None;
        self.remote = Some(offer.connection);
        self.remote_hello = Some(offer.hello);
        self.exchange = Exchange::AcceptingOffer {
            sequence: offer.sequence,
        };
        let sdp = offer.sdp;
        self.steps.push_back(Step::AcceptOffer { sdp, acceptance });
    }

    /// A candidate of theirs came; [`Self::judge`] said it is ours.
    pub(crate) fn on_candidate(
        &mut self,
        tag: ConnectionTag,
        description: u32,
        candidate: IceCandidate,
        dropped: &mut Dropped,
    ) {
        if self.note(tag) == Freshness::Seen {
            dropped.duplicate += 1;
        } else if self.remote_description.is_some_and(|newest| description < newest) {
            dropped.stale += 1;
        } else if self.remote_description == Some(description) {
            self.add_candidate(candidate, dropped);
        } else if self.queued_candidates.len() >= CANDIDATES_QUEUED {
            dropped.overflow += 1;
        } else {
            let connection = tag.connection;
            self.queued_candidates.push(QueuedCandidate {
                connection,
                description,
                candidate,
            });
        }
    }

    /// `CreateOffer` or `AcceptOffer` is done.
    pub(crate) fn on_local_description(
        &mut self,
        kind: DescriptionKind,
        sdp: String,
        politeness: Politeness,
        dropped: &mut Dropped,
    ) {
        match (self.exchange, kind) {
            (Exchange::MakingOffer, DescriptionKind::Offer) => {
                let sequence = self.publish(kind, None, sdp);
                self.exchange = Exchange::Offered { sequence };
            }
            (Exchange::AcceptingOffer { sequence }, DescriptionKind::Answer) => {
                self.publish(kind, Some(sequence), sdp);
                self.answered = Some(sequence);
                self.become_stable(sequence, dropped);
            }
            (
                Exchange::Stable
                | Exchange::MakingOffer
                | Exchange::Offered { .. }
                | Exchange::AcceptingOffer { .. }
                | Exchange::AcceptingAnswer { .. }
                | Exchange::Broken,
                DescriptionKind::Offer | DescriptionKind::Answer,
            ) => {
                dropped.stale += 1;
                return;
            }
        }
        self.take_up_what_waited(politeness, dropped);
    }

    /// `AcceptAnswer` is done.
    pub(crate) fn on_answer_accepted(&mut self, politeness: Politeness, dropped: &mut Dropped) {
        let Exchange::AcceptingAnswer { sequence } = self.exchange else {
            dropped.stale += 1;
            return;
        };
        self.become_stable(sequence, dropped);
        self.take_up_what_waited(politeness, dropped);
    }

    /// A candidate of ours was gathered.
    pub(crate) fn on_local_candidate(&mut self, candidate: IceCandidate, dropped: &mut Dropped) {
        if !is_sendable(&candidate) {
            return;
        }
        let belongs_to = match self.exchange {
            Exchange::MakingOffer | Exchange::AcceptingOffer { .. } => None,
            Exchange::Stable | Exchange::Offered { .. } | Exchange::AcceptingAnswer { .. } | Exchange::Broken => {
                self.local_description
            }
        };
        match belongs_to {
            Some(description) => self.publish_candidate(description, candidate, dropped),
            None if self.early_candidates.len() < CANDIDATES_QUEUED => self.early_candidates.push(candidate),
            None => dropped.overflow += 1,
        }
    }

    fn publish(&mut self, kind: DescriptionKind, answers: Option<u32>, sdp: String) -> u32 {
        let tag = self.next_tag();
        self.local_description = Some(tag.sequence);
        let message = PeerMessage::Description {
            tag,
            kind,
            answers,
            hello: self.hello,
            sdp,
        };
        self.outbox = vec![message];
        for candidate in std::mem::take(&mut self.early_candidates) {
            let message = self.candidate_message(tag.sequence, candidate);
            self.outbox.push(message);
        }
        self.send_again();
        tag.sequence
    }

    fn publish_candidate(&mut self, description: u32, candidate: IceCandidate, dropped: &mut Dropped) {
        let message = self.candidate_message(description, candidate);
        if self.outbox.len() > CANDIDATES_QUEUED {
            dropped.overflow += 1;
            return;
        }
        if self.gate == Gate::Open {
            self.steps.push_back(Step::Send(message.clone()));
        }
        self.outbox.push(message);
    }

    fn candidate_message(&mut self, description: u32, candidate: IceCandidate) -> PeerMessage {
        PeerMessage::Candidate {
            tag: self.next_tag(),
            description,
            candidate,
        }
    }

    fn next_tag(&mut self) -> ConnectionTag {
        self.last_sequence += 1;
        ConnectionTag {
            connection: self.number,
            toward: self.remote,
            sequence: self.last_sequence,
        }
    }

    fn add_candidate(&mut self, candidate: IceCandidate, dropped: &mut Dropped) {
        if self.candidates_added >= CANDIDATES_QUEUED {
            dropped.overflow += 1;
            return;
        }
        self.candidates_added += 1;
        self.steps.push_back(Step::AddCandidate(candidate));
    }

    fn become_stable(&mut self, remote_description: u32, dropped: &mut Dropped) {
        self.exchange = Exchange::Stable;
        self.remote_description = Some(remote_description);
        self.candidates_added = 0;
        let remote = self.remote;
        for queued in std::mem::take(&mut self.queued_candidates) {
            if Some(queued.connection) != remote || queued.description < remote_description {
                continue;
            }
            if queued.description == remote_description {
                self.add_candidate(queued.candidate, dropped);
            } else {
                self.queued_candidates.push(queued);
            }
        }
    }

    fn take_up_what_waited(&mut self, politeness: Politeness, dropped: &mut Dropped) {
        if let Some(offer) = self.pending_offer.take() {
            self.on_offer(offer, politeness, dropped);
        } else if self.exchange == Exchange::Stable
            && let Some(ice) = self.wanted.take()
        {
            self.want_offer(ice);
        }
    }

    fn note(&mut self, tag: ConnectionTag) -> Freshness {
        if tag.connection < self.counted {
            return Freshness::Seen;
        }
        if tag.connection > self.counted {
            self.counted = tag.connection;
            self.window = ReplayWindow::default();
        }
        self.window.note(tag.sequence)
    }
}
