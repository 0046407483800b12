//! What is known of an address: where it lies, and who asked for what lies there.
//!
//! Several know something, and each is asked in turn: guarded slots, check mode, samples. What each says
//! has one form.

use cairn_reader::guards::{self, Guards, Kind};
use cairn_reader::place::Place;
use cairn_reader::samples::{Frame, Module, Samples};
use cairn_reader::{Heap, Target};

/// A stack, and who made it.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) frames: Vec<Frame>,
    /// The kernel's number of the thread.
    pub(super) thread: u32,
}

/// An object, as one of those that keep stacks knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Who says so.
    pub(super) by: &'static str,
    /// First byte, and bytes that were asked for.
    pub(super) at: u64,
    pub(super) size: u64,
    pub(super) allocated: Trace,
    /// Who freed it, if it was freed.
    pub(super) freed: Option<Trace>,
    /// What the address, or the call with it, is to the object, where that is misuse.
    pub(super) misuse: Option<String>,
    /// Modules of the frames.
    pub(super) modules: Vec<Module>,
}

/// An address, and all that is known of it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) address: u64,
    pub(super) place: Place,
    /// Bytes of each page.
    pub(super) page: u64,
    pub(super) known: Option<Known>,
    /// The thread on whose stack it lies.
    pub(super) stack: Option<i32>,
}

impl Told {
    /// Asks everybody. `is_call` says that the address was handed to a function of the heap, and not
    /// touched.
    pub(super) fn of(target: &dyn Target, heaps: &[Heap], address: u64, is_call: bool) -> Self {
        let sources: [Source; 3] = [guarded, checked, sampled];
        let known = heaps.iter().find_map(|heap| {
            let mut all = sources.iter();
            all.find_map(|source| source(target, heap, address, is_call))
        });
        Self {
            address,
            place: Place::of(target, heaps, address),
            page: target.page(),
            known,
            stack: None,
        }
    }
}

/// Who may know something of an address.
type Source = fn(&dyn Target, &Heap, u64, bool) -> Option<Known>;

fn known(by: &'static str, object: &guards::Object, modules: &[Module]) -> Known {
    let trace = |t: &guards::Trace| Trace {
        frames: t.frames.clone(),
        thread: t.thread,
    };
    Known {
        by,
        at: object.at,
        size: object.size,
        allocated: trace(&object.allocated),
        freed: object.freed.as_ref().map(trace),
        misuse: None,
        modules: modules.to_vec(),
    }
}

/// "by n bytes".
fn by(what: &str, n: u64) -> String {
    format!("{what} by {n} {}", if n == 1 { "byte" } else { "bytes" })
}

fn guarded(target: &dyn Target, heap: &Heap, address: u64, is_call: bool) -> Option<Known> {
    let guards = Guards::read(target, &heap.instance);
    let (slot, object, kind) = guards.meant(address)?;
    let misuse = match kind {
        // A call with the object's own first byte: what was met lies beside it, in what is not its own.
        Kind::Inside if is_call && address == object.at => {
            let at = Guards::damaged(target, &heap.instance, slot);
            at.map(|at| match object.at.checked_sub(at) {
                Some(n) if n != 0 => by("underflow", n),
                _ => {
                    let end = object.at.saturating_add(object.size);
                    by("overflow", at.saturating_sub(end).saturating_add(1))
                }
            })
        }
        Kind::Inside if is_call => Some("free of an inner pointer".to_owned()),
        Kind::Inside => None,
        Kind::AfterFree if is_call && address == object.at => Some("double free".to_owned()),
        Kind::AfterFree => Some("use after free".to_owned()),
        Kind::Overflow(n) => Some(by("overflow", n)),
        Kind::Underflow(n) => Some(by("underflow", n)),
    };
    Some(Known {
        misuse,
        ..known("a guarded slot", object, &guards.modules)
    })
}

fn checked(target: &dyn Target, heap: &Heap, address: u64, _: bool) -> Option<Known> {
    let guards = Guards::read(target, &heap.instance);
    let object = guards.checked_at(address)?;
    Some(known("check mode", object, &guards.modules))
}

fn sampled(target: &dyn Target, heap: &Heap, address: u64, _: bool) -> Option<Known> {
    let samples = Samples::read(target, &heap.instance);
    let holds = |at: u64, size: u64| address.wrapping_sub(at) < size.max(1);
    let sample = samples.live.iter().find(|s| holds(s.at, s.size))?;
    let site = samples.sites.get(sample.site)?;
    Some(Known {
        by: "a sample",
        at: sample.at,
        size: sample.size,
        allocated: Trace {
            frames: site.frames.clone(),
            thread: sample.thread,
        },
        freed: None,
        misuse: None,
        modules: samples.modules.clone(),
    })
}
