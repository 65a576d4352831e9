//! What arrives from one participant: pictures and sound, each in its own receiver, for as long as the
//! participant is known; connections underneath come and go.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use call_media::audio::AudioReceiver;
use call_media::frame::{VideoFrame, VideoKind, VideoSink};
use call_media::latest::LatestFrame;
use call_media::receive::video::{VideoFeedback, VideoReceiver};
use call_media::record::y4m::VideoRecorder;
use call_media::rtp::{PacketSink, RtpPacket};

use crate::gap_meter::GapMeter;
use crate::peer::PeerTransport;

/// Without a picture for this long, a stream does not flow.
const FLOWS: Duration = Duration::from_millis(1_500);

/// The connection that a participant is reached by at present, if any.
#[derive(Default)]
pub(crate) struct PresentTransport {
    slot: Mutex<Option<Weak<dyn PeerTransport>>>,
}

impl PresentTransport {
    pub(crate) fn set(&self, transport: Option<&Arc<dyn PeerTransport>>) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = transport.map(Arc::downgrade);
    }

    fn get(&self) -> Option<Arc<dyn PeerTransport>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().and_then(Weak::upgrade)
    }
}

/// Everything from one participant.
pub(crate) struct RemoteMedia {
    pub camera: Arc<RemotePicture>,
    pub screen: Arc<RemotePicture>,
    pub audio: Arc<AudioReceiver>,
    pub audio_sink: Arc<dyn PacketSink>,
    pub gaps: Arc<GapMeter>,
    pub transport: Arc<PresentTransport>,
}

/// What the pictures of a participant are received with.
#[derive(Clone)]
pub(crate) struct PictureSettings {
    /// Zero of the report's clock.
    pub epoch: Instant,
    /// Where to record to.
    pub record: Option<PathBuf>,
    /// Called with every picture.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Called when something could not be written.
    pub on_write_failure: Arc<dyn Fn(String) + Send + Sync>,
}

impl RemoteMedia {
    pub(crate) fn new(audio: Arc<AudioReceiver>, settings: &PictureSettings) -> Self {
        let gaps = Arc::new(GapMeter::default());
        let transport = Arc::new(PresentTransport::default());
        let picture = |kind| {
            Arc::new(RemotePicture::new(
                kind,
                settings,
                Arc::clone(&gaps),
                Arc::clone(&transport),
            ))
        };
        Self {
            camera: picture(VideoKind::Camera),
            screen: picture(VideoKind::Screen),
            audio_sink: Arc::new(MeteredAudio {
                receiver: Arc::clone(&audio),
                gaps: Arc::clone(&gaps),
            }),
            audio,
            gaps,
            transport,
        }
    }

    pub(crate) fn picture(&self, kind: VideoKind) -> &Arc<RemotePicture> {
        match kind {
            VideoKind::Camera => &self.camera,
            VideoKind::Screen => &self.screen,
        }
    }
}

struct MeteredAudio {
    receiver: Arc<AudioReceiver>,
    gaps: Arc<GapMeter>,
}

impl PacketSink for MeteredAudio {
    fn push(&self, packet: RtpPacket) {
        self.gaps.mark(packet.arrived_at);
        self.receiver.push(packet);
    }
}

/// One picture stream. Its decoder thread starts with the first packet: most participants never share a screen.
pub(crate) struct RemotePicture {
    kind: VideoKind,
    /// Where the window takes pictures from.
    pub frames: LatestFrame<Arc<VideoFrame>>,
    /// What the participant calls themselves, for the name of the recording.
    pub name: Mutex<String>,
    settings: PictureSettings,
    receiver: OnceLock<Option<Arc<VideoReceiver>>>,
    gaps: Arc<GapMeter>,
    transport: Arc<PresentTransport>,
}

impl RemotePicture {
    fn new(kind: VideoKind, settings: &PictureSettings, gaps: Arc<GapMeter>, transport: Arc<PresentTransport>) -> Self {
        let frames = LatestFrame::new();
        let wake = Arc::clone(&settings.wake);
        frames.set_waker(move || wake());
        Self {
            kind,
            frames,
            name: Mutex::new(String::new()),
            settings: settings.clone(),
            receiver: OnceLock::new(),
            gaps,
            transport,
        }
    }

    /// Camera or screen.
    pub(crate) fn kind(&self) -> VideoKind {
        self.kind
    }

    /// The receiver, once anything has come.
    pub(crate) fn receiver(&self) -> Option<&Arc<VideoReceiver>> {
        self.receiver.get().and_then(Option::as_ref)
    }

    /// Whether pictures have been coming within the last second and a half.
    pub(crate) fn flows(&self) -> bool {
        let last = self.receiver().and_then(|receiver| receiver.statistics().last_frame_at);
        last.is_some_and(|last| last.elapsed() < FLOWS)
    }

    fn start(&self) -> Option<Arc<VideoReceiver>> {
        let mut sinks: Vec<Arc<dyn VideoSink>> = vec![Arc::new(self.frames.clone())];
        if let Some(directory) = &self.settings.record {
            match self.start_recording(directory) {
                Ok(recorder) => sinks.push(recorder),
                Err(error) => (self.settings.on_write_failure)(error.to_string()),
            }
        }
        let feedback = Arc::new(KeyFrameFeedback {
            kind: self.kind,
            transport: Arc::clone(&self.transport),
        });
        match VideoReceiver::start(self.kind, Arc::new(Tee(sinks)), feedback, self.settings.epoch) {
            Ok(receiver) => Some(receiver),
            Err(error) => {
                tracing::error!(%error, "no thread for decoding pictures");
                None
            }
        }
    }

    fn start_recording(&self, directory: &Path) -> std::io::Result<Arc<VideoRecorder>> {
        std::fs::create_dir_all(directory)?;
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let source = match self.kind {
            VideoKind::Camera => "camera",
            VideoKind::Screen => "screen",
        };
        VideoRecorder::start(&directory.join(format!("{}-{source}.y4m", file_stem(&name))))
    }
}

impl PacketSink for RemotePicture {
    fn push(&self, packet: RtpPacket) {
        self.gaps.mark(packet.arrived_at);
        if let Some(receiver) = self.receiver.get_or_init(|| self.start()) {
            receiver.push(packet);
        }
    }
}

/// A name from the network as the stem of a file name: nothing but letters, digits, `-` and `_`.
pub(crate) fn file_stem(name: &str) -> String {
    let clean = |c: char| {
        if c.is_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '_'
        }
    };
    let stem: String = name.chars().take(40).map(clean).collect();
    if stem.is_empty() { "friend".into() } else { stem }
}

/// One picture to several sinks.
pub(crate) struct Tee(pub Vec<Arc<dyn VideoSink>>);

impl VideoSink for Tee {
    fn put(&self, frame: Arc<VideoFrame>) {
        for sink in &self.0 {
            sink.put(Arc::clone(&frame));
        }
    }
}

struct KeyFrameFeedback {
    kind: VideoKind,
    transport: Arc<PresentTransport>,
}

impl VideoFeedback for KeyFrameFeedback {
    fn request_key_frame(&self) {
        if let Some(transport) = self.transport.get() {
            transport.request_key_frame(self.kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::file_stem;

    #[test]
    fn a_hostile_name_cannot_leave_the_directory() {
        assert_eq!(file_stem("../../etc/passwd"), "______etc_passwd");
        assert_eq!(file_stem("Аня 2"), "Аня_2");
        assert_eq!(file_stem(""), "friend");
    }
}
