//! Where Cairn can be: twice in a process, and in a namespace of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, common, json, line, number};
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

const ROLE: &str = "CAIRN_TEST_ROLE";

/// Objects of a Rust program's own Cairn, and of the preloaded one.
fn play() -> ! {
    let own: Vec<_> = (0..5000).map(|i| vec![1_u8; 100 + i % 50]).collect();
    // SAFETY: no precondition.
    let others: Vec<_> = (0..3000).map(|_| unsafe { libc::malloc(300) }).collect();
    let _kept = black_box((own, others));
    // SAFETY: writes a line of ours.
    unsafe { libc::write(1, c"ready\n".as_ptr().cast(), 6) };
    loop {
        // SAFETY: no precondition.
        unsafe { libc::pause() };
    }
}

#[test]
fn two_cairns_of_one_process_are_both_seen() {
    if std::env::var_os(ROLE).is_some() {
        play();
    }
    if seen::cannot_look() {
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let mut command = common::preloaded(this);
    command.env(ROLE, "plays").args([
        "--exact",
        "two_cairns_of_one_process_are_both_seen",
        "--nocapture",
    ]);
    let mut seen = Seen::start(command);
    // The harness has said something before.
    while seen.line() != "ready\n" {}
    let page = json(&["why", &seen.pid()]);
    let objects = page["cairn"].as_array().expect("instances");
    assert_eq!(objects.len(), 2, "{page:#}");
    let live = number(line(&page, "live").expect("a line"), "/count");
    assert!((8000..9000).contains(&live), "{live}: {page:#}");
    assert_eq!(number(&page, "/unexplained"), 0, "{page:#}");
    let stats = json(&["stats", &seen.pid()]);
    assert_eq!(
        stats["others"].as_array().map(Vec::len),
        Some(1),
        "{stats:#}"
    );
}

#[test]
fn a_process_in_a_namespace_of_its_own_is_seen_from_outside() {
    if seen::cannot_look() {
        return;
    }
    // SAFETY: no precondition.
    if unsafe { libc::geteuid() } != 0 {
        return common::skip("only root makes namespaces, by unshare");
    }
    // Not every root may; and a folder that is no mount, as below `chroot`, cannot have its own.
    let apart = ["--pid", "--fork", "--mount", "--net", "--"];
    let Some(unshare) = common::find_working("unshare", &[&apart[..], &["true"]].concat()) else {
        return;
    };
    let program = common::compile_c("tools/heap.c", &[]);
    let mut command = Command::new(unshare);
    command
        .args(apart)
        .arg(program)
        .args(["5000", "500", "2", "1"])
        .env("LD_PRELOAD", common::libcairn());
    let seen = Seen::start(command);
    let children = format!("/proc/{0}/task/{0}/children", seen.pid());
    let mut inside = String::new();
    for _ in 0..100 {
        inside = fs::read_to_string(&children).expect("its children");
        if !inside.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let page = json(&["why", inside.trim()]);
    assert_eq!(number(&page, "/unexplained"), 0, "{page:#}");
    assert!(number(line(&page, "live").expect("a line"), "/count") > 2000);
    let caches = page["caches"].as_array().expect("caches");
    assert!(
        caches.iter().all(|c| c["thread"].as_u64() > Some(1)),
        "{page:#}"
    );
    // SAFETY: ends the process that was found above.
    unsafe { libc::kill(inside.trim().parse().expect("a number"), libc::SIGKILL) };
}
