//! Where freed objects wait in check mode before their memory can be given out again.
//!
//! A ring, oldest first out: whoever writes to freed memory has the longest time to be seen, and
//! no address comes back soon. The ring lies in side memory, so nothing that a program writes
//! past an object reaches it. Waiting chunks stay "in use" to their neighbours, and freed by their
//! tag, as those in a thread's cache do.

use crate::side;
use crate::sync::Lock;
use core::cell::UnsafeCell;
use core::ptr;

/// One freed object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

struct Ring {
    table: usize,
    places: usize,
    /// Place of the oldest.
    first: usize,
    count: usize,
    /// Bytes that wait, and the most that may.
    bytes: usize,
    most: usize,
}

struct Shared(UnsafeCell<Ring>);
// SAFETY: reached only through `with`, under `LOCK`.
unsafe impl Sync for Shared {}

/// Guards the ring. Nothing is called and no other lock is taken while it is held.
pub(crate) static LOCK: Lock = Lock::new();
static RING: Shared = Shared(UnsafeCell::new(Ring::new()));

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
        Some(out)
    }

    fn hold(&mut self, new: Held) -> Option<Held> {
        if self.places == 0 || new.len > self.most {
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
/// was no place, or the object itself, if it is larger than all that may wait.
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

/// Shows every object that waits, oldest first, until `f` says false; whether it never did.
/// `f` must take no lock.
pub(crate) fn all(mut f: impl FnMut(&Held) -> bool) -> bool {
    with(|r| (0..r.count).all(|i| f(&r.get(i))))
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
}
