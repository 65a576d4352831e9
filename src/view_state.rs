//! What only the window knows: which screen is open, what stands in the fields, what was clicked a moment ago.
//!
//! Nothing here repeats the state of a call: that is drawn from the engine's snapshot alone.

use std::collections::BTreeMap;
use std::time::Duration;

use call_engine::{CallPhase, CallSnapshot, CameraSpec, EngineSnapshot, LinkState, MicrophoneSpec, PeerKey, PublicKey};
use call_engine::{RingDirection, SpeakerSpec, Switch};

use crate::i18n::Language;
use crate::identity_form::IdentityForm;
use crate::settings::{DoorChoice, InviteLifetime, ThemeChoice};
use crate::ui::call_command::Card;

/// Longest name, in characters: what others cut it to.
pub const NAME_MAX_CHARS: usize = 64;
/// Longest text the link field takes, in characters.
pub const LINK_MAX_CHARS: usize = 2048;
/// Longest server address, in characters.
pub const SERVER_MAX_CHARS: usize = 255;
/// News that is no trouble goes away by itself after this, in seconds.
pub const NEWS_S: f64 = 10.0;

/// Whom we ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A contact.
    Contact(PublicKey),
    /// Somebody on the same network, by [`call_engine::NearbyPerson::id`].
    Nearby(String),
}

/// Which call is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPurpose {
    /// A call of one's own.
    Host,
    /// The call of this link.
    Join {
        /// The invite link, or the three words of a spoken code.
        link: String,
    },
    /// A call to somebody by name.
    Ring {
        /// Whom.
        whom: Callee,
        /// With our picture or without.
        video: Switch,
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
    /// The settings.
    Settings,
}

/// The screen that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Start or join.
    Home,
    /// Check yourself.
    Lobby,
    /// How Visavis behaves, and who we are.
    Settings,
    /// Somebody rings, or we ring somebody, outside a call.
    Ring,
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

/// Whether a notice is about something that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is: the notice stays until it is put away.
    Trouble,
    /// Nothing did, but it should be known: the notice stays until it is put away, and does not stand over a call.
    Advice,
    /// It is not: the notice goes away by itself.
    News,
}

/// Words at the top of the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The words.
    pub words: String,
    /// What they are about.
    pub tone: Tone,
    /// When they were shown first, in egui's time.
    pub shown_since_s: Option<f64>,
}

impl Notice {
    /// Something went wrong.
    #[must_use]
    pub fn trouble(words: String) -> Self {
        Self::new(words, Tone::Trouble)
    }

    /// Something to know.
    #[must_use]
    pub fn advice(words: String) -> Self {
        Self::new(words, Tone::Advice)
    }

    /// Something happened.
    #[must_use]
    pub fn news(words: String) -> Self {
        Self::new(words, Tone::News)
    }

    fn new(words: String, tone: Tone) -> Self {
        Self {
            words,
            tone,
            shown_since_s: None,
        }
    }
}

/// What is being done to a contact, in place of its row in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactEdit {
    /// They get another name.
    Renaming {
        /// Who.
        contact: PublicKey,
        /// The name as typed so far.
        name: String,
    },
    /// The user is asked whether they should be forgotten.
    Removing(PublicKey),
}

/// The ring that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct RingView {
    /// Whose: another one starts anew.
    pub name: String,
    /// Who rings whom.
    pub direction: RingDirection,
    /// Since when, in egui's time.
    pub since_s: f64,
    /// Whether a button was given the keyboard.
    pub focus: RingFocus,
}

/// Whether a button of the ring was given the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingFocus {
    /// Not yet: what is typed just now was meant for something else.
    Pending,
    /// Yes, once; from then on the user moves it.
    Given,
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
    /// Trouble or news to tell.
    pub notice: Option<Notice>,
    /// When the link was copied, in egui's time.
    pub copied_at_s: Option<f64>,
    /// Since when each connection is lost, in egui's time.
    pub lost_since_s: BTreeMap<PeerKey, f64>,
    /// The card that is open over the call.
    pub card: Option<Card>,
    /// How long the call was connected when it was last seen.
    pub last_elapsed: Option<Duration>,
    /// The language that was chosen, or none for the system's.
    pub language: Option<Language>,
    /// The theme that was chosen.
    pub theme: ThemeChoice,
    /// Who may enter the calls we host.
    pub door: DoorChoice,
    /// How long our invites let new people in.
    pub invite_lifetime: InviteLifetime,
    /// The field for the server's address.
    pub server: String,
    /// The server the engine was started with: another one is used from the next start on.
    pub server_in_use: Option<String>,
    /// What is being done to a contact.
    pub contact_edit: Option<ContactEdit>,
    /// The identity on its way into a file or out of one.
    pub identity_form: Option<IdentityForm>,
    /// When the fingerprint was copied, in egui's time.
    pub fingerprint_copied_at_s: Option<f64>,
    /// The ring that is shown.
    pub ring: Option<RingView>,
    /// The wall clock, Unix seconds: what "yesterday" is measured from.
    pub now_unix_s: u64,
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
            card: None,
            last_elapsed: None,
            language: None,
            theme: ThemeChoice::System,
            door: DoorChoice::Open,
            invite_lifetime: InviteLifetime::Call,
            server: String::new(),
            server_in_use: None,
            contact_edit: None,
            identity_form: None,
            fingerprint_copied_at_s: None,
            ring: None,
            now_unix_s: 0,
        }
    }

    /// Which screen is shown: a call comes before everything else, then a ring, then a call that is over.
    #[must_use]
    pub fn screen(&self, snapshot: &EngineSnapshot) -> Screen {
        match (&snapshot.call, &self.place) {
            (Some(call), _) => match call.phase {
                CallPhase::Ended(_) if snapshot.people.ring.is_some() => Screen::Ring,
                CallPhase::Ended(_) => Screen::Ended,
                CallPhase::Idle
                | CallPhase::Joining
                | CallPhase::Waiting
                | CallPhase::Knocking
                | CallPhase::Connecting
                | CallPhase::Active
                | CallPhase::Reconnecting => Screen::Call,
            },
            (None, _) if snapshot.people.ring.is_some() => Screen::Ring,
            (None, Place::Lobby(_)) => Screen::Lobby,
            (None, Place::Settings) => Screen::Settings,
            (None, Place::Home) => Screen::Home,
        }
    }

    /// Takes note of what the snapshot says, at `now_s` of egui's time.
    pub fn observe(&mut self, snapshot: &EngineSnapshot, now_s: f64) {
        self.note_ring(snapshot, now_s);
        self.note_notice(now_s);
        let Some(call) = &snapshot.call else {
            self.lost_since_s.clear();
            self.card = None;
            return;
        };
        self.put_away_the_card_of_who_left(call);
        self.entering = Entering::Idle;
        if snapshot.elapsed.is_some() {
            self.last_elapsed = snapshot.elapsed;
        }
        // The next call begins as this one is left.
        self.wanted_microphone = call.local.microphone;
        self.wanted_camera = call.local.camera;
        self.note_lost_connections(call, now_s);
    }

    fn put_away_the_card_of_who_left(&mut self, call: &CallSnapshot) {
        let about = match self.card {
            Some(Card::Person(peer) | Card::Symbols(peer) | Card::SymbolsDiffer(peer)) => peer,
            Some(Card::Invite | Card::Door) | None => return,
        };
        if call.participants.iter().all(|them| them.peer != about) {
            self.card = None;
        }
    }

    fn note_ring(&mut self, snapshot: &EngineSnapshot, now_s: f64) {
        let Some(ring) = &snapshot.people.ring else {
            self.ring = None;
            return;
        };
        let is_known = |shown: &RingView| shown.name == ring.name && shown.direction == ring.direction;
        if !self.ring.as_ref().is_some_and(is_known) {
            self.ring = Some(RingView {
                name: ring.name.clone(),
                direction: ring.direction,
                since_s: now_s,
                focus: RingFocus::Pending,
            });
        }
    }

    fn note_notice(&mut self, now_s: f64) {
        let Some(notice) = &mut self.notice else {
            return;
        };
        let since_s = *notice.shown_since_s.get_or_insert(now_s);
        if notice.tone == Tone::News && now_s >= since_s + NEWS_S {
            self.notice = None;
        }
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
