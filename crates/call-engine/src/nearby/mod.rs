//! People on the same network who want to be seen, by DNS-SD over multicast DNS (RFC 6763, RFC 6762).
//!
//! In: what we announce, and the network's answers, which anybody on it can forge. Out: [`NearbyChange`]s. What is
//! announced is a label, a port and the secret that opens a door there: whoever is on the network may know them. The
//! `mdns-sd` crate keeps a thread of its own ("mDNS_daemon"); a task of ours carries its events on.

mod roster;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use call_core::clean_name;
use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::roster::Roster;

/// Changes waiting for the driver. While it is full the task waits; the daemon holds a thousand events more and then
/// drops the search, which is begun anew.
const CHANGE_CAPACITY: usize = 64;
/// Service type: our name over TCP, because what is found is a WebSocket server.
const SERVICE_TYPE: &str = "_visavis._tcp.local.";
/// Largest name in a TXT record: a key, "=" and value have 255 bytes together (RFC 6763, section 6.1).
const MAX_TXT_NAME_BYTES: usize = 253;
/// Random bytes of an instance name: 16 hexadecimal digits.
const INSTANCE_BYTES: usize = 8;
/// Where multicast DNS speaks (RFC 6762, section 3).
const MDNS_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// What others on the network see of us.
#[derive(Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What we call ourselves. Shown to anybody.
    pub name: String,
    /// TCP port of our signaling server.
    pub port: u16,
    /// Opens our door there. Anybody on the network can read it.
    pub secret: [u8; 16],
}

/// Somebody who announces themselves. All of it is their word.
#[derive(Clone, PartialEq, Eq)]
pub struct NearbyPeer {
    /// Stays the same while their program runs; means nothing else.
    pub id: String,
    /// Fit to be shown.
    pub name: String,
    /// Of their signaling server.
    pub address: SocketAddr,
    /// Opens their door there.
    pub secret: [u8; 16],
}

/// A change of who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NearbyChange {
    /// Somebody new, or somebody known with another name, address or secret.
    Found(NearbyPeer),
    /// Somebody left or hides.
    Gone {
        /// Of a peer that was found.
        id: String,
    },
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcement")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NearbyPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NearbyPeer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why nobody can be found. Trying again later may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NearbyError {
    /// No interface takes part in multicast.
    #[error("This computer is on no network where others could be found: connect it to one and try again.")]
    NoNetwork,
    /// The system refused.
    #[error("The network around cannot be searched: {0}. Try again.")]
    Search(String),
    /// The system refused, or too much was asked at once.
    #[error("Others on the network cannot be told of you: {0}. Try again.")]
    Announce(String),
}

/// Searches for others as long as it lives; they see us while something is announced. Dropping it withdraws.
pub struct Nearby {
    daemon: ServiceDaemon,
    /// New at every start, so that nothing links one day's announcement to another's.
    instance: String,
    changes: mpsc::Receiver<NearbyChange>,
    task: AbortHandle,
}

impl Nearby {
    /// Begins to search, and to announce `own` if there is one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there is no network, or the system refuses.
    pub fn start(own: Option<Announcement>) -> Result<Self, NearbyError> {
        if !reaches_a_network() {
            return Err(NearbyError::NoNetwork);
        }
        let instance = random_instance()?;
        let daemon = ServiceDaemon::new().map_err(|error| NearbyError::Search(error.to_string()))?;
        let (sender, changes) = mpsc::channel(CHANGE_CAPACITY);
        let search = Search {
            daemon: daemon.clone(),
            roster: Roster::new(instance.clone()),
            changes: sender,
        };
        let nearby = Self {
            daemon,
            instance,
            changes,
            task: tokio::spawn(search.run()).abort_handle(),
        };
        nearby.announce(own)?;
        Ok(nearby)
    }

    /// Announces something else than before, or nothing.
    ///
    /// # Errors
    /// When the system refuses; what was announced before stays.
    pub fn announce(&self, own: Option<Announcement>) -> Result<(), NearbyError> {
        let told = match own {
            Some(own) => self.daemon.register(service(&self.instance, &own)?),
            // Nobody waits for the outcome: it is a goodbye.
            None => self
                .daemon
                .unregister(&format!("{}.{SERVICE_TYPE}", self.instance))
                .map(drop),
        };
        told.map_err(|error| NearbyError::Announce(error.to_string()))
    }

    /// The next change. `None` when the search has ended for good: start another.
    pub async fn next(&mut self) -> Option<NearbyChange> {
        self.changes.recv().await
    }
}

impl Drop for Nearby {
    fn drop(&mut self) {
        self.task.abort();
        // The daemon says goodbye for us on its way out.
        if let Err(error) = self.daemon.shutdown() {
            tracing::debug!(%error, "the search for people nearby did not end cleanly");
        }
    }
}

/// Whether any interface joins a multicast group: the daemon itself only logs when none does.
fn reaches_a_network() -> bool {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else {
        return false;
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().any(|interface| match interface.ip() {
        std::net::IpAddr::V4(address) => socket.join_multicast_v4(&MDNS_GROUP, &address).is_ok(),
        // The daemon joins by itself; an address beyond this machine means that there is somebody to hear.
        std::net::IpAddr::V6(address) => !address.is_loopback(),
    })
}

fn random_instance() -> Result<String, NearbyError> {
    let mut bytes = [0; INSTANCE_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NearbyError::Search("the operating system gives no random numbers".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn service(instance: &str, own: &Announcement) -> Result<ServiceInfo, NearbyError> {
    let mut name = clean_name(&own.name);
    name.truncate(name.floor_char_boundary(MAX_TXT_NAME_BYTES));
    let texts = [
        ("v", roster::VERSION.to_owned()),
        ("n", name),
        ("s", roster::encode_secret(&own.secret)),
    ];
    let host = format!("{instance}.local.");
    let mut service = ServiceInfo::new(SERVICE_TYPE, instance, &host, "", own.port, &texts[..])
        .map_err(|error| NearbyError::Announce(error.to_string()))?
        .enable_addr_auto();
    // Random names meet no others: asking for conflicts would cost most of a second.
    service.set_requires_probe(false);
    Ok(service)
}

/// Carries the daemon's events on.
struct Search {
    daemon: ServiceDaemon,
    roster: Roster,
    changes: mpsc::Sender<NearbyChange>,
}

impl Search {
    async fn run(mut self) {
        loop {
            let events = match self.daemon.browse(SERVICE_TYPE) {
                Ok(events) => events,
                Err(error) => {
                    tracing::info!(%error, "the search for people nearby ended");
                    return;
                }
            };
            if !self.follow(&events).await {
                return;
            }
            // We did not keep up, and what was dropped is not known: begin with nobody.
            for change in self.roster.clear() {
                if self.changes.send(change).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Until the daemon drops the search. False when nobody wants to know any more.
    async fn follow(&mut self, events: &Receiver<ServiceEvent>) -> bool {
        while let Ok(event) = events.recv_async().await {
            let change = match event {
                ServiceEvent::ServiceResolved(service) => self.roster.resolved(&service),
                ServiceEvent::ServiceRemoved(_, name) => self.roster.removed(&name),
                // Names without addresses, and what we asked for ourselves.
                _ => None,
            };
            if let Some(change) = change
                && self.changes.send(change).await.is_err()
            {
                return false;
            }
        }
        true
    }
}
