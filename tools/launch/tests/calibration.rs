//! glibc against glibc on recorded timings: at most 5 of 100 comparisons find a difference.
//!
//! The files of `recorded/` are from `cargo run -p bench --release -- calibrate --record FILE
//! WORKLOAD`: runs on glibc in the order in which they were made, on two CPUs that compilers shared.
//! A line is a run: CPU and wall time in microseconds, peak and final memory in KiB, page faults.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

use std::fs;
use std::path::Path;

use launch::rounds::{Limits, compare};
use launch::runs::{Cost, Runs};

const NAMES: [&str; 2] = ["glibc", "glibc again"];

fn recorded() -> Vec<Vec<Cost>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("recorded timings")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("recorded timings");
            text.lines().map(run).collect()
        })
        .collect()
}

fn run(line: &str) -> Cost {
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [cpu, wall, peak_kib, final_kib, faults] = numbers[..] else {
        panic!("not five numbers: {line}");
    };
    Cost {
        cpu: cpu / 1e6,
        wall: wall / 1e6,
        peak_kib,
        final_kib,
        faults,
    }
}

/// Comparisons of each kind.
const COMPARISONS: usize = 400;
/// Runs that are taken as they followed one another: four rounds.
const BLOCK: usize = 8;

/// How many of [`COMPARISONS`] find a difference in any figure, where `change` makes the second
/// program of the first. Chance chooses where each block of runs begins, and the rounds take them
/// in their order, so that what disturbs two runs in a row disturbs them here, too.
fn found(limits: Limits, change: fn(Cost) -> Cost) -> usize {
    let recorded = recorded();
    assert!(recorded.len() == 3 && recorded.iter().all(|runs| runs.len() >= 500));
    let mut chance = fastrand::Rng::with_seed(1);
    let mut found = 0;
    for comparison in 0..COMPARISONS {
        let costs = &recorded[comparison % recorded.len()];
        let (mut taken, mut start) = (0, 0);
        let mut runs = Runs::default();
        compare(&mut runs, &NAMES, limits, |which, _| {
            if taken % BLOCK == 0 {
                start = chance.usize(..costs.len() - BLOCK);
            }
            let cost = costs[start + taken % BLOCK];
            taken += 1;
            Ok(if which == 1 { change(cost) } else { cost })
        });
        found += usize::from(!runs.different(NAMES[1], NAMES[0]).is_empty());
    }
    found
}

/// The fewest rounds, more of them, and as many as it takes.
const LIMITS: [Option<usize>; 3] = [Some(8), Some(20), None];

fn limits(rounds: Option<usize>) -> Limits {
    Limits { rounds, time: None }
}

#[test]
fn glibc_is_called_different_from_glibc_in_at_most_5_of_100_comparisons() {
    for rounds in LIMITS {
        let wrong = found(limits(rounds), |cost| cost);
        println!("{rounds:?} rounds: {wrong} of {COMPARISONS}");
        assert!(
            100 * wrong <= 5 * COMPARISONS,
            "{rounds:?} rounds: {wrong} of {COMPARISONS}"
        );
    }
}

#[test]
fn half_as_much_time_or_memory_again_is_found() {
    let slower = |cost: Cost| Cost {
        cpu: cost.cpu * 1.5,
        ..cost
    };
    let fatter = |cost: Cost| Cost {
        peak_kib: cost.peak_kib * 1.5,
        ..cost
    };
    for change in [slower, fatter] {
        let right = found(limits(Some(20)), change);
        assert!(100 * right >= 95 * COMPARISONS, "{right} of {COMPARISONS}");
    }
}
