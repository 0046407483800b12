//! `cairn man`: manual pages, for who makes a package of the command.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

/// Write a manual page for the command and one for each subcommand, from what `--help` says.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    /// The directory for the pages
    directory: PathBuf,
}

/// # Errors
/// The pages cannot be written.
pub(crate) fn run(arguments: &Arguments, command: clap::Command) -> Result<()> {
    let directory = &arguments.directory;
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .with_context(|| format!("cannot write manual pages to {}", directory.display()))
}
