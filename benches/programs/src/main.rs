//! `cargo run -p bench --release -- …`: whole programs on Cairn and on other allocators.
//!
//! `docs/benchmarks.md` says what is measured and how; `--help` says what can be asked for.

mod adversarial;
mod build;
mod calibrate;
mod goals;
mod instructions;
mod libraries;
mod likeness;
mod list;
mod manifest;
mod markdown;
mod misses;
mod paths;
mod plot;
mod probes;
mod recording;
mod report;
mod results;
mod run;
mod soak;
mod table;
mod tools;
mod warm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::ProgressBar;

use launch::launcher;
use launch::libraries::Library;
use launch::rounds::Limits;
use results::Results;
use table::rows;

/// Whole programs on Cairn and on other allocators: time, memory, page faults, instructions.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure workloads in interleaved rounds.
    Run(Run),
    /// Show the workloads and the libraries, and what is missing.
    List,
    /// Build the newest mimalloc, snmalloc and rpmalloc from their crates.
    Peers,
    /// Count the instructions of a hot pair, by callgrind.
    Instructions(Chosen),
    /// Count the misses of workloads in simulated caches, by cachegrind; `all` does not.
    Misses {
        #[command(flatten)]
        chosen: Chosen,
        /// Where they are kept, beside what is there; target/bench/results.json if not given.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Measure what is no workload: starts, memory after a peak, locks.
    Probes(Chosen),
    /// Mixed work for millions of operations; fails if resident memory drifts on Cairn.
    Soak {
        #[command(flatten)]
        chosen: Chosen,
        /// Operations of each regime, in millions; 32, and 4 of large ones, if not given.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..10_000))]
        millions: Option<u64>,
    },
    /// How the cost of an operation grows with the size of cases that look for a cliff.
    Adversarial {
        /// Cases; all if none are named.
        cases: Vec<String>,
        #[command(flatten)]
        chosen: Chosen,
        /// The smallest size, in those that the tests have.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
        from: u64,
    },
    /// Compare glibc with glibc; fails if a difference is found more often than promised.
    Calibrate(Calibrate),
    /// Measure what `cairn record` costs a program; fails if that is more than promised.
    Recording {
        /// Workloads; twelve real programs, and two that only allocate, if none are named.
        names: Vec<String>,
        /// Rounds of each.
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
        rounds: u16,
    },
    /// Compare programs with their replays; fails if they are less alike than promised.
    Likeness {
        /// Workloads; twelve real programs if none are named.
        names: Vec<String>,
        /// Rounds of each; 8 are the fewest that tell anything apart.
        #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(8..))]
        rounds: u16,
        /// Pairs of replays in each round: for how far a trace is from itself.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        pairs: u16,
        /// Minutes for all programs together.
        #[arg(long = "for", value_name = "MINUTES", default_value_t = 18, value_parser = clap::value_parser!(u64).range(1..))]
        minutes: u64,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Make the tables and plots of docs/ from results.
    Report {
        /// What `run` or `all` wrote; target/bench/results.json if not given.
        file: Option<PathBuf>,
    },
    /// Hold results against the goals; fails if one is not reached.
    Check {
        /// What `run` or `all` wrote; target/bench/results.json if not given.
        file: Option<PathBuf>,
    },
    /// Everything: peers, workloads, instructions, probes, and the tables and plots of docs/.
    All(Run),
}

#[derive(Args)]
struct Chosen {
    /// Libraries to compare, separated by commas; all that are here if none are named.
    #[arg(long, value_delimiter = ',')]
    libraries: Option<Vec<String>>,
    /// One more library.
    #[arg(long = "library", value_name = "NAME=PATH[,VARIABLE=VALUE]")]
    more: Vec<String>,
}

#[derive(Args)]
struct Calibrate {
    /// Workloads whose short forms run, in turn.
    #[arg(default_values = ["tree-48", "live-small", "strings"])]
    names: Vec<String>,
    /// Comparisons.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    comparisons: u16,
    /// Rounds of each; as many as it takes if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(8..))]
    rounds: Option<u16>,
    /// Compare nothing: run the first workload this many times, and write what each run cost.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Runs that are recorded.
    #[arg(long, default_value_t = 1000, requires = "record")]
    runs: usize,
}

#[derive(Args)]
struct Run {
    /// Workloads or groups (small, threads, large, real); all if none are named.
    names: Vec<String>,
    /// Rounds of each workload.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    #[command(flatten)]
    chosen: Chosen,
    /// Where the results go; target/bench/results.json if not given.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the plots there.
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// Touch all free memory first, as `all` does: in a virtual machine its first use is dearer.
    #[arg(long)]
    warm: bool,
    /// The short form of each workload, for counts.
    #[arg(long)]
    short: bool,
}

fn main() -> ExitCode {
    if let Some(done) = launcher::if_asked() {
        return done;
    }
    match execute(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(run) => measure(&run, false),
        Command::All(run) => {
            build::peers()?;
            measure(&run, true)
        }
        Command::List => list::print(),
        Command::Peers => build::peers(),
        Command::Instructions(chosen) => {
            let libraries = ready(&chosen)?;
            let counted = with_spinner(|shown| instructions::count(&libraries, shown))?;
            println!("{}", rows(&counted, &libraries, table::INSTRUCTIONS));
            Ok(())
        }
        Command::Misses { chosen, json } => count_misses(&chosen, json),
        Command::Probes(chosen) => {
            let libraries = ready(&chosen)?;
            let measured = with_spinner(|shown| probes::all(&libraries, shown))?;
            println!("{}", rows(&measured, &libraries, "probe"));
            Ok(())
        }
        Command::Soak { chosen, millions } => {
            let libraries = ready(&chosen)?;
            let (lines, drifting) = with_spinner(|shown| soak::all(&libraries, millions, shown))?;
            println!("{lines}");
            if drifting.is_empty() {
                return Ok(());
            }
            bail!("resident memory drifts: {}", drifting.join(", "))
        }
        Command::Adversarial {
            cases,
            chosen,
            from,
        } => {
            let libraries = ready(&chosen)?;
            let measured =
                |shown: &mut dyn FnMut(&str)| adversarial::all(&libraries, &cases, from, shown);
            println!("{}", with_spinner(measured)?);
            Ok(())
        }
        Command::Calibrate(wanted) => calibrate(&wanted),
        Command::Recording { names, rounds } => {
            let programs = tools::programs(&names)?;
            let with_pure = names.is_empty();
            let found = libraries::find(Some(&[]), &[])?;
            let glibc = found.first().context("no glibc")?;
            let rounds = usize::from(rounds);
            promised(with_spinner(|shown| {
                recording::all(&programs, with_pure, glibc, rounds, shown)
            })?)
        }
        Command::Likeness {
            names,
            rounds,
            pairs,
            minutes,
            chosen,
        } => {
            let programs = tools::programs(&names)?;
            let options = likeness::Options {
                libraries: chosen.libraries,
                more: chosen.more,
                rounds,
                pairs,
                time: Duration::from_secs(minutes * 60),
            };
            promised(with_spinner(|shown| {
                likeness::all(&programs, &options, shown)
            })?)
        }
        Command::Report { file } => report::write(&Results::read(&results_file(file)?)?),
        Command::Check { file } => check(&Results::read(&results_file(file)?)?),
    }
}

/// Prints what was found; fails if something is not as promised.
fn promised((said, broken): (String, Vec<String>)) -> Result<()> {
    println!("{said}");
    if broken.is_empty() {
        return Ok(());
    }
    bail!("not as promised: {}", broken.join("; "))
}

fn count_misses(chosen: &Chosen, json: Option<PathBuf>) -> Result<()> {
    misses::valgrind()?;
    let libraries = ready(chosen)?;
    let counted = with_spinner(|shown| misses::count(&libraries, shown))?;
    println!("{}", table::misses(&counted, &libraries));
    let json = results_file(json)?;
    let mut results = if json.exists() {
        Results::read(&json)?
    } else {
        Results::default()
    };
    results.misses = Some(counted);
    results.write(&json)?;
    println!("results: {}", json.display());
    Ok(())
}

fn calibrate(wanted: &Calibrate) -> Result<()> {
    let workloads = manifest::select(manifest::read()?, &wanted.names)?;
    let found = libraries::find(Some(&[]), &[])?;
    let Some(glibc) = found.first() else {
        bail!("no glibc");
    };
    if let (Some(file), Some(workload)) = (&wanted.record, workloads.first()) {
        return with_spinner(|shown| calibrate::record(workload, glibc, wanted.runs, file, shown));
    }
    let comparisons = usize::from(wanted.comparisons);
    let limits = Limits {
        rounds: wanted.rounds.map(usize::from),
        time: None,
    };
    let said = with_spinner(|shown| calibrate::run(&workloads, glibc, comparisons, limits, shown))?;
    println!("{said}");
    Ok(())
}

fn results_file(given: Option<PathBuf>) -> Result<PathBuf> {
    given.map_or_else(|| Ok(paths::work()?.join("results.json")), Ok)
}

/// The libraries, each of which serves.
fn ready(chosen: &Chosen) -> Result<Vec<Library>> {
    let libraries = libraries::find(chosen.libraries.as_deref(), &chosen.more)?;
    run::vet(&libraries)?;
    Ok(libraries)
}

fn with_spinner<T>(work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<T>) -> Result<T> {
    let spinner = ProgressBar::new_spinner();
    let done = work(&mut |what| {
        spinner.set_message(what.to_owned());
        spinner.tick();
    });
    spinner.finish_and_clear();
    done
}

fn measure(wanted: &Run, everything: bool) -> Result<()> {
    let workloads = manifest::select(manifest::read()?, &wanted.names)?;
    let libraries = ready(&wanted.chosen)?;
    let options = run::Options {
        rounds: usize::from(wanted.rounds),
        short: wanted.short,
    };
    let json = results_file(wanted.json.clone())?;
    let mut results = run::begin(&libraries, options);
    if everything || wanted.warm {
        with_spinner(|shown| warm::memory(shown))?;
    }
    if everything {
        results.instructions = with_spinner(|shown| instructions::count(&libraries, shown))?;
        results.probes = with_spinner(|shown| probes::all(&libraries, shown))?;
    }
    run::all(
        &workloads,
        &libraries,
        options,
        &mut results,
        |results, measured| {
            println!("{}", table::workload(measured, results));
            results.write(&json)
        },
    )?;
    println!("{}", table::means(&results));
    if everything {
        println!("{}", table::beside(&results, &libraries));
        report::write(&results)?;
    }
    if let Some(directory) = &wanted.plots {
        let made = plot::all(&results, directory)?;
        println!("{} plots in {}", made.len(), directory.display());
    }
    println!("results: {}", json.display());
    let broken = run::broken(&results);
    if !broken.is_empty() {
        bail!("not compared: {}", broken.join("; "));
    }
    Ok(())
}

fn check(results: &Results) -> Result<()> {
    let goals = goals::all(results);
    let mut missed = 0;
    for goal in &goals {
        println!(
            "{:<12} {}: {}; {}",
            goals::verdict(goal),
            goal.what,
            goal.goal,
            goal.figure
        );
        missed += u32::from(goal.met == Some(false));
    }
    if missed > 0 {
        bail!("{missed} of {} goals are not reached", goals.len());
    }
    Ok(())
}
