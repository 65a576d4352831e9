//! People made by hand: contacts, who is nearby, who was missed, and rings.

use call_engine::{
    ContactPresence, ContactSnapshot, EngineSnapshot, MissedCall, NearbyPerson, PublicKey, RingDirection, RingSnapshot,
    RingStage, ServerKind, SpokenCodeSnapshot, Switch, Verification,
};
use visavis::i18n::Language;

/// 3 November 2026, noon.
pub const NOW_UNIX_S: u64 = 1_793_707_200;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

pub fn key(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

pub fn contact(number: u8, name: &str, presence: ContactPresence) -> ContactSnapshot {
    ContactSnapshot {
        key: key(number),
        name: name.into(),
        presence,
        calls: u32::from(number),
        verified: Verification::No,
        last_seen_unix_s: NOW_UNIX_S - DAY_S,
    }
}

/// At home with six contacts, two people nearby and three missed calls.
pub fn busy_home(language: Language) -> EngineSnapshot {
    use ContactPresence::{Offline, Online};
    let names = match language {
        Language::English => [
            "Anna Petrova",
            "Bo",
            "Chiara Lombardi",
            "Dad",
            "Emre",
            "Frieda from the choir",
        ],
        Language::Russian => [
            "Анна Петрова",
            "Бо",
            "Кьяра Ломбарди",
            "Папа",
            "Эмре",
            "Фрида из хора, альты",
        ],
    };
    let mut snapshot = super::idle();
    let people = &mut snapshot.people;
    people.contacts = (1..)
        .zip(names)
        .map(|(number, name)| contact(number, name, if number < 4 { Online } else { Offline }))
        .collect();
    people.contacts[0].verified = Verification::Symbols { at_unix_s: NOW_UNIX_S };
    people.contacts[3].verified = Verification::Symbols {
        at_unix_s: NOW_UNIX_S - 200 * DAY_S,
    };
    people.contacts[5].calls = 0;
    people.nearby = [("a", names[1]), ("b", "MacBook von Jürgen")]
        .map(|(id, name)| NearbyPerson {
            id: id.into(),
            name: name.into(),
        })
        .to_vec();
    people.missed = [(1, 5 * 60), (4, 3 * HOUR_S), (9, 30 * HOUR_S)]
        .map(|(number, passed)| MissedCall {
            key: key(number),
            name: names.get(usize::from(number) - 1).unwrap_or(&"Guest").to_string(),
            at_unix_s: NOW_UNIX_S - passed,
        })
        .to_vec();
    snapshot
}

pub fn ring(direction: RingDirection, name: &str, stage: RingStage) -> RingSnapshot {
    RingSnapshot {
        direction,
        name: name.into(),
        key: Some(key(1)),
        is_contact: true,
        video: Switch::On,
        stage,
    }
}

/// Somebody we know rings while we are at home.
pub fn incoming() -> EngineSnapshot {
    let mut snapshot = busy_home(Language::English);
    snapshot.people.ring = Some(ring(RingDirection::Incoming, "Anna Petrova", RingStage::Ringing));
    snapshot
}

/// We ring somebody from home.
pub fn outgoing() -> EngineSnapshot {
    let mut snapshot = super::previewing();
    snapshot.people = busy_home(Language::English).people;
    snapshot.people.ring = Some(ring(RingDirection::Outgoing, "Anna Petrova", RingStage::Ringing));
    snapshot
}

/// Alone in a call at a server, with a code to read aloud.
pub fn waiting_with_code() -> EngineSnapshot {
    let mut snapshot = super::waiting();
    snapshot.server = ServerKind::Remote;
    snapshot.people.spoken_code = Some(SpokenCodeSnapshot {
        words: [3, 141, 592],
        tries_left: 3,
        expires_in_s: 581,
    });
    snapshot
}
