//! A trace, ready to be played on any allocator.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use launch::job::{self, Job};
use launch::libraries::{GLIBC, Library};
use launch::runs::Cost;
use serde::Deserialize;
use traces::file::Reader;
use traces::script::{self, Made};

use crate::companions::{self, REPLAYER};

/// How often the allocator that does nothing is run.
const NULLS: usize = 3;
/// The least that a time may be, seconds: the clock's own grain.
const LEAST: f64 = 1e-6;

/// How a script is played.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Each call at its recorded time.
    pub(crate) paced: bool,
    /// With a look at the resident memory twice a millisecond.
    pub(crate) sampled: bool,
}

/// A script with who plays it.
pub(crate) struct Theatre {
    job: Job,
    name: String,
    made: Made,
}

/// What the replayer says.
#[derive(Clone, Debug, Deserialize)]
struct Said {
    cpu: f64,
    wall: f64,
    faults: f64,
    base_kib: f64,
    peak_kib: f64,
    final_kib: f64,
    samples: Vec<(f64, f64)>,
}

/// One replay.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    /// What it cost, the replay's own part with it.
    pub(crate) cost: Cost,
    /// What was resident before the first call.
    base_kib: f64,
    /// Seconds, and MiB resident.
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Played {
    /// The cost without that of an allocator that does nothing.
    pub(crate) fn beyond(&self, null: &Cost) -> Cost {
        Cost {
            cpu: (self.cost.cpu - null.cpu).max(LEAST),
            wall: (self.cost.wall - null.wall).max(LEAST),
            peak_kib: (self.cost.peak_kib - null.peak_kib).max(0.0),
            final_kib: (self.cost.final_kib - null.peak_kib).max(0.0),
            ..self.cost
        }
    }
}

impl Theatre {
    /// Of a trace.
    ///
    /// # Errors
    /// It is none, or the replayer is not here.
    pub(crate) fn new(
        trace: &Path,
        replayer: Option<&Path>,
        scratch: &Path,
        how: How,
        patience: Duration,
    ) -> Result<Self> {
        let mut reader = Reader::open(trace)?;
        let program = companions::find(REPLAYER, replayer, "--replayer")?;
        let path = scratch.join("script");
        let made =
            script::write(&mut reader, &path).with_context(|| format!("{}", trace.display()))?;
        if made.steps == 0 {
            bail!("{} has no calls in it", trace.display());
        }
        let mut arguments = vec![path.into_os_string()];
        for (is_wanted, word) in [(how.paced, "paced"), (how.sampled, "sampled")] {
            if is_wanted {
                arguments.push(word.into());
            }
        }
        Ok(Self {
            job: Job::of(program, arguments, patience, scratch),
            name: trace.display().to_string(),
            made,
        })
    }

    /// What stands above the table.
    pub(crate) fn title(&self) -> String {
        self.name.clone()
    }

    /// What was played, for the reader.
    pub(crate) fn words(&self, null: &Cost) -> String {
        format!(
            "\n{} calls in {} threads. Subtracted: {:.2} ms CPU, {:.2} ms wall of the replay itself.\n",
            self.made.steps,
            self.made.threads,
            null.cpu * 1e3,
            null.wall * 1e3
        )
    }

    /// Plays once, and asks the loader who served.
    ///
    /// # Errors
    /// It fails, or another serves.
    pub(crate) fn vet(&self, library: &Library) -> Result<()> {
        job::vet(&self.job, library)
    }

    /// Plays once.
    ///
    /// # Errors
    /// It fails.
    pub(crate) fn play(&self, library: &Library) -> Result<Played> {
        self.run(&self.job, library)
    }

    /// What the replay itself costs: on an allocator that does nothing, the least of some runs. Its
    /// peak is what is resident before the first call.
    ///
    /// # Errors
    /// It fails.
    pub(crate) fn null(&self) -> Result<Cost> {
        let mut job = self.job.clone();
        job.arguments.push("null".into());
        let library = Library {
            name: GLIBC.to_owned(),
            preload: "libc.so.6".into(),
            version: String::new(),
            env: Vec::new(),
        };
        let mut least: Option<Cost> = None;
        for _ in 0..NULLS {
            let played = self.run(&job, &library)?;
            let cost = Cost {
                peak_kib: played.base_kib,
                ..played.cost
            };
            let old = least.take().unwrap_or(cost);
            least = Some(Cost {
                cpu: old.cpu.min(cost.cpu),
                wall: old.wall.min(cost.wall),
                ..old
            });
        }
        least.context("no run")
    }

    fn run(&self, job: &Job, library: &Library) -> Result<Played> {
        let output = job.scratch.join("said");
        job::observe(job, library, Some(&output))?;
        let text = fs::read_to_string(&output).context("the replayer's output")?;
        let said: Said = serde_json::from_str(&text).context("the replayer's output")?;
        Ok(Played {
            cost: Cost {
                cpu: said.cpu,
                wall: said.wall,
                // An allocator's own is there before the first call.
                peak_kib: said.base_kib + said.peak_kib,
                final_kib: said.base_kib + said.final_kib,
                faults: said.faults,
            },
            base_kib: said.base_kib,
            curve: said
                .samples
                .iter()
                .map(|(millis, kib)| (millis / 1e3, kib / 1024.0))
                .collect(),
        })
    }
}
