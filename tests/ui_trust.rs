//! Who is who in a call, and who comes in: badges, symbols, changed keys, knocks, the door, alarms, by what assistive
//! technology reads; and whether every symbol can be seen.

use std::collections::BTreeSet;

use call_engine::{Alarm, Badge, Command, Door, EndReason, EngineSnapshot, NotAdmitted, PeerKey, Route, Switch};
use egui::{Color32, FontId, Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use ui_support::stage::{Looks, Stage, stage, stage_with};
use ui_support::{connected, ended, trust, view};
use visavis::i18n::Language;
use visavis::symbols::Symbol;
use visavis::ui::call_command::{CallCommand, Card};
use visavis::ui::ui_command::UiCommand;

mod ui_support;

const UNVERIFIED: &str = "Anna: Encrypted, not yet verified. Compare the four symbols.";

/// A call with a card open.
fn with_card(snapshot: EngineSnapshot, card: Card) -> Stage {
    let mut stage = stage(snapshot);
    stage.harness.state_mut().card = Some(card);
    stage.harness.run_steps(3);
    stage
}

fn buttons(stage: &Stage) -> Vec<String> {
    let buttons = stage.harness.query_all_by_role(egui::accesskit::Role::Button);
    buttons.filter_map(|button| button.accesskit_node().label()).collect()
}

#[test]
fn every_person_has_a_badge_in_words() {
    let stage = stage(trust::all_badges());
    for words in [
        "Bo: Encrypted, not yet verified. Compare the four symbols.",
        "Chiara: Same device as in your last 7 calls.",
        "Дмитрий: Verified on 3 Nov.",
    ] {
        assert!(stage.shows(words), "{words}");
    }
}

#[test]
fn the_badge_opens_what_is_known_and_escape_puts_it_away() {
    let mut stage = stage(trust::one("Anna", Badge::Unverified));
    stage.click(UNVERIFIED);
    assert_eq!(stage.harness.state().card, Some(Card::Person(trust::FIRST)));
    assert!(stage.shows("Direct connection"));
    assert!(stage.shows("Anna can see your network address"));
    stage.press(Key::Escape);
    assert_eq!(stage.harness.state().card, None);
    assert!(!stage.shows("Direct connection"));
    stage.click(UNVERIFIED);
    stage.change(|snapshot| *snapshot = connected(&[]));
    assert_eq!(stage.harness.state().card, None);
}

#[test]
fn the_words_about_the_way_are_true_for_every_way() {
    let ways = [
        (
            Some(Route::Direct),
            Switch::Off,
            "can see your network address, and you theirs",
        ),
        (
            Some(Route::Direct),
            Switch::On,
            "made before you chose to hide your address",
        ),
        (Some(Route::Relayed), Switch::Off, "It sees both your addresses"),
        (
            Some(Route::Relayed),
            Switch::On,
            "is not told your address. The relay sees it",
        ),
        (None, Switch::Off, "Not connected yet"),
    ];
    for (route, hide, words) in ways {
        let mut snapshot = trust::hiding(trust::one("Anna", Badge::Unverified), hide);
        snapshot.participants[0].route = route;
        let stage = with_card(snapshot, Card::Person(trust::FIRST));
        assert!(stage.shows(words), "{route:?} {hide:?}");
    }
}

#[test]
fn the_symbols_are_read_by_name_and_both_answers_do_something() {
    for language in Language::ALL {
        let looks = Looks {
            language,
            ..Looks::default()
        };
        let mut stage = stage_with(looks, trust::one("Anna", Badge::Unverified), view("Maria"));
        stage.harness.state_mut().card = Some(Card::Symbols(trust::FIRST));
        stage.harness.run_steps(3);
        for symbol in trust::SYMBOLS {
            let name = Symbol::of(symbol).name(language);
            assert!(stage.harness.query_by_label(name).is_some(), "{name}");
        }
    }
    let mut stage = with_card(trust::one("Anna", Badge::Unverified), Card::Symbols(trust::FIRST));
    assert!(stage.shows("If all four are the same, nobody is in between."));
    stage.click("They are the same");
    assert_eq!(stage.engine.take_commands(), [Command::SymbolsMatch(trust::FIRST)]);
    stage.click("Compare the four symbols");
    stage.click("They differ");
    assert!(stage.engine.take_commands().is_empty());
    assert!(stage.shows("Somebody may be between you and Anna"));
    stage.click("Do not talk to them");
    assert_eq!(stage.engine.take_commands(), [Command::Refuse(trust::FIRST)]);
    stage.harness.state_mut().card = Some(Card::SymbolsDiffer(trust::FIRST));
    stage.harness.run_steps(3);
    stage.click("Leave the call");
    assert_eq!(stage.engine.take_commands(), [Command::Leave]);
}

#[test]
fn without_symbols_there_is_nothing_to_compare() {
    let mut snapshot = trust::one("Anna", Badge::Unverified);
    snapshot.call.as_mut().expect("a call").participants[0].symbols = None;
    let mut stage = with_card(snapshot, Card::Person(trust::FIRST));
    assert!(stage.shows("The symbols come as soon as"));
    stage.click("Compare the four symbols");
    assert_eq!(stage.harness.state().card, Some(Card::Person(trust::FIRST)));
}

#[test]
fn whose_key_has_changed_is_behind_a_wall_until_there_is_a_choice() {
    let mut stage = stage(trust::somebody_else());
    assert!(!stage.shows("Picture of Anna"));
    assert!(stage.shows("This contact's key has changed"));
    assert!(stage.shows("They say they are Anna. The Anna you know had another key."));
    stage.click("Do not talk to them");
    assert_eq!(stage.engine.take_commands(), [Command::Refuse(trust::FIRST)]);
    stage.click("Continue anyway");
    assert_eq!(stage.engine.take_commands(), [Command::Admit(trust::FIRST)]);
    // The badge goes on saying it.
    stage.change(|snapshot| *snapshot = trust::one("Anna", trust::key_changed()));
    assert!(stage.shows("Picture of Anna") && stage.shows("Anna: The key of Anna has changed."));
}

#[test]
fn both_answers_stay_in_sight_on_a_small_wall() {
    for size in [[360.0, 480.0], [640.0, 400.0]] {
        for snapshot in [trust::somebody_else(), trust::all_badges()] {
            let looks = Looks {
                size,
                language: Language::Russian,
                ..Looks::default()
            };
            let stage = stage_with(looks, snapshot, view("Maria"));
            let window = egui::Rect::from_min_size(egui::Pos2::ZERO, size.into());
            for label in ["Не разговаривать", "Всё равно продолжить"] {
                assert!(
                    window.contains_rect(stage.harness.get_by_label(label).rect()),
                    "{size:?} {label}"
                );
            }
        }
    }
}

#[test]
fn the_host_decides_about_each_who_knocks() {
    let knockers = [("Dmitri", Badge::Unverified), ("Anna", trust::key_changed())];
    let mut stage = stage(trust::knocked_at(&knockers));
    assert!(stage.shows("Dmitri wants to come in") && stage.shows("You have never met on Visavis."));
    assert!(stage.shows("Anna wants to come in") && stage.shows("The key of Anna has changed."));
    assert!(!stage.shows("Picture of Dmitri"), "nobody who knocks has a place yet");
    assert!(stage.shows("Picture of Bo"));
    stage.click("Let Dmitri in");
    stage.click("Refuse Anna");
    assert_eq!(
        stage.engine.take_commands(),
        [Command::Admit(PeerKey(10)), Command::Refuse(PeerKey(11))]
    );
}

#[test]
fn a_knock_can_be_answered_by_keyboard() {
    let mut stage = stage(trust::knocked_at(&[("Dmitri", Badge::Unverified)]));
    let mut reached = Vec::new();
    for _ in 0..12 {
        stage.press(Key::Tab);
        let focused = stage.harness.root().children_recursive().find(|node| node.is_focused());
        let label = focused.and_then(|node| node.accesskit_node().label());
        if label.as_deref() == Some("Let Dmitri in") {
            stage.press(Key::Space);
            assert_eq!(stage.engine.take_commands(), [Command::Admit(PeerKey(10))]);
            return;
        }
        reached.push(label);
    }
    panic!("not reached: {reached:?}");
}

#[test]
fn guests_see_who_waits_and_those_who_wait_see_themselves() {
    let stage_of_guest = stage(trust::somebody_waits());
    assert!(stage_of_guest.shows("Bo waits for the host"));
    assert!(!stage_of_guest.shows("Let Bo in") && !stage_of_guest.shows("Who may come in"));
    let mut stage = stage(trust::knocking());
    assert!(stage.shows("Waiting for the host to let you in"));
    assert!(stage.shows("Your picture, as a mirror"));
    assert!(!stage.shows("Picture of Anna"));
    stage.click("Leave the call");
    assert_eq!(stage.engine.take_commands(), [Command::Leave]);
}

#[test]
fn the_host_sets_the_door_and_everybody_sees_it() {
    let mut stage = stage(trust::one("Bo", trust::verified()));
    stage.click("Who may come in: Open");
    stage.click("Locked");
    stage.click("Knock first");
    stage.click("Open");
    // What is so already is not asked for again.
    assert_eq!(
        stage.engine.take_commands(),
        [Command::SetDoor(Door::Locked), Command::SetDoor(Door::Knock)]
    );
    stage.change(|snapshot| *snapshot = trust::locked());
    assert!(buttons(&stage).contains(&"Who may come in: Locked".to_owned()));
    let guest = stage_with(
        Looks::default(),
        trust::with(trust::locked(), |call| call.room.role = call_engine::RoomRole::Guest),
        view("Maria"),
    );
    assert!(guest.shows("Locked") && !guest.shows("Who may come in"));
}

#[test]
fn invites_are_behind_a_button_once_somebody_is_there() {
    let mut stage = stage(trust::one("Bo", trust::verified()));
    stage.click("Invite others");
    assert_eq!(
        stage.harness.get_by_label("Invite link").value().as_deref(),
        Some(ui_support::LINK)
    );
    stage.click("Put away");
    assert!(stage.harness.query_by_label("Invite link").is_none());
}

#[test]
fn an_alarm_says_what_to_do() {
    for (alarm, what, then) in [
        (
            Alarm::SignalingDisturbed,
            "being disturbed",
            "make a new link or try another network",
        ),
        (
            Alarm::StrangerInRoom,
            "A stranger is in the room",
            "the host makes a new link",
        ),
        (Alarm::FingerprintMismatch, "tried to come in between", "Leave the call"),
    ] {
        let stage = stage(trust::alarmed(alarm));
        assert!(stage.shows(what) && stage.shows(then), "{alarm:?}");
    }
}

#[test]
fn whoever_was_not_let_in_is_told_what_can_be_done() {
    let ends = [
        (NotAdmitted::Refused, "The host did not let you in", "Try again"),
        (NotAdmitted::Locked, "The call is locked", "Try again"),
        (NotAdmitted::Expired, "The link has expired", "Home"),
    ];
    for (reason, title, button) in ends {
        let stage = stage(ended(EndReason::NotAdmitted(reason)));
        assert!(stage.shows(title), "{title}");
        assert!(buttons(&stage).contains(&button.to_owned()), "{button}");
        let has_again = buttons(&stage).contains(&"Try again".to_owned());
        assert_eq!(has_again, reason != NotAdmitted::Expired, "an old link leads nowhere");
    }
}

#[test]
fn a_card_asks_for_no_repaint_and_its_ground_hides_what_is_below() {
    let mut snapshot = trust::one("Bo", Badge::Unverified);
    snapshot.elapsed = None;
    let mut stage = with_card(snapshot, Card::Door);
    stage.harness.run();
    assert!(!stage.harness.ctx.has_requested_repaint());
    assert_eq!(stage.wanted.borrow().as_slice(), &[]);
}

/// All that can be used lies in the window or can be scrolled to, and has a name, in both languages.
#[test]
fn every_state_works_in_both_languages_and_small_windows() {
    let knockers: Vec<_> = ["Dmitri", "Очень Длинное Имя Которое Не Помещается", "Eva"]
        .into_iter()
        .zip([Badge::Unverified, trust::key_changed(), trust::verified()])
        .collect();
    let states = [
        (trust::all_badges(), None),
        (trust::somebody_else(), None),
        (trust::knocked_at(&knockers), None),
        (trust::knocking(), None),
        (trust::somebody_waits(), None),
        (trust::alarmed(Alarm::SignalingDisturbed), None),
        (trust::one("Anna", Badge::Unverified), Some(Card::Person(trust::FIRST))),
        (trust::one("Anna", Badge::Unverified), Some(Card::Symbols(trust::FIRST))),
        (
            trust::one("Anna", Badge::Unverified),
            Some(Card::SymbolsDiffer(trust::FIRST)),
        ),
        (trust::locked(), Some(Card::Door)),
        (trust::locked(), Some(Card::Invite)),
    ];
    for language in Language::ALL {
        for size in [[360.0, 480.0], [640.0, 400.0], [1000.0, 680.0], [1920.0, 1000.0]] {
            for (snapshot, card) in &states {
                let looks = Looks {
                    language,
                    size,
                    theme: Theme::Dark,
                    ..Looks::default()
                };
                let mut stage = stage_with(looks, snapshot.clone(), view("Мария"));
                stage.harness.state_mut().card = *card;
                stage.harness.run_steps(4);
                stage.harness.check_accessibility();
                let across = 0.0..=size[0];
                for button in stage.harness.query_all_by_role(egui::accesskit::Role::Button) {
                    let rect = button.rect();
                    assert!(
                        across.contains(&rect.left()) && across.contains(&rect.right()),
                        "{language:?} {size:?} {card:?} {button:?}"
                    );
                }
            }
        }
    }
}

/// By pixels: a font can have an entry for a character and draw nothing, or the same for two.
#[test]
fn every_symbol_looks_like_no_other() {
    let mut stage = stage(ui_support::idle());
    stage.harness.run_steps(1);
    let ctx = &stage.harness.ctx;
    let mut looks = BTreeSet::new();
    for index in 0..=u8::MAX {
        let picture = Symbol::of(index).picture;
        let font = FontId::proportional(58.0);
        assert!(ctx.fonts_mut(|fonts| fonts.has_glyph(&font, picture)), "{picture}");
        let galley = ctx.fonts_mut(|fonts| fonts.layout_no_wrap(picture.to_string(), font, Color32::WHITE));
        let mesh = galley.rows[0].visuals.mesh_bounds;
        assert!(mesh.width() > 10.0 && mesh.height() > 10.0, "{picture} is {mesh:?}");
        let glyph = galley.rows[0].glyphs[0].uv_rect;
        assert!(looks.insert((glyph.min, glyph.max)), "{picture} looks like another");
    }
}

/// The tests draw with egui_kittest, which brings the emoji font with it; the application has to ask for it itself.
#[test]
fn the_application_has_the_font_of_the_symbols() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("the manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let egui = &manifest["workspace"]["dependencies"]["egui"]["features"];
    let features = egui.as_array().expect("a list of features");
    assert!(
        features
            .iter()
            .any(|feature| feature.as_str() == Some("monochrome_emoji_fonts"))
    );
}

#[test]
fn opening_a_card_twice_puts_it_away() {
    let mut stage = with_card(trust::locked(), Card::Door);
    stage.click("Who may come in: Locked");
    assert_eq!(stage.harness.state().card, None);
    assert_eq!(
        stage.wanted.borrow().as_slice(),
        [UiCommand::InCall(CallCommand::Open(Card::Door))]
    );
}
