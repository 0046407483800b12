//! A small process stays small: what Cairn costs a program that hardly allocates.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::pages;

/// Most KiB that a process which allocates a few kilobytes may need above glibc's, the pages of the
/// library's file included.
const LIMIT: f64 = 300.0;
/// The same of anonymous memory, which no other process shares.
const OF_ITS_OWN: f64 = 80.0;

#[test]
fn a_process_that_allocates_a_few_kilobytes_needs_at_most_300_kib_above_glibc() {
    let program = common::compile_c("../bench/workloads/lean.c", &[]);
    let library = common::libcairn();
    common::for_each_mode(|mode| {
        let count = |library| pages::of(library, &program, &[], mode);
        let (Some(cairn), Some(glibc)) = (count(Some(library.as_path())), count(None)) else {
            return;
        };
        let own = cairn.anonymous - glibc.anonymous;
        let all = cairn.resident - glibc.resident;
        println!("KiB above glibc, {mode:?}: {own} anonymous, {all} resident");
        assert!(own <= OF_ITS_OWN, "{own} KiB of its own above glibc");
        if cairn.same_addresses {
            assert!(all <= LIMIT, "{all} KiB above glibc");
        } else {
            common::skip_elsewhere("pages of files, which random addresses change by 160 KiB");
        }
    });
}
