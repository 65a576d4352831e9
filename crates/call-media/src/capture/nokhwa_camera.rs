//! Real cameras through nokhwa: finding, naming, opening, reading. Everything blocks and belongs on a thread
//! of its own; nothing here is trusted to return, or not to panic.
//!
//! nokhwa 0.10.11 on Linux does not say how many bytes of a buffer were filled, drops the driver's error
//! flag, offers only whole frame rates (a camera that has 30000/1001 alone cannot be opened), and keeps
//! one handle a device for the whole process: whoever opens a camera a second time changes the mode of the first.
//! Hence [`claim`]: a device is set up by one thread at a time.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nokhwa::NokhwaError;
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};

use super::modes::{Mode, PixelFormat, by_preference};
use crate::devices::{DeviceError, DeviceProblem};

/// A device the system knows. It may be something else than a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    index: CameraIndex,
    /// The system's name, made unique by a number where it is not.
    pub(super) name: String,
}

/// Whether a device that was found is a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// It is, with these modes, best first.
    Camera(Vec<Mode>),
    /// It has no picture formats at all: the metadata node that UVC cameras come with.
    NotACamera,
}

/// What this process knows of its devices; see [`claim`] and [`probe`].
struct Known {
    claimed: Vec<CameraIndex>,
    probed: Vec<(Found, Vec<Mode>)>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known {
    claimed: Vec::new(),
    probed: Vec::new(),
});

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to set a device up. Given back when dropped.
#[derive(Debug)]
pub(super) struct Claim(CameraIndex);

/// Claims a device, unless another thread is setting it up just now.
pub(super) fn claim(found: &Found) -> Option<Claim> {
    let mut known = known();
    if known.claimed.contains(&found.index) {
        return None;
    }
    known.claimed.push(found.index.clone());
    Some(Claim(found.index.clone()))
}

impl Drop for Claim {
    fn drop(&mut self) {
        known().claimed.retain(|index| *index != self.0);
    }
}

/// All devices, by their index.
pub(super) fn find_all() -> Vec<Found> {
    // nokhwa panics on a /dev/video without a number.
    let query = catch_unwind(|| nokhwa::query(ApiBackend::Auto));
    let mut infos = match query {
        Ok(Ok(infos)) => infos,
        Ok(Err(error)) => {
            tracing::debug!(%error, "cameras cannot be listed");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("listing cameras panicked");
            Vec::new()
        }
    };
    infos.sort_by(|a, b| a.index().cmp(b.index()));
    let found = infos
        .iter()
        .map(|info| (info.index().clone(), info.human_name()))
        .collect();
    let found = with_unique_names(found);
    // Another device may get the number of one that is gone.
    known().probed.retain(|(known, _)| found.contains(known));
    found
}

fn with_unique_names(devices: Vec<(CameraIndex, String)>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::with_capacity(devices.len());
    for (index, name) in devices {
        let taken = |name: &str| found.iter().any(|other| other.name == name);
        let mut unique = name.clone();
        let mut number = 2;
        while taken(&unique) {
            unique = format!("{name} ({number})");
            number += 1;
        }
        found.push(Found { index, name: unique });
    }
    found
}

/// What the device is. Asks it only the first time: asking again while it runs would disturb it.
pub(super) fn probe(found: &Found, _claim: &Claim) -> Result<Probe, DeviceError> {
    if let Some(modes) = remembered(found) {
        return Ok(Probe::Camera(modes));
    }
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS);
    let formats = guarded(|| nokhwa::Camera::new(found.index.clone(), any)?.compatible_camera_formats());
    let probed = match formats {
        Ok(formats) => Probe::Camera(by_preference(formats.into_iter().filter_map(mode_of).collect())),
        Err(error) => match failed_property(&error) {
            Some("FrameFormat") => Probe::NotACamera,
            // nokhwa has found no mode it understands.
            Some("CameraFormat") => probe_by_guessing(found),
            Some(_) | None => return Err(device_error(&error)),
        },
    };
    if let Probe::Camera(modes) = &probed
        && !modes.is_empty()
    {
        known().probed.push((found.clone(), modes.clone()));
    }
    Ok(probed)
}

/// The property that nokhwa could not read, by its own name.
fn failed_property(error: &NokhwaError) -> Option<&str> {
    match error {
        NokhwaError::GetPropertyError { property, .. } => Some(property),
        _ => None,
    }
}

/// Tries common modes on a device of which nokhwa understands none: a metadata node has no format at all, an infrared
/// camera none we know, a camera with continuous sizes takes what it is given, and one of fractional rates alone is
/// a camera without modes.
fn probe_by_guessing(found: &Found) -> Probe {
    for (width, height) in [(1_280, 720), (640, 480)] {
        for format in [PixelFormat::Mjpeg, PixelFormat::Yuyv] {
            let fps = 30;
            let mode = Mode {
                width,
                height,
                fps,
                format,
            };
            match guarded(|| nokhwa::Camera::new(found.index.clone(), exactly(mode))) {
                Ok(_) => return Probe::Camera(vec![mode]),
                Err(error) => {
                    if let Some("parameters" | "FrameFormat") = failed_property(&error) {
                        return Probe::NotACamera;
                    }
                }
            }
        }
    }
    Probe::Camera(Vec::new())
}

fn exactly(mode: Mode) -> RequestedFormat<'static> {
    let resolution = Resolution::new(mode.width, mode.height);
    let format = CameraFormat::new(resolution, frame_format(mode.format), mode.fps);
    RequestedFormat::with_formats(RequestedFormatType::Exact(format), &FORMATS)
}

/// The modes of a camera that was probed before, without touching it.
pub(super) fn remembered(found: &Found) -> Option<Vec<Mode>> {
    let known = known();
    let entry = known.probed.iter().find(|(other, _)| other == found);
    entry.map(|(_, modes)| modes.clone())
}

/// A camera that is open and gives frames.
pub(super) struct Opened {
    camera: nokhwa::Camera,
    /// The mode that was asked for and granted.
    pub(super) mode: Mode,
}

/// Opens the device in exactly this mode. Frames begin to flow with the first [`Opened::frame`].
pub(super) fn open(found: &Found, mode: Mode, _claim: &Claim) -> Result<Opened, DeviceError> {
    let camera = guarded(|| {
        let mut camera = nokhwa::Camera::new(found.index.clone(), exactly(mode))?;
        camera.open_stream()?;
        Ok(camera)
    });
    let camera = camera.map_err(|error| device_error(&error))?;
    Ok(Opened { camera, mode })
}

impl Opened {
    /// Waits for the next picture, for ever if need be. It is the driver's whole buffer, which may be longer than the picture.
    pub(super) fn frame(&mut self) -> Result<Cow<'_, [u8]>, DeviceError> {
        self.camera.frame_raw().map_err(|error| device_error(&error))
    }
}

const FORMATS: [FrameFormat; 5] = [
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::MJPEG,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
];

fn frame_format(format: PixelFormat) -> FrameFormat {
    match format {
        PixelFormat::Yuyv => FrameFormat::YUYV,
        PixelFormat::Nv12 => FrameFormat::NV12,
        PixelFormat::Mjpeg => FrameFormat::MJPEG,
        PixelFormat::Rgb => FrameFormat::RAWRGB,
        PixelFormat::Bgr => FrameFormat::RAWBGR,
    }
}

fn mode_of(format: CameraFormat) -> Option<Mode> {
    let pixels = match format.format() {
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::MJPEG => PixelFormat::Mjpeg,
        FrameFormat::RAWRGB => PixelFormat::Rgb,
        FrameFormat::RAWBGR => PixelFormat::Bgr,
        FrameFormat::GRAY => return None,
    };
    Some(Mode {
        width: format.width(),
        height: format.height(),
        fps: format.frame_rate(),
        format: pixels,
    })
}

/// Runs a call of nokhwa, of which some panic on odd devices (a stepwise size with a step of 0, say).
fn guarded<T>(call: impl FnOnce() -> Result<T, NokhwaError>) -> Result<T, NokhwaError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(NokhwaError::GeneralError("the camera confuses its driver".into())))
}

/// Turns nokhwa's error, which carries the system's only as text, into a kind of trouble.
fn device_error(error: &NokhwaError) -> DeviceError {
    let detail = error.to_string();
    let problem = problem_of(&detail);
    DeviceError { problem, detail }
}

fn problem_of(detail: &str) -> DeviceProblem {
    const MISSING: [i32; 3] = [libc::ENODEV, libc::ENOENT, libc::ENXIO];
    const FORBIDDEN: [i32; 2] = [libc::EACCES, libc::EPERM];
    let number = detail
        .rsplit_once("(os error ")
        .and_then(|(_, rest)| rest.split_once(')'));
    match number.and_then(|(number, _)| number.parse::<i32>().ok()) {
        Some(error) if MISSING.contains(&error) => DeviceProblem::Missing,
        Some(error) if FORBIDDEN.contains(&error) => DeviceProblem::Forbidden,
        Some(libc::EBUSY) => DeviceProblem::Busy,
        Some(_) | None => DeviceProblem::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cameras_of_one_make_can_be_told_apart() {
        let device = |index, name: &str| (CameraIndex::Index(index), name.to_owned());
        let devices = vec![
            device(0, "C920"),
            device(2, "C920"),
            device(4, "C920 (2)"),
            device(6, "C920"),
        ];
        let names: Vec<_> = with_unique_names(devices).into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["C920", "C920 (2)", "C920 (2) (2)", "C920 (3)"]);
    }

    #[test]
    fn the_kind_of_trouble_is_read_from_the_system_error() {
        let cases = [
            (
                "Could not open device 0: V4L2 Error: Permission denied (os error 13)",
                DeviceProblem::Forbidden,
            ),
            (
                "Could not open device stream: Device or resource busy (os error 16)",
                DeviceProblem::Busy,
            ),
            (
                "Could not capture frame: No such device (os error 19)",
                DeviceProblem::Missing,
            ),
            (
                "Could not set device property CameraFormat with value : Not same/Rejected",
                DeviceProblem::Unusable,
            ),
        ];
        for (detail, problem) in cases {
            assert_eq!(problem_of(detail), problem, "{detail}");
        }
    }
}
