//! How the stack below is configured: codecs, header extensions, timers, addresses, the chain of packet handlers.
//!
//! Pure construction, no network. What differs from the crate's defaults has its reason beside it.

use std::net::IpAddr;
use std::time::Duration;

use call_media::frame::{SAMPLE_RATE_HZ, StreamKind, VIDEO_CLOCK_HZ};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use webrtc::error::Result;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    MediaEngine, RTCBundlePolicy, RTCConfiguration, RTCConfigurationBuilder, RTCIceTransportPolicy, SettingEngine,
    SettingEngineBuilder,
};

use super::exposure::Exposure;
use super::servers::Servers;
use super::streams::LocalStream;
use crate::peer::PeerConfig;

/// Header extension that carries the loudness of an audio packet (RFC 6464).
pub(super) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// The crate has no name for it.
pub(super) const MIME_TYPE_RED: &str = "audio/red";
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

const OPUS_PAYLOAD_TYPE: u8 = 111;
const RED_PAYLOAD_TYPE: u8 = 63;
const H264_PAYLOAD_TYPE: u8 = 102;
const RTX_PAYLOAD_TYPE: u8 = 103;

/// Time between two rounds of connectivity checks. The crate nominates at the round after an answer, so that this is
/// most of what setting up a call on one network costs.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Rounds before a pair is given up: 8 s, in which late candidates and slow punching still succeed.
const ICE_CHECKS_PER_PAIR: u16 = 400;
/// Without a packet for so long ICE says disconnected.
const ICE_DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
/// And failed after so much more, which throws the path away for good. That is for the machine to decide: most networks
/// come back. Nothing but checks is sent meanwhile, once consent has expired (RFC 7675, section 5.1).
const ICE_FAILED_AFTER: Duration = Duration::from_secs(3_600);
/// Consent checks; frequent, because they are what tells a silent peer from a dead one within 1.5 s.
const ICE_KEEPALIVE_INTERVAL: Duration = Duration::from_millis(400);
/// A peer behind a NAT shows up by its checks before its candidate arrives: wait this long for a better pair.
const REFLEXIVE_ACCEPTANCE_WAIT: Duration = Duration::from_millis(100);

/// Exactly what we send. Matching of the crate is fuzzy, so that a second H.264 line would be answered with
/// packetization mode 0.
pub(super) fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    // Opus first: browsers send what stands first, and copies only then when they stand there.
    engine.register_codec(opus(), RtpCodecKind::Audio)?;
    engine.register_codec(red(), RtpCodecKind::Audio)?;
    engine.register_codec(h264(), RtpCodecKind::Video)?;
    engine.register_codec(rtx(), RtpCodecKind::Video)?;
    let extensions: [(&str, &[RtpCodecKind]); 3] = [
        (TRANSPORT_CC_URI, &[RtpCodecKind::Audio, RtpCodecKind::Video]),
        (MID_URI, &[RtpCodecKind::Audio, RtpCodecKind::Video]),
        (AUDIO_LEVEL_URI, &[RtpCodecKind::Audio]),
    ];
    for (uri, kinds) in extensions {
        for kind in kinds {
            let capability = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
            engine.register_header_extension(capability, *kind, None)?;
        }
    }
    Ok(engine)
}

fn feedback(typ: &str, parameter: &str) -> RTCPFeedback {
    RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    }
}

fn opus() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: SAMPLE_RATE_HZ,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![feedback("transport-cc", "")],
        },
        payload_type: OPUS_PAYLOAD_TYPE,
    }
}

/// Redundant sound (RFC 2198), in the words of browsers. A peer whose Opus line contradicts ours (`useinbandfec=0`) would
/// be left with this line alone, for the crate drops what matches in part where something matches in full.
fn red() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RED.to_owned(),
            clock_rate: SAMPLE_RATE_HZ,
            channels: 2,
            sdp_fmtp_line: format!("{OPUS_PAYLOAD_TYPE}/{OPUS_PAYLOAD_TYPE}"),
            rtcp_feedback: vec![feedback("transport-cc", "")],
        },
        payload_type: RED_PAYLOAD_TYPE,
    }
}

fn h264() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: VIDEO_CLOCK_HZ,
            channels: 0,
            sdp_fmtp_line: "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1".to_owned(),
            rtcp_feedback: vec![
                feedback("nack", ""),
                feedback("nack", "pli"),
                feedback("ccm", "fir"),
                feedback("transport-cc", ""),
            ],
        },
        payload_type: H264_PAYLOAD_TYPE,
    }
}

fn rtx() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: VIDEO_CLOCK_HZ,
            channels: 0,
            sdp_fmtp_line: format!("apt={H264_PAYLOAD_TYPE}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type: RTX_PAYLOAD_TYPE,
    }
}

/// The one track of a media section, for ever: the crate never binds a replacement.
pub(super) fn track(kind: StreamKind, stream: &LocalStream, media_stream: &str) -> TrackLocalStaticRTP {
    let (codec_kind, codec) = match kind {
        StreamKind::Audio => (RtpCodecKind::Audio, opus().rtp_codec),
        StreamKind::Video(_) => (RtpCodecKind::Video, h264().rtp_codec),
    };
    TrackLocalStaticRTP::new(MediaStreamTrack::new(
        media_stream.to_owned(),
        stream.track_id.clone(),
        stream.track_id.clone(),
        codec_kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(stream.ssrc),
                rtx: stream.ssrc_rtx.map(|ssrc| RTCRtpRtxParameters { ssrc }),
                ..RTCRtpCodingParameters::default()
            },
            codec,
            ..RTCRtpEncodingParameters::default()
        }],
    ))
}

/// Whether names of the local network (`.local` candidates, RFC draft-ietf-mmusic-mdns-ice-candidates) can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multicast {
    Usable,
    /// There is no multicast route.
    Absent,
}

/// Timers and switches.
pub(super) fn setting_engine(config: &PeerConfig, multicast: Multicast) -> SettingEngine {
    SettingEngineBuilder::new()
        .with_ice_timeouts(
            Some(ICE_DISCONNECTED_AFTER),
            Some(ICE_FAILED_AFTER),
            Some(ICE_KEEPALIVE_INTERVAL),
        )
        .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_CHECKS_PER_PAIR))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(REFLEXIVE_ACCEPTANCE_WAIT))
        .with_prflx_acceptance_min_wait(Some(REFLEXIVE_ACCEPTANCE_WAIT))
        // The default keeps a call over a relay waiting for two seconds.
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        .with_include_loopback_candidate(config.loopback)
        // New sockets at a restart: the old ones may belong to an interface that is gone.
        .with_discard_local_candidates_during_ice_restart(true)
        .with_multicast_dns_mode(match multicast {
            Multicast::Usable => MulticastDnsMode::QueryOnly,
            Multicast::Absent => MulticastDnsMode::Disabled,
        })
        .build()
}

/// Servers and policies.
pub(super) fn configuration(servers: &Servers, exposure: Exposure) -> RTCConfiguration {
    RTCConfigurationBuilder::new()
        .with_ice_servers(servers.for_stack())
        .with_bundle_policy(RTCBundlePolicy::MaxBundle)
        .with_ice_transport_policy(match exposure {
            Exposure::RelayOnly => RTCIceTransportPolicy::Relay,
            Exposure::Direct => RTCIceTransportPolicy::All,
        })
        .build()
}

/// Addresses to bind UDP sockets to. A wildcard stands for all interfaces that exist when the sockets are bound, again
/// at each ICE restart; one of a family without an address would bring a candidate nobody can reach.
pub(super) fn udp_addresses(config: &PeerConfig) -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = |v4: bool| {
        interfaces.iter().any(|interface| {
            let address = interface.ip();
            address.is_ipv4() == v4 && !address.is_loopback() && !is_link_local(address)
        })
    };
    let mut addresses = Vec::new();
    if usable(true) {
        addresses.push("0.0.0.0:0".to_owned());
    }
    if usable(false) {
        addresses.push("[::]:0".to_owned());
    }
    if config.loopback {
        addresses.push("127.0.0.1:0".to_owned());
    }
    if addresses.is_empty() {
        // Nothing to call from now; a restart finds what comes later.
        addresses.push("0.0.0.0:0".to_owned());
    }
    addresses
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The chain's handlers in one list; see [`super::chain`].
pub(super) use handlers::registry;

mod handlers {
    use std::sync::Arc;

    use rtc::interceptor::{
        CongestionControlBuilder, NackResponderBuilder, ReceiverReportBuilder, SenderReportBuilder, Slot,
        TwccReceiverBuilder, TwccSenderBuilder,
    };

    use super::super::chain::{InChain, WithRtx};
    use super::super::congestion::CongestionControl;
    use super::super::delivery::Delivery;
    use super::super::nack::NackSender;
    use super::super::pacer::PacerHandler;
    use super::super::parity::ParityHandler;
    use super::super::rtx::RtxUnwrap;
    use super::super::streams::Shared;
    use super::super::wire_tap::WireTap;
    use super::{Duration, PeerConfig, Registry};

    /// Next to the wire: sees what everything else makes.
    const WIRE_TAP: usize = 500;
    /// Behind the FEC decoder's place, in front of the NACK generator.
    const RTX_UNWRAP: usize = 6_500;
    /// Between the repair stream and the requests for repairs.
    const PARITY: usize = 6_600;
    /// Next to the application, behind all that records arrivals.
    const DELIVERY: usize = 14_000;

    /// How often the peer hears which packets arrived. At 100 ms, the default, a queue grows by a tenth of a second
    /// before anyone knows.
    const ARRIVAL_REPORT_INTERVAL: Duration = Duration::from_millis(50);

    pub(in super::super) fn registry(shared: &Arc<Shared>, config: &PeerConfig) -> Registry {
        let tap = WireTap::new(Arc::clone(shared), Arc::clone(&config.on_key_frame_request));
        let control = CongestionControl::new(
            Arc::clone(shared),
            config.max_bitrate_bps,
            Arc::clone(&config.on_target_bitrate),
        );
        let delivery = Delivery::new(Arc::clone(shared), config.receivers.clone());
        Registry::new()
            .with(Slot::from(WIRE_TAP), InChain::new(tap))
            .with(
                Slot::CongestionControl,
                WithRtx(CongestionControlBuilder::new(control).build()),
            )
            .with(Slot::TwccSender, WithRtx(TwccSenderBuilder::new().build()))
            .with(Slot::Pacer, InChain::new(PacerHandler::new(Arc::clone(shared))))
            .with(Slot::NackResponder, NackResponderBuilder::new().build())
            .with(Slot::from(RTX_UNWRAP), InChain::new(RtxUnwrap::default()))
            .with(Slot::from(PARITY), InChain::new(ParityHandler::new(Arc::clone(shared))))
            .with(Slot::NackGenerator, InChain::new(NackSender::new(Arc::clone(shared))))
            .with(
                Slot::TwccReceiver,
                TwccReceiverBuilder::new()
                    .with_interval(ARRIVAL_REPORT_INTERVAL)
                    .build(),
            )
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
            .with(Slot::SenderReport, SenderReportBuilder::new().build())
            .with(Slot::from(DELIVERY), InChain::new(delivery))
    }
}
