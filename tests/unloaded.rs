//! A library that somebody links with Cairn as its allocator, and that its host unloads: nothing of
//! it is called when it is gone, and no load leaves anything behind. `c-tests/unloaded/host.c` is
//! the host, the package `plugin` in this directory the library.

#![allow(clippy::expect_used, reason = "a test reports by panicking")]

mod common;

use std::path::Path;

const FORMS: [(&[&str], &str); 2] = [(&[], "debug"), (&["--release"], "release")];

/// Both profiles in the long form, else the one that is built sooner. With `release` the plug-in is
/// one piece, after link-time optimisation, with `dev` it is many, of which the linker takes what is
/// referred to.
fn forms() -> &'static [(&'static [&'static str], &'static str)] {
    FORMS
        .get(..if common::is_long() { 2 } else { 1 })
        .expect("two")
}

/// The host keeps its promise with the plug-in of each profile.
#[track_caller]
fn holds(what: &str) {
    let host = common::compile_c("unloaded/host.c", &["-ldl"]);
    for &(flags, directory) in forms() {
        let target = common::build("plugin", "plugin", flags).expect("the plug-in builds");
        let plugin = target.join(directory).join("libplugin.so");
        check(&host, what, &plugin);
    }
}

#[track_caller]
fn check(host: &Path, what: &str, plugin: &Path) {
    let plugin = plugin.to_str().expect("a path that is not UTF-8");
    // On the system's malloc, which is the host's own, and with another Cairn beside the plug-in's.
    common::assert_silent_success(&common::run_plain(host, &[what, plugin], &[]));
    common::assert_silent_success(&common::run(host, &[what, plugin], &[]));
}

#[test]
fn a_thread_that_used_it_may_end_when_it_was_unloaded() {
    holds("end");
}

#[test]
fn a_thousand_loads_cost_no_key_no_addresses_and_no_memory() {
    holds("often");
}

#[test]
fn a_process_may_fork_when_it_was_unloaded() {
    holds("fork");
}

#[test]
fn what_it_allocated_is_there_when_it_is_loaded_again() {
    holds("memory");
}

/// As far as its file goes it may be unloaded: what keeps it is not its linker.
#[test]
fn it_is_not_linked_to_stay() {
    let Some(readelf) = common::find("readelf") else {
        return;
    };
    for &(flags, directory) in forms() {
        let target = common::build("plugin", "plugin", flags).expect("the plug-in builds");
        let mut command = std::process::Command::new(&readelf);
        command
            .arg("--dynamic")
            .arg(target.join(directory).join("libplugin.so"));
        let shown = common::watch(&mut command).stdout;
        let shown = String::from_utf8(shown).expect("binutils write ASCII");
        assert!(
            shown.contains("SYMTAB") && !shown.contains("NODELETE"),
            "{shown}"
        );
    }
}
