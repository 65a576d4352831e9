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
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Check => check::run(),
        Task::Bench {
            what: Bench::Call(options),
        } => bench::call::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
