//! The page: faults by cause, and where they were.

use super::Watched;
use super::history::{CAUSES, Cause, Tally};
use super::places::{KINDS, Kind};
use super::price::Prices;
use super::watch::Watch;
use crate::look::{bytes, number};
use serde::Serialize;
use std::fmt::Write as _;

/// Faults of one cause.
#[derive(Serialize)]
struct Row {
    cause: &'static str,
    #[serde(skip)]
    title: &'static str,
    faults: u64,
    pages: u64,
    bytes: u64,
    huge_pages: u64,
    /// By the kernel's own records of the beginning and the end of each fault.
    measured_seconds: Option<f64>,
    /// Of a fault of this sort in this command, unwatched.
    calibrated_nanoseconds_each: Option<f64>,
}

/// Faults in one place.
#[derive(Serialize)]
struct Place {
    place: &'static str,
    #[serde(skip)]
    title: &'static str,
    faults: Vec<u64>,
}

/// All of it.
#[derive(Serialize)]
pub(super) struct Page {
    pid: i32,
    command: String,
    seconds: f64,
    processes: usize,
    heap: Vec<Row>,
    causes: Vec<&'static str>,
    places: Vec<Place>,
    purged_bytes: Option<u64>,
    shrunk_bytes: Option<u64>,
    sampled: u64,
    lost: u64,
    kernel_counted_minor: u64,
    kernel_counted_major: u64,
    tlb_load_misses: Option<u64>,
    with_faults_of_the_kernel: bool,
    with_codes: bool,
}

fn cause(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::First => ("first_touch", "first touch"),
        Cause::Again => ("touched_again", "touched again, was given back"),
        Cause::Zeros => ("read_before", "written, was only read before"),
        Cause::Copied => ("copied", "written after a fork: copied"),
        Cause::Swap => ("swap", "from swap or a disk"),
    }
}

fn place(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Slots => ("slots", "slots of small objects"),
        Kind::Chunks => ("chunks", "chunks"),
        Kind::Top => ("top", "top"),
        Kind::Mapped => ("mapped", "chunks of a mapping each"),
        Kind::Tables => ("tables", "Cairn's tables"),
        Kind::Gone => ("gone", "heaps, gone since"),
        Kind::Other => ("other", "not the heap"),
    }
}

impl Page {
    pub(super) fn new(watch: &Watch, watched: &Watched, prices: Option<Prices>) -> Self {
        let of = |kind, cause| {
            watch
                .totals
                .get(&(kind, cause))
                .copied()
                .unwrap_or_default()
        };
        let row = |c: Cause| {
            let mut sum = Tally::default();
            for kind in KINDS.iter().filter(|kind| **kind != Kind::Other) {
                sum.add(&of(*kind, c));
            }
            let all_timed = sum.timed != 0 && watch.events.has_entries();
            // A few whose beginning was lost cost what the others did.
            let time = sum.time as f64 * 1e-9 * sum.faults as f64 / sum.timed.max(1) as f64;
            Row {
                cause: cause(c).0,
                title: cause(c).1,
                faults: sum.faults,
                pages: sum.pages,
                bytes: sum.pages * watch.page(),
                huge_pages: sum.huge,
                measured_seconds: all_timed.then_some(time),
                calibrated_nanoseconds_each: prices.and_then(|p| p.of(c)),
            }
        };
        let places = KINDS.map(|kind| Place {
            place: place(kind).0,
            title: place(kind).1,
            faults: CAUSES.map(|c| of(kind, c).faults).to_vec(),
        });
        let given = watch.given_back();
        Self {
            pid: watched.pid,
            command: watched.command.clone(),
            seconds: watched.time.as_secs_f64(),
            processes: watch.processes.len(),
            heap: CAUSES.map(row).into(),
            causes: CAUSES.map(|c| cause(c).0).to_vec(),
            places: places.into(),
            purged_bytes: given.map(|g| g.0),
            shrunk_bytes: given.map(|g| g.1),
            sampled: watch.totals.values().map(|t| t.faults).sum(),
            lost: watch.events.lost(),
            kernel_counted_minor: watched.counted.0,
            kernel_counted_major: watched.counted.1,
            tlb_load_misses: watch.events.misses(),
            with_faults_of_the_kernel: watch.events.with_kernel,
            with_codes: watch.events.has_entries(),
        }
    }

    pub(super) fn text(&self) -> String {
        let more = match self.processes {
            0 | 1 => String::new(),
            2 => " and 1 that it started".to_owned(),
            n => format!(" and {} that it started", n - 1),
        };
        let mut out = format!(
            "process {} ({}){more}, watched for {:.1} s\n\n",
            self.pid, self.command, self.seconds
        );
        self.by_cause(&mut out);
        self.by_place(&mut out);
        self.notes(&mut out);
        out
    }

    fn by_cause(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "{:<30} {:>9} {:>10} {:>9} {:>8} {:>8}",
            "faults of the heap", "faults", "memory", "time", "each", "alone"
        );
        let mut sum = (0, 0, 0.0);
        for row in &self.heap {
            let alone = row.calibrated_nanoseconds_each;
            let time = row.measured_seconds;
            let guess = alone.map(|each| each * 1e-9 * row.faults as f64);
            let used = time.or(guess).unwrap_or(0.0);
            let each = time.map(|time| time * 1e9 / row.faults.max(1) as f64);
            let shown = match (row.faults, time) {
                (0, _) => "-".to_owned(),
                (_, Some(time)) => duration(time * 1e9),
                (_, None) => format!("~{}", duration(used * 1e9)),
            };
            let or = |n: Option<f64>| n.map_or("-".to_owned(), duration);
            let _ = writeln!(
                out,
                "{:<30} {:>9} {:>10} {:>9} {:>8} {:>8}",
                row.title,
                number(row.faults),
                bytes(row.bytes),
                shown,
                or(each.filter(|_| row.faults != 0)),
                or(alone)
            );
            sum.0 += row.faults;
            sum.1 += row.bytes;
            sum.2 += used;
        }
        let _ = writeln!(
            out,
            "{:<30} {:>9} {:>10} {:>9}",
            "all",
            number(sum.0),
            bytes(sum.1),
            duration(sum.2 * 1e9)
        );
        let huge: u64 = self.heap.iter().map(|row| row.huge_pages).sum();
        if huge != 0 {
            let _ = writeln!(out, "{} of them brought a huge page each", number(huge));
        }
    }

    fn by_place(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n{:<26} {:>10} {:>10} {:>10} {:>10} {:>8}",
            "where", "first", "again", "read", "copied", "swap"
        );
        for place in &self.places {
            if place.faults.iter().all(|n| *n == 0) {
                continue;
            }
            let _ = write!(out, "{:<26}", place.title);
            for (i, n) in place.faults.iter().enumerate() {
                let width = if i + 1 == place.faults.len() { 8 } else { 10 };
                let _ = write!(out, " {:>width$}", number(*n));
            }
            out.push('\n');
        }
    }

    fn notes(&self, out: &mut String) {
        out.push('\n');
        if let (Some(purged), Some(shrunk)) = (self.purged_bytes, self.shrunk_bytes) {
            let again = self
                .heap
                .iter()
                .find(|row| row.cause == cause(Cause::Again).0);
            let _ = writeln!(
                out,
                "given back meanwhile: {} by purges, {} by heaps that became shorter,\n\
                 and what freed mappings had; {} came again",
                bytes(purged),
                bytes(shrunk),
                bytes(again.map_or(0, |row| row.bytes))
            );
        }
        match self.tlb_load_misses {
            Some(n) => {
                let _ = writeln!(out, "loads that missed the TLB: {}", number(n));
            }
            None => out.push_str(
                "TLB misses: not known, this machine counts none (as most virtual machines)\n",
            ),
        }
        if self.lost != 0 {
            let _ = writeln!(
                out,
                "LOST: {} faults found no room to be told; they are in none of the figures above",
                number(self.lost)
            );
        }
        if !self.with_faults_of_the_kernel {
            out.push_str(
                "faults that the kernel has for the program, as in read(2) into new memory, are not\n\
                 in: to see them takes root or the capability CAP_PERFMON\n",
            );
        }
        if !self.with_codes {
            out.push_str(
                "the kernel does not show here what each fault found: causes are by what the page did\n\
                 before, and times with ~ by what such a fault costs this command\n",
            );
        }
    }
}

/// Nanoseconds in a unit that leaves few digits.
fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n if n < 1e9 => format!("{:.1} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}
