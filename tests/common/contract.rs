//! The report's contract: every field that must be there, measured or null.
//!
//! Measuring tools outside the project rely on these names. A change here is a change of the contract.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every field, as a path: `[]` goes into a list, `{}` into a map with free keys.
pub const FIELDS: &[&str] = &[
    "version",
    "name",
    "seconds",
    "join_to_first_frame_ms",
    "joined_ms.signaling",
    "joined_ms.handshake",
    "joined_ms.ice",
    "joined_ms.dtls",
    "joined_ms.first_frame",
    "process.cpu_s",
    "process.cpu_cores",
    "process.rss_peak_bytes",
    "process.threads",
    "process.cpu_by_thread{}",
    "participants[].name",
    "participants[].verified",
    "participants[].connection",
    "participants[].protocol",
    "participants[].rtt_ms",
    "participants[].reconnects",
    "participants[].gaps_ms[]",
    "participants[].video_received[].source",
    "participants[].video_received[].codec",
    "participants[].video_received[].width",
    "participants[].video_received[].height",
    "participants[].video_received[].resolutions[].at_s",
    "participants[].video_received[].resolutions[].width",
    "participants[].video_received[].resolutions[].height",
    "participants[].video_received[].frames",
    "participants[].video_received[].fps",
    "participants[].video_received[].latency_ms.p50",
    "participants[].video_received[].latency_ms.p95",
    "participants[].video_received[].latency_ms.p99",
    "participants[].video_received[].latency_ms.max",
    "participants[].video_received[].latency_ms.by_stage.capture",
    "participants[].video_received[].latency_ms.by_stage.encode",
    "participants[].video_received[].latency_ms.by_stage.network",
    "participants[].video_received[].latency_ms.by_stage.buffer",
    "participants[].video_received[].latency_ms.by_stage.decode",
    "participants[].video_received[].latency_ms.by_stage.present",
    "participants[].video_received[].freezes.count",
    "participants[].video_received[].freezes.total_ms",
    "participants[].video_received[].freezes.longest_ms",
    "participants[].video_received[].bitrate_bps",
    "participants[].video_received[].packets_lost",
    "participants[].video_received[].packets_recovered",
    "participants[].video_received[].keyframes",
    "participants[].video_received[].key_frame_requests",
    "participants[].video_received[].stamps_unreadable",
    "participants[].audio_received.bitrate_bps",
    "participants[].audio_received.concealed_ratio",
    "participants[].audio_received.accelerated_ratio",
    "participants[].audio_received.buffer_ms.p50",
    "participants[].audio_received.buffer_ms.p95",
    "participants[].audio_received.mouth_to_ear_ms.p50",
    "participants[].audio_received.mouth_to_ear_ms.p95",
    "participants[].audio_received.av_offset_ms",
    "participants[].sent.video_bitrate_bps",
    "participants[].sent.target_bitrate_bps.p50",
    "participants[].sent.target_bitrate_bps.min",
    "participants[].sent.target_bitrate_bps.max",
    "participants[].sent.width",
    "participants[].sent.height",
    "participants[].sent.fps",
    "participants[].sent.quality_limited_by",
    "timeline[].at_s",
    "timeline[].event",
];

/// The only lists and maps whose elements are numbers or free keys.
const FREE_KEYS: &str = "process.cpu_by_thread";

/// Panics when a report names a field that is not in the contract, or leaves one out that it has room for.
///
/// A part that is null or an empty list (nobody came, no sound arrived) has no room for its fields.
pub fn check(report: &Value) {
    let mut present = BTreeSet::new();
    let mut closed = Vec::new();
    collect(report, String::new(), &mut present, &mut closed);
    for path in &present {
        let part_of = |field: &&&str| **field == path.as_str() || field.starts_with(&format!("{path}."));
        assert!(
            FIELDS.iter().any(|field| part_of(&field)),
            "'{path}' is not in the contract"
        );
    }
    for field in FIELDS {
        let is_closed = closed.iter().any(|part: &String| field.starts_with(part.as_str()));
        assert!(
            present.contains(*field) || is_closed,
            "'{field}' is missing from the report"
        );
    }
}

/// Paths of all leaves into `present`, and the beginnings of paths that have no room into `closed`.
pub fn collect(value: &Value, path: String, present: &mut BTreeSet<String>, closed: &mut Vec<String>) {
    match value {
        Value::Object(_) if path == FREE_KEYS => {
            present.insert(format!("{path}{{}}"));
        }
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (name, field) in fields {
                collect(field, format!("{path}{dot}{name}"), present, closed);
            }
        }
        Value::Array(list) if list.is_empty() => closed.push(format!("{path}[]")),
        Value::Array(list) => {
            for element in list {
                collect(element, format!("{path}[]"), present, closed);
            }
        }
        Value::Null => {
            closed.push(format!("{path}."));
            present.insert(path);
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            present.insert(path);
        }
    }
}
