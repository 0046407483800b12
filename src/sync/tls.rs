//! One thread-local word, by the initial-exec model on stable Rust.
//!
//! `thread_local!` in a shared object compiles to a call of `__tls_get_addr` (about 25
//! instructions). A hidden symbol in `.tdata`, read through its GOT entry, takes two, works in
//! the cdylib with and without LTO, and relaxes to local-exec in an ordinary binary. Its name
//! carries the crate's version, so that two versions can live in one program. The word starts
//! as the address of a static cache (`statics`) that is empty and full at once: no fast path asks whether
//! the thread has a cache yet. It is all the static TLS that Cairn takes, since a library that
//! is loaded late must fit into libc's spare room.

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

// The word, and the note that tells a reader outside where the statics are (`layout::descriptor`):
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
        // Miri knows no assembly. The same word, and an address of this thread's own for its name.
        std::thread_local! {
            static WORD: core::cell::Cell<usize> = core::cell::Cell::new(crate::statics::empty());
            static NAME: u8 = const { 0 };
        }

        /// The word.
        pub(crate) fn get() -> usize {
            WORD.get()
        }

        /// Sets the word.
        pub(crate) fn set(value: usize) {
            WORD.set(value);
        }

        /// A name for this thread.
        pub(crate) fn thread() -> usize {
            NAME.with(|name| core::ptr::from_ref(name).addr())
        }
    } else if #[cfg(target_arch = "x86_64")] {
        /// The word.
        #[inline(always)]
        pub(crate) fn get() -> usize {
            let value: usize;
            // SAFETY: reads this thread's own word; the offset comes from the linker.
            unsafe {
                asm!(
                    concat!("mov {o}, qword ptr [rip + ", word!(), "@GOTTPOFF]"),
                    "mov {v}, qword ptr fs:[{o}]",
                    o = out(reg) _, v = lateout(reg) value,
                    options(nostack, preserves_flags, readonly)
                );
            }
            value
        }

        /// Sets the word.
        #[inline]
        pub(crate) fn set(value: usize) {
            // SAFETY: writes this thread's own word.
            unsafe {
                asm!(
                    concat!("mov {o}, qword ptr [rip + ", word!(), "@GOTTPOFF]"),
                    "mov qword ptr fs:[{o}], {v}",
                    o = out(reg) _, v = in(reg) value,
                    options(nostack, preserves_flags)
                );
            }
        }

        /// The thread pointer: a name for this thread that costs one instruction.
        #[inline(always)]
        pub(crate) fn thread() -> usize {
            let value: usize;
            // SAFETY: the ABI keeps the thread pointer at fs:0.
            unsafe { asm!("mov {}, qword ptr fs:[0]", out(reg) value, options(nostack, preserves_flags, readonly)) };
            value
        }
    } else if #[cfg(target_arch = "aarch64")] {
        /// The word.
        #[inline(always)]
        pub(crate) fn get() -> usize {
            let value: usize;
            // SAFETY: reads this thread's own word; the offset comes from the linker.
            unsafe {
                asm!(
                    concat!("adrp {o}, :gottprel:", word!()),
                    concat!("ldr {o}, [{o}, :gottprel_lo12:", word!(), "]"),
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
        pub(crate) fn set(value: usize) {
            // SAFETY: writes this thread's own word.
            unsafe {
                asm!(
                    concat!("adrp {o}, :gottprel:", word!()),
                    concat!("ldr {o}, [{o}, :gottprel_lo12:", word!(), "]"),
                    "mrs {t}, tpidr_el0",
                    "str {v}, [{t}, {o}]",
                    o = out(reg) _, t = out(reg) _, v = in(reg) value,
                    options(nostack, preserves_flags)
                );
            }
        }

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
