//! Runs `visavis` and an X server, and reads from /proc what they cost.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long a run may take to end after its time is up.
const ENDING_LIMIT: Duration = Duration::from_secs(30);

/// A child process that is killed when dropped.
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a command with its standard output to be read.
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<(Self, BufReader<ChildStdout>)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let out = child.stdout.take().context("its output was asked for")?;
        Ok((Self { name, child }, BufReader::new(out)))
    }

    /// Its processor time and memory now.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.child.id()).with_context(|| format!("{} cannot be looked at", self.name))
    }

    /// Waits for its end, which must be a success.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + ENDING_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}: see above", self.name);
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended by itself, which is what the error would say.
        if self.child.kill().is_ok()
            && let Err(error) = self.child.wait()
        {
            eprintln!("{} could not be waited for: {error}", self.name);
        }
    }
}

/// The line `LINK …` of a host.
pub fn read_link(out: &mut BufReader<ChildStdout>) -> anyhow::Result<String> {
    let mut line = String::new();
    out.read_line(&mut line)?;
    let link = line
        .strip_prefix("LINK ")
        .context("the host printed no link: see above")?;
    Ok(link.trim().to_owned())
}

/// Reads what is left, so that a process never waits for a reader.
pub fn drain(mut out: BufReader<ChildStdout>) {
    let mut rest = String::new();
    if out.read_to_string(&mut rest).is_ok() && !rest.is_empty() {
        eprintln!("it also wrote: {rest}");
    }
}

/// What a process has cost so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When it was looked at.
    pub at: Instant,
    /// Processor seconds, user and system, all threads.
    pub cpu_s: f64,
    /// Memory, with what is shared divided among those who share it.
    pub pss_bytes: u64,
}

impl Usage {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let smaps = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        Ok(Self {
            at: Instant::now(),
            cpu_s: cpu_ticks(&stat).context("/proc/PID/stat has another form")? as f64 / ticks_per_second(),
            pss_bytes: pss_bytes(&smaps).context("/proc/PID/smaps_rollup has another form")?,
        })
    }

    /// Processor seconds a second between an earlier look and this one.
    pub fn cores_since(&self, earlier: &Self) -> f64 {
        (self.cpu_s - earlier.cpu_s) / (self.at - earlier.at).as_secs_f64()
    }
}

/// utime and stime, the 14th and 15th field; the second field is a name that may contain spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn pss_bytes(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn ticks_per_second() -> f64 {
    // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// Runnable processes of the last minute.
pub fn load_average() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("this machine has no /proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg is empty")?;
    Ok(first.parse()?)
}

/// An X server of our own, without a screen anybody sees.
pub struct Display {
    _server: Process,
    /// For the variable DISPLAY.
    pub name: String,
}

impl Display {
    /// Starts it on a free display number.
    pub fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("Xvfb");
        // Without Composite windows are opaque, as they are drawn.
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1920x1080x24",
            "-nolisten",
            "tcp",
            "-extension",
            "Composite",
        ]);
        command.stderr(Stdio::null());
        let (server, mut out) = Process::start("Xvfb", &mut command).context("install the package xvfb")?;
        let mut number = String::new();
        out.read_line(&mut number)?;
        let number = number.trim();
        if number.is_empty() {
            bail!("Xvfb ended at once");
        }
        Ok(Self {
            _server: server,
            name: format!(":{number}"),
        })
    }
}

/// The binary to be measured, built now.
pub fn build_visavis(root: &Path) -> anyhow::Result<std::path::PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The whole workspace's features, as `make test` has them: nothing is compiled a second time.
    let words = [
        "build",
        "--release",
        "--locked",
        "--workspace",
        "--bin",
        "visavis",
        "--message-format",
        "json-render-diagnostics",
    ];
    let mut command = Command::new(cargo);
    command.args(words).current_dir(root);
    let (build, out) = Process::start("cargo", &mut command)?;
    let mut binary = None;
    for line in out.lines() {
        let message: serde_json::Value = serde_json::from_str(&line?)?;
        if message["target"]["name"] == "visavis"
            && let Some(path) = message["executable"].as_str()
        {
            binary = Some(path.into());
        }
    }
    build.finish()?;
    binary.context("cargo built no visavis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_spaces() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194304 100 0 0 0 250 30 0 0 20 0 11 0 999 1 1";
        assert_eq!(cpu_ticks(stat), Some(280));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn shared_memory_is_read_in_bytes() {
        assert_eq!(
            pss_bytes("00-ff ---p 0 [rollup]\nRss: 9 kB\nPss:   20 kB\nPss_Dirty: 3 kB\n"),
            Some(20_480)
        );
        assert_eq!(pss_bytes(""), None);
    }

    #[test]
    fn this_process_has_a_cost() {
        let usage = Usage::of(std::process::id()).expect("/proc");
        assert!(usage.pss_bytes > 0);
    }
}
