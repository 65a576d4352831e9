//! How far somebody is known, for the eye and the ear: a badge in; words, an icon and a colour out. Never colour alone.

use call_engine::Badge;
use egui::Color32;

use crate::i18n::I18n;
use crate::ui::people_words;
use crate::ui::theme::{Icon, Tokens};

/// In one or two words, for a corner of a picture.
#[must_use]
pub fn short(badge: &Badge, i18n: &I18n) -> String {
    i18n.text(match badge {
        Badge::Unverified => "badge-unverified-short",
        Badge::SameDevice { .. } => "badge-known-short",
        Badge::Verified { .. } => "badge-verified-short",
        Badge::KeyChanged { .. } => "badge-changed-short",
    })
}

/// The whole sentence.
#[must_use]
pub fn sentence(badge: &Badge, i18n: &I18n) -> String {
    match badge {
        Badge::Unverified => i18n.text("badge-unverified"),
        Badge::SameDevice { calls } => i18n.text_counted("badge-known", ("calls", u64::from(*calls)), &[]),
        Badge::Verified { at_unix_s: None } => i18n.text("badge-verified-now"),
        Badge::Verified {
            at_unix_s: Some(at_unix_s),
        } => i18n.text_with("badge-verified", &[("date", &people_words::date(*at_unix_s, i18n))]),
        Badge::KeyChanged { contact } => i18n.text_with("badge-changed", &[("contact", contact)]),
    }
}

/// The shape that goes with the words.
#[must_use]
pub fn icon(badge: &Badge) -> Icon {
    match badge {
        Badge::Unverified => Icon::Shield,
        Badge::SameDevice { .. } => Icon::Device,
        Badge::Verified { .. } => Icon::ShieldCheck,
        Badge::KeyChanged { .. } => Icon::Warning,
    }
}

/// The colour of words and icon.
#[must_use]
pub fn colour(badge: &Badge, tokens: &Tokens) -> Color32 {
    match badge {
        Badge::Unverified => tokens.text_quiet,
        Badge::SameDevice { .. } => tokens.known_text,
        Badge::Verified { .. } => tokens.good_text,
        Badge::KeyChanged { .. } => tokens.problem_text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Language;

    #[test]
    fn the_sentences_fit_the_number_and_the_day() {
        let (english, russian) = (I18n::new(Language::English), I18n::new(Language::Russian));
        let third = Badge::Verified {
            at_unix_s: Some(1_793_664_000),
        };
        assert_eq!(sentence(&third, &english), "Verified on 3 Nov.");
        assert_eq!(sentence(&third, &russian), "Сверено 3 ноября.");
        let known = |calls| Badge::SameDevice { calls };
        assert_eq!(sentence(&known(1), &english), "Same device as in your last call.");
        assert_eq!(sentence(&known(7), &english), "Same device as in your last 7 calls.");
        assert_eq!(
            sentence(&known(21), &russian),
            "То же устройство, что и в прошлом 21 звонке."
        );
        assert_eq!(
            sentence(&known(5), &russian),
            "То же устройство, что и в прошлых 5 звонках."
        );
    }

    #[test]
    fn every_state_has_a_shape_of_its_own() {
        let badges = [
            Badge::Unverified,
            Badge::SameDevice { calls: 7 },
            Badge::Verified { at_unix_s: None },
            Badge::KeyChanged { contact: "Anna".into() },
        ];
        for (index, badge) in badges.iter().enumerate() {
            assert!(badges[..index].iter().all(|other| icon(other) != icon(badge)));
        }
    }
}
