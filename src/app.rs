//! The window: joins engine, screens and egui. Runs on the main thread until the window is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use call_engine::{CameraSpec, EngineHandle, EngineSnapshot, MicrophoneSpec, SpeakerSpec};
use egui::{ThemePreference, Ui, ViewportBuilder, ViewportCommand};

use crate::command_handling::{self, Desk, Effect};
use crate::desktop::{Desktop, Presence, Surroundings, TrayExplained};
use crate::engine_door::EngineDoor;
use crate::i18n::{I18n, Language};
use crate::picture_inbox::PictureInbox;
use crate::repaint::Painting;
use crate::settings::{SettingsFile, ThemeChoice};
use crate::ui;
use crate::ui::pictures::{NoPictures, Pictures};
use crate::ui::theme::tokens::size;
use crate::ui::theme::{icons, style};
use crate::ui::ui_command::UiCommand;
use crate::video_texture::VideoTextures;
use crate::view_state::{ChosenDevices, Screen, ViewState};

/// What the window is opened with. Engine and window have to be told the same devices and name.
#[derive(Clone, Debug)]
pub struct WindowOptions {
    /// Go straight to the lobby of this call.
    pub join_link: Option<String>,
    /// What is remembered.
    pub settings: SettingsFile,
    /// Our name.
    pub name: String,
    /// The camera the engine was started with.
    pub camera: CameraSpec,
    /// The microphone the engine was started with.
    pub microphone: MicrophoneSpec,
    /// The speaker the engine was started with.
    pub speaker: SpeakerSpec,
    /// Closes the window from elsewhere.
    pub closer: WindowCloser,
    /// Whether there is a desktop around it.
    pub presence: Presence,
}

/// Closes the window from any thread, as its user would. Ending the process instead would pull the graphics library
/// from under the thread that draws.
#[derive(Clone, Debug, Default)]
pub struct WindowCloser {
    shared: Arc<CloserState>,
}

#[derive(Debug, Default)]
struct CloserState {
    wanted: AtomicBool,
    window: OnceLock<egui::Context>,
}

impl WindowCloser {
    /// Closes the window, or keeps it from staying open when it is not there yet.
    pub fn close(&self) {
        self.shared.wanted.store(true, Ordering::SeqCst);
        if let Some(window) = self.shared.window.get() {
            window.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn is_wanted(&self) -> bool {
        self.shared.wanted.load(Ordering::SeqCst)
    }

    fn attach(&self, window: &egui::Context) {
        let window = self.shared.window.get_or_init(|| window.clone());
        if self.is_wanted() {
            window.send_viewport_cmd(ViewportCommand::Close);
        }
    }
}

/// Opens the window and returns when it is closed; by then the engine is shut down.
///
/// # Errors
/// When there is no display or no OpenGL.
pub fn run_window(engine: EngineHandle, options: WindowOptions) -> Result<(), eframe::Error> {
    run_with(Box::new(engine), options)
}

/// Like [`run_window`], with anything that behaves like an engine.
///
/// # Errors
/// When there is no display or no OpenGL.
pub fn run_with(engine: Box<dyn EngineDoor>, options: WindowOptions) -> Result<(), eframe::Error> {
    let viewport = ViewportBuilder::default()
        .with_title("Visavis")
        .with_app_id("visavis")
        .with_inner_size(size::WINDOW)
        .with_min_inner_size(size::WINDOW_MIN)
        .with_icon(Arc::new(icons::application_icon()));
    let native = eframe::NativeOptions {
        viewport,
        // Noise on every pixel against banding: we have no gradients, and it costs on a software renderer.
        dithering: false,
        ..Default::default()
    };
    eframe::run_native(
        "visavis",
        native,
        Box::new(|creation| Ok(Box::new(App::new(creation, engine, options)))),
    )
}

struct App {
    engine: Box<dyn EngineDoor>,
    view: ViewState,
    settings: SettingsFile,
    i18n: I18n,
    inbox: PictureInbox,
    textures: Option<VideoTextures>,
    desktop: Desktop,
    closer: WindowCloser,
    /// The engine's state at this turn.
    snapshot: Arc<EngineSnapshot>,
    /// What is being shown.
    screen: Screen,
}

impl App {
    fn new(creation: &eframe::CreationContext<'_>, engine: Box<dyn EngineDoor>, options: WindowOptions) -> Self {
        let ctx = &creation.egui_ctx;
        options.closer.attach(ctx);
        style::install(ctx);
        ctx.set_theme(preference(options.settings.settings.theme));
        let textures = creation.gl.as_ref().map(VideoTextures::new);
        let painting = textures.as_ref().map_or(Painting::Software, VideoTextures::painting);
        let inbox = PictureInbox::new(engine.as_ref(), painting, ctx.clone());
        let waker = inbox.clone();
        engine.set_waker(Box::new(move || waker.wake()));
        let devices = ChosenDevices {
            camera: options.camera,
            microphone: options.microphone,
            speaker: options.speaker,
        };
        let mut view = ViewState::new(options.name, devices);
        view.language = options.settings.settings.language;
        view.theme = options.settings.settings.theme;
        view.door = options.settings.settings.door;
        view.invite_lifetime = options.settings.settings.invite_lifetime;
        view.server = options.settings.settings.server.clone().unwrap_or_default();
        view.server_in_use.clone_from(&options.settings.settings.server);
        let i18n = words(view.language);
        let explained = match options.settings.settings.tray_explained {
            true => TrayExplained::Yes,
            false => TrayExplained::No,
        };
        let mut app = Self {
            desktop: Desktop::new(ctx, &i18n, options.presence, explained),
            closer: options.closer,
            snapshot: engine.snapshot(),
            i18n,
            engine,
            view,
            settings: options.settings,
            inbox,
            textures,
            screen: Screen::Home,
        };
        if let Some(link) = options.join_link {
            app.view.link = link;
            app.perform(UiCommand::JoinCall, ctx);
        }
        app
    }

    fn perform(&mut self, command: UiCommand, ctx: &egui::Context) {
        let snapshot = self.engine.snapshot();
        let mut desk = Desk {
            engine: self.engine.as_ref(),
            snapshot: &snapshot,
            view: &mut self.view,
            settings: &mut self.settings.settings,
            i18n: &self.i18n,
            now_s: ctx.time(),
        };
        let effects = command_handling::handle(command, &mut desk);
        self.carry_out(effects, ctx);
        // What a command changed is to be seen at once.
        ctx.request_repaint();
    }

    fn announce_key_storage(&mut self, snapshot: &EngineSnapshot, ctx: &egui::Context) {
        let mut desk = Desk {
            engine: self.engine.as_ref(),
            snapshot,
            view: &mut self.view,
            settings: &mut self.settings.settings,
            i18n: &self.i18n,
            now_s: ctx.time(),
        };
        let effects = command_handling::announce_key_storage(&mut desk);
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &egui::Context) {
        for effect in effects {
            match effect {
                Effect::CopyText(text) => ctx.copy_text(text),
                Effect::SaveSettings => self.save_settings(),
                Effect::Language(language) => self.i18n = words(language),
                Effect::Theme(theme) => ctx.set_theme(preference(theme)),
                Effect::Quit => {
                    self.desktop.leave();
                    ctx.send_viewport_cmd(ViewportCommand::Close);
                }
            }
        }
    }

    fn save_settings(&self) {
        if let Err(error) = self.settings.save() {
            tracing::warn!(%error, "settings are not remembered");
        }
    }
}

impl eframe::App for App {
    /// Runs before each paint, and while the window is hidden instead of it.
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        while let Some(event) = self.engine.next_event() {
            let next = command_handling::take_event(&event, &mut self.view, &self.i18n);
            if let Some(Err(error)) = next.map(|command| self.engine.send(command)) {
                tracing::warn!(%error, "a command was refused");
            }
        }
        if self.closer.is_wanted() {
            self.desktop.leave();
        }
        self.snapshot = self.engine.snapshot();
        let commands = self.desktop.follow(&Surroundings {
            ctx,
            snapshot: &self.snapshot,
            i18n: &self.i18n,
            speaker: &self.view.devices.speaker,
        });
        for command in commands {
            self.perform(command, ctx);
        }
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        let snapshot = Arc::clone(&self.snapshot);
        self.view.now_unix_s = unix_s();
        self.announce_key_storage(&snapshot, ui.ctx());
        let gone = self.inbox.follow(&snapshot, self.engine.as_ref());
        let fresh = self.inbox.take();
        let pictures: &dyn Pictures = match &mut self.textures {
            Some(textures) => {
                textures.forget(&gone);
                for (id, picture) in fresh {
                    textures.upload(frame, id, &picture);
                }
                textures
            }
            None => &NoPictures,
        };
        self.screen = self.view.screen(&snapshot);
        let commands = ui::show(ui, &snapshot, &mut self.view, &self.i18n, pictures);
        for command in commands {
            self.perform(command, ui.ctx());
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        ui::background(self.screen, visuals).to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        self.engine.shutdown();
        if let (Some(textures), Some(gl)) = (&mut self.textures, gl) {
            textures.delete(gl);
        }
    }
}

/// The wall clock. A clock set before 1970 reads as 1970: it only chooses words such as "yesterday".
fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn words(language: Option<Language>) -> I18n {
    I18n::new(language.unwrap_or_else(Language::of_system))
}

fn preference(theme: ThemeChoice) -> ThemePreference {
    match theme {
        ThemeChoice::System => ThemePreference::System,
        ThemeChoice::Light => ThemePreference::Light,
        ThemeChoice::Dark => ThemePreference::Dark,
    }
}
