//! How an arena gets memory: the break, or a reservation that is committed step by step.

use super::State;
use super::heap::{Heap, Reservation};
use super::records;
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, HEAP_RESERVE, HUGE_PAGE, MIN_CHUNK, REGION, round_up};
use crate::{fatal, os, settings, side};
use core::ptr;

impl State {
    /// Makes top at least `size` bytes long.
    pub(super) fn grow(&mut self, size: usize) -> bool {
        let pad = settings::top_pad();
        let done = self.grow_by(size, pad) || (pad != 0 && self.grow_by(size, 0));
        debug_assert!(!done || self.room_in_top(size));
        self.system_peak = self.system_peak.max(self.system);
        done
    }

    /// Begins the first heap before it is needed. A refusal is no failure yet.
    pub(crate) fn open_first(&mut self) {
        if self.heap.is_null() {
            self.grow(MIN_CHUNK);
        }
    }

    /// Makes top at least `size` bytes long where it is, without beginning another heap.
    pub(super) fn lengthen_top(&mut self, size: usize) -> bool {
        self.sparse = false;
        let pad = settings::top_pad();
        let done = self.lengthen_by(size, pad) || (pad != 0 && self.lengthen_by(size, 0));
        self.system_peak = self.system_peak.max(self.system);
        done
    }

    fn lengthen_by(&mut self, size: usize, pad: usize) -> bool {
        let Some(wanted) = size.checked_add(pad) else {
            return false;
        };
        let missing = wanted - self.top_size().min(wanted);
        let dense = !self.sparse && size < HUGE_PAGE / 2;
        !self.heap.is_null()
            && ((dense && self.lengthen_huge(missing)) || self.lengthen(missing))
            && self.room_in_top(size)
    }

    fn grow_by(&mut self, size: usize, pad: usize) -> bool {
        let Some(wanted) = size.checked_add(pad) else {
            return false;
        };
        if self.lengthen_by(size, pad) {
            return true;
        }
        // SAFETY: `me` is set by every lock.
        let main = unsafe { (*self.me).index == 0 } && !self.break_lost && os::serves_malloc();
        (main && self.new_break(wanted)) || self.new_reservation(size, pad)
    }

    /// Commits whole huge pages behind the top of a long heap, if that is enough.
    fn lengthen_huge(&mut self, missing: usize) -> bool {
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.heap };
        let from = round_up(heap.end, HUGE_PAGE);
        let step = from + HUGE_PAGE - heap.end;
        if heap.end - heap.base < settings::huge_from() || missing > step || !self.lengthen(step) {
            return false;
        }
        // SAFETY: memory just obtained for this heap.
        unsafe { os::advise_huge(from, HUGE_PAGE, true) };
        if heap.huge == 0 {
            heap.huge = from;
        }
        true
    }

    /// Commits more of the newest heap behind top, by whole regions.
    fn lengthen(&mut self, missing: usize) -> bool {
        let Some(step) = missing.checked_next_multiple_of(REGION) else {
            return false;
        };
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.heap };
        let end = heap.end;
        let Some(new_end) = end.checked_add(step) else {
            return false;
        };
        if heap.is_break() {
            // Somebody else may have moved the break. libc's sbrk takes no lock, so whoever does
            // may do it again from another thread while we do: the break is theirs from now on.
            if os::sbrk(0) != Some(end) {
                self.break_lost = true;
                return false;
            }
            let Ok(delta) = isize::try_from(step) else {
                return false;
            };
            match os::sbrk(delta) {
                Some(was) if was == end => {}
                // Moved between the two calls: those bytes are somebody's, or lost.
                Some(_) => {
                    self.break_lost = true;
                    return false;
                }
                None => return false,
            }
        } else if new_end > heap.limit {
            return false;
        // SAFETY: inside the reservation.
        } else if !unsafe { os::commit(end, step) } {
            return false;
        }
        // SAFETY: memory just obtained for this heap.
        if !unsafe { records::enter(end, new_end, heap) } {
            if heap.is_break() {
                os::sbrk(-(step as isize));
            }
            return false;
        }
        heap.end = new_end;
        self.system += step;
        true
    }

    /// Begins a heap at the present break.
    fn new_break(&mut self, wanted: usize) -> bool {
        let Some(brk) = os::sbrk(0) else {
            return false;
        };
        // One granule below the base is ours too: a wild pointer to the very base finds zeros
        // where its header would be, not a hole.
        let base = round_up(brk + ALIGN, REGION);
        let Some(len) = wanted
            .checked_add(ALIGN)
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
        if need > HEAP_RESERVE {
            return false; // the caller maps such a chunk directly
        }
        if let Some(spare) = self.spare {
            if spare.len >= need && self.begin(spare, need, pad) {
                self.spare = None;
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
                self.spare = Some(new);
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

    /// Begins a heap in a reservation.
    fn begin(&mut self, r: Reservation, need: usize, pad: usize) -> bool {
        let first = (need + round_up(pad, REGION)).min(r.len);
        r.commit(first) && self.open(r.base, r.base + first, r.base + r.len)
    }

    /// Gives back the reservation that the kernel refused to take, if there is one; whether it is
    /// gone now.
    pub(super) fn drop_spare(&mut self) -> bool {
        let gone = self.spare.is_some_and(Reservation::give_back);
        if gone {
            self.spare = None;
        }
        gone
    }

    /// Makes `[base, end)` the newest heap, and all of it top.
    fn open(&mut self, base: usize, end: usize, limit: usize) -> bool {
        let Some(at) = side::take(size_of::<Heap>()) else {
            return false;
        };
        let heap: *mut Heap = ptr::with_exposed_provenance_mut(at);
        // SAFETY: side memory just taken.
        unsafe {
            heap.write(Heap {
                arena: self.me,
                base,
                end,
                limit,
                huge: 0,
                older: self.heap,
            })
        };
        // SAFETY: the memory was just obtained for this heap.
        if !unsafe { records::enter(base, end, heap) } {
            // SAFETY: nobody else knows it.
            unsafe { side::give(at, size_of::<Heap>()) };
            return false;
        }
        self.close_top();
        self.heap = heap;
        self.fresh = base;
        self.system += end - base;
        // SAFETY: the first chunk of the heap just opened.
        self.set_top(unsafe { Chunk::at((*heap).first()) }, true);
        self.fresh = self.top;
        true
    }

    /// Ends the newest heap with a fence: what was top becomes an ordinary free chunk.
    fn close_top(&mut self) {
        let size = self.top_size();
        if self.top == 0 {
            return;
        }
        // SAFETY: top (I1).
        let c = unsafe { Chunk::at(self.top) };
        if !c.head().is(Kind::Top) || !c.is_freed() {
            fatal::die("malloc(): corrupted top size", c.payload());
        }
        let prev_in_use = c.head().prev_in_use();
        self.top = 0;
        if size < MIN_CHUNK {
            c.write(0, Kind::Fence, prev_in_use, false);
            return;
        }
        c.after(size).write(0, Kind::Fence, true, false);
        c.write(size, Kind::Plain, prev_in_use, false);
        self.release(c, size);
    }
}
