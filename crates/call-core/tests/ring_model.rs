//! Thousands of random walks of five ringing devices of three people over connections that break: no ghost rings,
//! no cancel is missed, nobody sits alone in a call, crossing rings become one call, missed calls are listed once.
//!
//! A walk that fails is made shorter by proptest until it is the shortest that does.
#![allow(missing_docs, clippy::unwrap_used)]

mod ring_world;

use std::time::Duration;

use call_core::Switch;
use call_core::doorbell::{RingDirection, RingIntent, RingOutcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use ring_world::World;

/// Walks of a standard run; `RING_WALKS` makes it others.
const WALKS: u32 = 6_000;
/// Devices of the three people.
const PEOPLE: [usize; 3] = [2, 2, 1];
/// After this nothing may be going on any more: a ring ends after 60 s, and what was lost is asked again.
const CALM: Duration = Duration::from_secs(100);

#[derive(Clone, Debug)]
enum Step {
    Ring(usize, u8, Switch),
    /// Everybody of the first two people who can rings the other at once.
    Cross(usize, usize),
    Cancel(usize),
    Accept(usize, Switch),
    Decline(usize),
    DoNotDisturb(usize, Switch),
    HangUp(usize),
    OtherCall(usize),
    Cut(usize),
    Heal(usize),
    /// All connections of a device break.
    Isolate(usize),
    /// Breaks and comes back at once: what was on its way is lost.
    Blink(usize),
    Wait(u64),
}

fn switch() -> impl Strategy<Value = Switch> {
    prop_oneof![Just(Switch::On), Just(Switch::Off)]
}

fn step() -> impl Strategy<Value = Step> {
    let phone = 0..5usize;
    let link = 0..8usize;
    prop_oneof![
        4 => (phone.clone(), 1..=3u8, switch()).prop_map(|(phone, person, video)| Step::Ring(phone, person, video)),
        2 => (0..2usize, 2..4usize).prop_map(|(a, b)| Step::Cross(a, b)),
        2 => phone.clone().prop_map(Step::Cancel),
        5 => (phone.clone(), switch()).prop_map(|(phone, video)| Step::Accept(phone, video)),
        2 => phone.clone().prop_map(Step::Decline),
        1 => phone.clone().prop_map(Step::Isolate),
        1 => (phone.clone(), switch()).prop_map(|(phone, switch)| Step::DoNotDisturb(phone, switch)),
        3 => phone.clone().prop_map(Step::HangUp),
        1 => phone.prop_map(Step::OtherCall),
        3 => link.clone().prop_map(Step::Cut),
        3 => link.clone().prop_map(Step::Heal),
        3 => link.prop_map(Step::Blink),
        5 => (0..700u64).prop_map(Step::Wait),
        3 => (700..5_000u64).prop_map(Step::Wait),
        1 => (5_000..40_000u64).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Ring(phone, person, video) => {
            if world.phones[phone].person != person {
                world.ring(phone, person, video);
            }
        }
        Step::Cross(a, b) => {
            let (to_a, to_b) = (world.phones[a].person, world.phones[b].person);
            world.ring(a, to_b, Switch::On);
            let between = world.dice.below(600);
            world.run_for(Duration::from_millis(between));
            world.ring(b, to_a, Switch::Off);
        }
        Step::Cancel(phone) => world.intend(phone, RingIntent::Cancel),
        Step::Accept(phone, video) => world.intend(phone, RingIntent::Accept { video }),
        Step::Decline(phone) => world.intend(phone, RingIntent::Decline),
        Step::DoNotDisturb(phone, switch) => world.intend(phone, RingIntent::DoNotDisturb(switch)),
        Step::HangUp(phone) => world.hang_up(phone),
        Step::OtherCall(phone) => world.enter_other_call(phone),
        Step::Cut(link) => world.cut(world.pairs()[link]),
        Step::Heal(link) => world.heal(world.pairs()[link]),
        Step::Isolate(phone) => {
            let is_its = |pair: &(usize, usize)| pair.0 == phone || pair.1 == phone;
            let pairs: Vec<_> = world.pairs().into_iter().filter(is_its).collect();
            pairs.into_iter().for_each(|pair| world.cut(pair));
        }
        Step::Blink(link) => {
            let pair = world.pairs()[link];
            world.cut(pair);
            world.heal(pair);
        }
        Step::Wait(ms) => world.run_for(Duration::from_millis(ms)),
    }
}

fn walk(seed: u64, steps: &[Step]) -> World {
    let mut world = World::new(seed, &PEOPLE);
    for step in steps {
        take(&mut world, step);
    }
    world.heal_all();
    world.run_for(CALM);
    world.check_rest();
    world
}

fn runner(walks: u32) -> TestRunner {
    let config = Config {
        cases: walks,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn walks() -> impl Strategy<Value = (u64, Vec<Step>)> {
    (any::<u64>(), prop::collection::vec(step(), 1..60))
}

#[test]
fn no_walk_breaks_a_rule() {
    let count = std::env::var("RING_WALKS").map_or(WALKS, |text| text.parse().expect("a number"));
    let checked = runner(count).run(&walks(), |(seed, steps)| match walk(seed, &steps).broken {
        None => Ok(()),
        Some(complaint) => Err(TestCaseError::fail(complaint)),
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}

#[test]
fn the_walks_are_worth_taking() {
    // Walks on which nothing happens would break no rule either.
    let counts = std::cell::RefCell::new([0usize; 10]);
    let checked = runner(1_000).run(&walks(), |(seed, steps)| {
        let world = walk(seed, &steps);
        let mut counts = counts.borrow_mut();
        for phone in &world.phones {
            let ended = |direction, outcome| {
                let is_it = |end: &&(_, _, _)| (end.1, end.2) == (direction, outcome);
                phone.ended.iter().filter(is_it).count()
            };
            use RingDirection::{Incoming, Outgoing};
            let news = [
                phone.started.len(),
                phone.called_off as usize,
                ended(Outgoing, RingOutcome::Declined),
                ended(Outgoing, RingOutcome::Busy),
                ended(Outgoing, RingOutcome::TimedOut),
                ended(Outgoing, RingOutcome::Unreachable),
                ended(Incoming, RingOutcome::Cancelled),
                ended(Incoming, RingOutcome::AnsweredElsewhere),
                ended(Incoming, RingOutcome::Unreachable),
                phone.missed.len(),
            ];
            counts.iter_mut().zip(news).for_each(|(count, new)| *count += new);
        }
        Ok(())
    });
    checked.unwrap();
    let counts = counts.into_inner();
    let least = [1_000, 20, 40, 200, 100, 3, 300, 300, 10, 1_000];
    assert!(
        counts.iter().zip(least).all(|(count, least)| *count >= least),
        "{counts:?}"
    );
}
