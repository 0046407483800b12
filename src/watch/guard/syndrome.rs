//! Whether an access wrote, on aarch64: the kernel lays the processor's syndrome register among the
//! records behind the registers of a signal's context (`struct esr_context`), whose form libc does not
//! have. Each record begins with its kind and its length, and one of length 0 is the last.

/// The kind of the record with the register: "ESR" and a one.
const SYNDROME: u32 = 0x4553_5201;
/// Classes of exceptions in its upper six bits: an access to data, from below or from the kernel itself.
const ACCESSES: [u64; 2] = [0x24, 0x25];
/// The bit that says that it wrote.
const WROTE: u64 = 1 << 6;

/// Whether the access wrote, if one of these records says it.
pub(super) fn wrote(records: &[u64]) -> Option<bool> {
    let mut left = records;
    loop {
        let (&head, behind) = left.split_first()?;
        let (kind, bytes) = (head as u32, (head >> 32) as usize);
        if kind == SYNDROME {
            let &syndrome = behind.first()?;
            let is_access = ACCESSES.contains(&(syndrome >> 26 & 0x3f));
            return is_access.then_some(syndrome & WROTE != 0);
        }
        if bytes == 0 {
            return None;
        }
        left = left.get(bytes.div_ceil(8)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::{SYNDROME, wrote};

    const fn head(kind: u32, bytes: u32) -> u64 {
        kind as u64 | (bytes as u64) << 32
    }
    /// Of the registers for floating point, as the kernel puts them first.
    const OTHER: u64 = head(0x4650_8001, 24);
    const OURS: u64 = head(SYNDROME, 16);

    #[test]
    fn the_record_is_found_behind_others() {
        // A fault of translation and of rights, at levels 3, of a write and of a read.
        assert_eq!(wrote(&[OTHER, 1, 2, OURS, 0x9200_0047, 0]), Some(true));
        assert_eq!(wrote(&[OTHER, 1, 2, OURS, 0x9200_000f, 0]), Some(false));
    }

    #[test]
    fn what_is_no_access_or_not_there_says_nothing() {
        // A jump to where nothing may run.
        assert_eq!(wrote(&[OURS, 0x8200_000f, 0]), None);
        assert_eq!(wrote(&[OTHER, 1, 2, 0, OURS, 0x9200_0047]), None);
        assert_eq!(wrote(&[OTHER, 1]), None);
        assert_eq!(wrote(&[OURS]), None);
        assert_eq!(wrote(&[head(7, 0xffff_ffff), 1, 2]), None);
        assert_eq!(wrote(&[]), None);
    }
}
