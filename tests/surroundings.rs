//! What surrounds a malloc: fork, threads that come and go, signals, the time
//! before `main` and after `exit`, a break that others move or block, limits,
//! sandboxes, tools. Each test is named after its promise and runs a program of
//! `c-tests/surroundings/` in both heap modes; a program that finds a promise
//! broken prints one line and exits with 1.

#![allow(clippy::expect_used, reason = "a test reports by panicking")]

mod common;

use common::Env;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `c-tests/surroundings/<name>.c`.
fn program(name: &str) -> PathBuf {
    common::compile_c(&format!("surroundings/{name}.c"), &[])
}

/// The program keeps its promise with `args`, in its heap modes.
#[track_caller]
fn holds(name: &str, args: &[&str]) {
    let program = program(name);
    for &mode in common::modes_of(&[&[name], args].concat().concat()) {
        println!("heap mode: {mode:?}");
        common::assert_silent_success(&common::run(&program, args, mode));
    }
}

#[test]
fn children_of_a_threaded_program_allocate_at_once() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("fork_while_threads_allocate", &[]);
}

#[test]
fn a_signal_handler_that_interrupted_the_allocator_may_fork() {
    holds("fork_in_signal_handler", &[]);
}

#[test]
fn a_signal_handler_that_interrupted_a_fork_may_fork() {
    holds("fork_in_signal_handler", &["and outside"]);
}

#[test]
fn vfork_and_posix_spawn_work_while_threads_allocate() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("vfork_and_spawn", &[]);
}

#[test]
fn some_mib_that_nobody_may_touch_lie_around_the_tables() {
    for grown_by in ["break", "mapping", "tables"] {
        holds("tables_apart", &[grown_by]);
    }
}

#[test]
fn a_collector_may_read_every_writable_segment() {
    holds("scan_data", &[]);
}

#[test]
fn memory_is_served_before_main_and_after_exit_began() {
    holds("before_main_and_after_exit", &[]);
}

#[test]
fn destructors_of_a_thread_may_allocate() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("thread_exit_destructors", &[]);
}

/// A key number of 32 or more makes `pthread_setspecific` allocate, inside the
/// allocator that is about to note its own thread.
#[test]
fn thread_exit_works_when_others_took_the_first_keys() {
    if common::left_to_the_long_form() {
        return;
    }
    let keys_first = common::compile_c(
        "surroundings/keys_first.c",
        &["-shared", "-fPIC", "-Wl,-z,initfirst"],
    );
    let cairn = common::libcairn();
    let names = [
        "thread_exit_destructors",
        "many_threads",
        "fork_while_threads_allocate",
    ];
    for name in names
        .into_iter()
        .take(if common::is_long() { 3 } else { 1 })
    {
        let program = program(name);
        for (first, second) in [(&cairn, &keys_first), (&keys_first, &cairn)] {
            let both = format!("{}:{}", first.display(), second.display());
            common::for_each_mode(|mode| {
                let mut command = common::plain(&program);
                command.envs(mode.iter().copied()).env("LD_PRELOAD", &both);
                common::assert_silent_success(&common::watch(&mut command));
            });
        }
    }
}

#[test]
fn a_handler_that_interrupts_user_code_may_allocate() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("signals_in_user_code", &[]);
}

#[test]
fn a_hundred_thousand_threads_leave_nothing_behind() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("many_threads", &[]);
}

#[test]
fn the_library_may_be_opened_after_start() {
    let program = program("dlopen_late");
    let library = common::libcairn();
    let library = library.to_str().expect("the path of the library is text");
    common::for_each_mode(|mode| {
        common::assert_silent_success(&common::run_plain(&program, &[library], mode));
    });
}

#[test]
fn a_program_may_move_the_break_itself() {
    holds("foreign_sbrk", &[]);
}

#[test]
fn memory_is_served_when_the_break_cannot_grow() {
    holds("blocked_break", &[]);
    holds("blocked_break", &["late"]);
}

#[test]
fn a_limit_on_the_address_space_gives_null_and_recovery() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("exhaustion", &["as"]);
}

#[test]
fn a_limit_on_data_gives_null_and_recovery() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("exhaustion", &["data"]);
}

#[test]
fn the_program_goes_on_when_no_mapping_is_left() {
    let limit = Path::new("/proc/sys/vm/max_map_count");
    let limit: u64 = fs::read_to_string(limit)
        .expect("the kernel's limit is readable")
        .trim()
        .parse()
        .expect("the kernel's limit is a number");
    if limit > 190_000 {
        common::skip("vm.max_map_count is too high to use it up");
        return;
    }
    holds("map_count", &[]);
}

#[test]
fn a_sandbox_may_kill_on_every_call_that_is_not_listed() {
    holds("sandbox", &["entered"]);
}

#[test]
fn the_library_starts_inside_a_sandbox_without_getrandom() {
    holds("sandbox", &["from the start"]);
}

#[test]
fn more_threads_than_cores_keep_every_byte_with_one_owner() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("more_threads_than_cores", &[]);
}

#[test]
fn realloc_keeps_what_fits_in_both_sizes() {
    holds("realloc_stress", &[]);
}

/// Objects that were freed wait for a request of their class, until nothing
/// else is left.
#[test]
fn what_rests_serves_any_size_when_the_system_has_no_more() {
    holds("rest", &[]);
}

#[test]
fn memory_goes_back_after_a_peak() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("memory_goes_back", &["peak"]);
}

#[test]
fn memory_of_finished_threads_goes_back() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("memory_goes_back", &["threads"]);
}

#[test]
fn malloc_trim_gives_back_what_lies_between_live_objects() {
    holds("memory_goes_back", &["interior"]);
}

#[test]
fn what_a_trim_gives_back_is_every_whole_page_of_the_system_s() {
    if common::differs_in_check_mode("freed memory waits in the quarantine") {
        return;
    }
    holds("pages", &[]);
}

#[test]
fn what_lies_between_live_objects_goes_back_without_a_trim() {
    if common::differs_in_check_mode("freed memory waits, and only a trim looks between objects") {
        return;
    }
    holds("memory_goes_back", &["survivors"]);
}

#[test]
fn a_call_needs_little_stack() {
    holds("little_stack", &[]);
}

/// The environment of a process is its children's, and some of those are
/// static: the loader's business, which the library must not disturb.
#[test]
fn a_static_child_runs_with_the_preload_in_its_environment() {
    let child = common::compile_c("surroundings/static_child.c", &["-static"]);
    let child = child.to_str().expect("the path of the program is text");
    common::for_each_mode(|mode| {
        let output = common::run("/bin/sh", &["-c", &format!("'{child}' && exit 5")], mode);
        assert_eq!(
            output.status.code(),
            Some(5),
            "{}",
            common::describe(&output)
        );
        assert_eq!(output.stdout, b"static\n");
    });
}

/// Starts `hello` under a tool, which hands the preload to its child.
#[track_caller]
fn greets_under(tool: &str, options: &[&str], from: &str) {
    let hello = program("hello");
    let tried: Vec<&OsStr> = options
        .iter()
        .map(OsStr::new)
        .chain([hello.as_os_str()])
        .collect();
    let Some(tool) = common::find_working(tool, &tried) else {
        return;
    };
    common::for_each_mode(|mode| {
        let mut command = common::preloaded(&tool);
        command.args(options).arg(&hello).envs(mode.iter().copied());
        let output = common::watch(&mut command);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && stdout.contains(from),
            "{}",
            common::describe(&output)
        );
    });
}

/// Memcheck puts its own malloc in front, so the greeting names that; without
/// a checking tool Cairn serves the program on valgrind's simulated processor.
#[test]
fn valgrind_starts_the_program() {
    if common::left_to_the_long_form() {
        return;
    }
    let quiet = ["--error-exitcode=9", "--quiet", "--tool=memcheck"];
    greets_under("valgrind", &quiet, "hello");
    greets_under("valgrind", &["--quiet", "--tool=none"], "hello on cairn");
}

#[test]
fn gdb_starts_the_program() {
    let options = [
        "--batch",
        "--nx",
        "--return-child-result",
        "-iex",
        "set debuginfod enabled off",
        "-iex",
        "set startup-with-shell off",
        "-ex",
        "run",
    ];
    greets_under("gdb", &options, "hello on cairn");
}

#[test]
fn strace_starts_the_program() {
    greets_under("strace", &["-f", "-o", "/dev/null"], "hello on cairn");
}

/// Calls that `alone` makes, as strace writes them; `None` without strace.
fn calls_of_alone(command: &dyn Fn(&Path) -> Command, mode: Env<'_>) -> Option<String> {
    let strace = common::find_working("strace", &["-o", "/dev/null", "true"])?;
    let mut command = command(&strace);
    command
        .args(["-f", "-qq", "-e", "signal=none"])
        // Cargo's own, along which a loader looks for each library anew.
        .args(["-E", "LD_LIBRARY_PATH"])
        .arg(program("alone"))
        .envs(mode.iter().copied());
    let output = common::watch(&mut command);
    assert!(output.status.success(), "{}", common::describe(&output));
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A sandbox that lets a program open its own files must not see others, with one exception that
/// `docs/limits.md` names: the cgroup's quota, which decides how many arenas there may be. It is read
/// at the start because the loader has just opened files then; a sandbox that the program puts
/// itself into comes later, and may kill for it. A refusal is no harm.
#[test]
fn start_up_opens_no_file_but_the_library_and_the_quota() {
    let library = common::libcairn();
    // The preload is the program's alone: strace itself opens files too, but
    // it traces only its child.
    let preload = |strace: &Path| {
        let mut command = common::plain(strace);
        let variable = format!("LD_PRELOAD={}", library.display());
        command.args(["-E", &variable]);
        command
    };
    let pieces = common::pieces_of_libc();
    // Whose turn comes when is the loader's.
    let opened = |calls: &str| -> BTreeSet<String> {
        calls
            .lines()
            .filter(|line| {
                line.starts_with("open")
                    && !line.contains("libcairn.so")
                    && !pieces.iter().any(|piece| line.contains(piece))
                    && !line.contains("/sys/fs/cgroup/cpu.max")
            })
            .map(|line| line.split('=').next().unwrap_or(line).to_owned())
            .collect()
    };
    let Some(without) = calls_of_alone(&|strace| common::plain(strace), &[]) else {
        return;
    };
    assert!(!opened(&without).is_empty(), "strace shows nothing");
    common::for_each_mode(|mode| {
        let with = calls_of_alone(&preload, mode).unwrap_or_default();
        assert!(with.contains("libcairn.so"), "the preload had no effect");
        assert_eq!(opened(&with), opened(&without));
    });
}
