//! Statistics of one connection: our counters, and what only the stack below knows of the path.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rtc::peer_connection::transport::{RTCIceCandidatePair, RTCIceProtocol};
use rtc::statistics::report::RTCStatsReport;
use webrtc::peer_connection::{RTCIceCandidate, RTCIceCandidateType};

use super::findings::Findings;
use super::streams::{NO_REPORT, ReceivedCounters, STREAM_KINDS, SentCounters, Shared};
use crate::peer::ice_url::ServerTransport;
use crate::peer::{PeerStatistics, ReceivedStatistics, Route, SentStatistics};

/// The selected candidate pair at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathSample {
    pub(super) route: Route,
    pub(super) protocol: &'static str,
    /// Of the last connectivity check; `None` before the first answer.
    pub(super) rtt: Option<Duration>,
    /// Answers to our checks since the pair exists.
    pub(super) answers: u64,
    /// Where the peer is, when packets go there straight.
    pub(super) peer: Option<SocketAddr>,
}

/// What a report of the crate's and the selected pair say together: the report's pair names its candidates by ids that
/// the report does not have.
pub(super) fn path(
    report: &RTCStatsReport,
    selected: &RTCIceCandidatePair,
    remotes: &[RTCIceCandidate],
    findings: &Findings,
) -> Option<PathSample> {
    let id = &report.transport()?.selected_candidate_pair_id;
    let pair = report.candidate_pairs().find(|pair| pair.stats.id == *id)?;
    let (local, remote) = (selected.local(), selected.remote());
    findings.path_is_direct(local.typ != RTCIceCandidateType::Relay);
    // Their relay may have been met by its first check, before they told of it.
    let met = |told: &RTCIceCandidate| (&told.address, told.port) == (&remote.address, remote.port);
    let told = remotes.iter().filter(|told| met(told));
    let relayed = [local, remote]
        .into_iter()
        .chain(told)
        .any(|candidate| candidate.typ == RTCIceCandidateType::Relay);
    let tcp = [local, remote]
        .iter()
        .any(|candidate| candidate.protocol == RTCIceProtocol::Tcp);
    Some(PathSample {
        route: if relayed { Route::Relayed } else { Route::Direct },
        protocol: match relay_transport(local, findings) {
            // Between the relays, and behind theirs, it may be anything: that we cannot see.
            Some(transport) => transport.word(),
            None if tcp => "tcp",
            None => "udp",
        },
        rtt: Duration::try_from_secs_f64(pair.current_round_trip_time)
            .ok()
            .filter(|rtt| !rtt.is_zero()),
        answers: pair.responses_received,
        peer: remote
            .address
            .parse()
            .ok()
            .filter(|_| !relayed && !tcp)
            .map(|address: IpAddr| SocketAddr::new(address, remote.port)),
    })
}

/// How we speak to our relay, if the path begins there.
fn relay_transport(local: &RTCIceCandidate, findings: &Findings) -> Option<ServerTransport> {
    if local.typ != RTCIceCandidateType::Relay {
        return None;
    }
    let address = SocketAddr::new(local.address.parse().ok()?, local.port);
    findings.relay_transport(address)
}

/// All counters as they are now.
pub(super) fn collect(shared: &Shared, path: Option<PathSample>) -> PeerStatistics {
    let after = |us: &AtomicU64| match us.load(Ordering::Relaxed) {
        0 => None,
        us => Some(Duration::from_micros(us)),
    };
    let target = match shared.target_bitrate_bps.load(Ordering::Relaxed) {
        0 => None,
        bps => Some(bps),
    };
    PeerStatistics {
        route: path.map(|path| path.route),
        protocol: path.map(|path| path.protocol),
        rtt: shared.rtt(),
        target_bitrate_bps: target,
        sound_loss: shared.sound.loss(),
        sound_copies: shared.sound.copies(),
        ice_connected_after: after(&shared.ice_connected_us),
        dtls_connected_after: after(&shared.dtls_connected_us),
        sent: STREAM_KINDS.map(|kind| (kind, sent(shared.sent.of(kind)))).to_vec(),
        received: STREAM_KINDS
            .map(|kind| (kind, received(shared.received.of(kind))))
            .to_vec(),
    }
}

fn sent(counters: &SentCounters) -> SentStatistics {
    SentStatistics {
        packets: counters.packets.load(Ordering::Relaxed),
        bytes: counters.bytes.load(Ordering::Relaxed),
        retransmitted_packets: counters.retransmitted_packets.load(Ordering::Relaxed),
        remote_fraction_lost: match counters.fraction_lost.load(Ordering::Relaxed) {
            NO_REPORT => None,
            // Of 256, by RFC 3550.
            parts => Some(parts as f32 / 256.0),
        },
        key_frame_requests: counters.key_frame_requests.load(Ordering::Relaxed),
    }
}

fn received(counters: &ReceivedCounters) -> ReceivedStatistics {
    ReceivedStatistics {
        packets: counters.packets.load(Ordering::Relaxed),
        bytes: counters.bytes.load(Ordering::Relaxed),
        packets_lost: counters.packets_lost.load(Ordering::Relaxed),
        packets_recovered: counters.packets_recovered.load(Ordering::Relaxed),
        packets_malformed: counters.packets_malformed.load(Ordering::Relaxed),
        key_frame_requests: counters.key_frame_requests.load(Ordering::Relaxed),
    }
}
