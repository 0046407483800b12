//! What was measured, as it is kept in JSON, and the figures that follow from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::libraries::{CAIRN, Described, GLIBC, output};
use crate::manifest::Group;

/// One run of one workload.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// User and system time, seconds.
    pub cpu: f64,
    /// From start to end, seconds.
    pub wall: f64,
    /// The most that was resident in its largest process, KiB.
    pub peak_kib: f64,
    /// What that process had at its end, KiB.
    pub final_kib: f64,
    /// Minor page faults.
    pub faults: f64,
}

/// A figure of a [`Cost`].
pub(crate) type Figure = fn(&Cost) -> f64;

/// Everything about one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The workload.
    pub name: String,
    /// Its group.
    pub group: Group,
    /// By library: one cost a round.
    pub costs: BTreeMap<String, Vec<Cost>>,
    /// By library: why there are none.
    pub failures: BTreeMap<String, String>,
}

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// CPUs online.
    pub cpus: usize,
    /// MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compilers.
    pub compilers: Vec<String>,
}

/// By name of a figure: by library.
pub(crate) type Table = BTreeMap<String, BTreeMap<String, f64>>;

/// A whole run of the bench.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Day, UTC.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// Rounds of each workload.
    pub rounds: usize,
    /// The short form of each workload ran.
    pub short: bool,
    /// What was compared, glibc first.
    pub libraries: Vec<Described>,
    /// In the manifest's order.
    pub workloads: Vec<Measured>,
    /// Instructions of a hot pair, by bytes.
    pub instructions: Table,
    /// Single figures, by the probe's name.
    pub probes: Table,
}

/// Median and the two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// Lowest.
    pub low: f64,
    /// Half are below.
    pub median: f64,
    /// Highest.
    pub high: f64,
}

impl Spread {
    /// `None` if there is no value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied();
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            at(middle)?
        } else {
            f64::midpoint(at(middle.checked_sub(1)?)?, at(middle)?)
        };
        Some(Self {
            low: at(0)?,
            median,
            high: at(values.len() - 1)?,
        })
    }
}

/// `None` if there is no value.
pub(crate) fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

impl Measured {
    /// A figure of a library, over the rounds.
    pub(crate) fn spread(&self, library: &str, figure: Figure) -> Option<Spread> {
        Spread::of(self.costs.get(library)?.iter().map(figure))
    }

    /// The same relative to glibc, round by round.
    pub(crate) fn ratio(&self, library: &str, figure: Figure) -> Option<Spread> {
        let own = self.costs.get(library)?;
        let glibc = self.costs.get(GLIBC)?;
        Spread::of(
            own.iter()
                .zip(glibc)
                .map(|(own, glibc)| figure(own) / figure(glibc))
                .filter(|ratio| ratio.is_finite()),
        )
    }
}

impl Results {
    /// Reads a file that [`Results::write`] wrote.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is no result of this bench", path.display()))
    }

    /// Writes all of it, in one step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let fresh = path.with_extension("new");
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The libraries' names, glibc first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.libraries.iter().map(|library| library.name.as_str())
    }

    /// Those that are neither Cairn nor glibc.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| ![GLIBC, CAIRN].contains(name))
    }

    /// The geometric mean of a figure relative to glibc, over workloads that every library could
    /// run, so that no library is better for having failed.
    pub(crate) fn mean(
        &self,
        library: &str,
        figure: Figure,
        chosen: impl Fn(&Measured) -> bool,
    ) -> Option<f64> {
        geometric_mean(
            self.workloads
                .iter()
                .filter(|workload| workload.failures.is_empty() && chosen(workload))
                .filter_map(|workload| Some(workload.ratio(library, figure)?.median)),
        )
    }

    /// A probe's figure.
    pub(crate) fn probe(&self, name: &str, library: &str) -> Option<f64> {
        self.probes.get(name)?.get(library).copied()
    }
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let first_line = |program: &str| {
            output(program, &["--version"]).and_then(|text| text.lines().next().map(str::to_owned))
        };
        let kib: u64 = field(&read("/proc/meminfo"), "MemTotal")
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            compilers: ["cc", "rustc"].into_iter().filter_map(first_line).collect(),
        }
    }
}
