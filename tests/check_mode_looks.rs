//! Check mode (`MALLOC_CHECK_`): objects that are resized, what is looked at before anybody frees
//! it, and forks. `docs/check-mode.md` says what is promised.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{Env, assert_aborts, assert_silent_success, compile_c};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

const PAST_END: &str = "memory clobbered past end of allocated block";
const BEFORE: &str = "memory clobbered before allocated block";
const AFTER_FREE: &str = "malloc(): memory corruption (freed memory was written)";
const BROKEN: &str = "cairn: check_heap found a broken invariant";
const MUNMAP_POINTER: &str = "munmap_chunk(): invalid pointer";

const LEVELS: [Env<'static>; 3] = [
    &[("MALLOC_CHECK_", "1")],
    &[("MALLOC_CHECK_", "2")],
    &[("MALLOC_CHECK_", "3")],
];
const BOUNDS: Env<'static> = LEVELS[0];
const FREED: Env<'static> = LEVELS[1];
const WALK: Env<'static> = LEVELS[2];

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

#[track_caller]
fn faults(program: &str, args: &[&str], env: Env<'_>) {
    let output = run(program, args, env);
    let _named = Named(format!("{program} {}, {env:?}", args.join(" ")));
    assert!(
        output.status.signal() == Some(libc::SIGSEGV),
        "expected SIGSEGV; {}",
        common::describe(&output)
    );
}

/// All of them in the long form, else the one whose turn it is.
fn some<T>(all: &[T], turn: usize) -> &[T] {
    let one = turn % all.len();
    if common::is_long() {
        all
    } else {
        &all[one..=one]
    }
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
fn an_object_that_grows_moves_as_often_as_its_size_has_figures() {
    for (i, (how, most)) in [
        ("one", "1000000"),
        ("two", "300000"),
        ("between", "300000"),
        ("aligned", "300000"),
        ("steps", "8000000"),
    ]
    .into_iter()
    .enumerate()
    {
        for env in some(&LEVELS, i) {
            passes("grow", &[how, most], env);
        }
    }
}

/// Where every object has pages of its own.
#[test]
fn a_mapped_object_that_grows_moves_as_often_as_its_size_has_figures() {
    let env = common::with(WALK, &[("MALLOC_MMAP_THRESHOLD_", "0")]);
    for how in ["one", "two", "aligned"] {
        passes("grow", &[how, "100000"], &env);
    }
}

#[test]
fn objects_keep_their_bytes_through_any_sequence_of_resizes() {
    let perturb = common::with(WALK, &[("MALLOC_PERTURB_", "17")]);
    let mapped = common::with(WALK, &[("MALLOC_MMAP_THRESHOLD_", "0")]);
    for (i, env) in [BOUNDS, FREED, WALK, &perturb, &mapped].iter().enumerate() {
        for most in some(&["300", "20000", "400000"], i) {
            passes("grow", &["random", most], env);
        }
    }
}

/// From, to: chunks that stay, grow in place, become mappings and come back; mappings within their
/// page, that give pages back, that take some, and that move.
const RESIZES: [(&str, &str); 12] = [
    ("100", "101"),
    ("100", "50"),
    ("100", "5000"),
    ("5000", "100"),
    ("5000", "300001"),
    ("300001", "1000"),
    ("300000", "300001"),
    ("300000", "500001"),
    ("300001", "299999"),
    ("300001", "200001"),
    ("300001", "900001"),
    ("300001", "66001"),
];

#[test]
fn an_overflow_of_a_resized_object_is_noticed() {
    for env in LEVELS {
        for (from, to) in RESIZES {
            for at in ["0", "6"] {
                for what in ["free", "grow", "shrink", "usable_size"] {
                    stops("regrown", &[from, to, at, what], env, PAST_END);
                }
            }
        }
    }
    for (from, to) in RESIZES {
        stops("regrown", &[from, to, "0", "exit"], WALK, PAST_END);
    }
}

#[test]
fn an_underflow_of_a_resized_mapping_is_noticed() {
    for (from, to) in RESIZES.iter().skip(6) {
        for what in ["free", "grow", "shrink", "usable_size", "exit"] {
            stops("regrown", &[from, to, "-9", what], WALK, BEFORE);
            stops("regrown", &[from, to, "-1", what], WALK, MUNMAP_POINTER);
        }
    }
}

#[test]
fn a_resized_mapping_ends_at_a_guard_page() {
    for env in LEVELS {
        for (from, to) in RESIZES.iter().skip(6) {
            passes("regrown", &[from, to, "0", "inside"], env);
            faults("regrown", &[from, to, "0", "guard"], env);
        }
        for (from, to) in [("5000", "300001"), ("300000", "131072")] {
            faults("regrown", &[from, to, "0", "guard"], env);
        }
    }
}

#[test]
fn a_mapping_that_moved_faults_where_it_was() {
    for env in LEVELS {
        faults("regrown", &["300001", "900001", "0", "stale"], env);
    }
}

#[test]
fn a_mapped_object_that_cannot_grow_stays_whole() {
    for env in LEVELS {
        passes("limits", &["refused"], env);
        passes("limits", &["exact"], env);
    }
}

#[test]
fn a_large_object_takes_no_memory_that_was_never_touched_by_growing() {
    for env in LEVELS {
        passes("limits", &["sparse"], env);
    }
}

#[test]
fn level_3_looks_at_the_headers_of_objects_that_nobody_frees() {
    for bytes in ["1", "8"] {
        let mapped = ["300000", bytes, bytes, "exit"];
        stops("underflow", &mapped, WALK, MUNMAP_POINTER);
        passes("underflow", &mapped, FREED);
        let chunk = ["1000", bytes, bytes, "exit"];
        stops("underflow", &chunk, WALK, BROKEN);
        passes("underflow", &chunk, FREED);
    }
}

/// Sixteen times as many objects later at most, counted from the object that was damaged.
#[test]
fn level_3_notices_the_overflow_of_a_new_object_soon() {
    for size in ["1", "24", "1000", "100001", "300001"] {
        for (age, more) in [(0, 1), (1, 15), (15, 1), (16, 240), (100, 156), (255, 1)] {
            let (age, more) = (age.to_string(), more.to_string());
            stops("near", &["overflow", size, &age, &more], WALK, PAST_END);
        }
        stops("near", &["overflow", size, "3000", "1095"], WALK, PAST_END);
        passes("near", &["overflow", size, "0", "5000"], FREED);
        passes("near", &["none", size, "100", "5000"], WALK);
    }
}

#[test]
fn level_3_notices_a_write_to_what_was_just_freed_soon() {
    for size in ["1", "24", "1000", "100001"] {
        for (age, more) in [(0, 1), (1, 15), (16, 240), (200, 56)] {
            let (age, more) = (age.to_string(), more.to_string());
            stops("near", &["after_free", size, &age, &more], WALK, AFTER_FREE);
        }
        passes("near", &["after_free", size, "0", "300"], FREED);
        // Whatever waits has its turn, also when nothing is freed any more.
        let later = ["after_free_later", size, "3000", "4000"];
        stops("near", &later, WALK, AFTER_FREE);
        passes("near", &later, FREED);
    }
}

/// What a child was given, and what it freed, is looked at when it ends.
#[test]
fn the_exit_of_a_forked_child_looks_at_what_is_its_own() {
    for (what, message) in [
        ("overflow", PAST_END),
        ("mapped", PAST_END),
        ("after_free", AFTER_FREE),
    ] {
        let output = run("fork_exit", &["child", what], WALK);
        assert!(
            output.status.success()
                && output.stdout == b"child 6\n"
                && String::from_utf8_lossy(&output.stderr).starts_with(message),
            "{what}: {}",
            common::describe(&output)
        );
    }
}

/// The rest is its parent's, which looks at it once, however many children end.
#[test]
fn the_exit_of_a_short_lived_child_leaves_what_it_inherited_to_its_parent() {
    for what in ["old", "old_mapped", "old_after_free"] {
        let output = run("fork_exit", &["parent", what], WALK);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines = common::without_stacks(&stderr).lines().count();
        assert!(
            output.status.signal() == Some(libc::SIGABRT)
                && output.stdout == b"child 0\n"
                && lines == 1,
            "{what}: {}",
            common::describe(&output)
        );
    }
    for who in ["parent", "child"] {
        let output = run("fork_exit", &[who, "none"], WALK);
        assert!(output.status.success() && output.stdout == b"child 0\n");
    }
}

/// A process that went into the background, for example.
#[test]
fn the_exit_of_a_child_that_was_given_many_objects_looks_at_everything() {
    let output = run("fork_exit", &["child", "old", "5000"], WALK);
    assert!(
        output.status.success()
            && output.stdout == b"child 6\n"
            && String::from_utf8_lossy(&output.stderr).starts_with(PAST_END),
        "{}",
        common::describe(&output)
    );
}

#[test]
fn no_single_free_lets_go_all_that_a_large_object_displaces() {
    for env in [FREED, WALK] {
        passes("drain", &[], env);
    }
}
