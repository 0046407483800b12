//! How long objects of a site live, by its samples.

use crate::Site;
use std::fmt::Write as _;

/// Signs of the longest bar.
const BAR: usize = 30;

/// A time in a unit that leaves few digits.
///
/// ```
/// assert_eq!(cairn_profile::lives::time(90_000), "1.5 min");
/// ```
#[must_use]
pub fn time(milliseconds: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let (unit, name) = (units.into_iter())
        .find(|(unit, _)| milliseconds >= *unit)
        .unwrap_or((1, "ms"));
    let value = milliseconds as f64 / unit as f64;
    if value.fract() < 0.05 || value >= 10.0 {
        format!("{value:.0} {name}")
    } else {
        format!("{value:.1} {name}")
    }
}

/// The length that a life falls into, as the library counts them: the first is below a millisecond,
/// each other one ends at four times the one before, the last one nowhere.
#[must_use]
pub fn length(milliseconds: u64, lengths: usize) -> usize {
    let bits = u64::BITS - milliseconds.leading_zeros();
    (bits.div_ceil(2) as usize).min(lengths.saturating_sub(1))
}

/// A table of lives, indented: of the samples of a site how many lived for how long until they were
/// freed, and how long those that are in use have lived so far.
#[must_use]
pub fn text(site: &Site, indent: usize) -> String {
    let mut alive = vec![0_u32; site.lives.len()];
    for (age, _) in &site.ages {
        if let Some(count) = alive.get_mut(length(*age, site.lives.len())) {
            *count += 1;
        }
    }
    let rows: Vec<_> = site.lives.iter().copied().zip(alive).collect();
    let has = |(freed, alive): &(u32, u32)| *freed != 0 || *alive != 0;
    let (Some(first), Some(last)) = (rows.iter().position(has), rows.iter().rposition(has)) else {
        return String::new();
    };
    let most = rows.iter().map(|r| r.0.max(r.1)).max().unwrap_or(1).max(1);
    let bar = |count: u32, sign: &str| {
        let signs = (count as usize * BAR).div_ceil(most as usize);
        sign.repeat(signs)
    };
    let mut text = format!(
        "{:indent$}{:>9} {:>8} {:>8}\n",
        "", "lived", "freed", "in use"
    );
    for (i, (freed, alive)) in rows.iter().enumerate().take(last + 1).skip(first) {
        let bound = |i: usize| time(1 << (2 * i));
        let lived = if i + 1 == rows.len() {
            format!("> {}", bound(i - 1))
        } else {
            format!("< {}", bound(i))
        };
        let line = format!("{lived:>9} {freed:>8} {alive:>8}  ");
        let bars = format!("{}{}", bar(*freed, "-"), bar(*alive, "#"));
        let _ = writeln!(text, "{:indent$}{}", "", format!("{line}{bars}").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_fall_where_the_library_counts_them() {
        let of = |ms| length(ms, 16);
        let all = [0, 1, 3, 4, 15, 16, 63, 64, 1 << 28, u64::MAX].map(of);
        assert_eq!(all, [0, 1, 1, 2, 2, 3, 3, 4, 15, 15]);
    }

    #[test]
    fn times_have_few_digits() {
        let all = [0, 1, 999, 1024, 4096, 65_536, 4_194_304, 268_435_456].map(time);
        assert_eq!(
            all,
            [
                "0 ms", "1 ms", "999 ms", "1 s", "4.1 s", "1.1 min", "1.2 h", "3.1 d"
            ]
        );
    }
}
