//! `cairn leaks`: what is old and still in use, and what of it grows.

use crate::profile::taken::{Sampled, Source};
use crate::profile::{self, Files};
use anyhow::Result;
use cairn_profile::Kind;
use cairn_profile::leaks::{self, Looks};
use clap::Args;
use std::process::ExitCode;

/// Seconds between the two looks at a process, unless somebody says otherwise.
const APART: f64 = 10.0;
/// The same for a process that takes no samples yet.
const FIRST: f64 = 60.0;
/// Age of what is shown, milliseconds, unless somebody says otherwise.
const AGE: u64 = 10_000;

/// Shows sampled objects that are old and still in use, by the code that asked for them, growing sites
/// first.
///
/// A process is looked at twice, so that what grows is told from what is large: a process that is
/// sampled already ten seconds apart, another one a minute. Of a program, everything that is in use when
/// it ends is shown. Whether the program still needs an object, nobody can tell from outside.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn leaks $(pidof python3)
  cairn leaks 1234 --age 600 --seconds 60
  cairn leaks --interval 4096 -- ./program

To compare days instead of minutes: cairn profile PID -o FILE at each, and cairn diff.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Least age of an object that is shown, seconds; 10 of a process, at most half of the time that was
    /// sampled, 0 of a program or a file
    #[arg(long, value_name = "SECONDS", value_parser = age)]
    age: Option<f64>,
    #[command(flatten)]
    files: Files,
    /// Sites in the table
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    sites: usize,
}

fn age(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.0..=1e9).contains(&n) => Ok(n),
        _ => Err("an age is 0 seconds or more".to_owned()),
    }
}

/// # Errors
/// There is nothing to look at, or a file cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let seconds = arguments.source.seconds;
    let wait = |sampled: &Sampled| {
        let unasked = if sampled.is_on() { APART } else { FIRST };
        Some(seconds.unwrap_or(unasked))
    };
    arguments.source.look(wait, |taken, say| {
        let profile = &taken.profile;
        let (looks, unasked) = match taken.apart {
            Some(apart) => {
                let apart = u64::try_from(apart.as_millis()).unwrap_or(u64::MAX);
                (Looks::Two(apart), AGE.min(profile.lasted / 2))
            }
            None => (Looks::One, 0),
        };
        let age = arguments.age.map_or(unasked, |age| (age * 1000.0) as u64);
        profile::write(profile, Kind::InUse, &arguments.files)?;
        let text = leaks::text(profile, age, looks, arguments.sites);
        say(&format!("{}{text}", taken.title))
    })
}
