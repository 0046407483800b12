//! The fast path stays short: instructions of a hot malloc and free pair, counted by callgrind.
//!
//! Unlike time, the count is the same on a busy machine, so it can be a promise.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::Env;

/// What the loop of `pair.c` costs by itself, two calls included.
const LOOP: f64 = 10.0;
/// Pairs in the short and in the long run; the difference is free of start-up and warm-up.
const RUNS: [u64; 2] = [1_000, 21_000];
/// Most instructions a pair of 64 bytes may take. glibc 2.36 takes 129.
const LIMIT: f64 = 48.0;
/// Sizes that are counted beside 64 bytes: runs, their limit, chunks, and glibc's uncached.
const SIZES: [u64; 6] = [16, 64, 128, 200, 512, 2000];

/// Instructions of a whole run, as callgrind collects them.
fn instructions(
    valgrind: &Path,
    pair: &Path,
    count: u64,
    size: u64,
    preload: bool,
    env: Env<'_>,
) -> u64 {
    let mut command: Command = if preload {
        common::preloaded(valgrind)
    } else {
        common::plain(valgrind)
    };
    let output = common::watch(
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(pair)
            .args([count.to_string(), size.to_string()])
            .envs(env.iter().copied()),
    );
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(number) if output.status.success() => number,
        _ => panic!("callgrind: {}", common::describe(&output)),
    }
}

/// Instructions of one pair, the loop taken off.
fn pair_cost(valgrind: &Path, pair: &Path, size: u64, preload: bool, env: Env<'_>) -> f64 {
    let [short, long] = RUNS.map(|count| instructions(valgrind, pair, count, size, preload, env));
    let pairs = RUNS[1] - RUNS[0];
    long.saturating_sub(short) as f64 / pairs as f64 - LOOP
}

#[test]
fn a_hot_pair_of_64_bytes_takes_at_most_48_instructions_and_no_size_more_than_glibc() {
    let Some(valgrind) = common::find("valgrind") else {
        return;
    };
    let pair = common::compile_c("../bench/workloads/pair.c", &["-O2"]);
    println!("instructions of a hot malloc and free pair");
    println!(
        "{:>8} {:>8} {:>8} {:>8}",
        "bytes", "Cairn", "no runs", "glibc"
    );
    let mut failures = Vec::new();
    for size in SIZES {
        let glibc = pair_cost(&valgrind, &pair, size, false, &[]);
        let [runs, chunks] =
            common::MODES.map(|mode| pair_cost(&valgrind, &pair, size, true, mode));
        println!("{size:>8} {runs:>8.1} {chunks:>8.1} {glibc:>8.1}");
        let limit = if size == 64 { LIMIT } else { glibc };
        if runs > limit {
            failures.push(format!("{size} bytes: {runs:.1} above {limit:.1}"));
        }
        if chunks > glibc {
            failures.push(format!(
                "{size} bytes without runs: {chunks:.1} above glibc's {glibc:.1}"
            ));
        }
        // A pair that costs less than the shortest possible one was not counted: the loop's
        // calls alone lead to two returns.
        if runs < 2.0 || chunks < 2.0 || glibc < 2.0 {
            failures.push(format!("{size} bytes: the count is not plausible"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
