//! An invented peer: shakes hands, seals what the test says, and opens what the machine seals.

use serde_json::{Value, json};
use signaling_protocol::Slot;
use trust::session::{MessageKind, inspect};
use trust::symbols::SymbolExchange;
use trust::{Entropy, IdentityKey, Initiator, Padding, Responder, RoomKeys, Session, SessionError};

/// Slot of the machine on the bench.
pub const OWN_SLOT: Slot = Slot(1);

/// Somebody in a slot.
pub struct Friend {
    pub slot: Slot,
    pub identity: IdentityKey,
    pub keys: RoomKeys,
    entropy: Entropy,
    state: State,
    /// Newest last. The machine may go on with an older one when it did not like our greeting.
    sessions: Vec<Session>,
    /// Of the newest.
    pub symbols: Option<SymbolExchange>,
}

enum State {
    Idle,
    /// We began.
    Asked(Initiator, Vec<u8>),
    /// The machine began, with this.
    Heard(Vec<u8>),
    /// We answered.
    Answered(Responder),
}

/// What a blob of the machine's was.
pub enum Understood {
    /// The machine begins a handshake.
    First,
    /// It belongs to a handshake that is over.
    Late,
    /// What it said, as JSON, and what we send at once.
    Said(Vec<u8>, Option<Vec<u8>>),
}

impl Friend {
    pub fn new(slot: Slot, identity: IdentityKey, secret: &[u8; 16]) -> Self {
        let mut seed = [0xf0; 32];
        seed[..4].copy_from_slice(&slot.0.to_be_bytes());
        Self {
            slot,
            identity,
            keys: RoomKeys::from_secret(secret),
            entropy: Entropy::from_seed(seed),
            state: State::Idle,
            sessions: Vec::new(),
            symbols: None,
        }
    }

    pub fn is_sealed(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Begins a handshake that will end with this greeting.
    pub fn ask(&mut self, greeting: Vec<u8>) -> Vec<u8> {
        let terms = self.keys.terms(self.slot, OWN_SLOT);
        let (initiator, blob) = Initiator::start(&terms, &self.identity, &mut self.entropy);
        self.state = State::Asked(initiator, greeting);
        blob
    }

    /// Answers the handshake that the machine began, if it has.
    pub fn answer(&mut self, greeting: &[u8]) -> Option<Vec<u8>> {
        let State::Heard(first) = std::mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        let terms = self.keys.terms(OWN_SLOT, self.slot);
        let answered = Responder::answer(&terms, &self.identity, &mut self.entropy, &first, greeting);
        let (responder, blob) = answered.expect("the machine's first message is right");
        self.state = State::Answered(responder);
        Some(blob)
    }

    pub fn seal(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let session = self.sessions.last_mut()?;
        Some(session.seal(message, Padding::Small).expect("small enough"))
    }

    fn install(&mut self, session: Session) {
        self.symbols = Some(SymbolExchange::new(&session, &mut self.entropy));
        self.sessions.push(session);
    }

    /// What we seal at once when the machine has said this: that we are there, and what leads to symbols.
    pub fn react(&mut self, message: &Value) -> Option<Vec<u8>> {
        let exchange = self.symbols.as_mut()?;
        let answer = match message["type"].as_str()? {
            "check" => return self.seal(br#"{"v":1,"type":"checked"}"#),
            "greeting" | "admission" if message["entry"]["open"].is_object() => exchange.start()?,
            "symbols" => {
                let theirs = serde_json::from_value(message["message"].clone()).expect("of symbols");
                exchange.handle(theirs).expect("in turn")?
            }
            _ => return None,
        };
        let message = json!({"v": 1, "type": "symbols", "message": answer});
        self.seal(message.to_string().as_bytes())
    }

    /// Takes in what the machine sent us.
    pub fn understand(&mut self, blob: &[u8]) -> Understood {
        let (kind, _) = inspect(blob).expect("the machine sends messages of sessions");
        match (kind, std::mem::replace(&mut self.state, State::Idle)) {
            (MessageKind::First, _) => {
                self.state = State::Heard(blob.to_vec());
                Understood::First
            }
            (MessageKind::Second, State::Asked(initiator, greeting)) => {
                let answered = initiator.receive(blob).map_err(|(_, error)| error).expect("our answer");
                let said = answered.payload.clone();
                let (third, session) = answered.complete(&greeting).expect("a greeting fits");
                self.install(session);
                Understood::Said(said, Some(third))
            }
            (MessageKind::Third, State::Answered(responder)) => {
                let (said, session) = responder.complete(blob).map_err(|(_, error)| error).expect("the third");
                self.install(session);
                Understood::Said(said, None)
            }
            (MessageKind::Sealed, state) => {
                self.state = state;
                let mut opened = self.sessions.iter_mut().rev().map(|session| session.open(blob));
                let opened = opened.find(|opened| *opened != Err(SessionError::NotOurs));
                Understood::Said(opened.expect("of a session").expect("in order and whole"), None)
            }
            // We have begun anew meanwhile.
            (MessageKind::Second | MessageKind::Third, state) => {
                self.state = state;
                Understood::Late
            }
        }
    }
}
