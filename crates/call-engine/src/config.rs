//! What an engine is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use call_core::{Door, Switch};
use call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec};

use crate::peer::{ExtraRoots, IceServer};

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
    /// Authorities that relays over TLS may have their certificates from, besides the web's.
    pub extra_roots: ExtraRoots,
    /// The folder of our identity, contacts and missed calls; none: a new identity that is forgotten at the end.
    pub profile: Option<PathBuf>,
    /// Where the identity key is kept.
    pub key_store: KeyStoreChoice,
    /// Who may enter the calls we host.
    pub door: Door,
    /// How long our invites let new people in; none: as long as the call lasts.
    pub invite_lifetime: Option<Duration>,
    /// Nobody rings through.
    pub do_not_disturb: Switch,
    /// Others on the network see us.
    pub visible_nearby: Switch,
    /// Record what is received into this directory: `NAME-camera.y4m`, `NAME-audio.wav`.
    pub record: Option<PathBuf>,
}

/// Where the identity key of a profile is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStoreChoice {
    /// In the system's keyring; without one, in a file that only this user can read.
    #[default]
    Keyring,
    /// In the file, whatever the system has.
    File,
}

/// Why an engine or a call could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No threads or sockets.
    #[error("the call engine could not be started: {0}")]
    Runtime(#[source] std::io::Error),
}
