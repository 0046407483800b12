//! What a heap of the program's own hands out and takes back, under its lock.

use super::Named;
use crate::arena::split::{Carved, Fresh};
use crate::arena::supply::Growth;
use crate::arena::{self, Entry, owner, records, surplus};
use crate::chunk::Chunk;
use crate::config::{ALIGN, CACHE_LIMIT, MAX_CHUNK, MAX_REQUEST};
use crate::mapped::{self, Bound, Resized};
use crate::{class, fatal, os, settings};
use core::sync::atomic::Ordering::Relaxed;

impl Named {
    /// Memory for `n` bytes at a multiple of `align`, a power of two; what is free in it goes back
    /// before there is none for its bound.
    pub(crate) fn take(&self, n: usize, align: usize) -> Option<Fresh> {
        if n > MAX_REQUEST || align > MAX_REQUEST || n + align > MAX_REQUEST {
            return None;
        }
        let got = self.attempt(n, align);
        if got.is_some() || self.bound() == 0 {
            return got;
        }
        self.arena.trim(0);
        self.attempt(n, align)
    }

    fn attempt(&self, n: usize, align: usize) -> Option<Fresh> {
        let size = class::aligned_chunk_for(n, align);
        if size >= settings::mmap_threshold() && n > CACHE_LIMIT {
            // As elsewhere: free memory first, and growing only when the system maps no more.
            let got = self.chunk(size, align, Growth::No);
            let got = got.or_else(|| self.map(n, align, Bound::Kept));
            if got.is_some() {
                return got;
            }
        }
        let got = self.chunk(size, align, Growth::Yes);
        got.or_else(|| self.map(n, align, Bound::Ignored))
    }

    fn chunk(&self, size: usize, align: usize, growth: Growth) -> Option<Fresh> {
        let mut state = self.arena.lock();
        let class = if align <= ALIGN && growth == Growth::Yes {
            class::of_chunk(size)
        } else {
            0
        };
        let got = if class == 0 {
            state.take(size, align, growth)
        } else {
            let mut one = [Entry::NONE];
            let n = state.refill(class, &mut one);
            let [entry] = one;
            (n != 0).then(|| {
                // SAFETY: a freed chunk of this arena, whole with its header (I1).
                let chunk = unsafe { Chunk::at(entry.p) };
                chunk.mark(true);
                Carved {
                    chunk,
                    clean_from: usize::MAX,
                }
            })
        };
        state.audit();
        state.settle();
        got.map(|carved| Fresh {
            p: carved.chunk.payload(),
            clean_from: carved.clean_from,
        })
    }

    fn map(&self, n: usize, align: usize, bound: Bound) -> Option<Fresh> {
        let slack = if align > ALIGN { align } else { 0 };
        let len = (n + ALIGN + slack).checked_next_multiple_of(os::page())?;
        let p = self.promised(len, || mapped::map_for(n, align, bound, self.number()))?;
        Some(Fresh { p, clean_from: p })
    }

    /// What `get` gets, if the bound permits that this has so many bytes more beside its heaps.
    pub(crate) fn promised<R>(&self, bytes: usize, get: impl FnOnce() -> Option<R>) -> Option<R> {
        if !self.arena.promise(bytes) {
            return None;
        }
        let got = get();
        self.arena.beside.fetch_sub(bytes, Relaxed);
        got
    }
}

/// Takes a live chunk back, of whichever heap of the program's own.
pub(crate) fn give(c: Chunk, size: usize) {
    let p = c.payload();
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(p)) }.lock();
    // Again under the lock: of two threads that free the same chunk, one comes second.
    if !c.is_used() {
        fatal::die("free(): double free detected in tcache 2", p);
    }
    c.mark(false);
    let class = class::of_chunk(size);
    if class == 0 {
        state.release(c, size);
    } else {
        state.put_chunks(&[Entry::of_chunk(c)], class);
    }
    state.audit();
    state.settle();
}

/// Whether a live chunk now holds `n` bytes where it is.
pub(crate) fn resize(c: Chunk, size: usize, n: usize) -> bool {
    if n > MAX_CHUNK {
        return false;
    }
    let wanted = class::chunk_for(n);
    surplus::stays(c, size, wanted) || arena::resize(c, size, wanted)
}

/// Where a live mapped chunk of `heap` now holds `n` bytes; one that is to become smaller than `least`,
/// or that cannot become longer, stays as it is.
pub(crate) fn resize_mapped(heap: &Named, p: usize, n: usize, least: usize) -> Option<usize> {
    let have = mapped::usable(p)?;
    let more = n
        .saturating_sub(have)
        .checked_next_multiple_of(os::page())?;
    let resized = heap.promised(more, || {
        Some(mapped::resize(p, n, least, None, heap.number()))
    })?;
    match resized {
        Resized::At(to) => Some(to),
        _ => None,
    }
}
