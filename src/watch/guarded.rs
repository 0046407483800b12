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

use super::canary;
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, HEADER, round_up};
use crate::mapped::registry::{Mapping, Registry, first, with};
use crate::mapped::{claim, cut, give_back, obtain};
use crate::{fatal, os};
use core::ptr;

/// A mapped chunk for `n` bytes at a multiple of `align` (a power of two, at least 16), zeroed,
/// between guard pages.
pub(crate) fn map(n: usize, align: usize) -> Option<usize> {
    let page = os::page();
    let body = n.max(1).checked_add(align)?.checked_add(ALIGN)?;
    let len = body.checked_next_multiple_of(page)?.checked_add(2 * page)?;
    // Beyond a page an alignment's slack is given back, so the lengths are not the same.
    let m = obtain(len, false, align <= page)?;
    let p = (m.base + len - page - n.max(1)) & !(align - 1);
    let last = round_up(p + n.max(1), page);
    let mut m = Mapping {
        p,
        asked: n,
        last,
        stuck: false,
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

/// Ends the process if the pattern is damaged.
fn inspect(m: &Mapping) {
    // SAFETY: the pages are accessible until the chunk is freed, which has not happened yet.
    unsafe {
        if !canary::is_painted(m.p, first(m.p), m.p - HEADER) {
            fatal::die("memory clobbered before allocated block", m.p);
        }
        if !canary::is_painted(m.p, m.p + m.asked, m.last) {
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

/// Makes a chunk smaller where it is.
pub(crate) fn shorten(p: usize, n: usize) -> bool {
    with(|r| {
        r.find(p).is_some_and(|i| {
            // SAFETY: `find` names a place of the table.
            let m = unsafe { &mut *r.place(i) };
            let fits = n <= m.last - p;
            if fits {
                m.asked = n;
                paint(m);
            }
            fits
        })
    })
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
