//! People in the window: lists, rings, settings and identity, by what assistive technology reads, and the QR code by
//! what a camera sees.

use call_engine::{
    CallPhase, Command, DoorbellState, EndReason, EngineSnapshot, Event, KeyStorage, RingDirection, RingOutcome,
    RingStage, SpokenCodeProblem, Switch,
};
use egui::{Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use ui_support::LINK;
use ui_support::people::{self, NOW_UNIX_S};
use ui_support::stage::{Looks, Stage, stage, stage_of, stage_with};
use visavis::command_handling::{self, Desk, Effect};
use visavis::i18n::{I18n, Language};
use visavis::settings::Settings;
use visavis::ui::ui_command::UiCommand;
use visavis::ui::widgets;
use visavis::view_state::{CallPurpose, Callee, NEWS_S, Place, Tone, ViewState};

mod ui_support;

fn view() -> ViewState {
    let mut view = ui_support::view("Maria");
    view.now_unix_s = NOW_UNIX_S;
    view
}

/// At home, knowing people.
fn home() -> Stage {
    let looks = Looks {
        size: [1000.0, 1000.0],
        ..Looks::default()
    };
    stage_with(looks, people::busy_home(Language::English), view())
}

fn settings() -> Stage {
    let mut view = view();
    view.place = Place::Settings;
    let looks = Looks {
        size: [1000.0, 1600.0],
        ..Looks::default()
    };
    stage_with(looks, people::busy_home(Language::English), view)
}

/// What brings somebody into a call, by itself.
fn invite_panel(looks: Looks, snapshot: EngineSnapshot) -> Stage {
    stage_of(looks, snapshot, view(), |ui, scene, view, commands| {
        widgets::invite_panel::show(ui, scene, view, commands);
    })
}

fn take_event(stage: &mut Stage, event: &Event) -> Option<Command> {
    let next = command_handling::take_event(event, stage.harness.state_mut(), &I18n::new(Language::English));
    stage.harness.run_steps(2);
    next
}

#[test]
fn who_knows_nobody_sees_nothing_of_people() {
    let stage = stage(ui_support::idle());
    for words in ["People", "Nearby", "Missed", "server"] {
        assert!(!stage.shows(words), "{words}");
    }
}

#[test]
fn contacts_have_a_name_a_presence_and_a_badge() {
    let stage = home();
    assert!(stage.shows("Anna Petrova, online, Verified on 3 Nov"));
    assert!(stage.shows("Bo, online, 2 calls"));
    assert!(stage.shows("Dad, not online, Verified on 17 April"));
    assert!(stage.shows("Frieda from the choir, not online, No calls yet"));
    assert!(stage.shows("Missed calls: Anna Petrova, 5 minutes ago"));
    assert!(stage.shows("Missed calls: Dad, 3 hours ago"));
    assert!(stage.shows("Missed calls: Guest, yesterday"));
    assert!(stage.shows("MacBook von Jürgen, Nearby"));
    assert!(stage.shows("a label, not proof"));
}

#[test]
fn one_rings_with_and_without_a_picture() {
    let mut stage = home();
    stage.click("Ring Chiara Lombardi with video");
    assert_eq!(
        stage.engine.take_commands(),
        [
            Command::Rename("Maria".into()),
            Command::Microphone(Switch::On),
            Command::Camera(Switch::On),
            Command::OpenDevices,
            Command::Ring {
                contact: people::key(3),
                video: Switch::On
            },
        ]
    );
    stage.click("Ring MacBook von Jürgen (Nearby) with sound only");
    let commands = stage.engine.take_commands();
    assert!(commands.contains(&Command::Camera(Switch::Off)));
    let ring = Command::RingNearby {
        id: "b".into(),
        video: Switch::Off,
    };
    assert_eq!(commands.last(), Some(&ring));
}

#[test]
fn without_a_server_nobody_far_away_can_be_rung_and_home_says_why() {
    let mut stage = home();
    stage.change(|snapshot| snapshot.people.doorbell = DoorbellState::NoServer);
    assert!(stage.shows("Friends can ring you when a server is set"));
    stage.click("Ring Dad with video");
    assert!(stage.engine.take_commands().is_empty());
    // Somebody who is online without a server is on the same network.
    stage.click("Ring Anna Petrova with video");
    assert!(!stage.engine.take_commands().is_empty());
    stage.click("Set a server");
    assert_eq!(stage.harness.state().place, Place::Settings);
}

#[test]
fn missed_calls_can_be_rung_back_and_cleared() {
    let mut stage = home();
    stage.click("Ring Dad back");
    let ring = Command::Ring {
        contact: people::key(4),
        video: Switch::Off,
    };
    assert_eq!(stage.engine.take_commands().last(), Some(&ring));
    stage.click("Clear");
    assert_eq!(stage.engine.take_commands(), [Command::ClearMissedCalls]);
}

#[test]
fn a_contact_gets_another_name_by_keyboard() {
    let mut stage = home();
    stage.click("More about Bo");
    stage.click("Rename");
    // The field has the keyboard.
    stage.press(Key::End);
    stage.harness.get_by_label("Your name for Bo").type_text("ris");
    stage.harness.run_steps(2);
    stage.press(Key::Enter);
    stage.harness.run_steps(2);
    let rename = Command::RenameContact {
        contact: people::key(2),
        name: "Boris".into(),
    };
    assert_eq!(stage.engine.take_commands(), [rename]);
    assert_eq!(stage.harness.state().contact_edit, None);
}

#[test]
fn a_contact_is_removed_only_after_a_question() {
    let mut stage = home();
    stage.click("More about Bo");
    stage.click("Remove");
    assert!(stage.shows("Remove Bo? You will not be able to ring each other"));
    stage.press(Key::Escape);
    assert!(!stage.shows("Remove Bo?"));
    assert!(stage.engine.take_commands().is_empty());
    stage.click("More about Bo");
    stage.click("Remove");
    stage.click("Remove Bo");
    assert_eq!(stage.engine.take_commands(), [Command::RemoveContact(people::key(2))]);
}

#[test]
fn three_words_join_like_a_link() {
    let mut stage = stage(ui_support::idle());
    stage.harness.state_mut().link = " amber, otter  bridge".into();
    stage.click("Join");
    let words = "amber, otter  bridge".to_owned();
    assert_eq!(
        stage.harness.state().place,
        Place::Lobby(CallPurpose::Join { link: words.clone() })
    );
    stage.click("Join the call");
    assert_eq!(
        stage.engine.take_commands().last(),
        Some(&Command::JoinCall { link: words })
    );
    assert_eq!(
        take_event(&mut stage, &Event::SpokenCodeFailed(SpokenCodeProblem::WrongWords)),
        None
    );
    assert!(stage.shows("The first word is right, the others are not"));
    assert!(stage.shows("Join the call"));
    stage.harness.state_mut().place = Place::Home;
    for no_code in ["amber otter", "amber otter bridge lamp", "amber 7 bridge"] {
        stage.harness.state_mut().link = no_code.into();
        stage.harness.run_steps(2);
        stage.click("Join");
        assert_eq!(stage.harness.state().place, Place::Home, "{no_code}");
    }
}

/// Lets the first moment of a ring pass, in which nothing answers it. A step is a quarter of a second.
fn let_grace_pass(stage: &mut Stage) {
    stage.harness.run_steps(6);
}

#[test]
fn a_ring_is_announced_and_can_be_answered_by_mouse() {
    let mut stage = stage_with(Looks::default(), people::incoming(), view());
    assert!(stage.shows("Anna Petrova is calling"));
    let_grace_pass(&mut stage);
    let live = stage
        .harness
        .get_by_label("Anna Petrova is calling")
        .accesskit_node()
        .live();
    assert_eq!(live, egui::accesskit::Live::Assertive);
    assert!(stage.shows("Video call") && stage.shows("Verified on 3 Nov"));
    stage.click("Accept with sound only");
    assert_eq!(
        stage.engine.take_commands(),
        [
            Command::Rename("Maria".into()),
            Command::Microphone(Switch::On),
            Command::Camera(Switch::Off),
            Command::AcceptRing { video: Switch::Off },
        ]
    );
    stage.click("Decline");
    assert_eq!(stage.engine.take_commands(), [Command::DeclineRing]);
    stage.change(|snapshot| {
        if let Some(ring) = &mut snapshot.people.ring {
            ring.is_contact = false;
        }
    });
    assert!(stage.shows("Not in your contacts"));
}

#[test]
fn what_is_typed_or_clicked_when_a_ring_comes_answers_nothing() {
    let looks = Looks {
        step_s: 0.02,
        ..Looks::default()
    };
    let mut stage = stage_with(looks, ui_support::idle(), view());
    stage.harness.get_by_label("Your name").click();
    stage.harness.run_steps(2);
    stage.change(|snapshot| *snapshot = people::incoming());
    stage.press(Key::Enter);
    stage.press(Key::Space);
    stage.press(Key::Escape);
    stage.click("Accept with video");
    let answers = |command: &UiCommand| matches!(command, UiCommand::AcceptRing(_) | UiCommand::DeclineRing);
    let wanted = stage.wanted.borrow().clone();
    assert!(!wanted.iter().any(answers), "{wanted:?}");
    // A moment later they answer it.
    stage.harness.run_steps(60);
    stage.press(Key::Enter);
    assert_eq!(stage.wanted.borrow().last(), Some(&UiCommand::AcceptRing(Switch::On)));
    stage.press(Key::Escape);
    assert_eq!(stage.wanted.borrow().last(), Some(&UiCommand::DeclineRing));
}

#[test]
fn every_answer_can_be_reached_with_the_tab_key() {
    let mut stage = stage_with(Looks::default(), people::incoming(), view());
    let_grace_pass(&mut stage);
    let mut reached = Vec::new();
    for _ in 0..3 {
        let focused = stage.harness.root().children_recursive().find(|node| node.is_focused());
        reached.extend(focused.and_then(|node| node.accesskit_node().label()));
        stage.press(Key::Tab);
    }
    assert_eq!(reached, ["Accept with video", "Accept with sound only", "Decline"]);
}

#[test]
fn a_ring_during_a_call_is_a_banner_that_takes_no_keys() {
    let mut snapshot = ui_support::connected(&["Bo"]);
    snapshot.people = people::incoming().people;
    let mut stage = stage_with(Looks::default(), snapshot, view());
    let_grace_pass(&mut stage);
    assert!(stage.shows("Anna Petrova is calling") && stage.shows("Picture of Bo"));
    assert!(stage.shows("Accepting ends the call you are in"));
    stage.press(Key::Escape);
    stage.press(Key::Enter);
    assert!(stage.wanted.borrow().is_empty());
    stage.click("Accept with video");
    // The present call keeps its camera and microphone as they are.
    assert_eq!(
        stage.engine.take_commands(),
        [Command::AcceptRing { video: Switch::On }]
    );
    stage.change(|snapshot| {
        if let Some(ring) = &mut snapshot.people.ring {
            ring.stage = RingStage::Accepted;
        }
    });
    assert!(!stage.shows("Anna Petrova"));
}

#[test]
fn our_own_ring_says_how_far_it_is_and_can_be_cancelled() {
    let mut stage = stage_with(Looks::default(), people::outgoing(), view());
    assert!(stage.shows("Ringing Anna Petrova…") && stage.shows("Your picture"));
    stage.change(|snapshot| {
        snapshot.people.ring = Some(people::ring(RingDirection::Outgoing, "Anna", RingStage::Reaching));
    });
    assert!(stage.shows("Trying to reach Anna…"));
    stage.press(Key::Escape);
    assert_eq!(stage.engine.take_commands(), [Command::CancelRing]);
    stage.click("Cancel");
    assert_eq!(stage.engine.take_commands(), [Command::CancelRing]);
}

#[test]
fn who_was_rung_is_rung_again_after_the_call() {
    let mut stage = home();
    stage.click("Ring Chiara Lombardi with video");
    stage.change(|snapshot| *snapshot = ui_support::ended(EndReason::EveryoneLeft));
    stage.engine.take_commands();
    stage.click("Call again");
    let commands = stage.engine.take_commands();
    let ring = Command::Ring {
        contact: people::key(3),
        video: Switch::On,
    };
    assert_eq!(
        (commands.first(), commands.last()),
        (Some(&Command::CloseCall), Some(&ring))
    );
    let again = stage.harness.state().last_purpose.clone();
    let whom = Callee::Contact(people::key(3));
    assert_eq!(
        again,
        Some(CallPurpose::Ring {
            whom,
            video: Switch::On
        })
    );
    // A ring that comes while the end of a call is shown is shown instead.
    stage.change(|snapshot| snapshot.people = people::incoming().people);
    assert!(stage.shows("Anna Petrova is calling"));
}

#[test]
fn every_end_of_a_ring_is_told_unless_the_user_did_it() {
    use RingDirection::{Incoming, Outgoing};
    let told = |direction, outcome| {
        let mut stage = home();
        let name = "Anna".to_owned();
        let next = take_event(
            &mut stage,
            &Event::RingEnded {
                direction,
                name,
                outcome,
            },
        );
        assert_eq!(next, Some(Command::CloseDevices));
        stage.harness.state().notice.as_ref().map(|notice| notice.words.clone())
    };
    let words = |text: &str| Some(text.to_owned());
    assert_eq!(
        told(Outgoing, RingOutcome::Declined),
        words("Anna cannot talk just now.")
    );
    assert_eq!(
        told(Outgoing, RingOutcome::Busy),
        words("Anna is in another call or does not want to be disturbed.")
    );
    assert_eq!(told(Outgoing, RingOutcome::TimedOut), words("Anna did not answer."));
    assert_eq!(
        told(Outgoing, RingOutcome::Unreachable),
        words("Anna could not be reached. Perhaps Visavis is not open there.")
    );
    assert_eq!(told(Outgoing, RingOutcome::Cancelled), None);
    assert_eq!(told(Incoming, RingOutcome::Declined), None);
    assert_eq!(
        told(Incoming, RingOutcome::Cancelled),
        words("You missed a call from Anna.")
    );
    assert_eq!(
        told(Incoming, RingOutcome::TimedOut),
        words("You missed a call from Anna.")
    );
    assert_eq!(
        told(Incoming, RingOutcome::AnsweredElsewhere),
        words("The call with Anna goes on on another device of yours.")
    );
}

#[test]
fn news_goes_by_itself_and_trouble_stays() {
    let mut stage = home();
    take_event(&mut stage, &Event::IdentityImported);
    assert_eq!(
        stage.harness.state().notice.as_ref().map(|notice| notice.tone),
        Some(Tone::News)
    );
    stage.harness.run_steps((NEWS_S * 4.0) as usize);
    assert_eq!(stage.harness.state().notice, None);
    take_event(
        &mut stage,
        &Event::Storage("the contacts are of a newer Visavis".into()),
    );
    assert!(stage.shows("the contacts are of a newer Visavis."));
    stage.harness.run_steps((NEWS_S * 8.0) as usize);
    assert!(stage.shows("the contacts are of a newer Visavis."));
}

#[test]
fn switches_show_what_the_snapshot_says_and_are_remembered() {
    let mut stage = settings();
    stage.click("Hide my address");
    assert_eq!(stage.engine.take_commands(), [Command::SetHideAddress(Switch::On)]);
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::SaveSettings]);
    let is_on = |stage: &Stage| {
        let node = stage.harness.get_by_label("Hide my address");
        node.accesskit_node().toggled()
    };
    assert_eq!(is_on(&stage), Some(egui::accesskit::Toggled::False));
    stage.change(|snapshot| snapshot.people.hide_address = Switch::On);
    assert_eq!(is_on(&stage), Some(egui::accesskit::Toggled::True));
    stage.click("Do not disturb");
    stage.click("Visible nearby");
    assert_eq!(
        stage.engine.take_commands(),
        [
            Command::SetDoNotDisturb(Switch::On),
            Command::SetVisibleNearby(Switch::On)
        ]
    );
}

#[test]
fn door_and_lifetime_of_invites_are_chosen_in_words() {
    let mut stage = settings();
    stage.click("Who may enter");
    stage.click("I let people in");
    stage.click("The link lets people in");
    stage.click("For an hour");
    assert_eq!(
        stage.engine.take_commands(),
        [
            Command::SetDoor(call_engine::Door::Knock),
            Command::SetInviteExpiry(Some(std::time::Duration::from_secs(3600))),
        ]
    );
}

#[test]
fn a_server_is_kept_for_the_next_start_and_completed() {
    let mut stage = settings();
    stage.type_into("Address of your server", "calls.example.org");
    stage.press(Key::Enter);
    assert_eq!(stage.harness.state().server, "wss://calls.example.org");
    assert!(stage.shows("Close Visavis and open it again"));
    stage.harness.state_mut().server = "not a server".into();
    stage.harness.get_by_label("Address of your server").click();
    stage.harness.run_steps(2);
    stage.press(Key::Tab);
    assert!(stage.shows("That is not the address of a server"));
    assert_eq!(stage.effects.borrow().as_slice(), [Effect::SaveSettings]);
}

#[test]
fn that_there_is_no_keyring_is_said_once_and_not_over_a_call() {
    let mut snapshot = people::busy_home(Language::English);
    snapshot.people.key_storage = KeyStorage::File("/home/maria/key".into());
    let mut stage = stage_with(Looks::default(), snapshot.clone(), view());
    let (engine, mut settings, i18n) = (stage.engine.clone(), Settings::default(), I18n::new(Language::English));
    let mut announce = |stage: &mut Stage| {
        let effects = command_handling::announce_key_storage(&mut Desk {
            engine: &engine,
            snapshot: &snapshot,
            view: stage.harness.state_mut(),
            settings: &mut settings,
            i18n: &i18n,
            now_s: 0.0,
        });
        stage.harness.run_steps(2);
        effects
    };
    assert_eq!(announce(&mut stage), [Effect::SaveSettings]);
    assert!(stage.shows("There is no keyring on this computer"));
    stage.change(|snapshot| *snapshot = ui_support::connected(&["Bo"]));
    assert!(!stage.shows("There is no keyring"));
    stage.change(|snapshot| *snapshot = ui_support::idle());
    stage.click("Put away");
    assert_eq!(announce(&mut stage), []);
    assert!(!stage.shows("There is no keyring"));
}

#[test]
fn where_the_key_is_kept_is_said_in_words() {
    let mut stage = settings();
    assert!(stage.shows("kept in the system's keyring"));
    stage.change(|snapshot| snapshot.people.key_storage = KeyStorage::File("/home/maria/key".into()));
    assert!(stage.shows("/home/maria/key. Whoever can read your files could pass as you"));
    stage.change(|snapshot| snapshot.people.key_storage = KeyStorage::Memory);
    assert!(stage.shows("friends will not recognise you"));
    stage.click("Copy the whole fingerprint");
    let effects = stage.effects.borrow();
    assert!(matches!(effects.as_slice(), [Effect::CopyText(words)] if words.starts_with("0707 0707")));
}

#[test]
fn an_identity_is_exported_with_a_good_passphrase_only() {
    let mut stage = settings();
    stage.click("Export…");
    stage.harness.state_mut().identity_form.as_mut().expect("a form").path = "/home/maria/me.age".into();
    stage.type_into("Passphrase", "short");
    stage.click("Export");
    assert!(stage.shows("at least 8 characters"));
    stage.type_into("Passphrase", "er no more");
    stage.type_into("The passphrase again", "shorter no mor");
    stage.click("Export");
    assert!(stage.shows("are not the same"));
    stage.type_into("The passphrase again", "e");
    assert!(stage.engine.take_commands().is_empty());
    stage.press(Key::Enter);
    let commands = stage.engine.take_commands();
    assert!(
        matches!(commands.as_slice(), [Command::ExportIdentity { path, passphrase }]
            if path.ends_with("me.age") && passphrase.0.as_str() == "shorter no more"),
        "{commands:?}"
    );
    take_event(&mut stage, &Event::IdentityExported("/home/maria/me.age".into()));
    assert!(stage.shows("Your identity is in /home/maria/me.age."));
    assert_eq!(stage.harness.state().identity_form, None);
}

#[test]
fn an_identity_is_imported_and_a_failure_keeps_what_was_typed() {
    let mut stage = settings();
    stage.click("Import…");
    assert!(stage.shows("The identity until now is kept aside"));
    stage.click("Import");
    assert!(stage.shows("Type the passphrase the file was protected with"));
    stage.type_into("Passphrase", "four words");
    stage.click("Import");
    assert!(matches!(
        stage.engine.take_commands().as_slice(),
        [Command::ImportIdentity { .. }]
    ));
    take_event(&mut stage, &Event::IdentityFailed("the passphrase is wrong".into()));
    assert!(stage.shows("That did not work: the passphrase is wrong."));
    assert!(stage.harness.state().identity_form.is_some());
}

#[test]
fn a_spoken_code_says_how_long_it_is_good_for() {
    let mut stage = invite_panel(Looks::default(), people::waiting_with_code());
    assert!(stage.shows("Good for 9:41 more, and for 3 tries"));
    stage.click("Put the code away");
    assert_eq!(stage.engine.take_commands(), [Command::WithdrawSpokenCode]);
    stage.change(|snapshot| snapshot.people.spoken_code = None);
    stage.click("Spoken code");
    assert_eq!(stage.engine.take_commands(), [Command::OfferSpokenCode]);
    stage.click("New link");
    assert_eq!(stage.engine.take_commands(), [Command::NewLink]);
}

#[test]
fn the_qr_code_can_be_read_in_both_themes_at_every_scale() {
    for theme in [Theme::Light, Theme::Dark] {
        for (scale, size) in [(1.0, [1000.0, 680.0]), (1.25, [1000.0, 680.0]), (2.0, [640.0, 600.0])] {
            let looks = Looks {
                theme,
                scale,
                size,
                ..Looks::default()
            };
            let mut stage = invite_panel(looks, ui_support::waiting());
            stage.click("QR code");
            stage.harness.run_steps(4);
            let picture = stage.picture();
            let grey: Vec<u8> = picture.pixels.iter().map(|pixel| pixel.g()).collect();
            let mut reader = quircs::Quirc::default();
            let read: Vec<_> = reader
                .identify(picture.width(), picture.height(), &grey)
                .filter_map(|code| code.ok()?.decode().ok())
                .map(|data| String::from_utf8(data.payload).expect("a link is UTF-8"))
                .collect();
            assert_eq!(read, [LINK], "{theme:?} at {scale}");
        }
    }
}

/// Every state in both languages and in small windows: nothing hangs out at the sides, everything has a name, all
/// glyphs exist (the harness checks the last two).
#[test]
fn every_state_works_in_both_languages_and_small_windows() {
    for language in Language::ALL {
        for size in [[360.0, 480.0], [640.0, 400.0], [1000.0, 680.0]] {
            let settings = {
                let mut view = view();
                view.place = Place::Settings;
                view
            };
            let mut in_call = ui_support::connected(&["Бо"]);
            in_call.people = people::incoming().people;
            let states = [
                (people::busy_home(language), view()),
                (people::busy_home(language), settings),
                (people::incoming(), view()),
                (people::outgoing(), view()),
                (in_call, view()),
                (people::waiting_with_code(), view()),
            ];
            for (snapshot, view) in states {
                let looks = Looks {
                    language,
                    size,
                    ..Looks::default()
                };
                let mut stage = stage_with(looks, snapshot, view);
                stage.harness.run_steps(4);
                stage.harness.check_accessibility();
                let across = egui::Rangef::new(-0.5, size[0] + 0.5);
                for button in stage.harness.query_all_by_role(egui::accesskit::Role::Button) {
                    let rect = button.rect();
                    assert!(
                        across.contains(rect.left()) && across.contains(rect.right()),
                        "{button:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn idle_screens_ask_for_no_repaint() {
    let mut quiet = people::busy_home(Language::English);
    quiet.people.missed.clear();
    let mut settings = view();
    settings.place = Place::Settings;
    let mut rung = people::outgoing();
    rung.people.missed.clear();
    for (snapshot, view) in [(quiet.clone(), view()), (quiet, settings), (rung, view())] {
        let mut stage = stage_with(Looks::default(), snapshot, view);
        stage.harness.run_steps(8);
        stage.harness.run();
        assert!(!stage.harness.ctx.has_requested_repaint());
    }
}

#[test]
fn a_call_that_began_is_shown_instead_of_the_ring() {
    let mut snapshot = people::outgoing();
    snapshot.call = Some(ui_support::call(CallPhase::Connecting, Vec::new()));
    if let Some(ring) = &mut snapshot.people.ring {
        ring.stage = RingStage::Accepted;
    }
    let stage = stage_with(Looks::default(), snapshot, view());
    assert!(stage.shows("Hang up") && !stage.shows("Anna Petrova"));
}
