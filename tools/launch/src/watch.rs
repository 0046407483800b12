//! Ends a server whose measurer is gone, however that ended: a small process that waits for the end
//! of a pipe.
//!
//! The kernel's own signal at a parent's death reaches the one process that asked for it. A shell
//! that runs several commands is such a one, and its children are not.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// First argument of a command that watches; the second is a process group.
const COMMAND: &str = "watch-group";
/// Between two looks at whether the group is gone.
const LOOK: Duration = Duration::from_millis(20);
/// How long it may take to end after SIGTERM; then it is killed.
const END: Duration = Duration::from_secs(10);
/// What is written before the pipe ends where all is well.
const DONE: u8 = b'.';

/// The process that watches, or 0.
static CURRENT: AtomicI32 = AtomicI32::new(0);

/// The process that watches, which is a child of this one and no part of any server; or 0.
pub(crate) fn current() -> i32 {
    CURRENT.load(Relaxed)
}

/// A process that ends a group when this one is gone.
#[derive(Debug)]
pub(crate) struct Watch(Child);

impl Watch {
    /// Over the processes of a group.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn over(group: i32) -> Result<Self> {
        let own = env::current_exe().context("no launcher")?;
        let child = Command::new(own)
            .args([COMMAND.to_owned(), group.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_remove("LD_PRELOAD")
            // What the terminal sends to end this one must not end it.
            .process_group(0)
            .spawn()
            .context("the watch over the server does not start")?;
        Ok(Self(child))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(&[DONE]);
        }
        let _ = self.0.wait();
    }
}

/// Does the watch's work if this process was started to be one.
pub(crate) fn if_asked(arguments: &[OsString]) -> Option<ExitCode> {
    let [first, group] = arguments else {
        return None;
    };
    if first != COMMAND {
        return None;
    }
    let group: i32 = group.to_str()?.parse().ok().filter(|group| *group > 1)?;
    let mut said = [0];
    // The other end is this process's parent's alone, so it is closed when that ends.
    if io::stdin().read(&mut said).unwrap_or(0) == 0 {
        end(group);
    }
    Some(ExitCode::SUCCESS)
}

fn end(group: i32) {
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let deadline = Instant::now() + END;
        // SAFETY: no memory is involved; the group was the server's.
        unsafe { libc::kill(-group, signal) };
        // SAFETY: signal 0 is none.
        while unsafe { libc::kill(-group, 0) } == 0 {
            if Instant::now() > deadline {
                break;
            }
            thread::sleep(LOOK);
        }
    }
}
