//! The steps' programs: compiled, started on the library, and held at their stops.

use super::lesson::Lesson;
use super::show::Show;
use crate::run;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// What the programs include.
const HEADER: &str = include_str!("../../tour/tour.h");

/// Where the programs are compiled, and what they run on.
pub(super) struct Place {
    folder: TempDir,
    compiler: OsString,
    library: Option<PathBuf>,
}

impl Place {
    /// # Errors
    /// There is no compiler, or no folder.
    pub(super) fn new(library: Option<PathBuf>) -> Result<Self> {
        // SAFETY: no precondition.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if page != 4096 {
            bail!(
                "pages have {page} bytes here, and the tour counts pages of 4,096; docs/tour.md has \
                 the whole tour with its output"
            );
        }
        let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
        let asked = Command::new(&compiler).arg("--version").output();
        if !asked.is_ok_and(|output| output.status.success()) {
            bail!(
                "no C compiler ({}) is here, and the tour's programs are in C: install gcc or clang, or \
                 name one by CC; docs/tour.md has the whole tour with its output",
                compiler.display()
            );
        }
        let folder = tempfile::tempdir().context("no temporary folder")?;
        fs::write(folder.path().join("tour.h"), HEADER).context("cannot write to it")?;
        Ok(Self {
            folder,
            compiler,
            library,
        })
    }

    /// Compiles a step's program.
    ///
    /// # Errors
    /// The compiler does not take it.
    pub(super) fn compile(&self, lesson: &Lesson) -> Result<PathBuf> {
        let source = self.folder.path().join(format!("{}.c", lesson.name));
        let program = self.folder.path().join(lesson.name);
        fs::write(&source, lesson.source).context("cannot write the program")?;
        let output = Command::new(&self.compiler)
            .args(["-O1", "-g", "-D_GNU_SOURCE", "-o"])
            .args([&program, &source])
            .output()
            .context("the compiler does not run")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = said.lines().find(|line| line.contains("error"));
            bail!(
                "{}.c is not compiled: {}",
                lesson.name,
                line.unwrap_or(said.trim())
            );
        }
        Ok(program)
    }

    /// Starts a step's program.
    ///
    /// # Errors
    /// It cannot be compiled or started.
    pub(super) fn start(&self, lesson: &Lesson) -> Result<Running> {
        let program = self.compile(lesson)?;
        let mut command = run::preloaded(self.library.as_deref(), program.as_os_str())?;
        // Knobs that the user set would move things about.
        let is_knob = |name: &str| {
            let begins = ["MALLOC_", "CAIRN_", "GLIBC_TUNABLES"];
            begins.iter().any(|begin| name.starts_with(begin))
        };
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_knob) {
                command.env_remove(name);
            }
        }
        let mut child = command
            .current_dir(self.folder.path())
            .env("CAIRN_TOUR", "1")
            .envs(lesson.knobs.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the program does not start")?;
        let gone = || anyhow!("the program has no pipe");
        Ok(Running {
            input: child.stdin.take().ok_or_else(gone)?,
            output: BufReader::new(child.stdout.take().ok_or_else(gone)?),
            child,
            facts: BTreeMap::new(),
            waits: false,
        })
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// A program on its way from stop to stop.
pub(super) struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    facts: BTreeMap<String, u64>,
    waits: bool,
}

impl Running {
    /// Its number.
    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Lets it run to the next stop, which has this name, and shows what it says.
    ///
    /// # Errors
    /// It ends, or stops elsewhere.
    pub(super) fn to(&mut self, name: &str, show: &mut Show) -> Result<()> {
        self.go_on()?;
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                bail!("the program ended before \"{name}\"");
            }
            let line = line.trim_end();
            if let Some(stop) = line.strip_prefix("-- ") {
                if stop != name {
                    bail!("the program stopped at \"{stop}\", not at \"{name}\"");
                }
                break;
            }
            said.push(line.to_owned());
        }
        self.waits = true;
        show.stop(name);
        for line in said {
            show.line(format!("| {line}"));
            if let Some((name, value)) = line.split_once(' ') {
                let number = match value.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => value.parse(),
                };
                self.facts.insert(name.to_owned(), number?);
            }
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        if self.waits {
            self.waits = false;
            self.input
                .write_all(b"\n")
                .context("the program has ended")?;
        }
        Ok(())
    }

    /// What it said last by that name.
    ///
    /// # Errors
    /// It said no such thing.
    pub(super) fn fact(&self, name: &str) -> Result<u64> {
        let found = self.facts.get(name).copied();
        found.with_context(|| format!("the program said nothing of \"{name}\""))
    }

    /// Lets it run to its end; its status and what it complained of.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(super) fn finish(&mut self) -> Result<(ExitStatus, String)> {
        self.go_on()?;
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            std::io::Read::read_to_string(&mut errors, &mut said)?;
        }
        Ok((self.child.wait()?, said))
    }

    /// Lets it run to a good end.
    ///
    /// # Errors
    /// It ends otherwise.
    pub(super) fn end(mut self, show: &mut Show) -> Result<()> {
        if let Some(status) = self.child.try_wait()?
            && status.signal() == Some(libc::SIGABRT)
        {
            return Ok(());
        }
        let (status, said) = self.finish()?;
        if !said.is_empty() {
            show.line(format!("| {}", said.trim_end()));
        }
        show.claim("the program ended well", status.success());
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
