//! One ring at a time, each as it should go, over connections that work unless a test breaks them.
#![allow(missing_docs, clippy::unwrap_used)]

mod ring_world;

use std::time::Duration;

use call_core::doorbell::ring::{CONFIRM_LIMIT, MAX_RINGS, RING_LIMIT, RING_SILENCE};
use call_core::doorbell::{
    CallRole, Device, DeviceId, Party, RingDirection, RingId, RingInput, RingIntent, RingMachine, RingMessage,
    RingOutcome, RingOutput, RingStage,
};
use call_core::{Switch, Time};
use ring_world::{LONGEST_WAY, World, key};

const A: usize = 0;
const B: usize = 1;
const B2: usize = 2;
const HER: u8 = 2;
/// There and back.
const A_WHILE: Duration = LONGEST_WAY.saturating_mul(2);

fn stage(world: &World, phone: usize) -> Option<RingStage> {
    world.phones[phone].machine.view().map(|view| view.stage)
}

fn outcome(world: &World, phone: usize, id: RingId) -> Option<RingOutcome> {
    let ended = world.phones[phone].ended.iter().rfind(|ended| ended.0 == id);
    ended.map(|ended| ended.2)
}

fn is_missed(world: &World, phone: usize, id: RingId) -> bool {
    world.phones[phone].missed.contains_key(&id)
}

/// At rest, and nothing has gone wrong on the way.
#[track_caller]
fn finish(mut world: World) {
    world.heal_all();
    world.run_for(Duration::from_secs(100));
    world.check_rest();
    assert_eq!(world.broken, None);
}

/// A rings; B, and B's other devices if there are any, hear it.
fn ringing(devices_of_b: usize) -> (World, RingId) {
    let mut world = World::new(1, &[1, devices_of_b]);
    let id = world.ring(A, HER, Switch::On);
    assert_eq!(stage(&world, A), Some(RingStage::Reaching));
    world.run_for(A_WHILE);
    for phone in 0..=devices_of_b {
        assert_eq!(stage(&world, phone), Some(RingStage::Ringing));
    }
    (world, id)
}

#[test]
fn taken() {
    let (mut world, id) = ringing(1);
    let view = world.phones[B].machine.view().unwrap();
    assert_eq!(
        (view.name.as_str(), view.video, view.key),
        ("person 1", Switch::On, Some(key(1)))
    );
    world.intend(B, RingIntent::Accept { video: Switch::Off });
    assert_eq!(stage(&world, B), Some(RingStage::Accepted));
    world.run_for(A_WHILE * 2);
    assert_eq!(world.phones[A].started[&id], CallRole::Caller);
    assert_eq!(world.phones[B].started[&id], CallRole::Callee);
    assert_eq!(stage(&world, A), None);
    assert_eq!(stage(&world, B), None);
    finish(world);
}

#[test]
fn declined() {
    let (mut world, id) = ringing(2);
    world.intend(B, RingIntent::Decline);
    world.run_for(A_WHILE);
    assert_eq!(outcome(&world, A, id), Some(RingOutcome::Declined));
    assert_eq!(outcome(&world, B2, id), Some(RingOutcome::AnsweredElsewhere));
    assert!(!is_missed(&world, B, id) && !is_missed(&world, B2, id));
    finish(world);
}

#[test]
fn cancelled() {
    let (mut world, id) = ringing(2);
    world.intend(A, RingIntent::Cancel);
    world.run_for(LONGEST_WAY);
    for phone in [B, B2] {
        assert_eq!(outcome(&world, phone, id), Some(RingOutcome::Cancelled));
        assert!(is_missed(&world, phone, id));
    }
    finish(world);
}

#[test]
fn nobody_answers() {
    let (mut world, id) = ringing(1);
    world.run_for(RING_LIMIT - A_WHILE - Duration::from_secs(1));
    assert_eq!(stage(&world, B), Some(RingStage::Ringing), "until the end");
    world.run_for(A_WHILE);
    assert_eq!(outcome(&world, A, id), Some(RingOutcome::TimedOut));
    assert!(is_missed(&world, B, id));
    finish(world);
}

#[test]
fn nobody_is_there() {
    let mut world = World::new(1, &[1, 1]);
    let somebody_else = 9;
    let id = world.ring(A, somebody_else, Switch::On);
    world.run_for(RING_LIMIT - Duration::from_secs(1));
    assert_eq!(stage(&world, A), Some(RingStage::Reaching));
    world.run_for(Duration::from_secs(1));
    assert_eq!(outcome(&world, A, id), Some(RingOutcome::Unreachable));
    finish(world);
}

#[test]
fn whoever_comes_while_it_lasts_is_rung() {
    let mut world = World::new(1, &[1, 1]);
    world.cut((A, B));
    world.run_for(RING_SILENCE);
    let id = world.ring(A, HER, Switch::On);
    world.run_for(RING_LIMIT / 2);
    world.heal((A, B));
    world.run_for(A_WHILE);
    assert_eq!(stage(&world, B), Some(RingStage::Ringing));
    world.intend(B, RingIntent::Accept { video: Switch::On });
    world.run_for(A_WHILE);
    assert!(world.phones[B].started.contains_key(&id));
    finish(world);
}

#[test]
fn the_first_device_to_accept_wins() {
    let (mut world, id) = ringing(2);
    world.intend(B, RingIntent::Accept { video: Switch::On });
    world.intend(B2, RingIntent::Accept { video: Switch::On });
    world.run_for(A_WHILE * 2);
    let calls = [B, B2].map(|phone| world.phones[phone].started.contains_key(&id));
    assert!(calls[0] != calls[1], "{calls:?}");
    let loser = if calls[0] { B2 } else { B };
    assert_eq!(outcome(&world, loser, id), Some(RingOutcome::AnsweredElsewhere));
    assert!(!is_missed(&world, loser, id));
    finish(world);
}

#[test]
fn do_not_disturb_and_a_call_look_the_same_from_outside() {
    let calm = |world: &mut World| world.intend(B, RingIntent::DoNotDisturb(Switch::On));
    let call = |world: &mut World| world.enter_other_call(B);
    let cases: [&dyn Fn(&mut World); 2] = [&calm, &call];
    for prepare in cases {
        let mut world = World::new(1, &[1, 1]);
        prepare(&mut world);
        let id = world.ring(A, HER, Switch::On);
        world.run_for(A_WHILE);
        assert_eq!(outcome(&world, A, id), Some(RingOutcome::Busy));
        assert_eq!(stage(&world, B), None);
        assert!(is_missed(&world, B, id));
        finish(world);
    }
}

#[test]
fn a_busy_device_does_not_keep_another_from_ringing() {
    let mut world = World::new(1, &[1, 2]);
    world.intend(B, RingIntent::DoNotDisturb(Switch::On));
    let id = world.ring(A, HER, Switch::On);
    world.run_for(A_WHILE);
    assert_eq!(stage(&world, B2), Some(RingStage::Ringing));
    world.intend(B2, RingIntent::Accept { video: Switch::On });
    world.run_for(A_WHILE);
    assert!(world.phones[B2].started.contains_key(&id));
    finish(world);
}

#[test]
fn a_second_ring_hears_busy_and_is_missed() {
    let mut world = World::new(1, &[1, 1, 1]);
    let first = world.ring(A, HER, Switch::On);
    world.run_for(A_WHILE);
    let second = world.ring(2, HER, Switch::On);
    world.run_for(A_WHILE);
    assert_eq!(outcome(&world, 2, second), Some(RingOutcome::Busy));
    assert!(is_missed(&world, B, second));
    assert_eq!(world.phones[B].machine.view().unwrap().id, first);
    finish(world);
}

#[test]
fn crossing_rings_become_one_call() {
    for winner in [A, B] {
        let mut world = World::new(1, &[1, 1]);
        let low = RingId([1; 16]);
        let high = RingId([2; 16]);
        let (id_of_a, id_of_b) = if winner == A { (low, high) } else { (high, low) };
        world.ring_as(A, 2, id_of_a, Switch::On);
        world.ring_as(B, 1, id_of_b, Switch::Off);
        world.run_for(A_WHILE * 2);
        assert_eq!(world.phones[winner].started[&low], CallRole::Caller);
        assert_eq!(world.phones[1 - winner].started[&low], CallRole::Callee);
        assert!(
            world
                .phones
                .iter()
                .all(|phone| phone.missed.is_empty() && phone.rung.is_empty())
        );
        finish(world);
    }
}

#[test]
fn who_does_not_want_to_be_disturbed_may_still_ring_whoever_rings() {
    for (id_of_a, id_of_b) in [(1, 2), (2, 1)].map(|(a, b)| (RingId([a; 16]), RingId([b; 16]))) {
        let mut world = World::new(1, &[1, 2]);
        world.intend(B, RingIntent::DoNotDisturb(Switch::On));
        world.ring_as(A, HER, id_of_a, Switch::On);
        world.run_for(A_WHILE);
        world.ring_as(B, 1, id_of_b, Switch::On);
        world.run_for(A_WHILE * 3);
        assert!(world.phones[A].call.is_some() && world.phones[A].call == world.phones[B].call);
        finish(world);
    }
}

#[test]
fn to_ring_whoever_rings_is_to_accept() {
    let (mut world, id) = ringing(1);
    world.ring(B, 1, Switch::On);
    world.run_for(A_WHILE);
    assert_eq!(world.phones[B].started[&id], CallRole::Callee);
    finish(world);
}

#[test]
fn an_accept_that_crosses_the_cancel_is_no_call() {
    let (mut world, id) = ringing(1);
    world.intend(B, RingIntent::Accept { video: Switch::On });
    world.intend(A, RingIntent::Cancel);
    world.run_for(A_WHILE * 2);
    assert_eq!(outcome(&world, A, id), Some(RingOutcome::Cancelled));
    assert_eq!(outcome(&world, B, id), Some(RingOutcome::Cancelled));
    assert!(world.phones.iter().all(|phone| phone.started.is_empty()));
    finish(world);
}

#[test]
fn a_lost_cancel_leaves_no_ghost() {
    let (mut world, id) = ringing(1);
    world.cut((A, B));
    world.intend(A, RingIntent::Cancel);
    world.run_for(RING_SILENCE + LONGEST_WAY);
    assert_eq!(outcome(&world, B, id), Some(RingOutcome::Cancelled));
    assert!(is_missed(&world, B, id));
    finish(world);
}

#[test]
fn a_ring_that_was_not_heard_for_a_while_rings_again() {
    let (mut world, id) = ringing(1);
    world.cut((A, B));
    world.run_for(RING_SILENCE * 2);
    assert_eq!(stage(&world, B), None);
    world.heal((A, B));
    world.run_for(A_WHILE);
    assert_eq!(stage(&world, B), Some(RingStage::Ringing));
    world.intend(A, RingIntent::Cancel);
    world.run_for(A_WHILE);
    assert_eq!(world.phones[B].missed[&id], 1);
    finish(world);
}

#[test]
fn a_start_that_is_lost_is_said_again() {
    let (mut world, id) = ringing(1);
    world.intend(B, RingIntent::Accept { video: Switch::On });
    while world.phones[A].call.is_none() {
        world.run_for(Duration::from_millis(10));
    }
    world.cut((A, B));
    world.heal((A, B));
    world.run_for(A_WHILE);
    assert_eq!(world.phones[B].call, Some(id));
    finish(world);
}

#[test]
fn a_caller_whose_callee_is_lost_is_called_off() {
    let (mut world, _) = ringing(1);
    world.intend(B, RingIntent::Accept { video: Switch::On });
    while world.phones[A].call.is_none() {
        world.run_for(Duration::from_millis(10));
    }
    world.cut((A, B));
    world.run_for(CONFIRM_LIMIT);
    assert_eq!(world.phones[A].called_off, 1);
    finish(world);
}

#[test]
fn whoever_rings_again_after_a_lost_cancel_rings() {
    let (mut world, first) = ringing(1);
    world.cut((A, B));
    world.intend(A, RingIntent::Cancel);
    let second = world.ring(A, HER, Switch::Off);
    world.heal((A, B));
    world.run_for(A_WHILE);
    assert_eq!(world.phones[B].machine.view().unwrap().id, second);
    assert!(is_missed(&world, B, first));
    finish(world);
}

#[test]
fn strangers_to_a_ring_cannot_touch_it() {
    let mut world = World::new(1, &[1, 1, 1]);
    let id = world.ring(A, HER, Switch::On);
    world.run_for(A_WHILE);
    let stranger = Device {
        party: Party::Person(key(3)),
        id: DeviceId([2; 16]),
        key: key(3),
    };
    let video = Switch::On;
    let accept = RingMessage::Accept {
        id,
        video,
        instead_of: Some(id),
    };
    let to_caller = [
        RingMessage::Ringing { id },
        accept,
        RingMessage::Decline { id },
        RingMessage::Busy { id },
    ];
    for message in to_caller {
        world.feed(A, RingInput::Message(stranger, message));
    }
    for message in [
        RingMessage::Cancel { id },
        RingMessage::AnsweredElsewhere { id },
        RingMessage::Start { id },
    ] {
        world.feed(B, RingInput::Message(stranger, message));
    }
    assert_eq!(stage(&world, A), Some(RingStage::Ringing));
    assert_eq!(stage(&world, B), Some(RingStage::Ringing));
    world.intend(B, RingIntent::Accept { video });
    world.run_for(A_WHILE);
    assert!(world.phones[B].started.contains_key(&id));
    finish(world);
}

#[test]
fn who_rings_without_end_is_not_heard_any_more() {
    let mut machine = RingMachine::new("B".to_owned());
    let device = Device {
        party: Party::Person(key(1)),
        id: DeviceId([1; 16]),
        key: key(1),
    };
    machine.handle(RingInput::DeviceCame(device), Time::default());
    for number in 0..10_000u128 {
        let ring = RingMessage::Ring {
            id: RingId(number.to_be_bytes()),
            video: Switch::On,
            link: "l".to_owned(),
            name: String::new(),
        };
        machine.handle(RingInput::Message(device, ring), Time::default());
    }
    let outputs: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    let missed = outputs
        .iter()
        .filter(|output| matches!(output, RingOutput::Missed { .. }))
        .count();
    assert_eq!(missed as u32, MAX_RINGS - 1);
    assert_eq!(machine.dropped().overflow, 10_000 - u64::from(MAX_RINGS));
    assert_eq!(machine.view().unwrap().direction, RingDirection::Incoming);
}
