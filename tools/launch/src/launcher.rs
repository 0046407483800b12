//! The launcher: a small process that starts one program, follows it, and says what it cost.
//!
//! A process of its own, because `ru_maxrss` of a child starts at its parent's. It follows the
//! program and all processes that come of it with `ptrace`, and stops each at its end, when its
//! memory is still there to be read. Threads are not followed, and no system call stops: what is
//! measured runs as it would alone.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::watch;

/// First argument of a command that is a launcher.
pub const COMMAND: &str = "launch-one";

/// What one process was and cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The program's name, as the kernel has it: 15 bytes at most.
    pub name: String,
    /// User and system time, seconds, with that of the children it waited for.
    pub cpu: f64,
    /// Minor page faults, with those of the children it waited for.
    pub faults: i64,
    /// The most that was resident, KiB.
    pub peak_kib: u64,
    /// What was resident when it ended, KiB.
    pub final_kib: u64,
    /// Paths of the files that were mapped and may be run.
    pub files: Vec<String>,
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Launched {
    /// Seconds from start to end.
    pub wall: f64,
    /// How it ended, as `wait` says it; 0 is success.
    pub status: i32,
    /// All processes, the first one first.
    pub processes: Vec<Process>,
    /// Microseconds of each start, where starts were timed.
    pub starts: Vec<f64>,
    /// Instructions of the first process, where they were counted.
    pub instructions: u64,
}

/// What the launcher shall do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// One run, followed.
    Follow,
    /// Many runs, timed from start to end and not followed.
    Starts(u32),
    /// One run, instruction by instruction.
    Step,
}

impl Mode {
    /// As the launcher's argument.
    pub fn argument(self) -> String {
        match self {
            Self::Follow => "follow".to_owned(),
            Self::Starts(count) => count.to_string(),
            Self::Step => "step".to_owned(),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "follow" => Self::Follow,
            "step" => Self::Step,
            number => Self::Starts(number.parse().context("launcher: no such mode")?),
        })
    }
}

/// Does the launcher's work if this process was started to be one: its first argument says so.
/// To be asked before anything else is set up, because a launcher stays small.
pub fn if_asked() -> Option<ExitCode> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if let Some(done) = watch::if_asked(&arguments) {
        return Some(done);
    }
    let (first, rest) = arguments.split_first()?;
    if first != COMMAND {
        return None;
    }
    Some(match launch(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

/// MODE PRELOAD INPUT OUTPUT PROGRAM ARGUMENTS. Writes one line of JSON. `-` stands for `/dev/null`.
fn launch(arguments: &[OsString]) -> Result<()> {
    let [mode, preload, input, output, program, arguments @ ..] = arguments else {
        bail!("launcher: MODE PRELOAD INPUT OUTPUT PROGRAM ARGUMENTS");
    };
    let mode = Mode::parse(&mode.to_string_lossy())?;
    let mut command = Command::new(program);
    command.args(arguments).env("LD_PRELOAD", preload);
    if input == "-" {
        command.stdin(Stdio::null());
    } else {
        let file =
            fs::File::open(input).with_context(|| format!("cannot read {}", input.display()))?;
        command.stdin(file);
    }
    if output == "-" {
        command.stdout(Stdio::null());
    } else {
        let file = fs::File::create(output)
            .with_context(|| format!("cannot write {}", output.display()))?;
        command.stdout(file);
    }
    let launched = match mode {
        Mode::Follow => Follower::start(command, FOLLOW)?.follow()?,
        Mode::Starts(count) => starts(command, count)?,
        Mode::Step => Follower::start(command, libc::PTRACE_O_EXITKILL)?.step()?,
    };
    println!("{}", serde_json::to_string(&launched)?);
    Ok(())
}

/// Why nothing can be followed, and what helps.
const NO_PTRACE: &str = "the program cannot be followed: ptrace is not permitted here; not below \
    strace or a debugger, and in a container with --cap-add=SYS_PTRACE or a seccomp profile that \
    has ptrace";

/// New processes are followed, new threads are not.
const FOLLOW: i32 = libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT;

fn starts(mut command: Command, count: u32) -> Result<Launched> {
    let mut launched = Launched::default();
    for _ in 0..count {
        let before = Instant::now();
        let status = command.status().context("the program does not start")?;
        launched.starts.push(before.elapsed().as_secs_f64() * 1e6);
        if !status.success() {
            launched.status = status.into_raw();
        }
    }
    Ok(launched)
}

struct Follower {
    root: i32,
    start: Instant,
    processes: BTreeMap<i32, Process>,
}

/// One answer of `wait4`.
struct Stop {
    pid: i32,
    status: i32,
    usage: libc::rusage,
}

impl Follower {
    fn start(mut command: Command, options: i32) -> Result<Self> {
        // SAFETY: between fork and exec, one system call.
        unsafe {
            command.pre_exec(|| {
                if libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            });
        }
        let start = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| match error.raw_os_error() {
                // The kernel's answer to ptrace; to exec it has others.
                Some(libc::EPERM) => anyhow!("{NO_PTRACE}"),
                _ => anyhow!(error).context("the program does not start"),
            })?;
        let root = i32::try_from(child.id())?;
        let first = wait(root)?;
        if !libc::WIFSTOPPED(first.status) {
            bail!("the program ended before its first instruction");
        }
        // SAFETY: the child is stopped and traced by this thread; the options are a number.
        let set = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, root, null_mut::<u8>(), options) };
        if set != 0 {
            return Err(io::Error::last_os_error()).context("ptrace");
        }
        Ok(Self {
            root,
            start,
            processes: BTreeMap::from([(
                root,
                Process {
                    pid: root,
                    ..Process::default()
                },
            )]),
        })
    }

    /// Lets everything run to its end.
    fn follow(mut self) -> Result<Launched> {
        let mut launched = Launched::default();
        go_on(libc::PTRACE_CONT, self.root, 0);
        loop {
            let stop = match wait(-1) {
                Ok(stop) => stop,
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => break,
                Err(error) => return Err(error).context("wait4"),
            };
            if libc::WIFSTOPPED(stop.status) {
                self.stopped(&stop);
                continue;
            }
            let process = self.processes.entry(stop.pid).or_default();
            process.cpu = seconds(stop.usage.ru_utime) + seconds(stop.usage.ru_stime);
            process.faults = stop.usage.ru_minflt;
            if process.peak_kib == 0 {
                // Its end was not seen: another thread ended the process.
                process.peak_kib = stop.usage.ru_maxrss.unsigned_abs();
                process.final_kib = process.peak_kib;
            }
            if stop.pid == self.root {
                launched.wall = self.start.elapsed().as_secs_f64();
                launched.status = stop.status;
            }
        }
        // The first process first.
        launched.processes.extend(self.processes.remove(&self.root));
        launched.processes.extend(self.processes.into_values());
        Ok(launched)
    }

    fn stopped(&mut self, stop: &Stop) {
        let pid = stop.pid;
        let event = stop.status >> 16;
        let known = self.processes.contains_key(&pid);
        let process = self.processes.entry(pid).or_insert_with(|| Process {
            pid,
            ..Process::default()
        });
        let signal = libc::WSTOPSIG(stop.status);
        let pass_on = match event {
            libc::PTRACE_EVENT_EXIT => {
                look_at(process);
                0
            }
            // The stop in which a new process begins.
            0 if !known && signal == libc::SIGSTOP => 0,
            0 => signal,
            _ => 0,
        };
        go_on(libc::PTRACE_CONT, pid, pass_on);
    }

    /// Counts the instructions of the first process.
    fn step(self) -> Result<Launched> {
        let mut launched = Launched::default();
        let mut signal = 0;
        loop {
            go_on(libc::PTRACE_SINGLESTEP, self.root, signal);
            let stop = wait(self.root).context("wait4")?;
            if !libc::WIFSTOPPED(stop.status) {
                launched.status = stop.status;
                return Ok(launched);
            }
            launched.instructions += 1;
            signal = match libc::WSTOPSIG(stop.status) {
                libc::SIGTRAP => 0,
                other => other,
            };
        }
    }
}

fn wait(pid: i32) -> io::Result<Stop> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage, which has only numbers in it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both outlive the call.
    let pid = unsafe { libc::wait4(pid, &raw mut status, libc::__WALL, &raw mut usage) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Stop { pid, status, usage })
}

fn go_on(request: libc::c_uint, pid: i32, signal: i32) {
    // SAFETY: no memory is involved. A process that was killed meanwhile is reported by wait4.
    unsafe { libc::ptrace(request, pid, null_mut::<u8>(), signal) };
}

fn seconds(time: libc::timeval) -> f64 {
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_usec).unwrap_or(0) * 1000,
    )
    .as_secs_f64()
}

/// A status of `wait` in words.
pub fn ending(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        return format!("signal {}", libc::WTERMSIG(status));
    }
    format!("exit status {}", libc::WEXITSTATUS(status))
}

/// Reads memory, name and files of a process that stands still, or is at its end.
pub(crate) fn look_at(process: &mut Process) {
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{}/{file}", process.pid)).unwrap_or_default()
    };
    let status = read("status");
    let kib = |text: &str, key: &str| {
        text.lines()
            .find_map(|line| {
                line.strip_prefix(key)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0)
    };
    process.peak_kib = kib(&status, "VmHWM:");
    // Counted page by page, where the status has the kernel's running total.
    process.final_kib = kib(&read("smaps_rollup"), "Rss:");
    process.peak_kib = process.peak_kib.max(process.final_kib);
    process.name = status
        .lines()
        .find_map(|line| line.strip_prefix("Name:"))
        .unwrap_or_default()
        .trim()
        .to_owned();
    let mut files: Vec<String> = read("maps")
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let rights = fields.nth(1)?;
            let path = fields.nth(3)?;
            (rights.contains('x') && path.starts_with('/')).then(|| path.to_owned())
        })
        .collect();
    files.dedup();
    process.files = files;
}
