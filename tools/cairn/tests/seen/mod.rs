//! A child with a known heap, and the command that looks at it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by test binaries that each use a part; a test reports by panicking"
)]

#[path = "../../../../tests/common/mod.rs"]
pub mod common;

#[path = "../../../reader/tests/child/look.rs"]
mod look;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// A child that waits for words.
pub struct Seen {
    pub child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Seen {
    /// `c-tests/tools/heap.c` on Cairn, with these arguments: number, size, keep, threads.
    pub fn heap(arguments: [&str; 4], env: common::Env<'_>) -> Self {
        let program = common::compile_c("tools/heap.c", &[]);
        let mut command = common::preloaded(program);
        command.args(arguments).envs(env.iter().copied());
        Self::start(command)
    }

    /// Any command that prints a line once it may be looked at.
    pub fn start(command: Command) -> Self {
        Self::start_saying(command).0
    }

    /// The same, and the line.
    pub fn start_saying(mut command: Command) -> (Self, String) {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut seen = Self::of(child, input, output);
        let line = seen.line();
        (seen, line)
    }

    /// A child whose first line is still to be read.
    pub fn of(child: Child, input: ChildStdin, output: BufReader<ChildStdout>) -> Self {
        Self {
            child,
            input,
            output,
        }
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "the child ended");
        line
    }

    /// Says a word, and returns the answer.
    pub fn ask(&mut self, word: &str) -> String {
        self.input.write_all(word.as_bytes()).expect("it listens");
        self.line()
    }

    /// The numbers that it answers.
    pub fn numbers(&mut self, word: &str) -> Vec<u64> {
        let line = self.ask(word);
        let number = |word: &str| word.parse().expect("a number");
        line.split_whitespace().map(number).collect()
    }

    /// A figure of one of its files in /proc, in bytes.
    pub fn figure(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("its file");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.expect("the figure").trim_matches([':', ' ', '\t']);
        let kib = kib.strip_suffix(" kB").expect("KiB");
        kib.trim().parse::<u64>().expect("a number") * 1024
    }

    /// The state that the kernel says its first thread is in.
    pub fn state(&self) -> char {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its state");
        let behind = text.rsplit(") ").next().expect("behind its name");
        behind.chars().next().expect("a state")
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that ends with its test, also where that fails.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command.
pub fn cairn(arguments: &[&str]) -> Output {
    common::watch(Command::new(env!("CARGO_BIN_EXE_cairn")).args(arguments))
}

/// What the command says as JSON.
#[track_caller]
pub fn json(arguments: &[&str]) -> Value {
    let output = cairn(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", common::describe(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A number of it, by its path.
#[track_caller]
pub fn number(value: &Value, path: &str) -> u64 {
    let found = value.pointer(path);
    let found = found.unwrap_or_else(|| panic!("no {path} in {value}"));
    found.as_u64().unwrap_or_else(|| panic!("{path}: {found}"))
}

/// What a line of `why` says.
pub fn line<'a>(page: &'a Value, id: &str) -> Option<&'a Value> {
    page["lines"]
        .as_array()?
        .iter()
        .find(|line| line["id"] == id)
}

/// The one line of an error; the command says nothing else and fails.
#[track_caller]
pub fn error(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty(), "{}", common::describe(output));
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("cairn: "), "{said}");
    said
}

/// Whether this is a place in which nobody may look at a child, as in a sandbox without `ptrace`: says
/// so, and the test ends.
pub fn cannot_look() -> bool {
    let may = look::may_look();
    if !may {
        common::skip_elsewhere("nobody may look at a process here");
    }
    !may
}
