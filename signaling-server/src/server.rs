//! The server as the binary and the application run it: bind, serve, stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::admission::Admission;
use crate::config::{Limits, ServerConfig};
use crate::connection;
use crate::hub::Hub;

/// Pause after a failed `accept`, mostly for want of file descriptors: they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that is bound to its address: clients can connect, and are served once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    limits: Arc<Limits>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the sentences say it")]
pub enum ServerError {
    #[error("Another program listens on {0} already: stop it, or choose another port.")]
    AddressInUse(SocketAddr),
    #[error("This computer does not have the address {0}: listen on one of its own, or on 0.0.0.0 for all.")]
    AddressNotAvailable(SocketAddr),
    #[error("Listening on {0} is not permitted: choose a port above 1023, or run with the needed rights.")]
    NotPermitted(SocketAddr),
    #[error("Listening on {listen} failed: {source}.")]
    Listen { listen: SocketAddr, source: io::Error },
}

impl Server {
    /// Starts to listen. On Unix the port of a server that just ended can be taken again at once: tokio sets
    /// `SO_REUSEADDR` there.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        let ServerConfig { listen, limits } = config;
        let error = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::AddressInUse(listen),
            io::ErrorKind::AddrNotAvailable => ServerError::AddressNotAvailable(listen),
            io::ErrorKind::PermissionDenied => ServerError::NotPermitted(listen),
            _ => ServerError::Listen { listen, source },
        };
        let listener = TcpListener::bind(listen).await.map_err(error)?;
        let local_addr = listener.local_addr().map_err(error)?;
        Ok(Self {
            listener,
            local_addr,
            limits: Arc::new(limits),
        })
    }

    /// The address and port in use.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown`, then says goodbye to all clients. Everything it spawned has ended when it returns, and
    /// the port is free. Dropping the future ends all at once, without goodbyes.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { listener, limits, .. } = self;
        let hub = Arc::new(Hub::new(&limits));
        let mut connections = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        {
            let expiry = hub.clone();
            let accepting = accept_forever(&listener, &mut connections, &hub, &limits, &stopped);
            let (accepting, expiring, shutdown) = (pin!(accepting), pin!(expiry.expire_forever()), pin!(shutdown));
            tokio::select! {
                biased;
                () = shutdown => {}
                never = expiring => match never {},
                never = accepting => match never {},
            }
        }
        drop(listener);
        stop.send_replace(true);
        // Each connection keeps to its own time for the goodbye; this is the guard behind it.
        let all_ended = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if timeout(limits.closing_timeout * 2, all_ended).await.is_err() {
            connections.shutdown().await;
        }
        tracing::info!(blobs_dropped = hub.blobs_dropped(), "signaling server stopped");
    }
}

async fn accept_forever(
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    hub: &Arc<Hub>,
    limits: &Arc<Limits>,
    stop: &watch::Receiver<bool>,
) -> Infallible {
    let admission = Arc::new(Admission::new(limits.connections, limits.connections_per_address));
    loop {
        tokio::select! {
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match admission.admit(peer.ip()) {
                    Some(permit) => {
                        set_no_delay(&stream);
                        connections.spawn(connection::serve(stream, permit, hub.clone(), limits.clone(), stop.clone()));
                    }
                    None => tracing::debug!("a connection over the cap was dropped unanswered"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Messages are small and each one is waited for.
fn set_no_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "the task of a connection panicked; the others go on");
    }
}
