//! The one registry of a server, shared by the tasks of its connections, with the clock and the random numbers that
//! the registry itself does without.
//!
//! Every change holds one lock from the message to the outboxes, so all members of a room see events in one order.
//! Nothing under the lock waits: an outbox that is full closes instead.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use signaling_protocol::{ClientMessage, ErrorCode, ResumeToken, ServerMessage};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::Limits;
use crate::outbox::Outbox;
use crate::registry::{ConnectionId, Goodbye, JoinRequest, Outcome, RoomRegistry};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    started: Instant,
    random: SystemRandom,
    state: Mutex<State>,
    expiry_changed: Notify,
}

#[derive(Debug)]
struct State {
    registry: RoomRegistry,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    next_connection: u64,
}

impl Hub {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            random: SystemRandom::new(),
            state: Mutex::new(State {
                registry: RoomRegistry::new(limits.rooms),
                outboxes: HashMap::new(),
                next_connection: 0,
            }),
            expiry_changed: Notify::new(),
        }
    }

    /// Enters a new connection; dropping the result takes it out again.
    pub(crate) fn connect(self: &Arc<Self>, limits: &Limits) -> Client {
        let outbox = Arc::new(Outbox::new(limits.send_queue_messages, limits.send_queue_bytes));
        let mut state = self.lock();
        let id = ConnectionId(state.next_connection);
        state.next_connection += 1;
        state.outboxes.insert(id, outbox.clone());
        Client {
            id,
            outbox,
            hub: self.clone(),
        }
    }

    /// Lets slots and rooms expire when their time is over, for as long as it is polled.
    pub(crate) async fn expire_forever(&self) -> Infallible {
        loop {
            let next = {
                let mut state = self.lock();
                let outcome = state.registry.expire(self.now());
                state.deliver(outcome);
                state.registry.next_expiry()
            };
            match next {
                None => self.expiry_changed.notified().await,
                Some(next) => tokio::select! {
                    () = sleep_until(self.started + next) => {}
                    () = self.expiry_changed.notified() => {}
                },
            }
        }
    }

    /// Blobs that had no receiver, since the start.
    pub(crate) fn blobs_dropped(&self) -> u64 {
        self.lock().registry.blobs_dropped()
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn change(&self, change: impl FnOnce(&mut RoomRegistry) -> Outcome) {
        let mut state = self.lock();
        let expiry = state.registry.next_expiry();
        let outcome = change(&mut state.registry);
        state.deliver(outcome);
        let is_expiry_changed = state.registry.next_expiry() != expiry;
        drop(state);
        if is_expiry_changed {
            self.expiry_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The registry stays consistent call by call; one that panicked must not take all rooms down.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, outcome: Outcome) {
        for (connection, message) in outcome.messages {
            if let Some(outbox) = self.outboxes.get(&connection) {
                outbox.push(&message);
            }
        }
        for (connection, goodbye) in outcome.disconnects {
            if let Some(outbox) = self.outboxes.get(&connection) {
                outbox.close(goodbye);
            }
        }
    }
}

/// One connection's access to the hub.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) outbox: Arc<Outbox>,
    hub: Arc<Hub>,
}

impl Client {
    /// Acts on a message; answers arrive in the outboxes.
    pub(crate) fn handle(&self, message: ClientMessage) {
        match message {
            ClientMessage::Join { v, room, resume } => {
                let mut token = ResumeToken([0; 16]);
                if self.hub.random.fill(&mut token.0).is_err() {
                    tracing::error!("the operating system gives no random numbers");
                    let goodbye = Goodbye::refused(ErrorCode::Busy, "The server is out of order: try again later.");
                    return self.outbox.close(goodbye);
                }
                let request = JoinRequest { v, room, resume };
                self.hub.change(|registry| registry.join(self.id, request, token));
            }
            ClientMessage::Relay { to, blob } => self.hub.change(|registry| registry.relay(self.id, to, blob)),
            ClientMessage::Listen { .. } | ClientMessage::Post { .. } => {
                self.answer(ErrorCode::UnknownType, "Topics are not served yet.".to_owned());
            }
            ClientMessage::Leave => self.hub.change(|registry| registry.leave(self.id, self.hub.now())),
        }
    }

    /// Answers this client alone.
    pub(crate) fn answer(&self, code: ErrorCode, message: String) {
        self.outbox.push(&ServerMessage::Error { code, message });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.lock().outboxes.remove(&self.id);
        self.hub.change(|registry| registry.dropped(self.id, self.hub.now()));
    }
}
