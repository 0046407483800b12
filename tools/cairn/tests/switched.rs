//! Real programs under sampling that is switched on and off from outside all the time: they say what
//! they say without, and end.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, cairn, common};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a program is run again and again, and the least that it is switched.
fn bounds() -> (Duration, usize) {
    if common::is_long() {
        (Duration::from_secs(5), 12)
    } else {
        (Duration::from_secs(1), 2)
    }
}

/// All but one are left to the long form.
fn is_left() -> bool {
    if !common::is_long() {
        eprintln!("left to the long form");
    }
    !common::is_long()
}

/// A folder of the test's own, which every user may enter.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("cairn-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process and what came of it, those that Cairn serves.
fn served(root: u32) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_string()];
    while let Some(pid) = left.pop() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().map(str::to_owned));
        }
        if is_served(&pid) {
            found.push(pid);
        }
    }
    found
}

fn is_served(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("libcairn"))
}

/// Switches sampling on and off in all that is served below a process; how often.
fn switch(root: u32, interval: &str) -> usize {
    let mut times = 0;
    for pid in served(root) {
        for words in [
            &["--start", "--interval", interval][..],
            &["--stop", "--sites", "3"],
        ] {
            let output = cairn(&[&["profile", &pid], words].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            // It may have ended meanwhile, or just have become another program; or it asked for little.
            let is_early =
                said.contains("try again") || said.contains("none of its requests was met");
            assert!(
                output.status.success() || is_early || !is_served(&pid),
                "{}",
                common::describe(&output)
            );
            times += usize::from(output.status.success());
        }
    }
    times
}

/// Runs a program without Cairn, and then again and again on it while sampling is switched.
#[track_caller]
fn says_the_same(program: &Path, prepare: impl Fn(&mut Command), said: impl Fn(&str) -> String) {
    let run = |mut command: Command, between: &mut dyn FnMut(u32)| {
        let folder = Folder::new("switched");
        let out = folder.0.join("out");
        let file = fs::File::create(&out).expect("a file");
        prepare(&mut command);
        let child = command
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the file"))
            .stderr(file)
            .spawn()
            .expect("the program starts");
        let mut child = Ended(child);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.0.try_wait().expect("a child") {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "it hangs");
            between(child.0.id());
        };
        let text = fs::read(&out).expect("what it said");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(status.success(), "{status}: {text}");
        said(&text)
    };
    let pause = Duration::from_millis(20);
    let expected = run(common::plain(program), &mut |_| std::thread::sleep(pause));
    assert!(!expected.is_empty(), "nothing to compare");
    let (lasts, least) = bounds();
    let (since, mut switched) = (Instant::now(), 0);
    while since.elapsed() < lasts || switched < least {
        let mut intervals = ["4096", "65536", "524288"].iter().cycle();
        let found = run(common::preloaded(program), &mut |pid| {
            switched += intervals.next().map_or(0, |interval| switch(pid, interval));
        });
        assert_eq!(found, expected);
        assert!(
            since.elapsed() < Duration::from_secs(180),
            "switched {switched} times only"
        );
    }
    println!("switched {switched} times");
}

/// What does not hang on the time.
fn whole(text: &str) -> String {
    text.to_owned()
}

fn input(name: &str) -> PathBuf {
    common::root().join("tests/real_programs").join(name)
}

#[test]
fn python_passes_its_own_tests() {
    if seen::cannot_look() || is_left() {
        return;
    }
    let Some(python) = common::find("python3") else {
        return;
    };
    let asked = common::run_plain(
        &python,
        &["-c", "import sys, test.test_list; print(sys.executable)"],
        &[],
    );
    if !asked.status.success() {
        return common::skip("python3 comes without its test modules");
    }
    let python = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    let modules = [
        "test_thread",
        "test_gc",
        "test_threading.ThreadJoinOnShutdown",
        "test_threading.ConditionTests",
        "test_dict",
        "test_json",
        "test_re",
    ];
    says_the_same(
        &python,
        |command| {
            command.args(["-m", "unittest"]);
            command.args(modules.map(|name| format!("test.{name}")));
            // Every object is a request.
            command.env("PYTHONMALLOC", "malloc");
        },
        |text| {
            let lines = text
                .lines()
                .filter_map(|line| match line.split_once(" tests in ") {
                    Some((ran, _)) => Some(ran.to_owned()),
                    None if line.starts_with("OK") => Some(line.to_owned()),
                    None => None,
                });
            lines.collect::<Vec<_>>().join("\n")
        },
    );
}

#[test]
fn node_says_the_same() {
    if seen::cannot_look() || is_left() {
        return;
    }
    let Some(node) = common::find("node") else {
        return;
    };
    says_the_same(&node, |command| _ = command.arg(input("script.js")), whole);
}

#[test]
fn java_says_the_same() {
    if seen::cannot_look() || is_left() {
        return;
    }
    let (Some(java), Some(javac)) = (common::find("java"), common::find("javac")) else {
        return;
    };
    let folder = Folder::new("classes");
    let made = common::watch(
        Command::new(javac)
            .arg("-d")
            .arg(&folder.0)
            .arg(input("Threads.java")),
    );
    assert!(made.status.success(), "{}", common::describe(&made));
    says_the_same(
        &java,
        |command| {
            _ = command
                .args(["-Xmx128m", "-cp"])
                .arg(&folder.0)
                .arg("Threads")
        },
        whole,
    );
}

const REDIS: &str = r#"
set -eu
redis-server --port 0 --save '' --unixsocket "$PWD/s" > log &
server=$!
for _ in $(seq 200); do [ -S s ] && break; kill -0 $server; sleep 0.05; done
LD_PRELOAD= redis-benchmark -t set,lpush,lpop,sadd,hset,zadd -n 15000 -r 5000 -d 300 -q -s "$PWD/s" > load
[ $(grep -c 'requests per second' load) -ge 6 ]
LD_PRELOAD= redis-cli -s "$PWD/s" eval 'for i = 1, 20000 do redis.call("set", "own" .. i, string.rep("x", i % 500)) end; return redis.call("strlen", "own777")' 0
LD_PRELOAD= redis-cli -s "$PWD/s" shutdown nosave
wait $server
"#;

#[test]
fn redis_answers() {
    if seen::cannot_look() {
        return;
    }
    let (Some(_), Some(_)) = (
        common::find("redis-server"),
        common::find("redis-benchmark"),
    ) else {
        return;
    };
    let Some(shell) = common::find("sh") else {
        return;
    };
    says_the_same(&shell, |command| _ = command.args(["-c", REDIS]), whole);
}

/// The folder of PostgreSQL's own programs: the newest version that is there.
fn postgres() -> Option<PathBuf> {
    let all = fs::read_dir("/usr/lib/postgresql").ok()?;
    let all = all.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    all.filter(|path| path.join("initdb").exists()).max()
}

const POSTGRES: &str = r#"
set -eu
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; else "$@"; fi; }
served=${LD_PRELOAD-}
unset LD_PRELOAD
cp -r "$CLUSTER" data
chmod 700 data
[ "$(id -u)" != 0 ] || chown -R 65534:65534 data .
LD_PRELOAD=$served as "$BIN/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off > log 2>&1 &
server=$!
ask() { "$BIN/psql" -X -A -t -q -U cairn -d postgres -h "$PWD" -c "$1"; }
for _ in $(seq 200); do ask 'select 1' > up 2>&1 && break; sleep 0.05; done
ask 'create table t as select i, md5(i::text) m from generate_series(1, 30000) i'
for n in 1 2 3 4; do ask "select $n, count(*), max(m) from (select m, lag(m) over (order by m) from t where i % 5 = $n) x" > answer$n & clients="${clients-} $!"; done
for client in $clients; do wait $client; done
cat answer*
kill -INT "$(head -1 data/postmaster.pid)"
wait $server
"#;

#[test]
fn postgres_answers() {
    if seen::cannot_look() || is_left() {
        return;
    }
    let (Some(bin), Some(shell)) = (postgres(), common::find("sh")) else {
        return common::skip("postgres is not there");
    };
    let folder = Folder::new("cluster");
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0);
    let mut maker = if is_root {
        let _ = chown(&folder.0, Some(65534), Some(65534));
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(bin.join("initdb"));
        command
    } else {
        Command::new(bin.join("initdb"))
    };
    let data = folder.0.join("data");
    maker.args(["--auth=trust", "--no-sync", "--username=cairn", "-D"]);
    let made = common::watch(maker.arg(&data).current_dir(&folder.0));
    assert!(made.status.success(), "{}", common::describe(&made));
    says_the_same(
        &shell,
        |command| {
            command.args(["-c", POSTGRES]);
            command.env("BIN", &bin).env("CLUSTER", &data);
            // Where that user can read it.
            let preload = command.get_envs().find(|(name, _)| *name == "LD_PRELOAD");
            if let Some(library) = preload.and_then(|(_, value)| value).map(PathBuf::from) {
                let copy = folder.0.join("libcairn.so");
                fs::copy(library, &copy).expect("a copy");
                command.env("LD_PRELOAD", copy);
            }
        },
        whole,
    );
}
