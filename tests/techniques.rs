//! The published techniques of heap exploitation, one program of our own for each, adapted to
//! Cairn's words: in every one the outcome is written down first.
//!
//! The attacker knows the layout but not the secret. *Stopped* is SIGABRT with exactly that line;
//! *harmless* is a program that goes on, whose ledger finds no live memory given twice, nothing
//! outside the heap given, and no byte written that is not the attacker's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{assert_aborts, assert_silent_success, compile_c, run};
use std::collections::BTreeSet;
use std::fs;

/// What a program must come to.
#[derive(Clone, Copy)]
enum Outcome {
    /// SIGABRT after this line and an address.
    Stopped(&'static str),
    /// It runs to its end, and its ledger agrees.
    Harmless,
}
use Outcome::{Harmless, Stopped};

const DOUBLE_FREE: Outcome = Stopped("free(): double free detected in tcache 2");
const POINTER: Outcome = Stopped("free(): invalid pointer");
const FOREIGN: Outcome = Stopped(concat!(
    "free(): invalid pointer\n",
    "cairn: no heap, run or mapped chunk of this allocator holds that address; ",
    "if the program did get it from a malloc, it was another allocator's\n"
));
const SIZE: Outcome = Stopped("free(): invalid size");
const NEXT_SIZE: Outcome = Stopped("free(): invalid next size (normal)");
const LINKS: Outcome = Stopped("corrupted double-linked list");
const FREE_SIZE: Outcome = Stopped("malloc(): invalid size (unsorted)");
const FOOT: Outcome = Stopped("corrupted size vs. prev_size");
const FRONT: Outcome = Stopped("corrupted size vs. prev_size while consolidating");
const FLAG: Outcome = Stopped("malloc(): invalid next->prev_inuse (unsorted)");
const CACHED: Outcome = Stopped("malloc(): unaligned tcache chunk detected");
const TOP: Outcome = Stopped("malloc(): corrupted top size");
const MAPPED: Outcome = Stopped("munmap_chunk(): invalid pointer");

/// A technique as published, the program with its arguments, the outcome with runs and that with
/// `CAIRN_RUN_MAX=0`. The first argument is the size in bytes: 48 is an object of a run, and so is
/// 400 (a cached chunk where runs end at 128 bytes, which is how it is written down here),
/// 5,000 is a cached chunk, 50,000 and 100,000 are in no cache, 200,000 is mapped.
type Technique = (&'static str, &'static str, Outcome, Outcome);

#[rustfmt::skip]
const TECHNIQUES: &[Technique] = &[
    ("fastbin dup", "fastbin_dup 48", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup", "fastbin_dup 400", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup", "fastbin_dup 5000", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup", "fastbin_dup 50000", DOUBLE_FREE, DOUBLE_FREE),

    ("fastbin dup into stack", "fastbin_dup_into_stack 48", Harmless, Harmless),
    ("fastbin dup into stack", "fastbin_dup_into_stack 400", Harmless, Harmless),
    ("fastbin dup into stack", "fastbin_dup_into_stack 5000", Harmless, Harmless),
    ("fastbin dup into stack", "fastbin_dup_into_stack 50000", LINKS, LINKS),

    ("fastbin dup consolidate", "fastbin_dup_consolidate 48", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup consolidate", "fastbin_dup_consolidate 400", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup consolidate", "fastbin_dup_consolidate 5000", DOUBLE_FREE, DOUBLE_FREE),
    ("fastbin dup consolidate", "fastbin_dup_consolidate 50000", DOUBLE_FREE, DOUBLE_FREE),

    ("unsafe unlink", "unsafe_unlink 200 data", LINKS, LINKS),
    ("unsafe unlink", "unsafe_unlink 5000 data", LINKS, LINKS),
    ("unsafe unlink", "unsafe_unlink 50000 data", LINKS, LINKS),

    ("unsafe unlink", "unsafe_unlink 200 heap", LINKS, LINKS),
    ("unsafe unlink", "unsafe_unlink 5000 heap", LINKS, LINKS),
    ("unsafe unlink", "unsafe_unlink 50000 heap", LINKS, LINKS),

    ("house of spirit (fast)", "house_of_spirit 48 stack", FOREIGN, FOREIGN),
    ("house of spirit (fast)", "house_of_spirit 48 data", FOREIGN, FOREIGN),
    ("house of spirit (fast)", "house_of_spirit 48 heap", POINTER, POINTER),
    ("house of spirit (fast)", "house_of_spirit 48 copied", POINTER, POINTER),
    ("house of spirit (fast)", "house_of_spirit 48 turned", POINTER, POINTER),
    ("house of spirit (cache)", "house_of_spirit 400 stack", FOREIGN, FOREIGN),
    ("house of spirit (cache)", "house_of_spirit 400 data", FOREIGN, FOREIGN),
    ("house of spirit (cache)", "house_of_spirit 400 heap", POINTER, POINTER),
    ("house of spirit (cache)", "house_of_spirit 400 copied", POINTER, POINTER),
    ("house of spirit (cache)", "house_of_spirit 400 turned", POINTER, POINTER),
    ("house of spirit (cache)", "house_of_spirit 5000 heap", POINTER, POINTER),

    ("house of spirit (cache)", "house_of_spirit 248 left", DOUBLE_FREE, DOUBLE_FREE),
    ("house of spirit (cache)", "house_of_spirit 50000 left", DOUBLE_FREE, DOUBLE_FREE),

    ("poison null byte", "poison_null_byte 48 used", Harmless, SIZE),
    ("poison null byte", "poison_null_byte 48 free", Harmless, FREE_SIZE),
    ("poison null byte", "poison_null_byte 400 used", SIZE, SIZE),
    ("poison null byte", "poison_null_byte 400 free", FREE_SIZE, FREE_SIZE),
    ("poison null byte", "poison_null_byte 400 flag", FRONT, FRONT),
    ("poison null byte", "poison_null_byte 5000 used", SIZE, SIZE),
    ("poison null byte", "poison_null_byte 5000 free", FREE_SIZE, FREE_SIZE),
    ("poison null byte", "poison_null_byte 50000 used", SIZE, SIZE),
    ("poison null byte", "poison_null_byte 50000 free", FREE_SIZE, FREE_SIZE),
    ("poison null byte", "poison_null_byte 50000 flag", FRONT, FRONT),

    ("poison null byte", "poison_null_byte 400 stale", FRONT, FRONT),
    ("poison null byte", "poison_null_byte 50000 stale", FRONT, FRONT),

    // In a run, links are in no object's words.
    ("house of lore", "house_of_lore 48", Harmless, LINKS),
    ("house of lore", "house_of_lore 400", LINKS, LINKS),
    ("house of lore", "house_of_lore 5000", LINKS, LINKS),
    ("house of lore", "house_of_lore 50000", LINKS, LINKS),

    ("overlapping chunks 1", "overlapping_chunks 48 freed", Harmless, CACHED),
    ("overlapping chunks 1", "overlapping_chunks 400 freed", CACHED, CACHED),
    ("overlapping chunks 1", "overlapping_chunks 5000 freed", CACHED, CACHED),
    ("overlapping chunks 1", "overlapping_chunks 48 binned", Harmless, FREE_SIZE),
    ("overlapping chunks 1", "overlapping_chunks 400 binned", FREE_SIZE, FREE_SIZE),
    ("overlapping chunks 1", "overlapping_chunks 5000 binned", FREE_SIZE, FREE_SIZE),
    ("overlapping chunks 1", "overlapping_chunks 50000 binned", FREE_SIZE, FREE_SIZE),
    ("overlapping chunks 2", "overlapping_chunks 48 used", Harmless, SIZE),
    ("overlapping chunks 2", "overlapping_chunks 400 used", SIZE, SIZE),
    ("overlapping chunks 2", "overlapping_chunks 5000 used", SIZE, SIZE),
    ("overlapping chunks 2", "overlapping_chunks 50000 used", SIZE, SIZE),

    ("mmap overlapping chunks", "mmap_overlapping_chunks 200000 grown", MAPPED, MAPPED),
    ("mmap overlapping chunks", "mmap_overlapping_chunks 200000 tag", MAPPED, MAPPED),
    ("mmap overlapping chunks", "mmap_overlapping_chunks 200000 moved", MAPPED, MAPPED),
    ("mmap overlapping chunks", "mmap_overlapping_chunks 200000 foot", Harmless, Harmless),

    ("house of force", "house_of_force 5000", TOP, TOP),
    ("house of force", "house_of_force 50000", TOP, TOP),
    ("house of force", "house_of_force 100000", TOP, TOP),

    ("unsorted-bin attack", "unsorted_bin_attack 48 write", Harmless, LINKS),
    ("unsorted-bin attack", "unsorted_bin_attack 400 write", LINKS, LINKS),
    ("unsorted-bin attack", "unsorted_bin_attack 5000 write", LINKS, LINKS),
    ("unsorted-bin attack", "unsorted_bin_attack 50000 write", LINKS, LINKS),
    ("unsorted bin into stack", "unsorted_bin_attack 48 stack", Harmless, LINKS),
    ("unsorted bin into stack", "unsorted_bin_attack 400 stack", LINKS, LINKS),
    ("unsorted bin into stack", "unsorted_bin_attack 5000 stack", LINKS, LINKS),
    ("unsorted bin into stack", "unsorted_bin_attack 50000 stack", LINKS, LINKS),

    ("large-bin attack", "large_bin_attack 5000 forward", LINKS, LINKS),
    ("large-bin attack", "large_bin_attack 50000 forward", LINKS, LINKS),
    ("large-bin attack", "large_bin_attack 5000 backward", LINKS, LINKS),
    ("large-bin attack", "large_bin_attack 50000 backward", LINKS, LINKS),
    ("large-bin attack", "large_bin_attack 50000 sizes", LINKS, LINKS),

    ("house of einherjar", "house_of_einherjar 50000 inside", FRONT, FRONT),
    ("house of einherjar", "house_of_einherjar 50000 stack", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 50000 data", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 50000 nowhere", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 400 data", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 400 nowhere", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 400 hidden", FLAG, FLAG),
    ("house of einherjar", "house_of_einherjar 50000 hidden", FLAG, FLAG),
    ("house of einherjar", "house_of_einherjar 50000 small", FOOT, FOOT),

    ("house of einherjar", "house_of_einherjar 400 inside", FRONT, FRONT),
    ("house of einherjar", "house_of_einherjar 400 stack", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 400 small", FOOT, FOOT),
    ("house of einherjar", "house_of_einherjar 400 stale", FRONT, FRONT),
    ("house of einherjar", "house_of_einherjar 50000 stale", FRONT, FRONT),
    ("house of einherjar", "house_of_einherjar 100000 stale", FRONT, FRONT),

    ("house of orange", "house_of_orange 5000 grow", TOP, TOP),
    ("house of orange", "house_of_orange 50000 grow", TOP, TOP),
    ("house of orange", "house_of_orange 5000 free", TOP, TOP),
    ("house of orange", "house_of_orange 50000 free", TOP, TOP),

    ("cache poisoning", "tcache_poisoning 48 link", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 400 link", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 5000 link", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 48 all", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 400 all", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 5000 all", Harmless, Harmless),
    ("cache poisoning", "tcache_poisoning 48 key", DOUBLE_FREE, DOUBLE_FREE),
    ("cache poisoning", "tcache_poisoning 400 key", DOUBLE_FREE, DOUBLE_FREE),
    ("cache poisoning", "tcache_poisoning 5000 key", DOUBLE_FREE, DOUBLE_FREE),

    ("cache stashing unlink", "tcache_stashing_unlink 48", Harmless, LINKS),
    ("cache stashing unlink", "tcache_stashing_unlink 400", LINKS, LINKS),
    ("cache stashing unlink", "tcache_stashing_unlink 5000", LINKS, LINKS),
    ("cache stashing unlink", "tcache_stashing_unlink 50000", LINKS, LINKS),

    // Of the larger ones the trim gave the page back in which the header was.
    ("house of botcake", "house_of_botcake 48 merged", DOUBLE_FREE, DOUBLE_FREE),
    ("house of botcake", "house_of_botcake 400 merged", DOUBLE_FREE, DOUBLE_FREE),
    ("house of botcake", "house_of_botcake 5000 merged", POINTER, POINTER),
    ("house of botcake", "house_of_botcake 50000 merged", POINTER, POINTER),
    ("house of botcake", "house_of_botcake 48 again", DOUBLE_FREE, DOUBLE_FREE),
    ("house of botcake", "house_of_botcake 400 again", DOUBLE_FREE, DOUBLE_FREE),
    ("house of botcake", "house_of_botcake 5000 again", POINTER, POINTER),
    ("house of botcake", "house_of_botcake 50000 again", POINTER, POINTER),

    ("decrypt safe-linking", "decrypt_safe_linking 48", Harmless, Harmless),
    ("decrypt safe-linking", "decrypt_safe_linking 400", Harmless, Harmless),
    ("decrypt safe-linking", "decrypt_safe_linking 5000", Harmless, Harmless),

    ("metadata poisoning", "metadata_poisoning 48", Harmless, Harmless),
    ("metadata poisoning", "metadata_poisoning 400", Harmless, Harmless),
    ("metadata poisoning", "metadata_poisoning 5000", Harmless, Harmless),

    ("house of mind", "house_of_mind 48 arena", Harmless, SIZE),
    ("house of mind", "house_of_mind 48 mapped", Harmless, SIZE),
    ("house of mind", "house_of_mind 400 arena", SIZE, SIZE),
    ("house of mind", "house_of_mind 400 mapped", SIZE, SIZE),
    ("house of mind", "house_of_mind 5000 kinds", SIZE, SIZE),
    ("house of mind", "house_of_mind 50000 arena", SIZE, SIZE),
    ("house of mind", "house_of_mind 50000 mapped", SIZE, SIZE),

    ("house of water", "house_of_water 400 forged", LINKS, LINKS),
    ("house of water", "house_of_water 400 stale", LINKS, LINKS),
    ("house of water", "house_of_water 50000 forged", LINKS, LINKS),
    ("house of water", "house_of_water 50000 stale", LINKS, LINKS),
    ("house of water", "house_of_water 100000 stale", LINKS, LINKS),

    ("house of tangerine", "house_of_tangerine 5000", TOP, TOP),
    ("house of tangerine", "house_of_tangerine 50000", TOP, TOP),
    ("house of tangerine", "house_of_tangerine 100000", TOP, TOP),

    ("house of spirit (cache)", "house_of_spirit 248 left_turned", POINTER, POINTER),
    ("house of spirit (cache)", "house_of_spirit 50000 left_turned", POINTER, POINTER),
    ("house of spirit (fast)", "house_of_spirit 48 binned_turned", DOUBLE_FREE, SIZE),
    ("house of spirit (cache)", "house_of_spirit 248 binned_turned", SIZE, SIZE),
    ("house of spirit (cache)", "house_of_spirit 400 binned_turned", SIZE, SIZE),
    ("house of spirit (cache)", "house_of_spirit 5000 binned_turned", SIZE, SIZE),
    ("house of spirit (cache)", "house_of_spirit 50000 binned_turned", SIZE, SIZE),

    // The old header of a top that has moved.
    ("stale top", "stale_top 40000 freed", DOUBLE_FREE, DOUBLE_FREE),
    ("stale top", "stale_top 60000 freed", DOUBLE_FREE, DOUBLE_FREE),
    ("stale top", "stale_top 40000 turned", POINTER, POINTER),
    ("stale top", "stale_top 60000 turned", POINTER, POINTER),
    ("stale top", "stale_top 40000 foot", FRONT, FRONT),
    ("stale top", "stale_top 60000 foot", FRONT, FRONT),
    ("stale top", "stale_top 40000 replayed", DOUBLE_FREE, DOUBLE_FREE),
    ("stale top", "stale_top 60000 replayed", DOUBLE_FREE, DOUBLE_FREE),

    ("new top", "new_top 30000 size", TOP, TOP),
    ("new top", "new_top 30000 tag", TOP, TOP),
    ("new top", "new_top 30000 copied", TOP, TOP),
    ("new top", "new_top 30000 zero", TOP, TOP),
    ("new top", "new_top 30000 flag", FRONT, FRONT),
    ("new top", "new_top 40000 fence", NEXT_SIZE, NEXT_SIZE),
    ("new top", "new_top 50000 size", TOP, TOP),
    ("new top", "new_top 50000 tag", TOP, TOP),
    ("new top", "new_top 50000 copied", TOP, TOP),
    ("new top", "new_top 50000 zero", TOP, TOP),
    ("new top", "new_top 50000 flag", FRONT, FRONT),
    ("new top", "new_top 50000 fence", NEXT_SIZE, NEXT_SIZE),

    ("leaked links", "leak 48 again", Harmless, Harmless),
    ("leaked links", "leak 48 split", Harmless, Harmless),
    ("leaked links", "leak 48 merged", Harmless, Harmless),
    ("leaked links", "leak 48 extended", Harmless, Harmless),
    ("leaked links", "leak 48 top", Harmless, Harmless),
    ("leaked links", "leak 400 again", Harmless, Harmless),
    ("leaked links", "leak 400 split", Harmless, Harmless),
    ("leaked links", "leak 400 merged", Harmless, Harmless),
    ("leaked links", "leak 400 extended", Harmless, Harmless),
    ("leaked links", "leak 400 top", Harmless, Harmless),
    ("leaked links", "leak 5000 again", Harmless, Harmless),
    ("leaked links", "leak 5000 split", Harmless, Harmless),
    ("leaked links", "leak 5000 merged", Harmless, Harmless),
    ("leaked links", "leak 5000 extended", Harmless, Harmless),
    ("leaked links", "leak 5000 top", Harmless, Harmless),
    ("leaked links", "leak 40000 again", Harmless, Harmless),
    ("leaked links", "leak 40000 split", Harmless, Harmless),
    ("leaked links", "leak 40000 merged", Harmless, Harmless),
    ("leaked links", "leak 40000 extended", Harmless, Harmless),
    ("leaked links", "leak 40000 top", Harmless, Harmless),
];

/// Runs those of a program.
#[track_caller]
fn outcomes(program: &str) {
    let mut ran = false;
    for &(name, line, with_runs, without) in TECHNIQUES {
        let mut words = line.split(' ');
        if words.next() != Some(program) {
            continue;
        }
        let args: Vec<&str> = words.collect();
        // The break of the main arena, and the reservation of another.
        for flags in [&[][..], &["-DIN_A_THREAD"]] {
            let built = compile_c(&format!("techniques/{program}.c"), flags);
            let size: usize = args.first().and_then(|n| n.parse().ok()).unwrap_or(0);
            for (run_limit, env) in common::RUN_LIMITS {
                let outcome = match run_limit {
                    0 => without,
                    // Sizes between are written down as chunks, and need their headers.
                    512 if (129..=512).contains(&size) => continue,
                    _ => with_runs,
                };
                eprintln!("{name}: {line} {env:?} {flags:?}");
                let output = run(&built, &args, env);
                match outcome {
                    Stopped(message) => assert_aborts(&output, message),
                    Harmless => assert_silent_success(&output),
                }
            }
        }
        ran = true;
    }
    assert!(ran, "no technique of {program}");
}

/// A test for each program, so that a failure names it and they run side by side.
macro_rules! techniques {
    ($($program:ident)*) => {
        $(
            #[test]
            fn $program() {
                outcomes(stringify!($program));
            }
        )*
        const TESTED: &[&str] = &[$(stringify!($program)),*];
    };
}

techniques! {
    fastbin_dup fastbin_dup_into_stack fastbin_dup_consolidate unsafe_unlink house_of_spirit
    poison_null_byte house_of_lore overlapping_chunks mmap_overlapping_chunks house_of_force
    unsorted_bin_attack large_bin_attack house_of_einherjar house_of_orange tcache_poisoning
    tcache_stashing_unlink house_of_botcake decrypt_safe_linking metadata_poisoning house_of_mind
    house_of_water house_of_tangerine stale_top new_top leak
}

#[test]
fn every_program_has_its_test() {
    let dir = common::root().join("c-tests/techniques");
    let programs: BTreeSet<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".c").map(str::to_owned))
        .collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(programs, tested);
}
