//! Pages go back while they are used: every schedule of a thread that asks the kernel for pages
//! without the arena's lock, and of one that is handed them, frees beside them, asks too, or forks.
#![allow(missing_docs, reason = "a test binary")]

use cairn_models::purge::{self, Arena};
use loom::thread;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Calls of the kernel's that never come.
const NEVER: usize = usize::MAX;

/// Runs `one` beside `other` on a region that is in use, and looks at what is left.
fn beside(
    has_states: bool,
    refuses_from: usize,
    one: impl Fn(&Arena) + Copy + Send + Sync + 'static,
    other: impl Fn(&Arena) + Copy + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 50_000;
    builder.check(move || {
        let arena = purge::begin(has_states, refuses_from);
        let thread = thread::spawn(move || other(arena));
        one(arena);
        thread.join().expect("it ends");
        arena.check();
    });
}

/// Takes two pages out of the middle, uses them and frees them again.
fn use_some(arena: &Arena) -> bool {
    let took = arena.take(4..6);
    if took {
        arena.free(4..6);
    }
    took
}

#[test]
fn nobody_writes_to_a_page_while_the_kernel_is_asked_for_it() {
    static TOOK: AtomicUsize = AtomicUsize::new(0);
    beside(
        false,
        NEVER,
        |arena| arena.free(2..8),
        |arena| _ = TOOK.fetch_add(usize::from(use_some(arena)), Relaxed),
    );
    assert_ne!(TOOK.load(Relaxed), 0, "no schedule had the pages free");
}

#[test]
fn pages_beside_those_that_go_are_freed_and_go_too() {
    beside(
        false,
        NEVER,
        |arena| arena.free(2..4),
        |arena| arena.free(4..7),
    );
}

/// Frees pages, of whose two runs the kernel takes `refuses_from`, beside `other`.
fn refused(refuses_from: usize, other: fn(&Arena)) {
    beside(
        false,
        refuses_from,
        |arena| {
            arena.free_only(2..3);
            arena.free(4..6);
        },
        other,
    );
}

#[test]
fn a_page_that_the_kernel_refused_is_idle_again() {
    for refuses_from in 0..3 {
        refused(refuses_from, |arena| _ = use_some(arena));
    }
}

#[test]
fn a_page_that_the_kernel_refused_may_be_in_use_meanwhile() {
    for refuses_from in 0..3 {
        refused(refuses_from, |arena| _ = arena.take(4..6));
    }
}

#[test]
fn what_was_refused_is_taken_by_whoever_comes_first() {
    for refuses_from in 0..2 {
        beside(
            false,
            refuses_from,
            |arena| arena.free(2..4),
            |arena| {
                arena.take_refused_of_others();
                arena.free(6..8);
            },
        );
    }
}

#[test]
fn the_states_of_a_region_go_before_a_slot_may_begin_there() {
    static TOOK: AtomicUsize = AtomicUsize::new(0);
    beside(
        true,
        NEVER,
        |arena| arena.free(0..16),
        |arena| _ = TOOK.fetch_add(usize::from(arena.take_as_slot()), Relaxed),
    );
    assert_ne!(TOOK.load(Relaxed), 0, "no schedule had a slot");
}

#[test]
fn a_fork_beside_a_purge_has_a_child_that_is_whole() {
    for refuses_from in [NEVER, 0] {
        beside(
            false,
            refuses_from,
            |arena| arena.free(2..4),
            |arena| {
                arena.fork(|child| {
                    child.take_refused_of_others();
                    _ = use_some(child);
                });
            },
        );
    }
}

#[test]
fn a_trim_beside_a_purge_gives_back_what_is_left() {
    beside(
        false,
        NEVER,
        |arena| arena.free(2..4),
        |arena| {
            arena.free_only(6..8);
            arena.trim(0);
        },
    );
}

#[test]
fn a_heap_ends_when_nobody_asks_for_its_pages() {
    static ANEW: AtomicUsize = AtomicUsize::new(0);
    beside(
        false,
        NEVER,
        |arena| arena.free(1..15),
        |arena| {
            arena.trim(0);
            if arena.begin_heap_anew() {
                ANEW.fetch_add(1, Relaxed);
            }
        },
    );
    assert_ne!(ANEW.load(Relaxed), 0, "no schedule had a heap that ended");
}
