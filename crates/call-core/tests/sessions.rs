//! Handshakes and sessions of one machine, message by message: who begins, what breaks one, how it is made anew, and
//! what a connection has to prove.
#![allow(missing_docs, clippy::unwrap_used)]

mod bench;

use bench::friend::Friend;
use bench::*;
use call_core::{Alarm, Badge};
use trust::session::{MessageKind, inspect};

/// A slot below ours: towards it we stay the initiator when both have begun.
const LOWER: Slot = Slot(0);

/// Blobs on their way, as they are.
fn raw(bench: &mut Bench) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| bench.machine.poll_action())
        .filter_map(|action| match action {
            Action::Signal(ClientMessage::Relay { blob, .. }) => Some(blob.0),
            _ => None,
        })
        .collect()
}

fn kinds(blobs: &[Vec<u8>]) -> Vec<MessageKind> {
    blobs.iter().map(|blob| inspect(blob).unwrap().0).collect()
}

fn is_first(message: &Value) -> bool {
    *message == json!({"first": true})
}

fn stranger(slot: Slot) -> Friend {
    Friend::new(slot, identity_of(slot), &[0xee; 16])
}

/// Something sealed that was changed on its way.
fn disturb(bench: &mut Bench) -> Vec<Action> {
    let friend = bench.friends.get_mut(&THEIRS).unwrap();
    let mut blob = friend.seal(br#"{"v":1,"type":"check"}"#).unwrap();
    *blob.last_mut().unwrap() ^= 1;
    bench.relay_raw(THEIRS, blob);
    bench.drain()
}

#[test]
fn when_both_have_begun_the_higher_slot_goes_on() {
    let mut bench = Bench::joined(&[THEIRS]);
    let said = relayed(&bench.hear(greeting(LOW, false, &[])));
    assert_eq!(said[0]["type"], "greeting", "they are higher: we answer");
    assert_eq!(bench.link(), LinkState::Negotiating);

    let mut bench = Bench::joined(&[LOWER]);
    assert_eq!(
        bench.hear_from(LOWER, greeting(LOW, false, &[])),
        [],
        "we are higher: ours stands"
    );
    assert_eq!(bench.dropped().stale, 1);
    bench.wait(Duration::from_secs(3));
    bench.hear_from(LOWER, greeting(LOW, true, &[]));
    assert_eq!(bench.link(), LinkState::Negotiating);
}

#[test]
fn who_is_back_begins_whatever_we_had_begun() {
    let mut bench = Bench::joined(&[LOWER]);
    bench.server(ServerMessage::PeerBack { slot: LOWER });
    bench.hear_from(LOWER, greeting(LOW, false, &[]));
    assert_eq!(bench.link(), LinkState::Negotiating);
    assert_eq!(bench.dropped(), Dropped::default());
}

#[test]
fn a_session_lives_until_another_handshake_is_complete() {
    let mut bench = Bench::greeted_by(LOW);
    let mut other = Friend::new(THEIRS, identity_of(THEIRS), &SECRET);
    // Friends draw the same numbers: their first ones are used up.
    other.ask(Vec::new());
    bench.relay_raw(THEIRS, other.ask(b"{}".to_vec()));
    let answers = raw(&mut bench);
    assert_eq!(kinds(&answers), [MessageKind::Second]);
    // What is sealed still arrives, both ways.
    assert_eq!(bench.hear(offer(7, 1)), [accept_offer(OfferAcceptance::Plain)]);
    assert_eq!(relayed(&bench.described(DescriptionKind::Answer)).len(), 1);
    // A greeting that is none ends nothing.
    let friend::Understood::Said(_, Some(third)) = other.understand(&answers[0]) else {
        panic!("an answer")
    };
    bench.relay_raw(THEIRS, third);
    assert_eq!(bench.dropped().malformed, 1);
    assert_eq!(bench.hear(trickled(7, 2, 1, "theirs")), [add_candidate("theirs")]);
    // A right one does.
    let said = relayed(&bench.hear(greeting(LOW, false, &[7])));
    assert_eq!(said[0]["type"], "greeting");
    assert_eq!(bench.hear(trickled(7, 3, 1, "more")), [add_candidate("more")]);
}

#[test]
fn a_first_message_that_comes_twice_gets_the_same_answer_and_is_not_answered_without_end() {
    let mut bench = Bench::joined(&[]);
    bench.server(ServerMessage::PeerJoined { slot: THEIRS });
    let mut friend = Friend::new(THEIRS, identity_of(THEIRS), &SECRET);
    let first = friend.ask(greeting(LOW, false, &[]).to_string().into_bytes());
    for _ in 0..100 {
        bench.relay_raw(THEIRS, first.clone());
    }
    let answers = raw(&mut bench);
    assert_eq!(answers.len(), 24, "a minute");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(bench.dropped().overflow, 76);
    bench.wait(Duration::from_secs(61));
    bench.relay_raw(THEIRS, first);
    assert_eq!(
        kinds(&raw(&mut bench)),
        [MessageKind::Second],
        "the next minute is a new one"
    );
}

#[test]
fn a_broken_session_is_made_anew_at_once_three_times_a_minute() {
    let mut bench = Bench::connected_to(LOW);
    for _ in 0..3 {
        let said = relayed(&disturb(&mut bench));
        assert!(said.len() == 1 && is_first(&said[0]), "{said:?}");
        bench.hear(greeting(LOW, true, &[7]));
        assert_eq!(bench.machine.snapshot().alarm, None);
    }
    assert_eq!(disturb(&mut bench), [], "enough");
    assert_eq!(bench.machine.snapshot().alarm, Some(Alarm::SignalingDisturbed));
    assert!(
        matches!(bench.link(), LinkState::Connected { .. }),
        "media is not touched"
    );
    let (waited, actions) = bench.wait_for_action();
    assert_eq!(
        (waited, is_first(&relayed(&actions)[0])),
        (Duration::from_secs(20), true)
    );
    bench.hear(greeting(LOW, true, &[7]));
    bench.hear(json!({"v": 1, "type": "checked"}));
    assert_eq!(bench.machine.snapshot().alarm, None, "something sealed came through");
    assert_eq!(bench.dropped().forged, 4);
}

#[test]
fn replayed_swapped_and_missing_messages_break_a_session() {
    let check = br#"{"v":1,"type":"check"}"#;
    for order in [&[0, 0][..], &[1, 0], &[1]] {
        let mut bench = Bench::connected_to(LOW);
        let friend = bench.friends.get_mut(&THEIRS).unwrap();
        let blobs = [friend.seal(check).unwrap(), friend.seal(check).unwrap()];
        for at in order {
            bench.relay_raw(THEIRS, blobs[*at].clone());
        }
        let said = relayed(&bench.drain());
        assert!(is_first(said.last().unwrap()), "{order:?}");
        assert_eq!(bench.dropped().forged, 1);
    }
}

#[test]
fn what_belongs_to_another_session_changes_nothing() {
    let mut bench = Bench::connected_to(LOW);
    let mut other = Bench::connected_to(LOW);
    other.hear(greeting(LOW, false, &[7]));
    let blob = other.friends.get_mut(&THEIRS).unwrap().seal(b"{}").unwrap();
    bench.relay_raw(THEIRS, blob);
    assert_eq!((bench.drain(), bench.dropped().foreign), (vec![], 1));
    bench.hear(json!({"v": 1, "type": "bye"}));
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Waiting);
}

#[test]
fn a_third_message_that_got_lost_shows_at_the_next_one() {
    let mut bench = Bench::joined(&[]);
    bench.server(ServerMessage::PeerJoined { slot: THEIRS });
    let mut friend = Friend::new(THEIRS, identity_of(THEIRS), &SECRET);
    bench.relay_raw(THEIRS, friend.ask(b"{}".to_vec()));
    let answers = raw(&mut bench);
    friend.understand(&answers[0]);
    let sealed = friend.seal(b"{}").unwrap();
    bench.relay_raw(THEIRS, sealed);
    assert_eq!(kinds(&raw(&mut bench)), [MessageKind::First]);
}

#[test]
fn silence_while_a_connection_is_agreed_on_breaks_the_session() {
    let mut bench = Bench::greeted_by(LOW);
    bench.hear(offer(7, 1));
    bench.described(DescriptionKind::Answer);
    // Nobody answers our checks any more.
    let mut asked = Vec::new();
    for _ in 0..3 {
        bench.now = bench.machine.poll_deadline().unwrap();
        bench.machine.handle_deadlines(bench.now);
        asked.extend(kinds(&raw(&mut bench)));
    }
    assert_eq!(asked, [MessageKind::Sealed, MessageKind::Sealed, MessageKind::First]);
    assert_eq!(bench.now - Time(Duration::from_secs(100)), Duration::from_secs(4));
}

#[test]
fn once_connected_nothing_is_checked() {
    let mut bench = Bench::connected_to(LOW);
    assert_eq!(bench.machine.poll_deadline(), None);
    // Who is not connected yet may still ask.
    let check = bench
        .friends
        .get_mut(&THEIRS)
        .unwrap()
        .seal(br#"{"v":1,"type":"check"}"#);
    bench.relay_raw(THEIRS, check.unwrap());
    assert_eq!(kinds(&raw(&mut bench)), [MessageKind::Sealed]);
}

#[test]
fn a_stranger_is_never_a_participant_and_is_reported() {
    let mut bench = Bench::joined(&[]);
    bench.server(ServerMessage::PeerJoined { slot: THEIRS });
    for count in 1..=3 {
        assert_eq!(bench.machine.snapshot().alarm, None);
        let blob = stranger(THEIRS).ask(b"{}".to_vec());
        bench.relay_raw(THEIRS, blob);
        assert_eq!((raw(&mut bench), bench.dropped().forged), (vec![], count));
        assert_eq!(bench.machine.snapshot().participants, []);
    }
    assert_eq!(bench.machine.snapshot().alarm, Some(Alarm::StrangerInRoom));
    // With somebody else there it is no alarm: it may be a guest with an old link.
    bench.server(ServerMessage::PeerJoined { slot: Slot(3) });
    bench.hear_from(Slot(3), greeting(HIGH, false, &[]));
    assert_eq!(bench.machine.snapshot().alarm, None);
}

#[test]
fn a_new_connection_to_the_server_needs_new_sessions() {
    let mut bench = Bench::connected_to(LOW);
    bench.unreachable();
    bench.wait_for_action();
    bench.signaling(SignalingInput::Connected);
    let said = relayed(&bench.enter(&[THEIRS], true));
    assert!(said.len() == 1 && is_first(&said[0]));
    bench.hear(json!({"v": 1, "type": "bye"}));
    assert_eq!(bench.dropped().foreign, 1, "of the session before");
    bench.hear(greeting(LOW, true, &[7]));
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
}

#[test]
fn before_the_hello_nothing_is_heard_and_a_wrong_one_ends_the_connection() {
    let mut bench = Bench::greeted_by(LOW);
    bench.hear(offer(7, 1));
    bench.described(DescriptionKind::Answer);
    bench.peer(PeerInput::Transport(TransportState::Connected));
    bench.peer(PeerInput::ControlOpened);
    let right = bench.hello_of(FIRST);
    assert_eq!(
        bench.said_hellos,
        [json!({"v": 1, "type": "hello", "hello": THEIR_HELLO})]
    );
    let bye = json!({"v": 1, "type": "bye"});
    assert_eq!(bench.say_on_control(FIRST, &bye), [], "who says this?");
    assert_eq!(bench.dropped().unknown_sender, 1);
    assert_eq!(bench.hear(right.clone()), [], "not the way to say it");
    assert_eq!(bench.link(), LinkState::Negotiating);
    let wrong = json!({"v": 1, "type": "hello", "hello": THEIR_HELLO});
    let second = Attempt(2);
    let actions = bench.say_on_control(FIRST, &wrong);
    assert_eq!(
        actions,
        [close(FIRST), create(second), create_offer(second, IceMode::Keep)]
    );
    assert_eq!(bench.machine.snapshot().alarm, Some(Alarm::FingerprintMismatch));
    let said: Vec<MilestoneKind> = bench.machine.timeline().map(|milestone| milestone.kind).collect();
    assert!(said.contains(&MilestoneKind::WrongHello));
    // The next one is what it should be.
    let said = relayed(&bench.peer_at(
        second,
        PeerInput::LocalDescription {
            kind: DescriptionKind::Offer,
            sdp: "again".to_owned(),
        },
    ));
    bench.hear(answer(8, &said[0]["connection"], 1, &said[0]["sequence"]));
    bench.peer_at(second, PeerInput::AnswerAccepted);
    assert_ne!(bench.hello_of(second), right, "new for every connection");
    bench.come_up(second);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
    assert_eq!(bench.machine.snapshot().alarm, None);
}

#[test]
fn a_certificate_that_is_not_the_promised_one_is_said_and_given_up_after_three_tries() {
    let fault = || PeerInput::Fault(NegotiationFault::Fingerprint("another one".to_owned()));
    let mut bench = Bench::greeted_by(LOW);
    bench.hear(offer(7, 1));
    bench.described(DescriptionKind::Answer);
    for attempt in [1, 2] {
        bench.peer_at(Attempt(attempt), fault());
        assert_eq!(bench.machine.snapshot().alarm, Some(Alarm::FingerprintMismatch));
        assert_eq!(bench.link(), LinkState::Negotiating);
    }
    bench.peer_at(Attempt(3), fault());
    assert_eq!(
        bench.machine.snapshot().phase,
        CallPhase::Ended(EndReason::PeersUnreachable(None))
    );
    assert_eq!(
        bench.machine.snapshot().alarm,
        Some(Alarm::FingerprintMismatch),
        "the reason is still told"
    );
}

#[test]
fn a_slot_is_never_given_to_somebody_else() {
    // One who is kept out must not speak for the one who lives in the slot.
    let mut bench = Bench::connected_to(LOW);
    bench.server(ServerMessage::PeerJoined { slot: Slot(3) });
    bench.hear_from(Slot(3), greeting(HIGH, false, &[]));
    let outsider = bench.machine.snapshot().participants[1].clone();
    bench.give(Input::Local(LocalIntent::Refuse { peer: outsider.peer }));
    let mut outsider = Friend::new(THEIRS, identity_of(Slot(3)), &SECRET);
    outsider.ask(Vec::new());
    let third_greeting = greeting(HIGH, true, &[]).to_string().into_bytes();
    bench.relay_raw(THEIRS, outsider.ask(third_greeting));
    let answers = raw(&mut bench);
    let friend::Understood::Said(_, Some(third)) = outsider.understand(&answers[0]) else {
        panic!("an answer")
    };
    bench.relay_raw(THEIRS, third);
    bench.relay_raw(THEIRS, outsider.seal(br#"{"v":1,"type":"bye"}"#).unwrap());
    assert_eq!((bench.dropped().impostor, bench.dropped().foreign), (1, 1));
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
    bench.hear(json!({"v": 1, "type": "bye"}));
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Waiting);
}

#[test]
fn nothing_is_agreed_on_with_somebody_who_is_not_let_in() {
    let mut knock = config(Slot(1));
    knock.trust.door = Door::Knock;
    let mut bench = Bench::with(knock).join(&[]);
    bench.server(ServerMessage::PeerJoined { slot: THEIRS });
    let said = relayed(&bench.hear(greeting(LOW, false, &[])));
    assert_eq!(said[0]["entry"], "wait", "before we know who it is");
    assert_eq!(said[1], json!({"v": 1, "type": "admission", "entry": "wait"}));
    for message in [
        offer(7, 1),
        trickled(7, 2, 1, "c"),
        json!({"v": 1, "type": "media", "revision": 9,
            "media": {"microphone": "off", "camera": "off", "screen": "on"}}),
        json!({"v": 1, "type": "room", "revision": 1, "door": "open", "has_expired": false, "admitted": [],
            "refused": []}),
        json!({"v": 1, "type": "moved", "secret": OURS}),
    ] {
        assert_eq!(bench.hear(message), []);
    }
    assert_eq!(bench.dropped().unentitled, 5);
    let known = bench.machine.snapshot().participants[0].clone();
    assert_eq!((known.link, known.badge), (LinkState::Greeting, Badge::Unverified));
    // Let in, they are told the rest, and we wait for their offer.
    let actions = bench.give(Input::Local(LocalIntent::Admit { peer: PEER }));
    let said = relayed(&actions);
    assert!(said[0]["entry"]["open"].is_object());
    let theirs = identity_of(THEIRS).public().to_string();
    assert_eq!(
        (&said[1]["type"], &said[1]["door"], &said[1]["admitted"]),
        (&json!("room"), &json!("knock"), &json!([theirs]))
    );
    assert_eq!(done(actions), [create(FIRST)]);
    assert_eq!(bench.hear(offer(7, 1)), [accept_offer(OfferAcceptance::Plain)]);
}
