//! `cairn profile`: which code holds the memory of a running process.

use anyhow::{Context, Result, bail};
use cairn_profile::symbols::Symbols;
use cairn_profile::{Kind, Profile, flame, pprof, table};
use cairn_reader::find::Instance;
use cairn_reader::process::Process;
use cairn_reader::samples::{self, Samples};
use cairn_reader::stop::Stopped;
use cairn_reader::{Error, find};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Bytes between two samples, unless somebody says otherwise.
pub(crate) const INTERVAL: u64 = 512 << 10;

/// Shows which code holds the memory of a process, by samples.
///
/// A process that takes no samples yet begins to, for as long as --seconds says; nothing is restarted
/// and nothing is injected. One that does already (CAIRN_PROFILE=1, `cairn run --profile`, --start) is
/// read at once. What was allocated before the first sample is in no profile.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn profile $(pidof redis-server) --seconds 30 -o heap.pb.gz
  cairn profile 1234 --flame heap.svg
  cairn profile 1234 --start && sleep 3600 && cairn profile 1234 --stop -o hour.pb.gz")]
pub(crate) struct Arguments {
    /// Number of a process
    pid: i32,
    /// Take samples for so long and show what was allocated meanwhile; 30 for a process that takes none
    #[arg(long, value_name = "NUMBER", value_parser = seconds)]
    seconds: Option<f64>,
    /// Mean bytes between two samples
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    interval: Option<u64>,
    /// Begin to take samples, and end
    #[arg(long, conflicts_with_all = ["seconds", "stop", "output", "flame"])]
    start: bool,
    /// Show the profile, and take no more samples
    #[arg(long, conflicts_with = "seconds")]
    stop: bool,
    /// Write the profile for pprof into this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw a flame graph into this file, an SVG
    #[arg(long, value_name = "FILE")]
    flame: Option<PathBuf>,
    /// Which figures are shown and drawn
    #[arg(long, value_enum, default_value_t = Show::InUse)]
    show: Show,
    /// Sites in the table
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    sites: usize,
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

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.1..=86_400.0).contains(&n) => Ok(n),
        _ => Err("seconds are 0.1 to 86400".to_owned()),
    }
}

/// The Cairn of a process that has most samples, or serves it.
pub(crate) fn instance(process: &Process) -> Result<Instance> {
    let all = find::instances(process).map_err(|error| match error {
        Error::Other(_) => Error::Other(format!(
            "process {} ({}) does not run on Cairn: it has {}",
            process.pid,
            process.command(),
            find::other_allocator(process, Some(&process.path("exe")))
        )),
        other => other,
    })?;
    let threads = |i: &Instance| cairn_reader::Target::word(process, i.heads.threads).unwrap_or(0);
    let best = all.into_iter().max_by_key(|i| {
        let samples = Samples::read(process, i);
        (samples.sites.len(), threads(i))
    });
    best.context("there is no Cairn in the process")
}

/// Reads the samples while the process stands still.
pub(crate) fn read(process: &mut Process, instance: &Instance) -> Result<(Samples, Vec<f64>)> {
    let stopped = Stopped::stop_when(process, || !instance.is_locked(process))?;
    process.look()?;
    let taken = cairn_profile::take(process, instance);
    stopped.release();
    Ok(taken)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut process = Process::open_lightly(arguments.pid)?;
    let instance = instance(&process)?;
    let now = Samples::read(&process, &instance).interval;
    if arguments.start {
        let interval = arguments.interval.unwrap_or(INTERVAL);
        samples::set_interval(&process, &instance, interval)?;
        return crate::print(&format!(
            "process {} takes a sample for every {} in the mean\n",
            process.pid,
            table::bytes(interval as f64)
        ));
    }
    let wait = match arguments.seconds {
        None if now == 0 && !arguments.stop => Some(30.0),
        given => given,
    };
    let mut before = None;
    if let Some(wait) = wait {
        let interval = arguments
            .interval
            .unwrap_or(if now == 0 { INTERVAL } else { now });
        samples::set_interval(&process, &instance, interval)?;
        before = Some(read(&mut process, &instance)?.0);
        thread::sleep(Duration::from_secs_f64(wait));
    }
    let taken = read(&mut process, &instance);
    if arguments.stop || wait.is_some() {
        // It may be gone, which the reading has said.
        let back = if arguments.stop { 0 } else { now };
        let _ = samples::set_interval(&process, &instance, back);
    }
    let (samples, resident) = taken?;
    let symbols = Symbols::of(process.pid);
    let command = process.command();
    let profile = Profile::new(command, &samples, &resident, before.as_ref(), &symbols);
    if profile.sites.is_empty() {
        bail!(
            "process {} has no samples: none of its requests was met; wait longer (--seconds), or \
             take more of them (--interval)",
            process.pid
        );
    }
    let title = format!("process {} ({})\n", process.pid, profile.command);
    let kind = arguments.show.kind();
    let (output, graph) = (arguments.output.as_deref(), arguments.flame.as_deref());
    write(&profile, kind, output, graph)?;
    crate::print(&tables(&profile, &title, &[kind], arguments.sites))
}

/// The tables of several kinds of figures, under a title.
pub(crate) fn tables(profile: &Profile, title: &str, kinds: &[Kind], sites: usize) -> String {
    let tables = kinds.iter().map(|kind| table::text(profile, *kind, sites));
    format!("{title}{}", tables.collect::<Vec<_>>().join("\n"))
}

/// Writes the files that were asked for.
pub(crate) fn write(
    profile: &Profile,
    kind: Kind,
    output: Option<&Path>,
    graph: Option<&Path>,
) -> Result<()> {
    let create = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    if let Some(path) = output {
        pprof::write(profile, create(path)?)?;
    }
    if let Some(path) = graph {
        flame::write(profile, kind, BufWriter::new(create(path)?))?;
    }
    Ok(())
}
