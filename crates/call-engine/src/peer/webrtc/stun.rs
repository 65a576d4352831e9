//! The little of STUN (RFC 8489) and TURN (RFC 8656) that is read outside the stack. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const HEADER_BYTES: usize = 20;
pub(super) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(super) const BINDING: u16 = 0x001;
pub(super) const ALLOCATE: u16 = 0x003;

pub(super) const USERNAME: u16 = 0x0006;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// Of ICE's checks and of nothing else we send (RFC 8445, section 7.1.1).
pub(super) const PRIORITY: u16 = 0x0024;

pub(super) type TransactionId = [u8; 12];

/// Class of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) class: Class,
    pub(super) method: u16,
    pub(super) id: TransactionId,
}

/// The header of a datagram, if it is STUN by its first byte (RFC 7983, section 7) and cookie.
pub(super) fn header(datagram: &[u8]) -> Option<Header> {
    let header = datagram.get(..HEADER_BYTES)?;
    if header[0] > 3 || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let (high, low) = (u16::from(header[0]), u16::from(header[1]));
    Some(Header {
        class: match (high & 1, low & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            (_, _) => Class::Error,
        },
        // The bits of the class stand in between those of the method.
        method: (high & 0x3e) << 6 | (low & 0xe0) >> 1 | low & 0x0f,
        id: header[8..20].try_into().ok()?,
    })
}

/// The first attribute of a type.
pub(super) fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(HEADER_BYTES..)?;
    while let [t0, t1, l0, l1, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == wanted {
            return tail.get(..length);
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The code of an error, 300 to 699.
pub(super) fn error_code(message: &[u8]) -> Option<u16> {
    let &[_, _, class, number, ..] = attribute(message, ERROR_CODE)? else {
        return None;
    };
    let code = u16::from(class & 7) * 100 + u16::from(number);
    (300..700).contains(&code).then_some(code)
}

/// An address that is XORed with cookie and transaction (RFC 8489, section 14.2).
pub(super) fn xor_address(message: &[u8], wanted: u16) -> Option<SocketAddr> {
    let value = attribute(message, wanted)?;
    let key = message.get(4..HEADER_BYTES)?;
    let plain = |index: usize| value.get(4 + index).map(|byte| byte ^ key[index]);
    let port = u16::from_be_bytes([*value.get(2)?, *value.get(3)?]) ^ u16::from_be_bytes([key[0], key[1]]);
    let ip: IpAddr = match (*value.get(1)?, value.len()) {
        (1, 8) => {
            let mut octets = [0; 4];
            for (index, octet) in octets.iter_mut().enumerate() {
                *octet = plain(index)?;
            }
            Ipv4Addr::from(octets).into()
        }
        (2, 20) => {
            let mut octets = [0; 16];
            for (index, octet) in octets.iter_mut().enumerate() {
                *octet = plain(index)?;
            }
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message of a type, with attributes.
    pub(in super::super) fn message(kind: [u8; 2], id: u8, attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&kind[..], &length, &MAGIC_COOKIE, &[id; 12], attributes].concat()
    }

    #[test]
    fn class_and_method_are_told_apart() {
        for (kind, class, method) in [
            ([0, 1], Class::Request, BINDING),
            ([0, 3], Class::Request, ALLOCATE),
            ([1, 3], Class::Success, ALLOCATE),
            ([1, 0x13], Class::Error, ALLOCATE),
            ([0, 0x16], Class::Indication, 6),
            ([0, 8], Class::Request, 8),
            ([1, 9], Class::Success, 9),
        ] {
            let header = header(&message(kind, 1, &[])).unwrap();
            assert_eq!((header.class, header.method), (class, method), "{kind:?}");
        }
    }

    #[test]
    fn attributes_are_found_and_cut_ones_are_not() {
        let both = [0, 9, 0, 5, 0, 0, 4, 38, b'x', 0, 0, 0, 0, 0x15, 0, 2, b'a', b'b', 0, 0];
        let whole = message([1, 0x18], 1, &both);
        assert_eq!(error_code(&whole), Some(438));
        assert_eq!(attribute(&whole, NONCE), Some(&b"ab"[..]));
        assert_eq!(attribute(&whole[..HEADER_BYTES + 17], NONCE), None);
        assert_eq!(attribute(&whole, USERNAME), None);
        assert_eq!(error_code(&message([1, 0x18], 1, &[0, 9, 0, 2, 0, 0, 0, 0])), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        // RFC 5769, sections 2.2 and 2.3, with attribute 0x0016 in the place of 0x0020.
        let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let with = |attribute: &[u8]| {
            let length = u16::try_from(attribute.len()).unwrap().to_be_bytes();
            [&[1, 3][..], &length, &MAGIC_COOKIE, &id, attribute].concat()
        };
        let v4 = with(&[0, 0x16, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = with(&[
            0, 0x16, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ]);
        let read = |message: &[u8]| xor_address(message, XOR_RELAYED_ADDRESS).map(|address| address.to_string());
        assert_eq!(read(&v4).unwrap(), "192.0.2.1:32853");
        assert_eq!(read(&v6).unwrap(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
        assert_eq!(read(&v4[..v4.len() - 1]), None);
        assert_eq!(read(&with(&[0, 0x16, 0, 4, 0, 1, 0xa1, 0x47])), None);
    }
}
