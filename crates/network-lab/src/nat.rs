//! NATs: what kind one is, and the nftables rules that make it so.
//!
//! The kernel's masquerading keeps a host's port where it can, which makes it a port-restricted cone: one mapping for all
//! destinations, and answers from those only. The other kinds differ in a rule or two.

use std::fmt;

/// How long a mapping lasts that nobody uses.
const DEFAULT_UDP_TIMEOUT_S: u32 = 120;

/// A NAT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nat {
    pub(crate) kind: NatKind,
    /// Seconds.
    pub(crate) udp_timeout_s: u32,
    /// Nothing else may leave; empty is everything.
    pub(crate) only: Vec<(Protocol, u16)>,
    pub(crate) blocks_udp: bool,
}

/// Who may answer, and how many mappings a port has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NatKind {
    /// Everybody reaches a port that was once used.
    FullCone,
    /// Those the port has sent to, from whatever port of theirs.
    Restricted,
    /// Those the port has sent to, from the port it has sent to.
    PortRestricted,
    /// Another mapping for each destination.
    Symmetric,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl Nat {
    /// Reads `type=symmetric`, `udp-timeout=30`, `only=tcp:443+udp:53`, `block=udp`.
    pub(crate) fn read(options: &[&str]) -> Result<Self, String> {
        let mut nat = Self {
            kind: NatKind::PortRestricted,
            udp_timeout_s: DEFAULT_UDP_TIMEOUT_S,
            only: Vec::new(),
            blocks_udp: false,
        };
        for option in options {
            nat.set(option).ok_or_else(|| format!("no NAT can have {option}"))?;
        }
        Ok(nat)
    }

    /// Whether an option is one of a NAT, and not of its link.
    pub(crate) fn owns(option: &str) -> bool {
        let key = option.split('=').next();
        key.is_some_and(|key| ["type", "udp-timeout", "only", "block"].contains(&key))
    }

    fn set(&mut self, option: &str) -> Option<()> {
        match option.split_once('=')? {
            ("type", "full-cone") => self.kind = NatKind::FullCone,
            ("type", "restricted") => self.kind = NatKind::Restricted,
            ("type", "port-restricted") => self.kind = NatKind::PortRestricted,
            ("type", "symmetric") => self.kind = NatKind::Symmetric,
            ("udp-timeout", seconds) => self.udp_timeout_s = seconds.parse().ok().filter(|seconds| *seconds > 0)?,
            ("only", list) => self.only = list.split('+').map(service).collect::<Option<_>>()?,
            ("block", "udp") => self.blocks_udp = true,
            _ => return None,
        }
        Some(())
    }

    /// Its rules, for `nft -f -`. `outside` is the interface that leads to its parent.
    pub(crate) fn rules(&self, outside: &str) -> String {
        let timeout = self.udp_timeout_s;
        let random = match self.kind {
            NatKind::Symmetric => " random,fully-random",
            NatKind::FullCone | NatKind::Restricted | NatKind::PortRestricted => "",
        };
        // Who has which port inside, and whom a port has sent to; the port is the same outside.
        let (learn, open) = match self.kind {
            NatKind::FullCone => (
                "udp sport 1-65535 update @inside { udp sport : ip saddr }",
                "meta l4proto udp dnat to udp dport map @inside",
            ),
            NatKind::Restricted => (
                "udp sport 1-65535 update @inside { udp sport : ip saddr } update @known { udp sport . ip daddr }",
                "udp dport . ip saddr @known dnat to udp dport map @inside",
            ),
            NatKind::PortRestricted | NatKind::Symmetric => ("", ""),
        };
        let when = |rule: &str| {
            if rule.is_empty() {
                String::new()
            } else {
                format!("oifname {outside} {rule}")
            }
        };
        let (learn, udp, only) = (
            when(learn),
            when(if self.blocks_udp { "meta l4proto udp drop" } else { "" }),
            when(if self.only.is_empty() {
                ""
            } else {
                "ct state new jump allowed"
            }),
        );
        let open = if open.is_empty() {
            String::new()
        } else {
            format!("iifname {outside} {open}")
        };
        let allowed: String = self
            .only
            .iter()
            .map(|(protocol, port)| format!("{protocol} dport {port} return\n"))
            .collect();
        // In `delivered`, strangers end: were they let in, the mapping would be theirs, and the host's own packet to them
        // would leave from another port.
        format!(
            "table ip nat {{
                map inside {{ type inet_service : ipv4_addr; flags dynamic,timeout; timeout {timeout}s; size 65535; }}
                set known {{ type inet_service . ipv4_addr; flags dynamic,timeout; timeout {timeout}s; size 65535; }}
                chain arriving {{
                    type nat hook prerouting priority dstnat;
                    {open}
                }}
                chain leaving {{
                    type nat hook postrouting priority srcnat;
                    oifname {outside} masquerade{random}
                }}
                chain delivered {{
                    type filter hook input priority filter;
                    iifname {outside} ct state established,related accept
                    iifname {outside} icmp type echo-request accept
                    iifname {outside} drop
                }}
                chain allowed {{
                    {allowed}
                    drop
                }}
                chain forwarded {{
                    type filter hook forward priority filter;
                    iifname {outside} ct state established,related accept
                    iifname {outside} ct status dnat accept
                    iifname {outside} drop
                    {udp}
                    {only}
                    {learn}
                }}
            }}
            "
        )
    }
}

/// `tcp:443`.
fn service(text: &str) -> Option<(Protocol, u16)> {
    let (protocol, port) = text.split_once(':')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((protocol, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let nat = Nat::read(&["type=symmetric", "udp-timeout=30", "only=tcp:443+udp:53", "block=udp"]).expect("read");
        assert_eq!((nat.kind, nat.udp_timeout_s), (NatKind::Symmetric, 30));
        assert_eq!(nat.only, [(Protocol::Tcp, 443), (Protocol::Udp, 53)]);
        assert!(nat.blocks_udp);
        assert_eq!(Nat::read(&[]).expect("read").kind, NatKind::PortRestricted);
    }

    #[test]
    fn what_no_nat_has_is_refused() {
        for bad in [
            "type=odd",
            "only=443",
            "only=icmp:1",
            "udp-timeout=0",
            "block=tcp",
            "type",
            "rate=1mbit",
        ] {
            assert!(Nat::read(&[bad]).is_err(), "{bad}");
        }
    }
}
