//! A socket behind the gate, with others beside it for the time when this machine's address changes.
//!
//! The stack binds a socket to each address and keeps to it. When the address of the one in use is gone, or nothing
//! comes through it while this machine has others, checks leave from those too, and the way by which the peer answers
//! first carries everything from then on. The stack does not notice; the peer follows, see [`super::roaming`].

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, TokioRuntime, Transmit};

use super::setup::is_link_local;
use super::source_filter::{Gate, Sifted};

/// Ways beside the socket's own: interfaces that may lead to the peer.
const SPARE_LIMIT: usize = 4;
/// A way by which no check was answered for so long may be left for one by which one was.
const WAY_LASTS: Duration = Duration::from_millis(700);
/// A socket without a check for so long is not the one in use.
const USED_WITHIN: Duration = Duration::from_secs(2);

/// A socket from another address of this machine.
#[derive(Debug)]
struct Spare {
    address: IpAddr,
    socket: Arc<dyn AsyncUdpSocket>,
    /// When a check was answered by this way.
    proved: Option<Instant>,
}

#[derive(Debug, Default)]
struct Ways {
    spares: Vec<Spare>,
    /// The spare that everything takes; none: the socket's own way.
    taken: Option<IpAddr>,
    /// When a check was answered by the socket's own way.
    proved: Option<Instant>,
    /// When a check left.
    used: Option<Instant>,
    /// Whoever reads: to be told of spares that are new.
    reader: Option<Waker>,
}

impl Ways {
    fn taken(&self) -> Option<&Spare> {
        let taken = self.taken?;
        self.spares.iter().find(|spare| spare.address == taken)
    }

    fn proof(&mut self, way: Option<IpAddr>, now: Instant) {
        let proved = match way {
            None => &mut self.proved,
            Some(address) => match self.spares.iter_mut().find(|spare| spare.address == address) {
                Some(spare) => &mut spare.proved,
                None => return,
            },
        };
        *proved = Some(now);
        let last = match self.taken() {
            Some(spare) => spare.proved,
            None => self.proved,
        };
        let is_good = last.is_some_and(|last| now.saturating_duration_since(last) < WAY_LASTS);
        if self.taken != way && !is_good {
            tracing::info!("packets to a participant take another interface now");
            self.taken = way;
        }
    }

    /// Forgets the ways whose addresses are gone.
    fn keep(&mut self, own: IpAddr, addresses: &[IpAddr]) {
        self.spares.retain(|spare| addresses.contains(&spare.address));
        if self.taken().is_none() {
            self.taken = None;
        }
        if !addresses.contains(&own) {
            self.proved = None;
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct RoamingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    own: IpAddr,
    gate: Gate,
    ways: Mutex<Ways>,
}

impl RoamingSocket {
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, local: SocketAddr, gate: Gate) -> Self {
        Self {
            own: local.ip(),
            local,
            socket,
            gate,
            ways: Mutex::default(),
        }
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the last check from all other addresses of this machine, when the way taken is gone or nothing comes by it.
    pub(super) fn search(
        &self,
        addresses: &[IpAddr],
        (is_silent, is_hurried): (bool, bool),
        check: Option<&(Vec<u8>, SocketAddr)>,
        now: Instant,
    ) {
        let mut ways = self.ways();
        let is_used = ways
            .used
            .is_some_and(|used| now.saturating_duration_since(used) < USED_WITHIN);
        if !is_used {
            return;
        }
        ways.keep(self.own, addresses);
        let is_gone = ways.taken.is_none() && !addresses.contains(&self.own);
        let Some((check, destination)) = check.filter(|_| is_silent || is_gone || is_hurried && ways.taken.is_some())
        else {
            return;
        };
        let fits = |address: &&IpAddr| {
            address.is_ipv4() == self.own.is_ipv4()
                && **address != self.own
                && !address.is_loopback()
                && !is_link_local(**address)
        };
        for address in addresses.iter().filter(fits).take(SPARE_LIMIT) {
            if ways.spares.iter().any(|spare| spare.address == *address) {
                continue;
            }
            match bind(*address, check, *destination) {
                Ok(socket) => ways.spares.push(Spare {
                    address: *address,
                    socket,
                    proved: None,
                }),
                Err(error) => tracing::debug!(%error, "no socket for another interface"),
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        for spare in &ways.spares {
            send_now(spare.socket.as_ref(), &mut context, check, *destination);
        }
        if ways.taken.is_some() {
            send_now(self.socket.as_ref(), &mut context, check, *destination);
        }
        if let Some(reader) = ways.reader.take() {
            reader.wake();
        }
    }

    fn read(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<(usize, Option<IpAddr>)>> {
        match self.socket.poll_recv(context, buffers, metas) {
            Poll::Ready(Ok(count)) => return Poll::Ready(Ok((count, None))),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
        let mut ways = self.ways();
        if !ways
            .reader
            .as_ref()
            .is_some_and(|reader| reader.will_wake(context.waker()))
        {
            ways.reader = Some(context.waker().clone());
        }
        for spare in &ways.spares {
            match spare.socket.poll_recv(context, buffers, metas) {
                Poll::Ready(Ok(count)) => return Poll::Ready(Ok((count, Some(spare.address)))),
                Poll::Ready(Err(error)) => tracing::debug!(%error, "another interface cannot be read"),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// What came by this way: sifted, and answered where it asks for it.
    fn take_in(&self, way: Option<IpAddr>, sifted: Sifted, context: &mut Context<'_>, now: Instant) {
        let Sifted {
            is_proof,
            is_asked,
            question,
        } = sifted;
        // Who asks by the socket's own way says nothing of whether answers arrive.
        let is_proof = is_proof || is_asked && way.is_some();
        if !is_proof && question.is_none() {
            return;
        }
        let mut ways = self.ways();
        if let Some((question, destination)) = question {
            let spare = ways.spares.iter().find(|spare| Some(spare.address) == way);
            let socket = spare.map_or(&self.socket, |spare| &spare.socket);
            send_now(socket.as_ref(), context, &question, destination);
        }
        if is_proof {
            ways.proof(way, now);
        }
    }
}

fn bind(address: IpAddr, check: &[u8], destination: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = std::net::UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    // A socket that the runtime has just taken is not known to be writable yet.
    socket.send_to(check, destination)?;
    TokioRuntime.wrap_udp_socket(socket)
}

/// Sends, or does not: it is said again soon.
fn send_now(socket: &dyn AsyncUdpSocket, context: &mut Context<'_>, contents: &[u8], destination: SocketAddr) {
    let transmit = Transmit {
        destination,
        ecn: None,
        contents,
        segment_size: None,
        src_ip: None,
    };
    match socket.poll_send(context, &transmit) {
        Poll::Ready(Err(error)) => tracing::debug!(%error, "a check did not leave"),
        Poll::Ready(Ok(_)) | Poll::Pending => {}
    }
}

/// Whether an error says that there is no network at present: for the stack a packet was lost.
fn is_network_away(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, InvalidInput, NetworkDown, NetworkUnreachable};
    matches!(
        error.kind(),
        AddrNotAvailable | HostUnreachable | InvalidInput | NetworkDown | NetworkUnreachable
    )
}

impl AsyncUdpSocket for RoamingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        // Before it leaves: the answer may be faster than our return.
        let leaving = self.gate.leaving(transmit.contents, transmit.destination, now);
        let mut ways = self.ways();
        if leaving.is_check {
            ways.used = Some(now);
        }
        let transmit = Transmit {
            destination: leaving.destination,
            ecn: transmit.ecn,
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip.filter(|_| ways.taken.is_none()),
        };
        let socket = ways.taken().map_or(&self.socket, |spare| &spare.socket);
        match socket.poll_send(context, &transmit) {
            Poll::Ready(Err(error)) if is_network_away(&error) => Poll::Ready(Ok(transmit.contents.len())),
            other => other,
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let (count, way) = match self.read(context, buffers, metas) {
                Poll::Ready(Ok(read)) => read,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            let now = Instant::now();
            let mut passed = false;
            for (buffer, meta) in buffers.iter_mut().zip(metas.iter_mut()).take(count) {
                let sifted = self.gate.sift(self.local, buffer, meta, now);
                self.take_in(way, sifted, context, now);
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
