//! Links in virtual time.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn pipe(words: &str) -> Pipe {
    Pipe::new(Profile::parse(words).expect("a profile"), 7)
}

fn packet(number: u32, length: usize) -> Vec<u8> {
    let mut packet = vec![0; length.max(4)];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    packet
}

/// All that leaves, by number and time.
fn drain(pipe: &mut Pipe) -> Vec<(u32, Duration)> {
    let mut out = Vec::new();
    while let Some(due) = pipe.next_due() {
        while let Some(packet) = pipe.pop(due) {
            let number = packet[..4].try_into().expect("four bytes");
            out.push((u32::from_be_bytes(number), due));
        }
    }
    out
}

/// Sends packets of a length, so far apart; what came out, by number and time.
fn send(pipe: &mut Pipe, count: u32, apart: Duration, length: usize) -> Vec<(u32, Duration)> {
    for number in 0..count {
        pipe.push(apart * number, &packet(number, length));
    }
    drain(pipe)
}

/// In milliseconds, of what `send` gave.
fn delays(out: &[(u32, Duration)], apart: Duration) -> Vec<f64> {
    let delay = |(number, at): &(u32, Duration)| (*at - apart * *number).as_secs_f64() * 1e3;
    out.iter().map(delay).collect()
}

fn in_order(out: &[(u32, Duration)]) -> bool {
    out.windows(2).all(|pair| pair[0].0 <= pair[1].0)
}

#[test]
fn a_plain_link_passes_everything_at_once() {
    let out = send(&mut pipe("none"), 100, MS, 100);
    assert_eq!(out.len(), 100);
    assert!(delays(&out, MS).iter().all(|delay| *delay == 0.0));
}

#[test]
fn delay_is_what_was_set() {
    let out = send(&mut pipe("delay=40ms"), 100, MS, 100);
    assert!(delays(&out, MS).iter().all(|delay| *delay == 40.0));
}

#[test]
fn jitter_has_the_set_deviation_and_overtakes_when_allowed() {
    let out = send(&mut pipe("delay=100ms,jitter=10ms,jreorder=on"), 20_000, MS, 100);
    let delays = delays(&out, MS);
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let square = delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / delays.len() as f64;
    assert!((mean - 100.0).abs() < 0.5, "{mean}");
    assert!((square.sqrt() - 10.0).abs() < 0.3, "{}", square.sqrt());
    assert!(!in_order(&out));
}

#[test]
fn jitter_keeps_the_order_by_default() {
    assert!(in_order(&send(&mut pipe("delay=100ms,jitter=30ms"), 20_000, MS, 100)));
}

#[test]
fn correlated_jitter_changes_slowly() {
    let step = |words| {
        let mut out = send(&mut pipe(words), 20_000, MS, 100);
        out.sort_unstable();
        let delays = delays(&out, MS);
        delays.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>()
    };
    let (alone, correlated) = (
        step("delay=200ms,jitter=10ms,jreorder=on"),
        step("delay=200ms,jitter=10ms,jreorder=on,jcorr=0.9"),
    );
    assert!(correlated < 0.5 * alone, "{correlated} {alone}");
}

#[test]
fn loss_is_the_set_share_and_is_counted() {
    let mut pipe = pipe("loss=5%");
    let out = send(&mut pipe, 100_000, MS, 100);
    assert!((out.len() as f64 / 100_000.0 - 0.95).abs() < 0.003, "{}", out.len());
    let counters = pipe.counters();
    assert_eq!(
        (counters.entered, counters.left, counters.lost),
        (100_000, out.len() as u64, 100_000 - out.len() as u64)
    );
}

#[test]
fn bursts_have_the_set_mean_and_length() {
    let out = send(&mut pipe("burst=4%:8"), 400_000, MS, 100);
    let lost = 400_000 - out.len();
    let bursts = out.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1).count();
    assert!((lost as f64 / 400_000.0 - 0.04).abs() < 0.004, "{lost}");
    assert!((lost as f64 / bursts as f64 - 8.0).abs() < 0.5, "{lost} in {bursts}");
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let words = "delay=20ms,jitter=5ms,loss=10%,burst=3%:4,dup=2%,reorder=1%";
    assert_eq!(
        send(&mut pipe(words), 5_000, MS, 100),
        send(&mut pipe(words), 5_000, MS, 100)
    );
    let mut other = Pipe::new(Profile::parse(words).expect("a profile"), 8);
    assert_ne!(send(&mut pipe(words), 5_000, MS, 100), send(&mut other, 5_000, MS, 100));
}

#[test]
fn the_rate_paces_and_the_tail_of_the_queue_is_dropped() {
    // Ten times what fits: a packet takes 10 ms.
    let mut pipe = pipe("rate=1mbit,queue=100ms");
    let out = send(&mut pipe, 1000, MS, 1250);
    let gaps: Vec<Duration> = out.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(gaps.iter().all(|gap| *gap == 10 * MS), "{gaps:?}");
    assert!(delays(&out, MS).iter().all(|delay| *delay <= 110.0));
    assert_eq!(pipe.counters().overflowed as usize + out.len(), 1000);
    assert!((105..=115).contains(&out.len()), "{}", out.len());
}

#[test]
fn what_waits_goes_on_at_the_new_rate() {
    let mut pipe = pipe("rate=1mbit,queue=1s");
    for number in 0..5 {
        pipe.push(Duration::ZERO, &packet(number, 1250));
    }
    // Two and a half are through; the rest takes half the time.
    let faster = pipe.profile().changed("rate=2mbit").expect("a profile");
    pipe.set_profile(25 * MS, faster);
    let at: Vec<u128> = drain(&mut pipe).iter().map(|(_, at)| at.as_micros()).collect();
    assert_eq!(at, [10_000, 20_000, 27_500, 32_500, 37_500]);
}

#[test]
fn without_a_rate_nothing_waits_any_more() {
    let mut pipe = pipe("rate=100kbit,queue=1s,delay=5ms");
    for number in 0..5 {
        pipe.push(Duration::ZERO, &packet(number, 1250));
    }
    let free = pipe.profile().changed("rate=off").expect("a profile");
    pipe.set_profile(20 * MS, free);
    assert_eq!(pipe.wait(20 * MS), Duration::ZERO);
    let out = drain(&mut pipe);
    assert_eq!(out, (0..5).map(|number| (number, 25 * MS)).collect::<Vec<_>>());
}

#[test]
fn a_packet_that_would_wait_too_long_at_the_new_rate_is_dropped() {
    let mut pipe = pipe("rate=10mbit,queue=100ms");
    for number in 0..50 {
        pipe.push(Duration::ZERO, &packet(number, 1250));
    }
    let slower = pipe.profile().changed("rate=1mbit").expect("a profile");
    pipe.set_profile(Duration::ZERO, slower);
    assert_eq!(pipe.wait(Duration::ZERO), 500 * MS);
    pipe.push(MS, &packet(50, 1250));
    assert_eq!(pipe.counters().overflowed, 1);
    assert_eq!(drain(&mut pipe).last(), Some(&(49, 500 * MS)));
}

#[test]
fn duplicates_are_the_set_share() {
    let mut pipe = pipe("dup=10%");
    let out = send(&mut pipe, 10_000, MS, 100);
    assert!(out.len().abs_diff(11_000) < 150, "{}", out.len());
    assert_eq!(pipe.counters().duplicated as usize, out.len() - 10_000);
}

#[test]
fn the_set_share_of_packets_skips_the_delay() {
    let out = send(&mut pipe("delay=20ms,reorder=10%"), 10_000, MS, 100);
    let early = delays(&out, MS).iter().filter(|delay| **delay == 0.0).count();
    assert!(early.abs_diff(1000) < 120, "{early}");
}

#[test]
fn a_cut_link_and_a_narrow_one_swallow() {
    let mut cut = pipe("cut=on");
    assert_eq!(send(&mut cut, 10, MS, 100), []);
    assert_eq!(cut.counters().vanished, 10);
    assert_eq!(send(&mut pipe("mtu=1280"), 10, MS, 1281), []);
    assert_eq!(send(&mut pipe("mtu=1280"), 10, MS, 1280).len(), 10);
}
