//! The wire format: as written down, with fields of later versions, and as noise.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::{MAX_BLOB_BYTES, MAX_LISTENERS, MAX_MESSAGE_BYTES, MAX_ROOM_MEMBERS, MAX_TOPICS};

const ID: &str = "AAECAwQFBgcICQoLDA0ODw";
const ID_BYTES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[test]
fn client_messages_have_their_written_form() {
    let (room, token) = (RoomId(ID_BYTES), ResumeToken(ID_BYTES));
    for (message, form) in [
        (
            ClientMessage::Join {
                v: 1,
                room,
                resume: None,
            },
            json!({"type": "join", "v": 1, "room": ID}),
        ),
        (
            ClientMessage::Join {
                v: 1,
                room,
                resume: Some(Resume { slot: Slot(3), token }),
            },
            json!({"type": "join", "v": 1, "room": ID, "resume": {"slot": 3, "token": ID}}),
        ),
        (
            ClientMessage::Relay {
                to: Slot(7),
                blob: Blob(vec![0xfb, 0xff]),
            },
            json!({"type": "relay", "to": 7, "blob": "-_8"}),
        ),
        (ClientMessage::Leave, json!({"type": "leave"})),
        (
            ClientMessage::Listen { v: 1, topics: vec![] },
            json!({"type": "listen", "v": 1, "topics": []}),
        ),
        (
            ClientMessage::Listen {
                v: 1,
                topics: vec![room, RoomId([0xff; 16])],
            },
            json!({"type": "listen", "v": 1, "topics": [ID, "_____________________w"]}),
        ),
        (
            ClientMessage::Post {
                topic: room,
                to: Slot(7),
                blob: Blob(vec![0xfb, 0xff]),
            },
            json!({"type": "post", "topic": ID, "to": 7, "blob": "-_8"}),
        ),
    ] {
        assert_eq!(serde_json::to_value(&message).unwrap(), form);
        assert_eq!(ClientMessage::from_json(&form.to_string()), Ok(message));
        assert!(ClientMessage::TYPES.contains(&form["type"].as_str().unwrap()));
    }
}

#[test]
fn server_messages_have_their_written_form() {
    let (slot, topic) = (Slot(2), RoomId(ID_BYTES));
    for (message, form) in [
        (
            ServerMessage::Joined {
                v: 1,
                slot,
                token: ResumeToken(ID_BYTES),
                members: vec![Slot(0)],
                resumed: true,
            },
            json!({"type": "joined", "v": 1, "slot": 2, "token": ID, "members": [0], "resumed": true}),
        ),
        (
            ServerMessage::PeerJoined { slot },
            json!({"type": "peer_joined", "slot": 2}),
        ),
        (
            ServerMessage::PeerAway { slot },
            json!({"type": "peer_away", "slot": 2}),
        ),
        (
            ServerMessage::PeerBack { slot },
            json!({"type": "peer_back", "slot": 2}),
        ),
        (
            ServerMessage::PeerLeft {
                slot,
                reason: LeaveReason::Lost,
            },
            json!({"type": "peer_left", "slot": 2, "reason": "lost"}),
        ),
        (
            ServerMessage::Relay {
                from: slot,
                blob: Blob(vec![]),
            },
            json!({"type": "relay", "from": 2, "blob": ""}),
        ),
        (
            ServerMessage::Listening {
                v: 1,
                topics: vec![TopicState {
                    topic,
                    slot,
                    others: vec![Slot(0), Slot(1)],
                }],
            },
            json!({"type": "listening", "v": 1, "topics": [{"topic": ID, "slot": 2, "others": [0, 1]}]}),
        ),
        (
            ServerMessage::ListenerCame { topic, slot },
            json!({"type": "listener_came", "topic": ID, "slot": 2}),
        ),
        (
            ServerMessage::ListenerWent { topic, slot },
            json!({"type": "listener_went", "topic": ID, "slot": 2}),
        ),
        (
            ServerMessage::Posted {
                topic,
                from: slot,
                blob: Blob(vec![1]),
            },
            json!({"type": "posted", "topic": ID, "from": 2, "blob": "AQ"}),
        ),
        (
            ServerMessage::Error {
                code: ErrorCode::RoomFull,
                message: "Full.".into(),
            },
            json!({"type": "error", "code": "room_full", "message": "Full."}),
        ),
    ] {
        assert_eq!(serde_json::to_value(&message).unwrap(), form);
        assert_eq!(ServerMessage::from_json(&form.to_string()), Ok(message));
        assert!(ServerMessage::TYPES.contains(&form["type"].as_str().unwrap()));
    }
}

#[test]
fn fields_and_codes_of_later_versions_are_ignored() {
    let join = json!({"type": "join", "v": 9, "room": ID, "colour": {"a": [1]}, "resume": null}).to_string();
    assert_eq!(
        ClientMessage::from_json(&join),
        Ok(ClientMessage::Join {
            v: 9,
            room: RoomId(ID_BYTES),
            resume: None
        })
    );
    let error = json!({"type": "error", "code": "out_of_tea", "message": "Sorry.", "retry": 3}).to_string();
    assert_eq!(
        ServerMessage::from_json(&error),
        Ok(ServerMessage::Error {
            code: ErrorCode::Other,
            message: "Sorry.".into()
        })
    );
}

#[test]
fn an_unknown_type_is_told_from_a_malformed_message() {
    let unknown = |name: &str| Err(MessageError::UnknownType(name.into()));
    assert_eq!(ClientMessage::from_json(r#"{"type":"sing","tune":1}"#), unknown("sing"));
    assert_eq!(
        ClientMessage::from_json(r#"{"tune":1,"type":"joined"}"#),
        unknown("joined")
    );
    let long = "x".repeat(500);
    assert_eq!(
        ClientMessage::from_json(&json!({ "type": long }).to_string()),
        unknown(&long[..80])
    );
    let deep = format!(r#"{{"type":"leave","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"join"}"#,
        r#"{"type":"join","v":65536,"room":"AAECAwQFBgcICQoLDA0ODw"}"#,
        r#"{"type":"join","v":1,"room":"AAECAwQFBgcICQoLDA0O"}"#,
        r#"{"type":"join","v":1,"room":"AAECAwQFBgcICQoLDA0ODw=="}"#,
        r#"{"type":"relay","to":-1,"blob":""}"#,
        r#"{"type":"relay","to":1,"blob":"a+b"}"#,
        r#"{"type":"leave"} x"#,
        r#"{"type":"listen","v":1}"#,
        r#"{"type":"listen","v":1,"topics":null}"#,
        r#"{"type":"listen","v":1,"topics":"AAECAwQFBgcICQoLDA0ODw"}"#,
        r#"{"type":"listen","v":1,"topics":["AAECAwQFBgcICQoLDA0ODw","AAECAwQFBgcICQoLDA0O"]}"#,
        r#"{"type":"listen","v":1,"topics":[1]}"#,
        r#"{"type":"post","to":1,"blob":""}"#,
        r#"{"type":"post","topic":"AAECAwQFBgcICQoLDA0ODw","to":"1","blob":""}"#,
        &deep,
    ] {
        let outcome = ClientMessage::from_json(text);
        assert!(
            matches!(&outcome, Err(MessageError::Malformed(why)) if why.len() < 400),
            "{text:.80}: {outcome:?}"
        );
    }
}

#[test]
fn what_exceeds_a_frame_is_not_read() {
    let topic = RoomId(ID_BYTES);
    let listen = |count| {
        ClientMessage::Listen {
            v: 1,
            topics: vec![topic; count],
        }
        .to_json()
    };
    // Whether there are too many is for the server to say, who may know a version that allows more.
    let largest = (MAX_MESSAGE_BYTES - listen(1).len()) / (listen(2).len() - listen(1).len()) + 1;
    assert!(largest > MAX_TOPICS && ClientMessage::from_json(&listen(largest)).is_ok());
    for count in [largest + 1, 100_000] {
        let Err(MessageError::Malformed(why)) = ClientMessage::from_json(&listen(count)) else {
            panic!("{count} topics were read")
        };
        assert!(why.contains("more than the 65536 allowed"), "{why}");
    }
    let padded = format!(
        "{}{}",
        ServerMessage::PeerAway { slot: Slot(1) }.to_json(),
        " ".repeat(MAX_MESSAGE_BYTES)
    );
    assert!(matches!(
        ServerMessage::from_json(&padded),
        Err(MessageError::Malformed(_))
    ));
}

#[test]
fn the_largest_messages_fit_a_frame() {
    let blob = Blob(vec![0xff; MAX_BLOB_BYTES]);
    let slot = Slot(u32::MAX);
    let topic = RoomId([0xff; 16]);
    let (to, from) = (slot, slot);
    for length in [
        ClientMessage::Post {
            topic,
            to,
            blob: blob.clone(),
        }
        .to_json()
        .len(),
        ServerMessage::Posted {
            topic,
            from,
            blob: blob.clone(),
        }
        .to_json()
        .len(),
        ClientMessage::Listen {
            v: u16::MAX,
            topics: vec![topic; MAX_TOPICS],
        }
        .to_json()
        .len(),
        ServerMessage::Listening {
            v: u16::MAX,
            topics: vec![
                TopicState {
                    topic,
                    slot,
                    others: vec![slot; MAX_LISTENERS - 1],
                };
                MAX_TOPICS
            ],
        }
        .to_json()
        .len(),
    ] {
        assert!(length <= MAX_MESSAGE_BYTES, "{length} bytes");
    }
    assert!(
        ClientMessage::Relay {
            to: slot,
            blob: blob.clone()
        }
        .to_json()
        .len()
            <= MAX_MESSAGE_BYTES
    );
    assert!(ServerMessage::Relay { from: slot, blob }.to_json().len() <= MAX_MESSAGE_BYTES);
    let members = vec![slot; MAX_ROOM_MEMBERS];
    let joined = ServerMessage::Joined {
        v: u16::MAX,
        slot,
        token: ResumeToken([0xff; 16]),
        members,
        resumed: false,
    };
    assert!(joined.to_json().len() < 1024);
}

#[test]
fn tokens_are_compared_whole_and_never_shown() {
    let token = ResumeToken(ID_BYTES);
    assert!(token.matches(&token));
    for at in 0..16 {
        let mut other = token;
        other.0[at] ^= 0x80;
        assert!(!token.matches(&other));
    }
    assert_eq!(format!("{token:?}"), "ResumeToken(…)");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,24}|join|relay|leave|listen|post|listening|posted|listener_came|error|AAECAwQFBgcICQoLDA0ODw"
            .prop_map(Value::from),
    ];
    let key = "type|v|room|resume|slot|token|to|from|blob|members|topic|topics|others|code|message|[a-z]{0,4}";
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key, inner), 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_client_message() -> impl Strategy<Value = ClientMessage> {
    let resume = (any::<u32>(), any::<[u8; 16]>()).prop_map(|(slot, token)| Resume {
        slot: Slot(slot),
        token: ResumeToken(token),
    });
    prop_oneof![
        (any::<u16>(), any::<[u8; 16]>(), proptest::option::of(resume)).prop_map(|(v, room, resume)| {
            ClientMessage::Join {
                v,
                room: RoomId(room),
                resume,
            }
        }),
        (any::<u32>(), vec(any::<u8>(), 0..200)).prop_map(|(to, blob)| ClientMessage::Relay {
            to: Slot(to),
            blob: Blob(blob)
        }),
        Just(ClientMessage::Leave),
        (any::<u16>(), vec(any::<[u8; 16]>(), 0..20)).prop_map(|(v, topics)| ClientMessage::Listen {
            v,
            topics: topics.into_iter().map(RoomId).collect(),
        }),
        (any::<[u8; 16]>(), any::<u32>(), vec(any::<u8>(), 0..200)).prop_map(|(topic, to, blob)| ClientMessage::Post {
            topic: RoomId(topic),
            to: Slot(to),
            blob: Blob(blob)
        }),
    ]
}

proptest! {
    #[test]
    fn messages_survive_the_wire(message in any_client_message()) {
        prop_assert_eq!(ClientMessage::from_json(&message.to_json()), Ok(message));
    }

    #[test]
    fn arbitrary_json_is_a_message_or_an_error(value in any_json()) {
        let text = value.to_string();
        if let Ok(message) = ClientMessage::from_json(&text) {
            prop_assert_eq!(ClientMessage::from_json(&message.to_json()), Ok(message));
        }
        if let Ok(message) = ServerMessage::from_json(&text) {
            prop_assert_eq!(ServerMessage::from_json(&message.to_json()), Ok(message));
        }
    }

    #[test]
    fn arbitrary_text_is_an_error_at_worst(text in "\\PC{0,60}", cut in 0..60usize) {
        let whole = ClientMessage::Join { v: 1, room: RoomId(ID_BYTES), resume: None }.to_json();
        for text in [text.as_str(), &whole[..cut.min(whole.len() - 1)]] {
            prop_assert!(ClientMessage::from_json(text).is_err());
            prop_assert!(ServerMessage::from_json(text).is_err());
        }
    }
}
