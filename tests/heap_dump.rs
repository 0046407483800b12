//! The heap, printed chunk by chunk, and what must hold between neighbours.
//!
//! The test binary itself is on the system's malloc, so the walk may collect into a `Vec` while
//! it holds an arena's lock. Each test runs in two processes of its own, with runs and without.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::env;
use std::ffi::c_void;
use std::process::Command;
use std::thread;

use cairn::{Role, View, c};

#[track_caller]
fn both_ways(test: &str, body: fn()) {
    if env::var_os("DUMP_CHILD").is_some() {
        body();
        return;
    }
    common::for_each_mode(|mode| {
        let mut command = Command::new(env::current_exe().expect("this test has a path"));
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env("DUMP_CHILD", "1")
            .env_remove("CAIRN_RUN_MAX")
            .envs(mode.iter().copied());
        let output = common::watch(&mut command);
        let text = common::describe(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "no test has this name: {text}");
        println!("{text}");
    });
}

/// All chunks, arena by arena, heap by heap, in address order.
#[track_caller]
fn chunks() -> Vec<View> {
    let mut all = Vec::new();
    cairn::walk(&mut |view| all.push(view)).expect("the heap is whole");
    all
}

fn print(chunks: &[View]) {
    let mut heap = 0;
    for v in chunks {
        if v.heap != heap {
            heap = v.heap;
            println!("arena {}, heap at {heap:#x}", v.arena);
            println!("  payload          size  role     prev in use  prev_size  vacant");
        }
        println!(
            "  {:#014x} {:9}  {:<8} {:<11} {:>10}  {}",
            v.payload,
            v.size,
            format!("{:?}", v.role),
            v.prev_in_use,
            // The field belongs to the payload of a predecessor that is not free.
            if v.prev_in_use {
                "-".to_owned()
            } else {
                v.prev_size.to_string()
            },
            if v.role == Role::Run {
                v.vacant.to_string()
            } else {
                String::new()
            },
        );
    }
}

/// The chunks of one heap, from its first byte to its end.
fn assert_tiled(heap: &[View]) {
    let (first, last) = (heap[0], heap[heap.len() - 1]);
    assert_eq!(
        first.payload,
        first.heap + 16,
        "the heap's first byte: {first:?}"
    );
    assert!(first.prev_in_use, "nothing is in front: {first:?}");
    for pair in heap.windows(2) {
        let [a, b] = pair else { panic!("two") };
        assert_eq!(
            a.payload + a.size,
            b.payload,
            "neighbours meet: {a:?} {b:?}"
        );
        assert_eq!(b.prev_in_use, a.role != Role::Free, "flag: {a:?} {b:?}");
        if a.role == Role::Free {
            assert_eq!(b.prev_size, a.size, "the foot matches: {a:?} {b:?}");
            assert!(
                !matches!(b.role, Role::Free | Role::Top),
                "free neighbours have merged: {a:?} {b:?}"
            );
        }
        assert!(!matches!(a.role, Role::Top | Role::Fence), "the end: {a:?}");
    }
    assert!(
        matches!(last.role, Role::Top | Role::Fence),
        "the end: {last:?}"
    );
    for v in heap {
        assert!(
            v.payload.is_multiple_of(16) && v.size.is_multiple_of(16),
            "{v:?}"
        );
        assert!(
            v.size >= 32 || matches!(v.role, Role::Top | Role::Fence),
            "{v:?}"
        );
        if v.role == Role::Run {
            assert_eq!((v.payload % (64 << 10), v.size), (0, 64 << 10), "{v:?}");
        }
    }
}

#[track_caller]
fn assert_whole() -> Vec<View> {
    let chunks = chunks();
    let heaps: Vec<_> = chunks.chunk_by(|a, b| a.heap == b.heap).collect();
    assert!(!heaps.is_empty(), "no heap to look at");
    for heap in heaps {
        assert_tiled(heap);
    }
    chunks
}

#[track_caller]
fn malloc(n: usize) -> *mut c_void {
    // SAFETY: no precondition.
    let p = unsafe { c::malloc(n) };
    assert!(!p.is_null(), "no memory for {n} bytes");
    p
}

fn free(p: *mut c_void) {
    // SAFETY: the tests free each pointer of `malloc`'s once.
    unsafe { c::free(p) };
}

fn trim() {
    // SAFETY: no precondition.
    unsafe { c::malloc_trim(0) };
}

/// The chunk that holds this address in its payload.
#[track_caller]
fn holder(chunks: &[View], at: usize) -> View {
    let holds = |v: &&View| (v.payload..v.payload + v.size).contains(&at);
    *chunks
        .iter()
        .find(holds)
        .expect("a chunk holds the address")
}

#[test]
fn a_used_heap_prints_as_chunks_from_its_first_byte_to_its_end() {
    both_ways(
        "a_used_heap_prints_as_chunks_from_its_first_byte_to_its_end",
        || {
            let mut live: Vec<usize> = Vec::new();
            for i in 0..400 {
                live.push(malloc(i * i % 9_000).expose_provenance());
            }
            // The first few of a small size are chunks; these fill slots.
            for _ in 0..2_000 {
                live.push(malloc(48).expose_provenance());
            }
            let large = malloc(70_000);
            // A part of them in caches, a part in fastbins, a part in bins.
            for i in (0..400).step_by(3) {
                free(std::ptr::with_exposed_provenance_mut(live[i]));
            }
            trim();
            for i in (1..400).step_by(3) {
                free(std::ptr::with_exposed_provenance_mut(live[i]));
            }
            thread::spawn(|| {
                let kept: Vec<_> = (0..50).map(|i| malloc(i * 40)).collect();
                for p in kept.into_iter().step_by(2) {
                    free(p);
                }
            })
            .join()
            .expect("a thread with an arena of its own");
            let chunks = assert_whole();
            print(&chunks);
            let shown = |role| chunks.iter().any(|v| v.role == role);
            for role in [Role::InUse, Role::Cached, Role::Fast, Role::Free, Role::Top] {
                assert!(shown(role), "no {role:?} to be seen");
            }
            let runs = env::var_os("CAIRN_RUN_MAX").is_none();
            assert_eq!(
                shown(Role::Run),
                runs,
                "runs, and the switch that turns them off"
            );
            let view = holder(&chunks, large.expose_provenance());
            assert_eq!((view.role, view.payload), (Role::InUse, large.addr()));
            assert!(view.size >= 70_008 && view.size < 70_100, "{view:?}");
        },
    );
}

#[test]
fn freed_neighbours_become_one_chunk() {
    both_ways("freed_neighbours_become_one_chunk", || {
        // Side by side: the thread's cache has none of this size yet, and the heap is new.
        let all: Vec<_> = (0..5).map(|_| malloc(40_000)).collect();
        let [front, a, b, c, behind] = all[..] else {
            panic!("five")
        };
        let size = holder(&assert_whole(), a.addr()).size;
        assert_eq!([b.addr(), c.addr()], [a.addr() + size, a.addr() + 2 * size]);
        // Every order in which three neighbours can be freed ends the same way.
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let three = [a, b, c];
            for (freed, which) in order.into_iter().enumerate() {
                free(three[which]);
                let chunks = assert_whole();
                let view = holder(&chunks, three[which].addr());
                assert_eq!(view.role, Role::Free, "{order:?} after {freed}: {view:?}");
            }
            let view = holder(&assert_whole(), a.addr());
            assert_eq!((view.payload, view.size), (a.addr(), 3 * size), "{order:?}");
            assert_eq!([malloc(40_000), malloc(40_000), malloc(40_000)], three);
        }
        free(front);
        free(behind);
        free(a);
        free(c);
        free(b);
        let chunks = assert_whole();
        print(&chunks);
        assert_eq!(
            holder(&chunks, a.addr()).role,
            Role::Top,
            "all of it became top"
        );
    });
}

#[test]
fn what_waits_in_caches_and_fastbins_merges_when_the_heap_is_trimmed() {
    both_ways(
        "what_waits_in_caches_and_fastbins_merges_when_the_heap_is_trimmed",
        || {
            let all: Vec<_> = (0..40).map(|_| malloc(5_000)).collect();
            let (kept, freed) = all.split_at(1);
            let fence = malloc(40_000);
            for p in freed {
                free(*p);
            }
            let before = assert_whole();
            let waiting = |v: &&View| matches!(v.role, Role::Cached | Role::Fast);
            let count = before.iter().filter(waiting).count();
            assert!(
                count > 20,
                "freed chunks of this size wait uncoalesced: {count}"
            );
            trim();
            let after = assert_whole();
            print(&after);
            assert_eq!(after.iter().filter(waiting).count(), 0, "nothing waits");
            assert_eq!(holder(&after, kept[0].addr()).role, Role::InUse);
            assert_eq!(holder(&after, fence.addr()).role, Role::InUse);
            // All forty were cut side by side, but for where a batch met the end of the heap.
            let merged = holder(&after, freed[20].addr());
            assert!(merged.size > 20 * 5_008, "{merged:?}");
        },
    );
}

#[test]
fn an_empty_heap_is_top_alone() {
    both_ways("an_empty_heap_is_top_alone", || {
        let mut all = Vec::new();
        for i in 0..3_000 {
            all.push(malloc(i * 7 % 3_000));
        }
        for p in all {
            free(p);
        }
        trim();
        let chunks = assert_whole();
        print(&chunks);
        let roles: Vec<_> = chunks.iter().map(|v| v.role).collect();
        assert_eq!(roles, [Role::Top]);
    });
}

#[test]
fn a_heap_that_was_left_behind_ends_in_a_fence() {
    both_ways("a_heap_that_was_left_behind_ends_in_a_fence", || {
        let first = malloc(100_000);
        // More than the 64 MiB of address space that a heap reserves; none of it is touched.
        let more: Vec<_> = (0..800).map(|_| malloc(100_000)).collect();
        let chunks = assert_whole();
        let heap = holder(&chunks, first.addr()).heap;
        let old: Vec<_> = chunks.iter().filter(|v| v.heap == heap).copied().collect();
        print(&old[old.len() - 3..]);
        assert_eq!(old[old.len() - 1].role, Role::Fence);
        let newest = holder(&chunks, more[799].addr()).heap;
        assert_ne!(newest, heap, "the later chunks are in a heap of their own");
    });
}
