//! `cargo run -p bench --release -- …`: whole programs on Cairn and on other allocators.
//!
//! `docs/benchmarks.md` says what is measured and how; `--help` says what can be asked for.

mod build;
mod launch;
mod launcher;
mod libraries;
mod manifest;
mod paths;
mod results;
mod run;
mod table;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

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
}

#[derive(Args)]
struct Chosen {
    /// Libraries to compare, separated by commas; all that are here if none are named.
    #[arg(long, value_delimiter = ',')]
    libraries: Option<Vec<String>>,
    /// One more library.
    #[arg(long = "library", value_name = "NAME=PATH")]
    more: Vec<String>,
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
    /// Where the results go.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the plots there.
    #[arg(long, value_name = "DIRECTORY")]
    plots: Option<PathBuf>,
    /// The short form of each workload, for counts.
    #[arg(long)]
    short: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    // A launcher stays small: nothing else is set up in it.
    let done = match arguments.get(1) {
        Some(first) if first == launcher::COMMAND => {
            launcher::main(arguments.get(2..).unwrap_or_default())
        }
        _ => execute(Arguments::parse().command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(run) => measure(&run),
        Command::List => list(),
        Command::Peers => build::peers(),
    }
}

fn list() -> Result<()> {
    for workload in manifest::read()? {
        println!(
            "{:<24} {:<8} {} {}",
            workload.name,
            workload.group,
            workload.program,
            workload.args.join(" ")
        );
    }
    println!();
    for library in libraries::find(None, &[])? {
        println!("{:<24} {}", library.name, library.version);
    }
    let missing = libraries::missing_packages();
    if !missing.is_empty() {
        println!("\nmissing: apt-get install {}", missing.join(" "));
    }
    Ok(())
}

fn measure(wanted: &Run) -> Result<()> {
    let workloads = manifest::select(manifest::read()?, &wanted.names)?;
    let libraries = libraries::find(wanted.chosen.libraries.as_deref(), &wanted.chosen.more)?;
    run::vet(&libraries)?;
    let options = run::Options {
        rounds: usize::from(wanted.rounds),
        short: wanted.short,
    };
    let json = match &wanted.json {
        Some(path) => path.clone(),
        None => paths::work()?.join("results.json"),
    };
    let mut results = run::begin(&libraries, options);
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
    println!("results: {}", json.display());
    let broken = run::broken(&results);
    if !broken.is_empty() {
        anyhow::bail!("not compared: {}", broken.join("; "));
    }
    Ok(())
}
