//! Interleaved rounds.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use launch::job::{self as jobs, Job};
use launch::libraries::{CAIRN, GLIBC, Library};
use launch::machine::{Machine, today};
use launch::program::on_path;
use launch::rounds::{Limits, compare};
use launch::runs::Runs;

use crate::build;
use crate::manifest::Workload;
use crate::paths;
use crate::results::{Measured, Results};

/// How long a program may take; none takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(180);

/// How the rounds are run.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Rounds of each workload.
    pub rounds: usize,
    /// The short form.
    pub short: bool,
}

/// A program of the bench with these arguments.
///
/// # Errors
/// When there is no place to work in.
pub(crate) fn plain(program: &Path, arguments: &[&str]) -> Result<Job> {
    let work = paths::work()?;
    let arguments = arguments.iter().map(Into::into).collect();
    let mut job = Job::of(program.to_owned(), arguments, PATIENCE, &work);
    job.env = vec![
        ("BENCH_DIR".to_owned(), work.display().to_string()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
    ];
    // Cargo adds directories of libraries to what `cargo run` starts.
    job.without = vec!["LD_"];
    Ok(job)
}

/// Compiles a workload's program and makes its inputs.
///
/// # Errors
/// When that fails, or a program that it needs is missing.
pub(crate) fn job(workload: &Workload, short: bool) -> Result<Job> {
    for program in &workload.needs {
        if on_path(program).is_none() {
            bail!("{program} is not installed");
        }
    }
    if let Some(script) = &workload.prepare {
        build::prepare(script, &paths::work()?)?;
    }
    let arguments = match &workload.short {
        Some(arguments) if short => arguments,
        _ => &workload.args,
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut job = plain(&build::program(&workload.program)?, &arguments)?;
    job.env.extend(workload.env.clone());
    job.process = workload.process.clone();
    Ok(job)
}

/// An empty result for these libraries on this machine.
pub(crate) fn begin(libraries: &[Library], options: Options) -> Results {
    Results {
        date: today(),
        machine: Machine::here(),
        rounds: options.rounds,
        short: options.short,
        libraries: libraries.iter().map(Library::describe).collect(),
        ..Results::default()
    }
}

/// Measures all workloads. `done` sees the results after each, so that a run which is ended has
/// kept what it had.
///
/// # Errors
/// When `done` fails. A workload that cannot be measured is a failure in the results.
pub(crate) fn all(
    workloads: &[Workload],
    libraries: &[Library],
    options: Options,
    results: &mut Results,
    mut done: impl FnMut(&Results, &Measured) -> Result<()>,
) -> Result<()> {
    let steps = workloads.len() * libraries.len() * (options.rounds + 1);
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {eta} left  {msg}")
    {
        bar.set_style(style);
    }
    for workload in workloads {
        let measured = one(workload, libraries, options, &bar);
        results.workloads.push(measured.clone());
        bar.suspend(|| done(results, &measured))?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn one(
    workload: &Workload,
    libraries: &[Library],
    options: Options,
    bar: &ProgressBar,
) -> Measured {
    let mut runs = Runs::of(&workload.name);
    let end = bar.position() + (libraries.len() * (options.rounds + 1)) as u64;
    bar.set_message(format!("{}: compiling", workload.name));
    match job(workload, options.short) {
        Ok(job) => rounds(&job, libraries, options.rounds, &mut runs, bar),
        Err(error) => runs.fail(GLIBC, &error),
    }
    bar.set_position(end);
    Measured {
        group: workload.group,
        runs,
    }
}

fn rounds(job: &Job, libraries: &[Library], rounds: usize, runs: &mut Runs, bar: &ProgressBar) {
    for library in libraries {
        bar.set_message(format!("{}: {} loads", runs.name, library.name));
        if let Err(error) = jobs::vet(job, library) {
            runs.fail(&library.name, &error);
        }
        bar.inc(1);
    }
    let names: Vec<&str> = libraries
        .iter()
        .map(|library| library.name.as_str())
        .collect();
    let limits = Limits {
        rounds: Some(rounds),
        time: None,
    };
    let title = runs.name.clone();
    compare(runs, &names, limits, |library, round| {
        let Some(library) = libraries.get(library) else {
            bail!("no such library");
        };
        bar.set_message(format!("{title}, round {}: {}", round + 1, library.name));
        bar.inc(1);
        jobs::measure(job, library)
    });
}

/// What stands in the way of a comparison: Cairn or glibc failed.
pub(crate) fn broken(results: &Results) -> Vec<String> {
    results
        .workloads
        .iter()
        .flat_map(|workload| {
            let runs = &workload.runs;
            runs.failures
                .iter()
                .filter(|(library, _)| [GLIBC, CAIRN].contains(&library.as_str()))
                .map(|(library, why)| format!("{} on {library}: {why}", runs.name))
        })
        .collect()
}

/// Every library must serve a plain program before anything is compared.
///
/// # Errors
/// When one does not.
pub(crate) fn vet(libraries: &[Library]) -> Result<()> {
    let job = plain(&build::program("serves")?, &[])?;
    for library in libraries {
        if let Err(error) = jobs::vet(&job, library) {
            bail!("{} is not compared: {error:#}", library.name);
        }
        let text = jobs::read(&job, library)?;
        let server = Path::new(text.trim());
        if server.file_name() != library.preload.file_name() {
            bail!(
                "{} is not compared: malloc comes from {}",
                library.name,
                server.display()
            );
        }
    }
    Ok(())
}
