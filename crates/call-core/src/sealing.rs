//! What stands between us and whoever lives in a slot: nothing yet, a handshake, or a session that seals.
//!
//! In: blobs that the server passed on. Out: blobs for it, and messages whose every field has been checked. Who is
//! asked when, and what becomes of the messages, is decided by the machine.

use signaling_protocol::limits::MAX_BLOB_BYTES;
use trust::session::HEADER_BYTES;
use trust::symbols::{SymbolError, SymbolExchange, SymbolMessage};
use trust::{
    Answered, Entropy, IdentityKey, Initiator, Padding, PublicKey, Responder, Session, SessionError, SessionId, Terms,
};

use crate::budget::{Allowance, Budget};
use crate::peer_message::{MessageError, PeerMessage};
use crate::time::Time;

/// First messages from one slot that are answered a minute: each costs two key agreements. An honest member sends
/// one, and repeats it every 3 s until it is answered.
const ANSWERS_A_MINUTE: u32 = 24;
/// Handshakes a minute that we begin because a session broke. After that the user is told, and it is tried seldom.
const RENEWALS_A_MINUTE: u32 = 3;
/// Longest message that still fits a blob when it is padded and sealed, bytes.
const MAX_SEALED_MESSAGE_BYTES: usize = 44 * 1024 - 2;
const _: () = assert!(MAX_SEALED_MESSAGE_BYTES + 2 + 16 + HEADER_BYTES <= MAX_BLOB_BYTES);

/// Between us and one slot.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    handshake: Handshake,
    session: Option<Sealed>,
    answers: Budget<ANSWERS_A_MINUTE>,
    renewals: Budget<RENEWALS_A_MINUTE>,
}

/// A handshake under way. Theirs may stand beside a session, which lives until the handshake is complete.
#[derive(Debug, Default)]
enum Handshake {
    #[default]
    Idle,
    /// We have sent the first message, this one.
    Asked(Box<Initiator>, Vec<u8>),
    /// We have answered one, with this, which said that.
    Answered(Box<Responder>, Vec<u8>, Said),
}

/// What we said in our greeting before we knew to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Come in.
    Open,
    /// Say first who you are.
    Wait,
}

/// A session, and the symbols that are found in it.
#[derive(Debug)]
struct Sealed {
    session: Session,
    symbols: SymbolExchange,
    /// Theirs that came before they were let in.
    early: Option<SymbolMessage>,
}

/// What a first message came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstMessage {
    /// Ours to send.
    Answer(Vec<u8>),
    /// It belongs to the session we have.
    Duplicate,
    /// Too many of them.
    UsedUp,
}

/// Whether something sealed came through.
#[derive(Debug)]
pub(crate) enum Opened {
    Message(PeerMessage),
    /// It opened, but is not a message.
    Malformed(MessageError),
    /// Of another session, or none. Nothing has changed.
    NotOurs,
    /// It should have opened and did not: the session is worth nothing any more. Or the third message of the
    /// handshake that we answered did not arrive, and what follows on it did.
    Broken,
}

impl Channel {
    /// Whether there is a session.
    pub(crate) fn is_sealed(&self) -> bool {
        self.session.is_some()
    }

    /// Whether we have begun a handshake that they have not answered.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.handshake, Handshake::Asked(..))
    }

    /// Forgets session and handshake. What has been used of the budgets stays used.
    pub(crate) fn close(&mut self) {
        self.session = None;
        self.handshake = Handshake::Idle;
    }

    /// Whether a broken session may be replaced at once.
    pub(crate) fn may_renew(&mut self, now: Time) -> Allowance {
        self.renewals.take(now)
    }

    /// Begins a handshake, or repeats its first message. A session there was is over.
    pub(crate) fn ask(&mut self, terms: &Terms, identity: &IdentityKey, entropy: &mut Entropy) -> Vec<u8> {
        self.session = None;
        if let Handshake::Asked(_, blob) = &self.handshake {
            return blob.clone();
        }
        let (initiator, blob) = Initiator::start(terms, identity, entropy);
        self.handshake = Handshake::Asked(Box::new(initiator), blob.clone());
        blob
    }

    /// Answers their first message with a greeting. One that comes twice gets the same answer.
    pub(crate) fn answer(
        &mut self,
        id: SessionId,
        said: Said,
        with: impl FnOnce() -> Result<(Responder, Vec<u8>), SessionError>,
        now: Time,
    ) -> Result<FirstMessage, SessionError> {
        if self.session.as_ref().is_some_and(|sealed| sealed.session.id() == id) {
            return Ok(FirstMessage::Duplicate);
        }
        if self.answers.take(now) == Allowance::UsedUp {
            return Ok(FirstMessage::UsedUp);
        }
        if let Handshake::Answered(responder, answer, _) = &self.handshake
            && responder.id() == id
        {
            return Ok(FirstMessage::Answer(answer.clone()));
        }
        let (responder, answer) = with()?;
        self.handshake = Handshake::Answered(Box::new(responder), answer.clone(), said);
        Ok(FirstMessage::Answer(answer))
    }

    /// Takes the answer to our first message. When it is not one, everything stays as it was.
    pub(crate) fn receive_second(&mut self, blob: &[u8]) -> Result<Answered, SessionError> {
        match std::mem::take(&mut self.handshake) {
            Handshake::Asked(initiator, first) => initiator.receive(blob).map_err(|(initiator, error)| {
                self.handshake = Handshake::Asked(Box::new(initiator), first);
                error
            }),
            other => {
                self.handshake = other;
                Err(SessionError::NotOurs)
            }
        }
    }

    /// Takes the last message of the handshake that we answered. When it is not one, everything stays as it was.
    pub(crate) fn receive_third(&mut self, blob: &[u8]) -> Result<(Vec<u8>, Session, Said), SessionError> {
        match std::mem::take(&mut self.handshake) {
            Handshake::Answered(responder, answer, said) => match responder.complete(blob) {
                Ok((payload, session)) => Ok((payload, session, said)),
                Err((responder, error)) => {
                    self.handshake = Handshake::Answered(Box::new(responder), answer, said);
                    Err(error)
                }
            },
            other => {
                self.handshake = other;
                Err(SessionError::NotOurs)
            }
        }
    }

    /// From now on everything goes through this session.
    pub(crate) fn install(&mut self, session: Session, entropy: &mut Entropy) {
        let symbols = SymbolExchange::new(&session, entropy);
        self.handshake = Handshake::Idle;
        let early = None;
        self.session = Some(Sealed {
            session,
            symbols,
            early,
        });
    }

    /// Who they proved to be.
    pub(crate) fn remote(&self) -> Option<PublicKey> {
        self.session.as_ref().map(|sealed| sealed.session.remote())
    }

    /// Seals a message; nothing without a session.
    pub(crate) fn seal(&mut self, message: &PeerMessage) -> Result<Option<Vec<u8>>, MessageError> {
        let Some(sealed) = &mut self.session else {
            return Ok(None);
        };
        let payload = message.to_json()?;
        // Checked before, because a message that is sealed and not sent ends the session.
        if payload.len() > MAX_SEALED_MESSAGE_BYTES {
            return Err(MessageError::TooLarge(payload.len()));
        }
        let padding = padding_of(message);
        let blob = sealed.session.seal(&payload, padding);
        blob.map(Some).map_err(|_| MessageError::TooLarge(payload.len()))
    }

    /// Opens what came sealed.
    pub(crate) fn open(&mut self, blob: &[u8]) -> Opened {
        let outcome = match &mut self.session {
            Some(sealed) => sealed.session.open(blob),
            None => Err(SessionError::NotOurs),
        };
        match outcome {
            Ok(payload) => match PeerMessage::from_json(&payload) {
                Ok(message) => Opened::Message(message),
                Err(error) => Opened::Malformed(error),
            },
            Err(SessionError::Forged) => Opened::Broken,
            Err(SessionError::NotOurs) if self.is_ahead(blob) => Opened::Broken,
            Err(SessionError::NotOurs | SessionError::Malformed | SessionError::TooLarge(_)) => Opened::NotOurs,
        }
    }

    /// Whether this belongs to the session that the handshake we answered would have led to.
    fn is_ahead(&self, blob: &[u8]) -> bool {
        let Handshake::Answered(responder, ..) = &self.handshake else {
            return false;
        };
        trust::session::inspect(blob).is_ok_and(|(_, id)| id == responder.id())
    }

    /// Whether the symbols of this session are known on this side.
    pub(crate) fn has_symbols(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|sealed| sealed.symbols.symbols().is_some())
    }

    /// Our first message towards symbols, when it is for us to begin.
    pub(crate) fn start_symbols(&mut self) -> Option<SymbolMessage> {
        self.session.as_mut()?.symbols.start()
    }

    /// Keeps their first message towards symbols until they are let in.
    pub(crate) fn keep_symbols(&mut self, message: SymbolMessage) {
        if let Some(sealed) = &mut self.session {
            sealed.early.get_or_insert(message);
        }
    }

    /// Gives back what was kept.
    pub(crate) fn take_symbols(&mut self) -> Option<SymbolMessage> {
        self.session.as_mut()?.early.take()
    }

    /// Takes their message towards symbols; gives ours, and the symbols when they are found.
    pub(crate) fn on_symbols(
        &mut self,
        message: SymbolMessage,
    ) -> Result<(Option<SymbolMessage>, Option<[u8; 4]>), SymbolError> {
        let Some(sealed) = &mut self.session else {
            return Ok((None, None));
        };
        let answer = sealed.symbols.handle(message)?;
        Ok((answer, sealed.symbols.symbols()))
    }
}

fn padding_of(message: &PeerMessage) -> Padding {
    match message {
        PeerMessage::Description { .. } => Padding::Description,
        PeerMessage::Greeting { .. }
        | PeerMessage::Admission { .. }
        | PeerMessage::Check
        | PeerMessage::Checked
        | PeerMessage::Hello { .. }
        | PeerMessage::Candidate { .. }
        | PeerMessage::Media { .. }
        | PeerMessage::Bye
        | PeerMessage::Timings(_)
        | PeerMessage::Symbols { .. }
        | PeerMessage::Room { .. }
        | PeerMessage::Moved { .. } => Padding::Small,
    }
}
