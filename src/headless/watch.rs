//! Decides when a headless run is over and what there is to say: snapshots and the run's clock in, lines and
//! an outcome out. Pure, so that its rules are tested without a call.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use call_engine::{
    Admission, Alarm, Blockage, CallPhase, CallSnapshot, DeviceError, DeviceStatus, Door, EndReason, EngineSnapshot,
    LinkState, ParticipantSnapshot, PeerKey, Symbols,
};

use super::sentences;
use crate::args::{Role, RunOptions};

/// One of our own devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceRole {
    /// Pictures in.
    Camera,
    /// Sound in.
    Microphone,
    /// Sound out.
    Speaker,
}

impl fmt::Display for DeviceRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        })
    }
}

/// How far a call got that never came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeverUp {
    /// Not even into the room.
    NotInRoom,
    /// Into an empty room.
    Alone,
    /// There was somebody, but no connection.
    NotConnected,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call was up.
    Completed,
    /// The call never came up, or broke; the sentence says why.
    Failed(String),
    /// What was asked for makes no sense; the sentence says why.
    Usage(String),
}

impl Outcome {
    /// 0, 1 or 2, as the contract has it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    /// What there is to say about it.
    #[must_use]
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Self::Completed => None,
            Self::Failed(sentence) | Self::Usage(sentence) => Some(sentence),
        }
    }
}

/// What one look at the engine brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Lines for stderr.
    pub lines: Vec<String>,
    /// Set when the run is over.
    pub outcome: Option<Outcome>,
}

/// Watches one call from outside.
#[derive(Debug)]
pub struct CallWatch {
    role: Role,
    seconds: Option<Duration>,
    until_peers: usize,
    /// When counting `seconds` began.
    counting_since: Option<Duration>,
    came_up: bool,
    participants: BTreeMap<PeerKey, Participant>,
    troubles: BTreeMap<DeviceRole, DeviceError>,
    /// What was found to be in the way of a connection that is not up.
    blockage: Option<Blockage>,
    alarm: Option<Alarm>,
    door: Door,
}

#[derive(Debug)]
struct Participant {
    name: String,
    standing: Standing,
    symbols: Option<Symbols>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Coming,
    /// Waits for our word.
    Knocking,
    /// We wait for theirs, or for the host's.
    ClosedDoor,
    /// Not who their name says.
    OtherKey,
    Connected,
    Lost,
    Unreachable,
}

impl Standing {
    fn of(participant: &ParticipantSnapshot) -> Self {
        match (participant.admission, participant.link) {
            (Admission::Knocking, _) => Self::Knocking,
            (Admission::AwaitingThem, _) => Self::ClosedDoor,
            (Admission::KeyChanged, _) => Self::OtherKey,
            (Admission::Admitted | Admission::AwaitingHost, link) => match link {
                LinkState::Greeting | LinkState::Negotiating => Self::Coming,
                LinkState::Connected { .. } => Self::Connected,
                LinkState::Reconnecting { .. } => Self::Lost,
                LinkState::Unreachable { .. } => Self::Unreachable,
            },
        }
    }
}

impl CallWatch {
    /// Watches a call of this role under these options.
    #[must_use]
    pub fn new(role: Role, options: &RunOptions) -> Self {
        Self {
            role,
            seconds: options.seconds,
            until_peers: options.until_peers.map_or(0, |peers| peers as usize),
            counting_since: None,
            came_up: false,
            participants: BTreeMap::new(),
            troubles: BTreeMap::new(),
            alarm: None,
            blockage: None,
            door: Door::Open,
        }
    }

    /// When the run is over if nothing else happens.
    #[must_use]
    pub fn ends_at(&self) -> Option<Duration> {
        Some(self.counting_since? + self.seconds?)
    }

    /// Looks at the engine; `now` is the run's own clock.
    pub fn observe(&mut self, snapshot: &EngineSnapshot, now: Duration) -> Observation {
        let mut lines = self.device_lines(snapshot);
        let Some(call) = &snapshot.call else {
            return Observation { lines, outcome: None };
        };
        lines.extend(self.participant_lines(call));
        let door = std::mem::replace(&mut self.door, call.room.door);
        lines.extend((door != call.room.door).then(|| sentences::door(call.room.door)));
        let alarm = std::mem::replace(&mut self.alarm, call.alarm);
        lines.extend(call.alarm.filter(|_| alarm != call.alarm).map(sentences::alarm));
        self.came_up |= connected(call) > 0;
        self.blockage = call.participants.iter().find_map(|participant| participant.blockage);
        if self.counting_since.is_none() && connected(call) >= self.until_peers {
            self.counting_since = Some(now);
        }
        let outcome = if let CallPhase::Ended(reason) = &call.phase {
            Some(self.ended(reason))
        } else {
            let time_is_up = self.ends_at().is_some_and(|end| now >= end);
            time_is_up.then(|| self.outcome_in(&call.phase))
        };
        Observation { lines, outcome }
    }

    /// The outcome when we stop now because a person or the system asked for it: whoever stops a run does not
    /// wait for a connection to come back.
    #[must_use]
    pub fn interrupted(&self, snapshot: &EngineSnapshot) -> Outcome {
        match &snapshot.call {
            Some(_) if self.came_up => Outcome::Completed,
            Some(call) => self.outcome_in(&call.phase),
            None => self.outcome_in(&CallPhase::Idle),
        }
    }

    fn ended(&self, reason: &EndReason) -> Outcome {
        match reason {
            EndReason::HungUp | EndReason::EveryoneLeft if self.came_up => Outcome::Completed,
            EndReason::HungUp => self.outcome_in(&CallPhase::Waiting),
            EndReason::EveryoneLeft => self.outcome_in(&CallPhase::Connecting),
            EndReason::ServerUnreachable(_)
            | EndReason::WrongServer(_)
            | EndReason::Refused(_)
            | EndReason::NotAdmitted(_)
            | EndReason::PeersUnreachable(_) => Outcome::Failed(sentences::end_reason(reason)),
        }
    }

    /// The outcome of a call that is left in this phase.
    fn outcome_in(&self, phase: &CallPhase) -> Outcome {
        if self.came_up {
            return match phase {
                CallPhase::Reconnecting => Outcome::Failed(sentences::LOST.into()),
                CallPhase::Idle
                | CallPhase::Joining
                | CallPhase::Waiting
                | CallPhase::Knocking
                | CallPhase::Connecting
                | CallPhase::Active
                | CallPhase::Ended(_) => Outcome::Completed,
            };
        }
        if let Some(why) = self.blockage {
            return Outcome::Failed(sentences::no_path(Some(why)));
        }
        let state = match phase {
            CallPhase::Idle | CallPhase::Joining => NeverUp::NotInRoom,
            CallPhase::Waiting => NeverUp::Alone,
            CallPhase::Knocking
            | CallPhase::Connecting
            | CallPhase::Active
            | CallPhase::Reconnecting
            | CallPhase::Ended(_) => NeverUp::NotConnected,
        };
        Outcome::Failed(sentences::never_up(state, &self.role))
    }

    fn device_lines(&mut self, snapshot: &EngineSnapshot) -> Vec<String> {
        let local = &snapshot.local;
        let devices = [
            (DeviceRole::Camera, &local.camera),
            (DeviceRole::Microphone, &local.microphone),
            (DeviceRole::Speaker, &local.speaker),
        ];
        let mut lines = Vec::new();
        for (role, status) in devices {
            match status {
                DeviceStatus::Failed(error) => {
                    // Tries that go on failing for the same reason are not news.
                    let known = self.troubles.insert(role, error.clone());
                    if known.is_none_or(|known| known.problem != error.problem) {
                        lines.push(sentences::device(role, error));
                    }
                }
                DeviceStatus::Running { name, .. } => {
                    if self.troubles.remove(&role).is_some() {
                        lines.push(format!("The {role} works again: {name}."));
                    }
                }
                DeviceStatus::Off | DeviceStatus::Starting => {}
            }
        }
        lines
    }

    fn participant_lines(&mut self, call: &CallSnapshot) -> Vec<String> {
        let mut lines = Vec::new();
        for participant in &call.participants {
            let standing = Standing::of(participant);
            let name = spoken_name(&participant.name);
            let now = Participant {
                name: name.clone(),
                standing,
                symbols: participant.symbols,
            };
            let before = self.participants.insert(participant.peer, now);
            if let Some(symbols) = participant.symbols
                && before
                    .as_ref()
                    .is_none_or(|before| before.symbols != participant.symbols)
            {
                lines.push(format!("The four symbols with {name} are {symbols:?}."));
            }
            let before = before.map_or(Standing::Coming, |before| before.standing);
            if before == standing {
                continue;
            }
            match standing {
                Standing::Coming => {}
                Standing::Knocking => lines.push(format!("{name} knocks: admit or refuse them.")),
                Standing::ClosedDoor => lines.push(format!("{name} is there; waiting to be let in.")),
                Standing::OtherKey => lines.push(format!(
                    "{name} is not the contact of that name: the key is another one. Admit or refuse them."
                )),
                Standing::Connected if before == Standing::Lost => lines.push(format!("{name} is connected again.")),
                Standing::Connected => lines.push(format!("{name} is connected.")),
                Standing::Lost => lines.push(format!("The connection to {name} was lost; trying again.")),
                Standing::Unreachable => lines.push(sentences::unreachable(&name, participant.blockage)),
            }
        }
        self.participants.retain(|peer, gone| {
            let present = call.participants.iter().any(|participant| participant.peer == *peer);
            if !present {
                lines.push(format!("{} left.", gone.name));
            }
            present
        });
        lines
    }
}

fn connected(call: &CallSnapshot) -> usize {
    let is_connected = |link: &LinkState| matches!(link, LinkState::Connected { .. });
    call.participants
        .iter()
        .filter(|participant| is_connected(&participant.link))
        .count()
}

fn spoken_name(name: &str) -> String {
    if name.is_empty() {
        "A participant".into()
    } else {
        name.into()
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
