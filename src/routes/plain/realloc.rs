//! Resizing: in place where the chunk behind allows it, by moving pages, and at last by copying, which
//! is a request and a free like any other.

use super::named;
use crate::arena::{self, surplus};
use crate::chunk::Chunk;
use crate::config::{ALIGN, HEADER, MAX_CHUNK, MAX_REQUEST};
use crate::mapped::{self, Resized};
use crate::routes::{self, claims};
use crate::vet::{self, Found, alive, found};
use crate::watch::report;
use crate::{cache, class, limit, region, relief, settings};
use core::ptr;

/// Bytes up to which what stays of a chunk is copied where its rest would serve nobody. A longer
/// one loses an eighth at most.
const COPIED: usize = 4096;

/// The object at `p`, live, for `n` bytes (not 0) at a multiple of `align`; null leaves it as it was.
#[cold]
#[inline(never)]
pub(in crate::routes) fn resize_plainly(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    if align <= ALIGN {
        resize_here(p, n)
    } else {
        resize_aligned_here(p, align, n)
    }
}

/// The same, at the usual alignment.
#[cold]
#[inline(never)]
pub(in crate::routes) fn resize_here(p: *mut u8, n: usize) -> *mut u8 {
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

/// As [`super::free`] has it: what no arena of the threads' has.
#[inline(always)]
fn resize_apart(word: usize, p: *mut u8, n: usize) -> *mut u8 {
    if word == 0 {
        return remap(p, n, None);
    }
    named::resize_plainly(p, ALIGN, n)
}

/// A plain chunk in use, vetted: what its tag covers, and the tag.
#[inline(never)]
pub(in crate::routes) fn resize_chunk(
    c: Chunk,
    covered: u32,
    tag: u32,
    n: usize,
    fail: impl Fn() -> *mut u8,
) -> *mut u8 {
    let (p, size) = (
        ptr::with_exposed_provenance_mut(c.payload()),
        covered as usize,
    );
    if chunk(c, size, n) {
        return p;
    }
    let new = routes::allocate(n);
    if new.is_null() {
        return if shorten(c, size, n) { p } else { fail() };
    }
    // SAFETY: two live objects of these sizes.
    unsafe { new.copy_from_nonoverlapping(p, class::usable(size).min(n)) };
    // Another thread may have freed it meanwhile.
    if !cache::put_vetted_chunk(c, covered, tag) {
        routes::release(p);
    }
    new
}

/// Whether a chunk now holds `n` bytes where it is.
#[inline(always)]
fn chunk(c: Chunk, size: usize, n: usize) -> bool {
    if n > MAX_CHUNK || class::is_for_run(n) {
        return false;
    }
    let wanted = class::chunk_for(n);
    if surplus::stays(c, size, wanted) {
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

/// Resizes what must be a mapped chunk, since it lies in no heap.
pub(in crate::routes) fn remap(p: *mut u8, n: usize, had: Option<usize>) -> *mut u8 {
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
        Resized::Misfit => claims::wrong_size(at),
        Resized::Owned => {
            if let Some(had) = had {
                claims::check_size(at, had, ALIGN);
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
    let new = routes::allocate(n);
    if new.is_null() {
        return new;
    }
    // SAFETY: two live objects; the old one has `have` bytes, the new one `n`.
    unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
    routes::release(p);
    new
}

/// As [`resize_plainly`] at a multiple of `align`, a power of two above 16: always by copying, since
/// neither a cut nor a move by pages keeps an alignment.
#[inline(always)]
pub(in crate::routes) fn resize_aligned_here(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let what = found(p.addr());
    let have = match what {
        Found::Object(class) => class::size_of(class),
        Found::Chunk(_, size) => class::usable(size),
        Found::Mapped(have) | Found::Guarded(have) => have,
        Found::Bad(_) => return ptr::null_mut(),
    };
    if claims::fits(what, align, n) {
        return p;
    }
    if region::word(p.addr()) <= region::NAMED && crate::named::of(p.addr()).is_some() {
        return named::resize_plainly(p, align, n);
    }
    let new = routes::aligned(align, n);
    if !new.is_null() {
        // SAFETY: two live objects of these sizes.
        unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
        routes::release(p);
    }
    new
}
