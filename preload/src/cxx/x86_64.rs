//! The 20 operators on x86-64. Arguments come in `rdi`, `rsi`, `rdx`; `rsp` is
//! 8 below a multiple of 16 on entry.
//!
//! Each operator carries a hidden label beside its exported name: code that
//! asks for "this one here" must not be given whatever stands in front of it.

use core::arch::{asm, naked_asm};
use libc::c_void;

use super::{
    ALL_OWN, DEFAULT_ALIGNMENT, DELETE_ALIGNED_NOTHROW, DELETE_ALIGNED_SIZED, DELETE_ARRAY,
    DELETE_ARRAY_ALIGNED, DELETE_ARRAY_ALIGNED_NOTHROW, DELETE_ARRAY_ALIGNED_SIZED,
    DELETE_ARRAY_NOTHROW, DELETE_ARRAY_SIZED, DELETE_NOTHROW, DELETE_SIZED, NEW_ALIGNED_NOTHROW,
    NEW_ARRAY, NEW_ARRAY_ALIGNED, NEW_ARRAY_ALIGNED_NOTHROW, NEW_ARRAY_NOTHROW, NEW_NOTHROW,
    allocate, allocate_aligned, catching, is_alignment, new_handler, out_of_memory, release,
    release_aligned_sized, release_sized, stand_in,
};

/// The hidden label, "the operator that this library exports as `$name`".
macro_rules! own {
    ($name:ident) => {
        concat!("cairn_own", stringify!($name))
    };
}

/// Opens an operator: its hidden label and its unwinding table.
macro_rules! open {
    ($name:ident) => {
        concat!(
            ".cfi_startproc\n",
            ".globl ",
            own!($name),
            "\n",
            ".hidden ",
            own!($name),
            "\n",
            own!($name),
            ":\n",
        )
    };
}

/// Asks a Rust function, which gets the form and its own address, where to
/// go; keeps the arguments. The answer is in `rax`.
macro_rules! ask {
    ($name:ident, $whom:literal) => {
        concat!(
            "push rdi\n",
            ".cfi_adjust_cfa_offset 8\n",
            "push rsi\n",
            ".cfi_adjust_cfa_offset 8\n",
            "push rdx\n",
            ".cfi_adjust_cfa_offset 8\n",
            "lea rdi, [rip + {form}]\n",
            "lea rsi, [rip + ",
            own!($name),
            "]\n",
            "call {",
            $whom,
            "}\n",
            "pop rdx\n",
            ".cfi_adjust_cfa_offset -8\n",
            "pop rsi\n",
            ".cfi_adjust_cfa_offset -8\n",
            "pop rdi\n",
            ".cfi_adjust_cfa_offset -8\n",
            "test rax, rax\n",
        )
    };
}

/// Begins a form that is defined by another one: goes on at `3:`.
macro_rules! derived {
    ($name:ident) => {
        concat!(
            "cmp byte ptr [rip + {all_own}], 0\n",
            "jne 3f\n",
            ask!($name, "stand_in"),
            "jz 3f\n",
            "jmp rax\n",
            "3:\n",
        )
    };
}

/// Allocates by the arguments, of which the named registers, an odd number of
/// them, are kept; goes on at `4:` without memory.
macro_rules! allocate_keeping {
    ($($register:literal)+; $($back:literal)+) => {
        concat!(
            $("push ", $register, "\n.cfi_adjust_cfa_offset 8\n",)+
            "call {allocate}\n",
            $("pop ", $back, "\n.cfi_adjust_cfa_offset -8\n",)+
            "test rax, rax\n",
            "jz 4f\n",
            "ret\n",
            "4:\n",
        )
    };
}

macro_rules! allocate_or_4 {
    (plain) => {
        allocate_keeping!("rdi"; "rdi")
    };
    // `failed` wants the alignment, the runtime's form all three arguments.
    (aligned) => {
        allocate_keeping!("rdi" "rsi" "rdx"; "rdx" "rsi" "rdi")
    };
    (nothrow) => {
        allocate_or_4!(aligned)
    };
}

/// Leaves a throwing operator that got no memory, with size and alignment.
macro_rules! fail {
    (plain) => {
        concat!("mov esi, {default}\n", "jmp {failed}\n")
    };
    (aligned) => {
        "jmp {failed}\n"
    };
}

/// One exported operator: its name and what it is made of.
macro_rules! operator {
    (new $name:ident = $allocate:ident, $kind:ident) => {
        operator! { @ $name
            [allocate_or_4!($kind), fail!($kind)]
            [allocate = sym $allocate, failed = sym failed]
            $kind
        }
    };
    (new $name:ident = $allocate:ident, $kind:ident, $form:ident) => {
        operator! { @ $name
            [derived!($name), allocate_or_4!($kind), fail!($kind)]
            [allocate = sym $allocate, failed = sym failed,
             all_own = sym ALL_OWN, form = sym $form, stand_in = sym stand_in]
            $kind
        }
    };
    (nothrow $name:ident = $allocate:ident, $form:ident) => {
        operator! { @ $name
            [derived!($name), allocate_or_4!(nothrow),
             ask!($name, "catching"), "jz 5f\n", "jmp rax\n", "5:\n", "ret\n"]
            [allocate = sym $allocate, catching = sym catching,
             all_own = sym ALL_OWN, form = sym $form, stand_in = sym stand_in]
            nothrow
        }
    };
    (delete $name:ident = $release:ident) => {
        operator! { @ $name ["jmp {release}\n"] [release = sym $release] delete }
    };
    (delete $name:ident = $release:ident, $form:ident) => {
        operator! { @ $name
            [derived!($name), "jmp {release}\n"]
            [release = sym $release, all_own = sym ALL_OWN, form = sym $form,
             stand_in = sym stand_in]
            delete
        }
    };
    (@ $name:ident $text:tt [$($operands:tt)+] plain) => {
        operator! { @ $name $text [$($operands)+, default = const DEFAULT_ALIGNMENT] written }
    };
    (@ $name:ident [$($text:expr),+] [$($operands:tt)+] $kind:ident) => {
        // A label of a naked function is in the object once. rustc says so since 1.89.
        #[allow(named_asm_labels, reason = "rustc 1.88 takes it for one that may be inlined")]
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() {
            naked_asm!(open!($name), $($text,)+ ".cfi_endproc", $($operands)+)
        }
    };
}

operator! { new _Znwm = allocate, plain }
operator! { new _Znam = allocate, plain, NEW_ARRAY }
operator! { new _ZnwmSt11align_val_t = allocate_aligned, aligned }
operator! { new _ZnamSt11align_val_t = allocate_aligned, aligned, NEW_ARRAY_ALIGNED }

operator! { nothrow _ZnwmRKSt9nothrow_t = allocate, NEW_NOTHROW }
operator! { nothrow _ZnamRKSt9nothrow_t = allocate, NEW_ARRAY_NOTHROW }
operator! { nothrow _ZnwmSt11align_val_tRKSt9nothrow_t = allocate_aligned, NEW_ALIGNED_NOTHROW }
operator! { nothrow _ZnamSt11align_val_tRKSt9nothrow_t
= allocate_aligned, NEW_ARRAY_ALIGNED_NOTHROW }

operator! { delete _ZdlPv = release }
operator! { delete _ZdaPv = release, DELETE_ARRAY }
operator! { delete _ZdlPvm = release_sized, DELETE_SIZED }
operator! { delete _ZdaPvm = release_sized, DELETE_ARRAY_SIZED }
operator! { delete _ZdlPvRKSt9nothrow_t = release, DELETE_NOTHROW }
operator! { delete _ZdaPvRKSt9nothrow_t = release, DELETE_ARRAY_NOTHROW }
operator! { delete _ZdlPvSt11align_val_t = release }
operator! { delete _ZdaPvSt11align_val_t = release, DELETE_ARRAY_ALIGNED }
operator! { delete _ZdlPvmSt11align_val_t = release_aligned_sized, DELETE_ALIGNED_SIZED }
operator! { delete _ZdaPvmSt11align_val_t = release_aligned_sized, DELETE_ARRAY_ALIGNED_SIZED }
operator! { delete _ZdlPvSt11align_val_tRKSt9nothrow_t = release, DELETE_ALIGNED_NOTHROW }
operator! { delete _ZdaPvSt11align_val_tRKSt9nothrow_t = release, DELETE_ARRAY_ALIGNED_NOTHROW }

/// What a throwing form does without memory, given size and alignment: the
/// handler, then another try, until there is memory, no handler, or a throw.
///
/// Two registers that a call keeps hold the arguments; the table says where
/// the caller's are, so a handler's exception finds its way through here. To
/// throw, the frame is taken down first: the caller appears to have called
/// the function that throws.
#[unsafe(naked)]
unsafe extern "C" fn failed() {
    naked_asm!(
        ".cfi_startproc",
        "push rbx",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbx, -16",
        "push r12",
        ".cfi_def_cfa_offset 24",
        ".cfi_offset r12, -24",
        "sub rsp, 8",
        ".cfi_def_cfa_offset 32",
        "mov rbx, rdi",
        "mov r12, rsi",
        "mov rdi, rsi",
        "call {is_alignment}",
        "test al, al",
        "jz 3f",
        "2:",
        "call {new_handler}",
        "test rax, rax",
        "jz 3f",
        "call rax",
        "mov rdi, rbx",
        "mov rsi, r12",
        "call {allocate_aligned}",
        "test rax, rax",
        "jz 2b",
        ".cfi_remember_state",
        "add rsp, 8",
        ".cfi_def_cfa_offset 24",
        "pop r12",
        ".cfi_def_cfa_offset 16",
        ".cfi_restore r12",
        "pop rbx",
        ".cfi_def_cfa_offset 8",
        ".cfi_restore rbx",
        "ret",
        ".cfi_restore_state",
        "3:",
        "call {out_of_memory}",
        "add rsp, 8",
        ".cfi_def_cfa_offset 24",
        "pop r12",
        ".cfi_def_cfa_offset 16",
        ".cfi_restore r12",
        "pop rbx",
        ".cfi_def_cfa_offset 8",
        ".cfi_restore rbx",
        "jmp rax",
        ".cfi_endproc",
        is_alignment = sym is_alignment,
        new_handler = sym new_handler,
        allocate_aligned = sym allocate_aligned,
        out_of_memory = sym out_of_memory,
    )
}

/// Whether the loader bound a name to this library's own operator.
macro_rules! is_own {
    ($name:ident) => {{
        let bound: *mut c_void;
        let own: *mut c_void;
        // SAFETY: reads one entry of the global offset table and forms an
        // address; the table is constant once the loader has filled it.
        unsafe {
            asm!(
                concat!("mov {bound}, qword ptr [rip + ", stringify!($name), "@GOTPCREL]"),
                concat!("lea {own}, [rip + ", own!($name), "]"),
                bound = out(reg) bound,
                own = out(reg) own,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        bound == own
    }};
}

/// Whether the forms that others are defined by are all Cairn's.
pub(super) fn base_forms_are_own() -> bool {
    is_own!(_Znwm)
        && is_own!(_Znam)
        && is_own!(_ZdlPv)
        && is_own!(_ZdaPv)
        && is_own!(_ZnwmSt11align_val_t)
        && is_own!(_ZnamSt11align_val_t)
        && is_own!(_ZdlPvSt11align_val_t)
        && is_own!(_ZdaPvSt11align_val_t)
}

/// A `delete` with an alignment.
type DeleteAligned = unsafe extern "C" fn(*mut c_void, usize);

/// This library's own operator of that name, for valgrind to find its way to.
macro_rules! own_delete {
    ($name:ident) => {{
        let own: *mut c_void;
        // SAFETY: forms an address.
        unsafe {
            asm!(
                concat!("lea {own}, [rip + ", own!($name), "]"),
                own = out(reg) own,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        // SAFETY: it is the operator's, which takes object and alignment.
        unsafe { core::mem::transmute::<*mut c_void, DeleteAligned>(own) }
    }};
}

pub(super) fn own_delete_aligned() -> DeleteAligned {
    own_delete!(_ZdlPvSt11align_val_t)
}

pub(super) fn own_delete_array_aligned() -> DeleteAligned {
    own_delete!(_ZdaPvSt11align_val_t)
}
