//! What the source costs today, in counts: instructions, locks, page faults, peak memory.
//!
//! Unlike times, counts are the same on a busy machine, so they can be promises. Each is compared
//! with `tests/golden.toml`, which `UPDATE_GOLDEN=1` rewrites, and with glibc in the same run.
// The golden figures are of x86-64; another architecture needs its own.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use common::Env;
use toml::Table;

/// What the loop of `pair.c` costs by itself, two calls included.
const LOOP: f64 = 10.0;
/// Turns of the short and of the long run; the difference is free of start-up and warm-up.
const RUNS: [u64; 2] = [1_000, 21_000];
/// Most instructions a pair of 64 bytes may take, whatever the golden says. glibc 2.36 takes 129.
const MOST_AT_64: f64 = 48.0;
/// Turns and objects of the program that counts locks.
const TURNS: u32 = 200_000;
const OBJECTS: u32 = 10_000;

/// The whole file, and what differs from it.
struct Golden {
    table: Table,
    failures: Vec<String>,
    measured: Vec<(String, String, f64)>,
}

fn golden_path() -> PathBuf {
    common::root().join("tests/golden.toml")
}

fn number(table: &Table, section: &str, key: &str) -> Option<f64> {
    let section = section
        .split('.')
        .try_fold(table, |table, name| table.get(name)?.as_table())?;
    let value = section.get(key)?;
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

impl Golden {
    fn read() -> Self {
        let text = fs::read_to_string(golden_path()).expect("tests/golden.toml");
        Self {
            table: text.parse().expect("tests/golden.toml is TOML"),
            failures: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// A limit that stands in the file and is never rewritten.
    fn limit(&self, section: &str, key: &str) -> f64 {
        number(&self.table, section, key)
            .or_else(|| number(&self.table, section, "otherwise"))
            .unwrap_or_else(|| panic!("tests/golden.toml has no [{section}] {key}"))
    }

    /// A figure above its golden fails; so does one below, as the next rise would hide in it.
    fn compare(&mut self, section: &str, key: &str, figure: f64, within: f64) {
        self.measured
            .push((section.to_owned(), key.to_owned(), figure));
        let Some(golden) = number(&self.table, section, key) else {
            self.fail(format!("[{section}] {key}: {figure:.1}, without a golden"));
            return;
        };
        if figure > golden + within {
            self.fail(format!(
                "[{section}] {key}: {figure:.1}, above the golden {golden:.1} by more than {within:.1}"
            ));
        } else if figure < golden - within {
            self.fail(format!(
                "[{section}] {key}: {figure:.1}, below the golden {golden:.1} by more than {within:.1}: lower it"
            ));
        }
    }

    fn at_most(&mut self, what: &str, figure: f64, most: f64) {
        if figure > most {
            self.fail(format!("{what}: {figure:.1}, above {most:.1}"));
        }
    }

    fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    /// Rewrites the numbers if that was asked for, and fails with all that differs if not.
    fn done(self) {
        if env::var_os("UPDATE_GOLDEN").is_some_and(|update| update == "1") {
            self.rewrite();
            return;
        }
        assert!(
            self.failures.is_empty(),
            "tests/golden.toml says how to change a golden figure\n{}",
            self.failures.join("\n")
        );
    }

    /// Each line keeps all but its number, so comments stay. The tests of this file run at once.
    fn rewrite(&self) {
        static FILE: Mutex<()> = Mutex::new(());
        let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
        let text = fs::read_to_string(golden_path()).expect("tests/golden.toml");
        let mut section = String::new();
        let mut fresh = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.split(']').next().unwrap_or_default().to_owned();
            }
            let measured = line.split_once(" = ").and_then(|(key, rest)| {
                let of_line = |m: &&(String, String, f64)| m.0 == section && m.1 == key;
                let (_, _, figure) = self.measured.iter().find(of_line)?;
                let comment = rest.find(" #").map_or("", |at| &rest[at..]);
                // As exact as the comparison needs, and no more.
                Some(format!(
                    "{key} = {}{comment}",
                    (figure * 10.0).round() / 10.0
                ))
            });
            fresh.push_str(measured.as_deref().unwrap_or(line));
            fresh.push('\n');
        }
        fs::write(golden_path(), fresh).expect("tests/golden.toml cannot be written");
    }
}

/// A command whose environment is the same everywhere.
fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    // Where valgrind is not in the place it was built for.
    if let Some(place) = env::var_os("VALGRIND_LIB") {
        command.env("VALGRIND_LIB", place);
    }
    command
}

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
    let Some(valgrind) = common::find("valgrind") else {
        return;
    };
    let library = common::libcairn();
    let pair = common::compile_c("../bench/workloads/pair.c", &["-O2"]);
    let calls = common::compile_c("counts/calls.c", &["-O2"]);
    let mut golden = Golden::read();
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
    for what in ["calloc", "realloc", "free_sized"] {
        let figure = per_turn(&valgrind, Some(&library), &calls, what, &[]);
        println!("{what:>10} {figure:.1}");
        golden.compare("instructions.calls", what, figure, WITHIN);
    }
    golden.done();
}

#[test]
fn the_ways_beside_the_fastest_take_the_instructions_they_took() {
    let Some(valgrind) = common::find("valgrind") else {
        return;
    };
    let library = common::libcairn();
    let pair = common::compile_c("../bench/workloads/pair.c", &["-O2"]);
    let ways = common::compile_c("counts/ways.c", &["-O2"]);
    let mut golden = Golden::read();
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
    let replace = common::compile_c("../bench/probes/replace.c", &["-O2", "-I", WORKLOADS]);
    let mut golden = Golden::read();
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
    golden.done();
}

/// Where the workloads' sources and their header are.
const WORKLOADS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/workloads");

/// Minor page faults and peak KiB of one run.
fn pages(spawn: &Path, library: Option<&Path>, program: &Path, arguments: &[&str]) -> [f64; 2] {
    let preload = library.map_or(OsStr::new(""), Path::as_os_str);
    let mut command = bare(spawn);
    // No epoch ends: whether pages went back and came again would hang on how fast the machine is.
    command.env("CAIRN_PURGE_DELAY", "3600000");
    let output = common::watch(command.arg(preload).arg(program).args(arguments));
    let text = String::from_utf8_lossy(&output.stderr);
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(faults)), Some(Ok(peak)), None) if output.status.success() => [faults, peak],
        _ => panic!("{}: {}", program.display(), common::describe(&output)),
    }
}

/// Name, program and arguments of the short forms in C with one thread. Where there are more,
/// what is touched depends on who runs when; `start` is sixteen processes, and what it counts is
/// mostly the loader's, two faults a process more or less from place to place.
fn workloads() -> Vec<(String, PathBuf, Vec<String>)> {
    let text = fs::read_to_string(common::root().join("bench/manifest.toml")).expect("manifest");
    let manifest: Table = text.parse().expect("the manifest is TOML");
    let entries = manifest["workload"].as_array().expect("workloads");
    let mut found = Vec::new();
    for entry in entries {
        let word = |key: &str| entry[key].as_str().expect("a word").to_owned();
        let source = format!("{}.c", word("program"));
        let alone = word("group") == "small" || word("group") == "large";
        let alone = alone && word("program") != "start";
        if !alone || !Path::new(WORKLOADS).join(&source).is_file() {
            continue;
        }
        let short = entry["short"].as_array().expect("short");
        let arguments = short.iter().filter_map(|v| v.as_str().map(str::to_owned));
        let program = common::compile_c(&format!("../bench/workloads/{source}"), &["-O2"]);
        found.push((word("name"), program, arguments.collect()));
    }
    assert!(found.len() > 15, "these are not all workloads");
    found
}

#[test]
fn short_forms_touch_the_pages_they_touched() {
    const FAULTS: f64 = 6.0;
    const PEAK: f64 = 16.0;
    let library = common::libcairn();
    let spawn = common::compile_c("counts/spawn.c", &[]);
    let mut golden = Golden::read();
    println!("workload, faults, peak KiB; glibc's faults, peak KiB");
    for (name, program, arguments) in workloads() {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let cairn = pages(&spawn, Some(&library), &program, &arguments);
        let glibc = pages(&spawn, None, &program, &arguments);
        println!("{name:<14} {cairn:?} {glibc:?}");
        let kinds = [("faults", FAULTS), ("peak-kib", PEAK)];
        for ((kind, within), (cairn, glibc)) in kinds.into_iter().zip(cairn.into_iter().zip(glibc))
        {
            golden.compare(kind, &name, cairn, within);
            let section = format!("{kind}-to-glibc");
            let most = golden.limit(&section, &name);
            let beside = golden.limit(&section, "beside");
            let what = format!("[{section}] {name}, glibc {glibc}");
            golden.at_most(&what, cairn, most * glibc + beside);
        }
    }
    golden.done();
}
