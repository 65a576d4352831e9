//! Sound that is sent more than once, from the encoder to the ear, over networks that lose.

use super::*;
use crate::rtp::red::{RedPacker, unpack};
use crate::send::redundancy::{LossMeter, Redundancy, unrepaired};

const OPUS: u8 = 111;
/// Packets until the sender knows what became of one: 100 ms.
const FEEDBACK: usize = 5;
const WAY_MS: f64 = 30.0;

/// The sending end, as `call-engine` puts it together.
struct Sender {
    encoder: OpusEncoder,
    packer: RedPacker,
    meter: LossMeter,
    redundancy: Redundancy,
    room_bps: u32,
    start: Instant,
    bytes: usize,
}

impl Sender {
    fn new(room_bps: u32) -> Self {
        Self {
            encoder: OpusEncoder::new().expect("encoder"),
            packer: RedPacker::default(),
            meter: LossMeter::default(),
            redundancy: Redundancy::default(),
            room_bps,
            start: Instant::now(),
            bytes: 0,
        }
    }

    /// The payload of packet `number`, and whether it is RED.
    fn packet(&mut self, number: usize) -> (Bytes, bool) {
        let samples = std::array::from_fn(|i| voice(number * FRAME_SAMPLES + i));
        let Encoded::Packet(payload) = self.encoder.encode(&samples).expect("encodes") else {
            panic!("speech is sent");
        };
        let now = self.start + Duration::from_millis(number as u64 * 20);
        let loss = self.meter.loss();
        let copies = self.redundancy.next(now, payload.len(), loss, self.room_bps);
        if number.is_multiple_of(50) {
            let left = unrepaired(loss, copies);
            self.encoder.set_expected_loss(left).expect("accepted");
        }
        let packed = self.packer.pack(number as u32 * 960, &payload, copies, OPUS);
        let sent = (packed.clone().unwrap_or(payload), packed.is_some());
        self.bytes += sent.0.len();
        sent
    }
}

struct Outcome {
    statistics: PlayoutStatistics,
    bitrate_bps: f64,
}

impl Outcome {
    fn concealed(&self) -> f64 {
        concealed_ratio(&self.statistics)
    }

    fn told(&self) -> String {
        format!("{:.0} bit/s, {}", self.bitrate_bps, counts(&self.statistics))
    }
}

/// A talk of `packets` over a path that loses what `lost` says.
fn talk(packets: usize, room_bps: u32, mut lost: impl FnMut(usize) -> bool) -> Outcome {
    let mut sender = Sender::new(room_bps);
    let origin = Instant::now();
    let at = |ms: f64| origin + Duration::from_secs_f64(ms / 1_000.0);
    let mut buffer = PlayoutBuffer::new();
    let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
    let mut fates = Vec::with_capacity(packets);
    let mut time_ms = WAY_MS + 3.0;
    for number in 0..packets {
        let (payload, red) = sender.packet(number);
        fates.push(lost(number));
        if let Some(known) = number.checked_sub(FEEDBACK) {
            sender.meter.packet(fates[known]);
        }
        let arrived_at = at(number as f64 * 20.0 + WAY_MS);
        if !fates[number] {
            let packet = |payload: Bytes, back: u8, offset: u32| RtpPacket {
                sequence_number: (number as u16).wrapping_sub(u16::from(back)),
                timestamp: (number as u32 * 960).wrapping_sub(offset),
                marker: false,
                payload,
                arrived_at,
                copy_distance: back,
            };
            let primary = if red {
                let unpacked = unpack(&payload, OPUS).expect("RED");
                for copy in unpacked.copies() {
                    let copy = packet(copy.payload, copy.distance, copy.offset);
                    buffer.push(copy).expect("decoder");
                }
                unpacked.primary
            } else {
                payload
            };
            buffer.push(packet(primary, 0, 0)).expect("decoder");
        }
        while time_ms < number as f64 * 20.0 + 20.0 + WAY_MS {
            buffer.pop(at(time_ms), &mut block);
            time_ms += 10.0;
        }
    }
    Outcome {
        statistics: buffer.statistics(),
        bitrate_bps: sender.bytes as f64 * 8.0 / (packets as f64 / 50.0),
    }
}

fn random(loss: f64, seed: u64) -> impl FnMut(usize) -> bool {
    let mut chance = Chance(seed);
    move |_| chance.unit() < loss
}

const MINUTE: usize = 3_000;
const WIDE_BPS: u32 = 2_000_000;

#[test]
fn next_to_nothing_is_made_up_at_any_loss_that_is_still_a_network() {
    for (loss, most_concealed) in [(0.02, 0.01), (0.05, 0.01), (0.1, 0.01), (0.3, 0.05)] {
        for seed in [1, 2] {
            let heard = talk(MINUTE, WIDE_BPS, random(loss, seed));
            let told = heard.told();
            assert!(heard.concealed() <= most_concealed, "{loss}, seed {seed}: {told}");
            assert!(heard.statistics.recovered_samples > 0, "{told}");
            // What a copy brings is still a lost packet.
            let lost = heard.statistics.packets_lost as f64 / MINUTE as f64;
            assert!((lost - loss).abs() < 0.03, "{told}");
        }
    }
}

#[test]
fn a_clean_path_pays_nothing() {
    let plain = speech(MINUTE, 0.0).iter().map(Bytes::len).sum::<usize>() as f64 * 8.0 / 60.0;
    let heard = talk(MINUTE, WIDE_BPS, |_| false);
    assert!((heard.bitrate_bps - plain).abs() < 1.0, "{}", heard.told());
    assert!(
        heard.statistics.buffer.quantile_ms(0.95).expect("measured") <= 20.0,
        "{}",
        heard.told()
    );
    // A packet lost each half minute is not worth a copy, nor a delay.
    let heard = talk(MINUTE, WIDE_BPS, |number| number % 1_500 == 700);
    assert!((heard.bitrate_bps - plain).abs() < 0.01 * plain, "{}", heard.told());
    assert!(
        heard.statistics.buffer.quantile_ms(0.95).expect("measured") <= 20.0,
        "{}",
        heard.told()
    );
}

#[test]
fn the_delay_grows_with_the_copies_that_are_needed_and_shrinks_after() {
    let median = |heard: &Outcome| heard.statistics.buffer.quantile_ms(0.5).expect("measured");
    let little = talk(MINUTE, WIDE_BPS, random(0.05, 4));
    assert!((25.0..45.0).contains(&median(&little)), "{}", little.told());
    let much = talk(MINUTE, WIDE_BPS, random(0.3, 4));
    assert!((55.0..100.0).contains(&median(&much)), "{}", much.told());
    // Twenty seconds of loss, a hundred without.
    let mut chance = random(0.05, 4);
    let passed = talk(2 * MINUTE, WIDE_BPS, |number| chance(number) && number < 1_000);
    assert!(median(&passed) <= 20.0, "{}", passed.told());
}

#[test]
fn a_narrow_path_gets_no_copies_and_still_the_coarse_ones_of_opus() {
    let heard = talk(MINUTE, 60_000, random(0.1, 6));
    assert_eq!(heard.statistics.recovered_samples, 0);
    assert!(heard.statistics.fec_recovered_samples > 0, "{}", heard.told());
    assert!(heard.bitrate_bps < 34_000.0, "{}", heard.told());
}

#[test]
fn short_bursts_are_bridged() {
    // Three in a row every second, after a loss that has brought three copies about.
    let mut chance = random(0.25, 7);
    let heard = talk(MINUTE, WIDE_BPS, |number| {
        if number < 500 { chance(number) } else { number % 12 < 3 }
    });
    assert!(heard.concealed() < 0.03, "{}", heard.told());
}

#[test]
fn copies_neither_count_as_packets_nor_disturb_what_comes() {
    let payloads = speech(400, 0.0);
    let origin = Instant::now();
    let mut buffer = PlayoutBuffer::new();
    let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
    for (number, payload) in payloads.iter().enumerate() {
        let arrived_at = origin + Duration::from_millis(number as u64 * 20);
        // Every packet comes three times more, although none is lost.
        for back in [3_usize, 2, 1, 0] {
            let Some(earlier) = number.checked_sub(back) else {
                continue;
            };
            let packet = RtpPacket {
                sequence_number: earlier as u16,
                timestamp: earlier as u32 * 960,
                marker: false,
                payload: payloads[earlier].clone(),
                arrived_at,
                copy_distance: back as u8,
            };
            buffer.push(packet).expect("decoder");
        }
        for half in 0..2 {
            buffer.pop(arrived_at + Duration::from_millis(3 + 10 * half), &mut block);
        }
        assert!(payload.len() > 2);
    }
    let statistics = buffer.statistics();
    assert_eq!(
        (
            statistics.packets_received,
            statistics.packets_lost,
            statistics.packets_late
        ),
        (400, 0, 0)
    );
    assert_eq!(statistics.recovered_samples + statistics.concealed_samples, 0);
    assert!(statistics.buffer.quantile_ms(0.95).expect("measured") <= 20.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever copies come, of whatever: no panic, every sample a number.
    #[test]
    fn no_copy_breaks_it(
        packets in proptest::collection::vec(
            (any::<u16>(), 0_u32..100_000, 0_u8..6, proptest::collection::vec(any::<u8>(), 0..40)), 0..200),
        near in any::<bool>(),
    ) {
        let mut now = Instant::now();
        let mut buffer = PlayoutBuffer::new();
        let mut block: AudioBlock = [0.0; BLOCK_SAMPLES];
        for (sequence, timestamp, copy_distance, payload) in packets {
            let sequence_number = if near { sequence % 64 } else { sequence };
            let packet = RtpPacket {
                sequence_number,
                timestamp: if near { u32::from(sequence_number) * 960 } else { timestamp },
                marker: false,
                payload: payload.into(),
                arrived_at: now,
                copy_distance,
            };
            buffer.push(packet).expect("decoder");
            buffer.pop(now, &mut block);
            prop_assert!(block.iter().all(|sample| sample.is_finite()));
            now += Duration::from_millis(10);
        }
    }
}
