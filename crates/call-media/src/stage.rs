//! A named thread with a stop flag, a join and a report when it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Tells a stage's thread to come to an end.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Whether the thread should return.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks the thread to return.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One pipeline stage: a named thread that stops when this is dropped.
///
/// A panic inside the stage is logged and ends the stage, never the process or the call.
#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    /// Starts `body` on a thread called `name` (at most 15 bytes, Linux cuts the rest).
    ///
    /// # Errors
    /// When the system has no more threads to give.
    pub fn spawn(name: &'static str, body: impl FnOnce(StopFlag) + Send + 'static) -> std::io::Result<Self> {
        let stop = StopFlag::default();
        let flag = stop.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| body(flag))).is_err() {
                tracing::error!(stage = name, "a pipeline stage panicked and has ended");
            }
        })?;
        Ok(Self {
            name,
            stop,
            thread: Some(thread),
        })
    }

    /// Asks the stage to stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.set();
    }

    /// Whether the thread has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the thread end on its own time: for devices whose driver may block for ever.
    pub fn detach(mut self) {
        self.stop.set();
        self.thread = None;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(stage = self.name, "a pipeline stage could not be joined");
        }
    }
}
