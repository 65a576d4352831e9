use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const LINK_TEXT: &str = "https://visavis.example/j#1.AAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBB";
const ANNA: Slot = Slot(2);

fn code(words: &str) -> SpokenCode {
    SpokenCode::parse(words).unwrap()
}

fn right() -> SpokenCode {
    code("acorn banana zebra")
}

fn wrong() -> SpokenCode {
    code("acorn zebra banana")
}

fn entropy(seed: u8) -> Entropy {
    Entropy::from_seed([seed; 32])
}

fn host() -> SpokenHost {
    SpokenHost::new(right(), LINK_TEXT.to_owned(), &mut entropy(1)).unwrap()
}

fn sent(step: HostStep) -> Vec<u8> {
    match step {
        HostStep::Send(blob) => blob,
        HostStep::WrongTry { .. } | HostStep::Delivered(_) | HostStep::Dead(_) | HostStep::Ignored => {
            panic!("{step:?}")
        }
    }
}

/// Up to the proof, which is not yet given to the host.
fn until_proof(host: &mut SpokenHost, slot: Slot, code: SpokenCode, seed: u8) -> (SpokenGuest, Vec<u8>) {
    let (mut guest, offer) = SpokenGuest::start(code, &mut entropy(seed));
    let answer = sent(host.handle(slot, &offer));
    let Ok(GuestStep::Send(proof)) = guest.handle(&answer) else {
        panic!("an answer is followed by a proof");
    };
    (guest, proof)
}

/// A whole try of one guest.
fn attempt(
    host: &mut SpokenHost,
    slot: Slot,
    code: SpokenCode,
    seed: u8,
) -> (HostStep, Result<GuestStep, SpokenError>) {
    let (mut guest, proof) = until_proof(host, slot, code, seed);
    let step = host.handle(slot, &proof);
    let answer = match &step {
        HostStep::WrongTry { answer, .. } | HostStep::Delivered(answer) | HostStep::Dead(answer) => answer,
        HostStep::Send(_) | HostStep::Ignored => panic!("{step:?}"),
    };
    let end = guest.handle(answer);
    (step, end)
}

#[test]
fn the_right_words_bring_the_link_once() {
    let mut host = host();
    let (step, end) = attempt(&mut host, ANNA, right(), 2);
    assert!(matches!(step, HostStep::Delivered(_)));
    assert_eq!(end, Ok(GuestStep::Link(LINK_TEXT.to_owned())));
    assert_eq!(host.tries_left(), MAX_TRIES);
    let (_, offer) = SpokenGuest::start(right(), &mut entropy(3));
    assert_eq!(host.handle(Slot(3), &offer), HostStep::Ignored);
}

#[test]
fn a_wrong_word_is_told_and_counted() {
    for words in ["acorn zebra banana", "acorn banana apple", "acorn apple zebra"] {
        let mut host = host();
        let (step, end) = attempt(&mut host, ANNA, code(words), 2);
        assert!(matches!(step, HostStep::WrongTry { left: 2, .. }), "{step:?}");
        assert_eq!(end, Err(SpokenError::WrongWords { left: 2 }));
        // The same guest may try again.
        let (_, end) = attempt(&mut host, ANNA, right(), 3);
        assert_eq!(end, Ok(GuestStep::Link(LINK_TEXT.to_owned())));
    }
}

/// The first word is no secret, but it is what was agreed on: the handshake names the place.
#[test]
fn the_secret_words_do_not_work_in_another_place() {
    let (_, end) = attempt(&mut host(), ANNA, code("apple banana zebra"), 2);
    assert_eq!(end, Err(SpokenError::WrongWords { left: 2 }));
}

#[test]
fn three_wrong_tries_kill_the_code() {
    let mut host = host();
    for (seed, left) in [(2, 2), (3, 1)] {
        let (_, end) = attempt(&mut host, Slot(seed.into()), wrong(), seed);
        assert_eq!(end, Err(SpokenError::WrongWords { left }));
    }
    let (step, end) = attempt(&mut host, Slot(4), wrong(), 4);
    assert!(matches!(step, HostStep::Dead(_)));
    assert_eq!(end, Err(SpokenError::Dead));
    let (mut guest, offer) = SpokenGuest::start(right(), &mut entropy(5));
    let HostStep::Dead(answer) = host.handle(ANNA, &offer) else {
        panic!("a dead code stays dead");
    };
    assert_eq!(guest.handle(&answer), Err(SpokenError::Dead));
}

/// Whoever begins and does not end has had a try too, so no number of guests gets more than three guesses.
#[test]
fn tries_that_were_begun_count() {
    let mut host = host();
    let proofs: Vec<_> = (2..5)
        .map(|seed| until_proof(&mut host, Slot(seed.into()), wrong(), seed).1)
        .collect();
    let (_, offer) = SpokenGuest::start(right(), &mut entropy(9));
    assert_eq!(host.handle(Slot(9), &offer), HostStep::Ignored);
    assert_eq!(host.left(Slot(9)), HostStep::Ignored);
    assert!(matches!(host.left(Slot(2)), HostStep::WrongTry { left: 2, .. }));
    assert_eq!(host.handle(Slot(2), &proofs[0]), HostStep::Ignored);
    // Beginning anew gives the last try up, and there is no room for another.
    assert_eq!(host.handle(Slot(3), &offer), HostStep::Ignored);
    assert_eq!(host.tries_left(), 1);
    assert!(matches!(host.handle(Slot(4), &proofs[2]), HostStep::Dead(_)));
    assert!(matches!(host.handle(Slot(9), &offer), HostStep::Dead(_)));
}

#[test]
fn one_guest_alone_has_three_tries_too() {
    let mut host = host();
    for seed in 2..5 {
        until_proof(&mut host, ANNA, wrong(), seed);
    }
    let (_, offer) = SpokenGuest::start(right(), &mut entropy(9));
    assert!(matches!(host.handle(ANNA, &offer), HostStep::Dead(_)));
}

#[test]
fn guests_at_the_same_time_do_not_disturb_each_other() {
    let mut host = host();
    let (_, lost) = until_proof(&mut host, Slot(2), wrong(), 2);
    let (mut guest, proof) = until_proof(&mut host, Slot(3), right(), 3);
    // One's proof is not the other's.
    assert!(matches!(
        host.handle(Slot(2), &lost),
        HostStep::WrongTry { left: 2, .. }
    ));
    let HostStep::Delivered(link) = host.handle(Slot(3), &proof) else {
        panic!("the words were right");
    };
    assert_eq!(guest.handle(&link), Ok(GuestStep::Link(LINK_TEXT.to_owned())));
}

#[test]
fn all_blobs_have_one_length_and_the_link_is_not_in_them() {
    let mut host = host();
    let (mut guest, offer) = SpokenGuest::start(right(), &mut entropy(2));
    let answer = sent(host.handle(ANNA, &offer));
    let Ok(GuestStep::Send(proof)) = guest.handle(&answer) else {
        panic!("an answer is followed by a proof");
    };
    let HostStep::Delivered(link) = host.handle(ANNA, &proof) else {
        panic!("the words were right");
    };
    let (HostStep::WrongTry { answer: refusal, .. }, _) = attempt(&mut self::host(), ANNA, wrong(), 2) else {
        panic!("the words were wrong");
    };
    for blob in [offer, answer, proof, link, refusal] {
        assert_eq!(blob.len(), SPOKEN_BYTES);
        assert!(!blob.windows(7).any(|part| part == b"visavis"));
    }
}

#[test]
fn links_of_every_length_arrive() {
    for length in [0, 1, 1022, 1023, invite::MAX_LINK_BYTES] {
        let link = "x".repeat(length);
        let mut host = SpokenHost::new(right(), link.clone(), &mut entropy(1)).unwrap();
        let (_, end) = attempt(&mut host, ANNA, right(), 2);
        assert_eq!(end, Ok(GuestStep::Link(link)));
    }
    let long = "x".repeat(invite::MAX_LINK_BYTES + 1);
    let refused = SpokenHost::new(right(), long, &mut entropy(1));
    assert_eq!(refused.unwrap_err(), SpokenError::LinkTooLong);
}

/// Somebody in between with wrong words: guest of the host, and host for the guest. Neither side gives it anything
/// that a second guess could be checked against, and each notices.
#[test]
fn in_between_one_guess_at_each_side_is_all_there_is() {
    let mut host = host();
    let mut middle_host = SpokenHost::new(wrong(), "visavis://evil/j".to_owned(), &mut entropy(7)).unwrap();
    let (_, end) = attempt(&mut middle_host, ANNA, right(), 2);
    assert_eq!(end, Err(SpokenError::WrongWords { left: 2 }));
    let (step, end) = attempt(&mut host, ANNA, wrong(), 8);
    assert!(matches!(step, HostStep::WrongTry { left: 2, .. }));
    assert!(end.is_err());

    // Passing SPAKE2 on and putting a link of its own at the end does not work either: the key is not known.
    let (mut guest, proof) = until_proof(&mut host, ANNA, right(), 3);
    let mut own = start_noise(&right(), &[0; 32], Role::Responder, &mut entropy(7));
    assert!(read(&mut own, &proof[1..]).is_none());
    let mut forged = host.handle(ANNA, &proof);
    if let HostStep::Delivered(link) = &mut forged {
        link[100] ^= 1;
        assert_eq!(guest.handle(link), Err(SpokenError::Disturbed));
    }
    assert!(matches!(forged, HostStep::Delivered(_)));
}

/// With the words, but another's exchange: what was recorded does not open in a new one.
#[test]
fn what_was_recorded_is_of_no_use() {
    let mut first = host();
    let (mut guest, offer) = SpokenGuest::start(right(), &mut entropy(2));
    let answer = sent(first.handle(ANNA, &offer));
    let Ok(GuestStep::Send(proof)) = guest.handle(&answer) else {
        panic!("an answer is followed by a proof");
    };
    let mut second = SpokenHost::new(right(), LINK_TEXT.to_owned(), &mut entropy(5)).unwrap();
    sent(second.handle(ANNA, &offer));
    assert!(matches!(
        second.handle(ANNA, &proof),
        HostStep::WrongTry { left: 2, .. }
    ));
}

/// What an attacker may put in the place of a blob.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(any::<u8>(), SPOKEN_BYTES),
        (0..8_u8, prop::collection::vec(any::<u8>(), SPOKEN_BYTES..5000)).prop_map(|(kind, mut blob)| {
            blob[0] = kind;
            blob
        }),
        // A side and something that may be a point.
        (1..3_u8, prop_oneof![Just(0x41), Just(0x42)], any::<[u8; 32]>())
            .prop_map(|(kind, side, point)| { open_blob(kind, &[&[side][..], &point].concat()) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn hostile_bytes_get_nothing(blobs in prop::collection::vec((0..4_u32, hostile()), 1..12)) {
        let mut host = host();
        let (mut guest, offer) = SpokenGuest::start(right(), &mut entropy(2));
        let mut proving = SpokenGuest::start(right(), &mut entropy(3)).0;
        let (_, answer) = start_spake(&right(), Role::Responder, &mut entropy(4));
        proving.handle(&open_blob(ANSWER, &answer)).unwrap();
        for (slot, blob) in blobs {
            let step = host.handle(Slot(slot), &blob);
            prop_assert!(!matches!(step, HostStep::Delivered(_)));
            prop_assert!(host.exchanges.len() + usize::from(host.wrong) <= usize::from(MAX_TRIES));
            let step = guest.handle(&blob);
            prop_assert!(!matches!(step, Ok(GuestStep::Link(_))));
            let step = proving.handle(&blob);
            prop_assert!(!matches!(step, Ok(GuestStep::Link(_))));
        }
        // Still alive, or dead: but not in between.
        let last = host.handle(Slot(9), &offer);
        let full = host.exchanges.len() + usize::from(host.wrong) == usize::from(MAX_TRIES);
        prop_assert!(full || matches!(last, HostStep::Send(_)));
    }
}
