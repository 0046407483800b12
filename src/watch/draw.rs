//! How far it is to the next sample, and what a sample stands for.
//!
//! Distances are exponential with the interval R as mean, so an object of S bytes is met with
//! probability `1 - exp(-S/R)` whatever came before it, and stands for `1 / (1 - exp(-S/R))` objects
//! of its size: sums over samples have the exact sums as their mean. `core` has neither logarithm nor
//! exponential; both are series here, exact to some units of the last place.

/// The natural logarithm of 2.
const LN_2: f64 = core::f64::consts::LN_2;

/// The next number of a thread's own sequence (Steele, Lea and Flood, "Fast Splittable Pseudorandom
/// Number Generators", 2014).
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The natural logarithm of a normal positive number.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mut m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if m > core::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1.0;
    }
    // ln m = 2 artanh s, |s| < 0.172.
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    let mut odd = 21.0;
    while odd > 0.0 {
        sum = sum * square + 1.0 / odd;
        odd -= 2.0;
    }
    exponent * LN_2 + 2.0 * s * sum
}

/// `1 - exp(-x)`, for `x` from 0 on.
fn chance(x: f64) -> f64 {
    if x > 40.0 {
        return 1.0;
    }
    let halvings = (x / LN_2) as u64;
    let rest = x - halvings as f64 * LN_2;
    // 1 - exp(-rest) for 0 <= rest < ln 2, without the difference that would cancel.
    let mut sum = 0.0;
    let mut n = 20.0;
    while n > 0.0 {
        sum = rest / n * (1.0 - sum);
        n -= 1.0;
    }
    let power = f64::from_bits((1023 - halvings) << 52);
    1.0 - power + power * sum
}

/// Bytes to the next sample at a mean of `mean` bytes.
pub(crate) fn distance(seed: &mut u64, mean: usize) -> isize {
    // (0, 1], in steps of 2^-53.
    let uniform = ((next(seed) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-ln(uniform) * mean as f64) as isize
}

/// How many objects of `size` bytes a sample at that mean stands for.
pub(crate) fn weight(size: usize, mean: usize) -> f64 {
    1.0 / chance(size.max(1) as f64 / mean.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_are_the_functions() {
        for i in 1..100_000 {
            let x = f64::from(i) / 2_500.0;
            let (mine, exact) = (chance(x), -(-x).exp_m1());
            assert!((mine / exact - 1.0).abs() < 1e-14, "chance {x}: {mine}");
            let (mine, exact) = (ln(x / 40.0), (x / 40.0).ln());
            assert!(
                (mine - exact).abs() < 1e-14 * exact.abs().max(1.0),
                "ln {x}"
            );
        }
        for tiny in [1e-12, 1e-9, 3e-5] {
            assert!((chance(tiny) / -(-tiny).exp_m1() - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn distances_have_the_interval_as_mean_and_as_deviation() {
        let (mut seed, mean, n) = (7, 4096, 200_000);
        let all = || -> f64 { f64::from(n) };
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let d = distance(&mut seed, mean) as f64;
            sum += d;
            squares += d * d;
        }
        let got = sum / all();
        let deviation = (squares / all() - got * got).sqrt();
        assert!((got / 4096.0 - 1.0).abs() < 0.01, "mean {got}");
        assert!(
            (deviation / 4096.0 - 1.0).abs() < 0.02,
            "deviation {deviation}"
        );
    }

    /// By the counter that the routes have, objects of a size are estimated without bias.
    #[test]
    fn samples_stand_for_what_was_counted() {
        for size in [16_usize, 1000, 4096, 40_000] {
            let (mut seed, mean, n) = (11 + size as u64, 4096, 20_000 * (4096 / size + 1));
            let mut left = distance(&mut seed, mean);
            let mut estimate = 0.0;
            for _ in 0..n {
                left -= size.cast_signed();
                if left < 0 {
                    estimate += weight(size, mean);
                    left = distance(&mut seed, mean);
                }
            }
            let ratio = estimate / n as f64;
            assert!((ratio - 1.0).abs() < 0.03, "{size} bytes: {ratio}");
        }
    }
}
