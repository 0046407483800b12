//! What is run: a program through the launcher, or a server under a load.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use launch::job::{self, Job};
use launch::libraries::Library;
use launch::runs::Cost;
use launch::server::Server;

use super::outputs::{Outputs, Seen, Written, forget, require_room};
use super::{Arguments, shown};

/// A program or a server.
pub(crate) enum Subject {
    /// With what its runs wrote.
    Program {
        job: Box<Job>,
        /// Its name as it was typed.
        name: OsString,
        seen: Seen,
    },
    /// Its load's output is the load's.
    Server(Server),
}

impl Subject {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// When the program is not there, or nothing can be preloaded into it.
    pub(crate) fn new(arguments: &Arguments, scratch: &Path) -> Result<Self> {
        if let (Some(server), Some(ready), Some(load)) =
            (&arguments.server, &arguments.ready, &arguments.load)
        {
            return Ok(Self::Server(Server {
                server: server.clone(),
                ready: ready.clone(),
                load: load.clone(),
                patience: arguments.measuring.timeout,
                scratch: scratch.to_owned(),
            }));
        }
        let mut job = Job::of_line(&arguments.program, arguments.measuring.timeout, scratch)?;
        if let Some(input) = &arguments.input {
            std::fs::File::open(input).with_context(|| format!("--input {}", shown(input)))?;
        }
        job.input.clone_from(&arguments.input);
        job.success = i32::from(arguments.status);
        let name = arguments.program.first().context("no program")?;
        Ok(Self::Program {
            job: Box::new(job),
            name: name.clone(),
            seen: Seen::default(),
        })
    }

    /// The command line, as it stands above the table.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Program { job, name, .. } => std::iter::once(name.as_os_str())
                .chain(job.arguments.iter().map(AsRef::as_ref))
                .map(|word| word.display().to_string())
                .collect::<Vec<_>>()
                .join(" "),
            Self::Server(server) => server.server.clone(),
        }
    }

    /// So many allocators come.
    pub(crate) fn expect(&mut self, count: usize) {
        if let Self::Program { seen, .. } = self {
            *seen = Seen::of(count);
        }
    }

    /// One run, to see whether the allocator serves.
    ///
    /// # Errors
    /// When it does not, or the run fails.
    pub(crate) fn vet(&self, library: &Library) -> Result<()> {
        match self {
            Self::Program { job, .. } => job::vet(job, library),
            Self::Server(server) => server.vet(library),
        }
    }

    /// One run that counts, of the contender with this number.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn measure(&mut self, which: usize, library: &Library) -> Result<Cost> {
        match self {
            Self::Program { job, seen, .. } => {
                let output: PathBuf = job.scratch.join("output");
                let (cost, words) = job::observe(job, library, Some(&output))?;
                require_room(&job.scratch)?;
                seen.add(which, Written::in_file(&output)?, Written::text(&words));
                forget(&output);
                Ok(cost)
            }
            Self::Server(server) => server.measure(library),
        }
    }

    /// How outputs differ.
    pub(crate) fn differences(&self, names: &[&str]) -> Outputs {
        match self {
            Self::Program { seen, .. } => seen.differences(names),
            Self::Server(_) => Outputs::default(),
        }
    }
}
