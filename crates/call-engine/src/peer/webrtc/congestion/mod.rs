//! What bitrate the path can carry: after the Google congestion control that browsers use, rebuilt.
//!
//! The crate's own never saw overuse in measurements (latency grew to 11.7 s on a 600 kbit/s link). Flow: the peer
//! reports arrivals (transport-wide feedback) → [`delay`] finds queues → [`Estimator`] raises and lowers the target →
//! encoder (`on_target_bitrate`) and pacer. Runs on the worker that drives the connection.

mod delay;
mod estimator;
#[cfg(test)]
mod link_model;
mod loss;
mod trains;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use call_media::frame::StreamKind;
use rtc::interceptor::{BandwidthEstimator, EstimatorStats, PacketReport};

use super::parity;
use super::streams::Shared;
use estimator::{Estimator, Fate};

/// Changes smaller than this part are not worth telling the encoder.
const CHANGE_TOLD: f64 = 0.02;

/// The estimator as the crate wants it.
pub(super) struct CongestionControl {
    estimator: Estimator,
    shared: Arc<Shared>,
    on_target_bitrate: Arc<dyn Fn(u32) + Send + Sync>,
    told_bps: f64,
}

impl CongestionControl {
    /// Publishes the first target into `shared`; `on_target_bitrate` hears of changes only.
    pub(super) fn new(
        shared: Arc<Shared>,
        max_bitrate_bps: u32,
        on_target_bitrate: Arc<dyn Fn(u32) + Send + Sync>,
    ) -> Self {
        let estimator = Estimator::new(f64::from(max_bitrate_bps));
        let mut control = Self {
            told_bps: estimator.media_bps(),
            estimator,
            shared,
            on_target_bitrate,
        };
        control.publish(control.shared.epoch);
        control
    }

    fn publish(&mut self, now: Instant) {
        let target = self.estimator.target_bps();
        let shared = &self.shared;
        shared
            .pacing_bitrate_bps
            .store(self.estimator.pacing_bps(now) as u32, Ordering::Relaxed);
        shared.target_bitrate_bps.store(target as u32, Ordering::Relaxed);
        let group = match shared.remote_takes_parity() {
            true => {
                let present = shared.parity_group.load(Ordering::Relaxed);
                parity::group_size(present, shared.rtt(), self.estimator.loss(), target)
            }
            false => 0,
        };
        shared.parity_group.store(group, Ordering::Relaxed);
        shared.sound.set_room_bps(self.estimator.room_bps(now) as u32);
        // Copies of sound are no media: what they take is missing elsewhere.
        let media = (self.estimator.media_bps() - f64::from(shared.sound.copies_bps())).max(0.0);
        if (media - self.told_bps).abs() >= self.told_bps * CHANGE_TOLD {
            self.told_bps = media;
            tracing::trace!(
                target_kbps = (target / 1e3) as u32,
                media_kbps = (media / 1e3) as u32,
                loss = self.estimator.loss(),
                "another bitrate"
            );
            (self.on_target_bitrate)(media as u32);
        }
    }
}

impl BandwidthEstimator for CongestionControl {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        let sound = self.shared.local.of(StreamKind::Audio).ssrc;
        for report in reports.iter().filter(|report| report.ssrc == sound) {
            self.shared.sound.fate(!report.arrived);
        }
        let fates = reports.iter().map(|report| Fate {
            departure: report.departure,
            arrival: report.arrival.filter(|_| report.arrived),
            lost: !report.arrived,
            bytes: report.size,
        });
        self.estimator.on_reports(now, fates);
        self.publish(now);
    }

    fn target_bitrate(&self) -> f64 {
        self.estimator.target_bps()
    }

    fn stats(&self) -> EstimatorStats {
        EstimatorStats::default()
    }
}
