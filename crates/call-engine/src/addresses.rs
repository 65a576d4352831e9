//! Watches the addresses of this machine: another network, a cable, a VPN.
//!
//! In: the system's notices where it gives them (Linux, by netlink), and a look every so often everywhere. Out: what
//! changed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the addresses are looked at where nobody tells of changes.
#[cfg(not(target_os = "linux"))]
const LOOK: Duration = Duration::from_secs(1);
/// And where somebody does.
#[cfg(target_os = "linux")]
const LOOK: Duration = Duration::from_secs(5);

/// How the addresses of this machine changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressChange {
    /// Those that are new.
    pub gained: Vec<IpAddr>,
    /// Those that are gone: what was bound to them is dead.
    pub lost: Vec<IpAddr>,
}

impl AddressChange {
    /// None when nothing changed.
    fn between(before: &BTreeSet<IpAddr>, after: &BTreeSet<IpAddr>) -> Option<Self> {
        let change = Self {
            gained: after.difference(before).copied().collect(),
            lost: before.difference(after).copied().collect(),
        };
        (change != Self::default()).then_some(change)
    }
}

/// The watch.
pub(crate) struct AddressWatch {
    known: BTreeSet<IpAddr>,
    look: Interval,
    notices: Option<notices::Notices>,
}

impl AddressWatch {
    /// Begins with the addresses there are now.
    pub(crate) fn new() -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let notices = notices::Notices::open();
        let notices = notices.inspect_err(|error| tracing::debug!(%error, "nobody tells of changed addresses"));
        Self {
            known: snapshot().unwrap_or_default(),
            look,
            notices: notices.ok(),
        }
    }

    /// Waits for a change. May be dropped at any time.
    pub(crate) async fn changed(&mut self) -> AddressChange {
        loop {
            tokio::select! {
                _ = self.look.tick() => {}
                () = notices::next(&mut self.notices) => {}
            }
            // When they cannot be read, nothing is known to have changed.
            let Some(now) = snapshot() else { continue };
            let change = AddressChange::between(&self.known, &now);
            self.known = now;
            if let Some(change) = change {
                return change;
            }
        }
    }
}

fn snapshot() -> Option<BTreeSet<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs().ok()?;
    let addresses = interfaces.iter().map(if_addrs::Interface::ip);
    Some(addresses.filter(leads_somewhere).collect())
}

/// Addresses of one cable come and go with every container, and no call goes by them.
fn leads_somewhere(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

#[cfg(target_os = "linux")]
mod notices {
    use std::io;
    use std::mem::size_of;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use tokio::io::unix::AsyncFd;

    /// More than any notice has.
    const BUFFER_BYTES: usize = 16 * 1024;

    /// The kernel's notices of links and addresses (rtnetlink(7)). What they say is not read: they only say when to look.
    pub(super) struct Notices(AsyncFd<OwnedFd>);

    impl Notices {
        pub(super) fn open() -> io::Result<Self> {
            // SAFETY: creates a descriptor and touches no memory of ours.
            let raw = unsafe {
                libc::socket(
                    libc::AF_NETLINK,
                    libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                    libc::NETLINK_ROUTE,
                )
            };
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor was made just now, and nobody else has it.
            let socket = unsafe { OwnedFd::from_raw_fd(raw) };
            // SAFETY: all zeroes is a value of this plain structure.
            let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
            address.nl_groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
            // SAFETY: the address lives through the call, and its length is right.
            let bound = unsafe {
                libc::bind(
                    socket.as_raw_fd(),
                    (&raw const address).cast(),
                    size_of::<libc::sockaddr_nl>() as libc::socklen_t,
                )
            };
            if bound < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is owned, so it stays open for as long as it is registered.
            let registered = unsafe { AsyncFd::register(socket) };
            Ok(Self(registered.map_err(io::Error::from)?))
        }

        async fn wait(&self) -> io::Result<()> {
            loop {
                let mut ready = self.0.readable().await?;
                let read = ready.try_io(|socket| {
                    let mut buffer = [0_u8; BUFFER_BYTES];
                    // SAFETY: the buffer is ours and as long as said.
                    let read = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
                    match read {
                        0.. => Ok(()),
                        _ => Err(io::Error::last_os_error()),
                    }
                });
                match read {
                    // Too many at once: some were lost, and there is something to look at.
                    Ok(Err(error)) if error.raw_os_error() != Some(libc::ENOBUFS) => return Err(error),
                    Ok(_) => return Ok(()),
                    Err(_) => {}
                }
            }
        }
    }

    /// Waits for the next one; for ever where there are none.
    pub(super) async fn next(notices: &mut Option<Notices>) {
        let Some(open) = notices else {
            return std::future::pending().await;
        };
        if let Err(error) = open.wait().await {
            tracing::debug!(%error, "nobody tells of changed addresses any more");
            *notices = None;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod notices {
    use std::io;

    pub(super) struct Notices;

    impl Notices {
        pub(super) fn open() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    pub(super) async fn next(_: &mut Option<Notices>) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_is_told() {
        let set = |last: &[u8]| last.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect();
        let (before, after) = (set(&[1, 2]), set(&[2, 3]));
        let change = AddressChange::between(&before, &after).expect("a change");
        assert_eq!(change.gained, [IpAddr::from([192, 0, 2, 3])]);
        assert_eq!(change.lost, [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(AddressChange::between(&after, &after), None);
    }
}
