//! Where the bench finds the libraries that no package brings: it builds them.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use launch::libraries::{self, GLIBC, Library, Places};

use crate::build;
use crate::paths;

struct Builds;

impl Places for Builds {
    fn cairn(&self) -> Result<Result<(PathBuf, String), String>> {
        let root = paths::root();
        let root = root.to_string_lossy();
        let arguments = ["-C", &root, "describe", "--always", "--dirty"];
        let commit = libraries::output("git", &arguments).unwrap_or_default();
        let version = format!("{} {commit}", env!("CARGO_PKG_VERSION"));
        Ok(Ok((build::cairn(&[])?, version)))
    }

    fn peer(&self, name: &str, from: &str) -> Result<(PathBuf, String), String> {
        match build::peer_file(name) {
            Ok(path) if path.is_file() => {
                Ok((path, format!("{from} {}", crate_version(name, from))))
            }
            _ => Err("`peers` builds it".to_owned()),
        }
    }
}

/// The libraries that were asked for, glibc in any case: everything is relative to it. All that are
/// here if none were named.
///
/// # Errors
/// When one that was named is not here, or Cairn does not build.
pub(crate) fn find(named: Option<&[String]>, more: &[String]) -> Result<Vec<Library>> {
    let named: Option<Vec<String>> = named.map(|names| {
        let others = names.iter().filter(|name| *name != GLIBC);
        std::iter::once(GLIBC.to_owned())
            .chain(others.cloned())
            .collect()
    });
    let found = libraries::find(named.as_deref(), more, &Builds)?;
    for (name, hint) in found.missing {
        eprintln!("{name} is left out: {hint}");
    }
    Ok(found.libraries)
}

/// The version in the forwarder's own lock file.
fn crate_version(peer: &str, package: &str) -> String {
    let lock = paths::bench("peers").join(peer).join("Cargo.lock");
    let text = fs::read_to_string(lock).unwrap_or_default();
    text.split("[[package]]")
        .find(|part| part.contains(&format!("name = \"{package}\"")))
        .and_then(|part| {
            part.lines()
                .find_map(|line| line.strip_prefix("version = "))
        })
        .unwrap_or("?")
        .trim_matches('"')
        .to_owned()
}
