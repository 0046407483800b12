//! `fork`: the child is whole because no other thread is inside the allocator when it is made.
//!
//! The handlers take every lock in the written order and give them back in parent and child. A
//! lock that the forking thread itself holds (a signal handler that interrupted the allocator
//! forks) is left to it on both sides: the interrupted call goes on in both. `_Fork` runs no
//! handlers; what holds after it is in the README.

use super::start;
use crate::sync::Lock;
use crate::{arenas, cache, mapped, side};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Locks besides the arenas' that come before, and after them.
const BEFORE: usize = 2;
const AFTER: usize = 2;

/// Which locks of the order the forking thread took; written with all of them held.
static TAKEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// All locks in their order: start, arena table, arenas by index, mapped chunks, side memory.
fn locks() -> impl Iterator<Item = &'static Lock> {
    let before: [&'static Lock; BEFORE] = [&start::LOCK, &arenas::LOCK];
    let after: [&'static Lock; AFTER] = [&mapped::LOCK, &side::LOCK];
    before
        .into_iter()
        .chain(arenas::all().map(|a| &a.lock))
        .chain(after)
}

extern "C" fn prepare() {
    // Named by their place from either end: the number of arenas is fixed once their table's
    // lock is held, or was held by this thread before.
    let mut taken = [0u64; 2];
    for (i, lock) in locks().enumerate() {
        if !lock.is_mine() {
            lock.take();
            if let Some(word) = taken.get_mut(i / 64) {
                *word |= 1 << (i % 64);
            }
        }
    }
    for (word, now) in TAKEN.iter().zip(taken) {
        word.store(now, Relaxed);
    }
}

extern "C" fn parent() {
    for (i, lock) in locks().enumerate() {
        if TAKEN
            .get(i / 64)
            .is_some_and(|w| w.load(Relaxed) >> (i % 64) & 1 != 0)
        {
            // SAFETY: `prepare` took it in this thread, whose name is the same in the child.
            unsafe { lock.release() };
        }
    }
}

extern "C" fn child() {
    cache::thread::only_thread();
    parent();
}

/// Registers the handlers. Once.
pub fn register() {
    // SAFETY: the handlers live as long as the process: the library is never unloaded.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}
