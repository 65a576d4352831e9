//! Words: a key and its arguments in, a sentence in the user's language out.
//!
//! The catalogues (Project Fluent) are part of the binary. English is complete by definition: what another
//! language lacks is said in English.

use std::borrow::Cow;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use serde::{Deserialize, Serialize};
use unic_langid::{LanguageIdentifier, langid};

const ENGLISH: &str = include_str!("../assets/i18n/en/app.ftl");
const RUSSIAN: &str = include_str!("../assets/i18n/ru/app.ftl");

/// A language the window speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    English,
    /// Russian.
    Russian,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Russian];

    /// What speakers of it call it.
    #[must_use]
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Russian => "Русский",
        }
    }

    /// The language of a locale such as `ru_RU.UTF-8` or `en-GB`; English when we do not speak it.
    #[must_use]
    pub fn from_locale(locale: &str) -> Self {
        match locale.split(['-', '_', '.']).next() {
            Some("ru") => Self::Russian,
            Some(_) | None => Self::English,
        }
    }

    /// What the system is set to.
    #[must_use]
    pub fn of_system() -> Self {
        sys_locale::get_locale().map_or(Self::English, |locale| Self::from_locale(&locale))
    }

    /// Its code (ISO 639-1).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    /// The catalogue's text.
    #[must_use]
    pub fn catalogue(self) -> &'static str {
        match self {
            Self::English => ENGLISH,
            Self::Russian => RUSSIAN,
        }
    }

    fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::English => langid!("en"),
            Self::Russian => langid!("ru"),
        }
    }
}

/// Looks up sentences in one language.
pub struct I18n {
    language: Language,
    chosen: FluentBundle<FluentResource>,
    english: FluentBundle<FluentResource>,
}

impl I18n {
    /// Reads the catalogues.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self {
            language,
            chosen: bundle(language),
            english: bundle(Language::English),
        }
    }

    /// The language that is spoken.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The sentence of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// The sentence of a key that says how many; `count` is a name and a number, which chooses the plural form.
    #[must_use]
    pub fn text_counted(&self, key: &str, count: (&'static str, u64), values: &[(&'static str, &str)]) -> String {
        let mut arguments = strings(values);
        arguments.set(count.0, FluentValue::from(count.1));
        self.format(key, Some(&arguments))
    }

    /// The sentence of a key, with what goes into it.
    #[must_use]
    pub fn text_with(&self, key: &str, values: &[(&'static str, &str)]) -> String {
        self.format(key, Some(&strings(values)))
    }

    /// An unknown key shows itself: a test makes sure that there is none.
    fn format(&self, key: &str, arguments: Option<&FluentArgs<'_>>) -> String {
        [&self.chosen, &self.english]
            .into_iter()
            .find_map(|bundle| {
                let message = bundle.get_message(key)?;
                let mut errors = Vec::new();
                let text = bundle.format_pattern(message.value()?, arguments, &mut errors);
                Some(text.into_owned())
            })
            .unwrap_or_else(|| key.to_owned())
    }
}

fn strings<'a>(values: &[(&'static str, &'a str)]) -> FluentArgs<'a> {
    let mut arguments = FluentArgs::new();
    for (name, value) in values {
        arguments.set(*name, FluentValue::String(Cow::Borrowed(*value)));
    }
    arguments
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    // What can be parsed of a faulty catalogue is used; a test keeps the catalogues free of faults.
    let resource = FluentResource::try_new(language.catalogue().to_owned()).unwrap_or_else(|(resource, _)| resource);
    let mut bundle = FluentBundle::new(vec![language.identifier()]);
    // Isolation marks are for mixed directions; we have none, and the font has no glyphs for them.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// `m:ss` or `h:mm:ss`.
#[must_use]
pub fn clock(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_systems_locale_chooses_the_language() {
        assert_eq!(Language::from_locale("ru_RU.UTF-8"), Language::Russian);
        assert_eq!(Language::from_locale("ru"), Language::Russian);
        assert_eq!(Language::from_locale("en-GB"), Language::English);
        assert_eq!(Language::from_locale("C"), Language::English);
        assert_eq!(Language::from_locale("rundi"), Language::English);
    }

    #[test]
    fn arguments_go_into_the_sentence() {
        let sentence = I18n::new(Language::Russian).text_with("call-connecting-to", &[("name", "Аня")]);
        assert!(sentence.contains("Аня"), "{sentence}");
    }

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(clock(Duration::from_secs(5)), "0:05");
        assert_eq!(clock(Duration::from_secs(754)), "12:34");
        assert_eq!(clock(Duration::from_secs(3 * 3600 + 62)), "3:01:02");
    }
}
