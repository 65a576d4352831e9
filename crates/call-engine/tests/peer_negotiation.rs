//! Negotiation beyond the first offer: restart, glare, either side offering, closing, silence.

#![allow(clippy::unwrap_used)]

mod peer_support;

use call_core::{IceMode, OfferAcceptance, TransportState};
use call_engine::peer::PeerEvent;
use call_media::frame::StreamKind;
use peer_support::{CAMERA, Peer, connected_pair, frame, negotiate, pass_all};

async fn media_flows(a: &Peer, b: &Peer) {
    for (from, to) in [(a, b), (b, a)] {
        for kind in [StreamKind::Audio, CAMERA] {
            let before = to.collector(kind).packets().len();
            from.transport.send(&frame(kind, 90_000, 1, 50));
            to.collector(kind).wait_for(before + 1).await;
        }
    }
}

fn times_connected(peer: &Peer) -> usize {
    peer.events
        .all()
        .iter()
        .filter(|event| matches!(event, PeerEvent::Transport(TransportState::Connected)))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_restart_keeps_the_call_whoever_asks() {
    let (a, b) = connected_pair().await;
    media_flows(&a, &b).await;
    for (offerer, answerer) in [(&a, &b), (&b, &a)] {
        let before = (times_connected(offerer), times_connected(answerer));
        negotiate(offerer, answerer, IceMode::Restart).await;
        for (peer, before) in [(offerer, before.0), (answerer, before.1)] {
            peer.events.wait_until(|_| times_connected(peer) > before).await;
        }
        media_flows(&a, &b).await;
    }
    a.transport
        .send_control(bytes::Bytes::from_static(b"still here"))
        .await
        .unwrap();
    b.wait_for_control(b"still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_keeps_the_path_changes_nothing() {
    let (a, b) = connected_pair().await;
    negotiate(&b, &a, IceMode::Keep).await;
    media_flows(&a, &b).await;
    assert_eq!((times_connected(&a), times_connected(&b)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_offers_at_once_the_polite_one_is_rolled_back() {
    let (polite, impolite) = (Peer::new(1).await, Peer::new(2).await);
    polite.transport.create_offer(IceMode::Keep).await.unwrap();
    let offer = impolite.transport.create_offer(IceMode::Keep).await.unwrap();
    let answer = polite.accept_offer(offer, OfferAcceptance::RollbackFirst).await;
    impolite.accept_answer(answer).await;
    polite.carry_to(&impolite, pass_all);
    impolite.carry_to(&polite, pass_all);
    for peer in [&polite, &impolite] {
        peer.wait_for_state(TransportState::Connected).await;
        peer.wait_for_control_opened().await;
    }
    media_flows(&polite, &impolite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_restarts_at_once_end_in_one() {
    let (a, b) = connected_pair().await;
    a.transport.create_offer(IceMode::Restart).await.unwrap();
    let offer = b.transport.create_offer(IceMode::Restart).await.unwrap();
    let answer = a.accept_offer(offer, OfferAcceptance::RollbackFirst).await;
    b.accept_answer(answer).await;
    for peer in [&a, &b] {
        peer.events.wait_until(|_| times_connected(peer) > 1).await;
    }
    media_flows(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_one_end_is_noticed_by_the_other() {
    let (a, b) = connected_pair().await;
    a.transport.close().await;
    b.events
        .wait_for(|event| {
            matches!(
                event,
                PeerEvent::Transport(TransportState::Closed | TransportState::Failed | TransportState::Silent)
            )
        })
        .await;
}

#[test]
fn an_end_that_dies_without_a_word_is_called_silent() {
    let (here, there) = (runtime(), runtime());
    let a = here.block_on(Peer::new(1));
    let b = there.block_on(Peer::new(2));
    here.block_on(async {
        negotiate(&a, &b, IceMode::Keep).await;
        a.carry_to(&b, pass_all);
    });
    there.block_on(async { b.carry_to(&a, pass_all) });
    here.block_on(a.wait_for_state(TransportState::Connected));
    // Its tasks stop where they are; its sockets stay open and nobody reads them.
    there.shutdown_background();
    here.block_on(a.wait_for_state(TransportState::Silent));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Open sockets of this process.
fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn fifty_connections_leave_no_task_and_no_socket_behind() {
    // A process of its own would be cleaner; a runtime of its own sees its tasks, and sockets are compared before any
    // other test can matter by taking the lowest of several readings.
    let runtime = runtime();
    let tasks = || runtime.metrics().num_alive_tasks();
    runtime.block_on(async {
        for round in 0..25_u32 {
            let peers = [Peer::new(2 * round).await, Peer::new(2 * round + 1).await];
            if round % 2 == 0 {
                // Half of them while candidates are still on their way.
                peers[0].transport.create_offer(IceMode::Keep).await.unwrap();
            }
            for peer in &peers {
                peer.transport.close().await;
            }
        }
        // What was aborted ends at its next turn.
        let ended = async {
            while tasks() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(peer_support::PATIENCE, ended)
            .await
            .expect("all tasks end");
    });
    assert_eq!(tasks(), 0);
    drop(runtime);
    // Other tests of this file hold some; a leak would be 50 or more.
    assert!(sockets() < 50, "{} sockets are open", sockets());
}
