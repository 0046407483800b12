//! What the environment and `mallopt` do to the knobs, case by case.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use super::text::number;
use super::*;
use std::ffi::CString;
use std::ptr;
use std::vec::Vec;

mod mallopt;

const D: Knobs = Knobs::DEFAULT;

fn read_as(entries: &[&str], secure: bool) -> Knobs {
    let strings: Vec<CString> = entries.iter().map(|e| CString::new(*e).unwrap()).collect();
    let mut environ: Vec<*const c_char> = strings.iter().map(|s| s.as_ptr()).collect();
    environ.push(ptr::null());
    // SAFETY: null-terminated, and the strings live to the end of this function.
    unsafe { D.under_environment(environ.as_ptr(), secure) }
}

fn read(entries: &[&str]) -> Knobs {
    read_as(entries, false)
}

/// One tunable, or the default where it is not usable.
fn tunable(assignment: &str) -> Knobs {
    read(&[&std::format!("GLIBC_TUNABLES=glibc.malloc.{assignment}")])
}

#[test]
fn numbers_are_read_as_the_c_library_reads_them() {
    let good: &[(&str, u64)] = &[
        ("0", 0),
        ("7", 7),
        ("131072", 131_072),
        ("0x20", 32),
        ("0XfF", 255),
        ("010", 8),
        ("00", 0),
        ("+5", 5),
        (" \t5", 5),
        ("-1", u64::MAX),
        ("-0x10", 16_u64.wrapping_neg()),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, value) in good {
        assert_eq!(number(text.as_bytes()), Some(*value), "{text:?}");
    }
    for text in [
        "",
        " ",
        "-",
        "+",
        "0x",
        "0x ",
        "08",
        "12a",
        "1 ",
        "a",
        "1.5",
        "--1",
        "1k",
        "0b1",
        "18446744073709551616",
        "0x10000000000000000",
    ] {
        assert_eq!(number(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn an_empty_or_missing_environment_gives_the_defaults() {
    assert_eq!(read(&[]), D);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { D.under_environment(ptr::null(), false) }, D);
    assert_eq!(
        read(&["HOME=/", "MALLOC_", "CAIRN_=", "=", "", "MALLOC_ARENA_MAX"]),
        D
    );
}

#[test]
fn each_variable_sets_its_knob() {
    assert_eq!(read(&["MALLOC_ARENA_MAX=3"]), Knobs { arena_max: 3, ..D });
    assert_eq!(read(&["MALLOC_ARENA_TEST=5"]), Knobs { arena_test: 5, ..D });
    assert_eq!(
        read(&["MALLOC_PERTURB_=0xa5"]),
        Knobs { perturb: 0xa5, ..D }
    );
    assert_eq!(read(&["MALLOC_CHECK_=2"]), Knobs { check: 2, ..D });
    let fixed = Knobs {
        mmap_threshold_fixed: true,
        ..D
    };
    assert_eq!(
        read(&["MALLOC_MMAP_THRESHOLD_=65536"]),
        Knobs {
            mmap_threshold: 65536,
            ..fixed
        }
    );
    assert_eq!(
        read(&["MALLOC_TRIM_THRESHOLD_=-1"]),
        Knobs {
            trim_threshold: usize::MAX,
            trim_by_hand: true,
            ..fixed
        }
    );
    assert_eq!(
        read(&["MALLOC_TOP_PAD_=0"]),
        Knobs {
            top_pad: 0,
            ..fixed
        }
    );
    assert_eq!(
        read(&["MALLOC_MMAP_MAX_=0"]),
        Knobs {
            mmap_max: 0,
            ..fixed
        }
    );
}

#[test]
fn each_tunable_sets_its_knob() {
    let fixed = Knobs {
        mmap_threshold_fixed: true,
        ..D
    };
    let cases = [
        ("check=1", Knobs { check: 1, ..D }),
        (
            "top_pad=4096",
            Knobs {
                top_pad: 4096,
                ..fixed
            },
        ),
        ("perturb=17", Knobs { perturb: 17, ..D }),
        (
            "mmap_max=12",
            Knobs {
                mmap_max: 12,
                ..fixed
            },
        ),
        (
            "mmap_threshold=0x10000",
            Knobs {
                mmap_threshold: 0x10000,
                ..fixed
            },
        ),
        (
            "trim_threshold=1",
            Knobs {
                trim_threshold: 1,
                trim_by_hand: true,
                ..fixed
            },
        ),
        ("arena_max=1", Knobs { arena_max: 1, ..D }),
        ("arena_test=2", Knobs { arena_test: 2, ..D }),
        (
            "tcache_max=512",
            Knobs {
                tcache_max: 512,
                ..D
            },
        ),
        (
            "tcache_count=0",
            Knobs {
                tcache_count: 0,
                ..D
            },
        ),
        (
            "tcache_unsorted_limit=9",
            Knobs {
                tcache_unsorted_limit: 9,
                ..D
            },
        ),
        ("mxfast=160", Knobs { mxfast: 160, ..D }),
        ("hugetlb=1", Knobs { huge_from: 0, ..D }),
    ];
    assert_eq!(cases.len(), NAMES.len());
    for (text, expected) in cases {
        assert_eq!(tunable(text), expected, "{text}");
    }
}

#[test]
fn what_is_out_of_range_or_no_number_is_ignored() {
    for text in [
        "check=4",
        "perturb=256",
        "perturb=-1",
        "mmap_max=-1",
        "mmap_max=2147483648",
        "arena_max=0",
        "arena_test=0",
        "tcache_max=32769",
        "tcache_count=65536",
        "mxfast=161",
        "hugetlb=3",
        "top_pad=",
        "top_pad=1M",
        "arena_max=2=3",
        "unknown=1",
        "=1",
        "",
        "TOP_PAD=1",
    ] {
        assert_eq!(tunable(text), D, "{text}");
    }
    for entry in [
        "MALLOC_ARENA_MAX=0",
        "MALLOC_ARENA_MAX=two",
        "MALLOC_ARENA_MAX=",
        "MALLOC_PERTURB_=999",
        "MALLOC_ARENA_MAX_=2",
        "MALLOC_PERTURB=1",
        "malloc_perturb_=1",
        "XMALLOC_PERTURB_=1",
        "CAIRN_RUN_MAX=",
        "CAIRN_RUN_MAX=-1",
        "CAIRN_RUN_MAX=none",
        "CAIRN_VERBOSE=yes",
        "GLIBC_TUNABLES=",
        "GLIBC_TUNABLES=:::",
        "GLIBC_TUNABLES=glibc.malloc.perturb",
        "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=1",
        "GLIBC_TUNABLES=malloc.perturb=1",
    ] {
        assert_eq!(read(&[entry]), D, "{entry}");
    }
}

#[test]
fn a_list_of_tunables_is_taken_piece_by_piece() {
    assert_eq!(
        read(&[
            "GLIBC_TUNABLES=nonsense:glibc.malloc.perturb=1:glibc.cpu.x=3:\
                glibc.malloc.arena_max=oops:glibc.malloc.arena_max=4:"
        ]),
        Knobs {
            perturb: 1,
            arena_max: 4,
            ..D
        }
    );
    assert_eq!(
        tunable("perturb=1:glibc.malloc.perturb=2"),
        Knobs { perturb: 2, ..D }
    );
}

#[test]
fn a_tunable_goes_before_its_variable_in_either_order() {
    let (variable, list) = ("MALLOC_PERTURB_=1", "GLIBC_TUNABLES=glibc.malloc.perturb=2");
    let expected = Knobs { perturb: 2, ..D };
    assert_eq!(read(&[variable, list]), expected);
    assert_eq!(read(&[list, variable]), expected);
    // An unusable tunable leaves the variable in force.
    let bad = "GLIBC_TUNABLES=glibc.malloc.perturb=256";
    assert_eq!(read(&[bad, variable]), Knobs { perturb: 1, ..D });
    assert_eq!(read(&[variable, bad]), Knobs { perturb: 1, ..D });
}

#[test]
fn of_two_equal_variables_the_first_usable_counts() {
    assert_eq!(
        read(&[
            "MALLOC_PERTURB_=x",
            "MALLOC_PERTURB_=3",
            "MALLOC_PERTURB_=4"
        ]),
        Knobs { perturb: 3, ..D }
    );
}

#[test]
fn a_privileged_process_ignores_everything() {
    let all = [
        "MALLOC_PERTURB_=1",
        "GLIBC_TUNABLES=glibc.malloc.arena_max=1",
        "CAIRN_RUN_MAX=0",
        "CAIRN_VERBOSE=1",
        "MALLOC_CHECK_=3",
    ];
    assert_eq!(read_as(&all, true), D);
    assert_ne!(read_as(&all, false), D);
}

#[test]
fn runs_end_at_their_limit_and_check_3_ends_them_all() {
    assert_eq!(read(&["CAIRN_RUN_MAX=0"]).run_max, 0);
    assert_eq!(read(&["CAIRN_RUN_MAX=64"]).run_max, 64);
    assert_eq!(read(&["CAIRN_PURGE_DELAY=0"]).purge_delay, 0);
    assert_eq!(read(&["CAIRN_HUGE_FROM=0"]).huge_from, usize::MAX);
    assert_eq!(read(&["CAIRN_HUGE_FROM=3"]).huge_from, 3 << 20);
    assert!(read(&["CAIRN_BACKGROUND=1"]).background && !read(&["CAIRN_BACKGROUND=x"]).background);
    assert_eq!(read(&["CAIRN_LIMIT=90%"]).limit, Amount::Percent(90));
    assert_eq!(read(&["CAIRN_LIMIT=2G"]).limit, Amount::Bytes(2 << 30));
    assert_eq!(
        read(&["CAIRN_LIMIT=2G", "CAIRN_LIMIT=x"]).limit,
        Amount::Bytes(2 << 30)
    );
    assert!(read(&["CAIRN_LIMIT_HARD=1"]).limit_hard);
    assert_eq!(read(&["CAIRN_PURGE_DELAY=-1"]).purge_delay, PURGE_DELAY);
    assert_eq!(read(&["CAIRN_RUN_MAX=100000"]).run_max, RUN_LIMIT);
    assert_eq!(read(&["CAIRN_RUN_MAX=64", "MALLOC_CHECK_=3"]).run_max, 0);
    assert_eq!(read(&["MALLOC_CHECK_=3", "CAIRN_RUN_MAX=64"]).run_max, 0);
    assert_eq!(tunable("check=3").run_max, 0);
    assert_eq!(read(&["MALLOC_CHECK_=2"]).run_max, RUN_LIMIT);
}

#[test]
fn an_address_is_shown_for_any_number_but_0() {
    assert!(!read(&["CAIRN_NAMES=0"]).names && read(&["CAIRN_NAMES=1"]).names);
    assert!(!read(&[]).address && !read(&["CAIRN_ADDRESS=0"]).address);
    assert!(!read(&["CAIRN_ADDRESS=yes"]).address);
    assert!(read(&["CAIRN_ADDRESS=1"]).address && read(&["CAIRN_ADDRESS=2"]).address);
}

#[test]
fn verbose_is_any_number_but_0() {
    assert!(read(&["CAIRN_VERBOSE=1"]).verbose);
    assert!(read(&["CAIRN_VERBOSE=2"]).verbose);
    assert!(!read(&["CAIRN_VERBOSE=0"]).verbose);
}

#[test]
fn a_report_is_asked_for_by_an_amount_or_a_signal() {
    let set = |entry| read(&[entry]);
    assert_eq!(set("CAIRN_REPORT_AT=90%").report_at, Amount::Percent(90));
    assert_eq!(set("CAIRN_REPORT_AT=2G").report_at, Amount::Bytes(2 << 30));
    assert_eq!(set("CAIRN_REPORT_SIGNAL=USR2").report_signal, 12);
    assert_eq!(set("CAIRN_REPORT_FILE=/a/%p").report_file.1, 5);
    for useless in ["CAIRN_REPORT_AT=101%", "CAIRN_REPORT_SIGNAL=HUPP"] {
        assert_eq!(set(useless), Knobs::DEFAULT, "{useless}");
    }
}

#[test]
fn guards_and_kept_stacks_take_a_number_within_their_bounds() {
    let set = |entry| read(&[entry]);
    assert_eq!(set("CAIRN_GUARD=8388608").guard, 8 << 20);
    assert_eq!(set("CAIRN_GUARD=-1"), Knobs::DEFAULT);
    assert!(set("CAIRN_GUARD_REPORT=1").guard_report && !set("CAIRN_GUARD_REPORT=0").guard_report);
    assert_eq!(set("CAIRN_CHECK_STACKS=0").check_stacks, 0);
    assert_eq!(set("CAIRN_CHECK_STACKS=1000").check_stacks, FRAMES_LIMIT);
}

#[test]
fn the_quarantine_and_the_fill_take_what_they_can_hold() {
    let set = |entry| read(&[entry]);
    assert_eq!(set("CAIRN_QUARANTINE_COUNT=0").quarantine_count, 0);
    assert_eq!(set("CAIRN_QUARANTINE_COUNT=100").quarantine_count, 100);
    assert_eq!(set("CAIRN_QUARANTINE_BYTES=0").quarantine_bytes, 0);
    assert_eq!(set("CAIRN_QUARANTINE_BYTES=0x1000").quarantine_bytes, 4096);
    assert_eq!(set("CAIRN_FREE_FILL=0").free_fill, 0);
    assert_eq!(set("CAIRN_FREE_FILL=255").free_fill, 255);
    for useless in [
        "CAIRN_QUARANTINE_COUNT=-1",
        "CAIRN_QUARANTINE_COUNT=16777217",
        "CAIRN_QUARANTINE_BYTES=-1",
        "CAIRN_FREE_FILL=256",
        "CAIRN_FREE_FILL=-1",
        "CAIRN_FREE_FILL=",
    ] {
        assert_eq!(set(useless), D, "{useless}");
    }
}

#[test]
fn a_profile_has_an_interval_and_a_way_to_read_stacks() {
    assert!(read(&["CAIRN_PROFILE=1"]).profile && !read(&["CAIRN_PROFILE=0"]).profile);
    let interval = |entry| read(&[entry]).profile_interval;
    assert_eq!(interval("CAIRN_PROFILE_INTERVAL=0x10000"), 65536);
    assert_eq!(interval("CAIRN_PROFILE_INTERVAL=1"), 1);
    assert!(read(&["CAIRN_PROFILE_STACKS=frames"]).profile_pointers);
    for useless in [
        "CAIRN_PROFILE=yes",
        "CAIRN_PROFILE_INTERVAL=0",
        "CAIRN_PROFILE_INTERVAL=-1",
        "CAIRN_PROFILE_INTERVAL=1K",
        "CAIRN_PROFILE_STACKS=tables",
        "CAIRN_PROFILE_STACKS=",
    ] {
        assert_eq!(read(&[useless]), D, "{useless}");
    }
}
