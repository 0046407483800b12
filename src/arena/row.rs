//! Freed objects that lie side by side: one span of their slot.

use super::Entry;
use crate::config::REGION;

/// Objects of one class that lie side by side in a region.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// The lowest one.
    pub(super) p: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Row {
    #[inline(always)]
    pub(super) const fn of(p: usize, size: usize) -> Self {
        Self { p, end: p + size }
    }

    /// Takes one more in if it lies at either end: programs free in the order in which they asked, or
    /// the other way round.
    #[inline(always)]
    pub(super) const fn takes(&mut self, p: usize, size: usize) -> bool {
        if p / REGION != self.p / REGION {
            return false;
        }
        if p == self.end {
            self.end += size;
            return true;
        }
        if p + size == self.p {
            self.p = p;
            return true;
        }
        false
    }

    /// Takes those in front that lie one behind the other upwards, or then downwards; how many.
    ///
    /// The rest of a slot's last granules is no object's, so objects side by side are of one region
    /// without a look.
    #[inline(always)]
    pub(super) fn takes_all(&mut self, entries: &[Entry], size: usize) -> usize {
        match entries.first() {
            Some(next) if next.p == self.end || next.p + size == self.p => {
                self.takes_more(entries, size)
            }
            _ => 0,
        }
    }

    #[inline(never)]
    fn takes_more(&mut self, entries: &[Entry], size: usize) -> usize {
        let mut left = entries;
        while let [next, rest @ ..] = left
            && next.p == self.end
        {
            self.end += size;
            left = rest;
            // It goes on, mostly: four at a time.
            while let [a, b, c, d, rest @ ..] = left
                && a.p == self.end
                && b.p == self.end + size
                && c.p == self.end + 2 * size
                && d.p == self.end + 3 * size
            {
                self.end += 4 * size;
                left = rest;
            }
        }
        while let [next, rest @ ..] = left
            && next.p + size == self.p
        {
            self.p = next.p;
            left = rest;
        }
        entries.len() - left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectState;
    use std::vec::Vec;

    const SIZE: usize = 48;

    fn row(at: &[usize]) -> (usize, usize) {
        let (first, rest) = at.split_first().map_or((0, at), |(p, rest)| (*p, rest));
        let mut row = Row::of(first, SIZE);
        let _ = rest.iter().take_while(|p| row.takes(**p, SIZE)).count();
        (row.p, (row.end - row.p) / SIZE)
    }

    #[test]
    fn a_row_is_what_lies_side_by_side_in_one_region_in_either_order() {
        let p = 5 * REGION + 4096;
        assert_eq!(row(&[p]), (p, 1));
        assert_eq!(row(&[p, p + SIZE, p + 2 * SIZE]), (p, 3));
        assert_eq!(row(&[p, p - SIZE, p - 2 * SIZE]), (p - 2 * SIZE, 3));
        assert_eq!(row(&[p, p + SIZE, p - SIZE]), (p - SIZE, 3), "both ends");
        assert_eq!(row(&[p, p + SIZE, p]), (p, 2), "there and back");
        assert_eq!(row(&[p, p - SIZE, p]), (p - SIZE, 2));
        assert_eq!(row(&[p, p, p + SIZE]), (p, 1), "twice the same");
        assert_eq!(row(&[p, p + 2 * SIZE]), (p, 1), "a gap");
        let last = 6 * REGION - SIZE;
        assert_eq!(row(&[last, last + SIZE]), (last, 1), "another region");
        assert_eq!(row(&[6 * REGION, 6 * REGION - SIZE]), (6 * REGION, 1));
    }

    fn taken(at: &[usize]) -> (usize, usize, usize) {
        let entry = |p: &usize| Entry::object(*p, ObjectState(0));
        let entries: Vec<_> = at.iter().map(entry).collect();
        let mut row = Row::of(entries[0].p, SIZE);
        let n = row.takes_all(&entries[1..], SIZE);
        (row.p, (row.end - row.p) / SIZE, n)
    }

    #[test]
    fn a_row_takes_what_lies_upwards_and_then_downwards_and_nothing_else() {
        let p = 5 * REGION + 4096;
        assert_eq!(taken(&[p]), (p, 1, 0));
        assert_eq!(taken(&[p, p + SIZE, p + 2 * SIZE]), (p, 3, 2));
        assert_eq!(taken(&[p, p - SIZE, p - 2 * SIZE]), (p - 2 * SIZE, 3, 2));
        assert_eq!(taken(&[p, p + SIZE, p - SIZE]), (p - SIZE, 3, 2));
        for broken in 1..20 {
            let mut long: Vec<_> = (0..20).map(|i| p + i * SIZE).collect();
            assert_eq!(taken(&long), (p, 20, 19));
            long[broken] += SIZE / 3;
            assert_eq!(taken(&long), (p, broken, broken - 1));
        }
        let mixed = [p, p - SIZE, p + SIZE];
        assert_eq!(taken(&mixed), (p - SIZE, 2, 1), "not up again");
        assert_eq!(taken(&[p, p + SIZE, p]), (p, 2, 1), "there and back");
        assert_eq!(taken(&[p, p, p + SIZE]), (p, 1, 0), "twice the same");
        assert_eq!(taken(&[p, p + 2 * SIZE, p + SIZE]), (p, 1, 0), "a gap");
    }
}
