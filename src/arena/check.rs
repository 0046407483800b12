//! The numbered invariants, checked. `docs/design.md` explains them; comments cite them.
//!
//! I1 chunks tile a heap from its first byte to top or fence. I2 every header carries its tag.
//! I3 a chunk's "previous in use" is off exactly behind a free chunk. I4 a free chunk's foot is
//! its size. I5 two free chunks never touch, nor does one touch top, unless together they would
//! exceed the largest size. I6 a free chunk is in exactly the bin of its size, mutually linked, and
//! the map says which bins hold any. I7 a mark of a region of chunks is a freed chunk that waits,
//! and the sums fit. I8 every region of a heap is in the table under its heap. I9 each granule of
//! a slot is marked as free, or ahead in a cache's strip, or part of exactly one object, whose
//! state is at its start alone; and no free span is longer than the slot's bound. I13 a page is
//! marked as idle or as gone exactly if it is wholly free. I10 (an arena's state is touched under
//! its lock) and I11 (side memory is never unmapped) are kept by types and by `side`.

use super::bins::{self, BINS};
use super::check_pages::{free_pages, no_free_pages};
use super::heap::Heap;
use super::records::{self, Record};
use super::seen::{Broken, Role, View, no};
use super::{State, slots};
use crate::chunk::{Chunk, Kind};
use crate::class::RUNS;
use crate::config::{ALIGN, GRANULES, MAX_CHUNK, MIN_CHUNK, REGION, round_up};
use crate::object;
use crate::os;
use crate::region;
use core::ptr;

/// What a check counted; see [`crate::check_heap`].
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let report: cairn::HeapReport = cairn::check_heap().expect("a whole heap");
/// println!("{} chunks in {} heaps, {} of them free", report.chunks, report.heaps, report.free);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeapReport {
    /// Arenas with a heap.
    pub arenas: usize,
    /// Heaps.
    pub heaps: usize,
    /// Chunks, slots among them, tops and fences not.
    pub chunks: usize,
    /// Chunks in bins.
    pub free: usize,
    /// Chunks in fastbins.
    pub fast: usize,
    /// Slots.
    pub slots: usize,
    /// Objects of runs in use.
    pub objects: usize,
}

/// Sums of one arena's walk, compared with what the arena keeps.
#[derive(Default)]
struct Sums {
    fast_bytes: usize,
    free: usize,
    vacant: usize,
    /// Pages that are wholly free.
    pages: usize,
}

impl State {
    /// In a debug build: the whole check after a slow path, less often the larger the heap is. (Not
    /// under Miri, where one takes a minute.)
    #[inline(always)]
    pub(crate) fn audit(&self) {
        #[cfg(all(debug_assertions, not(miri)))]
        {
            use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
            static TURN: AtomicUsize = AtomicUsize::new(0);
            let rest = 1 + (self.heaps.bytes() >> 19);
            if TURN.fetch_add(1, Relaxed).is_multiple_of(rest)
                && let Err(broken) = self.check(&mut HeapReport::default(), &mut |_| {})
            {
                crate::fatal::die_of(broken.invariant, broken.address);
            }
        }
    }

    /// Walks every heap and bin of this arena.
    pub(crate) fn check(
        &self,
        report: &mut HeapReport,
        see: &mut dyn FnMut(View),
    ) -> Result<(), Broken> {
        let mut sums = Sums::default();
        let mut heap = self.top.heap();
        report.arenas += usize::from(!heap.is_null());
        while !heap.is_null() {
            report.heaps += 1;
            // SAFETY: heaps live forever (I11).
            unsafe {
                self.check_heap(&*heap, report, &mut sums, see)?;
                heap = (*heap).older;
            }
        }
        if sums.fast_bytes != self.waiting.bytes() {
            return Err(no(7, self.waiting.bytes()));
        }
        if sums.vacant != self.slots.free() {
            return Err(no(9, self.slots.free()));
        }
        self.check_pages(sums.pages)?;
        self.check_bins(sums.free)?;
        self.check_waiting()
    }

    fn check_heap(
        &self,
        heap: &Heap,
        report: &mut HeapReport,
        sums: &mut Sums,
        see: &mut dyn FnMut(View),
    ) -> Result<(), Broken> {
        let mut at = heap.base;
        while at < heap.end() {
            let r = records::of(at);
            // SAFETY: a record that is there lives forever.
            if r.is_null() || region::word(at) == 0 || !ptr::eq(unsafe { (*r).heap }, heap) {
                return Err(no(8, at));
            }
            at += REGION;
        }
        let (mut p, mut prev_free, mut prev_size) = (heap.first(), false, 0);
        loop {
            // SAFETY: `p` came from tagged sizes and stays at most at the heap's end.
            let c = unsafe { Chunk::at(p) };
            let head = c.head();
            if !c.is_valid() {
                return Err(no(2, p));
            }
            if head.prev_in_use() == prev_free {
                return Err(no(3, p));
            }
            if prev_free && c.prev_size() != prev_size {
                return Err(no(4, p));
            }
            let role = self.role(c)?;
            let vacant = if role == Role::Run {
                self.check_slot(p, report, sums)?
            } else {
                0
            };
            see(View {
                // SAFETY: `me` is set by every lock.
                arena: unsafe { (*self.me).index },
                heap: heap.base,
                payload: p,
                size: if role == Role::Top {
                    heap.end() - p
                } else {
                    head.size()
                },
                role,
                prev_in_use: head.prev_in_use(),
                prev_size: c.prev_size(),
                vacant,
            });
            match role {
                Role::Top
                    if ptr::eq(self.top.heap(), heap)
                        && !(prev_free && self.must_merge(prev_size, self.top.size())) =>
                {
                    let page = os::page();
                    let used = round_up(self.top.fresh(), page);
                    sums.pages += free_pages(round_up(p, page), used)?;
                    return Ok(());
                }
                Role::Fence if heap.end() - p <= ALIGN => return Ok(()),
                Role::Top | Role::Fence => return Err(no(1, p)),
                _ => {}
            }
            let size = head.size();
            if size < MIN_CHUNK || p + size > heap.end() {
                return Err(no(1, p));
            }
            report.chunks += 1;
            report.free += usize::from(role == Role::Free);
            report.fast += usize::from(role == Role::Fast);
            sums.free += usize::from(role == Role::Free);
            sums.fast_bytes += if role == Role::Fast { size } else { 0 };
            if !matches!(role, Role::Free | Role::Run) {
                no_free_pages(p - 8, p + size - 8)?;
            }
            if role == Role::Free {
                let page = os::page();
                let (from, to) = (
                    round_up(p + bins::LINKS, page),
                    (p + size - 16) & !(page - 1),
                );
                sums.pages += free_pages(from, to)?;
            }
            if role == Role::Free && prev_free && self.must_merge(prev_size, size) {
                return Err(no(5, p));
            }
            (prev_free, prev_size) = (role == Role::Free, size);
            p += size;
        }
    }

    /// Whether two free neighbours cannot be (I5). What was too long to merge once may have been cut
    /// since.
    const fn must_merge(&self, before: usize, behind: usize) -> bool {
        self.heaps.peak() <= MAX_CHUNK && before + behind <= MAX_CHUNK
    }

    fn role(&self, c: Chunk) -> Result<Role, Broken> {
        let (head, p) = (c.head(), c.payload());
        // A fence stands where the next region, or nobody's memory, begins.
        if head.is(Kind::Fence) {
            return Ok(Role::Fence);
        }
        if head.is(Kind::Top) {
            return if p == self.top.at() {
                Ok(Role::Top)
            } else {
                Err(no(1, p))
            };
        }
        if head.is_free() {
            return if c.is_freed() {
                Ok(Role::Free)
            } else {
                Err(no(2, p))
            };
        }
        if head.is(Kind::Run) {
            return if c.is_used() {
                Ok(Role::Run)
            } else {
                Err(no(2, p))
            };
        }
        match (self.is_waiting(p), c.is_freed()) {
            (true, true) => Ok(Role::Fast),
            (true, false) => Err(no(7, p)),
            (false, true) => Ok(Role::Cached),
            (false, false) => Ok(Role::InUse),
        }
    }

    /// Checks a slot; the bytes that no object has.
    fn check_slot(
        &self,
        p: usize,
        report: &mut HeapReport,
        sums: &mut Sums,
    ) -> Result<usize, Broken> {
        let word = region::word(p);
        let r: *mut Record = records::of(p);
        // SAFETY: the region is this heap's, so its record is there (I8).
        let (r, map) = unsafe { (&*r, &*(*r).map) };
        report.slots += 1;
        if word != region::slot_word(r.base, r.states) || p != r.base {
            return Err(no(9, p));
        }
        let (mut at, mut longest, mut objects, mut strips) = (0, 0, 0, 0);
        while at < slots::WHOLE.len {
            let object = p + at * ALIGN;
            let free = map.from(at, GRANULES);
            if free != 0 {
                longest = longest.max(free);
                at += free;
                continue;
            }
            // SAFETY: a slot's states (I9).
            let state = unsafe { object::state_at(word, object).get() };
            let class = usize::from(object::class_of(state));
            if state == 0 {
                strips += 1;
                at += 1;
                continue;
            }
            report.objects += usize::from(object::is_used(state));
            if class == 0 || class > RUNS {
                return Err(no(9, object));
            }
            for inside in 1..class {
                let granule = object + inside * ALIGN;
                // SAFETY: as above.
                let state = unsafe { object::state_at(word, granule).get() };
                if state != 0 || map.has(at + inside) {
                    return Err(no(9, granule));
                }
            }
            objects += class;
            at += class;
        }
        sums.vacant += r.free as usize * ALIGN;
        let full = map.full_pages(slots::WHOLE);
        if full != r.pages.free() {
            return Err(no(13, p));
        }
        sums.pages += full.len();
        let bound = usize::from(r.bound);
        let listed = r.listed == (r.free != 0);
        if at != slots::WHOLE.len
            || objects + strips + map.count() != slots::WHOLE.len
            || map.count() != r.free as usize
            || (longest.min(slots::LONG) > bound && objects + strips != 0)
            || !listed
        {
            return Err(no(9, p));
        }
        Ok(r.free as usize * ALIGN)
    }

    fn check_bins(&self, free: usize) -> Result<(), Broken> {
        let mut linked = 0;
        for bin in 0..BINS {
            let before = linked;
            self.walk_bin(bin, &mut |_| linked += 1)
                .map_err(|at| no(6, at))?;
            if self.bins.is_mapped(bin) != (linked != before) {
                return Err(no(6, bin));
            }
        }
        if linked == free {
            Ok(())
        } else {
            Err(no(6, 0))
        }
    }

    fn check_waiting(&self) -> Result<(), Broken> {
        let (mut bytes, mut r) = (0, self.waiting.regions());
        while !r.is_null() {
            // SAFETY: records on the list are this arena's.
            unsafe {
                if (*r).pending == 0 || !region::is_chunks(region::word((*r).base)) {
                    return Err(no(7, (*r).base));
                }
                bytes += (*r).pending as usize;
                r = (*r).next;
            }
        }
        if bytes == self.waiting.bytes() {
            Ok(())
        } else {
            Err(no(7, bytes))
        }
    }
}
