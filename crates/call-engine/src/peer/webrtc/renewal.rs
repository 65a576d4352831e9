//! Keeps an allocation at a relay alive when the server changes its nonce (RFC 8489, section 9.2.5).
//!
//! The stack takes the new nonce from such a refusal, but says the refused request again only at its next round: with
//! nonces that live as long as that, permissions run out, and a channel that is bound anew under another number is
//! refused for good. Here the refusal does not reach the stack. Its own repetition of the request, which follows
//! within a second and a half, leaves with the new nonce and a new signature. Runs inside the connection's socket.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rtc::stun::attributes::{ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{Message, Setter};
use webrtc::peer_connection::crypto;

use super::stun;

/// Ways to servers whose nonces are kept: all servers on all interfaces. When full, all are forgotten, and a refusal
/// fills it again.
const WAYS: usize = 128;
/// RFC 8489, section 14.10.
const MAX_NONCE: usize = 763;
const STALE_NONCE: u16 = 438;

/// From a socket of ours to a server.
type Way = (SocketAddr, SocketAddr);

/// See the module.
pub(super) struct Renewal {
    nonces: HashMap<Way, Vec<u8>>,
    provider: Option<Arc<dyn crypto::RTCCryptoProvider>>,
}

impl Default for Renewal {
    fn default() -> Self {
        Self {
            nonces: HashMap::new(),
            // Without one the connection could not be made.
            provider: crypto::default_provider().ok(),
        }
    }
}

impl Renewal {
    /// A server refused a request. True when the stack need not know.
    pub(super) fn refused(&mut self, way: Way, answer: &[u8]) -> bool {
        let code = stun::error_code(answer);
        if code == Some(401) {
            // A new beginning: the stack learns this nonce itself.
            self.nonces.remove(&way);
            return false;
        }
        let nonce = stun::attribute(answer, stun::NONCE).filter(|nonce| nonce.len() <= MAX_NONCE);
        let (Some(STALE_NONCE), Some(nonce), Some(_)) = (code, nonce, &self.provider) else {
            return false;
        };
        if self.nonces.len() >= WAYS && !self.nonces.contains_key(&way) {
            self.nonces.clear();
        }
        self.nonces.insert(way, nonce.to_vec());
        true
    }

    /// A request as it has to leave, if not as it is. `passwords` of a user.
    pub(super) fn renewed(
        &self,
        way: Way,
        request: &[u8],
        passwords: impl FnOnce(&str) -> Vec<String>,
    ) -> Option<Vec<u8>> {
        if self.nonces.is_empty() {
            return None;
        }
        let nonce = self.nonces.get(&way)?;
        if stun::attribute(request, stun::NONCE).is_none_or(|old| old == &nonce[..]) {
            return None;
        }
        let crypto = self.provider.as_ref()?.crypto();
        let mut old = Message::new();
        old.raw = request.to_vec();
        old.decode().ok()?;
        let text = |typ| String::from_utf8(old.get(typ).ok()?).ok();
        let (username, realm) = (text(ATTR_USERNAME)?, text(ATTR_REALM)?);
        let key = passwords(&username).into_iter().find_map(|password| {
            let (username, realm) = (username.clone(), realm.clone());
            let key = MessageIntegrity::long_term_integrity_key(username, realm, password, crypto).ok()?;
            MessageIntegrity::check(&mut old, &key, crypto).ok().map(|()| key)
        })?;
        let mut new = Message::new();
        new.transaction_id = old.transaction_id;
        new.typ = old.typ;
        new.write_header();
        for attribute in &old.attributes.0 {
            match attribute.typ {
                ATTR_NONCE => new.add(ATTR_NONCE, nonce),
                // Both cover what comes before them.
                ATTR_MESSAGE_INTEGRITY | ATTR_FINGERPRINT => {}
                other => new.add(other, &attribute.value),
            }
        }
        let signature = MessageIntegrity::new_raw_integrity_with_provider(key, crypto);
        signature.add_to(&mut new).ok()?;
        FINGERPRINT.add_to(&mut new).ok()?;
        Some(new.raw)
    }
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{CLASS_REQUEST, METHOD_REFRESH, MessageType, TransactionId};
    use rtc::stun::textattrs::TextAttribute;

    use super::super::stun::tests::message;
    use super::*;

    fn way(port: u16) -> Way {
        (
            "192.0.2.1:5000".parse().unwrap(),
            SocketAddr::from(([192, 0, 2, 2], port)),
        )
    }

    fn key(password: &str) -> Vec<u8> {
        let provider = crypto::default_provider().unwrap();
        let (user, realm) = ("anna".to_owned(), "realm".to_owned());
        MessageIntegrity::long_term_integrity_key(user, realm, password.to_owned(), provider.crypto()).unwrap()
    }

    fn request(nonce: &str) -> Vec<u8> {
        let provider = crypto::default_provider().unwrap();
        let mut message = Message::new();
        let text = |typ, text: &str| Box::new(TextAttribute::new(typ, text.to_owned()));
        message
            .build(&[
                Box::new(TransactionId([9; 12])),
                Box::new(MessageType::new(METHOD_REFRESH, CLASS_REQUEST)),
                text(ATTR_USERNAME, "anna"),
                text(ATTR_REALM, "realm"),
                text(ATTR_NONCE, nonce),
                Box::new(MessageIntegrity::new_raw_integrity_with_provider(
                    key("right"),
                    provider.crypto(),
                )),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        message.raw
    }

    fn error(code: [u8; 2], nonce: &[u8; 4]) -> Vec<u8> {
        let attributes = [&[0, 9, 0, 4, 0, 0][..], &code, &[0, 0x15, 0, 4], nonce].concat();
        message([1, 0x14], 9, &attributes)
    }

    fn passwords(user: &str) -> Vec<String> {
        assert_eq!(user, "anna");
        vec!["wrong".to_owned(), "right".to_owned()]
    }

    #[test]
    fn after_a_stale_nonce_requests_leave_with_the_new_one_and_signed() {
        let mut renewal = Renewal::default();
        let request = request("old");
        assert_eq!(renewal.renewed(way(1), &request, passwords), None);
        assert!(renewal.refused(way(1), &error([4, 38], b"new!")));
        let renewed = renewal.renewed(way(1), &request, passwords).unwrap();
        let mut message = Message::new();
        message.raw = renewed.clone();
        message.decode().unwrap();
        assert_eq!(message.get(ATTR_NONCE).unwrap(), b"new!");
        assert_eq!(message.transaction_id, TransactionId([9; 12]));
        FINGERPRINT.check(&message).unwrap();
        let provider = crypto::default_provider().unwrap();
        MessageIntegrity::check(&mut message, &key("right"), provider.crypto()).unwrap();
        // Not twice, not to another server, and not with a password that did not sign the original.
        assert_eq!(renewal.renewed(way(1), &renewed, passwords), None);
        assert_eq!(renewal.renewed(way(2), &request, passwords), None);
        assert_eq!(renewal.renewed(way(1), &request, |_| vec!["wrong".to_owned()]), None);
    }

    #[test]
    fn other_refusals_reach_the_stack_and_a_new_beginning_forgets() {
        let mut renewal = Renewal::default();
        assert!(!renewal.refused(way(1), &error([4, 3], b"new!")));
        assert!(!renewal.refused(way(1), &message([1, 0x14], 9, &[0, 9, 0, 4, 0, 0, 4, 38])));
        assert!(renewal.refused(way(1), &error([4, 38], b"new!")));
        assert!(!renewal.refused(way(1), &error([4, 1], b"best")));
        assert_eq!(renewal.renewed(way(1), &request("old"), passwords), None);
    }

    #[test]
    fn nonces_are_bounded() {
        let mut renewal = Renewal::default();
        for port in 1..1_000 {
            assert!(renewal.refused(way(port), &error([4, 38], b"new!")));
        }
        assert!(renewal.nonces.len() <= WAYS);
    }
}
