//! Which plots there are of a run of the bench.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use launch::libraries::GLIBC;
use launch::plot::{Point, Row, bars, points};
use launch::runs::Figure;
use launch::statistics::Spread;

use crate::manifest::Group;
use crate::results::{Measured, Results};

/// Draws all plots and returns the files' names.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn all(results: &Results, directory: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut made = Vec::new();
    let mut keep = |name: String, drawn: Result<bool>| -> Result<()> {
        if drawn.with_context(|| format!("cannot draw {name}"))? {
            made.push(name);
        }
        Ok(())
    };
    let name = "time-and-memory.svg".to_owned();
    let drawn = time_and_memory(results, &directory.join(&name), "all workloads", |_| true);
    keep(name, drawn)?;
    for group in Group::ALL {
        let is = |workload: &Measured| workload.group == group;
        let name = format!("time-and-memory-{group}.svg");
        let drawn = time_and_memory(results, &directory.join(&name), group.name(), is);
        keep(name, drawn)?;
        let figures: [(&str, &str, Figure); 2] = [
            ("time", "CPU time", |cost| cost.cpu),
            ("memory", "peak memory", |cost| cost.peak_kib),
        ];
        for (short, title, figure) in figures {
            let name = format!("{short}-{group}.svg");
            let title = format!("{title} relative to glibc, {group}: shorter is better");
            let drawn = workloads(results, &directory.join(&name), &title, figure, is);
            keep(name, drawn)?;
        }
    }
    Ok(made)
}

/// One point for each library, geometric means over the chosen workloads.
fn time_and_memory(
    results: &Results,
    file: &Path,
    title: &str,
    chosen: impl Fn(&Measured) -> bool,
) -> Result<bool> {
    let caption = format!("CPU time and peak memory relative to glibc, geometric means, {title}");
    let found: Vec<Point<'_>> = results
        .names()
        .filter_map(|name| {
            Some(Point {
                name,
                time: results.mean(name, |cost| cost.cpu, &chosen)?,
                memory: results.mean(name, |cost| cost.peak_kib, &chosen)?,
            })
        })
        .collect();
    points(file, &caption, &found)
}

/// A group of bars for each of the chosen workloads.
fn workloads(
    results: &Results,
    file: &Path,
    title: &str,
    figure: Figure,
    chosen: impl Fn(&Measured) -> bool,
) -> Result<bool> {
    let libraries: Vec<&str> = results.names().filter(|name| *name != GLIBC).collect();
    let rows: Vec<Row> = results
        .workloads
        .iter()
        .filter(|workload| chosen(workload) && workload.runs.costs.contains_key(GLIBC))
        .map(|workload| Row {
            name: workload.runs.name.clone(),
            ratios: libraries
                .iter()
                .map(|name| Spread::of([workload.ratio(name, figure)?.median]))
                .collect(),
        })
        .collect();
    bars(file, title, &libraries, &rows)
}
