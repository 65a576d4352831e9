//! Drives a call: runtime, signaling, peer connections, media pipelines. The window and the headless run
//! see this crate only.

mod addresses;
mod call;
mod call_media;
pub mod config;
mod device_list;
mod dial;
mod doorbell_task;
mod driver;
mod echo_friend;
mod embedded_server;
mod engine;
mod figures;
mod gap_meter;
pub mod handle;
mod keeper;
mod media_session;
pub mod nearby;
pub mod peer;
mod peer_worker;
pub mod people;
mod process_usage;
mod remote_media;
pub mod report;
mod report_media;
mod signaling;
mod sleep_watch;
pub mod snapshot;
mod spoken;

pub use ::call_media::audio::chime::Chime;
pub use ::call_media::capture::camera::{CameraInfo, list as list_cameras};
pub use ::call_media::colour::i420_to_rgba;
pub use ::call_media::devices::{DeviceError, DeviceName, DeviceProblem, DeviceStatus};
pub use ::call_media::frame::{Colour, ColourMatrix, ColourRange, FramePool, SAMPLE_RATE_HZ, VideoFrame, VideoKind};
pub use ::call_media::latest::LatestFrame;
pub use ::call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec, SpecError, VideoMode};
pub use call_core::{
    Admission, Alarm, Badge, Blockage, CallPhase, CallSnapshot, Door, EndReason, IdentityLifetime, LinkState,
    LocalMedia, NotAdmitted, ParticipantSnapshot, PeerKey, PublicKey, RoomRole, RoomState, SignalingState, Switch,
    Symbols, Time, Verification,
};
pub use config::{EngineConfig, KeyStoreChoice, StartError};
pub use device_list::list_devices;
pub use engine::{Backends, Engine};
pub use handle::{Command, EngineBusy, EngineHandle, Event, Passphrase, SpokenCodeProblem};
pub use peer::ice_url::{IceServerKind, IceUrl, IceUrlError, ServerTransport};
pub use peer::{ExtraRoots, IceServer, Route};
pub use people::{
    ContactPresence, ContactSnapshot, DoorbellState, KeyStorage, MissedCall, NearbyPerson, PeopleSnapshot,
    RingDirection, RingOutcome, RingSnapshot, RingStage, SpokenCodeSnapshot,
};
pub use report::Report;
pub use signaling_protocol::invite::{Invite, InviteError};
pub use snapshot::{DeviceList, EngineSnapshot, LocalStatus, ParticipantStatus, ServerKind};
pub use spoken::spoken_words;
