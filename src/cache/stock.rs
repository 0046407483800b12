//! The stock of a cover: objects that are counted before they are asked for.
//!
//! `malloc` takes them off the cover's bins as it takes off a cache's, so that most requests cost what
//! they cost without a cover. Where a bin is empty, some of the newest objects of the cache below are
//! counted ahead (`routes::sampled`) and moved here. A program that takes and frees one object again
//! and again leaves one there: then new ones join it, and the next time there are more. Where the cache
//! has none, what is counted ahead is a piece of its strip, whatever will be cut off it.

use super::cover::{Cover, MOST, Rests, STOCKED, laid};
use super::spill::Spill;
use super::{Bin, cut_of, no_object, take_object};
use crate::arena::Entry;
use crate::config::ALIGN;
use crate::{object, region};
use core::cell::Cell;
use core::ptr;

/// Most bytes of a class: what a thread works with is to stay in its processor's first cache.
const BYTES: usize = 4 << 10;

/// Most objects of a class in stock, by class.
static AT_MOST: [u8; STOCKED] = {
    let mut most = [0; STOCKED];
    let mut class = 1;
    while class < STOCKED {
        let fit = BYTES / (class * ALIGN);
        most[class] = if fit < MOST { fit } else { MOST } as u8;
        class += 1;
    }
    most
};

impl Cover {
    /// Where a class's array begins.
    fn array(&self, class: usize) -> *mut Entry {
        let arrays = self.stock.get().cast::<[Entry; MOST]>();
        arrays.wrapping_add(class.min(STOCKED - 1)).cast()
    }

    pub(super) fn stocked(&self, class: usize) -> &Bin {
        let bins: *const Bin = (&raw const self.bins).cast();
        // SAFETY: the index is cut to the length of what is shorter.
        unsafe { &*bins.add(class.min(STOCKED - 1)) }
    }

    fn beneath(&self, class: usize) -> &Bin {
        // SAFETY: a cover's cache is as long there.
        unsafe { (*self.cache).bin(class) }
    }

    /// Of a class, what is left of the countdowns that end in the next object.
    #[inline(always)]
    fn rests(&self, class: usize) -> &Rests {
        let rests: *const Rests = (&raw const self.rests).cast();
        // SAFETY: as in `stocked`.
        unsafe { &*rests.add(class.min(STOCKED - 1)) }
    }

    /// Whether a countdown ends in the next object of a class.
    #[inline(always)]
    pub(crate) fn ends_in_next(&self, class: usize) -> bool {
        let [sample, guard] = self.rests(class);
        sample.get() | guard.get() != 0
    }

    /// Whether a countdown ends in the next object of any class.
    #[inline(always)]
    pub(crate) fn ends_in_any(&self) -> bool {
        self.ending.get() != 0
    }

    /// Countdowns end in the next object of a class, one at least. That is to be the one that is asked
    /// for next: nothing is on the strip that would come before.
    pub(crate) fn end_in_next(&self, class: usize, rests: [u16; 2]) {
        for (to, rest) in self.rests(class).iter().zip(rests) {
            to.set(rest);
        }
        self.ending.set(self.ending.get() + 1);
        self.give_strip_back();
    }

    /// The next object of a class is asked for: what was left of the countdowns.
    pub(crate) fn take_ends(&self, class: usize) -> [u16; 2] {
        if self.ends_in_next(class) {
            self.ending.set(self.ending.get().saturating_sub(1));
        }
        self.rests(class).each_ref().map(Cell::take)
    }

    /// Whether a class has anything in stock.
    #[inline(always)]
    pub(crate) fn has(&self, class: usize) -> bool {
        self.stocked(class).len() != 0
    }

    /// How many objects of a class there could be in stock: what the cache below has; and as many
    /// again off its strip, where that is little.
    #[inline(always)]
    pub(crate) fn could_stock(&self, class: usize) -> usize {
        let most = AT_MOST.get(class).map_or(0, |&most| usize::from(most));
        let have = self.beneath(class).len();
        if have >= most {
            return most;
        }
        let more = have.min(most - have);
        let left = self.strip_beneath() + self.strip.left();
        if more * class * ALIGN <= left {
            have + more
        } else {
            have
        }
    }

    /// Stocks so many objects of a class that has none in stock, the newest on top.
    #[inline(always)]
    pub(crate) fn fill(&self, class: usize, count: usize) {
        let (to, from) = (self.stocked(class), self.beneath(class));
        let moved = from.len().min(count);
        let base = self.array(class);
        let mut top = base;
        if moved != count {
            self.give_strip_back();
        }
        // SAFETY: this thread's own cover and cache; `count` is no more than `could_stock` said, which
        // is an array's length at most. `[base, top)` of the cache are entries.
        unsafe {
            while moved + (top.offset_from_unsigned(base)) < count {
                let Some(p) = (*self.cache).strip().cut(class) else {
                    break;
                };
                let cut = &from.cut_or_size;
                cut.set(cut.get().wrapping_add(1));
                let state = object::state_at(region::word(p), p);
                state.turn();
                top.write(Entry::object(p, state));
                top = top.add(1);
            }
            let first = from.top().sub(moved);
            top.copy_from_nonoverlapping(first, moved);
            from.set_top(first);
            if to.base.get() == base {
                to.set_top(top.add(moved));
            } else {
                to.set_array(base, top.add(moved).offset_from_unsigned(base), MOST);
            }
        }
        to.busy.set(true);
    }

    /// The newest object of a class in stock; null if there is none.
    #[inline(always)]
    pub(crate) fn take_stocked(&self, class: usize) -> *mut u8 {
        take_object(self.stocked(class), 0, no_object)
    }

    /// Bytes of the strip that the cache below has.
    #[inline(always)]
    pub(crate) fn strip_beneath(&self) -> usize {
        // SAFETY: as in `beneath`.
        unsafe { (*self.cache).strip().left() }
    }

    /// Gets so many bytes of the strip, which the cache has, and of which no object's are left here;
    /// and `beyond` more, but for a countdown that ends there.
    #[inline(always)]
    pub(crate) fn borrow_strip(&self, bytes: usize, beyond: usize) {
        // SAFETY: as in `beneath`.
        unsafe { (*self.cache).strip().lend(&self.strip, bytes) };
        self.beyond.set(beyond);
    }

    /// Whether the piece of the strip is too short for so many bytes only because a countdown ends in
    /// them.
    #[inline(always)]
    pub(crate) fn is_cut_short_of(&self, bytes: usize) -> bool {
        let beyond = self.beyond.get();
        beyond != 0 && bytes <= self.strip.left() + beyond
    }

    /// Gives what is left of the strip back to the cache below, uncounted.
    #[inline(always)]
    pub(crate) fn give_strip_back(&self) {
        // SAFETY: as in `beneath`.
        let back = unsafe { (*self.cache).strip().take_in(&self.strip) };
        self.beyond.set(0);
        let give = |left: &Cell<isize>| left.set(left.get().saturating_add_unsigned(back));
        give(&self.sample.of_strip);
        give(&self.guard.of_strip);
    }

    /// The first object of a class off the strip; null if what there is of it is too short.
    #[inline(always)]
    pub(crate) fn cut(&self, class: usize) -> *mut u8 {
        let at = || ptr::from_ref(self).expose_provenance();
        cut_of(at, class * ALIGN, no_object, no_object)
    }

    /// Gives what is in stock back, and forgets what was counted ahead, which is as good as drawn anew;
    /// or that of classes that were not filled since the last time.
    pub(super) fn empty_stock(&self, to: &mut Spill, idle: bool) {
        for class in 1..STOCKED {
            let bin = self.stocked(class);
            if bin.busy.replace(false) && idle {
                continue;
            }
            self.take_ends(class);
            let len = bin.len().min(MOST);
            if len == 0 {
                continue;
            }
            let mut all = [Entry::NONE; MOST];
            // SAFETY: this thread's own cover, or nobody's; `[base, top)` are entries.
            unsafe { ptr::copy_nonoverlapping(bin.base.get(), all.as_mut_ptr(), len) };
            bin.set_top(bin.base.get());
            to.put(all.get_mut(..len).unwrap_or_default(), class);
        }
    }

    /// As [`Self::empty_stock`], all of it.
    #[cold]
    pub(crate) fn forget_stock(&self) {
        self.give_strip_back();
        self.empty_stock(&mut Spill::new(), false);
    }
}

/// This thread's stock goes back, so that its next request looks for what is asked of it now.
pub(crate) fn forget() {
    if let Some(cover) = laid() {
        cover.forget_stock();
    }
}
