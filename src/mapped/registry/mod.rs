//! The registry of mapped chunks: a hash table in side memory, by payload.
//!
//! A chunk that the kernel is asked about is out of the table for that time, and so is one that
//! waits in check mode's quarantine. Its place is kept: what has to come back, because the kernel
//! refused, always finds one, whether or not there is memory for a larger table.
//!
//! A mapping that the kernel would not take back (`vm.max_map_count`: to cut a hole it needs one
//! mapping more) is *stuck*. It is empty, serves the next request of its length, and is offered to
//! the kernel again as others are given back.

use super::owners;
use crate::config::ALIGN;
use crate::layout::places::registry as place;
use crate::sync::Lock;
use crate::{limit, os, side};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// First capacity of the registry, entries; it doubles at half full.
const FIRST_PLACES: usize = 64;
/// Without memory for a larger table it fills until one place in so many is free: a search ends at
/// a free place, and is the longer the fewer there are.
const SPARE: usize = 8;
/// Places that a request or a free looks at for a stuck mapping.
pub(crate) const PLACES_AT_ONCE: usize = 128;

/// One mapping.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Mapping {
    /// Payload, 0 for a free place of the table.
    pub p: usize,
    /// First byte.
    pub base: usize,
    /// Bytes.
    pub len: usize,
    /// In check mode what was asked for, and the first byte of the guard page behind; else 0.
    pub asked: usize,
    /// See `asked`.
    pub last: usize,
    /// The kernel refused to unmap it: empty, and the next one to be used.
    pub stuck: bool,
    /// The kernel refused to shorten it: its length says nothing about what was asked for.
    pub loose: bool,
    /// The number of the heap of the program's own that it belongs to, 0 for none ([`owners`]).
    pub owner: u32,
}

impl Mapping {
    /// A mapping that holds no payload yet.
    pub(crate) const fn empty(base: usize, len: usize) -> Self {
        Self {
            p: 0,
            base,
            len,
            stuck: false,
            asked: 0,
            last: 0,
            loose: false,
            owner: 0,
        }
    }

    /// Bytes that hold memory: all but guard pages.
    pub(crate) fn bytes(&self) -> usize {
        if self.last == 0 {
            self.len
        } else {
            self.last - first(self.p)
        }
    }
}

/// The first byte that may be written, below a payload.
pub(crate) fn first(p: usize) -> usize {
    (p - ALIGN) & !(os::page() - 1)
}

/// Places kept for chunks that are out of the table. Raised under the lock, lowered anywhere: who
/// reads an old value thinks the table fuller than it is.
static KEPT: AtomicUsize = AtomicUsize::new(0);
/// How many mappings are stuck. Written under the lock.
static STUCK: AtomicUsize = AtomicUsize::new(0);

/// The table, and what it counts.
#[repr(C)]
pub(crate) struct Registry {
    table: usize,
    /// Places of the table, a power of two, or 0.
    pub places: usize,
    used: usize,
    /// Where the last search for a stuck mapping ended.
    cursor: usize,
    /// What is mapped.
    pub totals: Totals,
}

/// What is mapped, now and at most.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Totals {
    /// Chunks.
    pub chunks: usize,
    /// Bytes, whole pages.
    pub bytes: usize,
    /// Most chunks at a time.
    pub max_chunks: usize,
    /// Most bytes at a time.
    pub max_bytes: usize,
}

const _: () = assert!(
    offset_of!(Registry, table) == place::TABLE
        && offset_of!(Registry, places) == place::PLACES
        && offset_of!(Registry, totals) == place::TOTALS
        && size_of::<Registry>() == place::BYTES
        && offset_of!(Totals, max_bytes) == 24
        && offset_of!(Mapping, p) == place::PAYLOAD
        && offset_of!(Mapping, len) == place::PAYLOAD + 16
        && offset_of!(Mapping, asked) == place::ASKED
        && offset_of!(Mapping, last) == place::LAST
        && offset_of!(Mapping, stuck) == place::STUCK
        && offset_of!(Mapping, owner) == place::OWNER
        && size_of::<Mapping>() == place::PLACE
);

#[repr(transparent)]
pub(crate) struct Shared(UnsafeCell<Registry>);
// SAFETY: reached only through `with`, under `LOCK`.
unsafe impl Sync for Shared {}

/// Guards the registry. Taken after any arena's lock, before side memory's.
pub(crate) static LOCK: Lock = Lock::new();
/// The only one.
pub(crate) static REGISTRY: Shared = Shared(UnsafeCell::new(Registry {
    table: 0,
    places: 0,
    used: 0,
    cursor: 0,
    totals: Totals {
        chunks: 0,
        bytes: 0,
        max_chunks: 0,
        max_bytes: 0,
    },
}));

/// What `f` says, with the registry locked.
pub(crate) fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> R {
    let _held = LOCK.acquire();
    // SAFETY: the lock is held and not re-entrant.
    f(unsafe { &mut *REGISTRY.0.get() })
}

/// The place kept for a chunk is not needed: the kernel has its memory.
pub(crate) fn forgo() {
    KEPT.fetch_sub(1, Relaxed);
}

/// Whether any mapping is stuck.
pub(crate) fn any_stuck() -> bool {
    STUCK.load(Relaxed) != 0
}

impl Registry {
    /// A place of the table, counted modulo their number.
    pub(crate) fn place(&self, i: usize) -> *mut Mapping {
        ptr::with_exposed_provenance_mut::<Mapping>(self.table).wrapping_add(i & (self.places - 1))
    }
    /// Where the search for `p` begins.
    ///
    /// Mappings of one length lie at equal distances. One multiplication keeps that: for some
    /// lengths thousands of them then share a few places, whichever of its bits are taken. Two with
    /// a fold between do not, and the high bits are those that every bit of `p` reaches.
    fn home(&self, p: usize) -> usize {
        let x = (p >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        x >> (usize::BITS - self.places.trailing_zeros())
    }
    /// The place of the mapping whose payload is `p`.
    pub(crate) fn find(&self, p: usize) -> Option<usize> {
        if self.places == 0 || p == 0 {
            return None;
        }
        let mut i = self.home(p);
        loop {
            // SAFETY: a place of the table, with the registry locked (I11).
            match unsafe { (*self.place(i)).p } {
                0 => return None,
                found if found == p => return Some(i & (self.places - 1)),
                _ => i += 1,
            }
        }
    }
    /// Makes sure of a place for a mapping to come, and keeps it.
    pub(crate) fn keep(&mut self) -> bool {
        let room = self.widen();
        KEPT.fetch_add(usize::from(room), Relaxed);
        room
    }
    fn widen(&mut self) -> bool {
        let taken = self.used + KEPT.load(Relaxed);
        if taken * 2 < self.places {
            return true;
        }
        let (old, places) = (self.table, self.places);
        let new = if places == 0 {
            FIRST_PLACES
        } else {
            places * 2
        };
        let Some(table) = side::zeroed(new * size_of::<Mapping>()) else {
            return taken < places - places / SPARE;
        };
        (self.table, self.places, self.used) = (table, new, 0);
        for i in 0..places {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *ptr::with_exposed_provenance::<Mapping>(old).add(i) };
            if m.p != 0 {
                self.put(m);
            }
        }
        let bytes = places * size_of::<Mapping>();
        if bytes != 0 && side::block(bytes) <= 64 << 10 {
            // SAFETY: a place of the table, with the registry locked (I11).
            unsafe { side::give(old, bytes) };
        }
        true
    }
    /// Enters a mapping into the place kept for it.
    pub(crate) fn insert(&mut self, m: Mapping) {
        self.put(m);
        STUCK.fetch_add(usize::from(m.stuck), Relaxed);
        KEPT.fetch_sub(1, Relaxed);
    }
    fn put(&mut self, m: Mapping) {
        let mut i = self.home(m.p);
        // SAFETY: a place of the table, with the registry locked (I11).
        while unsafe { (*self.place(i)).p } != 0 {
            i += 1;
        }
        // SAFETY: a place of the table, with the registry locked (I11).
        unsafe { *self.place(i) = m };
        self.used += 1;
    }
    /// Takes a mapping out, and keeps its place.
    pub(crate) fn take(&mut self, at: usize) -> Mapping {
        let m = self.remove(at);
        STUCK.fetch_sub(usize::from(m.stuck), Relaxed);
        KEPT.fetch_add(1, Relaxed);
        m
    }
    /// Closes the gap, so that probing needs no tombstones.
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
            if (i.wrapping_sub(self.home(m.p)) & mask) >= (i.wrapping_sub(hole) & mask) {
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
    /// Shows every mapping that holds a chunk.
    pub(crate) fn each(&self, mut see: impl FnMut(&Mapping)) {
        for i in 0..self.places {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { &*self.place(i) };
            if m.p != 0 && !m.stuck {
                see(m);
            }
        }
    }
    /// Counts a mapping that holds a chunk.
    pub(crate) fn count(&mut self, m: &Mapping) {
        let t = &mut self.totals;
        t.chunks += 1;
        t.bytes += m.bytes();
        t.max_chunks = t.max_chunks.max(t.chunks);
        t.max_bytes = t.max_bytes.max(t.bytes);
        owners::count(m.owner, m.bytes());
        if limit::is_on() {
            limit::count(m.bytes(), 0);
        }
    }
    /// Counts it no more.
    pub(crate) fn uncount(&mut self, m: &Mapping) {
        self.totals.chunks -= 1;
        self.totals.bytes -= m.bytes();
        owners::count(m.owner, m.bytes().wrapping_neg());
        if limit::is_on() {
            limit::count(0, m.bytes());
        }
    }
    /// Takes out a mapping that the kernel would not take back: one of exactly this length, since
    /// a sized free compares what was asked for with what there is, or any. Its place is kept.
    ///
    /// So many places are looked at, on from where the last search ended: a table of thousands of
    /// mappings of which a few are stuck is not gone through for each request.
    pub(crate) fn unstick(&mut self, len: Option<usize>, looks: usize) -> Option<Mapping> {
        if !any_stuck() {
            return None;
        }
        let from = self.cursor;
        let to = from + self.places.min(looks);
        let at = (from..to).find(|&i| {
            // SAFETY: a place of the table, with the registry locked (I11).
            let m = unsafe { *self.place(i) };
            m.p != 0 && m.stuck && len.is_none_or(|len| m.len == len)
        });
        self.cursor = at.map_or(to, |at| at + 1) & (self.places - 1);
        Some(self.take(at? & (self.places - 1)))
    }
}

#[cfg(test)]
mod tests;
