//! What is old and still in use, by site, growing ones first.

use crate::lives::time;
use crate::table::{bytes, stack};
use crate::{Profile, Site, Sum};
use std::fmt::Write as _;

/// Samples that each half of the time must have left behind, where one look alone is to show growth:
/// five are above none by two standard deviations.
const ENOUGH: usize = 5;

/// A site that has old objects.
#[derive(Clone, Copy, Debug)]
pub struct Leak<'a> {
    /// The site.
    pub site: &'a Site,
    /// Objects and bytes of it that are old enough, estimated.
    pub old: Sum,
    /// Samples of those.
    pub samples: usize,
    /// Age of the oldest, milliseconds.
    pub oldest: u64,
    /// By how many bytes a second what the site has in use grows; 0 where that is not sure.
    pub rate: f64,
}

/// How growth is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// By the difference of two looks, so many milliseconds apart.
    Two(u64),
    /// By what is left of what came: the less of the first and the second half of the time sampled. What
    /// came at the start alone, or stays for a while alone, is in one half only.
    One,
}

/// The rate of a site, bytes a second.
fn rate(profile: &Profile, site: &Site, looks: Looks) -> f64 {
    match looks {
        Looks::Two(apart) => {
            let [growth, variance] = site.growth;
            if growth <= 2.0 * variance.sqrt() {
                return 0.0;
            }
            growth * 1000.0 / apart.max(1) as f64
        }
        Looks::One => {
            let half = profile.lasted / 2;
            let young = |of: bool| site.ages.iter().filter(move |a| (a.0 < half) == of);
            if young(true).count().min(young(false).count()) < ENOUGH {
                return 0.0;
            }
            let sum = |of: bool| young(of).map(|a| a.1[1]).sum::<f64>();
            sum(true).min(sum(false)) * 1000.0 / half.max(1) as f64
        }
    }
}

/// Sites with objects of that age and above, milliseconds: those that grow first, by their rates, then
/// the others by their bytes.
#[must_use]
pub fn of(profile: &Profile, age: u64, looks: Looks) -> Vec<Leak<'_>> {
    let leak = |site| {
        let old = || Site::ages_from(site, age);
        let sum = |k: usize| old().fold(0.0, |sum, a| sum + a.1[k]);
        Leak {
            site,
            old: [sum(0), sum(1)],
            samples: old().count(),
            oldest: old().map(|a| a.0).max().unwrap_or(0),
            rate: rate(profile, site, looks),
        }
    };
    let mut all: Vec<_> = (profile.sites.iter().map(leak))
        .filter(|leak| leak.samples != 0)
        .collect();
    all.sort_by(|a, b| {
        (b.rate, b.old[1])
            .partial_cmp(&(a.rate, a.old[1]))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    all
}

impl Site {
    /// Its objects that are at least so old, milliseconds.
    fn ages_from(&self, age: u64) -> impl Iterator<Item = &(u64, Sum)> {
        self.ages.iter().take_while(move |a| a.0 >= age)
    }
}

/// The first `count` of them as text.
#[must_use]
pub fn text(profile: &Profile, age: u64, looks: Looks, count: usize) -> String {
    let all = of(profile, age, looks);
    let sum = all.iter().fold(0.0, |sum, leak| sum + leak.old[1]);
    let growing = all.iter().filter(|leak| leak.rate > 0.0).count();
    let what = match age {
        0 => "are still in use".to_owned(),
        age => format!("have been in use for {} and more", time(age)),
    };
    let mut text = format!(
        "{} {what}, by {} samples of {} sites, of which {growing} {}; one for {} in the mean, {} sampled\n",
        bytes(sum),
        all.iter().map(|leak| leak.samples).sum::<usize>(),
        all.len(),
        if growing == 1 { "grows" } else { "grow" },
        bytes(profile.interval as f64),
        time(profile.lasted),
    );
    if profile.dropped != 0 {
        let _ = writeln!(
            text,
            "{} samples were dropped: the table was full",
            profile.dropped
        );
    }
    for leak in all.iter().take(count) {
        let grows = match leak.rate {
            rate if rate > 0.0 => format!("grows by {} a second", bytes(rate)),
            _ => "does not grow".to_owned(),
        };
        let _ = writeln!(
            text,
            "\n{:>10}  {grows}, {:.0} objects, the oldest of {}",
            bytes(leak.old[1]),
            leak.old[0],
            time(leak.oldest)
        );
        text.push_str(&stack(leak.site, 12));
    }
    if all.len() > count {
        let rest: f64 = all.iter().skip(count).map(|leak| leak.old[1]).sum();
        let others = match all.len() - count {
            1 => "another site".to_owned(),
            n => format!("{n} other sites"),
        };
        let _ = writeln!(text, "\n{:>10}  at {others}", bytes(rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(ages: &[u64], growth: [f64; 2]) -> Site {
        Site {
            frames: Vec::new(),
            lines: Vec::new(),
            allocated: [0.0; 2],
            in_use: [0.0; 2],
            peak: [0.0; 2],
            resident: 0.0,
            samples: [0; 2],
            lives: Vec::new(),
            ages: ages.iter().map(|age| (*age, [1.0, 512.0])).collect(),
            growth,
        }
    }

    fn rate_of(site: &Site, looks: Looks) -> f64 {
        let profile = Profile {
            lasted: 2000,
            ..Profile::default()
        };
        rate(&profile, site, looks)
    }

    /// So many samples of 512 bytes came and stay, and so many went.
    fn change(came: f64, went: f64) -> [f64; 2] {
        [(came - went) * 512.0, (came + went) * 512.0 * 512.0]
    }

    #[test]
    fn what_two_looks_differ_by_is_growth_where_it_is_above_its_error() {
        let of = |came, went| rate_of(&site(&[], change(came, went)), Looks::Two(1000));
        assert_eq!(of(20.0, 0.0).to_bits(), (20.0_f64 * 512.0).to_bits());
        for (came, went) in [(0.0, 0.0), (3.0, 0.0), (30.0, 20.0), (0.0, 20.0)] {
            assert!(of(came, went) <= 0.0, "{came} came, {went} went");
        }
    }

    #[test]
    fn what_is_left_of_one_half_alone_does_not_grow() {
        let of = |old: usize, young: usize| {
            let ages = [vec![1500; old], vec![500; young]].concat();
            rate_of(&site(&ages, [0.0; 2]), Looks::One)
        };
        assert_eq!(of(10, 20).to_bits(), (10.0_f64 * 512.0).to_bits());
        for (old, young) in [(100, 0), (0, 100), (100, 4), (4, 100)] {
            assert!(of(old, young) <= 0.0, "{old} old, {young} young");
        }
    }
}
