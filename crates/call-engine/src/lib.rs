//! Drives a call: runtime, signaling, peer connections, media pipelines. The window and the headless run
//! see this crate only.

pub mod config;
pub mod handle;
pub mod peer;
pub mod report;
pub mod snapshot;

pub use call_core::{
    CallPhase, CallSnapshot, EndReason, LinkState, LocalMedia, ParticipantSnapshot, PeerKey, SignalingState, Switch,
    Time,
};
pub use call_media::devices::{DeviceError, DeviceName, DeviceProblem, DeviceStatus};
pub use call_media::frame::{Colour, ColourMatrix, ColourRange, VideoFrame, VideoKind};
pub use call_media::latest::LatestFrame;
pub use call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec, SpecError, VideoMode};
pub use config::{EngineConfig, StartError};
pub use handle::{Command, EngineBusy, EngineHandle, Event};
pub use peer::{IceServer, Route};
pub use report::Report;
pub use snapshot::{DeviceList, EngineSnapshot, LocalStatus, ParticipantStatus, ServerKind};
