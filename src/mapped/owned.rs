//! Mapped chunks of heaps of the program's own: whose one is, and the end of all of a heap.

use super::give_back;
use super::registry::{Mapping, Registry, with};
use crate::os;
use core::ptr;

/// Mappings that are taken out of the registry at once.
const AT_ONCE: usize = 16;

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
