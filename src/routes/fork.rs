//! `fork`: the child is whole because no other thread is inside the allocator when it is made.
//!
//! The handlers take every lock in the written order and give them back in parent and child. A
//! lock that the forking thread itself holds (a signal handler that interrupted the allocator
//! forks) is left to it on both sides: the interrupted call goes on in both. A handler may also
//! interrupt these very handlers and fork: each fork gives back just what it took, told apart by
//! its depth. `_Fork` runs no handlers; what holds after it is in `docs/limits.md`.
//!
//! Before all of these comes the one lock of libc's that `fork` takes behind the handlers, and
//! whose holder may be waiting for memory (`os::streams`).

use crate::os::streams;
use crate::sync::Lock;
use crate::watch::{looks, quarantine, samples, stacks};
use crate::{arenas, background, cache, guards, mapped, named, region, settings, side};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many forks of one thread are under way, one interrupting the other. Guarded by the first
/// lock of the order.
static DEPTH: AtomicUsize = AtomicUsize::new(0);
/// A bit for each depth: whether that fork took the lock of libc's streams. Guarded likewise.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// All locks but the first, in their order: arena table, arenas by index, those of the program's own
/// heaps last, what each holds while it asks the kernel for pages, mapped chunks, the region table,
/// samples, guarded objects, their stacks, side memory, check mode's quarantine,
/// the list of caches.
/// The first is that of the start and the knobs.
fn others() -> impl Iterator<Item = &'static Lock> {
    let after: [&'static Lock; 8] = [
        &mapped::LOCK,
        &region::LOCK,
        &samples::LOCK,
        &guards::LOCK,
        &stacks::LOCK,
        &side::LOCK,
        &quarantine::LOCK,
        &cache::all::LOCK,
    ];
    core::iter::once(&arenas::LOCK)
        .chain(arenas::all().map(|a| &a.lock))
        .chain(named::every().map(|named| &named.arena.lock))
        .chain(arenas::all().map(|a| &a.purging))
        .chain(named::every().map(|named| &named.arena.purging))
        .chain(after)
}

/// Whether this thread holds any lock of Cairn's: then a signal handler runs that interrupted it.
pub(crate) fn holds_any() -> bool {
    settings::LOCK.is_mine() || others().any(Lock::is_mine)
}

fn take(lock: &Lock, depth: usize) {
    if !lock.is_mine() {
        lock.take();
        // A signal before this line finds a lock that is its own thread's, and leaves it.
        lock.set_fork_depth(depth);
    }
}

extern "C" fn prepare() {
    let streams = streams::take();
    let first = &settings::LOCK;
    let mine = first.is_mine();
    if !mine {
        first.take();
    }
    let depth = DEPTH.load(Relaxed) + 1;
    DEPTH.store(depth, Relaxed);
    if !mine {
        first.set_fork_depth(depth);
    }
    if streams {
        STREAMS.store(STREAMS.load(Relaxed) | bit(depth), Relaxed);
    }
    // No arena can be made while their table is locked, so the list is the same afterwards.
    for lock in others() {
        take(lock, depth);
    }
}

/// The bit of [`STREAMS`] for a depth. Nobody forks within 63 forks.
fn bit(depth: usize) -> usize {
    1_usize.wrapping_shl(depth as u32)
}

extern "C" fn parent() {
    let depth = DEPTH.load(Relaxed);
    for lock in others() {
        if lock.fork_depth() == depth {
            lock.set_fork_depth(0);
            // SAFETY: this fork took it in this thread, whose name is the same in the child.
            unsafe { lock.release() };
        }
    }
    let first = &settings::LOCK;
    let took = first.fork_depth() == depth;
    if took {
        first.set_fork_depth(0);
    }
    let streams = STREAMS.load(Relaxed);
    STREAMS.store(streams & !bit(depth), Relaxed);
    DEPTH.store(depth - 1, Relaxed);
    if took {
        // SAFETY: as above.
        unsafe { first.release() };
    }
    if streams & bit(depth) != 0 {
        // SAFETY: this fork took it, in this process: in a child the bit is gone.
        unsafe { streams::give() };
    }
}

extern "C" fn child() {
    cache::thread::only_thread();
    background::in_child();
    if STREAMS.load(Relaxed) & bit(DEPTH.load(Relaxed)) != 0 {
        // libc made it free, whoever had taken it: forks around this one too.
        STREAMS.store(0, Relaxed);
    }
    parent();
    looks::in_child();
    // What a thread that is no more was about to do. (Where a handler forked, the interrupted call
    // holds locks, and goes on in the child.)
    if !holds_any() {
        for arena in named::all() {
            arena.take_refused_of_others();
        }
    }
}

/// Registers the handlers. Once.
pub(crate) fn register() {
    if cfg!(miri) {
        return; // there no process has children
    }
    // SAFETY: the handlers live as long as the process: their object is never unloaded (`os::stay`).
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}
