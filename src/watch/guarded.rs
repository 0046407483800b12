//! Mapped chunks of check mode: pages without access on either side, and the payload's end as near
//! to those behind as its alignment permits.
//!
//! ```text
//!  base        first                         p              p + n      last        base + len
//!  | no access | pattern …              | hd | payload …    | pattern  | no access |
//! ```
//!
//! What was asked for is in the registry, so an object whose size is a multiple of 16 ends at the
//! guard page itself. Reading or writing beyond it ends in a fault at the access; what an
//! alignment leaves between the two holds the pattern, which is looked at when the object is freed.
//!
//! A resize moves the guard behind, not the object: pages that become the object's are made
//! accessible, pages that it gives back lose memory and access. What is left of the last page holds
//! the pattern. An object that had to move once because it grows gets addresses to grow into, as
//! many again as it has bytes: whatever its steps, it is copied each time its size doubles.

use super::canary;
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, HEADER, round_up};
use crate::mapped::registry::{Mapping, Registry, first, with};
use crate::mapped::{Bound, claim, cut, give_back, obtain, vet};
use crate::{fatal, os};
use core::ptr;

/// Bytes that a copy holds twice, at least; a large object is not there twice.
const CARRY: usize = 1 << 20;

/// The first byte behind the pages of `n` bytes at `p`.
fn end(p: usize, n: usize) -> usize {
    round_up(p + n, os::page())
}

/// A mapped chunk for `n` bytes at a multiple of `align` (a power of two, at least 16), zeroed,
/// between guard pages; the one behind is `spare` bytes longer, for the chunk to grow into. `owner` is
/// the number of the heap of the program's own that it is for, or 0.
pub(crate) fn map(n: usize, align: usize, spare: usize, bound: Bound, owner: u32) -> Option<usize> {
    let page = os::page();
    // Beyond a page an alignment's slack is given back, so the lengths are not the same.
    let spare = if align <= page {
        spare & !(page - 1)
    } else {
        0
    };
    let body = n.max(1).checked_add(align)?.checked_add(ALIGN)?;
    let len = body.checked_next_multiple_of(page)?.checked_add(2 * page)?;
    let len = len.checked_add(spare)?;
    let m = obtain(len, false, align <= page, bound)?;
    // Of 0 bytes none may be touched: such an object begins where the guard page does.
    let p = (m.base + len - spare - page - n) & !(align - 1);
    let last = end(p, n);
    let mut m = Mapping {
        p,
        asked: n,
        last,
        stuck: false,
        owner,
        ..m
    };
    if align > page {
        m = cut(m, first(p) - page, last + page);
    }
    // SAFETY: pages inside the mapping, which nobody knows yet.
    if !unsafe { os::commit(first(p), last - first(p)) } {
        discard(m.base, m.len, None);
        return None;
    }
    paint(&m);
    // SAFETY: inside the accessible pages, header included.
    unsafe { Chunk::at(p) }.write(0, Kind::Mapped, true, true);
    with(|r| {
        r.insert(m);
        r.count(&m);
    });
    Some(p)
}

/// Writes the pattern below and behind the payload.
fn paint(m: &Mapping) {
    // SAFETY: the pages are accessible, the chunk is the caller's, and nothing else is there.
    unsafe {
        canary::paint(m.p, first(m.p), m.p - HEADER);
        canary::paint(m.p, m.p + m.asked, m.last);
    }
}

/// Ends the process if the header or the pattern is damaged.
fn inspect(m: &Mapping) {
    inspect_between(m, first(m.p), m.last);
}

/// As [`inspect`], before a resize to `n` bytes: of the pattern only what those take and a little
/// more are compared, or a string that grows byte by byte would have a page compared for each.
fn inspect_near(m: &Mapping, n: usize) {
    let to = (m.p + m.asked.max(n)).saturating_add(canary::NEAR);
    inspect_between(
        m,
        first(m.p).max(m.p - HEADER - canary::NEAR),
        m.last.min(to),
    );
}

fn inspect_between(m: &Mapping, from: usize, to: usize) {
    vet(m.p);
    // SAFETY: the pages are accessible until the chunk is freed, which has not happened yet.
    unsafe {
        if !canary::is_painted(m.p, from, m.p - HEADER) {
            fatal::die("memory clobbered before allocated block", m.p);
        }
        if !canary::is_painted(m.p, m.p + m.asked, to) {
            fatal::die("memory clobbered past end of allocated block", m.p);
        }
    }
}

/// A freed chunk's mapping, which nobody can find any more.
pub(crate) struct Taken {
    /// First byte and length.
    pub base: usize,
    /// See `base`.
    pub len: usize,
    first: usize,
    last: usize,
}

/// Takes a chunk out of the registry, to be freed; `None` if `p` is none.
pub(crate) fn take(p: usize) -> Option<Taken> {
    let m = claim(p)?;
    inspect(&m);
    Some(Taken {
        base: m.base,
        len: m.len,
        first: first(p),
        last: m.last,
    })
}

impl Taken {
    /// Takes the memory and all access to it away; its addresses stay taken.
    pub(crate) fn seal(&self) -> bool {
        // SAFETY: the chunk is freed, and nobody else can find it.
        unsafe { os::seal(self.base, self.len) }
    }

    /// Gives the mapping back as it is.
    pub(crate) fn discard(self) {
        discard(self.base, self.len, Some((self.first, self.last)));
    }
}

/// Gives a sealed mapping back.
pub(crate) fn discard_sealed(base: usize, len: usize) {
    discard(base, len, None);
}

/// Gives a mapping back that nobody can find, of which `used` was written to; all of that is
/// accessible.
fn discard(base: usize, len: usize, used: Option<(usize, usize)>) {
    // Any address of its own names it.
    let m = Mapping {
        p: base + ALIGN,
        ..Mapping::empty(base, len)
    };
    give_back(m, || {
        // Whoever gets it next is told that it is zero.
        // SAFETY: nobody else knows the mapping.
        unsafe {
            if let Some((first, last)) = used
                && !os::seal(base, len)
                && !os::purge(first, last - first)
            {
                ptr::with_exposed_provenance_mut::<u8>(first).write_bytes(0, last - first);
            }
        }
    });
}

/// Makes a chunk `n` bytes long (not 0) where it is; if it cannot, the chunk is as it was. Ends
/// the process if what surrounds it is damaged.
pub(crate) fn resize(p: usize, n: usize) -> bool {
    if within_page(p, n) {
        return true;
    }
    let Some(m) = claim(p) else {
        fatal::die("realloc(): invalid pointer", p);
    };
    inspect(&m);
    let now = if end(p, n) <= m.last {
        Some(shorten(m, n))
    } else {
        lengthen(m, n)
    };
    let m = now.unwrap_or(m);
    with(|r| {
        r.insert(m);
        r.count(&m);
    });
    now.is_some()
}

/// Resizes a chunk whose pages stay the same.
fn within_page(p: usize, n: usize) -> bool {
    with(|r| {
        r.find(p).is_some_and(|i| {
            // SAFETY: `find` names a place of the table, with the registry locked (I11).
            let m = unsafe { &mut *r.place(i) };
            let fits = !m.stuck && end(p, n) == m.last;
            if fits {
                inspect_near(m, n);
                let was = m.asked;
                m.asked = n;
                // SAFETY: what the program has given back of its object, less than a page.
                unsafe { canary::paint(p, p + n, p + was.max(n)) };
            }
            fits
        })
    })
}

/// Moves the guard behind a chunk to the front. Nobody else can find it.
fn shorten(m: Mapping, n: usize) -> Mapping {
    let mut m = Mapping { asked: n, ..m };
    let (last, page) = (end(m.p, n), os::page());
    // SAFETY: pages inside the mapping that the program has given back.
    if last < m.last && unsafe { os::seal(last, m.last - last) } {
        m.last = last;
    }
    // SAFETY: accessible pages of the chunk, and nothing else is there. (Where the kernel took
    // nothing back, all of it: it may be zero.)
    unsafe { canary::paint(m.p, m.p + n, m.last) };
    // Addresses enough to double its size stay; what is beyond goes when it is as much again.
    let (pages, behind) = (m.last - first(m.p), m.base + m.len - m.last);
    if behind <= 2 * pages + page {
        return m;
    }
    cut(m, m.base, m.last + pages + page)
}

/// Moves the guard behind a chunk to the back, if there are addresses. Nobody else can find it.
fn lengthen(m: Mapping, n: usize) -> Option<Mapping> {
    let last = end(m.p, n);
    let room = last + os::page() <= m.base + m.len;
    // SAFETY: pages inside the mapping, behind the chunk's.
    if !room || !unsafe { os::commit(m.last, last - m.last) } {
        return None;
    }
    let m = Mapping {
        asked: n,
        last,
        ..m
    };
    // SAFETY: accessible pages of the chunk, behind what the program has.
    unsafe { canary::paint(m.p, m.p + n, last) };
    Some(m)
}

/// Copies `len` bytes of one chunk into another that was not touched yet, and gives the memory of
/// what was copied back step by step. What is zero is not written: pages that were never touched
/// stay so.
///
/// # Safety
/// Two mapped chunks of that many bytes, live and the caller's, of which the first is freed next.
pub(crate) unsafe fn carry(from: usize, to: usize, len: usize) {
    let page = os::page();
    let byte = |at: usize| ptr::with_exposed_provenance_mut::<u8>(at);
    let (mut done, mut kept) = (0, round_up(from, page));
    while done < len {
        // To the end of a page of the old chunk, which is a multiple of 16 as `from` is.
        let step = (round_up(from + done + 1, page) - from - done).min(len - done);
        let words = step & !7;
        // SAFETY: inside both chunks.
        unsafe {
            if step != words || !canary::is_filled(from + done, words, 0) {
                byte(to + done).copy_from_nonoverlapping(byte(from + done), step);
            }
        }
        done += step;
        let upto = (from + done) & !(page - 1);
        if upto >= kept + CARRY {
            // SAFETY: whole pages of the old chunk's payload, copied.
            unsafe { os::purge(kept, upto - kept) };
            kept = upto;
        }
    }
}

/// Looks at a chunk, if there is one at `p`, and ends the process if it was written closely beyond
/// its bounds.
pub(crate) fn look_at(p: usize) {
    with(|r| {
        if let Some(i) = r.find(p) {
            // SAFETY: `find` names a place of the table, with the registry locked (I11).
            let m = unsafe { *r.place(i) };
            if !m.stuck {
                inspect_near(&m, 0);
            }
        }
    });
}

/// Looks at every chunk, and ends the process if one was written beyond its bounds.
pub(crate) fn inspect_all() {
    with(|r: &mut Registry| {
        for i in 0..r.places {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *r.place(i) };
            if m.p != 0 && !m.stuck {
                inspect(&m);
            }
        }
    });
}
