//! What the kernel writes down, and what it means.

use perf_event_open_sys::bindings as b;
use std::collections::HashMap;
use std::fs;

/// What the kernel wrote down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::faults) enum What {
    /// A fault is over.
    Fault {
        /// Where.
        at: u64,
        /// It waited for a disk or for swap.
        major: bool,
    },
    /// A fault begins.
    Entry {
        /// Where.
        at: u64,
        /// As the processor tells it: bit 0 if a page was there, bit 1 for a write.
        code: u64,
    },
    /// A process, or a thread, was made by `of`.
    Fork {
        /// The process that made it.
        of: i32,
    },
    /// The process became another program.
    Exec,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::faults) struct Record {
    /// Nanoseconds of the monotonic clock.
    pub(in crate::faults) time: u64,
    /// The process.
    pub(in crate::faults) pid: i32,
    /// The thread.
    pub(in crate::faults) tid: i32,
    /// What happened.
    pub(in crate::faults) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Minor,
    Major,
    Entry,
}

/// Where the fields of a fault's tracepoint are.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) user: u64,
    pub(super) kernel: u64,
    at: usize,
    code: usize,
}

impl Entry {
    /// Reads where the tracepoints' fields are, if there are any and we may.
    pub(super) fn find() -> Option<Self> {
        let roots = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
        let read = |name: &str, file: &str| {
            let path = |root: &&str| format!("{root}/events/exceptions/{name}/{file}");
            roots
                .iter()
                .find_map(|root| fs::read_to_string(path(root)).ok())
        };
        let number = |name: &str| read(name, "id")?.trim().parse().ok();
        let format = read("page_fault_user", "format")?;
        let field = |name: &str| -> Option<usize> {
            let line = format.lines().find(|l| l.contains(&format!(" {name};")))?;
            let rest = line.split("offset:").nth(1)?;
            rest.split(';').next()?.parse().ok()
        };
        Some(Self {
            user: number("page_fault_user")?,
            kernel: number("page_fault_kernel")?,
            at: field("address")?,
            code: field("error_code")?,
        })
    }
}

fn quad(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A record's meaning, if it has one for us.
pub(super) fn parse(
    kind: u32,
    misc: u16,
    body: &[u8],
    kinds: &HashMap<u64, Kind>,
    entry: Option<Entry>,
) -> Option<Record> {
    let number = |at| long(body, at).map(u32::cast_signed);
    // Whatever is no sample ends with the fields that a sample begins with: process and thread,
    // time, the event's number.
    let end = body.len();
    let behind = || {
        Some((
            number(end.checked_sub(24)?)?,
            number(end - 20)?,
            quad(body, end - 16)?,
        ))
    };
    match kind {
        b::PERF_RECORD_SAMPLE => {
            let (pid, tid, time) = (number(8)?, number(12)?, quad(body, 16)?);
            let what = match kinds.get(&quad(body, 0)?)? {
                Kind::Entry => {
                    let entry = entry?;
                    let raw = body.get(28..)?;
                    What::Entry {
                        at: quad(raw, entry.at)?,
                        code: quad(raw, entry.code)?,
                    }
                }
                sort => What::Fault {
                    at: quad(body, 24)?,
                    major: *sort == Kind::Major,
                },
            };
            Some(Record {
                time,
                pid,
                tid,
                what,
            })
        }
        b::PERF_RECORD_FORK => {
            let (pid, of, tid) = (number(0)?, number(4)?, number(8)?);
            let time = quad(body, 16)?;
            let what = What::Fork { of };
            Some(Record {
                time,
                pid,
                tid,
                what,
            })
        }
        b::PERF_RECORD_COMM if u32::from(misc) & b::PERF_RECORD_MISC_COMM_EXEC != 0 => {
            let (_, _, time) = behind()?;
            let (pid, tid) = (number(0)?, number(4)?);
            let what = What::Exec;
            Some(Record {
                time,
                pid,
                tid,
                what,
            })
        }
        _ => None,
    }
}
