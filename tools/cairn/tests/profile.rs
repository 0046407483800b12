//! `cairn profile`: estimates against what is known, the file against its format, and a process that is
//! switched on and off while everything happens in it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use cairn_profile::pprof;
use flate2::read::GzDecoder;
use prost::Message;
use seen::{Seen, cairn, common, error};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

const SITES: [&str; 4] = ["site_small", "site_middle", "site_large", "site_huge"];
const ON: [(&str, &str); 2] = [("CAIRN_PROFILE", "1"), ("CAIRN_PROFILE_INTERVAL", "4096")];

/// A child of `c-tests/tools/profiled.c` whose functions have names, and its first line.
fn profiled(arguments: &[&str], env: common::Env<'_>) -> (Seen, String) {
    let program = common::compile_c("tools/profiled.c", &["-O1", "-g", "-pthread", "-ldl"]);
    let mut command = common::preloaded(program);
    command.args(arguments).envs(env.iter().copied());
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let input = child.stdin.take().expect("a pipe");
    let output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = Seen::of(child, input, output);
    let line = seen.line();
    (seen, line)
}

/// The message of a file, read as its format says.
fn read(path: &Path) -> pprof::File {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).expect("the file");
    GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    pprof::File::decode(&*bytes).expect("a profile")
}

fn text(file: &pprof::File, number: i64) -> &str {
    &file.string_table[usize::try_from(number).expect("no sign")]
}

/// The values of all samples that have a function on their stack, by type.
fn values(file: &pprof::File, function: &str) -> BTreeMap<String, f64> {
    let functions: HashMap<u64, &str> = (file.function.iter())
        .map(|f| (f.id, text(file, f.name)))
        .collect();
    let locations: HashMap<u64, Vec<&str>> = (file.location.iter())
        .map(|l| {
            (
                l.id,
                l.line.iter().map(|x| functions[&x.function]).collect(),
            )
        })
        .collect();
    let mut sums = BTreeMap::new();
    for sample in &file.sample {
        assert_eq!(sample.value.len(), file.sample_type.len());
        let mut names = sample.location.iter().flat_map(|l| &locations[l]);
        if names.any(|name| *name == function) {
            for (kind, value) in file.sample_type.iter().zip(&sample.value) {
                *sums.entry(text(file, kind.kind).to_owned()).or_insert(0.0) += *value as f64;
            }
        }
    }
    sums
}

/// The mean of several processes is within 3 % of what was allocated and of what is in use, and each
/// within 10 %; every process draws its own numbers.
#[test]
fn estimates_are_what_was_allocated_and_what_is_in_use() {
    if seen::cannot_look() {
        return;
    }
    let rounds = common::of_form(6, 6, 20);
    let mut ratios: BTreeMap<(usize, &str), Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let (seen, line) = profiled(&[], &ON);
        let exact: Vec<f64> = (line.split_whitespace())
            .map(|word| word.parse().expect("a number"))
            .collect();
        let path = common::scratch().join(format!("estimates-{}-{round}.pb.gz", seen.pid()));
        let output = cairn(&["profile", &seen.pid(), "-o", path.to_str().expect("a path")]);
        assert!(output.status.success(), "{}", common::describe(&output));
        let file = read(&path);
        fs::remove_file(&path).expect("the file");
        for (i, site) in SITES.iter().enumerate() {
            let values = values(&file, site);
            assert!(!values.is_empty(), "{site} is in no stack");
            for (kind, exact) in [
                ("alloc_space", exact[2 * i]),
                ("inuse_space", exact[2 * i + 1]),
            ] {
                let ratio = values[kind] / exact;
                assert!((ratio - 1.0).abs() < 0.1, "{site} {kind}: {ratio}");
                ratios.entry((i, kind)).or_default().push(ratio);
            }
        }
    }
    for ((site, kind), all) in ratios {
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        println!(
            "{} {kind}: {mean:.4} of {} processes",
            SITES[site],
            all.len()
        );
        assert!(
            (mean - 1.0).abs() < 0.03,
            "{} {kind}: {mean}, {all:?}",
            SITES[site]
        );
    }
}

/// Field by field as readers of the format want it.
#[test]
fn the_file_is_whole() {
    if seen::cannot_look() {
        return;
    }
    let (seen, _) = profiled(&[], &ON);
    let dir = common::scratch();
    let path = dir.join(format!("whole-{}.pb.gz", seen.pid()));
    let graph = dir.join(format!("whole-{}.svg", seen.pid()));
    let output = cairn(&[
        "profile",
        &seen.pid(),
        "-o",
        path.to_str().expect("a path"),
        "--flame",
        graph.to_str().expect("a path"),
    ]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("site_huge (profiled.c:"), "{shown}");
    let file = read(&path);
    let svg = fs::read_to_string(&graph).expect("the graph");
    assert!(svg.starts_with("<?xml") && svg.contains("site_small"));
    fs::remove_file(&path).expect("the file");
    fs::remove_file(&graph).expect("the graph");
    let kinds: Vec<_> = (file.sample_type.iter())
        .map(|kind| (text(&file, kind.kind), text(&file, kind.unit)))
        .collect();
    assert_eq!(kinds, pprof::TYPES);
    assert_eq!(text(&file, 0), "");
    assert_eq!(file.period, 4096);
    assert_eq!(text(&file, file.default_sample_type), "inuse_space");
    assert!(file.duration_nanos > 0 && file.time_nanos > 1_600_000_000_000_000_000);
    for location in &file.location {
        let mapping = file.mapping.iter().find(|m| m.id == location.mapping);
        let mapping = mapping.expect("each frame of this program lies in a file");
        assert!((mapping.start..mapping.limit).contains(&location.address));
        assert!(!location.line.is_empty());
    }
    let library = (file.mapping.iter()).find(|m| text(&file, m.filename).contains("libc.so.6"));
    let id = text(&file, library.expect("libc").build_id);
    assert!(
        id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit()),
        "{id}"
    );
    let huge = values(&file, "site_huge");
    assert!(huge["resident_space"] > 0.0 && huge["resident_space"] < huge["inuse_space"] / 100.0);
    let main = values(&file, "main");
    // What it calls is a part of it.
    assert!(
        main["inuse_space"] >= huge["inuse_space"],
        "{huge:?} {main:?}"
    );
}

/// A process that was started without it; what came before is in no profile.
#[test]
fn a_running_process_is_switched_on_and_off() {
    if seen::cannot_look() {
        return;
    }
    let (seen, _) = profiled(&["storm", "3"], &[]);
    let pid = seen.pid();
    let said = error(&cairn(&["profile", &pid, "--stop"]));
    assert!(said.contains("has no samples"), "{said}");
    let output = cairn(&["profile", &pid, "--seconds", "1", "--interval", "65536"]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("storm (profiled.c:"), "{shown}");
    let (checked, _) = profiled(&["storm", "1"], &[("MALLOC_CHECK_", "1")]);
    let said = error(&cairn(&["profile", &checked.pid(), "--start"]));
    assert!(said.contains("check mode"), "{said}");
    let said = error(&cairn(&["profile", "999999999"]));
    assert!(said.contains("there is no process"), "{said}");
}

/// Threads allocate, fork, take signals, load and unload a library and end, while sampling begins and
/// ends from outside with one interval after the other.
#[test]
fn nothing_is_lost_in_a_storm() {
    if seen::cannot_look() {
        return;
    }
    let threads = common::of_form("16", "200", "200");
    let lasts = common::of_form(1, 10, 40);
    for stacks in ["tables", "frames"] {
        let env = [ON[0], ON[1], ("CAIRN_PROFILE_STACKS", stacks)];
        let (mut seen, _) = profiled(&["storm", threads], &env);
        let pid = seen.pid();
        let since = Instant::now();
        let mut turns = 0;
        while turns < 2 || since.elapsed() < Duration::from_secs(lasts) {
            for interval in ["512", "65536"] {
                let on = cairn(&["profile", &pid, "--start", "--interval", interval]);
                assert!(on.status.success(), "{}", common::describe(&on));
                let off = cairn(&["profile", &pid, "--stop", "--sites", "3"]);
                assert!(off.status.success(), "{}", common::describe(&off));
            }
            turns += 1;
        }
        assert_eq!(seen.ask("."), "done\n");
        assert!(seen.child.wait().expect("it ends").success());
    }
}

/// From the start to the end of a program, whose status is the command's.
#[test]
fn a_program_is_seen_at_its_end() {
    if seen::cannot_look() {
        return;
    }
    let program = common::compile_c("tools/profiled.c", &["-O1", "-g", "-pthread", "-ldl"]);
    let library = common::libcairn();
    let [program, library] = [&program, &library].map(|path| path.to_str().expect("a path"));
    let run = ["run", "--profile", "--library", library, "--", program];
    let output = cairn(&run);
    assert!(output.status.success(), "{}", common::describe(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("site_huge (profiled.c:"), "{said}");
    assert!(said.contains(" in use at the peak in "), "{said}");
    let fails = [
        "run",
        "--profile",
        "--library",
        library,
        "--",
        "sh",
        "-c",
        "exit 7",
    ];
    assert_eq!(cairn(&fails).status.code(), Some(7));
}
