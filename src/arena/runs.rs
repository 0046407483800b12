//! Runs: small objects without headers of their own, side by side in slots.
//!
//! Objects of all classes share a slot: what is free between two of them serves whatever fits, as
//! it does between two chunks. What the allocator must know about an object lies outside: a byte
//! of state per granule (nothing starts here; an object of this class, in use or freed), which
//! `free` reads instead of a header, and a bit of the record's map for each granule of none (I9).
//! Two free neighbours merge by being bits side by side. An overflow inside a slot can reach a
//! neighbour's bytes, and nothing of the heap's.

use super::fastbins::Stack;
use super::records::{self, Record};
use super::row::Row;
use super::slots::{LONG, WHOLE};
use super::{Entry, State, owner};
use crate::config::{ALIGN, GRANULES, REGION};
use crate::granules::{self, Span};
use crate::layout::places::arena as places;
use crate::object::{self, FREED, ObjectState};
use crate::region;
use crate::{class, fatal, settings};
use core::mem::offset_of;
use core::ptr;

/// Requests of an arena that are served with chunks before it gets a slot. A slot's first object
/// costs two pages, its own and that of the states, and some processes hardly ask.
pub(crate) const EARLY: usize = 64;
/// Largest class whose objects do not rest: of small ones many share a cache line or a page, and
/// trees of 24 bytes a node took 1.3 of the time where their nodes came back in any order but the
/// slots'.
const PROMPT: usize = 128 / ALIGN;
/// Objects that are merged at most because too much rests: several times what a spill brings.
const MERGES: usize = 4096;
/// Spans too short that one refill passes over in a slot, once it has anything.
const MISSES: usize = 64;
/// Spans too short that a refill steps over one by one while it has nothing; from then on it goes
/// by words of the map, which is slower where spans are few.
const STEPS: usize = 16;
/// Slots that one refill looks into at most, if the first has anything: where little is free in
/// each, fewer objects come of it.
const SLOTS_AT_ONCE: usize = 4;

/// Freed objects that wait for a request of their class, a stack per class.
#[repr(C)]
pub(crate) struct Resting {
    /// Their bytes.
    bytes: usize,
    /// The class whose objects are merged next.
    turn: usize,
    stacks: [Stack; class::RUNS + 1],
}

const _: () = assert!(offset_of!(Resting, stacks) == places::RESTING_STACKS - places::RESTING);

impl Resting {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: 0,
            turn: 0,
            stacks: [const { Stack::new() }; class::RUNS + 1],
        }
    }
    /// Bytes of objects that rest.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl State {
    /// Fills `out` with objects of a run class; the last one is handed out first.
    pub(super) fn take_objects(&mut self, class: usize, out: &mut [Entry]) -> usize {
        let (mut n, mut looks) = (self.take_resting(class, out), 0);
        while n < out.len() && (n == 0 || looks < SLOTS_AT_ONCE) {
            let Some(r) = self.slot_for(class) else { break };
            let rest = out.get_mut(n..).unwrap_or_default();
            // SAFETY: a slot of this locked arena (I10).
            n += unsafe { self.take_from(r, class, rest) };
            looks += 1;
        }
        if let Some(taken) = out.get_mut(..n) {
            taken.reverse();
        }
        self.count_out(class, n);
        n
    }

    /// Whether objects of a class rest.
    pub(crate) fn rests(&self, class: usize) -> bool {
        self.resting
            .stacks
            .get(class)
            .is_some_and(|s| !s.is_empty())
    }

    fn count_out(&self, class: usize, n: usize) {
        // SAFETY: `me` is set by every lock, and arenas live forever.
        unsafe { (*self.me).count_out(class, n) };
    }

    /// Objects of one slot, from where the last search in it ended: what that one passed over was
    /// too short, and mostly still is.
    ///
    /// # Safety
    /// `r` is a slot of this locked arena.
    unsafe fn take_from(&mut self, r: *mut Record, class: usize, out: &mut [Entry]) -> usize {
        let (mut n, mut longest, mut misses) = (0, 0, 0);
        // SAFETY: the caller's.
        let half = unsafe { usize::from((*r).search) };
        for (mut at, end) in [(half, GRANULES), (0, half)] {
            // Longer than what is asked for is as good as that.
            // SAFETY: the caller's.
            while let Some(span) = unsafe { (*(*r).map).span(at, (out.len() - n) * class) }
                && span.start < end
            {
                let mut count = 0;
                if span.len >= class {
                    let rest = out.get_mut(n..).unwrap_or_default();
                    count = span.len.checked_div(class).unwrap_or(0).min(rest.len());
                    let used = Span {
                        start: span.start,
                        len: count * class,
                    };
                    self.occupy(r, used);
                    // SAFETY: a slot's states, of granules that were free a moment ago (I9).
                    unsafe { name(r, used, class, rest) };
                    n += count;
                } else {
                    misses += 1;
                }
                // With something in hand it is not looked for much longer.
                if n == out.len() || (n != 0 && misses > MISSES) {
                    // SAFETY: the caller's.
                    let full = unsafe {
                        (*r).search = (span.start + count * class) as u16;
                        (*r).free == 0
                    };
                    if full {
                        self.rank(r, 0);
                    }
                    return n;
                }
                longest = longest.max(span.len - count * class);
                at = span.start + span.len;
                if n == 0 && misses > STEPS {
                    // What is passed over is shorter.
                    longest = longest.max(class - 1);
                    // SAFETY: the caller's.
                    at = unsafe { (*(*r).map).row(at, class) };
                }
            }
        }
        // A span that the search began in the middle of may have gone in two parts.
        // SAFETY: the caller's.
        let full = unsafe { (*r).free == 0 };
        self.rank(r, if full { 0 } else { longest });
        n
    }

    /// Takes freed objects of a class back from a cache, those in front that are this arena's, and
    /// says how many. Large ones rest for a request of their class, as a chunk in a fastbin does:
    /// to merge one is the work of two searches in the slot's map.
    pub(crate) fn put_objects(&mut self, entries: &[Entry], class: usize) -> usize {
        let size = class::size_of(class);
        let rests = class > PROMPT && size <= settings::max_fast();
        // Neighbours come together more often than not: one look-up for them all.
        let (mut n, mut region, mut r) = (0_usize, usize::MAX, ptr::null_mut());
        while let Some(entry) = entries.get(n) {
            let p = entry.p;
            if p / REGION != region {
                (region, r) = (p / REGION, records::of(p));
                // SAFETY: entries were vetted, so their regions have records (I8).
                if !ptr::eq(unsafe { owner(r) }, self.me) {
                    break;
                }
            }
            if rests
                && self
                    .resting
                    .stacks
                    .get_mut(class)
                    .is_some_and(|s| s.push(p))
            {
                self.resting.bytes += size;
                n += 1;
            } else {
                let mut row = Row::of(p, size);
                n += 1;
                n += row.takes_all(entries.get(n..).unwrap_or_default(), size);
                self.merge_objects(row, class, r);
            }
        }
        self.count_out(class, n.wrapping_neg());
        if rests && self.resting.bytes > self.patience() {
            self.merge_some(MERGES);
        }
        n
    }

    /// Objects that rest, the last to come first.
    fn take_resting(&mut self, class: usize, out: &mut [Entry]) -> usize {
        let mut n = 0;
        for entry in out.iter_mut() {
            let Some(p) = self.resting.stacks.get_mut(class).and_then(Stack::pop) else {
                break;
            };
            *entry = Entry::object(p, object::state_at(region::word(p), p));
            n += 1;
        }
        self.resting.bytes -= n * class::size_of(class);
        n
    }

    /// Gives objects that rest back to their slots, as many as one request may wait for.
    pub(super) fn merge_resting(&mut self) {
        if self.resting.bytes != 0 {
            self.merge_some(2 * MERGES);
        }
    }

    /// Gives all objects that rest back to their slots.
    pub(super) fn merge_all_resting(&mut self) {
        if self.resting.bytes != 0 {
            self.merge_some(usize::MAX);
        }
    }

    /// Gives some of the objects that rest back to their slots, class by class.
    fn merge_some(&mut self, most: usize) {
        let mut left = most;
        for _ in 0..=class::RUNS {
            let class = self.resting.turn.clamp(1, class::RUNS);
            let size = class::size_of(class);
            let mut next = None;
            while left != 0 {
                let Some(p) = next.take().or_else(|| self.pop_resting(class)) else {
                    break;
                };
                let mut row = Row::of(p, size);
                left = left.saturating_sub(1);
                while left != 0
                    && let Some(p) = self.pop_resting(class)
                {
                    if !row.takes(p, size) {
                        next = Some(p);
                        break;
                    }
                    left -= 1;
                }
                self.resting.bytes -= row.end - row.p;
                self.merge_objects(row, class, records::of(p));
            }
            if left == 0 {
                return;
            }
            self.resting.turn = if class == class::RUNS { 1 } else { class + 1 };
        }
    }

    fn pop_resting(&mut self, class: usize) -> Option<usize> {
        self.resting.stacks.get_mut(class)?.pop()
    }

    /// Gives freed objects that lie side by side back to their slot, as one span.
    #[inline(always)]
    fn merge_objects(&mut self, row: Row, class: usize, r: *mut Record) {
        let span = Span {
            start: granules::number(row.p),
            len: (row.end - row.p) / ALIGN,
        };
        // Where two threads freed one at once, the other's may have been merged, and the memory
        // have become part of something else since: then the state is another one.
        // SAFETY: they were vetted: their region is a slot of this locked arena, with states (I8 to
        // I10).
        let (free, bound, pages) = unsafe {
            let first = (*r).states + span.start;
            let other = if span.len == class {
                usize::from(ObjectState(first).get() != class as u8 | FREED)
            } else {
                others(first, span.len, class)
            };
            if other != 0 {
                merged_before(row.p + (other - 1) * ALIGN);
            }
            if !(*(*r).map).put_span(span) {
                merged_before(row.p);
            }
            (*r).free += span.len as u32;
            ((*r).free as usize, (*r).bound, (*(*r).map).full_pages(span))
        };
        self.slots.give(span.len);
        if !pages.is_empty() {
            self.extents.vacate_in(r, pages);
        }
        if free == WHOLE.len {
            self.retire(r);
        } else if usize::from(bound) < LONG {
            self.raise(r, span);
        }
    }

    /// Ranks a slot anew in which a span has become free. Where that makes it rank higher, the next
    /// search begins there: all else in the slot is too short for what it is looked into for.
    #[inline(never)]
    pub(super) fn raise(&mut self, r: *mut Record, span: Span) {
        // SAFETY: a slot of this locked arena (I10).
        let (before, long, bound) = unsafe {
            let behind = (*(*r).map).from(span.start + span.len, LONG);
            let before = (*(*r).map).below(span.start, LONG);
            (before, span.len + behind + before, usize::from((*r).bound))
        };
        if long > bound {
            // SAFETY: as above.
            unsafe { (*r).search = (span.start - before.min(span.start)) as u16 };
            self.rank(r, long);
        }
    }
}

/// Of states from `first` on, the number, and 1, of the first that is not a freed object's of this
/// class, which all of so many granules should be; 0 if all are.
///
/// # Safety
/// A slot's states.
#[inline(never)]
unsafe fn others(first: usize, len: usize, class: usize) -> usize {
    // SAFETY: the caller's.
    let is_freed = |at| unsafe { ObjectState(at).get() } == class as u8 | FREED;
    let (mut at, end) = (first, first + len);
    // Most rows are long or of one: four at a time.
    while at + 3 * class < end
        && is_freed(at)
        && is_freed(at + class)
        && is_freed(at + 2 * class)
        && is_freed(at + 3 * class)
    {
        at += 4 * class;
    }
    while at < end {
        if !is_freed(at) {
            return at - first + 1;
        }
        at += class;
    }
    0
}

/// An object was in its slot already.
#[cold]
fn merged_before(p: usize) -> ! {
    fatal::die("free(): double free detected in tcache 2", p)
}

/// Writes the states of objects of one class that fill a span, and their entries.
///
/// # Safety
/// The slot's states are there, and no object has any of these granules.
unsafe fn name(r: *mut Record, span: Span, class: usize, out: &mut [Entry]) {
    // SAFETY: the caller's.
    let (base, first) = unsafe { ((*r).base, (*r).states + span.start) };
    let states: *mut u8 = ptr::with_exposed_provenance_mut(first);
    // Until here a second free of an old object still found its state.
    // SAFETY: the caller's.
    unsafe { states.write_bytes(0, span.len) };
    let mut at = 0;
    for entry in out.iter_mut() {
        if at == span.len {
            break;
        }
        // SAFETY: the caller's.
        unsafe { states.add(at).write(class as u8 | FREED) };
        let p = base + (span.start + at) * ALIGN;
        *entry = Entry::object(p, ObjectState(first + at));
        at += class;
    }
}
