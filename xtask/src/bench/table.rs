//! The table of what a call must show: asked, measured, verdict.

use serde::Serialize;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Nothing, and less is better.
    Less,
    /// Nothing, and more is better.
    More,
}

/// One line: a figure, what is asked of it, and its values in all runs.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: &'static str,
    /// The limit.
    pub asked: Asked,
    /// One value a run; runs that could not measure it are left out.
    pub values: Vec<f64>,
    /// Digits after the point.
    pub digits: usize,
}

/// A line of the table, for people and for programs.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Line {
    /// What it is, with its unit.
    pub figure: &'static str,
    /// `<=` or `>=` and the limit.
    pub asked: String,
    /// The median of all runs; null when no run measured it.
    pub median: Option<f64>,
    /// The worst run.
    pub worst: Option<f64>,
    /// `met`, `median only`, `missed` or `not measured`; nothing where nothing is asked.
    pub verdict: &'static str,
}

impl Figure {
    /// Judges.
    pub fn line(&self) -> Line {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let (asked, worst) = match self.asked {
            Asked::AtMost(limit) => (format!("<= {limit}"), values.last().copied()),
            Asked::AtLeast(limit) => (format!(">= {limit}"), values.first().copied()),
            Asked::Less => ("-".into(), values.last().copied()),
            Asked::More => ("-".into(), values.first().copied()),
        };
        let median = median(&values);
        let verdict = match (median, worst) {
            _ if matches!(self.asked, Asked::Less | Asked::More) => "",
            (Some(_), Some(worst)) if self.meets(worst) => "met",
            (Some(median), _) if self.meets(median) => "median only",
            (Some(_), _) => "missed",
            (None, _) => "not measured",
        };
        Line {
            figure: self.name,
            asked,
            median: median.map(|value| self.rounded(value)),
            worst: worst.map(|value| self.rounded(value)),
            verdict,
        }
    }

    fn meets(&self, value: f64) -> bool {
        match self.asked {
            Asked::AtMost(limit) => value <= limit,
            Asked::AtLeast(limit) => value >= limit,
            Asked::Less | Asked::More => true,
        }
    }

    fn rounded(&self, value: f64) -> f64 {
        let scale = 10_f64.powi(i32::try_from(self.digits).unwrap_or(0));
        (value * scale).round() / scale
    }
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        Some(sorted[middle])
    } else {
        (middle > 0).then(|| (sorted[middle - 1] + sorted[middle]) / 2.0)
    }
}

/// The table as text.
pub fn text(lines: &[Line]) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| value.to_string());
    let mut text = format!(
        "{:<44} {:>10} {:>10} {:>10}  {}\n",
        "figure", "asked", "median", "worst", "verdict"
    );
    for line in lines {
        let (median, worst) = (value(line.median), value(line.worst));
        text += &format!(
            "{:<44} {:>10} {median:>10} {worst:>10}  {}\n",
            line.figure, line.asked, line.verdict
        );
    }
    text
}

/// The table is for standard output, whatever happens to it.
pub fn emit(line: &str) {
    use std::io::Write;
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        eprintln!("{line}\n(standard output: {error})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(asked: Asked, values: &[f64]) -> Line {
        let values = values.to_vec();
        Figure {
            name: "figure",
            asked,
            values,
            digits: 1,
        }
        .line()
    }

    #[test]
    fn the_median_and_the_worst_are_judged() {
        let good = line(Asked::AtMost(40.0), &[30.0, 39.96, 20.0]);
        assert_eq!((good.median, good.worst, good.verdict), (Some(30.0), Some(40.0), "met"));
        assert_eq!(line(Asked::AtMost(40.0), &[30.0, 41.0, 20.0]).verdict, "median only");
        assert_eq!(line(Asked::AtMost(40.0), &[30.0, 51.0, 50.0]).verdict, "missed");
        let rate = line(Asked::AtLeast(29.8), &[30.0, 29.0, 29.9]);
        assert_eq!(
            (rate.median, rate.worst, rate.verdict),
            (Some(29.9), Some(29.0), "median only")
        );
        assert_eq!(line(Asked::AtMost(1.0), &[1.0, 2.0]).median, Some(1.5));
        let none = line(Asked::AtMost(1.0), &[]);
        assert_eq!((none.median, none.worst, none.verdict), (None, None, "not measured"));
        let free = line(Asked::More, &[3.0, 1.0, 2.0]);
        assert_eq!((free.median, free.worst, free.verdict), (Some(2.0), Some(1.0), ""));
    }

    #[test]
    fn the_text_has_a_row_for_each_line() {
        let text = text(&[line(Asked::AtMost(40.0), &[30.0]), line(Asked::AtLeast(1.0), &[])]);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("<= 40") && text.contains("not measured"), "{text}");
    }
}
