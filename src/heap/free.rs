//! Frees that the fast path could not do: a full bin, a size without a class, a mapped chunk, a
//! thread without a cache, and every pointer that should not have come.

use super::vet::{self, Found, Why};
use super::{checked, realloc, start};
use crate::arena::{Entry, owner};
use crate::chunk::Chunk;
use crate::region;
use crate::{cache, class, fatal, mapped, os, settings};
use core::ptr;

/// As [`super::release`], from the start. Keeps `errno`.
#[cold]
#[inline(never)]
pub fn slow(p: usize) {
    if p != 0 && !cache::large::put(p) {
        slower(p);
    }
}

/// A pointer that no cache takes as it is.
#[cold]
#[inline(never)]
fn slower(p: usize) {
    if start::is_checked() {
        return checked::free(p);
    }
    let errno = os::errno();
    match vet::look(p) {
        Found::Object(class) => object(p, class),
        Found::Chunk(c, size) => chunk(c, size),
        Found::Mapped(_) => {
            if !mapped::free(p) {
                fatal::die("munmap_chunk(): invalid pointer", p);
            }
        }
        Found::Bad(why) => refuse(why, p),
    }
    os::set_errno(errno);
}

/// The last words for a pointer that cannot be freed.
#[cold]
pub fn refuse(why: Why, p: usize) -> ! {
    match why {
        Why::Foreign => fatal::die_foreign("free(): invalid pointer", p),
        Why::Inside => fatal::die("free(): invalid pointer", p),
        Why::InsideMapped => fatal::die("munmap_chunk(): invalid pointer", p),
        Why::Freed => fatal::die("free(): double free detected in tcache 2", p),
        Why::Damaged => fatal::die("free(): invalid size", p),
    }
}

/// As [`slow`], for memory that the caller says to be `n` bytes at a multiple of `align`. Keeps
/// `errno`.
#[cold]
#[inline(never)]
pub fn sized(p: usize, n: usize, align: usize) {
    if p != 0 {
        // The look may wait for a lock.
        let errno = os::errno();
        check_size(p, n, align);
        os::set_errno(errno);
        slow(p);
    }
}

/// Ends the process when an object of `n` bytes at this alignment cannot be what is at `p`.
pub fn check_size(p: usize, n: usize, align: usize) {
    match vet::look(p) {
        Found::Bad(why) => refuse(why, p),
        what if realloc::fits(what, align, n) => {}
        _ => misfit(p, n),
    }
}

/// What does not fit by its class may still be what was asked for; all else ends the process.
#[cold]
#[inline(never)]
fn misfit(p: usize, n: usize) {
    match vet::look(p) {
        Found::Mapped(have) if n <= have && mapped::is_loose(p) => {}
        _ if checked::is_exactly(p, n) => {}
        _ => fatal::die("free(): sized deallocation with a wrong size", p),
    }
}

fn object(p: usize, class: usize) {
    super::alloc::perturb(
        ptr::with_exposed_provenance_mut(p),
        class::size_of(class),
        settings::perturb(),
    );
    if let Some(cache) = cache::thread::current()
        // SAFETY: this thread's own cache.
        && unsafe { (*cache).make_room(class) }
        && cache::put(p)
    {
        return;
    }
    let state = region::state_at(region::word(p), p);
    // SAFETY: a run's object has a state and a record (I8, I9).
    unsafe {
        let mut arena = owner(region::record(p)).lock();
        // Again under the lock: of two threads that free the same object, one comes second.
        if usize::from(state.get()) != class {
            refuse(Why::Freed, p);
        }
        state.turn();
        arena.put_objects(&[Entry::object(p, state)], class);
        arena.settle();
        arena.audit();
    }
}

fn chunk(c: Chunk, size: usize) {
    let p = c.payload();
    super::alloc::perturb(
        ptr::with_exposed_provenance_mut(p),
        class::usable(size),
        settings::perturb(),
    );
    let class = class::of_chunk(size);
    if class != 0
        && let Some(cache) = cache::thread::current()
        // SAFETY: this thread's own cache.
        && unsafe { (*cache).make_room(class) }
        && cache::put(p)
    {
        return;
    }
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(region::record(p)) }.lock();
    // Again under the lock: of two threads that free the same chunk, one comes second.
    if !c.is_used() {
        fatal::die("free(): double free detected in tcache 2", p);
    }
    c.mark(false);
    state.release(c, size);
    state.settle();
    state.audit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap;

    /// Of two frees that race, both may have seen "in use": whoever comes second to the object
    /// finds it taken.
    #[test]
    fn an_object_that_is_in_use_is_not_taken_from_a_cache() {
        // The first requests of a size are chunks.
        let object = || (0..100).map(|_| heap::allocate(48));
        let p = object().find(|p| region::is_slot(region::word(p.addr())));
        let Some(p) = p else {
            unreachable!("no object of a run");
        };
        heap::release(p);
        // SAFETY: an object of a run has a state.
        unsafe { region::state_at(region::word(p.addr()), p.addr()).turn() };
        let line = fatal::hook::fatal_line(|| {
            let _ = object().find(|q| *q == p);
        });
        let message = "malloc(): unaligned tcache chunk detected";
        assert_eq!(line, Some(std::format!("{message}: {:#x}", p.addr())));
    }
}
