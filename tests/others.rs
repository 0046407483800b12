//! Behaviours that other allocators' test suites check and no test of ours did,
//! and the table of all of them in `docs/other-suites.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod common;

use common::{assert_silent_success, compile_c, for_each_mode, root, run, run_plain};
use std::fs;

/// The program succeeds in silence on glibc and, in both modes, on Cairn.
#[track_caller]
fn holds(source: &str) {
    let program = compile_c(source, &[]);
    assert_silent_success(&run_plain(&program, &[], &[]));
    for_each_mode(|mode| assert_silent_success(&run(&program, &[], mode)));
}

#[test]
fn library_code_that_allocates_for_the_program_works() {
    holds("others/loops.c");
}

#[test]
fn an_array_that_grows_to_64_mib_and_shrinks_keeps_its_content() {
    holds("others/growth.c");
}

#[test]
fn a_cancelled_thread_leaves_no_lock_held() {
    holds("others/cancel.c");
}

/// Whether `name` is a test in `source`: a function under `#[test]`, or a name
/// in a list of the macros that make one test per program.
fn is_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}()");
    let listed = format!("{name} = \"");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        line.starts_with(&listed)
            || line.starts_with(&function)
                && lines[..at]
                    .iter()
                    .rev()
                    .take_while(|above| above.starts_with('#') || above.starts_with("//"))
                    .any(|above| *above == "#[test]")
    })
}

#[test]
fn every_row_of_the_table_names_a_test_that_exists_or_a_reason() {
    let table = fs::read_to_string(root().join("docs/other-suites.md")).expect("no table");
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 2, "{line}");
        if cells[0] == "behaviour" || cells[0].starts_with("---") {
            continue;
        }
        rows += 1;
        if cells[1].starts_with("not applicable: ") || cells[1].starts_with("open: ") {
            continue;
        }
        let mut named = 0;
        for test in cells[1].split('`').skip(1).step_by(2) {
            let (file, name) = test.split_once("::").expect("file::test");
            let source = fs::read_to_string(root().join(format!("tests/{file}.rs")))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(is_test(&source, name), "no test {test}: {line}");
            named += 1;
        }
        assert!(named > 0, "neither a test nor a reason: {line}");
    }
    assert!(rows > 0, "no table was read");
}
