//! How many connections there may be, in all and from one address.
//!
//! Over the cap, a few more are let in only to be told so over HTTP; beyond those, connections are dropped unanswered.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections that are being told that there is no place.
const MAX_REFUSALS: usize = 64;

/// Counts the connections of a server.
#[derive(Debug)]
pub(crate) struct Admission {
    max_total: usize,
    max_per_network: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    admitted: usize,
    by_network: HashMap<IpAddr, usize>,
    refusals: usize,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    ServerFull,
    AddressFull,
}

/// A connection's entry in the counts, until dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    network: IpAddr,
    pub(crate) refusal: Option<Refusal>,
}

impl Admission {
    pub(crate) fn new(max_total: usize, max_per_network: usize) -> Self {
        Self {
            max_total,
            max_per_network,
            counts: Mutex::default(),
        }
    }

    /// `None` when not even a refusal can be afforded.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let network = network_of(address);
        let mut counts = self.lock();
        let of_network = counts.by_network.get(&network).copied().unwrap_or(0);
        let refusal = if counts.admitted >= self.max_total {
            Some(Refusal::ServerFull)
        } else if of_network >= self.max_per_network {
            Some(Refusal::AddressFull)
        } else {
            None
        };
        match refusal {
            None => {
                counts.admitted += 1;
                counts.by_network.insert(network, of_network + 1);
            }
            Some(_) if counts.refusals >= MAX_REFUSALS => return None,
            Some(_) => counts.refusals += 1,
        }
        Some(Permit {
            admission: self.clone(),
            network,
            refusal,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        if self.refusal.is_some() {
            counts.refusals -= 1;
            return;
        }
        counts.admitted -= 1;
        if let Some(count) = counts.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.by_network.remove(&self.network);
            }
        }
    }
}

/// What one subscriber has at least: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn caps_hold_and_places_come_back() {
        let admission = Arc::new(Admission::new(3, 2));
        let refusal = |permit: &Option<Permit>| permit.as_ref().unwrap().refusal;
        let first = admission.admit(ip("192.0.2.1"));
        let second = admission.admit(ip("::ffff:192.0.2.1"));
        assert_eq!((refusal(&first), refusal(&second)), (None, None));
        assert_eq!(refusal(&admission.admit(ip("192.0.2.1"))), Some(Refusal::AddressFull));
        let other = admission.admit(ip("192.0.2.2"));
        assert_eq!(refusal(&other), None);
        assert_eq!(refusal(&admission.admit(ip("192.0.2.3"))), Some(Refusal::ServerFull));
        drop(first);
        assert_eq!(refusal(&admission.admit(ip("192.0.2.1"))), None);
        drop((second, other));
        assert!(admission.lock().by_network.is_empty());
        assert_eq!(admission.lock().admitted, 0);
    }

    #[test]
    fn addresses_of_one_network_are_one_subscriber() {
        assert_eq!(
            network_of(ip("2001:db8:1:2:3::4")),
            network_of(ip("2001:db8:1:2:ffff::9"))
        );
        assert_ne!(network_of(ip("2001:db8:1:2::1")), network_of(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn refusals_are_bounded() {
        let admission = Arc::new(Admission::new(0, 1));
        let refused: Vec<_> = (0..MAX_REFUSALS).map(|_| admission.admit(ip("192.0.2.1"))).collect();
        assert!(refused.iter().all(Option::is_some));
        assert!(admission.admit(ip("192.0.2.1")).is_none());
        drop(refused);
        assert!(admission.admit(ip("192.0.2.1")).is_some());
    }
}
