//! `cairn doctor`: whether Cairn serves a process or could serve a program, and what is in its way.

mod knobs;
mod links;

use crate::look::{bytes, number};
use anyhow::{Result, bail};
use cairn_reader::process::Process;
use cairn_reader::tables::Heap;
use cairn_reader::target::printable;
use cairn_reader::{Error, Target, find};
use clap::Args;
use object::read::Object;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Says who serves malloc in a process, or whether Cairn could serve a program, and what is in the
/// way.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn doctor $(pidof redis-server)
  cairn doctor -- /usr/bin/redis-server

Status 0: nothing is wrong. 1: something is, and a line that begins with ! says what.")]
pub(crate) struct Arguments {
    /// Number of a process; without it the machine alone is looked at
    #[arg(conflicts_with = "program", allow_negative_numbers = true)]
    pid: Option<i32>,
    /// A program that was not started yet
    #[arg(last = true)]
    program: Vec<PathBuf>,
}

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    is_bad: bool,
}

impl Findings {
    fn good(&mut self, what: &str) {
        let _ = writeln!(self.text, "  {what}");
    }
    fn bad(&mut self, what: &str) {
        self.is_bad = true;
        let _ = writeln!(self.text, "! {what}");
    }
    fn head(&mut self, what: &str) {
        let _ = writeln!(self.text, "\n{what}");
    }
    fn tell(&mut self, is_bad: bool, what: &str) {
        if is_bad {
            self.bad(what)
        } else {
            self.good(what)
        }
    }
}

/// Looks, and prints what was found.
///
/// # Errors
/// There is no such process or program, or we may not look at it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut found = Findings::default();
    if let Some(pid) = arguments.pid {
        process(pid, &mut found)?;
    } else if let Some(path) = arguments.program.first() {
        program(path, &mut found)?;
    }
    machine(&mut found);
    crate::print(found.text.trim_start())?;
    Ok(ExitCode::from(u8::from(found.is_bad)))
}

fn process(pid: i32, found: &mut Findings) -> Result<()> {
    const SECURE: u64 = 23;
    let process = Process::open(pid)?;
    found.head(&format!("process {pid} ({})", process.command()));
    let instances = match find::instances(&process) {
        Ok(all) => all,
        Err(error @ Error::Layout { .. }) => {
            found.bad(&error.to_string());
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    for instance in &instances {
        let release = instance.descriptor.release.map(|part| part.to_string());
        found.good(&format!(
            "Cairn {} in {}",
            release.join("."),
            instance.object
        ));
    }
    let linked = links::linked(&process);
    if linked.is_empty() {
        found.tell(
            instances.is_empty(),
            "the program is static: nothing can be preloaded",
        );
    }
    serves(&process, &linked, !instances.is_empty(), found);
    if links::auxiliary(&process, SECURE) == Some(1) {
        found.bad("it runs with other rights than its caller's (set-uid or the like): variables are ignored, and so are preloaded libraries outside the system's folders");
    }
    let maps = process.maps().len() as u64;
    let most = read_number("/proc/sys/vm/max_map_count").unwrap_or(65530);
    found.tell(
        maps * 10 > most * 9,
        &format!(
            "{} mappings of {} (vm.max_map_count)",
            number(maps),
            number(most)
        ),
    );
    if let Some((used, limit)) = cgroup(&process) {
        found.tell(
            used as f64 > limit as f64 * 0.9,
            &format!("the cgroup uses {} of {}", bytes(used), bytes(limit)),
        );
    }
    for instance in instances {
        let heap = Heap::read(&process, instance);
        if heap.is_used() {
            found.head(&format!("knobs in force in {}", heap.instance.object));
            knobs::tell(&process, &heap.settings, found);
        }
    }
    Ok(())
}

/// Who serves each name: the first in the loader's order that defines it.
fn serves(process: &Process, linked: &[links::Linked], has: bool, found: &mut Findings) {
    let is_cairn = |name: &str| name.contains("cairn");
    let mut servers: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in links::NAMES {
        let Some(first) = linked.iter().find(|l| l.defines.contains(&name)) else {
            continue;
        };
        match servers.iter_mut().find(|s| s.0 == first.name) {
            Some(server) => server.1.push(name),
            None => servers.push((&first.name, vec![name])),
        }
    }
    for (object, names) in &servers {
        let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
        found.good(&format!("{} served by {object}", names.join(", ")));
    }
    let serves = |name: &str| {
        let mut of = servers.iter().filter(|s| s.1.contains(&name));
        of.any(|s| is_cairn(s.0))
    };
    if !has {
        let who = find::other_allocator(process, Some(&process.path("exe")));
        found.bad(&format!("it does not run on Cairn: it has {who}"));
    } else if !linked.is_empty() && !serves("malloc") {
        found.good("Cairn is in it, and serves no malloc: a Rust program's global allocator, or a library behind another one");
    }
    let server = servers
        .iter()
        .find(|s| s.1.contains(&"malloc"))
        .map(|s| s.0);
    for other in linked {
        let is_libc = other.name.contains("/libc.") || other.name.contains("/ld-linux");
        if other.defines.contains(&"malloc") && Some(other.name.as_str()) != server && !is_libc {
            found.good(&format!(
                "{} defines malloc too, and comes later",
                other.name
            ));
        }
    }
}

/// The names of C++'s operators in words.
fn plain(name: &str) -> &str {
    match name {
        "_Znwm" => "operator new",
        "_ZdlPv" => "operator delete",
        other => other,
    }
}

/// A program by its path, or as a shell would find it.
fn resolve(path: &Path) -> Option<PathBuf> {
    if path.components().count() > 1 {
        return path.exists().then(|| path.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(path))
        .find(|file| file.is_file())
}

fn program(path: &Path, found: &mut Findings) -> Result<()> {
    const SET_ID: u32 = 0o6000;
    let Some(file) = resolve(path) else {
        bail!("there is no program {}", path.display());
    };
    found.head(&format!("program {}", file.display()));
    let data = fs::read(&file)?;
    if data.starts_with(b"#!") {
        let line = data.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line.get(2..).unwrap_or_default()).into_owned();
        found.good(&format!(
            "a script: {} runs it, look at that",
            printable(line.trim())
        ));
        return Ok(());
    }
    let Ok(elf) = object::File::parse(data.as_slice()) else {
        bail!("{} is no program", file.display());
    };
    let here = std::env::consts::ARCH;
    let theirs = format!("{:?}", elf.architecture()).to_lowercase();
    let same = theirs.replace("x86_64", "x86-64") == here.replace("x86_64", "x86-64");
    found.tell(!same, &format!("made for {theirs}"));
    let is_static = elf.section_by_name(".interp").is_none();
    found.tell(
        is_static,
        if is_static {
            "static: nothing can be preloaded; link Cairn in"
        } else {
            "asks a loader: Cairn can be preloaded"
        },
    );
    let mode = fs::metadata(&file)?.permissions().mode();
    if mode & SET_ID != 0 {
        found.bad("set-uid or set-gid: the loader ignores LD_PRELOAD");
    }
    let defines = links::defines(&file);
    if defines.contains(&"malloc") {
        found.bad("it defines malloc itself, for others too: nothing comes before a program's own");
    }
    Ok(())
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What the cgroup of a process uses, and the limit, if there is one.
fn cgroup(process: &Process) -> Option<(u64, u64)> {
    let text = fs::read_to_string(process.path("cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut folder = PathBuf::from(format!("/sys/fs/cgroup{path}"));
    // The nearest limit from there up.
    loop {
        let of = |name: &str| read_number(folder.join(name).to_str()?);
        if let (Some(limit), Some(used)) = (of("memory.max"), of("memory.current")) {
            return Some((used, limit));
        }
        if !folder.pop() || !folder.starts_with("/sys/fs/cgroup") {
            return None;
        }
    }
}

fn machine(found: &mut Findings) {
    found.head("machine");
    let overcommit = read_number("/proc/sys/vm/overcommit_memory");
    found.tell(
        overcommit == Some(2),
        match overcommit {
            Some(2) => "the kernel promises no more than it has (vm.overcommit_memory 2): reservations of 64 MiB an arena count",
            Some(1) => "the kernel promises whatever is asked for (vm.overcommit_memory 1)",
            _ => "the kernel promises what seems reasonable (vm.overcommit_memory 0)",
        },
    );
    let huge = "/sys/kernel/mm/transparent_hugepage/enabled";
    let huge = fs::read_to_string(huge).unwrap_or_default();
    let mode = huge.split(['[', ']']).nth(1).unwrap_or("unknown");
    found.good(&format!("huge pages: {mode}"));
}
