//! Device specifications: the strings of `--camera`, `--microphone`, `--speaker` and `--screen`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Size and rate of a generated picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoMode {
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

/// What the camera is: `test[:WxH@FPS]`, `file:PATH.y4m`, `device[:NAME]` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraSpec {
    /// The stamped test pattern.
    Test(VideoMode),
    /// A YUV4MPEG2 file, played in a loop.
    File(PathBuf),
    /// A real camera: by name, or the best there is.
    Device(Option<String>),
    /// No camera.
    None,
}

/// What the microphone is: `test`, `file:PATH.wav`, `device[:NAME]`, `silence` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MicrophoneSpec {
    /// A 3 kHz click of 5 ms at each whole second, over a quiet tone.
    Test,
    /// A WAV file, played in a loop.
    File(PathBuf),
    /// A real microphone: by name, or the system's default.
    Device(Option<String>),
    /// Digital silence, sent.
    Silence,
    /// No microphone: nothing is sent.
    None,
}

/// Where sound goes: `null`, `file:PATH.wav` or `device[:NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeakerSpec {
    /// Played on a clock and thrown away.
    Null,
    /// Recorded into a WAV file.
    File(PathBuf),
    /// Real speakers: by name, or the system's default.
    Device(Option<String>),
}

/// What is shared: `test[:WxH@FPS]`, `monitor[:N]`, `window:TITLE` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScreenSpec {
    /// A scrolling page of text.
    Test(VideoMode),
    /// A monitor, counted from 0.
    Monitor(u32),
    /// The first window whose title contains this.
    Window(String),
    /// Nothing.
    None,
}

/// Why a specification was refused, with what would have been right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The word before the colon is not one we know.
    #[error("'{given}' is not a {what}: use {expected}")]
    Unknown {
        /// What the user wrote.
        given: String,
        /// camera, microphone, speaker or screen.
        what: &'static str,
        /// The forms that exist.
        expected: &'static str,
    },
    /// The part after `test:` is not `WIDTHxHEIGHT@FPS` within bounds.
    #[error("'{0}' is not a picture size: write WIDTHxHEIGHT@FPS, even, 64x64@1 to 3840x2160@60, like 1280x720@30")]
    Mode(String),
    /// `file:` without a path, or a monitor without a number.
    #[error("'{0}' needs something after the colon")]
    Missing(String),
}

const CAMERA_FORMS: &str = "test[:WxH@FPS], file:PATH.y4m, device[:NAME] or none";
const MICROPHONE_FORMS: &str = "test, file:PATH.wav, device[:NAME], silence or none";
const SPEAKER_FORMS: &str = "null, file:PATH.wav or device[:NAME]";
const SCREEN_FORMS: &str = "test[:WxH@FPS], monitor[:N], window:TITLE or none";

impl VideoMode {
    /// What the test camera gives unless told otherwise.
    pub const HD30: Self = Self {
        width: 1280,
        height: 720,
        fps: 30,
    };
    /// What the test screen gives unless told otherwise.
    pub const FULL_HD30: Self = Self {
        width: 1920,
        height: 1080,
        fps: 30,
    };
}

impl FromStr for VideoMode {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let parse = || {
            let (size, fps) = text.split_once('@')?;
            let (width, height) = size.split_once('x')?;
            let mode = Self {
                width: width.parse().ok()?,
                height: height.parse().ok()?,
                fps: fps.parse().ok()?,
            };
            let even = mode.width.is_multiple_of(2) && mode.height.is_multiple_of(2);
            let sized = (64..=3840).contains(&mode.width) && (64..=2160).contains(&mode.height);
            (even && sized && (1..=60).contains(&mode.fps)).then_some(mode)
        };
        parse().ok_or_else(|| SpecError::Mode(text.into()))
    }
}

impl fmt::Display for VideoMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.fps)
    }
}

/// `word` or `word:rest`.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((word, rest)) => (word, Some(rest)),
        None => (text, None),
    }
}

fn required(text: &str, rest: Option<&str>) -> Result<String, SpecError> {
    match rest {
        Some(rest) if !rest.is_empty() => Ok(rest.into()),
        _ => Err(SpecError::Missing(text.into())),
    }
}

fn device_name(rest: Option<&str>) -> Option<String> {
    rest.filter(|name| !name.is_empty()).map(Into::into)
}

fn unknown(given: &str, what: &'static str, expected: &'static str) -> SpecError {
    SpecError::Unknown {
        given: given.into(),
        what,
        expected,
    }
}

impl FromStr for CameraSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("test", None) => Ok(Self::Test(VideoMode::HD30)),
            ("test", Some(mode)) => Ok(Self::Test(mode.parse()?)),
            ("file", rest) => Ok(Self::File(required(text, rest)?.into())),
            ("device", rest) => Ok(Self::Device(device_name(rest))),
            ("none", None) => Ok(Self::None),
            _ => Err(unknown(text, "camera", CAMERA_FORMS)),
        }
    }
}

impl FromStr for MicrophoneSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("test", None) => Ok(Self::Test),
            ("file", rest) => Ok(Self::File(required(text, rest)?.into())),
            ("device", rest) => Ok(Self::Device(device_name(rest))),
            ("silence", None) => Ok(Self::Silence),
            ("none", None) => Ok(Self::None),
            _ => Err(unknown(text, "microphone", MICROPHONE_FORMS)),
        }
    }
}

impl FromStr for SpeakerSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("null", None) => Ok(Self::Null),
            ("file", rest) => Ok(Self::File(required(text, rest)?.into())),
            ("device", rest) => Ok(Self::Device(device_name(rest))),
            _ => Err(unknown(text, "speaker", SPEAKER_FORMS)),
        }
    }
}

impl FromStr for ScreenSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text) {
            ("test", None) => Ok(Self::Test(VideoMode::FULL_HD30)),
            ("test", Some(mode)) => Ok(Self::Test(mode.parse()?)),
            ("monitor", None) => Ok(Self::Monitor(0)),
            ("monitor", Some(number)) => number
                .parse()
                .map(Self::Monitor)
                .map_err(|_| unknown(text, "screen", SCREEN_FORMS)),
            ("window", rest) => Ok(Self::Window(required(text, rest)?)),
            ("none", None) => Ok(Self::None),
            _ => Err(unknown(text, "screen", SCREEN_FORMS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_contract_parses() {
        assert_eq!("test".parse(), Ok(CameraSpec::Test(VideoMode::HD30)));
        let vga = VideoMode {
            width: 640,
            height: 480,
            fps: 15,
        };
        assert_eq!("test:640x480@15".parse(), Ok(CameraSpec::Test(vga)));
        assert_eq!("file:a:b.y4m".parse(), Ok(CameraSpec::File("a:b.y4m".into())));
        assert_eq!("device".parse(), Ok(CameraSpec::Device(None)));
        assert_eq!("device:Cam: 2".parse(), Ok(CameraSpec::Device(Some("Cam: 2".into()))));
        assert_eq!("none".parse(), Ok(CameraSpec::None));
        assert_eq!("silence".parse(), Ok(MicrophoneSpec::Silence));
        assert_eq!("null".parse(), Ok(SpeakerSpec::Null));
        assert_eq!("monitor:1".parse(), Ok(ScreenSpec::Monitor(1)));
        assert_eq!("window:x".parse(), Ok(ScreenSpec::Window("x".into())));
    }

    #[test]
    fn a_bad_form_says_what_would_be_right() {
        let error = "webcam".parse::<CameraSpec>().expect_err("not a form");
        assert_eq!(
            error.to_string(),
            "'webcam' is not a camera: use test[:WxH@FPS], file:PATH.y4m, device[:NAME] or none"
        );
        for bad in [
            "test:",
            "test:1x1@30",
            "test:641x480@30",
            "test:640x480@0",
            "test:640x480",
            "file:",
            "file",
        ] {
            assert!(bad.parse::<CameraSpec>().is_err(), "{bad}");
        }
    }
}
