//! The figures of a call over a bad network: what each is called, which way is better, and where a report has it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::report::{camera_of, number};

/// The picture everybody sends.
pub const FULL_HEIGHT: f64 = 720.0;

/// While a call begins, its picture may be small.
const BEGINNING_S: f64 = 2.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    LatencyP50,
    LatencyP95,
    LatencyP99,
    LatencyMax,
    Freezes,
    LongestFreeze,
    FramesPerSecond,
    LastHeight,
    LowestHeight,
    FullSizeAfter,
    Psnr,
    LongestGap,
    KeyFrames,
    Bitrate,
    TargetBitrate,
    AudioConcealed,
    AudioBuffer,
    FirstFrame,
    DropGap,
    DropFreezes,
    DropLatency,
    DropUnder400,
    DropUnder150,
    DropConcealed,
    BackAfter,
}

/// One value a figure.
pub type Figures = BTreeMap<Figure, f64>;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
}

impl Figure {
    /// Its name with the unit, the digits that matter, and which way is better.
    pub fn about(self) -> (&'static str, usize, Better) {
        match self {
            Self::LatencyP50 => ("latency p50, ms", 0, Better::Less),
            Self::LatencyP95 => ("latency p95, ms", 0, Better::Less),
            Self::LatencyP99 => ("latency p99, ms", 0, Better::Less),
            Self::LatencyMax => ("latency max, ms", 0, Better::Less),
            Self::Freezes => ("freezes over 150 ms", 0, Better::Less),
            Self::LongestFreeze => ("longest freeze, ms", 0, Better::Less),
            Self::FramesPerSecond => ("frames a second", 1, Better::More),
            Self::LastHeight => ("height at the end, rows", 0, Better::More),
            Self::LowestHeight => ("lowest height after 2 s, rows", 0, Better::More),
            Self::FullSizeAfter => ("first frame to full size, s", 1, Better::Less),
            Self::Psnr => ("picture at full size, PSNR-Y, dB", 1, Better::More),
            Self::LongestGap => ("longest gap in the run for pictures, ms", 0, Better::Less),
            Self::KeyFrames => ("key frames", 0, Better::Less),
            Self::Bitrate => ("video received, kbit/s", 0, Better::More),
            Self::TargetBitrate => ("target of the sender, kbit/s", 0, Better::More),
            Self::AudioConcealed => ("audio concealed, %", 2, Better::Less),
            Self::AudioBuffer => ("audio buffer p50, ms", 0, Better::Less),
            Self::FirstFrame => ("join to first frame, ms", 0, Better::Less),
            Self::DropGap => ("rate drop: longest gap, ms", 0, Better::Less),
            Self::DropFreezes => ("rate drop: freezes in 5 s", 0, Better::Less),
            Self::DropLatency => ("rate drop: highest latency, ms", 0, Better::Less),
            Self::DropUnder400 => ("rate drop: latency under 400 ms, s", 1, Better::Less),
            Self::DropUnder150 => ("rate drop: latency under 150 ms, s", 1, Better::Less),
            Self::DropConcealed => ("rate drop: audio concealed in 5 s, %", 1, Better::Less),
            Self::BackAfter => ("rate back: 80 % of it after, s", 1, Better::Less),
        }
    }

    /// Whether it is measured in the run in which pictures are compared.
    pub fn is_of_picture(self) -> bool {
        matches!(self, Self::Psnr | Self::LongestGap)
    }
}

/// What the reports of whoever looks on and whoever sends say.
pub fn of_reports(guest: &Value, host: &Value) -> anyhow::Result<Figures> {
    let video = camera_of(guest)?;
    let audio = &guest["participants"][0]["audio_received"];
    let sent = &host["participants"][0]["sent"];
    let times = |factor: f64, value: &Value| number(value).map(|value| value * factor);
    let found = [
        (Figure::LatencyP50, number(&video["latency_ms"]["p50"])),
        (Figure::LatencyP95, number(&video["latency_ms"]["p95"])),
        (Figure::LatencyP99, number(&video["latency_ms"]["p99"])),
        (Figure::LatencyMax, number(&video["latency_ms"]["max"])),
        (Figure::Freezes, number(&video["freezes"]["count"])),
        (Figure::LongestFreeze, number(&video["freezes"]["longest_ms"])),
        (Figure::FramesPerSecond, number(&video["fps"])),
        (Figure::LastHeight, number(&video["height"])),
        (Figure::LowestHeight, lowest_height(&video)),
        (Figure::FullSizeAfter, full_size_after_s(&video)),
        (Figure::KeyFrames, number(&video["keyframes"])),
        (Figure::Bitrate, times(1e-3, &video["bitrate_bps"])),
        (Figure::TargetBitrate, times(1e-3, &sent["target_bitrate_bps"]["p50"])),
        (Figure::AudioConcealed, times(100.0, &audio["concealed_ratio"])),
        (Figure::AudioBuffer, number(&audio["buffer_ms"]["p50"])),
        (Figure::FirstFrame, number(&guest["join_to_first_frame_ms"])),
    ];
    Ok(found
        .into_iter()
        .filter_map(|(figure, value)| Some((figure, value?)))
        .collect())
}

/// Infinite when the picture never had its full size.
fn full_size_after_s(video: &Value) -> Option<f64> {
    let sizes = video["resolutions"].as_array()?;
    let first = number(&sizes.first()?["at_s"])?;
    let full = sizes.iter().find(|size| number(&size["height"]) >= Some(FULL_HEIGHT));
    Some(match full {
        Some(full) => number(&full["at_s"])? - first,
        None => f64::INFINITY,
    })
}

/// Of all pictures once the beginning is over.
fn lowest_height(video: &Value) -> Option<f64> {
    let sizes = video["resolutions"].as_array()?;
    let end_of_beginning = number(&sizes.first()?["at_s"])? + BEGINNING_S;
    let last_of_beginning = sizes
        .iter()
        .rposition(|size| number(&size["at_s"]) <= Some(end_of_beginning))?;
    let heights = sizes[last_of_beginning..].iter().map(|size| number(&size["height"]));
    heights.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn full_size_is_counted_from_the_first_picture() {
        let sizes = |sizes: Value| full_size_after_s(&json!({ "resolutions": sizes }));
        let (small, full) = (json!({"at_s": 1.0, "height": 360}), json!({"at_s": 2.5, "height": 720}));
        assert_eq!(sizes(json!([small, full])), Some(1.5));
        assert_eq!(sizes(json!([full])), Some(0.0));
        assert_eq!(sizes(json!([small])), Some(f64::INFINITY));
        assert_eq!(sizes(json!([])), None);
    }

    #[test]
    fn the_lowest_height_leaves_the_beginning_out() {
        let size = |at_s: f64, height: u32| json!({"at_s": at_s, "height": height});
        let lowest = |sizes: &[Value]| lowest_height(&json!({ "resolutions": sizes }));
        let begun = [size(10.0, 180), size(10.5, 360), size(11.0, 720)];
        assert_eq!(lowest(&begun), Some(720.0));
        assert_eq!(
            lowest(&[&begun[..], &[size(30.0, 540), size(31.0, 720)]].concat()),
            Some(540.0)
        );
        assert_eq!(lowest(&[size(10.0, 360), size(13.0, 720)]), Some(360.0));
        assert_eq!(lowest(&[]), None);
    }

    #[test]
    fn a_report_that_measured_nothing_gives_nothing() {
        let guest = json!({"participants": [{"video_received": [{"source": "camera", "fps": null, "height": 720}]}]});
        let figures = of_reports(&guest, &json!({})).expect("a report");
        assert_eq!(figures, Figures::from([(Figure::LastHeight, 720.0)]));
        assert!(of_reports(&json!({}), &json!({})).is_err());
    }
}
