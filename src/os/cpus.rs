//! How many CPUs the process may use, which is how many arenas it needs.

use libc::c_long;

/// So few CPUs, and an arena each, that it does not pay to ask for a quota: to look for its file
/// takes about a tenth of what Cairn adds to the start of a process.
const FEW: usize = 4;

/// CPUs this process may use: its affinity mask, where that has many cut by a cgroup v2 quota.
pub(crate) fn cpus() -> usize {
    cut(affine(), quota)
}

/// Where there are many CPUs, no more than a quota's.
fn cut(cpus: usize, quota: impl FnOnce() -> Option<usize>) -> usize {
    if cpus <= FEW {
        return cpus;
    }
    quota().map_or(cpus, |quota| cpus.min(quota.max(1)))
}

/// CPUs of the affinity mask, at least 1.
fn affine() -> usize {
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

/// Whole CPUs of this cgroup's quota; `None` when there is none or it cannot be read.
fn quota() -> Option<usize> {
    let mut text = [0u8; 64];
    // SAFETY: the path ends in NUL, the buffer has the size it is said to have, and the
    // descriptor is ours from open to close.
    let got = unsafe {
        let path = c"/sys/fs/cgroup/cpu.max".as_ptr();
        let flags = c_long::from(libc::O_RDONLY | libc::O_CLOEXEC);
        let fd = libc::syscall(libc::SYS_openat, c_long::from(libc::AT_FDCWD), path, flags);
        if fd < 0 {
            return None;
        }
        let got = libc::syscall(libc::SYS_read, fd, text.as_mut_ptr(), text.len());
        libc::syscall(libc::SYS_close, fd);
        got
    };
    whole(text.get(..usize::try_from(got).ok()?)?)
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
        assert_eq!((cut(1, never), cut(FEW, never)), (1, FEW));
        assert_eq!(cut(FEW + 1, || Some(2)), 2);
        assert_eq!(cut(64, || Some(100)), 64);
        assert_eq!(cut(64, || Some(0)), 1);
        assert_eq!(cut(64, || None), 64);
    }

    #[test]
    fn the_mask_is_the_one_the_kernel_shows() {
        let shown = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(cpus() >= 1 && affine() >= shown, "{} of {shown}", affine());
    }
}
