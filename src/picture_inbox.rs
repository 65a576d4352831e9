//! Collects pictures from the engine's threads for the main thread, and asks for a paint in good time.
//!
//! The engine's waker runs [`PictureInbox::wake`] on whatever thread has news. The newest picture of each
//! source waits here until the main thread takes it; older ones are dropped and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use call_engine::{EngineSnapshot, VideoFrame, VideoKind};

use crate::engine_door::{EngineDoor, PictureSlot};
use crate::repaint::{News, Painting, RepaintPace};
use crate::ui::pictures::PictureId;

/// egui answers a repaint "now" with two paints, and one "soon" with one.
const SOON: Duration = Duration::from_micros(1);

struct Source {
    slot: PictureSlot,
    waiting: Option<Arc<VideoFrame>>,
    dropped: u64,
}

struct Inbox {
    sources: BTreeMap<PictureId, Source>,
    pace: RepaintPace,
}

/// Shared by the main thread and the engine's waker.
#[derive(Clone)]
pub struct PictureInbox {
    inbox: Arc<Mutex<Inbox>>,
    ctx: egui::Context,
}

impl PictureInbox {
    /// Follows our own pictures from the start.
    #[must_use]
    pub fn new(engine: &dyn EngineDoor, painting: Painting, ctx: egui::Context) -> Self {
        let own = Source {
            slot: engine.local_video(),
            waiting: None,
            dropped: 0,
        };
        Self {
            inbox: Arc::new(Mutex::new(Inbox {
                sources: BTreeMap::from([(PictureId::Own, own)]),
                pace: RepaintPace::new(painting),
            })),
            ctx,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is news, on any thread: fetches pictures and asks for a paint.
    pub fn wake(&self) {
        let now = Instant::now();
        let mut inbox = self.lock();
        let news = inbox.fetch();
        let delay = inbox.pace.delay(news, now);
        drop(inbox);
        self.ctx.request_repaint_after(delay.max(SOON));
    }

    /// Follows everybody in the call, forgets who left. Returns the sources that are gone.
    pub fn follow(&self, snapshot: &EngineSnapshot, engine: &dyn EngineDoor) -> Vec<PictureId> {
        let participants = snapshot.call.iter().flat_map(|call| &call.participants);
        let wanted: Vec<_> = participants
            .flat_map(|them| [VideoKind::Camera, VideoKind::Screen].map(|kind| PictureId::Remote(them.peer, kind)))
            .collect();
        let mut inbox = self.lock();
        let is_wanted = |id: &PictureId| *id == PictureId::Own || wanted.contains(id);
        let gone: Vec<_> = inbox.sources.keys().filter(|id| !is_wanted(id)).copied().collect();
        for id in &gone {
            if let Some(source) = inbox.sources.remove(id) {
                tracing::debug!(?id, dropped = source.dropped, "pictures that were never painted");
            }
        }
        for id in wanted {
            if let PictureId::Remote(peer, kind) = id
                && !inbox.sources.contains_key(&id)
                && let Some(slot) = engine.remote_video(peer, kind)
            {
                let source = Source {
                    slot,
                    waiting: None,
                    dropped: 0,
                };
                inbox.sources.insert(id, source);
            }
        }
        let cameras = inbox
            .sources
            .keys()
            .filter(|id| matches!(id, PictureId::Remote(_, VideoKind::Camera)));
        let cameras = cameras.count();
        inbox.pace.set_remote_sources(cameras);
        gone
    }

    /// The pictures to upload with the paint that begins now.
    #[must_use]
    pub fn take(&self) -> Vec<(PictureId, Arc<VideoFrame>)> {
        let now = Instant::now();
        let mut inbox = self.lock();
        inbox.fetch();
        inbox.pace.painted(now);
        let has_own = inbox
            .sources
            .get(&PictureId::Own)
            .is_some_and(|own| own.waiting.is_some());
        let takes_own = has_own && inbox.pace.takes_own_picture(now);
        let sources = inbox
            .sources
            .iter_mut()
            .filter(|(id, _)| takes_own || **id != PictureId::Own);
        sources
            .filter_map(|(id, source)| Some((*id, source.waiting.take()?)))
            .collect()
    }
}

impl Inbox {
    /// Takes what is in the slots and says what was the most urgent.
    fn fetch(&mut self) -> News {
        let mut news = News::State;
        for (id, source) in &mut self.sources {
            let Some(frame) = source.slot.take() else {
                continue;
            };
            let older = source.waiting.replace(frame);
            source.dropped += u64::from(older.is_some());
            match (id, news) {
                (PictureId::Remote(..), _) => news = News::RemotePicture,
                (PictureId::Own, News::State) => news = News::OwnPicture,
                (PictureId::Own, News::OwnPicture | News::RemotePicture) => {}
            }
        }
        news
    }
}
