//! Calls over bad networks, as people have them: loss, long ways, narrow lines, and lines that change. Each is measured over
//! the same links as Chromium was.

mod figures;
mod links;
mod session;
mod step;
mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use network_lab::Lab;
use serde::Serialize;

use self::figures::{Better, Figure, Figures};
use self::links::{LINKS, Link};
use self::session::Session;
use super::clip;
use super::picture::Comparer;
use super::process::{build_visavis, load_average};
use super::table::{self, Asked, Line, emit};

/// Of the runs in which pictures are compared.
const PICTURE_SECONDS: u64 = 20;

/// How to measure calls over bad networks.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How many runs over each link
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Length of a run over a link that stays as it is
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(10..=600))]
    seconds: u64,
    /// Only this link; may be given several times
    #[arg(long, value_parser = PossibleValuesParser::new(LINKS.map(|link| link.name)))]
    only: Vec<String>,
    /// Leave out the comparison of pictures
    #[arg(long)]
    no_picture: bool,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// A 1280x720 y4m clip; without it one is generated
    #[arg(long)]
    clip: Option<PathBuf>,
}

/// One call.
#[derive(Debug, Serialize)]
struct Run {
    figures: Figures,
    /// Why it has none.
    failure: Option<String>,
    load: f64,
}

/// A figure of a link in all runs.
#[derive(Debug, Serialize)]
struct Cell {
    chromium: Option<String>,
    #[serde(flatten)]
    line: Line,
}

/// All that was measured over a link.
#[derive(Debug, Serialize)]
struct Measured {
    link: &'static str,
    words: &'static str,
    cells: Vec<Cell>,
    runs: Vec<Run>,
    picture: Option<Run>,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Results<'a> {
    unix_time_s: u64,
    seconds: u64,
    processors: usize,
    links: &'a [Measured],
}

/// Measures, prints the tables, writes the JSON.
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
    let clip = match &options.clip {
        Some(clip) => clip.canonicalize().context("there is no such clip")?,
        None => results.join("clip-1280x720.y4m"),
    };
    if options.clip.is_none() {
        clip::ensure(&clip)?;
    }
    let bench = Bench {
        binary: match &options.binary {
            Some(binary) => binary.canonicalize().context("there is no such binary")?,
            None => build_visavis(root)?,
        },
        clip,
        options,
        folder: folder.clone(),
    };
    let measured = bench.measure(&results.join("network.json"));
    fs::remove_dir_all(&folder)?;
    measured
}

struct Bench<'a> {
    binary: PathBuf,
    clip: PathBuf,
    options: &'a Options,
    /// For reports and recordings of this bench, removed at its end.
    folder: PathBuf,
}

impl Bench<'_> {
    fn measure(&self, json: &Path) -> anyhow::Result<()> {
        let only = &self.options.only;
        let wanted = |link: &&Link| only.is_empty() || only.iter().any(|name| name == link.name);
        let mut measured = Vec::new();
        for link in LINKS.iter().filter(wanted) {
            measured.push(self.measure_link(link)?);
            // After each, so that nothing is lost when this is broken off.
            let results = Results {
                unix_time_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
                seconds: self.options.seconds,
                processors: std::thread::available_parallelism()?.get(),
                links: &measured,
            };
            fs::write(json, serde_json::to_vec_pretty(&results)?)?;
        }
        emit(&format!("as JSON, with every run: {}", json.display()));
        Ok(())
    }

    fn measure_link(&self, link: &Link) -> anyhow::Result<Measured> {
        let mut runs = Vec::new();
        for number in 1..=self.options.runs {
            eprintln!("{}: run {number} of {}", link.title, self.options.runs);
            runs.push(self.run(|session| match &link.step {
                Some(step) => session.stepped(link, step),
                None => session.plain(link, self.options.seconds),
            })?);
        }
        let picture = (link.picture && !self.options.no_picture).then(|| {
            eprintln!("{}: picture", link.title);
            self.run(|session| {
                let viewer = (Vec::new(), Comparer::new(&self.clip)?);
                let (seen, comparer) = session.watched(link, PICTURE_SECONDS, viewer)?;
                let gap = watch::longest_gap(&seen).context("there was one picture at most")?;
                Ok(Figures::from([
                    (Figure::Psnr, comparer.finish()?.psnr_y_db),
                    (Figure::LongestGap, gap.as_secs_f64() * 1e3),
                ]))
            })
        });
        let picture = picture.transpose()?;
        let measured = Measured {
            link: link.name,
            words: link.words,
            cells: cells(link, &runs, picture.as_ref()),
            runs,
            picture,
        };
        print(link, &measured);
        Ok(measured)
    }

    /// A call that fails is a result too.
    fn run(&self, call: impl FnOnce(&Session<'_>) -> anyhow::Result<Figures>) -> anyhow::Result<Run> {
        let session = Session {
            binary: &self.binary,
            clip: &self.clip,
            folder: self.folder.join("call"),
        };
        fs::create_dir_all(&session.folder)?;
        let load = load_average()?;
        let result = call(&session);
        fs::remove_dir_all(&session.folder)?;
        let (figures, failure) = match result {
            Ok(figures) => (figures, None),
            Err(error) => (Figures::new(), Some(format!("{error:#}"))),
        };
        if let Some(failure) = &failure {
            eprintln!("this call failed: {failure}");
        }
        Ok(Run {
            figures,
            failure,
            load: load.max(load_average()?),
        })
    }
}

/// Everything that was measured or that something is asked of. A call that failed has the worst of values.
fn cells(link: &Link, runs: &[Run], picture: Option<&Run>) -> Vec<Cell> {
    let measured = runs.iter().chain(picture).flat_map(|run| run.figures.keys());
    let asked = link.chromium.iter().map(|(figure, ..)| figure);
    let asked = asked.chain(link.asked.iter().map(|(figure, _)| figure));
    let all: BTreeSet<Figure> = measured.chain(asked).copied().collect();
    let cell = |figure: Figure| {
        let (name, digits, better) = figure.about();
        let of = if figure.is_of_picture() {
            picture.as_slice()
        } else {
            &runs.iter().collect::<Vec<_>>()
        };
        let worst = match better {
            Better::Less => f64::INFINITY,
            Better::More => 0.0,
        };
        let value = |run: &&Run| match &run.failure {
            Some(_) => Some(worst),
            None => run.figures.get(&figure).copied(),
        };
        let asked = match (link.limit(figure), better) {
            (Some(limit), Better::Less) => Asked::AtMost(limit),
            (Some(limit), Better::More) => Asked::AtLeast(limit),
            (None, Better::Less) => Asked::Less,
            (None, Better::More) => Asked::More,
        };
        let line = table::Figure {
            name,
            asked,
            values: of.iter().filter_map(value).collect(),
            digits,
        };
        Cell {
            chromium: link.chromium(figure),
            line: line.line(),
        }
    };
    all.into_iter().map(cell).collect()
}

fn print(link: &Link, measured: &Measured) {
    let loads = measured.runs.iter().chain(&measured.picture).map(|run| run.load);
    let (least, most) = loads.fold((f64::MAX, 0.0_f64), |(least, most), load| {
        (least.min(load), most.max(load))
    });
    let failed = measured.runs.iter().filter(|run| run.failure.is_some()).count();
    emit(&format!(
        "\n{} ({}): {} runs, {failed} failed, load average {least:.2} to {most:.2}",
        link.title,
        link.name,
        measured.runs.len(),
    ));
    emit(&format!(
        "{:<40} {:>10} {:>8} {:>8} {:>9}  verdict",
        "figure", "Chromium", "asked", "median", "(worst)"
    ));
    for Cell { chromium, line } in &measured.cells {
        let chromium = chromium.as_deref().unwrap_or("-");
        let (median, worst) = (value(line.median), format!("({})", value(line.worst)));
        emit(&format!(
            "{:<40} {chromium:>10} {:>8} {median:>8} {worst:>9}  {}",
            line.figure, line.asked, line.verdict
        ));
    }
}

fn value(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_infinite() => "never".into(),
        Some(value) => value.to_string(),
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(values: &[(Figure, f64)]) -> Run {
        Run {
            figures: values.iter().copied().collect(),
            failure: None,
            load: 0.0,
        }
    }

    #[test]
    fn a_call_that_failed_is_the_worst_one() {
        let link = LINKS.iter().find(|link| link.name == "loss-10").expect("a link");
        let failed = Run {
            failure: Some("nobody came".into()),
            ..run(&[])
        };
        let good = || run(&[(Figure::LatencyP50, 60.0), (Figure::LastHeight, 720.0)]);
        let picture = run(&[(Figure::Psnr, 38.0)]);
        let cells = cells(link, &[good(), good(), failed], Some(&picture));
        let verdict = |figure: Figure| {
            let (name, ..) = figure.about();
            let cell = cells.iter().find(|cell| cell.line.figure == name).expect("a cell");
            (cell.line.median, cell.line.verdict)
        };
        assert_eq!(verdict(Figure::LatencyP50), (Some(60.0), "median only"));
        assert_eq!(verdict(Figure::LastHeight), (Some(720.0), "median only"));
        assert_eq!(verdict(Figure::Psnr), (Some(38.0), "met"));
    }
}
