//! A lock whose word is its owner: whoever waits spins for a moment, then sleeps in the kernel.
//!
//! Where threads outnumber CPUs the holder is mostly not running, and every spin keeps it from
//! running; a real-time thread that spins above it keeps it off for ever. So the spin is short,
//! shorter where it was in vain lately, and then the waiter sleeps on the word (futex, as in
//! Drepper, "Futexes Are Tricky"). The owner's name is needed by `fork` (skip what the caller
//! itself holds) and turns a signal handler's re-entry into a message instead of a hang. It is the
//! lock word itself, not a second word beside `spin`'s mutex: a signal between the two writes found
//! the lock taken by nobody, and 12 of 40 forks from a handler waited for themselves.

use crate::{fatal, os};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use spin::relax::{RelaxStrategy, Spin};

/// Looks at a lock before the waiter sleeps: about as long as a short hold takes on another CPU.
const LOOKS: usize = 100;
/// How often their number is halved at most: what is left matters little where there is no other
/// CPU, and finds out when there is one again.
const HALVED: usize = 5;
/// Where the kernel lets nobody sleep on a word (a sandbox refuses `futex`): yields before the
/// first nap, then the first and the longest nap, nanoseconds.
const YIELDS: u32 = 16;
const NAP: (i64, i64) = (20_000, 1_000_000);

/// A bit of the word that no thread pointer has, since all are aligned.
const WAITERS: usize = 1;

/// How often the next waiter's looks are halved: once more after each spin that was in vain, once
/// less after each that got a lock. On one CPU none ever does.
static IN_VAIN: AtomicUsize = AtomicUsize::new(0);

/// How often any lock was taken.
#[cfg(feature = "stats")]
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// How often any lock was taken since the start, by all threads.
#[cfg(feature = "stats")]
pub(crate) fn taken() -> usize {
    TAKEN.load(Relaxed)
}

#[cfg(feature = "stats")]
static WAITED_FOR: AtomicUsize = AtomicUsize::new(0);

/// How often any lock was another thread's when it was asked for, since the start, by all threads.
#[cfg(feature = "stats")]
pub(crate) fn waited_for() -> usize {
    WAITED_FOR.load(Relaxed)
}

#[cfg(feature = "stats")]
static WAITED: AtomicUsize = AtomicUsize::new(0);

/// Nanoseconds that threads waited for any lock, since the start, all together.
#[cfg(feature = "stats")]
pub(crate) fn waited() -> usize {
    WAITED.load(Relaxed)
}

/// A lock without data; what it guards says so where it is declared.
#[repr(C)]
pub(crate) struct Lock {
    /// Who holds it, and whether somebody sleeps. `T` is a thread pointer.
    ///
    /// | word | means | next |
    /// | --- | --- | --- |
    /// | 0 | free | whoever comes: `T`; whoever has slept: `T + WAITERS` |
    /// | `T` | held, and nobody sleeps who must be woken | its holder: 0; who is about to sleep: `T + WAITERS` |
    /// | `T + WAITERS` | held, and threads may sleep | its holder: 0, and then it wakes one |
    ///
    /// While a thread sleeps, the word has `WAITERS`, or its holder is about to wake one, or one
    /// that has slept is on its way and sets it: with the lock, or before it sleeps again. So
    /// whoever has slept takes the lock with `WAITERS`; where nobody else sleeps, that costs a
    /// system call. A thread on its way has no right to the lock: whoever comes first gets it, and
    /// nobody waits for a thread that a signal handler, or one of higher priority, keeps away.
    /// In the child of a `fork` the bit may tell of threads that are gone; that nobody is woken
    /// is all that comes of it.
    ///
    /// The kernel compares the lower half of the word, which has the bit (both targets are
    /// little-endian). Two pointers may share that half: whoever is the holder, a thread sleeps
    /// only where the half has `WAITERS`.
    owner: AtomicUsize,
    /// The nesting depth of the fork that took it, 0 for none, and [`WITHIN`]. Written by the
    /// holder alone.
    fork: AtomicUsize,
}

/// A reader outside looks at the first word.
const _: () = assert!(core::mem::offset_of!(Lock, owner) == 0);

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

    /// The lock, if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self) -> Option<Guard<'_>> {
        // A guard must not exist for a moment where the lock is another's: it would give it back.
        self.try_take().then(|| Guard {
            lock: self,
            within: false,
        })
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
        self.try_take_as(0)
    }

    /// Takes the lock if it is free, with `mark` in its word.
    #[inline(always)]
    fn try_take_as(&self, mark: usize) -> bool {
        let me = super::tls::thread() | mark;
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
        #[cfg(feature = "stats")]
        let began = os::nanoseconds();
        self.wait_for_others();
        #[cfg(feature = "stats")]
        WAITED.fetch_add(os::nanoseconds().wrapping_sub(began), Relaxed);
        false
    }

    /// Spins, then sleeps, until the lock is this thread's.
    fn wait_for_others(&self) {
        #[cfg(feature = "stats")]
        WAITED_FOR.fetch_add(1, Relaxed);
        let in_vain = IN_VAIN.load(Relaxed);
        let most = LOOKS >> in_vain;
        // `WAITERS` once it was about to sleep.
        let mut mark = 0;
        let (mut looks, mut refusals) = (0, 0);
        loop {
            // Look before the exchange: a failed exchange takes the line from the holder too.
            let seen = self.owner.load(Relaxed);
            if seen == 0 {
                if self.try_take_as(mark) {
                    break;
                }
            } else if seen & WAITERS == 0 && looks < most {
                looks += 1;
                Spin::relax();
            } else if self.mark_waiting(seen) {
                if looks == most {
                    IN_VAIN.store((in_vain + 1).min(HALVED), Relaxed);
                }
                (mark, looks) = (WAITERS, 0);
                if !os::wait(&self.owner, seen | WAITERS) {
                    rest(refusals);
                    refusals += 1;
                }
            }
        }
        if looks != 0 {
            IN_VAIN.store(in_vain.saturating_sub(1), Relaxed);
        }
    }

    /// Notes in a held lock's word, which was `seen`, that somebody is about to sleep.
    fn mark_waiting(&self, seen: usize) -> bool {
        seen & WAITERS != 0
            || self
                .owner
                .compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed)
                .is_ok()
    }

    /// Wakes one of those who sleep, after a release.
    #[cold]
    #[inline(never)]
    fn wake(&self) {
        os::wake(&self.owner);
    }

    /// Whether the calling thread holds it.
    pub(crate) fn is_mine(&self) -> bool {
        self.owner.load(Relaxed) & !WAITERS == super::tls::thread()
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
        if self.owner.swap(0, Release) & WAITERS != 0 {
            self.wake();
        }
    }
}

/// Waits without the kernel's help, for the `refusals`th time. Keeps `errno`.
fn rest(refusals: u32) {
    let errno = os::errno();
    match refusals.checked_sub(YIELDS) {
        None => os::yield_now(),
        Some(naps) => os::sleep((NAP.0 << naps.min(10)).min(NAP.1)),
    }
    os::set_errno(errno);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_lock_has_one_holder_whether_or_not_the_kernel_lets_threads_sleep() {
        const TURNS: usize = 2000;
        for sleepless in [false, true] {
            let (lock, count) = (Lock::new(), AtomicUsize::new(0));
            let take_turns = || {
                if sleepless {
                    os::scripted::let_nobody_sleep();
                }
                for _ in 0..TURNS {
                    let _held = lock.acquire();
                    let seen = count.load(Relaxed);
                    // Now and then the holder goes away.
                    if seen.is_multiple_of(64) {
                        thread::yield_now();
                    }
                    count.store(seen + 1, Relaxed);
                }
            };
            thread::scope(|s| {
                for _ in 0..4 {
                    s.spawn(take_turns);
                }
            });
            assert_eq!(count.load(Relaxed), 4 * TURNS, "sleepless: {sleepless}");
            assert_eq!(lock.owner.load(Relaxed), 0);
        }
    }
}
