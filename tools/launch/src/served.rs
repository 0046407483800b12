//! Who serves `malloc` in a process, from what the loader itself says.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::launcher::Process;
use crate::libraries::{Library, file_name};

/// Another allocator serves, or none that can be seen.
#[derive(Debug)]
pub struct NotServed(String);

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotServed {}

/// A directory for the loader's logs, one for each process. It goes with this.
#[derive(Debug)]
pub struct Logs(PathBuf);

impl Logs {
    /// An empty one below `scratch`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn below(scratch: &Path) -> Result<Self> {
        let dir = scratch.join(format!("bindings.{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)
            .with_context(|| format!("no directory {} for the loader's log", dir.display()))?;
        Ok(Self(dir))
    }

    /// Variables that make the loader write them.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![
            ("LD_DEBUG".to_owned(), "bindings".to_owned()),
            (
                "LD_DEBUG_OUTPUT".to_owned(),
                self.0.join("log").display().to_string(),
            ),
        ]
    }

    fn everything(&self) -> Vec<u8> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| fs::read(entry.path()).ok())
            .flatten()
            .collect()
    }

    /// Makes sure that `malloc` of the processes with the name of `main` is this library's.
    ///
    /// # Errors
    /// [`NotServed`] when another allocator serves, or none can be seen.
    pub fn check(&self, main: &Process, all: &[Process], library: &Library) -> Result<()> {
        // A process that was forked and not executed has its parent's bindings and no log.
        let mut log: Vec<u8> = all
            .iter()
            .filter(|process| process.name == main.name)
            .filter_map(|process| fs::read(self.0.join(format!("log.{}", process.pid))).ok())
            .flatten()
            .collect();
        if log.is_empty() {
            // The parent of a server that went into the background is gone.
            log = self.everything();
        }
        let servers = servers(&String::from_utf8_lossy(&log));
        let wanted = file_name(&library.preload);
        let others: Vec<&str> = servers
            .iter()
            .map(String::as_str)
            .filter(|server| *server != wanted)
            .collect();
        if servers.is_empty() {
            return Err(not_served(format!(
                "malloc of {} is bound to nothing: a static program, or one that never calls it",
                main.name
            )));
        }
        if !others.is_empty() {
            return Err(not_served(format!(
                "malloc of {} is served by {}, not by {wanted}",
                main.name,
                others.join(" and ")
            )));
        }
        // An ordinary symbol can be found in a library that still could not start.
        check_loaded(main, library)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn not_served(why: String) -> anyhow::Error {
    NotServed(why).into()
}

/// Makes sure that a process has the library's file mapped. One whose end was not seen has no list,
/// and what is named without a path, glibc, is there in any case.
///
/// # Errors
/// [`NotServed`] when it has not.
pub fn check_loaded(process: &Process, library: &Library) -> Result<()> {
    let file = file_name(&library.preload);
    let is = |path: &String| file_name(Path::new(path)) == file;
    if library.preload.is_absolute() && !process.files.is_empty() && !process.files.iter().any(is) {
        let why = format!("{file} is not loaded in {}", process.name);
        return Err(not_served(why));
    }
    Ok(())
}

/// The files to which the loader bound `malloc`. The loader writes the end of a line, a version, by a
/// second call, and threads bind at once: a line can hold several bindings. A program that takes the function's address may
/// have the others call through its own table; then what it is bound to itself serves.
fn servers(log: &str) -> BTreeSet<String> {
    let name = |text: &str| {
        let path = text.split_once(" [").map_or(text, |(path, _)| path);
        file_name(Path::new(path))
    };
    let bound: BTreeSet<(String, String)> = log
        .split("binding file ")
        .filter_map(|binding| {
            let (files, symbol) = binding.split_once(" symbol `")?;
            let (from, to) = files.split_once(" to ")?;
            let is_malloc = symbol.split_once('\'')?.0 == "malloc";
            is_malloc.then(|| (name(from), name(to)))
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
    fn bindings_by_several_threads_at_once_are_told_apart() {
        let log = "\
      41:\tbinding file ./program [0] to /lib/libc.so.6 [0]: normal symbol `sleep'     41:\tbinding file \
            ./program [0] to /opt/libcairn.so [0]: normal symbol `malloc' [GLIBC_2.2.5]
 [GLIBC_2.2.5]
      41:\tbinding file ./program [0] to /opt/libcairn.so [0]: normal symbol `malloc'     41:\tbinding file \
            ./program [0] to /lib/libc.so.6 [0]: normal symbol `puts' [GLIBC_2.2.5]
";
        assert_eq!(
            servers(log).into_iter().collect::<Vec<_>>(),
            ["libcairn.so"]
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
