//! The binary: its line on stdout, its exit codes, its end, and what its log does not say.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use futures_util::{SinkExt as _, StreamExt as _};
use signaling_protocol::{Blob, ClientMessage, RoomId, SUBPROTOCOL, ServerMessage, Slot};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

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

impl Process {
    /// Starts a server that logs at this level, or at its own choice.
    fn start(log_level: Option<&str>) -> (Self, SocketAddr) {
        let mut command = Command::new(BINARY);
        match log_level {
            Some(level) => command.env("RUST_LOG", level),
            None => command.env_remove("RUST_LOG"),
        };
        let child = command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = Self(child);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim_end().strip_prefix("LISTENING ").expect(&line);
        (process, address.parse().unwrap())
    }

    /// Its log, after an end by this signal without an error.
    fn stop(mut self, signal: &str) -> String {
        let kill = Command::new("kill")
            .args(["-s", signal, &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0), "SIG{signal}");
        log
    }
}

#[test]
fn it_listens_until_it_is_told_to_end() {
    for signal in ["TERM", "INT"] {
        let (process, address) = Process::start(None);
        let _client = TcpStream::connect(address).unwrap();
        let log = process.stop(signal);
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

/// Says these things on one connection and waits for as many answers; the client's own port.
async fn say(server: SocketAddr, messages: &[String]) -> u16 {
    let stream = tokio::net::TcpStream::connect(server).await.unwrap();
    let port = stream.local_addr().unwrap().port();
    let mut request = format!("ws://{server}/ws").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", SUBPROTOCOL.parse().unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    for message in messages {
        socket.send(Message::text(message.as_str())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
        ServerMessage::from_json(answer.as_str()).unwrap();
    }
    port
}

#[tokio::test]
async fn its_log_names_no_client_no_topic_and_no_room() {
    let id = RoomId([0x5a; 16]);
    let post = ClientMessage::Post {
        topic: id,
        to: Slot(4_000_000_001),
        blob: Blob(b"sealed".to_vec()),
    };
    let listen = ClientMessage::Listen { v: 1, topics: vec![id] };
    let join = ClientMessage::Join {
        v: 1,
        room: id,
        resume: None,
    };
    let nonsense = format!("{{\"type\":\"{id}\"}}");
    for level in [None, Some("trace")] {
        let (process, server) = Process::start(level);
        let ports = [
            say(server, &[nonsense.clone(), listen.to_json(), post.to_json()]).await,
            // The second time is fatal.
            say(server, &[join.to_json(), join.to_json()]).await,
        ];
        let log = process.stop("TERM");
        let is_chatty = log.contains("refused: NotJoined");
        assert_eq!(is_chatty, level.is_some(), "{log}");
        for port in ports {
            assert!(!log.contains(&format!("127.0.0.1:{port}")), "{log}");
        }
        for secret in [
            id.to_string(),
            "90, 90, 90".into(),
            "c2VhbGVk".into(),
            "4000000001".into(),
        ] {
            assert!(!log.contains(&secret), "{secret} in {log}");
        }
        assert_eq!(log.lines().count() == 1, level.is_none(), "{log}");
    }
}
