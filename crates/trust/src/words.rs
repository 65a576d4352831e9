//! The words of spoken codes: a number in, a word out, and back.
//!
//! Two lists of 1024 words (10 bits each), in alphabetical order, so that a word's number is its line. Words are things
//! everybody knows, three to seven letters long, differ in more than one letter, and begin with four letters of their
//! own. The lists are not translations of each other: the same number is another word in the other language.

use std::sync::LazyLock;

/// How many words a list has.
pub const WORDS: u16 = 1024;

/// What a code is read aloud in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// Russian.
    Russian,
}

static ENGLISH: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words/en.txt").lines().collect());
static RUSSIAN: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words/ru.txt").lines().collect());

fn list(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &ENGLISH,
        Language::Russian => &RUSSIAN,
    }
}

/// The word of a number below [`WORDS`]; larger numbers start again.
pub(crate) fn word(language: Language, number: u16) -> &'static str {
    list(language)[usize::from(number % WORDS)]
}

/// The number of a word, written in small letters and without ё.
pub(crate) fn number(word: &str) -> Option<u16> {
    [Language::English, Language::Russian]
        .into_iter()
        .find_map(|language| list(language).binary_search(&word).ok())
        .and_then(|index| u16::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn both() -> [&'static [&'static str]; 2] {
        [Language::English, Language::Russian].map(list)
    }

    #[test]
    fn the_lists_are_whole_and_in_order() {
        for words in both() {
            assert_eq!(words.len(), usize::from(WORDS));
            // In order also means: none twice.
            assert!(words.is_sorted_by(|one, next| one < next));
        }
    }

    #[test]
    fn words_are_short_and_of_their_alphabet() {
        let alphabets: [fn(char) -> bool; 2] = [|c| c.is_ascii_lowercase(), |c| ('а'..='я').contains(&c)];
        for (words, belongs) in both().into_iter().zip(alphabets) {
            for word in words {
                assert!((3..=7).contains(&word.chars().count()), "{word}");
                assert!(word.chars().all(belongs), "{word}");
            }
        }
    }

    #[test]
    fn the_first_four_letters_tell_words_apart() {
        for words in both() {
            let beginnings: HashSet<String> = words.iter().map(|word| word.chars().take(4).collect()).collect();
            assert_eq!(beginnings.len(), words.len());
        }
    }

    #[test]
    fn no_word_is_another_with_one_letter_wrong() {
        for words in both() {
            let letters: Vec<Vec<char>> = words.iter().map(|word| word.chars().collect()).collect();
            for (index, one) in letters.iter().enumerate() {
                for other in &letters[index + 1..] {
                    assert!(!one_letter_apart(one, other), "{one:?} {other:?}");
                }
            }
        }
    }

    /// One letter changed, missing or too many.
    fn one_letter_apart(one: &[char], other: &[char]) -> bool {
        let (short, long) = if one.len() < other.len() {
            (one, other)
        } else {
            (other, one)
        };
        let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
        match long.len() - short.len() {
            0 => same == long.len() || short[same + 1..] == long[same + 1..],
            1 => short[same..] == long[same + 1..],
            _ => false,
        }
    }

    #[test]
    fn every_word_is_found_by_its_number_and_back() {
        for language in [Language::English, Language::Russian] {
            for n in 0..WORDS {
                assert_eq!(number(word(language, n)), Some(n));
            }
        }
        assert_eq!(number("xyzzy"), None);
        assert_eq!(number(""), None);
    }
}
