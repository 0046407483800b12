//! The allocators that can be compared, where they are, and how one gets them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The system's own.
pub const GLIBC: &str = "glibc";
/// The one of this repository.
pub const CAIRN: &str = "cairn";

/// How an allocator comes to this machine.
#[derive(Clone, Copy)]
enum Origin {
    /// It is part of libc.
    Libc,
    /// The repository's.
    Built,
    /// A package of Debian, and the file in it.
    Debian(&'static str, &'static str),
    /// A forwarder in `benches/programs/peers`, and the crate it forwards to.
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
pub struct Library {
    /// Its name in tables.
    pub name: String,
    /// What goes into `LD_PRELOAD`. glibc has an entry too: some programs are linked with an
    /// allocator of their own, and glibc in front of it makes glibc's the one that is found.
    pub preload: PathBuf,
    /// What it is, for the reader.
    pub version: String,
    /// Variables that go with it.
    pub env: Vec<(String, String)>,
}

/// Where libraries are that no package brings.
pub trait Places {
    /// Cairn's library and its version, or what to do to get it.
    ///
    /// # Errors
    /// When it should be built and does not build.
    fn cairn(&self) -> Result<Result<(PathBuf, String), String>>;
    /// The library of a forwarder and the version of what it forwards to, the crate `from`; or what
    /// to do to get it.
    ///
    /// # Errors
    /// It is not there.
    fn peer(&self, name: &str, from: &str) -> Result<(PathBuf, String), String>;
}

/// What is here of what was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Those that can be compared.
    pub libraries: Vec<Library>,
    /// The others that are known, and what to do to get each.
    pub missing: Vec<(String, String)>,
}

/// A library's line in the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Described {
    /// Its name in tables.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// Package or crate, and version.
    pub version: String,
}

impl Library {
    /// For the results.
    pub fn describe(&self) -> Described {
        Described {
            name: self.name.clone(),
            file: file_name(&self.preload),
            version: self.version.clone(),
        }
    }
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// All names that `--libraries` takes.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// The libraries that were asked for, in that order; all that are here if none were named. Those of
/// `more`, each as `NAME=PATH`, come in addition or in the place of one of the same name.
///
/// # Errors
/// When one that was named is not here, or Cairn does not build.
pub fn find(named: Option<&[String]>, more: &[String], places: &impl Places) -> Result<Found> {
    let mut given: Vec<Library> = Vec::new();
    for text in more {
        let library = by_path(text)?;
        if given.iter().any(|other| other.name == library.name) {
            bail!("--library {text}: there is a {} already", library.name);
        }
        given.push(library);
    }
    let wanted: Vec<&str> = match named {
        Some(list) => list.iter().map(String::as_str).collect(),
        None => names().collect(),
    };
    let mut found: Vec<Library> = Vec::new();
    let mut missing = Vec::new();
    for name in wanted {
        if found.iter().any(|other| other.name == name) {
            bail!("--libraries names {name} twice");
        }
        if let Some(at) = given.iter().position(|library| library.name == name) {
            found.push(given.remove(at));
            continue;
        }
        let Some((name, origin)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            bail!(
                "no library is called {name}; known are {}, and --library {name}=PATH adds one",
                names().collect::<Vec<_>>().join(", ")
            );
        };
        match locate(name, *origin, places)? {
            Ok(library) => found.push(library),
            Err(hint) if named.is_some() => bail!("{name} is not here: {hint}"),
            Err(hint) => missing.push(((*name).to_owned(), hint)),
        }
    }
    found.append(&mut given);
    Ok(Found {
        libraries: found,
        missing,
    })
}

/// `NAME=PATH`, and variables that go with it: `NAME=PATH,VARIABLE=VALUE`.
fn by_path(text: &str) -> Result<Library> {
    let Some((name, path)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        bail!("--library takes NAME=PATH, not {text}");
    };
    let mut parts = path.split(',');
    let path = Path::new(parts.next().unwrap_or_default())
        .canonicalize()
        .with_context(|| format!("--library {text}"))?;
    if !path.is_file() {
        bail!("--library {text}: that is no file");
    }
    if path.to_string_lossy().contains([' ', ':', ';']) {
        bail!(
            "--library {text}: LD_PRELOAD cannot name a path with a space or a colon; a link to \
             the file from another directory helps"
        );
    }
    let mut env = Vec::new();
    for variable in parts {
        let Some((name, value)) = variable.split_once('=').filter(|(n, _)| !n.is_empty()) else {
            bail!("--library {text}: VARIABLE=VALUE goes with a path, not {variable}");
        };
        env.push((name.to_owned(), value.to_owned()));
    }
    Ok(Library {
        name: name.to_owned(),
        version: "given by path".to_owned(),
        preload: path,
        env,
    })
}

/// The library, or what to do to get it.
fn locate(name: &str, origin: Origin, places: &impl Places) -> Result<Result<Library, String>> {
    let found = match origin {
        Origin::Libc => Ok(("libc.so.6".into(), glibc_version())),
        Origin::Built => places.cairn()?,
        Origin::Debian(package, file) => match shared_object(file) {
            Some(path) => Ok((
                path,
                format!("Debian {package} {}", package_version(package)),
            )),
            None => Err(format!("apt-get install {package}")),
        },
        Origin::Crate(from) => places.peer(name, from),
    };
    Ok(found.map(|(preload, version)| Library {
        name: name.to_owned(),
        preload,
        version,
        env: Vec::new(),
    }))
}

/// The packages that are not installed.
pub fn missing_packages() -> Vec<&'static str> {
    KNOWN
        .iter()
        .filter_map(|(_, origin)| match origin {
            Origin::Debian(package, file) if shared_object(file).is_none() => Some(*package),
            _ => None,
        })
        .collect()
}

/// The names of the forwarders in `benches/programs/peers`.
pub fn peers() -> impl Iterator<Item = &'static str> {
    KNOWN
        .iter()
        .filter(|(_, origin)| matches!(origin, Origin::Crate(_)))
        .map(|(name, _)| *name)
}

/// The file that the loader would find under a name, without links: the kernel's list of what a
/// process has mapped shows it so.
pub fn shared_object(file: &str) -> Option<PathBuf> {
    let in_folder = |folder: String| Path::new(&folder).join(file).canonicalize().ok();
    in_cache(file).or_else(|| {
        // A system without ldconfig.
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        [
            format!("/usr/local/lib/{triple}"),
            format!("/usr/lib/{triple}"),
            format!("/lib/{triple}"),
            "/usr/local/lib".to_owned(),
            "/usr/lib64".to_owned(),
            "/usr/lib".to_owned(),
        ]
        .into_iter()
        .find_map(in_folder)
    })
}

fn in_cache(file: &str) -> Option<PathBuf> {
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

/// As `getconf` says it: `2.36`.
pub fn glibc_version() -> String {
    output("getconf", &["GNU_LIBC_VERSION"])
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_default()
}

/// What a program prints, if it succeeds.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

    use super::*;

    #[test]
    fn variables_go_with_a_library_that_is_given_by_its_path() {
        let given = by_path("guarded=/proc/self/exe,CAIRN_GUARD=1,A=").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(given.name, "guarded");
        assert_eq!(given.env, [pair("CAIRN_GUARD", "1"), pair("A", "")]);
        assert!(by_path("guarded=/proc/self/exe,CAIRN_GUARD").is_err());
        assert!(by_path("guarded=/proc/self/exe,=1").is_err());
    }
}
