//! `cairn advise`: which settings of an allocator suit a program.

mod knobs;
mod search;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use launch::job::{self, Job};
use launch::libraries::Library;
use launch::runs::{Cost, FIGURES, Figure};

use crate::compare::contenders;
use crate::measuring::{alone, scratch};
use crate::replay::theatre::{How, Theatre};
use search::{Found, Search};

/// Find settings of an allocator that suit a program, by trying them.
///
/// Each setting is tried on the program, or on a recording of it. The best are put together, and
/// what is best of all is measured once more against none, by rounds of its own. Only what shows
/// again there is recommended.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn advise --libraries cairn -- jq -c . orders.json
  cairn advise --goal memory jq.trace

Status 0: done, with a recommendation or without. 2: nothing was measured.")]
pub(crate) struct Arguments {
    /// A trace that `cairn record` wrote
    #[arg(
        value_name = "FILE",
        required_unless_present = "program",
        conflicts_with = "program"
    )]
    file: Option<PathBuf>,
    /// The allocators whose settings are tried
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "cairn,glibc"
    )]
    libraries: Vec<String>,
    /// One more allocator, or another file for a known name
    #[arg(long = "library", value_name = "NAME=PATH[,VARIABLE=VALUE]")]
    more: Vec<String>,
    /// What is to become less
    #[arg(long, value_enum, default_value = "both")]
    goal: Goal,
    /// Rounds of the first look at each setting
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    looks: u16,
    /// Rounds of the last comparison; 8 are the fewest that show anything
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(8..))]
    rounds: u16,
    /// End a run that takes longer, `30s` or `2h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m")]
    timeout: Duration,
    /// The exit status with which the program succeeds
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8))]
    status: u8,
    /// The replayer, instead of the one beside this command
    #[arg(long, value_name = "PATH")]
    replayer: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, value_name = "PROGRAM ARGUMENTS")]
    program: Vec<OsString>,
}

/// What is to become less.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Goal {
    /// CPU time.
    Cpu,
    /// Peak memory.
    Memory,
    /// Both: their product.
    Both,
}

impl Goal {
    /// What counts of a run.
    fn figure(self) -> Figure {
        match self {
            Self::Cpu => |cost| cost.cpu,
            Self::Memory => |cost| cost.peak_kib,
            Self::Both => |cost| cost.cpu * cost.peak_kib,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Memory => "peak memory",
            Self::Both => "CPU time times peak memory",
        }
    }
}

/// What is run.
enum Subject {
    Trace(Box<Theatre>, Cost),
    Program(Box<Job>),
}

impl Subject {
    fn new(arguments: &Arguments, scratch: &Path) -> Result<Self> {
        if let Some(file) = &arguments.file {
            let theatre = Theatre::new(
                file,
                arguments.replayer.as_deref(),
                scratch,
                How::default(),
                arguments.timeout,
            )?;
            let null = theatre.null()?;
            return Ok(Self::Trace(Box::new(theatre), null));
        }
        let mut job = Job::of_line(&arguments.program, arguments.timeout, scratch)?;
        job.success = i32::from(arguments.status);
        Ok(Self::Program(Box::new(job)))
    }

    fn vet(&self, library: &Library) -> Result<()> {
        match self {
            Self::Trace(theatre, _) => theatre
                .vet(library)
                .with_context(|| format!("the replay does not run on {}", library.name)),
            Self::Program(job) => {
                job::vet(job, library).map_err(|error| alone(error, "the program", &library.name))
            }
        }
    }

    fn measure(&self, library: &Library) -> Result<Cost> {
        match self {
            Self::Trace(theatre, null) => Ok(theatre.play(library)?.beyond(null)),
            Self::Program(job) => job::measure(job, library),
        }
    }
}

/// Searches, and prints what was found.
///
/// # Errors
/// Something is missing, or does not run.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = scratch()?;
    let subject = Subject::new(arguments, scratch.path())?;
    let mut text = String::new();
    for name in &arguments.libraries {
        let library = contenders::one(name, &arguments.more)?;
        subject.vet(&library)?;
        let search = Search {
            library: &library,
            figure: arguments.goal.figure(),
            looks: usize::from(arguments.looks),
            rounds: usize::from(arguments.rounds),
        };
        let found = search.run(|library| subject.measure(library))?;
        text += &told(name, arguments, &found);
    }
    crate::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn told(name: &str, arguments: &Arguments, found: &Found) -> String {
    let goal = arguments.goal.words();
    let mut text = format!(
        "{name}: {} settings tried, {} rounds each\n",
        found.tried.len(),
        arguments.looks
    );
    for (line, score) in found.tried.iter().take(5) {
        text += &match score {
            Some(score) => format!("  {score:.2} of the {goal} with {line}\n"),
            None => format!("  it fails with {line}\n"),
        };
    }
    let Some(best) = &found.best else {
        return text + &format!("{name}: no setting looked better than none.\n\n");
    };
    let figures: Vec<String> = FIGURES
        .iter()
        .filter_map(|named| {
            let found = best.runs.interval(&best.line, name, named.figure)?;
            Some(format!(
                "{} {:.2} ({:.2} to {:.2})",
                named.words, found.median, found.low, found.high
            ))
        })
        .collect();
    let figures = figures.join(", ");
    if best.gains {
        format!(
            "{text}{name}: measured again in {} rounds, it takes {figures} of what it takes without. \
             To be put into the environment:\n  {}\n\n",
            arguments.rounds, best.line
        )
    } else {
        format!(
            "{text}{name}: nothing gains. The best, {}, did not show it again in {} rounds: {figures}.\n\n",
            best.line, arguments.rounds
        )
    }
}
