//! `cairn top` and `cairn metrics`: sums without a look at the chunks, which are those of `stats`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, Seen, cairn, common, error, json, number};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const HEAP: [&str; 4] = ["30000", "2000", "10", "3"];

/// The samples of a text, by name and labels; what a parser of OpenMetrics would refuse ends the test.
#[track_caller]
fn samples(text: &str) -> BTreeMap<String, u64> {
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let (mut all, mut family) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert!(
                !text.contains(&format!("# TYPE {name} {kind}\n# TYPE")),
                "{line}"
            );
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            // A unit ends the name.
            let (name, unit) = rest.split_once(' ').expect("a unit");
            assert!(
                name == family && name.ends_with(&format!("_{unit}")),
                "{line}"
            );
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(
                sample.starts_with(&family) && sample.ends_with("\"}"),
                "{line}"
            );
            let before = all.insert(sample.to_owned(), value.parse().expect("a number"));
            assert_eq!(before, None, "{line}");
        }
    }
    all
}

/// The sum of a family.
fn sum(all: &BTreeMap<String, u64>, family: &str) -> u64 {
    let named = |name: &&String| name.starts_with(&format!("{family}{{"));
    all.iter()
        .filter(|(name, _)| named(name))
        .map(|(_, n)| n)
        .sum()
}

#[test]
fn the_samples_are_the_figures_of_stats() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(HEAP, &[]);
    let stats = json(&["stats", &seen.pid()]);
    let output = cairn(&["metrics", &seen.pid()]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = samples(&text);
    assert_eq!(
        sum(&all, "cairn_live_bytes"),
        number(&stats, "/mallinfo2/uordblks")
    );
    assert_eq!(
        sum(&all, "cairn_system_bytes"),
        number(&stats, "/mallinfo2/arena")
    );
    assert_eq!(
        sum(&all, "cairn_mapped_bytes"),
        number(&stats, "/mallinfo2/hblkhd")
    );
    assert_eq!(
        sum(&all, "cairn_mapped_chunks"),
        number(&stats, "/mallinfo2/hblks")
    );
    let parts = [
        "cairn_free_chunk_bytes",
        "cairn_free_slot_bytes",
        "cairn_top_bytes",
        "cairn_waiting_bytes",
        "cairn_cached_bytes",
    ];
    let free: u64 = parts.iter().map(|part| sum(&all, part)).sum();
    assert_eq!(free, number(&stats, "/mallinfo2/fordblks"), "{text}");
    assert!(sum(&all, "cairn_resident_bytes") > 0 && sum(&all, "cairn_page_faults_total") > 0);
    // What a trim takes is counted.
    let purged = sum(&all, "cairn_purged_bytes_total");
    let purges = sum(&all, "cairn_purges_total");
    let looks = sum(&all, "cairn_looks_total");
    let (grown, shrunk) = (
        sum(&all, "cairn_grown_bytes_total"),
        sum(&all, "cairn_shrunk_bytes_total"),
    );
    assert_eq!(
        grown - shrunk,
        sum(&all, "cairn_system_bytes"),
        "what heaps have is what they grew by: {text}"
    );
    assert!(sum(&all, "cairn_growths_total") > 0, "{text}");
    assert_eq!(sum(&all, "cairn_refused_bytes_total"), 0, "{text}");
    let mut seen = seen;
    let resident = seen.numbers("t");
    let output = cairn(&["metrics", &seen.pid()]);
    let after = samples(&String::from_utf8_lossy(&output.stdout));
    let more = sum(&after, "cairn_purged_bytes_total") - purged;
    assert!(sum(&after, "cairn_purges_total") > purges, "{text}");
    assert!(sum(&after, "cairn_looks_total") > looks, "{text}");
    let went = (resident[0] - resident[1]) * 1024;
    assert!(more > 0 && more <= went + (4 << 20), "{more} of {went}");
    // A series is written once.
    let output = cairn(&["metrics", &seen.pid(), &seen.pid()]);
    let twice = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(samples(&twice).len(), samples(&text).len(), "{twice}");
    // Somebody else may run on Cairn, too.
    let output = cairn(&["metrics", "--all"]);
    let all = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(samples(&all).len() >= samples(&text).len());
    assert!(all.contains(&format!("pid=\"{}\"", seen.pid())), "{all}");
}

#[test]
fn a_file_is_replaced_and_nothing_is_left_beside_it() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(HEAP, &[]);
    let dir = common::scratch().join(format!("metrics-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("cairn.prom");
    let path = file.to_str().expect("a path");
    for _ in 0..2 {
        let output = cairn(&["metrics", &seen.pid(), "-o", path]);
        assert!(output.status.success(), "{}", common::describe(&output));
        samples(&fs::read_to_string(&file).expect("the file"));
        assert_eq!(fs::read_dir(&dir).expect("the directory").count(), 1);
    }
    fs::remove_dir_all(&dir).expect("the directory");
    let said = error(&cairn(&["metrics", &seen.pid(), "-o", path]));
    assert!(said.contains("cannot write"), "{said}");
}

#[test]
fn who_asks_the_port_is_answered() {
    if seen::cannot_look() {
        return;
    }
    // The loopback address is taken where none is named.
    for place in ["0", "127.0.0.2:0"] {
        who_asks_is_answered(place);
    }
    let output = cairn(&["metrics", "--all", "--listen", "here"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("a port, or an address and a port"),
        "{said}"
    );
}

fn who_asks_is_answered(place: &str) {
    let seen = Seen::heap(HEAP, &[]);
    let server = Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(["metrics", &seen.pid(), "--listen", place])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut server = Ended(server);
    let mut said = String::new();
    let output = server.0.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut said).expect("a line");
    let at = said
        .trim()
        .strip_prefix("listening on http://")
        .expect("an address");
    let at = at.strip_suffix("/metrics").expect("a path");
    let named = if place == "0" {
        "127.0.0.1:"
    } else {
        "127.0.0.2:"
    };
    assert!(at.starts_with(named), "{at}");
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        // Piece by piece, as a slow network brings it.
        for part in [&format!("GET {path} HTTP/1.1\r\n"), "Host: x\r\n", "\r\n"] {
            stream.write_all(part.as_bytes()).expect("it reads");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    // One that says nothing keeps nobody away for long.
    drop(TcpStream::connect(at).expect("it listens"));
    let answer = ask("/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    samples(answer.split("\r\n\r\n").nth(1).expect("a body"));
    assert!(ask("/").starts_with("HTTP/1.1 404"));
    drop(seen);
    assert!(ask("/metrics").starts_with("HTTP/1.1 503"));
}

#[test]
fn the_table_shows_what_there_is() {
    if seen::cannot_look() {
        return;
    }
    let seen = Seen::heap(HEAP, &[]);
    for arguments in [
        &["top", "--count", "2", "--interval", "0.1"][..],
        &["top", &seen.pid(), "-c", "1"],
    ] {
        let output = cairn(arguments);
        assert!(output.status.success(), "{}", common::describe(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!(" {} ", seen.pid())), "{text}");
        assert!(
            text.contains("growth/s") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
    let said = error(&cairn(&["top", "5000000"]));
    assert!(said.contains("there is no process"), "{said}");
}
