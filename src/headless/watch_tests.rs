//! The rules of a run, on hand-made snapshots.

use call_engine::{
    Badge, DeviceProblem, Door, IdentityLifetime, LocalMedia, RoomRole, RoomState, ServerKind, SignalingState, Time,
};

use super::*;

fn seconds(value: u64) -> Duration {
    Duration::from_secs(value)
}

fn options(run_seconds: Option<u64>, until_peers: Option<u32>) -> RunOptions {
    RunOptions {
        seconds: run_seconds.map(seconds),
        until_peers,
        ..RunOptions::default()
    }
}

fn host(run_seconds: Option<u64>, until_peers: Option<u32>) -> CallWatch {
    CallWatch::new(Role::Host, &options(run_seconds, until_peers))
}

fn snapshot(phase: CallPhase, links: &[LinkState]) -> EngineSnapshot {
    let participants = links.iter().enumerate().map(|(index, link)| ParticipantSnapshot {
        peer: PeerKey(u32::try_from(index).expect("few")),
        name: if index == 0 { "Ann".into() } else { String::new() },
        link: *link,
        blockage: None,
        media: LocalMedia::default(),
        reconnects: 0,
        send_timings: Vec::new(),
        key: None,
        role: RoomRole::Guest,
        badge: Badge::Unverified,
        symbols: None,
        admission: Admission::Admitted,
        doorbell: None,
        identity: IdentityLifetime::Kept,
    });
    EngineSnapshot {
        call: Some(CallSnapshot {
            phase,
            signaling: SignalingState::Joined,
            local: LocalMedia::default(),
            participants: participants.collect(),
            connected_since: None,
            room: RoomState {
                role: RoomRole::Host,
                door: Door::Open,
                expires_at: None,
            },
            alarm: None,
        }),
        server: ServerKind::Embedded,
        ..EngineSnapshot::initial()
    }
}

fn up() -> EngineSnapshot {
    let since = Time(Duration::ZERO);
    snapshot(CallPhase::Active, &[LinkState::Connected { since }])
}

fn failed(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Failed(sentence)) => sentence,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[test]
fn the_time_counts_from_the_start_and_a_call_that_was_up_is_a_success() {
    let mut watch = host(Some(10), None);
    assert_eq!(
        watch.observe(&snapshot(CallPhase::Waiting, &[]), seconds(0)).outcome,
        None
    );
    assert_eq!(watch.ends_at(), Some(seconds(10)));
    let observation = watch.observe(&up(), seconds(3));
    assert_eq!(observation.lines, ["Ann is connected."]);
    assert_eq!(observation.outcome, None);
    assert_eq!(watch.observe(&up(), seconds(9)), Observation::default());
    let over = watch.observe(&up(), seconds(10)).outcome.expect("over");
    assert_eq!((over.exit_code(), over.sentence()), (0, None));
}

#[test]
fn with_until_peers_the_time_counts_from_the_last_of_them() {
    let since = Time(Duration::ZERO);
    let mut watch = host(Some(10), Some(2));
    watch.observe(&up(), seconds(3));
    assert_eq!(watch.ends_at(), None);
    assert_eq!(watch.observe(&up(), seconds(500)).outcome, None);
    let both = snapshot(
        CallPhase::Active,
        &[LinkState::Connected { since }, LinkState::Connected { since }],
    );
    assert_eq!(
        watch.observe(&both, seconds(600)).lines,
        ["A participant is connected."]
    );
    // One of them leaving does not start the count anew.
    assert_eq!(watch.observe(&up(), seconds(605)).lines, ["A participant left."]);
    assert_eq!(watch.observe(&up(), seconds(610)).outcome, Some(Outcome::Completed));
}

#[test]
fn a_call_that_never_came_up_says_how_far_it_got() {
    for (phase, links, part) in [
        (CallPhase::Idle, vec![], "did not let us in"),
        (CallPhase::Joining, vec![], "did not let us in"),
        (CallPhase::Waiting, vec![], "nobody joined in time"),
        (
            CallPhase::Connecting,
            vec![LinkState::Negotiating],
            "no connection was made",
        ),
    ] {
        let mut watch = host(Some(5), None);
        watch.observe(&snapshot(phase.clone(), &links), seconds(0));
        let outcome = watch.observe(&snapshot(phase, &links), seconds(5)).outcome;
        assert_eq!(outcome.as_ref().map(Outcome::exit_code), Some(1));
        assert!(failed(outcome.clone()).contains(part), "{outcome:?}");
    }
    let mut guest = CallWatch::new(Role::Join("L".into()), &options(Some(1), None));
    guest.observe(&snapshot(CallPhase::Waiting, &[]), seconds(0));
    let outcome = guest.observe(&snapshot(CallPhase::Waiting, &[]), seconds(1)).outcome;
    assert!(failed(outcome).contains("nobody else was there"));
}

#[test]
fn the_end_of_the_call_is_the_end_of_the_run() {
    for reason in [
        EndReason::ServerUnreachable("refused".into()),
        EndReason::WrongServer("version 9".into()),
        EndReason::Refused("The room is full".into()),
        EndReason::PeersUnreachable(None),
    ] {
        let mut watch = host(None, None);
        let outcome = watch
            .observe(&snapshot(CallPhase::Ended(reason.clone()), &[]), seconds(1))
            .outcome;
        assert_eq!(failed(outcome), sentences::end_reason(&reason));
    }
    for reason in [EndReason::HungUp, EndReason::EveryoneLeft] {
        let ended = snapshot(CallPhase::Ended(reason), &[]);
        let mut watch = host(Some(60), None);
        watch.observe(&up(), seconds(1));
        assert_eq!(watch.observe(&ended, seconds(2)).outcome, Some(Outcome::Completed));
        let mut lonely = host(Some(60), None);
        assert!(failed(lonely.observe(&ended, seconds(2)).outcome).contains("never came up"));
    }
}

#[test]
fn a_connection_that_is_lost_at_the_end_is_a_failure_and_one_that_came_back_is_not() {
    let since = Time(Duration::ZERO);
    let lost = snapshot(CallPhase::Reconnecting, &[LinkState::Reconnecting { since }]);
    let mut watch = host(Some(10), None);
    watch.observe(&up(), seconds(1));
    assert_eq!(
        watch.observe(&lost, seconds(2)).lines,
        ["The connection to Ann was lost; trying again."]
    );
    assert_eq!(watch.observe(&lost, seconds(3)).lines, [""; 0]);
    assert_eq!(watch.observe(&up(), seconds(4)).lines, ["Ann is connected again."]);
    assert_eq!(watch.observe(&up(), seconds(11)).outcome, Some(Outcome::Completed));

    let mut watch = host(Some(10), None);
    watch.observe(&up(), seconds(1));
    assert_eq!(failed(watch.observe(&lost, seconds(11)).outcome), sentences::LOST);
}

#[test]
fn somebody_who_cannot_be_reached_is_named_once() {
    let since = Time(Duration::ZERO);
    let unreachable = snapshot(CallPhase::Connecting, &[LinkState::Unreachable { since }]);
    let mut watch = host(None, None);
    watch.observe(&snapshot(CallPhase::Connecting, &[LinkState::Negotiating]), seconds(1));
    assert_eq!(
        watch.observe(&unreachable, seconds(2)).lines,
        [sentences::unreachable("Ann", None)]
    );
    assert_eq!(watch.observe(&unreachable, seconds(3)), Observation::default());
}

#[test]
fn what_is_in_the_way_is_said_when_the_time_is_up() {
    let mut blocked = snapshot(CallPhase::Connecting, &[LinkState::Negotiating]);
    if let Some(call) = &mut blocked.call {
        call.participants[0].blockage = Some(Blockage::UdpBlocked);
    }
    let mut watch = host(Some(5), Some(0));
    watch.observe(&blocked, seconds(1));
    let words = failed(watch.observe(&blocked, seconds(7)).outcome);
    assert!(words.contains("blocks UDP") && words.contains("turns:"), "{words}");
    assert!(sentences::unreachable("Ann", Some(Blockage::RelayRefused)).contains("refused the user"));
}

#[test]
fn an_interrupted_run_fails_only_when_the_call_was_never_up() {
    let mut watch = host(None, None);
    let waiting = snapshot(CallPhase::Waiting, &[]);
    watch.observe(&waiting, seconds(1));
    assert!(failed(Some(watch.interrupted(&waiting))).contains("nobody joined"));
    watch.observe(&up(), seconds(2));
    assert_eq!(watch.interrupted(&up()), Outcome::Completed);
    let since = Time(Duration::ZERO);
    let lost = snapshot(CallPhase::Reconnecting, &[LinkState::Reconnecting { since }]);
    watch.observe(&lost, seconds(3));
    assert_eq!(watch.interrupted(&lost), Outcome::Completed);
}

#[test]
fn a_device_in_trouble_is_told_once_and_again_when_the_trouble_is_another() {
    let with_camera = |status: DeviceStatus| {
        let mut snapshot = up();
        snapshot.local.camera = status;
        snapshot
    };
    let trouble = |problem, detail: &str| {
        DeviceStatus::Failed(DeviceError {
            problem,
            detail: detail.into(),
        })
    };
    let mut watch = host(None, None);
    watch.observe(&up(), seconds(0));
    let mut lines = |status| watch.observe(&with_camera(status), seconds(1)).lines;
    let told = lines(trouble(DeviceProblem::Busy, "EBUSY"));
    assert!(
        told[0].starts_with("The camera is used by another program (EBUSY)."),
        "{told:?}"
    );
    assert_eq!(lines(DeviceStatus::Starting), [""; 0]);
    assert_eq!(lines(trouble(DeviceProblem::Busy, "EBUSY again")), [""; 0]);
    assert_eq!(lines(trouble(DeviceProblem::Unplugged, "ENODEV")).len(), 1);
    let running = DeviceStatus::Running {
        name: "Cam".into(),
        mode: None,
    };
    assert_eq!(lines(running), ["The camera works again: Cam."]);
    assert_eq!(lines(trouble(DeviceProblem::Unplugged, "ENODEV")).len(), 1);
}
