//! A set of a region's granules, a bit for each, and the spans it consists of.

use crate::config::{ALIGN, GRANULES, REGION};
use crate::pages::{self, PageSet};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WORDS: usize = GRANULES / 64;

/// The set. Changed under the lock of the region's arena.
pub(crate) struct Granules([AtomicU64; WORDS]);

/// Granules side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// Number of the first one.
    pub start: usize,
    /// How many.
    pub len: usize,
}

/// The number of the granule of `p` in its region.
#[inline]
pub(crate) const fn number(p: usize) -> usize {
    (p & (REGION - 1)) / ALIGN
}

/// The bits of `len` granules from `bit` on, as far as they are in the same word.
const fn bits(bit: usize, len: usize) -> u64 {
    let mask = if len < 64 { (1 << len) - 1 } else { u64::MAX };
    mask << bit
}

/// The bits of a word from which on `len` bits side by side are set, 1 to 64 of them.
const fn starts_of(word: u64, len: usize) -> u64 {
    let (mut starts, mut have) = (word, 1);
    while have < len && starts != 0 {
        let step = if have < len - have { have } else { len - have };
        starts &= starts >> step;
        have += step;
    }
    starts
}

impl Granules {
    fn word(&self, i: usize) -> &AtomicU64 {
        // SAFETY: the index is cut to the array's length, a power of two.
        unsafe { self.0.get_unchecked(i & (WORDS - 1)) }
    }

    fn load(&self, i: usize) -> u64 {
        self.word(i).load(Relaxed)
    }

    /// Whether granule `g` is in the set.
    #[inline]
    pub(crate) fn has(&self, g: usize) -> bool {
        self.load(g / 64) & 1 << (g % 64) != 0
    }

    /// Puts granule `g` in; false if it was.
    #[inline]
    pub(crate) fn put(&self, g: usize) -> bool {
        let was = self.load(g / 64);
        self.word(g / 64).store(was | 1 << (g % 64), Relaxed);
        was & 1 << (g % 64) == 0
    }

    /// Puts a span into an empty set, without a look at it: a page of zeros that is read before it is
    /// written faults twice.
    pub(crate) fn begin_with(&self, span: Span) {
        self.each(span, |word, bits| word.store(bits, Relaxed));
    }

    /// Takes granule `g` out.
    #[inline]
    pub(crate) fn take(&self, g: usize) {
        let was = self.load(g / 64);
        self.word(g / 64).store(was & !(1 << (g % 64)), Relaxed);
    }

    /// Calls `change` with each word that a span touches, and its bits there.
    fn each(&self, span: Span, mut change: impl FnMut(&AtomicU64, u64)) {
        let (mut at, end) = (span.start, span.start + span.len);
        while at < end {
            let bit = at % 64;
            change(self.word(at / 64), bits(bit, end - at));
            at += 64 - bit;
        }
    }

    /// Puts a span in; false if any of it was.
    #[inline(always)]
    pub(crate) fn put_span(&self, span: Span) -> bool {
        let bit = span.start % 64;
        if bit + span.len > 64 || span.len == 0 {
            return self.put_long_span(span);
        }
        let (word, bits) = (
            self.word(span.start / 64),
            u64::MAX >> (64 - span.len) << bit,
        );
        let was = word.load(Relaxed);
        word.store(was | bits, Relaxed);
        was & bits == 0
    }

    #[cold]
    #[inline(never)]
    fn put_long_span(&self, span: Span) -> bool {
        let mut none = true;
        self.each(span, |word, bits| {
            let was = word.load(Relaxed);
            none &= was & bits == 0;
            word.store(was | bits, Relaxed);
        });
        none
    }

    /// Takes a span out.
    pub(crate) fn take_span(&self, span: Span) {
        self.each(span, |word, bits| {
            word.store(word.load(Relaxed) & !bits, Relaxed);
        });
    }

    /// Empties the set.
    pub(crate) fn clear(&self) {
        for word in &self.0 {
            word.store(0, Relaxed);
        }
    }

    /// The first word in which there is any.
    pub(crate) fn first_word(&self, mut i: usize) -> Option<(usize, u64)> {
        while i < WORDS {
            let word = self.load(i);
            if word != 0 {
                return Some((i, word));
            }
            i += 1;
        }
        None
    }

    /// The first span that starts at `g` or later, counted as far as `most`, or a little further.
    pub(crate) fn span(&self, g: usize, most: usize) -> Option<Span> {
        if g >= GRANULES {
            return None;
        }
        let (mut i, mut word) = (g / 64, self.load(g / 64) & (u64::MAX << (g % 64)));
        if word == 0 {
            (i, word) = self.first_word(i + 1)?;
        }
        let start = i * 64 + word.trailing_zeros() as usize;
        let len = self.from(start, most);
        Some(Span { start, len })
    }

    /// The first granule, `g` or later, from which on `len` granules side by side are in, 1 to 64 of
    /// them; past the end if there is none. Word by word, however many spans are shorter.
    #[inline(never)]
    pub(crate) fn row(&self, g: usize, len: usize) -> usize {
        if g >= GRANULES {
            return GRANULES;
        }
        let (mut i, mut before) = (g / 64, 0);
        let mut word = self.load(i) & (u64::MAX << (g % 64));
        loop {
            if word != 0 {
                // It may have begun in the word before; longer than that are no 64.
                if before != 0 && before + word.trailing_ones() as usize >= len {
                    return i * 64 - before;
                }
                let starts = starts_of(word, len);
                if starts != 0 {
                    return i * 64 + starts.trailing_zeros() as usize;
                }
            }
            before = word.leading_ones() as usize;
            i += 1;
            if i == WORDS {
                return GRANULES;
            }
            word = self.load(i);
        }
    }

    /// How many granules side by side are in, from `g` upwards; counted as far as `most`, or a
    /// little further.
    #[inline]
    pub(crate) fn from(&self, g: usize, most: usize) -> usize {
        let ones = (!(self.load(g / 64) >> (g % 64))).trailing_zeros() as usize;
        if g % 64 + ones < 64 {
            return ones;
        }
        let mut n = ones.min(64 - g % 64);
        while n < most && g + n < GRANULES {
            let bit = (g + n) % 64;
            let ones = (!(self.load((g + n) / 64) >> bit)).trailing_zeros() as usize;
            n += ones.min(64 - bit);
            if ones < 64 - bit {
                break;
            }
        }
        n
    }

    /// The same below `g`, which is not counted.
    #[inline]
    pub(crate) fn below(&self, g: usize, most: usize) -> usize {
        let ones = (self.load(g / 64) << 1 << (63 - g % 64)).leading_ones() as usize;
        if ones < g % 64 {
            return ones;
        }
        let mut n = g % 64;
        while n < most && n < g {
            let rest = (g - n - 1) % 64 + 1;
            let ones = (!(self.load((g - n - 1) / 64) << (64 - rest))).leading_zeros() as usize;
            n += ones.min(rest);
            if ones < rest {
                break;
            }
        }
        n
    }

    /// The pages that a span has a part of and that are wholly in.
    #[inline]
    pub(crate) fn full_pages(&self, span: Span) -> PageSet {
        // Mostly it is short, and its own word says no.
        if span.len == 0
            || (span.len < 64 && self.load(span.start / 64) != u64::MAX && {
                let last = span.start + span.len - 1;
                last / 64 == span.start / 64 || self.load(last / 64) != u64::MAX
            })
        {
            return PageSet::NONE;
        }
        self.full_pages_slowly(span)
    }

    fn full_pages_slowly(&self, span: Span) -> PageSet {
        let each = pages::granules();
        let mut full = PageSet::NONE;
        let mut at = span.start / each * each;
        while at < span.start + span.len {
            if self.from(at, each) >= each {
                full = full.with(PageSet::one(at));
            }
            at += each;
        }
        full
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0
            .iter()
            .map(|w| w.load(Relaxed).count_ones() as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn set(of: impl Fn(usize) -> bool) -> Granules {
        let set = Granules([const { AtomicU64::new(0) }; WORDS]);
        for g in (0..GRANULES).filter(|&g| of(g)) {
            assert!(set.put(g), "{g} is new");
        }
        set
    }

    /// Sets whose spans begin and end anywhere in a word, cross words, and fill them.
    fn sets() -> Vec<(Granules, Vec<bool>)> {
        let shapes: [fn(usize) -> bool; 6] = [
            |_| true,
            |_| false,
            |g| g % 65 != 0,
            |g| g % 3 == 0,
            |g| (g / 200) % 2 == 1,
            |g| !(7..=4000).contains(&g),
        ];
        let both = shapes.map(|of| (set(of), (0..GRANULES).map(of).collect()));
        both.into_iter().collect()
    }

    #[test]
    fn spans_are_what_a_walk_granule_by_granule_finds() {
        for (set, has) in sets() {
            assert_eq!(set.count(), has.iter().filter(|h| **h).count());
            for g in 0..GRANULES {
                assert_eq!(set.has(g), has[g]);
                let up = has[g..].iter().take_while(|h| **h).count();
                let down = has[..g].iter().rev().take_while(|h| **h).count();
                assert_eq!(set.from(g, GRANULES), up, "from {g}");
                assert_eq!(set.below(g, GRANULES), down, "below {g}");
                let start = (g..GRANULES).find(|&i| has[i]);
                let span = start.map(|start| Span {
                    start,
                    len: has[start..].iter().take_while(|h| **h).count(),
                });
                assert_eq!(set.span(g, GRANULES), span, "after {g}");
            }
        }
    }

    #[test]
    fn a_row_is_the_first_that_is_long_enough() {
        for (set, has) in sets() {
            for len in [1, 2, 3, 7, 31, 32, 63, 64] {
                let (mut first, mut up) = (GRANULES, 0);
                for g in (0..GRANULES).rev() {
                    up = if has[g] { up + 1 } else { 0 };
                    if up >= len {
                        first = g;
                    }
                    assert_eq!(set.row(g, len), first, "{len} after {g}");
                }
            }
            assert_eq!(set.row(GRANULES, 1), GRANULES);
        }
    }

    #[test]
    fn a_span_goes_in_once_and_out_as_a_whole() {
        let empty = set(|_| false);
        empty.begin_with(Span { start: 3, len: 200 });
        assert!((0..GRANULES).all(|g| empty.has(g) == (3..203).contains(&g)));
        for len in 1..200 {
            for start in (0..GRANULES - len).step_by(37) {
                let set = set(|g| g + 1 == start || g == start + len);
                let before = set.count();
                let span = Span { start, len };
                assert!(set.put_span(span));
                assert!((start..start + len).all(|g| set.has(g)));
                assert_eq!(set.count(), before + len);
                assert!(!set.put_span(Span { start, len: 1 }));
                set.take_span(span);
                assert!((start..start + len).all(|g| !set.has(g)));
                assert_eq!(set.count(), before);
            }
        }
    }
}
