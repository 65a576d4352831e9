//! The rules of the room: who may come in, as far as we know.

use std::collections::VecDeque;

use trust::PublicKey;

use crate::hex::Hex;
use crate::input::PeerKey;
use crate::peer::Decision;
use crate::peer_message::{MAX_KEYS_TOLD, PeerMessage};
use crate::standing::{Door, RoomRole, RoomState};
use crate::time::Time;

/// Keys kept of each kind; the oldest is forgotten first. A room has eight places.
const KEYS_KEPT: usize = MAX_KEYS_TOLD;

/// The rules of the room, as its host has set them or as the host told us.
#[derive(Debug)]
pub(super) struct Rules {
    role: RoomRole,
    host_tag: [u8; 16],
    /// As host: counts changes of what we tell.
    revision: u32,
    /// From whom we heard last, and which of theirs.
    heard: Option<(PeerKey, u32)>,
    door: Door,
    /// The host alone knows when.
    expires_at: Option<Time>,
    has_expired: bool,
    /// May come in, and come back, whatever the door: let in by the host, or there before the door was closed.
    admitted: Keys,
    /// Sent away by the host.
    refused: Keys,
    /// Sent away by us alone.
    shunned: Keys,
    /// Whose changed key the user has accepted.
    accepted: Keys,
}

/// Whether something is different now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Changed,
    Same,
}

/// A few keys.
#[derive(Debug, Default)]
struct Keys(VecDeque<PublicKey>);

impl Keys {
    fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    fn insert(&mut self, key: PublicKey) {
        if self.contains(&key) {
            return;
        }
        if self.0.len() >= KEYS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(key);
    }

    fn remove(&mut self, key: &PublicKey) {
        self.0.retain(|known| known != key);
    }

    fn told(&self) -> Vec<Hex<32>> {
        self.0.iter().map(|key| Hex(key.0)).collect()
    }
}

impl Rules {
    pub(super) fn new(own: &PublicKey, host_tag: [u8; 16], door: Door, expires_at: Option<Time>) -> Self {
        let role = role_of(own, &host_tag);
        // The host's wishes count for nothing in the room of another.
        let (door, expires_at) = match role {
            RoomRole::Host => (door, expires_at),
            RoomRole::Guest => (Door::Open, None),
        };
        Self {
            role,
            host_tag,
            revision: 0,
            heard: None,
            door,
            expires_at,
            has_expired: false,
            admitted: Keys::default(),
            refused: Keys::default(),
            shunned: Keys::default(),
            accepted: Keys::default(),
        }
    }

    /// What we are in the room.
    pub(super) fn role(&self) -> RoomRole {
        self.role
    }

    /// What somebody else is.
    pub(super) fn role_of(&self, key: &PublicKey) -> RoomRole {
        role_of(key, &self.host_tag)
    }

    pub(super) fn expires_at(&self) -> Option<Time> {
        self.expires_at.filter(|_| !self.has_expired)
    }

    pub(super) fn state(&self) -> RoomState {
        RoomState {
            role: self.role,
            door: self.door,
            expires_at: self.expires_at,
        }
    }

    /// Whether anybody with the link comes in, whoever it is.
    pub(super) fn is_open_to_all(&self) -> bool {
        let has_refused = !self.refused.0.is_empty() || !self.shunned.0.is_empty();
        self.door == Door::Open && !self.has_expired && !has_refused
    }

    pub(super) fn decide(&self, key: &PublicKey) -> Decision {
        if self.refused.contains(key) || self.shunned.contains(key) {
            return Decision::Refused;
        }
        if role_of(key, &self.host_tag) == RoomRole::Host || self.admitted.contains(key) {
            return Decision::Open;
        }
        match self.door {
            Door::Locked => Decision::Locked,
            Door::Open | Door::Knock if self.has_expired => Decision::Expired,
            Door::Open => Decision::Open,
            Door::Knock => Decision::Knock,
        }
    }

    /// Somebody is in, and may come back.
    pub(super) fn admit(&mut self, key: PublicKey) {
        self.admitted.insert(key);
    }

    /// The user goes on with somebody whose key has changed.
    pub(super) fn accept(&mut self, key: PublicKey) {
        self.accepted.insert(key);
    }

    pub(super) fn is_accepted(&self, key: &PublicKey) -> bool {
        self.accepted.contains(key)
    }

    /// The user does not want somebody: for all, when we are the host.
    pub(super) fn refuse(&mut self, key: PublicKey) {
        match self.role {
            RoomRole::Host => {
                self.admitted.remove(&key);
                self.refused.insert(key);
            }
            RoomRole::Guest => self.shunned.insert(key),
        }
    }

    /// As host. Whether it is another door.
    pub(super) fn set_door(&mut self, door: Door) -> Change {
        match self.role {
            RoomRole::Host if self.door != door => {
                self.door = door;
                Change::Changed
            }
            RoomRole::Host | RoomRole::Guest => Change::Same,
        }
    }

    /// As host.
    pub(super) fn set_expiry(&mut self, at: Option<Time>, now: Time) -> Change {
        match self.role {
            RoomRole::Host => {
                self.expires_at = at;
                self.has_expired = at.is_some_and(|at| at <= now);
                Change::Changed
            }
            RoomRole::Guest => Change::Same,
        }
    }

    pub(super) fn expire(&mut self) {
        self.has_expired = true;
    }

    /// Takes over what a host says, unless it is older than what they said before; `own` is our key.
    pub(super) fn take_over(&mut self, from: PeerKey, told: ToldRules, own: &PublicKey) -> Change {
        let is_old = |(whose, revision): (PeerKey, u32)| whose == from && revision > told.revision;
        if self.heard.is_some_and(is_old) {
            return Change::Same;
        }
        self.heard = Some((from, told.revision));
        self.door = told.door;
        self.has_expired = told.has_expired;
        for key in told.admitted.iter().map(|key| PublicKey(key.0)) {
            self.refused.remove(&key);
            self.admitted.insert(key);
        }
        for key in told.refused.iter().map(|key| PublicKey(key.0)).filter(|key| key != own) {
            self.admitted.remove(&key);
            self.refused.insert(key);
        }
        Change::Changed
    }

    /// As host, what a newcomer has to know: nothing, where everybody may come.
    pub(super) fn told(&self) -> Option<PeerMessage> {
        let is_worth_it = self.role == RoomRole::Host && !self.is_open_to_all();
        is_worth_it.then(|| self.message())
    }

    /// As host, what has changed, for everybody.
    pub(super) fn changed(&mut self) -> Option<PeerMessage> {
        match self.role {
            RoomRole::Host => {
                self.revision = self.revision.saturating_add(1);
                Some(self.message())
            }
            RoomRole::Guest => None,
        }
    }

    fn message(&self) -> PeerMessage {
        PeerMessage::Room {
            revision: self.revision,
            door: self.door,
            has_expired: self.has_expired,
            admitted: self.admitted.told(),
            refused: self.refused.told(),
        }
    }
}

/// What the invite says of a key.
fn role_of(key: &PublicKey, host_tag: &[u8; 16]) -> RoomRole {
    match key.host_tag() == *host_tag {
        true => RoomRole::Host,
        false => RoomRole::Guest,
    }
}

/// [`PeerMessage::Room`].
#[derive(Debug)]
pub(super) struct ToldRules {
    pub revision: u32,
    pub door: Door,
    pub has_expired: bool,
    pub admitted: Vec<Hex<32>>,
    pub refused: Vec<Hex<32>>,
}
