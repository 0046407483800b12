//! The library in company: loaded late, loaded twice, beside another malloc,
//! inherited by children that cannot load it, and absent from this program.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, mem, process};

/// What follows the message where no memory of Cairn's holds the address.
const FOREIGN: &str = "\ncairn: no heap, run or mapped chunk of this allocator holds that address; \
     if the program did get it from a malloc, it was another allocator's\n";

/// The message says what is wrong, and that the memory is not Cairn's.
#[track_caller]
fn assert_refuses(output: &process::Output, message: &str) {
    common::assert_aborts(output, &format!("{message}{FOREIGN}"));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is not UTF-8")
}

/// A copy of the library under a name of its own: the loader takes the same
/// file for the same library.
fn copy_of_library(name: &str) -> PathBuf {
    let copy = common::scratch().join(format!("lib{name}-{}.so", process::id()));
    fs::copy(common::libcairn(), &copy).expect("the library cannot be copied");
    copy
}

/// Runs a program plainly and preloaded, in both heap modes.
fn on_any_malloc(program: &Path, args: &[&str], check: impl Fn(&process::Output)) {
    common::for_each_mode(|mode| {
        check(&common::run_plain(program, args, mode));
        check(&common::run(program, args, mode));
    });
}

#[test]
fn the_tests_themselves_run_on_the_systems_malloc() {
    if env::var_os("LD_PRELOAD").is_some() {
        common::skip("LD_PRELOAD is set: this process does not run on the system's malloc");
        return;
    }
    // SAFETY: an all-zero Dl_info is a valid one, and dladdr only writes it.
    let (found, info) = unsafe {
        let mut info: libc::Dl_info = mem::zeroed();
        let found = libc::dladdr(libc::malloc as *const libc::c_void, &raw mut info);
        (found, info)
    };
    assert_ne!(found, 0, "malloc belongs to no object");
    // SAFETY: dladdr found the object, so the name is the loader's C string.
    let object = unsafe { CStr::from_ptr(info.dli_fname) }.to_string_lossy();
    let file = Path::new(&*object)
        .file_name()
        .expect("an object without a name");
    assert_eq!(file, "libc.so.6", "malloc comes from {object}");
}

#[test]
fn it_can_be_loaded_late_and_unloaded() {
    let program = common::compile_c("packaging/late.c", &[]);
    let copy = copy_of_library("late");
    for how in ["plain", "deepbind"] {
        on_any_malloc(&program, &[text(&copy), how], common::assert_silent_success);
    }
}

#[test]
fn two_copies_live_in_one_program() {
    let program = common::compile_c("packaging/two_copies.c", &[]);
    let (first, second) = (copy_of_library("first"), copy_of_library("second"));
    on_any_malloc(
        &program,
        &[text(&first), text(&second)],
        common::assert_silent_success,
    );
}

#[test]
fn memory_of_another_copy_is_refused() {
    let program = common::compile_c("packaging/foreign.c", &[]);
    let (first, second) = (copy_of_library("giving"), copy_of_library("taking"));
    common::for_each_mode(|mode| {
        for size in ["24", "1000", "100000", "10000000"] {
            let after = |call| {
                let args = [text(&first), text(&second), call, size];
                common::run_plain(&program, &args, mode)
            };
            assert_refuses(&after("free"), "free(): invalid pointer");
            assert_refuses(&after("realloc"), "realloc(): invalid pointer");
            common::assert_aborts(&after("usable"), "malloc_usable_size(): invalid pointer");
        }
    });
}

#[test]
fn a_plugin_with_another_malloc_keeps_it() {
    let plugin = common::compile_c("packaging/giver.c", &["-shared", "-fPIC"]);
    let program = common::compile_c("packaging/deepbind.c", &[]);
    on_any_malloc(&program, &[text(&plugin)], common::assert_silent_success);
}

#[test]
fn memory_of_another_malloc_is_refused() {
    let plugin = common::compile_c("packaging/giver.c", &["-shared", "-fPIC"]);
    let program = common::compile_c("packaging/deepbind.c", &[]);
    common::for_each_mode(|mode| {
        for (call, message) in [
            ("free", "free(): invalid pointer"),
            ("realloc", "realloc(): invalid pointer"),
        ] {
            for size in ["24", "1000", "100000", "10000000"] {
                let output = common::run(&program, &[text(&plugin), call, size], mode);
                assert_refuses(&output, message);
            }
        }
    });
}

#[test]
fn a_static_child_does_not_notice_the_preload() {
    let child = common::compile_c("packaging/hello.c", &["-static"]);
    let parent = common::compile_c("packaging/spawns.c", &[]);
    for output in [
        common::run(&child, &[], &[]),
        common::run(&parent, &[text(&child)], &[]),
    ] {
        assert!(output.status.success(), "{}", common::describe(&output));
        assert_eq!(output.stdout, b"hello\n");
        assert!(output.stderr.is_empty(), "{}", common::describe(&output));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_child_does_not_notice_the_preload() {
    let child = common::compile_c(
        "packaging/tiny32.c",
        &[
            "-m32",
            "-nostdlib",
            "-static",
            "-fno-pic",
            "-no-pie",
            "-ffreestanding",
        ],
    );
    if Command::new(&child).status().is_err() {
        common::skip("this kernel runs no 32-bit programs");
        return;
    }
    let parent = common::compile_c("packaging/spawns.c", &[]);
    let output = common::run(&parent, &[text(&child)], &[]);
    assert_eq!(
        output.status.code(),
        Some(42),
        "{}",
        common::describe(&output)
    );
    assert!(output.stderr.is_empty(), "{}", common::describe(&output));
}
