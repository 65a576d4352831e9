//! Decides what a ring and a missed call ask of the desktop. Pure: snapshots in, changes out; nothing is shown or
//! played here.

use call_engine::{CallPhase, EngineSnapshot, MissedCall, PublicKey, RingDirection, RingSnapshot, RingStage, Switch};

/// What can be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sound {
    /// Nothing.
    #[default]
    None,
    /// Somebody rings us.
    Ring,
    /// Ours rings elsewhere.
    Ringback,
}

/// Somebody who rings us, as a notification tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Our name for them, or theirs.
    pub name: String,
    /// Whether they want to be seen.
    pub video: Switch,
    key: Option<PublicKey>,
}

/// What has changed since the last snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something else is to be heard.
    Sound(Sound),
    /// Somebody began to ring us: the window comes forward, a notification is shown.
    RingBegan(Caller),
    /// Nobody rings us any more.
    RingEnded,
    /// There is a new entry in the list of missed calls.
    Missed(MissedCall),
}

/// Compares snapshots.
#[derive(Debug, Default)]
pub struct Attention {
    sound: Sound,
    caller: Option<Caller>,
    /// The newest missed call that is known; none before the first snapshot.
    newest_missed: Option<Option<MissedCall>>,
}

impl Attention {
    /// What this snapshot changes.
    pub fn observe(&mut self, snapshot: &EngineSnapshot) -> Vec<Change> {
        let mut changes = Vec::new();
        let ring = snapshot.people.ring.as_ref();
        let caller = ring.and_then(caller);
        if caller != self.caller {
            if self.caller.take().is_some() {
                changes.push(Change::RingEnded);
            }
            changes.extend(caller.clone().map(Change::RingBegan));
            self.caller = caller;
        }
        let sound = sound(snapshot);
        if sound != self.sound {
            self.sound = sound;
            changes.push(Change::Sound(sound));
        }
        changes.extend(self.missed(snapshot));
        changes
    }

    /// Calls missed before the program began are no news.
    fn missed(&mut self, snapshot: &EngineSnapshot) -> Option<Change> {
        let newest = snapshot.people.missed.first().cloned();
        let before = self.newest_missed.replace(newest.clone())?;
        let is_later = |missed: &MissedCall| {
            let known = before.as_ref();
            known.is_none_or(|known| missed.at_unix_s > known.at_unix_s || missed.key != known.key)
        };
        // When the list is emptied or an old entry removed, what is first now is older.
        let is_newer = |missed: &MissedCall| before.as_ref().is_none_or(|known| missed.at_unix_s >= known.at_unix_s);
        newest
            .filter(|missed| is_later(missed) && is_newer(missed))
            .map(Change::Missed)
    }
}

/// Somebody who waits for us to answer.
fn caller(ring: &RingSnapshot) -> Option<Caller> {
    match (ring.direction, ring.stage) {
        (RingDirection::Incoming, RingStage::Reaching | RingStage::Ringing) => Some(Caller {
            name: ring.name.clone(),
            video: ring.video,
            key: ring.key,
        }),
        (RingDirection::Incoming, RingStage::Accepted) | (RingDirection::Outgoing, _) => None,
    }
}

/// In a call only the banner tells of a ring: a melody would be heard by everybody.
fn sound(snapshot: &EngineSnapshot) -> Sound {
    let is_in_call = snapshot.call.as_ref().is_some_and(|call| match call.phase {
        CallPhase::Ended(_) => false,
        CallPhase::Idle
        | CallPhase::Joining
        | CallPhase::Waiting
        | CallPhase::Knocking
        | CallPhase::Connecting
        | CallPhase::Active
        | CallPhase::Reconnecting => true,
    });
    let Some(ring) = snapshot.people.ring.as_ref().filter(|_| !is_in_call) else {
        return Sound::None;
    };
    match (ring.direction, ring.stage) {
        (_, RingStage::Accepted) => Sound::None,
        (RingDirection::Incoming, RingStage::Reaching | RingStage::Ringing) => Sound::Ring,
        (RingDirection::Outgoing, RingStage::Ringing) => Sound::Ringback,
        // It rings nowhere yet.
        (RingDirection::Outgoing, RingStage::Reaching) => Sound::None,
    }
}
