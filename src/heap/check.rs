//! `check_heap`: every arena, under its lock.

use super::checked;
use crate::arena::check::{Broken, HeapReport, View};
use crate::arenas;

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
    super::start::ensure();
    let mut report = HeapReport::default();
    for arena in arenas::all() {
        let mut damaged = None;
        arena.lock().check(&mut report, &mut |view| {
            if damaged.is_none() && !checked::is_whole(&view) {
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
