//! Files of one room: which knows which, and which writes whose fields.

use super::{code, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Fields of the arena's structures that another file writes than the one that has them. A region's
/// record is written by who has the region: slots, runs and strips, or chunks that wait. Heaps are
/// linked by who makes and ends them, and the end of a whole heap makes its parts anew.
const WRITTEN_ELSEWHERE: [(&str, &str); 16] = [
    ("arena/fastbins/mod.rs", "pending"),
    ("arena/grow.rs", "older"),
    ("arena/own.rs", "bins"),
    ("arena/own.rs", "decay"),
    ("arena/own.rs", "extents"),
    ("arena/own.rs", "older"),
    ("arena/own.rs", "top"),
    ("arena/runs.rs", "free"),
    ("arena/runs.rs", "search"),
    ("arena/slots.rs", "bound"),
    ("arena/slots.rs", "search"),
    ("arena/slots.rs", "states"),
    ("arena/strip.rs", "free"),
    ("arena/strip.rs", "search"),
    ("arena/trim/mod.rs", "left"),
    ("arena/vacant.rs", "older"),
];

/// Every file but the crate's first, without its tests.
fn files() -> BTreeMap<PathBuf, String> {
    let mut files = sources();
    files.retain(|file, _| {
        let tests = file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
        file != Path::new("lib.rs") && !tests
    });
    for text in files.values_mut() {
        *text = code(text);
    }
    files
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> &str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

/// The paths that begin at the front of a text, after `before`: one, or those of a group in braces.
/// What is behind them.
fn path<'a>(mut text: &'a str, before: &[&'a str], into: &mut Vec<Vec<&'a str>>) -> &'a str {
    let mut path = before.to_vec();
    loop {
        let part = word(text);
        if part.is_empty() {
            break;
        }
        path.push(part);
        text = &text[part.len()..];
        match text.strip_prefix("::") {
            Some(behind) => text = behind,
            None => {
                into.push(path);
                return text;
            }
        }
    }
    let Some(mut group) = text.strip_prefix('{') else {
        into.push(path);
        return text;
    };
    loop {
        group = group.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if group.is_empty() || group.starts_with('}') {
            return group.get(1..).unwrap_or_default();
        }
        let behind = self::path(group, &path, into);
        let passed = group.len() != behind.len();
        group = if passed { behind } else { &group[1..] };
    }
}

/// Every path of a file's code.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(is_word) {
        let before = rest[..at].chars().next_back();
        let word = word(&rest[at..]);
        rest = &rest[at..];
        // What a macro writes into another crate is that crate's; behind a point is a field.
        if before.is_some_and(|c| "$:.".contains(c)) || !rest[word.len()..].starts_with("::") {
            rest = &rest[word.len()..];
        } else {
            rest = path(rest, &[], &mut found);
        }
    }
    found
}

/// The module that a file is.
fn module(file: &Path) -> Vec<String> {
    let mut parts: Vec<_> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Which files each file knows. That a file knows the door of its own room, the `mod.rs` above it,
/// is no arrow: there the parts are put together.
fn known(files: &BTreeMap<PathBuf, String>) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let modules: BTreeMap<_, _> = files.keys().map(|file| (module(file), &**file)).collect();
    let mut known = BTreeMap::new();
    for (file, code) in files {
        let own = module(file);
        let mut its = BTreeSet::new();
        for path in paths(code) {
            let (mut at, rest) = match path[0] {
                "crate" => (Vec::new(), &path[1..]),
                "super" => {
                    let up = path.iter().take_while(|part| **part == "super").count();
                    (own[..own.len().saturating_sub(up)].to_vec(), &path[up..])
                }
                "self" => (own.clone(), &path[1..]),
                _ => (own.clone(), &path[..]),
            };
            for part in rest {
                at.push((*part).to_owned());
                if !modules.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
            let is_door = own.starts_with(&at);
            if let (false, Some(to)) = (is_door, modules.get(&at)) {
                its.insert(*to);
            }
        }
        known.insert(&**file, its);
    }
    known
}

/// All that a file knows, and what those know, and so on.
fn reach<'a>(known: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &'a Path) -> BTreeSet<&'a Path> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for to in &known[file] {
            if seen.insert(*to) {
                next.push(to);
            }
        }
    }
    seen
}

#[test]
fn files_know_each_other_in_no_circle() {
    let files = files();
    let known = known(&files);
    let arrows: usize = known.values().map(BTreeSet::len).sum();
    assert!(arrows > 500, "only {arrows} arrows are found: {known:?}");
    let reached: BTreeMap<_, _> = known
        .keys()
        .map(|file| (*file, reach(&known, file)))
        .collect();
    let circles: BTreeSet<Vec<&Path>> = reached
        .iter()
        .filter(|(file, its)| its.contains(**file))
        .map(|(file, its)| {
            let back = its.iter().filter(|other| reached[**other].contains(file));
            back.copied().collect()
        })
        .collect();
    assert!(circles.is_empty(), "circles: {circles:?}");
}

/// Names and visibility of the fields of each structure of a file's code.
fn fields(code: &str) -> Vec<(String, Vec<(bool, String)>)> {
    let mut found = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some((_, behind)) = line.split_once("struct ") else {
            continue;
        };
        if !line.trim_end().ends_with('{') {
            continue;
        }
        let its = lines.by_ref().take_while(|line| line.trim() != "}");
        let its = its.filter_map(|line| {
            let (before, _) = line.split_once(": ")?;
            let name = before.split_whitespace().next_back()?;
            let is_name = name.chars().all(is_word);
            is_name.then(|| (before.trim().starts_with("pub"), name.to_owned()))
        });
        found.push((word(behind).to_owned(), its.collect()));
    }
    found
}

/// The fields that a file's code assigns to.
fn written(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices('.') {
        let name = word(&code[at + 1..]);
        let mut rest = code[at + 1 + name.len()..].trim_start();
        if let Some((_, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            rest = behind.trim_start();
        }
        let operators = ["+", "-", "*", "/", "|", "&", "^", "<<", ">>"];
        let operator = operators.iter().find(|o| {
            rest.strip_prefix(**o)
                .is_some_and(|behind| behind.starts_with('='))
        });
        rest = &rest[operator.map_or(0, |o| o.len())..];
        let is_write = rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=>");
        if is_write && name.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.insert(name.to_owned());
        }
    }
    found
}

/// What an arena's lock guards is in parts, of which each is its own file's: the compiler holds that
/// as long as their fields are private, and of what stands in the door, whose files see it, this does.
#[test]
fn a_field_of_an_arena_is_written_by_its_own_file() {
    let mut files = files();
    files.retain(|file, _| file.starts_with("arena"));
    let structures: BTreeMap<_, _> = files
        .iter()
        .map(|(file, code)| (file.clone(), fields(code)))
        .collect();
    let state = &files[Path::new("arena/mod.rs")];
    let state = state
        .split("struct State {")
        .nth(1)
        .expect("what the lock guards");
    let state = state.split('}').next().expect("its end");
    let parts: BTreeSet<_> = state
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(_, kind)| {
            kind.trim_end_matches(',')
                .rsplit("::")
                .next()
                .unwrap_or(kind)
        })
        .filter(|kind| kind.chars().all(is_word))
        .collect();
    assert!(parts.len() > 8, "these are not all parts: {parts:?}");
    let seen: Vec<_> = structures
        .values()
        .flatten()
        .filter(|(name, _)| parts.contains(name.as_str()))
        .collect();
    assert_eq!(
        seen.len(),
        parts.len(),
        "parts, and where they are: {seen:?}"
    );
    let open: Vec<_> = seen
        .iter()
        .flat_map(|(name, fields)| fields.iter().map(move |field| (name, field)))
        .filter(|(_, (is_open, _))| *is_open)
        .map(|(part, (_, field))| (part.as_str(), field.as_str()))
        .collect();
    // A part of a part, with private fields of its own.
    assert_eq!(open, [("Heaps", "vacant")], "fields that others can write");

    let names = |of: &[(String, Vec<(bool, String)>)]| -> BTreeSet<String> {
        of.iter()
            .flat_map(|(_, fields)| fields.iter().map(|(_, name)| name.clone()))
            .collect()
    };
    let all: BTreeSet<_> = structures.values().flat_map(|of| names(of)).collect();
    let elsewhere: BTreeSet<_> = files
        .iter()
        .flat_map(|(file, code)| {
            let own = names(&structures[file]);
            let its = written(code).into_iter();
            its.filter(move |name| !own.contains(name))
                .map(|name| (file.to_string_lossy().into_owned(), name))
        })
        .filter(|(_, name)| all.contains(name))
        .collect();
    let told: BTreeSet<_> = WRITTEN_ELSEWHERE
        .map(|(file, field)| (file.to_owned(), field.to_owned()))
        .into();
    assert_eq!(elsewhere, told, "fields that other files write");
}
