//! X25519 as snow has it, with the check that the Noise specification leaves to the application: a result of all
//! zeros, which is what every low-order public key gives, is refused (RFC 7748, section 6.1).

use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use crate::entropy::Entropy;

/// What a session is made of: everything from snow, but our randomness and strict X25519.
pub(crate) struct Resolver(pub Entropy);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(self.0.clone())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(StrictDh(DefaultResolver.resolve_dh(choice)?)))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// X25519 that refuses weak keys.
pub(crate) fn x25519() -> Option<Box<dyn Dh>> {
    let dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519)?;
    Some(Box::new(StrictDh(dh)))
}

struct SeededRandom(Entropy);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest);
        Ok(())
    }
}

struct StrictDh(Box<dyn Dh>);

impl Dh for StrictDh {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn pub_len(&self) -> usize {
        self.0.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.0.priv_len()
    }

    fn set(&mut self, privkey: &[u8]) {
        self.0.set(privkey);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        self.0.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        self.0.pubkey()
    }

    fn privkey(&self) -> &[u8] {
        self.0.privkey()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.0.dh(pubkey, out)?;
        // No early exit: how many bytes are zero is nobody's business.
        let any = out[..self.dh_len()].iter().fold(0, |any, byte| any | byte);
        if std::hint::black_box(any) == 0 {
            Err(Error::Dh)
        } else {
            Ok(())
        }
    }
}
