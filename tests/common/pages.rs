//! The pages that a program touches, counted: `c-tests/counts/spawn.c` says how.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::{CANNOT, Env, compile_c, describe, skip, watch};

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
    /// The same with the pages of files, of which the kernel maps some that nobody touched: up to
    /// 15 around each that somebody did, by the address.
    pub resident: f64,
    /// Whether addresses were the same as in every other run.
    pub same_addresses: bool,
}

impl Pages {
    /// KiB of files at the peak; the two peaks may be at different times.
    pub fn files(&self) -> f64 {
        self.resident - self.anonymous
    }

    /// How far apart two runs' pages of files may be without anybody's doing, KiB: by 64 from one
    /// build and file cache to another, more where addresses are random.
    pub fn error_of_files(&self) -> f64 {
        if self.same_addresses { 64.0 } else { 160.0 }
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
    let preload = library.map_or(OsStr::new(""), Path::as_os_str);
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
    let [faults, anonymous, resident, same] = numbers[..] else {
        panic!("{}: {}", program.display(), describe(&output));
    };
    assert!(output.status.success(), "{}", describe(&output));
    Some(Pages {
        faults,
        anonymous,
        resident,
        same_addresses: same == 1.0,
    })
}
