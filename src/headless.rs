//! A call without a window: the same engine and pipelines, driven by a clock and a script.
//!
//! Flows in: the command line, snapshots and events of the engine. Flows out: the line `LINK …` on stdout,
//! diagnostics on stderr, the report in its file, an exit code. Runs on the main thread; a window that is
//! measured runs the same [`Run`] on the thread `run-watch`.

pub mod bell;
pub mod report_file;
pub mod ringing;
pub mod sentences;
pub mod watch;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use call_engine::report::TimelineEntry;
use call_engine::{Command, EngineHandle, EngineSnapshot, Event, Report};

use crate::args::{HeadlessTask, Role, RunOptions};
use crate::script::{LiveScript, Script, ScriptAction, ScriptStep};
use bell::Bell;
use ringing::Ringing;
use watch::{CallWatch, Outcome};

/// How often the report is written with `--report-every`.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest sleep of a run: nothing depends on it, it bounds the harm of a missed wake-up.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How often a measured window is looked at; its engine wakes the window, not us.
const WINDOW_POLL: Duration = Duration::from_millis(50);

/// One call from the first wish to the report.
pub struct Run {
    engine: EngineHandle,
    role: Role,
    options: RunOptions,
    script: Script,
    live: Option<LiveScript>,
    watch: CallWatch,
    started: Instant,
    next_report: Duration,
    /// What the script did, for the report's timeline.
    done: Vec<TimelineEntry>,
    /// The link that was printed last.
    link: Option<String>,
    /// Rings and spoken codes.
    ringing: Ringing,
    /// Whether it was said that the report cannot be written: once is enough.
    report_failed: bool,
    /// Why something could not be recorded, as it was said last.
    write_failure: Option<String>,
}

/// Reads and checks the script, before anything is started.
///
/// # Errors
/// A usage error with its sentence.
pub fn read_script(options: &RunOptions) -> Result<Script, Outcome> {
    let Some(path) = options.script.as_ref().filter(|_| !is_live(options)) else {
        return Ok(Script::default());
    };
    let place = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Outcome::Usage(format!(
            "The script {place} could not be read ({error}). Check the path."
        ))
    })?;
    Script::parse(&text).map_err(|error| Outcome::Usage(format!("The script {place} is not one: {error}.")))
}

/// Whether the script comes on standard input while it runs.
fn is_live(options: &RunOptions) -> bool {
    options.script.as_deref().is_some_and(|path| path == Path::new("-"))
}

/// Takes part in a call until it is over, the time is up or the bell says that the process is to end.
#[must_use]
pub fn run(engine: EngineHandle, task: &HeadlessTask, script: Script, bell: &Arc<Bell>) -> Outcome {
    let ringer = Arc::clone(bell);
    engine.set_waker(move || ringer.ring());
    let mut run = Run::new(engine, task, script, bell);
    let mut outcome = run.begin();
    while outcome.is_none() {
        bell.wait(run.until_next().min(LONGEST_WAIT));
        outcome = run.take_events().or_else(|| run.step());
        if outcome.is_none() && bell.is_interrupted() {
            outcome = Some(run.interrupted());
        }
    }
    run.finish(outcome.unwrap_or(Outcome::Completed))
}

/// Does for a window what [`run`] does without one: goes straight into the call, keeps the time, writes the
/// report. Calls `when_over` from its own thread when the run is over and the engine shut down. The bell tells it
/// that the window is closed; news it looks for itself, for the engine wakes the window.
///
/// # Errors
/// When the system has no more threads to give.
pub fn run_beside_window(
    engine: EngineHandle,
    task: HeadlessTask,
    script: Script,
    bell: Arc<Bell>,
    when_over: impl FnOnce(Outcome) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        let mut run = Run::new(engine, &task, script, &bell);
        let mut outcome = run.begin();
        while outcome.is_none() {
            bell.wait(run.until_next().min(WINDOW_POLL));
            outcome = run.step();
            if outcome.is_none() && bell.is_interrupted() {
                outcome = Some(run.interrupted());
            }
        }
        when_over(run.finish(outcome.unwrap_or(Outcome::Completed)));
    };
    std::thread::Builder::new().name("run-watch".into()).spawn(body)
}

impl Run {
    fn new(engine: EngineHandle, task: &HeadlessTask, script: Script, bell: &Arc<Bell>) -> Self {
        Self {
            live: is_live(&task.run).then(|| read_live_script(bell)).flatten(),
            watch: CallWatch::new(task.role.clone(), &task.run),
            engine,
            role: task.role.clone(),
            options: task.run.clone(),
            script,
            started: Instant::now(),
            next_report: REPORT_INTERVAL,
            done: Vec::new(),
            link: None,
            ringing: Ringing::new(&task.role),
            report_failed: false,
            write_failure: None,
        }
    }

    /// Asks for the call.
    fn begin(&mut self) -> Option<Outcome> {
        let wish = match &self.role {
            Role::Host => Command::HostCall,
            Role::Join(link) => Command::JoinCall { link: link.clone() },
            // As soon as the contacts are there.
            Role::Ring(_) | Role::AwaitRing(_) => return None,
        };
        let refused = self.engine.send(wish).err()?;
        Some(Outcome::Failed(format!("The call could not be started: {refused}.")))
    }

    /// How long there is nothing to do by the clock.
    fn until_next(&self) -> Duration {
        let report = self.options.report_every.then_some(self.next_report);
        let times = [self.watch.ends_at(), self.script.next_at(), report];
        let next = times.into_iter().flatten().min().unwrap_or(Duration::MAX);
        next.saturating_sub(self.started.elapsed())
    }

    /// One look at clock and engine; the outcome when the run is over.
    fn step(&mut self) -> Option<Outcome> {
        let now = self.started.elapsed();
        while let Some(line) = self.live.as_ref().and_then(|live| live.next_step(now)) {
            match line {
                Ok(step) => self.script.insert(step),
                Err(problem) => say(&format!("A line of the script was not understood: {problem}.")),
            }
        }
        while let Some(step) = self.script.pop_due(now) {
            self.perform(step, now);
        }
        let snapshot = self.engine.snapshot();
        self.print_link(&snapshot);
        if let Some(outcome) = self.follow_rings(&snapshot) {
            return Some(outcome);
        }
        let observation = self.watch.observe(&snapshot, now);
        for line in &observation.lines {
            say(line);
        }
        if self.options.report_every && now >= self.next_report && observation.outcome.is_none() {
            self.next_report = now + REPORT_INTERVAL;
            if let Err(sentence) = self.write_report(&self.report())
                && !std::mem::replace(&mut self.report_failed, true)
            {
                say(&sentence);
            }
        }
        observation.outcome
    }

    /// News that is not state. A window reads these itself.
    fn take_events(&mut self) -> Option<Outcome> {
        while let Some(event) = self.engine.next_event() {
            match event {
                // The snapshot carries it too, and for a window as well.
                Event::LinkReady(_) | Event::IdentityExported(_) | Event::IdentityImported => {}
                Event::RingEnded { name, outcome, .. } => {
                    let sentence = sentences::ring_ended(&name, outcome);
                    match self.role {
                        Role::Ring(_) => return Some(Outcome::Failed(sentence)),
                        Role::Host | Role::Join(_) | Role::AwaitRing(_) => say(&sentence),
                    }
                }
                Event::SpokenCodeFailed(problem) => {
                    let sentence = sentences::spoken_code_failed(problem);
                    match self.role {
                        Role::Join(_) => return Some(Outcome::Failed(sentence)),
                        Role::Host | Role::Ring(_) | Role::AwaitRing(_) => say(&sentence),
                    }
                }
                Event::Storage(sentence) | Event::IdentityFailed(sentence) => say(&sentence),
                Event::BadLink(sentence) => return Some(Outcome::Usage(sentence)),
                Event::ServerFailed(detail) => return Some(Outcome::Failed(sentences::server_failed(&detail))),
                Event::WriteFailed(detail) => {
                    // Pictures and sound of everybody fail for the same reason.
                    if self.write_failure.as_ref() != Some(&detail) {
                        say(&sentences::write_failed(&detail));
                        self.write_failure = Some(detail);
                    }
                }
            }
        }
        None
    }

    fn print_link(&mut self, snapshot: &EngineSnapshot) {
        let Some(link) = snapshot
            .invite_link
            .as_ref()
            .filter(|link| self.link.as_ref() != Some(link) && self.role == Role::Host)
        else {
            return;
        };
        self.link = Some(link.clone());
        print_line(&format!("LINK {link}"));
    }

    fn follow_rings(&mut self, snapshot: &EngineSnapshot) -> Option<Outcome> {
        let step = self.ringing.observe(snapshot);
        for line in &step.printed {
            print_line(line);
        }
        for command in step.commands {
            if let Err(refused) = self.engine.send(command) {
                say(&format!("The engine did not take a command: {refused}."));
            }
        }
        step.outcome
    }

    fn perform(&mut self, step: ScriptStep, now: Duration) {
        let event = match step.action {
            ScriptAction::Do(command) => match self.engine.send(command) {
                Ok(()) => format!("script: {}", step.text),
                Err(refused) => format!("script: {}: {refused}", step.text),
            },
            ScriptAction::With(action, name) => {
                match ringing::resolve(action, &name, &self.engine.snapshot()).map(|command| self.engine.send(command))
                {
                    Some(Ok(())) => format!("script: {}", step.text),
                    Some(Err(refused)) => format!("script: {}: {refused}", step.text),
                    None => {
                        let event = format!("script: {}: there is nobody of that name", step.text);
                        say(&event);
                        event
                    }
                }
            }
            ScriptAction::NotAvailable => {
                let event = format!("script: {}: not available in this version", step.text);
                say(&event);
                event
            }
        };
        self.done.push(TimelineEntry {
            at_s: now.as_secs_f64(),
            event,
        });
    }

    fn interrupted(&self) -> Outcome {
        self.watch.interrupted(&self.engine.snapshot())
    }

    /// The engine's figures, with what the script did put in its place in time.
    fn report(&self) -> Report {
        let mut report = self.engine.report();
        report.timeline.extend(self.done.iter().cloned());
        report.timeline.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        report
    }

    fn write_report(&self, report: &Report) -> Result<(), String> {
        match &self.options.report {
            None => Ok(()),
            Some(path) => report_file::write(path, report).map_err(|error| sentences::report_failed(path, &error)),
        }
    }

    /// Takes the figures, leaves, and only then touches the disk, which may be slow.
    fn finish(self, outcome: Outcome) -> Outcome {
        let report = self.report();
        self.engine.shutdown();
        match (outcome, self.write_report(&report)) {
            (outcome, Ok(())) => outcome,
            (Outcome::Completed, Err(sentence)) => Outcome::Failed(sentence),
            (outcome @ (Outcome::Failed(_) | Outcome::Usage(_)), Err(sentence)) => {
                say(&sentence);
                outcome
            }
        }
    }
}

fn read_live_script(bell: &Arc<Bell>) -> Option<LiveScript> {
    let ringer = Arc::clone(bell);
    let live = LiveScript::from_stdin(move || ringer.ring());
    let tell = |error| say(&format!("Standard input cannot be read ({error})."));
    live.map_err(tell).ok()
}

/// A line on stdout, for programs.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        say(&format!("A line could not be printed on stdout ({error})."));
    }
}

/// A line on stderr. Unlike `eprintln!` it does not panic when nobody reads it any more.
pub fn say(line: &str) {
    if let Err(error) = writeln!(io::stderr(), "{line}") {
        tracing::debug!(%error, "stderr is closed");
    }
}
