//! What documents name is there, and what is there has its row.

use super::{code, room, root, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What stands between backquotes in the documents, by document.
fn quoted() -> Vec<(PathBuf, String)> {
    let mut documents = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let docs = fs::read_dir(root().join("docs")).expect("the documents");
    documents.extend(docs.map(|entry| entry.expect("its entry").path()));
    documents.retain(|path| path.extension().is_some_and(|e| e == "md"));
    let mut found = Vec::new();
    for path in documents {
        let text = fs::read_to_string(&path).expect("a document");
        for words in text
            .lines()
            .flat_map(|line| line.split('`').skip(1).step_by(2))
        {
            found.push((path.clone(), words.to_owned()));
        }
    }
    found
}

#[test]
fn the_files_that_documents_name_are_there() {
    let folders = [
        "src/", "preload/", "c-tests/", "tests/", "models/", "fuzz/", "docs/", "dist/", "benches/",
        "tools/",
    ];
    let quoted = quoted();
    let named: Vec<_> = quoted
        .iter()
        .filter(|(_, words)| folders.iter().any(|folder| words.starts_with(folder)))
        .filter(|(_, words)| {
            !words.contains(|c: char| c.is_whitespace() || "NAME*|<{…".contains(c))
        })
        .collect();
    assert!(named.len() > 50, "these are not all: {named:?}");
    let gone: Vec<_> = named
        .into_iter()
        .filter(|(_, file)| !root().join(file).exists())
        .collect();
    assert!(gone.is_empty(), "named and not there: {gone:?}");

    // By the end of its path, where the room or the crate is clear from what stands around it.
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/.".contains(c);
    let mut files = BTreeMap::new();
    rust_below(root(), &mut files);
    let ends: Vec<_> = quoted
        .iter()
        .filter(|(_, words)| words.ends_with(".rs") && words.chars().all(is_part))
        .collect();
    assert!(ends.len() > 50, "these are not all: {ends:?}");
    let gone: Vec<_> = ends
        .into_iter()
        .filter(|(_, end)| !files.keys().any(|file| file.ends_with(end)))
        .collect();
    assert!(gone.is_empty(), "named and not there: {gone:?}");
}

/// Every Rust file below a folder of the repository, but for what is built.
pub(super) fn rust_below(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("its entry").path();
        if path.is_dir() && !path.ends_with("target") {
            rust_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            found.insert(path, text);
        }
    }
}

/// Whether a name is meant by words that may have `…` for a part of it.
fn is_meant(words: &str, name: &str) -> bool {
    let mut parts = words.split('…');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || words.ends_with('…')
}

/// A test is a sentence: its name has four words or more. Before it stands its file, or its module.
#[test]
fn the_tests_that_documents_name_are_there() {
    let mut files = BTreeMap::new();
    for folder in [
        "src", "tests", "tools", "models", "fuzz", "benches", "preload",
    ] {
        rust_below(&root().join(folder), &mut files);
    }
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let sentences = |text: &str| -> BTreeSet<String> {
        let all = text
            .split(word)
            .filter(|name| name.matches('_').count() > 2);
        all.map(str::to_owned).collect()
    };
    let all: BTreeSet<_> = files.values().flat_map(|text| sentences(text)).collect();
    let quoted = quoted();
    let named: Vec<_> = quoted
        .iter()
        .map(|(document, words)| (document, words.as_str()))
        .filter(|(_, words)| {
            let name = words.rsplit("::").next().unwrap_or_default();
            let is_word =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_…:".contains(c);
            words.chars().all(is_word) && name.matches('_').count() + name.matches('…').count() > 3
        })
        .collect();
    assert!(named.len() > 100, "these are not all: {named:?}");
    let gone: Vec<_> = named
        .into_iter()
        .filter(|(_, words)| {
            let (file, name) = match words.rsplit_once("::") {
                Some((path, name)) => (path.split("::").next().unwrap_or_default(), name),
                None => ("", *words),
            };
            let own = root().join("tests").join(format!("{file}.rs"));
            let there = match files.get(&own) {
                Some(text) => sentences(text),
                None => all.clone(),
            };
            !there.iter().any(|known| is_meant(name, known))
        })
        .collect();
    assert!(gone.is_empty(), "named and not there: {gone:?}");
}

/// A row of `docs/knobs.md` for each variable and each tunable, and none for another.
#[test]
fn every_knob_has_its_row() {
    let files = sources();
    let tests = |file: &Path| file.iter().any(|part| part == "tests");
    let knobs = files
        .iter()
        .filter(|(file, _)| room(file) == "knobs" && !tests(file) && !file.ends_with("text.rs"));
    let mut read = BTreeSet::new();
    let code: String = knobs.map(|(_, text)| code(text)).collect();
    for line in code.lines() {
        let parts: Vec<_> = line.split('"').collect();
        for part in parts.chunks_exact(2) {
            let (before, word) = (part[0], part[1]);
            let is_lower = |c: char| c.is_ascii_lowercase() || c == '_';
            if before.ends_with("Some(b") {
                read.insert(format!("MALLOC_{word}"));
            } else if before.ends_with("== b") {
                // A value.
            } else if before.ends_with('b') && word.chars().all(is_lower) {
                read.insert(word.to_owned());
            } else if matches!(before.trim_start(), "(b" | "b") {
                read.insert(format!("CAIRN_{word}"));
            }
        }
    }
    assert!(read.len() > 20, "these are not all: {read:?}");
    let page = fs::read_to_string(root().join("docs/knobs.md")).expect("the page");
    let section = page.split("\n## By name").nth(1).expect("its section");
    let section = section.split("\n## ").next().expect("its end");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let names: BTreeSet<_> = rows
        .skip(2)
        .flat_map(|row| row.split('|').skip(2).take(2))
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert_eq!(names, read, "rows of the page, and what is read");
}

#[test]
fn the_invariants_that_comments_cite_are_in_the_design() {
    let design = fs::read_to_string(root().join("docs/design.md")).expect("the design");
    let mut cited = BTreeSet::new();
    for text in sources().values() {
        for (at, _) in text.match_indices('I') {
            let before = text[..at].chars().next_back();
            let number: String = text[at + 1..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            if before.is_some_and(|c| "( ".contains(c)) && !number.is_empty() {
                cited.insert(number);
            }
        }
    }
    assert!(cited.len() > 5, "invariants are not found: {cited:?}");
    for number in cited {
        assert!(
            design.contains(&format!("**I{number}. ")),
            "I{number} is not in the design"
        );
    }
    let trailers = &sources()[Path::new("watch/checked.rs")];
    assert!(trailers.contains("TRAILERS: u8 = 12;") && design.contains("**I12. "));
}

#[test]
fn every_lock_is_in_the_order_that_the_design_draws() {
    let design = fs::read_to_string(root().join("docs/design.md")).expect("the design");
    let section = design.split("\n## 12. Locks").nth(1).expect("its section");
    let section = section.split("\n## ").next().expect("its end");
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .count()
        - 2;
    // A static each, and one a field: the arenas'.
    let locks: Vec<_> = sources()
        .into_iter()
        .flat_map(|(file, text)| {
            let locks = code(&text).matches(": Lock = Lock::new()").count();
            vec![file; locks]
        })
        .collect();
    assert_eq!(rows, locks.len() + 1, "rows of the table, and {locks:?}");
}
