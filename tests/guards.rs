//! Guarded samples (`CAIRN_GUARD`): which misuse is told, with which stacks; what a guarded object is to
//! each function; the pool's bounds; storms. `docs/guards.md` says what is promised.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;
#[path = "common/stacks.rs"]
mod stacks;

use common::{Env, assert_silent_success, compile_c, describe, each_in_parallel, run};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use stacks::{Part, in_step, parts};

const EACH: Env<'static> = &[("CAIRN_GUARD", "1")];
const TOLD: Env<'static> = &[("CAIRN_GUARD", "1"), ("CAIRN_GUARD_REPORT", "1")];

/// Bytes; of two a read behind the last would stay in what an alignment leaves.
const SIZES: [usize; 6] = [16, 48, 200, 1000, 4096, 10_000];

/// Kinds of misuse: what it is called in a report, and whether the object was freed then.
const KINDS: [(&str, &str, bool); 8] = [
    ("overflow-write", "overflow by", false),
    ("overflow-read", "overflow by", false),
    ("underflow-write", "underflow by 1 byte", false),
    ("underflow-read", "underflow by 1 byte", false),
    ("write-after-free", "use after free", true),
    ("read-after-free", "use after free", true),
    ("double", "double free", true),
    ("inner", "free of an inner pointer", false),
];

fn program(name: &str) -> PathBuf {
    compile_c(&format!("guards/{name}.c"), &[])
}

/// The number of the thread at a line's end.
fn thread(head: &str) -> &str {
    let words = head.trim_end_matches(':').rsplit(' ');
    words.into_iter().next().expect("a thread")
}

fn holds_for(kind: (&str, &str, bool), size: usize, other: bool) -> Result<(), String> {
    let (name, told, is_freed) = kind;
    let who = if other { "other" } else { "same" };
    let output = run(program("matrix"), &[name, &size.to_string(), who], TOLD);
    let parts = parts(&output);
    let complain = |what: &str| {
        Err(format!(
            "{name} {size} {who}: {what}; {}",
            describe(&output)
        ))
    };
    let in_step = |part: &Part, step| in_step(&output, part, step);
    let is_free = matches!(name, "double" | "inner");
    let found = parts
        .first()
        .is_some_and(|part| part.head.contains(": found at "));
    let signal = if is_free || found {
        libc::SIGABRT
    } else {
        libc::SIGSEGV
    };
    if output.status.signal() != Some(signal) {
        return complain("another end");
    }
    let [access, taken, rest @ ..] = &parts[..] else {
        return complain("too few parts");
    };
    if !access.head.starts_with(&format!("cairn: {told}")) {
        return complain("another kind");
    }
    let bytes = match name {
        "overflow-write" => Some(1),
        "overflow-read" => Some(size.next_multiple_of(16) - size + 1),
        _ => None,
    };
    if bytes.is_some_and(|n| !access.head.contains(&format!("overflow by {n} byte"))) {
        return complain("another distance");
    }
    // A write that stayed on the object's pages is found when the object is freed.
    let wrote = name.ends_with("write") || name.starts_with("write");
    let step = if is_free || found {
        "drop_step"
    } else {
        "touch_step"
    };
    let may_be_found = wrote && !is_freed;
    if (found && !may_be_found) || !in_step(access, step) {
        return complain("the access's stack");
    }
    if !is_free && !found {
        let how = if wrote { "write" } else { "read" };
        if cfg!(target_arch = "x86_64") && !access.head.contains(&format!(": {how} at 0x")) {
            return complain("another access");
        }
    }
    let object = format!("object of {size} bytes at 0x");
    if !taken.head.starts_with(&object) || !in_step(taken, "take_step") {
        return complain("the allocation's stack");
    }
    let own = thread(&taken.head);
    if other && !found && thread(&access.head) == own || !other && thread(&access.head) != own {
        return complain("the access's thread");
    }
    match (is_freed, rest) {
        (false, []) => Ok(()),
        (true, [freed]) if freed.head.starts_with("freed by thread ") => {
            if in_step(freed, "drop_step") && thread(&freed.head) == own {
                Ok(())
            } else {
                complain("the free's stack")
            }
        }
        _ => complain("more or fewer stacks"),
    }
}

#[test]
fn all_that_leaves_a_guarded_object_is_told_with_its_kind_and_both_stacks() {
    program("matrix");
    let mut cells = Vec::new();
    for kind in KINDS {
        for size in SIZES {
            for other in [false, true] {
                cells.push((kind, size, other));
            }
        }
    }
    let wrong: Vec<_> = each_in_parallel(&cells, |&(kind, size, other)| {
        holds_for(kind, size, other).err()
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

/// Without a report the process ends as ever: by the fault, or by the one line.
#[test]
fn without_the_report_a_guarded_object_ends_the_process_as_any_other_fault() {
    let run = |kind| run(program("matrix"), &[kind, "48", "same"], EACH);
    for kind in ["overflow-read", "underflow-read", "write-after-free"] {
        let output = run(kind);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{kind}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{kind}");
    }
    let double = "free(): double free detected in tcache 2";
    for (kind, message) in [("double", double), ("inner", "free(): invalid pointer")] {
        common::assert_aborts(&run(kind), message);
    }
}

#[test]
fn a_guarded_object_is_to_every_function_what_any_other_is() {
    common::for_each_mode(|mode| {
        let env = common::with(mode, EACH);
        assert_silent_success(&run(program("holds"), &[], &env));
    });
    for more in [
        ("MALLOC_PERTURB_", "85"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"),
        ("CAIRN_PROFILE", "1"),
    ] {
        let env = [EACH[0], more];
        assert_silent_success(&run(program("holds"), &[], &env));
    }
}

#[test]
fn the_pool_stays_below_its_bound_and_its_mappings_are_as_many_as_before() {
    let bound = program("bound");
    let kib = |env: Env<'_>| -> [i64; 2] {
        let output = run(&bound, &[], env);
        assert!(output.status.success(), "{}", describe(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap());
        [numbers.next().unwrap(), numbers.next().unwrap()]
    };
    let ([with, open], [without, none]) = (kib(EACH), kib(&[("CAIRN_GUARD", "0")]));
    assert!(
        none == 0 && (256..=320).contains(&open),
        "{open} KiB of objects"
    );
    // What the heap does not hold of the guarded objects is in the pool instead.
    let more = with - without + open;
    assert!(more > open, "{with} KiB with guards, {without} without");
    assert!(
        more <= 512,
        "{with} KiB with guards, {without} without, {open} KiB of objects"
    );
}

/// As on a kernel before 6.13.
#[test]
fn without_the_kernels_guards_pages_are_closed_by_their_mapping() {
    let without = program("without_advice");
    for (name, more) in [("holds", None), ("bound", Some(("BY_MAPPING", "1")))] {
        let program = program(name);
        let mut env = EACH.to_vec();
        env.extend(more);
        let output = run(&without, &[program.to_str().unwrap()], &env);
        if output.status.code() == Some(common::CANNOT) {
            return common::skip("no filter of system calls");
        }
        assert!(output.status.success(), "{name}: {}", describe(&output));
    }
    let matrix = program("matrix");
    let arguments = [matrix.to_str().unwrap(), "read-after-free", "48", "same"];
    let output = run(&without, &arguments, TOLD);
    let parts = parts(&output);
    assert!(
        parts[0].head.starts_with("cairn: use after free: read"),
        "{}",
        describe(&output)
    );
}

#[test]
fn a_handler_of_the_programs_own_is_called_behind_the_report() {
    for form in ["full", "plain", "default", "ignored", "chained"] {
        let output = run(program("own_handler"), &[form], TOLD);
        let parts = parts(&output);
        assert!(
            parts
                .first()
                .is_some_and(|part| part.head.starts_with("cairn: use after free: write")),
            "{form}: {}",
            describe(&output)
        );
        let told = parts
            .iter()
            .filter(|part| part.head.starts_with("cairn:"))
            .count();
        assert_eq!(told, 1, "{form}: {}", describe(&output));
        match form {
            "full" | "plain" => assert!(output.status.success(), "{form}: {}", describe(&output)),
            _ => assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{form}"),
        }
    }
}

/// Check mode watches every object as it is.
#[test]
fn a_handler_that_the_program_took_back_is_called_no_more() {
    let output = run(program("handler_restored"), &[], TOLD);
    let signal = output.status.signal();
    assert_eq!(signal, Some(libc::SIGSEGV), "{}", describe(&output));
}

#[test]
fn a_handler_that_calls_the_one_before_it_reaches_it() {
    for how in ["between", "late", "raised", "default", "signal"] {
        assert_silent_success(&run(program("handler_chain"), &[how], TOLD));
    }
    let output = run(program("handler_chain"), &["again"], TOLD);
    let signal = output.status.signal();
    assert_eq!(signal, Some(libc::SIGSEGV), "{}", describe(&output));
}

#[test]
fn what_is_set_while_the_reports_handler_is_put_in_stays_set() {
    for what in ["back", "once", "other"] {
        assert_silent_success(&run(program("handler_gap"), &[what], TOLD));
    }
}

#[test]
fn a_handler_that_is_set_while_others_allocate_is_called() {
    assert_silent_success(&run(program("handler_race"), &[], TOLD));
}

#[test]
fn an_object_of_a_heap_of_the_programs_own_stays_in_it() {
    assert_silent_success(&run(program("own_heap"), &[], TOLD));
}

#[test]
fn in_check_mode_nothing_is_guarded() {
    let env = common::with(TOLD, &[("MALLOC_CHECK_", "1")]);
    let output = run(program("matrix"), &["read-after-free", "48", "same"], &env);
    assert_eq!(output.status.code(), Some(3), "{}", describe(&output));
}

/// It answers a question of ours itself, so that the kernel's guards seem not to be there.
#[test]
fn under_valgrind_guarded_objects_are_served_as_well() {
    let Some(valgrind) = common::find("valgrind") else {
        return;
    };
    let ways = compile_c("counts/ways.c", &["-O2"]);
    let mut command = Command::new(valgrind);
    command
        .args(["--tool=none", "--quiet"])
        .arg(ways)
        .args(["3000", "order"])
        .env("LD_PRELOAD", common::libcairn())
        .env("CAIRN_GUARD", "100");
    let output = common::watch(&mut command);
    assert!(output.status.success(), "{}", describe(&output));
}

#[test]
fn threads_forks_and_signals_under_guards_lose_nothing() {
    let seconds = common::of_form("1", "5", "20");
    let storm = program("storm");
    for bytes in ["1", "500", "100000"] {
        let env = [("CAIRN_GUARD", bytes), ("CAIRN_GUARD_REPORT", "1")];
        assert_silent_success(&run(&storm, &[seconds], &env));
    }
}
