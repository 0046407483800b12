//! Memory goes back: top by moving the break or returning its pages, free chunks inside by
//! returning theirs.
//!
//! Returning pages happens under the arena's lock: the kernel must be done with them before
//! somebody is handed the memory, and the lock is what says so.

use super::State;
use super::bins::{self, BINS};
use crate::chunk::{Chunk, Kind};
use crate::config::{REGION, round_up};
use crate::{os, region, settings};
use core::sync::atomic::Ordering::Relaxed;

/// Free chunks from this size on count as dirty until their pages went back, bytes.
pub const PURGEABLE: usize = 32 << 10;
/// Dirty bytes that are always kept for reuse.
const KEEP_DIRTY: usize = 1 << 20;
/// Dirty bytes above what is live at which no epoch is waited for: a peak is over.
const KEEP_LARGE: usize = 8 << 20;
/// Settlements in an epoch of the purge. Long enough that a program which frees and asks again
/// for large chunks has asked again; short enough that memory goes back soon after a peak.
const EPOCH: u32 = 128;

/// What was dirty all through an epoch was not needed in it.
///
/// The delay before a purge is so driven by the program's own frees, without a clock and without
/// a thread. Purging as soon as a fixed amount was dirty cost 1,695 `madvise` calls and four
/// times glibc's time where blocks of 32 KiB to 4 MiB are freed and asked for again.
pub struct Decay {
    /// Settlements left in this epoch.
    left: u32,
    /// Least that was dirty at any time of it, bytes.
    least: usize,
}

impl Decay {
    /// At the start of an epoch with nothing dirty.
    pub const fn new() -> Self {
        Self {
            left: EPOCH,
            least: 0,
        }
    }

    /// One settlement with so much dirty; at the end of an epoch, what can go.
    fn step(&mut self, dirty: usize) -> Option<usize> {
        self.least = self.least.min(dirty);
        self.left -= 1;
        if self.left != 0 {
            return None;
        }
        let idle = self.least.saturating_sub(KEEP_DIRTY);
        (self.left, self.least) = (EPOCH, dirty.saturating_sub(idle));
        (idle > KEEP_DIRTY / 4).then_some(idle)
    }
}

impl State {
    /// After a free: gives back what exceeds the thresholds.
    pub fn settle(&mut self) {
        // SAFETY: `me` is set by every lock.
        unsafe { (*self.me).live.store(self.live(), Relaxed) };
        if self.fresh.saturating_sub(self.top) > settings::trim_threshold() && self.top != 0 {
            self.trim_top(settings::top_pad());
        }
        if self.dirty > KEEP_LARGE + self.live() {
            self.purge(PURGEABLE, usize::MAX);
        } else if let Some(idle) = self.decay.step(self.dirty) {
            self.purge(PURGEABLE, idle);
        }
    }

    /// Everything that is free goes back, `pad` bytes of top excepted. Whether any did.
    pub fn trim(&mut self, pad: usize) -> bool {
        self.sweep_all();
        self.dissolve_empty(0);
        let top = self.trim_top(pad);
        self.purge(2 * os::page(), usize::MAX) || top
    }

    /// Gives back what top holds beyond `keep` bytes. Whether any went.
    fn trim_top(&mut self, keep: usize) -> bool {
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
            // SAFETY: only top lies there, so nothing is on a list.
            unsafe { region::leave(from, heap.end) };
            if os::sbrk(-(len as isize)).is_some() {
                heap.end = from;
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
        if pages < used && unsafe { os::purge(pages, used - pages) } {
            self.fresh = self.fresh.min(pages).max(self.top);
            any = true;
        }
        any
    }

    /// Returns the whole pages inside free chunks of at least `least` bytes, the largest bins
    /// first and in each the oldest first, until `amount` bytes went. Whether any went.
    fn purge(&mut self, least: usize, amount: usize) -> bool {
        let mut gone = 0;
        for bin in (bins::index(least)..BINS).rev() {
            let mut at = self.bins.end(bin, 1);
            while gone < amount && at != 0 && self.leads_home(at) {
                // SAFETY: checked by `leads_home`.
                let c = unsafe { Chunk::at(at) };
                if self.purge_chunk(c) {
                    gone += c.head().size();
                }
                at = c.link(1);
            }
        }
        gone != 0
    }

    fn purge_chunk(&mut self, c: Chunk) -> bool {
        let size = c.head().size();
        if !c.head().is(Kind::Free) || !c.is_freed() {
            return false;
        }
        // The links stay in the first page, the foot in the last.
        let from = round_up(c.payload() + 16, os::page());
        let to = (c.payload() + size - 16) & !(os::page() - 1);
        // SAFETY: inside a free chunk, links and foot left out.
        if from >= to || !unsafe { os::purge(from, to - from) } {
            return false;
        }
        c.write(size, Kind::Purged, c.head().prev_in_use(), false);
        if size >= PURGEABLE {
            self.dirty -= size;
        }
        true
    }
}
