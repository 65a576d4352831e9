//! A path that loses packets: what is lost is asked for again and arrives.

#![allow(clippy::unwrap_used)]

mod peer_support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use call_core::{IceCandidate, IceMode, TransportState};
use call_media::frame::StreamKind;
use peer_support::{CAMERA, Peer, frame, negotiate};
use tokio::net::UdpSocket;

/// Datagrams from this size on are pictures or their repairs.
const LARGE_BYTES: usize = 900;

/// Carries datagrams between two peers over a pair of sockets and loses every seventh large one.
struct LossyPath {
    /// Where the first peer believes the second to be.
    entrance: u16,
}

impl LossyPath {
    async fn to(destination_port: u16) -> Self {
        let local = (Ipv4Addr::LOCALHOST, 0);
        let (near, far) = (
            UdpSocket::bind(local).await.unwrap(),
            UdpSocket::bind(local).await.unwrap(),
        );
        let entrance = near.local_addr().unwrap().port();
        let destination = SocketAddr::from((Ipv4Addr::LOCALHOST, destination_port));
        tokio::spawn(async move {
            let (mut there, mut back) = ([0; 2_048], [0; 2_048]);
            let (mut source, mut large) = (None, 0_u64);
            loop {
                tokio::select! {
                    Ok((length, from)) = near.recv_from(&mut there) => {
                        source = Some(from);
                        large += u64::from(length >= LARGE_BYTES);
                        if length < LARGE_BYTES || !large.is_multiple_of(7) {
                            far.send_to(&there[..length], destination).await.ok();
                        }
                    }
                    Ok((length, _)) = far.recv_from(&mut back) => {
                        if let Some(source) = source {
                            near.send_to(&back[..length], source).await.ok();
                        }
                    }
                }
            }
        });
        Self { entrance }
    }
}

/// The port of a candidate on the loopback interface.
fn loopback_port(candidate: &IceCandidate) -> Option<u16> {
    let mut words = candidate.candidate.split(' ').skip(4);
    (words.next() == Some("127.0.0.1"))
        .then(|| words.next()?.parse().ok())
        .flatten()
}

/// The first peer reaches the second by the lossy path only; the second learns of the first by its checks.
async fn pair_over_a_lossy_path() -> (Peer, Peer) {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    negotiate(&a, &b, IceMode::Keep).await;
    a.carry_to(&b, |_| None);
    let ports = Arc::new(peer_support::Calls::<u16>::default());
    let seen = Arc::clone(&ports);
    b.carry_to_with(&a, move |candidate| {
        if let Some(port) = loopback_port(&candidate) {
            seen.note(port);
        }
        None
    });
    let port = ports.wait_for(|_| true).await;
    let path = LossyPath::to(port).await;
    let entrance = IceCandidate {
        candidate: format!("candidate:1 1 udp 2130706431 127.0.0.1 {} typ host", path.entrance),
        sdp_mid: Some("0".to_owned()),
        sdp_mline_index: Some(0),
        username_fragment: None,
    };
    a.transport.add_candidate(entrance).await.unwrap();
    for peer in [&a, &b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
    }
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_of_pictures_are_repaired() {
    const FRAMES: u32 = 60;
    let (a, b) = pair_over_a_lossy_path().await;
    for count in 1..=FRAMES {
        let mut picture = frame(CAMERA, count * 3_000, 5, 1_000);
        // What stands before a key frame is not worth a repair.
        picture.key_frame = count == 1;
        a.transport.send(&picture);
        // The next frame leaves when most of this one has come, so that no queue of ours overflows.
        b.camera.wait_for(count as usize * 5 - 25.min(count as usize * 5)).await;
    }
    // A gap shows only by what follows it.
    let mut last = frame(CAMERA, 1_000_000, 5, 100);
    last.key_frame = false;
    a.transport.send(&last);
    let packets = b.camera.wait_for(5 * FRAMES as usize + 5).await;
    let mut numbers: Vec<u16> = packets
        .iter()
        .map(|packet| packet.sequence_number.wrapping_sub(packets[0].sequence_number))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 5 * FRAMES as usize + 5);

    let (sent, received) = (a.transport.statistics(), b.transport.statistics());
    let of = |kind: StreamKind| received.received.iter().find(|(other, _)| *other == kind).unwrap().1;
    // A seventh of 300, less the repairs that were lost in their place.
    assert!(of(CAMERA).packets_recovered >= 30, "{:?}", of(CAMERA));
    assert_eq!(of(CAMERA).packets_lost, 0);
    assert_eq!(
        of(CAMERA).packets + of(CAMERA).packets_recovered,
        5 * u64::from(FRAMES) + 5
    );
    let (_, camera) = sent.sent.iter().find(|(kind, _)| *kind == CAMERA).unwrap();
    assert!(camera.retransmitted_packets >= of(CAMERA).packets_recovered);
    // Repairs stop when all is repaired: each is asked for a few times, not for ever.
    assert!(
        camera.retransmitted_packets < 4 * of(CAMERA).packets_recovered,
        "{camera:?}"
    );
}
