//! Work that may never end, and a caller who does not wait for ever.
//!
//! In: a piece of work and a limit. Out: its result, or word that it is late. Runs on a thread of its own, which is
//! left to itself when late: nobody can interrupt a system call.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum NoResult {
    /// Not in time.
    Late,
    /// The work panicked.
    Panicked,
    /// There is no thread to do it.
    NoThread(io::Error),
}

/// What `work` gives, if it does so within `limit`.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    thread_name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoResult> {
    // One result, ever: the sender never waits.
    let (done, result) = sync_channel(1);
    let spawned = thread::Builder::new().name(thread_name.to_owned()).spawn(move || {
        if done.send(work()).is_err() {
            tracing::debug!("done, but too late");
        }
    });
    spawned.map_err(NoResult::NoThread)?;
    result.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => NoResult::Late,
        RecvTimeoutError::Disconnected => NoResult::Panicked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_time_gives_its_result() {
        assert_eq!(within(Duration::MAX, "test-work", || 7).unwrap(), 7);
    }

    #[test]
    fn work_that_does_not_end_is_left() {
        let (release, released) = sync_channel::<()>(1);
        let late = within(Duration::ZERO, "test-work", move || released.recv());
        assert!(matches!(late, Err(NoResult::Late)));
        drop(release);
    }

    #[test]
    fn work_that_panics_is_told_from_late_work() {
        let result = within(Duration::MAX, "test-work", || -> u8 { panic!("on purpose") });
        assert!(matches!(result, Err(NoResult::Panicked)));
    }
}
