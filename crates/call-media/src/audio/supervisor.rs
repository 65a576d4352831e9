//! Keeps one end of the pipeline (microphone or speaker) as the user wants it, on a thread "audio-devices" of its own.
//!
//! A specification flows in; a line for the "audio" thread and a [`DeviceStatus`] flow out. The thread opens, watches
//! and retries. Everything that may block for ever happens here and nowhere else: when the sound system hangs, the thread
//! is left to its fate and another one takes over. Streams are closed on threads "audio-closing", because that may block
//! for ever even while the sound system is well (cpal 0.18.2 never returns from dropping a PulseAudio playback stream
//! whose sink has been unplugged).

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::devices::OpenStream;
use crate::devices::{DeviceError, DeviceProblem, DeviceStatus};
use crate::record::wav::RecordingHealth;
use crate::stage::{Stage, StopFlag};

/// How often a running device is looked at.
const WATCH: Duration = Duration::from_millis(250);
/// A device that has not called for so long is lost.
const STALLED: Duration = Duration::from_secs(1);
/// Time between two attempts to open a device.
const RETRY: Duration = Duration::from_secs(1);
/// A thread that has been in the sound system's hands for longer is replaced when there is something to do.
const STUCK: Duration = Duration::from_secs(3);
/// How long the end of the pipeline waits for its devices.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a stream may take to close before its thread is left behind, and how many such threads there may be: then no
/// device is opened any more until one of them has ended.
const CLOSING: Duration = Duration::from_millis(200);
const MAX_CLOSING: usize = 4;

/// One kind of end.
pub trait End: Send + 'static {
    /// What the user asks for.
    type Spec: Clone + Send + 'static;
    /// What the "audio" thread reads from or writes to.
    type Line: Send + 'static;

    /// Opens it. May block.
    fn open(spec: &Self::Spec) -> Result<Opened<Self::Line>, DeviceError>;
    /// What stands in for it while it does not work.
    fn stand_in(spec: &Self::Spec) -> Self::Line;
    /// Whether it may work later: a device may be plugged in, a bad file stays bad.
    fn retry(spec: &Self::Spec) -> Retry;
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Every second.
    EachSecond,
    /// Not before something else is chosen.
    Never,
}

/// An end that works.
pub struct Opened<Line> {
    /// For the "audio" thread.
    pub line: Line,
    /// [`DeviceStatus::Running`] or [`DeviceStatus::Off`].
    pub status: DeviceStatus,
    /// What can go wrong with it.
    pub watch: Watch,
}

/// What can go wrong with an open end.
pub enum Watch {
    /// Nothing.
    Nothing,
    /// A card may be unplugged, stall, fail.
    Stream(OpenStream),
    /// A disk may fill up.
    Recording(RecordingHealth),
}

/// Called when a status has changed.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How an end is doing, for whoever asks.
pub struct StatusCell {
    status: Mutex<DeviceStatus>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl StatusCell {
    /// Not opened yet.
    pub fn new(waker: Arc<Mutex<Option<Waker>>>) -> Arc<Self> {
        Arc::new(Self {
            status: Mutex::new(DeviceStatus::Starting),
            waker,
        })
    }

    /// The latest status.
    pub fn get(&self) -> DeviceStatus {
        locked(&self.status).clone()
    }

    fn set(&self, status: DeviceStatus) {
        let changed = std::mem::replace(&mut *locked(&self.status), status.clone()) != status;
        if !changed {
            return;
        }
        // Outside the lock: it may ask for the status.
        let waker = locked(&self.waker).clone();
        if let Some(waker) = waker {
            waker();
        }
    }
}

/// Where the "audio" thread finds a new line and leaves the old one, which may take long to close.
pub struct LineSlot<Line> {
    lines: Mutex<Lines<Line>>,
    retired: Condvar,
}

struct Lines<Line> {
    fresh: Option<Line>,
    retired: Vec<Line>,
}

impl<Line> LineSlot<Line> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::new(Lines {
                fresh: None,
                retired: Vec::new(),
            }),
            retired: Condvar::new(),
        })
    }

    /// On "audio", once a block: changes `current` for the line that has come, if any. Never waits.
    pub fn refresh(&self, current: &mut Line) {
        let Ok(mut lines) = self.lines.try_lock() else { return };
        if let Some(fresh) = lines.fresh.take() {
            lines.retired.push(std::mem::replace(current, fresh));
            self.retired.notify_all();
        }
    }

    fn offer(&self, line: Line) {
        let before = locked(&self.lines).fresh.replace(line);
        drop(before);
    }

    /// Closes what "audio" has given back, after waiting a few blocks for it.
    fn close_retired(&self) {
        let lines = locked(&self.lines);
        let (mut lines, _) = self
            .retired
            .wait_timeout_while(lines, Duration::from_millis(50), |lines| lines.fresh.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        let retired = std::mem::take(&mut lines.retired);
        drop(lines);
        drop(retired);
    }
}

/// What the thread and its owner share.
struct Control<E: End> {
    state: Mutex<State<E::Spec>>,
    changed: Condvar,
    slot: Arc<LineSlot<E::Line>>,
    status: Arc<StatusCell>,
}

struct State<Spec> {
    wanted: Option<Spec>,
    life: Life,
    /// Since when the thread has been in the sound system's hands.
    away_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Stopping(Instant),
    Finished,
}

/// Owns the thread.
pub struct Supervisor<E: End> {
    slot: Arc<LineSlot<E::Line>>,
    status: Arc<StatusCell>,
    thread: Mutex<Option<Running<E>>>,
}

struct Running<E: End> {
    control: Arc<Control<E>>,
    stage: Stage,
}

impl<E: End> Supervisor<E> {
    /// Starts the thread, which opens `spec`.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(spec: E::Spec, status: Arc<StatusCell>) -> std::io::Result<Self> {
        let slot = LineSlot::new();
        let running = Running::start(spec, Arc::clone(&slot), Arc::clone(&status))?;
        Ok(Self {
            slot,
            status,
            thread: Mutex::new(Some(running)),
        })
    }

    /// The "audio" thread's side.
    pub fn slot(&self) -> Arc<LineSlot<E::Line>> {
        Arc::clone(&self.slot)
    }

    /// How it is doing.
    pub fn status(&self) -> DeviceStatus {
        self.status.get()
    }

    /// Asks for something else.
    pub fn select(&self, spec: E::Spec) {
        let mut thread = locked(&self.thread);
        let stuck = thread.as_ref().is_none_or(|running| running.control.is_stuck());
        if !stuck {
            if let Some(running) = thread.as_ref() {
                locked(&running.control.state).wanted = Some(spec);
                running.control.changed.notify_all();
            }
            return;
        }
        tracing::warn!("the sound system does not answer: its thread is left behind");
        if let Some(running) = thread.take() {
            running.leave();
        }
        match Running::start(spec, Arc::clone(&self.slot), Arc::clone(&self.status)) {
            Ok(running) => *thread = Some(running),
            Err(error) => tracing::error!(%error, "no thread for sound devices"),
        }
    }

    /// Asks the thread to close the device and end, without waiting.
    pub fn request_stop(&self) {
        if let Some(running) = &*locked(&self.thread) {
            running.control.stop();
        }
    }
}

impl<E: End> Drop for Supervisor<E> {
    fn drop(&mut self) {
        let Some(running) = locked(&self.thread).take() else {
            return;
        };
        running.control.stop();
        if running.control.wait_until_finished() {
            drop(running.stage);
        } else {
            tracing::warn!("a sound device does not close: its thread is left behind");
            running.leave();
        }
    }
}

impl<E: End> Running<E> {
    fn start(spec: E::Spec, slot: Arc<LineSlot<E::Line>>, status: Arc<StatusCell>) -> std::io::Result<Self> {
        let control = Arc::new(Control {
            state: Mutex::new(State {
                wanted: Some(spec),
                life: Life::Running,
                away_since: None,
            }),
            changed: Condvar::new(),
            slot,
            status,
        });
        let shared = Arc::clone(&control);
        let stage = Stage::spawn("audio-devices", move |stop| {
            // Even after a panic of a driver the owner must not wait.
            let _finished = Finished(&shared);
            supervise(&shared, &stop);
        })?;
        Ok(Self { control, stage })
    }

    fn leave(self) {
        self.control.stop();
        self.stage.detach();
    }
}

struct Finished<'a, E: End>(&'a Control<E>);

impl<E: End> Drop for Finished<'_, E> {
    fn drop(&mut self) {
        locked(&self.0.state).life = Life::Finished;
        self.0.changed.notify_all();
    }
}

impl<E: End> Control<E> {
    fn is_stuck(&self) -> bool {
        let state = locked(&self.state);
        state.life == Life::Finished || state.away_since.is_some_and(|since| since.elapsed() > STUCK)
    }

    fn stop(&self) {
        let mut state = locked(&self.state);
        if state.life == Life::Running {
            state.life = Life::Stopping(Instant::now());
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wait_until_finished(&self) -> bool {
        let state = locked(&self.state);
        let patience = match state.life {
            Life::Stopping(since) => PATIENCE.saturating_sub(since.elapsed()),
            Life::Running | Life::Finished => PATIENCE,
        };
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.life != Life::Finished)
            .unwrap_or_else(PoisonError::into_inner);
        state.life == Life::Finished
    }

    /// Lets the sound system do something that may take for ever.
    fn away<T>(&self, work: impl FnOnce() -> T) -> T {
        locked(&self.state).away_since = Some(Instant::now());
        let result = work();
        locked(&self.state).away_since = None;
        result
    }

    /// Waits for the owner; `None` = for ever.
    fn wait(&self, time: Option<Duration>) -> News {
        let waiting = |state: &mut State<E::Spec>| state.life == Life::Running && state.wanted.is_none();
        let state = locked(&self.state);
        let state = match time {
            Some(time) => {
                let waited = self.changed.wait_timeout_while(state, time, waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .changed
                .wait_while(state, waiting)
                .unwrap_or_else(PoisonError::into_inner),
        };
        match (state.life, &state.wanted) {
            (Life::Stopping(_) | Life::Finished, _) => News::Stop,
            (Life::Running, Some(_)) => News::Changed,
            (Life::Running, None) => News::None,
        }
    }

    /// Gives line and status away, unless this thread has been given up meanwhile.
    fn publish(&self, stop: &StopFlag, line: E::Line, status: DeviceStatus) {
        if !stop.is_set() {
            self.slot.offer(line);
            self.status.set(status);
            self.slot.close_retired();
        }
    }

    fn publish_line(&self, stop: &StopFlag, line: E::Line) {
        if !stop.is_set() {
            self.slot.offer(line);
            self.slot.close_retired();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    None,
    Changed,
    Stop,
}

/// The thread.
fn supervise<E: End>(control: &Control<E>, stop: &StopFlag) {
    let mut closing = Closing::default();
    loop {
        let Some(spec) = locked(&control.state).wanted.take() else {
            match control.wait(None) {
                News::Stop => return,
                News::None | News::Changed => continue,
            }
        };
        control.publish(stop, E::stand_in(&spec), DeviceStatus::Starting);
        while keep_open(control, stop, &spec, &mut closing) == News::None {}
        if control.wait(Some(Duration::ZERO)) == News::Stop || stop.is_set() {
            return;
        }
    }
}

/// Opens the end once and stays with it until it fails or something else is wanted, then waits until the next attempt.
fn keep_open<E: End>(control: &Control<E>, stop: &StopFlag, spec: &E::Spec, closing: &mut Closing) -> News {
    let tried = Instant::now();
    let opened = closing.is_bearable().and_then(|()| control.away(|| E::open(spec)));
    let error = match opened {
        Ok(opened) => {
            control.publish(stop, opened.line, opened.status);
            match watch(control, &opened.watch) {
                Ok(news) => {
                    control.publish_line(stop, E::stand_in(spec));
                    closing.close(opened.watch);
                    return news;
                }
                Err(error) => {
                    // First tell, then close: closing takes its time.
                    control.publish(stop, E::stand_in(spec), DeviceStatus::Failed(error.clone()));
                    closing.close(opened.watch);
                    error
                }
            }
        }
        Err(error) => error,
    };
    if !stop.is_set() {
        control.status.set(DeviceStatus::Failed(error));
    }
    match E::retry(spec) {
        Retry::EachSecond => control.wait(Some(RETRY.saturating_sub(tried.elapsed()))),
        Retry::Never => control.wait(None),
    }
}

/// Streams on their way out.
#[derive(Default)]
struct Closing {
    threads: Vec<Stage>,
}

impl Closing {
    /// Closes a stream on a thread of its own, and waits for it a little, since most devices can be opened only once.
    fn close(&mut self, watch: Watch) {
        let Watch::Stream(stream) = watch else { return };
        let (closed, done) = sync_channel::<()>(0);
        let thread = Stage::spawn("audio-closing", move |_stop| {
            drop(stream);
            drop(closed);
        });
        match thread {
            Ok(thread) => {
                if done.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
                    tracing::warn!("a sound device does not close");
                }
                self.threads.push(thread);
            }
            // The stream went with the closure, on this thread after all.
            Err(error) => tracing::error!(%error, "no thread to close a sound device"),
        }
    }

    fn is_bearable(&mut self) -> Result<(), DeviceError> {
        self.threads.retain(|thread| !thread.is_finished());
        if self.threads.len() < MAX_CLOSING {
            return Ok(());
        }
        Err(DeviceError {
            problem: DeviceProblem::Stalled,
            detail: "the sound system does not let go of the devices it has lost".into(),
        })
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        for thread in self.threads.drain(..) {
            if !thread.is_finished() {
                thread.detach();
            }
        }
    }
}

/// Returns when the owner has news, or with what went wrong.
fn watch<E: End>(control: &Control<E>, watch: &Watch) -> Result<News, DeviceError> {
    let mut calls = 0;
    let mut called_at = Instant::now();
    loop {
        let time = match watch {
            Watch::Nothing => None,
            Watch::Stream(_) | Watch::Recording(_) => Some(WATCH),
        };
        let news = control.wait(time);
        if news != News::None {
            return Ok(news);
        }
        match watch {
            Watch::Nothing => {}
            Watch::Recording(health) => health.problem().map_or(Ok(()), Err)?,
            Watch::Stream(stream) => {
                if stream.health.has_failed() {
                    return Err(lost(stream, DeviceProblem::Unplugged, "is gone"));
                }
                if stream.health.calls() != calls {
                    (calls, called_at) = (stream.health.calls(), Instant::now());
                } else if called_at.elapsed() > STALLED {
                    return Err(lost(stream, DeviceProblem::Stalled, "has stopped"));
                }
            }
        }
    }
}

fn lost(stream: &OpenStream, problem: DeviceProblem, what: &str) -> DeviceError {
    DeviceError {
        problem,
        detail: format!("{} {what}", stream.name),
    }
}
