//! A program that is held for a moment when it ends, so that its heap can be read then.
//!
//! The kernel stops the first thread of a program that is traced so before anything of it is taken
//! down (`PTRACE_O_TRACEEXIT`). Until then it runs as ever, but that each signal takes a way by here.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;

/// A request; whether the kernel took it.
fn request(what: libc::c_uint, pid: i32, data: i32) -> bool {
    let data = ptr::without_provenance_mut::<libc::c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: none of the requests made this way reads or writes memory of ours.
    unsafe { libc::ptrace(what, pid, ptr::null_mut::<libc::c_void>(), data) != -1 }
}

/// Waits for a change of a child.
fn wait(pid: i32) -> io::Result<i32> {
    loop {
        let mut status = 0;
        // SAFETY: a place for the status.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } == pid {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Runs a program to its end, and calls `at_exit` while it stands there, once; how it ended.
///
/// # Errors
/// It cannot be started, or the kernel lets nobody trace it.
pub(crate) fn run(mut command: Command, at_exit: impl FnOnce(i32)) -> io::Result<ExitStatus> {
    let traced = || {
        // SAFETY: asks the kernel alone; nothing is allocated between fork and exec.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(traced) };
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // What a terminal sends to all is the program's affair.
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: no handler is replaced but the default.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // The first stop is the new program's beginning. From there on it is seized, which keeps job
    // control whole.
    wait(pid)?;
    request(libc::PTRACE_DETACH, pid, libc::SIGSTOP);
    if !request(libc::PTRACE_SEIZE, pid, libc::PTRACE_O_TRACEEXIT) {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a signal to the child.
    unsafe { libc::kill(pid, libc::SIGCONT) };
    let mut at_exit = Some(at_exit);
    loop {
        let status = wait(pid)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(ExitStatus::from_raw(status));
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        if event == libc::PTRACE_EVENT_EXIT {
            if let Some(at_exit) = at_exit.take() {
                at_exit(pid);
            }
            request(libc::PTRACE_DETACH, pid, 0);
        } else if event == libc::PTRACE_EVENT_STOP {
            let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
            let what = if stops.contains(&signal) {
                libc::PTRACE_LISTEN
            } else {
                libc::PTRACE_CONT
            };
            request(what, pid, 0);
        } else {
            request(libc::PTRACE_CONT, pid, signal);
        }
    }
}
