//! How a replay compares with the program itself: whether it puts allocators in the same order, and
//! how near it comes to the program's peak memory.

use std::fmt::Write as _;

use launch::runs::{FIGURES, Named, Runs};
use launch::statistics::Spread;

/// What was found.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Fidelity {
    /// Pairs of allocators and figures that the program's own runs tell apart.
    pub(super) told_apart: usize,
    /// Of those, the ones that the replay has in the same order.
    pub(super) alike: usize,
    /// The farthest that a peak which the replay foretells is from the program's, as a share.
    pub(super) peak: f64,
    /// How far the first half of the replay's rounds is from the second, at most, in CPU time.
    pub(super) repeat: f64,
}

/// CPU time and peak memory: what a replay is for.
fn compared() -> impl Iterator<Item = &'static Named> {
    FIGURES
        .iter()
        .filter(|named| matches!(named.name, "CPU" | "peak"))
}

/// The middle of some costs.
fn middle(runs: &Runs, name: &str, named: &Named, part: std::ops::Range<usize>) -> Option<f64> {
    let costs = runs.costs.get(name)?.get(part)?;
    Some(Spread::of(costs.iter().map(named.figure))?.median)
}

fn whole(runs: &Runs, name: &str, named: &Named) -> Option<f64> {
    let rounds = runs.costs.get(name)?.len();
    middle(runs, name, named, 0..rounds)
}

/// Compares the two.
pub(super) fn of(real: &Runs, replay: &Runs, names: &[&str]) -> Fidelity {
    let mut found = Fidelity::default();
    for named in compared() {
        for (at, one) in names.iter().enumerate() {
            for other in names.iter().skip(at + 1) {
                let (Some(of_program), Some(of_replay)) = (
                    real.interval(other, one, named.figure),
                    replay.ratio(other, one, named.figure),
                ) else {
                    continue;
                };
                if of_program.differs() {
                    found.told_apart += 1;
                    // A replay that sees no difference has no order.
                    let order = |ratio: f64| ratio.total_cmp(&1.0);
                    let same = order(of_program.median) == order(of_replay.median);
                    found.alike += usize::from(same);
                }
            }
        }
    }
    // What is not the allocator's is the same on all, and known from the first.
    if let (Some(first), Some(peak)) = (names.first(), compared().last())
        && let (Some(program), Some(heap)) = (whole(real, first, peak), whole(replay, first, peak))
    {
        for name in names.iter().skip(1) {
            if let (Some(own), Some(played)) = (whole(real, name, peak), whole(replay, name, peak))
            {
                let foretold = program - heap + played;
                found.peak = found.peak.max((foretold / own - 1.0).abs());
            }
        }
    }
    if let Some(cpu) = compared().next() {
        for name in names {
            let rounds = replay.costs.get(*name).map_or(0, Vec::len);
            let half = rounds / 2;
            if let (Some(one), Some(other)) = (
                middle(replay, name, cpu, 0..half),
                middle(replay, name, cpu, half..rounds),
            ) {
                found.repeat = found.repeat.max((one / other - 1.0).abs());
            }
        }
    }
    found
}

impl Fidelity {
    /// For a reader.
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Of {} differences in CPU time and peak memory between two allocators that the program's \
             runs show, the replay has {} the same way.",
            self.told_apart, self.alike
        );
        let _ = writeln!(
            text,
            "The peaks that it foretells are at most {:.1} % from the program's; its CPU times of the \
             first half of the rounds at most {:.1} % from those of the second.",
            self.peak * 100.0,
            self.repeat * 100.0
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use launch::runs::{Cost, Runs};

    use super::of;

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

    #[test]
    fn orders_are_compared_and_peaks_foretold() {
        let real = runs([1.0, 0.9, 1.2], [100.0, 110.0, 100.0]);
        // The program has 60 that are not the allocator's.
        let replay = runs([0.5, 0.4, 0.45], [40.0, 50.0, 50.0]);
        let found = of(&real, &replay, &["a", "b", "c"]);
        // CPU: a and b, b and c alike, a and c not. Peak: a and b alike; b and c not.
        assert_eq!((found.told_apart, found.alike), (5, 3));
        assert!((found.peak - 0.1).abs() < 1e-9 && found.repeat.abs() < 1e-9);
    }
}
