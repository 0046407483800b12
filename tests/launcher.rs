//! `ld_preload.sh`: the program runs on Cairn and cannot tell that a script
//! was there, or the script says why not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::{env, str};

/// What the script itself needs, beside a toolchain when it has to build.
const TOOLS: &[&str] = &["bash", "dirname", "env", "find", "od", "touch"];

fn script() -> PathBuf {
    common::root().join("ld_preload.sh")
}

/// The script with the library that the tests have built, and `arguments`.
fn launch(arguments: &[&str]) -> Command {
    let mut command = common::plain(script());
    command
        .env("CARGO_TARGET_DIR", target_of(&common::libcairn()))
        .args(arguments);
    command
}

/// The target directory that holds `<target>/release/libcairn.so`.
fn target_of(library: &Path) -> &Path {
    library
        .ancestors()
        .nth(2)
        .expect("the library lies in a target directory")
}

/// An empty directory for one test.
fn empty_dir(name: &str) -> PathBuf {
    let dir = common::nameable().join(format!("launcher-{name}-{}", process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("no directory for the test");
    dir
}

fn write_executable(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("the file cannot be written");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("no permission for the file");
}

/// A directory that holds links to the named programs and nothing else.
fn path_of(name: &str, tools: &[&str]) -> PathBuf {
    let dir = empty_dir(name);
    for tool in tools {
        let found = common::find(tool).expect("a tool that every system has");
        symlink(found, dir.join(tool)).expect("no link to the tool");
    }
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is not UTF-8")
}

/// The script gave up with `status`, and said `why` and nothing on stdout.
#[track_caller]
fn assert_gives_up(output: &Output, status: i32, why: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(status)
            && output.stdout.is_empty()
            && stderr.starts_with("ld_preload.sh: ")
            && stderr.contains(why)
            && stderr.lines().count() == 1,
        "expected {status} and {why:?}; {}",
        common::describe(output)
    );
}

#[test]
fn the_program_runs_on_cairn() {
    let output = common::watch(&mut launch(&["cat", "/proc/self/maps"]));
    let maps = String::from_utf8_lossy(&output.stdout);
    assert!(
        maps.contains("/libcairn.so"),
        "{}",
        common::describe(&output)
    );
    assert!(output.stderr.is_empty(), "{}", common::describe(&output));
}

#[test]
fn arguments_arrive_as_they_are() {
    let arguments = [
        "",
        " ",
        "a b",
        "*",
        "~",
        "-n",
        "--",
        "$HOME",
        "new\nline",
        "\"'\\",
        "é",
    ];
    let mut command = launch(&["sh", "-c", r#"printf '[%s]' "$@""#, "zero"]);
    let output = common::watch(command.args(arguments));
    let expected: String = arguments
        .iter()
        .map(|argument| format!("[{argument}]"))
        .collect();
    assert!(output.status.success(), "{}", common::describe(&output));
    assert_eq!(str::from_utf8(&output.stdout), Ok(expected.as_str()));
}

#[test]
fn the_exit_status_is_the_programs() {
    for status in [0, 1, 2, 77, 125, 126, 127, 255] {
        let exit = format!("exit {status}");
        let output = common::watch(&mut launch(&["sh", "-c", &exit]));
        assert_eq!(output.status.code(), Some(status));
        assert!(output.stderr.is_empty(), "{}", common::describe(&output));
    }
    let output = common::watch(&mut launch(&["sh", "-c", "kill -TERM $$"]));
    assert_eq!(output.status.signal(), Some(libc::SIGTERM));
}

#[test]
fn the_standard_streams_are_the_programs() {
    // The shell around it provides standard input.
    let mut command = common::plain("sh");
    command
        .env("CARGO_TARGET_DIR", target_of(&common::libcairn()))
        .args([
            "-c",
            r#"printf 'in\0put\n' | "$0" sh -c 'cat; echo error >&2'"#,
        ])
        .arg(script());
    let output = common::watch(&mut command);
    assert!(output.status.success(), "{}", common::describe(&output));
    assert_eq!(output.stdout, b"in\0put\n");
    assert_eq!(output.stderr, b"error\n");
}

#[test]
fn the_environment_is_the_callers_but_for_the_preload() {
    // Among them names that a script might use for itself.
    let variables = [
        ("root", "1"),
        ("target", "2"),
        ("library", "3"),
        ("program", "4"),
        ("file", "5"),
        ("status", "6"),
        ("line", "7"),
        ("odd", "two\nlines and 'quotes'"),
        ("PWD", text(common::root())),
        ("SHLVL", "3"),
    ];
    let seen = |command: &mut Command| {
        let output = common::watch(command.args(["-0"]).envs(variables));
        assert!(output.status.success(), "{}", common::describe(&output));
        String::from_utf8_lossy(&output.stdout)
            .split('\0')
            // A shell leaves the path of the last command in `_`.
            .filter(|entry| !entry.starts_with("LD_PRELOAD=") && !entry.starts_with("_="))
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    let mut plain = common::plain("env");
    plain
        .env("CARGO_TARGET_DIR", target_of(&common::libcairn()))
        .current_dir(common::root());
    let with_script = seen(launch(&["env"]).current_dir(common::root()));
    assert_eq!(with_script, seen(&mut plain));
}

#[test]
fn what_is_preloaded_already_stays() {
    let beside = common::compile_c("packaging/giver.c", &["-shared", "-fPIC"]);
    let beside = common::loadable(beside, "beside");
    let show = r#"echo "$LD_PRELOAD"; cat /proc/self/maps"#;
    let output = common::watch(launch(&["sh", "-c", show]).env("LD_PRELOAD", &beside));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (preload, maps) = stdout.split_once('\n').expect("two parts");
    let expected = format!("{}:{}", text(&common::libcairn()), text(&beside));
    assert_eq!(preload, expected);
    // The kernel names what a link leads to.
    let file = beside.file_name().expect("a file").to_string_lossy();
    assert!(
        maps.contains(&*file) && maps.contains("/libcairn.so"),
        "{maps}"
    );
}

#[test]
fn scripts_run_with_their_interpreter_on_cairn() {
    let dir = empty_dir("scripts");
    for (name, first_line) in [
        ("direct", "#!/bin/sh"),
        ("spaced", "#! /bin/sh -e"),
        ("env", "#!/usr/bin/env sh"),
    ] {
        let file = dir.join(name);
        write_executable(
            &file,
            format!("{first_line}\ngrep -c libcairn.so /proc/self/maps\necho \"$1\"\n"),
        );
        let output = common::watch(&mut launch(&[text(&file), "an argument"]));
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success()
                && stdout.ends_with("\nan argument\n")
                && !stdout.starts_with('0'),
            "{}",
            common::describe(&output)
        );
    }
}

#[test]
fn without_a_program_it_says_how_it_is_used() {
    assert_gives_up(
        &common::watch(&mut launch(&[])),
        2,
        "usage: ld_preload.sh PROGRAM ARGS...",
    );
}

#[test]
fn a_program_that_is_missing_or_not_executable_is_named() {
    let dir = empty_dir("missing");
    let file = dir.join("file");
    fs::write(&file, "").expect("the file cannot be written");
    for (program, status, why) in [
        ("no-such-program", 127, "no-such-program: not found in PATH"),
        ("/no/such/program", 127, "/no/such/program: no such file"),
        (text(&dir), 126, "is a directory"),
        (text(&file), 126, "not executable"),
    ] {
        assert_gives_up(&common::watch(&mut launch(&[program])), status, why);
    }
}

#[test]
fn a_static_program_gets_a_message() {
    let program = common::compile_c("packaging/hello.c", &["-static"]);
    assert_gives_up(
        &common::watch(&mut launch(&[text(&program)])),
        126,
        "is statically linked",
    );

    // A script's first line cannot name a path with a space either.
    let named = common::loadable(program, "static");
    let file = empty_dir("static").join("script");
    write_executable(&file, format!("#!{}\n", text(&named)));
    assert_gives_up(
        &common::watch(&mut launch(&[text(&file)])),
        126,
        "is statically linked",
    );

    let dynamic = common::compile_c("packaging/hello.c", &["-no-pie"]);
    let output = common::watch(&mut launch(&[text(&dynamic)]));
    assert_eq!(output.stdout, b"hello\n", "{}", common::describe(&output));
}

#[test]
fn a_setuid_program_gets_a_message() {
    // SAFETY: geteuid has no precondition.
    let program = if unsafe { libc::geteuid() } == 0 {
        // For root, only somebody else's program is privileged.
        let program = empty_dir("setuid").join("program");
        write_executable(&program, fs::read("/bin/sh").expect("no shell"));
        if chown(&program, Some(65534), None).is_err() {
            common::skip("this root may give no file away");
            return;
        }
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("no setuid bit");
        program
    } else {
        let Some(program) = common::find("su") else {
            return;
        };
        let file = fs::metadata(&program).expect("it was found");
        // In a namespace of its own what is root's outside may be this user's.
        // SAFETY: geteuid has no precondition.
        if file.permissions().mode() & 0o4000 == 0 || file.uid() == unsafe { libc::geteuid() } {
            common::skip("su is not setuid here, or this user's own");
            return;
        }
        program
    };
    assert_gives_up(
        &common::watch(&mut launch(&[text(&program)])),
        126,
        "is setuid",
    );
}

#[test]
fn a_program_for_another_architecture_gets_a_message() {
    let mut image = fs::read(common::compile_c("packaging/hello.c", &[])).expect("the program");
    let dir = empty_dir("foreign");
    let (narrow, other) = (dir.join("narrow"), dir.join("other"));
    // ELF's class (32-bit), then a machine that no processor here is.
    image[4] = 1;
    write_executable(&narrow, &image);
    image[4] = 2;
    image[18] = 8;
    write_executable(&other, &image);
    for program in [&narrow, &other] {
        assert_gives_up(
            &common::watch(&mut launch(&[text(program)])),
            126,
            "is built for another architecture",
        );
    }
}

#[test]
fn a_missing_toolchain_gets_a_message() {
    let target = empty_dir("nothing-built");
    let no_cargo = path_of("no-cargo", &[TOOLS, &["cat"]].concat());
    let no_cc = path_of("no-cc", &[TOOLS, &["cat", "cargo"]].concat());
    for (path, why) in [(&no_cargo, "there is no cargo"), (&no_cc, "there is no cc")] {
        let output = common::watch(
            launch(&["cat"])
                .env("CARGO_TARGET_DIR", &target)
                .env("PATH", path),
        );
        assert_gives_up(&output, 125, why);
    }
}

#[test]
fn with_the_library_it_needs_no_toolchain() {
    let target = empty_dir("built-before");
    fs::create_dir(target.join("release")).expect("no directory");
    let library = target.join("release/libcairn.so");
    fs::copy(common::libcairn(), &library).expect("the library cannot be copied");
    // Older than its sources: without a toolchain it has to do.
    let old = fs::File::options()
        .write(true)
        .open(&library)
        .expect("the copy");
    old.set_modified(std::time::UNIX_EPOCH)
        .expect("no time for the copy");
    let tools = path_of("no-toolchain", &[TOOLS, &["cat"]].concat());
    let output = common::watch(
        launch(&["cat", "/proc/self/maps"])
            .env("CARGO_TARGET_DIR", &target)
            .env("PATH", tools),
    );
    let maps = String::from_utf8_lossy(&output.stdout);
    assert!(
        maps.contains(text(&library)),
        "{}",
        common::describe(&output)
    );
    assert!(output.stderr.is_empty(), "{}", common::describe(&output));
}

#[test]
fn it_builds_what_is_missing_and_only_then_says_so() {
    let target = empty_dir("build");
    let run = || {
        let mut command = launch(&["echo", "done"]);
        // What cargo tells this test is not meant for the build in it.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") {
                command.env_remove(name);
            }
        }
        common::watch(command.env("CARGO_TARGET_DIR", &target))
    };
    let first = run();
    assert!(first.status.success(), "{}", common::describe(&first));
    assert_eq!(first.stdout, b"done\n");
    assert!(
        String::from_utf8_lossy(&first.stderr).contains("Compiling cairn-preload"),
        "{}",
        common::describe(&first)
    );
    let second = run();
    assert!(second.status.success(), "{}", common::describe(&second));
    assert_eq!(second.stdout, b"done\n");
    assert!(second.stderr.is_empty(), "{}", common::describe(&second));
}

#[test]
fn a_path_that_cannot_be_preloaded_gets_a_message() {
    let target = empty_dir("a space");
    let output = common::watch(launch(&["true"]).env("CARGO_TARGET_DIR", &target));
    assert_gives_up(&output, 125, "a path with a space or a colon");
}
