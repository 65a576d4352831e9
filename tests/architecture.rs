//! The rules of ARCHITECTURE.md that a compiler does not check: who may see whom, how long a file may be, that
//! channels are bounded, threads named, colours in one place.
//!
//! Each rule is a function from a file to complaints, and each has a test of its own that feeds it an offence:
//! a rule that cannot fail is worth nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Longer files are two files.
const MAX_LINES: usize = 800;
/// The only place that knows the webrtc crate.
const WEBRTC_HOME: &str = "crates/call-engine/src/peer/webrtc";
/// The only place that knows colours.
const COLOUR_HOME: &str = "src/ui/theme";

/// What a layer must never depend on; `tests` and `dev-dependencies` are free.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "crates/signaling-protocol",
        &[
            "network-lab",
            "call-core",
            "call-media",
            "call-engine",
            "signaling-server",
            "visavis",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "webrtc",
            "rtc",
            "cpal",
            "nokhwa",
            "opus",
            "openh264",
            "egui",
            "eframe",
            "tracing",
        ],
    ),
    (
        "crates/trust",
        &[
            "network-lab",
            "call-core",
            "call-media",
            "call-engine",
            "contact-book",
            "signaling-server",
            "visavis",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "webrtc",
            "rtc",
            "egui",
            "eframe",
            "rusqlite",
            "keyring",
            "tracing",
        ],
    ),
    (
        "crates/contact-book",
        &[
            "network-lab",
            "call-core",
            "call-media",
            "call-engine",
            "signaling-server",
            "visavis",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "webrtc",
            "rtc",
            "egui",
            "eframe",
        ],
    ),
    (
        "crates/call-core",
        &[
            "network-lab",
            "contact-book",
            "rusqlite",
            "keyring",
            "call-media",
            "call-engine",
            "signaling-server",
            "visavis",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "webrtc",
            "rtc",
            "cpal",
            "nokhwa",
            "opus",
            "openh264",
            "egui",
            "eframe",
            "tracing-subscriber",
        ],
    ),
    (
        "crates/call-media",
        &[
            "network-lab",
            "call-core",
            "call-engine",
            "signaling-protocol",
            "signaling-server",
            "visavis",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "webrtc",
            "rtc",
            "egui",
            "eframe",
        ],
    ),
    (
        "crates/call-engine",
        &["visavis", "network-lab", "egui", "eframe", "winit"],
    ),
    (
        "crates/network-lab",
        &[
            "signaling-protocol",
            "trust",
            "contact-book",
            "call-core",
            "call-media",
            "call-engine",
            "signaling-server",
            "visavis",
            "tokio",
            "webrtc",
            "rtc",
            "egui",
            "eframe",
        ],
    ),
    (
        ".",
        &[
            "network-lab",
            "call-core",
            "trust",
            "contact-book",
            "call-media",
            "signaling-protocol",
            "signaling-server",
            "webrtc",
            "rtc",
            "cpal",
            "nokhwa",
            "tokio",
            "tokio-tungstenite",
            "openh264",
            "openh264-sys2",
            "opus",
        ],
    ),
    (
        "signaling-server",
        &[
            "network-lab",
            "call-core",
            "call-media",
            "call-engine",
            "visavis",
            "webrtc",
            "rtc",
            "cpal",
            "nokhwa",
            "opus",
            "openh264",
            "egui",
            "eframe",
        ],
    ),
    (
        "xtask",
        &[
            "call-core",
            "call-media",
            "call-engine",
            "visavis",
            "tokio",
            "webrtc",
            "egui",
            "eframe",
        ],
    ),
];

/// What the application's own sources must not name, even where a dependency would let them.
const UNKNOWN_TO_THE_APP: &[&str] = &[
    "webrtc",
    "rtc",
    "cpal",
    "nokhwa",
    "tokio",
    "openh264",
    "opus",
    "call_core",
    "call_media",
    "contact_book",
    "signaling_protocol",
];

/// One source file, its path relative to the workspace.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("_tests.rs")
    }

    /// The lines of the product's code with their numbers, without comments and without the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = |line: &str| {
            ["#[cfg(test)]", "#[cfg(all(test"]
                .iter()
                .any(|start| line.starts_with(start))
        };
        let lines = self.text.lines().take_while(move |line| !is_test(line));
        let code = lines.map(|line| line.find("//").map_or(line, |comment| &line[..comment]));
        code.enumerate().map(|(index, line)| (index + 1, line))
    }

    fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let complaint = || {
        source.complain(
            lines,
            &format!("{lines} lines, {MAX_LINES} are the limit: split the file"),
        )
    };
    (lines > MAX_LINES).then(complaint).into_iter().collect()
}

fn unbounded_channels(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let offends = |line: &str| {
        let squeezed: String = line.split_whitespace().collect();
        let std_channel = squeezed
            .find("channel()")
            .is_some_and(|at| is_word_start(&squeezed, at))
            || squeezed.contains("mpsc::channel::<") && squeezed.contains(">()");
        std_channel
            || [
                "unbounded(",
                "unbounded_channel",
                "UnboundedSender",
                "UnboundedReceiver",
            ]
            .iter()
            .any(|word| squeezed.contains(word))
    };
    let lines = source.code().filter(|(_, line)| offends(line));
    lines
        .map(|(number, _)| source.complain(number, "an unbounded channel: say what happens when it is full"))
        .collect()
}

fn unnamed_threads(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let code: Vec<(usize, &str)> = source.code().collect();
    let mut complaints = Vec::new();
    for (index, (number, line)) in code.iter().enumerate() {
        let statement: String = code[index..].iter().take(4).map(|(_, line)| *line).collect();
        let bare = line.contains("thread::spawn(") || line.contains("thread::scope(");
        let nameless = line.contains("thread::Builder::new()") && !statement.contains(".name(");
        let nameless_workers = line.contains("new_multi_thread()") && !statement.contains(".thread_name(");
        if bare || nameless || nameless_workers {
            complaints.push(source.complain(*number, "a thread without a name"));
        }
    }
    complaints
}

fn stray_colours(source: &Source) -> Vec<String> {
    if source.is_test() || !source.path.starts_with("src/") || source.path.starts_with(COLOUR_HOME) {
        return Vec::new();
    }
    let offends = |line: &str| {
        let mut pieces = line.split("Color32::").skip(1);
        // White is how egui says "untinted", the other two how it says "none".
        let neutral = ["WHITE", "TRANSPARENT", "PLACEHOLDER"];
        let constant =
            |rest: &str| rest.starts_with(char::is_uppercase) && !neutral.iter().any(|n| rest.starts_with(n));
        pieces.any(|rest| rest.starts_with("from_") || constant(rest))
            || line.contains("Rgba::from_")
            || line.contains("hex_color!")
            || is_hex_colour(line)
    };
    let lines = source.code().filter(|(_, line)| offends(line));
    lines
        .map(|(number, _)| source.complain(number, "a colour outside src/ui/theme"))
        .collect()
}

/// `"#rrggbb"`, quoted.
fn is_hex_colour(line: &str) -> bool {
    line.split("\"#").skip(1).any(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        (digits == 6 || digits == 8) && rest[digits..].starts_with('"')
    })
}

fn webrtc_leaks(source: &Source) -> Vec<String> {
    if source.path.starts_with(WEBRTC_HOME) {
        return Vec::new();
    }
    let lines = source
        .code()
        .filter(|(_, line)| names_crate(line, "webrtc") || names_crate(line, "rtc"));
    lines
        .map(|(number, _)| source.complain(number, &format!("webrtc is known in {WEBRTC_HOME} only")))
        .collect()
}

fn app_oversteps(source: &Source) -> Vec<String> {
    if source.is_test() || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (number, line) in source.code() {
        for name in UNKNOWN_TO_THE_APP.iter().filter(|name| names_crate(line, name)) {
            complaints.push(source.complain(number, &format!("the application must not know {name}")));
        }
    }
    complaints
}

/// Whether a line names this crate: `name::` that is not the end of a longer path or word. A leading `::` is no
/// longer path: it is how a crate is told from a module of the same name.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = &line[..at];
        match before.strip_suffix("::") {
            Some(parent) => !parent.ends_with(|last: char| last.is_alphanumeric() || "_>".contains(last)),
            None => is_word_start(line, at),
        }
    })
}

fn is_word_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}

/// Complaints about a manifest, given as the folder it lies in and its text.
fn bad_arrows(folder: &str, manifest: &str) -> Vec<String> {
    let forbidden = FORBIDDEN.iter().find(|(layer, _)| *layer == folder);
    let Some((_, forbidden)) = forbidden else {
        return vec![format!("{folder}: a package without a row in the table of layers")];
    };
    let names = dependencies(manifest);
    let bad = names.iter().filter(|name| forbidden.contains(&name.as_str()));
    bad.map(|name| format!("{folder} must not depend on {name}")).collect()
}

/// Names of all dependencies of the product, those of single systems included.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let mut names = Vec::new();
    collect_dependencies(&manifest, &mut names);
    for system in manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(toml::Table::values)
    {
        collect_dependencies(system.as_table().expect("a table"), &mut names);
    }
    names
}

fn collect_dependencies(table: &toml::Table, names: &mut Vec<String>) {
    for section in ["dependencies", "build-dependencies"] {
        let Some(list) = table.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        for (key, value) in list {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            names.push(renamed.unwrap_or(key).to_owned());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in ["src", "crates", "signaling-server", "xtask", "tests"] {
        collect_sources(&root().join(folder), &mut sources);
    }
    // Fewer means that this test looks in the wrong place.
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    sources
}

fn collect_sources(folder: &Path, into: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            // The rules are spelt out in this file.
            if relative != "tests/architecture.rs" {
                let text = fs::read_to_string(&path).expect("a source is UTF-8");
                into.push(Source { path: relative, text });
            }
        }
    }
}

fn nobody_breaks(rule: fn(&Source) -> Vec<String>) {
    let complaints: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// How often a rule complains about this text at this path.
fn count(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn layers_see_only_what_they_may() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml"))
        .expect("there")
        .parse()
        .expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("a list");
    let members = members.iter().map(|member| member.as_str().expect("a path"));
    let complaints: Vec<String> = members
        .chain(["."])
        .flat_map(|folder| {
            let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
            bad_arrows(folder, &manifest)
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_bad_arrow_is_noticed_in_every_form() {
    assert_eq!(
        bad_arrows("crates/call-core", "[dependencies]\nthiserror = \"2\""),
        [""; 0]
    );
    assert_eq!(
        bad_arrows("crates/call-core", "[dev-dependencies]\ntokio = \"1\""),
        [""; 0]
    );
    for manifest in [
        "[dependencies]\ntokio.workspace = true",
        "[build-dependencies]\ntokio = \"1\"",
        "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"",
        "[dependencies]\nrunning = { package = \"tokio\", version = \"1\" }",
    ] {
        assert_eq!(bad_arrows("crates/call-core", manifest).len(), 1, "{manifest}");
    }
    assert_eq!(bad_arrows("crates/new", "").len(), 1);
}

#[test]
fn no_file_is_too_long() {
    nobody_breaks(too_long);
    assert_eq!(count(too_long, "src/a.rs", &"x\n".repeat(MAX_LINES)), 0);
    assert_eq!(count(too_long, "src/a.rs", &"x\n".repeat(MAX_LINES + 1)), 1);
}

#[test]
fn every_channel_is_bounded() {
    nobody_breaks(unbounded_channels);
    for bad in [
        "let (a, b) = mpsc::channel();",
        "let (a, b) = std::sync::mpsc::channel::<u8>();",
        "let (a, b) = channel();",
        "let (a, b) = tokio::sync::mpsc::unbounded_channel();",
        "let (a, b) = flume::unbounded();",
        "fn f(a: UnboundedSender<u8>) {}",
    ] {
        assert_eq!(count(unbounded_channels, "src/a.rs", bad), 1, "{bad}");
    }
    for good in [
        "let (a, b) = mpsc::channel(64);",
        "let (a, b) = sync_channel::<u8>(1);",
        "// an unbounded_channel would grow",
        "let c = data_channel();",
    ] {
        assert_eq!(count(unbounded_channels, "src/a.rs", good), 0, "{good}");
    }
}

#[test]
fn every_thread_has_a_name() {
    nobody_breaks(unnamed_threads);
    for bad in [
        "std::thread::spawn(move || ());",
        "thread::scope(|s| ());",
        "thread::Builder::new()\n    .stack_size(1)\n    .spawn(f);",
        "Builder::new_multi_thread()\n    .build();",
    ] {
        assert_eq!(count(unnamed_threads, "src/a.rs", bad), 1, "{bad}");
        assert_eq!(count(unnamed_threads, "tests/a.rs", bad), 0, "{bad}");
        assert_eq!(
            count(
                unnamed_threads,
                "src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{ {bad} }}")
            ),
            0,
            "{bad}"
        );
    }
    let good = "thread::Builder::new()\n    .name(\"camera\".into())\n    .spawn(f);";
    assert_eq!(count(unnamed_threads, "src/a.rs", good), 0);
}

#[test]
fn colours_stand_in_the_theme() {
    nobody_breaks(stray_colours);
    for bad in [
        "Color32::from_rgb(1, 2, 3)",
        "Color32::RED",
        "Rgba::from_gray(1.0)",
        "let c = \"#aa00ff\";",
    ] {
        assert_eq!(count(stray_colours, "src/ui/screens/call.rs", bad), 1, "{bad}");
        assert_eq!(count(stray_colours, "src/ui/theme/tokens.rs", bad), 0, "{bad}");
        assert_eq!(count(stray_colours, "crates/call-media/src/colour.rs", bad), 0, "{bad}");
    }
    for good in [
        "painter.image(texture, rect, uv, Color32::WHITE)",
        "tokens.danger",
        "\"/j#1.abc\"",
    ] {
        assert_eq!(count(stray_colours, "src/ui/screens/call.rs", good), 0, "{good}");
    }
}

#[test]
fn webrtc_is_known_in_one_module() {
    nobody_breaks(webrtc_leaks);
    for bad in ["use webrtc::track::Track;", "let x: rtc::Foo = y;", "use ::webrtc::a;"] {
        assert_eq!(count(webrtc_leaks, "crates/call-engine/src/driver.rs", bad), 1, "{bad}");
        assert_eq!(
            count(webrtc_leaks, "crates/call-engine/src/peer/webrtc/mod.rs", bad),
            0,
            "{bad}"
        );
    }
    for good in [
        "use crate::peer::webrtc::WebRtcConnector;",
        "let a = my_rtc::b();",
        "/// [`webrtc::Foo`]",
    ] {
        assert_eq!(
            count(webrtc_leaks, "crates/call-engine/src/driver.rs", good),
            0,
            "{good}"
        );
    }
}

#[test]
fn the_application_knows_the_engine_only() {
    nobody_breaks(app_oversteps);
    for bad in [
        "use tokio::sync::mpsc;",
        "fn f(p: call_core::PeerKey) {}",
        "opus::Encoder::new()",
    ] {
        assert_eq!(count(app_oversteps, "src/app.rs", bad), 1, "{bad}");
        assert_eq!(
            count(app_oversteps, "crates/call-engine/src/driver.rs", bad),
            0,
            "{bad}"
        );
    }
    assert_eq!(count(app_oversteps, "src/app.rs", "use call_engine::PeerKey;"), 0);
}
