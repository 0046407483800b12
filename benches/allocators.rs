//! Cairn, the system's allocator and four peers, each called through `GlobalAlloc`.
//!
//! ```text
//! cargo bench --manifest-path benches/Cargo.toml               all of it
//! cargo bench --manifest-path benches/Cargo.toml -- pair       what is named
//! cargo bench --manifest-path benches/Cargo.toml -- --test     each once, to see that it runs
//! ```
//!
//! For single operations and for a look at a change; whole programs and memory are for
//! `cargo run -p bench --release`. All six live in one process, and none is its global
//! allocator. CI leaves this workspace out: even its lints would build the peers' C and C++.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use cairn::Cairn;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};

/// Objects in a batch.
const BATCH: usize = 1_000;
/// Bytes to which a vector grows.
const GROWN: usize = 1 << 20;

/// Memory from an allocator that outlives it; given back when dropped.
struct Object<A: GlobalAlloc + 'static> {
    allocator: &'static A,
    address: *mut u8,
    layout: Layout,
}

// SAFETY: the memory has one owner, and each allocator here takes it back on any thread.
unsafe impl<A: GlobalAlloc + Sync> Send for Object<A> {}

impl<A: GlobalAlloc> Object<A> {
    fn new(allocator: &'static A, layout: Layout) -> Self {
        // SAFETY: every layout in this file has at least one byte.
        let address = unsafe { allocator.alloc(layout) };
        Self::owning(allocator, address, layout)
    }

    fn zeroed(allocator: &'static A, layout: Layout) -> Self {
        // SAFETY: every layout in this file has at least one byte.
        let address = unsafe { allocator.alloc_zeroed(layout) };
        Self::owning(allocator, address, layout)
    }

    fn owning(allocator: &'static A, address: *mut u8, layout: Layout) -> Self {
        if address.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the first byte of at least one; written, so that the memory is really used.
        unsafe { address.write_volatile(1) };
        Self {
            allocator,
            address,
            layout,
        }
    }

    fn grow(&mut self, layout: Layout) {
        // SAFETY: the object came from this allocator with this layout, and the size is not 0.
        let address = unsafe {
            self.allocator
                .realloc(self.address, self.layout, layout.size())
        };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        self.address = address;
        self.layout = layout;
    }
}

impl<A: GlobalAlloc> Drop for Object<A> {
    fn drop(&mut self) {
        // SAFETY: the object came from this allocator with this layout, and is dropped once.
        unsafe { self.allocator.dealloc(black_box(self.address), self.layout) };
    }
}

fn bytes(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("sizes and alignments here are constants")
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Calls a function with each allocator in turn: name and a value that lives for ever.
macro_rules! side_by_side {
    ($with:ident, $group:expr $(, $more:expr)*) => {{
        $with(&mut $group, "cairn", &Cairn $(, $more)*);
        $with(&mut $group, "system", &System $(, $more)*);
        $with(&mut $group, "mimalloc", &mimalloc::MiMalloc $(, $more)*);
        $with(&mut $group, "jemalloc", &tikv_jemallocator::Jemalloc $(, $more)*);
        $with(&mut $group, "snmalloc", &snmalloc_rs::SnMalloc $(, $more)*);
        $with(&mut $group, "rpmalloc", &rpmalloc::RpMalloc $(, $more)*);
        $group.finish();
    }};
}

fn pair<A: GlobalAlloc>(group: &mut Group, name: &str, allocator: &'static A, layout: Layout) {
    let id = BenchmarkId::new(name, layout.size());
    group.bench_function(id, |b| {
        b.iter(|| drop(Object::new(allocator, black_box(layout))));
    });
}

fn zeroed<A: GlobalAlloc>(group: &mut Group, name: &str, allocator: &'static A, layout: Layout) {
    let id = BenchmarkId::new(name, layout.size());
    group.bench_function(id, |b| {
        b.iter(|| drop(Object::zeroed(allocator, black_box(layout))));
    });
}

/// A batch of 16 to 271 bytes each, freed in the order that is given.
fn batch<A: GlobalAlloc>(group: &mut Group, name: &str, allocator: &'static A, order: &[usize]) {
    let mut objects: Vec<Option<Object<A>>> = Vec::with_capacity(BATCH);
    group.bench_function(name, |b| {
        b.iter(|| {
            objects.clear();
            objects
                .extend((0..BATCH).map(|i| Some(Object::new(allocator, bytes(16 + i % 256, 16)))));
            for &i in order {
                drop(objects[i].take());
            }
        });
    });
}

/// As `Vec::push` grows: capacity doubles, by `realloc`.
fn growth<A: GlobalAlloc>(group: &mut Group, name: &str, allocator: &'static A) {
    group.bench_function(name, |b| {
        b.iter(|| {
            let mut size = 64;
            let mut vector = Object::new(allocator, bytes(size, 16));
            let mut length = 0;
            while length < GROWN {
                if length == size {
                    size *= 2;
                    vector.grow(bytes(size, 16));
                }
                // SAFETY: `length` lies below `size`, the bytes of the vector; so do 16 from it.
                unsafe { vector.address.add(length).cast::<u128>().write(1) };
                length += 16;
            }
            vector
        });
    });
}

/// Boxed values in a map; the map's own nodes are the system's for all.
fn map<A: GlobalAlloc>(group: &mut Group, name: &str, allocator: &'static A) {
    group.bench_function(name, |b| {
        b.iter(|| {
            let mut random = fastrand::Rng::with_seed(7);
            let mut map = BTreeMap::new();
            for _ in 0..4 * BATCH {
                let key = random.usize(..BATCH);
                if map.remove(&key).is_none() {
                    map.insert(key, Object::new(allocator, bytes(16 + key % 128, 16)));
                }
            }
            map
        });
    });
}

/// This thread allocates a batch, another frees it, and says so.
fn handoff<A: GlobalAlloc + Sync>(group: &mut Group, name: &str, allocator: &'static A) {
    let (give, taken) = mpsc::sync_channel::<Vec<Object<A>>>(1);
    let (done, freed) = mpsc::sync_channel::<Vec<Object<A>>>(1);
    let other = thread::spawn(move || {
        for mut batch in taken {
            batch.clear();
            if done.send(batch).is_err() {
                return;
            }
        }
    });
    let mut batch = Vec::with_capacity(BATCH);
    group.bench_function(name, |b| {
        b.iter(|| {
            batch.extend((0..BATCH).map(|_| Object::new(allocator, bytes(64, 16))));
            give.send(std::mem::take(&mut batch))
                .expect("the other thread is there");
            batch = freed.recv().expect("the other thread is there");
        });
    });
    drop(give);
    other.join().expect("the other thread ends well");
}

fn all(criterion: &mut Criterion) {
    for size in [16, 64, 200, 2_000] {
        let mut group = criterion.benchmark_group(format!("pair-{size}"));
        side_by_side!(pair, group, bytes(size, 16));
    }
    let mut order: Vec<usize> = (0..BATCH).collect();
    let mut group = criterion.benchmark_group("batch-in-order");
    side_by_side!(batch, group, &order);
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let mut group = criterion.benchmark_group("batch-at-random");
    side_by_side!(batch, group, &order);
    let mut group = criterion.benchmark_group("growth");
    side_by_side!(growth, group);
    let mut group = criterion.benchmark_group("map");
    side_by_side!(map, group);
    for (name, size) in [("zeroed-small", 128), ("zeroed-large", 1 << 20)] {
        let mut group = criterion.benchmark_group(name);
        side_by_side!(zeroed, group, bytes(size, 16));
    }
    let mut group = criterion.benchmark_group("aligned-64");
    side_by_side!(pair, group, bytes(200, 64));
    let mut group = criterion.benchmark_group("handoff");
    side_by_side!(handoff, group);
}

criterion_group!(benches, all);
criterion_main!(benches);
