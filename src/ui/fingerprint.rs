//! A public key as people read it: groups of four hexadecimal digits.

use call_engine::PublicKey;

/// Bytes of the short form: enough to tell one's own devices apart, not to trust somebody.
const SHORT_BYTES: usize = 8;

/// All of it, in groups.
#[must_use]
pub fn full(key: &PublicKey) -> String {
    groups(&key.0)
}

/// The beginning, in groups.
#[must_use]
pub fn short(key: &PublicKey) -> String {
    groups(&key.0[..SHORT_BYTES])
}

fn groups(bytes: &[u8]) -> String {
    let group = |pair: &[u8]| pair.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    bytes.chunks(2).map(group).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_groups() {
        let key = PublicKey(std::array::from_fn(|index| index as u8 * 8));
        assert_eq!(short(&key), "0008 1018 2028 3038");
        assert!(full(&key).starts_with("0008 1018 2028 3038 4048"));
        assert_eq!(full(&key).len(), 79);
    }
}
