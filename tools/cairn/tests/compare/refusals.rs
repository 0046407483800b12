//! What is refused, and with which words.

use super::*;

#[test]
fn a_library_that_does_not_load_is_refused() {
    if !can_follow() {
        return;
    }
    let elsewhere = fresh("elsewhere.so");
    cc(
        &elsewhere,
        &["-shared", "-nostartfiles", "-x", "c", "/dev/null"],
    );
    let name = |path: &Path| format!("broken={}", text(path));
    let given = name(&elsewhere);
    let arguments = [
        "--libraries",
        "glibc,broken",
        "--library",
        &given,
        "--",
        "sort",
        "/etc/passwd",
    ];
    // It loads and has no malloc.
    let words = [
        "broken is not compared",
        "served by libc.so.6, not by compare-elsewhere.so",
    ];
    assert_refused(&compare(&arguments), &words);

    let mut bytes = fs::read(&elsewhere).expect("the library");
    let (riscv, at) = (243, 18);
    bytes[at] = riscv;
    fs::write(&elsewhere, bytes).expect("another library");
    assert_refused(
        &compare(&arguments),
        &[
            "broken is not compared",
            "the loader leaves it out",
            "served by libc.so.6",
        ],
    );
}

#[test]
fn a_library_that_is_not_there_or_not_known_is_refused() {
    let program = ["--", "sort", "/etc/passwd"];
    let with = |arguments: &[&str]| compare(&[arguments, &program].concat());
    assert_refused(
        &with(&["--library", "x=/no/such.so"]),
        &["--library x=/no/such.so", "No such file"],
    );
    assert_refused(&with(&["--library", "x"]), &["takes NAME=PATH"]);
    assert_refused(
        &with(&["--libraries", "glibc,fastmalloc"]),
        &[
            "no library is called fastmalloc",
            "--library fastmalloc=PATH",
        ],
    );
    assert_refused(
        &with(&["--libraries", "glibc"]),
        &["nothing to compare with glibc"],
    );
}

#[test]
fn a_program_into_which_nothing_can_be_preloaded_is_refused() {
    let of = |program: &Path| compare_cairn(&["--", text(program)]);
    let fixed = fresh("static");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compare/server.c");
    cc(&fixed, &["-static", source]);
    assert_refused(&of(&fixed), &["is a static program", "link it dynamically"]);
    assert_refused(
        &of(&copy("set-uid", 0o4755)),
        &["is set-uid", "a copy without"],
    );
    assert_refused(&of(&copy("set-gid", 0o2755)), &["is set-gid"]);
    // A script is as its interpreter.
    let script = fresh("script");
    fs::write(&script, format!("#!{}\n", fixed.display())).expect("a script");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("permissions");
    assert_refused(&of(&script), &["is a static program"]);
}

#[test]
fn a_program_that_cannot_be_run_is_refused_with_what_to_do() {
    if !can_follow() {
        return;
    }
    let of = |program: &[&str]| compare_cairn(&[&["--"], program].concat());
    assert_refused(
        &of(&["no-such-program"]),
        &["no program no-such-program on PATH"],
    );
    assert_refused(
        &of(&[text(&copy("plain", 0o644))]),
        &["is not executable", "chmod +x"],
    );
    assert_refused(&of(&["/etc"]), &["/etc is not a program"]);
    assert_refused(
        &of(&["sh", "-c", "echo too bad >&2; exit 3"]),
        &[
            "the program fails on glibc",
            "exit status 3: too bad",
            "--status",
        ],
    );
    assert_refused(
        &compare_cairn(&["--timeout", "1s", "--", "sleep", "100"]),
        &["not done after 1 seconds"],
    );
    let mut command = common::plain(env!("CARGO_BIN_EXE_cairn"));
    command
        .args(["compare", "--", "sort"])
        .env("TMPDIR", "/no/such");
    assert_refused(
        &common::watch(&mut command),
        &["TMPDIR names another place"],
    );
    assert_refused(
        &compare_cairn(&["--json", "/no/such/file", "--", "sort"]),
        &["cannot write /no/such/file"],
    );
}

#[test]
fn where_ptrace_is_not_permitted_it_is_said() {
    let Some(strace) = common::find_working("strace", &["-o", "/dev/null", "true"]) else {
        return;
    };
    let mut command = common::plain(strace);
    command.args([
        "-f",
        "-o",
        "/dev/null",
        env!("CARGO_BIN_EXE_cairn"),
        "compare",
    ]);
    command.args(TUNED).args(["--", "sort", "/etc/passwd"]);
    assert_refused(
        &common::watch(&mut command),
        &["ptrace is not permitted here"],
    );
}
