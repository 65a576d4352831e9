//! Sound over a path that loses packets: copies are negotiated, sent once losses show, and come through as packets.

#![allow(clippy::unwrap_used)]

mod peer_support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use call_core::{IceMode, OfferAcceptance, TransportState};
use call_engine::peer::PeerStatistics;
use call_media::frame::{EncodedFrame, SendTimings, StreamKind};
use peer_support::path::{Fate, Judge, join};
use peer_support::{PATIENCE, Peer};

const OPUS: u8 = 111;
const RED: u8 = 63;
const TICKS: u32 = 960;
/// The test's microphone is four times as fast as a real one, so that losses show sooner.
const BEAT: Duration = Duration::from_millis(5);
const WAY: Duration = Duration::from_millis(5);

/// The payload type of an RTP datagram; those of RTCP are 64 to 95 with the marker bit (RFC 5761, section 4).
fn payload_type(datagram: &[u8]) -> Option<u8> {
    let format = datagram.get(1)? & 0x7f;
    ((128..192).contains(&datagram[0]) && !(64..96).contains(&format)).then_some(format)
}

/// Loses every eighth packet of sound, and notes the formats seen.
fn losing(seen: Arc<Mutex<BTreeSet<u8>>>) -> Judge {
    let mut sound = 0_u32;
    Arc::new(Mutex::new(move |datagram: &[u8]| {
        let Some(format) = payload_type(datagram).filter(|format| [OPUS, RED].contains(format)) else {
            return Fate::Arrives;
        };
        seen.lock().unwrap().insert(format);
        sound += 1;
        if sound.is_multiple_of(8) {
            Fate::Lost
        } else {
            Fate::Arrives
        }
    }))
}

/// Packet `number`: 20 ms of CELT as far as its first byte goes.
fn payload(number: u32) -> Bytes {
    let mut payload = vec![31 << 3; 60];
    payload[1..5].copy_from_slice(&number.to_be_bytes());
    payload.into()
}

fn sound(number: u32) -> EncodedFrame {
    EncodedFrame {
        kind: StreamKind::Audio,
        payloads: Arc::from([payload(number)]),
        rtp_timestamp: number * TICKS,
        captured_at: Instant::now(),
        key_frame: true,
        audio_level: Some(30),
        timings: SendTimings {
            capture: Duration::ZERO,
            encode: Duration::ZERO,
        },
    }
}

/// Two ends whose descriptions go through `change`, over a path that loses.
async fn pair(change: fn(String) -> String, judge: Judge) -> (Peer, Peer) {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    let offer = change(a.transport.create_offer(IceMode::Keep).await.unwrap());
    let answer = b.accept_offer(offer, OfferAcceptance::Plain).await;
    a.accept_answer(change(answer)).await;
    join(&a, &b, WAY, judge);
    for peer in [&a, &b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
    }
    (a, b)
}

/// Talks until both ends have seen enough.
async fn talk(from: &Peer, to: &Peer, enough: impl Fn(&PeerStatistics, &PeerStatistics) -> bool) -> u32 {
    let mut beat = tokio::time::interval(BEAT);
    let start = Instant::now();
    for number in 0.. {
        beat.tick().await;
        from.transport.send(&sound(number));
        let (sent, received) = (from.transport.statistics(), to.transport.statistics());
        if enough(&sent, &received) {
            return number;
        }
        assert!(start.elapsed() < PATIENCE, "{sent:?} {received:?}");
    }
    unreachable!("the numbers do not end");
}

fn recovered(statistics: &PeerStatistics) -> u64 {
    let of_sound = statistics.received.iter().find(|(kind, _)| *kind == StreamKind::Audio);
    of_sound.unwrap().1.packets_recovered
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_path_loses_comes_with_a_later_packet() {
    let seen = Arc::<Mutex<BTreeSet<u8>>>::default();
    let (a, b) = pair(|sdp| sdp, losing(Arc::clone(&seen))).await;
    talk(&a, &b, |sent, received| {
        sent.sound_copies > 0 && recovered(received) >= 20
    })
    .await;
    let packets = b.audio.packets();
    let first = &packets[0];
    let first_number = u32::from_be_bytes(first.payload[1..5].try_into().unwrap());
    let mut numbers = BTreeSet::new();
    for packet in &packets {
        let number = u32::from_be_bytes(packet.payload[1..5].try_into().unwrap());
        assert_eq!(packet.payload, payload(number), "a copy is the packet itself");
        let steps = number.wrapping_sub(first_number);
        assert_eq!(packet.sequence_number, first.sequence_number.wrapping_add(steps as u16));
        assert_eq!(
            packet.timestamp,
            first.timestamp.wrapping_add(steps.wrapping_mul(TICKS))
        );
        assert!(numbers.insert(number), "{number} came twice");
    }
    let copies = packets.iter().filter(|packet| packet.copy_distance > 0).count();
    assert_eq!(copies as u64, recovered(&b.transport.statistics()));
    let sent = a.transport.statistics();
    assert!(sent.sound_loss > 0.05 && sent.sound_loss < 0.25, "{sent:?}");
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([OPUS, RED]));
}

/// As if the other end had never heard of copies.
fn without_red(sdp: String) -> String {
    let red = RED.to_string();
    let line = |line: &str| {
        let names_red = ["rtpmap", "fmtp", "rtcp-fb"].map(|name| format!("a={name}:{red} "));
        if names_red.iter().any(|start| line.starts_with(start)) {
            return String::new();
        }
        let words = line
            .split(' ')
            .filter(|word| !line.starts_with("m=audio") || *word != red);
        words.collect::<Vec<_>>().join(" ") + "\r\n"
    };
    sdp.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_it_gets_plain_opus() {
    let seen = Arc::<Mutex<BTreeSet<u8>>>::default();
    let (a, b) = pair(without_red, losing(Arc::clone(&seen))).await;
    // Loss enough for two copies, and a hundred packets more.
    let seen_at = talk(&a, &b, |sent, _| sent.sound_loss > 0.09).await;
    talk(&a, &b, |sent, _| {
        let (_, of_sound) = sent.sent.iter().find(|(kind, _)| *kind == StreamKind::Audio).unwrap();
        of_sound.packets > u64::from(seen_at) + 100
    })
    .await;
    assert_eq!(a.transport.statistics().sound_copies, 0);
    assert_eq!(recovered(&b.transport.statistics()), 0);
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([OPUS]));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_offered_and_answered_in_the_words_of_browsers() {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    let offer = a.transport.create_offer(IceMode::Keep).await.unwrap();
    // As Chromium has it: more formats than we know, Opus first.
    let ours = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63";
    assert!(offer.contains(ours), "{offer}");
    let theirs = offer
        .replacen(ours, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126", 1)
        .replacen(
            "a=rtpmap:63 red/48000/2\r\n",
            "a=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n",
            1,
        );
    let answer = b.accept_offer(theirs, OfferAcceptance::Plain).await;
    for description in [&offer, &answer] {
        for line in [
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:63 red/48000/2",
            "a=fmtp:63 111/111",
        ] {
            assert!(description.contains(&format!("{line}\r\n")), "{line}: {description}");
        }
    }
    assert!(answer.contains(&format!("{ours}\r\n")), "{answer}");
}
