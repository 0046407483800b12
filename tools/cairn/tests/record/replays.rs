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
