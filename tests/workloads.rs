//! The bench's own workloads do the same on Cairn as on glibc's malloc: what they write into
//! their objects is what they read back. Short forms, both heap modes; no times.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An entry of the manifest, as far as it matters here.
struct Workload {
    name: String,
    program: String,
    short: Vec<String>,
    /// A program of others, started by a script.
    real: bool,
}

/// What stands in quotes, in the order in which it stands there.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn manifest() -> Vec<Workload> {
    let text = fs::read_to_string(common::root().join("bench/manifest.toml")).expect("no manifest");
    let entries = text.split("[[workload]]").skip(1);
    entries
        .map(|entry| {
            let value = |key: &str| {
                entry
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
                    .unwrap_or_else(|| panic!("no {key} in {entry}"))
            };
            Workload {
                name: quoted(value("name")).concat(),
                program: quoted(value("program")).concat(),
                short: quoted(value("short")),
                real: source(&quoted(value("program")).concat()).is_none(),
            }
        })
        .collect()
}

/// The source of a workload below `bench/workloads`.
fn source(program: &str) -> Option<PathBuf> {
    ["c", "cc", "rs"]
        .map(|ending| {
            common::root()
                .join("bench/workloads")
                .join(program)
                .with_extension(ending)
        })
        .into_iter()
        .find(|path| path.is_file())
}

fn compile(program: &str) -> PathBuf {
    let source = source(program).unwrap_or_else(|| panic!("{program} has no source"));
    let ending = source.extension().and_then(|ending| ending.to_str());
    let relative = |ending| format!("../bench/workloads/{program}.{ending}");
    match ending {
        Some("c") => common::compile_c(&relative("c"), &["-O2"]),
        Some("cc") => common::compile_cxx(&relative("cc"), &["-O2"]),
        _ => compile_rust(&source, program),
    }
}

fn compile_rust(source: &Path, program: &str) -> PathBuf {
    let compiled = common::scratch().join(format!("workload-{program}"));
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "-O", "-o"])
        .arg(&compiled)
        .arg(source)
        .output()
        .expect("no rustc");
    assert!(output.status.success(), "{}", common::describe(&output));
    compiled
}

#[test]
fn each_workload_prints_on_cairn_what_it_prints_on_glibc() {
    let own: Vec<Workload> = manifest().into_iter().filter(|entry| !entry.real).collect();
    assert!(own.len() >= 30, "only {} workloads were read", own.len());
    let mut failures = Vec::new();
    for Workload {
        name,
        program,
        short,
        ..
    } in own
    {
        let compiled = compile(&program);
        let arguments: Vec<&str> = short.iter().map(String::as_str).collect();
        let glibc = common::run_plain(&compiled, &arguments, &[]);
        assert!(
            glibc.status.success() && !glibc.stdout.is_empty(),
            "{name} on glibc: {}",
            common::describe(&glibc)
        );
        for mode in common::MODES {
            let cairn = common::run(&compiled, &arguments, mode);
            if !cairn.status.success() || cairn.stdout != glibc.stdout {
                failures.push(format!("{name}, {mode:?}: {}", common::describe(&cairn)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn each_entry_of_the_manifest_has_a_name_of_its_own_and_a_program() {
    let mut names = Vec::new();
    for entry in manifest() {
        let script = common::root()
            .join("bench/workloads/real")
            .join(format!("{}.sh", entry.program));
        let there = if entry.real {
            script.is_file()
        } else {
            source(&entry.program).is_some()
        };
        assert!(there, "{}: there is no {}", entry.name, entry.program);
        assert!(
            !entry.short.is_empty(),
            "{}: no short form to count",
            entry.name
        );
        names.push(entry.name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is there twice");
}
