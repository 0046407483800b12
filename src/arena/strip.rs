//! Strips: free granules in a row that a cache cuts objects off, one after another.
//!
//! What a program asks for together then lies together, whatever the sizes: as in glibc's heap
//! when it grows, and without a lock. A batch of one class for the cache would put the next node
//! of a list many objects away from this one (`docs/rejected.md`).

use super::State;
use super::records::{self, Record};
use super::slots::{LONG, WHOLE};
use crate::config::{ALIGN, GRANULES};
use crate::granules::{self, Span};
use crate::layout::places::cache::STRIP_MOST;
use crate::{object, region};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Granules of a strip at most: a page.
pub(crate) const MOST: usize = 256;
/// The same for one class alone, where nothing that is free elsewhere in slots waits for the strip to
/// end: a quarter of a slot. (For all of them the peak of `live-large` was 1.03.)
const DENSE: usize = 1024;

const _: () = assert!(DENSE * ALIGN == STRIP_MOST && MOST < DENSE);

/// The rest of a strip. Its granules are marked as used, and no object starts in it (I9).
#[repr(C)]
pub(crate) struct Strip {
    /// Where the next object begins. Atomic for the sake of one instruction: where a signal handler
    /// that allocates comes in between and takes what was to be taken here, the state tells. (No
    /// more than that: C forbids such a handler, and one that uses up the strip gets past this.)
    at: AtomicUsize,
    end: Cell<usize>,
    /// Its slot's word.
    word: Cell<usize>,
}

impl Strip {
    /// No strip.
    pub(crate) const fn none() -> Self {
        Self {
            at: AtomicUsize::new(0),
            end: Cell::new(0),
            word: Cell::new(0),
        }
    }

    /// No strip, and yet not the zeros that lie where nobody may have one.
    pub(crate) const fn borrower() -> Self {
        Self {
            word: Cell::new(1),
            ..Self::none()
        }
    }

    /// Whether there are more than zeros.
    #[inline(always)]
    pub(crate) fn is_somebodys(&self) -> bool {
        self.word.get() != 0
    }

    /// Its first `bytes`, of which it has so many, are what `to` is from now on, which is used up.
    #[inline(always)]
    pub(crate) fn lend(&self, to: &Self, bytes: usize) {
        let at = self.at.load(Relaxed);
        self.at.store(at + bytes, Relaxed);
        to.word.set(self.word.get());
        to.at.store(at, Relaxed);
        to.end.set(at + bytes);
    }

    /// Takes back what is left of what it lent last; so many bytes.
    #[inline(always)]
    pub(crate) fn take_in(&self, lent: &Self) -> usize {
        let left = lent.left();
        if left != 0 {
            let at = lent.at.load(Relaxed);
            lent.end.set(at);
            self.at.store(at, Relaxed);
        }
        left
    }

    /// Becomes another one, and returns what it was. (The cache that cuts from it has no reference
    /// to it that is its only one.)
    pub(crate) fn replace(&self, with: Self) -> Self {
        let before = self.at.load(Relaxed);
        self.at.store(with.at.into_inner(), Relaxed);
        Self {
            at: AtomicUsize::new(before),
            end: Cell::new(self.end.replace(with.end.get())),
            word: Cell::new(self.word.replace(with.word.get())),
        }
    }

    /// The first object of a class, in use; none if the rest is too short.
    ///
    /// # Safety
    /// The slot's states are there, and nobody else cuts from this strip.
    #[inline(always)]
    pub(crate) unsafe fn cut(&self, class: usize) -> Option<usize> {
        let size = class * ALIGN;
        loop {
            let p = self.at.load(Relaxed);
            if p + size > self.end.get() {
                return None;
            }
            self.at.store(self.at.load(Relaxed) + size, Relaxed);
            let state = object::state_at(self.word.get(), p);
            // SAFETY: the caller's.
            unsafe {
                if state.get() == 0 {
                    state.begin(class as u8);
                    return Some(p);
                }
            }
        }
    }

    /// Bytes that no object has yet.
    pub(crate) fn left(&self) -> usize {
        self.end.get().saturating_sub(self.at.load(Relaxed))
    }

    fn span(&self) -> Option<Span> {
        let at = self.at.load(Relaxed);
        (at < self.end.get()).then(|| Span {
            start: granules::number(at),
            len: (self.end.get() - at) / ALIGN,
        })
    }
}

impl State {
    /// A strip with room for any class; none if the heap would have to grow for it while shorter
    /// spans are free that hold this class, of which a batch for the cache gathers more. A longer one
    /// where the last was cut for this class alone.
    pub(crate) fn strip(&mut self, class: usize, alone: bool) -> Strip {
        loop {
            if self.longest(LONG).is_null() && !self.longest(class).is_null() {
                return Strip::none();
            }
            let Some(r) = self.slot_for(LONG) else {
                return Strip::none();
            };
            // SAFETY: a slot of this locked arena (I10).
            if let Some(strip) = unsafe { self.strip_of(r, alone) } {
                return strip;
            }
        }
    }

    /// A strip of this slot, which has none if it is ranked lower now.
    ///
    /// # Safety
    /// `r` is a slot of this locked arena.
    unsafe fn strip_of(&mut self, r: *mut Record, alone: bool) -> Option<Strip> {
        // SAFETY: the caller's.
        let (half, base, states) = unsafe { (usize::from((*r).search), (*r).base, (*r).states) };
        let dense = alone && self.resting.bytes() == 0 && !self.slots.has_holes_beside(r);
        let most = if dense { DENSE } else { MOST };
        let mut longest = 0;
        for (mut at, end) in [(half, GRANULES), (0, half)] {
            // SAFETY: the caller's.
            while let Some(span) = unsafe { (*(*r).map).span(at, most) }
                && span.start < end
            {
                if span.len < LONG {
                    longest = longest.max(span.len);
                    at = span.start + span.len;
                    continue;
                }
                let used = Span {
                    start: span.start,
                    len: span.len.min(most),
                };
                self.occupy(r, used);
                self.decay.count(used.len * ALIGN);
                let of_used: *mut u8 = ptr::with_exposed_provenance_mut(states + used.start);
                // Until here a second free of an old object still found its state.
                // SAFETY: a slot's states, of granules that were free a moment ago (I9).
                unsafe { of_used.write_bytes(0, used.len) };
                let at = base + used.start * ALIGN;
                let strip = Strip {
                    at: AtomicUsize::new(at),
                    end: Cell::new(at + used.len * ALIGN),
                    word: Cell::new(region::slot_word(base, states)),
                };
                // SAFETY: the caller's.
                let full = unsafe {
                    (*r).search = (used.start + used.len) as u16;
                    (*r).free == 0
                };
                if full {
                    self.rank(r, 0);
                }
                return Some(strip);
            }
        }
        self.rank(r, longest);
        None
    }

    /// Takes back what is left of a strip of this arena.
    pub(crate) fn take_back(&mut self, strip: Strip) {
        let Some(span) = strip.span() else { return };
        let r = records::of(strip.end.get() - ALIGN);
        // SAFETY: a strip's slot stays one as long as the strip has granules.
        let (free, pages) = unsafe {
            (*(*r).map).put_span(span);
            (*r).free += span.len as u32;
            ((*r).free as usize, (*(*r).map).full_pages(span))
        };
        self.slots.give(span.len);
        self.extents.vacate_in(r, pages);
        if free == WHOLE.len {
            self.retire(r);
        } else {
            self.raise(r, span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::REGION;

    /// A signal handler that allocates between a cut's look and its step takes the very place; the
    /// cut goes on behind it.
    #[test]
    fn a_cut_that_was_interrupted_by_another_takes_the_next_place() {
        let states = [const { AtomicUsize::new(0) }; GRANULES / size_of::<usize>()];
        let base = 16 * REGION;
        let strip = Strip {
            at: AtomicUsize::new(base),
            end: Cell::new(base + 8 * ALIGN),
            word: Cell::new(region::slot_word(base, states.as_ptr().expose_provenance())),
        };
        // SAFETY: the states are there, and nobody else knows the strip.
        let cut = || unsafe { strip.cut(3) };
        assert_eq!(cut(), Some(base));
        strip.at.store(base, Relaxed);
        assert_eq!(
            cut(),
            Some(base + 3 * ALIGN),
            "the handler's object given twice"
        );
        assert_eq!(cut(), None, "the rest is too short");
    }
}
