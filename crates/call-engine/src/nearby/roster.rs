//! Who is there, made of what strangers announce. Pure, bounded, believes nothing that is malformed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use call_core::clean_name;
use mdns_sd::{ResolvedService, ScopedIp, TxtProperties};

use super::{NearbyChange, NearbyPeer, SERVICE_TYPE};

/// People shown at most; who comes later waits until somebody leaves.
pub(super) const MAX_PEERS: usize = 64;
/// Of the TXT record. Another number means an announcement made for other programs than this one.
pub(super) const VERSION: &str = "1";
const SECRET_BYTES: usize = 16;
const INSTANCE_DIGITS: usize = 16;

/// See the module.
pub(super) struct Roster {
    own_instance: String,
    peers: HashMap<String, NearbyPeer>,
}

impl Roster {
    pub(super) fn new(own_instance: String) -> Self {
        Self {
            own_instance,
            peers: HashMap::new(),
        }
    }

    /// Somebody announced something.
    pub(super) fn resolved(&mut self, service: &ResolvedService) -> Option<NearbyChange> {
        let id = instance(&service.fullname)?;
        if id == self.own_instance {
            return None;
        }
        let peer = read(id, service)?;
        let known = self.peers.get(id);
        if known == Some(&peer) || (known.is_none() && self.peers.len() >= MAX_PEERS) {
            return None;
        }
        self.peers.insert(id.to_owned(), peer.clone());
        Some(NearbyChange::Found(peer))
    }

    /// Somebody said goodbye or was not heard of for long.
    pub(super) fn removed(&mut self, full_name: &str) -> Option<NearbyChange> {
        let id = self.peers.remove(instance(full_name)?)?.id;
        Some(NearbyChange::Gone { id })
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) -> Vec<NearbyChange> {
        self.peers.drain().map(|(id, _)| NearbyChange::Gone { id }).collect()
    }
}

/// The first label, if it is one of ours.
fn instance(full_name: &str) -> Option<&str> {
    let instance = full_name.strip_suffix(SERVICE_TYPE)?.strip_suffix('.')?;
    let is_ours =
        instance.len() == INSTANCE_DIGITS && instance.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    is_ours.then_some(instance)
}

fn read(id: &str, service: &ResolvedService) -> Option<NearbyPeer> {
    let (name, secret) = read_texts(&service.txt_properties)?;
    let address = best_address(&service.addresses)?;
    Some(NearbyPeer {
        id: id.to_owned(),
        name,
        address: (service.port != 0).then(|| SocketAddr::new(address, service.port))?,
        secret,
    })
}

/// Name and secret.
fn read_texts(texts: &TxtProperties) -> Option<(String, [u8; SECRET_BYTES])> {
    if texts.get_property_val_str("v")? != VERSION {
        return None;
    }
    let name = std::str::from_utf8(texts.get_property_val("n")??).ok()?;
    let mut secret = [0; SECRET_BYTES];
    let length = URL_SAFE_NO_PAD
        .decode_slice(texts.get_property_val("s")??, &mut secret)
        .ok()?;
    (length == SECRET_BYTES).then(|| (clean_name(name), secret))
}

/// As the TXT record carries it.
pub(super) fn encode_secret(secret: &[u8; SECRET_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(secret)
}

/// How willingly an address is used, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Private,
    OtherV4,
    V6,
    LinkLocalV4,
    /// Two programs on one machine without a network.
    Loopback,
}

fn best_address<'a>(addresses: impl IntoIterator<Item = &'a ScopedIp>) -> Option<IpAddr> {
    let ranked = addresses
        .into_iter()
        .filter_map(|address| Some((rank(address)?, address.to_ip_addr())));
    // By number among equals, so that the choice does not depend on an order that means nothing.
    ranked.min().map(|(_, address)| address)
}

fn rank(address: &ScopedIp) -> Option<Rank> {
    match address {
        ScopedIp::V4(v4) if v4.addr().is_loopback() => heard_here(address).then_some(Rank::Loopback),
        ScopedIp::V4(v4) => rank_v4(*v4.addr()),
        ScopedIp::V6(v6) => rank_v6(*v6.addr()),
        _ => None,
    }
}

/// Nobody else on the network may send us to a program on our own machine.
fn heard_here(address: &ScopedIp) -> bool {
    let ScopedIp::V4(v4) = address else {
        return false;
    };
    let is_here = |interface: &mdns_sd::InterfaceId| interface.get_addrs().iter().any(IpAddr::is_loopback);
    !v4.interface_ids().is_empty() && v4.interface_ids().iter().all(is_here)
}

fn rank_v4(address: Ipv4Addr) -> Option<Rank> {
    if address.is_private() {
        Some(Rank::Private)
    } else if address.is_link_local() {
        Some(Rank::LinkLocalV4)
    } else if address.is_unspecified() || address.is_multicast() || address.is_broadcast() || address.octets()[0] == 0 {
        None
    } else {
        Some(Rank::OtherV4)
    }
}

/// A link-local address is good for nothing without its scope, which a link cannot carry.
fn rank_v6(address: Ipv6Addr) -> Option<Rank> {
    let useless = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some();
    (!useless).then_some(Rank::V6)
}

#[cfg(test)]
mod tests {
    use mdns_sd::{InterfaceId, ScopedIpV4, ServiceInfo};
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "0000000000000000";

    fn announced(instance: &str, address: &str, texts: &[(&str, &str)]) -> ResolvedService {
        ServiceInfo::new(SERVICE_TYPE, instance, "host.local.", address, 4433, texts)
            .unwrap()
            .as_resolved_service()
    }

    fn texts(name: &str) -> [(&str, &str); 3] {
        [("v", "1"), ("n", name), ("s", "AAECAwQFBgcICQoLDA0ODw")]
    }

    fn someone(number: usize) -> String {
        format!("{:016x}", number + 1)
    }

    #[test]
    fn somebody_is_found_once_changes_and_leaves() {
        let mut roster = Roster::new(OWN.to_owned());
        let id = someone(0);
        let expected = NearbyPeer {
            id: id.clone(),
            name: "Ada".to_owned(),
            address: "192.168.1.7:4433".parse().unwrap(),
            secret: std::array::from_fn(|index| index as u8),
        };
        let ada = announced(&id, "192.168.1.7", &texts("Ada"));
        assert_eq!(roster.resolved(&ada), Some(NearbyChange::Found(expected.clone())));
        assert_eq!(roster.resolved(&ada), None);
        let renamed = NearbyPeer {
            name: "Countess".to_owned(),
            ..expected
        };
        let changed = announced(&id, "192.168.1.7", &texts(" Countess\n"));
        assert_eq!(roster.resolved(&changed), Some(NearbyChange::Found(renamed)));
        let name = format!("{id}.{SERVICE_TYPE}");
        assert_eq!(roster.removed(&name), Some(NearbyChange::Gone { id }));
        assert_eq!(roster.removed(&name), None);
    }

    #[test]
    fn we_and_the_malformed_are_nobody() {
        let mut roster = Roster::new(OWN.to_owned());
        let good = texts("Ada");
        let with = |index: usize, pair: (&'static str, &'static str)| {
            let mut texts = good;
            texts[index] = pair;
            announced(&someone(0), "192.168.1.7", &texts)
        };
        let mut portless = announced(&someone(0), "192.168.1.7", &good);
        portless.port = 0;
        for service in [
            announced(OWN, "192.168.1.7", &good),
            announced("Ada's laptop", "192.168.1.7", &good),
            announced("00000000000000FF", "192.168.1.7", &good),
            announced(&someone(0), "192.168.1.7", &[]),
            announced(&someone(0), "224.0.0.1", &good),
            announced(&someone(0), "fe80::1", &good),
            announced(&someone(0), "127.0.0.1", &good),
            with(0, ("v", "2")),
            with(1, ("x", "Ada")),
            with(2, ("s", "AAECAwQFBgcICQoLDA0ODw==")),
            with(2, ("s", "AAECAwQFBgcICQoLDA0O")),
            with(2, ("s", "AAECAwQFBgcICQoLDA0ODxAR")),
            with(2, ("s", "AAECAwQFBgcICQoLDA0OD/")),
            portless,
        ] {
            assert_eq!(roster.resolved(&service), None, "{service:?}");
        }
        assert!(roster.peers.is_empty());
    }

    #[test]
    fn a_crowd_is_bounded_and_makes_room_when_somebody_leaves() {
        let mut roster = Roster::new(OWN.to_owned());
        let arrive = |roster: &mut Roster, number| {
            let change = roster.resolved(&announced(&someone(number), "10.0.0.1", &texts("x")));
            change.is_some()
        };
        for number in 0..MAX_PEERS {
            assert!(arrive(&mut roster, number));
        }
        assert!(!arrive(&mut roster, MAX_PEERS));
        assert!(roster.removed(&format!("{}.{SERVICE_TYPE}", someone(3))).is_some());
        assert!(arrive(&mut roster, MAX_PEERS));
        assert_eq!(roster.clear().len(), MAX_PEERS);
    }

    #[test]
    fn the_best_address_is_private_then_public_and_loopback_is_the_last_resort() {
        let best = |addresses: &[&str]| {
            let scoped: Vec<ScopedIp> = addresses
                .iter()
                .map(|address| ScopedIp::from(address.parse::<IpAddr>().unwrap()))
                .collect();
            best_address(&scoped).map(|address| address.to_string())
        };
        let all = [
            "fd00::2",
            "127.0.0.1",
            "203.0.113.9",
            "10.1.1.1",
            "169.254.3.3",
            "fe80::1",
            "::1",
        ];
        assert_eq!(best(&all).as_deref(), Some("10.1.1.1"));
        assert_eq!(
            best(&["169.254.3.3", "fd00::2", "203.0.113.9"]).as_deref(),
            Some("203.0.113.9")
        );
        assert_eq!(best(&["169.254.3.3", "fd00::2"]).as_deref(), Some("fd00::2"));
        assert_eq!(best(&["192.168.0.9", "192.168.0.5"]).as_deref(), Some("192.168.0.5"));
        for useless in [
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "ff02::1",
            "::",
            "::ffff:127.0.0.1",
            "127.0.0.1",
        ] {
            assert_eq!(best(&[useless]), None, "{useless}");
        }
    }

    #[test]
    fn our_own_machine_is_reached_only_when_it_was_heard_on_itself() {
        let interfaces = if_addrs::get_if_addrs().unwrap();
        let of = |interface: &if_addrs::Interface| InterfaceId {
            name: interface.name.clone(),
            index: interface.index.unwrap_or_default(),
        };
        let found = |loopback: bool| interfaces.iter().find(|interface| interface.is_loopback() == loopback);
        let from = |id| ScopedIp::V4(ScopedIpV4::new(Ipv4Addr::LOCALHOST, id));
        if let Some(loopback) = found(true) {
            assert_eq!(rank(&from(of(loopback))), Some(Rank::Loopback));
        }
        if let Some(network) = found(false) {
            assert_eq!(rank(&from(of(network))), None);
        }
    }

    proptest! {
        #[test]
        fn no_record_panics(record in proptest::collection::vec(any::<u8>(), 0..300)) {
            let texts = TxtProperties::from(&record[..]);
            if let Some((name, _)) = read_texts(&texts) {
                prop_assert!(name.chars().count() <= 64 && !name.contains(char::is_control));
            }
        }

        #[test]
        fn what_is_announced_is_read(name in "\\PC{0,40}", secret: [u8; 16], noise in proptest::collection::vec(any::<u8>(), 0..40)) {
            let pair = |key: &str, value: &str| {
                let text = format!("{key}={value}");
                [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
            };
            let mut record = [pair("v", VERSION), pair("n", &name), pair("s", &encode_secret(&secret))].concat();
            record.extend(noise);
            let read = read_texts(&TxtProperties::from(&record[..]));
            prop_assert_eq!(read, Some((clean_name(&name), secret)));
        }
    }
}
