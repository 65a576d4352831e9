//! Finds messages that come twice, because they were sent on two paths or again after a drop.

/// The last numbers seen, as in the anti-replay window of IPsec (RFC 4303, section 3.4.3).
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    /// Highest number seen; numbers start at 1.
    highest: u32,
    /// Bit `n`: `highest - n` was seen.
    seen: u128,
}

/// What the window says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Never seen.
    New,
    /// Seen, or too old to tell.
    Seen,
}

impl ReplayWindow {
    /// Notes a number and says whether it is new.
    pub(crate) fn note(&mut self, number: u32) -> Freshness {
        if number > self.highest {
            self.seen = self.seen.checked_shl(number - self.highest).unwrap_or(0) | 1;
            self.highest = number;
            return Freshness::New;
        }
        let age = self.highest - number;
        if number == 0 || age >= u128::BITS || self.seen & (1 << age) != 0 {
            return Freshness::Seen;
        }
        self.seen |= 1 << age;
        Freshness::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_repeats_in_any_order() {
        let mut window = ReplayWindow::default();
        let verdicts = [3, 1, 3, 2, 1, 200, 3, 199, 199, 60, 0].map(|number| window.note(number));
        use Freshness::{New, Seen};
        assert_eq!(verdicts, [New, New, Seen, New, Seen, New, Seen, New, Seen, Seen, Seen]);
        assert_eq!(window.note(u32::MAX), New);
        assert_eq!(window.note(u32::MAX), Seen);
    }
}
