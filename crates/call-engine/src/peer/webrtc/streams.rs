//! Who is who on the wire: our three streams, the peer's three, and what is known about them.
//!
//! Everything here is shared between the connection's tasks and the interceptors, which run on whichever
//! worker drives the connection: counters are atomics, maps are behind short locks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use call_media::frame::{StreamKind, VideoKind};
use webrtc::peer_connection::crypto;

use super::handshake::Refusal;
use super::sound::Sound;
use crate::peer::PeerError;

/// The media sections in the order of every description we make or accept.
pub(super) const STREAM_KINDS: [StreamKind; 3] = [
    StreamKind::Audio,
    StreamKind::Video(VideoKind::Camera),
    StreamKind::Video(VideoKind::Screen),
];

/// One value for each of the three streams.
#[derive(Clone, Debug, Default)]
pub(super) struct PerStream<T> {
    audio: T,
    camera: T,
    screen: T,
}

impl<T> PerStream<T> {
    pub(super) fn try_from_fn<E>(mut make: impl FnMut(StreamKind) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            audio: make(StreamKind::Audio)?,
            camera: make(StreamKind::Video(VideoKind::Camera))?,
            screen: make(StreamKind::Video(VideoKind::Screen))?,
        })
    }

    pub(super) fn of(&self, kind: StreamKind) -> &T {
        match kind {
            StreamKind::Audio => &self.audio,
            StreamKind::Video(VideoKind::Camera) => &self.camera,
            StreamKind::Video(VideoKind::Screen) => &self.screen,
        }
    }

    pub(super) fn of_mut(&mut self, kind: StreamKind) -> &mut T {
        match kind {
            StreamKind::Audio => &mut self.audio,
            StreamKind::Video(VideoKind::Camera) => &mut self.camera,
            StreamKind::Video(VideoKind::Screen) => &mut self.screen,
        }
    }
}

/// Whether an SSRC carries a stream, its retransmissions (RFC 4588) or its parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Repair,
    /// See [`super::parity`].
    Parity,
}

/// What one SSRC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SsrcUse {
    pub(super) kind: StreamKind,
    pub(super) role: Role,
}

/// Identity of one stream of ours, drawn once for the life of the connection.
#[derive(Clone, Debug)]
pub(super) struct LocalStream {
    pub(super) ssrc: u32,
    /// Of retransmissions; only video has them.
    pub(super) ssrc_rtx: Option<u32>,
    /// Of parity, which video has too.
    pub(super) ssrc_parity: Option<u32>,
    /// Unlike any other end's: the crate confuses two tracks of one name.
    pub(super) track_id: String,
    pub(super) first_sequence_number: u16,
    pub(super) timestamp_offset: u32,
}

impl LocalStream {
    fn draw(kind: StreamKind, random: &mut Random) -> Result<Self, PeerError> {
        Ok(Self {
            ssrc: random.ssrc()?,
            ssrc_rtx: match kind {
                StreamKind::Audio => None,
                StreamKind::Video(_) => Some(random.ssrc()?),
            },
            ssrc_parity: match kind {
                StreamKind::Audio => None,
                StreamKind::Video(_) => Some(random.ssrc()?),
            },
            track_id: random.uuid()?,
            // The upper half would make a receiver that starts late guess wrong about a wrap (RFC 3711, section 3.3.1).
            first_sequence_number: random.u16()? & 0x7fff,
            timestamp_offset: random.u32()?,
        })
    }
}

/// Our three streams.
pub(super) type LocalStreams = PerStream<LocalStream>;

/// Draws three streams with distinct SSRCs, and the name of the media stream that holds them.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn draw_local_streams() -> Result<(LocalStreams, String), PeerError> {
    let mut random = Random::new()?;
    let streams = LocalStreams::try_from_fn(|kind| LocalStream::draw(kind, &mut random))?;
    Ok((streams, random.uuid()?))
}

/// Random numbers from the crate's crypto provider.
struct Random {
    provider: Arc<dyn crypto::RTCCryptoProvider>,
    ssrcs: Vec<u32>,
}

impl Random {
    fn new() -> Result<Self, PeerError> {
        Ok(Self {
            provider: crypto::default_provider().map_err(|error| PeerError::Create(error.to_string()))?,
            ssrcs: Vec::new(),
        })
    }

    fn bytes<const N: usize>(&self) -> Result<[u8; N], PeerError> {
        let mut bytes = [0; N];
        self.provider
            .random()
            .fill(&mut bytes)
            .map_err(|error| PeerError::Create(error.to_string()))?;
        Ok(bytes)
    }

    fn u16(&self) -> Result<u16, PeerError> {
        Ok(u16::from_be_bytes(self.bytes()?))
    }

    fn u32(&self) -> Result<u32, PeerError> {
        Ok(u32::from_be_bytes(self.bytes()?))
    }

    /// Never zero, never twice.
    fn ssrc(&mut self) -> Result<u32, PeerError> {
        loop {
            let ssrc = self.u32()?;
            if ssrc != 0 && !self.ssrcs.contains(&ssrc) {
                self.ssrcs.push(ssrc);
                return Ok(ssrc);
            }
        }
    }

    /// Version 4 (RFC 9562, section 5.4).
    fn uuid(&self) -> Result<String, PeerError> {
        let mut bytes: [u8; 16] = self.bytes()?;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ))
    }
}

/// Counters of one stream to the peer.
#[derive(Debug, Default)]
pub(super) struct SentCounters {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) retransmitted_packets: AtomicU64,
    /// Of the last receiver report: fraction lost in 1/256, or [`NO_REPORT`].
    pub(super) fraction_lost: AtomicU32,
    pub(super) key_frame_requests: AtomicU64,
    /// Number of the first packet of the last key frame, plus [`A_NUMBER`]; 0 before.
    pub(super) key_frame_start: AtomicU32,
    /// Frames given to us that never reached the network: not connected, or queue full.
    pub(super) frames_dropped: AtomicU64,
}

/// Tells number 0 from none.
pub(super) const A_NUMBER: u32 = 0x1_0000;
/// No receiver report has come yet.
pub(super) const NO_REPORT: u32 = u32::MAX;

/// Counters of one stream from the peer.
#[derive(Debug, Default)]
pub(super) struct ReceivedCounters {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) packets_lost: AtomicU64,
    pub(super) packets_recovered: AtomicU64,
    pub(super) packets_malformed: AtomicU64,
    pub(super) key_frame_requests: AtomicU64,
}

/// What the tasks and the interceptors of one connection share.
pub(super) struct Shared {
    /// When the connection was made; the moment all stored times count from.
    pub(super) epoch: Instant,
    pub(super) local: LocalStreams,
    local_by_ssrc: HashMap<u32, SsrcUse>,
    remote_by_ssrc: Mutex<HashMap<u32, SsrcUse>>,
    /// Set when an end turned down the other's certificate.
    pub(super) refusal: OnceLock<Refusal>,
    pub(super) sent: PerStream<SentCounters>,
    pub(super) received: PerStream<ReceivedCounters>,
    pub(super) sound: Sound,
    /// Packets of an SSRC that no description announced.
    pub(super) unknown_packets: AtomicU64,
    /// Datagrams from addresses that never answered a check of ours.
    refused_datagrams: AtomicU64,
    /// Microseconds from the epoch to the first checked pair and to finished DTLS; 0 before.
    pub(super) ice_connected_us: AtomicU64,
    pub(super) dtls_connected_us: AtomicU64,
    /// Whether ICE, DTLS and the peer's consent allow sending.
    pub(super) sendable: AtomicBool,
    /// Bitrate estimate, bit/s; 0 before the first.
    pub(super) target_bitrate_bps: AtomicU32,
    /// How fast packets may leave, bit/s.
    pub(super) pacing_bitrate_bps: AtomicU32,
    /// How long what waits in the pacer will take, microseconds.
    pub(super) pacer_backlog_us: AtomicU32,
    /// Packets of a picture under one parity, 0 for none.
    pub(super) parity_group: AtomicU8,
    rtt_us: AtomicU32,
    last_heard_us: AtomicU64,
    last_consent_us: AtomicU64,
}

impl Shared {
    pub(super) fn new(local: LocalStreams, now: Instant) -> Self {
        let mut local_by_ssrc = HashMap::new();
        for kind in STREAM_KINDS {
            let stream = local.of(kind);
            let uses = [
                (Some(stream.ssrc), Role::Primary),
                (stream.ssrc_rtx, Role::Repair),
                (stream.ssrc_parity, Role::Parity),
            ];
            for (ssrc, role) in uses {
                if let Some(ssrc) = ssrc {
                    local_by_ssrc.insert(ssrc, SsrcUse { kind, role });
                }
            }
        }
        let shared = Self {
            epoch: now,
            local,
            local_by_ssrc,
            remote_by_ssrc: Mutex::default(),
            refusal: OnceLock::new(),
            sent: PerStream::default(),
            received: PerStream::default(),
            sound: Sound::default(),
            unknown_packets: AtomicU64::new(0),
            refused_datagrams: AtomicU64::new(0),
            ice_connected_us: AtomicU64::new(0),
            dtls_connected_us: AtomicU64::new(0),
            sendable: AtomicBool::new(false),
            target_bitrate_bps: AtomicU32::new(0),
            pacing_bitrate_bps: AtomicU32::new(0),
            pacer_backlog_us: AtomicU32::new(0),
            parity_group: AtomicU8::new(0),
            rtt_us: AtomicU32::new(0),
            last_heard_us: AtomicU64::new(0),
            last_consent_us: AtomicU64::new(0),
        };
        for kind in STREAM_KINDS {
            shared.sent.of(kind).fraction_lost.store(NO_REPORT, Ordering::Relaxed);
        }
        shared
    }

    /// What an SSRC of ours is.
    pub(super) fn local_ssrc(&self, ssrc: u32) -> Option<SsrcUse> {
        self.local_by_ssrc.get(&ssrc).copied()
    }

    /// What an SSRC of the peer's is, by its last description.
    pub(super) fn remote_ssrc(&self, ssrc: u32) -> Option<SsrcUse> {
        self.remote_map().get(&ssrc).copied()
    }

    /// The peer's primary SSRC of a stream.
    pub(super) fn remote_primary(&self, kind: StreamKind) -> Option<u32> {
        let wanted = SsrcUse {
            kind,
            role: Role::Primary,
        };
        self.remote_map()
            .iter()
            .find(|(_, used)| **used == wanted)
            .map(|(ssrc, _)| *ssrc)
    }

    /// Whether the peer announced parity, and so understands ours.
    pub(super) fn remote_takes_parity(&self) -> bool {
        self.remote_map().values().any(|used| used.role == Role::Parity)
    }

    /// Takes over what a description of the peer's says; gives back what the one before said.
    pub(super) fn replace_remote_streams(&self, streams: HashMap<u32, SsrcUse>) -> HashMap<u32, SsrcUse> {
        std::mem::replace(&mut *self.remote_map(), streams)
    }

    fn remote_map(&self) -> MutexGuard<'_, HashMap<u32, SsrcUse>> {
        self.remote_by_ssrc.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A packet that only the peer can have sent arrived.
    pub(super) fn heard(&self, now: Instant) {
        self.last_heard_us
            .fetch_max(self.since_epoch_us(now), Ordering::Relaxed);
    }

    /// The peer answered a connectivity check (RFC 7675).
    pub(super) fn consented(&self, now: Instant) {
        self.last_consent_us
            .fetch_max(self.since_epoch_us(now), Ordering::Relaxed);
        self.heard(now);
    }

    pub(super) fn last_heard(&self) -> Instant {
        self.epoch + Duration::from_micros(self.last_heard_us.load(Ordering::Relaxed))
    }

    pub(super) fn last_consent(&self) -> Instant {
        self.epoch + Duration::from_micros(self.last_consent_us.load(Ordering::Relaxed))
    }

    /// Round trip of the last report; `None` before the first.
    pub(super) fn rtt(&self) -> Option<Duration> {
        match self.rtt_us.load(Ordering::Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(u64::from(us))),
        }
    }

    pub(super) fn set_rtt(&self, rtt: Duration) {
        let us = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        self.rtt_us.store(us, Ordering::Relaxed);
    }

    /// A datagram from a stranger was thrown away.
    pub(super) fn count_refused(&self) {
        self.refused_datagrams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused_datagrams.load(Ordering::Relaxed)
    }

    /// Remembers the moment something happened for the first time.
    pub(super) fn note_first(&self, slot: &AtomicU64, now: Instant) {
        let at = self.since_epoch_us(now).max(1);
        // Failing means that it happened before.
        slot.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    pub(super) fn since_epoch_us(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_streams_never_share_an_identity() {
        let (ours, our_name) = draw_local_streams().unwrap();
        let (theirs, their_name) = draw_local_streams().unwrap();
        assert_ne!(our_name, their_name);
        for kind in STREAM_KINDS {
            assert_ne!(ours.of(kind).track_id, theirs.of(kind).track_id);
        }
        let shared = Shared::new(ours, Instant::now());
        // Audio has one SSRC, each picture three.
        assert_eq!(shared.local_by_ssrc.len(), 7);
    }

    #[test]
    fn times_survive_the_way_through_the_atomics() {
        let (local, _) = draw_local_streams().unwrap();
        let start = Instant::now();
        let shared = Shared::new(local, start);
        let later = start + Duration::from_millis(1_500);
        shared.consented(later);
        shared.heard(start);
        assert_eq!(shared.last_heard(), later);
        assert_eq!(shared.last_consent(), later);
        assert_eq!(shared.rtt(), None);
        shared.set_rtt(Duration::from_millis(20));
        assert_eq!(shared.rtt(), Some(Duration::from_millis(20)));
    }
}
