//! A bell: one thread sleeps until another has something for it.
//!
//! Who is to sleep says so first, then looks whether there is anything, then sleeps. Who has
//! something writes it down first, then looks whether anybody sleeps. So one of the two sees the
//! other, and no timer is needed.

use crate::os;
use crate::os::handles::Handle;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};

/// Nobody hears it.
const SILENT: usize = 0;
/// Who hears it is at work.
const AWAKE: usize = 1;
/// Who hears it sleeps, or is about to.
const ASLEEP: usize = 2;
/// How long a nap is where the kernel lets nobody sleep on a word, nanoseconds.
const NAP: i64 = 100_000_000;

/// For one sleeper.
pub(crate) struct Bell {
    word: AtomicUsize,
    /// Rings where the sleeper waits for descriptors too; else there is none.
    pub(crate) rope: Handle,
}

impl Bell {
    /// One that nobody hears.
    pub(crate) const fn new() -> Self {
        Self {
            word: AtomicUsize::new(SILENT),
            rope: Handle::new(),
        }
    }

    /// Nobody hears it from now on.
    pub(crate) fn silence(&self) {
        self.word.store(SILENT, Relaxed);
    }

    /// Whoever hears it is at work.
    pub(crate) fn get_up(&self) {
        self.word.store(AWAKE, Relaxed);
    }

    /// Whoever hears it is about to sleep, and looks around once more.
    pub(crate) fn lie_down(&self) {
        self.word.store(ASLEEP, SeqCst);
        fence(SeqCst);
    }

    /// Sleeps until it rings, after [`Self::lie_down`]. Sees what who rang had written down.
    pub(crate) fn wait(&self) {
        while self.is_quiet() {
            if !os::wait(&self.word, ASLEEP) {
                os::sleep(NAP);
            }
        }
    }

    /// Whether it has not rung, after [`Self::lie_down`].
    pub(crate) fn is_quiet(&self) -> bool {
        self.word.load(Acquire) == ASLEEP
    }

    /// Whether somebody sleeps. Who has written something down under a lock that the sleeper takes
    /// for its look asks under that lock; others fence first.
    #[inline]
    pub(crate) fn is_heard_asleep(&self) -> bool {
        self.word.load(Relaxed) == ASLEEP
    }

    /// Wakes the sleeper, if there is one. Keeps `errno`. No lock is held.
    #[cold]
    #[inline(never)]
    pub(crate) fn ring(&self) {
        let woken = self
            .word
            .compare_exchange(ASLEEP, AWAKE, Release, Relaxed)
            .is_ok();
        if woken {
            os::wake(&self.word);
            if self.rope.is_there() {
                self.rope.write(b"!");
            }
        }
    }

    /// As [`Self::ring`], after something that was written down without a lock.
    pub(crate) fn ring_after_store(&self) {
        fence(SeqCst);
        if self.is_heard_asleep() {
            self.ring();
        }
    }
}
