//! Environments: whatever `GLIBC_TUNABLES`, `MALLOC_*` and `CAIRN_*` say, the process starts, and
//! every promise is kept.

use crate::count;
use crate::fresh::{Fresh, survive};
use crate::operations::STEPS;
use crate::scene::{Scene, tell};
use crate::source::Source;
use crate::system::Machine;
use std::ffi::CString;

/// Names that mean something, and some that nearly do.
const TUNABLES: [&str; 16] = [
    "check",
    "top_pad",
    "perturb",
    "mmap_max",
    "mmap_threshold",
    "trim_threshold",
    "arena_max",
    "arena_test",
    "tcache_max",
    "tcache_count",
    "tcache_unsorted_limit",
    "mxfast",
    "hugetlb",
    "tcache",
    "",
    "Check",
];
const MALLOC: [&str; 10] = [
    "CHECK_",
    "TOP_PAD_",
    "PERTURB_",
    "MMAP_MAX_",
    "MMAP_THRESHOLD_",
    "TRIM_THRESHOLD_",
    "ARENA_MAX",
    "ARENA_TEST",
    "ARENA_MAX_",
    "",
];
/// All but `BACKGROUND`: its thread would be a real one in a system that one thread plays.
const CAIRN: [&str; 13] = [
    "RUN_MAX",
    "VERBOSE",
    "FREE_FILL",
    "QUARANTINE_BYTES",
    "QUARANTINE_COUNT",
    "PURGE_DELAY",
    "HUGE_FROM",
    "LIMIT",
    "PROFILE",
    "PROFILE_INTERVAL",
    "PROFILE_STACKS",
    "run_max",
    "",
];
const VALUES: [&str; 34] = [
    "0",
    "1",
    "2",
    "3",
    "8",
    "16",
    "17",
    "32",
    "64",
    "100",
    "128",
    "129",
    "160",
    "255",
    "1024",
    "4096",
    "32768",
    "40000",
    "65536",
    "131072",
    "1048576",
    "33554432",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "-4096",
    "0x40",
    "010",
    " 7",
    "+9",
    "0x",
    "9223372036854775807",
    "99999999999999999999",
];

fn value(s: &mut Source, into: &mut Vec<u8>) {
    if s.below(4) == 0 {
        raw(s, into);
    } else {
        into.extend_from_slice(s.of(&VALUES).as_bytes());
    }
}

fn raw(s: &mut Source, into: &mut Vec<u8>) {
    for _ in 0..s.below(12) {
        into.push(s.byte());
    }
}

/// One variable.
fn variable(s: &mut Source) -> Vec<u8> {
    let mut text = Vec::new();
    match s.below(8) {
        0..3 => {
            text.extend_from_slice(b"GLIBC_TUNABLES=");
            for _ in 0..1 + s.below(4) {
                match s.below(8) {
                    0 => raw(s, &mut text),
                    1 => text.extend_from_slice(b"glibc.cpu.x86_rep=4"),
                    _ => {
                        text.extend_from_slice(b"glibc.malloc.");
                        text.extend_from_slice(s.of(&TUNABLES).as_bytes());
                        text.push(b'=');
                        value(s, &mut text);
                    }
                }
                text.push(b':');
            }
        }
        3..5 => {
            text.extend_from_slice(b"MALLOC_");
            text.extend_from_slice(s.of(&MALLOC).as_bytes());
            text.push(b'=');
            value(s, &mut text);
        }
        5..7 => {
            text.extend_from_slice(b"CAIRN_");
            text.extend_from_slice(s.of(&CAIRN).as_bytes());
            text.push(b'=');
            value(s, &mut text);
        }
        _ => raw(s, &mut text),
    }
    text.retain(|b| *b != 0);
    text
}

/// What the machine is like; most of the time as in the other targets.
fn machine(s: &mut Source) -> Machine {
    if s.below(4) != 0 {
        return Machine::PLAIN;
    }
    let mut quota = Vec::new();
    match s.below(4) {
        0 => raw(s, &mut quota),
        1 => quota.extend_from_slice(b"max 100000\n"),
        _ => {
            value(s, &mut quota);
            quota.push(b' ');
            value(s, &mut quota);
            quota.push(b'\n');
        }
    }
    Machine {
        cpus: s.below(20) as u32,
        quota: (s.below(4) != 0).then_some(quota),
        random: s.below(4) != 0,
    }
}

fn run(scene: &mut Scene) {
    let steps = scene.more_than(STEPS);
    while scene.steps < steps {
        scene.step();
    }
    scene.end();
    crate::system::inside(cairn::c::at_exit);
}

/// The target.
///
/// # Panics
/// When Cairn breaks a promise, or ends the process.
pub fn environment(data: &[u8]) {
    let mut source = Source::new(data);
    let mut variables = Vec::new();
    for _ in 0..1 + source.below(5) {
        variables.extend(CString::new(variable(&mut source)));
    }
    let machine = machine(&mut source);
    tell!("environment {variables:?}, {machine:?}");
    let heap = Fresh::on(machine, variables.clone(), source.below(16) == 0);
    let calm = source.below(4) != 0;
    let mut scene = Scene::new(source);
    scene.calm = calm;
    let died = survive(run, &mut scene);
    drop(heap);
    count(scene.steps);
    if let Some(said) = died {
        panic!("{variables:?} ended at step {}: {said}", scene.steps);
    }
}
