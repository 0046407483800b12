//! The machine, as far as figures depend on it.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::libraries::output;

/// A machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
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

impl Machine {
    /// This one.
    pub fn here() -> Self {
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

/// Today, UTC, as `2026-01-31`.
pub fn today() -> String {
    output("date", &["-u", "+%F"]).unwrap_or_default()
}
