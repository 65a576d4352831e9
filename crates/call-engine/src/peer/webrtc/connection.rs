//! One peer connection: negotiation, control channel, events and the tasks that serve it.
//!
//! In: calls of the driver, frames of codec threads. Out: [`PeerEvent`]s to the driver, received packets to the sinks.
//! The crate awaits its callbacks on the task that also moves packets, so they only put events into a bounded queue;
//! a task of ours carries them to the driver.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use call_core::{IceCandidate, IceMode, OfferAcceptance, TransportState};
use call_media::frame::{EncodedFrame, EncodedSink, StreamKind, VideoKind};
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceConnectionState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSdpType, RTCSessionDescription, StatsSelector,
};
use webrtc::rtp_transceiver::RtpSender;

use super::description;
use super::send::{self, Negotiated, Outbox, Packetizer};
use super::setup::{self, Multicast};
use super::source_filter::{Gate, GatedRuntime};
use super::statistics::{self, PathSample};
use super::streams::{PerStream, STREAM_KINDS, Shared, draw_local_streams};
use super::watchdog::{Consent, Watchdog};
use crate::peer::{PeerConfig, PeerError, PeerEvent, PeerEventFrom, PeerStatistics, PeerTransport};

/// Events between the crate's callbacks and the driver: all candidates of a machine with many interfaces fit.
const EVENT_QUEUE: usize = 256;
/// Requests for key frames that wait to be sent; more are the same request again.
const KEY_FRAME_QUEUE: usize = 4;
/// At most one request for a key frame of a stream leaves in this time.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(300);
/// Largest control message (RFC 8841, section 6.1: what every peer takes).
const MAX_CONTROL_BYTES: usize = 64 * 1024;
/// Control messages the peer has not acknowledged, in bytes.
const CONTROL_BUFFER_BYTES: usize = 1024 * 1024;
/// Candidates accepted from one peer between two descriptions.
const MAX_REMOTE_CANDIDATES: usize = 64;
/// How often the path is looked at: silence is told at most so much later.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Longer than any candidate line.
const MAX_CANDIDATE_BYTES: usize = 512;

/// See the module.
pub(super) struct WebRtcConnection {
    inner: Arc<Inner>,
    outbox: Arc<Outbox>,
    control: Arc<dyn DataChannel>,
    key_frames: mpsc::Sender<VideoKind>,
    key_frame_asked: PerStream<AtomicU64>,
    remote_candidates: AtomicUsize,
    closed: AtomicBool,
    tasks: Tasks,
}

/// What the tasks share with the connection.
struct Inner {
    connection: Arc<dyn PeerConnection>,
    shared: Arc<Shared>,
    senders: PerStream<Arc<dyn RtpSender>>,
    tracks: PerStream<Arc<TrackLocalStaticRTP>>,
    agreed: watch::Sender<Option<PerStream<Negotiated>>>,
    path: Mutex<Option<PathSample>>,
}

/// The connection's tasks; they end when this is dropped.
struct Tasks(Vec<AbortHandle>);

impl Tasks {
    fn abort(&self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

/// What the crate tells us, in short.
enum Notice {
    Candidate(IceCandidate),
    State(RTCPeerConnectionState),
}

/// The crate's callbacks: they run on the task that moves packets and must not wait.
struct Callbacks {
    shared: Arc<Shared>,
    notices: mpsc::Sender<Notice>,
}

impl Callbacks {
    fn pass_on(&self, notice: Notice) {
        if self.notices.try_send(notice).is_err() {
            tracing::warn!("a peer connection's event was dropped: its queue is full or closed");
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        match event.candidate.to_json() {
            // A wildcard that found no interface; nobody can send there.
            Ok(_) if event.candidate.address == Ipv4Addr::UNSPECIFIED.to_string() => {}
            Ok(init) if !init.candidate.is_empty() => self.pass_on(Notice::Candidate(IceCandidate {
                candidate: init.candidate,
                // All sections are bundled into the first.
                sdp_mid: Some("0".to_owned()),
                sdp_mline_index: Some(0),
                username_fragment: init.username_fragment,
            })),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a local candidate has no textual form"),
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.shared.note_first(&self.shared.ice_connected_us, Instant::now());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.pass_on(Notice::State(state));
    }
}

impl WebRtcConnection {
    /// Makes the connection and starts its tasks; the network is touched only from the first description on.
    pub(super) async fn open(config: PeerConfig) -> Result<Self, PeerError> {
        let (local, media_stream) = draw_local_streams()?;
        let shared = Arc::new(Shared::new(local, Instant::now()));
        let (notices, notice_queue) = mpsc::channel(EVENT_QUEUE);
        let connection = build(&config, &shared, &notices).await?;
        let (outbox, queues) = Outbox::new(Arc::clone(&shared), Arc::clone(&config.on_key_frame_request));
        let outbox = Arc::new(outbox);

        let tracks = PerStream::try_from_fn(|kind| {
            Ok::<_, PeerError>(Arc::new(setup::track(kind, shared.local.of(kind), &media_stream)))
        })?;
        let senders = add_tracks(&connection, &tracks, &media_stream).await?;
        let control = create_control_channel(&connection).await?;
        let packetizers = PerStream::try_from_fn(|kind| {
            Ok::<_, PeerError>(Packetizer::new(Arc::clone(tracks.of(kind)), shared.local.of(kind)))
        })?;
        let (agreed, agreed_seen) = watch::channel(None);
        let (key_frames, key_frame_queue) = mpsc::channel(KEY_FRAME_QUEUE);
        let inner = Arc::new(Inner {
            connection,
            shared,
            senders,
            tracks,
            agreed,
            path: Mutex::new(None),
        });
        let reporter = Reporter::new(&config);
        let watch = Watch {
            inner: Arc::clone(&inner),
            outbox: Arc::clone(&outbox),
            reporter: reporter.clone(),
            watchdog: Watchdog::default(),
            on_target_bitrate: Arc::clone(&config.on_target_bitrate),
            answers: 0,
        };
        let tasks = Tasks(vec![
            tokio::spawn(send::run(queues, packetizers, agreed_seen)).abort_handle(),
            tokio::spawn(watch.run(notice_queue)).abort_handle(),
            tokio::spawn(watch_control(Arc::clone(&control), reporter)).abort_handle(),
            tokio::spawn(ask_for_key_frames(Arc::clone(&inner), key_frame_queue)).abort_handle(),
        ]);
        Ok(Self {
            inner,
            outbox,
            control,
            key_frames,
            key_frame_asked: PerStream::default(),
            remote_candidates: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            tasks,
        })
    }

    async fn set_remote(&self, kind: RTCSdpType, sdp: String) -> Result<(), PeerError> {
        let refused = |reason: String| PeerError::RemoteDescription(reason);
        let remote = description::check(&sdp).map_err(|problem| refused(problem.to_string()))?;
        let parsed = match kind {
            RTCSdpType::Offer => RTCSessionDescription::offer(sdp),
            _ => RTCSessionDescription::answer(sdp),
        }
        .map_err(|error| refused(error.to_string()))?;
        // Before the crate knows them: the first packet may be in the socket already.
        self.inner.shared.set_remote_streams(remote.streams);
        self.remote_candidates.store(0, Ordering::Relaxed);
        self.inner
            .connection
            .set_remote_description(parsed)
            .await
            .map_err(|error| refused(error.to_string()))
    }

    async fn set_local(&self, description: RTCSessionDescription) -> Result<String, PeerError> {
        let sdp = description.sdp.clone();
        self.inner
            .connection
            .set_local_description(description)
            .await
            .map_err(|error| PeerError::LocalDescription(error.to_string()))?;
        Ok(sdp)
    }

    async fn roll_back(&self) -> Result<(), PeerError> {
        let mut rollback = RTCSessionDescription::default();
        rollback.sdp_type = RTCSdpType::Rollback;
        self.set_local(rollback).await.map(|_| ())
    }
}

#[async_trait]
impl PeerTransport for WebRtcConnection {
    async fn create_offer(&self, ice: IceMode) -> Result<String, PeerError> {
        let options = RTCOfferOptions {
            ice_restart: ice == IceMode::Restart,
        };
        let offer = self
            .inner
            .connection
            .create_offer(Some(options))
            .await
            .map_err(|error| PeerError::LocalDescription(error.to_string()))?;
        self.set_local(offer).await
    }

    async fn accept_offer(&self, sdp: String, acceptance: OfferAcceptance) -> Result<String, PeerError> {
        if acceptance == OfferAcceptance::RollbackFirst {
            self.roll_back().await?;
        }
        self.set_remote(RTCSdpType::Offer, sdp).await?;
        let answer = self
            .inner
            .connection
            .create_answer(None)
            .await
            .map_err(|error| PeerError::LocalDescription(error.to_string()))?;
        self.set_local(answer).await
    }

    async fn accept_answer(&self, sdp: String) -> Result<(), PeerError> {
        self.set_remote(RTCSdpType::Answer, sdp).await
    }

    async fn add_candidate(&self, candidate: IceCandidate) -> Result<(), PeerError> {
        if candidate.candidate.len() > MAX_CANDIDATE_BYTES {
            return Err(PeerError::Candidate(format!(
                "it has {} bytes",
                candidate.candidate.len()
            )));
        }
        if self.remote_candidates.fetch_add(1, Ordering::Relaxed) >= MAX_REMOTE_CANDIDATES {
            return Err(PeerError::Candidate(format!(
                "there are more than {MAX_REMOTE_CANDIDATES}"
            )));
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_mline_index,
            username_fragment: candidate.username_fragment,
            ..RTCIceCandidateInit::default()
        };
        self.inner
            .connection
            .add_ice_candidate(init)
            .await
            .map_err(|error| PeerError::Candidate(error.to_string()))
    }

    async fn send_control(&self, payload: Bytes) -> Result<(), PeerError> {
        if payload.len() > MAX_CONTROL_BYTES {
            return Err(PeerError::Control(format!("it has {} bytes", payload.len())));
        }
        self.control
            .try_send(BytesMut::from(&payload[..]))
            .await
            .map_err(|error| PeerError::Control(error.to_string()))
    }

    fn request_key_frame(&self, kind: VideoKind) {
        let stream = StreamKind::Video(kind);
        let now_us = self.inner.shared.since_epoch_us(Instant::now());
        let asked = self.key_frame_asked.of(stream);
        let last = asked.load(Ordering::Relaxed);
        let due = last == 0 || now_us >= last + KEY_FRAME_INTERVAL.as_micros() as u64;
        // Lost races and full queues mean that a request is on its way already.
        if due
            && asked
                .compare_exchange(last, now_us, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            && self.key_frames.try_send(kind).is_ok()
        {
            let counters = self.inner.shared.received.of(stream);
            counters.key_frame_requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn statistics(&self) -> PeerStatistics {
        let path = *self.inner.path.lock().unwrap_or_else(PoisonError::into_inner);
        statistics::collect(&self.inner.shared, path)
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.outbox.shut();
        self.tasks.abort();
        let shared = &self.inner.shared;
        tracing::debug!(
            refused_datagrams = shared.refused(),
            unknown_packets = shared.unknown_packets.load(Ordering::Relaxed),
            "closing a peer connection"
        );
        if let Err(error) = self.inner.connection.close().await {
            tracing::debug!(%error, "the peer connection did not close cleanly");
        }
    }
}

impl EncodedSink for WebRtcConnection {
    fn send(&self, frame: &EncodedFrame) {
        self.outbox.send(frame);
    }
}

impl Drop for WebRtcConnection {
    /// The crate's task holds the connection alive: without a close it would run for ever.
    fn drop(&mut self) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let connection = Arc::clone(&self.inner.connection);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = connection.close().await {
                    tracing::debug!(%error, "a dropped peer connection did not close cleanly");
                }
            });
        }
    }
}

impl Inner {
    /// Payload types and extension ids as negotiated.
    async fn agreed(&self) -> Result<PerStream<Negotiated>, PeerError> {
        let unknown = Negotiated {
            payload_type: 0,
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
            let codec = parameters
                .codecs
                .iter()
                .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(wanted))
                .ok_or_else(|| PeerError::LocalDescription(format!("the peer does not take {wanted}")))?;
            let level = parameters
                .header_extensions
                .iter()
                .find(|extension| extension.uri == setup::AUDIO_LEVEL_URI)
                .and_then(|extension| u8::try_from(extension.id).ok());
            *agreed.of_mut(kind) = Negotiated {
                payload_type: codec.payload_type,
                audio_level_id: level,
            };
        }
        Ok(agreed)
    }
}

/// Puts peer and attempt on every event.
#[derive(Clone)]
struct Reporter {
    config: Arc<(call_core::PeerKey, call_core::Attempt)>,
    events: mpsc::Sender<PeerEventFrom>,
}

impl Reporter {
    fn new(config: &PeerConfig) -> Self {
        Self {
            config: Arc::new((config.peer, config.attempt)),
            events: config.events.clone(),
        }
    }

    /// Waits while the driver's queue is full. False when the driver is gone.
    async fn report(&self, event: PeerEvent) -> bool {
        let (peer, attempt) = *self.config;
        self.events.send(PeerEventFrom { peer, attempt, event }).await.is_ok()
    }
}

/// Tries again without multicast where there is no route for it: the crate gives up otherwise.
async fn build(
    config: &PeerConfig,
    shared: &Arc<Shared>,
    notices: &mpsc::Sender<Notice>,
) -> Result<Arc<dyn PeerConnection>, PeerError> {
    match build_with(config, shared, notices, Multicast::Usable).await {
        Ok(connection) => Ok(connection),
        Err(error) => {
            tracing::debug!(%error, "no peer connection with multicast names; trying without");
            build_with(config, shared, notices, Multicast::Absent)
                .await
                .map_err(|error| PeerError::Create(error.to_string()))
        }
    }
}

async fn build_with(
    config: &PeerConfig,
    shared: &Arc<Shared>,
    notices: &mpsc::Sender<Notice>,
    multicast: Multicast,
) -> webrtc::error::Result<Arc<dyn PeerConnection>> {
    let connection = PeerConnectionBuilder::new()
        .with_configuration(setup::configuration(config))
        .with_media_engine(setup::media_engine()?)
        .with_setting_engine(setup::setting_engine(config, multicast))
        .with_interceptor_registry(setup::registry(shared, config))
        .with_handler(Arc::new(Callbacks {
            shared: Arc::clone(shared),
            notices: notices.clone(),
        }))
        .with_runtime(Arc::new(GatedRuntime::new(Gate::new(Arc::clone(shared)))))
        .with_udp_addrs(setup::udp_addresses(config))
        .with_data_channel_send_buffer_limit(CONTROL_BUFFER_BYTES)
        .build()
        .await?;
    Ok(Arc::new(connection))
}

async fn add_tracks(
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
async fn create_control_channel(connection: &Arc<dyn PeerConnection>) -> Result<Arc<dyn DataChannel>, PeerError> {
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

/// What the connection's main task works with.
struct Watch {
    inner: Arc<Inner>,
    outbox: Arc<Outbox>,
    reporter: Reporter,
    watchdog: Watchdog,
    on_target_bitrate: Arc<dyn Fn(u32) + Send + Sync>,
    /// Answers to consent checks when they were last counted.
    answers: u64,
}

impl Watch {
    /// Carries what the crate notices to the driver and watches over the path, until the driver is gone.
    async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        let mut tick = tokio::time::interval(WATCH_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = tokio::select! {
                notice = notices.recv() => match notice {
                    Some(Notice::Candidate(candidate)) => {
                        self.reporter.report(PeerEvent::LocalCandidate(candidate)).await
                    }
                    Some(Notice::State(state)) => self.state_changed(state).await,
                    None => false,
                },
                _ = tick.tick() => self.look().await,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn state_changed(&mut self, state: RTCPeerConnectionState) -> bool {
        let Some(state) = transport_state(state) else {
            return true;
        };
        match state {
            TransportState::Connected => self.connected().await,
            TransportState::Failed | TransportState::Closed => {
                self.watchdog.disconnected();
                self.outbox.shut();
            }
            TransportState::Connecting | TransportState::Silent | TransportState::Alive => {}
        }
        self.reporter.report(PeerEvent::Transport(state)).await
    }

    async fn connected(&mut self) {
        let (now, shared) = (Instant::now(), &self.inner.shared);
        shared.note_first(&shared.dtls_connected_us, now);
        shared.consented(now);
        self.watchdog.connected();
        match self.inner.agreed().await {
            Ok(agreed) => {
                self.inner.agreed.send_replace(Some(agreed));
                (self.on_target_bitrate)(shared.target_bitrate_bps.load(Ordering::Relaxed));
                self.outbox.open();
            }
            Err(error) => tracing::error!(%error, "connected, but no codec was agreed on"),
        }
    }

    /// Reads the path's state and tells what has changed.
    async fn look(&mut self) -> bool {
        let now = Instant::now();
        let report = self.inner.connection.get_stats(now, StatsSelector::None).await;
        let path = statistics::path(&report);
        *self.inner.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        let shared = &self.inner.shared;
        if let Some(path) = path {
            if let Some(rtt) = path.rtt {
                shared.set_rtt(rtt);
            }
            // Checks through a relay do not show at the socket.
            if path.answers > self.answers {
                shared.consented(now);
            }
            self.answers = path.answers;
        }
        match self.watchdog.check_consent(now, shared.last_consent()) {
            Some(Consent::Expired) => self.outbox.shut(),
            Some(Consent::Given) => self.outbox.open(),
            None => {}
        }
        match self.watchdog.check(now, shared.last_heard()) {
            Some(state) => self.reporter.report(PeerEvent::Transport(state)).await,
            None => true,
        }
    }
}

fn transport_state(state: RTCPeerConnectionState) -> Option<TransportState> {
    match state {
        RTCPeerConnectionState::Connecting => Some(TransportState::Connecting),
        RTCPeerConnectionState::Connected => Some(TransportState::Connected),
        RTCPeerConnectionState::Failed => Some(TransportState::Failed),
        RTCPeerConnectionState::Closed => Some(TransportState::Closed),
        // Our own watchdog knows of silence long before ICE does.
        _ => None,
    }
}

/// Carries control messages to the driver; while it is slow, the peer is slowed down (SCTP's receive window).
async fn watch_control(control: Arc<dyn DataChannel>, reporter: Reporter) {
    while let Some(event) = control.poll().await {
        let event = match event {
            DataChannelEvent::OnOpen => PeerEvent::ControlOpened,
            DataChannelEvent::OnMessage(message) => PeerEvent::Control(message.data.freeze()),
            _ => continue,
        };
        if !reporter.report(event).await {
            return;
        }
    }
}

/// Sends PLIs; the requests come rate-limited.
async fn ask_for_key_frames(inner: Arc<Inner>, mut requests: mpsc::Receiver<VideoKind>) {
    while let Some(kind) = requests.recv().await {
        let stream = StreamKind::Video(kind);
        let Some(media_ssrc) = inner.shared.remote_primary(stream) else {
            continue;
        };
        let pli = PictureLossIndication {
            sender_ssrc: inner.shared.local.of(stream).ssrc,
            media_ssrc,
        };
        if let Err(error) = inner.tracks.of(stream).write_rtcp(vec![Box::new(pli)]).await {
            tracing::debug!(%error, "a key-frame request was not taken by the connection");
        }
    }
}
