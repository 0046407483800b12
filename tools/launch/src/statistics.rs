//! Spreads, means, and intervals for paired rounds.

/// Figures that are compared at once: CPU, wall, peak and final memory, page faults.
pub const FIGURES: usize = 5;
/// How often any of the figures may be called different where nothing is.
pub const ERROR: f64 = 0.05;
/// The share of that for each figure, by Bonferroni's inequality.
pub const ERROR_EACH: f64 = ERROR / FIGURES as f64;

/// A middle and two ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The lower end.
    pub low: f64,
    /// The median, or an estimate of it.
    pub median: f64,
    /// The upper end.
    pub high: f64,
}

impl Spread {
    /// Lowest, median and highest; `None` if there is no value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Some(Self {
            low: values.first().copied()?,
            median: middle(&values)?,
            high: values.last().copied()?,
        })
    }

    /// Whether a ratio of 1 lies outside: then the two are called different.
    pub fn differs(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// The upper end as a multiple of the lower one.
    pub fn width(&self) -> f64 {
        self.high / self.low
    }
}

/// The median of values in ascending order.
fn middle(values: &[f64]) -> Option<f64> {
    let half = values.len() / 2;
    let high = values.get(half).copied()?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    Some(f64::midpoint(
        values.get(half.checked_sub(1)?).copied()?,
        high,
    ))
}

/// `None` if there is no value.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

/// A ratio from one pair a round, with its confidence interval at level 1 − `error`.
///
/// The interval is Tukey's, from Wilcoxon's signed-rank test, over the logarithms of the ratios;
/// its middle is Hodges' and Lehmann's estimate (Hollander, Wolfe, Chicken, *Nonparametric
/// Statistical Methods*, 3rd edition, sections 3.2 and 3.3). The test needs no distribution, only
/// that a round is as likely to differ by a factor as by its inverse where nothing differs; rounds
/// in turned order see to that. Its level is exact from the smallest sample on, and ties make it
/// only more careful.
///
/// `None` where a ratio is not a positive number, or the rounds are too few for the level: 8 are
/// the fewest for an error of 1 %.
pub fn interval(ratios: &[f64], error: f64) -> Option<Spread> {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    if !logs.iter().all(|log| log.is_finite()) {
        return None;
    }
    let skipped = skipped(logs.len(), error)?;
    let mut means = Vec::with_capacity(logs.len() * (logs.len() + 1) / 2);
    for (at, one) in logs.iter().enumerate() {
        means.extend(
            logs.iter()
                .take(at + 1)
                .map(|other| f64::midpoint(*one, *other)),
        );
    }
    means.sort_unstable_by(f64::total_cmp);
    Some(Spread {
        low: means.get(skipped)?.exp(),
        median: middle(&means)?.exp(),
        high: means.get(means.len().checked_sub(skipped + 1)?)?.exp(),
    })
}

/// How many of the means of two lie outside at each end: the largest sum of ranks that is rarer
/// than half the error. `None` if even a sum of 0 is not.
fn skipped(count: usize, error: f64) -> Option<usize> {
    // Probabilities of each sum of ranks, where a rank counts or not with the same chance.
    let mut chances = vec![1.0];
    for rank in 1..=count {
        let mut next = vec![0.0; chances.len() + rank];
        for (sum, chance) in chances.iter().enumerate() {
            for at in [sum, sum + rank] {
                if let Some(place) = next.get_mut(at) {
                    *place += chance / 2.0;
                }
            }
        }
        chances = next;
    }
    let mut below = 0.0;
    let rare = chances
        .iter()
        .take_while(|chance| {
            below += **chance;
            below <= error / 2.0
        })
        .count();
    rare.checked_sub(1)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
mod tests {
    use super::{ERROR_EACH, Spread, interval, skipped};

    #[test]
    fn critical_values_are_those_of_the_tables() {
        // Wilcoxon's signed-rank test, two-sided: Hollander and Wolfe, table A.4.
        assert_eq!(skipped(7, 0.01), None);
        assert_eq!(skipped(8, 0.01), Some(0));
        assert_eq!(skipped(10, 0.01), Some(3));
        assert_eq!(skipped(10, 0.05), Some(8));
        assert_eq!(skipped(20, 0.05), Some(52));
    }

    #[test]
    fn an_interval_is_of_means_of_two_and_stands_around_their_median() {
        let ratios: Vec<f64> = (1..=10).map(|n| f64::from(n).exp()).collect();
        let found = interval(&ratios, 0.01).expect("ten rounds are enough");
        // Of 1, 1.5, 2, 2, 2.5 … three are skipped.
        assert!((found.low.ln() - 2.0).abs() < 1e-9, "{found:?}");
        assert!((found.median.ln() - 5.5).abs() < 1e-9, "{found:?}");
        assert!((found.high.ln() - 9.0).abs() < 1e-9, "{found:?}");
        assert!(found.differs());
    }

    #[test]
    fn what_is_the_same_or_too_few_is_not_different() {
        let same = interval(&[1.0; 12], ERROR_EACH).expect("twelve rounds are enough");
        assert!(!same.differs() && same.width() <= 1.0);
        assert_eq!(interval(&[2.0; 7], ERROR_EACH), None);
        assert_eq!(interval(&[0.0; 12], ERROR_EACH), None);
        assert_eq!(interval(&[f64::NAN; 12], ERROR_EACH), None);
    }

    #[test]
    fn a_spread_is_the_ends_and_the_median() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0]).expect("there are values");
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.5, 10.0));
        assert_eq!(Spread::of([]), None);
    }
}
