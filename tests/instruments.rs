//! Programs under the instruments that look into a heap, or serve it themselves: what they find on
//! glibc they find with the library preloaded, and about correct programs they say nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::Env;

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// An instrument that can start something here.
fn instrument(name: &str, options: &[&str]) -> Option<PathBuf> {
    common::find_working(name, &[options, &["true"]].concat())
}

const MEMCHECK: [&str; 4] = [
    "--tool=memcheck",
    "--leak-check=full",
    "--show-leak-kinds=all",
    "--error-exitcode=9",
];

#[test]
fn memcheck_finds_what_it_finds_on_glibc() {
    let Some(valgrind) = instrument("valgrind", &MEMCHECK) else {
        return;
    };
    let program = common::compile_c("instruments/memcheck.c", &[]);
    let found = |mut command: Command| {
        let output = common::watch(command.args(MEMCHECK).arg(&program));
        let said = said(&output);
        [
            "Invalid write",
            "Invalid read",
            "definitely lost in loss",
            "ERROR SUMMARY: 3 errors",
        ]
        .map(|error| said.matches(error).count())
    };
    assert_eq!(found(common::plain(&valgrind)), [1, 1, 1, 1]);
    assert_eq!(found(common::preloaded(&valgrind)), [1, 1, 1, 1]);
}

/// What valgrind does not replace would take its pointers for damage, and give it pointers that it
/// takes for damage.
#[test]
fn a_correct_program_that_uses_every_function_is_clean_under_valgrind() {
    let functions = common::compile_c("instruments/every_function.c", &[]);
    let operators = common::compile_cxx("instruments/every_operator.cc", &[]);
    let Some(valgrind) = instrument("valgrind", &MEMCHECK) else {
        return;
    };
    // One that leaves the heap to Cairn, and tools that serve it.
    let tools = [
        &["--tool=none"][..],
        &MEMCHECK,
        &["--tool=helgrind", "--error-exitcode=9"],
    ];
    for options in tools
        .into_iter()
        .take(if common::is_long() { 3 } else { 2 })
    {
        for (program, line) in [(&functions, "32 functions\n"), (&operators, "every form\n")] {
            let mut command = common::preloaded(&valgrind);
            let output = common::watch(command.args(options).arg(program));
            let clean = output.status.success() && output.stdout == line.as_bytes();
            assert!(clean, "{options:?}: {}", common::describe(&output));
            if options[0] == MEMCHECK[0] {
                let said = said(&output);
                let no_leak = said.contains("All heap blocks were freed");
                assert!(
                    no_leak && said.contains("ERROR SUMMARY: 0 errors"),
                    "{said}"
                );
            }
        }
    }
}

/// A compiler and how it links a sanitizer's runtime.
struct Compiler {
    name: &'static str,
    /// Whether the runtime is a library, behind whatever is preloaded.
    shared: bool,
}

/// In the short form each sanitizer is that of one: gcc's for addresses and threads.
const COMPILERS: [Compiler; 2] = [
    Compiler {
        name: "gcc",
        shared: true,
    },
    Compiler {
        name: "clang",
        shared: false,
    },
];

/// `clang`, or the newest that is there under a name with its version.
fn compiler(name: &str) -> Option<PathBuf> {
    let versions = (11..30).rev().map(|version| format!("{name}-{version}"));
    let found = std::iter::once(name.to_owned())
        .chain(versions)
        .find_map(|name| {
            std::env::split_paths(&std::env::var_os("PATH")?)
                .map(|dir| dir.join(&name))
                .find(|path| path.is_file())
        });
    if found.is_none() {
        common::skip(&format!("{name} is not installed"));
    }
    found
}

/// `sanitized.c` made by `compiler`; `None` where that has no runtime for the sanitizer.
fn sanitized(compiler: &Path, name: &str, sanitizer: &str) -> Option<PathBuf> {
    let program = common::scratch().join(format!("sanitized-{name}-{sanitizer}"));
    let output = common::watch(
        common::plain(compiler)
            .args(["-O0", "-g", "-fno-builtin", "-pthread"])
            .arg(format!("-fsanitize={sanitizer}"))
            .arg("-I")
            .arg(common::root().join("c-tests"))
            .arg(common::root().join("c-tests/instruments/sanitized.c"))
            .arg("-o")
            .arg(&program),
    );
    if !output.status.success() {
        common::skip(&format!("{name} -fsanitize={sanitizer}: {}", said(&output)));
        return None;
    }
    Some(program)
}

/// The runtime before the library, as README has it, where the compiler makes it a library.
fn preload(compiler: &Path, shared: bool, runtime: &str) -> OsString {
    let mut libraries = OsString::new();
    if shared {
        let output =
            common::watch(common::plain(compiler).arg(format!("-print-file-name=lib{runtime}.so")));
        libraries.push(String::from_utf8_lossy(&output.stdout).trim());
        libraries.push(":");
    }
    libraries.push(common::libcairn());
    libraries
}

/// Runs the program with and without the library for each of `cases`, an argument and what the
/// sanitizer says then; nothing where nothing is wrong.
fn behaves_as_without(sanitizer: &str, runtime: &str, env: Env<'_>, cases: &[(&str, &str)]) {
    let of_clang = usize::from(["leak", "undefined"].contains(&sanitizer));
    let few = of_clang..=of_clang;
    let compilers = &COMPILERS[if common::is_long() { 0..=1 } else { few }];
    for &Compiler { name, shared } in compilers {
        let Some(compiler) = compiler(name) else {
            continue;
        };
        let Some(program) = sanitized(&compiler, name, sanitizer) else {
            continue;
        };
        let libraries = preload(&compiler, shared, runtime);
        for (what, report) in cases {
            let run = |libraries: &OsStr| {
                let mut command = common::plain(&program);
                command.arg(what).env("LD_PRELOAD", libraries);
                common::watch(command.envs(env.iter().copied()))
            };
            let [without, with] = [run(OsStr::new("")), run(&libraries)];
            for output in [&without, &with] {
                let text = said(output);
                let right = if report.is_empty() {
                    output.status.success() && text == "done\n"
                } else {
                    text.contains(report)
                };
                assert!(
                    right,
                    "{name} {sanitizer} {what}: {}",
                    common::describe(output)
                );
            }
            assert_eq!(
                without.status.code(),
                with.status.code(),
                "{name} {sanitizer} {what}"
            );
        }
    }
}

#[test]
fn address_sanitizer_finds_what_it_finds_without() {
    let cases = [
        ("clean", ""),
        ("leak", "detected memory leaks"),
        ("overflow", "heap-buffer-overflow"),
        ("after-free", "heap-use-after-free"),
        ("twice", "double-free"),
    ];
    behaves_as_without(
        "address",
        "asan",
        &[("ASAN_OPTIONS", "detect_leaks=1")],
        &cases,
    );
}

#[test]
fn leak_sanitizer_finds_what_it_finds_without() {
    behaves_as_without(
        "leak",
        "lsan",
        &[],
        &[("clean", ""), ("leak", "detected memory leaks")],
    );
}

#[test]
fn thread_sanitizer_finds_what_it_finds_without() {
    let cases = [
        ("clean", ""),
        ("race", "data race"),
        ("after-free", "heap-use-after-free"),
    ];
    behaves_as_without("thread", "tsan", &[], &cases);
}

#[test]
fn undefined_behaviour_sanitizer_finds_what_it_finds_without() {
    let cases = [("clean", ""), ("undefined", "signed integer overflow")];
    behaves_as_without("undefined", "ubsan", &[], &cases);
}

/// gdb stops in the library's own functions, by name.
#[test]
fn gdb_stops_at_malloc_and_goes_back_to_who_called() {
    let Some(gdb) = instrument("gdb", &["--batch", "--nx"]) else {
        return;
    };
    let program = common::compile_c("instruments/every_function.c", &[]);
    let mut command = common::plain(&gdb);
    command.args(["--batch", "--nx", "-iex", "set debuginfod enabled off"]);
    command.args(["-iex", "set startup-with-shell off", "-ex"]);
    command.arg(format!(
        "set environment LD_PRELOAD {}",
        common::libcairn().display()
    ));
    for step in [
        "break main",
        "run",
        "break reallocarray",
        "continue",
        "backtrace 3",
        "info symbol $pc",
    ] {
        command.args(["-ex", step]);
    }
    let output = common::watch(command.arg(&program));
    let said = said(&output);
    let stops = said.contains("reallocarray in section .text of") && said.contains("libcairn.so");
    assert!(stops && said.contains("in each_size"), "{said}");
}

#[test]
fn ltrace_names_the_calls() {
    let Some(ltrace) = instrument("ltrace", &["-c", "-o", "/dev/null"]) else {
        return;
    };
    let program = common::compile_c("instruments/memcheck.c", &[]);
    let mut command = common::preloaded(&ltrace);
    let output = common::watch(command.args(["-e", "malloc+free"]).arg(&program));
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        ["malloc(50)", "malloc(40)", "malloc(30)", "free("].map(|call| said.matches(call).count()),
        [1, 1, 1, 2],
        "{said}"
    );
}

/// Its library counts calls and hands them on, to Cairn here. It does not know `reallocarray`, and
/// sees glibc's only because that calls `realloc`; Cairn's calls no other symbol (docs/testing.md).
#[test]
fn heaptrack_counts_what_it_counts_on_glibc() {
    let Some(heaptrack) = common::find("heaptrack") else {
        return;
    };
    let program = common::compile_c("instruments/sanitized.c", &[]);
    let counted = |name: &str, mut command: Command| {
        let out = common::scratch().join(format!("heaptrack-{name}"));
        let output = common::watch(
            command
                .arg("-o")
                .arg(&out)
                .arg(&program)
                .arg("without-arrays"),
        );
        assert!(output.status.success(), "{}", common::describe(&output));
        said(&output)
            .lines()
            // Which ones are temporary depends on how the two threads take turns.
            .filter(|line| line.contains("allocations:") && !line.contains("temporary"))
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let on_glibc = counted("glibc", common::plain(&heaptrack));
    let on_cairn = counted("cairn", common::preloaded(&heaptrack));
    assert!(on_glibc.len() >= 2, "{on_glibc:?}");
    assert_eq!(on_cairn, on_glibc);
}

/// The profiler itself stays on glibc.
#[test]
fn perf_records_a_program() {
    let data = common::scratch().join("perf.data");
    let place = data.to_str().expect("a path in UTF-8");
    let record = ["record", "--quiet", "-e", "task-clock", "-o", place];
    let Some(perf) = instrument("perf", &record) else {
        return;
    };
    // Most of its time is Cairn's, so that samples fall there.
    let program = common::compile_c("../benches/programs/workloads/pair.c", &["-O2"]);
    let mut command = common::plain(&perf);
    command.args(record).arg("env");
    command.arg(format!("LD_PRELOAD={}", common::libcairn().display()));
    let output = common::watch(command.arg(&program).args(["64", "30000000"]));
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("checksum"),
        "{}",
        common::describe(&output)
    );
    let output =
        common::watch(common::plain(&perf).args(["report", "--stdio", "--sort=dso", "-i", place]));
    assert!(
        said(&output).contains("libcairn.so"),
        "{}",
        common::describe(&output)
    );
}
