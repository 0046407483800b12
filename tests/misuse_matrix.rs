//! Plain misuse as one matrix: every kind, in six sizes, with runs to 512 bytes, to 128 and without,
//! in the main arena and in a second thread's. What each cell must come to stands in the tables, written down first.
//!
//! Each cell is a process of its own, `c-tests/misuse/matrix.c`. It is stopped with SIGABRT and
//! exactly one line, whose address is the one named in the table; or it is harmless, and then the
//! program has gone on and found that no live memory was given twice, none outside the heap was
//! given, and no byte written that is not its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{Env, compile_c, describe, each_in_parallel, is_addressed_report, run};
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

/// Bytes: two of runs, or of small chunks without them; two that are cached chunks; a chunk that
/// no cache holds; a mapped chunk.
const SIZES: [usize; 6] = [24, 100, 400, 5000, 40_000, 300_000];

/// Without `CAIRN_TEST_LONG` one cell of so many is run: of each row five or six, which go through
/// the sizes, and from row to row through the run limits and threads. It has no divisor in common
/// with the six cells of a size.
const SAMPLE: usize = 7;

/// The words of the tables, and the messages they stand for.
const WORDS: [(&str, &str); 18] = [
    ("double", "free(): double free detected in tcache 2"),
    ("pointer", "free(): invalid pointer"),
    (
        "foreign",
        concat!(
            "free(): invalid pointer\n",
            "cairn: no heap, run or mapped chunk of this allocator holds that address; ",
            "if the program did get it from a malloc, it was another allocator's\n"
        ),
    ),
    ("size", "free(): invalid size"),
    ("wrong", "free(): sized deallocation with a wrong size"),
    ("next", "free(): invalid next size (normal)"),
    ("munmap", "munmap_chunk(): invalid pointer"),
    ("re-pointer", "realloc(): invalid pointer"),
    (
        "re-foreign",
        concat!(
            "realloc(): invalid pointer\n",
            "cairn: no heap, run or mapped chunk of this allocator holds that address; ",
            "if the program did get it from a malloc, it was another allocator's\n"
        ),
    ),
    ("re-size", "realloc(): invalid size"),
    ("usable", "malloc_usable_size(): invalid pointer"),
    ("cached", "malloc(): unaligned tcache chunk detected"),
    ("waiting", "malloc(): memory corruption (fast)"),
    ("links", "corrupted double-linked list"),
    ("free-size", "malloc(): invalid size (unsorted)"),
    ("foot", "corrupted size vs. prev_size"),
    ("front", "corrupted size vs. prev_size while consolidating"),
    ("top", "malloc(): corrupted top size"),
];

// A column for what a size is: an object of a run, a chunk that a cache holds, a larger chunk, a
// mapped one. A cell is a message's word and the object whose address it names, `in v` being any
// address inside v; `-`, harmless; or `x`, where the program itself would touch unmapped memory.
// After a semicolon stand the sizes of that column that come to something else.

/// A second free, or another call, of what is freed already. Mapped chunks are unmapped by then,
/// so that their address is nobody's.
const DOUBLE: &str = "
    double free             | double v     | double v     | double v     | foreign v
    double other            | double v     | double v     | double v     | foreign v
    double first            | double v     | double v     | double v     | foreign v
    double moved            | double v     | double v     | double v     | foreign v
    double late             | double v     | double v     | double v     | foreign v
    double overwritten      | double v     | double v     | double v     | x
    double late_overwritten | double v     | double v     | links v      | x
    double merged           | double b     | double b; 5000=pointer b | pointer b | foreign b
    double realloc          | re-pointer v | re-pointer v | re-pointer v | re-foreign v
    double shrink           | re-pointer v | re-pointer v | re-pointer v | re-foreign v
    double realloc0         | double v     | double v     | double v     | foreign v
    double usable           | usable v     | usable v     | usable v     | usable v
    double sized            | double v     | double v     | double v     | foreign v
    double aligned          | double v     | double v     | double v     | foreign v
    double delete           | double v     | double v     | double v     | foreign v
";

/// Pointers that were never given out.
const POINTER: &str = "
    pointer +16 free        | pointer p    | pointer p    | pointer p    | munmap p
    pointer +16 realloc     | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer +16 usable      | usable p     | usable p     | usable p     | usable p
    pointer +16 sized       | pointer p    | pointer p    | pointer p    | munmap p
    pointer middle free     | pointer p    | pointer p    | pointer p    | munmap p
    pointer middle realloc  | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer last free       | pointer p    | pointer p    | pointer p    | munmap p
    pointer last realloc    | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer zeroed free     | pointer p    | pointer p    | pointer p    | munmap p
    pointer zeroed realloc  | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer copied free     | pointer p    | pointer p    | pointer p    | munmap p
    pointer copied realloc  | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer copied delete   | pointer p    | pointer p    | pointer p    | munmap p
    pointer +1 free         | pointer p    | pointer p    | pointer p    | munmap p
    pointer +1 realloc      | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer +1 delete       | pointer p    | pointer p    | pointer p    | munmap p
    pointer +4 free         | pointer p    | pointer p    | pointer p    | munmap p
    pointer +8 free         | pointer p    | pointer p    | pointer p    | munmap p
    pointer +8 realloc      | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer +8 usable       | usable p     | usable p     | usable p     | usable p
    pointer +8 aligned      | pointer p    | pointer p    | pointer p    | munmap p
    pointer +15 free        | pointer p    | pointer p    | pointer p    | munmap p
    pointer -8 free         | pointer p    | pointer p    | pointer p    | munmap p
    pointer -8 realloc      | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer -16 free        | pointer p    | pointer p    | pointer p    | munmap p
    pointer -16 realloc     | re-pointer p | re-pointer p | re-pointer p | re-pointer p
    pointer stack free      | foreign p    | foreign p    | foreign p    | foreign p
    pointer stack realloc   | re-foreign p | re-foreign p | re-foreign p | re-foreign p
    pointer stack sized     | foreign p    | foreign p    | foreign p    | foreign p
    pointer global free     | foreign p    | foreign p    | foreign p    | foreign p
    pointer global realloc  | re-foreign p | re-foreign p | re-foreign p | re-foreign p
    pointer global usable   | usable p     | usable p     | usable p     | usable p
    pointer mapping free    | foreign p    | foreign p    | foreign p    | foreign p
    pointer mapping realloc | re-foreign p | re-foreign p | re-foreign p | re-foreign p
    pointer 1 free          | foreign p    | foreign p    | foreign p    | foreign p
    pointer 8 free          | foreign p    | foreign p    | foreign p    | foreign p
    pointer 16 free         | foreign p    | foreign p    | foreign p    | foreign p
    pointer 16 realloc      | re-foreign p | re-foreign p | re-foreign p | re-foreign p
    pointer 4096 free       | foreign p    | foreign p    | foreign p    | foreign p
    pointer 4096 sized      | foreign p    | foreign p    | foreign p    | foreign p
";

/// Writes past the end of v, and what the program does next. Between objects of a run there is
/// nothing of Cairn's; behind a mapped chunk are 8 bytes that nobody uses, and then a header.
///
/// Of 5,000 bytes no chunk waits: so few of them are allowed to that it was merged by then.
///
/// A header of which P alone is turned says nothing false of its own chunk; a freed one of size 0
/// is passed over. One that nobody looks at again does no harm.
const OVERFLOW: &str = "
    over 1 turned free_v        | - | -            | next v      | -
    over 1 turned free_b        | - | size b       | size b      | -
    over 1 turned usable_b      | - | usable b     | usable b    | -
    over 1 turned grow_v        | - | -            | next v      | -
    over 1 turned shrink_v      | - | next in v; 24=- | next in v | -
    over 1 turned grow_b        | - | re-size b    | re-size b   | -
    over 1 turned cached        | - | cached b     | free-size b | x
    over 1 turned given_back    | - | waiting b    | free-size b | x
    over 1 turned binned        | - | free-size b  | free-size b | x
    over 1 turned waiting       | - | waiting b | free-size b | x
    over 1 turned binned_free_v | - | free-size b  | next v      | x
    over 1 turned leave         | - | -            | -           | -
    over 1 zero free_v          | - | -            | next v      | -
    over 1 zero free_b          | - | size b       | size b      | -
    over 1 zero grow_b          | - | re-size b    | re-size b   | -
    over 1 zero cached          | - | cached b     | free-size b | x
    over 1 zero binned          | - | free-size b  | free-size b | x
    over 1 flag free_v          | - | -            | -           | -
    over 1 flag free_b          | - | -            | foot b      | -
    over 1 flag grow_v          | - | -            | -           | -
    over 1 flag grow_b          | - | -            | foot b      | -
    over 1 flag cached          | - | -            | -           | x
    over 1 flag binned          | - | -            | -           | x
    over 4 longer given_back    | - | waiting b    | free-size b | x
    over 8 turned free_v        | - | -            | next v      | -
    over 8 turned free_b        | - | size b       | size b      | -
    over 8 turned shrink_v      | - | next in v; 24=- | next in v | -
    over 8 turned grow_b        | - | re-size b    | re-size b   | -
    over 8 turned cached        | - | cached b     | free-size b | x
    over 8 turned binned        | - | free-size b  | free-size b | x
    over 8 turned waiting       | - | waiting b | free-size b | x
    over 8 turned binned_free_v | - | free-size b  | next v      | x
    over 8 turned leave         | - | -            | -           | -
    over 8 zero free_b          | - | size b       | size b      | -
    over 8 zero grow_b          | - | re-size b    | re-size b   | -
    over 8 zero cached          | - | cached b     | free-size b | x
    over 16 turned free_v       | - | -            | next v      | -
    over 16 turned free_b       | - | size b       | size b      | munmap b
    over 16 turned grow_b       | - | re-size b    | re-size b   | munmap b
    over 16 turned cached       | - | cached b     | free-size b | x
    over 16 turned binned       | - | free-size b  | free-size b | x
    over 16 turned leave        | - | -            | -           | -
    over many turned free_v     | - | -            | next v      | -
    over many turned free_b     | - | size b       | size b      | munmap b
    over many turned usable_b   | - | usable b     | usable b    | -
    over many turned grow_b     | - | re-size b    | re-size b   | munmap b
    over many turned cached     | - | cached b     | free-size b | x
    over many turned given_back | - | waiting b    | free-size b | x
    over many turned binned     | - | free-size b  | free-size b | x
    over many turned leave      | - | -            | -           | -
    over many ones free_b       | - | size b       | size b      | munmap b
    over many turned waiting    | - | waiting b | free-size b | x
    over many ones cached       | - | cached b     | free-size b | x
";

/// Writes below v, and what the program does next.
const UNDERFLOW: &str = "
    under 1 turned free_v      | - | size v      | size v      | munmap v
    under 1 turned free_a      | - | -           | next a      | -
    under 1 turned usable_v    | - | usable v    | usable v    | -
    under 1 turned grow_v      | - | re-size v   | re-size v   | munmap v
    under 1 turned shrink_v    | - | re-size v   | re-size v   | munmap v
    under 1 turned grow_a      | - | -           | next a      | -
    under 1 turned cached      | - | cached v    | free-size v | x
    under 1 turned binned      | - | free-size v | free-size v | x
    under 1 turned leave       | - | -           | -           | -
    under 8 turned free_v      | - | size v      | size v      | munmap v
    under 8 turned free_a      | - | -           | next a      | -
    under 8 turned grow_v      | - | re-size v   | re-size v   | munmap v
    under 8 turned cached      | - | cached v    | free-size v | x
    under 8 turned given_back  | - | waiting v   | free-size v | x
    under 8 turned waiting     | - | waiting v | free-size v | x
    under 8 turned binned      | - | free-size v | free-size v | x
    under 8 zero free_v        | - | size v      | size v      | munmap v
    under 8 zero cached        | - | cached v    | free-size v | x
    under 16 turned free_v     | - | size v      | size v      | munmap v
    under 16 turned free_a     | - | -           | next a      | -
    under 16 turned grow_v     | - | re-size v   | re-size v   | munmap v
    under 16 turned cached     | - | cached v    | free-size v | x
    under 16 turned binned     | - | free-size v | free-size v | x
    under many turned free_v   | - | size v      | size v      | munmap v
    under many turned free_a   | - | -           | next a      | -
    under many turned usable_v | - | usable v    | usable v    | -
    under many turned grow_v   | - | re-size v   | re-size v   | munmap v
    under many turned shrink_v | - | re-size v   | re-size v   | munmap v
    under many turned cached   | - | cached v    | free-size v | x
    under many turned binned   | - | free-size v | free-size v | x
    under many turned leave    | - | -           | -           | -
";

/// Reads and writes of what was freed. d was freed before v and is its neighbour in their bin; a
/// chunk above the caches' limit goes there at once. Beyond 1,024 bytes a bin is a tree, whose fields v has itself.
const AFTER_FREE: &str = "
    read cached           | - | -            | -            | x
    read binned           | - | -            | -            | x
    read again            | - | -            | -            | -
    read link free        | - | double p     | double p     | x
    read link realloc     | - | re-pointer p | re-pointer p | x
    write cached 8 turned   | - | -          | links v      | x
    write cached 8 address  | - | -          | links v      | x
    write cached 16 turned  | - | -          | links v      | x
    write cached 16 zero    | - | -          | links v      | x
    write cached all turned | - | -          | foot v       | x
    write cached all zero   | - | -          | foot v       | x
    write binned 8 turned   | - | links v    | links v      | x
    write binned 8 address  | - | links v    | links v      | x
    write binned 16 turned  | - | links d; 5000=links v | links v      | x
    write binned 16 zero    | - | links d; 5000=links v | links v      | x
    write binned 16 address | - | links d; 5000=links v | links v      | x
    write binned all turned | - | links d; 5000=links v | foot v       | x
    write binned all zero   | - | links d; 5000=links v | foot v       | x
";

/// Frees with a size. The ones that are not stopped belong to the same object of a run, the same
/// size of chunk, or the same pages.
const SIZE: &str = "
    size fits sized        | -       | -               | -       | -
    size fits aligned      | -       | -               | -       | -
    size fits delete       | -       | -               | -       | -
    size -1 sized          | -       | -               | -       | -
    size shrunk sized      | -       | -               | -       | -
    size shrunk delete     | -       | -               | -       | -
    size reused sized      | -       | -               | -       | -
    size grown sized       | -       | -               | -       | -
    size half sized        | wrong v | wrong v; 24=-   | wrong v | wrong v
    size half aligned      | wrong v | wrong v; 24=-   | wrong v | wrong v
    size half delete       | -       | -               | -       | -
    size twice sized       | wrong v | wrong v         | wrong v | wrong v
    size twice aligned     | wrong v | wrong v         | wrong v | wrong v
    size twice delete      | -       | -               | -       | -
    size +16 sized         | wrong v | wrong v; 5000=- | wrong v | -
    size +16 aligned       | wrong v | wrong v; 5000=- | wrong v | -
    size +16 delete        | -       | -               | -       | -
    size -16 sized         | wrong v | wrong v; 24=-; 5000=- | wrong v | -
    size -16 aligned       | wrong v | wrong v; 24=-; 5000=- | wrong v | -
    size -16 delete        | -       | -               | -       | -
    size +4096 sized       | wrong v | wrong v         | wrong v | wrong v
    size -4096 sized       | wrong v | wrong v         | wrong v | wrong v
    size -4096 delete      | -       | -               | -       | -
    size 0 sized           | wrong v | wrong v; 24=-   | wrong v | wrong v
    size 0 delete          | -       | -               | -       | -
    size 18446744073709551615 sized  | wrong v | wrong v | wrong v | wrong v
    size 18446744073709551615 delete | -       | -               | -       | -
";

/// What a cell must come to.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome<'a> {
    /// SIGABRT after this message, with the address of that name.
    Stopped(&'a str, &'a str),
    /// It goes on, and finds nothing wrong.
    Harmless,
    /// There is no such cell.
    Absent,
}

fn outcome(text: &str) -> Outcome<'_> {
    match text.trim() {
        "-" => Outcome::Harmless,
        "x" => Outcome::Absent,
        words => {
            let (word, at) = words.split_once(' ').expect("a word and an object");
            let found = WORDS.iter().find(|w| w.0 == word);
            let message = found
                .unwrap_or_else(|| panic!("no message is called {word}"))
                .1;
            Outcome::Stopped(message, at.trim())
        }
    }
}

/// What the cells of a row say for a size.
fn expected<'a>(columns: &[&'a str], size: usize, run_limit: usize) -> Outcome<'a> {
    let chunks = if run_limit == 0 { 0 } else { run_limit + 1 };
    let least = [0, chunks, 32_769, 128 << 10];
    let column = least.iter().rposition(|&n| size >= n).unwrap();
    let mut cells = columns[column].split(';');
    let usual = cells.next().expect("an empty cell");
    let own = cells.find_map(|c| c.trim().strip_prefix(&format!("{size}=")));
    outcome(own.unwrap_or(usual))
}

/// The address that the program printed under a name.
fn named(stdout: &str, name: &str) -> Option<usize> {
    let line = stdout
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(" 0x"));
    usize::from_str_radix(line?, 16).ok()
}

/// Why the program did not come to what it must.
fn differs(output: &Output, must: Outcome<'_>) -> Option<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let right = match must {
        Outcome::Absent => true,
        Outcome::Harmless => output.status.success() && stderr.is_empty(),
        Outcome::Stopped(message, at) => {
            let address = common::reported_address(&stderr);
            let place = match at.strip_prefix("in ") {
                Some(object) => named(&stdout, object).zip(named(&stdout, "b")),
                None => named(&stdout, at).map(|p| (p, p + 1)),
            };
            output.status.signal() == Some(libc::SIGABRT)
                && is_addressed_report(&stderr, message)
                && place
                    .zip(address)
                    .is_some_and(|((from, to), p)| (from..to).contains(&p))
        }
    };
    (!right).then(|| format!("must be {must:?}, was {}", describe(output)))
}

struct Cell<'a> {
    program: &'a Path,
    args: Vec<&'a str>,
    env: Env<'static>,
    must: Outcome<'a>,
}

/// Runs a table, all its cells, and says which differ.
#[track_caller]
fn holds(table: &'static str) {
    let main = compile_c("misuse/matrix.c", &[]);
    let second = compile_c("misuse/matrix.c", &["-DIN_A_THREAD"]);
    let sizes = SIZES.map(|s| s.to_string());
    let mut cells = Vec::new();
    let rows = table.lines().filter(|row| !row.trim().is_empty());
    for (row_number, row) in rows.enumerate() {
        // Counts the cells of the row.
        let mut turn = 0;
        let columns: Vec<&str> = row.split('|').collect();
        let [kind, columns @ ..] = columns.as_slice() else {
            panic!("{row}")
        };
        assert_eq!(columns.len(), 4, "{row}");
        for (size, name) in SIZES.iter().zip(&sizes) {
            for (run_limit, env) in common::RUN_LIMITS {
                let must = expected(columns, *size, run_limit);
                for program in [&main, &second] {
                    turn += 1;
                    if !common::is_long() && turn % SAMPLE != row_number % SAMPLE {
                        continue;
                    }
                    let mut args = vec![name.as_str()];
                    args.extend(kind.split_whitespace());
                    if must != Outcome::Absent {
                        cells.push(Cell {
                            program,
                            args,
                            env,
                            must,
                        });
                    }
                }
            }
        }
    }
    let least = if common::is_long() { 300 } else { 60 };
    assert!(cells.len() > least, "{} cells", cells.len());
    let differing = each_in_parallel(&cells, |cell| {
        let why = {
            let env = common::with(cell.env, &[common::SHOW_ADDRESS]);
            differs(&run(cell.program, &cell.args, &env), cell.must)?
        };
        let thread = if cell.program == second {
            ", second thread"
        } else {
            ""
        };
        Some(format!(
            "{} {:?}{thread}: {why}",
            cell.args.join(" "),
            cell.env
        ))
    });
    let mut report = String::new();
    for line in differing.iter().flatten() {
        writeln!(report, "{line}").expect("a string grows");
    }
    let count = differing.iter().flatten().count();
    assert!(
        count == 0,
        "{count} of {} cells differ:\n{report}",
        cells.len()
    );
}

#[test]
fn a_double_free_is_stopped() {
    holds(DOUBLE);
}

#[test]
fn a_pointer_that_was_never_given_out_is_stopped() {
    holds(POINTER);
}

#[test]
fn an_overflow_is_stopped_or_harmless() {
    holds(OVERFLOW);
}

#[test]
fn an_underflow_is_stopped_or_harmless() {
    holds(UNDERFLOW);
}

#[test]
fn use_after_free_is_stopped_or_harmless() {
    holds(AFTER_FREE);
}

#[test]
fn a_free_with_a_wrong_size_is_stopped() {
    holds(SIZE);
}

/// Nobody's free meets that header; giving the slot back does.
#[test]
fn an_overwritten_header_around_a_run_is_stopped() {
    let must = Outcome::Stopped("free(): corrupted run", "v");
    for flags in [&[][..], &["-DIN_A_THREAD"]] {
        let program = compile_c("misuse/slot.c", flags);
        for size in ["24", "100"] {
            for bytes in ["1", "8", "16"] {
                let output = run(&program, &[size, bytes], &[common::SHOW_ADDRESS]);
                assert_eq!(differs(&output, must), None, "{size} {bytes} {flags:?}");
            }
        }
    }
}

/// With `mxfast` at 0 no chunk waits: each is merged as its cache gives it back.
#[test]
fn an_overwritten_header_of_what_a_cache_gives_back_is_stopped() {
    let env: Env<'_> = &[
        common::SHOW_ADDRESS,
        ("CAIRN_RUN_MAX", "0"),
        ("GLIBC_TUNABLES", "glibc.malloc.mxfast=0"),
    ];
    for flags in [&[][..], &["-DIN_A_THREAD"]] {
        let program = compile_c("misuse/matrix.c", flags);
        for size in ["24", "100", "400", "5000"] {
            for (side, at) in [("over", "waiting b"), ("under", "waiting v")] {
                let args = [size, side, "8", "turned", "given_back"];
                let output = run(&program, &args, env);
                assert_eq!(differs(&output, outcome(at)), None, "{args:?} {flags:?}");
            }
        }
    }
}

/// What the tables rest on: an outcome that is another one is seen.
#[test]
fn only_the_outcome_of_the_table_passes() {
    let output = |code: i32, stdout: &str, stderr: &str| Output {
        status: std::process::ExitStatus::from_raw(code),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let addresses = "v 0x1000\nb 0x1040\n";
    let (double, inside) = (outcome(" double v "), outcome("double in v"));
    let passes = |o: &Output, must| differs(o, must).is_none();
    let line = |at: &str| format!("free(): double free detected in tcache 2: 0x{at}\n");
    assert!(passes(&output(6, addresses, &line("1000")), double));
    assert!(passes(&output(6, addresses, &line("1030")), inside));
    assert!(passes(&output(0, addresses, ""), Outcome::Harmless));
    for other in [
        output(6, addresses, &line("1040")),
        output(11, addresses, &line("1000")),
        output(6, addresses, "free(): invalid pointer: 0x1000\n"),
        output(6, "", &line("1000")),
        output(0, addresses, ""),
        output(256, addresses, &line("1000")),
    ] {
        assert!(!passes(&other, double), "{}", describe(&other));
        assert!(!passes(&other, inside) || other.stderr == line("1000").as_bytes());
    }
    assert!(!passes(&output(256, addresses, ""), Outcome::Harmless));
    assert!(!passes(&output(0, addresses, "x\n"), Outcome::Harmless));
    assert!(!passes(&output(11, addresses, ""), Outcome::Harmless));
    let row = ["- ", " double v; 24=x", "-", "-"];
    assert_eq!(expected(&row, 24, 512), Outcome::Harmless);
    assert_eq!(expected(&row, 24, 0), Outcome::Absent);
    assert_eq!(expected(&row, 100, 0), double);
}
