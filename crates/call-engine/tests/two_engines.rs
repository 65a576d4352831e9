//! Two engines in one process, over the embedded server and real peer connections on loopback.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use call_engine::{
    CallPhase, CameraSpec, Command, Door, EndReason, Engine, EngineConfig, EngineHandle, EngineSnapshot, Event,
    KeyStoreChoice, LinkState, MicrophoneSpec, ScreenSpec, SpeakerSpec, Switch, VideoKind, VideoMode,
};

/// Only a guard against hanging for ever; nothing is expected to take this long.
const GUARD: Duration = Duration::from_secs(60);

/// An engine, and a way to wait for what it does.
struct Watched {
    engine: EngineHandle,
    news: Arc<(Mutex<u64>, Condvar)>,
}

impl Watched {
    fn start(name: &str, camera: CameraSpec) -> Self {
        let engine = Engine::start(EngineConfig {
            name: name.into(),
            server: None,
            listen: ([127, 0, 0, 1], 0).into(),
            camera,
            microphone: MicrophoneSpec::Test,
            speaker: SpeakerSpec::Null,
            screen: ScreenSpec::None,
            stamp: true,
            audio_processing: true,
            max_bitrate_bps: None,
            relay_only: false,
            ice_servers: Vec::new(),
            extra_roots: call_engine::ExtraRoots::default(),
            record: None,
            profile: None,
            key_store: KeyStoreChoice::File,
            door: Door::Open,
            invite_lifetime: None,
            do_not_disturb: Switch::Off,
            visible_nearby: Switch::Off,
        })
        .expect("the engine starts");
        let news = Arc::new((Mutex::new(0), Condvar::new()));
        let shared = Arc::clone(&news);
        engine.set_waker(move || {
            *shared.0.lock().expect("not poisoned") += 1;
            shared.1.notify_all();
        });
        Self { engine, news }
    }

    fn send(&self, command: Command) {
        self.engine.send(command).expect("the engine takes commands");
    }

    /// Waits until `look` gives something.
    fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&EngineHandle) -> Option<T>) -> T {
        let until = Instant::now() + GUARD;
        loop {
            let seen = *self.news.0.lock().expect("not poisoned");
            if let Some(found) = look(&self.engine) {
                return found;
            }
            assert!(
                Instant::now() < until,
                "never: {what}; last {:#?}",
                self.engine.snapshot()
            );
            let news = self.news.0.lock().expect("not poisoned");
            // Pictures keep waking us; the time-out only serves what comes without news.
            let waited = self
                .news
                .1
                .wait_timeout_while(news, Duration::from_millis(200), |count| *count == seen);
            drop(waited.expect("not poisoned"));
        }
    }

    fn wait_for_state<T>(&self, what: &str, mut look: impl FnMut(&EngineSnapshot) -> Option<T>) -> T {
        self.wait_for(what, |engine| look(&engine.snapshot()))
    }

    fn wait_for_link(&self) -> String {
        self.wait_for("a link", |engine| match engine.next_event() {
            Some(Event::LinkReady(link)) => Some(link),
            Some(other) => panic!("{other:?}"),
            None => None,
        })
    }

    /// Waits for a picture of the first participant and gives its size.
    fn wait_for_picture(&self) -> (usize, usize) {
        self.wait_for("a remote picture", |engine| {
            let peer = engine.snapshot().call.as_ref()?.participants.first()?.peer;
            let frame = engine.remote_video(peer, VideoKind::Camera)?.take()?;
            Some((frame.width(), frame.height()))
        })
    }

    fn wait_for_sound(&self) {
        self.wait_for("sound that was played", |engine| {
            let audio = engine.report().participants.first()?.audio_received.clone()?;
            audio.buffer_ms.p50
        });
    }

    fn ended(&self) -> EndReason {
        self.wait_for_state("the end", |snapshot| match &snapshot.call.as_ref()?.phase {
            CallPhase::Ended(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.engine.shutdown();
    }
}

fn small_camera() -> CameraSpec {
    CameraSpec::Test(VideoMode {
        width: 320,
        height: 180,
        fps: 15,
    })
}

#[test]
fn two_people_see_and_hear_each_other_until_one_leaves() {
    let host = Watched::start("Anna", small_camera());
    let guest = Watched::start("Boris", small_camera());
    host.send(Command::HostCall);
    let link = host.wait_for_link();
    guest.send(Command::JoinCall { link });
    assert_eq!(guest.wait_for_picture(), (320, 180));
    assert_eq!(host.wait_for_picture(), (320, 180));
    let name = host.wait_for_state("the guest connected", |snapshot| {
        let participant = snapshot.call.as_ref()?.participants.first()?.clone();
        matches!(participant.link, LinkState::Connected { .. }).then_some(participant.name)
    });
    assert_eq!(name, "Boris");
    guest.wait_for_sound();

    guest.send(Command::Microphone(Switch::Off));
    host.wait_for_state("the guest's mute", |snapshot| {
        let participant = snapshot.call.as_ref()?.participants.first()?;
        (participant.media.microphone == Switch::Off).then_some(())
    });
    guest.wait_for_state("the own mute", |snapshot| {
        (snapshot.call.as_ref()?.local.microphone == Switch::Off).then_some(())
    });

    guest.send(Command::Leave);
    assert_eq!(guest.ended(), EndReason::HungUp);
    host.wait_for_state("an empty room", |snapshot| {
        snapshot.call.as_ref()?.participants.is_empty().then_some(())
    });
    let report = host.engine.report();
    let seen = &report.participants[0].video_received[0];
    assert!(seen.frames > 0 && seen.stamps_unreadable == 0, "{seen:?}");
    assert!(report.join_to_first_frame_ms.is_some());
}

#[test]
fn the_echo_friend_returns_picture_and_sound() {
    let alone = Watched::start("Anna", small_camera());
    alone.send(Command::StartTestCall);
    assert_eq!(alone.wait_for_picture(), (320, 180));
    alone.wait_for_sound();
    assert!(alone.engine.snapshot().is_test_call);
    alone.send(Command::Leave);
    assert_eq!(alone.ended(), EndReason::HungUp);
    alone.send(Command::CloseCall);
    alone.wait_for_state("no call", |snapshot| snapshot.call.is_none().then_some(()));
}

#[test]
fn a_missing_camera_does_not_keep_anybody_out() {
    let host = Watched::start("Anna", CameraSpec::File("/nonexistent/clip.y4m".into()));
    let guest = Watched::start("Boris", small_camera());
    host.send(Command::HostCall);
    let link = host.wait_for_link();
    guest.send(Command::JoinCall { link });
    assert_eq!(host.wait_for_picture(), (320, 180));
    guest.wait_for_sound();
}

#[test]
fn a_link_that_is_none_is_refused_in_words() {
    let engine = Watched::start("Anna", CameraSpec::None);
    engine.send(Command::JoinCall {
        link: "https://example.org/".into(),
    });
    engine.wait_for("a refusal", |engine| match engine.next_event() {
        Some(Event::BadLink(words)) => Some(words),
        _ => None,
    });
    assert!(engine.engine.snapshot().call.is_none());
}
