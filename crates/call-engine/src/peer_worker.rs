//! One task a peer connection: carries out the steps of its negotiation one after the other.
//!
//! In: [`PeerOrder`]s from the call. Out: [`PeerInput`]s for its machine. Steps take round trips inside the
//! peer connection's own tasks, so they must not hold up the call or each other's peers.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use call_core::{
    Attempt, DescriptionKind, IceCandidate, IceMode, NegotiationFault, OfferAcceptance, PeerInput, PeerKey,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::call_media::CallMedia;
use crate::peer::{IceServer, PeerConfig, PeerConnector, PeerError, PeerTransport};

/// Orders waiting for one connection. The machine bounds what it asks for; more than this means the
/// connection is stuck, and its set-up watchdog will replace it.
const ORDER_CAPACITY: usize = 256;

/// A step to carry out.
pub(crate) enum PeerOrder {
    CreateOffer(IceMode),
    AcceptOffer { sdp: String, acceptance: OfferAcceptance },
    AcceptAnswer(String),
    AddCandidate(IceCandidate),
    SetIceServers(Vec<IceServer>),
    SendControl(Vec<u8>),
}

/// The outcome of a step.
pub(crate) type PeerResult = (PeerKey, Attempt, PeerInput);

/// A connection and the task that works on it. Dropping it lets the task finish its orders and close.
pub(crate) struct PeerWorker {
    pub attempt: Attempt,
    orders: mpsc::Sender<PeerOrder>,
    transport: Arc<OnceLock<Arc<dyn PeerTransport>>>,
    task: JoinHandle<()>,
}

impl PeerWorker {
    /// Creates the connection and starts to work on it.
    pub(crate) fn start(
        config: PeerConfig,
        connector: Arc<dyn PeerConnector>,
        media: Arc<dyn CallMedia>,
        results: mpsc::Sender<PeerResult>,
    ) -> Self {
        let (orders, queue) = mpsc::channel(ORDER_CAPACITY);
        let transport = Arc::new(OnceLock::new());
        let attempt = config.attempt;
        let task = tokio::spawn(work(config, connector, media, queue, results, Arc::clone(&transport)));
        Self {
            attempt,
            orders,
            transport,
            task,
        }
    }

    /// Queues a step.
    pub(crate) fn order(&self, order: PeerOrder) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("a peer connection does not keep up with its negotiation: step dropped");
        }
    }

    /// The connection, once it exists.
    pub(crate) fn transport(&self) -> Option<&Arc<dyn PeerTransport>> {
        self.transport.get()
    }

    /// Lets the remaining orders and the close happen; the handle says when they have.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        self.task
    }
}

async fn work(
    config: PeerConfig,
    connector: Arc<dyn PeerConnector>,
    media: Arc<dyn CallMedia>,
    mut queue: mpsc::Receiver<PeerOrder>,
    results: mpsc::Sender<PeerResult>,
    slot: Arc<OnceLock<Arc<dyn PeerTransport>>>,
) {
    let (peer, attempt) = (config.peer, config.attempt);
    let transport = match connector.connect(config).await {
        Ok(transport) => transport,
        Err(error) => {
            report(&results, (peer, attempt, PeerInput::Fault(fault(error)))).await;
            return;
        }
    };
    if slot.set(Arc::clone(&transport)).is_err() {
        tracing::error!("a peer connection was created twice");
    }
    media.attach(peer, Arc::clone(&transport));
    while let Some(order) = queue.recv().await {
        if let Some(input) = carry_out(transport.as_ref(), order).await {
            report(&results, (peer, attempt, input)).await;
        }
    }
    transport.close().await;
}

async fn report(results: &mpsc::Sender<PeerResult>, result: PeerResult) {
    if results.send(result).await.is_err() {
        tracing::debug!("the call ended before a step of its negotiation");
    }
}

async fn carry_out(transport: &dyn PeerTransport, order: PeerOrder) -> Option<PeerInput> {
    match order {
        PeerOrder::CreateOffer(ice) => Some(described(transport.create_offer(ice).await, DescriptionKind::Offer)),
        PeerOrder::AcceptOffer { sdp, acceptance } => {
            let answer = transport.accept_offer(sdp, acceptance).await;
            Some(described(answer, DescriptionKind::Answer))
        }
        PeerOrder::AcceptAnswer(sdp) => Some(match transport.accept_answer(sdp).await {
            Ok(()) => PeerInput::AnswerAccepted,
            Err(error) => PeerInput::Fault(fault(error)),
        }),
        PeerOrder::AddCandidate(candidate) => {
            if let Err(error) = transport.add_candidate(candidate).await {
                tracing::warn!(%error, "a remote candidate is not usable");
            }
            None
        }
        PeerOrder::SetIceServers(servers) => {
            if let Err(error) = transport.set_ice_servers(servers).await {
                tracing::warn!(%error, "new STUN and TURN servers were not taken");
            }
            None
        }
        PeerOrder::SendControl(payload) => {
            if let Err(error) = transport.send_control(Bytes::from(payload)).await {
                tracing::debug!(%error, "a control message was not sent");
            }
            None
        }
    }
}

fn described(result: Result<String, PeerError>, kind: DescriptionKind) -> PeerInput {
    match result {
        Ok(sdp) => PeerInput::LocalDescription { kind, sdp },
        Err(error) => PeerInput::Fault(fault(error)),
    }
}

/// A failed step as the machine knows it.
pub(crate) fn fault(error: PeerError) -> NegotiationFault {
    tracing::warn!(%error, "a step of the negotiation failed");
    let words = error.to_string();
    match error {
        PeerError::Create(_) => NegotiationFault::Create(words),
        PeerError::Blocked(blockage) => NegotiationFault::Blocked(blockage),
        PeerError::Fingerprint(_) => NegotiationFault::Fingerprint(words),
        PeerError::RemoteDescription(_) | PeerError::Candidate(_) => NegotiationFault::RemoteDescription(words),
        PeerError::LocalDescription(_) | PeerError::Control(_) => NegotiationFault::LocalDescription(words),
    }
}
