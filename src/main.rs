//! `visavis`: arguments, logging, the engine, then the window or a headless run.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use call_engine::{Engine, EngineConfig, EngineHandle};
use tracing_subscriber::EnvFilter;
use visavis::app::{WindowCloser, WindowOptions, run_window};
use visavis::args::{HeadlessTask, Role, RunOptions, Task, WindowTask, headless_defaults, window_defaults};
use visavis::desktop::Presence;
use visavis::headless::bell::Bell;
use visavis::headless::watch::Outcome;
use visavis::headless::{self, report_file, say, sentences};
use visavis::settings::SettingsFile;
use visavis::{device_list, script::Script};

/// What a shell reports of a process that ended by Ctrl-C.
const INTERRUPTED: i32 = 130;
/// Without `VISAVIS_LOG`. The crates named here report as trouble what is part of every call: packets that outrun the
/// handshake, a sound server that closes what we asked it to close, a display without a size in millimetres.
const DEFAULT_LOG: &str = "warn,rtc=error,pulseaudio=off,winit=error";

fn main() -> ExitCode {
    let task = Task::from_command_line();
    start_logging();
    let outcome = match task {
        Task::Window(task) => window(task),
        Task::Headless(task) => headless(&task),
        Task::Devices(format) => Ok(device_list::print(format)),
    };
    let outcome = outcome.unwrap_or_else(|refusal| refusal);
    tell(&outcome);
    ExitCode::from(outcome.exit_code())
}

/// Diagnostics go to stderr; `VISAVIS_LOG` chooses which.
fn start_logging() {
    let wanted = std::env::var("VISAVIS_LOG").unwrap_or_else(|_| DEFAULT_LOG.into());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        say(&format!(
            "VISAVIS_LOG is not a filter ({error}). Write `info`, or `call_engine=debug`."
        ));
        EnvFilter::new(DEFAULT_LOG)
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Failures of stderr would be reported on stderr, with a panic.
        .log_internal_errors(false)
        .init();
}

fn headless(task: &HeadlessTask) -> Result<Outcome, Outcome> {
    let script = headless::read_script(&task.run)?;
    let engine = start_engine(task.call.over(headless_defaults(), task.run.record.clone()))?;
    let bell = Arc::new(Bell::default());
    leave_on_interrupt(Arc::clone(&bell))?;
    Ok(headless::run(engine, task, script, &bell))
}

fn window(task: WindowTask) -> Result<Outcome, Outcome> {
    if !display_is_there() {
        return Err(Outcome::Failed(sentences::NO_DISPLAY.into()));
    }
    let script = headless::read_script(&task.run)?;
    let settings = SettingsFile::open_default();
    let mut config = task
        .call
        .over(window_defaults(&settings.settings), task.run.record.clone());
    if is_unattended(&task.run) {
        // What is measured must not depend on whom the user knows, nor change it.
        config.profile = task.call.profile.clone();
    }
    let mut options = WindowOptions {
        join_link: task.link.clone(),
        settings,
        name: config.name.clone(),
        camera: config.camera.clone(),
        microphone: config.microphone.clone(),
        speaker: config.speaker.clone(),
        closer: WindowCloser::default(),
        presence: Presence::Full,
    };
    let engine = start_engine(config)?;
    if is_unattended(&task.run) {
        // The run goes into the call by itself, and the window shows it.
        options.join_link = None;
        options.presence = Presence::WindowOnly;
        measured_window(engine, options, task, script)
    } else {
        attended_window(&engine, options, &task)
    }
}

/// Whether the run goes into the call by itself.
fn is_unattended(run: &RunOptions) -> bool {
    run.seconds.is_some() || run.script.is_some()
}

/// A window for a person, who decides everything.
fn attended_window(engine: &EngineHandle, options: WindowOptions, task: &WindowTask) -> Result<Outcome, Outcome> {
    let closer = options.closer.clone();
    on_interrupt(move || closer.close())?;
    run_window(engine.clone(), options).map_err(|error| no_window(&error))?;
    if let Some(path) = &task.run.report {
        let written = report_file::write(path, &engine.report());
        written.map_err(|error| Outcome::Failed(sentences::report_failed(path, &error)))?;
    }
    Ok(Outcome::Completed)
}

/// A window in an unattended run: whichever of run and window ends first ends the other.
fn measured_window(
    engine: EngineHandle,
    options: WindowOptions,
    task: WindowTask,
    script: Script,
) -> Result<Outcome, Outcome> {
    let bell = Arc::new(Bell::default());
    leave_on_interrupt(Arc::clone(&bell))?;
    let run = HeadlessTask {
        role: task.link.map_or(Role::Host, Role::Join),
        call: task.call,
        run: task.run,
    };
    let closer = options.closer.clone();
    let (ended, end) = sync_channel(1);
    let when_over = move |outcome: Outcome| {
        // There is room for the one outcome, and nobody to tell when the window is gone already.
        ended.try_send(outcome).ok();
        closer.close();
    };
    let watcher = headless::run_beside_window(engine.clone(), run, script, Arc::clone(&bell), when_over)
        .map_err(|error| Outcome::Failed(format!("The run could not be watched ({error}). Try again.")))?;
    let shown = run_window(engine, options);
    bell.interrupt();
    let watched = watcher.join();
    shown.map_err(|error| no_window(&error))?;
    match (watched, end.try_recv()) {
        (Ok(()), Ok(outcome)) => Ok(outcome),
        _ => Err(Outcome::Failed(
            "The run was broken off by a fault in Visavis. Please report it.".into(),
        )),
    }
}

fn start_engine(config: EngineConfig) -> Result<EngineHandle, Outcome> {
    Engine::start(config).map_err(|error| {
        Outcome::Failed(format!(
            "Visavis could not start: {error}. Close other programs and try again."
        ))
    })
}

/// The first Ctrl-C or SIGTERM leaves the call; the second one does not wait for that.
fn leave_on_interrupt(bell: Arc<Bell>) -> Result<(), Outcome> {
    on_interrupt(move || {
        if bell.interrupt() {
            std::process::exit(INTERRUPTED);
        }
    })
}

fn on_interrupt(handler: impl FnMut() + Send + 'static) -> Result<(), Outcome> {
    ctrlc::set_handler(handler).map_err(|error| Outcome::Failed(format!("Signals cannot be handled: {error}.")))
}

fn no_window(error: &eframe::Error) -> Outcome {
    Outcome::Failed(format!(
        "The window could not be opened ({error}). {}",
        sentences::WITHOUT_WINDOW
    ))
}

/// Whether there is anything to open a window on. Where it is not known, the window has to find out.
fn display_is_there() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(is_set)
}

fn tell(outcome: &Outcome) {
    if let Some(sentence) = outcome.sentence() {
        say(sentence);
    }
}
