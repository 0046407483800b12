//! Real programs run on Cairn unchanged: each runs without the preload, then
//! with it in both heap modes (in the short form in the usual one), and must
//! write and answer the same.
//!
//! The inputs lie in `tests/real_programs/`. They are deterministic, work for a
//! few tenths of a second and go for whatever their program allocates for.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use common::Env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// An input file of these tests.
fn input(name: &str) -> PathBuf {
    common::root().join("tests/real_programs").join(name)
}

/// A fresh, empty directory, removed when the value goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = common::scratch().join(format!("real-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("no directory for the program");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover does no harm: it lies in cargo's target directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs what `prepare` adds to the program, each time in a fresh directory:
/// on the system's malloc, where it must succeed, and on Cairn in both modes,
/// where status and standard output must be the same.
#[track_caller]
fn same_on_cairn(program: &Path, prepare: impl Fn(&mut Command)) {
    compare(program, prepare, |output| output.stdout.clone());
}

/// As [`same_on_cairn`]; `what` picks what is compared.
#[track_caller]
fn compare(program: &Path, prepare: impl Fn(&mut Command), what: impl Fn(&Output) -> Vec<u8>) {
    let run = |mut command: Command, mode: Env<'_>| {
        let scratch = Scratch::new();
        command.current_dir(&scratch.0).envs(mode.iter().copied());
        prepare(&mut command);
        common::watch(&mut command)
    };
    let reference = run(common::plain(program), &[]);
    assert!(
        reference.status.success(),
        "fails on the system's malloc: {}",
        common::describe(&reference)
    );
    let expected = what(&reference);
    assert!(!expected.is_empty(), "nothing to compare");
    common::for_each_mode_if_long(|mode| {
        let output = run(common::preloaded(program), mode);
        assert!(
            output.status == reference.status,
            "{}",
            common::describe(&output)
        );
        let found = what(&output);
        assert!(
            found == expected,
            "{}\nstderr: {}",
            first_difference(&expected, &found),
            String::from_utf8_lossy(&output.stderr)
        );
    });
}

/// The first line in which two outputs differ; whole ones can be long.
fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let expected = String::from_utf8_lossy(expected);
    let found = String::from_utf8_lossy(found);
    let same = expected
        .lines()
        .zip(found.lines())
        .take_while(|(one, other)| one == other)
        .count();
    format!(
        "line {}: {:?} on the system's malloc, {:?} on Cairn",
        same + 1,
        expected.lines().nth(same),
        found.lines().nth(same)
    )
}

/// The interpreter itself; what is found first may be a script that starts it.
fn python() -> Option<PathBuf> {
    let output = common::run_plain(
        common::find("python3")?,
        &["-c", "import sys; print(sys.executable)"],
        &[],
    );
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(!path.is_empty(), "{}", common::describe(&output));
    Some(PathBuf::from(path))
}

/// Python's own test modules pass, as many as without Cairn. The short form takes every fifth, and
/// check mode fewer; neither the first ones, which take as long as all others.
#[track_caller]
fn python_tests_pass(modules: &[&str], env: Env<'_>) {
    let Some(python) = python() else { return };
    let has_tests = common::run_plain(&python, &["-c", "import test.test_list"], &[]);
    if !has_tests.status.success() {
        common::skip("python3 comes without its test modules");
        return;
    }
    let (first, step) = match (common::is_long(), common::IN_CHECK_MODE) {
        (true, false) => (0, 1),
        (true, true) => (1, 3),
        (false, false) => (1, 5),
        (false, true) => (1, 9),
    };
    let prepare = |command: &mut Command| {
        command
            .args(["-m", "unittest"])
            .args(
                modules
                    .iter()
                    .skip(first)
                    .step_by(step)
                    .map(|m| format!("test.{m}")),
            )
            .envs(env.iter().copied());
    };
    compare(&python, prepare, |output| {
        // "Ran 58 tests in 0.081s", "OK (skipped=2)": the time is no result.
        let mut result = String::new();
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            if let Some((ran, _)) = line.split_once(" tests in ") {
                let _ = writeln!(result, "{ran}");
            } else if line.starts_with("OK") || line.starts_with("FAIL") {
                let _ = writeln!(result, "{line}");
            }
        }
        result.into_bytes()
    });
}

#[test]
fn python_passes_its_tests_of_types() {
    let modules = [
        "test_list",
        "test_dict",
        "test_set",
        "test_tuple",
        "test_bytes",
        "test_array",
        "test_memoryview",
        "test_struct",
        "test_deque",
        "test_heapq",
        "test_sort",
        "test_unicode",
        "test_long",
        "test_collections",
        "test_functools",
    ];
    python_tests_pass(&modules, &[]);
}

#[test]
fn python_passes_its_tests_of_extension_modules() {
    if common::left_to_the_long_form() {
        return;
    }
    let modules = [
        "test_json",
        "test_re",
        "test_zlib",
        "test_bz2",
        "test_lzma",
        "test_sqlite3",
        "test_ctypes",
        "test_mmap",
        "test_xml_etree_c",
        "test_pickle",
        "test_hashlib",
    ];
    python_tests_pass(&modules, &[]);
}

#[test]
fn python_passes_its_tests_of_threads_and_collection() {
    if common::left_to_the_long_form() {
        return;
    }
    let modules = [
        "test_thread",
        "test_gc",
        "test_threading.LockTests",
        "test_threading.ThreadJoinOnShutdown",
        "test_threading.SubinterpThreadingTests",
        "test_threading.ConditionTests",
        "test_threading.AtexitTests",
    ];
    python_tests_pass(&modules, &[]);
}

/// Without Python's own arenas every object is a request.
#[test]
fn python_passes_its_tests_with_every_object_from_malloc() {
    let modules = [
        "test_list",
        "test_dict",
        "test_set",
        "test_json",
        "test_re",
        "test_bytes",
        "test_unicode",
        "test_thread",
        "test_gc",
        "test_deque",
        "test_functools",
        "test_collections",
    ];
    python_tests_pass(&modules, &[("PYTHONMALLOC", "malloc")]);
}

/// One program with one input file from this folder.
#[track_caller]
fn script_says_the_same(program: &str, options: &[&str], script: &str) {
    let Some(program) = common::find(program) else {
        return;
    };
    same_on_cairn(&program, |command| {
        command.args(options).arg(input(script));
    });
}

#[test]
fn perl_says_the_same() {
    script_says_the_same("perl", &[], "strings.pl");
}

#[test]
fn lua_says_the_same() {
    script_says_the_same("lua5.4", &[], "tables.lua");
}

#[test]
fn bash_says_the_same() {
    script_says_the_same("bash", &["--norc"], "words.sh");
}

#[test]
fn node_says_the_same() {
    if common::left_to_the_long_form() {
        return;
    }
    script_says_the_same("node", &[], "script.js");
}

#[test]
fn git_keeps_the_same_history() {
    if common::left_to_the_long_form() {
        return;
    }
    if common::find("git").is_some() {
        script_says_the_same("sh", &[], "repository.sh");
    }
}

/// A compiler writes the same assembly for the whole of `source`, and the
/// program it builds, itself on Cairn, says the same (in the long form).
#[track_caller]
fn compiles_the_same(compiler: &str, options: &[&str], source: &str) {
    let Some(compiler) = common::find(compiler) else {
        return;
    };
    same_on_cairn(&compiler, |command| {
        command
            .args(options)
            .args(["-S", "-o", "-"])
            .arg(input(source));
    });
    if !common::is_long() {
        return; // what the compiler did once more
    }
    let Some(shell) = common::find("sh") else {
        return;
    };
    same_on_cairn(&shell, |command| {
        command
            .args(["-c", "\"$@\" -o program && ./program", "sh"])
            .arg(&compiler)
            .args(options)
            .arg("-pthread")
            .arg(input(source));
    });
}

#[test]
fn gcc_compiles_the_same_program() {
    compiles_the_same("gcc", &["-O3"], "plain.c");
}

#[test]
fn gxx_compiles_the_same_program() {
    if common::left_to_the_long_form() {
        return;
    }
    let whole = ["-std=c++17", "-O1", "-DSHORT"];
    let options = if common::is_long() {
        &whole[..2]
    } else {
        &whole
    };
    compiles_the_same("g++", options, "templates.cc");
}

#[test]
fn sort_with_threads_gives_the_same_order() {
    if common::left_to_the_long_form() {
        return;
    }
    let Some(sort) = common::find("sort") else {
        return;
    };
    let scratch = Scratch::new();
    let lines = scratch.0.join("lines");
    let mut text = String::new();
    let mut state: u64 = 1;
    for number in 0..300_000 {
        state = state * 16807 % 2_147_483_647;
        let _ = writeln!(text, "{:x} line {number}", state * state);
    }
    fs::write(&lines, text).expect("the lines cannot be written");
    for buffer in ["--buffer-size=64M", "--buffer-size=2M"] {
        same_on_cairn(&sort, |command| {
            command
                .args(["--parallel=4", buffer, "--temporary-directory=."])
                .arg(&lines);
        });
    }
}

#[test]
fn sqlite_answers_the_same() {
    let Some(sqlite) = common::find("sqlite3") else {
        return;
    };
    let read = format!(".read {}", input("database.sql").display());
    for database in [":memory:", "file.db"] {
        same_on_cairn(&sqlite, |command| {
            command.args(["-batch", "-bail", database, &read]);
        });
    }
}

#[test]
fn java_threads_answer_the_same() {
    if common::left_to_the_long_form() {
        return;
    }
    let (Some(javac), Some(java)) = (common::find("javac"), common::find("java")) else {
        return;
    };
    let classes = Scratch::new();
    let compile = |command: Command| {
        let mut command = command;
        command.arg("-d").arg(&classes.0).arg(input("Threads.java"));
        let output = common::watch(&mut command);
        assert!(output.status.success(), "{}", common::describe(&output));
        fs::read(classes.0.join("Threads.class")).expect("javac wrote no class")
    };
    let expected = compile(common::plain(&javac));
    assert!(
        compile(common::preloaded(&javac)) == expected,
        "javac on Cairn wrote another class"
    );
    same_on_cairn(&java, |command| {
        command
            .args(["-Xmx256m", "-XX:-UsePerfData", "-cp"])
            .arg(&classes.0)
            .arg("Threads");
    });
}

#[test]
fn jq_answers_the_same() {
    let Some(jq) = common::find("jq") else { return };
    let program = "[range(20000) | {key: \"k\\(. % 500)\", value: [., (. * 7919 % 10007 | tostring)]}] \
        | group_by(.key) | map({(.[0].key): map(.value[1] | ascii_downcase) | sort | join(\"-\")}) \
        | add | to_entries | map(select(.key | test(\"7\"))) | from_entries";
    same_on_cairn(&jq, |command| {
        command.args(["-n", program]);
    });
}

#[test]
fn archives_pack_and_unpack_the_same() {
    if common::left_to_the_long_form() {
        return;
    }
    let (Some(shell), Some(_), Some(_)) =
        (common::find("sh"), common::find("tar"), common::find("xz"))
    else {
        return;
    };
    let script = "set -eu; mkdir -p in out
        for n in 1 2 3 4 5 6 7 8 9; do seq $((n * 1000)) $((n * 9000)) > in/$n; done
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf all.tar in
        xz -k -T4 --block-size=100000 all.tar; xz -6 -k -c all.tar > single.xz
        cksum all.tar all.tar.xz single.xz
        tar -C out -xf all.tar.xz; cat out/in/* | cksum
        gzip -9 < all.tar | gzip -d | cksum";
    same_on_cairn(&shell, |command| {
        command.args(["-c", script]);
    });
}

/// A redis-server on a socket of its own, ended when the value goes.
struct Redis {
    server: Child,
    client: PathBuf,
    socket: PathBuf,
    // Dropped last: the server writes here.
    _scratch: Scratch,
}

impl Redis {
    fn start(mut server: Command, client: &Path) -> Self {
        let scratch = Scratch::new();
        // A socket's path has to be short, so it lies below /tmp.
        let socket = std::env::temp_dir().join(format!(
            "cairn-{}-{}",
            std::process::id(),
            scratch
                .0
                .file_name()
                .and_then(|name| name.to_str())
                .expect("the scratch directory has a name")
        ));
        let child = server
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .args(["--enable-debug-command", "yes", "--activerehashing", "yes"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(&scratch.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server does not start");
        let mut redis = Self {
            server: child,
            client: client.to_owned(),
            socket,
            _scratch: scratch,
        };
        let deadline = Instant::now() + common::PATIENCE;
        while !redis.socket.exists() {
            assert!(redis.is_alive(), "redis-server ended at once");
            assert!(Instant::now() < deadline, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        redis
    }

    fn is_alive(&mut self) -> bool {
        self.server
            .try_wait()
            .expect("cannot ask for the server")
            .is_none()
    }

    /// The answer to one command; the server must be alive after it.
    #[track_caller]
    fn ask(&mut self, args: &[&str]) -> String {
        let mut client = common::plain(&self.client);
        client.arg("-s").arg(&self.socket).args(args);
        let output = common::watch(&mut client);
        assert!(
            output.status.success() && self.is_alive(),
            "{args:?}: server {:?}, {}",
            self.server.try_wait(),
            common::describe(&output)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// All that one server is put through; the answers that must not differ.
fn serve(server: Command, client: &Path, benchmark: &Path, is_cairn: bool) -> Vec<String> {
    let mut redis = Redis::start(server, client);
    let maps = fs::read_to_string(format!("/proc/{}/maps", redis.server.id()))
        .expect("the server's mappings are readable");
    assert_eq!(maps.contains("libcairn"), is_cairn);
    assert_eq!(redis.ask(&["PING"]), "PONG");

    let load = input("load.lua");
    let load = load.to_str().expect("the path of the script is text");
    let mut answers = vec![redis.ask(&["--eval", load])];
    answers.push(redis.ask(&["DEBUG", "DIGEST"]));
    assert!(redis.ask(&["INFO", "memory"]).contains("used_memory:"));

    // Many clients at once, over pipelines and without.
    let requests = if common::IN_CHECK_MODE || !common::is_long() {
        "4000"
    } else {
        "20000"
    };
    for pipeline in ["1", "16"] {
        let mut command = common::plain(benchmark);
        command
            .arg("-s")
            .arg(&redis.socket)
            .args(["-n", requests, "-c", "20", "-d", "300", "-r", "5000"])
            .args(["-P", pipeline, "-q"])
            .args(["-t", "set,get,incr,lpush,lpop,sadd,hset,lrange_100"]);
        let output = common::watch(&mut command);
        assert!(output.status.success(), "{}", common::describe(&output));
    }
    assert_eq!(redis.ask(&["PING"]), "PONG");

    // A save forks: the child reads what the parent goes on changing. The
    // reload frees everything and builds it anew.
    assert_eq!(redis.ask(&["FLUSHALL"]), "OK");
    answers.push(redis.ask(&["--eval", load]));
    assert!(redis.ask(&["BGSAVE"]).contains("saving started"));
    assert_eq!(redis.ask(&["SET", "greeting", "hello"]), "OK");
    assert_eq!(redis.ask(&["GET", "greeting"]), "hello");
    let deadline = Instant::now() + common::PATIENCE;
    while redis
        .ask(&["INFO", "persistence"])
        .contains("rdb_bgsave_in_progress:1")
    {
        assert!(Instant::now() < deadline, "the save does not end");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(
        redis
            .ask(&["INFO", "persistence"])
            .contains("rdb_last_bgsave_status:ok")
    );
    assert_eq!(redis.ask(&["DEBUG", "RELOAD"]), "OK");
    answers.push(redis.ask(&["DEBUG", "DIGEST"]));
    assert_eq!(redis.ask(&["FLUSHALL", "ASYNC"]), "OK");
    assert_eq!(redis.ask(&["DBSIZE"]), "0");
    answers
}

#[test]
fn redis_serves_its_clients_the_same() {
    if common::left_to_the_long_form() {
        return;
    }
    let (Some(server), Some(client), Some(benchmark)) = (
        common::find("redis-server"),
        common::find("redis-cli"),
        common::find("redis-benchmark"),
    ) else {
        return;
    };
    let expected = serve(common::plain(&server), &client, &benchmark, false);
    common::for_each_mode_if_long(|mode| {
        let mut command = common::preloaded(&server);
        command.envs(mode.iter().copied());
        assert_eq!(serve(command, &client, &benchmark, true), expected);
    });
}

/// The comparisons above would also pass if the preload had no effect.
#[test]
fn the_programs_are_really_served() {
    let says = |program: Option<PathBuf>, args: &[&str]| {
        let Some(program) = program else { return };
        let output = common::run(&program, args, &[("CAIRN_VERBOSE", "1")]);
        let stderr = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(
            output.status.success() && stderr.contains("cairn"),
            "{}: {}",
            program.display(),
            common::describe(&output)
        );
    };
    says(python(), &["-c", "pass"]);
    says(common::find("perl"), &["-e", "1"]);
    says(common::find("git"), &["--version"]);
    says(common::find("gcc"), &["--version"]);
    says(common::find("g++"), &["--version"]);
    says(common::find("sqlite3"), &["--version"]);
    says(common::find("node"), &["-e", "0"]);
    says(common::find("java"), &["-version"]);
    says(common::find("jq"), &["-n", "0"]);
    says(common::find("bash"), &["--norc", "-c", "true"]);
    says(common::find("lua5.4"), &["-e", "x = 1"]);
}
