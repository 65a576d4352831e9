//! Who may come in: badges, changed keys, knocking, locking, expiry, refusal, new links, as two to four people meet it.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::time::Duration;

use call_core::{
    Action, Admission, Badge, CallPhase, Departure, Door, EndReason, Input, KnownContact, LinkState, LocalIntent,
    MilestoneKind, NotAdmitted, ParticipantSnapshot, PeerKey, RoomRole, Switch, Time, Verification, WhenEmpty,
};
use trust::IdentityKey;
use world::{SECRET, World, identity_of};

const SECOND: Duration = Duration::from_secs(1);

fn contact(end: usize, name: &str, calls: u32, verified: Verification) -> KnownContact {
    KnownContact {
        key: identity_of(end).public(),
        name: name.to_owned(),
        calls,
        verified,
    }
}

/// What `end` sees of `other`.
fn seen(world: &World, end: usize, other: usize) -> Option<ParticipantSnapshot> {
    let participants = world.ends[end].machine.snapshot().participants;
    let name = format!("end {other}");
    participants.into_iter().find(|known| known.name == name)
}

fn peer_of(world: &World, end: usize, other: usize) -> PeerKey {
    seen(world, end, other).expect("is there").peer
}

fn admission(world: &World, end: usize, other: usize) -> Option<Admission> {
    seen(world, end, other).map(|known| known.admission)
}

fn is_connected(world: &World, end: usize, other: usize) -> bool {
    seen(world, end, other).is_some_and(|known| matches!(known.link, LinkState::Connected { .. }))
}

fn intend(world: &mut World, end: usize, intent: LocalIntent) {
    world.feed(end, Input::Local(intent));
}

/// Peer connections that an end has asked for.
fn connections_made(world: &World, end: usize) -> usize {
    let is_create = |action: &&Action| matches!(action, Action::CreatePeer { .. });
    world.ends[end].actions.iter().filter(is_create).count()
}

/// A host with this door, and nobody else.
fn hosted(door: Door) -> World {
    let mut world = World::new(1);
    world.join_with(WhenEmpty::Wait, |config| config.trust.door = door);
    world.run_for(SECOND);
    world
}

fn arrive(world: &mut World) -> usize {
    let end = world.join(WhenEmpty::Wait);
    world.run_for(SECOND);
    end
}

fn ended(why: NotAdmitted) -> CallPhase {
    CallPhase::Ended(EndReason::NotAdmitted(why))
}

#[test]
fn everybody_proves_a_key_and_the_host_is_known_by_the_link() {
    let mut world = hosted(Door::Open);
    world.join_with(WhenEmpty::Wait, |config| {
        config.trust.doorbell = Some("wss://bell.example".to_owned())
    });
    world.run_until(SECOND, "connected", World::is_full_mesh);
    let (host, guest) = (seen(&world, 1, 0).unwrap(), seen(&world, 0, 1).unwrap());
    assert_eq!((host.role, guest.role), (RoomRole::Host, RoomRole::Guest));
    assert_eq!(host.key, Some(identity_of(0).public()));
    assert_eq!(guest.key, Some(identity_of(1).public()));
    assert_eq!((host.badge, guest.badge), (Badge::Unverified, Badge::Unverified));
    assert_eq!(
        (host.doorbell, guest.doorbell.as_deref()),
        (None, Some("wss://bell.example"))
    );
    let role = |end: usize| world.ends[end].machine.snapshot().room.role;
    assert_eq!((role(0), role(1)), (RoomRole::Host, RoomRole::Guest));
}

#[test]
fn the_badge_says_how_far_somebody_is_known() {
    let at_unix_s = 1_700_000_000;
    for (verified, calls, badge) in [
        (Verification::No, 0, Badge::Unverified),
        (Verification::No, 3, Badge::SameDevice { calls: 3 }),
        (Verification::Link { at_unix_s }, 0, Badge::Unverified),
        (Verification::Link { at_unix_s }, 2, Badge::SameDevice { calls: 2 }),
        (
            Verification::Symbols { at_unix_s },
            0,
            Badge::Verified {
                at_unix_s: Some(at_unix_s),
            },
        ),
    ] {
        let mut world = hosted(Door::Open);
        // The name in the book is ours to choose.
        world.join_with(WhenEmpty::Wait, |config| {
            config.trust.contacts = vec![contact(0, "Zoe", calls, verified)];
        });
        world.run_until(SECOND, "connected", World::is_full_mesh);
        assert_eq!(seen(&world, 1, 0).unwrap().badge, badge);
    }
}

#[test]
fn symbols_are_the_same_on_both_sides_and_make_the_badge_green() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        for _ in 0..3 {
            world.join(WhenEmpty::Wait);
        }
        world.run_until(2 * SECOND, "connected", World::is_full_mesh);
        world.run_for(SECOND);
        let symbols = |end: usize, other: usize| seen(&world, end, other).unwrap().symbols.unwrap();
        let pairs = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| (symbols(a, b), symbols(b, a)));
        assert!(
            pairs.iter().all(|(ours, theirs)| ours == theirs),
            "seed {seed}: {pairs:?}"
        );
        assert_ne!(pairs[0].0, pairs[1].0);
        let peer = peer_of(&world, 0, 1);
        intend(&mut world, 0, LocalIntent::SymbolsMatch { peer });
        assert_eq!(seen(&world, 0, 1).unwrap().badge, Badge::Verified { at_unix_s: None });
        assert_eq!(seen(&world, 0, 2).unwrap().badge, Badge::Unverified);
        // New sessions do not undo what two people did.
        world.stop_server();
        world.start_server();
        world.run_for(10 * SECOND);
        assert_eq!(seen(&world, 0, 1).unwrap().badge, Badge::Verified { at_unix_s: None });
        let again = |end: usize, other: usize| seen(&world, end, other).unwrap().symbols.unwrap();
        assert_eq!(again(0, 1), again(1, 0));
    }
}

#[test]
fn a_contact_with_another_key_is_kept_out_until_the_user_decides() {
    for accepts in [true, false] {
        let mut world = World::new(3);
        // We have met an "End 1" before, with another key.
        world.join_with(WhenEmpty::Wait, |config| {
            config.trust.contacts = vec![contact(9, "  End\u{7} 1 ", 4, Verification::No)];
        });
        world.run_for(SECOND);
        arrive(&mut world);
        world.run_for(20 * SECOND);
        let known = seen(&world, 0, 1).unwrap();
        let contact = "  End\u{7} 1 ".to_owned();
        assert_eq!(known.badge, Badge::KeyChanged { contact });
        assert_eq!(known.admission, Admission::KeyChanged);
        assert_eq!(connections_made(&world, 0), 0, "no media before a choice");
        assert_eq!(admission(&world, 1, 0), Some(Admission::AwaitingThem));
        assert_eq!(world.phase(1), CallPhase::Knocking);
        assert_eq!(known.symbols, None);
        let peer = known.peer;
        match accepts {
            true => {
                intend(&mut world, 0, LocalIntent::Admit { peer });
                world.run_until(3 * SECOND, "connected", World::is_full_mesh);
                world.stop_server();
                world.start_server();
                world.run_for(10 * SECOND);
                assert!(world.is_full_mesh(), "asked once");
            }
            false => {
                intend(&mut world, 0, LocalIntent::Refuse { peer });
                world.run_for(SECOND);
                assert_eq!(seen(&world, 0, 1), None);
                assert_eq!(world.phase(1), ended(NotAdmitted::Refused), "we are the host");
            }
        }
    }
}

#[test]
fn a_changed_key_of_somebody_never_really_met_means_nothing() {
    let mut world = World::new(3);
    world.join_with(WhenEmpty::Wait, |config| {
        config.trust.contacts = vec![contact(9, "end 1", 0, Verification::No)];
    });
    world.join(WhenEmpty::Wait);
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    assert_eq!(seen(&world, 0, 1).unwrap().badge, Badge::Unverified);
}

#[test]
fn nobody_takes_the_place_of_whom_we_rang() {
    let mut world = World::new(4);
    world.join_with(WhenEmpty::Wait, |config| {
        config.trust.contacts = vec![contact(2, "Zoe", 1, Verification::No)];
        config.trust.expected = Some(identity_of(2).public());
    });
    world.run_for(SECOND);
    arrive(&mut world);
    let contact = "Zoe".to_owned();
    assert_eq!(seen(&world, 0, 1).unwrap().badge, Badge::KeyChanged { contact });
    arrive(&mut world);
    assert!(is_connected(&world, 0, 2) && !is_connected(&world, 0, 1));
    assert_eq!(seen(&world, 0, 2).unwrap().badge, Badge::SameDevice { calls: 1 });
}

#[test]
fn our_other_device_may_come_and_is_known() {
    let mut world = World::new(5);
    world.join(WhenEmpty::Wait);
    world.join_with(WhenEmpty::Wait, |config| config.trust.identity = identity_of(0));
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    assert_eq!(seen(&world, 0, 1).unwrap().badge, Badge::Verified { at_unix_s: None });
    assert_eq!(seen(&world, 0, 1).unwrap().role, RoomRole::Host);
}

#[test]
fn a_knock_is_answered_by_the_host_alone() {
    let mut world = hosted(Door::Knock);
    let first = arrive(&mut world);
    world.run_for(20 * SECOND);
    assert_eq!(admission(&world, 0, first), Some(Admission::Knocking));
    assert_eq!(admission(&world, first, 0), Some(Admission::AwaitingThem));
    assert_eq!(
        (world.phase(first), world.phase(0)),
        (CallPhase::Knocking, CallPhase::Waiting)
    );
    assert_eq!(connections_made(&world, 0), 0);
    let peer = peer_of(&world, 0, first);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in", World::is_full_mesh);

    // The second one is seen by both, and the guest cannot let them in.
    let second = arrive(&mut world);
    assert_eq!(admission(&world, 0, second), Some(Admission::Knocking));
    assert_eq!(admission(&world, first, second), Some(Admission::AwaitingHost));
    let peer = peer_of(&world, first, second);
    intend(&mut world, first, LocalIntent::Admit { peer });
    world.run_for(5 * SECOND);
    assert!(!is_connected(&world, first, second) && !is_connected(&world, 0, second));
    let peer = peer_of(&world, 0, second);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in by all", World::is_full_mesh);

    // A third one, admitted while the others look on, meets those who came before.
    let third = arrive(&mut world);
    let peer = peer_of(&world, 0, third);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in by all", World::is_full_mesh);
}

#[test]
fn who_knocks_learns_nothing_but_that_somebody_is_there() {
    let mut world = hosted(Door::Knock);
    intend(&mut world, 0, LocalIntent::Camera(Switch::Off));
    let newcomer = arrive(&mut world);
    world.run_for(10 * SECOND);
    let known = seen(&world, newcomer, 0).unwrap();
    assert_eq!(known.media.camera, Switch::On, "what we think of anybody at first");
    assert_eq!((known.symbols, known.doorbell), (None, None));
    assert_eq!(known.link, LinkState::Greeting);
}

#[test]
fn refused_by_the_host_is_over_and_not_asked_again() {
    let mut world = hosted(Door::Knock);
    let friend = arrive(&mut world);
    let peer = peer_of(&world, 0, friend);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in", World::is_full_mesh);
    let stranger = arrive(&mut world);
    let peer = peer_of(&world, 0, stranger);
    intend(&mut world, 0, LocalIntent::Refuse { peer });
    world.run_for(SECOND);
    assert_eq!(world.phase(stranger), ended(NotAdmitted::Refused));
    assert_eq!(
        (seen(&world, 0, stranger), seen(&world, friend, stranger)),
        (None, None)
    );
    // The same key again: told at once, and nobody is asked.
    let again = world.join_with(WhenEmpty::Wait, |config| config.trust.identity = identity_of(stranger));
    world.run_for(3 * SECOND);
    assert_eq!(world.phase(again), ended(NotAdmitted::Refused));
    for end in [0, friend] {
        let names = world.ends[end].machine.snapshot().participants;
        assert_eq!(names.len(), 1);
    }
    // The others go on.
    assert!(is_connected(&world, 0, friend));
}

#[test]
fn the_host_sends_somebody_out_for_everybody() {
    let mut world = World::new(6);
    for _ in 0..3 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    let peer = peer_of(&world, 0, 2);
    intend(&mut world, 0, LocalIntent::Refuse { peer });
    world.run_for(SECOND);
    assert_eq!(world.phase(2), ended(NotAdmitted::Refused));
    assert_eq!(seen(&world, 1, 2), None);
    assert!(is_connected(&world, 0, 1));
    let was_kept_out = |end: usize| {
        let kind = MilestoneKind::Left(Departure::KeptOut);
        world.ends[end]
            .milestones
            .iter()
            .any(|milestone| milestone.kind == kind)
    };
    assert!(was_kept_out(0));
}

#[test]
fn a_guest_refuses_for_himself_alone() {
    let mut world = World::new(7);
    for _ in 0..3 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    let peer = peer_of(&world, 1, 2);
    intend(&mut world, 1, LocalIntent::Refuse { peer });
    world.run_for(5 * SECOND);
    assert_eq!((seen(&world, 1, 2), seen(&world, 2, 1)), (None, None));
    assert!(is_connected(&world, 0, 1) && is_connected(&world, 0, 2));
    assert_eq!(world.phase(2), CallPhase::Active);
    // It stays so over a restart of the server.
    world.stop_server();
    world.start_server();
    world.run_for(20 * SECOND);
    assert_eq!((seen(&world, 1, 2), seen(&world, 2, 1)), (None, None));
    assert!(is_connected(&world, 0, 1) && is_connected(&world, 0, 2));
}

#[test]
fn a_locked_room_keeps_who_is_in_and_lets_nobody_new_in() {
    let mut world = World::new(8);
    for _ in 0..2 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    intend(&mut world, 1, LocalIntent::SetDoor(Door::Open));
    intend(&mut world, 0, LocalIntent::SetDoor(Door::Locked));
    world.run_for(SECOND);
    assert_eq!(world.ends[1].machine.snapshot().room.door, Door::Locked);
    let late = arrive(&mut world);
    assert_eq!(world.phase(late), ended(NotAdmitted::Locked));
    assert!(is_connected(&world, 0, 1));
    // Those who were in come back, whatever happens to the server.
    world.stop_server();
    world.start_server();
    world.blocked.insert((0, 1));
    world.run_for(5 * SECOND);
    world.blocked.clear();
    world.run_until(60 * SECOND, "together again", World::is_full_mesh);
    // Opened again, newcomers come in.
    intend(&mut world, 0, LocalIntent::SetDoor(Door::Open));
    world.join(WhenEmpty::Wait);
    world.run_until(3 * SECOND, "the new one too", World::is_full_mesh);
}

#[test]
fn members_keep_to_what_the_host_said_last() {
    let mut world = World::new(9);
    for _ in 0..2 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    intend(&mut world, 0, LocalIntent::SetDoor(Door::Locked));
    world.run_for(SECOND);
    intend(&mut world, 0, LocalIntent::Leave);
    world.run_for(SECOND);
    let late = arrive(&mut world);
    assert_eq!(world.phase(late), ended(NotAdmitted::Locked));
    // A guest's word is not the host's: it counts for nothing.
    intend(&mut world, 1, LocalIntent::SetDoor(Door::Open));
    let later = arrive(&mut world);
    assert_eq!(world.phase(later), ended(NotAdmitted::Locked));
}

#[test]
fn an_invite_expires_for_newcomers() {
    let mut world = World::new(10);
    world.join_with(WhenEmpty::Wait, |config| {
        config.trust.expires_at = Some(Time(10 * SECOND))
    });
    world.join(WhenEmpty::Wait);
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    world.run_for(10 * SECOND);
    assert!(world.is_full_mesh(), "who is in stays");
    let late = arrive(&mut world);
    assert_eq!(world.phase(late), ended(NotAdmitted::Expired));
    let at = Some(Time(100 * SECOND));
    intend(&mut world, 0, LocalIntent::SetExpiry(at));
    assert_eq!(world.ends[0].machine.snapshot().room.expires_at, at);
    world.join(WhenEmpty::Wait);
    world.run_until(3 * SECOND, "in time", World::is_full_mesh);
}

#[test]
fn locking_the_door_sends_away_all_who_knock() {
    let mut world = hosted(Door::Knock);
    let friend = arrive(&mut world);
    let peer = peer_of(&world, 0, friend);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in", World::is_full_mesh);
    let stranger = arrive(&mut world);
    intend(&mut world, 0, LocalIntent::SetDoor(Door::Locked));
    world.run_for(SECOND);
    assert_eq!(world.phase(stranger), ended(NotAdmitted::Locked));
    assert_eq!(
        (seen(&world, 0, stranger), seen(&world, friend, stranger)),
        (None, None)
    );
    assert!(is_connected(&world, 0, friend));
}

#[test]
fn an_expiry_in_the_past_closes_at_once() {
    let mut world = World::new(10);
    world.join(WhenEmpty::Wait);
    world.run_for(5 * SECOND);
    intend(&mut world, 0, LocalIntent::SetExpiry(Some(Time(SECOND))));
    let late = arrive(&mut world);
    assert_eq!(world.phase(late), ended(NotAdmitted::Expired));
    intend(&mut world, 0, LocalIntent::SetExpiry(None));
    world.join(WhenEmpty::Wait);
    world.run_until(3 * SECOND, "in", World::is_full_mesh);
}

#[test]
fn opening_the_door_lets_in_all_who_knock() {
    let mut world = hosted(Door::Knock);
    for _ in 0..2 {
        arrive(&mut world);
    }
    intend(&mut world, 0, LocalIntent::SetDoor(Door::Open));
    world.run_until(5 * SECOND, "all in", World::is_full_mesh);
}

#[test]
fn a_host_who_comes_later_decides_about_those_who_were_there() {
    let mut world = World::new(11);
    let of = |config: &mut call_core::CallConfig| config.trust.host_tag = identity_of(2).public().host_tag();
    for _ in 0..2 {
        world.join_with(WhenEmpty::Wait, of);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    let host = world.join_with(WhenEmpty::Wait, |config| {
        of(config);
        config.trust.door = Door::Knock;
    });
    world.run_for(2 * SECOND);
    assert!(is_connected(&world, 0, 1), "what was is left alone");
    for guest in [0, 1] {
        assert_eq!(admission(&world, host, guest), Some(Admission::Knocking));
        let peer = peer_of(&world, host, guest);
        intend(&mut world, host, LocalIntent::Admit { peer });
    }
    world.run_until(5 * SECOND, "let in", World::is_full_mesh);
}

#[test]
fn a_new_link_moves_everybody_who_was_let_in() {
    let mut world = World::new(12);
    for _ in 0..3 {
        world.join(WhenEmpty::Wait);
    }
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    let before = world.connections.len();
    let secret = [0xab; 16];
    intend(&mut world, 1, LocalIntent::NewLink { secret: [1; 16] });
    assert_eq!(world.ends[1].secrets.len(), 0, "not a guest's to make");
    intend(&mut world, 0, LocalIntent::NewLink { secret });
    world.run_for(5 * SECOND);
    assert!(world.is_full_mesh(), "{}", world.describe());
    assert_eq!(world.connections.len(), before, "media was not touched");
    for end in 0..3 {
        assert_eq!(world.ends[end].secrets, [secret]);
        let snapshot = world.ends[end].machine.snapshot();
        assert!(snapshot.participants.iter().all(|known| known.reconnects == 0));
    }
    // The old link leads to nobody, the new one to all.
    let old = arrive(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!(world.phase(old), CallPhase::Waiting, "nobody answers there");
    assert_eq!(world.ends[old].machine.dropped(), call_core::Dropped::default());
    world.kill(old);
    world.join_with(WhenEmpty::Wait, |config| config.trust.secret = secret);
    let is_met = |world: &World| (0..3).all(|end| is_connected(world, end, 4));
    world.run_until(3 * SECOND, "the new one connected", is_met);
    // Sessions in the new room work: a broken path is found again with their help.
    assert_ne!(secret, SECRET);
    world.blocked.insert((1, 2));
    world.run_for(30 * SECOND);
    world.blocked.clear();
    world.run_until(60 * SECOND, "back", |world| is_connected(world, 1, 2));
}

#[test]
fn who_still_knocks_does_not_move() {
    let mut world = hosted(Door::Knock);
    let friend = arrive(&mut world);
    let peer = peer_of(&world, 0, friend);
    intend(&mut world, 0, LocalIntent::Admit { peer });
    world.run_until(3 * SECOND, "let in", World::is_full_mesh);
    let stranger = arrive(&mut world);
    intend(&mut world, 0, LocalIntent::NewLink { secret: [0xcd; 16] });
    world.run_for(3 * SECOND);
    assert_eq!(world.ends[friend].secrets.len(), 1);
    assert_eq!(world.ends[stranger].secrets.len(), 0);
    assert_eq!(
        (seen(&world, 0, stranger), seen(&world, friend, stranger)),
        (None, None)
    );
    assert!(is_connected(&world, 0, friend));
}

#[test]
fn a_key_is_not_a_name() {
    // Somebody with the id that another one drew, and with a key of his own.
    let mut world = World::new(13);
    let mut id = None;
    world.join(WhenEmpty::Wait);
    world.join_with(WhenEmpty::Wait, |config| id = Some(config.participant));
    world.run_until(2 * SECOND, "connected", World::is_full_mesh);
    let thief = world.join_with(WhenEmpty::Wait, |config| {
        config.participant = id.unwrap();
        config.trust.identity = IdentityKey::from_bytes([0x77; 32]);
    });
    world.run_for(10 * SECOND);
    assert!(is_connected(&world, 0, 1) && is_connected(&world, 1, 0));
    assert_eq!(seen(&world, 0, thief), None);
    assert!(world.ends[0].machine.dropped().impostor > 0);
}
