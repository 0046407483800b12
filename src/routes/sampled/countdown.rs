//! How far it is to the next object that is met, in bytes: drawn anew at each end.

use crate::cache::cover::{Countdown, Cover};
use crate::os;
use crate::watch::draw;
use core::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// A countdown of all threads that have no cache.
pub(super) struct Shared {
    /// Bytes to the next object that is met.
    left: AtomicIsize,
    /// The mean that these were drawn with.
    mean: AtomicUsize,
}

impl Shared {
    const fn new() -> Self {
        Self {
            left: AtomicIsize::new(0),
            mean: AtomicUsize::new(0),
        }
    }
}

pub(super) static SAMPLE: Shared = Shared::new();
pub(super) static GUARD: Shared = Shared::new();

/// What `weight` bytes would leave of a countdown: below 0 where it ends, or was drawn for another
/// mean.
#[inline(always)]
pub(super) fn left_of(countdown: &Countdown, mean: usize, weight: usize) -> isize {
    if countdown.mean.get() == mean {
        countdown.left.get().wrapping_sub_unsigned(weight)
    } else {
        -1
    }
}

/// Counts `n` bytes; whether that is the end of the countdown, or it was drawn for another mean.
#[inline(always)]
pub(super) fn meets(countdown: &Countdown, mean: usize, n: usize) -> bool {
    let left = left_of(countdown, mean, n.max(1));
    if left >= 0 {
        countdown.left.set(left);
    }
    left < 0
}

/// A seed for a thread's own sequence of numbers.
fn seed() -> u64 {
    let errno = os::errno();
    let mut secret = [0; 2];
    os::secret(&mut secret);
    os::set_errno(errno);
    secret[0] | 1
}

/// Bytes to the next object that is met, if one in so many is.
fn next(seed: &mut u64, mean: usize) -> isize {
    match mean {
        0 => isize::MAX,
        // Each.
        1 => 0,
        mean => draw::distance(seed, mean),
    }
}

/// The end of a countdown, or one that was drawn for another mean: draws anew. Whether an object of
/// `n` bytes is met.
pub(super) fn draw_anew(cover: &Cover, countdown: &Countdown, mean: usize, n: usize) -> bool {
    let mut sequence = cover.seed.get();
    if sequence == 0 {
        sequence = seed();
    }
    let met = if countdown.mean.replace(mean) == mean {
        mean != 0
    } else {
        let left = next(&mut sequence, mean).wrapping_sub_unsigned(n.max(1));
        countdown.left.set(left);
        left < 0
    };
    if met || mean == 0 {
        countdown.left.set(next(&mut sequence, mean));
    }
    cover.seed.set(sequence);
    met
}

/// As [`meets`] and [`draw_anew`], for all threads that have no cache.
pub(super) fn meets_for_all(countdown: &Shared, mean: usize, n: usize) -> bool {
    if mean == 0 {
        return false;
    }
    let left = countdown.left.fetch_sub(n.max(1).cast_signed(), Relaxed);
    let left = left.wrapping_sub_unsigned(n.max(1));
    let drawn = countdown.mean.swap(mean, Relaxed) == mean;
    if left >= 0 && drawn {
        return false;
    }
    let mut sequence = seed();
    let first = next(&mut sequence, mean).wrapping_sub_unsigned(n.max(1));
    if !drawn && first >= 0 {
        countdown.left.store(first, Relaxed);
        return false;
    }
    countdown.left.store(next(&mut sequence, mean), Relaxed);
    true
}
