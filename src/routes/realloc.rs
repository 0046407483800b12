//! Resizing: in place where the chunk behind allows it, by moving pages, and at last by copying.

use super::start::{self, Route};
use super::{alloc, free, named, sampled};
use crate::arena::{self, surplus};
use crate::chunk::Chunk;
use crate::config::{ALIGN, HEADER, MAX_CHUNK, MAX_REQUEST, MIN_CHUNK};
use crate::mapped::{self, Resized};
use crate::object::{self, ObjectState};
use crate::vet::{self, Found, alive, found};
use crate::watch::{self, report};
use crate::{cache, class, limit, os, region, relief, settings};
use core::ptr;

/// Bytes up to which what stays of a chunk is copied where its rest would serve nobody. A longer
/// one loses an eighth at most.
const COPIED: usize = 4096;

/// The object at `p`, live, for `n` bytes (not 0); null leaves it as it was.
pub(crate) fn resize(p: *mut u8, n: usize) -> *mut u8 {
    resize_or(p, n, ptr::null_mut)
}

/// As [`resize`]; what `fail` returns where that is null. What is long is the last thing done, so
/// that the shortest way needs no frame.
///
/// What a glance shows to be in use, as the fast path of `free` sees it, needs no closer look.
#[inline(always)]
pub(crate) fn resize_or(p: *mut u8, n: usize, fail: impl Fn() -> *mut u8) -> *mut u8 {
    if start::is_plain() {
        match glance(p.addr()) {
            Glance::Object(_, class) if is_of(n, class) => return p,
            Glance::Object(state, class) => {
                return copy_object(p, state, class * ALIGN, n, fail);
            }
            Glance::Chunk(c, covered, tag) => return resize_chunk(c, covered, tag, n, fail),
            Glance::Other => {}
        }
    }
    resize_at_length(p, n, fail)
}

/// What a glance shows to be in use.
enum Glance {
    /// An object of a run: its state and its class.
    Object(ObjectState, usize),
    /// A plain chunk: what its tag covers, and the tag.
    Chunk(Chunk, u32, u32),
    /// Anything else.
    Other,
}

#[inline(always)]
fn glance(p: usize) -> Glance {
    let (word, granule) = region::aligned_word(p);
    if region::is_slot(word) {
        let state = object::state_of(word, granule);
        // SAFETY: a slot's word leads to its states (I9).
        let class = unsafe { state.get() }.cast_signed();
        if class > 0 {
            return Glance::Object(state, class as usize);
        }
    } else if word == region::CHUNKS {
        // SAFETY: a header below a payload of a heap's region is mapped memory (I8).
        let c = unsafe { Chunk::at(p) };
        let covered = c.head().covered();
        let tag = c.expected_under(covered);
        if c.tag() == tag {
            return Glance::Chunk(c, covered, tag);
        }
    }
    Glance::Other
}

/// Whether `n` bytes are of this class of runs: an object stays only within its class, since a sized
/// free must find the class its size belongs to. A size that wraps is no class's.
#[inline(always)]
fn is_of(n: usize, class: usize) -> bool {
    n.wrapping_add(ALIGN - 1) / ALIGN == class
}

#[cold]
#[inline(never)]
fn resize_at_length(p: *mut u8, n: usize, fail: impl Fn() -> *mut u8) -> *mut u8 {
    if start::is_sampled() && sampled::follows() {
        match glance(p.addr()) {
            Glance::Object(_, class) if is_of(n, class) && sampled::counts(n) => return p,
            // What it becomes is a request like any other.
            Glance::Object(state, class) if !is_of(n, class) => {
                return copy_object(p, state, class * ALIGN, n, fail);
            }
            Glance::Chunk(c, covered, tag) if sampled::counts(n) => {
                return sampled::below(|| resize_chunk(c, covered, tag, n, fail));
            }
            _ => {}
        }
    }
    let to = if start::is_plain() {
        resize_here(p, n)
    } else {
        by_route(p, ALIGN, n)
    };
    if to.is_null() { fail() } else { to }
}

/// A plain chunk in use, vetted: what its tag covers, and the tag.
#[inline(never)]
fn resize_chunk(c: Chunk, covered: u32, tag: u32, n: usize, fail: impl Fn() -> *mut u8) -> *mut u8 {
    let (p, size) = (
        ptr::with_exposed_provenance_mut(c.payload()),
        covered as usize,
    );
    if chunk(c, size, n) {
        return p;
    }
    let new = super::allocate(n);
    if new.is_null() {
        return if shorten(c, size, n) { p } else { fail() };
    }
    // SAFETY: two live objects of these sizes.
    unsafe { new.copy_from_nonoverlapping(p, class::usable(size).min(n)) };
    // Another thread may have freed it meanwhile.
    if !cache::put_vetted_chunk(c, covered, tag) {
        super::release(p);
    }
    new
}

/// An object of a run in use, of `have` bytes.
#[inline(never)]
fn copy_object(
    p: *mut u8,
    state: ObjectState,
    have: usize,
    n: usize,
    fail: impl Fn() -> *mut u8,
) -> *mut u8 {
    let new = super::allocate(n);
    if new.is_null() {
        return fail();
    }
    // SAFETY: two live objects; the old one has `have` bytes, the new one `n`; it is its state.
    unsafe {
        new.copy_from_nonoverlapping(p, have.min(n));
        if !cache::put_object(p.addr(), state) {
            free::slow(p.expose_provenance());
        }
    }
    new
}

/// As [`resize`] or [`resize_aligned`], for who is on no fast way.
#[cold]
#[inline(never)]
pub(crate) fn by_route(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    match start::route() {
        Route::Plain => resize_plainly(p, align, n),
        Route::Checked => watch::resize::resize(p, align, n),
        Route::Sampled => sampled::resize(p, align, n),
    }
}

/// As [`resize`] or [`resize_aligned`], once it is known which way the process goes.
#[cold]
#[inline(never)]
pub(super) fn resize_plainly(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    if align <= ALIGN {
        resize_here(p, n)
    } else {
        resize_aligned_here(p, align, n)
    }
}

/// As [`resize`], at length.
#[cold]
#[inline(never)]
fn resize_here(p: *mut u8, n: usize) -> *mut u8 {
    if n > MAX_REQUEST {
        // Even a request that cannot be met names its pointer.
        let _ = found(p.addr());
        return ptr::null_mut();
    }
    let word = region::word(p.addr());
    if word <= region::NAMED {
        return resize_apart(word, p, n);
    }
    let (have, in_place) = match alive(vet::look_in(word, p.addr()), p.addr()) {
        Found::Object(class) => {
            // Only within its class: a sized free must find the class its size belongs to.
            (class::size_of(class), class::of_request(n) == class)
        }
        Found::Chunk(c, _) => {
            let covered = c.head().covered();
            return resize_chunk(c, covered, c.expected_under(covered), n, ptr::null_mut);
        }
        Found::Mapped(_) | Found::Guarded(_) | Found::Bad(_) => return ptr::null_mut(),
    };
    if in_place { p } else { copy(p, have, n) }
}

/// As [`resize`] at a multiple of `align`, of an object that the caller says to be `had` bytes; if
/// it cannot be, the process ends.
pub(crate) fn resize_claimed(p: *mut u8, had: usize, align: usize, n: usize) -> *mut u8 {
    let plain = align <= ALIGN;
    if plain && n <= MAX_REQUEST && region::word(p.addr()) == 0 && start::route() == Route::Plain {
        return remap(p, n, Some(had));
    }
    free::check_size(p.addr(), had, align);
    if plain {
        resize(p, n)
    } else {
        resize_aligned(p, align, n)
    }
}

/// Whether a chunk now holds `n` bytes where it is.
#[inline(always)]
fn chunk(c: Chunk, size: usize, n: usize) -> bool {
    if n > MAX_CHUNK || class::is_for_run(n) {
        return false;
    }
    let wanted = class::chunk_for(n);
    if wanted <= size && size - wanted < MIN_CHUNK {
        if wanted != size {
            surplus::note(c, size);
        }
        return true;
    }
    if wanted > size {
        if !arena::may_extend(c, size) || !relief::permits(wanted - size) {
            return false; // no need to wait for the arena
        }
    } else if n <= COPIED && is_stranded(c, size, size - wanted) {
        return false;
    }
    arena::resize(c, size, wanted)
}

/// Whether the last `rest` bytes of a chunk in use, freed, would be a chunk between two in use that
/// is shorter than any that is asked for: runs serve what it could hold.
fn is_stranded(c: Chunk, size: usize, rest: usize) -> bool {
    class::is_for_run(rest - HEADER) && !arena::may_extend(c, size)
}

/// Makes a chunk in use hold just `n` bytes, if it is long enough: there is no memory for a copy.
#[cold]
fn shorten(c: Chunk, size: usize, n: usize) -> bool {
    if n > class::usable(size) {
        return false;
    }
    let wanted = class::chunk_for(n);
    wanted <= size && arena::resize(c, size, wanted)
}

/// As [`super::free`] has it: what no arena of the threads' has.
#[inline(always)]
fn resize_apart(word: usize, p: *mut u8, n: usize) -> *mut u8 {
    if word == 0 {
        return remap(p, n, None);
    }
    named::resize_plainly(p, ALIGN, n)
}

/// Resizes what must be a mapped chunk, since it lies in no heap.
fn remap(p: *mut u8, n: usize, had: Option<usize>) -> *mut u8 {
    // It is counted as a whole while it moves.
    if limit::is_on() {
        let have = mapped::usable(p.addr()).unwrap_or(0);
        if n > have && !relief::permits(n - have) {
            return ptr::null_mut();
        }
    }
    // What has become small belongs into the heap, unless it is about as large as before.
    let least = settings::mmap_threshold() / 2;
    let at = p.expose_provenance();
    match mapped::resize(at, n, least, had, 0) {
        Resized::At(to) => resized(to),
        Resized::Stays(have) if n < least && n < have => {
            let moved = copy(p, have, n);
            if !moved.is_null() {
                return moved;
            }
            match mapped::resize(at, n, 0, None, 0) {
                Resized::At(to) => ptr::with_exposed_provenance_mut(to),
                _ => p,
            }
        }
        Resized::Stays(have) if n <= have => p,
        Resized::Stays(have) => copy(p, have, n),
        Resized::Misfit => free::wrong_size(at),
        Resized::Owned => {
            if let Some(had) = had {
                free::check_size(at, had, ALIGN);
            }
            named::resize_plainly(p, ALIGN, n)
        }
        Resized::Unknown => {
            found(at);
            ptr::null_mut()
        }
    }
}

/// A mapped chunk that may have grown: its own function, so that other ways keep their frame.
#[inline(never)]
fn resized(to: usize) -> *mut u8 {
    report::look();
    ptr::with_exposed_provenance_mut(to)
}

fn copy(p: *mut u8, have: usize, n: usize) -> *mut u8 {
    let new = super::allocate(n);
    if new.is_null() {
        return new;
    }
    // SAFETY: two live objects; the old one has `have` bytes, the new one `n`.
    unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
    super::release(p);
    new
}

/// As [`resize`] at a multiple of `align`, a power of two above 16: always by copying, since
/// neither a cut nor a move by pages keeps an alignment.
pub(crate) fn resize_aligned(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    if start::is_plain() {
        return resize_aligned_here(p, align, n);
    }
    by_route(p, align, n)
}

#[inline(always)]
fn resize_aligned_here(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let what = found(p.addr());
    let have = match what {
        Found::Object(class) => class::size_of(class),
        Found::Chunk(_, size) => class::usable(size),
        Found::Mapped(have) | Found::Guarded(have) => have,
        Found::Bad(_) => return ptr::null_mut(),
    };
    if fits(what, align, n) {
        return p;
    }
    if region::word(p.addr()) <= region::NAMED && crate::named::of(p.addr()).is_some() {
        return named::resize_plainly(p, align, n);
    }
    let new = alloc::aligned(align, n);
    if !new.is_null() {
        // SAFETY: two live objects of these sizes.
        unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
        super::release(p);
    }
    new
}

/// Whether an object of this size and alignment could have been put here. In check mode it says
/// no to all: `watch::checked::is_exactly` knows better.
pub(crate) fn fits(what: Found, align: usize, n: usize) -> bool {
    let over = align > ALIGN;
    match what {
        // Runs serve no alignment above theirs.
        Found::Object(class) => !over && class::of_request(n) == class,
        Found::Chunk(c, size) => {
            // Exact, rounded to its class, or with a rest that was too small to split.
            let holds = |chunk: usize| {
                chunk == size || (chunk + ALIGN == size && surplus::is_noted(c, size))
            };
            // Only of a size that can be one is the chunk asked for.
            n < settings::loose_sizes()
                && holds(if over {
                    class::aligned_chunk_for(n, align)
                } else {
                    class::chunk_for(n)
                })
        }
        // Whole pages; where the kernel left more than those, the registry says so.
        Found::Mapped(have) => n <= have && have - n < os::page() && settings::check() == 0,
        // Nobody else's size is beside it; where it lies may suit more than was asked for.
        Found::Guarded(have) => n == have,
        Found::Bad(_) => false,
    }
}
