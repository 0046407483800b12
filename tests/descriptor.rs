//! The note that tells a reader outside where the heap is: found by way of a process's mappings, in
//! the preloaded library and in a Rust program, this one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod common;

use cairn::layout::descriptor::{self, Descriptor};
use cairn::layout::{sizes, table};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, process};

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// A process from outside.
struct Seen {
    memory: File,
    /// First byte, one past the last, rights, and what is mapped.
    maps: Vec<(u64, u64, String, String)>,
}

impl Seen {
    fn look(id: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).expect("its mappings");
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let (from, to) = words.next()?.split_once('-')?;
            let rights = words.next()?.to_owned();
            let number = |n| u64::from_str_radix(n, 16).ok();
            let name = words.nth(3).unwrap_or_default().to_owned();
            Some((number(from)?, number(to)?, rights, name))
        };
        Self {
            memory: File::open(format!("/proc/{id}/mem")).expect("its memory"),
            maps: maps.lines().filter_map(line).collect(),
        }
    }

    fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory
            .read_exact_at(&mut bytes, at)
            .expect("readable memory");
        bytes
    }

    fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().expect("eight bytes"))
    }

    /// The descriptor in the object whose file ends so, by its program headers in memory.
    fn descriptor(&self, file: &str) -> Option<Descriptor> {
        const NOTE: u64 = 4;
        let base = self.maps.iter().find(|m| m.3.ends_with(file))?.0;
        assert_eq!(self.bytes(base, 4), b"\x7fELF");
        let (headers, number) = (self.word(base + 32), self.word(base + 56) & 0xffff);
        (0..number).find_map(|i| {
            let at = base + headers + i * 56;
            if self.word(at) & 0xffff_ffff != NOTE {
                return None;
            }
            let notes = base + self.word(at + 16);
            let bytes = usize::try_from(self.word(at + 40)).expect("a size");
            Descriptor::find(&self.bytes(notes, bytes), notes)
        })
    }

    /// The word of the region that `p` lies in, as the heap looks it up.
    fn region(&self, d: &Descriptor, p: u64) -> u64 {
        let root = d.statics + u64::from(d.table.offset);
        let none = root + (table::ROOTS * 8) as u64;
        let distance = self.word(root + (p >> table::ROOT_SHIFT) * 8);
        let entry = table::entry(usize::try_from(p).expect("an address"));
        self.word(none.wrapping_add(distance) + (entry * 8) as u64)
    }

    /// It is of this release, lies in memory that may be written, and its table knows `p`.
    fn holds(&self, d: &Descriptor, p: u64) {
        assert_eq!(d.layout, descriptor::LAYOUT);
        let release = d.release.map(|part| part.to_string()).join(".");
        assert_eq!(release, env!("CARGO_PKG_VERSION"));
        let last = d.statics + u64::from(d.span.offset) + u64::from(d.span.bytes);
        let inside = |m: &&(u64, u64, String, String)| m.0 <= d.statics && last <= m.1;
        let map = self.maps.iter().find(inside).expect("one mapping");
        assert!(map.2.starts_with("rw"), "{map:?}");
        for (piece, bytes) in [(d.table, table::TABLE_BYTES), (d.leaf, table::LEAF_BYTES)] {
            // Up to the end of a cache line.
            assert_eq!((piece.bytes as usize).div_ceil(64), bytes.div_ceil(64));
        }
        let word = usize::try_from(self.region(d, p)).expect("a word");
        assert!(table::is_chunks(word) || table::is_slot(word), "{word:#x}");
        let stack = self.maps.iter().find(|m| m.3 == "[stack]");
        let stack = stack.expect("a stack").0;
        assert_eq!(self.region(d, stack), 0, "the stack is the heap's");
    }
}

/// What readelf says of a file's notes; `None` without it.
fn notes(file: &Path) -> Option<String> {
    let readelf = common::find("readelf")?;
    let output = common::watch(Command::new(readelf).args(["-nW"]).arg(file));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_note_leads_a_reader_outside_to_the_librarys_statics() {
    let program = common::compile_c("packaging/waits.c", &[]);
    let mut child = common::preloaded(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe"))
        .read_line(&mut said)
        .expect("a line");
    let p = u64::from_str_radix(said.trim(), 16).expect("an address");
    let seen = Seen::look(child.id());
    let d = seen.descriptor("libcairn.so").expect("a descriptor");
    seen.holds(&d, p);
    assert!(p.is_multiple_of(sizes::ALIGN as u64));
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(b"\n").expect("it waits");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn the_note_comes_along_in_a_rust_program() {
    let object = Box::new([1_u8; 100]);
    let seen = Seen::look(process::id());
    let here = env::current_exe().expect("this program");
    let name = here.to_str().expect("a path that is not UTF-8");
    let d = seen.descriptor(name).expect("a descriptor");
    seen.holds(&d, (&raw const *object).addr() as u64);
}

#[test]
fn readelf_shows_the_note() {
    for file in [common::libcairn(), env::current_exe().expect("a path")] {
        let Some(notes) = notes(&file) else {
            return;
        };
        let bytes = format!("{:#010x}", descriptor::BYTES);
        assert!(
            notes
                .lines()
                .any(|line| line.contains("Cairn") && line.contains(&bytes)),
            "{notes}"
        );
    }
}
