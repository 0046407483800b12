//! The pages that a program touches, counted: `c-tests/counts/spawn.c` says how.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::{CANNOT, Env, compile_c, describe, pieces_of_libc, skip, watch};

/// A command whose environment is the same everywhere.
pub fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    // Where valgrind is not in the place it was built for.
    if let Some(place) = env::var_os("VALGRIND_LIB") {
        command.env("VALGRIND_LIB", place);
    }
    command
}

/// What one run touched.
pub struct Pages {
    /// Minor page faults.
    pub faults: f64,
    /// The most KiB of anonymous memory at once, to the page.
    pub anonymous: f64,
    /// The most KiB of files at once, maybe at another time. The kernel maps pages that nobody
    /// touched with the one that was: up to 15 around it, by the address.
    pub files: f64,
    /// Whether addresses were the same as in every other run.
    pub same_addresses: bool,
}

impl Pages {
    /// How far apart two programs' pages of the same files may be by the kernel's choice, KiB: by
    /// two windows of 16 pages, and more where the addresses are random.
    pub fn error_of_files(&self) -> f64 {
        if self.same_addresses { 128.0 } else { 224.0 }
    }
}

/// The pages of one run; or `None`, after saying why, where they cannot be counted.
#[track_caller]
pub fn of(
    library: Option<&Path>,
    program: &Path,
    arguments: &[&str],
    env: Env<'_>,
) -> Option<Pages> {
    // What comes of libc with Cairn comes without it, too: three pages of its own for each piece.
    let without = pieces_of_libc().join(":");
    let preload = library.map_or(OsStr::new(&without), Path::as_os_str);
    let mut command = bare(compile_c("counts/spawn.c", &[]));
    // No epoch ends: whether pages went back and came again would hang on how fast the machine is.
    command.env("CAIRN_PURGE_DELAY", "3600000");
    command.envs(env.iter().copied());
    let output = watch(command.arg(preload).arg(program).args(arguments));
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(CANNOT) {
        skip(text.trim());
        return None;
    }
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let [faults, anonymous, files, same] = numbers[..] else {
        panic!("{}: {}", program.display(), describe(&output));
    };
    assert!(output.status.success(), "{}", describe(&output));
    Some(Pages {
        faults,
        anonymous,
        files,
        same_addresses: same == 1.0,
    })
}
