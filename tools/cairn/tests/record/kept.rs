//! Traces of real programs that are kept in `tests/traces`: what it costs to replay them on Cairn.
//!
//! `UPDATE_GOLDEN=1 cargo test -p cairn-tools --test record` writes the figures anew; the limits
//! against glibc are changed by hand.

use super::*;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Replays of one trace, of which the middle one counts.
const RUNS: usize = 3;
/// How far a figure may be from its golden one where one thread allocates: a part of it, and some
/// pages, faults or locks.
const WITHIN: (f64, f64) = (0.03, 12.0);
/// KiB of a page.
const PAGE: f64 = 4.0;

/// What `golden.toml` has.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Golden {
    /// Figures are compared where this is the kernel.
    kernel: String,
    /// The most that peak memory may be, of glibc's in the same run.
    peak_at_most: BTreeMap<String, f64>,
    /// The most of each where several threads allocate: how far one runs ahead of another, and so
    /// what lives at a time and who waits for whom, is another each time.
    threads_at_most: BTreeMap<String, Figures>,
    figures: BTreeMap<String, Figures>,
}

/// Of one trace.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Figures {
    peak_kib: f64,
    faults: f64,
    locks: f64,
}

impl Figures {
    fn is_within(self, most: Self) -> bool {
        self.peak_kib <= most.peak_kib && self.faults <= most.faults && self.locks <= most.locks
    }
}

fn folder() -> PathBuf {
    common::root().join("tests/traces")
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let numbers: Vec<&str> = release.split(['.', '-']).take(2).collect();
    format!("{} {}", numbers.join("."), std::env::consts::ARCH)
}

/// One replay, and what the statistics build says of locks.
fn play(script: &Path, library: &Path) -> (Value, f64) {
    let mut command = common::plain(replayer());
    command
        .arg(script)
        .env("LD_PRELOAD", library)
        .env("CAIRN_VERBOSE", "1");
    // Of a file the kernel maps the pages around one that is touched too, by its address: at random
    // ones a peak is up to 100 KiB another each time.
    // SAFETY: between fork and exec, one system call.
    unsafe {
        command.pre_exec(|| {
            libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            Ok(())
        });
    }
    let output = common::watch(&mut command);
    assert!(output.status.success(), "{}", common::describe(&output));
    let said = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let locks = words
        .lines()
        .find_map(|line| {
            line.strip_prefix("cairn: locks taken: ")?
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0.0);
    (said, locks)
}

/// The middle one of some replays.
fn middle(script: &Path, library: &Path, figure: &str) -> f64 {
    let mut values: Vec<f64> = (0..RUNS)
        .map(|_| play(script, library).0[figure].as_f64().expect("a number"))
        .collect();
    values.sort_by(f64::total_cmp);
    values[RUNS / 2]
}

#[test]
fn replays_of_real_programs_cost_what_they_did() {
    let libc = Path::new("libc.so.6");
    let cairn = common::libcairn();
    let counting = common::build_libcairn("libcairn-stats", &["--features", "stats"])
        .expect("the statistics build");
    let path = folder().join("golden.toml");
    let mut golden: Golden =
        toml::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let is_here = golden.kernel == kernel();
    let mut wrong = Vec::new();
    let entries = fs::read_dir(folder()).expect("the traces").flatten();
    let mut traces: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "trace"))
        .collect();
    traces.sort();
    assert_eq!(traces.len(), 12);
    for trace in traces {
        let name = trace
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let script = fresh(&format!("{name}.script"));
        let mut reader = Reader::open(&trace).expect("a trace");
        let made = traces::script::write(&mut reader, &script).expect("a script");
        let found = Figures {
            peak_kib: middle(&script, &cairn, "peak_kib"),
            faults: middle(&script, &cairn, "faults"),
            locks: play(&script, &counting).1,
        };
        let system = middle(&script, libc, "peak_kib");
        let ratio = found.peak_kib / system;
        println!("{name:>16} {found:?}, {ratio:.2} of glibc's peak");
        assert!(
            found.locks > 0.0,
            "{name}: the statistics build counts no locks"
        );
        if made.threads > 1 {
            let most = golden.threads_at_most.get(&name).copied();
            let most = most.unwrap_or_default();
            if is_here && !found.is_within(most) {
                wrong.push(format!("{name}: {found:?}, at most {most:?}"));
            }
            continue;
        }
        let most = golden.peak_at_most.get(&name).copied().unwrap_or(0.0);
        if ratio > most {
            wrong.push(format!(
                "{name}: {ratio:.2} of glibc's peak, at most {most}"
            ));
        }
        let before = golden.figures.get(&name).copied().unwrap_or_default();
        for (what, now, then, grain) in [
            ("KiB at the peak", found.peak_kib, before.peak_kib, PAGE),
            ("page faults", found.faults, before.faults, 1.0),
            ("locks", found.locks, before.locks, 1.0),
        ] {
            let may = then * WITHIN.0 + WITHIN.1 * grain;
            if !update && is_here && (now - then).abs() > may {
                wrong.push(format!("{name}: {now} {what}, {then} in golden.toml"));
            }
        }
        if update {
            golden.figures.insert(name, found);
        }
    }
    if update {
        golden.kernel = kernel();
        let text = toml::to_string(&golden).expect("it can be written");
        fs::write(&path, text).expect("golden.toml");
    } else if !is_here {
        println!(
            "golden.toml is of {}: compared with glibc alone",
            golden.kernel
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
