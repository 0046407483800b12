//! `cairn::Heap`: what it promises, in a process whose own heap is Cairn too.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use cairn::{Heap, HeapError};

#[global_allocator]
static HEAP: cairn::Cairn = cairn::Cairn;

/// Tests that look at the whole process come one after another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn layout(n: usize) -> Layout {
    Layout::from_size_align(n, 16).unwrap()
}

/// An object of `n` bytes, each of which is the low byte of `n`.
fn object(heap: &Heap, n: usize) -> NonNull<u8> {
    let p = heap.allocate(layout(n)).expect("memory");
    // SAFETY: `n` bytes just allocated.
    unsafe { p.write_bytes(n as u8, n) };
    p
}

#[track_caller]
fn is_whole(p: NonNull<u8>, n: usize, had: usize) {
    // SAFETY: an object of at least so many bytes that were written.
    let bytes = unsafe { std::slice::from_raw_parts(p.as_ptr(), n) };
    assert!(bytes.iter().all(|byte| *byte == had as u8), "{n} bytes");
}

/// Pages of addresses and of memory that this process has.
fn pages() -> (usize, usize) {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let mut numbers = text.split(' ').map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

const SIZES: [usize; 12] = [
    1, 16, 24, 100, 512, 513, 1_033, 5_000, 33_000, 100_000, 200_000, 3_000_000,
];

#[test]
fn objects_of_all_sizes_keep_what_was_written_and_go_back_by_any_thread() {
    let _alone = alone();
    let heap = Heap::new("all sizes", None).unwrap();
    let all: Vec<_> = (0..600)
        .map(|i| SIZES[i % SIZES.len()] + i % 7)
        .map(|n| (object(&heap, n).as_ptr().expose_provenance(), n))
        .collect();
    cairn::check_heap().unwrap();
    let before = heap.stats();
    assert!(before.in_use >= all.iter().map(|(_, n)| n).sum());
    assert!(before.mapped >= 50 * 3_000_000, "{before:?}");
    thread::scope(|scope| {
        for part in all.chunks(150) {
            scope.spawn(move || {
                for &(at, n) in part {
                    let p = NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap();
                    is_whole(p, n, n);
                    // By the heap of all, as a library would that knows of no other.
                    // SAFETY: an object of Cairn's with this layout.
                    unsafe { std::alloc::dealloc(p.as_ptr(), layout(n)) };
                }
            });
        }
    });
    cairn::check_heap().unwrap();
    let after = heap.stats();
    assert_eq!((after.in_use, after.mapped), (0, 0), "{after:?}");
    assert!(heap.trim());
}

#[test]
fn what_is_freed_comes_again_in_its_heap_and_never_in_another() {
    let _alone = alone();
    let heaps = [Heap::new("a", None).unwrap(), Heap::new("b", None).unwrap()];
    let mut of: Vec<Vec<usize>> = vec![Vec::new(); 3];
    for round in 0..20 {
        for n in [40, 500, 9_000, 40_000] {
            let mut got = Vec::new();
            for (i, heap) in heaps.iter().enumerate() {
                got.push((i, object(heap, n)));
            }
            // SAFETY: a layout with a size.
            let p = unsafe { std::alloc::alloc(layout(n)) };
            got.push((2, NonNull::new(p).unwrap()));
            for (i, p) in got {
                of[i].push(p.as_ptr().addr() & !0xffff);
                // SAFETY: an object with this layout.
                unsafe { std::alloc::dealloc(p.as_ptr(), layout(n)) };
            }
        }
        if round % 5 == 0 {
            cairn::trim();
        }
    }
    for (i, a) in of.iter().enumerate() {
        for b in of.iter().skip(i + 1) {
            assert!(
                a.iter().all(|region| !b.contains(region)),
                "two share a region"
            );
        }
    }
}

#[test]
fn a_resize_keeps_the_bytes_and_the_heap() {
    let _alone = alone();
    let heap = Heap::new("resized", None).unwrap();
    let mut n = 8;
    let mut p = object(&heap, n);
    let steps = [
        16, 100, 90, 600, 5_000, 4_900, 60_000, 300_000, 5_000_000, 4_000_000, 200_000, 1_000, 10,
    ];
    for new in steps {
        // SAFETY: the object, with the layout it has.
        let q = unsafe { heap.reallocate(p, layout(n), layout(new)) }.expect("memory");
        is_whole(q, n.min(new), n);
        // SAFETY: as many bytes.
        unsafe { q.write_bytes(new as u8, new) };
        (p, n) = (q, new);
        assert!(heap.stats().in_use >= n);
        cairn::check_heap().unwrap();
    }
    // Plain `realloc` leaves it in its heap, too.
    // SAFETY: the object, with the layout it has.
    let q = unsafe { std::alloc::realloc(p.as_ptr(), layout(n), 70_000) };
    let q = NonNull::new(q).unwrap();
    is_whole(q, n, n);
    assert!(heap.stats().in_use >= 70_000);
    let over = Layout::from_size_align(70_000, 4096).unwrap();
    // SAFETY: as above.
    let q = unsafe { heap.reallocate(q, layout(70_000), over) }.unwrap();
    assert!(q.as_ptr().addr().is_multiple_of(4096));
    // SAFETY: as above.
    unsafe { heap.deallocate(q, over) };
    assert_eq!(heap.stats().in_use, 0);
}

#[test]
fn a_limit_holds_for_small_and_large_objects_and_what_is_freed_counts_no_more() {
    let _alone = alone();
    // A debug build checks all of a heap again and again.
    for (limit, n) in [
        (256 << 10, 32),
        (1 << 20, 700),
        (4 << 20, 20_000),
        (4 << 20, 100_000),
        (4 << 20, 150_000),
        (4 << 20, 1 << 20),
    ] {
        let heap = Heap::new("limited", Some(limit)).unwrap();
        for round in 0..2 {
            let mut all = Vec::new();
            while let Some(p) = heap.allocate(layout(n)) {
                all.push(p);
                if all.len().is_multiple_of(1 + 20_000 / n) {
                    let stats = heap.stats();
                    assert!(stats.heaps + stats.mapped <= limit, "{n}: {stats:?}");
                }
            }
            let got = all.len() * n;
            assert!(
                got > limit / 10 * 4,
                "{got} bytes of {n} each, round {round}"
            );
            assert!(heap.allocate(layout(limit * 2)).is_none());
            for p in all {
                // SAFETY: an object with this layout.
                unsafe { heap.deallocate(p, layout(n)) };
            }
        }
        // What one size left serves another.
        let most = limit / 4 * 3;
        let p = heap.allocate(layout(most));
        let p = p.unwrap_or_else(|| panic!("all of it is free: {:?}", heap.stats()));
        // SAFETY: the object; the limit does not permit that it grows.
        let grown = unsafe { heap.reallocate(p, layout(most), layout(limit + 1)) };
        assert!(grown.is_none());
        // SAFETY: an object with this layout.
        unsafe { heap.deallocate(p, layout(most)) };
    }
}

#[test]
fn ten_thousand_heaps_leave_neither_memory_nor_addresses() {
    let _alone = alone();
    let turn = |i: usize| {
        let heap = Heap::new("for a moment", None).unwrap();
        for n in [24, 300, 3_000, 70_000] {
            object(&heap, n + i % 50);
        }
        if i.is_multiple_of(10) {
            object(&heap, 400_000);
        }
    };
    (0..100).for_each(turn);
    let before = pages();
    (0..10_000).for_each(turn);
    let after = pages();
    cairn::check_heap().unwrap();
    let (addresses, memory) = (
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    );
    // A span of side memory may have been begun.
    assert!(addresses <= 512, "{addresses} pages of addresses");
    assert!(memory <= 64, "{memory} pages of memory");
}

#[test]
fn an_end_takes_what_waits_what_is_free_and_what_is_large() {
    let _alone = alone();
    let before = cairn::stats();
    let heap = Heap::new("full", None).unwrap();
    let all: Vec<_> = (0..30_000)
        .map(|i| (object(&heap, 20 + i % 900), 20 + i % 900))
        .collect();
    for (p, n) in all.iter().step_by(3) {
        // SAFETY: an object with this layout.
        unsafe { heap.deallocate(*p, layout(*n)) };
    }
    // Larger than any threshold becomes, and untouched.
    let large: Vec<_> = (0..5)
        .map(|_| heap.allocate(layout(34 << 20)).unwrap())
        .collect();
    assert!(heap.stats().mapped >= 5 * (34 << 20));
    drop((all, large, heap));
    cairn::check_heap().unwrap();
    let after = cairn::stats();
    assert_eq!(after.mapped, before.mapped);
    assert_eq!(after.arenas, before.arenas);
    assert!(
        after.heaps <= before.heaps + (1 << 20),
        "{after:?} {before:?}"
    );
    // The next one has its place, and none of its objects.
    let heap = Heap::new("next", None).unwrap();
    assert_eq!(heap.stats(), cairn::HeapStats::default());
    object(&heap, 100);
    cairn::check_heap().unwrap();
}

#[test]
fn a_process_has_so_many_heaps_at_a_time() {
    let _alone = alone();
    let all: Vec<_> = (0..Heap::MOST)
        .map(|_| Heap::new("one of many", None))
        .collect();
    let made = all.iter().filter(|heap| heap.is_ok()).count();
    // Other tests' heaps are gone.
    assert_eq!(made, Heap::MOST);
    assert_eq!(Heap::new("one more", None).err(), Some(HeapError::TooMany));
    drop(all);
    assert!(Heap::new("again", None).is_ok());
}

#[test]
fn names_are_such_as_a_metric_can_have() {
    for name in [
        "documents",
        "request 4711",
        "Überträge",
        "tenant/42:cache",
        &"x".repeat(32),
    ] {
        let heap = Heap::new(name, None).unwrap();
        assert_eq!(heap.name().as_str(), name);
    }
    for name in [
        "",
        "a\nb",
        "say \"a\"",
        "a\\b",
        "<a>",
        "a&b",
        &"x".repeat(33),
    ] {
        assert_eq!(
            Heap::new(name, None).err(),
            Some(HeapError::Name),
            "{name:?}"
        );
    }
}

/// Threads that allocate from several heaps and free each other's, against a shadow.
#[test]
fn threads_share_heaps_and_free_each_others_objects() {
    let _alone = alone();
    let heaps: Vec<_> = (0..3)
        .map(|i| Heap::new(&format!("shared {i}"), None).unwrap())
        .collect();
    let shared = Mutex::new(Vec::<(usize, usize)>::new());
    thread::scope(|scope| {
        for seed in 1..=4_u64 {
            let (heaps, shared) = (&heaps, &shared);
            scope.spawn(move || {
                let mut x = seed;
                for _ in 0..6_000 {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let r = (x >> 33) as usize;
                    if !r.is_multiple_of(5) || shared.lock().unwrap().is_empty() {
                        let n = SIZES[r / 7 % 9] + r % 13;
                        let p = object(&heaps[r % 3], n).as_ptr().expose_provenance();
                        shared.lock().unwrap().push((p, n));
                    }
                    if r.is_multiple_of(2) {
                        let mut all = shared.lock().unwrap();
                        let at = r / 3 % all.len().max(1);
                        if all.is_empty() {
                            continue;
                        }
                        let (at, n) = all.swap_remove(at);
                        drop(all);
                        let p = NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap();
                        is_whole(p, n, n);
                        // SAFETY: an object with this layout that nobody else has.
                        unsafe { std::alloc::dealloc(p.as_ptr(), layout(n)) };
                    }
                }
            });
        }
    });
    cairn::check_heap().unwrap();
    for (at, n) in shared.into_inner().unwrap() {
        is_whole(
            NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap(),
            n,
            n,
        );
    }
}
