//! What waits to be written to one client: bounded in messages and bytes, never blocking the one who fills it.
//!
//! Filled by the tasks of other connections, emptied by the connection's own. A client that does not read for so
//! long that its outbox is full is said goodbye to as too slow.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use signaling_protocol::{ErrorCode, ServerMessage};
use tokio::sync::Notify;

use crate::outcome::Goodbye;

/// The queue to one client.
#[derive(Debug)]
pub(crate) struct Outbox {
    max_messages: usize,
    max_bytes: usize,
    queue: Mutex<Queue>,
    filled: Notify,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<String>,
    bytes: usize,
    is_ping_due: bool,
    goodbye: Option<Goodbye>,
}

/// One thing to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Text(String),
    Ping,
}

impl Outbox {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        let (filled, closed) = (Notify::new(), Notify::new());
        Self {
            max_messages,
            max_bytes,
            queue: Mutex::default(),
            filled,
            closed,
        }
    }

    /// Queues a message. Messages to a client that is being said goodbye to are dropped.
    pub(crate) fn push(&self, message: &ServerMessage) {
        let text = message.to_json();
        let mut queue = self.lock();
        if queue.goodbye.is_some() {
            return;
        }
        if queue.texts.len() < self.max_messages && queue.bytes + text.len() <= self.max_bytes {
            queue.bytes += text.len();
            queue.texts.push_back(text);
            drop(queue);
            self.filled.notify_one();
        } else {
            *queue = Queue::default();
            drop(queue);
            self.close(Goodbye::refused(
                ErrorCode::TooSlow,
                "Your connection does not take what is sent to it.",
            ));
        }
    }

    /// Asks for a ping to be sent before anything else.
    pub(crate) fn ping(&self) {
        self.lock().is_ping_due = true;
        self.filled.notify_one();
    }

    /// Ends the connection; the first reason given counts.
    pub(crate) fn close(&self, goodbye: Goodbye) {
        self.lock().goodbye.get_or_insert(goodbye);
        self.closed.notify_one();
    }

    /// The next thing to write; one task may wait for it.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.pop() {
                return outgoing;
            }
            self.filled.notified().await;
        }
    }

    /// Waits for the reason to end the connection; one task may wait for it.
    pub(crate) async fn closed(&self) -> Goodbye {
        loop {
            if let Some(goodbye) = self.goodbye() {
                return goodbye;
            }
            self.closed.notified().await;
        }
    }

    /// The reason to end the connection, when there is one.
    pub(crate) fn goodbye(&self) -> Option<Goodbye> {
        self.lock().goodbye.clone()
    }

    /// What was not written before the goodbye.
    pub(crate) fn take_rest(&self) -> Vec<String> {
        let mut queue = self.lock();
        queue.bytes = 0;
        queue.texts.drain(..).collect()
    }

    fn pop(&self) -> Option<Outgoing> {
        let mut queue = self.lock();
        if std::mem::take(&mut queue.is_ping_due) {
            return Some(Outgoing::Ping);
        }
        let text = queue.texts.pop_front()?;
        queue.bytes -= text.len();
        Some(Outgoing::Text(text))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere cannot leave a queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signaling_protocol::Slot;

    const MESSAGE: ServerMessage = ServerMessage::PeerBack { slot: Slot(1) };

    fn is_too_slow(outbox: &Outbox) -> bool {
        matches!(
            outbox.goodbye(),
            Some(Goodbye::Refused {
                code: ErrorCode::TooSlow,
                ..
            })
        )
    }

    #[tokio::test]
    async fn messages_come_out_in_order_and_pings_first() {
        let outbox = Outbox::new(10, 1000);
        outbox.push(&MESSAGE);
        outbox.push(&ServerMessage::PeerAway { slot: Slot(2) });
        outbox.ping();
        assert_eq!(outbox.next().await, Outgoing::Ping);
        assert_eq!(outbox.next().await, Outgoing::Text(MESSAGE.to_json()));
        outbox.close(Goodbye::Left);
        outbox.close(Goodbye::TakenOver);
        outbox.push(&MESSAGE);
        assert_eq!(outbox.closed().await, Goodbye::Left);
        assert_eq!(
            outbox.take_rest(),
            [ServerMessage::PeerAway { slot: Slot(2) }.to_json()]
        );
    }

    #[test]
    fn one_message_too_many_is_too_slow() {
        let outbox = Outbox::new(2, 1000);
        outbox.push(&MESSAGE);
        outbox.push(&MESSAGE);
        assert_eq!(outbox.goodbye(), None);
        outbox.push(&MESSAGE);
        assert!(is_too_slow(&outbox));
        assert!(outbox.take_rest().is_empty());
    }

    #[test]
    fn one_byte_too_many_is_too_slow() {
        let bytes = MESSAGE.to_json().len();
        let outbox = Outbox::new(10, 2 * bytes - 1);
        outbox.push(&MESSAGE);
        assert!(outbox.pop().is_some());
        outbox.push(&MESSAGE);
        assert_eq!(outbox.goodbye(), None);
        outbox.push(&MESSAGE);
        assert!(is_too_slow(&outbox));
    }
}
