//! What is free goes back when the program asks: `malloc_trim`, and a thread that goes idle.

use super::check;
use crate::{cache, relief, settings};
use core::sync::atomic::Ordering::Relaxed;

/// Gives back everything free; this thread's cache first. Whether anything went to the system.
pub(crate) fn trim(pad: usize) -> bool {
    check::before_trim();
    relief::give_all_but(pad)
}

/// Empties this thread's cache into its arena.
pub(crate) fn flush() {
    cache::thread::flush_own();
}

/// As [`flush`]; and what is free in the arena goes back, if no other thread allocates from it.
/// Whether anything went. (In check mode threads have no caches, and nothing to say.)
pub(crate) fn idle() -> bool {
    if cache::thread::existing().is_none() {
        return false;
    }
    flush();
    let arena = cache::thread::arena();
    arena.threads.load(Relaxed) <= 1 && arena.trim(settings::top_pad())
}
