//! `cairn why` and `cairn stats` against what the process and the kernel say themselves.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::common::{self, Env, MODES};
use seen::{Seen, cairn, json, line, number};
use std::process::Command;

/// Heaps of several kinds: number, size, keep, threads, and variables.
const HEAPS: [([&str; 4], Env<'static>); 6] = [
    (["60000", "2000", "10", "0"], MODES[0]),
    (["60000", "2000", "10", "3"], MODES[1]),
    (["200000", "64", "50", "2"], MODES[0]),
    (["20000", "30000", "4", "6"], MODES[0]),
    (["20000", "500", "1", "0"], MODES[0]),
    (["20000", "1000", "5", "2"], &[("MALLOC_CHECK_", "2")]),
];

/// Whether two numbers differ by at most a part of the second.
fn close(a: u64, b: u64, part: f64) -> bool {
    a.abs_diff(b) as f64 <= b as f64 * part
}

#[test]
fn the_parts_add_up_to_what_is_resident() {
    if seen::cannot_look() {
        return;
    }
    for (arguments, env) in HEAPS {
        let seen = Seen::heap(arguments, env);
        let page = json(&["why", &seen.pid()]);
        let rss = seen.figure("smaps_rollup", "Rss");
        let what = format!("{arguments:?} {env:?}: {page:#}");
        let lines = page["lines"].as_array().expect("lines");
        let parts: u64 = lines
            .iter()
            .filter(|line| line["level"] == 1)
            .map(|line| number(line, "/resident"))
            .sum();
        assert!(close(parts, rss, 0.01), "{parts} of {rss}: {what}");
        assert!(number(&page, "/unexplained") * 100 <= rss, "{what}");
        assert_eq!(number(&page, "/dropped"), 0, "{what}");
        assert!(line(&page, "unread").is_none(), "{what}");
        // All tables are known as such: what else is anonymous are data of libraries.
        let others = line(&page, "anonymous").map_or(0, |line| number(line, "/resident"));
        assert!(others < 256 << 10, "{what}");
        assert!(page["stood_still_seconds"].as_f64() > Some(0.0), "{what}");
    }
}

#[test]
fn the_pool_of_guarded_objects_is_known_as_such() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["20000", "500", "1", "0"], &[("CAIRN_GUARD", "1")]);
    let page = json(&["why", &seen.pid()]);
    let rss = seen.figure("smaps_rollup", "Rss");
    let pool = line(&page, "guarded").expect("a line");
    let resident = number(pool, "/resident");
    assert!((4096..=320 << 10).contains(&resident), "{pool}");
    assert!(number(&page, "/unexplained") * 100 <= rss, "{page:#}");
    let others = line(&page, "anonymous").map_or(0, |line| number(line, "/resident"));
    assert!(others < 256 << 10, "{page:#}");
}

#[test]
fn live_objects_are_counted_one_by_one() {
    if seen::cannot_look() {
        return;
    }
    // All stay, and each is a slot's object or a chunk; the table of them and a buffer or two beside.
    let seen = Seen::heap(["20000", "500", "1", "0"], &[]);
    let page = json(&["why", &seen.pid()]);
    let live = line(&page, "live").expect("a line");
    assert!((20_000..20_020).contains(&number(live, "/count")), "{live}");
    let mapped = line(&page, "mapped").expect("a line");
    assert!((5..=7).contains(&number(mapped, "/count")), "{mapped}");
}

#[test]
fn the_figures_are_those_of_mallinfo2() {
    if seen::cannot_look() {
        return;
    }
    let names = [
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "fsmblks", "uordblks", "fordblks",
        "keepcost",
    ];
    for (arguments, env) in HEAPS {
        let mut seen = Seen::heap(arguments, env);
        let page = json(&["stats", &seen.pid()]);
        let said = seen.numbers("i");
        for (name, said) in names.iter().zip(said) {
            let ours = number(&page, &format!("/mallinfo2/{name}"));
            assert_eq!(ours, said, "{name}, {arguments:?} {env:?}: {page:#}");
        }
    }
}

#[test]
fn the_rows_are_those_of_malloc_info() {
    if seen::cannot_look() {
        return;
    }
    let mut seen = Seen::heap(["60000", "2000", "10", "3"], &[]);
    let page = json(&["stats", &seen.pid()]);
    let mut said = seen.ask("x");
    while !said.ends_with("end\n") {
        said += &seen.line();
    }
    let mut rows = 0;
    for arena in page["arenas"].as_array().expect("arenas") {
        for row in arena["sizes"].as_array().expect("rows") {
            let n = |name: &str| number(row, &format!("/{name}"));
            let text = format!(
                "<size from=\"{}\" to=\"{}\" total=\"{}\" count=\"{}\"/>",
                n("from"),
                n("to"),
                n("total"),
                n("count")
            );
            assert!(said.contains(&text), "{text} is not in {said}");
            rows += 1;
        }
        for kind in ["fast", "rest"] {
            let text = format!(
                "<total type=\"{kind}\" count=\"{}\" size=\"{}\"/>",
                number(&arena[kind], "/count"),
                number(&arena[kind], "/bytes")
            );
            assert!(said.contains(&text), "{text} is not in {said}");
        }
    }
    assert_eq!(rows, said.matches("<size ").count());
    assert!(rows > 20, "{said}");
}

#[test]
fn a_trim_gives_back_what_was_foretold() {
    if seen::cannot_look() {
        return;
    }
    for (arguments, env) in HEAPS {
        let mut seen = Seen::heap(arguments, env);
        let page = json(&["why", &seen.pid()]);
        let foretold = number(&page, "/trim/at_once");
        let said = seen.numbers("t");
        let gone = (said[0].saturating_sub(said[1])) * 1024;
        // A few pages are the call's own.
        let good = close(foretold, gone, 0.05) || foretold.abs_diff(gone) <= 128 << 10;
        assert!(
            good,
            "{foretold}, and {gone} went: {arguments:?} {env:?} {page:#}"
        );
    }
}

#[test]
fn each_threads_cache_is_named() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["20000", "1000", "5", "4"], &[]);
    let page = json(&["why", &seen.pid()]);
    let caches = page["caches"].as_array().expect("caches");
    let mut named: Vec<_> = caches.iter().filter_map(|c| c["thread"].as_u64()).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 5, "{page:#}");
    assert!(named.contains(&u64::from(seen.child.id())), "{page:#}");
}

#[test]
fn the_page_can_be_read() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["60000", "2000", "10", "3"], &[]);
    let output = cairn(&["why", &seen.pid()]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "objects in use (",
        "stood still for",
        "malloc_trim(0)",
        "is pinned:",
        "unexplained",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = cairn(&["stats", &seen.pid()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("from the system"), "{text}");
}

#[test]
fn a_core_file_gives_the_same_figures() {
    if seen::cannot_look() {
        return;
    }
    let Some(gcore) = common::find("gcore") else {
        return common::skip("gcore is not there");
    };
    let seen = Seen::heap(["30000", "2000", "10", "2"], &[]);
    let process = json(&["why", &seen.pid()]);
    let path = common::scratch().join(format!("core-of-{}", seen.pid()));
    let made = common::watch(Command::new(gcore).arg("-o").arg(&path).arg(seen.pid()));
    assert!(made.status.success(), "{}", common::describe(&made));
    let file = format!("{}.{}", path.display(), seen.pid());
    let core = json(&["why", &file]);
    let stats = (json(&["stats", &seen.pid()]), json(&["stats", &file]));
    std::fs::remove_file(&file).expect("the core file");
    for id in ["live", "cached", "waiting", "free_chunks", "free_in_slots"] {
        let of = |page| {
            let line = line(page, id).unwrap_or_else(|| panic!("no {id}"));
            (number(line, "/bytes"), line["count"].as_u64())
        };
        assert_eq!(of(&process), of(&core), "{id}");
    }
    assert_eq!(stats.0["mallinfo2"], stats.1["mallinfo2"]);
    assert_eq!(stats.0["arenas"], stats.1["arenas"]);
}

#[test]
fn real_programs_add_up_at_any_moment() {
    if seen::cannot_look() {
        return;
    }
    let python = "import random\nd = {}\nprint('ready', flush=True)\nwhile True:\n    k = random.randrange(30000)\n    d[k] = [bytes(random.randrange(3000)) for _ in range(random.randrange(5))]\n    d.pop(random.randrange(30000), None)\n";
    let perl = "$| = 1; print qq(ready\\n); while (1) { $h{int rand 30000} = 'x' x rand 2000; delete $h{int rand 30000} }";
    for (name, arguments) in [("python3", ["-c", python]), ("perl", ["-e", perl])] {
        let Some(program) = common::find(name) else {
            common::skip(&format!("{name} is not there"));
            continue;
        };
        let mut command = common::preloaded(program);
        command.args(arguments);
        let seen = Seen::start(command);
        for _ in 0..8 {
            let page = json(&["why", &seen.pid()]);
            let rss = number(&page, "/resident");
            let lines = page["lines"].as_array().expect("lines");
            let parts = lines.iter().filter(|line| line["level"] == 1);
            let parts: u64 = parts.map(|line| number(line, "/resident")).sum();
            assert!(
                close(parts, rss, 0.01),
                "{name}: {parts} of {rss}: {page:#}"
            );
            assert!(
                number(&page, "/unexplained") * 100 <= rss,
                "{name}: {page:#}"
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
