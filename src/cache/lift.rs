//! A thread that is counted for the first time: its cache gets a cover.

use super::cover::{self, Lift};
use super::thread;

/// Lifts this thread's cover. Where there is none, one is made if the thread has a cache, to be laid
/// afterwards.
#[inline]
pub(crate) fn lift_or_make() -> Lift {
    match cover::lift() {
        Some(lifted) => Lift::Lifted(lifted),
        None => made(),
    }
}

#[cold]
#[inline(never)]
fn made() -> Lift {
    thread::current().map_or(Lift::Bare, cover::made)
}
