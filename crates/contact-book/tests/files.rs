//! Files that are damaged, newer, older, readable for others or used by two at once: nothing in them is ever lost.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use contact_book::{Contact, KeyStorage, KeyStoreKind, Notice, Profile, ProfileError, Verification};
use rusqlite::Connection;
use tempfile::TempDir;
use trust::{Entropy, IdentityKey, PublicKey};

const FRIEND: PublicKey = PublicKey([7; 32]);

/// What the first version of the program wrote, spelt out: the program may change, this may not.
const VERSION_1: &str = "
CREATE TABLE contacts (
    key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    name TEXT NOT NULL,
    their_name TEXT NOT NULL,
    first_seen INTEGER NOT NULL CHECK (first_seen >= 0),
    last_seen INTEGER NOT NULL CHECK (last_seen >= 0),
    calls INTEGER NOT NULL CHECK (calls BETWEEN 0 AND 4294967295),
    verified INTEGER NOT NULL CHECK (verified BETWEEN 0 AND 2),
    verified_at INTEGER NOT NULL CHECK (verified_at >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE servers (
    contact BLOB NOT NULL REFERENCES contacts (key) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (contact, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE missed (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32),
    name TEXT NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0)
) STRICT;
INSERT INTO contacts VALUES
    (x'0707070707070707070707070707070707070707070707070707070707070707', 'Anna', 'anna', 100, 300, 2, 2, 200);
INSERT INTO servers VALUES
    (x'0707070707070707070707070707070707070707070707070707070707070707', 0, 'wss://b.example'),
    (x'0707070707070707070707070707070707070707070707070707070707070707', 1, 'wss://a.example');
INSERT INTO missed (key, name, at) VALUES
    (x'0707070707070707070707070707070707070707070707070707070707070707', 'Anna', 250);
PRAGMA user_version = 1;
";

fn anna() -> Contact {
    Contact {
        key: FRIEND,
        name: "Anna".into(),
        their_name: "anna".into(),
        first_seen_unix_s: 100,
        last_seen_unix_s: 300,
        calls: 2,
        verified: Verification::Symbols { at_unix_s: 200 },
        servers: vec!["wss://b.example".into(), "wss://a.example".into()],
    }
}

fn open(folder: &TempDir) -> (Profile, Vec<Notice>) {
    open_path(folder.path())
}

fn open_path(folder: &Path) -> (Profile, Vec<Notice>) {
    Profile::open(Some(folder), KeyStoreKind::File, &mut Entropy::from_system().unwrap()).unwrap()
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().canonicalize().unwrap().join(name)
}

/// A folder with somebody in its book.
fn lived_in() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (profile, notices) = open(&folder);
    assert_eq!(notices, []);
    profile.book().met(&FRIEND, "Anna", &[], 5).unwrap();
    folder
}

fn write_version_1(folder: &TempDir) {
    let db = Connection::open(file(folder, "people.db")).unwrap();
    db.execute_batch(VERSION_1).unwrap();
}

fn key(seed: u8) -> IdentityKey {
    IdentityKey::generate(&mut Entropy::from_seed([seed; 32]))
}

/// What a crash in the middle of a write leaves: a folder with a book half overwritten, and the journal that mends it.
fn crashed() -> TempDir {
    let (folder, crashed) = (lived_in(), tempfile::tempdir().unwrap());
    let db = Connection::open(file(&folder, "people.db")).unwrap();
    // With no room for changes in memory, they go to the disk before they are committed.
    db.execute_batch(
        "PRAGMA cache_size = 1;
         BEGIN;
         UPDATE contacts SET name = 'half';
         WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 1000)
         INSERT INTO missed (key, name, at) SELECT randomblob(32), hex(randomblob(100)), n FROM many;",
    )
    .unwrap();
    for name in ["people.db", "people.db-journal", "identity.key"] {
        fs::copy(file(&folder, name), file(&crashed, name)).unwrap();
    }
    crashed
}

#[test]
fn a_crash_in_the_middle_of_a_write_leaves_the_book_as_it_was() {
    let folder = crashed();
    // Without its journal it would be another one: the test is worth something.
    let halves = tempfile::tempdir().unwrap();
    fs::copy(file(&folder, "people.db"), file(&halves, "people.db")).unwrap();
    let name = open(&halves)
        .0
        .book()
        .contact(&FRIEND)
        .unwrap()
        .map(|contact| contact.name);
    assert_ne!(name.as_deref(), Some("Anna"));

    let (profile, notices) = open(&folder);
    assert_eq!(notices, []);
    assert_eq!(profile.book().contact(&FRIEND).unwrap().unwrap().name, "Anna");
    assert_eq!(profile.book().missed().unwrap(), []);
}

#[test]
fn the_journal_of_a_damaged_book_goes_with_it() {
    let folder = crashed();
    let journal = fs::read(file(&folder, "people.db-journal")).unwrap();
    fs::write(file(&folder, "people.db"), b"").unwrap();
    let (profile, notices) = open(&folder);
    assert_eq!(notices, [Notice::DamagedBook(file(&folder, "people.db.damaged-1"))]);
    assert_eq!(fs::read(file(&folder, "people.db.damaged-1-journal")).unwrap(), journal);
    assert_eq!(profile.book().contacts().unwrap(), []);
}

#[test]
fn a_journal_without_its_book_does_not_harm_the_next_one() {
    let folder = crashed();
    fs::remove_file(file(&folder, "people.db")).unwrap();
    let (profile, notices) = open(&folder);
    assert_eq!(notices, []);
    assert_eq!(profile.book().contacts().unwrap(), []);
}

#[test]
fn a_profile_outlives_the_process_and_one_in_memory_does_not() {
    let folder = lived_in();
    let first = open(&folder).0.identity().public();
    let (profile, notices) = open(&folder);
    assert_eq!((profile.identity().public(), notices), (first, vec![]));
    assert_eq!(*profile.storage(), KeyStorage::File(file(&folder, "identity.key")));
    assert_eq!(profile.book().contacts().unwrap().len(), 1);

    let (mut gone, notices) = Profile::open(None, KeyStoreKind::Keyring, &mut Entropy::from_seed([1; 32])).unwrap();
    assert_eq!((gone.storage(), notices), (&KeyStorage::Memory, vec![]));
    gone.book().met(&FRIEND, "Anna", &[], 5).unwrap();
    assert_eq!(gone.book().contacts().unwrap().len(), 1);
    gone.replace_identity(key(3)).unwrap();
    assert_eq!(gone.identity().public(), key(3).public());
}

#[test]
fn version_1_is_copied_and_migrated() {
    let folder = tempfile::tempdir().unwrap();
    write_version_1(&folder);
    let (profile, notices) = open(&folder);
    assert_eq!(notices, []);
    assert_eq!(profile.book().contacts().unwrap(), [anna()]);
    assert_eq!(profile.book().missed().unwrap()[0].at_unix_s, 250);
    profile.book().met(&FRIEND, "Anna K.", &[], 400).unwrap();
    drop(profile);

    let (again, notices) = open(&folder);
    assert_eq!(notices, []);
    assert_eq!(again.book().contact(&FRIEND).unwrap().unwrap().calls, 3);

    // The copy is a whole book of version 1: put back, it is migrated again.
    let restored = tempfile::tempdir().unwrap();
    fs::copy(file(&folder, "people.db.version-1"), file(&restored, "people.db")).unwrap();
    assert_eq!(open(&restored).0.book().contacts().unwrap(), [anna()]);
}

#[test]
fn a_migration_that_cannot_be_copied_first_does_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    write_version_1(&folder);
    fs::create_dir_all(file(&folder, "people.db.version-1.new/x")).unwrap();
    let (profile, notices) = open(&folder);
    assert!(matches!(&notices[0], Notice::BookUnavailable { .. }), "{notices:?}");
    assert_eq!(profile.book().contacts().unwrap(), []);
    let db = Connection::open(file(&folder, "people.db")).unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn a_newer_book_is_left_alone() {
    let folder = lived_in();
    let path = file(&folder, "people.db");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 3).unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let (mut profile, notices) = open(&folder);
    assert_eq!(notices, [Notice::NewerBook]);
    assert_eq!(profile.book().contacts().unwrap(), []);
    profile.book().met(&FRIEND, "Berta", &[], 6).unwrap();
    assert!(matches!(profile.replace_identity(key(3)), Err(ProfileError::NoBook)));
    drop(profile);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_book_is_moved_aside() {
    let whole = fs::read(file(&lived_in(), "people.db")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
        bytes
    };
    let page = 4096;
    let cases = [
        ("empty", Vec::new()),
        ("no database", b"Dear diary".to_vec()),
        ("cut in the first page", whole[..100].to_vec()),
        ("cut at half", whole[..whole.len() / 2].to_vec()),
        ("cut at a page", whole[..whole.len() - page].to_vec()),
        ("header", flipped(0)),
        ("schema", flipped(100)),
        ("a table's page", flipped(page)),
    ];
    for (what, bytes) in cases {
        let folder = lived_in();
        let identity = open(&folder).0.identity().public();
        fs::write(file(&folder, "people.db"), &bytes).unwrap();
        for round in 1..=2 {
            let (profile, notices) = open(&folder);
            let aside = file(&folder, &format!("people.db.damaged-{round}"));
            assert_eq!(notices, [Notice::DamagedBook(aside.clone())], "{what}");
            assert_eq!(fs::read(&aside).unwrap(), bytes, "{what}");
            assert_eq!(profile.identity().public(), identity, "{what}");
            profile.book().met(&FRIEND, "Berta", &[], 6).unwrap();
            drop(profile);
            assert_eq!(open(&folder).0.book().contacts().unwrap()[0].name, "Berta");
            fs::write(file(&folder, "people.db"), &bytes).unwrap();
        }
    }
}

#[test]
fn a_book_without_our_tables_is_moved_aside() {
    for sql in [
        "CREATE TABLE recipes (x)",
        "CREATE TABLE recipes (x); PRAGMA user_version = 2",
    ] {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(file(&folder, "people.db"))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let (profile, notices) = open(&folder);
        assert_eq!(notices, [Notice::DamagedBook(file(&folder, "people.db.damaged-1"))]);
        profile.book().met(&FRIEND, "Berta", &[], 6).unwrap();
        let aside = Connection::open(file(&folder, "people.db.damaged-1")).unwrap();
        aside.prepare("SELECT x FROM recipes").unwrap();
    }
}

#[test]
fn a_crash_while_the_book_is_made_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file(&folder, "people.db.new"), b"half").unwrap();
    fs::write(file(&folder, "people.db.new-journal"), b"half").unwrap();
    let (profile, notices) = open(&folder);
    assert_eq!(notices, []);
    profile.book().met(&FRIEND, "Anna", &[], 5).unwrap();
    assert!(!file(&folder, "people.db.new").exists());
    assert_eq!(open(&folder).0.book().contacts().unwrap().len(), 1);
}

#[test]
fn whoever_is_removed_is_gone_from_the_file_too() {
    let folder = lived_in();
    let (profile, _) = open(&folder);
    let name = "Wanda Winter";
    profile
        .book()
        .met(&PublicKey([8; 32]), name, &["wss://secret.example".into()], 5)
        .unwrap();
    profile.book().add_missed(&PublicKey([8; 32]), name, 5).unwrap();
    let in_file = |text: &str| {
        let bytes = fs::read(file(&folder, "people.db")).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(in_file(name) && in_file("secret.example"));
    profile.book().remove(&PublicKey([8; 32])).unwrap();
    profile.book().clear_missed().unwrap();
    assert!(!in_file(name) && !in_file("secret.example"));
    assert!(in_file("Anna"));
}

#[test]
fn many_first_starts_at_once_make_one_identity_and_one_book() {
    const STARTS: u8 = 8;
    let folder = tempfile::tempdir().unwrap();
    let together = Barrier::new(usize::from(STARTS));
    let keys: Vec<_> = thread::scope(|scope| {
        let start = |number: u8| {
            let (folder, together) = (&folder, &together);
            scope.spawn(move || {
                together.wait();
                let (profile, notices) = open(folder);
                assert_eq!(notices, []);
                profile
                    .book()
                    .met(&PublicKey([number; 32]), "Somebody", &[], 5)
                    .unwrap();
                profile.book().met(&FRIEND, "Anna", &[], 5).unwrap();
                profile.identity().public()
            })
        };
        let starts: Vec<_> = (100..100 + STARTS).map(start).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    let (profile, _) = open(&folder);
    assert_eq!(profile.identity().public(), keys[0]);
    assert_eq!(profile.book().contacts().unwrap().len(), usize::from(STARTS) + 1);
    assert_eq!(
        profile.book().contact(&FRIEND).unwrap().unwrap().calls,
        u32::from(STARTS)
    );
}

#[test]
fn a_replaced_identity_is_kept() {
    let folder = lived_in();
    let (mut profile, _) = open(&folder);
    let first = fs::read(file(&folder, "identity.key")).unwrap();
    profile.replace_identity(key(1)).unwrap();
    let second = fs::read(file(&folder, "identity.key")).unwrap();
    profile.replace_identity(key(2)).unwrap();
    assert_eq!(profile.identity().public(), key(2).public());
    let (again, notices) = open(&folder);
    assert_eq!((again.identity().public(), notices), (key(2).public(), vec![]));
    assert_eq!(fs::read(file(&folder, "identity.key.old-1")).unwrap(), first);
    assert_eq!(fs::read(file(&folder, "identity.key.old-2")).unwrap(), second);
    assert_eq!(again.book().contacts().unwrap().len(), 1);
}

#[test]
fn a_crash_while_the_key_file_is_written_leaves_the_old_key() {
    let folder = lived_in();
    let identity = open(&folder).0.identity().public();
    fs::write(file(&folder, "identity.key.new"), b"visavis-key-1 00").unwrap();
    let (mut profile, notices) = open(&folder);
    assert_eq!((profile.identity().public(), notices), (identity, vec![]));
    profile.replace_identity(key(1)).unwrap();
    assert_eq!(open(&folder).0.identity().public(), key(1).public());
}

#[test]
fn a_key_file_put_there_by_hand_is_used_and_told() {
    let (folder, other) = (lived_in(), lived_in());
    let was = open(&folder).0.identity().public();
    fs::copy(file(&other, "identity.key"), file(&folder, "identity.key")).unwrap();
    let (profile, notices) = open(&folder);
    assert_eq!(profile.identity().public(), open(&other).0.identity().public());
    assert_eq!(notices, [Notice::IdentityChanged { was }]);
    assert_eq!(open(&folder).1, []);
}

#[test]
fn a_damaged_key_file_is_moved_aside() {
    let folder = lived_in();
    let was = open(&folder).0.identity().public();
    for (round, damage) in [&b""[..], b"\xff\xff", &[b'x'; 100_000]].into_iter().enumerate() {
        let was = open(&folder).0.identity().public();
        fs::write(file(&folder, "identity.key"), damage).unwrap();
        let (_, notices) = open(&folder);
        let aside = file(&folder, &format!("identity.key.damaged-{}", round + 1));
        assert_eq!(
            notices,
            [Notice::DamagedKey(aside.clone()), Notice::IdentityChanged { was }]
        );
        assert_eq!(fs::read(aside).unwrap(), damage);
    }
    assert_ne!(open(&folder).0.identity().public(), was);
}

#[test]
fn a_key_file_that_cannot_be_read_is_not_replaced() {
    let folder = lived_in();
    fs::remove_file(file(&folder, "identity.key")).unwrap();
    fs::create_dir(file(&folder, "identity.key")).unwrap();
    let (mut profile, notices) = open(&folder);
    assert!(matches!(&notices[..], [Notice::KeyFileTrouble { .. }]), "{notices:?}");
    assert_eq!(*profile.storage(), KeyStorage::Memory);
    let before = profile.identity().public();
    assert!(matches!(
        profile.replace_identity(key(1)),
        Err(ProfileError::KeyFile { .. })
    ));
    assert_eq!(profile.identity().public(), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, "file");
    fs::write(&file, b"").unwrap();
    let error = Profile::open(Some(&file), KeyStoreKind::File, &mut Entropy::from_seed([1; 32]))
        .err()
        .unwrap();
    assert!(matches!(error, ProfileError::Folder { .. }));
    assert!(error.to_string().starts_with("The folder "), "{error}");
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_can_read_anything() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/profile");
        let (mut profile, _) = open_path(&folder);
        profile.replace_identity(key(1)).unwrap();
        assert_eq!(mode(&folder), 0o700);
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4);
    }

    #[test]
    fn a_copy_of_an_older_book_is_private_too() {
        let folder = tempfile::tempdir().unwrap();
        write_version_1(&folder);
        open(&folder);
        assert_eq!(mode(&file(&folder, "people.db.version-1")), 0o600);
    }

    #[test]
    fn a_key_file_that_others_could_read_is_repaired_and_told() {
        let folder = lived_in();
        let path = file(&folder, "identity.key");
        let identity = open(&folder).0.identity().public();
        for open_to_others in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open_to_others)).unwrap();
            let (profile, notices) = open(&folder);
            assert_eq!(notices, [Notice::KeyFileWasOpen(path.clone())]);
            assert_eq!(profile.identity().public(), identity);
            assert_eq!(mode(&path), 0o600);
            assert_eq!(open(&folder).1, []);
        }
    }
}
