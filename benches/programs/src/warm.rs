//! Free memory, touched once before anything is measured.
//!
//! In a virtual machine a page that the guest hands out for the first time is missing on the host
//! too, and costs about 2 µs more than another. Which program meets such pages is chance, or the
//! order of the libraries: `live-large` took 0.6 or 1.3 of glibc's time from one round to the next.

use std::fs;

use anyhow::{Context, Result};

/// Bytes that stay untouched, for everybody else.
const RESERVE: u64 = 1 << 30;
/// Bytes touched at a time.
const STEP: usize = 64 << 20;

/// Touches all memory that is free, but for a reserve, and gives it back; how much it was, bytes.
pub(crate) fn memory(shown: &mut dyn FnMut(&str)) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let free = free(&text).context("/proc/meminfo has no MemFree")?;
    let wanted = free.saturating_sub(RESERVE);
    let mut touched = 0;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    while touched < wanted {
        blocks.push(vec![1; STEP]);
        touched += STEP as u64;
        shown(&format!("touching free memory, {} MiB", touched >> 20));
    }
    Ok(touched)
}

/// Bytes that nothing uses, of the kernel's list.
fn free(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemFree:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::free;

    #[test]
    fn free_memory_is_read_in_bytes() {
        let text = "MemTotal:       24676320 kB\nMemFree:        23693044 kB\n";
        assert_eq!(free(text), Some(23_693_044 << 10));
        assert_eq!(free("MemTotal: 1 kB\n"), None);
        assert_eq!(free("MemFree: many kB\n"), None);
    }
}
