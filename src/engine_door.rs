//! What the window needs of the engine. The real engine is one way to fill it in; previews and tests fill it
//! in with a snapshot made by hand.

use std::sync::Arc;

use call_engine::{
    Command, EngineBusy, EngineHandle, EngineSnapshot, Event, LatestFrame, PeerKey, VideoFrame, VideoKind,
};

/// The newest picture of one source.
pub type PictureSlot = LatestFrame<Arc<VideoFrame>>;

/// The engine as the window sees it. All of it is quick and may be called from the main thread.
pub trait EngineDoor {
    /// Asks for something.
    ///
    /// # Errors
    /// When the engine is shutting down or stuck.
    fn send(&self, command: Command) -> Result<(), EngineBusy>;
    /// The present state.
    fn snapshot(&self) -> Arc<EngineSnapshot>;
    /// The oldest event nobody took yet.
    fn next_event(&self) -> Option<Event>;
    /// Our own pictures.
    fn local_video(&self) -> PictureSlot;
    /// Somebody else's pictures.
    fn remote_video(&self, peer: PeerKey, kind: VideoKind) -> Option<PictureSlot>;
    /// Called from any thread when there is something new.
    fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>);
    /// Hangs up and ends the engine.
    fn shutdown(&self);
}

impl EngineDoor for EngineHandle {
    fn send(&self, command: Command) -> Result<(), EngineBusy> {
        Self::send(self, command)
    }

    fn snapshot(&self) -> Arc<EngineSnapshot> {
        Self::snapshot(self)
    }

    fn next_event(&self) -> Option<Event> {
        Self::next_event(self)
    }

    fn local_video(&self) -> PictureSlot {
        Self::local_video(self)
    }

    fn remote_video(&self, peer: PeerKey, kind: VideoKind) -> Option<PictureSlot> {
        Self::remote_video(self, peer, kind)
    }

    fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>) {
        Self::set_waker(self, waker);
    }

    fn shutdown(&self) {
        Self::shutdown(self);
    }
}
