//! Requests of heaps of the program's own, and their end: which way they go.

use super::plain::named::plainly;
use super::start::{self, Route};
use super::{check, sampled};
use crate::arena::arena_of;
use crate::named::{self, Named};
use crate::vet::{self, Found, refuse};
use crate::watch::quarantine::{self, Held};
use crate::watch::{checked, looks, samples};
use crate::{fatal, region};
use core::ptr;

/// Memory for `n` bytes at a multiple of `align`, a power of two, all zero if that is asked for; or
/// null.
pub(crate) fn allocate(heap: &'static Named, n: usize, align: usize, zero: bool) -> *mut u8 {
    match start::route() {
        Route::Plain => plainly(heap, n, align, zero),
        Route::Checked => checked::allocate_in(heap, n, align, zero),
        Route::Sampled => sampled::counted(n, sampled::UNGUARDED, || plainly(heap, n, align, zero)),
    }
}

/// Ends the process if what is at `p` is not the heap's, or nothing live.
pub(crate) fn check_owner(heap: &Named, p: usize) {
    match vet::look(p) {
        Found::Bad(why) => refuse(why, p),
        _ if named::of(p).is_some_and(|its| ptr::eq(its, heap)) => {}
        _ => fatal::die("cairn_heap_free(): object of another heap", p),
    }
}

/// Ends a heap with all that is in it.
///
/// # Safety
/// Nobody uses it or anything in it any more.
pub(crate) unsafe fn end(heap: &'static Named) {
    match start::route() {
        Route::Plain => {}
        Route::Checked => {
            check::inspect(&heap.arena);
            // A mapping that waits is no heap's any more. (No lock is taken here.)
            let is_its = |held: &Held| {
                !held.mapped
                    && region::word(held.p) == region::NAMED
                    && ptr::eq(arena_of(held.p), &raw const heap.arena)
            };
            looks::at_freed_where(is_its);
            quarantine::forget(is_its);
        }
        Route::Sampled => {
            let mut i = 0;
            while let Some(p) = samples::parts::at(i) {
                if p != 0 && named::of(p).is_some_and(|its| ptr::eq(its, heap)) {
                    samples::leave(p);
                }
                i += 1;
            }
        }
    }
    // SAFETY: the caller's.
    unsafe { heap.end() };
}
