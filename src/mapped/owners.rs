//! Mapped chunks of heaps of the program's own: how many bytes each has, and their end.
//!
//! A mapping names its heap by a number. Who makes the heap says where its bytes are counted.

use super::give_back;
use super::registry::{Mapping, Registry, with};
use crate::config::MAX_NAMED;
use crate::{os, side};
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Address of a word for each number, which is the address of the count; 0 before the first heap.
static COUNTS: AtomicUsize = AtomicUsize::new(0);

/// Mappings that are taken out of the registry at once.
const AT_ONCE: usize = 16;

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

/// The number of the heap that a mapped chunk belongs to; 0 for none, and for what is no mapped chunk.
pub(crate) fn of(p: usize) -> u32 {
    // SAFETY: `find` names a place of the table.
    with(|r| r.find(p).map_or(0, |i| unsafe { (*r.place(i)).owner }))
}

/// Ends all mapped chunks of a heap.
pub(crate) fn end(owner: u32) {
    loop {
        let mut some = [Mapping::empty(0, 0); AT_ONCE];
        let n = with(|r| take_some(r, owner, &mut some));
        for m in some.iter().take(n) {
            give_back(*m, || {
                // Whoever gets it next is told that it is zero; of check mode's guards some page cannot
                // be written.
                // SAFETY: nobody else can find it.
                unsafe {
                    if !os::purge(m.base, m.len) && m.last == 0 {
                        ptr::with_exposed_provenance_mut::<u8>(m.base).write_bytes(0, m.len);
                    }
                }
            });
        }
        if n == 0 {
            return;
        }
    }
}

/// Takes mappings of a heap out of the registry, which keeps their places; how many.
fn take_some(r: &mut Registry, owner: u32, out: &mut [Mapping]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < r.places && n < out.len() {
        // SAFETY: a place of the table, with the registry locked (I11).
        let m = unsafe { *r.place(i) };
        if m.p == 0 || m.stuck || m.owner != owner {
            i += 1;
            continue;
        }
        // What closes the gap comes to lie here, or behind.
        let m = r.take(i);
        r.uncount(&m);
        if let Some(place) = out.get_mut(n) {
            *place = m;
            n += 1;
        }
    }
    n
}
