//! Side memory: where the allocator keeps what no overflow may reach. A first span that is there
//! from the beginning (`own`), then its own mappings, a guard page at either end of each; powers of
//! two from 64 bytes to 64 KiB, larger things mapped alone.
//!
//! Arena headers, region records, state pages and the arrays of the thread caches live here.
//! Memory comes back to per-size stacks and is never unmapped, so a stale pointer into it can be
//! read without a fault (I11).

use crate::layout::places::mapping;
use crate::{config::round_up, os, sync::Lock};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, Release},
};

/// Bytes of a span, the unit asked of the system; a refusal is tried again with the smaller one.
const SPANS: [usize; 2] = [1 << 20, 64 << 10];
/// Smallest and largest block of the stacks, as powers of two.
const SMALL: u32 = 6;
const LARGE: u32 = 16;

struct Side {
    /// Stacks of free blocks, linked through their first word.
    free: [usize; (LARGE - SMALL + 1) as usize],
    /// Bump range for whole pages, and for what is smaller than one.
    pages: (usize, usize),
    crumbs: (usize, usize),
}

/// The newest of side memory's mappings: where it is written down ([`mapping`]), 0 for none. Never
/// taken out, as the mappings never are.
pub(crate) static MAPPINGS: AtomicUsize = AtomicUsize::new(0);

struct Shared(UnsafeCell<Side>);
// SAFETY: reached only through `with`, under `LOCK`.
unsafe impl Sync for Shared {}

/// Of the locks only the quarantine's is further in.
pub(crate) static LOCK: Lock = Lock::new();
static SIDE: Shared = Shared(UnsafeCell::new(Side {
    free: [0; (LARGE - SMALL + 1) as usize],
    pages: (0, 0),
    crumbs: (0, 0),
}));

fn with<R>(f: impl FnOnce(&mut Side) -> R) -> R {
    let _held = LOCK.acquire();
    // SAFETY: the lock is held, and `f` cannot call `with` again: it would stop in `acquire`.
    f(unsafe { &mut *SIDE.0.get() })
}

/// Gives the first span. Before the first [`take`], or what was left of another is lost.
///
/// # Safety
/// `[at, at + len)` is whole pages, zero, and nobody else's as long as the process lives.
pub(crate) unsafe fn lend(at: usize, len: usize) {
    with(|s| s.pages = (at, at + len));
}

/// Bytes that a request occupies.
pub(crate) fn block(size: usize) -> usize {
    size.max(1 << SMALL).next_power_of_two()
}

/// Memory for `size` bytes, aligned to a cache line, and to a page when it is one or larger.
/// It is zeroed when it was never used before; callers that need zeros ask [`zeroed`].
pub(crate) fn take(size: usize) -> Option<usize> {
    let size = block(size);
    if size > 1 << LARGE {
        let len = round_up(size, os::page());
        let at = map_guarded(len)?;
        with(|s| s.write_down(at, len));
        return Some(at);
    }
    with(|s| s.take(size))
}

/// As [`take`], cleared.
pub(crate) fn zeroed(size: usize) -> Option<usize> {
    let at = take(size)?;
    if block(size) <= 1 << LARGE {
        // SAFETY: `size` bytes at `at` were just given to us (I11).
        unsafe { ptr::with_exposed_provenance_mut::<u8>(at).write_bytes(0, size) };
    }
    Some(at)
}

/// Zeroed pages of nobody else's that never come back to a stack, so that what they hold can go by
/// advice.
pub(crate) fn forever(size: usize) -> Option<usize> {
    with(|s| s.pages(round_up(size, os::page())))
}

/// Takes memory back.
///
/// # Safety
/// `at` came from [`take`] with this `size`, at most 64 KiB, and nothing writes to it any more.
pub(crate) unsafe fn give(at: usize, size: usize) {
    let size = block(size);
    with(|s| {
        if let Some(head) = s.free.get_mut((size.trailing_zeros() - SMALL) as usize) {
            // SAFETY: the block is ours again and at least a word long.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write(*head) };
            *head = at;
        }
    });
}

/// Reservations that the kernel would neither open nor take back, for the next mapping: the address,
/// and in its low bits, which are 0 in a page's, the length in pages. 0 for none.
///
/// Each length that is asked for can leave one behind; two are of spans.
static SPARES: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// A reservation of at least so many pages that was left over, as address and pages.
fn take_spare(pages: usize) -> Option<(usize, usize)> {
    let mask = os::page() - 1;
    SPARES.iter().find_map(|place| {
        let spare = place.load(Relaxed);
        // Never written to, and nobody reads it: whoever takes the word out has all of it.
        (spare & mask >= pages && place.compare_exchange(spare, 0, Relaxed, Relaxed).is_ok())
            .then_some((spare & !mask, spare & mask))
    })
}

/// Keeps a reservation for later; beyond what a word or the places hold it is lost.
fn keep_spare(base: usize, pages: usize) {
    if pages < os::page() {
        let _ = SPARES.iter().any(|place| {
            place
                .compare_exchange(0, base | pages, Relaxed, Relaxed)
                .is_ok()
        });
    }
}

/// A mapping with an inaccessible page on either side.
fn map_guarded(len: usize) -> Option<usize> {
    let page = os::page();
    let pages = len.checked_add(2 * page)? / page;
    let (base, pages) = match take_spare(pages) {
        Some(spare) => spare,
        None => (os::map(pages * page, false, c"cairn tables")?, pages),
    };
    // SAFETY: the pages inside a reservation that nobody else knows.
    if unsafe { os::commit(base + page, len) } {
        return Some(base + page);
    }
    // SAFETY: as above.
    if !unsafe { os::unmap(base, pages * page) } {
        keep_spare(base, pages);
    }
    None
}

impl Side {
    fn take(&mut self, size: usize) -> Option<usize> {
        let head = self
            .free
            .get_mut((size.trailing_zeros() - SMALL) as usize)?;
        if *head != 0 {
            let at = *head;
            // SAFETY: blocks on a stack hold the next one's address (written by `give`).
            *head = unsafe { ptr::with_exposed_provenance::<usize>(at).read() };
            return Some(at);
        }
        let page = os::page();
        if size >= page {
            return self.pages(size);
        }
        // State pages are 4 KiB whatever the system's page is, and aligned to that.
        let align = if size < 4096 { 1 << SMALL } else { size };
        self.crumbs(size, align)
    }

    /// Never used memory, of less than a page.
    fn crumbs(&mut self, size: usize, align: usize) -> Option<usize> {
        let page = os::page();
        if round_up(self.crumbs.0, align) + size > self.crumbs.1 {
            let at = self.pages(page)?;
            self.crumbs = (at, at + page);
        }
        let at = round_up(self.crumbs.0, align);
        self.crumbs.0 = at + size;
        Some(at)
    }

    /// Notes a mapping for a reader outside ([`mapping`]). One for which there is no memory is not
    /// noted; it serves all the same.
    fn write_down(&mut self, at: usize, len: usize) {
        let room = mapping::BYTES.next_multiple_of(1 << SMALL);
        let is_room = round_up(self.crumbs.0, 1 << SMALL) + room <= self.crumbs.1
            || self.pages.1 - self.pages.0 >= os::page();
        if is_room && let Some(place) = self.crumbs(room, 1 << SMALL) {
            let older = MAPPINGS.load(Relaxed);
            let note: *mut [usize; 3] = ptr::with_exposed_provenance_mut(place);
            // SAFETY: never used memory, long enough and aligned, that nobody else knows (I11).
            unsafe { note.write([older, at, len]) };
            MAPPINGS.store(place, Release);
        }
    }

    fn pages(&mut self, size: usize) -> Option<usize> {
        let mut new = None;
        if self.pages.1 - self.pages.0 < size {
            let (at, len) = SPANS
                .iter()
                .find_map(|&len| Some((map_guarded(len)?, len)))?;
            self.pages = (at, at + len);
            new = Some((at, len));
        }
        let at = self.pages.0;
        self.pages.0 += size;
        // Only now: the note may need a page of it.
        if let Some((at, len)) = new {
            self.write_down(at, len);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::*;
    use crate::os::scripted;
    use core::mem;
    use std::fs;
    use std::vec::Vec;

    /// First and last address of each mapping, and whether anybody may touch it.
    fn maps() -> Vec<(usize, usize, bool)> {
        let line = |line: &str| {
            let (range, rest) = line.split_once(' ')?;
            let (from, to) = range.split_once('-')?;
            let number = |n| usize::from_str_radix(n, 16).ok();
            Some((number(from)?, number(to)?, !rest.starts_with("---")))
        };
        let text = fs::read_to_string("/proc/self/maps").expect("the kernel's list");
        text.lines().filter_map(line).collect()
    }

    /// What lies at either end of the accessible mapping that holds `at`: pages that nobody may touch.
    #[track_caller]
    fn stands_alone(what: &str, at: usize, len: usize) -> (usize, usize) {
        let maps = maps();
        let i = maps.partition_point(|m| m.1 <= at);
        let (from, to, open) = maps[i];
        assert!(
            open && from <= at && at + len <= to,
            "{what} at {at:#x}: {from:#x}-{to:#x}"
        );
        // A gap would do today; tomorrow somebody may be mapped there.
        let closed = |m: Option<&(usize, usize, bool)>| m.filter(|m| !m.2).copied();
        let before = closed(maps.get(i.wrapping_sub(1))).map(|m| m.1);
        let after = closed(maps.get(i + 1)).map(|m| m.0);
        assert_eq!((before, after), (Some(from), Some(to)), "{what}: no guard");
        (from, to)
    }

    #[test]
    fn guards_stand_around_side_memory() {
        // What has a mapping of its own has its own guards too, and does not live by a neighbour's.
        let alone = take(1 << 20).expect("memory");
        let bounds = stands_alone("a large table", alone, 1 << 20);
        assert_eq!(bounds, (alone, alone + (1 << 20)), "a guard is open");
        // The first span lies among the statics, with what is around those.
        let rest = with(|s| mem::take(&mut s.pages));
        for size in [64 << 10, 4 << 10, 64 << 10, 64 << 10, 64 << 10] {
            let at = take(size).expect("memory");
            stands_alone("side memory", at, size);
        }
        with(|s| s.pages = rest);
    }

    /// The shorter span may be all that one block needs: the note of it takes nothing away.
    #[test]
    fn a_block_as_long_as_its_span_is_all_inside() {
        // At once, since other tests take side memory too.
        let (at, refused) = with(|s| {
            let rest = (mem::take(&mut s.pages), mem::take(&mut s.crumbs));
            for spare in &SPARES {
                spare.store(0, Relaxed);
            }
            scripted::refuse_after(0);
            let at = s.pages(SPANS[1]).expect("memory");
            (s.pages, s.crumbs) = rest;
            (at, scripted::refused())
        });
        assert_eq!(refused, 1, "the longer span");
        stands_alone("a block of a whole span", at, SPANS[1]);
    }

    /// Where the kernel refuses both to open a reservation and to take it back, the next try has it.
    fn is_kept() -> bool {
        let before = scripted::mapped();
        // The reservation is made; what follows is refused. The shorter one comes first, since the
        // longer one would serve it.
        let made = [SPANS[1], SPANS[0]].map(|len| {
            scripted::refuse_all(false);
            scripted::refuse_from(1);
            map_guarded(len)
        });
        let left = scripted::mapped();
        let mut again = true;
        for _ in 0..20 {
            for len in SPANS {
                // Were one made, two more calls would be refused behind it.
                scripted::refuse_from(0);
                again &= map_guarded(len).is_none() && scripted::refused() == 2;
            }
        }
        scripted::refuse_all(false);
        let served = SPANS.map(map_guarded);
        made == [None; 2]
            && left > before
            && again
            && served.iter().all(Option::is_some)
            && scripted::mapped() == left
    }

    #[test]
    fn a_reservation_that_is_refused_both_ways_is_not_made_again() {
        // In a process of its own, since other tests map, too.
        assert!(scripted::holds_in_child(is_kept));
    }
}
