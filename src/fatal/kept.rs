//! What is kept of the last words, for debuggers and core files: a line on stderr is gone with whoever
//! read it.

use crate::layout::descriptor;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

// A name without the compiler's hash is what a debugger can be asked for; it is hidden, as nobody
// links with it, and carries the crate's version, so that two versions can live in one program. A
// library that was stripped has no names: the note says where the words are.
#[cfg(not(miri))]
macro_rules! word {
    () => {
        versioned!("cairn_fatal_address_")
    };
}

#[cfg(not(miri))]
core::arch::global_asm!(
    concat!(".pushsection .bss.", word!(), ",\"aw\",@nobits"),
    ".p2align 3",
    concat!(".globl ", word!()),
    concat!(".hidden ", word!()),
    concat!(".type ", word!(), ", @object"),
    concat!(".size ", word!(), ", 24"),
    concat!(word!(), ":"),
    ".zero 24",
    ".popsection",
    ".pushsection .note.cairn,\"a\",@note",
    ".p2align 2",
    ".long {name_bytes}, 8, {note_type}",
    ".asciz \"Cairn\"",
    ".p2align 2",
    concat!(".quad ", word!(), " - ."),
    ".popsection",
    name_bytes = const descriptor::NAME.len(),
    note_type = const descriptor::LAST_TYPE,
);

/// What the last words were.
#[repr(C)]
struct Last {
    /// The address that they are about; see `docs/messages.md`.
    address: AtomicUsize,
    /// The message, 0 before there is any, and its bytes.
    text: AtomicUsize,
    len: AtomicUsize,
}

#[cfg(not(miri))]
unsafe extern "C" {
    #[link_name = word!()]
    safe static LAST: Last;
}
#[cfg(miri)]
static LAST: Last = Last {
    address: AtomicUsize::new(0),
    text: AtomicUsize::new(0),
    len: AtomicUsize::new(0),
};

const _: () = assert!(size_of::<Last>() == 24);

/// Keeps them.
pub(super) fn keep(message: &'static str, address: usize) {
    LAST.address.store(address, Relaxed);
    LAST.len.store(message.len(), Relaxed);
    LAST.text
        .store(message.as_ptr().expose_provenance(), Relaxed);
}
