//! The figures of a call, as the headless report has them. `None` means not measured and becomes `null`.

use serde::Serialize;

/// The report: one JSON object, durations in milliseconds, rates per second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Version of the application.
    pub version: String,
    /// Our own name.
    pub name: String,
    /// How long the engine has run.
    pub seconds: f64,
    /// From the wish to join or, for a host, from the first sign of a participant, to their first picture.
    pub join_to_first_frame_ms: Option<f64>,
    /// When each step of joining was done, counted like `join_to_first_frame_ms`.
    pub joined_ms: JoinedMs,
    /// This process.
    pub process: ProcessReport,
    /// Everybody who was in the call, those who left included.
    pub participants: Vec<ParticipantReport>,
    /// What happened when.
    pub timeline: Vec<TimelineEntry>,
}

/// Steps of joining.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JoinedMs {
    /// In the room.
    pub signaling: Option<f64>,
    /// Greetings exchanged.
    pub handshake: Option<f64>,
    /// Candidate pair found.
    pub ice: Option<f64>,
    /// DTLS finished.
    pub dtls: Option<f64>,
    /// First picture presented.
    pub first_frame: Option<f64>,
}

/// What the process cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProcessReport {
    /// Processor seconds, user and system.
    pub cpu_s: Option<f64>,
    /// Processor seconds per second.
    pub cpu_cores: Option<f64>,
    /// Peak resident memory.
    pub rss_peak_bytes: Option<u64>,
    /// Threads now.
    pub threads: Option<u64>,
    /// Processor seconds by thread name, threads of one name added up.
    pub cpu_by_thread: std::collections::BTreeMap<String, f64>,
}

/// One participant.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ParticipantReport {
    /// What they call themselves.
    pub name: String,
    /// Whether the symbols were compared with them, now or earlier; `None` when they never proved who they are.
    pub verified: Option<bool>,
    /// `direct` or `relayed`.
    pub connection: Option<crate::peer::Route>,
    /// `udp`, `tcp` or `tls`: of the path, or of our way to our relay.
    pub protocol: Option<&'static str>,
    /// Round trip.
    pub rtt_ms: Option<f64>,
    /// How often the connection came back.
    pub reconnects: u32,
    /// Spans of over 150 ms without any packet from them.
    pub gaps_ms: Vec<f64>,
    /// Their pictures.
    pub video_received: Vec<VideoReceivedReport>,
    /// Their sound.
    pub audio_received: Option<AudioReceivedReport>,
    /// What went to them.
    pub sent: SentReport,
}

/// One received picture stream.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VideoReceivedReport {
    /// `camera` or `screen`.
    pub source: &'static str,
    /// Always `H264` for now.
    pub codec: &'static str,
    /// Of the last picture.
    pub width: Option<usize>,
    /// Of the last picture.
    pub height: Option<usize>,
    /// Each change of size.
    pub resolutions: Vec<ResolutionReport>,
    /// Pictures presented.
    pub frames: u64,
    /// Pictures a second between the first and the last.
    pub fps: Option<f64>,
    /// Stamp to presented.
    pub latency_ms: LatencyReport,
    /// Gaps over 150 ms between pictures.
    pub freezes: FreezeReport,
    /// With headers, repairs included.
    pub bitrate_bps: Option<f64>,
    /// Never came.
    pub packets_lost: Option<u64>,
    /// Came by retransmission.
    pub packets_recovered: Option<u64>,
    /// Key frames received.
    pub keyframes: u64,
    /// Key frames asked for.
    pub key_frame_requests: u64,
    /// Pictures whose stamp could not be read.
    pub stamps_unreadable: u64,
}

/// A change of size.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResolutionReport {
    /// When, since the engine started.
    pub at_s: f64,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// Percentiles of a latency.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LatencyReport {
    /// Half are under it.
    pub p50: Option<f64>,
    /// 95 of 100 are under it.
    pub p95: Option<f64>,
    /// 99 of 100 are under it.
    pub p99: Option<f64>,
    /// The worst.
    pub max: Option<f64>,
    /// Medians of the parts.
    pub by_stage: StageReport,
}

/// Medians of the parts of a latency.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StageReport {
    /// Capture to encoder, told by the sender.
    pub capture: Option<f64>,
    /// Encoder, told by the sender.
    pub encode: Option<f64>,
    /// What is left: pacer, network.
    pub network: Option<f64>,
    /// First packet to whole picture handed to the decoder.
    pub buffer: Option<f64>,
    /// Decoder.
    pub decode: Option<f64>,
    /// Decoded to presented.
    pub present: Option<f64>,
}

/// Gaps between pictures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FreezeReport {
    /// How many.
    pub count: u64,
    /// All together.
    pub total_ms: f64,
    /// The longest.
    pub longest_ms: f64,
}

/// Received sound.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AudioReceivedReport {
    /// With headers.
    pub bitrate_bps: Option<f64>,
    /// Made up, of all played, 0 to 1.
    pub concealed_ratio: Option<f64>,
    /// Removed by playing faster, of all played, 0 to 1.
    pub accelerated_ratio: Option<f64>,
    /// Sound waiting in the buffer.
    pub buffer_ms: TwoPercentiles,
    /// Click to loudspeaker.
    pub mouth_to_ear_ms: TwoPercentiles,
    /// Sound minus picture; positive when sound is late.
    pub av_offset_ms: Option<f64>,
}

/// Median and 95th percentile.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TwoPercentiles {
    /// Half are under it.
    pub p50: Option<f64>,
    /// 95 of 100 are under it.
    pub p95: Option<f64>,
}

/// What went to a participant.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SentReport {
    /// With headers and retransmissions.
    pub video_bitrate_bps: Option<f64>,
    /// Of the congestion controller.
    pub target_bitrate_bps: TargetReport,
    /// Of the last encoded picture.
    pub width: Option<usize>,
    /// Of the last encoded picture.
    pub height: Option<usize>,
    /// Encoded pictures a second.
    pub fps: Option<f64>,
    /// `none`, `bandwidth` or `cpu`.
    pub quality_limited_by: Option<&'static str>,
}

/// Spread of the target bitrate, sampled each second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TargetReport {
    /// Median.
    pub p50: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// Something that happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelineEntry {
    /// When, since the engine started.
    pub at_s: f64,
    /// What, in a few words.
    pub event: String,
}
