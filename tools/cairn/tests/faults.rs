//! `cairn faults`: programs whose faults are known page by page.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{cairn, common, error, number};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Pages beside those that a program means to touch: the edges of its chunks, the libraries' few
/// objects, Cairn's tables.
const FEW: u64 = 40;

/// Whether faults are seen here at all; says so if not.
fn cannot_watch() -> bool {
    if seen::cannot_look() {
        return true;
    }
    let output = cairn(&["faults", "--as-is", "--", "true"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = output.status.code() == Some(2);
    if refused {
        assert!(
            said.contains("perf_event") && said.lines().count() == 1,
            "{said}"
        );
        common::skip_elsewhere(said.trim());
    }
    refused
}

fn read(output: &Output) -> Value {
    assert!(output.status.success(), "{}", common::describe(output));
    serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|_| panic!("{}", common::describe(output)))
}

/// What the command says of `touches.c` with these arguments: new, again, read, copied.
fn touches(more: &[&str], pages: [&str; 4]) -> Value {
    let program = common::compile_c("tools/touches.c", &[]);
    let library = common::libcairn();
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let (program, library) = (path(&program), path(&library));
    let mut arguments = vec!["faults", "--json", "--library", &library];
    arguments.extend(more);
    arguments.extend(["--", &program]);
    arguments.extend(pages);
    read(&cairn(&arguments))
}

/// Faults by cause, tables not.
fn causes(page: &Value) -> [u64; 5] {
    let mut all = [0; 5];
    for place in page["places"].as_array().expect("places") {
        if place["place"] == "tables" || place["place"] == "other" {
            continue;
        }
        for (i, sum) in all.iter_mut().enumerate() {
            *sum += place["faults"][i].as_u64().expect("a number");
        }
    }
    all
}

#[track_caller]
fn assert_near(page: &Value, expected: [u64; 5]) {
    assert_eq!(number(page, "/lost"), 0, "{page}");
    for (found, expected) in causes(page).into_iter().zip(expected) {
        let near = expected..=expected + if expected == 0 { 6 } else { FEW };
        let near = near.start().saturating_sub(6)..=*near.end();
        assert!(near.contains(&found), "{found} for {expected} in {page:#}");
    }
}

#[test]
fn each_fault_has_its_cause() {
    if cannot_watch() {
        return;
    }
    let with_codes = |page: &Value| page["with_codes"].as_bool().expect("whether");
    // Touched, given back, touched again.
    let page = touches(&[], ["1200", "1200", "0", "0"]);
    assert_near(&page, [1200, 1200, 0, 0, 0]);
    // Fewer come again than went.
    let page = touches(&[], ["1200", "600", "0", "0"]);
    assert_near(&page, [1200, 600, 0, 0, 0]);
    // The child copies, and then the parent has a fault too.
    let page = touches(&[], ["600", "600", "300", "480"]);
    if with_codes(&page) {
        assert_near(&page, [900, 600, 300, 960, 0]);
    } else {
        assert_near(&page, [900, 900, 0, 960, 0]);
    }
    assert_eq!(number(&page, "/processes"), 2);
    // What went came back: the heap's own counters know of it.
    let given = number(&page, "/purged_bytes") + number(&page, "/shrunk_bytes");
    assert!(given >= 595 * 4096, "{page:#}");
    for row in page["heap"].as_array().expect("rows") {
        let each = row["calibrated_nanoseconds_each"].as_f64();
        assert!(
            row["cause"] == "swap" || each.is_some_and(|n| n > 10.0),
            "{row}"
        );
        let faults = row["faults"].as_u64().expect("a number");
        if with_codes(&page) && faults > 6 {
            // Above a tenth of a microsecond each; waiting for a CPU has no limit above.
            let time = row["measured_seconds"].as_f64().expect("measured");
            assert!(time > faults as f64 * 1e-7, "{row}");
        }
    }
    // A child that never wrote what it shares copies nothing.
    let page = touches(&["--history-alone"], ["600", "600", "300", "480"]);
    assert!(!with_codes(&page));
    assert_near(&page, [900, 900, 0, 960, 0]);
}

#[test]
fn a_huge_page_is_one_fault_and_many_pages() {
    let mode = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !mode.is_ok_and(|mode| !mode.contains("[never]")) {
        return common::skip_elsewhere("no huge pages in this kernel");
    }
    if cannot_watch() {
        return;
    }
    // 57 MiB of small objects, of which all stay: from 8 MiB on the heap grows by huge pages, where
    // the kernel has some left. Beside them 15 MiB of mapped chunks, half of them touched. A huge page
    // at an end is touched as a whole, so the more of them there are, the more pages.
    let program = common::compile_c("tools/heap.c", &[]);
    let library = common::libcairn();
    let output = common::watch(
        Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["faults", "--json", "--library"])
            .args([&library, Path::new("--"), &program])
            .args(["200000", "600", "1", "0"])
            .stdin(Stdio::null()),
    );
    let page = read(&output);
    let first = &page["heap"][0];
    let (faults, pages) = (number(first, "/faults"), number(first, "/pages"));
    let huge = number(first, "/huge_pages");
    assert_eq!(pages, faults + huge * 511, "{page:#}");
    assert!((64..92).contains(&(pages >> 8)), "{page:#}");
    if huge == 0 {
        common::skip_elsewhere("the kernel gave no huge page");
    }
}

#[test]
fn a_process_is_watched_for_a_time() {
    if cannot_watch() {
        return;
    }
    let program = common::compile_c("tools/touches.c", &[]);
    let mut command = common::preloaded(program);
    command.args(["1200", "1200", "0", "480", "wait"]);
    let mut child = seen::Ended(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let mut lines = BufReader::new(child.0.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    let watch = Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(["faults", &child.0.id().to_string(), "--json"])
        .args(["--seconds", "300"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut watch = seen::Ended(watch);
    let mut said = BufReader::new(watch.0.stderr.take().expect("a pipe")).lines();
    let line = said.next().expect("a line").expect("text");
    assert!(line.starts_with("watching process "), "{line}");
    let mut input = child.0.stdin.take().expect("a pipe");
    input.write_all(b"\n").expect("it listens");
    assert_eq!(lines.next().expect("a line").expect("text"), "done");
    let pid = i32::try_from(watch.0.id()).expect("a number");
    // SAFETY: a signal to a child of ours.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let output = watch.0.stdout.take().expect("a pipe");
    let page: Value = serde_json::from_reader(output).expect("JSON");
    assert!(watch.0.wait().expect("its end").success());
    // What was there before is known to have been there.
    assert_near(&page, [0, 1200, 0, 960, 0]);
}

#[test]
fn the_program_s_end_is_the_command_s() {
    if cannot_watch() {
        return;
    }
    let output = cairn(&["faults", "--as-is", "--", "sh", "-c", "echo out; exit 7"]);
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        common::describe(&output)
    );
    assert_eq!(output.stdout, b"out\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("process "), "{said}");
    assert!(
        said.lines().all(|line| line.chars().count() <= 88),
        "{said}"
    );
    let output = cairn(&["faults", "--as-is", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(
        output.status.code(),
        Some(143),
        "{}",
        common::describe(&output)
    );
}

/// The command on `touches.c`, after the child's own side of the fork did something.
fn touches_after(before: fn() -> std::io::Result<()>, pages: [&str; 4]) -> Output {
    let program = common::compile_c("tools/touches.c", &[]);
    let library = common::libcairn();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command
        .args(["faults", "--json", "--library"])
        .args([&library, Path::new("--"), &program])
        .args(pages);
    // SAFETY: system calls alone, which allocate nothing.
    unsafe { command.pre_exec(before) };
    common::watch(&mut command)
}

#[test]
fn without_rights_over_the_kernel_the_history_tells() {
    if cannot_watch() {
        return;
    }
    let before = || {
        // CAP_PERFMON and CAP_SYS_ADMIN, as no user has them; who has none cannot drop them either.
        for capability in [38, 21] {
            // SAFETY: no memory is named.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        }
        Ok(())
    };
    let output = touches_after(before, ["600", "600", "300", "480"]);
    if output.status.code() == Some(2) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("CAP_PERFMON"), "{said}");
        return common::skip_elsewhere("no user may watch faults here");
    }
    let page = read(&output);
    let level = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    if level.is_ok_and(|level| level.trim() == "2") {
        assert_eq!(page["with_faults_of_the_kernel"], false, "{page:#}");
        assert_eq!(page["with_codes"], false, "{page:#}");
        assert_near(&page, [900, 900, 0, 960, 0]);
    }
}

/// Answers `perf_event_open` with EACCES, as a kernel does that lets nobody watch.
fn refuse_events() -> std::io::Result<()> {
    let code = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let number = u32::try_from(libc::SYS_perf_event_open).expect("a number");
    let errno = libc::SECCOMP_RET_ERRNO | libc::EACCES.unsigned_abs();
    let mut compare = code(0x15, number);
    compare.jf = 1;
    let mut filter = [
        code(0x20, 0),
        compare,
        code(0x06, errno),
        code(0x06, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program is whole, and the kernel copies it.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program) == 0
    };
    if done {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[test]
fn a_refusal_says_what_would_grant_it() {
    if seen::cannot_look() {
        return;
    }
    let output = touches_after(refuse_events, ["600", "0", "0", "0"]);
    let said = error(&output);
    for word in ["perf_event_paranoid", "root", "CAP_PERFMON"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_cannot_be_watched_gets_a_line() {
    if seen::cannot_look() {
        return;
    }
    for (arguments, word) in [
        (&["faults", "5000000"][..], "there is no process"),
        (&["faults", "-5"], ""),
        (
            &["faults", "--as-is", "--", "/no/such/program"],
            "cannot run",
        ),
        (&["faults"], ""),
        (&["faults", "1", "--", "true"], ""),
    ] {
        let output = cairn(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{}",
            common::describe(&output)
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word), "{said}");
    }
    let plain = Command::new("sleep").arg("60").spawn().expect("sleep");
    let plain = seen::Ended(plain);
    let said = error(&cairn(&["faults", &plain.0.id().to_string()]));
    assert!(said.contains("does not run on Cairn"), "{said}");
}
