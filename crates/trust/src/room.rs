//! What follows from an invite's secret.

use signaling_protocol::{RoomId, Slot, invite};
use zeroize::Zeroizing;

use crate::session::{Psk, Terms};

/// The room of an invite, and what its members start their handshakes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKeys {
    /// Where to meet.
    pub room: RoomId,
    psk: Psk,
}

impl RoomKeys {
    /// From the secret in the invite.
    pub fn from_secret(secret: &[u8; 16]) -> Self {
        Self {
            room: invite::room_id(secret),
            psk: Psk(Zeroizing::new(invite::noise_psk(secret))),
        }
    }

    /// What two members of the room agree on before they shake hands.
    pub fn terms(&self, initiator: Slot, responder: Slot) -> Terms {
        terms(&self.psk, self.room, initiator, responder)
    }
}

/// The prologue names the place and the two, so that a message spliced in from elsewhere does not open.
pub(crate) fn terms(psk: &Psk, room: RoomId, initiator: Slot, responder: Slot) -> Terms {
    let mut prologue = b"visavis/1".to_vec();
    prologue.extend_from_slice(&room.0);
    prologue.extend_from_slice(&initiator.0.to_be_bytes());
    prologue.extend_from_slice(&responder.0.to_be_bytes());
    Terms {
        psk: psk.clone(),
        prologue,
    }
}
