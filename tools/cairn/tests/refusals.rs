//! What the command says where there is nothing to see, and that it leaves processes as they were.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, Seen, cairn, common, error, json, number};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SMALL: [&str; 4] = ["2000", "500", "2", "1"];

/// The same program without Cairn.
fn plain() -> Seen {
    let program = common::compile_c("tools/heap.c", &[]);
    let mut command = common::plain(program);
    command.args(SMALL);
    Seen::start(command)
}

/// The same program on a library that may be changed, in a place of its own.
fn on_a_copy(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (Seen, std::path::PathBuf) {
    let mut bytes = fs::read(common::libcairn()).expect("the library");
    change(&mut bytes);
    let copy = common::scratch().join(format!("{name}-{}.so", std::process::id()));
    fs::write(&copy, bytes).expect("a copy");
    let program = common::compile_c("tools/heap.c", &[]);
    let mut command = common::plain(program);
    command.args(SMALL).env("LD_PRELOAD", &copy);
    (Seen::start(command), copy)
}

#[test]
fn another_allocator_is_named() {
    if seen::cannot_look() {
        return;
    }
    let seen = plain();
    let said = error(&cairn(&["why", &seen.pid()]));
    assert!(said.contains("does not run on Cairn"), "{said}");
    assert!(said.contains("malloc"), "{said}");
}

#[test]
fn a_process_that_is_not_there_is_said_to_be_none() {
    if seen::cannot_look() {
        return;
    }
    // Above the most that any kernel gives out.
    for command in ["why", "stats"] {
        let said = error(&cairn(&[command, "5000000"]));
        assert!(said.contains("there is no process 5000000"), "{said}");
    }
    let said = error(&cairn(&["why", "/no/such/core"]));
    assert!(said.contains("No such file"), "{said}");
    let said = error(&cairn(&["why", "/proc/self/exe"]));
    assert!(said.contains("no core file"), "{said}");
}

/// What has a dash in front is a number all the same, not an option that the command does not know.
#[test]
fn a_number_that_no_process_has_gets_one_line() {
    for command in [
        "why", "stats", "map", "top", "metrics", "profile", "leaks", "peak", "explain", "doctor",
        "faults",
    ] {
        for number in ["-5", "0"] {
            let said = error(&cairn(&[command, number]));
            let line = format!("cairn: {number} is no number of a process\n");
            assert_eq!(said, line, "{command}");
        }
    }
}

#[test]
fn a_refusal_says_what_would_grant_it() {
    if seen::cannot_look() {
        return;
    }
    // SAFETY: no precondition.
    if unsafe { libc::geteuid() } != 0 {
        return common::skip("only root can be somebody else");
    }
    let seen = Seen::heap(SMALL, &[]);
    let copy = std::env::temp_dir().join(format!("cairn-refused-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_cairn"), &copy).expect("a copy that all may run");
    for running in [&[][..], &["--running"]] {
        let mut command = Command::new(&copy);
        command.args(["why", &seen.pid()]).args(running);
        command.uid(65534).gid(65534).current_dir("/");
        let said = error(&common::watch(&mut command));
        assert!(said.contains("not allowed"), "{said}");
        assert!(said.contains("CAP_SYS_PTRACE"), "{said}");
    }
    fs::remove_file(copy).expect("the copy");
}

#[test]
fn another_layout_is_named_beside_ours() {
    if seen::cannot_look() {
        return;
    }
    let (seen, copy) = on_a_copy("other-layout", |bytes| {
        let magic = bytes.windows(8).position(|w| w == b"cairn-md");
        let at = magic.expect("the note") + 8;
        bytes[at..at + 4].copy_from_slice(&77_u32.to_le_bytes());
    });
    let said = error(&cairn(&["why", &seen.pid()]));
    assert!(said.contains("layout 77"), "{said}");
    let ours = format!("reads layout {}", cairn::layout::descriptor::LAYOUT);
    assert!(said.contains(&ours), "{said}");
    fs::remove_file(copy).expect("the copy");
}

#[test]
fn a_library_that_was_deleted_is_read_all_the_same() {
    if seen::cannot_look() {
        return;
    }
    let (seen, copy) = on_a_copy("deleted", |_| {});
    fs::remove_file(copy).expect("the copy");
    let page = json(&["why", &seen.pid()]);
    assert!(number(&page, "/lines/1/resident") > 0, "{page:#}");
    assert!(
        page["cairn"][0][1]
            .as_str()
            .is_some_and(|o| o.contains("(deleted)")),
        "{page:#}"
    );
}

#[test]
fn no_process_is_left_standing() {
    if seen::cannot_look() {
        return;
    }
    let mut seen = Seen::heap(["100000", "300", "3", "4"], &[]);
    for i in 0..60 {
        let mut cairn = Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["why", &seen.pid()])
            .stdout(Stdio::null())
            .spawn()
            .expect("the command starts");
        thread::sleep(Duration::from_micros(i * 1500));
        cairn.kill().expect("it is killed");
        cairn.wait().expect("it ends");
        // Every thread goes on: the first one answers, the others wait as they did.
        assert_eq!(seen.numbers("i").len(), 9);
        let tasks = fs::read_dir(format!("/proc/{}/task", seen.pid())).expect("its threads");
        for task in tasks {
            let stat = task.expect("a thread").path().join("stat");
            let stat = fs::read_to_string(stat).expect("its state");
            assert!(!stat.contains(") t "), "{stat}");
        }
    }
    let status = format!("/proc/{}/status", seen.pid());
    let status = fs::read_to_string(status).expect("its status");
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
}

#[test]
fn a_process_that_a_debugger_has_is_read_without_stopping() {
    if seen::cannot_look() {
        return;
    }
    let Some(gdb) = common::find("gdb") else {
        return common::skip("gdb is not there");
    };
    let seen = Seen::heap(SMALL, &[]);
    let gdb = Command::new(gdb)
        .args(["-nx", "-q", "-p", &seen.pid()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("gdb starts");
    let _gdb = Ended(gdb);
    let since = Instant::now();
    while seen.state() != 't' {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "gdb attaches to nothing"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let said = error(&cairn(&["why", &seen.pid()]));
    assert!(said.contains("another debugger"), "{said}");
    assert!(said.contains("--running"), "{said}");
    let page = json(&["why", &seen.pid(), "--running"]);
    assert!(page["stood_still_seconds"].is_null(), "{page:#}");
}
