//! Memory goes back: top by moving the break or returning its pages, free chunks inside by
//! returning theirs.
//!
//! Returning pages happens under the arena's lock: the kernel must be done with them before
//! somebody is handed the memory, and the lock is what says so.

use super::State;
use super::bins::{self, BINS, PURGEABLE};
use super::records;
use crate::chunk::{Chunk, Kind};
use crate::config::{GRANULES, PURGE_DELAY, REGION, round_up};
use crate::{fatal, os, region, settings};
use core::sync::atomic::Ordering::Relaxed;

/// Dirty bytes that are always kept for reuse; an eighth of what is live comes on top.
const KEEP: usize = 1 << 20;
/// Dirty bytes, or half of what was live at the peak of late, above which nothing is waited for.
const KEEP_LARGE: usize = 64 << 20;
/// The least that is worth a purge, bytes.
const WORTH: usize = 256 << 10;
/// Refusals after which a purge gives up, unless all is to go. The kernel takes no locked page
/// back (`mlock`, `mlockall`), and says so again each time.
const REFUSALS: usize = 64;
/// Slots that are looked through for free pages in `PURGE_DELAY`; more of them rest longer. (While
/// 1 GB of 48-byte objects went in random order, the pages came free one by one, and each batch
/// looked through 16,000 slots for them: 15 of glibc's time.)
const WALK: usize = 1024;
/// The same of free chunks, most of which went before and are still linked. (1 GB of 600-byte
/// objects in random order: 7 of glibc's time.)
const CHASE: usize = 4096;

/// When memory goes back: what lay free for a whole epoch, of `purge_delay` milliseconds, the
/// program does not need.
///
/// The clock is looked at when something is freed into an arena that holds enough to give back:
/// there is no thread for it. A program that builds 25 MB, frees all and builds again within the
/// epoch keeps its pages, and so does one whose large blocks come and go; epochs counted in bytes
/// handed out cost such programs their pages, or kept them for ever where the thread caches
/// served what came after.
pub(crate) struct Decay {
    /// When this epoch began, milliseconds.
    began: usize,
    /// Least that was dirty at any time of it, bytes.
    least: usize,
    /// Most that was live of late, bytes; it halves with each epoch.
    peak: usize,
    /// The kernel took nothing back: it is not asked again in this epoch.
    refused: bool,
    /// What time it was when last looked at, milliseconds.
    seen: usize,
    /// When the slots were looked through for pages, milliseconds, and how long they rest.
    walked: (usize, usize),
    /// The same of free chunks.
    chased: (usize, usize),
}

impl Decay {
    /// Before the first epoch.
    pub(crate) const fn new() -> Self {
        Self {
            began: 0,
            least: 0,
            peak: 0,
            refused: false,
            seen: 0,
            walked: (0, 0),
            chased: (0, 0),
        }
    }

    /// Whether slots may be looked through for pages.
    fn may_walk(&self) -> bool {
        self.seen.wrapping_sub(self.walked.0) >= self.walked.1
    }

    /// So many slots are looked through now.
    fn walk(&mut self, slots: usize) {
        self.walked = (self.seen, slots / WALK * PURGE_DELAY);
    }

    /// So many free chunks were looked at.
    fn chase(&mut self, chunks: usize) {
        self.chased = (self.seen, chunks / CHASE * PURGE_DELAY);
    }

    /// What can go, with so much dirty and live. What of it is vacant in slots counts only when
    /// they may be looked through.
    fn step(
        &mut self,
        dirty: usize,
        vacant: usize,
        live: usize,
        now: impl FnOnce() -> usize,
    ) -> usize {
        self.least = self.least.min(dirty);
        self.peak = self.peak.max(live);
        if dirty < WORTH + KEEP {
            return 0;
        }
        let now = now();
        self.seen = now;
        if now.wrapping_sub(self.chased.0) < self.chased.1 {
            return 0;
        }
        let stays = if self.may_walk() { 0 } else { vacant };
        let mut idle = dirty.saturating_sub(stays + KEEP_LARGE.max(self.peak / 2));
        let elapsed = now.wrapping_sub(self.began);
        if self.refused && elapsed < settings::purge_delay().max(PURGE_DELAY) {
            return 0;
        }
        self.refused = false;
        if elapsed >= settings::purge_delay() {
            idle = idle.max(self.least.saturating_sub(stays + KEEP + live / 8));
            self.began = now;
            // Not less what is to go: some of it may stay, and is to be asked for again.
            self.least = dirty;
            self.peak = live.max(self.peak / 2);
        }
        if idle < WORTH { 0 } else { idle }
    }
}

impl State {
    /// After a free: gives back what exceeds the thresholds.
    pub(crate) fn settle(&mut self) {
        let live = self.live();
        // SAFETY: `me` is set by every lock.
        let me = unsafe { &*self.me };
        me.live.store(live, Relaxed);
        me.idle.store(self.system.saturating_sub(live), Relaxed);
        // Top up to the threshold stays, whoever set it: glibc's promise.
        let used = self.fresh.saturating_sub(self.top);
        let over = self.top != 0 && used > settings::trim_threshold();
        // A threshold that was set by hand is obeyed at once.
        if over && settings::trim_is_fixed() {
            self.trim_top(settings::top_pad(), REGION);
        }
        let top = if over && !settings::trim_is_fixed() {
            used
        } else {
            0
        };
        let dirty = self.dirty + self.vacant + top;
        let idle = self.decay.step(dirty, self.vacant, live, os::now);
        if idle == 0 {
            return;
        }
        let keep = settings::top_pad().max(top.saturating_sub(idle));
        if top < WORTH || !self.trim_top(keep, REGION) {
            // What is vacant in slots lies between objects for the most part, and cannot go: it
            // is not made up for with chunks that are needed.
            let walk = self.decay.may_walk();
            let vacant = if walk { self.vacant } else { 0 };
            let chunks = self.purge(PURGEABLE, idle.saturating_sub(vacant), REFUSALS);
            let mut slots = 0;
            if walk {
                self.decay.walk(self.all_slots);
                slots = self.purge_slots(idle, REFUSALS);
            }
            self.decay.refused = chunks + slots == 0;
            self.decay.least = self.decay.least.min(dirty.saturating_sub(chunks + slots));
        }
    }

    /// The state pages of slots that once were in `[from, to)` go with the memory.
    fn purge_states(from: usize, to: usize) {
        let mut at = round_up(from, REGION);
        while at < to && to - at >= REGION {
            let r = records::of(at);
            // SAFETY: a record lives forever (I11); no slot is there, so nobody reads its states.
            unsafe {
                if !r.is_null() && (*r).states != 0 && os::page() <= GRANULES {
                    os::purge((*r).states, GRANULES);
                }
            }
            at += REGION;
        }
    }

    /// Everything that is free goes back, `pad` bytes of top excepted. Whether any did.
    pub(crate) fn trim(&mut self, pad: usize) -> bool {
        self.sweep_all();
        self.dissolve_empty(0);
        let spare = self.drop_spare();
        let top = self.trim_top(pad, 1);
        let chunks = self.purge(2 * os::page(), usize::MAX, usize::MAX);
        let slots = self.purge_slots(usize::MAX, usize::MAX);
        chunks + slots != 0 || top || spare
    }

    /// Gives back what top holds beyond `keep` bytes: whole regions by the break, and pages of at
    /// least `least` bytes together. Whether any went.
    fn trim_top(&mut self, keep: usize, least: usize) -> bool {
        if self.top == 0 {
            return false;
        }
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.heap };
        let mut any = false;
        let Some(from) = self.top.checked_add(keep).map(|n| round_up(n, REGION)) else {
            return false;
        };
        if heap.is_break() && from < heap.end && os::sbrk(0) == Some(heap.end) {
            let len = heap.end - from;
            Self::purge_states(from, heap.end);
            // SAFETY: only top lies there, so nothing is on a list.
            unsafe { region::leave(from, heap.end) };
            if os::sbrk(-(len as isize)).is_some() {
                heap.end = from;
                if heap.huge >= from {
                    heap.huge = 0;
                }
                self.system -= len;
                self.fresh = self.fresh.min(from);
                any = true;
            } else {
                let mut at = from;
                while at < heap.end {
                    region::set_word(at, region::CHUNKS);
                    at += REGION;
                }
            }
        }
        let pages = round_up(self.top + keep, os::page());
        let used = round_up(self.fresh, os::page()).min(heap.end);
        // SAFETY: top's pages behind its header; nothing needs their contents.
        if used.saturating_sub(pages) >= least && unsafe { os::purge(pages, used - pages) } {
            heap.give_up_huge();
            Self::purge_states(pages, used);
            self.fresh = self.fresh.min(pages).max(self.top);
            any = true;
        }
        any
    }

    /// Returns the whole pages inside free chunks of at least `least` bytes, the largest bins
    /// first and in each the oldest first, until `amount` bytes went or the kernel refused as often
    /// as the `patience` says. Bytes that went.
    fn purge(&mut self, least: usize, amount: usize, patience: usize) -> usize {
        let (mut gone, mut refused, mut looked) = (0, 0, 0);
        for bin in (bins::index(least)..BINS).rev() {
            let (mut at, mut behind) = (self.bins.end(bin, 1), 0);
            while gone < amount && refused < patience && at != 0 {
                // Mutual links cannot lead in a circle.
                // SAFETY: read only after `leads_home` says that it may be.
                if !self.leads_home(at) || unsafe { Chunk::at(at) }.link(0) != behind {
                    fatal::die("corrupted double-linked list", at);
                }
                // SAFETY: just checked.
                let c = unsafe { Chunk::at(at) };
                match self.purge_chunk(c) {
                    Some(true) => gone += c.head().size(),
                    Some(false) => refused += 1,
                    None => {}
                }
                (at, behind) = (c.link(1), at);
                looked += 1;
            }
        }
        self.decay.chase(looked);
        gone
    }

    /// Whether the pages inside a free chunk went back; `None` if there are none to give.
    fn purge_chunk(&mut self, c: Chunk) -> Option<bool> {
        let size = c.head().size();
        if !c.head().is(Kind::Free) || !c.is_freed() {
            return None;
        }
        // The links stay in the first page, the foot in the last.
        let from = round_up(c.payload() + 16, os::page());
        let to = (c.payload() + size - 16) & !(os::page() - 1);
        if from >= to {
            return None;
        }
        // SAFETY: inside a free chunk, links and foot left out.
        if !unsafe { os::purge(from, to - from) } {
            return Some(false);
        }
        Self::purge_states(from, to);
        // SAFETY: a chunk's region has a record, and its heap is this locked arena's (I8, I10).
        unsafe { (*(*records::of(c.payload())).heap).give_up_huge() };
        c.write(size, Kind::Purged, c.head().prev_in_use(), false);
        if size >= PURGEABLE {
            self.dirty -= size;
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knobs::Knobs;

    const MIB: usize = 1 << 20;

    #[test]
    fn what_lay_free_for_an_epoch_goes_and_what_was_needed_stays() {
        settings::apply(&Knobs {
            purge_delay: 10,
            ..Knobs::DEFAULT
        });
        let mut decay = Decay::new();
        assert_eq!(
            decay.step(0, 0, 30 * MIB, || unreachable!()),
            0,
            "nothing dirty"
        );
        assert_eq!(
            decay.step(20 * MIB, 0, 4 * MIB, || 100),
            0,
            "needed a moment ago"
        );
        assert_eq!(
            decay.step(20 * MIB, 0, 4 * MIB, || 109),
            0,
            "the epoch is not over"
        );
        assert_eq!(decay.step(6 * MIB, 0, 4 * MIB, || 109), 0);
        // Of 20 MiB all but 6 were in use meanwhile; 1.5 of those stay in any case.
        assert_eq!(decay.step(20 * MIB, 0, 4 * MIB, || 110), 4 * MIB + MIB / 2);
        assert_eq!(decay.step(15 * MIB, 0, 4 * MIB, || 119), 0);
        assert_eq!(decay.step(15 * MIB, 0, 4 * MIB, || 121), 13 * MIB + MIB / 2);
    }

    #[test]
    fn what_could_not_go_is_still_free_in_the_next_epoch() {
        settings::apply(&Knobs {
            purge_delay: 10,
            ..Knobs::DEFAULT
        });
        let mut decay = Decay::new();
        assert_eq!(decay.step(60 * MIB, 30 * MIB, 0, || 100), 0);
        assert_eq!(decay.step(60 * MIB, 30 * MIB, 0, || 110), 59 * MIB);
        // Of the 30 MiB in slots none went, of the chunks all but 5 MiB.
        assert_eq!(decay.step(35 * MIB, 30 * MIB, 0, || 120), 34 * MIB);
    }

    #[test]
    fn a_large_part_of_the_peak_goes_at_once() {
        settings::apply(&Knobs::DEFAULT);
        let mut decay = Decay::new();
        let now = 1 << 40;
        assert_eq!(decay.step(300 * MIB, 0, 300 * MIB, || now), 150 * MIB);
        assert_eq!(decay.step(150 * MIB, 0, 300 * MIB, || now), 0);
    }

    #[test]
    fn a_kernel_that_takes_nothing_back_is_asked_once_an_epoch() {
        settings::apply(&Knobs::DEFAULT);
        let mut decay = Decay::new();
        let step = |decay: &mut Decay, now| decay.step(300 * MIB, 0, 100 * MIB, || now);
        let now = 1 << 40;
        assert_ne!(step(&mut decay, now), 0);
        decay.refused = true;
        for later in 0..PURGE_DELAY {
            assert_eq!(step(&mut decay, now + later), 0, "after {later} ms");
        }
        assert_ne!(step(&mut decay, now + PURGE_DELAY), 0);
    }

    #[test]
    fn many_slots_are_not_looked_through_for_every_page() {
        settings::apply(&Knobs::DEFAULT);
        let mut decay = Decay::new();
        let now = 1 << 40;
        let step = |decay: &mut Decay, chunks: usize, now| {
            decay.step((400 + chunks) * MIB, 400 * MIB, 100 * MIB, || now)
        };
        assert_ne!(step(&mut decay, 0, now), 0);
        decay.walk(16 * WALK);
        for later in 0..16 * PURGE_DELAY {
            assert_eq!(step(&mut decay, 0, now + later), 0, "after {later} ms");
        }
        assert_ne!(step(&mut decay, 200, now), 0, "chunks go meanwhile");
        assert_ne!(step(&mut decay, 0, now + 16 * PURGE_DELAY), 0);
    }

    #[test]
    fn many_free_chunks_are_not_looked_at_for_each_that_comes() {
        settings::apply(&Knobs::DEFAULT);
        let mut decay = Decay::new();
        let now = 1 << 40;
        let step = |decay: &mut Decay, now| decay.step(300 * MIB, 0, 100 * MIB, || now);
        assert_ne!(step(&mut decay, now), 0);
        decay.chase(4 * CHASE);
        for later in 0..4 * PURGE_DELAY {
            assert_eq!(step(&mut decay, now + later), 0, "after {later} ms");
        }
        assert_ne!(step(&mut decay, now + 4 * PURGE_DELAY), 0);
    }
}
