//! The objects that were given out last, for the looks of level 3.
//!
//! A ring without a lock: who reads it may be told an object that is none any more, and has to ask
//! what it is. It lies in side memory, so nothing that a program writes past an object reaches it.

use crate::side;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Objects that are remembered; a power of two.
pub(crate) const PLACES: usize = 4096;
/// How many others came behind an object each time it is looked at. An object that is damaged
/// when so many others came behind it shows before there are sixteen times as many.
pub(crate) const AGES: [usize; 4] = [1, 16, 256, PLACES - 1];

/// The ring's first byte; 0 while there is none.
static RING: AtomicUsize = AtomicUsize::new(0);
/// How many objects were ever given out.
static GIVEN: AtomicUsize = AtomicUsize::new(0);
/// How many were when this process was forked.
static BEFORE: AtomicUsize = AtomicUsize::new(0);
/// Whether it was.
static CHILD: AtomicBool = AtomicBool::new(false);

/// Makes the ring; without memory for it nothing is remembered.
pub(crate) fn open() {
    RING.store(
        side::zeroed(PLACES * size_of::<AtomicUsize>()).unwrap_or(0),
        Relaxed,
    );
}

fn place(i: usize) -> Option<&'static AtomicUsize> {
    let ring: *const AtomicUsize = ptr::with_exposed_provenance(RING.load(Relaxed));
    // SAFETY: one of the ring's places, which stay where they are (I11); null is none.
    (!ring.is_null()).then(|| unsafe { &*ring.add(i % PLACES) })
}

/// Remembers an object.
pub(crate) fn enter(p: usize) {
    if let Some(place) = place(GIVEN.fetch_add(1, Relaxed)) {
        place.store(p, Relaxed);
    }
}

/// The object that `age` others came behind; 0 if there is none, or nobody knows.
pub(crate) fn aged(age: usize) -> usize {
    let i = GIVEN.load(Relaxed).wrapping_sub(age + 1);
    place(i).map_or(0, |place| place.load(Relaxed))
}

/// From now on this is another process.
pub(crate) fn in_child() {
    BEFORE.store(GIVEN.load(Relaxed), Relaxed);
    CHILD.store(RING.load(Relaxed) != 0, Relaxed);
}

/// Whether this process was forked, and what it is given since then is remembered.
pub(crate) fn is_child() -> bool {
    CHILD.load(Relaxed)
}

/// How many objects were given out since the process was forked, or ever.
pub(crate) fn own() -> usize {
    GIVEN.load(Relaxed).wrapping_sub(BEFORE.load(Relaxed))
}
