//! Why the kernel does not let us watch, and what would change that.

use std::fs;
use std::io;

pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM))
}

pub(super) fn refused(error: &io::Error) -> anyhow::Error {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
            let level = level.unwrap_or_default();
            anyhow::anyhow!(
                "the kernel does not let us see page faults (kernel.perf_event_paranoid is {}): \
                 run as root or with the capability CAP_PERFMON, or set that to 2 and run as the \
                 user of the process",
                level.trim()
            )
        }
        Some(libc::ENOSYS | libc::ENOENT | libc::EOPNOTSUPP) => anyhow::anyhow!(
            "this kernel does not tell page faults one by one (perf_event_open: {error})"
        ),
        Some(libc::EMFILE) => anyhow::anyhow!(
            "too many threads and CPUs for the limit of open files: raise it (ulimit -n)"
        ),
        _ => anyhow::anyhow!("page faults cannot be watched (perf_event_open: {error})"),
    }
}
