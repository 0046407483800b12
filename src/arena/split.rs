//! Split and coalesce: how chunks become free and free chunks become chunks.

use super::supply::{Growth, Sized, Source};
use super::{Entry, State, bins, surplus};
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, MAX_CHUNK, MIN_CHUNK, round_up};
use crate::{class, fatal, os};

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

impl State {
    /// A chunk of `size` bytes at a multiple of `align`, a power of two, in use.
    pub(crate) fn take(&mut self, size: usize, align: usize, growth: Growth) -> Option<Carved> {
        if align > ALIGN {
            return self.take_aligned(align, size, growth);
        }
        self.take_chunk(size, growth)
    }

    /// A chunk of `size` bytes (a little more when no exact fit is found), in use.
    fn take_chunk(&mut self, size: usize, growth: Growth) -> Option<Carved> {
        if size > MAX_CHUNK {
            return None;
        }
        let wanted = Sized {
            size,
            conform: false,
        };
        match self.source(&wanted, growth)? {
            Source::Bin(c) => Some(self.cut(c, 0, size)),
            Source::Top => self.cut_top(size),
        }
    }

    /// A chunk whose payload is a multiple of `align`, a power of two above 16; the slack on
    /// either side goes back to the bins.
    fn take_aligned(&mut self, align: usize, size: usize, growth: Growth) -> Option<Carved> {
        if let Some(c) = self.find_aligned(size, align) {
            return Some(self.cut(c, bins::lead(c.payload(), align), size));
        }
        let room = size.checked_add(align)?.checked_add(MIN_CHUNK)?;
        let whole = self.take_chunk(room, growth)?;
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
        if next.payload() != self.top.at() && self.is_waiting(next.payload()) {
            self.sweep_at(next.payload());
            next = c.after(have);
        }
        if next.payload() == self.top.at() {
            let more = size - have;
            if !self.top.has_room(more) && !self.lengthen_top(more) {
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
        let Some(free) = next.head().is_free().then(|| next.head().size()) else {
            return false;
        };
        let taken = match (have + free).checked_sub(size) {
            None => return false,
            Some(rest) if rest < MIN_CHUNK => free,
            Some(_) => size - have,
        };
        if have + taken > MAX_CHUNK {
            return false;
        }
        // What is not needed of the neighbour was free before, and is not looked at: it may be long.
        let cut = self.cut(next, 0, taken).chunk;
        cut.swallow();
        c.write(have + taken, Kind::Plain, head.prev_in_use(), true);
        if have + taken != size {
            surplus::note(c, have + taken);
        }
        true
    }

    /// Up to `n` chunks of one class, side by side, freed and ready for a cache.
    pub(super) fn carve(&mut self, class: usize, out: &mut [Entry]) -> usize {
        let size = class::size_of(class);
        let wanted = Sized {
            size,
            conform: true,
        };
        let Some(source) = self.source(&wanted, Growth::Yes) else {
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
                self.cut(c, 0, count * size);
                (c, count)
            }
            Source::Top => {
                let count = n.min(self.top.size().checked_div(size).unwrap_or(0)).max(1);
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
            *entry = Entry::of_chunk(c);
            c = c.after(size);
        }
        count
    }

    /// Makes `size` bytes of a binned chunk, `lead` bytes behind its beginning, a chunk in use. What
    /// is left on either side stays free, and is none or enough to be a chunk; behind, it may also
    /// be 16 bytes, which the chunk keeps.
    pub(super) fn cut(&mut self, c: Chunk, lead: usize, size: usize) -> Carved {
        let found = self.unlink(c);
        let at = c.payload() + lead;
        // The foot in front, the header behind, and the links there.
        self.used(at - 16, (at + size + bins::LINKS).min(c.payload() + found));
        self.decay.count(size);
        Carved {
            chunk: self.divide(c, found, lead, size),
            clean_from: usize::MAX,
        }
    }

    /// The same of a chunk of `found` bytes that is in no bin any more. The pages in which headers,
    /// links and feet come to lie are marked as used.
    pub(super) fn divide(&mut self, c: Chunk, found: usize, lead: usize, size: usize) -> Chunk {
        let prev_in_use = c.head().prev_in_use();
        let chunk = c.after(lead);
        let rest = found - lead - size;
        if rest >= MIN_CHUNK {
            chunk.write(size, Kind::Plain, lead == 0 && prev_in_use, true);
            let tail = chunk.after(size);
            tail.write(rest, Kind::Free, true, false);
            tail.set_foot(rest);
            self.link(tail, rest);
        } else {
            chunk.write(size + rest, Kind::Plain, lead == 0 && prev_in_use, true);
            if rest != 0 {
                surplus::note(chunk, size + rest);
            }
            chunk.after(size + rest).set_prev_in_use(true);
        }
        if lead != 0 {
            c.write(lead, Kind::Free, prev_in_use, false);
            c.set_foot(lead);
            self.link(c, lead);
        }
        chunk
    }

    /// Frees a chunk whose header was vetted: merges it with free neighbours and bins it, or
    /// lets top have it.
    pub(crate) fn release(&mut self, c: Chunk, size: usize) {
        let (mut start, mut total) = (c, size);
        let end = c.payload() + size;
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
            if total + prev_size <= MAX_CHUNK || end == self.top.at() {
                total += self.unlink(prev);
                start = prev;
                c.swallow();
            }
        }
        let next = c.after(size);
        if end == self.top.at() {
            if !next.head().is(Kind::Top) || !next.is_freed() {
                fatal::die("malloc(): corrupted top size", next.payload());
            }
            let prev_in_use = start.head().prev_in_use();
            next.swallow();
            self.set_top(start, prev_in_use);
            let page = os::page();
            self.vacated(c.payload(), end, start.payload(), round_up(end, page));
            if start != c {
                // Links lay there; top has none.
                let links = start.payload() + bins::LINKS;
                let (from, to) = (round_up(start.payload(), page), round_up(links, page));
                self.extents.vacate(from, to);
            }
            return;
        }
        if !next.is_valid() || next.head().is(Kind::Gone) {
            fatal::die("free(): invalid next size (normal)", c.payload());
        }
        if next.head().is_free() && total + next.head().size() <= MAX_CHUNK {
            total += self.unlink(next);
            next.swallow();
        }
        self.vacated(
            c.payload(),
            end,
            start.payload() + bins::LINKS,
            start.payload() + total - 16,
        );
        self.bin(start, total);
    }

    /// Pages that are wholly free since the chunk `[at, end)` is: those that it, a header or a link
    /// beside it had a part of, as far as they lie in `[from, to)`.
    fn vacated(&mut self, at: usize, end: usize, from: usize, to: usize) {
        let page = os::page();
        let first = round_up(from, page);
        let from = first.max((at - 16) & !(page - 1));
        let to = (to & !(page - 1)).min(round_up(end + bins::LINKS, page));
        if from < to {
            self.extents.vacate(from, to);
        }
    }

    /// Writes `[c, c + size)` as one free chunk and links it.
    pub(super) fn bin(&mut self, c: Chunk, size: usize) {
        c.write(size, Kind::Free, c.head().prev_in_use(), false);
        c.set_foot(size);
        c.after(size).set_prev_in_use(false);
        self.link(c, size);
    }
}
