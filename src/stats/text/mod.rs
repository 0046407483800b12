//! The texts of `malloc_info`, `malloc_stats` and `CAIRN_VERBOSE`.
//!
//! Figures come in as plain numbers, text goes out through a sink. Nothing here knows an arena or
//! holds a lock, because the sink may be `fwrite`, which may allocate: take the figures of an
//! arena under its lock, let go, then write.

use crate::fatal::LineBuffer;

/// Where text goes, piece by piece.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// Bytes of the longest line, with every number at its longest.
const LINE: usize = 320;

/// Free chunks of one bin.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct SizeRow {
    /// Smallest size in the bin, bytes.
    pub from: usize,
    /// Largest size in the bin, bytes.
    pub to: usize,
    /// All sizes together, bytes.
    pub total: usize,
    /// Chunks.
    pub count: usize,
}

/// The figures of one arena at one moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct ArenaStats {
    /// Chunks that wait in fastbins.
    pub fast_chunks: usize,
    /// Their bytes.
    pub fast_bytes: usize,
    /// Chunks that are free otherwise, top among them.
    pub free_chunks: usize,
    /// Their bytes, top's among them.
    pub free_bytes: usize,
    /// Bytes that the arena has from the system.
    pub system_bytes: usize,
    /// The most it ever had.
    pub max_system_bytes: usize,
    /// Bytes of address space in its heaps that can be written now.
    pub writable_bytes: usize,
    /// Bytes of top.
    pub top_bytes: usize,
    /// Bytes of `system_bytes` that are not free.
    pub in_use_bytes: usize,
    /// Bytes of `free_bytes` that caches and the quarantine hold.
    pub cached_bytes: usize,
    /// Mapped heaps; 0 for an arena that lives on the break alone.
    pub heaps: usize,
}

/// The figures of the mapped chunks of a process.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct MappedStats {
    /// Mapped chunks.
    pub chunks: usize,
    /// Their bytes, whole pages.
    pub bytes: usize,
    /// The most there were at one time.
    pub max_chunks: usize,
    /// The most bytes they had at one time.
    pub max_bytes: usize,
}

/// Peak figures of a process, and what slow paths did, for the line at its exit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Peaks {
    /// Most bytes had from the system by arenas.
    pub arena_bytes: usize,
    /// Most bytes in mapped chunks.
    pub mapped_bytes: usize,
    /// Arenas in use.
    pub arenas: usize,
    /// Times that heaps became longer.
    pub growths: usize,
    /// Regions whose waiting chunks were merged.
    pub sweeps: usize,
    /// Regions and heaps looked at for what could go.
    pub looks: usize,
    /// Times that the kernel was asked to take pages.
    pub purges: usize,
    /// Bytes of those.
    pub purged_bytes: usize,
}

/// The piece of a line: text or a number.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Text(&'a str),
    Number(usize),
    Padded(usize),
}

use Piece::{Number, Padded, Text};

#[inline(never)]
fn write_line(sink: Sink<'_>, pieces: &[Piece<'_>]) {
    let mut line = LineBuffer::<LINE>::new();
    for piece in pieces {
        match *piece {
            Text(text) => line.push_str(text),
            Number(number) => line.push_dec(number),
            Padded(number) => line.push_dec_padded(number, 10),
        }
    }
    line.push_str("\n");
    sink(line.as_bytes());
}

/// `malloc_info`'s XML, in glibc's schema: `new`, `heap` for each arena, `finish`.
pub(crate) struct InfoWriter<'a> {
    sink: Sink<'a>,
    heaps: usize,
    sum: ArenaStats,
}

impl<'a> InfoWriter<'a> {
    /// Opens the document.
    pub(crate) fn new(sink: Sink<'a>) -> Self {
        write_line(sink, &[Text("<malloc version=\"1\">")]);
        Self {
            sink,
            heaps: 0,
            sum: ArenaStats::default(),
        }
    }

    /// One arena; its rows by rising size, those without chunks are left out. A heap of the program's
    /// own has a name, which is fit for XML.
    #[inline(never)]
    pub(crate) fn heap(&mut self, arena: &ArenaStats, sizes: &[SizeRow], name: &str) {
        let (before, behind) = if name.is_empty() {
            ("", "")
        } else {
            (" name=\"", "\"")
        };
        write_line(
            self.sink,
            &[
                Text("<heap nr=\""),
                Number(self.heaps),
                Text("\""),
                Text(before),
                Text(name),
                Text(behind),
                Text(">"),
            ],
        );
        write_line(self.sink, &[Text("<sizes>")]);
        for row in sizes.iter().filter(|row| row.count != 0) {
            write_line(
                self.sink,
                &[
                    Text("  <size from=\""),
                    Number(row.from),
                    Text("\" to=\""),
                    Number(row.to),
                    Text("\" total=\""),
                    Number(row.total),
                    Text("\" count=\""),
                    Number(row.count),
                    Text("\"/>"),
                ],
            );
        }
        write_line(self.sink, &[Text("</sizes>")]);
        self.free(arena);
        self.system(arena);
        if arena.heaps != 0 {
            self.element("aspace", "subheaps", arena.heaps);
        }
        write_line(self.sink, &[Text("</heap>")]);
        self.heaps += 1;
        add(&mut self.sum, arena);
    }

    /// The sums of all arenas, the mapped chunks, and the end of the document.
    #[inline(never)]
    pub(crate) fn finish(mut self, mapped: &MappedStats) {
        let sum = self.sum;
        self.free(&sum);
        self.total("mmap", mapped.chunks, mapped.bytes);
        self.system(&sum);
        write_line(self.sink, &[Text("</malloc>")]);
    }

    fn free(&mut self, arena: &ArenaStats) {
        self.total("fast", arena.fast_chunks, arena.fast_bytes);
        self.total("rest", arena.free_chunks, arena.free_bytes);
    }

    #[inline(never)]
    fn system(&mut self, arena: &ArenaStats) {
        self.element("system", "current", arena.system_bytes);
        self.element("system", "max", arena.max_system_bytes);
        self.element("aspace", "total", arena.system_bytes);
        self.element("aspace", "mprotect", arena.writable_bytes);
    }

    fn total(&mut self, kind: &'static str, count: usize, size: usize) {
        write_line(
            self.sink,
            &[
                Text("<total type=\""),
                Text(kind),
                Text("\" count=\""),
                Number(count),
                Text("\" size=\""),
                Number(size),
                Text("\"/>"),
            ],
        );
    }

    fn element(&mut self, name: &'static str, kind: &'static str, size: usize) {
        write_line(
            self.sink,
            &[
                Text("<"),
                Text(name),
                Text(" type=\""),
                Text(kind),
                Text("\" size=\""),
                Number(size),
                Text("\"/>"),
            ],
        );
    }
}

/// Adds the figures that are summed over arenas.
fn add(sum: &mut ArenaStats, arena: &ArenaStats) {
    let plus = usize::wrapping_add;
    *sum = ArenaStats {
        fast_chunks: plus(sum.fast_chunks, arena.fast_chunks),
        fast_bytes: plus(sum.fast_bytes, arena.fast_bytes),
        free_chunks: plus(sum.free_chunks, arena.free_chunks),
        free_bytes: plus(sum.free_bytes, arena.free_bytes),
        system_bytes: plus(sum.system_bytes, arena.system_bytes),
        max_system_bytes: plus(sum.max_system_bytes, arena.max_system_bytes),
        writable_bytes: plus(sum.writable_bytes, arena.writable_bytes),
        top_bytes: plus(sum.top_bytes, arena.top_bytes),
        in_use_bytes: plus(sum.in_use_bytes, arena.in_use_bytes),
        cached_bytes: plus(sum.cached_bytes, arena.cached_bytes),
        heaps: plus(sum.heaps, arena.heaps),
    };
}

/// `malloc_stats`'s text, in glibc's layout: `new`, `arena` for each, `finish`.
///
/// The numbers are whole where glibc cuts them to 32 bits.
pub(crate) struct StatsWriter<'a> {
    sink: Sink<'a>,
    arenas: usize,
    system: usize,
    in_use: usize,
}

impl<'a> StatsWriter<'a> {
    /// Writes nothing yet.
    pub(crate) fn new(sink: Sink<'a>) -> Self {
        Self {
            sink,
            arenas: 0,
            system: 0,
            in_use: 0,
        }
    }

    /// One arena, with its name if it has one.
    #[inline(never)]
    pub(crate) fn arena(&mut self, arena: &ArenaStats, name: &str) {
        let (before, behind) = if name.is_empty() {
            ("", ":")
        } else {
            (" (", "):")
        };
        write_line(
            self.sink,
            &[
                Text("Arena "),
                Number(self.arenas),
                Text(before),
                Text(name),
                Text(behind),
            ],
        );
        self.bytes(arena.system_bytes, arena.in_use_bytes);
        self.arenas += 1;
        self.system = self.system.wrapping_add(arena.system_bytes);
        self.in_use = self.in_use.wrapping_add(arena.in_use_bytes);
    }

    /// The sums, and the most that was ever mapped.
    #[inline(never)]
    pub(crate) fn finish(mut self, mapped: &MappedStats) {
        write_line(self.sink, &[Text("Total (incl. mmap):")]);
        self.bytes(
            self.system.wrapping_add(mapped.bytes),
            self.in_use.wrapping_add(mapped.bytes),
        );
        write_line(
            self.sink,
            &[Text("max mmap regions = "), Padded(mapped.max_chunks)],
        );
        write_line(
            self.sink,
            &[Text("max mmap bytes   = "), Padded(mapped.max_bytes)],
        );
    }

    fn bytes(&mut self, system: usize, in_use: usize) {
        write_line(self.sink, &[Text("system bytes     = "), Padded(system)]);
        write_line(self.sink, &[Text("in use bytes     = "), Padded(in_use)]);
    }
}

/// The line with which `CAIRN_VERBOSE` shows that Cairn served the process `pid`.
#[inline(never)]
pub(crate) fn verbose(sink: Sink<'_>, pid: usize, peaks: &Peaks) {
    write_line(
        sink,
        &[
            Text(concat!(
                "cairn ",
                env!("CARGO_PKG_VERSION"),
                ": served process "
            )),
            Number(pid),
            Text("; at most "),
            Number(peaks.arena_bytes.div_ceil(1024)),
            Text(" KiB in "),
            Number(peaks.arenas),
            Text(if peaks.arenas == 1 {
                " arena and "
            } else {
                " arenas and "
            }),
            Number(peaks.mapped_bytes.div_ceil(1024)),
            Text(" KiB in mapped chunks; "),
            Number(peaks.growths),
            Text(" growths, "),
            Number(peaks.sweeps),
            Text(" sweeps, "),
            Number(peaks.looks),
            Text(" looks, "),
            Number(peaks.purges),
            Text(" purges of "),
            Number(peaks.purged_bytes.div_ceil(1024)),
            Text(" KiB"),
        ],
    );
}

/// The statistics build's lines at the end of a process: a figure each.
#[cfg(feature = "stats")]
pub(crate) fn figure(sink: Sink<'_>, name: &'static str, count: usize) {
    write_line(
        sink,
        &[
            Text("cairn"),
            Text(": "),
            Text(name),
            Text(": "),
            Number(count),
        ],
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests;
