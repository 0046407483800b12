//! Two thread-local words, by the initial-exec model on stable Rust.
//!
//! `thread_local!` in a shared object compiles to a call of `__tls_get_addr` (about 25
//! instructions). A hidden symbol in `.tdata`, read through its GOT entry, takes two, works in
//! the cdylib with and without LTO, and relaxes to local-exec in an ordinary binary. Its name
//! carries the crate's version, so that two versions can live in one program. Both words start
//! as the address of a static cache (`statics`) that is empty and full at once: no fast path asks whether
//! the thread has a cache yet. They are all the static TLS that Cairn takes, since a library that
//! is loaded late must fit into libc's spare room.
//!
//! One word is for taking and one for putting, side by side. They differ while the thread's requests are
//! counted (`cache::cover`), since a free needs no counting: then a `free` costs what it costs without.
//! The word for putting leads to the thread's cache from its beginning to its end; whoever sets both
//! sets that one first at the beginning and last at the end, so that a signal handler that comes
//! between finds the cache, if there is one.

use crate::layout::descriptor;
use crate::statics::{self, STATICS, Statics};
use core::arch::{asm, global_asm};
use core::mem::offset_of;

#[cfg(not(miri))]
macro_rules! word {
    () => {
        versioned!("cairn_cache_")
    };
}
#[cfg(not(miri))]
macro_rules! word_to_put {
    () => {
        versioned!("cairn_cache_to_put_")
    };
}

// The words, and the note that tells a reader outside where the statics are (`layout::descriptor`):
// together, since whoever links Cairn links the word.
#[cfg(not(miri))]
global_asm!(
    ".pushsection .tdata,\"awT\",@progbits",
    ".p2align 3",
    concat!(".globl ", word!()),
    concat!(".hidden ", word!()),
    concat!(".type ", word!(), ", @object"),
    concat!(".size ", word!(), ", 8"),
    concat!(word!(), ":"),
    ".quad {statics} + {empty}",
    concat!(".globl ", word_to_put!()),
    concat!(".hidden ", word_to_put!()),
    concat!(".type ", word_to_put!(), ", @object"),
    concat!(".size ", word_to_put!(), ", 8"),
    concat!(word_to_put!(), ":"),
    ".quad {statics} + {empty}",
    ".popsection",
    ".pushsection .note.cairn,\"a\",@note",
    ".p2align 2",
    ".long {name_bytes}, {bytes}, {note_type}",
    ".asciz \"Cairn\"",
    ".p2align 2",
    ".quad {magic}",
    ".long {layout}",
    concat!(".long ", env!("CARGO_PKG_VERSION_MAJOR")),
    concat!(".long ", env!("CARGO_PKG_VERSION_MINOR")),
    concat!(".long ", env!("CARGO_PKG_VERSION_PATCH")),
    ".long {page}, 0",
    // How far the statics are from here: a number when linked, nothing for the loader to write.
    ".quad {statics} - .",
    ".long {table}, {table_bytes}",
    ".long {leaf}, {leaf_bytes}",
    ".long {others}, {others_bytes}",
    ".long {main}, {main_bytes}",
    ".long {surplus}, {surplus_bytes}",
    ".long {empty}, {empty_bytes}",
    ".long {finished}, {finished_bytes}",
    ".long {span}, {span_bytes}",
    // The second note: another room's, which knows more (`note`), and which comes along by this.
    concat!(".quad ", versioned!("cairn_heads_"), " - ."),
    ".popsection",
    // A constructor that nothing else refers to; see there.
    ".pushsection .init_array,\"aw\",@init_array",
    ".p2align 3",
    ".quad {stay}",
    ".popsection",
    statics = sym statics::STATICS,
    name_bytes = const descriptor::NAME.len(),
    bytes = const descriptor::BYTES,
    note_type = const descriptor::TYPE,
    magic = const descriptor::MAGIC,
    layout = const descriptor::LAYOUT,
    page = const if cfg!(target_arch = "x86_64") { 4096 } else { 0 },
    table = const offset_of!(Statics, table),
    table_bytes = const size_of_val(&STATICS.table),
    leaf = const offset_of!(Statics, leaf),
    leaf_bytes = const size_of_val(&STATICS.leaf),
    others = const offset_of!(Statics, others),
    others_bytes = const size_of_val(&STATICS.others),
    main = const offset_of!(Statics, main),
    main_bytes = const size_of_val(&STATICS.main),
    surplus = const offset_of!(Statics, surplus),
    surplus_bytes = const size_of_val(&STATICS.surplus),
    empty = const offset_of!(Statics, empty),
    empty_bytes = const size_of_val(&STATICS.empty),
    finished = const offset_of!(Statics, finished),
    finished_bytes = const size_of_val(&STATICS.finished),
    span = const offset_of!(Statics, span),
    span_bytes = const size_of_val(&STATICS.span),
    stay = sym crate::os::stay::stay,
);

cfg_if::cfg_if! {
    if #[cfg(miri)] {
        // Miri knows no assembly. The same words, and an address of this thread's own for its name.
        std::thread_local! {
            static WORD: core::cell::Cell<usize> = core::cell::Cell::new(crate::statics::empty());
            static TO_PUT: core::cell::Cell<usize> = core::cell::Cell::new(crate::statics::empty());
            static NAME: u8 = const { 0 };
        }

        /// The word for taking.
        pub(crate) fn to_take() -> usize {
            WORD.get()
        }

        /// Sets the word for taking.
        pub(crate) fn set_to_take(value: usize) {
            WORD.set(value);
        }

        /// The word for putting.
        pub(crate) fn to_put() -> usize {
            TO_PUT.get()
        }

        /// Sets the word for putting.
        pub(crate) fn set_to_put(value: usize) {
            TO_PUT.set(value);
        }

        /// A name for this thread.
        pub(crate) fn thread() -> usize {
            NAME.with(|name| core::ptr::from_ref(name).addr())
        }
    } else if #[cfg(target_arch = "x86_64")] {
        /// A word that is read and set.
        macro_rules! access {
            ($word:ident, $get:ident, $set:ident) => {
                /// The word.
                #[inline(always)]
                pub(crate) fn $get() -> usize {
                    let value: usize;
                    // SAFETY: reads this thread's own word; the offset comes from the linker.
                    unsafe {
                        asm!(
                            concat!("mov {o}, qword ptr [rip + ", $word!(), "@GOTTPOFF]"),
                            "mov {v}, qword ptr fs:[{o}]",
                            o = out(reg) _, v = lateout(reg) value,
                            options(nostack, preserves_flags, readonly)
                        );
                    }
                    value
                }

                /// Sets the word.
                #[inline]
                pub(crate) fn $set(value: usize) {
                    // SAFETY: writes this thread's own word.
                    unsafe {
                        asm!(
                            concat!("mov {o}, qword ptr [rip + ", $word!(), "@GOTTPOFF]"),
                            "mov qword ptr fs:[{o}], {v}",
                            o = out(reg) _, v = in(reg) value,
                            options(nostack, preserves_flags)
                        );
                    }
                }
            };
        }
        access!(word, to_take, set_to_take);
        access!(word_to_put, to_put, set_to_put);

        /// The thread pointer: a name for this thread that costs one instruction.
        #[inline(always)]
        pub(crate) fn thread() -> usize {
            let value: usize;
            // SAFETY: the ABI keeps the thread pointer at fs:0.
            unsafe { asm!("mov {}, qword ptr fs:[0]", out(reg) value, options(nostack, preserves_flags, readonly)) };
            value
        }
    } else if #[cfg(target_arch = "aarch64")] {
        /// A word that is read and set.
        macro_rules! access {
            ($word:ident, $get:ident, $set:ident) => {
                /// The word.
                #[inline(always)]
                pub(crate) fn $get() -> usize {
                    let value: usize;
                    // SAFETY: reads this thread's own word; the offset comes from the linker.
                    unsafe {
                        asm!(
                            concat!("adrp {o}, :gottprel:", $word!()),
                            concat!("ldr {o}, [{o}, :gottprel_lo12:", $word!(), "]"),
                            "mrs {v}, tpidr_el0",
                            "ldr {v}, [{v}, {o}]",
                            o = out(reg) _, v = out(reg) value,
                            options(nostack, preserves_flags, readonly)
                        );
                    }
                    value
                }

                /// Sets the word.
                #[inline]
                pub(crate) fn $set(value: usize) {
                    // SAFETY: writes this thread's own word.
                    unsafe {
                        asm!(
                            concat!("adrp {o}, :gottprel:", $word!()),
                            concat!("ldr {o}, [{o}, :gottprel_lo12:", $word!(), "]"),
                            "mrs {t}, tpidr_el0",
                            "str {v}, [{t}, {o}]",
                            o = out(reg) _, t = out(reg) _, v = in(reg) value,
                            options(nostack, preserves_flags)
                        );
                    }
                }
            };
        }
        access!(word, to_take, set_to_take);
        access!(word_to_put, to_put, set_to_put);

        /// The thread pointer.
        #[inline(always)]
        pub(crate) fn thread() -> usize {
            let value: usize;
            // SAFETY: the ABI keeps the thread pointer in tpidr_el0.
            unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nostack, preserves_flags, readonly)) };
            value
        }
    }
}
