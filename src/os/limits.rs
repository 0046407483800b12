//! How much memory the process's cgroups leave it, and how much of that is used.
//!
//! Asked only where a knob needs it: to open a file may end a sandboxed process.

use super::cgroup::{self, Path, Read, Version, read_file};
use super::files::decimal;

/// From here on a limit is none: version 1 writes the largest multiple of a page for it.
const NONE: usize = 1 << 62;
/// Bytes of `memory.stat` that are read, which are all of it on the kernels of today.
const STAT: usize = 4096;

/// A cgroup that has a limit of memory.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// The limit, bytes.
    pub limit: usize,
    dir: Path,
    version: Version,
}

/// The least limit among the process's cgroup and its parents: of `memory.max` and `memory.high`,
/// or version 1's `memory.limit_in_bytes`. `None` where there is none, or it cannot be read. Beyond
/// `high` nobody is killed, but the kernel stops the process as long as it takes to get there again.
pub(crate) fn memory() -> Option<Memory> {
    least(&mut read_file)
}

impl Memory {
    /// Bytes that all processes of the group use together, but for pages of files that the kernel
    /// would take before it kills anybody (`inactive_file`). Two files are read. May change `errno`.
    pub(crate) fn used(&self) -> Option<usize> {
        self.used_by(&mut read_file)
    }

    fn used_by(&self, read: Read<'_>) -> Option<usize> {
        let (used, inactive) = match self.version {
            Version::Second => (&b"/memory.current\0"[..], &b"inactive_file"[..]),
            Version::First => (
                &b"/memory.usage_in_bytes\0"[..],
                &b"total_inactive_file"[..],
            ),
        };
        let used = number(self.dir.then(used)?.text(), read)?;
        Some(used.saturating_sub(self.figure(inactive, read).unwrap_or(0)))
    }

    /// A figure of `memory.stat`, bytes.
    fn figure(&self, name: &[u8], read: Read<'_>) -> Option<usize> {
        let mut text = [0; STAT];
        let got = read(self.dir.then(b"/memory.stat\0")?.text(), &mut text)?;
        let mut lines = text.get(..got)?.split(|&byte| byte == b'\n');
        lines.find_map(|line| decimal(line.strip_prefix(name)?.strip_prefix(b" ")?))
    }
}

/// The number that a file holds; `max` is none.
fn number(path: &[u8], read: Read<'_>) -> Option<usize> {
    let mut text = [0; 32];
    let got = read(path, &mut text)?;
    decimal(text.get(..got)?.trim_ascii())
}

fn least(read: Read<'_>) -> Option<Memory> {
    let mut all: Option<Memory> = None;
    cgroup::each(b"memory", read, &mut |version, dir, read| {
        let names: &[&[u8]] = match version {
            Version::Second => &[b"/memory.max\0", b"/memory.high\0"],
            Version::First => &[b"/memory.limit_in_bytes\0"],
        };
        for name in names {
            let limit = dir.then(name).and_then(|path| number(path.text(), read));
            if let Some(limit) = limit.filter(|limit| *limit < NONE)
                && all.is_none_or(|least| limit < least.limit)
            {
                let dir = *dir;
                all = Some(Memory {
                    limit,
                    dir,
                    version,
                });
            }
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use cgroup::tests::system;

    type Files<'a> = &'a [(&'a str, &'a str)];

    /// The limit, and what is used of it.
    fn among(files: Files<'_>) -> Option<(usize, Option<usize>)> {
        let found = least(&mut system(files))?;
        Some((found.limit, found.used_by(&mut system(files))))
    }

    #[test]
    fn the_limit_is_the_least_of_the_process_s_own_cgroup_and_its_parents() {
        let own = ("/proc/self/cgroup", "0::/a/b\n");
        let root = ("/sys/fs/cgroup/memory.max", "max\n");
        let top = ("/sys/fs/cgroup/a/memory.max", "3000000\n");
        let last = ("/sys/fs/cgroup/a/b/memory.max", "5000000\n");
        let high = ("/sys/fs/cgroup/a/b/memory.high", "2000000\n");
        assert_eq!(among(&[own, root]), None);
        assert_eq!(among(&[own, root, last]), Some((5_000_000, None)));
        assert_eq!(among(&[own, top, last]), Some((3_000_000, None)));
        assert_eq!(among(&[own, top, last, high]), Some((2_000_000, None)));
        let here = ("/sys/fs/cgroup/memory.max", "7000000\n");
        assert_eq!(among(&[here]), Some((7_000_000, None)), "no /proc");
        assert_eq!(among(&[]), None);
        for text in ["", "\n", "max", "-1", "1x", "99999999999999999999"] {
            assert_eq!(among(&[own, ("/sys/fs/cgroup/a/memory.max", text)]), None);
        }
    }

    #[test]
    fn what_is_used_is_the_limited_group_s_but_for_files_that_can_go() {
        let files = [
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/memory.max", "3000000\n"),
            ("/sys/fs/cgroup/a/memory.current", "2500000\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "1\n"),
            (
                "/sys/fs/cgroup/a/memory.stat",
                "anon 1900000\nactive_file 100000\ninactive_file 500000\n",
            ),
        ];
        assert_eq!(among(&files), Some((3_000_000, Some(2_000_000))));
        assert_eq!(among(&files[..4]), Some((3_000_000, Some(2_500_000))));
        assert_eq!(among(&files[..2]), Some((3_000_000, None)));
    }

    #[test]
    fn version_1_has_files_of_its_own() {
        let own = ("/proc/self/cgroup", "4:memory:/x/y\n1:cpu:/z\n0::/\n");
        let none = (
            "/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        let limit = ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4000000\n");
        let used = ("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "3000000\n");
        let stat = (
            "/sys/fs/cgroup/memory/x/memory.stat",
            "inactive_file 5\ntotal_inactive_file 1000000\n",
        );
        assert_eq!(among(&[own, none]), None);
        assert_eq!(
            among(&[own, none, limit, used]),
            Some((4_000_000, Some(3_000_000)))
        );
        assert_eq!(
            among(&[own, none, limit, used, stat]),
            Some((4_000_000, Some(2_000_000)))
        );
        let root = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000000\n");
        assert_eq!(among(&[root]), Some((6_000_000, None)), "no /proc");
    }
}
