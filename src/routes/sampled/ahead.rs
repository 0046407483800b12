//! `malloc` below a cover: small requests are counted before they come, some at a time, and what is
//! for them waits in the cover's stock ([`crate::cache::stock`]).

use super::countdown::{count, count_ahead, count_last_of_strip, count_strip, uncount};
use crate::cache::cover::{self, Cover};
use crate::config::ALIGN;
use crate::routes::plain::alloc;
use crate::watch::{guard, samples};
use crate::{cache, class, guards};
use core::ptr;

/// As `malloc`, where the cache below the cover has what is asked for and no countdown ends, which is
/// so mostly; else what `otherwise` finds, which is the last thing done, with nothing counted.
#[inline(always)]
pub(crate) fn allocate_or(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let Some(cover) = following() else {
        return otherwise(n);
    };
    if class::may_cut(n) {
        small_or(n, cover, otherwise)
    } else {
        chunk_or(n, cover, otherwise)
    }
}

/// [`allocate_or`] for what chunks serve: too few of a size for a stock.
#[inline(never)]
fn chunk_or(n: usize, cover: &Cover, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    if !count(cover, n) {
        return otherwise(n);
    }
    let p = cover.take(n);
    if p.is_null() {
        uncount(cover, n);
        return otherwise(n);
    }
    p
}

/// This thread's cover, if it was drawn for what is asked now: a change is followed the long way.
#[inline(always)]
fn following() -> Option<&'static Cover> {
    let cover = cover::laid()?;
    (cover.sample.mean.get() == samples::interval() && cover.guard.mean.get() == guards::interval())
        .then_some(cover)
}

/// Whether this thread's requests are counted, as is asked now.
#[inline(always)]
pub(crate) fn follows() -> bool {
    following().is_some()
}

/// Counts a request of `n` bytes, which `malloc` does not see; false, and not counted, where a countdown
/// ends in it, or nothing is counted.
#[inline(always)]
pub(crate) fn counts(n: usize) -> bool {
    following().is_some_and(|cover| count(cover, n))
}

/// Does something below the cover: what it asks `malloc` for is not counted.
#[inline(always)]
pub(crate) fn below<R>(act: impl FnOnce() -> R) -> R {
    let _lifted = cover::lift();
    act()
}

/// [`allocate_or`] for what runs serve.
#[inline(never)]
fn small_or(n: usize, cover: &Cover, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let class = class::run_bin(n) >> class::BIN_SHIFT;
    if !cover.has(class) {
        if cover.is_cut_short_of(class * ALIGN) {
            return through_end_or(cover, class, n, otherwise);
        }
        if cover.ends_in_next(class) {
            return at_end_or(cover, class, n, otherwise);
        }
        let could = cover.could_stock(class);
        if could == 0 {
            return cut_or(cover, class, n, otherwise);
        }
        match count_ahead(cover, class, could) {
            0 => return at_end_or(cover, class, n, otherwise),
            some => cover.fill(class, some),
        }
    }
    cover.take_stocked(class)
}

/// What the cache has no freed object for: off its strip, if that is long enough.
#[inline(always)]
fn cut_or(cover: &Cover, class: usize, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let size = class * ALIGN;
    cover.give_strip_back();
    if cover.strip_beneath() < size {
        return otherwise(n);
    }
    if !count_strip(cover, size) {
        return met_or(count_last_of_strip(cover, size, n), n, otherwise);
    }
    cover.cut(class)
}

/// What would be cut off the piece of the strip that the cover has, if no countdown ended in it. Were it
/// served by the bins, as a request for which a piece is too short, what is long would pass by the ends
/// of countdowns, and what is small would meet them all.
#[cold]
#[inline(never)]
fn through_end_or(
    cover: &Cover,
    class: usize,
    n: usize,
    otherwise: fn(usize) -> *mut u8,
) -> *mut u8 {
    cover.give_strip_back();
    met_or(count_last_of_strip(cover, class * ALIGN, n), n, otherwise)
}

/// For a request that was counted ahead, and in which a countdown ends if it is so long.
#[cold]
#[inline(never)]
fn at_end_or(cover: &Cover, class: usize, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let is_met = |rest: u16| rest != 0 && usize::from(rest) <= n;
    met_or(cover.take_ends(class).map(is_met), n, otherwise)
}

/// For a request that is counted, and is to be a sample, or guarded, or neither.
#[cold]
#[inline(never)]
fn met_or(
    [is_sample, is_guarded]: [bool; 2],
    n: usize,
    otherwise: fn(usize) -> *mut u8,
) -> *mut u8 {
    let mut p = ptr::null_mut();
    {
        let _lifted = cover::lift();
        if is_guarded {
            p = guard::allocate(n, ALIGN);
        }
        if p.is_null() {
            p = cache::take(n, alloc::plainly);
        }
        if is_sample && !p.is_null() {
            super::sample(p.expose_provenance(), n, samples::interval());
        }
    }
    // Without memory, the long way says so.
    if p.is_null() { otherwise(n) } else { p }
}
