//! Where freed objects wait in check mode before their memory can be given out again.
//!
//! A ring, oldest first out: whoever writes to freed memory has the longest time to be seen, and
//! no address comes back soon. The ring lies in side memory, so nothing that a program writes
//! past an object reaches it. Waiting chunks stay "in use" to their neighbours, and freed by their
//! tag, as those in a thread's cache do.

use crate::layout::places::quarantine as place;
use crate::side;
use crate::sync::Lock;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One freed object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Held {
    /// Payload.
    pub p: usize,
    /// First byte of what waits: the payload, or a mapping's first page.
    pub base: usize,
    /// Bytes from there on.
    pub len: usize,
    /// What all of them hold, unless this is a mapping, which nobody can touch.
    pub fill: u8,
    /// A mapping of its own, without access.
    pub mapped: bool,
}

#[repr(C)]
struct Ring {
    table: usize,
    places: usize,
    /// Place of the oldest.
    first: usize,
    count: usize,
    /// Bytes that wait, and the most that may.
    bytes: usize,
    most: usize,
    /// Objects that ever left: the number of the oldest, if all are counted as they come.
    left: usize,
    /// Number of the object that is looked at next.
    turn: usize,
}

const _: () = assert!(
    offset_of!(Ring, table) == place::TABLE
        && offset_of!(Ring, places) == place::PLACES
        && offset_of!(Ring, first) == place::FIRST
        && offset_of!(Ring, count) == place::COUNT
        && offset_of!(Held, p) == place::PAYLOAD
        && offset_of!(Held, len) == place::PAYLOAD + 16
        && offset_of!(Held, mapped) == place::MAPPED
        && size_of::<Held>() == place::PLACE
);

#[repr(transparent)]
pub(crate) struct Shared(UnsafeCell<Ring>);
// SAFETY: reached only through `with`, under `LOCK`.
unsafe impl Sync for Shared {}

/// Guards the ring. Nothing is called and no other lock is taken while it is held.
pub(crate) static LOCK: Lock = Lock::new();
/// The only one.
pub(crate) static RING: Shared = Shared(UnsafeCell::new(Ring::new()));

/// Objects that ever came. Written under the lock.
static CAME: AtomicUsize = AtomicUsize::new(0);
/// The number of the first that came since this process was forked.
static OWN: AtomicUsize = AtomicUsize::new(0);

fn with<R>(f: impl FnOnce(&mut Ring) -> R) -> R {
    let _held = LOCK.acquire();
    // SAFETY: the lock is held and not re-entrant.
    f(unsafe { &mut *RING.0.get() })
}

impl Ring {
    const fn new() -> Self {
        Self {
            table: 0,
            places: 0,
            first: 0,
            count: 0,
            bytes: 0,
            most: 0,
            left: 0,
            turn: 0,
        }
    }

    /// A ring's index that may have run past its end once. (A division could panic.)
    const fn wrapped(&self, i: usize) -> usize {
        if i < self.places { i } else { i - self.places }
    }

    fn place(&self, i: usize) -> *mut Held {
        let i = self.wrapped(self.first + i);
        ptr::with_exposed_provenance_mut::<Held>(self.table).wrapping_add(i)
    }

    /// The `i`-th oldest, of those that are there.
    fn get(&self, i: usize) -> Held {
        debug_assert!(i < self.count);
        // SAFETY: an entry of the ring that was written, with the ring locked (I11).
        unsafe { *self.place(i) }
    }

    fn pop(&mut self) -> Option<Held> {
        if self.count == 0 {
            return None;
        }
        let out = self.get(0);
        self.first = self.wrapped(self.first + 1);
        self.count -= 1;
        self.bytes -= out.len;
        self.left = self.left.wrapping_add(1);
        Some(out)
    }

    fn hold(&mut self, new: Held) -> Option<Held> {
        let behind = self.bytes > self.most && new.len > self.most.saturating_mul(2) - self.bytes;
        if self.places == 0 || new.len > self.most || behind {
            return Some(new);
        }
        let out = if self.count == self.places {
            self.pop()
        } else {
            None
        };
        // SAFETY: a place of the ring that holds nothing, with the ring locked (I11).
        unsafe { self.place(self.count).write(new) };
        self.count += 1;
        self.bytes += new.len;
        CAME.store(self.left.wrapping_add(self.count), Relaxed);
        out
    }
}

/// Makes room for `places` objects of `most` bytes together; without memory for it, for none.
pub(crate) fn open(places: usize, most: usize) {
    let table = places
        .checked_mul(size_of::<Held>())
        .filter(|bytes| *bytes != 0)
        .and_then(side::take);
    with(|r| {
        *r = Ring {
            table: table.unwrap_or(0),
            places: table.map_or(0, |_| places),
            most,
            ..Ring::new()
        };
    });
}

/// Takes an object in. What comes out is to be given back by the caller: the oldest one, if there
/// was no place, or the object itself, if it is larger than all that may wait, or if twice as much
/// waited as may: what a large object displaces leaves step by step.
pub(crate) fn hold(new: Held) -> Option<Held> {
    with(|r| r.hold(new))
}

/// The oldest object, while more bytes wait than may.
pub(crate) fn surplus() -> Option<Held> {
    with(|r| if r.bytes > r.most { r.pop() } else { None })
}

/// The oldest object.
pub(crate) fn oldest() -> Option<Held> {
    with(Ring::pop)
}

/// How many wait.
pub(crate) fn count() -> usize {
    with(|r| r.count)
}

/// The first object, oldest first, for which `f` says true; the oldest `skipped` are left out. `f`
/// must take no lock.
pub(crate) fn find(skipped: usize, mut f: impl FnMut(&Held) -> bool) -> Option<Held> {
    with(|r| (skipped..r.count).map(|i| r.get(i)).find(|held| f(held)))
}

/// Shows the objects that as many came behind as `ages` say. As [`find`].
pub(crate) fn find_aged(ages: &[usize], mut f: impl FnMut(&Held) -> bool) -> Option<Held> {
    with(|r| {
        let there = ages.iter().filter_map(|age| r.count.checked_sub(age + 1));
        there.map(|i| r.get(i)).find(|held| f(held))
    })
}

/// Shows one object: first the oldest, each time the next one, and after the newest the oldest
/// again. As [`find`].
pub(crate) fn find_in_turn(mut f: impl FnMut(&Held) -> bool) -> Option<Held> {
    with(|r| {
        if r.count == 0 {
            return None;
        }
        let ahead = r.turn.wrapping_sub(r.left);
        // Left behind by what left, or at the end.
        let i = if ahead < r.count { ahead } else { 0 };
        r.turn = r.left.wrapping_add(i + 1);
        Some(r.get(i)).filter(|held| f(held))
    })
}

/// Forgets the objects for which `f` says true, whatever becomes of their memory. As [`find`].
pub(crate) fn forget(mut f: impl FnMut(&Held) -> bool) {
    with(|r| {
        let mut kept = 0;
        for i in 0..r.count {
            let held = r.get(i);
            if f(&held) {
                r.bytes -= held.len;
            } else {
                // SAFETY: a place in front of one that was read, with the ring locked (I11).
                unsafe { r.place(kept).write(held) };
                kept += 1;
            }
        }
        r.left = r.left.wrapping_add(r.count - kept);
        r.count = kept;
    });
}

/// From now on the objects that wait are another process's, which looks at them as well. Takes no
/// lock: the fork may have been a signal handler's that interrupted whoever holds it.
pub(crate) fn in_child() {
    OWN.store(CAME.load(Relaxed), Relaxed);
}

/// How many of the oldest waited when this process was forked, and still do.
pub(crate) fn inherited() -> usize {
    with(|r| {
        let ahead = OWN.load(Relaxed).wrapping_sub(r.left);
        // An object of the parent's is ahead by at most all; else they are gone.
        if ahead <= r.count { ahead } else { 0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn held(p: usize, len: usize) -> Held {
        Held {
            p,
            base: p,
            len,
            fill: 0,
            mapped: false,
        }
    }

    /// A ring in memory of the test's own.
    fn ring(places: usize, most: usize) -> (Ring, Vec<Held>) {
        let mut memory: Vec<Held> = Vec::with_capacity(places);
        let ring = Ring {
            table: memory.as_mut_ptr().expose_provenance(),
            places,
            most,
            ..Ring::new()
        };
        (ring, memory)
    }

    #[test]
    fn the_oldest_leaves_when_there_is_no_place() {
        let (mut ring, _memory) = ring(3, 1000);
        for p in 1..=3 {
            assert_eq!(ring.hold(held(p, 10)), None);
        }
        for p in 4..=10 {
            assert_eq!(ring.hold(held(p, 10)), Some(held(p - 3, 10)));
        }
        assert_eq!((ring.count, ring.bytes), (3, 30));
        let rest: Vec<_> = core::iter::from_fn(|| ring.pop()).map(|h| h.p).collect();
        assert_eq!((rest, ring.bytes), (std::vec![8, 9, 10], 0));
    }

    #[test]
    fn what_is_larger_than_all_that_may_wait_does_not() {
        let (mut ring, _memory) = ring(3, 100);
        assert_eq!(ring.hold(held(1, 101)), Some(held(1, 101)));
        assert_eq!(ring.hold(held(2, 100)), None);
        assert_eq!((ring.count, ring.bytes), (1, 100));
    }

    #[test]
    fn a_ring_without_places_holds_nothing() {
        let mut ring = Ring::new();
        assert_eq!(ring.hold(held(1, 0)), Some(held(1, 0)));
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn what_a_large_object_displaces_leaves_step_by_step_and_no_more_than_twice_as_much_waits() {
        let (mut ring, _memory) = ring(100, 1000);
        for p in 0..100 {
            assert_eq!(ring.hold(held(p, 10)), None);
        }
        assert_eq!(ring.hold(held(100, 1000)), Some(held(0, 10)));
        assert_eq!((ring.count, ring.bytes), (100, 1990));
        let out = ring.hold(held(101, 10)).map(|h| h.p);
        assert_eq!((out, ring.bytes), (Some(1), 1990));
        assert_eq!(ring.hold(held(102, 11)), Some(held(102, 11)));
        assert_eq!(ring.hold(held(103, 900)), Some(held(103, 900)));
    }
}
