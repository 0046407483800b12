//! `cairn faults`: the page faults of a heap, why each came and what it cost.

mod child;
mod history;
mod perf;
mod places;
mod price;
mod report;
mod watch;

use crate::look;
use anyhow::{Context, Result};
use cairn_reader::process::Process;
use child::{Held, State};
use clap::Args;
use perf::{Entries, Events};
use price::Prices;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use watch::Watch;

/// Count the page faults of the heap: first touches, pages that come again, copies after a fork.
///
/// Of a process for some seconds, or of a program from its first instruction to its last, with all
/// processes that it starts.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn faults $(pidof redis-server) --seconds 5
  cairn faults -- python3 script.py
  cairn faults -o faults.json --json -- sort large.txt

A program is started as `cairn run` starts it; its status is that of the command, and the page goes to
standard error, behind what the program writes.")]
pub(crate) struct Arguments {
    /// Number of a process
    #[arg(
        conflicts_with = "program",
        required_unless_present = "program",
        allow_negative_numbers = true
    )]
    pid: Option<i32>,
    /// How long to watch a process; an interrupt ends it earlier
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Write the page to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The library for the program, instead of the installed one
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
    /// Start the program without the library: it has Cairn by itself
    #[arg(long, conflicts_with = "library")]
    as_is: bool,
    /// Go by the history of each page alone, as where the kernel shows no more
    #[arg(long, hide = true)]
    history_alone: bool,
    /// The program and its arguments
    #[arg(last = true)]
    program: Vec<OsString>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.05..=86_400.0).contains(&n) => Ok(n),
        _ => Err("seconds are 0.05 to 86400".to_owned()),
    }
}

/// Between two looks at the records, if the kernel does not call earlier.
const ROUND: Duration = Duration::from_millis(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// What the page is about, beside the faults.
pub(crate) struct Watched {
    pid: i32,
    command: String,
    time: Duration,
    /// Minor and major faults that the kernel counted of the first process meanwhile.
    counted: (u64, u64),
}

/// # Errors
/// The process cannot be watched, the program cannot be started, or the page cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let prices = Prices::measure();
    // SAFETY: the handler stores one byte. A program that we start gets the interrupt as well, and
    // what it does then is its own affair.
    unsafe { libc::signal(libc::SIGINT, interrupt as *const () as libc::sighandler_t) };
    let entries = if arguments.history_alone {
        Entries::Never
    } else {
        Entries::IfAllowed
    };
    let (watch, watched, status) = match arguments.pid {
        Some(pid) => process(pid, arguments.seconds, entries)?,
        None => program(arguments, entries)?,
    };
    let page = report::Page::new(&watch, &watched, prices);
    let text = if arguments.json {
        serde_json::to_string_pretty(&page)? + "\n"
    } else {
        page.text()
    };
    match &arguments.output {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None if arguments.pid.is_some() => crate::print(&text)?,
        None => eprint!("{text}"),
    }
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}

/// Watches a process for some time.
fn process(pid: i32, seconds: f64, entries: Entries) -> Result<(Watch, Watched, i32)> {
    let process = Process::open_lightly(pid)?;
    // Whether there is something to see at all, before anything is watched.
    look::look(&pid.to_string(), true, |_| ())?;
    let events = Events::open(&process.threads(), entries)?;
    let mut watch = Watch::new(events, pid);
    let before = counted(pid);
    look::look(&pid.to_string(), false, |scene| {
        watch.begin(scene);
    })?;
    let begin = Instant::now();
    eprintln!("watching process {pid} for {seconds} s; an interrupt ends it");
    let end = begin + Duration::from_secs_f64(seconds);
    while !INTERRUPTED.load(Ordering::Relaxed) && Instant::now() < end {
        if watch.round(ROUND, false) {
            break;
        }
    }
    let after = counted(pid);
    let time = begin.elapsed();
    watch.events.stop();
    watch.round(Duration::ZERO, true);
    // It may have ended.
    let _ = look::look(&pid.to_string(), false, |scene| watch.end(scene));
    let watched = Watched {
        pid,
        command: process.command(),
        time,
        counted: (
            after.0.saturating_sub(before.0),
            after.1.saturating_sub(before.1),
        ),
    };
    watch.finish();
    Ok((watch, watched, 0))
}

/// Watches a program from the first to the last.
fn program(arguments: &Arguments, entries: Entries) -> Result<(Watch, Watched, i32)> {
    let held = Held::start(child::command(arguments)?)?;
    let pid = held.pid();
    let opened = Events::open(&[pid], entries);
    held.release();
    let mut watch = Watch::new(opened?, pid);
    let begin = Instant::now();
    let mut watched = Watched {
        pid,
        command: String::new(),
        time: Duration::ZERO,
        counted: (0, 0),
    };
    let status = loop {
        watch.round(ROUND, false);
        match held.state() {
            State::Runs => {}
            State::Ending => {
                watched.counted = counted(pid);
                watch.round(Duration::ZERO, true);
                // What stands there need not be stopped.
                if let Ok((subject, ())) =
                    look::look(&pid.to_string(), true, |scene| watch.end(scene))
                {
                    watched.command = subject.command;
                }
                held.end();
            }
            State::Ended(status) => break status,
        }
    };
    watched.time = begin.elapsed();
    if watched.command.is_empty() {
        let name = arguments.program.first().cloned().unwrap_or_default();
        watched.command = name.to_string_lossy().into_owned();
    }
    watch.events.stop();
    watch.round(Duration::ZERO, true);
    watch.finish();
    Ok((watch, watched, status))
}

/// Loads of a program, from its first instruction to its last, that missed the TLB; `None` where the
/// machine does not count them.
pub(crate) fn tlb_misses(command: Command) -> Option<u64> {
    let held = Held::start(command).ok()?;
    let events = Events::open(&[held.pid()], Entries::Never);
    held.release();
    loop {
        match held.state() {
            State::Runs => thread::sleep(Duration::from_millis(1)),
            State::Ending => held.end(),
            State::Ended(_) => break,
        }
    }
    // A counter that stands still is none.
    events.ok()?.misses().filter(|misses| *misses != 0)
}

/// The faults that the kernel counted of a process so far: minor, major.
fn counted(pid: i32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = text.rsplit(") ").next().unwrap_or_default();
    let mut words = behind.split_whitespace().skip(7);
    let mut next = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let minor = next();
    next();
    (minor, next())
}
