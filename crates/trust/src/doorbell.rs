//! Where two people who know each other's keys ring each other, and with what they start the handshake there.
//!
//! The keys of both and the day go in; a topic and a handshake's terms come out, equal for both. The server sees a
//! topic that nobody else can compute and that is another one tomorrow, so it cannot link the days.

use signaling_protocol::{RoomId, Slot};
use zeroize::Zeroizing;

use crate::hkdf::derive;
use crate::identity::{IdentityKey, PublicKey, WeakKey};
use crate::room;
use crate::session::{Psk, Terms};

const SALT: &[u8] = b"visavis/1";
const TOPIC_BYTES: usize = 16;
const PSK_BYTES: usize = 32;

/// A doorbell: the topic to listen or ring at, and the secret that a caller must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorbellKeys {
    /// Where to meet.
    pub topic: RoomId,
    psk: Psk,
}

impl DoorbellKeys {
    /// Of two contacts, for one day (days since 1970-01-01 UTC). Clocks differ, so listen on the days on both sides of
    /// midnight while it is near.
    ///
    /// # Errors
    /// When their key is a low-order point.
    pub fn between(own: &IdentityKey, other: &PublicKey, unix_day: u64) -> Result<Self, WeakKey> {
        let shared = own.agree(other)?;
        Ok(Self::split(derive(
            SALT,
            &*shared,
            &[b"doorbell", &unix_day.to_be_bytes()],
        )))
    }

    /// Of somebody nearby, who announces this on the local network: whoever reads the announcement may ring, as with
    /// the bell at a front door. What is said afterwards is as secret as ever, but only the symbols tell with whom.
    pub fn from_open_secret(secret: &[u8; 16]) -> Self {
        Self::split(derive(SALT, secret, &[b"nearby"]))
    }

    /// What caller and called agree on before they shake hands.
    pub fn terms(&self, initiator: Slot, responder: Slot) -> Terms {
        room::terms(&self.psk, self.topic, initiator, responder)
    }

    fn split(bytes: Zeroizing<[u8; TOPIC_BYTES + PSK_BYTES]>) -> Self {
        let (topic, psk) = bytes.split_at(TOPIC_BYTES);
        let mut keys = Self {
            topic: RoomId([0; TOPIC_BYTES]),
            psk: Psk(Zeroizing::new([0; PSK_BYTES])),
        };
        keys.topic.0.copy_from_slice(topic);
        keys.psk.0.copy_from_slice(psk);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    fn three() -> [IdentityKey; 3] {
        let mut entropy = Entropy::from_seed([1; 32]);
        std::array::from_fn(|_| IdentityKey::generate(&mut entropy))
    }

    #[test]
    fn both_find_the_same_door_and_a_third_does_not() {
        let [anna, boris, carol] = three();
        let of_anna = DoorbellKeys::between(&anna, &boris.public(), 20_000).unwrap();
        let of_boris = DoorbellKeys::between(&boris, &anna.public(), 20_000).unwrap();
        let of_carol = DoorbellKeys::between(&carol, &anna.public(), 20_000).unwrap();
        assert_eq!(of_anna, of_boris);
        assert_eq!(of_anna.terms(Slot(1), Slot(2)), of_boris.terms(Slot(1), Slot(2)));
        assert_ne!(of_anna.topic, of_carol.topic);
        assert_ne!(of_anna.psk, of_carol.psk);
    }

    #[test]
    fn every_day_has_another_topic_and_another_secret() {
        let [anna, boris, _] = three();
        let days = [19_999, 20_000, 20_001].map(|day| DoorbellKeys::between(&anna, &boris.public(), day).unwrap());
        for (i, one) in days.iter().enumerate() {
            for other in &days[i + 1..] {
                assert_ne!(one.topic, other.topic);
                assert_ne!(one.psk, other.psk);
            }
        }
    }

    #[test]
    fn the_secret_is_not_the_beginning_of_what_the_server_sees() {
        let keys = DoorbellKeys::from_open_secret(&[7; 16]);
        assert_ne!(keys.topic.0, keys.psk.0[..16]);
        assert_ne!(keys, DoorbellKeys::from_open_secret(&[8; 16]));
        assert_eq!(keys, DoorbellKeys::from_open_secret(&[7; 16]));
    }

    #[test]
    fn a_weak_key_has_no_doorbell() {
        let [anna, ..] = three();
        assert_eq!(DoorbellKeys::between(&anna, &PublicKey([0; 32]), 1), Err(WeakKey));
    }
}
