//! What is said of a guarded object that somebody misused: the kind, where, and the stacks. Lines of
//! fixed form, of which nothing is allocated.

#[cfg(target_arch = "aarch64")]
use super::syndrome;
use crate::fatal::LineBuffer;
use crate::guards::{self, Slot, State};
use crate::os;
use crate::watch::stacks::told::{self, say};
use crate::watch::{samples, unwind};

/// What somebody did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// So many bytes behind the last one of an object.
    Overflow(usize),
    /// So many bytes before the first one.
    Underflow(usize),
    /// To an object that was freed.
    AfterFree,
    /// Freed what was freed.
    Twice,
    /// Freed what begins elsewhere.
    Inner,
}

impl Kind {
    /// What an access at `a` is to an object.
    fn of(a: usize, slot: &Slot) -> Self {
        let place = slot.place();
        if slot.state() == State::Freed {
            Self::AfterFree
        } else if a < place.p {
            Self::Underflow(place.p - a)
        } else {
            Self::Overflow((a + 1).saturating_sub(place.p + place.size))
        }
    }

    fn push(self, line: &mut LineBuffer<LINE>) {
        let mut by = |what: &str, n: usize| {
            line.push_str(what);
            line.push_str(" ");
            line.push_dec(n);
            line.push_str(if n == 1 { " byte" } else { " bytes" });
        };
        match self {
            Self::Overflow(n) => by("cairn: overflow by", n),
            Self::Underflow(n) => by("cairn: underflow by", n),
            Self::AfterFree => line.push_str("cairn: use after free"),
            Self::Twice => line.push_str("cairn: double free"),
            Self::Inner => line.push_str("cairn: free of an inner pointer"),
        }
    }
}

/// Bytes of a line but for those with a path.
const LINE: usize = 160;

/// How far an address is from a slot's object.
fn distance(a: usize, slot: &Slot) -> usize {
    let place = slot.place();
    if a < place.p {
        place.p - a
    } else {
        a.saturating_sub(place.p + place.size)
    }
}

/// The slot whose object an access was meant for: of those that have or had one the nearest, and of
/// two that are as near the one in use.
fn meant(a: usize) -> Option<&'static Slot> {
    let near = guards::near(a).into_iter().flatten();
    near.filter(|slot| slot.state() != State::Never)
        .min_by_key(|slot| (distance(a, slot), slot.state() != State::InUse))
}

fn object(slot: &Slot) {
    let place = slot.place();
    let [taken, freed] = slot.traces();
    told::object(&told::Told {
        at: Some(place.p),
        size: place.size,
        threads: [taken.thread, freed.thread],
        stacks: [told::frames_of(&taken), told::frames_of(&freed)],
    });
}

fn begin(kind: Kind, how: &str, a: usize) {
    let mut line = LineBuffer::<LINE>::new();
    kind.push(&mut line);
    line.push_str(": ");
    line.push_str(how);
    line.push_str(" at 0x");
    line.push_hex(a);
    line.push_str(" by thread ");
    line.push_dec(os::thread_number() as usize);
    line.push_str(":\n");
    say(&line);
}

/// Whether an access wrote, as the kernel has it of the processor.
#[cfg(target_arch = "x86_64")]
fn how(context: *const libc::ucontext_t) -> &'static str {
    const WROTE: i64 = 2;
    // SAFETY: the context that the kernel gave the handler.
    let registers = unsafe { &(*context).uc_mcontext.gregs };
    match registers.get(libc::REG_ERR as usize) {
        Some(error) if error & WROTE != 0 => "write",
        _ => "read",
    }
}

/// The same; "access" where the kernel does not say.
#[cfg(target_arch = "aarch64")]
fn how(context: *const libc::ucontext_t) -> &'static str {
    // SAFETY: the context that the kernel gave the handler; the records are its last field, as many
    // words, at a multiple of 16.
    let records = unsafe {
        let behind = (&raw const (*context).uc_mcontext.pstate).add(1);
        let at = behind.map_addr(|at| at.next_multiple_of(16));
        core::slice::from_raw_parts(at, RECORDS)
    };
    match syndrome::wrote(records) {
        Some(true) => "write",
        Some(false) => "read",
        None => "access",
    }
}

/// Words of records in a context.
#[cfg(target_arch = "aarch64")]
const RECORDS: usize = 512;

/// Tells of an access at `a`, an address of the pool, that a handler's context made.
pub(super) fn access(a: usize, context: *const libc::ucontext_t) {
    let Some(slot) = meant(a) else {
        return;
    };
    begin(Kind::of(a, slot), how(context), a);
    let mut stack = told::Stack::new();
    // SAFETY: the kernel's context, in the handler that it was given to.
    unsafe {
        unwind::walk_interrupted(samples::how(), context, &mut |pc, object| {
            stack.frame_of(pc, object)
        });
    }
    object(slot);
}

/// Tells more of the address that the last words are about, if it is one of the pool.
pub(super) fn postscript(p: usize) {
    let Some(slot) = guards::at(p).or_else(|| meant(p)) else {
        return;
    };
    let place = slot.place();
    let (kind, how, at) = match (slot.state(), guards::damaged(slot)) {
        (State::Freed, _) if p == place.p => (Kind::Twice, "free", p),
        (State::InUse, Some(at)) if p == place.p => (Kind::of(at, slot), "found", at),
        _ => (Kind::Inner, "free", p),
    };
    begin(kind, how, at);
    told::here();
    object(slot);
}
