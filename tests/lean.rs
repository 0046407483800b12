//! A small process stays small: what Cairn costs a program that hardly allocates.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::path::Path;

use common::{Env, pages};

/// Most KiB that a process which allocates a few kilobytes may need above glibc's, the pages of the
/// library's file included.
const LIMIT: f64 = 300.0;
/// The same of anonymous memory, which no other process shares.
const OF_ITS_OWN: f64 = 80.0;
/// Runs of each side. How many pages of files the kernel maps with those that were asked for hangs
/// on their random addresses, 150 KiB more or less; the median is steady to 20.
const RUNS: usize = 41;

/// Peaks of one side, KiB: of anonymous memory, and with files. `None` where they cannot be counted.
fn peaks(library: Option<&Path>, program: &Path, mode: Env<'_>) -> Option<[f64; 2]> {
    let env = common::with(mode, &[("SPAWN_RANDOM", "1")]);
    let mut peaks = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        let pages = pages::of(library, program, &[], &env)?;
        peaks[0].push(pages.anonymous);
        peaks[1].push(pages.anonymous + pages.files);
    }
    Some(peaks.map(|mut all: Vec<f64>| {
        all.sort_unstable_by(f64::total_cmp);
        all[RUNS / 2]
    }))
}

#[test]
fn a_process_that_allocates_a_few_kilobytes_needs_at_most_300_kib_above_glibc() {
    let program = common::compile_c("../benches/programs/workloads/lean.c", &[]);
    let library = common::libcairn();
    let Some(glibc) = peaks(None, &program, &[]) else {
        return;
    };
    common::for_each_mode(|mode| {
        let Some(cairn) = peaks(Some(&library), &program, mode) else {
            return;
        };
        let [own, all] = [cairn[0] - glibc[0], cairn[1] - glibc[1]];
        println!("KiB above glibc, {mode:?}: {own} of its own, {all} with pages of files");
        assert!(own <= OF_ITS_OWN, "{own} KiB of its own above glibc");
        assert!(all <= LIMIT, "{all} KiB above glibc");
    });
}
