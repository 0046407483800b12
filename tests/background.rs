//! The thread that gives memory back where the program has stopped calling (`CAIRN_BACKGROUND=1`):
//! when it is there, what it gives back, and what nobody may notice of it. The programs of
//! `c-tests/background/` say which promise broke in one line.

mod common;

use common::{Env, assert_silent_success, compile_c, run, with};

const ON: Env<'static> = &[("CAIRN_BACKGROUND", "1")];

/// A part of `c-tests/background/life.c` holds, in both heap modes.
#[track_caller]
fn lives(what: &str, env: Env<'_>) {
    let program = compile_c("background/life.c", &[]);
    common::for_each_mode(|mode| {
        assert_silent_success(&run(&program, &[what], &with(mode, env)));
    });
}

/// `c-tests/background/burst.c` with these threads and sizes, each in its heap modes.
#[track_caller]
fn gives_back(cases: &[[&str; 2]]) {
    let program = compile_c("background/burst.c", &[]);
    for args in cases {
        for &mode in common::modes_of(&args.concat()) {
            assert_silent_success(&run(&program, args, &with(mode, ON)));
        }
    }
}

#[test]
fn a_process_with_one_thread_has_no_thread_of_cairns() {
    lives("alone", ON);
}

#[test]
fn beside_a_thread_that_never_allocates_it_comes_too() {
    lives("beside", ON);
}

#[test]
fn a_child_is_without_until_it_has_threads_of_its_own() {
    lives("forks", ON);
}

#[test]
fn it_keeps_no_process_from_its_end() {
    lives("ends", ON);
}

#[test]
fn it_leaves_with_the_others() {
    lives("leaves", ON);
}

#[test]
fn it_handles_no_signal_of_the_programs_and_changes_its_user_with_it() {
    lives("signals", ON);
}

#[test]
fn its_stack_is_small() {
    lives("stack", ON);
}

#[test]
fn it_sleeps_without_a_timer_while_there_is_nothing_to_give_back() {
    lives("sleeps", ON);
}

#[test]
fn it_comes_and_goes_by_a_call() {
    lives("by_call", &[]);
}

#[test]
fn making_it_keeps_errno() {
    lives("keeps_errno", ON);
}

#[test]
fn a_burst_goes_back_though_nobody_calls() {
    gives_back(&[["0", "0"], ["0", "64"]]);
    if common::is_long() {
        gives_back(&[["0", "1000"], ["0", "70000"], ["1", "300000"]]);
    }
}

#[test]
fn a_burst_of_threads_that_wait_goes_back() {
    gives_back(&[["4", "0"]]);
    if common::is_long() {
        gives_back(&[["4", "100"], ["2", "70000"]]);
    }
}

#[test]
fn what_lies_behind_much_that_stays_goes_too() {
    let program = compile_c("robustness/past_top.c", &[]);
    common::for_each_mode(|mode| {
        assert_silent_success(&run(&program, &["quiet"], &with(mode, ON)));
    });
}

/// What is watched for `MEMORY_PRESSURE_WATCH`, with a delay in which nothing would go.
#[track_caller]
fn hears_of_pressure_by(kind: &str) {
    let program = compile_c("background/pressure.c", &[]);
    common::for_each_mode(|mode| {
        let name = format!("pressure-{kind}-{}", mode.len());
        let path = std::env::temp_dir().join(format!("cairn-{}-{name}", std::process::id()));
        let path = path.to_str().unwrap_or_default();
        let never = [("CAIRN_PURGE_DELAY", "4294967295")];
        let env = with(ON, &never);
        assert_silent_success(&run(&program, &[kind, path], &with(mode, &env)));
    });
}

#[test]
fn pressure_told_by_a_pipe_takes_what_is_free() {
    hears_of_pressure_by("pipe");
}

#[test]
fn pressure_told_by_a_socket_takes_what_is_free() {
    hears_of_pressure_by("socket");
}

#[test]
fn a_file_of_pressure_figures_gets_what_is_to_be_written() {
    hears_of_pressure_by("file");
    common::skip_elsewhere("the kernel's own figures say nothing on order: a file stood in");
}

#[test]
fn where_nothing_is_to_be_watched_nothing_is() {
    hears_of_pressure_by("null");
}

/// A cgroup of its own, with so many bytes of memory; `None` where none can be made.
mod group {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    pub(crate) struct Group(PathBuf);

    impl Group {
        pub(crate) fn new(name: &str, bytes: usize) -> Option<Self> {
            let id = format!("cairn-{name}-{}", std::process::id());
            let kinds = [
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                ("/sys/fs/cgroup", "memory.max"),
            ];
            kinds.into_iter().find_map(|(root, limit)| {
                let folder = PathBuf::from(root).join(&id);
                fs::create_dir(&folder).ok()?;
                let group = Self(folder);
                fs::write(group.0.join(limit), bytes.to_string()).ok()?;
                // Nor may it go elsewhere.
                for swap in ["memory.memsw.limit_in_bytes", "memory.swap.max"] {
                    let none = if swap.ends_with("max") { 0 } else { bytes };
                    let _ = fs::write(group.0.join(swap), none.to_string());
                }
                Some(group)
            })
        }

        /// The command, in the group from its first page on.
        pub(crate) fn command(&self, program: &str) -> Command {
            let mut command = Command::new("sh");
            let enter = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
            command.args(["-c", enter]).arg(&self.0).arg(program);
            command
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            // The kernel may need a moment.
            for _ in 0..100 {
                if fs::remove_dir(&self.0).is_ok() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

/// 480 MiB live at the peak, in a cgroup of 512 MiB: `c-tests/background/peak.c`.
#[test]
fn what_is_killed_on_glibc_in_a_small_cgroup_survives_with_a_limit() {
    use std::os::unix::process::ExitStatusExt;

    let Some(group) = group::Group::new("peak", 512 << 20) else {
        common::skip_elsewhere("no cgroup with a limit of memory can be made here");
        return;
    };
    let program = compile_c("background/peak.c", &[]);
    let program = program.to_str().unwrap_or_default();
    let on_glibc = common::watch(&mut group.command(program));
    if on_glibc.status.signal() != Some(9) && on_glibc.status.code() != Some(137) {
        common::skip_elsewhere("a cgroup's limit is not enforced here");
        return;
    }
    let all = [(0, "90%"), (1, "460M"), (1, "90%"), (0, "460M")];
    for (mode, limit) in &all[..if common::is_long() { 4 } else { 2 }] {
        let mode = common::MODES[*mode];
        let mut command = group.command(program);
        let preload = common::libcairn();
        command.envs(mode.iter().copied());
        command.env("LD_PRELOAD", preload).env("CAIRN_LIMIT", limit);
        assert_silent_success(&common::watch(&mut command));
    }
}

#[test]
fn near_a_limit_caches_keep_little() {
    let program = compile_c("background/near.c", &[]);
    common::for_each_mode(|mode| assert_silent_success(&run(&program, &[], mode)));
}

#[test]
fn a_limit_that_comes_later_counts_what_there_is() {
    let program = compile_c("background/limited.c", &[]);
    common::for_each_mode(|mode| assert_silent_success(&run(&program, &[], mode)));
}

#[test]
fn above_a_hard_limit_there_is_no_memory_until_some_is_freed() {
    let program = compile_c("background/hard.c", &[]);
    common::for_each_mode(|mode| {
        let env = [("CAIRN_LIMIT", "64M"), ("CAIRN_LIMIT_HARD", "1")];
        assert_silent_success(&run(&program, &["64"], &with(mode, &env)));
        // Without the second one a limit refuses nothing, nor does a share of none.
        assert_silent_success(&run(&program, &["0"], &with(mode, &env[..1])));
    });
}
