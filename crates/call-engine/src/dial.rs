//! TCP to the server, by several attempts at once: the first to open wins.
//!
//! In: a host and a port. Out: a socket. A lost SYN costs the system a second and more, and one sent while the network
//! was away a multiple of that; another attempt a moment later costs nothing. Names that were found once are used again
//! while they are looked up anew, because the name server is as far away as everything else then.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Between two attempts; a server with several addresses gets them in turn.
const ROUND: Duration = Duration::from_millis(400);
/// How long one attempt may take: longer than a round trip over any link that is of use.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Remembers where the server is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialer {
    known: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Dialer {
    /// Connects. Whoever calls sets the limit; an error means that every address refused or nothing is known.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut addresses = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut lookup = pin!(lookup_host((host, port)));
        let mut is_looked_up = false;
        let mut attempts = FuturesUnordered::new();
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut turn, mut failures) = (0, 0);
        loop {
            tokio::select! {
                Some(outcome) = attempts.next(), if !attempts.is_empty() => match outcome {
                    Ok(stream) => return Ok(stream),
                    Err(error) => {
                        failures += 1;
                        if is_looked_up && attempts.is_empty() && failures >= addresses.len() {
                            return Err(error);
                        }
                    }
                },
                found = &mut lookup, if !is_looked_up => {
                    is_looked_up = true;
                    match found {
                        Ok(found) => {
                            let was_unknown = addresses.is_empty();
                            let mut found: Vec<SocketAddr> = found.collect();
                            found.dedup();
                            if found != addresses {
                                (addresses, turn, failures) = (found, 0, 0);
                            }
                            self.known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&addresses);
                            if was_unknown {
                                rounds.reset_immediately();
                            }
                        }
                        Err(error) if addresses.is_empty() => return Err(error),
                        // What was right a moment ago may still be.
                        Err(error) => tracing::debug!(%error, "the server's name cannot be looked up now"),
                    }
                    if addresses.is_empty() {
                        return Err(io::Error::new(io::ErrorKind::NotFound, "the server's name has no address"));
                    }
                }
                _ = rounds.tick(), if !addresses.is_empty() => {
                    let address = addresses[turn % addresses.len()];
                    turn += 1;
                    attempts.push(attempt(address));
                }
            }
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(ATTEMPT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_is_found_and_remembered() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("bound").port();
        let dialer = Dialer::default();
        let stream = dialer.dial("127.0.0.1", port).await.expect("connected");
        assert_eq!(stream.peer_addr().expect("connected").port(), port);
        assert_eq!(dialer.known.lock().expect("known").len(), 1);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_an_error_at_once() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("bound").port();
        drop(server);
        let error = Dialer::default().dial("127.0.0.1", port).await.expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
