//! Rings that are over: what late messages about them are answered with, and that none rings or is missed twice.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Device, Party, RING_LIMIT};
use crate::doorbell::id::{DeviceId, RingId};
use crate::doorbell::ring_message::RingMessage;
use crate::time::Time;

/// Rings remembered; one more and the oldest is forgotten.
const REMEMBERED: usize = 256;
/// How long they are: whoever still repeats a ring does it no longer than [`RING_LIMIT`].
const MEMORY: Duration = RING_LIMIT.saturating_mul(3);
/// Of how many of our rings a device that comes is told what became of them: it may believe itself in the call.
const TOLD_AT_ONCE: usize = 4;

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Ours: nobody takes it any more.
    Withdrawn,
    /// Ours: this device took it, declined it, or won with a ring of its own; no other has to ring or miss anything.
    Settled { by: DeviceId },
    /// Ours: this device took it, but there is no call.
    Left { by: DeviceId },
    /// Theirs: not heard any more. May ring again until then.
    Silent { until: Time },
    /// Theirs: it is not worth a word any more.
    Over,
    /// Theirs: we said no.
    Declined,
    /// Theirs: it did not ring here.
    Busy,
    /// Theirs: we are in the call.
    Started,
}

impl Fate {
    /// What a device of the one we rang has to know.
    pub(super) fn verdict(self, id: RingId, to: Device) -> Option<RingMessage> {
        match self {
            Self::Withdrawn => Some(RingMessage::Cancel { id }),
            Self::Left { by } if by == to.id => Some(RingMessage::Cancel { id }),
            Self::Settled { by } if by == to.id => None,
            Self::Settled { .. } | Self::Left { .. } => Some(RingMessage::AnsweredElsewhere { id }),
            Self::Silent { .. } | Self::Over | Self::Declined | Self::Busy | Self::Started => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    id: RingId,
    with: Party,
    fate: Fate,
    at: Time,
}

/// The rings that are remembered, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Past(VecDeque<Entry>);

impl Past {
    /// Remembers; what was remembered of the same ring counts no longer.
    pub(super) fn note(&mut self, id: RingId, with: Party, fate: Fate, at: Time) {
        self.0.retain(|entry| (entry.id, entry.with) != (id, with));
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Entry { id, with, fate, at });
    }

    /// What became of a ring with somebody.
    pub(super) fn fate(&self, id: RingId, with: Party) -> Option<Fate> {
        let is_it = |entry: &&Entry| (entry.id, entry.with) == (id, with);
        self.0.iter().find(is_it).map(|entry| entry.fate)
    }

    pub(super) fn forget(&mut self, now: Time) {
        self.0.retain(|entry| now - entry.at < MEMORY);
    }

    /// What somebody's device that comes should know of our rings that have ended lately.
    pub(super) fn verdicts_for(&self, device: Device) -> impl Iterator<Item = RingMessage> {
        self.0
            .iter()
            .rev()
            .filter(move |entry| entry.with == device.party)
            .filter_map(move |entry| entry.fate.verdict(entry.id, device))
            .take(TOLD_AT_ONCE)
    }
}
