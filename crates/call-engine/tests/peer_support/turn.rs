//! A TURN server of a test's own: `turnserver` of the coturn project, where it is installed.

#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use call_engine::peer::{ExtraRoots, IceServer, PeerConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::PATIENCE;

/// Changes a configuration.
pub type Configure = Box<dyn FnOnce(&mut PeerConfig) + Send>;

/// Over UDP, on this machine.
pub fn relay(port: u16, password: &str) -> IceServer {
    IceServer {
        url: format!("turn:127.0.0.1:{port}"),
        username: Some("user".to_owned()),
        credential: Some(password.to_owned()),
    }
}

/// Ends with this value.
pub struct TurnServer {
    process: Child,
    pub port: u16,
    tls_port: u16,
    roots: ExtraRoots,
    _files: TempDir,
}

impl TurnServer {
    /// Takes user `user` with password `pw`. `None` where none is installed.
    pub async fn start(more: &[&str]) -> Option<Self> {
        let (port, tls_port) = (free_port(), free_port());
        let files = tempfile::tempdir().unwrap();
        let roots = write_certificate(&files);
        let path = |name: &str| files.path().join(name).display().to_string();
        let started = Command::new("turnserver")
            .args(["-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
            .args(["--user=user:pw", "--realm=test", "--lt-cred-mech"])
            .args(["--allow-loopback-peers", "--no-cli", "--no-dtls"])
            .args(["--log-file=stdout", "--pidfile="])
            .arg(format!("--listening-port={port}"))
            .arg(format!("--tls-listening-port={tls_port}"))
            .arg(format!("--cert={}", path("server.pem")))
            .arg(format!("--pkey={}", path("key.pem")))
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(process) => {
                let server = Self {
                    process,
                    port,
                    tls_port,
                    roots,
                    _files: files,
                };
                server.answers().await;
                Some(server)
            }
            Err(error) => {
                println!("no TURN server to try a relayed call with: {error}");
                None
            }
        }
    }

    /// This server over `udp`, `tcp` or `tls`.
    pub fn at(&self, transport: &str, password: &str) -> IceServer {
        let mut server = relay(self.port, password);
        server.url = match transport {
            "udp" => server.url,
            "tcp" => server.url + "?transport=tcp",
            "tls" => format!("turns:127.0.0.1:{}?transport=tcp", self.tls_port),
            other => panic!("{other}"),
        };
        server
    }

    /// Hides behind this server alone.
    pub fn behind(&self, transport: &str, password: &str) -> Configure {
        let (server, roots) = (self.at(transport, password), self.roots.clone());
        Box::new(move |config| {
            config.relay_only = true;
            config.ice_servers = vec![server];
            config.extra_roots = roots;
        })
    }

    /// Until it answers a STUN request, and takes streams.
    async fn answers(&self) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(("127.0.0.1", self.port)).await.unwrap();
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let asking = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            let mut answer = [0; 256];
            loop {
                // Refused while nobody listens.
                socket.send(&request).await.ok();
                tokio::select! {
                    Ok(_) = socket.recv(&mut answer) => break,
                    _ = tick.tick() => {}
                }
            }
            for port in [self.port, self.tls_port] {
                while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    tick.tick().await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .expect("the TURN server answers");
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// An authority, and by it a certificate for this machine.
fn write_certificate(files: &TempDir) -> ExtraRoots {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    std::fs::write(files.path().join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(files.path().join("key.pem"), key.serialize_pem()).unwrap();
    ExtraRoots::from_pem(issuer.pem().as_bytes()).unwrap()
}
