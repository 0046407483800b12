//! What one call gives back: a bounded number of ranges, and of pages.

use super::records::{self, Record};
use crate::config::{HUGE_PAGE, REGION};
use crate::os;
use crate::pages::PageSet;

/// Ranges that one call asks the kernel to take back.
pub(super) const RANGES: usize = 64;
/// Pages of 4 KiB that one call gives back; what a huge page costs counts as [`WHOLE`] of them.
pub(super) const PAGES: usize = 1024;
/// Pages whose time it takes to give back a huge page as a whole, and to take one apart.
pub(super) const WHOLE: usize = 32;
/// See [`WHOLE`].
pub(super) const APART: usize = 128;
/// What is given back.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub from: usize,
    pub to: usize,
    pub of: Of,
}

/// What a range is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Pages of the heap.
    Heap,
    /// The same, and the huge page around them is to be none any more.
    Apart,
    /// A huge page that was taken apart once, and may be one again.
    Whole,
    /// States of what is free.
    States,
}

/// What one call gives back.
pub(super) struct Batch {
    pub len: usize,
    /// Pages that it may still take.
    pub left: usize,
    /// Ranges that the kernel would not take.
    pub refused: usize,
    ranges: [Range; RANGES],
}

impl Batch {
    pub(super) const fn new() -> Self {
        let none = Range {
            from: 0,
            to: 0,
            of: Of::Heap,
        };
        Self {
            len: 0,
            left: 0,
            refused: 0,
            ranges: [none; RANGES],
        }
    }

    /// Whether it takes what one more region can come to.
    pub(super) const fn has_room(&self) -> bool {
        self.left != 0 && self.len + REGION / 4096 / 2 + 2 <= RANGES
    }

    pub(super) fn add(&mut self, new: Range) {
        // Regions that were freed one after the other mostly lie side by side.
        if let Some(last) = self.len.checked_sub(1).and_then(|i| self.ranges.get_mut(i))
            && last.to == new.from
            && (last.of == Of::States) == (new.of == Of::States)
            && matches!(new.of, Of::Heap | Of::States)
        {
            last.to = new.to;
            return;
        }
        if let Some(place) = self.ranges.get_mut(self.len) {
            *place = new;
            self.len += 1;
        }
    }

    /// What the kernel would not take.
    pub(super) fn refused(&self) -> &[Range] {
        self.ranges.get(..self.refused).unwrap_or_default()
    }

    /// Asks the kernel. Ranges that it would not take are moved to the front.
    ///
    /// States come first: a region whose pages are done with may become a slot at once, and write
    /// them.
    pub(super) fn give_back(&mut self) {
        self.refused = 0;
        for states in [true, false] {
            for i in self.refused..self.len {
                let Some(&range) = self.ranges.get(i) else {
                    break;
                };
                if (range.of == Of::States) == states && !range.give_back() {
                    self.swap(i, self.refused);
                    self.refused += 1;
                }
            }
        }
    }

    /// Without a way to panic.
    fn swap(&mut self, i: usize, j: usize) {
        if let [Some(&a), Some(&b)] = [i, j].map(|at| self.ranges.get(at)) {
            for (at, range) in [(i, b), (j, a)] {
                if let Some(place) = self.ranges.get_mut(at) {
                    *place = range;
                }
            }
        }
    }
}

impl Range {
    /// Asks the kernel. Whether it took the memory.
    fn give_back(&self) -> bool {
        if matches!(self.of, Of::Apart | Of::Whole) {
            let around = self.from & !(HUGE_PAGE - 1);
            // SAFETY: a huge page's addresses inside a heap.
            unsafe { os::advise_huge(around, HUGE_PAGE, self.of == Of::Whole) };
        }
        // SAFETY: pages that are wholly free, and that nobody is handed before they are marked as
        // done; or states of a region all of whose pages are such.
        let gone = unsafe { os::purge(self.from, self.to - self.from) };
        if self.of != Of::States {
            self.each(|r, pages| {
                // SAFETY: a region of a heap's has a record, which lives forever (I8, I11).
                unsafe { (*r).pages.finish(pages) };
            });
        }
        gone
    }

    pub(super) fn each(&self, mut f: impl FnMut(*mut Record, PageSet)) {
        let mut at = self.from;
        while at < self.to {
            let end = self.to.min((at | (REGION - 1)) + 1);
            f(records::of(at), PageSet::of(at, end));
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::thread;
    use crate::config::GRANULES;
    use crate::os::scripted;
    use crate::routes;
    use std::vec::Vec;

    /// What the kernel would not take stands in a batch in the order in which it was asked.
    fn states_come_first() -> bool {
        let all: Vec<_> = (0..60_000).map(|_| routes::allocate(64)).collect();
        for p in all {
            routes::release(p);
        }
        thread::flush();
        let arena = thread::arena();
        scripted::refuse_all(true);
        arena.trim(0);
        // SAFETY: this process has one thread.
        let batch = unsafe { &*arena.batch.get() };
        let states: Vec<_> = batch.refused().iter().map(|r| r.of == Of::States).collect();
        states.contains(&true) && states.contains(&false) && states.is_sorted_by(|a, b| a >= b)
    }

    /// Where most of a slot went before, the rest of it goes with its states as the whole region:
    /// none of its pages is handed out meanwhile.
    fn regions_go_whole_with_their_states() -> bool {
        let all: Vec<_> = (0..60_000).map(|_| routes::allocate(64)).collect();
        let stays = |i: usize| i.is_multiple_of(1000);
        for (_, p) in all.iter().enumerate().filter(|(i, _)| !stays(*i)) {
            routes::release(*p);
        }
        thread::flush();
        let arena = thread::arena();
        arena.trim(0);
        for p in all.iter().step_by(1000) {
            routes::release(*p);
        }
        thread::flush();
        scripted::refuse_all(true);
        arena.trim(0);
        // SAFETY: this process has one thread.
        let batch = unsafe { &*arena.batch.get() };
        let (mut states, mut whole) = (0, 0);
        for range in batch.refused() {
            if range.of == Of::States {
                states += (range.to - range.from) / GRANULES;
            } else {
                // SAFETY: regions of a heap have records.
                let is_whole =
                    |r: *mut Record, pages: PageSet| pages.is_full() && unsafe { (*r).states } != 0;
                range.each(|r, pages| whole += usize::from(is_whole(r, pages)));
            }
        }
        states != 0 && whole >= states
    }

    /// Whether it is so in a process of its own.
    fn holds(what: fn() -> bool) -> bool {
        // SAFETY: the child calls only Cairn, which is ready for a fork at any time.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: leaves without the harness's farewell.
            unsafe { libc::_exit(i32::from(!what())) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just made.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        waited == pid && status == 0
    }

    /// A region that is done with may become a slot at once, and write its states.
    #[test]
    fn states_go_before_their_region_is_done_with() {
        assert!(holds(states_come_first));
        assert!(holds(regions_go_whole_with_their_states));
    }
}
