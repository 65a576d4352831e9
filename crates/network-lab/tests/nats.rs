//! NATs, as the sockets behind and before them find them.
#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use common::{GUARD, address, lab, receive, seen_from, socket, socket_at};
use network_lab::Lab;

/// Alice behind a NAT of this kind, and a server with two addresses.
fn behind(nat: &str) -> Option<Lab> {
    lab(&format!(
        "router net\nnat home net {nat}\nhost alice home\nhost server net addresses=2"
    ))
}

/// A socket at the server's second address.
fn elsewhere(lab: &Lab) -> UdpSocket {
    socket_at(lab, "server", lab.addresses("server").expect("a host")[1])
}

/// Whether a packet from `stranger` to `mapped` comes to the socket behind it. What `known` sends after it comes in any
/// case, and both take the same way.
fn lets_in(alice: &UdpSocket, mapped: SocketAddr, stranger: &UdpSocket, known: &UdpSocket) -> bool {
    stranger.send_to(b"stranger", mapped).expect("sent");
    known.send_to(b"known", mapped).expect("sent");
    let first = receive(alice).0;
    if first == b"known" {
        return false;
    }
    assert_eq!((first, receive(alice).0), (b"stranger".to_vec(), b"known".to_vec()));
    true
}

#[test]
fn a_symmetric_nat_has_a_mapping_for_each_destination() {
    let Some(lab) = behind("type=symmetric") else {
        return;
    };
    let (alice, one, two) = (socket(&lab, "alice"), socket(&lab, "server"), elsewhere(&lab));
    let (first, second) = (seen_from(&alice, &one), seen_from(&alice, &two));
    assert_eq!(first.ip(), lab.address("home").expect("a NAT"));
    assert_eq!(first.ip(), second.ip());
    assert_ne!(first.port(), second.port());
    assert_eq!(seen_from(&alice, &one), first);
    assert!(!lets_in(&alice, first, &two, &one));
}

#[test]
fn a_port_restricted_nat_has_one_mapping_and_admits_who_was_spoken_to() {
    let Some(lab) = behind("type=port-restricted") else {
        return;
    };
    let (alice, one, two) = (socket(&lab, "alice"), socket(&lab, "server"), elsewhere(&lab));
    let mapped = seen_from(&alice, &one);
    let other_port = socket(&lab, "server");
    assert!(!lets_in(&alice, mapped, &two, &one));
    assert!(!lets_in(&alice, mapped, &other_port, &one));
    assert_eq!(seen_from(&alice, &two), mapped);
    assert!(lets_in(&alice, mapped, &two, &one));
}

#[test]
fn a_restricted_nat_admits_every_port_of_who_was_spoken_to() {
    let Some(lab) = behind("type=restricted") else {
        return;
    };
    let (alice, one, two) = (socket(&lab, "alice"), socket(&lab, "server"), elsewhere(&lab));
    let mapped = seen_from(&alice, &one);
    let other_port = socket(&lab, "server");
    assert!(lets_in(&alice, mapped, &other_port, &one));
    assert!(!lets_in(&alice, mapped, &two, &one));
    assert_eq!(seen_from(&alice, &two), mapped);
}

#[test]
fn a_full_cone_admits_everybody() {
    let Some(lab) = behind("type=full-cone") else {
        return;
    };
    let (alice, one, two) = (socket(&lab, "alice"), socket(&lab, "server"), elsewhere(&lab));
    let mapped = seen_from(&alice, &one);
    assert!(lets_in(&alice, mapped, &two, &one));
    assert_eq!(seen_from(&alice, &two), mapped);
}

#[test]
fn strangers_do_not_take_a_mapping_away() {
    let Some(lab) = behind("type=port-restricted") else {
        return;
    };
    let (alice, one, two) = (socket(&lab, "alice"), socket(&lab, "server"), elsewhere(&lab));
    let mapped = seen_from(&alice, &one);
    // As when two peers punch: theirs comes first.
    assert!(!lets_in(&alice, mapped, &two, &one));
    assert_eq!(seen_from(&alice, &two), mapped);
}

#[test]
fn a_nat_that_restarts_forgets_its_mappings() {
    let Some(lab) = behind("type=symmetric") else {
        return;
    };
    let (alice, one) = (socket(&lab, "alice"), socket(&lab, "server"));
    let before = seen_from(&alice, &one);
    lab.forget("home").expect("forgotten");
    let after = seen_from(&alice, &one);
    assert_ne!(before, after);
    one.send_to(b"to the old one", before).expect("sent");
    one.send_to(b"to the new one", after).expect("sent");
    assert_eq!(receive(&alice).0, b"to the new one");
    assert!(lab.forget("alice").is_err());
}

#[test]
fn what_allows_only_tcp_443_blocks_all_else() {
    let Some(lab) = behind("only=tcp:443") else {
        return;
    };
    let server = lab.address("server").expect("a host");
    let listen = move |port| move || TcpListener::bind((server, port)).expect("a listener");
    let listener = lab.run("server", listen(443)).expect("a host");
    let other = lab.run("server", listen(444)).expect("a host");
    let connect = move |port| {
        move || {
            let guard = if port == 443 {
                GUARD
            } else {
                std::time::Duration::from_millis(300)
            };
            TcpStream::connect_timeout(&SocketAddr::from((server, port)), guard)
        }
    };
    let mut stream = lab.run("alice", connect(443)).expect("a host").expect("connected");
    stream.write_all(b"through").expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    let mut heard = String::new();
    let (mut accepted, _) = listener.accept().expect("accepted");
    accepted.read_to_string(&mut heard).expect("read");
    assert_eq!(heard, "through");

    assert!(lab.run("alice", connect(444)).expect("a host").is_err());
    let (alice, one) = (socket(&lab, "alice"), socket(&lab, "server"));
    alice.send_to(b"datagram", address(&one)).expect("sent");
    // What comes through TCP afterwards has overtaken nothing: the datagram ended at the NAT.
    accepted.write_all(b"over").expect("written");
    drop(accepted);
    let mut word = String::new();
    stream.read_to_string(&mut word).expect("read");
    assert_eq!(word, "over");
    assert!(common::is_empty(&one));
    drop(other);
}

#[test]
fn what_blocks_udp_passes_tcp() {
    let Some(lab) = behind("block=udp") else {
        return;
    };
    let server = lab.address("server").expect("a host");
    let listener = lab
        .run("server", move || TcpListener::bind((server, 8080)))
        .expect("a host");
    let listener = listener.expect("a listener");
    let (alice, one) = (socket(&lab, "alice"), socket(&lab, "server"));
    alice.send_to(b"datagram", address(&one)).expect("sent");
    let connect = move || TcpStream::connect_timeout(&SocketAddr::from((server, 8080)), GUARD);
    lab.run("alice", connect).expect("a host").expect("connected");
    listener.accept().expect("accepted");
    assert!(common::is_empty(&one));
}
