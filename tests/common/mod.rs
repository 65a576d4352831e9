//! What the tests of the product share: real processes, real servers, their reports.
//!
//! Waiting is always for an event, with a guard that fails the test when the event never comes; the guards
//! are far beyond any sensible time, so that a slow machine does not fail a test.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part")]

pub mod contract;
pub mod display;
pub mod footage;
pub mod process;
pub mod server;
pub mod stamp;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an event may take before the test fails.
pub const GUARD: Duration = Duration::from_secs(90);

/// A finished run's report, checked against the contract.
pub fn report(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("no report at {}: {error}", path.display()));
    let report: Value = serde_json::from_str(&text).expect("a report is JSON");
    contract::check(&report);
    report
}

/// Waits until a run that writes its report each second (`--report-every`) has written one that fits.
pub fn wait_for_report(path: &Path, fits: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + GUARD;
    while !std::fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .is_some_and(|report| fits(&report))
    {
        assert!(Instant::now() < deadline, "no report at {} fits", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The participant of this name in a report.
pub fn participant<'a>(report: &'a Value, name: &str) -> &'a Value {
    let participants = report["participants"].as_array().expect("a list");
    let found = participants.iter().find(|participant| participant["name"] == name);
    found.unwrap_or_else(|| panic!("no participant '{name}' in {report:#}"))
}

/// The camera pictures that came from a participant.
pub fn camera(participant: &Value) -> &Value {
    let streams = participant["video_received"].as_array().expect("a list");
    let found = streams.iter().find(|stream| stream["source"] == "camera");
    found.unwrap_or_else(|| panic!("no camera pictures in {participant:#}"))
}

/// A number of a report that must have been measured.
pub fn number(value: &Value, field: &str) -> f64 {
    value[field]
        .as_f64()
        .unwrap_or_else(|| panic!("'{field}' was not measured: {value:#}"))
}

/// The longest span without any packet, in milliseconds; 0 without one over 150 ms.
pub fn longest_gap_ms(participant: &Value) -> f64 {
    let gaps = participant["gaps_ms"].as_array().expect("a list");
    gaps.iter()
        .map(|gap| gap.as_f64().expect("a number"))
        .fold(0.0, f64::max)
}
