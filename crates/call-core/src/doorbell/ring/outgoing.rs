//! We ring: all devices of somebody, until the first takes it.

use std::collections::BTreeMap;

use super::past::Fate;
use super::{
    CONFIRM_LIMIT, CallRole, CallToStart, Device, Party, RING_LIMIT, RING_REPEAT, Ring, RingMachine, RingOutput,
    RingView,
};
use crate::doorbell::id::RingId;
use crate::doorbell::ring_message::RingMessage;
use crate::doorbell::snapshot::{RingDirection, RingOutcome, RingStage};
use crate::input::Switch;
use crate::time::Time;

/// Our ring.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) id: RingId,
    pub(super) to: Party,
    name: String,
    video: Switch,
    link: String,
    until: Time,
    repeat_at: Time,
    /// What devices have said. As many as devices can be there, since only those are heard.
    answers: BTreeMap<Device, Answer>,
}

/// What a device says of our ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Ringing,
    Busy,
}

/// Somebody took it; they do not know yet that they were the first.
#[derive(Clone, Debug)]
pub(super) struct Confirming {
    pub(super) device: Device,
    pub(super) call: CallToStart,
    until: Time,
    repeat_at: Time,
}

impl Outgoing {
    pub(super) fn new(id: RingId, to: Party, name: String, video: Switch, link: String, now: Time) -> Self {
        Self {
            id,
            to,
            name,
            video,
            link,
            until: now + RING_LIMIT,
            repeat_at: now + RING_REPEAT,
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.until.min(self.repeat_at)
    }

    fn has_answered(&self, answer: Answer) -> bool {
        self.answers.values().any(|given| *given == answer)
    }
}

impl Confirming {
    pub(super) fn next_deadline(&self) -> Time {
        self.until.min(self.repeat_at)
    }

    pub(super) fn view(&self) -> RingView {
        RingView {
            id: self.call.ring,
            direction: RingDirection::Outgoing,
            party: self.device.party,
            key: Some(self.device.key),
            name: self.call.name.clone(),
            video: self.call.video,
            stage: RingStage::Accepted,
        }
    }
}

impl RingMachine {
    pub(super) fn ring(&mut self, ring: Outgoing, now: Time) {
        if let Ring::Incoming(incoming) = &self.ring
            && incoming.is_ringing()
            && self.is_reached_by_ringing(ring.to, incoming.from)
        {
            return self.accept(ring.video, now);
        }
        if !matches!(self.ring, Ring::None) || self.in_call == Switch::On {
            self.dropped.stale += 1;
            return;
        }
        let to = ring.to;
        self.ring = Ring::Outgoing(ring);
        for device in self.devices_of(to).collect::<Vec<_>>() {
            self.send_ring(device);
        }
    }

    /// Whether a device is one of those that ringing this party rings, or shares its identity with one.
    pub(super) fn is_reached_by_ringing(&self, party: Party, device: Device) -> bool {
        party == Party::Person(device.key) || self.devices_of(party).any(|reached| reached.key == device.key)
    }

    /// The device as one of those we ring. Somebody nearby may be a contact, too, and answer by that way.
    pub(super) fn as_rung(&self, from: Device) -> Device {
        let party = match &self.ring {
            Ring::Outgoing(ring) => ring.to,
            Ring::Confirming(ring) => ring.device.party,
            Ring::None | Ring::Incoming(_) => return from,
        };
        let is_same = |device: &Device| (device.id, device.key) == (from.id, from.key);
        self.devices_of(party).find(is_same).unwrap_or(from)
    }

    pub(super) fn outgoing_view(&self, ring: &Outgoing) -> RingView {
        let proven = match ring.to {
            Party::Person(key) => Some(key),
            Party::Nearby(_) => self.devices_of(ring.to).next().map(|device| device.key),
        };
        RingView {
            id: ring.id,
            direction: RingDirection::Outgoing,
            party: ring.to,
            key: proven,
            name: ring.name.clone(),
            video: ring.video,
            stage: match ring.has_answered(Answer::Ringing) {
                true => RingStage::Ringing,
                false => RingStage::Reaching,
            },
        }
    }

    pub(super) fn send_ring(&mut self, device: Device) {
        let Ring::Outgoing(ring) = &self.ring else { return };
        let message = RingMessage::Ring {
            id: ring.id,
            video: ring.video,
            link: ring.link.clone(),
            name: self.name.clone(),
        };
        self.send(device, message);
    }

    pub(super) fn outgoing_due(&mut self, now: Time) {
        let Ring::Outgoing(ring) = &mut self.ring else { return };
        if now >= ring.until {
            let outcome = if ring.has_answered(Answer::Ringing) {
                RingOutcome::TimedOut
            } else if ring.has_answered(Answer::Busy) {
                RingOutcome::Busy
            } else {
                RingOutcome::Unreachable
            };
            return self.end_outgoing(outcome, Fate::Withdrawn, now);
        }
        if now >= ring.repeat_at {
            ring.repeat_at = now + RING_REPEAT;
            let to = ring.to;
            for device in self.devices_of(to).collect::<Vec<_>>() {
                self.send_ring(device);
            }
        }
    }

    pub(super) fn cancel(&mut self, now: Time) {
        match &self.ring {
            Ring::Outgoing(_) => self.end_outgoing(RingOutcome::Cancelled, Fate::Withdrawn, now),
            // They were quicker by a moment.
            Ring::Confirming(_) => self.call_off(now),
            Ring::None | Ring::Incoming(_) => self.dropped.stale += 1,
        }
    }

    /// Our ring is over without a call.
    fn end_outgoing(&mut self, outcome: RingOutcome, fate: Fate, now: Time) {
        let Ring::Outgoing(ring) = std::mem::take(&mut self.ring) else {
            return;
        };
        self.settle(ring.id, ring.to, fate, now);
        self.outputs.push_back(RingOutput::Ended {
            ring: ring.id,
            direction: RingDirection::Outgoing,
            party: ring.to,
            name: ring.name,
            outcome,
        });
    }

    /// Remembers what became of our ring, and tells the devices that have to know.
    fn settle(&mut self, id: RingId, to: Party, fate: Fate, now: Time) {
        self.past.note(id, to, fate, now);
        for device in self.devices_of(to).collect::<Vec<_>>() {
            if let Some(verdict) = fate.verdict(id, device) {
                self.send(device, verdict);
            }
        }
    }

    /// Our ring gives way to theirs: gives what we wanted.
    pub(super) fn give_way(&mut self, to: Device, now: Time) -> Option<(RingId, Switch)> {
        let Ring::Outgoing(ring) = std::mem::take(&mut self.ring) else {
            return None;
        };
        self.settle(ring.id, ring.to, Fate::Settled { by: to.id }, now);
        Some((ring.id, ring.video))
    }

    /// Our ring, when this device may answer it.
    fn outgoing_mut(&mut self, from: Device, id: RingId) -> Option<&mut Outgoing> {
        match &mut self.ring {
            Ring::Outgoing(ring) if (ring.id, ring.to) == (id, from.party) && self.devices.contains(&from) => {
                Some(ring)
            }
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => None,
        }
    }

    pub(super) fn on_ringing(&mut self, from: Device, id: RingId) {
        match self.outgoing_mut(from, id) {
            Some(ring) => {
                ring.answers.insert(from, Answer::Ringing);
            }
            None => self.send_verdict(from, id),
        }
    }

    /// A device believes in a ring that is over.
    fn send_verdict(&mut self, to: Device, id: RingId) {
        self.dropped.stale += 1;
        let is_confirmed = matches!(&self.ring, Ring::Confirming(ring) if ring.call.ring == id && ring.device == to);
        if is_confirmed {
            return self.send(to, RingMessage::Start { id });
        }
        let fate = self.past.fate(id, to.party).unwrap_or(Fate::Withdrawn);
        if let Some(verdict) = fate.verdict(id, to) {
            self.send(to, verdict);
        }
    }

    pub(super) fn on_accept(&mut self, from: Device, id: RingId, now: Time) {
        if self.outgoing_mut(from, id).is_none() {
            return self.send_verdict(from, id);
        }
        let Ring::Outgoing(ring) = std::mem::take(&mut self.ring) else {
            return;
        };
        self.settle(id, ring.to, Fate::Settled { by: from.id }, now);
        let call = CallToStart {
            ring: id,
            role: CallRole::Caller,
            link: ring.link,
            with: from.key,
            name: ring.name,
            video: ring.video,
        };
        self.send(from, RingMessage::Start { id });
        self.start_call(call.clone());
        self.ring = Ring::Confirming(Confirming {
            device: from,
            call,
            until: now + CONFIRM_LIMIT,
            repeat_at: now + RING_REPEAT,
        });
    }

    pub(super) fn on_decline(&mut self, from: Device, id: RingId, now: Time) {
        match &self.ring {
            Ring::Confirming(ring) if ring.call.ring == id && ring.device == from => self.call_off(now),
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => {
                match self.outgoing_mut(from, id) {
                    Some(_) => self.end_outgoing(RingOutcome::Declined, Fate::Settled { by: from.id }, now),
                    None => self.dropped.stale += 1,
                }
            }
        }
    }

    pub(super) fn on_busy(&mut self, from: Device, id: RingId, now: Time) {
        match self.outgoing_mut(from, id) {
            Some(ring) => {
                ring.answers.insert(from, Answer::Busy);
                self.end_if_all_busy(now);
            }
            None => self.dropped.stale += 1,
        }
    }

    /// One device in a call does not keep the others from ringing.
    pub(super) fn end_if_all_busy(&mut self, now: Time) {
        let Ring::Outgoing(ring) = &self.ring else { return };
        let is_busy = |device| ring.answers.get(&device) == Some(&Answer::Busy);
        let has_rung = ring.has_answered(Answer::Ringing);
        if !has_rung && ring.has_answered(Answer::Busy) && self.devices_of(ring.to).all(is_busy) {
            self.end_outgoing(RingOutcome::Busy, Fate::Withdrawn, now);
        }
    }

    pub(super) fn confirming_due(&mut self, now: Time) {
        let Ring::Confirming(ring) = &mut self.ring else { return };
        let (device, id) = (ring.device, ring.call.ring);
        if now >= ring.until {
            return self.call_off(now);
        }
        if now >= ring.repeat_at {
            ring.repeat_at = now + RING_REPEAT;
            self.send(device, RingMessage::Start { id });
        }
    }

    pub(super) fn on_started(&mut self, from: Device, id: RingId) {
        match &self.ring {
            Ring::Confirming(ring) if ring.call.ring == id && ring.device == from => self.ring = Ring::None,
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => self.dropped.stale += 1,
        }
    }

    /// Whoever took our ring is not coming.
    fn call_off(&mut self, now: Time) {
        if let Ring::Confirming(ring) = &self.ring {
            self.outputs.push_back(RingOutput::CallOff(ring.call.ring));
        }
        self.leave_unconfirmed(now);
    }

    pub(super) fn leave_unconfirmed(&mut self, now: Time) {
        if let Ring::Confirming(ring) = std::mem::take(&mut self.ring) {
            let id = ring.call.ring;
            let by = ring.device.id;
            self.past.note(id, ring.device.party, Fate::Left { by }, now);
            self.send(ring.device, RingMessage::Cancel { id });
        }
    }
}
