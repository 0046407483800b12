//! Slots: where runs lie, each a chunk of exactly one region.
//!
//! ```text
//! region r                                              region r + 1
//! |obj|object|obj|free  |object| …                |..|hd| …
//! '- payload of the slot's chunk                  |  '- header of the next chunk
//!    (its header: the last 8 bytes of region r-1) '- its prev_size
//! ```

use super::State;
use super::records::{self, List, Record};
use crate::chunk::{Chunk, Kind};
use crate::class::RUNS;
use crate::config::{ALIGN, GRANULES, MIN_CHUNK, REGION, round_up};
use crate::granules::Span;
use crate::region::{self, CHUNKS};
use crate::{fatal, os, side};
use core::ptr;

const _: () = assert!(LONG >= RUNS, "a bound tells of every class whether it fits");

/// Bytes of a slot's states.
const STATES: usize = GRANULES;
/// All granules that objects may have: the last one belongs to the next chunk's header.
pub(crate) const WHOLE: Span = Span {
    start: 0,
    len: GRANULES - 1,
};
/// Granules of a page of 4 KiB, the least that goes back to the system out of a slot in use.
const PAGE: usize = 256;
/// Pages of a slot.
const PAGES: usize = GRANULES / PAGE;
/// Granules of the longest bound, which stands for all that are longer: of a strip, which is longer
/// than any object of a run.
pub(crate) const LONG: usize = 64;
/// Empty slots that are kept in any case; above, an eighth of all are. Giving each back at once
/// cost trees a third of their time.
const RESERVE: usize = 4;
/// Bytes in which a slot lies wherever they begin, with what is left on either side a chunk or
/// nothing. (With one chunk less, 16 bytes could be left behind the slot, and were.)
const SLOT_ROOM: usize = 2 * REGION + 2 * MIN_CHUNK;

impl State {
    /// A slot that may have a free span of so many granules: of those in use the one with
    /// the longest, an empty one, or a new one.
    pub(super) fn slot_for(&mut self, granules: usize) -> Option<*mut Record> {
        let mut used = self.longest(granules);
        if used.is_null() && self.empty.first().is_null() && self.resting >= REGION {
            self.merge_resting();
            used = self.longest(granules);
        }
        if !used.is_null() {
            return Some(used);
        }
        let mut r = self.empty.first();
        if r.is_null() {
            let Some(new) = self.new_slot() else {
                if self.resting == 0 {
                    return None;
                }
                self.merge_resting();
                return self.slot_for(granules);
            };
            r = new;
        } else {
            self.empty.remove(r);
            self.empty_slots -= 1;
        }
        self.rank(r, LONG);
        Some(r)
    }

    /// Of the slots in use that may have a free span of so many granules one with the longest, or
    /// null.
    pub(super) fn longest(&self, granules: usize) -> *mut Record {
        let lists = self.slots.get(granules..).unwrap_or_default();
        let mut longest = lists.iter().rev().map(List::first);
        longest.find(|r| !r.is_null()).unwrap_or(ptr::null_mut())
    }

    /// Puts a slot where its longest free span, of so many granules at most, will be looked for.
    pub(super) fn rank(&mut self, r: *mut Record, bound: usize) {
        let bound = bound.min(LONG);
        // SAFETY: `r` is a slot of this locked arena (I10).
        let before = unsafe { usize::from((*r).bound) };
        if bound == before {
            return;
        }
        if let Some(list) = self.slots.get_mut(before) {
            list.remove(r);
        }
        if bound != 0
            && let Some(list) = self.slots.get_mut(bound)
        {
            list.push_back(r);
        }
        // SAFETY: as above.
        unsafe { (*r).bound = bound as u16 };
    }

    /// A free span of a slot is free no more. Of a purged page it takes a part of, all counts as
    /// vacant again.
    pub(super) fn occupy(&mut self, slot: &mut Record, span: Span) {
        slot.map.take_span(span);
        slot.free -= span.len as u32;
        if slot.purged != 0 {
            let before = slot.purged_bytes();
            let (first, last) = (span.start / PAGE, (span.start + span.len - 1) / PAGE);
            for page in first..=last {
                slot.purged &= !(1 << page);
            }
            let back = before - slot.purged_bytes();
            self.vacant += back;
            self.purged -= back;
        }
        self.vacant -= span.len * ALIGN;
    }

    /// Returns the pages of slots that no object has any of, until `amount` bytes went or the
    /// kernel refused as often as the `patience` says. Bytes that went.
    pub(super) fn purge_slots(&mut self, amount: usize, mut patience: usize) -> usize {
        if os::page() != PAGE * ALIGN {
            return 0;
        }
        let mut gone = 0;
        // Where a whole page is free, a span is as long as any.
        for list in [self.slots.get(LONG), Some(&self.empty)] {
            let mut r = list.map_or(ptr::null_mut(), List::first);
            while !r.is_null() && gone < amount && patience != 0 {
                // SAFETY: slots of this locked arena (I10).
                let slot = unsafe { &mut *r };
                let mut page = 0;
                while page < PAGES {
                    // One call for pages side by side: the arena is locked meanwhile.
                    let pages = slot.idle_pages(page);
                    if pages == 0 {
                        page += 1;
                        continue;
                    }
                    let len = pages * PAGE * ALIGN;
                    // SAFETY: whole pages of free granules.
                    if unsafe { os::purge(slot.base + page * PAGE * ALIGN, len) } {
                        slot.purged |= (((1_u32 << pages) - 1) << page) as u16;
                        gone += len;
                        // SAFETY: its heap is this locked arena's (I8, I10).
                        unsafe { (*slot.heap).give_up_huge() };
                    } else {
                        patience = patience.saturating_sub(1);
                    }
                    page += pages;
                }
                r = slot.next;
            }
        }
        self.vacant -= gone;
        self.purged += gone;
        gone
    }

    /// A slot without objects waits for new ones, or becomes a chunk again.
    pub(super) fn retire(&mut self, r: *mut Record) {
        self.rank(r, 0);
        self.empty.push_front(r);
        self.empty_slots += 1;
        if self.empty_slots > RESERVE.max(self.all_slots / 8) {
            self.dissolve_empty(RESERVE.max(self.all_slots / 16));
        }
    }

    /// Bytes of slots that neither the program has nor a cache.
    pub(crate) fn free_in_slots(&self) -> usize {
        self.vacant + self.purged + self.resting
    }

    /// Cuts a slot out of the heap, all of it free.
    fn new_slot(&mut self) -> Option<*mut Record> {
        let c = self.take_slot_chunk()?;
        let r = records::of(c.payload());
        // SAFETY: a region of this locked arena, whose chunks are in use or cut away (I10).
        unsafe {
            if (*r).states == 0 {
                // A word that is another role's cannot be a slot's; no layout of memory known
                // has states there.
                let states = side::zeroed(STATES)
                    .filter(|&states| region::is_slot(region::slot_word((*r).base, states)));
                let Some(states) = states else {
                    c.write(REGION, Kind::Plain, c.head().prev_in_use(), false);
                    self.release(c, REGION);
                    return None;
                };
                (*r).states = states;
            }
            (*r).map.put_span(WHOLE);
            (*r).free = WHOLE.len as u32;
            (*r).bound = 0;
            (*r).search = 0;
            (*r).purged = 0;
            region::set_word((*r).base, region::slot_word((*r).base, (*r).states));
        }
        self.all_slots += 1;
        self.vacant += WHOLE.len * ALIGN;
        Some(r)
    }

    /// A chunk of one region, its payload on the region's first byte.
    fn take_slot_chunk(&mut self) -> Option<Chunk> {
        // A free chunk may hold a whole region; one of two regions does wherever it lies. Top
        // holds one when its end is far enough away. Only then is it worth growing.
        let c = if let Some(found) = self.find_slot() {
            self.cut_slot(found)
        } else {
            let mut at = round_up(self.top.max(1), REGION);
            if at - self.top == ALIGN {
                at += REGION;
            }
            let lead = at - self.top;
            if self.top == 0 || !self.room_in_top(lead + REGION) {
                if self.worth_sweeping() {
                    self.sweep_all();
                    if let Some(found) = self.find_slot() {
                        let c = self.cut_slot(found);
                        return Some(self.dress_slot(c));
                    }
                }
                if !self.room_in_top(SLOT_ROOM) && !self.grow(SLOT_ROOM) {
                    return None;
                }
                at = round_up(self.top, REGION);
                if at - self.top == ALIGN {
                    at += REGION;
                }
            }
            let lead = at - self.top;
            if lead != 0 {
                let front = self.cut_top(lead)?.chunk;
                let slot = self.cut_top(REGION)?.chunk;
                front.mark(false);
                self.release(front, lead);
                slot
            } else {
                self.cut_top(REGION)?.chunk
            }
        };
        Some(self.dress_slot(c))
    }

    fn find_slot(&self) -> Option<Chunk> {
        self.find_aligned(REGION, REGION)
            .or_else(|| self.find(SLOT_ROOM, false))
    }

    /// Cuts the slot out of a binned chunk that surely contains one.
    fn cut_slot(&mut self, found: Chunk) -> Chunk {
        let size = self.unlink(found);
        found.after(size).set_prev_in_use(true);
        let p = found.payload();
        let mut at = round_up(p, REGION);
        if at - p == ALIGN {
            at += REGION;
        }
        let lead = at - p;
        let prev_in_use = found.head().prev_in_use();
        let slot = found.after(lead);
        let rest = size - lead - REGION;
        slot.write(REGION, Kind::Plain, lead != 0 || prev_in_use, true);
        if rest != 0 {
            let tail = slot.after(REGION);
            tail.write(rest, Kind::Plain, true, false);
            self.release(tail, rest);
        }
        if lead != 0 {
            found.write(lead, Kind::Plain, prev_in_use, false);
            self.release(found, lead);
        }
        slot
    }

    fn dress_slot(&mut self, c: Chunk) -> Chunk {
        c.write(REGION, Kind::Run, c.head().prev_in_use(), true);
        c
    }

    /// Turns empty slots back into chunks until at most `keep` are left.
    pub(super) fn dissolve_empty(&mut self, keep: usize) {
        while self.empty_slots > keep {
            let r = self.empty.first();
            if r.is_null() {
                return;
            }
            self.empty.remove(r);
            self.empty_slots -= 1;
            self.all_slots -= 1;
            // SAFETY: `r` is a slot of this locked arena (I10).
            let base = unsafe { (*r).base };
            // SAFETY: as above.
            let purged = unsafe { (*r).purged_bytes() };
            self.vacant -= WHOLE.len * ALIGN - purged;
            self.purged -= purged;
            region::set_word(base, CHUNKS);
            // SAFETY: as above.
            unsafe {
                (*r).free = 0;
                (*r).map.clear();
                // For the slot that may come here, and for an object that two threads freed at
                // once: what another cache still has of it is no freed object any more.
                ptr::with_exposed_provenance_mut::<u8>((*r).states).write_bytes(0, STATES);
            }
            // SAFETY: the chunk around the slot (I9).
            let c = unsafe { Chunk::at(base) };
            if !c.head().is(Kind::Run) || !c.is_used() || c.head().size() != REGION {
                fatal::die("free(): corrupted run", base);
            }
            c.write(REGION, Kind::Plain, c.head().prev_in_use(), false);
            self.release(c, REGION);
        }
    }
}

impl Record {
    /// How many pages side by side, from this one on, no object has any of and are still there.
    fn idle_pages(&self, page: usize) -> usize {
        let idle = |&page: &usize| {
            self.purged & 1 << page == 0 && self.map.from(page * PAGE, PAGE) >= PAGE
        };
        (page..PAGES).take_while(idle).count()
    }

    /// Bytes of a slot's pages that went back and were not used since.
    pub(crate) fn purged_bytes(&self) -> usize {
        self.purged.count_ones() as usize * PAGE * ALIGN
    }
}
