//! `cairn compare`: a program or a server on one allocator after another.

pub(crate) mod contenders;
pub(crate) mod outputs;
pub(crate) mod report;
mod subject;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use launch::rounds::{self, Limits};
use launch::runs::Runs;

use crate::measuring::{Measuring, alone, scratch};
use subject::Subject;

/// How long rounds go on if nothing is asked for.
const USUAL: Duration = Duration::from_secs(120);

/// What `cairn compare` takes.
#[derive(Args)]
#[command(
    after_help = "Status 0: compared. 1: compared, and an allocator failed or an output \
    differs. 2: not compared."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    measuring: Measuring,
    /// The program's standard input, from the start in each run; empty if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    input: Option<PathBuf>,
    /// The exit status with which the program succeeds.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8))]
    status: u8,
    /// Measure a server: the command line that starts it.
    #[arg(long, value_name = "CMD", requires = "ready", requires = "load")]
    server: Option<String>,
    /// Succeeds once the server answers.
    #[arg(long, value_name = "CMD", requires = "server")]
    ready: Option<String>,
    /// Runs against the server; the server is measured meanwhile.
    #[arg(long, value_name = "CMD", requires = "server")]
    load: Option<String>,
    /// The program and its arguments.
    #[arg(
        last = true,
        value_name = "PROGRAM ARGUMENTS",
        required_unless_present = "server",
        conflicts_with = "server"
    )]
    program: Vec<OsString>,
}

/// Compares, and prints what was found.
///
/// # Errors
/// When something is missing, cannot be compared, or a file cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = scratch()?;
    let mut subject = Subject::new(arguments, scratch.path())?;
    let measuring = &arguments.measuring;
    measuring.check_places()?;
    let contenders = measuring.contenders()?;
    let mut runs = Runs::of(&subject.title());
    let bar = progress();
    let vetted = measuring.vet(&contenders, &mut runs, |library| {
        bar.set_message(format!("{} loads", library.name));
        let is_first = contenders.first().is_some_and(|it| it.name == library.name);
        match subject.vet(library) {
            Err(error) if is_first => Err(alone(error, &subject.title(), &library.name)),
            done => done,
        }
    });
    if vetted.is_err() {
        bar.finish_and_clear();
    }
    vetted?;
    subject.expect(contenders.len());
    let limits = measuring.limits(USUAL);
    let names: Vec<&str> = contenders.iter().map(|it| it.name.as_str()).collect();
    let start = Instant::now();
    let enough = rounds::compare(&mut runs, &names, limits, |which, round| {
        let Some(contender) = contenders.get(which) else {
            bail!("no such allocator");
        };
        show(
            &bar,
            limits,
            start,
            round,
            names.len(),
            which,
            &contender.name,
        );
        subject.measure(which, contender)
    });
    bar.finish_and_clear();
    let outputs = subject.differences(&names);
    let comparison = Measuring::comparison(&runs, &contenders, enough, start, outputs)?;
    crate::print(&comparison.text())?;
    measuring.write(&comparison)?;
    let is_clean = runs.failures.is_empty() && comparison.outputs.are_alike();
    Ok(ExitCode::from(u8::from(!is_clean)))
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Between two runs only: a display that moves by itself would take part in what is measured.
fn show(
    bar: &ProgressBar,
    limits: Limits,
    start: Instant,
    round: usize,
    count: usize,
    which: usize,
    name: &str,
) {
    let most = limits.rounds.unwrap_or(rounds::MOST);
    let step = (which + count - round % count) % count;
    let by_rounds = (round * count + step) * 1000 / (most * count).max(1);
    let by_time = limits.time.map_or(0, |time| {
        let share = start.elapsed().as_millis() * 1000 / time.as_millis().max(1);
        usize::try_from(share).unwrap_or(1000)
    });
    bar.set_position(by_rounds.max(by_time).min(1000) as u64);
    bar.set_message(format!("round {}: {name}", round + 1));
    bar.tick();
}

/// A path as it is shown.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
