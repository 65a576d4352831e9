//! Whoever carries the messages of a session may do with them what he likes: nothing but the true next message opens,
//! nothing panics, and in a handshake the true message still works afterwards.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use signaling_protocol::{RoomId, Slot};
use trust::session::{HEADER_BYTES, MAX_NOISE_BYTES, MAX_PAYLOAD_BYTES, inspect};
use trust::{
    Answered, DoorbellKeys, Entropy, IdentityKey, Initiator, Padding, Responder, RoomKeys, Session, SessionError, Terms,
};

const TAG_BYTES: usize = 16;

struct People {
    one: IdentityKey,
    other: IdentityKey,
    entropy: Entropy,
}

fn people(seed: u8) -> People {
    let mut entropy = Entropy::from_seed([seed; 32]);
    People {
        one: IdentityKey::generate(&mut entropy),
        other: IdentityKey::generate(&mut entropy),
        entropy,
    }
}

fn room_terms() -> Terms {
    RoomKeys::from_secret(&[3; 16]).terms(Slot(2), Slot(1))
}

/// All three steps of a handshake, and what travelled.
struct Handshake {
    initiator: Session,
    responder: Session,
    blobs: [Vec<u8>; 3],
}

fn shake_hands(terms: &Terms, people: &mut People) -> Handshake {
    let (initiator, first) = Initiator::start(terms, &people.one, &mut people.entropy);
    let (responder, second) = Responder::answer(terms, &people.other, &mut people.entropy, &first, b"other").unwrap();
    let answered = initiator.receive(&second).unwrap();
    assert_eq!(
        (answered.remote, answered.payload.as_slice()),
        (people.other.public(), &b"other"[..])
    );
    let (third, initiator) = answered.complete(b"one").unwrap();
    let (payload, responder) = responder.complete(&third).unwrap();
    assert_eq!(
        (responder.remote(), payload.as_slice()),
        (people.one.public(), &b"one"[..])
    );
    assert_eq!(initiator.hash(), responder.hash());
    assert_eq!(initiator.id(), responder.id());
    Handshake {
        initiator,
        responder,
        blobs: [first, second, third],
    }
}

/// What can be done to a message, or put in its place.
#[derive(Clone, Debug)]
enum Tampering {
    Truncate(prop::sample::Index),
    Extend(Vec<u8>),
    Flip {
        byte: prop::sample::Index,
        bit: u8,
    },
    FlipLate {
        byte: prop::sample::Index,
        bit: u8,
    },
    Garbage(Vec<u8>),
    GarbageBehindTheHeader(Vec<u8>),
    /// A message of this or another session, as it was or with this one's header.
    Other {
        which: prop::sample::Index,
        header: Header,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Header {
    AsItWas,
    OfTheTrueMessage,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 1..most);
    let header = prop_oneof![Just(Header::AsItWas), Just(Header::OfTheTrueMessage)];
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Tampering::Truncate),
        bytes(40).prop_map(Tampering::Extend),
        (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(byte, bit)| Tampering::Flip { byte, bit }),
        (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(byte, bit)| Tampering::FlipLate { byte, bit }),
        bytes(3000).prop_map(Tampering::Garbage),
        bytes(3000).prop_map(Tampering::GarbageBehindTheHeader),
        (any::<prop::sample::Index>(), header).prop_map(|(which, header)| Tampering::Other { which, header }),
    ]
}

/// The blob that arrives instead of the true one; `None` where that would be the true one.
fn tamper(truth: &[u8], tampering: &Tampering, others: &[Vec<u8>]) -> Option<Vec<u8>> {
    let flip = |at: usize, bit: u8| {
        let mut blob = truth.to_vec();
        blob[at] ^= 1 << bit;
        blob
    };
    let behind_the_header = |rest: &[u8]| [&truth[..HEADER_BYTES], rest].concat();
    let blob = match tampering {
        Tampering::Truncate(length) => truth[..length.index(truth.len())].to_vec(),
        Tampering::Extend(more) => [truth, more].concat(),
        Tampering::Flip { byte, bit } => flip(byte.index(truth.len()), *bit),
        // The padding: what is in front of it has opened by then.
        Tampering::FlipLate { byte, bit } => flip(truth.len() - 1 - byte.index(truth.len() / 2), *bit),
        Tampering::Garbage(bytes) => bytes.clone(),
        Tampering::GarbageBehindTheHeader(bytes) => behind_the_header(bytes),
        Tampering::Other { which, header } => {
            let other = which.get(others);
            match header {
                Header::AsItWas => other.clone(),
                Header::OfTheTrueMessage => behind_the_header(&other[HEADER_BYTES..]),
            }
        }
    };
    (blob != truth).then_some(blob)
}

/// Messages of an earlier session between the same two on the same terms, which a relay may have kept.
fn kept_from_before(people: &mut People) -> Vec<Vec<u8>> {
    let mut before = shake_hands(&room_terms(), people);
    let mut kept = before.blobs.to_vec();
    kept.push(before.initiator.seal(b"earlier", Padding::Small).unwrap());
    kept.push(before.responder.seal(b"earlier", Padding::Small).unwrap());
    kept
}

fn attacked(mut people: People, tampered: &[(usize, Tampering)]) -> Result<(), TestCaseError> {
    let terms = room_terms();
    let mut seen = kept_from_before(&mut people);
    let at = |step: usize| {
        tampered
            .iter()
            .filter(move |(at, _)| *at == step)
            .map(|(_, tampering)| tampering)
    };

    let (mut initiator, first) = Initiator::start(&terms, &people.one, &mut people.entropy);
    for blob in at(0).filter_map(|tampering| tamper(&first, tampering, &seen)) {
        let answer = Responder::answer(&terms, &people.other, &mut people.entropy, &blob, b"");
        // A first message of an earlier session opens: it proves nothing, and its third message never comes.
        prop_assert!(answer.is_err() || seen.contains(&blob));
    }
    let answered = Responder::answer(&terms, &people.other, &mut people.entropy, &first, b"");
    let (mut responder, second) = answered.unwrap();
    seen.push(first);
    for blob in at(1).filter_map(|tampering| tamper(&second, tampering, &seen)) {
        let refused = initiator.receive(&blob);
        prop_assert!(refused.is_err());
        initiator = refused.unwrap_err().0;
    }
    let answered: Answered = initiator.receive(&second).unwrap();
    seen.push(second);
    let (third, mut initiator) = answered.complete(b"").unwrap();
    for blob in at(2).filter_map(|tampering| tamper(&third, tampering, &seen)) {
        let refused = responder.complete(&blob);
        prop_assert!(refused.is_err());
        responder = refused.unwrap_err().0;
    }
    let (_, mut responder) = responder.complete(&third).unwrap();
    seen.push(third);

    let [one, two] = [b"one", b"two"].map(|text| initiator.seal(text, Padding::Description).unwrap());
    // The second before the first, and what the one it is for has sent itself.
    seen.extend([two.clone(), responder.seal(b"reflected", Padding::Small).unwrap()]);
    for blob in at(3).filter_map(|tampering| tamper(&one, tampering, &seen)) {
        prop_assert!(responder.open(&blob).is_err());
    }
    prop_assert_eq!(responder.open(&one), Ok(b"one".to_vec()));
    seen.push(one);
    seen.retain(|blob| *blob != two);
    for blob in at(4).filter_map(|tampering| tamper(&two, tampering, &seen)) {
        prop_assert!(responder.open(&blob).is_err());
    }
    prop_assert_eq!(responder.open(&two), Ok(b"two".to_vec()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(3),
        ..ProptestConfig::default()
    })]

    #[test]
    fn only_the_true_next_message_opens(
        seed: u8,
        tampered in prop::collection::vec((0..5_usize, tampering()), 1..8),
    ) {
        attacked(people(seed), &tampered)?;
    }

    #[test]
    fn every_length_is_that_of_a_padding_step(length in 0..=MAX_PAYLOAD_BYTES, fill: u8) {
        let payload = vec![fill; length];
        let mut pair = shake_hands(&room_terms(), &mut people(1));
        for (padding, step) in [(Padding::Small, 1024), (Padding::Description, 4096)] {
            let blob = pair.initiator.seal(&payload, padding).unwrap();
            prop_assert_eq!((blob.len() - HEADER_BYTES - TAG_BYTES) % step, 0);
            prop_assert!(blob.len() < length + 2 + step + HEADER_BYTES + TAG_BYTES);
            prop_assert!(blob.len() <= 65_535);
            prop_assert!(pair.responder.open(&blob) == Ok(payload.clone()));
        }
    }
}

#[test]
fn payloads_of_the_handshake_are_padded_and_bounded_too() {
    let mut people = people(2);
    let terms = room_terms();
    for length in [0, 1, 1021, 1022, 1023, MAX_PAYLOAD_BYTES] {
        let payload = vec![1; length];
        let padded = (length + 2).next_multiple_of(1024);
        let (initiator, first) = Initiator::start(&terms, &people.one, &mut people.entropy);
        let (responder, second) =
            Responder::answer(&terms, &people.other, &mut people.entropy, &first, &payload).unwrap();
        // An ephemeral key, a static key with its tag, the payload with its tag; then the same without the ephemeral key.
        assert_eq!(second.len(), HEADER_BYTES + 32 + 48 + padded + 16);
        let answered = initiator.receive(&second).unwrap();
        assert_eq!(answered.payload, payload);
        let (third, _) = answered.complete(&payload).unwrap();
        assert_eq!(third.len(), HEADER_BYTES + 48 + padded + 16);
        assert_eq!(responder.complete(&third).unwrap().0, payload);
        assert!(second.len() <= 65_535);
    }
}

#[test]
fn what_is_too_large_is_refused_and_nothing_is_lost() {
    let mut people = people(3);
    let terms = room_terms();
    let large = vec![0; MAX_PAYLOAD_BYTES + 1];
    let refused = SessionError::TooLarge(large.len());
    let (initiator, first) = Initiator::start(&terms, &people.one, &mut people.entropy);
    let answer = Responder::answer(&terms, &people.other, &mut people.entropy, &first, &large);
    assert_eq!(answer.unwrap_err(), refused);
    let (_, second) = Responder::answer(&terms, &people.other, &mut people.entropy, &first, b"").unwrap();
    assert_eq!(
        initiator.receive(&second).unwrap().complete(&large).unwrap_err(),
        refused
    );

    let mut pair = shake_hands(&terms, &mut people);
    for padding in [Padding::Small, Padding::Description] {
        assert_eq!(pair.initiator.seal(&large, padding), Err(refused));
        let blob = pair.initiator.seal(&large[1..], padding).unwrap();
        assert_eq!(pair.responder.open(&blob).unwrap(), large[1..]);
    }
    let mut endless = pair.initiator.seal(b"", Padding::Small).unwrap();
    endless.resize(HEADER_BYTES + MAX_NOISE_BYTES + 1, 0);
    assert_eq!(
        pair.responder.open(&endless),
        Err(SessionError::TooLarge(MAX_NOISE_BYTES + 1))
    );
}

/// The secret, the room and both slots must agree; a contact's doorbell is another place than a room.
#[test]
fn a_first_message_from_elsewhere_does_not_open() {
    let mut people = people(4);
    let keys = RoomKeys::from_secret(&[3; 16]);
    let terms = keys.terms(Slot(2), Slot(1));
    let doorbell = DoorbellKeys::between(&people.one, &people.other.public(), 20_000).unwrap();
    let elsewhere = [
        keys.terms(Slot(1), Slot(2)),
        keys.terms(Slot(3), Slot(1)),
        keys.terms(Slot(2), Slot(3)),
        RoomKeys::from_secret(&[4; 16]).terms(Slot(2), Slot(1)),
        doorbell.terms(Slot(2), Slot(1)),
        Terms {
            psk: terms.psk.clone(),
            prologue: RoomId([0; 16]).0.to_vec(),
        },
    ];
    for other in elsewhere {
        let (_, first) = Initiator::start(&other, &people.one, &mut people.entropy);
        let answer = Responder::answer(&terms, &people.other, &mut people.entropy, &first, b"");
        assert_eq!(answer.unwrap_err(), SessionError::Forged);
    }
}

#[test]
fn a_blob_says_what_it_is() {
    for short in 0..HEADER_BYTES {
        assert_eq!(inspect(&vec![1; short]), Err(SessionError::Malformed));
    }
    for kind in [0, 5, 255] {
        assert_eq!(inspect(&[kind, 1, 2, 3, 4]), Err(SessionError::Malformed));
    }
    let mut people = people(5);
    let (initiator, first) = Initiator::start(&room_terms(), &people.one, &mut people.entropy);
    assert_eq!(inspect(&first).unwrap().1, initiator.id());
    assert_eq!(first.len(), HEADER_BYTES + 32 + TAG_BYTES);
}
