//! The only door to the engine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use call_core::{Door, PeerKey, PublicKey, Switch};
use call_media::frame::{VideoFrame, VideoKind};
use call_media::latest::LatestFrame;
use call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec};

use crate::peer::IceServer;
use crate::people::{RingDirection, RingOutcome};
use crate::snapshot::EngineSnapshot;

/// Commands waiting for the driver. A full queue means the driver is stuck: the command is refused.
pub const COMMAND_CAPACITY: usize = 64;
/// Events waiting for the window. When full the oldest news is dropped.
pub const EVENT_CAPACITY: usize = 64;

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open camera, microphone and speaker for the preview, if they are not open.
    OpenDevices,
    /// Close camera, microphone and speaker, unless a call needs them.
    CloseDevices,
    /// Start a call as host.
    HostCall,
    /// Join the call of a link.
    JoinCall {
        /// The invite link, in any of its forms.
        link: String,
    },
    /// Call the echo friend.
    StartTestCall,
    /// Hang up.
    Leave,
    /// Put away an ended call: the snapshot's `call` becomes `None`.
    CloseCall,
    /// Mute or not.
    Microphone(Switch),
    /// Camera off or on.
    Camera(Switch),
    /// Use another camera.
    SelectCamera(CameraSpec),
    /// Use another microphone.
    SelectMicrophone(MicrophoneSpec),
    /// Use another speaker.
    SelectSpeaker(SpeakerSpec),
    /// Share this, or `ScreenSpec::None` to stop.
    ShareScreen(ScreenSpec),
    /// Be called this from the next call on.
    Rename(String),
    /// Look for a new path to everybody.
    RestartIce,
    /// Look for devices again.
    RefreshDevices,
    /// Let somebody in who knocks, or go on with somebody whose key has changed.
    Admit(PeerKey),
    /// Keep somebody out, or send them out.
    Refuse(PeerKey),
    /// The symbols were compared and are the same.
    SymbolsMatch(PeerKey),
    /// As host: who may enter, in this call and the next ones.
    SetDoor(Door),
    /// As host: from now on for this long the invite lets new people in; none: as long as the call lasts.
    SetInviteExpiry(Option<Duration>),
    /// As host: a new link; the old one leads nowhere any more.
    NewLink,
    /// As host: make a code to read over the phone.
    OfferSpokenCode,
    /// Put the code away.
    WithdrawSpokenCode,
    /// Ring a contact.
    Ring {
        /// Whom.
        contact: PublicKey,
        /// With our picture or without.
        video: Switch,
    },
    /// Ring somebody nearby.
    RingNearby {
        /// [`crate::people::NearbyPerson::id`].
        id: String,
        /// With our picture or without.
        video: Switch,
    },
    /// Stop ringing.
    CancelRing,
    /// Take the call.
    AcceptRing {
        /// With our picture or without.
        video: Switch,
    },
    /// Do not take the call.
    DeclineRing,
    /// Nobody rings through, or everybody again.
    SetDoNotDisturb(Switch),
    /// Be seen by others on the network, or not.
    SetVisibleNearby(Switch),
    /// Hide our address from those we call, or not; from the next connection on.
    SetHideAddress(Switch),
    /// Use these STUN and TURN servers from the next connection or search for a path on, in a running call too:
    /// credentials that expire are replaced before they do.
    SetIceServers(Vec<IceServer>),
    /// Call a contact something else.
    RenameContact {
        /// Whom.
        contact: PublicKey,
        /// The new name.
        name: String,
    },
    /// Forget a contact.
    RemoveContact(PublicKey),
    /// Empty the list of missed calls.
    ClearMissedCalls,
    /// Write our identity into a file that a passphrase protects.
    ExportIdentity {
        /// Where to; never overwritten.
        path: PathBuf,
        /// What protects it.
        passphrase: Passphrase,
    },
    /// Become who a file says, from the next call on; the identity until now is kept aside.
    ImportIdentity {
        /// Where from.
        path: PathBuf,
        /// What protects it.
        passphrase: Passphrase,
    },
}

/// A passphrase. Never shown or logged; overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(pub zeroize::Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// News that is not state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Others can join with this link.
    LinkReady(String),
    /// The link to join with is not one; the sentence says why.
    BadLink(String),
    /// The embedded server could not be started; the system's words.
    ServerFailed(String),
    /// A recording or a file could not be written; the system's words.
    WriteFailed(String),
    /// A ring ended without a call.
    RingEnded {
        /// Who rang whom.
        direction: RingDirection,
        /// The other's name.
        name: String,
        /// How.
        outcome: RingOutcome,
    },
    /// The spoken code is not one, or did not lead to a call.
    SpokenCodeFailed(SpokenCodeProblem),
    /// Something about what is kept on this computer that the user has to know: a sentence.
    Storage(String),
    /// The identity stands in this file.
    IdentityExported(PathBuf),
    /// We are who the file says.
    IdentityImported,
    /// The identity could not be written or read: a sentence.
    IdentityFailed(String),
}

/// Why three words did not lead to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpokenCodeProblem {
    /// There is no server both could meet at: set one in the settings.
    NoServer,
    /// Nobody waits with these words: misheard, used up, or older than ten minutes.
    NobodyThere,
    /// The first word fits, the others do not.
    WrongWords,
    /// The server could not be reached.
    Unreachable,
}

/// Handle on a running engine. Clones share it; the engine ends when [`EngineHandle::shutdown`] is called
/// or the last handle is dropped.
#[derive(Clone)]
pub struct EngineHandle {
    pub(crate) shared: Arc<dyn EngineAccess>,
}

pub(crate) trait EngineAccess: Send + Sync {
    fn send(&self, command: Command) -> Result<(), EngineBusy>;
    fn snapshot(&self) -> Arc<EngineSnapshot>;
    fn next_event(&self) -> Option<Event>;
    fn local_video(&self) -> LatestFrame<Arc<VideoFrame>>;
    fn remote_video(&self, peer: PeerKey, kind: VideoKind) -> Option<LatestFrame<Arc<VideoFrame>>>;
    fn set_waker(&self, waker: Arc<dyn Fn() + Send + Sync>);
    fn report(&self) -> crate::report::Report;
    fn shutdown(&self);
}

/// The engine does not take commands: it is shutting down or stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call engine does not answer")]
pub struct EngineBusy;

impl EngineHandle {
    /// Asks for something. Never blocks.
    ///
    /// # Errors
    /// When the engine is shutting down or its queue is full.
    pub fn send(&self, command: Command) -> Result<(), EngineBusy> {
        self.shared.send(command)
    }

    /// The present state.
    #[must_use]
    pub fn snapshot(&self) -> Arc<EngineSnapshot> {
        self.shared.snapshot()
    }

    /// The oldest event nobody took yet.
    #[must_use]
    pub fn next_event(&self) -> Option<Event> {
        self.shared.next_event()
    }

    /// Our own camera's pictures, for the preview.
    #[must_use]
    pub fn local_video(&self) -> LatestFrame<Arc<VideoFrame>> {
        self.shared.local_video()
    }

    /// A participant's pictures. `None` when there is no such participant.
    #[must_use]
    pub fn remote_video(&self, peer: PeerKey, kind: VideoKind) -> Option<LatestFrame<Arc<VideoFrame>>> {
        self.shared.remote_video(peer, kind)
    }

    /// Called from any thread when there is a new snapshot, event or picture: must be quick.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.shared.set_waker(Arc::new(waker));
    }

    /// Figures of the present or last call.
    #[must_use]
    pub fn report(&self) -> crate::report::Report {
        self.shared.report()
    }

    /// Hangs up and ends the engine; returns when peers have been told, at most after two seconds.
    pub fn shutdown(&self) {
        self.shared.shutdown();
    }
}
