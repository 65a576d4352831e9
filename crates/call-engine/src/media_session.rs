//! The media of this process: our devices with their encoders, and a receiver set for every participant.
//!
//! ```text
//! camera ──► preview slot                          packets ──► RemoteMedia ──► window
//!        └─► encoder slot ─► "video-encode" ─► every peer
//! microphone ─► "audio" ─────────────────────► every peer
//! ```
//!
//! Devices outlive calls (the lobby shows them before), encoders start with them, peers come and go underneath.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use call_core::{LocalMedia, ParticipantSnapshot, PeerKey, Switch};
use call_media::audio::{AudioConfig, AudioPipeline, AudioReceiver, MicGate, Processing};
use call_media::capture::StampMode;
use call_media::capture::camera::Camera;
use call_media::capture::screen::Screen;
use call_media::devices::{DeviceError, DeviceProblem, DeviceStatus};
use call_media::frame::{EncodedFrame, EncodedSink, VideoFrame, VideoKind};
use call_media::latest::LatestFrame;
use call_media::send::redundancy::unrepaired;
use call_media::send::video::{Gate, VideoSendControl, VideoSendStatistics, VideoSender};
use call_media::spec::{CameraSpec, MicrophoneSpec, ScreenSpec, SpeakerSpec};

use crate::call_media::{CallMedia, CaptureTimings, SentPicture};
use crate::config::EngineConfig;
use crate::peer::{PeerReceivers, PeerStatistics, PeerTransport};
use crate::remote_media::{PictureSettings, RemoteMedia, Tee, file_stem};

/// Upper bound of the camera's bitrate: 720p30 gains nothing visible above it.
pub(crate) const MAX_CAMERA_BITRATE_BPS: u32 = 2_500_000;
/// Of the estimate, this is left for sound.
const RESERVED_BPS: u32 = 60_000;
/// Of the rest, this part is pictures; RTP, SRTP and UDP headers and some repair are the other.
const PAYLOAD_SHARE: f64 = 0.94;

/// Everybody who gets our media.
#[derive(Default)]
struct Fanout {
    peers: Mutex<BTreeMap<PeerKey, Outgoing>>,
}

struct Outgoing {
    transport: Arc<dyn PeerTransport>,
    target_bitrate_bps: Option<u32>,
    /// Part of our sound that this path loses in spite of the copies it carries.
    unrepaired_loss: f32,
}

impl Fanout {
    fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerKey, Outgoing>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodedSink for Fanout {
    fn send(&self, frame: &EncodedFrame) {
        for outgoing in self.peers().values() {
            outgoing.transport.send(frame);
        }
    }
}

/// One of our pictures on its way out.
struct OutgoingPicture {
    kind: VideoKind,
    encoder_frames: LatestFrame<Arc<VideoFrame>>,
    sender: Option<VideoSender>,
}

impl OutgoingPicture {
    fn new(kind: VideoKind) -> Self {
        Self {
            kind,
            encoder_frames: LatestFrame::new(),
            sender: None,
        }
    }

    fn start(&mut self, fanout: &Arc<Fanout>, control: &Arc<VideoSendControl>) {
        if self.sender.is_some() {
            return;
        }
        let sink: Arc<dyn EncodedSink> = Arc::clone(fanout) as _;
        match VideoSender::start(self.kind, self.encoder_frames.clone(), sink, Arc::clone(control)) {
            Ok(sender) => self.sender = Some(sender),
            Err(error) => tracing::error!(%error, "no thread for encoding pictures"),
        }
    }
}

struct Devices {
    camera_spec: CameraSpec,
    microphone_spec: MicrophoneSpec,
    speaker_spec: SpeakerSpec,
    screen_spec: ScreenSpec,
    camera: Option<Camera>,
    screen: Option<Screen>,
    audio: Option<AudioPipeline>,
    camera_out: OutgoingPicture,
    screen_out: OutgoingPicture,
    wanted: LocalMedia,
    open: bool,
}

/// The pipelines of this process.
pub(crate) struct MediaSession {
    epoch: Instant,
    stamp: StampMode,
    processing: Processing,
    record: Option<PathBuf>,
    preview: LatestFrame<Arc<VideoFrame>>,
    // The controls stand beside the devices' lock: peers reach them from within a send.
    camera_control: Arc<VideoSendControl>,
    screen_control: Arc<VideoSendControl>,
    screen_shared: AtomicBool,
    devices: Mutex<Devices>,
    fanout: Arc<Fanout>,
    remotes: Mutex<BTreeMap<PeerKey, Arc<RemoteMedia>>>,
    pictures: PictureSettings,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl MediaSession {
    /// Opens nothing yet. `wake` is called on device trouble and on every picture.
    pub(crate) fn new(
        config: &EngineConfig,
        epoch: Instant,
        wake: Arc<dyn Fn() + Send + Sync>,
        on_write_failure: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        let max_bitrate_bps = config.max_bitrate_bps.unwrap_or(MAX_CAMERA_BITRATE_BPS);
        let control = || {
            let control = VideoSendControl::new(max_bitrate_bps);
            control.set_sending(Gate::Closed);
            Arc::new(control)
        };
        let preview = LatestFrame::new();
        let waker = Arc::clone(&wake);
        preview.set_waker(move || waker());
        Self {
            epoch,
            stamp: if config.stamp { StampMode::Draw } else { StampMode::Off },
            processing: if config.audio_processing {
                Processing::On
            } else {
                Processing::Off
            },
            record: config.record.clone(),
            preview,
            camera_control: control(),
            screen_control: control(),
            screen_shared: AtomicBool::new(false),
            devices: Mutex::new(Devices {
                camera_spec: config.camera.clone(),
                microphone_spec: config.microphone.clone(),
                speaker_spec: config.speaker.clone(),
                screen_spec: config.screen.clone(),
                camera: None,
                screen: None,
                audio: None,
                camera_out: OutgoingPicture::new(VideoKind::Camera),
                screen_out: OutgoingPicture::new(VideoKind::Screen),
                wanted: LocalMedia {
                    screen: if config.screen == ScreenSpec::None {
                        Switch::Off
                    } else {
                        Switch::On
                    },
                    ..LocalMedia::default()
                },
                open: false,
            }),
            fanout: Arc::new(Fanout::default()),
            remotes: Mutex::new(BTreeMap::new()),
            pictures: PictureSettings {
                epoch,
                record: config.record.clone(),
                wake: Arc::clone(&wake),
                on_write_failure,
            },
            wake,
        }
    }

    fn devices(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remotes(&self) -> MutexGuard<'_, BTreeMap<PeerKey, Arc<RemoteMedia>>> {
        self.remotes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what is wanted and not open yet.
    pub(crate) fn open_devices(&self) {
        let mut devices = self.devices();
        devices.open = true;
        self.open_audio(&mut devices);
        self.open_camera(&mut devices);
        self.open_screen(&mut devices);
        self.update_gates(&devices);
    }

    /// Closes camera, microphone, speaker and screen, and forgets whoever is still known.
    pub(crate) fn close_devices(&self) {
        self.remotes().clear();
        let mut devices = self.devices();
        devices.open = false;
        devices.camera = None;
        devices.screen = None;
        devices.audio = None;
        devices.camera_out.sender = None;
        devices.screen_out.sender = None;
        drop(devices);
        (self.wake)();
    }

    fn open_audio(&self, devices: &mut Devices) {
        if devices.audio.is_some() {
            return;
        }
        let config = AudioConfig {
            microphone: devices.microphone_spec.clone(),
            speaker: devices.speaker_spec.clone(),
            processing: self.processing,
            epoch: self.epoch,
        };
        match AudioPipeline::start(config, Arc::clone(&self.fanout) as _) {
            Ok(audio) => {
                let wake = Arc::clone(&self.wake);
                audio.set_status_waker(move || wake());
                devices.audio = Some(audio);
            }
            Err(error) => tracing::error!(%error, "no thread for sound"),
        }
    }

    fn open_camera(&self, devices: &mut Devices) {
        let wanted = devices.open && devices.wanted.camera == Switch::On && devices.camera_spec != CameraSpec::None;
        if !wanted {
            devices.camera = None;
            return;
        }
        if devices.camera.is_some() {
            return;
        }
        let sinks = Tee(vec![
            Arc::new(self.preview.clone()),
            Arc::new(devices.camera_out.encoder_frames.clone()),
        ]);
        let camera = Camera::open(devices.camera_spec.clone(), self.stamp, Arc::new(sinks));
        let wake = Arc::clone(&self.wake);
        camera.set_status_waker(move || wake());
        devices.camera = Some(camera);
        devices.camera_out.start(&self.fanout, &self.camera_control);
    }

    fn open_screen(&self, devices: &mut Devices) {
        let wanted = devices.open && devices.wanted.screen == Switch::On && devices.screen_spec != ScreenSpec::None;
        self.screen_shared.store(wanted, Ordering::Relaxed);
        if !wanted {
            devices.screen = None;
            devices.screen_out.sender = None;
            return;
        }
        if devices.screen.is_some() {
            return;
        }
        let sink = Arc::new(devices.screen_out.encoder_frames.clone());
        let screen = Screen::open(devices.screen_spec.clone(), self.stamp, sink);
        let wake = Arc::clone(&self.wake);
        screen.set_status_waker(move || wake());
        devices.screen = Some(screen);
        devices.screen_out.start(&self.fanout, &self.screen_control);
    }

    /// Encoders run only while somebody is there to watch and the person wants to be seen.
    fn update_gates(&self, devices: &Devices) {
        let watched = !self.fanout.peers().is_empty();
        let gate = |switch| {
            if watched && switch == Switch::On {
                Gate::Open
            } else {
                Gate::Closed
            }
        };
        self.camera_control.set_sending(gate(devices.wanted.camera));
        self.screen_control.set_sending(gate(devices.wanted.screen));
        if let Some(audio) = &devices.audio {
            audio.set_microphone(match devices.wanted.microphone {
                Switch::On => MicGate::Live,
                Switch::Off => MicGate::Muted,
            });
        }
    }

    /// Uses another camera from now on.
    pub(crate) fn select_camera(&self, spec: CameraSpec) {
        let mut devices = self.devices();
        devices.camera_spec = spec;
        devices.camera = None;
        self.open_camera(&mut devices);
    }

    /// Uses another microphone from now on.
    pub(crate) fn select_microphone(&self, spec: MicrophoneSpec) {
        let mut devices = self.devices();
        if let Some(audio) = &devices.audio {
            audio.select_microphone(spec.clone());
        }
        devices.microphone_spec = spec;
    }

    /// Uses another speaker from now on.
    pub(crate) fn select_speaker(&self, spec: SpeakerSpec) {
        let mut devices = self.devices();
        if let Some(audio) = &devices.audio {
            audio.select_speaker(spec.clone());
        }
        devices.speaker_spec = spec;
    }

    /// Shares something else from now on, once sharing is switched on.
    pub(crate) fn select_screen(&self, spec: ScreenSpec) {
        let mut devices = self.devices();
        devices.screen_spec = spec;
        devices.screen = None;
        self.open_screen(&mut devices);
    }

    /// What is wanted to be sent at present.
    pub(crate) fn wanted(&self) -> LocalMedia {
        self.devices().wanted
    }

    /// Our own camera's pictures.
    pub(crate) fn preview(&self) -> LatestFrame<Arc<VideoFrame>> {
        self.preview.clone()
    }

    /// Camera, microphone, speaker.
    pub(crate) fn device_statuses(&self) -> (DeviceStatus, DeviceStatus, DeviceStatus) {
        let devices = self.devices();
        let camera = match &devices.camera {
            Some(camera) => camera.status(),
            None => DeviceStatus::Off,
        };
        match &devices.audio {
            Some(audio) => (camera, audio.microphone_status(), audio.speaker_status()),
            None if devices.open => {
                let failed = || {
                    DeviceStatus::Failed(DeviceError {
                        problem: DeviceProblem::Unusable,
                        detail: "no thread for sound".into(),
                    })
                };
                (camera, failed(), failed())
            }
            None => (camera, DeviceStatus::Off, DeviceStatus::Off),
        }
    }

    /// Level of the microphone, 0 to 1.
    pub(crate) fn microphone_level(&self) -> f32 {
        self.devices().audio.as_ref().map_or(0.0, AudioPipeline::input_level)
    }

    /// Whether devices are open.
    pub(crate) fn is_open(&self) -> bool {
        self.devices().open
    }

    /// Figures of one of our encoders, once it has run.
    fn send_statistics(&self, kind: VideoKind) -> Option<VideoSendStatistics> {
        let devices = self.devices();
        let picture = match kind {
            VideoKind::Camera => &devices.camera_out,
            VideoKind::Screen => &devices.screen_out,
        };
        picture.sender.as_ref().map(VideoSender::statistics)
    }

    /// One encoder serves all peers: the weakest path decides.
    fn share_bitrate(&self) {
        let weakest = self
            .fanout
            .peers()
            .values()
            .filter_map(|peer| peer.target_bitrate_bps)
            .min();
        let Some(target) = weakest else { return };
        let for_pictures = (f64::from(target.saturating_sub(RESERVED_BPS)) * PAYLOAD_SHARE) as u32;
        if self.screen_shared.load(Ordering::Relaxed) {
            // Text has to be read: the screen gets the larger part.
            self.screen_control.set_target_bitrate_bps(for_pictures / 3 * 2);
            self.camera_control.set_target_bitrate_bps(for_pictures / 3);
        } else {
            self.camera_control.set_target_bitrate_bps(for_pictures);
        }
    }

    fn record_audio(&self, remote: &RemoteMedia, name: &str) {
        let Some(directory) = &self.record else { return };
        let path = directory.join(format!("{}-audio.wav", file_stem(name)));
        let started = std::fs::create_dir_all(directory).and_then(|()| remote.audio.record_to(&path));
        if let Err(error) = started {
            (self.pictures.on_write_failure)(error.to_string());
        }
    }
}

impl CallMedia for MediaSession {
    fn receivers(&self, peer: PeerKey) -> PeerReceivers {
        let mut devices = self.devices();
        self.open_audio(&mut devices);
        let mut remotes = self.remotes();
        let remote = match remotes.get(&peer) {
            Some(remote) => {
                for picture in [&remote.camera, &remote.screen] {
                    if let Some(receiver) = picture.receiver() {
                        receiver.restart();
                    }
                }
                Arc::clone(remote)
            }
            None => {
                let audio = match &devices.audio {
                    Some(audio) => audio.add_remote(&format!("peer {}", peer.0)),
                    None => AudioReceiver::new("unheard"),
                };
                let remote = Arc::new(RemoteMedia::new(audio, &self.pictures));
                remotes.insert(peer, Arc::clone(&remote));
                remote
            }
        };
        PeerReceivers {
            audio: Arc::clone(&remote.audio_sink),
            camera: Arc::clone(&remote.camera) as _,
            screen: Arc::clone(&remote.screen) as _,
        }
    }

    fn remote(&self, peer: PeerKey) -> Option<Arc<RemoteMedia>> {
        self.remotes().get(&peer).cloned()
    }

    fn attach(&self, peer: PeerKey, transport: Arc<dyn PeerTransport>) {
        if let Some(remote) = self.remote(peer) {
            remote.transport.set(Some(&transport));
        }
        let outgoing = Outgoing {
            transport,
            target_bitrate_bps: None,
            unrepaired_loss: 0.0,
        };
        self.fanout.peers().insert(peer, outgoing);
        self.update_gates(&self.devices());
    }

    fn detach(&self, peer: PeerKey) {
        if let Some(remote) = self.remote(peer) {
            remote.transport.set(None);
        }
        self.fanout.peers().remove(&peer);
        self.update_gates(&self.devices());
        self.share_bitrate();
    }

    fn forget(&self, peer: PeerKey) {
        let Some(remote) = self.remotes().remove(&peer) else {
            return;
        };
        if let Some(audio) = &self.devices().audio {
            audio.remove_remote(&remote.audio);
        }
        for picture in [&remote.camera, &remote.screen] {
            if let Some(receiver) = picture.receiver() {
                receiver.stop();
            }
        }
    }

    fn apply(&self, media: LocalMedia) {
        let mut devices = self.devices();
        devices.wanted = media;
        self.open_camera(&mut devices);
        self.open_screen(&mut devices);
        self.update_gates(&devices);
        self.share_bitrate();
    }

    fn request_key_frame(&self, _peer: PeerKey, kind: VideoKind) {
        match kind {
            VideoKind::Camera => self.camera_control.request_key_frame(),
            VideoKind::Screen => self.screen_control.request_key_frame(),
        }
    }

    fn set_target_bitrate(&self, peer: PeerKey, bitrate_bps: u32) {
        if let Some(outgoing) = self.fanout.peers().get_mut(&peer) {
            outgoing.target_bitrate_bps = Some(bitrate_bps);
        }
        self.share_bitrate();
    }

    fn on_path(&self, peer: PeerKey, statistics: &PeerStatistics) {
        if let (Some(remote), Some(rtt)) = (self.remote(peer), statistics.rtt) {
            for picture in [&remote.camera, &remote.screen] {
                if let Some(receiver) = picture.receiver() {
                    receiver.set_rtt(rtt);
                }
            }
        }
        let worst = {
            let mut peers = self.fanout.peers();
            if let Some(outgoing) = peers.get_mut(&peer) {
                outgoing.unrepaired_loss = unrepaired(statistics.sound_loss, statistics.sound_copies);
            }
            peers.values().map(|peer| peer.unrepaired_loss).fold(0.0, f32::max)
        };
        // One encoder serves all: its own copies are for the path that has no others, or too few.
        if let Some(audio) = &self.devices().audio {
            audio.set_expected_loss(worst);
        }
    }

    fn on_participant(&self, participant: &ParticipantSnapshot) {
        let Some(remote) = self.remote(participant.peer) else {
            return;
        };
        for (picture, switch) in [
            (&remote.camera, participant.media.camera),
            (&remote.screen, participant.media.screen),
        ] {
            if let Some(receiver) = picture.receiver() {
                match switch {
                    Switch::On => receiver.resume(),
                    Switch::Off => receiver.pause(),
                }
            }
            let mut name = picture.name.lock().unwrap_or_else(PoisonError::into_inner);
            if *name != participant.name {
                name.clone_from(&participant.name);
                if picture.kind() == VideoKind::Camera {
                    self.record_audio(&remote, &participant.name);
                }
            }
        }
    }

    fn sent_picture(&self) -> Option<SentPicture> {
        let statistics = self.send_statistics(VideoKind::Camera)?;
        (statistics.fps > 0.0).then_some(SentPicture {
            width: statistics.width,
            height: statistics.height,
            fps: statistics.fps,
            limited_by: statistics.limited_by,
        })
    }

    fn capture_timings(&self) -> Vec<CaptureTimings> {
        [VideoKind::Camera, VideoKind::Screen]
            .into_iter()
            .filter_map(|kind| {
                let statistics = self.send_statistics(kind)?;
                Some(CaptureTimings {
                    kind,
                    capture_ms: statistics.capture.quantile_ms(0.5)? as f32,
                    encode_ms: statistics.encode.quantile_ms(0.5)? as f32,
                })
            })
            .collect()
    }
}
