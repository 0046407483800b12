//! What the texts look like.

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
    cached_bytes: 0,
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
    cached_bytes: 0,
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
        info.heap(&MAIN, &rows, "");
        info.heap(&SECOND, &[], "documents");
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
<heap nr="1" name="documents">
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
        stats.arena(&MAIN, "");
        stats.arena(&SECOND, "documents");
        stats.finish(&MAPPED);
    });
    assert_eq!(
        text,
        "Arena 0:\n\
             system bytes     =     135168\n\
             in use bytes     =      65072\n\
             Arena 1 (documents):\n\
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
        growths: 2,
        sweeps: 3,
        looks: 4,
        purges: 1,
        purged_bytes: 8192,
    };
    assert_eq!(
        written(|sink| verbose(sink, 42, &peaks)),
        concat!(
            "cairn ",
            env!("CARGO_PKG_VERSION"),
            ": served process 42; at most 2 KiB in 1 arena and 0 KiB in mapped chunks; \
             2 growths, 3 sweeps, 4 looks, 1 purges of 8 KiB\n"
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
        growths: usize::MAX,
        sweeps: usize::MAX,
        looks: usize::MAX,
        purges: usize::MAX,
        purged_bytes: usize::MAX,
    };
    let text = written(|sink| {
        let mut info = InfoWriter::new(sink);
        info.heap(&MAIN, &[row], &"x".repeat(32));
        verbose(info.sink, usize::MAX, &peaks);
    });
    assert!(text.lines().all(|line| line.len() < LINE), "{text}");
    assert!(text.ends_with(" KiB\n"), "{text}");
}
