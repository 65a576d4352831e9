//! Which of the last packets have come.

/// Extended sequence numbers, the newest 128 of them.
#[derive(Debug, Default)]
pub struct Seen {
    newest: i64,
    /// Bit n: the packet n before the newest one has come.
    bits: u128,
}

impl Seen {
    /// Notes that a packet has come; false when it had before, or is too old to tell.
    pub fn mark(&mut self, sequence: i64) -> bool {
        let ahead = sequence - self.newest;
        if self.bits == 0 || ahead > 0 {
            let shift = u32::try_from(ahead).ok();
            self.bits = shift.and_then(|n| self.bits.checked_shl(n)).unwrap_or(0);
            self.newest = sequence;
        }
        let Some(bit) = self.bit(sequence) else {
            return false;
        };
        let new = self.bits & bit == 0;
        self.bits |= bit;
        new
    }

    /// Whether a packet has come, or is too old to tell.
    pub fn contains(&self, sequence: i64) -> bool {
        self.bits != 0 && sequence <= self.newest && self.bit(sequence).is_none_or(|bit| self.bits & bit != 0)
    }

    fn bit(&self, sequence: i64) -> Option<u128> {
        let behind = u32::try_from(self.newest - sequence).ok()?;
        1_u128.checked_shl(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_new_once() {
        let mut seen = Seen::default();
        for sequence in [50, 52, 51, 60, 40, 300] {
            assert!(!seen.contains(sequence));
            assert!(seen.mark(sequence), "{sequence}");
            assert!(seen.contains(sequence) && !seen.mark(sequence), "{sequence}");
        }
        // Too old to tell.
        assert!(seen.contains(172) && !seen.mark(172));
        assert!(!seen.contains(173) && seen.mark(173));
        assert!(!seen.contains(301));
    }
}
