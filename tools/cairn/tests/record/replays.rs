//! Traces made to run again.

use super::*;

use serde_json::Value;

/// Replays a trace with these arguments.
fn replay(file: &Path, more: &[&str]) -> Output {
    let library = format!("cairn={}", text(&common::libcairn()));
    let start = ["replay", text(file), "--replayer", text(replayer())];
    let both = ["--libraries", "glibc,cairn", "--library", &library];
    cairn(&[&start[..], &both, more].concat())
}

/// Whether a process here may follow another.
fn is_followed(output: &Output) -> bool {
    let followed = !String::from_utf8_lossy(&output.stderr).contains("ptrace is not permitted");
    if !followed {
        common::skip("ptrace is not permitted");
    }
    followed
}

#[test]
fn the_calls_are_made_again_in_their_threads_and_every_free_finds_its_object() {
    for what in ["kinds", "pass", "sequence", "large"] {
        let (file, events, _) = recorded(what);
        let json = file.with_extension("json");
        let plots = file.with_extension("plots");
        let more = [
            "--rounds",
            "2",
            "--json",
            text(&json),
            "--plots",
            text(&plots),
        ];
        let output = replay(&file, &more);
        if !is_followed(&output) {
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{what}: {}",
            common::describe(&output)
        );
        let steps = events
            .iter()
            .filter(|it| !matches!(it.call, Call::Failed | Call::Rest(_)))
            .count();
        assert!(
            said.contains(&format!("{steps} calls in ")),
            "{what}: {said}"
        );
        assert!(plots.join("memory-over-time.svg").is_file());
        if what == "large" {
            // A quarter of 8 MiB was used, then a half, which stays.
            let written = fs::read_to_string(&json).expect("the file");
            let json: Value = serde_json::from_str(&written).expect("it is JSON");
            for library in ["glibc", "cairn"] {
                let cost = &json["costs"][library][0];
                let kib = |name: &str| cost[name].as_f64().expect("a number");
                assert!((4000.0..6000.0).contains(&kib("final_kib")), "{written}");
                assert!(kib("peak_kib") < 8000.0, "{written}");
            }
        }
    }
}

#[test]
fn a_paced_replay_takes_the_programs_time() {
    let file = fresh("paced.trace");
    // Objects before the sleep and after it.
    let output = record(
        &file,
        &["sh", "-c", "exec 9<&0; sleep 0.3; x=$(echo y); exit 0"],
    );
    assert!(output.status.success(), "{}", common::describe(&output));
    let (events, _) = read(&file);
    let tick = Reader::open(&file).expect("a trace").start.tick;
    let last = events.last().expect("calls").time as f64 * tick;
    let json = file.with_extension("json");
    let output = replay(&file, &["--rounds", "1", "--paced", "--json", text(&json)]);
    if !is_followed(&output) {
        return;
    }
    let written = fs::read_to_string(&json).expect("the file");
    let json: Value = serde_json::from_str(&written).expect("it is JSON");
    // An allocator that does nothing takes it too, and that is subtracted.
    let said = String::from_utf8_lossy(&output.stdout);
    let (_, rest) = said
        .split_once("Subtracted: ")
        .expect("what was subtracted");
    let wall = rest
        .split(" ms")
        .nth(1)
        .and_then(|text| text.split(' ').nth(2));
    let wall: f64 = wall
        .and_then(|text| text.parse().ok())
        .expect("its wall time");
    assert!(wall / 1e3 >= last, "{said}\n{json}");
}

#[test]
fn an_advice_was_measured_twice_or_is_none() {
    let (file, ..) = recorded("kinds");
    let output = cairn(&[
        "advise",
        "--libraries",
        "glibc",
        "--looks",
        "1",
        "--rounds",
        "8",
        "--replayer",
        text(replayer()),
        text(&file),
    ]);
    if !is_followed(&output) {
        return;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", common::describe(&output));
    assert!(
        said.contains("glibc: ") && said.contains("settings tried"),
        "{said}"
    );
    let twice = said.contains("measured again in 8 rounds") || said.contains("nothing gains");
    assert!(twice || said.contains("no setting looked better"), "{said}");
}

#[test]
fn what_cannot_be_replayed_or_advised_is_said_in_a_line_with_what_to_do() {
    let (file, ..) = recorded("kinds");
    let replayer = text(replayer());
    let start = ["--replayer", replayer, text(&file)];
    let refused: [(&str, &[&str], &str); 5] = [
        (
            "replay",
            &["--libraries", "glibc,no-such"],
            "no library is called no-such",
        ),
        ("replay", &["--library", "other=/no/such.so"], "/no/such.so"),
        (
            "advise",
            &["--libraries", "no-such"],
            "no library is called no-such",
        ),
        (
            "replay",
            &["--json", "/no/such/file"],
            "cannot write /no/such/file",
        ),
        (
            "replay",
            &[
                "--knob",
                "MALLOC_ARENA_MAX=1,2",
                "--libraries",
                "glibc",
                "--",
                "false",
            ],
            "the program fails on MALLOC_ARENA_MAX=1, exit status 1; if that is its success, --status",
        ),
    ];
    for (command, more, words) in refused {
        let output = cairn(&[&[command], &start[..], more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("ptrace is not permitted") {
            common::skip("ptrace is not permitted");
            return;
        }
        assert!(
            output.status.code() == Some(2) && said.contains(words),
            "{more:?}: {}",
            common::describe(&output)
        );
    }
    for (program, words) in [
        ("false", "the program fails on glibc, exit status 1"),
        ("no-such-program", "no program no-such-program"),
    ] {
        let output = cairn(&["advise", "--libraries", "glibc", "--", program]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(words),
            "{}",
            common::describe(&output)
        );
    }
    let output = cairn(&["replay", text(&file), "--replayer", "/no/such"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--replayer /no/such"), "{said}");
}

/// Runs a command where the folder of temporary files has no room: one that is full from the start.
fn without_room(words: &str) -> Option<Output> {
    let folder = fresh("full");
    let line = format!(
        "mkdir -p '{0}' && mount -t tmpfs -o size=16k none '{0}' && TMPDIR='{0}' exec {words}",
        text(&folder)
    );
    let inside = ["-rm", "sh", "-c", &line];
    let probe = common::watch(common::plain("unshare").args(["-rm", "true"]));
    if !probe.status.success() {
        common::skip("no namespace of mounts can be made");
        return None;
    }
    Some(common::watch(common::plain("unshare").args(inside)))
}

#[test]
fn where_temporary_files_have_no_room_it_is_said_and_what_names_another_place() {
    let (file, ..) = recorded("kinds");
    let command = env!("CARGO_BIN_EXE_cairn");
    let replayer = text(replayer());
    for line in [
        format!("{command} replay --replayer {replayer} {}", text(&file)),
        format!("{command} advise --replayer {replayer} {}", text(&file)),
        format!("{command} compare -- true"),
    ] {
        let Some(output) = without_room(&line) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2)
                && said.contains("no space is left in")
                && said.contains("TMPDIR names another place"),
            "{line}: {}",
            common::describe(&output)
        );
    }
    // Recording stops, and the program goes on.
    let trace = fresh("full.trace");
    let (trace, recorder) = (text(&trace), text(recorder()));
    let calls = text(calls());
    let line = format!("{command} record --recorder {recorder} -o {trace} -- {calls} many");
    let Some(output) = without_room(&line) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(7)
            && said.contains("recording stops, the program goes on")
            && said.contains("TMPDIR names another place")
            && !said.contains("the program makes none"),
        "{}",
        common::describe(&output)
    );
}

#[test]
fn where_ptrace_is_not_permitted_a_replay_and_an_advice_say_so() {
    let Some(strace) = common::find_working("strace", &["-o", "/dev/null", "true"]) else {
        return;
    };
    let (file, ..) = recorded("kinds");
    let (file, replayer) = (text(&file), text(replayer()));
    let knob = ["--knob", "MALLOC_ARENA_MAX=,1", "--libraries", "glibc"];
    // Below a tracer nobody can be traced a second time.
    for what in [
        &[&["replay", "--replayer", replayer, file][..], &knob].concat()[..],
        &[
            "advise",
            "--libraries",
            "glibc",
            "--replayer",
            replayer,
            file,
        ],
        &["advise", "--libraries", "glibc", "--", "true"],
    ] {
        let mut command = common::plain(&strace);
        command.args(["-f", "-o", "/dev/null", env!("CARGO_BIN_EXE_cairn")]);
        let output = common::watch(command.args(what));
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or_default();
        assert!(
            output.status.code() == Some(2)
                && last.starts_with("cairn: ")
                && last.contains("ptrace is not permitted here"),
            "{what:?}: {}",
            common::describe(&output)
        );
    }
}
