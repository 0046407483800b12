//! `cairn compare`: who serves, what is refused and with which words, what is reported.
//!
//! Nothing here depends on a time: rounds are few and counted.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "compare/refusals.rs"]
mod refusals;
#[path = "compare/servers.rs"]
mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// `cairn compare` with these arguments.
fn compare(arguments: &[&str]) -> Output {
    let mut command = common::plain(env!("CARGO_BIN_EXE_cairn"));
    common::watch(command.arg("compare").args(arguments))
}

/// On glibc and on Cairn.
fn compare_cairn(arguments: &[&str]) -> Output {
    let library = format!("cairn={}", text(&common::libcairn()));
    let both = ["--libraries", "glibc,cairn", "--library", &library];
    compare(&[&both[..], arguments].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Refused with status 2, with nothing on stdout, and with these words in the last line.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.trim_end().lines().last().unwrap_or_default();
    assert!(
        output.status.code() == Some(2)
            && output.stdout.is_empty()
            && last.starts_with("cairn: ")
            && words.iter().all(|word| last.contains(word)),
        "expected {words:?}; {}",
        common::describe(output)
    );
}

/// Compared, with this status, and all of these words on stdout.
#[track_caller]
fn assert_says(output: &Output, status: i32, words: &[&str]) {
    let said = stdout(output);
    assert!(
        output.status.code() == Some(status) && words.iter().all(|word| said.contains(word)),
        "expected {status} and {words:?}; {}",
        common::describe(output)
    );
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is not UTF-8")
}

/// Whether a process here may follow another; a test that needs it says that it is skipped.
fn can_follow() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = *CAN.get_or_init(|| {
        let output =
            compare(&[&TUNED[..], &["--rounds", "1", "--", "sort", "/etc/passwd"]].concat());
        !String::from_utf8_lossy(&output.stderr).contains("ptrace is not permitted")
    });
    if !can {
        common::skip("ptrace is not permitted");
    }
    can
}

/// Two contenders that every machine has.
const TUNED: [&str; 2] = ["--knob", "GLIBC_TUNABLES=,glibc.malloc.tcache_count=0"];

/// A file or directory of one test's own, not there yet. LD_PRELOAD and a shell can name it.
fn fresh(name: &str) -> PathBuf {
    let mut base = common::scratch().to_owned();
    if text(&base).contains(' ') {
        base = std::env::temp_dir();
    }
    let path = base.join(format!("compare-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    let _ = fs::remove_file(&path);
    path
}

fn cc(output: &Path, arguments: &[&str]) {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let made = Command::new(compiler)
        .args(arguments)
        .arg("-o")
        .arg(output)
        .output()
        .expect("no compiler");
    assert!(made.status.success(), "{}", common::describe(&made));
}

/// The server of `server.c`, which is also its client.
fn server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = fresh("server");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compare/server.c");
        cc(&program, &["-fno-builtin", source]);
        program
    })
}

/// A copy of `sort` with these permissions.
fn copy(name: &str, mode: u32) -> PathBuf {
    let program = fresh(name);
    let original = common::find("sort").expect("every system sorts");
    fs::copy(original, &program).expect("a copy");
    fs::set_permissions(&program, Permissions::from_mode(mode)).expect("permissions");
    program
}

#[test]
fn a_program_is_compared_on_every_library_and_the_table_says_what_each_costs() {
    if !can_follow() {
        return;
    }
    let output = compare_cairn(&["--rounds", "8", "--", "sort", "/etc/passwd"]);
    assert_says(
        &output,
        0,
        &[
            "sort /etc/passwd: 8 rounds in ",
            "CPU",
            "wall",
            "peak",
            "final",
            "faults",
        ],
    );
    let said = stdout(&output);
    let line = |start: &str| {
        said.lines()
            .filter(|line| line.trim().starts_with(start))
            .count()
    };
    // A row for each, and for the one that is compared a verdict.
    assert_eq!((line("glibc"), line("cairn")), (1, 2), "{said}");
    assert!(
        said.contains(" 8 rounds can show") || said.contains("cairn takes "),
        "{said}"
    );
}

#[test]
fn two_rounds_are_said_to_be_too_few() {
    if !can_follow() {
        return;
    }
    let output = compare_cairn(&["--rounds", "2", "--", "sort", "/etc/passwd"]);
    assert_says(
        &output,
        0,
        &["cairn: 2 rounds cannot show a difference; 8 are the fewest"],
    );
}

#[test]
fn cairns_library_is_found_beside_the_command() {
    if !can_follow() {
        return;
    }
    let dir = fresh("installed");
    fs::create_dir_all(&dir).expect("a directory");
    let command = dir.join("cairn");
    fs::copy(env!("CARGO_BIN_EXE_cairn"), &command).expect("a copy");
    let run = || {
        let mut command = common::plain(&command);
        command.args(["compare", "--libraries", "glibc,cairn", "--rounds", "1"]);
        common::watch(command.args(["--", "sort", "/etc/passwd"]))
    };
    assert_refused(&run(), &["cairn is not here", "--library cairn=PATH"]);
    fs::copy(common::libcairn(), dir.join("libcairn.so")).expect("a copy");
    assert_says(&run(), 0, &["cairn: 1 round cannot show a difference"]);
}

#[test]
fn a_status_that_is_the_programs_success_is_accepted() {
    if !can_follow() {
        return;
    }
    let arguments = ["--rounds", "1", "--status", "3", "--", "sh", "-c", "exit 3"];
    assert_says(&compare_cairn(&arguments), 0, &["1 round in "]);
}

#[test]
fn another_output_or_another_end_is_reported() {
    if !can_follow() {
        return;
    }
    let output = compare_cairn(&[
        "--rounds",
        "2",
        "--",
        "sh",
        "-c",
        "echo a; echo $LD_PRELOAD",
    ]);
    assert_says(
        &output,
        1,
        &[
            "The output on cairn differs from that on glibc: line 2 is “",
            "and not “libc.so.6”",
        ],
    );
    let output = compare_cairn(&["--rounds", "2", "--", "sh", "-c", "echo $LD_PRELOAD >&2"]);
    assert_says(
        &output,
        1,
        &["The error output on cairn differs from that on glibc: line 1"],
    );

    let output = compare_cairn(&["--rounds", "2", "--", "sh", "-c", "echo $$"]);
    assert_says(
        &output,
        0,
        &["The output is another in each run on glibc, so it is not compared"],
    );

    let script = "case $LD_PRELOAD in *cairn*) exit 4;; esac";
    assert_refused(
        &compare_cairn(&["--rounds", "2", "--", "sh", "-c", script]),
        &[
            "nothing is left to compare with glibc",
            "cairn: it ends otherwise than on glibc: exit status 4",
        ],
    );
}

#[test]
fn the_input_is_the_same_for_every_run() {
    if !can_follow() {
        return;
    }
    let input = fresh("input");
    fs::write(&input, "word\n").expect("an input");
    let script = "read word && test $word = word";
    let arguments = [
        "--rounds",
        "2",
        "--input",
        text(&input),
        "--",
        "sh",
        "-c",
        script,
    ];
    assert_says(&compare_cairn(&arguments), 0, &["2 rounds in "]);
    assert_refused(
        &compare_cairn(&["--input", "/no/such", "--", "sort"]),
        &["--input /no/such"],
    );
}

#[test]
fn settings_of_one_allocator_are_compared_in_the_same_way() {
    if !can_follow() {
        return;
    }
    let arguments = [
        "--rounds",
        "2",
        "--libraries",
        "glibc",
        "--knob",
        "MALLOC_ARENA_MAX=,1,2",
        "--",
        "sh",
        "-c",
        "echo ${MALLOC_ARENA_MAX-none}",
    ];
    let output = compare(&arguments);
    // What each run had is its output.
    assert_says(
        &output,
        1,
        &[
            "The output on MALLOC_ARENA_MAX=1 differs from that on MALLOC_ARENA_MAX unset: line 1 is \
             “1” and not “none”",
            "The output on MALLOC_ARENA_MAX=2 differs",
        ],
    );
}

#[test]
fn json_has_every_run_and_plots_are_drawn() {
    if !can_follow() {
        return;
    }
    let (json, plots) = (fresh("result.json"), fresh("plots"));
    let arguments = [
        "--rounds",
        "8",
        "--json",
        text(&json),
        "--plots",
        text(&plots),
    ];
    let output = compare_cairn(&[&arguments[..], &["--", "sort", "/etc/passwd"]].concat());
    assert_says(&output, 0, &["8 rounds in "]);
    let written = fs::read_to_string(&json).expect("the file");
    let json: Value = serde_json::from_str(&written).expect("it is JSON");
    for library in ["glibc", "cairn"] {
        let costs = json["costs"][library].as_array().expect("its runs");
        assert_eq!(costs.len(), 8);
        assert!(
            costs
                .iter()
                .all(|cost| cost["peak_kib"].as_f64() > Some(100.0))
        );
    }
    let ratios = json["ratios"]["cairn"].as_object().expect("its ratios");
    assert_eq!(ratios.len(), 5);
    let peak = &ratios["peak"];
    assert!(peak["low"].as_f64() <= peak["ratio"].as_f64() && peak["ratio"].is_f64());
    assert_eq!(json["rounds"], 8);
    assert_eq!(json["libraries"][1]["file"], "libcairn.so");
    assert_eq!(json["verdicts"].as_array().map(Vec::len), Some(1));
    for plot in ["figures.svg", "time-and-memory.svg"] {
        let drawn = fs::read_to_string(plots.join(plot)).expect("a plot");
        assert!(
            drawn.starts_with("<svg") && drawn.contains("cairn"),
            "{drawn}"
        );
    }
}
