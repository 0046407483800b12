//! Makes the sources of Cairn's atomic protocols fit for loom, word by word and nothing else:
//! loom's atomics for core's (`stand_in::atomic`), a cell that loom watches for core's, statics that begin anew with
//! every schedule (loom's types have no constant value), small tables for large ones.
//!
//! `MODEL_BREAK="file|from|to"` also changes one thing in one source, for seeing a model fail.

use std::{env, fs, path::Path};

/// The sources, from `src/`, and what else is replaced in each.
const SOURCES: [(&str, &[(&str, &str)]); 16] = [
    ("sync/bell.rs", &[]),
    (
        "sync/lock.rs",
        &[
            ("spin::relax", "crate::stand_in::relax"),
            ("LOOKS: usize = 100", "LOOKS: usize = 1"),
            ("HALVED: usize = 5", "HALVED: usize = 0"),
            ("YIELDS: u32 = 16", "YIELDS: u32 = 1"),
        ],
    ),
    (
        "cache/thread.rs",
        &[
            (
                "libc::pthread_key_create",
                "crate::stand_in::pthread_key_create",
            ),
            (
                "libc::pthread_setspecific",
                "crate::stand_in::pthread_setspecific",
            ),
            (
                "libc::pthread_getspecific",
                "crate::stand_in::pthread_getspecific",
            ),
        ],
    ),
    ("arenas.rs", &[]),
    ("region.rs", &[]),
    (
        "layout/table.rs",
        &[
            ("{ 1 << 6 } else { 1 << 16 }", "{ 1 << 6 } else { 1 << 1 }"),
            ("{ 1 << 2 } else { 1 << 6 }", "{ 1 << 2 } else { 1 << 1 }"),
            ("{ 1 << 1 } else { 1 << 4 }", "{ 1 << 1 } else { 1 << 1 }"),
            ("(1 << 15) + 1", "2"),
            ("(1 << 16) - 1", "2"),
        ],
    ),
    ("arena/records.rs", &[]),
    ("pages.rs", &[]),
    (
        "arena/page_states.rs",
        &[("core::cell::Cell", "crate::stand_in::GuardedCell as Cell")],
    ),
    (
        "arena/extents.rs",
        &[("crate::{mark, os}", "super::{mark, os}")],
    ),
    ("arena/batch.rs", &[("crate::os", "super::os")]),
    (
        "arena/trim/mod.rs",
        &[
            ("crate::os", "super::os"),
            (
                "mod settle;",
                "mod settle { shipped!(\"arena_trim_settle.rs\"); }",
            ),
        ],
    ),
    (
        "arena/trim/settle.rs",
        &[
            ("crate::arena::", "crate::purge::"),
            ("crate::purge::decay::Order", "crate::purge::Order"),
            ("crate::{os, settings}", "crate::purge::{os, settings}"),
        ],
    ),
    (
        "arena/vacant.rs",
        &[
            ("crate::chunk", "super::chunk"),
            ("crate::{os, region}", "super::{os, region}"),
        ],
    ),
    ("routes/start.rs", &[]),
    (
        "routes/fork.rs",
        &[("libc::pthread_atfork", "crate::stand_in::pthread_atfork")],
    ),
];

fn main() {
    println!("cargo:rerun-if-env-changed=MODEL_BREAK");
    let breaking = env::var("MODEL_BREAK").unwrap_or_default();
    let mut parts = breaking.split('|');
    let (file, from, to) = (parts.next(), parts.next(), parts.next());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for (name, more) in SOURCES {
        let path = root.join(name);
        println!("cargo:rerun-if-changed={}", path.display());
        let mut text = fs::read_to_string(&path).expect("a source of Cairn");
        if Some(name) == file {
            let (from, to) = (from.expect("what"), to.expect("for what"));
            assert_eq!(text.matches(from).count(), 1, "{from} in {name}");
            text = text.replace(from, to);
        }
        for (from, to) in more {
            assert!(text.contains(from), "{name} has no {from:?} any more");
            text = text.replace(from, to);
        }
        text = text
            .replace("core::sync::atomic", "crate::stand_in::atomic")
            .replace("core::cell::UnsafeCell", "crate::stand_in::UnsafeCell")
            .replace("const fn new", "fn new")
            .replace("pub(crate)", "pub");
        // A reference to such a static is one to what stands behind it.
        for name in ["PARK", "LOCK", "arenas::LOCK", "mapped::LOCK", "side::LOCK"]
            .into_iter()
            .chain(["quarantine::LOCK", "settings::LOCK", "region::LOCK"])
        {
            text = text.replace(&format!("&{name}"), &format!("&*{name}"));
        }
        let text = statics(&arrays(&without_sizes(&head(&text))));
        fs::write(Path::new(&out).join(name.replace('/', "_")), text).expect("the copy");
    }
}

/// Without the file's own documentation and its tests.
fn head(text: &str) -> String {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let lines = text[..end].lines().filter(|line| !line.starts_with("//!"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Without the assertions on sizes and places: loom's types have others.
fn without_sizes(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("const _: () = assert!(") {
            out += &format!("{line}\n");
        } else if !line.ends_with(");") {
            lines.by_ref().find(|line| line.ends_with(");"));
        }
    }
    out
}

/// `[const { value }; n]`, made by a call instead.
fn arrays(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[const {") {
        out += &rest[..at];
        rest = &rest[at + "[const {".len()..];
        let end = rest.find("}; ").expect("the value's end");
        out += &format!("core::array::from_fn(|_| {{{}}})", &rest[..end]);
        rest = &rest[end..];
        rest = &rest[rest.find(']').expect("the array's end") + 1..];
    }
    out + rest
}

/// `static NAME: Type = value;` at the margin, as loom's.
fn statics(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let next = ["\nstatic ", "\npub static "]
            .iter()
            .filter_map(|word| rest.find(word).map(|at| (at, *word)))
            .min();
        let Some((at, word)) = next else {
            return out + rest;
        };
        out += &rest[..at];
        rest = &rest[at + word.len()..];
        let end = rest.find(";\n").expect("the static's end");
        // An array's length also ends in a semicolon, but not its line.
        let visible = word.trim_start().trim_end_matches("static ");
        let all = &rest[..end];
        out += &format!("\nloom::lazy_static! {{ {visible}static ref {all}; }}");
        rest = &rest[end + 1..];
    }
}
