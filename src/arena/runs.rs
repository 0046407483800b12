//! Runs: the smallest objects, without headers of their own, inside ordinary chunks.
//!
//! ```text
//! region r                                              region r + 1
//! |obj|obj|obj| …                                |..|hd| …
//! '- payload of the slot's chunk                  |  '- header of the next chunk
//!    (its header: the last 8 bytes of region r-1) '- its prev_size
//! ```
//!
//! A slot is a chunk of exactly one region whose payload starts on the region's first byte, cut
//! into objects of one class. What the allocator must know about an object lies outside: a byte
//! of state per granule (never given, in use, freed), which `free` reads instead of a header,
//! and a bit of the record's map for those that are in no cache (I9). An overflow inside a slot
//! can reach a neighbour's bytes, and nothing of the heap's.

use super::{Entry, State};
use crate::chunk::{Chunk, Kind};
use crate::class;
use crate::config::{ALIGN, GRANULES, MIN_CHUNK, REGION, round_up};
use crate::region::{self, CHUNKS, FREED, Record};
use crate::{fatal, side};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

/// Bytes of a slot's states.
const STATES: usize = GRANULES;
/// Empty slots that are kept in any case; above, an eighth of all are. Giving each back at once
/// cost trees a third of their time.
const RESERVE: usize = 4;

/// Bytes in which a slot lies wherever they begin, with what is left on either side a chunk or
/// nothing. (With one chunk less, 16 bytes could be left behind the slot, and were.)
const SLOT_ROOM: usize = 2 * REGION + 2 * MIN_CHUNK;
/// Requests of a class, from one arena, that are served with chunks before it gets a slot. A
/// slot's first object costs two pages, its own and that of the states, and most processes ask
/// only a few times for most sizes.
pub const EARLY: usize = 32;

/// Objects of a class in one slot: its last granule belongs to the next chunk's header.
pub fn capacity(class: usize) -> u32 {
    (REGION - ALIGN)
        .checked_div(class::size_of(class))
        .unwrap_or(0) as u32
}

impl State {
    /// Fills `out` with objects of a run class; the last one is handed out first.
    pub(super) fn take_objects(&mut self, class: usize, out: &mut [Entry]) -> usize {
        let mut n = 0;
        while n < out.len() {
            let Some(r) = self.slot_for(class) else { break };
            let rest = out.get_mut(n..).unwrap_or_default();
            // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
            n += unsafe { Self::take_from(r, class, rest) };
            // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
            unsafe {
                if (*r).free == 0
                    && (*r).given == capacity(class)
                    && let Some(list) = self.slots.get_mut(class)
                {
                    list.remove(r);
                }
            }
        }
        if let Some(taken) = out.get_mut(..n) {
            taken.reverse();
        }
        self.count_out(class, n);
        n
    }

    /// Adds to the count of objects that are out, modulo 2^64.
    fn count_out(&self, class: usize, n: usize) {
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        if let Some(count) = unsafe { (*self.me).out.get(class) } {
            count.store(count.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }

    /// Objects of one slot, lowest address first: returned ones, then fresh ones.
    unsafe fn take_from(r: *mut Record, class: usize, out: &mut [Entry]) -> usize {
        let size = class::size_of(class);
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        let (base, states) = unsafe { ((*r).base, (*r).states) };
        let state = |p: usize| ptr::with_exposed_provenance_mut::<u8>(states + (p - base) / ALIGN);
        let mut entries = out.iter_mut();
        let mut n = 0;
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        unsafe {
            if (*r).free != 0 {
                for (i, word) in (*r).map.iter().enumerate() {
                    let mut bits = word.load(Relaxed);
                    while bits != 0 {
                        let Some(entry) = entries.next() else { break };
                        let p = base + (i * 64 + bits.trailing_zeros() as usize) * ALIGN;
                        if *state(p) != FREED {
                            fatal::die("malloc(): corrupted run", p);
                        }
                        *entry = Entry::object(p, state(p).addr());
                        bits &= bits - 1;
                        n += 1;
                    }
                    word.store(bits, Relaxed);
                    if bits != 0 {
                        break;
                    }
                }
                (*r).free -= n as u32;
            }
            let end = capacity(class);
            while (*r).given < end {
                let Some(entry) = entries.next() else { break };
                let p = base + (*r).given as usize * size;
                *state(p) = FREED;
                *entry = Entry::object(p, state(p).addr());
                (*r).given += 1;
                n += 1;
            }
        }
        n
    }

    /// Takes a freed object back from a cache.
    pub fn put_object(&mut self, p: usize) {
        let r = region::record(p);
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        unsafe {
            if !(*r).mark(p) {
                fatal::die("free(): double free detected in tcache 2", p);
            }
            (*r).free += 1;
            let class = usize::from((*r).class);
            self.count_out(class, usize::MAX);
            let Some(list) = self.slots.get_mut(class) else {
                return;
            };
            if (*r).free == (*r).given {
                list.remove(r);
                self.empty.push_front(r);
                self.empty_slots += 1;
                if self.empty_slots > RESERVE.max(self.all_slots / 8) {
                    self.dissolve_empty(RESERVE.max(self.all_slots / 16));
                }
            } else if !(*r).listed {
                list.push_back(r);
            }
        }
    }

    /// A slot with something to give for a class: one in use, an empty one, or a new one.
    fn slot_for(&mut self, class: usize) -> Option<*mut Record> {
        let r = self.slots.get(class)?.first();
        if !r.is_null() {
            return Some(r);
        }
        let r = self.empty.first();
        let r = if r.is_null() {
            self.new_slot()?
        } else {
            self.empty.remove(r);
            self.empty_slots -= 1;
            r
        };
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        unsafe {
            if usize::from((*r).class) != class {
                // Until here a second free of an old object still found its state.
                ptr::with_exposed_provenance_mut::<u8>((*r).states).write_bytes(0, STATES);
                for word in &(*r).map {
                    word.store(0, Relaxed);
                }
                (*r).class = class as u16;
                (*r).given = 0;
                (*r).free = 0;
                let word = region::slot_word((*r).base, (*r).states, class);
                region::set_word((*r).base, word);
            }
            self.slots.get_mut(class)?.push_front(r);
        }
        Some(r)
    }

    /// Cuts a slot out of the heap; it has no class yet.
    fn new_slot(&mut self) -> Option<*mut Record> {
        let c = self.take_slot_chunk()?;
        let r = region::record(c.payload());
        // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
        unsafe {
            if (*r).states == 0 {
                let Some(states) = side::take(STATES) else {
                    c.write(REGION, Kind::Plain, c.head().prev_in_use(), false);
                    self.release(c, REGION);
                    return None;
                };
                (*r).states = states;
            }
            (*r).class = 0;
        }
        self.all_slots += 1;
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
            // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
            let base = unsafe { (*r).base };
            region::set_word(base, CHUNKS);
            // SAFETY: `r` is a slot of this locked arena, and its states are there (I9, I10).
            unsafe {
                (*r).class = 0;
                (*r).given = 0;
                (*r).free = 0;
                (*r).pending = 0;
                for word in &(*r).map {
                    word.store(0, Relaxed);
                }
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
