//! A program that is watched from its first instruction to its last.

use crate::run;
use anyhow::{Context, Result, bail};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// The program, held before its first instruction.
pub(super) struct Held(i32);

/// What has become of it.
pub(super) enum State {
    /// It runs.
    Runs,
    /// It is about to end: its memory is still there.
    Ending,
    /// It has ended, with this status.
    Ended(i32),
}

fn request(what: libc::c_uint, pid: i32, data: i32) -> bool {
    let data = ptr::without_provenance_mut::<libc::c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: none of the requests made this way reads or writes memory of ours.
    unsafe { libc::ptrace(what, pid, ptr::null_mut::<libc::c_void>(), data) != -1 }
}

impl Held {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started, or not be held.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        // SAFETY: the child makes one system call that allocates nothing.
        unsafe {
            command.pre_exec(|| {
                if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == -1 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let name = command.get_program().display().to_string();
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let pid = i32::try_from(child.id())?;
        let mut status = 0;
        // SAFETY: writes one number.
        let n = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if n != pid || !libc::WIFSTOPPED(status) {
            bail!("{name} ended at once");
        }
        Ok(Self(pid))
    }

    pub(super) fn pid(&self) -> i32 {
        self.0
    }

    /// Lets it run; it is held once more when it is about to end. From now on the kernel's word of a
    /// child's change of state (SIGCHLD) ends a wait for records, and comes at no other time: each
    /// signal for the program waits until it is handed on.
    pub(super) fn release(&self) {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: the handler does nothing. The program was started before, and has another mask.
        unsafe {
            libc::signal(libc::SIGCHLD, nothing as *const () as libc::sighandler_t);
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        }
        // What seizes leaves stops to the program, as they would be without us.
        request(libc::PTRACE_DETACH, self.0, 0);
        request(libc::PTRACE_SEIZE, self.0, libc::PTRACE_O_TRACEEXIT);
    }

    /// What has become of it.
    pub(super) fn state(&self) -> State {
        loop {
            let mut status = 0;
            // SAFETY: writes one number.
            let n = unsafe { libc::waitpid(self.0, &raw mut status, libc::WNOHANG | libc::__WALL) };
            if n != self.0 {
                return State::Runs;
            }
            if libc::WIFEXITED(status) {
                return State::Ended(libc::WEXITSTATUS(status));
            }
            if libc::WIFSIGNALED(status) {
                return State::Ended(128 + libc::WTERMSIG(status));
            }
            let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
            match event {
                libc::PTRACE_EVENT_EXIT => return State::Ending,
                libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => {
                    request(libc::PTRACE_LISTEN, self.0, 0);
                }
                0 => {
                    request(libc::PTRACE_CONT, self.0, signal);
                }
                _ => {
                    request(libc::PTRACE_CONT, self.0, 0);
                }
            }
        }
    }

    /// Lets it end.
    pub(super) fn end(&self) {
        request(libc::PTRACE_CONT, self.0, 0);
    }
}

/// The program as `cairn run` would start it, or as it is.
///
/// # Errors
/// There is no library, or the program cannot run on it.
pub(super) fn command(arguments: &super::Arguments) -> Result<Command> {
    let Some((name, rest)) = arguments.program.split_first() else {
        bail!("no process and no program: cairn faults PID, or cairn faults -- PROGRAM");
    };
    let mut command = if arguments.as_is {
        Command::new(name)
    } else {
        run::preloaded(arguments.library.as_deref(), name)?
    };
    command.args(rest);
    Ok(command)
}
