//! The identity key in the system's keyring: Secret Service, Keychain, Credential Manager.
//!
//! A keyring may ask a person for a password and wait for as long as they are at lunch. Every request therefore runs
//! on a thread named `keyring`, and gives up after a limit. A request that was given up may still be carried out
//! later: requests are made so that this does no harm.

use std::sync::Arc;
use std::time::Duration;

use trust::IdentityKey;
use zeroize::Zeroizing;

use crate::key_text;
use crate::patience::{NoResult, within};

const SERVICE: &str = "visavis";
/// How long a start waits for the keyring.
const START_LIMIT: Duration = Duration::from_secs(3);
/// How long a person gets for typing a password, when they asked for the keyring themselves.
const PERSON_LIMIT: Duration = Duration::from_secs(60);

/// Where entries come from: the system, or a mock.
type Entries = Arc<dyn Fn(&str) -> keyring::Result<keyring::Entry> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Keyring {
    entries: Entries,
    start_limit: Duration,
}

/// Why the keyring is of no use now.
#[derive(Debug, thiserror::Error)]
pub enum KeyringTrouble {
    /// Locked and not unlocked, or there is no keyring.
    #[error("The keyring cannot be used: {0}")]
    Refused(String),
    /// No answer in time; what was asked may still be done.
    #[error("The keyring does not answer. It may be waiting for a password.")]
    Late,
    /// What it has under our name is not our key, or not whole.
    #[error("What the keyring holds for Visavis is no identity key.")]
    NoKey,
    /// It took the key and gave back something else, or nothing.
    #[error("The keyring did not keep the identity key.")]
    NotKept,
}

impl Keyring {
    pub(crate) fn system() -> Self {
        Self::new(|user| keyring::Entry::new(SERVICE, user), START_LIMIT)
    }

    fn new(
        entries: impl Fn(&str) -> keyring::Result<keyring::Entry> + Send + Sync + 'static,
        start_limit: Duration,
    ) -> Self {
        let entries = Arc::new(entries);
        Self { entries, start_limit }
    }

    /// The key under this name, if there is one.
    pub(crate) fn read(&self, name: &str) -> Result<Option<IdentityKey>, KeyringTrouble> {
        let name = name.to_owned();
        self.ask(self.start_limit, move |entries| read(entries, &name))
    }

    /// The same, with time for a person to unlock the keyring.
    pub(crate) fn read_with_person(&self, name: &str) -> Result<Option<IdentityKey>, KeyringTrouble> {
        let name = name.to_owned();
        self.ask(PERSON_LIMIT, move |entries| read(entries, &name))
    }

    /// The key under this name; where there is none, `new` is put there.
    pub(crate) fn read_or_keep(&self, name: &str, new: &IdentityKey) -> Result<IdentityKey, KeyringTrouble> {
        let (name, new) = (name.to_owned(), new.clone());
        self.ask(self.start_limit, move |entries| match read(entries, &name)? {
            Some(key) => Ok(key),
            None => keep(entries, &name, &new).map(|()| new),
        })
    }

    /// Puts a key under this name, in the place of what is there.
    pub(crate) fn keep(&self, name: &str, key: &IdentityKey) -> Result<(), KeyringTrouble> {
        let (name, key) = (name.to_owned(), key.clone());
        self.ask(PERSON_LIMIT, move |entries| keep(entries, &name, &key))
    }

    fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Entries) -> Result<T, KeyringTrouble> + Send + 'static,
    ) -> Result<T, KeyringTrouble> {
        let entries = Arc::clone(&self.entries);
        within(limit, "keyring", move || work(&entries)).unwrap_or_else(|error| match error {
            NoResult::Late => Err(KeyringTrouble::Late),
            NoResult::Panicked => Err(KeyringTrouble::Refused("it broke down".to_owned())),
            NoResult::NoThread(error) => Err(KeyringTrouble::Refused(error.to_string())),
        })
    }
}

fn read(entries: &Entries, name: &str) -> Result<Option<IdentityKey>, KeyringTrouble> {
    match entries(name).and_then(|entry| entry.get_password()) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            key_text::read(&text).map(Some).ok_or(KeyringTrouble::NoKey)
        }
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(trouble(error)),
    }
}

fn keep(entries: &Entries, name: &str, key: &IdentityKey) -> Result<(), KeyringTrouble> {
    let text = key_text::write(key);
    entries(name)
        .and_then(|entry| entry.set_password(&text))
        .map_err(trouble)?;
    match read(entries, name)? {
        Some(kept) if kept.public() == key.public() => Ok(()),
        Some(_) | None => Err(KeyringTrouble::NotKept),
    }
}

/// Two of the errors carry what was found, which may be most of a key: it goes no further.
fn trouble(error: keyring::Error) -> KeyringTrouble {
    match error {
        keyring::Error::BadEncoding(found) | keyring::Error::BadDataFormat(found, _) => {
            drop(Zeroizing::new(found));
            KeyringTrouble::NoKey
        }
        other => KeyringTrouble::Refused(other.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod mock;
