//! What must not work: descriptions of another form, senseless candidates, datagrams from strangers.

#![allow(clippy::unwrap_used)]

mod peer_support;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use call_core::{IceCandidate, IceMode, OfferAcceptance, TransportState};
use call_engine::peer::PeerError;
use peer_support::{CAMERA, Peer, connected_pair, frame};

#[tokio::test(flavor = "multi_thread")]
async fn a_description_of_another_form_is_refused_in_words() {
    let offer = Peer::new(1).await.transport.create_offer(IceMode::Keep).await.unwrap();
    let no_screen = {
        let cut = offer.rfind("m=video").unwrap();
        let end = offer.rfind("m=application").unwrap();
        format!("{}{}", &offer[..cut], &offer[end..])
    };
    let cases = [
        ("garbage".to_owned(), "media sections"),
        (String::new(), "media sections"),
        (no_screen, "media sections"),
        (format!("{offer}{}", "a=x\r\n".repeat(20_000)), "bytes"),
    ];
    for (sdp, word) in cases {
        let peer = Peer::new(2).await;
        let error = peer
            .transport
            .accept_offer(sdp, OfferAcceptance::Plain)
            .await
            .unwrap_err();
        assert!(matches!(error, PeerError::RemoteDescription(_)));
        assert!(error.to_string().contains(word), "{error}");
        // The connection is not spoilt by it.
        peer.transport
            .accept_offer(offer.clone(), OfferAcceptance::Plain)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_descriptions_never_panic() {
    let offer = Peer::new(1).await.transport.create_offer(IceMode::Keep).await.unwrap();
    let peer = Peer::new(2).await;
    let mut refused = 0;
    for cut in (0..offer.len()).step_by(97).filter(|cut| offer.is_char_boundary(*cut)) {
        let sdp = offer[..cut].to_owned();
        refused += usize::from(peer.transport.accept_offer(sdp, OfferAcceptance::Plain).await.is_err());
    }
    assert!(refused > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_offer_is_refused() {
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    let offer = a.transport.create_offer(IceMode::Keep).await.unwrap();
    let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await.unwrap();
    let stranger = Peer::new(3).await;
    assert!(stranger.transport.accept_answer(answer).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_that_make_no_sense_are_refused() {
    let (a, b) = connected_pair().await;
    let candidate = |text: &str| IceCandidate {
        candidate: text.to_owned(),
        sdp_mid: None,
        sdp_mline_index: None,
        username_fragment: None,
    };
    for text in [
        "candidate:nonsense",
        &"x".repeat(600),
        "candidate:1 1 udp 1 999.1.1.1 70000 typ host",
    ] {
        let error = a.transport.add_candidate(candidate(text)).await.unwrap_err();
        assert!(matches!(error, PeerError::Candidate(_)));
    }
    let flood = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    let mut refused = false;
    for _ in 0..100 {
        refused |= b.transport.add_candidate(candidate(flood)).await.is_err();
    }
    assert!(refused);
}

/// A DTLS 1.2 record with the beginning of a ClientHello.
fn client_hello() -> Vec<u8> {
    let body = [1, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 50, 0xfe, 0xfd];
    let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 62];
    record.extend_from_slice(&body);
    record.resize(13 + 62, 7);
    record
}

/// Sends what a stranger can make up to all ports it is told of, without a pause, until it is dropped.
struct Stranger {
    ports: Arc<Mutex<Vec<u16>>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stranger {
    fn start() -> Self {
        let (ports, stop, sent) = (
            Arc::<Mutex<Vec<u16>>>::default(),
            Arc::<AtomicBool>::default(),
            Arc::default(),
        );
        let (targets, stopped, count) = (Arc::clone(&ports), Arc::clone(&stop), Arc::<AtomicUsize>::clone(&sent));
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            while !stopped.load(Ordering::Relaxed) {
                for port in targets.lock().unwrap().clone() {
                    forge(&socket, port);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                // Paced: the point is what they are, not how many; a full socket buffer would drop the peer's too.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        Self {
            ports,
            stop,
            sent,
            thread: Some(thread),
        }
    }

    /// Learns the port of a candidate on the loopback interface.
    fn learn(ports: &Mutex<Vec<u16>>, candidate: IceCandidate) -> Option<IceCandidate> {
        let mut words = candidate.candidate.split(' ').skip(4);
        if words.next() == Some("127.0.0.1")
            && let Some(port) = words.next().and_then(|port| port.parse().ok())
        {
            ports.lock().unwrap().push(port);
        }
        Some(candidate)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn forge(socket: &UdpSocket, port: u16) {
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
    let rtp = [0x80; 200];
    let rtcp_bye = [0x81, 203, 0, 1, 0, 0, 0, 1];
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[9; 12]].concat();
    for datagram in [
        &client_hello()[..],
        &alert,
        &rtp,
        &rtcp_bye,
        &stun,
        &[],
        &[20],
        &[255; 1_400],
    ] {
        // A full socket buffer is the other end's business.
        socket.send_to(datagram, ("127.0.0.1", port)).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_datagrams_neither_stop_a_call_nor_arrive() {
    let stranger = Stranger::start();
    let (a, b) = (Peer::new(1).await, Peer::new(2).await);
    let offer = a.transport.create_offer(IceMode::Keep).await.unwrap();
    let answer = b.transport.accept_offer(offer, OfferAcceptance::Plain).await.unwrap();
    a.transport.accept_answer(answer).await.unwrap();
    for (peer, other) in [(&a, &b), (&b, &a)] {
        let ports = Arc::clone(&stranger.ports);
        peer.carry_to_with(other, move |candidate| Stranger::learn(&ports, candidate));
    }
    for peer in [&a, &b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
    }
    for (from, to) in [(&a, &b), (&b, &a)] {
        for count in 1..20 {
            from.transport.send(&frame(CAMERA, count, 5, 500));
            let packets = to.camera.wait_for(5 * count as usize).await;
            assert_eq!(packets.len(), 5 * count as usize);
        }
        from.transport
            .send_control(bytes::Bytes::from_static(b"well"))
            .await
            .unwrap();
        to.wait_for_control(b"well").await;
    }
    assert!(stranger.sent.load(Ordering::Relaxed) > 0);
}
