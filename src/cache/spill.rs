//! The way of freed entries from a cache back to their arenas.

use crate::arena::{Arena, Entry, Locked, owner, records};
use crate::class;
use crate::config::{MAX_ARENAS, REGION};
use core::{mem, ptr};

/// Entries that are gathered for an arena at a time.
const BATCH: usize = 32;
/// Entries that are sorted by their arenas at a time.
const SORTED: usize = 128;
/// No entry.
const NONE: u8 = u8::MAX;

const _: () = assert!(SORTED <= NONE as usize && MAX_ARENAS <= u64::BITS as usize);

/// Gives freed entries back to the arenas they came from. It stays in one as long as it can, and
/// comes to each once a call: a thread's end locks an arena about once, not once a class, and
/// objects of several arenas that were freed in turns cost no lock for each of them.
pub(super) struct Spill {
    held: Option<(&'static Arena, Locked<'static>)>,
}

/// The arenas of entries one after another: neighbours come together more often than not.
struct Homes {
    region: usize,
    last: Option<&'static Arena>,
}

impl Homes {
    const fn new() -> Self {
        Self {
            region: usize::MAX,
            last: None,
        }
    }

    fn of(&mut self, entry: Entry) -> &'static Arena {
        if let Some(last) = self.last
            && entry.p / REGION == self.region
        {
            return last;
        }
        // SAFETY: cached entries were vetted, so their regions have records (I8).
        let home = unsafe { owner(records::of(entry.p)) };
        (self.region, self.last) = (entry.p / REGION, Some(home));
        home
    }
}

/// Entries sorted by their arenas, in their order as far as they are of one: lists through their
/// numbers.
struct Sorted {
    /// The arenas that have any, a bit each.
    arenas: u64,
    first: [u8; MAX_ARENAS],
    last: [u8; MAX_ARENAS],
    next: [u8; SORTED],
}

impl Sorted {
    /// At most [`SORTED`] entries of a thread's cache, where nothing of a heap of the program's own is.
    fn of(entries: &[Entry]) -> Self {
        let mut sorted = Self {
            arenas: 0,
            first: [NONE; MAX_ARENAS],
            last: [NONE; MAX_ARENAS],
            next: [NONE; SORTED],
        };
        let mut homes = Homes::new();
        for (i, entry) in entries.iter().enumerate() {
            let arena = homes.of(*entry).index % MAX_ARENAS;
            let last = sorted.last.get_mut(arena);
            let before = last.map_or(NONE, |last| mem::replace(last, i as u8));
            let place = if sorted.arenas & 1 << arena == 0 {
                sorted.arenas |= 1 << arena;
                sorted.first.get_mut(arena)
            } else {
                sorted.next.get_mut(usize::from(before))
            };
            if let Some(place) = place {
                *place = i as u8;
            }
        }
        sorted
    }
}

impl Spill {
    pub(super) const fn new() -> Self {
        Self { held: None }
    }

    /// Gives entries of a class back, in their order as far as they are of one arena.
    pub(super) fn put(&mut self, entries: &[Entry], class: usize) {
        let mut left = self.put_held(entries, class);
        // Mostly all are one arena's.
        if let (Some(first), Some(last)) = (left.first(), left.last()) {
            let mut homes = Homes::new();
            let home = homes.of(*first);
            if self.held.is_none() || ptr::eq(home, homes.of(*last)) {
                self.hold(home);
                left = self.put_held(left, class);
            }
        }
        for some in left.chunks(SORTED) {
            self.put_sorted(some, class);
        }
    }

    /// Gives those in front back that are of the arena that is held; the others.
    fn put_held<'a>(&mut self, entries: &'a [Entry], class: usize) -> &'a [Entry] {
        let Some((_, state)) = &mut self.held else {
            return entries;
        };
        let n = if class::is_run(class) {
            state.put_objects(entries, class)
        } else {
            state.put_chunks(entries, class)
        };
        entries.get(n..).unwrap_or_default()
    }

    /// Gives entries of several arenas back, first those of the one that is held.
    #[inline(never)]
    fn put_sorted(&mut self, entries: &[Entry], class: usize) {
        let sorted = Sorted::of(entries);
        let (mut left, mut batch) = (sorted.arenas, [Entry::NONE; BATCH]);
        while left != 0 {
            let held = self
                .held
                .as_ref()
                .map_or(0, |(arena, _)| arena.index % MAX_ARENAS);
            let arena = if left & 1 << held != 0 {
                held
            } else {
                left.trailing_zeros() as usize
            };
            left &= !(1 << arena);
            let mut at = sorted.first.get(arena).copied().unwrap_or(NONE);
            let mut n = 0;
            while let Some(entry) = entries.get(usize::from(at)) {
                if let Some(place) = batch.get_mut(n) {
                    *place = *entry;
                }
                n += 1;
                at = sorted.next.get(usize::from(at)).copied().unwrap_or(NONE);
                if n == BATCH || at == NONE {
                    let batch = batch.get(..n).unwrap_or_default();
                    if let Some(first) = batch.first() {
                        self.hold(Homes::new().of(*first));
                    }
                    self.put_held(batch, class);
                    n = 0;
                }
            }
        }
    }

    /// Holds an arena, and no other.
    fn hold(&mut self, arena: &'static Arena) {
        if !self
            .held
            .as_ref()
            .is_some_and(|(held, _)| ptr::eq(*held, arena))
        {
            self.leave();
            self.held = Some((arena, arena.lock()));
        }
    }

    fn leave(&mut self) {
        if let Some((_, state)) = self.held.take() {
            state.audit();
            state.settle();
        }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        self.leave();
    }
}
