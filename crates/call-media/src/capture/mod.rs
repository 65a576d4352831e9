//! Where pictures come from: cameras, screens, and their synthetic twins.
//!
//! In: a specification. Out: stamped [`VideoFrame`]s, pushed into a [`VideoSink`] from a thread called
//! "camera" or "screen", and a [`DeviceStatus`] beside them. Whoever holds a [`camera::Camera`] or
//! [`screen::Screen`] never waits for its device: opening, failing, retrying and closing all happen
//! on threads of their own, which share an `Outlet` with the owner.

pub mod camera;
mod device;
mod font;
mod generated;
pub mod mjpeg;
mod modes;
mod nokhwa_camera;
mod pacer;
pub mod screen;
pub mod test_pattern;
pub mod test_screen;
mod unblock;
pub mod y4m;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::devices::{DeviceError, DeviceProblem, DeviceStatus};
use crate::frame::{VideoFrame, VideoSink};
use crate::stamp;

/// Whether the stamp of the benchmark contract is drawn into each picture as it is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampMode {
    /// Draw it.
    Draw,
    /// Leave the picture as it is.
    Off,
}

/// What the owner of a source and its threads share. Closed by the owner, once and for good.
pub(crate) struct Outlet {
    state: Mutex<State>,
    changed: Condvar,
    refused: AtomicU64,
}

struct State {
    /// None as soon as the owner has let go: from then on frames go nowhere and threads end.
    sink: Option<Arc<dyn VideoSink>>,
    status: DeviceStatus,
    waker: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// How a wait on an [`Outlet`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The time has come.
    Due,
    /// The owner has let go: return.
    Closed,
}

impl Outlet {
    pub(crate) fn new(sink: Arc<dyn VideoSink>, status: DeviceStatus) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                sink: Some(sink),
                status,
                waker: None,
            }),
            changed: Condvar::new(),
            refused: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a picture to the sink. The sink runs outside the lock, so that it may ask for the status.
    pub(crate) fn put(&self, frame: VideoFrame) {
        let sink = self.state().sink.clone();
        if let Some(sink) = sink {
            sink.put(Arc::new(frame));
        }
    }

    /// Counts a picture that could not be used.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> DeviceStatus {
        self.state().status.clone()
    }

    /// Publishes a status; the waker is called when it differs from the one before.
    pub(crate) fn set_status(&self, status: DeviceStatus) {
        let mut state = self.state();
        if state.status == status || state.sink.is_none() {
            return;
        }
        tracing::debug!(?status, "capture");
        state.status = status;
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker();
        }
    }

    pub(crate) fn fail(&self, problem: DeviceProblem, detail: impl Into<String>) {
        let detail = detail.into();
        self.set_status(DeviceStatus::Failed(DeviceError { problem, detail }));
    }

    pub(crate) fn set_waker(&self, waker: Arc<dyn Fn() + Send + Sync>) {
        self.state().waker = Some(waker);
    }

    /// Ends it: releases the sink and the waker at once, even when a thread is stuck in its driver.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let sink = state.sink.take();
        let waker = state.waker.take();
        state.status = DeviceStatus::Off;
        drop(state);
        self.changed.notify_all();
        // Their own clean-up runs outside the lock.
        drop((sink, waker));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().sink.is_none()
    }

    /// Wakes whoever waits in [`wait_for`](Self::wait_for).
    pub(crate) fn notify(&self) {
        // Taking the lock once orders this after the waiter's check of its condition.
        drop(self.state());
        self.changed.notify_all();
    }

    /// Waits until `deadline`, or until the owner lets go.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Waited {
        self.wait_for(deadline, || false)
    }

    /// Waits until `deadline`, until `ready` says so (it is asked after each [`notify`](Self::notify)),
    /// or until the owner lets go.
    pub(crate) fn wait_for(&self, deadline: Instant, ready: impl Fn() -> bool) -> Waited {
        let mut state = self.state();
        loop {
            if state.sink.is_none() {
                return Waited::Closed;
            }
            let now = Instant::now();
            if ready() || now >= deadline {
                return Waited::Due;
            }
            let waited = self.changed.wait_timeout(state, deadline - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// When a picture was taken, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    at: Instant,
    unix_ms: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            unix_ms: stamp::unix_ms_now(),
        }
    }
}

/// Counts and stamps the pictures of one source.
#[derive(Debug)]
pub(crate) struct Marker {
    mode: StampMode,
    counter: u16,
}

impl Marker {
    pub(crate) fn new(mode: StampMode) -> Self {
        Self { mode, counter: 0 }
    }

    /// Says when the picture was taken: in its field, and in the picture itself when that is wanted.
    pub(crate) fn mark(&mut self, frame: &mut VideoFrame, moment: Moment) {
        frame.captured_at = moment.at;
        match self.mode {
            StampMode::Draw => stamp::draw(frame, self.counter, moment.unix_ms),
            StampMode::Off => {}
        }
        self.counter = self.counter.wrapping_add(1);
    }
}
