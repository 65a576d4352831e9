//! The key and the keyring in all its moods. No test needs a keyring, a D-Bus or a screen.

use std::fs;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::key_keyring::mock::{MockKeyring, Mood};
use crate::key_text;

fn open(folder: &TempDir, keyring: Keyring) -> (Profile, Vec<Notice>) {
    open_seeded(folder, Some(keyring), 1)
}

fn open_seeded(folder: &TempDir, keyring: Option<Keyring>, seed: u8) -> (Profile, Vec<Notice>) {
    Profile::open_folder(folder.path(), keyring, &mut Entropy::from_seed([seed; 32])).unwrap()
}

fn key(seed: u8) -> IdentityKey {
    IdentityKey::generate(&mut Entropy::from_seed([seed; 32]))
}

fn name(folder: &TempDir) -> String {
    keyring_name(&folder.path().canonicalize().unwrap())
}

fn key_file(folder: &TempDir) -> PathBuf {
    folder.path().canonicalize().unwrap().join(KEY_FILE)
}

/// A profile whose key is in a keyring that works.
fn settled() -> (TempDir, Arc<MockKeyring>, IdentityKey) {
    let (folder, mock) = (tempfile::tempdir().unwrap(), MockKeyring::new());
    let (profile, notices) = open(&folder, mock.patient());
    assert_eq!(notices, []);
    assert_eq!(*profile.storage(), KeyStorage::Keyring);
    (folder, mock, profile.identity().clone())
}

fn spoil_book(folder: &TempDir) {
    fs::write(folder.path().join("people.db"), b"no database").unwrap();
}

#[test]
fn a_keyring_keeps_the_key_and_no_file_does() {
    let (folder, mock, identity) = settled();
    assert!(!key_file(&folder).exists());
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 2);
    assert_eq!((again.identity().public(), notices), (identity.public(), vec![]));
}

#[test]
fn two_folders_have_two_keys() {
    let (_first, mock, identity) = settled();
    let second = tempfile::tempdir().unwrap();
    let (other, notices) = open_seeded(&second, Some(mock.patient()), 2);
    assert_eq!((other.storage(), notices), (&KeyStorage::Keyring, vec![]));
    assert_ne!(other.identity().public(), identity.public());
}

#[test]
fn a_folder_that_was_moved_finds_its_key() {
    let (folder, mock, identity) = settled();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join("people.db"), elsewhere.path().join("people.db")).unwrap();
    let (moved, notices) = open_seeded(&elsewhere, Some(mock.patient()), 2);
    assert_eq!((moved.identity().public(), notices), (identity.public(), vec![]));
}

#[test]
fn without_a_keyring_the_key_is_in_a_file_and_stays_there() {
    for mood in [Mood::Absent, Mood::Locked, Mood::Forgetful] {
        let (folder, mock) = (tempfile::tempdir().unwrap(), MockKeyring::new());
        mock.set_mood(mood);
        let (profile, notices) = open(&folder, mock.patient());
        assert_eq!(notices, [Notice::KeyInFile(key_file(&folder))]);
        assert_eq!(*profile.storage(), KeyStorage::File(key_file(&folder)));
        mock.set_mood(Mood::Works);
        let asked = mock.requests();
        let (again, notices) = open_seeded(&folder, Some(mock.patient()), 2);
        assert_eq!(
            (again.identity().public(), notices),
            (profile.identity().public(), vec![])
        );
        assert_eq!(mock.requests(), asked, "a file is enough");
    }
}

#[test]
fn a_late_keyring_does_not_keep_the_start_and_takes_no_second_key() {
    let (folder, mock) = (tempfile::tempdir().unwrap(), MockKeyring::new());
    let silence = mock.silence();
    let (profile, notices) = open(&folder, mock.hasty());
    assert_eq!(notices, [Notice::KeyInFile(key_file(&folder))]);
    drop(silence);
    // Read, write, read back: at the third request the write is done.
    mock.wait_for_requests(3);
    let late = key_text::read(&mock.text(&name(&folder)).unwrap()).unwrap();
    assert_eq!(late.public(), profile.identity().public());
}

#[test]
fn a_keyring_that_cannot_be_read_leads_to_no_new_key() {
    for mood in [Mood::Absent, Mood::Locked] {
        let (folder, mock, identity) = settled();
        let before = mock.text(&name(&folder));
        mock.set_mood(mood);
        let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
        assert_eq!(
            (profile.storage(), notices),
            (&KeyStorage::Memory, vec![Notice::KeyringLocked])
        );
        assert_ne!(profile.identity().public(), identity.public());
        assert!(!key_file(&folder).exists());
        assert_eq!(mock.text(&name(&folder)), before);
        mock.set_mood(Mood::Works);
        let (back, notices) = open_seeded(&folder, Some(mock.patient()), 3);
        assert_eq!((back.identity().public(), notices), (identity.public(), vec![]));
    }
}

#[test]
fn a_late_keyring_that_has_the_key_can_be_asked_again() {
    let (folder, mock, identity) = settled();
    let silence = mock.silence();
    let (mut profile, notices) = open_seeded(&folder, Some(mock.hasty()), 2);
    assert_eq!(notices, [Notice::KeyringLocked]);
    drop(silence);
    profile.ask_keyring_again().unwrap();
    assert_eq!(
        (profile.identity().public(), profile.storage()),
        (identity.public(), &KeyStorage::Keyring)
    );
}

#[test]
fn a_file_is_not_taken_for_a_keyring_when_asked_again() {
    let (folder, mock, identity) = settled();
    let elsewhere = tempfile::tempdir().unwrap();
    let (file, _) = open_seeded(&elsewhere, None, 2);
    mock.put(&name(&elsewhere), key_text::write(&identity).as_bytes());
    fs::remove_file(key_file(&elsewhere)).unwrap();
    fs::create_dir(key_file(&elsewhere)).unwrap();
    let (mut profile, notices) = open_seeded(&elsewhere, Some(mock.patient()), 3);
    assert!(matches!(&notices[..], [Notice::KeyFileTrouble { .. }]), "{notices:?}");
    assert!(matches!(profile.ask_keyring_again(), Err(ProfileError::NoKeyInKeyring)));
    assert_ne!(profile.identity().public(), file.identity().public());
    drop(folder);
}

#[test]
fn whoever_wants_files_only_gets_no_new_identity_for_one_in_the_keyring() {
    let (folder, mock, _) = settled();
    let asked = mock.requests();
    let (profile, notices) = open_seeded(&folder, None, 2);
    assert_eq!(
        (profile.storage(), notices),
        (&KeyStorage::Memory, vec![Notice::KeyringLocked])
    );
    assert_eq!(mock.requests(), asked);
    assert!(!key_file(&folder).exists());
}

#[test]
fn a_key_that_is_gone_from_the_keyring_is_not_made_anew() {
    let (folder, mock, _) = settled();
    mock.forget(&name(&folder));
    let (mut profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
    assert_eq!(
        (profile.storage(), notices),
        (&KeyStorage::Memory, vec![Notice::KeyMissing])
    );
    assert_eq!(mock.names(), [""; 0]);
    // The way out.
    profile.replace_identity(key(9)).unwrap();
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((again.identity().public(), notices), (key(9).public(), vec![]));
}

#[test]
fn what_is_no_key_is_left_in_the_keyring() {
    let (folder, mock, _) = settled();
    for rubbish in [&b"rubbish"[..], b"\xff\xfe"] {
        mock.put(&name(&folder), rubbish);
        let (_, notices) = open_seeded(&folder, Some(mock.patient()), 2);
        assert_eq!(notices, [Notice::KeyringLocked]);
        assert!(!key_file(&folder).exists());
    }
}

#[test]
fn another_key_in_the_keyring_is_used_and_told() {
    let (folder, mock, identity) = settled();
    mock.put(&name(&folder), key_text::write(&key(9)).as_bytes());
    let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
    assert_eq!(profile.identity().public(), key(9).public());
    assert_eq!(notices, [Notice::IdentityChanged { was: identity.public() }]);
    assert_eq!(open_seeded(&folder, Some(mock.patient()), 3).1, []);
}

#[test]
fn a_damaged_book_does_not_cost_the_key() {
    let (folder, mock, identity) = settled();
    spoil_book(&folder);
    mock.set_mood(Mood::Locked);
    for _ in 0..2 {
        let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
        assert_eq!(notices.last(), Some(&Notice::KeyringLocked));
        assert_eq!(*profile.storage(), KeyStorage::Memory);
    }
    mock.set_mood(Mood::Works);
    let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((profile.identity().public(), notices), (identity.public(), vec![]));
}

#[test]
fn a_damaged_book_and_an_empty_keyring_give_a_new_key() {
    let (folder, mock, _) = settled();
    spoil_book(&folder);
    mock.forget(&name(&folder));
    let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
    assert!(matches!(&notices[..], [Notice::DamagedBook(_)]), "{notices:?}");
    assert_eq!(*profile.storage(), KeyStorage::Keyring);
}

#[test]
fn a_newer_book_neither_hides_the_key_nor_lets_one_be_made() {
    let (folder, mock, identity) = settled();
    let book = Connection::open(folder.path().join("people.db")).unwrap();
    book.pragma_update(None, "user_version", 99).unwrap();
    drop(book);
    let (mut profile, notices) = open_seeded(&folder, Some(mock.patient()), 2);
    assert_eq!(
        (profile.identity().public(), notices),
        (identity.public(), vec![Notice::NewerBook])
    );
    assert!(matches!(profile.replace_identity(key(9)), Err(ProfileError::NoBook)));
    mock.forget(&name(&folder));
    let (profile, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!(
        (profile.storage(), notices),
        (&KeyStorage::Memory, vec![Notice::NewerBook, Notice::KeyMissing])
    );
    assert_eq!(mock.names(), [""; 0]);
}

#[test]
fn a_replaced_key_is_kept_under_another_name() {
    let (folder, mock, identity) = settled();
    let (mut profile, _) = open_seeded(&folder, Some(mock.patient()), 2);
    profile.replace_identity(key(9)).unwrap();
    assert_eq!(
        (profile.identity().public(), profile.storage()),
        (key(9).public(), &KeyStorage::Keyring)
    );
    let kept: Vec<_> = mock
        .names()
        .iter()
        .filter_map(|name| key_text::read(&mock.text(name)?))
        .collect();
    let kept: Vec<_> = kept.iter().map(IdentityKey::public).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&identity.public()) && kept.contains(&key(9).public()));
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((again.identity().public(), notices), (key(9).public(), vec![]));
}

#[test]
fn a_crash_while_a_key_is_replaced_leaves_the_old_or_the_new() {
    // Announced, not yet written; then written, not yet recorded.
    let (folder, mock, identity) = settled();
    let (profile, _) = open_seeded(&folder, Some(mock.patient()), 2);
    profile.book.announce_key(&key(9).public()).unwrap();
    let (before, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((before.identity().public(), notices), (identity.public(), vec![]));

    profile.book.announce_key(&key(9).public()).unwrap();
    mock.put(&name(&folder), key_text::write(&key(9)).as_bytes());
    let (after, notices) = open_seeded(&folder, Some(mock.patient()), 4);
    assert_eq!((after.identity().public(), notices), (key(9).public(), vec![]));
    assert_eq!(after.book.key_record().unwrap().unwrap().next, None);
}

#[test]
fn a_key_that_cannot_be_replaced_stays() {
    let (folder, mock, identity) = settled();
    let (mut profile, _) = open_seeded(&folder, Some(mock.patient()), 2);
    for mood in [Mood::Absent, Mood::Locked, Mood::Forgetful] {
        mock.set_mood(mood);
        assert!(matches!(
            profile.replace_identity(key(9)),
            Err(ProfileError::Keyring(_))
        ));
        assert_eq!(profile.identity().public(), identity.public());
    }
    mock.set_mood(Mood::Works);
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((again.identity().public(), notices), (identity.public(), vec![]));
}

#[test]
fn a_keyring_that_is_gone_before_it_confirms_leaves_a_key_that_is_expected() {
    let (folder, mock, identity) = settled();
    let (mut profile, _) = open_seeded(&folder, Some(mock.patient()), 2);
    // The old one is written and read back, the new one is written and not read back.
    mock.set_mood(Mood::WorksUntil(mock.requests() + 3));
    assert!(matches!(
        profile.replace_identity(key(9)),
        Err(ProfileError::Keyring(_))
    ));
    assert_eq!(profile.identity().public(), identity.public());
    mock.set_mood(Mood::Works);
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((again.identity().public(), notices), (key(9).public(), vec![]));
    assert_eq!(mock.names().len(), 2);
}

#[test]
fn an_identity_imported_while_the_keyring_is_locked_goes_into_a_file() {
    let (folder, mock, identity) = settled();
    mock.set_mood(Mood::Locked);
    let (mut profile, _) = open_seeded(&folder, Some(mock.patient()), 2);
    profile.replace_identity(key(9)).unwrap();
    assert_eq!(*profile.storage(), KeyStorage::File(key_file(&folder)));
    mock.set_mood(Mood::Works);
    let (again, notices) = open_seeded(&folder, Some(mock.patient()), 3);
    assert_eq!((again.identity().public(), notices), (key(9).public(), vec![]));
    let untouched = key_text::read(&mock.text(&name(&folder)).unwrap()).unwrap();
    assert_eq!(untouched.public(), identity.public());
}

#[test]
fn no_message_carries_a_key() {
    let (folder, mock, _) = settled();
    let mut text = key_text::write(&key(9)).as_bytes().to_vec();
    text[80] = 0xff;
    mock.put(&name(&folder), &text);
    let error = mock.patient().read(&name(&folder)).unwrap_err();
    assert!(matches!(error, KeyringTrouble::NoKey));
}
