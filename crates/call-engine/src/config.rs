//! What an engine is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec};

use crate::peer::IceServer;

/// Everything that is decided before the first call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// What others see us called.
    pub name: String,
    /// The signaling server for calls we host (`ws://`, `wss://`, `http://` or `https://`); without one, an
    /// embedded server is started.
    pub server: Option<String>,
    /// Where the embedded server listens; port 0 picks a free one. An unspecified address listens everywhere
    /// and puts the LAN address into the link.
    pub listen: SocketAddr,
    /// The camera.
    pub camera: CameraSpec,
    /// The microphone.
    pub microphone: MicrophoneSpec,
    /// The speaker.
    pub speaker: SpeakerSpec,
    /// The shared screen.
    pub screen: ScreenSpec,
    /// Draw the stamp into every captured frame.
    pub stamp: bool,
    /// Echo canceller, noise suppression, gain.
    pub audio_processing: bool,
    /// Upper bound of what is sent to one peer, bit/s.
    pub max_bitrate_bps: Option<u32>,
    /// Relay candidates only.
    pub relay_only: bool,
    /// STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// Record what is received into this directory: `NAME-camera.y4m`, `NAME-audio.wav`.
    pub record: Option<PathBuf>,
}

/// Why an engine or a call could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No threads or sockets.
    #[error("the call engine could not be started: {0}")]
    Runtime(#[source] std::io::Error),
}
