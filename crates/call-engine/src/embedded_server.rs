//! The signaling server inside the application: what a call uses when no other is configured.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use signaling_protocol::invite::{Security, ServerAddress};
use signaling_server::{Server, ServerConfig, ServerError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server; told to stop when dropped.
pub(crate) struct EmbeddedServer {
    address: ServerAddress,
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl EmbeddedServer {
    /// Binds and starts to serve. An unspecified listening address is reached by the LAN address.
    pub(crate) async fn start(listen: SocketAddr) -> Result<Self, ServerError> {
        let server = Server::bind(ServerConfig {
            listen,
            ..ServerConfig::default()
        })
        .await?;
        let bound = server.local_addr();
        let host = if bound.ip().is_unspecified() {
            lan_address()
        } else {
            bound.ip()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            server
                .run(async move {
                    // Dropping the sender counts as well: either way the server is to stop.
                    stopped.await.unwrap_or_default();
                })
                .await;
        });
        Ok(Self {
            address: ServerAddress::from_socket_addr(Security::Plain, SocketAddr::new(host, bound.port())),
            port: bound.port(),
            stop,
            task,
        })
    }

    /// Where it listens, on every address it was told to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What goes into the link.
    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Says goodbye to whoever is connected and frees the port.
    pub(crate) async fn stop(self) {
        let Self { stop, task, .. } = self;
        drop(stop);
        if let Err(error) = task.await {
            tracing::error!(%error, "the embedded signaling server failed");
        }
    }
}

/// The address friends on the same network reach this machine by: private IPv4 first, then any IPv4 that is
/// not loopback, else loopback.
fn lan_address() -> IpAddr {
    let addresses: Vec<Ipv4Addr> = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces
            .iter()
            .filter_map(|interface| match interface.ip() {
                IpAddr::V4(address) if !address.is_loopback() && !address.is_link_local() => Some(address),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            })
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "network interfaces could not be listed");
            Vec::new()
        }
    };
    let private = addresses.iter().find(|address| address.is_private());
    IpAddr::V4(*private.or(addresses.first()).unwrap_or(&Ipv4Addr::LOCALHOST))
}
