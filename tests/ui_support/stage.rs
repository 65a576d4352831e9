//! A screen in a harness: a snapshot in, what the user wants and what the engine hears out.

use std::cell::RefCell;
use std::rc::Rc;

use call_engine::EngineSnapshot;
use egui::{ColorImage, Theme, Ui};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use visavis::command_handling::{self, Desk, Effect};
use visavis::i18n::{I18n, Language};
use visavis::settings::Settings;
use visavis::ui::pictures::NoPictures;
use visavis::ui::theme::{Tokens, style};
use visavis::ui::ui_command::UiCommand;
use visavis::ui::{self, Scene};
use visavis::view_state::ViewState;

use super::raster::Raster;
use super::{ScriptedEngine, view};

/// How a screen is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    pub language: Language,
    /// In points.
    pub size: [f32; 2],
    pub theme: Theme,
    /// Pixels a point: 2 is what people call 200 %.
    pub scale: f32,
    /// How far a step of the harness is.
    pub step_s: f32,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            language: Language::English,
            size: [1000.0, 680.0],
            theme: Theme::Light,
            scale: 1.0,
            step_s: 0.25,
        }
    }
}

/// A screen in a harness, and the engine that hears what it asks for.
pub struct Stage {
    pub harness: Harness<'static, ViewState>,
    pub snapshot: Rc<RefCell<EngineSnapshot>>,
    pub engine: ScriptedEngine,
    pub wanted: Rc<RefCell<Vec<UiCommand>>>,
    pub effects: Rc<RefCell<Vec<Effect>>>,
    raster: Raster,
}

/// A screen in English, as large as the window opens.
pub fn stage(snapshot: EngineSnapshot) -> Stage {
    stage_with(Looks::default(), snapshot, view("Maria"))
}

/// A screen in the light theme.
pub fn stage_in(language: Language, size: [f32; 2], snapshot: EngineSnapshot, view: ViewState) -> Stage {
    let looks = Looks {
        language,
        size,
        ..Looks::default()
    };
    stage_with(looks, snapshot, view)
}

/// A screen.
pub fn stage_with(looks: Looks, snapshot: EngineSnapshot, view: ViewState) -> Stage {
    stage_drawn(looks, snapshot, view, |ui, snapshot, view, i18n| {
        ui::show(ui, snapshot, view, i18n, &NoPictures)
    })
}

/// A part of a screen by itself.
pub fn stage_of(
    looks: Looks,
    snapshot: EngineSnapshot,
    view: ViewState,
    draw: impl Fn(&mut Ui, &Scene<'_>, &mut ViewState, &mut Vec<UiCommand>) + 'static,
) -> Stage {
    stage_drawn(looks, snapshot, view, move |ui, snapshot, view, i18n| {
        let scene = Scene {
            snapshot,
            i18n,
            tokens: Tokens::of(ui.visuals()),
            pictures: &NoPictures,
        };
        let mut commands = Vec::new();
        draw(ui, &scene, view, &mut commands);
        commands
    })
}

fn stage_drawn(
    looks: Looks,
    snapshot: EngineSnapshot,
    view: ViewState,
    draw: impl Fn(&mut Ui, &EngineSnapshot, &mut ViewState, &I18n) -> Vec<UiCommand> + 'static,
) -> Stage {
    let engine = ScriptedEngine::new(snapshot.clone());
    let snapshot = Rc::new(RefCell::new(snapshot));
    let wanted = Rc::<RefCell<Vec<UiCommand>>>::default();
    let effects = Rc::<RefCell<Vec<Effect>>>::default();
    let shared = (
        Rc::clone(&snapshot),
        engine.clone(),
        Rc::clone(&wanted),
        Rc::clone(&effects),
    );
    let i18n = I18n::new(looks.language);
    let mut settings = Settings::default();
    let raster = Raster::default();
    let harness = Harness::builder()
        .with_size(looks.size)
        .with_pixels_per_point(looks.scale)
        .with_theme(looks.theme)
        .renderer(raster.clone())
        .with_context_setup(style::install)
        .with_max_steps(8)
        .with_step_dt(looks.step_s)
        .build_ui_state(
            move |ui, view: &mut ViewState| {
                let (snapshot, engine, wanted, effects) = &shared;
                let snapshot = snapshot.borrow().clone();
                // The window is cleared with this; the harness has a panel of its own there.
                let background = ui::background(view.screen(&snapshot), ui.visuals());
                let painter = ui.ctx().layer_painter(ui.layer_id());
                painter.rect_filled(ui.ctx().content_rect(), 0, background);
                for command in draw(ui, &snapshot, view, &i18n) {
                    wanted.borrow_mut().push(command.clone());
                    let mut desk = Desk {
                        engine,
                        snapshot: &snapshot,
                        view,
                        settings: &mut settings,
                        i18n: &i18n,
                        now_s: ui.ctx().time(),
                    };
                    effects
                        .borrow_mut()
                        .extend(command_handling::handle(command, &mut desk));
                }
            },
            view,
        );
    Stage {
        harness,
        snapshot,
        engine,
        wanted,
        effects,
        raster,
    }
}

impl Stage {
    pub fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    pub fn press(&mut self, key: egui::Key) {
        self.harness.key_press(key);
        self.harness.run_steps(2);
    }

    /// Types into the field with this label, after what stands there.
    pub fn type_into(&mut self, label: &str, words: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(2);
        self.press(egui::Key::End);
        self.harness.get_by_label(label).type_text(words);
        self.harness.run_steps(2);
    }

    pub fn shows(&self, words: &str) -> bool {
        self.harness.query_by_label_contains(words).is_some()
    }

    pub fn change(&mut self, change: impl FnOnce(&mut EngineSnapshot)) {
        change(&mut self.snapshot.borrow_mut());
        self.harness.run_steps(2);
    }

    /// What the screen looks like now.
    pub fn picture(&self) -> ColorImage {
        let ctx = &self.harness.ctx;
        self.raster.picture(ctx, self.harness.output())
    }
}
