//! The stacks that check mode keeps beside each object from level 2 on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;
#[path = "common/stacks.rs"]
mod stacks;

use common::{Env, assert_aborts, compile_c, describe, run};
use stacks::{in_step, parts};
use std::process::Output;

const DOUBLE: &str = "free(): double free detected in tcache 2";
const PAST_END: &str = "memory clobbered past end of allocated block";
const AFTER_FREE: &str = "malloc(): memory corruption (freed memory was written)";

fn stacks(what: &str, env: Env<'_>) -> Output {
    run(compile_c("check_mode/stacks.c", &[]), &[what], env)
}

#[test]
fn the_last_words_are_followed_by_who_asked_for_the_object_and_who_freed_it() {
    for (what, message, found, asked, freed) in [
        ("double", DOUBLE, Some("drop_step"), "take_step", true),
        ("overflow", PAST_END, Some("drop_step"), "take_step", false),
        ("resized", PAST_END, Some("drop_step"), "resize_step", false),
        ("late", AFTER_FREE, None, "take_step", true),
    ] {
        for level in ["2", "3"] {
            let output = stacks(what, &[("MALLOC_CHECK_", level)]);
            assert_aborts(&output, message);
            let parts = parts(&output);
            let named = format!("{what}, level {level}: {}", describe(&output));
            assert_eq!(parts.len(), 2 + usize::from(freed), "{named}");
            assert!(parts[0].head.starts_with("found by thread "), "{named}");
            assert!(
                found.is_none_or(|step| in_step(&output, &parts[0], step)),
                "{named}"
            );
            let size = if what == "resized" { 90 } else { 100 };
            let head = format!("object of {size} bytes, allocated by thread ");
            assert!(parts[1].head.starts_with(&head), "{named}");
            assert!(in_step(&output, &parts[1], asked), "{named}");
            if freed {
                assert!(parts[2].head.starts_with("freed by thread "), "{named}");
                assert!(in_step(&output, &parts[2], "drop_step"), "{named}");
            }
        }
    }
}

/// Neither at level 1 nor where they are not wanted: nothing is printed that is not known.
#[test]
fn without_stacks_the_last_words_stand_alone() {
    for env in [
        &[("MALLOC_CHECK_", "1")][..],
        &[("MALLOC_CHECK_", "3"), ("CAIRN_CHECK_STACKS", "0")],
    ] {
        let output = stacks("overflow", env);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, format!("{PAST_END}\n"), "{env:?}");
    }
}

#[test]
fn threads_forks_and_signals_with_stacks_lose_nothing() {
    let seconds = common::of_form("1", "5", "20");
    let storm = compile_c("guards/storm.c", &[]);
    for depth in ["16", "64"] {
        let env = [("MALLOC_CHECK_", "2"), ("CAIRN_CHECK_STACKS", depth)];
        common::assert_silent_success(&run(&storm, &[seconds], &env));
    }
}

/// Unwind tables of the distribution's compilers, of C++ with exceptions, of an interpreter.
#[test]
fn programs_that_nobody_wrote_for_this_say_the_same() {
    let python = "import json; d = {str(i): [i] * 3 for i in range(2000)}\n\
                  print(len(json.dumps(json.loads(json.dumps(d)), indent=1)))";
    let perl =
        "my %h; $h{\"k$_\"} = \"v\" x ($_ % 50) for 1..5000; print length join '', sort values %h";
    let cxx = "#include <stdexcept>\nint f(int n) { if (n > 9) throw std::runtime_error(\"x\"); return n; }";
    let source = common::scratch().join("check_mode_stacks.cc");
    std::fs::write(&source, cxx).unwrap();
    let source = source.to_str().unwrap();
    for (program, arguments) in [
        ("python3", &["-c", python][..]),
        ("perl", &["-e", perl]),
        ("g++", &["-O2", "-S", "-o", "-", source]),
    ] {
        if common::find(program).is_none() {
            common::skip(&format!("no {program}"));
            continue;
        }
        let malloc = ("PYTHONMALLOC", "malloc");
        let plain = common::run_plain(program, arguments, &[malloc]);
        assert!(plain.status.success(), "{}", describe(&plain));
        let watched = run(program, arguments, &[malloc, ("MALLOC_CHECK_", "2")]);
        assert_eq!(
            plain.stdout,
            watched.stdout,
            "{program}: {}",
            describe(&watched)
        );
        assert_eq!(watched.stderr, b"", "{program}: {}", describe(&watched));
    }
}
