//! One machine, line by line: what goes in, and exactly what comes out. The wire is written out as JSON, because
//! older and newer versions of the application have to agree on it.
#![allow(missing_docs, clippy::unwrap_used)]

mod bench;

use bench::*;

#[test]
fn joining_alone() {
    let mut bench = Bench::idle();
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Idle);
    let actions = bench.give(Input::Local(LocalIntent::Join));
    assert_eq!(
        actions,
        [Action::ApplyLocalMedia(LocalMedia::default()), Action::ConnectSignaling]
    );
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Joining);
    assert_eq!(bench.machine.snapshot().signaling, SignalingState::Connecting);
    assert_eq!(bench.signaling(SignalingInput::Connected), [join_message(None)]);
    assert_eq!(bench.enter(&[], false), []);
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Waiting);
    assert_eq!(bench.machine.snapshot().signaling, SignalingState::Joined);
    assert_eq!(
        bench.machine.poll_deadline(),
        None,
        "nothing to do until somebody comes"
    );
    assert_eq!(bench.give(Input::Local(LocalIntent::Join)), [], "one call a machine");
}

#[test]
fn a_newcomer_greets_and_prepares_its_offer_meanwhile() {
    let mut bench = Bench::idle();
    bench.give(Input::Local(LocalIntent::Join));
    bench.signaling(SignalingInput::Connected);
    let actions = bench.enter(&[THEIRS], false);
    assert_eq!(
        relayed(&actions),
        [json!({"first": true})],
        "nothing is said before they answered"
    );
    assert_eq!(done(actions), [create(FIRST), create_offer(FIRST, IceMode::Keep)]);
    assert_eq!(bench.gathered("early"), []);
    assert_eq!(
        bench.described(DescriptionKind::Offer),
        [],
        "not before they have greeted"
    );
    assert_eq!(bench.gathered("late"), []);
    let actions = bench.hear(greeting(LOW, true, &[]));
    let said = relayed(&actions);
    assert_eq!(done(actions), []);
    let own_number = said[1]["connection"].clone();
    let hello = said[1]["hello"].clone();
    assert_eq!(hello.as_str().unwrap().len(), 32);
    assert_eq!(
        said,
        [
            json!({"v": 1, "type": "greeting", "participant": OURS, "name": "Ada", "capabilities": [],
                "entry": {"open": {"media": {"microphone": "on", "camera": "on", "screen": "off"}, "media_revision": 1,
                    "connections": [own_number]}}}),
            json!({"v": 1, "type": "description", "connection": own_number, "sequence": 1, "kind": "offer",
                "hello": hello, "sdp": "our Offer"}),
            json!({"v": 1, "type": "candidate", "connection": own_number, "sequence": 2, "description": 1,
                "candidate": {"candidate": "early"}}),
            json!({"v": 1, "type": "candidate", "connection": own_number, "sequence": 3, "description": 1,
                "candidate": {"candidate": "late"}}),
        ]
    );
    let actions = bench.hear(answer(7, &own_number, 1, &json!(1)));
    let sdp = "their answer".to_owned();
    let (peer, attempt) = (PEER, FIRST);
    assert_eq!(actions, [Action::AcceptAnswer { peer, attempt, sdp }]);
    assert_eq!(
        bench.hear(trickled(7, 2, 1, "theirs")),
        [],
        "not before the answer is set"
    );
    assert_eq!(bench.peer(PeerInput::AnswerAccepted), [add_candidate("theirs")]);
    assert_eq!(bench.peer(PeerInput::ControlOpened), []);
    assert_eq!(
        bench.link(),
        LinkState::Negotiating,
        "the control channel alone is not enough"
    );
    bench.peer(PeerInput::Transport(TransportState::Connected));
    assert_eq!(bench.link(), LinkState::Negotiating, "nor without their hello");
    assert_eq!(
        bench.said_hellos,
        [json!({"v": 1, "type": "hello", "hello": THEIR_HELLO})]
    );
    bench.say_on_control(FIRST, &json!({"v": 1, "type": "hello", "hello": hello}));
    assert_eq!(bench.link(), LinkState::Connected { since: bench.now });
    assert_eq!(bench.machine.poll_deadline(), None);
    assert_eq!(bench.dropped(), Dropped::default());
    let kinds: Vec<MilestoneKind> = bench.machine.timeline().map(|milestone| milestone.kind).collect();
    assert_eq!(
        kinds,
        [
            MilestoneKind::JoinedRoom,
            MilestoneKind::Greeted,
            MilestoneKind::Connected
        ]
    );
}

#[test]
fn a_member_replies_and_waits_for_the_offer() {
    let mut bench = Bench::joined(&[]);
    assert_eq!(bench.server(ServerMessage::PeerJoined { slot: THEIRS }), []);
    let actions = bench.hear(greeting(LOW, false, &[]));
    assert_eq!(relayed(&actions)[0]["type"], "greeting");
    assert_eq!(done(actions), [create(FIRST)]);
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Connecting);
    assert_eq!(bench.hear(offer(7, 1)), [accept_offer(OfferAcceptance::Plain)]);
    assert_eq!(bench.hear(trickled(7, 2, 1, "theirs")), []);
    let actions = bench.described(DescriptionKind::Answer);
    let said = relayed(&actions);
    assert_eq!(
        (&said[0]["kind"], &said[0]["toward"], &said[0]["answers"]),
        (&json!("answer"), &json!(7), &json!(1))
    );
    assert_eq!(done(actions), [add_candidate("theirs")]);
}

#[test]
fn two_offers_at_once_are_settled_by_politeness() {
    for (who, is_polite) in [(HIGH, true), (LOW, false)] {
        let mut bench = Bench::greeted_by(who);
        let (_, actions) = bench.wait_for_action();
        assert_eq!(
            actions,
            [create_offer(FIRST, IceMode::Keep)],
            "none came, so it is our turn"
        );
        assert_eq!(bench.hear(offer(7, 1)), [], "one step at a time");
        let actions = bench.described(DescriptionKind::Offer);
        if is_polite {
            assert_eq!(done(actions), [accept_offer(OfferAcceptance::RollbackFirst)]);
            bench.described(DescriptionKind::Answer);
            assert_eq!(bench.hear(trickled(7, 2, 1, "theirs")), [add_candidate("theirs")]);
        } else {
            // They may not have ours: it goes out once more for the offer that was ignored.
            assert_eq!(relayed(&actions).len(), 2);
            assert_eq!(done(actions), []);
            assert_eq!(bench.hear(trickled(7, 2, 1, "of an ignored offer")), []);
            let number = bench.hear(offer(7, 3));
            let number = &relayed(&number)[0]["connection"];
            bench.hear(answer(7, number, 4, &json!(1)));
            assert_eq!(bench.peer(PeerInput::AnswerAccepted), [], "nor its candidates");
        }
    }
}

#[test]
fn ice_is_restarted_over_both_ways() {
    let mut bench = Bench::connected_to(LOW);
    assert_eq!(
        bench.give(Input::Local(LocalIntent::RestartIce)),
        [create_offer(FIRST, IceMode::Restart)]
    );
    let actions = bench.described(DescriptionKind::Offer);
    assert_eq!(on_control(&actions), relayed(&actions));
    assert_eq!(on_control(&actions)[0]["toward"], json!(7));
    assert!(
        matches!(actions[0], Action::SendControl { .. }),
        "the control channel first"
    );
    let said = &on_control(&actions)[0];
    let reply = answer(7, &said["connection"], 2, &said["sequence"]);
    assert_eq!(
        bench.hear(answer(7, &said["connection"], 3, &json!(1))),
        [],
        "it answers another offer"
    );
    assert_eq!(bench.dropped().stale, 1);
    assert_eq!(bench.hear(reply.clone()).len(), 1);
    assert_eq!(
        bench.peer(PeerInput::Control(reply.to_string().into_bytes())),
        [],
        "what comes twice is dropped"
    );
    assert_eq!(bench.dropped().duplicate, 1);
    bench.peer(PeerInput::AnswerAccepted);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
}

#[test]
fn silence_is_shown_at_once_and_the_impolite_side_looks_for_a_path_first() {
    // They answer through the server, so half a second later the old path is given up.
    for (who, first) in [(LOW, 500), (HIGH, 3_500)] {
        let mut bench = Bench::connected_to(who);
        let since = bench.now;
        assert_eq!(bench.peer(PeerInput::Transport(TransportState::Silent)), []);
        assert_eq!(bench.link(), LinkState::Reconnecting { since });
        assert_eq!(bench.machine.snapshot().phase, CallPhase::Reconnecting);
        assert_eq!(bench.probes, 1, "and is the server there?");
        let (waited, actions) = bench.wait_for_action();
        assert_eq!(actions, [create_offer(FIRST, IceMode::Restart)]);
        assert_eq!(waited, Duration::from_millis(first));
        let actions = bench.peer(PeerInput::Transport(TransportState::Alive));
        assert_eq!(on_control(&actions)[0]["type"], json!("media"));
        assert!(matches!(bench.link(), LinkState::Connected { .. }));
        assert_eq!(bench.machine.snapshot().participants[0].reconnects, 1);
    }
}

#[test]
fn a_path_that_comes_back_in_time_is_kept() {
    let mut bench = Bench::connected_to(LOW);
    bench.peer(PeerInput::Transport(TransportState::Silent));
    assert_eq!(bench.wait(Duration::from_millis(450)), []);
    let actions = bench.peer(PeerInput::Transport(TransportState::Alive));
    assert_eq!(done(actions), []);
    assert_eq!(done(bench.wait(Duration::from_secs(60))), []);
    assert_eq!(bench.probes, 1);
}

#[test]
fn a_path_is_kept_for_as_long_as_the_other_may_be_offline() {
    let mut bench = Bench::connected_to(LOW);
    bench.server(ServerMessage::PeerAway { slot: THEIRS });
    bench.peer(PeerInput::Transport(TransportState::Silent));
    assert_eq!(done(bench.wait(Duration::from_secs(300))), []);
    assert_eq!(bench.probes, 151, "every two seconds");
    assert!(matches!(bench.link(), LinkState::Reconnecting { .. }));
}

#[test]
fn without_a_server_the_path_is_kept_and_the_server_tried_often() {
    let mut bench = Bench::connected_to(LOW);
    bench.peer(PeerInput::Transport(TransportState::Silent));
    for _ in 0..20 {
        bench.unreachable();
        let (pause, actions) = bench.wait_for_action();
        assert_eq!(actions, [Action::ConnectSignaling]);
        assert!(pause <= Duration::from_millis(400), "{pause:?}");
    }
}

#[test]
fn an_offer_of_theirs_during_silence_is_the_search_for_a_new_path() {
    let mut bench = Bench::connected_to(LOW);
    bench.peer(PeerInput::Transport(TransportState::Silent));
    assert_eq!(bench.hear(offer(7, 2)), [accept_offer(OfferAcceptance::Plain)]);
    bench.described(DescriptionKind::Answer);
    assert_eq!(done(bench.wait(Duration::from_secs(9))), [], "one search is enough");
    let second = Attempt(2);
    assert_eq!(
        bench.wait_for_action().1,
        [close(FIRST), create(second), create_offer(second, IceMode::Keep)]
    );
}

#[test]
fn a_connection_that_does_not_come_up_is_replaced_after_ten_seconds_three_times() {
    let mut bench = Bench::greeted_by(LOW);
    bench.hear(offer(7, 1));
    bench.described(DescriptionKind::Answer);
    bench.peer(PeerInput::Transport(TransportState::Connected));
    let (waited, actions) = bench.wait_for_action();
    assert_eq!(
        waited,
        Duration::from_secs(10),
        "connected without a control channel is not up"
    );
    let second = Attempt(2);
    assert_eq!(
        actions,
        [close(FIRST), create(second), create_offer(second, IceMode::Keep)]
    );
    assert_eq!(
        bench.described(DescriptionKind::Answer),
        [],
        "what belongs to the old one is dropped"
    );
    assert_eq!(bench.dropped().stale, 1);
    let (waited, actions) = bench.wait_for_action();
    assert_eq!((waited, actions.len()), (Duration::from_secs(10), 3));
    let (waited, actions) = bench.wait_for_action();
    assert_eq!(waited, Duration::from_secs(10));
    assert_eq!(
        actions.last(),
        Some(&Action::Finished(EndReason::PeersUnreachable(None)))
    );
    assert_eq!(
        bench.machine.snapshot().phase,
        CallPhase::Ended(EndReason::PeersUnreachable(None))
    );
}

#[test]
fn what_was_in_the_way_last_is_told_at_the_end_and_forgotten_when_there_is_a_path() {
    let blocked = |blockage| PeerInput::Blocked(blockage);
    let mut bench = Bench::greeted_by(HIGH);
    bench.peer(blocked(Blockage::UdpBlocked));
    assert_eq!(
        bench.machine.snapshot().participants[0].blockage,
        Some(Blockage::UdpBlocked)
    );
    // A step may fail for a reason of that kind too; it counts as a try.
    let refused = NegotiationFault::Blocked(Blockage::RelayRefused);
    bench.peer(PeerInput::Fault(refused.clone()));
    bench.peer_at(Attempt(2), PeerInput::Fault(refused.clone()));
    let actions = bench.peer_at(Attempt(3), PeerInput::Fault(refused));
    let end = EndReason::PeersUnreachable(Some(Blockage::RelayRefused));
    assert_eq!(actions.last(), Some(&Action::Finished(end.clone())));
    let told: Vec<String> = bench
        .machine
        .timeline()
        .map(|milestone| milestone.kind.to_string())
        .collect();
    assert!(
        told.iter()
            .any(|line| line.starts_with("unreachable: the relay refused")),
        "{told:?}"
    );
    assert!(end.to_string().ends_with("the relay refused the user or the password"));

    let mut bench = Bench::connected_to(HIGH);
    bench.peer(blocked(Blockage::BothStrict));
    assert_eq!(
        bench.machine.snapshot().participants[0].blockage,
        None,
        "there is a path"
    );
}

#[test]
fn a_step_that_fails_replaces_the_connection_but_never_cuts_running_media() {
    let fault = || PeerInput::Fault(NegotiationFault::RemoteDescription("bad".to_owned()));
    let mut bench = Bench::greeted_by(HIGH);
    bench.hear(offer(7, 1));
    let second = Attempt(2);
    assert_eq!(
        bench.peer(fault()),
        [close(FIRST), create(second), create_offer(second, IceMode::Keep)]
    );

    let mut bench = Bench::connected_to(HIGH);
    bench.give(Input::NetworkChanged);
    assert_eq!(bench.peer(fault()), []);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
    let actions = bench.peer(PeerInput::Transport(TransportState::Silent));
    assert_eq!(done(actions), [], "without a server there is nobody to agree with");
}

#[test]
fn a_new_connection_of_theirs_replaces_ours() {
    let mut bench = Bench::connected_to(LOW);
    let second = Attempt(2);
    let actions = bench.hear(offer(8, 1));
    assert_eq!(actions[..2], [close(FIRST), create(second)]);
    assert!(matches!(actions[2], Action::AcceptOffer { attempt, .. } if attempt == second));
    assert!(matches!(bench.link(), LinkState::Reconnecting { .. }));
    assert_eq!(bench.hear(offer(7, 9)), [], "the old one is over");
    assert_eq!(bench.hear(trickled(7, 10, 9, "old")), []);
    assert_eq!(bench.dropped().stale, 2);
}

#[test]
fn a_peer_that_replaces_without_end_is_not_followed_without_end() {
    let mut bench = Bench::connected_to(LOW);
    let followed = (8..1_000)
        .map(|number| done(bench.hear(offer(number, 1))).len())
        .filter(|count| *count > 0);
    assert!(followed.count() <= 20);
}

#[test]
fn a_server_that_comes_back_without_memory_gets_new_slots_and_touches_nothing() {
    let mut bench = Bench::connected_to(LOW);
    assert_eq!(bench.unreachable(), []);
    assert!(matches!(
        bench.machine.snapshot().signaling,
        SignalingState::Retrying { failures: 1, .. }
    ));
    assert_eq!(bench.wait_for_action().1, [Action::ConnectSignaling]);
    let resume = Some(Resume {
        slot: Slot(1),
        token: TOKEN,
    });
    assert_eq!(bench.signaling(SignalingInput::Connected), [join_message(resume)]);
    let actions = bench.enter(&[THEIRS], false);
    assert_eq!(done(actions.clone()), [], "no connection for somebody we may know");
    let said = relayed(&bench.hear(greeting(LOW, true, &[7])));
    let own_numbers = said[0]["entry"]["open"]["connections"].clone();
    assert_eq!((said.len(), own_numbers.as_array().unwrap().len()), (1, 1));
    assert_eq!(bench.machine.snapshot().participants.len(), 1);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
    let again = relayed(&bench.hear(greeting(LOW, false, &[7])));
    assert_eq!(
        again[0]["entry"]["open"]["connections"], own_numbers,
        "which they recognize"
    );
}

#[test]
fn nobody_takes_the_place_of_somebody_connected() {
    let mut bench = Bench::connected_to(LOW);
    let intruder = Slot(5);
    bench.server(ServerMessage::PeerJoined { slot: intruder });
    for message in [
        greeting(LOW, false, &[]),
        greeting(LOW, false, &[7]),
        greeting(OURS, false, &[7]),
        offer(8, 1),
        json!({"v": 1, "type": "bye"}),
    ] {
        assert_eq!(done(bench.hear_from(intruder, message)), []);
    }
    assert_eq!(bench.dropped().impostor, 3);
    assert_eq!(bench.dropped().foreign, 5, "two, and three beginnings of symbols");
    assert_eq!(
        done(bench.hear(greeting(HIGH, false, &[]))),
        [],
        "nor changes who they are"
    );
    assert_eq!(bench.dropped().impostor, 4);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
}

#[test]
fn leaving_is_final_and_being_away_is_not() {
    let slot = THEIRS;
    let mut alive = Bench::connected_to(LOW);
    for notice in [
        ServerMessage::PeerAway { slot },
        ServerMessage::PeerLeft {
            slot,
            reason: LeaveReason::Lost,
        },
    ] {
        assert_eq!(alive.server(notice), []);
        assert!(
            matches!(alive.link(), LinkState::Connected { .. }),
            "media says they are there"
        );
    }
    alive.peer(PeerInput::Transport(TransportState::Silent));
    alive.wait(Duration::from_millis(329_900));
    assert_eq!(alive.machine.snapshot().phase, CallPhase::Reconnecting);
    alive.wait(Duration::from_millis(200));
    assert_eq!(alive.machine.snapshot().phase, CallPhase::Waiting);

    let mut told = Bench::connected_to(LOW);
    let gone = [close(FIRST), Action::ForgetPeer { peer: PEER }];
    let left = ServerMessage::PeerLeft {
        slot,
        reason: LeaveReason::Left,
    };
    assert_eq!(
        told.server(left.clone()),
        [],
        "the server's word ends nothing that flows"
    );
    let actions = told.peer(PeerInput::Transport(TransportState::Silent));
    assert!(actions.ends_with(&gone), "{actions:?}");
    let mut told = Bench::greeted_by(LOW);
    assert_eq!(told.server(left), gone);
    let mut bench = Bench::connected_to(LOW);
    let bye = json!({"v": 1, "type": "bye"}).to_string().into_bytes();
    assert_eq!(bench.peer(PeerInput::Control(bye)), gone);
    let (mine, said) = (done(bench.hear(greeting(LOW, false, &[7]))), bench.dropped().stale);
    assert_eq!((mine, said), (vec![], 1), "what was on its way is too late");
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Waiting);
}

#[test]
fn hanging_up_says_so_both_ways() {
    let mut bench = Bench::connected_to(LOW);
    let actions = bench.give(Input::Local(LocalIntent::Leave));
    assert_eq!(on_control(&actions), [json!({"v": 1, "type": "bye"})]);
    let expected = [
        Action::Signal(ClientMessage::Leave),
        Action::CloseSignaling,
        close(FIRST),
        Action::Finished(EndReason::HungUp),
    ];
    assert_eq!(actions[1..], expected);
}

#[test]
fn retries_become_slower_up_to_five_seconds() {
    let mut bench = Bench::connected_to(LOW);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.unreachable();
        let (pause, actions) = bench.wait_for_action();
        assert_eq!(actions, [Action::ConnectSignaling]);
        pauses.push(pause.as_millis());
    }
    for (pause, longest) in pauses.iter().zip([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]) {
        assert!((longest * 3 / 4..=longest).contains(pause), "{pauses:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_left_and_tried_again() {
    let mut bench = Bench::idle();
    bench.give(Input::Local(LocalIntent::Join));
    let (waited, actions) = bench.wait_for_action();
    assert_eq!(
        (waited, actions),
        (Duration::from_secs(5), vec![Action::CloseSignaling])
    );
    assert_eq!(bench.wait_for_action().1, [Action::ConnectSignaling]);
    bench.signaling(SignalingInput::Connected);
    let (_, actions) = bench.wait_for_action();
    let why = "the server did not answer in time".to_owned();
    assert_eq!(
        actions,
        [
            Action::CloseSignaling,
            Action::Finished(EndReason::ServerUnreachable(why))
        ]
    );
    assert_eq!(bench.now - Time(Duration::from_secs(100)), Duration::from_secs(10));
}

#[test]
fn a_wrong_server_ends_only_a_call_with_nobody_in_it() {
    let wrong = || SignalingInput::Disconnected(SignalingLoss::WrongServer("a web shop".to_owned()));
    let mut bench = Bench::idle();
    bench.give(Input::Local(LocalIntent::Join));
    assert_eq!(
        bench.signaling(wrong()),
        [Action::Finished(EndReason::WrongServer("a web shop".to_owned()))]
    );
    let mut bench = Bench::connected_to(LOW);
    assert_eq!(bench.signaling(wrong()), []);
    assert_eq!(bench.machine.snapshot().phase, CallPhase::Active);
}

#[test]
fn refusals() {
    for (code, is_final) in [
        (ErrorCode::ClientTooOld, true),
        (ErrorCode::ClientTooNew, true),
        (ErrorCode::RoomFull, true),
        (ErrorCode::Busy, false),
        (ErrorCode::TooFast, false),
    ] {
        let mut bench = Bench::idle();
        bench.give(Input::Local(LocalIntent::Join));
        bench.signaling(SignalingInput::Connected);
        let message = "No.".to_owned();
        let refusal = ServerMessage::Error { code, message };
        let actions = bench.server(refusal.clone());
        let end = Action::Finished(EndReason::Refused("No.".to_owned()));
        let expected = if is_final {
            vec![Action::CloseSignaling, end]
        } else {
            vec![Action::CloseSignaling]
        };
        assert_eq!(actions, expected, "{code:?}");
        let mut bench = Bench::connected_to(LOW);
        bench.server(refusal);
        assert_eq!(bench.machine.snapshot().phase, CallPhase::Active, "{code:?}");
    }
}

#[test]
fn candidates_are_bounded() {
    let mut bench = Bench::greeted_by(LOW);
    for sequence in 2..102 {
        assert_eq!(bench.hear(trickled(7, sequence, 1, "early")), []);
    }
    assert_eq!(bench.dropped().overflow, 36, "64 wait for the description");
    bench.hear(offer(7, 1));
    let added = done(bench.described(DescriptionKind::Answer));
    assert_eq!(added.len(), 64);
    assert_eq!(bench.hear(trickled(7, 200, 1, "one more")), []);
}

#[test]
fn the_room_is_bounded() {
    let members: Vec<Slot> = (2..5_000).map(Slot).collect();
    let mut bench = Bench::joined(&members);
    for slot in 5_000..6_000 {
        bench.server(ServerMessage::PeerJoined { slot: Slot(slot) });
    }
    assert!(bench.machine.snapshot().participants.len() <= 8);
    assert!(bench.dropped().overflow > 5_000);
}

#[test]
fn malformed_messages_are_counted_and_change_nothing() {
    let long = |length: usize| "x".repeat(length);
    let with = |mut message: Value, field: &str, value: Value| {
        message[field] = value;
        message
    };
    let timing = |capture_ms: Value| json!({"v": 1, "type": "timings", "source": "camera", "capture_ms": capture_ms, "encode_ms": 1.0});
    let malformed = [
        json!(null),
        json!([]),
        json!({}),
        json!({"v": 1}),
        json!({"v": 1, "type": "unheard_of"}),
        json!({"v": 2, "type": "bye"}),
        json!({"v": "1", "type": "bye"}),
        with(greeting(HIGH, false, &[]), "participant", json!("short")),
        with(
            greeting(HIGH, false, &[]),
            "participant",
            json!("+fffffffffffffffffffffffffffffff"),
        ),
        with(greeting(HIGH, false, &[]), "name", json!(long(2_000))),
        greeting(HIGH, false, &[1; 17]),
        with(greeting(HIGH, false, &[]), "entry", json!("loud")),
        with(greeting(HIGH, false, &[]), "entry", json!({"open": {}})),
        with(greeting(HIGH, false, &[]), "capabilities", json!(vec!["x"; 17])),
        with(greeting(HIGH, false, &[]), "capabilities", json!([long(65)])),
        with(offer(9, 2), "hello", json!("77")),
        with(offer(9, 2), "hello", json!(long(32))),
        json!({"v": 1, "type": "room", "revision": 1, "door": "ajar", "has_expired": false, "admitted": [], "refused": []}),
        json!({"v": 1, "type": "room", "revision": 1, "door": "open", "has_expired": false, "admitted": [], "refused": ["aa"]}),
        json!({"v": 1, "type": "moved", "secret": "aa"}),
        json!({"v": 1, "type": "admission", "entry": "perhaps"}),
        json!({"v": 1, "type": "symbols", "message": {"commit": "aa"}}),
        with(offer(9, 2), "sdp", json!("")),
        with(offer(9, 2), "sdp", json!("a\u{0}b")),
        with(offer(9, 2), "sdp", json!(long(32 * 1024 + 1))),
        with(offer(9, 2), "answers", json!(1)),
        with(offer(9, 2), "kind", json!("answer")),
        with(offer(9, 2), "sequence", json!(-1)),
        with(offer(9, 2), "connection", json!(1u64 << 32)),
        trickled(7, 2, 1, ""),
        trickled(7, 2, 1, "two\nlines"),
        trickled(7, 2, 1, &long(1_025)),
        with(
            trickled(7, 2, 1, "c"),
            "candidate",
            json!({"candidate": "c", "sdp_mid": long(257)}),
        ),
        timing(json!(-1.0)),
        timing(json!(1e9)),
        timing(json!("fast")),
    ];
    for message in malformed {
        let mut bench = Bench::connected_to(LOW);
        let before = bench.machine.snapshot();
        assert_eq!(done(bench.hear(message.clone())), [], "{message}");
        assert_eq!(bench.say_on_control(FIRST, &message), [], "{message}");
        assert_eq!(bench.dropped().malformed, 2, "{message}");
        assert_eq!(bench.machine.snapshot(), before);
    }
    let mut bench = Bench::connected_to(LOW);
    for blob in [&b""[..], b"{}", &[0; 40], &[9; 2_000], &[1; 64 * 1024]] {
        bench.relay_raw(THEIRS, blob.to_vec());
        assert_eq!(bench.drain(), []);
    }
    assert_eq!(bench.dropped().malformed, 5);
    assert_eq!(bench.hear_from(Slot(77), greeting(HIGH, false, &[])), []);
    assert_eq!(bench.dropped().unknown_sender, 1);
    assert!(matches!(bench.link(), LinkState::Connected { .. }));
}

#[test]
fn names_are_cleaned() {
    for (said, shown) in [
        ("  Bob\t ", "Bob".to_owned()),
        ("a\u{0}b\u{202e}c\nd", "abcd".to_owned()),
        ("Зоя 👩‍💻", "Зоя 👩‍💻".to_owned()),
        (&"é".repeat(100), "é".repeat(64)),
        ("\u{200b}\u{2066}", String::new()),
    ] {
        let mut bench = Bench::joined(&[]);
        bench.server(ServerMessage::PeerJoined { slot: THEIRS });
        let mut message = greeting(LOW, false, &[]);
        message["name"] = json!(said);
        bench.hear(message);
        bench.hear(greeting(LOW, false, &[]));
        let name = &bench.machine.snapshot().participants[0].name;
        assert_eq!(*name, shown, "as they said first");
    }
}
