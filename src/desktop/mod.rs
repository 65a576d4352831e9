//! What the application is to the desktop around its window: notifications, the icon in the tray, the sound of a ring,
//! and a window that comes forward and hides.
//!
//! In, on the main thread: each snapshot, whether or not the window is shown, and the wish to close it. Out: what the
//! user wants, as if it had been clicked in the window. What was clicked elsewhere comes over a bounded channel from the
//! threads of [`notifications`] and [`tray`], which wake the window for it. Everything the desktop lacks is left out: no
//! notifications, no tray, no sound, and the window does what windows do.

pub mod attention;
pub mod melody;
pub mod notifications;
pub mod tray;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use call_engine::{CallPhase, Chime, EngineSnapshot, RingDirection, SpeakerSpec, Switch};
use egui::{UserAttentionType, ViewportCommand};

use crate::i18n::I18n;
use crate::ui::ui_command::{UiCommand, opposite};
use attention::{Attention, Caller, Change, Sound};
use notifications::{Answer, Kind, Note, Notifications};
use tray::{Choice, Menu, Tray};

/// Clicks that wait for the main thread. Nobody clicks faster than it looks.
const CLICKS: usize = 16;

/// Whether this window is part of a desktop at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It is: a person uses it.
    #[default]
    Full,
    /// It runs by itself, to be measured: no tray, no notification, no sound.
    WindowOnly,
}

/// Whether the user was told that closing the window does not end the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrayExplained {
    /// Not yet.
    No,
    /// Before.
    Yes,
}

/// What the desktop needs to know at each turn.
pub struct Surroundings<'a> {
    /// The window.
    pub ctx: &'a egui::Context,
    /// The state of the engine.
    pub snapshot: &'a EngineSnapshot,
    /// Words.
    pub i18n: &'a I18n,
    /// Where a ring is to be heard.
    pub speaker: &'a SpeakerSpec,
}

/// The desktop around the window.
pub struct Desktop {
    attention: Attention,
    notifications: Notifications,
    tray: Tray,
    menu: Menu,
    clicks: Receiver<Click>,
    chime: Option<Chime>,
    window: Window,
    presence: Presence,
    leave: Leave,
    explained: TrayExplained,
}

/// Something that was clicked outside the window.
#[derive(Clone, Copy, Debug)]
enum Click {
    Notification(Answer),
    Tray(Choice),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Shown,
    Hidden,
}

/// Whether the program is to end with its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    No,
    Yes,
}

impl Desktop {
    /// Goes to the desktop.
    #[must_use]
    pub fn new(ctx: &egui::Context, i18n: &I18n, presence: Presence, explained: TrayExplained) -> Self {
        let (sender, clicks) = sync_channel(CLICKS);
        let menu = menu(i18n, Switch::Off);
        let (notifications, tray) = match presence {
            Presence::WindowOnly => (Notifications::none(), Tray::none()),
            Presence::Full => (
                Notifications::start(reporter(ctx, &sender, Click::Notification)),
                Tray::start(menu.clone(), reporter(ctx, &sender, Click::Tray)),
            ),
        };
        Self {
            attention: Attention::default(),
            notifications,
            tray,
            menu,
            clicks,
            chime: None,
            window: Window::Shown,
            presence,
            leave: Leave::No,
            explained,
        }
    }

    /// Follows a snapshot and returns what was asked for outside the window. To be called whether or not the window is
    /// shown.
    pub fn follow(&mut self, around: &Surroundings<'_>) -> Vec<UiCommand> {
        for change in self.attention.observe(around.snapshot) {
            self.change(change, around);
        }
        let menu = menu(around.i18n, around.snapshot.people.do_not_disturb);
        if menu != self.menu {
            self.menu = menu.clone();
            self.tray.show(menu);
        }
        let mut commands = Vec::new();
        while let Ok(click) = self.clicks.try_recv() {
            commands.extend(self.click(click, around));
        }
        if around.ctx.input(|input| input.viewport().close_requested()) {
            commands.extend(self.close(around));
        }
        // An icon that has gone would leave no way back.
        if self.window == Window::Hidden && !self.tray.is_shown() {
            self.come_forward(around.ctx);
        }
        commands
    }

    /// The next close ends the program, tray or not.
    pub fn leave(&mut self) {
        self.leave = Leave::Yes;
    }

    fn change(&mut self, change: Change, around: &Surroundings<'_>) {
        match change {
            Change::Sound(sound) => self.sound(sound, around.speaker),
            Change::RingBegan(caller) => {
                self.notifications.show(ring_note(&caller, around.i18n));
                self.come_forward(around.ctx);
                let attention = ViewportCommand::RequestUserAttention(UserAttentionType::Critical);
                around.ctx.send_viewport_cmd(attention);
            }
            Change::RingEnded => {
                self.notifications.end_ring();
                let attention = ViewportCommand::RequestUserAttention(UserAttentionType::Reset);
                around.ctx.send_viewport_cmd(attention);
            }
            Change::Missed(missed) => {
                let is_looked_at = self.window == Window::Shown && around.ctx.input(|input| input.focused);
                if !is_looked_at && around.snapshot.people.do_not_disturb == Switch::Off {
                    self.notifications.show(news(
                        around.i18n.text_with("notification-missed", &[("name", &missed.name)]),
                        around.i18n.text("notification-missed-text"),
                    ));
                }
            }
        }
    }

    fn sound(&mut self, sound: Sound, speaker: &SpeakerSpec) {
        self.chime = None;
        let melody = match (self.presence, sound) {
            (Presence::WindowOnly, _) | (Presence::Full, Sound::None) => return,
            (Presence::Full, Sound::Ring) => melody::ring(),
            (Presence::Full, Sound::Ringback) => melody::ringback(),
        };
        match Chime::play(melody, speaker.clone()) {
            Ok(chime) => self.chime = Some(chime),
            Err(error) => tracing::warn!(%error, "nothing can be heard of a ring"),
        }
    }

    fn click(&mut self, click: Click, around: &Surroundings<'_>) -> Option<UiCommand> {
        match click {
            Click::Notification(Answer::Accept) => {
                self.come_forward(around.ctx);
                let ring = around.snapshot.people.ring.as_ref()?;
                let is_theirs = ring.direction == RingDirection::Incoming;
                is_theirs.then_some(UiCommand::AcceptRing(ring.video))
            }
            Click::Notification(Answer::Decline) => {
                let ring = around.snapshot.people.ring.as_ref()?;
                (ring.direction == RingDirection::Incoming).then_some(UiCommand::DeclineRing)
            }
            Click::Notification(Answer::Open) | Click::Tray(Choice::Open) => {
                self.come_forward(around.ctx);
                None
            }
            Click::Tray(Choice::ToggleDoNotDisturb) => {
                let now = around.snapshot.people.do_not_disturb;
                Some(UiCommand::DoNotDisturb(opposite(now)))
            }
            Click::Tray(Choice::Quit) => Some(UiCommand::Quit),
            // `follow` looks at the tray at each turn.
            Click::Tray(Choice::Changed) => None,
        }
    }

    /// The window is asked to close. With an icon in the tray it hides, and whatever it was used for ends as if the
    /// program had: nobody who has closed a window expects to be seen or heard any longer.
    fn close(&mut self, around: &Surroundings<'_>) -> Vec<UiCommand> {
        if self.leave == Leave::Yes || !self.tray.is_shown() {
            return Vec::new();
        }
        around.ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        if self.window == Window::Hidden {
            // egui may run a turn twice.
            return Vec::new();
        }
        around.ctx.send_viewport_cmd(ViewportCommand::Visible(false));
        self.window = Window::Hidden;
        let mut commands = vec![what_ends(around.snapshot)];
        if self.explained == TrayExplained::No {
            self.explained = TrayExplained::Yes;
            self.notifications.show(news(
                around.i18n.text("tray-still-running"),
                around.i18n.text("tray-still-running-text"),
            ));
            commands.push(UiCommand::TrayExplained);
        }
        commands
    }

    fn come_forward(&mut self, ctx: &egui::Context) {
        self.window = Window::Shown;
        for command in [
            ViewportCommand::Visible(true),
            ViewportCommand::Minimized(false),
            ViewportCommand::Focus,
        ] {
            ctx.send_viewport_cmd(command);
        }
        // What changed while the window was hidden is to be seen at once.
        ctx.request_repaint();
    }
}

/// What closing the window ends: a call, a ring of ours, or the preview of the lobby.
#[must_use]
pub fn what_ends(snapshot: &EngineSnapshot) -> UiCommand {
    match (&snapshot.call, &snapshot.people.ring) {
        (Some(call), _) => match call.phase {
            CallPhase::Ended(_) => UiCommand::GoHome,
            CallPhase::Idle
            | CallPhase::Joining
            | CallPhase::Waiting
            | CallPhase::Knocking
            | CallPhase::Connecting
            | CallPhase::Active
            | CallPhase::Reconnecting => UiCommand::HangUp,
        },
        (None, Some(ring)) if ring.direction == RingDirection::Outgoing => UiCommand::CancelRing,
        (None, Some(_) | None) => UiCommand::Back,
    }
}

fn reporter<T: 'static>(
    ctx: &egui::Context,
    sender: &SyncSender<Click>,
    click: fn(T) -> Click,
) -> Arc<dyn Fn(T) + Send + Sync> {
    let (ctx, sender) = (ctx.clone(), sender.clone());
    Arc::new(move |what| {
        if sender.try_send(click(what)).is_err() {
            tracing::warn!("a click outside the window was lost");
        }
        ctx.request_repaint();
    })
}

fn menu(i18n: &I18n, do_not_disturb: Switch) -> Menu {
    Menu {
        open: i18n.text("tray-open"),
        do_not_disturb: i18n.text("tray-do-not-disturb"),
        is_undisturbed: do_not_disturb == Switch::On,
        quit: i18n.text("tray-quit"),
    }
}

fn ring_note(caller: &Caller, i18n: &I18n) -> Note {
    Note {
        title: i18n.text_with("notification-rings", &[("name", &caller.name)]),
        text: i18n.text(match caller.video {
            Switch::On => "notification-video",
            Switch::Off => "notification-sound",
        }),
        kind: Kind::Ring {
            accept: i18n.text("notification-accept"),
            decline: i18n.text("notification-decline"),
        },
    }
}

fn news(title: String, text: String) -> Note {
    Note {
        title,
        text,
        kind: Kind::News,
    }
}
