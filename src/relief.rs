//! All that is free goes back, by whoever has a reason: a limit that is near, or a system that is
//! short of memory.

use crate::cache::thread;
use crate::{limit, mapped, named, settings};

/// Caches give back what they hold, this thread's and those of nobody at once, the others with their
/// next slow operation; then all that is free goes. Whether any did.
pub(crate) fn give_all() -> bool {
    give_all_but(if limit::bytes() != 0 {
        0
    } else {
        settings::top_pad()
    })
}

/// The same, but for `pad` bytes at the end of each arena's newest heap.
pub(crate) fn give_all_but(pad: usize) -> bool {
    thread::flush();
    named::all().fold(mapped::trim(), |any, arena| arena.trim(pad) | any)
}

/// Sets the limit of a process that may hold something already, or takes it away, with 0. The settings'
/// lock is held, so that nobody else does so meanwhile.
pub(crate) fn set_limit(bytes: usize, hard: bool) {
    if limit::is_on() {
        limit::change(bytes, hard);
    } else if bytes != 0 {
        mapped::begin_limit(bytes, hard);
        // Whoever gives an arena back says what it holds.
        named::all().for_each(|arena| drop(arena.lock()));
    }
}

/// Before `n` bytes are handed out that no cache has; false if they must not be. No lock is held.
#[inline]
pub(crate) fn permits(n: usize) -> bool {
    !limit::is_on() || permits_at_last(n)
}

#[cold]
#[inline(never)]
fn permits_at_last(n: usize) -> bool {
    let relieve = || {
        give_all();
        limit::was_looked_for();
    };
    let reached = limit::is_reached(n);
    if reached {
        relieve();
    }
    if limit::permits(n) {
        return true;
    }
    // What is free may have come since the last look.
    if !reached {
        relieve();
    }
    limit::permits(n)
}
