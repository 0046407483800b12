//! `cairn replay`: a recorded program's calls, made again on one allocator after another.

mod fidelity;
pub(crate) mod theatre;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use launch::job::{self, Job};
use launch::plot::{self, Line};
use launch::program;
use launch::rounds::{self, Enough, Limits};
use launch::runs::Runs;

use crate::compare::contenders;
use crate::compare::outputs::Outputs;
use crate::compare::report::Comparison;
use theatre::Theatre;

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
    /// Allocators to compare, separated by commas, relative to the first; all that are found, and
    /// glibc first, if none are named
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    libraries: Option<Vec<String>>,
    /// One more allocator, or another file for a known name
    #[arg(long = "library", value_name = "NAME=PATH")]
    more: Vec<String>,
    /// Compare settings of one allocator: this variable with each value; an empty one stands for
    /// none
    #[arg(long, value_name = "NAME=A,B,…")]
    knob: Option<String>,
    /// Make each call when the program made it, not at once: for memory over time
    #[arg(long)]
    paced: bool,
    /// Stop after this time, `90s` or `5m`; 1m if neither it nor --rounds is given
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// Run as many rounds; 8 are the fewest for a verdict
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// End a replay that takes longer, `30s` or `2h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m")]
    timeout: Duration,
    /// Write every run and every ratio there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw plots there, as SVG; resident memory over time among them
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// The replayer, instead of the one beside this command
    #[arg(long, value_name = "PATH")]
    replayer: Option<PathBuf>,
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
    let theatre = Theatre::new(
        &arguments.file,
        arguments.replayer.as_deref(),
        scratch.path(),
        arguments.paced,
        arguments.timeout,
    )?;
    if let Some(directory) = &arguments.plots {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let contenders = contenders::find(
        arguments.libraries.as_deref(),
        &arguments.more,
        arguments.knob.as_deref(),
    )?;
    let mut runs = Runs::of(&theatre.title());
    for (at, contender) in contenders.iter().enumerate() {
        if let Err(error) = theatre.vet(contender) {
            if at == 0 {
                return Err(error.context(format!("the replay does not run on {}", contender.name)));
            }
            runs.fail(&contender.name, &error);
        }
    }
    let null = theatre.null()?;
    let limits = Limits {
        rounds: arguments.rounds.map(usize::from),
        time: match (arguments.time, arguments.rounds) {
            (None, None) => Some(USUAL),
            (time, _) => time,
        },
    };
    let names: Vec<&str> = contenders.iter().map(|it| it.name.as_str()).collect();
    let curves = RefCell::new(BTreeMap::new());
    let real = real(arguments, scratch.path())?;
    let mut real_runs = Runs::of(&theatre.title());
    let start = Instant::now();
    let enough = rounds::compare(&mut runs, &names, limits, |which, _| {
        let Some(contender) = contenders.get(which) else {
            bail!("no such allocator");
        };
        let played = theatre.play(contender)?;
        curves.borrow_mut().insert(which, played.curve.clone());
        if let Some(job) = &real {
            let cost = job::measure(job, contender).context("the program itself")?;
            let costs = &mut real_runs.costs;
            costs.entry(contender.name.clone()).or_default().push(cost);
        }
        Ok(played.beyond(&null))
    });
    if enough == Enough::Failed {
        let why: Vec<String> = runs
            .failures
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        bail!("nothing is left to compare: {}", why.join("; "));
    }
    let comparison = Comparison {
        runs: &runs,
        contenders: &contenders,
        enough,
        took: start.elapsed(),
        outputs: Outputs::default(),
    };
    crate::print(&format!("{}{}", comparison.text(), theatre.words(&null)))?;
    if real.is_some() {
        crate::print(&fidelity::of(&real_runs, &runs, &names).words())?;
    }
    if let Some(file) = &arguments.json {
        comparison.write_json(file)?;
    }
    if let Some(directory) = &arguments.plots {
        comparison.draw(directory)?;
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
    let Some((name, rest)) = arguments.program.split_first() else {
        return Ok(None);
    };
    let program = program::find(name)?;
    program::check(&program)?;
    Ok(Some(Job {
        program,
        arguments: rest.to_vec(),
        env: Vec::new(),
        without: Vec::new(),
        process: None,
        input: None,
        success: 0,
        patience: arguments.timeout,
        scratch: scratch.to_owned(),
    }))
}

/// Where a script and outputs lie for as long as the command runs.
///
/// # Errors
/// No directory can be made.
pub(crate) fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("cairn-replay-")
        .tempdir()
        .with_context(|| {
            format!(
                "no directory can be made in {}; TMPDIR names another place",
                env::temp_dir().display()
            )
        })
}
