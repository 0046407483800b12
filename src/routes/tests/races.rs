//! Two threads free one object at the same moment, and both see it in use: which of the two comes
//! second is found where a cache gives it back to its slot.

use super::{forked, in_modes};
use crate::{c, cache, fatal, object, region, routes};
use std::sync::mpsc;
use std::vec::Vec;
use std::{format, thread};

fn many(n: usize) -> Vec<*mut u8> {
    (0..30_000).map(|_| routes::allocate(n)).collect()
}

/// What becomes of an object's memory before the second of its two frees reaches the arena.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Meanwhile {
    Free,
    Used,
    /// The slot is a chunk, and free.
    Dissolved,
}

/// An object is in this thread's cache and in another's. This one's goes back to its slot, and
/// something happens to that. Then the other's does, which ends the process.
fn merged_twice(meanwhile: Meanwhile) {
    c::init();
    let all = many(48);
    let p = all[15_000];
    let (at, word) = (p.expose_provenance(), region::word(p.addr()));
    assert!(region::is_slot(word), "no object of a run");
    routes::release(p);
    // The other thread looked before that.
    // SAFETY: an object of a run has a state.
    unsafe { object::state_at(word, at).turn() };
    let (freed, wait) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let other = thread::spawn(move || {
        routes::release(std::ptr::with_exposed_provenance_mut(at));
        assert!(freed.send(()).is_ok() && told.recv() == Ok(()));
        let line = fatal::hook::fatal_line(cache::thread::flush);
        let message = "free(): double free detected in tcache 2";
        assert_eq!(line, Some(format!("{message}: {at:#x}")), "{meanwhile:?}");
        // SAFETY: this heap is lost, and its process ends with it.
        unsafe { libc::_exit(1) };
    });
    assert_eq!(wait.recv(), Ok(()));
    cache::thread::flush();
    if meanwhile == Meanwhile::Dissolved {
        for &q in all.iter().filter(|q| **q != p) {
            routes::release(q);
        }
        cache::thread::flush();
        assert_eq!(region::word(at), region::CHUNKS, "the slot is still there");
    }
    if meanwhile == Meanwhile::Used {
        let over = |q: &*mut u8| (at - 31..at + 48).contains(&q.addr());
        assert!(many(32).iter().any(over), "its memory serves again");
    }
    assert_eq!(tell.send(()), Ok(()));
    let _ = other.join();
}

#[test]
fn an_object_that_two_threads_freed_is_not_merged_twice() {
    let name = "races::an_object_that_two_threads_freed_is_not_merged_twice";
    in_modes(&[None], name, || {
        for meanwhile in [Meanwhile::Free, Meanwhile::Used, Meanwhile::Dissolved] {
            let body = || {
                merged_twice(meanwhile);
                false
            };
            assert!(forked(&format!("{meanwhile:?}"), body), "not noticed");
        }
    });
}
