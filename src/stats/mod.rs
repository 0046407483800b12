//! The figures of the whole heap, for `mallinfo`, `malloc_info`, `malloc_stats` and the exit line.
//! They are taken under each arena's lock and written after it was let go.

pub(crate) mod text;

use crate::arena::bins::BINS;
use crate::arena::{Arena, State};
use crate::cache::all::Held;
use crate::config::{ALIGN, HEADER};
use crate::named::{Name, Named};
use crate::watch::{FILL_LEVEL, quarantine};
use crate::{cache, fatal, guards, mapped, named, settings};
use core::sync::atomic::Ordering::Relaxed;
use text::{ArenaStats, InfoWriter, MappedStats, Peaks, SizeRow, StatsWriter, verbose};

/// Calls `f` with each bin's row.
fn rows(state: &State, mut f: impl FnMut(usize, SizeRow)) {
    for bin in 0..BINS {
        let mut row = SizeRow::default();
        let walked = state.walk_bin(bin, &mut |c| {
            let size = c.head().size();
            row.from = if row.count == 0 {
                size
            } else {
                row.from.min(size)
            };
            row.to = row.to.max(size);
            row.total += size;
            row.count += 1;
        });
        if let Err(at) = walked {
            fatal::die("corrupted double-linked list", at);
        }
        if row.count != 0 {
            f(bin, row);
        }
    }
}

/// What was freed and is in no arena: in the caches that refill from this one, and in check mode in
/// the quarantine, which counts as the main arena's.
fn held(arena: &Arena) -> Held {
    let mut held = cache::all::held(arena);
    if arena.index == 0 && settings::check() >= FILL_LEVEL {
        quarantine::find(0, |object| {
            // A mapping that waits is no mapped chunk any more, either.
            if !object.mapped {
                held.count += 1;
                held.bytes += object.len + HEADER;
            }
            false
        });
    }
    held
}

fn of(arena: &Arena, mut each: impl FnMut(usize, SizeRow)) -> ArenaStats {
    let held = held(arena);
    let state = arena.lock();
    let top = state.top.size();
    let mut s = ArenaStats {
        fast_chunks: state.waiting_chunks(),
        fast_bytes: state.waiting.bytes(),
        free_chunks: usize::from(top != 0) + held.count,
        free_bytes: top + state.free_in_slots() + held.bytes,
        system_bytes: state.heaps.bytes(),
        max_system_bytes: state.heaps.peak(),
        writable_bytes: state.heaps.bytes(),
        top_bytes: top,
        in_use_bytes: 0,
        cached_bytes: held.bytes,
        heaps: 0,
    };
    let mut heap = state.top.heap();
    while !heap.is_null() {
        // SAFETY: heaps live forever (I11).
        unsafe {
            s.heaps += usize::from(!(*heap).is_break());
            heap = (*heap).older;
        }
    }
    rows(&state, |bin, row| {
        s.free_chunks += row.count;
        s.free_bytes += row.total;
        each(bin, row);
    });
    s.in_use_bytes = s.system_bytes.saturating_sub(s.free_bytes + s.fast_bytes);
    s
}

/// The figures of all arenas together, bytes but where something else is said.
#[derive(Default)]
pub(crate) struct Totals {
    /// Bytes of heaps.
    pub heaps: usize,
    /// The most that each arena's ever had, added up.
    pub peak_heaps: usize,
    /// What of them no object has.
    pub free: usize,
    /// What of that is in caches or in the quarantine.
    pub cached: usize,
    /// What the kernel was asked to take of pages inside them.
    pub purged: usize,
    /// Number of arenas.
    pub arenas: usize,
    /// Number of threads that have a cache.
    pub threads: usize,
    /// Mapped chunks.
    pub mapped: mapped::Totals,
}

/// The figures of a heap of the program's own, bytes.
pub(crate) struct OfNamed {
    pub in_use: usize,
    pub free: usize,
    pub cached: usize,
    pub heaps: usize,
    pub mapped: usize,
    pub peak_heaps: usize,
}

/// The figures of a heap of the program's own.
pub(crate) fn of_named(heap: &Named) -> OfNamed {
    let s = of(&heap.arena, |_, _| {});
    OfNamed {
        // Each stretch of it begins with a granule that is no chunk's.
        in_use: s.in_use_bytes.saturating_sub(s.heaps * ALIGN),
        free: s.free_bytes + s.fast_bytes,
        cached: s.cached_bytes,
        heaps: s.system_bytes,
        mapped: heap.arena.beside.load(Relaxed),
        peak_heaps: s.max_system_bytes,
    }
}

/// The figures of the whole heap.
pub(crate) fn totals() -> Totals {
    let mut all = Totals {
        threads: cache::thread::count(),
        mapped: mapped_totals(),
        ..Totals::default()
    };
    for arena in named::all() {
        let s = of(arena, |_, _| {});
        all.heaps += s.system_bytes;
        all.peak_heaps += s.max_system_bytes;
        all.free += s.free_bytes + s.fast_bytes;
        all.cached += s.cached_bytes;
        all.purged += arena.counters.purged.get();
        all.arenas += 1;
    }
    // A cache may hold what is another arena's, so that one arena's sums need not fit.
    all.free = all.free.min(all.heaps);
    all
}

/// What is mapped. Guarded objects count as mapped chunks, with the pages that they lie on.
fn mapped_totals() -> mapped::Totals {
    let mut t = mapped::totals();
    let (objects, bytes) = guards::totals();
    t.chunks += objects;
    t.bytes += bytes;
    t.max_chunks = t.max_chunks.max(t.chunks);
    t.max_bytes = t.max_bytes.max(t.bytes);
    t
}

fn mapped_stats() -> MappedStats {
    let t = mapped_totals();
    MappedStats {
        chunks: t.chunks,
        bytes: t.bytes,
        max_chunks: t.max_chunks,
        max_bytes: t.max_bytes,
    }
}

/// `mallinfo2`, a structure of glibc's.
#[cfg(target_env = "gnu")]
pub(crate) fn mallinfo2() -> libc::mallinfo2 {
    let m = mapped_stats();
    let mut out = libc::mallinfo2 {
        arena: 0,
        ordblks: 0,
        smblks: 0,
        hblks: m.chunks,
        hblkhd: m.bytes,
        usmblks: 0,
        fsmblks: 0,
        uordblks: 0,
        fordblks: 0,
        keepcost: 0,
    };
    for arena in named::all() {
        let s = of(arena, |_, _| {});
        out.arena += s.system_bytes;
        out.ordblks += s.free_chunks;
        out.smblks += s.fast_chunks;
        out.fsmblks += s.fast_bytes;
        // glibc counts fastbin chunks as free here.
        out.fordblks += s.free_bytes + s.fast_bytes;
        if arena.index == 0 {
            out.keepcost = s.top_bytes;
        }
    }
    // Of all arenas together, since a cache may hold what is another one's.
    out.uordblks = out.arena.saturating_sub(out.fordblks);
    out
}

/// `malloc_info`.
///
/// # Safety
/// `stream` is an open stream.
pub(crate) unsafe fn write_info(stream: *mut libc::FILE) {
    let mut sink = |text: &[u8]| {
        // SAFETY: the caller's; no lock is held, since stdio may allocate.
        unsafe { libc::fwrite(text.as_ptr().cast(), 1, text.len(), stream) };
    };
    let mut writer = InfoWriter::new(&mut sink);
    for arena in named::all() {
        let mut table = [SizeRow::default(); BINS];
        let mut n = 0;
        let s = of(arena, |_, row| {
            if let Some(place) = table.get_mut(n) {
                *place = row;
                n += 1;
            }
        });
        let name = named::of_arena(arena).map(Named::name);
        let name = name.as_ref().map_or("", Name::text);
        writer.heap(&s, table.get(..n).unwrap_or_default(), name);
    }
    writer.finish(&mapped_stats());
}

/// `malloc_stats`.
pub(crate) fn print_stats() {
    let mut sink = |text: &[u8]| fatal::write_all(2, text);
    let mut writer = StatsWriter::new(&mut sink);
    for arena in named::all() {
        let name = named::of_arena(arena).map(Named::name);
        let name = name.as_ref().map_or("", Name::text);
        writer.arena(&of(arena, |_, _| {}), name);
    }
    writer.finish(&mapped_stats());
}

/// The line of `CAIRN_VERBOSE`; in the statistics build some more.
pub(crate) fn print_verbose() {
    #[cfg(feature = "stats")]
    {
        let mut sink = |text: &[u8]| fatal::write_all(2, text);
        text::figure(&mut sink, "locks taken", crate::sync::locks_taken());
        text::figure(
            &mut sink,
            "locks waited for",
            crate::sync::locks_waited_for(),
        );
        text::figure(
            &mut sink,
            "nanoseconds waited for locks",
            crate::sync::waited(),
        );
        text::figure(
            &mut sink,
            "pages touched again",
            crate::arena::extents::again(),
        );
    }
    let mut peaks = Peaks {
        arena_bytes: 0,
        mapped_bytes: mapped::totals().max_bytes,
        arenas: 0,
        growths: 0,
        sweeps: 0,
        looks: 0,
        purges: 0,
        purged_bytes: 0,
    };
    for arena in named::all() {
        peaks.arena_bytes += arena.lock().heaps.peak();
        peaks.arenas += 1;
        let counters = &arena.counters;
        peaks.growths += counters.growths.get();
        peaks.sweeps += counters.sweeps.get();
        peaks.looks += counters.looks.get();
        peaks.purges += counters.purges.get();
        peaks.purged_bytes += counters.purged.get();
    }
    // SAFETY: no precondition.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    verbose(
        &mut |text| fatal::write_all(2, text),
        pid.unsigned_abs() as usize,
        &peaks,
    );
}
