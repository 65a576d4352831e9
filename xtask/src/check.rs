//! Format, lints and documentation, as `make check` and CI have them, without the tests.

use std::process::Command;

use anyhow::{Context, ensure};

const LINTS: [&str; 8] = [
    "clippy",
    "--release",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];
const DOCS: [&str; 6] = [
    "doc",
    "--release",
    "--locked",
    "--workspace",
    "--no-deps",
    "--document-private-items",
];

/// Runs all three; the first that fails ends it.
///
/// # Errors
/// When a tool is missing or complains.
pub fn run() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], None)?;
    cargo(&LINTS, None)?;
    cargo(
        &DOCS,
        Some(("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")),
    )
}

fn cargo(words: &[&str], variable: Option<(&str, &str)>) -> anyhow::Result<()> {
    let name = words[0];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(words)
        .envs(variable)
        .status()
        .with_context(|| format!("cargo {name} does not run"))?;
    ensure!(status.success(), "cargo {name} complains: see above");
    Ok(())
}
