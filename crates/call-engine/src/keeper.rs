//! What stays on this computer, kept by one thread: the identity, contacts, missed calls.
//!
//! In: [`Request`]s. Out: [`Kept`], the newest state of all of it, and notices for the user. The thread `people` owns the
//! files; the engine never waits for a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use call_core::{KnownContact, PublicKey};
use contact_book::{BookError, Contact, KeyStorage, KeyStoreKind, MissedCall, Profile, Verification};
use tokio::sync::{mpsc, oneshot, watch};
use trust::{Entropy, IdentityKey, identity_file};

use crate::config::KeyStoreChoice;
use crate::engine::News;
use crate::handle::{Event, Passphrase};

/// Requests waiting for the disk. One that does not fit is dropped with a word to the user: the disk hangs.
const REQUEST_CAPACITY: usize = 64;
/// The largest identity file that is read, bytes.
const MAX_IDENTITY_FILE_BYTES: u64 = 64 * 1024;

/// All that is kept, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub identity: IdentityKey,
    pub storage: KeyStorage,
    pub contacts: Vec<Contact>,
    pub missed: Vec<MissedCall>,
}

impl Kept {
    /// What a call has to know of those we met.
    pub(crate) fn known_contacts(&self) -> Vec<KnownContact> {
        let known = |contact: &Contact| KnownContact {
            key: contact.key,
            name: contact.name.clone(),
            calls: contact.calls,
            verified: verification(contact.verified),
        };
        self.contacts.iter().map(known).collect()
    }

    pub(crate) fn contact(&self, key: &PublicKey) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.key == *key)
    }
}

/// The contact book knows nothing of calls, and calls nothing of files.
pub(crate) fn verification(verified: Verification) -> call_core::Verification {
    match verified {
        Verification::No => call_core::Verification::No,
        Verification::Link { at_unix_s } => call_core::Verification::Link { at_unix_s },
        Verification::Symbols { at_unix_s } => call_core::Verification::Symbols { at_unix_s },
    }
}

/// One thing to write down.
#[derive(Debug)]
pub(crate) enum Request {
    Met {
        key: PublicKey,
        name: String,
        servers: Vec<String>,
        at_unix_s: u64,
    },
    Verified(PublicKey, Verification),
    Rename(PublicKey, String),
    Remove(PublicKey),
    Missed {
        key: PublicKey,
        name: String,
        at_unix_s: u64,
    },
    ClearMissed,
    Export {
        path: PathBuf,
        passphrase: Passphrase,
        name: String,
    },
    Import {
        path: PathBuf,
        passphrase: Passphrase,
    },
}

/// The door to the thread.
pub(crate) struct Keeper {
    requests: mpsc::Sender<Request>,
    kept: watch::Receiver<Arc<Kept>>,
    news: Arc<News>,
}

impl Keeper {
    /// Opens the profile in this folder, or one that is forgotten at the end. Without a folder that works, a
    /// forgetful one takes its place and the user is told.
    pub(crate) async fn open(folder: Option<PathBuf>, choice: KeyStoreChoice, news: Arc<News>) -> Option<Self> {
        let (requests, queue) = mpsc::channel(REQUEST_CAPACITY);
        let (opened, opening) = oneshot::channel::<watch::Receiver<Arc<Kept>>>();
        let for_thread = Arc::clone(&news);
        let body = move || keep(folder.as_deref(), choice, &for_thread, queue, opened);
        if let Err(error) = std::thread::Builder::new().name("people".into()).spawn(body) {
            news.push(Event::Storage(format!("The system has no thread to give ({error}).")));
            return None;
        }
        let kept = opening.await.ok()?;
        Some(Self { requests, kept, news })
    }

    pub(crate) fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept.borrow())
    }

    /// Returns when something was written down.
    pub(crate) async fn changed(&mut self) {
        if self.kept.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn request(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            self.news.push(Event::Storage(
                "The disk does not answer: what just changed is not kept.".into(),
            ));
        }
    }
}

fn keep(
    folder: Option<&Path>,
    choice: KeyStoreChoice,
    news: &News,
    mut queue: mpsc::Receiver<Request>,
    opened: oneshot::Sender<watch::Receiver<Arc<Kept>>>,
) {
    let Some(mut profile) = open(folder, choice, news) else {
        return;
    };
    let (published, kept) = watch::channel(Arc::new(read(&profile, news)));
    if opened.send(kept).is_err() {
        return;
    }
    while let Some(request) = queue.blocking_recv() {
        perform(&mut profile, request, news);
        published.send_replace(Arc::new(read(&profile, news)));
    }
}

fn open(folder: Option<&Path>, choice: KeyStoreChoice, news: &News) -> Option<Profile> {
    let store = match choice {
        KeyStoreChoice::Keyring => KeyStoreKind::Keyring,
        KeyStoreChoice::File => KeyStoreKind::File,
    };
    let mut entropy = match Entropy::from_system() {
        Ok(entropy) => entropy,
        Err(error) => {
            news.push(Event::Storage(error.to_string()));
            return None;
        }
    };
    let (profile, notices) = match Profile::open(folder, store, &mut entropy) {
        Ok(opened) => opened,
        Err(error) => {
            news.push(Event::Storage(error.to_string()));
            Profile::open(None, store, &mut entropy).ok()?
        }
    };
    for notice in notices {
        news.push(Event::Storage(notice.to_string()));
    }
    Some(profile)
}

fn read(profile: &Profile, news: &News) -> Kept {
    let tell = |error: BookError| news.push(Event::Storage(error.to_string()));
    Kept {
        identity: profile.identity().clone(),
        storage: profile.storage().clone(),
        contacts: profile.book().contacts().map_err(tell).unwrap_or_default(),
        missed: profile.book().missed().map_err(tell).unwrap_or_default(),
    }
}

fn perform(profile: &mut Profile, request: Request, news: &News) {
    let book = profile.book();
    let done = match request {
        Request::Met {
            key,
            name,
            servers,
            at_unix_s,
        } => book.met(&key, &name, &servers, at_unix_s).map(|_| ()),
        Request::Verified(key, verified) => book.mark_verified(&key, verified),
        Request::Rename(key, name) => book.rename(&key, &name),
        Request::Remove(key) => book.remove(&key),
        Request::Missed { key, name, at_unix_s } => book.add_missed(&key, &name, at_unix_s),
        Request::ClearMissed => book.clear_missed(),
        Request::Export { path, passphrase, name } => {
            return match export(profile.identity(), &path, &passphrase, &name) {
                Ok(()) => news.push(Event::IdentityExported(path)),
                Err(words) => news.push(Event::IdentityFailed(words)),
            };
        }
        Request::Import { path, passphrase } => {
            return match import(profile, &path, &passphrase) {
                Ok(()) => news.push(Event::IdentityImported),
                Err(words) => news.push(Event::IdentityFailed(words)),
            };
        }
    };
    if let Err(error) = done {
        news.push(Event::Storage(error.to_string()));
    }
}

fn export(identity: &IdentityKey, path: &Path, passphrase: &Passphrase, name: &str) -> Result<(), String> {
    use std::io::Write as _;
    let bytes = identity_file::export(identity, name, &passphrase.0).map_err(|error| error.to_string())?;
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("There is a file {} already: choose another name.", path.display())
        }
        _ => format!("{} could not be written ({error}).", path.display()),
    })
}

fn import(profile: &mut Profile, path: &Path, passphrase: &Passphrase) -> Result<(), String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_IDENTITY_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{} could not be read ({error}).", path.display()))?;
    let (identity, _) = identity_file::import(&bytes, &passphrase.0).map_err(|error| error.to_string())?;
    profile.replace_identity(identity).map_err(|error| error.to_string())
}
