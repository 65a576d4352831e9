//! Addresses of STUN and TURN servers as people write them (RFC 7064, RFC 7065). Pure.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerTransport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl ServerTransport {
    /// `udp`, `tcp` or `tls`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// What a server does for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IceServerKind {
    /// Tells us our address.
    Stun,
    /// Relays.
    Turn,
}

/// A server's address in parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceUrl {
    /// What it does.
    pub kind: IceServerKind,
    /// How it is spoken to.
    pub transport: ServerTransport,
    /// A name or an address, the latter without brackets.
    pub host: String,
    /// Where it listens.
    pub port: u16,
}

/// Why something is not the address of a server: a sentence for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IceUrlError {
    /// Not one of the schemes, or nothing after it.
    #[error("write stun:HOST[:PORT], turn:HOST[:PORT][?transport=tcp] or turns:HOST[:PORT]")]
    Form,
    /// STUN is asked over UDP only.
    #[error("a STUN server is asked over UDP: write stun:HOST[:PORT]")]
    StunTransport,
    /// Not `udp` or `tcp`, or TLS over UDP, which nobody speaks.
    #[error("a TURN server is reached with ?transport=udp or ?transport=tcp, and a turns: server over TCP only")]
    Transport,
    /// Not a number up to 65535, or 0.
    #[error("the port of a server is a number from 1 to 65535")]
    Port,
    /// Neither a name nor an address.
    #[error("write the host as a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
}

const PORT: u16 = 3_478;
const TLS_PORT: u16 = 5_349;
/// Of a name in the DNS.
const MAX_HOST_BYTES: usize = 253;

impl IceUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// With the sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, IceUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Form)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (kind, transport) = match (scheme.to_ascii_lowercase().as_str(), query) {
            // Many write it; it says nothing new.
            ("stun", None | Some("transport=udp")) => (IceServerKind::Stun, ServerTransport::Udp),
            ("stun" | "stuns", _) => return Err(IceUrlError::StunTransport),
            ("turn", None | Some("transport=udp")) => (IceServerKind::Turn, ServerTransport::Udp),
            ("turn", Some("transport=tcp")) => (IceServerKind::Turn, ServerTransport::Tcp),
            ("turns", None | Some("transport=tcp")) => (IceServerKind::Turn, ServerTransport::Tls),
            ("turn" | "turns", _) => return Err(IceUrlError::Transport),
            _ => return Err(IceUrlError::Form),
        };
        let (host, port) = split_host(authority)?;
        let port = match port {
            None if transport == ServerTransport::Tls => TLS_PORT,
            None => PORT,
            Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(IceUrlError::Port)?,
        };
        Ok(Self {
            kind,
            transport,
            host: host.to_owned(),
            port,
        })
    }

    /// The host, if it is an address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as a resolver takes them.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(v6)) => format!("[{v6}]:{}", self.port),
            Some(IpAddr::V4(_)) | None => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority();
        match (self.kind, self.transport) {
            (IceServerKind::Stun, _) => write!(f, "stun:{authority}"),
            (IceServerKind::Turn, ServerTransport::Tls) => write!(f, "turns:{authority}?transport=tcp"),
            (IceServerKind::Turn, transport) => write!(f, "turn:{authority}?transport={}", transport.word()),
        }
    }
}

/// Host and, if one is written, port.
fn split_host(authority: &str) -> Result<(&str, Option<&str>), IceUrlError> {
    if authority.is_empty() {
        return Err(IceUrlError::Form);
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(IceUrlError::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| IceUrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(IceUrlError::Host),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() || host.len() > MAX_HOST_BYTES || !host.bytes().all(is_name) {
        return Err(IceUrlError::Host);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (IceServerKind, ServerTransport, String, u16) {
        let url = IceUrl::parse(text).unwrap();
        (url.kind, url.transport, url.host, url.port)
    }

    #[test]
    fn every_form_is_read() {
        use IceServerKind::{Stun, Turn};
        use ServerTransport::{Tcp, Tls, Udp};
        for (text, kind, transport, host, port) in [
            ("stun:a.example", Stun, Udp, "a.example", 3_478),
            ("stun:a.example?transport=udp", Stun, Udp, "a.example", 3_478),
            ("turn:192.0.2.1:80", Turn, Udp, "192.0.2.1", 80),
            ("turn:a.example?transport=udp", Turn, Udp, "a.example", 3_478),
            ("turn:a.example:443?transport=tcp", Turn, Tcp, "a.example", 443),
            ("TURNS:a.example", Turn, Tls, "a.example", 5_349),
            ("turns:[2001:db8::1]:443?transport=tcp", Turn, Tls, "2001:db8::1", 443),
            ("stun:[::1]", Stun, Udp, "::1", 3_478),
        ] {
            assert_eq!(read(text), (kind, transport, host.to_owned(), port), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in [
            "stun:a.example:3478",
            "turn:[2001:db8::1]:3478?transport=udp",
            "turn:a.example:443?transport=tcp",
            "turns:192.0.2.1:443?transport=tcp",
        ] {
            let url = IceUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(IceUrl::parse(&url.to_string()).unwrap(), url);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        use IceUrlError::{Form, Host, Port, StunTransport, Transport};
        for (text, error) in [
            ("", Form),
            ("a.example:3478", Form),
            ("turn:", Form),
            ("http://a.example", Form),
            ("stuns:a.example", StunTransport),
            ("stun:a.example?transport=tcp", StunTransport),
            ("turns:a.example?transport=udp", Transport),
            ("turn:a.example?transport=sctp", Transport),
            ("turn:a.example:0", Port),
            ("turn:a.example:65536", Port),
            ("turn:2001:db8::1", Port),
            ("turn:[2001:db8::1", Host),
            ("turn:[a.example]", Host),
            ("turn://a.example", Host),
            ("turn:a b", Host),
        ] {
            assert_eq!(IceUrl::parse(text), Err(error), "{text}");
        }
    }
}
