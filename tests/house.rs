//! The house rules that a compiler does not know: arrows between modules point down, a file is a
//! comfortable room, and the library depends on three crates.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src`, by its path from there.
fn sources() -> BTreeMap<PathBuf, String> {
    fn collect(dir: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).expect("a directory of src") {
            let path = entry.expect("its entry").path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root().join("src")).expect("below src");
                let text = fs::read_to_string(&path).expect("a source file");
                into.insert(name.to_owned(), text);
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 20, "these are not all files: {files:?}");
    files
}

/// The text without its comments and its tests, which come last; what they import is their
/// business.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The rooms of the map in `src/lib.rs`, each with its place from below. In one row, too, a room
/// may know only those named before it.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut floors = BTreeMap::new();
    let rows = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .skip(2);
    for row in rows {
        let rooms = row.split('|').next().expect("a first column");
        for room in rooms.split(',') {
            floors.insert(room.trim().trim_matches('`').to_owned(), floors.len());
        }
    }
    floors
}

/// The module that a path from `crate::` on begins with; `{` opens several.
fn targets(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let (mut depth, mut found, mut start) = (1, Vec::new(), 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            found.push(word(&group[start..i]));
            start = i + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The room that a file belongs to: its first folder, or its own name.
fn room(file: &Path) -> String {
    let first = file.components().next().expect("a path has a first part");
    let first = first.as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Every pair of different rooms, of which the first names the second.
fn arrows(files: &BTreeMap<PathBuf, String>) -> BTreeSet<(PathBuf, String)> {
    let mut arrows = BTreeSet::new();
    for (file, text) in files {
        let tests = file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
        if file == Path::new("lib.rs") || tests {
            continue;
        }
        let code = code(text);
        for (at, _) in code.match_indices("crate::") {
            // What a macro writes into another crate is that crate's.
            if code[..at].ends_with('$') {
                continue;
            }
            for target in targets(&code[at + "crate::".len()..]) {
                if target != room(file) {
                    arrows.insert((file.clone(), target));
                }
            }
        }
    }
    arrows
}

#[test]
fn arrows_point_down_the_map() {
    let files = sources();
    let floors = floors(&files[Path::new("lib.rs")]);
    let floor = |room: &str| -> usize {
        *floors
            .get(room)
            .unwrap_or_else(|| panic!("{room} is not in the map of src/lib.rs"))
    };
    let arrows = arrows(&files);
    assert!(arrows.len() > 60, "imports are not found: {arrows:?}");
    let up: Vec<_> = arrows
        .iter()
        .filter(|(file, to)| floor(to) > floor(&room(file)))
        .collect();
    assert!(up.is_empty(), "arrows that point up: {up:?}");
}

/// What a reader outside shares: nothing in it may need the heap, a system call or a look at memory.
#[test]
fn layout_is_safe_and_knows_no_other_room() {
    let files = sources();
    let layout: Vec<_> = files
        .iter()
        .filter(|(file, _)| room(file) == "layout")
        .collect();
    assert!(layout.len() > 4, "these are not all files: {layout:?}");
    for (file, text) in layout {
        for word in ["crate::", "unsafe", "libc", "spin", "cfg_if", "Atomic"] {
            assert!(!code(text).contains(word), "{word} in {}", file.display());
        }
    }
}

#[test]
fn every_module_has_its_place_in_the_map() {
    let files = sources();
    let floors = floors(&files[Path::new("lib.rs")]);
    let rooms: BTreeSet<_> = files.keys().map(|file| room(file)).collect();
    let mapped: BTreeSet<_> = floors.into_keys().chain(["lib".to_owned()]).collect();
    assert_eq!(rooms, mapped);
}

#[test]
fn a_file_is_at_most_400_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(file, text)| (text.lines().count(), file))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert_eq!(long, [], "files of more than 400 lines");
}

#[test]
fn the_library_depends_on_three_crates() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let tables: Vec<_> = manifest
        .lines()
        .filter(|line| line.starts_with('[') && line.contains("dependencies"))
        .collect();
    assert_eq!(tables, ["[dependencies]", "[dev-dependencies]"]);
    let names: Vec<_> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim())
        .collect();
    assert_eq!(names, ["cfg-if", "libc", "spin"]);
}

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
        "src/", "preload/", "c-tests/", "tests/", "models/", "fuzz/", "docs/", "dist/", "benches/", "tools/",
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
}

/// Every Rust file below a folder of the repository, but for what is built.
fn rust_below(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
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
