//! Long random sequences of every call, against a shadow of what they promised.
//!
//! The shadow knows each live object's address, the size that was asked for and the byte it is
//! filled with, over all of its usable size. So an object that overlaps another, moves without
//! its contents, loses its alignment or is not zero where `calloc` says so fails at the step at
//! which it shows, and `check_heap` vets the heap's own data every few hundred steps.
//!
//! Each test runs in two processes of its own, with runs and without. A failure names seed and
//! step; `MODEL_SEED` and `MODEL_STEPS` run another sequence, or a longer one. With
//! `CAIRN_TEST_LONG=1` the sequences are four times as long, and begin like the others.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::env;
use std::ops::Range;
use std::process::Command;
use std::ptr;
use std::slice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cairn::{Role, c};
use fastrand::Rng;
use libc::c_void;

/// Live bytes above which a sequence frees more often than it allocates.
const PLENTY: usize = 24 << 20;
/// Live objects above which it does, too.
const MANY: usize = 3_000;

/// Runs `body` in a process of its own, once with runs and once without: `CAIRN_RUN_MAX` is read
/// at a process's first allocation, and no other test shares the heap.
#[track_caller]
fn both_ways(test: &str, body: fn()) {
    if env::var_os("MODEL_CHILD").is_some() {
        body();
        return;
    }
    common::for_each_mode(|mode| {
        let mut command = Command::new(env::current_exe().expect("this test has a path"));
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env("MODEL_CHILD", "1")
            .env_remove("CAIRN_RUN_MAX")
            .envs(mode.iter().copied());
        let output = common::watch(&mut command);
        let text = common::describe(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "no test has this name: {text}");
    });
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// So many, or four times as many in the long form.
fn times(n: u64) -> u64 {
    if common::is_long() { 4 * n } else { n }
}

/// What may be assumed of an object when it is freed with its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// `malloc`, `calloc`, `realloc`: `free_sized` may take it.
    Plain,
    /// `aligned_alloc` with this alignment: `free_aligned_sized` may.
    Aligned(usize),
    /// Neither.
    Other,
}

/// A live object.
#[derive(Clone, Copy, Debug)]
struct Object {
    at: usize,
    asked: usize,
    /// Every usable byte holds this.
    fill: u8,
    origin: Origin,
}

impl Object {
    fn pointer(&self) -> *mut c_void {
        ptr::with_exposed_provenance_mut(self.at)
    }

    fn usable(&self) -> usize {
        // SAFETY: a live object.
        let usable = unsafe { c::malloc_usable_size(self.pointer()) };
        assert!(usable >= self.asked, "{self:?}: only {usable} bytes usable");
        usable
    }

    /// The first `len` bytes, at most the usable ones.
    fn bytes(&self, len: usize) -> &[u8] {
        // SAFETY: bytes of a live object, which only its owner touches.
        unsafe { slice::from_raw_parts(self.pointer().cast(), len) }
    }

    fn write(&self) {
        // SAFETY: a live object may be written to the end of its usable size.
        unsafe { ptr::write_bytes(self.pointer().cast::<u8>(), self.fill, self.usable()) };
    }

    fn check(&self) {
        let held = self.bytes(self.usable());
        assert!(is_all(held, self.fill), "{self:?}: contents changed");
    }
}

/// Whether all bytes are this one; a comparison of the slice with itself, since a loop over
/// megabytes is slow in a debug build.
fn is_all(bytes: &[u8], value: u8) -> bool {
    match bytes {
        [] => true,
        [first, rest @ ..] => *first == value && *rest == bytes[..rest.len()],
    }
}

/// A request, the small ones most of the time.
fn size(random: &mut Rng) -> usize {
    match random.u32(..1000) {
        0..550 => random.usize(..=128),
        550..800 => random.usize(..=1 << 10),
        800..955 => random.usize(..=32 << 10),
        955..992 => random.usize(..=128 << 10),
        _ => random.usize(..=4 << 20),
    }
}

fn alignment(random: &mut Rng) -> usize {
    match random.u32(..100) {
        0..85 => 8 << random.u32(..7),
        85..98 => 1 << random.u32(10..14),
        _ => 1 << random.u32(14..21),
    }
}

/// One sequence: its own objects, and the order of the addresses it knows.
struct Sequence {
    random: Rng,
    live: Vec<Object>,
    /// Address to end, of all objects of this sequence.
    extents: BTreeMap<usize, usize>,
    bytes: usize,
    steps: usize,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            live: Vec::new(),
            extents: BTreeMap::new(),
            bytes: 0,
            steps: 0,
        }
    }

    /// Takes note of an object: it overlaps no other that this sequence holds.
    fn hold(&mut self, object: Object) {
        let end = object.at + object.usable();
        if let Some((other, other_end)) = self.extents.range(..end).next_back() {
            assert!(
                *other_end <= object.at,
                "{object:?} overlaps {other:#x}..{other_end:#x}"
            );
        }
        self.extents.insert(object.at, end);
        self.bytes += object.asked;
        self.live.push(object);
    }

    /// Takes a random object out of the shadow.
    fn pick(&mut self) -> Option<Object> {
        if self.live.is_empty() {
            return None;
        }
        let index = self.random.usize(..self.live.len());
        let object = self.live.swap_remove(index);
        self.extents.remove(&object.at);
        self.bytes -= object.asked;
        Some(object)
    }

    /// Vets a new object's alignment, and its zeros when it has to have some; fills it.
    fn born(&mut self, at: *mut c_void, asked: usize, align: usize, zero: bool, origin: Origin) {
        let object = Object {
            at: at.expose_provenance(),
            asked,
            fill: self.random.u8(1..),
            origin,
        };
        assert!(object.at != 0, "no memory for {asked} bytes at {align}");
        assert_eq!(object.at % align.max(16), 0, "{object:?} is not at {align}");
        if zero {
            assert!(is_all(object.bytes(asked), 0), "{object:?} is not zero");
        }
        object.write();
        self.hold(object);
    }

    fn allocate(&mut self) {
        let n = size(&mut self.random);
        // SAFETY: none of these calls has a precondition but `posix_memalign`'s writable pointer.
        unsafe {
            match self.random.u32(..100) {
                0..55 => self.born(c::malloc(n), n, 16, false, Origin::Plain),
                55..75 => {
                    let count = self.random.usize(1..9);
                    let each = n.div_ceil(count);
                    let p = c::calloc(count, each);
                    self.born(p, count * each, 16, true, Origin::Plain);
                }
                75..79 => self.born(c::realloc(ptr::null_mut(), n), n, 16, false, Origin::Plain),
                79..85 => {
                    // One that is no power of two is rounded up.
                    let align = alignment(&mut self.random);
                    let odd = align - self.random.usize(..align / 2);
                    self.born(c::memalign(odd, n), n, align, false, Origin::Other);
                }
                85..91 => {
                    let align = alignment(&mut self.random);
                    let p = c::aligned_alloc(align, n);
                    self.born(p, n, align, false, Origin::Aligned(align));
                }
                91..96 => {
                    let align = alignment(&mut self.random);
                    let mut p = ptr::null_mut();
                    assert_eq!(c::posix_memalign(&raw mut p, align, n), 0);
                    self.born(p, n, align, false, Origin::Other);
                }
                96..98 => self.born(c::valloc(n), n, 4096, false, Origin::Other),
                _ => {
                    let whole = n.div_ceil(4096) * 4096;
                    self.born(c::pvalloc(n), whole, 4096, false, Origin::Other);
                }
            }
        }
    }

    fn resize(&mut self) {
        let Some(old) = self.pick() else { return };
        old.check();
        let mut n = match self.random.u32(..4) {
            0 => size(&mut self.random),
            // As a vector grows, and as it is cut to length.
            1 => old.asked + old.asked / 2 + 1,
            2 => old.asked / 2 + 1,
            _ => old.asked + self.random.usize(1..64),
        };
        // SAFETY: a live object, which the shadow forgot.
        let p = unsafe {
            if self.random.u32(..5) == 0 {
                let count = self.random.usize(1..5);
                n = n.div_ceil(count) * count;
                c::reallocarray(old.pointer(), count, n / count)
            } else {
                c::realloc(old.pointer(), n)
            }
        };
        if n == 0 {
            assert!(p.is_null(), "realloc to nothing returned {p:?}");
            return;
        }
        let new = Object {
            at: p.expose_provenance(),
            asked: n,
            origin: Origin::Plain,
            ..old
        };
        assert!(
            new.at != 0 && new.at.is_multiple_of(16),
            "{old:?} became {new:?}"
        );
        let kept = new.bytes(old.asked.min(n));
        assert!(is_all(kept, old.fill), "{old:?} lost contents in {new:?}");
        new.write();
        self.hold(new);
    }

    fn release(&mut self) {
        let Some(object) = self.pick() else { return };
        object.check();
        // SAFETY: a live object, which the shadow forgot, with the size it was asked for.
        unsafe {
            match object.origin {
                Origin::Plain if self.random.u32(..4) == 0 => {
                    c::free_sized(object.pointer(), object.asked);
                }
                Origin::Aligned(align) if self.random.bool() => {
                    c::free_aligned_sized(object.pointer(), align, object.asked);
                }
                _ => c::free(object.pointer()),
            }
        }
    }

    fn turn_a_knob(&mut self) {
        let (parameter, value) = match self.random.u32(..4) {
            0 => (libc::M_TRIM_THRESHOLD, self.random.i32(0..1 << 20)),
            1 => (libc::M_TOP_PAD, self.random.i32(0..1 << 18)),
            2 => (libc::M_MMAP_THRESHOLD, self.random.i32(1 << 15..1 << 20)),
            _ => (libc::M_MMAP_MAX, self.random.i32(0..100)),
        };
        // SAFETY: no precondition.
        assert_eq!(unsafe { c::mallopt(parameter, value) }, 1);
    }

    fn step(&mut self) {
        self.steps += 1;
        let full = self.bytes > PLENTY || self.live.len() > MANY;
        match self.random.u32(..1000) {
            0 => self.turn_a_knob(),
            1..3 => {
                let pad = self.random.usize(..1 << 20);
                // SAFETY: no precondition.
                unsafe { c::malloc_trim(pad) };
            }
            3..50 => {
                // Sooner than its end would show it.
                if let Some(object) = self.pick() {
                    object.check();
                    self.hold(object);
                }
            }
            50..200 => self.resize(),
            200..600 if !full => self.allocate(),
            200..400 => self.allocate(),
            _ if !full && self.steps % 20_000 < 6_000 => self.allocate(),
            _ => self.release(),
        }
    }

    fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step();
        }
    }

    fn end(&mut self) {
        while !self.live.is_empty() {
            self.release();
        }
    }
}

/// Names seed and step when a sequence fails.
struct Naming(u64, AtomicUsize);

impl Drop for Naming {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {} near step {:?}", self.0, self.1);
        }
    }
}

#[track_caller]
fn assert_whole() -> cairn::HeapReport {
    cairn::check_heap().expect("check_heap")
}

/// Everything was freed: no chunk and no object is in use, nothing is mapped.
#[track_caller]
fn assert_empty() {
    let mut in_use = Vec::new();
    let report = cairn::walk(&mut |view| {
        if view.role == Role::InUse {
            in_use.push(view);
        }
    });
    assert_eq!(in_use, [], "chunks that nobody owns are in use");
    assert_eq!(report.expect("walk").objects, 0);
    // SAFETY: no precondition.
    assert_eq!(unsafe { c::mallinfo2() }.hblks, 0);
}

fn one_sequence(seed: u64, steps: u64, between: Range<u64>) {
    let seed = setting("MODEL_SEED", seed);
    let naming = Naming(seed, AtomicUsize::new(0));
    let mut sequence = Sequence::new(seed);
    let (mut left, mut pauses) = (setting("MODEL_STEPS", steps), Rng::with_seed(!seed));
    while left != 0 {
        let some = pauses.u64(between.clone()).min(left);
        left -= some;
        for _ in 0..some {
            sequence.step();
            naming.1.store(sequence.steps, Ordering::Relaxed);
        }
        assert_whole();
    }
    sequence.end();
    assert_whole();
    assert_empty();
}

#[test]
fn a_long_sequence_keeps_every_promise() {
    both_ways("a_long_sequence_keeps_every_promise", || {
        one_sequence(0x0000_5eed, times(120_000), 100..900);
    });
}

#[test]
fn the_heap_is_whole_after_every_single_call() {
    both_ways("the_heap_is_whole_after_every_single_call", || {
        one_sequence(0x0001_5eed, times(2_500), 1..2);
    });
}

#[test]
fn sequences_start_over_in_a_used_heap() {
    both_ways("sequences_start_over_in_a_used_heap", || {
        for seed in 0..times(12) {
            one_sequence(0x0002_5eed + seed, 2_000, 1_000..2_000);
        }
    });
}

/// Threads that come and go, and hand half of what they hold to each other, while the heap is
/// checked under them.
fn threads(seed: u64, count: u64, rounds: u64, steps: u64) {
    let seed = setting("MODEL_SEED", seed);
    let steps = setting("MODEL_STEPS", steps);
    let exchange: Mutex<Vec<Object>> = Mutex::default();
    let done = AtomicBool::new(false);
    let checks = AtomicUsize::new(0);
    thread::scope(|scope| {
        let checker = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_whole();
                checks.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(3));
            }
        });
        let worker = |index: u64| {
            let exchange = &exchange;
            move || {
                for round in 0..steps / 100 {
                    let naming = Naming(seed, AtomicUsize::new(0));
                    let mut sequence = Sequence::new(seed ^ index << 32 ^ round << 48);
                    let taken: Vec<Object> = {
                        let mut exchange = exchange.lock().expect("no thread panicked");
                        let keep = exchange.len() / 3;
                        exchange.drain(keep..).collect()
                    };
                    for object in taken {
                        object.check();
                        sequence.hold(object);
                    }
                    sequence.run(100);
                    naming.1.store(sequence.steps, Ordering::Relaxed);
                    for kept in 0..sequence.live.len() {
                        if kept % 2 == 0 {
                            sequence.release();
                        }
                    }
                    let mut exchange = exchange.lock().expect("no thread panicked");
                    exchange.append(&mut sequence.live);
                }
            }
        };
        for round in 0..rounds {
            let round: Vec<_> = (0..count)
                .map(|index| scope.spawn(worker(round * count + index)))
                .collect();
            for thread in round {
                thread.join().expect("a thread's sequence");
            }
            assert_whole();
        }
        done.store(true, Ordering::Relaxed);
        checker.join().expect("the heap was whole all the time");
    });
    assert!(
        checks.into_inner() > 1,
        "the heap was not checked meanwhile"
    );
    let mut last = Sequence::new(seed);
    for object in exchange.into_inner().expect("no thread panicked") {
        last.hold(object);
    }
    last.end();
    assert_whole();
    assert_empty();
}

#[test]
fn threads_that_hand_objects_on_keep_every_promise() {
    both_ways("threads_that_hand_objects_on_keep_every_promise", || {
        threads(0x0003_5eed, 4, times(5), 1_500);
    });
}
