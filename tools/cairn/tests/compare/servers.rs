//! Servers under a load.

use super::*;

/// A server is measured under a load, in this form.
fn serve(form: &str) {
    let (socket, json) = (
        fresh(&format!("socket{form}")),
        fresh(&format!("{form}.json")),
    );
    let (program, socket) = (text(server()), text(&socket));
    let output = compare_cairn(&[
        "--rounds",
        "2",
        "--server",
        &format!("{program} serve {socket} {form}"),
        "--ready",
        &format!("{program} ask {socket}"),
        "--load",
        &format!("{program} ask {socket} 20"),
        "--json",
        text(&json),
    ]);
    assert_says(&output, 0, &["2 rounds in ", "cairn: 2 rounds cannot show"]);
    let written = fs::read_to_string(&json).expect("the file");
    let json: Value = serde_json::from_str(&written).expect("it is JSON");
    for library in ["glibc", "cairn"] {
        for cost in json["costs"][library].as_array().expect("its runs") {
            // The memory of the server, and not that of the load.
            assert!(cost["peak_kib"].as_f64() > Some(16384.0), "{written}");
            assert!(cost["cpu"].as_f64() > Some(0.0), "{written}");
        }
    }
    let ask = common::watch(common::plain(server()).args(["ask", socket]));
    assert!(!ask.status.success(), "the server is still there");
}

#[test]
fn a_server_is_measured_under_its_load_and_ends() {
    serve("");
}

#[test]
fn a_server_that_goes_into_the_background_is_measured_and_ends() {
    serve("daemon");
}

#[test]
fn what_is_wrong_with_a_server_or_its_load_is_said() {
    let with = |server: &str, ready: &str, load: &str| {
        compare_cairn(&[
            "--rounds", "1", "--server", server, "--ready", ready, "--load", load,
        ])
    };
    let (program, socket) = (text(server()), fresh("wrong"));
    let serve = format!("{program} serve {}", text(&socket));
    let ask = format!("{program} ask {}", text(&socket));
    assert_refused(&with(&serve, "true", "true"), &["another one runs already"]);
    assert_refused(
        &with("echo no port >&2; exit 7", &ask, "true"),
        &["the server ended at once, exit status 7: no port"],
    );
    assert_refused(
        &with(&serve, &ask, "echo no client >&2; exit 5"),
        &["the load fails, exit status 5: no client"],
    );
}

/// Who measures is killed while a shell runs several commands: none of them is left.
#[test]
fn nothing_of_a_server_is_left_when_the_command_is_killed() {
    if !can_follow() {
        return;
    }
    // A name that nobody else's process has.
    let seconds = format!("7{:09}", std::process::id());
    let is_there = || {
        let entries = fs::read_dir("/proc").expect("processes").flatten();
        entries
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .any(|line| line.starts_with(b"sleep\0") && contains(&line, seconds.as_bytes()))
    };
    let mut command = common::plain(env!("CARGO_BIN_EXE_cairn"));
    let mut child = command
        .args([
            "compare",
            "--libraries",
            "glibc",
            "--knob",
            "MALLOC_ARENA_MAX=,1",
        ])
        .args([
            "--server",
            &format!("sleep {seconds} & sleep {seconds}; true"),
        ])
        .args(["--ready", "false", "--load", "true"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    await_that("the server is there", is_there);
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
    await_that("the server is gone", || !is_there());
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Looks until something holds, with the patience of all tests.
fn await_that(what: &str, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not so: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
