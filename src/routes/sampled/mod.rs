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

mod ahead;
mod countdown;

use super::plain::{alloc, free, realloc};
use super::start;
use crate::cache::cover::{self, Cover, Lift};
use crate::cache::lift;
use crate::cache::stock;
use crate::chunk::Chunk;
use crate::config::ALIGN;
use crate::region;
use crate::vet::Found;
use crate::watch::{guard, samples};
use crate::{cache, class, guards, object, os, settings, vet};
pub(crate) use ahead::{allocate_or, below, counts, follows};
use core::ptr;
use countdown::{GUARD, SAMPLE, draw_anew, meets, meets_for_all};

/// Nobody asks for an address: an object of this alignment is not to be guarded.
pub(super) const UNGUARDED: usize = 0;

/// Begins to sample the heap, one sample for every `interval` bytes in the mean; another interval if
/// it is sampled already. What was allocated before is in no profile. 0 stops it.
///
/// In check mode (`MALLOC_CHECK_`) nothing is sampled.
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// cairn::start_profile(512 << 10);
/// let much: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
/// // Here `cairn profile PID`, or the crate `cairn-profile` in the process itself, takes the profile.
/// cairn::stop_profile();
/// drop(much);
/// ```
pub fn start_profile(interval: usize) {
    start::ensure();
    samples::set_interval(interval);
    if interval != 0 {
        start::sample();
    }
    stock::forget();
}

/// Takes no more samples. Those that are there stay until their objects are freed.
///
/// ```
/// cairn::start_profile(1 << 20);
/// cairn::stop_profile();
/// assert_eq!(cairn::profile_interval(), 0);
/// ```
pub fn stop_profile() {
    samples::set_interval(0);
    stock::forget();
}

/// Mean bytes between two samples; 0 while the heap is not sampled.
///
/// ```
/// cairn::start_profile(1 << 20);
/// assert_eq!(cairn::profile_interval(), 1 << 20);
/// ```
#[must_use]
pub fn profile_interval() -> usize {
    samples::interval()
}

/// Whether anything is counted.
#[inline(always)]
fn is_counted() -> bool {
    samples::interval() | guards::interval() != 0
}

/// Does something below the cover, and counts what it got for `n` bytes; or gets a guarded object at
/// a multiple of `align` instead, unless that is [`UNGUARDED`].
#[inline]
pub(super) fn counted(n: usize, align: usize, get: impl FnOnce() -> *mut u8) -> *mut u8 {
    if !is_counted() {
        return uncounted(get);
    }
    let lifted = match lift::lift_or_make() {
        Lift::Lifted(lifted) => lifted,
        Lift::Already => return get(),
        Lift::Bare => return counted_for_all(n, align, get),
    };
    let cover = lifted.cover();
    let mut p = ptr::null_mut();
    if align != UNGUARDED && n <= guards::LARGEST && meets(&cover.guard, guards::interval(), n) {
        p = reach_guard(cover, n, align);
    }
    if p.is_null() {
        p = get();
    }
    if meets(&cover.sample, samples::interval(), n) && !p.is_null() {
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

#[cold]
#[inline(never)]
fn reach(cover: &Cover, p: *mut u8, n: usize) {
    let mean = samples::interval();
    if draw_anew(cover, &cover.sample, mean, n) {
        sample(p.expose_provenance(), n, mean);
    }
}

#[cold]
#[inline(never)]
fn reach_guard(cover: &Cover, n: usize, align: usize) -> *mut u8 {
    if draw_anew(cover, &cover.guard, guards::interval(), n) {
        guard::allocate(n, align)
    } else {
        ptr::null_mut()
    }
}

/// Counts an object of a thread that has no cache; the countdowns are those of all such threads.
#[cold]
#[inline(never)]
fn counted_for_all(n: usize, align: usize, get: impl FnOnce() -> *mut u8) -> *mut u8 {
    let mut p = ptr::null_mut();
    let guarded = align != UNGUARDED && n <= guards::LARGEST;
    if guarded && meets_for_all(&GUARD, guards::interval(), n) {
        p = guard::allocate(n, align);
    }
    if p.is_null() {
        p = get();
    }
    let mean = samples::interval();
    if meets_for_all(&SAMPLE, mean, n) && !p.is_null() {
        sample(p.expose_provenance(), n, mean);
    }
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
    counted(n, ALIGN, || cache::take(n, alloc::plainly))
}

/// As `calloc`, for what no cache holds.
#[cold]
#[inline(never)]
pub(super) fn zeroed(n: usize) -> *mut u8 {
    let p = counted(n, ALIGN, || alloc::zeroed_plainly(n));
    if settings::perturb() != 0 && guards::covers(p.addr()) {
        // SAFETY: `n` bytes just allocated.
        unsafe { p.write_bytes(0, n) };
    }
    p
}

/// As `memalign`, for an alignment beyond the usual.
#[cold]
#[inline(never)]
pub(super) fn aligned(align: usize, n: usize) -> *mut u8 {
    counted(n, align, || alloc::aligned_plainly(align, n))
}

/// As `free`.
#[cold]
#[inline(never)]
pub(super) fn free(p: usize) {
    forget(p);
    if !cache::put(p) {
        free::plainly(p);
    }
}

/// As `realloc`: a free and a request, also where the object stays. One that is guarded, or is to
/// be, moves.
#[cold]
#[inline(never)]
pub(super) fn resize(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let at = p.expose_provenance();
    // What is no object any more ends the process before anything is changed.
    let what = vet::found(at);
    let have = match what {
        Found::Guarded(have) => have,
        Found::Object(class) => class::size_of(class),
        Found::Chunk(_, size) => class::usable(size),
        Found::Mapped(_) | Found::Bad(_) => 0,
    };
    let is_guarded = matches!(what, Found::Guarded(_));
    let small = n <= guards::LARGEST && guards::interval() != 0;
    // An object of a heap of the program's own stays in it.
    let is_named = region::word(at) == region::NAMED;
    let is_met = have != 0 && small && !is_named && is_to_be_guarded(n);
    if is_guarded || is_met {
        let new = moved(p, have, align, n, if is_met { align } else { UNGUARDED });
        // What is to become smaller can always stay.
        let stays = new.is_null() && n <= have && at.is_multiple_of(align);
        if is_guarded || !new.is_null() {
            return if stays { p } else { new };
        }
    }
    let old = forget(at);
    let new = counted(n, UNGUARDED, || realloc::resize_plainly(p, align, n));
    if let (true, Some(old)) = (new.is_null(), old) {
        // It is as it was.
        sample(at, old, samples::interval());
    }
    new
}

/// Counts a request for the guards; whether it is met.
fn is_to_be_guarded(n: usize) -> bool {
    match lift::lift_or_make() {
        Lift::Lifted(lifted) => {
            let (cover, mean) = (lifted.cover(), guards::interval());
            meets(&cover.guard, mean, n) && draw_anew(cover, &cover.guard, mean, n)
        }
        Lift::Already => false,
        Lift::Bare => meets_for_all(&GUARD, guards::interval(), n),
    }
}

/// Another object for `n` bytes, a guarded one if `guarded` is an alignment, and the old one's bytes in
/// it. Null leaves that as it was.
fn moved(p: *mut u8, have: usize, align: usize, n: usize, guarded: usize) -> *mut u8 {
    let new = counted(n, UNGUARDED, || {
        let new = if guarded == UNGUARDED {
            ptr::null_mut()
        } else {
            guard::allocate(n, guarded)
        };
        match (new.is_null(), align <= ALIGN) {
            (false, _) => new,
            (true, true) => cache::take(n, alloc::plainly),
            (true, false) => alloc::aligned_plainly(align, n),
        }
    });
    if !new.is_null() {
        // SAFETY: two live objects of these sizes.
        unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
        free(p.expose_provenance());
    }
    new
}
