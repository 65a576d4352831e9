//! What a connection learns about the network on its way: which servers answered what, which candidates there are.
//!
//! In: answers of servers as the socket sees them, fates of streams, candidates. Out: [`PathFacts`] for a diagnosis,
//! and which relayed address belongs to which kind of relay.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use call_core::{CandidateKinds, PathFacts, RelayFacts};
use webrtc::peer_connection::RTCIceCandidateType;

use super::servers::Servers;
use super::stun;
use crate::peer::ice_url::ServerTransport;
use crate::peer::relay_stream::{StreamEvent, StreamFailure};

/// Relayed addresses that are remembered: those of all servers on all interfaces, over some restarts.
const RELAYED_LIMIT: usize = 64;

/// What we asked a server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) method: u16,
    /// With user and password.
    pub(super) signed: bool,
}

#[derive(Default)]
struct Known {
    facts: PathFacts,
    relayed: Vec<(SocketAddr, ServerTransport)>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Findings {
    known: Mutex<Known>,
    /// There is an address of ours at a relay.
    allocated: AtomicBool,
    /// A path was found, and it does not begin at a relay of ours.
    direct: AtomicBool,
}

impl Findings {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server answered a question of ours.
    pub(super) fn answered(&self, transport: ServerTransport, question: Question, answer: &[u8]) {
        let mut known = self.known();
        let Some(header) = stun::header(answer) else { return };
        if question.method == stun::BINDING {
            known.facts.stun_answered |= header.class == stun::Class::Success;
            return;
        }
        if question.method == stun::ALLOCATE
            && header.class == stun::Class::Success
            && let Some(address) = stun::xor_address(answer, stun::XOR_RELAYED_ADDRESS)
        {
            if known.relayed.len() == RELAYED_LIMIT {
                known.relayed.remove(0);
            }
            known.relayed.push((address, transport));
            self.allocated.store(true, Ordering::Relaxed);
        }
        let relay = relay_mut(&mut known.facts, transport);
        relay.answered = true;
        match (header.class, stun::error_code(answer)) {
            (stun::Class::Success, _) => relay.allocated |= question.method == stun::ALLOCATE,
            // The first request is unsigned, to learn what to sign with.
            (stun::Class::Error, Some(401 | 403 | 441)) if question.signed => relay.refused = true,
            (stun::Class::Error, Some(486 | 508)) => relay.full = true,
            _ => {}
        }
    }

    /// Something happened to a stream.
    pub(super) fn stream(&self, transport: ServerTransport, event: &StreamEvent) {
        let mut known = self.known();
        let relay = relay_mut(&mut known.facts, transport);
        match event {
            StreamEvent::Open => relay.answered = true,
            StreamEvent::Gone(StreamFailure::Certificate(_)) => relay.distrusted = true,
            StreamEvent::Gone(StreamFailure::Name(_)) => relay.unknown = true,
            StreamEvent::Gone(
                StreamFailure::NoRoute
                | StreamFailure::Unreachable(_)
                | StreamFailure::Handshake(_)
                | StreamFailure::Broken(_)
                | StreamFailure::NotTurn(_)
                | StreamFailure::Closed,
            ) => {}
        }
    }

    /// The name of a relay over UDP could not be looked up.
    pub(super) fn name_unknown(&self) {
        self.known().facts.udp.unknown = true;
    }

    /// A candidate of ours.
    pub(super) fn local(&self, kind: RTCIceCandidateType) {
        note(&mut self.known().facts.local, kind);
    }

    /// A candidate of theirs.
    pub(super) fn remote(&self, kind: RTCIceCandidateType) {
        note(&mut self.known().facts.remote, kind);
    }

    /// Candidates of theirs in a text: a description, or a line.
    pub(super) fn remote_text(&self, text: &str) {
        for line in text.lines() {
            let mut words = line.split(' ').skip_while(|word| *word != "typ").skip(1);
            let kind = match words.next() {
                Some("host") => RTCIceCandidateType::Host,
                Some("srflx") => RTCIceCandidateType::Srflx,
                Some("relay") => RTCIceCandidateType::Relay,
                _ => continue,
            };
            self.remote(kind);
        }
    }

    /// The path that is used begins at a relay of ours, or not.
    pub(super) fn path_is_direct(&self, direct: bool) {
        self.direct.store(direct, Ordering::Relaxed);
    }

    /// Whether packets go by a relay of ours, or may yet.
    pub(super) fn is_relayed(&self) -> bool {
        self.allocated.load(Ordering::Relaxed) && !self.direct.load(Ordering::Relaxed)
    }

    /// Whether a relay over UDP gave us an address.
    pub(super) fn has_udp_relay(&self) -> bool {
        self.known().facts.udp.allocated
    }

    /// How we speak to the relay that an address of ours is at.
    pub(super) fn relay_transport(&self, address: SocketAddr) -> Option<ServerTransport> {
        let known = self.known();
        let mut relayed = known.relayed.iter().rev();
        relayed
            .find(|(relayed, _)| *relayed == address)
            .map(|(_, transport)| *transport)
    }

    /// All of it; `checked` when the other side answered a check.
    pub(super) fn facts(&self, servers: &Servers, relay_only: bool, checked: bool) -> PathFacts {
        let mut facts = self.known().facts;
        facts.relay_only = relay_only;
        facts.check_answered = checked;
        facts.stun_set = servers.has_stun();
        for transport in [ServerTransport::Udp, ServerTransport::Tcp, ServerTransport::Tls] {
            relay_mut(&mut facts, transport).set = servers.has_relay(transport);
        }
        facts
    }
}

fn relay_mut(facts: &mut PathFacts, transport: ServerTransport) -> &mut RelayFacts {
    match transport {
        ServerTransport::Udp => &mut facts.udp,
        ServerTransport::Tcp => &mut facts.tcp,
        ServerTransport::Tls => &mut facts.tls,
    }
}

fn note(kinds: &mut CandidateKinds, kind: RTCIceCandidateType) {
    match kind {
        RTCIceCandidateType::Host => kinds.host = true,
        RTCIceCandidateType::Srflx => kinds.reflexive = true,
        RTCIceCandidateType::Relay => kinds.relay = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::stun::tests::message;
    use super::*;
    use crate::peer::relay_stream::tls::ExtraRoots;

    fn facts(findings: &Findings) -> PathFacts {
        let servers = Servers::new(&[], &ExtraRoots::default()).unwrap();
        findings.facts(&servers, false, false)
    }

    const ASK: Question = Question {
        method: stun::ALLOCATE,
        signed: false,
    };
    const SIGNED: Question = Question {
        method: stun::ALLOCATE,
        signed: true,
    };

    fn error(code: u16) -> Vec<u8> {
        let (class, number) = ((code / 100) as u8, (code % 100) as u8);
        message([1, 0x13], 1, &[0, 9, 0, 4, 0, 0, class, number])
    }

    #[test]
    fn the_first_no_is_a_question_and_the_second_a_refusal() {
        let findings = Findings::default();
        findings.answered(ServerTransport::Tls, ASK, &error(401));
        assert!(facts(&findings).tls.answered && !facts(&findings).tls.refused);
        findings.answered(ServerTransport::Tls, SIGNED, &error(401));
        assert!(facts(&findings).tls.refused && !facts(&findings).udp.answered);
        findings.answered(ServerTransport::Udp, SIGNED, &error(486));
        assert!(facts(&findings).udp.full && !facts(&findings).udp.refused);
    }

    #[test]
    fn a_relayed_address_belongs_to_its_transport() {
        let findings = Findings::default();
        let success = message([1, 3], 0, &[0, 0x16, 0, 8, 0, 1, 0x21, 0x13, 0x21, 0x12, 0xa4, 0x43]);
        findings.answered(ServerTransport::Tcp, SIGNED, &success);
        let address = "0.0.0.1:1".parse().unwrap();
        assert_eq!(findings.relay_transport(address), Some(ServerTransport::Tcp));
        assert_eq!(findings.relay_transport("0.0.0.1:2".parse().unwrap()), None);
        assert!(facts(&findings).tcp.allocated);
    }

    #[test]
    fn their_candidates_are_read_out_of_lines_and_descriptions() {
        let findings = Findings::default();
        findings.remote_text("candidate:1 1 udp 1 192.0.2.1 5000 typ srflx raddr 0.0.0.0 rport 9");
        assert!(facts(&findings).remote.reflexive && !facts(&findings).remote.host);
        findings.remote_text("v=0\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=mid:0\r\n");
        assert!(facts(&findings).remote.host && !facts(&findings).remote.relay);
    }

    #[test]
    fn fates_of_streams_are_told_apart() {
        let findings = Findings::default();
        let gone = |failure| findings.stream(ServerTransport::Tls, &StreamEvent::Gone(failure));
        gone(StreamFailure::Unreachable("refused".to_owned()));
        assert_eq!(facts(&findings).tls, RelayFacts::default());
        gone(StreamFailure::Certificate("expired".to_owned()));
        gone(StreamFailure::Name("nobody knows".to_owned()));
        assert!(facts(&findings).tls.distrusted && facts(&findings).tls.unknown && !facts(&findings).tls.answered);
    }
}
