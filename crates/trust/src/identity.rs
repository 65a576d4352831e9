//! A device's identity: one X25519 key pair for life. The public key is the identity.

use std::fmt;

use zeroize::Zeroizing;

use crate::diffie_hellman::x25519;
use crate::entropy::Entropy;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Somebody's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl PublicKey {
    /// What an invite carries of its host's key.
    pub fn host_tag(&self) -> [u8; 16] {
        signaling_protocol::invite::host_tag(&self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// The private half. Never sent, shown or logged.
#[derive(Clone)]
pub struct IdentityKey {
    private: Zeroizing<[u8; KEY_BYTES]>,
    public: PublicKey,
}

/// A public key that gives the same secret with everybody's: nobody has it by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is one of the few that protect nothing")]
pub struct WeakKey;

impl IdentityKey {
    /// A new one.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_bytes(entropy.bytes())
    }

    /// From [`Self::to_bytes`].
    pub fn from_bytes(private: [u8; KEY_BYTES]) -> Self {
        let mut dh = x25519().expect("X25519 is compiled in");
        dh.set(&private);
        let mut public = PublicKey([0; KEY_BYTES]);
        public.0.copy_from_slice(dh.pubkey());
        Self {
            private: Zeroizing::new(private),
            public,
        }
    }

    /// For keeping it: nothing else.
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        self.private.clone()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// What the two of us share and nobody else can compute (X25519, RFC 7748).
    ///
    /// # Errors
    /// When the key is a low-order point.
    pub fn agree(&self, other: &PublicKey) -> Result<Zeroizing<[u8; KEY_BYTES]>, WeakKey> {
        let mut dh = x25519().expect("X25519 is compiled in");
        dh.set(&*self.private);
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        dh.dh(&other.0, &mut *secret).map_err(|_| WeakKey)?;
        Ok(secret)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; KEY_BYTES] {
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn both_find_the_secret_of_the_rfc() {
        let [alice, bob] = [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ]
        .map(|private| IdentityKey::from_bytes(bytes(private)));
        assert_eq!(
            alice.public().to_string(),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
        assert_eq!(
            bob.public().to_string(),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        );
        let secret = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(*alice.agree(&bob.public()).unwrap(), secret);
        assert_eq!(*bob.agree(&alice.public()).unwrap(), secret);
    }
}
