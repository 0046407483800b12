//! `cairn run`: the program runs on Cairn, or a line and a status say why it does not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

/// The command, with the tests' library named and none of this process's variables that it reads.
fn run(arguments: &[&str]) -> Output {
    with(Some(&common::libcairn()), &[], arguments)
}

fn with(library: Option<&Path>, env: common::Env<'_>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.arg("run").env_remove("LD_PRELOAD");
    if let Some(library) = library {
        command.arg("--library").arg(library);
    }
    let command = command.args(arguments).envs(env.iter().copied());
    common::watch(command)
}

/// No program was started: one line on stderr with these words, and this status.
#[track_caller]
fn refused(output: &Output, status: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(status)
            && said.starts_with("cairn run: ")
            && said.lines().count() == 1
            && said.contains(words),
        "{}\nexpected {status}: {words}",
        common::describe(output)
    );
}

#[test]
fn the_program_runs_on_cairn_with_its_own_arguments_and_status() {
    let script = "cat /proc/$$/maps; printf '%s|' \"$MALLOC_ARENA_MAX\" \"$@\"; exit 7";
    let set = ["--set", "MALLOC_ARENA_MAX=3", "--"];
    let output = run(&[&set[..], &["sh", "-c", script, "sh", "a b", "", "--set"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        common::describe(&output)
    );
    assert!(
        said.contains("/libcairn.so") && said.ends_with("3|a b||--set|"),
        "{said}"
    );
}

#[test]
fn what_was_preloaded_stays_behind_it() {
    let show = ["--", "sh", "-c", "printf %s \"$LD_PRELOAD\""];
    let output = with(
        Some(&common::libcairn()),
        &[("LD_PRELOAD", "libm.so.6")],
        &show,
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("libcairn.so:libm.so.6"), "{said}");
}

#[test]
fn the_library_is_found_beside_an_installed_command() {
    let prefix = common::nameable().join("run-prefix");
    let _ = fs::remove_dir_all(&prefix);
    let folder = format!("lib/{}-linux-gnu", env::consts::ARCH);
    fs::create_dir_all(prefix.join(&folder)).expect("a directory");
    fs::create_dir_all(prefix.join("bin")).expect("a directory");
    let library = prefix.join(folder).join("libcairn.so.1");
    fs::copy(common::libcairn(), &library).expect("a copy");
    let own = prefix.join("bin/cairn");
    fs::copy(env!("CARGO_BIN_EXE_cairn"), &own).expect("a copy");
    let mut command = Command::new(own);
    command
        .args(["run", "--", "sh", "-c", "printf %s \"$LD_PRELOAD\""])
        .env_remove("LD_PRELOAD");
    let output = common::watch(&mut command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said,
        library.to_string_lossy(),
        "{}",
        common::describe(&output)
    );
}

#[test]
fn what_cannot_run_on_cairn_is_refused() {
    refused(&run(&["--", "no-such-program"]), 127, "no-such-program");
    refused(&run(&["--", "/no/such"]), 127, "/no/such");
    refused(&run(&["--", "/etc"]), 126, "not a program");
    refused(&run(&["--", "/etc/passwd"]), 126, "not executable");

    let child = common::compile_c("packaging/hello.c", &["-static"]);
    let path = child.to_str().expect("a path that is not UTF-8");
    refused(&run(&["--", path]), 126, "static");

    let privileged = common::scratch().join("run-set-uid");
    fs::copy("/bin/true", &privileged).expect("a copy");
    let set_uid = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(&privileged, set_uid).expect("its mode");
    let path = privileged.to_str().expect("a path that is not UTF-8");
    refused(&run(&["--", path]), 126, "set-uid");
}

#[test]
fn without_a_library_nothing_runs() {
    let none = Path::new("/no/libcairn.so");
    refused(
        &with(Some(none), &[], &["--", "true"]),
        125,
        "/no/libcairn.so",
    );
    let spaced = common::scratch().join("run with a space.so");
    let _ = fs::remove_file(&spaced);
    fs::copy(common::libcairn(), &spaced).expect("a copy");
    refused(&with(Some(&spaced), &[], &["--", "true"]), 125, "a space");
    let link = common::scratch().join("run-link.so");
    let _ = fs::remove_file(&link);
    symlink(common::scratch(), &link).expect("a link");
    refused(
        &with(Some(&link), &[], &["--", "true"]),
        125,
        "is no library",
    );
}
