//! One peer connection as the driver sees it: negotiation, control channel, frames to send.
//!
//! In: calls of the driver, frames of codec threads. Out: [`PeerEvent`](crate::peer::PeerEvent)s by [`super::events`],
//! received packets by [`super::delivery`].

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use call_core::{IceCandidate, IceMode, OfferAcceptance};
use call_media::frame::{EncodedFrame, EncodedSink, StreamKind, VideoKind};
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{RTCIceCandidateInit, RTCSdpType, RTCSessionDescription};

use super::assembly::{Inner, PeerIdentity, add_tracks, build, create_control_channel};
use super::events::{Reporter, Watch, ask_for_key_frames, watch_control};
use super::exposure::Exposure;
use super::findings::Findings;
#[cfg(test)]
use super::handshake::Fingerprint;
use super::handshake::HandshakeClock;
use super::send::{self, Outbox, Packetizer};
use super::servers::Servers;
use super::source_filter::Gate;
use super::streams::{PerStream, Shared, draw_local_streams};
use super::watchdog::Watchdog;
use super::{description, setup, statistics};
use crate::peer::{IceServer, PeerConfig, PeerError, PeerStatistics, PeerTransport};

/// Events between the crate's callbacks and the driver: all candidates of a machine with many interfaces fit.
const EVENT_QUEUE: usize = 256;
/// Requests for key frames that wait to be sent; more are the same request again.
const KEY_FRAME_QUEUE: usize = 4;
/// At most one request for a key frame of a stream leaves in this time.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(300);
/// Largest control message (RFC 8841, section 6.1: what every peer takes).
const MAX_CONTROL_BYTES: usize = 64 * 1024;
/// Candidates accepted from one peer between two descriptions.
const MAX_REMOTE_CANDIDATES: usize = 64;
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

impl WebRtcConnection {
    /// Makes the connection and starts its tasks; the network is touched only from the first description on.
    pub(super) async fn open(config: PeerConfig) -> Result<Self, PeerError> {
        let exposure = Exposure::of(&config)?;
        let (local, media_stream) = draw_local_streams()?;
        let shared = Arc::new(Shared::new(local, Instant::now()));
        let (notices, notice_queue) = mpsc::channel(EVENT_QUEUE);
        let servers = Arc::new(Servers::new(&config.ice_servers, &config.extra_roots)?);
        servers.look_up_all();
        let findings = Arc::<Findings>::default();
        let gate = Gate::new(Arc::clone(&shared), Arc::clone(&servers), Arc::clone(&findings));
        let connection = build(&config, exposure, &gate, &shared, &notices).await?;
        let (outbox, queues) = Outbox::new(Arc::clone(&shared), Arc::clone(&config.on_key_frame_request));
        let outbox = Arc::new(outbox);

        let tracks = PerStream::try_from_fn(|kind| {
            Ok::<_, PeerError>(Arc::new(setup::track(kind, shared.local.of(kind), &media_stream)))
        })?;
        let senders = add_tracks(&connection, &tracks, &media_stream).await?;
        let control = create_control_channel(&connection).await?;
        let packetizers = PerStream::try_from_fn(|kind| {
            let (track, stream) = (Arc::clone(tracks.of(kind)), shared.local.of(kind));
            Ok::<_, PeerError>(Packetizer::new(track, stream, Arc::clone(&shared)))
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
            gate,
            addresses_changed: Notify::new(),
            exposure,
            servers,
            findings,
            gathering_since: OnceLock::new(),
            announced: Mutex::new(None),
            identity: watch::Sender::new(PeerIdentity::Unknown),
        });
        let reporter = Reporter::new(&config);
        let watch = Watch {
            inner: Arc::clone(&inner),
            outbox: Arc::clone(&outbox),
            reporter: reporter.clone(),
            watchdog: Watchdog::default(),
            handshake: HandshakeClock::default(),
            blockage: None,
            reachable: false,
            on_target_bitrate: Arc::clone(&config.on_target_bitrate),
            answers: 0,
            hurried_until: None,
        };
        let tasks = Tasks(vec![
            tokio::spawn(send::run(queues, packetizers, agreed_seen, Arc::clone(&inner.shared))).abort_handle(),
            tokio::spawn(watch.run(notice_queue)).abort_handle(),
            tokio::spawn(watch_control(
                Arc::clone(&control),
                reporter,
                inner.identity.subscribe(),
            ))
            .abort_handle(),
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
        let remote = description::check(&sdp)?;
        self.inner.findings.remote_text(&sdp);
        // The handshake happens once: another certificate could never be checked against anything.
        if self.inner.announced().is_some_and(|known| known != remote.fingerprint) {
            return Err(PeerError::Fingerprint("the announced certificate changed".to_owned()));
        }
        let theirs = sdp.clone();
        let parsed = match kind {
            RTCSdpType::Offer => RTCSessionDescription::offer(sdp),
            _ => RTCSessionDescription::answer(sdp),
        }
        .map_err(|error| refused(error.to_string()))?;
        // Before the crate knows them: the first packet may be in the socket already.
        let before = self.inner.shared.replace_remote_streams(remote.streams);
        let announced_before = self.inner.announce(Some(remote.fingerprint));
        if let Err(error) = self.inner.connection.set_remote_description(parsed).await {
            self.inner.shared.replace_remote_streams(before);
            self.inner.announce(announced_before);
            return Err(refused(error.to_string()));
        }
        self.inner.gate.describe_remote(&theirs);
        self.remote_candidates.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn set_local(&self, description: RTCSessionDescription) -> Result<String, PeerError> {
        let sdp = description.sdp.clone();
        self.inner
            .connection
            .set_local_description(description)
            .await
            .map_err(|error| PeerError::LocalDescription(error.to_string()))?;
        self.inner.gate.describe_local(&sdp);
        self.inner.gathering_since.get_or_init(Instant::now);
        let sdp = description::announce_parity(&sdp, &self.inner.shared.local);
        Ok(self.inner.exposure.description(sdp))
    }

    #[cfg(test)]
    pub(super) fn announced(&self) -> Option<Fingerprint> {
        self.inner.announced()
    }

    /// Makes another certificate the expected one, behind the back of the stack.
    #[cfg(test)]
    pub(super) fn announce(&self, fingerprint: Option<Fingerprint>) {
        self.inner.announce(fingerprint);
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
        self.inner.findings.remote_text(&candidate.candidate);
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
        if *self.inner.identity.borrow() != PeerIdentity::Confirmed {
            return Err(PeerError::Control("it is not known who would get it".to_owned()));
        }
        self.control
            .try_send(BytesMut::from(&payload[..]))
            .await
            .map_err(|error| PeerError::Control(error.to_string()))
    }

    async fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), PeerError> {
        let inner = &self.inner;
        inner.servers.replace(&servers);
        inner.servers.look_up_all();
        inner
            .connection
            .set_configuration(setup::configuration(&inner.servers, inner.exposure))
            .await
            .map_err(|error| PeerError::Create(error.to_string()))
    }

    fn addresses_changed(&self) {
        self.inner.addresses_changed.notify_one();
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
