//! A small process stays small: what Cairn costs a program that hardly allocates.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::path::Path;

use common::Env;

/// Most KiB that a process which allocates a few kilobytes may need above glibc's.
const LIMIT: i64 = 300;
/// Runs of each side. The kernel counts resident pages in batches and shares the file cache's
/// pages by chance, so that one run says little; the median is steady.
const RUNS: usize = 41;

/// Peak resident KiB of one run, as the program itself reads it at its end.
fn peak(program: &Path, preload: bool, env: Env<'_>) -> i64 {
    let output = if preload {
        common::run(program, &[], env)
    } else {
        common::run_plain(program, &[], env)
    };
    assert!(output.status.success(), "{}", common::describe(&output));
    String::from_utf8_lossy(&output.stdout)
        .trim_start_matches("peak_kib ")
        .trim_end()
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {}", common::describe(&output)))
}

fn median(mut values: [i64; RUNS]) -> i64 {
    values.sort_unstable();
    values[RUNS / 2]
}

#[test]
fn a_process_that_allocates_a_few_kilobytes_needs_at_most_300_kib_above_glibc() {
    let program = common::compile_c("../bench/workloads/lean.c", &[]);
    common::for_each_mode(|mode| {
        let (mut cairn, mut glibc) = ([0; RUNS], [0; RUNS]);
        for run in 0..RUNS {
            cairn[run] = peak(&program, true, mode);
            glibc[run] = peak(&program, false, mode);
        }
        let (cairn, glibc) = (median(cairn), median(glibc));
        println!("peak KiB of a small process, {mode:?}: Cairn {cairn}, glibc {glibc}");
        assert!(
            cairn - glibc <= LIMIT,
            "{} KiB above glibc ({cairn} to {glibc})",
            cairn - glibc
        );
    });
}
