//! `cairn leaks`, `cairn peak`, `cairn diff` and `--lifetimes`, on a program whose sites are known.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use cairn_profile::diff;
use seen::{Seen, cairn, common, error};
use std::path::PathBuf;
use std::process::Output;
use std::thread;
use std::time::Duration;

const ON: [(&str, &str); 2] = [("CAIRN_PROFILE", "1"), ("CAIRN_PROFILE_INTERVAL", "4096")];

fn program() -> PathBuf {
    common::compile_c("tools/leaky.c", &["-O1", "-g"])
}

/// The program, once it turns.
fn leaky(env: common::Env<'_>) -> Seen {
    let mut command = common::preloaded(program());
    command.envs(env.iter().copied());
    Seen::start(command)
}

#[track_caller]
fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", common::describe(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The line of figures above a site's functions.
#[track_caller]
fn figures<'a>(text: &'a str, site: &str) -> &'a str {
    let (before, _) = (text.split_once(&format!("            {site} ")))
        .unwrap_or_else(|| panic!("no {site} in\n{text}"));
    before.trim_end().lines().next_back().expect("a line")
}

#[test]
fn what_grows_stands_before_what_is_large() {
    if seen::cannot_look() {
        return;
    }
    let seen = leaky(&ON);
    let pid = seen.pid();
    let text = shown(&cairn(&["leaks", &pid, "--seconds", "2", "--age", "0.5"]));
    let lost = figures(&text, "site_lost");
    // 4096 bytes a turn, and at most a thousand turns a second.
    let rate = lost.split("grows by ").nth(1).expect("a rate");
    let kib: f64 = match rate.split_once(" KiB a second") {
        Some((number, _)) => number.parse().expect("a number"),
        None => {
            1024.0
                * rate
                    .split_once(" MiB a second")
                    .expect("a rate")
                    .0
                    .parse::<f64>()
                    .expect("a number")
        }
    };
    assert!((200.0..=4400.0).contains(&kib), "{text}");
    let table = figures(&text, "site_table");
    assert!(table.contains("does not grow"), "{text}");
    assert!(text.find("site_lost") < text.find("site_table"), "{text}");
    // What lives for a turn is never old, what was freed is not in use.
    for none in ["site_brief", "site_peak"] {
        assert!(!text.contains(none), "{text}");
    }
    let old = shown(&cairn(&[
        "leaks",
        &pid,
        "--seconds",
        "0.1",
        "--age",
        "1000",
    ]));
    assert!(old.contains("\n0 B have been in use for "), "{old}");
}

#[test]
fn what_a_program_leaves_behind_is_shown_at_its_end() {
    if seen::cannot_look() {
        return;
    }
    let (program, library) = (program(), common::libcairn());
    let [program, library] = [&program, &library].map(|path| path.to_str().expect("a path"));
    let output = cairn(&[
        "leaks",
        "--interval",
        "4096",
        "--library",
        library,
        "--",
        program,
        "600",
    ]);
    assert_eq!(shown(&output), "ready\n");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(figures(&text, "site_lost").contains("grows by "), "{text}");
    assert!(
        figures(&text, "site_table").contains("does not grow"),
        "{text}"
    );
    assert!(!text.contains("site_peak"), "{text}");
    let output = cairn(&[
        "peak",
        "--interval",
        "4096",
        "--library",
        library,
        "--",
        program,
        "10",
    ]);
    assert_eq!(shown(&output), "ready\n");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let peak: f64 = figures(&text, "site_peak")
        .split_whitespace()
        .next()
        .expect("a figure")
        .parse()
        .expect("MiB");
    // 3000 objects; what the sum rose by at the very end may be missing, and an estimate is one.
    assert!((9.5..=13.5).contains(&peak), "{text}");
    let fails = cairn(&["leaks", "--library", library, "--", "sh", "-c", "exit 7"]);
    assert_eq!(fails.status.code(), Some(7));
}

/// Two files of one process: what came between them, first what grew. The file of the difference adds
/// up to it.
#[test]
fn a_difference_is_what_came_between() {
    if seen::cannot_look() {
        return;
    }
    let seen = leaky(&ON);
    let pid = seen.pid();
    let file = |name: &str| common::scratch().join(format!("{name}-{pid}.pb.gz"));
    let files = ["before", "after", "difference"].map(file);
    let [a, b, c] = [0, 1, 2].map(|i| files[i].to_str().expect("a path"));
    shown(&cairn(&["profile", &pid, "-o", a]));
    thread::sleep(Duration::from_millis(700));
    shown(&cairn(&["profile", &pid, "-o", b]));
    let text = shown(&cairn(&["diff", a, b, "-o", c]));
    assert!(
        figures(&text, "site_lost").trim_start().starts_with('+'),
        "{text}"
    );
    assert!(!text.contains("site_table"), "{text}");
    let back = shown(&cairn(&["diff", b, a]));
    assert!(
        figures(&back, "site_lost").trim_start().starts_with('-'),
        "{back}"
    );
    let [a, b, c] = [a, b, c].map(|path| diff::read(path.as_ref()).expect("a file"));
    for kind in ["inuse", "alloc", "peak"] {
        let [a, b, c] = [&a, &b, &c].map(|file| diff::total(file, kind));
        assert_eq!(c, b - a, "{kind}");
    }
    let changes = diff::changes(&a, &b, "alloc").expect("figures");
    assert!(
        changes.iter().all(|c| c.growth() > 0),
        "what was allocated only grows"
    );
    let nothing = shown(&cairn(&[
        "diff",
        files[1].to_str().expect("a path"),
        files[1].to_str().expect("a path"),
    ]));
    assert_eq!(nothing.lines().count(), 2, "{nothing}");
    for path in files {
        std::fs::remove_file(path).expect("the file");
    }
    let said = error(&cairn(&["diff", "Cargo.toml", "Cargo.toml"]));
    assert!(said.contains("this is no pprof file"), "{said}");
    let said = error(&cairn(&["diff", "/none.pb.gz", "/none.pb.gz"]));
    assert!(said.contains("/none.pb.gz: No such file"), "{said}");
}

#[test]
fn lifetimes_tell_the_freed_from_those_in_use() {
    if seen::cannot_look() {
        return;
    }
    let seen = leaky(&ON);
    thread::sleep(Duration::from_millis(500));
    let text = shown(&cairn(&[
        "profile",
        &seen.pid(),
        "--lifetimes",
        "--show",
        "allocated",
    ]));
    let rows = |site: &str| -> Vec<(String, u64, u64)> {
        let behind = text
            .split_once(&format!("  {site} "))
            .unwrap_or_else(|| panic!("{text}"))
            .1;
        let table = behind.split_once(" in use\n").expect("a table").1;
        let row = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let number = |i: usize| words[i].parse().expect("a number");
            (format!("{} {}", words[1], words[2]), number(3), number(4))
        };
        table
            .lines()
            .take_while(|l| !l.is_empty())
            .map(row)
            .collect()
    };
    let lost = rows("site_lost");
    assert!(
        lost.iter().all(|r| r.1 == 0) && lost.iter().any(|r| r.2 > 0),
        "{text}"
    );
    // A turn is a millisecond and a little; the machine may be slow.
    let brief = rows("site_brief");
    let short: u64 = brief
        .iter()
        .filter(|r| ["1 ms", "4 ms", "16 ms"].contains(&&*r.0))
        .map(|r| r.1)
        .sum();
    let freed: u64 = brief.iter().map(|r| r.1).sum();
    assert!(freed > 50 && short * 10 >= freed * 9, "{text}");
    assert!(brief.iter().map(|r| r.2).sum::<u64>() <= 3, "{text}");
    let peak = rows("site_peak");
    assert!(
        peak.iter().all(|r| r.2 == 0) && peak.iter().map(|r| r.1).sum::<u64>() > 1000,
        "{text}"
    );
}

#[test]
fn what_cannot_be_looked_at_gets_one_line() {
    for (arguments, says) in [
        (vec!["leaks", "999999999"], "there is no process"),
        (vec!["peak", "/none"], "/none: No such file"),
        (vec!["leaks", "Cargo.toml"], "this is no core file"),
        (
            vec!["peak", "Cargo.toml", "--seconds", "3"],
            "a file is read as it is",
        ),
        (
            vec!["profile", "Cargo.toml", "--stop"],
            "a file is read as it is",
        ),
    ] {
        let said = error(&cairn(&arguments));
        assert!(said.contains(says), "{said}");
    }
}

/// A process that writes a report has its samples in it: the pprof file that is made of it later is the
/// one of the moment of the report.
#[test]
fn a_report_holds_the_profile_of_its_moment() {
    if seen::cannot_look() {
        return;
    }
    let folder = common::scratch().join(format!("profiled-report-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let pattern = folder.join("%n");
    let seen = leaky(&[
        ON[0],
        ON[1],
        ("CAIRN_REPORT_SIGNAL", "SIGUSR2"),
        ("CAIRN_REPORT_FILE", pattern.to_str().expect("a path")),
    ]);
    let before = shown(&cairn(&["profile", &seen.pid()]));
    let sent = std::process::Command::new("kill")
        .args(["-USR2", &seen.pid()])
        .status();
    assert!(sent.expect("kill runs").success());
    let path = folder.join("1");
    let [path, file] =
        [&path, &folder.join("heap.pb.gz")].map(|p| p.to_str().expect("a path").to_owned());
    let mut text = String::new();
    for _ in 0..600 {
        let output = cairn(&["profile", &path, "-o", &file]);
        text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && text.contains("site_table") {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    drop(seen);
    // The table does not change, so the two say the same of it.
    assert_eq!(
        figures(&text, "site_table").split('%').nth(1),
        figures(&before, "site_table").split('%').nth(1)
    );
    assert!(text.starts_with(&path), "{text}");
    let read = diff::read(file.as_ref()).expect("a file");
    let table: i64 = diff::changes(&read, &read, "inuse")
        .expect("figures")
        .iter()
        .map(diff::Change::growth)
        .sum();
    assert_eq!(table, 0);
    assert!(diff::total(&read, "inuse") > 500 * 4096 / 2);
    let leaks = shown(&cairn(&["leaks", &path]));
    assert!(leaks.contains("site_table"), "{leaks}");
    std::fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn who_keeps_nearly_free_pages_is_named() {
    if seen::cannot_look() {
        return;
    }
    let program = common::compile_c("tools/pins.c", &["-O1", "-g"]);
    let mut command = common::preloaded(program);
    command.envs(ON);
    let seen = Seen::start(command);
    let why = seen::json(&["why", &seen.pid()]);
    let free = seen::number(&why, "/pinned/free_on_sparse_pages");
    let sites = why["pinned"]["sites"].as_array().expect("sites");
    let first = &sites[0];
    let functions = first["functions"].to_string();
    assert!(functions.contains("site_stays (pins.c:"), "{why:#}");
    assert!(
        !sites.iter().any(|s| s.to_string().contains("site_goes")),
        "{why:#}"
    );
    // An estimate of what was counted.
    let pinned = seen::number(first, "/pinned") as f64 / free as f64;
    assert!((0.7..=1.3).contains(&pinned), "{pinned}: {why:#}");
    for command in ["why", "map"] {
        let text = shown(&cairn(&[command, &seen.pid()]));
        let behind = text
            .split_once("Who asked for the objects that keep nearly free pages")
            .expect(command)
            .1;
        assert!(behind.contains("site_stays (pins.c:"), "{text}");
    }
}

/// Memory that the tables of samples take: at most a MiB for 1,000 objects in use that are samples.
#[test]
fn a_thousand_samples_take_less_than_a_mebibyte() {
    if seen::cannot_look() {
        return;
    }
    let resident = |env: common::Env<'_>| -> (u64, u64) {
        let program = common::compile_c("tools/pins.c", &["-O1", "-g"]);
        let mut command = common::preloaded(program);
        command.envs(env.iter().copied());
        let seen = Seen::start(command);
        let why = seen::json(&["why", &seen.pid()]);
        let tables = seen::line(&why, "tables").expect("the tables");
        let text =
            String::from_utf8_lossy(&cairn(&["profile", &seen.pid(), "--seconds", "0.1"]).stdout)
                .into_owned();
        let taken = text
            .split("by samples of ")
            .nth(1)
            .and_then(|t| t.split(' ').next());
        (
            seen::number(tables, "/resident"),
            taken.map_or(0, |t| t.parse().expect("a number")),
        )
    };
    // Every object is a sample.
    let (with, samples) = resident(&[ON[0], ("CAIRN_PROFILE_INTERVAL", "1")]);
    let (without, _) = resident(&[]);
    assert!(samples >= 20_000, "{samples}");
    let of_thousand = (with - without) as f64 * 1000.0 / 20_000.0 / f64::from(1 << 20);
    println!("{of_thousand:.3} MiB for 1,000 samples");
    assert!(of_thousand <= 1.0, "{of_thousand} MiB");
}
