//! The real `visavis`, with its lines read as they come.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::GUARD;

/// Where a process writes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A running process; killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Lines>,
    readers: Vec<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Lines {
    list: Mutex<Vec<(Stream, String)>>,
    changed: Condvar,
}

/// What a process that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

/// `visavis` with these words.
pub fn visavis(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visavis"));
    command.args(words);
    command
}

impl Process {
    /// Starts a command; `name` is for messages.
    pub fn start(name: &str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Lines::default());
        let out = child.stdout.take().expect("piped");
        let err = child.stderr.take().expect("piped");
        let readers = vec![
            read_lines(out, Stream::Out, Arc::clone(&lines)),
            read_lines(err, Stream::Err, Arc::clone(&lines)),
        ];
        Self {
            name: name.into(),
            child,
            lines,
            readers,
        }
    }

    /// Starts `visavis headless --name NAME WORDS`.
    pub fn headless(name: &str, words: &[&str]) -> Self {
        let words = [&["headless", "--name", name], words].concat();
        Self::start(name, visavis(&words))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The invite link a host prints.
    pub fn link(&self) -> String {
        let line = self.wait_for(Stream::Out, |line| line.starts_with("LINK "));
        line["LINK ".len()..].to_owned()
    }

    /// Waits until there is a line on this stream that fits, and gives it.
    pub fn wait_for(&self, stream: Stream, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_after(0, stream, fits).1
    }

    /// Waits for a line of standard error that contains this.
    pub fn says(&self, part: &str) -> String {
        self.wait_for(Stream::Err, |line| line.contains(part))
    }

    /// How many lines there are so far, for [`Self::says_after`].
    pub fn position(&self) -> usize {
        self.lines.list.lock().expect("no panic").len()
    }

    /// Waits for a line of standard error that contains this and came after a [`position`](Self::position).
    pub fn says_after(&self, position: usize, part: &str) -> String {
        self.wait_for_after(position, Stream::Err, |line| line.contains(part)).1
    }

    fn wait_for_after(&self, position: usize, stream: Stream, fits: impl Fn(&str) -> bool) -> (usize, String) {
        let deadline = Instant::now() + GUARD;
        let mut list = self.lines.list.lock().expect("no panic");
        loop {
            let mut news = list.iter().enumerate().skip(position);
            if let Some((index, (_, line))) = news.find(|(_, (from, line))| *from == stream && fits(line)) {
                return (index, line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let over = left.is_zero() || self.readers.iter().all(thread::JoinHandle::is_finished);
            assert!(!over, "{}: the line never came; it wrote {list:#?}", self.name);
            let pause = left.min(Duration::from_millis(200));
            list = self.lines.changed.wait_timeout(list, pause).expect("no panic").0;
        }
    }

    /// Gives a run with `--script -` a line; it counts from now.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Whether a line that fits was written so far.
    pub fn has_written(&self, stream: Stream, fits: impl Fn(&str) -> bool) -> bool {
        let list = self.lines.list.lock().expect("no panic");
        list.iter().any(|(from, line)| *from == stream && fits(line))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Sends a signal by its name, like `INT`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.id().to_string())
            .status();
        assert!(sent.expect("kill runs").success(), "{}: no signal {signal}", self.name);
    }

    /// Kills it, without a chance to say good-bye.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("it runs");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + GUARD;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end; it wrote {:#?}",
                self.name,
                self.lines.list
            );
            thread::sleep(Duration::from_millis(20));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("readers do not panic");
        }
        let list = self.lines.list.lock().expect("no panic");
        let of = |stream| {
            let own = list.iter().filter(|(from, _)| *from == stream);
            own.fold(String::new(), |text, (_, line)| text + line + "\n")
        };
        let (out, err) = (of(Stream::Out), of(Stream::Err));
        assert!(!err.contains("panicked"), "{} panicked:\n{err}", self.name);
        Ended { status, out, err }
    }

    /// Waits until it ends by itself with this exit code.
    pub fn ends_with(self, code: i32) -> Ended {
        let name = self.name.clone();
        let ended = self.wait();
        assert_eq!(
            ended.status.code(),
            Some(code),
            "{name} ended otherwise:\n{}{}",
            ended.out,
            ended.err
        );
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, or been waited for: both are fine here.
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            eprintln!("{} could not be waited for", self.name);
        }
    }
}

fn read_lines(from: impl Read + Send + 'static, stream: Stream, into: Arc<Lines>) -> thread::JoinHandle<()> {
    let body = move || {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            into.list.lock().expect("no panic").push((stream, line));
            into.changed.notify_all();
            bytes.clear();
        }
        into.changed.notify_all();
    };
    thread::Builder::new()
        .name("line-reader".into())
        .spawn(body)
        .expect("a thread")
}
