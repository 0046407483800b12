//! What is said of a comparison: a table, sentences, JSON, plots.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use launch::libraries::{Described, Library};
use launch::likeness::Likeness;
use launch::machine::{Machine, today};
use launch::plot::{self, Point, Row};
use launch::rounds::{Enough, FEWEST};
use launch::runs::{FIGURES, Named, Runs};
use launch::statistics::{ERROR_EACH, Spread};
use launch::table;
use serde::Serialize;

use super::outputs::Outputs;

/// All that was measured.
pub(crate) struct Comparison<'a> {
    pub(crate) runs: &'a Runs,
    pub(crate) contenders: &'a [Library],
    pub(crate) enough: Enough,
    pub(crate) took: Duration,
    pub(crate) outputs: Outputs,
    /// How a replay compares with the program, where that ran too.
    pub(crate) likeness: Option<Likeness>,
}

/// The file that `--json` writes.
#[derive(Serialize)]
struct Json<'a> {
    program: &'a str,
    date: String,
    machine: Machine,
    /// Of each ratio's interval.
    level: f64,
    rounds: usize,
    seconds: f64,
    ended: &'static str,
    libraries: Vec<Contender<'a>>,
    /// By library: one a round.
    costs: &'a BTreeMap<String, Vec<launch::runs::Cost>>,
    failures: &'a BTreeMap<String, String>,
    /// Relative to the first library: by library, by figure.
    ratios: BTreeMap<&'a str, BTreeMap<&'static str, Option<Interval>>>,
    verdicts: Vec<String>,
    differences: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    likeness: Option<&'a Likeness>,
}

#[derive(Serialize)]
struct Contender<'a> {
    #[serde(flatten)]
    library: Described,
    variables: &'a [(String, String)],
}

#[derive(Serialize)]
struct Interval {
    ratio: f64,
    low: f64,
    high: f64,
}

impl Comparison<'_> {
    fn names(&self) -> Vec<&str> {
        self.contenders.iter().map(|it| it.name.as_str()).collect()
    }

    fn rounds(&self) -> usize {
        let first = self.names().first().copied().unwrap_or_default();
        self.runs.costs.get(first).map_or(0, Vec::len)
    }

    /// Those with figures, beside the first.
    fn others(&self) -> Vec<&str> {
        let has = |name: &&str| self.runs.costs.contains_key(*name);
        self.names().into_iter().skip(1).filter(has).collect()
    }

    /// The table, then a sentence for each allocator, then what differs in the outputs.
    pub(crate) fn text(&self) -> String {
        let names = self.names();
        let mut text = format!(
            "{}: {} in {}, {}\n\n{}\n",
            self.runs.name,
            count(self.rounds()),
            time(self.took),
            self.enough.words(),
            table::runs(self.runs, &names, Runs::interval),
        );
        for line in self.verdicts() {
            text += &format!("{line}\n");
        }
        for line in self.outputs.differences.iter().chain(&self.outputs.notes) {
            text += &format!("{line}\n");
        }
        text
    }

    fn verdicts(&self) -> Vec<String> {
        let names = self.names();
        let first = names.first().copied().unwrap_or_default();
        self.others()
            .into_iter()
            .map(|name| verdict(self.runs, name, first))
            .collect()
    }

    /// Writes all of it for other programs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_json(&self, file: &Path) -> Result<()> {
        let names = self.names();
        let first = names.first().copied().unwrap_or_default();
        let ratios = |name: &str| {
            let of = |named: &Named| {
                let interval = self.runs.interval(name, first, named.figure)?;
                Some(Interval {
                    ratio: interval.median,
                    low: interval.low,
                    high: interval.high,
                })
            };
            FIGURES
                .iter()
                .map(|named| (named.name, of(named)))
                .collect()
        };
        let json = Json {
            program: &self.runs.name,
            date: today(),
            machine: Machine::here(),
            level: 1.0 - ERROR_EACH,
            rounds: self.rounds(),
            seconds: self.took.as_secs_f64(),
            ended: self.enough.words(),
            libraries: self
                .contenders
                .iter()
                .map(|library| Contender {
                    library: library.describe(),
                    variables: &library.env,
                })
                .collect(),
            costs: &self.runs.costs,
            failures: &self.runs.failures,
            ratios: self
                .others()
                .into_iter()
                .map(|name| (name, ratios(name)))
                .collect(),
            verdicts: self.verdicts(),
            differences: &self.outputs.differences,
            notes: &self.outputs.notes,
            likeness: self.likeness.as_ref(),
        };
        let text = serde_json::to_string_pretty(&json)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Draws time against memory, and all figures as bars with their intervals.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn draw(&self, directory: &Path) -> Result<()> {
        let names = self.names();
        let first = names.first().copied().unwrap_or_default();
        let others = self.others();
        let ratio = |name: &str, named: &Named| {
            self.runs
                .interval(name, first, named.figure)
                .or_else(|| {
                    let found = self.runs.ratio(name, first, named.figure)?;
                    Spread::of([found.median])
                })
                // A ratio to nothing has no place on the scale.
                .filter(|ratio| ratio.low > 0.0)
        };
        let rows: Vec<Row> = FIGURES
            .iter()
            .map(|named| Row {
                name: named.words.to_owned(),
                ratios: others.iter().map(|name| ratio(name, named)).collect(),
            })
            .collect();
        let points: Vec<Point<'_>> = std::iter::once(first)
            .chain(others.iter().copied())
            .filter_map(|name| {
                let at = |named: &Named| {
                    if name == first {
                        return Some(1.0);
                    }
                    ratio(name, named).map(|ratio| ratio.median)
                };
                let [cpu, _, peak, ..] = &FIGURES;
                Some(Point {
                    name,
                    time: at(cpu)?,
                    memory: at(peak)?,
                })
            })
            .collect();
        let mut short: String = self.runs.name.chars().take(60).collect();
        if short.len() < self.runs.name.len() {
            short.push('…');
        }
        let title = format!("{short}, relative to {first}: shorter is better");
        let caption = format!("{short}: CPU time and peak memory relative to {first}");
        plot::bars(&directory.join("figures.svg"), &title, &others, &rows)
            .and_then(|_| plot::points(&directory.join("time-and-memory.svg"), &caption, &points))
            .with_context(|| format!("cannot draw in {}", directory.display()))?;
        Ok(())
    }
}

fn count(rounds: usize) -> String {
    if rounds == 1 {
        "1 round".to_owned()
    } else {
        format!("{rounds} rounds")
    }
}

/// To the second, or to the tenth where it is short.
fn time(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

/// A sentence on one library.
fn verdict(runs: &Runs, name: &str, first: &str) -> String {
    let rounds = runs.costs.get(name).map_or(0, Vec::len);
    if rounds < FEWEST {
        return format!(
            "{name}: {} cannot show a difference; {FEWEST} are the fewest, --rounds or a longer \
             --for gives them.",
            count(rounds)
        );
    }
    let different = runs.different(name, first);
    let Some((head, tail)) = different.split_first() else {
        return format!("{name}: no difference from {first} that {rounds} rounds can show.");
    };
    let takes = |named: &Named| {
        runs.interval(name, first, named.figure)
            .map(with_interval)
            .unwrap_or_default()
    };
    let mut parts = vec![format!("{} of {first}'s {}", takes(head), head.words)];
    parts.extend(
        tail.iter()
            .map(|named| format!("{} of its {}", takes(named), named.words)),
    );
    let same: Vec<String> = FIGURES
        .iter()
        .filter(|named| !different.iter().any(|other| other.name == named.name))
        .map(|named| named.words.to_owned())
        .collect();
    let rest = if same.is_empty() {
        String::new()
    } else {
        format!(
            "; no difference in {} that {rounds} rounds can show",
            list(&same)
        )
    };
    format!("{name} takes {}{rest}.", list(&parts))
}

/// `0.94 (0.91 to 0.97)`, with as many digits as tell it from 1.
fn with_interval(interval: Spread) -> String {
    let near = [interval.low, interval.high]
        .into_iter()
        .map(|end| (end - 1.0).abs())
        .fold(f64::INFINITY, f64::min);
    let digits = if near >= 0.005 {
        2
    } else if near >= 0.0005 {
        3
    } else {
        5
    };
    format!(
        "{:.digits$} ({:.digits$} to {:.digits$})",
        interval.median, interval.low, interval.high
    )
}

/// `a, b and c`.
fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use launch::runs::{Cost, Runs};

    use super::verdict;

    fn runs(rounds: usize, factor: f64) -> Runs {
        let cost = |factor: f64| Cost {
            cpu: factor,
            wall: 1.0,
            peak_kib: 100.0 * factor * factor,
            final_kib: 100.0,
            faults: 10.0,
        };
        let mut runs = Runs::of("program");
        for (name, factor) in [("glibc", 1.0), ("other", factor)] {
            runs.costs
                .insert(name.to_owned(), vec![cost(factor); rounds]);
        }
        runs
    }

    #[test]
    fn a_verdict_names_what_differs_and_what_does_not() {
        assert_eq!(
            verdict(&runs(12, 0.9), "other", "glibc"),
            "other takes 0.90 (0.90 to 0.90) of glibc's CPU time and 0.81 (0.81 to 0.81) of its \
             peak memory; no difference in wall time, final memory and page faults that 12 rounds \
             can show."
        );
        assert_eq!(
            verdict(&runs(12, 1.0), "other", "glibc"),
            "other: no difference from glibc that 12 rounds can show."
        );
        assert!(verdict(&runs(12, 1.001), "other", "glibc").contains("1.001 (1.001 to 1.001)"));
    }

    #[test]
    fn too_few_rounds_show_nothing() {
        let said = verdict(&runs(7, 0.5), "other", "glibc");
        assert!(said.starts_with("other: 7 rounds cannot show a difference; 8 are the fewest"));
        assert!(verdict(&runs(1, 0.5), "other", "glibc").starts_with("other: 1 round cannot"));
    }
}
