//! Interleaved rounds.

use std::path::Path;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::build;
use crate::launch::{self, Job};
use crate::libraries::{CAIRN, GLIBC, Library, output};
use crate::manifest::Workload;
use crate::paths;
use crate::results::{Machine, Measured, Results};

/// How the rounds are run.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Rounds of each workload.
    pub rounds: usize,
    /// The short form.
    pub short: bool,
}

/// Compiles a workload's program and makes its inputs.
///
/// # Errors
/// When that fails, or a program that it needs is missing.
pub(crate) fn job(workload: &Workload, short: bool) -> Result<Job> {
    for program in &workload.needs {
        if paths::find(program).is_none() {
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
    Ok(Job {
        program: build::program(&workload.program)?,
        arguments: arguments.clone(),
        env: workload.env.clone().into_iter().collect(),
        process: workload.process.clone(),
    })
}

/// An empty result for these libraries on this machine.
pub(crate) fn begin(libraries: &[Library], options: Options) -> Results {
    Results {
        date: output("date", &["-u", "+%F"]).unwrap_or_default(),
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
    let mut measured = Measured {
        name: workload.name.clone(),
        group: workload.group,
        costs: std::collections::BTreeMap::new(),
        failures: std::collections::BTreeMap::new(),
    };
    let end = bar.position() + (libraries.len() * (options.rounds + 1)) as u64;
    bar.set_message(format!("{}: compiling", workload.name));
    let job = match job(workload, options.short) {
        Ok(job) => job,
        Err(error) => {
            measured
                .failures
                .insert(GLIBC.to_owned(), format!("{error:#}"));
            bar.set_position(end);
            return measured;
        }
    };
    let fail = |measured: &mut Measured, library: &Library, error: &anyhow::Error| {
        measured.costs.remove(&library.name);
        measured
            .failures
            .insert(library.name.clone(), format!("{error:#}"));
    };
    for library in libraries {
        bar.set_message(format!("{}: {} loads", workload.name, library.name));
        if let Err(error) = launch::vet(&job, library) {
            fail(&mut measured, library, &error);
        }
        bar.inc(1);
    }
    for round in 0..options.rounds {
        for step in 0..libraries.len() {
            let Some(library) = libraries.get((round + step) % libraries.len()) else {
                continue;
            };
            bar.set_message(format!(
                "{}, round {}: {}",
                workload.name,
                round + 1,
                library.name
            ));
            bar.inc(1);
            if measured.failures.contains_key(&library.name) {
                continue;
            }
            match launch::measure(&job, library) {
                Ok(cost) => measured
                    .costs
                    .entry(library.name.clone())
                    .or_default()
                    .push(cost),
                Err(error) => fail(&mut measured, library, &error),
            }
        }
    }
    bar.set_position(end);
    measured
}

/// What stands in the way of a comparison: Cairn or glibc failed.
pub(crate) fn broken(results: &Results) -> Vec<String> {
    results
        .workloads
        .iter()
        .flat_map(|workload| {
            workload
                .failures
                .iter()
                .filter(|(library, _)| [GLIBC, CAIRN].contains(&library.as_str()))
                .map(|(library, why)| format!("{} on {library}: {why}", workload.name))
        })
        .collect()
}

/// Every library must serve a plain program before anything is compared.
///
/// # Errors
/// When one does not.
pub(crate) fn vet(libraries: &[Library]) -> Result<()> {
    let job = Job {
        program: build::program("serves")?,
        arguments: Vec::new(),
        env: Vec::new(),
        process: None,
    };
    for library in libraries {
        if let Err(error) = launch::vet(&job, library) {
            bail!("{} is not compared: {error:#}", library.name);
        }
        let text = launch::read(&job, library)?;
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
