//! Slots: where runs lie, each a chunk of exactly one region.
//!
//! ```text
//! region r                                              region r + 1
//! |obj|object|obj|free  |object| …                |..|hd| …
//! '- payload of the slot's chunk                  |  '- header of the next chunk
//!    (its header: the last 8 bytes of region r-1) '- its prev_size
//! ```

use super::grow::Use;
use super::records::{self, List, Record};
use super::supply::{Growth, Source, Wanted};
use super::{State, bins};
use crate::chunk::{Chunk, Kind};
use crate::class::RUNS;
use crate::config::{ALIGN, GRANULES, MIN_CHUNK, REGION};
use crate::granules::Span;
use crate::layout::places::arena as places;
use crate::pages::PageSet;
use crate::region::{self, CHUNKS};
use crate::{fatal, os};
use core::mem::offset_of;
use core::ptr;

const _: () = assert!(LONG >= RUNS, "a bound tells of every class whether it fits");

/// Bytes of a slot's states.
const STATES: usize = GRANULES;
/// All granules that objects may have: the last one belongs to the next chunk's header.
pub(crate) const WHOLE: Span = Span {
    start: 0,
    len: GRANULES - 1,
};
/// Granules of the longest bound, which stands for all that are longer: of a strip, which is longer
/// than any object of a run.
pub(crate) const LONG: usize = 64;
/// Empty slots that are kept in any case; above, an eighth of all are. Giving each back at once
/// cost trees a third of their time.
const RESERVE: usize = 4;
/// Empty slots that become chunks again at once because there are too many.
const DISSOLVED: usize = 4;
/// Granules that strips leave at a slot's end, where objects are small: too few for one more.
const LEFT: usize = 8;
/// Bytes in which a slot lies wherever they begin, with what is left on either side a chunk or
/// nothing. (With one chunk less, 16 bytes could be left behind the slot, and were.)
const SLOT_ROOM: usize = 2 * REGION + 2 * MIN_CHUNK;

/// The slots of an arena.
#[repr(C)]
pub(crate) struct Slots {
    /// Bytes that no object and no strip has.
    free: usize,
    /// Slots without live objects, and their number.
    empty: List,
    /// See `empty`.
    empties: usize,
    /// All slots.
    all: usize,
    /// Slots with something to give, by their bounds.
    by_bound: [List; LONG + 1],
}

const _: () = assert!(
    offset_of!(Slots, empties) == places::SLOTS_EMPTY - places::SLOTS_FREE
        && offset_of!(Slots, all) == places::SLOTS_ALL - places::SLOTS_FREE
);

impl Slots {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            free: 0,
            empty: List::new(),
            empties: 0,
            all: 0,
            by_bound: [const { List::new() }; LONG + 1],
        }
    }
    /// Bytes that no object and no strip has.
    pub(crate) const fn free(&self) -> usize {
        self.free
    }
    /// How many have no objects.
    pub(crate) const fn empties(&self) -> usize {
        self.empties
    }
    /// Whether more is free beside this slot, which is not empty, and the empty ones than what strips
    /// leave at the ends of slots.
    pub(super) fn has_holes_beside(&self, r: *mut Record) -> bool {
        // SAFETY: a slot of this locked arena (I10).
        let here = unsafe { (*r).free as usize };
        self.free > (here + self.empties * WHOLE.len + self.all * LEFT) * ALIGN
    }
    /// So many granules are free again.
    #[inline]
    pub(super) const fn give(&mut self, granules: usize) {
        self.free += granules * ALIGN;
    }
}

/// A slot's room, wherever it lies.
struct Room;

impl Wanted for Room {
    fn find(&self, state: &State) -> Option<Chunk> {
        let found = state.find_aligned(REGION, REGION);
        found.or_else(|| state.find(SLOT_ROOM, false))
    }
    fn room(&self, state: &State) -> usize {
        lead(state.top.at()) + REGION
    }
    fn growth(&self, _: &State) -> usize {
        SLOT_ROOM
    }
    fn of(&self) -> Use {
        Use::Dense
    }
}

/// Bytes in front of the next slot: none, or enough to be a chunk.
fn lead(p: usize) -> usize {
    bins::lead(p, REGION)
}

impl State {
    /// A slot that may have a free span of so many granules: of those in use the one with
    /// the longest, an empty one, or a new one.
    pub(super) fn slot_for(&mut self, granules: usize) -> Option<*mut Record> {
        let mut used = self.longest(granules);
        if used.is_null() && self.slots.empty.first().is_null() && self.resting.bytes() >= REGION {
            self.merge_resting();
            used = self.longest(granules);
        }
        if !used.is_null() {
            return Some(used);
        }
        let mut r = self.slots.empty.first();
        if r.is_null() {
            let Some(new) = self.new_slot() else {
                if self.resting.bytes() == 0 {
                    return None;
                }
                self.merge_all_resting();
                return self.slot_for(granules);
            };
            r = new;
        } else {
            self.slots.empty.remove(r);
            self.slots.empties -= 1;
        }
        self.rank(r, LONG);
        Some(r)
    }

    /// Of the slots in use that may have a free span of so many granules one with the longest, or
    /// null.
    pub(super) fn longest(&self, granules: usize) -> *mut Record {
        let lists = self.slots.by_bound.get(granules..).unwrap_or_default();
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
        if let Some(list) = self.slots.by_bound.get_mut(before) {
            list.remove(r);
        }
        if bound != 0
            && let Some(list) = self.slots.by_bound.get_mut(bound)
        {
            list.push_back(r);
        }
        // SAFETY: as above.
        unsafe { (*r).bound = bound as u16 };
    }

    /// A free span of a slot is free no more.
    pub(super) fn occupy(&mut self, r: *mut Record, span: Span) {
        // SAFETY: a slot of this locked arena (I10).
        let any = unsafe {
            (*(*r).map).take_span(span);
            (*r).free -= span.len as u32;
            !(*r).pages.free().is_empty()
        };
        self.slots.free -= span.len * ALIGN;
        if any
            && self
                .extents
                .occupy_in(r, PageSet::touched(span.start, span.len))
        {
            self.await_purge();
        }
    }

    /// A slot without objects waits for new ones, or becomes a chunk again.
    pub(super) fn retire(&mut self, r: *mut Record) {
        self.rank(r, 0);
        self.slots.empty.push_front(r);
        self.slots.empties += 1;
        if self.slots.empties > RESERVE.max(self.slots.all / 8) {
            // A few at a time: what is over comes with the next ones.
            let least = RESERVE.max(self.slots.all / 16);
            self.dissolve_empty(least.max(self.slots.empties - DISSOLVED));
        }
    }

    /// Bytes of slots that neither the program has nor a cache.
    pub(crate) fn free_in_slots(&self) -> usize {
        self.slots.free + self.resting.bytes()
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
                let states = region::states((*r).base)
                    .filter(|&states| region::is_slot(region::slot_word((*r).base, states)));
                let Some(states) = states else {
                    self.used(c.payload(), c.payload() + bins::LINKS);
                    c.write(REGION, Kind::Plain, c.head().prev_in_use(), false);
                    self.release(c, REGION);
                    return None;
                };
                (*r).states = states;
            }
            (*(*r).map).begin_with(WHOLE);
            (*r).free = WHOLE.len as u32;
            (*r).bound = 0;
            (*r).search = 0;
            region::set_word((*r).base, region::slot_word((*r).base, (*r).states));
        }
        self.slots.all += 1;
        self.slots.give(WHOLE.len);
        // SAFETY: as above.
        let base = unsafe { (*r).base };
        self.extents.vacate(base, base + REGION - os::page());
        Some(r)
    }

    /// A chunk of one region, its payload on the region's first byte.
    ///
    /// A free chunk may hold a whole region; one of two regions does wherever it lies. Top holds
    /// one when its end is far enough away.
    fn take_slot_chunk(&mut self) -> Option<Chunk> {
        let c = match self.source(&Room, Growth::Yes)? {
            Source::Bin(found) => self.cut_slot(found),
            Source::Top => {
                let lead = lead(self.top.at());
                if lead == 0 {
                    self.cut_top(REGION)?.chunk
                } else {
                    let front = self.cut_top(lead)?.chunk;
                    let slot = self.cut_top(REGION)?.chunk;
                    front.mark(false);
                    self.release(front, lead);
                    slot
                }
            }
        };
        c.write(REGION, Kind::Run, c.head().prev_in_use(), true);
        Some(c)
    }

    /// Cuts the slot out of a binned chunk that surely contains one. What is known of its pages
    /// stays known: objects have none of them yet.
    fn cut_slot(&mut self, found: Chunk) -> Chunk {
        let lead = lead(found.payload());
        let size = self.unlink(found);
        let at = found.payload() + lead;
        let end = at + REGION;
        self.used(at - 16, at);
        self.used(end - 16, (end + bins::LINKS).min(found.payload() + size));
        self.divide(found, size, lead, REGION)
    }

    /// Turns empty slots back into chunks until at most `keep` are left.
    pub(super) fn dissolve_empty(&mut self, keep: usize) {
        while self.slots.empties > keep {
            let r = self.slots.empty.first();
            if r.is_null() {
                return;
            }
            self.slots.empty.remove(r);
            self.slots.empties -= 1;
            self.slots.all -= 1;
            // SAFETY: `r` is a slot of this locked arena (I10).
            let base = unsafe { (*r).base };
            self.slots.free -= WHOLE.len * ALIGN;
            region::set_word(base, CHUNKS);
            // SAFETY: as above.
            unsafe {
                (*r).free = 0;
                (*(*r).map).clear();
                // For the slot that may come here, and for an object that two threads freed at
                // once: what another cache still has of it is no freed object any more.
                ptr::with_exposed_provenance_mut::<u8>((*r).states).write_bytes(0, STATES);
            }
            // SAFETY: the chunk around the slot (I9).
            let c = unsafe { Chunk::at(base) };
            if !c.head().is(Kind::Run) || !c.is_used() || c.head().size() != REGION {
                fatal::die("free(): corrupted run", base);
            }
            // Links may come to lie there.
            self.used(base, base + bins::LINKS);
            c.write(REGION, Kind::Plain, c.head().prev_in_use(), false);
            self.release(c, REGION);
        }
    }
}
