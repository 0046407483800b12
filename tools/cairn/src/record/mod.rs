//! `cairn record`: a program's allocation calls, in a file.

mod clock;
mod drain;
mod spool;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use launch::program;
use launch::tree::adopt_orphans;
use traces::file::{End, Start, Writer};
use traces::merge::Merge;

use crate::companions::{self, RECORDER};
use clock::Clock;
use drain::Recorded;
use spool::Spool;

/// Between two looks at the rings.
const LOOK: Duration = Duration::from_millis(1);
/// Between two looks at who is there.
const ROLL: Duration = Duration::from_millis(20);

/// Record a program's allocation calls: kinds, sizes, threads and times, never contents.
///
/// A library is preloaded that forwards each call to whatever serves the program. The trace is for
/// `cairn trace`, `cairn replay` and `cairn advise`.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn record -o jq.trace -- jq -c . orders.json
  cairn trace jq.trace

Each process that the program starts gets a file of its own: FILE, and FILE.PID. The status is the
program's; 125 if it was not started.")]
pub(crate) struct Arguments {
    /// The trace; the program's name and `.trace` if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out traces of processes with fewer calls than this
    #[arg(long, value_name = "N", default_value_t = 1)]
    least: u64,
    /// The recorder's library, instead of the one beside this command
    #[arg(long, value_name = "PATH")]
    recorder: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM ARGUMENTS")]
    program: Vec<OsString>,
}

/// Records; the status is the program's.
///
/// # Errors
/// The program was not started, or there is no trace of it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let output = match &arguments.output {
        Some(path) => path.clone(),
        None => default_output(&arguments.program)?,
    };
    let recording = match record(&arguments.program, arguments.recorder.as_deref(), &output) {
        Ok(recording) => recording,
        Err(error) => {
            eprintln!("cairn record: {error:#}");
            return Ok(ExitCode::from(125));
        }
    };
    for trouble in &recording.troubles {
        eprintln!("cairn record: {trouble}");
    }
    let written = recording.write(&output, &arguments.program, arguments.least)?;
    if written.is_empty() && !recording.is_cut() {
        eprintln!(
            "cairn record: no call was recorded: the program makes none, or brings its own allocator"
        );
    }
    let most = written.iter().max_by_key(|trace| trace.calls);
    for trace in &written {
        eprintln!("{}", trace.line);
    }
    if let (Some(most), Some(first)) = (most, written.first())
        && most.calls > first.calls
    {
        eprintln!("the most calls are in {}", most.path.display());
    }
    Ok(status(recording.status))
}

fn default_output(program: &[OsString]) -> Result<PathBuf> {
    let first = program.first().context("no program")?;
    let name = Path::new(first).file_name().context("no program")?;
    let mut name = name.to_owned();
    name.push(".trace");
    Ok(name.into())
}

/// As a shell has it.
fn status(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// A trace that was written.
pub(crate) struct Written {
    path: PathBuf,
    calls: u64,
    /// For a reader.
    line: String,
}

/// What came of a run.
pub(crate) struct Recording {
    /// How the program ended.
    pub(crate) status: ExitStatus,
    /// What is missing, and why.
    pub(crate) troubles: Vec<String>,
    processes: Vec<Recorded>,
    clock: Clock,
    /// Their streams lie there.
    _scratch: tempfile::TempDir,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Runs a program and takes down its calls.
///
/// # Errors
/// It cannot be started, or not be recorded.
pub(crate) fn record(
    program: &[OsString],
    recorder: Option<&Path>,
    output: &Path,
) -> Result<Recording> {
    let (name, rest) = program.split_first().context("no program")?;
    let file = program::find(name)?;
    program::check(&file)?;
    let recorder = companions::find(RECORDER, recorder, "--recorder")?;
    if recorder.to_string_lossy().contains([' ', ':']) {
        bail!(
            "{}: LD_PRELOAD cannot name a path with a space or a colon; --recorder names a link to it",
            recorder.display()
        );
    }
    // What cannot be written should not be found out when the program has run.
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(output)
        .with_context(|| format!("cannot write {}", output.display()))?;
    let mut clock = Clock::start()?;
    let scratch = tempfile::Builder::new()
        .prefix("cairn-record-")
        .tempdir()
        .with_context(|| format!("no directory can be made in {}", env::temp_dir().display()))?;
    let mut spool = Spool::new(scratch.path())?;
    adopt_orphans().context("the program's processes cannot be followed")?;
    let mut preload = recorder.into_os_string();
    if let Some(held) = env::var_os("LD_PRELOAD").filter(|held| !held.is_empty()) {
        preload.push(":");
        preload.push(held);
    }
    // The terminal sends it to the program too, which decides.
    // SAFETY: the handler stores a flag.
    unsafe {
        libc::signal(
            libc::SIGINT,
            on_interrupt as *const () as libc::sighandler_t,
        )
    };
    let mut child = Command::new(&file)
        .args(rest)
        .env("LD_PRELOAD", preload)
        .env(wire::spool::VARIABLE, spool.directory())
        .spawn()
        .with_context(|| format!("{} does not start", name.display()))?;
    let mut status = None;
    let mut rolled = Instant::now();
    loop {
        let is_busy = spool.drain();
        if status.is_none() || rolled.elapsed() >= ROLL {
            spool.find();
            if rolled.elapsed() >= ROLL {
                rolled = Instant::now();
                spool.end_those_that_are_gone();
            }
        }
        if status.is_none() {
            status = child.try_wait().context("the program")?;
            if status.is_some() {
                INTERRUPTED.store(false, Ordering::Relaxed);
                spool.find();
                spool.end_those_that_are_gone();
            }
        } else {
            reap();
            if spool.live() == 0 || INTERRUPTED.load(Ordering::Relaxed) {
                break;
            }
        }
        if !is_busy {
            thread::sleep(LOOK);
        }
    }
    let (processes, troubles) = spool.finish();
    clock.stop()?;
    Ok(Recording {
        status: status.context("the program")?,
        troubles,
        processes,
        clock,
        _scratch: scratch,
    })
}

/// Ends what is left of the processes that came to this one.
fn reap() {
    // SAFETY: a status is not asked for.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

impl Recording {
    /// Whether something is missing.
    fn is_cut(&self) -> bool {
        !self.troubles.is_empty() || self.processes.iter().any(|it| it.cut.is_some())
    }

    /// Writes the traces: the first process's to `output`, the others beside it. A line about each.
    ///
    /// # Errors
    /// One cannot be written.
    pub(crate) fn write(
        &self,
        output: &Path,
        command: &[OsString],
        least: u64,
    ) -> Result<Vec<Written>> {
        let mut lines = Vec::new();
        let mut taken = false;
        for process in &self.processes {
            let path = if taken {
                beside(output, process.pid)
            } else {
                output.to_owned()
            };
            let words = command
                .iter()
                .map(|word| word.to_string_lossy().into_owned());
            let start = Start {
                program: process.program.clone(),
                command: if taken { Vec::new() } else { words.collect() },
                pid: process.pid,
                parent: process.parent,
                served: process.served.clone(),
                tick: self.clock.tick(),
                machine: env::consts::ARCH.to_owned(),
                page: page(),
            };
            let end = self.write_one(process, &path, &start).with_context(|| {
                format!(
                    "the trace {} is not written to its end, -o names another place",
                    path.display()
                )
            })?;
            if end.calls < least.max(1) {
                let _ = fs::remove_file(&path);
                continue;
            }
            taken = true;
            let bytes = fs::metadata(&path).map_or(0, |data| data.len());
            let line = format!(
                "{}: {} calls of {} (process {}) in {} threads, {:.2} bytes a call",
                path.display(),
                end.calls,
                process.program,
                process.pid,
                end.threads,
                bytes as f64 / end.calls as f64,
            );
            lines.push(Written {
                path,
                calls: end.calls,
                line,
            });
        }
        Ok(lines)
    }

    fn write_one(&self, process: &Recorded, path: &Path, start: &Start) -> Result<End> {
        let mut writer = Writer::create(path, start)?;
        let merge = Merge::new(process.streams()?, process.start, self.clock.shift());
        let mut calls = 0;
        let mut end = merge.run(|event| {
            calls += 1;
            writer.add(event)
        })?;
        end.calls = calls;
        end.exited = process.exited;
        end.cut = process.cut.clone();
        writer.finish(&end)?;
        Ok(end)
    }
}

fn beside(output: &Path, pid: u32) -> PathBuf {
    let mut turn = 0;
    loop {
        let mut name = output.as_os_str().to_owned();
        name.push(format!(".{pid}"));
        if turn > 0 {
            name.push(format!(".{turn}"));
        }
        // A process that became another program has the same number.
        if !Path::new(&name).exists() {
            return name.into();
        }
        turn += 1;
    }
}

fn page() -> u64 {
    // SAFETY: it returns a number.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
