//! What others hang, leak or die of: handlers of `fork` that allocate, memory used up to the last
//! byte, a kernel that takes nothing back, threads without stack or keys to speak of, and
//! allocation in every odd moment of a process. Each program of `c-tests/robustness/` runs in
//! both heap modes; a broken promise is one line and an exit with 1.

#![allow(clippy::expect_used, reason = "a test reports by panicking")]

mod common;

use common::Env;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Compiles `c-tests/robustness/<name>.c`.
fn program(name: &str) -> PathBuf {
    common::compile_c(&format!("robustness/{name}.c"), &[])
}

/// A library whose constructors run before all others.
fn first_library(name: &str) -> PathBuf {
    let flags = ["-shared", "-fPIC", "-Wl,-z,initfirst"];
    common::compile_c(&format!("robustness/{name}.c"), &flags)
}

/// The program keeps its promise with `args`, in its heap modes.
#[track_caller]
fn holds(name: &str, args: &[&str]) {
    let program = program(name);
    for &mode in common::modes_of(name) {
        println!("heap mode: {mode:?}");
        common::assert_silent_success(&common::run(&program, args, mode));
    }
}

/// As [`holds`]; skipped if the program says that it cannot tell.
#[track_caller]
fn holds_if_possible(name: &str, args: &[&str], why_not: &str) {
    let program = program(name);
    for &mode in common::modes_of(name) {
        println!("heap mode: {mode:?}");
        let output = common::run(&program, args, mode);
        if output.status.code() == Some(common::CANNOT) {
            common::skip(why_not);
            return;
        }
        common::assert_silent_success(&output);
    }
}

/// Runs a program with a library preloaded beside Cairn, behind it and in front of it.
#[track_caller]
fn holds_beside(library: &Path, program: &Path) {
    let run = |first: &Path, second: &Path, mode: Env<'_>| -> Output {
        let both = format!("{}:{}", first.display(), second.display());
        let mut command = common::plain(program);
        command.envs(mode.iter().copied()).env("LD_PRELOAD", both);
        common::watch(&mut command)
    };
    let cairn = common::libcairn();
    // In the short form each order in the mode that the other has not.
    let [with_runs, without] = common::MODES;
    for (first, second, usual, other) in [
        (library, &*cairn, with_runs, without),
        (&*cairn, library, without, with_runs),
    ] {
        common::assert_silent_success(&run(first, second, usual));
        if common::is_long() {
            common::assert_silent_success(&run(first, second, other));
        }
    }
}

#[test]
fn errno_is_0_when_main_begins() {
    holds("errno_at_start", &[]);
}

#[test]
fn handlers_of_fork_that_others_registered_first_may_allocate() {
    holds_beside(&first_library("early_atfork"), &program("forks"));
}

#[test]
fn threads_and_forks_work_without_a_thread_specific_key() {
    let library = first_library("take_every_key");
    holds_beside(&library, &program("forks"));
    let many = common::compile_c("surroundings/more_threads_than_cores.c", &[]);
    holds_beside(&library, &many);
}

#[test]
fn a_thread_without_room_for_its_key_loses_nothing() {
    let program = common::compile_c(
        "robustness/no_room_for_the_key.c",
        &["-rdynamic", "-Wno-maybe-uninitialized"],
    );
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run(&program, &[], mode));
    });
}

#[test]
fn a_call_that_waits_leaves_errno_alone_and_needs_no_futex() {
    let program = common::compile_c("robustness/waiting_keeps_errno.c", &["-rdynamic"]);
    common::for_each_mode(|mode| {
        for how in ["plain", "sized", "malloc"] {
            for sleep in ["interrupted", "refused"] {
                common::assert_silent_success(&common::run(&program, &[how, sleep], mode));
            }
        }
    });
}

#[test]
fn thousands_of_threads_that_end_at_once_sleep_a_few_times_each() {
    holds_if_possible("ending_at_once", &[], "8,000 threads are not allowed");
}

#[test]
fn whoever_waits_on_one_cpu_sleeps_until_the_holder_is_out() {
    holds("waiting_on_one_cpu", &["plain"]);
}

#[test]
fn a_real_time_thread_lets_a_holder_below_it_run() {
    let why_not = "SCHED_FIFO is not allowed";
    holds_if_possible("waiting_on_one_cpu", &["fifo"], why_not);
}

#[test]
fn what_is_free_serves_small_requests_when_nothing_else_is_left() {
    let all = [
        ["1400", "16", "2"],
        ["20000", "100", "2"],
        ["1000", "64", "2"],
        ["30000", "64", "1"],
        ["100000", "40", "2"],
    ];
    let few = if common::is_long() { all.len() } else { 2 };
    for args in all.into_iter().take(few) {
        holds("whatever_is_free_serves", &args);
    }
}

#[test]
fn what_is_free_serves_larger_requests_when_nothing_else_is_left() {
    for args in [
        ["48", "1000", "1"],
        ["64", "30000", "1"],
        ["400", "20000", "1"],
        ["1400", "300000", "1"],
    ] {
        holds("whatever_is_free_serves", &args);
    }
}

#[test]
fn neighbours_that_were_too_long_to_merge_are_no_broken_invariant() {
    holds_if_possible("too_long_to_merge", &[], "there are no 6 GB of addresses");
}

#[test]
fn a_kernel_that_takes_nothing_back_is_not_asked_at_every_free() {
    holds_if_possible("locked_memory", &[], "memory cannot be locked");
}

/// No purge within the test, and growth in small steps: the counts are the same in every run.
#[test]
fn a_live_set_that_is_replaced_for_thousands_of_rounds_needs_no_more_memory() {
    let counted = [("CAIRN_PURGE_DELAY", "3600000"), ("CAIRN_HUGE_FROM", "0")];
    for args in [["128", "4096"], ["1024", "8192"], ["100000", "32768"]] {
        for &mode in common::modes_of(args[1]) {
            let env = common::with(mode, &counted);
            common::assert_silent_success(&common::run(program("steady"), &args, &env));
        }
    }
    let args = ["128", "4096", "aligned requests too"];
    common::assert_silent_success(&common::run(program("steady"), &args, &counted));
}

#[test]
fn ten_thousand_threads_one_after_another_leave_nothing_behind() {
    holds("threads_leave_nothing", &["single"]);
}

#[test]
fn five_thousand_threads_in_waves_leave_nothing_behind() {
    holds("threads_leave_nothing", &["waves"]);
}

#[test]
fn a_trim_gives_back_the_rest_of_a_huge_page_that_nobody_asked_for() {
    let program = program("huge_top");
    for mode in common::MODES {
        let env = common::with(mode, &[("CAIRN_HUGE_FROM", "1")]);
        let output = common::run(&program, &[], &env);
        if output.status.code() == Some(common::CANNOT) {
            // Switched off, or no memory in such pieces: nothing to install.
            common::skip_elsewhere("the kernel gives no huge pages here");
            return;
        }
        common::assert_silent_success(&output);
    }
}

#[test]
fn where_huge_pages_were_single_ones_can_be_had_again() {
    holds("stale_huge", &[]);
}

#[test]
fn a_trim_reaches_what_lies_behind_much_that_stays() {
    holds("past_top", &["trim"]);
}

/// KiB that the kernel was advised to have in huge pages, at a peak and at the next one; `None` where
/// it takes no such advice.
fn advised(mode: common::Env<'_>, limit: &str) -> Option<[u64; 2]> {
    // No epoch ends: what goes is what a trim takes.
    let env = [("CAIRN_LIMIT", limit), ("CAIRN_PURGE_DELAY", "4294967295")];
    let output = common::run(program("huge_pages"), &[], &common::with(mode, &env));
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().flat_map(str::parse).collect();
    assert_eq!(numbers.len(), 2, "{}", common::describe(&output));
    let (first, second) = (numbers[0], numbers[1]);
    println!("{first}, then {second} KiB in huge pages, limit {limit}, {mode:?}");
    if limit == FAR && first == 0 {
        common::skip_elsewhere("this kernel takes no advice about huge pages");
        return None;
    }
    Some([first, second])
}

/// A limit that what `huge_pages` has does not come near to.
const FAR: &str = "600M";

#[test]
fn a_second_peak_has_as_many_huge_pages_as_the_first() {
    common::for_each_mode(|mode| {
        if let Some([first, second]) = advised(mode, FAR) {
            assert!(second >= first / 4 * 3, "{first} KiB, then {second}");
        }
    });
}

#[test]
fn a_heap_that_grows_by_much_grows_by_huge_pages() {
    common::for_each_mode(|mode| {
        if let Some([usual, _]) = advised(mode, FAR) {
            let pad = common::with(mode, &[("MALLOC_TOP_PAD_", "8388608")]);
            let [padded, _] = advised(&pad, FAR).expect("advice");
            assert!(padded >= usual / 2, "{padded} KiB, and {usual}");
        }
    });
}

/// The heap grows by what is asked for: a huge page would be held as a whole.
#[test]
fn near_a_limit_no_huge_pages_are_asked_for() {
    common::for_each_mode(|mode| {
        if advised(mode, FAR).is_some() {
            assert_eq!(advised(mode, "6M"), Some([0, 0]));
        }
    });
}

#[test]
fn heaps_that_grow_and_are_emptied_again_and_again_take_no_more_addresses() {
    holds("heaps_again", &[]);
}

#[test]
fn what_threads_had_that_wait_is_the_systems_again() {
    holds("idle_arenas", &[]);
}

#[test]
fn what_is_known_of_addresses_goes_with_them() {
    for what in ["break", "small", "heaps"] {
        holds("addresses_seen", &[what]);
        holds("addresses_seen", &[what, "later"]);
    }
}

#[test]
fn allocations_go_on_in_mappings_when_a_limit_refuses_the_break() {
    holds("data_limit", &[]);
}

#[test]
fn a_process_with_few_mappings_left_loses_nothing_and_recovers() {
    let why_not = "vm.max_map_count is too high to use it up";
    holds_if_possible("few_mappings_left", &[], why_not);
}

#[test]
#[ignore = "needs the right to make a cgroup: cargo test --test robustness -- --ignored"]
fn under_a_cgroup_s_limit_what_is_freed_is_there_for_the_next_peak() {
    holds_if_possible("cgroup_limit", &[], "no cgroup with a memory limit here");
}

#[test]
fn fork_works_in_constructors_destructors_handlers_and_at_exit() {
    holds("fork_everywhere", &[]);
}

/// Whether libc lets a handler of `fork` fork itself, in a process with threads. Those from 2.28 to
/// 2.35 hold the lock of their list of handlers while they go through it, and wait for themselves.
fn may_fork_within_a_fork() -> bool {
    let may = common::glibc() >= (2, 36);
    if !may {
        common::skip_elsewhere("a handler of fork that forks waits for this glibc's own lock");
    }
    may
}

/// The inner fork runs while the outer one holds every lock, and must leave them held.
#[test]
fn a_fork_within_a_fork_leaves_the_outer_one_its_locks() {
    if !may_fork_within_a_fork() {
        return;
    }
    let library = first_library("nested_atfork");
    holds_beside(&library, &program("forks"));
    let threads = common::compile_c("surroundings/fork_while_threads_allocate.c", &[]);
    holds_beside(&library, &threads);
}

/// `fork` takes the lock of the list of streams after the handlers, and whose turn it is there may
/// be waiting for memory.
#[test]
fn fork_and_a_flush_of_all_streams_do_not_wait_for_each_other() {
    for how in ["beside", "written-beside", "handled-beside"] {
        holds("fork_and_streams", &[how]);
    }
}

/// With one thread libc leaves the lock alone: what a handler took of it the child would keep.
#[test]
fn a_child_of_one_thread_can_flush_all_streams_from_its_threads() {
    for how in ["alone", "written", "handled"] {
        holds("fork_and_streams", &[how]);
    }
}

/// An inner fork gives the lock back once, and leaves the outer one's.
#[test]
fn a_fork_within_a_fork_leaves_the_outer_one_the_lock_of_the_streams() {
    if !may_fork_within_a_fork() {
        return;
    }
    let library = first_library("nested_atfork");
    let program = program("fork_and_streams");
    let cairn = common::libcairn();
    for first in [[&library, &cairn], [&cairn, &library]] {
        let both = first.map(|path| path.display().to_string()).join(":");
        let mut command = common::plain(&program);
        command.arg("beside").env("LD_PRELOAD", both);
        common::assert_silent_success(&common::watch(&mut command));
    }
}

/// Every part of libc that may allocate under a lock. (Registering handlers of `fork` beyond the
/// room that libc has for them is not among them: `docs/limits.md`.)
#[test]
fn fork_works_while_other_threads_are_inside_any_part_of_libc() {
    let library = common::compile_c("robustness/allocating_library.c", &["-shared", "-fPIC"]);
    let library = library.to_str().expect("a path that is not UTF-8");
    for part in [
        "streams",
        "exits",
        "names",
        "loader",
        "locales",
        "zones",
        "environment",
        "log",
        "commands",
        "words",
        "sorting",
        "threads",
        "forks",
        "registrations",
    ] {
        let output = common::run(program("fork_beside"), &[part, library], &[]);
        common::assert_silent_success(&output);
    }
}

#[test]
fn nothing_in_use_goes_back_while_large_blocks_come_and_go() {
    let program = common::compile_c("robustness/large_purged.c", &[]);
    common::for_each_mode_if_long(|mode| {
        let env = common::with(mode, &[("CAIRN_PURGE_DELAY", "0")]);
        common::assert_silent_success(&common::run(&program, &[], &env));
    });
}
