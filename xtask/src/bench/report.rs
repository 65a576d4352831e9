//! Reads the reports that `visavis headless` writes.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// A report on disk.
pub fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("there is no report at {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// The camera pictures of the only participant.
pub fn camera_of(report: &Value) -> anyhow::Result<Value> {
    let streams = report["participants"][0]["video_received"].as_array();
    let camera = streams
        .into_iter()
        .flatten()
        .find(|stream| stream["source"] == "camera");
    camera.cloned().context("the report has no camera pictures")
}

/// Null is not measured.
pub fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}
