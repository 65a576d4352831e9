//! Spoken codes: three words to read over the phone instead of an invite link.
//!
//! Text goes in, numbers come out, and back. The first word says where to meet, so the server can find it out; the
//! other two are the secret. What is done with them is in [`crate::spoken_exchange`].
//!
//! A code lives for ten minutes at most: this crate has no clock, so its owner ends it. And it needs a room to itself:
//! there are only 1024 places to meet, so whoever makes a code takes another one where somebody already is.

use std::fmt;

use signaling_protocol::RoomId;

use crate::entropy::Entropy;
use crate::hkdf::derive;
use crate::words::{self, Language, WORDS};

/// How many words a code has.
pub const CODE_WORDS: usize = 3;
/// Longest text that is looked at as a code, bytes: three words of seven letters of two bytes, and generous spaces.
pub const MAX_CODE_BYTES: usize = 128;

/// A spoken code: the numbers of its words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpokenCode {
    /// The place to meet, then the secret.
    words: [u16; CODE_WORDS],
}

/// Why a text is no spoken code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpokenCodeError {
    /// It does not look like one: not three words of letters.
    #[error("A spoken code is three words, such as: {}.", example())]
    NotACode,
    /// Three words, but this one, the first of them, is in no list.
    #[error("No spoken code has the word “{0}”: ask your friend to spell it.")]
    UnknownWord(String),
}

fn example() -> String {
    SpokenCode { words: [512, 100, 900] }.words(Language::English).join(" ")
}

impl SpokenCode {
    /// A new one.
    pub fn random(entropy: &mut Entropy) -> Self {
        // 1024 divides 65,536, so every word is as likely.
        let words = [(); CODE_WORDS].map(|()| u16::from_be_bytes(entropy.bytes()) % WORDS);
        Self { words }
    }

    /// Reads what somebody typed: words of either language in any case, with spaces, commas, dots or hyphens between.
    ///
    /// # Errors
    /// [`SpokenCodeError::NotACode`] for anything but three words of letters, for instance a link; and
    /// [`SpokenCodeError::UnknownWord`].
    pub fn parse(text: &str) -> Result<Self, SpokenCodeError> {
        if text.len() > MAX_CODE_BYTES {
            return Err(SpokenCodeError::NotACode);
        }
        let text = plain(text);
        let parts: Vec<&str> = text.split(is_between).filter(|part| !part.is_empty()).collect();
        let parts: [&str; CODE_WORDS] = parts.try_into().map_err(|_| SpokenCodeError::NotACode)?;
        if !parts.iter().all(|part| part.chars().all(char::is_alphabetic)) {
            return Err(SpokenCodeError::NotACode);
        }
        let mut words = [0; CODE_WORDS];
        for (number, part) in words.iter_mut().zip(parts) {
            *number = words::number(part).ok_or_else(|| SpokenCodeError::UnknownWord(part.to_owned()))?;
        }
        Ok(Self { words })
    }

    /// The numbers of its words in the lists.
    pub fn numbers(&self) -> [u16; CODE_WORDS] {
        self.words
    }

    /// From [`Self::numbers`]; numbers beyond the lists begin again at their start.
    pub fn from_numbers(numbers: [u16; CODE_WORDS]) -> Self {
        Self {
            words: numbers.map(|number| number % WORDS),
        }
    }

    /// The words, in the order in which they are read aloud.
    pub fn words(&self, language: Language) -> [&'static str; CODE_WORDS] {
        self.words.map(|number| words::word(language, number))
    }

    /// Where to meet: from the first word alone, so that the server learns nothing of the others.
    pub fn topic(&self) -> RoomId {
        RoomId(*derive(b"visavis/1 spoken", &self.words[0].to_be_bytes(), &[b"topic"]))
    }

    /// The secret words, as the password of the exchange.
    pub(crate) fn password(&self) -> [u8; 4] {
        let [[a, b], [c, d]] = [self.words[1], self.words[2]].map(u16::to_be_bytes);
        [a, b, c, d]
    }
}

/// Small letters, е for ё, and letters that were typed as two characters as one.
fn plain(text: &str) -> String {
    text.to_lowercase()
        .replace("и\u{306}", "й")
        .replace("е\u{308}", "е")
        .replace('ё', "е")
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '.' | '-' | '‐' | '‑' | '–' | '—')
}

impl fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpokenCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(words: [u16; CODE_WORDS]) -> SpokenCode {
        SpokenCode { words }
    }

    #[test]
    fn what_is_read_aloud_is_understood() {
        let mut entropy = Entropy::from_seed([1; 32]);
        for _ in 0..200 {
            let code = SpokenCode::random(&mut entropy);
            for language in [Language::English, Language::Russian] {
                assert_eq!(SpokenCode::parse(&code.words(language).join(" ")), Ok(code));
            }
        }
    }

    #[test]
    fn codes_use_the_whole_list_and_all_three_words() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut seen = [(); CODE_WORDS].map(|()| std::collections::HashSet::new());
        for _ in 0..20_000 {
            for (seen, number) in seen.iter_mut().zip(SpokenCode::random(&mut entropy).words) {
                assert!(number < WORDS);
                seen.insert(number);
            }
        }
        assert!(seen.iter().all(|seen| seen.len() == usize::from(WORDS)));
    }

    #[test]
    fn case_and_what_stands_between_the_words_do_not_matter() {
        let expected = SpokenCode::parse("acorn banana zebra");
        assert!(expected.is_ok());
        for text in [
            "  Acorn   BANANA\tzebra\n",
            "acorn, banana, zebra.",
            "acorn-banana-zebra",
            "Acorn – Banana – Zebra",
        ] {
            assert_eq!(SpokenCode::parse(text), expected, "{text}");
        }
        let mixed = code([0, 1, 2]).words(Language::Russian)[0].to_uppercase();
        let [_, two, three] = code([0, 1, 2]).words(Language::English);
        assert_eq!(
            SpokenCode::parse(&format!("{mixed} {two} {three}")),
            Ok(code([0, 1, 2]))
        );
    }

    #[test]
    fn letters_with_marks_are_read_as_people_type_them() {
        let [yo, short_i] = ["береза", "чайник"].map(|word| words::number(word).unwrap());
        let expected = Ok(code([yo, short_i, yo]));
        for text in [
            "берёза чайник береза",
            "БЕРЁЗА ЧАЙНИК берёза",
            "бере\u{308}за чаи\u{306}ник береза",
        ] {
            assert_eq!(SpokenCode::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_code_is_told_from_a_wrong_word() {
        for text in [
            "",
            "acorn",
            "acorn banana",
            "acorn banana zebra acorn",
            "acorn banana 7",
            "https://visavis.example/j#1.abc.def",
            "visavis://a/j b c",
            &"acorn ".repeat(100),
            &"щ".repeat(100_000),
        ] {
            assert_eq!(SpokenCode::parse(text), Err(SpokenCodeError::NotACode), "{text}");
        }
        for (text, word) in [
            ("acorn bananna zebra", "bananna"),
            ("Xyzzy nope zebra", "xyzzy"),
            ("acorn banana глокая", "глокая"),
        ] {
            assert_eq!(
                SpokenCode::parse(text),
                Err(SpokenCodeError::UnknownWord(word.to_owned()))
            );
        }
    }

    #[test]
    fn the_place_is_the_first_word_and_nothing_else() {
        assert_eq!(code([7, 1, 2]).topic(), code([7, 3, 4]).topic());
        let places: std::collections::HashSet<_> = (0..WORDS).map(|word| code([word, 0, 0]).topic()).collect();
        assert_eq!(places.len(), usize::from(WORDS));
    }

    #[test]
    fn errors_are_sentences_and_the_code_is_not_shown() {
        let error = SpokenCodeError::NotACode.to_string();
        let example = error.trim_end_matches('.').rsplit(": ").next().unwrap().to_owned();
        assert!(SpokenCode::parse(&example).is_ok(), "{error}");
        assert_eq!(format!("{:?}", code([1, 2, 3])), "SpokenCode(…)");
    }
}
