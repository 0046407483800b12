//! Tables for the terminal.

use launch::libraries::{GLIBC, Library};
use launch::runs::{Cost, Figure};
use launch::table::{number, runs, table};

use crate::manifest::Group;
use crate::misses::{self, Misses};
use crate::results::{Measured, Results, Table};

/// One workload, a line for each library, with the ends of the rounds.
pub(crate) fn workload(measured: &Measured, results: &Results) -> String {
    let names: Vec<&str> = results.names().collect();
    let lines = runs(&measured.runs, &names, launch::runs::Runs::ratio);
    format!("{} ({})\n{lines}", measured.runs.name, measured.group)
}

/// A workload from what a real process needs so that its memory says something, KiB.
pub(crate) const SUBSTANTIAL: f64 = 10_240.0;

/// Whether glibc's peak on it is above 10 MiB.
pub(crate) fn is_substantial(measured: &Measured) -> bool {
    measured
        .spread(GLIBC, |cost| cost.peak_kib)
        .is_some_and(|spread| spread.median > SUBSTANTIAL)
}

/// A named choice of workloads.
pub(crate) type Choice = (String, Box<dyn Fn(&Measured) -> bool>);

/// All, then each group, then those above 10 MiB.
pub(crate) fn choices(results: &Results) -> Vec<Choice> {
    let mut choices: Vec<Choice> = vec![("all".to_owned(), Box::new(|_| true))];
    for group in Group::ALL {
        if results
            .workloads
            .iter()
            .any(|workload| workload.group == group)
        {
            choices.push((
                group.name().to_owned(),
                Box::new(move |workload| workload.group == group),
            ));
        }
    }
    choices.push(("above 10 MiB".to_owned(), Box::new(is_substantial)));
    choices
}

/// Geometric means of time and memory, a line for each library.
pub(crate) fn means(results: &Results) -> String {
    let choices = choices(results);
    let mut text = String::new();
    let figures: [(&str, Figure); 3] = [
        ("CPU time", |cost: &Cost| cost.cpu),
        ("peak memory", |cost: &Cost| cost.peak_kib),
        ("final memory", |cost: &Cost| cost.final_kib),
    ];
    for (title, figure) in figures {
        let header = [title.to_owned()]
            .into_iter()
            .chain(choices.iter().map(|(name, _)| name.clone()));
        let mut lines = table(header.collect());
        for name in results.names() {
            let mut row = vec![name.to_owned()];
            row.extend(
                choices
                    .iter()
                    .map(|(_, choice)| number(results.mean(name, figure, choice), 3)),
            );
            lines.add_row(row);
        }
        text += &format!("{lines}\n\n");
    }
    text
}

/// What the instructions are of.
pub(crate) const INSTRUCTIONS: &str = "instructions of a hot pair, bytes";

/// A line for each row of a table, a column for each library.
pub(crate) fn rows(counted: &Table, libraries: &[Library], title: &str) -> String {
    let mut names: Vec<&str> = counted.keys().map(String::as_str).collect();
    names.sort_by_key(|name| name.parse::<u32>().unwrap_or(u32::MAX));
    lines(counted, &names, libraries, title, 1)
}

/// Misses of an operation, a line for each workload: in the first level, then in the last.
pub(crate) fn misses(counted: &Misses, libraries: &[Library]) -> String {
    let names: Vec<&str> = misses::workloads().collect();
    let [first, last] = [
        (&counted.first, "misses of the first level"),
        (&counted.last, "misses of the last level"),
    ]
    .map(|(table, title)| lines(table, &names, libraries, title, 2));
    format!("{first}\n{last}")
}

/// What a whole run has beside its workloads.
pub(crate) fn beside(results: &Results, libraries: &[Library]) -> String {
    let instructions = rows(&results.instructions, libraries, INSTRUCTIONS);
    let probes = rows(&results.probes, libraries, "probe");
    format!("{instructions}\n{probes}")
}

fn lines(
    counted: &Table,
    names: &[&str],
    libraries: &[Library],
    title: &str,
    digits: usize,
) -> String {
    let header = std::iter::once(title.to_owned())
        .chain(libraries.iter().map(|library| library.name.clone()));
    let mut lines = table(header.collect());
    for name in names {
        let row = counted.get(*name);
        let cells = libraries.iter().map(|library| {
            let figure = row.and_then(|row| row.get(&library.name)).copied();
            number(figure, digits)
        });
        lines.add_row(
            std::iter::once((*name).to_owned())
                .chain(cells)
                .collect::<Vec<_>>(),
        );
    }
    format!("{lines}\n")
}
