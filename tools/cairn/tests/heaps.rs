//! Heaps of a program's own: each page of the command has them by their names.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, cairn, common, json, number};

fn heaps() -> Seen {
    let program = common::compile_c("tools/heaps.c", &[]);
    Seen::start(common::preloaded(program))
}

fn text(arguments: &[&str]) -> String {
    let output = cairn(arguments);
    assert!(output.status.success(), "{}", common::describe(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Arenas that everybody uses, at most.
const MAX_ARENAS: u64 = cairn::layout::sizes::MAX_ARENAS as u64;

#[test]
fn stats_and_why_tell_of_each_heap_by_its_name() {
    if seen::cannot_look() {
        return;
    }
    let seen = heaps();
    let page = json(&["stats", &seen.pid()]);
    let arenas = page["arenas"].as_array().expect("arenas");
    let named = |name: &str| arenas.iter().find(|arena| arena["name"] == name);
    let documents = named("documents").expect("its heap");
    assert!(
        number(documents, "/in_use_bytes") >= 5000 * 200,
        "{documents}"
    );
    assert_eq!(number(documents, "/mapped_chunks"), 3, "{documents}");
    assert!(number(documents, "/mapped_bytes") >= 3 << 20, "{documents}");
    assert_eq!(number(documents, "/limit"), 64 << 20, "{documents}");
    let scratch = named("scratch").expect("its heap");
    assert!(number(scratch, "/in_use_bytes") >= 5000, "{scratch}");
    assert!(
        scratch["limit"].is_null() && named("ended").is_none(),
        "{page:#}"
    );
    assert!(text(&["stats", &seen.pid()]).contains("is the heap \"documents\": "));

    let page = json(&["why", &seen.pid()]);
    let own = page["own_heaps"].as_array().expect("heaps");
    assert_eq!(own.len(), 2, "{page:#}");
    assert_eq!(own[0]["name"], "documents");
    // What is live there is counted object by object, as anywhere.
    let live = seen::line(&page, "live").expect("a line");
    assert!((5001..5100).contains(&number(live, "/count")), "{live}");
    assert_eq!(number(&page, "/dropped"), 0, "{page:#}");
    let words = text(&["why", &seen.pid()]);
    let line = words.lines().find(|line| line.contains("\"documents\""));
    assert!(
        line.is_some_and(|line| line.ends_with(", at most 64.0 MiB")),
        "{words}"
    );
    assert!(text(&["map", &seen.pid()]).contains("(\"documents\")"));
}

#[test]
fn metrics_have_the_name_as_a_label() {
    if seen::cannot_look() {
        return;
    }
    let seen = heaps();
    let words = text(&["metrics", &seen.pid()]);
    let value = |family: &str| -> u64 {
        let line = words.lines().find(|line| {
            line.starts_with(&format!("{family}{{")) && line.contains("heap=\"documents\"")
        });
        let value = line.and_then(|line| line.rsplit_once(' '));
        value
            .and_then(|(_, n)| n.parse().ok())
            .unwrap_or_else(|| panic!("{family}: {words}"))
    };
    assert!(value("cairn_live_bytes") >= 5000 * 200);
    assert!(value("cairn_heap_mapped_bytes") >= 3 << 20);
    assert_eq!(value("cairn_heap_limit_bytes"), 64 << 20);
    // Its number is its own: those of arenas that everybody uses are below. What another heap did that
    // ended there before is not counted as its.
    let own = words.lines().filter(|line| line.contains("heap=\""));
    let arena = own.filter_map(|line| line.split("arena=\"").nth(1)?.split('"').next());
    let numbers: Vec<u64> = arena.filter_map(|n| n.parse().ok()).collect();
    assert!(!numbers.is_empty(), "{words}");
    assert!(numbers.iter().all(|&n| n >= MAX_ARENAS), "{words}");
    let has = value("cairn_grown_bytes_total") - value("cairn_shrunk_bytes_total");
    assert_eq!(has, value("cairn_system_bytes"), "{words}");
    assert!(value("cairn_grown_bytes_total") < 10 << 20, "{words}");
}

#[test]
fn malloc_info_has_the_name_of_each_heap() {
    let mut seen = heaps();
    let mut line = seen.ask("info\n");
    let mut names = Vec::new();
    while line.trim_end() != "." {
        if let Some((_, name)) = line.split_once(" name=\"") {
            names.push(name.trim_end().to_owned());
        }
        line = seen.line();
    }
    names.sort();
    assert_eq!(names, ["documents\">", "scratch\">"]);
}
