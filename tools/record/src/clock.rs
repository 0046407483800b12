//! The processor's clock, which is the same for all CPUs where the command records at all.

/// Now, after all that this thread did before: after an allocation that was made, and after a
/// pointer to be freed was read. What it does afterwards is seen by others later.
#[inline(always)]
pub(crate) fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has both.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let now: u64;
        // SAFETY: Linux lets programs read the counter.
        unsafe {
            core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) now, options(nostack, preserves_flags));
        }
        now
    }
}
