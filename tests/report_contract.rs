//! The report has exactly the fields of the contract, and null where nothing was measured.

mod common;

use std::collections::BTreeSet;

use call_engine::report::{
    AudioReceivedReport, ParticipantReport, Report, ResolutionReport, TimelineEntry, VideoReceivedReport,
};
use common::contract;
use serde_json::{Value, json};

/// A report with room for everything, in which nothing was measured.
fn roomy() -> Report {
    let video = VideoReceivedReport {
        resolutions: vec![ResolutionReport::default()],
        ..VideoReceivedReport::default()
    };
    let participant = ParticipantReport {
        gaps_ms: vec![200.0],
        video_received: vec![video],
        audio_received: Some(AudioReceivedReport::default()),
        ..ParticipantReport::default()
    };
    Report {
        participants: vec![participant],
        timeline: vec![TimelineEntry::default()],
        ..Report::default()
    }
}

fn as_json(report: &Report) -> Value {
    serde_json::to_value(report).expect("a report is JSON")
}

#[test]
fn the_fields_are_those_of_the_contract() {
    let mut present = BTreeSet::new();
    contract::collect(&as_json(&roomy()), String::new(), &mut present, &mut Vec::new());
    let expected: BTreeSet<String> = contract::FIELDS.iter().map(ToString::to_string).collect();
    assert_eq!(present, expected);
}

#[test]
fn what_was_not_measured_is_null() {
    let report = as_json(&roomy());
    assert_eq!(report["join_to_first_frame_ms"], Value::Null);
    assert_eq!(report["process"]["rss_peak_bytes"], Value::Null);
    let participant = &report["participants"][0];
    for field in ["verified", "connection", "protocol", "rtt_ms"] {
        assert_eq!(participant[field], Value::Null, "{field}");
    }
    let video = &participant["video_received"][0];
    for field in [
        "width",
        "height",
        "fps",
        "bitrate_bps",
        "packets_lost",
        "packets_recovered",
    ] {
        assert_eq!(video[field], Value::Null, "{field}");
    }
    assert_eq!(video["latency_ms"]["p50"], Value::Null);
    assert_eq!(participant["audio_received"]["mouth_to_ear_ms"]["p50"], Value::Null);
    assert_eq!(participant["sent"]["quality_limited_by"], Value::Null);
}

#[test]
fn the_check_itself_notices_missing_and_surplus_fields() {
    let good = as_json(&roomy());
    contract::check(&good);
    contract::check(&as_json(&Report::default()));
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut report = good.clone();
        change(&mut report);
        std::panic::catch_unwind(|| contract::check(&report)).is_err()
    };
    assert!(broken(&|report| report["surplus"] = json!(1)));
    assert!(broken(&|report| report["participants"][0]["sent"]["surplus"] = json!(1)));
    assert!(broken(&|report| {
        report["process"].as_object_mut().expect("an object").remove("cpu_s");
    }));
    assert!(broken(&|report| {
        report["participants"][0]["video_received"][0]["freezes"]
            .as_object_mut()
            .expect("an object")
            .remove("count");
    }));
    assert!(!broken(
        &|report| report["participants"][0]["audio_received"] = Value::Null
    ));
}
