//! CPU time and peak memory of whole programs on Cairn, against the system's allocator.
//!
//! ```text
//! cargo bench --bench against_glibc                       all of it
//! cargo bench --bench against_glibc -- trees gcc          what is named
//! cargo bench --bench against_glibc -- --pairs 5          quicker, coarser
//! cargo bench --bench against_glibc -- --check            fails above the limits
//! cargo bench --bench against_glibc -- --peer /path/to/libjemalloc.so.2
//! ```
//!
//! A run on one library is followed at once by a run on the next, and the order turns from round
//! to round, so that a machine that is slow for a while is slow for all of them. The ratio is
//! taken within a round; the median of the rounds is shown. Workloads are the C programs of
//! `bench/workloads`, with their seeds inside, and real programs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on stops with a message"
)]

use std::env;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Most CPU time, in glibc's, that a workload may take.
const TIME_LIMIT: f64 = 1.05;
/// Most peak memory, in glibc's, that a real program may take.
const MEMORY_LIMIT: f64 = 1.10;
/// Rounds when `--pairs` does not say otherwise.
const ROUNDS: usize = 15;

/// The C programs: name, source, arguments.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("pair-64", "pair.c", &["20000000", "64"]),
    ("pair-400", "pair.c", &["20000000", "400"]),
    ("pair-2000", "pair.c", &["10000000", "2000"]),
    ("batches", "batches.c", &[]),
    ("trees", "trees.c", &[]),
    ("lists", "lists.c", &[]),
    ("churn", "churn.c", &[]),
    ("churn-small", "churn.c", &["3000", "3000000"]),
    ("phases", "phases.c", &[]),
    ("grow", "grow.c", &[]),
    ("strings", "strings.c", &[]),
    ("zeroed", "zeroed.c", &[]),
    ("large", "large.c", &[]),
    ("larson", "larson.c", &[]),
    ("handoff", "handoff.c", &[]),
    ("threads", "threads.c", &[]),
];

/// What Python does: a dictionary of lists of strings, and text out of it.
const PYTHON: &str = "
import json
d = {str(i): [str(i * j) for j in range(8)] for i in range(60000)}
text = json.dumps(d)
back = json.loads(text)
print(sum(len(v) for v in back.values()), len(text))
";

/// Something of a size for the compiler to chew on.
const C_SOURCE: &str = "
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#define F(n) int f##n(int a, char *b) { int s = 0; for (int i = 0; i < a; i++) { \\
    switch ((b[i] ^ i) % 7) { case 0: s += i * n; break; case 1: s ^= b[i]; break; \\
    case 2: s = (s << 3) | n; break; case 3: s -= (int)strlen(b); break; \\
    default: s *= 31 + n; } } return s; }
#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
#define H(n) G(n##1) G(n##2) G(n##3) G(n##4) G(n##5) G(n##6)
H(1) H(2) H(3) H(4)
int main(void) { return f110(3, \"abc\"); }
";

/// A sequence of commands for redis: many small values, overwritten and deleted.
const REDIS: &str = "
redis-server --port 0 --unixsocket \"$1/redis.sock\" --save '' --appendonly no --dir \"$1\" >/dev/null &
server=$!
until LD_PRELOAD= redis-cli -s \"$1/redis.sock\" ping >/dev/null 2>&1; do sleep 0.01; done
LD_PRELOAD= redis-benchmark -s \"$1/redis.sock\" -n 60000 -r 50000 -d 120 -P 16 -q -t set,lpush,hset >/dev/null
LD_PRELOAD= redis-cli -s \"$1/redis.sock\" shutdown nosave >/dev/null 2>&1
wait $server
";

/// A repository of many files, for git to pack from scratch; made once.
const GIT_SETUP: &str = "
set -e
cd \"$1\"
test -d repository/.git && exit 0
mkdir -p repository && cd repository && git init -q .
for commit in 1 2 3; do
    i=0
    while [ $i -lt 400 ]; do
        seq $i $commit $((i + 900 * commit)) > file$i
        i=$((i + 1))
    done
    git add . && git -c user.name=bench -c user.email=bench@localhost commit -q -m $commit
done
";

/// A program and how to start it.
struct Workload {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// A program that people use, for which the memory limit holds too.
    real: bool,
}

/// A library to preload; none is the system's.
struct Library {
    name: String,
    path: Option<PathBuf>,
}

/// What one run cost.
#[derive(Clone, Copy)]
struct Cost {
    /// Seconds of CPU, user and system, of the program and its children.
    cpu: f64,
    /// Peak resident KiB of the largest process.
    peak: f64,
}

struct Wanted {
    rounds: usize,
    check: bool,
    peers: Vec<PathBuf>,
    names: Vec<String>,
}

fn main() -> ExitCode {
    let wanted = wanted();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("against_glibc");
    fs::create_dir_all(&scratch).expect("no scratch directory");

    let mut libraries = vec![Library {
        name: "glibc".to_owned(),
        path: None,
    }];
    let cairn = env::var_os("CAIRN_SO").map_or_else(build_cairn, PathBuf::from);
    for path in std::iter::once(cairn).chain(wanted.peers) {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        libraries.push(Library {
            name: name.unwrap_or_default(),
            path: Some(path),
        });
    }

    print!("{:<14} {:>9} {:>9}", "", "glibc s", "KiB");
    for library in libraries.iter().skip(1) {
        print!("   {:>16} {:>6}", format!("{} time", library.name), "peak");
    }
    println!();

    let mut excess = Vec::new();
    for workload in workloads(&scratch, &wanted.names) {
        let costs = measure(&workload, &libraries, wanted.rounds);
        excess.extend(show(&workload, &libraries, &costs));
    }
    for line in &excess {
        println!("above the limit: {line}");
    }
    if wanted.check && !excess.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn wanted() -> Wanted {
    let mut wanted = Wanted {
        rounds: ROUNDS,
        check: false,
        peers: Vec::new(),
        names: Vec::new(),
    };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("an option without its value");
        match argument.as_str() {
            "--pairs" => wanted.rounds = value().parse().expect("--pairs takes a number"),
            "--peer" => wanted.peers.push(value().into()),
            "--check" => wanted.check = true,
            // cargo bench passes this to every bench.
            "--bench" => {}
            _ => wanted.names.push(argument),
        }
    }
    assert!(wanted.rounds > 0, "--pairs takes at least 1");
    wanted
}

fn build_cairn() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libcairn");
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "-p", "cairn-preload"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo does not start");
    assert!(built.success(), "libcairn.so does not build");
    target.join("release").join("libcairn.so")
}

fn workloads(scratch: &Path, names: &[String]) -> Vec<Workload> {
    let chosen = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let mut list = Vec::new();
    for (name, source, arguments) in PROGRAMS.iter().filter(|(name, ..)| chosen(name)) {
        list.push(Workload {
            name,
            program: compile(scratch, source),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            real: false,
        });
    }
    let source = scratch.join("source.c");
    fs::write(&source, C_SOURCE).expect("cannot write to the scratch directory");
    let dir = scratch.to_string_lossy().into_owned();
    let source = source.to_string_lossy().into_owned();
    let repository = format!("{dir}/repository");
    let text = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    for (name, program, arguments) in [
        ("python3", "python3", text(&["-c", PYTHON])),
        (
            "git",
            "git",
            text(&["-C", &repository, "-c", "pack.threads=1", "repack", "-adfq"]),
        ),
        (
            "gcc",
            "gcc",
            text(&["-O2", "-c", &source, "-o", &format!("{dir}/source.o")]),
        ),
        ("redis", "redis-server", text(&["-c", REDIS, "redis", &dir])),
    ] {
        if !chosen(name) {
            continue;
        }
        let Some(found) = find(program) else {
            println!("{name:<14} skipped: {program} is not installed");
            continue;
        };
        if name == "git" {
            let made = Command::new("sh")
                .args(["-c", GIT_SETUP, "setup", &dir])
                .status();
            assert!(
                made.is_ok_and(|status| status.success()),
                "no repository for git"
            );
        }
        list.push(Workload {
            name,
            program: if name == "redis" { "sh".into() } else { found },
            arguments,
            real: true,
        });
    }
    list
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn compile(scratch: &Path, source: &str) -> PathBuf {
    let program = scratch.join(source.trim_end_matches(".c"));
    let compiled = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-O2", "-fno-builtin", "-pthread", "-o"])
        .arg(&program)
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("bench/workloads")
                .join(source),
        )
        .status()
        .expect("no C compiler");
    assert!(compiled.success(), "{source} does not compile");
    program
}

/// All rounds; the first, which warms the file cache, is not counted.
fn measure(workload: &Workload, libraries: &[Library], rounds: usize) -> Vec<Vec<Cost>> {
    for library in libraries {
        run(workload, library);
    }
    (0..rounds)
        .map(|round| {
            let mut costs = vec![
                Cost {
                    cpu: 0.0,
                    peak: 0.0
                };
                libraries.len()
            ];
            for step in 0..libraries.len() {
                let at = (round + step) % libraries.len();
                if let (Some(cost), Some(library)) = (costs.get_mut(at), libraries.get(at)) {
                    *cost = run(workload, library);
                }
            }
            costs
        })
        .collect()
}

fn run(workload: &Workload, library: &Library) -> Cost {
    let mut command = Command::new(&workload.program);
    command
        .args(&workload.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    match &library.path {
        Some(path) => command.env("LD_PRELOAD", path),
        // A program may be linked with an allocator of its own (Debian's redis is, with
        // jemalloc): glibc in front of it makes glibc's malloc the one that is found.
        None => command.env("LD_PRELOAD", "libc.so.6"),
    };
    #[expect(
        clippy::zombie_processes,
        reason = "wait4, below, also says what it cost"
    )]
    let child = command.spawn().expect("the workload does not start");
    let pid = child.id().try_into().expect("a pid beyond pid_t");
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage, which has only numbers in it.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: both structures outlive the call; the child is ours and is waited for here alone.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert!(
        waited == pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        "{} on {} ended with status {status:#x}",
        workload.name,
        library.name
    );
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    Cost {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak: usage.ru_maxrss as f64,
    }
}

/// Prints a line, and returns what was above a limit.
fn show(workload: &Workload, libraries: &[Library], rounds: &[Vec<Cost>]) -> Vec<String> {
    let each =
        |of: &dyn Fn(&[Cost]) -> Option<f64>| median(rounds.iter().filter_map(|round| of(round)));
    let cpu = each(&|round| Some(round.first()?.cpu));
    let peak = each(&|round| Some(round.first()?.peak));
    print!("{:<14} {cpu:>9.3} {peak:>9.0}", workload.name);
    let mut excess = Vec::new();
    for (at, library) in libraries.iter().enumerate().skip(1) {
        let time = each(&|round| Some(round.get(at)?.cpu / round.first()?.cpu));
        let memory = each(&|round| Some(round.get(at)?.peak / round.first()?.peak));
        print!("   {time:>16.2} {memory:>6.2}");
        if at == 1 && time > TIME_LIMIT {
            excess.push(format!(
                "{} on {}: time {time:.2}",
                workload.name, library.name
            ));
        }
        if at == 1 && workload.real && memory > MEMORY_LIMIT {
            excess.push(format!(
                "{} on {}: memory {memory:.2}",
                workload.name, library.name
            ));
        }
    }
    println!();
    excess
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
