//! RTP sequence numbers, 16 bits on the wire, counted on without wrapping.

/// Extends sequence numbers of one stream. Each is taken to lie within 32,767 of the highest so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    highest: Option<u64>,
}

/// Where counting starts: high enough that what comes before the first packet is not negative.
const START: u64 = 1 << 32;

impl Unwrapper {
    /// The extended number; its low 16 bits are `sequence_number`.
    pub fn unwrap(&mut self, sequence_number: u16) -> u64 {
        let Some(highest) = self.highest else {
            let first = START + u64::from(sequence_number);
            self.highest = Some(first);
            return first;
        };
        let ahead = sequence_number.wrapping_sub(highest as u16) as i16;
        let extended = highest.saturating_add_signed(i64::from(ahead));
        self.highest = Some(highest.max(extended));
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counting_goes_on_over_the_wrap_and_back() {
        let mut unwrapper = Unwrapper::default();
        let first = unwrapper.unwrap(65_534);
        let later: Vec<u64> = [65_535, 0, 65_533, 1, 2]
            .map(|number| unwrapper.unwrap(number) - (first - 1))
            .into();
        assert_eq!(later, [2, 3, 0, 4, 5]);
    }

    proptest! {
        #[test]
        fn steps_of_any_size_up_to_half_the_range_add_up(start: u16, steps in proptest::collection::vec(-20_000_i64..30_000, 1..200)) {
            let mut unwrapper = Unwrapper::default();
            let base = unwrapper.unwrap(start);
            let (mut position, mut highest) = (0_i64, 0_i64);
            for step in steps {
                // Steps are measured from the highest, as the unwrapper sees them.
                position = (highest + step).max(0);
                highest = highest.max(position);
                let number = (i64::from(start) + position) as u16;
                if highest - position < 32_767 {
                    prop_assert_eq!(unwrapper.unwrap(number), base + position as u64);
                }
            }
            prop_assert!(position >= 0);
        }
    }
}
