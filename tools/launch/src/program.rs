//! Whether a library can be preloaded into a program, before anything is run.

use std::env;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use anyhow::{Context, Result, bail};
use object::elf;
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};

/// A machine word of the programs that this one's libraries fit.
const MACHINE: elf::Machine = if cfg!(target_arch = "x86_64") {
    elf::EM_X86_64
} else {
    elf::EM_AARCH64
};
/// Scripts whose interpreter is a script are followed so far, as the kernel does.
const DEEPEST: usize = 4;

/// A program on `PATH`.
pub fn on_path(program: impl AsRef<Path>) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join(&program))
        .find(|path| path.is_file())
}

/// The file of a program as a shell would find it.
///
/// # Errors
/// When it is not there, not a file, or not executable.
pub fn find(name: &OsStr) -> Result<PathBuf> {
    let shown = name.display();
    let path = if name.as_bytes().contains(&b'/') {
        PathBuf::from(name)
    } else {
        match on_path(name) {
            Some(path) => path,
            None if Path::new(name).is_file() => {
                bail!("no program {shown} on PATH; the file here is ./{shown}")
            }
            None => bail!("no program {shown} on PATH"),
        }
    };
    let metadata = fs::metadata(&path).with_context(|| format!("no program {shown}"))?;
    if !metadata.is_file() {
        bail!("{shown} is not a program");
    }
    if metadata.mode() & 0o111 == 0 {
        bail!("{shown} is not executable: chmod +x, or name its interpreter before it");
    }
    Ok(path)
}

/// Whether the loader takes a preloaded library into the program.
///
/// # Errors
/// When it does not: a static program, a set-uid one, one of another machine or C library. The
/// message says which.
pub fn check(program: &Path) -> Result<()> {
    let mut file = program.to_owned();
    for _ in 0..DEEPEST {
        refuse_privileges(&file)?;
        match interpreter(&file)? {
            Some(next) => file = next,
            None => return check_elf(&file),
        }
    }
    bail!("{}: scripts within scripts", program.display())
}

fn refuse_privileges(file: &Path) -> Result<()> {
    let shown = file.display();
    let mode = fs::metadata(file)
        .with_context(|| format!("no program {shown}"))?
        .mode();
    let kind = if mode & libc::S_ISUID != 0 {
        "set-uid"
    } else if mode & libc::S_ISGID != 0 {
        "set-gid"
    } else if has_capabilities(file) {
        "run with capabilities"
    } else {
        return Ok(());
    };
    bail!(
        "{shown} is {kind}: the loader takes no preloaded library into it; a copy without that \
         right takes one"
    )
}

fn has_capabilities(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: both texts end in a zero and outlive the call, which writes nothing: the size is 0.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            null_mut(),
            0,
        )
    };
    size > 0
}

/// The program that runs a script; `None` for what is no script.
fn interpreter(file: &Path) -> Result<Option<PathBuf>> {
    let mut start = Vec::new();
    File::open(file)
        .and_then(|file| file.take(256).read_to_end(&mut start))
        .with_context(|| format!("cannot read {}", file.display()))?;
    let Some(rest) = start.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = line
        .split(u8::is_ascii_whitespace)
        .find(|word| !word.is_empty())
        .with_context(|| format!("{} has no interpreter after #!", file.display()))?;
    Ok(Some(std::ffi::OsString::from_vec(first.to_vec()).into()))
}

fn check_elf(file: &Path) -> Result<()> {
    let shown = file.display();
    let opened = File::open(file).with_context(|| format!("cannot read {shown}"))?;
    let data = ReadCache::new(opened);
    let Ok(header) = elf::FileHeader64::<object::Endianness>::parse(&data) else {
        bail!("{shown} is neither a 64-bit program nor a script that begins with #!");
    };
    let endian = header.endian()?;
    if header.e_machine(endian) != MACHINE {
        bail!("{shown} is for another machine");
    }
    for segment in header.program_headers(endian, &data)? {
        if let Some(loader) = segment.interpreter(endian, &data)? {
            let loader = String::from_utf8_lossy(loader);
            if loader.contains("musl") {
                bail!("{shown} is linked with musl: libraries made for glibc do not load into it");
            }
            return Ok(());
        }
    }
    bail!(
        "{shown} is a static program: nothing can be preloaded into it; link it dynamically, or \
         with each allocator"
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::{check, find};

    fn why(result: anyhow::Result<impl Sized>) -> String {
        result
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default()
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        assert!(find(OsStr::new("sh")).is_ok_and(|path| path.is_absolute()));
        assert_eq!(
            why(find(OsStr::new("no-such-program"))),
            "no program no-such-program on PATH"
        );
        assert!(why(find(OsStr::new("/etc"))).contains("is not a program"));
        assert!(why(find(OsStr::new("/etc/passwd"))).contains("is not executable"));
        assert!(why(find(OsStr::new("/no/such"))).contains("No such file"));
    }

    #[test]
    fn a_dynamic_program_can_be_preloaded_into_and_text_cannot() {
        assert_eq!(why(check(Path::new("/bin/sh"))), "");
        assert!(why(check(Path::new("/etc/passwd"))).contains("neither a 64-bit program"));
    }
}
