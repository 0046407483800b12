//! A core file that the kernel made. A binary of its own: what the tests share takes the right to make
//! core files from their process, so the child is there before anything else is done.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, common, json, line, number};
use std::fs;
use std::process::Command;

const SCRIPT: &str = "\
ulimit -S -c unlimited 2> /dev/null && [ $(ulimit -S -c) = unlimited ] && echo may || echo may not
read library
read program
LD_PRELOAD=$library exec $program 30000 2000 10 2";

#[test]
fn a_core_file_of_the_kernel_gives_the_same_figures() {
    let folder = std::env::temp_dir().join(format!("cairn-core-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).current_dir(&folder);
    let (mut seen, may) = Seen::start_saying(command);
    if seen::cannot_look() {
        return;
    }
    if may.trim() != "may" {
        return common::skip_elsewhere("the hard limit forbids core files");
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("the pattern");
    if pattern.starts_with('|') || pattern.contains('/') {
        return common::skip_elsewhere("core_pattern leads elsewhere");
    }
    let program = common::compile_c("tools/heap.c", &[]);
    let library = common::preloaded(&program);
    let preload = library.get_envs().find(|(name, _)| *name == "LD_PRELOAD");
    let preload = preload.and_then(|(_, value)| value?.to_str());
    let preload = preload.expect("the library");
    let said = seen.ask(&format!("{preload}\n{}\n", program.display()));
    assert_eq!(said, "ready\n");
    let process = json(&["why", &seen.pid()]);
    let stats = json(&["stats", &seen.pid()]);
    let sent = Command::new("kill").args(["-ABRT", &seen.pid()]).status();
    assert!(sent.expect("kill runs").success());
    let status = seen.child.wait().expect("it ends");
    assert!(!status.success());
    let found = fs::read_dir(&folder).expect("the folder").next();
    let file = found.expect("a core file").expect("its entry").path();
    let path = file.to_str().expect("a path");
    let core = json(&["why", path]);
    let ids = [
        "live",
        "cached",
        "waiting",
        "free_chunks",
        "free_in_slots",
        "mapped",
    ];
    for id in ids {
        let of = |page| line(page, id).map(|line| (number(line, "/bytes"), line["count"].as_u64()));
        assert_eq!(of(&process), of(&core), "{id}");
    }
    let of_core = json(&["stats", path]);
    assert_eq!(stats["mallinfo2"], of_core["mallinfo2"]);
    assert_eq!(stats["arenas"], of_core["arenas"]);
    fs::remove_dir_all(&folder).expect("it goes");
}
