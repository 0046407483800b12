//! Resizing in check mode: where it is while there is room, and at last by copying.
//!
//! An object that has to move because it grows gets room to grow into, an eighth of itself in a
//! heap and as much again in addresses of a mapping: a string that becomes longer byte by byte is
//! copied as often as its size has figures, not as often as it has bytes. The room holds the
//! pattern, so a write past what was asked for shows in it as in any trailer.

use super::asked::asked_near;
use super::canary::{self, LEAST};
use super::checked::{Want, find, free, place, sign};
use super::stacks::kept;
use super::{FILL_LEVEL, guarded, samples};
use crate::arena::{owner, records};
use crate::chunk::Chunk;
use crate::config::{ALIGN, MAX_REQUEST, MIN_CHUNK, chunk_size};
use crate::vet::{Found, found};
use crate::{class, fatal, named, os, region, settings};
use core::ptr;

/// As `realloc` at a multiple of `align`, for a live object and `n` not 0; null leaves it as it
/// was.
pub(crate) fn resize(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let what = found(p.addr());
    let have = match what {
        Found::Chunk(c, size) => asked_near(c, size, n),
        Found::Mapped(asked) => asked,
        Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => return ptr::null_mut(),
    };
    if n > MAX_REQUEST {
        return ptr::null_mut();
    }
    if p.addr().is_multiple_of(align)
        && !belongs_elsewhere(what, have, n)
        && stays(what, p, have, n)
    {
        return stayed(p, n);
    }
    let new = moved(p, what, have, align, n);
    // What is to become smaller can always stay.
    if new.is_null() && n <= have && stays(what, p, have, n) {
        return stayed(p, n);
    }
    new
}

/// An object that was resized where it is: from now on it is who resized it who asked for it.
fn stayed(p: *mut u8, n: usize) -> *mut u8 {
    kept::allocated(p.addr(), n, samples::how());
    p
}

/// Whether an object is to move although it could stay.
fn belongs_elsewhere(what: Found, have: usize, n: usize) -> bool {
    match what {
        // What has become large is to have its guard pages.
        Found::Chunk(_, size) => {
            let wanted = chunk_size(n.saturating_add(LEAST));
            wanted > size && wanted >= settings::mmap_threshold()
        }
        // What has become small belongs into the heap, unless it is about as large as before.
        Found::Mapped(_) => n < have && n < settings::mmap_threshold() / 2,
        Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => false,
    }
}

/// Whether an object now has `n` bytes where it is.
fn stays(what: Found, p: *mut u8, have: usize, n: usize) -> bool {
    match what {
        Found::Chunk(c, size) => chunk(c, size, have, n),
        Found::Mapped(_) => match named::of(p.addr()) {
            Some(heap) => {
                let more = n.saturating_sub(have).next_multiple_of(os::page());
                let resize = || guarded::resize(p.addr(), n).then_some(());
                heap.promised(more, resize).is_some()
            }
            None => guarded::resize(p.addr(), n),
        },
        Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => false,
    }
}

/// Whether a chunk now holds `n` bytes and their trailer where it is.
fn chunk(c: Chunk, size: usize, have: usize, n: usize) -> bool {
    let wanted = chunk_size(n.saturating_add(LEAST));
    let p = c.payload();
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(p)) }.lock();
    if !c.is_used() {
        fatal::die("realloc(): invalid pointer", p);
    }
    // Again under the lock. What is cut off is written, so all of the trailer is looked at first.
    let was = asked_near(c, size, if n < have { usize::MAX } else { n });
    let room = class::usable(size);
    if wanted > size {
        if !state.extend(c, wanted) {
            return false;
        }
        sign(c, n);
    } else if n >= was || size - wanted < MIN_CHUNK {
        // SAFETY: a chunk in use, whose trailer was just found whole; its arena is locked.
        unsafe { canary::rewrite(p, room, was, n) };
    } else {
        if settings::check() >= FILL_LEVEL {
            // What is cut off is freed memory, too.
            // SAFETY: the program has given these bytes of its object back.
            unsafe {
                ptr::with_exposed_provenance_mut::<u8>(p + n)
                    .write_bytes(settings::free_fill(), room - n);
            }
        }
        state.shrink(c, wanted);
        sign(c, n);
    }
    state.audit();
    state.settle();
    true
}

/// Moves an object; null if there is no memory for it.
fn moved(p: *mut u8, what: Found, have: usize, align: usize, n: usize) -> *mut u8 {
    let want = Want {
        n,
        align: align.max(ALIGN),
        grows: n > have,
        heap: named::of(p.addr()),
        ..Want::default()
    };
    let new = place(find(&want), n);
    if new.is_null() {
        return new;
    }
    let len = have.min(n);
    let both_mapped = matches!(what, Found::Mapped(_)) && region::word(new.addr()) == 0;
    if both_mapped && settings::perturb() == 0 {
        // SAFETY: two live mapped objects of at least that many bytes, one untouched.
        unsafe { guarded::carry(p.addr(), new.addr(), len) };
    } else {
        // SAFETY: two live objects of at least that many bytes.
        unsafe { new.copy_from_nonoverlapping(p, len) };
    }
    free(p.expose_provenance());
    new
}
