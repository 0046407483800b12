//! The command `cairn`: one subcommand a file.

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
enum Command {}

fn run(command: Command) -> Result<ExitCode> {
    match command {}
}

/// What goes wrong gets one line, and status 2.
fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cairn: {error:#}");
            ExitCode::from(2)
        }
    }
}
