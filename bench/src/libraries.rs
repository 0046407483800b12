//! The allocators that can be compared, where they are, and how one gets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::build;
use crate::paths;

/// The system's own, to which all is compared.
pub(crate) const GLIBC: &str = "glibc";
/// The one that is here to be measured.
pub(crate) const CAIRN: &str = "cairn";

/// How an allocator comes to this machine.
#[derive(Clone, Copy)]
enum Origin {
    /// It is part of libc.
    Libc,
    /// The repository's.
    Built,
    /// A package of Debian, and the file in it.
    Debian(&'static str, &'static str),
    /// A forwarder in `bench/peers`, and the crate it forwards to.
    Crate(&'static str),
}

/// What is compared if nothing else is asked for.
const KNOWN: &[(&str, Origin)] = &[
    (GLIBC, Origin::Libc),
    (CAIRN, Origin::Built),
    (
        "jemalloc",
        Origin::Debian("libjemalloc2", "libjemalloc.so.2"),
    ),
    (
        "tcmalloc",
        Origin::Debian("libtcmalloc-minimal4", "libtcmalloc_minimal.so.4"),
    ),
    (
        "tbbmalloc",
        Origin::Debian("libtbbmalloc2", "libtbbmalloc_proxy.so.2"),
    ),
    (
        "mimalloc-deb",
        Origin::Debian("libmimalloc2.0", "libmimalloc.so.2"),
    ),
    ("mimalloc2", Origin::Crate("libmimalloc-sys")),
    ("mimalloc3", Origin::Crate("libmimalloc-sys")),
    ("snmalloc", Origin::Crate("snmalloc-sys")),
    ("rpmalloc", Origin::Crate("rpmalloc-sys")),
];

/// An allocator that is here.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// Its name in tables.
    pub name: String,
    /// What goes into `LD_PRELOAD`. glibc has an entry too: some programs are linked with an
    /// allocator of their own, and glibc in front of it makes glibc's the one that is found.
    pub preload: PathBuf,
    /// What it is, for the reader.
    pub version: String,
}

/// A library's line in the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    /// Its name in tables.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// Package or crate, and version.
    pub version: String,
}

impl Library {
    /// For the results.
    pub(crate) fn describe(&self) -> Described {
        Described {
            name: self.name.clone(),
            file: file_name(&self.preload),
            version: self.version.clone(),
        }
    }
}

/// The last part of a path.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// All names that `--libraries` takes.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// The libraries that were asked for; all that are here if none were named.
///
/// # Errors
/// When one that was named is not here, or Cairn does not build.
pub(crate) fn find(named: Option<&[String]>, more: &[String]) -> Result<Vec<Library>> {
    let mut found = Vec::new();
    let mut wanted: Vec<&str> = match named {
        Some(list) => list.iter().map(String::as_str).collect(),
        None => names().collect(),
    };
    // Everything is relative to glibc.
    if !wanted.contains(&GLIBC) {
        wanted.insert(0, GLIBC);
    }
    for name in wanted {
        let Some((name, origin)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            bail!(
                "no library is called {name}: {}",
                names().collect::<Vec<_>>().join(", ")
            );
        };
        match locate(name, *origin)? {
            Ok(library) => found.push(library),
            Err(hint) if named.is_some() => bail!("{name} is not here: {hint}"),
            Err(hint) => eprintln!("{name} is left out: {hint}"),
        }
    }
    for text in more {
        let Some((name, path)) = text.split_once('=') else {
            bail!("--library takes NAME=PATH, not {text}");
        };
        let path = Path::new(path)
            .canonicalize()
            .with_context(|| format!("--library {text}"))?;
        if found.iter().any(|library: &Library| library.name == name) {
            bail!("--library {text}: there is a {name} already");
        }
        found.push(Library {
            name: name.to_owned(),
            version: "given by path".to_owned(),
            preload: path,
        });
    }
    Ok(found)
}

/// The library, or what to do to get it.
fn locate(name: &str, origin: Origin) -> Result<Result<Library, String>> {
    let library = |preload: PathBuf, version: String| Library {
        name: name.to_owned(),
        preload,
        version,
    };
    Ok(match origin {
        Origin::Libc => Ok(library("libc.so.6".into(), glibc_version())),
        Origin::Built => {
            let commit = output("git", &["describe", "--always", "--dirty"]).unwrap_or_default();
            Ok(library(
                build::cairn(&[])?,
                format!("{} {commit}", env!("CARGO_PKG_VERSION")),
            ))
        }
        Origin::Debian(package, file) => match shared_object(file) {
            Some(path) => Ok(library(
                path,
                format!("Debian {package} {}", package_version(package)),
            )),
            None => Err(format!("apt-get install {package}")),
        },
        Origin::Crate(from) => {
            let path = build::peer_file(name)?;
            if path.is_file() {
                Ok(library(
                    path,
                    format!("{from} {}", crate_version(name, from)),
                ))
            } else {
                Err("`peers` builds it".to_owned())
            }
        }
    })
}

/// The packages that are not installed.
pub(crate) fn missing_packages() -> Vec<&'static str> {
    KNOWN
        .iter()
        .filter_map(|(_, origin)| match origin {
            Origin::Debian(package, file) if shared_object(file).is_none() => Some(*package),
            _ => None,
        })
        .collect()
}

/// The names of the forwarders in `bench/peers`.
pub(crate) fn peers() -> impl Iterator<Item = &'static str> {
    KNOWN
        .iter()
        .filter(|(_, origin)| matches!(origin, Origin::Crate(_)))
        .map(|(name, _)| *name)
}

/// The file that the loader would find under a name, without links: the kernel's list of what a
/// process has mapped shows it so.
fn shared_object(file: &str) -> Option<PathBuf> {
    let cache = output("ldconfig", &["-p"]).or_else(|| output("/sbin/ldconfig", &["-p"]))?;
    let width = format!(
        "libc6,{}",
        if cfg!(target_arch = "x86_64") {
            "x86-64"
        } else {
            "AArch64"
        }
    );
    cache.lines().find_map(|line| {
        let (name, path) = line.split_once(" => ")?;
        let (name, kind) = name.trim().split_once(' ')?;
        (name == file && kind.contains(&width))
            .then(|| PathBuf::from(path.trim()).canonicalize().ok())?
    })
}

fn package_version(package: &str) -> String {
    output(
        "dpkg-query",
        &["--show", "--showformat=${Version}", package],
    )
    .unwrap_or_default()
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

/// As `getconf` says it: `2.36`.
pub(crate) fn glibc_version() -> String {
    output("getconf", &["GNU_LIBC_VERSION"])
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_default()
}

/// What a program prints, if it succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(paths::root())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
