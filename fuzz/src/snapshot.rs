//! Reports that somebody damaged, and with them hostile memory for the reader outside: it ends, at
//! once, and no figure exceeds what was mapped.
//!
//! The input chooses what is damaged of a report that a real process wrote of itself
//! (`base.report`: 500 objects, and `CAIRN_REPORT_SIGNAL`). After a change of a layout it is to be
//! written anew, which the target says.

use crate::count;
use crate::source::Source;
use cairn_reader::Target;
use cairn_reader::account::{Account, Rest};
use cairn_reader::find;
use cairn_reader::report::Report;
use cairn_reader::stats::Stats;
use cairn_reader::tables::Heap;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static BASE: &[u8] = include_bytes!("../base.report");
/// Bytes in front of the first record, and of a record's head.
const FIRST: usize = 16;
const HEAD: usize = 24;
/// What one input may take: the reader's slowest look at such a file takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

fn word(file: &[u8], at: usize) -> u64 {
    let bytes = file.get(at..at + 8).and_then(|b| b.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

/// Where the records of the base begin.
fn records() -> &'static [usize] {
    static RECORDS: OnceLock<Vec<usize>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let mut all = Vec::new();
        let mut at = FIRST;
        while at + HEAD <= BASE.len() {
            all.push(at);
            at += HEAD + (word(BASE, at + 16) as usize).next_multiple_of(8);
        }
        let whole = Report::parse(BASE).expect("a report of this layout");
        assert!(look(&whole), "the base is of another layout: write it anew");
        all
    })
}

/// Everything that a command asks for; whether there was a Cairn at all.
fn look(target: &dyn Target) -> bool {
    let Ok(found) = find::instances(target) else {
        return false;
    };
    let sizes = target.maps().iter().map(|m| m.to - m.from);
    let mapped: u64 = sizes.fold(0, u64::saturating_add);
    let heaps: Vec<Heap> = found.into_iter().map(|i| Heap::read(target, i)).collect();
    for heap in &heaps {
        let account = Account::of(target, heap, vec![true; heap.caches.len()], &[]);
        for sum in account.whats.iter().chain([&account.mapped, &account.side]) {
            assert!(sum.bytes <= mapped && sum.resident <= mapped, "{account:?}");
        }
        assert!(account.trim <= mapped, "{account:?}");
        assert!(account.trim_later <= mapped, "{account:?}");
        black_box(Stats::of(target, heap));
    }
    black_box(Rest::of(target, &heaps, &[]));
    true
}

/// A place in the file: of a record's head, or of what it holds.
fn place(s: &mut Source, file: &[u8]) -> usize {
    let record = s.of(records());
    let len = word(BASE, record + 16) as usize;
    let inside = match s.below(4) {
        0 => s.below(HEAD),
        _ => HEAD + s.below(len.max(1)),
    };
    (record + inside).min(file.len().saturating_sub(8))
}

/// Words that damage likes to leave: addresses, lengths, and the ends of both.
fn hostile(s: &mut Source, file: &[u8]) -> u64 {
    let mut random = || (0..8).fold(0, |n, _| n << 8 | u64::from(s.byte()));
    let any = random();
    match any >> 61 {
        0 => any,
        1 => 0,
        2 => u64::MAX - any % 64,
        3 => 1 << (any % 64),
        4 => (any % (1 << 20)) & !15,
        // An address that the file names, or one beside it.
        _ => {
            let record = records()[any as usize % records().len()];
            word(file, record + 8).wrapping_add(any >> 32 & 0xfff8)
        }
    }
}

/// One damaged report.
pub fn snapshot(data: &[u8]) {
    let mut s = Source::new(data);
    let _ = records();
    let mut file = BASE.to_vec();
    let steps = 1 + s.below(24);
    for _ in 0..steps {
        let at = place(&mut s, &file);
        match s.below(16) {
            0 => file.truncate(at.max(FIRST)),
            1 => {
                // A record twice, or in the place of another.
                let from = s.of(records());
                let len = HEAD + (word(BASE, from + 16) as usize).next_multiple_of(8);
                let piece = BASE[from..from + len].to_vec();
                let to = s.of(records()).min(file.len());
                file.splice(to..to, piece);
            }
            2..6 => {
                if let Some(byte) = file.get_mut(at) {
                    *byte = s.byte();
                }
            }
            _ => {
                let at = at & !7;
                let word = hostile(&mut s, &file);
                if let Some(to) = file.get_mut(at..at + 8) {
                    to.copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
    let begun = Instant::now();
    if let Ok(report) = Report::parse(&file) {
        look(&report);
    }
    let took = begun.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    count(steps);
}
