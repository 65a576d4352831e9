//! `cargo xtask`: what a developer does besides building and testing.

mod bench;
mod check;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Visavis")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lints and documentation: what has to be right besides the tests
    Check,
    /// Measure
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// A call between two processes on this machine: latency, processor, memory, picture
    Call(bench::call::Options),
    /// Calls over bad networks, beside what Chromium makes of the same ones; needs root
    #[cfg(target_os = "linux")]
    Network(bench::network::Options),
    /// Calls whose network goes away, comes back or becomes another one; needs root
    #[cfg(target_os = "linux")]
    Survive(bench::survive::Options),
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Check => check::run(),
        Task::Bench { what } => match what {
            Bench::Call(options) => bench::call::run(&options),
            #[cfg(target_os = "linux")]
            Bench::Network(options) => bench::network::run(&options),
            #[cfg(target_os = "linux")]
            Bench::Survive(options) => bench::survive::run(&options),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
