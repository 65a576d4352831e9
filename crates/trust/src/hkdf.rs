//! HKDF-SHA256 (RFC 5869) by ring: a secret and a purpose in, key bytes out.

use ring::hkdf::{self, HKDF_SHA256, KeyType};
use zeroize::Zeroizing;

/// Extracts a key from the secret and expands it for a purpose, given in parts that follow each other.
pub(crate) fn derive<const N: usize>(salt: &[u8], secret: &[u8], purpose: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let key = hkdf::Salt::new(HKDF_SHA256, salt).extract(secret);
    let mut bytes = Zeroizing::new([0; N]);
    key.expand(purpose, Length(N))
        .and_then(|output| output.fill(&mut *bytes))
        .expect("nothing here asks for the 8160 bytes that HKDF-SHA256 can give");
    bytes
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A.1.
    #[test]
    fn the_first_vector_of_the_rfc() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let okm = derive::<42>(&salt, &[0x0b; 22], &[&info]);
        let hex: String = okm.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }
}
