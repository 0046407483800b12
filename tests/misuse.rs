//! Misuse is stopped: each kind, in several sizes and situations, in both heap
//! modes, with SIGABRT and the exact line on stderr.
//!
//! `docs/messages.md` explains each message to the one who meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{
    Env, assert_aborts_with_one_of, compile_c, compile_cxx, for_each_mode, is_addressed_report,
    is_report, run,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const DOUBLE_FREE: &str = "free(): double free detected in tcache 2";
const FREE_POINTER: &str = "free(): invalid pointer";
const FREE_SIZE: &str = "free(): invalid size";
const REALLOC_POINTER: &str = "realloc(): invalid pointer";
const REALLOC_SIZE: &str = "realloc(): invalid size";
const USABLE_POINTER: &str = "malloc_usable_size(): invalid pointer";
const MUNMAP_POINTER: &str = "munmap_chunk(): invalid pointer";
const WRONG_SIZE: &str = "free(): sized deallocation with a wrong size";
const PREV_SIZE: &str = "corrupted size vs. prev_size";
const PREV_SIZE_MERGING: &str = "corrupted size vs. prev_size while consolidating";
const LINKS: &str = "corrupted double-linked list";
const UNSORTED_SIZE: &str = "malloc(): invalid size (unsorted)";
const TOP_SIZE: &str = "malloc(): corrupted top size";
const FAST_TOP: &str = "double free or corruption (fasttop)";
const UNALIGNED_CACHED: &str = "malloc(): unaligned tcache chunk detected";

/// The second line where no memory of Cairn's holds the address.
macro_rules! foreign {
    ($message:literal) => {
        concat!(
            $message,
            "\ncairn: no heap, run or mapped chunk of this allocator holds that address; ",
            "if the program did get it from a malloc, it was another allocator's\n"
        )
    };
}
const FREE_FOREIGN: &str = foreign!("free(): invalid pointer");
const REALLOC_FOREIGN: &str = foreign!("realloc(): invalid pointer");

/// Every chunk has its own header.
const CLASSIC: Env<'static> = &[("CAIRN_RUN_MAX", "0")];

/// Bytes: runs, cached chunks, large chunks that are not cached.
const SIZES: [&str; 7] = ["8", "24", "100", "200", "1000", "5000", "100000"];
/// Bytes of sizes that are chunks with runs on, too.
const CHUNK_SIZES: [&str; 4] = ["200", "1000", "5000", "100000"];
/// Bytes of sizes that are runs unless they are switched off.
const RUN_SIZES: [&str; 3] = ["8", "24", "100"];

#[track_caller]
fn stops(program: &Path, args: &[&str], env: Env<'_>, messages: &[&str]) {
    let output = run(program, args, env);
    let line = format!("{} {}", program.display(), args.join(" "));
    let _named = Named(&line);
    assert_aborts_with_one_of(&output, messages);
}

/// Prints the command if the assertion after it fails.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ran: {}", self.0);
        }
    }
}

/// A C program of `c-tests/misuse` ends with `message` in both modes.
#[track_caller]
fn stopped(source: &str, args: &[&str], message: &str) {
    stopped_with_one_of(source, args, &[message]);
}

/// As [`stopped`], where the abort is promised and the message may be any of
/// several; each caller says why.
#[track_caller]
fn stopped_with_one_of(source: &str, args: &[&str], messages: &[&str]) {
    let program = compile_c(&format!("misuse/{source}"), &[]);
    for_each_mode(|mode| stops(&program, args, mode, messages));
}

/// As [`stopped`], with runs switched off.
#[track_caller]
fn stopped_without_runs(source: &str, args: &[&str], message: &str) {
    stops(
        &compile_c(&format!("misuse/{source}"), &[]),
        args,
        CLASSIC,
        &[message],
    );
}

#[test]
fn a_double_free_at_once_is_caught() {
    for size in SIZES {
        stopped("double_free.c", &[size, "0"], DOUBLE_FREE);
    }
}

#[test]
fn a_double_free_after_one_other_free_is_caught() {
    for size in SIZES {
        stopped("double_free.c", &[size, "1"], DOUBLE_FREE);
    }
}

#[test]
fn a_double_free_after_a_hundred_other_frees_is_caught() {
    for size in SIZES {
        stopped("double_free.c", &[size, "100"], DOUBLE_FREE);
    }
}

#[test]
fn a_double_free_after_a_hundred_thousand_other_frees_is_caught() {
    for size in SIZES {
        stopped("double_free.c", &[size, "100000"], DOUBLE_FREE);
    }
}

#[test]
fn a_double_free_is_caught_after_the_freed_bytes_were_overwritten() {
    for size in SIZES {
        for frees in ["0", "100"] {
            stopped("double_free.c", &[size, frees, "overwritten"], DOUBLE_FREE);
        }
    }
}

#[test]
fn a_double_free_from_another_thread_is_caught() {
    for size in SIZES {
        for frees in ["0", "100"] {
            stopped("double_free.c", &[size, frees, "second"], DOUBLE_FREE);
        }
    }
}

#[test]
fn a_double_free_of_what_a_finished_thread_freed_is_caught() {
    for size in SIZES {
        for frees in ["0", "100"] {
            stopped("double_free.c", &[size, frees, "first"], DOUBLE_FREE);
        }
    }
}

#[test]
fn a_free_of_what_realloc_moved_away_from_is_caught() {
    for size in SIZES {
        stopped("double_free.c", &[size, "0", "realloc"], DOUBLE_FREE);
    }
}

/// The mapping may be gone by then, or kept for reuse: which of the three it is
/// depends on what the system did with the addresses.
#[test]
fn a_double_free_of_a_mapped_chunk_is_caught() {
    for frees in ["0", "1", "100", "100000"] {
        for how in ["plain", "first", "second"] {
            stopped_with_one_of(
                "double_free.c",
                &["1048576", frees, how],
                &[DOUBLE_FREE, MUNMAP_POINTER, FREE_FOREIGN],
            );
        }
    }
}

/// Once a chunk was merged into another its header is payload of a free chunk:
/// the abort is promised, which of the messages is not.
#[test]
fn a_double_free_after_the_chunk_was_merged_is_caught() {
    for size in SIZES {
        stopped_with_one_of(
            "double_free_merged.c",
            &[size],
            &[DOUBLE_FREE, FREE_POINTER, FREE_SIZE],
        );
    }
}

/// The header of what an object grew over says that it is free. It once said "in use", and the
/// second free gave out the end of a live object.
#[test]
fn a_double_free_of_what_realloc_grew_over_is_caught() {
    for size in ["40000", "100000"] {
        stopped_with_one_of(
            "double_free_extended.c",
            &[size],
            &[DOUBLE_FREE, FREE_POINTER, FREE_SIZE],
        );
    }
}

/// The two may miss each other, and then it is met where the object is next
/// touched: handed back to its arena or taken from a cache.
#[test]
fn a_double_free_in_two_threads_at_once_is_caught() {
    for size in ["24", "200", "5000"] {
        for _ in 0..20 {
            stopped_with_one_of(
                "race.c",
                &[size],
                &[
                    DOUBLE_FREE,
                    FAST_TOP,
                    UNALIGNED_CACHED,
                    "malloc(): memory corruption (fast)",
                ],
            );
        }
    }
}

#[test]
fn realloc_of_a_freed_pointer_is_caught() {
    for call in ["realloc", "shrink", "reallocarray"] {
        for size in SIZES {
            stopped("stale.c", &[call, size], REALLOC_POINTER);
        }
    }
    for size in SIZES {
        stopped("stale.c", &["realloc0", size], DOUBLE_FREE);
    }
}

#[test]
fn the_usable_size_of_a_freed_pointer_is_refused() {
    for size in SIZES {
        stopped("stale.c", &["usable_size", size], USABLE_POINTER);
    }
}

/// Each call with its message for an address that is not Cairn's.
const CALLS_FOREIGN: [(&str, &str); 3] = [
    ("free", FREE_FOREIGN),
    ("realloc", REALLOC_FOREIGN),
    ("usable_size", USABLE_POINTER),
];

/// Each call with its message for a pointer into Cairn's memory that was never
/// given out.
const CALLS: [(&str, &str); 3] = [
    ("free", FREE_POINTER),
    ("realloc", REALLOC_POINTER),
    ("usable_size", USABLE_POINTER),
];

#[test]
fn a_pointer_to_the_stack_or_to_the_program_is_caught() {
    for (call, message) in CALLS_FOREIGN {
        for place in ["stack", "global", "page", "constant", "code"] {
            stopped("wild_pointer.c", &[call, place], message);
        }
    }
}

#[test]
fn a_pointer_into_a_mapping_of_the_programs_own_is_caught() {
    for (call, message) in CALLS_FOREIGN {
        for place in ["mapping", "inaccessible", "sbrk"] {
            stopped("wild_pointer.c", &[call, place], message);
        }
    }
}

#[test]
fn a_small_integer_is_caught() {
    for (call, message) in CALLS_FOREIGN {
        for number in ["1", "8", "16", "24", "32", "4096", "65536", "-16"] {
            stopped("wild_pointer.c", &[call, number], message);
        }
    }
}

#[test]
fn a_wild_address_is_caught() {
    for (call, message) in CALLS_FOREIGN {
        for address in [
            "0x4141414141414140",
            "0x4141414141414141",
            "0x8000000000000000",
            "0x0000800000000000",
            "0x00007fffffffe000",
            "0x00007ffffffffff0",
            "0xffff800000000010",
            "0xfffffffffffff000",
            "0xffffffffff600000",
        ] {
            stopped("wild_pointer.c", &[call, address], message);
        }
    }
}

#[test]
fn a_misaligned_pointer_is_caught() {
    for (call, message) in CALLS {
        for size in SIZES {
            for offset in ["+1", "+4", "+8", "+15"] {
                stopped("wild_pointer.c", &[call, offset, size], message);
            }
        }
    }
}

#[test]
fn a_pointer_beyond_the_heap_is_caught() {
    for (call, message) in CALLS_FOREIGN {
        stopped("wild_pointer.c", &[call, "break"], message);
    }
}

/// Inside the heap, what stands below a pointer that was never given out is
/// whatever it is; it does not read as a header, and says so in either way.
#[test]
fn a_pointer_into_top_is_caught() {
    stopped_with_one_of(
        "wild_pointer.c",
        &["free", "top"],
        &[FREE_POINTER, FREE_SIZE],
    );
    stopped_with_one_of(
        "wild_pointer.c",
        &["realloc", "top"],
        &[REALLOC_POINTER, REALLOC_SIZE],
    );
    stopped("wild_pointer.c", &["usable_size", "top"], USABLE_POINTER);
}

/// State pages once held what had been other tables of the allocator's: their
/// bytes read as objects in use.
#[test]
fn a_pointer_into_a_slot_that_nobody_was_given_is_caught() {
    let program = compile_c("misuse/never_given.c", &[]);
    for_each_mode(|mode| common::assert_silent_success(&run(&program, &[], mode)));
}

#[test]
fn an_interior_pointer_into_a_run_is_caught() {
    for (call, message) in CALLS {
        for (size, offset) in [("24", "+16"), ("32", "+16"), ("100", "+16"), ("100", "+96")] {
            let program = compile_c("misuse/wild_pointer.c", &[]);
            stops(&program, &[call, offset, size], &[], &[message]);
        }
    }
}

/// A chunk's interior is payload: it does not read as a header, and whether
/// that is a wrong pointer or an overwritten header nobody can know.
#[test]
fn an_interior_pointer_into_a_chunk_is_caught() {
    for (call, messages) in [
        ("free", &[FREE_POINTER, FREE_SIZE][..]),
        ("realloc", &[REALLOC_POINTER, REALLOC_SIZE]),
        ("usable_size", &[USABLE_POINTER]),
    ] {
        for (size, offset) in [
            ("200", "+16"),
            ("200", "+176"),
            ("1000", "+512"),
            ("5000", "+16"),
            ("5000", "+4096"),
            ("100000", "+16"),
            ("100000", "+65536"),
        ] {
            stopped_with_one_of("wild_pointer.c", &[call, offset, size], messages);
        }
    }
}

#[test]
fn an_interior_pointer_into_a_mapped_chunk_is_caught() {
    for how in ["interior", "near"] {
        stopped("mapped.c", &["free", how], MUNMAP_POINTER);
        stopped("mapped.c", &["realloc", how], REALLOC_POINTER);
        stopped("mapped.c", &["usable_size", how], USABLE_POINTER);
    }
}

#[test]
fn a_header_overwritten_by_a_neighbour_is_caught() {
    for bytes in ["1", "8", "16"] {
        // One byte changes the size, more of them the tag too.
        for size in CHUNK_SIZES {
            stopped("header.c", &["free", size, "over", bytes], FREE_SIZE);
            stopped("header.c", &["realloc", size, "over", bytes], REALLOC_SIZE);
            stopped(
                "header.c",
                &["usable_size", size, "over", bytes],
                USABLE_POINTER,
            );
        }
        for size in RUN_SIZES {
            stopped_without_runs("header.c", &["free", size, "over", bytes], FREE_SIZE);
            stopped_without_runs("header.c", &["realloc", size, "over", bytes], REALLOC_SIZE);
            stopped_without_runs(
                "header.c",
                &["usable_size", size, "over", bytes],
                USABLE_POINTER,
            );
        }
    }
}

/// With runs, nothing stands between two small objects and the free is fine.
#[test]
fn check_mode_gives_small_objects_headers() {
    let program = compile_c("misuse/header.c", &[]);
    for env in [
        [("MALLOC_CHECK_", "3")],
        [("GLIBC_TUNABLES", "glibc.malloc.check=3")],
    ] {
        for size in RUN_SIZES {
            stops(&program, &["free", size, "under", "8"], &env, &[FREE_SIZE]);
        }
    }
}

#[test]
fn a_header_overwritten_from_its_own_object_is_caught() {
    for bytes in ["1", "8", "16"] {
        for size in CHUNK_SIZES {
            stopped("header.c", &["free", size, "under", bytes], FREE_SIZE);
        }
        for size in RUN_SIZES {
            stopped_without_runs("header.c", &["free", size, "under", bytes], FREE_SIZE);
        }
    }
}

#[test]
fn an_overwritten_header_of_a_mapped_chunk_is_caught() {
    for how in ["under", "under1"] {
        stopped("mapped.c", &["free", how], MUNMAP_POINTER);
        stopped("mapped.c", &["realloc", how], MUNMAP_POINTER);
    }
}

#[test]
fn a_cached_chunk_that_is_no_longer_the_one_that_was_freed_is_not_handed_out() {
    for bytes in ["1", "8", "16"] {
        for size in ["200", "1000", "5000"] {
            stopped("cached.c", &[size, bytes], UNALIGNED_CACHED);
        }
        for size in RUN_SIZES {
            stopped_without_runs("cached.c", &[size, bytes], UNALIGNED_CACHED);
        }
    }
}

#[test]
fn overwritten_links_of_a_free_chunk_are_caught() {
    for what in ["links", "links_into_object", "first_link", "second_link"] {
        stopped("binned.c", &[what], LINKS);
    }
}

#[test]
fn an_overwritten_header_of_a_free_chunk_is_caught() {
    for what in ["size", "tag"] {
        stopped_with_one_of("binned.c", &[what], &[UNSORTED_SIZE, LINKS]);
    }
}

#[test]
fn an_overwritten_foot_of_a_free_chunk_is_caught() {
    stopped("binned.c", &["foot"], PREV_SIZE);
}

#[test]
fn merging_with_a_damaged_neighbour_is_caught() {
    for what in ["foot", "freed_header"] {
        stopped_with_one_of("merge.c", &[what], &[PREV_SIZE, PREV_SIZE_MERGING]);
    }
}

#[test]
fn a_first_chunk_of_a_bin_with_one_in_front_of_it_is_noticed() {
    for size in ["200", "400", "800"] {
        stopped(
            "first_of_bin.c",
            &[size],
            "malloc(): corrupted unsorted chunks",
        );
    }
}

#[test]
fn a_handler_that_enters_the_allocator_again_ends_the_process() {
    stopped(
        "handler.c",
        &[],
        "cairn: allocator entered again by a signal handler",
    );
}

/// Either the merge notices the header behind it or the free of that chunk does.
#[test]
fn freeing_in_front_of_an_overwritten_header_is_caught() {
    stopped_with_one_of(
        "merge.c",
        &["next_header"],
        &[FREE_SIZE, PREV_SIZE, "free(): invalid next size (normal)"],
    );
}

#[test]
fn an_overwritten_top_is_caught() {
    for bytes in ["1", "8", "16"] {
        stopped("top.c", &[bytes], TOP_SIZE);
    }
}

/// Where nothing is cached, an overwritten chunk would be passed over for its size for ever.
#[test]
fn an_overwritten_header_of_what_was_freed_under_perturb_is_not_lost() {
    for size in ["600", "1000", "5000", "40000"] {
        for what in ["zero", "text", "size", "tag"] {
            stopped_with_one_of(
                "perturbed.c",
                &[size, what],
                &[UNSORTED_SIZE, "corrupted double-linked list"],
            );
        }
    }
}

#[test]
fn a_sized_free_with_a_wrong_size_is_caught() {
    for (size, wrong) in [
        ("24", "100"),
        ("100", "24"),
        ("100", "200"),
        ("200", "100"),
        ("200", "1000"),
        ("1000", "200"),
        ("5000", "4000"),
        ("100000", "10"),
        ("10", "100000"),
        ("1048576", "100"),
        ("100", "1048576"),
        ("1048576", "2097152"),
    ] {
        stopped("sized.c", &[size, wrong], WRONG_SIZE);
    }
    for (size, wrong) in [("100", "1000"), ("4096", "100"), ("4096", "8192")] {
        stopped("sized.c", &[size, wrong, "64"], WRONG_SIZE);
    }
}

#[test]
fn cxx_operators_catch_what_free_catches() {
    let program = compile_cxx("misuse/delete.cc", &[]);
    for_each_mode(|mode| {
        stops(&program, &["twice"], mode, &[DOUBLE_FREE]);
        stops(&program, &["array_twice"], mode, &[DOUBLE_FREE]);
        // The size of a delete is a hint (`tests/cxx.rs`), the pointer is not.
        stops(&program, &["sized_twice"], mode, &[DOUBLE_FREE]);
        stops(&program, &["global"], mode, &[FREE_FOREIGN]);
        // Inside a chunk: see the interior pointers above.
        stops(&program, &["interior"], mode, &[FREE_POINTER, FREE_SIZE]);
    });
}

/// What the assertions above rest on.
#[test]
fn only_the_exact_line_passes_for_a_message() {
    assert!(is_report("free(): invalid size\n", FREE_SIZE));
    assert!(is_report("a\nb\n", "a\nb\n"));
    assert!(!is_report("a\n", "a\nb\n") && !is_report("a\nb\n", "a"));
    for other in [
        "",
        "free(): invalid size",
        "free(): invalid size: 0x55d0\n",
        "free(): invalid size\n\n",
        " free(): invalid size\n",
        "free(): invalid pointer\n",
        "free(): invalid size (unsorted)\n",
    ] {
        assert!(!is_report(other, FREE_SIZE), "{other:?}");
    }
    assert!(is_addressed_report(
        "free(): invalid size: 0x55d0\n",
        FREE_SIZE
    ));
    assert!(is_addressed_report("a: 0x10\nb\n", "a\nb\n"));
    assert!(!is_addressed_report("a: 0x10\n", "a\nb\n"));
    assert!(!is_addressed_report("a: 0x10\nb\n", "a"));
    for other in [
        "",
        "free(): invalid size\n",
        "free(): invalid size: 0x55d0",
        "free(): invalid size: 0x\n",
        "free(): invalid size: 55d0\n",
        "free(): invalid size: 0x55D0\n",
        "free(): invalid size: 0x55d0\n\n",
        " free(): invalid size: 0x55d0\n",
        "free(): invalid pointer: 0x55d0\n",
        "free(): invalid size (unsorted): 0x55d0\n",
        "free(): invalid size: 0x00000000000000000\n",
    ] {
        assert!(!is_addressed_report(other, FREE_SIZE), "{other:?}");
    }
}

/// An attacker whose request ends a child of a forking server reads where the heap lies, if the
/// line says so; glibc's does not.
#[test]
fn a_fatal_line_shows_its_address_only_where_that_was_asked_for() {
    let program = compile_c("misuse/wild_pointer.c", &[]);
    let args = &["free", "0x1230"];
    for_each_mode(|mode| {
        for quiet in ["0", "", "no"] {
            let quiet = [("CAIRN_ADDRESS", quiet)];
            let env = common::with(mode, &quiet);
            stops(&program, args, &env, &[FREE_FOREIGN]);
        }
        let output = run(&program, args, &common::with(mode, &[common::SHOW_ADDRESS]));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(is_addressed_report(&stderr, FREE_FOREIGN), "{stderr}");
        assert_eq!(common::reported_address(&stderr), Some(0x1230));
    });
}

/// As `docs/messages.md` says it.
#[test]
fn a_debugger_and_a_core_file_have_the_address() {
    let Some(gdb) = common::find("gdb") else {
        return;
    };
    let program = compile_c("misuse/wild_pointer.c", &[]);
    let core = common::scratch().join("address.core");
    let preload = format!("LD_PRELOAD={}", common::libcairn().display());
    let preload = format!("set exec-wrapper env '{preload}'");
    let save = format!("generate-core-file {}", core.display());
    let print = "print/x (long)cairn_fatal_address_0_1_0";
    let ask = |more: &[&str]| {
        let mut command = common::plain(&gdb);
        command
            .args(["-nx", "-batch"])
            .args(more)
            .arg("-ex")
            .arg(print);
        let output = common::watch(&mut command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains(" = 0x1230\n"),
            "{}",
            common::describe(&output)
        );
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (program, core) = (text(&program), text(&core));
    let live = ["-ex", &preload, "-ex", "run free 0x1230", "-ex", &save];
    ask(&[&live[..], &[&program]].concat());
    ask(&[&program, &core]);
    fs::remove_file(core).unwrap();
}

/// A test that waits for a lock for ever must fail, not stop CI.
#[test]
#[should_panic(expected = "not done after")]
fn a_program_that_hangs_is_ended_and_reported() {
    let mut command = common::plain("sleep");
    common::watch_for(command.arg("600"), Duration::from_millis(200));
}

/// `docs/messages.md` has each text that `src/` can end a process with, and no
/// other.
#[test]
fn every_message_is_documented() {
    let table = fs::read_to_string(common::root().join("docs/messages.md")).unwrap();
    let documented: BTreeSet<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    let mut written = BTreeSet::new();
    collect_messages(&common::root().join("src"), &mut written);
    assert!(written.len() > 10, "{written:?}");
    assert_eq!(documented, written);
}

/// Adds every string literal outside of tests that reads as a message.
fn collect_messages(at: &Path, messages: &mut BTreeSet<String>) {
    if at.is_dir() {
        for entry in fs::read_dir(at).unwrap() {
            collect_messages(&entry.unwrap().path(), messages);
        }
        return;
    }
    let text = fs::read_to_string(at).unwrap();
    let code = text
        .split(
            "
mod tests {",
        )
        .next()
        .unwrap_or_default();
    let literals = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    for literal in literals {
        let starts = [
            "free(): ",
            "malloc(): ",
            "realloc(): ",
            "munmap_chunk(): ",
            "malloc_usable_size(): ",
            "double free",
            "corrupted ",
            "memory clobbered ",
            "cairn: ",
            "cairn_heap: ",
            "cairn_heap_free(): ",
        ];
        let second_line = literal.starts_with("cairn: no heap, run");
        if !second_line && starts.iter().any(|start| literal.starts_with(start)) {
            messages.insert(literal.to_owned());
        }
    }
}

/// Bytes of objects of a heap of the program's own: small, of no class, and mapped.
const OWN_SIZES: [&str; 4] = ["24", "1000", "50000", "400000"];
const ANOTHER_HEAP: &str = "cairn_heap_free(): object of another heap";

#[test]
fn an_object_that_is_given_to_another_heap_is_refused() {
    for size in OWN_SIZES {
        stopped("heap.c", &["other", size], ANOTHER_HEAP);
        stopped("heap.c", &["resize", size], ANOTHER_HEAP);
        stopped("heap.c", &["plain", size], ANOTHER_HEAP);
    }
}

#[test]
fn a_double_free_in_a_heap_of_ones_own_is_caught() {
    for size in OWN_SIZES {
        let message = if size == "400000" {
            FREE_FOREIGN
        } else {
            DOUBLE_FREE
        };
        stopped("heap.c", &["twice", size], message);
        stopped("heap.c", &["freed-twice", size], message);
    }
}

#[test]
fn what_no_object_of_a_heap_of_ones_own_is_gets_refused() {
    for size in ["1000", "50000"] {
        stopped("heap.c", &["inside", size], FREE_POINTER);
    }
    stopped("heap.c", &["inside", "400000"], MUNMAP_POINTER);
}

#[test]
fn an_overflow_in_a_heap_of_ones_own_meets_the_tag() {
    for size in ["24", "1000", "50000"] {
        stopped("heap.c", &["overflow", size], FREE_SIZE);
    }
}

#[test]
fn a_heap_that_ended_and_what_was_in_it_are_refused() {
    for size in OWN_SIZES {
        stopped("heap.c", &["ended", size], FREE_FOREIGN);
        stopped(
            "heap.c",
            &["ended-heap", size],
            "cairn_heap: not a heap, or one that was destroyed",
        );
    }
}

/// What was written where nobody may is found when its heap ends, though nobody frees it.
#[test]
fn check_mode_looks_at_a_heap_that_ends() {
    let program = compile_c("misuse/heap.c", &[]);
    let checked = [("MALLOC_CHECK_", "3")];
    for size in ["24", "1000", "50000"] {
        let freed = "malloc(): memory corruption (freed memory was written)";
        stops(&program, &["late", size], &checked, &[freed]);
        let past = "memory clobbered past end of allocated block";
        stops(&program, &["past-end", size], &checked, &[past]);
        for what in ["other", "resize", "plain"] {
            stops(&program, &[what, size], &checked, &[ANOTHER_HEAP]);
        }
        stops(&program, &["twice", size], &checked, &[DOUBLE_FREE]);
    }
}
