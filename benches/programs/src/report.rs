//! The generated parts of `docs/benchmarks.md`, and the plots beside it.
//!
//! A part stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`. What stands outside is
//! written by hand and stays.

use std::fs;

use anyhow::{Context, Result};
use launch::libraries::GLIBC;
use launch::runs::Figure;
use launch::table::number;

use crate::goals;
use crate::manifest::Group;
use crate::markdown::{markdown, replace};
use crate::misses::{self, Misses};
use crate::paths;
use crate::plot;
use crate::probes;
use crate::results::{Measured, Results};
use crate::table::choices;

/// Writes tables and plots.
///
/// # Errors
/// When the page lacks a part, or something cannot be written.
pub(crate) fn write(results: &Results) -> Result<()> {
    let page = paths::root().join("docs/benchmarks.md");
    let mut text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut said = "docs/benchmarks.md".to_owned();
    let mut found = Vec::new();
    // Misses may have been counted alone: of all else there is nothing then, and it stays.
    if !results.workloads.is_empty() {
        let plots = plot::all(results, &paths::root().join("docs/plots"))?;
        found = parts(results, &plots);
        said += &format!(" and {} plots in docs/plots", plots.len());
    }
    found.extend(
        results
            .misses
            .as_ref()
            .map(|counted| ("misses", misses(counted))),
    );
    for (name, part) in found {
        text = replace(&text, name, &part)?;
    }
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))?;
    println!("{said}");
    Ok(())
}

fn parts(results: &Results, plots: &[String]) -> Vec<(&'static str, String)> {
    vec![
        ("machine", machine(results)),
        ("means", means(results)),
        (
            "time",
            workloads(
                results,
                |cost| cost.cpu,
                "glibc, s",
                |seconds| number(Some(seconds), 3),
            ),
        ),
        (
            "peak",
            workloads(
                results,
                |cost| cost.peak_kib,
                "glibc, MiB",
                |kib| number(Some(kib / 1024.0), 1),
            ),
        ),
        (
            "final",
            workloads(
                results,
                |cost| cost.final_kib,
                "glibc, MiB",
                |kib| number(Some(kib / 1024.0), 1),
            ),
        ),
        (
            "wall",
            workloads(
                results,
                |cost| cost.wall,
                "glibc, s",
                |seconds| number(Some(seconds), 3),
            ),
        ),
        (
            "faults",
            workloads(
                results,
                |cost| cost.faults,
                "glibc",
                |faults| number(Some(faults), 0),
            ),
        ),
        ("instructions", instructions(results)),
        ("probes", single(results)),
        ("failures", failures(results)),
        ("goals", goal_table(results)),
        ("plots", pictures(plots)),
    ]
}

fn with_names(first: &[&str], results: &Results, without: &[&str]) -> Vec<String> {
    let names = results.names().filter(|name| !without.contains(name));
    first
        .iter()
        .copied()
        .chain(names)
        .map(str::to_owned)
        .collect()
}

fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "{}; {} ({} CPUs), {} MiB of memory, Linux {}; {}. {} rounds{}.\n\n",
        results.date,
        machine.cpu,
        machine.cpus,
        machine.memory_mib,
        machine.kernel,
        machine.compilers.join(", "),
        results.rounds,
        if results.short {
            " of the short form"
        } else {
            ""
        },
    );
    let rows: Vec<Vec<String>> = results
        .libraries
        .iter()
        .map(|library| {
            vec![
                library.name.clone(),
                library.version.clone(),
                format!("`{}`", library.file),
            ]
        })
        .collect();
    text += &markdown(&["library", "version", "file"].map(str::to_owned), &rows);
    text
}

fn means(results: &Results) -> String {
    let choices = choices(results);
    let figures: [(&str, Figure); 3] = [
        ("CPU time", |cost| cost.cpu),
        ("peak memory", |cost| cost.peak_kib),
        ("memory at the end", |cost| cost.final_kib),
    ];
    let mut text = String::new();
    for (title, figure) in figures {
        let header: Vec<String> = std::iter::once(title.to_owned())
            .chain(choices.iter().map(|(name, _)| name.clone()))
            .collect();
        let rows: Vec<Vec<String>> = results
            .names()
            .map(|name| {
                let cells = choices
                    .iter()
                    .map(|(_, choice)| number(results.mean(name, figure, choice), 3));
                std::iter::once(name.to_owned()).chain(cells).collect()
            })
            .collect();
        text += &markdown(&header, &rows);
        text.push('\n');
    }
    text
}

/// One figure of all workloads, relative to glibc's.
fn workloads(
    results: &Results,
    figure: Figure,
    glibc: &str,
    absolute: fn(f64) -> String,
) -> String {
    let cell = |workload: &Measured, name: &str| {
        workload.ratio(name, figure).map_or_else(
            || "–".to_owned(),
            |s| {
                // The spread is shown where it says more than rounding does.
                if s.high - s.low > 0.1 * s.median {
                    format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high)
                } else {
                    format!("{:.2}", s.median)
                }
            },
        )
    };
    let mut text = String::new();
    for group in Group::ALL {
        let rows: Vec<Vec<String>> = results
            .workloads
            .iter()
            .filter(|workload| workload.group == group)
            .map(|workload| {
                let own = workload
                    .spread(GLIBC, figure)
                    .map_or_else(|| "–".to_owned(), |s| absolute(s.median));
                let cells = results
                    .names()
                    .filter(|name| *name != GLIBC)
                    .map(|name| cell(workload, name));
                [workload.runs.name.clone(), own]
                    .into_iter()
                    .chain(cells)
                    .collect()
            })
            .collect();
        if !rows.is_empty() {
            text += &markdown(
                &with_names(&[group.name(), glibc], results, &[GLIBC]),
                &rows,
            );
            text.push('\n');
        }
    }
    text
}

fn instructions(results: &Results) -> String {
    let mut sizes: Vec<u32> = results
        .instructions
        .keys()
        .filter_map(|size| size.parse().ok())
        .collect();
    sizes.sort_unstable();
    let rows: Vec<Vec<String>> = sizes
        .iter()
        .map(|size| {
            let row = results.instructions.get(&size.to_string());
            let cells = results
                .names()
                .map(|name| number(row.and_then(|row| row.get(name)).copied(), 1));
            std::iter::once(size.to_string()).chain(cells).collect()
        })
        .collect();
    markdown(&with_names(&["bytes"], results, &[]), &rows)
}

/// Misses of an operation, and who counted them: it may have been another run than all else is of.
fn misses(counted: &Misses) -> String {
    let versions: Vec<String> = counted
        .libraries
        .iter()
        .map(|library| format!("{} {}", library.name, library.version))
        .collect();
    let mut text = format!(
        "{}, {}: {}. {}.\n",
        counted.date,
        counted.valgrind,
        misses::SHAPE,
        versions.join(", ")
    );
    for why in &counted.left_out {
        text += &format!("{why}.\n");
    }
    for (title, table) in [
        ("first level", &counted.first),
        ("last level", &counted.last),
    ] {
        let names = || counted.libraries.iter().map(|library| &library.name);
        let header: Vec<String> = std::iter::once(title.to_owned())
            .chain(names().cloned())
            .collect();
        let rows: Vec<Vec<String>> = misses::workloads()
            .map(|workload| {
                let row = table.get(workload);
                let cells =
                    names().map(|name| number(row.and_then(|row| row.get(name)).copied(), 2));
                std::iter::once(workload.to_owned()).chain(cells).collect()
            })
            .collect();
        text.push('\n');
        text += &markdown(&header, &rows);
    }
    text
}

fn single(results: &Results) -> String {
    let rows: Vec<Vec<String>> = probes::ALL
        .iter()
        .filter(|name| results.probes.contains_key(**name))
        .map(|probe| {
            let cells = results.names().map(|name| {
                let value = results.probe(probe, name);
                number(
                    value,
                    if value.is_some_and(|value| value < 100.0) {
                        2
                    } else {
                        0
                    },
                )
            });
            std::iter::once((*probe).to_owned()).chain(cells).collect()
        })
        .collect();
    markdown(&with_names(&[""], results, &[]), &rows)
}

fn failures(results: &Results) -> String {
    let lines: String = results
        .workloads
        .iter()
        .flat_map(|workload| {
            let runs = &workload.runs;
            runs.failures
                .iter()
                .map(|(library, why)| format!("- {} on {library}: {why}\n", runs.name))
        })
        .collect();
    if lines.is_empty() {
        return "Every library ran every workload.".to_owned();
    }
    format!("Not in the geometric means, since not every library ran them:\n\n{lines}")
}

fn goal_table(results: &Results) -> String {
    let rows: Vec<Vec<String>> = goals::all(results)
        .iter()
        .map(|goal| {
            vec![
                goal.what.clone(),
                goal.goal.clone(),
                goal.figure.clone(),
                goals::verdict(goal).to_owned(),
            ]
        })
        .collect();
    markdown(&["what", "goal", "figure", ""].map(str::to_owned), &rows).replace("---:", "---")
}

fn pictures(plots: &[String]) -> String {
    plots
        .iter()
        .map(|file| {
            let title = file.trim_end_matches(".svg").replace('-', " ");
            format!("![{title}](plots/{file})\n\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use launch::libraries::Described;
    use std::collections::BTreeMap;

    #[test]
    fn misses_have_a_row_a_workload_and_a_dash_where_nothing_was_counted() {
        let library = |name: &str| Described {
            name: name.to_owned(),
            file: String::new(),
            version: "1".to_owned(),
        };
        let row = BTreeMap::from([("glibc".to_owned(), 2.0), ("cairn".to_owned(), 1.26)]);
        let counted = Misses {
            date: "a day".to_owned(),
            valgrind: "valgrind-3".to_owned(),
            libraries: vec![library("glibc"), library("cairn"), library("peer")],
            left_out: vec!["other is left out: valgrind cannot run it".to_owned()],
            first: BTreeMap::from([("larson".to_owned(), row)]),
            last: BTreeMap::new(),
        };
        let text = misses(&counted);
        assert!(text.contains("a day, valgrind-3: ") && text.contains("cairn 1, peer 1."));
        assert!(text.contains("\nother is left out: valgrind cannot run it.\n"));
        assert!(text.contains("| first level | glibc | cairn | peer |"));
        assert!(text.contains("| larson | 2.00 | 1.26 | – |"));
        assert!(text.contains("| last level | glibc | cairn | peer |"));
        assert!(text.contains("| larson | – | – | – |"));
    }
}
