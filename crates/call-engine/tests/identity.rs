//! Who somebody is stays with them: over a restart, and in a file that a passphrase protects.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use call_engine::{
    CameraSpec, Command, Door, Engine, EngineConfig, EngineHandle, Event, KeyStorage, KeyStoreChoice, MicrophoneSpec,
    Passphrase, PublicKey, ScreenSpec, SpeakerSpec, Switch,
};

/// Only a guard against hanging for ever; nothing is expected to take this long.
const GUARD: Duration = Duration::from_secs(60);

/// An engine with a profile, and a way to wait for what it says.
struct Person {
    engine: EngineHandle,
    news: Arc<(Mutex<u64>, Condvar)>,
}

impl Person {
    fn start(profile: &Path) -> Self {
        let engine = Engine::start(EngineConfig {
            name: "Ann".into(),
            server: None,
            listen: ([127, 0, 0, 1], 0).into(),
            camera: CameraSpec::None,
            microphone: MicrophoneSpec::None,
            speaker: SpeakerSpec::Null,
            screen: ScreenSpec::None,
            stamp: false,
            audio_processing: false,
            max_bitrate_bps: None,
            relay_only: false,
            ice_servers: Vec::new(),
            extra_roots: call_engine::ExtraRoots::default(),
            record: None,
            profile: Some(profile.to_owned()),
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

    fn wait_for<T>(&self, what: &str, look: impl Fn(&EngineHandle) -> Option<T>) -> T {
        let deadline = Instant::now() + GUARD;
        let mut count = self.news.0.lock().expect("not poisoned");
        loop {
            if let Some(found) = look(&self.engine) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} never came");
            // A waker set after the first snapshot misses it.
            count = self
                .news
                .1
                .wait_timeout(count, Duration::from_millis(100))
                .expect("not poisoned")
                .0;
        }
    }

    fn key(&self) -> PublicKey {
        self.wait_for("the identity", |engine| {
            let snapshot = engine.snapshot();
            (snapshot.revision > 0).then_some(snapshot.people.own_key)
        })
    }

    fn event(&self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        self.wait_for(what, |engine| {
            std::iter::from_fn(|| engine.next_event()).find(|event| fits(event))
        })
    }

    fn send(&self, command: Command) {
        self.engine.send(command).expect("the engine takes it");
    }
}

fn passphrase(words: &str) -> Passphrase {
    Passphrase(words.to_owned().into())
}

fn export(person: &Person, path: &Path) {
    person.send(Command::ExportIdentity {
        path: path.to_owned(),
        passphrase: passphrase("correct horse"),
    });
}

fn import(person: &Person, path: &Path, words: &str) {
    person.send(Command::ImportIdentity {
        path: path.to_owned(),
        passphrase: passphrase(words),
    });
}

#[test]
fn an_identity_outlives_the_program_and_moves_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| -> PathBuf { folder.path().join(name) };
    let first = Person::start(&place("first"));
    let key = first.key();
    assert!(matches!(
        first.engine.snapshot().people.key_storage,
        KeyStorage::File(_)
    ));
    first.engine.shutdown();
    let again = Person::start(&place("first"));
    assert_eq!(again.key(), key, "the key was kept");

    let file = place("ann.age");
    export(&again, &file);
    again.event("the export", |event| *event == Event::IdentityExported(file.clone()));
    let text = std::fs::read_to_string(&file).expect("a text");
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    export(&again, &file);
    let refused = again.event("the refusal", |event| matches!(event, Event::IdentityFailed(_)));
    assert!(format!("{refused:?}").contains("choose another name"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), text);

    let other = Person::start(&place("second"));
    let temporary = other.key();
    assert_ne!(temporary, key);
    import(&other, &file, "wrong horse!");
    other.event("the refusal", |event| matches!(event, Event::IdentityFailed(_)));
    assert_eq!(other.key(), temporary, "a wrong passphrase changes nothing");
    import(&other, &file, "correct horse");
    other.event("the import", |event| *event == Event::IdentityImported);
    other.wait_for("the new identity", |engine| {
        (engine.snapshot().people.own_key == key).then_some(())
    });
    // The one before is kept aside.
    let kept = std::fs::read_dir(place("second")).expect("a folder").flatten();
    let names: Vec<String> = kept
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("identity.key.old-")),
        "{names:?}"
    );
    for person in [again, other] {
        person.engine.shutdown();
    }
}
