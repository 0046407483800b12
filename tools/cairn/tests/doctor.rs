//! `cairn doctor`: who serves malloc, and what is in the way.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, cairn, common, error};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

const SMALL: [&str; 4] = ["2000", "500", "2", "1"];

/// What it says, and whether all is well.
fn told(output: &Output) -> (String, bool) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}", common::describe(output));
    assert_eq!(
        code == Some(1),
        text.lines().any(|line| line.starts_with("! ")),
        "{text}"
    );
    (text, code == Some(0))
}

#[test]
fn it_names_who_serves_and_the_knobs_that_were_set() {
    if seen::cannot_look() {
        return;
    }
    let env = [
        ("MALLOC_ARENA_MAX", "3"),
        ("GLIBC_TUNABLES", "glibc.malloc.top_pad=262144"),
    ];
    let seen = Seen::heap(SMALL, &env);
    let (text, well) = told(&cairn(&["doctor", &seen.pid()]));
    assert!(well, "{text}");
    let line = |words: &str| {
        let found = text.lines().find(|line| line.contains(words));
        found
            .unwrap_or_else(|| panic!("no {words}: {text}"))
            .to_owned()
    };
    assert!(
        line("malloc, free, calloc, realloc").contains("libcairn.so"),
        "{text}"
    );
    assert!(
        line("M_ARENA_MAX").contains("3  MALLOC_ARENA_MAX"),
        "{text}"
    );
    assert!(
        line("M_TOP_PAD").contains("256.0 KiB  GLIBC_TUNABLES"),
        "{text}"
    );
    assert!(line("M_MMAP_MAX").ends_with("default"), "{text}");
}

#[test]
fn a_variable_that_nobody_knows_is_named() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(SMALL, &[("CAIRN_PURGE_DELY", "9")]);
    let (text, well) = told(&cairn(&["doctor", &seen.pid()]));
    assert!(
        !well && text.contains("! CAIRN_PURGE_DELY is set"),
        "{text}"
    );
}

#[test]
fn another_allocator_is_named() {
    if seen::cannot_look() {
        return;
    }
    let mut command = common::plain(common::compile_c("tools/heap.c", &[]));
    command.args(SMALL);
    let seen = Seen::start(command);
    let (text, well) = told(&cairn(&["doctor", &seen.pid()]));
    assert!(
        !well && text.contains("! it does not run on Cairn"),
        "{text}"
    );
    assert!(
        text.contains("malloc, free, calloc, realloc served by "),
        "{text}"
    );
}

#[test]
fn what_keeps_a_program_from_being_served_is_said_before_it_starts() {
    let program = common::compile_c("tools/heap.c", &[]);
    let look =
        |path: &std::path::Path| told(&cairn(&["doctor", "--", path.to_str().expect("a path")]));
    let (text, well) = look(&program);
    assert!(well && text.contains("Cairn can be preloaded"), "{text}");
    let (text, well) = look(&common::compile_c("tools/heap.c", &["-static"]));
    assert!(!well && text.contains("! static"), "{text}");
    let copy = common::scratch().join(format!("set-uid-{}", std::process::id()));
    fs::copy(&program, &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).expect("its rights");
    let (text, well) = look(&copy);
    assert!(!well && text.contains("! set-uid"), "{text}");
    fs::write(&copy, "#!/bin/sh\n").expect("a script");
    let (text, _) = look(&copy);
    assert!(text.contains("a script: /bin/sh runs it"), "{text}");
    fs::remove_file(&copy).expect("the copy");
    let said = error(&cairn(&["doctor", "--", "/no/such/program"]));
    assert!(said.contains("there is no program"), "{said}");
}

#[test]
fn each_command_has_an_example() {
    for command in ["why", "stats", "map", "top", "metrics", "profile", "doctor"] {
        let output = cairn(&[command, "--help"]);
        assert!(output.status.success(), "{}", common::describe(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("Example:\n  cairn {command}")),
            "{text}"
        );
    }
}
