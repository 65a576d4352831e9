//! Keeping a real camera going: open, watch, give up, try again, on a thread called "camera-watch".
//!
//! The driver may block for ever in any call, so it is called on a thread of its own, "camera", which is
//! one [`Attempt`]. The watching thread sees that attempt end or fall silent, says so in the status, and makes the next one.
//! A thread that does not come back is left behind; it can do no more harm than hold its own device.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::mjpeg::MjpegDecoder;
use super::modes::{Mode, PixelFormat};
use super::nokhwa_camera::{self, Found, Opened, Probe};
use super::unblock::Blocked;
use super::{Marker, Moment, Outlet, StampMode, Waited};
use crate::colour::{self, ByteOrder, SourceSize};
use crate::devices::{DeviceError, DeviceProblem, DeviceStatus};
use crate::frame::{FramePool, VideoFrame};
use crate::stage::Stage;

/// One camera that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraInfo {
    /// What goes after `device:`; no two cameras share it.
    pub name: String,
    /// Picture modes (`1280x720@30`), the one that would be chosen first. Empty when the camera cannot be asked just now.
    pub modes: Vec<String>,
    /// Whether it is the one that `device` without a name means.
    pub is_default: bool,
}

/// How long a driver may take to open: some cameras start their motor first.
const OPENING_LIMIT: Duration = Duration::from_secs(10);
/// How long a camera may take from there to its first picture.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(5);
/// How long a running camera may give nothing.
const STALL_LIMIT: Duration = Duration::from_secs(2);
/// How long pictures may come that cannot be used.
const GARBAGE_LIMIT: Duration = Duration::from_secs(2);
/// How long a thread may take to close its device after it was asked to, and again after it was interrupted.
const CLOSING_LIMIT: Duration = Duration::from_millis(200);
/// From the first retry to the slowest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_SLOWEST: Duration = Duration::from_secs(1);
/// A camera that is busy so soon is most likely still held by whoever we were a moment ago.
const BUSY_GRACE: Duration = Duration::from_millis(600);
/// Modes that are tried before a camera counts as unusable.
const MODES_TRIED: usize = 4;

/// The cameras of this machine, the default first. Empty where there are none; never panics.
///
/// Takes as long as the drivers take, usually some ms: keep it off threads that must not wait. Cameras of which nokhwa
/// sees only fractional rates (30000/1001) are listed without modes.
#[must_use]
pub fn list() -> Vec<CameraInfo> {
    let cameras = nokhwa_camera::find_all().into_iter().filter_map(|found| {
        let probed = match (nokhwa_camera::remembered(&found), nokhwa_camera::claim(&found)) {
            (Some(modes), _) => Ok(Probe::Camera(modes)),
            (None, Some(claim)) => nokhwa_camera::probe(&found, &claim),
            // It is being opened by another thread just now: it will be in the next list.
            (None, None) => Ok(Probe::NotACamera),
        };
        match probed {
            Ok(Probe::Camera(modes)) => Some((found, modes)),
            Ok(Probe::NotACamera) => None,
            // Busy or forbidden: it is there all the same.
            Err(_) => Some((found, Vec::new())),
        }
    });
    let describe = |(position, (found, modes)): (usize, (Found, Vec<Mode>))| {
        let mut modes: Vec<_> = modes.iter().map(ToString::to_string).collect();
        modes.dedup();
        CameraInfo {
            name: found.name,
            modes,
            is_default: position == 0,
        }
    };
    cameras.enumerate().map(describe).collect()
}

/// The "camera-watch" thread: keeps the camera called `name` (or the first there is) running until the owner lets go.
pub(super) fn supervise(outlet: &Arc<Outlet>, name: Option<&str>, stamp: StampMode) {
    let opened_at = Instant::now();
    let mut retry_after = RETRY_FIRST;
    let marker = Arc::new(Mutex::new(Marker::new(stamp)));
    while !outlet.is_closed() {
        let was_running = match Attempt::make(outlet, name, &marker) {
            Ok(verdict) => match verdict {
                Verdict::Unwanted => return,
                Verdict::Failed { error, had_frames } => {
                    let patience = error.problem == DeviceProblem::Busy && opened_at.elapsed() < BUSY_GRACE;
                    if !patience {
                        report(outlet, error);
                    }
                    had_frames
                }
            },
            Err(error) => {
                outlet.fail(DeviceProblem::Unusable, format!("no thread for the camera: {error}"));
                false
            }
        };
        retry_after = if was_running {
            RETRY_FIRST
        } else {
            (retry_after * 2).min(RETRY_SLOWEST)
        };
        if outlet.wait_until(Instant::now() + retry_after) == Waited::Closed {
            return;
        }
    }
}

/// Publishes what went wrong, unless it only follows from what is known already.
fn report(outlet: &Outlet, error: DeviceError) {
    use DeviceProblem::{Busy, Missing, Stalled, Unplugged};
    if let DeviceStatus::Failed(known) = outlet.status() {
        // It was unplugged, so it is missing. It is stalled in a thread of ours, so it is busy.
        let follows = matches!((known.problem, error.problem), (Unplugged, Missing) | (Stalled, Busy));
        if follows {
            return;
        }
    }
    outlet.set_status(DeviceStatus::Failed(error));
}

/// How an attempt ended.
enum Verdict {
    /// The owner has let go.
    Unwanted,
    /// The device failed or fell silent.
    Failed { error: DeviceError, had_frames: bool },
}

/// What the camera thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    /// Open, and no usable picture yet.
    Opened,
    Streaming,
}

/// One go at a device: what its thread and the watching thread share.
struct Attempt {
    state: Mutex<AttemptState>,
    ended: Condvar,
}

struct AttemptState {
    wanted: bool,
    phase: Phase,
    /// When the device last gave a sign of life.
    heard_at: Instant,
    thread: Option<Blocked>,
    outcome: Option<Result<(), DeviceError>>,
}

impl Attempt {
    /// Runs one attempt from opening to its end.
    fn make(outlet: &Arc<Outlet>, name: Option<&str>, marker: &Arc<Mutex<Marker>>) -> std::io::Result<Verdict> {
        let attempt = Arc::new(Self {
            state: Mutex::new(AttemptState {
                wanted: true,
                phase: Phase::Opening,
                heard_at: Instant::now(),
                thread: None,
                outcome: None,
            }),
            ended: Condvar::new(),
        });
        let end = EndOfAttempt {
            attempt: Arc::clone(&attempt),
            outlet: Arc::clone(outlet),
        };
        let (name, marker) = (name.map(str::to_owned), Arc::clone(marker));
        let stage = Stage::spawn("camera", move |_| {
            let outcome = end.attempt.capture(&end.outlet, name.as_deref(), &marker);
            end.attempt.state().outcome = Some(outcome);
        })?;
        let verdict = attempt.watch(outlet);
        if attempt.call_back() {
            drop(stage);
        } else {
            tracing::warn!("a camera's driver does not return: its thread is left behind");
            stage.detach();
        }
        Ok(verdict)
    }

    fn state(&self) -> MutexGuard<'_, AttemptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the attempt to end, to fall silent, or to be wanted no more.
    fn watch(&self, outlet: &Outlet) -> Verdict {
        loop {
            let deadline = self.deadline();
            let waited = outlet.wait_for(deadline, || self.state().outcome.is_some());
            let state = self.state();
            let had_frames = state.phase == Phase::Streaming;
            match (waited, &state.outcome) {
                (Waited::Closed, _) | (Waited::Due, Some(Ok(()))) => return Verdict::Unwanted,
                (Waited::Due, Some(Err(error))) => {
                    let error = error.clone();
                    return Verdict::Failed { error, had_frames };
                }
                (Waited::Due, None) => {}
            }
            drop(state);
            if Instant::now() >= self.deadline() {
                let detail = if had_frames {
                    "the camera has stopped giving pictures"
                } else {
                    "the camera gives no pictures"
                };
                let error = DeviceError {
                    problem: DeviceProblem::Stalled,
                    detail: detail.into(),
                };
                return Verdict::Failed { error, had_frames };
            }
        }
    }

    fn deadline(&self) -> Instant {
        let state = self.state();
        state.heard_at
            + match state.phase {
                Phase::Opening => OPENING_LIMIT,
                Phase::Opened => FIRST_FRAME_LIMIT,
                Phase::Streaming => STALL_LIMIT,
            }
    }

    /// Asks the thread to close its device and return, first kindly, then by interrupting it. Whether it did.
    fn call_back(&self) -> bool {
        self.state().wanted = false;
        // The time of a frame or two.
        if self.has_ended_within(CLOSING_LIMIT) {
            return true;
        }
        let thread = self.state().thread;
        if let Some(thread) = thread {
            thread.interrupt();
        }
        self.has_ended_within(CLOSING_LIMIT)
    }

    fn has_ended_within(&self, limit: Duration) -> bool {
        let unfinished = |state: &mut AttemptState| state.outcome.is_none();
        let waited = self.ended.wait_timeout_while(self.state(), limit, unfinished);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The "camera" thread: opens the device and passes its pictures on. `Ok` when it is wanted no more.
    fn capture(&self, outlet: &Outlet, name: Option<&str>, marker: &Mutex<Marker>) -> Result<(), DeviceError> {
        self.state().thread = Some(Blocked::current());
        let (found, mut camera) = open(name)?;
        self.heard(Phase::Opened);
        let mode = camera.mode;
        let mut converter = Converter::new(mode);
        let mut garbage_since = None;
        let mut running = Some(DeviceStatus::Running {
            name: found.name,
            mode: Some(mode.to_string()),
        });
        loop {
            let bytes = camera.frame().map_err(while_running)?;
            let moment = Moment::now();
            if !self.state().wanted {
                return Ok(());
            }
            let mut frame = match converter.convert(&bytes, moment) {
                Ok(frame) => frame,
                Err(reason) => {
                    outlet.refuse();
                    if garbage_since.get_or_insert(moment.at).elapsed() > GARBAGE_LIMIT {
                        return Err(unusable(format!("the camera's pictures cannot be used: {reason}")));
                    }
                    // The device is alive, whatever it says.
                    self.state().heard_at = moment.at;
                    continue;
                }
            };
            garbage_since = None;
            self.heard(Phase::Streaming);
            marker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .mark(&mut frame, moment);
            outlet.put(frame);
            if let Some(running) = running.take() {
                outlet.set_status(running);
            }
        }
    }

    fn heard(&self, phase: Phase) {
        let mut state = self.state();
        (state.phase, state.heard_at) = (phase, Instant::now());
    }
}

/// A device that was there a moment ago is not missing: it was unplugged.
fn while_running(error: DeviceError) -> DeviceError {
    let problem = match error.problem {
        DeviceProblem::Missing => DeviceProblem::Unplugged,
        other => other,
    };
    DeviceError { problem, ..error }
}

/// Tells the watching thread that the attempt is over, also when the driver panicked.
struct EndOfAttempt {
    attempt: Arc<Attempt>,
    outlet: Arc<Outlet>,
}

impl Drop for EndOfAttempt {
    fn drop(&mut self) {
        let mut state = self.attempt.state();
        state
            .outcome
            .get_or_insert_with(|| Err(unusable("the camera's driver failed")));
        drop(state);
        self.attempt.ended.notify_all();
        self.outlet.notify();
    }
}

fn unusable(detail: impl Into<String>) -> DeviceError {
    DeviceError {
        problem: DeviceProblem::Unusable,
        detail: detail.into(),
    }
}

/// Finds the camera and opens it in the best mode it grants.
fn open(name: Option<&str>) -> Result<(Found, Opened), DeviceError> {
    let mut last = None;
    for found in candidates(nokhwa_camera::find_all(), name)? {
        let Some(claim) = nokhwa_camera::claim(&found) else {
            last = Some(DeviceError {
                problem: DeviceProblem::Busy,
                detail: format!("'{}' is being opened already", found.name),
            });
            continue;
        };
        let modes = match nokhwa_camera::probe(&found, &claim) {
            Ok(Probe::Camera(modes)) => modes,
            Ok(Probe::NotACamera) => continue,
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        last = Some(unusable(format!(
            "'{}' offers no picture format of a whole frame rate",
            found.name
        )));
        for mode in modes.into_iter().take(MODES_TRIED) {
            match nokhwa_camera::open(&found, mode, &claim) {
                Ok(camera) => return Ok((found, camera)),
                Err(error) => last = Some(error),
            }
        }
    }
    Err(last.unwrap_or_else(|| missing(name, &[])))
}

/// Which devices to try, in this order: all without a name, else those of exactly that name, else those whose name contains it.
fn candidates(found: Vec<Found>, name: Option<&str>) -> Result<Vec<Found>, DeviceError> {
    let Some(name) = name else {
        return Ok(found);
    };
    let wanted = name.to_lowercase();
    let exact = |found: &Found| found.name == name;
    let similar = |found: &Found| found.name.to_lowercase().contains(&wanted);
    let of =
        |matches: &dyn Fn(&Found) -> bool| found.iter().filter(|found| matches(found)).cloned().collect::<Vec<_>>();
    let chosen = [of(&exact), of(&similar)].into_iter().find(|list| !list.is_empty());
    chosen.ok_or_else(|| missing(Some(name), &found))
}

fn missing(name: Option<&str>, found: &[Found]) -> DeviceError {
    let others: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
    let detail = match name {
        None => "no camera is connected".into(),
        Some(name) if others.is_empty() => format!("no camera is connected, '{name}' neither"),
        Some(name) => format!("there is no camera called '{name}', only {}", others.join(", ")),
    };
    DeviceError {
        problem: DeviceProblem::Missing,
        detail,
    }
}

/// Turns one camera's buffers into frames.
struct Converter {
    mode: Mode,
    pool: FramePool,
    mjpeg: MjpegDecoder,
}

impl Converter {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            pool: FramePool::new(),
            mjpeg: MjpegDecoder::default(),
        }
    }

    /// The reason, in words, when the bytes hold no picture of this mode.
    fn convert(&mut self, bytes: &[u8], moment: Moment) -> Result<VideoFrame, String> {
        let size = SourceSize {
            width: self.mode.width as usize,
            height: self.mode.height as usize,
        };
        let mut frame = self.pool.frame(size.width, size.height, moment.at);
        let target = &mut frame;
        let converted = match self.mode.format {
            PixelFormat::Yuyv => colour::yuyv_to_i420(bytes, size, target),
            PixelFormat::Nv12 => colour::nv12_to_i420(bytes, size, target),
            PixelFormat::Rgb => colour::rgb_to_i420(bytes, ByteOrder::Rgb, size, target),
            PixelFormat::Bgr => colour::rgb_to_i420(bytes, ByteOrder::Bgr, size, target),
            PixelFormat::Mjpeg => {
                return match self.mjpeg.decode(bytes, size, target) {
                    Ok(()) => Ok(frame),
                    Err(error) => Err(error.to_string()),
                };
            }
        };
        converted.map(|()| frame).map_err(|error| error.to_string())
    }
}
