//! Doorbells that meet at servers: who is there, ringing in all its ways, midnight, restarts, people nearby.
#![allow(missing_docs, clippy::unwrap_used)]

mod doorbell_world;

use std::time::Duration;

use call_core::Switch;
use call_core::doorbell::{
    CallRole, DoorbellInput, DoorbellIntent, DoorbellState, RingDirection, RingOutcome, RingStage, Unreachable,
};
use doorbell_world::{HOME, NOON, WAY, World};

const A: usize = 0;
const B: usize = 1;
/// There and back through the server, and some more.
const A_WHILE: Duration = WAY.saturating_mul(6);
const SECOND: Duration = Duration::from_secs(1);

fn ringing(people: usize) -> World {
    let mut world = World::friends(people);
    world.ring(A, B);
    world.run_for(A_WHILE);
    assert_eq!(world.stage(A), Some(RingStage::Ringing));
    assert_eq!(world.stage(B), Some(RingStage::Ringing));
    world
}

#[test]
fn friends_see_each_other_come_and_go() {
    let mut world = World::friends(3);
    for (one, other) in [(A, B), (B, A), (A, 2), (2, B)] {
        assert!(world.sees(one, other), "{one} sees {other}");
    }
    assert_eq!(world.bells[A].doorbell.snapshot().state, DoorbellState::Listening);
    world.switch_off(B);
    world.run_for(A_WHILE);
    assert!(!world.sees(A, B) && world.sees(A, 2));
}

#[test]
fn a_ring_that_is_taken_is_a_call_for_both() {
    let mut world = ringing(2);
    let ring = world.view(B).unwrap();
    assert_eq!(
        (ring.name.as_str(), ring.is_contact, ring.video),
        ("Friend number 0", true, Switch::On)
    );
    world.accept(B);
    world.run_for(A_WHILE);
    let (caller, callee) = (&world.bells[A].calls[0], &world.bells[B].calls[0]);
    assert_eq!((caller.role, callee.role), (CallRole::Caller, CallRole::Callee));
    assert_eq!((caller.video, callee.video), (Switch::On, Switch::Off));
    assert_eq!(caller.link, callee.link);
    assert_eq!((caller.with, callee.with), (world.bells[B].key, world.bells[A].key));
    assert_eq!(callee.name, "Friend number 0");
    assert_eq!((world.view(A), world.view(B)), (None, None));
}

#[test]
fn declined_cancelled_and_busy() {
    let mut world = ringing(2);
    world.intend(B, DoorbellIntent::Decline);
    world.run_for(A_WHILE);
    assert_eq!(world.outcomes(A), [RingOutcome::Declined]);
    assert!(world.bells[B].missed.is_empty());

    world.ring(A, B);
    world.run_for(A_WHILE);
    world.intend(A, DoorbellIntent::Cancel);
    world.run_for(A_WHILE);
    assert_eq!(world.outcomes(B)[1], RingOutcome::Cancelled);
    let (name, at_unix_s) = &world.bells[B].missed[0];
    assert_eq!((name.as_str(), at_unix_s / 60), ("Friend number 0", NOON / 60));

    world.intend(B, DoorbellIntent::DoNotDisturb(Switch::On));
    world.ring(A, B);
    world.run_for(A_WHILE);
    assert_eq!(world.outcomes(A)[2], RingOutcome::Busy);
    assert_eq!((world.stage(B), world.bells[B].missed.len()), (None, 2));
}

#[test]
fn nobody_answers() {
    let mut world = ringing(2);
    world.run_for(SECOND * 60);
    assert_eq!(world.outcomes(A), [RingOutcome::TimedOut]);
    assert_eq!(world.bells[B].missed.len(), 1);
}

#[test]
fn who_is_not_there_is_reached_when_they_come() {
    let mut world = World::friends(2);
    world.switch_off(B);
    world.run_for(A_WHILE);
    world.ring(A, B);
    world.run_for(SECOND * 30);
    assert_eq!(world.stage(A), Some(RingStage::Reaching));
    world.befriend_all(B);
    world.run_for(SECOND);
    assert_eq!(
        (world.stage(A), world.stage(B)),
        (Some(RingStage::Ringing), Some(RingStage::Ringing))
    );
}

#[test]
fn unreachable_says_why() {
    let mut world = World::new();
    let (lonely, friend) = (world.add(1, None, NOON), world.add(2, None, NOON));
    world.befriend_all(lonely);
    assert_eq!(world.bells[lonely].doorbell.snapshot().state, DoorbellState::NoServer);
    world.ring(lonely, friend);
    let home = Some(HOME.to_owned());
    world.feed(lonely, DoorbellInput::Home(home));
    world.run_for(SECOND);
    world.ring(lonely, friend);
    world.run_for(SECOND * 61);
    world.stop_server(HOME);
    world.run_for(SECOND);
    assert_eq!(world.bells[lonely].doorbell.snapshot().state, DoorbellState::Connecting);
    world.ring(lonely, friend);
    world.run_for(SECOND * 61);
    let reasons: Vec<_> = world.bells[lonely]
        .ended
        .iter()
        .map(|ended| (ended.2, ended.3))
        .collect();
    let expected = [Unreachable::NoServer, Unreachable::NotThere, Unreachable::ServerSilent];
    assert_eq!(reasons, expected.map(|why| (RingOutcome::Unreachable, Some(why))));
}

#[test]
fn two_who_ring_each_other_are_in_one_call() {
    let mut world = World::friends(2);
    world.ring(A, B);
    world.ring(B, A);
    world.run_for(A_WHILE * 2);
    let (a, b) = (&world.bells[A].calls, &world.bells[B].calls);
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(a[0].link, b[0].link);
    assert!(
        world
            .bells
            .iter()
            .all(|bell| bell.missed.is_empty() && bell.ended.is_empty())
    );
}

#[test]
fn both_devices_of_a_friend_ring_and_one_takes_it() {
    let mut world = World::friends(2);
    let second = world.add(2, Some(HOME), NOON);
    world.befriend_all(second);
    world.run_for(SECOND);
    world.ring(A, B);
    world.run_for(A_WHILE);
    assert_eq!(
        (world.stage(B), world.stage(second)),
        (Some(RingStage::Ringing), Some(RingStage::Ringing))
    );
    world.accept(second);
    world.run_for(A_WHILE);
    assert_eq!(world.bells[second].calls.len(), 1);
    assert_eq!(world.outcomes(B), [RingOutcome::AnsweredElsewhere]);
    assert!(world.bells.iter().all(|bell| bell.missed.is_empty()));
    assert!(world.bells.iter().all(|bell| bell.doorbell.dropped().impostors == 0));
}

#[test]
fn friends_meet_at_either_ones_server() {
    let mut world = World::new();
    let (of_a, of_b) = ("wss://a.example/ws", "wss://b.example/ws");
    world.add(1, Some(of_a), NOON);
    world.add(2, Some(of_b), NOON);
    for (bell, other, server) in [(A, B, of_b), (B, A, of_a)] {
        let contact = world.contact(other, &[server]);
        world.feed(bell, DoorbellInput::Contacts(vec![contact]));
    }
    world.run_for(SECOND);
    assert!(world.sees(A, B) && world.sees(B, A));
    // One server is enough, and a ring goes on when the other one dies under it.
    world.ring(A, B);
    world.run_for(A_WHILE);
    world.stop_server(of_a);
    world.run_for(SECOND);
    assert!(world.sees(A, B) && world.sees(B, A));
    world.accept(B);
    world.run_for(A_WHILE);
    assert_eq!((world.bells[A].calls.len(), world.bells[B].calls.len()), (1, 1));
}

#[test]
fn midnight_passes_unnoticed_with_clocks_twenty_minutes_apart() {
    let mut world = World::new();
    let evening = NOON + 9 * 3_600;
    world.add(1, Some(HOME), evening);
    world.add(2, Some(HOME), evening - 20 * 60);
    world.befriend_all(A);
    world.befriend_all(B);
    world.run_for(SECOND);
    let mut topics = std::collections::BTreeSet::new();
    for minute in 0..6 * 60 {
        assert!(world.sees(A, B) && world.sees(B, A), "minute {minute}");
        world.run_for(SECOND * 60);
        topics.extend(world.seen.drain(..).filter(|message| message.contains("listen")));
    }
    assert!(topics.len() >= 3, "the topics have changed");
    world.ring(A, B);
    world.run_for(A_WHILE);
    assert_eq!(world.stage(B), Some(RingStage::Ringing));
}

#[test]
fn a_computer_that_slept_listens_on_the_new_day() {
    let mut world = World::friends(2);
    for (bell, unix_s) in [(A, NOON + 3 * 86_400), (B, NOON + 3 * 86_400 + 60)] {
        world.feed(bell, DoorbellInput::WallClock { unix_s });
    }
    world.run_for(SECOND);
    assert!(world.sees(A, B) && world.sees(B, A));
}

#[test]
fn a_ring_outlives_a_restart_of_the_server() {
    let mut world = ringing(2);
    world.stop_server(HOME);
    world.run_for(SECOND * 4);
    assert!(!world.sees(A, B));
    world.start_server(HOME);
    world.run_for(SECOND * 8);
    assert!(world.sees(A, B));
    assert_eq!(world.stage(B), Some(RingStage::Ringing));
    world.accept(B);
    world.run_for(A_WHILE);
    assert_eq!((world.bells[A].calls.len(), world.bells[B].calls.len()), (1, 1));
}

#[test]
fn another_network_is_another_connection() {
    let mut world = World::friends(2);
    world.feed(A, DoorbellInput::NetworkChanged);
    assert!(!world.sees(A, B));
    world.run_for(A_WHILE * 2);
    assert!(world.sees(A, B) && world.sees(B, A));
}

/// One with an open door, and two strangers.
fn neighbours() -> (World, [u8; 16]) {
    let mut world = World::new();
    let secret = [7; 16];
    for person in 1..=3 {
        world.add(person, None, NOON);
    }
    let server = HOME.to_owned();
    world.intend(B, DoorbellIntent::ListenOpen { server, secret });
    world.run_for(SECOND);
    (world, secret)
}

fn knock(world: &mut World, bell: usize, secret: [u8; 16]) {
    knock_at(world, bell, HOME, secret);
}

fn knock_at(world: &mut World, bell: usize, server: &str, secret: [u8; 16]) {
    let intent = DoorbellIntent::RingNearby {
        server: server.to_owned(),
        secret,
        name: "the neighbour".to_owned(),
        video: Switch::On,
        link: format!("https://192.168.1.7/j#1.link-of-{bell}"),
    };
    world.intend(bell, intent);
}

#[test]
fn a_stranger_nearby_may_knock() {
    let (mut world, secret) = neighbours();
    knock(&mut world, A, secret);
    assert_eq!(world.view(A).unwrap().key, None);
    world.run_for(A_WHILE * 2);
    let (ours, theirs) = (world.view(A).unwrap(), world.view(B).unwrap());
    assert_eq!(
        (ours.key, ours.name.as_str()),
        (Some(world.bells[B].key), "the neighbour")
    );
    assert_eq!(
        (theirs.key, theirs.name.as_str()),
        (Some(world.bells[A].key), "Self-chosen name 1")
    );
    assert!(!theirs.is_contact);
    assert_eq!(world.stage(A), Some(RingStage::Ringing));
    // A second stranger hears that it is busy, and the first nothing of the second.
    knock(&mut world, 2, secret);
    world.run_for(A_WHILE * 2);
    assert_eq!(world.outcomes(2), [RingOutcome::Busy]);
    assert!(world.bells[A].missed.is_empty() && world.stage(A) == Some(RingStage::Ringing));
    world.accept(B);
    world.run_for(A_WHILE);
    assert_eq!((world.bells[A].calls.len(), world.bells[B].calls.len()), (1, 1));
    assert_eq!(world.bells[A].calls[0].with, world.bells[B].key);
}

#[test]
fn contacts_may_knock_too() {
    for (caller, callee) in [(A, B), (B, A)] {
        let mut world = World::friends(2);
        let (server, secret) = ("wss://nearby.example/ws".to_owned(), [7; 16]);
        world.intend(callee, DoorbellIntent::ListenOpen { server, secret });
        world.run_for(SECOND);
        knock_at(&mut world, caller, "wss://nearby.example/ws", secret);
        world.run_for(SECOND);
        assert_eq!(
            (world.stage(A), world.stage(B)),
            (Some(RingStage::Ringing), Some(RingStage::Ringing))
        );
        assert!(world.view(callee).unwrap().is_contact);
        world.accept(callee);
        world.run_for(SECOND);
        assert_eq!((world.bells[A].calls.len(), world.bells[B].calls.len()), (1, 1));
        assert_eq!((world.view(A), world.view(B)), (None, None));
    }
}

#[test]
fn neighbours_who_knock_at_each_others_doors_are_in_one_call() {
    let mut world = World::new();
    for person in 1..=2 {
        world.add(person, None, NOON);
    }
    let doors = [("wss://a.local/ws", [1; 16]), ("wss://b.local/ws", [2; 16])];
    for bell in [A, B] {
        let (server, secret) = (doors[bell].0.to_owned(), doors[bell].1);
        world.intend(bell, DoorbellIntent::ListenOpen { server, secret });
    }
    world.run_for(SECOND);
    for bell in [A, B] {
        knock_at(&mut world, bell, doors[1 - bell].0, doors[1 - bell].1);
    }
    world.run_for(SECOND);
    let (a, b) = (&world.bells[A].calls, &world.bells[B].calls);
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(a[0].link, b[0].link);
    assert!(world.bells.iter().all(|bell| bell.missed.is_empty()));
}

#[test]
fn a_knock_that_is_cancelled_reaches_the_other_and_the_connection_ends() {
    let (mut world, secret) = neighbours();
    knock(&mut world, A, secret);
    world.run_for(A_WHILE * 2);
    world.intend(A, DoorbellIntent::Cancel);
    world.run_for(A_WHILE);
    assert_eq!(world.bells[B].missed.len(), 1);
    assert_eq!(world.bells[B].ended[0].0, RingDirection::Incoming);
    world.run_for(SECOND * 3);
    assert_eq!(world.bells[A].doorbell.poll_deadline(), None);
    world.intend(B, DoorbellIntent::StopOpen);
    knock(&mut world, A, secret);
    world.run_for(SECOND * 61);
    let last = world.bells[A].ended.last().unwrap();
    assert_eq!(
        (last.2, last.3),
        (RingOutcome::Unreachable, Some(Unreachable::NotThere))
    );
}

#[test]
fn two_hundred_friends_come_back_at_once_without_a_rush() {
    let mut world = World::new();
    let popular = world.add(255, Some(HOME), NOON);
    for person in 1..=200 {
        world.add(person, Some(HOME), NOON);
    }
    world.befriend_all(popular);
    for friend in 1..=200 {
        let contact = world.contact(popular, &[]);
        world.feed(friend, DoorbellInput::Contacts(vec![contact]));
    }
    world.run_for(SECOND * 30);
    world.stop_server(HOME);
    world.run_for(SECOND);
    world.start_server(HOME);
    // The world fails when anybody speaks faster than the server allows.
    world.run_for(SECOND * 60);
    let seen = (1..=200)
        .filter(|&friend| world.sees(popular, friend) && world.sees(friend, popular))
        .count();
    assert_eq!(seen, 200);
}
