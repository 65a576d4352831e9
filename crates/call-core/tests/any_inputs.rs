//! Any inputs in any order: whatever a server, participants and the user come up with, the machine neither panics nor
//! grows, and opens and closes connections in pairs.
#![allow(missing_docs, clippy::unwrap_used)]

mod bench;

use bench::*;

/// A message with the right form and any content.
fn any_message() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![0..12u32, Just(u32::MAX)];
    let who = prop_oneof![Just(LOW), Just(HIGH), Just(OURS)];
    prop_oneof![
        (who, any::<bool>(), prop::collection::vec(number(), 0..4))
            .prop_map(|(who, is_reply, held)| greeting(who, is_reply, &held)),
        (number(), number()).prop_map(|(connection, sequence)| offer(connection, sequence)),
        (number(), prop::option::of(number()), number(), number()).prop_map(
            |(connection, toward, sequence, answers)| answer(connection, &json!(toward), sequence, &json!(answers))
        ),
        (number(), number(), number()).prop_map(|(connection, sequence, of)| trickled(connection, sequence, of, "c")),
        number().prop_map(|revision| json!({"v": 1, "type": "media", "revision": revision,
            "media": {"microphone": "off", "camera": "off", "screen": "on"}})),
        Just(json!({"v": 1, "type": "bye"})),
        Just(json!({"v": 1, "type": "check"})),
        Just(json!({"v": 1, "type": "hello", "hello": THEIR_HELLO})),
        Just(json!({"v": 1, "type": "admission", "entry": "wait"})),
        Just(json!({"v": 1, "type": "admission", "entry": "locked"})),
        Just(json!({"v": 1, "type": "admission", "entry": "refused"})),
        Just(json!({"v": 1, "type": "moved", "secret": OURS})),
        Just(
            json!({"v": 1, "type": "room", "revision": 1, "door": "knock", "has_expired": true, "admitted": [], "refused": []})
        ),
    ]
}

/// What a run is made of.
#[derive(Clone, Debug)]
enum Given {
    Input(Input),
    /// A member says something, by a handshake or sealed.
    Said(Slot, Value),
}

fn any_server_message() -> impl Strategy<Value = ServerMessage> {
    let slot = || (2..6u32).prop_map(Slot);
    let members = prop::collection::vec((1..6u32).prop_map(Slot), 0..4);
    prop_oneof![
        2 => (slot(), prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(from, blob)| ServerMessage::Relay { from, blob: Blob(blob) }),
        2 => slot().prop_map(|slot| ServerMessage::PeerJoined { slot }),
        1 => slot().prop_map(|slot| ServerMessage::PeerAway { slot }),
        1 => slot().prop_map(|slot| ServerMessage::PeerBack { slot }),
        1 => slot().prop_map(|slot| ServerMessage::PeerLeft { slot, reason: LeaveReason::Lost }),
        1 => slot().prop_map(|slot| ServerMessage::PeerLeft { slot, reason: LeaveReason::Left }),
        2 => (members, any::<bool>()).prop_map(|(members, resumed)| {
            ServerMessage::Joined { v: 1, slot: Slot(1), token: TOKEN, members, resumed }
        }),
    ]
}

fn any_input() -> impl Strategy<Value = Given> {
    let state = prop_oneof![
        Just(TransportState::Connecting),
        Just(TransportState::Connected),
        Just(TransportState::Silent),
        Just(TransportState::Alive),
        Just(TransportState::Failed),
        Just(TransportState::Closed),
    ];
    let kind = prop_oneof![Just(DescriptionKind::Offer), Just(DescriptionKind::Answer)];
    let event = prop_oneof![
        2 => kind.prop_map(|kind| PeerInput::LocalDescription { kind, sdp: "s".to_owned() }),
        1 => Just(PeerInput::AnswerAccepted),
        1 => Just(PeerInput::LocalCandidate(candidate("c"))),
        1 => Just(PeerInput::Fault(NegotiationFault::Create("f".to_owned()))),
        1 => Just(PeerInput::Fault(NegotiationFault::Blocked(Blockage::RelayFull))),
        1 => Just(PeerInput::Blocked(Blockage::UdpBlocked)),
        3 => state.prop_map(PeerInput::Transport),
        2 => Just(PeerInput::ControlOpened),
        2 => any_message().prop_map(|message| PeerInput::Control(message.to_string().into_bytes())),
    ];
    let input = prop_oneof![
        6 => any_server_message().prop_map(|message| Input::Signaling(SignalingInput::Message(message))),
        6 => (1..6u32, 1..12u32, event).prop_map(|(peer, attempt, event)| Input::Peer {
            peer: PeerKey(peer), attempt: Attempt(attempt), event
        }),
        2 => Just(Input::Signaling(SignalingInput::Connected)),
        1 => Just(Input::Signaling(SignalingInput::Disconnected(SignalingLoss::Unreachable(String::new())))),
        1 => Just(Input::NetworkChanged),
        1 => Just(Input::Local(LocalIntent::RestartIce)),
        2 => any_intent().prop_map(Input::Local),
    ];
    prop_oneof![
        3 => input.prop_map(Given::Input),
        1 => ((2..6u32).prop_map(Slot), any_message()).prop_map(|(from, message)| Given::Said(from, message)),
    ]
}

fn any_intent() -> impl Strategy<Value = LocalIntent> {
    let peer = || (1..6u32).prop_map(PeerKey);
    prop_oneof![
        peer().prop_map(|peer| LocalIntent::Admit { peer }),
        peer().prop_map(|peer| LocalIntent::Refuse { peer }),
        peer().prop_map(|peer| LocalIntent::SymbolsMatch { peer }),
        prop_oneof![Just(Door::Open), Just(Door::Knock), Just(Door::Locked)].prop_map(LocalIntent::SetDoor),
        (100..130u64).prop_map(|at| LocalIntent::SetExpiry(Some(Time(Duration::from_secs(at))))),
        Just(LocalIntent::SetExpiry(None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever comes in whatever order: no panic, a bounded answer, connections opened and closed in pairs.
    #[test]
    fn any_inputs_in_any_order(
        host in 1..4u32, inputs in prop::collection::vec((any_input(), 0..4_000u64), 1..80),
    ) {
        let mut bench = Bench::with(config(Slot(host)));
        bench.give(Input::Local(LocalIntent::Join));
        let mut open = std::collections::BTreeMap::new();
        let mut is_finished = false;
        for (given, pause_ms) in inputs {
            let mut actions = match given {
                Given::Input(input) => bench.give(input),
                Given::Said(from, message) => bench.hear_from(from, message),
            };
            actions.extend(bench.wait(Duration::from_millis(pause_ms)));
            prop_assert!(actions.len() < 1_000, "{} actions for one input", actions.len());
            for action in actions {
                prop_assert!(!is_finished, "after the end: {action:?}");
                match action {
                    Action::CreatePeer { peer, attempt } => prop_assert_eq!(open.insert(peer, attempt), None),
                    Action::ClosePeer { peer, attempt } => prop_assert_eq!(open.remove(&peer), Some(attempt)),
                    Action::ForgetPeer { peer } => prop_assert!(!open.contains_key(&peer)),
                    Action::CreateOffer { peer, attempt, .. }
                    | Action::AcceptOffer { peer, attempt, .. }
                    | Action::AcceptAnswer { peer, attempt, .. }
                    | Action::AddCandidate { peer, attempt, .. }
                    | Action::SendControl { peer, attempt, .. } => {
                        prop_assert_eq!(open.get(&peer), Some(&attempt));
                    }
                    Action::Finished(_) => {
                        prop_assert!(open.is_empty());
                        is_finished = true;
                    }
                    Action::ConnectSignaling
                    | Action::ProbeSignaling
                    | Action::Signal(_)
                    | Action::CloseSignaling
                    | Action::InviteChanged { .. }
                    | Action::ApplyLocalMedia(_) => {}
                }
            }
            prop_assert!(bench.machine.snapshot().participants.len() <= 16);
        }
    }
}
