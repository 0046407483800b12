//! Holds all threads of a process for as long as it is looked at.
//!
//! Each is seized and interrupted (`PTRACE_SEIZE`, `PTRACE_INTERRUPT`): no signal is sent, and what
//! waits in the kernel goes on waiting behind it. When whoever holds them ends, however it ends, the
//! kernel lets them go.

use crate::process::Process;
use crate::registers::Registers;
use crate::target::Error;
use std::io;
use std::ptr;
use std::time::{Duration, Instant};

/// A thread, and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub tid: i32,
    /// Its stack pointer; 0 if that is not known.
    pub stack: u64,
    /// Its thread pointer; 0 if that is not known.
    pub pointer: u64,
}

/// A process whose threads stand still. They go on when this is dropped.
pub struct Stopped {
    threads: Vec<Thread>,
    /// A signal each that was on its way when the thread was stopped.
    signals: Vec<i32>,
    since: Instant,
    /// How long they stood before, at moments that did not suit.
    before: Duration,
}

/// The set of the general registers.
const NT_PRSTATUS: usize = 1;
/// Moments that are tried.
const MOMENTS: u32 = 200;
/// Between two of them.
const BETWEEN: Duration = Duration::from_micros(500);
/// Threads that come while others are seized are looked for so often.
const ROUNDS: usize = 100;

impl Stopped {
    /// Stops a process.
    ///
    /// # Errors
    /// The kernel does not let us: the rights are those of a debugger, and there is one at most.
    pub fn stop(process: &Process) -> Result<Self, Error> {
        let mut stopped = Self {
            threads: Vec::new(),
            signals: Vec::new(),
            since: Instant::now(),
            before: Duration::ZERO,
        };
        for _ in 0..ROUNDS {
            let mut any = false;
            for tid in process.threads() {
                if stopped.threads.iter().any(|t| t.tid == tid) {
                    continue;
                }
                match hold(tid) {
                    Ok(Some(signal)) => {
                        let (stack, pointer) = registers(tid);
                        stopped.threads.push(Thread {
                            tid,
                            stack,
                            pointer,
                        });
                        stopped.signals.push(signal);
                        any = true;
                    }
                    // It has ended meanwhile.
                    Ok(None) => {}
                    Err(_) => return Err(refused(process, tid)),
                }
            }
            if !any {
                break;
            }
        }
        if stopped.threads.is_empty() {
            let pid = process.pid;
            return Err(Error::Missing(format!("process {pid} has ended")));
        }
        Ok(stopped)
    }

    /// Stops a process at a moment that suits: another one is tried while it does not, and the last
    /// is taken as it is.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn stop_when(process: &Process, suits: impl Fn() -> bool) -> Result<Self, Error> {
        let mut before = Duration::ZERO;
        for _ in 0..MOMENTS {
            let mut stopped = Self::stop(process)?;
            if suits() {
                stopped.before = before;
                return Ok(stopped);
            }
            before += stopped.release();
            std::thread::sleep(BETWEEN);
        }
        let mut stopped = Self::stop(process)?;
        stopped.before = before;
        Ok(stopped)
    }

    /// Its threads.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// Where one of them stands.
    pub fn registers(&self, tid: i32) -> Option<Registers> {
        self.threads.iter().find(|t| t.tid == tid)?;
        let mut words = [0_u64; 34];
        let mut vector = libc::iovec {
            iov_base: words.as_mut_ptr().cast(),
            iov_len: size_of_val(&words),
        };
        let set = ptr::without_provenance_mut::<libc::c_void>(NT_PRSTATUS);
        // SAFETY: the kernel writes no more than the vector's length.
        let done = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, tid, set, &raw mut vector) };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let registers = Registers::of(bytes.get(..vector.iov_len)?)?;
        (done != -1).then_some(Registers { tid, ..registers })
    }

    /// Lets them go on; how long they stood.
    pub fn release(self) -> Duration {
        let (since, before) = (self.since, self.before);
        drop(self);
        before + since.elapsed()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for (thread, signal) in self.threads.iter().zip(&self.signals) {
            request(libc::PTRACE_DETACH, thread.tid, *signal);
        }
    }
}

fn refused(process: &Process, tid: i32) -> Error {
    let status = std::fs::read_to_string(process.path("status")).unwrap_or_default();
    let tracer = status.lines().find_map(|l| l.strip_prefix("TracerPid:"));
    let tracer = tracer.map_or("0", str::trim);
    if tracer != "0" && tracer != std::process::id().to_string() {
        let pid = process.pid;
        return Error::Refused(format!(
            "process {pid} is held by another debugger (process {tracer}): end that, or read \
             without stopping (--running)"
        ));
    }
    process.refused(&format!("stop thread {tid}"))
}

/// A request without an address; false if the kernel refused it.
fn request(what: libc::c_uint, tid: i32, data: i32) -> bool {
    let data = ptr::without_provenance_mut::<libc::c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: none of the requests made this way reads or writes memory of ours.
    unsafe { libc::ptrace(what, tid, ptr::null_mut::<libc::c_void>(), data) != -1 }
}

/// Seizes a thread and waits until it stands; the signal that has to be handed on, or `None` if it
/// has ended.
fn hold(tid: i32) -> io::Result<Option<i32>> {
    const STOP: i32 = 128;
    if !request(libc::PTRACE_SEIZE, tid, 0) {
        let error = io::Error::last_os_error();
        let ended = error.raw_os_error() == Some(libc::ESRCH);
        return if ended { Ok(None) } else { Err(error) };
    }
    if !request(libc::PTRACE_INTERRUPT, tid, 0) {
        return Ok(None);
    }
    loop {
        let mut status = 0;
        // SAFETY: writes one number.
        let n = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) };
        if n == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        if n != tid || !libc::WIFSTOPPED(status) {
            return Ok(None);
        }
        // Another stop than the one that was asked for has a signal, which is the program's.
        let signal = libc::WSTOPSIG(status);
        return Ok(Some(if status >> 16 == STOP { 0 } else { signal }));
    }
}

/// The stack pointer and the thread pointer of a thread that stands.
#[cfg(target_arch = "x86_64")]
fn registers(tid: i32) -> (u64, u64) {
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: the kernel writes the structure.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGS,
            tid,
            ptr::null_mut::<libc::c_void>(),
            registers.as_mut_ptr(),
        )
    };
    // SAFETY: zeros are one too.
    let registers = unsafe { registers.assume_init() };
    if done == -1 {
        (0, 0)
    } else {
        (registers.rsp, registers.fs_base)
    }
}

/// The stack pointer and the thread pointer of a thread that stands.
#[cfg(not(target_arch = "x86_64"))]
fn registers(tid: i32) -> (u64, u64) {
    let mut words = [0_u64; 34];
    let mut get = |set: usize| {
        let mut vector = libc::iovec {
            iov_base: words.as_mut_ptr().cast(),
            iov_len: size_of_val(&words),
        };
        // SAFETY: the kernel writes no more than the vector's length.
        unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGSET,
                tid,
                ptr::without_provenance_mut::<libc::c_void>(set),
                &raw mut vector,
            )
        };
        words
    };
    // NT_PRSTATUS: 31 registers, then the stack pointer. NT_ARM_TLS: the thread pointer.
    let stack = get(1)[31];
    (stack, get(0x401)[0])
}
