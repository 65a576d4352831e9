//! The binary: its line on stdout, its exit codes, its end.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_visavis-signaling");

/// Kills the process when a test fails half-way.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            self.0.wait().expect("a killed process ends");
        }
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

#[test]
fn it_listens_until_it_is_told_to_end() {
    for signal in ["TERM", "INT"] {
        let child = Command::new(BINARY)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address: SocketAddr = line
            .trim_end()
            .strip_prefix("LISTENING ")
            .expect(&line)
            .parse()
            .unwrap();
        let _client = TcpStream::connect(address).unwrap();

        let kill = Command::new("kill")
            .args(["-s", signal, &process.0.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        assert_eq!(process.0.wait().unwrap().code(), Some(0), "SIG{signal}");
        let mut log = String::new();
        process.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(log.contains("stopped"), "{log}");
        // The port is free again at once.
        TcpListener::bind(address).unwrap();
    }
}

#[test]
fn a_port_in_use_is_exit_code_1_and_a_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains(&address) && complaint.contains("choose another port"),
        "{complaint}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [&["--listen", "nowhere"][..], &["--listen"], &["--loud"], &["extra"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn it_knows_its_version() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        format!("visavis-signaling {}", env!("CARGO_PKG_VERSION"))
    );
}
