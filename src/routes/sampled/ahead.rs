//! `malloc` below a cover: small requests are counted before they come, some at a time, and what is
//! for them waits in the cover's stock ([`crate::cache::stock`]).

use super::countdown::{count, count_ahead, uncount};
use crate::cache::cover::{self, Cover};
use crate::config::ALIGN;
use crate::routes::alloc;
use crate::watch::{guard, samples};
use crate::{cache, class, guards};
use core::cell::Cell;
use core::ptr;

/// As `malloc`, where the cache below the cover has what is asked for and no countdown ends, which is
/// so mostly; else what `otherwise` finds, which is the last thing done, with nothing counted.
#[inline(always)]
pub(crate) fn allocate_or(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let Some(cover) = cover::laid() else {
        return otherwise(n);
    };
    // A change of what is sampled is followed the long way.
    if cover.sample.mean.get() != samples::interval() || cover.guard.mean.get() != guards::interval()
    {
        return otherwise(n);
    }
    if class::may_cut(n) {
        return small_or(cover, n, otherwise);
    }
    let p = if count(cover, n) {
        cover.take(n)
    } else {
        return otherwise(n);
    };
    if p.is_null() {
        uncount(cover, n);
        return otherwise(n);
    }
    p
}

/// [`allocate_or`] for what runs serve.
#[inline(never)]
fn small_or(cover: &Cover, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let class = class::run_bin(n) >> class::BIN_SHIFT;
    if !cover.has(class) {
        let [sample, guard] = cover.rests(class);
        if sample.get() | guard.get() != 0 {
            return at_end_or(cover, class, n, otherwise);
        }
        let could = cover.could_stock(class);
        if could == 0 {
            return cut_or(cover, n, otherwise);
        }
        match count_ahead(cover, class, could) {
            0 => return at_end_or(cover, class, n, otherwise),
            some => cover.fill(class, some),
        }
    }
    cover.take_stocked(class)
}

/// What the cache has no freed object for: off its strip, counted for itself.
#[inline(always)]
fn cut_or(cover: &Cover, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    if !count(cover, n) {
        return otherwise(n);
    }
    let p = cover.cut(n);
    if p.is_null() {
        uncount(cover, n);
        return otherwise(n);
    }
    p
}

/// For a request that was counted ahead, and in which a countdown ends if it is so long.
#[cold]
#[inline(never)]
fn at_end_or(
    cover: &Cover,
    class: usize,
    n: usize,
    otherwise: fn(usize) -> *mut u8,
) -> *mut u8 {
    let is_met = |rest: &Cell<u16>| {
        let left = usize::from(rest.take());
        left != 0 && left <= n
    };
    let [is_sample, is_guarded] = cover.rests(class).each_ref().map(is_met);
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
