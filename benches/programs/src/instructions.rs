//! Instructions of a hot pair of `malloc` and `free`.

use std::process::Command;

use anyhow::{Context, Result, bail};
use launch::job::{self, Job};
use launch::launcher::Mode;
use launch::libraries::Library;
use launch::program::on_path;

use crate::build;
use crate::results::Table;
use crate::run;

/// Bytes of the objects.
pub(crate) const SIZES: [u32; 6] = [16, 64, 128, 200, 512, 2000];
/// What the loop costs by itself, two calls included.
const LOOP: f64 = 10.0;
/// Pairs in the short run and in the long one; what start and warm-up cost is in both.
const RUNS: [u64; 2] = [1_000, 21_000];
/// The same where each instruction is a stop.
const STEPPED: [u64; 2] = [500, 1_500];

/// By size: by library.
///
/// # Errors
/// When a program fails, or there is no valgrind.
pub(crate) fn count(libraries: &[Library], mut shown: impl FnMut(&str)) -> Result<Table> {
    if on_path("valgrind").is_none() {
        bail!("valgrind is not installed: it counts the instructions");
    }
    let program = build::program("pair")?;
    let mut table = Table::new();
    for library in libraries {
        for size in SIZES {
            shown(&format!("{}, {size} bytes", library.name));
            let job = |pairs: u64| run::plain(&program, &[&pairs.to_string(), &size.to_string()]);
            let cost = match RUNS.map(|pairs| callgrind(&job(pairs)?, library)) {
                [Ok(short), Ok(long)] => per_pair(short, long, RUNS),
                // snmalloc reserves more address space than valgrind has.
                _ => {
                    let [short, long] =
                        STEPPED.map(|pairs| job::run(&job(pairs)?, library, Mode::Step));
                    per_pair(short?.instructions, long?.instructions, STEPPED)
                }
            };
            table
                .entry(size.to_string())
                .or_default()
                .insert(library.name.clone(), cost);
        }
    }
    Ok(table)
}

fn per_pair(short: u64, long: u64, [few, many]: [u64; 2]) -> f64 {
    long.saturating_sub(short) as f64 / (many - few) as f64 - LOOP
}

/// Instructions of a whole run.
fn callgrind(job: &Job, library: &Library) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(&job.program)
        .args(&job.arguments)
        .env("LD_PRELOAD", &library.preload)
        .output()
        .context("valgrind does not start")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(number) if output.status.success() => Ok(number),
        _ => bail!("callgrind: {}", output.status),
    }
}
