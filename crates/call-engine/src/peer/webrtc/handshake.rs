//! Whether the one who answers is the one whose description we got: certificates, and how long their handshake may take.
//!
//! A description promises a certificate by its fingerprint. The stack below compares it inside the DTLS handshake and,
//! when it differs, falls silent without a word; so its alerts are read off the wire, a handshake that does not end is
//! ended, and the certificate in use is compared once more before anything is told of the connection. Pure: time is an
//! argument.

use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

/// How long a handshake may take on a path without delay. A lost flight is sent again after one second, so that three
/// can be lost.
const HANDSHAKE_BASE: Duration = Duration::from_secs(4);
/// Round trips added to it: three for the handshake's flights, one because the ends do not find the path at the same
/// moment, two for repeats.
const HANDSHAKE_ROUND_TRIPS: u32 = 6;
/// The peer must not keep us waiting by answering slowly.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(9);

const SHA256_BYTES: usize = 32;

/// DTLS record header (RFC 6347, section 4.1): type, version, epoch, sequence number, length.
const RECORD_HEADER_BYTES: usize = 13;
const ALERT_RECORD: u8 = 21;
const FATAL: u8 = 2;
/// What is said to a certificate that does not have the promised fingerprint (RFC 5246, section 7.2).
const BAD_CERTIFICATE: u8 = 42;

/// SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; SHA256_BYTES]);

impl Fingerprint {
    /// Reads the form of RFC 8122, section 5: 32 bytes in hexadecimal, with colons between them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; SHA256_BYTES];
        let mut words = text.split(':');
        for byte in &mut bytes {
            let word = words.next()?;
            // The parser would take "+a" too.
            if word.len() != 2 || !word.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(word, 16).ok()?;
        }
        words.next().is_none().then_some(Self(bytes))
    }

    /// Of a certificate in DER form.
    pub(super) fn of_certificate(der: &[u8]) -> Self {
        let mut bytes = [0; SHA256_BYTES];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }
}

/// Who ended the handshake because of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("what answers is not who was announced: it has another certificate")]
    Ours,
    #[error("the other side was told of another certificate than ours")]
    Theirs,
}

/// Whether a datagram carries the alert that ends a handshake because of the certificate. Only unencrypted records
/// count: later ones have another epoch, and nothing in them can be read.
pub(super) fn refuses_certificate(datagram: &[u8]) -> bool {
    // Media by far most of the time (RFC 7983, section 7).
    if !datagram.first().is_some_and(|first| (20..=63).contains(first)) {
        return false;
    }
    let mut rest = datagram;
    while let Some((header, body)) = rest.split_at_checked(RECORD_HEADER_BYTES) {
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let Some((content, next)) = body.split_at_checked(length) else {
            return false;
        };
        let plain_alert = header[0] == ALERT_RECORD && header[1] == 0xfe && header[3..5] == [0, 0];
        if plain_alert && content == [FATAL, BAD_CERTIFICATE] {
            return true;
        }
        rest = next;
    }
    false
}

/// Measures the time from the path to the end of the handshake.
#[derive(Debug, Default)]
pub(super) struct HandshakeClock {
    path_since: Option<Instant>,
}

impl HandshakeClock {
    /// Datagrams go both ways.
    pub(super) fn path_found(&mut self, now: Instant) {
        self.path_since.get_or_insert(now);
    }

    /// They do not any more, or the handshake is over.
    pub(super) fn stop(&mut self) {
        self.path_since = None;
    }

    /// The limit, once it has passed.
    pub(super) fn overdue(&self, now: Instant, rtt: Option<Duration>) -> Option<Duration> {
        let round_trips = rtt.unwrap_or_default().saturating_mul(HANDSHAKE_ROUND_TRIPS);
        let limit = HANDSHAKE_BASE.saturating_add(round_trips).min(LONGEST_HANDSHAKE);
        (now.saturating_duration_since(self.path_since?) >= limit).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// SHA-256 of nothing (FIPS 180-4).
    const OF_NOTHING: &str =
        "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";

    #[test]
    fn a_fingerprint_is_read_in_either_case_and_equals_the_certificates() {
        let expected = Some(Fingerprint::of_certificate(&[]));
        assert_eq!(Fingerprint::parse(OF_NOTHING), expected);
        assert_eq!(Fingerprint::parse(&OF_NOTHING.to_lowercase()), expected);
        assert_ne!(Some(Fingerprint::of_certificate(&[0])), expected);
    }

    #[test]
    fn a_malformed_fingerprint_is_none() {
        for text in [
            String::new(),
            OF_NOTHING[3..].to_owned(),
            format!("{OF_NOTHING}:00"),
            format!("{OF_NOTHING}:"),
            OF_NOTHING.replace("E3:", "+3:"),
            OF_NOTHING.replace("E3:", "G3:"),
            OF_NOTHING.replace("E3:", " E3:"),
            OF_NOTHING.replace(':', ""),
            OF_NOTHING.replace("E3:B0", "E:3B0"),
        ] {
            assert_eq!(Fingerprint::parse(&text), None, "{text}");
        }
    }

    fn record(kind: u8, epoch: u8, content: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 3, 0, content.len() as u8];
        record.extend_from_slice(content);
        record
    }

    #[test]
    fn the_alert_is_found_behind_other_records_and_only_unencrypted() {
        let alert = record(ALERT_RECORD, 0, &[FATAL, BAD_CERTIFICATE]);
        assert!(refuses_certificate(&alert));
        assert!(refuses_certificate(
            &[record(22, 0, &[1, 2, 3]), alert.clone()].concat()
        ));
        for other in [
            record(ALERT_RECORD, 1, &[FATAL, BAD_CERTIFICATE]),
            record(ALERT_RECORD, 0, &[1, 0]),
            record(22, 0, &[FATAL, BAD_CERTIFICATE]),
            alert[..alert.len() - 1].to_vec(),
            Vec::new(),
        ] {
            assert!(!refuses_certificate(&other));
        }
    }

    #[test]
    fn a_slow_path_has_more_time_but_not_for_ever() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut clock = HandshakeClock::default();
        assert_eq!(clock.overdue(at(60_000), None), None);
        clock.path_found(start);
        clock.path_found(at(2_000));
        assert_eq!(clock.overdue(at(3_999), None), None);
        assert_eq!(clock.overdue(at(4_000), None), Some(HANDSHAKE_BASE));
        let slow = Some(Duration::from_millis(600));
        assert_eq!(clock.overdue(at(7_599), slow), None);
        assert!(clock.overdue(at(7_600), slow).is_some());
        assert_eq!(clock.overdue(at(9_000), Some(Duration::MAX)), Some(LONGEST_HANDSHAKE));
        clock.stop();
        assert_eq!(clock.overdue(at(60_000), None), None);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_search_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let found = refuses_certificate(&datagram);
            prop_assert!(!found || datagram.windows(2).any(|pair| pair == [FATAL, BAD_CERTIFICATE]));
        }
    }
}
