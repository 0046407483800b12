//! `cairn.h`, and what it declares: a C program that is compiled against it and linked with the
//! library calls all of it, and asks for the names by their version.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::OnceLock;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The directory of the header, once for all tests here.
fn header() -> &'static PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN.get_or_init(write_header)
}

/// Fills the header in as `dist/build` does.
fn write_header() -> PathBuf {
    let dir = common::scratch().join("include");
    fs::create_dir_all(&dir).expect("a directory for the header");
    let mut text =
        fs::read_to_string(common::root().join("dist/files/cairn.h")).expect("the header");
    let mut numbers = VERSION.split('.');
    text = text.replace("@VERSION@", VERSION);
    for name in ["@MAJOR@", "@MINOR@", "@PATCH@"] {
        text = text.replace(name, numbers.next().expect("three numbers"));
    }
    let fresh = dir.join(format!("cairn.h.{}", process::id()));
    fs::write(&fresh, text).expect("the header can be written");
    fs::rename(&fresh, dir.join("cairn.h")).expect("it takes its name");
    dir
}

/// What the compiler is told to find the header and the library.
fn flags() -> Vec<String> {
    let library = common::libcairn();
    let dir = library.parent().expect("a directory").display().to_string();
    vec![
        format!("-I{}", header().display()),
        library.display().to_string(),
        // As RPATH, which comes before cargo's LD_LIBRARY_PATH: an older library may lie there.
        format!("-Wl,--disable-new-dtags,-rpath,{dir}"),
    ]
}

fn program() -> PathBuf {
    let flags = flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    common::compile_c("header/every_function.c", &flags)
}

#[test]
fn a_program_in_c_is_told_the_truth_by_every_function() {
    let program = program();
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run_plain(&program, &[VERSION], mode));
        let checked = common::with(mode, &[("MALLOC_CHECK_", "3")]);
        let output = common::run_plain(&program, &[VERSION, "checked"], &checked);
        common::assert_silent_success(&output);
    });
}

/// Names of the program that it asks the library for.
#[test]
fn the_program_asks_for_the_version() {
    let Some(nm) = common::find("nm") else {
        return;
    };
    let output = common::watch(
        Command::new(nm)
            .args(["-D", "--undefined-only"])
            .arg(program())
            .env("LC_ALL", "C"),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let own: Vec<&str> = text
        .split_whitespace()
        .filter(|name| name.starts_with("cairn_"))
        .collect();
    assert_eq!(own.len(), 20, "not all functions are called: {own:?}");
    for name in own {
        assert!(name.ends_with("@CAIRN_1"), "{name}");
    }
}

/// The header is C++ as well, and complains about nothing.
#[test]
fn the_header_compiles_in_every_language_that_includes_it() {
    let dir = header();
    for (variable, default, languages) in [
        ("CC", "cc", &["c99", "c11", "gnu17"][..]),
        ("CXX", "c++", &["c++11", "c++17", "c++20"]),
    ] {
        let compiler = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        for language in languages {
            let output = common::watch(
                Command::new(&compiler)
                    .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"])
                    .arg(format!("-std={language}"))
                    .args(["-x", if default == "cc" { "c" } else { "c++" }])
                    .arg(dir.join("cairn.h")),
            );
            assert!(
                output.status.success(),
                "{language}: {}",
                common::describe(&output)
            );
        }
    }
}
