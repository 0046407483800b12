//! The cache's ways, in so few steps that Miri can follow them: it knows whether two references to
//! the same memory exclude one another, which no other test sees (`docs/testing.md`).
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use super::thread;
use crate::os::scripted;
use crate::{c, check_heap, routes};
use std::sync::mpsc;
use std::vec::Vec;

/// A size of each kind: of runs that are merged at once and that rest, chunks of exact and of wide
/// classes, and one that no cache has.
const SIZES: [usize; 8] = [1, 48, 200, 512, 700, 1_032, 3_000, 40_000];

/// Live objects, all of whose bytes hold the number of their size.
struct Objects(Vec<(usize, usize)>);

impl Objects {
    fn take(count: usize) -> Self {
        let mut all = Vec::new();
        for i in 0..count {
            let n = SIZES[i % SIZES.len()];
            let p = routes::allocate(n);
            assert!(!p.is_null(), "no memory for {n} bytes");
            // SAFETY: `n` bytes just given out.
            unsafe { p.write_bytes(n as u8, n) };
            all.push((p.expose_provenance(), n));
        }
        Self(all)
    }

    fn give(self) {
        for (p, n) in self.0 {
            let p: *mut u8 = core::ptr::with_exposed_provenance_mut(p);
            // SAFETY: a live object of `n` bytes.
            let ends = unsafe { [p.read(), p.add(n - 1).read()] };
            assert_eq!(ends, [n as u8; 2], "an object of {n} bytes changed");
            routes::release(p);
        }
    }
}

/// The heap is whole. Miri, which needs minutes to look at each granule of a slot, is not asked.
fn check() {
    if !cfg!(miri) {
        assert_eq!(check_heap().err(), None);
    }
}

/// Turns of a scene: each overflows arrays and empties them again.
const COUNT: usize = if cfg!(miri) { 60 } else { 8_000 };

/// Chunks above the classes that this thread's cache keeps.
fn large_kept() -> usize {
    let cache = thread::existing().expect("a cache");
    // SAFETY: this thread's own cache.
    unsafe { (*cache).large.all_held().0 }
}

/// As many sizes as there are places keep theirs whatever the turns they come in, and a size that comes
/// once puts none out; who goes on to other sizes keeps nothing.
fn places_are_kept() -> bool {
    let pair = |n: usize| routes::release(routes::allocate(n));
    let are_kept = |wanted: usize, when: &str| {
        let kept = large_kept();
        if kept != wanted {
            std::eprintln!("{kept} chunks of {wanted} are kept {when}");
        }
        kept == wanted
    };
    // A thread's first requests are its arena's.
    (0..100).for_each(|_| pair(64));
    for places in 1..=4 {
        thread::flush();
        for round in 0..4 {
            for size in 1..=places {
                pair(size * 50_000);
                pair(size * 50_000);
            }
            if round > 0 && !are_kept(places, "in turns") {
                return false;
            }
        }
    }
    for once in 0..3 {
        for size in 1..=4 {
            pair(size * 50_000);
        }
        pair(300_000 + once * 10_000);
        if !are_kept(4, "after a size that came once") {
            return false;
        }
    }
    for other in 0..8 {
        pair(500_000 + other * 10_000);
    }
    are_kept(0, "after eight others")
}

/// In a child, where no other test trims.
#[test]
fn large_sizes_that_come_back_keep_their_places() {
    c::init();
    assert!(if cfg!(miri) {
        places_are_kept()
    } else {
        scripted::holds_in_child(places_are_kept)
    });
}

#[test]
fn arrays_fill_and_empty_and_what_is_live_stays_as_it_is() {
    c::init();
    let kept = Objects::take(COUNT / 4);
    for _ in 0..2 {
        let first = Objects::take(COUNT);
        let second = Objects::take(COUNT / 2);
        first.give();
        second.give();
    }
    thread::flush();
    kept.give();
    check();
}

#[test]
fn objects_of_another_thread_go_back_to_their_arena() {
    c::init();
    let (send, receive) = mpsc::channel::<Objects>();
    let other = std::thread::spawn(move || {
        let mine = Objects::take(COUNT / 4);
        for theirs in receive {
            theirs.give();
        }
        mine.give();
    });
    for _ in 0..3 {
        send.send(Objects::take(COUNT / 4)).expect("it waits");
    }
    drop(send);
    other.join().expect("the thread ends well");
    // SAFETY: no precondition.
    unsafe { c::malloc_trim(0) };
    check();
}

#[test]
fn aligned_zeroed_and_resized_objects_pass_through_the_cache() {
    c::init();
    for n in [20, 500, 1_500] {
        for align in [16, 64, 256] {
            // SAFETY: C's rules hold: each object is freed once.
            unsafe {
                let p = c::memalign(align, n).cast::<u8>();
                assert_eq!(p.addr() % align, 0);
                p.write_bytes(7, n);
                c::free(p.cast());
                let q = c::calloc(1, n).cast::<u8>();
                assert_eq!([q.read(), q.add(n - 1).read()], [0; 2]);
                let q = c::realloc(q.cast(), n * 2 + align);
                c::free_sized(q, n * 2 + align);
            }
        }
    }
    check();
}
