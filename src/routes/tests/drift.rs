//! Refusals again and again: nothing is lost by one, or each round would lose as much again.

use super::{Scene, Style, aligned, forked, growing, in_modes, many_mapped, mapped, medium};
use super::{numbers, order, trim};
use crate::c;
use crate::os::scripted;
use std::vec::Vec;
use std::{format, println, thread};

/// Rounds of a scenario; in the second half of them hardly any new mapping is needed.
const ROUNDS: usize = 8;

/// Rounds of a scenario with the call after `n` others refused in each: whether any was, and
/// whether more and more is mapped. Once late it may be more, by a heap that is then there.
fn drifts(scenario: fn(&mut Scene), style: Style, n: u64) -> (bool, bool) {
    // Large objects stay mapped ones, however often they are freed.
    // SAFETY: no precondition.
    unsafe { c::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    let (mut mapped, mut refused) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut scene = Scene {
            live: Vec::new(),
            strict: false,
        };
        order(style, n);
        scenario(&mut scene);
        refused += scripted::refused();
        scripted::refuse_all(false);
        scene.free_every(1);
        trim();
        mapped.push(scripted::mapped());
    }
    let (early, late) = mapped.split_at(ROUNDS / 2);
    let (mut most, mut rises) = (early.iter().max(), 0);
    for now in late {
        rises += usize::from(Some(now) > most);
        most = most.max(Some(now));
    }
    if rises > 1 {
        println!("{mapped:?}");
    }
    (refused != 0, rises > 1)
}

/// One number of calls after the other until none is refused any more.
fn leaks_nothing(scenario: fn(&mut Scene)) {
    for style in [Style::Once, Style::Onward] {
        for other in [false, true] {
            let refused = |n| {
                let what = format!("{style:?} after {n} calls, other thread: {other}");
                let body = move || {
                    let (refused, more) = drifts(scenario, style, n);
                    assert!(!more, "more is mapped with every refusal");
                    refused
                };
                forked(&what, || {
                    c::init();
                    if other {
                        // SAFETY: no precondition; from now on the main arena has a thread.
                        unsafe { c::free(c::malloc(1)) };
                        let thread = thread::spawn(body);
                        thread.join().expect("the thread ends well")
                    } else {
                        scripted::lend_break();
                        body()
                    }
                })
            };
            let all = numbers().find(|&n| !refused(n));
            println!("{all:?} calls");
            assert!(all.is_some(), "the calls come to an end");
        }
    }
}

#[test]
fn what_is_refused_is_not_lost() {
    let all: &[fn(&mut Scene)] = &[medium, mapped, many_mapped, growing, aligned];
    let name = "drift::what_is_refused_is_not_lost";
    in_modes(&[None, Some(("CAIRN_RUN_MAX", "0"))], name, || {
        all.iter().for_each(|scenario| leaks_nothing(*scenario));
    });
}

#[test]
fn in_check_mode_what_is_refused_is_not_lost() {
    let name = "drift::in_check_mode_what_is_refused_is_not_lost";
    in_modes(&[Some(("MALLOC_CHECK_", "3"))], name, || {
        leaks_nothing(mapped);
        leaks_nothing(growing);
    });
}
