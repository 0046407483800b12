//! How many CPUs the process may use, which is how many arenas it needs.

use super::cgroup::{self, Path, Read, Version, read_file};
use super::files::decimal;
use libc::c_long;

/// So few CPUs, and an arena each, that it does not pay to ask for a quota: to look for its files
/// takes more than a tenth of what Cairn adds to the start of a process.
const FEW: usize = 4;

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

/// The least quota of the process's cgroups, in whole CPUs.
fn least(read: Read<'_>) -> Option<usize> {
    let mut all: Option<usize> = None;
    cgroup::each(b"cpu", read, &mut |version, dir, read| {
        let quota = match version {
            Version::Second => second(dir, read),
            Version::First => first(dir, read),
        };
        if let Some(quota) = quota {
            all = Some(all.map_or(quota, |least| least.min(quota)));
        }
    });
    all
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

/// Whole CPUs, rounded up, of `QUOTA PERIOD`, both in microseconds; `max PERIOD` is no quota.
fn whole(text: &[u8]) -> Option<usize> {
    let mut numbers = text.split(u8::is_ascii_whitespace).map(decimal);
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

    fn among(files: &[(&str, &str)]) -> Option<usize> {
        least(&mut cgroup::tests::system(files))
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
