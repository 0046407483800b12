//! The command `cairn`: one subcommand a file.

mod compare;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Shows the heap of a process that runs on Cairn, and compares allocators.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program or a server on several allocators in turn, and say what each costs.
    Compare(compare::Arguments),
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Compare(arguments) => compare::run(&arguments),
    }
}

/// What goes wrong gets one line, and status 2.
fn main() -> ExitCode {
    // `compare` starts this file once more for each run.
    if let Some(done) = launch::launcher::if_asked() {
        return done;
    }
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cairn: {error:#}");
            ExitCode::from(2)
        }
    }
}
