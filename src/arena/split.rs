//! Split and coalesce: how chunks become free and free chunks become chunks.

use super::{Entry, State, bins, surplus};
use crate::chunk::{Chunk, Kind};
use crate::class;
use crate::config::{ALIGN, MAX_CHUNK, MIN_CHUNK};
use crate::fatal;

/// Memory and what is known of its contents.
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    /// The payload, or 0.
    pub p: usize,
    /// From this address on it is known to be zero.
    pub clean_from: usize,
}

/// A chunk fresh from the arena, in use, and how much of it must be cleared to be zero.
#[derive(Clone, Copy)]
pub(crate) struct Carved {
    /// The chunk.
    pub chunk: Chunk,
    /// Its payload is known to be zero from this address on.
    pub clean_from: usize,
}

/// What a request that finds no free memory may do to the heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Nothing: only memory that was used before serves.
    No,
    /// Let it grow by what may stay untouched: small pages.
    Sparse,
    /// Let it grow by what is used from end to end.
    Dense,
}

impl State {
    /// A chunk of `size` bytes at a multiple of `align`, a power of two, in use.
    pub(crate) fn take(&mut self, size: usize, align: usize, growth: Growth) -> Option<Carved> {
        self.sparse = growth == Growth::Sparse;
        let may_grow = growth != Growth::No;
        if align > ALIGN {
            return self.take_aligned(align, size, may_grow);
        }
        self.take_chunk(size, may_grow)
    }

    /// A chunk of `size` bytes (a little more when no exact fit is found), in use.
    fn take_chunk(&mut self, size: usize, may_grow: bool) -> Option<Carved> {
        if size > MAX_CHUNK {
            return None;
        }
        match self.source(size, false, may_grow)? {
            Source::Bin(c) => {
                self.cut(c, size);
                Some(Carved {
                    chunk: c,
                    clean_from: usize::MAX,
                })
            }
            Source::Top => self.cut_top(size),
        }
    }

    /// A chunk whose payload is a multiple of `align`, a power of two above 16; the slack on
    /// either side goes back to the bins.
    fn take_aligned(&mut self, align: usize, size: usize, may_grow: bool) -> Option<Carved> {
        let whole = match self.find_aligned(size, align) {
            Some(c) => {
                self.cut(c, c.head().size());
                Carved {
                    chunk: c,
                    clean_from: usize::MAX,
                }
            }
            None => {
                let room = size.checked_add(align)?.checked_add(MIN_CHUNK)?;
                self.take_chunk(room, may_grow)?
            }
        };
        let (p, mut total) = (whole.chunk.payload(), whole.chunk.head().size());
        let lead = bins::lead(p, align);
        // SAFETY: inside the chunk by the room asked for.
        let c = unsafe { Chunk::at(p + lead) };
        if lead != 0 {
            total -= lead;
            c.write(total, Kind::Plain, true, true);
            whole
                .chunk
                .write(lead, Kind::Plain, whole.chunk.head().prev_in_use(), false);
            self.release(whole.chunk, lead);
        }
        self.shrink(c, size);
        Some(Carved {
            chunk: c,
            clean_from: whole.clean_from,
        })
    }

    /// Cuts a chunk in use down to `size` and frees its tail, if that is large enough to be a chunk.
    pub(crate) fn shrink(&mut self, c: Chunk, size: usize) {
        let head = c.head();
        let rest = head.size() - size;
        if rest < MIN_CHUNK {
            if rest != 0 {
                surplus::note(c, head.size());
            }
            return;
        }
        c.write(size, Kind::Plain, head.prev_in_use(), true);
        let tail = c.after(size);
        tail.write(rest, Kind::Plain, true, false);
        self.release(tail, rest);
    }

    /// Makes a chunk in use `size` bytes long where the free neighbour behind, or top, allows.
    pub(crate) fn extend(&mut self, c: Chunk, size: usize) -> bool {
        let head = c.head();
        let have = head.size();
        let mut next = c.after(have);
        if size > MAX_CHUNK {
            return false;
        }
        if next.payload() != self.top && self.is_waiting(next.payload()) {
            self.sweep_at(next.payload());
            next = c.after(have);
        }
        if next.payload() == self.top {
            let more = size - have;
            if !self.room_in_top(more) && !self.lengthen_top(more) {
                return false;
            }
            let Some(cut) = self.cut_top(more) else {
                return false;
            };
            // It becomes the inside of `c`, where no header may say "in use".
            cut.chunk.swallow();
            c.write(size, Kind::Plain, head.prev_in_use(), true);
            return true;
        }
        if !next.head().is_free() || have + next.head().size() < size {
            return false;
        }
        let total = have + self.unlink(next);
        next.after(total - have).set_prev_in_use(true);
        if total > MAX_CHUNK {
            // Too long for one header: put the neighbour back as it was.
            self.bin(next, total - have);
            return false;
        }
        next.swallow();
        c.write(total, Kind::Plain, head.prev_in_use(), true);
        self.shrink(c, size);
        true
    }

    /// Up to `n` chunks of one class, side by side, freed and ready for a cache.
    pub(super) fn carve(&mut self, class: usize, out: &mut [Entry]) -> usize {
        let size = class::size_of(class);
        let Some(source) = self.source(size, true, true) else {
            return 0;
        };
        let n = out.len();
        let (at, count) = match source {
            Source::Bin(c) => {
                let found = c.head().size();
                let mut count = n.min(found.checked_div(size).unwrap_or(0));
                if count > 1 && found - count * size == ALIGN {
                    count -= 1; // a remainder of 16 bytes can be neither chunk nor slack of a class
                }
                self.cut(c, count * size);
                (c, count)
            }
            Source::Top => {
                let count = n.min(self.top_size().checked_div(size).unwrap_or(0)).max(1);
                match self.cut_top(count * size) {
                    Some(carved) => (carved.chunk, count),
                    None => return 0,
                }
            }
        };
        let mut c = at;
        let mut prev_in_use = at.head().prev_in_use();
        // The lowest address is handed out first: caches pop from the end.
        for entry in out.iter_mut().take(count).rev() {
            c.write(size, Kind::Plain, prev_in_use, false);
            prev_in_use = true;
            entry.set_chunk(c);
            c = c.after(size);
        }
        count
    }

    /// Where the next chunk comes from, cheapest in memory first; see `docs/design.md`.
    fn source(&mut self, size: usize, conform: bool, may_grow: bool) -> Option<Source> {
        if let Some(c) = self.find(size, conform) {
            return Some(Source::Bin(c));
        }
        if self.sweep_ripe()
            && let Some(c) = self.find(size, conform)
        {
            return Some(Source::Bin(c));
        }
        if self.top != 0 && self.top + size <= self.fresh && self.room_in_top(size) {
            return Some(Source::Top);
        }
        if !may_grow {
            return None;
        }
        // The heap would have to grow: first let what waits merge.
        if self.worth_sweeping() {
            self.sweep_all();
            if let Some(c) = self.find(size, conform) {
                return Some(Source::Bin(c));
            }
        }
        if self.room_in_top(size) {
            return Some(Source::Top);
        }
        if self.fast_bytes >= size || self.empty_slots != 0 {
            self.sweep_all();
            self.dissolve_empty(0);
            if let Some(c) = self.find(size, conform) {
                return Some(Source::Bin(c));
            }
        }
        if self.room_in_top(size) || self.grow(size) {
            return Some(Source::Top);
        }
        // The system has no more: slots of objects that only rest become chunks as well.
        if self.resting == 0 {
            return None;
        }
        self.sweep_all();
        self.dissolve_empty(0);
        let found = self.find(size, conform).map(Source::Bin);
        found.or_else(|| self.room_in_top(size).then_some(Source::Top))
    }

    /// Bytes of top.
    pub(crate) fn top_size(&self) -> usize {
        if self.top == 0 {
            return 0;
        }
        // SAFETY: an arena with top has a heap (I10).
        unsafe { (*self.heap).end - self.top }
    }

    pub(super) fn room_in_top(&self, size: usize) -> bool {
        self.top_size() >= size
    }

    /// The first `size` bytes of top as a chunk in use; top has them.
    pub(super) fn cut_top(&mut self, size: usize) -> Option<Carved> {
        if !self.room_in_top(size) {
            return None;
        }
        // SAFETY: top is inside the newest heap (I1).
        let c = unsafe { Chunk::at(self.top) };
        if !c.head().is(Kind::Top) || !c.is_freed() {
            fatal::die("malloc(): corrupted top size", c.payload());
        }
        let clean_from = self.fresh;
        let prev_in_use = c.head().prev_in_use();
        self.set_top(c.after(size), true);
        c.write(size, Kind::Plain, prev_in_use, true);
        Some(Carved {
            chunk: c,
            clean_from,
        })
    }

    /// Makes `c` top.
    pub(super) fn set_top(&mut self, c: Chunk, prev_in_use: bool) {
        self.top = c.payload();
        self.fresh = self.fresh.max(self.top);
        c.write(0, Kind::Top, prev_in_use, false);
    }

    /// Makes the first `size` bytes of a binned chunk a chunk in use; the rest stays free.
    fn cut(&mut self, c: Chunk, size: usize) {
        let found = self.unlink(c);
        let head = c.head();
        let next = c.after(found);
        if found - size >= MIN_CHUNK {
            c.write(size, Kind::Plain, head.prev_in_use(), true);
            let rest = c.after(size);
            let kind = if head.is(Kind::Purged) {
                Kind::Purged
            } else {
                Kind::Free
            };
            rest.write(found - size, kind, true, false);
            rest.set_foot(found - size);
            self.link(rest, found - size);
        } else {
            if found != size {
                surplus::note(c, found);
            }
            c.write(found, Kind::Plain, head.prev_in_use(), true);
            next.set_prev_in_use(true);
        }
    }

    /// Frees a chunk whose header was vetted: merges it with free neighbours and bins it, or
    /// lets top have it.
    pub(crate) fn release(&mut self, c: Chunk, size: usize) {
        let (mut start, mut total) = (c, size);
        if !c.head().prev_in_use() {
            let prev_size = c.prev_size();
            let prev = c.before();
            // The flag and the foot lie where an overflow reaches; the tag of the chunk they
            // lead to does not follow from them.
            if prev_size < MIN_CHUNK
                || prev.payload() >= c.payload()
                || !self.leads_home(prev.payload())
            {
                fatal::die("corrupted size vs. prev_size", c.payload());
            }
            if !prev.head().is_free() || prev.head().size() != prev_size || !prev.is_freed() {
                fatal::die(
                    "corrupted size vs. prev_size while consolidating",
                    c.payload(),
                );
            }
            if total + prev_size <= MAX_CHUNK || c.after(size).payload() == self.top {
                total += self.unlink(prev);
                start = prev;
                c.swallow();
            }
        }
        let next = c.after(size);
        if next.payload() == self.top {
            if !next.head().is(Kind::Top) || !next.is_freed() {
                fatal::die("malloc(): corrupted top size", next.payload());
            }
            let prev_in_use = start.head().prev_in_use();
            next.swallow();
            self.set_top(start, prev_in_use);
            return;
        }
        if !next.is_valid() || next.head().is(Kind::Gone) {
            fatal::die("free(): invalid next size (normal)", c.payload());
        }
        if next.head().is_free() && total + next.head().size() <= MAX_CHUNK {
            total += self.unlink(next);
            next.swallow();
        }
        self.bin(start, total);
    }

    /// Writes `[c, c + size)` as one free chunk and links it.
    pub(super) fn bin(&mut self, c: Chunk, size: usize) {
        c.write(size, Kind::Free, c.head().prev_in_use(), false);
        c.set_foot(size);
        c.after(size).set_prev_in_use(false);
        self.link(c, size);
    }
}

/// Where a chunk can be had.
enum Source {
    /// This free chunk, still linked.
    Bin(Chunk),
    /// Top has the room.
    Top,
}
