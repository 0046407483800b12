//! A Rust program that serves its C code too, and one that does not: the package `c-program` in this
//! directory.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

mod common;

use std::path::PathBuf;
use std::process::Command;

const FORMS: [(&[&str], &str); 2] = [(&[], "debug"), (&["--release"], "release")];

/// Both profiles in the long form, else the one that is built sooner.
fn forms() -> &'static [(&'static [&'static str], &'static str)] {
    FORMS
        .get(..if common::is_long() { 2 } else { 1 })
        .expect("two")
}

/// The program of a profile, with the symbols or without.
fn program(flags: &[&str], directory: &str, exported: bool) -> PathBuf {
    let (name, feature): (_, &[&str]) = if exported {
        ("c-program-exported", &["--features", "exported"])
    } else {
        ("c-program", &[])
    };
    let target = common::build("c-program", name, &[flags, feature].concat()).expect("it builds");
    target.join(directory).join("c-program")
}

/// Names of malloc's family that the program exports.
fn exported(program: &PathBuf) -> Option<Vec<String>> {
    let nm = common::find("nm")?;
    let output = common::watch(
        Command::new(nm)
            .args(["-D", "--defined-only", "--format=posix"])
            .arg(program)
            .env("LC_ALL", "C"),
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let names = names.filter(|name| {
        ["alloc", "free", "mallinfo", "mallopt", "memalign"]
            .iter()
            .any(|part| name.contains(part))
    });
    Some(names.map(str::to_owned).collect())
}

/// By itself, and with the shared library in front, where the program's own symbols still serve.
#[test]
fn a_program_serves_its_c_code_and_the_c_library() {
    for (flags, directory) in forms() {
        let program = program(flags, directory, true);
        // What the environment says is ignored, as the program wants it.
        let variables = [("CAIRN_RUN_MAX", "512")];
        common::assert_silent_success(&common::run_plain(&program, &[], &variables));
        common::assert_silent_success(&common::run(&program, &[], &[]));
        if let Some(names) = exported(&program) {
            for name in [
                "malloc",
                "free",
                "calloc",
                "realloc",
                "posix_memalign",
                "mallopt",
            ] {
                assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
            }
        }
    }
}

/// The trap: without the symbols a program has two heaps, whatever features its dependencies have.
#[test]
fn without_them_c_keeps_its_own_heap() {
    for (flags, directory) in forms() {
        let program = program(flags, directory, false);
        common::assert_silent_success(&common::run_plain(&program, &[], &[]));
        if let Some(names) = exported(&program) {
            assert!(names.is_empty(), "{names:?}");
        }
    }
}
