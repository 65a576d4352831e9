//! The media part of the report: counters of receivers and senders into the figures of the contract.

use call_core::{ParticipantSnapshot, SendTimings, VideoSource};
use call_media::frame::{StreamKind, VideoKind};
use call_media::percentiles::Percentiles;
use call_media::send::ladder::LimitedBy;

use crate::call_media::SentPicture;
use crate::figures::Totals;
use crate::remote_media::{RemoteMedia, RemotePicture};
use crate::report::{
    AudioReceivedReport, FreezeReport, LatencyReport, ResolutionReport, SentReport, StageReport, TwoPercentiles,
    VideoReceivedReport,
};

/// What a participant last told about its own delays.
pub(crate) fn send_timings(participant: &ParticipantSnapshot, kind: VideoKind) -> Option<SendTimings> {
    let source = match kind {
        VideoKind::Camera => VideoSource::Camera,
        VideoKind::Screen => VideoSource::Screen,
    };
    participant
        .send_timings
        .iter()
        .find(|timings| timings.source == source)
        .copied()
}

/// A received picture stream; `None` when nothing ever came.
pub(crate) fn video(
    picture: &RemotePicture,
    totals: &Totals,
    timings: Option<SendTimings>,
) -> Option<VideoReceivedReport> {
    let statistics = picture.receiver()?.statistics();
    let received = totals.received.get(&StreamKind::Video(picture.kind()));
    let span_s = match (statistics.first_frame_at, statistics.last_frame_at) {
        (Some(first), Some(last)) => last.saturating_duration_since(first).as_secs_f64(),
        _ => 0.0,
    };
    let shown = statistics.frames > 0;
    let ms = |span: std::time::Duration| span.as_secs_f64() * 1e3;
    let [capture, encode] = match timings {
        Some(timings) => [Some(f64::from(timings.capture_ms)), Some(f64::from(timings.encode_ms))],
        None => [None, None],
    };
    let median = |part: &Percentiles| part.quantile_ms(0.5);
    let (buffer, decode, present) = (
        median(&statistics.buffer),
        median(&statistics.decode),
        median(&statistics.present),
    );
    let total = median(&statistics.latency);
    let rest = || Some((total? - capture? - encode? - buffer? - decode? - present?).max(0.0));
    Some(VideoReceivedReport {
        source: match picture.kind() {
            VideoKind::Camera => "camera",
            VideoKind::Screen => "screen",
        },
        codec: "H264",
        width: shown.then_some(statistics.width),
        height: shown.then_some(statistics.height),
        resolutions: statistics
            .resolutions
            .iter()
            .map(|&(at_s, width, height)| ResolutionReport { at_s, width, height })
            .collect(),
        frames: statistics.frames,
        fps: (span_s > 0.0).then(|| (statistics.frames.saturating_sub(1)) as f64 / span_s),
        latency_ms: LatencyReport {
            p50: total,
            p95: statistics.latency.quantile_ms(0.95),
            p99: statistics.latency.quantile_ms(0.99),
            max: statistics.latency.max_ms(),
            by_stage: StageReport {
                capture,
                encode,
                network: rest(),
                buffer,
                decode,
                present,
            },
        },
        freezes: FreezeReport {
            count: statistics.freezes.count,
            total_ms: ms(statistics.freezes.total),
            longest_ms: ms(statistics.freezes.longest),
        },
        bitrate_bps: received
            .filter(|_| span_s > 0.0)
            .map(|received| received.bytes as f64 * 8.0 / span_s),
        packets_lost: received.map(|received| received.packets_lost),
        packets_recovered: received.map(|received| received.packets_recovered),
        keyframes: statistics.key_frames,
        key_frame_requests: statistics.key_frame_requests,
        stamps_unreadable: statistics.stamps_unreadable,
    })
}

/// Received sound; `None` when nothing ever came.
pub(crate) fn audio(media: &RemoteMedia, totals: &Totals, connected_s: Option<f64>) -> Option<AudioReceivedReport> {
    let statistics = media.audio.statistics();
    if statistics.packets_received == 0 {
        return None;
    }
    let received = totals.received.get(&StreamKind::Audio);
    let played = statistics.played_samples as f64;
    let ratio = |samples: u64| (played > 0.0).then(|| samples as f64 / played);
    let two = |percentiles: &Percentiles| TwoPercentiles {
        p50: percentiles.quantile_ms(0.5),
        p95: percentiles.quantile_ms(0.95),
    };
    let mouth_to_ear = two(&statistics.mouth_to_ear);
    // Both ends of the comparison are stamped at capture on the same clock: the click and the picture.
    let picture = media
        .camera
        .receiver()
        .and_then(|camera| camera.statistics().latency.quantile_ms(0.5));
    Some(AudioReceivedReport {
        bitrate_bps: match (received, connected_s) {
            (Some(received), Some(seconds)) if seconds > 0.0 => Some(received.bytes as f64 * 8.0 / seconds),
            _ => None,
        },
        concealed_ratio: ratio(statistics.concealed_samples),
        accelerated_ratio: ratio(statistics.accelerated_samples),
        buffer_ms: two(&statistics.buffer),
        av_offset_ms: mouth_to_ear.p50.zip(picture).map(|(sound, picture)| sound - picture),
        mouth_to_ear_ms: mouth_to_ear,
    })
}

/// What went to a participant; the target bitrate is added by the caller.
pub(crate) fn sent(picture: Option<SentPicture>, totals: &Totals, connected_s: Option<f64>) -> SentReport {
    let video = [VideoKind::Camera, VideoKind::Screen]
        .into_iter()
        .filter_map(|kind| totals.sent.get(&StreamKind::Video(kind)));
    let bytes: u64 = video.map(|sent| sent.bytes).sum();
    SentReport {
        video_bitrate_bps: connected_s
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| bytes as f64 * 8.0 / seconds),
        width: picture.map(|picture| picture.width),
        height: picture.map(|picture| picture.height),
        fps: picture.map(|picture| picture.fps),
        quality_limited_by: picture.map(|picture| match picture.limited_by {
            LimitedBy::None => "none",
            LimitedBy::Bandwidth => "bandwidth",
            LimitedBy::Cpu => "cpu",
        }),
        ..SentReport::default()
    }
}
