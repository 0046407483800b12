//! How many bytes of mapped chunks each heap of the program's own has.
//!
//! A mapping names its heap by a number. Who makes the heap says where its bytes are counted.

use crate::config::MAX_NAMED;
use crate::side;
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Address of a word for each number, which is the address of the count; 0 before the first heap.
static COUNTS: AtomicUsize = AtomicUsize::new(0);

fn place(owner: u32) -> Option<&'static AtomicUsize> {
    let table = COUNTS.load(Acquire);
    if table == 0 || owner == 0 || owner as usize > MAX_NAMED {
        return None;
    }
    let place = table + (owner as usize - 1) * size_of::<AtomicUsize>();
    // SAFETY: a word of the table, which is never given back.
    Some(unsafe { &*ptr::with_exposed_provenance::<AtomicUsize>(place) })
}

/// Says where the bytes of a heap are counted; whether there is memory for that. Whoever makes heaps
/// does so one at a time.
pub(crate) fn enter(owner: u32, count: &'static AtomicUsize) -> bool {
    if COUNTS.load(Relaxed) == 0 {
        let Some(table) = side::forever(MAX_NAMED * size_of::<AtomicUsize>()) else {
            return false;
        };
        COUNTS.store(table, Release);
    }
    let place = place(owner);
    if let Some(place) = place {
        place.store(ptr::from_ref(count).expose_provenance(), Release);
    }
    place.is_some()
}

/// Counts bytes, modulo 2^64. The registry is locked.
#[inline]
pub(super) fn count(owner: u32, bytes: usize) {
    if owner != 0 {
        count_at(owner, bytes);
    }
}

#[cold]
#[inline(never)]
fn count_at(owner: u32, bytes: usize) {
    if let Some(place) = place(owner) {
        let count: *const AtomicUsize = ptr::with_exposed_provenance(place.load(Acquire));
        // SAFETY: counts live as long as the process.
        if let Some(count) = unsafe { count.as_ref() } {
            count.fetch_add(bytes, Relaxed);
        }
    }
}
