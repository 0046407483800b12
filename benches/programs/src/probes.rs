//! Figures that are not of a workload: what a start costs, what stays after a peak, how often a
//! lock is taken.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use launch::job::{self as jobs, Job};
use launch::launcher::Mode;
use launch::libraries::{CAIRN, GLIBC, Library};
use launch::rounds::turned;
use launch::statistics::Spread;

use crate::build;
use crate::results::Table;
use crate::run;

/// Microseconds from start to end of a process that hardly allocates.
pub(crate) const START: &str = "start, µs";
/// The same where a library without any code is preloaded: what the loader takes for any.
pub(crate) const START_EMPTY: &str = "start with an empty library, µs";
/// The same process's peak.
pub(crate) const LEAN: &str = "a process that hardly allocates, KiB";
/// Resident after a peak, survivors in one part, above 2 MB, relative to what is live.
pub(crate) const LOCAL: &str = "(resident − 2 MB) / live after a peak, survivors in one part";
/// Resident after a peak, survivors at random, no trim.
pub(crate) const SCATTERED: &str = "resident after a peak, survivors at random, KiB";
/// The same after `malloc_trim(0)`.
pub(crate) const TRIMMED: &str = "resident after a peak, survivors at random, trimmed, KiB";
/// Resident over live under shifting sizes.
pub(crate) const SHIFTING: &str = "resident / live under shifting sizes";
/// Nanoseconds of the 999th of 1,000 calls, 100 threads.
pub(crate) const TAIL: &str = "99.9 % of calls by 100 threads, at most ns";
/// CPU time of the longest call while a quarter of what the next one's goes back.
pub(crate) const LONGEST_OF_FEW: &str = "longest call while 10,000 holes go back, µs";
/// CPU time of the longest call while memory goes back.
pub(crate) const LONGEST: &str = "longest call while 40,000 holes go back, µs";
/// Locks taken per 1,000 operations on objects up to 128 bytes.
pub(crate) const LOCKS_SMALL: &str = "locks taken per 1,000 operations, to 128 bytes";
/// Locks taken per 1,000 operations on objects up to 1 KiB.
pub(crate) const LOCKS_MEDIUM: &str = "locks taken per 1,000 operations, to 1 KiB";

/// In the order in which they are shown.
pub(crate) const ALL: [&str; 12] = [
    START,
    START_EMPTY,
    LEAN,
    LOCAL,
    SCATTERED,
    TRIMMED,
    SHIFTING,
    TAIL,
    LONGEST_OF_FEW,
    LONGEST,
    LOCKS_SMALL,
    LOCKS_MEDIUM,
];

/// Rounds of what is timed.
const ROUNDS: usize = 9;
/// Rounds of what stays after a peak: on a busy machine an epoch may end later than the program.
const PEAKS: usize = 3;
/// Runs of which the least counts: a call in which the kernel had other work is no call's fault.
const RUNS: usize = 5;
/// Starts in a round.
const STARTS: u32 = 40;
/// Turns of the program that counts locks; two operations each.
const TURNS: usize = 1_000_000;
/// Its live set.
const OBJECTS: usize = 10_000;
/// glibc's allowance, KiB: 2 MB.
const ALLOWED: f64 = 2_000_000.0 / 1024.0;

fn job(program: &str, arguments: &[&str]) -> Result<Job> {
    run::plain(&build::program(program)?, arguments)
}

/// Median of a figure for each library, in interleaved rounds.
fn rounds(
    table: &mut Table,
    name: &str,
    libraries: &[Library],
    count: usize,
    figure: impl Fn(&Library) -> Result<f64>,
) {
    let median = |values: Vec<f64>| Some(Spread::of(values)?.median);
    of_rounds(table, name, libraries, count, figure, median);
}

/// What `chosen` makes of a figure's rounds, for each library.
fn of_rounds(
    table: &mut Table,
    name: &str,
    libraries: &[Library],
    count: usize,
    figure: impl Fn(&Library) -> Result<f64>,
    chosen: impl Fn(Vec<f64>) -> Option<f64>,
) {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..count {
        for library in turned(libraries.len(), round).filter_map(|at| libraries.get(at)) {
            match figure(library) {
                Ok(value) => values.entry(&library.name).or_default().push(value),
                // A peer that cannot run a probe has no figure in it.
                Err(error) => eprintln!("{name}: {}: {error:#}", library.name),
            }
        }
    }
    let figures = values
        .into_iter()
        .filter_map(|(library, values)| Some((library.to_owned(), chosen(values)?)));
    table.insert(name.to_owned(), figures.collect());
}

/// Live and resident KiB, as a probe writes them.
fn live_and_resident(job: &Job, library: &Library) -> Result<(f64, f64)> {
    let text = jobs::read(job, library)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(live)), Some(Ok(resident))) => Ok((live, resident)),
        _ => anyhow::bail!("not two numbers: {text}"),
    }
}

/// The number that a probe writes.
fn number(job: &Job, library: &Library) -> Result<f64> {
    let text = jobs::read(job, library)?;
    text.trim().parse().context("not a number")
}

/// All probes.
///
/// # Errors
/// When a probe does not compile.
pub(crate) fn all(libraries: &[Library], mut shown: impl FnMut(&str)) -> Result<Table> {
    let mut table = Table::new();

    let lean = job("hardly", &[])?;
    shown(START);
    let mut starting = libraries.to_vec();
    starting.push(Library {
        name: START_EMPTY.to_owned(),
        preload: build::empty()?,
        version: String::new(),
        env: Vec::new(),
    });
    rounds(&mut table, START, &starting, ROUNDS, |library| {
        let launched = jobs::run(&lean, library, Mode::Starts(STARTS))?;
        Spread::of(launched.starts)
            .map(|spread| spread.median)
            .context("no start")
    });
    if let Some(empty) = table.get_mut(START).and_then(|row| row.remove(START_EMPTY)) {
        let row = BTreeMap::from([(GLIBC.to_owned(), empty)]);
        table.insert(START_EMPTY.to_owned(), row);
    }
    shown(LEAN);
    rounds(&mut table, LEAN, libraries, ROUNDS, |library| {
        Ok(jobs::measure(&lean, library)?.peak_kib)
    });

    shown("what stays after a peak");
    let local = job("after_peak", &["local"])?;
    rounds(&mut table, LOCAL, libraries, PEAKS, |library| {
        let (live, resident) = live_and_resident(&local, library)?;
        Ok((resident - ALLOWED).max(0.0) / live)
    });
    for (name, how) in [(SCATTERED, "scattered"), (TRIMMED, "trimmed")] {
        let job = job("after_peak", &[how])?;
        rounds(&mut table, name, libraries, PEAKS, |library| {
            Ok(live_and_resident(&job, library)?.1)
        });
    }

    shown(SHIFTING);
    let shifting = job("shifting", &[])?;
    rounds(&mut table, SHIFTING, libraries, 1, |library| {
        let (live, resident) = live_and_resident(&shifting, library)?;
        Ok(resident / live)
    });

    shown(TAIL);
    let tail = job("tail", &[])?;
    rounds(&mut table, TAIL, libraries, ROUNDS, |library| {
        number(&tail, library)
    });

    for (name, holes) in [(LONGEST_OF_FEW, "10000"), (LONGEST, "40000")] {
        shown(name);
        let longest = job("longest", &[holes])?;
        let figure = |library: &Library| number(&longest, library);
        let least = |values: Vec<f64>| values.into_iter().reduce(f64::min);
        of_rounds(&mut table, name, libraries, RUNS, figure, least);
    }

    if libraries.iter().any(|library| library.name == CAIRN) {
        for (name, most) in [(LOCKS_SMALL, "128"), (LOCKS_MEDIUM, "1024")] {
            shown(name);
            let figure = locks(most)?;
            table.insert(
                name.to_owned(),
                BTreeMap::from([(CAIRN.to_owned(), figure)]),
            );
        }
    }
    Ok(table)
}

/// Locks that Cairn's statistics build takes per 1,000 operations.
fn locks(most: &str) -> Result<f64> {
    let library = Library {
        name: CAIRN.to_owned(),
        preload: build::cairn(&["stats"])?,
        version: String::new(),
        env: Vec::new(),
    };
    let (turns, objects) = (TURNS.to_string(), OBJECTS.to_string());
    let mut job = job("replace", &[most, &turns, &objects])?;
    job.env.push(("CAIRN_VERBOSE".to_owned(), "1".to_owned()));
    let words = jobs::words(&job, &library)?;
    let taken: f64 = words
        .lines()
        .find_map(|line| line.strip_prefix("cairn: locks taken: "))
        .context("the statistics build says nothing of locks")?
        .trim()
        .parse()
        .context("locks")?;
    Ok(taken * 1000.0 / (2 * (TURNS + OBJECTS)) as f64)
}
