//! Thousands of calls of two to four machines over a server that loses, doubles, reorders and drops, and over paths
//! that break: whatever happened, once it stops everybody who stays is connected with everybody who stays.
//!
//! `SIMULATION_SEEDS=FROM..TO` runs others than the standard ones.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::time::Duration;

use call_core::{EndReason, Input, LocalIntent, Switch, WhenEmpty};
use world::{Faults, World};

/// Seeds of a standard run.
const SEEDS: std::ops::Range<u64> = 0..3_000;
/// How long things go wrong.
const STORM: Duration = Duration::from_secs(40);
/// Everybody has to be connected this long after it stopped. Longest of all: a participant given up is tried again
/// after 30 s, up to two such rounds that miss each other, and 330 s until one who is gone is removed.
const CALM: Duration = Duration::from_secs(430);
/// Actions of one machine in one run, a generous bound: an unbounded loop makes millions.
const MOST_ACTIONS: usize = 20_000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Something goes wrong, or somebody comes or goes.
fn disturb(world: &mut World) {
    let end = world.dice.below(world.ends.len() as u64) as usize;
    let other = world.dice.below(world.ends.len() as u64) as usize;
    let pair = (end.min(other), end.max(other));
    match world.dice.below(19) {
        0 | 1 => world.cut_socket(end),
        2 => world.stop_server(),
        3 | 4 => world.start_server(),
        5 => world.change_network(end),
        6 => world.ends[end].network += 1,
        7 | 8 if end != other => {
            world.blocked.insert(pair);
        }
        9..=11 => {
            world.blocked.remove(&pair);
        }
        12 => world.feed(end, Input::Local(LocalIntent::RestartIce)),
        13 if world.dice.below(4) == 0 => world.feed(end, Input::Local(LocalIntent::Leave)),
        14 if world.dice.below(4) == 0 && world.staying().contains(&end) => world.kill(end),
        15 if world.ends.len() < 6 => {
            world.join(WhenEmpty::Wait);
        }
        17 if !world.ends[end].is_killed => world.go_offline(end),
        18 => {
            let offline: Vec<usize> = world.offline.iter().copied().collect();
            offline.into_iter().for_each(|end| world.come_back(end));
        }
        16 => {
            let switch = if world.dice.below(2) == 0 {
                Switch::On
            } else {
                Switch::Off
            };
            world.feed(end, Input::Local(LocalIntent::Camera(switch)));
        }
        _ => {}
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    let people = 2 + world.dice.below(3);
    for _ in 0..people {
        world.join(WhenEmpty::Wait);
        let pause = Duration::from_millis(world.dice.below(1_500));
        world.run_for(pause);
    }
    let chances = [0, 0, 20, 100, 250];
    let mut chance = || chances[world.dice.below(5) as usize];
    world.faults = Faults {
        lost: chance(),
        duplicated: chance(),
        reordered: chance(),
        step_failed: chance() / 5,
    };
    let calm_from = world.now + STORM;
    while world.now < calm_from {
        let pause = Duration::from_millis(world.dice.below(3_000));
        world.run_for(pause);
        disturb(&mut world);
    }
    world.faults = Faults::default();
    world.start_server();
    world.blocked.clear();
    for end in world.offline.clone() {
        world.come_back(end);
    }
    world
}

fn check(seed: u64) {
    let mut world = run(seed);
    world.run_until(
        CALM,
        &format!("seed {seed}: everybody connected with everybody"),
        World::is_full_mesh,
    );
    // … and it stays so, with one connection a pair and the newest state of everybody's camera.
    world.run_for(Duration::from_secs(35));
    assert!(
        world.is_full_mesh(),
        "seed {seed}: did not stay connected\n{}",
        world.describe()
    );
    let staying = world.staying();
    let mut pairs = world.live_pairs();
    pairs.sort_unstable();
    assert_eq!(
        pairs.len(),
        staying.len() * staying.len().saturating_sub(1) / 2,
        "seed {seed}: {pairs:?}"
    );
    pairs.dedup();
    assert_eq!(
        pairs.len(),
        world.live_pairs().len(),
        "seed {seed}: two connections between a pair"
    );
    for &end in &staying {
        assert!(
            world.ends[end].actions.len() < MOST_ACTIONS,
            "seed {seed}: end {end} does not come to rest"
        );
        for participant in world.ends[end].machine.snapshot().participants {
            let index: usize = participant.name.trim_start_matches("end ").parse().unwrap();
            let said = world.ends[index].machine.snapshot().local;
            assert_eq!(participant.media, said, "seed {seed}: what {end} knows of {index}");
        }
    }
    for end in world.ends.iter().filter(|end| end.finished.is_some()) {
        assert_eq!(end.machine.poll_deadline(), None, "seed {seed}: a timer after the end");
    }
}

#[test]
fn after_any_storm_everybody_who_stays_is_connected() {
    for seed in seeds() {
        check(seed);
    }
}

#[test]
fn the_storms_are_worth_surviving() {
    // A simulation in which nothing happens would pass too.
    let (mut reconnects, mut rebuilt, mut stale, mut duplicates, mut given_up, mut ended) = (0, 0, 0, 0, 0, 0);
    for seed in 0..300 {
        let world = run(seed);
        for end in &world.ends {
            use call_core::MilestoneKind::{Rebuilt, Reconnected, Unreachable};
            let count = |kind| end.milestones.iter().filter(|milestone| milestone.kind == kind).count();
            reconnects += count(Reconnected);
            rebuilt += count(Rebuilt);
            given_up += count(Unreachable(None));
            stale += end.machine.dropped().stale;
            duplicates += end.machine.dropped().duplicate;
            ended += usize::from(end.finished.as_ref().is_some_and(|reason| *reason != EndReason::HungUp));
        }
    }
    let storms = [reconnects, rebuilt, given_up, stale as usize, duplicates as usize];
    assert!(
        storms
            .iter()
            .zip([500, 500, 5, 500, 10_000])
            .all(|(count, least)| *count >= least),
        "{storms:?}"
    );
    assert!(ended < 100, "most calls survive: {ended} did not");
}
