//! Every schedule of two or three threads with at most three preemptions, and every value that a
//! weakly ordered machine may show them.
//! A model fails when two threads touch what the protocol gives to one, when a thread sees what
//! was not yet made, or when an assertion does not hold.
#![allow(missing_docs, reason = "a test binary")]

use cairn_models::arena::heap::Heap;
use cairn_models::arena::records;
use cairn_models::config::REGION;
use cairn_models::routes::{fork, start};
use cairn_models::stand_in::{STARTS, chunk, os, refuse_values, settings, signal};
use cairn_models::sync::{Bell, Lock};
use cairn_models::{arenas, cache, region};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::thread;
use std::ptr;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 50_000;
    builder.check(body);
}

struct Guarded {
    lock: Lock,
    value: UnsafeCell<usize>,
}

impl Guarded {
    fn add(&self) {
        let _held = self.lock.acquire();
        // SAFETY: loom fails the model if somebody else is here.
        self.value.with_mut(|v| unsafe { *v += 1 });
    }
}

fn two_take_turns() {
    let shared = Arc::new(Guarded {
        lock: Lock::new(),
        value: UnsafeCell::new(0),
    });
    let other = shared.clone();
    let other = thread::spawn(move || other.add());
    shared.add();
    other.join().expect("it ends");
    let _held = shared.lock.acquire();
    // SAFETY: as above.
    shared.value.with(|v| assert_eq!(unsafe { *v }, 2));
}

#[test]
fn a_lock_has_one_holder_who_sees_what_the_last_one_wrote() {
    model(two_take_turns);
}

/// The holder gives it back once others wait, so that they have slept, or are about to.
fn two_wait_for_a_third() {
    let shared = Arc::new(Guarded {
        lock: Lock::new(),
        value: UnsafeCell::new(0),
    });
    let held = shared.lock.acquire();
    let others: Vec<_> = (0..2)
        .map(|_| shared.clone())
        .map(|shared| thread::spawn(move || shared.add()))
        .collect();
    drop(held);
    for other in others {
        other.join().expect("it ends");
    }
    let _held = shared.lock.acquire();
    // SAFETY: as above.
    shared.value.with(|v| assert_eq!(unsafe { *v }, 2));
}

#[test]
fn whoever_sleeps_for_a_lock_is_woken() {
    model(two_wait_for_a_third);
}

#[test]
fn where_nobody_may_sleep_a_lock_is_waited_for_all_the_same() {
    model(|| {
        os::refuse_sleep(true);
        two_take_turns();
    });
    os::refuse_sleep(false);
}

/// Whether the other thread slept when the run forked.
fn fork_beside_a_sleeper() -> bool {
    let shared = Arc::new(Guarded {
        lock: Lock::new(),
        value: UnsafeCell::new(0),
    });
    let held = shared.lock.acquire();
    let other = shared.clone();
    let other = thread::spawn(move || other.add());
    thread::yield_now();
    let slept = os::sleepers() == 1;
    if slept {
        // From here on the run is the child of a fork out of a signal's handler, which leaves
        // the lock to the call that it interrupted.
        assert!(shared.lock.is_mine(), "its word has more than its owner");
        os::be_child(true);
        drop(held);
        shared.add();
        shared.add();
        // The parent's thread, which has the child's memory here, is woken after all.
        os::be_child(false);
        os::wake_all();
    } else {
        drop(held);
    }
    other.join().expect("it ends");
    slept
}

#[test]
fn a_lock_for_which_threads_of_the_parent_sleep_is_the_childs_to_use() {
    static SLEPT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    model(|| {
        SLEPT.fetch_add(usize::from(fork_beside_a_sleeper()), Relaxed);
    });
    assert_ne!(SLEPT.load(Relaxed), 0, "no schedule had a sleeper");
}

#[test]
fn the_start_runs_once_and_all_see_what_it_set() {
    model(|| {
        let call = || {
            start::ensure();
            assert_eq!(chunk::key(), 3);
            assert!(settings::in_force());
        };
        let other = thread::spawn(call);
        call();
        other.join().expect("it ends");
        assert_eq!(STARTS.load(Relaxed), 1);
    });
}

/// Uses this thread's cache, and ends the thread.
fn live() {
    if let Some(cache) = cache::thread::current() {
        // SAFETY: this thread's own; loom fails the model if somebody else is there.
        unsafe { (*cache).use_it() };
    }
    cache::thread::end_of_thread();
}

#[test]
fn a_parked_cache_has_one_owner_who_sees_its_contents() {
    model(|| {
        cache::thread::init();
        live();
        let other = thread::spawn(live);
        cache::thread::flush();
        other.join().expect("it ends");
        cache::thread::flush();
        assert_eq!(cache::thread::count(), 0);
        assert_eq!(users(), 0, "a thread that ended still counts");
    });
}

/// The thread that begins has only the place where the cache was parked in common with the one that
/// ended.
#[test]
fn a_thread_that_takes_a_parked_cache_sees_all_that_was_done_with_it() {
    model(|| {
        cache::thread::init();
        let threads = [thread::spawn(live), thread::spawn(live)];
        for thread in threads {
            thread.join().expect("it ends");
        }
    });
}

/// How many threads count for an arena.
fn users() -> usize {
    arenas::all().map(|a| a.threads.load(Relaxed)).sum()
}

/// One thread begins and ends; a handler forks in the middle, and the child goes on alone.
fn begin_and_end(signal_after: usize) -> bool {
    let came = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let note = came.clone();
    loom::model(move || {
        cache::thread::init();
        signal::comes_after(signal_after);
        assert!(cache::thread::current().is_some());
        let in_it = (cache::thread::count(), users());
        cache::thread::end_of_thread();
        note.store(signal::has_come(), Relaxed);
        let after = (cache::thread::count(), users());
        assert_eq!(
            (in_it, after),
            ((1, 1), (0, 0)),
            "a signal after {signal_after} steps"
        );
    });
    came.load(Relaxed)
}

#[test]
fn a_fork_at_any_step_of_a_threads_beginning_or_end_leaves_its_counts_right() {
    let steps = (0..).take_while(|&n| begin_and_end(n)).count();
    assert!(steps > 30, "only {steps} steps were seen");
}

#[test]
fn a_thread_that_gave_up_its_cache_counts_no_more_and_its_child_neither() {
    model(|| {
        cache::thread::init();
        let _ = cache::thread::current();
        cache::thread::bypass();
        assert_eq!((cache::thread::count(), users()), (0, 0));
        fork::before();
        fork::in_child();
        cache::thread::end_of_thread();
        assert_eq!((cache::thread::count(), users()), (0, 0));
    });
}

#[test]
fn a_thread_that_gave_up_its_cache_has_it_back_when_it_may() {
    model(|| {
        cache::thread::init();
        let before = cache::thread::current();
        cache::thread::bypass();
        assert!(cache::thread::current().is_none());
        cache::thread::restore();
        assert!(before.is_some() && cache::thread::current() == before);
        assert_eq!((cache::thread::count(), users()), (1, 1));
        cache::thread::end_of_thread();
        assert!(cache::thread::current().is_none());
        assert_eq!((cache::thread::count(), users()), (0, 0));
    });
}

#[test]
fn a_cache_that_cannot_be_handed_over_is_given_up_and_tried_again() {
    model(|| {
        cache::thread::init();
        refuse_values(true);
        assert!(cache::thread::current().is_none());
        assert_eq!((cache::thread::count(), users()), (0, 0));
        refuse_values(false);
        assert!(cache::thread::current().is_some());
        assert_eq!((cache::thread::count(), users()), (1, 1));
        cache::thread::end_of_thread();
        assert_eq!((cache::thread::count(), users()), (0, 0));
    });
}

#[test]
fn an_arena_that_is_seen_is_whole() {
    model(|| {
        let work = || {
            arenas::assign().lock();
        };
        arenas::set_quota(2);
        let others: Vec<_> = (0..2).map(|_| thread::spawn(work)).collect();
        for arena in arenas::all() {
            arena.lock();
        }
        for other in others {
            other.join().expect("it ends");
        }
        assert_eq!(arenas::all().count(), 2);
    });
}

/// Enters the region `at`.
fn enter(at: usize) {
    // SAFETY: each region is entered by one thread, as under its arena's lock.
    assert!(unsafe { records::enter(at, at + REGION, ptr::null_mut::<Heap>(), region::CHUNKS) });
}

/// What every look-up does with a pointer: where the word says something, there is a record.
fn look_up(p: usize) -> bool {
    if region::word(p) == 0 {
        return false;
    }
    let record = records::of(p);
    assert!(!record.is_null(), "a word without a record");
    // SAFETY: not null; loom fails the model if the record may be seen unmade.
    unsafe {
        assert!(!(*(*record).map).has(p));
        assert_eq!(
            (*record).base,
            p & !(REGION - 1),
            "another's record, or a lost one"
        );
    }
    true
}

/// Two regions of one leaf, which is not the first of the table.
const REGIONS: [usize; 2] = [1 << 32, (1 << 32) + REGION];

#[test]
fn two_arenas_that_need_the_same_leaf_share_it() {
    model(|| {
        enter(0);
        let [a, b] = REGIONS;
        let other = thread::spawn(move || enter(b));
        enter(a);
        assert!(look_up(a));
        other.join().expect("it ends");
        assert!(look_up(a) && look_up(b), "an entry went into a lost leaf");
    });
}

#[test]
fn a_pointer_that_came_from_another_thread_is_found() {
    model(|| {
        enter(0);
        let [a, _] = REGIONS;
        let handed = Arc::new(AtomicUsize::new(0));
        let to = handed.clone();
        let other = thread::spawn(move || {
            enter(a);
            to.store(a + 16, Release);
        });
        let p = handed.load(Acquire);
        if p != 0 {
            assert!(look_up(p), "a live pointer is nobody's");
        }
        other.join().expect("it ends");
    });
}

#[test]
fn a_guessed_pointer_is_nobodys_or_has_its_record() {
    model(|| {
        enter(0);
        let [a, _] = REGIONS;
        let threads = [
            thread::spawn(move || enter(a)),
            thread::spawn(move || {
                let _ = look_up(a + 16);
            }),
        ];
        for thread in threads {
            thread.join().expect("it ends");
        }
    });
}

/// A wild pointer's look-up: nothing but the word itself orders it after the slot's making.
#[test]
fn a_guessed_pointer_into_a_slot_finds_its_states() {
    model(|| {
        enter(0);
        let [a, _] = REGIONS;
        enter(a);
        let states = Arc::new(UnsafeCell::new(1_u8));
        let cleared = states.clone();
        let other = thread::spawn(move || {
            // SAFETY: loom fails the model if somebody may be here already.
            cleared.with_mut(|s| unsafe { *s = 0 });
            region::set_word(a, region::slot_word(a, 1 << 40));
        });
        if region::is_slot(region::word(a + 16)) {
            // SAFETY: as above.
            states.with(|s| assert_eq!(unsafe { *s }, 0, "a state from before"));
        }
        other.join().expect("it ends");
    });
}

#[test]
fn fork_has_every_lock_and_gives_them_back() {
    model(|| {
        let other = thread::spawn(|| {
            arenas::main().lock();
        });
        fork::before();
        assert!(settings::LOCK.is_mine() && arenas::main().lock.is_mine());
        fork::in_parent();
        assert!(!settings::LOCK.is_mine() && !arenas::main().lock.is_mine());
        arenas::main().lock();
        other.join().expect("it ends");
    });
}

#[test]
fn a_fork_within_a_fork_gives_back_what_it_took() {
    model(|| {
        let other = thread::spawn(|| {
            arenas::main().lock();
        });
        // A handler that interrupted the arena's holder forks, and is interrupted by a fork.
        let held = arenas::main().lock.acquire();
        fork::before();
        fork::before();
        assert!(arenas::LOCK.is_mine());
        fork::in_parent();
        assert!(
            arenas::LOCK.is_mine(),
            "the inner fork gave back the outer one's"
        );
        fork::in_parent();
        assert!(!arenas::LOCK.is_mine());
        assert!(
            arenas::main().lock.is_mine(),
            "it was not the fork's to give back"
        );
        drop(held);
        other.join().expect("it ends");
    });
}

/// What the background thread sleeps for: written under a lock, or without one.
struct Errand {
    bell: Bell,
    lock: Lock,
    under_lock: AtomicUsize,
    without: AtomicUsize,
}

/// Sleeps until there is something; loom fails the model if it sleeps for ever.
fn one_sleeps_until(
    bring: fn(&Errand),
    is_there: fn(&Errand) -> bool,
) -> impl Fn() + Sync + Send + 'static {
    move || {
        let errand = Arc::new(Errand {
            bell: Bell::new(),
            lock: Lock::new(),
            under_lock: AtomicUsize::new(0),
            without: AtomicUsize::new(0),
        });
        let other = errand.clone();
        let other = thread::spawn(move || bring(&other));
        errand.bell.lie_down();
        if !is_there(&errand) {
            errand.bell.wait();
        }
        errand.bell.get_up();
        assert!(is_there(&errand), "woken for nothing");
        other.join().expect("it ends");
    }
}

#[test]
fn who_settles_an_arena_wakes_the_sleeper_that_did_not_see_it() {
    let bring = |errand: &Errand| {
        let held = errand.lock.acquire();
        errand.under_lock.store(1, Relaxed);
        let rings = errand.bell.is_heard_asleep();
        drop(held);
        if rings {
            errand.bell.ring();
        }
    };
    let is_there = |errand: &Errand| {
        let _held = errand.lock.acquire();
        errand.under_lock.load(Relaxed) != 0
    };
    model(one_sleeps_until(bring, is_there));
}

#[test]
fn the_last_thread_wakes_the_sleeper_that_did_not_see_it_go() {
    let bring = |errand: &Errand| {
        errand.without.store(1, Relaxed);
        errand.bell.ring_after_store();
    };
    model(one_sleeps_until(bring, |errand| {
        errand.without.load(Relaxed) != 0
    }));
}
