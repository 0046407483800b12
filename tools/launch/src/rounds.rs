//! Interleaved rounds, and when there are enough.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::runs::{Cost, Figure, Runs};

/// The fewest rounds from which an interval follows: [`crate::statistics::interval`] at the level of
/// five figures.
pub const FEWEST: usize = 8;
/// The most rounds where no number is asked for.
pub const MOST: usize = 100;
/// An interval is narrow enough when its upper end is at most so many times its lower one.
const NARROW: f64 = 1.05;
/// The figures whose intervals decide; wall time is the machine's as much as the program's.
const DECIDING: [Figure; 2] = [|cost| cost.cpu, |cost| cost.peak_kib];

/// When rounds end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so many; if not given, when intervals are narrow enough, or after [`MOST`].
    pub rounds: Option<usize>,
    /// When no other round would fit in; the first runs in any case.
    pub time: Option<Duration>,
}

/// Why rounds ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enough {
    /// As many as were asked for, or can be.
    Rounds,
    /// The intervals of CPU time and peak memory are narrow.
    Narrow,
    /// The time is up.
    Time,
    /// Nothing is left to be compared.
    Failed,
}

impl Enough {
    /// For a reader, behind the number of rounds.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rounds => "all that were to run",
            Self::Narrow => "until CPU time and peak memory were within 5 %",
            Self::Time => "until the time was up",
            Self::Failed => "until nothing was left to compare",
        }
    }
}

/// The order of a round: each begins with another, so that none always comes after the same break.
pub fn turned(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| (round + step) % count)
}

/// Adds rounds to `runs` until there are enough: in each, one cost of every name that has not
/// failed. `measure` gets the name's place and the round. A name that fails is out with all its
/// costs, since a ratio needs both.
///
/// An interval that ends the rounds by being narrow may be so by chance, and is then more often
/// beside the truth than its level says. So the rounds come in pairs. How the two of a pair differ
/// from one another decides on the end, and the intervals are then of the pairs' means. Where
/// nothing differs, the first says nothing of the sign of the second: to turn a pair's order and to
/// invert its ratios leaves the one as it is and inverts the other. So the level stays exact,
/// however often one looks.
pub fn compare(
    runs: &mut Runs,
    names: &[&str],
    limits: Limits,
    mut measure: impl FnMut(usize, usize) -> Result<Cost>,
) -> Enough {
    let start = Instant::now();
    let most = limits.rounds.unwrap_or(MOST);
    for round in 0.. {
        let is_out = |name: &&str| runs.failures.contains_key(*name);
        if names.first().is_some_and(is_out) || names.iter().skip(1).all(is_out) {
            return Enough::Failed;
        }
        if limits.rounds.is_none() && round % 2 == 0 && is_narrow(runs, names) {
            runs.in_pairs = true;
            return Enough::Narrow;
        }
        if round >= most {
            return Enough::Rounds;
        }
        let elapsed = start.elapsed();
        let usual = elapsed / u32::try_from(round.max(1)).unwrap_or(u32::MAX);
        if round > 0 && limits.time.is_some_and(|time| elapsed + usual > time) {
            return Enough::Time;
        }
        for which in turned(names.len(), round) {
            let Some(name) = names.get(which) else {
                continue;
            };
            if runs.failures.contains_key(*name) {
                continue;
            }
            match measure(which, round) {
                Ok(cost) => runs.add(name, cost),
                Err(error) => runs.fail(name, &error),
            }
        }
    }
    Enough::Rounds
}

/// Whether intervals of pairs of rounds will be narrow.
fn is_narrow(runs: &Runs, names: &[&str]) -> bool {
    let Some((first, others)) = names.split_first() else {
        return true;
    };
    others
        .iter()
        .filter(|name| !runs.failures.contains_key(**name))
        .all(|name| {
            DECIDING.iter().all(|figure| {
                runs.guessed_width(name, first, *figure)
                    .is_some_and(|width| width <= NARROW)
            })
        })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::{Enough, FEWEST, Limits, MOST, compare, turned};
    use crate::runs::{Cost, Runs};
    use crate::statistics::{ERROR_EACH, interval};

    fn cost(cpu: f64) -> Cost {
        Cost {
            cpu,
            wall: cpu,
            peak_kib: 100.0,
            final_kib: 100.0,
            faults: 10.0,
        }
    }

    #[test]
    fn each_round_begins_with_another() {
        assert_eq!(turned(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(turned(3, 1).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(turned(3, 5).collect::<Vec<_>>(), [2, 0, 1]);
    }

    #[test]
    fn the_fewest_rounds_are_the_fewest_for_an_interval() {
        assert_eq!(interval(&[1.0; FEWEST - 1], ERROR_EACH), None);
        assert!(interval(&[1.0; FEWEST], ERROR_EACH).is_some());
    }

    #[test]
    fn rounds_end_when_intervals_are_narrow_or_their_number_is_reached() {
        let names = ["a", "b"];
        let mut runs = Runs::default();
        let steady = |which: usize, _| Ok(cost([1.0, 1.5][which]));
        let end = compare(&mut runs, &names, Limits::default(), steady);
        assert_eq!((end, runs.costs["a"].len()), (Enough::Narrow, 2 * FEWEST));

        let mut runs = Runs::default();
        let wild = |which: usize, round: usize| Ok(cost((1 + which * (round % 9)) as f64));
        let end = compare(&mut runs, &names, Limits::default(), wild);
        assert_eq!((end, runs.costs["a"].len()), (Enough::Rounds, MOST));

        let mut runs = Runs::default();
        let three = Limits {
            rounds: Some(3),
            time: None,
        };
        let end = compare(&mut runs, &names, three, steady);
        assert_eq!((end, runs.costs["b"].len()), (Enough::Rounds, 3));
    }

    #[test]
    fn the_first_round_runs_even_if_there_is_no_time() {
        let mut runs = Runs::default();
        let none = Limits {
            rounds: None,
            time: Some(std::time::Duration::ZERO),
        };
        let end = compare(&mut runs, &["a", "b"], none, |_, _| Ok(cost(1.0)));
        assert_eq!((end, runs.costs["a"].len()), (Enough::Time, 1));
    }

    #[test]
    fn one_that_fails_is_out_and_without_the_first_there_is_nothing_to_compare() {
        let fails = |bad: usize| {
            let mut runs = Runs::default();
            let end = compare(
                &mut runs,
                &["a", "b", "c"],
                Limits::default(),
                |which, round| {
                    if which == bad && round == 2 {
                        bail!("signal 11");
                    }
                    Ok(cost(1.0))
                },
            );
            (end, runs)
        };
        let (end, runs) = fails(1);
        assert_eq!(end, Enough::Narrow);
        assert_eq!(runs.failures["b"], "signal 11");
        assert_eq!(
            (runs.costs.get("b"), runs.costs["c"].len()),
            (None, 2 * FEWEST)
        );
        assert_eq!(fails(0).0, Enough::Failed);
    }
}
