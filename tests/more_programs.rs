//! More real programs on Cairn unchanged, of kinds that `tests/real_programs.rs` does not have:
//! conservative collectors, a database server, a browser with an allocator of its own, a JIT, a
//! prefork server, thousands of threads, sandboxes, interpreters whose plug-ins are unloaded.
//!
//! Each runs without the preload, then with it in both heap modes (in the short form in the usual
//! one), and must write the same.
//! `docs/testing.md` lists the kinds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::{
    Env, compile_c, describe, find, find_working, for_each_mode_if_long, plain, preloaded, watch,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, id};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An input file of these tests.
fn input(name: &str) -> PathBuf {
    common::root().join("tests/more_programs").join(name)
}

/// A fresh, empty directory with a short path, as sockets need; removed when the value goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cairn-more-{}-{number}", id()));
        fs::create_dir_all(&path).expect("no directory for the program");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs what `prepare` adds to the program, in a fresh directory each time: on the system's
/// malloc, where it must succeed, and on Cairn in both modes. `what` is what must be the same.
#[track_caller]
fn compare(program: &Path, prepare: impl Fn(&mut Command), what: impl Fn(&Output) -> String) {
    let run = |mut command: Command, mode: Env<'_>| {
        let scratch = Scratch::new();
        command.current_dir(&scratch.0).envs(mode.iter().copied());
        prepare(&mut command);
        watch(&mut command)
    };
    let reference = run(plain(program), &[]);
    assert!(
        reference.status.success(),
        "fails on the system's malloc: {}",
        describe(&reference)
    );
    let expected = what(&reference);
    assert!(!expected.trim().is_empty(), "nothing to compare");
    for_each_mode_if_long(|mode| {
        let mut command = preloaded(program);
        command.env("CAIRN_VERBOSE", "1");
        let output = run(command, mode);
        assert!(
            output.status == reference.status && what(&output) == expected,
            "expected {expected}\n{}",
            describe(&output)
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(": served process "), "not served: {said}");
    });
}

fn written(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As [`compare`], for a program that is found by its name and writes the same each time.
#[track_caller]
fn says_the_same(program: &str, prepare: impl Fn(&mut Command)) {
    if let Some(program) = find(program) {
        compare(&program, prepare, written);
    }
}

/// A script of the shell, which starts the program.
#[track_caller]
fn script_says_the_same(script: &str, needs: &[&str]) {
    if needs.iter().all(|program| find(program).is_some()) {
        says_the_same("bash", |command| {
            command.arg(input(script));
        });
    }
}

/// Boehm's collector reads every writable segment that the loader announces.
#[test]
fn a_conservative_collector_serves_guile() {
    says_the_same("guile", |command| {
        command
            .env("GUILE_AUTO_COMPILE", "0")
            .arg("--no-auto-compile")
            .arg("-s")
            .arg(input("collect.scm"));
    });
}

#[test]
fn a_conservative_collector_serves_w3m() {
    script_says_the_same("page.sh", &["w3m", "seq"]);
}

/// Its C++ passes sizes to `delete` that are another type's.
#[test]
fn povray_renders_the_same_scene() {
    let Some(povray) = find("povray") else { return };
    compare(
        &povray,
        |command| {
            command
                .arg(format!("+I{}", input("scene.pov").display()))
                // Portable pixels, for a PNG has the time of day in it, and on one thread.
                .args(["+W100", "+H80", "-D", "+FP8", "-A", "+WT1", "+O-"]);
        },
        |output| format!("{:?}", pixels(&output.stdout)),
    );
}

/// The pixels of a portable pixmap, without the comment in front of them.
fn pixels(pixmap: &[u8]) -> Vec<u8> {
    assert!(pixmap.len() > 100 * 80 * 3, "no picture");
    pixmap[pixmap.len() - 100 * 80 * 3..].to_vec()
}

#[test]
fn a_jit_computes_the_same() {
    says_the_same("luajit", |command| {
        command.arg(input("traces.lua"));
    });
}

/// Ten thousand threads live at once, each with objects of its own.
#[test]
fn ten_thousand_threads_at_once_keep_their_objects() {
    let program = compile_c("more_programs/ten_thousand.c", &[]);
    let reference = watch(&mut plain(&program));
    if reference.status.code() == Some(common::CANNOT) {
        common::skip("10,000 threads are not allowed");
        return;
    }
    compare(&program, |_| (), written);
}

#[test]
fn a_process_in_namespaces_of_its_own_says_the_same() {
    let wall = [
        "--ro-bind",
        "/",
        "/",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--die-with-parent",
        "--dev",
        "/dev",
    ];
    let Some(bwrap) = find_working("bwrap", &[&wall[..], &["true"]].concat()) else {
        return;
    };
    let work =
        "my %h; $h{$_ % 977} .= \"x$_\" for 1..60000; print join q(,), map length, @h{0..976}";
    compare(
        &bwrap,
        |command| {
            command.args(wall).args(["perl", "-e", work]);
        },
        written,
    );
}

/// A filter of system calls ends whoever makes another call than it knows.
#[test]
fn a_process_under_a_filter_of_system_calls_says_the_same() {
    says_the_same("man", |command| {
        command
            .args(["--local-file", "--pager=cat"])
            .arg(input("page.1"));
    });
    says_the_same("file", |command| {
        command.args(["--brief", "--no-buffer", "/bin/sh"]);
        command.arg(input("page.1")).arg(input("scene.pov"));
    });
}

/// Perl loads and unloads a library that allocates as it comes and frees as it goes.
#[test]
fn plug_ins_of_an_interpreter_come_and_go() {
    let build = "gcc -shared -fPIC -O1 -o plugin.so \"$1\" && LD_PRELOAD=$2 exec perl \"$3\"";
    if find("gcc").is_none() || find("perl").is_none() {
        return;
    }
    let Some(shell) = find("sh") else { return };
    compare(
        &shell,
        |command| {
            let preload = command
                .get_envs()
                .find_map(|(name, value)| (name == "LD_PRELOAD").then_some(value?))
                .map(std::ffi::OsStr::to_owned)
                .unwrap_or_default();
            command
                .args(["-c", build, "sh"])
                .arg(input("plugin.c"))
                .arg(preload)
                .arg(input("plugins.pl"));
        },
        written,
    );
}

#[test]
fn a_database_server_answers_the_same() {
    script_says_the_same(
        "database.sh",
        &["mariadbd", "mariadb", "mariadb-install-db"],
    );
}

#[test]
fn a_prefork_server_answers_the_same() {
    script_says_the_same("prefork.sh", &["apache2", "curl"]);
}

#[test]
fn a_proxy_answers_the_same() {
    script_says_the_same("proxy.sh", &["squid", "curl", "python3"]);
}

#[test]
fn a_browser_renders_the_same_page() {
    let Some(chromium) = find("chromium") else {
        return;
    };
    compare(
        &chromium,
        |command| {
            let own = command.get_current_dir().expect("a directory").to_owned();
            command
                .env("HOME", &own)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                ])
                .args(["--no-first-run", "--disable-background-networking"])
                .args([
                    "--disable-component-update",
                    "--disable-sync",
                    "--disable-dev-shm-usage",
                ])
                .arg(format!("--user-data-dir={}", own.join("profile").display()))
                .arg("--dump-dom")
                .arg(format!("file://{}", input("page.html").display()));
        },
        written,
    );
}
