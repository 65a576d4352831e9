//! The playout buffer against networks that exist only as numbers.

mod repair;

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::{PlayoutBuffer, PlayoutStatistics};
use crate::codec::opus::{Dtx, Encoded, FRAME_SAMPLES, OpusEncoder};
use crate::frame::{AudioBlock, BLOCK_SAMPLES};
use crate::rtp::RtpPacket;

/// Small seeded generator (Knuth's MMIX constants): tests must not depend on chance.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Three syllables a second with pauses between them: what SILK takes for speech, and so makes copies of.
fn voice(sample: usize) -> f32 {
    let t = sample as f32 / 48_000.0;
    let envelope = ((t * 3.0 * std::f32::consts::TAU).sin() + 0.5).clamp(0.0, 1.0);
    let harmonics = (1..12).map(|n| (t * 150.0 * n as f32 * std::f32::consts::TAU).sin() * 0.08);
    harmonics.sum::<f32>() * envelope
}

/// Packets of a talking sender, 20 ms each, from encoder time zero.
fn speech(packets: usize, expected_loss: f32) -> Vec<Bytes> {
    let mut encoder = OpusEncoder::new().expect("encoder");
    encoder.set_expected_loss(expected_loss).expect("accepted");
    (0..packets)
        .filter_map(|packet| {
            let samples = std::array::from_fn(|i| voice(packet * FRAME_SAMPLES + i));
            match encoder.encode(&samples).expect("encodes") {
                Encoded::Packet(bytes) => Some(bytes),
                Encoded::Silent => None,
            }
        })
        .collect()
}

/// A packet on its way: number, media time in packets, arrival in ms.
struct Sent {
    sequence: u16,
    timestamp: u32,
    arrival_ms: f64,
    payload: Bytes,
}

/// Sends `payloads` at 20 ms intervals; `delay_ms(n)` is the network, `None` loses the packet.
fn send(payloads: &[Bytes], mut delay_ms: impl FnMut(usize) -> Option<f64>) -> Vec<Sent> {
    let mut sent: Vec<Sent> = payloads
        .iter()
        .enumerate()
        .filter_map(|(n, payload)| {
            delay_ms(n).map(|delay| Sent {
                sequence: (n as u16).wrapping_add(65_500),
                timestamp: (n as u32 * 960).wrapping_add(u32::MAX - 5_000),
                arrival_ms: n as f64 * 20.0 + delay,
                payload: payload.clone(),
            })
        })
        .collect();
    sent.sort_by(|a, b| a.arrival_ms.total_cmp(&b.arrival_ms));
    sent
}

struct Heard {
    pcm: Vec<f32>,
    statistics: PlayoutStatistics,
}

/// Plays what arrives; the receiver's clock runs `speed` times as fast as the sender's.
fn listen(sent: &[Sent], total_ms: f64, speed: f64) -> Heard {
    let origin = Instant::now();
    let at = |ms: f64| origin + Duration::from_secs_f64(ms / 1_000.0);
    let mut buffer = PlayoutBuffer::new();
    let mut packets = sent.iter().peekable();
    let mut pcm = Vec::new();
    let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
    let mut time_ms = 3.0;
    while time_ms < total_ms {
        while let Some(packet) = packets.next_if(|packet| packet.arrival_ms <= time_ms) {
            let packet = RtpPacket {
                sequence_number: packet.sequence,
                timestamp: packet.timestamp,
                marker: false,
                payload: packet.payload.clone(),
                arrived_at: at(packet.arrival_ms),
                copy_distance: 0,
            };
            buffer.push(packet).expect("decoder");
        }
        buffer.pop(at(time_ms), &mut block);
        pcm.extend_from_slice(&block);
        time_ms += 10.0 / speed;
    }
    Heard {
        pcm,
        statistics: buffer.statistics(),
    }
}

/// The statistics without the thousand bins of the waiting times.
fn counts(statistics: &PlayoutStatistics) -> String {
    let PlayoutStatistics { buffer, .. } = statistics;
    let rest = PlayoutStatistics {
        buffer: Default::default(),
        ..statistics.clone()
    };
    let text = format!("{rest:?}");
    let text = text.split(", buffer").next().unwrap_or_default();
    format!(
        "{text}, buffer p50 {:?} p95 {:?} max {:?}",
        buffer.quantile_ms(0.5),
        buffer.quantile_ms(0.95),
        buffer.max_ms()
    )
}

fn concealed_ratio(statistics: &PlayoutStatistics) -> f64 {
    statistics.concealed_samples as f64 / statistics.played_samples.max(1) as f64
}

#[test]
fn a_good_network_costs_hardly_any_delay_and_changes_nothing() {
    let sent = send(&speech(500, 0.0), |_| Some(30.0));
    let heard = listen(&sent, 10_000.0, 1.0);
    let buffer = &heard.statistics.buffer;
    assert!(
        buffer.quantile_ms(0.95).expect("measured") <= 20.0,
        "{}",
        counts(&heard.statistics)
    );
    assert_eq!(heard.statistics.concealed_samples, 0);
    assert_eq!(
        heard.statistics.accelerated_samples + heard.statistics.expanded_samples,
        0
    );
    assert_eq!(heard.statistics.packets_lost, 0);
    // The voice itself arrives: power over the last seconds is that of what was sent.
    let power = |pcm: &[f32]| pcm.iter().map(|s| s * s).sum::<f32>() / pcm.len() as f32;
    let original: Vec<f32> = (0..48_000 * 5).map(voice).collect();
    let ratio = power(&heard.pcm[48_000 * 4..48_000 * 9]) / power(&original);
    assert!((0.7..1.3).contains(&ratio), "{ratio}");
}

#[test]
fn jitter_is_learnt_and_let_go_again() {
    let mut chance = Chance(7);
    let sent = send(&speech(2_500, 0.0), |n| {
        let jitter = if (500..1_000).contains(&n) {
            chance.unit() * 60.0
        } else {
            chance.unit()
        };
        Some(30.0 + jitter)
    });
    let heard = listen(&sent, 50_000.0, 1.0);
    assert!(
        concealed_ratio(&heard.statistics) < 0.01,
        "{}",
        counts(&heard.statistics)
    );
    assert!(heard.statistics.expanded_samples > 0 && heard.statistics.accelerated_samples > 0);
    assert!(
        heard.statistics.buffer.quantile_ms(0.5).expect("measured") < 25.0,
        "{}",
        counts(&heard.statistics)
    );
    assert!(heard.statistics.buffer.quantile_ms(0.99).expect("measured") < 110.0);
}

#[test]
fn lost_packets_come_back_from_the_copy_in_the_next_one() {
    let mut chance = Chance(11);
    let sent = send(&speech(1_500, 0.1), |_| (chance.unit() >= 0.1).then_some(30.0));
    let heard = listen(&sent, 30_000.0, 1.0);
    let statistics = &heard.statistics;
    let lost = 1_500 - sent.len() as u64;
    assert!(statistics.packets_lost.abs_diff(lost) <= 1, "{}", counts(statistics));
    // Pauses carry no copies, and of two lost in a row the first is beyond help.
    assert!(
        statistics.fec_recovered_samples > lost * 960 * 5 / 10,
        "{}",
        counts(statistics)
    );
    assert!(concealed_ratio(statistics) < 0.05, "{}", counts(statistics));
}

#[test]
fn without_a_copy_the_gap_is_made_up_and_not_silent() {
    let sent = send(&speech(200, 0.0), |n| (n % 20 != 10).then_some(30.0));
    let heard = listen(&sent, 3_900.0, 1.0);
    assert_eq!(heard.statistics.fec_recovered_samples, 0);
    assert!(
        heard.statistics.concealed_samples >= 8 * 960,
        "{}",
        counts(&heard.statistics)
    );
    // No more blocks are quiet than the pauses of the voice make.
    let quiet = |pcm: &[f32]| {
        let blocks = pcm.chunks(BLOCK_SAMPLES);
        blocks.filter(|block| block.iter().all(|s| s.abs() < 0.003)).count()
    };
    let spoken: Vec<f32> = (48_000..48_000 * 3).map(voice).collect();
    assert!(quiet(&heard.pcm[48_000..48_000 * 3]) <= quiet(&spoken) + 6);
}

#[test]
fn reordered_packets_are_put_in_order_and_duplicates_counted_once() {
    let mut sent = send(&speech(900, 0.0), |n| Some(if n % 7 == 3 { 75.0 } else { 30.0 }));
    let doubles: Vec<Sent> = sent
        .iter()
        .step_by(5)
        .map(|packet| Sent {
            arrival_ms: packet.arrival_ms + 1.0,
            payload: packet.payload.clone(),
            ..*packet
        })
        .collect();
    sent.extend(doubles);
    sent.sort_by(|a, b| a.arrival_ms.total_cmp(&b.arrival_ms));
    let heard = listen(&sent, 18_200.0, 1.0);
    assert_eq!(heard.statistics.packets_received, 900);
    assert_eq!(heard.statistics.packets_lost, 0);
    assert!(
        concealed_ratio(&heard.statistics) < 0.03,
        "{}",
        counts(&heard.statistics)
    );
}

#[test]
fn clocks_that_differ_do_not_add_up() {
    for speed in [1.0005, 0.9995] {
        let sent = send(&speech(3_000, 0.0), |_| Some(30.0));
        let heard = listen(&sent, 60_000.0, speed);
        let buffer = &heard.statistics.buffer;
        assert!(
            buffer.max_ms().expect("measured") < 45.0,
            "{speed}: {}",
            counts(&heard.statistics)
        );
        assert!(
            concealed_ratio(&heard.statistics) < 0.005,
            "{speed}: {}",
            counts(&heard.statistics)
        );
    }
}

#[test]
fn a_stall_is_caught_up_with() {
    // Nothing for 300 ms, then everything at once.
    let sent = send(&speech(1_000, 0.0), |n| {
        Some(if (200..215).contains(&n) {
            30.0 + (215 - n) as f64 * 20.0
        } else {
            30.0
        })
    });
    let heard = listen(&sent, 20_000.0, 1.0);
    assert!(
        heard.statistics.buffer.quantile_ms(0.5).expect("measured") < 40.0,
        "{}",
        counts(&heard.statistics)
    );
    assert!(
        heard.statistics.concealed_samples < 25_000,
        "{}",
        counts(&heard.statistics)
    );
}

#[test]
fn an_announced_silence_is_not_a_loss() {
    let mut encoder = OpusEncoder::new().expect("encoder");
    encoder.set_dtx(Dtx::On).expect("accepted");
    let mut sequence = 0_u16;
    let mut sent = Vec::new();
    for packet in 0..500_usize {
        let talking = !(100..300).contains(&packet);
        let samples = std::array::from_fn(|i| {
            if talking {
                voice(packet * FRAME_SAMPLES + i)
            } else {
                0.0
            }
        });
        if let Encoded::Packet(payload) = encoder.encode(&samples).expect("encodes") {
            sent.push(Sent {
                sequence,
                timestamp: packet as u32 * 960,
                arrival_ms: packet as f64 * 20.0 + 30.0,
                payload,
            });
            sequence += 1;
        }
    }
    assert!(sent.len() < 350, "{}", sent.len());
    let heard = listen(&sent, 9_900.0, 1.0);
    assert_eq!(heard.statistics.packets_lost, 0);
    assert_eq!(heard.statistics.concealed_samples, 0, "{}", counts(&heard.statistics));
    assert!(heard.statistics.comfort_samples > 100_000);
    assert!(heard.statistics.buffer.quantile_ms(0.95).expect("measured") <= 25.0);
}

#[test]
fn a_sender_that_starts_over_is_followed_and_a_stray_packet_is_not() {
    let payloads = speech(300, 0.0);
    let mut sent = send(&payloads[..100], |_| Some(30.0));
    sent.push(Sent {
        sequence: 20_000,
        timestamp: 99,
        arrival_ms: 1_000.0,
        payload: payloads[0].clone(),
    });
    sent.sort_by(|a, b| a.arrival_ms.total_cmp(&b.arrival_ms));
    for (n, payload) in payloads[100..].iter().enumerate() {
        sent.push(Sent {
            sequence: 33_000 + n as u16,
            timestamp: 3_000_000_000 + n as u32 * 960,
            arrival_ms: 2_100.0 + n as f64 * 20.0,
            payload: payload.clone(),
        });
    }
    let heard = listen(&sent, 6_200.0, 1.0);
    // The stray one, and the first of the new stream, which nothing vouches for.
    assert_eq!(heard.statistics.packets_malformed, 2, "{}", counts(&heard.statistics));
    assert_eq!(heard.statistics.packets_received, 299);
    assert_eq!(heard.statistics.packets_lost, 0);
    assert!(
        heard.statistics.concealed_samples <= 10_000,
        "{}",
        counts(&heard.statistics)
    );
}

#[test]
fn a_sender_that_is_gone_leaves_silence() {
    let heard = listen(&send(&speech(100, 0.0), |_| Some(30.0)), 8_000.0, 1.0);
    assert!(heard.statistics.concealed_samples <= 48_000 + 480);
    assert!(heard.pcm[48_000 * 4..].iter().all(|sample| *sample == 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes: no panic, bounded work, every sample a number within bounds.
    #[test]
    fn nothing_breaks_it(
        packets in proptest::collection::vec(
            (any::<u16>(), any::<u32>(), 0_u64..500, proptest::collection::vec(any::<u8>(), 0..40)), 0..200),
        near in any::<bool>(),
    ) {
        let origin = Instant::now();
        let mut now = origin + Duration::from_secs(1);
        let mut buffer = PlayoutBuffer::new();
        let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
        for (sequence, timestamp, early_ms, payload) in packets {
            // Half of the runs stay near one stream, so that its inner paths are reached.
            let (sequence, timestamp) = if near { (sequence % 64, timestamp % 100_000) } else { (sequence, timestamp) };
            let packet = RtpPacket {
                sequence_number: sequence,
                timestamp,
                marker: false,
                payload: payload.into(),
                arrived_at: now - Duration::from_millis(early_ms),
                copy_distance: 0,
            };
            buffer.push(packet).expect("decoder");
            buffer.pop(now, &mut block);
            prop_assert!(block.iter().all(|sample| sample.is_finite()));
            now += Duration::from_millis(early_ms % 25);
        }
    }
}
