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
