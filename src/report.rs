//! The texts of `malloc_info`, `malloc_stats` and `CAIRN_VERBOSE`.
//!
//! Figures come in as plain numbers, text goes out through a sink. Nothing here knows an arena or
//! holds a lock, because the sink may be `fwrite`, which may allocate: take the figures of an
//! arena under its lock, let go, then write.

use crate::fatal::LineBuffer;

/// Where text goes, piece by piece.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// Bytes of the longest line, with every number at its longest.
const LINE: usize = 192;

/// Free chunks of one bin.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SizeRow {
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
pub struct ArenaStats {
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
    /// Mapped heaps; 0 for an arena that lives on the break alone.
    pub heaps: usize,
}

/// The figures of the mapped chunks of a process.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct MappedStats {
    /// Mapped chunks.
    pub chunks: usize,
    /// Their bytes, whole pages.
    pub bytes: usize,
    /// The most there were at one time.
    pub max_chunks: usize,
    /// The most bytes they had at one time.
    pub max_bytes: usize,
}

/// Peak figures of a process, for the line at its exit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Peaks {
    /// Most bytes had from the system by arenas.
    pub arena_bytes: usize,
    /// Most bytes in mapped chunks.
    pub mapped_bytes: usize,
    /// Arenas in use.
    pub arenas: usize,
}

/// The piece of a line: text or a number.
#[derive(Clone, Copy)]
enum Piece {
    Text(&'static str),
    Number(usize),
    Padded(usize),
}

use Piece::{Number, Padded, Text};

fn write_line(sink: Sink<'_>, pieces: &[Piece]) {
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
pub struct InfoWriter<'a> {
    sink: Sink<'a>,
    heaps: usize,
    sum: ArenaStats,
}

impl<'a> InfoWriter<'a> {
    /// Opens the document.
    pub fn new(sink: Sink<'a>) -> Self {
        write_line(sink, &[Text("<malloc version=\"1\">")]);
        Self {
            sink,
            heaps: 0,
            sum: ArenaStats::default(),
        }
    }

    /// One arena; its rows by rising size, those without chunks are left out.
    pub fn heap(&mut self, arena: &ArenaStats, sizes: &[SizeRow]) {
        write_line(
            self.sink,
            &[Text("<heap nr=\""), Number(self.heaps), Text("\">")],
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
    pub fn finish(mut self, mapped: &MappedStats) {
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
        heaps: plus(sum.heaps, arena.heaps),
    };
}

/// `malloc_stats`'s text, in glibc's layout: `new`, `arena` for each, `finish`.
///
/// The numbers are whole where glibc cuts them to 32 bits.
pub struct StatsWriter<'a> {
    sink: Sink<'a>,
    arenas: usize,
    system: usize,
    in_use: usize,
}

impl<'a> StatsWriter<'a> {
    /// Writes nothing yet.
    pub fn new(sink: Sink<'a>) -> Self {
        Self {
            sink,
            arenas: 0,
            system: 0,
            in_use: 0,
        }
    }

    /// One arena.
    pub fn arena(&mut self, arena: &ArenaStats) {
        write_line(self.sink, &[Text("Arena "), Number(self.arenas), Text(":")]);
        self.bytes(arena.system_bytes, arena.in_use_bytes);
        self.arenas += 1;
        self.system = self.system.wrapping_add(arena.system_bytes);
        self.in_use = self.in_use.wrapping_add(arena.in_use_bytes);
    }

    /// The sums, and the most that was ever mapped.
    pub fn finish(mut self, mapped: &MappedStats) {
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
pub fn verbose(sink: Sink<'_>, pid: usize, peaks: &Peaks) {
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
            Text(" KiB in mapped chunks"),
        ],
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn written(body: impl FnOnce(Sink<'_>)) -> String {
        let mut text = Vec::new();
        body(&mut |piece: &[u8]| text.extend_from_slice(piece));
        String::from_utf8(text).unwrap()
    }

    const MAIN: ArenaStats = ArenaStats {
        fast_chunks: 3,
        fast_bytes: 96,
        free_chunks: 2,
        free_bytes: 70_000,
        system_bytes: 135_168,
        max_system_bytes: 270_336,
        writable_bytes: 135_168,
        top_bytes: 69_000,
        in_use_bytes: 65_072,
        heaps: 0,
    };
    const SECOND: ArenaStats = ArenaStats {
        fast_chunks: 0,
        fast_bytes: 0,
        free_chunks: 1,
        free_bytes: 1000,
        system_bytes: 4096,
        max_system_bytes: 8192,
        writable_bytes: 8192,
        top_bytes: 1000,
        in_use_bytes: 3096,
        heaps: 2,
    };
    const MAPPED: MappedStats = MappedStats {
        chunks: 1,
        bytes: 1_052_672,
        max_chunks: 4,
        max_bytes: 5 << 30,
    };

    #[test]
    fn malloc_info_follows_glibcs_schema() {
        let rows = [
            SizeRow {
                from: 33,
                to: 48,
                total: 96,
                count: 2,
            },
            SizeRow::default(),
            SizeRow {
                from: 1025,
                to: 1152,
                total: 1040,
                count: 1,
            },
        ];
        let text = written(|sink| {
            let mut info = InfoWriter::new(sink);
            info.heap(&MAIN, &rows);
            info.heap(&SECOND, &[]);
            info.finish(&MAPPED);
        });
        assert_eq!(
            text,
            r#"<malloc version="1">
<heap nr="0">
<sizes>
  <size from="33" to="48" total="96" count="2"/>
  <size from="1025" to="1152" total="1040" count="1"/>
</sizes>
<total type="fast" count="3" size="96"/>
<total type="rest" count="2" size="70000"/>
<system type="current" size="135168"/>
<system type="max" size="270336"/>
<aspace type="total" size="135168"/>
<aspace type="mprotect" size="135168"/>
</heap>
<heap nr="1">
<sizes>
</sizes>
<total type="fast" count="0" size="0"/>
<total type="rest" count="1" size="1000"/>
<system type="current" size="4096"/>
<system type="max" size="8192"/>
<aspace type="total" size="4096"/>
<aspace type="mprotect" size="8192"/>
<aspace type="subheaps" size="2"/>
</heap>
<total type="fast" count="3" size="96"/>
<total type="rest" count="3" size="71000"/>
<total type="mmap" count="1" size="1052672"/>
<system type="current" size="139264"/>
<system type="max" size="278528"/>
<aspace type="total" size="139264"/>
<aspace type="mprotect" size="143360"/>
</malloc>
"#
        );
    }

    #[test]
    fn malloc_stats_has_glibcs_layout_and_whole_numbers() {
        let text = written(|sink| {
            let mut stats = StatsWriter::new(sink);
            stats.arena(&MAIN);
            stats.arena(&SECOND);
            stats.finish(&MAPPED);
        });
        assert_eq!(
            text,
            "Arena 0:\n\
             system bytes     =     135168\n\
             in use bytes     =      65072\n\
             Arena 1:\n\
             system bytes     =       4096\n\
             in use bytes     =       3096\n\
             Total (incl. mmap):\n\
             system bytes     =    1191936\n\
             in use bytes     =    1120840\n\
             max mmap regions =          4\n\
             max mmap bytes   = 5368709120\n"
        );
    }

    #[test]
    fn the_verbose_line_names_version_process_and_peaks() {
        let peaks = Peaks {
            arena_bytes: 1025,
            mapped_bytes: 0,
            arenas: 1,
        };
        assert_eq!(
            written(|sink| verbose(sink, 42, &peaks)),
            concat!(
                "cairn ",
                env!("CARGO_PKG_VERSION"),
                ": served process 42; at most 2 KiB in 1 arena and 0 KiB in mapped chunks\n"
            )
        );
    }

    #[test]
    fn no_line_is_cut_however_large_its_numbers() {
        let row = SizeRow {
            from: usize::MAX,
            to: usize::MAX,
            total: usize::MAX,
            count: usize::MAX,
        };
        let peaks = Peaks {
            arena_bytes: usize::MAX,
            mapped_bytes: usize::MAX,
            arenas: usize::MAX,
        };
        let text = written(|sink| {
            let mut info = InfoWriter::new(sink);
            info.heap(&MAIN, &[row]);
            verbose(info.sink, usize::MAX, &peaks);
        });
        assert!(text.lines().all(|line| line.len() < LINE), "{text}");
        assert!(text.ends_with(" KiB in mapped chunks\n"), "{text}");
    }
}
