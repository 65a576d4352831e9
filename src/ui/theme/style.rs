//! Dresses egui's own widgets (fields, menus, tooltips, scroll bars) in the tokens.

use egui::style::{Selection, WidgetVisuals};
use egui::{CornerRadius, Margin, Shadow, Stroke, Style, Theme, Visuals, vec2};

use super::fonts;
use super::tokens::{DARK, LIGHT, Tokens, motion, radius, size, space};

/// Sets fonts, spacing and colours of both themes. Which of them is used is egui's `ThemePreference`.
pub fn install(ctx: &egui::Context) {
    for (theme, tokens) in [(Theme::Light, &LIGHT), (Theme::Dark, &DARK)] {
        ctx.style_mut_of(theme, |style| {
            layout(style);
            style.visuals = visuals(theme, tokens);
        });
    }
}

fn layout(style: &mut Style) {
    style.text_styles = fonts::text_styles();
    style.animation_time = motion::HOVER_S;
    style.spacing.item_spacing = vec2(space::S, space::S);
    style.spacing.button_padding = vec2(space::M, space::S);
    style.spacing.interact_size.y = size::BUTTON_HEIGHT_SMALL;
    style.spacing.menu_margin = Margin::same(6);
    style.interaction.selectable_labels = false;
    style.visuals.button_frame = true;
}

fn visuals(theme: Theme, tokens: &Tokens) -> Visuals {
    let mut visuals = theme.default_visuals();
    visuals.panel_fill = tokens.background;
    visuals.window_fill = tokens.surface;
    visuals.window_stroke = Stroke::new(size::HAIRLINE, tokens.outline);
    visuals.window_corner_radius = CornerRadius::same(radius::M);
    visuals.menu_corner_radius = CornerRadius::same(radius::M);
    visuals.popup_shadow = Shadow {
        offset: [0, 6],
        blur: 20,
        spread: 0,
        color: tokens.shadow,
    };
    visuals.window_shadow = visuals.popup_shadow;
    visuals.extreme_bg_color = tokens.surface;
    visuals.text_edit_bg_color = Some(tokens.surface);
    visuals.faint_bg_color = tokens.raised;
    visuals.weak_text_color = Some(tokens.text_quiet);
    visuals.hyperlink_color = tokens.accent_text;
    visuals.error_fg_color = tokens.problem_text;
    visuals.warn_fg_color = tokens.problem_text;
    visuals.selection = Selection {
        bg_fill: tokens.selection,
        stroke: Stroke::new(size::FOCUS_RING, tokens.accent_text),
    };
    visuals.text_cursor.stroke = Stroke::new(2.0, tokens.accent_text);
    visuals.widgets.noninteractive = widget(tokens, tokens.surface, tokens.outline, size::HAIRLINE);
    visuals.widgets.inactive = widget(tokens, tokens.surface, tokens.outline, size::HAIRLINE);
    visuals.widgets.hovered = widget(tokens, tokens.raised, tokens.outline, size::HAIRLINE);
    // egui draws the focused widget as active: the outline is the focus ring.
    visuals.widgets.active = widget(tokens, tokens.raised, tokens.focus, size::FOCUS_RING);
    visuals.widgets.open = widget(tokens, tokens.raised, tokens.outline, size::HAIRLINE);
    visuals
}

fn widget(tokens: &Tokens, fill: egui::Color32, line: egui::Color32, line_width: f32) -> WidgetVisuals {
    WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(line_width, line),
        corner_radius: CornerRadius::same(radius::M),
        fg_stroke: Stroke::new(1.5, tokens.text),
        expansion: 0.0,
    }
}
