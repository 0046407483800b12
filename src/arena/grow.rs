//! How an arena gets memory: the break, or a reservation that is committed step by step.

use super::State;
use super::heap::{Heap, Reservation};
use super::records;
use super::vacant::Vacant;
use crate::config::{ALIGN, HEAP_RESERVE, HUGE_PAGE, MIN_CHUNK, REGION, round_up};
use crate::layout::places::arena as places;
use crate::{limit, mark, os, settings, side};
use core::mem::offset_of;
use core::{mem, ptr};

/// Bytes of regions that left, from which on what is known of them is forgotten: it is a hundredth.
const MANY: usize = 16 << 20;

/// What an arena has of the system.
#[repr(C)]
pub(crate) struct Heaps {
    /// Bytes got from the system, now and at most.
    bytes: usize,
    /// See `bytes`.
    peak: usize,
    /// A reservation that holds no heap, and that the kernel would not take back.
    spare: Option<Reservation>,
    /// Somebody else moves the break too: the main arena uses reservations from now on.
    break_lost: bool,
    /// Regions that left a heap, and of which nothing was forgotten yet.
    left: (usize, usize),
    /// Reservations whose heaps held nothing any more.
    pub(super) vacant: Vacant,
}

const _: () = assert!(offset_of!(Heaps, peak) == places::SYSTEM_PEAK - places::SYSTEM);

impl Heaps {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: 0,
            peak: 0,
            spare: None,
            break_lost: false,
            left: (0, 0),
            vacant: Vacant::new(),
        }
    }
    /// Bytes got from the system.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
    /// The most they ever were.
    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }
    /// The regions that left since the last time: who gave the arena back forgets them.
    pub(super) fn take_left(&mut self) -> (usize, usize) {
        mem::take(&mut self.left)
    }
    /// The same, if they are many: a heap's end that goes back and forth needs its records again.
    pub(super) fn take_many_left(&mut self) -> (usize, usize) {
        if self.many_left() {
            self.take_left()
        } else {
            (0, 0)
        }
    }
    /// Nothing again, but for what the kernel would not take back.
    pub(super) fn end(&mut self) {
        *self = Self {
            spare: self.spare,
            ..Self::new()
        };
    }
    /// Whether so many did.
    pub(super) const fn many_left(&self) -> bool {
        self.left.1 - self.left.0 >= MANY
    }
    /// The regions of `[from, to)` leave. Of what left before and is not beside them nothing is
    /// forgotten.
    pub(super) const fn leave(&mut self, from: usize, to: usize) {
        self.bytes -= to - from;
        self.left = (from, if self.left.0 == to { self.left.1 } else { to });
    }
}

/// What a heap grows for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Small chunks and slots, which are used from end to end: huge pages, where the heap is long.
    Dense,
    /// What may stay untouched for the most part.
    Sparse,
}

impl Use {
    /// A chunk of more than two pages may be a buffer of which a little is touched.
    pub(super) const fn of(size: usize) -> Self {
        if size <= 2 * 4096 {
            Self::Dense
        } else {
            Self::Sparse
        }
    }
}

impl State {
    /// Makes top at least `size` bytes long.
    pub(super) fn grow(&mut self, size: usize, of: Use) -> bool {
        let done = self.lengthen_top_for(size, of) || self.begin_heap(size);
        debug_assert!(!done || self.top.has_room(size));
        self.heaps.peak = self.heaps.peak.max(self.heaps.bytes);
        done
    }

    /// The system gave so many bytes.
    fn has_grown(&mut self, bytes: usize) {
        self.heaps.bytes += bytes;
        mark::grew(bytes);
        self.counters().growths.add(1);
        self.counters().grown.add(bytes);
    }

    /// Begins the first heap before it is needed. A refusal is no failure yet.
    pub(crate) fn open_first(&mut self) {
        if self.top.heap().is_null() {
            self.grow(MIN_CHUNK, Use::Sparse);
        }
    }

    /// Makes top at least `size` bytes long where it is, without beginning another heap.
    pub(super) fn lengthen_top(&mut self, size: usize) -> bool {
        let done = self.lengthen_top_for(size, Use::Sparse);
        self.heaps.peak = self.heaps.peak.max(self.heaps.bytes);
        done
    }

    /// The same. What there may be beyond `size` is no reason for another heap.
    fn lengthen_top_for(&mut self, size: usize, of: Use) -> bool {
        let pad = settings::top_pad();
        self.lengthen_by(size, pad, of) || (pad != 0 && self.lengthen_by(size, 0, of))
    }

    fn lengthen_by(&mut self, size: usize, pad: usize, of: Use) -> bool {
        // SAFETY: the newest heap of a locked arena (I10).
        let Some(heap) = (unsafe { self.top.heap().as_ref() }) else {
            return false;
        };
        // Of a reservation what is left, if it is less.
        let left = if heap.is_break() {
            usize::MAX
        } else {
            heap.limit - heap.end()
        };
        let Some(needed) = size.checked_sub(self.top.size()) else {
            return true;
        };
        let Some(missing) = needed.checked_add(pad).map(|n| n.min(left)) else {
            return false;
        };
        missing >= needed
            && ((of == Use::Dense && self.lengthen_huge(missing)) || self.lengthen(missing))
            && self.top.has_room(size)
    }

    /// Begins another heap whose top is at least `size` bytes long.
    fn begin_heap(&mut self, size: usize) -> bool {
        let pad = settings::top_pad();
        // SAFETY: `me` is set by every lock.
        let main =
            unsafe { (*self.me).index == 0 } && !self.heaps.break_lost && os::serves_malloc();
        (main && self.new_break(size, pad))
            || (main && pad != 0 && self.new_break(size, 0))
            || self.new_reservation(size, pad)
    }

    /// Commits whole huge pages behind the top of a long heap: one, or as many as that takes.
    fn lengthen_huge(&mut self, missing: usize) -> bool {
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.top.heap() };
        let end = heap.end();
        let from = round_up(end, HUGE_PAGE);
        let Some(to) = end
            .checked_add(missing)
            .and_then(|to| to.max(from + HUGE_PAGE).checked_next_multiple_of(HUGE_PAGE))
        else {
            return false;
        };
        if end - heap.base < settings::huge_from() || limit::is_near() || !self.lengthen(to - end) {
            return false;
        }
        // SAFETY: memory just obtained for this heap.
        unsafe { os::advise_huge(from, to - from, true) };
        for first in (from..to).step_by(HUGE_PAGE) {
            self.extents.set_plain(records::of(first), false);
        }
        heap.set_huge(from);
        true
    }

    /// Commits more of the newest heap behind top, by whole regions.
    fn lengthen(&mut self, missing: usize) -> bool {
        let Some(step) = missing.checked_next_multiple_of(REGION) else {
            return false;
        };
        if !self.permits(step) {
            return false;
        }
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.top.heap() };
        let end = heap.end();
        let Some(new_end) = end.checked_add(step) else {
            return false;
        };
        if heap.is_break() {
            // Somebody else may have moved the break. libc's sbrk takes no lock, so whoever does
            // may do it again from another thread while we do: the break is theirs from now on.
            if os::sbrk(0) != Some(end) {
                self.heaps.break_lost = true;
                return false;
            }
            let Ok(delta) = isize::try_from(step) else {
                return false;
            };
            match os::sbrk(delta) {
                Some(was) if was == end => {}
                // Moved between the two calls: those bytes are somebody's, or lost.
                Some(_) => {
                    self.heaps.break_lost = true;
                    return false;
                }
                None => return false,
            }
        } else if new_end > heap.limit {
            return false;
        } else if new_end > heap.open() {
            // SAFETY: inside the reservation.
            if !unsafe { os::commit(heap.open(), new_end - heap.open()) } {
                return false;
            }
        }
        // SAFETY: memory just obtained for this heap.
        if !unsafe { records::enter(end, new_end, heap, self.word()) } {
            if heap.is_break() {
                os::sbrk(-(step as isize));
            }
            return false;
        }
        heap.set_end(new_end);
        self.has_grown(step);
        true
    }

    /// Begins a heap at the present break.
    fn new_break(&mut self, size: usize, pad: usize) -> bool {
        let Some(brk) = os::sbrk(0) else {
            return false;
        };
        // One granule below the base is ours too: a wild pointer to the very base finds zeros
        // where its header would be, not a hole.
        let base = round_up(brk + ALIGN, REGION);
        let Some(len) = size
            .checked_add(pad)
            .and_then(|n| n.checked_add(ALIGN))
            .and_then(|n| n.checked_next_multiple_of(REGION))
        else {
            return false;
        };
        let Ok(delta) = isize::try_from(len + (base - brk)) else {
            return false;
        };
        if os::sbrk(delta) != Some(brk) {
            return false;
        }
        if self.open(base, base + len, 0) {
            return true;
        }
        os::sbrk(-delta);
        false
    }

    /// Begins a heap in a reservation of its own, smaller where address space is scarce.
    fn new_reservation(&mut self, size: usize, pad: usize) -> bool {
        let Some(need) = size
            .checked_add(ALIGN)
            .and_then(|n| n.checked_next_multiple_of(REGION))
        else {
            return false;
        };
        let first = need + round_up(pad, REGION);
        // (A shorter reservation is for where addresses are scarce, not for a bound.)
        let pad = if self.permits(first.min(HEAP_RESERVE)) {
            pad
        } else {
            0
        };
        // The caller maps such a chunk directly.
        if need > HEAP_RESERVE || (pad == 0 && !self.permits(need)) {
            return false;
        }
        if let Some(heap) = self.heaps.vacant.take(need) {
            if self.begin_again(heap, need, pad) || (pad != 0 && self.begin_again(heap, need, 0)) {
                return true;
            }
            // SAFETY: just taken off the list.
            unsafe { self.heaps.vacant.put(heap) };
        }
        if let Some(spare) = self.heaps.spare {
            if spare.len >= need && self.begin(spare, need, pad) {
                self.heaps.spare = None;
                return true;
            }
            if !self.drop_spare() {
                return false; // each further attempt could lose as much
            }
        }
        let mut len = HEAP_RESERVE;
        loop {
            if let Some(new) = Reservation::make(len) {
                if self.begin(new, need, pad) {
                    return true;
                }
                self.heaps.spare = Some(new);
                if !self.drop_spare() {
                    return false;
                }
            }
            if len / 4 < need {
                return false;
            }
            len /= 4;
        }
    }

    /// Begins a heap in a reservation, without the pad where the system refuses it.
    fn begin(&mut self, r: Reservation, need: usize, pad: usize) -> bool {
        let first = (need + round_up(pad, REGION)).min(r.len);
        let mut commits =
            |first: usize| r.commit(first) && self.open(r.base, r.base + first, r.base + r.len);
        let done = commits(first) || (first != need && commits(need));
        if done {
            // SAFETY: the newest heap of a locked arena (I10).
            unsafe { (*self.top.heap()).set_reservation(r) };
        }
        done
    }

    /// Begins a heap in the place of one that holds nothing.
    fn begin_again(&mut self, heap: *mut Heap, need: usize, pad: usize) -> bool {
        // SAFETY: a heap of this locked arena (I10), which has no memory.
        unsafe {
            let (base, open) = ((*heap).base, (*heap).open());
            let end = base + (need + round_up(pad, REGION)).min((*heap).limit - base);
            if (end > open && !os::commit(open, end - open))
                || !records::enter(base, end, heap, self.word())
            {
                return false;
            }
            (*heap).set_end(end);
            (*heap).older = self.top.heap();
            self.close_top();
            self.has_grown(end - base);
        }
        self.begin_top(heap);
        true
    }

    /// Gives back the reservation that the kernel refused to take, if there is one; whether it is
    /// gone now.
    pub(super) fn drop_spare(&mut self) -> bool {
        let gone = self.heaps.spare.is_some_and(Reservation::give_back);
        if gone {
            self.heaps.spare = None;
        }
        gone
    }

    /// Makes `[base, end)` the newest heap, and all of it top.
    fn open(&mut self, base: usize, end: usize, limit: usize) -> bool {
        let Some(at) = self.own.shell().or_else(|| side::take(size_of::<Heap>())) else {
            return false;
        };
        let heap: *mut Heap = ptr::with_exposed_provenance_mut(at);
        // SAFETY: side memory just taken.
        unsafe {
            heap.write(Heap::new(self.me, (base, end, limit), self.top.heap()));
        };
        // SAFETY: the memory was just obtained for this heap.
        if !unsafe { records::enter(base, end, heap, self.word()) } {
            // SAFETY: it is on no list. Records of regions that were entered before may name it.
            unsafe { self.own.keep(heap) };
            return false;
        }
        self.close_top();
        self.has_grown(end - base);
        self.begin_top(heap);
        true
    }
}
