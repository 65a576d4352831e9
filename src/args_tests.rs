//! The command line's contract, word for word.

use super::*;
use crate::settings::{DoorChoice, InviteLifetime};

fn parse(line: &str) -> Result<Task, clap::Error> {
    Task::parse(std::iter::once("visavis").chain(line.split_whitespace()))
}

fn window(line: &str) -> WindowTask {
    match parse(line) {
        Ok(Task::Window(task)) => task,
        other => panic!("'{line}' is not a window: {other:?}"),
    }
}

fn headless(line: &str) -> HeadlessTask {
    match parse(&format!("headless {line}")) {
        Ok(Task::Headless(task)) => task,
        other => panic!("'{line}' is not headless: {other:?}"),
    }
}

/// The sentence of a refused line, which must be a usage error.
fn refusal(line: &str) -> String {
    let error = parse(line).expect_err("must be refused");
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn no_words_open_the_window_and_a_link_opens_its_lobby() {
    assert_eq!(window("").link, None);
    assert_eq!(window("https://h/j#1.a.b").link.as_deref(), Some("https://h/j#1.a.b"));
    let task = window("--camera test visavis://h/j#1.a.b --stamp");
    assert_eq!(task.link.as_deref(), Some("visavis://h/j#1.a.b"));
    assert_eq!(task.call.camera, Some(CameraSpec::Test(VideoMode::HD30)));
    assert!(task.call.stamp);
}

#[test]
fn headless_needs_exactly_one_role() {
    assert_eq!(headless("--host").role, Role::Host);
    assert_eq!(headless("--join L").role, Role::Join("L".into()));
    assert!(refusal("headless").contains("--host"));
    assert!(refusal("headless --host --join L").contains("cannot be used with"));
}

#[test]
fn every_option_of_the_contract_is_taken_by_both() {
    let options = "--server wss://example.org --listen 127.0.0.1:9000 --name Ann --camera file:a.y4m \
        --microphone file:b.wav --speaker file:c.wav --screen window:Editor --stamp --audio-processing off \
        --video-codec h264 --max-bitrate 2600000 --relay-only --ice-server stun:s.example \
        --ice-server turn:t.example:3478,u,p,w --until-peers 2 --seconds 30 --report r.json --report-every \
        --record out --script s.txt --profile p --key-store file --door knock --invite-lifetime 3600 \
        --do-not-disturb --visible-nearby";
    let task = headless(&format!("--host {options}"));
    assert_eq!(
        task.call.over(headless_defaults(), task.run.record.clone()),
        EngineConfig {
            name: "Ann".into(),
            server: Some("wss://example.org".into()),
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            camera: CameraSpec::File("a.y4m".into()),
            microphone: MicrophoneSpec::File("b.wav".into()),
            speaker: SpeakerSpec::File("c.wav".into()),
            screen: ScreenSpec::Window("Editor".into()),
            stamp: true,
            audio_processing: false,
            max_bitrate_bps: Some(2_600_000),
            relay_only: true,
            ice_servers: vec![
                IceServer {
                    url: "stun:s.example".into(),
                    username: None,
                    credential: None,
                },
                IceServer {
                    url: "turn:t.example:3478".into(),
                    username: Some("u".into()),
                    credential: Some("p,w".into()),
                },
            ],
            extra_roots: ExtraRoots::default(),
            record: Some("out".into()),
            profile: Some("p".into()),
            key_store: KeyStoreChoice::File,
            door: Door::Knock,
            invite_lifetime: Some(Duration::from_secs(3_600)),
            do_not_disturb: Switch::On,
            visible_nearby: Switch::On,
        }
    );
    assert_eq!(task.run.until_peers, Some(2));
    assert_eq!(task.run.seconds, Some(Duration::from_secs(30)));
    assert_eq!(task.run.report, Some("r.json".into()));
    assert!(task.run.report_every);
    assert_eq!(task.run.script, Some("s.txt".into()));

    let same = window(options);
    assert_eq!((same.call, same.run), (task.call, task.run));
}

#[test]
fn without_options_headless_touches_no_device_and_the_window_uses_them() {
    let task = headless("--host");
    assert_eq!(task.call.over(headless_defaults(), None), headless_defaults());
    let settings = Settings {
        name: " Ann ".into(),
        camera: Some("device:Cam".into()),
        ..Settings::default()
    };
    let config = window("").call.over(window_defaults(&settings), None);
    assert_eq!(config.name, "Ann");
    assert_eq!(config.camera, CameraSpec::Device(Some("Cam".into())));
    assert_eq!(config.speaker, SpeakerSpec::Device(None));
    assert!(config.listen.ip().is_unspecified());
    assert_eq!(
        (config.server, config.relay_only, config.door),
        (None, false, Door::Open)
    );
}

#[test]
fn the_window_takes_from_its_settings_how_it_treats_people() {
    let settings = Settings {
        server: Some("wss://calls.example".into()),
        do_not_disturb: Switch::On,
        visible_nearby: Switch::On,
        hide_address: Switch::On,
        door: DoorChoice::Knock,
        invite_lifetime: InviteLifetime::Hour,
        ..Settings::default()
    };
    let config = window("").call.over(window_defaults(&settings), None);
    assert_eq!(config.server.as_deref(), Some("wss://calls.example"));
    assert_eq!((config.do_not_disturb, config.visible_nearby), (Switch::On, Switch::On));
    assert!(config.relay_only);
    assert_eq!(config.door, Door::Knock);
    assert_eq!(config.invite_lifetime, Some(Duration::from_secs(3600)));
    // A file that somebody edited by hand does not keep the window from opening.
    let settings = Settings {
        server: Some("calls.example".into()),
        ..Settings::default()
    };
    assert_eq!(window_defaults(&settings).server, None);
}

#[test]
fn a_headless_run_rings_a_contact_of_its_profile_or_waits_to_be_rung() {
    assert_eq!(headless("--ring Ann --profile p").role, Role::Ring("Ann".into()));
    let waiting = headless("--await-ring --profile p");
    assert_eq!(waiting.role, Role::AwaitRing(Answer::Video));
    let declining = headless("--await-ring --profile p --answer decline");
    assert_eq!(declining.role, Role::AwaitRing(Answer::Decline));
    for incomplete in [
        "headless --ring Ann",
        "headless --await-ring",
        "headless --host --ring Ann --profile p",
    ] {
        assert!(parse(incomplete).is_err(), "{incomplete}");
    }
}

#[test]
fn devices_are_listed_for_people_or_programs() {
    assert_eq!(parse("devices").ok(), Some(Task::Devices(DeviceListFormat::Text)));
    assert_eq!(
        parse("devices --json").ok(),
        Some(Task::Devices(DeviceListFormat::Json))
    );
}

#[test]
fn a_bad_value_is_answered_with_what_would_be_right() {
    for (line, part) in [
        ("--camera webcam", "'webcam' is not a camera: use test[:WxH@FPS]"),
        ("--camera test:641x480@30", "is not a picture size"),
        ("--camera file:", "needs something after the colon"),
        ("--microphone loud", "use test, file:PATH.wav"),
        ("--speaker loud", "use null, file:PATH.wav"),
        ("--screen all", "use test[:WxH@FPS], monitor[:N]"),
        ("--server example.org", "wss://example.org"),
        ("--server ws://", "ws://192.168.1.5:8080"),
        ("--listen 8080", "an IP address and a port"),
        (
            "--video-codec vp9",
            "'vp9' is not a video codec of this version: use h264",
        ),
        ("--max-bitrate 2M", "bits a second"),
        ("--max-bitrate 0", "bits a second"),
        ("--seconds 0", "a number of seconds above 0"),
        ("--seconds NaN", "a number of seconds above 0"),
        ("--seconds inf", "a number of seconds above 0"),
        ("--seconds -1", "a number of seconds above 0"),
        ("--audio-processing maybe", "on"),
        ("--ice-server example.org", "stun:HOST"),
        ("--ice-server turn:example.org?transport=sctp,u,p", "transport=tcp"),
        ("--ice-server turns:example.org:0,u,p", "1 to 65535"),
        ("--ice-ca /nowhere/roots.pem", "cannot be read"),
        ("--ice-server turn:example.org", "needs a user and a password"),
        ("--ice-server turn:example.org,u", "needs a user and a password"),
        ("--ice-server stun:example.org,u,p", "takes no user"),
        ("--until-peers 0 --seconds 1", "1..=64"),
        ("--until-peers 2", "--seconds"),
        ("--report-every", "--report"),
        ("--host", "unexpected argument"),
        ("--name=", "1 to 64 characters"),
        ("devices --host", "unexpected argument"),
    ] {
        let sentence = refusal(line);
        assert!(sentence.contains(part), "'{line}' was answered with: {sentence}");
    }
    let long = format!("--name {}", "x".repeat(65));
    assert!(refusal(&long).contains("1 to 64 characters"));
}

#[test]
fn help_names_every_option_of_the_contract() {
    let help = parse("headless --help").expect_err("help is not a task");
    assert_eq!(help.exit_code(), 0);
    let text = help.to_string();
    for option in [
        "--host",
        "--join",
        "--server",
        "--listen",
        "--name",
        "--camera",
        "--microphone",
        "--speaker",
        "--screen",
        "--stamp",
        "--audio-processing",
        "--video-codec",
        "--max-bitrate",
        "--relay-only",
        "--ice-server",
        "--until-peers",
        "--seconds",
        "--report",
        "--report-every",
        "--record",
        "--script",
    ] {
        assert!(text.contains(option), "{option} is missing from:\n{text}");
    }
    let front = parse("--help").expect_err("help is not a task").to_string();
    for word in ["headless", "devices", "LINK", "VISAVIS_LOG"] {
        assert!(front.contains(word), "{word} is missing from:\n{front}");
    }
}
