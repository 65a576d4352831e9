//! Starts the world: the runtime, the driver, and the handle the window talks to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use call_core::PeerKey;
use call_media::frame::{VideoFrame, VideoKind};
use call_media::latest::LatestFrame;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use crate::call_media::CallMedia;
use crate::config::{EngineConfig, StartError};
use crate::driver::{Driver, DriverParts};
use crate::figures::{Figures, JoinClock};
use crate::handle::{COMMAND_CAPACITY, Command, EVENT_CAPACITY, EngineAccess, EngineBusy, EngineHandle, Event};
use crate::media_session::MediaSession;
use crate::peer::PeerConnector;
use crate::peer::webrtc::WebRtcConnector;
use crate::report::Report;
use crate::snapshot::EngineSnapshot;

/// Threads of the runtime: network and decisions, never codecs.
const WORKERS: usize = 2;
/// How long [`EngineHandle::shutdown`] waits for peers to be told.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Which implementations this process uses: the test seam.
pub struct Backends {
    /// Makes peer connections.
    pub connector: Arc<dyn PeerConnector>,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            connector: Arc::new(WebRtcConnector::new()),
        }
    }
}

/// The engine: see [`Engine::start`].
pub struct Engine;

impl Engine {
    /// Starts an engine that uses the real world.
    ///
    /// # Errors
    /// When the system gives no threads or sockets to run it.
    pub fn start(config: EngineConfig) -> Result<EngineHandle, StartError> {
        Self::start_with(config, Backends::default())
    }

    /// Starts an engine with chosen implementations.
    ///
    /// # Errors
    /// When the system gives no threads or sockets to run it.
    pub fn start_with(config: EngineConfig, backends: Backends) -> Result<EngineHandle, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let epoch = Instant::now();
        let news = Arc::new(News::default());
        let media = {
            let (changed, failed) = (Arc::clone(&news), Arc::clone(&news));
            Arc::new(MediaSession::new(
                &config,
                epoch,
                Arc::new(move || changed.on_media()),
                Arc::new(move |words| failed.push(Event::WriteFailed(words))),
            ))
        };
        let figures = Arc::new(Figures::new(epoch, config.name.clone(), JoinClock::FirstParticipant));
        let (commands, incoming) = mpsc::channel(COMMAND_CAPACITY);
        let (published, snapshots) = watch::channel(Arc::new(EngineSnapshot::initial()));
        let current_figures = Arc::new(RwLock::new(figures));
        let parts = DriverParts {
            config,
            connector: backends.connector,
            media: Arc::clone(&media),
            news: Arc::clone(&news),
            figures: Arc::clone(&current_figures),
            published,
            epoch,
        };
        let (ended, end) = watch::channel(false);
        runtime.spawn(async move {
            Driver::run(parts, incoming).await;
            ended.send_replace(true);
        });
        Ok(EngineHandle {
            shared: Arc::new(Shared {
                commands: Mutex::new(Some(commands)),
                snapshots,
                news,
                media,
                figures: current_figures,
                end,
                runtime: Mutex::new(Some(runtime)),
            }),
        })
    }
}

/// What the engine tells without being asked: events, and that there is something to look at.
#[derive(Default)]
pub(crate) struct News {
    events: Mutex<VecDeque<Event>>,
    waker: RwLock<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// Devices or pictures changed: the driver may have to publish.
    pub media_changed: Notify,
}

impl News {
    /// Queues an event; the oldest goes when there are too many.
    pub(crate) fn push(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENT_CAPACITY {
            events.pop_front();
        }
        events.push_back(event);
        drop(events);
        self.wake();
    }

    /// Lets the window look.
    pub(crate) fn wake(&self) {
        let waker = self.waker.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    fn on_media(&self) {
        self.media_changed.notify_one();
        self.wake();
    }
}

struct Shared {
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    snapshots: watch::Receiver<Arc<EngineSnapshot>>,
    news: Arc<News>,
    media: Arc<MediaSession>,
    figures: Arc<RwLock<Arc<Figures>>>,
    end: watch::Receiver<bool>,
    runtime: Mutex<Option<Runtime>>,
}

impl EngineAccess for Shared {
    fn send(&self, command: Command) -> Result<(), EngineBusy> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = commands.as_ref().ok_or(EngineBusy)?;
        commands.try_send(command).map_err(|_| EngineBusy)
    }

    fn snapshot(&self) -> Arc<EngineSnapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    fn next_event(&self) -> Option<Event> {
        let mut events = self.news.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.pop_front()
    }

    fn local_video(&self) -> LatestFrame<Arc<VideoFrame>> {
        self.media.preview()
    }

    fn remote_video(&self, peer: PeerKey, kind: VideoKind) -> Option<LatestFrame<Arc<VideoFrame>>> {
        Some(self.media.remote(peer)?.picture(kind).frames.clone())
    }

    fn set_waker(&self, waker: Arc<dyn Fn() + Send + Sync>) {
        *self.news.waker.write().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    fn report(&self) -> Report {
        let figures = Arc::clone(&self.figures.read().unwrap_or_else(PoisonError::into_inner));
        figures.report()
    }

    fn shutdown(&self) {
        // The driver hangs up and ends when the last sender is gone.
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        let mut end = self.end.clone();
        let ended = runtime.block_on(async { timeout(SHUTDOWN_LIMIT, end.wait_for(|ended| *ended)).await.is_ok() });
        if !ended {
            tracing::warn!("the engine did not end in time");
        }
        runtime.shutdown_background();
        self.media.close_devices();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shutdown();
    }
}
