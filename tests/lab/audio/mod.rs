//! A sound system of our own for a test: a PulseAudio daemon with a test speaker and a test microphone, private to the
//! test, on any Linux machine with the package `pulseaudio` and without any sound card.
//!
//! * `speaker` ("Test_Speaker"): what a program plays there can be recorded from its monitor ([`SoundLab::record`]).
//! * `mic` ("Test_Microphone"): what is played into it ([`SoundLab::speak`]) is what a program hears.
//!
//! Programs under test get [`SoundLab::environment`]. Include this file with `#[path]`.

// Each test that includes this uses its part of it.
#![allow(dead_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// The running daemon. Dropping it ends it.
pub struct SoundLab {
    directory: tempfile::TempDir,
    daemon: Child,
}

fn missing(program: &str, error: &io::Error) -> String {
    let package = match program {
        "pulseaudio" => "pulseaudio",
        "espeak-ng" => "espeak-ng",
        _ => "pulseaudio-utils",
    };
    format!("'{program}' does not run ({error}): this test needs the package '{package}' (apt-get install {package})")
}

/// What the daemon loads: beside this file, whichever package includes it.
fn script() -> Result<PathBuf, String> {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut scripts = roots.map(|root| root.join("tests/lab/audio/pulse.pa"));
    let script = scripts.find(|path| path.exists());
    script.ok_or_else(|| "tests/lab/audio/pulse.pa is missing".into())
}

fn daemon(directory: &Path) -> Result<Child, String> {
    let log = std::fs::File::create(directory.join("log")).map_err(|error| error.to_string())?;
    Command::new("pulseaudio")
        .args([
            "-n",
            "--system=false",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
        ])
        .args(["--realtime=no", "--high-priority=no", "-F"])
        .arg(script()?)
        .env("XDG_RUNTIME_DIR", directory)
        .env("HOME", directory)
        .env("PULSE_RUNTIME_PATH", directory)
        .env_remove("PULSE_SERVER")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| missing("pulseaudio", &error))
}

impl SoundLab {
    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// A sentence that names the package when PulseAudio is not installed, or what it said when it does not start.
    pub fn start() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::create_dir(directory.path().join("home")).map_err(|error| error.to_string())?;
        let daemon = daemon(directory.path())?;
        let mut lab = Self { directory, daemon };
        lab.wait_until_it_answers()?;
        Ok(lab)
    }

    /// Starts the daemon again after [`SoundLab::kill`].
    ///
    /// # Errors
    /// As [`SoundLab::start`].
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        self.daemon = daemon(self.directory.path())?;
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while self.control(&["get-default-source"])?.trim() != "mic" {
            let over = self.daemon.try_wait().ok().flatten().is_some() || Instant::now() > end;
            if over {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(format!("PulseAudio does not start: {log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What a program needs to find this sound system and no other. ALSA programs see no card. Its home is that of a user
    /// who has never heard anything yet.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let directory = self.directory.path();
        [
            ("HOME", directory.join("home")),
            (
                "PULSE_SERVER",
                PathBuf::from(format!("unix:{}", directory.join("pulse.sock").display())),
            ),
            ("XDG_RUNTIME_DIR", directory.to_owned()),
        ]
    }

    /// A command that talks to this sound system.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).env("HOME", self.directory.path());
        command
    }

    /// `pactl …`; returns what it printed.
    ///
    /// # Errors
    /// A sentence when `pactl` is not installed.
    pub fn control(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command("pactl").args(arguments).output();
        let output = output.map_err(|error| missing("pactl", &error))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Takes away the test speaker and the test microphone.
    ///
    /// # Errors
    /// A sentence when `pactl` is not installed.
    pub fn unplug(&self) -> Result<(), String> {
        self.control(&["unload-module", "module-remap-source"])?;
        self.control(&["unload-module", "module-null-sink"]).map(drop)
    }

    /// Puts them back.
    ///
    /// # Errors
    /// A sentence when the script of the lab is not there.
    pub fn plug(&self) -> Result<(), String> {
        let script = std::fs::read_to_string(script()?).map_err(|error| error.to_string())?;
        for line in script
            .lines()
            .filter(|line| line.contains("null-sink") || line.contains("remap-source"))
        {
            let words: Vec<String> = line.split(' ').map(|word| word.replace('"', "")).collect();
            self.control(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Plays a WAV file into the test microphone.
    ///
    /// # Errors
    /// A sentence when `paplay` is not installed.
    pub fn speak(&self, wav: &Path) -> Result<Running, String> {
        let child = self
            .command("paplay")
            .args(["--device=mic_bus", "--latency-msec=20"])
            .arg(wav)
            .stdin(Stdio::null())
            .spawn();
        child.map(Running).map_err(|error| missing("paplay", &error))
    }

    /// Records what is played to the test speaker (`monitor` = `speaker.monitor`) or anything else into a WAV file, until
    /// the value is dropped.
    ///
    /// # Errors
    /// A sentence when `parec` is not installed.
    pub fn record(&self, monitor: &str, wav: &Path) -> Result<Running, String> {
        let child = self
            .command("parec")
            .args([
                "--file-format=wav",
                "--rate=48000",
                "--channels=1",
                "--format=s16le",
                "--latency-msec=20",
            ])
            .arg(format!("--device={monitor}"))
            .arg(wav)
            .stdin(Stdio::null())
            .spawn();
        child.map(Running).map_err(|error| missing("parec", &error))
    }

    /// Ends the daemon without a word, as when it crashes.
    pub fn kill(&mut self) {
        self.daemon.kill().unwrap_or_default();
        self.daemon.wait().map(drop).unwrap_or_default();
    }

    /// Stops the daemon from doing anything, or lets it go on: a sound system that hangs.
    pub fn freeze(&self, freeze: Freeze) {
        let signal = match freeze {
            Freeze::On => "-STOP",
            Freeze::Off => "-CONT",
        };
        let process = self.daemon.id().to_string();
        Command::new("kill")
            .args([signal, &process])
            .status()
            .map(drop)
            .unwrap_or_default();
    }

    /// A place for files, gone with the lab.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Whether the daemon hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// It hangs.
    On,
    /// It goes on.
    Off,
}

impl Drop for SoundLab {
    fn drop(&mut self) {
        self.freeze(Freeze::Off);
        self.kill();
    }
}

/// A program that runs beside the test; dropping it ends it.
pub struct Running(Child);

impl Running {
    /// Waits until it has ended by itself.
    pub fn wait(&mut self) {
        self.0.wait().map(drop).unwrap_or_default();
    }

    /// Ends it as its user would, so that it closes its files.
    pub fn finish(mut self) {
        let process = self.0.id().to_string();
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .map(drop)
            .unwrap_or_default();
        self.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// Speech for a test, by espeak-ng, as a WAV file.
///
/// # Errors
/// A sentence when espeak-ng is not installed.
pub fn speech(text: &str, wav: &Path) -> Result<(), String> {
    let status = Command::new("espeak-ng")
        .args(["-s", "140", "-w"])
        .arg(wav)
        .arg(text)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("espeak-ng ended with {status}")),
        Err(error) => Err(missing("espeak-ng", &error)),
    }
}
