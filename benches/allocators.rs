//! Cairn beside the system's allocator, both called through `GlobalAlloc` in one process.
//!
//! For single operations and for a look at a change. Whole programs and memory:
//! `cargo run -p bench --release`. Instructions: `tests/counts.rs`.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use cairn::Cairn;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};

/// Objects in a batch: more than a thread cache's array holds at first, less than its most.
const BATCH: usize = 200;

/// An object that remembers its layout, and may go to another thread.
struct Object {
    address: *mut u8,
    layout: Layout,
}

// SAFETY: the memory belongs to nobody else, and both allocators take it back on any thread.
unsafe impl Send for Object {}

fn layout(size: usize) -> Layout {
    // 16 is what malloc gives, so that neither side gets an easier request.
    match Layout::from_size_align(size.max(1), 16) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<u128>(),
    }
}

fn take(allocator: &impl GlobalAlloc, size: usize) -> Object {
    let layout = layout(size);
    // SAFETY: `layout` is at least one byte.
    let address = unsafe { allocator.alloc(layout) };
    assert!(!address.is_null(), "out of memory");
    // SAFETY: just allocated, at least one byte.
    unsafe { address.write_volatile(1) };
    Object { address, layout }
}

fn give(allocator: &impl GlobalAlloc, object: Object) {
    // SAFETY: `take` or `grow` got it from the same allocator, with this layout.
    unsafe { allocator.dealloc(object.address, object.layout) };
}

fn grow(allocator: &impl GlobalAlloc, object: Object, size: usize) -> Object {
    // SAFETY: as in `give`; the new size is above 0 and far below `isize::MAX`.
    let address = unsafe { allocator.realloc(object.address, object.layout, size) };
    assert!(!address.is_null(), "out of memory");
    Object {
        address,
        layout: layout(size),
    }
}

/// A step of xorshift: the same sequence in every run.
fn next_random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 8).unwrap_or(0)
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn pairs(group: &mut Group<'_>, name: &str, allocator: &impl GlobalAlloc) {
    for size in [16, 64, 200, 512, 2000, 20_000] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(name, size), |bench| {
            bench.iter(|| give(allocator, take(allocator, black_box(size))));
        });
    }
}

fn batches(group: &mut Group<'_>, name: &str, allocator: &impl GlobalAlloc) {
    let mut objects = Vec::with_capacity(BATCH);
    for size in [16, 64, 200, 2000] {
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(BenchmarkId::new(name, size), |bench| {
            bench.iter(|| {
                objects.extend((0..BATCH).map(|_| take(allocator, black_box(size))));
                objects.drain(..).for_each(|object| give(allocator, object));
            });
        });
    }
}

fn churn(group: &mut Group<'_>, name: &str, allocator: &impl GlobalAlloc) {
    for live in [1_000, 100_000] {
        let mut state = 88_172_645_463_325_252;
        let mut objects: Vec<Object> = (0..live)
            .map(|_| take(allocator, 8 + next_random(&mut state) % 500))
            .collect();
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(name, live), |bench| {
            bench.iter(|| {
                let at = next_random(&mut state) % live;
                give(allocator, objects.swap_remove(at));
                objects.push(take(allocator, 8 + next_random(&mut state) % 500));
            });
        });
        objects
            .into_iter()
            .for_each(|object| give(allocator, object));
    }
}

fn vectors(group: &mut Group<'_>, name: &str, allocator: &impl GlobalAlloc) {
    for end in [1_000, 1 << 20] {
        group.throughput(Throughput::Bytes(end as u64));
        group.bench_function(BenchmarkId::new(name, end), |bench| {
            bench.iter(|| {
                let mut vector = take(allocator, 32);
                while vector.layout.size() < end {
                    let size = vector.layout.size() * 2;
                    vector = grow(allocator, vector, size);
                }
                give(allocator, vector);
            });
        });
    }
}

fn trees(group: &mut Group<'_>, name: &str, allocator: &impl GlobalAlloc) {
    /// A heap of nodes in the order in which a recursive build makes them.
    fn build(allocator: &impl GlobalAlloc, depth: u32, nodes: &mut Vec<Object>) {
        nodes.push(take(allocator, 24));
        if depth > 0 {
            build(allocator, depth - 1, nodes);
            build(allocator, depth - 1, nodes);
        }
    }
    for depth in [8, 15] {
        let count = (2 << depth) - 1;
        let mut nodes = Vec::with_capacity(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new(name, depth), |bench| {
            bench.iter(|| {
                build(allocator, depth, &mut nodes);
                nodes.drain(..).for_each(|node| give(allocator, node));
            });
        });
    }
}

/// Batches that one thread takes and another gives back.
fn across<A: GlobalAlloc + Copy + Send + 'static>(group: &mut Group<'_>, name: &str, allocator: A) {
    for size in [64, 500] {
        let (sender, receiver) = mpsc::sync_channel::<Vec<Object>>(4);
        let other = thread::spawn(move || {
            for batch in receiver {
                batch
                    .into_iter()
                    .for_each(|object| give(&allocator, object));
            }
        });
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(BenchmarkId::new(name, size), |bench| {
            bench.iter(|| {
                let batch = (0..BATCH).map(|_| take(&allocator, size)).collect();
                assert!(sender.send(batch).is_ok(), "the other thread is gone");
            });
        });
        drop(sender);
        assert!(other.join().is_ok(), "the other thread failed");
    }
}

macro_rules! compare {
    ($($name:ident),*) => {
        fn all(criterion: &mut Criterion) {
            $({
                let mut group = criterion.benchmark_group(stringify!($name));
                $name(&mut group, "system", &System);
                $name(&mut group, "cairn", &Cairn);
                group.finish();
            })*
            let mut group = criterion.benchmark_group("across");
            across(&mut group, "system", System);
            across(&mut group, "cairn", Cairn);
            group.finish();
        }
    };
}
compare!(pairs, batches, churn, vectors, trees);

criterion_group!(benches, all);
criterion_main!(benches);
