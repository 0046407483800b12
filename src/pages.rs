//! A set of a region's pages.

use crate::config::{GRANULES, REGION};
use crate::os;

/// Pages of a region, a bit each. Larger pages are fewer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageSet(u16);

impl PageSet {
    /// None.
    pub(crate) const NONE: Self = Self(0);

    /// The pages of `[from, to)`, whole ones of one region.
    #[inline]
    pub(crate) fn of(from: usize, to: usize) -> Self {
        let page = os::page();
        let (first, n) = ((from & (REGION - 1)) / page, (to - from) / page);
        Self((((1_u32 << n) - 1) << first) as u16)
    }
    /// The page that begins at granule `g`.
    #[inline]
    pub(crate) fn one(g: usize) -> Self {
        Self(1 << (g / granules()))
    }
    /// The pages that granules side by side, at least one, have a part of.
    #[inline]
    pub(crate) fn touched(first: usize, len: usize) -> Self {
        let (first, last) = (first / granules(), (first + len - 1) / granules());
        Self((((2_u32 << (last - first)) - 1) << first) as u16)
    }
    /// A bit a page.
    #[inline]
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
    /// Whether there is none.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// How many.
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.0.count_ones() as usize
    }
    /// The pages of either.
    #[inline]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Those that are in the other as well.
    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Those that are not in the other.
    #[inline]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether all pages of a region are in.
    pub(crate) fn is_full(self) -> bool {
        self.len() * os::page() == REGION
    }
    /// How many pages side by side end just below page `i`.
    pub(crate) fn run_below(self, i: usize) -> usize {
        (u32::from(self.0) << (32 - i)).leading_ones() as usize
    }
    /// The first pages side by side, as bytes from the region's beginning, and the rest.
    pub(crate) fn first_run(self) -> Option<((usize, usize), Self)> {
        if self.is_empty() {
            return None;
        }
        let first = self.0.trailing_zeros();
        let n = (!(u32::from(self.0) >> first)).trailing_zeros();
        let run = Self((((1_u32 << n) - 1) << first) as u16);
        let page = os::page();
        let (from, len) = (first as usize * page, n as usize * page);
        Some(((from, from + len), self.without(run)))
    }
}

/// Granules of a page.
#[inline]
pub(crate) fn granules() -> usize {
    GRANULES / (REGION / os::page())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_side_by_side_are_one_run() {
        let page = os::page();
        let set =
            PageSet::of(REGION + page, REGION + 3 * page).with(PageSet::of(6 * page, 7 * page));
        let (run, rest) = set.first_run().unwrap_or(((0, 0), set));
        assert_eq!(run, (page, 3 * page));
        let (run, rest) = rest.first_run().unwrap_or(((0, 0), rest));
        assert_eq!(run, (6 * page, 7 * page));
        assert!(rest.first_run().is_none());
        assert!(PageSet::of(0, REGION).is_full() && !set.is_full());
    }
}
