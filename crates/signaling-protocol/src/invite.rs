//! Invite links, and what is derived from the secret inside.
//!
//! The secret stands in the fragment of the link, so it is never part of an HTTP request; the server learns only
//! the room's id, which cannot be turned back into the secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};

use crate::id::{ID_BYTES, RoomId};
pub use crate::server_address::{Security, ServerAddress, ServerAddressError};

/// Version of the link's form: the number its fragment starts with.
pub const LINK_VERSION: u32 = 1;
/// Longest text that is looked at as a link, bytes. Chat programs add tracking parameters; nobody adds this much.
pub const MAX_LINK_BYTES: usize = 2048;
/// 16 bytes in base64url without padding.
const ID_CHARACTERS: usize = 22;
/// What a person or a chat program may leave at either end of a link.
const OPENING_MARKS: &[char] = &['<', '(', '[', '{', '"', '\'', '`', '“', '„', '«', '‘'];
const CLOSING_MARKS: &[char] = &[
    '>', ')', ']', '}', '"', '\'', '`', '”', '“', '»', '’', '.', ',', ';', ':', '!', '?', '…',
];

/// An invitation to a call: whoever has it can knock.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where to meet.
    pub server: ServerAddress,
    /// From this the room's id and all keys are derived. Never shown, logged or sent.
    pub secret: [u8; ID_BYTES],
    /// First half of the hash of the host's public key: a thief of the link cannot pose as the host.
    pub host_tag: [u8; ID_BYTES],
}

impl Invite {
    /// An invite to a new room, by the host with this X25519 public key.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(server: ServerAddress, host_public_key: &[u8; 32]) -> Result<Self, RandomError> {
        let mut secret = [0; ID_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| RandomError)?;
        Ok(Self {
            server,
            secret,
            host_tag: host_tag(host_public_key),
        })
    }

    /// The room's id: all that the server learns of the room.
    pub fn room_id(&self) -> RoomId {
        room_id(&self.secret)
    }

    /// The link to send to a friend; `FromStr` reads it back.
    ///
    /// A server with TLS has a page for browsers, so its link is a web address. A server without a certificate at an
    /// IP address is an embedded one without such a page: its link opens the application.
    pub fn link(&self) -> String {
        let scheme = match self.server.security {
            Security::Tls => "https",
            Security::Plain if self.server.is_literal_or_localhost() => "visavis",
            Security::Plain => "http",
        };
        let [secret, host_tag] = [self.secret, self.host_tag].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        format!(
            "{scheme}://{}/j#{LINK_VERSION}.{secret}.{host_tag}",
            self.server.authority()
        )
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// The room's id: all that the server learns of the room.
pub fn room_id(secret: &[u8; ID_BYTES]) -> RoomId {
    RoomId(expand(secret, b"room"))
}

/// What those who have the link start their Noise handshakes with.
pub fn noise_psk(secret: &[u8; ID_BYTES]) -> [u8; 32] {
    expand(secret, b"noise-psk")
}

/// HKDF-SHA256 (RFC 5869) with the salt "visavis/1".
fn expand<const N: usize>(secret: &[u8; ID_BYTES], purpose: &[u8]) -> [u8; N] {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"visavis/1").extract(secret);
    let mut bytes = [0; N];
    key.expand(&[purpose], Length(N))
        .and_then(|output| output.fill(&mut bytes))
        .expect("32 bytes are less than the 8160 that HKDF-SHA256 can give");
    bytes
}

/// First 16 bytes of SHA-256("visavis-host-v1" || public key).
pub fn host_tag(host_public_key: &[u8; 32]) -> [u8; ID_BYTES] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(b"visavis-host-v1");
    hash.update(host_public_key);
    let mut tag = [0; ID_BYTES];
    tag.copy_from_slice(&hash.finish().as_ref()[..ID_BYTES]);
    tag
}

/// The operating system gave no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The operating system gives no random numbers, so no secret can be made: restart the computer and try again.")]
pub struct RandomError;

/// Why a text is not an invite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the sentences say it")]
pub enum InviteError {
    #[error("There is no link: paste the one your friend sent you.")]
    Empty,
    #[error("This text is too long for a Visavis link: copy only the link that your friend sent you.")]
    TooLong,
    #[error(
        "This is not a Visavis link: one looks like https://visavis.example/j#1.… Copy it again from your friend's message."
    )]
    NotALink,
    #[error("The link names no server: it was damaged on the way. Ask your friend to send it again.")]
    NoServer,
    #[error(
        "The server in the link is malformed, so the link was damaged on the way. Ask your friend to send it again."
    )]
    Server(#[source] ServerAddressError),
    #[error("This link was made by a newer Visavis: update yours, then open the link again.")]
    Newer,
    #[error(
        "This link was made by an older Visavis that is no longer understood: ask your friend to update and send a new one."
    )]
    Older,
    #[error("The link was cut off: copy all of it, to the last character, or ask your friend to send it again.")]
    CutOff,
    #[error(
        "The link has characters that do not belong there, so it was changed on the way. Ask your friend to send it again."
    )]
    WrongCharacters,
    #[error("Something was added to the end of the link: copy the link alone, or ask your friend to send it again.")]
    Extra,
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() > MAX_LINK_BYTES {
            return Err(InviteError::TooLong);
        }
        let text = strip_surroundings(text);
        if text.is_empty() {
            return Err(InviteError::Empty);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InviteError::NotALink)?;
        let scheme = Scheme::from_name(scheme).ok_or(InviteError::NotALink)?;
        // Some programs escape the number sign.
        let (address, fragment) = match rest.split_once('#').or_else(|| rest.split_once("%23")) {
            Some((address, fragment)) => (address, Some(fragment)),
            None => (rest, None),
        };
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        if authority.is_empty() {
            return Err(InviteError::NoServer);
        }
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        match (path.trim_end_matches('/'), fragment) {
            ("j", Some(fragment)) => {
                let (secret, host_tag) = parse_fragment(fragment)?;
                Ok(Self {
                    server: scheme.server(authority)?,
                    secret,
                    host_tag,
                })
            }
            ("j", None) => Err(InviteError::CutOff),
            ("", None) if scheme == Scheme::Visavis => Err(InviteError::CutOff),
            _ => Err(InviteError::NotALink),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
    Visavis,
}

impl Scheme {
    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "https" => Some(Self::Https),
            "http" => Some(Self::Http),
            "visavis" => Some(Self::Visavis),
            _ => None,
        }
    }

    fn server(self, authority: &str) -> Result<ServerAddress, InviteError> {
        let security = match self {
            Self::Https | Self::Visavis => Security::Tls,
            Self::Http => Security::Plain,
        };
        let mut server = ServerAddress::from_authority(security, authority).map_err(InviteError::Server)?;
        if self == Self::Visavis && server.is_literal_or_localhost() {
            server.security = Security::Plain;
        }
        Ok(server)
    }
}

/// Takes off what people and programs put around links, invisible characters included.
fn strip_surroundings(text: &str) -> &str {
    let is_blank =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    text.trim_start_matches(|c| is_blank(c) || OPENING_MARKS.contains(&c))
        .trim_end_matches(|c| is_blank(c) || CLOSING_MARKS.contains(&c))
}

/// Reads `1.<S>.<H>`.
fn parse_fragment(fragment: &str) -> Result<([u8; ID_BYTES], [u8; ID_BYTES]), InviteError> {
    let (version, ids) = fragment.split_once('.').unwrap_or((fragment, ""));
    if version.is_empty() && ids.is_empty() {
        return Err(InviteError::CutOff);
    }
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InviteError::NotALink);
    }
    // Digits that do not fit are a very new version.
    match version.parse::<u32>().unwrap_or(u32::MAX).cmp(&LINK_VERSION) {
        std::cmp::Ordering::Less => return Err(InviteError::Older),
        std::cmp::Ordering::Greater => return Err(InviteError::Newer),
        std::cmp::Ordering::Equal => {}
    }
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !ids.bytes().all(belongs) {
        return Err(InviteError::WrongCharacters);
    }
    let Some((secret, host_tag)) = ids.split_once('.') else {
        return Err(if ids.len() > ID_CHARACTERS {
            InviteError::WrongCharacters
        } else {
            InviteError::CutOff
        });
    };
    // With the second part present, a first part of the wrong length lost or gained something in the middle.
    if secret.len() != ID_CHARACTERS {
        return Err(InviteError::WrongCharacters);
    }
    match host_tag.len().cmp(&ID_CHARACTERS) {
        std::cmp::Ordering::Less => Err(InviteError::CutOff),
        std::cmp::Ordering::Greater => Err(InviteError::Extra),
        std::cmp::Ordering::Equal => Ok((parse_id(secret)?, parse_id(host_tag)?)),
    }
}

fn parse_id(text: &str) -> Result<[u8; ID_BYTES], InviteError> {
    let mut bytes = [0; ID_BYTES];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(ID_BYTES) => Ok(bytes),
        _ => Err(InviteError::WrongCharacters),
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
#[path = "invite_tests.rs"]
mod tests;
