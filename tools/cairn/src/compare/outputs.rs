//! What the runs wrote, and whether it is the same.

use std::ffi::CString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::mem::zeroed;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Bytes of a first output that are kept to show a difference.
const KEPT: usize = 64 << 10;
/// Characters of a line that are shown.
const SHOWN: usize = 60;
/// Bytes that must be free where outputs are written.
const ROOM: u64 = 1 << 20;

/// A stream of one run: its hash and its beginning.
#[derive(Clone)]
pub(crate) struct Written {
    hasher: DefaultHasher,
    begin: Vec<u8>,
}

impl Written {
    fn new() -> Self {
        Self {
            hasher: DefaultHasher::new(),
            begin: Vec::new(),
        }
    }

    /// What is in a file.
    pub(crate) fn in_file(path: &Path) -> Result<Self> {
        let mut written = Self::new();
        File::open(path)
            .and_then(|mut file| io::copy(&mut file, &mut written))
            .with_context(|| format!("the output in {} is gone", path.display()))?;
        Ok(written)
    }

    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        let mut written = Self::new();
        written.take(text.as_bytes());
        written
    }

    fn take(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
        let left = KEPT.saturating_sub(self.begin.len());
        self.begin.extend(bytes.iter().take(left));
    }

    fn is(&self, other: &Self) -> bool {
        self.hasher.finish() == other.hasher.finish()
    }

    /// Where it begins to differ from another.
    fn difference(&self, other: &Self) -> String {
        let (own, others) = (
            String::from_utf8_lossy(&self.begin),
            String::from_utf8_lossy(&other.begin),
        );
        let (mut own, mut others) = (own.lines(), others.lines());
        for number in 1.. {
            match (own.next(), others.next()) {
                (None, None) => break,
                (own, other) if own == other => {}
                (own, other) => {
                    return format!("line {number} is {} and not {}", line(own), line(other));
                }
            }
        }
        format!("not in its first {} KiB", KEPT >> 10)
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(text: Option<&str>) -> String {
    text.map_or_else(
        || "missing".to_owned(),
        |text| {
            let short: String = text.chars().take(SHOWN).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            format!("“{short}{more}”")
        },
    )
}

/// One stream of all contenders' runs.
#[derive(Default)]
struct Stream {
    /// By contender: of its first run.
    first: Vec<Option<Written>>,
    /// By contender: the first run that wrote something else than its first one.
    other: Vec<bool>,
}

impl Stream {
    fn add(&mut self, which: usize, written: Written) {
        let (Some(first), Some(other)) = (self.first.get_mut(which), self.other.get_mut(which))
        else {
            return;
        };
        match first {
            Some(first) => *other |= !first.is(&written),
            None => *first = Some(written),
        }
    }

    /// What is to be said of it.
    fn differences(&self, called: &str, names: &[&str]) -> Outputs {
        let mut found = Outputs::default();
        let ([reference, others @ ..], [first, rest @ ..]) = (&self.first[..], names) else {
            return found;
        };
        let Some(reference) = reference else {
            return found;
        };
        if self.other.first() == Some(&true) {
            found.notes.push(format!(
                "The {called} is another in each run on {first}, so it is not compared."
            ));
            return found;
        }
        let changes = self.other.iter().skip(1);
        for ((name, written), changes) in rest.iter().zip(others).zip(changes) {
            let Some(written) = written else { continue };
            if !written.is(reference) {
                found.differences.push(format!(
                    "The {called} on {name} differs from that on {first}: {}.",
                    written.difference(reference)
                ));
            } else if *changes {
                found.differences.push(format!(
                    "The {called} on {name} differs from run to run, that on {first} does not."
                ));
            }
        }
        found
    }
}

/// What there is to say of the outputs.
#[derive(Clone, Default)]
pub(crate) struct Outputs {
    /// Allocators whose output is another.
    pub(crate) differences: Vec<String>,
    /// Why something was not compared.
    pub(crate) notes: Vec<String>,
}

impl Outputs {
    /// Whether no difference was found.
    pub(crate) fn are_alike(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Both streams of all contenders' runs.
#[derive(Default)]
pub(crate) struct Seen {
    output: Stream,
    errors: Stream,
}

impl Seen {
    /// Of so many contenders, nothing yet.
    pub(crate) fn of(count: usize) -> Self {
        let stream = || Stream {
            first: vec![None; count],
            other: vec![false; count],
        };
        Self {
            output: stream(),
            errors: stream(),
        }
    }

    /// A run's output and what it wrote to its standard error.
    pub(crate) fn add(&mut self, which: usize, output: Written, errors: Written) {
        self.output.add(which, output);
        self.errors.add(which, errors);
    }

    /// How they differ.
    pub(crate) fn differences(&self, names: &[&str]) -> Outputs {
        let mut found = self.output.differences("output", names);
        let errors = self.errors.differences("error output", names);
        found.differences.extend(errors.differences);
        found.notes.extend(errors.notes);
        found
    }
}

/// Makes sure that a megabyte is free in a directory.
///
/// # Errors
/// When it is not: a program whose output finds no room fails, or is quick.
pub(crate) fn require_room(dir: &Path) -> Result<()> {
    require(dir, ROOM)
}

fn require(dir: &Path, bytes: u64) -> Result<()> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    // SAFETY: all zeroes is a valid statvfs, which has only numbers in it.
    let mut found: libc::statvfs = unsafe { zeroed() };
    // SAFETY: the text ends in a zero, and both outlive the call.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0 {
        return Err(io::Error::last_os_error())
            .with_context(|| format!("cannot look at {}", dir.display()));
    }
    if found.f_bavail.saturating_mul(found.f_frsize) < bytes {
        bail!(
            "no space is left in {}, where scripts and the program's output go; TMPDIR names another place",
            dir.display()
        );
    }
    Ok(())
}

/// Removes a file that may be there.
pub(crate) fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::{Seen, Written, require, require_room};

    fn seen(runs: &[(usize, &str)]) -> Seen {
        let mut seen = Seen::of(2);
        for (which, text) in runs {
            seen.add(*which, Written::text(text), Written::text(""));
        }
        seen
    }

    #[test]
    fn a_difference_is_shown_by_its_line() {
        let found = seen(&[(0, "a\nb\n"), (1, "a\nc\n")]).differences(&["glibc", "other"]);
        assert_eq!(
            found.differences,
            ["The output on other differs from that on glibc: line 2 is “c” and not “b”."]
        );
        let found = seen(&[(0, "a\nb\n"), (1, "a\n")]).differences(&["glibc", "other"]);
        assert!(found.differences[0].contains("line 2 is missing and not “b”"));
    }

    #[test]
    fn what_differs_from_run_to_run_is_not_compared_and_what_is_alike_is_not_named() {
        let names = ["glibc", "other"];
        let found = seen(&[(0, "1"), (1, "2"), (0, "3")]).differences(&names);
        assert!(found.are_alike() && found.notes.len() == 1);
        let found = seen(&[(0, "1"), (1, "1"), (1, "2"), (0, "1")]).differences(&names);
        assert!(found.differences[0].contains("differs from run to run"));
        let found = seen(&[(0, "1"), (1, "1"), (1, "1"), (0, "1")]).differences(&names);
        assert!(found.are_alike() && found.notes.is_empty());
    }

    #[test]
    fn a_full_directory_is_named() {
        let dir = std::env::temp_dir();
        assert!(require_room(&dir).is_ok());
        let why = require(&dir, u64::MAX).map_err(|error| error.to_string());
        assert!(why.is_err_and(|why| why.contains("no space is left in")));
    }
}
