//! The second comparison of certificates, with the first one passing: only from inside can the two be told apart.

use std::time::Duration;

use tokio::sync::mpsc;

use super::connection::WebRtcConnection;
use super::handshake::Fingerprint;
use super::*;
use crate::peer::{ExtraRoots, PeerEvent, PeerEventFrom, PeerReceivers};
use call_core::{Attempt, IceMode, OfferAcceptance, PeerKey, TransportState};
use call_media::rtp::{PacketSink, RtpPacket};

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Nowhere;

impl PacketSink for Nowhere {
    fn push(&self, _packet: RtpPacket) {}
}

async fn end(key: u32) -> (Arc<WebRtcConnection>, mpsc::Receiver<PeerEventFrom>) {
    let (events, incoming) = mpsc::channel(256);
    let nowhere = || Arc::new(Nowhere);
    let config = PeerConfig {
        peer: PeerKey(key),
        attempt: Attempt(1),
        receivers: PeerReceivers {
            audio: nowhere(),
            camera: nowhere(),
            screen: nowhere(),
        },
        on_key_frame_request: Arc::new(|_| {}),
        on_target_bitrate: Arc::new(|_| {}),
        events,
        ice_servers: Vec::new(),
        extra_roots: ExtraRoots::default(),
        relay_only: false,
        loopback: true,
        max_bitrate_bps: 1_000_000,
    };
    (Arc::new(WebRtcConnection::open(config).await.unwrap()), incoming)
}

/// Carries candidates until the connection stands or is given up; tells which, and whether control opened before.
async fn outcome(mut events: mpsc::Receiver<PeerEventFrom>, there: Arc<WebRtcConnection>) -> (PeerEvent, bool) {
    let mut control_opened = false;
    loop {
        match events.recv().await.unwrap().event {
            PeerEvent::LocalCandidate(candidate) => {
                // The other end may have given up already.
                there.add_candidate(candidate).await.ok();
            }
            PeerEvent::ControlOpened => control_opened = true,
            event @ (PeerEvent::Fault(_) | PeerEvent::Transport(TransportState::Connected)) => {
                return (event, control_opened);
            }
            PeerEvent::Transport(_) | PeerEvent::Blocked(_) | PeerEvent::Control(_) => {}
        }
    }
}

/// What the first end comes to when its announced certificate is changed behind the stack's back.
async fn meet(announced: impl Fn(Option<Fingerprint>) -> Option<Fingerprint>) -> (PeerEvent, bool) {
    let ((a, from_a), (b, from_b)) = (end(1).await, end(2).await);
    let offer = a.create_offer(IceMode::Keep).await.unwrap();
    let answer = b.accept_offer(offer, OfferAcceptance::Plain).await.unwrap();
    a.accept_answer(answer).await.unwrap();
    let known = a.announced();
    a.announce(announced(known));
    let back = tokio::spawn(outcome(from_b, Arc::clone(&a)));
    let seen = tokio::time::timeout(PATIENCE, outcome(from_a, Arc::clone(&b)))
        .await
        .unwrap();
    back.abort();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_other_than_the_announced_one_is_never_told_as_connected() {
    let (event, control_opened) = meet(|_| Some(Fingerprint::of_certificate(b"another"))).await;
    assert!(
        matches!(event, PeerEvent::Fault(PeerError::Fingerprint(_))),
        "{event:?}"
    );
    assert!(!control_opened);
    let (event, control_opened) = meet(|_| None).await;
    assert!(
        matches!(event, PeerEvent::Fault(PeerError::Fingerprint(_))),
        "{event:?}"
    );
    assert!(!control_opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_certificate_connects() {
    let (event, _) = meet(|known| known).await;
    assert!(
        matches!(event, PeerEvent::Transport(TransportState::Connected)),
        "{event:?}"
    );
}
