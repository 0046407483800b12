//! The interface of the library, call by call and knob by knob: one C program
//! per promise, run under preload in both heap modes.
//!
//! Where the promise is glibc's too, the program runs on glibc first: a test
//! that glibc fails says nothing about Cairn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{Env, assert_silent_success, describe, for_each_mode, run, run_plain, with};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Output;

/// The program succeeds in silence on glibc and, in both modes, on Cairn.
#[track_caller]
fn holds(source: &str, args: &[&str], env: Env<'_>) {
    let program = common::compile_c(source, &[]);
    assert_silent_success(&run_plain(&program, args, env));
    for_each_mode(|mode| assert_silent_success(&run(&program, args, &with(mode, env))));
}

/// As [`holds`], for what `API.md`'s tables promise beyond glibc 2.36.
#[track_caller]
fn holds_on_cairn(source: &str, args: &[&str], env: Env<'_>) {
    let program = common::compile_c(source, &[]);
    for_each_mode(|mode| assert_silent_success(&run(&program, args, &with(mode, env))));
}

/// One test per program that needs neither arguments nor variables.
macro_rules! promises {
    ($how:ident: $($name:ident = $source:literal,)*) => {$(
        #[test]
        fn $name() {
            $how(concat!("interface/", $source, ".c"), &[], &[]);
        }
    )*};
}

// Rules per call.
promises! {
    holds:
    every_result_is_aligned_to_16_bytes = "alignment",
    no_two_live_objects_overlap = "overlap",
    more_than_ptrdiff_max_is_refused_with_enomem = "ptrdiff_max",
    malloc_of_zero_is_unique_and_can_be_freed = "zero_size",
    objects_of_0_bytes_between_all_others_leave_them_whole = "zero_between",
    free_takes_null_and_keeps_errno = "free_null_and_errno",
    calloc_refuses_a_product_that_overflows = "calloc_overflow",
    freeing_a_mapped_chunk_raises_the_trim_threshold_too = "dynamic_trim",
    reallocarray_refuses_an_overflow_and_leaves_the_old_object_whole = "reallocarray",
    realloc_of_null_allocates_and_to_zero_frees = "realloc_forms",
    realloc_keeps_the_content = "realloc_content",
    realloc_that_fails_leaves_the_object_whole = "realloc_failure",
    realloc_stays_in_place_where_the_neighbour_allows = "realloc_in_place",
    realloc_of_a_mapped_chunk_keeps_the_content = "realloc_mapped",
    memalign_aligns_and_rounds_odd_alignments_up = "memalign",
    memalign_refuses_an_alignment_that_no_object_can_have = "memalign_huge_alignment",
    aligned_alloc_serves_sizes_that_are_no_multiple = "aligned_alloc",
    posix_memalign_returns_its_error_and_leaves_memptr = "posix_memalign",
    posix_memalign_leaves_errno_as_glibc_does = "posix_memalign_errno",
    valloc_and_pvalloc_are_page_aligned_and_pvalloc_rounds_up = "valloc_pvalloc",
    every_usable_byte_may_be_written = "usable_size",
    malloc_trim_says_whether_memory_went_back = "malloc_trim",
    malloc_trim_leaves_the_pad = "malloc_trim_pad",
    malloc_trim_covers_all_arenas_and_interior_pages = "malloc_trim_interior",
    malloc_info_refuses_options = "malloc_info_options",
    mallinfo2_counts_as_glibc_defines = "mallinfo",
    mallinfo_wraps_its_ints = "mallinfo_wraps",
    one_exported_symbol_never_calls_another = "interposer",
    small_objects_of_one_thread_come_from_the_break = "break_alone",
    mallopt_returns_1_for_the_known_and_the_unknown = "mallopt_returns",
    mallopt_ignores_what_it_cannot_use = "mallopt_useless_values",
}

promises! {
    holds_on_cairn:
    aligned_requests_without_room_for_a_run_are_taken_for_what_they_are = "aligned_without_room",
    alignment_plus_size_overflow_is_enomem_cve_2026_0861 = "memalign_overflow",
    aligned_alloc_refuses_odd_alignments_with_einval = "aligned_alloc_einval",
    free_sized_takes_the_right_sizes = "free_sized",
    what_caches_hold_counts_as_free = "cached_is_free",
}

#[test]
fn exhausted_memory_is_enomem_and_the_program_goes_on() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("interface/exhausted.c", &[], &[]);
}

#[test]
fn calloc_is_zero_on_memory_used_before() {
    if common::left_to_the_long_form() {
        return;
    }
    holds("interface/calloc_zero.c", &[], &[]);
}

#[test]
fn calloc_leaves_memory_untouched_that_is_known_to_be_zero() {
    let program = "interface/calloc_untouched.c";
    holds(program, &["67108864", "4"], &[]);
    holds(program, &["1048576", "100"], &[]);
    // glibc clears what was left of top before it grew.
    holds_on_cairn(program, &["100000", "300"], &[]);
}

const MMAP_THRESHOLD: &str = "-3";
const MMAP_MAX: &str = "-4";

#[test]
fn the_mmap_threshold_is_128_kib() {
    holds("interface/mapped_count.c", &["100000", "0"], &[]);
    holds("interface/mapped_count.c", &["140000", "1"], &[]);
}

#[test]
fn mallopt_sets_the_mmap_threshold() {
    let program = "interface/mapped_count.c";
    holds(program, &["100000", "1", MMAP_THRESHOLD, "65536"], &[]);
    holds(program, &["200000", "0", MMAP_THRESHOLD, "1000000"], &[]);
}

#[test]
fn the_environment_sets_the_mmap_threshold() {
    let program = "interface/mapped_count.c";
    holds(
        program,
        &["100000", "1"],
        &[("MALLOC_MMAP_THRESHOLD_", "65536")],
    );
    holds(
        program,
        &["200000", "0"],
        &[("MALLOC_MMAP_THRESHOLD_", "1000000")],
    );
}

#[test]
fn a_tunable_sets_the_mmap_threshold() {
    let program = "interface/mapped_count.c";
    let low = [("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536")];
    let high = [("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1000000")];
    let hex = [("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=0x100000")];
    let among = [(
        "GLIBC_TUNABLES",
        "glibc.malloc.top_pad=0:glibc.malloc.mmap_threshold=1000000:glibc.cpu.x86_ibt=off",
    )];
    holds(program, &["100000", "1"], &low);
    holds(program, &["200000", "0"], &high);
    holds(program, &["200000", "0"], &hex);
    holds(program, &["200000", "0"], &among);
}

#[test]
fn a_tunable_goes_before_the_variable_and_mallopt_before_both() {
    let program = "interface/mapped_count.c";
    let tunable_high = [
        ("MALLOC_MMAP_THRESHOLD_", "65536"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1000000"),
    ];
    let tunable_low = [
        ("MALLOC_MMAP_THRESHOLD_", "1000000"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536"),
    ];
    holds(program, &["200000", "0"], &tunable_high);
    holds(program, &["100000", "1"], &tunable_low);
    holds(
        program,
        &["200000", "1", MMAP_THRESHOLD, "65536"],
        &tunable_high,
    );
    holds(
        program,
        &["100000", "0", MMAP_THRESHOLD, "1000000"],
        &tunable_low,
    );
}

#[test]
fn values_that_cannot_be_used_are_ignored() {
    for useless in ["abc", "", "-", "+", "0x", " ", "k65536"] {
        let tunable = format!("glibc.malloc.mmap_threshold={useless}");
        for env in [
            [("MALLOC_MMAP_THRESHOLD_", useless)],
            [("GLIBC_TUNABLES", tunable.as_str())],
        ] {
            holds_on_cairn("interface/mapped_count.c", &["100000", "0"], &env);
            holds_on_cairn("interface/mapped_count.c", &["140000", "1"], &env);
        }
    }
    for useless in ["abc", "", "-5", "99999999999999999999", "0x"] {
        holds_on_cairn("interface/plain_work.c", &[], &[("CAIRN_RUN_MAX", useless)]);
    }
}

#[test]
fn no_variable_whatever_it_holds_stops_a_program() {
    let long = "9".repeat(5000);
    for value in ["", "abc", "-1", "0", "1", "99999999999999999999", &long] {
        let mut env = Vec::new();
        for name in [
            "MALLOC_MMAP_THRESHOLD_",
            "MALLOC_TRIM_THRESHOLD_",
            "MALLOC_MMAP_MAX_",
            "MALLOC_PERTURB_",
            "MALLOC_ARENA_MAX",
            "MALLOC_ARENA_TEST",
            "MALLOC_CHECK_",
            "CAIRN_RUN_MAX",
        ] {
            env.push((name, value));
        }
        let program = common::compile_c("interface/plain_work.c", &[]);
        assert_silent_success(&run(&program, &[], &env));
    }
    for tunables in [
        "",
        ":",
        "=",
        ":::",
        "glibc.malloc",
        "glibc.malloc.",
        "glibc.malloc.=",
        "glibc.malloc.check",
        "glibc.malloc.unknown=5",
        "glibc.malloc.mmap_threshold=1=2=3",
        "glibc.malloc.arena_max=:glibc.malloc.arena_max=-1:glibc.malloc.arena_max",
        "glibc.malloc.tcache_count=4294967296:glibc.malloc.mxfast=99999999999999999999",
        &long,
    ] {
        holds_on_cairn(
            "interface/plain_work.c",
            &[],
            &[("GLIBC_TUNABLES", tunables)],
        );
    }
}

#[test]
fn mmap_max_bounds_the_mapped_chunks() {
    let program = "interface/mapped_count.c";
    holds(program, &["200000", "0", MMAP_MAX, "0"], &[]);
    holds(program, &["200000", "0", MMAP_MAX, "1"], &[]);
    holds(program, &["200000", "1", MMAP_MAX, "2"], &[]);
    holds(program, &["200000", "0"], &[("MALLOC_MMAP_MAX_", "0")]);
    holds(
        program,
        &["200000", "0"],
        &[("GLIBC_TUNABLES", "glibc.malloc.mmap_max=0")],
    );
}

#[test]
fn mmap_max_is_a_preference_and_no_ban() {
    if common::left_to_the_long_form() {
        return;
    }
    let program = "interface/beyond_mmap_max.c";
    holds_on_cairn(program, &[], &[]);
    for most in ["0", "1", "2", "5"] {
        holds_on_cairn(program, &[most], &[]);
        holds_on_cairn(program, &[most, "stuck"], &[]);
        holds_on_cairn(program, &[], &[("MALLOC_MMAP_MAX_", most)]);
        let tunable = format!("glibc.malloc.mmap_max={most}");
        holds_on_cairn(program, &[], &[("GLIBC_TUNABLES", &tunable)]);
    }
}

#[test]
fn the_mmap_threshold_is_dynamic_up_to_32_mib() {
    if common::differs_in_check_mode("large objects keep their guard pages, so the threshold stays")
    {
        return;
    }
    holds("interface/dynamic_threshold.c", &["1"], &[]);
}

#[test]
fn setting_a_threshold_by_hand_switches_the_dynamic_one_off() {
    let program = "interface/dynamic_threshold.c";
    for parameter in ["-1", "-2", "-3", "-4"] {
        holds(program, &["0", parameter, "131072"], &[]);
    }
    for (variable, tunable) in [
        (
            "MALLOC_MMAP_THRESHOLD_",
            "glibc.malloc.mmap_threshold=131072",
        ),
        (
            "MALLOC_TRIM_THRESHOLD_",
            "glibc.malloc.trim_threshold=131072",
        ),
        ("MALLOC_TOP_PAD_", "glibc.malloc.top_pad=131072"),
        ("MALLOC_MMAP_MAX_", "glibc.malloc.mmap_max=131072"),
    ] {
        holds(program, &["0"], &[(variable, "131072")]);
        holds(program, &["0"], &[("GLIBC_TUNABLES", tunable)]);
    }
}

#[test]
fn the_trim_threshold_decides_whether_top_is_given_back() {
    if common::differs_in_check_mode("freed memory waits in the quarantine") {
        return;
    }
    let program = "interface/trim_threshold.c";
    holds(program, &["later"], &[]);
    holds(program, &["shrinks", "-1", "65536"], &[]);
    holds(
        program,
        &["shrinks"],
        &[("MALLOC_TRIM_THRESHOLD_", "65536")],
    );
    holds(program, &["stays", "-1", "-1"], &[]);
    holds(program, &["stays", "-1", "1000000000"], &[]);
    holds(
        program,
        &["stays"],
        &[("MALLOC_TRIM_THRESHOLD_", "1000000000")],
    );
    holds(
        program,
        &["stays"],
        &[("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1000000000")],
    );
}

#[test]
fn a_threshold_that_was_set_holds_in_a_thread_too() {
    if common::differs_in_check_mode("freed memory waits in the quarantine") {
        return;
    }
    let program = "interface/trim_threshold_of_a_thread.c";
    holds(program, &["goes"], &[]);
    // By another one it does not; glibc's does.
    let never = [("CAIRN_PURGE_DELAY", "4294967295")];
    holds_on_cairn(program, &["stays"], &never);
}

#[test]
fn a_pad_stays_at_the_heap_s_end() {
    holds("interface/pad_is_kept.c", &[], &[]);
}

/// Where the kernel refuses the pad glibc leaves the break.
#[test]
fn a_pad_that_does_not_fit_begins_no_other_heap() {
    for pad in ["60000000", "67108864", "1000000000"] {
        holds_on_cairn("interface/top_pad_heaps.c", &[pad], &[]);
    }
}

#[test]
fn top_pad_is_128_kib_and_can_be_set() {
    let program = "interface/top_pad.c";
    let large = ["4194304", "6291456"];
    holds(program, &["131072", "524288"], &[]);
    holds(program, &[large[0], large[1], "-2", "4194304"], &[]);
    holds(program, &large, &[("MALLOC_TOP_PAD_", "4194304")]);
    holds(
        program,
        &large,
        &[("GLIBC_TUNABLES", "glibc.malloc.top_pad=4194304")],
    );
    // Without a pad it is what the object needs, in Cairn's regions of 64 KiB.
    holds(program, &["1", "131072", "-2", "0"], &[]);
}

#[test]
fn perturb_fills_what_is_given_out_and_what_is_freed() {
    let program = "interface/perturb.c";
    holds(program, &["170", "5000", "-6", "170"], &[]);
    holds(program, &["170", "5000"], &[("MALLOC_PERTURB_", "170")]);
    holds(
        program,
        &["170", "5000"],
        &[("GLIBC_TUNABLES", "glibc.malloc.perturb=170")],
    );
    // glibc leaves out what its thread cache serves.
    for size in ["24", "100", "200", "1000", "20000"] {
        holds_on_cairn(program, &["85", size], &[("MALLOC_PERTURB_", "85")]);
    }
}

/// What the main arena was asked for says nothing about the arena that a thread's first call
/// gives it; objects came out at a multiple of 16.
#[test]
fn a_threads_first_call_is_aligned() {
    let arenas = &[("MALLOC_ARENA_MAX", "4")];
    holds("interface/aligned_first_call.c", &[], arenas);
}

#[test]
fn arena_max_bounds_the_arenas() {
    let program = "interface/arena_count.c";
    holds(program, &["1", "1", "-8", "1"], &[]);
    holds(program, &["1", "1"], &[("MALLOC_ARENA_MAX", "1")]);
    holds(
        program,
        &["1", "1"],
        &[("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")],
    );
    holds(program, &["1", "2"], &[("MALLOC_ARENA_MAX", "2")]);
    holds(
        program,
        &["1", "2"],
        &[("MALLOC_ARENA_TEST", "1"), ("MALLOC_ARENA_MAX", "2")],
    );
}

#[test]
fn arenas_are_by_the_cpus_the_process_may_use() {
    let Some(taskset) = common::find("taskset") else {
        return;
    };
    let first = common::first_cpu().to_string();
    let program = common::compile_c("interface/arena_count.c", &[]);
    for_each_mode(|mode| {
        let mut command = common::preloaded(&taskset);
        command.args(["-c", &first]).arg(&program).args(["1", "8"]);
        command.envs(mode.iter().copied());
        assert_silent_success(&common::watch(&mut command));
    });
}

#[test]
fn arenas_follow_the_affinity_of_today() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return common::skip("one CPU");
    }
    if common::differs_in_check_mode("all threads use the main arena") {
        return;
    }
    holds_on_cairn("interface/affinity_of_today.c", &[], &[]);
}

#[test]
fn every_knob_of_glibc_leaves_a_working_program() {
    let program = "interface/plain_work.c";
    for level in ["0", "1", "2", "3"] {
        holds_on_cairn(program, &[], &[("MALLOC_CHECK_", level)]);
    }
    for tunable in [
        "check=0",
        "check=1",
        "check=3",
        "mxfast=0",
        "mxfast=160",
        "tcache_count=0",
        "tcache_count=65535",
        "tcache_max=0",
        "tcache_max=4096",
        "tcache_unsorted_limit=1",
        "hugetlb=0",
        "hugetlb=1",
        "hugetlb=2",
        "arena_test=1",
    ] {
        let tunables = format!("glibc.malloc.{tunable}");
        holds(program, &[], &[("GLIBC_TUNABLES", &tunables)]);
    }
}

#[test]
fn runs_can_be_bounded_and_switched_off() {
    if common::differs_in_check_mode("there are no runs, and the usable size is what was asked for")
    {
        return;
    }
    let classic = common::compile_c("interface/chunk_sizes.c", &[]);
    assert_silent_success(&run_plain(&classic, &[], &[]));
    assert_silent_success(&run(&classic, &[], &[("CAIRN_RUN_MAX", "0")]));
    let work = common::compile_c("interface/plain_work.c", &[]);
    for largest in ["1", "16", "64", "100", "128", "1000000"] {
        assert_silent_success(&run(&work, &[], &[("CAIRN_RUN_MAX", largest)]));
    }
}

#[test]
fn cairn_verbose_prints_one_line_with_the_version() {
    let program = common::compile_c("interface/plain_work.c", &[]);
    for_each_mode(|mode| {
        let output = run(&program, &[], &with(mode, &[("CAIRN_VERBOSE", "1")]));
        let line = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{}",
            describe(&output)
        );
        assert!(
            line.lines().count() == 1
                && line.ends_with('\n')
                && line.to_lowercase().contains("cairn")
                && line.contains(env!("CARGO_PKG_VERSION")),
            "{}",
            describe(&output)
        );
    });
}

#[test]
fn a_privileged_process_ignores_every_variable() {
    if common::differs_in_check_mode(
        "the run it is compared with has the mode, a privileged one has not",
    ) {
        return;
    }
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        common::skip("only root can make a program privileged");
        return;
    }
    // Outside the target directory, which only its owner may be able to enter.
    let dir = std::env::temp_dir().join(format!("cairn-secure-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let outcome = run_privileged(&dir);
    fs::remove_dir_all(&dir).unwrap();

    let Some(outcome) = outcome else {
        common::skip("this root may give no file away");
        return;
    };
    if outcome.status.code() == Some(77) {
        common::skip("setuid programs gain nothing where the temporary files are");
        return;
    }
    let expected = run(common::compile_c("interface/one_byte.c", &[]), &[], &[]);
    assert!(
        outcome.status.success() && outcome.stderr.is_empty() && outcome.stdout == expected.stdout,
        "{}\nexpected on stdout: {}",
        describe(&outcome),
        String::from_utf8_lossy(&expected.stdout)
    );
}

/// Runs `secure.c`, linked with the library, as setuid to nobody; `None` if that cannot be made.
fn run_privileged(dir: &Path) -> Option<Output> {
    const NOBODY: u32 = 65534;
    let library = dir.join("libcairn.so");
    fs::copy(common::libcairn(), &library).unwrap();
    fs::set_permissions(&library, Permissions::from_mode(0o755)).unwrap();
    let linked = library.display().to_string();
    let path = format!("-Wl,--no-as-needed,-rpath,{}", dir.display());
    let compiled = common::compile_c("interface/secure.c", &[&linked, &path]);
    let program = dir.join("secure");
    fs::copy(&compiled, &program).unwrap();
    fs::remove_file(&compiled).unwrap();
    chown(&program, Some(NOBODY), None).ok()?;
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    Some(run_plain(
        &program,
        &[],
        &[
            ("CAIRN_VERBOSE", "1"),
            ("CAIRN_RUN_MAX", "0"),
            ("MALLOC_MMAP_MAX_", "0"),
            ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=0"),
        ],
    ))
}

#[test]
fn malloc_stats_writes_glibcs_lines_to_stderr() {
    let program = common::compile_c("interface/malloc_stats.c", &[]);
    assert_stats(&run_plain(&program, &[], &[]));
    for_each_mode(|mode| assert_stats(&run(&program, &[], mode)));
}

#[track_caller]
fn assert_stats(output: &Output) {
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        describe(output)
    );
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines();
    let expected = [
        "Arena 0:",
        "system bytes     = ",
        "in use bytes     = ",
        "Total (incl. mmap):",
        "system bytes     = ",
        "in use bytes     = ",
        "max mmap regions = ",
        "max mmap bytes   = ",
    ];
    let mut figures = Vec::new();
    for start in expected {
        let line = lines.next().unwrap_or_default();
        let rest = line.strip_prefix(start);
        assert!(rest.is_some(), "no line {start:?}; {}", describe(output));
        if start.ends_with("= ") {
            let figure = rest.unwrap_or_default();
            assert!(
                figure.len() >= 10,
                "figures are ten wide; {}",
                describe(output)
            );
            figures.push(figure.trim_start().parse::<u64>().unwrap());
        }
    }
    assert_eq!(lines.next(), None, "{}", describe(output));
    let [system, in_use, all_system, all_in_use, regions, bytes] = figures[..] else {
        unreachable!("as many figures as lines that end in '= '")
    };
    assert!(in_use <= system && in_use >= 100, "{}", describe(output));
    assert!(
        all_system == system + bytes && all_in_use == in_use + bytes,
        "{}",
        describe(output)
    );
    assert!(regions == 1 && bytes >= 1 << 20, "{}", describe(output));
}

#[test]
fn malloc_info_writes_glibcs_schema() {
    let program = common::compile_c("interface/malloc_info.c", &[]);
    assert_info(&run_plain(&program, &[], &[]));
    for_each_mode(|mode| assert_info(&run(&program, &[], mode)));
}

/// The numeric attribute of an element.
#[track_caller]
fn number(element: roxmltree::Node<'_, '_>, attribute: &str) -> u64 {
    element
        .attribute(attribute)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{element:?} has no number {attribute}"))
}

/// An element's name and, where it has one, its type.
fn label(element: roxmltree::Node<'_, '_>) -> String {
    match element.attribute("type") {
        Some(kind) => format!("{} {kind}", element.tag_name().name()),
        None => element.tag_name().name().to_owned(),
    }
}

#[track_caller]
fn assert_info(output: &Output) {
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        describe(output)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let malloc = document.root_element();
    assert_eq!(malloc.tag_name().name(), "malloc");
    assert_eq!(malloc.attribute("version"), Some("1"));

    let parts: Vec<_> = malloc.children().filter(|node| node.is_element()).collect();
    let heaps: Vec<_> = parts
        .iter()
        .copied()
        .filter(|part| label(*part) == "heap")
        .collect();
    assert!(!heaps.is_empty(), "{text}");
    for (expected, heap) in (0_u64..).zip(&heaps) {
        assert_eq!(number(*heap, "nr"), expected, "{text}");
        assert_heap(*heap, &text);
    }
    let labels: Vec<_> = parts[heaps.len()..]
        .iter()
        .map(|part| label(*part))
        .collect();
    assert_eq!(
        labels,
        [
            "total fast",
            "total rest",
            "total mmap",
            "system current",
            "system max",
            "aspace total",
            "aspace mprotect"
        ],
        "{text}"
    );

    // The totals are what the heaps add up to.
    let find = |within: &[roxmltree::Node<'_, '_>], wanted: &str, attribute: &str| -> u64 {
        within
            .iter()
            .filter(|part| label(**part) == wanted)
            .map(|part| number(*part, attribute))
            .sum()
    };
    let inner: Vec<_> = heaps.iter().flat_map(|heap| heap.children()).collect();
    for (part, attribute) in [
        ("total fast", "count"),
        ("total fast", "size"),
        ("total rest", "count"),
        ("total rest", "size"),
        ("system current", "size"),
    ] {
        assert_eq!(
            find(&parts, part, attribute),
            find(&inner, part, attribute),
            "{part} {attribute}\n{text}"
        );
    }
    assert_eq!(find(&parts, "total mmap", "count"), 2, "{text}");
    assert!(find(&parts, "total mmap", "size") >= 3 << 20, "{text}");
    assert!(
        find(&parts, "total fast", "size") + find(&parts, "total rest", "size")
            <= find(&parts, "system current", "size"),
        "{text}"
    );
    assert!(find(&parts, "total rest", "size") > 0, "{text}");
}

#[track_caller]
fn assert_heap(heap: roxmltree::Node<'_, '_>, text: &str) {
    let parts: Vec<_> = heap.children().filter(|node| node.is_element()).collect();
    let labels: Vec<_> = parts.iter().map(|part| label(*part)).collect();
    let required = [
        "sizes",
        "total fast",
        "total rest",
        "system current",
        "system max",
        "aspace total",
        "aspace mprotect",
    ];
    assert_eq!(
        labels[..required.len().min(labels.len())],
        required,
        "{text}"
    );
    // Arenas other than the first also count the regions they own.
    assert!(
        labels[required.len()..]
            .iter()
            .all(|extra| extra == "aspace subheaps"),
        "{text}"
    );
    for size in parts[0].children().filter(|node| node.is_element()) {
        assert!(
            matches!(size.tag_name().name(), "size" | "unsorted"),
            "{text}"
        );
        let (from, to) = (number(size, "from"), number(size, "to"));
        let (total, count) = (number(size, "total"), number(size, "count"));
        assert!(
            from <= to && from * count <= total && total <= to * count,
            "{size:?}\n{text}"
        );
    }
}

/// Runs a C program on Cairn under strace and returns the trace, or `None` if
/// strace is missing or cannot trace here, after saying so.
fn trace(program: &Path, calls: &str, mode: Env<'_>) -> Option<String> {
    let strace = common::find_working("strace", &["-o", "/dev/null", "true"])?;
    let report = common::scratch().join(format!(
        "{}-{}.strace",
        program.file_name().unwrap_or_default().display(),
        mode.len()
    ));
    let mut command = common::plain(strace);
    command
        .args(["-f", "-e", &format!("trace={calls}"), "-o"])
        .arg(&report)
        .arg("-E")
        .arg(format!("LD_PRELOAD={}", common::libcairn().display()));
    for (name, value) in mode {
        command.args(["-E", &format!("{name}={value}")]);
    }
    let output = common::watch(command.arg(program));
    assert!(output.status.success(), "{}", describe(&output));
    Some(fs::read_to_string(&report).unwrap())
}

#[test]
fn small_objects_cause_no_mapping_but_side_tables() {
    let program = common::compile_c("interface/break_alone.c", &[]);
    for_each_mode(|mode| {
        let Some(report) = trace(&program, "brk,mmap,write", mode) else {
            return;
        };
        let between: Vec<_> = report
            .lines()
            .skip_while(|line| !line.contains("\"begin\""))
            .take_while(|line| !line.contains("\"end\""))
            .collect();
        let breaks = between.iter().filter(|line| line.contains(" brk(")).count();
        let mapped: u64 = between
            .iter()
            .filter_map(|line| line.split_once(" mmap(NULL, "))
            .filter_map(|(_, rest)| rest.split(',').next())
            .map(|length| length.parse::<u64>().unwrap())
            .sum();
        assert!(breaks > 0, "{report}");
        assert!(
            mapped < 8 << 20,
            "{mapped} bytes mapped beside 64 MiB from the break\n{report}"
        );
    });
}

#[test]
fn mapped_chunks_move_by_mremap() {
    let program = common::compile_c("interface/realloc_mapped.c", &[]);
    for_each_mode(|mode| {
        let Some(report) = trace(&program, "mremap", mode) else {
            return;
        };
        let moves = report
            .lines()
            .filter(|line| line.contains(" mremap("))
            .count();
        // Six doublings up, six halvings down: at least each of the way up.
        assert!(moves >= 6, "{report}");
    });
}

#[test]
fn hugetlb_0_switches_every_use_of_huge_pages_off() {
    let program = common::compile_c("interface/break_alone.c", &[]);
    for_each_mode(|mode| {
        let env = with(mode, &[("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")]);
        let Some(report) = trace(&program, "madvise,mmap", &env) else {
            return;
        };
        assert!(
            !report.contains("MADV_HUGEPAGE") && !report.contains("MAP_HUGETLB"),
            "{report}"
        );
    });
}

#[test]
fn what_was_freed_serves_the_same_work_again() {
    if common::differs_in_check_mode("freed memory waits in the quarantine") {
        return;
    }
    for_each_mode(|mode| holds("interface/same_again.c", &[], mode));
}

#[test]
fn a_long_heap_grows_by_huge_pages_until_pages_inside_go_back() {
    if common::differs_in_check_mode("freed memory waits in the quarantine") {
        return;
    }
    let program = common::compile_c("interface/malloc_trim_interior.c", &[]);
    for_each_mode(|mode| {
        let Some(report) = trace(&program, "madvise", mode) else {
            return;
        };
        let advice: Vec<&str> = report
            .lines()
            .filter(|line| line.contains("HUGEPAGE"))
            .collect();
        let given_up = advice.iter().position(|line| line.contains("NOHUGEPAGE"));
        assert!(given_up.is_some_and(|at| at > 0), "{report}");
    });
}

#[test]
fn mxfast_bounds_what_waits_in_fastbins() {
    if common::differs_in_check_mode("freed memory waits in the quarantine, not in fastbins") {
        return;
    }
    // glibc's own fastbins end at 160 bytes: this one is Cairn's.
    let program = common::compile_c("interface/mxfast.c", &[]);
    for (arguments, env) in [
        (&["waits"][..], &[][..]),
        (&["merges", "1", "0"], &[]),
        (&["merges"], &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=0")]),
        (&["merges"], &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=64")]),
    ] {
        let output = common::run(&program, arguments, env);
        common::assert_silent_success(&output);
    }
}

#[test]
fn a_cache_of_no_objects_is_no_cache() {
    let program = common::compile_c("interface/plain_work.c", &[]);
    for tunable in ["glibc.malloc.tcache_count=0", "glibc.malloc.tcache_max=0"] {
        let output = common::run(&program, &[], &[("GLIBC_TUNABLES", tunable)]);
        common::assert_silent_success(&output);
    }
}
