//! Contacts that wait for a ring: what they see of each other, and what hostile ones get.

use std::time::Duration;

use signaling_protocol::limits::{MAX_BLOB_BYTES, MAX_LISTENERS, MAX_TOPICS, TOPIC_BURST};
use signaling_protocol::{Blob, ClientMessage, ErrorCode, RoomId, ServerMessage, Slot, TopicState};
use signaling_server::{Limits, TopicLimits};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::{Client, ROOM, RunningServer};

const TOPIC: RoomId = RoomId([8; 16]);
const OTHER_TOPIC: RoomId = RoomId([9; 16]);

fn topic(number: usize) -> RoomId {
    RoomId((number as u128).to_be_bytes())
}

#[tokio::test]
async fn two_listeners_see_each_other_come_and_go() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, alices) = Client::listen(server.address, &[TOPIC, OTHER_TOPIC]).await;
    assert!(alices.iter().all(|state| state.others.is_empty()));
    let (mut bob, bobs) = Client::listen(server.address, &[TOPIC]).await;
    let (hers, his) = (alices[0].slot, bobs[0].slot);
    assert_eq!(bobs[0].others, [hers]);
    let came = |slot| ServerMessage::ListenerCame { topic: TOPIC, slot };
    let went = |slot| ServerMessage::ListenerWent { topic: TOPIC, slot };
    assert_eq!(alice.receive().await, came(his));

    bob.post(TOPIC, hers, b"ring").await;
    assert_eq!(alice.receive().await, posted(his, b"ring"));
    let large = vec![0xff; MAX_BLOB_BYTES];
    alice.post(TOPIC, his, &large).await;
    assert_eq!(bob.receive().await, posted(hers, &large));

    // A change of the topics, a farewell and a cut connection look the same to the others.
    assert_eq!(bob.change_topics(&[]).await, []);
    assert_eq!(alice.receive().await, went(his));
    let again = bob.change_topics(&[TOPIC]).await;
    assert!(again[0].slot > his);
    assert_eq!(alice.receive().await, came(again[0].slot));
    bob.send(&ClientMessage::Leave).await;
    assert_eq!(bob.receive_close().await, CloseCode::Normal);
    assert_eq!(alice.receive().await, went(again[0].slot));
    let (carol, carols) = Client::listen(server.address, &[TOPIC]).await;
    assert_eq!(alice.receive().await, came(carols[0].slot));
    drop(carol);
    assert_eq!(alice.receive().await, went(carols[0].slot));
    alice.post(TOPIC, carols[0].slot, b"late").await;
    assert_eq!(alice.receive_error().await.0, ErrorCode::NoSuchMember);
}

#[tokio::test]
async fn a_topic_and_a_room_of_the_same_id_are_strangers() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut member, members) = Client::enter(server.address).await;
    let (mut listener, topics) = Client::listen(server.address, &[ROOM]).await;
    assert_eq!((topics[0].slot, topics[0].others.len()), (Slot(0), 0));
    // Had the one been told of the other, that would come before what follows.
    listener.post(ROOM, members.slot, b"x").await;
    assert_eq!(listener.receive_error().await.0, ErrorCode::NoSuchMember);
    let (second, seconds) = Client::enter(server.address).await;
    assert_eq!(seconds.members, [members.slot]);
    assert_eq!(member.receive().await, ServerMessage::PeerJoined { slot: seconds.slot });
    drop(second);
    drop(listener);
    assert_eq!(member.receive().await, ServerMessage::PeerAway { slot: seconds.slot });
}

#[tokio::test]
async fn a_connection_is_for_a_room_or_for_topics() {
    let server = RunningServer::start(Limits::default()).await;
    let join = ClientMessage::Join {
        v: 1,
        room: ROOM,
        resume: None,
    };
    let listen = ClientMessage::Listen { v: 1, topics: vec![] };
    let relay = ClientMessage::Relay {
        to: Slot(0),
        blob: Blob(vec![]),
    };
    let post = ClientMessage::Post {
        topic: TOPIC,
        to: Slot(0),
        blob: Blob(vec![]),
    };
    for wrong in [&join, &relay] {
        let (mut listener, _) = Client::listen(server.address, &[]).await;
        listener.send(wrong).await;
        assert_eq!(listener.receive_refusal().await.0, ErrorCode::NotJoined);
    }
    for wrong in [&listen, &post] {
        let (mut member, _) = Client::enter(server.address).await;
        member.send(wrong).await;
        assert_eq!(member.receive_refusal().await.0, ErrorCode::NotJoined);
    }
    let mut early = Client::connect(server.address).await;
    early.send(&post).await;
    assert_eq!(early.receive_refusal().await.0, ErrorCode::NotJoined);
}

#[tokio::test]
async fn another_device_may_change_all_of_its_topics_at_once() {
    let server = RunningServer::start(Limits::default()).await;
    let topics: Vec<RoomId> = (0..MAX_TOPICS).map(topic).collect();
    let (mut first, _) = Client::listen(server.address, &topics).await;
    let (mut second, states) = Client::listen(server.address, &topics).await;
    assert!(states.len() == MAX_TOPICS && states.iter().all(|state| state.others.len() == 1));
    second.change_topics(&[]).await;
    second.change_topics(&topics).await;
    let (mut came, mut went) = (0, 0);
    while came < 2 * MAX_TOPICS {
        match first.receive().await {
            ServerMessage::ListenerCame { .. } => came += 1,
            ServerMessage::ListenerWent { .. } => went += 1,
            other => panic!("{other:?} instead of a notice"),
        }
    }
    assert_eq!(went, MAX_TOPICS);
}

#[tokio::test]
async fn too_many_topics_are_refused_whatever_their_number() {
    let server = RunningServer::start(Limits::default()).await;
    let (mut alice, alices) = Client::listen(server.address, &[TOPIC]).await;
    for count in [MAX_TOPICS + 1, 2_600, 30_000] {
        let (mut mallory, hers) = Client::listen(server.address, &[TOPIC]).await;
        let came = alice.receive().await;
        let topics = (0..count).map(topic).collect();
        mallory.send(&ClientMessage::Listen { v: 1, topics }).await;
        let (code, message, close) = mallory.receive_refusal().await;
        assert_eq!((code, close), (ErrorCode::TooLarge, CloseCode::Size), "{message}");
        let slot = hers[0].slot;
        assert_eq!(came, ServerMessage::ListenerCame { topic: TOPIC, slot });
        assert_eq!(
            alice.receive().await,
            ServerMessage::ListenerWent { topic: TOPIC, slot }
        );
    }
    let (mut bob, bobs) = Client::listen(server.address, &[TOPIC]).await;
    bob.post(TOPIC, alices[0].slot, b"x").await;
    alice.receive().await;
    assert_eq!(alice.receive().await, posted(bobs[0].slot, b"x"));
}

#[tokio::test]
async fn who_enters_topics_without_pause_is_cut_off() {
    let topics = TopicLimits {
        entries_per_second: 0,
        ..TopicLimits::default()
    };
    let server = RunningServer::start(Limits {
        topics,
        ..Limits::default()
    })
    .await;
    let all: Vec<RoomId> = (0..MAX_TOPICS).map(topic).collect();
    let (mut mallory, _) = Client::listen(server.address, &all).await;
    for _ in 1..TOPIC_BURST as usize / MAX_TOPICS {
        assert_eq!(mallory.change_topics(&[]).await, []);
        assert_eq!(mallory.change_topics(&all).await.len(), MAX_TOPICS);
    }
    // To say again what is so already costs no more than a message.
    assert_eq!(mallory.change_topics(&all).await, []);
    let listen = ClientMessage::Listen {
        v: 1,
        topics: vec![TOPIC],
    };
    mallory.send(&listen).await;
    assert_eq!(mallory.receive_refusal().await.0, ErrorCode::TooFast);
}

#[tokio::test]
async fn a_crowded_topic_does_not_cost_the_others() {
    let server = RunningServer::start(Limits::default()).await;
    let mut crowd = Vec::new();
    for _ in 0..MAX_LISTENERS {
        crowd.push(Client::listen(server.address, &[TOPIC]).await);
    }
    let (mut alice, states) = Client::listen(server.address, &[TOPIC, OTHER_TOPIC]).await;
    assert_eq!(
        states.iter().map(|state| state.topic).collect::<Vec<_>>(),
        [OTHER_TOPIC]
    );
    let (leaver, _) = crowd.remove(0);
    drop(leaver);
    let (watcher, _) = &mut crowd[0];
    loop {
        if let ServerMessage::ListenerWent { .. } = watcher.receive().await {
            break;
        }
    }
    let states: Vec<TopicState> = alice.change_topics(&[TOPIC, OTHER_TOPIC]).await;
    assert_eq!((states[0].topic, states[0].others.len()), (TOPIC, MAX_LISTENERS - 1));
}

#[tokio::test]
async fn a_listener_that_misses_a_ping_is_gone_for_the_others() {
    let limits = Limits {
        ping_interval: Duration::from_millis(50),
        // Long enough for the listener that answers, on any machine.
        pong_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = RunningServer::start(limits).await;
    let (_deaf, deafs) = Client::listen(server.address, &[TOPIC]).await;
    // This one reads all the time, which answers pings.
    let (mut alive, _) = Client::listen(server.address, &[TOPIC]).await;
    let slot = deafs[0].slot;
    assert_eq!(
        alive.receive().await,
        ServerMessage::ListenerWent { topic: TOPIC, slot }
    );
}

#[tokio::test]
async fn other_versions_are_told_so() {
    let server = RunningServer::start(Limits::default()).await;
    for (v, expected) in [(0, ErrorCode::ClientTooOld), (2, ErrorCode::ClientTooNew)] {
        let mut client = Client::connect(server.address).await;
        client.send(&ClientMessage::Listen { v, topics: vec![TOPIC] }).await;
        assert_eq!(client.receive_refusal().await.0, expected);
    }
}

fn posted(from: Slot, blob: &[u8]) -> ServerMessage {
    ServerMessage::Posted {
        topic: TOPIC,
        from,
        blob: Blob(blob.to_vec()),
    }
}
