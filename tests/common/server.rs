//! The real `visavis-signaling`, to be killed and started again.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::process::{Process, Stream};

/// A signaling server on a port of its own.
pub struct Server {
    port: u16,
    process: Option<Process>,
}

impl Server {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        // The port is free again when the probe is dropped, and nobody else is given it so soon.
        let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = probe.local_addr().expect("bound").port();
        drop(probe);
        let mut server = Self { port, process: None };
        server.start_again();
        server
    }

    /// Its address for `--server`.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Kills it without a word to its clients.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Starts it on the same port, with nothing remembered.
    pub fn start_again(&mut self) {
        let mut command = Command::new(binary());
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        let process = Process::start("visavis-signaling", command);
        let port = self.port.to_string();
        process.wait_for(Stream::Out, |line| line.contains(&port));
        self.process = Some(process);
    }
}

/// Built like the application under test. `cargo test --workspace` builds it beside that one; a test that is run
/// alone may find it missing or older than its sources, and has cargo build it.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_visavis")).parent().expect("in a folder");
        let binary = folder.join("visavis-signaling");
        if !is_fresh(&binary) {
            build(folder);
        }
        binary
    })
}

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "signaling-server"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().expect("in a target folder"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.expect("cargo runs").success(), "visavis-signaling does not build");
}

/// Whether the binary is there and younger than everything it is made of.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(built) = changed(binary) else { return false };
    let sources = ["signaling-server/src", "crates/signaling-protocol/src"];
    let files = sources
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"));
    files
        .flatten()
        .all(|file| changed(&file.path()).is_some_and(|changed| changed <= built))
}
