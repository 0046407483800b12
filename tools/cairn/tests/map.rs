//! `cairn map`: the picture is there, small, and drawn by a real browser.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, cairn, common, error};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn path(name: &str) -> PathBuf {
    common::scratch().join(format!("{name}-{}.html", std::process::id()))
}

/// Draws a picture with these arguments, and returns the page.
#[track_caller]
fn draw(seen: &Seen, name: &str, more: &[&str]) -> (PathBuf, String) {
    let path = path(name);
    let pid = seen.pid();
    let mut arguments = vec!["map", &pid, "-o", path.to_str().expect("a path")];
    arguments.extend(more);
    let output = cairn(&arguments);
    assert!(output.status.success(), "{}", common::describe(&output));
    let page = fs::read_to_string(&path).expect("the page");
    (path, page)
}

/// The page as a browser has it once its script ran; `None` without a browser.
fn drawn(path: &std::path::Path) -> Option<String> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"];
    let chromium = chromium.into_iter().find_map(common::find)?;
    let output = common::watch(
        Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("file://{}", path.display())),
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("<html"), "{}", common::describe(&output));
    Some(text)
}

#[test]
fn a_browser_draws_the_page_and_needs_nothing_else() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["30000", "2000", "10", "2"], &[]);
    let (path, page) = draw(&seen, "drawn", &[]);
    for other in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(other), "{other} in the page");
    }
    let Some(text) = drawn(&path) else {
        return common::skip("no chromium is there");
    };
    // The script sets these last.
    for words in [
        "data-ready=\"",
        "regions of 64 KiB",
        "in use ",
        "could not be read",
        "one of the fullest slots",
        "from 16 B",
    ] {
        assert!(text.contains(words), "{words} is not drawn");
    }
    fs::remove_file(path).expect("the page");
}

#[test]
fn a_gibibyte_is_less_than_5_megabytes_of_page() {
    if seen::cannot_look() {
        return;
    }
    let pad = (1_u64 << 30).to_string();
    let env = [("MALLOC_TOP_PAD_", pad.as_str())];
    let seen = Seen::heap(["20000", "500", "2", "0"], &env);
    let (path, page) = draw(&seen, "large", &[]);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("\"unit\":1,"), "pages were put together");
    if let Some(text) = drawn(&path) {
        assert!(text.contains("data-ready=\""), "it is not drawn");
    }
    fs::remove_file(path).expect("the page");
}

#[test]
fn an_address_is_shown_with_what_lies_around() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["5000", "500", "2", "0"], &[]);
    let text = cairn(&["map", &seen.pid()]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let base = text.split(" at 0x").nth(1).expect("a heap");
    let base = base.split(',').next().expect("its address");
    let base = u64::from_str_radix(base, 16).expect("a number");
    let address = format!("{:#x}", base + 1000);
    let (path, page) = draw(&seen, "detail", &["--detail", &address]);
    assert!(
        page.contains(&format!("around {address}")),
        "it is not there"
    );
    fs::remove_file(path).expect("the page");
    let said = error(&cairn(&["map", &seen.pid(), "--detail", "0x10"]));
    assert!(said.contains("0x10 lies in none of the heaps"), "{said}");
}

#[test]
fn without_a_file_the_picture_is_text() {
    if seen::cannot_look() {
        return;
    }
    for env in common::MODES {
        let seen = Seen::heap(["30000", "2000", "10", "2"], env);
        let output = cairn(&["map", &seen.pid()]);
        assert!(output.status.success(), "{}", common::describe(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        for words in [
            "arena 0",
            "# in use",
            "free stretches by size",
            "beside the heaps",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(
            !text.contains('?') || text.matches('?').count() == 1,
            "{text}"
        );
    }
}
