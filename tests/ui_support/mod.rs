//! Snapshots made by hand, and an engine that does nothing: for tests of the screens and for previews.
#![allow(dead_code, reason = "each test and preview uses its own part of this")]

pub mod people;
pub mod raster;
pub mod stage;

pub mod trust;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use call_engine::{
    Admission, Badge, CallPhase, CallSnapshot, CameraSpec, Command, DeviceList, DeviceName, DeviceStatus, Door,
    DoorbellState, EngineBusy, EngineSnapshot, Event, KeyStorage, LatestFrame, LinkState, LocalMedia, LocalStatus,
    MicrophoneSpec, ParticipantSnapshot, ParticipantStatus, PeerKey, PeopleSnapshot, PublicKey, RoomRole, RoomState,
    Route, ServerKind, SignalingState, SpeakerSpec, Switch, Time, VideoKind,
};
use visavis::engine_door::{EngineDoor, PictureSlot};
use visavis::view_state::{ChosenDevices, ViewState};

/// A link as the engine makes them.
pub const LINK: &str = "visavis://192.168.1.20:47113/j#1.pYzU5pCwzA2cL1vQ3sJk8w.tT0m8nGqk9yYwN3l5dVr2A";

/// Nothing going on, devices at hand.
pub fn idle() -> EngineSnapshot {
    EngineSnapshot {
        revision: 1,
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
        devices: DeviceList {
            cameras: vec![device("Integrated Camera"), device("Logitech BRIO")],
            microphones: vec![
                device("Built-in Audio Analog Stereo"),
                device("Jabra Evolve2 65 Headset"),
            ],
            speakers: vec![device("Built-in Audio Analog Stereo"), device("HDMI / DisplayPort")],
        },
        elapsed: None,
        people: nobody(),
    }
}

/// Nobody known yet, nobody near, nobody rings.
pub fn nobody() -> PeopleSnapshot {
    PeopleSnapshot {
        own_key: PublicKey([7; 32]),
        key_storage: KeyStorage::Keyring,
        contacts: Vec::new(),
        nearby: Vec::new(),
        missed: Vec::new(),
        do_not_disturb: Switch::Off,
        visible_nearby: Switch::Off,
        hide_address: Switch::Off,
        doorbell: DoorbellState::Listening,
        ring: None,
        spoken_code: None,
    }
}

/// In the lobby, all devices open.
pub fn previewing() -> EngineSnapshot {
    let mut snapshot = idle();
    snapshot.local = LocalStatus {
        camera: running("Integrated Camera", Some("1280x720@30")),
        microphone: running("Built-in Audio Analog Stereo", None),
        speaker: running("Built-in Audio Analog Stereo", None),
        microphone_level: 0.12,
    };
    snapshot
}

/// Alone in a call, the link is ready.
pub fn waiting() -> EngineSnapshot {
    let mut snapshot = previewing();
    snapshot.call = Some(call(CallPhase::Waiting, Vec::new()));
    snapshot.invite_link = Some(LINK.into());
    snapshot.server = ServerKind::Embedded;
    snapshot
}

/// Connected with these people for two minutes and 41 seconds.
pub fn connected(names: &[&str]) -> EngineSnapshot {
    let mut snapshot = waiting();
    let people = (1..).zip(names).map(|(key, name)| participant(key, name)).collect();
    snapshot.call = Some(call(CallPhase::Active, people));
    snapshot.participants = (1..).zip(names).map(|(key, _)| flowing(key)).collect();
    snapshot.elapsed = Some(Duration::from_secs(161));
    snapshot
}

/// Over, after 12 minutes.
pub fn ended(reason: call_engine::EndReason) -> EngineSnapshot {
    let mut snapshot = previewing();
    snapshot.call = Some(call(CallPhase::Ended(reason), Vec::new()));
    snapshot.elapsed = Some(Duration::from_secs(754));
    snapshot
}

pub fn call(phase: CallPhase, participants: Vec<ParticipantSnapshot>) -> CallSnapshot {
    CallSnapshot {
        phase,
        signaling: SignalingState::Joined,
        local: LocalMedia::default(),
        participants,
        connected_since: None,
        room: RoomState {
            role: RoomRole::Host,
            door: Door::Open,
            expires_at: None,
        },
        alarm: None,
    }
}

pub fn participant(key: u32, name: &str) -> ParticipantSnapshot {
    ParticipantSnapshot {
        peer: PeerKey(key),
        name: name.into(),
        link: LinkState::Connected {
            since: Time(Duration::ZERO),
        },
        blockage: None,
        media: LocalMedia::default(),
        reconnects: 0,
        send_timings: Vec::new(),
        key: Some(PublicKey([u8::try_from(key).unwrap_or(u8::MAX); 32])),
        role: RoomRole::Guest,
        badge: Badge::Unverified,
        symbols: None,
        admission: Admission::Admitted,
        doorbell: None,
        identity: call_engine::IdentityLifetime::Kept,
    }
}

fn flowing(key: u32) -> ParticipantStatus {
    ParticipantStatus {
        peer: PeerKey(key),
        route: Some(Route::Direct),
        rtt: Some(Duration::from_millis(24)),
        audio_level: 0.2,
        camera_flows: true,
        screen_flows: false,
    }
}

fn device(name: &str) -> DeviceName {
    DeviceName {
        name: name.into(),
        is_default: false,
    }
}

pub fn running(name: &str, mode: Option<&str>) -> DeviceStatus {
    DeviceStatus::Running {
        name: name.into(),
        mode: mode.map(Into::into),
    }
}

/// Default devices, a name.
pub fn view(name: &str) -> ViewState {
    let devices = ChosenDevices {
        camera: CameraSpec::Device(None),
        microphone: MicrophoneSpec::Device(None),
        speaker: SpeakerSpec::Device(None),
    };
    ViewState::new(name.into(), devices)
}

/// Changes what we send in a snapshot of a call.
pub fn set_local(snapshot: &mut EngineSnapshot, microphone: Switch, camera: Switch) {
    let call = snapshot.call.as_mut().expect("a snapshot of a call");
    call.local.microphone = microphone;
    call.local.camera = camera;
}

/// An engine that writes down what it is asked for. Clones are the same engine.
#[derive(Clone)]
pub struct ScriptedEngine {
    pub snapshot: Arc<Mutex<Arc<EngineSnapshot>>>,
    pub commands: Arc<Mutex<Vec<Command>>>,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub own: PictureSlot,
    pub remote: PictureSlot,
    /// How often the snapshot was asked for: once a paint.
    pub looks: Arc<AtomicU64>,
    waker: Arc<Mutex<Option<Waker>>>,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

impl ScriptedEngine {
    pub fn new(snapshot: EngineSnapshot) -> Self {
        Self {
            snapshot: Arc::new(Mutex::new(Arc::new(snapshot))),
            commands: Arc::default(),
            events: Arc::default(),
            own: LatestFrame::new(),
            remote: LatestFrame::new(),
            looks: Arc::default(),
            waker: Arc::default(),
        }
    }

    /// Has the window look at the snapshot.
    pub fn wake(&self) {
        let waker = self.waker.lock().expect("no test panics while it holds this").clone();
        if let Some(wake) = waker {
            wake();
        }
    }

    /// What it was asked for since the last time.
    pub fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().expect("no test panics while it holds this"))
    }
}

impl EngineDoor for ScriptedEngine {
    fn send(&self, command: Command) -> Result<(), EngineBusy> {
        self.commands
            .lock()
            .expect("no test panics while it holds this")
            .push(command);
        Ok(())
    }

    fn snapshot(&self) -> Arc<EngineSnapshot> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.snapshot.lock().expect("no test panics while it holds this"))
    }

    fn next_event(&self) -> Option<Event> {
        self.events.lock().expect("no test panics while it holds this").pop()
    }

    fn local_video(&self) -> PictureSlot {
        self.own.clone()
    }

    fn remote_video(&self, _peer: PeerKey, kind: VideoKind) -> Option<PictureSlot> {
        (kind == VideoKind::Camera).then(|| self.remote.clone())
    }

    fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>) {
        let waker: Waker = Arc::from(waker);
        *self.waker.lock().expect("no test panics while it holds this") = Some(Arc::clone(&waker));
        let (own, remote) = (Arc::clone(&waker), waker);
        self.own.set_waker(move || own());
        self.remote.set_waker(move || remote());
    }

    fn shutdown(&self) {}
}
