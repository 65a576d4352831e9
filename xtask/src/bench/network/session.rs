//! One call in a lab: a host behind a good link, a guest behind the one that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use network_lab::{Direction, Lab};

use super::super::process::{Process, drain, read_link};
use super::super::report::{number, read_json};
use super::figures::{self, Figures};
use super::links::{Link, Step};
use super::step::{Concealed, Course, Passed, Shown};
use super::watch::{Seen, Viewer, Watch};

/// Where the host's server listens.
const PORT: u16 = 47_000;
/// The host's name, which becomes the name of recordings of it.
const HOST: &str = "Host";
/// How long the first picture may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often counters are looked at while a call runs.
const LOOK: Duration = Duration::from_millis(200);

/// What runs and where it writes.
pub struct Session<'a> {
    pub binary: &'a Path,
    pub clip: &'a Path,
    /// Of this call alone.
    pub folder: PathBuf,
}

impl Session<'_> {
    /// A call of so many seconds over a link that stays as it is.
    pub fn plain(&self, link: &Link, seconds: u64) -> anyhow::Result<Figures> {
        let call = Call::start(self, link, seconds, false)?;
        std::thread::sleep(Duration::from_secs(seconds));
        call.finish()
    }

    /// The same, with whoever looks on. What they saw comes back even when the call has failed.
    pub fn watched<V: Viewer>(&self, link: &Link, seconds: u64, viewer: V) -> anyhow::Result<V> {
        let watch = Watch::start(&self.recordings(), HOST, viewer)?;
        let call = Call::start(self, link, seconds, true).and_then(|call| {
            std::thread::sleep(Duration::from_secs(seconds));
            call.finish()
        });
        let viewer = watch.finish();
        call?;
        viewer
    }

    /// A call over a link that changes.
    pub fn stepped(&self, link: &Link, step: &Step) -> anyhow::Result<Figures> {
        let watch = Watch::start(&self.recordings(), HOST, Vec::new())?;
        let call = Call::start(self, link, step.seconds, true).and_then(|call| call.step(&watch, step));
        let seen = watch.finish();
        let (mut figures, began, mut course) = call?;
        course.shown = seen?.iter().map(|seen| shown(seen, began)).collect();
        figures.extend(course.figures());
        Ok(figures)
    }

    fn recordings(&self) -> PathBuf {
        self.folder.join("recordings")
    }

    fn report(&self, side: &str) -> PathBuf {
        self.folder.join(format!("{side}.json"))
    }

    /// `visavis headless`, without its role.
    fn headless(&self, lab: &Lab, side: &str, name: &str, seconds: u64) -> anyhow::Result<Command> {
        let binary = self.binary.to_str().context("the binary's path is no text")?;
        let mut command = lab.command(side, binary)?;
        command.args(["headless", "--name", name, "--stamp", "--microphone", "test"]);
        command.arg("--camera").arg(format!("file:{}", self.clip.display()));
        command.args(["--until-peers", "1", "--seconds", &seconds.to_string()]);
        command.arg("--report").arg(self.report(side));
        // Settings of whoever runs this must not change what is measured.
        command
            .env("XDG_CONFIG_HOME", &self.folder)
            .env("XDG_DATA_HOME", &self.folder);
        Ok(command)
    }
}

fn shown(seen: &Seen, began: Instant) -> Shown {
    Shown {
        at: seen.at.saturating_duration_since(began),
        latency: seen.latency_ms.map(Duration::from_millis),
    }
}

struct Call<'a> {
    session: &'a Session<'a>,
    // The processes end before the lab does.
    host: Process,
    guest: Process,
    outputs: [std::io::BufReader<std::process::ChildStdout>; 2],
    lab: Lab,
}

impl<'a> Call<'a> {
    fn start(session: &'a Session<'a>, link: &Link, seconds: u64, recorded: bool) -> anyhow::Result<Self> {
        let words = if link.words.is_empty() { "none" } else { link.words };
        let lab = Lab::start(&format!(
            "router net ipv4-only\nhost host net\nhost guest net both={words}"
        ))?;
        let mut host = session.headless(&lab, "host", HOST, seconds)?;
        let listen = format!("{}:{PORT}", lab.address("host")?);
        host.args(["--host", "--listen", &listen]);
        let (host, mut host_out) = Process::start("the host", &mut host)?;
        let invitation = read_link(&mut host_out)?;
        let mut guest = session.headless(&lab, "guest", "Guest", seconds)?;
        guest.args(["--join", &invitation]);
        if recorded {
            guest.arg("--report-every").arg("--record").arg(session.recordings());
        }
        let (guest, guest_out) = Process::start("the guest", &mut guest)?;
        Ok(Self {
            session,
            host,
            guest,
            outputs: [host_out, guest_out],
            lab,
        })
    }

    /// Changes the link when it is time, and looks at counters until the call ends.
    fn step(self, watch: &Watch<Vec<Seen>>, step: &Step) -> anyhow::Result<(Figures, Instant, Course)> {
        let started = Instant::now();
        while !watch.began() {
            ensure!(started.elapsed() < PATIENCE, "no picture came");
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        let report = self.session.report("guest");
        let (mut passed, mut concealed, mut last_report) = (Vec::new(), Vec::<Concealed>::new(), None);
        let mut changes = [(step.drop_s, step.dropped), (step.back_s, step.back)]
            .map(|(second, words)| (Duration::from_secs(second), words))
            .into_iter()
            .peekable();
        let (mut made, end) = (Vec::new(), Duration::from_secs(step.seconds - 1));
        let mut next = Duration::ZERO;
        while next < end {
            std::thread::sleep(next.saturating_sub(began.elapsed()));
            if let Some((_, words)) = changes.next_if(|(at, _)| *at <= next) {
                self.lab.set("guest", Direction::Both, words)?;
                made.push(began.elapsed());
            }
            let at = began.elapsed();
            let bytes = self.lab.counters("guest", Direction::Down)?.left_bytes;
            passed.push(Passed { at, bytes });
            // The report is a second old at most; there is none before the first.
            let text = std::fs::read(&report).unwrap_or_default();
            if last_report.as_ref() != Some(&text)
                && let Ok(value) = serde_json::from_slice::<serde_json::Value>(&text)
                && let Some(ratio) = number(&value["participants"][0]["audio_received"]["concealed_ratio"])
            {
                concealed.push(Concealed { at, ratio });
                last_report = Some(text);
            }
            next += LOOK;
        }
        let figures = self.finish()?;
        let [drop, back] = made[..] else {
            anyhow::bail!("the call ended before the link had changed");
        };
        let course = Course {
            shown: Vec::new(),
            passed,
            concealed,
            drop,
            back,
        };
        Ok((figures, began, course))
    }

    fn finish(self) -> anyhow::Result<Figures> {
        self.guest.finish()?;
        self.host.finish()?;
        self.outputs.into_iter().for_each(drain);
        let [guest, host] = ["guest", "host"].map(|side| read_json(&self.session.report(side)));
        figures::of_reports(&guest?, &host?)
    }
}
