//! `docs/security.md` names every technique program, and none that does not exist.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_table_of_techniques_names_every_program_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs: BTreeSet<String> = fs::read_dir(root.join("c-tests/techniques"))
        .expect("no techniques")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".c")?.to_owned()))
        .collect();
    let text = fs::read_to_string(root.join("docs/security.md")).expect("no docs/security.md");
    let named: BTreeSet<String> = text
        .split_once("\n## Techniques\n")
        .and_then(|(_, rest)| rest.split_once("\n## "))
        .expect("no section Techniques")
        .0
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .filter_map(|row| row.trim_end_matches('|').rsplit('|').next())
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect();
    assert_eq!(named, programs);
}
