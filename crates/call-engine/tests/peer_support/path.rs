//! A path between two peers that a test controls: every datagram may be lost or late.
//!
//! In: the candidates of the far end. Out: one that leads through this path. Delays are a property of the path, not a
//! means of waiting for something.

#![allow(dead_code, clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use call_core::IceCandidate;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Peer, pass_all};

/// Datagrams under way in one direction.
const UNDER_WAY: usize = 4_096;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
}

/// Decides; sees both directions.
pub type Judge = Arc<Mutex<dyn FnMut(&[u8]) -> Fate + Send>>;

/// Loses nothing.
pub fn kind() -> Judge {
    Arc::new(Mutex::new(|_: &[u8]| Fate::Arrives))
}

/// Whether it belongs to DTLS, by its first byte (RFC 7983, section 7).
pub fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..=63).contains(first))
}

/// Whether it belongs to STUN.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// Lets the two reach each other through the path alone, each datagram `delay` late.
pub fn join(a: &Peer, b: &Peer, delay: Duration, judge: Judge) {
    let inside = Arc::new(Mutex::new(None));
    let sender = Arc::clone(&inside);
    b.carry_to_with(a, move |mut candidate| {
        let port = loopback_port(&candidate)?;
        let mut entrance = sender.lock().unwrap();
        let entrance = entrance.get_or_insert_with(|| open(port, delay, Arc::clone(&judge)));
        candidate.candidate = candidate
            .candidate
            .replacen(&port.to_string(), &entrance.to_string(), 1);
        Some(candidate)
    });
    // The first one's own candidates stay with it: the other learns the path from the checks that come.
    a.carry_to_with(b, |candidate| pass_all(candidate).filter(|_| false));
}

/// The port of a candidate on the loopback interface.
fn loopback_port(candidate: &IceCandidate) -> Option<u16> {
    let mut words = candidate.candidate.split(' ').skip(4);
    (words.next() == Some("127.0.0.1"))
        .then(|| words.next())
        .flatten()
        .and_then(|port| port.parse().ok())
}

/// Gives the port where the path begins.
fn open(destination: u16, delay: Duration, judge: Judge) -> u16 {
    let bind = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        Arc::new(UdpSocket::from_std(socket).unwrap())
    };
    let (near, far) = (bind(), bind());
    let entrance = near.local_addr().unwrap().port();
    let source = Arc::new(Mutex::new(None));
    let destination = Arc::new(Mutex::new(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, destination)))));
    let from_near = Some(Arc::clone(&source));
    carry(
        Arc::clone(&near),
        Arc::clone(&far),
        destination,
        from_near,
        delay,
        Arc::clone(&judge),
    );
    carry(far, near, source, None, delay, judge);
    entrance
}

/// One direction. `learn` is told where datagrams come from.
fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    target: Arc<Mutex<Option<SocketAddr>>>,
    learn: Option<Arc<Mutex<Option<SocketAddr>>>>,
    delay: Duration,
    judge: Judge,
) {
    let (late, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, source)) = from.recv_from(&mut buffer).await {
            if let Some(learn) = &learn {
                *learn.lock().unwrap() = Some(source);
            }
            let datagram = &buffer[..length];
            let fate = (judge.lock().unwrap())(datagram);
            if fate == Fate::Arrives && late.try_send((Instant::now() + delay, datagram.to_vec())).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((at, datagram)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            let target = *target.lock().unwrap();
            if let Some(target) = target {
                to.send_to(&datagram, target).await.ok();
            }
        }
    });
}
