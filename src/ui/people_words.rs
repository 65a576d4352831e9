//! What is said about people: how far they are known, and when something was, in words.
//!
//! The system's time zone is not known here, so what happened lately is told as time that has passed, and dates are
//! those of Greenwich.

use call_engine::{ContactPresence, ContactSnapshot, EngineSnapshot, RingSnapshot, Verification};

use crate::i18n::I18n;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;
/// Older than this is told by its date.
const WEEK_S: u64 = 7 * DAY_S;

/// How far a contact is known: "Verified on 3 Nov", "3 calls".
#[must_use]
pub fn badge(contact: &ContactSnapshot, i18n: &I18n) -> String {
    match contact.verified {
        Verification::Symbols { at_unix_s } => verified(at_unix_s, i18n),
        Verification::No | Verification::Link { .. } => {
            i18n.text_counted("people-calls", ("count", u64::from(contact.calls)), &[])
        }
    }
}

fn verified(at_unix_s: u64, i18n: &I18n) -> String {
    i18n.text_with("people-verified-on", &[("date", &date(at_unix_s, i18n))])
}

/// Whether a contact can be rung just now.
#[must_use]
pub fn presence(presence: ContactPresence, i18n: &I18n) -> String {
    i18n.text(match presence {
        ContactPresence::Online => "people-online",
        ContactPresence::Offline => "people-offline",
    })
}

/// How far somebody who rings, or is rung, is known.
#[must_use]
pub fn ring_badge(ring: &RingSnapshot, snapshot: &EngineSnapshot, i18n: &I18n) -> String {
    let known = ring.key.filter(|_| ring.is_contact);
    let contact = known.and_then(|key| snapshot.people.contacts.iter().find(|contact| contact.key == key));
    match contact.map(|contact| contact.verified) {
        None if ring.is_contact => i18n.text("ring-unverified"),
        None => i18n.text("ring-unknown"),
        Some(Verification::Symbols { at_unix_s }) => verified(at_unix_s, i18n),
        Some(Verification::No | Verification::Link { .. }) => i18n.text("ring-unverified"),
    }
}

/// How long ago something was, or its date. A time in the future reads as now: clocks differ.
#[must_use]
pub fn ago(at_unix_s: u64, now_unix_s: u64, i18n: &I18n) -> String {
    let passed = now_unix_s.saturating_sub(at_unix_s);
    let counted = |key, unit| i18n.text_counted(key, ("count", passed / unit), &[]);
    match passed {
        0..MINUTE_S => i18n.text("people-just-now"),
        MINUTE_S..HOUR_S => counted("people-minutes-ago", MINUTE_S),
        HOUR_S..DAY_S => counted("people-hours-ago", HOUR_S),
        DAY_S..WEEK_S if passed < 2 * DAY_S => i18n.text("people-yesterday"),
        DAY_S..WEEK_S => counted("people-days-ago", DAY_S),
        WEEK_S.. => date(at_unix_s, i18n),
    }
}

/// Day and month.
#[must_use]
pub fn date(at_unix_s: u64, i18n: &I18n) -> String {
    let (month, day) = month_and_day(at_unix_s / DAY_S);
    i18n.text_counted("people-date", ("month", month), &[("day", &day.to_string())])
}

/// Month, 1 to 12, and day of the month of a day since 1 January 1970, in the Gregorian calendar. Years are counted
/// from March, so that the day a leap year adds is its last.
fn month_and_day(days_since_1970: u64) -> (u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    /// From 1 March of the year 0.
    const UNTIL_1970: u64 = 719_468;
    let day = (days_since_1970 % DAYS_IN_400_YEARS + UNTIL_1970) % DAYS_IN_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    ((month_from_march + 2) % 12 + 1, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Language;

    #[test]
    fn days_are_those_of_the_calendar() {
        // `date -ud @N +%m-%d`
        for (unix_s, expected) in [
            (0, (1, 1)),
            (951_782_400, (2, 29)),
            (951_868_800, (3, 1)),
            (1_767_139_200, (12, 31)),
            (1_793_664_000, (11, 3)),
            (4_107_542_400, (3, 1)),
        ] {
            assert_eq!(month_and_day(unix_s / DAY_S), expected, "{unix_s}");
        }
    }

    #[test]
    fn the_past_is_told_in_words_with_the_right_plural() {
        let now = 1_793_664_000;
        let told = |language, passed| ago(now - passed, now, &I18n::new(language));
        assert_eq!(told(Language::English, 59), "just now");
        assert_eq!(told(Language::English, 60), "a minute ago");
        assert_eq!(told(Language::English, 21 * MINUTE_S), "21 minutes ago");
        assert_eq!(told(Language::English, 25 * HOUR_S), "yesterday");
        assert_eq!(told(Language::English, 8 * DAY_S), "26 Oct");
        assert_eq!(told(Language::Russian, 21 * MINUTE_S), "21 минуту назад");
        assert_eq!(told(Language::Russian, 3 * HOUR_S), "3 часа назад");
        assert_eq!(told(Language::Russian, 5 * DAY_S), "5 дней назад");
        assert_eq!(told(Language::Russian, 8 * DAY_S), "26 октября");
        // A clock that runs ahead elsewhere.
        assert_eq!(ago(now + 90, now, &I18n::new(Language::English)), "just now");
    }
}
