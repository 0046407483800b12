//! The arrays of a cache: how long each may be, and where they lie.

use super::{Bin, Cache, MOST, Use, thread};
use crate::arena::Entry;
use crate::arena::strip::Strip;
use crate::class::{self, CLASSES, FIRST_CHUNK};
use crate::config::ALIGN;
use crate::{limit, settings, side};
use core::ptr;
use core::sync::atomic::{Ordering::SeqCst, compiler_fence};

/// First room of an array, entries.
pub(super) const FIRST: usize = 8;
/// Room of a small class beyond the budget, entries.
const LEAST: usize = 2;
/// Most bytes that wait in one class: up to 1 KiB of request, and above. The wide classes are
/// many, and one visit to the arena is little against using such a chunk: with 32 KiB in each,
/// `git log` kept 0.4 MB more; with 8, 3,000 objects of mixed sizes kept 0.2 MB more for 3 % of
/// their instructions.
const CLASS_BYTES: (usize, usize) = (32 << 10, 9 << 9);
/// All caches together, the most and the least one may have, bytes.
const BUDGET: (usize, usize, usize) = (16 << 20, 3 << 19, 64 << 10);
/// Bytes that an entry weighs at least in a class that is only freed into: it may be the last
/// object on its page.
const LEAST_WEIGHT: usize = 256;

impl Cache {
    pub(super) fn bin(&self, class: usize) -> &Bin {
        let bins: *const Bin = self.bins.get().cast();
        // SAFETY: the index is cut to the array's length; nobody has more than a shared reference.
        unsafe { &*bins.add(class.min(CLASSES - 1)) }
    }

    pub(super) fn strip(&self) -> &Strip {
        // SAFETY: as in `bin`.
        unsafe { &(*self.bins.get()).strip }
    }

    pub(super) fn usage(&self, class: usize) -> &Use {
        let uses: *const Use = self.uses.get().cast();
        // SAFETY: as in `bin`.
        unsafe { &*uses.add(class.min(CLASSES - 1)) }
    }

    /// The most entries that a class may have.
    pub(super) fn most(class: usize) -> usize {
        let size = class::size_of(class).max(1);
        let count = if class::is_run(class) { MOST.0 } else { MOST.1 };
        let bytes = if size <= class::EXACT_CHUNK {
            CLASS_BYTES.0
        } else {
            CLASS_BYTES.1
        };
        count.min(settings::cache_count()).min(bytes / size).max(1)
    }

    /// The array every class begins with, a part of the cache itself.
    fn first_array(&self, class: usize) -> *mut Entry {
        self.first
            .get()
            .cast::<[Entry; FIRST]>()
            .wrapping_add((class + CLASSES - FIRST_CHUNK) % CLASSES)
            .cast()
    }

    /// Doubles a class's array, within the class's limit and the budget.
    pub(super) fn widen(&self, class: usize) -> bool {
        let old = self.bin(class).room();
        let new = if old == 0 { FIRST } else { old * 2 };
        self.widen_to(class, new.min(Self::most(class)))
    }

    /// Makes a class's array so long, if that is longer, and the budget allows it.
    pub(super) fn widen_to(&self, class: usize, mut new: usize) -> bool {
        let (old, size) = (self.bin(class).room(), class::size_of(class));
        if !class::may_cache(class) {
            return false;
        }
        if self.room.get() + new.saturating_sub(old) * size > budget() {
            // Beyond the budget the small classes, which are few, get a little all the same.
            new = if size <= class::EXACT_CHUNK {
                LEAST.min(Self::most(class))
            } else {
                0
            };
        }
        new > old && self.set_room(class, new)
    }

    /// Gives a class an array of another length, which holds what it has. False when there is no
    /// memory for it.
    pub(super) fn set_room(&self, class: usize, new: usize) -> bool {
        let (bin, first) = (self.bin(class), self.first_array(class));
        let (old, len) = (bin.room(), bin.len());
        let base: *mut Entry = if new == 0 {
            ptr::null_mut()
        } else if new <= FIRST {
            first
        } else if let Some(at) = side::take(new * size_of::<Entry>()) {
            ptr::with_exposed_provenance_mut(at)
        } else {
            return false;
        };
        let before = bin.base.get();
        // SAFETY: this thread's own cache; arrays are part of it or side memory (I11), and the new
        // one has room for the entries there are.
        unsafe {
            if len != 0 {
                base.copy_from(before, len);
            }
        }
        bin.set_array(base, len, new);
        if old > FIRST {
            // SAFETY: as above; the bin has it no more.
            unsafe { side::give(before.expose_provenance(), old * size_of::<Entry>()) };
        }
        let size = class::size_of(class);
        if !class::is_run(class) {
            bin.cut_or_size.set(size as u32);
        }
        self.room.set(self.room.get() + new * size - old * size);
        if self.usage(class).given.get() {
            let given = self.given.get() + new * weight(class);
            self.given.set(given - old * weight(class));
        }
        true
    }

    /// Bytes of the budget that the arrays leave.
    pub(super) fn spare(&self) -> usize {
        budget().saturating_sub(self.room.get())
    }

    /// Bytes that the arrays could hold at most.
    pub(super) fn capacity(&self) -> usize {
        self.room.get()
    }
}

/// Bytes that a cache may hold.
fn budget() -> usize {
    let threads = thread::count().max(1);
    let most = (BUDGET.0 / threads).clamp(BUDGET.2, BUDGET.1);
    if limit::is_near() { BUDGET.2 } else { most }
}

/// What an entry of a class weighs that is only freed into.
pub(super) fn weight(class: usize) -> usize {
    class::size_of(class).max(LEAST_WEIGHT)
}

impl Bin {
    /// Gives the bin another array, whose first `len` places are entries.
    ///
    /// A thread changes its cache without a lock, so who reads it from outside may find the bin between
    /// any two of these stores: while there is no base, it counts for nothing.
    pub(super) fn set_array(&self, base: *mut Entry, len: usize, room: usize) {
        self.base.set(ptr::null_mut());
        compiler_fence(SeqCst);
        self.set_top(base.wrapping_add(len));
        self.limit.set(base.wrapping_add(room));
        compiler_fence(SeqCst);
        self.base.set(base);
    }
    /// The entry in the middle of the array, the low half of its granule's number; 0 if there is
    /// none, or a number that is as good.
    pub(super) fn middle(&self) -> u32 {
        let half = self.room() / 2;
        if half == 0 || self.len() < half {
            return 0;
        }
        // SAFETY: an entry; `[base, top)` are.
        (unsafe { (*self.base.get().add(half - 1)).p } / ALIGN) as u32
    }
    pub(super) fn len(&self) -> usize {
        (self.top().addr() - self.base.get().addr()) / size_of::<Entry>()
    }
    pub(super) fn room(&self) -> usize {
        (self.limit.get().addr() - self.base.get().addr()) / size_of::<Entry>()
    }
}
