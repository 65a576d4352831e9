//! A script of a headless run: lines `<seconds> <command>` in, engine commands at their times out.
//!
//! Pure: the run's clock is an argument. A script that cannot be read is refused as a whole, with the number
//! of the line, before the call starts.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, Read as _};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use call_engine::{CameraSpec, Command, Door, ScreenSpec, SpecError, Switch};

const COMMANDS: &str = "mute, unmute, camera off|on|SPEC, screen on SPEC|off, chat TEXT, send-file PATH, \
                        ice-restart, leave, admit NAME, refuse NAME, symbols-match NAME, door open|knock|locked, \
                        new-link, code, ring NAME, ring-nearby NAME, cancel-ring, accept [sound] or decline";
/// Far longer than any script a person or a test writes; more is a wrong file.
const MAX_LINES: usize = 10_000;

/// What one line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptAction {
    /// Ask the engine for this.
    Do(Command),
    /// Do this with the one who is called so when the time has come.
    With(NamedAction, String),
    /// A command of the contract whose feature this version does not have.
    NotAvailable,
}

/// What can be done with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedAction {
    /// Let a participant in.
    Admit,
    /// Keep a participant out.
    Refuse,
    /// The symbols are the same.
    SymbolsMatch,
    /// Ring a contact.
    Ring,
    /// Ring somebody nearby.
    RingNearby,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptStep {
    /// When, since the start of the run.
    pub at: Duration,
    /// The command as it was written, for the timeline.
    pub text: String,
    /// What it does.
    pub action: ScriptAction,
}

/// The lines that are still to come, earliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    steps: VecDeque<ScriptStep>,
}

/// A script that somebody writes while it runs: lines from standard input, each due its seconds after it came.
#[derive(Debug)]
pub struct LiveScript {
    lines: Receiver<String>,
}

/// Lines waiting to be run; a writer that is faster waits.
const LIVE_CAPACITY: usize = 64;
/// Longest line that is read, bytes: longer ones are cut and refused.
const MAX_LINE_BYTES: u64 = 4_096;

impl LiveScript {
    /// Reads standard input on a thread of its own and calls `on_line` for each line.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn from_stdin(on_line: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel(LIVE_CAPACITY);
        let body = move || {
            let mut input = io::stdin().lock();
            loop {
                let mut line = String::new();
                match input.by_ref().take(MAX_LINE_BYTES).read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if sender.send(line).is_err() => return,
                    Ok(_) => on_line(),
                }
            }
        };
        std::thread::Builder::new().name("script".into()).spawn(body)?;
        Ok(Self { lines })
    }

    /// The next line that came, as a step; `now` is the run's clock.
    pub fn next_step(&self, now: Duration) -> Option<Result<ScriptStep, LineProblem>> {
        let line = self.lines.try_recv().ok()?;
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            return self.next_step(now);
        }
        Some(parse_line(content).map(|step| ScriptStep {
            at: now + step.at,
            ..step
        }))
    }
}

/// Why a script was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The first word is no time.
    #[error("'{0}' is not a time in seconds: write `<seconds> <command>`, like `2.5 mute`")]
    Time(String),
    /// The second word is no command.
    #[error("'{0}' is not a command: use {COMMANDS}")]
    Command(String),
    /// A command without what it needs.
    #[error("'{0}' needs {1} after it")]
    Missing(&'static str, &'static str),
    /// Words after a command that takes none.
    #[error("'{0}' takes nothing after it")]
    Surplus(String),
    /// Not a device specification.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Not a script at all.
    #[error("a script has at most {MAX_LINES} lines")]
    TooLong,
}

impl Script {
    /// Reads a whole script. Empty lines and lines that start with `#` are passed over; lines of the same
    /// time run in the order they are written.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        for (index, content) in text.lines().enumerate() {
            let numbered = |problem| ScriptError {
                line: index + 1,
                problem,
            };
            if index >= MAX_LINES {
                return Err(numbered(LineProblem::TooLong));
            }
            let content = content.trim();
            if !content.is_empty() && !content.starts_with('#') {
                steps.push(parse_line(content).map_err(numbered)?);
            }
        }
        steps.sort_by_key(|step: &ScriptStep| step.at);
        Ok(Self { steps: steps.into() })
    }

    /// Puts one more step in its place.
    pub fn insert(&mut self, step: ScriptStep) {
        let place = self.steps.partition_point(|earlier| earlier.at <= step.at);
        self.steps.insert(place, step);
    }

    /// The next step whose time has come.
    pub fn pop_due(&mut self, now: Duration) -> Option<ScriptStep> {
        self.steps.pop_front_if(|step| step.at <= now)
    }

    /// When the next step is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.steps.front().map(|step| step.at)
    }
}

fn parse_line(content: &str) -> Result<ScriptStep, LineProblem> {
    let (time, text) = split_word(content);
    let at = time
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| LineProblem::Time(time.into()))?;
    Ok(ScriptStep {
        at,
        text: text.into(),
        action: parse_command(text)?,
    })
}

fn parse_command(text: &str) -> Result<ScriptAction, LineProblem> {
    let (word, rest) = split_word(text);
    let alone = |command: Command| {
        if rest.is_empty() {
            Ok(ScriptAction::Do(command))
        } else {
            Err(LineProblem::Surplus(word.into()))
        }
    };
    match word {
        "mute" => alone(Command::Microphone(Switch::Off)),
        "unmute" => alone(Command::Microphone(Switch::On)),
        "ice-restart" => alone(Command::RestartIce),
        "leave" => alone(Command::Leave),
        "new-link" => alone(Command::NewLink),
        "code" => alone(Command::OfferSpokenCode),
        "cancel-ring" => alone(Command::CancelRing),
        "decline" => alone(Command::DeclineRing),
        "accept" => parse_accept(rest).map(ScriptAction::Do),
        "door" => parse_door(rest).map(ScriptAction::Do),
        "admit" => named(NamedAction::Admit, "admit", rest),
        "refuse" => named(NamedAction::Refuse, "refuse", rest),
        "symbols-match" => named(NamedAction::SymbolsMatch, "symbols-match", rest),
        "ring" => named(NamedAction::Ring, "ring", rest),
        "ring-nearby" => named(NamedAction::RingNearby, "ring-nearby", rest),
        "camera" => parse_camera(rest).map(ScriptAction::Do),
        "screen" => parse_screen(rest).map(ScriptAction::Do),
        "chat" if rest.is_empty() => Err(LineProblem::Missing("chat", "a text")),
        "send-file" if rest.is_empty() => Err(LineProblem::Missing("send-file", "a path")),
        "chat" | "send-file" => Ok(ScriptAction::NotAvailable),
        other => Err(LineProblem::Command(other.into())),
    }
}

fn named(action: NamedAction, word: &'static str, name: &str) -> Result<ScriptAction, LineProblem> {
    match name {
        "" => Err(LineProblem::Missing(word, "a name")),
        name => Ok(ScriptAction::With(action, name.into())),
    }
}

fn parse_accept(rest: &str) -> Result<Command, LineProblem> {
    match rest {
        "" => Ok(Command::AcceptRing { video: Switch::On }),
        "sound" => Ok(Command::AcceptRing { video: Switch::Off }),
        other => Err(LineProblem::Surplus(format!("accept {other}"))),
    }
}

fn parse_door(rest: &str) -> Result<Command, LineProblem> {
    match rest {
        "open" => Ok(Command::SetDoor(Door::Open)),
        "knock" => Ok(Command::SetDoor(Door::Knock)),
        "locked" => Ok(Command::SetDoor(Door::Locked)),
        _ => Err(LineProblem::Missing("door", "open, knock or locked")),
    }
}

fn parse_camera(rest: &str) -> Result<Command, LineProblem> {
    match rest {
        "" => Err(LineProblem::Missing("camera", "off, on or a camera")),
        "off" => Ok(Command::Camera(Switch::Off)),
        "on" => Ok(Command::Camera(Switch::On)),
        spec => Ok(Command::SelectCamera(spec.parse::<CameraSpec>()?)),
    }
}

fn parse_screen(rest: &str) -> Result<Command, LineProblem> {
    match split_word(rest) {
        ("off", "") => Ok(Command::ShareScreen(ScreenSpec::None)),
        ("on", spec) if !spec.is_empty() => Ok(Command::ShareScreen(spec.parse()?)),
        _ => Err(LineProblem::Missing("screen", "`on SPEC` or `off`")),
    }
}

/// The first word, and what follows it.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use call_engine::VideoMode;

    fn actions(text: &str) -> Vec<(f64, ScriptAction)> {
        let mut script = Script::parse(text).expect("a script");
        let mut list = Vec::new();
        while let Some(step) = script.pop_due(Duration::MAX) {
            list.push((step.at.as_secs_f64(), step.action));
        }
        list
    }

    fn problem(text: &str) -> String {
        Script::parse(text).expect_err("not a script").to_string()
    }

    #[test]
    fn every_command_of_the_contract_is_known() {
        let text = "\
            # a comment\n\n0 mute\n0.5 unmute\n1 camera off\n1 camera on\n2 camera test:640x480@15\n\
            3 screen on monitor:1\n4 screen off\n5 chat hello there\n6 send-file /tmp/a b\n7 ice-restart\n8 leave\n\
            9 admit Bob B\n9 refuse Bob\n9 symbols-match Bob\n9 ring Bob\n9 ring-nearby Bob\n10 door locked\n\
            10 new-link\n10 code\n10 cancel-ring\n10 accept\n10 accept sound\n10 decline\n";
        let vga = VideoMode {
            width: 640,
            height: 480,
            fps: 15,
        };
        let expected = vec![
            (0.0, ScriptAction::Do(Command::Microphone(Switch::Off))),
            (0.5, ScriptAction::Do(Command::Microphone(Switch::On))),
            (1.0, ScriptAction::Do(Command::Camera(Switch::Off))),
            (1.0, ScriptAction::Do(Command::Camera(Switch::On))),
            (2.0, ScriptAction::Do(Command::SelectCamera(CameraSpec::Test(vga)))),
            (3.0, ScriptAction::Do(Command::ShareScreen(ScreenSpec::Monitor(1)))),
            (4.0, ScriptAction::Do(Command::ShareScreen(ScreenSpec::None))),
            (5.0, ScriptAction::NotAvailable),
            (6.0, ScriptAction::NotAvailable),
            (7.0, ScriptAction::Do(Command::RestartIce)),
            (8.0, ScriptAction::Do(Command::Leave)),
            (9.0, ScriptAction::With(NamedAction::Admit, "Bob B".into())),
            (9.0, ScriptAction::With(NamedAction::Refuse, "Bob".into())),
            (9.0, ScriptAction::With(NamedAction::SymbolsMatch, "Bob".into())),
            (9.0, ScriptAction::With(NamedAction::Ring, "Bob".into())),
            (9.0, ScriptAction::With(NamedAction::RingNearby, "Bob".into())),
            (10.0, ScriptAction::Do(Command::SetDoor(Door::Locked))),
            (10.0, ScriptAction::Do(Command::NewLink)),
            (10.0, ScriptAction::Do(Command::OfferSpokenCode)),
            (10.0, ScriptAction::Do(Command::CancelRing)),
            (10.0, ScriptAction::Do(Command::AcceptRing { video: Switch::On })),
            (10.0, ScriptAction::Do(Command::AcceptRing { video: Switch::Off })),
            (10.0, ScriptAction::Do(Command::DeclineRing)),
        ];
        assert_eq!(actions(text), expected);
    }

    #[test]
    fn steps_come_in_the_order_of_their_times_and_not_before() {
        let mut script = Script::parse("2 unmute\n1 mute\n").expect("a script");
        assert_eq!(script.next_at(), Some(Duration::from_secs(1)));
        assert_eq!(script.pop_due(Duration::from_millis(999)), None);
        assert_eq!(script.pop_due(Duration::from_secs(1)).expect("due").text, "mute");
        assert_eq!(script.next_at(), Some(Duration::from_secs(2)));
        assert_eq!(script.pop_due(Duration::from_secs(9)).expect("due").text, "unmute");
        assert_eq!(script.next_at(), None);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        assert_eq!(
            problem("0 mute\nsoon mute"),
            "line 2: 'soon' is not a time in seconds: write `<seconds> <command>`, like `2.5 mute`"
        );
        for (text, part) in [
            ("-1 mute", "line 1: '-1' is not a time"),
            ("inf mute", "is not a time"),
            ("1e300 mute", "is not a time"),
            ("1", "line 1: '' is not a command: use mute"),
            ("# x\n\n3 dance", "line 3: 'dance' is not a command"),
            ("1 mute please", "'mute' takes nothing after it"),
            ("1 camera", "'camera' needs off, on or a camera after it"),
            ("1 camera webcam", "line 1: 'webcam' is not a camera"),
            ("1 screen", "'screen' needs `on SPEC` or `off` after it"),
            ("1 screen on", "'screen' needs"),
            ("1 screen on nothing", "'nothing' is not a screen"),
            ("1 admit", "'admit' needs a name after it"),
            ("1 door ajar", "'door' needs open, knock or locked after it"),
            ("1 accept video", "'accept video' takes nothing after it"),
            ("1 chat", "'chat' needs a text after it"),
            ("1 send-file", "'send-file' needs a path after it"),
        ] {
            let sentence = problem(text);
            assert!(sentence.contains(part), "{text:?} was answered with: {sentence}");
        }
        assert!(problem(&"\n".repeat(MAX_LINES + 1)).contains("at most 10000 lines"));
    }
}
