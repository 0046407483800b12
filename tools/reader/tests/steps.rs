//! A cache is changed without a lock. Whoever stops its thread may find it between any two
//! instructions, and it must make sense there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod child;

use cairn_reader::find;
use cairn_reader::process::Process;
use cairn_reader::tables::Heap;
use child::{Playing, plays, ready, wait};
use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::Error;
use std::ptr;

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// The classes whose arrays become longer, by the bytes of an object.
const SIZES: [usize; 2] = [144, 160];
/// Objects of one class that are freed, for which its array becomes longer twice.
const COUNT: usize = 24;

/// Makes the arrays of one class after the other longer, each between two signals.
fn changes_its_arrays() -> ! {
    let mut kept = [ptr::null_mut(); COUNT];
    ready();
    // SAFETY: whoever traces this process takes the signal.
    let here = || unsafe { libc::raise(libc::SIGUSR2) };
    // Until it is traced.
    while !is_traced() {}
    for size in SIZES {
        let layout = Layout::from_size_align(size, 16).expect("a layout");
        // SAFETY: of some size, freed as it was asked for.
        unsafe {
            kept.fill_with(|| alloc(layout));
            here();
            for &p in &kept {
                dealloc(black_box(p), layout);
            }
            here();
        }
    }
    wait();
}

fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("its state");
    !status.contains("TracerPid:\t0\n")
}

/// A thread of a child that is traced until this is dropped.
struct Traced(i32);

impl Traced {
    fn ask(&self, what: libc::c_uint) -> bool {
        let none = ptr::null_mut::<u8>();
        // SAFETY: reads and writes no memory of ours.
        unsafe { libc::ptrace(what, self.0, none, none) == 0 }
    }

    fn by(tid: i32) -> Self {
        let traced = Self(tid);
        assert!(traced.ask(libc::PTRACE_SEIZE), "{}", Error::last_os_error());
        traced
    }

    /// Lets it go on, without the signal that it stopped with; the one that it stops with next.
    fn go_on(&self, how: libc::c_uint) -> i32 {
        assert!(self.ask(how), "{}", Error::last_os_error());
        self.stops()
    }

    /// The signal that it stops with.
    fn stops(&self) -> i32 {
        let mut status = 0;
        // SAFETY: writes the status.
        let got = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        assert!(
            got == self.0 && libc::WIFSTOPPED(status),
            "{got} {status:x}"
        );
        libc::WSTOPSIG(status)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.ask(libc::PTRACE_DETACH);
    }
}

#[test]
fn between_any_two_instructions_a_cache_makes_sense() {
    if plays("changes") {
        changes_its_arrays();
    }
    if child::cannot_look() {
        return;
    }
    let name = "between_any_two_instructions_a_cache_makes_sense";
    let child = Playing::start(name, "changes", &[]);
    let mut process = Process::open_lightly(child.pid()).expect("it is there");
    let found = find::instances(&process).expect("a Cairn");
    // The youngest thread plays; an older one is the harness's.
    let thread = Traced::by(process.threads().into_iter().max().expect("a thread"));
    let (mut looks, mut counts) = (0, BTreeSet::new());
    for size in SIZES {
        // As it was left by the one before.
        let first = if size == SIZES[0] {
            thread.stops()
        } else {
            thread.go_on(libc::PTRACE_CONT)
        };
        assert_eq!(first, libc::SIGUSR2, "objects of {size} bytes");
        while thread.go_on(libc::PTRACE_SINGLESTEP) == libc::SIGTRAP {
            // A lock that is held says so.
            if found[0].is_locked(&process) {
                continue;
            }
            let mut heap = Heap::read(&process, found[0].clone());
            if heap.torn != 0 {
                // There may be a mapping more than when it was looked at.
                process = Process::open_lightly(child.pid()).expect("it is there");
                heap = Heap::read(&process, found[0].clone());
            }
            assert_eq!(heap.torn, 0, "look {looks}, objects of {size} bytes");
            looks += 1;
            counts.insert(heap.caches.iter().map(|cache| cache.count).sum::<u64>());
        }
    }
    eprintln!("{looks} looks, {} counts", counts.len());
    assert!(looks > 50 * COUNT, "{looks} looks");
    assert!(counts.len() > COUNT, "{counts:?}");
}
