//! The processor's clock, which is the same for all CPUs where the command records at all.

/// Now, before what follows: what a thread does after reading it is seen by others later.
#[inline(always)]
pub(crate) fn before() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has it.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    after()
}

/// Now, after what came before: it is not read until all of that is done.
#[inline(always)]
pub(crate) fn after() -> u64 {
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
