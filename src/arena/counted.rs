//! What slow paths have done, counted as `layout::counters` shows it.

use super::State;
use crate::layout::counters::Counters;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A count. One thread at a time adds to it, who holds the lock that guards it.
#[repr(transparent)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
    /// Adds; the lock that guards it is held.
    #[inline]
    pub(super) fn add(&self, n: usize) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// None so far.
    fn clear(&self) {
        self.0.store(0, Relaxed);
    }
    /// How many so far.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// The counters of an arena. `purges` and `purged` are guarded by what is held while the kernel is
/// asked, all others by the arena's lock.
#[repr(C)]
pub(crate) struct Counted {
    pub growths: Count,
    pub grown: Count,
    pub shrunk: Count,
    pub sweeps: Count,
    pub looks: Count,
    pub purges: Count,
    pub purged: Count,
    pub refused: Count,
}

/// Each lies where readers look for it.
macro_rules! lies_as_shown {
    ($($field:ident)*) => {
        const _: () = assert!(
            size_of::<Counted>() == size_of::<Counters>()
                $(&& offset_of!(Counted, $field) == offset_of!(Counters, $field))*
        );
    };
}
lies_as_shown!(growths grown shrunk sweeps looks purges purged refused);

impl Counted {
    /// Nothing so far.
    pub(super) const fn new() -> Self {
        Self {
            growths: Count::new(),
            grown: Count::new(),
            shrunk: Count::new(),
            sweeps: Count::new(),
            looks: Count::new(),
            purges: Count::new(),
            purged: Count::new(),
            refused: Count::new(),
        }
    }
    /// The same again: both locks that guard them are held.
    pub(super) fn clear(&self) {
        let Self {
            growths,
            grown,
            shrunk,
            sweeps,
            looks,
            purges,
            purged,
            refused,
        } = self;
        let all = [
            growths, grown, shrunk, sweeps, looks, purges, purged, refused,
        ];
        for count in all {
            count.clear();
        }
    }
}

impl State {
    /// What its slow paths have done.
    pub(super) fn counters(&self) -> &'static Counted {
        // SAFETY: `me` is set by every lock, and arenas live forever (I11).
        unsafe { &(*self.me).counters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::thread;
    use crate::config::REGION;
    use crate::layout::counters::{self, OFFSET};
    use crate::os::scripted;
    use crate::routes;
    use core::ptr;
    use std::vec::Vec;

    /// The counters of this thread's arena, as a reader outside finds them.
    fn counted() -> Counters {
        let arena = ptr::from_ref(thread::arena());
        // SAFETY: so many bytes stand there; this process has one thread.
        let bytes = unsafe {
            arena
                .byte_add(OFFSET)
                .cast::<[u8; counters::BYTES]>()
                .read()
        };
        Counters::read(&bytes)
    }

    fn everything_is_counted() -> bool {
        const BYTES: usize = 8 << 20;
        let all: Vec<_> = (0..BYTES / 1000).map(|_| routes::allocate(1000)).collect();
        let before = counted();
        let grew =
            before.growths != 0 && before.grown >= BYTES && before.growths <= before.grown / REGION;
        for p in all {
            routes::release(p);
        }
        thread::flush();
        scripted::refuse_all(true);
        thread::arena().trim(0);
        scripted::refuse_all(false);
        let is_refused = counted().refused > before.refused;
        thread::arena().trim(0);
        let now = counted();
        grew && is_refused
            && now.shrunk > before.shrunk
            && now.sweeps > before.sweeps
            && now.looks > before.looks
            && now.purges > before.purges
            && now.purged >= before.purged + BYTES / 2
    }

    /// Each counter counts what its name says, where a reader outside looks for it.
    #[test]
    fn what_slow_paths_do_is_counted() {
        assert!(scripted::holds_in_child(everything_is_counted));
    }
}
