//! They ring: one at a time, for as long as it is heard, and missed once.

use super::past::Fate;
use super::{
    CallRole, CallToStart, Device, MAX_RINGS, RING_INTERVAL, RING_LIMIT, RING_SILENCE, Ring, RingMachine, RingOutput,
    RingView,
};
use crate::doorbell::id::RingId;
use crate::doorbell::pace::Pace;
use crate::doorbell::ring_message::RingMessage;
use crate::doorbell::snapshot::{RingDirection, RingOutcome, RingStage};
use crate::input::Switch;
use crate::standing::PublicKey;
use crate::time::Time;

/// Whose rings are counted at most; one more and all begin anew.
const MAX_RATES: usize = 1_024;

/// Their ring.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    id: RingId,
    pub(super) from: Device,
    name: String,
    video: Switch,
    link: String,
    until: Time,
    silent_at: Time,
    phase: Phase,
    listing: Listing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ringing,
    /// We take it and wait for the caller to say so.
    Accepting {
        video: Switch,
        /// Our own ring that gave way to it.
        instead_of: Option<RingId>,
    },
}

/// Whether a ring stands in the list of missed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    NotYet,
    Listed,
}

impl Incoming {
    pub(super) fn new(id: RingId, from: Device, video: Switch, link: String, name: String, now: Time) -> Self {
        Self {
            id,
            from,
            name,
            video,
            link,
            until: now + RING_LIMIT,
            silent_at: now + RING_SILENCE,
            phase: Phase::Ringing,
            listing: Listing::NotYet,
        }
    }

    pub(super) fn is_ringing(&self) -> bool {
        self.phase == Phase::Ringing
    }

    pub(super) fn next_deadline(&self) -> Time {
        match self.phase {
            Phase::Ringing => self.until.min(self.silent_at),
            Phase::Accepting { .. } => self.silent_at,
        }
    }

    /// What the caller is told whenever it asks.
    pub(super) fn standing(&self) -> RingMessage {
        let id = self.id;
        match self.phase {
            Phase::Ringing => RingMessage::Ringing { id },
            Phase::Accepting { video, instead_of } => RingMessage::Accept { id, video, instead_of },
        }
    }

    pub(super) fn view(&self) -> RingView {
        RingView {
            id: self.id,
            direction: RingDirection::Incoming,
            party: self.from.party,
            key: Some(self.from.key),
            name: self.name.clone(),
            video: self.video,
            stage: match self.phase {
                Phase::Ringing => RingStage::Ringing,
                Phase::Accepting { .. } => RingStage::Accepted,
            },
        }
    }
}

impl RingMachine {
    pub(super) fn on_ring(&mut self, mut ring: Incoming, now: Time) {
        let (id, from) = (ring.id, ring.from);
        if let Ring::Incoming(known) = &mut self.ring
            && (known.id, known.from) == (id, from)
        {
            known.silent_at = ring.silent_at;
            let standing = known.standing();
            return self.send(from, standing);
        }
        match self.past.fate(id, from.party) {
            None => {
                if !self.is_within_rate(from.key, now) {
                    self.dropped.overflow += 1;
                    return;
                }
            }
            Some(Fate::Silent { until }) if now < until => {
                ring.until = until;
                ring.listing = Listing::Listed;
            }
            // It did not ring here, but now we ring them, too.
            Some(Fate::Busy) if self.is_crossing(from) => ring.listing = Listing::Listed,
            Some(Fate::Declined) => return self.send(from, RingMessage::Decline { id }),
            Some(Fate::Busy) => return self.send(from, RingMessage::Busy { id }),
            Some(
                Fate::Silent { .. }
                | Fate::Over
                | Fate::Started
                | Fate::Withdrawn
                | Fate::Settled { .. }
                | Fate::Left { .. },
            ) => {
                self.dropped.stale += 1;
                return;
            }
        }
        self.on_fresh_ring(ring, now);
    }

    /// Whether we ring whom this device belongs to.
    fn is_crossing(&self, from: Device) -> bool {
        matches!(&self.ring, Ring::Outgoing(ours) if self.is_reached_by_ringing(ours.to, from))
    }

    fn on_fresh_ring(&mut self, mut ring: Incoming, now: Time) {
        let from = ring.from;
        match &self.ring {
            Ring::Outgoing(ours) if self.is_reached_by_ringing(ours.to, from) => {
                // Both compare the same two, so that one of them gives way; ours has to be heard for that.
                if ring.id >= ours.id {
                    return self.send_ring(self.as_rung(from));
                }
                if let Some((ours, video)) = self.give_way(from, now) {
                    let instead_of = Some(ours);
                    ring.phase = Phase::Accepting { video, instead_of };
                    self.begin(ring);
                }
            }
            // Nobody rings twice at once from one device.
            Ring::Incoming(theirs) if theirs.from == from => {
                self.end_incoming(RingOutcome::Cancelled, Fate::Over, now);
                self.ring_or_refuse(ring, now);
            }
            // Whoever has gone and come back as another device is still the same person.
            Ring::Incoming(theirs) if theirs.from.party == from.party && !self.devices.contains(&theirs.from) => {
                let silent = Fate::Silent { until: theirs.until };
                self.end_incoming(RingOutcome::Cancelled, silent, now);
                self.ring_or_refuse(ring, now);
            }
            Ring::None => self.ring_or_refuse(ring, now),
            Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => self.refuse(&ring, now),
        }
    }

    fn ring_or_refuse(&mut self, ring: Incoming, now: Time) {
        match (self.in_call, self.do_not_disturb) {
            (Switch::Off, Switch::Off) => {
                self.begin(ring);
                self.outputs.push_back(RingOutput::Rings);
            }
            (Switch::On, _) | (_, Switch::On) => self.refuse(&ring, now),
        }
    }

    fn begin(&mut self, ring: Incoming) {
        self.send(ring.from, ring.standing());
        self.ring = Ring::Incoming(ring);
    }

    /// Without saying why.
    fn refuse(&mut self, ring: &Incoming, now: Time) {
        self.past.note(ring.id, ring.from.party, Fate::Busy, now);
        self.send(ring.from, RingMessage::Busy { id: ring.id });
        self.list_as_missed(ring);
    }

    fn list_as_missed(&mut self, ring: &Incoming) {
        match ring.listing {
            Listing::NotYet => self.outputs.push_back(RingOutput::Missed {
                ring: ring.id,
                key: ring.from.key,
                name: ring.name.clone(),
            }),
            Listing::Listed => {}
        }
    }

    fn is_within_rate(&mut self, key: PublicKey, now: Time) -> bool {
        if self.rates.len() >= MAX_RATES && !self.rates.contains_key(&key) {
            self.rates.clear();
        }
        let unrung = Pace::new(RING_INTERVAL, MAX_RINGS);
        self.rates.entry(key).or_insert(unrung).take(now)
    }

    pub(super) fn accept(&mut self, video: Switch, now: Time) {
        match &mut self.ring {
            Ring::Incoming(ring) if ring.is_ringing() => {
                ring.phase = Phase::Accepting {
                    video,
                    instead_of: None,
                };
                ring.silent_at = now + RING_SILENCE;
                let (from, standing) = (ring.from, ring.standing());
                self.send(from, standing);
            }
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => self.dropped.stale += 1,
        }
    }

    pub(super) fn decline(&mut self, now: Time) {
        match &self.ring {
            Ring::Incoming(_) => self.end_incoming(RingOutcome::Declined, Fate::Declined, now),
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) => self.dropped.stale += 1,
        }
    }

    /// A call began that has nothing to do with the ring.
    pub(super) fn refuse_as_busy(&mut self, now: Time) {
        self.end_incoming(RingOutcome::Busy, Fate::Busy, now);
    }

    /// Their ring is over: who has to know is told, and it is missed unless somebody dealt with it.
    fn end_incoming(&mut self, outcome: RingOutcome, fate: Fate, now: Time) {
        let Ring::Incoming(ring) = std::mem::take(&mut self.ring) else {
            return;
        };
        let id = ring.id;
        match outcome {
            // Busy after an `Accept` would leave the caller in the call.
            RingOutcome::Declined => self.send(ring.from, RingMessage::Decline { id }),
            RingOutcome::Busy if !ring.is_ringing() => self.send(ring.from, RingMessage::Decline { id }),
            RingOutcome::Busy => self.send(ring.from, RingMessage::Busy { id }),
            RingOutcome::TimedOut
            | RingOutcome::Cancelled
            | RingOutcome::AnsweredElsewhere
            | RingOutcome::Unreachable => {}
        }
        match outcome {
            RingOutcome::Declined | RingOutcome::AnsweredElsewhere => {}
            RingOutcome::Busy | RingOutcome::TimedOut | RingOutcome::Cancelled | RingOutcome::Unreachable => {
                self.list_as_missed(&ring);
            }
        }
        self.past.note(id, ring.from.party, fate, now);
        self.outputs.push_back(RingOutput::Ended {
            ring: id,
            direction: RingDirection::Incoming,
            party: ring.from.party,
            name: ring.name,
            outcome,
        });
    }

    pub(super) fn incoming_due(&mut self, now: Time) {
        let Ring::Incoming(ring) = &self.ring else { return };
        let silent = Fate::Silent { until: ring.until };
        match ring.phase {
            Phase::Ringing if now >= ring.until => self.end_incoming(RingOutcome::TimedOut, Fate::Over, now),
            Phase::Ringing if now >= ring.silent_at => self.end_incoming(RingOutcome::Cancelled, silent, now),
            Phase::Accepting { .. } if now >= ring.silent_at => {
                self.end_incoming(RingOutcome::Unreachable, silent, now);
            }
            Phase::Ringing | Phase::Accepting { .. } => {}
        }
    }

    /// The caller says that a ring of theirs is over.
    pub(super) fn on_over(&mut self, from: Device, id: RingId, outcome: RingOutcome, now: Time) {
        match &self.ring {
            Ring::Incoming(ring) if (ring.id, ring.from) == (id, from) => self.end_incoming(outcome, Fate::Over, now),
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => {
                match self.past.fate(id, from.party) {
                    // It may have come before the ring itself, on another connection.
                    None | Some(Fate::Silent { .. }) => self.past.note(id, from.party, Fate::Over, now),
                    // They left the call before they knew that we are in it.
                    Some(Fate::Started) => {
                        self.past.note(id, from.party, Fate::Over, now);
                        self.outputs.push_back(RingOutput::CallOff(id));
                    }
                    Some(
                        Fate::Over
                        | Fate::Declined
                        | Fate::Busy
                        | Fate::Withdrawn
                        | Fate::Settled { .. }
                        | Fate::Left { .. },
                    ) => {
                        self.dropped.stale += 1;
                    }
                }
            }
        }
    }

    /// The caller is in the call, and so are we if we still want it.
    pub(super) fn on_start(&mut self, from: Device, id: RingId, now: Time) {
        if let Some(call) = self.call_taken(from, id) {
            self.ring = Ring::None;
            self.past.note(id, from.party, Fate::Started, now);
            self.send(from, RingMessage::Started { id });
            return self.start_call(call);
        }
        self.dropped.stale += 1;
        if matches!(&self.ring, Ring::Incoming(ring) if (ring.id, ring.from) == (id, from)) {
            // We took it, gave up waiting, and it rings again: nobody is put into a call without having said yes now.
            self.end_incoming(RingOutcome::Unreachable, Fate::Declined, now);
        }
        match self.past.fate(id, from.party) {
            Some(Fate::Started) => self.send(from, RingMessage::Started { id }),
            None
            | Some(
                Fate::Over
                | Fate::Declined
                | Fate::Busy
                | Fate::Silent { .. }
                | Fate::Withdrawn
                | Fate::Settled { .. }
                | Fate::Left { .. },
            ) => self.send(from, RingMessage::Decline { id }),
        }
    }

    /// The call that a ring has become, if we took it.
    fn call_taken(&self, from: Device, id: RingId) -> Option<CallToStart> {
        match &self.ring {
            Ring::Incoming(ring) if (ring.id, ring.from) == (id, from) => match ring.phase {
                Phase::Accepting { video, .. } => Some(CallToStart {
                    ring: id,
                    role: CallRole::Callee,
                    link: ring.link.clone(),
                    with: from.key,
                    name: ring.name.clone(),
                    video,
                }),
                Phase::Ringing => None,
            },
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => None,
        }
    }
}
