//! The figures of the whole heap, for `mallinfo`, `malloc_info`, `malloc_stats` and the exit line.
//! They are taken under each arena's lock and written after it was let go.

pub(crate) mod text;

use crate::arena::bins::BINS;
use crate::arena::{Arena, State};
use crate::chunk::Chunk;
use crate::{arenas, fatal, mapped};
use text::{ArenaStats, InfoWriter, MappedStats, Peaks, SizeRow, StatsWriter, verbose};

/// Calls `f` with each bin's row.
fn rows(state: &State, mut f: impl FnMut(usize, SizeRow)) {
    for bin in 0..BINS {
        let mut row = SizeRow::default();
        let (mut at, mut before) = (state.bins.end(bin, 0), 0);
        while at != 0 && state.leads_home(at) {
            // SAFETY: `leads_home`.
            let c = unsafe { Chunk::at(at) };
            // Links that were overwritten may lead round and round.
            if c.link(1) != before {
                fatal::die("corrupted double-linked list", at);
            }
            before = at;
            let size = c.head().size();
            row.from = if row.count == 0 {
                size
            } else {
                row.from.min(size)
            };
            row.to = row.to.max(size);
            row.total += size;
            row.count += 1;
            at = c.link(0);
        }
        if row.count != 0 {
            f(bin, row);
        }
    }
}

fn of(arena: &Arena, mut each: impl FnMut(usize, SizeRow)) -> ArenaStats {
    let state = arena.lock();
    let top = state.top_size();
    let mut s = ArenaStats {
        fast_chunks: state.waiting_chunks(),
        fast_bytes: state.fast_bytes,
        free_chunks: usize::from(top != 0),
        free_bytes: top + state.free_in_slots(),
        system_bytes: state.system,
        max_system_bytes: state.system_peak,
        writable_bytes: state.system,
        top_bytes: top,
        in_use_bytes: 0,
        heaps: 0,
    };
    let mut heap = state.heap;
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

fn mapped_stats() -> MappedStats {
    let t = mapped::totals();
    MappedStats {
        chunks: t.chunks,
        bytes: t.bytes,
        max_chunks: t.max_chunks,
        max_bytes: t.max_bytes,
    }
}

/// `mallinfo2`.
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
    for arena in arenas::all() {
        let s = of(arena, |_, _| {});
        out.arena += s.system_bytes;
        out.ordblks += s.free_chunks;
        out.smblks += s.fast_chunks;
        out.fsmblks += s.fast_bytes;
        // glibc counts fastbin chunks as free here.
        out.fordblks += s.free_bytes + s.fast_bytes;
        out.uordblks += s.in_use_bytes;
        if arena.index == 0 {
            out.keepcost = s.top_bytes;
        }
    }
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
    for arena in arenas::all() {
        let mut table = [SizeRow::default(); BINS];
        let mut n = 0;
        let s = of(arena, |_, row| {
            if let Some(place) = table.get_mut(n) {
                *place = row;
                n += 1;
            }
        });
        writer.heap(&s, table.get(..n).unwrap_or_default());
    }
    writer.finish(&mapped_stats());
}

/// `malloc_stats`.
pub(crate) fn print_stats() {
    let mut sink = |text: &[u8]| fatal::write_all(2, text);
    let mut writer = StatsWriter::new(&mut sink);
    for arena in arenas::all() {
        writer.arena(&of(arena, |_, _| {}));
    }
    writer.finish(&mapped_stats());
}

/// The line of `CAIRN_VERBOSE`; in the statistics build one more.
pub(crate) fn print_verbose() {
    #[cfg(feature = "stats")]
    {
        let taken = crate::sync::locks_taken();
        text::locks_taken(&mut |text| fatal::write_all(2, text), taken);
    }
    let mut peaks = Peaks {
        arena_bytes: 0,
        mapped_bytes: mapped::totals().max_bytes,
        arenas: 0,
    };
    for arena in arenas::all() {
        peaks.arena_bytes += arena.lock().system_peak;
        peaks.arenas += 1;
    }
    // SAFETY: no precondition.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    verbose(
        &mut |text| fatal::write_all(2, text),
        pid.unsigned_abs() as usize,
        &peaks,
    );
}
