//! Where a profile comes from: a process, a core file, a report, or a program that runs to its end.

use crate::{run, watched};
use anyhow::{Context, Result, bail};
use cairn_profile::Profile;
use cairn_profile::symbols::Symbols;
use cairn_reader::core::Core;
use cairn_reader::find::{self, Instance};
use cairn_reader::process::Process;
use cairn_reader::report::Report;
use cairn_reader::samples::{self, Samples};
use cairn_reader::stop::Stopped;
use cairn_reader::{Error, Target};
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Bytes between two samples, unless somebody says otherwise.
pub(crate) const INTERVAL: u64 = 512 << 10;

/// A profile and where it is from.
pub(crate) struct Taken {
    pub(crate) profile: Profile,
    /// A line.
    pub(crate) title: String,
    /// Time between its two looks, if there were two.
    pub(crate) apart: Option<Duration>,
}

/// A process whose samples are read.
pub(crate) struct Sampled {
    process: Process,
    instance: Instance,
    /// The interval that was found.
    was: u64,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.1..=86_400.0).contains(&n) => Ok(n),
        _ => Err("seconds are 0.1 to 86400".to_owned()),
    }
}

/// The Cairn of a target that has most samples, or serves it.
fn best(target: &dyn Target, all: Vec<Instance>) -> Result<Instance> {
    let threads = |i: &Instance| target.word(i.heads.threads).unwrap_or(0);
    let best = all.into_iter().max_by_key(|i| {
        let samples = Samples::read(target, i);
        (samples.sites.len(), threads(i))
    });
    best.context("there is no Cairn in it")
}

impl Sampled {
    /// Opens a process.
    ///
    /// # Errors
    /// There is none, we may not look at it, or it does not run on Cairn.
    pub(crate) fn open(pid: i32) -> Result<Self> {
        let process = Process::open_lightly(pid)?;
        let all = find::instances(&process).map_err(|error| match error {
            Error::Other(_) => Error::Other(format!(
                "process {} ({}) does not run on Cairn: it has {}",
                process.pid,
                process.command(),
                find::other_allocator(&process, Some(&process.path("exe")))
            )),
            other => other,
        })?;
        let instance = best(&process, all)?;
        let was = Samples::read(&process, &instance).interval;
        Ok(Self {
            process,
            instance,
            was,
        })
    }

    /// Whether it is sampled already.
    pub(crate) fn is_on(&self) -> bool {
        self.was != 0
    }

    /// Begins, ends, or changes how densely.
    ///
    /// # Errors
    /// As [`samples::set_interval`].
    pub(crate) fn set(&self, interval: u64) -> Result<()> {
        samples::set_interval(&self.process, &self.instance, interval)?;
        Ok(())
    }

    /// Reads the samples while the process stands still.
    fn read(&mut self) -> Result<(Samples, Vec<f64>)> {
        let stopped =
            Stopped::stop_when(&self.process, || !self.instance.is_locked(&self.process))?;
        self.process.look()?;
        let taken = cairn_profile::take(&self.process, &self.instance);
        stopped.release();
        Ok(taken)
    }

    /// Samples for so long, or reads what there is; afterwards it is sampled as it was found, or not
    /// at all if `stop` says so.
    ///
    /// # Errors
    /// It ended, has no samples, or may not be written to.
    pub(crate) fn take(
        mut self,
        wait: Option<f64>,
        interval: Option<u64>,
        stop: bool,
    ) -> Result<Taken> {
        let mut before = None;
        let mut taken = None;
        if let Some(wait) = wait {
            self.set(interval.unwrap_or(if self.is_on() { self.was } else { INTERVAL }))?;
            match self.read() {
                Ok(first) => before = Some(first.0),
                // It goes on as it was all the same.
                Err(error) => taken = Some(Err(error)),
            }
            if before.is_some() {
                thread::sleep(Duration::from_secs_f64(wait));
            }
        }
        let taken = taken.unwrap_or_else(|| self.read());
        if stop || wait.is_some() {
            // It may be gone, which the reading has said.
            let _ = self.set(if stop { 0 } else { self.was });
        }
        let taken = taken?;
        let (pid, command) = (self.process.pid, self.process.command());
        if taken.0.sites.is_empty() {
            bail!(
                "process {pid} has no samples: none of its requests was met; wait longer (--seconds), \
                 or take more of them (--interval)"
            );
        }
        let symbols = Symbols::of(pid);
        let title = format!("process {pid} ({command})\n");
        let now = cairn_profile::now();
        Ok(Taken {
            profile: Profile::new(command, &taken, before.as_ref(), &symbols, now),
            title,
            apart: before.and(wait).map(Duration::from_secs_f64),
        })
    }
}

/// The samples that a core file or a report holds.
///
/// # Errors
/// It is none, damaged, or has no samples.
fn of_file(path: &str) -> Result<Taken> {
    let file = Path::new(path);
    let (target, command): (Box<dyn Target>, String) = if Report::is_report(file) {
        let report = Report::open(file)?;
        let command = report.command.clone();
        (Box::new(report), command)
    } else {
        let core = Core::open(file)?;
        let command = core.command.clone();
        (Box::new(core), command)
    };
    let all = find::instances(&*target).map_err(|error| match error {
        Error::Other(_) => Error::Other(format!("{path}: there is no Cairn in it")),
        other => other,
    })?;
    let instance = best(&*target, all)?;
    let taken = cairn_profile::take(&*target, &instance);
    if taken.0.sites.is_empty() {
        bail!(
            "{path} has no samples: its program was not sampled (CAIRN_PROFILE=1, cairn profile --start)"
        );
    }
    let symbols = Symbols::of_file(program(&*target, &taken.0));
    let latest = taken.0.latest();
    let title = match command.as_str() {
        "" => format!("{path}\n"),
        command => format!("{path} ({command})\n"),
    };
    Ok(Taken {
        profile: Profile::new(command, &taken, None, &symbols, latest),
        title,
        apart: None,
    })
}

/// The program's own file, by what is mapped where it lies.
pub(crate) fn program(target: &dyn Target, samples: &Samples) -> PathBuf {
    let own = samples.modules.iter().find(|m| !m.path.starts_with('/'));
    let map = own.and_then(|m| target.map_of(m.start));
    map.map_or_else(PathBuf::new, |map| PathBuf::from(&map.name))
}

/// The samples of a process, by its number, of a core file or of a report, by its path.
///
/// # Errors
/// As [`Sampled::take`] has them; a file is read as it is.
pub(crate) fn of(
    what: &str,
    wait: impl FnOnce(&Sampled) -> Option<f64>,
    interval: Option<u64>,
) -> Result<Taken> {
    match what.parse() {
        Ok(pid) => {
            let sampled = Sampled::open(pid)?;
            let wait = wait(&sampled);
            sampled.take(wait, interval, false)
        }
        Err(_) => of_file(what),
    }
}

/// What leaks and peaks are looked for in.
#[derive(Args)]
pub(crate) struct Source {
    /// Number of a process, or path of a core file or of a report
    #[arg(
        value_name = "PID|FILE",
        required_unless_present = "program",
        allow_negative_numbers = true
    )]
    target: Option<String>,
    /// Of a process: take samples for so long
    #[arg(long, value_name = "NUMBER", value_parser = seconds, conflicts_with = "program")]
    pub(crate) seconds: Option<f64>,
    /// Mean bytes between two samples
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    interval: Option<u64>,
    /// Of a program: the library, instead of the installed one
    #[arg(long, value_name = "PATH", requires = "program")]
    library: Option<PathBuf>,
    /// A program and its arguments, which is looked at when it ends
    #[arg(last = true, conflicts_with = "target")]
    program: Vec<OsString>,
}

impl Source {
    /// Shows what is there with `see`. A program's status is the command's.
    ///
    /// # Errors
    /// There is nothing to look at.
    pub(crate) fn look(
        &self,
        wait: impl FnOnce(&Sampled) -> Option<f64>,
        see: impl FnOnce(&Taken, &mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
    ) -> Result<ExitCode> {
        let Some(target) = &self.target else {
            return self.run(see);
        };
        if target.parse::<i32>().is_err() && (self.seconds.is_some() || self.interval.is_some()) {
            bail!("a file is read as it is: --seconds and --interval are for processes");
        }
        let taken = of(target, wait, self.interval)?;
        see(&taken, &mut crate::print)?;
        Ok(ExitCode::SUCCESS)
    }

    fn run(
        &self,
        see: impl FnOnce(&Taken, &mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
    ) -> Result<ExitCode> {
        let (name, rest) = self.program.split_first().context("no program")?;
        let mut command = run::preloaded(self.library.as_deref(), name)?;
        command.args(rest).env("CAIRN_PROFILE", "1");
        if let Some(interval) = self.interval {
            command.env("CAIRN_PROFILE_INTERVAL", interval.to_string());
        }
        at_end(command, "cairn", see).with_context(|| name.display().to_string())
    }
}

/// Runs a program to its end and shows what it has then. Standard output is the program's.
///
/// # Errors
/// It cannot be started.
pub(crate) fn at_end(
    command: std::process::Command,
    who: &str,
    see: impl FnOnce(&Taken, &mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
) -> Result<ExitCode> {
    let ended = watched::run(command, |pid| {
        let mut say = |text: &str| {
            eprint!("{text}");
            Ok(())
        };
        if let Err(error) = ending(pid).and_then(|taken| see(&taken, &mut say)) {
            eprintln!("{who}: no profile: {error:#}");
        }
    })?;
    Ok(ExitCode::from(run::status_of(ended)))
}

/// The profile of a program that stands at its end.
fn ending(pid: i32) -> Result<Taken> {
    let Sampled {
        process, instance, ..
    } = Sampled::open(pid)?;
    let taken = cairn_profile::take(&process, &instance);
    let (command, now) = (process.command(), cairn_profile::now());
    let title = format!("{command} ends\n");
    Ok(Taken {
        profile: Profile::new(command, &taken, None, &Symbols::of(pid), now),
        title,
        apart: None,
    })
}
