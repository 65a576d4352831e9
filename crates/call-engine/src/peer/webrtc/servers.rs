//! The servers of one connection: what the stack below is told of them, and what their addresses stand for.
//!
//! The stack skips TURN over TCP and TLS. Such a server gets an address that exists nowhere, from ranges that are never
//! routed, and the stack is told of a TURN server over UDP there; the socket knows what goes to it ([`super::gated`]).
//! Names are looked up all at once and for a bounded time, because the stack asks for one after the other and does
//! nothing else meanwhile.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use webrtc::peer_connection::RTCIceServer;

use crate::peer::ice_url::{IceServerKind, IceUrl, ServerTransport};
use crate::peer::relay_stream::tls::{ExtraRoots, Trust};
use crate::peer::{IceServer, PeerError};

/// Servers of one list that are used.
const MAX_SERVERS: usize = 16;
/// Servers over a stream that one connection gets to know in its life, as lists are replaced.
const MAX_STREAMS: usize = 256;
/// A name that takes longer is left out until the next search for a path: nothing is gathered meanwhile.
const LOOKUP_LIMIT: Duration = Duration::from_millis(1_500);
/// For so long an answer is taken for true.
const LOOKUP_KEPT: Duration = Duration::from_secs(30);
/// Ends the made-up names of servers over a stream (RFC 6761, section 6.4: never in the DNS).
const MADE_UP: &str = ".stream.invalid";

type Answer = Option<Result<Vec<SocketAddr>, io::ErrorKind>>;

struct Lookup {
    begun: Instant,
    answer: watch::Receiver<Answer>,
}

#[derive(Default)]
struct Known {
    present: Vec<(IceUrl, IceServer)>,
    /// All servers over a stream ever heard of; the place is the number.
    streams: Vec<IceUrl>,
    lookups: HashMap<String, Lookup>,
}

/// See the module. Shared by the sockets of a connection.
pub(super) struct Servers {
    known: Mutex<Known>,
    pub(super) trust: Trust,
}

impl Servers {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(servers: &[IceServer], roots: &ExtraRoots) -> Result<Self, PeerError> {
        let this = Self {
            known: Mutex::default(),
            trust: Trust::new(roots).map_err(PeerError::Create)?,
        };
        this.replace(servers);
        Ok(this)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses these from the next search for a path on.
    pub(super) fn replace(&self, servers: &[IceServer]) {
        let mut known = self.known();
        known.present.clear();
        for server in servers.iter().take(MAX_SERVERS) {
            match IceUrl::parse(&server.url) {
                Ok(url) => {
                    if url.transport != ServerTransport::Udp && !known.streams.contains(&url) {
                        if known.streams.len() == MAX_STREAMS {
                            tracing::warn!("too many different relay servers: one is left out");
                            continue;
                        }
                        known.streams.push(url.clone());
                    }
                    known.present.push((url, server.clone()));
                }
                Err(error) => tracing::warn!(%error, "the address of a STUN or TURN server is of no use"),
            }
        }
    }

    /// As the stack below is to know them.
    pub(super) fn for_stack(&self) -> Vec<RTCIceServer> {
        let known = self.known();
        let told = known.present.iter().map(|(url, server)| {
            let number = known.streams.iter().position(|stream| stream == url);
            let url = match number {
                Some(number) => format!("turn:{number}{MADE_UP}:{}?transport=udp", url.port),
                None => url.to_string(),
            };
            RTCIceServer {
                urls: vec![url],
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.clone().unwrap_or_default(),
            }
        });
        told.collect()
    }

    /// Whether a relay of this transport is in the present list.
    pub(super) fn has_relay(&self, transport: ServerTransport) -> bool {
        let known = self.known();
        let mut urls = known.present.iter().map(|(url, _)| url);
        urls.any(|url| url.kind == IceServerKind::Turn && url.transport == transport)
    }

    /// Whether STUN is in the present list.
    pub(super) fn has_stun(&self) -> bool {
        let known = self.known();
        known.present.iter().any(|(url, _)| url.kind == IceServerKind::Stun)
    }

    /// What a made-up address stands for.
    pub(super) fn stream(&self, address: SocketAddr) -> Option<IceUrl> {
        let number = made_up_number(address.ip())?;
        let known = self.known();
        known
            .streams
            .get(number)
            .filter(|url| url.port == address.port())
            .cloned()
    }

    /// Passwords that go with a user's name in the present list.
    pub(super) fn passwords(&self, username: &str) -> Vec<String> {
        let known = self.known();
        let servers = known.present.iter().map(|(_, server)| server);
        servers
            .filter(|server| server.username.as_deref() == Some(username))
            .filter_map(|server| server.credential.clone())
            .collect()
    }

    /// Addresses of `host:port` as the stack writes it, which puts no brackets around an IPv6 address.
    pub(super) async fn resolve(self: &Arc<Self>, host: &str) -> io::Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.resolve_at_once(host) {
            return addresses;
        }
        let (begun, mut answer) = self.look_up(host);
        let found = timeout_at(begun + LOOKUP_LIMIT, answer.wait_for(Option::is_some)).await;
        match found {
            Ok(Ok(answer)) => match answer.as_ref() {
                Some(Ok(addresses)) => Ok(addresses.clone()),
                Some(Err(kind)) => Err((*kind).into()),
                None => Err(io::ErrorKind::NotFound.into()),
            },
            Ok(Err(_)) => Err(io::ErrorKind::NotFound.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// What needs nobody to be asked.
    fn resolve_at_once(&self, host: &str) -> Option<io::Result<Vec<SocketAddr>>> {
        let (name, port) = host.rsplit_once(':')?;
        let port = port.parse().ok()?;
        if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Ok(vec![SocketAddr::new(ip, port)]));
        }
        let number: usize = name.strip_suffix(MADE_UP)?.parse().ok()?;
        let url = self.known().streams.get(number).cloned();
        Some(match url {
            Some(url) => Ok(made_up_addresses(number)
                .into_iter()
                .filter(|made_up| url.ip().is_none_or(|ip| ip.is_ipv4() == made_up.is_ipv4()))
                .map(|made_up| SocketAddr::new(made_up, port))
                .collect()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    /// Asks for the names of all servers over UDP, unless that was done a moment ago.
    pub(super) fn look_up_all(self: &Arc<Self>) {
        let names: Vec<String> = {
            let known = self.known();
            let urls = known.present.iter().map(|(url, _)| url);
            urls.filter(|url| url.transport == ServerTransport::Udp && url.ip().is_none())
                .map(IceUrl::authority)
                .collect()
        };
        for name in names {
            self.look_up(&name);
        }
    }

    fn look_up(self: &Arc<Self>, host: &str) -> (Instant, watch::Receiver<Answer>) {
        let now = Instant::now();
        let mut known = self.known();
        known
            .lookups
            .retain(|_, lookup| now.duration_since(lookup.begun) < LOOKUP_KEPT);
        let lookup = known.lookups.entry(host.to_owned()).or_insert_with(|| {
            let (told, answer) = watch::channel(None);
            let host = host.to_owned();
            tokio::spawn(async move {
                let found = tokio::net::lookup_host(host).await;
                told.send_replace(Some(found.map(Iterator::collect).map_err(|error| error.kind())));
            });
            Lookup { begun: now, answer }
        });
        (lookup.begun, lookup.answer.clone())
    }
}

/// 240.0.0.0/4 is reserved (RFC 1112, section 4), `100::/64` is discarded (RFC 6666): no packet ever comes from there.
fn made_up_addresses(number: usize) -> [IpAddr; 2] {
    let number = number as u16;
    let [high, low] = number.to_be_bytes();
    [
        Ipv4Addr::new(240, 0, high, low).into(),
        Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, number).into(),
    ]
}

fn made_up_number(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [240, 0, high, low] => Some(u16::from_be_bytes([high, low]).into()),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0x100, 0, 0, 0, 0, 0, 0, number] => Some(number.into()),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, username: &str) -> IceServer {
        IceServer {
            url: url.to_owned(),
            username: Some(username.to_owned()),
            credential: Some(format!("{username}'s password")),
        }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn servers(urls: &[&str]) -> Arc<Servers> {
        let servers: Vec<_> = urls.iter().map(|url| server(url, "anna")).collect();
        Arc::new(Servers::new(&servers, &ExtraRoots::default()).unwrap())
    }

    #[tokio::test]
    async fn a_server_over_a_stream_is_told_as_one_over_udp_at_an_address_that_leads_back_to_it() {
        let servers = servers(&[
            "turn:a.example",
            "turns:a.example:443",
            "turn:[2001:db8::1]:80?transport=tcp",
        ]);
        let told: Vec<String> = servers.for_stack().into_iter().flat_map(|server| server.urls).collect();
        assert_eq!(
            told,
            [
                "turn:a.example:3478?transport=udp",
                "turn:0.stream.invalid:443?transport=udp",
                "turn:1.stream.invalid:80?transport=udp",
            ]
        );
        let both = servers.resolve("0.stream.invalid:443").await.unwrap();
        assert_eq!(both, addresses(&["240.0.0.0:443", "[100::]:443"]));
        for address in both {
            assert_eq!(
                servers.stream(address).unwrap().to_string(),
                "turns:a.example:443?transport=tcp"
            );
        }
        // Of an address only its own family.
        let one = servers.resolve("1.stream.invalid:80").await.unwrap();
        assert_eq!(one, addresses(&["[100::1]:80"]));
        assert!(servers.resolve("2.stream.invalid:80").await.is_err());
    }

    #[tokio::test]
    async fn an_address_needs_no_brackets() {
        let servers = servers(&[]);
        for (host, address) in [
            ("2001:db8::2:3478", "[2001:db8::2]:3478"),
            ("[2001:db8::2]:3478", "[2001:db8::2]:3478"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(servers.resolve(host).await.unwrap(), addresses(&[address]));
        }
    }

    #[test]
    fn no_other_address_leads_to_a_stream() {
        let servers = servers(&["turns:a.example:443"]);
        for address in [
            "240.0.0.0:444",
            "240.0.0.1:443",
            "240.1.0.0:443",
            "[100::1:0]:443",
            "127.0.0.1:443",
        ] {
            assert_eq!(servers.stream(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn a_new_list_keeps_the_numbers_of_streams_that_are_in_use() {
        let servers = servers(&["turns:a.example", "turn:a.example?transport=tcp"]);
        servers.replace(&[
            server("turn:a.example?transport=tcp", "bert"),
            server("nonsense", "bert"),
        ]);
        let told = servers.for_stack();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].urls, ["turn:1.stream.invalid:3478?transport=udp"]);
        assert_eq!(told[0].username, "bert");
        assert_eq!(servers.passwords("bert"), ["bert's password"]);
        assert!(servers.passwords("anna").is_empty());
        assert!(servers.has_relay(ServerTransport::Tcp) && !servers.has_relay(ServerTransport::Tls));
        assert!(servers.stream("240.0.0.0:5349".parse().unwrap()).is_some());
    }
}
