//! A one-slot channel in which the newest value wins: what raw video travels in.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::{VideoFrame, VideoSink};

type Waker = Arc<dyn Fn() + Send + Sync>;

struct Slot<T> {
    value: Option<T>,
    closed: bool,
    replaced: u64,
    waker: Option<Waker>,
}

/// Single-slot channel, newest value wins. Clones share the slot.
pub struct LatestFrame<T> {
    shared: Arc<(Mutex<Slot<T>>, Condvar)>,
}

impl<T> Clone for LatestFrame<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Default for LatestFrame<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`LatestFrame::wait`] came back with.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// A new value.
    Value(T),
    /// Nothing came in time.
    TimedOut,
    /// The channel was closed and is empty.
    Closed,
}

impl<T> LatestFrame<T> {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new((
                Mutex::new(Slot {
                    value: None,
                    closed: false,
                    replaced: 0,
                    waker: None,
                }),
                Condvar::new(),
            )),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value in, replacing one that nobody took. Values put after [`close`](Self::close) are dropped.
    pub fn put_value(&self, value: T) {
        let mut slot = self.slot();
        if slot.closed {
            return;
        }
        let old = slot.value.replace(value);
        slot.replaced += u64::from(old.is_some());
        let waker = slot.waker.clone();
        drop(slot);
        self.shared.1.notify_one();
        if let Some(waker) = waker {
            waker();
        }
    }

    /// Takes the value if there is one.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.slot().value.take()
    }

    /// Waits for a value.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Waited<T> {
        let (mut slot, _) = self
            .shared
            .1
            .wait_timeout_while(self.slot(), timeout, |slot| slot.value.is_none() && !slot.closed)
            .unwrap_or_else(PoisonError::into_inner);
        match slot.value.take() {
            Some(value) => Waited::Value(value),
            None if slot.closed => Waited::Closed,
            None => Waited::TimedOut,
        }
    }

    /// Ends the channel: waiters return, later values are dropped.
    pub fn close(&self) {
        self.slot().closed = true;
        self.shared.1.notify_all();
    }

    /// Called after each value that is put in, on the putting thread: must be quick.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.slot().waker = Some(Arc::new(waker));
    }

    /// How many values were replaced before anybody took them.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.slot().replaced
    }
}

impl VideoSink for LatestFrame<Arc<VideoFrame>> {
    fn put(&self, frame: Arc<VideoFrame>) {
        self.put_value(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_wins_and_the_loss_is_counted() {
        let slot = LatestFrame::new();
        slot.put_value(1);
        slot.put_value(2);
        assert_eq!(slot.take(), Some(2));
        assert_eq!(slot.take(), None);
        assert_eq!(slot.replaced(), 1);
    }

    #[test]
    fn closing_wakes_a_waiter() {
        let slot = LatestFrame::<u8>::new();
        let waiter = {
            let slot = slot.clone();
            std::thread::spawn(move || slot.wait(Duration::from_secs(60)))
        };
        slot.close();
        assert_eq!(waiter.join().expect("the waiter does not panic"), Waited::Closed);
        slot.put_value(3);
        assert_eq!(slot.take(), None);
    }
}
