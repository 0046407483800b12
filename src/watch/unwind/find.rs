//! The object that an address lies in, without the loader's lock.
//!
//! `_dl_find_object` (glibc 2.35) is looked up in libc's own table of symbols and not by the
//! loader: a reference would be looked up in every process that starts, profiled or not. Without it
//! (an older glibc, musl, a static program) no address has an object, and stacks are those of frame
//! pointers.

use crate::os::guards;
use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What glibc's function answers, as `<dlfcn.h>` has it.
#[repr(C)]
struct Found {
    flags: u64,
    start: usize,
    end: usize,
    link_map: *const LinkMap,
    tables: usize,
    reserved: [usize; 7],
}

/// The part of the loader's structure that is public.
#[repr(C)]
struct LinkMap {
    bias: usize,
    name: *const c_char,
}

/// An object that the loader knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// First byte of its code and data.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Its `.eh_frame_hdr`; 0 if it has none.
    pub tables: usize,
    /// What is added to addresses of its file.
    pub bias: usize,
    /// Its path, a C string; empty for the program.
    pub name: usize,
}

/// The function; 1 if there is none, 0 before it was looked for.
static FUNCTION: AtomicUsize = AtomicUsize::new(0);
const NONE: usize = 1;

type FindObject = unsafe extern "C" fn(*mut c_void, *mut Found) -> c_int;

impl Object {
    /// The object that `pc` lies in.
    pub(crate) fn of(pc: usize) -> Option<Self> {
        let function = match FUNCTION.load(Relaxed) {
            0 => {
                let found = look_up().unwrap_or(NONE);
                FUNCTION.store(found, Relaxed);
                found
            }
            known => known,
        };
        if function == NONE {
            return None;
        }
        // SAFETY: glibc's function of that name has this type.
        let find: FindObject = unsafe {
            core::mem::transmute::<*const (), FindObject>(ptr::with_exposed_provenance(function))
        };
        let mut found = Found {
            flags: 0,
            start: 0,
            end: 0,
            link_map: ptr::null(),
            tables: 0,
            reserved: [0; 7],
        };
        // SAFETY: any address may be asked for; the answer has room.
        let answer = unsafe { find(ptr::without_provenance_mut(pc), &raw mut found) };
        if answer != 0 || found.link_map.is_null() {
            return None;
        }
        // SAFETY: the loader's structure of an object whose code is on this thread's stack.
        let (bias, name) = unsafe { ((*found.link_map).bias, (*found.link_map).name) };
        Some(Self {
            start: found.start,
            end: found.end,
            tables: found.tables,
            bias,
            name: name.expose_provenance(),
        })
    }
}

/// A word of libc's tables.
///
/// # Safety
/// It lies in libc's image.
unsafe fn word<T: Copy>(at: usize) -> T {
    // SAFETY: the caller's.
    unsafe { ptr::with_exposed_provenance::<T>(at).read_unaligned() }
}

/// The hash of a name in a table of the GNU kind.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |h: u32, byte| {
        h.wrapping_mul(33).wrapping_add(u32::from(*byte))
    })
}

/// The first byte of the object that a function of libc's lies in: its headers stand on the first
/// page of what is mapped of it without a gap.
#[cfg(not(miri))]
fn base_of(function: usize) -> Option<usize> {
    /// Bytes that an object's code can be away from its headers.
    const FAR: usize = 64 << 20;
    let first = function & !4095;
    (0..FAR)
        .step_by(4096)
        .map(|back| first.wrapping_sub(back))
        .take_while(|page| guards::is_readable(*page))
        // SAFETY: readable, as the kernel has just said.
        .find(|page| unsafe { word::<[u8; 4]>(*page) } == *b"\x7fELF")
}

/// Finds the function among the symbols that libc exports.
#[cfg(not(miri))]
fn look_up() -> Option<usize> {
    const NAME: &[u8] = b"_dl_find_object\0";
    const DYNAMIC: u32 = 2;
    const STRINGS: u64 = 5;
    const SYMBOLS: u64 = 6;
    const GNU_HASH: u64 = 0x6fff_fef5;
    let base = base_of((libc::getauxval as *const ()).expose_provenance())?;
    // SAFETY: libc's ELF header, its segments' and its dynamic table are mapped where those say, as
    // long as the process lives.
    unsafe {
        let headers = base + word::<u64>(base + 32) as usize;
        let count = usize::from(word::<u16>(base + 56));
        let dynamic = (0..count)
            .map(|i| headers + i * 56)
            .find(|at| word::<u32>(*at) == DYNAMIC)?;
        let mut at = base + word::<u64>(dynamic + 16) as usize;
        let (mut strings, mut symbols, mut table) = (0, 0, 0);
        loop {
            let (tag, value) = (word::<u64>(at), word::<u64>(at + 8) as usize);
            // Relocated in place, or not: the loader does so where it may write.
            let place = if value < base { base + value } else { value };
            match tag {
                0 => break,
                STRINGS => strings = place,
                SYMBOLS => symbols = place,
                GNU_HASH => table = place,
                _ => {}
            }
            at += 16;
        }
        if strings == 0 || symbols == 0 || table == 0 {
            return None;
        }
        let wanted = hash(NAME.strip_suffix(b"\0")?);
        let (buckets, first) = (word::<u32>(table), word::<u32>(table + 4));
        let bloom = word::<u32>(table + 8) as usize;
        let bucket = table + 16 + bloom * 8;
        let chains = bucket + buckets as usize * 4;
        let start = word::<u32>(bucket + wanted.checked_rem(buckets)? as usize * 4);
        let mut i = start.checked_sub(first)?;
        loop {
            let h = word::<u32>(chains + i as usize * 4);
            if h | 1 == wanted | 1 {
                let symbol = symbols + (i + first) as usize * 24;
                let name = strings + word::<u32>(symbol) as usize;
                let is_it = (0..NAME.len()).all(|k| NAME.get(k) == Some(&word::<u8>(name + k)));
                if is_it {
                    return Some(base + word::<u64>(symbol + 8) as usize);
                }
            }
            if h & 1 != 0 {
                return None;
            }
            i += 1;
        }
    }
}

#[cfg(miri)]
fn look_up() -> Option<usize> {
    let _ = (hash(b""), word::<u8> as unsafe fn(usize) -> u8);
    None
}
