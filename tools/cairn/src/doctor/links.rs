//! The objects of a process in the order in which the loader looks for names, and what each defines.

use cairn_reader::Target;
use cairn_reader::process::Process;
use cairn_reader::target::{long, printable, quad};
use object::read::{Object, ObjectSymbol, ReadCache};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The names that are asked for.
pub(super) const NAMES: [&str; 6] = ["malloc", "free", "calloc", "realloc", "_Znwm", "_ZdlPv"];

/// An object, and which of [`NAMES`] it defines.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    /// Its path; of the program itself its name.
    pub(super) name: String,
    /// Which names it defines.
    pub(super) defines: Vec<&'static str>,
}

/// Objects that are followed.
const OBJECTS: usize = 4096;
/// Entries of a table that are looked at.
const ENTRIES: u64 = 1024;

/// A value of the kernel's list for the process.
pub(super) fn auxiliary(process: &Process, key: u64) -> Option<u64> {
    let bytes = fs::read(process.path("auxv")).ok()?;
    let mut pairs = bytes.chunks_exact(16);
    let found = pairs.find(|pair| quad(pair, 0) == key)?;
    Some(quad(found, 8))
}

/// The loader's first record of its list; `None` of a static program.
fn first(process: &Process) -> Option<u64> {
    const PHDR: u64 = 3;
    const PHNUM: u64 = 5;
    const PT_DYNAMIC: u32 = 2;
    const PT_PHDR: u32 = 6;
    const DT_DEBUG: u64 = 21;
    let (at, count) = (auxiliary(process, PHDR)?, auxiliary(process, PHNUM)?);
    let headers: Vec<_> = (0..count.min(64))
        .filter_map(|i| process.bytes(at.checked_add(i * 56)?, 56))
        .collect();
    let of = |kind: u32| headers.iter().find(|h| long(h, 0) == kind);
    let bias = at.wrapping_sub(of(PT_PHDR).map_or(at, |h| quad(h, 16)));
    let dynamic = bias.wrapping_add(quad(of(PT_DYNAMIC)?, 16));
    let entry = |i: u64| process.bytes(dynamic.wrapping_add(i * 16), 16);
    let entries = (0..ENTRIES)
        .map_while(entry)
        .take_while(|e| quad(e, 0) != 0);
    let debug = entries.into_iter().find(|e| quad(e, 0) == DT_DEBUG)?;
    process.word(quad(&debug, 8).checked_add(8)?)
}

/// A text in the process.
fn text(process: &Process, at: u64) -> String {
    let mut bytes = [0; 4096];
    let n = process.read(at, &mut bytes);
    let bytes = bytes.get(..n).unwrap_or_default();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Which of [`NAMES`] a file defines for others.
pub(super) fn defines(path: &Path) -> Vec<&'static str> {
    let Ok(file) = File::open(path) else {
        return Vec::new();
    };
    let cache = ReadCache::new(BufReader::new(file));
    let Ok(file) = object::File::parse(&cache) else {
        return Vec::new();
    };
    let defined: Vec<_> = file
        .dynamic_symbols()
        .filter(ObjectSymbol::is_definition)
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect();
    let is_there = |name: &&&str| defined.iter().any(|d| d == **name);
    NAMES.iter().filter(is_there).copied().collect()
}

/// The objects in order; none of a static program.
pub(super) fn linked(process: &Process) -> Vec<Linked> {
    let mut all = Vec::new();
    let mut next = first(process).unwrap_or(0);
    while next != 0 && all.len() < OBJECTS {
        let Some(link) = process.bytes(next, 32) else {
            break;
        };
        let name = text(process, quad(&link, 8));
        let path: PathBuf = if name.is_empty() && all.is_empty() {
            process.path("exe")
        } else {
            // As the process sees it, which may be in a container.
            let inside = format!("{}{name}", process.path("root").display());
            inside.into()
        };
        let shown = match name.as_str() {
            "" if all.is_empty() => "the program itself".to_owned(),
            _ => printable(&name),
        };
        all.push(Linked {
            defines: defines(&path),
            name: shown,
        });
        next = quad(&link, 24);
    }
    all
}
