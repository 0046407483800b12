//! The `GlobalAlloc` with musl, and in static programs, on the machine's own processor: it links
//! without a C compiler of its own, misses nothing of glibc's, and leaves the break to libc's malloc.
//!
//! Rust's standard library for musl comes by `rustup target add`. Where that cannot be had the tests
//! say so and pass, in CI too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn musl() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

fn gnu() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}

/// What `rustc` answers to a question.
fn ask(arguments: &[&str]) -> PathBuf {
    let output = Command::new("rustc").args(arguments).output();
    let output = output.expect("rustc does not start");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// Where the standard library of a target is, if it is there.
fn library_of(target: &str) -> Option<PathBuf> {
    let found = ask(&["--print", "target-libdir", "--target", target]);
    if found.is_dir() {
        return Some(found);
    }
    // Not `common::skip`: no package of the system's brings it.
    eprintln!("SKIPPED: rustup target add {target} was not done here");
    None
}

/// Runs a build whose output has to be seen whatever comes of it.
fn cargo(arguments: &[&str], target: &str) -> Output {
    let mut command = common::cargo();
    command
        .args(arguments)
        .args(["--quiet", "--release", "--target", target, "--target-dir"])
        .arg(common::scratch().join("targets"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .output()
        .expect("cargo does not start")
}

/// Compiles `tests/targets/program.rs` with Cairn for a target.
fn program(target: &str, name: &str, flags: &[&OsStr]) -> PathBuf {
    let built = cargo(&["build", "--lib", "-p", "cairn-malloc"], target);
    assert!(built.status.success(), "{}", common::describe(&built));
    let libraries = common::scratch()
        .join("targets")
        .join(target)
        .join("release");
    let program = common::scratch().join(name);
    let mut search = std::ffi::OsString::from("dependency=");
    search.push(libraries.join("deps"));
    let mut cairn = std::ffi::OsString::from("cairn=");
    cairn.push(libraries.join("libcairn.rlib"));
    let compiled = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "panic=abort",
            "--target",
            target,
        ])
        .arg("-L")
        .arg(search)
        .arg("--extern")
        .arg(cairn)
        .args(flags)
        .arg(common::root().join("tests/targets/program.rs"))
        .arg("-o")
        .arg(&program)
        .output()
        .expect("rustc does not start");
    assert!(compiled.status.success(), "{}", common::describe(&compiled));
    program
}

/// The program does its work in every mode of the heap, check mode among them.
#[track_caller]
fn serves(program: &PathBuf) {
    for env in [
        common::MODES[0],
        common::MODES[1],
        &[("MALLOC_CHECK_", "3")],
    ] {
        let output = common::run_plain(program, &[], env);
        assert!(
            output.status.success() && output.stdout == b"served\n" && output.stderr.is_empty(),
            "{env:?}: {}",
            common::describe(&output)
        );
    }
}

/// Whether the program names a loader.
fn is_static(program: &PathBuf) -> bool {
    let bytes = fs::read(program).expect("the program is a file");
    !bytes
        .windows(8)
        .any(|name| name == b"/ld-musl" || name == b"/ld-linu")
}

/// The compiler's own linker is all that it takes.
#[test]
fn a_static_musl_program_is_served_and_needs_no_c_compiler() {
    let target = musl();
    if library_of(&target).is_none() {
        return;
    }
    let host = ask(&["--print", "target-libdir"]);
    let linker = host.with_file_name("bin").join("rust-lld");
    let mut flags = vec![];
    let option = format!("linker={}", linker.display());
    if linker.is_file() {
        flags.extend(["-C", &option].map(OsStr::new));
    }
    let program = program(&target, "static-musl", &flags);
    assert!(is_static(&program), "it names a loader");
    serves(&program);
}

/// Debian's wrapper of the C compiler links with Debian's musl; there is no `libgcc_s` for it, but
/// Rust brings an unwinder.
#[test]
fn a_dynamic_musl_program_is_served() {
    let target = musl();
    let Some(library) = library_of(&target) else {
        return;
    };
    if common::find("musl-gcc").is_none() {
        return;
    }
    let unwinder = library.join("self-contained/libunwind.a");
    let stand_in = common::scratch().join("for-musl");
    fs::create_dir_all(&stand_in).expect("a folder of the tests");
    fs::write(
        stand_in.join("libgcc_s.so"),
        format!("INPUT(\"{}\")\n", unwinder.display()),
    )
    .expect("a file of the tests");
    let flags = [
        "-C",
        "target-feature=-crt-static",
        "-C",
        "linker=musl-gcc",
        "-L",
    ];
    let mut flags: Vec<_> = flags.iter().map(OsStr::new).collect();
    flags.push(stand_in.as_os_str());
    let program = program(&target, "dynamic-musl", &flags);
    assert!(!is_static(&program), "it names no loader");
    serves(&program);
}

/// There libc's malloc is in the same object as Cairn, and it moves the break.
#[test]
fn a_static_glibc_program_leaves_the_break_to_libc() {
    let mut flags = vec!["-C", "target-feature=+crt-static"];
    if common::glibc() < (2, 34) {
        // Two of its archives have the same function, and no program with the crate libc links.
        flags.extend(["-C", "link-arg=-Wl,--allow-multiple-definition"]);
    }
    let flags: Vec<_> = flags.iter().map(OsStr::new).collect();
    let program = program(&gnu(), "static-glibc", &flags);
    assert!(is_static(&program), "it names a loader");
    serves(&program);
}

#[test]
fn the_library_to_preload_says_that_it_is_made_for_glibc() {
    let target = musl();
    if library_of(&target).is_none() {
        return;
    }
    // A static target has no shared libraries at all, says cargo.
    let dynamic = [
        "--config",
        &format!("target.{target}.rustflags=['-Ctarget-feature=-crt-static']"),
    ];
    let built = cargo(
        &[&["build", "-p", "cairn-preload"][..], &dynamic].concat(),
        &target,
    );
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(
        !built.status.success()
            && said.contains("made for *-linux-gnu targets only")
            && said.matches("error: ").count() == 2, // the message, and cargo's last line
        "{}",
        common::describe(&built)
    );
}
