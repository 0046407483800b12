// Exported symbols that lead to an allocator's own functions.
//
// Each is a tail jump: the arguments stand in the right registers already, and the allocator is
// linked statically, so that a call through here costs one instruction more than a call of the
// allocator itself. `malloc(n) = mi_malloc(n)` exports `malloc`.
#[allow(unused_macros, reason = "each forwarder uses what it needs")]
macro_rules! forward {
    ($($symbol:ident($($name:ident: $type:ty),*) $(-> $result:ty)?
        = $target:ident($($passed:ident),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $symbol($($name: $type),*) $(-> $result)? {
                unsafe extern "C" {
                    fn $target($($passed: forward!(@of $passed)),*) $(-> $result)?;
                }
                $(let _ = $name;)*
                // SAFETY: the caller's promise to malloc is the promise to the target.
                unsafe { $target($($passed),*) }
            }
        )*
    };
    // What a parameter is follows from its name.
    (@of p) => { *mut c_void };
    (@of out) => { *mut *mut c_void };
    (@of $number:ident) => { usize };
}

// Where neither the forwarder nor the crate uses the standard library, nobody else says what a
// panic does. There is none.
#[allow(unused_macros, reason = "each forwarder uses what it needs")]
macro_rules! panics_abort {
    () => {
        #[panic_handler]
        fn on_panic(_: &core::panic::PanicInfo<'_>) -> ! {
            unsafe extern "C" {
                fn abort() -> !;
            }
            // SAFETY: takes nothing and does not return.
            unsafe { abort() }
        }
    };
}
