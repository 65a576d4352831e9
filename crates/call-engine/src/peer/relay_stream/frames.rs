//! TURN messages on a stream (RFC 8656, section 12.5; RFC 8489, section 6.2.2): where each begins and ends. Pure.
//!
//! In: bytes as the stream brings them, split anywhere. Out: messages as UDP would have brought them.

use bytes::{Bytes, BytesMut};

/// Header of a STUN message.
const STUN_HEADER: usize = 20;
/// Header of channel data.
const CHANNEL_HEADER: usize = 4;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Longest message that is taken off a stream: what arrived at the relay was a UDP datagram, and ours are short.
pub(crate) const MAX_MESSAGE: usize = 4_096;

/// The stream is out of step or carries something else than TURN; nothing after this can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("what came is neither STUN nor channel data")]
    NotTurn,
    #[error("a message of {0} bytes came, more than a datagram can have been")]
    TooLong(usize),
}

/// What a message is, by its first bytes: its own length, and the length with padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    length: usize,
    padded: usize,
}

/// How long the message at the start is. `None` while too little is there to tell.
fn extent(start: &[u8]) -> Result<Option<Extent>, FrameError> {
    let Some(&[first, second, l0, l1]) = start.get(..CHANNEL_HEADER) else {
        // The first byte tells already.
        return match start.first() {
            Some(first) if *first >= 0x80 => Err(FrameError::NotTurn),
            _ => Ok(None),
        };
    };
    let told = usize::from(u16::from_be_bytes([l0, l1]));
    match first >> 6 {
        0b00 => {
            let cookie = &start[CHANNEL_HEADER..start.len().min(CHANNEL_HEADER + MAGIC_COOKIE.len())];
            if !MAGIC_COOKIE.starts_with(cookie) || !told.is_multiple_of(4) {
                return Err(FrameError::NotTurn);
            }
            checked(STUN_HEADER + told)
        }
        // Channels 0x4000 to 0x4fff; what 0x5000 to 0x7fff mean is reserved (RFC 8656, section 12).
        0b01 if u16::from_be_bytes([first, second]) <= 0x7fff => checked(CHANNEL_HEADER + told),
        _ => Err(FrameError::NotTurn),
    }
}

fn checked(length: usize) -> Result<Option<Extent>, FrameError> {
    if length > MAX_MESSAGE {
        return Err(FrameError::TooLong(length));
    }
    Ok(Some(Extent {
        length,
        padded: length.next_multiple_of(4),
    }))
}

/// A datagram as it goes onto a stream: its own length, then zeros up to a multiple of four. `None` if it is not one
/// TURN message.
pub(crate) fn frame(datagram: &[u8]) -> Option<Bytes> {
    let extent = extent(datagram).ok().flatten()?;
    // A datagram may come with padding, or without.
    let message = datagram.get(..extent.length)?;
    if datagram.len() > extent.padded {
        return None;
    }
    let mut framed = BytesMut::with_capacity(extent.padded);
    framed.extend_from_slice(message);
    framed.resize(extent.padded, 0);
    Some(framed.freeze())
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    /// What came and is not a whole message yet; never more than one message and one read.
    buffer: BytesMut,
}

impl Deframer {
    /// Takes what came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, without padding.
    ///
    /// # Errors
    /// When the stream cannot be understood any more.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(extent) = extent(&self.buffer)? else {
            return Ok(None);
        };
        if self.buffer.len() < extent.padded {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(extent.padded).freeze();
        message.truncate(extent.length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stun(body: usize) -> Vec<u8> {
        let length = u16::try_from(body).unwrap().to_be_bytes();
        [&[0, 1][..], &length, &MAGIC_COOKIE, &[7; 12], &vec![0x5a; body]].concat()
    }

    fn channel(number: u16, body: usize) -> Vec<u8> {
        let length = u16::try_from(body).unwrap().to_be_bytes();
        [&number.to_be_bytes()[..], &length, &vec![0xa5; body]].concat()
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0_usize..300).prop_map(|words| stun(words * 4)),
            (0x4000_u16..=0x4fff, 0_usize..1_400).prop_map(|(number, body)| channel(number, body)),
        ]
    }

    proptest! {
        #[test]
        fn messages_survive_a_stream_however_it_is_cut(
            messages in prop::collection::vec(message(), 1..12),
            cuts in prop::collection::vec(1_usize..900, 1..60),
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
            prop_assert_eq!(stream.len() % 4, 0);
            let (mut deframer, mut seen, mut rest) = (Deframer::default(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                deframer.feed(now);
                while let Some(message) = deframer.next().unwrap() {
                    seen.push(message.to_vec());
                }
                rest = later;
            }
            prop_assert_eq!(seen, messages);
            prop_assert_eq!(deframer.buffer.len(), 0);
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_a_message(
            reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..12),
        ) {
            let mut deframer = Deframer::default();
            'stream: for read in &reads {
                deframer.feed(read);
                loop {
                    match deframer.next() {
                        Ok(Some(message)) => prop_assert!(message.len() <= MAX_MESSAGE),
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
                prop_assert!(deframer.buffer.len() <= MAX_MESSAGE + 600);
            }
        }

        #[test]
        fn no_datagram_makes_framing_panic(datagram in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(framed) = frame(&datagram) {
                prop_assert!(framed.len() % 4 == 0 && framed.len() < datagram.len() + 4);
            }
        }
    }

    #[test]
    fn channel_data_is_padded_on_the_stream_and_comes_out_without() {
        let message = channel(0x4001, 5);
        for given in [message.clone(), [&message[..], &[0; 3]].concat()] {
            assert_eq!(&frame(&given).unwrap()[..], [&message[..], &[0; 3]].concat());
        }
        let mut deframer = Deframer::default();
        deframer.feed(&frame(&message).unwrap()[..11]);
        assert_eq!(deframer.next(), Ok(None), "the padding has not come");
        deframer.feed(&[0]);
        assert_eq!(deframer.next().unwrap().unwrap(), message);
    }

    #[test]
    fn what_is_not_turn_is_refused_as_soon_as_it_shows() {
        for (bytes, error) in [
            (&b"HTTP/1.1 400 Bad Request"[..], FrameError::TooLong(4 + 0x5450)),
            (&[0x80], FrameError::NotTurn),
            (&[22, 3, 3, 0], FrameError::NotTurn),
            (&[0, 1, 0, 3, 0x21, 0x12], FrameError::NotTurn),
            (&[0, 1, 0, 0, 0x21, 0x13], FrameError::NotTurn),
            (&[0, 1, 0xff, 0xfc], FrameError::TooLong(20 + 0xfffc)),
            (&[0x40, 0, 0xff, 0xff], FrameError::TooLong(4 + 0xffff)),
        ] {
            let mut deframer = Deframer::default();
            deframer.feed(bytes);
            // A record of TLS begins like a STUN message, but for its length.
            assert!(deframer.next() == Err(error) || bytes[0] == 22, "{bytes:?}");
        }
    }

    #[test]
    fn only_whole_single_messages_are_framed() {
        for datagram in [
            &[][..],
            &[0x40, 0, 0, 4, 1, 2, 3],
            &[0x40, 0, 0, 1, 1, 0, 0, 0, 0],
            &[128, 200, 0, 1],
            &stun(8)[..27],
        ] {
            assert_eq!(frame(datagram), None, "{datagram:?}");
        }
    }
}
