//! Whole calls between machines in virtual time: what two to four people see when things go well and when they break.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::time::Duration;

use call_core::{
    Action, CallPhase, Departure, EndReason, Input, LinkState, LocalIntent, MilestoneKind, SignalingState, Switch,
    TransportState, VideoSource, WhenEmpty,
};
use signaling_protocol::ClientMessage;
use world::World;

const SECOND: Duration = Duration::from_secs(1);

fn call_of(people: usize, seed: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..people {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "everybody connected", World::is_full_mesh);
    world.run_for(SECOND);
    world
}

/// What has been asked of an end that touches media, since `from`.
fn media_actions(world: &World, end: usize, from: usize) -> Vec<Action> {
    let touches_media = |action: &&Action| match action {
        Action::CreatePeer { .. }
        | Action::ClosePeer { .. }
        | Action::ForgetPeer { .. }
        | Action::CreateOffer { .. }
        | Action::AcceptOffer { .. }
        | Action::AcceptAnswer { .. }
        | Action::AddCandidate { .. }
        | Action::ApplyLocalMedia(_)
        | Action::Finished(_) => true,
        Action::InviteChanged { .. }
        | Action::ConnectSignaling
        | Action::ProbeSignaling
        | Action::Signal(_)
        | Action::CloseSignaling
        | Action::SendControl { .. } => false,
    };
    world.ends[end].actions[from..]
        .iter()
        .filter(touches_media)
        .cloned()
        .collect()
}

fn links(world: &World, end: usize) -> Vec<LinkState> {
    world.ends[end]
        .machine
        .snapshot()
        .participants
        .iter()
        .map(|participant| participant.link)
        .collect()
}

fn has_happened(world: &World, end: usize, kind: &MilestoneKind) -> bool {
    world.ends[end]
        .milestones
        .iter()
        .any(|milestone| milestone.kind == *kind)
}

#[test]
fn two_join_and_connect() {
    let mut world = World::new(1);
    world.join(WhenEmpty::Wait);
    world.run_for(SECOND);
    assert_eq!(world.phase(0), CallPhase::Waiting);
    world.join(WhenEmpty::Wait);
    world.run_until(SECOND, "connected", World::is_full_mesh);
    assert_eq!(world.phase(0), CallPhase::Active);
    assert_eq!(world.live_pairs(), [(0, 1)]);
    for end in 0..2 {
        let offers = world.ends[end]
            .actions
            .iter()
            .filter(|action| matches!(action, Action::CreateOffer { .. }));
        assert_eq!(offers.count(), end, "the newcomer offers, once");
        assert_eq!(world.ends[end].machine.dropped(), call_core::Dropped::default());
    }
}

#[test]
fn three_and_four_form_a_full_mesh() {
    for people in [3, 4, 8] {
        let world = call_of(people, people as u64);
        let mut pairs = world.live_pairs();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), people * (people - 1) / 2);
        assert_eq!(world.live_pairs().len(), pairs.len(), "one connection a pair");
    }
}

#[test]
fn all_joining_in_the_same_moment_connect() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        for _ in 0..4 {
            world.join(WhenEmpty::Wait);
        }
        world.run_until(2 * SECOND, "everybody connected", World::is_full_mesh);
    }
}

#[test]
fn a_late_joiner_disturbs_nobody() {
    let mut world = call_of(2, 4);
    let before = world.ends[0].actions.len();
    world.join(WhenEmpty::Wait);
    world.run_until(2 * SECOND, "everybody connected", World::is_full_mesh);
    let first = world.ends[0].machine.snapshot().participants[0].peer;
    let touched = media_actions(&world, 0, before).into_iter().filter(
        |action| matches!(action, Action::ClosePeer { peer, .. } | Action::CreateOffer { peer, .. } if *peer == first),
    );
    assert_eq!(touched.count(), 0);
}

#[test]
fn names_media_and_timings_reach_the_others() {
    let mut world = call_of(2, 5);
    world.feed(0, Input::Local(LocalIntent::Microphone(Switch::Off)));
    world.feed(0, Input::Local(LocalIntent::Microphone(Switch::Off)));
    for (source, capture_ms) in [
        (VideoSource::Screen, 9.0),
        (VideoSource::Camera, 1.0),
        (VideoSource::Camera, 2.0),
    ] {
        let encode_ms = 5.5;
        let timings = LocalIntent::SendTimings {
            source,
            capture_ms,
            encode_ms,
        };
        world.feed(0, Input::Local(timings));
    }
    world.run_for(SECOND);
    let seen = world.ends[1].machine.snapshot().participants[0].clone();
    assert_eq!(seen.name, "end 0");
    assert_eq!(seen.media.microphone, Switch::Off);
    assert_eq!(seen.media.camera, Switch::On);
    let timings: Vec<_> = seen
        .send_timings
        .iter()
        .map(|timings| (timings.source, timings.capture_ms))
        .collect();
    assert_eq!(timings, [(VideoSource::Camera, 2.0), (VideoSource::Screen, 9.0)]);
    let applied = world.ends[0]
        .actions
        .iter()
        .filter(|action| matches!(action, Action::ApplyLocalMedia(_)));
    assert_eq!(applied.count(), 2, "at the start and at the change");
    assert_eq!(world.ends[0].applied.unwrap().microphone, Switch::Off);
}

#[test]
fn media_changed_while_reconnecting_is_told_afterwards() {
    let mut world = call_of(2, 6);
    world.stop_server();
    world.blocked.insert((0, 1));
    world.run_for(4 * SECOND);
    world.feed(0, Input::Local(LocalIntent::Camera(Switch::Off)));
    world.blocked.clear();
    world.run_for(5 * SECOND);
    assert_eq!(
        world.ends[1].machine.snapshot().participants[0].media.camera,
        Switch::Off
    );
}

#[test]
fn a_server_that_restarts_touches_no_media() {
    for seed in 0..20 {
        let mut world = call_of(3, seed);
        let before: Vec<usize> = world.ends.iter().map(|end| end.actions.len()).collect();
        world.stop_server();
        world.run_for(7 * SECOND);
        let snapshot = world.ends[0].machine.snapshot();
        assert!(matches!(snapshot.signaling, SignalingState::Retrying { .. }));
        assert_eq!(snapshot.phase, CallPhase::Active);
        world.start_server();
        world.run_for(60 * SECOND);
        assert!(world.is_full_mesh(), "{}", world.describe());
        for (end, &from) in before.iter().enumerate() {
            assert_eq!(media_actions(&world, end, from), [], "end {end}");
            assert_eq!(world.ends[end].machine.snapshot().signaling, SignalingState::Joined);
        }
        // The slots are new, and they serve: a fourth connects to all.
        world.join(WhenEmpty::Wait);
        world.run_until(2 * SECOND, "the fourth connected", World::is_full_mesh);
    }
}

#[test]
fn a_call_outlives_its_server() {
    let mut world = call_of(2, 8);
    world.stop_server();
    world.run_for(600 * SECOND);
    assert!(world.is_full_mesh());
    // Retries go on, but gently: every 3.75 to 5 seconds.
    let tries = world.ends[0]
        .actions
        .iter()
        .filter(|action| **action == Action::ConnectSignaling)
        .count();
    assert!((120..170).contains(&tries), "{tries}");
    world.feed(0, Input::Local(LocalIntent::Leave));
    world.run_for(SECOND);
    assert_eq!(
        world.phase(1),
        CallPhase::Waiting,
        "the farewell went over the control channel"
    );
}

#[test]
fn a_dropped_websocket_is_resumed_unnoticed() {
    let mut world = call_of(3, 9);
    let before = world.ends[1].actions.len();
    world.cut_socket(0);
    assert!(
        world.is_full_mesh(),
        "away from the server with media alive changes nothing"
    );
    world.run_for(2 * SECOND);
    assert!(world.is_full_mesh());
    assert_eq!(media_actions(&world, 1, before), []);
    assert_eq!(world.ends[0].machine.snapshot().signaling, SignalingState::Joined);
}

#[test]
fn hanging_up_is_seen_at_once() {
    let mut world = call_of(3, 10);
    world.feed(0, Input::Local(LocalIntent::Leave));
    assert_eq!(world.phase(0), CallPhase::Ended(EndReason::HungUp));
    assert!(world.ends[0].actions.contains(&Action::Signal(ClientMessage::Leave)));
    world.run_for(Duration::from_millis(100));
    assert!(world.is_full_mesh(), "{}", world.describe());
    assert!(has_happened(&world, 1, &MilestoneKind::Left(Departure::HungUp)));
    let count = world.ends[0].actions.len();
    world.feed(0, Input::Local(LocalIntent::Join));
    world.feed(0, Input::NetworkChanged);
    assert_eq!(world.ends[0].actions.len(), count, "nothing after the end");
    assert_eq!(world.ends[0].machine.poll_deadline(), None);
}

#[test]
fn the_last_one_waits_or_ends_as_told() {
    for (on_empty, phase) in [
        (WhenEmpty::Wait, CallPhase::Waiting),
        (WhenEmpty::End, CallPhase::Ended(EndReason::EveryoneLeft)),
    ] {
        let mut world = World::new(11);
        world.join(on_empty);
        world.join(WhenEmpty::Wait);
        world.run_until(SECOND, "connected", World::is_full_mesh);
        world.feed(1, Input::Local(LocalIntent::Leave));
        world.run_for(SECOND);
        assert_eq!(world.phase(0), phase);
    }
}

#[test]
fn a_killed_process_is_reported_soon_and_removed_later() {
    let mut world = call_of(2, 12);
    world.kill(1);
    world.run_until(5 * SECOND, "said so", |world| world.phase(0) == CallPhase::Reconnecting);
    world.run_until(335 * SECOND, "removed", |world| world.phase(0) == CallPhase::Waiting);
    assert!(has_happened(&world, 0, &MilestoneKind::Left(Departure::Lost)));
    // The one who comes back is somebody new.
    world.join(WhenEmpty::Wait);
    world.run_until(4 * SECOND, "connected again", World::is_full_mesh);
}

#[test]
fn a_killed_process_can_come_back_at_once() {
    let mut world = call_of(2, 13);
    world.kill(1);
    world.join(WhenEmpty::Wait);
    let is_talking = |world: &World| {
        links(world, 0)
            .iter()
            .any(|link| matches!(link, LinkState::Connected { .. }))
            && world.phase(2) == CallPhase::Active
    };
    world.run_for(4 * SECOND);
    assert!(is_talking(&world), "{}", world.describe());
    assert_eq!(links(&world, 2).len(), 1, "the dead one's slot is not shown for long");
    world.run_until(335 * SECOND, "the dead one removed", World::is_full_mesh);
}

#[test]
fn whoever_starts_the_program_again_takes_the_place_of_the_one_that_died() {
    let mut world = call_of(2, 13);
    world.kill(1);
    world.join_with(WhenEmpty::Wait, |config| config.trust.identity = world::identity_of(1));
    world.run_until(10 * SECOND, "nobody waits for the dead one", World::is_full_mesh);
    assert!(has_happened(&world, 0, &MilestoneKind::Left(Departure::Lost)));
}

#[test]
fn a_network_that_is_away_costs_nothing_but_the_time_it_is_away() {
    for (cut, limit) in [(1, 2), (3, 2), (5, 2), (20, 2), (60, 2), (300, 2)] {
        for seed in 0..10 {
            let mut world = call_of(3, seed);
            let before: Vec<_> = links(&world, 0);
            let keys = |world: &World| {
                let participants = world.ends[0].machine.snapshot().participants;
                participants.iter().map(|them| them.peer).collect::<Vec<_>>()
            };
            let (known, actions) = (keys(&world), world.ends[0].actions.len());
            world.go_offline(0);
            world.run_for(cut * SECOND);
            world.come_back(0);
            world.run_until(
                limit * SECOND,
                &format!("{cut} s, seed {seed}: media are back"),
                World::is_full_mesh,
            );
            world.run_until(6 * SECOND, &format!("{cut} s, seed {seed}: the server too"), |world| {
                world.ends[0].machine.snapshot().signaling == SignalingState::Joined
            });
            world.run_for(20 * SECOND);
            assert!(world.is_full_mesh(), "{}", world.describe());
            assert_eq!(keys(&world), known, "the same participants");
            assert_eq!(before.len(), 2);
            assert_eq!(world.connections.len(), 6, "{cut} s: on the same connections");
            let is_restart =
                |action: &&Action| matches!(action, Action::CreateOffer { .. } | Action::AcceptOffer { .. });
            let all = world.ends.iter().flat_map(|end| &end.actions);
            assert_eq!(
                all.filter(is_restart).count(),
                6,
                "{cut} s: and nobody looked for another path"
            );
            let tries = world.ends[0].actions[actions..].iter();
            let tries = tries.filter(|action| **action == Action::ConnectSignaling).count();
            assert!(tries <= 5 + cut as usize, "{tries} tries in {cut} s");
        }
    }
}

#[test]
fn addresses_that_change_while_the_network_is_away_are_found_when_it_is_back() {
    for seed in 0..20 {
        let mut world = call_of(2, seed);
        world.go_offline(0);
        world.run_for(20 * SECOND);
        world.come_back(0);
        world.ends[0].network += 1;
        world.run_until(9 * SECOND, "back by another path", World::is_full_mesh);
        assert_eq!(world.connections.len(), 2, "on the same connection");
    }
}

#[test]
fn a_machine_that_has_slept_comes_back_into_its_call() {
    let mut world = call_of(2, 23);
    world.go_offline(0);
    world.run_for(45 * SECOND);
    world.come_back(0);
    world.ends[0].network += 1;
    world.feed(0, Input::NetworkChanged);
    world.run_until(5 * SECOND, "back", World::is_full_mesh);
}

#[test]
fn a_path_that_pauses_comes_back_by_itself() {
    let mut world = call_of(2, 14);
    world.stop_server();
    world.blocked.insert((0, 1));
    world.run_until(3 * SECOND, "noticed", |world| world.phase(0) == CallPhase::Reconnecting);
    world.run_for(3 * SECOND);
    world.blocked.clear();
    world.run_until(2 * SECOND, "back", World::is_full_mesh);
    assert_eq!(world.ends[0].machine.snapshot().participants[0].reconnects, 1);
    assert_eq!(world.connections.len(), 2, "on the same connection");
}

#[test]
fn new_addresses_are_found_by_an_ice_restart() {
    for seed in 0..20 {
        let mut world = call_of(3, seed);
        world.change_network(0);
        world.run_for(5 * SECOND);
        assert!(world.is_full_mesh(), "{}", world.describe());
        assert_eq!(world.connections.len(), 6, "on the same connections");
    }
}

#[test]
fn silence_alone_makes_one_side_restart_ice() {
    for seed in 0..20 {
        let mut world = call_of(2, seed);
        // The addresses change, and nobody says so.
        world.ends[0].network += 1;
        world.run_until(10 * SECOND, "noticed", |world| {
            world.phase(0) == CallPhase::Reconnecting
        });
        world.run_until(10 * SECOND, "back", World::is_full_mesh);
        assert_eq!(world.connections.len(), 2, "on the same connection");
        assert!(has_happened(&world, 0, &MilestoneKind::Reconnected));
    }
}

#[test]
fn both_restarting_at_once_is_settled_by_politeness() {
    for seed in 0..50 {
        let mut world = call_of(2, seed);
        world.feed(0, Input::Local(LocalIntent::RestartIce));
        world.feed(1, Input::Local(LocalIntent::RestartIce));
        world.run_for(3 * SECOND);
        assert!(world.is_full_mesh());
        assert_eq!(world.connections.len(), 2);
    }
}

#[test]
fn an_ice_restart_needs_no_server() {
    let mut world = call_of(2, 15);
    world.stop_server();
    world.feed(1, Input::Local(LocalIntent::RestartIce));
    world.run_for(2 * SECOND);
    assert!(world.is_full_mesh());
    let is_answer = |action: &Action| matches!(action, Action::AcceptAnswer { .. });
    let answers = world.ends[1].actions.iter().filter(|action| is_answer(action)).count();
    assert_eq!(answers, 2, "the first one and that of the restart");
}

#[test]
fn a_failed_connection_is_replaced() {
    for seed in 0..50 {
        let mut world = call_of(2, seed);
        let failing = (seed % 2) as usize;
        let peer = world.ends[failing].machine.snapshot().participants[0].peer;
        let attempt = world
            .connections
            .iter()
            .find(|known| known.end == failing)
            .unwrap()
            .attempt;
        let event = call_core::PeerInput::Transport(TransportState::Failed);
        world.feed(failing, Input::Peer { peer, attempt, event });
        assert_eq!(world.phase(failing), CallPhase::Reconnecting);
        world.run_until(6 * SECOND, "replaced", |world| {
            world.is_full_mesh() && world.live_pairs().len() == 1
        });
        world.run_for(40 * SECOND);
        assert!(world.is_full_mesh());
        let dead = world
            .connections
            .iter()
            .filter(|connection| !connection.is_open)
            .count();
        assert_eq!(dead, 2, "one replacement on each side");
    }
}

#[test]
fn who_cannot_be_reached_is_given_up_after_three_tries() {
    let mut world = World::new(16);
    world.join(WhenEmpty::Wait);
    world.join(WhenEmpty::Wait);
    world.blocked.insert((0, 1));
    world.run_for(60 * SECOND);
    let ended = CallPhase::Ended(EndReason::PeersUnreachable(None));
    assert!(
        world.phase(0) == ended || world.phase(1) == ended,
        "{}",
        world.describe()
    );
    for end in 0..2 {
        let tries = world.ends[end]
            .actions
            .iter()
            .filter(|action| matches!(action, Action::CreatePeer { .. }))
            .count();
        assert!((3..=4).contains(&tries), "{tries} tries");
    }
}

#[test]
fn one_who_cannot_be_reached_does_not_end_the_call_of_the_others() {
    let mut world = World::new(17);
    for _ in 0..3 {
        world.join(WhenEmpty::Wait);
    }
    world.blocked.insert((0, 2));
    world.run_for(50 * SECOND);
    assert_eq!(world.phase(0), CallPhase::Active);
    assert!(
        has_happened(&world, 0, &MilestoneKind::Unreachable(None)),
        "{}",
        world.describe()
    );
    world.blocked.clear();
    world.run_until(60 * SECOND, "tried again and connected", World::is_full_mesh);
}

#[test]
fn a_server_that_dies_during_set_up_delays_it() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.join(WhenEmpty::Wait);
        world.run_for(SECOND);
        world.join(WhenEmpty::Wait);
        world.run_for(Duration::from_millis(40 + 5 * seed));
        world.stop_server();
        world.run_for(3 * SECOND);
        world.start_server();
        world.run_until(30 * SECOND, "connected", World::is_full_mesh);
    }
}

#[test]
fn without_a_server_joining_ends_with_a_reason() {
    let mut world = World::new(18);
    world.stop_server();
    world.join(WhenEmpty::Wait);
    world.run_for(9 * SECOND);
    assert_eq!(world.phase(0), CallPhase::Joining);
    world.run_for(2 * SECOND);
    let reason = EndReason::ServerUnreachable("refused".to_owned());
    assert_eq!(world.phase(0), CallPhase::Ended(reason));
}
