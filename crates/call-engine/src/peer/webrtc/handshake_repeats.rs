//! Keeps repeats of DTLS handshake messages from the stack below, which stops its own repeating when it gets one.
//!
//! The stack forgets its timer with every handshake record that comes while it waits. So when one flight is lost and the
//! other end repeats the one before it, nobody repeats the lost flight any more, and the handshake hangs for good.
//! Measured at 600 ms round trip with one lost datagram of the last flight. Repeats say nothing new, and without them
//! both timers go on. Pure; sees the datagrams of one connection.

use std::collections::HashSet;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// Records of one handshake; ours have six a side. When full, everything passes.
const SEEN_LIMIT: usize = 64;
/// DTLS record header (RFC 6347, section 4.1): type, version, epoch, sequence number, length.
const RECORD_HEADER_BYTES: usize = 13;
const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The handshake records that came, without their headers: those are new at each repeat.
#[derive(Debug, Default)]
pub(super) struct HandshakeRepeats {
    seen: HashSet<[u8; SHA256_OUTPUT_LEN]>,
    past_first_hello: bool,
}

impl HandshakeRepeats {
    /// Whether a datagram says nothing new. Its records are remembered.
    pub(super) fn is_repeat(&mut self, datagram: &[u8]) -> bool {
        // Media by far most of the time.
        if datagram.first() != Some(&HANDSHAKE_RECORD) {
            return false;
        }
        let mut repeat = true;
        let mut rest = datagram;
        while !rest.is_empty() {
            let Some((content, next)) = plain_handshake(rest) else {
                // Encrypted, of another kind, or broken: not ours to judge. A repeat of the very last flight has such
                // a record, and the stack has to answer it.
                return false;
            };
            repeat &= self.is_known(content);
            rest = next;
        }
        repeat
    }

    fn is_known(&mut self, content: &[u8]) -> bool {
        // The answer to the first hello is not repeated by a timer (RFC 6347, section 4.2.1), only by another hello.
        let first_hello = content.first() == Some(&CLIENT_HELLO) && content.get(4..6) == Some(&[0, 0]);
        if first_hello && !self.past_first_hello {
            return false;
        }
        self.past_first_hello |= !first_hello;
        let mut id = [0; SHA256_OUTPUT_LEN];
        id.copy_from_slice(digest(&SHA256, content).as_ref());
        if self.seen.contains(&id) {
            return true;
        }
        if self.seen.len() < SEEN_LIMIT {
            self.seen.insert(id);
        }
        false
    }
}

/// The content of a first record, if it is an unencrypted handshake record, and what follows it.
fn plain_handshake(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, body) = records.split_at_checked(RECORD_HEADER_BYTES)?;
    let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
    let plain = header[0] == HANDSHAKE_RECORD && header[3..5] == [0, 0];
    body.split_at_checked(length).filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER_HELLO: u8 = 2;
    const HELLO_VERIFY_REQUEST: u8 = 3;

    fn record(kind: u8, epoch: u8, sequence: u8, content: &[u8]) -> Vec<u8> {
        let mut record = vec![
            kind,
            0xfe,
            0xfd,
            0,
            epoch,
            0,
            0,
            0,
            0,
            0,
            sequence,
            0,
            content.len() as u8,
        ];
        record.extend_from_slice(content);
        record
    }

    fn message(kind: u8, message_sequence: u8, body: u8) -> Vec<u8> {
        vec![kind, 0, 0, 1, 0, message_sequence, 0, 0, 0, 0, 0, 1, body]
    }

    #[test]
    fn a_repeat_is_known_by_its_content_though_its_record_number_is_new() {
        let mut repeats = HandshakeRepeats::default();
        let flight = |first| {
            let records =
                [message(SERVER_HELLO, 1, 7), message(11, 2, 8)].map(|content| record(22, 0, first, &content));
            records.concat()
        };
        assert!(!repeats.is_repeat(&flight(1)));
        assert!(repeats.is_repeat(&flight(5)));
        let partly_new = [flight(9), record(22, 0, 9, &message(12, 3, 1))].concat();
        assert!(!repeats.is_repeat(&partly_new));
        assert!(repeats.is_repeat(&partly_new));
    }

    #[test]
    fn what_is_not_a_plain_handshake_record_always_passes() {
        let mut repeats = HandshakeRepeats::default();
        let last_flight = [
            record(22, 0, 1, &message(16, 3, 1)),
            record(20, 0, 2, &[1]),
            record(22, 1, 0, &[9; 40]),
        ]
        .concat();
        for datagram in [
            last_flight,
            vec![22; 5],
            vec![0x80; 200],
            record(23, 1, 1, &[1]),
            Vec::new(),
        ] {
            assert!(!repeats.is_repeat(&datagram));
            assert!(!repeats.is_repeat(&datagram));
        }
    }

    #[test]
    fn only_the_first_hello_may_come_again_until_something_follows_it() {
        let mut repeats = HandshakeRepeats::default();
        let [first, second] = [0, 1].map(|number| record(22, 0, 0, &message(CLIENT_HELLO, number, 5)));
        assert!(!repeats.is_repeat(&first));
        assert!(!repeats.is_repeat(&first));
        assert!(!repeats.is_repeat(&second));
        assert!(repeats.is_repeat(&second));

        let mut at_client = HandshakeRepeats::default();
        let verify = record(22, 0, 0, &message(HELLO_VERIFY_REQUEST, 0, 5));
        assert!(!at_client.is_repeat(&verify));
        assert!(at_client.is_repeat(&verify));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut repeats = HandshakeRepeats::default();
        for body in 0..200 {
            assert!(!repeats.is_repeat(&record(22, 0, 0, &message(SERVER_HELLO, 1, body))));
        }
        assert_eq!(repeats.seen.len(), SEEN_LIMIT);
    }

    proptest! {
        #[test]
        fn no_datagram_panics_and_none_is_dropped_when_new(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let datagram = [vec![22, 0xfe, 0xfd, 0, 0], tail].concat();
            prop_assert!(!HandshakeRepeats::default().is_repeat(&datagram) || datagram.len() > RECORD_HEADER_BYTES);
        }
    }
}
