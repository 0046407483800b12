//! Frees that the fast path could not do: a full bin, a size without a class, a mapped chunk, a
//! thread without a cache, and every pointer that should not have come.

use super::start::{self, Route};
use super::{named, realloc, sampled};
use crate::arena::records;
use crate::arena::{Entry, owner};
use crate::chunk::Chunk;
use crate::vet::{self, Found, Why, refuse};
use crate::watch::{checked, guard, perturb};
use crate::{arenas, cache, class, fatal, mapped, os, settings};
use crate::{object, region};
use core::ptr;

/// As [`super::release`], from the start. Keeps `errno`.
#[cold]
#[inline(never)]
pub(crate) fn slow(p: usize) {
    if p != 0 && !cache::large::put(p) {
        slower(p);
    }
}

/// As [`slow`], for a vetted chunk above the classes ([`cache::large::put_vetted`]).
#[inline(never)]
pub(crate) fn large(p: usize, covered: u32, tag: u32) {
    if !cache::large::put_vetted(p, covered, tag) {
        slower(p);
    }
}

/// A pointer that no cache takes as it is.
#[cold]
#[inline(never)]
fn slower(p: usize) {
    if start::is_plain() {
        return give_back(p);
    }
    by_route(p);
}

#[cold]
#[inline(never)]
fn by_route(p: usize) {
    if start::is_sampled() {
        return sampled::free(p);
    }
    match start::route() {
        Route::Plain => plainly(p),
        Route::Checked => checked::free(p),
        Route::Sampled => sampled::free(p),
    }
}

/// As [`slow`], whichever way the process goes: for who was there already.
#[cold]
#[inline(never)]
pub(super) fn plainly(p: usize) {
    if !cache::large::put(p) {
        give_back(p);
    }
}

/// A pointer that no cache takes as it is, vetted.
#[inline(always)]
fn give_back(p: usize) {
    let errno = os::errno();
    let word = region::word(p);
    if word > region::NAMED || !give_back_apart(word, p) {
        match vet::look_in(word, p) {
            Found::Object(class) => object(p, class),
            Found::Chunk(c, size) => chunk(c, size),
            Found::Mapped(_) => fatal::die("munmap_chunk(): invalid pointer", p),
            Found::Guarded(_) => guard::free(p),
            Found::Bad(why) => refuse(why, p),
        }
    }
    os::set_errno(errno);
}

/// What no arena of the threads' has: a mapped chunk, if it is one, or what a heap of the program's own
/// has. Who takes a mapped chunk has looked for it.
#[inline(always)]
fn give_back_apart(word: usize, p: usize) -> bool {
    if word == 0 {
        return mapped::free(p);
    }
    named::give_back(p);
    true
}

/// As [`slow`], for memory that the caller says to be `n` bytes at a multiple of `align`. Keeps
/// `errno`.
#[cold]
#[inline(never)]
pub(crate) fn sized(p: usize, n: usize, align: usize) {
    if p != 0 {
        // The look may wait for a lock, and may end the process by what the knobs say.
        let errno = os::errno();
        start::route();
        check_size(p, n, align);
        os::set_errno(errno);
        slow(p);
    }
}

/// As [`slow`], for memory that C++ says to be `n` bytes at a multiple of `align`. Programs get it
/// wrong and work on every other malloc, so only check mode looks. Keeps `errno`.
#[cold]
#[inline(never)]
pub(crate) fn hinted(p: usize, n: usize, align: usize) {
    if start::route() == Route::Checked {
        sized(p, n, align);
    } else {
        slow(p);
    }
}

/// Ends the process when an object of `n` bytes at this alignment cannot be what is at `p`.
pub(crate) fn check_size(p: usize, n: usize, align: usize) {
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
        _ => wrong_size(p),
    }
}

/// The last words for an object that is not of the size its caller named.
#[cold]
pub(crate) fn wrong_size(p: usize) -> ! {
    fatal::die("free(): sized deallocation with a wrong size", p)
}

fn object(p: usize, class: usize) {
    perturb(
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
    let state = object::state_at(region::word(p), p);
    // SAFETY: a run's object has a state and a record (I8, I9).
    unsafe {
        let mut arena = owner(records::of(p)).lock();
        // Again under the lock: of two threads that free the same object, one comes second.
        if usize::from(state.get()) != class {
            refuse(Why::Freed, p);
        }
        state.turn();
        arena.put_objects(&[Entry::object(p, state)], class);
        arena.audit();
        arena.settle();
    }
}

fn chunk(c: Chunk, size: usize) {
    let p = c.payload();
    perturb(
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
    let mut state = unsafe { owner(records::of(p)) }.lock();
    // Again under the lock: of two threads that free the same chunk, one comes second.
    if !c.is_used() {
        fatal::die("free(): double free detected in tcache 2", p);
    }
    c.mark(false);
    state.release(c, size);
    state.audit();
    let arena = state.arena();
    state.settle();
    arenas::look_after_another(arena);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    /// Of two frees that race, both may have seen "in use": whoever comes second to the object
    /// finds it taken.
    #[test]
    fn an_object_that_is_in_use_is_not_taken_from_a_cache() {
        // The first requests of a size are chunks.
        let object = || (0..100).map(|_| routes::allocate(48));
        let p = object().find(|p| region::is_slot(region::word(p.addr())));
        let Some(p) = p else {
            unreachable!("no object of a run");
        };
        routes::release(p);
        // SAFETY: an object of a run has a state.
        unsafe { object::state_at(region::word(p.addr()), p.addr()).turn() };
        let line = fatal::hook::fatal_line(|| {
            let _ = object().find(|q| *q == p);
        });
        let message = "malloc(): unaligned tcache chunk detected";
        assert_eq!(line, Some(std::format!("{message}: {:#x}", p.addr())));
    }

    /// The same of a chunk, whose tag each of the two turns.
    #[test]
    fn a_chunk_that_is_in_use_is_not_taken_from_a_cache() {
        for n in [1_000, 2_000, 8_000] {
            let p = routes::allocate(n);
            routes::release(p);
            // SAFETY: a freed chunk of this thread's cache.
            unsafe { Chunk::at(p.addr()) }.turn();
            let line = fatal::hook::fatal_line(|| {
                let _ = routes::allocate(n);
            });
            let message = "malloc(): unaligned tcache chunk detected";
            assert_eq!(line, Some(std::format!("{message}: {:#x}", p.addr())));
        }
    }
}
