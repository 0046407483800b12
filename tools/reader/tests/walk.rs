//! The reader outside against the heap's own walk: entry by entry.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod child;

use cairn_reader::process::Process;
use cairn_reader::stop::Stopped;
use cairn_reader::tables::{Arena, Heap, Stretch};
use cairn_reader::walk::{Piece, Slot, Visit, Walk, What};
use cairn_reader::{Target, find};
use child::{Playing, fill, plays, ready, wait};
use std::fs;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// Arena, heap, payload, size, what it is, and what of a slot is vacant.
type Entry = [u64; 6];

const ROOM: usize = 1 << 18;
const TO: &str = "CAIRN_TEST_TO";

/// Fills a heap, walks it, and writes what it saw into memory that is none of the heap's, and from
/// there into a file.
fn tell() -> ! {
    let to = std::env::var(TO).expect("a path");
    let to = std::ffi::CString::new(to).expect("a path");
    let kept = fill(20_000, 3);
    let more = std::thread::spawn(|| fill(5_000, 4))
        .join()
        .expect("it ends");
    // SAFETY: a new mapping.
    let room: *mut Entry = unsafe {
        let bytes = ROOM * size_of::<Entry>();
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes, rights, flags, -1, 0).cast()
    };
    let mut n = 0;
    let walked = cairn::walk(&mut |v| {
        assert!(n < ROOM);
        let entry = [
            v.arena,
            v.heap,
            v.payload,
            v.size,
            v.role as usize,
            v.vacant,
        ];
        // SAFETY: within the mapping.
        unsafe { room.add(n).write(entry.map(|word| word as u64)) };
        n += 1;
    });
    // SAFETY: writes the mapping's memory to a new file.
    unsafe {
        let file = libc::open(to.as_ptr(), libc::O_CREAT | libc::O_WRONLY, 0o600);
        let bytes = n * size_of::<Entry>();
        let written = libc::write(file, room.cast(), bytes);
        assert!(walked.is_ok() && written.cast_unsigned() == bytes);
    }
    ready();
    let _kept = black_box((kept, more));
    wait()
}

/// The same entries, seen from outside.
#[derive(Default)]
struct Seen {
    arena: u64,
    heap: u64,
    end: u64,
    entries: Vec<Entry>,
}

impl Visit for Seen {
    fn begin(&mut self, arena: &Arena, heap: &Stretch) {
        (self.arena, self.heap, self.end) = (arena.index, heap.base, heap.end);
    }
    fn chunk(&mut self, piece: &Piece) {
        use cairn::Role;
        let role = match piece.what {
            What::Live => Role::InUse,
            What::Cached => Role::Cached,
            What::Waiting => Role::Fast,
            What::FreeChunk => Role::Free,
            What::Top => Role::Top,
            What::Overhead if piece.to == self.end => Role::Fence,
            // The rest of top, and what is in front of the first chunk.
            What::Fresh | What::Overhead => return,
            What::FreeSlot | What::Quarantined | What::Unread => panic!("{piece:?}"),
        };
        let payload = piece.from + 8;
        let size = match role {
            Role::Top => self.end - payload,
            Role::Fence => 0,
            _ => piece.bytes(),
        };
        let entry = [self.arena, self.heap, payload, size, role as u64, 0];
        self.entries.push(entry);
    }
    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        let free = pieces.iter().filter(|p| p.what == What::FreeSlot);
        let vacant = free.map(Piece::bytes).sum();
        let role = cairn::Role::Run as u64;
        let entry = [self.arena, self.heap, slot.base, 65_536, role, vacant];
        self.entries.push(entry);
        let all: u64 = pieces.iter().map(Piece::bytes).sum();
        assert_eq!(all, 65_536, "a slot's pieces do not fill it");
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

#[track_caller]
fn same(test: &str, more: &[(&str, &str)]) {
    let to = path(test);
    let shown = to.to_str().expect("a path that is not UTF-8").to_owned();
    let all = [more, &[(TO, shown.as_str())]].concat();
    let child = Playing::start(test, "tells", &all);
    let process = Process::open(child.pid()).expect("it is there");
    let stopped = Stopped::stop(&process).expect("it stops");
    let found = find::instances(&process).expect("a Cairn");
    assert_eq!(found.len(), 1, "{found:?}");
    let heap = Heap::read(&process, found[0].clone());
    let mut seen = Seen::default();
    let mut walk = Walk::new(&process, &heap);
    walk.run(&mut seen);
    assert_eq!((heap.torn, walk.torn), (0, 0));
    drop(stopped);
    let bytes = fs::read(&to).expect("what it told");
    fs::remove_file(to).expect("the file");
    let words = bytes
        .chunks_exact(8)
        .map(|w| u64::from_le_bytes(w.try_into().expect("a word")));
    let words: Vec<_> = words.collect();
    let mut told: Vec<Entry> = words.as_chunks().0.to_vec();
    assert!(told.len() > 1000, "{} entries", told.len());
    told.sort_unstable();
    seen.entries.sort_unstable();
    for (told, seen) in told.iter().zip(&seen.entries) {
        assert_eq!(told, seen);
    }
    assert_eq!(told.len(), seen.entries.len());
}

#[test]
fn every_chunk_is_seen_as_the_heap_sees_it() {
    if plays("tells") {
        tell();
    }
    if child::cannot_look() {
        return;
    }
    same("every_chunk_is_seen_as_the_heap_sees_it", &[]);
}

#[test]
fn so_it_is_without_runs() {
    if plays("tells") {
        tell();
    }
    if child::cannot_look() {
        return;
    }
    same("so_it_is_without_runs", &[("CAIRN_RUN_MAX", "0")]);
}

/// Takes objects of one class until a strip is longer than a page, and writes what caches hold.
fn takes_one_class() -> ! {
    let to = std::env::var(TO).expect("a path");
    let file = fs::File::create(to).expect("a file");
    let mut kept = Vec::with_capacity(20_000);
    loop {
        let before = cairn::stats().cached;
        kept.push(black_box(Box::new([1_u8; 48])));
        if cairn::stats().cached > before + 3 * 4096 {
            break;
        }
        assert!(kept.len() < 20_000, "no long strip");
    }
    // SAFETY: writes a number of ours.
    let n = unsafe {
        let cached = cairn::stats().cached;
        libc::write(file.as_raw_fd(), (&raw const cached).cast(), 8)
    };
    assert_eq!(n, 8);
    ready();
    wait();
}

#[test]
fn what_is_left_of_a_long_strip_is_in_the_cache() {
    if plays("takes") {
        takes_one_class();
    }
    if child::cannot_look() {
        return;
    }
    let test = "what_is_left_of_a_long_strip_is_in_the_cache";
    // The harness's thread may still take something between the figure and the look.
    let looks = || strip_as_told_and_seen(test);
    assert!(
        (0..5).map(|_| looks()).any(|(told, seen)| told == seen),
        "{:?}",
        looks()
    );
}

fn strip_as_told_and_seen(test: &str) -> (u64, u64) {
    let to = path(test);
    let child = Playing::start(test, "takes", &[(TO, to.to_str().expect("a path"))]);
    let process = Process::open(child.pid()).expect("it is there");
    let stopped = Stopped::stop(&process).expect("it stops");
    let found = find::instances(&process).expect("a Cairn");
    let heap = Heap::read(&process, found[0].clone());
    drop(stopped);
    let bytes = fs::read(&to).expect("what it told");
    fs::remove_file(to).expect("the file");
    let told = u64::from_le_bytes(bytes.try_into().expect("a number"));
    (told, heap.caches.iter().map(|c| c.bytes).sum())
}

#[test]
fn a_limit_that_was_taken_away_is_none() {
    let (name, limit) = ("a_limit_that_was_taken_away_is_none", 1 << 30);
    for role in ["limited", "no more"] {
        if plays(role) {
            cairn::limit(limit, false);
            if role != "limited" {
                cairn::limit(0, false);
            }
            ready();
            wait();
        }
    }
    if child::cannot_look() {
        return;
    }
    for (role, seen) in [("limited", limit as u64), ("no more", 0)] {
        let child = Playing::start(name, role, &[]);
        let process = Process::open(child.pid()).expect("it is there");
        let found = find::instances(&process).expect("a Cairn");
        let heap = Heap::read(&process, found[0].clone());
        assert_eq!(heap.settings.limit, seen, "{role}");
    }
}

#[test]
fn a_place_that_is_not_mapped_is_none() {
    if plays("waits") {
        ready();
        wait();
    }
    if child::cannot_look() {
        return;
    }
    let child = Playing::start("a_place_that_is_not_mapped_is_none", "waits", &[]);
    let process = Process::open(child.pid()).expect("it is there");
    assert!(!process.is_mapped(0, 4096) && !process.is_mapped(u64::MAX - 4096, u64::MAX));
    assert_eq!(process.word(16), None);
    assert_eq!(process.bytes(u64::MAX - 7, 8), None);
}
