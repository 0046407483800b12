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
    /// The kernel would not take it.
    pub refused: bool,
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
    /// Side memory that tells of what is free: states, and maps.
    Side,
}

/// Ranges of one kind.
struct List {
    len: usize,
    ranges: [Range; RANGES],
}

impl List {
    const fn new() -> Self {
        Self {
            len: 0,
            ranges: [Range::new(0, 0, Of::Heap); RANGES],
        }
    }

    fn all(&self) -> &[Range] {
        self.ranges.get(..self.len).unwrap_or_default()
    }

    fn add(&mut self, new: Range) {
        // Regions that were freed one after the other mostly lie side by side.
        if let Some(last) = self.len.checked_sub(1).and_then(|i| self.ranges.get_mut(i))
            && last.to == new.from
            && matches!(new.of, Of::Heap | Of::Side)
        {
            last.to = new.to;
            return;
        }
        if let Some(place) = self.ranges.get_mut(self.len) {
            *place = new;
            self.len += 1;
        }
    }

    /// Asks the kernel. Whether it took all of them.
    fn give_back(&mut self) -> bool {
        let mut all = true;
        for range in self.ranges.iter_mut().take(self.len) {
            range.refused = !range.give_back();
            all &= !range.refused;
        }
        all
    }

    /// The kernel has answered. Not range by range: a page may lie in two of them, with what its
    /// region had idle and again with its neighbours, or with its huge page.
    fn finish(&self) {
        for range in self.all() {
            range.each(|r, pages| {
                // SAFETY: a region of a heap's has a record, which lives forever (I8, I11).
                unsafe { (*r).pages.finish(pages) };
            });
        }
    }
}

/// What one call gives back.
pub(super) struct Batch {
    /// Pages that it may still take.
    pub left: usize,
    heap: List,
    side: List,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self {
            left: 0,
            heap: List::new(),
            side: List::new(),
        }
    }

    /// Begins anew.
    pub(super) const fn clear(&mut self) {
        (self.heap.len, self.side.len, self.left) = (0, 0, PAGES);
    }

    /// Whether there is anything to ask for.
    pub(super) const fn is_empty(&self) -> bool {
        self.heap.len + self.side.len == 0
    }

    /// How many more ranges it takes.
    pub(super) const fn room(&self) -> usize {
        RANGES - (self.heap.len + self.side.len)
    }

    /// Whether it takes what one more region can come to: its pages, its states, and maps.
    pub(super) const fn has_room(&self) -> bool {
        self.left != 0 && self.room() >= REGION / 4096 / 2 + 4
    }

    pub(super) fn add(&mut self, from: usize, to: usize, of: Of) {
        let new = Range::new(from, to, of);
        match of {
            Of::Side => self.side.add(new),
            _ => self.heap.add(new),
        }
    }

    /// The heap's ranges that the kernel would not take. What it keeps of side memory is zeros.
    pub(super) fn refused(&self) -> impl Iterator<Item = &Range> {
        self.heap.all().iter().filter(|range| range.refused)
    }

    /// Asks the kernel. Whether it took all that is the heap's.
    ///
    /// Side memory comes first: regions that it tells of may be handed out when the heap's pages are
    /// done with.
    pub(super) fn give_back(&mut self) -> bool {
        self.side.give_back();
        let all = self.heap.give_back();
        self.heap.finish();
        all
    }
}

impl Range {
    const fn new(from: usize, to: usize, of: Of) -> Self {
        Self {
            from,
            to,
            of,
            refused: false,
        }
    }

    /// Asks the kernel. Whether it took the memory.
    fn give_back(&self) -> bool {
        if matches!(self.of, Of::Apart | Of::Whole) {
            let around = self.from & !(HUGE_PAGE - 1);
            // SAFETY: a huge page's addresses inside a heap.
            unsafe { os::advise_huge(around, HUGE_PAGE, self.of == Of::Whole) };
        }
        if cfg!(debug_assertions) && self.of != Of::Side {
            self.each(|r, pages| {
                // SAFETY: a region of a heap's has a record, which lives forever (I8, I11).
                debug_assert!(unsafe { (*r).pages.are_busy(pages) }, "handed out");
            });
        }
        // SAFETY: pages that are wholly free, and that nobody is handed before they are marked as
        // done (I13); or side memory that tells of regions all of whose pages are such.
        unsafe { os::purge(self.from, self.to - self.from) }
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
    use crate::os::scripted;
    use crate::routes;
    use std::vec::Vec;

    /// Where the kernel takes as many ranges as are side memory, those are all of them.
    fn side_memory_comes_first() -> bool {
        let all: Vec<_> = (0..60_000).map(|_| routes::allocate(64)).collect();
        for p in all {
            routes::release(p);
        }
        thread::flush();
        let arena = thread::arena();
        scripted::refuse_all(true);
        arena.trim(0);
        // SAFETY: this process has one thread.
        let batch = unsafe { &mut *arena.batch.get() };
        let (side, heap) = (batch.side.len, batch.heap.len);
        scripted::refuse_all(false);
        // The kernel is asked for the same again.
        for range in batch.heap.all() {
            // SAFETY: regions of a heap have records.
            range.each(|r, pages| unsafe { (*r).pages.begin(pages) });
        }
        scripted::refuse_from(side as u64);
        side != 0 && heap != 0 && !batch.give_back() && batch.refused().count() == heap
    }

    /// Where most of a slot went before, the rest of it goes with its states as the whole region:
    /// none of its pages is handed out meanwhile. The same is true of maps, and of all regions that
    /// they tell of.
    fn regions_go_whole_with_what_is_known_of_them() -> bool {
        let all: Vec<_> = (0..60_000).map(|_| routes::allocate(64)).collect();
        // A few objects of one slot in eight.
        let stays =
            |i: usize, p: *mut u8| (p.addr() / REGION).is_multiple_of(8) && i.is_multiple_of(100);
        let (last, first): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(i, p)| stays(*i, **p));
        for (_, p) in first {
            routes::release(*p);
        }
        thread::flush();
        let arena = thread::arena();
        arena.trim(0);
        for (_, p) in last {
            routes::release(*p);
        }
        thread::flush();
        scripted::refuse_all(true);
        arena.trim(0);
        // SAFETY: this process has one thread.
        let batch = unsafe { &*arena.batch.get() };
        let is_in = |list: &List, at: usize| {
            let mut ranges = list.all().iter();
            ranges.any(|range| range.from <= at && at < range.to)
        };
        let (mut states, mut maps) = (0, 0);
        for at in all.iter().map(|p| p.addr() & !(REGION - 1)) {
            let r = records::of(at);
            // SAFETY: regions of a heap have records.
            let known = unsafe { [(*r).states, (*r).map.addr()] };
            let [with_states, with_maps] = known.map(|known| is_in(&batch.side, known));
            states += usize::from(with_states);
            maps += usize::from(with_maps);
            let mut pages = (at..at + REGION).step_by(os::page());
            if (with_states || with_maps) && !pages.all(|page| is_in(&batch.heap, page)) {
                return false;
            }
        }
        states != 0 && maps != 0
    }

    /// A region that is done with may become a slot at once, and write its states.
    #[test]
    fn states_go_before_their_region_is_done_with() {
        assert!(scripted::holds_in_child(side_memory_comes_first));
        assert!(scripted::holds_in_child(
            regions_go_whole_with_what_is_known_of_them
        ));
    }
}
