//! `cairn why` on each workload of the bench, stopped at moments that nobody chose: the parts are
//! what is resident, and hardly anything is unexplained.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::common;
use seen::common::workloads::{Workload, compile, manifest};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Looks at one process.
const LOOKS: u64 = 4;

/// The page of a process, if it has begun and not ended.
fn page(process: &mut Child) -> Option<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(["why", &process.id().to_string(), "--json"])
        .output()
        .expect("the command runs");
    let is_over = process.try_wait().expect("a child").is_some();
    (output.status.success() && !is_over)
        .then(|| serde_json::from_slice(&output.stdout).expect("a page"))
}

fn number(page: &Value, what: &str) -> u64 {
    page[what].as_u64().unwrap_or_else(|| panic!("no {what}"))
}

/// What does not add up, in words.
fn off(page: &Value) -> Option<String> {
    let rss = number(page, "resident");
    let lines = page["lines"].as_array().expect("lines");
    let parts = lines.iter().filter(|line| line["level"] == 1);
    let parts: u64 = parts.map(|line| number(line, "resident")).sum();
    let unexplained = number(page, "unexplained");
    (parts.abs_diff(rss) * 100 > rss || unexplained * 100 > rss)
        .then(|| format!("{parts} of {rss}, {unexplained} unexplained"))
}

#[test]
fn every_workload_of_the_bench_adds_up_at_any_moment() {
    if seen::cannot_look() {
        return;
    }
    // In the short form one in seven, all kinds among them.
    let every = if common::is_long() { 1 } else { 7 };
    let own = manifest().into_iter().filter(|entry| !entry.real);
    let (mut looks, mut wrong) = (0, Vec::new());
    for Workload {
        name,
        program,
        arguments,
        ..
    } in own.step_by(every)
    {
        let mut command = common::preloaded(compile(&program));
        command.args(&arguments).stdout(Stdio::null());
        let mut process = command.spawn().expect("the workload starts");
        for look in 0..LOOKS {
            // Not in step with anything that the program does.
            thread::sleep(Duration::from_millis(
                7 + 23 * look + u64::from(process.id()) % 17,
            ));
            if let Some(page) = page(&mut process) {
                looks += 1;
                wrong.extend(off(&page).map(|why| format!("{name}: {why}")));
            }
        }
        let _ = process.kill();
        process.wait().expect("it ends");
    }
    println!("{looks} looks");
    assert!(looks > 10, "only {looks} looks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
