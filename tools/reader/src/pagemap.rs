//! The words of `/proc/PID/pagemap`, one a page, and the page of zeros, which they do not tell of.

use crate::maps::Map;
use crate::target::{RESIDENT, SWAPPED, ZERO};
use cairn::layout::report;

/// Neither of a file nor this process's alone: the page of zeros, or one that a fork shares.
const EITHER: u8 = 128;
/// Of no process alone: a file's, or the huge page of zeros.
const OF_FILE: u8 = 64;

/// What a page's word says.
pub(crate) fn of_word(word: u64) -> u8 {
    let has = |bit: u32| word >> bit & 1 != 0;
    of(has(63), has(62), has(61), has(56))
}

/// What a report says of a page.
pub(crate) fn of_report(bits: u32) -> u8 {
    let has = |bit: u32| bits & bit != 0;
    of(
        has(report::PRESENT),
        has(report::SWAPPED),
        has(report::OF_FILE),
        has(report::ALONE),
    )
}

fn of(present: bool, swapped: bool, of_file: bool, alone: bool) -> u8 {
    let either = present && !alone && !of_file;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    flag(present, RESIDENT)
        | flag(swapped, SWAPPED)
        | flag(either, EITHER)
        | flag(present && of_file, OF_FILE)
}

/// The pages of one mapping, while it is open which of them are zeros.
pub(crate) struct Flags<'a> {
    /// The mapping.
    pub(crate) map: &'a Map,
    /// Bytes of a page.
    pub(crate) page: u64,
}

impl Flags<'_> {
    fn is_anonymous(&self) -> bool {
        self.map.inode == 0 && !self.map.shared
    }

    /// Pages of a part of it that are there and may count.
    pub(crate) fn there(&self, part: &[u8]) -> u64 {
        let counts = |flags: &&u8| {
            **flags & RESIDENT != 0 && !(self.is_anonymous() && **flags & OF_FILE != 0)
        };
        part.iter().filter(counts).count() as u64
    }

    /// Settles which pages of a part are zeros, where the mapping has some.
    pub(crate) fn settle(&self, part: &mut [u8], has_zeros: bool) {
        for flags in part {
            let is_zero = (*flags & EITHER != 0 && has_zeros)
                || (*flags & OF_FILE != 0 && self.is_anonymous());
            *flags = *flags & (RESIDENT | SWAPPED) | if is_zero { ZERO } else { 0 };
        }
    }

    /// Whether there may be any.
    pub(crate) fn may_have_zeros(part: &[u8]) -> bool {
        part.iter().any(|flags| flags & EITHER != 0)
    }

    /// Whether more of the mapping is there than the kernel counts as resident.
    pub(crate) fn has_zeros(&self, all: &[u8]) -> bool {
        self.there(all) * self.page > self.map.rss
    }
}
