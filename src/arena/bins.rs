//! Bins of free chunks: exact below 1 KiB, eight steps a doubling above, with a bitmap.
//!
//! ```text
//! bin      2 ..= 64      chunks of exactly 16 × bin bytes: a list
//!         65 ..= 240     [2^k, 2^(k+1)) in eighths, from 1,040 bytes to 4 GiB: a tree (`tree`)
//! ```
//!
//! The lists run through the payloads of free chunks, where an overflow or a write after free can
//! reach them. So no link is followed before the region table says that it leads into this
//! arena, and no chunk leaves a list unless both neighbours point back to it (I6).

pub(super) use crate::layout::bins::LARGE;
pub(crate) use crate::layout::bins::{BINS, index};

use super::State;
use super::records;
use crate::chunk::{Chunk, Head};
use crate::config::{ALIGN, MAX_CHUNK, MIN_CHUNK, round_up};
use crate::fatal;

/// Bytes at the beginning of a free chunk's payload that its links may take.
pub(super) const LINKS: usize = 32;
/// Chunks that are looked at for a request at an alignment, in the first bin, and bins.
const ALIGNED_LOOKS: usize = 12;
/// The same in each bin behind, where a chunk has a chance of one in [`CHANCE`], or a better one.
const FURTHER: usize = 2;
/// See [`FURTHER`].
const CHANCE: usize = 8;

/// The heads of the lists and the map of those that are not empty.
#[repr(C)]
pub(crate) struct Bins {
    /// Bytes of the chunks in them.
    bytes: usize,
    map: [u64; BINS.div_ceil(64)],
    ends: [[usize; 2]; BINS],
}

/// Bytes in front of the first multiple of `align` at or behind `p`: none, or enough to be a chunk.
pub(super) fn lead(p: usize, align: usize) -> usize {
    let lead = round_up(p, align) - p;
    if lead != 0 && lead < MIN_CHUNK {
        lead + align
    } else {
        lead
    }
}

const _: () = assert!(core::mem::offset_of!(Bins, bytes) == 0);

impl Bins {
    /// All empty.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: 0,
            map: [0; BINS.div_ceil(64)],
            ends: [[0; 2]; BINS],
        }
    }

    /// Bytes of the chunks in them.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// First (0) or last (1) chunk of a bin, 0 for none.
    pub(crate) fn end(&self, bin: usize, which: usize) -> usize {
        self.ends
            .get(bin)
            .map_or(0, |e| if which == 0 { e[0] } else { e[1] })
    }

    fn set_end(&mut self, bin: usize, which: usize, to: usize) {
        if let Some(e) = self.ends.get_mut(bin) {
            if which == 0 { e[0] = to } else { e[1] = to }
        }
        if let Some(word) = self.map.get_mut(bin / 64)
            && which == 0
        {
            let bit = 1 << (bin % 64);
            *word = if to == 0 { *word & !bit } else { *word | bit };
        }
    }

    /// The root of a large bin's tree, 0 for none.
    pub(super) fn root(&self, bin: usize) -> usize {
        self.end(bin, 0)
    }

    /// Another root.
    pub(super) fn set_root(&mut self, bin: usize, to: usize) {
        self.set_end(bin, 0, to);
    }

    /// Whether the map says that a bin holds any.
    pub(crate) fn is_mapped(&self, bin: usize) -> bool {
        self.map
            .get(bin / 64)
            .is_some_and(|w| w >> (bin % 64) & 1 != 0)
    }

    /// The first bin from `from` on that is not empty.
    fn next(&self, from: usize) -> Option<usize> {
        let mut at = from / 64;
        let mut mask = !0 << (from % 64);
        while let Some(&word) = self.map.get(at) {
            if word & mask != 0 {
                return Some(at * 64 + (word & mask).trailing_zeros() as usize);
            }
            mask = !0;
            at += 1;
        }
        None
    }
}

impl State {
    /// Whether a link may be followed: it leads to where a chunk of this arena can be.
    #[inline]
    pub(crate) fn leads_home(&self, p: usize) -> bool {
        // One look: many links are followed for one request. A payload at the very base of a heap has
        // no header.
        // SAFETY: heaps live as long as the process (I11); only this locked arena's leave it by us.
        unsafe { records::heap_with_chunk(p).as_ref() }
            .is_some_and(|heap| core::ptr::eq(heap.arena, self.me) && p >= heap.first())
    }

    /// A neighbour named by a link, checked.
    ///
    /// Mutual links alone do not make a neighbour: a table of pointers that lies in the heap and
    /// names `from` twice has them too. A free chunk's header, which cannot be forged, lies in
    /// front of it.
    pub(super) fn follow(&self, from: Chunk, link: usize, bin: usize) -> Chunk {
        match self.checked(link, bin) {
            Ok(c) => c,
            Err(_) => fatal::die("corrupted double-linked list", from.payload()),
        }
    }

    /// As [`Self::follow`], or the link.
    pub(super) fn checked(&self, link: usize, bin: usize) -> Result<Chunk, usize> {
        let c = self.home(link).ok_or(link)?;
        let is_neighbour = c.is_freed() && index(c.head().size()) == bin;
        if is_neighbour { Ok(c) } else { Err(link) }
    }

    /// What looks like a free chunk where a link leads, if it leads home.
    #[inline]
    pub(super) fn home(&self, link: usize) -> Option<Chunk> {
        if link == 0 || !self.leads_home(link) {
            return None;
        }
        // SAFETY: just checked (I8).
        let c = unsafe { Chunk::at(link) };
        c.head().is_free().then_some(c)
    }

    /// The first chunk of a bin, or the root of its tree. The bin says so, which lies out of reach: if
    /// no chunk of this bin is there its header was overwritten. Passed over, it would be lost, with
    /// all that hangs on it, and nobody told.
    pub(super) fn front(&self, bin: usize) -> Option<Chunk> {
        let at = self.bins.end(bin, 0);
        match self.home(at) {
            Some(c) if index(c.head().size()) == bin => Some(c),
            _ if at == 0 => None,
            _ => fatal::die("malloc(): invalid size (unsorted)", at),
        }
    }

    /// Links a chunk whose header and foot are written as free.
    pub(super) fn link(&mut self, c: Chunk, size: usize) {
        let bin = index(size);
        self.bins.bytes += size;
        if bin >= LARGE {
            return self.plant(c, size);
        }
        let first = self.bins.end(bin, 0);
        c.set_link(0, first);
        c.set_link(1, 0);
        if first == 0 {
            self.bins.set_end(bin, 1, c.payload());
        } else {
            let next = self.follow(c, first, bin);
            if next.link(1) != 0 {
                fatal::die("malloc(): corrupted unsorted chunks", first);
            }
            next.set_link(1, c.payload());
        }
        self.bins.set_end(bin, 0, c.payload());
    }

    /// Takes a free chunk out of its bin, and checks all that a free chunk promises (I2–I6).
    pub(super) fn unlink(&mut self, c: Chunk) -> usize {
        let size = self.verify_free(c);
        let bin = index(size);
        self.bins.bytes -= size;
        if bin >= LARGE {
            self.uproot(c, size);
            return size;
        }
        let (next, prev) = (c.link(0), c.link(1));
        let next_says = if next == 0 {
            self.bins.end(bin, 1)
        } else {
            self.follow(c, next, bin).link(1)
        };
        let prev_says = if prev == 0 {
            self.bins.end(bin, 0)
        } else {
            self.follow(c, prev, bin).link(0)
        };
        if next_says != c.payload() || prev_says != c.payload() {
            fatal::die("corrupted double-linked list", c.payload());
        }
        match next {
            0 => self.bins.set_end(bin, 1, prev),
            // SAFETY: followed above.
            _ => unsafe { Chunk::at(next) }.set_link(1, prev),
        }
        match prev {
            0 => self.bins.set_end(bin, 0, next),
            // SAFETY: followed above.
            _ => unsafe { Chunk::at(prev) }.set_link(0, next),
        }
        // Whoever is given the memory learns no address from it.
        c.set_link(0, 0);
        c.set_link(1, 0);
        size
    }

    /// The size of a chunk that must be free, or the end.
    fn verify_free(&self, c: Chunk) -> usize {
        let head: Head = c.head();
        if !head.is_free() || !c.is_freed() {
            fatal::die("malloc(): invalid size (unsorted)", c.payload());
        }
        let next = c.after(head.size());
        // The tag vouches for the size, so the next chunk is where it says.
        if next.prev_size() != head.size() {
            fatal::die("corrupted size vs. prev_size", c.payload());
        }
        if next.head().prev_in_use() {
            fatal::die("malloc(): invalid next->prev_inuse (unsorted)", c.payload());
        }
        head.size()
    }

    /// The smallest free chunk that holds `size` bytes, still linked. With `conform` it is exactly
    /// that or splits without a remainder too small to be a chunk.
    pub(super) fn find(&self, size: usize, conform: bool) -> Option<Chunk> {
        let more = size + if conform { MIN_CHUNK } else { ALIGN };
        let mut bin = index(size);
        while let Some(i) = self.bins.next(bin) {
            let found = if i < LARGE {
                let fits = i * ALIGN == size || i * ALIGN >= more;
                fits.then(|| self.front(i)).flatten()
            } else {
                match self.ceiling(i, size) {
                    Some(c) if c.head().size() != size && c.head().size() < more => {
                        self.ceiling(i, more)
                    }
                    found => found,
                }
            };
            if found.is_some() {
                return found;
            }
            bin = i + 1;
        }
        None
    }

    /// A free chunk, still linked, in which `size` bytes lie at a multiple of `align`: one of those
    /// that are hardly larger. Asking for `size` and `align` together would pass over every chunk
    /// that such a request left when it was freed. What is longer, and lies anywhere, has room for
    /// `size` at a multiple of `align` as likely as its further bytes are a part of `align`.
    pub(super) fn find_aligned(&self, size: usize, align: usize) -> Option<Chunk> {
        let fits = |c: &Chunk| {
            let (need, have) = (lead(c.payload(), align) + size, c.head().size());
            have == need || have >= need + MIN_CHUNK
        };
        let likely = index((size + align / CHANCE).min(MAX_CHUNK));
        let (mut bin, mut most) = (index(size), ALIGNED_LOOKS);
        for _ in 0..ALIGNED_LOOKS {
            let i = self.bins.next(bin)?;
            let mut looks = most;
            let mut next = if i < LARGE {
                self.front(i)
            } else {
                self.ceiling(i, size)
            };
            while let Some(c) = next
                && looks != 0
            {
                if fits(&c) {
                    return Some(c);
                }
                looks -= 1;
                let alike = if i < LARGE {
                    self.home(c.link(0))
                } else {
                    self.next_alike(c, i)
                };
                next = if i < LARGE || alike.is_some() {
                    alike
                } else {
                    self.ceiling(i, c.head().size() + ALIGN)
                };
            }
            (bin, most) = (likely.max(i + 1), FURTHER);
        }
        None
    }

    /// Calls `f` with each chunk of a bin; the address at which a link is broken.
    pub(crate) fn walk_bin(&self, bin: usize, f: &mut dyn FnMut(Chunk)) -> Result<(), usize> {
        if bin >= LARGE {
            return self.walk_tree(bin, f);
        }
        let (mut at, mut before) = (self.bins.end(bin, 0), 0);
        while at != 0 {
            let c = self.checked(at, bin)?;
            // Mutual links cannot lead in a circle.
            if c.link(1) != before {
                return Err(at);
            }
            f(c);
            (before, at) = (at, c.link(0));
        }
        if self.bins.end(bin, 1) == before {
            Ok(())
        } else {
            Err(before)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_exact_below_a_kilobyte_and_ascend_above() {
        let mut last = 0;
        for size in (32..1 << 22).step_by(16) {
            let bin = index(size);
            assert!(bin == last || bin == last + 1 || last == 0, "size {size}");
            if size <= 1024 {
                assert_eq!(bin * 16, size);
            }
            last = bin;
        }
        assert_eq!(index(crate::config::MAX_CHUNK), BINS - 1);
    }

    #[test]
    fn the_map_finds_the_next_bin_that_is_not_empty() {
        let mut b = Bins::new();
        for bin in [3, 63, 64, 130, BINS - 1] {
            b.set_end(bin, 0, 16);
        }
        assert_eq!(b.next(0), Some(3));
        assert_eq!(b.next(4), Some(63));
        assert_eq!(b.next(64), Some(64));
        assert_eq!(b.next(65), Some(130));
        assert_eq!(b.next(131), Some(BINS - 1));
        b.set_end(BINS - 1, 0, 0);
        assert_eq!(b.next(131), None);
    }
}
