//! The test binary once more, as a process that runs on Cairn.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by test binaries that each use a part; a test reports by panicking"
)]

mod look;

use std::env;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const ROLE: &str = "CAIRN_TEST_ROLE";

/// Whether this process is to play a role.
pub fn plays(role: &str) -> bool {
    env::var(ROLE).is_ok_and(|r| r == role)
}

/// Says that it may be looked at, by a write that allocates nothing.
pub fn ready() {
    // SAFETY: writes a line of ours.
    let n = unsafe { libc::write(2, c"ready\n".as_ptr().cast(), 6) };
    assert_eq!(n, 6);
}

/// Waits for its end.
pub fn wait() -> ! {
    loop {
        // SAFETY: no precondition.
        unsafe { libc::pause() };
    }
}

/// A child that plays a role of a test of this name, once it is ready.
pub struct Playing(pub Child);

impl Playing {
    pub fn start(test: &str, role: &str, more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = lines.next().expect("a line").expect("text");
        assert_eq!(line, "ready");
        Self(child)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a number")
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Objects of many sizes, of which some stay.
pub fn fill(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let size = match random.u8(..) {
            0..200 => random.usize(1..600),
            200..250 => random.usize(600..20_000),
            _ => random.usize(20_000..300_000),
        };
        all.push(vec![1_u8; size]);
    }
    all.retain(|_| random.u8(..) < 90);
    // A last buffer, so that the end of the heap is no object's.
    drop(black_box(vec![1_u8; 200_000]));
    all
}

/// Threads that allocate, end and fork until the process is ended.
pub fn churn() -> ! {
    for seed in 0..2 {
        thread::spawn(move || {
            loop {
                let kept = fill(800, seed);
                // Most of it is another thread's to free.
                let other = thread::spawn(move || drop(black_box(kept)));
                let more = fill(100, seed + 10);
                other.join().expect("it ends");
                drop(black_box(more));
            }
        });
    }
    loop {
        // SAFETY: the child ends at once.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(0);
            }
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether this is a place in which nobody may look at a child, as in a sandbox without `ptrace`: says
/// so, and the test ends.
pub fn cannot_look() -> bool {
    let may = look::may_look();
    if !may {
        eprintln!("SKIPPED: nobody may look at a process here");
    }
    !may
}
