//! Where the kernel does not tell which pages are resident: what is not known is not said, and what
//! the kernel counts of each mapping is.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, common, json, line, number};
use serde_json::Value;
use std::process::{Command, Output};

/// The command in a namespace in which `/proc/PID/pagemap` is empty.
fn masked(seen: &Seen, more: &[&str]) -> Output {
    let script = "mount --bind /dev/null /proc/$PROCESS/pagemap || exit 77; exec \"$@\"";
    let pid = seen.pid();
    common::watch(
        Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_cairn"))
            .args(["why", &pid])
            .args(more)
            .env("PROCESS", &pid),
    )
}

#[test]
fn without_pagemap_the_kernels_count_of_each_mapping_is_given() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["30000", "2000", "10", "2"], &[]);
    let output = masked(&seen, &["--json"]);
    if !output.status.success() {
        let said = common::describe(&output);
        assert!(said.contains("mount") || said.contains("unshare"), "{said}");
        return common::skip_elsewhere("the right to mount in a namespace is missing");
    }
    let page: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let whole = json(&["why", &seen.pid()]);
    assert_eq!(whole["residency_known"], true);
    assert_eq!(page["residency_known"], false, "{page:#}");
    // What lies where needs no residency.
    for id in ["live", "cached", "free_chunks", "mapped"] {
        let of = |page| line(page, id).map(|line| (number(line, "/bytes"), line["count"].as_u64()));
        assert_eq!(of(&page), of(&whole), "{id}");
    }
    // The kernel's figures are the same for both.
    assert_eq!(page["mappings"], whole["mappings"]);
    let counted = page["mappings"].as_array().expect("mappings");
    let counted: u64 = counted.iter().map(|map| number(map, "/resident")).sum();
    let tables = number(&whole, "/resident") / 2;
    assert!(counted > tables, "{page:#}");
    let output = masked(&seen, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in ["is not known here", "The kernel counts as resident"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
