//! What is compared: allocators, or settings of one.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use launch::libraries::{self, CAIRN, Found, GLIBC, Library, Places, shared_object};

/// Cairn's library, as cargo and packages call it.
const FILES: [&str; 2] = ["libcairn.so", "libcairn.so.1"];

/// Where an installed command finds what no package of another brings.
struct Beside(PathBuf);

impl Places for Beside {
    fn cairn(&self) -> Result<Result<(PathBuf, String), String>> {
        let triple = format!("../lib/{}-linux-gnu", env::consts::ARCH);
        let beside = ["", "../lib", &triple]
            .into_iter()
            .flat_map(|dir| FILES.map(|file| self.0.join(dir).join(file)))
            .find_map(|file| file.canonicalize().ok());
        Ok(
            match beside.or_else(|| FILES.into_iter().find_map(shared_object)) {
                Some(path) => Ok((path.clone(), path.display().to_string())),
                None => {
                    Err("no libcairn.so beside the command; --library cairn=PATH names it".into())
                }
            },
        )
    }

    /// The bench builds them below cargo's directory, in which a command that was built lies too.
    fn peer(&self, name: &str, from: &str) -> Result<(PathBuf, String), String> {
        let file = format!("../bench/peers/{name}/release/lib{name}.so");
        match self.0.join(file).canonicalize() {
            Ok(path) => Ok((path, format!("{from}, built by the bench"))),
            Err(_) => Err("the bench's `peers` builds it".to_owned()),
        }
    }
}

/// The allocators that were asked for or are here, or one of them with each value of a knob. The
/// first is the one to which the others are compared.
///
/// # Errors
/// When one is not here, or there is nothing to compare.
pub(crate) fn find(
    named: Option<&[String]>,
    more: &[String],
    knob: Option<&str>,
) -> Result<Vec<Library>> {
    let own = env::current_exe().context("where this command is")?;
    let places = Beside(own.parent().map(Path::to_owned).unwrap_or_default());
    if let Some(knob) = knob {
        return settings(knob, named, more, &places);
    }
    let found = libraries::find(named, more, &places)?;
    if found.libraries.len() < 2 {
        bail!(
            "nothing to compare with {}{}",
            names(&found.libraries),
            hints(&found)
        );
    }
    if !found.missing.is_empty() {
        eprintln!("compared are {}{}", names(&found.libraries), hints(&found));
    }
    Ok(found.libraries)
}

/// One allocator by its name.
///
/// # Errors
/// It is not here.
pub(crate) fn one(name: &str, more: &[String]) -> Result<Library> {
    let own = env::current_exe().context("where this command is")?;
    let places = Beside(own.parent().map(Path::to_owned).unwrap_or_default());
    let prefix = format!("{name}=");
    let more: Vec<String> = more
        .iter()
        .filter(|text| text.starts_with(&prefix))
        .cloned()
        .collect();
    let found = libraries::find(Some(&[name.to_owned()]), &more, &places)?;
    let mut found = found.libraries.into_iter();
    found.next().with_context(|| format!("no library {name}"))
}

fn names(libraries: &[Library]) -> String {
    let names: Vec<&str> = libraries.iter().map(|it| it.name.as_str()).collect();
    names.join(", ")
}

/// What is missing and can be had, to be put behind a sentence.
fn hints(found: &Found) -> String {
    let hints: Vec<String> = found
        .missing
        .iter()
        .filter(|(name, _)| !libraries::peers().any(|peer| peer == name))
        .map(|(name, hint)| format!("{name} ({hint})"))
        .collect();
    if hints.is_empty() {
        return String::new();
    }
    format!("; not here: {}", hints.join(", "))
}

/// One allocator, once for each value.
fn settings(
    knob: &str,
    named: Option<&[String]>,
    more: &[String],
    places: &impl Places,
) -> Result<Vec<Library>> {
    let Some((variable, values)) = knob.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        bail!("--knob takes NAME=A,B,…, not {knob}");
    };
    let values: Vec<&str> = values.split(',').collect();
    if values.len() < 2 {
        bail!("--knob {knob}: two values at least, separated by commas; an empty one is none");
    }
    let of = match (named, more) {
        (Some([name]), _) => name.clone(),
        (None, [given]) => given.split('=').next().unwrap_or_default().to_owned(),
        _ => reader(variable)
            .with_context(|| {
                format!(
                    "--knob {variable}: --libraries has to name the one allocator that reads it"
                )
            })?
            .to_owned(),
    };
    let found = libraries::find(Some(&[of]), more, places)?;
    let Some(library) = found.libraries.into_iter().next() else {
        bail!("--knob {variable}: no allocator");
    };
    let mut settings: Vec<Library> = Vec::new();
    for value in values {
        let mut one = library.clone();
        if value.is_empty() {
            one.name = format!("{variable} unset");
        } else {
            one.name = format!("{variable}={value}");
            one.env.push((variable.to_owned(), value.to_owned()));
        }
        if settings.iter().any(|other| other.name == one.name) {
            bail!("--knob {knob}: {} is there twice", one.name);
        }
        settings.push(one);
    }
    Ok(settings)
}

/// The allocator that alone reads a variable.
fn reader(variable: &str) -> Option<&'static str> {
    [
        ("CAIRN_", CAIRN),
        ("GLIBC_TUNABLES", GLIBC),
        ("MALLOC_CONF", "jemalloc"),
        ("TCMALLOC_", "tcmalloc"),
        ("MIMALLOC_", "mimalloc-deb"),
    ]
    .into_iter()
    .find(|(start, _)| variable.starts_with(start))
    .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::find;

    fn settings(knob: &str, named: &[&str]) -> Result<Vec<String>, String> {
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        let named = (!named.is_empty()).then_some(named.as_slice());
        match find(named, &[], Some(knob)) {
            Ok(found) => Ok(found.into_iter().map(|it| it.name).collect()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn a_knob_is_one_contender_for_each_value_and_an_empty_one_is_none() {
        assert_eq!(
            settings("GLIBC_TUNABLES=,glibc.malloc.tcache_count=0", &[]),
            Ok(vec![
                "GLIBC_TUNABLES unset".to_owned(),
                "GLIBC_TUNABLES=glibc.malloc.tcache_count=0".to_owned()
            ])
        );
        let arenas = settings("MALLOC_ARENA_MAX=1,2", &["glibc"]);
        assert_eq!(arenas.map(|names| names.len()), Ok(2));
    }

    #[test]
    fn a_knob_that_says_too_little_is_refused() {
        let why = |knob, named| settings(knob, named).err().unwrap_or_default();
        assert!(why("MALLOC_ARENA_MAX", &["glibc"]).contains("takes NAME=A,B"));
        assert!(why("MALLOC_ARENA_MAX=1", &["glibc"]).contains("two values at least"));
        assert!(why("MALLOC_ARENA_MAX=1,1", &["glibc"]).contains("there twice"));
        assert!(why("MALLOC_ARENA_MAX=1,2", &[]).contains("--libraries has to name"));
    }
}
