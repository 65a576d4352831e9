//! Makes the stack's loop go round again at once after something happened on a relayed connection.
//!
//! A round of it sends first what relays have to send, then hands the relays what the connection has to send, and last
//! gives the connection what relays have received. So an answer to a relayed packet needs two more rounds until it
//! leaves, and each comes only with the next packet or timer: measured, 120 ms for each flight of the encryption
//! handshake, and up to a packet's interval on everything later. The loop sleeps by our [`Runtime`](super::gated), once
//! a round, so that is where the missing rounds come from. Two short rounds cost less than one packet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

/// Rounds after one in which something happened.
const ROUNDS: u8 = 2;

/// See the module. One a connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    left: AtomicU8,
    /// Whether the round that begins was our doing, and nothing else happened.
    ours: Arc<AtomicBool>,
}

impl Pulse {
    /// Asked before each sleep of the loop. Some: a sleep that is over at once. `needed` on a relayed connection.
    pub(super) fn next(&self, needed: bool) -> Option<AtOnce> {
        let happened = !self.ours.swap(false, Ordering::Relaxed);
        let left = match (needed, happened) {
            (false, _) => 0,
            (true, true) => ROUNDS,
            (true, false) => self.left.load(Ordering::Relaxed),
        };
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        (left > 0).then(|| AtOnce(Arc::clone(&self.ours)))
    }
}

/// A sleep that is over at once.
pub(super) struct AtOnce(Arc<AtomicBool>);

impl Future for AtOnce {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.store(true, Ordering::Relaxed);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loop sleeps until the end of what it was given. True if that was at once.
    fn sleeps_through(pulse: &Pulse) -> bool {
        let Some(mut sleep) = pulse.next(true) else {
            return false;
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(&mut sleep).poll(&mut context).is_ready()
    }

    #[test]
    fn two_rounds_follow_whatever_happens_and_then_it_sleeps() {
        let pulse = Pulse::default();
        for _ in 0..3 {
            let rounds = [(); 3].map(|()| sleeps_through(&pulse));
            assert_eq!(rounds, [true, true, false]);
        }
    }

    #[test]
    fn what_happens_in_between_has_its_own_two_rounds() {
        let pulse = Pulse::default();
        assert!(sleeps_through(&pulse));
        // A packet comes before the loop looks at its sleep.
        drop(pulse.next(true).expect("the second round"));
        assert_eq!([(); 3].map(|()| sleeps_through(&pulse)), [true, true, false]);
    }

    #[test]
    fn a_direct_connection_is_left_alone() {
        let pulse = Pulse::default();
        assert!(pulse.next(false).is_none());
        assert!(sleeps_through(&pulse));
        assert!(pulse.next(false).is_none());
        assert!(sleeps_through(&pulse), "what happened last was not ours");
    }
}
