//! The command `cairn` with its recorder and its replayer, and programs of the manifest below it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use launch::job::Job;
use traces::file::Reader;

use crate::build;
use crate::manifest::{self, Group, Workload};
use crate::paths;

/// Programs of one process that allocates, or of one that all others only help. (Not rustc: where
/// rustup's comes first, the compiler has an allocator of its own.)
pub(crate) const PROGRAMS: [&str; 12] = [
    "python-objects",
    "python-text",
    "lua",
    "redis",
    "sqlite",
    "g++",
    "cppcheck",
    "z3",
    "ghostscript",
    "perl",
    "ruby",
    "jq",
];

/// Whether it is a program that people use, and not one that was made to allocate.
pub(crate) fn is_real(workload: &Workload) -> bool {
    workload.group == Group::Real || PROGRAMS.contains(&workload.name.as_str())
}

/// The workloads of these names, or [`PROGRAMS`].
///
/// # Errors
/// A name is none of a workload.
pub(crate) fn programs(names: &[String]) -> Result<Vec<Workload>> {
    let usual: Vec<String> = PROGRAMS.map(str::to_owned).to_vec();
    let names = if names.is_empty() { &usual } else { names };
    manifest::select(manifest::read()?, names)
}

/// The command and what belongs to it.
pub(crate) struct Tools {
    pub(crate) cairn: PathBuf,
    pub(crate) recorder: PathBuf,
}

/// A trace, and what there is to say of it.
pub(crate) struct Trace {
    pub(crate) file: PathBuf,
    pub(crate) calls: u64,
    pub(crate) threads: u32,
    pub(crate) bytes: u64,
}

impl Tools {
    /// Builds them.
    ///
    /// # Errors
    /// They do not build.
    pub(crate) fn build() -> Result<Self> {
        let folder = build::tools()?;
        Ok(Self {
            cairn: folder.join("cairn"),
            recorder: folder.join("libcairn_record.so"),
        })
    }

    /// A command line of `cairn record` that writes to `file`; a program is to follow.
    pub(crate) fn recording(&self, file: &Path) -> Vec<OsString> {
        let words: [OsString; 5] = [
            self.cairn.clone().into(),
            "record".into(),
            "-o".into(),
            file.into(),
            "--".into(),
        ];
        words.to_vec()
    }

    /// The command with a job's variables, and without those that the job shall not have.
    pub(crate) fn command(&self, job: &Job) -> Command {
        let mut command = Command::new(&self.cairn);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if job.without.iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command.envs(job.env.iter().cloned());
        command
    }

    /// Records a job once. The trace is of the process with the most calls.
    ///
    /// # Errors
    /// It fails, or nothing was recorded.
    pub(crate) fn record(&self, job: &Job, name: &str) -> Result<Trace> {
        let file = fresh(name)?;
        let [_, words @ ..] = &self.recording(&file)[..] else {
            bail!("no command");
        };
        let output = self
            .command(job)
            .args(words)
            .arg(&job.program)
            .args(&job.arguments)
            .output()
            .context("cairn record does not start")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("cairn record: {}", words.trim_end());
        }
        largest(&file)
    }
}

/// A name for a trace in a folder of its own, where no other is.
///
/// # Errors
/// The folder cannot be made.
pub(crate) fn fresh(name: &str) -> Result<PathBuf> {
    let folder = paths::work()?.join("traces").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join("program.trace"))
}

/// Of a trace and those beside it, the one with the most calls.
///
/// # Errors
/// There is none.
pub(crate) fn largest(file: &Path) -> Result<Trace> {
    let folder = file.parent().context("a folder")?;
    let mut found: Option<Trace> = None;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let mut reader = Reader::open(&entry.path())?;
        while reader.next_call()?.is_some() {}
        let end = reader.end.take().context("a trace that is cut short")?;
        if found.as_ref().is_none_or(|other| other.calls < end.calls) {
            found = Some(Trace {
                file: entry.path(),
                calls: end.calls,
                threads: end.threads,
                bytes: entry.metadata()?.len(),
            });
        }
    }
    found.context("nothing was recorded")
}
