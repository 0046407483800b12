//! A report that a process writes of itself, against what a look from outside says of the moment.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Seen, cairn, common, error, json, line, number};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// An empty folder for the reports of one test.
fn folder(name: &str) -> PathBuf {
    let path = common::scratch().join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// The reports in a folder, by name.
fn reports(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut all: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    all.sort();
    all
}

/// Has a process that waits write a report, and returns it once it is whole.
fn ask(seen: &Seen, folder: &Path, number: usize) -> PathBuf {
    let sent = Command::new("kill").args(["-USR2", &seen.pid()]).status();
    assert!(sent.expect("kill runs").success());
    for _ in 0..600 {
        if let Some(path) = reports(folder).get(number) {
            // It may be half written, or not even that.
            let output = cairn(&["why", path.to_str().expect("a path"), "--json"]);
            let page: Option<Value> = serde_json::from_slice(&output.stdout).ok();
            if page.is_some_and(|page| page["report_is_whole"] == true) {
                return path.clone();
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no report in {:?}", reports(folder));
}

/// Kind, count and bytes of what lies in the heap.
fn figures(page: &Value) -> Vec<(String, Option<u64>, u64)> {
    let ids = [
        "live",
        "mapped",
        "cached",
        "waiting",
        "free_chunks",
        "free_in_slots",
        "top",
        "fresh",
        "quarantined",
        "overhead",
    ];
    ids.iter()
        .filter_map(|id| Some((id, line(page, id)?)))
        .map(|(id, line)| {
            let count = line["count"].as_u64();
            ((*id).to_owned(), count, number(line, "/resident"))
        })
        .collect()
}

#[test]
fn a_report_on_a_signal_says_what_a_look_from_outside_says() {
    if seen::cannot_look() {
        return;
    }
    for (arguments, more) in [
        (["60000", "2000", "10", "3"], ("CAIRN_RUN_MAX", "512")),
        (["30000", "2000", "10", "0"], ("CAIRN_RUN_MAX", "0")),
        (["20000", "1000", "5", "2"], ("MALLOC_CHECK_", "2")),
    ] {
        let folder = folder("asked");
        let file = format!("{}/%p-%n", folder.display());
        let env = [
            ("CAIRN_REPORT_SIGNAL", "USR2"),
            ("CAIRN_REPORT_FILE", file.as_str()),
            more,
        ];
        let mut seen = Seen::heap(arguments, &env);
        let before = json(&["why", &seen.pid()]);
        let figures_before = json(&["stats", &seen.pid()]);
        let path = ask(&seen, &folder, 0);
        let name = path.to_str().expect("a path").to_owned();
        assert!(name.ends_with(&format!("/{}-1", seen.pid())), "{name}");
        let report = json(&["why", &name]);
        assert_eq!(figures(&before), figures(&report), "{more:?} {report:#}");
        assert_eq!(number(&report, "/dropped"), 0, "{report:#}");
        let (rss, found) = (number(&report, "/resident"), number(&report, "/explained"));
        assert!(rss.abs_diff(found) * 100 <= rss, "{found} of {rss}");
        // The program goes on, and a second one has a file of its own.
        assert_eq!(seen.numbers("t").len(), 2);
        let second = ask(&seen, &folder, 1);
        assert!(second.ends_with(format!("{}-2", seen.pid())), "{second:?}");
        let of = fs::metadata(&path).expect("the file");
        assert_eq!(of.mode() & 0o777, 0o600);
        // A few hundredths of the heap, or of the smallest chunks an eighth.
        assert!(of.len() < (1 << 20) + rss / 8, "{} of {rss}", of.len());
        let stats = json(&["stats", &name]);
        assert_eq!(stats["mallinfo2"], figures_before["mallinfo2"], "{more:?}");
        assert_eq!(stats["arenas"], figures_before["arenas"], "{more:?}");
        let output = cairn(&["map", &name]);
        assert!(output.status.success(), "{}", common::describe(&output));
        fs::remove_dir_all(&folder).expect("it goes");
    }
}

#[test]
fn a_report_at_a_mark_comes_once_and_before_what_follows() {
    let folder = folder("mark");
    let program = common::compile_c("tools/heap.c", &[]);
    let file = format!("{}/r", folder.display());
    let mut command = common::preloaded(program);
    command
        .args(["60000", "2000", "1", "0"])
        .env("CAIRN_REPORT_AT", "20M")
        .env("CAIRN_REPORT_FILE", &file);
    let seen = Seen::start(command);
    let found = reports(&folder);
    assert_eq!(found, [PathBuf::from(&file)]);
    let report = json(&["why", &file]);
    let resident = number(&report, "/resident");
    // It ends with some 60 MiB; a look came at each quarter of what was missing.
    assert!((16 << 20..24 << 20).contains(&resident), "{report:#}");
    let output = cairn(&["why", &file]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = format!("written by the process {} at", seen.pid());
    assert!(text.contains(&words), "{text}");
    fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn a_share_is_of_the_limit_that_was_given_where_one_was() {
    let folder = folder("share");
    let program = common::compile_c("tools/heap.c", &[]);
    let mut command = common::preloaded(program);
    command
        .args(["60000", "2000", "1", "0"])
        .env("CAIRN_LIMIT", "92M")
        .env("CAIRN_REPORT_AT", "25%")
        .env("CAIRN_REPORT_FILE", format!("{}/r-%n", folder.display()));
    let _seen = Seen::start(command);
    // It ends with some 65 MiB; the marks are at 23, 57 and 75, and what was got last counts as used.
    let resident: Vec<u64> = reports(&folder)
        .iter()
        .map(|file| number(&json(&["why", file.to_str().expect("a path")]), "/resident") >> 20)
        .collect();
    let bounds = [20..29, 54..64];
    assert_eq!(resident.len(), bounds.len(), "{resident:?}");
    for (mib, bounds) in resident.iter().zip(bounds) {
        assert!(bounds.contains(mib), "{resident:?}");
    }
    fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn nothing_is_written_over_and_no_link_is_followed() {
    let folder = folder("links");
    let (file, other) = (folder.join("r"), folder.join("other"));
    fs::write(&other, "mine").expect("a file");
    symlink(&other, &file).expect("a link");
    let program = common::compile_c("tools/heap.c", &[]);
    let start = |variable: &str, value: &str| {
        let mut command = common::preloaded(&program);
        command
            .args(["20000", "2000", "1", "0"])
            .env(variable, value)
            .env("CAIRN_REPORT_FILE", &file);
        drop(Seen::start(command));
    };
    start("CAIRN_REPORT_AT", "8M");
    assert_eq!(fs::read_to_string(&other).expect("the file"), "mine");
    assert_eq!(reports(&folder).len(), 3, "{:?}", reports(&folder));
    assert!(folder.join("r.2").exists());
    // What is no amount is no mark, and without one nothing is written.
    start("CAIRN_REPORT_AT", "8 apples");
    start("CAIRN_REPORT_AT", "0");
    start("CAIRN_REPORT_SIGNAL", "KILL");
    assert_eq!(reports(&folder).len(), 3, "{:?}", reports(&folder));
    fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn a_file_that_ends_early_is_read_as_far_as_it_goes() {
    if seen::cannot_look() {
        return;
    }
    let folder = folder("early");
    let file = format!("{}/r", folder.display());
    let env = [
        ("CAIRN_REPORT_SIGNAL", "12"),
        ("CAIRN_REPORT_FILE", file.as_str()),
    ];
    let seen = Seen::heap(["30000", "2000", "10", "0"], &env);
    let path = ask(&seen, &folder, 0);
    let bytes = fs::read(&path).expect("the report");
    let short = folder.join("short");
    for (len, is_read) in [
        (bytes.len() - 8, true),
        (bytes.len() / 2, true),
        (20, false),
    ] {
        fs::write(&short, &bytes[..len]).expect("a file");
        let output = cairn(&["why", short.to_str().expect("a path")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.success(),
            is_read,
            "{}",
            common::describe(&output)
        );
        if is_read {
            assert!(text.contains("it is not all there"), "{text}");
        } else {
            assert!(error(&output).contains("ends before"), "{output:?}");
        }
    }
    let mut other = bytes.clone();
    other[8] = 99;
    fs::write(&short, &other).expect("a file");
    let said = error(&cairn(&["why", short.to_str().expect("a path")]));
    assert!(said.contains("layout 99"), "{said}");
    fs::remove_dir_all(&folder).expect("it goes");
}

/// A cgroup of this test's own, where that may be made, and its file that takes a limit.
struct Group(PathBuf, &'static str);

impl Group {
    fn make() -> Option<Self> {
        let name = format!("cairn-test-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        for (mount, limit) in kinds {
            let path = Path::new(mount).join(&name);
            if fs::create_dir(&path).is_ok() {
                if path.join(limit).exists() {
                    return Some(Self(path, limit));
                }
                let _ = fs::remove_dir(&path);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Beyond that limit the kernel ends a process that writes.
#[test]
fn a_report_keeps_within_the_limit_of_files() {
    let Some(prlimit) = common::find("prlimit") else {
        return;
    };
    let folder = folder("limited");
    let program = common::compile_c("tools/heap.c", &[]);
    // A whole one has some 110,000 bytes.
    for (limit, is_written) in [("90000", true), ("3000", false)] {
        let mut command = common::preloaded(&prlimit);
        command
            .arg(format!("--fsize={limit}"))
            .arg(&program)
            .args(["20000", "2000", "1", "0"])
            .stdin(Stdio::null())
            .env("CAIRN_REPORT_AT", "16M")
            .env("CAIRN_REPORT_FILE", folder.join(limit));
        let output = common::watch(&mut command);
        assert!(output.status.success(), "{}", common::describe(&output));
        let path = folder.join(limit);
        assert_eq!(path.exists(), is_written, "{limit}");
        if is_written {
            let bytes = fs::metadata(&path).expect("its size").len();
            assert!((60_000..=90_000).contains(&bytes), "{bytes}");
            let page = json(&["why", path.to_str().expect("a path")]);
            assert_eq!(page["report_is_whole"], false);
        }
    }
    fs::remove_dir_all(&folder).expect("it goes");
}

/// The kernel kills it at the limit; what is left are a report at the mark, and one at each halving.
#[test]
fn a_process_that_the_kernel_kills_has_written_what_was_in_use() {
    let Some(group) = Group::make() else {
        return common::skip_elsewhere(
            "the right to make a cgroup with a limit of memory is missing",
        );
    };
    const LIMIT: u64 = 64 << 20;
    let folder = folder("killed");
    fs::write(group.0.join(group.1), LIMIT.to_string()).expect("a limit");
    // Where swap is counted apart, none of it.
    let _ = fs::write(group.0.join("memory.swap.max"), "0");
    let program = common::compile_c("tools/heap.c", &[]);
    let library = common::preloaded(&program);
    let preload = library
        .get_envs()
        .find(|(name, _)| *name == "LD_PRELOAD")
        .and_then(|(_, value)| value)
        .expect("the library")
        .to_owned();
    let script =
        "echo $$ > $GROUP/cgroup.procs && LD_PRELOAD=$LIBRARY exec $PROGRAM 200000 2000 1 0";
    let output = common::watch(
        Command::new("sh")
            .args(["-c", script])
            .env("GROUP", &group.0)
            .env("LIBRARY", preload)
            .env("PROGRAM", &program)
            .env("CAIRN_REPORT_AT", "75%")
            .env("CAIRN_REPORT_FILE", folder.join("%n")),
    );
    assert!(!output.status.success(), "{}", common::describe(&output));
    let found = reports(&folder);
    assert!(found.len() >= 3, "{found:?}");
    let mut before = LIMIT * 3 / 4 - (8 << 20);
    for path in &found {
        let page = json(&["why", path.to_str().expect("a path")]);
        let resident = number(&page, "/resident");
        // Pages of files may be another group's; and the last may come at nearly the same moment.
        let range = before..=LIMIT + (8 << 20);
        assert!(range.contains(&resident), "{path:?} {page:#}");
        assert_eq!(page["report_is_whole"], true, "{path:?}");
        before = resident - (1 << 20);
    }
    fs::remove_dir_all(&folder).expect("it goes");
}
