//! A server under a load: its process tree is measured while the load runs.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::job::{clean, last_line, main_process, with_loaders_word};
use crate::launcher::ending;
use crate::libraries::Library;
use crate::runs::Cost;
use crate::served::{Logs, check_loaded};
use crate::tree::{self, Tree};
use crate::watch::Watch;

/// Between two questions whether the server is ready, or gone.
const LOOK: Duration = Duration::from_millis(20);
/// How long a server may take until it is ready.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end after SIGTERM; then it is killed.
const END: Duration = Duration::from_secs(10);

/// Three command lines for `sh`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Starts the server, in the foreground or not.
    pub server: String,
    /// Succeeds once it answers.
    pub ready: String,
    /// Runs against it, and succeeds.
    pub load: String,
    /// How long the load may take.
    pub patience: Duration,
    /// Where files may be written that last as long as a run.
    pub scratch: PathBuf,
}

/// A server that runs. It and all that came of it end with this.
struct Running {
    /// Ends the server where this is not dropped.
    _watch: Watch,
    child: Child,
    root: i32,
    words: PathBuf,
}

impl Server {
    /// One run: start, load, end. The cost is that of all processes of the server while the load
    /// ran; wall time is the load's. Memory is the sum over the processes that live at its end.
    ///
    /// # Errors
    /// When the server ends early, the load fails, or the library is not loaded.
    pub fn measure(&self, library: &Library) -> Result<Cost> {
        let running = self.start(library, &[])?;
        let before = tree::look(running.root);
        let wall = self.put_load(&running)?;
        let after = tree::look(running.root);
        running.still_there(&after)?;
        check_loaded(main_process(&after.processes, None)?, library)?;
        let sum = |figure: fn(&crate::launcher::Process) -> u64| {
            after.processes.iter().map(figure).sum::<u64>() as f64
        };
        Ok(Cost {
            cpu: (after.cpu - before.cpu).max(0.0),
            wall,
            peak_kib: sum(|process| process.peak_kib),
            final_kib: sum(|process| process.final_kib),
            faults: (after.faults - before.faults).max(0.0),
        })
    }

    /// Makes sure that `malloc` of the server's largest process is this library's.
    ///
    /// # Errors
    /// When the run fails, or another allocator serves.
    pub fn vet(&self, library: &Library) -> Result<()> {
        if self.is_ready() {
            bail!("--ready succeeds before the server is started: another one runs already");
        }
        let logs = Logs::below(&self.scratch)?;
        let running = self.start(library, &logs.env())?;
        self.put_load(&running)?;
        let tree = tree::look(running.root);
        running.still_there(&tree)?;
        logs.check(
            main_process(&tree.processes, None)?,
            &tree.processes,
            library,
        )
        .map_err(|error| with_loaders_word(error, &running.all_words()))
    }

    fn start(&self, library: &Library, more: &[(String, String)]) -> Result<Running> {
        tree::adopt_orphans().context("the server's processes cannot be followed")?;
        let words = self.scratch.join(format!("server.{}", std::process::id()));
        let log =
            File::create(&words).with_context(|| format!("cannot write {}", words.display()))?;
        let mut command = clean(
            shell(&in_its_place(&self.server)),
            &[],
            [&library.env, more, &[]],
        );
        command
            .env("LD_PRELOAD", &library.preload)
            .stdout(log.try_clone().context("the server's output")?)
            .stderr(log)
            .process_group(0);
        // SAFETY: between fork and exec, one system call, without memory.
        unsafe {
            command.pre_exec(|| {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            });
        }
        let child = command.spawn().context("sh does not start")?;
        let root = i32::try_from(child.id())?;
        let mut running = Running {
            _watch: Watch::over(root)?,
            child,
            root,
            words,
        };
        let deadline = Instant::now() + START;
        while !self.is_ready() {
            running.check_start()?;
            if Instant::now() >= deadline {
                bail!(
                    "--ready does not succeed within {} seconds{}",
                    START.as_secs(),
                    running.said()
                );
            }
            thread::sleep(LOOK);
        }
        running.check_start()?;
        Ok(running)
    }

    fn is_ready(&self) -> bool {
        shell(&self.ready)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Runs the load; how long it took, seconds.
    fn put_load(&self, running: &Running) -> Result<f64> {
        let words = self.scratch.join(format!("load.{}", std::process::id()));
        let log =
            File::create(&words).with_context(|| format!("cannot write {}", words.display()))?;
        let start = Instant::now();
        let mut child = shell(&self.load)
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("sh does not start")?;
        let group = i32::try_from(child.id())?;
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(child.wait()));
        let Ok(status) = end.recv_timeout(self.patience) else {
            // SAFETY: no memory is involved; the group is the load's, which was not waited for.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            let _ = end.recv();
            bail!(
                "the load is not done after {} seconds",
                self.patience.as_secs()
            );
        };
        let wall = start.elapsed().as_secs_f64();
        let status = status.context("the load")?;
        if !status.success() {
            let said = fs::read_to_string(&words).unwrap_or_default();
            let server = running.said();
            bail!(
                "the load fails, {}{server}",
                with_words(status, last_line(&said))
            );
        }
        Ok(wall)
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).stdin(Stdio::null());
    command
}

/// The line, so that a simple command takes the place of the shell: the shell is no part of the
/// server, and what ends with this process is then the server itself.
fn in_its_place(line: &str) -> String {
    let first = line.split_whitespace().next().unwrap_or_default();
    let is_program = crate::program::find(first.as_ref()).is_ok();
    if is_program && !line.contains([';', '&', '|', '\n', '(', ')', '`']) {
        format!("exec {line}")
    } else {
        line.to_owned()
    }
}

fn with_words(status: ExitStatus, words: &str) -> String {
    let how = ending(status.into_raw());
    if words.is_empty() {
        how
    } else {
        format!("{how}: {words}")
    }
}

impl Running {
    /// A server in the foreground is still there; one in the background left something.
    fn check_start(&mut self) -> Result<()> {
        match self.child.try_wait().context("the server")? {
            Some(status) if !status.success() || tree::pids(self.root).is_empty() => Err(anyhow!(
                "the server ended at once, {}",
                with_words(status, last_line(&self.all_words()))
            )),
            _ => Ok(()),
        }
    }

    fn still_there(&self, tree: &Tree) -> Result<()> {
        if tree.processes.is_empty() {
            bail!("the server ended under the load{}", self.said());
        }
        Ok(())
    }

    fn all_words(&self) -> String {
        let bytes = fs::read(&self.words).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The server's last line, to be put behind a sentence.
    fn said(&self) -> String {
        match last_line(&self.all_words()) {
            "" => String::new(),
            line => format!("; the server's last line: {line}"),
        }
    }

    fn signal(&self, signal: i32) -> bool {
        let pids = tree::pids(self.root);
        for pid in &pids {
            // SAFETY: no memory is involved; the process is of the server's tree.
            unsafe { libc::kill(*pid, signal) };
        }
        pids.is_empty()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            let deadline = Instant::now() + END;
            let mut is_gone = self.signal(signal);
            while !is_gone && Instant::now() < deadline {
                thread::sleep(LOOK);
                is_gone = tree::pids(self.root).is_empty();
            }
            if is_gone {
                let _ = self.child.wait();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::in_its_place;

    #[test]
    fn a_simple_command_takes_the_place_of_the_shell() {
        assert_eq!(in_its_place("sleep 1"), "exec sleep 1");
        for line in [
            "sleep 1; sleep 2",
            "sleep 1 & wait",
            "A=1 sleep 1",
            "exit 3",
        ] {
            assert_eq!(in_its_place(line), line);
        }
    }
}
