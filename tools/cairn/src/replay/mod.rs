//! `cairn replay`: a recorded program's calls, made again on one allocator after another.

pub(crate) mod theatre;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use launch::job::{self, Job};
use launch::likeness::{Likeness, again};
use launch::plot::{self, Line};
use launch::rounds;
use launch::runs::Runs;

use crate::compare::outputs::Outputs;
use crate::measuring::{Measuring, alone, scratch};
use theatre::{How, Theatre};

/// How long rounds go on if nothing is asked for.
const USUAL: Duration = Duration::from_secs(60);

/// Make a recorded program's allocation calls again, on several allocators in turn.
///
/// The same calls in the same threads; a free waits for its allocation, and nothing else for
/// anything. What the replay itself takes is subtracted: that of a run on an allocator that does
/// nothing.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn record -o jq.trace -- jq -c . orders.json
  cairn replay jq.trace --libraries glibc,cairn

Status 0: compared. 1: compared, and an allocator failed. 2: not compared.")]
pub(crate) struct Arguments {
    /// A trace that `cairn record` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    measuring: Measuring,
    /// Make each call when the program made it, not at once: for memory over time
    #[arg(long)]
    paced: bool,
    /// The replayer, instead of the one beside this command
    #[arg(long, value_name = "PATH")]
    replayer: Option<PathBuf>,
    /// Of the program's processes, the one with this name is the recorded one
    #[arg(long, value_name = "NAME", requires = "program")]
    process: Option<String>,
    /// The exit status with which the program succeeds
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8))]
    status: u8,
    /// With a program: pairs of replays in each round, which are compared with each other
    #[arg(long, value_name = "N", requires = "program", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Run the program too, in the same rounds, and say how like it the replay is
    #[arg(last = true, value_name = "PROGRAM ARGUMENTS")]
    program: Vec<OsString>,
}

/// Replays, and prints what was found.
///
/// # Errors
/// Something is missing, cannot be compared, or a file cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = scratch()?;
    let measuring = &arguments.measuring;
    let theatre = Theatre::new(
        &arguments.file,
        arguments.replayer.as_deref(),
        scratch.path(),
        How {
            paced: arguments.paced,
            sampled: measuring.plots.is_some(),
        },
        measuring.timeout,
    )?;
    measuring.check_places()?;
    let contenders = measuring.contenders()?;
    let mut runs = Runs::of(&theatre.title());
    measuring
        .vet(&contenders, &mut runs, |library| theatre.vet(library))
        .context("the replay does not run")?;
    let null = theatre.null()?;
    let limits = measuring.limits(USUAL);
    let names: Vec<&str> = contenders.iter().map(|it| it.name.as_str()).collect();
    let curves = RefCell::new(BTreeMap::new());
    let real = real(arguments, scratch.path())?;
    if let (Some(job), Some(first)) = (&real, contenders.first()) {
        job::vet(job, first).map_err(|error| alone(error, "the program", &first.name))?;
    }
    let (mut real_runs, mut pairs) = (Runs::default(), Runs::default());
    let start = Instant::now();
    let enough = rounds::compare(&mut runs, &names, limits, |which, _| {
        let Some(contender) = contenders.get(which) else {
            bail!("no such allocator");
        };
        if let Some(job) = &real {
            let cost = job::measure(job, contender).context("the program itself")?;
            real_runs.add(&contender.name, cost);
        }
        let played = theatre.play(contender)?;
        curves.borrow_mut().insert(which, played.curve.clone());
        if real.is_some() {
            pairs.add(&contender.name, played.beyond(&null));
            let second = again(&contender.name);
            pairs.add(&second, theatre.play(contender)?.beyond(&null));
            for _ in 1..arguments.pairs {
                for name in [&contender.name, &second] {
                    pairs.add(name, theatre.play(contender)?.beyond(&null));
                }
            }
        }
        Ok(played.beyond(&null))
    });
    let outputs = Outputs::default();
    let mut comparison = Measuring::comparison(&runs, &contenders, enough, start, outputs)?;
    crate::print(&format!("{}{}", comparison.text(), theatre.words(&null)))?;
    if real.is_some() {
        let likeness = Likeness::of(&real_runs, &runs, &pairs, &names);
        crate::print(&likeness.words())?;
        comparison.likeness = Some(likeness);
    }
    measuring.write(&comparison)?;
    if let Some(directory) = &measuring.plots {
        let curves = curves.into_inner();
        let lines: Vec<Line<'_>> = curves
            .iter()
            .filter_map(|(which, curve)| {
                Some(Line {
                    name: names.get(*which)?,
                    points: curve,
                })
            })
            .collect();
        let file = directory.join("memory-over-time.svg");
        plot::lines(&file, &theatre.title(), "seconds", "MiB resident", &lines)
            .with_context(|| format!("cannot draw in {}", directory.display()))?;
    }
    Ok(ExitCode::from(u8::from(!runs.failures.is_empty())))
}

/// The program itself, if it is to be run.
fn real(arguments: &Arguments, scratch: &Path) -> Result<Option<Job>> {
    if arguments.program.is_empty() {
        return Ok(None);
    }
    let mut job = Job::of_line(&arguments.program, arguments.measuring.timeout, scratch)?;
    job.process.clone_from(&arguments.process);
    job.success = i32::from(arguments.status);
    Ok(Some(job))
}
