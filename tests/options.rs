//! A program that brings settings of its own: `Cairn::with`, and what goes before it.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

mod common;

use std::collections::BTreeSet;
use std::env;
use std::hint::black_box;
use std::process::{Command, Output};
use std::sync::{Arc, Barrier};
use std::thread;

const OPTIONS: cairn::Options = cairn::Options::new()
    .arena_max(1)
    .run_max(0)
    .mmap_threshold(1 << 20)
    .purge_delay(0);

#[global_allocator]
static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);

/// What this process is asked to say instead of testing: the bytes of an object of 24, which only
/// without a header is no multiple of 16 and 8 more; whether 600,000 bytes are a mapping; and arenas.
const SAY: &str = "TEST_OPTIONS_SAY";

fn usable(bytes: &[u8]) -> usize {
    // SAFETY: a live object of the global allocator, which is Cairn.
    unsafe { cairn::usable_size(bytes.as_ptr()) }
}

fn said() -> String {
    let objects: Vec<Vec<u8>> = (0..20_000).map(|_| black_box(vec![0; 24])).collect();
    // The first of a process have headers in any case.
    let last = objects.iter().skip(19_000);
    let sizes: BTreeSet<usize> = last.map(|object| usable(object)).collect();
    let before = cairn::stats().mapped_chunks;
    let large = black_box(vec![1_u8; 600_000]);
    let mapped = cairn::stats().mapped_chunks - before;
    drop(large);
    // An arena that a thread leaves is the next one's: so all are there at once.
    let all = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let kept = black_box(vec![1_u8; 100]);
                all.wait();
                kept.len()
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("the thread ends well");
    }
    format!("{sizes:?} {mapped} {}", cairn::stats().arenas)
}

fn child(variables: &[(&str, &str)]) -> Output {
    let mut command: Command = common::plain(env::current_exe().expect("the binary has a path"));
    common::watch(
        command
            .args([
                "--exact",
                "what_a_program_sets_holds_from_its_start",
                "--nocapture",
            ])
            .env(SAY, "1")
            .envs(variables.iter().copied()),
    )
}

#[track_caller]
fn says(variables: &[(&str, &str)], expected: &str) {
    let output = child(variables);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("says: "));
    assert_eq!(line, Some(expected), "{}", common::describe(&output));
}

#[test]
fn what_a_program_sets_holds_from_its_start() {
    if env::var_os(SAY).is_some() {
        println!("\nsays: {}", said());
        return;
    }
    says(&[], "{24} 0 1");
}

/// In order: tunables, variables, the program's own, the defaults.
#[test]
fn the_environment_goes_before_what_the_program_sets() {
    let tunable = ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=200000");
    says(&[("CAIRN_RUN_MAX", "512")], "{32} 0 1");
    says(&[("MALLOC_MMAP_THRESHOLD_", "200000")], "{24} 1 1");
    says(&[tunable], "{24} 1 1");
    says(&[("MALLOC_ARENA_MAX", "2")], "{24} 0 2");
    says(&[tunable, ("MALLOC_MMAP_THRESHOLD_", "900000")], "{24} 1 1");
    // A value that cannot be used leaves the program's.
    says(&[("MALLOC_ARENA_MAX", "none")], "{24} 0 1");
}

/// Another static may stand for the heap too; the first that served counts, and objects are the same.
#[test]
fn a_second_static_serves_from_the_same_heap() {
    use std::alloc::{GlobalAlloc, Layout};

    const OTHER: cairn::Options = cairn::Options::new().run_max(512).ignore_environment();
    static SECOND: cairn::CairnWith = cairn::Cairn::with(OTHER);
    let layout = Layout::new::<[u8; 24]>();
    let plenty = Layout::from_size_align(5000, 4096).expect("a layout");
    // SAFETY: each object is freed once, with its layout.
    unsafe {
        let p = SECOND.alloc(layout);
        assert_eq!(cairn::usable_size(p), 24);
        HEAP.dealloc(p, layout);
        let p = SECOND.alloc(plenty);
        assert!(p.addr().is_multiple_of(4096));
        HEAP.dealloc(p, plenty);
        let p = SECOND.alloc_zeroed(plenty);
        assert!((0..5000).all(|i| p.add(i).read() == 0));
        let p = SECOND.realloc(p, plenty, 9000);
        assert!((0..5000).all(|i| p.add(i).read() == 0));
        HEAP.dealloc(p, Layout::from_size_align(9000, 4096).expect("a layout"));
    }
    assert!(cairn::check_heap().is_ok());
}
