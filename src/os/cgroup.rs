//! The process's cgroups and their parents, whose folders say what it may use.
//!
//! To open a file may end a sandboxed process, so nobody comes here unasked but the start.

use super::files::File;
use core::ffi::CStr;

/// Bytes of the longest path that is asked for, its NUL included.
const PATH: usize = 512;
/// Bytes of `/proc/self/cgroup` that are read: 14 lines on the largest of version 1's systems.
const LINES: usize = 1536;
/// Parents of a cgroup that are asked at most.
const DEPTH: usize = 16;

/// Reads the beginning of a file, whose path ends in NUL, into the buffer: bytes that were read.
pub(super) type Read<'a> = &'a mut dyn FnMut(&[u8], &mut [u8]) -> Option<usize>;

/// As [`Read`], of the system. May change `errno`.
pub(super) fn read_file(path: &[u8], to: &mut [u8]) -> Option<usize> {
    let file = File::open(CStr::from_bytes_with_nul(path).ok()?)?;
    Some(file.read(to))
}

/// Which of the kernel's two forms a folder has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    /// A hierarchy for each controller.
    First,
    /// One for all.
    Second,
}

/// What is asked of a folder.
type Ask<'a> = &'a mut dyn FnMut(Version, &Path, Read<'_>);

/// Shows the folders of the cgroups that `/proc/self/cgroup` names for a controller, each before its
/// parents; where that cannot be read the topmost one, which a container takes for its own.
pub(super) fn each(controller: &[u8], read: Read<'_>, ask: Ask<'_>) {
    let mut text = [0; LINES];
    let got = read(b"/proc/self/cgroup\0", &mut text).unwrap_or(0);
    let text = text.get(..got).unwrap_or(&[]);
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.is_empty() {
            along(&[b"/sys/fs/cgroup"], path, &mut |dir| {
                ask(Version::Second, dir, read);
            });
        } else if controllers
            .split(|&byte| byte == b',')
            .any(|c| c == controller)
        {
            along(&[b"/sys/fs/cgroup/", controllers], path, &mut |dir| {
                ask(Version::First, dir, read);
            });
        }
    }
    if text.is_empty() {
        if let Some(dir) = Path::of(&[b"/sys/fs/cgroup"]) {
            ask(Version::Second, &dir, read);
        }
        if let Some(dir) = Path::of(&[b"/sys/fs/cgroup/", controller]) {
            ask(Version::First, &dir, read);
        }
    }
}

/// Shows a cgroup's folder, and its parents' up to the mount's.
fn along(mount: &[&[u8]], path: &[u8], show: &mut dyn FnMut(&Path)) {
    // What lies above the process's own view of the groups (`/..`) has no folder in it.
    let mut path = if path.starts_with(b"/..") { b"" } else { path };
    for _ in 0..DEPTH {
        path = path.strip_suffix(b"/").unwrap_or(path);
        let dir = Path::of(mount).and_then(|dir| dir.then(path));
        if let Some(dir) = dir {
            show(&dir);
        }
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
            break;
        };
        path = path.get(..slash).unwrap_or(&[]);
    }
}

/// A path that needs no memory but its own.
#[derive(Clone, Copy)]
pub(super) struct Path {
    bytes: [u8; PATH],
    len: usize,
}

impl Path {
    /// `None` where it is too long.
    fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut path = Self {
            bytes: [0; PATH],
            len: 0,
        };
        for part in parts {
            path = path.then(part)?;
        }
        Some(path)
    }
    /// The path with this behind it; `None` where it is too long.
    pub(super) fn then(&self, part: &[u8]) -> Option<Self> {
        let mut longer = *self;
        let to = longer.bytes.get_mut(self.len..self.len + part.len())?;
        to.copy_from_slice(part);
        longer.len += part.len();
        Some(longer)
    }
    /// Its bytes.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
pub(super) mod tests {
    /// A system that has these files.
    pub(in super::super) fn system<'a>(
        files: &'a [(&'a str, &'a str)],
    ) -> impl FnMut(&[u8], &mut [u8]) -> Option<usize> + 'a {
        |path, to| {
            let path = path.strip_suffix(b"\0").unwrap_or_else(|| unreachable!());
            let (_, text) = files.iter().find(|(name, _)| name.as_bytes() == path)?;
            let n = text.len().min(to.len());
            to[..n].copy_from_slice(&text.as_bytes()[..n]);
            Some(n)
        }
    }
}
