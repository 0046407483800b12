//! What a thread's word leads to while each of its requests is counted: bins that are empty and full
//! at once, as before the thread had a cache, and behind them the cache and the countdown.
//!
//! ```text
//!   word --> | bins and strip, all zero but | cache | 0 |
//!                                              '--> | bins | strip | arena | ...
//! ```
//!
//! So no fast path is longer for it. Every operation takes the slow way, which lifts the cover, does
//! what the thread asked for with the cache it has, and lays the cover again.

use super::{Bin, Bins, Cache, cut_of, no_object, put, take_of};
use crate::arena::Arena;
use crate::arena::strip::Strip;
use crate::side;
use crate::sync::tls;
use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;

/// How far it is to the next object that is met.
pub(crate) struct Countdown {
    /// Bytes.
    pub(crate) left: Cell<isize>,
    /// The mean that these were drawn with.
    pub(crate) mean: Cell<usize>,
}

/// Where a strip's word is behind the bins.
const WORD: usize = offset_of!(Bins, strip) + Strip::WORD;

/// A cover.
#[repr(C)]
pub(crate) struct Cover {
    /// Never written.
    bins: [u8; WORD],
    /// In the place of the strip's word, which nobody reads where the strip is empty.
    cache: *mut Cache,
    /// Null, which tells a cover from a cache.
    arena: *const Arena,
    /// It is lifted: whoever comes now is a signal handler, or was called from below.
    lifted: Cell<bool>,
    /// To the next sample.
    pub(crate) sample: Countdown,
    /// To the next guarded object.
    pub(crate) guard: Countdown,
    /// Of the thread's own sequence of numbers.
    pub(crate) seed: Cell<u64>,
}

const _: () = assert!(offset_of!(Cover, arena) == offset_of!(Cache, arena));
const _: () = assert!(offset_of!(Cover, cache) == WORD);
const _: () = assert!(offset_of!(Cache, arena) + size_of::<usize>() <= crate::class::BINS_ROOM);

impl Cover {
    #[inline(always)]
    fn bin_at(&self, offset: usize) -> *const Bin {
        ptr::with_exposed_provenance(self.cache.expose_provenance() + offset)
    }

    /// As `malloc`'s fast path has it, below the cover.
    #[inline(always)]
    pub(crate) fn take_or(&self, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
        take_of(|offset| self.bin_at(offset), n, otherwise, otherwise)
    }

    /// As the strip has it; null where that is nothing.
    #[inline(always)]
    pub(crate) fn cut(&self, n: usize) -> *mut u8 {
        cut_of(|| self.cache.expose_provenance(), n, no_object)
    }

    /// As `free`'s fast path has it; false where it does not do, and nothing was changed.
    #[inline(always)]
    pub(crate) fn put(&self, p: usize) -> bool {
        put::put_of(|offset| self.bin_at(offset), p)
    }
}

/// The cover that this thread's word leads to.
#[inline(always)]
pub(crate) fn laid() -> Option<&'static Cover> {
    let cover: *const Cover = ptr::with_exposed_provenance(tls::get());
    // SAFETY: a cache has an arena there, and the two blanks have zeros in both places; what is left
    // is a cover, which lives as long as its cache.
    unsafe {
        let is_cover = (&raw const (*cover).arena).read().is_null()
            && !(&raw const (*cover).cache).read().is_null();
        is_cover.then(|| &*cover)
    }
}

/// The cache below this thread's cover.
pub(super) fn beneath() -> Option<*mut Cache> {
    laid().map(|cover| cover.cache)
}

/// Takes this thread's cover off for good; the cache below it, if there was one.
pub(super) fn drop_off() -> Option<*mut Cache> {
    let cache = beneath()?;
    tls::set(cache.expose_provenance());
    Some(cache)
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
    tls::set(cover.cache.expose_provenance());
    cover.lifted.set(true);
    Some(Lifted(cover))
}

impl Lifted {
    /// The countdown.
    pub(crate) fn cover(&self) -> &'static Cover {
        self.0
    }

    /// Leaves the cover off.
    pub(crate) fn leave_off(self) {
        self.0.lifted.set(false);
        core::mem::forget(self);
    }
}

impl Drop for Lifted {
    #[inline]
    fn drop(&mut self) {
        // Not where the thread has lost its cache meanwhile.
        if tls::get() == self.0.cache.expose_provenance() {
            tls::set(ptr::from_ref(self.0).expose_provenance());
        }
        self.0.lifted.set(false);
    }
}

/// The cover of this thread's cache, made if need be, and lifted: the word leads to the cache.
pub(super) fn made(cache: *mut Cache) -> Lift {
    // SAFETY: this thread's own cache.
    let place = unsafe { &(*cache).cover };
    if place.get().is_null() {
        let Some(at) = side::zeroed(size_of::<Cover>()) else {
            return Lift::Bare;
        };
        let cover: *mut Cover = ptr::with_exposed_provenance_mut(at);
        // SAFETY: side memory just taken; zeros are a cover of no cache.
        unsafe { (*cover).cache = cache };
        place.set(cover);
    }
    // SAFETY: made above or before; it lives as long as the cache.
    let cover: &'static Cover = unsafe { &*place.get() };
    if cover.lifted.replace(true) {
        return Lift::Already;
    }
    Lift::Lifted(Lifted(cover))
}
