//! The registry of topics by transcripts, and by invariants that hold whatever clients do.

mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use signaling_protocol::limits::MAX_BLOB_BYTES;
use signaling_protocol::{Blob, ErrorCode, RoomId, ServerMessage, Slot};
use signaling_server::TopicLimits;
use signaling_server::outcome::{ConnectionId, Goodbye, Outcome};
use signaling_server::topics::TopicRegistry;

const LIMITS: TopicLimits = TopicLimits {
    per_connection: 4,
    listeners: 3,
    places: 7,
    entries_per_second: 2,
    entry_burst: 8,
};

fn topic(letter: char) -> RoomId {
    RoomId([letter as u8; 16])
}

fn play(script: &str) {
    let mut registry = TopicRegistry::new(LIMITS);
    transcript::play(script, |command| perform(&mut registry, command));
}

/// `[SECONDSs] N listen TOPICS [vVERSION]` with a letter for each topic or `-` for none, `N post TOPIC SLOT BYTES`,
/// `N leave`, `N dropped`.
fn perform(registry: &mut TopicRegistry, command: &str) -> Outcome {
    let number = |text: &str| text.parse::<u64>().expect(command);
    let connection = |text: &str| ConnectionId(number(text));
    let mut words: Vec<&str> = command.split_whitespace().collect();
    let mut now = Duration::ZERO;
    if let Some(seconds) = words[0].strip_suffix('s') {
        now = Duration::from_secs(number(seconds));
        words.remove(0);
    }
    match words[..] {
        [id, "listen", topics, ref options @ ..] => {
            let v = options.first().map_or(1, |option| number(&option[1..]) as u16);
            let topics = topics.chars().filter(|letter| *letter != '-').map(topic).collect();
            registry.listen(connection(id), v, topics, now)
        }
        [id, "post", letters, to, bytes] => {
            let (to, blob) = (Slot(number(to) as u32), Blob(vec![7; number(bytes) as usize]));
            registry.post(connection(id), topic(letters.chars().next().expect(command)), to, blob)
        }
        [id, "leave"] => registry.leave(connection(id)),
        [id, "dropped"] => registry.dropped(connection(id)),
        _ => panic!("unknown command `{command}`"),
    }
}

#[test]
fn two_contacts_see_each_other_come_and_go() {
    play(
        "1 listen ab
         > 1 listening v1 a0 [] b0 []
         2 listen bc
         > 2 listening v1 b1 [0] c0 []
         > 1 came b1
         2 post b 0 10
         > 1 posted b1 10
         1 post b 1 20
         > 2 posted b0 20
         2 dropped
         > 1 went b1
         1 post b 1 5
         > 1 error NoSuchMember
         3 listen b
         > 3 listening v1 b2 [0]
         > 1 came b2
         3 leave
         > 1 went b2
         > 3 bye left
         3 dropped",
    );
}

#[test]
fn topics_change_as_a_set() {
    play(
        "1 listen abc
         > 1 listening v1 a0 [] b0 [] c0 []
         2 listen abd
         > 2 listening v1 a1 [0] b1 [0] d0 []
         > 1 came a1
         > 1 came b1
         1 listen bd
         > 2 went a0
         > 1 listening v1 d1 [0]
         > 2 came d1
         1 listen db
         > 1 listening v1
         1 listen -
         > 2 went b0
         > 2 went d1
         > 1 listening v1
         1 post b 1 5
         > 1 error NoSuchMember
         1 listen b
         > 1 listening v1 b2 [1]
         > 2 came b2",
    );
}

#[test]
fn a_topic_named_twice_is_entered_once() {
    play(
        "1 listen aaa
         > 1 listening v1 a0 []
         2 listen a
         > 2 listening v1 a1 [0]
         > 1 came a1
         1 listen aa
         > 1 listening v1
         1 dropped
         > 2 went a0",
    );
}

#[test]
fn slots_are_new_as_long_as_somebody_listens() {
    play(
        "1 listen a
         > 1 listening v1 a0 []
         2 listen a
         > 2 listening v1 a1 [0]
         > 1 came a1
         1 listen -
         > 2 went a0
         > 1 listening v1
         1 listen a
         > 1 listening v1 a2 [1]
         > 2 came a2
         2 dropped
         > 1 went a1
         3 listen a
         > 3 listening v1 a3 [2]
         > 1 came a3
         1 dropped
         > 3 went a2
         3 dropped
         4 listen a
         > 4 listening v1 a0 []",
    );
}

#[test]
fn only_the_addressee_on_a_common_topic_hears() {
    play(
        "1 listen ab
         > 1 listening v1 a0 [] b0 []
         2 listen a
         > 2 listening v1 a1 [0]
         > 1 came a1
         3 listen b
         > 3 listening v1 b1 [0]
         > 1 came b1
         1 post a 0 5
         > 1 error NoSuchMember
         2 post b 0 5
         > 2 error NoSuchMember
         2 post b 1 5
         > 2 error NoSuchMember
         2 post z 0 5
         > 2 error NoSuchMember
         2 post a 7 5
         > 2 error NoSuchMember
         1 post b 1 0
         > 3 posted b0 0",
    );
}

#[test]
fn a_crowded_topic_is_left_out_and_the_others_are_not() {
    play(
        "1 listen a
         > 1 listening v1 a0 []
         2 listen a
         > 2 listening v1 a1 [0]
         > 1 came a1
         3 listen a
         > 3 listening v1 a2 [0, 1]
         > 1 came a2
         > 2 came a2
         4 listen ab
         > 4 listening v1 b0 []
         4 post a 0 5
         > 4 error NoSuchMember
         2 dropped
         > 1 went a1
         > 3 went a1
         4 listen ab
         > 4 listening v1 a3 [0, 2]
         > 1 came a3
         > 3 came a3",
    );
}

#[test]
fn a_full_server_leaves_topics_out_and_takes_none_away() {
    play(
        "1 listen abcd
         > 1 listening v1 a0 [] b0 [] c0 [] d0 []
         2 listen abz
         > 2 listening v1 a1 [0] b1 [0] z0 []
         > 1 came a1
         > 1 came b1
         3 listen ay
         > 3 listening v1
         1 listen abce
         > 1 listening v1 e0 []
         2 listen ab
         > 2 listening v1
         3 listen ay
         > 3 listening v1 a2 [0, 1]
         > 1 came a2
         > 2 came a2",
    );
}

#[test]
fn topics_are_entered_only_so_fast() {
    play(
        "1 listen abcd
         > 1 listening v1 a0 [] b0 [] c0 [] d0 []
         1 listen efgh
         > 1 listening v1 e0 [] f0 [] g0 [] h0 []
         1 listen efgh
         > 1 listening v1
         1 listen -
         > 1 listening v1
         2s 1 listen abcd
         > 1 listening v1 a0 [] b0 [] c0 [] d0 []
         2 listen a
         > 2 listening v1 a1 [0]
         > 1 came a1
         2s 1 listen e
         > 1 bye TooFast
         1 dropped
         > 2 went a0",
    );
}

#[test]
fn what_is_out_of_order_is_refused() {
    play(
        "1 post a 0 5
         > 1 bye NotJoined
         2 leave
         > 2 bye NotJoined
         3 listen a v0
         > 3 bye ClientTooOld
         4 listen abcdefgh v2
         > 4 bye ClientTooNew
         5 listen abcde
         > 5 bye TooLarge
         6 listen aaaaa
         > 6 bye TooLarge
         7 listen a
         > 7 listening v1 a0 []
         8 listen a
         > 8 listening v1 a1 [0]
         > 7 came a1
         8 post a 0 46080
         > 7 posted a1 46080
         8 post a 0 46081
         > 8 bye TooLarge
         7 listen b v2
         > 7 bye ClientTooNew
         8 dropped
         > 7 went a1",
    );
    assert_eq!(MAX_BLOB_BYTES, 46080);
}

#[test]
fn too_many_topics_are_counted_in_words() {
    let topics = vec![topic('a'); 2_600];
    let outcome = TopicRegistry::new(TopicLimits::default()).listen(ConnectionId(1), 1, topics, Duration::ZERO);
    let [(_, Goodbye::Refused { message, .. })] = &outcome.disconnects[..] else {
        panic!("{outcome:?}")
    };
    assert!(message.contains("2600 topics") && message.contains("256"), "{message}");
}

#[test]
fn undeliverable_blobs_are_counted() {
    let mut registry = TopicRegistry::new(LIMITS);
    for command in [
        "1 listen a",
        "2 listen a",
        "1 post a 1 5",
        "2 dropped",
        "1 post a 1 5",
        "1 post b 0 5",
    ] {
        perform(&mut registry, command);
    }
    assert_eq!(registry.blobs_dropped(), 2);
}

/// What a client did, in terms of small numbers so that sequences run into each other.
#[derive(Clone, Debug)]
enum Step {
    Listen { connection: u64, topics: Vec<char> },
    Post { connection: u64, topic: char, to: u32 },
    Leave(u64),
    Drop(u64),
    Pass(u64),
}

const CONNECTIONS: std::ops::Range<u64> = 0..5;

fn any_step() -> impl Strategy<Value = Step> {
    let letter = || proptest::sample::select(vec!['a', 'b', 'c', 'd', 'e']);
    prop_oneof![
        6 => (CONNECTIONS, proptest::collection::vec(letter(), 0..6))
            .prop_map(|(connection, topics)| Step::Listen { connection, topics }),
        4 => (CONNECTIONS, letter(), 0..6u32)
            .prop_map(|(connection, topic, to)| Step::Post { connection, topic, to }),
        1 => CONNECTIONS.prop_map(Step::Leave),
        2 => CONNECTIONS.prop_map(Step::Drop),
        2 => (0..4u64).prop_map(Step::Pass),
    ]
}

/// Who listens where, learnt only from what each connection is told: its own answers and the notices it gets.
#[derive(Default)]
struct Model {
    /// What each connection knows of its topics: its own slot and the others.
    known: BTreeMap<ConnectionId, BTreeMap<RoomId, (Slot, BTreeSet<Slot>)>>,
    /// The last slot given in the present life of each topic.
    newest: BTreeMap<RoomId, Slot>,
}

impl Model {
    fn listened(&mut self, connection: ConnectionId, wanted: &BTreeSet<RoomId>, outcome: &Outcome) {
        if let [(refused, goodbye)] = &outcome.disconnects[..] {
            assert!(*refused == connection && outcome.messages.is_empty());
            assert!(matches!(
                goodbye,
                Goodbye::Refused {
                    code: ErrorCode::TooLarge | ErrorCode::TooFast,
                    ..
                }
            ));
            return;
        }
        assert!(outcome.disconnects.is_empty());
        let mut answers = 0;
        self.known
            .entry(connection)
            .or_default()
            .retain(|topic, _| wanted.contains(topic));
        for (to, message) in &outcome.messages {
            match message {
                ServerMessage::Listening { topics, .. } => {
                    assert_eq!(*to, connection);
                    answers += 1;
                    for state in topics {
                        assert!(wanted.contains(&state.topic));
                        self.enter(connection, state.topic, state.slot, &state.others);
                    }
                }
                notice => self.notice(*to, notice),
            }
        }
        assert_eq!(answers, 1);
        for topic in wanted {
            let listeners = self.known.values().filter(|topics| topics.contains_key(topic)).count();
            let places: usize = self.known.values().map(BTreeMap::len).sum();
            let is_full = listeners == LIMITS.listeners || places == LIMITS.places;
            assert!(
                is_full || self.known[&connection].contains_key(topic),
                "left out without need"
            );
        }
    }

    fn enter(&mut self, connection: ConnectionId, topic: RoomId, slot: Slot, others: &[Slot]) {
        // Slots only grow, except in a topic that nobody listened on.
        if self.known.values().any(|topics| topics.contains_key(&topic)) {
            assert!(slot > self.newest[&topic], "{slot:?} after {:?}", self.newest[&topic]);
        } else {
            assert!(others.is_empty());
        }
        self.newest.insert(topic, slot);
        let others: BTreeSet<Slot> = others.iter().copied().collect();
        let before = self.known.entry(connection).or_default().insert(topic, (slot, others));
        assert_eq!(before, None, "only new topics are answered");
    }

    fn notice(&mut self, to: ConnectionId, message: &ServerMessage) {
        let topics = self.known.get_mut(&to).expect("only those who listen are told");
        let is_news = match message {
            ServerMessage::ListenerCame { topic, slot } => {
                topics.get_mut(topic).expect("told of its own topics").1.insert(*slot)
            }
            ServerMessage::ListenerWent { topic, slot } => {
                topics.get_mut(topic).expect("told of its own topics").1.remove(slot)
            }
            other => panic!("{other:?} is no notice"),
        };
        assert!(is_news);
    }

    fn ended(&mut self, connection: ConnectionId, outcome: &Outcome) {
        self.known.remove(&connection);
        for (to, message) in &outcome.messages {
            assert!(matches!(message, ServerMessage::ListenerWent { .. }));
            self.notice(*to, message);
        }
    }

    fn posted(&self, connection: ConnectionId, topic: RoomId, to: Slot, outcome: &Outcome) {
        let from = self.known.get(&connection).and_then(|topics| topics.get(&topic));
        let is_member = from.is_some_and(|(_, others)| others.contains(&to));
        let (receiver, message) = match &outcome.messages[..] {
            [] => return assert!(!self.known.contains_key(&connection) && outcome.disconnects.len() == 1),
            [(receiver, message)] => (receiver, message),
            more => panic!("{more:?} after a post"),
        };
        match message {
            ServerMessage::Posted {
                topic: on,
                from: sender,
                ..
            } => {
                assert!(is_member && *on == topic);
                assert_eq!(Some(*sender), from.map(|(slot, _)| *slot));
                assert_eq!(self.known[receiver][&topic].0, to);
            }
            ServerMessage::Error { code, .. } => {
                assert!(!is_member && *receiver == connection && *code == ErrorCode::NoSuchMember);
            }
            other => panic!("{other:?} after a post"),
        }
    }

    /// What everybody was told is the same, and is what the registry counts.
    fn check(&self, registry: &TopicRegistry) {
        let mut present: BTreeMap<RoomId, BTreeSet<Slot>> = BTreeMap::new();
        let mut places = 0;
        for (connection, topics) in &self.known {
            assert!(registry.is_listening(*connection));
            assert!(topics.len() <= LIMITS.per_connection);
            places += topics.len();
            for (topic, (slot, _)) in topics {
                assert!(present.entry(*topic).or_default().insert(*slot), "one listener a slot");
            }
        }
        for topics in self.known.values() {
            for (topic, (slot, others)) in topics {
                let everybody: BTreeSet<Slot> = others.iter().chain([slot]).copied().collect();
                assert_eq!(everybody, present[topic]);
                assert_eq!(everybody.len(), others.len() + 1);
                assert!(everybody.len() <= LIMITS.listeners);
            }
        }
        assert_eq!(
            (registry.topic_count(), registry.places_taken()),
            (present.len(), places)
        );
        assert!(places <= LIMITS.places);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn invariants_hold_whatever_clients_do(steps in proptest::collection::vec(any_step(), 0..80)) {
        let mut registry = TopicRegistry::new(LIMITS);
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Listen { connection, topics } => {
                    let connection = ConnectionId(connection);
                    let topics: Vec<RoomId> = topics.into_iter().map(topic).collect();
                    let outcome = registry.listen(connection, 1, topics.clone(), now);
                    model.listened(connection, &topics.into_iter().collect(), &outcome);
                }
                Step::Post { connection, topic: letter, to } => {
                    let (connection, to) = (ConnectionId(connection), Slot(to));
                    let outcome = registry.post(connection, topic(letter), to, Blob(vec![1]));
                    model.posted(connection, topic(letter), to, &outcome);
                }
                Step::Leave(connection) => {
                    let connection = ConnectionId(connection);
                    let outcome = registry.leave(connection);
                    model.ended(connection, &outcome);
                }
                Step::Drop(connection) => {
                    let connection = ConnectionId(connection);
                    let outcome = registry.dropped(connection);
                    model.ended(connection, &outcome);
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
            }
            model.check(&registry);
        }
        for connection in CONNECTIONS {
            let outcome = registry.dropped(ConnectionId(connection));
            model.ended(ConnectionId(connection), &outcome);
            prop_assert!(!registry.is_listening(ConnectionId(connection)));
        }
        model.check(&registry);
        prop_assert_eq!((registry.topic_count(), registry.places_taken()), (0, 0));
    }
}
