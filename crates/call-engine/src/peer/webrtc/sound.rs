//! What is known of the sound we send on one connection: the loss on its way, the room for copies, its formats.
//!
//! The measure of loss has one home, this: transport-wide feedback tells the fate of each sound packet within a tenth of
//! a second, and where a peer sends none, its receiver reports stand in. Those alone are too coarse to steer by: one a
//! second, on some fifty packets, so that a single loss reads 2 %.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use call_media::send::redundancy::LossMeter;

/// Packets a first receiver report is taken to be about: those of its second.
const PACKETS_A_REPORT: u32 = 50;
/// In the place of a payload type: there is none.
const NONE: u32 = 0xff;

/// Payload types of sound as negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundFormats {
    pub(super) opus: u8,
    /// Of RED around it, if both ends have it.
    pub(super) red: Option<u8>,
}

/// Shared like the rest of [`super::streams::Shared`].
#[derive(Debug)]
pub(super) struct Sound {
    loss: Mutex<Loss>,
    /// Opus in the low byte, RED in the next one.
    formats: AtomicU32,
    room_bps: AtomicU32,
    copies: AtomicU32,
    copies_bps: AtomicU32,
}

#[derive(Debug, Default)]
struct Loss {
    meter: LossMeter,
    /// Whether feedback has told of packets since the last report.
    fed: bool,
    last_reported: Option<u32>,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            loss: Mutex::default(),
            formats: AtomicU32::new(NONE << 8 | NONE),
            room_bps: AtomicU32::new(0),
            copies: AtomicU32::new(0),
            copies_bps: AtomicU32::new(0),
        }
    }
}

impl Sound {
    fn losses(&self) -> MutexGuard<'_, Loss> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Transport-wide feedback says what became of one packet.
    pub(super) fn fate(&self, lost: bool) {
        let mut loss = self.losses();
        loss.meter.packet(lost);
        loss.fed = true;
    }

    /// A receiver report says which part was lost up to this extended sequence number.
    pub(super) fn reported(&self, fraction: f32, last_sequence_number: u32) {
        let mut loss = self.losses();
        let before = loss.last_reported.replace(last_sequence_number);
        if std::mem::take(&mut loss.fed) {
            return;
        }
        let packets = before.map_or(PACKETS_A_REPORT, |before| last_sequence_number.wrapping_sub(before));
        loss.meter.packets(fraction, packets);
    }

    /// The part of our sound that is lost on the way, 0 to 1, smoothed.
    pub(super) fn loss(&self) -> f32 {
        self.losses().meter.loss()
    }

    /// `None` before the first negotiation.
    pub(super) fn formats(&self) -> Option<SoundFormats> {
        let packed = self.formats.load(Ordering::Relaxed);
        let one = |value: u32| {
            u8::try_from(value & 0xff)
                .ok()
                .filter(|format| u32::from(*format) != NONE)
        };
        one(packed).map(|opus| SoundFormats {
            opus,
            red: one(packed >> 8),
        })
    }

    pub(super) fn set_formats(&self, formats: SoundFormats) {
        let red = formats.red.map_or(NONE, u32::from);
        self.formats
            .store(red << 8 | u32::from(formats.opus), Ordering::Relaxed);
    }

    /// What the path carries in all as far as copies are concerned, bit/s.
    pub(super) fn room_bps(&self) -> u32 {
        self.room_bps.load(Ordering::Relaxed)
    }

    pub(super) fn set_room_bps(&self, room_bps: u32) {
        self.room_bps.store(room_bps, Ordering::Relaxed);
    }

    /// Notes how many copies go with each packet now, and what they cost.
    pub(super) fn set_copies(&self, copies: usize, bitrate_bps: u32) {
        self.copies.store(copies as u32, Ordering::Relaxed);
        self.copies_bps.store(bitrate_bps, Ordering::Relaxed);
    }

    /// How many copies go with each packet.
    pub(super) fn copies(&self) -> usize {
        self.copies.load(Ordering::Relaxed) as usize
    }

    /// What the copies cost, bit/s.
    pub(super) fn copies_bps(&self) -> u32 {
        self.copies_bps.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_count_only_where_there_is_no_feedback() {
        let sound = Sound::default();
        for number in 0..200 {
            sound.fate(false);
            if number % 50 == 49 {
                sound.reported(0.5, number);
            }
        }
        assert!(sound.loss() < 0.001, "{}", sound.loss());
        for second in 0..10 {
            sound.reported(0.1, 300 + 50 * second);
        }
        assert!((0.07..0.12).contains(&sound.loss()), "{}", sound.loss());
    }

    #[test]
    fn formats_are_unknown_until_they_are_agreed_on() {
        let sound = Sound::default();
        assert_eq!(sound.formats(), None);
        for red in [None, Some(63), Some(0)] {
            let formats = SoundFormats { opus: 111, red };
            sound.set_formats(formats);
            assert_eq!(sound.formats(), Some(formats));
        }
    }
}
