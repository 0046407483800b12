//! `cairn record`, `trace`, `replay` and `advise`: what is written down, what is shown, what is
//! refused and with which words.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "record/kept.rs"]
mod kept;
#[path = "record/replays.rs"]
mod replays;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use traces::event::{Call, Event};
use traces::file::{End, Reader};

/// The sizes of `calls.c`.
const MALLOC: u64 = 10007;
const CALLOC: u64 = 10009;
const ALIGNED: u64 = 10037;

/// A file of the recorder's packages, built as the library under test is.
fn built(package: &str, file: &str) -> PathBuf {
    let target = common::build(package, "libcairn", &["--release"]).expect("it builds");
    common::loadable(target.join("release").join(file), "libcairn/release")
}

fn recorder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("cairn-record", "libcairn_record.so"))
}

fn replayer() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("cairn-replay", "cairn-replay"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is not UTF-8")
}

/// A name in a directory of its own, also where two tests take the same.
fn fresh(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = format!("record-{}-{count}-{name}", std::process::id());
    let dir = common::scratch().join(dir);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory");
    dir.join(name)
}

fn calls() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = fresh("calls");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/record/calls.c");
        let built = Command::new("cc")
            .args([
                "-g",
                "-fno-builtin",
                "-pthread",
                "-o",
                text(&program),
                source,
            ])
            .output()
            .expect("a compiler");
        assert!(built.status.success(), "{}", common::describe(&built));
        program
    })
}

fn cairn(arguments: &[&str]) -> Output {
    common::watch(common::plain(env!("CARGO_BIN_EXE_cairn")).args(arguments))
}

/// Records a program into a file.
fn record(file: &Path, program: &[&str]) -> Output {
    let start = [
        "record",
        "--recorder",
        text(recorder()),
        "-o",
        text(file),
        "--",
    ];
    cairn(&[&start[..], program].concat())
}

/// Records what `calls.c` does under a name, and reads it.
fn recorded(what: &str) -> (PathBuf, Vec<Event>, End) {
    let file = fresh(&format!("{what}.trace"));
    let output = record(&file, &[text(calls()), what]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        common::describe(&output)
    );
    let (events, end) = read(&file);
    (file, events, end)
}

fn read(file: &Path) -> (Vec<Event>, End) {
    let mut reader = Reader::open(file).expect("a trace");
    let mut events = Vec::new();
    while let Some(event) = reader.next_call().expect("a whole trace") {
        events.push(event);
    }
    (events, reader.end.expect("an end"))
}

/// How often each size was asked for by each kind of call.
fn count(events: &[Event], is: impl Fn(&Call) -> bool, size: u64) -> usize {
    let found = events.iter().filter(|it| is(&it.call) && it.size == size);
    found.count()
}

#[test]
fn every_kind_of_call_is_written_down_with_its_size() {
    let (file, events, end) = recorded("kinds");
    let malloc = |call: &Call| *call == Call::Malloc;
    assert_eq!(
        count(&events, malloc, MALLOC),
        3,
        "malloc, realloc and reallocarray of nothing"
    );
    assert_eq!(count(&events, |call| *call == Call::Calloc, CALLOC), 1);
    assert_eq!(count(&events, |call| *call == Call::Aligned(8), ALIGNED), 1);
    assert_eq!(
        count(&events, |call| *call == Call::Aligned(12), ALIGNED),
        1
    );
    let realloc = |call: &Call| matches!(call, Call::Realloc { .. });
    assert_eq!(count(&events, realloc, 400_009), 1);
    assert_eq!(count(&events, realloc, 10_039), 1);
    let failed = events.iter().filter(|it| it.call == Call::Failed);
    assert_eq!(failed.count(), 2);
    assert!(end.exited && end.cut.is_none());
    // What it says of them.
    let output = cairn(&["trace", text(&file)]);
    let said = String::from_utf8_lossy(&output.stdout);
    for words in [
        "2 failed",
        "realloc\n",
        "Lifetimes",
        "thread 0",
        "malloc served by",
    ] {
        assert!(said.contains(words), "no {words}: {said}");
    }
    let output = cairn(&["trace", "--text", text(&file)]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().count(), events.len());
    assert!(
        said.contains("calloc(10009) = 0.") && said.contains("failed("),
        "{said}"
    );
}

#[test]
fn every_object_is_freed_by_whom_it_was_freed_whatever_the_threads_do() {
    let (_, events, end) = recorded("pass");
    assert_eq!(end.strays, 0);
    let mut births = HashMap::new();
    let mut numbers: HashMap<u32, u64> = HashMap::new();
    let (mut across, mut last) = (0, 0);
    for event in &events {
        assert!(event.time >= last);
        last = event.time;
        if let Some(of) = event.ends() {
            let size = births.remove(&(of.thread, of.number));
            let size = size.expect("a free of what was allocated, and not yet freed");
            across += usize::from(of.thread != event.thread && size == MALLOC);
        }
        if event.is_birth() {
            let number = numbers.entry(event.thread).or_default();
            births.insert((event.thread, *number), event.size);
            *number += 1;
        }
    }
    assert_eq!(across, 20_000);
    assert!(
        births.values().all(|size| *size != MALLOC),
        "all were freed"
    );
}

#[test]
fn of_addresses_that_go_to_and_fro_between_threads_each_use_is_the_right_ones() {
    const THERE: u64 = 1001;
    const BACK: u64 = 1003;
    let (_, events, end) = recorded("exchange");
    assert_eq!(end.strays, 0);
    let mut births = HashMap::new();
    let mut numbers: HashMap<u32, u64> = HashMap::new();
    let mut freed = HashMap::new();
    for event in &events {
        if let Some(of) = event.ends() {
            let size = births.remove(&(of.thread, of.number));
            let size: u64 = size.expect("a free of what was allocated, and not yet freed");
            let by_another = event.thread != of.thread;
            *freed.entry((size, by_another)).or_insert(0) += 1;
        }
        if event.is_birth() {
            let number = numbers.entry(event.thread).or_default();
            births.insert((event.thread, *number), event.size);
            *number += 1;
        }
    }
    // Each took what the other brought; the last of the second's the first one freed too.
    let count = |size, by_another| freed.get(&(size, by_another)).copied().unwrap_or(0);
    assert_eq!(
        [
            count(THERE, true),
            count(THERE, false),
            count(BACK, true),
            count(BACK, false)
        ],
        [16_000, 0, 16_000, 0]
    );
}

#[test]
fn threads_that_come_one_after_another_are_threads_of_their_own() {
    let (_, events, end) = recorded("sequence");
    assert!(end.threads >= 201, "{end:?}");
    assert_eq!(count(&events, |call| *call == Call::Malloc, MALLOC), 200);
}

#[test]
fn a_fork_and_a_program_that_takes_ones_place_have_files_of_their_own() {
    let (file, events, end) = recorded("fork");
    assert_eq!(count(&events, |call| *call == Call::Malloc, ALIGNED), 1);
    assert_eq!(count(&events, |call| *call == Call::Malloc, CALLOC), 0);
    assert_eq!(end.strays, 0);
    let child = others(&file);
    let (events, end) = read(child.first().expect("the child's"));
    assert_eq!(count(&events, |call| *call == Call::Malloc, CALLOC), 2);
    // What its parent had allocated.
    assert!(end.strays > 0, "{end:?}");

    let (file, events, end) = recorded("exec");
    assert_eq!(count(&events, |call| *call == Call::Malloc, MALLOC), 1);
    assert!(!end.exited);
    let (events, end) = read(others(&file).first().expect("what it became"));
    assert_eq!(count(&events, |call| *call == Call::Calloc, CALLOC), 1);
    assert!(end.exited);
}

/// Traces beside that one.
fn others(file: &Path) -> Vec<PathBuf> {
    let dir = file.parent().expect("a directory");
    let entries = fs::read_dir(dir).expect("a directory").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path != file)
        .collect()
}

#[test]
fn what_was_recorded_before_a_signal_is_there() {
    let file = fresh("killed.trace");
    let output = record(&file, &[text(calls()), "killed"]);
    assert_eq!(
        output.status.code(),
        Some(128 + 9),
        "{}",
        common::describe(&output)
    );
    let (events, end) = read(&file);
    assert_eq!(count(&events, |call| *call == Call::Malloc, MALLOC), 20_000);
    assert!(!end.exited);
}

#[test]
fn of_a_large_object_it_is_said_how_much_was_used() {
    let (file, events, _) = recorded("large");
    let shares: Vec<_> = events
        .iter()
        .filter_map(|it| Some((it.call, it.share?)))
        .collect();
    let near = |share: u8, part: u8| share.abs_diff(part) < 8;
    assert!(
        shares
            .iter()
            .any(|(call, share)| matches!(call, Call::Free(_)) && near(*share, 64)),
        "{shares:?}"
    );
    assert!(
        shares
            .iter()
            .any(|(call, share)| matches!(call, Call::Rest(_)) && near(*share, 128)),
        "{shares:?}"
    );
    let page = file.with_extension("html");
    let output = cairn(&["trace", "--html", text(&page), text(&file)]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let page = fs::read_to_string(page).expect("a page");
    assert!(
        page.contains("<svg") && page.contains("Large objects: of 16.0 MiB in 2"),
        "{page}"
    );
}

#[test]
fn where_there_is_no_room_recording_stops_and_the_program_goes_on() {
    let file = fresh("room.trace");
    let line = format!("ulimit -f 200; exec {} kinds", text(calls()));
    let output = record(&file, &["sh", "-c", &line]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        common::describe(&output)
    );
    assert!(
        said.contains("no space is left") && said.contains("the program went on"),
        "{said}"
    );
}

#[test]
fn the_status_is_the_programs_and_what_cannot_be_recorded_is_said_in_a_line() {
    let file = fresh("status.trace");
    let output = record(&file, &[text(calls()), "nothing"]);
    assert_eq!(
        output.status.code(),
        Some(3),
        "{}",
        common::describe(&output)
    );

    let file = text(&file);
    let refused: [(&[&str], &str); 5] = [
        (
            &["record", "-o", file, "--", "no-such-program"],
            "no program no-such-program",
        ),
        (
            &["record", "-o", file, "--recorder", "/no/such", "--", "true"],
            "--recorder /no/such",
        ),
        (
            &["record", "-o", "/no/such/file", "--", "true"],
            "cannot write /no/such/file",
        ),
        (&["trace", "/etc/passwd"], "that is no trace"),
        (&["replay", "/no/such"], "cannot read /no/such"),
    ];
    for (arguments, words) in refused {
        let mut arguments = arguments.to_vec();
        if arguments.first() == Some(&"record") && !arguments.contains(&"--recorder") {
            arguments.splice(1..1, ["--recorder", text(recorder())]);
        }
        let output = cairn(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(words) && said.lines().count() == 1,
            "{arguments:?}: {}",
            common::describe(&output)
        );
    }

    let program = fresh("static");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/record/calls.c");
    let built = Command::new("cc")
        .args(["-static", "-pthread", "-w", "-o", text(&program), source])
        .output()
        .expect("a compiler");
    if !built.status.success() {
        common::skip("no static C library");
        return;
    }
    let output = record(&fresh("static.trace"), &[text(&program), "kinds"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(125) && said.contains("is a static program"),
        "{}",
        common::describe(&output)
    );
}
