//! What is mapped in a process, as the kernel writes it.

use crate::target::printable;

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// First byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// It may be read.
    pub readable: bool,
    /// It may be written.
    pub writable: bool,
    /// It is shared with other processes.
    pub shared: bool,
    /// Where in its file it begins.
    pub offset: u64,
    /// Its file; 0 for none.
    pub inode: u64,
    /// Its file's name, or the kernel's for it.
    pub name: String,
    /// What is resident of it, bytes.
    pub rss: u64,
    /// What is resident and of no file, bytes.
    pub anonymous: u64,
    /// What is in swap, bytes.
    pub swap: u64,
    /// What is in huge pages, bytes.
    pub huge: u64,
}

/// The list of `/proc/PID/maps`, or with its figures `/proc/PID/smaps`.
pub fn parse(text: &str) -> Vec<Map> {
    let mut maps: Vec<Map> = Vec::new();
    for line in text.lines() {
        if let Some(map) = head(line) {
            maps.push(map);
        } else if let (Some(map), Some((name, bytes))) = (maps.last_mut(), figure(line)) {
            match name {
                "Rss" => map.rss = bytes,
                "Anonymous" => map.anonymous = bytes,
                "Swap" => map.swap = bytes,
                "AnonHugePages" => map.huge = bytes,
                _ => {}
            }
        }
    }
    maps
}

/// The line of a mapping.
fn head(line: &str) -> Option<Map> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let mut words = rest.splitn(5, ' ');
    let rights = words.next()?;
    let has = |right: char| rights.contains(right);
    Some(Map {
        from: hex(from)?,
        to: hex(to)?,
        readable: has('r'),
        writable: has('w'),
        shared: has('s'),
        offset: hex(words.next()?)?,
        inode: words.nth(1)?.parse().ok()?,
        name: printable(words.next().unwrap_or_default().trim_start()),
        ..Map::default()
    })
}

/// The line of a figure, its name and bytes.
pub fn figure(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    let kib: u64 = rest.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some((name, kib.saturating_mul(1024)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    #[test]
    fn mappings_and_their_figures_are_read() {
        let text = "\
5581a0000000-5581a0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                  12 kB
Anonymous:             8 kB
VmFlags: rd wr mr mw me ac
7f0000000000-7f0000001000 r-xs 00002000 fe:01 77 /a b\u{1b}[2J (deleted)
";
        let maps = parse(text);
        let [heap, file] = maps.as_slice() else {
            unreachable!("{maps:?}")
        };
        assert_eq!((heap.rss, heap.anonymous), (12 << 10, 8 << 10));
        assert_eq!(heap.name, "[heap]");
        assert!(heap.writable && !heap.shared && file.shared && !file.writable);
        assert_eq!((file.offset, file.inode), (0x2000, 77));
        assert_eq!(file.name, "/a b?[2J (deleted)");
    }
}
