//! A thread's beginning and its end on a system that refuses: its cache, the arena that is made
//! for it, and what goes back when it leaves.

use super::{KIB, MIB, Mode, Scene, Style, forked, in_modes, medium, numbers, order, small, trim};
use crate::arena::Arena;
use crate::arena::seen::Role;
use crate::knobs::Knobs;
use crate::layout::places::cache::PARKED;
use crate::os::scripted;
use crate::{arenas, c, cache, check_heap, routes, settings, side, walk};
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::vec::Vec;
use std::{format, println, thread};

const MODES: [Mode; 2] = [None, Some(("CAIRN_RUN_MAX", "0"))];

fn scene(strict: bool) -> Scene {
    Scene {
        live: Vec::new(),
        strict,
    }
}

/// Chunks of that role in all heaps.
fn count(role: Role) -> usize {
    let mut n = 0;
    let report = walk(&mut |view| n += usize::from(view.role == role));
    assert_eq!(report.err(), None);
    n
}

/// The main arena has its thread, and there may be so many arenas.
fn begin(arenas: usize) {
    c::init();
    // However many CPUs there are.
    let most = i32::try_from(arenas).expect("few");
    // SAFETY: no precondition.
    unsafe { c::mallopt(libc::M_ARENA_MAX, most) };
    // SAFETY: no precondition.
    unsafe { c::free(c::malloc(1)) };
}

/// No block of side memory is left but one for a cache, if that is to be `kept`: whoever needs
/// another has to ask the system.
fn use_up_side_memory(kept: bool) {
    let one = size_of::<cache::Cache>();
    assert_ne!(side::block(one), side::block(size_of::<Arena>()));
    let cache = side::take(one).expect("there is side memory");
    scripted::refuse_all(true);
    for power in (6..=16).rev() {
        while side::take(1 << power).is_some() {}
    }
    scripted::refuse_all(false);
    if kept {
        // SAFETY: taken above.
        unsafe { side::give(cache, one) };
    }
}

/// One number of calls after the other until none is refused any more; each in a process of its
/// own.
fn every_call(style: Style, body: impl Fn(Style, u64) -> bool) -> u64 {
    let refused = |n| forked(&format!("{style:?} after {n} calls"), || body(style, n));
    let all = numbers().find(|&n| !refused(n));
    let all = all.expect("the calls come to an end");
    println!("{all} calls, {style:?}");
    all
}

/// Few objects: a thread without a cache takes the slow way each time, with all its checks.
fn mixed(s: &mut Scene) {
    for i in 0..120 {
        s.malloc(i * 13 % 400);
        s.malloc(i * 97 % 9_000);
    }
    s.free_every(2);
}

/// A thread whose first calls are refused, so that it gets no cache, or no arena of its own: it is
/// served or told that there is no memory, and once there is, it has a cache like any other.
fn beginning(style: Style, n: u64, room_for_cache: bool) -> bool {
    begin(4);
    use_up_side_memory(room_for_cache);
    let body = move || {
        let mut first = scene(false);
        order(style, n);
        mixed(&mut first);
        let refused = scripted::refused();
        scripted::refuse_all(false);
        first.check();
        let mut again = scene(true);
        mixed(&mut again);
        again.malloc(MIB);
        again.check();
        fill_cache(&mut again);
        assert!(cache::thread::existing().is_some(), "no cache, for good");
        first.free_every(1);
        again.free_every(1);
        refused != 0
    };
    let refused = thread::spawn(body).join().expect("the thread ends well");
    // The one after it gets an arena of its own, whatever the first one was refused.
    let next = thread::spawn(|| {
        let mut s = scene(true);
        mixed(&mut s);
        s.free_every(1);
        // SAFETY: an arena lives forever.
        cache::thread::existing()
            .is_some()
            .then(|| cache::thread::arena().index)
    });
    let index = next.join().expect("the thread ends well");
    assert!(index.is_some_and(|index| index != 0), "no arena of its own");
    assert_eq!(count(Role::InUse), 0, "chunks that nobody owns");
    assert_eq!(
        check_heap().map(|r| r.objects),
        Ok(0),
        "objects that nobody owns"
    );
    refused
}

#[test]
fn a_thread_s_beginning_survives_every_refusal() {
    let name = "threads::a_thread_s_beginning_survives_every_refusal";
    in_modes(&MODES, name, || {
        for style in [Style::Once, Style::Onward] {
            for room_for_cache in [false, true] {
                let calls = every_call(style, |style, n| beginning(style, n, room_for_cache));
                assert!(calls >= 4, "only {calls} calls could be refused");
            }
        }
    });
}

/// Calls of a thread that were refused after its cache had gone.
static AT_THE_END: AtomicU64 = AtomicU64::new(0);

/// The key of [`note`].
static NOTE: AtomicU64 = AtomicU64::new(0);

/// The value counts the rounds of destructors: in the last of four Cairn's gives the cache up.
unsafe extern "C" fn note(round: *mut libc::c_void) {
    let key = NOTE.load(Relaxed) as libc::pthread_key_t;
    let next = ptr::without_provenance::<libc::c_void>(round.addr() + 1);
    // SAFETY: `note` takes any number.
    if round.addr() < 4 && unsafe { libc::pthread_setspecific(key, next) } == 0 {
        return;
    }
    AT_THE_END.store(scripted::refused(), Relaxed);
    scripted::refuse_all(false);
}

/// The destructor of a key made after Cairn's runs after Cairn's.
fn note_at_the_end() {
    let mut key = 0;
    // SAFETY: `note` takes any number.
    unsafe {
        assert_eq!(libc::pthread_key_create(&raw mut key, Some(note)), 0);
        NOTE.store(key.into(), Relaxed);
        let first = ptr::without_provenance(1);
        assert_eq!(libc::pthread_setspecific(key, first), 0);
    }
}

/// A cache of chunks, too large to be kept for the next thread, full.
fn fill_cache(s: &mut Scene) {
    // An array becomes long where what was freed is asked for again, and stays so while it is.
    for _ in 0..4 {
        for n in (520..1_032).step_by(16) {
            let before = s.live.len();
            for _ in 0..45 {
                s.malloc(n);
            }
            while s.live.len() > before {
                s.free(s.live.len() - 1);
            }
        }
    }
}

/// A thread that ends with a full cache, and its arena with memory to give back, while the system
/// refuses its `n`-th call, or all from it on: what it kept stays, and what it cached is the
/// heap's again.
fn ending(style: Style, n: u64) -> bool {
    begin(2);
    let own = count(Role::Cached);
    let knobs = |purge_delay| Knobs {
        mmap_threshold: 16 << 20,
        mmap_threshold_fixed: true,
        purge_delay,
        ..Knobs::DEFAULT
    };
    settings::apply(&knobs(usize::MAX));
    let body = move || {
        let mut s = scene(true);
        small(&mut s);
        medium(&mut s);
        s.free_every(2);
        fill_cache(&mut s);
        let kept = s.live.len();
        for _ in 0..3 {
            s.malloc(2 * MIB);
            s.malloc(40 * KIB);
        }
        for i in (kept..kept + 6).step_by(2).rev() {
            s.free(i);
        }
        // From here on everything was idle for long enough, and each visit may give some back.
        settings::apply(&knobs(0));
        s.free(kept);
        note_at_the_end();
        order(style, n);
        s.live
    };
    let live = thread::spawn(body).join().expect("the thread ends well");
    let mut s = Scene { live, strict: true };
    s.check();
    assert_eq!(count(Role::Cached), own, "chunks are lost with the thread");
    s.free_every(1);
    s.check();
    assert_eq!(count(Role::InUse), 0, "chunks that nobody owns");
    assert_eq!(
        check_heap().map(|r| r.objects),
        Ok(0),
        "objects that nobody owns"
    );
    AT_THE_END.load(Relaxed) != 0
}

#[test]
fn a_thread_s_end_survives_every_refusal() {
    let name = "threads::a_thread_s_end_survives_every_refusal";
    in_modes(&MODES, name, || {
        for style in [Style::Once, Style::Onward] {
            let calls = every_call(style, ending);
            assert!(calls >= 1, "a thread's end asks the system for nothing");
        }
    });
}

/// A thread cuts its objects off a strip; what is ahead in it when the thread ends is the slot's
/// again, or that could never become a chunk again.
#[test]
fn a_thread_s_strip_goes_back_with_it() {
    let name = "threads::a_thread_s_strip_goes_back_with_it";
    in_modes(&[None], name, || {
        begin(2);
        for _ in 0..20 {
            let body = || {
                let mut s = scene(true);
                for i in 0..200 {
                    s.malloc(i % 400);
                }
                assert_ne!(count(Role::Run), 0, "objects of runs");
                fill_cache(&mut s);
                s.free_every(1);
            };
            thread::spawn(body).join().expect("the thread ends well");
        }
        trim();
        assert_eq!(count(Role::Run), 0, "slots in which nothing lives");
    });
}

/// A thread that allocated and waits to be ended, and the index of its arena.
struct Waiting {
    arena: usize,
    end: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Waiting {
    fn begin() -> Self {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            routes::release(routes::allocate(1));
            // SAFETY: it allocated, so it has one; an arena lives forever.
            assert!(tell.send(cache::thread::arena().index).is_ok());
            assert!(ended.recv().is_ok());
        });
        let arena = told.recv().expect("it has an arena");
        Self { arena, end, thread }
    }

    fn finish(self) {
        assert!(self.end.send(()).is_ok());
        self.thread.join().expect("the thread ends well");
    }
}

/// By how many threads the arena with the most is ahead of the one with the fewest.
fn uneven() -> usize {
    let threads = || arenas::all().map(|arena| arena.threads.load(Relaxed));
    threads().max().unwrap_or(0) - threads().min().unwrap_or(0)
}

/// Whoever takes a parked cache takes its arena with it, however many threads that has. There are
/// few of them, and who comes after them gets the arena with the fewest.
#[test]
fn parked_caches_carry_a_few_threads_beyond_an_even_share() {
    let name = "threads::parked_caches_carry_a_few_threads_beyond_an_even_share";
    in_modes(&[None], name, || {
        begin(2);
        let all: Vec<_> = (0..4 * PARKED).map(|_| Waiting::begin()).collect();
        assert!(uneven() <= 1);
        let (main, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|t| t.arena == 0);
        assert!(main.len().min(other.len()) >= 2 * PARKED - 1);
        // Half of the main arena's end first, and are parked; then all of the other's.
        let mut main = main.into_iter();
        main.by_ref().take(PARKED).for_each(Waiting::finish);
        other.into_iter().for_each(Waiting::finish);
        let before = uneven();
        assert!(before >= PARKED, "the main arena has most of the threads");
        let carried: Vec<_> = (0..PARKED).map(|_| Waiting::begin()).collect();
        assert!(carried.iter().all(|thread| thread.arena == 0));
        assert_eq!(uneven(), before + PARKED);
        let more: Vec<_> = (0..before + PARKED).map(|_| Waiting::begin()).collect();
        assert!(more.iter().all(|thread| thread.arena == 1));
        assert_eq!(uneven(), 0);
        main.chain(carried).chain(more).for_each(Waiting::finish);
    });
}
