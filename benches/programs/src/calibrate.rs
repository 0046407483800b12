//! glibc against glibc: how often rounds call a figure different where nothing is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use launch::job;
use launch::libraries::{GLIBC, Library};
use launch::rounds::{Limits, compare};
use launch::runs::{Cost, FIGURES, Runs};
use launch::statistics::ERROR;

use crate::manifest::Workload;
use crate::run;

/// The second of two that are the same.
const AGAIN: &str = "glibc again";

/// Compares glibc with itself so many times, as `cairn compare` does, with the short forms of the
/// workloads in turn. Says which figures were called different, and how often any was.
///
/// # Errors
/// When a run fails, or more comparisons found a difference than promised.
pub(crate) fn run(
    workloads: &[Workload],
    glibc: &Library,
    comparisons: usize,
    limits: Limits,
    mut shown: impl FnMut(&str),
) -> Result<String> {
    let mut wrong = [0_usize; FIGURES.len()];
    let (mut any, mut rounds) = (0, 0);
    for at in 0..comparisons {
        let Some(workload) = workloads.get(at % workloads.len().max(1)) else {
            bail!("no workload");
        };
        let job = run::job(workload, true)?;
        let mut runs = Runs::of(&workload.name);
        compare(&mut runs, &[GLIBC, AGAIN], limits, |_, round| {
            shown(&format!(
                "{} of {comparisons}, {}, round {}: {any} found a difference",
                at + 1,
                workload.name,
                round + 1
            ));
            job::measure(&job, glibc)
        });
        if let Some(why) = runs.failures.values().next() {
            bail!("{}: {why}", workload.name);
        }
        rounds += runs.costs.get(GLIBC).map_or(0, Vec::len);
        let different = runs.different(AGAIN, GLIBC);
        any += usize::from(!different.is_empty());
        for (count, named) in wrong.iter_mut().zip(&FIGURES) {
            *count += usize::from(different.iter().any(|other| other.name == named.name));
        }
    }
    let figures: Vec<String> = FIGURES
        .iter()
        .zip(wrong)
        .map(|(named, count)| format!("{} {count}", named.words))
        .collect();
    let said = format!(
        "glibc against glibc, {comparisons} comparisons of {} rounds on average: any figure called \
         different in {any}; {}",
        rounds / comparisons.max(1),
        figures.join(", ")
    );
    if any as f64 > ERROR * comparisons as f64 {
        bail!("{said}; promised are at most {:.0} in 100", ERROR * 100.0);
    }
    Ok(said)
}

/// Runs the short form of a workload on glibc so many times, and writes a line for each: CPU and
/// wall time in microseconds, peak and final memory in KiB, page faults.
///
/// # Errors
/// When a run fails, or the file cannot be written.
pub(crate) fn record(
    workload: &Workload,
    glibc: &Library,
    count: usize,
    file: &Path,
    mut shown: impl FnMut(&str),
) -> Result<()> {
    let job = run::job(workload, true)?;
    let mut text = String::new();
    for at in 0..count {
        shown(&format!("{}: {} of {count}", workload.name, at + 1));
        let Cost {
            cpu,
            wall,
            peak_kib,
            final_kib,
            faults,
        } = job::measure(&job, glibc)?;
        let (cpu, wall) = (cpu * 1e6, wall * 1e6);
        writeln!(text, "{cpu:.0} {wall:.0} {peak_kib} {final_kib} {faults}")?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
