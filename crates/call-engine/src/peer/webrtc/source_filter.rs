//! Lets DTLS, SRTP and everything else that is not STUN in only from addresses that answered our STUN.
//!
//! The stack below takes such datagrams from any address: one forged ClientHello stops a call for good. A success
//! response carries the 96 random bits of our request, which nobody off the path can know, so that its source is the
//! peer or a relay of ours. STUN itself passes always: the stack checks its integrity. Runs inside the connection's
//! sockets, on the worker that drives them. What it sees of addresses goes to [`Roaming`], so that a peer may have
//! another one than the stack knows.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use webrtc::runtime::RecvMeta;

use super::gated_socket::GatedSocket;
use super::handshake::{Refusal, refuses_certificate};
use super::handshake_repeats::HandshakeRepeats;
use super::roaming::{Credentials, Roaming};
use super::streams::Shared;

/// Our requests whose answers are awaited: what all pairs of a large candidate list send in a second.
const PENDING_LIMIT: usize = 1_024;
/// Addresses of one peer and its relays; when full, the one that answered longest ago is forgotten.
const TRUSTED_LIMIT: usize = 32;
/// Sockets of one connection that are remembered: one an address of this machine.
const SOCKET_LIMIT: usize = 64;

const STUN_HEADER_BYTES: usize = 20;
const STUN_MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Of ICE's checks and of nothing else we send (RFC 8445, section 7.1.1).
const STUN_PRIORITY: u16 = 0x0024;

type TransactionId = [u8; 12];

/// What a received datagram may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// Passes, and the peer answered a check of ours: it is there and agrees to be sent to (RFC 7675).
    Consent,
    /// From a stranger.
    Drop,
    /// From the peer, but the stack must not see it.
    Repeat,
    /// A check of the peer's, from where it is known to be.
    Asked,
    /// From the peer at a new address: that has to prove itself before the stack hears of it.
    News,
}

/// Why we sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To see whether the peer is there.
    Check,
    /// To learn our address or to be relayed.
    Server,
}

struct Pending {
    id: TransactionId,
    destination: SocketAddr,
    purpose: Purpose,
}

/// Which addresses are believed. Pure.
#[derive(Default)]
struct SourceFilter {
    pending: VecDeque<Pending>,
    trusted: HashMap<SocketAddr, Instant>,
    repeats: HandshakeRepeats,
    roaming: Roaming,
}

impl SourceFilter {
    /// We send a datagram; the destination is the real one.
    fn sent(&mut self, datagram: &[u8], destination: SocketAddr) {
        let Some((Class::Request, id)) = stun(datagram) else {
            return;
        };
        if self.pending.len() == PENDING_LIMIT {
            self.pending.pop_front();
        }
        let purpose = if has_attribute(datagram, STUN_PRIORITY) {
            Purpose::Check
        } else {
            Purpose::Server
        };
        self.pending.push_back(Pending {
            id,
            destination,
            purpose,
        });
    }

    /// A datagram arrived.
    fn received(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) -> Verdict {
        match stun(datagram) {
            None if !self.trusted.contains_key(&source) => Verdict::Drop,
            None => {
                self.roaming.heard(source, now);
                match self.repeats.is_repeat(datagram) {
                    true => Verdict::Repeat,
                    false => Verdict::Pass,
                }
            }
            Some((Class::Success, id)) => match self.answered(id, source) {
                Some(purpose) => {
                    self.trust(source, now);
                    match purpose {
                        Purpose::Check => {
                            self.roaming.answered(source, now);
                            Verdict::Consent
                        }
                        Purpose::Server => Verdict::Pass,
                    }
                }
                None => Verdict::Pass,
            },
            Some((Class::Request, _)) if self.roaming.is_news(datagram, source, now) => Verdict::News,
            Some((Class::Request, _)) if self.roaming.is_asked(datagram, source) => {
                self.roaming.heard(source, now);
                Verdict::Asked
            }
            Some((Class::Request, _)) => Verdict::Pass,
            Some((Class::Other, _)) => Verdict::Pass,
        }
    }

    fn answered(&mut self, id: TransactionId, source: SocketAddr) -> Option<Purpose> {
        let index = self
            .pending
            .iter()
            .rposition(|pending| pending.id == id && pending.destination == source)?;
        self.pending.remove(index).map(|pending| pending.purpose)
    }

    fn trust(&mut self, source: SocketAddr, now: Instant) {
        if self.trusted.len() >= TRUSTED_LIMIT
            && !self.trusted.contains_key(&source)
            && let Some(oldest) = self
                .trusted
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(address, _)| *address)
        {
            self.trusted.remove(&oldest);
        }
        self.trusted.insert(source, now);
    }
}

/// Class of a STUN message (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Request,
    Success,
    /// Indication or error.
    Other,
}

/// Class and transaction of a datagram, if it is STUN by its first byte (RFC 7983, section 7) and cookie.
fn stun(datagram: &[u8]) -> Option<(Class, TransactionId)> {
    let header = datagram.get(..STUN_HEADER_BYTES)?;
    if header[0] > 3 || header[4..8] != STUN_MAGIC_COOKIE {
        return None;
    }
    let class = match (header[0] & 1, header[1] & 0x10) {
        (0, 0) => Class::Request,
        (1, 0) => Class::Success,
        _ => Class::Other,
    };
    let id = header[8..20].try_into().ok()?;
    Some((class, id))
}

fn has_attribute(message: &[u8], wanted: u16) -> bool {
    let mut rest = message.get(STUN_HEADER_BYTES..).unwrap_or_default();
    while let [t0, t1, l0, l1, tail @ ..] = rest {
        if u16::from_be_bytes([*t0, *t1]) == wanted {
            return true;
        }
        let padded = usize::from(u16::from_be_bytes([*l0, *l1])).next_multiple_of(4);
        rest = tail.get(padded..).unwrap_or_default();
    }
    false
}

/// The filter of one connection, shared by its sockets.
#[derive(Clone)]
pub(super) struct Gate {
    filter: Arc<Mutex<SourceFilter>>,
    sockets: Arc<Mutex<Vec<Weak<GatedSocket>>>>,
    shared: Arc<Shared>,
}

/// What is to be done with a datagram that is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Where it really goes.
    pub(super) destination: SocketAddr,
    /// Whether it asks the peer whether it is there.
    pub(super) is_check: bool,
}

/// What a read brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted {
    /// Whether the peer answered a check.
    pub(super) is_proof: bool,
    /// Whether the peer checks: the answer has to leave by the way the question came.
    pub(super) is_asked: bool,
    /// To be sent back at once, to where the read came from.
    pub(super) question: Option<(Vec<u8>, SocketAddr)>,
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            filter: Arc::default(),
            sockets: Arc::default(),
            shared,
        }
    }

    fn filter(&self) -> MutexGuard<'_, SourceFilter> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, refusal: Refusal) {
        // The first one tells: its answer may be an alert too.
        self.shared.refusal.get_or_init(|| refusal);
    }

    /// Our description was set.
    pub(super) fn describe_local(&self, sdp: &str) {
        if let Some(credentials) = Credentials::of_description(sdp) {
            self.filter().roaming.describe_local(credentials);
        }
    }

    /// Theirs was.
    pub(super) fn describe_remote(&self, sdp: &str) {
        if let Some(credentials) = Credentials::of_description(sdp) {
            self.filter().roaming.describe_remote(credentials);
        }
    }

    /// The address of the peer on the path in use; none while there is no path, or a relay carries it.
    pub(super) fn settle(&self, peer: Option<SocketAddr>, now: Instant) {
        self.filter().roaming.settle(peer, now);
    }

    pub(super) fn add_socket(&self, socket: &Arc<GatedSocket>) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|known| known.strong_count() > 0);
        if sockets.len() < SOCKET_LIMIT {
            sockets.push(Arc::downgrade(socket));
        }
    }

    /// Looks for a way to the peer from the addresses that this machine has now. Silent: nothing comes; hurried: an
    /// address was lost a moment ago.
    pub(super) fn search(&self, addresses: &[IpAddr], (is_silent, is_hurried): (bool, bool), now: Instant) {
        let check = self.filter().roaming.last_check(now);
        let sockets: Vec<_> = {
            let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.iter().filter_map(Weak::upgrade).collect()
        };
        for socket in sockets {
            socket.search(addresses, (is_silent, is_hurried), check.as_ref(), now);
        }
    }

    /// A datagram is about to leave for what the stack takes for its destination.
    pub(super) fn leaving(&self, datagram: &[u8], destination: SocketAddr, now: Instant) -> Leaving {
        let class = stun(datagram).map(|(class, _)| class);
        if class.is_none() && refuses_certificate(datagram) {
            self.refused(Refusal::Ours);
        }
        let mut filter = self.filter();
        let is_check = class == Some(Class::Request) && filter.roaming.checking(datagram, destination, now);
        let destination = filter.roaming.toward(destination);
        filter.sent(datagram, destination);
        Leaving { destination, is_check }
    }

    /// Removes what may not pass from a read of `meta.len` bytes in segments of `meta.stride`; the rest moves up.
    pub(super) fn sift(&self, buffer: &mut [u8], meta: &mut RecvMeta, now: Instant) -> Sifted {
        let mut sifted = Sifted::default();
        let (end, stride) = (meta.len.min(buffer.len()), meta.stride.max(1));
        let (mut start, mut kept) = (0, 0);
        let mut filter = self.filter();
        while start < end {
            let segment = start..(start + stride).min(end);
            let length = segment.len();
            match filter.received(&buffer[segment.clone()], meta.addr, now) {
                Verdict::Drop => self.shared.count_refused(),
                Verdict::Repeat => {}
                Verdict::News => {
                    if let Some(question) = filter.roaming.question(meta.addr, now) {
                        filter.sent(&question, meta.addr);
                        sifted.question = Some((question, meta.addr));
                    }
                }
                verdict @ (Verdict::Pass | Verdict::Consent | Verdict::Asked) => {
                    sifted.is_asked |= verdict == Verdict::Asked;
                    if verdict == Verdict::Consent {
                        sifted.is_proof = true;
                        self.shared.consented(now);
                    }
                    if refuses_certificate(&buffer[segment.clone()]) {
                        self.refused(Refusal::Theirs);
                    }
                    buffer.copy_within(segment, kept);
                    kept += length;
                }
            }
            start += stride;
        }
        meta.len = kept;
        meta.addr = filter.roaming.named(meta.addr);
        sifted
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::streams::draw_local_streams;
    use super::*;

    fn message(kind: [u8; 2], id: u8, attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&kind[..], &length, &STUN_MAGIC_COOKIE, &[id; 12], attributes].concat()
    }

    fn check(id: u8) -> Vec<u8> {
        message([0, 1], id, &[0, 6, 0, 1, b'u', 0, 0, 0, 0, 0x24, 0, 4, 1, 2, 3, 4])
    }

    fn success(id: u8) -> Vec<u8> {
        message([1, 1], id, &[])
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    const HELLO: [u8; 30] = [22; 30];

    #[test]
    fn nothing_but_stun_comes_from_an_address_that_never_answered() {
        let mut filter = SourceFilter::default();
        let now = Instant::now();
        assert_eq!(filter.received(&HELLO, address(9), now), Verdict::Drop);
        assert_eq!(filter.received(&check(1), address(9), now), Verdict::Pass);
        assert_eq!(filter.received(&HELLO, address(9), now), Verdict::Drop);
    }

    #[test]
    fn an_answer_to_our_check_opens_its_source_and_no_other() {
        let mut filter = SourceFilter::default();
        let now = Instant::now();
        filter.sent(&check(7), address(9));
        assert_eq!(filter.received(&success(7), address(10), now), Verdict::Pass);
        assert_eq!(filter.received(&HELLO, address(10), now), Verdict::Drop);
        assert_eq!(filter.received(&success(7), address(9), now), Verdict::Consent);
        assert_eq!(filter.received(&HELLO, address(9), now), Verdict::Pass);
        assert_eq!(filter.received(&HELLO, address(10), now), Verdict::Drop);
        // The same answer again is a replay: it passes and proves nothing.
        assert_eq!(filter.received(&success(7), address(9), now), Verdict::Pass);
    }

    #[test]
    fn a_server_that_answers_is_believed_but_is_not_the_peer() {
        let mut filter = SourceFilter::default();
        let now = Instant::now();
        filter.sent(&message([0, 3], 5, &[]), address(3_478));
        assert_eq!(
            filter.received(&message([1, 3], 5, &[]), address(3_478), now),
            Verdict::Pass
        );
        assert_eq!(filter.received(&[0x40; 30], address(3_478), now), Verdict::Pass);
    }

    #[test]
    fn a_record_that_carries_the_cookie_is_not_stun() {
        let mut forged = HELLO;
        forged[4..8].copy_from_slice(&STUN_MAGIC_COOKIE);
        assert_eq!(
            SourceFilter::default().received(&forged, address(9), Instant::now()),
            Verdict::Drop
        );
    }

    #[test]
    fn both_tables_stay_bounded_and_the_freshest_addresses_stay() {
        let mut filter = SourceFilter::default();
        let start = Instant::now();
        for port in 1..200_u16 {
            let id = (port % 250) as u8;
            filter.sent(&check(id), address(port));
            filter.received(&success(id), address(port), start + Duration::from_millis(port.into()));
        }
        assert_eq!(filter.trusted.len(), TRUSTED_LIMIT);
        assert!(filter.trusted.contains_key(&address(199)));
        assert!(!filter.trusted.contains_key(&address(1)));
        for _ in 0..2 * PENDING_LIMIT {
            filter.sent(&check(1), address(1));
        }
        assert_eq!(filter.pending.len(), PENDING_LIMIT);
    }

    #[test]
    fn refused_segments_leave_a_coalesced_read() {
        let shared = Arc::new(Shared::new(draw_local_streams().unwrap().0, Instant::now()));
        let gate = Gate::new(Arc::clone(&shared));
        let request = message([0, 1], 3, &[]);
        let forged = [22_u8; STUN_HEADER_BYTES];
        let mut buffer = [&forged[..], &request, &forged, &request[..]].concat();
        let mut meta = RecvMeta::default();
        (meta.len, meta.stride, meta.addr) = (buffer.len(), STUN_HEADER_BYTES, address(9));
        gate.sift(&mut buffer, &mut meta, Instant::now());
        assert_eq!(buffer[..meta.len], [&request[..], &request].concat());
        assert_eq!(shared.refused(), 2);
    }
}
