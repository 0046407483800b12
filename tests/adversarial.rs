//! No cliffs: what an operation costs does not grow with what the program did before.
//!
//! Each case of `benches/programs/workloads/adversarial` at once and at sixteen times its size: page faults,
//! system calls, memory, and where somebody has to look for something instructions, each per
//! operation. Counts only; `bench adversarial` has the times.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::pages::bare;
use common::{CANNOT, Env};

/// How a count may grow from once to sixteen times the size.
const GROWTH: f64 = 1.25;
/// How what is as on glibc may exceed that.
const OF_GLIBC: f64 = 1.1;
/// No epoch ends: what goes back would hang on how fast the machine is.
const NO_EPOCHS: (&str, &str) = ("CAIRN_PURGE_DELAY", "4294967295");

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Minor page faults.
    Faults,
    /// System calls about memory.
    Calls,
    /// Of those the most between two laps: by one call of the program.
    Lap,
    /// KiB that they gave back, likewise.
    LapKib,
    /// KiB of anonymous memory beyond what is live.
    Memory,
    /// By callgrind.
    Instructions,
}

use Kind::{Calls, Faults, Instructions, Lap, LapKib, Memory};

impl Kind {
    /// What a run may have more, whatever its size: of a start, of a batch, of a cache that fills.
    fn beside(self) -> f64 {
        match self {
            Faults => 200.0,
            Calls => 24.0,
            // Ranges of a batch, and the advice about the huge page around each.
            Lap => 96.0,
            // A batch, with the states and the maps of what it is of.
            LapKib => 6144.0,
            Memory => 1536.0,
            Instructions => 0.0,
        }
    }
}

/// What is as on glibc at sixteen times the size, however it grows: a heap that doubles does so at
/// any size.
const AS_ON_GLIBC: &[(&str, &[Kind])] = &[
    ("hole", &[Faults, Calls, Memory]),
    ("hole_two", &[Faults, Calls, Memory]),
    ("second_peak", &[Faults, Calls, Memory]),
    ("hidden_fit", &[Faults, Calls, Memory]),
    ("hidden_aligned", &[Faults, Calls, Memory]),
    ("hidden_slot", &[Faults, Calls, Memory]),
    ("sparse", &[Memory]),
    ("far_aligned", &[Faults, Memory]),
    ("stale_sparse", &[Faults]),
    ("shrunk", &[Faults, Memory]),
    ("steps", &[Faults, Calls, Memory]),
    ("above", &[Faults, Calls, Memory]),
    ("wave", &[Faults, Calls, Memory]),
    ("portions", &[Faults, Calls, Memory]),
];

/// What is worse at sixteen times the size, or than on glibc at any: the case, what of it, and the
/// most an operation may take at sixteen times. Nothing comes in without its reason, and no figure
/// rises.
const KNOWN: &[(&str, Kind, f64)] = &[
    // A place in the registry for each of 16,000 mapped chunks, in 500 operations.
    ("stuck", Memory, 8.5),
    // Half of the peak goes back while it is freed, in batches.
    ("comb", Calls, 0.004),
    // Below a MiB nothing goes back; above, a few calls for each, by how fast the machine is.
    ("idle", Calls, 8.0),
    // What waits in the quarantine is a part of what is live.
    ("checked_frees", Faults, 0.3),
    ("checked_frees", Memory, 1.8),
    // A call for each hole, and the more of them the slower the machine is.
    ("longest_call", Calls, 1.1),
    // What two empty slots were serves a request; at once the heap has room.
    ("much_dissolves", Instructions, 22_000.0),
    // A step for each 64 KiB of a chunk that is cut or released: of one of 32 MB.
    ("long_pair", Instructions, 76_000.0),
    // One call merges a bounded part of what waits, at once all.
    ("much_waits", Instructions, 755_000.0),
    // Holes of 3 KB in 64 MB that a trim leaves, since chunks of one class lie side by side.
    ("misfits", Memory, 34.0),
    // Copies of what is longer.
    ("turns", Instructions, 850.0),
    // A batch has a few objects of each of 16 arenas, which are all visited.
    ("arenas", Instructions, 275.0),
    // Slots with one survivor serve no chunk, and regions with one are no slots: the heap doubles,
    // until pages go back.
    ("survivors_then_chunks", Faults, 0.5),
    ("survivors_then_chunks", Memory, 2.5),
    ("chunks_then_objects", Faults, 0.075),
    ("chunks_then_objects", Memory, 0.33),
    // Sizes at an alignment are rounded to it: small objects on pages have a page each.
    ("small_on_pages", Faults, 1.1),
    ("small_on_pages", Memory, 2.4),
    // A trim takes what a cache holds, and with it the pages of the next pair.
    ("trim_between", Faults, 3.2),
    ("trim_between", Calls, 3.2),
    // A cache, a strip and a slot's page for each thread.
    ("there", Faults, 11.5),
    ("there", Memory, 48.0),
    // A class above 4.5 KiB keeps one freed chunk: the next goes to the arena.
    ("comb", Instructions, 2_050.0),
    // Some thirty chunks of twelve bins are looked at for one that lies right.
    ("misfits", Instructions, 24_500.0),
];

/// The same where runs serve nobody: what a chunk loses serves small requests there, and this case makes
/// none.
const KNOWN_WITHOUT_RUNS: &[(&str, Kind, f64)] =
    &[("shrunk", Faults, 0.26), ("shrunk", Memory, 0.45)];

/// Who reads the page finds each of them, with its bound and its reason.
#[test]
fn what_is_known_to_cost_more_stands_in_the_documents() {
    let page =
        std::fs::read_to_string(common::root().join("docs/benchmarks.md")).expect("the page");
    let (_, known) = page
        .split_once("\n## Known to cost more\n")
        .expect("a section of these");
    let all = KNOWN.iter().chain(KNOWN_WITHOUT_RUNS);
    let rows = all.map(|(case, kind, most)| {
        let name = match kind {
            Faults => "page faults",
            Calls => "system calls",
            Lap => "system calls in one call",
            LapKib => "KiB given back by one call",
            Memory => "KiB of memory",
            Instructions => "instructions",
        };
        (format!("| `{case}` | {name} |"), format!("| {most} |"))
    });
    let lost: Vec<_> = rows
        .filter(|(begin, most)| {
            let mut lines = known.lines();
            !lines.any(|line| line.starts_with(begin) && line.contains(most))
        })
        .collect();
    assert!(lost.is_empty(), "not in docs/benchmarks.md: {lost:?}");
}

/// Both heap modes in the long form, else the usual one.
fn modes() -> &'static [Env<'static>] {
    &common::MODES[..if common::is_long() { 2 } else { 1 }]
}

/// What a case did.
struct Run {
    operations: f64,
    counts: Vec<(Kind, f64)>,
}

/// A case, and the program that has it.
type Case = (PathBuf, String);

/// The cases that `wanted` names: all in the long form, else every second one, the same in every run.
fn cases(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut all = Vec::new();
    for name in ["back", "calls", "fit", "growth", "threads"] {
        let source = format!("../benches/programs/workloads/adversarial/{name}.c");
        let program = common::compile_c(&source, &["-O2"]);
        let output = common::run_plain(&program, &["list"], &[]);
        for case in String::from_utf8_lossy(&output.stdout).lines() {
            if wanted(case) {
                all.push((program.clone(), case.to_owned()));
            }
        }
    }
    let step = if common::is_long() { 1 } else { 2 };
    all.into_iter().step_by(step).collect()
}

/// What `hold` says of each case, several at a time; nothing, where they cannot be run.
fn failures(cases: &[Case], hold: impl Fn(&Case) -> Option<Vec<String>> + Sync) -> Vec<String> {
    assert!(cases.len() > 5, "{} cases", cases.len());
    let all = common::each_in_parallel(cases, hold);
    all.into_iter().flatten().flatten().collect()
}

/// Variables of a case: those of check mode are about that, and some need their epochs.
fn variables(case: &str) -> Vec<(&'static str, &'static str)> {
    let of_epochs = ["hole", "hole_two", "longest_call", "idle", "survivors"];
    let mut all = Vec::new();
    if !of_epochs.contains(&case) {
        all.push(NO_EPOCHS);
    }
    if ["byte_by_byte", "checked_frees"].contains(&case) {
        // The stacks of each object, which have a bound of their own, are not what these are about.
        all.extend([("MALLOC_CHECK_", "3"), ("CAIRN_CHECK_STACKS", "0")]);
    }
    all
}

fn numbers(text: &[u8]) -> Vec<f64> {
    let text = String::from_utf8_lossy(text);
    text.split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect()
}

/// One run; `None`, after saying why, where it cannot be followed.
fn follow(
    library: Option<&Path>,
    program: &Path,
    case: &str,
    factor: &str,
    mode: Env<'_>,
) -> Option<Run> {
    let preload = library.map_or(OsStr::new(""), Path::as_os_str);
    let mut command = bare(common::compile_c("counts/between.c", &[]));
    command.envs(variables(case)).envs(mode.iter().copied());
    let output = common::watch(command.arg(preload).arg(program).args([case, factor]));
    if output.status.code() == Some(CANNOT) {
        common::skip(String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    let whole = || panic!("{case} {factor}: {}", common::describe(&output));
    let [operations, faults, _micros, kib, _space] = numbers(&output.stdout)[..] else {
        whole()
    };
    let [calls, _given, lap, lap_kib] = numbers(&output.stderr)[..] else {
        whole()
    };
    Some(Run {
        operations,
        counts: vec![
            (Faults, faults),
            (Calls, calls),
            (Lap, lap),
            (LapKib, lap_kib),
            (Memory, kib),
        ],
    })
}

/// Instructions of the measured part.
fn instructions(
    valgrind: &Path,
    library: Option<&Path>,
    program: &Path,
    case: &str,
    factor: &str,
) -> Run {
    let mut command = bare(valgrind);
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
    }
    command.envs(variables(case));
    let output = common::watch(
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=adversarial_operate")
            .arg(program)
            .args([case, factor]),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| {
        let (_, count) = line.split_once("Collected :")?;
        count.trim().parse().ok()
    });
    let operations = numbers(&output.stdout).first().copied();
    match (counted, operations) {
        (Some(counted), Some(operations)) => Run {
            operations,
            counts: vec![(Instructions, counted)],
        },
        _ => panic!("{case} {factor}: {}", common::describe(&output)),
    }
}

fn is_as_on_glibc(case: &str, kind: Kind) -> bool {
    AS_ON_GLIBC
        .iter()
        .any(|(name, kinds)| *name == case && kinds.contains(&kind))
}

/// Holds a case against the rule: an operation at sixteen times the size costs what it cost, or no
/// more than on glibc, or what is known of it.
fn hold(
    case: &str,
    mode: Env<'_>,
    [once, more]: &[Run; 2],
    glibc: &Run,
    failures: &mut Vec<String>,
) {
    for (((kind, small), (_, large)), (_, theirs)) in
        once.counts.iter().zip(&more.counts).zip(&glibc.counts)
    {
        // A lap is one operation already.
        let each = |count: f64, run: &Run| match kind {
            Lap | LapKib => count,
            _ => count.max(0.0) / run.operations,
        };
        let (at_once, at_more) = (each(*small, once), each(*large, more));
        let beside = each(kind.beside(), more);
        let of_glibc = each(*theirs, glibc);
        // Tags, states and records are a few per cent of what waits to be used again.
        let near_glibc = OF_GLIBC * of_glibc + beside;
        let without = if mode.is_empty() {
            &[]
        } else {
            KNOWN_WITHOUT_RUNS
        };
        let mut all = KNOWN.iter().chain(without);
        let known = all.find(|(name, k, _)| *name == case && k == kind);
        let most = match known {
            Some((_, _, most)) => *most,
            None if is_as_on_glibc(case, *kind) => near_glibc,
            None if *kind == Memory => (GROWTH * at_once + beside).max(near_glibc),
            None => (GROWTH * at_once + beside).max(of_glibc),
        };
        let line = format!(
            "{case:<24} {kind:?}: {at_once:.3} at once, {at_more:.3} at 16 times, glibc {:.3}",
            each(*theirs, glibc)
        );
        println!("{line}");
        if at_more > most {
            failures.push(format!("{line}; at most {most:.3}"));
        }
    }
}

#[test]
fn pages_calls_and_memory_of_an_operation_do_not_grow_with_the_size_of_the_case() {
    let library = common::libcairn();
    // Made before several want it.
    common::compile_c("counts/between.c", &[]);
    let failures = failures(&cases(|_| true), |(program, case)| {
        let run = |library, factor, mode| follow(library, program, case, factor, mode);
        let glibc = run(None, "16", &[])?;
        let mut failures = Vec::new();
        for mode in modes() {
            let once = run(Some(&library), "1", mode)?;
            let more = run(Some(&library), "16", mode)?;
            let before = failures.len();
            hold(case, mode, &[once, more], &glibc, &mut failures);
            for failure in failures.iter_mut().skip(before) {
                failure.push_str(&format!("; mode {mode:?}"));
            }
        }
        Some(failures)
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Cases in which somebody looks for something, and that valgrind can run: it has no address space
/// for some, and its break is short.
const LOOKED_FOR: &[&str] = &[
    "hole_two",
    "trim_in_vain",
    "registry",
    "holes",
    "long_pair",
    "much_waits",
    "much_dissolves",
    "much_rests",
    "misfits",
    "rotation",
    "wave",
    "seldom",
    "deep_tree",
    "comb",
    "turns",
    "beside",
    "byte_by_byte",
    "checked_frees",
    "arenas",
];

#[test]
fn what_is_looked_for_is_found_in_as_many_instructions_however_much_there_is() {
    let tried = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"];
    let Some(valgrind) = common::find_working("valgrind", &tried) else {
        return;
    };
    let library = common::libcairn();
    let wanted = cases(|case| LOOKED_FOR.contains(&case));
    let failures = failures(&wanted, |(program, case)| {
        let count = |library, factor| instructions(&valgrind, library, program, case, factor);
        let runs = ["1", "16"].map(|factor| count(Some(library.as_path()), factor));
        let glibc = count(None, "16");
        let mut failures = Vec::new();
        hold(case, &[], &runs, &glibc, &mut failures);
        Some(failures)
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
