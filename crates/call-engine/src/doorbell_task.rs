//! The doorbell's task: owns the [`Doorbell`], feeds it and does what it asks for.
//!
//! In: orders of the driver, the signaling sockets, time. Out: [`DoorbellNews`] and the newest snapshot.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use call_core::doorbell::{
    CallToStart, Doorbell, DoorbellAction, DoorbellConfig, DoorbellInput, DoorbellIntent, DoorbellSnapshot,
    RingDirection, RingId, RingOutcome, ServerEvent,
};
use call_core::{PublicKey, SignalingInput, Time};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::dial::Dialer;
use crate::signaling::{self, SignalingClient, SignalingEvent};

/// Orders waiting for the task: a person gives one at a time.
const ORDER_CAPACITY: usize = 32;
/// News waiting for the driver; when full, the doorbell waits.
const NEWS_CAPACITY: usize = 32;
/// How often the clock on the wall is looked at: it jumps when a computer sleeps or its clock is set.
const WALL_CLOCK: Duration = Duration::from_secs(60);
/// How long the end waits for a cancelled ring to be told.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the driver has to know or do.
#[derive(Debug)]
pub(crate) enum DoorbellNews {
    /// Both want it.
    Start(CallToStart),
    /// Nobody comes to the call of this ring after all.
    CallOff(RingId),
    /// To be listed.
    Missed {
        key: PublicKey,
        name: String,
        at_unix_s: u64,
    },
    /// To be said.
    Ended {
        direction: RingDirection,
        name: String,
        outcome: RingOutcome,
    },
}

/// The running task.
pub(crate) struct DoorbellTask {
    orders: mpsc::Sender<DoorbellInput>,
    news: mpsc::Receiver<DoorbellNews>,
    snapshots: watch::Receiver<DoorbellSnapshot>,
    task: JoinHandle<()>,
}

impl DoorbellTask {
    pub(crate) fn start(config: DoorbellConfig, epoch: Instant) -> Self {
        let (orders, incoming) = mpsc::channel(ORDER_CAPACITY);
        let (to_driver, news) = mpsc::channel(NEWS_CAPACITY);
        let machine = Doorbell::new(config, Time(epoch.elapsed()));
        let (published, snapshots) = watch::channel(machine.snapshot());
        let task = tokio::spawn(Runner::new(machine, epoch, to_driver, published).run(incoming));
        Self {
            orders,
            news,
            snapshots,
            task,
        }
    }

    /// Passes on what the user wants.
    pub(crate) fn intend(&self, intent: DoorbellIntent) {
        self.order(DoorbellInput::Local(intent));
    }

    /// Passes something on.
    pub(crate) fn order(&self, order: DoorbellInput) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("the doorbell does not answer: an order was dropped");
        }
    }

    pub(crate) fn snapshot(&self) -> DoorbellSnapshot {
        self.snapshots.borrow().clone()
    }

    /// The next piece of news; none when only the snapshot changed.
    pub(crate) async fn next(&mut self) -> Option<DoorbellNews> {
        tokio::select! {
            news = self.news.recv() => match news {
                Some(news) => Some(news),
                None => std::future::pending().await,
            },
            changed = self.snapshots.changed() => match changed {
                Ok(()) => None,
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Stops to listen.
    pub(crate) async fn end(self) {
        let Self { orders, task, .. } = self;
        drop(orders);
        if timeout(2 * FAREWELL, task).await.is_err() {
            tracing::debug!("the doorbell did not end in time");
        }
    }
}

struct Runner {
    machine: Doorbell,
    epoch: Instant,
    news: mpsc::Sender<DoorbellNews>,
    published: watch::Sender<DoorbellSnapshot>,
    clients: HashMap<String, (u64, SignalingClient)>,
    generation: u64,
    events: mpsc::Sender<SignalingEvent>,
    inbox: mpsc::Receiver<SignalingEvent>,
}

impl Runner {
    fn new(
        machine: Doorbell,
        epoch: Instant,
        news: mpsc::Sender<DoorbellNews>,
        published: watch::Sender<DoorbellSnapshot>,
    ) -> Self {
        let (events, inbox) = mpsc::channel(signaling::EVENT_CAPACITY);
        Self {
            machine,
            epoch,
            news,
            published,
            clients: HashMap::new(),
            generation: 0,
            events,
            inbox,
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<DoorbellInput>) {
        let mut wall_clock = interval(WALL_CLOCK);
        wall_clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            self.perform_all().await;
            self.published
                .send_if_modified(|published| replace_if_changed(published, self.machine.snapshot()));
            let deadline = self.machine.poll_deadline();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.feed(order),
                    None => break,
                },
                Some(event) = self.inbox.recv() => self.on_signaling(event),
                () = wait_until(self.epoch, deadline) => {
                    let now = self.now();
                    self.machine.handle_deadlines(now);
                }
                _ = wall_clock.tick() => self.feed(DoorbellInput::WallClock { unix_s: unix_s() }),
            }
        }
        let clients = std::mem::take(&mut self.clients);
        let farewells = clients.into_values().map(|(_, client)| client.close());
        if timeout(FAREWELL, futures_util::future::join_all(farewells))
            .await
            .is_err()
        {
            tracing::debug!("a doorbell connection did not close in time");
        }
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed())
    }

    fn feed(&mut self, input: DoorbellInput) {
        let now = self.now();
        self.machine.handle(input, now);
    }

    fn on_signaling(&mut self, event: SignalingEvent) {
        let of = self
            .clients
            .iter()
            .find(|(_, (generation, _))| *generation == event.generation);
        let Some(server) = of.map(|(server, _)| server.clone()) else {
            return;
        };
        let event = match event.input {
            SignalingInput::Connected => ServerEvent::Connected,
            SignalingInput::Message(message) => ServerEvent::Message(message),
            SignalingInput::Disconnected(loss) => {
                tracing::info!(?loss, "a doorbell connection ended");
                self.clients.remove(&server);
                ServerEvent::Disconnected
            }
        };
        self.feed(DoorbellInput::Server { server, event });
    }

    async fn perform_all(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            let news = match action {
                DoorbellAction::Connect { server } => {
                    self.connect(server);
                    continue;
                }
                DoorbellAction::Send { server, message } => {
                    if let Some((_, client)) = self.clients.get(&server) {
                        client.send(message);
                    }
                    continue;
                }
                DoorbellAction::Disconnect { server } => {
                    if let Some((_, client)) = self.clients.remove(&server) {
                        tokio::spawn(client.close());
                    }
                    continue;
                }
                DoorbellAction::StartCall(call) => DoorbellNews::Start(call),
                DoorbellAction::CallOff(ring) => DoorbellNews::CallOff(ring),
                DoorbellAction::Missed { key, name, at_unix_s } => DoorbellNews::Missed { key, name, at_unix_s },
                DoorbellAction::Ended {
                    direction,
                    name,
                    outcome,
                    unreachable,
                } => {
                    tracing::debug!(?outcome, ?unreachable, "a ring ended");
                    DoorbellNews::Ended {
                        direction,
                        name,
                        outcome,
                    }
                }
            };
            if self.news.send(news).await.is_err() {
                tracing::debug!("the driver is gone");
            }
        }
    }

    fn connect(&mut self, server: String) {
        self.generation += 1;
        let client = SignalingClient::connect(server.clone(), Dialer::default(), self.generation, self.events.clone());
        if let Some((_, old)) = self.clients.insert(server, (self.generation, client)) {
            tokio::spawn(old.close());
        }
    }
}

/// Seconds since 1970 on the wall clock; 0 on a computer that believes to be before that.
pub(crate) fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn replace_if_changed(published: &mut DoorbellSnapshot, new: DoorbellSnapshot) -> bool {
    let changed = *published != new;
    *published = new;
    changed
}

async fn wait_until(epoch: Instant, deadline: Option<Time>) {
    match deadline {
        Some(Time(after)) => sleep_until((epoch + after).into()).await,
        None => std::future::pending().await,
    }
}
