//! What `cairn record` costs a program, and how large its traces are.

use anyhow::{Context, Result, bail};
use launch::job::{self, Job};
use launch::libraries::{GLIBC, Library};
use launch::rounds::{Limits, compare};
use launch::runs::Runs;
use launch::table::table;

use crate::build;
use crate::manifest::Workload;
use crate::run;
use crate::tools::{self, Tools};

/// The program below `cairn record`.
const RECORDED: &str = "recorded";
/// The most CPU time that recording may take, of the program's without it.
const REAL: f64 = 1.3;
const PURE: f64 = 2.5;
/// The most bytes of a trace for each call.
const BYTES: f64 = 3.0;

/// What is recorded, and the most that it may take.
struct Subject {
    name: String,
    job: Job,
    most: f64,
}

impl Subject {
    fn of(program: &Workload) -> Result<Self> {
        Ok(Self {
            name: program.name.clone(),
            job: run::job(program, false)?,
            most: if tools::is_real(program) { REAL } else { PURE },
        })
    }

    /// A program of so many threads that does nothing but allocate.
    fn pure(threads: &str) -> Result<Self> {
        Ok(Self {
            name: format!("pure, {threads}"),
            job: run::plain(&build::program("pure")?, &["8000000", threads])?,
            most: PURE,
        })
    }
}

/// Runs each program, and those that do nothing but allocate, with the recorder and without, in turned
/// order. A table, and what does not hold.
///
/// # Errors
/// Something fails.
pub(crate) fn all(
    programs: &[Workload],
    with_pure: bool,
    glibc: &Library,
    rounds: usize,
    mut shown: impl FnMut(&str),
) -> Result<(String, Vec<String>)> {
    shown("building");
    let tools = Tools::build()?;
    let recorded = Library {
        name: RECORDED.to_owned(),
        preload: tools.recorder.clone(),
        version: String::new(),
        env: Vec::new(),
    };
    let header = [
        "program",
        "calls",
        "threads",
        "alone",
        "recorded",
        "interval",
        "bytes a call",
    ];
    let mut lines = table(header.map(str::to_owned).to_vec());
    let mut broken = Vec::new();
    let mut subjects = programs
        .iter()
        .map(Subject::of)
        .collect::<Result<Vec<_>>>()?;
    if with_pure {
        subjects.extend([Subject::pure("1")?, Subject::pure("2")?]);
    }
    for Subject { name, job, most } in &subjects {
        let file = tools::fresh(name)?;
        let below = Job {
            below: tools.recording(&file),
            ..job.clone()
        };
        let mut runs = Runs::of(name);
        let limits = Limits {
            rounds: Some(rounds),
            time: None,
        };
        let mut trace = None;
        compare(&mut runs, &[GLIBC, RECORDED], limits, |which, round| {
            shown(&format!("{name}, round {}", round + 1));
            if which == 0 {
                return job::measure(job, glibc);
            }
            tools::fresh(name)?;
            let cost = job::measure(&below, &recorded)?;
            if trace.is_none() {
                trace = Some(tools::largest(&file)?);
            }
            Ok(cost)
        });
        if let Some(why) = runs.failures.values().next() {
            bail!("{name}: {why}");
        }
        let trace = trace.with_context(|| format!("{name}: nothing was recorded"))?;
        let alone = runs.spread(GLIBC, |cost| cost.cpu).context("no runs")?;
        let ratio = runs
            .ratio(RECORDED, GLIBC, |cost| cost.cpu)
            .context("no runs")?;
        let interval = runs.interval(RECORDED, GLIBC, |cost| cost.cpu);
        let bytes = trace.bytes as f64 / trace.calls.max(1) as f64;
        lines.add_row(vec![
            name.clone(),
            trace.calls.to_string(),
            trace.threads.to_string(),
            format!("{:.3} s", alone.median),
            format!("{:.2}", ratio.median),
            interval.map_or_else(String::new, |it| format!("{:.2}–{:.2}", it.low, it.high)),
            format!("{bytes:.2}"),
        ]);
        if ratio.median > *most {
            broken.push(format!(
                "{name}: {:.2} of its CPU time, at most {most} were promised",
                ratio.median
            ));
        }
        if bytes > BYTES {
            broken.push(format!(
                "{name}: {bytes:.2} bytes a call, at most {BYTES} were promised"
            ));
        }
    }
    Ok((format!("{lines}\n"), broken))
}
