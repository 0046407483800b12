//! The way of freed entries from a cache back to their arenas.

use crate::arena::{Arena, Entry, Locked, owner, records};
use crate::class;
use crate::config::REGION;
use core::ptr;

/// Entries that are gathered for an arena at a time.
const BATCH: usize = 32;

/// Gives freed entries back to the arenas they came from. It stays in one as long as it can, and
/// comes to each once a call: a thread's end locks an arena about once, not once a class, and
/// objects of several arenas that were freed in turns cost no lock for each of them.
pub(super) struct Spill {
    held: Option<(&'static Arena, Locked<'static>)>,
}

/// The arenas of entries one after another: neighbours come together more often than not.
struct Homes {
    region: usize,
    last: *const Arena,
}

impl Homes {
    const NONE: Self = Self {
        region: usize::MAX,
        last: ptr::null(),
    };

    fn of(&mut self, entry: Entry) -> *const Arena {
        if entry.p / REGION != self.region {
            // SAFETY: cached entries were vetted, so their regions have records (I8).
            let home = unsafe { owner(records::of(entry.p)) };
            (self.region, self.last) = (entry.p / REGION, home);
        }
        self.last
    }
}

impl Spill {
    pub(super) const fn new() -> Self {
        Self { held: None }
    }

    /// Gives entries of a class back, in their order as far as they are of one arena. What is left
    /// of the slice means nothing.
    pub(super) fn put(&mut self, mut entries: &mut [Entry], class: usize) {
        // What is this arena's goes first, without another lock.
        if self.held.is_some() {
            entries = self.put_held(entries, class);
        }
        while let Some(first) = entries.first() {
            // SAFETY: cached entries were vetted, so their regions have records (I8).
            let home = unsafe { owner(records::of(first.p)) };
            self.leave();
            self.held = Some((home, home.lock()));
            entries = self.put_held(entries, class);
        }
    }

    /// Gives those back that are of the arena that is held; the others.
    fn put_held<'a>(&mut self, entries: &'a mut [Entry], class: usize) -> &'a mut [Entry] {
        let Some((arena, state)) = &mut self.held else {
            return entries;
        };
        let mut give = |some: &[Entry]| {
            if class::is_run(class) {
                state.put_objects(some, class)
            } else {
                state.put_chunks(some, class)
            }
        };
        // Mostly they are all.
        let mut at = give(entries);
        if at == entries.len() {
            return &mut [];
        }
        let (mut homes, mut kept) = (Homes::NONE, 0);
        let (mut batch, mut n) = ([Entry::NONE; BATCH], 0);
        while let Some(&entry) = entries.get(at) {
            at += 1;
            let mine = ptr::eq(homes.of(entry), *arena);
            let place = if mine {
                batch.get_mut(n)
            } else {
                entries.get_mut(kept)
            };
            if let Some(place) = place {
                *place = entry;
            }
            n += usize::from(mine);
            kept += usize::from(!mine);
            if n == BATCH {
                give(&batch);
                n = 0;
            }
        }
        give(batch.get(..n).unwrap_or_default());
        entries.get_mut(..kept).unwrap_or_default()
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
