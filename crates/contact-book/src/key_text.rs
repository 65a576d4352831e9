//! The identity key as one line of text, for the keyring and for a file alike: `visavis-key-1 PRIVATE PUBLIC`, both
//! halves in hexadecimal.
//!
//! Text, because KDE's wallet keeps nothing else. The public half is there to notice damage: any 32 bytes are a
//! private key, so a changed digit would otherwise be a new identity that nobody asked for.

use std::fmt::Write;

use trust::{IdentityKey, PublicKey};
use zeroize::{Zeroize, Zeroizing};

const TAG: &str = "visavis-key-1";
const KEY_BYTES: usize = 32;
/// Tag, two halves, two blanks.
pub(crate) const TEXT_BYTES: usize = TAG.len() + 2 * (1 + 2 * KEY_BYTES);

/// The line, without an end of line.
pub(crate) fn write(key: &IdentityKey) -> Zeroizing<String> {
    // Grown, it would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
    text.push_str(TAG);
    text.push(' ');
    for byte in key.to_bytes().iter() {
        write!(text, "{byte:02x}").expect("a string takes all that is written to it");
    }
    write!(text, " {}", key.public()).expect("a string takes all that is written to it");
    text
}

/// The key in such a line, if it is whole.
pub(crate) fn read(text: &str) -> Option<IdentityKey> {
    let mut words = text.split_ascii_whitespace();
    if words.next()? != TAG {
        return None;
    }
    let mut private = bytes(words.next()?)?;
    let public = PublicKey(bytes(words.next()?)?);
    let key = IdentityKey::from_bytes(private);
    private.zeroize();
    (words.next().is_none() && key.public() == public).then_some(key)
}

fn bytes(hex: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::Entropy;

    #[test]
    fn a_key_survives_as_text() {
        let key = IdentityKey::generate(&mut Entropy::from_seed([1; 32]));
        let text = write(&key);
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(text.capacity(), TEXT_BYTES);
        assert_eq!(read(&text).unwrap().to_bytes(), key.to_bytes());
        assert_eq!(read(&format!("{}\r\n", *text)).unwrap().public(), key.public());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = write(&IdentityKey::generate(&mut Entropy::from_seed([2; 32])));
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            // X25519 ignores five bits of a private key: the same key written differently is no damage.
            let same = read(&changed).is_some_and(|key| key.public() == read(&text).unwrap().public());
            assert!(read(&changed).is_none() || same, "character {at}");
        }
    }

    #[test]
    fn anything_else_is_no_key() {
        let text = write(&IdentityKey::generate(&mut Entropy::from_seed([3; 32])));
        for bad in [
            "",
            "visavis-key-1",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{} 0", *text),
            "é",
        ] {
            assert!(read(bad).is_none(), "{bad:?}");
        }
    }
}
