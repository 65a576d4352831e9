//! The book against a model of it, and its bounds.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use contact_book::{
    BookError, Contact, KeyStoreKind, MAX_CONTACTS, MAX_MISSED_CALLS, MAX_NAME_CHARS, MAX_SERVER_BYTES, MAX_SERVERS,
    MissedCall, Profile, Verification,
};
use proptest::prelude::*;
use trust::{Entropy, PublicKey};

fn profile() -> Profile {
    Profile::open(None, KeyStoreKind::File, &mut Entropy::from_seed([1; 32]))
        .unwrap()
        .0
}

fn key(number: usize) -> PublicKey {
    let mut key = PublicKey([0; 32]);
    key.0[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn symbols(at_unix_s: u64) -> Verification {
    Verification::Symbols { at_unix_s }
}

fn link(at_unix_s: u64) -> Verification {
    Verification::Link { at_unix_s }
}

#[test]
fn the_first_meeting_names_somebody_and_the_next_ones_do_not() {
    let profile = profile();
    let book = profile.book();
    let servers = ["wss://b".to_owned(), "wss://a".to_owned()];
    let first = book.met(&key(1), "anna", &servers, 10).unwrap();
    let expected = Contact {
        key: key(1),
        name: "anna".into(),
        their_name: "anna".into(),
        first_seen_unix_s: 10,
        last_seen_unix_s: 10,
        calls: 1,
        verified: Verification::No,
        servers: servers.to_vec(),
    };
    assert_eq!(first, expected);
    book.rename(&key(1), "Sister").unwrap();
    book.met(&key(1), "Anna!", &[], 20).unwrap();
    let expected = Contact {
        name: "Sister".into(),
        their_name: "Anna!".into(),
        last_seen_unix_s: 20,
        calls: 2,
        ..expected
    };
    assert_eq!(book.contact(&key(1)).unwrap(), Some(expected));
    let moved = book.met(&key(1), "Anna!", &["wss://c".to_owned()], 30).unwrap();
    assert_eq!(moved.servers, ["wss://c"]);
}

#[test]
fn contacts_stand_by_name() {
    let profile = profile();
    for (number, name) in ["берта", "Anna", "БЕРТА", "anna", "Ärger", "Zoe"]
        .into_iter()
        .enumerate()
    {
        profile.book().met(&key(number), name, &[], 1).unwrap();
    }
    let names: Vec<_> = profile
        .book()
        .contacts()
        .unwrap()
        .into_iter()
        .map(|contact| contact.name)
        .collect();
    assert_eq!(names, ["Anna", "anna", "Zoe", "Ärger", "берта", "БЕРТА"]);
}

#[test]
fn what_is_verified_is_never_downgraded() {
    let profile = profile();
    let book = profile.book();
    book.met(&key(1), "Anna", &[], 1).unwrap();
    let steps = [
        (Verification::No, Verification::No),
        (link(2), link(2)),
        (Verification::No, link(2)),
        (link(3), link(3)),
        (symbols(4), symbols(4)),
        (link(5), symbols(4)),
        (Verification::No, symbols(4)),
        (symbols(6), symbols(6)),
    ];
    for (marked, expected) in steps {
        book.mark_verified(&key(1), marked).unwrap();
        assert_eq!(book.contact(&key(1)).unwrap().unwrap().verified, expected);
        book.met(&key(1), "Anna", &[], 7).unwrap();
        assert_eq!(book.contact(&key(1)).unwrap().unwrap().verified, expected);
    }
}

#[test]
fn strangers_cannot_be_renamed_or_verified() {
    let profile = profile();
    assert!(matches!(
        profile.book().rename(&key(1), "x"),
        Err(BookError::NoSuchContact)
    ));
    assert!(matches!(
        profile.book().mark_verified(&key(1), symbols(1)),
        Err(BookError::NoSuchContact)
    ));
    profile.book().remove(&key(1)).unwrap();
    assert_eq!(profile.book().contact(&key(1)).unwrap(), None);
}

#[test]
fn whoever_is_removed_begins_anew() {
    let profile = profile();
    let book = profile.book();
    book.met(&key(1), "Anna", &["wss://a".to_owned()], 1).unwrap();
    book.mark_verified(&key(1), symbols(1)).unwrap();
    book.remove(&key(1)).unwrap();
    assert_eq!(book.contacts().unwrap(), []);
    let anew = book.met(&key(1), "Anna", &[], 9).unwrap();
    assert_eq!(
        (anew.calls, anew.first_seen_unix_s, anew.verified, anew.servers),
        (1, 9, Verification::No, vec![])
    );
}

#[test]
fn everything_is_bounded() {
    let profile = profile();
    let book = profile.book();
    let name = "я".repeat(MAX_NAME_CHARS + 1);
    let mut servers = vec!["x".repeat(MAX_SERVER_BYTES + 1)];
    servers.extend((0..=MAX_SERVERS).map(|number| format!("wss://{number}")));
    let contact = book.met(&key(1), &name, &servers, u64::MAX).unwrap();
    assert_eq!(contact.name, "я".repeat(MAX_NAME_CHARS));
    assert_eq!(contact.servers, servers[1..=MAX_SERVERS]);
    assert_eq!(contact.last_seen_unix_s, u64::MAX / 2);
    book.rename(&key(1), &name).unwrap();
    assert_eq!(book.contact(&key(1)).unwrap().unwrap().name, "я".repeat(MAX_NAME_CHARS));
    book.add_missed(&key(1), &name, u64::MAX).unwrap();
    assert_eq!(book.missed().unwrap()[0].name, "я".repeat(MAX_NAME_CHARS));
}

#[test]
fn names_are_text_and_nothing_else() {
    let profile = profile();
    let name = "'; DROP TABLE contacts; --\0\u{202e}";
    assert_eq!(profile.book().met(&key(1), name, &[], 1).unwrap().name, name);
    profile.book().rename(&key(1), "").unwrap();
    assert_eq!(profile.book().contacts().unwrap()[0].name, "");
}

#[test]
fn a_full_book_drops_who_is_worth_least() {
    let profile = profile();
    let book = profile.book();
    for number in 0..MAX_CONTACTS {
        book.met(&key(number), "x", &[], 1_000 + number as u64).unwrap();
        let verification = match number {
            0 | 3 => Verification::No,
            1 => link(1),
            _ => symbols(1),
        };
        book.mark_verified(&key(number), verification).unwrap();
    }
    let is_there = |number| book.contact(&key(number)).unwrap().is_some();
    // Known people drop nobody.
    book.met(&key(0), "x", &[], 5_000).unwrap();
    assert_eq!(book.contacts().unwrap().len(), MAX_CONTACTS);
    // 3 was not seen for longest among the unverified; then the link goes, when nobody is unverified.
    for (newcomer, dropped) in [(2_000, 3), (2_001, 0), (2_002, 1)] {
        assert!(is_there(dropped));
        book.met(&key(newcomer), "x", &[], 6_000).unwrap();
        book.mark_verified(&key(newcomer), symbols(1)).unwrap();
        assert!(!is_there(dropped) && is_there(newcomer));
        assert_eq!(book.contacts().unwrap().len(), MAX_CONTACTS);
    }
    assert!(matches!(book.met(&key(3_000), "x", &[], 7_000), Err(BookError::Full)));
    assert!(!is_there(3_000));
    book.remove(&key(2)).unwrap();
    book.met(&key(3_000), "x", &[], 7_000).unwrap();
}

#[test]
fn missed_calls_are_the_newest() {
    let profile = profile();
    let book = profile.book();
    for at in 0..MAX_MISSED_CALLS as u64 + 5 {
        book.add_missed(&key(1), "Anna", at).unwrap();
    }
    let missed = book.missed().unwrap();
    let times: Vec<_> = missed.iter().map(|call| call.at_unix_s).collect();
    assert_eq!(times, (5..MAX_MISSED_CALLS as u64 + 5).rev().collect::<Vec<_>>());
    book.clear_missed().unwrap();
    assert_eq!(book.missed().unwrap(), []);
}

#[derive(Clone, Debug)]
enum Change {
    Met(usize, String, Vec<String>, u64),
    Verify(usize, Verification),
    Rename(usize, String),
    Remove(usize),
    Missed(usize, String, u64),
    ClearMissed,
    Reopen,
}

fn change() -> impl Strategy<Value = Change> {
    let who = 0..4_usize;
    let name = "[a-cA-Cäя ]{0,3}";
    let at = 0..100_u64;
    let servers = prop::collection::vec("wss://[ab]", 0..6);
    let verification = prop_oneof![
        Just(Verification::No),
        at.clone().prop_map(|at_unix_s| Verification::Link { at_unix_s }),
        at.clone().prop_map(|at_unix_s| Verification::Symbols { at_unix_s }),
    ];
    prop_oneof![
        6 => (who.clone(), name, servers, at.clone()).prop_map(|(who, name, servers, at)| Change::Met(who, name, servers, at)),
        4 => (who.clone(), verification).prop_map(|(who, verification)| Change::Verify(who, verification)),
        2 => (who.clone(), name).prop_map(|(who, name)| Change::Rename(who, name)),
        1 => who.clone().prop_map(Change::Remove),
        3 => (who, name, at).prop_map(|(who, name, at)| Change::Missed(who, name, at)),
        1 => Just(Change::ClearMissed),
        1 => Just(Change::Reopen),
    ]
}

/// The book in a few lines. Missed calls are in the order in which they came.
#[derive(Default)]
struct Model {
    contacts: BTreeMap<PublicKey, Contact>,
    missed: Vec<MissedCall>,
}

impl Model {
    fn met(&mut self, key: PublicKey, name: String, servers: Vec<String>, now: u64) {
        let contact = self.contacts.entry(key).or_insert_with(|| Contact {
            key,
            name: name.clone(),
            their_name: String::new(),
            first_seen_unix_s: now,
            last_seen_unix_s: now,
            calls: 0,
            verified: Verification::No,
            servers: Vec::new(),
        });
        contact.their_name = name;
        contact.last_seen_unix_s = now;
        contact.calls += 1;
        if !servers.is_empty() {
            contact.servers = servers.into_iter().take(MAX_SERVERS).collect();
        }
    }

    fn verify(&mut self, key: PublicKey, new: Verification) -> bool {
        let Some(contact) = self.contacts.get_mut(&key) else {
            return false;
        };
        contact.verified = match (contact.verified, new) {
            (old @ Verification::Symbols { .. }, Verification::Link { .. } | Verification::No)
            | (old @ Verification::Link { .. }, Verification::No) => old,
            (_, new) => new,
        };
        true
    }

    fn contacts(&self) -> Vec<Contact> {
        let mut contacts: Vec<_> = self.contacts.values().cloned().collect();
        contacts.sort_by_key(|contact| contact.name.to_lowercase());
        contacts
    }

    fn missed(&self) -> Vec<MissedCall> {
        let mut missed: Vec<_> = self.missed.iter().rev().cloned().collect();
        missed.sort_by_key(|call| std::cmp::Reverse(call.at_unix_s));
        missed
    }
}

/// The same changes to both, and a look at both after each.
fn play(changes: Vec<Change>, open: impl Fn() -> Profile) -> Result<(), TestCaseError> {
    let (mut profile, mut model) = (open(), Model::default());
    for change in changes {
        let book = profile.book();
        match change {
            Change::Met(who, name, servers, now) => {
                let contact = book.met(&key(who), &name, &servers, now).unwrap();
                model.met(key(who), name, servers, now);
                prop_assert_eq!(Some(&contact), model.contacts.get(&key(who)));
            }
            Change::Verify(who, verification) => {
                let marked = book.mark_verified(&key(who), verification).is_ok();
                prop_assert_eq!(marked, model.verify(key(who), verification));
            }
            Change::Rename(who, name) => {
                let renamed = book.rename(&key(who), &name).is_ok();
                prop_assert_eq!(renamed, model.contacts.contains_key(&key(who)));
                if let Some(contact) = model.contacts.get_mut(&key(who)) {
                    contact.name = name;
                }
            }
            Change::Remove(who) => {
                book.remove(&key(who)).unwrap();
                model.contacts.remove(&key(who));
            }
            Change::Missed(who, name, at_unix_s) => {
                book.add_missed(&key(who), &name, at_unix_s).unwrap();
                let key = key(who);
                model.missed.push(MissedCall { key, name, at_unix_s });
            }
            Change::ClearMissed => {
                book.clear_missed().unwrap();
                model.missed.clear();
            }
            Change::Reopen => profile = open(),
        }
        prop_assert_eq!(profile.book().contacts().unwrap(), model.contacts());
        prop_assert_eq!(profile.book().missed().unwrap(), model.missed());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_does_what_its_model_does(mut changes in prop::collection::vec(change(), 0..40)) {
        changes.retain(|change| !matches!(change, Change::Reopen));
        play(changes, profile)?;
    }
}

proptest! {
    // Every change is written through to the disk: few are enough.
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_on_the_disk_does_so_too(changes in prop::collection::vec(change(), 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Profile::open(Some(folder.path()), KeyStoreKind::File, &mut Entropy::from_seed([1; 32]));
        play(changes, || open().unwrap().0)?;
    }
}
