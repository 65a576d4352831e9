//! What leaves and arrives at the wire: counters, round trip, and the peer's wishes for key frames.
//!
//! The member of the chain next to the wire. It changes nothing; the crate's own statistics lack round trip, remote
//! loss and key-frame requests, and its delivery of RTCP to tracks depends on track names.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use call_media::frame::{StreamKind, VideoKind};
use rtc::interceptor::{Attribute, Packet, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::shared::marshal::MarshalSize;

use super::chain::{Handler, Outputs};
use super::streams::{Role, Shared};

/// Sender reports remembered for round-trip times: the last ones of three streams, a report a second.
const SENDER_REPORTS_KEPT: usize = 32;

/// The handler.
pub(super) struct WireTap {
    shared: Arc<Shared>,
    on_key_frame_request: Arc<dyn Fn(VideoKind) + Send + Sync>,
    round_trips: RoundTrips,
}

impl WireTap {
    pub(super) fn new(shared: Arc<Shared>, on_key_frame_request: Arc<dyn Fn(VideoKind) + Send + Sync>) -> Self {
        Self {
            shared,
            on_key_frame_request,
            round_trips: RoundTrips::default(),
        }
    }

    fn read_rtcp(&mut self, packet: &dyn rtcp::Packet, now: Instant) {
        let any = packet.as_any();
        if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            self.read_reports(&report.reports, now);
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            self.read_reports(&report.reports, now);
        } else if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
            self.key_frame_requested(pli.media_ssrc);
        } else if let Some(fir) = any.downcast_ref::<FullIntraRequest>() {
            for entry in &fir.fir {
                self.key_frame_requested(entry.ssrc);
            }
        }
    }

    fn read_reports(&self, reports: &[ReceptionReport], now: Instant) {
        for report in reports {
            let Some(stream) = self.shared.local_ssrc(report.ssrc) else {
                continue;
            };
            if stream.role == Role::Primary {
                let fraction = u32::from(report.fraction_lost);
                self.shared
                    .sent
                    .of(stream.kind)
                    .fraction_lost
                    .store(fraction, Ordering::Relaxed);
                if stream.kind == StreamKind::Audio {
                    let lost = f32::from(report.fraction_lost) / 256.0;
                    self.shared.sound.reported(lost, report.last_sequence_number);
                }
            }
            if let Some(rtt) = self.round_trips.measure(report.last_sender_report, report.delay, now) {
                self.shared.set_rtt(rtt);
            }
        }
    }

    fn key_frame_requested(&self, ssrc: u32) {
        if let Some(stream) = self.shared.local_ssrc(ssrc)
            && let StreamKind::Video(kind) = stream.kind
        {
            self.shared
                .sent
                .of(stream.kind)
                .key_frame_requests
                .fetch_add(1, Ordering::Relaxed);
            (self.on_key_frame_request)(kind);
        }
    }

    fn count_sent(&self, packet: &rtc::rtp::Packet, repair: bool) {
        let Some(stream) = self.shared.local_ssrc(packet.header.ssrc) else {
            return;
        };
        let counters = self.shared.sent.of(stream.kind);
        let bytes = (packet.header.marshal_size() + packet.payload.len()) as u64;
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        if repair || stream.role != Role::Primary {
            counters.retransmitted_packets.fetch_add(1, Ordering::Relaxed);
        } else {
            counters.packets.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Handler for WireTap {
    fn read(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        // The packet came through SRTP: only the peer can have made it.
        self.shared.heard(packet.now);
        if let Packet::Rtcp(compound) = &packet.message.packet {
            for one in compound {
                self.read_rtcp(one.as_ref(), packet.now);
            }
        }
        out.inbound.push_back(packet);
    }

    fn write(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        match &packet.message.packet {
            Packet::Rtp(rtp) => self.count_sent(rtp, packet.message.has(&Attribute::Retransmission)),
            Packet::Rtcp(compound) => {
                for one in compound {
                    if let Some(report) = one.as_any().downcast_ref::<SenderReport>() {
                        self.round_trips.sent(report.ntp_time, packet.now);
                    }
                }
            }
            // The crate may grow other kinds.
            _ => {}
        }
        out.outbound.push_back(packet);
    }
}

/// Round-trip times from sender and receiver reports (RFC 3550, section 6.4.1), on our clock only: what a report
/// echoes is looked up among the reports sent, so that a step of the wall clock changes nothing.
#[derive(Default)]
struct RoundTrips {
    sent: VecDeque<(u32, Instant)>,
}

impl RoundTrips {
    fn sent(&mut self, ntp_time: u64, now: Instant) {
        if self.sent.len() == SENDER_REPORTS_KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((middle_32_bits(ntp_time), now));
    }

    /// `last_sender_report` and `delay` as the report has them: NTP's middle 32 bits, and 1/65536 s.
    fn measure(&self, last_sender_report: u32, delay: u32, now: Instant) -> Option<Duration> {
        let (_, sent_at) = self.sent.iter().rev().find(|(stamp, _)| *stamp == last_sender_report)?;
        let held = Duration::from_nanos(u64::from(delay) * 1_000_000_000 / 65_536);
        now.saturating_duration_since(*sent_at).checked_sub(held)
    }
}

fn middle_32_bits(ntp_time: u64) -> u32 {
    ((ntp_time >> 16) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rtc::interceptor::AttributedPacket;
    use rtc::shared::TransportContext;

    use super::super::chain::rtcp;
    use super::super::streams::{NO_REPORT, draw_local_streams};
    use super::*;

    fn tap() -> (WireTap, Arc<Shared>, Arc<Mutex<Vec<VideoKind>>>) {
        let shared = Arc::new(Shared::new(draw_local_streams().unwrap().0, Instant::now()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let tap = WireTap::new(
            Arc::clone(&shared),
            Arc::new(move |kind| log.lock().unwrap().push(kind)),
        );
        (tap, shared, requests)
    }

    #[test]
    fn a_report_gives_loss_and_round_trip_without_the_time_the_peer_held_it() {
        let (mut tap, shared, _) = tap();
        let camera = StreamKind::Video(VideoKind::Camera);
        let ssrc = shared.local.of(camera).ssrc;
        assert_eq!(shared.sent.of(camera).fraction_lost.load(Ordering::Relaxed), NO_REPORT);
        let start = shared.epoch;
        let mut out = Outputs::default();
        let ntp_time = 0x1234_5678_9abc_def0;
        tap.write(
            rtcp(
                start,
                Box::new(SenderReport {
                    ssrc,
                    ntp_time,
                    ..SenderReport::default()
                }),
            ),
            &mut out,
        );
        let report = ReceptionReport {
            ssrc,
            fraction_lost: 64,
            last_sender_report: 0x5678_9abc,
            delay: 65_536 / 2,
            ..ReceptionReport::default()
        };
        let receiver_report = ReceiverReport {
            reports: vec![report],
            ..ReceiverReport::default()
        };
        tap.read(
            rtcp(start + Duration::from_millis(540), Box::new(receiver_report)),
            &mut out,
        );
        assert_eq!(shared.rtt(), Some(Duration::from_millis(40)));
        assert_eq!(shared.sent.of(camera).fraction_lost.load(Ordering::Relaxed), 64);
        assert_eq!(shared.last_heard(), start + Duration::from_millis(540));
    }

    #[test]
    fn a_report_on_something_we_never_sent_measures_nothing() {
        let trips = RoundTrips::default();
        assert_eq!(trips.measure(0, 0, Instant::now()), None);
    }

    #[test]
    fn key_frame_requests_find_their_picture_by_ssrc() {
        let (mut tap, shared, requests) = tap();
        let screen = StreamKind::Video(VideoKind::Screen);
        let mut out = Outputs::default();
        for media_ssrc in [shared.local.of(screen).ssrc, 1, shared.local.of(StreamKind::Audio).ssrc] {
            let pli = PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc,
            };
            tap.read(rtcp(shared.epoch, Box::new(pli)), &mut out);
        }
        assert_eq!(*requests.lock().unwrap(), [VideoKind::Screen]);
        assert_eq!(shared.sent.of(screen).key_frame_requests.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn repairs_are_counted_apart_from_first_transmissions() {
        let (mut tap, shared, _) = tap();
        let camera = StreamKind::Video(VideoKind::Camera);
        let local = shared.local.of(camera).clone();
        let mut out = Outputs::default();
        for ssrc in [local.ssrc, local.ssrc, local.ssrc_rtx.unwrap()] {
            let mut packet = rtc::rtp::Packet::default();
            packet.header.ssrc = ssrc;
            packet.payload = vec![0; 100].into();
            tap.write(
                TaggedPacket {
                    now: shared.epoch,
                    transport: TransportContext::default(),
                    message: AttributedPacket::new(Packet::Rtp(packet)),
                },
                &mut out,
            );
        }
        let sent = shared.sent.of(camera);
        assert_eq!(sent.packets.load(Ordering::Relaxed), 2);
        assert_eq!(sent.retransmitted_packets.load(Ordering::Relaxed), 1);
        assert_eq!(sent.bytes.load(Ordering::Relaxed), 336);
        assert_eq!(out.outbound.len(), 3);
    }
}
