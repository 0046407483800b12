//! What was measured, as it is kept in JSON, and the figures that follow from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use launch::libraries::{Described, GLIBC};
use launch::machine::Machine;
use launch::runs::{Figure, Runs};
use launch::statistics::{Spread, geometric_mean};
use serde::{Deserialize, Serialize};

use crate::manifest::Group;
use crate::misses::Misses;

/// Everything about one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Its group.
    pub group: Group,
    /// Its name, and what each run cost.
    #[serde(flatten)]
    pub runs: Runs,
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
    /// Misses of simulated caches, if they were counted.
    #[serde(default)]
    pub misses: Option<Misses>,
}

impl Measured {
    /// A figure of a library, over the rounds.
    pub(crate) fn spread(&self, library: &str, figure: Figure) -> Option<Spread> {
        self.runs.spread(library, figure)
    }

    /// The same relative to glibc, round by round.
    pub(crate) fn ratio(&self, library: &str, figure: Figure) -> Option<Spread> {
        self.runs.ratio(library, GLIBC, figure)
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
                .filter(|workload| workload.runs.failures.is_empty() && chosen(workload))
                .filter_map(|workload| Some(workload.ratio(library, figure)?.median)),
        )
    }

    /// A probe's figure.
    pub(crate) fn probe(&self, name: &str, library: &str) -> Option<f64> {
        self.probes.get(name)?.get(library).copied()
    }
}
