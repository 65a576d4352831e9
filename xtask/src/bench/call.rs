//! A call between two release processes on this machine, measured from outside and by their own reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::clip;
use super::picture::{self, Comparison};
use super::process::{Display, Process, Usage, build_visavis, drain, load_average, read_link};
use super::report::{camera_of, number, read_json};
use super::table::{Asked, Figure, Line, emit, text};

/// Before this the call is not steady: connecting, first key frames, rate finding.
const SETTLING: Duration = Duration::from_secs(5);
/// Left of the end when the last look is taken.
const MARGIN: Duration = Duration::from_secs(2);
/// The rate at which pictures are compared.
const PICTURE_BITRATE_BPS: u32 = 2_600_000;
/// Seconds recorded for comparing pictures; raw pictures fill 41 MB a second.
const PICTURE_SECONDS: u64 = 15;
const MIB: f64 = 1024.0 * 1024.0;

/// How to measure a call.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Length of a run
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=600))]
    seconds: u64,
    /// How many runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// One side with its window, under an X server of its own; that side is measured
    #[arg(long)]
    window: bool,
    /// Camera of both sides
    #[arg(long, default_value = "test:1280x720@30")]
    camera: String,
    /// A 1280x720 y4m clip for the comparison of pictures; without it one is generated
    #[arg(long)]
    clip: Option<PathBuf>,
    /// Leave out the comparison of pictures
    #[arg(long)]
    no_picture: bool,
}

/// One side in one run.
#[derive(Debug, Serialize)]
struct Side {
    latency_p50_ms: Option<f64>,
    latency_p95_ms: Option<f64>,
    cpu_cores: f64,
    pss_bytes: u64,
    join_to_first_frame_ms: Option<f64>,
    fps: Option<f64>,
    freezes: Option<f64>,
    received_bitrate_bps: Option<f64>,
    cpu_by_thread: Value,
}

/// One run: the sides that are judged, and how busy the machine was.
#[derive(Debug, Serialize)]
struct Run {
    sides: Vec<Side>,
    load_before: f64,
    load_after: f64,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Results<'a> {
    unix_time_s: u64,
    variant: &'static str,
    camera: &'a str,
    seconds: u64,
    processors: usize,
    lines: &'a [Line],
    picture: Option<PictureResult>,
    runs: &'a [Run],
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PictureResult {
    psnr_y_db: f64,
    frames: usize,
    bitrate_bps: f64,
}

/// The figures that are asked of one variant.
struct Limits {
    latency_p50_ms: f64,
    latency_p95_ms: f64,
    cpu_cores: f64,
    pss_mib: f64,
    join_ms: f64,
    fps: f64,
}

const HEADLESS_LIMITS: Limits = Limits {
    latency_p50_ms: 40.0,
    latency_p95_ms: 60.0,
    cpu_cores: 0.32,
    pss_mib: 100.0,
    join_ms: 300.0,
    fps: 29.8,
};
const WINDOW_LIMITS: Limits = Limits {
    latency_p50_ms: 60.0,
    latency_p95_ms: 85.0,
    cpu_cores: 0.62,
    pss_mib: 180.0,
    join_ms: 400.0,
    fps: 29.5,
};
/// Two Chromium 156 on the machine this was written on, at the same rate.
const CHROMIUM_PSNR_DB: f64 = 39.3;

/// Measures, prints the table, writes the JSON.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    let results = root.join("bench-results");
    fs::create_dir_all(&results)?;
    let bench = Bench {
        binary: build_visavis(root)?,
        display: options.window.then(Display::start).transpose()?,
        options,
        folder: results.join(format!("run-{}", std::process::id())),
    };
    fs::create_dir_all(&bench.folder)?;
    let measured = bench.measure(&results);
    fs::remove_dir_all(&bench.folder)?;
    measured
}

struct Bench<'a> {
    binary: PathBuf,
    display: Option<Display>,
    options: &'a Options,
    /// For reports and recordings of this bench, removed at its end.
    folder: PathBuf,
}

impl Bench<'_> {
    fn measure(&self, results: &Path) -> anyhow::Result<()> {
        let mut runs = Vec::new();
        for number in 1..=self.options.runs {
            eprintln!("run {number} of {}: {} s", self.options.runs, self.options.seconds);
            runs.push(self.call(self.options.seconds)?);
        }
        let picture = match (self.options.window, self.options.no_picture) {
            (false, false) => Some(self.picture(results)?),
            (true, _) | (_, true) => None,
        };
        let lines = self.lines(&runs, picture);
        let variant = if self.options.window { "window" } else { "headless" };
        let output = Results {
            unix_time_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            variant,
            camera: &self.options.camera,
            seconds: self.options.seconds,
            processors: std::thread::available_parallelism()?.get(),
            lines: &lines,
            picture,
            runs: &runs,
        };
        let json = results.join(format!("call-{variant}.json"));
        fs::write(&json, serde_json::to_vec_pretty(&output)?)?;
        self.print(&output, &json);
        Ok(())
    }

    fn print(&self, results: &Results<'_>, json: &Path) {
        let loads = results.runs.iter().flat_map(|run| [run.load_before, run.load_after]);
        let (least, most) = loads.fold((f64::MAX, 0.0_f64), |(least, most), load| {
            (least.min(load), most.max(load))
        });
        let runs = results.runs.len();
        let (variant, camera, seconds) = (results.variant, results.camera, results.seconds);
        eprintln!();
        emit(&format!(
            "A call on this machine, {variant}, {camera}, {runs} x {seconds} s"
        ));
        emit(&format!(
            "load average {least:.2} to {most:.2} on {} processors",
            results.processors
        ));
        emit(&text(results.lines));
        if let Some(picture) = results.picture {
            let rate = picture.bitrate_bps / 1e6;
            emit(&format!(
                "picture: {} frames compared, {rate:.2} Mbit/s on the wire",
                picture.frames
            ));
        }
        emit(&format!("as JSON, with every run: {}", json.display()));
    }

    /// One call. Both sides are judged, or the one with the window.
    fn call(&self, seconds: u64) -> anyhow::Result<Run> {
        let load_before = load_average()?;
        let (host_report, guest_report) = (self.folder.join("host.json"), self.folder.join("guest.json"));
        let (host, mut out) = Process::start("the host", self.headless("Host", seconds, &host_report).arg("--host"))?;
        let link = read_link(&mut out)?;
        let mut guest = match &self.display {
            Some(display) => self.windowed(display, &link, seconds, &guest_report),
            None => self.headless("Guest", seconds, &guest_report),
        };
        if self.display.is_none() {
            guest.args(["--join", &link]);
        }
        let (guest, guest_out) = Process::start("the guest", &mut guest)?;
        std::thread::sleep(SETTLING);
        let before = (host.usage()?, guest.usage()?);
        std::thread::sleep(Duration::from_secs(seconds).saturating_sub(SETTLING + MARGIN));
        let after = (host.usage()?, guest.usage()?);
        host.finish()?;
        guest.finish()?;
        drain(out);
        drain(guest_out);
        let host = side(&host_report, &before.0, &after.0)?;
        let guest = side(&guest_report, &before.1, &after.1)?;
        Ok(Run {
            sides: if self.options.window {
                vec![guest]
            } else {
                vec![host, guest]
            },
            load_before,
            load_after: load_average()?,
        })
    }

    /// `visavis headless`, without its role.
    fn headless(&self, name: &str, seconds: u64, report: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("headless")
            .args(self.common(name, seconds))
            .arg("--report")
            .arg(report);
        command
    }

    fn windowed(&self, display: &Display, link: &str, seconds: u64, report: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(link)
            .args(self.common("Guest", seconds))
            .args(["--microphone", "test", "--speaker", "null"]);
        command.arg("--report").arg(report);
        // Settings of whoever runs this must not change what is measured.
        command
            .env("DISPLAY", &display.name)
            .env_remove("WAYLAND_DISPLAY")
            .env("XDG_CONFIG_HOME", &self.folder)
            .env("XDG_DATA_HOME", &self.folder);
        command
    }

    fn common(&self, name: &str, seconds: u64) -> Vec<String> {
        let seconds = seconds.to_string();
        let words = [
            "--name",
            name,
            "--camera",
            &self.options.camera,
            "--stamp",
            "--until-peers",
            "1",
            "--seconds",
            &seconds,
        ];
        words.map(String::from).to_vec()
    }

    /// A call with the clip, recorded on the far side.
    fn picture(&self, results: &Path) -> anyhow::Result<PictureResult> {
        let clip = match &self.options.clip {
            Some(clip) => clip.clone(),
            None => {
                let path = results.join("clip-1280x720.y4m");
                clip::ensure(&path)?;
                path
            }
        };
        eprintln!("picture: {PICTURE_SECONDS} s at {PICTURE_BITRATE_BPS} bit/s");
        let (report, record) = (self.folder.join("picture.json"), self.folder.join("recording"));
        let camera = format!("file:{}", clip.display());
        let run = [
            "--stamp",
            "--until-peers",
            "1",
            "--seconds",
            &PICTURE_SECONDS.to_string(),
        ]
        .map(String::from);
        let mut host = Command::new(&self.binary);
        host.args(["headless", "--host", "--name", "Host", "--camera", &camera])
            .args(&run);
        host.args(["--max-bitrate", &PICTURE_BITRATE_BPS.to_string()]);
        let (host, mut out) = Process::start("the host", &mut host)?;
        let mut guest = Command::new(&self.binary);
        guest
            .args(["headless", "--join", &read_link(&mut out)?, "--camera", "none"])
            .args(&run);
        guest.arg("--record").arg(&record).arg("--report").arg(&report);
        let (guest, guest_out) = Process::start("the guest", &mut guest)?;
        guest.finish()?;
        host.finish()?;
        drain(out);
        drain(guest_out);
        let Comparison { psnr_y_db, frames } = picture::compare(&clip, &recording_in(&record)?)?;
        let bitrate_bps = number(&camera_of(&read_json(&report)?)?["bitrate_bps"]).context("no rate was measured")?;
        Ok(PictureResult {
            psnr_y_db,
            frames,
            bitrate_bps,
        })
    }

    fn lines(&self, runs: &[Run], picture: Option<PictureResult>) -> Vec<Line> {
        let limits = if self.options.window {
            WINDOW_LIMITS
        } else {
            HEADLESS_LIMITS
        };
        let highest = |pick: &dyn Fn(&Side) -> Option<f64>| -> Vec<f64> {
            let of_run = |run: &Run| run.sides.iter().filter_map(pick).reduce(f64::max);
            runs.iter().filter_map(of_run).collect()
        };
        let lowest = |pick: &dyn Fn(&Side) -> Option<f64>| -> Vec<f64> {
            let of_run = |run: &Run| run.sides.iter().filter_map(pick).reduce(f64::min);
            runs.iter().filter_map(of_run).collect()
        };
        let at_most = |name, limit, values, digits| Figure {
            name,
            asked: Asked::AtMost(limit),
            values,
            digits,
        };
        let mut figures = vec![
            at_most(
                "latency, capture to presented, p50, ms",
                limits.latency_p50_ms,
                highest(&|s| s.latency_p50_ms),
                1,
            ),
            at_most(
                "latency, capture to presented, p95, ms",
                limits.latency_p95_ms,
                highest(&|s| s.latency_p95_ms),
                1,
            ),
            at_most(
                "processor, cores a side",
                limits.cpu_cores,
                highest(&|s| Some(s.cpu_cores)),
                3,
            ),
            at_most(
                "memory a side (PSS), MiB",
                limits.pss_mib,
                highest(&|s| Some(s.pss_bytes as f64 / MIB)),
                1,
            ),
            at_most(
                "join to first remote frame, ms",
                limits.join_ms,
                highest(&|s| s.join_to_first_frame_ms),
                0,
            ),
        ];
        figures.push(Figure {
            name: "frames a second shown",
            asked: Asked::AtLeast(limits.fps),
            values: lowest(&|s| s.fps),
            digits: 2,
        });
        if !self.options.window {
            figures.push(Figure {
                name: "picture at 2.6 Mbit/s, PSNR-Y, dB",
                asked: Asked::AtLeast(CHROMIUM_PSNR_DB),
                values: picture.map(|picture| picture.psnr_y_db).into_iter().collect(),
                digits: 2,
            });
        }
        figures.iter().map(Figure::line).collect()
    }
}

fn side(report: &Path, before: &Usage, after: &Usage) -> anyhow::Result<Side> {
    let report = read_json(report)?;
    let video = camera_of(&report)?;
    let unreadable = number(&video["stamps_unreadable"]).unwrap_or_default();
    ensure!(
        unreadable == 0.0,
        "{unreadable} stamps could not be read: the latency is not to be trusted"
    );
    Ok(Side {
        latency_p50_ms: number(&video["latency_ms"]["p50"]),
        latency_p95_ms: number(&video["latency_ms"]["p95"]),
        cpu_cores: after.cores_since(before),
        pss_bytes: after.pss_bytes,
        join_to_first_frame_ms: number(&report["join_to_first_frame_ms"]),
        fps: number(&video["fps"]),
        freezes: number(&video["freezes"]["count"]),
        received_bitrate_bps: number(&video["bitrate_bps"]),
        cpu_by_thread: report["process"]["cpu_by_thread"].clone(),
    })
}

/// The recorded pictures: those of the size that most of them had.
fn recording_in(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut longest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder).context("nothing was recorded")? {
        let entry = entry?;
        let (length, path) = (entry.metadata()?.len(), entry.path());
        let is_pictures = path.extension().is_some_and(|extension| extension == "y4m");
        if is_pictures && longest.as_ref().is_none_or(|(known, _)| *known < length) {
            longest = Some((length, path));
        }
    }
    Ok(longest.context("no pictures were recorded")?.1)
}
