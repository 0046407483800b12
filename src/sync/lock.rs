//! `spin`'s mutex behind a wait that spins, then yields, then sleeps, and an owner's name.
//!
//! Pure spinning loses when threads outnumber CPUs: the holder is not running, and every spin
//! keeps it from running. The owner is recorded for `fork` (skip what the caller itself holds)
//! and to turn a signal handler's re-entry into a message instead of a hang.

use crate::{fatal, os};
use core::sync::atomic::{AtomicUsize, Ordering};
use spin::mutex::SpinMutex;

/// Tries before the first yield: about as long as a short hold takes on another CPU.
const SPINS: u32 = 100;
/// Yields before the first sleep.
const YIELDS: u32 = 16;
/// First and longest sleep, nanoseconds.
const SLEEP: (i64, i64) = (20_000, 1_000_000);

/// A lock without data; what it guards says so where it is declared.
pub struct Lock {
    mutex: SpinMutex<()>,
    /// Thread pointer of the holder, 0 while free. Written by the holder alone.
    owner: AtomicUsize,
}

/// Proof that the lock is held; gives it back when dropped.
pub struct Guard<'a>(&'a Lock);

impl Lock {
    /// A free lock.
    pub const fn new() -> Self {
        Self {
            mutex: SpinMutex::new(()),
            owner: AtomicUsize::new(0),
        }
    }

    /// Waits for the lock.
    #[inline]
    pub fn acquire(&self) -> Guard<'_> {
        self.take();
        Guard(self)
    }

    /// Takes the lock without a guard, as `fork`'s handlers must.
    #[inline]
    pub fn take(&self) {
        if !self.try_take() {
            self.wait();
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        let Some(held) = self.mutex.try_lock() else {
            return false;
        };
        core::mem::forget(held);
        self.owner.store(super::tls::thread(), Ordering::Relaxed);
        true
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        if self.is_mine() {
            fatal::die(
                "cairn: allocator entered again by a signal handler",
                core::ptr::from_ref(self).addr(),
            );
        }
        let (mut round, mut nap) = (0, SLEEP.0);
        while !self.try_take() {
            round += 1;
            if round <= SPINS {
                core::hint::spin_loop();
            } else if round <= SPINS + YIELDS {
                os::yield_now();
            } else {
                os::sleep(nap);
                nap = (nap * 2).min(SLEEP.1);
            }
        }
    }

    /// Whether the calling thread holds it.
    pub fn is_mine(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == super::tls::thread()
    }

    /// Gives back a lock that [`Lock::take`] took.
    ///
    /// # Safety
    /// The calling thread holds it (in a fork's child: held it in the parent) and no guard for
    /// it is alive.
    #[inline]
    pub unsafe fn release(&self) {
        self.owner.store(0, Ordering::Relaxed);
        // SAFETY: held, by the caller's word; the guard of `try_take` was forgotten.
        unsafe { self.mutex.force_unlock() };
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a guard exists only while its thread holds the lock.
        unsafe { self.0.release() };
    }
}
