//! Two peers over real sockets: all three streams both ways, key-frame requests, control messages.

#![allow(clippy::unwrap_used)]

mod peer_support;

use bytes::Bytes;
use call_media::frame::{StreamKind, VideoKind};
use peer_support::{CAMERA, SCREEN, connected_pair, frame};

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_flow_both_ways_and_arrive_as_sent() {
    let (a, b) = connected_pair().await;
    for (from, to) in [(&a, &b), (&b, &a)] {
        for kind in [StreamKind::Audio, CAMERA, SCREEN] {
            let packets = if kind == StreamKind::Audio { 1 } else { 9 };
            from.transport.send(&frame(kind, 1_000, packets, 700));
            from.transport.send(&frame(kind, 4_000, packets, 700));
            let got = to.collector(kind).wait_for(2 * usize::from(packets)).await;
            assert_eq!(got.len(), 2 * usize::from(packets));
            for (index, packet) in got.iter().enumerate() {
                let in_frame = (index % usize::from(packets)) as u8;
                assert_eq!(packet.payload[..], vec![in_frame; 700][..]);
                assert_eq!(
                    packet.sequence_number,
                    got[0].sequence_number.wrapping_add(index as u16)
                );
                let last_of_picture = kind != StreamKind::Audio && in_frame + 1 == packets;
                assert_eq!(packet.marker, last_of_picture);
            }
            assert_eq!(got[got.len() - 1].timestamp.wrapping_sub(got[0].timestamp), 3_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_asks_the_encoder_for_key_frames() {
    let (a, _b) = connected_pair().await;
    a.key_frame_requests.wait_for(|kind| *kind == VideoKind::Camera).await;
    a.key_frame_requests.wait_for(|kind| *kind == VideoKind::Screen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_frame_request_reaches_the_other_encoder_for_the_right_picture() {
    let (a, b) = connected_pair().await;
    a.key_frame_requests.wait_for(|kind| *kind == VideoKind::Screen).await;
    a.transport.send(&frame(SCREEN, 0, 2, 100));
    b.screen.wait_for(2).await;
    a.key_frame_requests.clear();
    // The second comes within 300 ms of the first and is the same wish.
    b.transport.request_key_frame(VideoKind::Screen);
    b.transport.request_key_frame(VideoKind::Screen);
    a.key_frame_requests.wait_for(|kind| *kind == VideoKind::Screen).await;
    assert_eq!(a.key_frame_requests.all(), [VideoKind::Screen]);
    let asked = |statistics: &call_engine::peer::PeerStatistics| {
        statistics
            .received
            .iter()
            .find(|(kind, _)| *kind == SCREEN)
            .unwrap()
            .1
            .key_frame_requests
    };
    assert_eq!(asked(&b.transport.statistics()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_messages_arrive_in_order_and_large_ones_are_refused() {
    let (a, b) = connected_pair().await;
    let large = vec![7_u8; 60_000];
    for message in [&b"first"[..], &large, b"last"] {
        a.transport.send_control(Bytes::copy_from_slice(message)).await.unwrap();
    }
    b.wait_for_control(b"last").await;
    let messages: Vec<usize> = b
        .events
        .all()
        .iter()
        .filter_map(|event| match event {
            call_engine::peer::PeerEvent::Control(message) => Some(message.len()),
            _ => None,
        })
        .collect();
    assert_eq!(messages, [5, 60_000, 4]);
    assert!(a.transport.send_control(Bytes::from(vec![0; 65_537])).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_count_what_was_sent_and_received() {
    let (a, b) = connected_pair().await;
    for timestamp in 0..5 {
        a.transport.send(&frame(CAMERA, timestamp * 3_000, 6, 1_000));
    }
    b.camera.wait_for(30).await;
    let (sent, received) = (a.transport.statistics(), b.transport.statistics());
    let (_, sent_camera) = sent.sent.iter().find(|(kind, _)| *kind == CAMERA).unwrap();
    let (_, got_camera) = received.received.iter().find(|(kind, _)| *kind == CAMERA).unwrap();
    assert_eq!((sent_camera.packets, got_camera.packets), (30, 30));
    assert!(sent_camera.bytes > 30_000);
    assert_eq!(got_camera.packets_lost, 0);
    assert!(sent.dtls_connected_after.is_some());
}
