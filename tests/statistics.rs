//! What the statistics build tells beyond what every build counts, since it costs a fast path or a
//! clock: how often and how long locks were waited for, and pages that went and were used again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

/// Pages of what `c-tests/counts/told.c` uses twice.
#[cfg(target_arch = "x86_64")]
const PAGES: u64 = (32 << 20) / 4096;

/// The figures with these names at the end of `told.c`.
fn told<const N: usize>(what: &str, names: [&str; N]) -> [u64; N] {
    let library = common::build_libcairn("libcairn-stats", &["--features", "stats"])
        .unwrap_or_else(|errors| panic!("the statistics build does not build:\n{errors}"));
    let program = common::compile_c("counts/told.c", &["-O2"]);
    let output = common::watch(
        common::plain(&program)
            .arg(what)
            .env("LD_PRELOAD", &library)
            .env("MALLOC_ARENA_MAX", "1")
            // No epoch ends: what goes is what a trim takes.
            .env("CAIRN_PURGE_DELAY", "4294967295")
            .env("CAIRN_VERBOSE", "1"),
    );
    assert!(output.status.success(), "{}", common::describe(&output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    names.map(|name| {
        let figure = text.lines().find_map(|line| {
            let number = line.strip_prefix("cairn: ")?.strip_prefix(name)?;
            number.strip_prefix(": ")?.parse().ok()
        });
        figure.unwrap_or_else(|| panic!("nothing of {name}: {}", common::describe(&output)))
    })
}

#[test]
fn how_often_and_how_long_locks_are_waited_for_is_told() {
    let names = ["locks waited for", "nanoseconds waited for locks"];
    let [often, long] = told("waits", names);
    println!("{often} times, {long} ns");
    assert!(often > 0, "four threads never waited for each other");
    assert!(long > often, "{often} waits took {long} ns");
    assert_eq!(told("alone", names), [0, 0]);
}

// A page has as many bytes as the architecture says.
#[cfg(target_arch = "x86_64")]
#[test]
fn pages_that_went_and_are_used_again_are_told() {
    let [again] = told("again", ["pages touched again"]);
    let [once] = told("once", ["pages touched again"]);
    println!("{again} of {PAGES} pages, {once} without a trim");
    assert!(again > PAGES / 10 * 9, "{again} of {PAGES} pages");
    assert!(once < PAGES / 100, "{once} pages, and none went");
}
