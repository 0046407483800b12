//! The bench's side of the launcher, and which allocator really served.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::launcher::{self, Launched, Mode, Process};
use crate::libraries::{GLIBC, Library, file_name};
use crate::paths;
use crate::results::Cost;

/// How long a program may take; none takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program with its arguments, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The file.
    pub program: PathBuf,
    /// What it is given.
    pub arguments: Vec<String>,
    /// Variables on top of the bench's own.
    pub env: Vec<(String, String)>,
    /// The process that counts, if not all.
    pub process: Option<String>,
}

/// Runs the job on the library through a launcher.
///
/// # Errors
/// When the program cannot be started, fails, or does not end.
pub(crate) fn run(job: &Job, library: &Library, mode: Mode) -> Result<Launched> {
    Ok(run_into(job, library, mode, Path::new("-"), &[])?.0)
}

/// What the program writes to its standard error.
///
/// # Errors
/// As [`run`].
pub(crate) fn words(job: &Job, library: &Library) -> Result<String> {
    Ok(run_into(job, library, Mode::Follow, Path::new("-"), &[])?.1)
}

/// What the program writes on the library.
///
/// # Errors
/// As [`run`].
pub(crate) fn read(job: &Job, library: &Library) -> Result<String> {
    let file = paths::work()?.join(format!("output.{}", std::process::id()));
    run_into(job, library, Mode::Follow, &file, &[])?;
    let text = fs::read_to_string(&file).context("no output");
    let _ = fs::remove_file(&file);
    text
}

/// [`run`], and what the program writes to its standard error.
fn run_into(
    job: &Job,
    library: &Library,
    mode: Mode,
    output: &Path,
    more: &[(String, String)],
) -> Result<(Launched, String)> {
    let mut command = Command::new(env::current_exe().context("no launcher")?);
    command
        .arg(launcher::COMMAND)
        .arg(mode.argument())
        .arg(&library.preload)
        .arg(output)
        .arg(&job.program)
        .args(&job.arguments);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CAIRN_", "MALLOC_", "MIMALLOC_", "GLIBC_TUNABLES", "LD_"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
        .env("BENCH_DIR", paths::work()?)
        .env("LC_ALL", "C.UTF-8")
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .envs(more.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("the launcher does not start")?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    // The pipes end with the launcher; to read them is to wait for it, without a loop that
    // would take time from what is measured.
    let (ended, end) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = ended.send((stdout.join(), stderr.join()));
        });
        let Ok((stdout, stderr)) =
            end.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        else {
            // What it traces dies with it.
            let _ = child.kill();
            let _ = child.wait();
            bail!("not done after {} seconds", PATIENCE.as_secs());
        };
        let _ = child.wait();
        let (stdout, stderr) = (stdout.unwrap_or_default(), stderr.unwrap_or_default());
        let words = last_line(&stderr);
        let launched: Launched = serde_json::from_str(&stdout)
            .map_err(|_| anyhow::anyhow!("it did not run: {words}"))?;
        match &launched.failure {
            Some(how) => bail!("{how}{}{words}", if words.is_empty() { "" } else { ": " }),
            None => Ok((launched, stderr)),
        }
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

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

/// The process whose memory counts: the named one, or the largest.
fn main_process<'a>(job: &Job, launched: &'a Launched) -> Result<&'a Process> {
    launched
        .processes
        .iter()
        .filter(|process| {
            job.process
                .as_ref()
                .is_none_or(|name| process.name == *name)
        })
        .max_by_key(|process| process.peak_kib)
        .with_context(|| {
            format!(
                "no process is called {}",
                job.process.as_deref().unwrap_or_default()
            )
        })
}

/// One measured run.
///
/// # Errors
/// When it fails, or the library was not in the process that counts.
pub(crate) fn measure(job: &Job, library: &Library) -> Result<Cost> {
    let launched = run(job, library, Mode::Follow)?;
    let main = main_process(job, &launched)?;
    let file = file_name(&library.preload);
    // A process whose end was not seen has no list.
    if !main.files.is_empty() && !main.files.iter().any(|path| path.ends_with(&file)) {
        bail!("{file} is not loaded in {}", main.name);
    }
    let costs: Vec<&Process> = match &job.process {
        Some(name) => launched
            .processes
            .iter()
            .filter(|process| process.name == *name)
            .collect(),
        None => launched.processes.first().into_iter().collect(),
    };
    let number = |kib: u64| kib as f64;
    Ok(Cost {
        cpu: costs.iter().map(|process| process.cpu).sum(),
        wall: launched.wall,
        peak_kib: number(main.peak_kib),
        final_kib: number(main.final_kib),
        faults: costs.iter().map(|process| process.faults as f64).sum(),
    })
}

/// Makes sure, from what the loader itself says, that `malloc` in the process that counts is
/// this library's. This run also warms the file cache.
///
/// # Errors
/// When the run fails, or another allocator serves.
pub(crate) fn vet(job: &Job, library: &Library) -> Result<()> {
    let logs = paths::work()?.join(format!("bindings.{}", std::process::id()));
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs).context("no directory for the loader's log")?;
    let more = [
        ("LD_DEBUG".to_owned(), "bindings".to_owned()),
        (
            "LD_DEBUG_OUTPUT".to_owned(),
            logs.join("log").display().to_string(),
        ),
    ];
    let (launched, _) = run_into(job, library, Mode::Follow, Path::new("-"), &more)?;
    let main = main_process(job, &launched)?;
    // A process that was forked and not executed has its parent's bindings and no log of its own.
    let log: Vec<u8> = launched
        .processes
        .iter()
        .filter(|process| process.name == main.name)
        .filter_map(|process| fs::read(logs.join(format!("log.{}", process.pid))).ok())
        .flatten()
        .collect();
    let _ = fs::remove_dir_all(&logs);
    let servers = servers(&String::from_utf8_lossy(&log));
    let wanted = file_name(&library.preload);
    let others: Vec<&str> = servers
        .iter()
        .map(String::as_str)
        .filter(|server| *server != wanted)
        .collect();
    if servers.is_empty() {
        bail!(
            "malloc of {} is bound to nothing: a static program?",
            main.name
        );
    }
    if !others.is_empty() {
        bail!(
            "malloc of {} is served by {}, not by {wanted}",
            main.name,
            others.join(" and ")
        );
    }
    // An ordinary symbol can be found in a library that still could not start.
    if library.name != GLIBC
        && !main.files.is_empty()
        && !main.files.iter().any(|path| path.ends_with(&wanted))
    {
        bail!("{wanted} is not loaded in {}", main.name);
    }
    Ok(())
}

/// The files to which the loader bound `malloc`. A program that takes the function's address may
/// have the others call through its own table; then what it is bound to itself serves.
fn servers(log: &str) -> BTreeSet<String> {
    let name = |text: &str| {
        let path = text.split_once(" [").map_or(text, |(path, _)| path);
        file_name(Path::new(path))
    };
    let bound: BTreeSet<(String, String)> = log
        .lines()
        .filter(|line| line.contains("symbol `malloc'"))
        .filter_map(|line| {
            let (from, to) = line.split_once("binding file ")?.1.split_once(" to ")?;
            Some((name(from), name(to)))
        })
        .collect();
    // Libraries call through it too, the one that serves among them.
    let passes_on = |file: &String| {
        !file.contains(".so") && bound.iter().any(|(from, to)| from == file && to != file)
    };
    bound
        .iter()
        .map(|(_, to)| to)
        .filter(|to| !passes_on(to))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::servers;

    #[test]
    fn the_loaders_log_names_who_serves_malloc() {
        let log = "\
      41:\tbinding file /lib/libc.so.6 [0] to /opt/libcairn.so [0]: normal symbol `malloc' [GLIBC_2.2.5]
      41:\tbinding file ./program [0] to /opt/libcairn.so [0]: normal symbol `malloc_usable_size'
      41:\tbinding file ./program [0] to ./program [0]: normal symbol `malloc'
      41:\tbinding file ./program [0] to /lib/libc.so.6 [0]: normal symbol `puts'
";
        assert_eq!(
            servers(log).into_iter().collect::<Vec<_>>(),
            ["libcairn.so", "program"]
        );
    }

    #[test]
    fn a_program_through_whose_table_others_call_does_not_serve() {
        let log = "\
      41:\tbinding file /lib/libc.so.6 [0] to python3 [0]: normal symbol `malloc' [GLIBC_2.2.5]
      41:\tbinding file python3 [0] to /opt/libcairn.so [0]: normal symbol `malloc'
";
        assert_eq!(
            servers(log).into_iter().collect::<Vec<_>>(),
            ["libcairn.so"]
        );
    }
}
