//! The processes that come of a server, and what they have cost so far.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::mem::zeroed;
use std::thread;
use std::time::Duration;

use crate::launcher::{Process, look_at};
use crate::watch;

/// Looks at an empty tree until it is believed.
const LOOKS: usize = 4;
/// From one to the next.
const BETWEEN: Duration = Duration::from_millis(5);

/// A process tree at one moment.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The processes that are alive, with their names, files and memory.
    pub processes: Vec<Process>,
    /// User and system time so far, seconds, with that of processes that ended and were waited for.
    pub cpu: f64,
    /// Minor page faults so far, counted in the same way.
    pub faults: f64,
}

/// What `/proc/PID/stat` says.
struct Stat {
    parent: i32,
    is_over: bool,
    faults: f64,
    /// Ticks of the process itself, and of the children it waited for.
    own: f64,
    children: f64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may have spaces and brackets in it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            is_over: matches!(*fields.first()?, "Z" | "X"),
            faults: number(7)? + number(8)?,
            own: number(11)? + number(12)?,
            children: number(13)? + number(14)?,
        })
    }
}

/// Has processes whose parent ended become children of this one, so that they are found.
///
/// # Errors
/// When the kernel refuses.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The process and all that came of it, orphans included, if this process [adopts](adopt_orphans)
/// them and has no other children now.
pub fn pids(root: i32) -> Vec<i32> {
    for _ in 1..LOOKS {
        let found = scan(root);
        if !found.is_empty() {
            return found;
        }
        thread::sleep(BETWEEN);
    }
    scan(root)
}

/// One look at the list of processes. It is older than what is then read of each: of a process that
/// forks and ends meanwhile neither the parent nor the child is found.
fn scan(root: i32) -> Vec<i32> {
    let stats: BTreeMap<i32, Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .collect();
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let belongs = |pid: i32| {
        let (mut at, mut steps) = (pid, 0);
        while at != root && steps < stats.len() {
            match stats.get(&at) {
                Some(stat) if stat.parent == own => return true,
                Some(stat) => at = stat.parent,
                None => return false,
            }
            steps += 1;
        }
        at == root
    };
    for (pid, stat) in &stats {
        // The root's end is for whoever started it.
        if stat.is_over && stat.parent == own && *pid != root {
            reap(*pid);
        }
    }
    let alive = stats.iter().filter(|(_, stat)| !stat.is_over);
    let watch = watch::current();
    alive
        .map(|(pid, _)| *pid)
        .filter(|pid| *pid != watch && belongs(*pid))
        .collect()
}

/// Takes note of the end of a child, which otherwise stays in the list.
fn reap(pid: i32) {
    // SAFETY: a status is not asked for.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
}

/// Looks at the tree of a process, orphans included, as [`pids`] finds it.
pub fn look(root: i32) -> Tree {
    let mut tree = Tree::default();
    for pid in pids(root) {
        let mut process = Process {
            pid,
            ..Process::default()
        };
        look_at(&mut process);
        let Some(stat) = Stat::read(pid) else {
            continue;
        };
        tree.cpu += cpu_time(pid).unwrap_or_else(|| ticks(stat.own)) + ticks(stat.children);
        tree.faults += stat.faults;
        tree.processes.push(process);
    }
    tree
}

/// Seconds that a process's threads have run, those that ended among them. Its own clock is exact
/// where `stat` has hundredths.
fn cpu_time(pid: i32) -> Option<f64> {
    let mut clock = 0;
    // SAFETY: the clock outlives the call.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    // SAFETY: all zeroes is a valid time.
    let mut time: libc::timespec = unsafe { zeroed() };
    // SAFETY: the time outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// Clock ticks in seconds.
fn ticks(count: f64) -> f64 {
    // SAFETY: it returns a number.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    count / (a_second.max(1) as f64)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
mod tests {
    use super::look;

    #[test]
    fn a_process_finds_itself_with_its_time_and_memory() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let tree = look(own);
        let first = tree.processes.iter().find(|process| process.pid == own);
        assert!(first.is_some_and(|process| process.peak_kib > 100 && !process.files.is_empty()));
        assert!(tree.cpu > 0.0 && tree.faults > 0.0, "{tree:?}");
    }
}
