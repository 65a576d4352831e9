//! What a server sees of a whole call: no description, address, name or key, in whatever form.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::time::Duration;

use call_core::{Input, LocalIntent, Switch, WhenEmpty};
use world::connection::{ADDRESS, FINGERPRINT, UFRAG};
use world::{World, identity_of};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["Ada Lovelace", "Зоя Космодемьянская", "Grace Hopper"];
const DOORBELL: &str = "wss://doorbell.example:4443";

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of base64 that depend on `bytes` alone, when they begin at one of three places of a longer text.
fn base64_within(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    let bit = |at: usize| padded[at / 8] >> (7 - at % 8) & 1;
    let whole = padded.len() * 8 / 6;
    let first = (before * 8).div_ceil(6);
    let sextet = |at: usize| (0..6).fold(0, |value, offset| value << 1 | bit(at * 6 + offset));
    (first..whole).map(|at| alphabet[usize::from(sextet(at))]).collect()
}

/// A secret in every form that it could leak in.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = |upper: bool| {
        let digits = secret.iter().map(|byte| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        });
        digits.collect::<String>().into_bytes()
    };
    let encoded = [STANDARD, URL_SAFE].map(|alphabet| [0, 1, 2].map(|before| base64_within(secret, before, alphabet)));
    [secret.to_vec(), hex(false), hex(true)]
        .into_iter()
        .chain(encoded.into_iter().flatten())
        .collect()
}

fn secrets() -> Vec<Vec<u8>> {
    let words = [
        "v=0",
        "candidate",
        "ice-ufrag",
        "fingerprint",
        "microphone",
        "description",
        "greeting",
    ];
    let texts = words
        .iter()
        .chain(&NAMES)
        .chain(&[ADDRESS, UFRAG, FINGERPRINT, DOORBELL]);
    let keys = (0..3).map(|end| identity_of(end).public().0.to_vec());
    texts.map(|text| text.as_bytes().to_vec()).chain(keys).collect()
}

/// The first secret that stands in some blob.
fn leak(blobs: &[Vec<u8>]) -> Option<Vec<u8>> {
    // Short forms turn up by chance in so much random text: "v=0" is left to its base64 of three letters or more.
    let is_in = |form: &Vec<u8>| {
        let is_long_enough = form.len() >= 3;
        is_long_enough
            && blobs
                .iter()
                .any(|blob| blob.windows(form.len()).any(|part| part == form))
    };
    secrets().into_iter().find(|secret| {
        // Three bytes meet three random ones once in sixteen million: a megabyte would cry wolf now and then.
        let forms = forms(secret);
        match secret.len() {
            0..=3 => forms.iter().filter(|form| form.len() > 3).any(is_in) || is_followed(blobs, secret),
            _ => forms.iter().any(is_in),
        }
    })
}

/// `v=0` as it begins a description.
fn is_followed(blobs: &[Vec<u8>], secret: &[u8]) -> bool {
    [&b"\r\n"[..], b"\\r\\n"].iter().any(|end| {
        let whole = [secret, end].concat();
        blobs
            .iter()
            .any(|blob| blob.windows(whole.len()).any(|part| part == whole))
    })
}

#[test]
fn a_server_sees_nothing_of_a_whole_call() {
    let mut world = World::new(7);
    world.recorded = Some(Vec::new());
    for name in NAMES {
        world.join_with(WhenEmpty::Wait, |config| {
            config.name = name.to_owned();
            config.trust.doorbell = Some(DOORBELL.to_owned());
        });
        world.run_for(SECOND);
    }
    world.feed(0, Input::Local(LocalIntent::Microphone(Switch::Off)));
    world.feed(1, Input::Local(LocalIntent::RestartIce));
    world.run_for(2 * SECOND);
    world.stop_server();
    world.start_server();
    world.run_for(5 * SECOND);
    world.change_network(2);
    world.run_for(5 * SECOND);
    for (end, other) in [(0, 1), (1, 2), (2, 0)] {
        let participants = world.ends[end].machine.snapshot().participants;
        let met = participants
            .iter()
            .any(|known| known.name == NAMES[other] && known.symbols.is_some());
        assert!(met, "{}", world.describe());
    }
    world.feed(2, Input::Local(LocalIntent::Leave));
    world.run_for(SECOND);
    let blobs: Vec<Vec<u8>> = world
        .recorded
        .take()
        .unwrap()
        .into_iter()
        .map(|passing| passing.blob)
        .collect();
    assert!(blobs.len() > 50, "{} blobs", blobs.len());
    if let Some(secret) = leak(&blobs) {
        panic!("{:?} is there to read", String::from_utf8_lossy(&secret));
    }
    // Lengths tell little: a handful, whatever is said.
    let lengths: std::collections::BTreeSet<usize> = blobs.iter().map(Vec::len).collect();
    assert!(lengths.len() <= 5, "{lengths:?}");
}

#[test]
fn whatever_leaks_is_found() {
    for secret in secrets() {
        for form in forms(&secret).into_iter().filter(|form| form.len() > 3) {
            let blob = [&[0xfa; 40][..], &form, &[0x05; 9]].concat();
            assert!(leak(&[blob]).is_some(), "{:?}", String::from_utf8_lossy(&form));
        }
    }
    assert_eq!(base64_within(b"candidate", 0, STANDARD), b"Y2FuZGlkYXRl");
    assert_eq!(base64_within(b"candidate", 1, STANDARD), b"NhbmRpZGF0Z");
    assert!(leak(&[b"v=0\r\no=-".to_vec()]).is_some());
    assert_eq!(leak(&[vec![7; 4_000]]), None);
}
