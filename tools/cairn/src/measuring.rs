//! What `compare`, `replay` and `advise` have in common: which allocators, how long, and where
//! results go.

use std::env;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use launch::job::Ended;
use launch::libraries::Library;
use launch::rounds::{Enough, Limits};
use launch::runs::Runs;
use launch::served::NotServed;

use crate::compare::contenders;
use crate::compare::outputs::{self, Outputs};
use crate::compare::report::Comparison;

/// Options of a comparison.
#[derive(Args)]
pub(crate) struct Measuring {
    /// Allocators to compare, separated by commas, relative to the first; all that are found, and
    /// glibc first, if none are named.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) libraries: Option<Vec<String>>,
    /// One more allocator, or another file for a known name.
    #[arg(long = "library", value_name = "NAME=PATH[,VARIABLE=VALUE]")]
    pub(crate) more: Vec<String>,
    /// Compare settings of one allocator: this variable with each value; an empty one stands for
    /// none.
    #[arg(long, value_name = "NAME=A,B,…")]
    pub(crate) knob: Option<String>,
    /// Stop after this time, `90s` or `5m`; 2m, of a trace 1m, if neither it nor --rounds is given.
    /// Rounds end sooner when the intervals are narrow enough.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) time: Option<Duration>,
    /// Run as many rounds; 8 are the fewest for a verdict.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,
    /// End a run that takes longer, `30s` or `2h`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m")]
    pub(crate) timeout: Duration,
    /// Write every run and every ratio there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw plots there, as SVG.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) plots: Option<PathBuf>,
}

impl Measuring {
    /// Makes sure that results can be written: that should not be found out when all is measured.
    ///
    /// # Errors
    /// They cannot.
    pub(crate) fn check_places(&self) -> Result<()> {
        if let Some(file) = &self.json {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if let Some(directory) = &self.plots {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        Ok(())
    }

    /// What is compared.
    ///
    /// # Errors
    /// One that was named is not here, or there is nothing to compare.
    pub(crate) fn contenders(&self) -> Result<Vec<Library>> {
        contenders::find(self.libraries.as_deref(), &self.more, self.knob.as_deref())
    }

    /// When rounds end; after `usual` if nothing is asked for.
    pub(crate) fn limits(&self, usual: Duration) -> Limits {
        Limits {
            rounds: self.rounds.map(usize::from),
            time: match (self.time, self.rounds) {
                (None, None) => Some(usual),
                (time, _) => time,
            },
        }
    }

    /// Runs once on each allocator, and asks the loader who served `malloc`. What was found by itself
    /// and does not serve is left out.
    ///
    /// # Errors
    /// It does not run on the first, or one that was named does not serve.
    pub(crate) fn vet(
        &self,
        contenders: &[Library],
        runs: &mut Runs,
        look: impl Fn(&Library) -> Result<()>,
    ) -> Result<()> {
        let mut first = None;
        for contender in contenders {
            let name = &contender.name;
            let done = look(contender);
            let Some(first) = first else {
                done?;
                first = Some(name);
                continue;
            };
            match done {
                Ok(()) => {}
                Err(error) if error.is::<NotServed>() && self.is_chosen(name) => {
                    bail!("{name} is not compared: {error:#}")
                }
                Err(error) if error.is::<Ended>() => {
                    let words = format!("it ends otherwise than on {first}");
                    runs.fail(name, &error.context(words));
                }
                Err(error) => runs.fail(name, &error),
            }
        }
        Ok(())
    }

    /// Whether an allocator was named: then one that does not load is refused, and not left out.
    fn is_chosen(&self, name: &str) -> bool {
        let given = self.more.iter().filter_map(|text| text.split_once('='));
        self.knob.is_some()
            || given.into_iter().any(|(other, _)| other == name)
            || self.libraries.iter().flatten().any(|other| other == name)
    }

    /// What came of rounds, to be shown.
    ///
    /// # Errors
    /// Nothing was left to be compared.
    pub(crate) fn comparison<'a>(
        runs: &'a Runs,
        contenders: &'a [Library],
        enough: Enough,
        start: Instant,
        outputs: Outputs,
    ) -> Result<Comparison<'a>> {
        let took = start.elapsed();
        if let (Some(first), Enough::Failed) = (contenders.first(), enough) {
            let first = &first.name;
            if let Some(why) = runs.failures.get(first) {
                bail!("it failed on {first}, to which all is compared: {why}");
            }
            let failures = runs.failures.iter();
            let why: Vec<String> = failures
                .map(|(name, why)| format!("{name}: {why}"))
                .collect();
            let why = why.join("; ");
            bail!("nothing is left to compare with {first}: {why}");
        }
        Ok(Comparison {
            runs,
            contenders,
            enough,
            took,
            outputs,
            likeness: None,
        })
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, comparison: &Comparison<'_>) -> Result<()> {
        if let Some(file) = &self.json {
            comparison.write_json(file)?;
        }
        if let Some(directory) = &self.plots {
            comparison.draw(directory)?;
        }
        Ok(())
    }
}

/// Why the program does not run on the first allocator, to which all is compared.
pub(crate) fn alone(error: anyhow::Error, title: &str, first: &str) -> anyhow::Error {
    if error.is::<Ended>() {
        return anyhow!(
            "the program fails on {first}, {error:#}; if that is its success, --status says so, else \
             it has to succeed alone first"
        );
    }
    error.context(format!("{title} does not run on {first}"))
}

/// Where scripts and outputs lie for as long as the command runs.
///
/// # Errors
/// No directory can be made, or there is no room in it.
pub(crate) fn scratch() -> Result<tempfile::TempDir> {
    let made = tempfile::Builder::new()
        .prefix("cairn-")
        .tempdir()
        .with_context(|| {
            format!(
                "no directory can be made in {}; TMPDIR names another place",
                env::temp_dir().display()
            )
        })?;
    outputs::require_room(made.path())?;
    Ok(made)
}
