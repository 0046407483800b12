//! The bench's own workloads do the same on Cairn as on glibc's malloc: what they write into
//! their objects is what they read back. Short forms, both heap modes; no times.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::workloads::{Workload, compile, manifest, source};

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
            .join("benches/programs/workloads/real")
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
