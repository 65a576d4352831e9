//! What the tests of running labs share.
#![allow(dead_code, reason = "every test uses a part of it")]

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use network_lab::Lab;

/// Nothing that is expected takes as long as this.
pub const GUARD: Duration = Duration::from_secs(30);

/// A lab, or none where this machine cannot have one.
pub fn lab(plan: &str) -> Option<Lab> {
    if let Some(why) = Lab::unavailable() {
        eprintln!("not tested: {why}");
        return None;
    }
    Some(Lab::start(plan).expect("a lab"))
}

/// A UDP socket of a host, at the first address of its link.
pub fn socket(lab: &Lab, link: &str) -> UdpSocket {
    let node = link.split('/').next().expect("a node");
    socket_at(lab, node, lab.address(link).expect("an address").into())
}

/// A UDP socket of a host, at this address of it.
pub fn socket_at(lab: &Lab, node: &str, address: IpAddr) -> UdpSocket {
    let bound = lab.run(node, move || UdpSocket::bind((address, 0))).expect("a node");
    let socket = bound.expect("a socket");
    socket.set_read_timeout(Some(GUARD)).expect("set");
    socket
}

/// Where a socket is bound.
pub fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}

/// What comes next, and from where.
pub fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, sender) = socket.recv_from(&mut buffer).expect("received");
    (buffer[..length].to_vec(), sender)
}

/// From where a socket's packets to another seem to come.
pub fn seen_from(from: &UdpSocket, to: &UdpSocket) -> SocketAddr {
    from.send_to(b"who am I?", address(to)).expect("sent");
    let (word, sender) = receive(to);
    assert_eq!(word, b"who am I?");
    sender
}

/// Whether nothing waits to be received.
pub fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).expect("set");
    let received = socket.recv_from(&mut [0; 2048]);
    socket.set_nonblocking(false).expect("set");
    matches!(received, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < GUARD, "{what} never happened");
        std::thread::yield_now();
    }
}
