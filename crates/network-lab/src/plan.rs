//! The plan of a lab: a node a line, parents first.
//!
//! ```text
//! router net
//! router old  ipv4-only
//! nat    home net  type=symmetric udp-timeout=30 both=dsl
//! host   alice home both=wifi
//! host   bob   net  if=wifi both=delay=20ms,loss=1%
//! link   bob   net  if=lte  up=rate=1mbit            # a second way out
//! host   turn  net  addresses=2
//! nat    cafe  net  only=tcp:443
//! ```
//!
//! Every link is a network of its own: its parent is .1, the child .2 and on. Under a router it is 198.18.N.0/24 and
//! 2001:db8:N::/64, under a NAT 10.64.N.0/24, where N counts the links of the plan from one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::LabError;
use crate::nat::Nat;
use crate::profile::Profile;

/// What packets pass or end at.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Router { has_ipv6: bool },
    Nat(Nat),
    Host,
}

/// From a node to its parent; `up` is towards the parent.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) child: String,
    pub(crate) parent: String,
    /// Its name at the child.
    pub(crate) interface: String,
    /// From one; also its routing table at the child.
    pub(crate) number: u8,
    /// How many addresses of each kind the child has.
    addresses: u8,
    /// Under a router; under a NAT addresses are private.
    public: bool,
    pub(crate) has_ipv6: bool,
    /// Of the default route: earlier links of a node are preferred.
    pub(crate) metric: usize,
    pub(crate) up: Profile,
    pub(crate) down: Profile,
    /// Of `up`; `down` has the next one.
    pub(crate) seed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
}

impl Link {
    /// Its name at the parent.
    pub(crate) fn parent_interface(&self) -> String {
        format!("link{}", self.number)
    }

    fn ipv4(&self, host: u8) -> Ipv4Addr {
        let [a, b] = if self.public { [198, 18] } else { [10, 64] };
        Ipv4Addr::new(a, b, self.number, host)
    }

    fn ipv6(&self, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, self.number.into(), 0, 0, 0, 0, host.into())
    }

    fn all(&self, hosts: std::ops::Range<u8>) -> Vec<IpAddr> {
        let ipv4 = hosts.clone().map(|host| self.ipv4(host).into());
        let ipv6 = hosts.filter(|_| self.has_ipv6).map(|host| self.ipv6(host).into());
        ipv4.chain(ipv6).collect()
    }

    /// The child's, IPv4 first.
    pub(crate) fn child_addresses(&self) -> Vec<IpAddr> {
        self.all(2..2 + self.addresses)
    }

    /// One of each kind.
    pub(crate) fn parent_addresses(&self) -> Vec<IpAddr> {
        self.all(1..2)
    }
}

impl Plan {
    pub(crate) fn parse(text: &str) -> Result<Self, LabError> {
        let mut plan = Self::default();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let line = index + 1;
            plan.add(&words)
                .map_err(|complaint| LabError::Plan { line, complaint })?;
        }
        Ok(plan)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    fn add(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            [] => Ok(()),
            ["router", name] => self.add_node(name, NodeKind::Router { has_ipv6: true }),
            ["router", name, "ipv4-only"] => self.add_node(name, NodeKind::Router { has_ipv6: false }),
            ["host", name, parent, ref options @ ..] => {
                self.add_node(name, NodeKind::Host)?;
                self.add_link(name, parent, options)
            }
            ["nat", name, parent, ref options @ ..] => {
                let (own, of_link): (Vec<&str>, Vec<&str>) = options.iter().partition(|option| Nat::owns(option));
                self.add_node(name, NodeKind::Nat(Nat::read(&own)?))?;
                self.add_link(name, parent, &of_link)
            }
            ["link", name, parent, ref options @ ..] => {
                let node = self.node(name).filter(|node| matches!(node.kind, NodeKind::Host));
                node.ok_or_else(|| format!("there is no host {name}"))?;
                self.add_link(name, parent, options)
            }
            _ => Err(format!("\"{}\" is no node", words.join(" "))),
        }
    }

    fn add_node(&mut self, name: &str, kind: NodeKind) -> Result<(), String> {
        if !is_name(name) || self.node(name).is_some() {
            return Err(format!("{name} is no name, or is another node's"));
        }
        self.nodes.push(Node {
            name: name.into(),
            kind,
        });
        Ok(())
    }

    fn add_link(&mut self, child: &str, parent: &str, options: &[&str]) -> Result<(), String> {
        let (public, has_ipv6) = match self.node(parent).map(|node| &node.kind) {
            Some(NodeKind::Router { has_ipv6 }) => (true, *has_ipv6),
            Some(NodeKind::Nat(_)) => (false, false),
            Some(NodeKind::Host) | None => return Err(format!("there is no router or NAT {parent}")),
        };
        let is_nat = matches!(self.node(child).map(|node| &node.kind), Some(NodeKind::Nat(_)));
        let earlier = self.links.iter().filter(|link| link.child == child).count();
        let number = u8::try_from(self.links.len() + 1).map_err(|_| "there are too many links")?;
        let mut link = Link {
            child: child.into(),
            parent: parent.into(),
            interface: format!("wan{earlier}"),
            number,
            addresses: 1,
            public,
            // What is behind a NAT has no IPv6, so neither needs the NAT.
            has_ipv6: has_ipv6 && !is_nat,
            metric: 100 * (earlier + 1),
            up: Profile::default(),
            down: Profile::default(),
            seed: 2 * u64::from(number),
        };
        for option in options {
            link.set(option)?;
        }
        let same = |other: &Link| other.child == link.child && other.interface == link.interface;
        if self.links.iter().any(same) {
            return Err(format!("{child} has an interface {} already", link.interface));
        }
        self.links.push(link);
        Ok(())
    }
}

impl Link {
    fn set(&mut self, option: &str) -> Result<(), String> {
        let no = || format!("no link can have {option}");
        let change = |profile: &mut Profile, words: &str| {
            *profile = profile.changed(words).map_err(|error| error.to_string())?;
            Ok::<(), String>(())
        };
        match option.split_once('=').ok_or_else(no)? {
            ("if", name) if is_name(name) => self.interface = name.into(),
            ("addresses", count) => {
                let count = count.parse().ok().filter(|count| (1..=100).contains(count));
                self.addresses = count.ok_or_else(no)?;
            }
            ("seed", seed) => self.seed = seed.parse().map_err(|_| no())?,
            ("up", words) => change(&mut self.up, words)?,
            ("down", words) => change(&mut self.down, words)?,
            ("both", words) => {
                change(&mut self.up, words)?;
                change(&mut self.down, words)?;
            }
            _ => return Err(no()),
        }
        Ok(())
    }
}

/// Of nodes and interfaces; Linux allows interfaces 15 bytes.
fn is_name(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    (1..=15).contains(&text.len()) && text != "lo" && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(link: &Link) -> Vec<String> {
        link.child_addresses().iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn a_plan_is_read() {
        let plan = Plan::parse(
            "router net\n\
             nat home net type=symmetric only=tcp:443 both=dsl # of a family\n\
             \n\
             host alice home up=delay=5ms,loss=1% seed=9\n\
             host bob net if=wifi\n\
             link bob net if=lte addresses=2\n\
             router old ipv4-only\n\
             host carol old",
        )
        .expect("a plan");
        assert_eq!(plan.nodes.len(), 6);
        let [home, alice, wifi, lte, carol] = &plan.links[..] else {
            panic!("{} links", plan.links.len());
        };
        assert_eq!(home.up, Profile::parse("dsl").expect("a preset"));
        assert_eq!(addresses(home), ["198.18.1.2"]);
        assert_eq!(addresses(alice), ["10.64.2.2"]);
        assert_eq!((alice.up.loss, alice.down.loss, alice.seed), (0.01, 0.0, 9));
        assert_eq!(addresses(wifi), ["198.18.3.2", "2001:db8:3::2"]);
        assert_eq!(addresses(lte).len(), 4);
        assert_eq!((wifi.metric, lte.metric), (100, 200));
        assert_eq!(addresses(carol), ["198.18.5.2"]);
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused_with_its_line() {
        for bad in [
            "host a net",
            "router net",
            "host a nowhere",
            "host a net both=what",
            "nat n net type=odd",
            "nat n net only=443",
            "host a net addresses=0",
            "host a net if=",
            "link b net",
            "router a/b",
            "router much-too-long-for-this",
            "router lo",
            "bridge b",
        ] {
            let text = if bad == "host a net" {
                bad.into()
            } else {
                format!("router net\n{bad}")
            };
            let line = text.lines().count();
            match Plan::parse(&text) {
                Err(LabError::Plan { line: named, .. }) => assert_eq!(named, line, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_interface_has_a_name_of_its_own() {
        assert!(Plan::parse("router net\nhost a net\nlink a net").is_ok());
        assert!(Plan::parse("router net\nhost a net\nlink a net if=wan0").is_err());
    }
}
