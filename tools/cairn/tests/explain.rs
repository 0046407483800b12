//! `cairn explain` on core files of the kernel's, of programs that Cairn ended. A binary of its own: what
//! the tests share takes the right to make core files from their process, so the shell that starts the
//! programs is there before anything else is done.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "explain/cases.rs"]
mod cases;
mod seen;

use seen::{Seen, cairn, common, error};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs each line that it is given, and says when that has ended.
const SCRIPT: &str = "\
ulimit -S -c unlimited 2> /dev/null && [ $(ulimit -S -c) = unlimited ] && echo may || echo may not
while read -r line; do eval \"$line\" > /dev/null 2> said; echo done; done";

struct Shell {
    seen: Seen,
    folder: PathBuf,
}

impl Shell {
    /// One that lets programs leave core files, or nothing where none can.
    fn start() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("cairn-explain-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).current_dir(&folder);
        let (seen, may) = Seen::start_saying(command);
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("the pattern");
        let shell = Self { seen, folder };
        if may.trim() != "may" {
            common::skip_elsewhere("the hard limit forbids core files");
            return None;
        }
        if pattern.starts_with('|') || pattern.contains('/') {
            common::skip_elsewhere("core_pattern leads elsewhere");
            return None;
        }
        Some(shell)
    }

    /// Runs a program to its end, and explains its core file. What it said, and the explanation.
    #[track_caller]
    fn explain(&mut self, program: &Path, arguments: &str, env: &str) -> (String, String) {
        let library = common::libcairn();
        let (library, program) = (library.display(), program.display());
        let line =
            format!("env LD_PRELOAD={library} CAIRN_ADDRESS=1 {env} {program} {arguments}\n");
        assert_eq!(self.seen.ask(&line), "done\n");
        let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        let is_core = |path: &PathBuf| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("core"))
        };
        let files = fs::read_dir(&self.folder).expect("the folder");
        let file = files.map(|e| e.expect("an entry").path()).find(is_core);
        let file = file.unwrap_or_else(|| panic!("{line}left no core file: {said}"));
        let output = cairn(&["explain", file.to_str().expect("a path")]);
        fs::remove_file(&file).expect("the core file");
        assert!(
            output.status.success(),
            "{line}{}",
            common::describe(&output)
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("$ {line}{text}");
        (said, text)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One test: the shell comes first.
#[test]
fn a_core_file_is_explained() {
    let Some(mut shell) = Shell::start() else {
        return;
    };
    each_message(&mut shell);
    guarded_objects(&mut shell);
    who_did_not_end_by_cairn();
}

fn each_message(shell: &mut Shell) {
    let flags = ["-O1", "-g", "-pthread"];
    let mut seen = BTreeSet::new();
    let step = if common::is_long() { 1 } else { 4 };
    for (source, arguments, env, says) in cases::CASES.into_iter().step_by(step) {
        let program = common::compile_c(source, &flags);
        let (said, text) = shell.explain(&program, arguments, env);
        for what in says {
            assert!(
                text.contains(what),
                "{source} {arguments}: no {what:?} in\n{text}"
            );
        }
        // The message and its address are those that were written.
        let message = said
            .lines()
            .find(|l| l.contains(": 0x"))
            .expect("the last words");
        let (message, address) = message.rsplit_once(": ").expect("an address");
        assert!(
            text.contains(&format!("Cairn ended it: {message}\n")),
            "{said}{text}"
        );
        assert!(text.contains(address), "{said}{text}");
        seen.insert(message.to_owned());
        assert!(text.contains("Look for: "), "{text}");
        // The thread's stack leads through the library into the program.
        let stack = text.rsplit_once(" stood in:\n").expect("a stack").1;
        let functions: Vec<_> = stack.lines().map(str::trim).collect();
        assert!(
            functions
                .iter()
                .any(|f| f.starts_with("main (") || f.starts_with("__libc_start_main")),
            "{text}"
        );
        assert!(functions.iter().any(|f| f.contains("abort")), "{text}");
    }
    println!("{} messages: {seen:#?}", seen.len());
    assert!(step != 1 || seen.len() >= 17, "{seen:#?}");
    // Whom check mode knows.
    let program = common::compile_c("misuse/double_free.c", &flags);
    let (_, text) = shell.explain(&program, "100 0", "MALLOC_CHECK_=2");
    assert!(
        text.contains("100 bytes were asked for (check mode)"),
        "{text}"
    );
    for who in ["allocated by thread ", "freed by thread "] {
        let behind = text.split_once(who).unwrap_or_else(|| panic!("{text}")).1;
        let first = behind.lines().nth(1).unwrap_or_default();
        assert!(first.contains("main (double_free.c:"), "{text}");
    }
    // Whom a sample knows.
    let program = common::compile_c("misuse/wild_pointer.c", &flags);
    let every = "CAIRN_PROFILE=1 CAIRN_PROFILE_INTERVAL=1";
    let (_, text) = shell.explain(&program, "free +16 1000", every);
    assert!(
        text.contains("1000 bytes were asked for (a sample)"),
        "{text}"
    );
    let allocated = text
        .split_once("allocated by thread ")
        .expect("who asked")
        .1;
    assert!(
        allocated
            .lines()
            .nth(1)
            .is_some_and(|l| l.contains("find (wild_pointer.c:")),
        "{text}"
    );
}

/// Arguments of `c-tests/guards/matrix.c`, the kind that is named, and the functions that took the object,
/// freed it, and met it.
const GUARDED: [(&str, &str, &str, &str); 6] = [
    ("write-overflow 48 main", "overflow by 1 byte", "", "touch"),
    (
        "read-underflow 5000 other",
        "underflow by 1 byte",
        "",
        "touch",
    ),
    ("read-after 48 other", "use after free", "drop", "touch"),
    ("write-after 5000 main", "use after free", "drop", "touch"),
    ("double 48 other", "double free", "drop", "drop"),
    ("inner 200 main", "free of an inner pointer", "", "drop"),
];

/// Programs that no handler reports: they die of the fault, and the core file has the slots.
fn guarded_objects(shell: &mut Shell) {
    let program = common::compile_c("guards/matrix.c", &["-O1", "-g", "-pthread"]);
    let step = if common::is_long() { 1 } else { 2 };
    for (arguments, kind, freed, met) in GUARDED.into_iter().step_by(step) {
        let (_, text) = shell.explain(&program, arguments, "CAIRN_GUARD=1");
        let whole = format!(": {kind}; a guarded object of ");
        assert!(text.contains(&whole), "{arguments}: {text}");
        let first = |of: &str| -> String {
            let behind = text
                .split_once(of)
                .unwrap_or_else(|| panic!("no {of:?} in\n{text}"));
            behind
                .1
                .lines()
                .nth(1)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        assert!(
            first("allocated by thread ").starts_with("take (matrix.c:"),
            "{text}"
        );
        if freed.is_empty() {
            assert!(!text.contains("freed by thread"), "{text}");
        } else {
            let drop = format!("{freed} (matrix.c:");
            assert!(first("freed by thread ").starts_with(&drop), "{text}");
        }
        // Of an object at its slot's left end what is written behind it is met at its free.
        let at_free = text.contains("memory clobbered ");
        let met = if at_free { "drop" } else { met };
        let stack = text.rsplit_once(" stood in:\n").expect("a stack").1;
        let met = format!("{met} (matrix.c:");
        assert!(stack.lines().any(|l| l.trim().starts_with(&met)), "{text}");
    }
}

fn who_did_not_end_by_cairn() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(["1000", "500", "10", "0"], &[]);
    let said = error(&cairn(&["explain", &seen.pid()]));
    assert!(said.contains("Cairn has not ended this program"), "{said}");
    let output = cairn(&["explain", &seen.pid(), "--address", "0x10"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("0x10 is no address"), "{text}");
    let said = error(&cairn(&["explain", "/none"]));
    assert!(said.contains("/none: No such file"), "{said}");
}
