//! "Hide my address": what leaves when only a relay may be used, and what is said when there is none.
//!
//! The relayed call itself needs a TURN server: `turnserver` of the coturn project is started where it is installed.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod peer_support;

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use call_core::{IceMode, OfferAcceptance, TransportState};
use call_engine::peer::{IceServer, PeerConfig, PeerError, PeerEvent, Route};
use peer_support::{CAMERA, Peer, connected_pair, frame, negotiate, pass_all};

fn relay(port: u16, password: &str) -> IceServer {
    IceServer {
        url: format!("turn:127.0.0.1:{port}"),
        username: Some("user".to_owned()),
        credential: Some(password.to_owned()),
    }
}

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
        assert_eq!(error, PeerError::NoRelaySet);
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
    assert_eq!(fault(&hiding).await, PeerError::NoRelayAnswered);
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

/// The path is looked at four times a second: what is known of it is there with the first control message or soon after.
async fn route(peer: &Peer, expected: Route) {
    let known = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
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

/// A TURN server of this test's own; ends with it.
struct TurnServer {
    process: Child,
    port: u16,
}

impl TurnServer {
    /// `None` where none is installed.
    async fn start() -> Option<Self> {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("turnserver")
            .args([
                "-n",
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                "--user=user:pw",
                "--realm=test",
            ])
            .args([
                "--lt-cred-mech",
                "--allow-loopback-peers",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--no-tcp",
            ])
            .args(["--log-file=stdout", "--pidfile="])
            .arg(format!("--listening-port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(process) => {
                let server = Self { process, port };
                server.answers().await;
                Some(server)
            }
            Err(error) => {
                println!("no TURN server to try a relayed call with: {error}");
                None
            }
        }
    }

    /// Until it answers a STUN request.
    async fn answers(&self) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(("127.0.0.1", self.port)).await.unwrap();
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let asking = async {
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
            let mut answer = [0; 256];
            loop {
                // Refused while nobody listens.
                socket.send(&request).await.ok();
                tokio::select! {
                    Ok(_) = socket.recv(&mut answer) => return,
                    _ = tick.tick() => {}
                }
            }
        };
        tokio::time::timeout(peer_support::PATIENCE, asking)
            .await
            .expect("the TURN server answers");
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// One server for both: two beside each other could take the same port.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_call_works_and_a_wrong_password_is_named() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    a_relayed_call_says_so_and_tells_no_address(&server).await;
    a_relay_server_that_refuses_us_is_named(&server).await;
}

async fn a_relayed_call_says_so_and_tells_no_address(server: &TurnServer) {
    let hiding = Peer::with(1, behind(relay(server.port, "pw"))).await.unwrap();
    let other = Peer::new(2).await;
    let left = left_of(&hiding, &other).await;
    negotiate(&hiding, &other, IceMode::Keep).await;
    for peer in [&hiding, &other] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
        route(peer, Route::Relayed).await;
    }
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
    }
    no_own_address(&second);
}

async fn a_relay_server_that_refuses_us_is_named(server: &TurnServer) {
    let hiding = Peer::with(1, behind(relay(server.port, "wrong"))).await.unwrap();
    let other = Peer::new(2).await;
    let _left = left_of(&hiding, &other).await;
    // Making the offer asks the server; by the time of an answer all may be over.
    hiding.transport.create_offer(IceMode::Keep).await.unwrap();
    assert_eq!(fault(&hiding).await, PeerError::NoRelayAnswered);
}
