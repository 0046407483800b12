//! How long a test runs.
#![allow(unreachable_pub, reason = "shared by test binaries")]

/// What tests take that are too long for CI: of the short form, of CI's (`CAIRN_TEST_LONG=ci`), a
/// fixed part of the long form as well, and of the whole long form (`CAIRN_TEST_LONG=1`).
pub fn of_form<T>(short: T, ci: T, long: T) -> T {
    match std::env::var_os("CAIRN_TEST_LONG") {
        Some(form) if form == "1" => long,
        Some(form) if form == "ci" => ci,
        _ => short,
    }
}
