//! `cairn top`: the processes on Cairn, every second.

mod screen;

use crate::look::{bytes, number};
use anyhow::Result;
use cairn_reader::summary::{self, Summary};
use clap::{Args, ValueEnum};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdin, stdout};
use std::thread;
use std::time::{Duration, Instant};

/// Shows the processes on Cairn, or one, every second.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn top
  cairn top --sort growth
  cairn top 1234 --count 10 --interval 0.5

Processes are read while they run. In a terminal keys sort the table and choose a process, and q ends
it; elsewhere one table follows on another.")]
pub(crate) struct Arguments {
    /// Number of a process; without it all that we may look at
    #[arg(allow_negative_numbers = true)]
    pid: Option<i32>,
    /// Seconds between two tables
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    interval: f64,
    /// End after so many tables
    #[arg(short, long, value_name = "NUMBER")]
    count: Option<usize>,
    /// By what the processes are sorted
    #[arg(long, value_enum, default_value_t = Sort::Resident)]
    sort: Sort,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.05..=3600.0).contains(&n) => Ok(n),
        _ => Err("seconds are 0.05 to 3600".to_owned()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Resident,
    Live,
    Free,
    Cached,
    Growth,
    Faults,
    Purged,
    Pid,
}

/// A process, and what it did since the last table.
struct Row {
    now: Summary,
    /// Live bytes a second.
    growth: f64,
    /// Page faults a second.
    faults: f64,
    /// Bytes a second of pages that went back from inside heaps.
    purged: f64,
}

impl Row {
    fn cached(&self) -> u64 {
        self.now.sum(|a| a.cached)
    }
}

/// Shows tables until there were enough, or the process that was asked for ends.
///
/// # Errors
/// The process cannot be looked at, or the output is gone.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if stdout().is_terminal() && stdin().is_terminal() {
        return screen::run(arguments);
    }
    let mut sample = Sample::default();
    let mut shown = 0;
    while let Some(mut rows) = sample.take(arguments)? {
        sort(&mut rows, arguments.sort);
        crate::print(&table(&rows))?;
        shown += 1;
        if arguments.count.is_some_and(|count| shown >= count) {
            break;
        }
        thread::sleep(Duration::from_secs_f64(arguments.interval));
    }
    Ok(())
}

/// What was seen last, for what is counted by the second.
#[derive(Default)]
struct Sample {
    before: HashMap<i32, (Summary, Instant)>,
    taken: bool,
}

impl Sample {
    /// Looks; `None` once the process that was asked for has ended.
    ///
    /// # Errors
    /// The first look at it fails.
    fn take(&mut self, arguments: &Arguments) -> Result<Option<Vec<Row>>> {
        let all = match arguments.pid {
            None => summary::all(),
            // The first time says what is wrong; later it has ended.
            Some(pid) => match crate::look::summary(pid) {
                Ok(one) => vec![one],
                Err(error) if !self.taken => return Err(error),
                Err(_) => return Ok(None),
            },
        };
        self.taken = true;
        let at = Instant::now();
        let of = |now| row(now, at, &self.before);
        let rows: Vec<Row> = all.into_iter().map(of).collect();
        let seen = |row: &Row| (row.now.pid, (row.now.clone(), at));
        self.before = rows.iter().map(seen).collect();
        Ok(Some(rows))
    }
}

fn row(now: Summary, at: Instant, before: &HashMap<i32, (Summary, Instant)>) -> Row {
    let rate = |of: fn(&Summary) -> u64| match before.get(&now.pid) {
        Some((old, then)) => {
            let time = at.duration_since(*then).as_secs_f64().max(0.001);
            (of(&now) as f64 - of(old) as f64) / time
        }
        None => 0.0,
    };
    Row {
        growth: rate(Summary::live),
        faults: rate(|s| s.faults.0 + s.faults.1),
        purged: rate(|s| s.sum(|a| a.slow.purged as u64)).max(0.0),
        now,
    }
}

fn sort(rows: &mut [Row], by: Sort) {
    rows.sort_by(|a, b| {
        let order = |of: &dyn Fn(&Row) -> f64| of(b).total_cmp(&of(a));
        match by {
            Sort::Resident => order(&|r| r.now.resident as f64),
            Sort::Live => order(&|r| r.now.live() as f64),
            Sort::Free => order(&|r| r.now.free() as f64),
            Sort::Cached => order(&|r| r.cached() as f64),
            Sort::Growth => order(&|r| r.growth),
            Sort::Faults => order(&|r| r.faults),
            Sort::Purged => order(&|r| r.purged),
            Sort::Pid => a.now.pid.cmp(&b.now.pid),
        }
    });
}

/// What stands in the columns.
fn cells(row: &Row) -> [String; 11] {
    let now = &row.now;
    let sign = if row.growth < 0.0 { "-" } else { "+" };
    [
        now.pid.to_string(),
        now.command.clone(),
        bytes(now.resident),
        bytes(now.live()),
        bytes(now.free()),
        bytes(row.cached()),
        format!("{sign}{}", bytes(row.growth.abs() as u64)),
        now.arenas.len().to_string(),
        number(now.mapped_chunks),
        format!("{:.0}", row.faults),
        bytes(row.purged as u64),
    ]
}

fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:>8} {:<15} {:>10} {:>10} {:>10} {:>10} {:>12} {:>6} {:>7} {:>9} {:>10}",
        "pid",
        "program",
        "resident",
        "live",
        "free",
        "cached",
        "growth/s",
        "arenas",
        "mapped",
        "faults/s",
        "purged/s"
    );
    for row in rows {
        let [
            pid,
            command,
            resident,
            live,
            free,
            cached,
            growth,
            arenas,
            mapped,
            faults,
            purged,
        ] = cells(row);
        let _ = writeln!(
            out,
            "{pid:>8} {command:<15} {resident:>10} {live:>10} {free:>10} {cached:>10} \
             {growth:>12} {arenas:>6} {mapped:>7} {faults:>9} {purged:>10}"
        );
    }
    if rows.is_empty() {
        out.push_str("no process on Cairn that we may look at\n");
    }
    out
}
