//! One look at a process or a core file, held still or not.

use anyhow::Result;
use cairn_reader::account::{Account, Rest};
use cairn_reader::core::Core;
use cairn_reader::find;
use cairn_reader::process::Process;
use cairn_reader::report::Report;
use cairn_reader::samples::Samples;
use cairn_reader::stop::{Stopped, Thread};
use cairn_reader::summary::Summary;
use cairn_reader::tables::Heap;
use cairn_reader::{Error, Target, caches};
use std::path::Path;
use std::time::Duration;

/// What a report says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Who wrote it, and when.
    pub(crate) text: String,
    /// Nothing is left out.
    pub(crate) whole: bool,
}

/// What was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Its number; none of a core file.
    pub(crate) pid: Option<i32>,
    /// What the user called it.
    pub(crate) name: String,
    /// The name of its program.
    pub(crate) command: String,
    /// What the kernel says is resident, bytes.
    pub(crate) rss: Option<u64>,
    /// CPUs that it may use; 0 if that is not known.
    pub(crate) cpus: usize,
    /// How long its threads stood still.
    pub(crate) stood: Option<Duration>,
    /// What a report says of itself, if it is one.
    pub(crate) report: Option<Written>,
}

impl Subject {
    /// One line about it.
    pub(crate) fn title(&self) -> String {
        let command = match self.command.as_str() {
            "" => String::new(),
            command => format!(" ({command})"),
        };
        match self.pid {
            _ if self.report.is_some() => format!("report {}{command}", self.name),
            Some(pid) => format!("process {pid}{command}"),
            None => format!("core file {}{command}", self.name),
        }
    }

    /// How it was read.
    pub(crate) fn how(&self) -> String {
        if let Some(report) = &self.report {
            return report.text.clone();
        }
        match (self.pid, self.stood) {
            (None, _) => "read from the file".to_owned(),
            (_, None) => "read while it ran: figures of different moments".to_owned(),
            (_, Some(time)) => format!("stood still for {:.1} ms", time.as_secs_f64() * 1e3),
        }
    }
}

/// What a look has before it.
pub(crate) struct Scene<'a> {
    /// The memory.
    pub(crate) target: &'a dyn Target,
    /// The Cairns in it that are in use.
    pub(crate) heaps: &'a [Heap],
    /// The threads, if they stand still.
    pub(crate) threads: &'a [Thread],
}

/// Looks at a process, by its number, or a core file, by its path; `see` is called while the process
/// stands still.
///
/// # Errors
/// There is no such thing, we may not look at it, or it does not run on Cairn.
pub(crate) fn look<R>(
    what: &str,
    running: bool,
    see: impl FnOnce(&Scene<'_>) -> R,
) -> Result<(Subject, R)> {
    match what.parse::<i32>() {
        Ok(pid) => process(pid, running, see),
        Err(_) if Report::is_report(Path::new(what)) => report(what, see),
        Err(_) => core(what, see),
    }
}

fn process<R>(pid: i32, running: bool, see: impl FnOnce(&Scene<'_>) -> R) -> Result<(Subject, R)> {
    let mut process = Process::open(pid)?;
    // Before anything is stopped: whether there is something to see at all.
    let found = find::instances(&process).map_err(|error| named(error, &process))?;
    let command = process.command();
    let stopped = match running {
        true => None,
        false => Some(Stopped::stop_when(&process, || {
            found.iter().all(|instance| !instance.is_locked(&process))
        })?),
    };
    process.look()?;
    let rss = process.rss();
    let threads = stopped.as_ref().map_or(&[][..], Stopped::threads);
    let heaps = heaps(&process, found, threads);
    let seen = see(&Scene {
        target: &process,
        heaps: &heaps,
        threads,
    });
    let stood = stopped.map(Stopped::release);
    let subject = Subject {
        pid: Some(pid),
        name: pid.to_string(),
        command,
        rss,
        cpus: cpus(pid),
        stood,
        report: None,
    };
    Ok((subject, seen))
}

fn core<R>(path: &str, see: impl FnOnce(&Scene<'_>) -> R) -> Result<(Subject, R)> {
    let core = Core::open(Path::new(path))?;
    let found = find::instances(&core).map_err(|error| match error {
        Error::Other(_) => Error::Other(format!(
            "{path}: Cairn is not in this core file; its program ran on {}",
            find::other_allocator(&core, None)
        )),
        other => other,
    })?;
    let heaps = heaps(&core, found, &[]);
    let seen = see(&Scene {
        target: &core,
        heaps: &heaps,
        threads: &[],
    });
    let subject = Subject {
        pid: None,
        name: path.to_owned(),
        command: core.command.clone(),
        rss: None,
        cpus: 0,
        stood: None,
        report: None,
    };
    Ok((subject, seen))
}

fn report<R>(path: &str, see: impl FnOnce(&Scene<'_>) -> R) -> Result<(Subject, R)> {
    let report = Report::open(Path::new(path))?;
    let found = find::instances(&report).map_err(|error| match error {
        Error::Other(_) => Error::Damaged(format!(
            "{path}: the report ends before it says anything of the heap"
        )),
        other => other,
    })?;
    let heaps = heaps(&report, found, &[]);
    let seen = see(&Scene {
        target: &report,
        heaps: &heaps,
        threads: &[],
    });
    let (why, limit) = (report.why, bytes(report.why.limit));
    let used = bytes(why.used);
    let text = match (why.asked, why.limit) {
        (true, _) => format!("written by the process {} on a signal", report.pid),
        (false, 0) => format!("written by the process {} at {used} in use", report.pid),
        (false, _) => format!(
            "written by the process {} at {used} in use of {limit}",
            report.pid
        ),
    };
    let cut = match report.whole {
        true => "",
        false => "; it is not all there: the file ends early, or would have become too long",
    };
    let subject = Subject {
        pid: None,
        name: path.to_owned(),
        command: report.command.clone(),
        rss: Some(report.rss()),
        cpus: 0,
        stood: None,
        report: Some(Written {
            text: text + cut,
            whole: report.whole,
        }),
    };
    Ok((subject, seen))
}

/// Says who serves `malloc` where Cairn does not.
fn named(error: Error, process: &Process) -> Error {
    match error {
        Error::Other(_) => Error::Other(format!(
            "process {} ({}) does not run on Cairn: it has {}",
            process.pid,
            process.command(),
            find::other_allocator(process, Some(&process.path("exe")))
        )),
        other => other,
    }
}

/// The sums of a process, read while it runs.
///
/// # Errors
/// There is none, we may not look at it, or it does not run on Cairn.
pub(crate) fn summary(pid: i32) -> Result<Summary> {
    Summary::read(pid).map_err(|error| match error {
        Error::Other(ref what) if what.is_empty() => match Process::open_lightly(pid) {
            Ok(process) => named(error, &process).into(),
            Err(gone) => gone.into(),
        },
        other => other.into(),
    })
}

/// The instances that are in use; the first of them, if none is.
fn heaps(target: &dyn Target, found: Vec<find::Instance>, threads: &[Thread]) -> Vec<Heap> {
    let mut all: Vec<Heap> = found
        .into_iter()
        .map(|instance| Heap::read(target, instance))
        .collect();
    if all.iter().any(Heap::is_used) {
        all.retain(Heap::is_used);
    } else {
        all.truncate(1);
    }
    for heap in &mut all {
        caches::name(target, threads, &mut heap.caches);
    }
    all
}

/// CPUs that a process may use.
fn cpus(pid: i32) -> usize {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the kernel writes a set of that size.
    let done =
        unsafe { libc::sched_getaffinity(pid, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    // SAFETY: zeros are a set too.
    let set = unsafe { set.assume_init() };
    if done != 0 {
        return 0;
    }
    // SAFETY: reads the set.
    usize::try_from(unsafe { libc::CPU_COUNT(&set) }).unwrap_or(0)
}

/// Of each cache, whether a call of `malloc_trim` by the first thread empties it.
pub(crate) fn flushed(heap: &Heap, pid: Option<i32>) -> Vec<bool> {
    let is_first = |tid: Option<i32>| tid.is_some() && tid == pid;
    let known = heap.caches.iter().any(|c| is_first(c.tid));
    let last = heap.caches.len().wrapping_sub(1);
    let caches = heap.caches.iter().enumerate();
    caches
        // The oldest is the first thread's, mostly.
        .map(|(i, c)| c.parked || is_first(c.tid) || (!known && i == last))
        .collect()
}

/// The accounts of all instances, and what is not theirs.
pub(crate) fn accounts(scene: &Scene<'_>, pid: Option<i32>) -> (Vec<Account>, Rest) {
    let of = |heap: &Heap| {
        let samples = Samples::read(scene.target, &heap.instance);
        let mut sampled: Vec<u64> = samples.live.iter().map(|s| s.at).collect();
        sampled.sort_unstable();
        Account::of(scene.target, heap, flushed(heap, pid), &sampled)
    };
    let accounts = scene.heaps.iter().map(of).collect();
    let rest = Rest::of(scene.target, scene.heaps, scene.threads);
    (accounts, rest)
}

/// Bytes in a unit that leaves few digits.
pub(crate) fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = "B";
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{n} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A number with commas between its thousands.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i != 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
