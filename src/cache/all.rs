//! All caches, those that wait for a thread included: what they hold is free.
//!
//! A cache is its thread's alone, and no fast path counts. So who wants to know reads, from outside,
//! where its arrays end: addresses only, never what lies in an array, which may be gone by then. What
//! other threads do meanwhile may be seen or not; where nobody does anything the figure is exact.

use super::{Bin, Cache, MOST};
use crate::arena::{Arena, Entry};
use crate::class::{self, CLASSES};
use crate::sync::Lock;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The neighbours of a cache: the newer and the older one. Guarded by [`LOCK`].
pub(crate) type Links = Cell<[*mut Cache; 2]>;

/// Guards the list. No other lock is taken while it is held.
pub(crate) static LOCK: Lock = Lock::new();
/// The newest cache.
pub(crate) static NEWEST: AtomicPtr<Cache> = AtomicPtr::new(ptr::null_mut());

/// What caches hold.
#[derive(Clone, Copy, Default)]
pub(crate) struct Held {
    /// Objects and chunks.
    pub count: usize,
    /// Their bytes, headers included, and what is left of strips.
    pub bytes: usize,
}

/// Enters a cache that was just made.
///
/// # Safety
/// It is one, and nobody else knows it.
pub(crate) unsafe fn enter(cache: *mut Cache) {
    let _held = LOCK.acquire();
    let older = NEWEST.load(Relaxed);
    // SAFETY: the caller's; caches on the list are caches.
    unsafe {
        (*cache).links.set([ptr::null_mut(), older]);
        if !older.is_null() {
            set_link(older, 0, cache);
        }
    }
    NEWEST.store(cache, Relaxed);
}

/// Takes a cache out that is about to be no more.
///
/// # Safety
/// It was entered.
pub(crate) unsafe fn leave(cache: *mut Cache) {
    let _held = LOCK.acquire();
    // SAFETY: caches on the list are caches, and the list is locked.
    unsafe {
        let [newer, older] = (*cache).links.get();
        if newer.is_null() {
            NEWEST.store(older, Relaxed);
        } else {
            set_link(newer, 1, older);
        }
        if !older.is_null() {
            set_link(older, 0, newer);
        }
    }
}

/// # Safety
/// It is a cache of the list, which is locked.
unsafe fn set_link(cache: *mut Cache, which: usize, to: *mut Cache) {
    // SAFETY: the caller's.
    let links = unsafe { &(*cache).links };
    let mut both = links.get();
    if let Some(link) = both.get_mut(which) {
        *link = to;
    }
    links.set(both);
}

/// What the caches hold that refill from an arena.
pub(crate) fn held(arena: &Arena) -> Held {
    let _held = LOCK.acquire();
    let mut all = Held::default();
    let mut cache = NEWEST.load(Relaxed);
    while !cache.is_null() {
        // SAFETY: a cache stays one while it is on the list, which is locked.
        unsafe {
            if ptr::eq((*cache).arena, arena) {
                add(&mut all, cache);
            }
            [_, cache] = (*cache).links.get();
        }
    }
    all
}

/// # Safety
/// It is a cache; its thread may be using it.
unsafe fn add(all: &mut Held, cache: *mut Cache) {
    // SAFETY: the caller's.
    unsafe {
        all.bytes += (*cache).strip().left();
        let (count, bytes) = (*cache).large.all_held();
        all.count += count;
        all.bytes += bytes;
        let cover = (*cache).cover.as_ptr().read_volatile();
        if !cover.is_null() {
            let strip = &raw const (*cover).strip;
            all.bytes += (*strip).left();
        }
        for class in 0..CLASSES {
            let mut count = seen((*cache).bin(class));
            if !cover.is_null() {
                count += seen((&raw const (*cover).bins).cast::<Bin>().add(class));
            }
            all.count += count;
            // What waits for requests of 0 bytes are the smallest objects.
            all.bytes += count * class::size_of(class.max(1));
        }
    }
}

/// Entries of a bin. Its thread may be about to change its array ([`Bin::set_array`]): what makes no
/// sense counts for nothing.
///
/// # Safety
/// It is a bin.
unsafe fn seen(bin: *const Bin) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let base = (*bin).base.as_ptr().read_volatile().addr();
        let limit = (*bin).limit.as_ptr().read_volatile().addr();
        let top = (*bin).top().addr();
        let count = top.wrapping_sub(base) / size_of::<Entry>();
        if base != 0 && top <= limit && count <= MOST.0 {
            count
        } else {
            0
        }
    }
}
