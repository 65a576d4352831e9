//! What only the window knows: which screen is open, what stands in the fields, what was clicked a moment ago.
//!
//! Nothing here repeats the state of a call: that is drawn from the engine's snapshot alone.

use std::collections::BTreeMap;
use std::time::Duration;

use call_engine::{CallPhase, CallSnapshot, CameraSpec, EngineSnapshot, LinkState, MicrophoneSpec, PeerKey};
use call_engine::{SpeakerSpec, Switch};

use crate::i18n::Language;
use crate::settings::ThemeChoice;

/// Longest name, in characters: what others cut it to.
pub const NAME_MAX_CHARS: usize = 64;
/// Longest text the link field takes, in characters.
pub const LINK_MAX_CHARS: usize = 2048;

/// Which call is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPurpose {
    /// A call of one's own.
    Host,
    /// The call of this link.
    Join {
        /// The invite link.
        link: String,
    },
    /// The echo friend.
    Test,
}

/// Where the user is while there is no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The home screen.
    Home,
    /// In front of a call.
    Lobby(CallPurpose),
}

/// The screen that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Start or join.
    Home,
    /// Check yourself.
    Lobby,
    /// The call.
    Call,
    /// Why it ended.
    Ended,
}

/// Whether the user asked for a call that the engine has not begun yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entering {
    /// No.
    Idle,
    /// Asked.
    Asked,
}

/// The devices that are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenDevices {
    /// The camera.
    pub camera: CameraSpec,
    /// The microphone.
    pub microphone: MicrophoneSpec,
    /// The speaker.
    pub speaker: SpeakerSpec,
}

/// Purely visual state.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// Where the user is while there is no call.
    pub place: Place,
    /// The name field.
    pub name: String,
    /// The link field.
    pub link: String,
    /// What to send when the next call starts. During a call its own state counts, not this.
    pub wanted_microphone: Switch,
    /// Like `wanted_microphone`.
    pub wanted_camera: Switch,
    /// The devices that are chosen.
    pub devices: ChosenDevices,
    /// Whether a call was asked for that is not there yet.
    pub entering: Entering,
    /// What the present or last call was meant to be.
    pub last_purpose: Option<CallPurpose>,
    /// Trouble to tell, in words.
    pub notice: Option<String>,
    /// When the link was copied, in egui's time.
    pub copied_at_s: Option<f64>,
    /// Since when each connection is lost, in egui's time.
    pub lost_since_s: BTreeMap<PeerKey, f64>,
    /// How long the call was connected when it was last seen.
    pub last_elapsed: Option<Duration>,
    /// The language that was chosen, or none for the system's.
    pub language: Option<Language>,
    /// The theme that was chosen.
    pub theme: ThemeChoice,
}

impl ViewState {
    /// The home screen.
    #[must_use]
    pub fn new(name: String, devices: ChosenDevices) -> Self {
        Self {
            place: Place::Home,
            name,
            link: String::new(),
            wanted_microphone: Switch::On,
            wanted_camera: Switch::On,
            devices,
            entering: Entering::Idle,
            last_purpose: None,
            notice: None,
            copied_at_s: None,
            lost_since_s: BTreeMap::new(),
            last_elapsed: None,
            language: None,
            theme: ThemeChoice::System,
        }
    }

    /// Which screen is shown: a call, even one that is over, comes before everything else.
    #[must_use]
    pub fn screen(&self, snapshot: &EngineSnapshot) -> Screen {
        match (&snapshot.call, &self.place) {
            (Some(call), _) => match call.phase {
                CallPhase::Ended(_) => Screen::Ended,
                CallPhase::Idle
                | CallPhase::Joining
                | CallPhase::Waiting
                | CallPhase::Knocking
                | CallPhase::Connecting
                | CallPhase::Active
                | CallPhase::Reconnecting => Screen::Call,
            },
            (None, Place::Lobby(_)) => Screen::Lobby,
            (None, Place::Home) => Screen::Home,
        }
    }

    /// Takes note of what the snapshot says, at `now_s` of egui's time.
    pub fn observe(&mut self, snapshot: &EngineSnapshot, now_s: f64) {
        let Some(call) = &snapshot.call else {
            self.lost_since_s.clear();
            return;
        };
        self.entering = Entering::Idle;
        if snapshot.elapsed.is_some() {
            self.last_elapsed = snapshot.elapsed;
        }
        // The next call begins as this one is left.
        self.wanted_microphone = call.local.microphone;
        self.wanted_camera = call.local.camera;
        self.note_lost_connections(call, now_s);
    }

    fn note_lost_connections(&mut self, call: &CallSnapshot, now_s: f64) {
        let is_lost = |peer: PeerKey| {
            let mut participants = call.participants.iter();
            participants.any(|them| them.peer == peer && matches!(them.link, LinkState::Reconnecting { .. }))
        };
        self.lost_since_s.retain(|peer, _| is_lost(*peer));
        for participant in call.participants.iter().filter(|them| is_lost(them.peer)) {
            self.lost_since_s.entry(participant.peer).or_insert(now_s);
        }
    }
}
