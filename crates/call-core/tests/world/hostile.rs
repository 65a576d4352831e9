//! What a hostile server can do with blobs: everything but open them.

use std::collections::BTreeMap;

use signaling_protocol::{RoomId, Slot};
use trust::session::{MessageKind, inspect};
use trust::{Answered, Entropy, IdentityKey, Initiator, Padding, Psk, Responder, Session, Terms};
use zeroize::Zeroizing;

use super::{Dice, Hostility, Passing};

/// One thing that a hostile server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    Drop,
    /// Lets so many through each way, then nothing: the last message of a session is missing.
    Cut(u32),
    Duplicate,
    Swap,
    Truncate,
    Flip,
    /// Adds messages of an older call of the same room.
    Replay,
    /// Adds messages of another room.
    Splice,
}

/// Does one of them to some of the blobs, in a thousand.
pub struct Vandal {
    pub attack: Attack,
    pub chance: u64,
    /// Of an older call, or of another room.
    pub loot: Vec<Vec<u8>>,
    pub held: Option<Passing>,
    pub passed: BTreeMap<(Slot, Slot), u32>,
    /// Counts what was done.
    pub done: std::rc::Rc<std::cell::Cell<u32>>,
}

impl Hostility for Vandal {
    fn pass(&mut self, dice: &mut Dice, mut passing: Passing) -> Vec<Passing> {
        let passed = self.passed.entry((passing.from, passing.to)).or_default();
        *passed += 1;
        let is_cut = matches!(self.attack, Attack::Cut(after) if *passed > after);
        if !is_cut && (matches!(self.attack, Attack::Cut(_)) || !dice.per_mille(self.chance)) {
            return std::iter::once(passing).chain(self.held.take()).collect();
        }
        self.done.set(self.done.get() + 1);
        match self.attack {
            Attack::Drop | Attack::Cut(_) => Vec::new(),
            Attack::Duplicate => vec![passing.clone(), passing],
            Attack::Swap => self.held.replace(passing).into_iter().collect(),
            Attack::Truncate => {
                let length = dice.below(passing.blob.len() as u64) as usize;
                passing.blob.truncate(length);
                vec![passing]
            }
            Attack::Flip => {
                let at = dice.below(passing.blob.len() as u64) as usize;
                passing.blob[at] ^= 1 << dice.below(8);
                vec![passing]
            }
            Attack::Replay | Attack::Splice => {
                let blob = self.loot[dice.below(self.loot.len() as u64) as usize].clone();
                let (from, to) = (passing.from, passing.to);
                let added = Passing { from, to, blob };
                match dice.below(2) {
                    0 => vec![added, passing],
                    _ => vec![passing, added],
                }
            }
        }
    }
}

/// Stands between every two with a key of its own: answers in the name of each to the other.
pub struct ManInTheMiddle {
    pub identity: IdentityKey,
    pub room: RoomId,
    /// The room's, if he has the link.
    pub psk: [u8; 32],
    pub entropy: Entropy,
    /// By who began and who was meant.
    pub pairs: BTreeMap<(Slot, Slot), Pair>,
}

/// Two handshakes, one with each of two people.
#[derive(Default)]
pub struct Pair {
    first: Vec<u8>,
    toward_responder: Option<Initiator>,
    answered: Option<Answered>,
    toward_initiator: Option<Responder>,
    /// With the initiator and with the responder.
    sessions: Vec<(Slot, Session)>,
}

impl ManInTheMiddle {
    fn terms(&self, initiator: Slot, responder: Slot) -> Terms {
        let mut prologue = b"visavis/1".to_vec();
        prologue.extend_from_slice(&self.room.0);
        prologue.extend_from_slice(&initiator.0.to_be_bytes());
        prologue.extend_from_slice(&responder.0.to_be_bytes());
        let psk = Psk(Zeroizing::new(self.psk));
        Terms { psk, prologue }
    }

    fn on_first(&mut self, passing: &Passing) -> Option<Vec<u8>> {
        let terms = self.terms(passing.from, passing.to);
        let (initiator, first) = Initiator::start(&terms, &self.identity, &mut self.entropy);
        let pair = Pair {
            first: passing.blob.clone(),
            toward_responder: Some(initiator),
            ..Pair::default()
        };
        self.pairs.insert((passing.from, passing.to), pair);
        Some(first)
    }

    fn on_second(&mut self, passing: &Passing) -> Option<Vec<u8>> {
        let terms = self.terms(passing.to, passing.from);
        let pair = self.pairs.get_mut(&(passing.to, passing.from))?;
        let answered = pair.toward_responder.take()?.receive(&passing.blob).ok()?;
        let (identity, entropy) = (&self.identity, &mut self.entropy);
        let answer = Responder::answer(&terms, identity, entropy, &pair.first, &answered.payload);
        let (responder, second) = answer.ok()?;
        pair.answered = Some(answered);
        pair.toward_initiator = Some(responder);
        Some(second)
    }

    fn on_third(&mut self, passing: &Passing) -> Option<Vec<u8>> {
        let pair = self.pairs.get_mut(&(passing.from, passing.to))?;
        let (payload, toward_initiator) = pair.toward_initiator.take()?.complete(&passing.blob).ok()?;
        let (third, toward_responder) = pair.answered.take()?.complete(&payload).ok()?;
        pair.sessions = vec![(passing.from, toward_initiator), (passing.to, toward_responder)];
        Some(third)
    }

    fn on_sealed(&mut self, passing: &Passing) -> Option<Vec<u8>> {
        let both = [(passing.from, passing.to), (passing.to, passing.from)];
        for ends in both {
            let Some(pair) = self.pairs.get_mut(&ends) else {
                continue;
            };
            let opened = pair.sessions.iter_mut().find(|(with, _)| *with == passing.from);
            let Some(Ok(message)) = opened.map(|(_, session)| session.open(&passing.blob)) else {
                continue;
            };
            let (_, onward) = pair.sessions.iter_mut().find(|(with, _)| *with == passing.to)?;
            return onward.seal(&message, Padding::Small).ok();
        }
        None
    }
}

impl Hostility for ManInTheMiddle {
    fn pass(&mut self, _: &mut Dice, passing: Passing) -> Vec<Passing> {
        let Ok((kind, _)) = inspect(&passing.blob) else {
            return Vec::new();
        };
        let made = match kind {
            MessageKind::First => self.on_first(&passing),
            MessageKind::Second => self.on_second(&passing),
            MessageKind::Third => self.on_third(&passing),
            MessageKind::Sealed => self.on_sealed(&passing),
        };
        let Passing { from, to, .. } = passing;
        made.into_iter().map(|blob| Passing { from, to, blob }).collect()
    }
}
