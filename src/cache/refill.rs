//! The cache's slow side: slow start, refills and spills in batches, idle bins.

use super::{Bin, Cache, thread};
use crate::arena::records;
use crate::arena::strip::Strip;
use crate::arena::{Arena, Entry, Locked, owner};
use crate::class::{self, BIN_SHIFT, CLASSES, FIRST_CHUNK};
use crate::{settings, side};
use core::mem;
use core::ptr;
use core::slice;
use core::sync::atomic::Ordering::Relaxed;

/// First room of an array, entries.
pub(super) const FIRST: usize = 8;
/// Room of a small class beyond the budget, entries.
const LEAST: usize = 2;
/// Bytes of a class's first refill; each doubles the one before.
const FIRST_BYTES: usize = 512;
/// Most entries of a chunk class, and of a run class.
const MOST: (usize, usize) = (256, 1024);
/// Most bytes that wait in one class: up to 1 KiB of request, and above. The wide classes are
/// many, and one visit to the arena is little against using such a chunk: with 32 KiB in each,
/// `git log` kept 0.4 MB more.
const CLASS_BYTES: (usize, usize) = (32 << 10, 8 << 10);
/// Most bytes of one refill: chunks, runs. Twice as much for runs keeps the lock out of the way
/// of the smallest sizes, which are the most.
const BATCH_BYTES: (usize, usize) = (8 << 10, 16 << 10);
/// All caches together, the most and the least one may have, bytes.
const BUDGET: (usize, usize, usize) = (16 << 20, 3 << 19, 64 << 10);
/// A class sheds its array when less than this many times what the cache holds is out.
const SPARSE: usize = 4;
/// It does so only where the arena holds this many bytes beyond what is out: a program that takes
/// and frees some hundred KiB again and again is served from its cache.
const SLACK: usize = 4 << 20;
/// Arrays up to this length, in entries, may grow and stay in any case.
const MODEST: usize = 32;
/// Slow operations between two looks for idle bins.
const LOOK: u32 = 256;

/// Gives freed entries back to the arenas they came from, and stays in one as long as it can: a
/// thread's end locks each arena about once, not once a class.
struct Spill {
    held: Option<(&'static Arena, Locked<'static>)>,
}

impl Spill {
    const fn new() -> Self {
        Self { held: None }
    }

    fn put(&mut self, mut entries: &[Entry], class: usize) {
        while let Some(first) = entries.first() {
            // SAFETY: cached entries were vetted, so their regions have records (I8).
            let home = unsafe { owner(records::of(first.p)) };
            if let Some((arena, _)) = &self.held
                && !ptr::eq(*arena, home)
            {
                self.leave();
            }
            let (_, state) = self.held.get_or_insert_with(|| (home, home.lock()));
            let n = if class::is_run(class) {
                state.put_objects(entries, class)
            } else {
                state.put_chunks(entries, class)
            };
            entries = entries.get(n..).unwrap_or_default();
        }
    }

    fn leave(&mut self) {
        if let Some((_, mut state)) = self.held.take() {
            state.settle();
            state.audit();
        }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        self.leave();
    }
}

fn most(class: usize) -> usize {
    let size = class::size_of(class).max(1);
    let count = if class::is_run(class) { MOST.1 } else { MOST.0 };
    let asked = count.min(settings::cache_count());
    let bytes = if size <= class::EXACT_CHUNK {
        CLASS_BYTES.0
    } else {
        CLASS_BYTES.1
    };
    asked.min(bytes / size).max(1)
}

impl Cache {
    fn bin(&mut self, class: usize) -> *mut Bin {
        (&raw mut self.bins.of)
            .cast::<Bin>()
            .wrapping_add(class.min(CLASSES - 1))
    }

    /// Cuts an object of a run class off a new strip; null if there is none, or objects of its
    /// class rest, which are to be used first.
    fn cut(&mut self, class: usize) -> *mut u8 {
        // SAFETY: a cache's arena is set before it is published, and arenas live forever.
        let mut state = unsafe { &*self.arena }.lock();
        if state.rests(class) {
            return ptr::null_mut();
        }
        state.take_back(mem::replace(&mut self.bins.strip, Strip::none()));
        self.bins.strip = state.strip(class);
        state.settle();
        state.audit();
        drop(state);
        super::cut(class::size_of(class))
    }

    /// Tells the arena of the objects cut since the last time. Not at each strip: there are many
    /// classes, and nobody needs to know at once.
    fn count_cut(&mut self) {
        for class in 1..=class::RUNS {
            let bin = self.bin(class);
            // SAFETY: this thread's own cache; arenas live forever.
            unsafe {
                let cut = mem::take(&mut (*bin).cut);
                if cut != 0 {
                    (*self.arena).count_out(class, cut as usize);
                }
            }
        }
    }

    /// Gives what is left of the strip back.
    fn drop_strip(&mut self) {
        self.count_cut();
        // SAFETY: as in `cut`.
        let mut state = unsafe { &*self.arena }.lock();
        state.take_back(mem::replace(&mut self.bins.strip, Strip::none()));
        state.settle();
        state.audit();
    }

    /// Takes one of a class, refilling it first if it is empty; null when memory is exhausted.
    pub(crate) fn take_or_refill(&mut self, class: usize) -> *mut u8 {
        self.look_for_idle();
        if class::is_run(class) {
            let p = self.cut(class);
            if !p.is_null() {
                return p;
            }
        }
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            if (*bin).top() == (*bin).base {
                let size = class::size_of(class).max(1);
                let bytes = if class::is_run(class) {
                    BATCH_BYTES.1
                } else {
                    BATCH_BYTES.0
                };
                let ceiling = (bytes / size).max(1).min(most(class));
                let first = (FIRST_BYTES / size).clamp(1, FIRST);
                let batch = ((*bin).batch as usize * 2).max(first).min(ceiling);
                while (*bin).room() < batch && self.widen(class) {}
                let batch = batch.min((*bin).room());
                if batch == 0 {
                    return ptr::null_mut();
                }
                (*bin).batch = batch as u16;
                (*bin).busy = true;
                let mut state = (*self.arena).lock();
                let got = state.refill(class, slice::from_raw_parts_mut((*bin).base, batch));
                state.settle();
                state.audit();
                drop(state);
                (*bin).set_top((*bin).base.add(got));
            }
            if class::is_run(class) {
                super::take_object(class << BIN_SHIFT, 0, super::nothing)
            } else {
                super::take_chunk(class << BIN_SHIFT, 0, super::nothing)
            }
        }
    }

    /// Makes room for one more entry of a class: a longer array first, then the older half goes
    /// back. False when there is no memory for an array.
    pub(crate) fn make_room(&mut self, class: usize) -> bool {
        self.look_for_idle();
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            if (*bin).top() != (*bin).limit {
                return true;
            }
            let len = (*bin).len();
            let sparse = len >= MODEST && self.is_sparse(class, len);
            if !sparse && self.widen(class) {
                return true;
            }
            if (*bin).base.is_null() {
                return false;
            }
            if sparse && len > MODEST {
                self.empty(class, &mut Spill::new());
                return self.widen(class);
            }
            self.spill_older(class, len.div_ceil(2), &mut Spill::new());
            (*bin).busy = true;
        }
        true
    }

    /// Whether what the cache holds is a large part of what is left. After a peak it is: each
    /// cached object in another slot that cannot be given back, each cached chunk between two
    /// free ones that cannot merge.
    fn is_sparse(&mut self, class: usize, len: usize) -> bool {
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        let arena = unsafe { &*self.arena };
        if arena.idle.load(Relaxed) < SLACK {
            return false; // little could be given back
        }
        match arena.out.get(class) {
            Some(out) => {
                // SAFETY: this thread's own cache.
                let untold = unsafe { (*self.bin(class)).cut } as usize;
                out.load(Relaxed).wrapping_add(untold) < len * SPARSE
            }
            None => arena.live.load(Relaxed) < self.room * SPARSE,
        }
    }

    /// Gives all of a class back, and its array: the next one starts small.
    fn empty(&mut self, class: usize, to: &mut Spill) {
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            self.spill_older(class, (*bin).len(), to);
            let room = (*bin).room();
            self.drop_array(class);
            self.room -= room * class::size_of(class);
            (*bin).set_top(ptr::null_mut());
            ((*bin).base, (*bin).limit) = (ptr::null_mut(), ptr::null_mut());
            (*bin).batch = 0;
        }
    }

    /// The array every class begins with, a part of the cache itself.
    fn first_array(&mut self, class: usize) -> *mut Entry {
        (&raw mut self.first)
            .cast::<[Entry; FIRST]>()
            .wrapping_add((class + CLASSES - FIRST_CHUNK) % CLASSES)
            .cast()
    }

    /// Gives a class's array back to side memory, if it came from there.
    fn drop_array(&mut self, class: usize) {
        let (bin, first) = (self.bin(class), self.first_array(class));
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            if (*bin).base != first && !(*bin).base.is_null() {
                side::give(
                    (*bin).base.expose_provenance(),
                    (*bin).room() * size_of::<Entry>(),
                );
            }
        }
    }

    /// Gives the `n` oldest entries of a class back.
    fn spill_older(&mut self, class: usize, n: usize, to: &mut Spill) {
        let bin = self.bin(class);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            let base = (*bin).base;
            to.put(slice::from_raw_parts(base, n), class);
            let left = (*bin).len() - n;
            base.copy_from(base.add(n), left);
            (*bin).set_top(base.add(left));
        }
    }

    /// Doubles a class's array, within the class's limit and the budget.
    fn widen(&mut self, class: usize) -> bool {
        let bin = self.bin(class);
        let size = class::size_of(class);
        if !class::may_cache(class) {
            return false;
        }
        let (threads, limit) = (thread::count().max(1), most(class));
        let budget = (BUDGET.0 / threads).clamp(BUDGET.2, BUDGET.1);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
        unsafe {
            let old = (*bin).room();
            let mut new = if old == 0 { FIRST } else { old * 2 }.min(limit);
            if self.room + new.saturating_sub(old) * size > budget {
                // Beyond the budget the small classes, which are few, get a little all the same.
                new = if size <= class::EXACT_CHUNK {
                    LEAST.min(limit)
                } else {
                    0
                };
            }
            if new <= old {
                return false;
            }
            let base: *mut Entry = if old == 0 {
                self.first_array(class)
            } else if let Some(at) = side::take(new * size_of::<Entry>()) {
                ptr::with_exposed_provenance_mut(at)
            } else {
                return false;
            };
            let len = (*bin).len();
            if old != 0 {
                base.copy_from_nonoverlapping((*bin).base, len);
                self.drop_array(class);
            }
            (*bin).base = base;
            (*bin).set_top(base.add(len));
            (*bin).limit = base.add(new);
            self.room += (new - old) * size;
        }
        true
    }

    /// Every now and then, bins that nobody asked lose half of what they hold.
    fn look_for_idle(&mut self) {
        self.slow = self.slow.wrapping_add(1);
        if !self.slow.is_multiple_of(LOOK) {
            return;
        }
        self.count_cut();
        let mut to = Spill::new();
        for class in 1..CLASSES {
            let bin = self.bin(class);
            // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
            unsafe {
                let len = (*bin).len();
                if !(*bin).busy && len > FIRST {
                    self.spill_older(class, len.div_ceil(2), &mut to);
                    (*bin).batch = 0;
                } else if !(*bin).busy && !(*bin).base.is_null() {
                    self.empty(class, &mut to);
                }
                (*bin).busy = false;
            }
        }
    }

    /// Bytes that the arrays could hold at most.
    pub(super) fn capacity(&self) -> usize {
        self.room
    }

    /// Gives everything back, the arrays too.
    pub(super) fn drain(&mut self) {
        let mut to = Spill::new();
        for class in 1..CLASSES {
            // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
            if unsafe { !(*self.bin(class)).base.is_null() } {
                self.empty(class, &mut to);
            }
        }
        drop(to);
        self.drop_strip();
    }

    /// Gives everything back, for `malloc_trim`.
    pub(crate) fn flush(&mut self) {
        self.drop_strip();
        let mut to = Spill::new();
        for class in 1..CLASSES {
            let bin = self.bin(class);
            // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11).
            unsafe {
                if (*bin).len() != 0 {
                    self.spill_older(class, (*bin).len(), &mut to);
                }
            }
        }
    }
}

impl Bin {
    pub(super) fn len(&self) -> usize {
        (self.top().addr() - self.base.addr()) / size_of::<Entry>()
    }
    fn room(&self) -> usize {
        (self.limit.addr() - self.base.addr()) / size_of::<Entry>()
    }
}
