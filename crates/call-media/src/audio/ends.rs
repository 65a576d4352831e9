//! The two ends of the pipeline and their synthetic twins.

use std::time::{Duration, Instant};

use super::clock::BLOCK;
use super::device_line::{CaptureLine, Captured, PlaybackLine};
use super::devices;
use super::supervisor::{End, Opened, Retry, Watch};
use super::test_signal::{TestSignal, unix_time};
use super::wav_loop::WavLoop;
use crate::devices::{DeviceError, DeviceProblem, DeviceStatus};
use crate::frame::AudioBlock;
use crate::record::wav::WavRecorder;
use crate::spec::{MicrophoneSpec, SpeakerSpec};

/// Where blocks come from.
pub enum Source {
    /// The clicking test signal.
    Test(TestSignal),
    /// A file, over and over.
    File(WavLoop),
    /// Silence that is sent like sound.
    Silence,
    /// A card.
    Device(Box<CaptureLine>),
    /// A device that does not work, or not yet: its silence is announced, not sent.
    Absent,
    /// Nothing is sent.
    Off,
}

/// What a source gave for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Sound, of which the first sample was captured then.
    Sound(Instant),
    /// Silence instead of a device that has nothing.
    Absent(Instant),
    /// Nothing, not even silence.
    Off,
}

impl Source {
    /// The 10 ms that end at `due`, as a microphone would have captured them.
    pub fn read(&mut self, due: Instant, block: &mut AudioBlock) -> Heard {
        let start = due.checked_sub(BLOCK).unwrap_or(due);
        match self {
            Self::Test(signal) => {
                signal.fill(unix_time(start), block);
                Heard::Sound(start)
            }
            Self::File(sound) => {
                sound.fill(block);
                Heard::Sound(start)
            }
            Self::Silence => {
                block.fill(0.0);
                Heard::Sound(start)
            }
            Self::Device(line) => match line.read(Instant::now(), block) {
                Captured::Sound(age) => Heard::Sound(Instant::now().checked_sub(age).unwrap_or(due)),
                Captured::Nothing => Heard::Absent(start),
            },
            Self::Absent => {
                block.fill(0.0);
                Heard::Absent(start)
            }
            Self::Off => {
                block.fill(0.0);
                Heard::Off
            }
        }
    }
}

/// Where blocks go.
pub enum Output {
    /// Nowhere, on time.
    Null,
    /// Into a file.
    File(WavRecorder),
    /// To a card.
    Device(Box<PlaybackLine>),
}

impl Output {
    /// Time from now until the next block leaves towards the sound device.
    pub fn delay(&self) -> Duration {
        match self {
            Self::Null | Self::File(_) => Duration::ZERO,
            Self::Device(line) => line.delay(),
        }
    }

    /// Takes a block and returns when it wants the next one.
    pub fn write(&mut self, block: &AudioBlock) -> Duration {
        match self {
            Self::Null => BLOCK,
            Self::File(recorder) => {
                recorder.write(block);
                BLOCK
            }
            Self::Device(line) => line.write(Instant::now(), block),
        }
    }
}

fn running(name: impl Into<String>) -> DeviceStatus {
    DeviceStatus::Running {
        name: name.into(),
        mode: None,
    }
}

fn simple<Line>(line: Line, status: DeviceStatus) -> Opened<Line> {
    Opened {
        line,
        status,
        watch: Watch::Nothing,
    }
}

/// The microphone's end.
pub struct Microphone;

impl End for Microphone {
    type Spec = MicrophoneSpec;
    type Line = Source;

    fn open(spec: &MicrophoneSpec) -> Result<Opened<Source>, DeviceError> {
        Ok(match spec {
            MicrophoneSpec::Test => simple(Source::Test(TestSignal::default()), running("test")),
            MicrophoneSpec::Silence => simple(Source::Silence, running("silence")),
            MicrophoneSpec::None => simple(Source::Off, DeviceStatus::Off),
            MicrophoneSpec::File(path) => {
                simple(Source::File(WavLoop::open(path)?), running(path.display().to_string()))
            }
            MicrophoneSpec::Device(name) => {
                let (stream, line) = devices::open_microphone(name.as_deref())?;
                Opened {
                    line: Source::Device(Box::new(line)),
                    status: running(stream.name.clone()),
                    watch: Watch::Stream(stream),
                }
            }
        })
    }

    fn stand_in(spec: &MicrophoneSpec) -> Source {
        match spec {
            MicrophoneSpec::None => Source::Off,
            MicrophoneSpec::Test | MicrophoneSpec::Silence | MicrophoneSpec::File(_) | MicrophoneSpec::Device(_) => {
                Source::Absent
            }
        }
    }

    fn retry(spec: &MicrophoneSpec) -> Retry {
        match spec {
            MicrophoneSpec::Device(_) => Retry::EachSecond,
            MicrophoneSpec::Test | MicrophoneSpec::Silence | MicrophoneSpec::File(_) | MicrophoneSpec::None => {
                Retry::Never
            }
        }
    }
}

/// The speaker's end.
pub struct Speaker;

impl End for Speaker {
    type Spec = SpeakerSpec;
    type Line = Output;

    fn open(spec: &SpeakerSpec) -> Result<Opened<Output>, DeviceError> {
        Ok(match spec {
            SpeakerSpec::Null => simple(Output::Null, running("null")),
            SpeakerSpec::File(path) => {
                let recorder = WavRecorder::create(path).map_err(|error| DeviceError {
                    problem: match error.kind() {
                        std::io::ErrorKind::PermissionDenied => DeviceProblem::Forbidden,
                        _ => DeviceProblem::Unusable,
                    },
                    detail: format!("{}: {error}", path.display()),
                })?;
                Opened {
                    watch: Watch::Recording(recorder.health()),
                    status: running(path.display().to_string()),
                    line: Output::File(recorder),
                }
            }
            SpeakerSpec::Device(name) => {
                let (stream, line) = devices::open_speaker(name.as_deref())?;
                Opened {
                    line: Output::Device(Box::new(line)),
                    status: running(stream.name.clone()),
                    watch: Watch::Stream(stream),
                }
            }
        })
    }

    fn stand_in(_spec: &SpeakerSpec) -> Output {
        Output::Null
    }

    fn retry(spec: &SpeakerSpec) -> Retry {
        match spec {
            SpeakerSpec::Device(_) => Retry::EachSecond,
            SpeakerSpec::Null | SpeakerSpec::File(_) => Retry::Never,
        }
    }
}
