//! Check mode (`MALLOC_CHECK_`, `glibc.malloc.check`): what it finds, level by level, and that
//! programs run in it. `docs/check-mode.md` has the table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "each included file has its own `common`, which knows by its path that it is included"
)]

mod common;

use common::{Env, assert_aborts, assert_silent_success, compile_c};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

/// C++.
#[path = "cxx.rs"]
mod cxx_in_check_mode;
/// Every promise of the interface once more: there each program runs with `MALLOC_CHECK_=3`.
#[path = "interface.rs"]
mod interface_in_check_mode;
/// Real programs.
#[path = "real_programs.rs"]
mod real_programs_in_check_mode;
/// Threads, forks, signals, exhaustion.
#[path = "surroundings.rs"]
mod surroundings_in_check_mode;

const PAST_END: &str = "memory clobbered past end of allocated block";
const BEFORE: &str = "memory clobbered before allocated block";
const AFTER_FREE: &str = "malloc(): memory corruption (freed memory was written)";
const WAITING: &str = "malloc(): memory corruption (fast)";
const BROKEN: &str = "cairn: check_heap found a broken invariant";
const DOUBLE_FREE: &str = "free(): double free detected in tcache 2";
const FREE_SIZE: &str = "free(): invalid size";
const MUNMAP_POINTER: &str = "munmap_chunk(): invalid pointer";
const WRONG_SIZE: &str = "free(): sized deallocation with a wrong size";

const LEVELS: [Env<'static>; 3] = [
    &[("MALLOC_CHECK_", "1")],
    &[("MALLOC_CHECK_", "2")],
    &[("MALLOC_CHECK_", "3")],
];
const BOUNDS: Env<'static> = LEVELS[0];
const FREED: Env<'static> = LEVELS[1];
const WALK: Env<'static> = LEVELS[2];
const OFF: Env<'static> = &[];

/// Bytes asked for: small, medium, large; none is a multiple of 16, so that there is slack even
/// where an object has a mapping of its own, as the last has.
const SIZES: [&str; 7] = ["1", "24", "100", "1000", "5001", "100001", "300001"];

fn run(program: &str, args: &[&str], env: Env<'_>) -> Output {
    common::run(
        compile_c(&format!("check_mode/{program}.c"), &[]),
        args,
        env,
    )
}

#[track_caller]
fn stops(program: &str, args: &[&str], env: Env<'_>, message: &str) {
    let output = run(program, args, env);
    let _named = Named(format!("{program} {}, {env:?}", args.join(" ")));
    assert_aborts(&output, message);
}

#[track_caller]
fn passes(program: &str, args: &[&str], env: Env<'_>) {
    let output = run(program, args, env);
    let _named = Named(format!("{program} {}, {env:?}", args.join(" ")));
    assert_silent_success(&output);
}

/// Prints the command if the assertion after it fails.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ran: {}", self.0);
        }
    }
}

#[test]
fn an_overflow_by_a_single_byte_is_noticed_at_the_free() {
    for env in LEVELS {
        for size in SIZES {
            for how in ["turned", "zero"] {
                stops("overflow", &[size, "0", "1", how, "free"], env, PAST_END);
            }
        }
    }
}

/// The header behind is tagged, so what goes beyond the slack never was unnoticed; the slack's own
/// message comes first.
#[test]
fn an_overflow_by_8_and_16_bytes_is_noticed_at_the_free() {
    for size in &SIZES[..6] {
        for bytes in ["8", "16"] {
            stops(
                "overflow",
                &[size, "0", bytes, "turned", "free"],
                WALK,
                PAST_END,
            );
        }
    }
}

#[test]
fn a_write_that_skips_the_first_bytes_behind_an_object_is_noticed() {
    // 9 bytes of slack at least.
    for size in &SIZES[..6] {
        for at in ["1", "2", "4", "7", "8"] {
            stops(
                "overflow",
                &[size, at, "1", "turned", "free"],
                WALK,
                PAST_END,
            );
        }
    }
}

#[test]
fn every_call_that_is_given_an_object_notices_its_overflow() {
    for size in SIZES {
        for call in ["free", "sized"] {
            stops(
                "overflow",
                &[size, "0", "1", "zero", call],
                BOUNDS,
                PAST_END,
            );
        }
    }
    for size in &SIZES[..6] {
        for call in ["realloc", "usable_size"] {
            stops(
                "overflow",
                &[size, "0", "1", "zero", call],
                BOUNDS,
                PAST_END,
            );
        }
    }
}

#[test]
fn level_3_looks_at_objects_that_nobody_frees() {
    for size in SIZES {
        for call in ["trim", "exit"] {
            let args = [size, "0", "1", "turned", call];
            stops("overflow", &args, WALK, PAST_END);
            passes("overflow", &args, FREED);
        }
        passes("overflow", &[size, "0", "1", "turned", "other"], WALK);
    }
}

#[test]
fn without_the_mode_the_slack_is_the_program_s() {
    // 104 bytes are what a chunk for 100 has without a run; nothing says what was asked for.
    for env in [OFF, &[("MALLOC_CHECK_", "0")], &[("MALLOC_CHECK_", "4")]] {
        passes("overflow", &["100", "0", "1", "turned", "free"], env);
    }
}

#[test]
fn the_tunable_asks_for_the_mode_as_the_variable_does() {
    let args = ["100", "0", "1", "turned", "free"];
    for level in 1..=3 {
        let tunables = format!("glibc.malloc.check={level}");
        stops(
            "overflow",
            &args,
            &[("GLIBC_TUNABLES", &tunables)],
            PAST_END,
        );
    }
    let both = [
        ("GLIBC_TUNABLES", "glibc.malloc.check=0"),
        ("MALLOC_CHECK_", "3"),
    ];
    passes("overflow", &args, &both);
}

#[test]
fn the_level_is_the_one_of_the_start() {
    for level in ["0", "1", "2", "3"] {
        for env in [OFF, BOUNDS, FREED, WALK] {
            passes("late", &[level], env);
        }
    }
}

#[test]
fn an_underflow_is_noticed() {
    for size in &SIZES[..6] {
        for bytes in ["1", "8"] {
            // At level 1 the object in front is freed first, and its merging meets the header.
            stops("underflow", &[size, bytes, bytes], FREED, FREE_SIZE);
        }
        // Beyond the header lies the trailer of the object in front.
        for below in ["9", "16"] {
            stops("underflow", &[size, below, "1"], BOUNDS, PAST_END);
        }
    }
    for bytes in ["1", "8"] {
        stops(
            "underflow",
            &["300000", bytes, bytes],
            BOUNDS,
            MUNMAP_POINTER,
        );
    }
    for below in ["9", "16"] {
        stops("underflow", &["300000", below, "1"], BOUNDS, BEFORE);
    }
}

/// Few places, so that the object leaves soon.
const EIGHT: &[(&str, &str)] = &[("CAIRN_QUARANTINE_COUNT", "8")];

#[test]
fn a_write_after_free_is_noticed_when_the_object_leaves_the_quarantine() {
    for level in [FREED, WALK] {
        let env = common::with(level, EIGHT);
        for (size, at) in [
            ("1", "0"),
            ("24", "0"),
            ("24", "23"),
            ("100", "50"),
            ("1000", "999"),
            ("5001", "8"),
            ("100001", "100000"),
        ] {
            stops(
                "write_after_free",
                &[size, at, "eviction"],
                &env,
                AFTER_FREE,
            );
            stops("write_after_free", &[size, at, "trim"], level, AFTER_FREE);
        }
    }
}

#[test]
fn level_3_notices_a_write_after_free_at_the_exit() {
    let args = ["100", "50", "exit"];
    stops("write_after_free", &args, WALK, AFTER_FREE);
    passes("write_after_free", &args, FREED);
    passes("write_after_free", &["100", "50", "never"], WALK);
}

#[test]
fn a_write_after_free_goes_unnoticed_at_level_1() {
    passes("write_after_free", &["100", "50", "eviction"], BOUNDS);
}

#[test]
fn a_write_below_an_object_that_waits_is_noticed_when_it_leaves() {
    let env = common::with(FREED, EIGHT);
    for size in ["1", "24", "1000", "100001"] {
        for at in ["-1", "-8"] {
            stops("write_after_free", &[size, at, "eviction"], &env, WAITING);
            stops("write_after_free", &[size, at, "trim"], FREED, WAITING);
            stops("write_after_free", &[size, at, "exit"], WALK, BROKEN);
        }
    }
}

#[test]
fn the_quarantine_delays_reuse_by_its_count() {
    for size in ["1", "24", "1000", "50000"] {
        for count in [1, 8, 100] {
            let places = [("CAIRN_QUARANTINE_COUNT", &*count.to_string())];
            let env = common::with(WALK, &places);
            passes("reuse", &[size, &(count - 1).to_string()], &env);
        }
    }
}

#[test]
fn the_quarantine_delays_reuse_by_its_bytes() {
    // Chunks of 10,000 bytes and their trailer: 100 of them fit, 101 don't.
    let env = common::with(WALK, &[("CAIRN_QUARANTINE_BYTES", "1003000")]);
    passes("reuse", &["10000", "99"], &env);
}

#[test]
fn a_second_free_of_what_waits_is_a_double_free() {
    let program = compile_c("misuse/double_free.c", &[]);
    for size in ["1", "100", "5000", "100000"] {
        for how in ["plain", "first", "second", "realloc"] {
            let output = common::run(&program, &[size, "5", how], WALK);
            assert_aborts(&output, DOUBLE_FREE);
        }
    }
    stops("mapped_twice", &[], FREED, DOUBLE_FREE);
    stops("mapped_twice", &[], WALK, DOUBLE_FREE);
}

#[test]
fn the_usable_size_is_what_was_asked_for() {
    for env in LEVELS {
        passes("usable_size", &[], env);
    }
}

#[test]
fn freed_memory_holds_the_byte_that_was_asked_for() {
    for level in [FREED, WALK] {
        passes("fill", &["0xde"], level);
        let zero = common::with(level, &[("CAIRN_FREE_FILL", "0")]);
        passes("fill", &["0"], &zero);
        passes("fill", &["0x5b", "0x5b"], &zero);
        let perturb = common::with(level, &[("MALLOC_PERTURB_", "17")]);
        passes("fill", &["17"], &perturb);
    }
}

#[test]
fn calloc_is_zero_in_memory_that_waited() {
    for fill in ["0", "222"] {
        let env = [
            ("MALLOC_CHECK_", "3"),
            ("CAIRN_FREE_FILL", fill),
            ("CAIRN_QUARANTINE_COUNT", "3"),
        ];
        passes("zeroed", &[], &env);
    }
}

#[track_caller]
fn faults(args: &[&str], env: Env<'_>) {
    let output = run("guard", args, env);
    let _named = Named(format!("guard {}, {env:?}", args.join(" ")));
    assert!(
        output.status.signal() == Some(libc::SIGSEGV),
        "expected SIGSEGV; {}",
        common::describe(&output)
    );
}

#[test]
fn a_mapped_object_ends_at_a_guard_page() {
    for env in LEVELS {
        for size in ["131072", "300000", "300001", "1048576", "1048577"] {
            passes("guard", &[size, "inside"], env);
            for what in ["end", "read", "front"] {
                faults(&[size, what], env);
            }
        }
        for align in ["64", "4096", "65536", "1048576"] {
            passes("guard", &["300001", "inside", align], env);
            faults(&["300001", "end", align], env);
            faults(&["300001", "front", align], env);
        }
    }
}

/// At any level: without the quarantine it is unmapped.
#[test]
fn a_mapped_object_faults_when_it_is_touched_after_its_free() {
    for env in LEVELS {
        faults(&["300000", "freed"], env);
    }
}

/// A threshold of 0 gives every object guard pages.
#[test]
fn an_object_of_0_bytes_cannot_be_touched() {
    for env in LEVELS {
        for what in ["end", "read", "front", "freed"] {
            faults(&["0", what], env);
        }
        passes("guard", &["0", "inside"], env);
    }
}

#[test]
fn the_mmap_threshold_decides_what_has_guard_pages() {
    let env = common::with(WALK, &[("MALLOC_MMAP_THRESHOLD_", "0")]);
    for size in ["16", "100", "5000"] {
        passes("guard", &[size, "inside"], &env);
        faults(&[size, "end"], &env);
        faults(&[size, "freed"], &env);
    }
    passes("usable_size", &[], &env);
}

#[test]
fn a_sized_free_names_exactly_what_was_asked_for() {
    let program = compile_c("misuse/sized.c", &[]);
    for size in [24_usize, 100, 1000, 5000, 100_000, 300_000] {
        let right = size.to_string();
        let output = common::run(&program, &[&right, &right], WALK);
        assert_silent_success(&output);
        for wrong in [size - 1, size + 1] {
            let wrong = wrong.to_string();
            for args in [&[&*right, &*wrong][..], &[&*right, &*wrong, "64"]] {
                let output = common::run(&program, args, BOUNDS);
                assert_aborts(&output, WRONG_SIZE);
            }
        }
    }
    // Without the mode both sizes are the same chunk's.
    assert_silent_success(&common::run(&program, &["99", "100"], OFF));
}

#[test]
fn the_quarantine_is_emptied_before_memory_is_refused() {
    let env = common::with(
        FREED,
        &[
            ("CAIRN_QUARANTINE_BYTES", "1000000000"),
            ("MALLOC_ARENA_MAX", "1"),
        ],
    );
    passes("exhaustion", &[], &env);
}

#[test]
fn the_quarantine_is_whole_in_the_child_of_a_fork() {
    for who in ["child", "parent"] {
        let env = common::with(WALK, &[("CAIRN_QUARANTINE_COUNT", "64")]);
        let output = run("fork", &[who], &env);
        if who == "parent" {
            assert_aborts(&output, AFTER_FREE);
            continue;
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last_words = |line: &&str| !common::is_of_stacks(line);
        let lines: Vec<_> = stderr.lines().filter(last_words).collect();
        assert!(
            output.status.success() && lines == [AFTER_FREE; 40],
            "{}",
            common::describe(&output)
        );
    }
}

#[test]
fn exit_from_a_handler_that_interrupted_the_allocator_ends_the_process() {
    for _ in 0..10 {
        passes("exit_in_handler", &[], WALK);
    }
}
