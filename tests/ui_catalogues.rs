//! The words of the window: both catalogues are complete, every key is used, and no word and no colour stands
//! in the code where it does not belong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use visavis::i18n::{I18n, Language};

/// Key of each message with the names of its placeables. The variants of a plural are on indented lines.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::<String, BTreeSet<String>>::new();
    let mut last = None;
    for line in language.catalogue().lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let words = if line.starts_with(' ') {
            line
        } else {
            let (key, words) = line
                .split_once(" = ")
                .unwrap_or_else(|| panic!("a key and its words: {line}"));
            let twice = messages.insert(key.to_owned(), BTreeSet::new());
            assert!(twice.is_none(), "{key} is there twice");
            last = Some(key.to_owned());
            words
        };
        let key = last.as_ref().expect("the first line is a message");
        let placeables = words.split("{ $").skip(1).filter_map(|rest| rest.split_once(' '));
        let names = messages.get_mut(key).expect("inserted above");
        names.extend(placeables.map(|(name, _)| name.to_owned()));
    }
    messages
}

#[test]
fn every_plural_has_a_form_for_every_count() {
    for language in Language::ALL {
        let i18n = I18n::new(language);
        for line in language.catalogue().lines().filter(|line| line.ends_with("->")) {
            let (key, rest) = line
                .split_once(" = { $")
                .expect("a message that begins with its selector");
            let name = rest.trim_end_matches(" ->").to_owned().leak();
            for count in (0..=25).chain([101, 111]) {
                let words = i18n.text_counted(key, (name, count), &[]);
                assert!(!words.is_empty() && words != key, "{language:?} {key} {count}: {words}");
            }
        }
    }
}

#[test]
fn the_catalogues_have_the_same_keys_and_placeables() {
    let english = messages(Language::English);
    assert!(english.len() > 50);
    for language in Language::ALL {
        assert_eq!(messages(language), english, "{language:?}");
    }
}

#[test]
fn the_russian_words_are_russian() {
    let english: BTreeMap<_, _> = lines(Language::English);
    let same: Vec<_> = lines(Language::Russian)
        .into_iter()
        .filter(|(key, words)| english.get(key) == Some(words))
        .collect();
    assert!(same.is_empty(), "not translated: {same:?}");
}

fn lines(language: Language) -> BTreeMap<&'static str, &'static str> {
    language
        .catalogue()
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(_, words)| !words.ends_with("->"))
        .collect()
}

/// The application's sources that make up the window, without their tests.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root.join("ui"), &mut files);
    rust_files(&root.join("desktop"), &mut files);
    rust_files(&root.join("video_texture"), &mut files);
    rust_files(&root.join("command_handling"), &mut files);
    for name in [
        "app.rs",
        "command_handling.rs",
        "view_state.rs",
        "video_texture.rs",
        "picture_inbox.rs",
    ] {
        files.push(root.join(name));
    }
    assert!(files.len() > 20, "the sources have moved: {files:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (path, code)
    };
    files.into_iter().map(read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// String literals, without those in comments. Good enough for code without raw strings and escaped quotes.
fn literals(code: &str) -> Vec<String> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| {
            line.split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a literal has the form of a key: words joined by hyphens.
fn looks_like_a_key(literal: &str) -> bool {
    literal.contains('-')
        && literal
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '-')
}

#[test]
fn every_key_in_the_code_exists_and_every_key_of_the_catalogue_is_used() {
    let known: BTreeSet<String> = messages(Language::English).into_keys().collect();
    let code: Vec<_> = sources().into_iter().flat_map(|(_, code)| literals(&code)).collect();
    let used: BTreeSet<String> = code.into_iter().filter(|literal| looks_like_a_key(literal)).collect();
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "in the code, not in the catalogue: {missing:?}");
    let idle: Vec<_> = known.difference(&used).collect();
    assert!(idle.is_empty(), "in the catalogue, not in the code: {idle:?}");
}

#[test]
fn no_sentence_stands_in_the_screens() {
    // The name of the application is the same in all languages.
    let allowed = ["Visavis"];
    for (path, code) in sources() {
        let is_in = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
        if !is_in("ui") || is_in("theme") {
            continue;
        }
        for literal in literals(&code) {
            let has_words = literal
                .split(|letter: char| !letter.is_alphabetic())
                .any(|word| word.len() > 2);
            let is_name = literal
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || "-_".contains(letter));
            let is_format = literal.contains('{');
            let is_reason = literal.contains("height of the column");
            assert!(
                !has_words || is_name || is_format || is_reason || allowed.contains(&literal.as_str()),
                "{}: \"{literal}\" belongs into the catalogues",
                path.display()
            );
        }
    }
}

#[test]
fn colours_are_made_in_the_theme_only() {
    let makers = [
        "Color32::from_",
        "Rgba::from_",
        "Hsva",
        "hex_color!",
        "Color32::RED",
        "Color32::BLACK",
        "Color32::GRAY",
    ];
    for (path, code) in sources() {
        if path.components().any(|part| part.as_os_str() == "theme") {
            continue;
        }
        for maker in makers {
            assert!(
                !code.contains(maker),
                "{} makes a colour of its own: {maker}",
                path.display()
            );
        }
    }
}
