//! Lets DTLS, SRTP and everything else that is not STUN in only from addresses that answered our STUN.
//!
//! The stack below takes such datagrams from any address: one forged ClientHello stops a call for good. A success
//! response carries the 96 random bits of our request, which nobody off the path can know, so that its source is the
//! peer or a relay of ours. STUN itself passes always: the stack checks its integrity. Runs inside the connection's
//! sockets, on the worker that drives them. What it sees of addresses goes to [`Roaming`], so that a peer may have
//! another one than the stack knows.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use webrtc::runtime::RecvMeta;

use super::findings::{Findings, Question};
use super::handshake::{Refusal, refuses_certificate};
use super::handshake_repeats::HandshakeRepeats;
use super::renewal::Renewal;
use super::roaming::{Credentials, Roaming};
use super::roaming_socket::RoamingSocket;
use super::servers::Servers;
use super::streams::Shared;
use super::stun::{self, Class, TransactionId};
use crate::peer::ice_url::ServerTransport;

/// Our requests whose answers are awaited: what all pairs of a large candidate list send in a second.
const PENDING_LIMIT: usize = 1_024;
/// Addresses of one peer and its relays; when full, the one that answered longest ago is forgotten.
const TRUSTED_LIMIT: usize = 32;
/// Sockets of one connection that are remembered: one an address of this machine.
const SOCKET_LIMIT: usize = 64;

/// What a received datagram may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// Passes, and the peer answered a check of ours: it is there and agrees to be sent to (RFC 7675).
    Consent,
    /// A server answered what it was asked.
    Answer(Question),
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
    Server(Question),
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
        let Some(header) = stun::header(datagram).filter(|header| header.class == Class::Request) else {
            return;
        };
        if self.pending.len() == PENDING_LIMIT {
            self.pending.pop_front();
        }
        let purpose = match stun::attribute(datagram, stun::PRIORITY) {
            Some(_) => Purpose::Check,
            None => Purpose::Server(Question {
                method: header.method,
                signed: stun::attribute(datagram, stun::USERNAME).is_some(),
            }),
        };
        self.pending.push_back(Pending {
            id: header.id,
            destination,
            purpose,
        });
    }

    /// A datagram arrived.
    fn received(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) -> Verdict {
        match stun::header(datagram).map(|header| (header.class, header.id)) {
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
                        Purpose::Server(question) => Verdict::Answer(question),
                    }
                }
                None => Verdict::Pass,
            },
            Some((Class::Error, id)) => match self.answered(id, source) {
                Some(Purpose::Server(question)) => Verdict::Answer(question),
                Some(Purpose::Check) | None => Verdict::Pass,
            },
            Some((Class::Request, _)) if self.roaming.is_news(datagram, source, now) => Verdict::News,
            Some((Class::Request, _)) if self.roaming.is_asked(datagram, source) => {
                self.roaming.heard(source, now);
                Verdict::Asked
            }
            Some((Class::Request | Class::Indication, _)) => Verdict::Pass,
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

/// The filter of one connection, shared by its sockets.
#[derive(Clone)]
pub(super) struct Gate {
    filter: Arc<Mutex<SourceFilter>>,
    renewal: Arc<Mutex<Renewal>>,
    sockets: Arc<Mutex<Vec<Weak<RoamingSocket>>>>,
    shared: Arc<Shared>,
    pub(super) servers: Arc<Servers>,
    pub(super) findings: Arc<Findings>,
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
    pub(super) fn new(shared: Arc<Shared>, servers: Arc<Servers>, findings: Arc<Findings>) -> Self {
        Self {
            filter: Arc::default(),
            renewal: Arc::default(),
            sockets: Arc::default(),
            shared,
            servers,
            findings,
        }
    }

    fn filter(&self) -> MutexGuard<'_, SourceFilter> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renewal(&self) -> MutexGuard<'_, Renewal> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
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

    pub(super) fn add_socket(&self, socket: &Arc<RoamingSocket>) {
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
        let class = stun::header(datagram).map(|header| header.class);
        if class.is_none() && refuses_certificate(datagram) {
            self.refused(Refusal::Ours);
        }
        let mut filter = self.filter();
        let is_check = class == Some(Class::Request) && filter.roaming.checking(datagram, destination, now);
        let destination = filter.roaming.toward(destination);
        filter.sent(datagram, destination);
        Leaving { destination, is_check }
    }

    /// A datagram on its way to a server over a stream.
    pub(super) fn sent(&self, datagram: &[u8], destination: SocketAddr) {
        self.filter().sent(datagram, destination);
    }

    /// A datagram as it has to leave: what a server refused is signed anew.
    pub(super) fn renewed<'a>(&self, local: SocketAddr, datagram: &'a [u8], destination: SocketAddr) -> Cow<'a, [u8]> {
        // Media by far most of the time: look before locking.
        let Some(header) = stun::header(datagram) else {
            return datagram.into();
        };
        if header.class != Class::Request || header.method == stun::BINDING {
            return datagram.into();
        }
        let passwords = |username: &str| self.servers.passwords(username);
        let renewed = self.renewal().renewed((local, destination), datagram, passwords);
        renewed.map_or(datagram.into(), Cow::Owned)
    }

    /// A server answered. True when the stack need not know.
    fn is_settled(&self, local: SocketAddr, source: SocketAddr, question: Question, answer: &[u8]) -> bool {
        let transport = self
            .servers
            .stream(source)
            .map_or(ServerTransport::Udp, |url| url.transport);
        self.findings.answered(transport, question, answer);
        let is_error = stun::header(answer).is_some_and(|header| header.class == Class::Error);
        is_error && question.method != stun::BINDING && self.renewal().refused((local, source), answer)
    }

    /// Removes what may not pass from a read of `meta.len` bytes in segments of `meta.stride`; the rest moves up.
    pub(super) fn sift(&self, local: SocketAddr, buffer: &mut [u8], meta: &mut RecvMeta, now: Instant) -> Sifted {
        let mut sifted = Sifted::default();
        let (end, stride) = (meta.len.min(buffer.len()), meta.stride.max(1));
        let (mut start, mut kept) = (0, 0);
        let mut filter = self.filter();
        while start < end {
            let segment = start..(start + stride).min(end);
            let length = segment.len();
            let passes = match filter.received(&buffer[segment.clone()], meta.addr, now) {
                Verdict::Drop => {
                    self.shared.count_refused();
                    false
                }
                Verdict::Repeat => false,
                Verdict::Answer(question) => !self.is_settled(local, meta.addr, question, &buffer[segment.clone()]),
                Verdict::Pass => true,
                Verdict::Asked => {
                    sifted.is_asked = true;
                    true
                }
                Verdict::News => {
                    if let Some(question) = filter.roaming.question(meta.addr, now) {
                        filter.sent(&question, meta.addr);
                        sifted.question = Some((question, meta.addr));
                    }
                    false
                }
                Verdict::Consent => {
                    sifted.is_proof = true;
                    self.shared.consented(now);
                    true
                }
            };
            if passes {
                if refuses_certificate(&buffer[segment.clone()]) {
                    self.refused(Refusal::Theirs);
                }
                buffer.copy_within(segment, kept);
                kept += length;
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
    use super::super::stun::tests::message;
    use super::*;
    use crate::peer::relay_stream::tls::ExtraRoots;

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

    fn gate(shared: &Arc<Shared>) -> Gate {
        let servers = Servers::new(&[], &ExtraRoots::default()).unwrap();
        Gate::new(Arc::clone(shared), Arc::new(servers), Arc::default())
    }

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
        let question = Question {
            method: stun::ALLOCATE,
            signed: false,
        };
        assert_eq!(
            filter.received(&message([1, 3], 5, &[]), address(3_478), now),
            Verdict::Answer(question)
        );
        assert_eq!(filter.received(&[0x40; 30], address(3_478), now), Verdict::Pass);
    }

    #[test]
    fn a_record_that_carries_the_cookie_is_not_stun() {
        let mut forged = HELLO;
        forged[4..8].copy_from_slice(&stun::MAGIC_COOKIE);
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
        let gate = gate(&shared);
        let request = message([0, 1], 3, &[]);
        let forged = [22_u8; stun::HEADER_BYTES];
        let mut buffer = [&forged[..], &request, &forged, &request[..]].concat();
        let mut meta = RecvMeta::default();
        (meta.len, meta.stride, meta.addr) = (buffer.len(), stun::HEADER_BYTES, address(9));
        gate.sift(address(1), &mut buffer, &mut meta, Instant::now());
        assert_eq!(buffer[..meta.len], [&request[..], &request].concat());
        assert_eq!(shared.refused(), 2);
    }

    #[test]
    fn a_stale_nonce_is_settled_here_and_the_answer_counts_as_one() {
        let shared = Arc::new(Shared::new(draw_local_streams().unwrap().0, Instant::now()));
        let gate = gate(&shared);
        let (local, server) = (address(1), address(3_478));
        let read = |answer: &[u8]| {
            let mut buffer = answer.to_vec();
            let mut meta = RecvMeta::default();
            (meta.len, meta.stride, meta.addr) = (buffer.len(), buffer.len(), server);
            gate.sift(local, &mut buffer, &mut meta, Instant::now());
            meta.len
        };
        let stale = [0, 9, 0, 4, 0, 0, 4, 38, 0, 0x15, 0, 4, b'n', b'e', b'w', b'!'];
        let answer = message([1, 0x14], 5, &stale);
        // Nobody asked.
        assert_eq!(read(&answer), answer.len());
        let request = message([0, 4], 5, &[]);
        gate.sent(&request, server);
        gate.renewed(local, &request, server);
        assert_eq!(read(&answer), 0);
        let facts = gate.findings.facts(&gate.servers, false, false);
        assert!(facts.udp.answered && !facts.udp.refused);
    }
}
