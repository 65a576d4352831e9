//! The registries of a server, shared by the tasks of its connections, with the clock and the random numbers that the
//! registries themselves do without.
//!
//! A connection is in a room or listens on topics, never both: its first message decides. Every change holds one lock
//! from the message to the outboxes, so all members of a room see events in one order. Nothing under the lock waits: an
//! outbox that is full closes instead.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use signaling_protocol::{ClientMessage, ErrorCode, ResumeToken, RoomId, ServerMessage};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::Limits;
use crate::outbox::Outbox;
use crate::outcome::{ConnectionId, Goodbye, Outcome};
use crate::registry::{JoinRequest, RoomRegistry};
use crate::topics::TopicRegistry;

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
    rooms: RoomRegistry,
    topics: TopicRegistry,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    next_connection: u64,
}

impl Hub {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            random: SystemRandom::new(),
            state: Mutex::new(State {
                rooms: RoomRegistry::new(limits.rooms),
                topics: TopicRegistry::new(limits.topics),
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
                let outcome = state.rooms.expire(self.now());
                state.deliver(outcome);
                state.rooms.next_expiry()
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
        let state = self.lock();
        state.rooms.blobs_dropped() + state.topics.blobs_dropped()
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> Outcome) {
        let mut state = self.lock();
        let expiry = state.rooms.next_expiry();
        let outcome = change(&mut state);
        state.deliver(outcome);
        let is_expiry_changed = state.rooms.next_expiry() != expiry;
        drop(state);
        if is_expiry_changed {
            self.expiry_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The registries stay consistent call by call; one that panicked must not take all rooms down.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, connection: ConnectionId, request: JoinRequest, token: ResumeToken) -> Outcome {
        if self.topics.is_listening(connection) {
            let message = "This connection listens on topics: use another one for a room.";
            return Outcome::refused(connection, ErrorCode::NotJoined, message);
        }
        self.rooms.join(connection, request, token)
    }

    fn listen(&mut self, connection: ConnectionId, v: u16, topics: Vec<RoomId>, now: Duration) -> Outcome {
        if self.rooms.has_seat(connection) {
            let message = "This connection is in a room: use another one to listen on topics.";
            return Outcome::refused(connection, ErrorCode::NotJoined, message);
        }
        self.topics.listen(connection, v, topics, now)
    }

    fn leave(&mut self, connection: ConnectionId, now: Duration) -> Outcome {
        if self.topics.is_listening(connection) {
            self.topics.leave(connection)
        } else {
            self.rooms.leave(connection, now)
        }
    }

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
                self.hub.change(|state| state.join(self.id, request, token));
            }
            ClientMessage::Relay { to, blob } => self.hub.change(|state| state.rooms.relay(self.id, to, blob)),
            ClientMessage::Leave => self.hub.change(|state| state.leave(self.id, self.hub.now())),
            ClientMessage::Listen { v, topics } => {
                self.hub
                    .change(|state| state.listen(self.id, v, topics, self.hub.now()));
            }
            ClientMessage::Post { topic, to, blob } => {
                self.hub.change(|state| state.topics.post(self.id, topic, to, blob));
            }
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
        self.hub.change(|state| state.rooms.dropped(self.id, self.hub.now()));
        self.hub.change(|state| state.topics.dropped(self.id));
    }
}
