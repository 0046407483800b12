//! The house rules that a compiler does not know: arrows between rooms point down, files know each
//! other in no circle, a file is a comfortable room, the library depends on three crates, and the
//! documents name what is there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "house/calls.rs"]
mod calls;
#[path = "house/documents.rs"]
mod documents;
#[path = "house/files.rs"]
mod files;
#[path = "house/public.rs"]
mod public;

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

/// What looks from outside, and what is installed beside the library, could drift from the heap by
/// anything else that it took from it.
#[test]
fn the_tools_know_the_layout_of_the_heap_and_nothing_else() {
    let mut files = BTreeMap::new();
    documents::rust_below(&root().join("tools"), &mut files);
    let (mut seen, mut others) = (0, Vec::new());
    for (file, text) in &files {
        let code = code(text);
        let is_part = |c: char| c.is_alphanumeric() || "_:".contains(c);
        for (at, name) in code.match_indices("cairn::") {
            let rest = &code[at + name.len()..];
            if code[..at].ends_with(is_part) || !rest.starts_with(is_part) {
                continue;
            }
            seen += 1;
            if !rest.starts_with("layout") {
                others.push(file);
            }
        }
    }
    others.retain(|file| file.iter().any(|part| part == "src"));
    assert!(seen > 20, "only {seen} paths are found");
    assert!(others.is_empty(), "more than the layout: {others:?}");
}

#[test]
fn every_module_has_its_place_in_the_map() {
    let files = sources();
    let floors = floors(&files[Path::new("lib.rs")]);
    let rooms: BTreeSet<_> = files.keys().map(|file| room(file)).collect();
    let mapped: BTreeSet<_> = floors.into_keys().chain(["lib".to_owned()]).collect();
    assert_eq!(rooms, mapped);
}

/// Of each crate that is shipped, and of the bench.
#[test]
fn a_file_is_at_most_400_lines() {
    let mut files = BTreeMap::new();
    for folder in ["src", "allocator", "preload", "tools", "benches"] {
        documents::rust_below(&root().join(folder), &mut files);
    }
    let long: Vec<_> = files
        .into_iter()
        .map(|(file, text)| (text.lines().count(), file))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert_eq!(long, [], "files of more than 400 lines");
}

/// In every crate: one form of modules, `name/mod.rs`. (Test binaries are crates, not modules.)
#[test]
fn a_module_with_files_of_its_own_is_a_folder() {
    let mut files = BTreeMap::new();
    documents::rust_below(root(), &mut files);
    assert!(files.len() > 300, "these are not all: {files:?}");
    let beside: Vec<_> = files
        .keys()
        .filter(|file| file.iter().any(|part| part == "src"))
        .filter(|file| file.with_extension("").is_dir())
        .collect();
    assert!(
        beside.is_empty(),
        "files beside a folder of their name: {beside:?}"
    );
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
