//! Wakes the thread of a run: the engine rings when there is news, the system when the process is to end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One thread waits, any thread rings.
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    interrupted: bool,
}

impl Bell {
    /// There is news. Quick enough for the engine's threads.
    pub fn ring(&self) {
        self.lock().rung = true;
        self.changed.notify_one();
    }

    /// The process is to end. Returns whether it was told so before.
    pub fn interrupt(&self) -> bool {
        let before = std::mem::replace(&mut self.lock().interrupted, true);
        self.changed.notify_one();
        before
    }

    /// Whether the process is to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.lock().interrupted
    }

    /// Waits until the bell rings, rang since the last wait, or `limit` has passed.
    pub fn wait(&self, limit: Duration) {
        let quiet = |state: &mut State| !state.rung && !state.interrupted;
        let (mut state, _timed_out) = self
            .changed
            .wait_timeout_while(self.lock(), limit, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// So long that a wait that misses its ring hangs the test.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let bell = Bell::default();
        bell.ring();
        bell.wait(LONG);
        assert!(!bell.is_interrupted());
    }

    #[test]
    fn a_ring_from_another_thread_ends_the_wait() {
        let bell = Arc::new(Bell::default());
        let ringer = Arc::clone(&bell);
        let thread = std::thread::Builder::new()
            .name("ringer".into())
            .spawn(move || ringer.ring());
        bell.wait(LONG);
        thread.expect("a thread").join().expect("no panic");
    }

    #[test]
    fn an_interrupt_ends_every_wait_and_says_whether_it_is_the_second() {
        let bell = Bell::default();
        assert!(!bell.interrupt());
        bell.wait(LONG);
        bell.wait(LONG);
        assert!(bell.is_interrupted());
        assert!(bell.interrupt());
    }
}
