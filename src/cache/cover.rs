//! What a thread's word for taking leads to while its requests are counted: bins with what is counted
//! already (`stock`), and behind them the cache and the countdown.
//!
//! ```text
//!   to take --> | bins | strip | 0 | cache |
//!                                     |
//!   to put  --------------------------'--> | bins | strip | arena | ...
//! ```
//!
//! So no fast path is longer for it, and a free is as it is without. A request that the bins have
//! nothing for takes the slow way, which counts some objects ahead and moves them there; or lifts the
//! cover, does what the thread asked for with the cache it has, and lays the cover again.

use super::{Bin, Bins, Cache, no_object, take_of};
use crate::arena::strip::Strip;
use crate::arena::{Arena, Entry};
use crate::class::{CLASSES, FIRST_CHUNK};
use crate::side;
use crate::sync::tls;
use core::cell::{Cell, UnsafeCell};
use core::mem::{MaybeUninit, offset_of};
use core::ptr;

/// Classes that have a stock, those of runs, and class 0, which has none. A chunk takes longer to fill
/// than to count.
pub(super) const STOCKED: usize = FIRST_CHUNK;
/// Most objects of a class in stock.
pub(super) const MOST: usize = 16;

/// The arrays of the stock.
pub(super) type Stock = [[Entry; MOST]; STOCKED];
/// Of the next object of a class, whose number of bytes is a class's: how much of it is left where the
/// countdown to the next sample ends, and that to the next guarded object, and 1; 0 where none ends.
pub(crate) type Rests = [Cell<u16>; 2];

/// How far it is to the next object that is met.
pub(crate) struct Countdown {
    /// Bytes.
    pub(crate) left: Cell<isize>,
    /// The same among objects that are cut off the strip, which are counted for themselves: from the end
    /// of what the cover has of it.
    pub(crate) of_strip: Cell<isize>,
    /// The mean that these were drawn with.
    pub(crate) mean: Cell<usize>,
}

/// A cover.
#[repr(C)]
pub(crate) struct Cover {
    /// The stock. Nobody puts into it.
    pub(super) bins: [Bin; CLASSES],
    /// Never written.
    none: Bin,
    /// What was counted of the cache's strip. It is never as one that is all zeros, which tells a cover
    /// from the blanks.
    pub(super) strip: Strip,
    /// Null, which tells a cover from a cache.
    arena: *const Arena,
    pub(super) cache: *mut Cache,
    /// It is lifted: whoever comes now is a signal handler, or was called from below.
    lifted: Cell<bool>,
    /// To the next sample.
    pub(crate) sample: Countdown,
    /// To the next guarded object.
    pub(crate) guard: Countdown,
    /// Of the thread's own sequence of numbers.
    pub(crate) seed: Cell<u64>,
    /// Bytes that the piece of the strip would be longer, if no countdown ended there.
    pub(super) beyond: Cell<usize>,
    /// Classes of which a countdown ends in the next object ([`Rests`]).
    pub(super) ending: Cell<usize>,
    /// Of each class what is left of the countdowns that end behind its stock.
    pub(super) rests: [Rests; STOCKED],
    /// The arrays of the bins. What is not used stays untouched.
    pub(super) stock: UnsafeCell<MaybeUninit<Stock>>,
}

const _: () = assert!(offset_of!(Cover, arena) == offset_of!(Cache, arena));
const _: () = assert!(offset_of!(Cover, strip) == offset_of!(Bins, strip));
const _: () = assert!(offset_of!(Cache, arena) + size_of::<usize>() <= crate::class::BINS_ROOM);

impl Cover {
    /// A bin of the cache below.
    #[inline(always)]
    fn bin_at(&self, offset: usize) -> *const Bin {
        ptr::with_exposed_provenance(self.cache.expose_provenance() + offset)
    }

    /// As `malloc`'s fast path has it, below the cover; null where that is nothing.
    #[inline(always)]
    pub(crate) fn take(&self, n: usize) -> *mut u8 {
        take_of(|offset| self.bin_at(offset), n, no_object, no_object)
    }
}

/// The cover that this thread's word leads to.
#[inline(always)]
pub(crate) fn laid() -> Option<&'static Cover> {
    let cover: *const Cover = ptr::with_exposed_provenance(tls::to_take());
    // SAFETY: a cache has an arena there, and the two blanks have zeros in both places; what is left
    // is a cover, which lives as long as its cache.
    unsafe {
        let strip = &raw const (*cover).strip;
        let is_cover = (&raw const (*cover).arena).read().is_null() && (*strip).is_somebodys();
        is_cover.then(|| &*cover)
    }
}

/// Gives a cover's memory back.
///
/// # Safety
/// Null, or a cover of a cache that is nobody's any more.
pub(super) unsafe fn give(cover: *mut Cover) {
    if !cover.is_null() {
        // SAFETY: the caller's.
        unsafe { side::give(cover.expose_provenance(), size_of::<Cover>()) };
    }
}

/// A cover that is lifted. It is laid again when this is dropped.
pub(crate) struct Lifted(&'static Cover);

/// What was there to lift.
pub(crate) enum Lift {
    /// A cover, which this thread's word led to, or will.
    Lifted(Lifted),
    /// Nothing: somebody further out on this stack has lifted it.
    Already,
    /// Nothing: the thread has no cache, or there is no memory for a cover.
    Bare,
}

/// Lifts this thread's cover, if there is one.
#[inline]
pub(crate) fn lift() -> Option<Lifted> {
    let cover = laid()?;
    tls::set_to_take(cover.cache.expose_provenance());
    cover.lifted.set(true);
    cover.give_strip_back();
    Some(Lifted(cover))
}

impl Lifted {
    /// The countdown.
    pub(crate) fn cover(&self) -> &'static Cover {
        self.0
    }

    /// Leaves the cover off.
    pub(crate) fn leave_off(self) {
        self.0.forget_stock();
        self.0.lifted.set(false);
        core::mem::forget(self);
    }
}

impl Drop for Lifted {
    #[inline]
    fn drop(&mut self) {
        // Not where the thread has lost its cache meanwhile.
        if tls::to_take() == self.0.cache.expose_provenance() {
            tls::set_to_take(ptr::from_ref(self.0).expose_provenance());
        }
        self.0.lifted.set(false);
    }
}

/// The cover of this thread's cache, made if need be, and lifted: the word leads to the cache.
pub(super) fn made(cache: *mut Cache) -> Lift {
    // SAFETY: this thread's own cache.
    let place = unsafe { &(*cache).cover };
    if place.get().is_null() {
        let Some(at) = side::take(size_of::<Cover>()) else {
            return Lift::Bare;
        };
        let cover: *mut Cover = ptr::with_exposed_provenance_mut(at);
        // SAFETY: side memory just taken; zeros are a cover of no cache, and the arrays need no value.
        unsafe {
            cover.cast::<u8>().write_bytes(0, offset_of!(Cover, stock));
            (&raw mut (*cover).strip).write(Strip::borrower());
            (*cover).cache = cache;
        }
        place.set(cover);
    }
    // SAFETY: made above or before; it lives as long as the cache.
    let cover: &'static Cover = unsafe { &*place.get() };
    if cover.lifted.replace(true) {
        return Lift::Already;
    }
    Lift::Lifted(Lifted(cover))
}
