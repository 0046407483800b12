//! A trace for the terminal.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Read, Write};

use anyhow::Result;
use traces::event::{Birth, Call, Event};
use traces::file::Reader;
use traces::shape::{Class, Point, Shape};

/// Characters of the longest bar.
const BAR: usize = 40;
/// Lines of the curve.
const ROWS: usize = 16;
/// Threads, and pairs of them, that are shown.
const MANY: usize = 12;

/// Bytes with a unit.
pub(super) fn bytes(value: u64) -> String {
    let value = value as f64;
    let units = ["bytes", "KiB", "MiB", "GiB"];
    let mut shown = value;
    for unit in units {
        if shown < 1024.0 || unit == "GiB" {
            return if unit == "bytes" {
                format!("{shown:.0} {unit}")
            } else {
                format!("{shown:.1} {unit}")
            };
        }
        shown /= 1024.0;
    }
    String::new()
}

/// Seconds with a unit.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// The lower end of a class of sizes.
pub(super) fn size_label(class: &Class) -> String {
    format!("from {}", bytes(class.from))
}

/// The lower end of a class of lifetimes, which are in microseconds.
pub(super) fn life_label(class: &Class) -> String {
    format!("from {}", time(class.from as f64 / 1e6))
}

pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

fn bar(part: u64, most: u64) -> String {
    let length = (BAR as f64 * part as f64 / most.max(1) as f64).round() as usize;
    "█".repeat(length.max(usize::from(part > 0)))
}

fn histogram(classes: &[Class], label: fn(&Class) -> String) -> String {
    let most = classes.iter().map(|class| class.objects).max().unwrap_or(0);
    let mut text = String::new();
    let filled = classes.iter().skip_while(|class| class.objects == 0);
    for class in filled {
        let _ = writeln!(
            text,
            "  {:>16} {:>12} objects {:>12}  {}",
            label(class),
            class.objects,
            bytes(class.bytes),
            bar(class.objects, most),
        );
    }
    text
}

/// The most that lived, by stretches of time of one length.
fn curve(points: &[Point], seconds: f64) -> String {
    // A stretch without a call has what there was before it.
    let mut rows = [0_u64; ROWS];
    let (mut at, mut before) = (0, 0);
    for point in points {
        let here = (point.time / seconds.max(1e-9) * ROWS as f64) as usize;
        while at < here.min(ROWS - 1) {
            at += 1;
            if let Some(row) = rows.get_mut(at) {
                *row = before;
            }
        }
        if let Some(row) = rows.get_mut(at) {
            *row = (*row).max(point.bytes);
        }
        before = point.bytes;
    }
    let most = rows.iter().copied().max().unwrap_or(0);
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let until = seconds * (at + 1) as f64 / ROWS as f64;
        let _ = writeln!(
            text,
            "  {:>16} {:>12}  {}",
            format!("to {}", time(until)),
            bytes(*row),
            bar(*row, most),
        );
    }
    text
}

/// The figures, each with a picture.
pub(super) fn figures(shape: &Shape) -> String {
    let mut text = String::new();
    let calls = shape.calls();
    let start = &shape.start;
    let _ = writeln!(
        text,
        "{} (process {}), malloc served by {}",
        start.program, start.pid, start.served
    );
    let _ = writeln!(
        text,
        "{calls} calls in {}: {} malloc, {} calloc, {} aligned, {} realloc, {} free{}",
        time(shape.seconds),
        shape.mallocs,
        shape.callocs,
        shape.aligned,
        shape.reallocs.calls,
        shape.frees,
        match shape.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        },
    );
    let _ = writeln!(
        text,
        "{} asked for, {} of it zeroed ({}); at most {} in {} objects lived at once, after {}",
        bytes(shape.bytes),
        bytes(shape.zeroed),
        share(shape.zeroed, shape.bytes),
        bytes(shape.peak.bytes),
        shape.peak.objects,
        time(shape.peak.time),
    );
    for line in notes(shape) {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\nSizes\n{}", histogram(&shape.sizes, size_label));
    let _ = write!(
        text,
        "\nLifetimes\n{}",
        histogram(&shape.lifetimes, life_label)
    );
    let _ = writeln!(
        text,
        "  {:>16} {:>12} objects {:>12}",
        "never freed",
        shape.left.objects,
        bytes(shape.left.bytes)
    );
    let _ = write!(
        text,
        "\nThe most that lived\n{}",
        curve(&shape.curve, shape.seconds)
    );
    let _ = write!(text, "\nThreads\n{}", threads(shape));
    text + &rest(shape)
}

/// What is to be known about the file.
pub(super) fn notes(shape: &Shape) -> Vec<String> {
    let mut notes = Vec::new();
    match &shape.end {
        None => notes.push("The file is cut short: its last calls are missing.".to_owned()),
        Some(end) => {
            if let Some(why) = &end.cut {
                notes.push(format!("The last calls are missing: {why}"));
            }
            if end.strays > 0 {
                notes.push(format!(
                    "{} frees of objects from before the recording, or from before a fork, are left out.",
                    end.strays
                ));
            }
            if !end.exited {
                notes.push(
                    "The process did not end by exit: a signal ended it, or it became another program."
                        .to_owned(),
                );
            }
        }
    }
    notes
}

fn threads(shape: &Shape) -> String {
    let mut text = String::new();
    let most = shape.threads.iter().map(|it| it.calls).max().unwrap_or(0);
    for thread in shape.threads.iter().take(MANY) {
        let _ = writeln!(
            text,
            "  {:>16} {:>12} calls, {} objects, freed {} of its own and {} of others  {}",
            format!("thread {}", thread.thread),
            thread.calls,
            thread.births,
            thread.frees_own,
            thread.frees_others,
            bar(thread.calls, most),
        );
    }
    if shape.threads.len() > MANY {
        let _ = writeln!(text, "  and {} more", shape.threads.len() - MANY);
    }
    let most = shape.pairs.first().map_or(0, |pair| pair.objects);
    for pair in shape.pairs.iter().take(MANY) {
        let _ = writeln!(
            text,
            "  {:>16} {:>12} objects  {}",
            format!("{} frees {}'s", pair.by, pair.owner),
            pair.objects,
            bar(pair.objects, most),
        );
    }
    text
}

fn rest(shape: &Shape) -> String {
    let mut text = String::new();
    let re = &shape.reallocs;
    if re.calls > 0 {
        let _ = writeln!(text, "\nrealloc");
        for (label, part) in [("in place", re.calls - re.moved), ("moved", re.moved)] {
            let _ = writeln!(
                text,
                "  {label:>16} {part:>12} calls  {}",
                bar(part, re.calls)
            );
        }
        let _ = writeln!(
            text,
            "  {} grown, {} shrunk, {} copied, at most {} for one object",
            re.grown,
            re.shrunk,
            bytes(re.copied),
            re.longest
        );
    }
    let large = &shape.large;
    if large.objects > 0 {
        let _ = writeln!(
            text,
            "\nLarge objects\n  {} looked at when freed or at the end: {} of {} resident ({})",
            large.objects,
            bytes(large.resident),
            bytes(large.bytes),
            share(large.resident, large.bytes),
        );
    }
    text
}

/// Every call.
pub(super) fn calls<R: Read>(reader: &mut Reader<R>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let tick = reader.start.tick;
    let mut births: Vec<u64> = Vec::new();
    while let Some(event) = reader.next_call()? {
        let line = line(&event, tick, &mut births);
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

fn line(event: &Event, tick: f64, births: &mut Vec<u64>) -> String {
    let thread = event.thread as usize;
    if births.len() <= thread {
        births.resize(thread + 1, 0);
    }
    let mut own = String::new();
    if event.is_birth()
        && let Some(number) = births.get_mut(thread)
    {
        own = format!(
            " = {}",
            name(Birth {
                thread: event.thread,
                number: *number,
            })
        );
        *number += 1;
    }
    let size = event.size;
    let what = match event.call {
        Call::Malloc => format!("malloc({size}){own}"),
        Call::Calloc => format!("calloc({size}){own}"),
        Call::Aligned(power) => format!("aligned({}, {size}){own}", 1_u64 << (power & 63)),
        Call::Free(of) => format!("free({})", name(of)),
        Call::Realloc { of, moved } => {
            let how = if moved { "moved" } else { "in place" };
            format!("realloc({}, {size}){own}, {how}", name(of))
        }
        Call::Failed => format!("failed({size})"),
        Call::Rest(of) => format!("never freed: {}", name(of)),
    };
    let share = event
        .share
        .map(|share| format!(", {:.0} % resident", f64::from(share) / 2.55))
        .unwrap_or_default();
    format!(
        "{:.7} {} {what}{share}",
        event.time as f64 * tick,
        event.thread
    )
}

fn name(birth: Birth) -> String {
    format!("{}.{}", birth.thread, birth.number)
}
