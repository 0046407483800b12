//! A program with its arguments, run on a library through the launcher.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::launcher::{self, Launched, Mode, Process};
use crate::libraries::Library;
use crate::program;
use crate::runs::Cost;
use crate::served::{Logs, check_loaded};

/// How variables begin that an allocator or the loader's log reads: none reaches a program but
/// those that a job or a library brings.
const READ_BY_ALLOCATORS: [&str; 7] = [
    "CAIRN_",
    "MALLOC_",
    "MIMALLOC_",
    "TCMALLOC_",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
    "LD_DEBUG",
];

/// A program, ready to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file.
    pub program: PathBuf,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// Variables on top of the caller's own.
    pub env: Vec<(String, String)>,
    /// How variables begin that it shall not have, beside those that allocators read.
    pub without: Vec<&'static str>,
    /// The process that counts, if not all.
    pub process: Option<String>,
    /// Its standard input; nothing if not given.
    pub input: Option<PathBuf>,
    /// The exit status that is its success.
    pub success: i32,
    /// How long it may take.
    pub patience: Duration,
    /// Where files may be written that last as long as a run.
    pub scratch: PathBuf,
    /// A command that starts the launcher, for who looks at the program on the way; none if empty.
    pub below: Vec<OsString>,
}

impl Job {
    /// A program as it is: all of it counts, it reads nothing, and 0 is its success.
    pub fn of(
        program: PathBuf,
        arguments: Vec<OsString>,
        patience: Duration,
        scratch: &Path,
    ) -> Self {
        Self {
            program,
            arguments,
            env: Vec::new(),
            without: Vec::new(),
            process: None,
            input: None,
            success: 0,
            patience,
            scratch: scratch.to_owned(),
            below: Vec::new(),
        }
    }

    /// The same of a command line, if a library can be preloaded into its program.
    ///
    /// # Errors
    /// There is no such program, or none can.
    pub fn of_line(line: &[OsString], patience: Duration, scratch: &Path) -> Result<Self> {
        let (name, rest) = line.split_first().context("no program")?;
        let program = program::find(name)?;
        program::check(&program)?;
        Ok(Self::of(program, rest.to_vec(), patience, scratch))
    }
}

/// The program ended otherwise than with success.
#[derive(Debug)]
pub struct Ended {
    /// As `wait` says it.
    pub status: i32,
    /// The last line of its standard error.
    pub words: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&launcher::ending(self.status))?;
        if !self.words.is_empty() {
            write!(f, ": {}", self.words)?;
        }
        Ok(())
    }
}

impl std::error::Error for Ended {}

/// Runs the job on the library through a launcher.
///
/// # Errors
/// When the program cannot be started, fails, or does not end.
pub fn run(job: &Job, library: &Library, mode: Mode) -> Result<Launched> {
    Ok(run_into(job, library, mode, None, &[])?.0)
}

/// What the program writes to its standard error.
///
/// # Errors
/// As [`run`].
pub fn words(job: &Job, library: &Library) -> Result<String> {
    Ok(run_into(job, library, Mode::Follow, None, &[])?.1)
}

/// What the program writes on the library.
///
/// # Errors
/// As [`run`].
pub fn read(job: &Job, library: &Library) -> Result<String> {
    let file = job.scratch.join(format!("output.{}", std::process::id()));
    run_into(job, library, Mode::Follow, Some(&file), &[])?;
    let text = fs::read_to_string(&file).context("no output");
    let _ = fs::remove_file(&file);
    text
}

/// A command without what allocators read, with the job's and the library's variables.
pub(crate) fn clean(
    mut command: Command,
    without: &[&str],
    env: [&[(String, String)]; 3],
) -> Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let begins = |start: &&str| text.starts_with(start);
        if READ_BY_ALLOCATORS.iter().chain(without).any(begins) {
            command.env_remove(&name);
        }
    }
    for (name, value) in env.into_iter().flatten() {
        command.env(name, value);
    }
    command
}

/// [`run`], and what the program writes to its standard error. Its output goes into the file, if
/// there is one.
fn run_into(
    job: &Job,
    library: &Library,
    mode: Mode,
    output: Option<&Path>,
    more: &[(String, String)],
) -> Result<(Launched, String)> {
    let none = Path::new("-");
    let own = env::current_exe().context("no launcher")?;
    let mut command = match job.below.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(own);
            command
        }
        None => Command::new(own),
    };
    command
        .arg(launcher::COMMAND)
        .arg(mode.argument())
        .arg(&library.preload)
        .arg(job.input.as_deref().unwrap_or(none))
        .arg(output.unwrap_or(none))
        .arg(&job.program)
        .args(&job.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = clean(command, &job.without, [&job.env, &library.env, more])
        .spawn()
        .context("the launcher does not start")?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    // The pipes end with the launcher; to read them is to wait for it, without a loop that
    // would take time from what is measured.
    let (ended, end) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = ended.send((stdout.join(), stderr.join()));
        });
        let Ok((stdout, stderr)) = end.recv_timeout(job.patience) else {
            // What it traces dies with it.
            let _ = child.kill();
            let _ = child.wait();
            bail!("not done after {} seconds", job.patience.as_secs());
        };
        let _ = child.wait();
        let (stdout, stderr) = (stdout.unwrap_or_default(), stderr.unwrap_or_default());
        let words = last_line(&stderr);
        let launched: Launched =
            serde_json::from_str(&stdout).map_err(|_| anyhow!("it did not run: {words}"))?;
        if launched.status != job.success << 8 {
            return Err(anyhow!(Ended {
                status: launched.status,
                words: words.to_owned(),
            }));
        }
        Ok((launched, stderr))
    })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The last line of a text, empty if there is none.
pub(crate) fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

/// The process whose memory counts: the named one, or the largest.
pub(crate) fn main_process<'a>(
    processes: &'a [Process],
    name: Option<&String>,
) -> Result<&'a Process> {
    processes
        .iter()
        .filter(|process| name.is_none_or(|name| process.name == *name))
        .max_by_key(|process| process.peak_kib)
        .with_context(|| {
            format!(
                "no process is called {}",
                name.map(String::as_str).unwrap_or_default()
            )
        })
}

/// One measured run.
///
/// # Errors
/// When it fails, or the library was not in the process that counts.
pub fn measure(job: &Job, library: &Library) -> Result<Cost> {
    Ok(observe(job, library, None)?.0)
}

/// [`measure`] with the output in a file, and what it writes to its standard error.
///
/// # Errors
/// As [`measure`].
pub fn observe(job: &Job, library: &Library, output: Option<&Path>) -> Result<(Cost, String)> {
    let (launched, words) = run_into(job, library, Mode::Follow, output, &[])?;
    let main = main_process(&launched.processes, job.process.as_ref())?;
    check_loaded(main, library)?;
    let costs: Vec<&Process> = match &job.process {
        Some(name) => launched
            .processes
            .iter()
            .filter(|process| process.name == *name)
            .collect(),
        None => launched.processes.first().into_iter().collect(),
    };
    let number = |kib: u64| kib as f64;
    let cost = Cost {
        cpu: costs.iter().map(|process| process.cpu).sum(),
        wall: launched.wall,
        peak_kib: number(main.peak_kib),
        final_kib: number(main.final_kib),
        faults: costs.iter().map(|process| process.faults as f64).sum(),
    };
    Ok((cost, words))
}

/// Makes sure, from what the loader itself says, that `malloc` in the process that counts is
/// this library's. This run also warms the file cache.
///
/// # Errors
/// When the run fails, or another allocator serves.
pub fn vet(job: &Job, library: &Library) -> Result<()> {
    let logs = Logs::below(&job.scratch)?;
    let (launched, words) = run_into(job, library, Mode::Follow, None, &logs.env())?;
    let main = main_process(&launched.processes, job.process.as_ref())?;
    logs.check(main, &launched.processes, library)
        .map_err(|error| with_loaders_word(error, &words))
}

/// An error with the reason why the loader left a library out, if it gave one.
pub(crate) fn with_loaders_word(error: anyhow::Error, words: &str) -> anyhow::Error {
    let why = words.lines().find_map(|line| {
        let (_, why) = line.split_once("from LD_PRELOAD cannot be preloaded ")?;
        why.strip_suffix(": ignored.")
    });
    match why {
        Some(why) => error.context(format!("the loader leaves it out {why}")),
        None => error,
    }
}
