//! How often somebody may make us do something costly.

use std::time::Duration;

use crate::time::Time;

const MINUTE: Duration = Duration::from_secs(60);

/// So many a minute, and no more until the minute is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget<const A_MINUTE: u32> {
    minute_began: Time,
    count: u32,
}

/// Whether there is something left of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Granted,
    UsedUp,
}

impl<const A_MINUTE: u32> Budget<A_MINUTE> {
    pub(crate) fn take(&mut self, now: Time) -> Allowance {
        if now - self.minute_began >= MINUTE {
            *self = Self {
                minute_began: now,
                count: 0,
            };
        }
        if self.count >= A_MINUTE {
            return Allowance::UsedUp;
        }
        self.count += 1;
        Allowance::Granted
    }
}
