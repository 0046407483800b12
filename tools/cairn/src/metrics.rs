//! `cairn metrics`: the figures as OpenMetrics text, for Prometheus and its like.

use anyhow::{Context, Result, bail};
use cairn_reader::summary::{self, OfArena, Summary};
use cairn_reader::tables::Own;
use clap::Args;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prints figures as OpenMetrics text, once, into a file, or to whoever asks a port.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn metrics $(pidof redis-server)
  cairn metrics --all -o /var/lib/node_exporter/cairn.prom
  cairn metrics --all --listen 9099

Processes are read while they run. A file is replaced in one step.")]
pub(crate) struct Arguments {
    /// Numbers of processes
    #[arg(
        value_name = "PID",
        required_unless_present = "all",
        allow_negative_numbers = true
    )]
    pids: Vec<i32>,
    /// All processes on Cairn that we may look at
    #[arg(long, conflicts_with = "pids")]
    all: bool,
    /// Write into a file, for a node exporter's textfile collector
    #[arg(short, long, value_name = "FILE", conflicts_with = "listen")]
    output: Option<PathBuf>,
    /// Answer requests for /metrics on this port, until it is ended: of the loopback address, where
    /// no other is named
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = place)]
    listen: Option<SocketAddr>,
}

/// Where to listen.
fn place(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| (Ipv4Addr::LOCALHOST, port).into());
    port.or_else(|_| text.parse())
        .map_err(|_| "a port, or an address and a port, as 0.0.0.0:9464".to_owned())
}

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

/// The text.
/// Labels of an arena; a heap of the program's own has its name.
fn of_arena(labels: String, i: usize, arena: &OfArena) -> String {
    let own = arena.own.as_ref();
    let own = own.map_or(String::new(), |own| {
        format!(",heap=\"{}\"", quoted(&own.name))
    });
    format!("{labels},arena=\"{i}\"{own}")
}

fn text(all: &[Summary]) -> String {
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
            for (i, arena) in s.arenas.iter().enumerate() {
                let labels = of_arena(labels(s), i, arena);
                let _ = writeln!(out, "{}{{{labels}}} {}", family.name, of(arena));
            }
        }
    }
    for (family, of) in &OWN {
        head(&mut out, family);
        for s in all {
            for (i, arena) in s.arenas.iter().enumerate() {
                if let Some(own) = &arena.own {
                    let labels = of_arena(labels(s), i, arena);
                    let _ = writeln!(out, "{}{{{labels}}} {}", family.name, of(own));
                }
            }
        }
    }
    head(
        &mut out,
        &Family {
            name: "cairn_purged_bytes",
            unit: "bytes",
            help: "Bytes of free pages inside heaps that the kernel was asked to take",
            kind: "counter",
        },
    );
    for s in all {
        for (i, arena) in s.arenas.iter().enumerate() {
            let (labels, purged) = (of_arena(labels(s), i, arena), arena.purged);
            let _ = writeln!(out, "cairn_purged_bytes_total{{{labels}}} {purged}");
        }
    }
    head(
        &mut out,
        &Family {
            name: "cairn_page_faults",
            unit: "",
            help: "Page faults of the process",
            kind: "counter",
        },
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

fn collect(arguments: &Arguments) -> Result<Vec<Summary>> {
    if arguments.all {
        return Ok(summary::all());
    }
    let read = |pid: &i32| crate::look::summary(*pid);
    arguments.pids.iter().map(read).collect()
}

/// Writes, or serves.
///
/// # Errors
/// A process cannot be looked at, the file cannot be written, or the port is another's.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(place) = arguments.listen {
        return serve(arguments, place);
    }
    let text = text(&collect(arguments)?);
    match &arguments.output {
        None => crate::print(&text),
        Some(path) => replace(path, &text),
    }
}

/// The file is the old one or the new one at any moment.
fn replace(path: &Path, text: &str) -> Result<()> {
    let Some(name) = path.file_name() else {
        bail!("{} names no file", path.display());
    };
    let mut fresh = name.to_owned();
    // A collector passes over what does not end in .prom.
    fresh.push(format!(".{}.tmp", std::process::id()));
    let fresh = path.with_file_name(fresh);
    let done = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done.with_context(|| format!("cannot write {}", path.display()))
}

fn serve(arguments: &Arguments, place: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(place).with_context(|| format!("cannot listen on {place}"))?;
    let at = listener.local_addr()?;
    crate::print(&format!("listening on http://{at}/metrics\n"))?;
    // Whoever goes away in between does not matter to the next.
    for stream in listener.incoming().flatten() {
        let _ = answer(stream, arguments);
    }
    Ok(())
}

fn answer(mut stream: TcpStream, arguments: &Arguments) -> Result<()> {
    /// Bytes of a request that are read at most.
    const REQUEST: u64 = 8 << 10;
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut first = String::new();
    let mut lines = BufReader::new(std::io::Read::take(&stream, REQUEST));
    lines.read_line(&mut first)?;
    // To its end: who closes before everything was read breaks the connection.
    let mut line = String::new();
    while lines.read_line(&mut line)? != 0 && !line.trim().is_empty() {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = if !first.starts_with("GET ") || path != "/metrics" {
        let body = "there is only /metrics\n".to_owned();
        ("404 Not Found", "text/plain; charset=utf-8", body)
    } else {
        match collect(arguments) {
            Ok(all) => (
                "200 OK",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                text(&all),
            ),
            Err(error) => (
                "503 Service Unavailable",
                "text/plain; charset=utf-8",
                format!("{error:#}\n"),
            ),
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
