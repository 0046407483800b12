//! What the source costs today, in counts: instructions, locks, page faults, peak memory.
//!
//! Unlike times, counts are the same on a busy machine, so they can be promises. Each is compared
//! with `tests/golden.toml`, which `UPDATE_GOLDEN=1` rewrites, and with glibc in the same run. On
//! another kernel, libc, compiler or CPU than the golden figures were taken on, only the second.
// The golden figures are of x86-64; another architecture needs its own.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;
#[path = "counts/golden.rs"]
mod golden;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::Env;
use common::pages::{self, bare};
use golden::Golden;
use toml::Table;

/// What the loop of `pair.c` costs by itself, two calls included.
const LOOP: f64 = 10.0;
/// Turns of the short and of the long run; the difference is free of start-up and warm-up.
const RUNS: [u64; 2] = [1_000, 21_000];
/// Most instructions a pair of 64 bytes may take, whatever the golden says. glibc 2.36 takes 129.
const MOST_AT_64: f64 = 48.0;
/// Most instructions such a pair may take while requests are counted, with the stacks of a few samples
/// spread over twenty thousand pairs.
const MOST_COUNTED: f64 = 175.0;
/// Turns and objects of the program that counts locks.
const TURNS: u32 = 200_000;
const OBJECTS: u32 = 10_000;

/// Instructions of a whole run, as callgrind collects them.
fn instructions(
    valgrind: &Path,
    library: Option<&Path>,
    program: &Path,
    arguments: &[&str],
    env: Env<'_>,
) -> u64 {
    let mut command = bare(valgrind);
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
    }
    let output = common::watch(
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args(arguments)
            .envs(env.iter().copied()),
    );
    after(&output, "Collected :")
        .unwrap_or_else(|| panic!("callgrind: {}", common::describe(&output)))
}

/// The number behind `word` in what a program that succeeded wrote to standard error.
fn after(output: &Output, word: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(&output.stderr);
    let (_, rest) = text.lines().find_map(|line| line.split_once(word))?;
    let number = rest.trim().parse().ok()?;
    output.status.success().then_some(number)
}

/// Instructions of one turn of a program whose first argument is the number of turns.
fn per_turn(
    valgrind: &Path,
    library: Option<&Path>,
    program: &Path,
    what: &str,
    env: Env<'_>,
) -> f64 {
    let [short, long] = RUNS
        .map(|turns| instructions(valgrind, library, program, &[&turns.to_string(), what], env));
    long.saturating_sub(short) as f64 / (RUNS[1] - RUNS[0]) as f64
}

#[test]
fn the_fast_paths_take_the_instructions_they_took() {
    const WITHIN: f64 = 0.5;
    let tried = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"];
    let Some(valgrind) = common::find_working("valgrind", &tried) else {
        return;
    };
    let library = common::libcairn();
    let pair = common::compile_c("../benches/programs/workloads/pair.c", &["-O2"]);
    let calls = common::compile_c("counts/calls.c", &["-O2"]);
    let mut golden = Golden::read(golden::INSTRUCTIONS);
    println!("instructions of a hot malloc and free pair");
    println!("   bytes    Cairn  no runs    glibc");
    for size in ["16", "64", "128", "200", "512", "1000", "2000", "30000"] {
        let glibc = per_turn(&valgrind, None, &pair, size, &[]) - LOOP;
        let [runs, chunks] =
            common::MODES.map(|mode| per_turn(&valgrind, Some(&library), &pair, size, mode) - LOOP);
        println!("{size:>8} {runs:>8.1} {chunks:>8.1} {glibc:>8.1}");
        for (section, figure) in [("instructions.runs", runs), ("instructions.chunks", chunks)] {
            golden.compare(section, size, figure, WITHIN);
            golden.at_most(&format!("[{section}] {size} against glibc"), figure, glibc);
        }
        if size == "64" {
            golden.at_most("a pair of 64 bytes", runs, MOST_AT_64);
        }
        // The loop's two calls alone lead to two returns: less was not counted.
        if runs.min(chunks).min(glibc) < 2.0 {
            golden.fail(format!("{size} bytes: the count is not plausible"));
        }
    }
    for what in [
        "calloc",
        "realloc",
        "free_sized",
        "zero",
        "perturbed",
        "perturbed-thread",
        "destructor",
    ] {
        let figure = per_turn(&valgrind, Some(&library), &calls, what, &[]);
        println!("{what:>16} {figure:.1}");
        golden.compare("instructions.calls", what, figure, WITHIN);
    }
    // Who is a sample is chance, so these have no golden figure.
    for what in ["CAIRN_PROFILE", "CAIRN_GUARD"] {
        let env = [(
            what,
            if what == "CAIRN_GUARD" {
                "8388608"
            } else {
                "1"
            },
        )];
        let figure = per_turn(&valgrind, Some(&library), &pair, "64", &env) - LOOP;
        println!("{what:>16} {figure:.1}");
        golden.at_most("a pair that is counted", figure, MOST_COUNTED);
    }
    golden.done();
}

#[test]
fn the_ways_beside_the_fastest_take_the_instructions_they_took() {
    let Some(valgrind) = common::find("valgrind") else {
        return;
    };
    let library = common::libcairn();
    let pair = common::compile_c("../benches/programs/workloads/pair.c", &["-O2"]);
    let ways = common::compile_c("counts/ways.c", &["-O2"]);
    let mut golden = Golden::read(golden::WAYS);
    for (program, what, rest) in [
        (&pair, "40000", LOOP),
        (&pair, "1000000", LOOP),
        (&ways, "order", 0.0),
        (&ways, "aligned", 0.0),
        (&ways, "doubling", 0.0),
        (&ways, "remote", 0.0),
    ] {
        let figure = per_turn(&valgrind, Some(&library), program, what, &[]) - rest;
        println!("{what:>10} {figure:.1}");
        // What a batch costs is spread over a turn's share of it.
        golden.compare("instructions.ways", what, figure, 0.5 + figure / 100.0);
    }
    golden.done();
}

#[test]
fn locks_are_taken_as_seldom_as_they_were() {
    const WITHIN: f64 = 0.1;
    let library = common::build_libcairn("libcairn-stats", &["--features", "stats"])
        .unwrap_or_else(|errors| panic!("the statistics build does not build:\n{errors}"));
    let replace = common::compile_c(
        "../benches/programs/probes/replace.c",
        &["-O2", "-I", WORKLOADS],
    );
    let mut golden = Golden::read(golden::LOCKS);
    for most in ["128", "1024"] {
        let output = common::watch(
            bare(&replace)
                .args([most, &TURNS.to_string(), &OBJECTS.to_string()])
                .env("LD_PRELOAD", &library)
                .env("CAIRN_VERBOSE", "1"),
        );
        let taken = after(&output, "cairn: locks taken:")
            .unwrap_or_else(|| panic!("no count of locks: {}", common::describe(&output)));
        let figure = taken as f64 * 1000.0 / f64::from(2 * (TURNS + OBJECTS));
        println!("locks per 1,000 operations to {most} bytes: {figure:.2}");
        golden.compare("locks", most, figure, WITHIN);
        let limit = golden.limit("locks.most", most);
        golden.at_most(&format!("locks to {most} bytes"), figure, limit);
    }
    // The registry of mapped chunks is looked into once.
    let mapped = common::compile_c("counts/mapped.c", &["-O2"]);
    let taken = RUNS.map(|turns| {
        let output = common::watch(
            bare(&mapped)
                .arg(turns.to_string())
                .env("LD_PRELOAD", &library)
                .env("CAIRN_VERBOSE", "1"),
        );
        after(&output, "cairn: locks taken:")
            .unwrap_or_else(|| panic!("no count of locks: {}", common::describe(&output)))
    });
    let figure = (taken[1] - taken[0]) as f64 * 1000.0 / (RUNS[1] - RUNS[0]) as f64;
    println!("locks per 1,000 reallocs of a mapped chunk: {figure:.2}");
    golden.compare("locks", "realloc-mapped", figure, WITHIN);
    golden.done();
}

/// Where the workloads' sources and their header are.
const WORKLOADS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/programs/workloads");

/// Name, program and arguments of the short forms in C with one thread. Where there are more,
/// what is touched depends on who runs when; `start` is sixteen processes, and what it counts is
/// mostly the loader's, two faults a process more or less from place to place.
fn workloads() -> Vec<(String, PathBuf, Vec<String>)> {
    let text = fs::read_to_string(common::root().join("benches/programs/manifest.toml"))
        .expect("manifest");
    let manifest: Table = text.parse().expect("the manifest is TOML");
    let entries = manifest["workload"].as_array().expect("workloads");
    let mut found = Vec::new();
    for entry in entries {
        let word = |key: &str| entry[key].as_str().expect("a word").to_owned();
        let source = format!("{}.c", word("program"));
        let text = fs::read_to_string(Path::new(WORKLOADS).join(&source)).unwrap_or_default();
        let alone = !text.is_empty() && !text.contains("pthread_create");
        if !alone || word("program") == "start" {
            continue;
        }
        let short = entry["short"].as_array().expect("short");
        let arguments = short.iter().filter_map(|v| v.as_str().map(str::to_owned));
        let program =
            common::compile_c(&format!("../benches/programs/workloads/{source}"), &["-O2"]);
        found.push((word("name"), program, arguments.collect()));
    }
    assert!(found.len() > 15, "these are not all workloads");
    found
}

#[test]
fn short_forms_touch_the_pages_they_touched() {
    const FAULTS: f64 = 6.0;
    const PEAK: f64 = 8.0;
    let library = common::libcairn();
    let file_kib = fs::metadata(&library).expect("the library").len() as f64 / 1024.0;
    let mut golden = Golden::read(golden::PAGES);
    println!("workload; faults, peak KiB anonymous, of files: Cairn, glibc");
    for (name, program, arguments) in workloads() {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let count = |library| pages::of(library, &program, &arguments, &[]);
        let (Some(cairn), Some(glibc)) = (count(Some(&library)), count(None)) else {
            return;
        };
        println!(
            "{name:<14} {:>6} {:>6} {:>6} {:>8} {:>6} {:>6}",
            cairn.faults, cairn.anonymous, cairn.files, glibc.faults, glibc.anonymous, glibc.files
        );
        if !cairn.same_addresses {
            golden.cannot_hold("addresses are random, and may not be fixed here (personality)");
        }
        golden.compare("faults", &name, cairn.faults, FAULTS);
        golden.compare("peak-kib", &name, cairn.anonymous, PEAK);
        for (kind, cairn, glibc) in [
            ("faults", cairn.faults, glibc.faults),
            ("peak-kib", cairn.anonymous, glibc.anonymous),
        ] {
            let section = format!("{kind}-to-glibc");
            let most = golden.limit(&section, &name);
            let beside = golden.limit(&section, "beside");
            let what = format!("[{section}] {name}, glibc {glibc}");
            golden.at_most(&what, cairn, most * glibc + beside);
        }
        // At most the whole library, and what the kernel maps of others.
        let most = glibc.files + file_kib + cairn.error_of_files();
        golden.at_most(&format!("{name}: KiB of files"), cairn.files, most);
    }
    golden.done();
}
