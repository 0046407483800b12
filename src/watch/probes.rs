//! Probes: where a tracer from outside stops at each sample and at each sample's end, as
//! OpenTelemetry's profiler wants them (its design document 00003, "Memory Profiling").
//!
//! ```text
//!   otel_memory:alloc   (pointer, bytes asked for, bytes that the sample stands for)
//!   otel_memory:free    (pointer)
//! ```
//!
//! Each is the entry of a function of its own that does nothing, so its arguments are where the first
//! three of a call always are. A note of the form that SystemTap defined (`.note.stapsdt`) names the
//! place. The note is no part of what is loaded; linkers keep notes and what they name, `strip` keeps
//! them too.

/// Who offers the probes: no final name yet in that document.
macro_rules! provider {
    () => {
        "otel_memory"
    };
}

/// Of what is said of each architecture, this one's.
#[cfg(all(target_arch = "x86_64", not(miri)))]
macro_rules! here {
    ($x86:literal, $aarch64:literal) => {
        $x86
    };
}
#[cfg(all(target_arch = "aarch64", not(miri)))]
macro_rules! here {
    ($x86:literal, $aarch64:literal) => {
        $aarch64
    };
}

/// A function and its note: the probe's name, the function's, and where its arguments are.
#[cfg(not(miri))]
macro_rules! probe {
    ($probe:literal, $function:expr, $x86:literal, $aarch64:literal) => {
        core::arch::global_asm!(
            concat!(".pushsection .text.", $function, ",\"ax\",@progbits"),
            ".p2align 4",
            concat!(".globl ", $function),
            concat!(".hidden ", $function),
            concat!(".type ", $function, ", @function"),
            concat!($function, ":"),
            ".cfi_startproc",
            // What is not referred to from code is left out by linkers, and gdb wants the base.
            ".reloc ., BFD_RELOC_NONE, _.stapsdt.base",
            "nop",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $function, ", . - ", $function),
            ".popsection",
            ".pushsection .note.stapsdt,\"\",@note",
            ".p2align 2",
            // A name of 8 bytes, the descriptor's length, the type of all such notes.
            ".long 8, 773f - 772f, 3",
            ".asciz \"stapsdt\"",
            "772:",
            concat!(".quad ", $function),
            // The address by which a tracer tells that the file was moved, and no semaphore: a sample
            // is taken whether somebody looks or not.
            ".quad _.stapsdt.base",
            ".quad 0",
            concat!(".asciz \"", provider!(), "\""),
            concat!(".asciz \"", $probe, "\""),
            concat!(".asciz \"", here!($x86, $aarch64), "\""),
            "773:",
            ".p2align 2",
            ".popsection",
        );
    };
}

#[cfg(not(miri))]
core::arch::global_asm!(
    ".pushsection .stapsdt.base,\"aG\",@progbits,.stapsdt.base,comdat",
    ".weak _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base:",
    ".space 1",
    ".size _.stapsdt.base, 1",
    ".popsection",
);

#[cfg(not(miri))]
probe!(
    "alloc",
    versioned!("cairn_probe_alloc_"),
    "8@%rdi 8@%rsi 8@%rdx",
    "8@x0 8@x1 8@x2"
);
#[cfg(not(miri))]
probe!("free", versioned!("cairn_probe_free_"), "8@%rdi", "8@x0");

#[cfg(not(miri))]
unsafe extern "C" {
    #[link_name = versioned!("cairn_probe_alloc_")]
    safe fn alloc_probe(pointer: usize, size: usize, weight: usize);
    #[link_name = versioned!("cairn_probe_free_")]
    safe fn free_probe(pointer: usize);
}
#[cfg(miri)]
fn alloc_probe(_: usize, _: usize, _: usize) {}
#[cfg(miri)]
fn free_probe(_: usize) {}

/// A sample was taken, which stands for so many objects of its size.
pub(super) fn alloc(p: usize, size: usize, objects: f64) {
    alloc_probe(p, size, (objects * size as f64 + 0.5) as usize);
}

/// A sample's object is no more.
pub(super) fn free(p: usize) {
    free_probe(p);
}
