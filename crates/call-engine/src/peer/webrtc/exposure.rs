//! Which of our addresses the other end may learn: all, or only that of a relay.
//!
//! The stack gathers nothing but relay candidates when told to; this is the second lock on the same door, on all that
//! leaves: candidates, descriptions, and the address that a relay candidate names as related to it, which the stack
//! fills with our own. Pure.

use std::net::IpAddr;

use call_core::Blockage;
use webrtc::peer_connection::{RTCIceCandidate, RTCIceCandidateType};

use crate::peer::ice_url::{IceServerKind, IceUrl};
use crate::peer::{IceServer, PeerConfig, PeerError};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    Direct,
    RelayOnly,
}

/// Stands for a related port that is not told (RFC 8839, section 5.1).
const HIDDEN_PORT: u16 = 9;

impl Exposure {
    /// What was asked for.
    ///
    /// # Errors
    /// When the address is to stay hidden and there is no relay to hide behind.
    pub(super) fn of(config: &PeerConfig) -> Result<Self, PeerError> {
        if !config.relay_only {
            Ok(Self::Direct)
        } else if config.ice_servers.iter().any(is_usable_relay) {
            Ok(Self::RelayOnly)
        } else {
            Err(PeerError::Blocked(Blockage::NoRelaySet))
        }
    }

    /// What of a candidate may leave.
    pub(super) fn candidate(self, mut candidate: RTCIceCandidate) -> Option<RTCIceCandidate> {
        match self {
            Self::Direct => Some(candidate),
            Self::RelayOnly if candidate.typ == RTCIceCandidateType::Relay => {
                candidate.related_address = hidden_address(&candidate.address).to_owned();
                candidate.related_port = HIDDEN_PORT;
                Some(candidate)
            }
            Self::RelayOnly => None,
        }
    }

    /// What of a description of ours may leave.
    pub(super) fn description(self, sdp: String) -> String {
        match self {
            Self::Direct => sdp,
            Self::RelayOnly => sdp.split_inclusive('\n').filter_map(hide_in_line).collect(),
        }
    }
}

/// The unspecified address of the same family (RFC 8839, section 5.1).
fn hidden_address(of: &str) -> &'static str {
    match of.parse() {
        Ok(IpAddr::V6(_)) => "::",
        Ok(IpAddr::V4(_)) | Err(_) => "0.0.0.0",
    }
}

/// A line of a description, if it may leave.
fn hide_in_line(line: &str) -> Option<String> {
    if !line.starts_with("a=candidate:") {
        return Some(line.to_owned());
    }
    let mut words: Vec<&str> = line.trim_end().split(' ').collect();
    // foundation, component, transport, priority, address, port, "typ", type, then pairs of a name and a value.
    if words.get(6..8) != Some(&["typ", "relay"]) {
        return None;
    }
    let address = hidden_address(words[4]);
    for index in (8..words.len()).step_by(2) {
        match words[index] {
            "raddr" if index + 1 < words.len() => words[index + 1] = address,
            "rport" if index + 1 < words.len() => words[index + 1] = "9",
            _ => {}
        }
    }
    Some(words.join(" ") + "\r\n")
}

fn is_usable_relay(server: &IceServer) -> bool {
    IceUrl::parse(&server.url).is_ok_and(|url| url.kind == IceServerKind::Turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> IceServer {
        IceServer {
            url: url.to_owned(),
            username: None,
            credential: None,
        }
    }

    #[test]
    fn only_turn_is_a_relay() {
        for url in ["turn:a.example", "turn:a.example?transport=tcp", "turns:a.example:443"] {
            assert!(is_usable_relay(&server(url)));
        }
        for url in ["stun:a.example", "turns:a.example?transport=udp", ""] {
            assert!(!is_usable_relay(&server(url)));
        }
    }

    fn candidate(typ: RTCIceCandidateType, address: &str) -> RTCIceCandidate {
        RTCIceCandidate {
            typ,
            address: address.to_owned(),
            related_address: "192.168.1.7".to_owned(),
            related_port: 5_000,
            ..RTCIceCandidate::default()
        }
    }

    #[test]
    fn nothing_but_a_relay_leaves_and_it_names_no_address_of_ours() {
        for typ in [
            RTCIceCandidateType::Host,
            RTCIceCandidateType::Srflx,
            RTCIceCandidateType::Prflx,
        ] {
            assert!(Exposure::RelayOnly.candidate(candidate(typ, "192.168.1.7")).is_none());
            assert!(Exposure::Direct.candidate(candidate(typ, "192.168.1.7")).is_some());
        }
        for (address, hidden) in [("203.0.113.1", "0.0.0.0"), ("2001:db8::1", "::")] {
            let relay = candidate(RTCIceCandidateType::Relay, address);
            let left = Exposure::RelayOnly.candidate(relay).unwrap();
            assert_eq!(
                (left.address.as_str(), left.related_address.as_str(), left.related_port),
                (address, hidden, 9)
            );
        }
    }

    #[test]
    fn a_description_loses_its_addresses_and_nothing_else() {
        let sdp = "v=0\r\nc=IN IP4 0.0.0.0\r\n\
            a=candidate:1 1 udp 1 192.168.1.7 5000 typ host\r\n\
            a=candidate:2 1 udp 1 198.51.100.7 5000 typ srflx raddr 192.168.1.7 rport 5000\r\n\
            a=candidate:3 1 udp 1 203.0.113.1 6000 typ relay raddr 192.168.1.7 rport 5000 ufrag ab\r\n\
            a=candidate:4 1 udp 1 name.local 6000 typ host\r\n\
            a=candidate:broken\r\n\
            a=mid:0\r\n";
        assert_eq!(Exposure::Direct.description(sdp.to_owned()), sdp);
        let hidden = "v=0\r\nc=IN IP4 0.0.0.0\r\n\
            a=candidate:3 1 udp 1 203.0.113.1 6000 typ relay raddr 0.0.0.0 rport 9 ufrag ab\r\n\
            a=mid:0\r\n";
        assert_eq!(Exposure::RelayOnly.description(sdp.to_owned()), hidden);
    }
}
