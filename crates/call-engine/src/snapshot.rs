//! What the window draws, beyond the call itself.

use std::time::Duration;

use call_core::{CallSnapshot, PeerKey, Switch};
use call_media::devices::{DeviceName, DeviceStatus};

use crate::peer::Route;
use crate::people::{DoorbellState, KeyStorage, PeopleSnapshot};

/// Everything the window needs to draw one frame, except pictures.
#[derive(Clone, Debug)]
pub struct EngineSnapshot {
    /// Counts up with every change.
    pub revision: u64,
    /// The call, or none when no call was started since the last [`crate::Command::CloseCall`].
    pub call: Option<CallSnapshot>,
    /// The link others join with, as soon as they can.
    pub invite_link: Option<String>,
    /// Whether this call is with the echo friend.
    pub is_test_call: bool,
    /// Where the signaling server runs.
    pub server: ServerKind,
    /// Our own devices.
    pub local: LocalStatus,
    /// What is known of each participant beyond the call state, same order as in the call.
    pub participants: Vec<ParticipantStatus>,
    /// Devices one can choose from.
    pub devices: DeviceList,
    /// How long the call has been connected.
    pub elapsed: Option<Duration>,
    /// The people one knows.
    pub people: PeopleSnapshot,
}

impl EngineSnapshot {
    /// Before anything has happened.
    #[must_use]
    pub fn initial() -> Self {
        Self {
            revision: 0,
            call: None,
            invite_link: None,
            is_test_call: false,
            server: ServerKind::None,
            local: LocalStatus {
                camera: DeviceStatus::Off,
                microphone: DeviceStatus::Off,
                speaker: DeviceStatus::Off,
                microphone_level: 0.0,
            },
            participants: Vec::new(),
            devices: DeviceList::default(),
            elapsed: None,
            people: PeopleSnapshot {
                own_key: call_core::PublicKey([0; 32]),
                key_storage: KeyStorage::Memory,
                contacts: Vec::new(),
                nearby: Vec::new(),
                missed: Vec::new(),
                do_not_disturb: Switch::Off,
                visible_nearby: Switch::Off,
                hide_address: Switch::Off,
                doorbell: DoorbellState::NoServer,
                ring: None,
                spoken_code: None,
            },
        }
    }

    /// Whether both would be drawn the same.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.call == other.call
            && self.invite_link == other.invite_link
            && self.is_test_call == other.is_test_call
            && self.server == other.server
            && self.local == other.local
            && self.participants == other.participants
            && self.devices == other.devices
            && self.elapsed == other.elapsed
            && self.people == other.people
    }
}

/// Where the signaling server of the present call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// No call.
    None,
    /// In this process.
    Embedded,
    /// Elsewhere.
    Remote,
}

/// Our own devices.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalStatus {
    /// The camera.
    pub camera: DeviceStatus,
    /// The microphone.
    pub microphone: DeviceStatus,
    /// The speaker.
    pub speaker: DeviceStatus,
    /// Level of the microphone in the last tenth of a second, 0 to 1, before the mute gate.
    pub microphone_level: f32,
}

/// What is known of a participant beyond the call state.
#[derive(Clone, Debug, PartialEq)]
pub struct ParticipantStatus {
    /// Who.
    pub peer: PeerKey,
    /// Direct or relayed, once connected.
    pub route: Option<Route>,
    /// Round trip.
    pub rtt: Option<Duration>,
    /// Level of what they say, 0 to 1.
    pub audio_level: f32,
    /// Whether pictures of their camera are arriving.
    pub camera_flows: bool,
    /// Whether pictures of their screen are arriving.
    pub screen_flows: bool,
}

/// Devices one can choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// Cameras.
    pub cameras: Vec<DeviceName>,
    /// Microphones.
    pub microphones: Vec<DeviceName>,
    /// Speakers.
    pub speakers: Vec<DeviceName>,
}
