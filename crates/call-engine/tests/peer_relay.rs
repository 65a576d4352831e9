//! "Hide my address": what leaves when only a relay may be used, and what is said when there is none.
//!
//! The relayed call itself needs a TURN server: `turnserver` of the coturn project is started where it is installed.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod peer_support;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use call_core::{Blockage, IceMode, OfferAcceptance, TransportState};
use call_engine::peer::{ExtraRoots, IceServer, PeerConfig, PeerError, PeerEvent, Route};
use peer_support::turn::{Configure, TurnServer, relay};
use peer_support::{CAMERA, Peer, connected_pair, frame, negotiate, pass_all};

fn behind(server: IceServer) -> impl FnOnce(&mut PeerConfig) {
    |config| {
        config.relay_only = true;
        config.ice_servers = vec![server];
    }
}

async fn fault(peer: &Peer) -> PeerError {
    match peer.events.wait_for(|event| matches!(event, PeerEvent::Fault(_))).await {
        PeerEvent::Fault(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_server_nothing_is_made_and_it_is_said() {
    let stun = IceServer {
        url: "stun:127.0.0.1:3478".to_owned(),
        username: None,
        credential: None,
    };
    for servers in [Vec::new(), vec![stun]] {
        let made = Peer::with(1, |config| (config.relay_only, config.ice_servers) = (true, servers)).await;
        let error = made.err().unwrap();
        assert_eq!(error, PeerError::Blocked(Blockage::NoRelaySet));
        assert!(error.to_string().contains("no relay server is set"));
    }
}

/// Sees candidates and descriptions of an end that hides, on their way to another.
async fn left_of(hiding: &Peer, other: &Peer) -> Arc<Mutex<Vec<String>>> {
    let left = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&left);
    hiding.carry_to_with(other, move |candidate| {
        seen.lock().unwrap().push(candidate.candidate.clone());
        Some(candidate)
    });
    other.carry_to(hiding, pass_all);
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_server_that_does_not_answer_is_named_and_no_address_leaves() {
    // Bound and silent.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hiding = Peer::with(1, behind(relay(port, "pw"))).await.unwrap();
    let other = Peer::new(2).await;
    let left = left_of(&hiding, &other).await;
    let offer = hiding.transport.create_offer(IceMode::Keep).await.unwrap();
    let answer = other
        .transport
        .accept_offer(offer.clone(), OfferAcceptance::Plain)
        .await
        .unwrap();
    hiding.transport.accept_answer(answer).await.unwrap();
    assert_eq!(fault(&hiding).await, PeerError::Blocked(Blockage::RelaySilent));
    assert_eq!(left.lock().unwrap().len(), 0);
    assert!(!offer.contains("a=candidate:"), "{offer}");
    no_own_address(&offer);
}

/// Of any interface of this machine; the loopback address stands in every description as a placeholder.
fn no_own_address(text: &str) {
    for interface in if_addrs::get_if_addrs().unwrap() {
        let address = interface.ip();
        assert!(
            address.is_loopback() || !text.contains(&address.to_string()),
            "{address} in {text}"
        );
    }
    assert!(!text.contains(".local"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_call_is_called_direct() {
    let (a, b) = connected_pair().await;
    for peer in [&a, &b] {
        route(peer, Route::Direct).await;
    }
}

/// How we speak to our relay, once the route is known.
fn protocol(peer: &Peer) -> &'static str {
    peer.transport.statistics().protocol.unwrap()
}

/// The path is looked at four times a second: what is known of it is there with the first control message or soon after.
async fn route(peer: &Peer, expected: Route) {
    let known = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            if let Some(route) = peer.transport.statistics().route {
                return route;
            }
        }
    };
    let known = tokio::time::timeout(peer_support::PATIENCE, known).await.unwrap();
    assert_eq!(known, expected);
}

/// One server for all: two beside each other could take the same port.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_call_works_over_every_transport_and_what_is_wrong_is_named() {
    let Some(server) = TurnServer::start(&[]).await else {
        return;
    };
    for transport in ["udp", "tcp", "tls"] {
        println!("over {transport}");
        a_relayed_call_says_so_and_tells_no_address(&server, transport).await;
        a_relay_server_that_refuses_us_is_named(&server, transport).await;
    }
    a_relay_that_is_not_who_it_should_be_is_named(&server).await;
    a_dead_relay_over_udp_keeps_nobody_waiting(&server).await;
    udp_comes_first_where_it_works(&server).await;
    new_servers_are_used_from_the_next_search_on(&server).await;
}

async fn a_relayed_call_says_so_and_tells_no_address(server: &TurnServer, transport: &str) {
    let hiding = Peer::with(1, server.behind(transport, "pw")).await.unwrap();
    let other = Peer::new(2).await;
    let left = left_of(&hiding, &other).await;
    negotiate(&hiding, &other, IceMode::Keep).await;
    for peer in [&hiding, &other] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
        route(peer, Route::Relayed).await;
    }
    assert_eq!(protocol(&hiding), transport);
    assert_eq!(protocol(&other), "udp");
    for (from, to) in [(&hiding, &other), (&other, &hiding)] {
        from.transport.send(&frame(CAMERA, 1, 5, 500));
        to.camera.wait_for(5).await;
        from.transport
            .send_control(Bytes::from_static(b"hidden"))
            .await
            .unwrap();
        to.wait_for_control(b"hidden").await;
    }
    // The second description carries what was gathered for the first.
    let second = hiding.transport.create_offer(IceMode::Keep).await.unwrap();
    let mut all = left.lock().unwrap().clone();
    assert!(!all.is_empty());
    all.extend(
        second
            .lines()
            .filter(|line| line.starts_with("a=candidate:"))
            .map(str::to_owned),
    );
    for line in all {
        assert!(line.contains(" typ relay raddr 0.0.0.0 rport 9"), "{line}");
        assert!(line.contains(" 127.0.0.1 "), "the relay's address: {line}");
    }
    no_own_address(&second);
    for peer in [&hiding, &other] {
        peer.transport.close().await;
    }
}

async fn a_relay_server_that_refuses_us_is_named(server: &TurnServer, transport: &str) {
    let hiding = Peer::with(1, server.behind(transport, "wrong")).await.unwrap();
    let other = Peer::new(2).await;
    let _left = left_of(&hiding, &other).await;
    // Making the offer asks the server; by the time of an answer all may be over.
    hiding.transport.create_offer(IceMode::Keep).await.unwrap();
    assert_eq!(fault(&hiding).await, PeerError::Blocked(Blockage::RelayRefused));
}

async fn a_relay_that_is_not_who_it_should_be_is_named(server: &TurnServer) {
    let configure = server.behind("tls", "pw");
    let hiding = Peer::with(1, |config| {
        configure(config);
        config.extra_roots = ExtraRoots::default();
    });
    let hiding = hiding.await.unwrap();
    let other = Peer::new(2).await;
    let _left = left_of(&hiding, &other).await;
    hiding.transport.create_offer(IceMode::Keep).await.unwrap();
    assert_eq!(fault(&hiding).await, PeerError::Blocked(Blockage::RelayCertificate));
}

async fn a_dead_relay_over_udp_keeps_nobody_waiting(server: &TurnServer) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dead = relay(silent.local_addr().unwrap().port(), "pw");
    let (first, second) = (server.behind("tls", "pw"), server.behind("tls", "pw"));
    let with_dead = |configure: Configure| {
        let dead = dead.clone();
        move |config: &mut PeerConfig| {
            configure(config);
            config.ice_servers.insert(0, dead);
        }
    };
    let a = Peer::with(1, with_dead(first)).await.unwrap();
    let b = Peer::with(2, with_dead(second)).await.unwrap();
    connect(&a, &b).await;
    // The dead one is given up after most of ten seconds; the sanity of this test is that it fails then.
    let stuck = a.transport.statistics().ice_connected_after.unwrap();
    assert!(stuck < Duration::from_secs(5), "{stuck:?}");
    assert_eq!((protocol(&a), protocol(&b)), ("tls", "tls"));
}

async fn udp_comes_first_where_it_works(server: &TurnServer) {
    let all = |config: &mut PeerConfig| {
        for transport in ["tls", "tcp", "udp"] {
            let mut other = config.clone();
            server.behind(transport, "pw")(&mut other);
            config.ice_servers.extend(other.ice_servers);
            config.extra_roots = other.extra_roots;
        }
        config.relay_only = true;
    };
    let (a, b) = (Peer::with(1, all).await.unwrap(), Peer::with(2, all).await.unwrap());
    connect(&a, &b).await;
    assert_eq!((protocol(&a), protocol(&b)), ("udp", "udp"));
}

/// Credentials that were good for the first path are not for the second.
async fn new_servers_are_used_from_the_next_search_on(server: &TurnServer) {
    let hiding = Peer::with(1, server.behind("tcp", "pw")).await.unwrap();
    let other = Peer::new(2).await;
    connect(&hiding, &other).await;
    assert_eq!(protocol(&hiding), "tcp");
    hiding
        .transport
        .set_ice_servers(vec![server.at("tls", "pw")])
        .await
        .unwrap();
    negotiate(&hiding, &other, IceMode::Restart).await;
    let changed = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while protocol(&hiding) != "tls" {
            tick.tick().await;
        }
    };
    tokio::time::timeout(peer_support::PATIENCE, changed).await.unwrap();
    hiding
        .transport
        .send_control(Bytes::from_static(b"moved"))
        .await
        .unwrap();
    other.wait_for_control(b"moved").await;
}

async fn connect(a: &Peer, b: &Peer) {
    negotiate(a, b, IceMode::Keep).await;
    a.carry_to(b, pass_all);
    b.carry_to(a, pass_all);
    for peer in [a, b] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
        route(peer, Route::Relayed).await;
    }
}
