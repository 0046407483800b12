//! `cairn compare`: a program or a server on one allocator after another.

pub(crate) mod contenders;
pub(crate) mod outputs;
pub(crate) mod report;
mod subject;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use launch::job::Ended;
use launch::libraries::Library;
use launch::rounds::{self, Enough, Limits};
use launch::runs::Runs;
use launch::served::NotServed;

use report::Comparison;
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
    /// Allocators to compare, separated by commas, relative to the first; all that are found, and
    /// glibc first, if none are named.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    libraries: Option<Vec<String>>,
    /// One more allocator, or another file for a known name.
    #[arg(long = "library", value_name = "NAME=PATH[,VARIABLE=VALUE]")]
    more: Vec<String>,
    /// Compare settings of one allocator: this variable with each value; an empty one stands for
    /// none.
    #[arg(long, value_name = "NAME=A,B,…")]
    knob: Option<String>,
    /// Stop after this time, `90s` or `5m`; 2m if neither it nor --rounds is given. Rounds end
    /// sooner when the intervals are narrow enough.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// Run as many rounds; 8 are the fewest for a verdict.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// End a run that takes longer, `30s` or `2h`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m")]
    timeout: Duration,
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
    /// Write every run and every ratio there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw two plots there, as SVG.
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
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
    // What cannot be written should not be found out after two minutes.
    if let Some(file) = &arguments.json {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(directory) = &arguments.plots {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let contenders = contenders::find(
        arguments.libraries.as_deref(),
        &arguments.more,
        arguments.knob.as_deref(),
    )?;
    let mut runs = Runs::of(&subject.title());
    let bar = progress();
    vet(&subject, &contenders, &mut runs, is_chosen(arguments), &bar)?;
    subject.expect(contenders.len());
    let limits = Limits {
        rounds: arguments.rounds.map(usize::from),
        time: match (arguments.time, arguments.rounds) {
            (None, None) => Some(USUAL),
            (time, _) => time,
        },
    };
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
    let took = start.elapsed();
    if let (Some(first), Enough::Failed) = (names.first(), enough) {
        if let Some(why) = runs.failures.get(*first) {
            bail!("the program failed on {first}, to which all is compared: {why}");
        }
        let why: Vec<String> = runs
            .failures
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        bail!(
            "nothing is left to compare with {first}: {}",
            why.join("; ")
        );
    }
    let comparison = Comparison {
        runs: &runs,
        contenders: &contenders,
        enough,
        took,
        outputs: subject.differences(&names),
    };
    print!("{}", comparison.text());
    if let Some(file) = &arguments.json {
        comparison.write_json(file)?;
    }
    if let Some(directory) = &arguments.plots {
        comparison.draw(directory)?;
    }
    let is_clean = runs.failures.is_empty() && comparison.outputs.are_alike();
    Ok(ExitCode::from(u8::from(!is_clean)))
}

/// Whether the allocators were named: then one that does not load is refused, and not left out.
fn is_chosen(arguments: &Arguments) -> impl Fn(&str) -> bool {
    let given: Vec<String> = arguments
        .more
        .iter()
        .filter_map(|text| Some(text.split_once('=')?.0.to_owned()))
        .chain(arguments.libraries.iter().flatten().cloned())
        .collect();
    let knob = arguments.knob.is_some();
    move |name| knob || given.iter().any(|other| other == name)
}

fn scratch() -> Result<tempfile::TempDir> {
    let temporary = std::env::temp_dir();
    let made = tempfile::Builder::new()
        .prefix("cairn-compare-")
        .tempdir()
        .with_context(|| {
            format!(
                "no directory can be made in {}; TMPDIR names another place",
                temporary.display()
            )
        })?;
    outputs::require_room(made.path())?;
    Ok(made)
}

/// Runs the program once on each allocator, and asks the loader who served `malloc`.
fn vet(
    subject: &Subject,
    contenders: &[Library],
    runs: &mut Runs,
    is_chosen: impl Fn(&str) -> bool,
    bar: &ProgressBar,
) -> Result<()> {
    for (at, contender) in contenders.iter().enumerate() {
        let name = &contender.name;
        bar.set_message(format!("{name} loads"));
        let Err(error) = subject.vet(contender) else {
            continue;
        };
        let is_other = error.is::<NotServed>();
        if at == 0 {
            bar.finish_and_clear();
            if error.is::<Ended>() {
                bail!(
                    "the program fails on {name}, {error:#}; if that is its success, --status says \
                     so, else it has to succeed alone first"
                );
            }
            return Err(error.context(format!("{} does not run on {name}", subject.title())));
        }
        if is_other && is_chosen(name) {
            bar.finish_and_clear();
            bail!("{name} is not compared: {error:#}");
        }
        let first = contenders.first().map_or("", |it| it.name.as_str());
        let error = if error.is::<Ended>() {
            error.context(format!("it ends otherwise than on {first}"))
        } else {
            error
        };
        runs.fail(name, &error);
    }
    Ok(())
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
