//! The screens, by what assistive technology reads: a snapshot in, intents out. No window, no engine.

use call_engine::{
    CallPhase, CameraSpec, Command, DeviceError, DeviceProblem, DeviceStatus, EndReason, Event, LinkState, Route,
    SignalingState, Switch, Time,
};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use ui_support::LINK;
use ui_support::stage::{stage, stage_in};
use visavis::command_handling::{self, Effect};
use visavis::i18n::{I18n, Language};
use visavis::ui::ui_command::UiCommand;
use visavis::view_state::{CallPurpose, Place};

mod ui_support;

#[test]
fn a_call_of_ones_own_goes_through_the_lobby_to_the_engine() {
    let mut stage = stage(ui_support::idle());
    stage.click("Start a call");
    assert_eq!(stage.harness.state().place, Place::Lobby(CallPurpose::Host));
    assert_eq!(
        stage.engine.take_commands(),
        [Command::RefreshDevices, Command::OpenDevices]
    );
    stage.click("Start the call");
    assert_eq!(
        stage.engine.take_commands(),
        [
            Command::Rename("Maria".into()),
            Command::Microphone(Switch::On),
            Command::Camera(Switch::On),
            Command::HostCall,
        ]
    );
    assert!(stage.shows("One moment"));
    stage.change(|snapshot| *snapshot = ui_support::waiting());
    assert!(stage.shows("Waiting for somebody"));
}

#[test]
fn what_is_turned_off_in_the_lobby_is_off_before_the_call_starts() {
    let mut stage = stage(ui_support::previewing());
    stage.harness.state_mut().place = Place::Lobby(CallPurpose::Host);
    stage.harness.run_steps(2);
    stage.click("Turn microphone off");
    stage.click("Turn camera off");
    assert!(stage.shows("Turn microphone on") && stage.shows("Turn camera on"));
    stage.engine.take_commands();
    stage.click("Start the call");
    let commands = stage.engine.take_commands();
    assert_eq!(
        commands[1..],
        [
            Command::Microphone(Switch::Off),
            Command::Camera(Switch::Off),
            Command::HostCall
        ]
    );
}

#[test]
fn a_pasted_link_joins_and_an_empty_field_says_what_to_do() {
    let mut stage = stage(ui_support::idle());
    stage.click("Join");
    assert!(stage.shows("Paste the link your friend sent you"));
    stage.click("Put away");
    assert!(!stage.shows("Paste the link your friend sent you"));
    stage.harness.state_mut().link = LINK[..LINK.len() - 6].into();
    stage.click("Join");
    assert!(stage.shows("The link was cut off"));
    assert!(stage.engine.take_commands().is_empty());
    stage.harness.state_mut().link.clear();
    stage.harness.get_by_label("Have a link?").click();
    stage.harness.run_steps(2);
    stage
        .harness
        .get_by_label("Have a link?")
        .type_text(&format!(" {LINK} "));
    stage.harness.run_steps(2);
    stage.harness.key_press(egui::Key::Enter);
    stage.harness.run_steps(3);
    let purpose = CallPurpose::Join { link: LINK.into() };
    assert_eq!(stage.harness.state().place, Place::Lobby(purpose));
    stage.engine.take_commands();
    stage.click("Join the call");
    assert!(
        stage
            .engine
            .take_commands()
            .contains(&Command::JoinCall { link: LINK.into() })
    );
}

#[test]
fn a_test_call_starts_at_once() {
    let mut stage = stage(ui_support::idle());
    stage.click("Start a test call");
    assert_eq!(stage.engine.take_commands().last(), Some(&Command::StartTestCall));
}

#[test]
fn the_name_is_kept_and_told_when_the_field_is_left() {
    let mut stage = stage(ui_support::idle());
    stage.harness.get_by_label("Your name").click();
    stage.harness.run_steps(2);
    stage.harness.key_press(egui::Key::End);
    stage.harness.get_by_label("Your name").type_text(" B.");
    stage.harness.run_steps(2);
    stage.harness.key_press(egui::Key::Tab);
    stage.harness.run_steps(3);
    assert_eq!(stage.engine.take_commands(), [Command::Rename("Maria B.".into())]);
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::SaveSettings]);
}

#[test]
fn the_mute_button_shows_what_the_snapshot_says_not_what_was_clicked() {
    let mut stage = stage(ui_support::connected(&["Anna"]));
    stage.click("Turn microphone off");
    assert_eq!(stage.engine.take_commands(), [Command::Microphone(Switch::Off)]);
    // The engine has not answered: we are still heard, and the button says so.
    assert!(stage.shows("Turn microphone off"));
    stage.change(|snapshot| ui_support::set_local(snapshot, Switch::Off, Switch::On));
    assert!(stage.shows("Turn microphone on") && !stage.shows("Turn microphone off"));
}

#[test]
fn keys_do_what_buttons_do() {
    let mut stage = stage(ui_support::connected(&["Anna"]));
    stage.harness.key_press(egui::Key::M);
    stage.harness.run_steps(2);
    stage.harness.key_press(egui::Key::V);
    stage.harness.run_steps(2);
    stage
        .harness
        .key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::L);
    stage.harness.run_steps(2);
    let control_shift = egui::Modifiers::COMMAND | egui::Modifiers::SHIFT;
    stage.harness.key_press_modifiers(control_shift, egui::Key::H);
    stage.harness.run_steps(2);
    assert_eq!(
        stage.wanted.borrow().as_slice(),
        [
            UiCommand::Microphone(Switch::Off),
            UiCommand::Camera(Switch::Off),
            UiCommand::CopyLink,
            UiCommand::HangUp,
        ]
    );
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::CopyText(LINK.into())]);
    assert_eq!(stage.engine.take_commands().last(), Some(&Command::Leave));
}

#[test]
fn letters_typed_into_a_field_are_no_commands() {
    let mut stage = stage(ui_support::idle());
    stage.harness.get_by_label("Your name").click();
    stage.harness.run_steps(2);
    stage.harness.key_press(egui::Key::M);
    stage.harness.run_steps(2);
    assert!(stage.wanted.borrow().is_empty());
}

#[test]
fn every_control_of_a_call_can_be_reached_with_the_tab_key() {
    let mut stage = stage(ui_support::connected(&["Anna"]));
    let mut reached = Vec::new();
    for _ in 0..6 {
        stage.harness.key_press(egui::Key::Tab);
        stage.harness.run_steps(2);
        let focused = stage.harness.root().children_recursive().find(|node| node.is_focused());
        reached.extend(focused.and_then(|node| node.accesskit_node().label()));
    }
    assert_eq!(
        reached,
        [
            "Anna: Encrypted, not yet verified. Compare the four symbols.",
            "Turn microphone off",
            "Turn camera off",
            "Invite others",
            "Who may come in: Open",
            "Hang up"
        ]
    );
    stage.harness.key_press(egui::Key::Space);
    stage.harness.run_steps(2);
    assert_eq!(stage.wanted.borrow().as_slice(), [UiCommand::HangUp]);
}

#[test]
fn the_link_is_there_while_nobody_else_is() {
    let mut stage = stage(ui_support::waiting());
    assert_eq!(stage.harness.get_by_label("Invite link").value().as_deref(), Some(LINK));
    stage
        .harness
        .get_all_by_label("Copy link")
        .next()
        .expect("the large button")
        .click();
    stage.harness.run_steps(3);
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::CopyText(LINK.into())]);
    assert!(stage.shows("Copied"));
    stage.change(|snapshot| *snapshot = ui_support::connected(&["Anna"]));
    assert!(!stage.shows("Waiting for somebody"));
    assert!(stage.shows("Anna  ·  2:41  ·  Connected"));
}

#[test]
fn people_have_names_pictures_and_badges() {
    let mut stage = stage(ui_support::connected(&["Anna", ""]));
    assert!(stage.shows("Picture of Anna") && stage.shows("Picture of Guest"));
    stage.change(|snapshot| snapshot.participants[0].route = Some(Route::Relayed));
    assert!(stage.shows("Connected through a relay"));
}

#[test]
fn a_lost_connection_is_told_only_when_it_does_not_come_back_at_once() {
    let mut stage = stage(ui_support::connected(&["Anna"]));
    stage.change(|snapshot| {
        let call = snapshot.call.as_mut().expect("a call");
        call.phase = CallPhase::Reconnecting;
        call.participants[0].link = LinkState::Reconnecting { since: Time::default() };
    });
    assert!(!stage.shows("The connection was lost"));
    assert!(stage.shows("Connected"));
    // A step of the harness is a quarter of a second.
    stage.harness.run_steps(10);
    assert!(stage.shows("The connection was lost"));
    assert!(!stage.shows("Connected"));
    stage.change(|snapshot| *snapshot = ui_support::connected(&["Anna"]));
    assert!(!stage.shows("The connection was lost"));
}

#[test]
fn a_server_that_is_away_and_a_failing_device_are_quiet_lines() {
    let mut stage = stage(ui_support::connected(&["Anna"]));
    stage.change(|snapshot| {
        let call = snapshot.call.as_mut().expect("a call");
        call.signaling = SignalingState::Retrying {
            at: Time::default(),
            failures: 2,
        };
        snapshot.local.microphone = failed(DeviceProblem::Unplugged);
        snapshot.local.camera = failed(DeviceProblem::Busy);
    });
    assert!(stage.shows("Your call goes on"));
    assert!(stage.shows("Nobody hears you. The microphone was unplugged."));
    assert!(stage.shows("Nobody sees you. Another program uses the camera."));
    // What one has turned off oneself is no trouble.
    stage.change(|snapshot| ui_support::set_local(snapshot, Switch::Off, Switch::Off));
    assert!(!stage.shows("Nobody hears you") && !stage.shows("Nobody sees you"));
}

fn failed(problem: DeviceProblem) -> DeviceStatus {
    DeviceStatus::Failed(DeviceError {
        problem,
        detail: "in the system's words".into(),
    })
}

#[test]
fn a_device_can_be_picked_in_the_lobby() {
    let mut view = ui_support::view("Maria");
    view.place = Place::Lobby(CallPurpose::Host);
    let mut snapshot = ui_support::previewing();
    snapshot.local.speaker = failed(DeviceProblem::Missing);
    let mut stage = stage_in(Language::English, [1000.0, 680.0], snapshot, view);
    assert!(stage.shows("Works: 1280 × 720, 30 pictures a second"));
    assert!(stage.shows("There is no such speaker"));
    assert!(stage.shows("Level of your microphone"));
    stage.click("Camera");
    stage.click("Logitech BRIO");
    let spec = CameraSpec::Device(Some("Logitech BRIO".into()));
    assert_eq!(stage.engine.take_commands(), [Command::SelectCamera(spec.clone())]);
    assert_eq!(stage.harness.state().devices.camera, spec);
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::SaveSettings]);
}

#[test]
fn a_missing_device_never_blocks_the_call() {
    let mut view = ui_support::view("");
    view.place = Place::Lobby(CallPurpose::Host);
    let mut snapshot = ui_support::previewing();
    snapshot.local.camera = failed(DeviceProblem::Missing);
    snapshot.local.microphone = failed(DeviceProblem::Forbidden);
    let mut stage = stage_in(Language::English, [1000.0, 680.0], snapshot, view);
    stage.click("Start the call");
    let commands = stage.engine.take_commands();
    assert_eq!(commands.last(), Some(&Command::HostCall));
    assert!(!commands.iter().any(|command| matches!(command, Command::Rename(_))));
}

#[test]
fn after_a_call_one_can_call_again_or_go_home() {
    let mut view = ui_support::view("Maria");
    let purpose = CallPurpose::Join { link: LINK.into() };
    view.last_purpose = Some(purpose.clone());
    let mut stage = stage_in(
        Language::English,
        [1000.0, 680.0],
        ui_support::ended(EndReason::EveryoneLeft),
        view,
    );
    assert!(stage.shows("Everybody else has left"));
    assert!(stage.shows("You were connected for 12:34"));
    stage.click("Call again");
    let commands = stage.engine.take_commands();
    assert_eq!(commands.first(), Some(&Command::CloseCall));
    assert_eq!(commands.last(), Some(&Command::JoinCall { link: LINK.into() }));
    assert_eq!(stage.harness.state().place, Place::Lobby(purpose));
    stage.click("Home");
    assert_eq!(
        stage.engine.take_commands(),
        [Command::CloseCall, Command::CloseDevices]
    );
    assert_eq!(stage.harness.state().place, Place::Home);
}

#[test]
fn every_end_is_told_with_what_to_do() {
    let reasons = [
        (EndReason::HungUp, "You hung up"),
        (
            EndReason::ServerUnreachable("refused".into()),
            "Check your internet connection",
        ),
        (EndReason::WrongServer("http".into()), "Update both"),
        (
            EndReason::Refused("the room is full".into()),
            "the room is full. Ask for a new link",
        ),
        (EndReason::PeersUnreachable(None), "Try another network"),
    ];
    for (reason, words) in reasons {
        let stage = stage(ui_support::ended(reason));
        assert!(stage.shows(words), "{words}");
    }
}

#[test]
fn news_of_trouble_becomes_a_notice_and_frees_the_lobby() {
    let i18n = I18n::new(Language::English);
    let mut stage = stage(ui_support::previewing());
    stage.harness.state_mut().place = Place::Lobby(CallPurpose::Host);
    stage.harness.run_steps(2);
    stage.click("Start the call");
    assert!(stage.shows("One moment"));
    let event = Event::ServerFailed("address in use".into());
    command_handling::take_event(&event, stage.harness.state_mut(), &i18n);
    stage.harness.run_steps(2);
    assert!(stage.shows("address in use. Check that no firewall"));
    assert!(stage.shows("Start the call"));
}

#[test]
fn idle_screens_ask_for_no_repaint() {
    let mut lobby = ui_support::view("Maria");
    lobby.place = Place::Lobby(CallPurpose::Host);
    let screens = [
        (ui_support::idle(), ui_support::view("Maria")),
        (ui_support::previewing(), lobby),
        (ui_support::waiting(), ui_support::view("Maria")),
        (ui_support::ended(EndReason::HungUp), ui_support::view("Maria")),
    ];
    for (snapshot, view) in screens {
        let mut stage = stage_in(Language::English, [1000.0, 680.0], snapshot, view);
        stage.harness.run();
        assert!(!stage.harness.ctx.has_requested_repaint());
    }
}

/// Controls lie inside the window or can be scrolled to; all glyphs exist (the harness panics otherwise), and
/// everything that can be used has a name (the harness checks that when it has settled).
#[test]
fn every_screen_works_in_both_languages_and_small_windows() {
    for language in Language::ALL {
        for size in [[360.0, 480.0], [640.0, 400.0], [1000.0, 680.0], [1920.0, 1000.0]] {
            let mut lobby = ui_support::view("Мария");
            lobby.place = Place::Lobby(CallPurpose::Join { link: LINK.into() });
            let screens = [
                (ui_support::idle(), ui_support::view("Мария")),
                (ui_support::previewing(), lobby),
                (ui_support::waiting(), ui_support::view("Мария")),
                (ui_support::connected(&["Анна"]), ui_support::view("Мария")),
                (
                    ui_support::connected(&["Анна", "Bo", "Chiara"]),
                    ui_support::view("Мария"),
                ),
                (
                    ui_support::ended(EndReason::PeersUnreachable(None)),
                    ui_support::view("Мария"),
                ),
            ];
            for (snapshot, view) in screens {
                let shows_people = snapshot.call.as_ref().is_some_and(|call| !call.participants.is_empty());
                let mut stage = stage_in(language, size, snapshot, view);
                stage.harness.run_steps(4);
                stage.harness.check_accessibility();
                let window = egui::Rect::from_min_size(egui::Pos2::ZERO, size.into()).expand(0.5);
                let buttons = stage.harness.query_all_by_role(egui::accesskit::Role::Button);
                for button in buttons {
                    let rect = button.rect();
                    let across = window.x_range();
                    assert!(
                        across.contains(rect.left()) && across.contains(rect.right()),
                        "{button:?}"
                    );
                    // Before anybody is there, the ways to invite may have to be scrolled to.
                    assert!(!shows_people || window.contains_rect(rect), "{button:?}");
                }
            }
        }
    }
}
