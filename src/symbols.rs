//! The 256 symbols of which two people compare four: a picture, and a word for it in each language.
//!
//! A byte goes in, a symbol comes out. The list is part of what both sides have to have in common: an entry never moves
//! and never changes its meaning.

use std::sync::LazyLock;

use crate::i18n::Language;

/// The list, a line each: index, picture, English, Russian.
const TABLE: &str = include_str!("../assets/symbols/symbols.tsv");

/// Every value of a byte is a symbol.
pub const COUNT: usize = 256;

/// One symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The picture: one character of the emoji font.
    pub picture: char,
    english: &'static str,
    russian: &'static str,
}

impl Symbol {
    /// What stands at this place of the list.
    #[must_use]
    pub fn of(index: u8) -> Self {
        LIST[usize::from(index)]
    }

    /// The word to read aloud.
    #[must_use]
    pub fn name(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Russian => self.russian,
        }
    }
}

/// In place of a line that cannot be read; a test makes sure that there is none.
const UNREADABLE: Symbol = Symbol {
    picture: '?',
    english: "?",
    russian: "?",
};

static LIST: LazyLock<[Symbol; COUNT]> = LazyLock::new(|| {
    let mut list = [UNREADABLE; COUNT];
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        if let Some((index, symbol)) = read(line)
            && let Some(place) = list.get_mut(index)
        {
            *place = symbol;
        }
    }
    list
});

fn read(line: &'static str) -> Option<(usize, Symbol)> {
    let mut columns = line.split('\t');
    let index = columns.next()?.parse().ok()?;
    let mut picture = columns.next()?.chars();
    let symbol = Symbol {
        picture: picture.next()?,
        english: columns.next()?,
        russian: columns.next()?,
    };
    (picture.next().is_none() && columns.next().is_none()).then_some((index, symbol))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<Symbol> {
        (0..=u8::MAX).map(Symbol::of).collect()
    }

    #[test]
    fn the_list_is_complete_and_in_order() {
        let lines: Vec<_> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), COUNT);
        for (place, line) in lines.iter().enumerate() {
            let (index, symbol) = read(line).unwrap_or_else(|| panic!("cannot be read: {line}"));
            assert_eq!(index, place);
            assert_ne!(symbol, UNREADABLE);
        }
        assert!(all().iter().all(|symbol| *symbol != UNREADABLE));
    }

    #[test]
    fn no_picture_is_there_twice() {
        let pictures: BTreeSet<_> = all().iter().map(|symbol| symbol.picture).collect();
        assert_eq!(pictures.len(), COUNT);
    }

    #[test]
    fn every_name_is_one_word_of_its_language() {
        for symbol in all() {
            assert!(
                symbol.english.chars().all(|letter| letter.is_ascii_lowercase()),
                "{symbol:?}"
            );
            assert!(
                symbol.russian.chars().all(|letter| matches!(letter, 'а'..='я' | 'ё')),
                "{symbol:?}"
            );
            assert!(
                symbol.english.len() > 2 && symbol.russian.chars().count() > 2,
                "{symbol:?}"
            );
        }
    }

    /// Letters to change, add or leave out until one word is the other (Levenshtein).
    fn distance(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (above, letter) in (1..).zip(a.chars()) {
            let mut corner = std::mem::replace(&mut row[0], above);
            for (place, other) in b.iter().enumerate() {
                let changed = corner + usize::from(letter != *other);
                corner = row[place + 1];
                row[place + 1] = changed.min(row[place] + 1).min(corner + 1);
            }
        }
        row[b.len()]
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("bear", "pear"), 1);
    }

    /// Words that differ in a single sound are misheard on a bad line.
    #[test]
    fn no_two_names_are_nearly_the_same() {
        let symbols = all();
        for language in Language::ALL {
            let name = |symbol: &Symbol| symbol.name(language).replace('ё', "е");
            for (index, one) in symbols.iter().enumerate() {
                for other in &symbols[..index] {
                    assert!(distance(&name(one), &name(other)) > 1, "{one:?} and {other:?}");
                }
            }
        }
    }
}
