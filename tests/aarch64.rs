//! aarch64: the shape of the fast paths, and how many instructions a pair takes.
//!
//! `.ci/aarch64` builds the library, names it in `CAIRN_LIBRARY` and the emulator in
//! `CAIRN_EMULATOR`, and runs this file and those with the C programs: with pages of 4, 16 and 64 KiB.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use toml::Table;

fn golden() -> Table {
    let text = fs::read_to_string(common::root().join("tests/golden_aarch64.toml"));
    let text = text.expect("tests/golden_aarch64.toml");
    text.parse().expect("the golden figures are TOML")
}

/// Whether the numbers are this compiler's.
fn numbers_hold(golden: &Table) -> bool {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.expect("rustc does not start").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let wanted = golden["compiler"].as_str().expect("a version");
    let same = version.split(' ').nth(1) == Some(wanted);
    if !same {
        eprintln!("SKIPPED: the numbers are those of rustc {wanted}, this is {version}");
    }
    same
}

fn text_of(command: &mut Command) -> String {
    let output = command.output().expect("a program of the cross compiler");
    assert!(output.status.success(), "{}", common::describe(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The mnemonics of a function that the library exports.
fn instructions(library: &Path, function: &str) -> Vec<String> {
    let symbols = text_of(
        Command::new("aarch64-linux-gnu-readelf")
            .args(["--wide", "--dyn-syms"])
            .arg(library),
    );
    let fields = symbols
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.last() == Some(&function))
        .unwrap_or_else(|| panic!("{function} is not exported"));
    let start = u64::from_str_radix(fields[1], 16).expect("an address");
    let size: u64 = fields[2].parse().expect("a size");
    let listing = text_of(
        Command::new("aarch64-linux-gnu-objdump")
            .args(["--disassemble", "--no-show-raw-insn"])
            .arg(format!("--start-address={start}"))
            .arg(format!("--stop-address={}", start + size))
            .arg(library),
    );
    let code: Vec<String> = listing
        .lines()
        .filter_map(|line| line.split_once(":\t"))
        .filter(|(at, _)| u64::from_str_radix(at.trim(), 16).is_ok())
        .filter_map(|(_, code)| code.split_whitespace().next().map(str::to_owned))
        .collect();
    assert_eq!(code.len() as u64, size / 4, "{function}: {listing}");
    code
}

/// What no fast path may have: calls, which need a frame; barriers; read-modify-write.
fn is_forbidden(mnemonic: &str) -> bool {
    const WHOLE: [&str; 7] = ["bl", "blr", "dmb", "dsb", "isb", "svc", "stlr"];
    const BEGINS: [&str; 9] = [
        "ldx", "ldax", "stx", "stlx", "cas", "swp", "ldadd", "ldset", "ldclr",
    ];
    WHOLE.contains(&mnemonic) || BEGINS.iter().any(|begin| mnemonic.starts_with(begin))
}

#[test]
#[ignore = "built and run by .ci/aarch64"]
fn the_fast_paths_call_nothing_and_have_no_barrier() {
    let library = common::libcairn();
    let golden = golden();
    let numbers = numbers_hold(&golden);
    let mut failures = Vec::new();
    for function in ["malloc", "free", "free_sized"] {
        let code = instructions(&library, function);
        let acquire = code.iter().filter(|m| m.starts_with("ldar")).count();
        println!("{function}: {} instructions, {acquire} acquire", code.len());
        let bad: Vec<_> = code.iter().filter(|m| is_forbidden(m)).collect();
        if !bad.is_empty() {
            failures.push(format!("{function}: {bad:?}"));
        }
        let of = |key: &str| golden["shape"][function][key].as_integer();
        let counted = [("instructions", code.len()), ("acquire", acquire)];
        for (key, figure) in counted {
            if (numbers || key == "acquire") && of(key) != i64::try_from(figure).ok() {
                failures.push(format!(
                    "[shape.{function}] {key}: {figure}, not {:?}",
                    of(key)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Instructions of a whole run: the emulator makes a step of each and writes a line.
fn executed(pair: &Path, turns: u64, bytes: &str) -> u64 {
    let words = env::var("CAIRN_EMULATOR").expect("run by .ci/aarch64");
    let mut words = words.split_whitespace();
    let log = common::scratch().join(format!("aarch64-{bytes}-{turns}.log"));
    let mut command = Command::new(words.next().expect("an emulator"));
    command
        .args(["-singlestep", "-d", "exec,nochain", "-D"])
        .arg(&log)
        .args(words)
        .arg(pair)
        .args([&turns.to_string(), bytes])
        .env_clear()
        .env(
            "QEMU_SET_ENV",
            format!("LD_PRELOAD={}", common::libcairn().display()),
        );
    let output = common::watch(&mut command);
    assert!(output.status.success(), "{}", common::describe(&output));
    let lines = fs::read(&log).expect("the emulator's log");
    let _ = fs::remove_file(&log);
    lines
        .split(|&byte| byte == b'\n')
        .filter(|line| line.starts_with(b"Trace "))
        .count() as u64
}

#[test]
#[ignore = "built and run by .ci/aarch64"]
fn a_pair_takes_the_instructions_it_took() {
    const TURNS: [u64; 2] = [100, 300];
    const WITHIN: f64 = 0.5;
    let golden = golden();
    let numbers = numbers_hold(&golden);
    let pair = common::compile_c("../benches/programs/workloads/pair.c", &["-O2"]);
    let mut failures = Vec::new();
    for (bytes, wanted) in golden["turn"].as_table().expect("a table") {
        let [few, many] = TURNS.map(|turns| executed(&pair, turns, bytes));
        let (more, turns) = (many - few, TURNS[1] - TURNS[0]);
        let figure = more as f64 / turns as f64;
        println!("{bytes} bytes: {figure}");
        assert!(figure > 20.0, "{bytes} bytes: {figure} is not plausible");
        let wanted = wanted.as_integer().expect("a whole number") as f64;
        if numbers && (figure - wanted).abs() > WITHIN {
            failures.push(format!("[turn] {bytes}: {figure}, not {wanted}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The emulator takes the advice that makes guards, does nothing, and says that it did.
#[test]
#[ignore = "built and run by .ci/aarch64"]
fn a_guarded_object_is_told_also_where_the_advice_for_guards_does_nothing() {
    let program = common::compile_c("guards/matrix.c", &["-O1", "-g", "-pthread"]);
    for (kind, told) in [
        ("write-after 48 main", "cairn: use after free: "),
        ("read-overflow 4096 main", "cairn: overflow by "),
        ("write-underflow 48 other", "cairn: underflow by "),
        ("double 48 main", "cairn: double free: "),
    ] {
        let mut command = common::preloaded(&program);
        command.args(kind.split(' '));
        command.envs([("CAIRN_GUARD", "1"), ("CAIRN_GUARD_REPORT", "1")]);
        let output = common::watch(&mut command);
        let said = String::from_utf8_lossy(&output.stderr);
        let told = said.lines().find(|line| line.starts_with(told));
        assert!(told.is_some(), "{kind}: {}", common::describe(&output));
        assert!(
            said.contains("bytes at 0x") && said.contains(", allocated by thread "),
            "{kind}: {said}"
        );
    }
}
