use super::*;
use proptest::prelude::*;

/// An access unit of NAL units with these (type, length, fill) and four-byte start codes.
fn access_unit(units: &[(u8, usize)]) -> Vec<u8> {
    let mut annex_b = Vec::new();
    for &(kind, length) in units {
        annex_b.extend(START_CODE);
        annex_b.push(0x60 | kind);
        // Never 0, so that no start code arises and no trailing zero is lost.
        annex_b.extend((1..length).map(|index| (index % 255 + 1) as u8));
    }
    annex_b
}

fn put_together(payloads: &[Bytes]) -> Vec<u8> {
    let mut depacketizer = Depacketizer::default();
    for payload in payloads {
        depacketizer.push(payload).expect("our own payloads are well-formed");
    }
    depacketizer.finish().expect("and whole").annex_b.to_vec()
}

#[test]
fn a_key_frame_is_one_stap_a_and_fragments_of_nearly_equal_size() {
    let unit = access_unit(&[(7, 20), (8, 6), (5, 3_000)]);
    let payloads = packetize(&unit);
    assert_eq!(payloads[0][0], 0x78, "STAP-A of importance 3");
    assert_eq!(payloads[0].len(), 1 + 2 + 20 + 2 + 6);
    let sizes: Vec<usize> = payloads[1..].iter().map(Bytes::len).collect();
    assert_eq!(sizes, [1_002, 1_002, 1_001]);
    assert_eq!(payloads[1][..2], [0x7c, 0x85]);
    assert_eq!(payloads[2][..2], [0x7c, 0x05]);
    assert_eq!(payloads[3][..2], [0x7c, 0x45]);
    assert!(starts_key_frame(&payloads[0]) && !starts_key_frame(&payloads[1]));
    assert_eq!(put_together(&payloads), unit);
}

#[test]
fn payloads_share_one_copy() {
    let payloads = packetize(&access_unit(&[(5, 5_000)]));
    let starts: Vec<usize> = payloads.iter().map(|payload| payload.as_ptr() as usize).collect();
    for (pair, payload) in starts.windows(2).zip(payloads.iter()) {
        assert_eq!(pair[1] - pair[0], payload.len());
    }
}

#[test]
fn known_traps_are_refused_and_the_next_unit_is_whole() {
    let mut depacketizer = Depacketizer::default();
    for (payload, error) in [
        (&[0x18, 0, 0, 2][..], Malformed::Truncated),
        (&[0x78, 0, 2, 0x67, 0x42, 0], Malformed::Truncated),
        (&[0x78], Malformed::Truncated),
        (&[0x7c], Malformed::Truncated),
        (&[0x7c, 0x45, 3], Malformed::Fragment),
        (&[0x7c, 0xc5, 3], Malformed::Fragment),
        (&[0x7d, 0x85, 0, 0, 1], Malformed::Type),
        (&[0x00, 1], Malformed::Type),
        (&[0xe5, 1], Malformed::Type),
        (&[0x78, 0, 2, 0x78, 1], Malformed::Type),
    ] {
        let before = depacketizer.malformed();
        assert_eq!(depacketizer.push(payload), Err(error), "{payload:x?}");
        assert_eq!(depacketizer.malformed(), before + 1);
        assert_eq!(depacketizer.finish(), None);
        assert_eq!(depacketizer.push(&[0x65, 9]), Ok(()));
        let unit = depacketizer.finish().expect("nothing is left of the bad one");
        assert_eq!((unit.annex_b, unit.is_key), (&[0, 0, 0, 1, 0x65, 9][..], true));
    }
}

#[test]
fn a_fragment_without_its_end_spoils_its_unit_alone() {
    let mut depacketizer = Depacketizer::default();
    depacketizer.push(&[0x7c, 0x85, 1, 1]).expect("a start");
    assert_eq!(depacketizer.finish(), None);
    assert_eq!(depacketizer.malformed(), 1);
    depacketizer.push(&[0x7c, 0x85, 1, 1]).expect("a start");
    assert_eq!(
        depacketizer.push(&[0x7c, 0x85, 2, 2]),
        Err(Malformed::Fragment),
        "another start"
    );
    assert_eq!(depacketizer.finish(), None);
    depacketizer.push(&[0x7c, 0x85, 3]).expect("a start");
    depacketizer.push(&[0x7c, 0x45, 4]).expect("its end");
    assert_eq!(depacketizer.finish().expect("whole").annex_b, [0, 0, 0, 1, 0x65, 3, 4]);
}

#[test]
fn a_gap_spoils_the_unit() {
    let mut depacketizer = Depacketizer::default();
    depacketizer.push(&[0x7c, 0x85, 1]).expect("a start");
    depacketizer.gap();
    assert_eq!(depacketizer.push(&[0x7c, 0x45, 3]), Err(Malformed::Fragment));
    assert_eq!(depacketizer.finish(), None);
}

#[test]
fn an_endless_fragment_stops_at_the_limit() {
    let mut depacketizer = Depacketizer::default();
    depacketizer.push(&[0x7c, 0x85]).expect("a start");
    let mut more = vec![0x7c, 0x05];
    more.resize(60_000, 1);
    let refused = (0..100).filter(|_| depacketizer.push(&more).is_err()).count();
    assert!(refused > 50);
    assert!(depacketizer.unit.capacity() <= 2 * MAX_ACCESS_UNIT_BYTES);
    assert_eq!(depacketizer.finish(), None);
}

proptest! {
    #[test]
    fn any_access_unit_comes_back_whole(units in proptest::collection::vec((1_u8..24, 1_usize..6_000), 1..12)) {
        let unit = access_unit(&units);
        let payloads = packetize(&unit);
        for payload in payloads.iter() {
            prop_assert!(!payload.is_empty() && payload.len() <= MAX_PAYLOAD_BYTES);
        }
        prop_assert_eq!(put_together(&payloads), unit);
    }

    #[test]
    fn arbitrary_bytes_packetize_without_panic(bytes in proptest::collection::vec(0_u8..4, 0..4_000)) {
        for payload in packetize(&bytes).iter() {
            prop_assert!(!payload.is_empty() && payload.len() <= MAX_PAYLOAD_BYTES);
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic_and_stay_bounded(payloads in proptest::collection::vec(hostile_payload(), 0..60), ends in proptest::collection::vec(any::<bool>(), 60)) {
        let mut depacketizer = Depacketizer::default();
        let mut refused = 0;
        for (payload, end) in payloads.iter().zip(ends) {
            if starts_key_frame(payload) {
                prop_assert!(!payload.is_empty());
            }
            refused += u64::from(depacketizer.push(payload).is_err());
            if end && let Some(unit) = depacketizer.finish() {
                prop_assert!(unit.annex_b.starts_with(&START_CODE));
                prop_assert!(unit.annex_b.len() <= MAX_ACCESS_UNIT_BYTES);
            }
        }
        prop_assert!(depacketizer.malformed() >= refused);
    }

    #[test]
    fn every_truncation_is_refused_or_a_shorter_unit(units in proptest::collection::vec((1_u8..24, 1_usize..2_500), 1..5), which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let payloads = packetize(&access_unit(&units));
        let which = which.index(payloads.len());
        let mut depacketizer = Depacketizer::default();
        for (index, payload) in payloads.iter().enumerate() {
            let payload = if index == which { &payload[..cut.index(payload.len())] } else { &payload[..] };
            if depacketizer.push(payload).is_err() {
                prop_assert_eq!(depacketizer.finish(), None);
                return Ok(());
            }
        }
        if let Some(unit) = depacketizer.finish() {
            prop_assert!(unit.annex_b.len() < access_unit(&units).len());
        }
    }
}

/// Bytes whose first two are likely to mean something.
fn hostile_payload() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![any::<u8>(), Just(0x7c), Just(0x78), Just(0x67), Just(0x65), Just(0x41)];
    let second = prop_oneof![any::<u8>(), Just(0x85), Just(0x05), Just(0x45), Just(0)];
    (
        header,
        second,
        proptest::collection::vec(any::<u8>(), 0..1_500),
        0_usize..1_500,
    )
        .prop_map(|(header, second, mut rest, length)| {
            rest.insert(0, second);
            rest.insert(0, header);
            rest.truncate(length);
            rest
        })
}
