//! Behaviours that other allocators' test suites check and no test of ours did,
//! and the table of all of them in `docs/other-suites.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod common;

use common::{
    MODES, assert_aborts_with_one_of, assert_silent_success, compile_c, describe, for_each_mode,
    libcairn, root, run, run_plain, with,
};
use std::fs;
use std::os::unix::process::ExitStatusExt;

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

#[test]
fn contexts_may_go_on_in_another_thread() {
    holds("others/fibers.c");
}

#[test]
fn a_large_object_grows_although_its_pages_are_protected_differently() {
    holds("others/split_mapping.c");
}

#[test]
fn every_alignment_up_to_256_mib_is_kept() {
    holds("others/alignments.c");
}

#[test]
fn aligned_objects_go_from_thread_to_thread() {
    holds("others/aligned_crossing.c");
}

#[test]
fn what_a_finished_thread_left_may_be_resized() {
    holds("others/left_behind.c");
}

#[test]
fn the_library_may_be_opened_by_a_thread_that_ends() {
    let program = compile_c("others/opened_by_a_thread.c", &[]);
    let library = libcairn();
    let library = library.to_str().expect("the path of the library is text");
    for_each_mode(|mode| assert_silent_success(&run_plain(&program, &[library], mode)));
}

#[test]
fn a_double_free_is_caught_after_a_string_ran_into_its_header() {
    let program = compile_c("others/freed_header.c", &[]);
    // Without runs: only there is a header to run into.
    for size in ["24", "280", "1000"] {
        assert_aborts_with_one_of(
            &run(&program, &[size], MODES[1]),
            &[
                "free(): double free detected in tcache 2",
                "free(): invalid pointer",
                "free(): invalid size",
            ],
        );
    }
}

#[test]
fn what_a_shrunk_object_no_longer_has_is_out_of_reach_in_check_mode() {
    let program = compile_c("others/shrunk.c", &[]);
    for_each_mode(|mode| {
        assert_silent_success(&run(&program, &["inside"], mode));
        let checked = with(mode, &[("MALLOC_CHECK_", "3")]);
        assert_silent_success(&run(&program, &["inside"], &checked));
        for what in ["write", "read"] {
            let output = run(&program, &[what], &checked);
            let faulted = output.status.signal() == Some(libc::SIGSEGV);
            assert!(faulted, "{what}: expected SIGSEGV; {}", describe(&output));
        }
    });
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
