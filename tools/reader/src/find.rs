//! Finds Cairn in a process: the note in every ELF object that is mapped, read from memory, so that a
//! library whose file was replaced is found too; and who serves `malloc` where there is none.

use crate::maps::Map;
use crate::tables::own_places;
use crate::target::{Error, Target, long, printable, quad, short};
use cairn::layout::descriptor::{self, Descriptor, Heads};
use cairn::layout::places::arena::LOCK_OWNER;
use cairn::layout::places::named;
use cairn::layout::sizes::MAX_ARENAS;
use object::read::{Object, ObjectSymbol, ReadCache};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A Cairn of a process. There may be several: two versions, a library with its own.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The file that it came with.
    pub object: String,
    /// Where everything is.
    pub descriptor: Descriptor,
    /// The same, of what lies outside the statics.
    pub heads: Heads,
    /// Where the words lie that keep what was said last; 0 if it keeps none.
    pub last: u64,
}

/// What a Cairn said before it ended its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// The message.
    pub message: String,
    /// The address that it is about.
    pub address: u64,
}

/// Bytes of a message at most.
const MESSAGE: u64 = 256;

/// Bytes of notes that are looked at.
const NOTES: usize = 64 << 10;
/// Program headers that are looked at.
const HEADERS: u64 = 64;
/// Instances that are looked at.
const INSTANCES: usize = 64;

/// The descriptors of an object whose first byte is mapped here.
fn descriptors(target: &dyn Target, map: &Map) -> Vec<(Descriptor, u64)> {
    const NOTE: u32 = 4;
    const LOAD: u32 = 1;
    let mut found = Vec::new();
    let Some(header) = target.bytes(map.from, 64) else {
        return found;
    };
    // 64 bits, little-endian.
    if !header.starts_with(b"\x7fELF\x02\x01") || short(&header, 54) != 56 {
        return found;
    }
    let (at, count) = (quad(&header, 32), u64::from(short(&header, 56)));
    let headers: Vec<_> = (0..count.min(HEADERS))
        .filter_map(|i| target.bytes(map.from.checked_add(at)?.checked_add(i * 56)?, 56))
        .collect();
    let first = headers.iter().find(|h| long(h, 0) == LOAD);
    let bias = map
        .from
        .wrapping_sub(first.map_or(0, |h| quad(h, 16) & !(target.page() - 1)));
    for note in headers.iter().filter(|h| long(h, 0) == NOTE) {
        let place = bias.wrapping_add(quad(note, 16));
        let bytes = usize::try_from(quad(note, 40)).unwrap_or(NOTES).min(NOTES);
        let notes = target.bytes(place, bytes);
        found.extend(notes.and_then(|notes| {
            let last = descriptor::last_words(&notes, place).unwrap_or(0);
            Some((Descriptor::find(&notes, place)?, last))
        }));
    }
    found
}

/// All Cairns of a process or core file.
///
/// # Errors
/// There is none, or all are of another layout.
pub fn instances(target: &dyn Target) -> Result<Vec<Instance>, Error> {
    let mut all: Vec<Instance> = Vec::new();
    let mut other = None;
    for map in target.maps() {
        // Who reads a device may wait for it.
        let is_device = map.name.starts_with("/dev/");
        if map.offset != 0 || !map.readable || is_device || all.len() == INSTANCES {
            continue;
        }
        for (descriptor, last) in descriptors(target, map) {
            let release = descriptor.release.map(|part| part.to_string()).join(".");
            if descriptor.layout != descriptor::LAYOUT {
                other = Some((release, descriptor.layout));
                continue;
            }
            if all.iter().any(|i| i.descriptor == descriptor) {
                continue;
            }
            let heads = target
                .bytes(descriptor.heads, descriptor::HEADS_BYTES)
                .and_then(|bytes| Heads::read(&bytes, descriptor.heads));
            if let Some(heads) = heads {
                all.push(Instance {
                    object: map.name.clone(),
                    descriptor,
                    heads,
                    last,
                });
            }
        }
    }
    match other {
        _ if !all.is_empty() => Ok(all),
        Some(theirs) => Err(Error::Layout {
            theirs,
            ours: descriptor::LAYOUT,
        }),
        None => Err(Error::Other(String::new())),
    }
}

impl Instance {
    /// What it said before it ended the process, if it did. The text is in its file, which a core file
    /// may have left out.
    pub fn last_words(&self, target: &dyn Target) -> Option<LastWords> {
        let words = target.bytes(self.last, 24).filter(|_| self.last != 0)?;
        let (address, text) = (quad(&words, 0), quad(&words, 8));
        let len = quad(&words, 16).min(MESSAGE);
        if text == 0 {
            return None;
        }
        let bytes = target.bytes(text, usize::try_from(len).ok()?);
        let bytes = bytes.or_else(|| of_file(target, text, len))?;
        Some(LastWords {
            message: printable(&String::from_utf8_lossy(&bytes)),
            address,
        })
    }

    /// Whether somebody holds a lock: then what that guards may be half changed.
    pub fn is_locked(&self, target: &dyn Target) -> bool {
        let d = &self.descriptor;
        let at = |piece: descriptor::Piece| d.statics + u64::from(piece.offset);
        let others = (0..MAX_ARENAS as u64).map_while(|i| {
            let place = target.word(at(d.others) + i * 8)?;
            (place != 0).then_some(place)
        });
        let own = own_places(target, self).into_iter();
        let own = own.map(|place| place.wrapping_add(named::ARENA as u64));
        let arenas = [at(d.main)].into_iter().chain(others).chain(own);
        let owners = arenas.map(|place| place.wrapping_add(LOCK_OWNER as u64));
        let locks = self
            .heads
            .locks
            .into_iter()
            .chain([self.heads.samples_lock])
            .chain([self.heads.guards_lock, self.heads.stacks_lock]);
        let mut all = owners.chain(locks);
        all.any(|owner| target.word(owner).is_some_and(|word| word != 0))
    }
}

/// What a file has of a stretch that is mapped from it.
fn of_file(target: &dyn Target, at: u64, len: u64) -> Option<Vec<u8>> {
    let map = target
        .map_of(at)
        .filter(|m| m.name.starts_with('/') && !m.name.starts_with("/dev/"))?;
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    let place = map.offset.checked_add(at - map.from)?;
    File::open(&map.name)
        .ok()?
        .read_exact_at(&mut bytes, place)
        .ok()?;
    Some(bytes)
}

/// Names of objects and symbols by which an allocator is known. The first that fits.
const OTHERS: [(&str, &str, &[&str]); 7] = [
    (
        "jemalloc",
        "libjemalloc",
        &["mallctl", "_rjem_mallctl", "je_mallctl", "rallocx"],
    ),
    ("mimalloc", "libmimalloc", &["mi_malloc"]),
    (
        "tcmalloc",
        "libtcmalloc",
        &["tc_malloc", "TCMallocInternalMalloc"],
    ),
    ("snmalloc", "libsnmalloc", &["sn_malloc"]),
    ("Hoard", "libhoard", &["xxmalloc"]),
    ("hardened_malloc", "libhardened_malloc", &["h_malloc"]),
    ("rpmalloc", "librpmalloc", &["rpmalloc"]),
];

/// Who serves `malloc` in a process without Cairn: by the objects that are mapped, then by the
/// symbols of its program.
pub fn other_allocator(target: &dyn Target, program: Option<&Path>) -> String {
    let file = |map: &Map| {
        let name = map.name.trim_end_matches(" (deleted)");
        name.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let files: Vec<String> = target.maps().iter().map(file).collect();
    let mapped = |prefix: &str| files.iter().any(|name| name.starts_with(prefix));
    if let Some((name, ..)) = OTHERS.iter().find(|other| mapped(other.1)) {
        return (*name).to_owned();
    }
    let symbols = program.map(symbols).unwrap_or_default();
    let has = |names: &[&str]| symbols.iter().any(|s| names.contains(&s.as_str()));
    if let Some((name, ..)) = OTHERS.iter().find(|other| has(other.2)) {
        return format!("{name} (linked into the program)");
    }
    if mapped("libc.so.6") || mapped("libc-2.") {
        "glibc's malloc".to_owned()
    } else if mapped("ld-musl") || mapped("libc.musl") {
        "musl's malloc".to_owned()
    } else if mapped("libc.so") {
        "the C library's malloc".to_owned()
    } else {
        "the malloc that is linked into the program".to_owned()
    }
}

/// The names of functions that a program defines and that end in what a name of an allocator ends
/// in; none if the file cannot be read.
fn symbols(program: &Path) -> Vec<String> {
    let Ok(file) = File::open(program) else {
        return Vec::new();
    };
    let cache = ReadCache::new(BufReader::new(file));
    let Ok(file) = object::File::parse(&cache) else {
        return Vec::new();
    };
    let all = file.symbols().chain(file.dynamic_symbols());
    let wanted = |name: &str| OTHERS.iter().any(|other| other.2.contains(&name));
    all.filter(ObjectSymbol::is_definition)
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| wanted(name))
        .map(str::to_owned)
        .collect()
}
