//! The C++ operators under preload, in programs that use them, replace them,
//! and have no runtime for them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// The operators' manglings are those of a 64-bit `size_t`.
const FLAGS: &[&str] = &["-std=c++17"];

/// Runs `c-tests/cxx/<source>` in both heap modes and, to see that it asks
/// for what C++ promises and no more, on the system's own malloc.
fn holds_on_any_malloc(source: &str) {
    let program = common::compile_cxx(&format!("cxx/{source}"), FLAGS);
    common::assert_silent_success(&common::run_plain(&program, &[], &[]));
    holds_on_cairn(source);
}

fn holds_on_cairn(source: &str) {
    let program = common::compile_cxx(&format!("cxx/{source}"), FLAGS);
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run(&program, &[], mode));
    });
}

#[test]
fn every_form_of_new_gives_and_every_form_of_delete_takes_back() {
    holds_on_any_malloc("every_form.cc");
}

#[test]
fn without_memory_new_throws_bad_alloc_and_nothrow_new_returns_null() {
    // libstdc++'s own aligned forms round SIZE_MAX up to 0 and succeed.
    holds_on_cairn("bad_alloc.cc");
}

#[test]
fn the_new_handler_is_called_until_there_is_room_or_no_handler() {
    holds_on_any_malloc("new_handler.cc");
}

#[test]
fn what_a_new_handler_throws_passes_through_new() {
    holds_on_any_malloc("throwing_handler.cc");
}

#[test]
fn a_program_may_replace_new_and_delete_alone() {
    holds_on_any_malloc("replaced_base.cc");
}

#[test]
fn a_program_may_replace_the_array_forms_alone() {
    holds_on_any_malloc("replaced_array.cc");
}

#[test]
fn containers_and_threads_compute_what_they_compute_without_cairn() {
    if common::left_to_the_long_form() {
        return;
    }
    let program = common::compile_cxx("cxx/containers.cc", FLAGS);
    let expected = common::run_plain(&program, &[], &[]);
    assert!(expected.status.success() && !expected.stdout.is_empty());
    common::for_each_mode(|mode| {
        let output = common::run(&program, &[], mode);
        assert!(output.status.success(), "{}", common::describe(&output));
        assert_eq!(output.stdout, expected.stdout);
    });
}

/// Every sized form, sizes on either side of each class's and mapping's bounds.
fn with_wrong_sizes(mut each: impl FnMut(&[&str])) {
    for form in ["plain", "array", "aligned", "aligned_array"] {
        for (size, wrong) in [
            ("56", "16"),
            ("16", "56"),
            ("140", "100"),
            ("940", "900"),
            ("5040", "5000"),
            ("100", "1000"),
            ("100000", "10"),
            ("1000000", "1"),
            ("10", "1000000"),
        ] {
            each(&[form, size, wrong]);
        }
    }
}

#[test]
fn the_size_of_a_sized_delete_is_a_hint() {
    if common::differs_in_check_mode("a wrong size ends the process") {
        return;
    }
    let program = common::compile_cxx("cxx/wrong_size.cc", FLAGS);
    with_wrong_sizes(|args| {
        common::assert_silent_success(&common::run_plain(&program, args, &[]));
        common::for_each_mode(|mode| {
            common::assert_silent_success(&common::run(&program, args, mode));
        });
    });
}

#[test]
fn a_sized_delete_with_a_wrong_size_ends_the_process_in_check_mode() {
    let program = common::compile_cxx("cxx/wrong_size.cc", FLAGS);
    with_wrong_sizes(|args| {
        for level in ["1", "3"] {
            common::assert_aborts(
                &common::run(&program, args, &[("MALLOC_CHECK_", level)]),
                "free(): sized deallocation with a wrong size",
            );
        }
    });
}

#[test]
fn a_c_program_has_the_operators_without_a_runtime() {
    let program = common::compile_c("cxx/without_runtime.c", &[]);
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run(&program, &[], mode));
    });
}

#[test]
fn without_a_runtime_a_throwing_new_says_why_it_aborts() {
    let program = common::compile_c("cxx/without_runtime.c", &[]);
    let output = common::run(&program, &["throw"], &[]);
    assert_eq!(
        output.status.signal(),
        Some(libc::SIGABRT),
        "{}",
        common::describe(&output)
    );
    assert_eq!(output.stderr, b"operator new: out of memory\n");
}

#[test]
fn a_runtime_that_a_plugin_brings_later_is_found() {
    let plugin = common::compile_cxx("cxx/plugin.cc", &["-std=c++17", "-shared", "-fPIC"]);
    let program = common::compile_c("cxx/runtime_later.c", &[]);
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run(&program, &[text(&plugin)], mode));
    });
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is not UTF-8")
}
