//! Whether the process has grown by so much that somebody should look how much memory it uses.
//!
//! Who gets memory from the system, or uses pages again that had gone back, says so here, mostly
//! with a lock held; who has given its locks back asks whether a look is due. Both are one load in a
//! process that nobody wants to look at.

use core::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

/// Bytes of growth from one look to the next; 0: nobody looks.
static STEP: AtomicUsize = AtomicUsize::new(0);
/// Bytes of growth since the last look.
static SINCE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the growth that made the next look due; 0: none is.
static DUE: AtomicUsize = AtomicUsize::new(0);

/// From now on a look is due after so many bytes of growth; 0: never again.
pub(crate) fn every(step: usize) {
    SINCE.store(0, Relaxed);
    STEP.store(step, Relaxed);
}

/// So many bytes more may be touched from now on.
#[inline]
pub(crate) fn grew(bytes: usize) {
    if STEP.load(Relaxed) != 0 {
        note(bytes);
    }
}

#[cold]
#[inline(never)]
fn note(bytes: usize) {
    let since = SINCE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if since >= STEP.load(Relaxed) {
        DUE.fetch_max(bytes, Relaxed);
    }
}

/// Whether a look is due.
#[inline]
pub(crate) fn is_due() -> bool {
    DUE.load(Relaxed) != 0
}

/// Takes the look on: the bytes of the growth that made it due, which most likely are not touched
/// yet; 0 if another thread has it.
pub(crate) fn take() -> usize {
    DUE.swap(0, AcqRel)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since what is due is the process's.
    #[test]
    fn a_look_is_due_after_a_step_of_growth() {
        grew(1 << 40);
        assert!(!is_due() && take() == 0, "nobody looks");
        every(100);
        grew(60);
        assert!(!is_due());
        grew(50);
        assert!(is_due());
        grew(30);
        assert_eq!((take(), take()), (50, 0), "the largest, once");
        every(0);
        grew(1000);
        assert!(!is_due());
    }
}
