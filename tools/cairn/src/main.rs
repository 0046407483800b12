//! The command `cairn`: one subcommand a file.

mod advise;
mod companions;
mod compare;
mod diff;
mod doctor;
mod explain;
mod faults;
mod leaks;
mod look;
mod man;
mod map;
mod measuring;
mod metrics;
mod peak;
mod pins;
mod profile;
mod record;
mod replay;
mod run;
mod stats;
mod top;
mod tour;
mod trace;
mod watched;
mod why;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs programs on Cairn, shows the heap of a process that does, and compares allocators.
#[derive(Parser)]
#[command(name = "cairn", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    /// Run a program or a server on several allocators in turn, and say what each costs.
    Compare(compare::Arguments),
    Record(record::Arguments),
    Trace(trace::Arguments),
    Replay(replay::Arguments),
    Advise(advise::Arguments),
    Why(why::Arguments),
    Stats(stats::Arguments),
    Map(map::Arguments),
    Top(top::Arguments),
    Metrics(metrics::Arguments),
    Profile(profile::Arguments),
    Diff(diff::Arguments),
    Leaks(leaks::Arguments),
    Peak(peak::Arguments),
    Explain(explain::Arguments),
    Doctor(doctor::Arguments),
    Faults(faults::Arguments),
    Tour(tour::Arguments),
    Man(man::Arguments),
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Run(arguments) => return Ok(run::run(arguments)),
        Command::Compare(arguments) => return compare::run(arguments),
        Command::Record(arguments) => return record::run(arguments),
        Command::Advise(arguments) => return advise::run(arguments),
        Command::Replay(arguments) => return replay::run(arguments),
        Command::Trace(arguments) => trace::run(arguments)?,
        Command::Why(arguments) => why::run(arguments)?,
        Command::Stats(arguments) => stats::run(arguments)?,
        Command::Map(arguments) => map::run(arguments)?,
        Command::Top(arguments) => top::run(arguments)?,
        Command::Metrics(arguments) => metrics::run(arguments)?,
        Command::Profile(arguments) => profile::run(arguments)?,
        Command::Diff(arguments) => diff::run(arguments)?,
        Command::Leaks(arguments) => return leaks::run(arguments),
        Command::Peak(arguments) => return peak::run(arguments),
        Command::Explain(arguments) => explain::run(arguments)?,
        Command::Doctor(arguments) => return doctor::run(arguments),
        Command::Faults(arguments) => return faults::run(arguments),
        Command::Tour(arguments) => return tour::run(arguments),
        Command::Man(arguments) => man::run(arguments, Arguments::command())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output; who reads no further ends nothing but the output.
///
/// # Errors
/// It cannot be written.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// What goes wrong gets one line, and status 2.
fn main() -> ExitCode {
    // `compare` starts this file once more for each run.
    if let Some(done) = launch::launcher::if_asked() {
        return done;
    }
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cairn: {error:#}");
            ExitCode::from(2)
        }
    }
}
