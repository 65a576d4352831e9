//! Hosts with their interfaces, and labs beside each other.
#![cfg(target_os = "linux")]

mod common;

use std::net::UdpSocket;

use common::{address, lab, receive, seen_from, socket, socket_at};
use network_lab::{Direction, Lab, LabError};

const TWO_WAYS: &str = "router net ipv4-only\nhost alice net if=wifi\nlink alice net if=lte\nhost bob net";

#[test]
fn an_unplugged_interface_refuses_at_once_and_comes_back() {
    let Some(lab) = lab("router net\nhost alice net\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    lab.unplug("alice").expect("unplugged");
    assert!(alice.send_to(b"gone", address(&bob)).is_err());
    lab.plug("alice").expect("plugged");
    alice.send_to(b"back", address(&bob)).expect("sent");
    assert_eq!(receive(&bob).0, b"back");
}

#[test]
fn plugging_what_is_plugged_changes_nothing() {
    let Some(lab) = lab(TWO_WAYS) else {
        return;
    };
    lab.plug("alice/wifi").expect("plugged");
    lab.plug("alice/wifi").expect("plugged");
    let (alice, bob) = (socket(&lab, "alice/wifi"), socket(&lab, "bob"));
    assert_eq!(seen_from(&alice, &bob), address(&alice));
}

#[test]
fn what_is_sent_from_an_address_leaves_by_its_interface() {
    let Some(lab) = lab(TWO_WAYS) else {
        return;
    };
    let bob = socket(&lab, "bob");
    for (link, other) in [("alice/wifi", "alice/lte"), ("alice/lte", "alice/wifi")] {
        let others = lab.counters(other, Direction::Up).expect("a link");
        let alice = socket(&lab, link);
        assert_eq!(seen_from(&alice, &bob), address(&alice));
        assert_eq!(lab.counters(link, Direction::Up).expect("a link").left, 1);
        assert_eq!(lab.counters(other, Direction::Up).expect("a link"), others);
    }
}

#[test]
fn the_second_way_takes_over_when_the_first_is_unplugged() {
    let Some(lab) = lab(TWO_WAYS) else {
        return;
    };
    let bob = socket(&lab, "bob");
    let new_socket = || {
        lab.run("alice", || UdpSocket::bind("0.0.0.0:0"))
            .expect("a host")
            .expect("a socket")
    };
    let from = |socket: &UdpSocket| seen_from(socket, &bob).ip();
    assert_eq!(from(&new_socket()), lab.address("alice/wifi").expect("a link"));
    lab.unplug("alice/wifi").expect("unplugged");
    assert_eq!(from(&new_socket()), lab.address("alice/lte").expect("a link"));
    lab.plug("alice/wifi").expect("plugged");
    assert_eq!(from(&new_socket()), lab.address("alice/wifi").expect("a link"));
}

#[test]
fn a_host_has_as_many_addresses_as_it_was_given() {
    let Some(lab) = lab("router net\nhost server net addresses=3\nhost alice net") else {
        return;
    };
    let alice = socket(&lab, "alice");
    let addresses = lab.addresses("server").expect("a host");
    let ipv4 = addresses.iter().filter(|address| address.is_ipv4());
    assert_eq!(ipv4.clone().count(), 3);
    for address in ipv4 {
        let server = socket_at(&lab, "server", *address);
        assert_eq!(seen_from(&server, &alice).ip(), *address);
    }
}

#[test]
fn a_command_runs_on_its_host() {
    let Some(lab) = lab("router net\nhost alice net\nhost bob net") else {
        return;
    };
    let routes = |host| {
        let output = lab
            .command(host, "cat")
            .expect("a host")
            .arg("/proc/net/fib_trie")
            .output();
        String::from_utf8(output.expect("run").stdout).expect("text")
    };
    let (alice, bob) = (
        lab.address("alice").expect("a host"),
        lab.address("bob").expect("a host"),
    );
    assert!(routes("alice").contains(&alice.to_string()) && !routes("alice").contains(&bob.to_string()));
    assert!(routes("bob").contains(&bob.to_string()));
    assert!(matches!(lab.command("carol", "cat"), Err(LabError::Unknown(_))));
}

#[test]
fn labs_of_one_plan_do_not_hear_each_other() {
    let (Some(one), Some(two)) = (lab(TWO_WAYS), lab(TWO_WAYS)) else {
        return;
    };
    let (here, there) = (socket(&one, "bob"), socket(&two, "bob"));
    let (alice, other) = (socket(&one, "alice"), socket(&two, "alice"));
    alice.send_to(b"here", address(&here)).expect("sent");
    other.send_to(b"there", address(&there)).expect("sent");
    assert_eq!(
        (receive(&here).0, receive(&there).0),
        (b"here".to_vec(), b"there".to_vec())
    );
    assert!(common::is_empty(&here) && common::is_empty(&there));
}

#[test]
fn nothing_of_a_dropped_lab_is_left() {
    let Some(lab) = lab("router net\nhost alice net\nhost bob net") else {
        return;
    };
    let (alice, bob) = (socket(&lab, "alice"), socket(&lab, "bob"));
    drop(lab);
    // The socket holds the namespace, and there is no device in it any more.
    assert!(alice.send_to(b"anybody?", address(&bob)).is_err());
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    assert!(matches!(
        Lab::start("host alice nowhere"),
        Err(LabError::Plan { line: 1, .. })
    ));
}
