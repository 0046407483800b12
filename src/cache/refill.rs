//! The cache's slow side: slow start, refills and spills in batches, idle bins.

use super::arrays::{FIRST, weight};
use super::cover::Cover;
use super::spill::Spill;
use super::{Bin, Cache, Use, thread};
use crate::arena::strip::{self, Strip};
use crate::class::{self, CLASSES};
use crate::config::ALIGN;
use crate::{arenas, limit};
use core::ptr;
use core::slice;
use core::sync::atomic::Ordering::Relaxed;

/// Bytes of a class's first refill; each doubles the one before.
const FIRST_BYTES: usize = 512;
/// Most bytes of one refill: chunks, runs. Twice as much for runs keeps the lock out of the way
/// of the smallest sizes, which are the most.
const BATCH_BYTES: (usize, usize) = (8 << 10, 16 << 10);
/// How often an array may become longer while nothing of its class is asked for.
const TURNS: u8 = 2;
/// How often more for each time that the class was asked for after it had been given back, and the
/// most times that count.
const TRUST: (u8, u8) = (2, 4);
/// What the arrays of all classes may weigh that a thread only frees into, bytes.
const GIVEN: usize = 64 << 10;
/// What such an array may have in any case, entries: runs, chunks of exact classes.
const GIVEN_LEAST: (usize, usize) = (4, 2);
/// A class sheds its array when less than this many times what the cache holds is out.
const SPARSE: usize = 4;
/// It does so only where the arena holds this many bytes beyond what is out: a program that takes
/// and frees some hundred KiB again and again is served from its cache.
const SLACK: usize = 4 << 20;
/// Arrays up to this length, in entries, are never shed.
const MODEST: usize = 32;
/// Slow operations between two looks after another arena.
const LOOK_AFTER: u32 = 4;
/// Slow operations between two looks for idle bins.
const LOOK: u32 = 256;

impl Cache {
    /// Cuts an object of a run class off a new strip; null if there is none, or objects of its
    /// class rest, which are to be used first.
    fn cut(&self, class: usize) -> *mut u8 {
        self.take_strip_in();
        let alone = self.cuts_alone(class);
        // SAFETY: a cache's arena is set before it is published, and arenas live forever.
        let mut state = unsafe { &*self.arena }.lock();
        if state.rests(class) {
            return ptr::null_mut();
        }
        state.take_back(self.strip().replace(Strip::none()));
        self.strip().replace(state.strip(class, alone));
        state.audit();
        state.settle();
        let at = || self.bins.get().expose_provenance();
        super::cut_of(
            at,
            class::size_of(class),
            super::no_object,
            super::no_object,
        )
    }

    /// Whether the strip that is used up was this class's; the next one is to be.
    fn cuts_alone(&self, class: usize) -> bool {
        let cut = self.bin(class).cut_or_size.get();
        let [first, before] = self.cut_first.replace([class as u32, cut]);
        // But for what is too short at its end, and at a slot's.
        let cut = cut.saturating_sub(before) as usize + 2;
        first as usize == class && cut * class::size_of(class) > strip::MOST * ALIGN
    }

    /// Tells the arena of the objects cut since the last time. Not at each strip: there are many
    /// classes, and nobody needs to know at once.
    fn count_cut(&self) {
        for class in 1..=class::RUNS {
            self.count_cut_of(class);
        }
    }

    fn count_cut_of(&self, class: usize) {
        if !class::is_run(class) {
            return;
        }
        let mut cut = self.bin(class).cut_or_size.take();
        if let Some(cover) = self.cover() {
            cut = cut.wrapping_add(cover.stocked(class).cut_or_size.take());
        }
        if cut != 0 {
            self.asked(class);
            // SAFETY: arenas live forever.
            unsafe { (*self.arena).count_out(class, cut as usize) };
        }
    }

    /// Objects of a class of runs that were cut, and that the arena was not told of.
    fn untold(&self, class: usize) -> usize {
        let under = self
            .cover()
            .map_or(0, |cover| cover.stocked(class).cut_or_size.get());
        self.bin(class).cut_or_size.get().wrapping_add(under) as usize
    }

    /// Its cover, if it was ever made.
    fn cover(&self) -> Option<&Cover> {
        // SAFETY: a cover lives as long as its cache, and only its thread uses it.
        unsafe { self.cover.get().as_ref() }
    }

    /// Takes back what its cover has of the strip.
    fn take_strip_in(&self) {
        if let Some(cover) = self.cover() {
            cover.give_strip_back();
        }
    }

    /// Gives what is left of the strip back.
    fn drop_strip(&self) {
        self.take_strip_in();
        self.count_cut();
        // SAFETY: as in `cut`.
        let mut state = unsafe { &*self.arena }.lock();
        state.take_back(self.strip().replace(Strip::none()));
        state.audit();
        state.settle();
    }

    /// Takes one of a class, refilling it first if it is empty; null when memory is exhausted.
    pub(crate) fn take_or_refill(&self, class: usize) -> *mut u8 {
        self.look_around();
        self.asked(class);
        if class::is_run(class) {
            let p = self.cut(class);
            if !p.is_null() {
                return p;
            }
        }
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            if bin.top() == bin.base.get() {
                let size = class::size_of(class).max(1);
                let bytes = if class::is_run(class) {
                    BATCH_BYTES.1
                } else {
                    BATCH_BYTES.0
                };
                let ceiling = (bytes / size).max(1).min(Self::most(class));
                let first = (FIRST_BYTES / size).clamp(1, FIRST);
                let batch = (usize::from(bin.batch.get()) * 2).max(first).min(ceiling);
                while bin.room() < batch && self.widen(class) {}
                let batch = batch.min(bin.room());
                if batch == 0 {
                    return ptr::null_mut();
                }
                bin.batch.set(batch as u16);
                bin.busy.set(true);
                let mut state = (*self.arena).lock();
                let got = state.refill(class, slice::from_raw_parts_mut(bin.base.get(), batch));
                state.audit();
                state.settle();
                bin.set_top(bin.base.get().add(got));
            }
            if class::is_run(class) {
                super::take_object(bin, 0, super::no_object)
            } else {
                super::take_chunk(bin, 0, super::no_object)
            }
        }
    }

    /// Makes room for one more entry of a class. False if there is to be none, or no memory for an
    /// array.
    ///
    /// A class that is asked for gets a longer array, or the older half of the one it has goes
    /// back. Of one that is only freed into all goes back: its thread may never call again.
    pub(crate) fn make_room(&self, class: usize) -> bool {
        self.look_around();
        let (bin, way) = (self.bin(class), self.usage(class));
        if bin.top() != bin.limit.get() {
            return true;
        }
        self.count_cut_of(class);
        let mark = way.mark.get();
        if mark != 0 && mark != bin.middle() {
            self.asked(class);
        }
        let made = self.make_room_in(class, bin, way);
        way.mark.set(bin.middle());
        made
    }

    fn make_room_in(&self, class: usize, bin: &Bin, way: &Use) -> bool {
        bin.busy.set(true);
        let len = bin.len();
        if len >= MODEST && self.is_sparse(class, len) {
            if len > MODEST {
                self.empty(class, &mut Spill::new());
                return self.widen(class);
            }
        } else if let Some(turns) = way.turns.get().checked_sub(1) {
            way.turns.set(turns);
            if self.widen(class) {
                return true;
            }
        } else {
            return self.give(class, len);
        }
        self.spill_older(class, len.div_ceil(2), &mut Spill::new());
        len != 0
    }

    /// [`Self::make_room`] in a class that is only freed into.
    fn give(&self, class: usize, len: usize) -> bool {
        let (bin, way) = (self.bin(class), self.usage(class));
        let room = bin.room();
        if !way.given.replace(true) {
            self.given.set(self.given.get() + room * weight(class));
        }
        let others = self.given.get() - room * weight(class);
        let least = match class {
            _ if class::is_run(class) => GIVEN_LEAST.0,
            _ if class::size_of(class) <= class::EXACT_CHUNK => GIVEN_LEAST.1,
            _ => 0,
        };
        let share = GIVEN.saturating_sub(others) / 2 / weight(class);
        let share = share.max(least).min(Self::most(class));
        if room < share && self.widen_to(class, (room * 2).clamp(FIRST.min(share), share)) {
            return true;
        }
        self.spill_older(class, len, &mut Spill::new());
        if room > share {
            self.set_room(class, share);
        }
        bin.room() != 0
    }

    /// The thread asks for a class.
    fn asked(&self, class: usize) {
        let way = self.usage(class);
        if way.given.replace(false) {
            let given = self.bin(class).room() * weight(class);
            self.given.set(self.given.get() - given);
            way.trust.set((way.trust.get() + 1).min(TRUST.1));
        }
        way.turns.set(TURNS + TRUST.0 * way.trust.get());
    }

    /// Whether what the cache holds is a large part of what is left. After a peak it is: each
    /// cached object in another slot that cannot be given back, each cached chunk between two
    /// free ones that cannot merge.
    fn is_sparse(&self, class: usize, len: usize) -> bool {
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        let arena = unsafe { &*self.arena };
        if arena.idle.load(Relaxed) < SLACK {
            return false; // little could be given back
        }
        match arena.out.get(class) {
            Some(out) => out.load(Relaxed).wrapping_add(self.untold(class)) < len * SPARSE,
            None => arena.live.load(Relaxed) < self.room.get() * SPARSE,
        }
    }

    /// Gives all of a class back, and its array: the next one starts small.
    fn empty(&self, class: usize, to: &mut Spill) {
        let bin = self.bin(class);
        self.spill_older(class, bin.len(), to);
        self.set_room(class, 0);
        bin.batch.set(0);
    }

    /// Gives the `n` oldest entries of a class back.
    fn spill_older(&self, class: usize, n: usize, to: &mut Spill) {
        if n == 0 {
            return; // there may be no array
        }
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            let base = bin.base.get();
            to.put(slice::from_raw_parts_mut(base, n), class);
            let left = bin.len() - n;
            base.copy_from(base.add(n), left);
            bin.set_top(base.add(left));
        }
    }

    /// Gives everything back if the process was trimmed since.
    pub(super) fn follow_trims(&self) {
        if self.trims.get() != thread::trims() {
            self.flush();
        }
    }

    /// Follows a trim of the process; and every now and then, bins that nobody asked lose half of
    /// what they hold.
    pub(super) fn look_around(&self) {
        self.follow_trims();
        self.slow.set(self.slow.get().wrapping_add(1));
        if self.slow.get().is_multiple_of(LOOK_AFTER) {
            // SAFETY: a cache's arena is set before it is published, and arenas live forever.
            arenas::look_after_another(unsafe { &*self.arena });
        }
        if !self.slow.get().is_multiple_of(LOOK) {
            return;
        }
        self.count_cut();
        self.large.clear_idle();
        let mut to = Spill::new();
        self.spill_taken_over(&mut to);
        self.empty_stock(&mut to, true);
        for class in 1..CLASSES {
            let bin = self.bin(class);
            if bin.busy.replace(false) || bin.base.get().is_null() {
                continue;
            }
            let (len, trust) = (bin.len(), &self.usage(class).trust);
            trust.set(trust.get() / 2);
            if len > FIRST {
                self.spill_older(class, len.div_ceil(2), &mut to);
                bin.batch.set(0);
            } else {
                self.empty(class, &mut to);
            }
        }
    }

    /// Gives back what its cover has in stock: all, or of idle classes.
    fn empty_stock(&self, to: &mut Spill, idle: bool) {
        if let Some(cover) = self.cover() {
            cover.empty_stock(to, idle);
        }
    }

    /// Gives everything back, the arrays too.
    pub(super) fn drain(&self) {
        let mut to = Spill::new();
        self.spill_taken_over(&mut to);
        self.drop_taken_over();
        self.empty_stock(&mut to, false);
        for class in 1..CLASSES {
            if !self.bin(class).base.get().is_null() {
                self.empty(class, &mut to);
            }
        }
        drop(to);
        self.large.clear_all();
        self.drop_strip();
    }

    /// Gives everything back, for `malloc_trim`.
    pub(crate) fn flush(&self) {
        self.trims.set(thread::trims());
        self.large.clear_all();
        self.drop_strip();
        let mut to = Spill::new();
        self.spill_taken_over(&mut to);
        self.empty_stock(&mut to, false);
        for class in 1..CLASSES {
            let bin = self.bin(class);
            self.spill_older(class, bin.len(), &mut to);
            // Refills start small again: a program that trims often uses little between two trims.
            bin.batch.set(0);
            if limit::is_near() {
                self.set_room(class, 0);
            }
        }
    }
}
