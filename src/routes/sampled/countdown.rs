//! How far it is to the next object that is met, in bytes: drawn anew at each end.

use crate::cache::cover::{Countdown, Cover};
use crate::config::ALIGN;
use crate::watch::draw;
use crate::{guards, os};
use core::cell::Cell;
use core::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// Bytes of the strip that are counted at a time, where no countdown ends before.
const PIECE: usize = 1024;

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

/// Counts `n` bytes; whether that is the end of the countdown, or it was drawn for another mean.
#[inline(always)]
pub(super) fn meets(countdown: &Countdown, mean: usize, n: usize) -> bool {
    let left = countdown.left.get().wrapping_sub_unsigned(n.max(1));
    if countdown.mean.get() != mean || left < 0 {
        return true;
    }
    countdown.left.set(left);
    false
}

/// What `n` bytes take of the countdown of samples, and of that of guards: what is too large to be
/// guarded is not counted for that.
#[inline(always)]
fn weights(n: usize) -> [usize; 2] {
    let weight = n.max(1);
    [weight, if n <= guards::LARGEST { weight } else { 0 }]
}

/// Counts `n` bytes for both; false, and not counted, where a countdown ends. They were drawn for what
/// is asked now.
#[inline(always)]
pub(super) fn count(cover: &Cover, n: usize) -> bool {
    let [weight, light] = weights(n);
    let sample = cover.sample.left.get().wrapping_sub_unsigned(weight);
    let guard = cover.guard.left.get().wrapping_sub_unsigned(light);
    if sample | guard < 0 {
        return false;
    }
    cover.sample.left.set(sample);
    cover.guard.left.set(guard);
    true
}

/// Takes [`count`] back.
#[inline(always)]
pub(super) fn uncount(cover: &Cover, n: usize) {
    let [weight, light] = weights(n);
    let give = |countdown: &Countdown, weight| {
        let left = countdown.left.get();
        countdown.left.set(left.saturating_add_unsigned(weight));
    };
    give(&cover.sample, weight);
    give(&cover.guard, light);
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
        cover.forget_stock();
        countdown.of_strip.set(next(&mut sequence, mean));
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

/// Counts `count` objects of a class before they are asked for. How many of them come before the one in
/// which a countdown ends; that one is counted, too, and noted ([`Cover::rests`]).
///
/// Each object has bytes of the countdown of its own, as if it were counted when it is asked for. Which
/// class counts first has no part in who is met: what a countdown ends in stays that class's.
#[inline(always)]
pub(super) fn count_ahead(cover: &Cover, class: usize, count: usize) -> usize {
    let size = class * ALIGN;
    let of_all = |countdown: &Countdown| countdown.left.get().wrapping_sub_unsigned(count * size);
    let [sample, guard] = [of_all(&cover.sample), of_all(&cover.guard)];
    if sample | guard < 0 {
        return count_to_end(cover, class, size);
    }
    cover.sample.left.set(sample);
    cover.guard.left.set(guard);
    count
}

#[cold]
#[inline(never)]
fn count_to_end(cover: &Cover, class: usize, size: usize) -> usize {
    let countdowns = [&cover.sample, &cover.guard];
    let before = cover.sample.left.get().min(cover.guard.left.get()).max(0);
    let before = before.unsigned_abs() / size.max(1);
    let mut sequence = cover.seed.get();
    let rests = countdowns.map(|countdown| {
        let (left, mean) = (countdown.left.get(), countdown.mean.get());
        let left = left.wrapping_sub_unsigned(before * size);
        let after = left.wrapping_sub_unsigned(size);
        if after >= 0 {
            countdown.left.set(after);
            return 0;
        }
        countdown.left.set(next(&mut sequence, mean));
        if mean == 0 { 0 } else { left as u16 + 1 }
    });
    cover.seed.set(sequence);
    if rests != [0, 0] {
        cover.end_in_next(class, rests);
    }
    before
}

/// Counts a piece of the strip for an object of `size` bytes, multiples of 16, and moves it to the cover:
/// as much more as a countdown leaves. False where one ends in that object.
#[inline(always)]
pub(super) fn count_strip(cover: &Cover, size: usize) -> bool {
    // Nothing is to be there for the class that has the next end.
    let most = if cover.ends_in_any() { size } else { PIECE };
    let bytes = most.min(cover.strip_beneath()).max(size);
    let of_piece = |left: &Cell<isize>| left.get().wrapping_sub_unsigned(bytes);
    let [sample, guard] = [&cover.sample.of_strip, &cover.guard.of_strip];
    let [after_sample, after_guard] = [of_piece(sample), of_piece(guard)];
    if after_sample | after_guard < 0 {
        return count_short_strip(cover, size, bytes);
    }
    sample.set(after_sample);
    guard.set(after_guard);
    cover.borrow_strip(bytes, 0);
    true
}

#[cold]
#[inline(never)]
fn count_short_strip(cover: &Cover, size: usize, piece: usize) -> bool {
    let lefts = [&cover.sample.of_strip, &cover.guard.of_strip];
    let least = lefts[0].get().min(lefts[1].get()).max(0);
    let bytes = least.unsigned_abs() / ALIGN * ALIGN;
    if bytes < size {
        return false;
    }
    for left in lefts {
        left.set(left.get().wrapping_sub_unsigned(bytes));
    }
    cover.borrow_strip(bytes, piece - bytes);
    true
}

/// Counts an object of `size` bytes off the strip in which a countdown ends: which ones do so within its
/// first `n` bytes.
pub(super) fn count_last_of_strip(cover: &Cover, size: usize, n: usize) -> [bool; 2] {
    let mut sequence = cover.seed.get();
    let met = [&cover.sample, &cover.guard].map(|countdown| {
        let (left, mean) = (countdown.of_strip.get(), countdown.mean.get());
        let after = left.wrapping_sub_unsigned(size);
        if after >= 0 {
            countdown.of_strip.set(after);
            return false;
        }
        countdown.of_strip.set(next(&mut sequence, mean));
        mean != 0 && left < n.cast_signed()
    });
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
