//! Frees that no cache takes as they are.

use crate::arena::records;
use crate::arena::{Entry, owner};
use crate::chunk::Chunk;
use crate::vet::{self, Found, Why, refuse};
use crate::watch::{guard, perturb};
use crate::{arenas, cache, class, fatal, mapped, named, os, settings};
use crate::{object, region};
use core::ptr;

/// As [`crate::routes::release`], past the fastest: for who was there already.
#[cold]
#[inline(never)]
pub(in crate::routes) fn plainly(p: usize) {
    if !cache::large::put(p) {
        give_back(p);
    }
}

/// A pointer that no cache takes as it is, vetted.
#[inline(always)]
pub(in crate::routes) fn give_back(p: usize) {
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
    in_named(p);
    true
}

/// Takes back what is in a region of a heap of the program's own, vetted.
#[cold]
#[inline(never)]
fn in_named(p: usize) {
    match vet::look(p) {
        Found::Chunk(c, size) => {
            perturb(
                ptr::with_exposed_provenance_mut(p),
                class::usable(size),
                settings::perturb(),
            );
            named::give(c, size);
        }
        Found::Bad(why) => refuse(why, p),
        // Its region was given back meanwhile.
        Found::Object(_) | Found::Mapped(_) | Found::Guarded(_) => {
            fatal::die("free(): invalid pointer", p)
        }
    }
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
