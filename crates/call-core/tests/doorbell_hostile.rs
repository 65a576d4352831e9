//! What a server that means harm can do to a doorbell, and what it can read.
#![allow(missing_docs, clippy::unwrap_used)]

mod doorbell_world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use call_core::Time;
use call_core::doorbell::{
    ContactPresence, Doorbell, DoorbellAction, DoorbellConfig, DoorbellContact, DoorbellInput, DoorbellIntent,
    RingOutcome, RingStage, ServerEvent,
};
use doorbell_world::{HOME, NOON, WAY, World};
use signaling_protocol::limits::MAX_LISTENERS;
use signaling_protocol::{Blob, ClientMessage, ErrorCode, RoomId, ServerMessage, Slot, TopicState};
use trust::{DoorbellKeys, Entropy, IdentityKey, Initiator};

const A: usize = 0;
const B: usize = 1;
const A_WHILE: Duration = WAY.saturating_mul(6);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_server_reads_no_name_link_or_key() {
    let mut world = World::friends(3);
    world.ring(A, B);
    world.run_for(SECOND);
    world.accept(B);
    world.run_for(SECOND);
    world.ring(2, A);
    world.run_for(SECOND);
    assert_eq!(world.outcomes(2), [RingOutcome::Busy]);
    assert!(world.blobs.len() > 15, "{}", world.blobs.len());
    let mut secrets: Vec<Vec<u8>> = [
        "Friend number",
        "Self-chosen name",
        "example.org",
        "link-of",
        "ring",
        "accept",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    for bell in &world.bells {
        secrets.push(bell.key.0.to_vec());
        secrets.push(bell.key.0[..8].to_vec());
        secrets.push(bell.key.to_string().into_bytes());
    }
    let contains = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).any(|part| part == needle);
    for (secret, wire) in secrets
        .iter()
        .flat_map(|secret| world.seen.iter().map(move |wire| (secret, wire)))
    {
        assert!(
            !contains(wire.as_bytes(), secret),
            "{wire} shows {}",
            String::from_utf8_lossy(secret)
        );
    }
    for (secret, blob) in secrets
        .iter()
        .flat_map(|secret| world.blobs.iter().map(move |blob| (secret, blob)))
    {
        assert!(
            !contains(blob, secret),
            "a blob shows {}",
            String::from_utf8_lossy(secret)
        );
    }
    // What is said after the handshake all looks the same.
    let sealed: Vec<_> = world.blobs.iter().filter(|blob| blob[0] == 4).map(Vec::len).collect();
    assert!(
        sealed.len() > 6 && sealed.iter().all(|length| *length == sealed[0]),
        "{sealed:?}"
    );
}

/// Number of the blob, the blob, what was kept of earlier ones: what is passed on instead.
type Tampering = fn(u32, Vec<u8>, &mut Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// What a server may do to the blobs it passes on.
fn tampers() -> Vec<(&'static str, Tampering)> {
    vec![
        ("flips a bit of each fifth", |number, mut blob, _| {
            let index = number as usize % blob.len();
            blob[index] ^= u8::from(number % 5 == 0);
            vec![blob]
        }),
        ("drops each fifth", |number, blob, _| match number % 5 {
            0 => vec![],
            _ => vec![blob],
        }),
        ("doubles each third", |number, blob, _| match number % 3 {
            0 => vec![blob.clone(), blob],
            _ => vec![blob],
        }),
        ("cuts each fifth short", |number, mut blob, _| {
            blob.truncate(if number % 5 == 0 { blob.len() / 2 } else { blob.len() });
            vec![blob]
        }),
        ("says each third again much later", |number, blob, kept| {
            kept.push(blob.clone());
            let old = kept.get(kept.len() / 2).cloned();
            old.into_iter().filter(|_| number % 3 == 0).chain([blob]).collect()
        }),
        ("swaps neighbours now and then", |number, blob, kept| match number % 7 {
            0 => {
                kept.push(blob);
                vec![]
            }
            _ => std::iter::once(blob).chain(kept.pop()).collect(),
        }),
    ]
}

#[test]
fn whatever_a_server_does_to_blobs_a_ring_gets_through_or_ends() {
    for (what, tamper) in tampers() {
        let mut world = World::friends(2);
        let number = Rc::new(RefCell::new(0));
        let mut kept = Vec::new();
        world.tamper = Box::new(move |blob| {
            *number.borrow_mut() += 1;
            tamper(*number.borrow(), blob, &mut kept)
        });
        world.ring(A, B);
        let mut is_taken = false;
        for _ in 0..90 {
            world.run_for(SECOND);
            if world.stage(B) == Some(RingStage::Ringing) && !is_taken {
                is_taken = true;
                world.accept(B);
            }
        }
        let calls = [A, B].map(|bell| world.bells[bell].calls.len());
        assert!(calls[A] <= 1 && calls[B] <= calls[A], "{what}: {calls:?}");
        let agree = calls[A] == calls[B] || world.bells[A].called_off == 1;
        assert!(agree, "{what}: {calls:?}");
        assert!([A, B].iter().all(|&bell| world.stage(bell).is_none()), "{what}");
        assert!(
            [A, B]
                .iter()
                .all(|&bell| world.bells[bell].doorbell.dropped().impostors == 0),
            "{what}"
        );
    }
}

#[test]
fn one_changed_blob_costs_a_handshake_and_no_call() {
    let mut world = World::friends(2);
    let is_first = Rc::new(RefCell::new(true));
    world.tamper = Box::new(move |mut blob| {
        if blob[0] == 4 && is_first.replace(false) {
            *blob.last_mut().unwrap() ^= 1;
        }
        vec![blob]
    });
    world.ring(A, B);
    world.run_for(A_WHILE * 2);
    assert_eq!(world.stage(B), Some(RingStage::Ringing));
    world.accept(B);
    world.run_for(A_WHILE);
    assert_eq!([A, B].map(|bell| world.bells[bell].calls.len()), [1, 1]);
}

#[test]
fn shaking_hands_again_and_again_has_an_end() {
    let mut world = World::friends(2);
    world.tamper = Box::new(|mut blob| {
        if blob[0] == 4 {
            *blob.last_mut().unwrap() ^= 1;
        }
        vec![blob]
    });
    world.ring(A, B);
    let before = world.blobs.len();
    world.run_for(SECOND * 60);
    let firsts = world.blobs[before..].iter().filter(|blob| blob[0] == 1).count();
    assert!((1..=12).contains(&firsts), "{firsts}");
    assert_eq!(world.outcomes(A), [RingOutcome::Unreachable]);
}

/// A doorbell with one contact whose server the test plays.
struct Victim {
    doorbell: Doorbell,
    contact: IdentityKey,
    own: IdentityKey,
    topic: RoomId,
    now: Time,
}

impl Victim {
    fn new() -> Self {
        let mut entropy = Entropy::from_seed([9; 32]);
        let own = IdentityKey::generate(&mut entropy);
        let contact = IdentityKey::generate(&mut entropy);
        let now = Time(SECOND);
        let config = DoorbellConfig {
            identity: own.clone(),
            entropy,
            name: "victim".to_owned(),
            home: Some(HOME.to_owned()),
            unix_now_s: NOON,
        };
        let topic = DoorbellKeys::between(&own, &contact.public(), NOON / 86_400)
            .unwrap()
            .topic;
        let mut victim = Self {
            doorbell: Doorbell::new(config, now),
            contact,
            own,
            topic,
            now,
        };
        let contact = DoorbellContact {
            key: victim.contact.public(),
            name: "contact".to_owned(),
            servers: Vec::new(),
        };
        victim.doorbell.handle(DoorbellInput::Contacts(vec![contact]), now);
        victim.event(ServerEvent::Connected);
        victim
    }

    fn event(&mut self, event: ServerEvent) {
        let server = HOME.to_owned();
        self.doorbell.handle(DoorbellInput::Server { server, event }, self.now);
    }

    fn say(&mut self, message: ServerMessage) {
        self.event(ServerEvent::Message(message));
    }

    fn enter(&mut self, slot: u32, others: impl IntoIterator<Item = u32>) {
        let topics = vec![TopicState {
            topic: self.topic,
            slot: Slot(slot),
            others: others.into_iter().map(Slot).collect(),
        }];
        self.say(ServerMessage::Listening { v: 1, topics });
    }

    fn post(&mut self, from: u32, blob: Vec<u8>) {
        let (topic, from, blob) = (self.topic, Slot(from), Blob(blob));
        self.say(ServerMessage::Posted { topic, from, blob });
    }

    fn posts(&mut self) -> Vec<Vec<u8>> {
        let actions = std::iter::from_fn(|| self.doorbell.poll_action());
        let posts = actions.filter_map(|action| match action {
            DoorbellAction::Send {
                message: ClientMessage::Post { blob, .. },
                ..
            } => Some(blob.0),
            _ => None,
        });
        posts.collect()
    }
}

#[test]
fn ten_thousand_listeners_cost_no_more_than_sixteen() {
    let mut victim = Victim::new();
    victim.enter(u32::MAX, 0..10_000);
    assert_eq!(victim.posts().len(), MAX_LISTENERS);
    for slot in 10_000..20_000 {
        let (topic, slot) = (victim.topic, Slot(slot));
        victim.say(ServerMessage::ListenerCame { topic, slot });
    }
    assert_eq!(victim.posts().len(), 0);
    assert!(victim.doorbell.dropped().overflow >= 19_000);
    // Coming and going without end makes us speak no faster.
    let mut said = 0;
    for slot in 20_000..40_000 {
        let topic = victim.topic;
        victim.say(ServerMessage::ListenerWent {
            topic,
            slot: Slot(if slot == 20_000 { 0 } else { slot - 1 }),
        });
        victim.say(ServerMessage::ListenerCame {
            topic,
            slot: Slot(slot),
        });
        said += victim.posts().len();
    }
    assert!(said < 100, "{said}");
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let mut victim = Victim::new();
    victim.enter(1, [0, 2]);
    victim.posts();
    let mut entropy = Entropy::from_seed([3; 32]);
    for number in 0..20_000u32 {
        let mut blob = entropy.bytes::<64>().to_vec();
        blob.truncate(number as usize % 65);
        if let Some(kind) = blob.first_mut() {
            *kind %= 6;
        }
        victim.post(number % 4, blob);
    }
    let topic = RoomId([1; 16]);
    victim.say(ServerMessage::ListenerCame { topic, slot: Slot(1) });
    victim.say(ServerMessage::ListenerWent { topic, slot: Slot(1) });
    victim.enter(7, [8, 9]);
    let (code, message) = (ErrorCode::Other, "x".repeat(10_000));
    victim.say(ServerMessage::Error { code, message });
    assert_eq!(victim.posts(), Vec::<Vec<u8>>::new());
    let dropped = victim.doorbell.dropped();
    assert!(
        dropped.stale + dropped.malformed + dropped.overflow >= 20_000,
        "{dropped:?}"
    );
    assert_eq!(victim.doorbell.snapshot().presence[0].1, ContactPresence::Offline);
}

#[test]
fn who_has_the_secret_of_the_door_but_not_the_key_is_not_the_contact() {
    let mut victim = Victim::new();
    let mut entropy = Entropy::from_seed([4; 32]);
    let keys = DoorbellKeys::between(&victim.contact, &victim.own.public(), NOON / 86_400).unwrap();
    for (somebody, expected) in [
        (IdentityKey::generate(&mut entropy), ContactPresence::Offline),
        (victim.contact.clone(), ContactPresence::Online),
    ] {
        victim.event(ServerEvent::Disconnected);
        victim.now = victim.now + SECOND;
        victim.doorbell.handle_deadlines(victim.now);
        victim.event(ServerEvent::Connected);
        victim.enter(0, [1]);
        victim.posts();
        let (initiator, first) = Initiator::start(&keys.terms(Slot(1), Slot(0)), &somebody, &mut entropy);
        victim.post(1, first);
        let second = victim.posts().pop().unwrap();
        let answered = initiator.receive(&second).unwrap();
        let hello = br#"{"v":1,"device":"000102030405060708090a0b0c0d0e0f","side":"inside"}"#;
        let (third, _) = answered.complete(hello).unwrap();
        victim.post(1, third);
        assert_eq!(victim.doorbell.snapshot().presence[0].1, expected);
        assert_eq!(victim.doorbell.dropped().impostors, 1);
    }
}

#[test]
fn a_doorbell_without_contacts_talks_to_nobody() {
    let mut world = World::new();
    world.add(1, Some(HOME), NOON);
    world.intend(A, DoorbellIntent::Cancel);
    world.run_for(SECOND * 100);
    assert!(world.seen.is_empty());
    assert_eq!(world.bells[A].doorbell.poll_deadline(), None);
}
