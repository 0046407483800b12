//! A spin lock whose word is its owner, with a wait that spins, then yields, then sleeps.
//!
//! Pure spinning loses when threads outnumber CPUs: the holder is not running, and every spin
//! keeps it from running. The owner's name is needed by `fork` (skip what the caller itself
//! holds) and turns a signal handler's re-entry into a message instead of a hang. It is the lock
//! word itself, not a second word beside `spin`'s mutex: a signal between the two writes found
//! the lock taken by nobody, and 12 of 40 forks from a handler waited for themselves.

use crate::{fatal, os};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use spin::relax::{RelaxStrategy, Spin};

/// Tries before the first yield: about as long as a short hold takes on another CPU.
const SPINS: u32 = 100;
/// Yields before the first sleep.
const YIELDS: u32 = 16;
/// First and longest sleep, nanoseconds.
const SLEEP: (i64, i64) = (20_000, 1_000_000);

/// How often any lock was taken.
#[cfg(feature = "stats")]
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// How often any lock was taken since the start, by all threads.
#[cfg(feature = "stats")]
pub(crate) fn taken() -> usize {
    TAKEN.load(Relaxed)
}

/// A lock without data; what it guards says so where it is declared.
pub(crate) struct Lock {
    /// Thread pointer of the holder, 0 while free.
    owner: AtomicUsize,
    /// The nesting depth of the fork that took it, 0 for none, and [`WITHIN`]. Written by the
    /// holder alone.
    fork: AtomicUsize,
}

/// A call within a fork holds the lock that the fork took.
const WITHIN: usize = 1 << (usize::BITS - 1);

/// Proof that the lock is held; gives it back when dropped, to the fork if that took it.
pub(crate) struct Guard<'a> {
    lock: &'a Lock,
    within: bool,
}

impl Lock {
    /// A free lock.
    pub(crate) const fn new() -> Self {
        Self {
            owner: AtomicUsize::new(0),
            fork: AtomicUsize::new(0),
        }
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn acquire(&self) -> Guard<'_> {
        let within = !self.try_take() && self.wait();
        Guard { lock: self, within }
    }

    /// Takes the lock without a guard, as `fork`'s handlers must, which know that they do not
    /// have it.
    #[inline]
    pub(crate) fn take(&self) {
        if !self.try_take() {
            self.wait();
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        let me = super::tls::thread();
        let taken = self.owner.compare_exchange(0, me, Acquire, Relaxed).is_ok();
        #[cfg(feature = "stats")]
        TAKEN.fetch_add(usize::from(taken), Relaxed);
        taken
    }

    /// Whether a fork of this thread has the lock, and nothing is under way behind it: then a
    /// handler of `pthread_atfork` allocates, which was registered before Cairn's. From here on
    /// something is.
    fn enter_fork(&self) -> bool {
        let fork = self.fork.load(Relaxed);
        let enters = fork != 0 && fork & WITHIN == 0;
        if enters {
            self.fork.store(fork | WITHIN, Relaxed);
        }
        enters
    }

    /// Waits until the lock is this thread's; whether it was all the time, by a fork.
    #[cold]
    #[inline(never)]
    fn wait(&self) -> bool {
        if self.is_mine() {
            if self.enter_fork() {
                return true;
            }
            fatal::end_if_dying();
            fatal::die(
                "cairn: allocator entered again by a signal handler",
                core::ptr::from_ref(self).addr(),
            );
        }
        let (mut round, mut nap) = (0, SLEEP.0);
        loop {
            // Look before the exchange: a failed exchange takes the line from the holder too.
            if self.owner.load(Relaxed) == 0 && self.try_take() {
                return false;
            }
            round += 1;
            if round <= SPINS {
                Spin::relax();
            } else if round <= SPINS + YIELDS {
                os::yield_now();
            } else {
                os::sleep(nap);
                nap = (nap * 2).min(SLEEP.1);
            }
        }
    }

    /// Whether the calling thread holds it.
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.load(Relaxed) == super::tls::thread()
    }

    /// The depth of the fork that took it, 0 for none.
    pub(crate) fn fork_depth(&self) -> usize {
        self.fork.load(Relaxed) & !WITHIN
    }

    /// Notes that a fork took it, or, with 0, that it is about to be given back. The lock is held.
    pub(crate) fn set_fork_depth(&self, depth: usize) {
        self.fork.store(depth, Relaxed);
    }

    /// Gives back a lock that [`Lock::take`] took.
    ///
    /// # Safety
    /// The calling thread holds it (in a fork's child: held it in the parent) and no guard for
    /// it is alive.
    #[inline]
    pub(crate) unsafe fn release(&self) {
        self.owner.store(0, Release);
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.within {
            self.lock.set_fork_depth(self.lock.fork_depth());
            return;
        }
        // SAFETY: a guard exists only while its thread holds the lock.
        unsafe { self.lock.release() };
    }
}
