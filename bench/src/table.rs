//! Tables for the terminal.

use comfy_table::{CellAlignment, Table, presets};

use crate::libraries::GLIBC;
use crate::manifest::Group;
use crate::results::{Cost, Figure, Measured, Results};

/// A table without lines, numbers to the right.
pub(crate) fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let columns = header.len();
    table.set_header(header);
    for column in 1..columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// `0.97`, or a dash.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The median with the two ends behind it.
fn with_spread(workload: &Measured, library: &str, figure: Figure) -> String {
    workload.ratio(library, figure).map_or_else(
        || "–".to_owned(),
        |s| format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high),
    )
}

/// One workload, a line for each library.
pub(crate) fn workload(measured: &Measured, results: &Results) -> String {
    let header = [
        "library",
        "CPU s",
        "of glibc's",
        "wall s",
        "peak MiB",
        "of glibc's",
        "final MiB",
        "faults",
    ];
    let mut lines = table(header.map(str::to_owned).to_vec());
    for name in results.names() {
        if let Some(why) = measured.failures.get(name) {
            lines.add_row(vec![name.to_owned(), format!("not compared: {why}")]);
            continue;
        }
        let median = |figure: Figure| measured.spread(name, figure).map(|spread| spread.median);
        let mib = |figure: Figure| median(figure).map(|kib| kib / 1024.0);
        lines.add_row(vec![
            name.to_owned(),
            number(median(|cost| cost.cpu), 3),
            with_spread(measured, name, |cost| cost.cpu),
            number(median(|cost| cost.wall), 3),
            number(mib(|cost| cost.peak_kib), 2),
            number(
                measured.ratio(name, |cost| cost.peak_kib).map(|s| s.median),
                2,
            ),
            number(mib(|cost| cost.final_kib), 2),
            number(median(|cost| cost.faults), 0),
        ]);
    }
    format!("{} ({})\n{lines}\n", measured.name, measured.group)
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
