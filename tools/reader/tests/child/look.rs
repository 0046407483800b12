//! Whether anybody may look at a child here: not in a sandbox without `ptrace`.

use std::process::Command;
use std::sync::OnceLock;

pub fn may_look() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let mut child = Command::new("sleep").arg("60").spawn().expect("a child");
        let pid = i32::try_from(child.id()).expect("a number");
        let none = std::ptr::null_mut::<libc::c_void>();
        let mut byte = 0_u8;
        let local = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        let remote = libc::iovec {
            iov_base: none,
            iov_len: 1,
        };
        // SAFETY: seizes a child of ours, and reads at most a byte of it into ours.
        let (seized, refused) = unsafe {
            let seized = libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) == 0;
            libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0);
            let error = std::io::Error::last_os_error().raw_os_error();
            (seized, matches!(error, Some(libc::EPERM | libc::ENOSYS)))
        };
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        seized && !refused
    })
}
