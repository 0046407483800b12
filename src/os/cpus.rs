//! How many CPUs the process may use, which is how many arenas it needs.

use libc::c_long;

/// So few CPUs, and an arena each, that it does not pay to ask for a quota: to look for its files
/// takes more than a tenth of what Cairn adds to the start of a process.
const FEW: usize = 4;
/// Bytes of the longest path that is asked for, its NUL included.
const PATH: usize = 512;
/// Bytes of `/proc/self/cgroup` that are read: 14 lines on the largest of version 1's systems.
const LINES: usize = 1536;
/// Parents of a cgroup that are asked at most.
const DEPTH: usize = 16;

/// CPUs of the affinity mask of today, at least 1.
pub(crate) fn affine() -> usize {
    if cfg!(miri) {
        return 2;
    }
    let mut mask = [0u64; 128];
    let (whose, len) = (0 as c_long, size_of_val(&mask));
    // SAFETY: the buffer has the size it is said to have.
    let got = unsafe { libc::syscall(libc::SYS_sched_getaffinity, whose, len, mask.as_mut_ptr()) };
    if got <= 0 {
        return 1;
    }
    let cpus: u32 = mask.iter().map(|w| w.count_ones()).sum();
    (cpus as usize).max(1)
}

/// CPUs that the quotas of the process's cgroup and of its parents leave, at least 1; where CPUs are
/// few nobody asks, and where there is no quota, it leaves them all.
pub(crate) fn quota() -> usize {
    cut(affine(), || least(&mut read_file))
}

fn cut(cpus: usize, quota: impl FnOnce() -> Option<usize>) -> usize {
    if cpus <= FEW {
        return usize::MAX;
    }
    quota().map_or(usize::MAX, |quota| quota.max(1))
}

/// Reads the beginning of a file, whose path ends in NUL, into the buffer: bytes that were read.
type Read<'a> = &'a mut dyn FnMut(&[u8], &mut [u8]) -> Option<usize>;

fn read_file(path: &[u8], to: &mut [u8]) -> Option<usize> {
    // SAFETY: the path ends in NUL, the buffer has the size it is said to have, and the descriptor
    // is ours from open to close.
    let got = unsafe {
        let flags = c_long::from(libc::O_RDONLY | libc::O_CLOEXEC);
        let at = c_long::from(libc::AT_FDCWD);
        let fd = libc::syscall(libc::SYS_openat, at, path.as_ptr(), flags);
        if fd < 0 {
            return None;
        }
        let got = libc::syscall(libc::SYS_read, fd, to.as_mut_ptr(), to.len());
        libc::syscall(libc::SYS_close, fd);
        got
    };
    usize::try_from(got).ok()
}

/// The least quota of the cgroups that `/proc/self/cgroup` names and of their parents, in whole
/// CPUs; where it cannot be read, that of the topmost, which a container takes for its own.
fn least(read: Read<'_>) -> Option<usize> {
    let mut text = [0; LINES];
    let got = read(b"/proc/self/cgroup\0", &mut text).unwrap_or(0);
    let text = text.get(..got).unwrap_or(&[]);
    let mut all = None;
    let mut note = |quota: Option<usize>| {
        if let Some(quota) = quota {
            all = Some(all.map_or(quota, |least: usize| least.min(quota)));
        }
    };
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.is_empty() {
            note(along(&[b"/sys/fs/cgroup"], path, &mut |dir| {
                second(dir, read)
            }));
        } else if controllers.split(|&byte| byte == b',').any(|c| c == b"cpu") {
            note(along(
                &[b"/sys/fs/cgroup/", controllers],
                path,
                &mut |dir| first(dir, read),
            ));
        }
    }
    if text.is_empty() {
        note(second(&Path::of(&[b"/sys/fs/cgroup"])?, read));
        note(first(&Path::of(&[b"/sys/fs/cgroup/cpu"])?, read));
    }
    all
}

/// The least of what `ask` says of a cgroup's folder and of its parents' up to the mount's.
fn along(
    mount: &[&[u8]],
    path: &[u8],
    ask: &mut dyn FnMut(&Path) -> Option<usize>,
) -> Option<usize> {
    // What lies above the process's own view of the groups (`/..`) has no folder in it.
    let mut path = if path.starts_with(b"/..") { b"" } else { path };
    let mut least: Option<usize> = None;
    for _ in 0..DEPTH {
        path = path.strip_suffix(b"/").unwrap_or(path);
        let dir = Path::of(mount).and_then(|dir| dir.then(path));
        if let Some(quota) = dir.and_then(|dir| ask(&dir)) {
            least = Some(least.map_or(quota, |least| least.min(quota)));
        }
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
            break;
        };
        path = path.get(..slash).unwrap_or(&[]);
    }
    least
}

/// Version 2: `cpu.max` holds quota and period.
fn second(dir: &Path, read: Read<'_>) -> Option<usize> {
    let mut text = [0; 64];
    let got = read(dir.then(b"/cpu.max\0")?.text(), &mut text)?;
    whole(text.get(..got)?)
}

/// Version 1: a file each; a quota of -1 is none.
fn first(dir: &Path, read: Read<'_>) -> Option<usize> {
    let mut text = [0; 64];
    let got = read(dir.then(b"/cpu.cfs_quota_us\0")?.text(), &mut text)?;
    let period = read(
        dir.then(b"/cpu.cfs_period_us\0")?.text(),
        text.get_mut(got..)?,
    )?;
    whole(text.get(..got + period)?)
}

/// A path on the stack.
#[derive(Clone, Copy)]
struct Path {
    bytes: [u8; PATH],
    len: usize,
}

impl Path {
    /// `None` where it is too long.
    fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut path = Self {
            bytes: [0; PATH],
            len: 0,
        };
        for part in parts {
            path = path.then(part)?;
        }
        Some(path)
    }
    fn then(&self, part: &[u8]) -> Option<Self> {
        let mut longer = *self;
        let to = longer.bytes.get_mut(self.len..self.len + part.len())?;
        to.copy_from_slice(part);
        longer.len += part.len();
        Some(longer)
    }
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Whole CPUs, rounded up, of `QUOTA PERIOD`, both in microseconds; `max PERIOD` is no quota.
fn whole(text: &[u8]) -> Option<usize> {
    let mut numbers = text.split(u8::is_ascii_whitespace).map(|digits| {
        (!digits.is_empty()).then_some(())?;
        digits.iter().try_fold(0usize, |n, d| {
            let digit = char::from(*d).to_digit(10)?;
            n.checked_mul(10)?.checked_add(digit as usize)
        })
    });
    let (quota, period) = (numbers.next()??, numbers.next()??);
    quota
        .checked_add(period)?
        .checked_sub(1)?
        .checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_in_whole_cpus() {
        let cases: [(&[u8], Option<usize>); 10] = [
            (b"200000 100000\n", Some(2)),
            (b"150000 100000\n", Some(2)),
            (b"1000 100000", Some(1)),
            (b"max 100000\n", None),
            (b"", None),
            (b"\n", None),
            (b"100000", None),
            (b"100000 0\n", None),
            (b"99999999999999999999 1\n", None),
            (b"18446744073709551615 9\n", None),
        ];
        for (text, cpus) in cases {
            assert_eq!(whole(text), cpus, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_quota_is_asked_for_where_cpus_are_many() {
        let never = || unreachable!("asked");
        assert_eq!((cut(1, never), cut(FEW, never)), (usize::MAX, usize::MAX));
        assert_eq!(cut(FEW + 1, || Some(2)), 2);
        assert_eq!(cut(64, || Some(0)), 1);
        assert_eq!(cut(64, || None), usize::MAX);
    }

    /// A system of such files.
    fn among(files: &[(&str, &str)]) -> Option<usize> {
        least(&mut |path, to| {
            let path = path.strip_suffix(b"\0").unwrap_or_else(|| unreachable!());
            let (_, text) = files.iter().find(|(name, _)| name.as_bytes() == path)?;
            let n = text.len().min(to.len());
            to[..n].copy_from_slice(&text.as_bytes()[..n]);
            Some(n)
        })
    }

    #[test]
    fn the_quota_is_the_least_of_the_process_s_own_cgroup_and_its_parents() {
        let own = ("/proc/self/cgroup", "0::/a.slice/b c/d\n");
        let root = ("/sys/fs/cgroup/cpu.max", "max 100000\n");
        let top = ("/sys/fs/cgroup/a.slice/cpu.max", "800000 100000\n");
        let middle = ("/sys/fs/cgroup/a.slice/b c/cpu.max", "250000 100000\n");
        let last = ("/sys/fs/cgroup/a.slice/b c/d/cpu.max", "600000 100000\n");
        let beside = ("/sys/fs/cgroup/cpu.cfs_quota_us", "100000\n");
        assert_eq!(among(&[own, root, top, middle, last, beside]), Some(3));
        assert_eq!(among(&[own, root, top, last]), Some(6));
        assert_eq!(among(&[own, top]), Some(8));
        assert_eq!(among(&[own, root]), None);
        // A container that sees its own group as the root, or names one outside its view.
        let here = ("/sys/fs/cgroup/cpu.max", "150000 100000\n");
        for view in ["0::/\n", "0::/../x\n", "0::/not/there\n"] {
            assert_eq!(among(&[("/proc/self/cgroup", view), here]), Some(2));
        }
        assert_eq!(among(&[here]), Some(2), "no /proc");
        assert_eq!(among(&[]), None);
    }

    #[test]
    fn version_1_has_its_quota_in_two_files() {
        let own = (
            "/proc/self/cgroup",
            "12:pids:/x\n4:cpu,cpuacct:/x/y\n3:cpuset:/z\n1:name=systemd:/x\n0::/x\n",
        );
        let quota = (
            "/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us",
            "300000\n",
        );
        let period = (
            "/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us",
            "100000\n",
        );
        assert_eq!(among(&[own, quota, period]), Some(3));
        assert_eq!(among(&[own, (quota.0, "-1\n"), period]), None);
        assert_eq!(among(&[own, quota]), None, "half of it");
        let above = [
            ("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "100000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "50000\n"),
        ];
        assert_eq!(among(&[own, quota, period, above[0], above[1]]), Some(2));
        let short = ("/proc/self/cgroup", "7:cpu:/\n");
        let root = [
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(among(&[short, root[0], root[1]]), Some(2));
        assert_eq!(among(&[root[0], root[1]]), Some(2), "no /proc");
    }

    #[test]
    fn a_path_that_is_too_long_has_no_quota() {
        let deep = std::format!("0::{}\n", "/abcdefgh".repeat(120));
        let here = ("/sys/fs/cgroup/cpu.max", "100000 100000\n");
        assert_eq!(among(&[("/proc/self/cgroup", &deep), here]), None);
        let wide = std::format!("0::/{}\n", "x".repeat(600));
        assert_eq!(among(&[("/proc/self/cgroup", &wide), here]), Some(1));
    }

    #[test]
    fn the_mask_is_the_one_the_kernel_shows() {
        let shown = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(affine() >= shown, "{} of {shown}", affine());
    }
}
