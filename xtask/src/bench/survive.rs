//! Calls whose network goes away, comes back, or becomes another one: how long it takes until media flow again.
//!
//! In: a table of what happens to the guest's network. Out: of each run the longest time without a packet, either way,
//! less the time in which no packet could have come.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use network_lab::{Direction, Lab};
use serde::Serialize;

use super::process::{Process, build_visavis, drain, load_average, read_link};
use super::report::{number, read_json};
use super::table::{self, Asked, Line, emit};

/// Where the host's server listens.
const PORT: u16 = 47_000;
/// How long the first picture may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of a call before anything happens, and after the last thing has.
const QUIET_S: u64 = 6;
const AFTERWARDS_S: u64 = 20;

/// How to measure.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How many runs of each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Only this; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(TROUBLES.map(|trouble| trouble.name)))]
    only: Vec<String>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Something that is done to the network.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A link swallows everything.
    Cut(&'static str),
    /// It does not any more.
    Mend(&'static str),
    /// The cable is pulled: address and routes are gone.
    Unplug(&'static str),
    Plug(&'static str),
    /// A NAT forgets whom it knew.
    Forget(&'static str),
}

/// A row of the table.
struct Trouble {
    name: &'static str,
    title: &'static str,
    /// Besides the router "net" and the host "host".
    plan: &'static str,
    /// Before the call.
    before: &'static [Deed],
    /// With the milliseconds since the call has run for a while.
    deeds: &'static [(u64, Deed)],
    /// Between these two deeds nothing can come.
    cut: Option<(usize, usize)>,
    asked_ms: f64,
}

const ONE_LINK: &str = "host guest net both=delay=20ms";
const TWO_LINKS: &str = "host guest net if=wifi both=delay=20ms\nlink guest net if=lte both=delay=30ms";

const fn cut(name: &'static str, title: &'static str, deeds: &'static [(u64, Deed)], asked_ms: f64) -> Trouble {
    Trouble {
        name,
        title,
        plan: ONE_LINK,
        before: &[],
        deeds,
        cut: Some((0, 1)),
        asked_ms,
    }
}

const TROUBLES: [Trouble; 10] = [
    cut(
        "cut-1",
        "cut of 1 s",
        &[(0, Deed::Cut("guest")), (1_000, Deed::Mend("guest"))],
        2_000.0,
    ),
    cut(
        "cut-5",
        "cut of 5 s",
        &[(0, Deed::Cut("guest")), (5_000, Deed::Mend("guest"))],
        2_000.0,
    ),
    cut(
        "cut-20",
        "cut of 20 s",
        &[(0, Deed::Cut("guest")), (20_000, Deed::Mend("guest"))],
        2_000.0,
    ),
    cut(
        "cut-60",
        "cut of 60 s",
        &[(0, Deed::Cut("guest")), (60_000, Deed::Mend("guest"))],
        5_000.0,
    ),
    cut(
        "cut-300",
        "cut of 5 min",
        &[(0, Deed::Cut("guest")), (300_000, Deed::Mend("guest"))],
        5_000.0,
    ),
    Trouble {
        name: "unplug-5",
        title: "cable out for 5 s",
        plan: ONE_LINK,
        before: &[],
        deeds: &[(0, Deed::Unplug("guest")), (5_000, Deed::Plug("guest"))],
        cut: Some((0, 1)),
        asked_ms: 2_000.0,
    },
    Trouble {
        name: "hand-over",
        title: "hand-over, the old path alive at first",
        plan: TWO_LINKS,
        before: &[Deed::Unplug("guest/lte")],
        deeds: &[(0, Deed::Plug("guest/lte")), (3_000, Deed::Unplug("guest/wifi"))],
        cut: None,
        asked_ms: 200.0,
    },
    Trouble {
        name: "hand-over-late",
        title: "hand-over, the new path 0.5 s later",
        plan: TWO_LINKS,
        before: &[Deed::Unplug("guest/lte")],
        deeds: &[(0, Deed::Unplug("guest/wifi")), (500, Deed::Plug("guest/lte"))],
        cut: Some((0, 1)),
        asked_ms: 2_000.0,
    },
    Trouble {
        name: "hand-over-silent",
        title: "the old path dies and nobody says so",
        plan: TWO_LINKS,
        before: &[],
        deeds: &[(0, Deed::Cut("guest/wifi"))],
        cut: None,
        asked_ms: 2_000.0,
    },
    Trouble {
        name: "nat-forgets",
        title: "the NAT of the guest forgets",
        plan: "nat home net type=symmetric both=delay=20ms\nhost guest home",
        before: &[],
        deeds: &[(0, Deed::Forget("home"))],
        cut: None,
        asked_ms: 2_000.0,
    },
];

/// One call.
#[derive(Clone, Debug, Serialize)]
struct Run {
    /// Without a packet, less the cut; none when the call failed or did not come back.
    back_ms: Option<f64>,
    reconnects: f64,
    timeline: serde_json::Value,
    failure: Option<String>,
    load: f64,
}

/// All of a row.
#[derive(Debug, Serialize)]
struct Measured {
    trouble: &'static str,
    line: Line,
    runs: Vec<Run>,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Results<'a> {
    unix_time_s: u64,
    processors: usize,
    troubles: &'a [Measured],
}

/// Measures, prints the table, writes the JSON.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(why) = Lab::unavailable() {
        bail!("{why}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    let results = root.join("bench-results");
    let folder = results.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let binary = match &options.binary {
        Some(binary) => binary.canonicalize().context("there is no such binary")?,
        None => build_visavis(root)?,
    };
    let measured = measure(&binary, options, &folder, &results.join("survive.json"));
    fs::remove_dir_all(&folder)?;
    measured
}

fn measure(binary: &Path, options: &Options, folder: &Path, json: &Path) -> anyhow::Result<()> {
    let wanted = |trouble: &&Trouble| options.only.is_empty() || options.only.iter().any(|name| name == trouble.name);
    let mut measured: Vec<Measured> = Vec::new();
    for trouble in TROUBLES.iter().filter(wanted) {
        let mut runs = Vec::new();
        for number in 1..=options.runs {
            eprintln!("{}: run {number} of {}", trouble.title, options.runs);
            let load = load_average()?;
            let outcome = call(binary, trouble, folder);
            let load = load.max(load_average()?);
            let run = outcome.unwrap_or_else(|error| Run {
                back_ms: None,
                reconnects: 0.0,
                timeline: serde_json::Value::Null,
                failure: Some(format!("{error:#}")),
                load,
            });
            let run = Run { load, ..run };
            match &run.failure {
                Some(failure) => eprintln!("this call failed: {failure}"),
                None => eprintln!("back after {:?} ms, load {load}", run.back_ms),
            }
            runs.push(run);
        }
        let figure = table::Figure {
            name: trouble.title,
            asked: Asked::AtMost(trouble.asked_ms),
            values: runs.iter().map(|run| run.back_ms.unwrap_or(f64::INFINITY)).collect(),
            digits: 0,
        };
        measured.push(Measured {
            trouble: trouble.name,
            line: figure.line(),
            runs,
        });
        let results = Results {
            unix_time_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            processors: std::thread::available_parallelism()?.get(),
            troubles: &measured,
        };
        fs::write(json, serde_json::to_vec_pretty(&results)?)?;
    }
    emit("milliseconds until media flow again both ways, once they can");
    for Measured { line, runs, .. } in &measured {
        let loads: Vec<String> = runs.iter().map(|run| run.load.to_string()).collect();
        let value = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| value.to_string());
        emit(&format!(
            "{:<42} {:>8} {:>8} {:>8}  {:<12} load {}",
            line.figure,
            line.asked,
            value(line.median),
            value(line.worst),
            line.verdict,
            loads.join(" ")
        ));
    }
    emit(&format!("as JSON, with every run: {}", json.display()));
    Ok(())
}

fn call(binary: &Path, trouble: &Trouble, folder: &Path) -> anyhow::Result<Run> {
    let lab = Lab::start(&format!("router net ipv4-only\nhost host net\n{}", trouble.plan))?;
    for deed in trouble.before {
        do_it(&lab, *deed)?;
    }
    let last_ms = trouble.deeds.iter().map(|(at, _)| *at).max().unwrap_or_default();
    let seconds = QUIET_S + last_ms.div_ceil(1_000) + AFTERWARDS_S;
    let report = |side: &str| folder.join(format!("{side}.json"));
    let headless = |side: &str, name: &str| {
        let binary = binary.to_str().context("the binary's path is no text")?;
        let mut command = lab.command(side, binary)?;
        command.args([
            "headless",
            "--name",
            name,
            "--microphone",
            "test",
            "--camera",
            "test:640x360@30",
        ]);
        command.args([
            "--until-peers",
            "1",
            "--seconds",
            &seconds.to_string(),
            "--report-every",
        ]);
        command.arg("--report").arg(report(side));
        command.env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
        anyhow::Ok(command)
    };
    let mut host = headless("host", "Host")?;
    let listen = format!("{}:{PORT}", lab.address("host")?);
    host.args(["--host", "--listen", &listen]);
    let (host, mut host_out) = Process::start("the host", &mut host)?;
    let invitation = read_link(&mut host_out)?;
    let mut guest = headless("guest", "Guest")?;
    guest.args(["--join", &invitation]);
    let (guest, guest_out) = Process::start("the guest", &mut guest)?;

    let started = Instant::now();
    let frames = |side: &str| {
        let report: serde_json::Value = serde_json::from_slice(&fs::read(report(side)).ok()?).ok()?;
        number(&report["participants"][0]["video_received"][0]["frames"])
    };
    while ["host", "guest"].into_iter().any(|side| frames(side) < Some(1.0)) {
        ensure!(started.elapsed() < PATIENCE, "no picture came");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What the beginning had of gaps is not counted: they are shorter than what follows, or it was in vain.
    std::thread::sleep(Duration::from_secs(QUIET_S / 2));
    let gaps = |side: &str| -> anyhow::Result<Vec<f64>> {
        let report = read_json(&report(side))?;
        let gaps = report["participants"][0]["gaps_ms"].as_array().cloned();
        Ok(gaps.unwrap_or_default().iter().filter_map(number).collect())
    };
    let before = [gaps("host")?.len(), gaps("guest")?.len()];
    let began = Instant::now();
    let mut done = Vec::new();
    for (at, deed) in trouble.deeds {
        std::thread::sleep(Duration::from_millis(*at).saturating_sub(began.elapsed()));
        do_it(&lab, *deed)?;
        done.push(began.elapsed());
    }
    std::thread::sleep(Duration::from_secs(AFTERWARDS_S / 2));
    let late = [frames("host"), frames("guest")];
    guest.finish()?;
    host.finish()?;
    [host_out, guest_out].into_iter().for_each(drain);
    let cut_ms = trouble
        .cut
        .map_or(0.0, |(from, to)| (done[to] - done[from]).as_secs_f64() * 1e3);
    let (mut longest, mut reconnects) = (0.0_f64, 0.0_f64);
    for ((side, before), late) in ["host", "guest"].into_iter().zip(before).zip(late) {
        let gap = gaps(side)?.into_iter().skip(before).fold(0.0, f64::max);
        // A gap that has not ended is none yet.
        let more = frames(side).unwrap_or_default() - late.unwrap_or_default();
        ensure!(more > 30.0, "{side} sees {more} pictures at the end");
        longest = longest.max(gap);
        let report = read_json(&report(side))?;
        reconnects = reconnects.max(number(&report["participants"][0]["reconnects"]).unwrap_or_default());
    }
    Ok(Run {
        back_ms: Some((longest - cut_ms).max(0.0)),
        reconnects,
        timeline: read_json(&report("guest"))?["timeline"].clone(),
        failure: None,
        load: 0.0,
    })
}

fn do_it(lab: &Lab, deed: Deed) -> anyhow::Result<()> {
    match deed {
        Deed::Cut(link) => lab.set(link, Direction::Both, "cut=on")?,
        Deed::Mend(link) => lab.set(link, Direction::Both, "cut=off")?,
        Deed::Unplug(link) => lab.unplug(link)?,
        Deed::Plug(link) => lab.plug(link)?,
        Deed::Forget(nat) => lab.forget(nat)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_makes_sense() {
        for trouble in &TROUBLES {
            assert!(trouble.deeds.is_sorted_by_key(|(at, _)| *at), "{}", trouble.name);
            if let Some((from, to)) = trouble.cut {
                assert!(from < to && to < trouble.deeds.len(), "{}", trouble.name);
            }
        }
    }
}
