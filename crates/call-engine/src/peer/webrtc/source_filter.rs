//! Lets DTLS, SRTP and everything else that is not STUN in only from addresses that answered our STUN.
//!
//! The stack below takes such datagrams from any address: one forged ClientHello stops a call for good. A success
//! response carries the 96 random bits of our request, which nobody off the path can know, so that its source is the
//! peer or a relay of ours. STUN itself passes always: the stack checks its integrity. Runs inside the connection's
//! socket, on the worker that drives it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use super::handshake::{Refusal, refuses_certificate};
use super::handshake_repeats::HandshakeRepeats;
use super::streams::Shared;

/// Our requests whose answers are awaited: what all pairs of a large candidate list send in a second.
const PENDING_LIMIT: usize = 1_024;
/// Addresses of one peer and its relays; when full, the one that answered longest ago is forgotten.
const TRUSTED_LIMIT: usize = 32;
/// Names of the local network are asked for on this port; they are not part of any connection.
const MDNS_PORT: u16 = 5_353;

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
}

impl SourceFilter {
    /// We sent a datagram.
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
            None if self.repeats.is_repeat(datagram) => Verdict::Repeat,
            None => Verdict::Pass,
            Some((Class::Success, id)) => match self.answered(id, source) {
                Some(purpose) => {
                    self.trust(source, now);
                    match purpose {
                        Purpose::Check => Verdict::Consent,
                        Purpose::Server => Verdict::Pass,
                    }
                }
                None => Verdict::Pass,
            },
            Some((Class::Request | Class::Other, _)) => Verdict::Pass,
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
    shared: Arc<Shared>,
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            filter: Arc::default(),
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

    fn sent(&self, datagram: &[u8], destination: SocketAddr) {
        // Media by far most of the time: look before locking.
        if stun(datagram).is_some() {
            self.filter().sent(datagram, destination);
        } else if refuses_certificate(datagram) {
            self.refused(Refusal::Ours);
        }
    }

    /// Removes what may not pass from a read of `meta.len` bytes in segments of `meta.stride`; the rest moves up.
    fn sift(&self, buffer: &mut [u8], meta: &mut RecvMeta, now: Instant) {
        let (end, stride) = (meta.len.min(buffer.len()), meta.stride.max(1));
        let (mut start, mut kept) = (0, 0);
        let mut filter = self.filter();
        while start < end {
            let segment = start..(start + stride).min(end);
            let length = segment.len();
            match filter.received(&buffer[segment.clone()], meta.addr, now) {
                Verdict::Drop => self.shared.count_refused(),
                Verdict::Repeat => {}
                verdict @ (Verdict::Pass | Verdict::Consent) => {
                    if verdict == Verdict::Consent {
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
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// tokio, with every UDP socket behind the gate.
#[derive(Debug)]
pub(super) struct GatedRuntime {
    tokio: TokioRuntime,
    gate: Gate,
}

impl GatedRuntime {
    pub(super) fn new(gate: Gate) -> Self {
        Self {
            tokio: TokioRuntime,
            gate,
        }
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for GatedRuntime {
    fn spawn(&self, future: Later<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let port = socket.local_addr()?.port();
        let socket = self.tokio.wrap_udp_socket(socket)?;
        if port == MDNS_PORT {
            return Ok(socket);
        }
        Ok(Arc::new(GatedSocket {
            socket,
            gate: self.gate.clone(),
        }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Later<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Later<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Later<'static, ()> {
        self.tokio.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Later<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio, gated"
    }
}

#[derive(Debug)]
struct GatedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    gate: Gate,
}

impl AsyncUdpSocket for GatedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        // Before it leaves: the answer may be faster than our return.
        self.gate.sent(transmit.contents, transmit.destination);
        self.socket.poll_send(context, transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let count = match self.socket.poll_recv(context, buffers, metas) {
                Poll::Ready(Ok(count)) => count,
                other => return other,
            };
            let now = Instant::now();
            let mut passed = false;
            for (buffer, meta) in buffers.iter_mut().zip(metas.iter_mut()).take(count) {
                self.gate.sift(buffer, meta, now);
                passed |= meta.len > 0;
            }
            // A flood of refused datagrams never wakes the stack.
            if passed {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
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
