//! Check mode in a Rust program whose global allocator is Cairn: each test starts this binary anew,
//! with `MALLOC_CHECK_` set and only itself to run.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

use std::alloc::{self, Layout};
use std::collections::BTreeMap;
use std::env;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::thread;

// Where a pointer is a test's own, `black_box` hides it: the compiler knows what an allocator is,
// and may leave out a pair, or a misuse.
#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// What the child does is told by this variable.
const CHILD: &str = "CHECK_MODE_CHILD";

/// Runs the test `name` in a process of its own in check mode; `None` in that process.
fn child(name: &str) -> Option<Output> {
    if env::var_os(CHILD).is_some() {
        return None;
    }
    let output = Command::new(env::current_exe().expect("this test has a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("MALLOC_CHECK_", "3")
        .output()
        .expect("this test starts");
    Some(output)
}

#[track_caller]
fn assert_passed(output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{output:?}"
    );
}

#[track_caller]
fn assert_stopped(output: &Output, message: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.signal() == Some(libc::SIGABRT) && stderr.lines().any(|line| line == message),
        "{output:?}"
    );
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

#[test]
fn a_program_with_threads_runs() {
    if let Some(output) = child("a_program_with_threads_runs") {
        return assert_passed(&output);
    }
    let workers: Vec<_> = (0..4)
        .map(|seed: usize| {
            thread::spawn(move || {
                let mut map = BTreeMap::new();
                for i in 0..3_000 {
                    map.insert(i * 7919 % 1000, vec![seed; i % 700]);
                }
                map.values().map(Vec::len).sum::<usize>()
            })
        })
        .collect();
    for worker in workers {
        assert!(worker.join().expect("the thread ends well") > 0);
    }
    for align in [8, 16, 64, 4096, 1 << 16] {
        for size in [1, 100, 5_000, 300_000] {
            let old = layout(size, align);
            // SAFETY: each allocation is used within its layout and given back with it.
            unsafe {
                let p = black_box(alloc::alloc_zeroed(old));
                assert!(p.addr().is_multiple_of(align) && (0..size).all(|i| p.add(i).read() == 0));
                p.write_bytes(1, size);
                let p = black_box(alloc::realloc(p, old, size * 2 + 1));
                assert!(p.addr().is_multiple_of(align) && (0..size).all(|i| p.add(i).read() == 1));
                alloc::dealloc(p, layout(size * 2 + 1, align));
            }
        }
    }
    assert!(cairn::check_heap().is_ok());
}

#[test]
fn an_overflow_is_noticed_at_the_dealloc() {
    if let Some(output) = child("an_overflow_is_noticed_at_the_dealloc") {
        return assert_stopped(&output, "memory clobbered past end of allocated block");
    }
    let odd = layout(101, 1);
    // SAFETY: the misuse is the point: one byte behind the allocation, still in its chunk.
    unsafe {
        let p = black_box(alloc::alloc(odd));
        p.add(101).write(0);
        alloc::dealloc(p, odd);
    }
}

#[test]
fn a_layout_that_is_off_by_one_is_noticed() {
    if let Some(output) = child("a_layout_that_is_off_by_one_is_noticed") {
        return assert_stopped(&output, "free(): sized deallocation with a wrong size");
    }
    // SAFETY: the misuse is the point: the same chunk, another size.
    unsafe { alloc::dealloc(black_box(alloc::alloc(layout(101, 1))), layout(102, 1)) };
}

/// The invariant that the heap checker adds in check mode.
#[test]
fn check_heap_names_the_object_that_was_written_past() {
    if let Some(output) = child("check_heap_names_the_object_that_was_written_past") {
        return assert_passed(&output);
    }
    let odd = layout(101, 1);
    // SAFETY: the misuse is the point: one byte behind the allocation, still in its chunk; it is
    // put back as it was.
    unsafe {
        let p = black_box(alloc::alloc(odd));
        let was = p.add(101).read();
        p.add(101).write(!was);
        let broken = cairn::check_heap().expect_err("the heap is damaged");
        assert_eq!((broken.invariant, broken.address), (12, p.addr()));
        p.add(101).write(was);
        alloc::dealloc(p, odd);
    }
    assert!(cairn::check_heap().is_ok());
}
