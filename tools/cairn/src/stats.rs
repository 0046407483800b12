//! `cairn stats`: the figures of `mallinfo2` and `malloc_info`, from outside.

use crate::look::{self, bytes, number};
use anyhow::Result;
use cairn_reader::stats::{Row, Stats};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;

/// Prints the figures that mallinfo2 and malloc_info would give.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn stats $(pidof redis-server)
  cairn stats 1234 --json | jq .mallinfo2.uordblks")]
pub(crate) struct Arguments {
    /// Number of a process, or path of a core file
    #[arg(value_name = "PID|CORE", allow_negative_numbers = true)]
    target: String,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Do not stop the process: figures are of different moments
    #[arg(long)]
    running: bool,
}

/// `mallinfo2`, with its names.
#[derive(Serialize)]
struct Mallinfo {
    arena: u64,
    ordblks: u64,
    smblks: u64,
    hblks: u64,
    hblkhd: u64,
    usmblks: u64,
    fsmblks: u64,
    uordblks: u64,
    fordblks: u64,
    keepcost: u64,
}

#[derive(Serialize)]
struct Sizes {
    from: u64,
    to: u64,
    total: u64,
    count: u64,
}

#[derive(Serialize)]
struct Total {
    count: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Arena {
    index: u64,
    threads: u64,
    system_bytes: u64,
    max_system_bytes: u64,
    in_use_bytes: u64,
    top_bytes: u64,
    heaps: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    own: Option<Own>,
    fast: Total,
    rest: Total,
    sizes: Vec<Sizes>,
}

/// What a heap of the program's own has beyond any other arena.
#[derive(Serialize)]
struct Own {
    name: String,
    limit: Option<u64>,
    mapped_chunks: u64,
    mapped_bytes: u64,
}

#[derive(Serialize)]
struct Mapped {
    chunks: u64,
    bytes: u64,
    max_chunks: u64,
    max_bytes: u64,
}

#[derive(Serialize)]
struct Instance {
    object: String,
    mallinfo2: Mallinfo,
    mapped: Mapped,
    arenas: Vec<Arena>,
    dropped: u64,
}

#[derive(Serialize)]
struct Page {
    pid: Option<i32>,
    command: String,
    resident: Option<u64>,
    stood_still_seconds: Option<f64>,
    #[serde(flatten)]
    first: Option<Instance>,
    others: Vec<Instance>,
}

fn sizes(row: &Row) -> Sizes {
    Sizes {
        from: row.from,
        to: row.to,
        total: row.total,
        count: row.count,
    }
}

fn instance(object: String, stats: &Stats) -> Instance {
    let m = &stats.mallinfo;
    let total = |(count, bytes)| Total { count, bytes };
    Instance {
        object,
        mallinfo2: Mallinfo {
            arena: m.arena,
            ordblks: m.ordblks,
            smblks: m.smblks,
            hblks: m.hblks,
            hblkhd: m.hblkhd,
            usmblks: 0,
            fsmblks: m.fsmblks,
            uordblks: m.uordblks,
            fordblks: m.fordblks,
            keepcost: m.keepcost,
        },
        mapped: Mapped {
            chunks: stats.mapped[0],
            bytes: stats.mapped[1],
            max_chunks: stats.mapped[2],
            max_bytes: stats.mapped[3],
        },
        arenas: stats
            .arenas
            .iter()
            .map(|a| Arena {
                index: a.index,
                threads: a.threads,
                system_bytes: a.system.0,
                max_system_bytes: a.system.1,
                in_use_bytes: a.used(),
                top_bytes: a.top,
                heaps: a.heaps,
                own: a.own.as_ref().map(|own| Own {
                    name: own.name.clone(),
                    limit: Some(own.limit).filter(|limit| *limit != 0),
                    mapped_chunks: own.mapped.0,
                    mapped_bytes: own.mapped.1,
                }),
                fast: total(a.fast),
                rest: total(a.rest),
                sizes: a.rows.iter().map(sizes).collect(),
            })
            .collect(),
        dropped: stats.torn,
    }
}

/// Prints the figures.
///
/// # Errors
/// The process or file cannot be looked at.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (subject, all) = look::look(&arguments.target, arguments.running, |scene| {
        let of = |heap: &cairn_reader::Heap| {
            let stats = Stats::of(scene.target, heap);
            (heap.instance.object.clone(), stats)
        };
        scene.heaps.iter().map(of).collect::<Vec<_>>()
    })?;
    if arguments.json {
        let mut instances = all.iter().map(|(o, stats)| instance(o.clone(), stats));
        let page = Page {
            pid: subject.pid,
            command: subject.command.clone(),
            resident: subject.rss,
            stood_still_seconds: subject.stood.map(|time| time.as_secs_f64()),
            first: instances.next(),
            others: instances.collect(),
        };
        return crate::print(&(serde_json::to_string_pretty(&page)? + "\n"));
    }
    let mut out = format!("{}, {}\n", subject.title(), subject.how());
    if let Some(rss) = subject.rss {
        let _ = writeln!(out, "resident {}", bytes(rss));
    }
    for (object, stats) in &all {
        table(object, stats, &mut out);
    }
    crate::print(&out)
}

fn table(object: &str, stats: &Stats, out: &mut String) {
    let m = &stats.mallinfo;
    let _ = writeln!(out, "\nCairn in {object}");
    let _ = writeln!(
        out,
        "{:<8} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>9}",
        "arena", "threads", "system", "most", "in use", "free", "waiting", "free no."
    );
    for a in &stats.arenas {
        let used = a.used();
        let _ = writeln!(
            out,
            "{:<8} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>9}",
            a.index,
            a.threads,
            bytes(a.system.0),
            bytes(a.system.1),
            bytes(used),
            bytes(a.rest.1),
            bytes(a.fast.1),
            number(a.rest.0)
        );
    }
    let own = stats
        .arenas
        .iter()
        .filter_map(|a| Some((a, a.own.as_ref()?)));
    for (a, own) in own {
        let limit = match own.limit {
            0 => String::new(),
            limit => format!(", at most {}", bytes(limit)),
        };
        let (chunks, mapped) = own.mapped;
        let _ = writeln!(
            out,
            "arena {} is the heap \"{}\": {}, and {} in {} chunks of a mapping each{limit}",
            a.index,
            own.name,
            bytes(a.system.0),
            bytes(mapped),
            number(chunks)
        );
    }
    let _ = writeln!(
        out,
        "in use {}, free {}, of {} from the system",
        bytes(m.uordblks),
        bytes(m.fordblks),
        bytes(m.arena)
    );
    let [chunks, mapped, most, most_bytes] = stats.mapped;
    let _ = writeln!(
        out,
        "{} chunks of a mapping each, {}; at most {}, {}",
        number(chunks),
        bytes(mapped),
        number(most),
        bytes(most_bytes)
    );
    if stats.torn != 0 {
        let _ = writeln!(
            out,
            "{} links or headers made no sense and were left out",
            number(stats.torn)
        );
    }
}
