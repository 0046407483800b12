//! What this command needs beside itself: the recorder's library, the replayer.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The recorder's library.
pub(crate) const RECORDER: &str = "libcairn_record.so";
/// The replayer.
pub(crate) const REPLAYER: &str = "cairn-replay";

/// Where packages put this command.
const INSTALLED: &str = "/usr/bin/cairn";

/// A file that belongs to this command: where cargo builds both, where packages put it, or where it
/// was said to be.
///
/// # Errors
/// It is not there.
pub(crate) fn find(name: &str, given: Option<&Path>, option: &str) -> Result<PathBuf> {
    if let Some(path) = given {
        let path = path
            .canonicalize()
            .with_context(|| format!("{option} {}", path.display()))?;
        if !path.is_file() {
            bail!("{option} {}: that is no file", path.display());
        }
        return Ok(path);
    }
    // Without /proc nobody can tell where this command is.
    let own = env::current_exe().unwrap_or_else(|_| INSTALLED.into());
    let dir = own.parent().unwrap_or(Path::new("/"));
    let triple = format!("../lib/{}-linux-gnu", env::consts::ARCH);
    let places = [
        dir.join(name),
        dir.join(&triple).join("cairn").join(name),
        dir.join("../lib/cairn").join(name),
        dir.join(&triple).join(name),
        dir.join("../lib").join(name),
    ];
    match places.iter().find_map(|place| place.canonicalize().ok()) {
        Some(path) => Ok(path),
        None => bail!(
            "no {name} beside {}: the package cairn-tools has it, `cargo build --release --workspace` \
             builds it, and {option} names another place",
            own.display()
        ),
    }
}
