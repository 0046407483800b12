//! I13, checked: a page is marked as idle or as gone exactly if it is wholly free.

use super::State;
use super::records;
use super::seen::{Broken, no};
use crate::config::{REGION, round_up};
use crate::os;
use crate::pages::PageSet;

impl State {
    /// That no other pages are marked as free than those that were seen, and that the queue holds
    /// the idle ones, and that those that went are counted.
    pub(super) fn check_pages(&self, seen: usize) -> Result<(), Broken> {
        let (mut free, mut idle, mut heap) = (0, 0, self.top.heap());
        while !heap.is_null() {
            // SAFETY: heaps live forever (I11).
            let (mut at, end) = unsafe { ((*heap).base, (*heap).end()) };
            while at < end {
                // SAFETY: seen to be there by `check_heap`.
                let pages = unsafe { &(*records::of(at)).pages };
                free += pages.free().len();
                idle += pages.idle().len();
                if !pages.idle().and(pages.gone()).is_empty() {
                    return Err(no(13, at));
                }
                at += REGION;
            }
            // SAFETY: as above.
            heap = unsafe { (*heap).older };
        }
        let mut r = self.extents.oldest();
        let mut queued = 0;
        while !r.is_null() {
            // SAFETY: the queue's records are this arena's.
            unsafe {
                queued += (*r).pages.idle().len();
                r = (*r).pages.newer();
            }
        }
        let sums = [seen, self.extents.idle(), self.extents.idle()];
        let gone = self.extents.gone_bytes() / os::page();
        if [free, idle, queued] == sums && free - idle == gone {
            Ok(())
        } else {
            Err(no(13, free))
        }
    }
}

/// How many pages of a free stretch there are, each of which must be marked as free.
pub(super) fn free_pages(from: usize, to: usize) -> Result<usize, Broken> {
    let mut at = from;
    while at < to {
        let end = to.min((at | (REGION - 1)) + 1);
        let pages = PageSet::of(at, end);
        // SAFETY: a region of a heap's, seen to be there by `check_heap`.
        if pages != unsafe { (*records::of(at)).pages.free() }.and(pages) {
            return Err(no(13, at));
        }
        at = end;
    }
    Ok(to.saturating_sub(from) / os::page())
}

/// That none of the pages that a chunk in use has a part of is marked as free.
pub(super) fn no_free_pages(from: usize, to: usize) -> Result<(), Broken> {
    let page = os::page();
    let (mut at, to) = (from & !(page - 1), round_up(to, page));
    while at < to {
        let end = to.min((at | (REGION - 1)) + 1);
        // SAFETY: a region of a heap's, seen to be there by `check_heap`.
        let free = unsafe { (*records::of(at)).pages.free() };
        if !free.and(PageSet::of(at, end)).is_empty() {
            return Err(no(13, from + 8));
        }
        at = end;
    }
    Ok(())
}
