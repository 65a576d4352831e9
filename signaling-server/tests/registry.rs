//! The registry of rooms by transcripts, and by invariants that hold whatever clients do.

mod transcript;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proptest::prelude::*;
use signaling_protocol::limits::MAX_BLOB_BYTES;
use signaling_protocol::{Blob, ErrorCode, Resume, ResumeToken, RoomId, ServerMessage, Slot};
use signaling_server::RoomLimits;
use signaling_server::outcome::{ConnectionId, Goodbye, Outcome};
use signaling_server::registry::{JoinRequest, RoomRegistry};

const LIMITS: RoomLimits = RoomLimits {
    members: 3,
    rooms: 2,
    empty_room_lifetime: Duration::from_secs(60),
    resume_lifetime: Duration::from_secs(120),
};

/// Connection `n` is given the token of `n`s.
fn token_of(connection: u64) -> ResumeToken {
    ResumeToken([connection as u8; 16])
}

fn room_of(name: &str) -> RoomId {
    RoomId([name.as_bytes()[0]; 16])
}

fn play(script: &str) {
    let mut registry = RoomRegistry::new(LIMITS);
    transcript::play(script, |command| perform(&mut registry, command));
}

/// `SECONDS expire`, `SECONDS N dropped`, `SECONDS N leave`, `N join ROOM [vVERSION] [SLOT/N]`, `N relay SLOT BYTES`.
fn perform(registry: &mut RoomRegistry, command: &str) -> Outcome {
    let number = |text: &str| text.parse::<u64>().expect(command);
    let seconds = |text: &str| Duration::from_secs(number(text.trim_end_matches('s')));
    let words: Vec<&str> = command.split_whitespace().collect();
    match words[..] {
        [now, "expire"] => registry.expire(seconds(now)),
        [now, connection, "dropped"] => registry.dropped(ConnectionId(number(connection)), seconds(now)),
        [now, connection, "leave"] => registry.leave(ConnectionId(number(connection)), seconds(now)),
        [connection, "relay", to, bytes] => {
            let blob = Blob(vec![7; number(bytes) as usize]);
            registry.relay(ConnectionId(number(connection)), Slot(number(to) as u32), blob)
        }
        [connection, "join", room, ref options @ ..] => {
            let mut request = JoinRequest {
                v: 1,
                room: room_of(room),
                resume: None,
            };
            for option in options {
                match (option.strip_prefix('v'), option.split_once('/')) {
                    (Some(version), _) => request.v = number(version) as u16,
                    (None, Some((slot, owner))) => {
                        let (slot, token) = (Slot(number(slot) as u32), token_of(number(owner)));
                        request.resume = Some(Resume { slot, token });
                    }
                    (None, None) => panic!("unknown option in `{command}`"),
                }
            }
            registry.join(ConnectionId(number(connection)), request, token_of(number(connection)))
        }
        _ => panic!("unknown command `{command}`"),
    }
}

#[test]
fn two_people_meet_talk_and_part() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         2 relay 0 10
         > 1 relay from 1 10
         1 relay 1 20
         > 2 relay from 0 20
         5s 1 leave
         > 2 peer_left 0 Left
         > 1 bye left
         6s 1 dropped
         2 relay 0 10
         > 2 error NoSuchMember
         3 join a
         > 3 joined v1 2/3 [1] new
         > 2 peer_joined 2",
    );
}

#[test]
fn rooms_do_not_hear_each_other() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join b
         > 2 joined v1 0/2 [] new
         1 relay 1 1
         > 1 error NoSuchMember
         1 relay 0 1
         > 1 error NoSuchMember
         0s 2 leave
         > 2 bye left",
    );
}

#[test]
fn a_dropped_member_takes_its_slot_back() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         10s 1 dropped
         > 2 peer_away 0
         2 relay 0 5
         129s expire
         3 join a 0/1
         > 3 joined v1 0/1 [1] resumed
         > 2 peer_back 0
         2 relay 0 5
         > 3 relay from 1 5
         131s expire
         3 relay 1 5
         > 2 relay from 0 5",
    );
}

#[test]
fn the_second_drop_counts_from_its_own_time() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         0s 1 dropped
         > 2 peer_away 0
         3 join a 0/1
         > 3 joined v1 0/1 [1] resumed
         > 2 peer_back 0
         100s 3 dropped
         > 2 peer_away 0
         219s expire
         220s expire
         > 2 peer_left 0 Lost
         4 join a 0/1
         > 4 joined v1 2/4 [1] new
         > 2 peer_joined 2",
    );
}

#[test]
fn a_new_connection_takes_over_from_one_that_looks_alive() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         3 join a 0/1
         > 3 joined v1 0/1 [1] resumed
         > 2 peer_back 0
         > 1 bye taken over
         1 relay 1 5
         > 1 bye NotJoined
         9s 1 dropped
         2 relay 0 5
         > 3 relay from 1 5",
    );
}

#[test]
fn a_wrong_token_or_room_or_slot_makes_a_newcomer() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a 0/9
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         3 join a 7/1
         > 3 joined v1 2/3 [0, 1] new
         > 1 peer_joined 2
         > 2 peer_joined 2
         4 join b 0/1
         > 4 joined v1 0/4 [] new",
    );
}

#[test]
fn a_room_everybody_dropped_out_of_stays_for_a_while() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         10s 1 dropped
         > 2 peer_away 0
         20s 2 dropped
         79s expire
         3 join a 1/2
         > 3 joined v1 1/2 [0] resumed
         90s expire
         4 join a 0/1
         > 4 joined v1 0/1 [1] resumed
         > 3 peer_back 0
         100s 3 dropped
         > 4 peer_away 1
         100s 4 dropped
         160s expire
         5 join a 1/2
         > 5 joined v1 0/5 [] new",
    );
}

#[test]
fn slots_are_not_given_again_while_an_empty_room_lives() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         0s 1 leave
         > 1 bye left
         59s expire
         2 join a
         > 2 joined v1 1/2 [] new
         60s 2 leave
         > 2 bye left
         120s expire
         3 join a
         > 3 joined v1 0/3 [] new",
    );
}

#[test]
fn a_full_room_counts_those_that_are_away() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join a
         > 2 joined v1 1/2 [0] new
         > 1 peer_joined 1
         3 join a
         > 3 joined v1 2/3 [0, 1] new
         > 1 peer_joined 2
         > 2 peer_joined 2
         0s 3 dropped
         > 1 peer_away 2
         > 2 peer_away 2
         4 join a
         > 4 bye RoomFull
         5 join a 2/3
         > 5 joined v1 2/3 [0, 1] resumed
         > 1 peer_back 2
         > 2 peer_back 2
         1s 2 leave
         > 1 peer_left 1 Left
         > 5 peer_left 1 Left
         > 2 bye left
         6 join a
         > 6 joined v1 3/6 [0, 2] new
         > 1 peer_joined 3
         > 5 peer_joined 3",
    );
}

#[test]
fn a_full_server_forgets_the_longest_empty_room_and_never_one_in_use() {
    play(
        "1 join a
         > 1 joined v1 0/1 [] new
         2 join b
         > 2 joined v1 0/2 [] new
         3 join c
         > 3 bye Busy
         1s 2 dropped
         2s 1 dropped
         4 join c
         > 4 joined v1 0/4 [] new
         5 join a 0/1
         > 5 joined v1 0/1 [] resumed
         6 join b 0/2
         > 6 bye Busy",
    );
}

#[test]
fn what_is_out_of_order_is_refused() {
    play(
        "1 relay 0 5
         > 1 bye NotJoined
         0s 2 leave
         > 2 bye NotJoined
         3 join a v0
         > 3 bye ClientTooOld
         4 join a v2
         > 4 bye ClientTooNew
         5 join a
         > 5 joined v1 0/5 [] new
         5 join b
         > 5 bye NotJoined
         6 join a
         > 6 joined v1 1/6 [0] new
         > 5 peer_joined 1
         6 relay 0 46080
         > 5 relay from 1 46080
         6 relay 0 46081
         > 6 bye TooLarge",
    );
    assert_eq!(MAX_BLOB_BYTES, 46080);
}

#[test]
fn versions_are_refused_in_words() {
    for (v, phrase) in [(0, "update Visavis"), (2, "the server must be updated")] {
        let request = JoinRequest {
            v,
            room: room_of("a"),
            resume: None,
        };
        let outcome = RoomRegistry::new(LIMITS).join(ConnectionId(1), request, token_of(1));
        let [(_, Goodbye::Refused { message, .. })] = &outcome.disconnects[..] else {
            panic!("{outcome:?}")
        };
        assert!(message.contains(phrase), "{message}");
    }
}

#[test]
fn undeliverable_blobs_are_counted() {
    let mut registry = RoomRegistry::new(LIMITS);
    for command in [
        "1 join a",
        "2 join a",
        "0s 2 dropped",
        "1 relay 1 5",
        "1 relay 9 5",
        "1 relay 0 5",
    ] {
        perform(&mut registry, command);
    }
    assert_eq!(registry.blobs_dropped(), 3);
}

/// What a client did, in terms of small numbers so that sequences run into each other.
#[derive(Clone, Debug)]
enum Step {
    Join { room: u8, resume: Option<(u32, u8)> },
    Relay { to: u32, connection: u64 },
    Leave(u64),
    Drop(u64),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8, proptest::option::of((0..4u32, 0..12u8))).prop_map(|(room, resume)| Step::Join { room, resume }),
        4 => (0..5u32, 0..12u64).prop_map(|(to, connection)| Step::Relay { to, connection }),
        1 => (0..12u64).prop_map(Step::Leave),
        2 => (0..12u64).prop_map(Step::Drop),
        1 => (0..90u64).prop_map(Step::Pass),
    ]
}

/// Who is where, learnt only from what the registry answers.
#[derive(Default)]
struct Model {
    here: HashMap<ConnectionId, (RoomId, Slot)>,
    next_slot: BTreeMap<RoomId, u32>,
}

impl Model {
    fn check_join(&mut self, connection: ConnectionId, room: RoomId, outcome: &Outcome) {
        for (gone, goodbye) in &outcome.disconnects {
            if *goodbye == Goodbye::TakenOver {
                let taken = self.here.remove(gone);
                assert_eq!(taken.map(|(room, _)| room), Some(room));
            } else {
                assert_eq!(*gone, connection);
            }
        }
        let Some((
            to,
            ServerMessage::Joined {
                slot, members, resumed, ..
            },
        )) = outcome.messages.first()
        else {
            return assert_eq!(outcome.messages, []);
        };
        assert_eq!(*to, connection);
        assert!(members.len() < LIMITS.members && !members.contains(slot));
        assert!(
            self.members_of(room)
                .all(|(_, other)| other != *slot && members.contains(&other))
        );
        let next_slot = self.next_slot.entry(room).or_default();
        if !*resumed {
            let is_new_life = *slot == Slot(0) && !self.here.values().any(|(other, _)| *other == room);
            assert!(is_new_life || slot.0 == *next_slot, "slot {} after {next_slot}", slot.0);
            *next_slot = slot.0 + 1;
        }
        self.here.insert(connection, (room, *slot));
        self.check_notices(connection, room, &outcome.messages[1..]);
    }

    fn check_relay(&self, connection: ConnectionId, to: Slot, outcome: &Outcome) {
        for (receiver, message) in &outcome.messages {
            match message {
                ServerMessage::Relay { from, .. } => {
                    let (room, slot) = self.here[&connection];
                    assert_eq!(*from, slot);
                    assert_eq!(self.here.get(receiver), Some(&(room, to)));
                    assert_ne!(*receiver, connection);
                }
                ServerMessage::Error {
                    code: ErrorCode::NoSuchMember,
                    ..
                } => assert_eq!(*receiver, connection),
                other => panic!("{other:?} after a relay"),
            }
        }
    }

    /// Notices reach each other member of the room once, and nobody else.
    fn check_notices(&self, about: ConnectionId, room: RoomId, notices: &[(ConnectionId, ServerMessage)]) {
        let mut reached: Vec<_> = notices.iter().map(|(connection, _)| *connection).collect();
        let mut others: Vec<_> = self
            .members_of(room)
            .map(|(id, _)| id)
            .filter(|id| *id != about)
            .collect();
        reached.sort();
        others.sort();
        assert_eq!(reached, others);
    }

    fn members_of(&self, room: RoomId) -> impl Iterator<Item = (ConnectionId, Slot)> {
        self.here
            .iter()
            .filter(move |(_, (other, _))| *other == room)
            .map(|(id, (_, slot))| (*id, *slot))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn invariants_hold_whatever_clients_do(steps in proptest::collection::vec(any_step(), 0..80)) {
        let mut registry = RoomRegistry::new(LIMITS);
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        let mut connections = 0;
        for step in steps {
            match step {
                Step::Join { room, resume } => {
                    let connection = ConnectionId(connections);
                    connections += 1;
                    let room = RoomId([room; 16]);
                    let resume = resume.map(|(slot, owner)| Resume { slot: Slot(slot), token: ResumeToken([owner; 16]) });
                    let request = JoinRequest { v: 1, room, resume };
                    let outcome = registry.join(connection, request, token_of(connection.0));
                    model.check_join(connection, room, &outcome);
                }
                Step::Relay { to, connection } => {
                    let outcome = registry.relay(ConnectionId(connection), Slot(to), Blob(vec![1]));
                    model.check_relay(ConnectionId(connection), Slot(to), &outcome);
                }
                Step::Leave(connection) | Step::Drop(connection) => {
                    let connection = ConnectionId(connection);
                    let outcome = if matches!(step, Step::Leave(_)) {
                        registry.leave(connection, now)
                    } else {
                        registry.dropped(connection, now)
                    };
                    match model.here.remove(&connection) {
                        Some((room, _)) => model.check_notices(connection, room, &outcome.messages),
                        None => prop_assert_eq!(outcome.messages, vec![]),
                    }
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
            }
            for (receiver, message) in registry.expire(now).messages {
                let is_loss = matches!(message, ServerMessage::PeerLeft { .. });
                prop_assert!(is_loss && model.here.contains_key(&receiver));
            }
            prop_assert!(registry.next_expiry().is_none_or(|next| next > now));
            prop_assert!(registry.room_count() <= LIMITS.rooms);
        }
        for connection in 0..connections {
            registry.dropped(ConnectionId(connection), now);
        }
        registry.expire(now + LIMITS.resume_lifetime + LIMITS.empty_room_lifetime);
        prop_assert_eq!(registry.room_count(), 0);
        prop_assert_eq!(registry.next_expiry(), None);
    }
}
