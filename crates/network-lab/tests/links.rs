//! What links do to the packets of real sockets.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::{address, is_empty, lab, receive, socket, socket_at, until};
use network_lab::{Direction, Pipe, Profile};

const TWO_HOSTS: &str = "router net ipv4-only\nhost alice net\nhost bob net";

#[test]
fn an_echo_is_never_faster_than_the_delay() {
    let Some(lab) = lab("router net\nhost alice net both=delay=50ms\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    for _ in 0..3 {
        let began = Instant::now();
        alice.send_to(b"ping", address(&bob)).expect("sent");
        let (_, sender) = receive(&bob);
        bob.send_to(b"pong", sender).expect("sent");
        assert_eq!(receive(&alice).0, b"pong");
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    }
}

#[test]
fn a_link_loses_exactly_what_its_model_says() {
    let Some(lab) = lab("router net ipv4-only\nhost alice net seed=11 up=loss=20%,burst=5%:3\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    let mut model = Pipe::new(Profile::parse("loss=20%,burst=5%:3").expect("a profile"), 11);
    let mut expected = Vec::new();
    for number in 0..200_u8 {
        alice.send_to(&[number], address(&bob)).expect("sent");
        model.push(Duration::ZERO, &[number]);
        expected.extend(model.pop(Duration::ZERO));
    }
    assert!((100..190).contains(&expected.len()), "{}", expected.len());
    let received: Vec<Vec<u8>> = expected.iter().map(|_| receive(&bob).0).collect();
    assert_eq!(received, expected);
    let counters = lab.counters("alice", Direction::Up).expect("a link");
    assert_eq!(
        (counters.entered, counters.left, counters.lost),
        (200, expected.len() as u64, 200 - expected.len() as u64)
    );
}

#[test]
fn a_cut_link_swallows_without_a_word() {
    let Some(lab) = lab(TWO_HOSTS) else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    lab.set("alice", Direction::Up, "cut=on").expect("set");
    for _ in 0..10 {
        alice.send_to(b"anybody?", address(&bob)).expect("sent all the same");
    }
    let vanished = || lab.counters("alice", Direction::Up).expect("a link").vanished;
    until("the end of ten packets", || vanished() == 10);
    lab.set("alice", Direction::Up, "cut=off").expect("set");
    alice.send_to(b"again", address(&bob)).expect("sent");
    assert_eq!(receive(&bob).0, b"again");
}

#[test]
fn a_narrow_link_drops_the_tail_of_a_burst() {
    let Some(lab) = lab("router net ipv4-only\nhost alice net up=rate=100kbit,queue=200ms\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    // A second and more of the link's rate.
    for number in 0..100_u8 {
        alice.send_to(&[number; 200], address(&bob)).expect("sent");
    }
    let counters = || lab.counters("alice", Direction::Up).expect("a link");
    until("the end of all", || counters().left + counters().overflowed == 100);
    assert!(counters().overflowed > 0 && counters().left > 0, "{:?}", counters());
    assert_eq!(receive(&bob).0[0], 0);
}

#[test]
fn a_link_changes_while_packets_are_on_their_way() {
    let Some(lab) = lab("router net ipv4-only\nhost alice net up=rate=1kbit,queue=3600s\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    // At this rate they would take minutes.
    for number in 0..20_u8 {
        alice.send_to(&[number; 1000], address(&bob)).expect("sent");
    }
    until("the coming of all", || {
        lab.counters("alice", Direction::Up).expect("a link").entered == 20
    });
    lab.set("alice", Direction::Up, "rate=off").expect("set");
    for number in 0..20 {
        assert_eq!(receive(&bob).0[0], number);
    }
}

#[test]
fn directions_are_set_apart() {
    let Some(lab) = lab(TWO_HOSTS) else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    lab.set("alice", Direction::Down, "loss=100%").expect("set");
    alice.send_to(b"heard", address(&bob)).expect("sent");
    let (word, sender) = receive(&bob);
    assert_eq!(word, b"heard");
    bob.send_to(b"lost", sender).expect("sent");
    until("the loss", || {
        lab.counters("alice", Direction::Down).expect("a link").lost == 1
    });
    assert!(is_empty(&alice));
}

#[test]
fn words_that_make_no_sense_change_nothing() {
    let Some(lab) = lab(TWO_HOSTS) else {
        return;
    };
    assert!(lab.set("alice", Direction::Both, "cut=on,delay=soon").is_err());
    assert!(lab.set("carol", Direction::Both, "cut=on").is_err());
    assert!(lab.set("alice/wan7", Direction::Both, "cut=on").is_err());
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    alice.send_to(b"still there", address(&bob)).expect("sent");
    assert_eq!(receive(&bob).0, b"still there");
}

#[test]
fn ipv6_passes_where_there_is_any() {
    let Some(lab) = lab("router net\nhost alice net\nhost bob net") else {
        return;
    };
    let ipv6 = |host| {
        let all = lab.addresses(host).expect("a host");
        all.into_iter().find(|address| address.is_ipv6())
    };
    let (Some(alice), Some(bob)) = (ipv6("alice"), ipv6("bob")) else {
        eprintln!("not tested: this kernel has no IPv6");
        return;
    };
    let (alice, bob) = (socket_at(&lab, "alice", alice), socket_at(&lab, "bob", bob));
    alice.send_to(b"six", address(&bob)).expect("sent");
    assert_eq!(receive(&bob), (b"six".to_vec(), address(&alice)));
}
