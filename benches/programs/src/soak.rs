//! Whether resident memory drifts: `benches/programs/workloads/soak.c` in each regime of sizes, read at
//! intervals, its last half held against a bound.

use anyhow::{Context, Result, bail};
use launch::job;
use launch::libraries::{CAIRN, Library};
use launch::table;

use crate::build;
use crate::run;

/// A regime of sizes, and its operations in millions where nothing else is asked for.
const REGIMES: [(&str, u64); 5] = [
    ("small", 32),
    ("medium", 32),
    ("mixed", 32),
    ("shifting", 32),
    ("large", 4),
];
/// What the last quarter's mean may exceed the second's by: a tenth, and this many KiB for what a
/// heap or a cache more or less makes in a moment.
const ALLOWED_KIB: u64 = 2 << 10;
/// What the address space may grow by in the last half: a quarter, and so many KiB, two more heaps.
const ALLOWED_SPACE_KIB: u64 = 160 << 10;

/// What the program writes.
struct Soaked {
    operations: u64,
    threads: u64,
    live: u64,
    resident: [u64; 4],
    space: [u64; 2],
}

impl Soaked {
    fn read(text: &str) -> Result<Self> {
        let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
        let numbers = numbers.with_context(|| format!("not numbers: {text}"))?;
        let [operations, threads, live, a, b, c, d, half, end] = numbers[..] else {
            bail!("not nine numbers: {text}");
        };
        Ok(Self {
            operations,
            threads,
            live,
            resident: [a, b, c, d],
            space: [half, end],
        })
    }

    /// Whether more is resident at the end than there was after half of the way.
    fn drifts(&self) -> bool {
        let [_, half, _, end] = self.resident;
        let [space, space_at_end] = self.space;
        end > half + half / 10 + ALLOWED_KIB || space_at_end > space + space / 4 + ALLOWED_SPACE_KIB
    }

    fn row(&self, library: &str, regime: &str) -> Vec<String> {
        let mib = |kib: u64| table::number(Some(kib as f64 / 1024.0), 1);
        let mut row = vec![
            library.to_owned(),
            regime.to_owned(),
            self.operations.to_string(),
            self.threads.to_string(),
            mib(self.live),
        ];
        row.extend(self.resident.iter().chain(&self.space).map(|&kib| mib(kib)));
        row.push(if self.drifts() { "drifts" } else { "steady" }.to_owned());
        row
    }
}

/// All regimes on each library, `millions` of operations each or what is usual; the table, and the
/// regimes in which Cairn drifts.
///
/// # Errors
/// When the program does not compile, or does not run on Cairn.
pub(crate) fn all(
    libraries: &[Library],
    millions: Option<u64>,
    mut shown: impl FnMut(&str),
) -> Result<(String, Vec<&'static str>)> {
    let header = [
        "library",
        "regime",
        "operations",
        "threads",
        "live MiB",
        "resident to 1/4",
        "to 1/2",
        "to 3/4",
        "to 1",
        "space at 1/2",
        "at 1",
        "",
    ];
    let mut lines = table::table(header.map(str::to_owned).to_vec());
    let mut drifting = Vec::new();
    for library in libraries {
        for (regime, usual) in REGIMES {
            shown(&format!("{} {regime}", library.name));
            let operations = millions.unwrap_or(usual) * 1_000_000;
            let soaked = match soak(library, regime, operations) {
                Ok(soaked) => soaked,
                Err(error) if library.name != CAIRN => {
                    eprintln!("{}: {regime}: {error:#}", library.name);
                    continue;
                }
                Err(error) => return Err(error),
            };
            lines.add_row(soaked.row(&library.name, regime));
            if library.name == CAIRN && soaked.drifts() {
                drifting.push(regime);
            }
        }
    }
    Ok((lines.to_string(), drifting))
}

fn soak(library: &Library, regime: &str, operations: u64) -> Result<Soaked> {
    let arguments = [regime, &operations.to_string()];
    let job = run::plain(&build::program("soak")?, &arguments)?;
    Soaked::read(&job::read(&job, library)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_beyond_the_bound_in_the_last_half_is_a_drift() {
        let drifts = |text: &str| Soaked::read(text).is_ok_and(|soaked| soaked.drifts());
        assert!(!drifts("9 2 10000 5000 40000 41000 46048 90000 90000"));
        assert!(drifts("9 2 10000 5000 40000 41000 46049 90000 90000"));
        assert!(!drifts("9 2 10000 5000 40000 41000 40000 80000 263840"));
        assert!(drifts("9 2 10000 5000 40000 41000 40000 80000 263841"));
        assert!(Soaked::read("9 2 10000").is_err());
    }
}
