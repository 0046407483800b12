//! The committed list of workloads, `benches/programs/manifest.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::paths;

/// What a workload is about; geometric means are taken over each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Small objects, one thread.
    Small,
    /// Several threads.
    Threads,
    /// Large blocks.
    Large,
    /// What other benches do and programs that nobody tuned for.
    Shapes,
    /// Programs that people use.
    Real,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] = [
        Self::Small,
        Self::Threads,
        Self::Large,
        Self::Shapes,
        Self::Real,
    ];

    /// Its name in the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Threads => "threads",
            Self::Large => "large",
            Self::Shapes => "shapes",
            Self::Real => "real",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One program with its arguments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    /// What it is called in tables.
    pub name: String,
    /// What it is about.
    pub group: Group,
    /// A file of `benches/programs/workloads`, without or with its ending.
    pub program: String,
    /// Arguments of a run that is timed.
    #[serde(default)]
    pub args: Vec<String>,
    /// Arguments of a run that is only counted.
    #[serde(default)]
    pub short: Option<Vec<String>>,
    /// Programs that must be on `PATH`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// A script of `benches/programs/workloads` that makes the inputs, once.
    #[serde(default)]
    pub prepare: Option<String>,
    /// Variables for the program.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The name of the process that is meant, where others run beside it: time and memory are
    /// then its alone.
    #[serde(default)]
    pub process: Option<String>,
    /// For readers.
    #[serde(default)]
    #[expect(dead_code, reason = "a remark in the manifest")]
    pub note: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    workload: Vec<Workload>,
}

/// Reads the manifest.
///
/// # Errors
/// When it is not there, or not as described, or names a workload twice.
pub(crate) fn read() -> Result<Vec<Workload>> {
    let path = paths::bench("manifest.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Manifest = toml::from_str(&text).context("benches/programs/manifest.toml")?;
    let mut names = std::collections::BTreeSet::new();
    for workload in &manifest.workload {
        if !names.insert(&workload.name) {
            bail!(
                "benches/programs/manifest.toml: {} is there twice",
                workload.name
            );
        }
    }
    Ok(manifest.workload)
}

/// The workloads with these names, or of these groups; all if none is named.
///
/// # Errors
/// When a name is neither a workload's nor a group's.
pub(crate) fn select(all: Vec<Workload>, names: &[String]) -> Result<Vec<Workload>> {
    let is = |workload: &Workload, name: &String| {
        workload.name == *name || workload.group.name() == name
    };
    for name in names {
        if !all.iter().any(|workload| is(workload, name)) {
            bail!("no workload and no group is called {name}; `list` shows them");
        }
    }
    Ok(all
        .into_iter()
        .filter(|workload| names.is_empty() || names.iter().any(|name| is(workload, name)))
        .collect())
}
