//! A running lab.

use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::OnceLock;

use crate::error::{LabError, Trying};
use crate::mover::{Mover, Pipes};
use crate::pipe::{Counters, Pipe};
use crate::plan::Plan;
use crate::system;
use crate::world::{self, World};

/// Which way packets go on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the host.
    Up,
    /// To the host.
    Down,
    /// Either way.
    Both,
}

/// A running lab. When it is dropped, its links end at once, and its namespaces as soon as nobody runs in them.
///
/// Where a link is asked for, `"bob"` is the first link of bob and `"bob/lte"` the one of this interface.
#[derive(Debug)]
pub struct Lab {
    // Before the world: the devices go first.
    mover: Mover,
    world: World,
}

impl Lab {
    /// Why this machine cannot have a lab, in words; none when it can. Tests then print it and return.
    #[must_use]
    pub fn unavailable() -> Option<String> {
        static ANSWER: OnceLock<Option<String>> = OnceLock::new();
        ANSWER.get_or_init(find_obstacle).clone()
    }

    /// Makes what the plan says, a node a line, parents first:
    ///
    /// ```text
    /// router net                       # "router net ipv4-only" has no IPv6
    /// nat    home  net  type=symmetric udp-timeout=30 only=tcp:443 block=udp both=dsl
    /// host   alice home both=wifi
    /// host   bob   net  if=wifi addresses=2 seed=7 up=delay=20ms,loss=1% down=rate=1mbit,queue=300ms
    /// link   bob   net  if=lte
    /// ```
    ///
    /// A NAT is `full-cone`, `restricted`, `port-restricted` (the default) or `symmetric`. Links are described as in
    /// [`crate::Profile`]; with a seed, `up` loses as [`Pipe`] does with that seed, `down` as with the next.
    ///
    /// # Errors
    /// When the plan makes no sense or the machine cannot have a lab.
    pub fn start(plan: &str) -> Result<Self, LabError> {
        let (world, devices) = World::create(Plan::parse(plan)?)?;
        let pipes = world.plan.links.iter().map(|link| Pipes {
            up: Pipe::new(link.up.clone(), link.seed),
            down: Pipe::new(link.down.clone(), link.seed.wrapping_add(1)),
        });
        let mover = Mover::start(devices, pipes.collect()).trying(|| "the thread of the lab".into())?;
        Ok(Self { mover, world })
    }

    /// The first IPv4 address of a link.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn address(&self, link: &str) -> Result<Ipv4Addr, LabError> {
        let addresses = self.addresses(link)?;
        let first = addresses.into_iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        first.ok_or_else(|| LabError::Unknown(format!("address of {link}")))
    }

    /// All addresses of a link, IPv4 first.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn addresses(&self, link: &str) -> Result<Vec<IpAddr>, LabError> {
        Ok(self.world.plan.links[self.find(link)?].child_addresses())
    }

    /// A command that will run on a host, NAT or router.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn command(&self, node: &str, program: &str) -> Result<Command, LabError> {
        Ok(self.world.namespace(node)?.command(program))
    }

    /// Runs `work` on a host, in a thread of its own. Sockets opened there stay there, whoever uses them then.
    ///
    /// # Errors
    /// When there is no such host or `work` panics.
    pub fn run<T: Send + 'static>(&self, node: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LabError> {
        let namespace = self.world.namespace(node)?;
        namespace.run(work).trying(|| format!("work on {node}"))
    }

    /// Changes a link as [`crate::Profile::changed`] does: `lab.set("alice", Direction::Up, "delay=80ms,loss=2%")`.
    ///
    /// # Errors
    /// When there is no such link or the words make no sense; then nothing is changed.
    pub fn set(&self, link: &str, direction: Direction, words: &str) -> Result<(), LabError> {
        let link = self.find(link)?;
        self.with(|all, now| {
            let mut pipes = all[link].of(direction);
            let profiles: Result<Vec<_>, _> = pipes.iter().map(|pipe| pipe.profile().changed(words)).collect();
            for (pipe, profile) in pipes.iter_mut().zip(profiles?) {
                pipe.set_profile(now, profile);
            }
            Ok(())
        })?
    }

    /// What happened to the packets of a link so far.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn counters(&self, link: &str, direction: Direction) -> Result<Counters, LabError> {
        let link = self.find(link)?;
        self.with(|all, _| {
            let pipes = all[link].of(direction);
            pipes
                .iter()
                .fold(Counters::default(), |sum, pipe| sum + pipe.counters())
        })
    }

    /// Pulls the cable at the child's end: its address and routes are gone, and who sends is told at once. A link that
    /// swallows everything without a word is `cut=on`.
    ///
    /// # Errors
    /// When there is no such link or the system refuses.
    pub fn unplug(&self, link: &str) -> Result<(), LabError> {
        self.world.unplug(&self.world.plan.links[self.find(link)?])
    }

    /// Puts it back, with the same addresses.
    ///
    /// # Errors
    /// When there is no such link or the system refuses.
    pub fn plug(&self, link: &str) -> Result<(), LabError> {
        self.world.plug(&self.world.plan.links[self.find(link)?])
    }

    /// A NAT loses all its mappings, as when it restarts.
    ///
    /// # Errors
    /// When there is no such NAT or the system refuses.
    pub fn forget(&self, nat: &str) -> Result<(), LabError> {
        self.world.forget(nat)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Pipes>, std::time::Duration) -> T) -> Result<T, LabError> {
        self.mover
            .with(work)
            .trying(|| "the thread of the lab has ended".into())
    }

    fn find(&self, place: &str) -> Result<usize, LabError> {
        let (node, interface) = match place.split_once('/') {
            Some((node, interface)) => (node, Some(interface)),
            None => (place, None),
        };
        let mut links = self.world.plan.links.iter();
        links
            .position(|link| link.child == node && interface.is_none_or(|interface| link.interface == interface))
            .ok_or_else(|| LabError::Unknown(format!("link {place}")))
    }
}

impl Pipes {
    fn of(&mut self, direction: Direction) -> Vec<&mut Pipe> {
        match direction {
            Direction::Up => vec![&mut self.up],
            Direction::Down => vec![&mut self.down],
            Direction::Both => vec![&mut self.up, &mut self.down],
        }
    }
}

fn find_obstacle() -> Option<String> {
    if !system::is_root() {
        return Some("a network lab needs root".into());
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        return Some(format!("a network lab needs /dev/net/tun: {error}"));
    }
    let missing = ["ip", "nft", "conntrack"]
        .into_iter()
        .find(|tool| !world::has_tool(tool));
    if let Some(tool) = missing {
        return Some(format!(
            "a network lab needs the command {tool}: install iproute2, nftables, conntrack"
        ));
    }
    // Root in a container may still not be allowed what it takes, and a kernel may lack a part of it.
    let attempt = Lab::start("router net\nnat home net type=restricted\nhost alice home");
    attempt
        .err()
        .map(|error| format!("no network lab can be made here: {error}"))
}
