//! The search: each setting alone, the best together, and the best of all once more.

use anyhow::{Result, bail};
use launch::libraries::Library;
use launch::rounds::{self, Enough, Limits};
use launch::runs::{Cost, Figure, Runs};
use launch::statistics::{ERROR, interval};

use super::knobs;

/// So many of the best are put together, each with each.
const TOGETHER: usize = 3;
/// What looks at least so much better is worth a second look.
const WORTH: f64 = 0.99;

/// What is searched, and how long.
pub(super) struct Search<'a> {
    pub(super) library: &'a Library,
    pub(super) figure: Figure,
    /// Rounds of a first look.
    pub(super) looks: usize,
    /// Rounds of the last comparison.
    pub(super) rounds: usize,
}

/// The best, measured again.
pub(super) struct Best {
    /// What stands in the environment.
    pub(super) line: String,
    /// Against none, by rounds of their own.
    pub(super) runs: Runs,
    /// Whether it showed again.
    pub(super) gains: bool,
}

/// What came of it.
pub(super) struct Found {
    /// Settings with their score relative to none, the best first; none of those that fail.
    pub(super) tried: Vec<(String, Option<f64>)>,
    pub(super) best: Option<Best>,
}

impl Search<'_> {
    /// Searches.
    ///
    /// # Errors
    /// It fails without a setting.
    pub(super) fn run(&self, mut measure: impl FnMut(&Library) -> Result<Cost>) -> Result<Found> {
        let all = knobs::of(&self.library.name);
        let alone: Vec<_> = all
            .filter_map(|knob| Some((knob, knobs::with(self.library, knob)?)))
            .collect();
        let libraries: Vec<&Library> = alone.iter().map(|(_, library)| library).collect();
        let mut tried = self.look(&libraries, &mut measure)?;
        let order = best_first(&tried);
        let mut together = Vec::new();
        for (at, one) in order.iter().take(TOGETHER).enumerate() {
            for other in order.iter().take(TOGETHER).skip(at + 1) {
                if let (Some((_, library)), Some((knob, _))) = (alone.get(*one), alone.get(*other))
                    && is_worth(&tried, *one)
                    && is_worth(&tried, *other)
                {
                    together.extend(knobs::with(library, *knob));
                }
            }
        }
        let pairs: Vec<&Library> = together.iter().collect();
        if !pairs.is_empty() {
            tried.extend(self.look(&pairs, &mut measure)?);
        }
        let every: Vec<&Library> = libraries.into_iter().chain(pairs).collect();
        let order = best_first(&tried);
        let best = match order.first() {
            Some(first) if is_worth(&tried, *first) => match every.get(*first) {
                Some(library) => Some(self.again(library, &mut measure)?),
                None => None,
            },
            _ => None,
        };
        let failed = (0..tried.len()).filter(|at| !order.contains(at));
        let shown = order.iter().copied().chain(failed);
        let tried = shown
            .filter_map(|at| {
                Some((
                    every.get(at)?.name.clone(),
                    tried.get(at).copied().flatten(),
                ))
            })
            .collect();
        Ok(Found { tried, best })
    }

    /// A first look: each relative to none, in the same rounds.
    fn look(
        &self,
        settings: &[&Library],
        measure: &mut impl FnMut(&Library) -> Result<Cost>,
    ) -> Result<Vec<Option<f64>>> {
        let runs = self.rounds(settings, self.looks, measure)?;
        let score = |setting: &&Library| {
            let ratio = runs.ratio(&setting.name, &self.library.name, self.figure)?;
            Some(ratio.median)
        };
        Ok(settings.iter().map(score).collect())
    }

    /// The best against none, in rounds of their own.
    fn again(
        &self,
        setting: &Library,
        measure: &mut impl FnMut(&Library) -> Result<Cost>,
    ) -> Result<Best> {
        let runs = self.rounds(&[setting], self.rounds, measure)?;
        let costs = |name: &str| runs.costs.get(name).map(Vec::as_slice).unwrap_or_default();
        let ratios: Vec<f64> = costs(&setting.name)
            .iter()
            .zip(costs(&self.library.name))
            .map(|(own, none)| (self.figure)(own) / (self.figure)(none))
            .collect();
        Ok(Best {
            line: setting.name.clone(),
            gains: interval(&ratios, ERROR).is_some_and(|found| found.high < 1.0),
            runs,
        })
    }

    fn rounds(
        &self,
        settings: &[&Library],
        rounds: usize,
        measure: &mut impl FnMut(&Library) -> Result<Cost>,
    ) -> Result<Runs> {
        let all: Vec<&Library> = std::iter::once(self.library)
            .chain(settings.iter().copied())
            .collect();
        let names: Vec<&str> = all.iter().map(|library| library.name.as_str()).collect();
        let mut runs = Runs::of(&self.library.name);
        let limits = Limits {
            rounds: Some(rounds),
            time: None,
        };
        let enough = rounds::compare(&mut runs, &names, limits, |which, _| match all.get(which) {
            Some(library) => measure(library),
            None => bail!("no such setting"),
        });
        if enough == Enough::Failed
            && let Some(why) = runs.failures.get(&self.library.name)
        {
            bail!("it fails on {}: {why}", self.library.name);
        }
        Ok(runs)
    }
}

fn is_worth(scores: &[Option<f64>], at: usize) -> bool {
    scores
        .get(at)
        .copied()
        .flatten()
        .is_some_and(|score| score < WORTH)
}

/// Places of those that have a score.
fn best_first(scores: &[Option<f64>]) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = scores
        .iter()
        .enumerate()
        .filter_map(|(at, score)| Some(((*score)?, at)))
        .collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    order.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use launch::libraries::Library;
    use launch::runs::Cost;

    use super::{Found, Search};

    fn glibc() -> Library {
        Library {
            name: "glibc".to_owned(),
            preload: "libc.so.6".into(),
            version: String::new(),
            env: Vec::new(),
        }
    }

    /// Searches where a run costs what `of` says of the environment and the number of the run.
    fn search(of: impl Fn(&str, usize) -> f64) -> Found {
        let library = glibc();
        let search = Search {
            library: &library,
            figure: |cost| cost.cpu,
            looks: 3,
            rounds: 8,
        };
        let mut count = 0;
        search
            .run(|library| {
                count += 1;
                let cpu = of(&super::knobs::line(library), count);
                Ok(Cost {
                    cpu,
                    ..Cost::default()
                })
            })
            .expect("it runs")
    }

    #[test]
    fn two_that_gain_are_put_together_and_measured_again() {
        let found = search(|line, _| {
            let arenas = if line.contains("ARENA_MAX=1") {
                0.8
            } else {
                1.0
            };
            let huge = if line.contains("hugetlb=1") { 0.9 } else { 1.0 };
            arenas * huge
        });
        let best = found.best.expect("something gains");
        assert!(best.gains && best.line.contains("ARENA_MAX=1") && best.line.contains("hugetlb=1"));
        assert_eq!(best.runs.costs["glibc"].len(), 8);
    }

    #[test]
    fn what_looked_better_once_is_not_recommended() {
        // Each setting is cheap in its three looks, and dear from then on.
        let seen = RefCell::new(HashMap::<String, usize>::new());
        let found = search(|line, _| {
            let mut seen = seen.borrow_mut();
            let times = seen.entry(line.to_owned()).or_default();
            *times += 1;
            match (line.is_empty(), *times) {
                (false, ..=3) => 0.5,
                (false, _) => 1.5,
                (true, _) => 1.0,
            }
        });
        assert!(found.best.is_some_and(|best| !best.gains));
    }

    #[test]
    fn where_nothing_differs_nothing_is_measured_again() {
        let found = search(|_, _| 1.0);
        assert!(found.best.is_none() && found.tried.len() > 5);
    }
}
