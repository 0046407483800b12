//! The families of figures, and the text that has them of some processes.

use cairn_reader::summary::{OfArena, Summary};
use cairn_reader::tables::{Counters, Own};
use std::fmt::Write as _;

/// A family of figures: name, unit, what it is.
struct Family {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    kind: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        unit: "bytes",
        help,
        kind: "gauge",
    }
}

/// A family of figures of each arena, and where the figure is.
type OfEach = (Family, fn(&OfArena) -> u64);

const ARENAS: [OfEach; 7] = [
    (
        gauge(
            "cairn_system_bytes",
            "Bytes that an arena has of the system",
        ),
        |a| a.system,
    ),
    (
        gauge(
            "cairn_live_bytes",
            "Bytes of an arena in use, rounded sizes: what grows here is a leak or a need",
        ),
        |a| a.live,
    ),
    (
        gauge("cairn_free_chunk_bytes", "Bytes of free chunks"),
        |a| a.binned,
    ),
    (
        gauge(
            "cairn_free_slot_bytes",
            "Bytes free in slots of small objects: what grows here is fragmentation",
        ),
        |a| a.slots,
    ),
    (
        gauge("cairn_top_bytes", "Bytes at the end of the newest heap"),
        |a| a.top,
    ),
    (
        gauge("cairn_waiting_bytes", "Bytes freed and not merged yet"),
        |a| a.waiting,
    ),
    (
        gauge(
            "cairn_cached_bytes",
            "Bytes in caches of threads that use an arena",
        ),
        |a| a.cached,
    ),
];

/// A family of what the slow paths of each arena have done, and where the count is.
type OfSlow = (Family, fn(&Counters) -> usize);

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family {
        name,
        unit,
        help,
        kind: "counter",
    }
}

const SLOW: [OfSlow; 8] = [
    (
        counter(
            "cairn_growths",
            "",
            "Times that heaps became longer, or began",
        ),
        |c| c.growths,
    ),
    (
        counter(
            "cairn_grown_bytes",
            "bytes",
            "Bytes by which heaps became longer",
        ),
        |c| c.grown,
    ),
    (
        counter(
            "cairn_shrunk_bytes",
            "bytes",
            "Bytes by which heaps became shorter, or ended",
        ),
        |c| c.shrunk,
    ),
    (
        counter(
            "cairn_sweeps",
            "",
            "Regions whose waiting chunks were merged",
        ),
        |c| c.sweeps,
    ),
    (
        counter(
            "cairn_looks",
            "",
            "Regions and heaps that were looked at for what could go",
        ),
        |c| c.looks,
    ),
    (
        counter(
            "cairn_purges",
            "",
            "Times that the kernel was asked to take free pages",
        ),
        |c| c.purges,
    ),
    (
        counter(
            "cairn_purged_bytes",
            "bytes",
            "Bytes of free pages inside heaps that the kernel was asked to take",
        ),
        |c| c.purged,
    ),
    (
        counter(
            "cairn_refused_bytes",
            "bytes",
            "Bytes of free pages that the kernel would not take",
        ),
        |c| c.refused,
    ),
];

/// A family of figures of each heap of a program's own, and where the figure is.
type OfOwn = (Family, fn(&Own) -> u64);

const OWN: [OfOwn; 2] = [
    (
        gauge(
            "cairn_heap_mapped_bytes",
            "Bytes of chunks of a heap of the program's own that have a mapping of their own",
        ),
        |own| own.mapped.1,
    ),
    (
        gauge(
            "cairn_heap_limit_bytes",
            "Bytes that a heap of the program's own may have of the system, 0 for any number",
        ),
        |own| own.limit,
    ),
];

/// A family of figures of each process, and where the figure is.
type OfProcess = (Family, fn(&Summary) -> u64);

const PROCESSES: [OfProcess; 4] = [
    (
        gauge(
            "cairn_resident_bytes",
            "Bytes of the process that are resident, also what is not Cairn's",
        ),
        |s| s.resident,
    ),
    (
        gauge(
            "cairn_mapped_bytes",
            "Bytes of chunks that have a mapping of their own",
        ),
        |s| s.mapped,
    ),
    (
        gauge(
            "cairn_table_bytes",
            "Bytes mapped for Cairn's own tables, touched or not",
        ),
        |s| s.tables,
    ),
    (
        Family {
            name: "cairn_mapped_chunks",
            unit: "",
            help: "Chunks that have a mapping of their own",
            kind: "gauge",
        },
        |s| s.mapped_chunks,
    ),
];

/// A value between quotes.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('\n', "\\n")
}

fn head(out: &mut String, family: &Family) {
    let Family {
        name,
        unit,
        help,
        kind,
    } = family;
    let _ = writeln!(out, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name} {help}");
}

/// Labels of an arena: its number, which it keeps; in a process with several Cairns the others' have
/// which of them it is. A heap of the program's own has its name.
fn of_arena(labels: String, arena: &OfArena) -> String {
    let (own, i) = (arena.own.as_ref(), arena.index);
    let labels = match arena.library {
        0 => labels,
        other => format!("{labels},library=\"{other}\""),
    };
    let own = own.map_or(String::new(), |own| {
        format!(",heap=\"{}\"", quoted(&own.name))
    });
    format!("{labels},arena=\"{i}\"{own}")
}

/// The text.
pub(super) fn text(all: &[Summary]) -> String {
    let mut out = String::new();
    let labels = |s: &Summary| format!("pid=\"{}\",command=\"{}\"", s.pid, quoted(&s.command));
    for (family, of) in &PROCESSES {
        head(&mut out, family);
        for s in all {
            let _ = writeln!(out, "{}{{{}}} {}", family.name, labels(s), of(s));
        }
    }
    for (family, of) in &ARENAS {
        head(&mut out, family);
        for s in all {
            for arena in &s.arenas {
                let labels = of_arena(labels(s), arena);
                let _ = writeln!(out, "{}{{{labels}}} {}", family.name, of(arena));
            }
        }
    }
    for (family, of) in &OWN {
        head(&mut out, family);
        for s in all {
            for arena in &s.arenas {
                if let Some(own) = &arena.own {
                    let labels = of_arena(labels(s), arena);
                    let _ = writeln!(out, "{}{{{labels}}} {}", family.name, of(own));
                }
            }
        }
    }
    for (family, of) in &SLOW {
        head(&mut out, family);
        for s in all {
            for arena in &s.arenas {
                let (labels, count) = (of_arena(labels(s), arena), of(&arena.slow));
                let _ = writeln!(out, "{}_total{{{labels}}} {count}", family.name);
            }
        }
    }
    head(
        &mut out,
        &counter("cairn_page_faults", "", "Page faults of the process"),
    );
    for s in all {
        for (kind, count) in [("minor", s.faults.0), ("major", s.faults.1)] {
            let labels = labels(s);
            let _ = writeln!(
                out,
                "cairn_page_faults_total{{{labels},kind=\"{kind}\"}} {count}"
            );
        }
    }
    out.push_str("# EOF\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Two Cairns in one process have an arena of the same number each.
    #[test]
    fn no_series_is_written_twice() {
        let of = |library| OfArena {
            library,
            index: 3,
            ..OfArena::default()
        };
        let text = text(&[Summary {
            arenas: vec![of(0), of(1)],
            ..Summary::default()
        }]);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let series: Vec<_> = samples
            .filter_map(|line| Some(line.rsplit_once(' ')?.0))
            .collect();
        let once: BTreeSet<_> = series.iter().collect();
        assert_eq!(once.len(), series.len(), "{text}");
        let first = "cairn_purges_total{pid=\"0\",command=\"\",arena=\"3\"}";
        let other = "cairn_purges_total{pid=\"0\",command=\"\",library=\"1\",arena=\"3\"}";
        assert!(series.contains(&first) && series.contains(&other), "{text}");
    }
}
