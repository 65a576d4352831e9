//! A server that does with blobs whatever it likes: nobody is ever connected with a key that is not theirs, and
//! nobody hangs: five seconds after it stopped, everybody is connected, tries again, or says what is wrong.
//!
//! `HOSTILE_SEEDS=FROM..TO` runs others than the standard ones.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod world;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use call_core::{Action, Admission, Alarm, CallPhase, Door, Input, LinkState, LocalIntent, WhenEmpty};
use signaling_protocol::ClientMessage;
use trust::{Entropy, IdentityKey, RoomKeys};
use world::hostile::{Attack, ManInTheMiddle, Vandal};
use world::{SECRET, World, identity_of};

/// Seeds of a standard run.
const SEEDS: std::ops::Range<u64> = 0..10_000;
const SECOND: Duration = Duration::from_secs(1);
/// After the server turned honest.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until everybody who is still there is connected: a session that broke too often is tried again after 20 s, a
/// participant given up after 30 s.
const RECOVERY: Duration = Duration::from_secs(120);

/// A session that broke too often is made anew after this.
const RENEWAL: Duration = Duration::from_secs(20);

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("HOSTILE_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// The blobs of a call that went well.
fn loot(secret: [u8; 16]) -> Vec<Vec<u8>> {
    let mut world = World::new(0xdead);
    world.recorded = Some(Vec::new());
    for _ in 0..3 {
        world.join_with(WhenEmpty::Wait, |config| config.trust.secret = secret);
    }
    world.run_until(5 * SECOND, "connected", World::is_full_mesh);
    world.run_for(SECOND);
    let recorded = world.recorded.take().unwrap();
    recorded.into_iter().map(|passing| passing.blob).collect()
}

/// What is true of everybody at every moment.
fn check_keys(world: &World, seed: u64) {
    for (index, end) in world.ends.iter().enumerate() {
        for known in end.machine.snapshot().participants {
            let Some(key) = known.key else {
                assert!(
                    !matches!(known.link, LinkState::Connected { .. }),
                    "seed {seed}: connected with nobody"
                );
                continue;
            };
            let owner: usize = known.name.trim_start_matches("end ").parse().unwrap();
            assert!(
                owner != index && key == identity_of(owner).public(),
                "seed {seed}: end {index} takes somebody else for {}\n{}",
                known.name,
                world.describe()
            );
        }
    }
}

fn check_symbols(world: &World, seed: u64) {
    let seen = |end: usize, other: usize| {
        let participants = world.ends[end].machine.snapshot().participants;
        let name = format!("end {other}");
        participants
            .into_iter()
            .find(|known| known.name == name)
            .and_then(|known| known.symbols)
    };
    let staying = world.staying();
    for &end in &staying {
        for &other in staying.iter().filter(|other| **other < end) {
            let (ours, theirs) = (seen(end, other), seen(other, end));
            let are_equal = ours.is_some() && ours == theirs;
            assert!(
                are_equal,
                "seed {seed}: {end} and {other}: {ours:?}, {theirs:?}\n{}",
                world.describe()
            );
        }
    }
}

/// Where an end is, once the server has been honest for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Connected,
    Alarmed,
    Ended,
    Retrying,
    Hanging,
}

fn outcome(world: &World, end: usize, others: usize, said_before: usize) -> Outcome {
    let snapshot = world.ends[end].machine.snapshot();
    let is_connected = |link: LinkState| matches!(link, LinkState::Connected { .. });
    let connected = snapshot
        .participants
        .iter()
        .filter(|known| is_connected(known.link))
        .count();
    let is_said = |action: &Action| matches!(action, Action::Signal(ClientMessage::Relay { .. }));
    let has_tried = world.ends[end].actions[said_before..].iter().any(is_said);
    match snapshot.phase {
        CallPhase::Ended(_) => Outcome::Ended,
        _ if connected == others => Outcome::Connected,
        _ if snapshot.alarm.is_some() => Outcome::Alarmed,
        _ if has_tried && world.ends[end].machine.poll_deadline().is_some() => Outcome::Retrying,
        _ => Outcome::Hanging,
    }
}

/// The host lets everybody in.
fn answer_the_door(world: &mut World) {
    for known in world.ends[0].machine.snapshot().participants {
        if known.admission == Admission::Knocking {
            let peer = known.peer;
            world.feed(0, Input::Local(LocalIntent::Admit { peer }));
        }
    }
}

struct Loot {
    older: Vec<Vec<u8>>,
    elsewhere: Vec<Vec<u8>>,
}

fn vandal(world: &mut World, loot: &Loot, done: &Rc<Cell<u32>>) -> Vandal {
    let attacks = [
        Attack::Drop,
        Attack::Cut(world.dice.below(12) as u32),
        Attack::Duplicate,
        Attack::Swap,
        Attack::Truncate,
        Attack::Flip,
        Attack::Replay,
        Attack::Splice,
    ];
    let attack = attacks[world.dice.below(attacks.len() as u64) as usize];
    Vandal {
        attack,
        chance: [30, 150, 500][world.dice.below(3) as usize],
        loot: match attack {
            Attack::Replay => loot.older.clone(),
            _ => loot.elsewhere.clone(),
        },
        held: None,
        passed: BTreeMap::new(),
        done: Rc::clone(done),
    }
}

fn man_in_the_middle(seed: u64, psk: [u8; 32]) -> ManInTheMiddle {
    let mut bytes = [0xbb; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut entropy = Entropy::from_seed(bytes);
    ManInTheMiddle {
        identity: IdentityKey::generate(&mut entropy),
        room: RoomKeys::from_secret(&SECRET).room,
        psk,
        entropy,
        pairs: BTreeMap::new(),
    }
}

/// One call of two or three with a hostile server for a while; gives what came of it.
fn run(seed: u64, loot: &Loot) -> (&'static str, u32, Vec<Outcome>) {
    let mut world = World::new(seed);
    let people = 2 + usize::from(world.dice.below(3) == 0);
    let done = Rc::new(Cell::new(0));
    let kind = match world.dice.below(9) {
        0 => {
            world.hostility = Some(Box::new(man_in_the_middle(seed, [0; 32])));
            "man in the middle"
        }
        _ => {
            let vandal = vandal(&mut world, loot, &done);
            let name = match vandal.attack {
                Attack::Drop => "drop",
                Attack::Cut(_) => "cut",
                Attack::Duplicate => "duplicate",
                Attack::Swap => "swap",
                Attack::Truncate => "truncate",
                Attack::Flip => "flip",
                Attack::Replay => "replay",
                Attack::Splice => "splice",
            };
            world.hostility = Some(Box::new(vandal));
            name
        }
    };
    // In some rooms the host answers the door.
    let door = [Door::Open, Door::Open, Door::Knock][world.dice.below(3) as usize];
    for _ in 0..people {
        world.join_with(WhenEmpty::Wait, |config| config.trust.door = door);
        let pause = world.dice.below(300);
        world.run_for(Duration::from_millis(pause));
        check_keys(&world, seed);
    }
    for _ in 0..1 + world.dice.below(20) {
        world.run_for(Duration::from_millis(250));
        answer_the_door(&mut world);
        check_keys(&world, seed);
    }
    world.hostility = None;
    let said_before: Vec<usize> = world.ends.iter().map(|end| end.actions.len()).collect();
    for _ in 0..10 {
        world.run_for(PATIENCE / 10);
        answer_the_door(&mut world);
        check_keys(&world, seed);
    }
    let outcomes: Vec<Outcome> = (0..people)
        .map(|end| outcome(&world, end, people - 1, said_before[end]))
        .collect();
    assert!(
        !outcomes.contains(&Outcome::Hanging),
        "seed {seed}: {kind}: {outcomes:?}\n{}",
        world.describe()
    );
    let until = world.now + RECOVERY;
    while !world.is_full_mesh() {
        assert!(
            world.now < until,
            "seed {seed}: {kind}: not connected in the end\n{}",
            world.describe()
        );
        world.run_for(SECOND / 4);
        answer_the_door(&mut world);
        check_keys(&world, seed);
    }
    // Whatever was lost on the way: in the end everybody sees the same symbols as the other.
    world.run_for(2 * RENEWAL);
    check_symbols(&world, seed);
    (kind, done.get(), outcomes)
}

#[test]
fn nobody_is_fooled_and_nobody_hangs() {
    let loot = Loot {
        older: loot(SECRET),
        elsewhere: loot([8; 16]),
    };
    let mut table: BTreeMap<&str, (u32, BTreeMap<Outcome, u32>)> = BTreeMap::new();
    for seed in seeds() {
        let (kind, done, outcomes) = run(seed, &loot);
        let (all_done, counts) = table.entry(kind).or_default();
        *all_done += done;
        for outcome in outcomes {
            *counts.entry(outcome).or_default() += 1;
        }
    }
    println!("{table:#?}");
    for (kind, (done, _)) in &table {
        assert!(*kind == "man in the middle" || *done > 0, "{kind} did nothing");
    }
}

/// The transport ends at somebody else: everything is up, and the hello is missing.
#[test]
fn a_connection_that_ends_at_somebody_else_is_never_up() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.is_hijacked = true;
        for _ in 0..2 {
            world.join(WhenEmpty::Wait);
        }
        let mut is_told = false;
        for _ in 0..200 {
            world.run_for(SECOND / 10);
            for end in &world.ends {
                let snapshot = end.machine.snapshot();
                assert_ne!(snapshot.phase, CallPhase::Active, "seed {seed}");
                is_told |= snapshot.alarm == Some(Alarm::FingerprintMismatch);
            }
        }
        let opened = world.connections.iter().filter(|connection| connection.control_open);
        assert!(opened.count() >= 2, "it was not for want of trying");
        assert!(is_told, "{}", world.describe());
    }
}

#[test]
fn a_man_in_the_middle_without_the_link_connects_nobody_and_is_noticed() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.hostility = Some(Box::new(man_in_the_middle(seed, [0; 32])));
        for _ in 0..2 {
            world.join(WhenEmpty::Wait);
        }
        world.run_for(20 * SECOND);
        for end in &world.ends {
            let snapshot = end.machine.snapshot();
            assert!(snapshot.participants.iter().all(|known| known.key.is_none()));
            assert_eq!(end.machine.dropped().impostor, 0);
        }
        let alarms = world.ends.iter().map(|end| end.machine.snapshot().alarm);
        assert!(
            alarms.into_iter().any(|alarm| alarm == Some(Alarm::StrangerInRoom)),
            "{}",
            world.describe()
        );
    }
}

/// The harness must be able to catch somebody: one who has the link gets in between, and only the symbols tell.
#[test]
#[should_panic(expected = "takes somebody else for")]
fn a_man_in_the_middle_with_the_link_would_be_seen_by_the_harness() {
    let psk = signaling_protocol::invite::noise_psk(&SECRET);
    let mut world = World::new(1);
    world.hostility = Some(Box::new(man_in_the_middle(1, psk)));
    for _ in 0..2 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(5 * SECOND, "connected through the middle", World::is_full_mesh);
    check_keys(&world, 1);
}

#[test]
fn with_a_man_in_the_middle_who_has_the_link_the_symbols_differ() {
    let psk = signaling_protocol::invite::noise_psk(&SECRET);
    for seed in 0..50 {
        let symbols = |is_hostile: bool| {
            let mut world = World::new(seed);
            if is_hostile {
                world.hostility = Some(Box::new(man_in_the_middle(seed, psk)));
            }
            for _ in 0..2 {
                world.join(WhenEmpty::Wait);
            }
            world.run_until(5 * SECOND, "connected", World::is_full_mesh);
            world.run_for(SECOND);
            let of = |end: usize| world.ends[end].machine.snapshot().participants[0].symbols;
            (of(0), of(1))
        };
        let (ours, theirs) = symbols(false);
        assert!(ours.is_some() && ours == theirs);
        // Whether he passes their messages on or not: what both see is not the same.
        let (ours, theirs) = symbols(true);
        assert!(ours.is_none() || ours != theirs, "seed {seed}");
    }
}
