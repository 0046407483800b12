//! The routes of a process that is sampled, or once was: every request is counted, and who meets the
//! end of a countdown is a sample until it is freed.
//!
//! The first request of a process to be sampled turns the route for good (`start::sample`); a thread
//! follows at its next slow operation, and its cache gets a cover (`cache::cover`). When sampling ends,
//! the covers stay off, and of this nothing is left but what slow operations ask. Objects that were
//! handed out before are no samples.
//!
//! A sample says so by its state byte or its tag, which no fast path takes; of a mapped chunk, which
//! has no fast path, the table of samples knows.

use super::{alloc, free, realloc, start};
use crate::cache::cover::{self, Cover, Lift};
use crate::chunk::Chunk;
use crate::region;
use crate::watch::{draw, samples};
use crate::{cache, object, os, vet};
use core::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// Bytes to the next sample of threads that have no cache.
static LEFT: AtomicIsize = AtomicIsize::new(0);
/// The mean that these were drawn with.
static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// Begins to sample the heap, one sample for every `interval` bytes in the mean; another interval if
/// it is sampled already. What was allocated before is in no profile. 0 stops it.
///
/// In check mode (`MALLOC_CHECK_`) nothing is sampled.
pub fn start_profile(interval: usize) {
    start::ensure();
    samples::set_interval(interval);
    if interval != 0 {
        start::sample();
    }
}

/// Takes no more samples. Those that are there stay until their objects are freed.
pub fn stop_profile() {
    samples::set_interval(0);
}

/// Mean bytes between two samples; 0 while the heap is not sampled.
#[must_use]
pub fn profile_interval() -> usize {
    samples::interval()
}

/// Does something below the cover, and counts what it got for `n` bytes.
#[inline]
pub(super) fn counted(n: usize, get: impl FnOnce() -> *mut u8) -> *mut u8 {
    if samples::interval() == 0 {
        return uncounted(get);
    }
    let lifted = match cover::lift_or_make() {
        Lift::Lifted(lifted) => lifted,
        Lift::Already => return get(),
        Lift::Bare => return counted_for_all(n, get()),
    };
    let p = get();
    let cover = lifted.cover();
    let left = cover.left.get().wrapping_sub_unsigned(n.max(1));
    if left >= 0 && cover.mean.get() == samples::interval() {
        cover.left.set(left);
    } else if !p.is_null() {
        reach(cover, p, n);
    }
    p
}

/// Does something, and takes the cover off: there are to be no more samples.
#[cold]
fn uncounted<R>(act: impl FnOnce() -> R) -> R {
    let lifted = cover::lift();
    let done = act();
    if let Some(lifted) = lifted {
        lifted.leave_off();
    }
    done
}

/// The end of a countdown, or a countdown that was drawn for another interval.
#[cold]
#[inline(never)]
fn reach(cover: &Cover, p: *mut u8, n: usize) {
    let mean = samples::interval();
    let mut seed = cover.seed.get();
    if seed == 0 {
        let mut secret = [0; 2];
        let errno = os::errno();
        os::secret(&mut secret);
        os::set_errno(errno);
        seed = secret[0] | 1;
    }
    let met = if cover.mean.replace(mean) == mean {
        true
    } else {
        let left = draw::distance(&mut seed, mean).wrapping_sub_unsigned(n.max(1));
        cover.left.set(left);
        left < 0
    };
    if met {
        cover.left.set(draw::distance(&mut seed, mean));
    }
    cover.seed.set(seed);
    if met {
        sample(p.expose_provenance(), n, mean);
    }
}

/// Counts an object of a thread that has no cache; the countdown is that of all such threads.
#[cold]
#[inline(never)]
fn counted_for_all(n: usize, p: *mut u8) -> *mut u8 {
    let mean = samples::interval();
    let left = LEFT.fetch_sub(n.max(1).cast_signed(), Relaxed);
    let left = left.wrapping_sub_unsigned(n.max(1));
    let drawn = DRAWN.swap(mean, Relaxed) == mean;
    if p.is_null() || left >= 0 && drawn {
        return p;
    }
    let errno = os::errno();
    let mut secret = [0; 2];
    os::secret(&mut secret);
    os::set_errno(errno);
    let [mut seed, _] = secret;
    let first = draw::distance(&mut seed, mean).wrapping_sub_unsigned(n.max(1));
    if !drawn && first >= 0 {
        LEFT.store(first, Relaxed);
        return p;
    }
    LEFT.store(draw::distance(&mut seed, mean), Relaxed);
    sample(p.expose_provenance(), n, mean);
    p
}

/// A new object of `n` bytes is a sample from now on, if there is room for it.
fn sample(p: usize, n: usize, mean: usize) {
    let errno = os::errno();
    if mean != 0 && samples::enter(p, n, mean) {
        turn(p);
    }
    os::set_errno(errno);
}

/// Turns what says of an object that it is a sample.
fn turn(p: usize) {
    let word = region::word(p);
    // SAFETY: an object in use: a run's has a state (I9), a chunk a header (I8).
    unsafe {
        if region::is_slot(word) {
            object::state_at(word, p).turn_sampled();
        } else if region::is_chunks(word) {
            Chunk::at(p).turn_sampled();
        }
    }
}

/// Before an object is freed or resized: it is no sample any more. The bytes it was asked for with, if
/// it was one.
#[inline(always)]
fn forget(p: usize) -> Option<usize> {
    let (word, granule) = region::aligned_word(p);
    // SAFETY: as in `cache::put`: whatever lies there has a state (I9), or is mapped below (I8).
    let plain = unsafe {
        if region::is_slot(word) {
            !object::state_of(word, granule).is_sampled()
        } else {
            region::is_chunks(word) && !Chunk::at(p).is_sampled()
        }
    };
    if plain {
        return None;
    }
    forget_sample(p, word != 0)
}

#[cold]
#[inline(never)]
fn forget_sample(p: usize, marked: bool) -> Option<usize> {
    let errno = os::errno();
    let was = samples::leave(p);
    os::set_errno(errno);
    if marked {
        turn(p);
    }
    was
}

/// As `malloc`.
#[cold]
#[inline(never)]
pub(super) fn allocate(n: usize) -> *mut u8 {
    counted(n, || cache::take(n, alloc::plainly))
}

/// As `calloc`, for what no cache holds.
#[cold]
#[inline(never)]
pub(super) fn zeroed(n: usize) -> *mut u8 {
    counted(n, || alloc::zeroed_plainly(n))
}

/// As `memalign`, for an alignment beyond the usual.
#[cold]
#[inline(never)]
pub(super) fn aligned(align: usize, n: usize) -> *mut u8 {
    counted(n, || alloc::aligned_plainly(align, n))
}

/// As `free`.
#[cold]
#[inline(never)]
pub(super) fn free(p: usize) {
    forget(p);
    let give = || {
        if !cache::put(p) {
            free::plainly(p);
        }
    };
    if samples::interval() == 0 {
        return uncounted(give);
    }
    let _lifted = cover::lift();
    give();
}

/// As `realloc`: a free and a request, also where the object stays.
#[cold]
#[inline(never)]
pub(super) fn resize(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let at = p.expose_provenance();
    // What is no object any more ends the process before anything is changed.
    vet::found(at);
    let old = forget(at);
    let new = counted(n, || realloc::resize_plainly(p, align, n));
    if let (true, Some(old)) = (new.is_null(), old) {
        // It is as it was.
        sample(at, old, samples::interval());
    }
    new
}
