//! tokio as the stack below sees it: every UDP socket behind the gate, servers over a stream reached through sockets
//! that know them, names looked up for a bounded time.
//!
//! In: datagrams of the stack. Out: the same, but for what [`super::source_filter`] refuses; what goes to the made-up
//! address of a relay over TCP or TLS ([`super::servers`]) leaves by a [`RelayStream`]. Runs on the connection's worker.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use super::pulse::Pulse;
use super::roaming_socket::RoamingSocket;
use super::source_filter::Gate;
use super::stun;
use crate::peer::ice_url::{IceUrl, ServerTransport};
use crate::peer::relay_stream::{HeadStart, RelayStream, StreamGone, StreamOrder};

/// Names of the local network are asked for on this port; they are not part of any connection.
const MDNS_PORT: u16 = 5_353;
/// Messages of relays that wait to be read by one socket; more are lost, as datagrams would be.
const INCOMING: usize = 512;
/// A relay over UDP, which keeps no lost packet's successors waiting, is better: this is its lead. A stream needs about
/// as long to come up.
const HEAD_START: Duration = Duration::from_millis(250);
/// And when it answered, the stream is only there in case the relay forwards nothing.
const HEAD_START_WON: Duration = Duration::from_millis(1_500);

/// See the module.
#[derive(Debug)]
pub(super) struct GatedRuntime {
    tokio: TokioRuntime,
    gate: Gate,
    pulse: Pulse,
}

impl GatedRuntime {
    pub(super) fn new(gate: Gate) -> Self {
        Self {
            tokio: TokioRuntime,
            gate,
            pulse: Pulse::default(),
        }
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for GatedRuntime {
    fn spawn(&self, future: Later<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let socket = self.tokio.wrap_udp_socket(socket)?;
        if local.port() == MDNS_PORT {
            return Ok(socket);
        }
        let socket = Arc::new(RoamingSocket::new(socket, local, self.gate.clone()));
        self.gate.add_socket(&socket);
        Ok(Arc::new(GatedSocket {
            socket,
            local,
            streams: Streams::new(self.gate.clone()),
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
        Box::pin(async move {
            self.gate.servers.look_up_all();
            let found = self.gate.servers.resolve(host).await;
            if found.is_err() {
                self.gate.findings.name_unknown();
            }
            found
        })
    }

    fn sleep(&self, duration: Duration) -> Later<'static, ()> {
        match self.pulse.next(self.gate.findings.is_relayed()) {
            Some(at_once) => Box::pin(at_once),
            None => self.tokio.sleep(duration),
        }
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

/// The streams of one socket: a relay knows us by where we come from, so that no two sockets share one.
struct Streams {
    gate: Gate,
    open: Mutex<HashMap<SocketAddr, RelayStream>>,
    sender: mpsc::Sender<(SocketAddr, Bytes)>,
    incoming: Mutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
    /// Whose turn it is to be read first, so that neither starves the other.
    turn: AtomicBool,
}

impl fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl Streams {
    fn new(gate: Gate) -> Self {
        let (sender, incoming) = mpsc::channel(INCOMING);
        Self {
            gate,
            open: Mutex::default(),
            sender,
            incoming: Mutex::new(incoming),
            turn: AtomicBool::new(false),
        }
    }

    /// Sends to what `url` is, which the stack knows as `address`; opens the stream the first time.
    fn send(&self, local: SocketAddr, address: SocketAddr, url: IceUrl, datagram: &[u8]) -> Result<(), StreamGone> {
        // Whatever the peer named as its address: a relay is asked for nothing but relaying.
        if stun::header(datagram).is_some_and(|header| header.method == stun::BINDING) {
            return Ok(());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = open.entry(address).or_insert_with(|| self.start(local, address, url));
        stream.send(datagram)
    }

    fn start(&self, local: SocketAddr, address: SocketAddr, url: IceUrl) -> RelayStream {
        let (findings, transport) = (Arc::clone(&self.gate.findings), url.transport);
        let for_head_start = Arc::clone(&findings);
        let head_start = self.gate.servers.has_relay(ServerTransport::Udp).then(|| HeadStart {
            at_least: HEAD_START,
            more_if: Arc::new(move || for_head_start.has_udp_relay()),
            more: HEAD_START_WON,
        });
        RelayStream::start(StreamOrder {
            url,
            local: local.ip(),
            tls: self.gate.servers.trust.clone(),
            head_start,
            stands_for: address,
            incoming: self.sender.clone(),
            on_event: Arc::new(move |event| findings.stream(transport, &event)),
        })
    }

    /// One message into each buffer. The number of buffers that are filled; 0 is the same as `Pending`.
    fn poll_recv(
        &self,
        local: SocketAddr,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> usize {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let room = buffers.len().min(metas.len());
        let mut filled = 0;
        while filled < room {
            let Poll::Ready(Some((source, message))) = incoming.poll_recv(context) else {
                break;
            };
            let Some(place) = buffers[filled].get_mut(..message.len()) else {
                continue;
            };
            place.copy_from_slice(&message);
            let mut meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (source, message.len(), message.len());
            self.gate.sift(local, &mut buffers[filled], &mut meta, Instant::now());
            if meta.len > 0 {
                metas[filled] = meta;
                filled += 1;
            }
        }
        filled
    }
}

#[derive(Debug)]
struct GatedSocket {
    /// Behind the gate already.
    socket: Arc<RoamingSocket>,
    local: SocketAddr,
    streams: Streams,
    gate: Gate,
}

impl GatedSocket {
    fn send_to_stream(&self, url: &IceUrl, transmit: &Transmit<'_>) -> io::Result<usize> {
        let (destination, contents) = (transmit.destination, transmit.contents);
        let size = transmit.segment_size.unwrap_or(contents.len()).max(1);
        for datagram in contents.chunks(size) {
            self.gate.sent(datagram, destination);
            let datagram = self.gate.renewed(self.local, datagram, destination);
            self.streams
                .send(self.local, destination, url.clone(), &datagram)
                .map_err(|gone| io::Error::new(io::ErrorKind::NotConnected, gone))?;
        }
        Ok(contents.len())
    }
}

impl AsyncUdpSocket for GatedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if let Some(url) = self.gate.servers.stream(transmit.destination) {
            return Poll::Ready(self.send_to_stream(&url, transmit));
        }
        let contents = self.gate.renewed(self.local, transmit.contents, transmit.destination);
        let renewed = Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn,
            contents: &contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        self.socket.poll_send(context, &renewed)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let datagrams_first = self.streams.turn.fetch_not(Ordering::Relaxed);
        if datagrams_first && let Poll::Ready(read) = self.socket.poll_recv(context, buffers, metas) {
            return Poll::Ready(read);
        }
        match self.streams.poll_recv(self.local, context, buffers, metas) {
            0 if datagrams_first => Poll::Pending,
            0 => self.socket.poll_recv(context, buffers, metas),
            filled => Poll::Ready(Ok(filled)),
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}
