//! Misses of what a workload does over and over, in caches that cachegrind simulates.
//!
//! The caches have the same shape on every machine, so a figure hangs on the library and the program
//! alone. Valgrind runs one thread at a time in one simulated core: what threads take from each
//! other's caches is no miss here.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result, bail};
use launch::job::Job;
use launch::libraries::{CAIRN, Described, GLIBC, Library, output};
use launch::machine::today;
use launch::program::on_path;
use serde::{Deserialize, Serialize};

use crate::build;
use crate::manifest::{self, Workload};
use crate::results::Table;
use crate::run;

/// Bytes, ways, and bytes of a line. The first level is a common core's. The last is what such a core
/// has for itself today: in a shared one of many MiB the short forms would lie as a whole.
const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"];
/// The same for readers.
pub(crate) const SHAPE: &str =
    "first level 32 KiB in 8 ways, last level 1 MiB in 16, lines of 64 bytes";
/// What no run needs, in seconds.
const PATIENCE: &str = "100";

/// Workloads of which misses decide: the argument of the short form that says how often, and how many
/// operations that is each time.
const CASES: [(&str, usize, u32); 12] = [
    ("pair-2000", 0, 1),
    ("batches", 0, 4000),
    // Nodes of a tree, on average: 200, and a number below 3,800.
    ("tree-24", 0, 2100),
    // 64 lists of 300.
    ("list-order", 2, 64 * 300),
    ("list-random", 2, 64 * 300),
    ("live-small", 1, 1),
    ("live-large", 1, 1),
    ("strings", 0, 1),
    // By 4 threads, then by 2, ten times one after another.
    ("larson", 0, 4 * 10),
    ("larson-1k", 0, 2 * 10),
    ("handoff-batch", 1, 1),
    ("fifo-1000", 0, 1),
];

/// What was counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Misses {
    /// Day, UTC.
    pub date: String,
    /// Who simulated.
    pub valgrind: String,
    /// What was counted, glibc first.
    pub libraries: Vec<Described>,
    /// The others, each with why.
    pub left_out: Vec<String>,
    /// Of data in the first level, by an operation of each workload.
    pub first: Table,
    /// Of these, those in the last level too.
    pub last: Table,
}

/// The workloads, in the order in which they are shown.
pub(crate) fn workloads() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, ..)| *name)
}

/// Where valgrind is.
///
/// # Errors
/// Nowhere.
pub(crate) fn valgrind() -> Result<PathBuf> {
    on_path("valgrind").context("valgrind is not installed: it simulates the caches")
}

/// A workload, compiled.
struct Case {
    name: &'static str,
    /// Its short form, and the same twice as long.
    runs: [Job; 2],
    /// Operations that the second has more.
    operations: f64,
}

impl Case {
    fn of((name, at, each): (&'static str, usize, u32), all: &[Workload]) -> Result<Self> {
        let workload = all.iter().find(|workload| workload.name == name);
        let workload = workload.with_context(|| format!("no workload is called {name}"))?;
        let (count, once, twice) = doubled(workload, at)?;
        let program = build::program(&workload.program)?;
        let job = |arguments: &[String]| {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run::plain(&program, &arguments)
        };
        Ok(Self {
            name,
            runs: [job(&once)?, job(&twice)?],
            operations: f64::from(count) * f64::from(each),
        })
    }

    /// Misses of one operation: of what twice as many cost more, so that neither a start nor the time
    /// until the live set is there is in it.
    fn count(&self, valgrind: &Path, library: &Library) -> Result<[f64; 2]> {
        let [once, twice] = &self.runs;
        let once = simulate(valgrind, once, library)?;
        let twice = simulate(valgrind, twice, library)?;
        Ok(per_operation(once, twice, self.operations))
    }
}

/// Counts all workloads, as many at a time as there are CPUs: who runs beside changes no count.
///
/// # Errors
/// When a workload does not compile or is not as [`CASES`] says, or glibc or Cairn cannot be run.
pub(crate) fn count(libraries: &[Library], mut shown: impl FnMut(&str)) -> Result<Misses> {
    let valgrind = valgrind()?;
    let all = manifest::read()?;
    let cases: Vec<Case> = CASES
        .iter()
        .map(|case| Case::of(*case, &all))
        .collect::<Result<_>>()?;
    let mut counted = Misses {
        date: today(),
        valgrind: output("valgrind", &["--version"]).unwrap_or_default(),
        ..Misses::default()
    };
    let plain = run::plain(&build::program("pair")?, &["1000", "64"])?;
    let mut left = Vec::new();
    for library in libraries {
        shown(&library.name);
        // snmalloc reserves more address space than valgrind has.
        if let Err(error) = simulate(&valgrind, &plain, library) {
            let why = format!("{} is left out: {error:#}", library.name);
            needed(library, &why)?;
            eprintln!("{why}");
            counted.left_out.push(why);
            continue;
        }
        counted.libraries.push(library.describe());
        left.extend(cases.iter().map(|case| (case, library)));
    }
    let (left, (tell, told)) = (Mutex::new(left), mpsc::channel());
    let worker = || {
        // Sent to who is gone where an error ended it all.
        while let Some((case, library)) = left.lock().ok().and_then(|mut left| left.pop()) {
            let _ = tell.send((case, library, case.count(&valgrind, library)));
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut result = Ok(());
        for (case, library, figures) in
            (0..cases.len() * counted.libraries.len()).map_while(|_| told.recv().ok())
        {
            let on = format!("{} on {}", case.name, library.name);
            shown(&on);
            match figures {
                Ok([first, last]) => {
                    for (table, figure) in [(&mut counted.first, first), (&mut counted.last, last)]
                    {
                        let row = table.entry(case.name.to_owned()).or_default();
                        row.insert(library.name.clone(), figure);
                    }
                }
                // A peer that cannot run a workload has no figure in it.
                Err(error) => {
                    let why = format!("{on}: {error:#}");
                    result = result.and(needed(library, &why));
                    eprintln!("{why}");
                }
            }
        }
        drop(workers);
        result
    })?;
    Ok(counted)
}

/// Without these two there is nothing to compare.
fn needed(library: &Library, why: &str) -> Result<()> {
    if [GLIBC, CAIRN].contains(&library.name.as_str()) {
        bail!("{why}");
    }
    Ok(())
}

/// How often the short form does something, its arguments, and those to do it twice as often.
fn doubled(workload: &Workload, at: usize) -> Result<(u32, Vec<String>, Vec<String>)> {
    let once = workload.short.clone().unwrap_or_default();
    let mut twice = once.clone();
    let place = twice.get_mut(at);
    let place = place.with_context(|| format!("{} has no such short form", workload.name))?;
    let count: u32 = place
        .parse()
        .with_context(|| format!("{} does nothing {place} times", workload.name))?;
    *place = (2 * count).to_string();
    Ok((count, once, twice))
}

fn per_operation(once: [u64; 2], twice: [u64; 2], operations: f64) -> [f64; 2] {
    let [first, last] = [0, 1].map(|at| twice[at].saturating_sub(once[at]) as f64 / operations);
    [first, last]
}

/// Misses of data of a whole run, in the first level and in the last.
fn simulate(valgrind: &Path, job: &Job, library: &Library) -> Result<[u64; 2]> {
    let timeout = on_path("timeout").context("timeout is not installed")?;
    let mut command = Command::new(timeout);
    // Where a stack begins hangs on the environment, and so do misses.
    command.env_clear();
    // Where valgrind is not in the place it was built for.
    if let Some(place) = env::var_os("VALGRIND_LIB") {
        command.env("VALGRIND_LIB", place);
    }
    let output = command
        .env("LD_PRELOAD", &library.preload)
        .envs(library.env.iter().cloned())
        .arg(PATIENCE)
        .arg(valgrind)
        .args(["--tool=cachegrind", "--cache-sim=yes"])
        .arg("--cachegrind-out-file=/dev/null")
        .args(CACHES)
        .arg(&job.program)
        .args(&job.arguments)
        .output()
        .context("valgrind does not start")?;
    let text = String::from_utf8_lossy(&output.stderr);
    match said(&text) {
        Some(misses) if output.status.success() => Ok(misses),
        _ => bail!("valgrind cannot run it ({})", output.status),
    }
}

/// The two figures out of what cachegrind says.
fn said(text: &str) -> Option<[u64; 2]> {
    let find = |level: &str| {
        text.lines().find_map(|line| {
            let (_, words) = line.split_once("== ")?;
            let number = words.strip_prefix(level)?.trim_start();
            let number = number.strip_prefix("misses:")?.split_whitespace().next()?;
            number.replace(',', "").parse().ok()
        })
    };
    Some([find("D1")?, find("LLd")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
==71== Cachegrind, a cache and branch-prediction profiler
checksum: 5
==71==
==71== I   refs:      3,111,111
==71== I1  misses:        1,999
==71== LLi misses:        1,888
==71== I1  miss rate:      0.06%
==71==
==71== D   refs:      1,234,567  (1,000,000 rd   + 234,567 wr)
==71== D1  misses:       12,345  (   10,000 rd   +   2,345 wr)
==71== LLd misses:        6,789  (    6,000 rd   +     789 wr)
==71== D1  miss rate:       1.0% (      1.0%     +     1.0%  )
==71== LLd miss rate:       0.5% (      0.6%     +     0.3%  )
==71==
==71== LL refs:          14,344  (   11,999 rd   +   2,345 wr)
==71== LL misses:         8,677  (    7,888 rd   +     789 wr)
";

    #[test]
    fn misses_of_data_are_told_from_those_of_code_and_from_rates() {
        assert_eq!(said(SAID), Some([12_345, 6_789]));
        assert_eq!(said(&SAID.replace("D1  misses", "D1  none")), None);
        assert_eq!(said("valgrind: failed to reserve address space"), None);
    }

    #[test]
    fn what_an_operation_costs_is_what_the_second_half_costs() {
        let cost = per_operation([10_000, 500], [13_000, 600], 200.0);
        assert_eq!(cost, [15.0, 0.5]);
        // A run by several threads may have less by chance.
        assert_eq!(per_operation([10, 10], [9, 10], 1.0), [0.0, 0.0]);
    }

    #[test]
    fn each_case_is_a_short_form_of_the_manifest() {
        let all = manifest::read().unwrap_or_default();
        for (name, at, _) in CASES {
            let workload = all.iter().find(|workload| workload.name == name);
            let doubled =
                workload.and_then(|workload| Some((workload, doubled(workload, at).ok()?)));
            let Some((workload, (count, short, twice))) = doubled else {
                unreachable!("{name} is not there, or has no number at {at}");
            };
            assert_eq!(Some(&short), workload.short.as_ref());
            assert_eq!(short[at], count.to_string());
            assert_eq!(twice[at], (2 * count).to_string());
            let others = |arguments: &[String]| [&arguments[..at], &arguments[at + 1..]].concat();
            assert_eq!(others(&short), others(&twice), "{name}");
        }
    }

    #[test]
    fn a_peer_may_be_left_out_and_neither_glibc_nor_cairn() {
        let library = |name: &str| Library {
            name: name.to_owned(),
            preload: PathBuf::new(),
            version: String::new(),
            env: Vec::new(),
        };
        assert!(needed(&library("snmalloc"), "no room").is_ok());
        for name in [GLIBC, CAIRN] {
            assert!(needed(&library(name), "no room").is_err());
        }
    }
}
