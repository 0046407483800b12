//! Where the next chunk comes from: the ladder of `docs/design.md`, section 7, once.
//!
//! Cheapest in memory first. The heap grows only when everything that could be merged was.

use super::State;
use super::grow::Use;
use crate::chunk::Chunk;

/// What a request that finds no free memory may do to the heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Nothing: only memory that was used before serves.
    No,
    /// Let it grow.
    Yes,
}

/// Regions of waiting chunks that one request consolidates at most, and empty slots that it turns
/// back into chunks: 4 MiB of either. The next one goes on from there; until then the heap may grow
/// by what was asked for. (A request that swept 70 MB of chunks of 700 bytes took 8 million
/// instructions.)
const AT_ONCE: usize = 64;

/// Where a chunk can be had.
pub(super) enum Source {
    /// This free chunk, still linked.
    Bin(Chunk),
    /// Top has the room.
    Top,
}

/// What is looked for.
pub(super) trait Wanted {
    /// A free chunk that serves, still linked.
    fn find(&self, state: &State) -> Option<Chunk>;
    /// Bytes of top that serve in any case.
    fn room(&self, state: &State) -> usize;
    /// Bytes of which the same is true wherever top comes to lie.
    fn growth(&self, state: &State) -> usize {
        self.room(state)
    }
    /// What the heap grows for.
    fn of(&self) -> Use;
}

/// A chunk of so many bytes.
pub(super) struct Sized {
    /// Bytes.
    pub size: usize,
    /// Whether a remainder too small to be a chunk is refused.
    pub conform: bool,
}

impl Wanted for Sized {
    fn find(&self, state: &State) -> Option<Chunk> {
        state.find(self.size, self.conform)
    }
    fn room(&self, _: &State) -> usize {
        self.size
    }
    fn of(&self) -> Use {
        Use::of(self.size)
    }
}

impl State {
    /// Consolidates what waits, region by region, until something serves, or so much was done as
    /// one request may wait for.
    fn sweep_until(&mut self, wanted: &impl Wanted) -> Option<Chunk> {
        self.merge_resting();
        for _ in 0..AT_ONCE {
            let found = wanted.find(self);
            if found.is_some() || !self.sweep_first() {
                return found;
            }
        }
        wanted.find(self)
    }

    /// The ladder.
    pub(super) fn source(&mut self, wanted: &impl Wanted, growth: Growth) -> Option<Source> {
        // 1: a bin. 2: regions that are mostly waiting.
        if let Some(c) = wanted.find(self) {
            return Some(Source::Bin(c));
        }
        let mut left = AT_ONCE;
        while left != 0 && self.is_ripe() && self.sweep_first() {
            left -= 1;
            if let Some(c) = wanted.find(self) {
                return Some(Source::Bin(c));
            }
        }
        // 3: top, as far as it was used before.
        if self.top.has_used(wanted.room(self)) {
            return Some(Source::Top);
        }
        if growth == Growth::No {
            return None;
        }
        // 4: the heap would come to pages that it never used: first let what waits merge.
        if self.worth_sweeping()
            && let Some(c) = self.sweep_until(wanted)
        {
            return Some(Source::Bin(c));
        }
        // 5: top, where it is fresh.
        let room = wanted.room(self);
        if self.top.has_room(room) {
            return Some(Source::Top);
        }
        // 6: it would have to grow.
        if self.waiting.bytes() >= room || self.slots.empties() != 0 {
            self.dissolve_empty(self.slots.empties().saturating_sub(AT_ONCE));
            if let Some(c) = self.sweep_until(wanted) {
                return Some(Source::Bin(c));
            }
        }
        // 7: it grows.
        let (room, more) = (wanted.room(self), wanted.growth(self));
        if self.top.has_room(room) || self.grow(more, wanted.of()) {
            return Some(Source::Top);
        }
        // 8: the system has no more: all that waits or rests, however long it takes.
        if self.resting.bytes() == 0 && self.waiting.bytes() == 0 && self.slots.empties() == 0 {
            return None;
        }
        self.sweep_all();
        self.dissolve_empty(0);
        let found = wanted.find(self).map(Source::Bin);
        let room = wanted.growth(self);
        found.or_else(|| self.top.has_room(room).then_some(Source::Top))
    }
}
