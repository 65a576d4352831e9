//! Every colour, distance, radius, size and duration of the window, in one place.
//!
//! Colours come in two sets, light and dark; the stage behind a call is dark in both, because pictures look
//! best on it. All text colours have a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) on what they stand on:
//! [`Tokens::text_pairs`] lists those pairs and a test measures them.

use egui::Color32;

/// Distances between things, in points.
pub mod space {
    /// Between parts of one thing.
    pub const XS: f32 = 4.0;
    /// Between a label and its field.
    pub const S: f32 = 8.0;
    /// Between things that belong together.
    pub const M: f32 = 12.0;
    /// Inside cards and at the edge of the window.
    pub const L: f32 = 16.0;
    /// Between groups.
    pub const XL: f32 = 24.0;
    /// Between sections of a screen.
    pub const XXL: f32 = 40.0;
}

/// Corner radii, in points.
pub mod radius {
    /// Menu entries.
    pub const S: u8 = 6;
    /// Fields and buttons.
    pub const M: u8 = 10;
    /// Cards and pictures.
    pub const L: u8 = 16;
    /// As round as it goes.
    pub const FULL: u8 = 255;
}

/// Sizes of things, in points.
pub mod size {
    /// The window when it is opened first.
    pub const WINDOW: [f32; 2] = [1000.0, 680.0];
    /// The smallest window.
    pub const WINDOW_MIN: [f32; 2] = [360.0, 480.0];
    /// The column of the home and ended screens.
    pub const COLUMN: f32 = 400.0;
    /// The lobby where preview and devices stand side by side.
    pub const LOBBY_WIDE: f32 = 880.0;
    /// The column of devices in the wide lobby.
    pub const LOBBY_DEVICES: f32 = 320.0;
    /// Below this the lobby stacks.
    pub const LOBBY_BREAKPOINT: f32 = 600.0;
    /// Buttons with text.
    pub const BUTTON_HEIGHT: f32 = 44.0;
    /// Buttons with text that are not the main thing.
    pub const BUTTON_HEIGHT_SMALL: f32 = 34.0;
    /// Fields and menus.
    pub const FIELD_HEIGHT: f32 = 44.0;
    /// Round buttons of a call.
    pub const CONTROL: f32 = 52.0;
    /// Round buttons on the preview.
    pub const CONTROL_SMALL: f32 = 44.0;
    /// The hang-up button is wider than it is high.
    pub const HANG_UP_WIDTH: f32 = 76.0;
    /// Icons in round buttons.
    pub const ICON: f32 = 22.0;
    /// Icons beside text.
    pub const ICON_SMALL: f32 = 16.0;
    /// The ring around what has the keyboard.
    pub const FOCUS_RING: f32 = 2.0;
    /// Lines around cards and fields.
    pub const HAIRLINE: f32 = 1.0;
    /// Own picture in a call: share of the window's width, and bounds.
    pub const SELF_VIEW_SHARE: f32 = 0.22;
    /// Smallest own picture.
    pub const SELF_VIEW_MIN: f32 = 112.0;
    /// Largest own picture.
    pub const SELF_VIEW_MAX: f32 = 240.0;
    /// The level meter.
    pub const METER_HEIGHT: f32 = 6.0;
    /// The card with the link while nobody else is there.
    pub const WAITING_CARD: f32 = 460.0;
    /// Widest notice.
    pub const NOTICE: f32 = 560.0;
    /// Cards over a call: who somebody is, the door.
    pub const CARD: f32 = 360.0;
    /// The card with the four symbols.
    pub const SYMBOLS_CARD: f32 = 520.0;
    /// The box around a symbol and its name.
    pub const SYMBOL_BOX: f32 = 124.0;
    /// The same where they stand two by two.
    pub const SYMBOL_BOX_LOW: f32 = 102.0;
    /// Icons that lead a card.
    pub const ICON_LARGE: f32 = 30.0;
    /// From this width on, cards stand beside what matters instead of on it.
    pub const CARD_BREAKPOINT: f32 = 720.0;
    /// The sign on the home screen.
    pub const WORDMARK: f32 = 52.0;
    /// The home screen with people beside what it always has.
    pub const HOME_WIDE: f32 = 860.0;
    /// Below this people stand below.
    pub const HOME_BREAKPOINT: f32 = 800.0;
    /// The column of the settings.
    pub const SETTINGS: f32 = 520.0;
    /// The circle with a person's letter in a list.
    pub const AVATAR: f32 = 40.0;
    /// The circle with a person's letter while it rings.
    pub const AVATAR_LARGE: f32 = 112.0;
    /// The dot of somebody who can be rung.
    pub const PRESENCE_DOT: f32 = 11.0;
    /// A row of a list of people.
    pub const PERSON_ROW: f32 = 60.0;
    /// Round buttons in such a row.
    pub const ROW_BUTTON: f32 = 38.0;
    /// A switch: width and height.
    pub const SWITCH: [f32; 2] = [42.0, 24.0];
    /// Below this the label of a menu stands above it.
    pub const MENU_BREAKPOINT: f32 = 340.0;
    /// A row of the missed calls.
    pub const MISSED_ROW: f32 = 42.0;
    /// Largest QR code, with its border.
    pub const QR_CODE: f32 = 380.0;
    /// The panel of somebody who rings.
    pub const RING: f32 = 380.0;
    /// Own picture while we ring somebody.
    pub const RING_PREVIEW: f32 = 240.0;
}

/// Font sizes, in points.
pub mod text {
    /// The name of the application.
    pub const DISPLAY: f32 = 38.0;
    /// What a screen is about.
    pub const TITLE: f32 = 26.0;
    /// What a card is about.
    pub const HEADING: f32 = 19.0;
    /// Everything else.
    pub const BODY: f32 = 15.5;
    /// Remarks.
    pub const SMALL: f32 = 13.5;
    /// The pictures people compare.
    pub const SYMBOL: f32 = 58.0;
}

/// Durations of movements and of things that go away by themselves, in seconds.
pub mod motion {
    /// A button under the pointer changes colour.
    pub const HOVER_S: f32 = 0.08;
    /// "Copied" is shown.
    pub const COPIED_S: f64 = 2.0;
    /// A lost connection is not mentioned before this: most come back.
    pub const RECONNECT_GRACE_S: f64 = 2.0;
}

/// The colours of one theme.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Behind everything.
    pub background: Color32,
    /// Cards, menus, fields.
    pub surface: Color32,
    /// Quiet buttons.
    pub raised: Color32,
    /// Quiet buttons under the pointer.
    pub raised_hover: Color32,
    /// Lines around cards and fields.
    pub outline: Color32,
    /// Text.
    pub text: Color32,
    /// Less important text.
    pub text_quiet: Color32,
    /// The one thing to do.
    pub accent: Color32,
    /// The same under the pointer.
    pub accent_hover: Color32,
    /// On `accent`.
    pub on_accent: Color32,
    /// Links and selected things, as text on `background` or `surface`.
    pub accent_text: Color32,
    /// Behind selected text and entries.
    pub selection: Color32,
    /// Ends something.
    pub danger: Color32,
    /// The same under the pointer.
    pub danger_hover: Color32,
    /// On `danger`.
    pub on_danger: Color32,
    /// Text about trouble, on `background` or `surface`.
    pub problem_text: Color32,
    /// Behind a notice about trouble.
    pub problem_surface: Color32,
    /// Text that says all is well.
    pub good_text: Color32,
    /// Text that says that somebody is known.
    pub known_text: Color32,
    /// The dot of somebody who can be rung, and a switch that is on.
    pub online: Color32,
    /// The microphone's level.
    pub meter: Color32,
    /// The part of the meter without level.
    pub meter_track: Color32,
    /// The ring around what has the keyboard.
    pub focus: Color32,
    /// Shadows of cards and menus.
    pub shadow: Color32,
    /// What pictures stand on.
    pub stage: Stage,
}

/// The colours of a call: the same in both themes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Behind pictures.
    pub background: Color32,
    /// Where a picture would be.
    pub tile: Color32,
    /// Line around the own picture.
    pub outline: Color32,
    /// Text on `background` and `tile`.
    pub text: Color32,
    /// Less important text there.
    pub text_quiet: Color32,
    /// Behind text that stands on a picture.
    pub label: Color32,
    /// A control that is on.
    pub control: Color32,
    /// The same under the pointer.
    pub control_hover: Color32,
    /// A control that is off.
    pub control_off: Color32,
    /// The same under the pointer.
    pub control_off_hover: Color32,
    /// On `control_off`.
    pub on_control_off: Color32,
    /// Text about trouble.
    pub problem_text: Color32,
    /// The ring around what has the keyboard.
    pub focus: Color32,
    /// Circles with the first letter of a name.
    pub avatars: [Color32; 5],
    /// On `avatars`.
    pub on_avatar: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Behind a QR code, in both themes: readers expect dark on light.
pub const QR_PAPER: Color32 = Color32::WHITE;
/// A QR code.
pub const QR_INK: Color32 = rgb(0x0A_0D_10);

const STAGE: Stage = Stage {
    background: rgb(0x0E_11_14),
    tile: rgb(0x1B_20_26),
    outline: rgb(0x3A_43_4C),
    text: rgb(0xF2_F5_F7),
    text_quiet: rgb(0xB4_BF_C9),
    label: Color32::from_rgba_premultiplied(10, 12, 15, 214),
    control: Color32::from_rgba_premultiplied(40, 47, 55, 240),
    control_hover: Color32::from_rgba_premultiplied(60, 69, 79, 245),
    control_off: rgb(0xF2_F5_F7),
    control_off_hover: rgb(0xD9_E0_E6),
    on_control_off: rgb(0xB3_26_1E),
    problem_text: rgb(0xFF_B4_A9),
    focus: rgb(0x8F_E3_D3),
    avatars: [
        rgb(0x1F_6F_78),
        rgb(0x5B_4F_96),
        rgb(0x8A_4B_2F),
        rgb(0x2F_6B_3F),
        rgb(0x8C_3B_5E),
    ],
    on_avatar: rgb(0xFF_FF_FF),
};

/// Light.
pub const LIGHT: Tokens = Tokens {
    background: rgb(0xF5_F6_F8),
    surface: rgb(0xFF_FF_FF),
    raised: rgb(0xE8_EC_EF),
    raised_hover: rgb(0xDC_E2_E7),
    outline: rgb(0xD3_DA_E0),
    text: rgb(0x16_1C_22),
    text_quiet: rgb(0x52_5F_6B),
    accent: rgb(0x0B_6E_66),
    accent_hover: rgb(0x09_5C_56),
    on_accent: rgb(0xFF_FF_FF),
    accent_text: rgb(0x0B_6E_66),
    selection: rgb(0xCF_EC_E7),
    danger: rgb(0xC4_2B_2B),
    danger_hover: rgb(0xA8_20_20),
    on_danger: rgb(0xFF_FF_FF),
    problem_text: rgb(0xA8_20_20),
    problem_surface: rgb(0xFD_EC_EA),
    good_text: rgb(0x1B_6B_3A),
    known_text: rgb(0x1D_5A_B4),
    online: rgb(0x1A_8A_5C),
    meter: rgb(0x1F_9D_6B),
    meter_track: rgb(0xDC_E2_E7),
    focus: rgb(0x0B_6E_66),
    shadow: Color32::from_black_alpha(28),
    stage: STAGE,
};

/// Dark.
pub const DARK: Tokens = Tokens {
    background: rgb(0x12_16_1A),
    surface: rgb(0x1B_20_26),
    raised: rgb(0x29_30_38),
    raised_hover: rgb(0x35_3E_48),
    outline: rgb(0x35_3E_47),
    text: rgb(0xEE_F2_F5),
    text_quiet: rgb(0xA6_B2_BD),
    accent: rgb(0x5F_D0_BE),
    accent_hover: rgb(0x7C_DD_CD),
    on_accent: rgb(0x06_28_24),
    accent_text: rgb(0x6F_D8_C7),
    selection: rgb(0x1E_4A_45),
    danger: rgb(0xC9_35_35),
    danger_hover: rgb(0xB4_2B_2B),
    on_danger: rgb(0xFF_FF_FF),
    problem_text: rgb(0xFF_B4_A9),
    problem_surface: rgb(0x3A_1F_1E),
    good_text: rgb(0x7F_D6_9E),
    known_text: rgb(0x93_BE_FF),
    online: rgb(0x46_C9_8D),
    meter: rgb(0x46_C9_8D),
    meter_track: rgb(0x2E_36_3F),
    focus: rgb(0x8F_E3_D3),
    shadow: Color32::from_black_alpha(110),
    stage: STAGE,
};

impl Tokens {
    /// The set that fits what egui draws at the moment.
    #[must_use]
    pub fn of(visuals: &egui::Visuals) -> &'static Self {
        if visuals.dark_mode { &DARK } else { &LIGHT }
    }

    /// Every text colour with what it stands on, for the contrast test.
    #[must_use]
    pub fn text_pairs(&self) -> Vec<(&'static str, Color32, Color32)> {
        let stage = &self.stage;
        let mut pairs = vec![
            ("text on background", self.text, self.background),
            ("text on surface", self.text, self.surface),
            ("text on raised", self.text, self.raised),
            ("text on raised_hover", self.text, self.raised_hover),
            ("text on selection", self.text, self.selection),
            ("text on problem_surface", self.text, self.problem_surface),
            ("text_quiet on background", self.text_quiet, self.background),
            ("text_quiet on surface", self.text_quiet, self.surface),
            ("accent_text on background", self.accent_text, self.background),
            ("accent_text on surface", self.accent_text, self.surface),
            ("on_accent on accent", self.on_accent, self.accent),
            ("on_accent on accent_hover", self.on_accent, self.accent_hover),
            ("on_danger on danger", self.on_danger, self.danger),
            ("on_danger on danger_hover", self.on_danger, self.danger_hover),
            ("problem_text on background", self.problem_text, self.background),
            ("problem_text on surface", self.problem_text, self.surface),
            ("good_text on background", self.good_text, self.background),
            ("stage text on background", stage.text, stage.background),
            ("stage text on tile", stage.text, stage.tile),
            ("stage text_quiet on tile", stage.text_quiet, stage.tile),
            ("stage problem_text on tile", stage.problem_text, stage.tile),
            ("on_control_off on control_off", stage.on_control_off, stage.control_off),
        ];
        pairs.extend(
            stage
                .avatars
                .map(|avatar| ("on_avatar on avatar", stage.on_avatar, avatar)),
        );
        pairs
    }
}

/// Contrast of two opaque colours, 1 to 21 (WCAG 2.2, "contrast ratio").
#[must_use]
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |colour: Color32| {
        let [r, g, b, _] = egui::Rgba::from(colour).to_array();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast(Color32::WHITE, Color32::BLACK) - 21.0).abs() < 0.01);
        // The usual example: #777777 on white just misses 4.5.
        assert!((contrast(rgb(0x77_77_77), Color32::WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_text_can_be_read_in_both_themes() {
        for (theme, tokens) in [("light", &LIGHT), ("dark", &DARK)] {
            for (pair, text, ground) in tokens.text_pairs() {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "{theme}: {pair} is {ratio:.2} to 1");
            }
        }
    }
}
