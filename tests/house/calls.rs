//! Calls between the files of an arena that no import shows: those of methods of `State`, which every
//! file of the room may add to, by way of `self`.

use super::{code, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which file's methods each file of `arena/` calls. A new pair is a way that somebody has to know:
/// it is put here by who needs it, or the call is made by who knows both.
const CALLS: [(&str, &[&str]); 17] = [
    ("bins.rs", &["tree.rs"]),
    (
        "check.rs",
        &["bins.rs", "check_pages.rs", "fastbins/mod.rs"],
    ),
    (
        "fastbins/mod.rs",
        &["bins.rs", "counted.rs", "runs.rs", "slots.rs", "split.rs"],
    ),
    ("grow.rs", &["counted.rs", "own.rs", "top.rs"]),
    ("mod.rs", &["check.rs", "split.rs"]),
    ("own.rs", &["counted.rs", "grow.rs"]),
    (
        "quiet.rs",
        &[
            "fastbins/mod.rs",
            "runs.rs",
            "slots.rs",
            "split.rs",
            "trim/mod.rs",
        ],
    ),
    ("runs.rs", &["fastbins/mod.rs", "slots.rs"]),
    (
        "slots.rs",
        &[
            "bins.rs",
            "runs.rs",
            "split.rs",
            "supply.rs",
            "top.rs",
            "trim/mod.rs",
        ],
    ),
    (
        "split.rs",
        &[
            "bins.rs",
            "fastbins/mod.rs",
            "grow.rs",
            "supply.rs",
            "top.rs",
            "trim/mod.rs",
        ],
    ),
    ("strip.rs", &["grow.rs", "runs.rs", "slots.rs"]),
    (
        "supply.rs",
        &[
            "bins.rs",
            "fastbins/mod.rs",
            "grow.rs",
            "runs.rs",
            "slots.rs",
        ],
    ),
    (
        "top.rs",
        &["counted.rs", "own.rs", "split.rs", "trim/mod.rs"],
    ),
    ("tree.rs", &["bins.rs"]),
    (
        "trim/mod.rs",
        &[
            "counted.rs",
            "fastbins/mod.rs",
            "grow.rs",
            "known.rs",
            "slots.rs",
            "split.rs",
            "top.rs",
            "vacant.rs",
        ],
    ),
    (
        "trim/settle.rs",
        &["fastbins/mod.rs", "top.rs", "trim/mod.rs", "vacant.rs"],
    ),
    ("vacant.rs", &["bins.rs", "counted.rs"]),
];

/// The methods that a file's code adds to `State`.
fn added(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for part in code.split("\nimpl State {").skip(1) {
        let body = part.split("\n}").next().unwrap_or(part);
        for behind in body.split("fn ").skip(1) {
            let Some((name, parameters)) = behind.split_once('(') else {
                continue;
            };
            if parameters.trim_start().starts_with('&') {
                found.insert(name);
            }
        }
    }
    found
}

/// What a file's code calls of `self`, and of a `state` that it locked.
fn called(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for receiver in ["self.", "state."] {
        for (at, _) in code.match_indices(receiver) {
            let is_part = |c: char| c.is_alphanumeric() || "_.".contains(c);
            let rest = &code[at + receiver.len()..];
            if let Some((name, _)) = rest.split_once('(')
                && !code[..at].ends_with(is_part)
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn the_files_of_an_arena_call_each_other_as_listed() {
    let mut files = sources();
    files.retain(|file, _| {
        let tests = file.ends_with("tests.rs");
        file.starts_with("arena") && !tests
    });
    let files: BTreeMap<_, _> = files
        .iter()
        .map(|(file, text)| {
            let name = file.strip_prefix("arena").unwrap_or(file);
            (name, code(text))
        })
        .collect();
    let mut owners: BTreeMap<&str, &Path> = BTreeMap::new();
    for (file, code) in &files {
        owners.extend(added(code).into_iter().map(|name| (name, *file)));
    }
    assert!(
        owners.len() > 100,
        "only {} methods are found",
        owners.len()
    );
    let calls: BTreeSet<(&Path, &Path)> = files
        .iter()
        .flat_map(|(file, code)| called(code).into_iter().map(|name| (*file, name)))
        .filter_map(|(file, name)| Some((file, *owners.get(name)?)))
        .filter(|(file, owner)| file != owner)
        .collect();
    let told: BTreeSet<(&Path, &Path)> = CALLS
        .iter()
        .flat_map(|(file, owners)| {
            owners
                .iter()
                .map(|owner| (Path::new(*file), Path::new(*owner)))
        })
        .collect();
    let new: Vec<_> = calls.difference(&told).collect();
    let gone: Vec<_> = told.difference(&calls).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "calls that are not listed: {new:?}; listed, and not there: {gone:?}"
    );
}
