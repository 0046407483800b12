//! The heap on a system that refuses.
//!
//! Each scenario runs again and again, every time in a new heap, with the first system call
//! refused, then the second, and so on until none was; once with that call alone refused, once
//! with all that come after it. Whatever is refused, an allocation gives memory or null, what was
//! given out stays as it is, `check_heap` holds, and when the system gives again so does the heap.
//!
//! A new heap is a new process: the test starts itself anew, alone and single-threaded, once with
//! runs and once without, and forks for every number.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod ahead;
mod drift;
mod grown;
mod limit;
mod named;
mod races;
mod scene;
mod shrunk;
mod threads;

use crate::arena::seen::Role;
use crate::os::scripted;
use crate::{c, check_heap, os, walk};
use scene::Scene;
use std::process::Command;
use std::vec::Vec;
use std::{env, format, println, string::String, thread};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Far more calls than any scenario makes.
const MOST: u64 = 2_000;

/// How many calls are let through before one is refused: every number in the long form and in CI's,
/// otherwise each of the first ones and one in ten of the others.
fn numbers() -> impl Iterator<Item = u64> {
    const ALL: u64 = 4;
    let long = env::var_os("CAIRN_TEST_LONG").is_some_and(|form| form == "1" || form == "ci");
    (0..ALL).chain((ALL..MOST).step_by(if long { 1 } else { 10 }))
}

fn trim() {
    // SAFETY: no precondition.
    unsafe { c::malloc_trim(0) };
}

fn small(s: &mut Scene) {
    for i in 0..3_000 {
        s.malloc(i % 129);
    }
    s.free_every(2);
    for i in 0..2_000 {
        s.malloc(i * 7 % 129);
    }
}

fn medium(s: &mut Scene) {
    for i in 0..150 {
        s.malloc(200 + i * 97 % (20 * KIB));
    }
    s.free_every(3);
    for i in 0..100 {
        s.malloc(200 + i * 911 % (30 * KIB));
    }
}

fn large(s: &mut Scene) {
    for i in 0..30 {
        s.malloc(33 * KIB + i * 3 * KIB);
    }
    s.free_every(2);
    for i in 0..20 {
        s.malloc(40 * KIB + i * 4 * KIB);
    }
}

fn mapped(s: &mut Scene) {
    for i in 0..12 {
        s.malloc(150 * KIB + i * 20 * KIB);
        s.malloc(140 * KIB);
        if i % 3 == 2 {
            // The next one may get what the kernel did not take back.
            s.free(s.live.len().saturating_sub(2));
        }
    }
}

fn many_mapped(s: &mut Scene) {
    // SAFETY: no precondition.
    unsafe { c::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) };
    for i in 0..40 {
        s.malloc(70 * KIB + i);
    }
    s.free_every(4);
}

fn growing(s: &mut Scene) {
    s.malloc(100);
    let mut n = 100;
    while n < MIB {
        n += n / 2;
        s.resize(n);
        s.malloc(1_000);
        s.live.rotate_right(1);
    }
    while n > 100 {
        n /= 3;
        s.resize(n);
    }
}

/// Mappings that grow and shrink as such, by `mremap`.
fn remapped(s: &mut Scene) {
    for i in 0..4 {
        s.malloc(200 * KIB + i * 50 * KIB);
    }
    for i in 0..12 {
        s.resize(170 * KIB + i * 310 * KIB % (900 * KIB));
        let one = s.live.len().min(1);
        s.live.rotate_right(one);
    }
}

fn zeroed(s: &mut Scene) {
    for n in [100, 3_000, 40 * KIB, 100 * KIB, 300 * KIB] {
        for _ in 0..4 {
            s.malloc(n);
        }
        s.free_every(1);
        trim();
        for _ in 0..5 {
            s.calloc(n);
        }
        s.free_every(1);
    }
}

fn aligned(s: &mut Scene) {
    for n in [1, 100, 5_000, 60 * KIB, 200 * KIB] {
        for align in [32, 4 * KIB, 64 * KIB, MIB] {
            s.memalign(align, n);
            s.malloc(n);
        }
    }
    s.free_every(2);
}

fn trimming(s: &mut Scene) {
    for i in 0..900 {
        s.malloc(i % 200);
    }
    for i in 0..20 {
        s.malloc(30 * KIB + i * KIB);
    }
    s.free_every(2);
    trim();
    s.free_every(1);
    trim();
}

/// Whether one call is refused, or all from one on.
#[derive(Clone, Copy, Debug)]
enum Style {
    Once,
    Onward,
}

fn order(style: Style, n: u64) {
    match style {
        Style::Once => scripted::refuse_after(n),
        Style::Onward => scripted::refuse_from(n),
    }
}

/// One scenario with the call after `n` others refused; whether any was.
fn play(scenario: fn(&mut Scene), init: bool, style: Style, n: u64) -> bool {
    if init {
        c::init();
    }
    let mut scene = Scene {
        live: Vec::new(),
        strict: false,
    };
    os::set_errno(0);
    order(style, n);
    scenario(&mut scene);
    let refused = scripted::refused();
    scripted::refuse_all(false);
    scene.check();
    // The system gives again.
    scene.strict = true;
    scenario(&mut scene);
    scene.check();
    scene.free_every(1);
    let mut in_use = 0;
    let report = walk(&mut |view| in_use += usize::from(view.role == Role::InUse));
    assert_eq!(report.map(|r| r.objects), Ok(0), "objects that nobody owns");
    assert_eq!(in_use, 0, "chunks that nobody owns");
    trim();
    assert_eq!(check_heap().err(), None);
    refused != 0
}

/// Runs `body` in a forked process; what it returned. (This process runs one test; its other thread only
/// waits for it.)
#[track_caller]
fn forked(what: &str, body: impl FnOnce() -> bool) -> bool {
    let ended = scripted::in_child(body);
    ended.unwrap_or_else(|status| panic!("{what}: status {status:#x}"))
}

/// As [`play`], in this process's only thread and on the break, or in another thread, which has
/// another arena where there is more than one CPU: there in a reservation.
fn play_in(scenario: fn(&mut Scene), init: bool, style: Style, n: u64, other: bool) -> bool {
    if !other {
        scripted::lend_break();
        return play(scenario, init, style, n);
    }
    // SAFETY: no precondition; from now on the main arena has a thread.
    unsafe { c::free(c::malloc(1)) };
    let thread = thread::spawn(move || play(scenario, true, style, n));
    thread.join().expect("the thread ends well")
}

/// One number of calls after the other until none is refused; how many there were.
fn every_call(scenario: fn(&mut Scene), init: bool, style: Style, other: bool) -> u64 {
    let refused = |n| {
        let what = format!("{style:?} after {n} calls, other thread: {other}");
        forked(&what, || play_in(scenario, init, style, n, other))
    };
    let all = numbers().find(|&n| !refused(n));
    all.expect("the scenario's calls come to an end")
}

fn survives(init: bool, least: u64, scenario: fn(&mut Scene)) {
    for style in [Style::Once, Style::Onward] {
        for other in [false, true] {
            let calls = every_call(scenario, init, style, other);
            println!("{calls} calls, {style:?}, other thread: {other}");
            assert!(calls >= least, "only {calls} calls could be refused");
        }
    }
}

type Mode = Option<(&'static str, &'static str)>;

/// Runs `body` in a process of its own for each mode.
#[track_caller]
fn in_modes(modes: &[Mode], test: &str, body: impl FnOnce()) {
    let name = format!("routes::tests::{test}");
    if env::var_os("REFUSED_CHILD").is_some() {
        return body();
    }
    for mode in modes {
        let mut command = Command::new(env::current_exe().expect("this test has a path"));
        command
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .env("REFUSED_CHILD", "1")
            .env_remove("CAIRN_RUN_MAX")
            .env_remove("MALLOC_CHECK_")
            .envs(*mode);
        let output = command.output().expect("this test starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        println!("{mode:?}: {text}");
        assert!(output.status.success(), "{mode:?}: {text}");
        assert!(text.contains("1 passed"), "no test has this name: {text}");
    }
}

macro_rules! scenarios {
    ($modes:expr; $($test:ident: $scenario:expr, init $init:expr, least $least:expr;)*) => {
        $(#[test]
        fn $test() {
            in_modes($modes, stringify!($test), || survives($init, $least, $scenario));
        })*
    };
}

scenarios! {
    &[Some(("MALLOC_CHECK_", "3"))];
    in_check_mode_large_requests_survive_every_refusal: large, init true, least 2;
    in_check_mode_mapped_chunks_survive_every_refusal: mapped, init true, least 40;
    in_check_mode_growing_objects_survive_every_refusal: growing, init true, least 5;
    in_check_mode_mappings_that_are_resized_survive_every_refusal: remapped, init true, least 20;
    in_check_mode_zeroed_memory_is_zero_whatever_is_refused: zeroed, init true, least 20;
    in_check_mode_aligned_requests_survive_every_refusal: aligned, init true, least 5;
    in_check_mode_trimming_survives_every_refusal: trimming, init true, least 5;
}

scenarios! {
    &[None, Some(("CAIRN_RUN_MAX", "0"))];
    the_start_survives_every_refusal: |s| { s.malloc(50); s.malloc(5_000); }, init false, least 1;
    small_requests_survive_every_refusal: small, init true, least 1;
    medium_requests_survive_every_refusal: medium, init true, least 2;
    large_requests_survive_every_refusal: large, init true, least 2;
    mapped_chunks_survive_every_refusal: mapped, init true, least 20;
    the_registry_of_mapped_chunks_survives_every_refusal: many_mapped, init true, least 30;
    growing_objects_survive_every_refusal: growing, init true, least 5;
    mappings_that_are_resized_survive_every_refusal: remapped, init true, least 12;
    zeroed_memory_is_zero_whatever_is_refused: zeroed, init true, least 5;
    aligned_requests_survive_every_refusal: aligned, init true, least 5;
    trimming_survives_every_refusal: trimming, init true, least 5;
}
