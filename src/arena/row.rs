//! Freed objects that lie side by side: one span of their slot.

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
