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

/// How many of 100 comparisons find a difference in any figure, where `change` makes the second
/// program of the first. Each takes runs that followed one another, from a place that chance
/// chooses, in the order in which rounds ask for them.
fn found(seed: u64, change: fn(Cost) -> Cost) -> usize {
    let recorded = recorded();
    assert!(recorded.len() == 3 && recorded.iter().all(|runs| runs.len() >= 500));
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut found = 0;
    for comparison in 0..100 {
        let costs = &recorded[comparison % recorded.len()];
        let mut next = chance.usize(..costs.len());
        let mut runs = Runs::default();
        compare(&mut runs, &NAMES, Limits::default(), |which, _| {
            next = (next + 1) % costs.len();
            let cost = costs[next];
            Ok(if which == 1 { change(cost) } else { cost })
        });
        found += usize::from(!runs.different(NAMES[1], NAMES[0]).is_empty());
    }
    found
}

#[test]
fn glibc_is_called_different_from_glibc_in_at_most_5_of_100_comparisons() {
    for seed in 1..=3 {
        let wrong = found(seed, |cost| cost);
        println!("seed {seed}: {wrong} of 100");
        assert!(wrong <= 5, "seed {seed}: {wrong} of 100");
    }
}

#[test]
fn a_tenth_more_time_or_memory_is_found() {
    let slower = |cost: Cost| Cost {
        cpu: cost.cpu * 1.1,
        ..cost
    };
    let fatter = |cost: Cost| Cost {
        peak_kib: cost.peak_kib * 1.1,
        ..cost
    };
    for change in [slower, fatter] {
        let right = found(1, change);
        assert!(right >= 95, "{right} of 100");
    }
}
