//! Requests of 0 bytes, which get the smallest object.
//!
//! On the fast path the size, rounded, is the bin: that of 0 bytes is bin 0, which is no class's, and
//! an instruction that leads it to the smallest class would be one for everybody. So bin 0 takes over
//! what the bin of the smallest objects holds, a batch at a time, and new ones where that is less: a
//! program that takes and frees one again and again finds the next ones ready, too. What is freed
//! goes back to the other bin, by its state.

use super::spill::Spill;
use super::{Cache, bin_at, no_object, take_object, thread};
use crate::arena::Entry;
use crate::class::BIN_SHIFT;
use crate::config::ALIGN;
use crate::side;
use core::{ptr, slice};

/// Entries that bin 0 takes over at a time.
const BATCH: usize = 32;
/// The smallest class of runs.
const LEAST: usize = 1;

/// An object for 0 bytes of those that were freed; null if there is none, or the cache cannot say.
pub(crate) fn take() -> *mut u8 {
    let from = bin_at(LEAST << BIN_SHIFT);
    // SAFETY: only this thread uses the bin.
    if unsafe { (*from).top() == (*from).base.get() } {
        return ptr::null_mut();
    }
    match thread::uncovered() {
        // SAFETY: this thread's own cache.
        Some(cache) if unsafe { (*cache).take_over() } => take_object(bin_at(0), 0, no_object),
        _ => ptr::null_mut(),
    }
}

impl Cache {
    /// Moves the newest of the smallest objects to bin 0; whether there are any.
    fn take_over(&self) -> bool {
        let (to, from) = (self.bin(0), self.bin(LEAST));
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11), of `from` at least
        // as long as the entries it holds.
        unsafe {
            if to.base.get().is_null() {
                let Some(at) = side::take(BATCH * size_of::<Entry>()) else {
                    return false;
                };
                let base: *mut Entry = ptr::with_exposed_provenance_mut(at);
                to.set_array(base, 0, BATCH);
            }
            if to.len() != 0 {
                return true;
            }
            let n = from.len().min(BATCH);
            let first = from.top().sub(n);
            to.base.get().copy_from_nonoverlapping(first, n);
            from.set_top(first);
            let mut all = n;
            if n < BATCH / 2 {
                let rest = slice::from_raw_parts_mut(to.base.get().add(n), BATCH - n);
                let mut state = (*self.arena).lock();
                all += state.refill(LEAST, rest);
                state.audit();
                state.settle();
            }
            to.set_top(to.base.get().add(all));
            all != 0
        }
    }

    /// Gives back what bin 0 holds.
    pub(super) fn spill_taken_over(&self, to: &mut Spill) {
        let bin = self.bin(0);
        // SAFETY: this thread's own cache; `[base, limit)` is side memory (I11), and what lies below
        // `top` are objects of the smallest class.
        unsafe {
            if bin.len() != 0 {
                to.put(slice::from_raw_parts_mut(bin.base.get(), bin.len()), LEAST);
                bin.set_top(bin.base.get());
            }
        }
    }

    /// Gives bin 0's array back, which holds nothing any more.
    pub(super) fn drop_taken_over(&self) {
        let bin = self.bin(0);
        let array = bin.base.get();
        if !array.is_null() {
            bin.set_array(ptr::null_mut(), 0, 0);
            // SAFETY: this thread's own cache; the array is side memory taken here, and the bin has it no
            // more.
            unsafe { side::give(array.expose_provenance(), BATCH * size_of::<Entry>()) };
        }
    }
}

const _: () = assert!(crate::layout::class::SIZE[LEAST] as usize == ALIGN);
