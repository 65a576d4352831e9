//! A keyring for tests: keyring-core's mock store, in a mood, behind a gate.

use std::sync::{Arc, Condvar, Mutex, RwLock, RwLockWriteGuard};

use keyring_core::api::CredentialStoreApi;
use keyring_core::mock;

use super::*;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Works,
    /// No D-Bus, no service.
    Absent,
    Locked,
    /// Works for so many requests in all, counted from the first, and is gone then.
    WorksUntil(usize),
    /// Takes everything and keeps nothing.
    Forgetful,
}

pub(crate) struct MockKeyring {
    store: Arc<mock::Store>,
    mood: Mutex<Mood>,
    gate: RwLock<()>,
    passed: Mutex<usize>,
    one_more: Condvar,
}

impl MockKeyring {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            store: mock::Store::new().unwrap(),
            mood: Mutex::new(Mood::Works),
            gate: RwLock::new(()),
            passed: Mutex::new(0),
            one_more: Condvar::new(),
        })
    }

    /// As long as this lives, the keyring does not answer.
    pub(crate) fn silence(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap()
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Seen by a program that waits for as long as it takes.
    pub(crate) fn patient(self: &Arc<Self>) -> Keyring {
        self.within(Duration::MAX)
    }

    /// Seen by a program that does not wait at all.
    pub(crate) fn hasty(self: &Arc<Self>) -> Keyring {
        self.within(Duration::ZERO)
    }

    fn within(self: &Arc<Self>, limit: Duration) -> Keyring {
        let mock = Arc::clone(self);
        Keyring::new(move |user| mock.entry(user), limit)
    }

    /// Waits until so many requests have come through the gate.
    pub(crate) fn wait_for_requests(&self, requests: usize) {
        let passed = self.passed.lock().unwrap();
        drop(self.one_more.wait_while(passed, |passed| *passed < requests).unwrap());
    }

    pub(crate) fn requests(&self) -> usize {
        *self.passed.lock().unwrap()
    }

    pub(crate) fn text(&self, user: &str) -> Option<String> {
        self.store.build(SERVICE, user, None).unwrap().get_password().ok()
    }

    pub(crate) fn put(&self, user: &str, text: &[u8]) {
        self.store.build(SERVICE, user, None).unwrap().set_secret(text).unwrap();
    }

    pub(crate) fn forget(&self, user: &str) {
        self.store
            .build(SERVICE, user, None)
            .unwrap()
            .delete_credential()
            .unwrap();
    }

    /// Names of all that was ever asked for and is there.
    pub(crate) fn names(&self) -> Vec<String> {
        let found = self.store.search(&[("service", SERVICE)].into()).unwrap();
        let names = found.iter().filter(|entry| entry.get_password().is_ok());
        names.map(|entry| entry.get_specifiers().unwrap().1).collect()
    }

    fn entry(&self, user: &str) -> keyring::Result<keyring::Entry> {
        drop(self.gate.read().unwrap());
        let mut passed = self.passed.lock().unwrap();
        *passed += 1;
        self.one_more.notify_all();
        let store = match *self.mood.lock().unwrap() {
            Mood::Works => Arc::clone(&self.store),
            Mood::WorksUntil(last) if *passed <= last => Arc::clone(&self.store),
            Mood::WorksUntil(_) | Mood::Absent => return Err(keyring::Error::NoDefaultStore),
            Mood::Locked => {
                let entry = self.store.build(SERVICE, user, None)?;
                let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
                credential.set_error(keyring::Error::NoStorageAccess("locked".into()));
                return Ok(keyring::Entry { inner: entry });
            }
            Mood::Forgetful => mock::Store::new()?,
        };
        Ok(keyring::Entry {
            inner: store.build(SERVICE, user, None)?,
        })
    }
}
