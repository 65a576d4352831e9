use super::*;
use crate::handshake::{Initiator, Responder};
use crate::identity::IdentityKey;
use crate::room::RoomKeys;
use crate::session::Terms;
use signaling_protocol::Slot;

const RUNS: u64 = 10_000;
/// More than enough to match one symbol in nearly every run; four would take 2³².
const GRINDING: u32 = 1_000;

fn seeded(seed: u64) -> Entropy {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Entropy::from_seed(bytes)
}

fn shake_hands(terms: &Terms, one: &IdentityKey, other: &IdentityKey, entropy: &mut Entropy) -> (Session, Session) {
    let (initiator, first) = Initiator::start(terms, one, entropy);
    let (responder, second) = Responder::answer(terms, other, entropy, &first, b"").unwrap();
    let (third, ours) = initiator.receive(&second).unwrap().complete(b"").unwrap();
    let (_, theirs) = responder.complete(&third).unwrap();
    (ours, theirs)
}

fn pair(seed: u64) -> (SymbolExchange, SymbolExchange) {
    let mut entropy = seeded(seed);
    let [one, other] = [(); 2].map(|()| IdentityKey::generate(&mut entropy));
    let terms = RoomKeys::from_secret(&[3; 16]).terms(Slot(2), Slot(1));
    let (ours, theirs) = shake_hands(&terms, &one, &other, &mut entropy);
    (
        SymbolExchange::new(&ours, &mut entropy),
        SymbolExchange::new(&theirs, &mut entropy),
    )
}

#[test]
fn both_see_the_same_symbols_and_other_ones_in_every_call() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..20 {
        let (mut initiator, mut responder) = pair(seed);
        assert_eq!(responder.start(), None);
        let commit = initiator.start().unwrap();
        assert_eq!(initiator.start(), None);
        let share = responder.handle(commit).unwrap().unwrap();
        assert_eq!(responder.symbols(), None);
        let reveal = initiator.handle(share).unwrap().unwrap();
        assert_eq!(responder.handle(reveal), Ok(None));
        assert_eq!(initiator.symbols(), responder.symbols());
        assert!(seen.insert(initiator.symbols().unwrap()));
    }
}

/// Worked out with Python's hashlib and hmac from trust.md alone.
#[test]
fn commitment_and_symbols_are_those_of_the_specification() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(&commitment(&[1; 32], &[2; 32])),
        "b4b796179e6f267b0a28e11832c688456f2027bc9376345f5b31708cd3cffbf0"
    );
    assert_eq!(hex(&symbols::<4>(&[1; 32], &[2; 32], &[3; 32])), "8f84a452");
}

#[test]
fn messages_travel_as_short_text() {
    for (message, begin) in [
        (SymbolMessage::Commit([1; 32]), r#"{"commit":"AQEB"#),
        (SymbolMessage::Share([2; 32]), r#"{"share":"AgIC"#),
        (SymbolMessage::Reveal([3; 32]), r#"{"reveal":"AwMD"#),
    ] {
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(begin), "{text}");
        assert_eq!(serde_json::from_str::<SymbolMessage>(&text).unwrap(), message);
    }
    for bad in [r#"{"commit":"AQEB"}"#, r#"{"commit":[1]}"#, r#"{"guess":"AQEB"}"#, "7"] {
        assert!(serde_json::from_str::<SymbolMessage>(bad).is_err(), "{bad}");
    }
}

#[test]
fn whoever_breaks_the_rules_gets_no_symbols() {
    let all = [
        SymbolMessage::Commit([1; 32]),
        SymbolMessage::Share([1; 32]),
        SymbolMessage::Reveal([1; 32]),
    ];
    for message in &all {
        // Before the initiator has committed, nothing is right.
        let (mut initiator, _) = pair(1);
        assert_eq!(initiator.handle(message.clone()), Err(SymbolError::OutOfTurn));
        assert_eq!(initiator.start(), None);
        assert_eq!(
            initiator.handle(SymbolMessage::Share([1; 32])),
            Err(SymbolError::OutOfTurn)
        );

        if !matches!(message, SymbolMessage::Share(_)) {
            let (mut initiator, _) = pair(2);
            initiator.start();
            assert_eq!(initiator.handle(message.clone()), Err(SymbolError::OutOfTurn));
            assert_eq!(
                initiator.handle(SymbolMessage::Share([1; 32])),
                Err(SymbolError::OutOfTurn)
            );
            assert_eq!(initiator.symbols(), None);
        }
        if !matches!(message, SymbolMessage::Commit(_)) {
            let (mut initiator, mut responder) = pair(3);
            assert_eq!(responder.handle(message.clone()), Err(SymbolError::OutOfTurn));
            assert_eq!(
                responder.handle(initiator.start().unwrap()),
                Err(SymbolError::OutOfTurn)
            );
            assert_eq!(responder.symbols(), None);
        }
        let (mut initiator, mut responder) = pair(4);
        let share = responder.handle(initiator.start().unwrap()).unwrap().unwrap();
        let reveal = initiator.handle(share).unwrap().unwrap();
        let error = match message {
            SymbolMessage::Reveal(_) => SymbolError::ChangedMind,
            SymbolMessage::Commit(_) | SymbolMessage::Share(_) => SymbolError::OutOfTurn,
        };
        assert_eq!(responder.handle(message.clone()), Err(error));
        assert_eq!(responder.handle(reveal), Err(SymbolError::OutOfTurn));
        assert_eq!(responder.symbols(), None);
        // The initiator was done before: what it shows does not change.
        let shown = initiator.symbols();
        assert!(shown.is_some());
        assert_eq!(initiator.handle(message.clone()), Err(SymbolError::OutOfTurn));
        assert_eq!(initiator.symbols(), shown);
    }
}

/// What somebody with the link can do between two who compare their symbols.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Plays both exchanges by the rules.
    Independent,
    /// Passes the callee's number on to the caller, so that both mix the same one.
    PassOn,
    /// Finishes with the caller first, whose symbols it then knows, and reveals to the other what makes them match.
    CallerFirst,
    /// Has the other's number before it has to give its own to the caller, and picks the best one it can.
    CalleeFirst,
}

const ATTACKS: [Attack; 4] = [
    Attack::Independent,
    Attack::PassOn,
    Attack::CallerFirst,
    Attack::CalleeFirst,
];

/// The man in the middle: responder towards the caller, initiator towards the callee.
struct Middle {
    to_caller: [u8; 32],
    to_callee: [u8; 32],
    entropy: Entropy,
}

impl Middle {
    /// Runs the exchanges of both; whether both end up with symbols, and with equal ones.
    fn deceives<const N: usize>(&mut self, attack: Attack, caller: &mut Exchange<N>, callee: &mut Exchange<N>) -> bool {
        caller.start().unwrap();
        let own: [u8; 32] = self.entropy.bytes();
        let our_commit = SymbolMessage::Commit(commitment(&self.to_callee, &own));
        let Ok(Some(SymbolMessage::Share(callees))) = callee.handle(our_commit) else {
            panic!("an honest responder shares");
        };
        let our_share = match attack {
            Attack::PassOn => callees,
            Attack::Independent | Attack::CallerFirst => self.entropy.bytes(),
            Attack::CalleeFirst => self.best_share::<N>(symbols(&self.to_callee, &own, &callees)),
        };
        let Ok(Some(SymbolMessage::Reveal(callers))) = caller.handle(SymbolMessage::Share(our_share)) else {
            panic!("an honest initiator reveals");
        };
        let our_reveal = match attack {
            Attack::Independent | Attack::PassOn | Attack::CalleeFirst => own,
            Attack::CallerFirst => self.best_reveal::<N>(symbols(&self.to_caller, &callers, &our_share), own, &callees),
        };
        // An error here is the end of the call: the deception has failed.
        let refused = callee.handle(SymbolMessage::Reveal(our_reveal)).is_err();
        assert_eq!(refused, callee.symbols().is_none());
        caller.symbols() == callee.symbols()
    }

    /// The caller's number is hidden, so the best there is is to match for a guess of it.
    fn best_share<const N: usize>(&mut self, wanted: [u8; N]) -> [u8; 32] {
        let guess = self.entropy.bytes();
        let hash = self.to_caller;
        self.grind(|share| symbols::<N>(&hash, &guess, share) == wanted)
    }

    /// The honest one where that happens to match, else another that does.
    fn best_reveal<const N: usize>(&mut self, wanted: [u8; N], own: [u8; 32], callees: &[u8; 32]) -> [u8; 32] {
        let hash = self.to_callee;
        if symbols::<N>(&hash, &own, callees) == wanted {
            return own;
        }
        self.grind(|reveal| symbols::<N>(&hash, reveal, callees) == wanted)
    }

    fn grind(&mut self, mut good: impl FnMut(&[u8; 32]) -> bool) -> [u8; 32] {
        let mut candidate = self.entropy.bytes();
        for _ in 0..GRINDING {
            if good(&candidate) {
                break;
            }
            candidate = self.entropy.bytes();
        }
        candidate
    }
}

/// One run: both people, and between them somebody with the link and a key of his own.
struct Run {
    caller: Session,
    callee: Session,
    middle: Middle,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut entropy = seeded(seed);
        let [caller, middle, callee] = [(); 3].map(|()| IdentityKey::generate(&mut entropy));
        let terms = RoomKeys::from_secret(&[3; 16]).terms(Slot(2), Slot(1));
        let (of_caller, towards_caller) = shake_hands(&terms, &caller, &middle, &mut entropy);
        let (towards_callee, of_callee) = shake_hands(&terms, &middle, &callee, &mut entropy);
        assert_eq!(of_caller.hash(), towards_caller.hash());
        assert_eq!(of_callee.hash(), towards_callee.hash());
        Self {
            caller: of_caller,
            callee: of_callee,
            middle: Middle {
                to_caller: *towards_caller.hash(),
                to_callee: *towards_callee.hash(),
                entropy,
            },
        }
    }

    fn deceived<const N: usize>(&mut self, attack: Attack) -> bool {
        let entropy = &mut self.middle.entropy.fork();
        let mut caller = Exchange::<N>::new(*self.caller.hash(), self.caller.role(), entropy);
        let mut callee = Exchange::<N>::new(*self.callee.hash(), self.callee.role(), entropy);
        self.middle.deceives(attack, &mut caller, &mut callee)
    }
}

/// Somebody in between who passes all messages on unread: the commitment names the session it was made in.
#[test]
fn a_commitment_of_another_session_is_refused() {
    let (mut caller, mut callee) = (pair(1).0, pair(2).1);
    let share = callee.handle(caller.start().unwrap()).unwrap().unwrap();
    let reveal = caller.handle(share).unwrap().unwrap();
    assert_eq!(callee.handle(reveal), Err(SymbolError::ChangedMind));
    assert_eq!(callee.symbols(), None);
}

/// Four symbols are never equal; one symbol, in the same runs, is as often as chance has it: the harness can fail.
#[test]
fn somebody_in_between_never_shows_both_the_same_symbols() {
    let (mut four_equal, mut one_equal) = (0, 0);
    for seed in 0..RUNS {
        let mut run = Run::new(seed);
        let attack = ATTACKS[usize::try_from(seed % 4).unwrap()];
        four_equal += u32::from(run.deceived::<4>(attack));
        one_equal += u32::from(run.deceived::<1>(attack));
    }
    assert_eq!(four_equal, 0);
    assert!(
        (20..=58).contains(&one_equal),
        "{one_equal} of {RUNS} matched with one symbol"
    );
}
