//! Puts a connection together out of the crate's parts, and asks it what was negotiated.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use call_media::frame::StreamKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{Notify, mpsc, watch};
use webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{PeerConnection, PeerConnectionBuilder, RTCConfiguration, StatsSelector};
use webrtc::rtp_transceiver::RtpSender;

use super::events::{Callbacks, Notice};
use super::exposure::Exposure;
use super::findings::Findings;
use super::gated::GatedRuntime;
use super::handshake::{Fingerprint, Refusal};
use super::send::Negotiated;
use super::servers::Servers;
use super::setup::{self, Multicast};
use super::source_filter::Gate;
use super::statistics::{self, PathSample};
use super::streams::{PerStream, STREAM_KINDS, Shared};
use crate::peer::{PeerConfig, PeerError};

/// Control messages the peer has not acknowledged, in bytes.
const CONTROL_BUFFER_BYTES: usize = 1024 * 1024;

/// What the tasks share with the connection.
pub(super) struct Inner {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) shared: Arc<Shared>,
    pub(super) senders: PerStream<Arc<dyn RtpSender>>,
    pub(super) tracks: PerStream<Arc<TrackLocalStaticRTP>>,
    pub(super) agreed: watch::Sender<Option<PerStream<Negotiated>>>,
    pub(super) path: Mutex<Option<PathSample>>,
    pub(super) gate: Gate,
    /// This machine has other addresses than a moment ago.
    pub(super) addresses_changed: Notify,
    pub(super) exposure: Exposure,
    pub(super) servers: Arc<Servers>,
    pub(super) findings: Arc<Findings>,
    /// Since the first description of ours was set, addresses are looked for.
    pub(super) gathering_since: OnceLock<Instant>,
    /// Of the certificate that the peer's descriptions promise; `None` before the first.
    pub(super) announced: Mutex<Option<Fingerprint>>,
    /// Whether the certificate in use was compared with it.
    pub(super) identity: watch::Sender<PeerIdentity>,
}

/// What is known of who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerIdentity {
    Unknown,
    /// It has the certificate that was announced.
    Confirmed,
}

impl Inner {
    /// Compares the certificate in use with the announced one. The stack did so too, inside the handshake.
    ///
    /// # Errors
    /// When they differ or one is not there.
    pub(super) async fn confirm_certificate(&self) -> Result<(), PeerError> {
        let unknown = |reason: &str| PeerError::Fingerprint(reason.to_owned());
        let sctp = self.connection.sctp().await;
        let transport = sctp
            .ok_or_else(|| unknown("there is no encrypted transport"))?
            .transport();
        let certificates = transport.get_remote_certificates().await;
        let certificates = certificates.map_err(|error| PeerError::Fingerprint(error.to_string()))?;
        let certificate = certificates
            .first()
            .ok_or_else(|| unknown("the other side showed no certificate"))?;
        let announced = self
            .announced()
            .ok_or_else(|| unknown("no certificate was announced"))?;
        if Fingerprint::of_certificate(certificate) != announced {
            return Err(PeerError::Fingerprint(Refusal::Ours.to_string()));
        }
        self.identity.send_replace(PeerIdentity::Confirmed);
        Ok(())
    }

    /// The pair of addresses that packets take, and what is known of it.
    pub(super) async fn path(&self, now: Instant) -> Option<PathSample> {
        let report = self.connection.get_stats(now, StatsSelector::None).await;
        let ice = self.connection.sctp().await?.transport().ice_transport();
        let Some(pair) = ice.get_selected_candidate_pair().await.ok().flatten() else {
            self.findings.path_is_direct(false);
            return None;
        };
        let remotes = ice.get_remote_candidates().await.unwrap_or_default();
        statistics::path(&report, &pair, &remotes, &self.findings)
    }

    pub(super) fn announced(&self) -> Option<Fingerprint> {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a description's promise; gives back the one before.
    pub(super) fn announce(&self, fingerprint: Option<Fingerprint>) -> Option<Fingerprint> {
        std::mem::replace(
            &mut *self.announced.lock().unwrap_or_else(PoisonError::into_inner),
            fingerprint,
        )
    }

    /// Payload types and extension ids as negotiated.
    pub(super) async fn agreed(&self) -> Result<PerStream<Negotiated>, PeerError> {
        let unknown = Negotiated {
            payload_type: 0,
            red_payload_type: None,
            audio_level_id: None,
        };
        let mut agreed = PerStream::try_from_fn(|_| Ok::<_, PeerError>(unknown))?;
        for kind in STREAM_KINDS {
            let parameters = self
                .senders
                .of(kind)
                .get_parameters()
                .await
                .map_err(|error| PeerError::LocalDescription(error.to_string()))?
                .rtp_parameters;
            let wanted = match kind {
                StreamKind::Audio => "audio/opus",
                StreamKind::Video(_) => "video/h264",
            };
            let format = |wanted: &str| {
                let mut codecs = parameters.codecs.iter();
                let codec = codecs.find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(wanted));
                codec.map(|codec| codec.payload_type)
            };
            let payload_type = format(wanted)
                .ok_or_else(|| PeerError::LocalDescription(format!("the peer does not take {wanted}")))?;
            let level = parameters
                .header_extensions
                .iter()
                .find(|extension| extension.uri == setup::AUDIO_LEVEL_URI)
                .and_then(|extension| u8::try_from(extension.id).ok());
            *agreed.of_mut(kind) = Negotiated {
                payload_type,
                red_payload_type: format(setup::MIME_TYPE_RED),
                audio_level_id: level,
            };
        }
        Ok(agreed)
    }
}

/// Tries again without multicast where there is no route for it: the crate gives up otherwise.
pub(super) async fn build(
    config: &PeerConfig,
    exposure: Exposure,
    gate: &Gate,
    shared: &Arc<Shared>,
    notices: &mpsc::Sender<Notice>,
) -> Result<Arc<dyn PeerConnection>, PeerError> {
    let findings = Arc::clone(&gate.findings);
    let callbacks = Arc::new(Callbacks::new(exposure, Arc::clone(shared), findings, notices.clone()));
    // Behind a relay no name of the local network can be reached, and asking for one would be heard there.
    let multicast = match exposure {
        Exposure::Direct => Multicast::Usable,
        Exposure::RelayOnly => Multicast::Absent,
    };
    let parts = Parts {
        config,
        configuration: setup::configuration(&gate.servers, exposure),
        gate,
        shared,
        callbacks,
    };
    match parts.build(multicast).await {
        Ok(connection) => Ok(connection),
        Err(error) if multicast == Multicast::Absent => Err(PeerError::Create(error.to_string())),
        Err(error) => {
            tracing::debug!(%error, "no peer connection with multicast names; trying without");
            parts
                .build(Multicast::Absent)
                .await
                .map_err(|error| PeerError::Create(error.to_string()))
        }
    }
}

struct Parts<'a> {
    config: &'a PeerConfig,
    configuration: RTCConfiguration,
    gate: &'a Gate,
    shared: &'a Arc<Shared>,
    callbacks: Arc<Callbacks>,
}

impl Parts<'_> {
    async fn build(&self, multicast: Multicast) -> webrtc::error::Result<Arc<dyn PeerConnection>> {
        let connection = PeerConnectionBuilder::new()
            .with_configuration(self.configuration.clone())
            .with_media_engine(setup::media_engine()?)
            .with_setting_engine(setup::setting_engine(self.config, multicast))
            .with_interceptor_registry(setup::registry(self.shared, self.config))
            .with_handler(Arc::<Callbacks>::clone(&self.callbacks))
            .with_runtime(Arc::new(GatedRuntime::new(self.gate.clone())))
            .with_udp_addrs(setup::udp_addresses(self.config))
            .with_data_channel_send_buffer_limit(CONTROL_BUFFER_BYTES)
            .build()
            .await?;
        Ok(Arc::new(connection))
    }
}

pub(super) async fn add_tracks(
    connection: &Arc<dyn PeerConnection>,
    tracks: &PerStream<Arc<TrackLocalStaticRTP>>,
    media_stream: &str,
) -> Result<PerStream<Arc<dyn RtpSender>>, PeerError> {
    let failed = |error: webrtc::error::Error| PeerError::Create(error.to_string());
    let mut senders = Vec::new();
    for kind in STREAM_KINDS {
        let track = Arc::clone(tracks.of(kind));
        let encodings = track.track().await.codings().to_vec();
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendrecv,
            streams: vec![media_stream.to_owned()],
            send_encodings: encodings,
        };
        let transceiver = connection
            .add_transceiver_from_track(track, Some(init))
            .await
            .map_err(failed)?;
        let sender = transceiver.sender().await.map_err(failed)?;
        senders.push(sender.ok_or_else(|| PeerError::Create("a track has no sender".to_owned()))?);
    }
    let mut senders = senders.into_iter();
    PerStream::try_from_fn(|_| {
        senders
            .next()
            .ok_or_else(|| PeerError::Create("a track has no sender".to_owned()))
    })
}

/// Both ends know its number, so that it opens without an announcement.
pub(super) async fn create_control_channel(
    connection: &Arc<dyn PeerConnection>,
) -> Result<Arc<dyn DataChannel>, PeerError> {
    let init = RTCDataChannelInit {
        ordered: true,
        negotiated: Some(0),
        ..RTCDataChannelInit::default()
    };
    connection
        .create_data_channel("control", Some(init))
        .await
        .map_err(|error| PeerError::Create(error.to_string()))
}
