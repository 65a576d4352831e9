//! The figures of a call as they come in, and the report made of them.
//!
//! Written by the call's task, read by whoever wants a report; counters themselves live in the receivers and
//! connections they belong to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use call_core::{Badge, CallSnapshot, LinkState, Milestone, ParticipantSnapshot, PeerKey, SignalingState};
use call_media::frame::{StreamKind, VideoKind};

use crate::call_media::SentPicture;
use crate::peer::{PeerStatistics, ReceivedStatistics, Route, SentStatistics};
use crate::remote_media::RemoteMedia;
use crate::report::{JoinedMs, ParticipantReport, Report, TargetReport, TimelineEntry};
use crate::{process_usage, report_media};

/// Entries kept of the timeline; the oldest go first.
const TIMELINE_KEPT: usize = 500;
/// Target bitrates kept, one a second.
const TARGETS_KEPT: usize = 7_200;

/// From when joining is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinClock {
    /// From now: we join somebody.
    Now(Instant),
    /// From the first sign of a participant: we are the host.
    FirstParticipant,
}

/// Figures of one call.
pub(crate) struct Figures {
    epoch: Instant,
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: Option<Instant>,
    signaling: Option<Instant>,
    handshake: Option<Instant>,
    participants: BTreeMap<PeerKey, PeerFigures>,
    timeline: VecDeque<TimelineEntry>,
}

#[derive(Default)]
struct PeerFigures {
    last_seen: Option<ParticipantSnapshot>,
    connection_created: Option<Instant>,
    first_connection: Option<(Instant, PeerStatistics)>,
    /// Of connections that are over.
    past: Totals,
    present: PeerStatistics,
    targets: Vec<u32>,
    sent_picture: Option<SentPicture>,
    connected_at: Option<Instant>,
    gone_at: Option<Instant>,
    media: Option<Arc<RemoteMedia>>,
}

/// Counters of a participant's streams over several connections.
#[derive(Clone, Default)]
pub(crate) struct Totals {
    pub sent: BTreeMap<StreamKind, SentStatistics>,
    pub received: BTreeMap<StreamKind, ReceivedStatistics>,
}

impl Totals {
    fn add(&mut self, statistics: &PeerStatistics) {
        for (kind, sent) in &statistics.sent {
            let total = self.sent.entry(*kind).or_default();
            total.packets += sent.packets;
            total.bytes += sent.bytes;
            total.retransmitted_packets += sent.retransmitted_packets;
            total.key_frame_requests += sent.key_frame_requests;
        }
        for (kind, received) in &statistics.received {
            let total = self.received.entry(*kind).or_default();
            total.packets += received.packets;
            total.bytes += received.bytes;
            total.packets_lost += received.packets_lost;
            total.packets_recovered += received.packets_recovered;
            total.packets_malformed += received.packets_malformed;
            total.key_frame_requests += received.key_frame_requests;
        }
    }
}

impl Figures {
    /// Figures of a call that begins now.
    pub(crate) fn new(epoch: Instant, name: String, clock: JoinClock) -> Self {
        let state = State {
            begun: match clock {
                JoinClock::Now(begun) => Some(begun),
                JoinClock::FirstParticipant => None,
            },
            ..State::default()
        };
        Self {
            epoch,
            name,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something worth a line in the timeline.
    pub(crate) fn note(&self, event: impl Into<String>) {
        let entry = TimelineEntry {
            at_s: self.epoch.elapsed().as_secs_f64(),
            event: event.into(),
        };
        self.state().push(entry);
    }

    pub(crate) fn on_milestone(&self, milestone: &Milestone) {
        let who = milestone
            .peer
            .map(|peer| format!("participant {} ", peer.0))
            .unwrap_or_default();
        let entry = TimelineEntry {
            at_s: milestone.at.0.as_secs_f64(),
            event: format!("{who}{}", milestone.kind),
        };
        self.state().push(entry);
    }

    pub(crate) fn on_snapshot(&self, snapshot: &CallSnapshot) {
        let now = Instant::now();
        let mut state = self.state();
        if snapshot.signaling == SignalingState::Joined {
            state.signaling.get_or_insert(now);
        }
        for participant in &snapshot.participants {
            state.begun.get_or_insert(now);
            if participant.link != LinkState::Greeting {
                state.handshake.get_or_insert(now);
            }
            let figures = state.participants.entry(participant.peer).or_default();
            if matches!(participant.link, LinkState::Connected { .. }) {
                figures.connected_at.get_or_insert(now);
            }
            figures.last_seen = Some(participant.clone());
        }
    }

    /// A new connection is being made.
    pub(crate) fn on_connection(&self, peer: PeerKey, media: Option<Arc<RemoteMedia>>) {
        let mut state = self.state();
        let figures = state.participants.entry(peer).or_default();
        figures.media = media;
        figures.connection_created = Some(Instant::now());
        figures.present = PeerStatistics::default();
    }

    pub(crate) fn on_path(&self, peer: PeerKey, statistics: PeerStatistics) {
        let mut state = self.state();
        let figures = state.participants.entry(peer).or_default();
        if figures.targets.len() < TARGETS_KEPT {
            figures.targets.extend(statistics.target_bitrate_bps);
        }
        if statistics.dtls_connected_after.is_some()
            && figures.first_connection.is_none()
            && let Some(created) = figures.connection_created
        {
            figures.first_connection = Some((created, statistics.clone()));
        }
        figures.present = statistics;
    }

    /// What goes to a participant at present; while nothing does, the last that did is kept.
    pub(crate) fn on_sent(&self, peer: PeerKey, picture: Option<SentPicture>) {
        let mut state = self.state();
        let figures = state.participants.entry(peer).or_default();
        figures.sent_picture = picture.or(figures.sent_picture);
    }

    /// Route and round trip of a participant's present connection.
    pub(crate) fn path(&self, peer: PeerKey) -> (Option<Route>, Option<Duration>) {
        let state = self.state();
        let present = state.participants.get(&peer).map(|figures| &figures.present);
        (present.and_then(|path| path.route), present.and_then(|path| path.rtt))
    }

    /// The present connection is over.
    pub(crate) fn on_disconnection(&self, peer: PeerKey) {
        let mut state = self.state();
        let figures = state.participants.entry(peer).or_default();
        let present = PeerStatistics {
            route: figures.present.route,
            protocol: figures.present.protocol,
            rtt: figures.present.rtt,
            ..PeerStatistics::default()
        };
        let ended = std::mem::replace(&mut figures.present, present);
        figures.past.add(&ended);
    }

    /// The participant is gone.
    pub(crate) fn on_forgotten(&self, peer: PeerKey) {
        if let Some(figures) = self.state().participants.get_mut(&peer) {
            figures.gone_at = Some(Instant::now());
        }
    }

    /// Everything so far.
    pub(crate) fn report(&self) -> Report {
        let state = self.state();
        let seconds = self.epoch.elapsed().as_secs_f64();
        let first_frame = state
            .participants
            .values()
            .filter_map(PeerFigures::first_frame_at)
            .min();
        let since = |moment: Option<Instant>| {
            let (begun, moment) = (state.begun?, moment?);
            Some(moment.saturating_duration_since(begun).as_secs_f64() * 1e3)
        };
        let first_connection = state
            .participants
            .values()
            .find_map(|peer| peer.first_connection.as_ref());
        let step = |after: Option<Duration>| Some(first_connection?.0 + after?);
        Report {
            version: env!("CARGO_PKG_VERSION").into(),
            name: self.name.clone(),
            seconds,
            join_to_first_frame_ms: since(first_frame),
            joined_ms: JoinedMs {
                signaling: since(state.signaling),
                handshake: since(state.handshake),
                ice: since(step(
                    first_connection.and_then(|(_, statistics)| statistics.ice_connected_after),
                )),
                dtls: since(step(
                    first_connection.and_then(|(_, statistics)| statistics.dtls_connected_after),
                )),
                first_frame: since(first_frame),
            },
            process: process_usage::read(seconds),
            participants: state
                .participants
                .values()
                .filter(|peer| peer.was_here())
                .map(PeerFigures::report)
                .collect(),
            timeline: state.timeline.iter().cloned().collect(),
        }
    }
}

impl State {
    fn push(&mut self, entry: TimelineEntry) {
        if self.timeline.len() == TIMELINE_KEPT {
            self.timeline.pop_front();
        }
        self.timeline.push_back(entry);
    }
}

impl PeerFigures {
    /// Whether this was a person, and not the slot of somebody who had gone before we came.
    fn was_here(&self) -> bool {
        self.connected_at.is_some() || self.last_seen.as_ref().is_some_and(|seen| !seen.name.is_empty())
    }

    fn first_frame_at(&self) -> Option<Instant> {
        let media = self.media.as_ref()?;
        media.camera.receiver()?.statistics().first_frame_at
    }

    fn totals(&self) -> Totals {
        let mut totals = self.past.clone();
        totals.add(&self.present);
        totals
    }

    fn report(&self) -> ParticipantReport {
        let seen = self.last_seen.as_ref();
        let totals = self.totals();
        let connected_s = self.connected_at.map(|from| {
            let until = self.gone_at.unwrap_or_else(Instant::now);
            until.saturating_duration_since(from).as_secs_f64()
        });
        let mut report = ParticipantReport {
            name: seen.map(|seen| seen.name.clone()).unwrap_or_default(),
            verified: seen
                .filter(|seen| seen.key.is_some())
                .map(|seen| matches!(seen.badge, Badge::Verified { .. })),
            connection: self.present.route,
            protocol: self.present.protocol,
            rtt_ms: self.present.rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
            reconnects: seen.map_or(0, |seen| seen.reconnects),
            ..ParticipantReport::default()
        };
        if let Some(media) = &self.media {
            report.gaps_ms = media.gaps.gaps_ms();
            for kind in [VideoKind::Camera, VideoKind::Screen] {
                let timings = seen.and_then(|seen| report_media::send_timings(seen, kind));
                report
                    .video_received
                    .extend(report_media::video(media.picture(kind), &totals, timings));
            }
            report.audio_received = report_media::audio(media, &totals, connected_s);
        }
        report.sent = report_media::sent(self.sent_picture, &totals, connected_s);
        report.sent.target_bitrate_bps = target_report(&self.targets);
        report
    }
}

fn target_report(samples: &[u32]) -> TargetReport {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    TargetReport {
        p50: sorted.get(sorted.len() / 2).copied().map(f64::from),
        min: sorted.first().copied().map(f64::from),
        max: sorted.last().copied().map(f64::from),
    }
}
