//! Follows a peer whose address changes in mid-call, below the stack, which would need a round of signaling for it and
//! lose what it has.
//!
//! In: checks as they leave and arrive. Out: the address to send to for the one that the stack knows, and back. Who
//! speaks from a new address while the old one is quiet has to know the session's secrets (the check's integrity), and
//! is believed when the answer to a check of ours comes from there: nobody but the peer can give it. Pure: time is an
//! argument.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::hmac;

/// An old address that says nothing for so long has been left, when the peer answers from a new one: two packets of
/// sound.
const QUIET: Duration = Duration::from_millis(40);
/// Between two questions to a new address.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The stack forgets its checks after 4 s; an answer to an older one would lead nowhere.
const CHECK_LASTS: Duration = Duration::from_secs(3);
/// The first pairs are all checked at once; only then an address is an old one.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

const HEADER_BYTES: usize = 20;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const INTEGRITY_BYTES: usize = 20;

/// Of one side (RFC 8839, section 5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    ufrag: String,
    password: String,
}

impl Credentials {
    /// Those that stand first in a description.
    pub(super) fn of_description(sdp: &str) -> Option<Self> {
        let value = |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Self {
            ufrag: value("a=ice-ufrag:")?.to_owned(),
            password: value("a=ice-pwd:")?.to_owned(),
        })
    }
}

/// Where the peer is.
#[derive(Debug, Default)]
pub(super) struct Roaming {
    local: Option<Credentials>,
    remote: Option<Credentials>,
    /// As the stack knows it, and since when; none while a path is being looked for.
    peer: Option<(SocketAddr, Instant)>,
    /// Where it is now, when that is another address.
    moved_to: Option<SocketAddr>,
    heard: Option<Instant>,
    /// The new address that was asked last.
    asked: Option<(SocketAddr, Instant)>,
    /// Our last check, and when it left.
    check: Option<(Vec<u8>, Instant)>,
}

impl Roaming {
    /// Our description was set.
    pub(super) fn describe_local(&mut self, credentials: Credentials) {
        if self.local.replace(credentials.clone()) != Some(credentials) {
            self.forget();
        }
    }

    /// Theirs was.
    pub(super) fn describe_remote(&mut self, credentials: Credentials) {
        if self.remote.replace(credentials.clone()) != Some(credentials) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.peer = None;
        self.moved_to = None;
        self.asked = None;
        self.check = None;
    }

    /// The stack has a path to this address; none: no path, or one that others carry.
    pub(super) fn settle(&mut self, peer: Option<SocketAddr>, now: Instant) {
        if self.peer.map(|(known, _)| known) != peer {
            self.forget();
            self.peer = peer.map(|peer| (peer, now));
            self.heard = Some(now);
        }
    }

    /// Where to send what is for `destination`.
    pub(super) fn toward(&self, destination: SocketAddr) -> SocketAddr {
        match (self.peer, self.moved_to) {
            (Some((peer, _)), Some(place)) if peer == destination => place,
            _ => destination,
        }
    }

    /// What the stack takes for the source of what comes from `source`.
    pub(super) fn named(&self, source: SocketAddr) -> SocketAddr {
        match (self.peer, self.moved_to) {
            (Some((peer, _)), Some(place)) if place == source => peer,
            _ => source,
        }
    }

    fn place(&self) -> Option<SocketAddr> {
        self.peer.map(|(peer, _)| self.moved_to.unwrap_or(peer))
    }

    /// A check leaves for `destination`, as the stack knows it. Whether it is for the peer.
    pub(super) fn checking(&mut self, check: &[u8], destination: SocketAddr, now: Instant) -> bool {
        let is_for_peer = self.peer.is_some_and(|(peer, _)| peer == destination);
        if is_for_peer {
            self.check = Some((check.to_owned(), now));
        }
        is_for_peer
    }

    /// The last check, as long as its answer is worth something, and where it goes.
    pub(super) fn last_check(&self, now: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        let (check, _) = self
            .check
            .as_ref()
            .filter(|(_, sent)| now.saturating_duration_since(*sent) < CHECK_LASTS)?;
        Some((check.clone(), self.place()?))
    }

    /// Something that only the peer sends came from `source`.
    pub(super) fn heard(&mut self, source: SocketAddr, now: Instant) {
        if self.place() == Some(source) {
            self.heard = Some(now);
        }
    }

    /// A check came. Whether it is from the peer at a new address; then that is asked, and the stack hears nothing of it.
    pub(super) fn is_news(&self, check: &[u8], source: SocketAddr, now: Instant) -> bool {
        let Some((_, since)) = self.peer else { return false };
        self.place() != Some(source) && now.saturating_duration_since(since) >= SETTLED_AFTER && self.is_theirs(check)
    }

    /// A check came. Whether it is from the peer, where it is known to be.
    pub(super) fn is_asked(&self, check: &[u8], source: SocketAddr) -> bool {
        self.place() == Some(source) && self.is_theirs(check)
    }

    /// The question to a new address.
    pub(super) fn question(&mut self, source: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let is_asked =
            |(asked, at): (SocketAddr, Instant)| asked == source && now.saturating_duration_since(at) < ASK_AGAIN;
        if self.asked.is_some_and(is_asked) {
            return None;
        }
        let (check, _) = self.last_check(now)?;
        self.asked = Some((source, now));
        Some(check)
    }

    /// A check of ours was answered from `source`.
    pub(super) fn answered(&mut self, source: SocketAddr, now: Instant) {
        let is_quiet = self
            .heard
            .is_none_or(|heard| now.saturating_duration_since(heard) >= QUIET);
        if is_quiet
            && self.asked.is_some_and(|(asked, _)| asked == source)
            && let Some((peer, _)) = self.peer
        {
            tracing::info!("a participant has another address now");
            self.asked = None;
            self.moved_to = (source != peer).then_some(source);
        }
        self.heard(source, now);
    }

    /// Whether a check knows both sides' secrets (RFC 8445, section 7.2.2; RFC 8489, section 14.5).
    fn is_theirs(&self, check: &[u8]) -> bool {
        let (Some(local), Some(remote)) = (&self.local, &self.remote) else {
            return false;
        };
        let mut is_named = false;
        let mut at = HEADER_BYTES;
        while let Some([t0, t1, l0, l1]) = check.get(at..at + 4) {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let Some(value) = check.get(at + 4..at + 4 + length) else {
                return false;
            };
            match u16::from_be_bytes([*t0, *t1]) {
                USERNAME => is_named = value == format!("{}:{}", local.ufrag, remote.ufrag).as_bytes(),
                INTEGRITY if length == INTEGRITY_BYTES => {
                    let Ok(covered) = u16::try_from(at + 4 + INTEGRITY_BYTES - HEADER_BYTES) else {
                        return false;
                    };
                    let mut signed = check[..at].to_owned();
                    signed[2..4].copy_from_slice(&covered.to_be_bytes());
                    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, local.password.as_bytes());
                    return is_named && hmac::verify(&key, &signed, value).is_ok();
                }
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str) -> Credentials {
        Credentials::of_description(&format!(
            "v=0\r\na=ice-ufrag:{name}\r\na=ice-pwd:secret of {name}\r\na=ice-ufrag:other\r\n"
        ))
        .expect("credentials")
    }

    fn check(username: &str, password: &str) -> Vec<u8> {
        let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.extend([9; 12]);
        check.extend([0, 6, 0, username.len() as u8]);
        check.extend(username.bytes());
        check.resize(check.len().next_multiple_of(4), 0);
        let covered = (check.len() + 24 - HEADER_BYTES) as u16;
        check[2..4].copy_from_slice(&covered.to_be_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let tag = hmac::sign(&key, &check);
        check.extend([0, 8, 0, 20]);
        check.extend(tag.as_ref());
        check
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// Settled at port 1, five seconds ago; the last check left just now.
    fn settled(start: Instant) -> (Roaming, Instant) {
        let mut roaming = Roaming::default();
        roaming.describe_local(credentials("us"));
        roaming.describe_remote(credentials("them"));
        roaming.settle(Some(address(1)), start);
        let now = start + Duration::from_secs(5);
        assert!(roaming.checking(b"check", address(1), now));
        (roaming, now)
    }

    #[test]
    fn a_peer_that_answers_from_a_new_address_is_followed() {
        let (mut roaming, now) = settled(Instant::now());
        let theirs = check("us:them", "secret of us");
        assert!(roaming.is_news(&theirs, address(2), now));
        assert_eq!(roaming.question(address(2), now), Some(b"check".to_vec()));
        assert_eq!(roaming.question(address(2), now), None, "not for every packet");
        assert_eq!(roaming.toward(address(1)), address(1), "not before it has answered");
        roaming.answered(address(2), now);
        assert_eq!(roaming.toward(address(1)), address(2));
        assert_eq!(roaming.named(address(2)), address(1));
        assert_eq!(roaming.toward(address(3)), address(3));
        let later = now + QUIET;
        assert!(roaming.is_news(&theirs, address(1), later), "and may come back");
        roaming.question(address(1), later);
        roaming.answered(address(1), later);
        assert_eq!(roaming.toward(address(1)), address(1));
    }

    #[test]
    fn nobody_else_is() {
        let (mut roaming, now) = settled(Instant::now());
        for forged in [
            check("us:them", "guessed"),
            check("us:others", "secret of us"),
            check("us:them", "secret of us")[..40].to_vec(),
            Vec::new(),
        ] {
            assert!(!roaming.is_news(&forged, address(2), now));
        }
        roaming.answered(address(2), now);
        assert_eq!(roaming.toward(address(1)), address(1), "it was not asked");
    }

    #[test]
    fn an_address_that_is_in_use_is_not_left() {
        let (mut roaming, now) = settled(Instant::now());
        roaming.heard(address(1), now);
        roaming.question(address(2), now);
        roaming.answered(address(2), now + QUIET / 2);
        assert_eq!(roaming.toward(address(1)), address(1));
        roaming.answered(address(2), now + QUIET);
        assert_eq!(roaming.toward(address(1)), address(2));
    }

    #[test]
    fn a_new_path_begins_from_nothing() {
        let (mut roaming, now) = settled(Instant::now());
        roaming.question(address(2), now);
        roaming.answered(address(2), now);
        roaming.describe_local(credentials("us"));
        assert_eq!(
            roaming.toward(address(1)),
            address(2),
            "the same description changes nothing"
        );
        roaming.describe_local(credentials("us again"));
        assert_eq!(roaming.toward(address(1)), address(1));
        assert_eq!(roaming.last_check(now), None);
    }
}
