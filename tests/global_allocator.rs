//! This test binary is itself a program with Cairn as its global allocator,
//! the test harness with its threads included.
#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use std::alloc::{self, Layout};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::env;
use std::ffi::{CStr, c_void};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// A small generator, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).expect("usize has 64 bits") % limit
    }
}

/// Cairn vets the pointer: one that it never gave out ends the process.
fn usable_size<T>(pointer: *const T) -> usize {
    // SAFETY: every caller passes a live allocation of the global allocator,
    // which is Cairn.
    unsafe { cairn::c::malloc_usable_size(pointer.cast_mut().cast::<c_void>()) }
}

#[track_caller]
fn assert_whole() {
    assert!(cairn::check_heap().is_ok());
}

#[test]
fn what_the_program_holds_comes_from_cairn() {
    let boxed = Box::new([1_u8; 100]);
    assert!(usable_size(&raw const *boxed) >= 100);
    let text = String::from("a string that lies on the heap");
    assert!(usable_size(text.as_ptr()) >= text.capacity());
    let large = vec![0_u8; 3 << 20];
    assert!(usable_size(large.as_ptr()) >= 3 << 20);
    let handed = thread::spawn(|| vec![7_u32; 1000]);
    let handed = handed.join().expect("the thread ends well");
    assert!(usable_size(handed.as_ptr()) >= 4000);
}

#[test]
fn live_memory_shows_in_cairn_s_statistics() {
    let in_use = || {
        // SAFETY: the call takes nothing and fills a value of its own.
        let info = unsafe { cairn::c::mallinfo2() };
        info.uordblks + info.hblkhd
    };
    let before = in_use();
    // Far more than what the other tests hold at a time.
    let small: Vec<_> = (0..400_000).map(|_| Box::new([1_u8; 600])).collect();
    assert!(in_use() > before + 150_000_000);
    drop(small);
}

/// Where the symbol that C code calls lies.
fn owner_of(symbol: &CStr) -> String {
    // SAFETY: all zeros is a valid `Dl_info`, whose fields are pointers.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `symbol` ends with a zero byte; dladdr takes any address and
    // fills the value that outlives the call.
    let known = unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        libc::dladdr(address, &raw mut found)
    };
    assert!(known != 0 && !found.dli_fname.is_null());
    // SAFETY: a name that dladdr gives is a C string of the loader's.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    name.to_string_lossy().into_owned()
}

#[test]
fn c_code_keeps_the_c_library_s_malloc() {
    for symbol in [c"malloc", c"free", c"realloc", c"posix_memalign"] {
        let owner = owner_of(symbol);
        assert!(owner.contains("libc.so"), "{symbol:?} is {owner}'s");
    }
}

#[test]
fn collections_keep_what_was_put_in() {
    let mut random = Random(3);
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut queue = VecDeque::new();
    for round in 0..60_000 {
        let key = format!("{:x}", random.below(4000));
        let value = key.repeat(1 + round % 9);
        map.insert(key.clone(), value.clone());
        tree.insert(key, value.clone());
        queue.push_back(value);
        if queue.len() > 700 {
            queue.pop_front();
        }
        if round % 5 == 0 {
            let gone = format!("{:x}", random.below(4000));
            assert_eq!(map.remove(&gone), tree.remove(&gone));
        }
    }
    assert_eq!(map.len(), tree.len());
    for (key, value) in &tree {
        assert_eq!(map.get(key), Some(value));
        assert!(value.starts_with(key.as_str()) && value.len() % key.len() == 0);
    }
    let set: BTreeSet<_> = map.into_iter().collect();
    assert!(set.into_iter().eq(tree));
    assert_whole();
}

#[test]
fn a_growing_vector_keeps_its_content() {
    let mut numbers: Vec<u64> = Vec::new();
    for number in 0..3_000_000 {
        numbers.push(number);
    }
    assert!(numbers.iter().copied().eq(0..3_000_000));
    numbers.truncate(1000);
    numbers.shrink_to_fit();
    assert!(numbers.iter().copied().eq(0..1000));
    assert_whole();
}

#[test]
fn every_alignment_and_size_is_kept_by_all_four_calls() {
    for power in 0..=16 {
        let align = 1_usize << power;
        for size in [1, 8, 24, 100, 127, 128, 129, 1000, 5000, 70_000, 200_000] {
            let layout = Layout::from_size_align(size, align).expect("a valid layout");
            let grown = Layout::from_size_align(size * 3, align).expect("a valid layout");
            // SAFETY: no layout has size zero; each pointer is checked before
            // use, used within its layout, and freed once with it.
            unsafe {
                let zeroed = black_box(alloc::alloc_zeroed(layout));
                assert!(!zeroed.is_null() && zeroed.addr().is_multiple_of(align));
                assert!((0..size).all(|at| zeroed.add(at).read() == 0));
                zeroed.write_bytes(0xa5, size);

                let plain = black_box(alloc::alloc(layout));
                assert!(!plain.is_null() && plain.addr().is_multiple_of(align));
                plain.write_bytes(0x5a, size);

                let moved = black_box(alloc::realloc(zeroed, layout, size * 3));
                assert!(!moved.is_null() && moved.addr().is_multiple_of(align));
                assert!((0..size).all(|at| moved.add(at).read() == 0xa5));
                moved.write_bytes(0xc3, size * 3);
                assert!((0..size).all(|at| plain.add(at).read() == 0x5a));
                alloc::dealloc(plain, layout);

                let back = black_box(alloc::realloc(moved, grown, size));
                assert!(!back.is_null() && back.addr().is_multiple_of(align));
                assert!((0..size).all(|at| back.add(at).read() == 0xc3));
                alloc::dealloc(back, layout);
            }
        }
    }
    assert_whole();
}

#[test]
fn an_over_aligned_type_lies_where_it_asked_to() {
    #[repr(align(4096))]
    #[derive(Clone)]
    struct Page([u8; 4096]);

    let mut pages: Vec<Box<Page>> = Vec::new();
    for number in 0..200_u8 {
        pages.push(Box::new(Page([number; 4096])));
    }
    let together: Vec<Page> = pages.iter().map(|page| Page::clone(page)).collect();
    for (number, (page, copy)) in (0_u8..).zip(pages.iter().zip(&together)) {
        assert!((&raw const **page).addr().is_multiple_of(4096));
        assert!((&raw const *copy).addr().is_multiple_of(4096));
        assert!(page.0 == [number; 4096] && copy.0 == page.0);
    }
}

#[test]
fn a_size_that_no_system_grants_is_refused() {
    let mut bytes: Vec<u8> = Vec::new();
    let most = isize::MAX.unsigned_abs();
    assert!(bytes.try_reserve_exact(most - 4096).is_err());
    assert!(bytes.try_reserve(1000).is_ok());
    bytes.resize(1000, 1);
    assert!(bytes.iter().all(|byte| *byte == 1));
}

#[test]
fn threads_hand_memory_to_each_other() {
    let shared = Arc::new(Mutex::new(BTreeMap::<usize, Vec<String>>::new()));
    let (sender, receiver) = mpsc::channel::<Vec<String>>();
    let workers: Vec<_> = (1..=8)
        .map(|seed| {
            let shared = Arc::clone(&shared);
            let sender = sender.clone();
            thread::spawn(move || {
                let mut random = Random(seed);
                for round in 0..2000 {
                    let words: Vec<_> = (0..random.below(12))
                        .map(|at| "x".repeat(1 + (round + at * 37) % 600))
                        .collect();
                    let place = random.below(64);
                    let old = shared.lock().expect("not poisoned").insert(place, words);
                    if let Some(old) = old
                        && sender.send(old).is_err()
                    {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(sender);
    let mut letters = 0;
    for words in receiver {
        assert!(
            words
                .iter()
                .all(|word| word.bytes().all(|byte| byte == b'x'))
        );
        letters += words.iter().map(String::len).sum::<usize>();
    }
    for worker in workers {
        worker.join().expect("the worker ends well");
    }
    assert!(letters > 0);
    assert_whole();
}

#[test]
fn thread_locals_may_free_when_their_thread_ends() {
    thread_local! {
        static KEPT: Mutex<Vec<String>> = const { Mutex::new(Vec::new()) };
    }
    for round in 0..200 {
        let thread = thread::spawn(move || {
            KEPT.with(|kept| {
                let mut kept = kept.lock().expect("not poisoned");
                kept.extend((0..50).map(|at| format!("{round} {at}")));
            });
        });
        thread.join().expect("the thread ends well");
    }
    assert_whole();
}

/// Bytes and alignment of what is asked for, and of what it is given back as.
const WRONG_LAYOUTS: [[usize; 4]; 9] = [
    [24, 8, 100, 8],
    [100, 1, 84, 1],
    [100, 8, 1000, 256],
    [400, 8, 384, 8],
    [400, 64, 4000, 64],
    [5000, 8, 4000, 8],
    [40_000, 8, 39_984, 8],
    [300_000, 8, 295_904, 8],
    [300_000, 4096, 100_000, 4096],
];

/// The child does one, named by its place in the table, and must not survive it.
#[test]
fn a_wrong_layout_ends_the_process() {
    const CHOICE: &str = "TEST_WRONG_LAYOUT";
    let layout = |size, align| Layout::from_size_align(size, align).expect("a valid layout");
    if let Some(choice) = env::var(CHOICE)
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
    {
        let [size, align, wrong_size, wrong_align] = WRONG_LAYOUTS[choice / 2];
        let wrong = layout(wrong_size, wrong_align);
        // SAFETY: wrong on purpose; Cairn ends the process before it believes the layout.
        unsafe {
            // The compiler may leave out a pair whose pointer it knows.
            let p = black_box(alloc::alloc(layout(size, align)));
            if choice.is_multiple_of(2) {
                alloc::dealloc(p, wrong);
            } else {
                black_box(alloc::realloc(p, wrong, 2 * size));
            }
        }
        return;
    }
    for choice in 0..2 * WRONG_LAYOUTS.len() {
        let output = Command::new(env::current_exe().expect("the binary knows its path"))
            .args(["--exact", "a_wrong_layout_ends_the_process", "--nocapture"])
            .env(CHOICE, choice.to_string())
            .output()
            .expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.signal() == Some(libc::SIGABRT)
                && stderr.contains("free(): sized deallocation with a wrong size\n"),
            "{:?}, realloc: {}: {}, {stderr}",
            WRONG_LAYOUTS[choice / 2],
            choice % 2,
            output.status,
        );
    }
}

/// A heap of a Rust program is 64 MiB long at most: what is longer has to be mapped.
#[test]
fn mmap_max_is_a_preference_and_no_ban() {
    const CHILD: &str = "TEST_MMAP_MAX";
    if env::var_os(CHILD).is_some() {
        let large: Vec<_> = (0..4_u8).map(|i| vec![i; 100 << 20]).collect();
        assert!(large.iter().zip(0..).all(|(v, i)| v[(100 << 20) - 1] == i));
        return;
    }
    for most in ["0", "1", "2"] {
        let output = Command::new(env::current_exe().expect("the binary knows its path"))
            .args(["--exact", "mmap_max_is_a_preference_and_no_ban"])
            .env(CHILD, "1")
            .env("MALLOC_MMAP_MAX_", most)
            .output()
            .expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{most}: {}, {stderr}",
            output.status
        );
    }
}

#[test]
fn all_of_this_holds_in_the_classic_heap() {
    // The child runs every other test of this binary, and not this one again.
    let this = env::current_exe().expect("the binary knows its path");
    let output = Command::new(this)
        .args(["--skip", "all_of_this_holds_in_the_classic_heap"])
        .env("CAIRN_RUN_MAX", "0")
        .output()
        .expect("the binary starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("test result: ok. "),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
