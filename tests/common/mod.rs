//! What the tests that run whole programs share: the library under test,
//! compiled C programs, runs that cannot hang, and the two heap modes.
//!
//! Each test binary compiles this file for itself and uses a part of it.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by test binaries that each use a part; a test reports by panicking"
)]

mod compile;
mod form;
pub mod pages;
pub mod workloads;

pub use compile::{compile_c, compile_cxx};

pub use form::of_form;
use std::env;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::io::{self, Read, Write as _};
use std::mem;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Variables for a child, on top of a cleaned environment.
pub type Env<'a> = &'a [(&'a str, &'a str)];

/// How long a program may take before the watchdog ends it. Far above what
/// any takes alone: cores that ten others share stretch the honest ones.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at whether a child has ended.
const LOOK: Duration = Duration::from_millis(2);

/// What a program of the tests returns that finds it cannot test anything here.
pub const CANNOT: i32 = 77;

/// With runs and without. Whatever a user is promised holds in both.
pub const MODES: [Env<'static>; 2] = [&[], &[("CAIRN_RUN_MAX", "0")]];

/// The largest request that runs serve, and the mode in which it is so. In the second a few
/// hundred bytes have headers, as in the last, and the smallest have none, as in the first.
pub const RUN_LIMITS: [(usize, Env<'static>); 3] = [
    (512, MODES[0]),
    (128, &[("CAIRN_RUN_MAX", "128")]),
    (0, MODES[1]),
];

/// Calls `body` once per heap mode with the variables that select it, and
/// names the mode when the body fails. In check mode there are no runs, and so there is one.
pub fn for_each_mode(mut body: impl FnMut(Env<'_>)) {
    let modes = if IN_CHECK_MODE { 1 } else { MODES.len() };
    for &mode in &MODES[..modes] {
        let _named = Named(mode);
        body(mode);
    }
}

/// As [`for_each_mode`]; in the short form in the usual heap alone. For whole programs that take long.
pub fn for_each_mode_if_long(mut body: impl FnMut(Env<'_>)) {
    if is_long() {
        return for_each_mode(body);
    }
    let _named = Named(MODES[0]);
    body(MODES[0]);
}

/// The heap modes that a program of many runs in: both in the long form, else the one that the length
/// of `name` picks, so that each mode has about half of them. In check mode there is one.
pub fn modes_of(name: &str) -> &'static [Env<'static>] {
    if IN_CHECK_MODE {
        return &MODES[..1];
    }
    if is_long() {
        return &MODES;
    }
    let picked = name.len() % MODES.len();
    &MODES[picked..=picked]
}

/// `mode` and `more` together, for [`run`].
pub fn with<'a>(mode: Env<'a>, more: Env<'a>) -> Vec<(&'a str, &'a str)> {
    [mode, more].concat()
}

/// Prints the heap mode if the test panics within it.
struct Named(Env<'static>);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("heap mode: {:?} (empty: with runs)", self.0);
        }
    }
}

/// The repository, also for the tests of a member.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_root = |dir: &&Path| dir.join("c-tests").is_dir();
    here.ancestors().find(is_root).unwrap_or(here)
}

/// Where the tests may write, below cargo's target directory.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// What runs the programs, where they are not this machine's: an emulator and its arguments.
/// `.ci/aarch64` sets it, together with `CC`, `CXX` and `CAIRN_LIBRARY`, and runs the test files
/// of C programs once more.
fn emulator() -> Option<Vec<String>> {
    let words = env::var("CAIRN_EMULATOR").ok()?;
    Some(words.split_whitespace().map(str::to_owned).collect())
}

/// `libcairn.so`, built on first use; or the one that `CAIRN_LIBRARY` names.
///
/// The build has a target directory of its own, so it never waits for a lock
/// that the `cargo test` around it may hold; two test binaries that start at
/// once are put in order by cargo's lock on that directory.
pub fn libcairn() -> PathBuf {
    if let Some(library) = env::var_os("CAIRN_LIBRARY") {
        return library.into();
    }
    // A failure is kept too: one build that fails, not one for every test.
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(|| build_libcairn("libcairn", &[])) {
        Ok(library) => library.clone(),
        Err(errors) => panic!("libcairn.so does not build:\n{errors}"),
    }
}

/// A cargo that works on the repository, as if no other one ran this test.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    // What cargo tells a test about its own package is not meant for another
    // cargo, and would make it build everything anew.
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.env_remove("CARGO_BUILD_TARGET");
    cargo
}

/// Builds `libcairn.so` in a target directory of that name, with more arguments for cargo.
pub fn build_libcairn(name: &str, more: &[&str]) -> Result<PathBuf, String> {
    let more = [&["--release"], more].concat();
    let built = build("cairn-preload", name, &more)?.join("release/libcairn.so");
    Ok(loadable(built, &format!("{name}/release")))
}

/// A directory for what `LD_PRELOAD` has to name: there a space or a colon ends a name.
pub fn nameable() -> PathBuf {
    if !scratch().to_string_lossy().contains([' ', ':', ';']) {
        return scratch().to_owned();
    }
    let dir = env::temp_dir().join(format!("cairn-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory without a space");
    dir
}

/// The file by a path that `LD_PRELOAD` can name, with the folders that are named.
pub fn loadable(file: PathBuf, folders: &str) -> PathBuf {
    if file.starts_with(nameable()) {
        return file;
    }
    let dir = nameable().join(folders);
    let link = dir.join(file.file_name().expect("a file"));
    fs::create_dir_all(&dir).expect("a directory for a link");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&file, &link).expect("a link to the file");
    link
}

/// Builds a package of the workspace in a target directory of that name, and returns that.
pub fn build(package: &str, name: &str, more: &[&str]) -> Result<PathBuf, String> {
    let target = scratch().join(name);
    let mut cargo = cargo();
    cargo
        .args(["build", "--quiet", "-p", package])
        .args(more)
        .arg("--target-dir")
        .arg(&target);
    let built = cargo.output().expect("cargo does not start");
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    Ok(target)
}

/// Runs a program on Cairn. Ends it, and fails, after [`PATIENCE`].
pub fn run(program: impl AsRef<OsStr>, args: &[&str], env: Env<'_>) -> Output {
    watch(preloaded(program).args(args).envs(env.iter().copied()))
}

/// Runs a program on the system's own malloc.
pub fn run_plain(program: impl AsRef<OsStr>, args: &[&str], env: Env<'_>) -> Output {
    watch(plain(program).args(args).envs(env.iter().copied()))
}

/// A command without preload and without any variable that a malloc reads.
pub fn plain(program: impl AsRef<OsStr>) -> Command {
    let mut command = match emulator() {
        Some(words) => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg(program);
            command
        }
        None => Command::new(program),
    };
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CAIRN_") || text.starts_with("MALLOC_") {
            command.env_remove(&name);
        }
    }
    command
        .env_remove("LD_PRELOAD")
        .env_remove("GLIBC_TUNABLES")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// A command with `libcairn.so` preloaded and none of its switches set.
///
/// `tests/check_mode.rs` includes other test files as modules; their programs run in check mode.
pub fn preloaded(program: impl AsRef<OsStr>) -> Command {
    let mut command = plain(program);
    command.env("LD_PRELOAD", libcairn());
    if IN_CHECK_MODE {
        command.env("MALLOC_CHECK_", "3");
        // Stacks take time and memory: `tests/check_mode_stacks.rs` has its own programs.
        command.env("CAIRN_CHECK_STACKS", "0");
    }
    command
}

/// Whether this file belongs to a test file that `tests/check_mode.rs` includes.
pub const IN_CHECK_MODE: bool = ends_with(module_path!(), "_in_check_mode::common");

/// Whether a promise is another one in check mode, so that its test has nothing to say there.
/// `docs/check-mode.md` lists them.
pub fn differs_in_check_mode(how: &str) -> bool {
    if IN_CHECK_MODE {
        eprintln!("not promised in check mode: {how}");
    }
    IN_CHECK_MODE
}

const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    let mut i = 0;
    while i < end.len() {
        if i == text.len() || text[text.len() - 1 - i] != end[end.len() - 1 - i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Runs a command to its end, which the watchdog brings after [`PATIENCE`].
pub fn watch(command: &mut Command) -> Output {
    // An emulated program takes ten times as long.
    let times = if emulator().is_some() { 4 } else { 1 };
    watch_for(command, PATIENCE * times)
}

/// Runs a command; after `patience` kills it with all that it started, and
/// fails with what it had written.
///
/// Standard input is empty, both outputs are captured.
pub fn watch_for(command: &mut Command, patience: Duration) -> Output {
    no_core_files();
    if emulator().is_some() {
        preload_in_the_emulated(command);
        let mut output = watch_process(command, patience);
        without_lines(&mut output.stderr, "qemu: uncaught target signal ");
        return output;
    }
    let mut output = watch_process(command, patience);
    // From 2.41 on the loader says so of a tunable whose value cannot be used.
    without_lines(
        &mut output.stderr,
        "WARNING: ld.so: invalid GLIBC_TUNABLES ",
    );
    output
}

/// The library is the program's, not the emulator's.
fn preload_in_the_emulated(command: &mut Command) {
    let preload = command
        .get_envs()
        .find_map(|(name, value)| (name == "LD_PRELOAD").then_some(value?))
        .map(|libraries| format!("LD_PRELOAD={}", libraries.display()));
    if let Some(preload) = preload {
        command
            .env_remove("LD_PRELOAD")
            .env("QEMU_SET_ENV", preload);
    }
}

/// What others write into a program's standard error: qemu when a signal ends the program, or a
/// child of it, and the loader.
fn without_lines(stderr: &mut Vec<u8>, beginning: &str) {
    let others = |line: &[u8]| line.starts_with(beginning.as_bytes());
    if stderr.split(|&byte| byte == b'\n').any(others) {
        let lines = stderr.split_inclusive(|&byte| byte == b'\n');
        *stderr = lines
            .filter(|line| !others(line))
            .collect::<Vec<_>>()
            .concat();
    }
}

fn watch_process(command: &mut Command, patience: Duration) -> Output {
    let shown = format!("{command:?}");
    let deadline = Instant::now() + patience;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that a fork bomb of a test dies with it.
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());

    let status = wait_until(&mut child, deadline);
    // A grandchild may hold the pipes open after the child has ended.
    let rest = |pipe: Receiver<Vec<u8>>| {
        let left = deadline.saturating_duration_since(Instant::now());
        pipe.recv_timeout(left.max(Duration::from_secs(1)))
    };
    let (stdout, stderr) = (rest(stdout), rest(stderr));
    match (status, stdout, stderr) {
        (Some(status), Ok(stdout), Ok(stderr)) => Output {
            status,
            stdout,
            stderr,
        },
        (status, stdout, stderr) => {
            kill_group(&child);
            let _ = child.wait();
            let text = |bytes: Result<Vec<u8>, _>| match bytes {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(_) => "(still open)".to_owned(),
            };
            panic!(
                "{shown}: not done after {patience:?} (status {status:?})\nstdout: {}\nstderr: {}",
                text(stdout),
                text(stderr),
            );
        }
    }
}

fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("cannot wait for the child") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK);
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // Whatever came before a read error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    receiver
}

fn kill_group(child: &Child) {
    let group = libc::pid_t::try_from(child.id()).expect("a pid beyond pid_t");
    // SAFETY: no memory is involved; the group is the one the child was
    // started in, and it lives as long as the child was not waited for.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

/// Tests abort programs by the hundred; none needs a core file.
fn no_core_files() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the structure outlives the call, which only reads it.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    });
}

/// The program exited with 0 and wrote nothing at all.
#[track_caller]
pub fn assert_silent_success(output: &Output) {
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{}",
        describe(output)
    );
}

/// The program was stopped by SIGABRT after the one line `<message>` on
/// stderr, which shows no address.
#[track_caller]
pub fn assert_aborts(output: &Output, message: &str) {
    assert_aborts_with_one_of(output, &[message]);
}

/// As [`assert_aborts`], where the abort is promised and the message may be
/// any of several.
#[track_caller]
pub fn assert_aborts_with_one_of(output: &Output, messages: &[&str]) {
    assert!(
        output.status.signal() == Some(libc::SIGABRT),
        "expected SIGABRT after one of {messages:?}; {}",
        describe(output)
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        messages.iter().any(|message| is_report(&stderr, message)),
        "expected one of {messages:?}; {}",
        describe(output)
    );
}

/// Whether `stderr` is `message` and a newline, no more; lines that `message`
/// has after its first follow as they are.
pub fn is_report(stderr: &str, message: &str) -> bool {
    let (first, further) = message.split_once('\n').unwrap_or((message, ""));
    without_stacks(stderr)
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(further))
        == Some("\n")
}

/// What was written before the stacks that check mode adds; all of it if anything else is among them.
pub fn without_stacks(stderr: &str) -> &str {
    let Some(at) = stderr.find("\nfound by thread ") else {
        return stderr;
    };
    let (before, stacks) = stderr.split_at(at + 1);
    if stacks.lines().all(is_of_stacks) {
        before
    } else {
        stderr
    }
}

/// Whether a line is one of those that check mode writes behind its last words.
pub fn is_of_stacks(line: &str) -> bool {
    let heads = [
        "found by thread ",
        "object of ",
        "freed by thread ",
        "    #",
    ];
    heads.iter().any(|head| line.starts_with(head))
}

/// What makes a fatal line show the address it is about.
pub const SHOW_ADDRESS: (&str, &str) = ("CAIRN_ADDRESS", "1");

/// As [`is_report`], with a colon and an address behind the message.
pub fn is_addressed_report(stderr: &str, message: &str) -> bool {
    let (first, further) = message.split_once('\n').unwrap_or((message, ""));
    without_stacks(stderr)
        .strip_prefix(first)
        .and_then(|rest| rest.strip_prefix(": 0x"))
        .and_then(|rest| rest.strip_suffix(further))
        .and_then(|rest| rest.strip_suffix('\n'))
        .is_some_and(|address| {
            (1..=16).contains(&address.len())
                && address
                    .bytes()
                    .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// The address in the first line of a message.
pub fn reported_address(stderr: &str) -> Option<usize> {
    let (_, address) = stderr.lines().next()?.rsplit_once(": 0x")?;
    usize::from_str_radix(address, 16).ok()
}

/// What `work` makes of each item, in their order, several at a time: as many as there are CPUs.
pub fn each_in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let some = || {
            let mut mine = Vec::new();
            loop {
                let i = next.fetch_add(1, Relaxed);
                let Some(item) = items.get(i) else {
                    return mine;
                };
                mine.push((i, work(item)));
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(some)).collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().expect("a worker panicked"))
            .collect()
    });
    all.sort_by_key(|&(i, _)| i);
    all.into_iter().map(|(_, result)| result).collect()
}

/// What a run did, for a failed assertion.
pub fn describe(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The path of a program that a test needs, or `None` after saying that the
/// test is skipped. In CI (`CI=true`) nothing skips: there it is a failure.
pub fn find(program: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// As [`find`], where the program also has to succeed with these arguments: one that is there and
/// cannot run here is as good as none.
pub fn find_working(program: &str, arguments: &[impl AsRef<OsStr>]) -> Option<PathBuf> {
    let path = find(program)?;
    let output = watch(plain(&path).args(arguments));
    if output.status.success() {
        return Some(path);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().last().unwrap_or_default();
    skip(&format!("{program} does not work here: {why}"));
    None
}

/// Version of the C library, `(2, 36)` say.
pub fn glibc() -> (u32, u32) {
    // SAFETY: it returns a constant text.
    let text = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    let text = text.to_str().expect("a version");
    let mut numbers = text.split('.').map(|n| n.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    (next(), next())
}

/// Libraries that the C library was in, before glibc 2.34, and that Cairn needs there: a program
/// may do without.
pub fn pieces_of_libc() -> &'static [&'static str] {
    if glibc() >= (2, 34) {
        return &[];
    }
    &["libpthread.so.0", "libdl.so.2"]
}

/// The first CPU on which this process may run: not everywhere is that 0.
pub fn first_cpu() -> usize {
    // SAFETY: all zeroes is a valid set.
    let mut allowed: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set outlives the call, which writes no more than its size.
    let got = unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &raw mut allowed) };
    assert_eq!(got, 0, "the affinity of this process");
    // SAFETY: within the set.
    let is_in = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    (0..8 * size_of_val(&allowed)).find(is_in).expect("a CPU")
}

/// Whether tests with a short and a long form run the long one. The short one is a fixed part of
/// it, the same in every run.
pub fn is_long() -> bool {
    of_form(false, true, true)
}

/// Whether this is check mode in the short form, where tests that take tens of seconds in check mode
/// do not run. They do without it.
pub fn left_to_the_long_form() -> bool {
    let left = IN_CHECK_MODE && !is_long();
    if left {
        eprintln!("in check mode left to the long form");
    }
    left
}

/// Whether what is missing is a failure.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Says that a test is skipped and why; fails it in CI.
#[track_caller]
pub fn skip(reason: &str) {
    assert!(!in_ci(), "skipped in CI: {reason}");
    skip_elsewhere(reason);
}

/// Says that a part is skipped, in CI too: for what no CI can install, another kernel say.
pub fn skip_elsewhere(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not by the macro, whose output of a test that passes nobody sees.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
}
