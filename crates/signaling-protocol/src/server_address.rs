//! Where a signaling server is reached: read from `--server` and from invite links, given to the WebSocket client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::WEBSOCKET_PATH;

/// Longest address text that is looked at, bytes.
pub const MAX_ADDRESS_BYTES: usize = 512;
/// Longest host name (RFC 1035 §2.3.4), bytes.
const MAX_HOST_BYTES: usize = 253;
/// Longest part of a host name between two dots (RFC 1035 §2.3.4), bytes.
const MAX_LABEL_BYTES: usize = 63;

/// Whether the connection to the server is encrypted by TLS.
///
/// What matters is sealed end to end in either case; TLS also hides room id and timing from the network between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// `ws://`, for servers in the local network that have no certificate.
    Plain,
    /// `wss://`.
    Tls,
}

/// A signaling server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// With or without TLS.
    pub security: Security,
    /// A name in lower case, an IPv4 address, or an IPv6 address in square brackets.
    pub host: String,
    /// `None` is the scheme's own: 80 or 443.
    pub port: Option<u16>,
}

impl ServerAddress {
    /// Reads `HOST[:PORT]`, as it stands in a URL.
    ///
    /// # Errors
    /// When host or port are missing, malformed, or no host and port at all.
    pub fn from_authority(security: Security, authority: &str) -> Result<Self, ServerAddressError> {
        if authority.len() > MAX_ADDRESS_BYTES {
            return Err(ServerAddressError::TooLong);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            security,
            host: parse_host(host)?,
            port: port.map(parse_port).transpose()?,
        })
    }

    /// The address of a server that listens on `socket`.
    pub fn from_socket_addr(security: Security, socket: SocketAddr) -> Self {
        Self {
            security,
            host: host_of(socket.ip()),
            port: Some(socket.port()),
        }
    }

    /// What the WebSocket client connects to.
    pub fn websocket_url(&self) -> String {
        format!("{self}{WEBSOCKET_PATH}")
    }

    /// `HOST[:PORT]`, as it stands in a URL.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Whether the host is an IP address or `localhost`: a server there has no certificate unless told otherwise.
    pub fn is_literal_or_localhost(&self) -> bool {
        self.host == "localhost" || self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Plain => "ws",
            Security::Tls => "wss",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    /// Reads `ws://`, `wss://`, `http://` and `https://` URLs, with or without the path of the WebSocket.
    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ServerAddressError::Empty);
        }
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(ServerAddressError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ServerAddressError::NoScheme)?;
        let security = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => Security::Plain,
            "wss" | "https" => Security::Tls,
            _ => return Err(ServerAddressError::NoScheme),
        };
        let authority = rest
            .strip_suffix(WEBSOCKET_PATH)
            .or(rest.strip_suffix('/'))
            .unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(ServerAddressError::Path);
        }
        Self::from_authority(security, authority)
    }
}

/// Why a text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the sentences say it")]
pub enum ServerAddressError {
    #[error("The server's address is empty: give one like wss://visavis.example.")]
    Empty,
    #[error("The server's address is too long: give one like wss://visavis.example.")]
    TooLong,
    #[error("A server's address starts with wss://, or with ws:// when the server has no certificate.")]
    NoScheme,
    #[error("A server's address ends after its name and port: remove what follows, as in wss://visavis.example:4443.")]
    Path,
    #[error("The address names no server: put its name after the //, as in wss://visavis.example.")]
    NoHost,
    #[error(
        "The server's name is malformed: it needs letters a to z, digits, dots and hyphens, or a valid IP address."
    )]
    Host,
    #[error("An IPv6 address of a server stands in square brackets, as in ws://[2001:db8::1]:4443.")]
    Brackets,
    #[error("The server's port is not a number from 1 to 65535: correct what follows the last colon, or remove it.")]
    Port,
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), ServerAddressError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(ServerAddressError::Brackets)?;
        let (host, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(ServerAddressError::Brackets),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(ServerAddressError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, ServerAddressError> {
    // `u16::from_str` also takes a plus sign.
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if all_digits && port != 0 => Ok(port),
        _ => Err(ServerAddressError::Port),
    }
}

fn parse_host(text: &str) -> Result<String, ServerAddressError> {
    if text.is_empty() {
        return Err(ServerAddressError::NoHost);
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inside.parse().map_err(|_| ServerAddressError::Host)?;
        return Ok(host_of(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(host_of(address.into()));
    }
    let is_name = text.len() <= MAX_HOST_BYTES && text.split('.').all(is_label);
    // A name whose last part is a number is a mistyped IPv4 address: no top-level domain is one.
    let is_mistyped_address = text
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_name || is_mistyped_address {
        return Err(ServerAddressError::Host);
    }
    Ok(text.to_ascii_lowercase())
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(is_allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn host_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_of_servers_are_read() {
        for (text, websocket_url) in [
            ("wss://visavis.example", "wss://visavis.example/ws"),
            (" HTTPS://Visavis.Example:4443/ ", "wss://visavis.example:4443/ws"),
            ("ws://127.0.0.1:9/ws", "ws://127.0.0.1:9/ws"),
            ("http://localhost", "ws://localhost/ws"),
            ("ws://[2001:DB8:0::1]:65535", "ws://[2001:db8::1]:65535/ws"),
            ("wss://[::1]", "wss://[::1]/ws"),
        ] {
            let address: ServerAddress = text.parse().expect(text);
            assert_eq!(address.websocket_url(), websocket_url);
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn each_fault_has_its_own_sentence() {
        use ServerAddressError as E;
        for (text, error) in [
            ("", E::Empty),
            ("  \t", E::Empty),
            ("visavis.example", E::NoScheme),
            ("ftp://visavis.example", E::NoScheme),
            ("wss://", E::NoHost),
            ("wss://:80", E::NoHost),
            ("wss:///ws", E::NoHost),
            ("wss://host/room", E::Path),
            ("wss://host?x", E::Path),
            ("wss://me@host", E::Host),
            ("wss://two words", E::Host),
            ("wss://300.1.1.1", E::Host),
            ("wss://a..b", E::Host),
            ("wss://-a", E::Host),
            ("wss://пример.example", E::Host),
            ("wss://[::g]", E::Host),
            ("wss://[fe80::1%eth0]:1", E::Host),
            ("wss://::1", E::Brackets),
            ("wss://[::1", E::Brackets),
            ("wss://[::1]80", E::Brackets),
            ("wss://host:", E::Port),
            ("wss://host:0", E::Port),
            ("wss://host:+80", E::Port),
            ("wss://host:65536", E::Port),
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(error), "{text}");
        }
        assert_eq!(
            format!("wss://{}", "a".repeat(600)).parse::<ServerAddress>(),
            Err(E::TooLong)
        );
        assert_eq!(
            format!("wss://{}", "a".repeat(64)).parse::<ServerAddress>(),
            Err(E::Host)
        );
    }

    #[test]
    fn a_listening_socket_has_an_address() {
        for (socket, text) in [
            ("10.0.0.2:4443", "ws://10.0.0.2:4443"),
            ("[fe80::1%3]:80", "ws://[fe80::1]:80"),
        ] {
            let address = ServerAddress::from_socket_addr(Security::Plain, socket.parse().expect(socket));
            assert_eq!(address.to_string(), text);
            assert!(address.is_literal_or_localhost());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in "((ws|wss|http)://)?\\PC{0,40}") {
            if let Ok(address) = text.parse::<ServerAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
