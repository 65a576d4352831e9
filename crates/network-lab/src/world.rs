//! Makes a plan real: namespaces, devices, addresses, routes, rules of NATs. Blocks while `ip` and `nft` run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{LabError, Trying};
use crate::nat::Nat;
use crate::plan::{Link, Node, NodeKind, Plan};
use crate::system::{self, Namespace};

/// Where a user's PATH may not lead.
const SYSTEM_FOLDERS: &str = "/usr/sbin:/sbin";
/// How long the system may take to do what it has said it would.
const PATIENCE: Duration = Duration::from_secs(10);

/// A plan and the namespaces of its nodes, in the plan's order. Everything ends with it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    namespaces: Vec<Namespace>,
}

/// Both ends of a link.
#[derive(Debug)]
pub(crate) struct Devices {
    pub(crate) child: File,
    pub(crate) parent: File,
}

impl World {
    /// Makes everything; the devices are as the links of the plan.
    pub(crate) fn create(mut plan: Plan) -> Result<(Self, Vec<Devices>), LabError> {
        if !Path::new("/proc/sys/net/ipv6").exists() {
            plan.links.iter_mut().for_each(|link| link.has_ipv6 = false);
        }
        let namespaces = plan.nodes.iter().map(|_| Namespace::new()).collect::<io::Result<_>>();
        let namespaces = namespaces.trying(|| "a network namespace".into())?;
        let world = Self { plan, namespaces };
        for node in &world.plan.nodes {
            let forwards = !matches!(node.kind, NodeKind::Host);
            world.set_system(&node.name, before_devices(forwards))?;
        }
        let devices = world.plan.links.iter().map(|link| world.devices(link));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        for node in &world.plan.nodes {
            world.wire(node)?;
        }
        // All are made before any is waited for.
        for link in &world.plan.links {
            world.await_ipv6(&link.child, link.child_addresses())?;
            world.await_ipv6(&link.parent, link.parent_addresses())?;
        }
        Ok((world, devices))
    }

    /// The namespace of a node.
    pub(crate) fn namespace(&self, name: &str) -> Result<&Namespace, LabError> {
        let place = self.plan.nodes.iter().position(|node| node.name == name);
        place
            .and_then(|place| self.namespaces.get(place))
            .ok_or_else(|| LabError::Unknown(format!("node {name}")))
    }

    /// Brings the child's end of a link up: addresses, a default route, and a routing table of its own, so that what is
    /// sent from its address leaves by it.
    pub(crate) fn plug(&self, link: &Link) -> Result<(), LabError> {
        self.ip_batch(&link.child, &plugging(link))?;
        self.await_ipv6(&link.child, link.child_addresses())
    }

    /// As when a cable is pulled or a radio leaves: no address, no route, no carrier.
    pub(crate) fn unplug(&self, link: &Link) -> Result<(), LabError> {
        let interface = &link.interface;
        self.ip_batch(
            &link.child,
            &Batch {
                ipv4: format!(
                    "rule flush table {0}\naddress flush dev {interface}\nlink set {interface} down\n",
                    link.number
                ),
                ipv6: if link.has_ipv6 {
                    format!("rule flush table {}\n", link.number)
                } else {
                    String::new()
                },
            },
        )
    }

    /// A NAT loses all its mappings, as when it restarts.
    pub(crate) fn forget(&self, name: &str) -> Result<(), LabError> {
        if !matches!(self.plan.node(name).map(|node| &node.kind), Some(NodeKind::Nat(_))) {
            return Err(LabError::Unknown(format!("NAT {name}")));
        }
        let namespace = self.namespace(name)?;
        feed(
            "nft",
            namespace,
            &["-f", "-"],
            "flush map ip nat inside\nflush set ip nat known\n",
        )?;
        feed("conntrack", namespace, &["-F"], "")
    }

    fn devices(&self, link: &Link) -> Result<Devices, LabError> {
        let device = |node: &str, interface: &str| {
            let namespace = self.namespace(node)?;
            let device = system::tun(namespace, interface).trying(|| format!("{interface} of {node}"))?;
            if !link.has_ipv6 {
                let key = format!("ipv6/conf/{interface}/disable_ipv6");
                self.set_system(node, vec![(key, "1".into())])?;
            }
            Ok(device)
        };
        Ok(Devices {
            child: device(&link.child, &link.interface)?,
            parent: device(&link.parent, &link.parent_interface())?,
        })
    }

    /// Addresses, routes and rules of one node.
    fn wire(&self, node: &Node) -> Result<(), LabError> {
        let mut batch = Batch {
            ipv4: "link set lo up\n".into(),
            ipv6: String::new(),
        };
        for link in self.plan.links.iter().filter(|link| link.parent == node.name) {
            let interface = link.parent_interface();
            for address in link.parent_addresses() {
                *batch.of(address) += &adding(address, &interface);
            }
            batch.ipv4 += &format!("link set {interface} up\n");
        }
        for link in self.plan.links.iter().filter(|link| link.child == node.name) {
            let Batch { ipv4, ipv6 } = plugging(link);
            batch.ipv4 += &ipv4;
            batch.ipv6 += &ipv6;
        }
        self.ip_batch(&node.name, &batch)?;
        match &node.kind {
            NodeKind::Nat(nat) => self.translate(node, nat),
            NodeKind::Router { .. } | NodeKind::Host => Ok(()),
        }
    }

    fn translate(&self, node: &Node, nat: &Nat) -> Result<(), LabError> {
        let link = self.plan.links.iter().find(|link| link.child == node.name);
        let link = link.ok_or_else(|| LabError::Unknown(format!("link of {}", node.name)))?;
        let namespace = self.namespace(&node.name)?;
        feed("nft", namespace, &["-f", "-"], &nat.rules(&link.interface))?;
        // These exist once a rule needs them.
        let keys = ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"];
        let settings = keys.map(|key| (format!("netfilter/{key}"), nat.udp_timeout_s.to_string()));
        self.set_system(&node.name, settings.into())
    }

    /// Writes below /proc/sys/net, as seen from a node.
    fn set_system(&self, node: &str, settings: Vec<(String, String)>) -> Result<(), LabError> {
        let write = move || {
            settings.into_iter().try_for_each(|(key, value)| {
                let missing = key.starts_with("ipv6/") && !Path::new("/proc/sys/net/ipv6").exists();
                if missing {
                    return Ok(());
                }
                fs::write(format!("/proc/sys/net/{key}"), value).trying(|| format!("/proc/sys/net/{key}"))
            })
        };
        let written = self.namespace(node)?.run(write);
        written.trying(|| format!("the settings of {node}"))?
    }

    /// Waits until the system takes packets to these addresses for its own: with IPv6 it does so in its own time.
    fn await_ipv6(&self, node: &str, addresses: Vec<IpAddr>) -> Result<(), LabError> {
        let routes: Vec<String> = addresses.into_iter().filter_map(route_to_self).collect();
        if routes.is_empty() {
            return Ok(());
        }
        let look = move || {
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                let table = fs::read_to_string("/proc/thread-self/net/ipv6_route")?;
                if routes.iter().all(|route| table.contains(route)) {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(io::ErrorKind::TimedOut.into())
        };
        let looked = self.namespace(node)?.run(look);
        looked.and_then(|seen| seen).trying(|| format!("IPv6 of {node}"))
    }

    fn ip_batch(&self, node: &str, batch: &Batch) -> Result<(), LabError> {
        let namespace = self.namespace(node)?;
        for (family, commands) in [("-4", &batch.ipv4), ("-6", &batch.ipv6)] {
            if !commands.is_empty() {
                feed("ip", namespace, &[family, "-batch", "-"], commands)?;
            }
        }
        Ok(())
    }
}

/// Commands for `ip -batch`: one process for each family.
#[derive(Debug, Default)]
struct Batch {
    ipv4: String,
    ipv6: String,
}

impl Batch {
    fn of(&mut self, address: IpAddr) -> &mut String {
        match address {
            IpAddr::V4(_) => &mut self.ipv4,
            IpAddr::V6(_) => &mut self.ipv6,
        }
    }
}

fn plugging(link: &Link) -> Batch {
    let Link {
        interface,
        number,
        metric,
        ..
    } = link;
    let mut batch = Batch::default();
    batch.ipv4 += &format!("link set {interface} up\n");
    let own = link.child_addresses();
    for gateway in link.parent_addresses() {
        let commands = batch.of(gateway);
        *commands += &format!("rule flush table {number}\n");
        for address in own.iter().filter(|address| address.is_ipv4() == gateway.is_ipv4()) {
            *commands += &adding(*address, interface);
            *commands += &format!("rule add from {address} lookup {number}\n");
        }
        *commands += &format!("route replace default via {gateway} dev {interface} metric {metric}\n");
        *commands += &format!("route replace default via {gateway} dev {interface} table {number}\n");
    }
    batch
}

fn adding(address: IpAddr, interface: &str) -> String {
    match address {
        IpAddr::V4(_) => format!("address replace {address}/24 dev {interface}\n"),
        IpAddr::V6(_) => format!("address replace {address}/64 dev {interface} nodad\n"),
    }
}

/// How /proc/net/ipv6_route begins a line about an IPv6 address of the machine itself.
fn route_to_self(address: IpAddr) -> Option<String> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(format!("{:032x} 80 ", u128::from(address))),
    }
}

fn before_devices(forwards: bool) -> Vec<(String, String)> {
    let forwards = u8::from(forwards);
    [
        // Answers leave by the interface their address says, whatever the main table prefers.
        ("ipv4/conf/all/rp_filter", 0),
        ("ipv4/conf/default/rp_filter", 0),
        ("ipv4/ip_forward", forwards),
        ("ipv6/conf/all/forwarding", forwards),
        // Addresses are ours to give: nothing to look for, nobody to ask.
        ("ipv6/conf/default/accept_dad", 0),
        ("ipv6/conf/default/router_solicitations", 0),
    ]
    .map(|(key, value)| (key.into(), value.to_string()))
    .into()
}

/// Runs a tool in a namespace with this as its standard input.
fn feed(tool: &'static str, namespace: &Namespace, words: &[&str], input: &str) -> Result<(), LabError> {
    let run = || {
        let mut child = with_system_folders(&mut namespace.command(tool))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended early says why on its standard error.
            match stdin.write_all(input.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait_with_output()
    };
    let output = run().trying(|| format!("{tool} does not run"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Tool { tool, said })
}

fn with_system_folders(command: &mut Command) -> &mut Command {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:{SYSTEM_FOLDERS}"))
}

/// Whether a tool is installed.
pub(crate) fn has_tool(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = format!("{path}:{SYSTEM_FOLDERS}");
    folders.split(':').any(|folder| Path::new(folder).join(tool).is_file())
}
