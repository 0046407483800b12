//! How a replay compares with the program itself: whether it puts allocators in the same order, how
//! near it comes to the program's peak memory, and whether it says the same twice.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::runs::{FIGURES, Named, Runs};

/// Two allocators that the program's own runs tell apart: intervals of what one costs relative to
/// the other do not hold 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// In what: [`Named::name`].
    pub figure: String,
    /// The one.
    pub library: String,
    /// The one to which it is compared.
    pub to: String,
    /// Its cost relative to that one's in the program's runs.
    pub program: f64,
    /// The same in the replays.
    pub replay: f64,
}

impl Difference {
    /// Whether the replay has the two in the same order. One that sees no difference has none.
    pub fn is_alike(&self) -> bool {
        let order = |ratio: f64| ratio.total_cmp(&1.0);
        order(self.program) == order(self.replay)
    }
}

/// The peak of an allocator. What is not the allocator's is the same on all, and known from the
/// first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Foretold {
    /// Whose.
    pub library: String,
    /// The program's, KiB.
    pub program: f64,
    /// What the replay foretells, KiB.
    pub replay: f64,
}

impl Foretold {
    /// How far the two are from each other, as a share.
    pub fn error(&self) -> f64 {
        (self.replay / self.program - 1.0).abs()
    }
}

/// The same trace, replayed in pairs, one at once after the other: the median of the ratios within
/// pairs. (What else a machine does comes and goes in seconds, and is mostly the same for both.)
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Twice {
    /// In what: [`Named::name`].
    pub figure: String,
    /// On which allocator.
    pub library: String,
    /// The second relative to the first.
    pub ratio: f64,
}

impl Twice {
    /// How far the two are from each other, as a share.
    pub fn error(&self) -> f64 {
        (self.ratio - 1.0).abs()
    }
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Likeness {
    /// What the program's own runs tell apart.
    pub differences: Vec<Difference>,
    /// Peaks.
    pub peaks: Vec<Foretold>,
    /// Repetitions.
    pub twice: Vec<Twice>,
}

/// What the second of a pair is called.
pub fn again(library: &str) -> String {
    format!("{library} again")
}

/// CPU time and peak memory: what a replay is for.
fn compared() -> impl Iterator<Item = &'static Named> {
    FIGURES
        .iter()
        .filter(|named| matches!(named.name, "CPU" | "peak"))
}

impl Likeness {
    /// Compares the program's runs with the replays of the same rounds, and within pairs of replays the
    /// one with the other, which is [`again`].
    pub fn of(program: &Runs, replay: &Runs, pairs: &Runs, names: &[&str]) -> Self {
        let mut found = Self::default();
        for named in compared() {
            for (at, to) in names.iter().enumerate() {
                for library in names.iter().skip(at + 1) {
                    let (Some(of_program), Some(of_replay)) = (
                        program.interval(library, to, named.figure),
                        replay.ratio(library, to, named.figure),
                    ) else {
                        continue;
                    };
                    if of_program.differs() {
                        found.differences.push(Difference {
                            figure: named.name.to_owned(),
                            library: (*library).to_owned(),
                            to: (*to).to_owned(),
                            program: of_program.median,
                            replay: of_replay.median,
                        });
                    }
                }
            }
            for name in names {
                if let Some(ratio) = pairs.ratio(&again(name), name, named.figure) {
                    found.twice.push(Twice {
                        figure: named.name.to_owned(),
                        library: (*name).to_owned(),
                        ratio: ratio.median,
                    });
                }
            }
        }
        let Some(peak) = FIGURES.iter().find(|named| named.name == "peak") else {
            return found;
        };
        let of = |runs: &Runs, name: &str| Some(runs.spread(name, peak.figure)?.median);
        let beside = names
            .first()
            .and_then(|first| Some(of(program, first)? - of(replay, first)?));
        for name in names.iter().skip(1) {
            if let (Some(beside), Some(own), Some(played)) =
                (beside, of(program, name), of(replay, name))
            {
                found.peaks.push(Foretold {
                    library: (*name).to_owned(),
                    program: own,
                    replay: beside + played,
                });
            }
        }
        found
    }

    /// How many of the differences the replay has the same way.
    pub fn alike(&self) -> usize {
        self.differences.iter().filter(|it| it.is_alike()).count()
    }

    /// How far a peak that is foretold is from the program's, at most.
    pub fn peak(&self) -> f64 {
        self.peaks.iter().map(Foretold::error).fold(0.0, f64::max)
    }

    /// How far a figure is from itself when the trace is replayed again, at most.
    pub fn twice(&self, figure: &str) -> f64 {
        let of = self.twice.iter().filter(|it| it.figure == figure);
        of.map(Twice::error).fold(0.0, f64::max)
    }

    /// For a reader.
    pub fn words(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Of {} differences in CPU time and peak memory between two allocators that the program's \
             runs show, the replay has {} the same way.",
            self.differences.len(),
            self.alike()
        );
        for other in self.differences.iter().filter(|it| !it.is_alike()) {
            let Difference {
                figure,
                library,
                to,
                program,
                replay,
            } = other;
            let _ = writeln!(
                text,
                "  another way: {figure} on {library} is {program:.3} of that on {to}, in the replay \
                 {replay:.3}"
            );
        }
        let _ = writeln!(
            text,
            "The peaks that it foretells are at most {:.1} % from the program's. Within \
             pairs of replays CPU times are at most {:.1} % apart, peaks {:.1} %, in the median of the \
             pairs.",
            self.peak() * 100.0,
            self.twice("CPU") * 100.0,
            self.twice("peak") * 100.0
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Likeness, again};
    use crate::runs::{Cost, Runs};

    fn runs(cpu: [f64; 3], peak: [f64; 3]) -> Runs {
        let mut runs = Runs::of("program");
        for ((name, cpu), peak_kib) in ["a", "b", "c"].into_iter().zip(cpu).zip(peak) {
            let cost = Cost {
                cpu,
                peak_kib,
                ..Cost::default()
            };
            runs.costs.insert(name.to_owned(), vec![cost; 8]);
        }
        runs
    }

    fn pairs(first: &Runs, second: &Runs) -> Runs {
        let mut pairs = first.clone();
        for (name, costs) in &second.costs {
            pairs.costs.insert(again(name), costs.clone());
        }
        pairs
    }

    #[test]
    fn orders_are_compared_and_peaks_foretold() {
        let program = runs([1.0, 0.9, 1.2], [100.0, 110.0, 100.0]);
        // The program has 60 that are not the allocator's.
        let replay = runs([0.5, 0.4, 0.45], [40.0, 50.0, 50.0]);
        let found = Likeness::of(
            &program,
            &replay,
            &pairs(&replay, &replay),
            &["a", "b", "c"],
        );
        // CPU: a and b, b and c alike, a and c not. Peak: a and b alike; b and c not.
        assert_eq!((found.differences.len(), found.alike()), (5, 3));
        assert!((found.peak() - 0.1).abs() < 1e-9);
        assert!(found.twice("CPU").abs() < 1e-9 && found.twice.len() == 6);
    }

    #[test]
    fn the_same_twice_is_the_median_within_pairs() {
        // A machine that becomes slower and slower: the second of a pair costs 1 % more.
        let mut first = runs([1.0; 3], [100.0; 3]);
        for costs in first.costs.values_mut() {
            for (at, cost) in costs.iter_mut().enumerate() {
                cost.cpu *= 1.1_f64.powi(i32::try_from(at).unwrap_or(0));
            }
        }
        let mut second = first.clone();
        for (name, costs) in &mut second.costs {
            for cost in costs.iter_mut() {
                cost.cpu *= 1.01;
            }
            if name == "b" {
                costs[5].cpu *= 3.0;
                costs[6].peak_kib = 103.0;
            }
        }
        let found = Likeness::of(&first, &first, &pairs(&first, &second), &["a", "b"]);
        let of = |figure: &str, name: &str| {
            let mut all = found.twice.iter();
            let found = all.find(|it| it.figure == figure && it.library == name);
            found.map_or(0, |it| (it.error() * 1000.0).round() as u32)
        };
        assert_eq!((of("CPU", "a"), of("CPU", "b")), (10, 10));
        assert_eq!((of("peak", "a"), of("peak", "b")), (0, 0));
    }
}
