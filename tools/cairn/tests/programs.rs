//! `cairn why` on programs of the kind that people ask about, at moments of no one's choice.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, Seen, common, json, line, number};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The parts are what is resident to one in a hundred, and so little is unexplained.
#[track_caller]
fn adds_up(name: &str, page: &Value) {
    let rss = number(page, "/resident");
    let lines = page["lines"].as_array().expect("lines");
    let parts = lines.iter().filter(|line| line["level"] == 1);
    let parts: u64 = parts.map(|line| number(line, "/resident")).sum();
    assert!(
        parts.abs_diff(rss) * 100 <= rss,
        "{name}: {parts} of {rss}: {page:#}"
    );
    assert!(
        number(page, "/unexplained") * 100 <= rss,
        "{name}: {page:#}"
    );
    assert!(line(page, "live").is_some(), "{name}: {page:#}");
}

/// A folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("cairn-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

const JAVA: &str = r#"
import java.util.*;
public class Hold {
    public static void main(String[] a) throws Exception {
        Map<Integer, byte[]> kept = new HashMap<>();
        Random random = new Random(7);
        System.out.println("ready");
        for (;;) {
            kept.put(random.nextInt(2000), new byte[random.nextInt(3000)]);
            java.nio.ByteBuffer.allocateDirect(random.nextInt(20000));
            if (kept.size() > 1000) { kept.clear(); Thread.sleep(1); }
        }
    }
}
"#;

#[test]
fn java_adds_up() {
    if seen::cannot_look() {
        return;
    }
    let (Some(java), Some(javac)) = (common::find("java"), common::find("javac")) else {
        return common::skip("java is not there");
    };
    let folder = folder("java");
    fs::write(folder.join("Hold.java"), JAVA).expect("its source");
    let made = common::watch(Command::new(javac).arg("Hold.java").current_dir(&folder));
    assert!(made.status.success(), "{}", common::describe(&made));
    let mut command = common::preloaded(java);
    command
        .args(["-Xmx64m", "-Xshare:auto", "-cp"])
        .arg(&folder)
        .arg("Hold");
    let seen = Seen::start(command);
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(150));
        adds_up("java", &json(&["why", &seen.pid()]));
    }
    drop(seen);
    fs::remove_dir_all(&folder).expect("it goes");
}

/// The folder of PostgreSQL's own programs: the newest version that is there.
fn postgres() -> Option<PathBuf> {
    let mut all: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    all.sort();
    all.pop()
}

/// The user of nobody's, whom the server asks for where root would run it.
const NOBODY: u32 = 65534;

fn as_nobody(program: &Path) -> Command {
    // SAFETY: no precondition.
    if unsafe { libc::geteuid() } != 0 {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(program);
    command
}

#[test]
fn postgres_adds_up() {
    if seen::cannot_look() {
        return;
    }
    let Some(bin) = postgres() else {
        return common::skip("postgres is not there");
    };
    let folder = folder("postgres");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("its mode");
    let _ = chown(&folder, Some(NOBODY), Some(NOBODY));
    let data = folder.join("data");
    let made = common::watch(
        as_nobody(&bin.join("initdb"))
            .args(["--auth=trust", "--no-sync", "--username=cairn", "-D"])
            .arg(&data)
            .current_dir(&folder),
    );
    assert!(made.status.success(), "{}", common::describe(&made));
    let library = common::preloaded(&bin);
    let preload = library.get_envs().find(|(name, _)| *name == "LD_PRELOAD");
    let preload = preload.and_then(|(_, value)| value).expect("the library");
    // Where that user can read it.
    let library = folder.join("libcairn.so");
    fs::copy(preload, &library).expect("a copy");
    let server = as_nobody(&bin.join("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&folder)
        .args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "work_mem=64MB",
        ])
        .env("LD_PRELOAD", &library)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let server = Ended(server);
    let ask = |words: &[&str]| {
        let mut command = Command::new(bin.join("psql"));
        command
            .args([
                "-X", "-A", "-t", "-q", "-U", "cairn", "-d", "postgres", "-h",
            ])
            .arg(&folder);
        for word in words {
            command.args(["-c", word]);
        }
        command
    };
    let is_up = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(100));
        let asked = ask(&["select 1"]).stderr(Stdio::null()).output();
        asked.is_ok_and(|output| output.status.success())
    });
    assert!(is_up, "the server does not answer");
    // It sorts, and says first which process does.
    let work = "select count(*) from (select md5(g::text) m from generate_series(1, 3000000) g order by m) x";
    let mut client = ask(&["select pg_backend_pid()", work, work])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
    let backend = lines.next().expect("a line").expect("text");
    let client = Ended(client);
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(200));
        let backend = json(&["why", &backend]);
        adds_up("a backend", &backend);
        assert!(number(&backend, "/resident") > 4 << 20, "{backend:#}");
    }
    adds_up("postgres", &json(&["why", &server.0.id().to_string()]));
    drop(client);
    // Its children end with it.
    let _ = Command::new("kill")
        .args(["-QUIT", &server.0.id().to_string()])
        .status();
    thread::sleep(Duration::from_millis(300));
    drop(server);
    let _ = fs::remove_dir_all(&folder);
}

const NODE: &str = "console.log('ready'); const kept = []; setInterval(() => { for (let i = 0; i < 200; i++) \
    kept[(Math.random() * 500) | 0] = Buffer.alloc((Math.random() * 30000) | 0, 1); }, 1);";

#[test]
fn node_adds_up() {
    if seen::cannot_look() {
        return;
    }
    let Some(node) = common::find("node") else {
        return;
    };
    let mut command = common::preloaded(node);
    command.args(["-e", NODE]);
    let seen = Seen::start(command);
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(170));
        adds_up("node", &json(&["why", &seen.pid()]));
    }
}

#[test]
fn redis_under_load_adds_up() {
    if seen::cannot_look() {
        return;
    }
    let (Some(redis), Some(load)) = (
        common::find("redis-server"),
        common::find("redis-benchmark"),
    ) else {
        return;
    };
    let folder = folder("redis");
    let socket = folder.join("s");
    let server = common::preloaded(redis)
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .current_dir(&folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts");
    let server = Ended(server);
    let is_up = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        socket.exists()
    });
    assert!(is_up, "the server has no socket");
    // Ended after the looks, however far it came.
    let client = Command::new(load)
        .args(["-t", "set,lpush,lpop", "-n", "2000000", "-r", "100000"])
        .args(["-d", "300", "-q", "-s"])
        .arg(&socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the load starts");
    let client = Ended(client);
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(230));
        adds_up("redis", &json(&["why", &server.0.id().to_string()]));
    }
    drop(client);
    drop(server);
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn rustc_adds_up() {
    if seen::cannot_look() {
        return;
    }
    let asked = Command::new("rustc").args(["--print", "sysroot"]).output();
    let Some(root) = asked.ok().filter(|output| output.status.success()) else {
        return common::skip("rustc is not there");
    };
    // The program itself: what is found by name may only start it.
    let root = String::from_utf8_lossy(&root.stdout).trim().to_owned();
    let folder = folder("rustc");
    let functions: String = (0..3000)
        .map(|i| {
            format!("pub fn f{i}(x: u64) -> Vec<u64> {{ (0..x).map(|y| y * {i}).collect() }}\n")
        })
        .collect();
    fs::write(folder.join("lib.rs"), functions).expect("its source");
    let compiler = common::preloaded(Path::new(&root).join("bin/rustc"))
        .args(["--crate-type", "lib", "-O", "--edition", "2024", "lib.rs"])
        .current_dir(&folder)
        .spawn()
        .expect("the compiler starts");
    let mut compiler = Ended(compiler);
    let mut looks = 0;
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(210));
        if compiler.0.try_wait().expect("a child").is_some() {
            break;
        }
        adds_up("rustc", &json(&["why", &compiler.0.id().to_string()]));
        looks += 1;
    }
    assert!(looks > 0, "it was too quick to be looked at");
    drop(compiler);
    let _ = fs::remove_dir_all(&folder);
}
