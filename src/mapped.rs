//! Mapped chunks: one `mmap` each, above the threshold, and the registry that knows them.
//!
//! ```text
//! base (page)      p
//!  | …  |hd|  payload …                  | end (page)
//! ```
//!
//! A mapped chunk lies in no region of the table. Its base and length are in the registry, a
//! hash table in side memory, not in its header: a header that was overwritten cannot make
//! Cairn unmap somebody else's pages. System calls are made outside the lock; while one is under
//! way, the chunk is in nobody's table.

use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, round_up};
use crate::sync::Lock;
use crate::{fatal, os, settings, side};
use core::cell::UnsafeCell;
use core::ptr;

pub mod guarded;

/// First capacity of the registry, entries; it doubles at half full.
const FIRST: usize = 64;

#[derive(Clone, Copy)]
struct Mapping {
    /// Payload, 0 for a free place of the table.
    p: usize,
    base: usize,
    len: usize,
    /// The kernel refused to unmap it (`vm.max_map_count`): empty, and the next one to be used.
    stuck: bool,
    /// In check mode what was asked for, and the first byte of the guard page behind; else 0.
    asked: usize,
    last: usize,
    /// The kernel refused to shorten it: its length says nothing about what was asked for.
    loose: bool,
}

impl Mapping {
    /// A mapping that holds no payload yet.
    const fn empty(base: usize, len: usize) -> Self {
        Self {
            p: 0,
            base,
            len,
            stuck: false,
            asked: 0,
            last: 0,
            loose: false,
        }
    }

    /// Bytes that hold memory: all but guard pages.
    fn bytes(&self) -> usize {
        if self.last == 0 {
            self.len
        } else {
            self.last - guarded::first(self.p)
        }
    }
}

struct Registry {
    table: usize,
    places: usize,
    used: usize,
    stuck: usize,
    totals: Totals,
}

/// What is mapped, now and at most.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// Chunks.
    pub chunks: usize,
    /// Bytes, whole pages.
    pub bytes: usize,
    /// Most chunks at a time.
    pub max_chunks: usize,
    /// Most bytes at a time.
    pub max_bytes: usize,
}

struct Shared(UnsafeCell<Registry>);
// SAFETY: reached only through `with`, under `LOCK`.
unsafe impl Sync for Shared {}

/// Guards the registry. Taken after any arena's lock, before side memory's.
pub static LOCK: Lock = Lock::new();
static REGISTRY: Shared = Shared(UnsafeCell::new(Registry {
    table: 0,
    places: 0,
    used: 0,
    stuck: 0,
    totals: Totals {
        chunks: 0,
        bytes: 0,
        max_chunks: 0,
        max_bytes: 0,
    },
}));

fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> R {
    let _held = LOCK.acquire();
    // SAFETY: the lock is held and not re-entrant.
    f(unsafe { &mut *REGISTRY.0.get() })
}

impl Registry {
    fn place(&self, i: usize) -> *mut Mapping {
        ptr::with_exposed_provenance_mut::<Mapping>(self.table).wrapping_add(i & (self.places - 1))
    }
    fn home(p: usize) -> usize {
        (p >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
    }
    fn find(&self, p: usize) -> Option<usize> {
        if self.places == 0 || p == 0 {
            return None;
        }
        let mut i = Self::home(p);
        loop {
            // SAFETY: a place of the table, with the registry locked (I11).
            match unsafe { (*self.place(i)).p } {
                0 => return None,
                found if found == p => return Some(i & (self.places - 1)),
                _ => i += 1,
            }
        }
    }
    fn widen(&mut self) -> bool {
        if self.used * 2 < self.places {
            return true;
        }
        let (old, places) = (self.table, self.places);
        let new = if places == 0 { FIRST } else { places * 2 };
        let Some(table) = side::zeroed(new * size_of::<Mapping>()) else {
            return false;
        };
        (self.table, self.places, self.used) = (table, new, 0);
        for i in 0..places {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *ptr::with_exposed_provenance::<Mapping>(old).add(i) };
            if m.p != 0 {
                self.insert(m);
            }
        }
        let bytes = places * size_of::<Mapping>();
        if bytes != 0 && side::block(bytes) <= 64 << 10 {
            // SAFETY: a place of the table, with the registry locked (I11).
            unsafe { side::give(old, bytes) };
        }
        true
    }
    /// Enters a mapping; there is room, by `widen`.
    fn insert(&mut self, m: Mapping) {
        let mut i = Self::home(m.p);
        // SAFETY: a place of the table, with the registry locked (I11).
        while unsafe { (*self.place(i)).p } != 0 {
            i += 1;
        }
        // SAFETY: a place of the table, with the registry locked (I11).
        unsafe { *self.place(i) = m };
        self.used += 1;
    }
    /// Takes a mapping out and closes the gap, so that probing needs no tombstones.
    fn remove(&mut self, at: usize) -> Mapping {
        // SAFETY: a place of the table, with the registry locked (I11).
        let out = unsafe { *self.place(at) };
        let mask = self.places - 1;
        let (mut hole, mut i) = (at, at + 1);
        loop {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *self.place(i) };
            if m.p == 0 {
                break;
            }
            if (i.wrapping_sub(Self::home(m.p)) & mask) >= (i.wrapping_sub(hole) & mask) {
                // SAFETY: a place of the table, with the registry locked (I11).
                unsafe { *self.place(hole) = m };
                hole = i;
            }
            i += 1;
        }
        // SAFETY: a place of the table, with the registry locked (I11).
        unsafe { (*self.place(hole)).p = 0 };
        self.used -= 1;
        out
    }
    fn count(&mut self, m: &Mapping) {
        let t = &mut self.totals;
        t.chunks += 1;
        t.bytes += m.bytes();
        t.max_chunks = t.max_chunks.max(t.chunks);
        t.max_bytes = t.max_bytes.max(t.bytes);
    }
    fn uncount(&mut self, m: &Mapping) {
        self.totals.chunks -= 1;
        self.totals.bytes -= m.bytes();
    }
    /// A mapping the kernel would not take back, if one has exactly this length: a sized free
    /// compares what was asked for with what there is.
    fn unstick(&mut self, len: usize) -> Option<Mapping> {
        if self.stuck == 0 {
            return None;
        }
        let at = (0..self.places).find(|&i| {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *self.place(i) };
            m.p != 0 && m.stuck && m.len == len
        })?;
        self.stuck -= 1;
        Some(self.remove(at))
    }
}

/// A mapped chunk for `n` bytes at a multiple of `align` (a power of two, at least 16), zeroed.
pub fn map(n: usize, align: usize) -> Option<usize> {
    let page = os::page();
    let slack = if align > ALIGN { align } else { 0 };
    let len = n
        .checked_add(ALIGN)?
        .checked_add(slack)?
        .checked_next_multiple_of(page)?;
    let old = with(|r| {
        if r.totals.chunks >= settings::mmap_max() || !r.widen() {
            return Err(());
        }
        Ok(r.unstick(len))
    })
    .ok()?;
    let m = match old {
        Some(m) => m,
        None => Mapping::empty(os::map(len, true)?, len),
    };
    let p = round_up(m.base + ALIGN, align);
    let mut m = Mapping {
        p,
        stuck: false,
        ..m
    };
    if slack != 0 {
        m = cut(m, (p - ALIGN) & !(page - 1), round_up(p + n, page));
    }
    // SAFETY: inside the mapping, header included.
    unsafe { Chunk::at(p) }.write(0, Kind::Mapped, true, true);
    let entered = with(|r| {
        // Another thread may have filled the table meanwhile.
        if !r.widen() {
            return false;
        }
        r.insert(m);
        r.count(&m);
        true
    });
    if !entered {
        // SAFETY: nobody knows the mapping.
        unsafe { os::unmap(m.base, m.len) };
        return None;
    }
    Some(p)
}

/// Unmaps what lies outside `[base, end)`; what the kernel refuses simply stays part of it.
fn cut(m: Mapping, base: usize, end: usize) -> Mapping {
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
pub fn usable(p: usize) -> Option<usize> {
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
pub fn is_loose(p: usize) -> bool {
    // SAFETY: `find` names a place of the table.
    with(|r| r.find(p).is_some_and(|i| unsafe { (*r.place(i)).loose }))
}

/// Whether an address lies in a mapped chunk, anywhere. Slow: for last words only.
pub fn covers(p: usize) -> bool {
    with(|r| {
        (0..r.places).any(|i| {
            // SAFETY: a place of the table.
            let m = unsafe { *r.place(i) };
            m.p != 0 && !m.stuck && (m.base..m.base + m.len).contains(&p)
        })
    })
}

/// Whether the header of a registered chunk is whole.
fn vet(p: usize) {
    // SAFETY: the registry says that `p` is a mapped chunk's payload.
    let c = unsafe { Chunk::at(p) };
    if !c.head().is(Kind::Mapped) || !c.is_used() {
        fatal::die("munmap_chunk(): invalid pointer", p);
    }
}

fn claim(p: usize) -> Option<Mapping> {
    with(|r| {
        let i = r.find(p)?;
        // SAFETY: `find` names a place of the table.
        if unsafe { (*r.place(i)).stuck } {
            return None;
        }
        vet(p);
        let m = r.remove(i);
        r.uncount(&m);
        Some(m)
    })
}

/// Frees a mapped chunk; false if `p` is none.
pub fn free(p: usize) -> bool {
    let Some(m) = claim(p) else {
        return false;
    };
    // SAFETY: the chunk is freed, and nobody else can find it.
    unsafe {
        if !os::unmap(m.base, m.len) {
            // Whoever gets it next is told that it is zero. Locked pages cannot be purged.
            if !os::purge(m.base, m.len) {
                ptr::with_exposed_provenance_mut::<u8>(m.base).write_bytes(0, m.len);
            }
            with(|r| {
                r.insert(Mapping { stuck: true, ..m });
                r.stuck += 1;
            });
        }
    }
    settings::saw_mapped_free(m.len);
    true
}

/// Resizes a mapped chunk for `n` bytes, moving it by its pages; `None` leaves it as it was.
pub fn resize(p: usize, n: usize) -> Option<usize> {
    let lead = {
        let m = with(|r| {
            r.find(p).map(|i| {
                // SAFETY: `find` names a place of the table.
                unsafe { *r.place(i) }
            })
        })?;
        p - m.base
    };
    let len = n.checked_add(lead)?.checked_next_multiple_of(os::page())?;
    let m = claim(p)?;
    let moved = if len == m.len {
        Some(m.base)
    } else {
        // SAFETY: the mapping is ours, and nobody else can find it.
        unsafe { os::remap(m.base, m.len, len) }
    };
    let kept = Mapping {
        loose: m.loose || len < m.len,
        ..m
    };
    let now = moved.map_or(kept, |base| Mapping {
        p: base + lead,
        ..Mapping::empty(base, len)
    });
    // SAFETY: inside the mapping, header included.
    unsafe { Chunk::at(now.p) }.write(0, Kind::Mapped, true, true);
    with(|r| {
        // The place just given up is there, unless others took it and the table cannot grow:
        // then it is more than half full, and still not full.
        r.widen();
        r.insert(now);
        r.count(&now);
    });
    moved.map(|_| now.p)
}

/// What is mapped.
pub fn totals() -> Totals {
    with(|r| r.totals)
}
