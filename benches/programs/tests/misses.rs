//! What the bench says where it cannot count.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use std::process::Command;

#[test]
fn without_valgrind_one_line_says_so_before_anything_is_built() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("misses")
        .env("PATH", "")
        .output()
        .expect("the bench starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "bench: valgrind is not installed: it simulates the caches\n"
    );
    assert!(output.stdout.is_empty());
}
