//! `cairn top` in a terminal: a pseudo terminal, and what a real one would show.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, Seen};
use std::fs::File;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

static SIZE: libc::winsize = libc::winsize {
    ws_row: 40,
    ws_col: 130,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// Both ends of a new pseudo terminal.
fn terminal() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: places for two descriptors, and a size.
    let done = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const SIZE,
        )
    };
    assert_eq!(done, 0, "a terminal");
    // SAFETY: open, and nobody else's.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// Whether what is typed is shown, as it is unless a program takes keys.
fn echoes(terminal: &impl AsRawFd) -> bool {
    let mut state = MaybeUninit::<libc::termios>::zeroed();
    // SAFETY: a place for the answer.
    let done = unsafe { libc::tcgetattr(terminal.as_raw_fd(), state.as_mut_ptr()) };
    assert_eq!(done, 0, "its state");
    // SAFETY: written by the call.
    let state = unsafe { state.assume_init() };
    state.c_lflag & libc::ECHO != 0
}

/// The command in a terminal, and what is on its screen.
struct Top {
    command: Ended,
    keys: File,
    theirs: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Top {
    fn start(arguments: &[&str]) -> Self {
        let (ours, theirs) = terminal();
        let end = || theirs.try_clone().expect("its end");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command
            .arg("top")
            .args(arguments)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        // SAFETY: two calls that a child may make.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("the command starts");
        let sizes = [SIZE.ws_row, SIZE.ws_col].map(|n| NonZero::new(n).expect("a size"));
        let screen = vt100::Parser::new(sizes[0], sizes[1], 0);
        let screen = Arc::new(Mutex::new(screen));
        let (mut from, to) = (ours.try_clone().expect("our end"), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n) = from.read(&mut bytes)
                && n != 0
            {
                to.lock().expect("the screen").process(&bytes[..n]);
            }
        });
        Self {
            command: Ended(child),
            keys: ours,
            theirs,
            screen,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it listens");
    }

    fn text(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        for _ in 0..400 {
            if holds(&self.text()) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{what}: {}", self.text());
    }
}

/// Whether one stands above the other.
fn above(text: &str, one: &str, other: &str) -> bool {
    let line = |pid: &str| {
        let starts = |line: &str| line.split_whitespace().next() == Some(pid);
        text.lines().position(starts)
    };
    matches!((line(one), line(other)), (Some(one), Some(other)) if one < other)
}

#[test]
fn keys_sort_choose_and_end_and_the_terminal_is_as_it_was() {
    if seen::cannot_look() {
        return;
    }
    let large = Seen::heap(["60000", "2000", "1", "0"], &[]);
    let small = Seen::heap(["2000", "500", "1", "1"], &[]);
    let (high, low) = (large.pid(), small.pid());
    let mut top = Top::start(&["--interval", "0.3"]);
    top.until("the largest first", |text| above(text, &high, &low));
    assert!(!echoes(&top.theirs), "keys are not taken");
    assert!(top.screen.lock().expect("it").screen().alternate_screen());
    // Numbers rise, as long as they do not begin anew.
    let (first, second) = if number(&low) < number(&high) {
        (&low, &high)
    } else {
        (&high, &low)
    };
    top.press("p");
    top.until("by number", |text| above(text, first, second));
    top.press("r");
    top.until("by what is resident", |text| above(text, &high, &low));
    // Both are on the screen; others may be, too.
    let wanted = format!("process {low} (");
    for _ in 0..100 {
        if top.text().contains(&wanted) {
            break;
        }
        let keys = if top.text().contains("thread caches") {
            "\x1b[B"
        } else {
            "\r"
        };
        top.press(keys);
        thread::sleep(Duration::from_millis(200));
    }
    top.until("the detail", |text| {
        text.contains(&wanted) && text.contains("arena 0: ")
    });
    top.press("q");
    let mut ended = None;
    for _ in 0..200 {
        ended = top.command.0.try_wait().expect("its state");
        if ended.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    top.until("its own screen is left", |_| {
        !top.screen.lock().expect("it").screen().alternate_screen()
    });
    assert!(echoes(&top.theirs), "the terminal is not as it was");
}

fn number(pid: &str) -> u32 {
    pid.parse().expect("a number")
}

#[test]
fn what_is_wrong_is_said_before_the_screen_is_taken() {
    let mut top = Top::start(&[&std::process::id().to_string()]);
    top.until("the reason", |text| text.contains("does not run on Cairn"));
    let status = top.command.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(2));
    assert!(!top.screen.lock().expect("it").screen().alternate_screen());
    assert!(echoes(&top.theirs));
}
