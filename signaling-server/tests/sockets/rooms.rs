//! What well-behaved clients rely on.

use std::time::Duration;

use signaling_protocol::{ClientMessage, ErrorCode, LeaveReason, RoomId, ServerMessage, Slot};
use signaling_server::{Limits, RoomLimits, Server, ServerConfig, ServerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::{Client, ROOM, RunningServer, within};

#[tokio::test]
async fn two_people_meet_talk_and_part() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, alices) = Client::enter(server.address).await;
    assert!(!alices.resumed && alices.members.is_empty());
    let (mut bob, bobs) = Client::enter(server.address).await;
    assert_eq!(bobs.members, [alices.slot]);
    assert_eq!(alice.receive().await, ServerMessage::PeerJoined { slot: bobs.slot });

    bob.relay(alices.slot, b"offer").await;
    let ServerMessage::Relay { from, blob } = alice.receive().await else {
        panic!("not a relay")
    };
    assert_eq!((from, &blob.0[..]), (bobs.slot, &b"offer"[..]));
    alice.relay(bobs.slot, &[0xff; 45 * 1024]).await;
    let ServerMessage::Relay { from, blob } = bob.receive().await else {
        panic!("not a relay")
    };
    assert_eq!((from, blob.0.len()), (alices.slot, 45 * 1024));

    bob.send(&ClientMessage::Leave).await;
    assert_eq!(bob.receive_close().await, CloseCode::Normal);
    assert_eq!(
        alice.receive().await,
        ServerMessage::PeerLeft {
            slot: bobs.slot,
            reason: LeaveReason::Left
        }
    );
    alice.relay(bobs.slot, b"late").await;
    assert_eq!(alice.receive_error().await.0, ErrorCode::NoSuchMember);
}

#[tokio::test]
async fn a_dropped_member_comes_back_to_its_slot() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, _) = Client::enter(server.address).await;
    let (bob, bobs) = Client::enter(server.address).await;
    alice.receive().await;
    drop(bob);
    assert_eq!(alice.receive().await, ServerMessage::PeerAway { slot: bobs.slot });
    let (mut bob, back) = Client::resume(server.address, &bobs).await;
    assert!(back.resumed);
    assert_eq!((back.slot, back.token), (bobs.slot, bobs.token));
    assert_eq!(alice.receive().await, ServerMessage::PeerBack { slot: bobs.slot });
    alice.relay(bobs.slot, b"again").await;
    assert!(matches!(bob.receive().await, ServerMessage::Relay { .. }));
}

#[tokio::test]
async fn a_member_that_does_not_come_back_is_lost() {
    let rooms = RoomLimits {
        resume_lifetime: Duration::from_millis(20),
        ..RoomLimits::default()
    };
    let server = RunningServer::start(Limits {
        rooms,
        ..Limits::default()
    })
    .await;
    let (mut alice, _) = Client::enter(server.address).await;
    let (bob, bobs) = Client::enter(server.address).await;
    alice.receive().await;
    drop(bob);
    assert_eq!(alice.receive().await, ServerMessage::PeerAway { slot: bobs.slot });
    assert_eq!(
        alice.receive().await,
        ServerMessage::PeerLeft {
            slot: bobs.slot,
            reason: LeaveReason::Lost
        }
    );
    let (_bob, late) = Client::resume(server.address, &bobs).await;
    assert!(!late.resumed && late.slot != bobs.slot);
}

#[tokio::test]
async fn a_new_connection_takes_over_from_a_half_dead_one() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, _) = Client::enter(server.address).await;
    let (old, bobs) = Client::enter(server.address).await;
    alice.receive().await;
    let (_new, back) = Client::resume(server.address, &bobs).await;
    assert!(back.resumed && back.slot == bobs.slot);
    assert_eq!(old.receive_close().await, CloseCode::Policy);
    assert_eq!(alice.receive().await, ServerMessage::PeerBack { slot: bobs.slot });
    // The old connection is gone for good by now, and nobody was told that the member is away.
    let (_carol, _) = Client::enter(server.address).await;
    assert!(matches!(alice.receive().await, ServerMessage::PeerJoined { .. }));
}

#[tokio::test]
async fn a_server_restarts_on_its_port_at_once() {
    let first = RunningServer::start(Limits::default()).await;
    let address = first.address;
    let (mut alice, alices) = Client::enter(address).await;
    let (bob, _) = Client::enter(address).await;
    alice.receive().await;
    let (stop, closes) = (first.stop(), async {
        (alice.receive_close().await, bob.receive_close().await)
    });
    let ((), closes) = tokio::join!(stop, closes);
    assert_eq!(closes, (CloseCode::Restart, CloseCode::Restart));

    let second = RunningServer::start_at(address, Limits::default()).await;
    assert_eq!(second.address, address);
    let (alice, fresh) = Client::resume(address, &alices).await;
    assert!(!fresh.resumed && fresh.token != alices.token);
    drop(alice);
    second.stop().await;
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_clients_that_do_not_listen() {
    let limits = Limits {
        closing_timeout: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = RunningServer::start(limits).await;
    let (_deaf, _) = Client::enter(server.address).await;
    let _half_open = TcpStream::connect(server.address).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_to_be() {
    let server = RunningServer::start(Limits::default()).await;
    let config = ServerConfig {
        listen: server.address,
        ..ServerConfig::default()
    };
    let error = Server::bind(config).await.expect_err("the port is taken");
    assert!(matches!(error, ServerError::AddressInUse(address) if address == server.address));
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn other_versions_are_told_so() {
    let server = RunningServer::start(Limits::default()).await;
    let Err(Error::Http(response)) = Client::try_connect(server.address, "/ws", "visavis.2").await else {
        panic!("another sub-protocol was accepted")
    };
    let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        body.contains("speaks version 1") && body.contains("the server must be updated"),
        "{body}"
    );

    for (v, expected, phrase) in [
        (0, ErrorCode::ClientTooOld, "update Visavis"),
        (2, ErrorCode::ClientTooNew, "must be updated"),
    ] {
        let mut client = Client::connect(server.address).await;
        client
            .send(&ClientMessage::Join {
                v,
                room: ROOM,
                resume: None,
            })
            .await;
        let (code, message, close) = client.receive_refusal().await;
        assert_eq!((code, close), (expected, CloseCode::Policy));
        assert!(message.contains(phrase), "{message}");
    }
}

#[tokio::test]
async fn a_full_room_says_so() {
    let rooms = RoomLimits {
        members: 1,
        ..RoomLimits::default()
    };
    let server = RunningServer::start(Limits {
        rooms,
        ..Limits::default()
    })
    .await;
    let (_alice, _) = Client::enter(server.address).await;
    let mut bob = Client::connect(server.address).await;
    bob.send(&ClientMessage::Join {
        v: 1,
        room: ROOM,
        resume: None,
    })
    .await;
    assert_eq!(bob.receive_refusal().await.0, ErrorCode::RoomFull);
    let mut carol = Client::connect(server.address).await;
    carol
        .send(&ClientMessage::Join {
            v: 1,
            room: RoomId([8; 16]),
            resume: None,
        })
        .await;
    assert!(matches!(
        carol.receive().await,
        ServerMessage::Joined { slot: Slot(0), .. }
    ));
}

#[tokio::test]
async fn a_browser_is_told_what_to_do_with_a_link() {
    let server = RunningServer::start(Limits::default()).await;
    for (path, status, phrase) in [
        ("/j", "200 OK", "Join with a link"),
        ("/", "404 Not Found", "signaling server"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(phrase),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn connections_from_one_address_are_capped() {
    let server = RunningServer::start(Limits {
        connections_per_address: 2,
        ..Limits::default()
    })
    .await;
    let (alice, _) = Client::enter(server.address).await;
    let (_bob, _) = Client::enter(server.address).await;
    let refused = Client::try_connect(server.address, "/ws", "visavis.1").await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 429));
    drop(alice);
    // The place is free as soon as the server has noticed.
    within(async { while Client::try_connect(server.address, "/ws", "visavis.1").await.is_err() {} }).await;
}
