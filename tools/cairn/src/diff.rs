//! `cairn diff`: what one profile has more than another.

use crate::profile::{self, Show};
use anyhow::Result;
use cairn_profile::{diff, pprof};
use clap::Args;
use std::path::PathBuf;

/// Shows which code holds more memory in one profile than in an earlier one, and which holds less.
///
/// Both are files of pprof's form, as `cairn profile -o` writes them, of one process or of two. Stacks
/// count as the same where they have the same functions.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn profile 1234 --start
  cairn profile 1234 -o monday.pb.gz
  cairn profile 1234 -o friday.pb.gz
  cairn diff monday.pb.gz friday.pb.gz
  cairn diff monday.pb.gz friday.pb.gz -o week.pb.gz && pprof -http=: week.pb.gz")]
pub(crate) struct Arguments {
    /// The earlier profile
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The later profile
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Which figures are compared
    #[arg(long, value_enum, default_value_t = Show::InUse)]
    show: Show,
    /// Write the difference for pprof into this file: all figures, those of A as negative ones
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Sites in the table, of those that grew and of those that shrank
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    sites: usize,
}

/// # Errors
/// A file cannot be read or written.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let [before, after] = [&arguments.before, &arguments.after].map(|path| diff::read(path));
    let (before, after) = (before?, after?);
    let space = pprof::space(arguments.show.kind());
    let kind = space.trim_end_matches("_space");
    let changes = diff::changes(&before, &after, kind)?;
    if let Some(path) = &arguments.output {
        pprof::write_file(&diff::merged(&before, &after), profile::create(path)?)?;
    }
    let total = [&before, &after].map(|file| diff::total(file, kind));
    let names = [&arguments.before, &arguments.after].map(|path| path.display());
    let title = format!("{} -> {}, {space}\n", names[0], names[1]);
    crate::print(&format!(
        "{title}{}",
        diff::text(&changes, total, arguments.sites)
    ))
}
