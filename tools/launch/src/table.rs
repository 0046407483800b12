//! Tables for the terminal.

use comfy_table::{CellAlignment, Table, presets};

use crate::runs::{FIGURES, Figure, Runs};
use crate::statistics::Spread;

/// A table without lines, numbers to the right.
pub fn table(header: Vec<String>) -> Table {
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
pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// What is shown of a figure's ratios: the ends of the rounds, or a confidence interval.
pub type Shown = fn(&Runs, library: &str, to: &str, Figure) -> Option<Spread>;

/// All runs of a program, a line for each name: the first with its medians, the others relative to
/// it. Those that failed stand below.
pub fn runs(runs: &Runs, names: &[&str], shown: Shown) -> String {
    let header = std::iter::once("").chain(FIGURES.iter().map(|named| named.name));
    let mut lines = table(header.map(str::to_owned).collect());
    let first = names.first().copied().unwrap_or_default();
    let mut failed = String::new();
    for name in names {
        if let Some(why) = runs.failures.get(*name) {
            failed += &format!("{name} is not compared: {why}\n");
            continue;
        }
        let cells = FIGURES.iter().map(|named| {
            if *name == first {
                runs.spread(name, named.figure)
                    .map_or_else(|| "–".to_owned(), |spread| (named.shown)(spread.median))
            } else {
                match shown(runs, name, first, named.figure) {
                    Some(s) => format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high),
                    None => number(runs.ratio(name, first, named.figure).map(|s| s.median), 2),
                }
            }
        });
        lines.add_row(
            std::iter::once((*name).to_owned())
                .chain(cells)
                .collect::<Vec<_>>(),
        );
    }
    format!("{lines}\n{failed}")
}
