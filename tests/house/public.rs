//! What other crates can use: each item with an example, which its documentation's tests compile.

use super::{root, sources};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How an item begins that others can use. (`unreachable_pub` holds that nothing else says `pub`.)
const ITEMS: [&str; 6] = [
    "pub fn ",
    "pub unsafe fn ",
    "pub const ",
    "pub struct ",
    "pub enum ",
    "macro_rules! c_symbols",
];

/// The files of the library and of the crate beside it, but for what is hidden: C's functions, which
/// `cairn.h` describes, and what readers outside share.
fn files() -> BTreeMap<PathBuf, String> {
    let mut files = sources();
    files.retain(|file, _| {
        let hidden =
            file.starts_with("layout") || file.ends_with("c.rs") || file.ends_with("c_heap.rs");
        let tests = file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
        !hidden && !tests
    });
    for entry in fs::read_dir(root().join("allocator/src")).expect("the crate beside it") {
        let path = entry.expect("its entry").path();
        let text = fs::read_to_string(&path).expect("a source file");
        files.insert(path, text);
    }
    files
}

/// The documentation and the attributes in front of a line.
fn before(lines: &[&str]) -> String {
    let front = |line: &&&str| {
        let line = line.trim_start();
        line.starts_with("///")
            || line.starts_with("#[")
            || line.starts_with(")]")
            || line.starts_with('"')
    };
    let mut its: Vec<_> = lines.iter().rev().take_while(front).copied().collect();
    its.reverse();
    its.join("\n")
}

#[test]
fn every_public_item_has_an_example() {
    let (mut seen, mut without) = (0, Vec::new());
    for (file, text) in files() {
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let item = line.trim_start();
            if !ITEMS.iter().any(|begin| item.starts_with(begin)) {
                continue;
            }
            seen += 1;
            if !before(&lines[..i]).contains("```") {
                without.push(format!("{}: {item}", file.display()));
            }
        }
    }
    assert!(seen > 35, "only {seen} items are found");
    assert!(
        without.is_empty(),
        "without an example:\n{}",
        without.join("\n")
    );
}

/// What C programs can use: each function, structure and constant of the header with what is said of
/// it in front, or behind it in its line.
#[test]
fn every_item_of_the_header_is_described() {
    let header =
        fs::read_to_string(root().join(Path::new("dist/files/cairn.h"))).expect("the header");
    let lines: Vec<_> = header.lines().collect();
    let mut seen = 0;
    for (i, line) in lines.iter().enumerate() {
        let is_field = line.starts_with("    ") && line.contains(';') && line.contains("uint");
        let is_item = line.starts_with("extern ") || line.starts_with("struct ") || is_field;
        if !is_item || line.contains("extern \"C\"") {
            continue;
        }
        seen += 1;
        // Functions of one comment stand below each other.
        let front = lines[..i]
            .iter()
            .rev()
            .find(|line| !line.starts_with("extern "))
            .is_some_and(|line| line.trim_end().ends_with("*/"));
        assert!(front || line.contains("/* "), "not described: {line}");
    }
    assert!(seen > 35, "only {seen} items are found");
}
