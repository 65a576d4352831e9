//! What stays on this computer: who we are, who we know, whose calls we missed.
//!
//! In: a folder and what happens in calls. Out: a [`Profile`] with the identity key and a [`ContactBook`]. Everything
//! blocks (SQLite, files, the system's keyring): call it from a thread that may wait. Opening asks the keyring on a
//! thread of its own, named `keyring`, and does not wait longer than a few seconds for it.
//!
//! Files in the profile's folder, which is private to its owner (0700 where permissions are modes):
//!
//! | file | what |
//! |---|---|
//! | `people.db` | contacts and missed calls (SQLite), and where the identity key is kept |
//! | `people.db.version-N` | copy from before the migration from version N |
//! | `people.db.damaged-N` | a database that could not be read, moved aside |
//! | `identity.key` | the identity key, only where there is no keyring (0600) |
//! | `identity.key.old-N`, `identity.key.damaged-N` | earlier identities, moved aside |
//! | `profile.lock` | held while a profile is opened or its identity replaced |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod book;
mod contact;
mod database;
mod folder;
mod key_file;
mod key_keyring;
mod key_text;
mod notice;
mod patience;
mod profile;
mod recall;
mod schema;
mod settle;

pub use book::{BookError, ContactBook};
pub use contact::{
    Contact, MAX_CONTACTS, MAX_MISSED_CALLS, MAX_NAME_CHARS, MAX_SERVER_BYTES, MAX_SERVERS, MissedCall, Verification,
};
pub use key_keyring::KeyringTrouble;
pub use notice::Notice;
pub use profile::{KeyStorage, KeyStoreKind, Profile, ProfileError};
