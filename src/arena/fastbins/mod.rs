//! Fastbins and their consolidation.
//!
//! A chunk that a cache gives back waits uncoalesced for a request of exactly its size. It keeps
//! its freed tag, its neighbour still counts it as in use, and a bit in its region's map says
//! that it waits (I7). The stacks hold addresses in side memory; the bit is the truth, so an
//! entry whose chunk was consolidated meanwhile is simply dropped when it comes up.
//!
//! Consolidation walks a region's map in address order: neighbours that wait become one chunk
//! without either being linked and unlinked on the way, and cold headers are met in the order
//! that the prefetcher likes. To follow neighbours in the order of the frees costs ten times as much
//! (`docs/design.md`).

use super::records::{self, List, Record};
use super::{Entry, State, owner};
use crate::chunk::{Chunk, Kind};
use crate::class::{self, CLASSES};
use crate::config::{ALIGN, MAX_CHUNK, REGION};
use crate::granules::{self, Span};
use crate::layout::places;
use crate::{fatal, settings, side};
use core::mem::offset_of;
use core::ptr;

/// Bytes waiting in a region from which it is worth a sweep on its own.
const RIPE: u32 = (REGION / 4 * 3) as u32;
/// Waiting bytes below which a heap is never swept for its own sake.
const FLOOR: usize = 64 << 10;
/// Waiting bytes that are always allowed; above, a quarter of what is live is. (A quarter of the
/// heap kept memory after a peak: the last chunks to wait held apart all that were free.) Where
/// more is free than live, a quarter of either.
const LIMIT: usize = 1 << 20;
/// Regions that are swept at most because too much waits: several times what a spill brings.
const SWEEPS: usize = 32;
/// First capacity of a stack, entries.
const ROOM: u32 = 16;

/// Addresses of freed chunks of one class, in side memory.
#[repr(C)]
pub(crate) struct Stack {
    base: usize,
    len: u32,
    room: u32,
}

impl Stack {
    /// Empty, without memory.
    pub(crate) const fn new() -> Self {
        Self {
            base: 0,
            len: 0,
            room: 0,
        }
    }
    fn slot(&self, i: u32) -> *mut usize {
        ptr::with_exposed_provenance_mut::<usize>(self.base).wrapping_add(i as usize)
    }
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub(super) fn push(&mut self, p: usize) -> bool {
        if self.len == self.room && !self.widen() {
            return false;
        }
        // SAFETY: `base` is side memory for `room` words (I11).
        unsafe { self.slot(self.len).write(p) };
        self.len += 1;
        true
    }
    pub(super) fn pop(&mut self) -> Option<usize> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: `base` is side memory for `room` words (I11).
        Some(unsafe { self.slot(self.len).read() })
    }
    /// Drops the older half; whether there was any.
    fn forget_older(&mut self) -> bool {
        let kept = self.len / 2;
        if kept == 0 {
            return false;
        }
        // SAFETY: `base` is side memory for `room` words (I11).
        unsafe {
            self.slot(0)
                .copy_from(self.slot(self.len - kept), kept as usize)
        };
        self.len = kept;
        true
    }
    fn widen(&mut self) -> bool {
        let room = if self.room == 0 { ROOM } else { self.room * 2 };
        let bytes = room as usize * size_of::<usize>();
        if bytes > 64 << 10 {
            return false;
        }
        let Some(base) = side::take(bytes) else {
            return false;
        };
        if self.room != 0 {
            // SAFETY: `base` is side memory for `room` words (I11).
            unsafe {
                ptr::with_exposed_provenance_mut::<usize>(base)
                    .copy_from_nonoverlapping(self.slot(0), self.len as usize);
                side::give(self.base, self.room as usize * size_of::<usize>());
            }
        }
        (self.base, self.room) = (base, room);
        true
    }
}

/// Chunks that wait, a stack per class.
#[repr(C)]
pub(crate) struct Waiting {
    /// Their bytes.
    bytes: usize,
    /// Regions in which any wait; those that are mostly waiting come first.
    regions: List,
    stacks: [Stack; CLASSES],
}

const _: () = assert!(
    offset_of!(Waiting, bytes) == 0
        && offset_of!(Stack, base) == places::stack::BASE
        && offset_of!(Stack, len) == places::stack::LEN
        && size_of::<Stack>() == places::stack::BYTES
);

impl Waiting {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: 0,
            regions: List::new(),
            stacks: [const { Stack::new() }; CLASSES],
        }
    }
    /// Nothing waits any more, whatever did: its heap ends.
    pub(super) fn end(&mut self) {
        (self.bytes, self.regions) = (0, List::new());
        for stack in &mut self.stacks {
            if stack.room != 0 {
                // SAFETY: `base` is side memory for `room` words (I11), and nobody's any more.
                unsafe { side::give(stack.base, stack.room as usize * size_of::<usize>()) };
            }
            *stack = Stack::new();
        }
    }
    /// Bytes of chunks that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
    /// The first region in which any wait, or null.
    pub(crate) fn regions(&self) -> *mut Record {
        self.regions.first()
    }
    /// A chunk of `size` bytes waits in the region.
    ///
    /// # Safety
    /// A record of this locked arena; the chunk's mark is set.
    unsafe fn add(&mut self, r: *mut Record, size: usize) {
        // SAFETY: the caller's.
        unsafe {
            (*r).pending += size as u32;
            self.bytes += size;
            if !(*r).listed {
                self.regions.push_back(r);
            }
            if (*r).pending >= RIPE && (*r).pending - (size as u32) < RIPE {
                self.regions.remove(r);
                self.regions.push_front(r);
            }
        }
    }
    /// It waits no more.
    ///
    /// # Safety
    /// As for [`Self::add`].
    unsafe fn remove(&mut self, r: *mut Record, size: usize) {
        // SAFETY: the caller's.
        unsafe {
            let before = (*r).pending;
            (*r).pending -= size as u32;
            if (*r).pending == 0 {
                self.regions.remove(r);
            } else if before >= RIPE && (*r).pending < RIPE {
                // Ripe ones behind it would not be found.
                self.regions.remove(r);
                self.regions.push_back(r);
            }
        }
        self.bytes -= size;
    }
}

impl State {
    /// Takes freed chunks of a class from a cache, those in front that are this arena's, and says
    /// how many. A header is looked at when its chunk is taken again or consolidated, not now: it
    /// is cold.
    pub(crate) fn put_chunks(&mut self, entries: &[Entry], class: usize) -> usize {
        let size = class::size_of(class);
        let mut n = 0;
        for entry in entries {
            let (p, r) = (entry.p, records::of(entry.p));
            // SAFETY: entries were vetted, so their regions have records (I8).
            if !ptr::eq(unsafe { owner(r) }, self.me) {
                break;
            }
            n += 1;
            if size > settings::max_fast() {
                // SAFETY: as below.
                let c = unsafe { Chunk::at(p) };
                if !c.head().is(Kind::Plain) || !c.is_freed() || c.head().size() != size {
                    fatal::die("malloc(): memory corruption (fast)", p);
                }
                self.release(c, size);
                continue;
            }
            // SAFETY: as above, and the region is this arena's.
            unsafe {
                let (start, len) = (granules::number(p), 1);
                if (*r).pending == 0 {
                    (*(*r).map).begin_with(Span { start, len });
                } else if !(*(*r).map).put(start) {
                    fatal::die("double free or corruption (fasttop)", p);
                }
                self.waiting.add(r, size);
            }
            // Without memory for a longer stack it still waits, and a sweep finds it.
            if let Some(stack) = self.waiting.stacks.get_mut(class) {
                let _ = stack.push(p) || (stack.forget_older() && stack.push(p));
            }
        }
        // More than a batch brings, and no more at once than a call may take.
        let mut left = SWEEPS;
        while left != 0 && self.waiting.bytes > self.patience() && self.sweep_first() {
            left -= 1;
        }
        n
    }

    /// Bytes that may wait, and bytes that may rest.
    pub(super) fn patience(&self) -> usize {
        let live = self.live();
        // After a peak most of the heap is free, and what waits holds it apart.
        if self.bins.bytes() > live {
            (LIMIT / 4).max(live / 16)
        } else {
            LIMIT.max(live / 4)
        }
    }

    /// The chunk a fastbin would hand out next, no longer waiting.
    fn pop_fast(&mut self, class: usize) -> Option<Chunk> {
        loop {
            let p = self.waiting.stacks.get_mut(class)?.pop()?;
            if !self.leads_home(p) || !self.is_waiting(p) {
                continue;
            }
            let c = self.vet_waiting(p);
            if c.head().size() == class::size_of(class) {
                self.wait_no_more(p, c.head().size());
                return Some(c);
            }
        }
    }

    /// Fills a cache's array with up to `out.len()` freed chunks or objects of a class; the last
    /// one is handed out first. 0 when memory is exhausted.
    pub(crate) fn refill(&mut self, class: usize, out: &mut [Entry]) -> usize {
        if class::is_run(class) {
            return self.take_objects(class, out);
        }
        let mut n = 0;
        for entry in out.iter_mut() {
            let Some(c) = self.pop_fast(class) else { break };
            *entry = Entry::of_chunk(c);
            n += 1;
        }
        if n == 0 { self.carve(class, out) } else { n }
    }

    /// Whether a chunk of this arena that starts at `p` waits in a fastbin.
    pub(super) fn is_waiting(&self, p: usize) -> bool {
        super::is_waiting(p)
    }

    /// A waiting chunk, its header compared with its tag.
    fn vet_waiting(&self, p: usize) -> Chunk {
        // SAFETY: a mark is set only where a chunk of this arena starts (I7).
        let c = unsafe { Chunk::at(p) };
        if !c.head().is(Kind::Plain) || !c.is_freed() {
            fatal::die("malloc(): memory corruption (fast)", p);
        }
        c
    }

    fn wait_no_more(&mut self, p: usize, size: usize) {
        let r = records::of(p);
        // SAFETY: as in `vet_waiting`.
        unsafe {
            (*(*r).map).take(granules::number(p));
            self.waiting.remove(r, size);
        }
    }

    /// Merges the waiting chunk at `p` with all that wait behind it, and frees the result.
    pub(super) fn sweep_at(&mut self, p: usize) {
        let (mut at, mut total) = (p, 0);
        let first = self.vet_waiting(p);
        let prev_in_use = first.head().prev_in_use();
        while at == p || (at != self.top.at() && self.is_waiting(at) && total < MAX_CHUNK / 2) {
            let c = self.vet_waiting(at);
            let size = c.head().size();
            self.wait_no_more(at, size);
            if at != p {
                c.swallow();
            }
            total += size;
            at += size;
        }
        first.write(total, Kind::Plain, prev_in_use, false);
        self.release(first, total);
    }

    fn sweep(&mut self, r: *mut Record) {
        self.counters().sweeps.add(1);
        // SAFETY: `r` is a record of this arena (I10).
        let (map, base) = unsafe { (&*(*r).map, (*r).base) };
        let mut i = 0;
        while let Some((word, bits)) = map.first_word(i) {
            self.sweep_at(base + (word * 64 + bits.trailing_zeros() as usize) * ALIGN);
            i = word;
        }
    }

    /// Whether a region is mostly waiting: then it is the first.
    pub(super) fn is_ripe(&self) -> bool {
        let r = self.waiting.regions.first();
        // SAFETY: records on the list are this arena's.
        !r.is_null() && unsafe { (*r).pending } >= RIPE
    }

    /// Consolidates the first region in which chunks wait; whether there was one.
    pub(super) fn sweep_first(&mut self) -> bool {
        let r = self.waiting.regions.first();
        if !r.is_null() {
            self.sweep(r);
        }
        !r.is_null()
    }

    /// Bytes that are neither top, nor in bins or free in slots, nor waiting or resting.
    pub(super) fn live(&self) -> usize {
        let chunks = self.bins.bytes() + self.top.size() + self.waiting.bytes;
        self.heaps
            .bytes()
            .saturating_sub(chunks + self.free_in_slots())
    }

    /// Whether enough waits, against the size of the heap, to be merged before the heap grows.
    pub(super) fn worth_sweeping(&self) -> bool {
        let waits = self.waiting.bytes + self.resting.bytes();
        waits >= FLOOR && waits >= self.heaps.bytes() / 8
    }

    /// Consolidates everything that waits or rests.
    pub(crate) fn sweep_all(&mut self) {
        self.merge_all_resting();
        loop {
            let r = self.waiting.regions.first();
            if r.is_null() {
                break;
            }
            self.sweep(r);
        }
        for stack in &mut self.waiting.stacks {
            stack.len = 0;
        }
    }

    /// Chunks that wait, counted from the maps, and their bytes.
    pub(crate) fn waiting_chunks(&self) -> usize {
        let (mut n, mut r) = (0, self.waiting.regions.first());
        while !r.is_null() {
            // SAFETY: records on the list are this arena's.
            unsafe {
                n += (*(*r).map).count();
                r = (*r).next;
            }
        }
        n
    }
}

#[cfg(test)]
mod tests;
