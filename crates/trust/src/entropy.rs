//! Random bytes.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// A cryptographic generator (ChaCha20), seeded once. The same seed gives the same bytes.
#[derive(Clone)]
pub struct Entropy(ChaCha20Rng);

/// The operating system gave no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The operating system gives no random numbers, so no key can be made: restart the computer and try again.")]
pub struct NoRandomness;

impl Entropy {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn from_system() -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).map_err(|_| NoRandomness)?;
        Ok(Self::from_seed(*seed))
    }

    /// From 32 bytes that must be as secret as what is made of them.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// The next bytes, as many as there is room for.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Another generator, whose bytes tell nothing of this one's.
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(…)")
    }
}
