//! `cairn peak`: which code held the memory when most was in use.

use crate::profile::taken::Source;
use crate::profile::{self, Files};
use anyhow::Result;
use cairn_profile::Kind;
use clap::Args;
use std::process::ExitCode;

/// Shows which code held the memory when most of it was in use.
///
/// The profile of that moment is kept inside the process as it grows, so it is there long after the
/// memory was freed. It is of the time that was sampled: of a program from its start, of a process from
/// when that began (CAIRN_PROFILE=1, `cairn profile --start`); one that takes no samples yet does so for
/// --seconds.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn peak -- python3 script.py
  cairn peak $(pidof java) -o peak.pb.gz --flame peak.svg
  cairn peak cairn-report.1234.1")]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    files: Files,
    /// Sites in the table
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    sites: usize,
}

/// # Errors
/// There is nothing to look at, or a file cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let seconds = arguments.source.seconds;
    let wait = |sampled: &profile::taken::Sampled| match seconds {
        None if !sampled.is_on() => Some(30.0),
        given => given,
    };
    arguments.source.look(wait, |taken, say| {
        profile::write(&taken.profile, Kind::Peak, &arguments.files)?;
        let (profile, title) = (&taken.profile, &taken.title);
        say(&profile::tables(
            profile,
            title,
            &[Kind::Peak],
            arguments.sites,
            false,
        ))
    })
}
