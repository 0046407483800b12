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

/// A time with its unit.
fn seconds(time: f64) -> String {
    if time < 0.1 {
        format!("{:.2} ms", time * 1e3)
    } else {
        format!("{time:.3} s")
    }
}

/// The five figures that are compared, in the order in which they are shown.
pub static FIGURES: [Named; statistics::FIGURES] = [
    Named {
        name: "CPU",
        words: "CPU time",
        figure: |cost| cost.cpu,
        shown: seconds,
    },
    Named {
        name: "wall",
        words: "wall time",
        figure: |cost| cost.wall,
        shown: seconds,
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
    /// Intervals are of pairs of rounds, because the rounds ended when those were narrow:
    /// [`crate::rounds::compare`].
    #[serde(skip)]
    pub in_pairs: bool,
}

impl Runs {
    /// None yet, of a program with this name.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// One more run on a library.
    pub fn add(&mut self, library: &str, cost: Cost) {
        self.costs.entry(library.to_owned()).or_default().push(cost);
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
        let mut ratios = self.ratios(library, to, figure);
        if self.in_pairs {
            ratios = of_pairs(&ratios, |one, other| (one * other).sqrt());
        }
        statistics::interval(&ratios, statistics::ERROR_EACH)
    }

    /// The upper end of that interval as a multiple of the lower one, for pairs of rounds, guessed
    /// without a look at the ratios themselves. The quotient of a pair's ratios has the spread of
    /// their product, and a mean is half of a sum.
    pub fn guessed_width(&self, library: &str, to: &str, figure: Figure) -> Option<f64> {
        let ratios = self.ratios(library, to, figure);
        let quotients = of_pairs(&ratios, |one, other| (one / other).sqrt());
        Some(statistics::interval(&quotients, statistics::ERROR_EACH)?.width())
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

/// What is made of each two that follow one another.
fn of_pairs(values: &[f64], make: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    values
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [one, other] => Some(make(*one, *other)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
mod tests {
    use super::{Cost, Runs};

    fn runs(cpu: &[f64]) -> Runs {
        let costs = |cpu: &[f64]| -> Vec<Cost> {
            let cost = |&cpu: &f64| Cost {
                cpu,
                ..Cost::default()
            };
            cpu.iter().map(cost).collect()
        };
        let mut runs = Runs::of("program");
        let ones = vec![1.0; cpu.len()];
        runs.costs.insert("a".to_owned(), costs(&ones));
        runs.costs.insert("b".to_owned(), costs(cpu));
        runs
    }

    #[test]
    fn pairs_of_rounds_are_taken_by_their_geometric_mean() {
        let mut runs = runs(&[1.0, 4.0].repeat(8));
        let cpu = |runs: &Runs| runs.interval("b", "a", |cost| cost.cpu).expect("16 rounds");
        assert!(cpu(&runs).width() > 3.9);
        runs.in_pairs = true;
        assert!((cpu(&runs).median - 2.0).abs() < 1e-9 && cpu(&runs).width() < 1.000_001);
    }

    #[test]
    fn the_guess_of_a_width_does_not_know_which_is_dearer() {
        let one = [1.0, 1.1, 1.0, 1.2, 1.0, 1.3, 1.0, 1.4].repeat(2);
        // Some pairs turned, with their ratios inverted: there the two libraries change places.
        let turned: Vec<f64> = one
            .chunks_exact(2)
            .enumerate()
            .flat_map(|(at, pair)| match at % 3 {
                0 => [1.0 / pair[1], 1.0 / pair[0]],
                _ => [pair[0], pair[1]],
            })
            .collect();
        let width = |cpu: &[f64]| {
            let guess = runs(cpu).guessed_width("b", "a", |cost| cost.cpu);
            guess.expect("16 rounds")
        };
        assert!((width(&one) - width(&turned)).abs() < 1e-9);
        assert!(width(&one) > 1.05);
    }

    #[test]
    fn nothing_of_nothing_is_as_much() {
        let runs = runs(&[1.0; 8]);
        let faults = runs
            .interval("b", "a", |cost| cost.faults)
            .expect("8 rounds");
        assert!((faults.median - 1.0).abs() < 1e-9 && !faults.differs());
    }
}
