//! Memory goes back: idle pages by advice, oldest first and a few at a time; a heap's end by moving
//! the break.
//!
//! A call gives back at most so much (`batch`), and asks the kernel without the
//! arena's lock: no call grows with the heap, and nobody waits but who is handed those very pages.

mod settle;

use super::batch::{APART, Batch, Of, WHOLE};
use super::records::{self, Record};
use super::{Arena, Locked, State};
use crate::config::{HUGE_PAGE, REGION, round_up};
use crate::os;
use crate::pages::PageSet;
use crate::sync::Guard;
use core::sync::atomic::Ordering::Relaxed;

/// Regions that one call looks at.
const REGIONS_AT_ONCE: usize = 256;
/// Regions at the end of top that one call looks at: 256 MiB.
const END_LOOKS: usize = 4096;
/// Regions of a huge page.
const PARTS: usize = HUGE_PAGE / REGION;
/// Bytes of one arena that are worth being woken for.
pub(super) const WORTH: usize = 256 << 10;

/// How much of what is idle goes.
#[derive(Clone, Copy)]
struct Limit {
    /// What is at least so many epochs old goes down to `keep` bytes.
    age: u32,
    /// See `age`.
    keep: usize,
    /// All of it goes down to `most` bytes.
    most: usize,
    /// Bytes of top that stay.
    top: usize,
}

/// What came of a look at what is idle, bytes.
#[derive(Clone, Copy)]
struct Looked {
    /// What went.
    gone: usize,
    /// What stays, and was put behind all others.
    stays: usize,
}

impl Looked {
    /// Pages that need not be looked at again.
    fn pages(self) -> usize {
        (self.gone + self.stays) / os::page()
    }
}

impl State {
    /// Bytes that could go, or that might once they are merged.
    pub(super) fn to_give(&self) -> usize {
        self.extents.idle_bytes() + self.waiting.bytes() + self.resting.bytes()
    }
}

impl Locked<'_> {
    /// Gives a batch back, and the arena.
    fn give_some(mut self, limit: Limit, asked: Guard<'_>) -> Looked {
        let me = self.arena();
        // SAFETY: `purging` is held, which guards it.
        let batch = unsafe { &mut *me.batch.get() };
        batch.clear();
        let mut looked = self.gather(limit, batch);
        drop(self);
        if batch.is_empty() {
            return looked;
        }
        me.counters.purges.add(1);
        me.counters.purged.add(looked.gone);
        if batch.give_back() {
            return looked;
        }
        me.refusal.store(true, Relaxed);
        // Who has the arena may wait for the lock that is given back here, so it is asked for anew.
        drop(asked);
        looked.gone = looked.gone.saturating_sub(me.take_refused());
        looked
    }
}

impl Arena {
    /// Pages that the kernel would not take are idle again, also in the child of a fork that came
    /// before they were. Bytes.
    pub(crate) fn take_refused(&self) -> usize {
        let mut state = self.lock();
        let _asked = self.purging.acquire();
        if !self.refusal.load(Relaxed) {
            return 0;
        }
        // SAFETY: `purging` is held, and nobody fills another batch before this is done.
        let batch = unsafe { &*self.batch.get() };
        let mut stays = 0;
        for range in batch.refused() {
            stays += range.to - range.from;
            range.each(|r, pages| state.extents.keep(r, pages));
        }
        self.counters.refused.add(stays);
        state.decay.refuse();
        self.refusal.store(false, Relaxed);
        stays
    }

    /// The same, if there are any.
    pub(crate) fn take_refused_of_others(&self) {
        if self.refusal.load(Relaxed) {
            self.take_refused();
        }
    }

    /// Everything that is free goes back, `pad` bytes of top excepted. Whether any did.
    pub(crate) fn trim(&self, pad: usize) -> bool {
        let mut state = self.lock();
        let asked = self.purging.acquire();
        state.sweep_all();
        state.dissolve_empty(0);
        let any = state.drop_spare() | state.trim_top(pad);
        drop((state, asked));
        let (gone, _) = self.give_idle(pad, true);
        self.shrink(pad) | any | (gone != 0)
    }

    /// All that is idle goes, `pad` bytes of top excepted: once around the queue, where what stays is
    /// put behind what came meanwhile. Bytes that went; and whether that was all, which it is not
    /// where somebody else asks the kernel, unless that is to be awaited, or was refused.
    pub(super) fn give_idle(&self, pad: usize, awaits: bool) -> (usize, bool) {
        let limit = Limit {
            age: 0,
            keep: 0,
            most: 0,
            top: pad,
        };
        let mut left = self.lock().extents.idle();
        let mut gone = 0;
        while left != 0 {
            let state = self.lock();
            let asked = if awaits {
                Some(self.purging.acquire())
            } else {
                self.purging.try_acquire()
            };
            let Some(asked) = asked.filter(|_| !self.refusal.load(Relaxed)) else {
                return (gone, false);
            };
            let looked = state.give_some(limit, asked);
            if looked.pages() == 0 {
                break;
            }
            gone += looked.gone;
            left = left.saturating_sub(looked.pages());
        }
        (gone, true)
    }

    /// The heaps end where what is in use does, `pad` bytes of top excepted. Whether any became
    /// shorter.
    pub(super) fn shrink(&self, pad: usize) -> bool {
        let mut any = false;
        let (mut state, mut asked) = (self.lock(), self.purging.acquire());
        while state.shorten(pad) {
            any = true;
        }
        state.heaps.vacant.look_anew();
        loop {
            let left = state.heaps.take_left();
            drop((asked, state));
            records::forget(left.0, left.1);
            (state, asked) = (self.lock(), self.purging.acquire());
            if state.vacate().is_none() {
                return any;
            }
        }
    }
}

impl State {
    /// Bytes that are handed out, or that the heap writes to. Where the kernel is being asked for
    /// one of their pages, waits for its answer.
    pub(super) fn used(&mut self, from: usize, to: usize) {
        let page = os::page();
        if from < to && self.extents.occupy(from & !(page - 1), round_up(to, page)) {
            self.await_purge();
        }
    }

    /// Waits until the kernel has answered for all pages it is being asked for.
    #[cold]
    pub(super) fn await_purge(&self) {
        // SAFETY: `me` is set by every lock.
        drop(unsafe { &*self.me }.purging.acquire());
    }

    /// Whether what nobody freed into for longest may go.
    fn is_due(&self, limit: Limit) -> bool {
        let r = self.extents.oldest();
        let idle = self.extents.idle_bytes();
        if r.is_null() || idle <= limit.keep {
            return false;
        }
        // SAFETY: the queue's records are this arena's.
        let stamp = unsafe { (*r).pages.stamp() };
        let age = self.extents.epoch().wrapping_sub(stamp);
        age >= limit.age || idle > limit.most
    }

    /// Takes idle pages for a batch, those that nobody freed into for longest first.
    fn gather(&mut self, limit: Limit, batch: &mut Batch) -> Looked {
        let before = self.extents.idle_bytes();
        let mut stays = 0;
        self.take_end(limit, batch);
        for looks in 0..REGIONS_AT_ONCE {
            if !self.is_due(limit) || !batch.has_room() {
                break;
            }
            self.counters().looks.add(1);
            // All that was looked at is top's and stays: it would be the same the next time.
            if looks == REGIONS_AT_ONCE - 1 && batch.is_empty() {
                self.decay.refuse();
            }
            let r = self.extents.oldest();
            // SAFETY: the queue's records are this arena's.
            let goes =
                unsafe { self.take_whole(r, limit, batch) || self.take_idle(r, limit, batch) };
            if !goes {
                // SAFETY: as above.
                stays += unsafe { (*r).pages.idle() }.len() * os::page();
                self.extents.defer(r);
            }
        }
        Looked {
            gone: before - self.extents.idle_bytes(),
            stays,
        }
    }

    /// Takes idle pages from the end of top, so that the heap can become shorter.
    fn take_end(&mut self, limit: Limit, batch: &mut Batch) {
        let before = self.extents.idle_bytes();
        let least = self.top.at().saturating_add(limit.top);
        let mut end = self.top.fresh();
        for _ in 0..END_LOOKS {
            let gone = before - self.extents.idle_bytes();
            if self.top.owed() <= gone || !batch.has_room() || end <= least {
                break;
            }
            let base = (end - 1) & !(REGION - 1);
            let r = records::of(base);
            // SAFETY: a region of this locked arena's newest heap.
            unsafe {
                // What went already, with the huge page that it lies in say, is no reason to ask again.
                if !(*r).pages.idle().is_empty() {
                    self.counters().looks.add(1);
                    if !self.take_whole(r, limit, batch) && !self.take_idle(r, limit, batch) {
                        break;
                    }
                }
            }
            end = base;
        }
        self.top.pay(before - self.extents.idle_bytes());
    }

    /// Takes the huge page that a region lies in, if that is one and all of it is free.
    ///
    /// # Safety
    /// A record of this locked arena.
    unsafe fn take_whole(&mut self, r: *mut Record, limit: Limit, batch: &mut Batch) -> bool {
        // SAFETY: the caller's; its heap is this arena's.
        let (base, huge) = unsafe { ((*r).base, (*(*r).heap).may_be_huge((*r).base)) };
        let from = base & !(HUGE_PAGE - 1);
        let parts = || (0..PARTS).map(|i| records::of(from + i * REGION));
        // SAFETY: regions of the same heap.
        let is_free = |r: *mut Record| unsafe { (*r).pages.free() }.is_full();
        if !huge || !parts().all(is_free) || self.is_kept(from + HUGE_PAGE, limit) {
            return false;
        }
        for part in parts() {
            // SAFETY: as above.
            self.extents.give(part, unsafe { (*part).pages.free() });
        }
        let first = records::of(from);
        // SAFETY: as above.
        let plain = unsafe { (*first).pages.is_plain() };
        self.extents.set_plain(first, false);
        let of = if plain { Of::Whole } else { Of::Heap };
        batch.add(from, from + HUGE_PAGE, of);
        for part in parts() {
            // SAFETY: as above.
            unsafe { Self::take_states(part, batch) };
        }
        // SAFETY: as above.
        unsafe { self.take_maps(from, PARTS, batch) };
        batch.left = batch.left.saturating_sub(WHOLE);
        true
    }

    /// Takes the idle pages of a region; false if they stay.
    ///
    /// # Safety
    /// A record of this locked arena.
    unsafe fn take_idle(&mut self, r: *mut Record, limit: Limit, batch: &mut Batch) -> bool {
        // SAFETY: the caller's; its heap is this arena's.
        let (base, idle, in_huge) = unsafe {
            (
                (*r).base,
                (*r).pages.idle(),
                (*(*r).heap).may_be_huge((*r).base),
            )
        };
        let mut pages = idle;
        let mut left = idle;
        while let Some(((from, to), rest)) = left.first_run() {
            if self.is_kept(base + to, limit) {
                pages = pages.without(PageSet::of(from, to));
            }
            left = rest;
        }
        if pages.is_empty() {
            return false;
        }
        // SAFETY: the caller's.
        let (gone, with_states) = unsafe { ((*r).pages.gone(), Self::has_states(r)) };
        if with_states && pages.with(gone).is_full() {
            // The states go too, so that none of it may become a slot before they did.
            pages = PageSet::of(base, base + REGION);
        }
        // Taken apart, it is not to be made whole again behind the heap's back.
        let around = base & !(HUGE_PAGE - 1);
        let first = records::of(around);
        // SAFETY: a huge page's regions are the same heap's.
        let apart = in_huge && unsafe { !(*first).pages.is_plain() };
        let mut of = if apart { Of::Apart } else { Of::Heap };
        if apart {
            self.extents.set_plain(first, true);
            batch.left = batch.left.saturating_sub(APART);
        }
        self.extents.give(r, pages);
        batch.left = batch.left.saturating_sub(pages.len());
        let mut left = pages;
        while let Some(((from, to), rest)) = left.first_run() {
            batch.add(base + from, base + to, of);
            of = Of::Heap;
            left = rest;
        }
        // SAFETY: the caller's.
        unsafe {
            Self::take_states(r, batch);
            self.take_maps_around(r, batch);
        }
        true
    }

    /// Whether what ends here is part of what top keeps.
    fn is_kept(&self, to: usize, limit: Limit) -> bool {
        let top = self.top.at();
        top != 0
            && to > top
            && to <= self.top.fresh().next_multiple_of(os::page())
            && to <= top.saturating_add(limit.top)
    }
}

#[cfg(test)]
mod tests;
