//! What a headless run does about rings: snapshots in, lines and commands out. Pure.

use call_engine::{Command, DoorbellState, EngineSnapshot, RingDirection, RingStage, Switch, spoken_words};

use super::watch::Outcome;
use crate::args::{Answer, Role};
use crate::script::NamedAction;

/// What one look brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Lines for stdout.
    pub printed: Vec<String>,
    /// For the engine.
    pub commands: Vec<Command>,
    /// Set when the run is over.
    pub outcome: Option<Outcome>,
}

/// Follows the rings and the spoken code of a run.
#[derive(Debug)]
pub struct Ringing {
    /// Whom to ring, until it was asked for.
    wanted: Option<String>,
    answer: Option<Answer>,
    is_listening_told: bool,
    /// The incoming ring that was told of and answered.
    heard: Option<String>,
    code: Option<[u16; 3]>,
}

impl Ringing {
    /// For a run of this role.
    #[must_use]
    pub fn new(role: &Role) -> Self {
        Self {
            wanted: match role {
                Role::Ring(name) => Some(name.clone()),
                Role::Host | Role::Join(_) | Role::AwaitRing(_) => None,
            },
            answer: match role {
                Role::AwaitRing(answer) => Some(*answer),
                Role::Host | Role::Join(_) | Role::Ring(_) => None,
            },
            is_listening_told: false,
            heard: None,
            code: None,
        }
    }

    /// Looks at the engine.
    pub fn observe(&mut self, snapshot: &EngineSnapshot) -> Step {
        let mut step = Step::default();
        // Nothing is known before the profile was read.
        if snapshot.revision == 0 {
            return step;
        }
        let people = &snapshot.people;
        if let Some(name) = self.wanted.take() {
            match resolve(NamedAction::Ring, &name, snapshot) {
                Some(command) => step.commands.push(command),
                None => step.outcome = Some(Outcome::Usage(no_such_contact(&name, snapshot))),
            }
        }
        if self.answer.is_some() && !self.is_listening_told && people.doorbell == DoorbellState::Listening {
            self.is_listening_told = true;
            step.printed.push("LISTENING".into());
        }
        self.follow_ring(snapshot, &mut step);
        let code = people.spoken_code.as_ref().map(|code| code.words);
        if let Some(words) = code.filter(|_| code != self.code) {
            step.printed
                .push(format!("CODE {}", spoken_words("en", words).join(" ")));
        }
        self.code = code;
        step
    }

    fn follow_ring(&mut self, snapshot: &EngineSnapshot, step: &mut Step) {
        let ring = snapshot.people.ring.as_ref();
        let Some(ring) =
            ring.filter(|ring| ring.direction == RingDirection::Incoming && ring.stage == RingStage::Ringing)
        else {
            self.heard = None;
            return;
        };
        if self.heard.as_ref() == Some(&ring.name) {
            return;
        }
        self.heard = Some(ring.name.clone());
        step.printed.push(format!("RING {}", ring.name));
        step.commands.extend(match self.answer {
            Some(Answer::Video) => Some(Command::AcceptRing { video: Switch::On }),
            Some(Answer::Sound) => Some(Command::AcceptRing { video: Switch::Off }),
            Some(Answer::Decline) => Some(Command::DeclineRing),
            Some(Answer::Nothing) | None => None,
        });
    }
}

/// The command for somebody of this name, if there is one.
#[must_use]
pub fn resolve(action: NamedAction, name: &str, snapshot: &EngineSnapshot) -> Option<Command> {
    let people = &snapshot.people;
    let peer = || {
        let participants = snapshot.call.iter().flat_map(|call| &call.participants);
        let mut fitting = participants.filter(|participant| participant.name == name);
        fitting.next().map(|participant| participant.peer)
    };
    match action {
        NamedAction::Admit => peer().map(Command::Admit),
        NamedAction::Refuse => peer().map(Command::Refuse),
        NamedAction::SymbolsMatch => peer().map(Command::SymbolsMatch),
        NamedAction::Ring => {
            let contact = people.contacts.iter().find(|contact| contact.name == name)?;
            Some(Command::Ring {
                contact: contact.key,
                video: Switch::On,
            })
        }
        NamedAction::RingNearby => {
            let person = people.nearby.iter().find(|person| person.name == name)?;
            Some(Command::RingNearby {
                id: person.id.clone(),
                video: Switch::On,
            })
        }
    }
}

fn no_such_contact(name: &str, snapshot: &EngineSnapshot) -> String {
    let names: Vec<&str> = snapshot
        .people
        .contacts
        .iter()
        .map(|contact| contact.name.as_str())
        .collect();
    match names.as_slice() {
        [] => format!("There is no contact called {name}: the profile has none yet. Call them by a link first."),
        names => format!("There is no contact called {name}. There are: {}.", names.join(", ")),
    }
}
