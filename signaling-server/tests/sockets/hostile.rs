//! What broken and hostile clients get, and that the others do not notice.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use signaling_protocol::limits::{MAX_BLOB_BYTES, MAX_MESSAGE_BYTES};
use signaling_protocol::{Blob, ClientMessage, ErrorCode, RoomId, ServerMessage, Slot};
use signaling_server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::client::{Client, RunningServer, within};

#[tokio::test]
async fn nonsense_is_answered_and_survived() {
    let server = RunningServer::start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    for (text, expected, phrase) in [
        ("", ErrorCode::Malformed, "not a message"),
        ("{", ErrorCode::Malformed, "not a message"),
        ("[1]", ErrorCode::Malformed, "not a message"),
        (
            r#"{"type":"join","v":1,"room":"short"}"#,
            ErrorCode::Malformed,
            "16 bytes",
        ),
        (r#"{"type":"sing","loud":true}"#, ErrorCode::UnknownType, "sing"),
    ] {
        client.send_text(text).await;
        let (code, message) = client.receive_error().await;
        assert_eq!(code, expected, "{text}");
        assert!(message.contains(phrase), "{message}");
    }
    client
        .send_text(r#"{"type":"join","v":1,"room":"AAECAwQFBgcICQoLDA0ODw","later":[]}"#)
        .await;
    assert!(matches!(client.receive().await, ServerMessage::Joined { .. }));
}

#[tokio::test]
async fn messages_out_of_order_are_fatal() {
    let server = RunningServer::start(Limits::default()).await;
    let mut early = Client::connect(server.address).await;
    early.relay(Slot(0), b"x").await;
    assert_eq!(early.receive_refusal().await.0, ErrorCode::NotJoined);
    let (mut twice, _) = Client::enter(server.address).await;
    twice
        .send(&ClientMessage::Join {
            v: 1,
            room: RoomId([9; 16]),
            resume: None,
        })
        .await;
    assert_eq!(twice.receive_refusal().await.0, ErrorCode::NotJoined);
}

#[tokio::test]
async fn an_oversize_message_ends_its_connection_alone() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, alices) = Client::enter(server.address).await;
    let (mut bob, bobs) = Client::enter(server.address).await;
    alice.receive().await;
    bob.send_text(&"x".repeat(MAX_MESSAGE_BYTES + 1)).await;
    let (code, message, close) = bob.receive_refusal().await;
    assert_eq!((code, close), (ErrorCode::TooLarge, CloseCode::Size));
    assert!(message.contains("65536"), "{message}");
    assert_eq!(alice.receive().await, ServerMessage::PeerAway { slot: bobs.slot });

    let (mut bob, _) = Client::resume(server.address, &bobs).await;
    assert_eq!(alice.receive().await, ServerMessage::PeerBack { slot: bobs.slot });
    bob.relay(alices.slot, &[0; MAX_BLOB_BYTES + 1]).await;
    assert_eq!(bob.receive_refusal().await.0, ErrorCode::TooLarge);
    assert_eq!(alice.receive().await, ServerMessage::PeerAway { slot: bobs.slot });
}

#[tokio::test]
async fn binary_frames_and_bad_utf8_are_refused() {
    let server = RunningServer::start(Limits::default()).await;
    let bad_utf8 = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    for message in [Message::binary(vec![1, 2, 3]), Message::Frame(bad_utf8)] {
        let (mut client, _) = Client::enter(server.address).await;
        client.socket.send(message).await.unwrap();
        let (code, _, close) = client.receive_refusal().await;
        assert_eq!((code, close), (ErrorCode::Malformed, CloseCode::Unsupported));
    }
}

#[tokio::test]
async fn a_slow_upgrade_is_cut_off() {
    let server = RunningServer::start(Limits {
        upgrade_timeout: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let server = RunningServer::start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /ws HTTP/1.1\r\n").await.unwrap();
    stream.write_all(&b"X: y\r\n".repeat(2000)).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn who_does_not_join_is_cut_off() {
    let limits = Limits {
        first_message_timeout: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = RunningServer::start(limits).await;
    let client = Client::connect(server.address).await;
    let (code, message, _) = client.receive_refusal().await;
    assert_eq!(code, ErrorCode::NotJoined);
    assert!(message.contains("in time"), "{message}");
}

#[tokio::test]
async fn who_does_not_answer_pings_is_away() {
    let limits = Limits {
        ping_interval: Duration::from_millis(50),
        // Long enough for the member that answers, on any machine.
        pong_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = RunningServer::start(limits).await;
    let (_deaf, deafs) = Client::enter(server.address).await;
    // This one reads all the time, which answers pings.
    let (mut alive, _) = Client::enter(server.address).await;
    assert_eq!(alive.receive().await, ServerMessage::PeerAway { slot: deafs.slot });
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_the_others_go_on() {
    let limits = Limits {
        messages_per_second: 1_000_000,
        message_burst: 1_000_000,
        ..Limits::default()
    };
    let server = RunningServer::start(limits).await;
    let (mut deaf, deafs) = Client::enter(server.address).await;
    let (mut carol, carols) = Client::enter(server.address).await;
    let (bob, bobs) = Client::enter(server.address).await;
    assert_eq!(carol.receive().await, ServerMessage::PeerJoined { slot: bobs.slot });

    let (mut sink, mut messages) = bob.socket.split();
    let flood = ClientMessage::Relay {
        to: deafs.slot,
        blob: Blob(vec![0; MAX_BLOB_BYTES]),
    }
    .to_json();
    let flooding = tokio::spawn(async move { while sink.send(Message::text(flood.as_str())).await.is_ok() {} });
    // The sender learns that the addressee is away, and so does everybody else.
    let away = ServerMessage::PeerAway { slot: deafs.slot };
    let first = within(messages.next()).await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(ServerMessage::from_json(first.as_str()), Ok(away.clone()));
    assert_eq!(carol.receive().await, away);
    flooding.abort();
    carol.relay(bobs.slot, b"still here").await;
    let relayed = within(messages.next()).await.unwrap().unwrap().into_text().unwrap();
    let blob = Blob(b"still here".to_vec());
    assert_eq!(
        ServerMessage::from_json(relayed.as_str()),
        Ok(ServerMessage::Relay {
            from: carols.slot,
            blob
        })
    );
    // The one that was cut off finds its connection ended once it reads.
    within(async { while let Some(Ok(_)) = deaf.socket.next().await {} }).await;
}

#[tokio::test]
async fn a_flood_of_messages_is_cut_off() {
    let server = RunningServer::start(Limits {
        message_burst: 10,
        ..Limits::default()
    })
    .await;
    let (mut client, _) = Client::enter(server.address).await;
    // More than the burst and what is allowed again while a slow machine sends them.
    for _ in 0..2000 {
        if client.socket.feed(Message::Ping(Default::default())).await.is_err() {
            break;
        }
    }
    client.socket.flush().await.unwrap();
    // The pongs before the limit, then the end.
    let refusal = within(async {
        loop {
            if let Message::Text(text) = client.socket.next().await.unwrap().unwrap() {
                return ServerMessage::from_json(text.as_str()).unwrap();
            }
        }
    });
    assert!(matches!(
        refusal.await,
        ServerMessage::Error {
            code: ErrorCode::TooFast,
            ..
        }
    ));
}

#[tokio::test]
async fn a_flood_of_empty_fragments_is_cut_off() {
    let server = RunningServer::start(Limits {
        message_burst: 1,
        messages_per_second: 1,
        ..Limits::default()
    })
    .await;
    let mut stream = upgraded(&server).await;
    // A text frame that goes on, then continuations without end: never a message. Masked with zeros.
    stream.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
    let continuations = [0x00, 0x80, 0, 0, 0, 0].repeat(1000);
    let flood = async { while stream.write_all(&continuations).await.is_ok() {} };
    within(flood).await;
}

#[tokio::test]
async fn arbitrary_bytes_hurt_nobody() {
    let server = RunningServer::start(Limits {
        connections_per_address: 1000,
        ..Limits::default()
    })
    .await;
    let (mut alice, alices) = Client::enter(server.address).await;
    let garbage = proptest::collection::vec(any::<u8>(), 1..300);
    let mut runner = TestRunner::deterministic();
    for _ in 0..50 {
        let bytes = garbage.new_tree(&mut runner).unwrap().current();
        let mut raw = TcpStream::connect(server.address).await.unwrap();
        let mut framed = upgraded(&server).await;
        for stream in [&mut raw, &mut framed] {
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // A reset is as good an end as any.
            within(stream.read_to_end(&mut answer)).await.unwrap_or_default();
        }
    }
    let (mut bob, bobs) = Client::enter(server.address).await;
    assert_eq!(alice.receive().await, ServerMessage::PeerJoined { slot: bobs.slot });
    bob.relay(alices.slot, b"x").await;
    assert!(matches!(alice.receive().await, ServerMessage::Relay { .. }));
}

/// A connection that is a WebSocket already, without anything that keeps us from writing what we like.
async fn upgraded(server: &RunningServer) -> TcpStream {
    let client = Client::connect(server.address).await;
    client.socket.into_inner()
}
