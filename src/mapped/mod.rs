//! Mapped chunks: one `mmap` each, above the threshold, and the registry that knows them.
//!
//! ```text
//! base (page)      p
//!  | …  |hd|  payload …                  | end (page)
//! ```
//!
//! A mapped chunk lies in no region of the table. Its base and length are in the registry, not in
//! its header: a header that was overwritten cannot make Cairn unmap somebody else's pages.
//! System calls are made outside the lock; while one is under way, the chunk is in nobody's table.

use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, round_up};
use crate::{fatal, limit, mark, os, settings};
use core::ptr;
use registry::{Mapping, PLACES_AT_ONCE, any_stuck, forgo, with};

pub(crate) mod owned;
pub(crate) mod owners;
pub(crate) mod registry;

pub(crate) use registry::{LOCK, Totals};

/// Whether a mapping may be one more than `M_MMAP_MAX`. That is a preference of the heap and no ban:
/// what no heap can hold is mapped all the same, as in glibc.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The heap may still serve the request.
    Kept,
    /// Nothing else does.
    Ignored,
}

/// A mapped chunk for `n` bytes at a multiple of `align` (a power of two, at least 16), zeroed.
pub(crate) fn map(n: usize, align: usize, bound: Bound) -> Option<usize> {
    map_for(n, align, bound, 0)
}

/// As [`map`], for the heap of the program's own with this number; 0 for none.
pub(crate) fn map_for(n: usize, align: usize, bound: Bound, owner: u32) -> Option<usize> {
    let page = os::page();
    let slack = if align > ALIGN { align } else { 0 };
    let len = n
        .checked_add(ALIGN)?
        .checked_add(slack)?
        .checked_next_multiple_of(page)?;
    let m = obtain(len, true, true, bound)?;
    let p = round_up(m.base + ALIGN, align);
    let mut m = Mapping {
        p,
        stuck: false,
        loose: false,
        owner,
        ..m
    };
    if slack != 0 {
        let end = round_up(p + n, page);
        m = cut(m, (p - ALIGN) & !(page - 1), end);
        m.loose = m.base + m.len > end;
    }
    // SAFETY: inside the mapping, header included.
    unsafe { Chunk::at(p) }.write(0, Kind::Mapped, true, true);
    with(|r| {
        r.insert(m);
        r.count(&m);
    });
    Some(p)
}

/// A mapping of this length, all zero, readable and writable or only reserved, and a place for it
/// in the registry. One that the kernel would not take back serves if that `suits`.
pub(crate) fn obtain(len: usize, committed: bool, suits: bool, bound: Bound) -> Option<Mapping> {
    let old = with(|r| {
        if bound == Bound::Kept && r.totals.chunks >= settings::mmap_max() {
            return Err(());
        }
        match suits
            .then(|| r.unstick(Some(len), PLACES_AT_ONCE))
            .flatten()
        {
            None if !r.keep() => Err(()),
            old => Ok(old),
        }
    });
    let fresh = || {
        Some(Mapping::empty(
            os::map(len, committed, c"cairn mapped chunk")?,
            len,
        ))
    };
    let m = old.ok()?.or_else(fresh);
    if m.is_some() {
        mark::grew(len);
        return m;
    }
    forgo();
    // Where the kernel makes none, one of this length is worth a longer search. It keeps its place.
    suits
        .then(|| with(|r| r.unstick(Some(len), usize::MAX)))
        .flatten()
}

/// Unmaps what lies outside `[base, end)`; what the kernel refuses simply stays part of it.
pub(crate) fn cut(m: Mapping, base: usize, end: usize) -> Mapping {
    let mut out = m;
    // SAFETY: pages of a mapping nobody knows yet.
    unsafe {
        if base > m.base && os::unmap(m.base, base - m.base) {
            (out.base, out.len) = (base, m.base + m.len - base);
        }
        let now_end = out.base + out.len;
        if end < now_end && os::unmap(end, now_end - end) {
            out.len = end - out.base;
        }
    }
    out
}

/// Payload bytes of a mapped chunk, in check mode those asked for; `None` if `p` is none.
pub(crate) fn usable(p: usize) -> Option<usize> {
    with(|r| {
        let i = r.find(p)?;
        // SAFETY: `find` names a place of the table.
        let m = unsafe { *r.place(i) };
        let have = if m.last == 0 {
            m.base + m.len - p
        } else {
            m.asked
        };
        (!m.stuck).then_some(have)
    })
}

/// Whether a mapped chunk is longer than it was asked to become.
pub(crate) fn is_loose(p: usize) -> bool {
    // SAFETY: `find` names a place of the table.
    with(|r| r.find(p).is_some_and(|i| unsafe { (*r.place(i)).loose }))
}

/// Whether an address lies in a mapped chunk, anywhere. Slow: for last words only.
pub(crate) fn covers(p: usize) -> bool {
    with(|r| {
        (0..r.places).any(|i| {
            // SAFETY: a place of the table.
            let m = unsafe { *r.place(i) };
            m.p != 0 && !m.stuck && (m.base..m.base + m.len).contains(&p)
        })
    })
}

/// Ends the process if the header of a registered chunk is not whole.
pub(crate) fn vet(p: usize) {
    // SAFETY: the registry says that `p` is a mapped chunk's payload.
    let c = unsafe { Chunk::at(p) };
    if !c.head().is(Kind::Mapped) || !c.is_used() {
        fatal::die("munmap_chunk(): invalid pointer", p);
    }
}

/// Takes a chunk out of the registry, which keeps its place.
pub(crate) fn claim(p: usize) -> Option<Mapping> {
    with(|r| {
        let i = r.find(p)?;
        // SAFETY: `find` names a place of the table.
        if unsafe { (*r.place(i)).stuck } {
            return None;
        }
        vet(p);
        let m = r.take(i);
        r.uncount(&m);
        Some(m)
    })
}

/// Unmaps what nobody can find; where the kernel refuses, it is stuck, and `clear` makes it zero.
pub(crate) fn give_back(m: Mapping, clear: impl FnOnce()) {
    // SAFETY: nobody else can find it.
    if unsafe { os::unmap(m.base, m.len) } {
        forgo();
        unstick(PLACES_AT_ONCE);
    } else {
        clear();
        with(|r| {
            r.insert(Mapping {
                stuck: true,
                owner: 0,
                ..m
            })
        });
    }
}

/// Offers a stuck mapping to the kernel again, if so many looks find one; whether it was taken.
fn unstick(looks: usize) -> bool {
    if !any_stuck() {
        return false;
    }
    let Some(m) = with(|r| r.unstick(None, looks)) else {
        return false;
    };
    // SAFETY: empty, and nobody else can find it.
    let gone = unsafe { os::unmap(m.base, m.len) };
    if gone {
        forgo();
    } else {
        with(|r| r.insert(m));
    }
    gone
}

/// Offers the stuck mappings to the kernel until it refuses one; whether any was taken.
pub(crate) fn trim() -> bool {
    let mut any = false;
    while unstick(usize::MAX) {
        any = true;
    }
    any
}

/// Frees a mapped chunk; false if `p` is none.
pub(crate) fn free(p: usize) -> bool {
    let Some(m) = claim(p) else {
        return false;
    };
    give_back(m, || {
        // Whoever gets it next is told that it is zero. Locked pages cannot be purged.
        // SAFETY: the chunk is freed, and nobody else can find it.
        unsafe {
            if !os::purge(m.base, m.len) {
                ptr::with_exposed_provenance_mut::<u8>(m.base).write_bytes(0, m.len);
            }
        }
    });
    settings::saw_mapped_free(m.len);
    true
}

/// What became of a mapped chunk that was to be resized.
pub(crate) enum Resized {
    /// No mapped chunk starts there.
    Unknown,
    /// It cannot be of the size that the caller named.
    Misfit,
    /// It belongs to another heap.
    Owned,
    /// It holds what was asked for, here.
    At(usize),
    /// It is as it was, with this many payload bytes.
    Stays(usize),
}

/// Resizes a mapped chunk for `n` bytes, moving it by its pages, unless it is to become smaller
/// than `least`. Where the caller says what it `had`, that is compared; and whose it is always.
///
/// One look and one lock, where it keeps its pages; two locks where the kernel is asked between.
pub(crate) fn resize(p: usize, n: usize, least: usize, had: Option<usize>, owner: u32) -> Resized {
    let page = os::page();
    let claimed = with(|r| {
        let Some(i) = r.find(p) else {
            return Err(Resized::Unknown);
        };
        // SAFETY: `find` names a place of the table.
        let place = unsafe { &mut *r.place(i) };
        let m = *place;
        if m.stuck {
            return Err(Resized::Unknown);
        }
        vet(p);
        if m.owner != owner {
            return Err(Resized::Owned);
        }
        let have = m.base + m.len - p;
        if had.is_some_and(|n| n > have || have - n >= page && !m.loose) {
            return Err(Resized::Misfit);
        }
        let len = n.checked_add(p - m.base);
        match len.and_then(|len| len.checked_next_multiple_of(page)) {
            Some(len) if n >= least || n >= have => {
                if len == m.len {
                    place.loose = false;
                    return Err(Resized::At(p));
                }
                let m = r.take(i);
                r.uncount(&m);
                Ok((m, len))
            }
            _ => Err(Resized::Stays(have)),
        }
    });
    let (m, len) = match claimed {
        Ok(claimed) => claimed,
        Err(done) => return done,
    };
    let lead = p - m.base;
    // SAFETY: the mapping is ours, and nobody else can find it.
    let moved = unsafe { os::remap(m.base, m.len, len) };
    if moved.is_some() && len > m.len {
        mark::grew(len - m.len);
    }
    let kept = Mapping {
        loose: m.loose || len < m.len,
        ..m
    };
    let now = moved.map_or(kept, |base| Mapping {
        p: base + lead,
        owner,
        ..Mapping::empty(base, len)
    });
    // SAFETY: inside the mapping, header included.
    unsafe { Chunk::at(now.p) }.write(0, Kind::Mapped, true, true);
    with(|r| {
        r.insert(now);
        r.count(&now);
    });
    match moved {
        Some(_) => Resized::At(now.p),
        None => Resized::Stays(m.base + m.len - p),
    }
}

/// What is mapped.
pub(crate) fn totals() -> Totals {
    with(|r| r.totals)
}

/// Sets a first limit; what is mapped already counts.
pub(crate) fn begin_limit(bytes: usize, hard: bool) {
    with(|r| {
        limit::set(bytes, hard);
        limit::count(r.totals.bytes, 0);
    });
}
