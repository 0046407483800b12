//! The operators of C++: `malloc` and `free`. Where memory is short, the next library's operator
//! is called in the place of this one, since it calls handlers and throws.

use core::arch::naked_asm;
use core::ffi::CStr;
use core::mem::transmute;

use libc::c_void;

use crate::calls::{free, new, new_aligned};

/// The operators that throw.
static THROWING: [&CStr; 4] = [
    c"_Znwm",
    c"_Znam",
    c"_ZnwmSt11align_val_t",
    c"_ZnamSt11align_val_t",
];

/// The next library's operator of that number.
extern "C" fn next(number: usize) -> *mut c_void {
    let name = THROWING.get(number).copied().unwrap_or_default();
    // SAFETY: the name is a C string; a program that calls the operator has a library that has it.
    unsafe {
        let found = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        if found.is_null() {
            libc::abort();
        }
        found
    }
}

macro_rules! throwing {
    ($($name:ident, $number:literal, $made:ident;)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                "push rdi",
                "push rsi",
                "sub rsp, 8",
                "call {made}",
                "test rax, rax",
                "jz 2f",
                "add rsp, 24",
                "ret",
                "2:",
                "mov edi, {number}",
                "call {next}",
                "add rsp, 8",
                "pop rsi",
                "pop rdi",
                "jmp rax",
                made = sym $made,
                next = sym next,
                number = const $number,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                "stp x29, x30, [sp, #-32]!",
                "stp x0, x1, [sp, #16]",
                "bl {made}",
                "cbz x0, 2f",
                "ldp x29, x30, [sp], #32",
                "ret",
                "2:",
                "mov x0, #{number}",
                "bl {next}",
                "mov x16, x0",
                "ldp x0, x1, [sp, #16]",
                "ldp x29, x30, [sp], #32",
                "br x16",
                made = sym $made,
                next = sym next,
                number = const $number,
            );
        }
    )*};
}

throwing! {
    _Znwm, 0, new;
    _Znam, 1, new;
    _ZnwmSt11align_val_t, 2, new_aligned;
    _ZnamSt11align_val_t, 3, new_aligned;
}

macro_rules! nothrow {
    ($($name:ident, $next:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(size: usize, tag: *const c_void) -> *mut c_void {
            let made = new(size);
            if !made.is_null() {
                return made;
            }
            // SAFETY: the same operator, which does not throw.
            unsafe {
                let found = libc::dlsym(libc::RTLD_NEXT, $next.as_ptr());
                if found.is_null() {
                    return made;
                }
                transmute::<*mut c_void, unsafe extern "C" fn(usize, *const c_void) -> *mut c_void>(
                    found,
                )(size, tag)
            }
        }
    )*};
}

nothrow! {
    _ZnwmRKSt9nothrow_t, c"_ZnwmRKSt9nothrow_t";
    _ZnamRKSt9nothrow_t, c"_ZnamRKSt9nothrow_t";
}

#[unsafe(no_mangle)]
unsafe extern "C" fn _ZnwmSt11align_val_tRKSt9nothrow_t(size: usize, at: usize) -> *mut c_void {
    new_aligned(size, at)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn _ZnamSt11align_val_tRKSt9nothrow_t(size: usize, at: usize) -> *mut c_void {
    new_aligned(size, at)
}

macro_rules! deleting {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(pointer: *mut c_void) {
            // SAFETY: the caller's call; sizes and alignments that follow are not needed.
            unsafe { free(pointer) };
        }
    )*};
}

deleting! {
    _ZdlPv _ZdaPv _ZdlPvm _ZdaPvm _ZdlPvRKSt9nothrow_t _ZdaPvRKSt9nothrow_t
    _ZdlPvSt11align_val_t _ZdaPvSt11align_val_t _ZdlPvmSt11align_val_t _ZdaPvmSt11align_val_t
    _ZdlPvSt11align_val_tRKSt9nothrow_t _ZdaPvSt11align_val_tRKSt9nothrow_t
}
