//! Who answers must have the certificate that the description promises: every way of being somebody else ends in words.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod peer_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use call_core::{IceMode, OfferAcceptance, TransportState};
use call_engine::peer::{PeerError, PeerEvent};
use peer_support::path::{Fate, is_dtls, is_stun, join};
use peer_support::{Peer, connected_pair, negotiate, pass_all};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What the design promises: an error by then.
const FAULT_WITHIN: Duration = Duration::from_secs(5);
/// Pairs of peers at a time: more only wait for each other.
const AT_ONCE: usize = 8;
const HEX_DIGITS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corrupted {
    Offer,
    Answer,
}

/// Changes one of the 64 hexadecimal digits, everywhere the fingerprint stands.
fn corrupt(sdp: &str, digit: usize) -> String {
    let marker = "a=fingerprint:sha-256 ";
    let start = sdp.find(marker).unwrap() + marker.len();
    let old = &sdp[start..start + 95];
    let position = digit / 2 * 3 + digit % 2;
    let nibble = u32::from_str_radix(&old[position..=position], 16).unwrap();
    let other = nibble ^ (1 + digit as u32 % 15);
    let mut new = old.to_owned();
    new.replace_range(position..=position, &format!("{other:X}"));
    assert!(!new.eq_ignore_ascii_case(old));
    sdp.replace(old, &new)
}

fn opened(peer: &Peer) -> bool {
    let open = |event: &PeerEvent| {
        matches!(
            event,
            PeerEvent::ControlOpened | PeerEvent::Control(_) | PeerEvent::Transport(TransportState::Connected)
        )
    };
    peer.events.all().iter().any(open)
}

async fn fault(peer: &Peer) -> PeerError {
    match peer.events.wait_for(|event| matches!(event, PeerEvent::Fault(_))).await {
        PeerEvent::Fault(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Both ends say what is wrong in time, and neither opens.
async fn meet_with(corrupted: Corrupted, digit: usize) {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    let change = |sdp: String, at: Corrupted| if at == corrupted { corrupt(&sdp, digit) } else { sdp };
    let offer = a.transport.create_offer(IceMode::Keep).await.unwrap();
    let offer = change(offer, Corrupted::Offer);
    let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await.unwrap();
    let answer = change(answer, Corrupted::Answer);
    a.transport.accept_answer(answer).await.unwrap();
    a.carry_to(&b, pass_all);
    b.carry_to(&a, pass_all);
    let both = async { (fault(&a).await, fault(&b).await) };
    let (at_a, at_b) = tokio::time::timeout(FAULT_WITHIN, both)
        .await
        .unwrap_or_else(|_| panic!("no error in time: {corrupted:?} {digit}"));
    for error in [at_a, at_b] {
        assert!(matches!(error, PeerError::Fingerprint(_)), "{error}");
    }
    assert!(!opened(&a) && !opened(&b), "{corrupted:?} {digit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_digit_anywhere_and_nothing_opens() {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut meetings = JoinSet::new();
    for corrupted in [Corrupted::Offer, Corrupted::Answer] {
        for digit in 0..HEX_DIGITS {
            let places = Arc::clone(&places);
            meetings.spawn(async move {
                let _place = places.acquire().await.unwrap();
                meet_with(corrupted, digit).await;
            });
        }
    }
    assert_eq!(meetings.join_all().await.len(), 2 * HEX_DIGITS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_must_promise_exactly_one_sha_256() {
    let offer = Peer::new(1).await.transport.create_offer(IceMode::Keep).await.unwrap();
    let line = offer.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap();
    let with = |new: &str| offer.replace(&format!("{line}\r\n"), new);
    let other = corrupt(&format!("{line}\r\n"), 5);
    let cases = [
        with(""),
        with(&format!("{line}\r\n{other}")),
        with(&format!("{line}\r\na=fingerprint:sha-1 {}\r\n", ["AB"; 20].join(":"))),
        offer.replace("sha-256", "sha-1"),
        offer.replace("sha-256", "md5"),
        with("a=fingerprint:sha-256 garbage\r\n"),
        with(&format!("{line}:AB\r\n")),
        with(&format!("{}\r\n", &line[..line.len() - 3])),
    ];
    let peer = Peer::new(2).await;
    for sdp in cases {
        let error = peer
            .transport
            .accept_offer(sdp.clone(), OfferAcceptance::Plain)
            .await
            .unwrap_err();
        assert!(matches!(error, PeerError::Fingerprint(_)), "{error}: {sdp}");
    }
    // Nothing of it was set: the honest one is still the first.
    peer.transport
        .accept_offer(offer, OfferAcceptance::Plain)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_during_a_call_is_refused_and_the_call_goes_on() {
    let (a, b) = connected_pair().await;
    let offer = a.transport.create_offer(IceMode::Keep).await.unwrap();
    let error = b
        .transport
        .accept_offer(corrupt(&offer, 9), OfferAcceptance::Plain)
        .await
        .unwrap_err();
    assert!(matches!(error, PeerError::Fingerprint(_)), "{error}");
    let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await.unwrap();
    a.transport.accept_answer(answer).await.unwrap();
    a.transport
        .send_control(Bytes::from_static(b"still here"))
        .await
        .unwrap();
    b.wait_for_control(b"still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_lets_only_checks_through_ends_in_words() {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    negotiate(&a, &b, IceMode::Keep).await;
    let only_stun = |datagram: &[u8]| if is_stun(datagram) { Fate::Arrives } else { Fate::Lost };
    join(&a, &b, Duration::ZERO, Arc::new(Mutex::new(only_stun)));
    for peer in [&a, &b] {
        let error = fault(peer).await;
        assert!(error.to_string().contains("nothing encrypted"), "{error}");
        assert!(!opened(peer));
        assert!(peer.transport.send_control(Bytes::from_static(b"?")).await.is_err());
    }
}

/// Loses the handshake's datagrams of these numbers, in the order in which both ends send them.
fn losing(lost: &'static [u32]) -> Arc<Mutex<impl FnMut(&[u8]) -> Fate + Send>> {
    let mut seen = 0;
    Arc::new(Mutex::new(move |datagram: &[u8]| {
        seen += u32::from(is_dtls(datagram));
        if is_dtls(datagram) && lost.contains(&seen) {
            Fate::Lost
        } else {
            Fate::Arrives
        }
    }))
}

async fn connects_over(delay: Duration, lost: &'static [u32]) {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    negotiate(&a, &b, IceMode::Keep).await;
    join(&a, &b, delay, losing(lost));
    for peer in [&a, &b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
        let statistics = peer.transport.statistics();
        println!(
            "{delay:?}, lost {lost:?}: path after {:?}, encrypted after {:?}",
            statistics.ice_connected_after.unwrap(),
            statistics.dtls_connected_after.unwrap()
        );
    }
}

/// Without losses the handshake is two hellos, the request between them, and three flights.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_path_that_loses_any_part_of_a_handshake_still_connects() {
    let delay = Duration::from_millis(300);
    let losses: [&[u32]; 9] = [&[], &[1], &[2], &[3], &[4], &[5], &[6], &[3, 6, 9], &[2, 4, 6, 8]];
    let mut meetings = JoinSet::new();
    for lost in losses {
        meetings.spawn(connects_over(delay, lost));
    }
    // One second between repeats is less than this round trip: every flight is repeated.
    meetings.spawn(connects_over(Duration::from_millis(600), &[4]));
    assert_eq!(meetings.join_all().await.len(), losses.len() + 1);
}
