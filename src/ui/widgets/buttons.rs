//! Buttons: with words, or round with an icon. Both show the keyboard's focus and have a name for
//! assistive technology.

use egui::epaint::CornerRadius;
use egui::{Color32, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, Widget, WidgetInfo, vec2};

use crate::ui::theme::tokens::{motion, radius, size, space};
use crate::ui::theme::{Icon, Tokens, fonts};

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The one thing to do.
    Primary,
    /// Another thing to do.
    Secondary,
    /// Can be overlooked.
    Quiet,
    /// Ends or removes something.
    Danger,
}

/// Whether a button can be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Yes.
    Yes,
    /// Not now.
    No,
}

/// How wide a button is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    /// As its words need.
    Words,
    /// All there is.
    Fill,
}

/// A button with words.
pub struct TextButton<'a> {
    tokens: &'a Tokens,
    label: &'a str,
    weight: Weight,
    icon: Option<Icon>,
    width: Width,
    height: f32,
    enabled: Enabled,
    spoken: Option<&'a str>,
}

impl<'a> TextButton<'a> {
    /// As wide as its words.
    #[must_use]
    pub fn new(tokens: &'a Tokens, label: &'a str, weight: Weight) -> Self {
        Self {
            tokens,
            label,
            weight,
            icon: None,
            width: Width::Words,
            height: size::BUTTON_HEIGHT,
            enabled: Enabled::Yes,
            spoken: None,
        }
    }

    /// What assistive technology reads where the words alone do not say what they are about.
    #[must_use]
    pub fn spoken(mut self, spoken: &'a str) -> Self {
        self.spoken = Some(spoken);
        self
    }

    /// With an icon before the words.
    #[must_use]
    pub fn icon(mut self, icon: Option<Icon>) -> Self {
        self.icon = icon;
        self
    }

    /// As wide as the place.
    #[must_use]
    pub fn fill(mut self) -> Self {
        self.width = Width::Fill;
        self
    }

    /// Lower than usual.
    #[must_use]
    pub fn small(mut self) -> Self {
        self.height = size::BUTTON_HEIGHT_SMALL;
        self
    }

    /// As high as this, in points.
    #[must_use]
    pub fn height(mut self, height: f32) -> Self {
        self.height = height;
        self
    }

    /// Whether it can be pressed.
    #[must_use]
    pub fn enabled(mut self, enabled: Enabled) -> Self {
        self.enabled = enabled;
        self
    }

    /// How wide it is without [`Self::fill`], in points.
    #[must_use]
    pub fn words_width(&self, ui: &Ui) -> f32 {
        let words = ui
            .painter()
            .layout_no_wrap(self.label.to_owned(), fonts::body(), self.tokens.text);
        let icon_width = self.icon.map_or(0.0, |_| size::ICON_SMALL + space::S);
        words.size().x + icon_width + 2.0 * space::L
    }

    fn colours(&self) -> (Color32, Color32, Color32) {
        let tokens = self.tokens;
        match self.weight {
            Weight::Primary => (tokens.accent, tokens.accent_hover, tokens.on_accent),
            Weight::Secondary => (tokens.raised, tokens.raised_hover, tokens.text),
            Weight::Quiet => (Color32::TRANSPARENT, tokens.raised, tokens.accent_text),
            Weight::Danger => (tokens.danger, tokens.danger_hover, tokens.on_danger),
        }
    }
}

impl Widget for TextButton<'_> {
    fn ui(self, ui: &mut Ui) -> Response {
        let (rest, hover, ink) = self.colours();
        let galley = ui.painter().layout_no_wrap(self.label.to_owned(), fonts::body(), ink);
        let icon_width = self.icon.map_or(0.0, |_| size::ICON_SMALL + space::S);
        let words = galley.size().x + icon_width;
        let width = match self.width {
            Width::Words => words + 2.0 * space::L,
            Width::Fill => ui.available_width(),
        };
        let is_enabled = self.enabled == Enabled::Yes && ui.is_enabled();
        let sense = if is_enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(width, self.height), sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, is_enabled, self.spoken.unwrap_or(self.label)));
        let opacity = if is_enabled { 1.0 } else { 0.5 };
        let corner = CornerRadius::same(radius::M);
        let fill = blend(ui, &response, rest, hover).gamma_multiply(opacity);
        ui.painter().rect_filled(rect, corner, fill);
        let left = rect.center().x - words / 2.0;
        if let Some(icon) = self.icon {
            let centre = egui::pos2(left + size::ICON_SMALL / 2.0, rect.center().y);
            let place = Rect::from_center_size(centre, Vec2::splat(size::ICON_SMALL));
            icon.paint(ui.painter(), place, ink.gamma_multiply(opacity));
        }
        let at = egui::pos2(left + icon_width, rect.center().y - galley.size().y / 2.0);
        ui.painter()
            .galley_with_override_text_color(at, galley, ink.gamma_multiply(opacity));
        focus_ring(ui, &response, rect, corner, self.tokens.focus);
        response
    }
}

/// How a round button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// On a picture, on.
    Control,
    /// On a picture, off.
    ControlOff,
    /// On a picture, set to something unusual.
    ControlSet,
    /// Ends the call.
    HangUp,
    /// On the background of a screen.
    Plain,
}

/// A round button with an icon, which has to have a name nevertheless.
pub struct IconButton<'a> {
    tokens: &'a Tokens,
    icon: Icon,
    label: &'a str,
    look: Look,
    size: Vec2,
}

impl<'a> IconButton<'a> {
    /// Of the usual size.
    #[must_use]
    pub fn new(tokens: &'a Tokens, icon: Icon, label: &'a str, look: Look) -> Self {
        let width = match look {
            Look::HangUp => size::HANG_UP_WIDTH,
            Look::Control | Look::ControlOff | Look::ControlSet | Look::Plain => size::CONTROL,
        };
        Self {
            tokens,
            icon,
            label,
            look,
            size: vec2(width, size::CONTROL),
        }
    }

    /// With this diameter.
    #[must_use]
    pub fn diameter(mut self, diameter: f32) -> Self {
        self.size = Vec2::splat(diameter);
        self
    }
}

impl Widget for IconButton<'_> {
    fn ui(self, ui: &mut Ui) -> Response {
        let (tokens, stage) = (self.tokens, &self.tokens.stage);
        let (rest, hover, ink, focus) = match self.look {
            Look::Control => (stage.control, stage.control_hover, stage.text, stage.focus),
            Look::ControlOff => (
                stage.control_off,
                stage.control_off_hover,
                stage.on_control_off,
                stage.focus,
            ),
            Look::ControlSet => (tokens.accent, tokens.accent_hover, tokens.on_accent, stage.focus),
            Look::HangUp => (tokens.danger, tokens.danger_hover, tokens.on_danger, stage.focus),
            Look::Plain => (Color32::TRANSPARENT, tokens.raised, tokens.text, tokens.focus),
        };
        let (rect, response) = ui.allocate_exact_size(self.size, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), self.label));
        let corner = CornerRadius::same(radius::FULL);
        ui.painter()
            .rect_filled(rect, corner, blend(ui, &response, rest, hover));
        let side = size::ICON.min(rect.height() * 0.5);
        self.icon.paint(
            ui.painter(),
            Rect::from_center_size(rect.center(), Vec2::splat(side)),
            ink,
        );
        focus_ring(ui, &response, rect, corner, focus);
        response
    }
}

/// Between the colour at rest and the one under the pointer.
fn blend(ui: &Ui, response: &Response, rest: Color32, hover: Color32) -> Color32 {
    let is_hovered = response.hovered() || response.is_pointer_button_down_on();
    let share = ui
        .ctx()
        .animate_bool_with_time(response.id, is_hovered, motion::HOVER_S);
    rest.lerp_to_gamma(hover, share)
}

fn focus_ring(ui: &Ui, response: &Response, rect: Rect, corner: CornerRadius, colour: Color32) {
    if response.has_focus() {
        let stroke = Stroke::new(size::FOCUS_RING, colour);
        let corner = corner + CornerRadius::same(3);
        ui.painter()
            .rect_stroke(rect.expand(3.0), corner, stroke, StrokeKind::Middle);
    }
}
