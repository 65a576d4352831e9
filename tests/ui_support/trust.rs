//! Snapshots of calls in which somebody is known, not known, in front of the door or somebody else.

use call_engine::{Admission, Alarm, Badge, CallPhase, Door, EngineSnapshot, PeerKey, RoomRole, Switch};

use super::{connected, participant, waiting};

/// The symbols of everybody in these calls: spider, fork, tram and ruler or whatever stands there.
pub const SYMBOLS: [u8; 4] = [12, 77, 158, 240];

/// 3 November 2026.
const THIRD_OF_NOVEMBER: u64 = 1_793_664_000;

pub fn verified() -> Badge {
    Badge::Verified {
        at_unix_s: Some(THIRD_OF_NOVEMBER),
    }
}

pub fn key_changed() -> Badge {
    Badge::KeyChanged { contact: "Anna".into() }
}

/// Changes the participants and the room of a call.
pub fn with(mut snapshot: EngineSnapshot, change: impl FnOnce(&mut call_engine::CallSnapshot)) -> EngineSnapshot {
    change(snapshot.call.as_mut().expect("a snapshot of a call"));
    snapshot
}

/// Connected with one person of this badge, symbols at hand.
pub fn one(name: &str, badge: Badge) -> EngineSnapshot {
    with(connected(&[name]), |call| {
        call.participants[0].badge = badge;
        call.participants[0].symbols = Some(SYMBOLS);
    })
}

/// Connected with four people, each known in another way; the last one waits for a decision.
pub fn all_badges() -> EngineSnapshot {
    with(connected(&["Bo", "Chiara", "Дмитрий", "Anna"]), |call| {
        let badges = [
            Badge::Unverified,
            Badge::SameDevice { calls: 7 },
            verified(),
            key_changed(),
        ];
        for (them, badge) in call.participants.iter_mut().zip(badges) {
            them.badge = badge;
            them.symbols = Some(SYMBOLS);
        }
        call.participants[3].admission = Admission::KeyChanged;
    })
}

/// Somebody calls themselves like a contact.
pub fn somebody_else() -> EngineSnapshot {
    with(one("Anna", key_changed()), |call| {
        call.participants[0].admission = Admission::KeyChanged;
    })
}

/// As host with Bo, while others knock.
pub fn knocked_at(knockers: &[(&str, Badge)]) -> EngineSnapshot {
    with(one("Bo", verified()), |call| {
        call.room.door = Door::Knock;
        let others = (10..).zip(knockers);
        call.participants.extend(others.map(|(key, (name, badge))| {
            let mut them = participant(key, name);
            them.badge = badge.clone();
            them.admission = Admission::Knocking;
            them
        }));
    })
}

/// In front of a door.
pub fn knocking() -> EngineSnapshot {
    with(waiting(), |call| {
        call.phase = CallPhase::Knocking;
        call.room.role = RoomRole::Guest;
        call.room.door = Door::Knock;
        let mut host = participant(1, "Anna");
        host.role = RoomRole::Host;
        host.admission = Admission::AwaitingThem;
        call.participants.push(host);
    })
}

/// As guest of Anna's, while somebody waits for her.
pub fn somebody_waits() -> EngineSnapshot {
    with(one("Anna", Badge::SameDevice { calls: 3 }), |call| {
        call.room.role = RoomRole::Guest;
        call.room.door = Door::Knock;
        call.participants[0].role = RoomRole::Host;
        let mut them = participant(2, "Bo");
        them.admission = Admission::AwaitingHost;
        call.participants.push(them);
    })
}

/// As host of a locked call.
pub fn locked() -> EngineSnapshot {
    with(one("Bo", verified()), |call| call.room.door = Door::Locked)
}

/// With an alarm.
pub fn alarmed(alarm: Alarm) -> EngineSnapshot {
    with(one("Bo", Badge::Unverified), |call| call.alarm = Some(alarm))
}

/// Hides the own address or not.
pub fn hiding(mut snapshot: EngineSnapshot, hide: Switch) -> EngineSnapshot {
    snapshot.people.hide_address = hide;
    snapshot
}

/// The first participant.
pub const FIRST: PeerKey = PeerKey(1);
