//! What runs cost, by library, and the ratios that follow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::statistics::{self, Spread};

/// One run of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
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
pub type Figure = fn(&Cost) -> f64;

/// A figure with its names.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// At the head of a column, and in JSON.
    pub name: &'static str,
    /// In a sentence.
    pub words: &'static str,
    /// What it is of a run.
    pub figure: Figure,
    /// A value of it for readers, with its unit.
    pub shown: fn(f64) -> String,
}

/// The five figures that are compared, in the order in which they are shown.
pub static FIGURES: [Named; statistics::FIGURES] = [
    Named {
        name: "CPU",
        words: "CPU time",
        figure: |cost| cost.cpu,
        shown: |seconds| format!("{seconds:.3} s"),
    },
    Named {
        name: "wall",
        words: "wall time",
        figure: |cost| cost.wall,
        shown: |seconds| format!("{seconds:.3} s"),
    },
    Named {
        name: "peak",
        words: "peak memory",
        figure: |cost| cost.peak_kib,
        shown: |kib| format!("{:.1} MiB", kib / 1024.0),
    },
    Named {
        name: "final",
        words: "final memory",
        figure: |cost| cost.final_kib,
        shown: |kib| format!("{:.1} MiB", kib / 1024.0),
    },
    Named {
        name: "faults",
        words: "page faults",
        figure: |cost| cost.faults,
        shown: |faults| format!("{faults:.0}"),
    },
];

/// All runs of one program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Runs {
    /// The program, or what it is called.
    pub name: String,
    /// By library: one cost a round.
    pub costs: BTreeMap<String, Vec<Cost>>,
    /// By library: why there are none.
    pub failures: BTreeMap<String, String>,
}

impl Runs {
    /// None yet, of a program with this name.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Takes a library out, with the reason.
    pub fn fail(&mut self, library: &str, error: &anyhow::Error) {
        self.costs.remove(library);
        self.failures
            .insert(library.to_owned(), format!("{error:#}"));
    }

    /// A figure of a library, over the rounds.
    pub fn spread(&self, library: &str, figure: Figure) -> Option<Spread> {
        Spread::of(self.costs.get(library)?.iter().map(figure))
    }

    /// The same relative to another library, round by round: lowest, median and highest.
    pub fn ratio(&self, library: &str, to: &str, figure: Figure) -> Option<Spread> {
        let ratios = self.ratios(library, to, figure);
        Spread::of(ratios.into_iter().filter(|ratio| ratio.is_finite()))
    }

    /// The same with a confidence interval, corrected for five figures.
    pub fn interval(&self, library: &str, to: &str, figure: Figure) -> Option<Spread> {
        let ratios = self.ratios(library, to, figure);
        statistics::interval(&ratios, statistics::ERROR_EACH)
    }

    /// The figures that are called different: those whose interval does not hold 1.
    pub fn different(&self, library: &str, to: &str) -> Vec<&'static Named> {
        let differs = |named: &&Named| {
            self.interval(library, to, named.figure)
                .is_some_and(|interval| interval.differs())
        };
        FIGURES.iter().filter(differs).collect()
    }

    /// One ratio a round. Nothing of nothing is as much.
    fn ratios(&self, library: &str, to: &str, figure: Figure) -> Vec<f64> {
        let of = |name: &str| self.costs.get(name).map(Vec::as_slice).unwrap_or_default();
        of(library)
            .iter()
            .zip(of(to))
            .map(|(own, other)| match (figure(own), figure(other)) {
                (0.0, 0.0) => 1.0,
                (own, other) => own / other,
            })
            .collect()
    }
}
