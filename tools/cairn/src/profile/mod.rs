//! `cairn profile`: which code holds the memory of a running process.

pub(crate) mod taken;

use anyhow::{Context, Result, bail};
use cairn_profile::{Kind, Profile, flame, lives, pprof, table};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use taken::{INTERVAL, Sampled, seconds};

/// Shows which code holds the memory of a process, by samples.
///
/// A process that takes no samples yet begins to, for as long as --seconds says; nothing is restarted
/// and nothing is injected. One that does already (CAIRN_PROFILE=1, `cairn run --profile`, --start) is
/// read at once, as a core file and a report are. What was allocated before the first sample is in no
/// profile.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn profile $(pidof redis-server) --seconds 30 -o heap.pb.gz
  cairn profile 1234 --flame heap.svg
  cairn profile 1234 --lifetimes
  cairn profile cairn-report.1234.1 -o heap.pb.gz
  cairn profile 1234 --start && sleep 3600 && cairn profile 1234 --stop -o hour.pb.gz")]
pub(crate) struct Arguments {
    /// Number of a process, or path of a core file or of a report
    #[arg(value_name = "PID|FILE", allow_negative_numbers = true)]
    target: String,
    /// Take samples for so long and show what was allocated meanwhile; 30 for a process that takes none
    #[arg(long, value_name = "NUMBER", value_parser = seconds)]
    seconds: Option<f64>,
    /// Mean bytes between two samples
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    interval: Option<u64>,
    /// Begin to take samples, and end
    #[arg(long, conflicts_with_all = ["seconds", "stop", "output", "flame", "lifetimes"])]
    start: bool,
    /// Show the profile, and take no more samples
    #[arg(long, conflicts_with = "seconds")]
    stop: bool,
    #[command(flatten)]
    files: Files,
    /// Which figures are shown and drawn
    #[arg(long, value_enum, default_value_t = Show::InUse)]
    show: Show,
    /// Show under each site how long its objects live, those still in use apart
    #[arg(long)]
    lifetimes: bool,
    /// Sites in the table
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    sites: usize,
}

/// The files that a profile is written into.
#[derive(Args)]
pub(crate) struct Files {
    /// Write the profile for pprof into this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw a flame graph into this file, an SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) flame: Option<PathBuf>,
}

/// Figures of a profile.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// What is in use
    InUse,
    /// What was allocated
    Allocated,
    /// What was in use when most was
    Peak,
}

impl Show {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::InUse => Kind::InUse,
            Self::Allocated => Kind::Allocated,
            Self::Peak => Kind::Peak,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let kind = arguments.show.kind();
    let is_file = arguments.target.parse::<i32>().is_err();
    let is_asked = arguments.seconds.is_some() || arguments.interval.is_some();
    if is_file && (is_asked || arguments.start || arguments.stop) {
        bail!(
            "a file is read as it is: --seconds, --interval, --start and --stop are for processes"
        );
    }
    let taken = if is_file {
        taken::of(&arguments.target, |_| None, None)?
    } else {
        let sampled = Sampled::open(arguments.target.parse()?)?;
        if arguments.start {
            let interval = arguments.interval.unwrap_or(INTERVAL);
            sampled.set(interval)?;
            return crate::print(&format!(
                "process {} takes a sample for every {} in the mean\n",
                arguments.target,
                table::bytes(interval as f64)
            ));
        }
        let wait = match arguments.seconds {
            None if !sampled.is_on() && !arguments.stop => Some(30.0),
            given => given,
        };
        sampled.take(wait, arguments.interval, arguments.stop)?
    };
    write(&taken.profile, kind, &arguments.files)?;
    let (profile, lifetimes) = (&taken.profile, arguments.lifetimes);
    crate::print(&tables(
        profile,
        &taken.title,
        &[kind],
        arguments.sites,
        lifetimes,
    ))
}

/// Nothing under a site.
fn none(_: &cairn_profile::Site, _: usize) -> String {
    String::new()
}

/// The tables of several kinds of figures, under a title.
pub(crate) fn tables(
    profile: &Profile,
    title: &str,
    kinds: &[Kind],
    sites: usize,
    lifetimes: bool,
) -> String {
    let under = if lifetimes { lives::text } else { none };
    let tables = kinds
        .iter()
        .map(|kind| table::text_with(profile, *kind, sites, under));
    format!("{title}{}", tables.collect::<Vec<_>>().join("\n"))
}

/// Writes the files that were asked for.
pub(crate) fn write(profile: &Profile, kind: Kind, files: &Files) -> Result<()> {
    if let Some(path) = &files.output {
        pprof::write(profile, kind, create(path)?)?;
    }
    if let Some(path) = &files.flame {
        flame::write(profile, kind, BufWriter::new(create(path)?))?;
    }
    Ok(())
}

/// A file that is written.
pub(crate) fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}
