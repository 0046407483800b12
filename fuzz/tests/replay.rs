//! The corpus, then new inputs from a fixed seed, through each target, without a fuzzer: what CI
//! runs. `FUZZ_TARGET`, `FUZZ_RUNS` and `FUZZ_SEED` ask for others, `FUZZ_NUMBER` for one of them,
//! `FUZZ_INPUT` for one file; `FUZZ_TRACE` tells the steps.

use cairn_fuzz::source::Source;
use cairn_fuzz::{counted, environment, misuse, operations, scene, snapshot, system};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::{env, fs, panic};

/// New inputs of each target; of `snapshot`, which reads a whole heap each time, one in ten.
const RUNS: u64 = 20_000;
/// Bytes of the longest.
const LONGEST: usize = 1024;

/// The input that is being run, for the last words.
static NOW: Mutex<String> = Mutex::new(String::new());

type Target = (&'static str, fn(&[u8]));
const TARGETS: [Target; 4] = [
    ("operations", operations),
    ("misuse", misuse),
    ("environment", environment),
    ("snapshot", snapshot),
];

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The files below a target's corpus, in order of name.
fn corpus(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

fn run(name: &str, body: fn(&[u8]), data: &[u8], what: String) {
    *NOW.lock().expect("the name") = format!("{name}, {what}");
    body(data);
}

/// Says which input it was, also when the process ends by a signal.
fn name_the_input() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Perhaps Cairn was running, and what it writes is kept from the screen.
        system::set_inside(false);
        eprintln!("input: {:?}", NOW.try_lock().as_deref());
        hook(info);
    }));
    extern "C" fn fault(signal: libc::c_int) {
        system::set_inside(false);
        eprintln!("signal {signal}, input: {:?}", NOW.try_lock().as_deref());
        // SAFETY: ends the process.
        unsafe { libc::_exit(128 + signal) };
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        let handler: extern "C" fn(libc::c_int) = fault;
        // SAFETY: the handler ends the process, whatever it interrupted.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

fn main() {
    // A process that has had threads, as under the fuzzer: `fork` then takes one lock more.
    let _ = std::thread::spawn(|| ()).join();
    name_the_input();
    scene::TRACE.store(env::var_os("FUZZ_TRACE").is_some(), Relaxed);
    let (runs, seed) = (number("FUZZ_RUNS", RUNS), number("FUZZ_SEED", 1));
    let wanted = env::var("FUZZ_TARGET").ok();
    let input = env::var("FUZZ_INPUT").ok();
    for (name, body) in TARGETS {
        if wanted.as_deref().is_some_and(|w| w != name) {
            continue;
        }
        if let Some(path) = &input {
            let data = fs::read(path).expect("the input");
            run(name, body, &data, path.clone());
            continue;
        }
        let files = corpus(name);
        for file in &files {
            let data = fs::read(file).expect("a file of the corpus");
            run(name, body, &data, file.display().to_string());
        }
        let only = env::var_os("FUZZ_NUMBER").map(|_| number("FUZZ_NUMBER", 0));
        let runs = if name == "snapshot" { runs / 10 } else { runs };
        for i in only.map_or(0..runs, |n| n..n + 1) {
            let mut random = Source::new(&[]);
            random.reseed(seed << 32 | i);
            let len = random.below(LONGEST);
            let data: Vec<u8> = (0..len).map(|_| random.byte()).collect();
            run(name, body, &data, format!("seed {seed}, number {i}"));
        }
        let (all, each) = counted();
        println!(
            "{name}: {all} executions, {} of them of the corpus, {each:.1} operations each",
            files.len()
        );
    }
}
