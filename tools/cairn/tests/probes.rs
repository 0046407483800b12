//! The probes `otel_memory:alloc` and `otel_memory:free`: their notes are in whatever has Cairn in it, and
//! who listens there hears of samples that add up to what was asked for.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use object::read::{Object, ObjectSection, ObjectSegment};
use perf_event_open_sys::{self as perf, bindings as b};
use seen::{Seen, common};
use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io, ptr};

/// A probe, by its note.
#[derive(Debug, PartialEq, Eq)]
struct Probe {
    provider: String,
    name: String,
    arguments: String,
    /// Where in the file.
    offset: u64,
    semaphore: u64,
}

fn quad(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The probes of a file, as tracers read its notes.
fn probes(path: &Path) -> Vec<Probe> {
    let bytes = fs::read(path).expect("the file");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let notes = file
        .section_by_name(".note.stapsdt")
        .expect("notes of probes");
    let base = file
        .section_by_name(".stapsdt.base")
        .expect("their base")
        .address();
    let mut rest = notes.data().expect("its bytes");
    let mut all = Vec::new();
    while rest.len() >= 12 {
        let long = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four"));
        let (name, len, kind) = (long(0) as usize, long(4) as usize, long(8));
        assert_eq!((&rest[12..12 + name], kind), (&b"stapsdt\0"[..], 3));
        let from = 12 + name.next_multiple_of(4);
        let note = &rest[from..from + len];
        let mut texts = note[24..].split(|byte| *byte == 0);
        let mut text = || String::from_utf8_lossy(texts.next().expect("a text")).into_owned();
        let at = quad(note, 0).wrapping_add(base.wrapping_sub(quad(note, 8)));
        let segment = file
            .segments()
            .find(|s| s.address() <= at && at < s.address() + s.size());
        let segment = segment.expect("it is loaded");
        all.push(Probe {
            provider: text(),
            name: text(),
            arguments: text(),
            offset: segment.file_range().0 + (at - segment.address()),
            semaphore: quad(note, 16),
        });
        rest = &rest[from + len.next_multiple_of(4)..];
    }
    all
}

/// A copy of a file without its symbols.
fn stripped(path: &Path) -> Option<PathBuf> {
    let strip = common::find("strip")?;
    let name = path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let to = common::scratch().join(format!("stripped-{}-{name}", std::process::id()));
    let output = common::watch(Command::new(strip).arg("-o").arg(&to).arg(path));
    assert!(output.status.success(), "{}", common::describe(&output));
    Some(to)
}

/// The library, and in the long form a Rust program that has Cairn linked in, both optimised over all
/// crates, with what nobody refers to left out, and stripped.
#[test]
fn the_notes_survive_the_linker_and_strip() {
    let mut files = vec![common::libcairn()];
    if common::is_long() {
        let example = ["--release", "--example", "global_allocator"];
        let directory = common::build("cairn-malloc", "libcairn", &example).expect("it builds");
        files.push(directory.join("release/examples/global_allocator"));
    }
    let Some(readelf) = common::find("readelf") else {
        return common::skip("readelf is not there");
    };
    for file in files {
        let Some(small) = stripped(&file) else {
            return common::skip("strip is not there");
        };
        for path in [&file, &small] {
            let found = probes(path);
            let named: Vec<_> = found.iter().map(|p| (&*p.provider, &*p.name)).collect();
            assert_eq!(
                named,
                [("otel_memory", "alloc"), ("otel_memory", "free")],
                "{}",
                path.display()
            );
            assert!(found.iter().all(|p| p.semaphore == 0), "{found:?}");
            assert_ne!(found[0].offset, found[1].offset);
            let arguments: Vec<_> = found
                .iter()
                .map(|p| p.arguments.split(' ').count())
                .collect();
            assert_eq!(arguments, [3, 1], "{found:?}");
            let output = common::watch(Command::new(&readelf).args(["-n", "-W"]).arg(path));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            for what in ["Provider: otel_memory", "Name: alloc", "Name: free"] {
                assert!(text.contains(what), "{}: {text}", path.display());
            }
        }
        fs::remove_file(small).expect("the copy");
    }
}

/// Pages of a buffer of records, which has room for all that comes here.
const PAGES: usize = 256;
/// The registers of the first three arguments, by the kernel's numbers, and in which order a record has
/// them.
#[cfg(target_arch = "x86_64")]
const REGISTERS: (u64, [usize; 3]) = (1 << 5 | 1 << 4 | 1 << 3, [2, 1, 0]);
#[cfg(target_arch = "aarch64")]
const REGISTERS: (u64, [usize; 3]) = (1 | 1 << 1 | 1 << 2, [0, 1, 2]);

/// Who listens at a probe of a process.
struct Listener {
    _fd: OwnedFd,
    at: *mut u8,
}

impl Listener {
    fn new(file: &Path, offset: u64, pid: i32) -> io::Result<Self> {
        let kind = fs::read_to_string("/sys/bus/event_source/devices/uprobe/type")?;
        let path = CString::new(file.to_str().expect("a path")).expect("no zero");
        let mut attr = b::perf_event_attr {
            type_: kind.trim().parse().map_err(io::Error::other)?,
            size: size_of::<b::perf_event_attr>() as u32,
            sample_type: u64::from(b::PERF_SAMPLE_REGS_USER),
            sample_regs_user: REGISTERS.0,
            ..b::perf_event_attr::default()
        };
        attr.__bindgen_anon_1.sample_period = 1;
        attr.__bindgen_anon_3.config1 = path.as_ptr().expose_provenance() as u64;
        attr.__bindgen_anon_4.config2 = offset;
        // SAFETY: the structure and the path outlive the call.
        let fd = unsafe { perf::perf_event_open(&raw mut attr, pid, -1, -1, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor of ours.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let (rw, len) = (libc::PROT_READ | libc::PROT_WRITE, (PAGES + 1) * 4096);
        // SAFETY: a new mapping.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                rw,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            _fd: fd,
            at: at.cast(),
        })
    }

    /// The arguments of each call that was heard.
    fn calls(&self) -> Vec<[u64; 3]> {
        // SAFETY: the kernel's page in front of the records.
        let end = unsafe { (*self.at.cast::<b::perf_event_mmap_page>()).data_head };
        let end = usize::try_from(end).expect("bytes");
        assert!(end <= PAGES * 4096, "nothing was overwritten");
        // SAFETY: so many bytes of records were written behind the first page.
        let mut rest = unsafe { std::slice::from_raw_parts(self.at.add(4096), end) };
        let mut calls = Vec::new();
        while rest.len() >= 8 {
            let kind = u32::from_le_bytes(rest[..4].try_into().expect("four bytes"));
            let len = usize::from(u16::from_le_bytes([rest[6], rest[7]]));
            assert_ne!(kind, b::PERF_RECORD_LOST, "nothing was lost");
            if kind == b::PERF_RECORD_SAMPLE {
                let register = |i: usize| quad(rest, 16 + 8 * REGISTERS.1[i]);
                calls.push([0, 1, 2].map(register));
            }
            rest = &rest[len..];
        }
        calls
    }
}

#[test]
fn who_listens_hears_what_was_asked_for() {
    let library = fs::canonicalize(common::libcairn()).expect("the library");
    let found = probes(&library);
    let program = common::compile_c("tools/probed.c", &["-O1"]);
    let mut command = common::preloaded(program);
    command
        .env("CAIRN_PROFILE", "1")
        .env("CAIRN_PROFILE_INTERVAL", "32768");
    let mut seen = Seen::start(command);
    let pid = seen.pid().parse().expect("a number");
    let listen = |probe: &Probe| Listener::new(&library, probe.offset, pid);
    let listeners: io::Result<Vec<_>> = found.iter().map(listen).collect();
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            return common::skip_elsewhere(&format!("no uprobe for this user here: {error}"));
        }
    };
    let exact = seen.numbers("x");
    let (taken, freed) = (listeners[0].calls(), listeners[1].calls());
    // An address may be one sample after another, each of which is freed before the next.
    let mut weights: HashMap<u64, VecDeque<u64>> = HashMap::new();
    for [pointer, size, weight] in &taken {
        assert!(*weight >= *size && *size > 0, "{size} bytes for {weight}");
        weights.entry(*pointer).or_default().push_back(*weight);
    }
    let all: u64 = taken.iter().map(|call| call[2]).sum();
    let mut gone = 0;
    for [pointer, ..] in &freed {
        let of = weights.get_mut(pointer).and_then(VecDeque::pop_front);
        gone += of.expect("a free of a sample that was heard of");
    }
    let ratios = [
        all as f64 / exact[0] as f64,
        (all - gone) as f64 / exact[1] as f64,
    ];
    println!(
        "{} samples, {} freed: {ratios:?} of what is exact",
        taken.len(),
        freed.len()
    );
    assert!(ratios.iter().all(|r| (0.9..=1.1).contains(r)), "{ratios:?}");
}
