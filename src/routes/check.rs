//! Looks at all of the heap: `check_heap`, every arena under its lock; and check mode's.

use super::fork;
use super::start::{self, Route};
use crate::arena::check::{Broken, HeapReport, View};
use crate::watch::{WALK, checked, looks};
use crate::{arenas, fatal, settings};

/// Checks the invariants of every heap; for tests, and for programs that suspect themselves.
///
/// # Errors
/// The first invariant found broken, with the address at which it showed.
pub fn check_heap() -> Result<HeapReport, Broken> {
    walk(&mut |_| {})
}

/// As [`check_heap`], and shows every chunk, heap by heap in address order. The arena is locked
/// meanwhile: `see` must not allocate from Cairn.
///
/// # Errors
/// As [`check_heap`].
pub fn walk(see: &mut dyn FnMut(View)) -> Result<HeapReport, Broken> {
    start::ensure();
    let mut report = HeapReport::default();
    for arena in arenas::all() {
        let mut damaged = None;
        arena.lock().check(&mut report, &mut |view| {
            if damaged.is_none() && !looks::is_whole(&view) {
                damaged = Some(Broken {
                    invariant: checked::TRAILERS,
                    address: view.payload,
                });
            }
            see(view);
        })?;
        damaged.map_or(Ok(()), Err)?;
    }
    Ok(report)
}

/// Check mode's look at every object, in use or freed: ends the process if one was written past
/// its end or after its free.
fn inspect_all() {
    looks::at_apart();
    if let Err(broken) = check_heap() {
        if broken.invariant == checked::TRAILERS {
            checked::overflowed(broken.address);
        }
        fatal::die("cairn: check_heap found a broken invariant", broken.address);
    }
}

/// Before `malloc_trim`: nothing waits any longer.
pub(crate) fn before_trim() {
    if settings::check() >= WALK {
        inspect_all();
    }
    checked::empty_quarantine();
}

/// At the process's end: the last chance to see what was written. Not from a signal handler that
/// interrupted the allocator and ends the process: what it interrupted is half done.
pub(crate) fn at_exit() {
    if start::route() == Route::Checked && settings::check() >= WALK && !fork::holds_any() {
        if looks::is_young_child() {
            looks::at_own();
        } else {
            inspect_all();
        }
    }
}
