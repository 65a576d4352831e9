//! Opens a stream to a relay server: name, TCP, and for `turns:` TLS with the server's name checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::StreamOrder;
use crate::peer::ice_url::{IceUrl, ServerTransport};

/// The name, the connection and the handshake may take this long each.
const STEP: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 3;
/// What the system may hold back unsent: more would be latency that nobody sees.
const UNSENT_BYTES: libc::c_int = 16 * 1024;

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamFailure {
    /// The name has no address, or nobody could be asked.
    Name(String),
    /// The server has no address of the family of our socket, or cannot be reached from its interface at all.
    NoRoute,
    /// Nothing answers there, or the connection was refused.
    Unreachable(String),
    /// It answers, but its certificate is not trusted or of another name.
    Certificate(String),
    /// It answers, but does not speak TLS as we do.
    Handshake(String),
    /// It was there and ended.
    Broken(String),
    /// What came over it is not TURN.
    NotTurn(String),
    /// We closed it.
    Closed,
}

/// A stream, encrypted or not.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// Opens the stream of an order.
pub(super) async fn open(order: &StreamOrder) -> Result<Stream, StreamFailure> {
    let tcp = connect(&order.url, order.local).await?;
    match order.url.transport {
        ServerTransport::Udp | ServerTransport::Tcp => Ok(Stream::Plain(tcp)),
        ServerTransport::Tls => {
            let name = ServerName::try_from(order.url.host.clone())
                .map_err(|error| StreamFailure::Name(format!("{}: {error}", order.url.host)))?;
            let connector = TlsConnector::from(order.tls.config());
            match timeout(STEP, connector.connect(name, tcp)).await {
                Ok(Ok(stream)) => Ok(Stream::Encrypted(Box::new(stream))),
                Ok(Err(error)) => Err(handshake_failure(&error)),
                Err(_) => Err(StreamFailure::Handshake("it takes too long".to_owned())),
            }
        }
    }
}

fn handshake_failure(error: &io::Error) -> StreamFailure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => StreamFailure::Certificate(why.to_string()),
        _ => StreamFailure::Handshake(error.to_string()),
    }
}

async fn connect(url: &IceUrl, local: IpAddr) -> Result<TcpStream, StreamFailure> {
    let addresses: Vec<SocketAddr> = match url.ip() {
        Some(ip) => vec![SocketAddr::new(ip, url.port)],
        None => match timeout(STEP, tokio::net::lookup_host(url.authority())).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(StreamFailure::Name(error.to_string())),
            Err(_) => return Err(StreamFailure::Name("nobody answers who knows it".to_owned())),
        },
    };
    let mut failure = StreamFailure::NoRoute;
    let usable = addresses.iter().filter(|address| suits(address.ip(), local));
    for address in usable.take(ADDRESSES_TRIED) {
        match timeout(STEP, connect_to(*address, local)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = StreamFailure::Unreachable(error.to_string()),
            Err(_) => failure = StreamFailure::Unreachable("nothing answers".to_owned()),
        }
    }
    Err(failure)
}

/// Whether a server can be reached from an address of ours: of one family, and not from the loopback interface out.
fn suits(server: IpAddr, local: IpAddr) -> bool {
    server.is_ipv4() == local.is_ipv4() && (!local.is_loopback() || server.is_loopback())
}

async fn connect_to(address: SocketAddr, local: IpAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if !local.is_unspecified() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    hold_back_little(&stream);
    Ok(stream)
}

/// Asks the system to call a stream full early; where it cannot, the queue is longer.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn hold_back_little(stream: &TcpStream) {
    use std::os::fd::AsRawFd;
    let (value, length) = (UNSENT_BYTES, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the descriptor is open as long as `stream` is borrowed, and the option is an integer that is only read.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            std::ptr::from_ref(&value).cast(),
            length,
        )
    };
    if done != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "the system does not limit what waits unsent");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn hold_back_little(_: &TcpStream) {
    let _ = UNSENT_BYTES;
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
