//! Whether the peer is still there, by what was received from it. Pure: time is an argument.
//!
//! ICE calls a path connected after any inbound packet and notices silence after five seconds; a person in a call wants
//! to know sooner. What counts: authenticated media and RTCP, and answers to our consent checks.

use std::time::{Duration, Instant};

use call_core::TransportState;

/// Consent checks come every 0.4 s, so that this is three lost in a row.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// Without consent for so long nothing may be sent (RFC 7675, section 5.1).
const CONSENT_EXPIRES_AFTER: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liveness {
    /// Not connected: silence means nothing.
    Unknown,
    Alive,
    Silent,
}

/// Whether the peer still agrees to be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    Given,
    Expired,
}

/// The watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    liveness: Liveness,
    consent: Consent,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            liveness: Liveness::Unknown,
            consent: Consent::Given,
        }
    }
}

impl Watchdog {
    /// The connection stands, for the first time or again.
    pub(super) fn connected(&mut self) {
        self.liveness = Liveness::Alive;
        self.consent = Consent::Given;
    }

    /// The connection is gone; silence is no news.
    pub(super) fn disconnected(&mut self) {
        self.liveness = Liveness::Unknown;
    }

    /// The change since the last check, if there is one.
    pub(super) fn check(&mut self, now: Instant, last_heard: Instant) -> Option<TransportState> {
        let silent = now.saturating_duration_since(last_heard) >= SILENT_AFTER;
        match (self.liveness, silent) {
            (Liveness::Alive, true) => {
                self.liveness = Liveness::Silent;
                Some(TransportState::Silent)
            }
            (Liveness::Silent, false) => {
                self.liveness = Liveness::Alive;
                Some(TransportState::Alive)
            }
            (Liveness::Unknown, _) | (Liveness::Alive, false) | (Liveness::Silent, true) => None,
        }
    }

    /// The change of consent since the last check, if there is one.
    pub(super) fn check_consent(&mut self, now: Instant, last_consent: Instant) -> Option<Consent> {
        if self.liveness == Liveness::Unknown {
            return None;
        }
        let consent = if now.saturating_duration_since(last_consent) >= CONSENT_EXPIRES_AFTER {
            Consent::Expired
        } else {
            Consent::Given
        };
        (std::mem::replace(&mut self.consent, consent) != consent).then_some(consent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.check(at(10_000), start), None);
        watchdog.connected();
        assert_eq!(watchdog.check(at(1_499), start), None);
        assert_eq!(watchdog.check(at(1_500), start), Some(TransportState::Silent));
        assert_eq!(watchdog.check(at(1_600), start), None);
        assert_eq!(watchdog.check(at(1_700), at(1_650)), Some(TransportState::Alive));
        assert_eq!(watchdog.check(at(1_800), at(1_650)), None);
        watchdog.disconnected();
        assert_eq!(watchdog.check(at(60_000), at(1_650)), None);
    }

    #[test]
    fn consent_ends_after_thirty_seconds_and_comes_back_with_an_answer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog::default();
        watchdog.connected();
        assert_eq!(watchdog.check_consent(at(29), start), None);
        assert_eq!(watchdog.check_consent(at(30), start), Some(Consent::Expired));
        assert_eq!(watchdog.check_consent(at(31), start), None);
        assert_eq!(watchdog.check_consent(at(32), at(32)), Some(Consent::Given));
    }
}
