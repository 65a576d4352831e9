//! `visavis-signaling`: the signaling server on its own.
//!
//! Prints `LISTENING ADDR:PORT` on stdout when clients can connect; diagnostics go to stderr. Ends on Ctrl-C or SIGTERM.
//! Exit code 0 after that, 1 when it cannot listen, 2 for usage.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use signaling_server::{Limits, Server, ServerConfig};
use tracing_subscriber::EnvFilter;

/// Brings the members of Visavis calls together; passes sealed messages between them, never sound or pictures.
#[derive(Debug, Parser)]
#[command(name = "visavis-signaling", version)]
struct Args {
    /// Address and port to listen on; port 0 takes a free one.
    ///
    /// The default is reachable from everywhere. It speaks plain HTTP: for a public server, listen on 127.0.0.1 and put
    /// a proxy with a certificate in front.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:4443")]
    listen: SocketAddr,

    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Connections at once from one address. Behind a proxy all have the same one: give the number for all.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_per_address)]
    max_connections_per_address: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    start_logging();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!(?error, "the server ends");
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    // tungstenite logs whole messages at its finer levels: they stay out of the log whatever RUST_LOG says.
    let quiet = ["tungstenite=warn", "tokio_tungstenite=warn"];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = quiet
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("signaling")
        .enable_all()
        .build()
        .context("The server's threads could not be started")?;
    runtime.block_on(async {
        let shutdown = shutdown_signal()?;
        let limits = Limits {
            connections: args.max_connections,
            connections_per_address: args.max_connections_per_address,
            ..Limits::default()
        };
        let server = Server::bind(ServerConfig {
            listen: args.listen,
            limits,
        })
        .await?;
        writeln!(std::io::stdout(), "LISTENING {}", server.local_addr()).context("Standard output is closed")?;
        server.run(shutdown).await;
        Ok(())
    })
}

/// Completes on Ctrl-C, and on Unix on SIGTERM.
#[cfg(unix)]
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be listened for")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be listened for");
            std::future::pending().await
        }
    })
}
