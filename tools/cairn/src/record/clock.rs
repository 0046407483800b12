//! The clock by which calls are put in order, and how fast it is.

#[cfg(target_arch = "x86_64")]
use std::fs;
use std::time::Instant;

use anyhow::{Result, bail};

/// A tick of a trace is the clock's, times a power of two, and at most this long, seconds.
const TICK: f64 = 64e-9;

/// The processor's clock beside the system's.
pub(crate) struct Clock {
    first: (u64, Instant),
    last: (u64, Instant),
}

impl Clock {
    /// From here on.
    ///
    /// # Errors
    /// The processor's clock cannot put calls of several threads in order.
    pub(crate) fn start() -> Result<Self> {
        if !is_invariant() {
            bail!(
                "the processor's clock is not the same for all CPUs at all times (no invariant TSC): \
                 calls of threads could not be put in order, so nothing is recorded here"
            );
        }
        let now = (read(), Instant::now());
        Ok(Self {
            first: now,
            last: now,
        })
    }

    /// Up to here.
    ///
    /// # Errors
    /// It stood still.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.last = (read(), Instant::now());
        if self.last.0 <= self.first.0 {
            bail!("the processor's clock stood still");
        }
        Ok(())
    }

    /// Seconds of one count.
    fn count(&self) -> f64 {
        let seconds = (self.last.1 - self.first.1).as_secs_f64();
        seconds / (self.last.0 - self.first.0) as f64
    }

    /// By what power of two a tick is longer than a count.
    pub(crate) fn shift(&self) -> u32 {
        (0..32)
            .take_while(|shift| self.count() * f64::from(1_u32 << shift) <= TICK)
            .last()
            .unwrap_or(0)
    }

    /// Seconds of a tick.
    pub(crate) fn tick(&self) -> f64 {
        self.count() * f64::from(1_u32 << self.shift())
    }
}

#[cfg(target_arch = "x86_64")]
fn read() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "aarch64")]
fn read() -> u64 {
    let now: u64;
    // SAFETY: Linux lets programs read the counter.
    unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) now, options(nostack, nomem)) };
    now
}

/// Whether the clock is one for all CPUs: the processor says so, and the kernel did not find it to
/// be otherwise.
#[cfg(target_arch = "x86_64")]
fn is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;

    /// The leaf of power management, and its bit for the clock.
    const LEAF: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    #[allow(unused_unsafe, reason = "older compilers have it unsafe")]
    // SAFETY: every x86-64 processor has the instruction.
    let says = |leaf| unsafe { __cpuid(leaf) };
    let has = says(LEAF & 0x8000_0000).eax >= LEAF && says(LEAF).edx & INVARIANT != 0;
    let sources = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
    let sources = fs::read_to_string(sources).unwrap_or_default();
    // A virtual machine's clock may be made of it.
    let known = ["tsc", "kvm-clock", "hyperv"];
    has && (sources.is_empty() || known.iter().any(|name| sources.contains(name)))
}

/// The architecture's counter is one for all CPUs.
#[cfg(target_arch = "aarch64")]
fn is_invariant() -> bool {
    true
}
