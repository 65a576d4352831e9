//! Why no path to somebody was found, as far as this end can tell. Pure.
//!
//! In: what a connection learnt while it was tried. Out: the one thing that is worth telling a person.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blockage {
    /// This computer has no address to call from.
    NoNetwork,
    /// Our address is to stay hidden, and no relay is set.
    NoRelaySet,
    /// Neither STUN nor a relay is set, and the two networks do not reach each other.
    NoServerSet,
    /// No server answers over UDP, and no relay over TCP is set.
    UdpBlocked,
    /// Servers are set for every way there is, and none answers.
    NothingAnswers,
    /// The names of the relays cannot be looked up.
    RelayUnknown,
    /// STUN answers, or nothing else is set; the relay does not.
    RelaySilent,
    /// The relay refused user or password.
    RelayRefused,
    /// The relay has no room for us.
    RelayFull,
    /// The relay is not who it should be.
    RelayCertificate,
    /// Both ends know their outer addresses and cannot meet there; nobody has a relay.
    BothStrict,
    /// The other side found no address that can be reached from outside, and nobody has a relay.
    TheirNetwork,
    /// A relay of ours is there, and the other side does not come through it.
    BehindRelay,
    /// The other side answered, and then nothing encrypted came through.
    Handshake,
}

impl fmt::Display for Blockage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNetwork => "this computer has no network to call from",
            Self::NoRelaySet => "your address is to stay hidden, but no relay server is set",
            Self::NoServerSet => "the two networks do not reach each other directly, and no STUN or TURN server is set",
            Self::UdpBlocked => "this network blocks UDP, and no relay over TCP is set",
            Self::NothingAnswers => "no STUN or TURN server answers, neither over UDP nor over TCP",
            Self::RelayUnknown => "the relay server's name cannot be looked up",
            Self::RelaySilent => "the relay server does not answer",
            Self::RelayRefused => "the relay refused the user or the password",
            Self::RelayFull => "the relay has no room for another call",
            Self::RelayCertificate => "the relay's certificate is not trusted",
            Self::BothStrict => "both networks hide behind strict routers; a relay is needed",
            Self::TheirNetwork => "the other side's network cannot be reached from outside; a relay is needed",
            Self::BehindRelay => "the relay answers, but the other side does not come through it",
            Self::Handshake => "a path was found, but nothing encrypted comes through it",
        })
    }
}

/// Of one kind of candidate, whether there is any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CandidateKinds {
    /// An address of an interface.
    pub host: bool,
    /// An outer address that a server told.
    pub reflexive: bool,
    /// At a relay.
    pub relay: bool,
}

/// The worst that was heard from relays of one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayFacts {
    /// At least one is configured.
    pub set: bool,
    /// One answered anything.
    pub answered: bool,
    /// One gave us an address.
    pub allocated: bool,
    /// One refused our credentials.
    pub refused: bool,
    /// One had no room.
    pub full: bool,
    /// The certificate of one was not trusted.
    pub distrusted: bool,
    /// The name of one could not be looked up.
    pub unknown: bool,
}

/// What a connection learnt while it was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathFacts {
    /// Only relays may be used.
    pub relay_only: bool,
    /// A STUN server is configured.
    pub stun_set: bool,
    /// One answered.
    pub stun_answered: bool,
    /// Relays over UDP.
    pub udp: RelayFacts,
    /// Relays over TCP.
    pub tcp: RelayFacts,
    /// Relays over TLS.
    pub tls: RelayFacts,
    /// What we could tell the other side.
    pub local: CandidateKinds,
    /// What the other side told us.
    pub remote: CandidateKinds,
    /// The other side answered a check of ours.
    pub check_answered: bool,
}

/// What is in the way, given what was learnt. Meant for a connection that had its time and did not come up.
#[must_use]
pub fn diagnose(facts: &PathFacts) -> Blockage {
    let relays = [facts.udp, facts.tcp, facts.tls];
    let any = |what: fn(&RelayFacts) -> bool| relays.iter().any(what);
    let udp_is_dead = (facts.stun_set || facts.udp.set) && !facts.stun_answered && !facts.udp.answered;
    let over_stream = facts.tcp.set || facts.tls.set;
    if facts.check_answered {
        return Blockage::Handshake;
    }
    if any(|relay| relay.allocated) {
        return Blockage::BehindRelay;
    }
    if facts.relay_only && !any(|relay| relay.set) {
        return Blockage::NoRelaySet;
    }
    if facts.local == CandidateKinds::default() && !facts.relay_only {
        return Blockage::NoNetwork;
    }
    // What a server said is worth more than that another one said nothing.
    if any(|relay| relay.refused) {
        return Blockage::RelayRefused;
    }
    if any(|relay| relay.full) {
        return Blockage::RelayFull;
    }
    if any(|relay| relay.distrusted) {
        return Blockage::RelayCertificate;
    }
    if any(|relay| relay.unknown) && !any(|relay| relay.answered) {
        return Blockage::RelayUnknown;
    }
    match (udp_is_dead, over_stream) {
        (true, true) => Blockage::NothingAnswers,
        // With a hidden address and a relay over UDP alone it may as well be the relay that is down: STUN would tell.
        (true, false) if facts.stun_set || !facts.relay_only => Blockage::UdpBlocked,
        _ if any(|relay| relay.set) => Blockage::RelaySilent,
        _ if !facts.stun_set => Blockage::NoServerSet,
        _ if facts.remote.reflexive || facts.remote.relay => Blockage::BothStrict,
        _ => Blockage::TheirNetwork,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: CandidateKinds = CandidateKinds {
        host: true,
        reflexive: false,
        relay: false,
    };
    const REFLEXIVE: CandidateKinds = CandidateKinds {
        host: true,
        reflexive: true,
        relay: false,
    };
    const RELAY: CandidateKinds = CandidateKinds {
        host: true,
        reflexive: true,
        relay: true,
    };
    const NOTHING: CandidateKinds = CandidateKinds {
        host: false,
        reflexive: false,
        relay: false,
    };

    fn set() -> RelayFacts {
        RelayFacts {
            set: true,
            ..RelayFacts::default()
        }
    }

    fn that(change: fn(&mut RelayFacts)) -> RelayFacts {
        let mut relay = RelayFacts {
            answered: true,
            ..set()
        };
        change(&mut relay);
        relay
    }

    fn facts(change: impl FnOnce(&mut PathFacts)) -> PathFacts {
        let mut facts = PathFacts {
            local: HOST,
            remote: REFLEXIVE,
            ..PathFacts::default()
        };
        change(&mut facts);
        facts
    }

    #[test]
    fn every_blockage_has_its_facts() {
        let silent = RelayFacts { unknown: true, ..set() };
        let table = [
            (Blockage::NoNetwork, facts(|it| it.local = NOTHING)),
            (Blockage::NoNetwork, facts(|it| (it.local, it.tls) = (NOTHING, set()))),
            (
                Blockage::NoRelaySet,
                facts(|it| (it.relay_only, it.stun_set) = (true, true)),
            ),
            (Blockage::NoServerSet, facts(|_| {})),
            (Blockage::UdpBlocked, facts(|it| it.stun_set = true)),
            (Blockage::UdpBlocked, facts(|it| it.udp = set())),
            (
                Blockage::UdpBlocked,
                facts(|it| (it.relay_only, it.stun_set, it.udp) = (true, true, set())),
            ),
            (Blockage::NothingAnswers, facts(|it| (it.udp, it.tls) = (set(), set()))),
            (
                Blockage::NothingAnswers,
                facts(|it| (it.stun_set, it.tcp) = (true, set())),
            ),
            (
                Blockage::RelayUnknown,
                facts(|it| (it.stun_set, it.tls) = (true, silent)),
            ),
            (
                Blockage::RelaySilent,
                facts(|it| (it.stun_set, it.stun_answered, it.udp) = (true, true, set())),
            ),
            (
                Blockage::RelaySilent,
                facts(|it| (it.relay_only, it.local, it.udp) = (true, NOTHING, set())),
            ),
            (Blockage::RelaySilent, facts(|it| it.tls = set())),
            (
                Blockage::RelayRefused,
                facts(|it| it.udp = that(|relay| relay.refused = true)),
            ),
            (
                Blockage::RelayRefused,
                facts(|it| (it.stun_set, it.tls) = (true, that(|relay| relay.refused = true))),
            ),
            (
                Blockage::RelayFull,
                facts(|it| it.udp = that(|relay| relay.full = true)),
            ),
            (
                Blockage::RelayCertificate,
                facts(|it| (it.udp, it.tls) = (set(), that(|relay| relay.distrusted = true))),
            ),
            (
                Blockage::BothStrict,
                facts(|it| (it.stun_set, it.stun_answered, it.local) = (true, true, REFLEXIVE)),
            ),
            (
                Blockage::TheirNetwork,
                facts(|it| (it.stun_set, it.stun_answered, it.local, it.remote) = (true, true, REFLEXIVE, HOST)),
            ),
            (
                Blockage::BehindRelay,
                facts(|it| (it.local, it.tls) = (RELAY, that(|relay| relay.allocated = true))),
            ),
            (Blockage::Handshake, facts(|it| it.check_answered = true)),
        ];
        for (expected, facts) in table {
            assert_eq!(diagnose(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn a_relay_that_works_leaves_no_blame_for_the_others() {
        let facts = facts(|it| {
            it.udp = that(|relay| relay.refused = true);
            it.tls = that(|relay| relay.allocated = true);
        });
        assert_eq!(diagnose(&facts), Blockage::BehindRelay);
    }
}
