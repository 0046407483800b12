//! Chunks that shrink where what they lose would lie between two in use, too short for anybody.

use crate::cache::thread;
use crate::os::scripted;
use crate::routes::{self, realloc};
use crate::{c, check_heap};
use std::vec::Vec;

const BEFORE: usize = 1024;
const AFTER: usize = 600;

/// Chunks side by side, the last one's number in each.
fn side_by_side() -> Vec<*mut u8> {
    let one = |i: u8| {
        let p = routes::allocate(BEFORE);
        // SAFETY: so many bytes, unless there was no memory.
        unsafe { p.write_bytes(i, BEFORE) };
        p
    };
    (0..100).map(one).collect()
}

fn holds(p: *mut u8, i: usize) -> bool {
    // SAFETY: a live object of so many bytes.
    !p.is_null() && (0..AFTER).all(|at| usize::from(unsafe { p.add(at).read() }) == i)
}

fn frees_all(all: Vec<*mut u8>) -> bool {
    for p in all {
        routes::release(p);
    }
    thread::flush();
    check_heap().is_ok()
}

/// Its place serves the next request of its size.
fn moves() -> bool {
    c::init();
    let mut all = side_by_side();
    let (before, again) = (all[50], realloc::resize(all[50], AFTER));
    all[50] = again;
    let next = routes::allocate(BEFORE);
    let right = again != before && next == before && holds(again, 50);
    all.push(next);
    frees_all(all) && right
}

/// A chunk can always become shorter.
fn stays_where_there_is_no_memory() -> bool {
    c::init();
    let mut all = side_by_side();
    scripted::refuse_all(true);
    loop {
        let p = routes::allocate(AFTER);
        if p.is_null() {
            break;
        }
        all.push(p);
    }
    let again = realloc::resize(all[50], AFTER);
    scripted::refuse_all(false);
    // SAFETY: a live object.
    let shorter = unsafe { c::malloc_usable_size(again.cast()) } < BEFORE;
    let right = again == all[50] && shorter && holds(again, 50);
    frees_all(all) && right
}

#[test]
fn a_chunk_whose_rest_would_be_stranded_moves() {
    assert!(scripted::holds_in_child(moves));
}

#[test]
fn a_chunk_shrinks_where_it_is_when_there_is_no_memory() {
    assert!(scripted::holds_in_child(stays_where_there_is_no_memory));
}
